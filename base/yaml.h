/*
 * YAML documents as a tree with places; the only door to libfyaml.
 *
 * Typing is the caller's: a scalar is its text, and `plain` says that it was
 * not quoted (only then do true, null and numbers of the YAML 1.2 core schema
 * mean anything). Duplicate keys, tabs, bad UTF-8, depth over 64, files over
 * the limit and more than 1000 documents are errors; a file with nothing in it
 * is a warning (a drop-in may be all comments). Aliases are followed with a
 * budget of 10,000 nodes; recursion is an error; merge keys are refused.
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"

enum yaml_kind {
    YAML_SCALAR,
    YAML_MAP,
    YAML_SEQ,
};

struct yaml {
    enum yaml_kind kind;
    bool plain; /* scalar without quotes or block style */
    struct src_pos at; /* of the value; for maps and sequences of their first item */
    struct slice text; /* scalar, decoded; empty for `key:` with nothing behind (plain) */
    struct slice key; /* when a member of a map */
    struct src_pos key_at;
    struct yaml *child; /* first member or item */
    struct yaml *next;
    size_t nchildren;
};

struct yaml_docs {
    struct yaml **docs; /* an empty document is NULL */
    size_t ndocs;
};

/* Reads a regular file (cap 1 MiB) or a text. All memory in the arena; findings in diag with
 * `path`. */
int yaml_load_file(const char *path, struct arena *a, struct diag *d, struct yaml_docs *ret);
int yaml_load_text(const char *path, struct slice text, struct arena *a, struct diag *d,
                   struct yaml_docs *ret);

const struct yaml *yaml_get(const struct yaml *map,
                            const char *key); /* NULL when absent or no map */
bool yaml_is_null(const struct yaml *y); /* plain ~, null or nothing */
bool yaml_bool(const struct yaml *y,
               bool *ret); /* plain true/false only (yes/no: false returned) */
#define YAML_EACH(it, parent)                                                                      \
    for (const struct yaml *it = (parent) ? (parent)->child : NULL; it; it = it->next)
