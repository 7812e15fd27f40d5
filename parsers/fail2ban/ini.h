/*
 * The ini files of fail2ban: sections, values over several lines, includes, overrides.
 *
 * They are those of Python's configparser with fail2ban's additions: names of options know no case,
 * a line that is indented deeper goes on with the value, `#` and `;` begin a comment line and ` ;`
 * a comment behind a value, [INCLUDES] before/after name other files, `[Init?family=inet6]` holds
 * values for a condition. What a later file overrides stays known as section KNOWN/NAME.
 *
 * All memory is the arena's, findings go to the diag.
 */
#pragma once

#include "base/arena.h"
#include "base/diag.h"

struct ini_option {
    struct slice name; /* lower case */
    struct slice value; /* lines joined by LF, as written */
    const char *file;
    unsigned line; /* of the name */
    unsigned *lines; /* of each line of the value */
    size_t nlines;
    bool used; /* something asked for it */
};

struct ini_section {
    struct slice name;
    struct ini_option *options;
    size_t n, cap;
};

struct ini {
    struct arena *arena;
    struct diag *d;
    struct ini_section *sections;
    size_t n, cap;
    size_t nfiles, bytes; /* read so far */
};

/* All files of the filter. `base` is the path without .conf. */
int ini_load(const char *base, struct ini *ini);

struct ini_section *ini_section(const struct ini *ini, struct slice name); /* or NULL */
/* Names in any case. */
struct ini_option *ini_option(const struct ini_section *section, struct slice name);

/* What a jail gives; wins over the sections. */
struct ini_given {
    struct slice name, value;
    bool used;
};

struct ini_givens {
    struct ini_given *list;
    size_t n;
};

/* 0: found, *ret_option (may be NULL: given) is where it stands. -ENOENT: there is none. -EINVAL:
 * told. */
int ini_get(struct ini *ini, struct slice section, struct slice name,
            const struct ini_givens *givens, struct slice *ret, struct ini_option **ret_option);
/* The same for `section/name`, `known/name`, `default/name`; for a plain name in [Definition]. */
int ini_get_tag(struct ini *ini, struct slice tag, const struct ini_givens *givens,
                struct slice *ret);

/* The section, made when it is not there; NULL: too many. */
struct ini_section *ini_section_make(struct ini *ini, struct slice name);
/* A copy of the option takes the place of one with its name. */
int ini_put(struct ini *ini, struct ini_section *into, const struct ini_option *from);

/* "did you mean 'x'?", or NULL. */
const char *ini_nearest(struct ini *ini, struct slice section, struct slice name);

/* One file of its own; for tests and fuzzing. */
int ini_parse(struct ini *ini, const char *path, struct slice text);
