#include "parsers/fail2ban/settings.h"

#include <errno.h>
#include <stdio.h>

#include "base/literal.h"

#define SETTINGS_MAX 300
#define VALUE_MAX (256u << 10)
#define REPLACED_MAX 25 /* of one tag in one value: more is a circle */
#define REPLACED_ALL_MAX 2000

/* In the order in which fail2ban looks at them: each may take what was filled before it. */
static const char *const known[] = { "usedns",   "prefregex",   "ignoreregex",  "failregex",
                                     "maxlines", "datepattern", "journalmatch", NULL };

static struct setting *find(const struct settings *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq(s->list[i].name, name))
            return &s->list[i];
    return NULL;
}

const struct setting *setting_of(const struct settings *s, const char *name)
{
    return find(s, slice_str(name));
}

static int set(struct settings *s, struct slice name, struct slice value, struct ini_option *o)
{
    struct setting *old = find(s, name);

    if (old) {
        old->value = value;
        old->option = o;
        return 0;
    }
    if (!s->list)
        s->list = arena_array(s->arena, SETTINGS_MAX, sizeof *s->list);
    if (!s->list)
        return -ENOMEM;
    if (s->n == SETTINGS_MAX) {
        diag_error(s->d, ((struct src_pos){ o ? o->file : NULL, o ? o->line : 0, 1 }),
                   "more than %d settings and parameters", SETTINGS_MAX);
        return -E2BIG;
    }
    s->list[s->n++] = (struct setting){ name, value, o };
    return 0;
}

/* ---- what there is ---- */

static int add_given(struct settings *s, const char *name, const char *value)
{
    struct ini_given *g = &s->givens.list[s->givens.n++];

    g->name = literal_lower(s->arena, slice_str(name));
    g->value = arena_slice(s->arena, slice_str(value));
    return g->name.p && g->value.p ? 0 : -ENOMEM;
}

static int read_givens(struct settings *s, const struct fail2ban_options *options)
{
    const struct slice logtype = SLICE("logtype");
    bool has_logtype = ini_option(ini_section(&s->ini, SLICE("Definition")), logtype) != NULL;

    if (options->nparameters > SETTINGS_MAX / 2)
        return -E2BIG;
    s->givens.list = arena_array(s->arena, options->nparameters + 1, sizeof *s->givens.list);
    if (!s->givens.list)
        return -ENOMEM;
    for (size_t i = 0; i < options->nparameters; i++) {
        if (slice_eq_nocase(slice_str(options->parameters[i].name), logtype))
            has_logtype = true;
        if (add_given(s, options->parameters[i].name, options->parameters[i].value) < 0)
            return -ENOMEM;
    }
    if (has_logtype)
        return 0;
    if (add_given(s, "logtype", options->journal ? "journal" : "file") < 0)
        return -ENOMEM;
    s->givens.list[s->givens.n - 1].used = true; /* not the jail's: nothing to warn of */
    return 0;
}

static bool is_given(const struct settings *s, struct slice name)
{
    for (size_t i = 0; i < s->givens.n; i++)
        if (slice_eq(s->givens.list[i].name, name))
            return true;
    return false;
}

static int read_definition(struct settings *s)
{
    for (size_t i = 0; known[i]; i++) {
        struct slice name = slice_str(known[i]), value;
        struct ini_option *o = NULL;
        int rc;

        if (is_given(s, name))
            continue;
        rc = ini_get(&s->ini, SLICE("Definition"), name, &s->givens, &value, &o);
        if (rc == 0)
            rc = set(s, name, value, o);
        if (rc < 0 && rc != -ENOENT)
            return rc;
    }
    return 0;
}

static int take_givens(struct settings *s)
{
    for (size_t i = 0; i < s->givens.n; i++) {
        struct ini_given *g = &s->givens.list[i];
        int rc = set(s, g->name, g->value, NULL);

        for (size_t k = 0; known[k]; k++)
            g->used = g->used || slice_is(g->name, known[k]);
        if (rc < 0)
            return rc;
    }
    return 0;
}

