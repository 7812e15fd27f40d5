/*
 * Option tables: the one place where a setting is named.
 *
 * From a table come loading from YAML (with places, ranges and spelling
 * hints), defaults, `trailwarden help`, the manual page's text and the JSON
 * Schema of the configuration. The state is zeroed memory of the module; texts
 * live in the arena given.
 */
#pragma once

#include "base/json.h"
#include "base/yaml.h"

enum option_type {
    OPTION_STR, /* const char * */
    OPTION_BOOL, /* bool */
    OPTION_U64, /* uint64_t; min and max are decimal texts */
    OPTION_I64, /* int64_t */
    OPTION_SIZE, /* uint64_t bytes; texts like 64KiB */
    OPTION_DURATION, /* uint64_t microseconds; texts like 5m */
    OPTION_ENUM, /* int: index in choices */
    OPTION_STRS, /* struct option_strs; a scalar is a list of one */
    OPTION_SECRET, /* struct secret *: {file: PATH} | {credential: NAME}; plain text refused;
                      unreadable: a warning, an empty view */
    OPTION_NODE, /* const struct yaml *: the module walks it itself */
    OPTION_GROUP, /* nested map: .sub is its table, at the same state base */
};

/* What a text option names: a process that may not touch files but its own gets these. */
enum option_path {
    PATH_NONE,
    PATH_READ, /* a file, a folder or a glob that is read */
    PATH_WRITE, /* a file or folder that is written */
};

struct option_strs {
    const char **items;
    struct src_pos *at;
    size_t n;
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;
    bool required;
    const char *fallback; /* as it would be written; NULL = zero */
    const char *min, *max;
    const char *const *choices; /* OPTION_ENUM, ends with NULL */
    const struct option *sub; /* OPTION_GROUP */
    enum option_path path; /* OPTION_STR, OPTION_STRS */
    const char *help; /* one sentence */
};

/* Sets every default. 0 or -EINVAL for a wrong table (our mistake; a unit test loads all tables).
 */
int option_defaults(const struct option *table, void *state, struct arena *a);

/*
 * Loads a map: unknown keys, missing required ones, wrong types and ranges are
 * findings. Calls option_defaults() first. map may be NULL (defaults only;
 * `at` is then the place for "missing"). Keys named in `ignore` (NULL-terminated, may be NULL)
 * are the caller's, e.g. "type". Returns 0 or -EINVAL when findings were added.
 */
int option_load(const struct option *table, const struct yaml *map, struct src_pos at,
                const char *const *ignore, void *state, struct arena *a, struct diag *d);

/* Calls fn for each path of the kind that the loaded state names; its non-zero answer ends it. */
int option_paths(const struct option *table, const void *state, enum option_path kind,
                 int (*fn)(void *ctx, const char *path), void *ctx);

/* "path  text  required  File or glob to follow." lines for help and man. */
void option_help(const struct option *table, struct buf *out, const char *indent);
/* The members of a JSON Schema object for this table: "type", "properties", "required",
 * "additionalProperties". */
void option_schema(const struct option *table, struct json_writer *w);
