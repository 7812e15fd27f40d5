/* A filter from its settings: expressions compiled, date patterns made. */
#include "parsers/fail2ban/filter.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "parsers/fail2ban/pattern.h"
#include "parsers/fail2ban/private.h"
#include "parsers/fail2ban/settings.h"

struct loading {
    struct fail2ban *f;
    struct settings settings;
    struct diag *d;
    bool addresses_only; /* usedns = no */
    bool failed;
};

/* ---- names of groups ---- */

static const char *const fixed_names[NAME_FIXED] = {
    [NAME_IP4] = "ip4",
    [NAME_IP6] = "ip6",
    [NAME_DNS] = "dns",
    [NAME_FID] = "fid",
    [NAME_CIDR] = "cidr",
    [NAME_USER] = "user",
    [NAME_MLFID] = "mlfid",
    [NAME_NOFAIL] = "nofail",
    [NAME_MLFFORGET] = "mlfforget",
    [NAME_MLFGAINED] = "mlfgained",
    [NAME_CONTENT] = "content",
};

static int name_of(struct fail2ban *f, struct slice name, uint8_t *ret)
{
    for (size_t i = 0; i < f->nnames; i++)
        if (slice_is(name, f->names[i])) {
            *ret = (uint8_t)i;
            return 0;
        }
    if (f->nnames == NAMES_MAX)
        return -E2BIG;
    f->names[f->nnames] = arena_str(f->arena, name);
    if (!f->names[f->nnames])
        return -ENOMEM;
    *ret = (uint8_t)f->nnames++;
    return 0;
}

/* alt_user_1 -> user: without the number at its end. */
static struct slice merged_into(struct slice name, size_t prefix)
{
    struct slice rest = slice_skip(name, prefix);
    size_t n = rest.n;

    while (n && rest.p[n - 1] >= '0' && rest.p[n - 1] <= '9')
        n--;
    if (n && n < rest.n && rest.p[n - 1] == '_')
        rest.n = n - 1;
    return slice_is(rest, "id") ? SLICE("fid") : slice_is(rest, "port") ? SLICE("fport") : rest;
}

static int add_merged(struct fail2ban *f, struct expression *x, uint8_t from)
{
    struct slice name = slice_str(f->names[from]);
    bool alt = slice_starts(name, SLICE("alt_")), tuple = slice_starts(name, SLICE("tuple_"));
    struct merged *list, m = { .from = from, .tuple = tuple };
    size_t i = 0;
    int rc;

    if (!alt && !tuple)
        return 0;
    rc = name_of(f, merged_into(name, tuple ? 6 : 4), &m.into);
    list = rc < 0 ? NULL : arena_array(f->arena, x->nmerged + 1, sizeof *list);
    if (!list)
        return rc < 0 ? rc : -ENOMEM;
    /* In the order of their names. */
    for (; i < x->nmerged && strcmp(f->names[x->merged[i].from], f->names[from]) <= 0; i++)
        list[i] = x->merged[i];
    list[i] = m;
    for (; i < x->nmerged; i++)
        list[i + 1] = x->merged[i];
    x->merged = list;
    x->nmerged++;
    return 0;
}

static int read_group_names(struct fail2ban *f, struct expression *x, struct err *err)
{
    x->ngroups = regex_groups(x->re) + 1;
    if (x->ngroups > GROUPS_MAX + 1)
        return err_set(err, -E2BIG, "more than %d groups", GROUPS_MAX);
    for (size_t i = 0; i < x->ngroups; i++) {
        const char *name = i ? regex_group_name(x->re, i) : NULL;
        int rc;

        x->names[i] = NO_NAME;
        if (!name)
            continue;
        if (strncmp(name, "skiplines", 9) == 0) {
            if (x->nskips < ARRAY_SIZE(x->skips))
                x->skips[x->nskips++] = (uint8_t)i;
            continue;
        }
        rc = name_of(f, slice_str(name), &x->names[i]);
        if (rc == 0)
            rc = add_merged(f, x, x->names[i]);
        if (rc < 0)
            return err_set(err, rc, "more than %d names of groups", NAMES_MAX);
    }
    return 0;
}

/* ---- expressions ---- */

