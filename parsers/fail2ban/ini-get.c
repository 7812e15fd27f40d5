/*
 * Values with `%(name)s` put in.
 *
 * A name is looked for in what the jail gives, the section, [DEFAULT]; `section/name` in that
 * section and then in [DEFAULT], `known/name` in what this section said before it was overridden.
 * `%%` is a percent sign. What is put in may hold names itself, ten deep.
 */
#include <errno.h>
#include <stdio.h>

#include "parsers/fail2ban/ini.h"

#define DEPTH_MAX 10
#define VALUE_MAX (256u << 10)
#define NAMES_SHOWN 600

struct fill {
    struct ini *ini;
    struct slice section;
    const struct ini_givens *givens;
    const struct ini_option *of; /* whose value it is: where faults are */
    struct buf *out;
};

static struct ini_given *given(const struct ini_givens *givens, struct slice name)
{
    for (size_t i = 0; givens && i < givens->n; i++)
        if (slice_eq_nocase(givens->list[i].name, name))
            return &givens->list[i];
    return NULL;
}

static bool taken(struct ini_option *o, struct slice *ret, struct ini_option **ret_option)
{
    if (!o)
        return false;
    o->used = true;
    *ret = o->value;
    *ret_option = o;
    return true;
}

static bool from_section(const struct ini *ini, struct slice section, struct slice name,
                         struct slice *ret, struct ini_option **ret_option)
{
    return taken(ini_option(ini_section(ini, section), name), ret, ret_option);
}

static bool from_known(struct ini *ini, struct slice section, struct slice name, struct slice *ret,
                       struct ini_option **ret_option)
{
    char text[128];
    int n = snprintf(text, sizeof text, "KNOWN/%.*s", SLICE_FMT(section));

    return n > 0 && (size_t)n < sizeof text &&
           from_section(ini, slice_of(text, (size_t)n), name, ret, ret_option);
}

/* The text as it is written. */
static bool raw_value(struct ini *ini, struct slice section, struct slice name,
                      const struct ini_givens *givens, struct slice *ret,
                      struct ini_option **ret_option)
{
    struct ini_given *g = given(givens, name);

    *ret_option = NULL;
    if (g) {
        g->used = true;
        *ret = g->value;
        return true;
    }
    return from_section(ini, section, name, ret, ret_option) ||
           from_section(ini, SLICE("DEFAULT"), name, ret, ret_option);
}

/* The same for the name in %( )s, which may name a section. */
static bool raw_named(struct ini *ini, struct slice section, struct slice name,
                      const struct ini_givens *givens, struct slice *ret)
{
    struct ini_option *o;
    size_t slash = slice_find_byte(name, '/');
    struct slice other, rest;

    if (slice_is(name, "__name__")) {
        *ret = section;
        return true;
    }
    if (raw_value(ini, section, name, givens, ret, &o))
        return true;
    if (slash == SIZE_MAX)
        return false;
    other = slice_take(name, slash);
    rest = slice_skip(name, slash + 1);
    if (slice_eq_nocase(other, SLICE("known"))) {
        if (from_known(ini, section, rest, ret, &o))
            return true;
    } else if (!slice_eq_nocase(other, SLICE("default"))) {
        if (!ini_section(ini, other))
            return false;
        if (from_section(ini, other, rest, ret, &o))
            return true;
    }
    return from_section(ini, SLICE("DEFAULT"), rest, ret, &o);
}

/* ---- faults ---- */

static struct src_pos place(const struct ini_option *o)
{
    return o ? (struct src_pos){ o->file, o->line, 1 } : (struct src_pos){ NULL, 0, 0 };
}

#define FAULT(f, hint, ...)                                                                        \
    (diag_add((f)->ini->d, DIAG_ERROR, place((f)->of), 0, (hint), __VA_ARGS__), -EINVAL)

static size_t add_names(struct arena *a, const struct ini_section *s, const char **names, size_t n)
{
    for (size_t i = 0; s && i < s->n && n + 1 < NAMES_SHOWN; i++) {
        names[n] = arena_str(a, s->options[i].name);
        n += names[n] != NULL;
    }
    return n;
}