static int read_init(struct settings *s)
{
    const struct ini_section *init = ini_section(&s->ini, SLICE("Init"));

    for (size_t i = 0; init && i < init->n; i++) {
        struct slice name = init->options[i].name, value;
        struct ini_option *o = NULL;
        char *with_known = arena_printf(s->arena, "known/%.*s", SLICE_FMT(name));
        int rc = ini_get(&s->ini, SLICE("Init"), name, NULL, &value, &o);

        if (!with_known)
            return -ENOMEM;
        if (rc == 0 && !slice_starts(name, SLICE("known/")))
            rc = set(s, slice_str(with_known), value, o);
        if (rc == 0 && !is_given(s, name))
            rc = set(s, name, value, o);
        if (rc < 0)
            return rc;
    }
    return 0;
}

/* ---- tags ---- */

struct count {
    struct slice tag;
    unsigned n;
};

struct counts {
    struct count list[SETTINGS_MAX];
    size_t n;
    unsigned all;
};

static unsigned *count_of(struct counts *c, struct slice tag)
{
    for (size_t i = 0; i < c->n; i++)
        if (slice_eq(c->list[i].tag, tag))
            return &c->list[i].n;
    if (c->n == SETTINGS_MAX)
        return NULL;
    c->list[c->n] = (struct count){ tag, 0 };
    return &c->list[c->n++].n;
}

/* The next <tag> from *at on: no blanks and no brackets in it. */
static bool next_tag(struct slice v, size_t *at, struct slice *ret_tag)
{
    for (size_t i = *at; i < v.n; i++) {
        size_t end = i + 1;

        if (v.p[i] != '<')
            continue;
        while (end < v.n && !strchr(" <>", v.p[end]))
            end++;
        if (end == v.n || v.p[end] != '>' || end == i + 1)
            continue;
        *at = i;
        *ret_tag = slice_of(v.p + i + 1, end - i - 1);
        return true;
    }
    return false;
}

static void mark_used(struct settings *s, struct slice name)
{
    for (size_t i = 0; i < s->givens.n; i++)
        if (slice_eq(s->givens.list[i].name, name))
            s->givens.list[i].used = true;
}

static int tag_value(struct settings *s, struct slice tag, struct slice *ret)
{
    const struct setting *other = find(s, tag);

    if (!other)
        return ini_get_tag(&s->ini, tag, &s->givens, ret);
    mark_used(s, tag);
    if (other->option)
        other->option->used = true;
    *ret = other->value;
    return 0;
}

static struct src_pos place(const struct setting *t)
{
    return t->option ? (struct src_pos){ t->option->file, t->option->line, 1 }
                     : (struct src_pos){ NULL, 0, 0 };
}

static int put_in(struct settings *s, struct setting *t, struct slice tag, struct slice value)
{
    AUTO_BUF out = BUF_LIMIT(VALUE_MAX);
    struct slice rest = t->value;
    char what[160];
    int n = snprintf(what, sizeof what, "<%.*s>", SLICE_FMT(tag));
    size_t at;

    if (n < 0 || (size_t)n >= sizeof what)
        return 0;
    while ((at = slice_find(rest, slice_of(what, (size_t)n))) != SIZE_MAX) {
        buf_slice(&out, slice_take(rest, at));
        buf_slice(&out, value);
        rest = slice_skip(rest, at + (size_t)n);
    }
    buf_slice(&out, rest);
    if (!buf_ok(&out)) {
        diag_error(s->d, place(t), "the value of '%.*s' grows over %u bytes", SLICE_FMT(t->name),
                   VALUE_MAX);
        return -EINVAL;
    }
    t->value = arena_slice(s->arena, buf_view(&out));
    return t->value.p ? 0 : -ENOMEM;
}

/*
 * One round over one value. 1: it is another one now. What comes out as it went in is left, even
 * when it still holds a tag: <lt_<type>/x> where [lt_...] has no x and [DEFAULT] says the same.
 */