/* An expression that begins with one of so few bytes is refused at once without looking for more.
 */
#define BEGINNINGS_FEW 16

/* Found by memmem before PCRE2 is called at all: worth while for few and for long ones. */
static void find_hints(struct loading *l, struct expression *x)
{
    struct literal_maker m = { .arena = l->settings.arena };
    struct literals set = regex_literals(x->loose ? x->loose : x->re, NULL, &m);
    unsigned beginnings = 0;

    for (unsigned c = 0; c < 256; c++)
        beginnings += regex_may_begin(x->re, (unsigned char)c);
    if (beginnings <= BEGINNINGS_FEW || set.none || m.failed || set.n == 0 || set.n > HINTS_MAX)
        return;
    for (size_t i = 0; i < set.n; i++) {
        if (literal_digits(set.list[i]))
            return;
        x->hints[i] = arena_slice(l->f->arena, set.list[i]);
        if (!x->hints[i].p)
            return;
    }
    x->nhints = set.n;
}

static int compile_text(struct slice tagged, unsigned flags, struct regex **ret, struct err *err)
{
    AUTO_BUF out = BUF_LIMIT(PATTERN_MAX);
    int rc = pattern_python(tagged, flags, &out, err);

    return rc < 0 ? rc
                  : regex_compile(buf_view(&out), flags & PATTERN_MULTILINE ? REGEX_MULTILINE : 0,
                                  ret, err);
}

static int compile(struct loading *l, struct slice source, unsigned flags, struct expression *x,
                   struct err *err)
{
    AUTO_BUF tagged = BUF_LIMIT(PATTERN_MAX);
    int rc;

    x->source = arena_slice(l->f->arena, source);
    if (!x->source.p)
        return err_nomem(err);
    rc = pattern_tags(source, l->addresses_only, &tagged);
    if (rc < 0)
        return err_set(err, rc, "regular expression: longer than %d bytes", PATTERN_MAX);
    rc = compile_text(buf_view(&tagged), flags, &x->re, err);
    if (rc == 0 && slice_find(source, SLICE(PATTERN_CONDITION)) != SIZE_MAX)
        rc = compile_text(buf_view(&tagged), flags | PATTERN_LOOSE, &x->loose, err);
    if (rc == 0)
        rc = read_group_names(l->f, x, err);
    if (rc == 0)
        find_hints(l, x);
    return rc;
}

static size_t count_lines(struct slice value)
{
    struct slice line;
    size_t n = 0;

    while (slice_split(&value, '\n', &line))
        n++;
    return n;
}

/* Where line i of the filled value stands: exact as long as nothing put in had lines of its own. */
static struct src_pos place(const struct setting *t, size_t i)
{
    const struct ini_option *o = t->option;

    if (!o)
        return (struct src_pos){ NULL, 0, 0 };
    if (i < o->nlines && count_lines(o->value) == count_lines(t->value))
        return (struct src_pos){ o->file, o->lines[i], 1 };
    return (struct src_pos){ o->file, o->line, 1 };
}

static void tell(struct loading *l, const struct setting *t, size_t i, struct err *err)
{
    err->at = (struct src_pos){ 0 };
    err_while(err, "%.*s %zu", SLICE_FMT(t->name), i + 1);
    diag_add_err(l->d, place(t, i), err);
    l->failed = true;
}

static bool sets(const struct expression *x, enum name name)
{
    for (size_t i = 1; x && i < x->ngroups; i++)
        if (x->names[i] == name)
            return true;
    return false;
}

static bool has_id(const struct expression *x)
{
    for (size_t i = 1; x && i < x->ngroups; i++)
        if (x->names[i] <= NAME_FID || x->names[i] == NAME_MLFID)
            return true;
    return false;
}

static int check_id(const struct fail2ban *f, const struct expression *x, struct err *err)
{
    if (has_id(x) || has_id(f->pref))
        return 0;
    return err_set(err, -EINVAL, "no address in it: write <HOST> where the address stands");
}