const char *ini_nearest(struct ini *ini, struct slice section, struct slice name)
{
    const char **names = arena_array(ini->arena, NAMES_SHOWN, sizeof *names);
    const char *best;
    size_t n;

    if (!names)
        return NULL;
    n = add_names(ini->arena, ini_section(ini, section), names, 0);
    n = add_names(ini->arena, ini_section(ini, SLICE("DEFAULT")), names, n);
    names[n] = NULL;
    best = diag_nearest(name, names);
    return best ? arena_printf(ini->arena, "did you mean '%s'?", best) : NULL;
}

/* ---- filling ---- */

static int fill(struct fill *f, struct slice rest, unsigned depth);

/* %(name)s, with what is behind it; takes it off *rest. */
static int fill_name(struct fill *f, struct slice *rest, unsigned depth)
{
    size_t end = slice_find_byte(*rest, ')');
    struct slice name, value;

    if (end == SIZE_MAX || end < 3 || end + 1 >= rest->n || rest->p[end + 1] != 's')
        return FAULT(f, "write %% as %%%%", "'%.*s' is not closed by ')s'",
                     SLICE_FMT(slice_take(*rest, 40)));
    name = slice_of(rest->p + 2, end - 2);
    *rest = slice_skip(*rest, end + 2);
    if (!raw_named(f->ini, f->section, name, f->givens, &value))
        return FAULT(f, ini_nearest(f->ini, f->section, name), "unknown name '%.*s' in %%(...)s",
                     SLICE_FMT(slice_take(name, 80)));
    return fill(f, value, depth + 1);
}

static int fill(struct fill *f, struct slice rest, unsigned depth)
{
    if (depth > DEPTH_MAX)
        return FAULT(f, NULL, "names in %%(...)s go more than %d deep: one of them holds itself",
                     DEPTH_MAX);
    while (rest.n) {
        size_t at = slice_find_byte(rest, '%');
        int rc;

        buf_slice(f->out, slice_take(rest, at));
        if (at == SIZE_MAX)
            break;
        rest = slice_skip(rest, at);
        if (rest.n > 1 && rest.p[1] == '%') {
            buf_char(f->out, '%');
            rest = slice_skip(rest, 2);
            continue;
        }
        if (rest.n < 2 || rest.p[1] != '(')
            return FAULT(f, "write %% as %%%%", "'%%' is not followed by '%%' or '('");
        rc = fill_name(f, &rest, depth);
        if (rc < 0)
            return rc;
        if (!buf_ok(f->out))
            return FAULT(f, NULL, "a value is longer than %u bytes", VALUE_MAX);
    }
    return 0;
}

static int filled(struct ini *ini, struct slice section, struct slice raw, struct ini_option *o,
                  const struct ini_givens *givens, struct slice *ret)
{
    AUTO_BUF out = BUF_LIMIT(VALUE_MAX);
    struct fill f = { ini, section, givens, o, &out };
    int rc = fill(&f, raw, 0);

    if (rc < 0)
        return rc;
    *ret = arena_slice(ini->arena, buf_view(&out));
    return ret->p ? 0 : -ENOMEM;
}

int ini_get(struct ini *ini, struct slice section, struct slice name,
            const struct ini_givens *givens, struct slice *ret, struct ini_option **ret_option)
{
    struct ini_option *o = NULL;
    struct slice raw;

    if (!raw_value(ini, section, name, givens, &raw, &o))
        return -ENOENT;
    if (ret_option)
        *ret_option = o;
    return filled(ini, section, raw, o, givens, ret);
}

int ini_get_tag(struct ini *ini, struct slice tag, const struct ini_givens *givens,
                struct slice *ret)
{
    const struct slice definition = SLICE("Definition"), defaults = SLICE("DEFAULT");
    size_t slash = slice_find_byte(tag, '/');
    struct ini_option *o = NULL;
    struct slice raw, other, rest;

    if (slash == SIZE_MAX || slash == 0 || slash + 1 == tag.n)
        return ini_get(ini, definition, tag, givens, ret, NULL);
    other = slice_take(tag, slash);
    rest = slice_skip(tag, slash + 1);
    if (slice_eq_nocase(other, SLICE("known"))) {
        if (from_known(ini, definition, rest, &raw, &o))
            return filled(ini, definition, raw, o, NULL, ret);
        return ini_get(ini, definition, rest, NULL, ret, NULL);
    }
    if (slice_eq_nocase(other, SLICE("default")))
        other = defaults;
    if (ini_section(ini, other) && ini_get(ini, other, rest, NULL, ret, NULL) == 0)
        return 0;
    return ini_get(ini, definition, tag, givens, ret, NULL);
}