static int fill_tags(struct settings *s, struct setting *t, struct counts *counts)
{
    struct slice tag, value, before = t->value;
    size_t at = 0;

    while (next_tag(t->value, &at, &tag)) {
        unsigned *n;
        int rc;

        if (slice_eq(tag, t->name) || tag.n > 150)
            rc = slice_eq(tag, t->name) ? -ELOOP : -ENOENT;
        else
            rc = tag_value(s, tag, &value);
        if (rc == -ENOENT) {
            at += tag.n + 2;
            continue;
        }
        n = rc == 0 ? count_of(counts, tag) : NULL;
        if (rc == -ELOOP ||
            (rc == 0 && (!n || ++*n > REPLACED_MAX || ++counts->all > REPLACED_ALL_MAX))) {
            diag_error(s->d, place(t), "'%.*s' is made of itself by way of <%.*s>",
                       SLICE_FMT(t->name), SLICE_FMT(tag));
            return -EINVAL;
        }
        if (rc == 0)
            rc = put_in(s, t, tag, value);
        if (rc < 0)
            return rc;
    }
    return !slice_eq(before, t->value);
}

static int fill_all_tags(struct settings *s)
{
    AUTO_FREE void *room = calloc(s->n ? s->n : 1, sizeof(struct counts));
    struct counts *counts = room;
    bool again = true;

    if (!counts)
        return -ENOMEM;
    while (again) {
        again = false;
        for (size_t i = 0; i < s->n; i++) {
            int rc;

            if (slice_find_byte(s->list[i].name, '?') != SIZE_MAX)
                continue; /* for a condition: not ours */
            rc = fill_tags(s, &s->list[i], &counts[i]);
            if (rc < 0)
                return rc;
            again = again || rc;
        }
    }
    return 0;
}

/* ---- slips ---- */

static void warn_of_parameters(struct settings *s)
{
    for (size_t i = 0; i < s->givens.n; i++) {
        const struct ini_given *g = &s->givens.list[i];

        if (!g->used)
            diag_add(s->d, DIAG_WARNING, (struct src_pos){ NULL, 0, 0 }, 0,
                     ini_nearest(&s->ini, SLICE("Definition"), g->name),
                     "parameter '%.*s' is used by nothing in the filter", SLICE_FMT(g->name));
    }
}

/* A name that nothing asks for and that is almost one of ours. */
static void warn_of_names(struct settings *s)
{
    const struct ini_section *definition = ini_section(&s->ini, SLICE("Definition"));

    for (size_t i = 0; definition && i < definition->n; i++) {
        const struct ini_option *o = &definition->options[i];
        const char *near = o->used ? NULL : diag_nearest(o->name, known);
        char hint[64];

        if (!near || strlen(near) == 0 || slice_is(o->name, near))
            continue;
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
        diag_add(s->d, DIAG_WARNING, (struct src_pos){ o->file, o->line, 1 }, (unsigned)o->name.n,
                 hint, "'%.*s' is used by nothing", SLICE_FMT(o->name));
    }
}

static char *base_of(struct arena *a, const char *path)
{
    struct slice p = slice_str(path);

    if (slice_ends(p, SLICE(".conf")))
        p.n -= 5;
    else if (slice_ends(p, SLICE(".local")))
        p.n -= 6;
    return arena_str(a, p);
}

int settings_load(const char *path, const struct fail2ban_options *options, struct settings *s)
{
    char *base = base_of(s->arena, path);
    int rc;

    s->ini.arena = s->arena;
    s->ini.d = s->d;
    rc = base ? ini_load(base, &s->ini) : -ENOMEM;
    if (rc == 0)
        rc = read_givens(s, options);
    if (rc == 0)
        rc = read_definition(s);
    if (rc == 0)
        rc = take_givens(s);
    if (rc == 0)
        rc = read_init(s);
    if (rc == 0)
        rc = fill_all_tags(s);
    if (rc < 0)
        return rc;
    warn_of_parameters(s);
    warn_of_names(s);
    return 0;
}