/* All expressions of a setting, one a line. */
static int compile_all(struct loading *l, const char *name, bool fails, struct expression **ret,
                       size_t *ret_n)
{
    const struct setting *t = setting_of(&l->settings, name);
    struct slice value = t ? t->value : SLICE_NONE, line;
    size_t n = count_lines(value), lines = 0;

    *ret_n = 0;
    if (n > REGEXES_MAX) {
        diag_error(l->d, place(t, 0), "more than %d expressions", REGEXES_MAX);
        return -E2BIG;
    }
    *ret = arena_array(l->f->arena, n + 1, sizeof **ret);
    if (!*ret)
        return -ENOMEM;
    while (slice_split(&value, '\n', &line)) {
        struct err err = ERR_NONE;
        size_t i = lines++;
        int rc;

        if (line.n == 0)
            continue;
        rc = compile(l, line, fails && l->f->maxlines > 1 ? PATTERN_MULTILINE : 0,
                     &(*ret)[(*ret_n)++], &err);
        if (rc == 0 && fails)
            rc = check_id(l->f, &(*ret)[*ret_n - 1], &err);
        if (rc < 0)
            tell(l, t, i, &err);
    }
    return 0;
}

static int compile_pref(struct loading *l)
{
    const struct setting *t = setting_of(&l->settings, "prefregex");
    struct err err = ERR_NONE;

    if (!t || slice_trim(t->value).n == 0)
        return 0;
    l->f->pref = arena_alloc(l->f->arena, sizeof *l->f->pref);
    if (!l->f->pref)
        return -ENOMEM;
    if (compile(l, t->value, 0, l->f->pref, &err) < 0)
        tell(l, t, 0, &err);
    return 0;
}

/* Which expressions are worth a try. */
static int sort_fails(struct fail2ban *f)
{
    struct regex **list = arena_array(f->arena, f->nfail + 1, sizeof *list);

    for (size_t i = 0; list && i < f->nfail; i++)
        list[i] = f->fail[i].re;
    return list ? f2b_sort_by_first(f->arena, list, f->nfail, f->by_first) : -ENOMEM;
}

/* ---- the other settings ---- */

static void read_maxlines(struct loading *l)
{
    const struct setting *t = setting_of(&l->settings, "maxlines");
    uint64_t n = 1;

    l->f->maxlines = 1;
    if (!t || t->value.n == 0)
        return;
    if (parse_u64(slice_trim(t->value), 1, MAXLINES_MAX, &n) < 0) {
        diag_error(l->d, place(t, 0), "maxlines is '%.*s', not a number from 1 to %d",
                   SLICE_FMT(slice_take(t->value, 40)), MAXLINES_MAX);
        l->failed = true;
    }
    l->f->maxlines = (unsigned)n;
}

static void read_usedns(struct loading *l)
{
    static const char *const words[] = { "yes", "warn", "no", "raw", NULL };
    const struct setting *t = setting_of(&l->settings, "usedns");

    if (!t || t->value.n == 0)
        return;
    l->addresses_only = slice_eq_nocase(t->value, SLICE("no"));
    for (size_t i = 0; words[i]; i++)
        if (slice_eq_nocase(t->value, slice_str(words[i])))
            return;
    diag_add(l->d, DIAG_WARNING, place(t, 0), 0, "yes, warn, no, raw",
             "usedns is '%.*s': taken for 'no'", SLICE_FMT(slice_take(t->value, 40)));
    l->addresses_only = true;
}

static int read_journalmatch(struct loading *l)
{
    const struct setting *t = setting_of(&l->settings, "journalmatch");

    l->f->journalmatch = arena_slice(l->f->arena, t ? slice_trim(t->value) : SLICE(""));
    return l->f->journalmatch.p ? 0 : -ENOMEM;
}

static int read_dates(struct loading *l, const struct fail2ban_options *options)
{
    const struct setting *t = setting_of(&l->settings, "datepattern");
    struct slice value = t ? arena_slice(l->f->arena, t->value) : SLICE_NONE;
    struct err err = ERR_NONE;
    int year = options->now_us ? civil_from_us(options->now_us).year : 2099;
    int rc = date_set_make(l->f->arena, value, year, &l->f->dates, &err);

    if (rc < 0) {
        err.at = (struct src_pos){ 0 };
        diag_add_err(l->d, t ? place(t, 0) : (struct src_pos){ NULL, 0, 0 }, &err);
        l->failed = true;
    }
    if (options->timezone && !date_zone_parse(slice_str(options->timezone), &l->f->zone)) {
        diag_add(l->d, DIAG_ERROR, (struct src_pos){ NULL, 0, 0 }, 0,
                 "UTC, UTC+0100, CET and the like", "unknown time zone '%s'", options->timezone);
        l->failed = true;
    }
    return rc == -ENOMEM ? rc : 0;
}

