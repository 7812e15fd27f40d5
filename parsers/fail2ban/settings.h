/*
 * What a filter says in the end: the settings of [Definition] with everything put in.
 *
 * Parameters of the jail win over [Init], both win over [Definition]; then each `<tag>` that is a
 * setting, a parameter or a name of [Definition] is replaced until none is left. Other tags
 * (<HOST>, <F-USER>) stay for the expressions.
 */
#pragma once

#include "parsers/fail2ban/filter.h"
#include "parsers/fail2ban/ini.h"

struct setting {
    struct slice name, value;
    struct ini_option *option; /* where it stands; NULL: a parameter */
};

struct settings {
    struct arena *arena;
    struct diag *d;
    struct ini ini;
    struct ini_givens givens;
    struct setting *list;
    size_t n, cap;
};

int settings_load(const char *path, const struct fail2ban_options *options, struct settings *s);
/* SLICE_NONE: not set. */
const struct setting *setting_of(const struct settings *s, const char *name);
