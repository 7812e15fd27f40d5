/*
 * The date patterns of a filter, and the built-in ones: what usual programs write. Their order is
 * the order in which they are tried in a log of which nothing is known yet.
 */
#include <errno.h>

#include "parsers/fail2ban/date.h"
#include "parsers/fail2ban/pattern.h"

#define ANCHORED_WEIGHT 100.0 /* a date at the beginning of the line is the likelier one */

#define CUT "(?P<_sep>[-/])"
#define AGAIN "(?P=_sep)"
#define PART "(?:\\.%f)?"
#define SYSLOG "(?:%a )?%b %d %k:%M:%S" PART "(?: %ExY)?"

static const char *const builtin[] = {
    "%ExY(?P<_sep>[-/.])%m" AGAIN "%d(?:T|  ?)%H:%M:%S(?:[.,]%f)?(?:\\s*%z)?",
    SYSLOG,
    "(?:%a )?%b %d %ExY %k:%M:%S" PART,
    "%d" CUT "%m" AGAIN "(?:%ExY|%Exy) %k:%M:%S",
    "%d" CUT "%b" AGAIN "%ExY[ :]?%H:%M:%S" PART "(?: %z)?", /* web servers */
    "%m/%d/%ExY:%H:%M:%S",
    "%m-%d-%ExY %k:%M:%S" PART,
    "EPOCH",
    LINE_BEGIN "%H:%M:%S",
    "^<%m/%d/%Exy@%H:%M:%S>",
    "%Exy%Exm%Exd  ?%H:%M:%S",
    "%b %d, %ExY %I:%M:%S %p",
    "^%b-%d-%Exy %k:%M:%S",
    "%ExY%Exm%Exd(?:T|  ?)%ExH%ExM%ExS(?:[.,]%f)?(?:\\s*%z)?",
    "(?:%Z )?" SYSLOG,
    "(?:%z )?" SYSLOG,
    "TAI64N",
};

struct making {
    struct arena *a;
    int year;
    struct date_set *set;
    bool later; /* there were some before: doubles are left out */
    struct err *err;
};

static bool has(const struct date_set *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq(s->list[i].name, name))
            return true;
    return false;
}

static int add(struct making *m, struct slice pattern, double weight, bool only_anchored)
{
    struct date_template *t = &m->set->list[m->set->n];
    int rc;

    if (has(m->set, date_key(m->a, pattern)))
        return 0;
    if (m->set->n == TEMPLATES_MAX)
        return err_set(m->err, -E2BIG, "more than %d date patterns", TEMPLATES_MAX);
    rc = date_template_make(m->a, pattern, m->year, t, m->err);
    if (rc < 0)
        return rc;
    t->weight = weight;
    t->begins = weight == ANCHORED_WEIGHT;
    if (only_anchored && !t->anchored) {
        regex_free(t->re);
        return 0;
    }
    m->set->n++;
    return 0;
}

static int add_builtin(struct making *m, bool only_anchored)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(builtin) && rc == 0; i++) {
        char *p;

        if (builtin[i][0] == '^' || slice_starts(slice_str(builtin[i]), SLICE(LINE_BEGIN)))
            continue;
        p = arena_printf(m->a, LINE_BEGIN "%s", builtin[i]);
        rc = p ? add(m, slice_str(p), ANCHORED_WEIGHT, only_anchored) : -ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_SIZE(builtin) && rc == 0; i++)
        rc = add(m, slice_str(builtin[i]), 1.0, only_anchored);
    return rc;
}

static size_t find_date(struct slice s)
{
    for (size_t i = 0; i + 6 <= s.n; i++)
        if (slice_eq_nocase(slice_of(s.p + i, 6), SLICE("{DATE}")) && !(i && s.p[i - 1] == '\\'))
            return i;
    return SIZE_MAX;
}

/* The built-in pattern without what binds it to the line. */
static struct slice unbound(const char *pattern)
{
    struct slice s = slice_str(pattern);

    return slice_starts(s, SLICE(LINE_BEGIN)) ? slice_skip(s, strlen(LINE_BEGIN)) : s;
}

/* Each built-in pattern in the place of {DATE}. */
static int add_around(struct making *m, struct slice around)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(builtin) && rc == 0; i++) {
        AUTO_BUF out = BUF_LIMIT(PATTERN_MAX);
        struct slice rest = around, copy;
        size_t at;

        while ((at = find_date(rest)) != SIZE_MAX) {
            buf_slice(&out, slice_take(rest, at));
            buf_slice(&out, slice_is(slice_str(builtin[i]), "EPOCH") ? SLICE("Epoch")
                                                                     : unbound(builtin[i]));
            rest = slice_skip(rest, at + 6);
        }
        buf_slice(&out, rest);
        copy = arena_slice(m->a, buf_view(&out));
        rc = copy.p ? add(m, copy, 1.0, false) : -ENOMEM;
    }
    return rc;
}

static int add_line(struct making *m, struct slice line)
{
    struct slice key = date_key(m->a, line);

    if (slice_is(key, LINE_BEGIN) || slice_is(key, "{DEFAULT}"))
        return add_builtin(m, slice_is(key, LINE_BEGIN));
    if (find_date(line) != SIZE_MAX)
        return add_around(m, line);
    return add(m, slice_is(key, "{NONE}") ? SLICE(UNBOUND "^") : line, 1.0, false);
}

int date_set_make(struct arena *a, struct slice patterns, int year, struct date_set *ret,
                  struct err *err)
{
    struct making m = { .a = a, .year = year, .set = ret, .err = err };
    struct slice line;
    int rc = 0;

    *ret = (struct date_set){ 0 };
    ret->list = arena_array(a, TEMPLATES_MAX + 1, sizeof *ret->list);
    if (!ret->list)
        return err_nomem(err);
    while (rc == 0 && slice_split(&patterns, '\n', &line)) {
        line = slice_trim(line);
        if (line.n)
            rc = add_line(&m, line);
    }
    if (rc == 0 && ret->n == 0)
        rc = add_builtin(&m, false);
    if (rc < 0)
        date_set_fini(ret);
    return rc;
}

void date_set_fini(struct date_set *s)
{
    for (size_t i = 0; i < s->n; i++)
        regex_free(s->list[i].re);
    s->n = 0;
}