/* ---- the whole ---- */

static int build(struct loading *l, const struct fail2ban_options *options)
{
    struct fail2ban *f = l->f;
    int rc;

    for (; f->nnames < NAME_FIXED; f->nnames++)
        f->names[f->nnames] = fixed_names[f->nnames];
    read_usedns(l);
    read_maxlines(l);
    rc = compile_pref(l);
    if (rc == 0)
        rc = compile_all(l, "failregex", true, &f->fail, &f->nfail);
    if (rc == 0)
        rc = compile_all(l, "ignoreregex", false, &f->ignore, &f->nignore);
    if (rc == 0)
        rc = read_dates(l, options);
    if (rc == 0)
        rc = read_journalmatch(l);
    if (rc == 0 && f->nfail == 0 && !l->failed) {
        diag_error(l->d, ((struct src_pos){ NULL, 0, 0 }), "the filter has no failregex");
        l->failed = true;
    }
    if (rc == 0 && (l->failed || diag_errors(l->d)))
        return -EINVAL;
    f->digest = f2b_digest(f);
    return rc < 0 ? rc : sort_fails(f);
}

int fail2ban_load(const char *path, const struct fail2ban_options *options, struct diag *d,
                  struct fail2ban **ret)
{
    AUTO(arena) work = arena_new(64 << 10, 64 << 20);
    AUTO(fail2ban) f = calloc(1, sizeof *f);
    struct loading l = { .f = f, .d = d };
    size_t before = diag_errors(d);
    int rc;

    if (f)
        f->arena = arena_new(16 << 10, 16 << 20);
    if (!f || !work || !f->arena)
        return -ENOMEM;
    l.settings.arena = work;
    l.settings.d = d;
    rc = settings_load(path, options, &l.settings);
    if (rc == 0)
        rc = build(&l, options);
    if (rc == 0 && diag_errors(d) > before)
        rc = -EINVAL;
    if (rc == -ENOMEM || rc == -E2BIG)
        diag_error(d, ((struct src_pos){ NULL, 0, 0 }), "'%s' is too large: %s", path,
                   err_name(rc));
    if (rc < 0)
        return rc;
    *ret = TAKE(f);
    return 0;
}

static void free_expressions(struct expression *x, size_t n)
{
    for (size_t i = 0; x && i < n; i++) {
        regex_free(x[i].re);
        regex_free(x[i].loose);
    }
}

void fail2ban_free(struct fail2ban *f)
{
    if (!f)
        return;
    free_expressions(f->pref, 1);
    free_expressions(f->fail, f->nfail);
    free_expressions(f->ignore, f->nignore);
    date_set_fini(&f->dates);
    arena_free(f->arena);
    free(f);
}

size_t fail2ban_nregexes(const struct fail2ban *f)
{
    return f->nfail;
}

struct slice fail2ban_regex(const struct fail2ban *f, size_t i)
{
    return i < f->nfail ? f->fail[i].source : SLICE_NONE;
}

unsigned fail2ban_maxlines(const struct fail2ban *f)
{
    return f->maxlines;
}

struct slice fail2ban_journalmatch(const struct fail2ban *f)
{
    return f->journalmatch;
}

const char *fail2ban_group(const struct fail2ban *f, size_t i)
{
    return i < f->nnames ? f->names[i] : NULL;
}

bool fail2ban_keeps(const struct fail2ban *f)
{
    if (f->maxlines > 1)
        return true;
    for (size_t i = 0; i < f->nfail; i++)
        if (sets(&f->fail[i], NAME_MLFID))
            return true;
    return sets(f->pref, NAME_MLFID);
}

bool fail2ban_keeps_all(const struct fail2ban *f)
{
    return f->maxlines > 1;
}
