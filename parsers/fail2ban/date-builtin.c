/*
 * The date patterns of a filter, and the built-in ones: what usual programs write, put together of
 * parts. Their order says which is meant where a line has more than one.
 */
#include <errno.h>

#include "parsers/fail2ban/pattern.h"
#include "parsers/fail2ban/private.h"

#define CUT(signs) "(?P<cut>[" signs "])"
#define SAME "(?P=cut)"
#define CLOCK "%H:%M:%S"
#define SHORT_CLOCK "%k:%M:%S" /* a blank for the first digit */
#define T_OR_BLANKS "(?: {1,2}|T)"
#define DOT "(?:\\.%f)?"
#define DOT_OR_COMMA "(?:[,.]%f)?"
#define AND_YEAR "(?: %ExY)?"
#define AND_OFFSET "(?:\\s*%z)?"

static const struct shape {
    const char *zone; /* that may stand in front */
    bool weekday; /* may stand behind it */
    const char *day, *gap, *clock, *more;
} shapes[] = {
    { NULL, false, "%ExY" CUT("-./") "%m" SAME "%d", T_OR_BLANKS, CLOCK, DOT_OR_COMMA AND_OFFSET },
    { NULL, true, "%b %d", " ", SHORT_CLOCK, DOT AND_YEAR }, /* syslog */
    { NULL, true, "%b %d %ExY", " ", SHORT_CLOCK, DOT },
    { NULL, false, "%d" CUT("-/") "%m" SAME "(?:%ExY|%Exy)", " ", SHORT_CLOCK, "" },
    { NULL, false, "%d" CUT("-/") "%b" SAME "%ExY", "[ :]?", CLOCK, DOT "(?: %z)?" }, /* httpd */
    { NULL, false, "%m/%d/%ExY", ":", CLOCK, "" },
    { NULL, false, "%m-%d-%ExY", " ", SHORT_CLOCK, DOT },
    { NULL, false, "EPOCH", "", "", "" },
    { NULL, false, LINE_BEGIN, "", CLOCK, "" },
    { NULL, false, "^<%m/%d/%Exy", "@", CLOCK, ">" },
    { NULL, false, "%Exy%Exm%Exd", " {1,2}", CLOCK, "" },
    { NULL, false, "%b %d, %ExY", " ", "%I:%M:%S", " %p" },
    { NULL, false, "^%b-%d-%Exy", " ", SHORT_CLOCK, "" },
    { NULL, false, "%ExY%Exm%Exd", T_OR_BLANKS, "%ExH%ExM%ExS", DOT_OR_COMMA AND_OFFSET },
    { "%Z", true, "%b %d", " ", SHORT_CLOCK, DOT AND_YEAR },
    { "%z", true, "%b %d", " ", SHORT_CLOCK, DOT AND_YEAR },
    { NULL, false, "TAI64N", "", "", "" },
};

struct making {
    struct arena *a;
    int year;
    struct date_set *set;
    struct err *err;
};

static bool has(const struct date_set *s, struct slice name)
{
    for (size_t i = 0; i < s->n; i++)
        if (slice_eq(s->list[i].name, name))
            return true;
    return false;
}

enum adding {
    ADD_ANY,
    ADD_FRONT, /* built-in, at the beginning of the line */
    ADD_ANCHORED, /* only when it is */
};

static int add(struct making *m, struct slice pattern, enum adding how)
{
    struct date_set *set = m->set;
    struct date_template *t = &set->list[set->n];
    int rc;

    if (has(set, date_key(m->a, pattern)))
        return 0;
    if (set->n == TEMPLATES_MAX)
        return err_set(m->err, -E2BIG, "more than %d date patterns", TEMPLATES_MAX);
    rc = date_template_make(m->a, pattern, m->year, t, m->err);
    if (rc < 0)
        return rc;
    t->begins = how == ADD_FRONT && (set->n == 0 || set->list[set->n - 1].begins);
    if (how == ADD_ANCHORED && !t->anchored) {
        regex_free(t->re);
        return 0;
    }
    set->n++;
    return 0;
}

static void put_shape(const struct shape *s, struct buf *out)
{
    if (s->zone)
        buf_printf(out, "(?:%s )?", s->zone);
    buf_str(out, s->weekday ? "(?:%a )?" : "");
    buf_printf(out, "%s%s%s%s", s->day, s->gap, s->clock, s->more);
}

/* It has its place in the line itself. */
static bool is_placed(const struct shape *s)
{
    return s->day[0] == '^' || s->day[0] == '{';
}

static int add_shape(struct making *m, const struct shape *s, const char *before, enum adding how)
{
    AUTO_BUF pattern = BUF_LIMIT(PATTERN_MAX);
    struct slice copy;

    buf_str(&pattern, before);
    put_shape(s, &pattern);
    copy = arena_slice(m->a, buf_view(&pattern));
    return copy.p ? add(m, copy, how) : -ENOMEM;
}

/* Each in front of the line, then each where it may stand. */
static int add_builtin(struct making *m, enum adding behind)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(shapes) && rc == 0; i++)
        if (!is_placed(&shapes[i]))
            rc = add_shape(m, &shapes[i], LINE_BEGIN, ADD_FRONT);
    for (size_t i = 0; i < ARRAY_SIZE(shapes) && rc == 0; i++)
        rc = add_shape(m, &shapes[i], "", behind);
    return rc;
}

static size_t find_date(struct slice s)
{
    for (size_t i = 0; i + 6 <= s.n; i++)
        if (slice_eq_nocase(slice_of(s.p + i, 6), SLICE("{DATE}")) && !(i && s.p[i - 1] == '\\'))
            return i;
    return SIZE_MAX;
}

/* In the middle of another pattern, where {^LN-BEG} says nothing. */
static void put_inside(const struct shape *s, struct buf *out)
{
    AUTO_BUF b = BUF_LIMIT(PATTERN_MAX);
    struct slice text;

    put_shape(s, &b);
    text = buf_view(&b);
    if (slice_is(text, "EPOCH"))
        text = SLICE("Epoch"); /* with a pattern around it it is no number by itself */
    buf_slice(out,
              slice_starts(text, SLICE(LINE_BEGIN)) ? slice_skip(text, strlen(LINE_BEGIN)) : text);
}

/* Each built-in pattern in the place of {DATE}. */
static int add_around(struct making *m, struct slice around)
{
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(shapes) && rc == 0; i++) {
        AUTO_BUF out = BUF_LIMIT(PATTERN_MAX);
        struct slice rest = around, copy;
        size_t at;

        while ((at = find_date(rest)) != SIZE_MAX) {
            buf_slice(&out, slice_take(rest, at));
            put_inside(&shapes[i], &out);
            rest = slice_skip(rest, at + 6);
        }
        buf_slice(&out, rest);
        copy = arena_slice(m->a, buf_view(&out));
        rc = copy.p ? add(m, copy, slice_is(around, "^{DATE}") ? ADD_FRONT : ADD_ANY) : -ENOMEM;
    }
    return rc;
}

static int add_line(struct making *m, struct slice line)
{
    struct slice key = date_key(m->a, line);

    if (slice_is(key, LINE_BEGIN))
        return add_builtin(m, ADD_ANCHORED);
    if (slice_is(key, "{DEFAULT}"))
        return add_builtin(m, ADD_ANY);
    if (find_date(line) != SIZE_MAX)
        return add_around(m, line);
    return add(m, slice_is(key, "{NONE}") ? SLICE(UNBOUND "^") : line, ADD_ANY);
}

static int sort(struct making *m)
{
    struct regex **list = arena_array(m->a, m->set->n + 1, sizeof *list);

    for (size_t i = 0; list && i < m->set->n; i++)
        list[i] = m->set->list[i].re;
    if (!list || f2b_sort_by_first(m->a, list, m->set->n, m->set->by_first) < 0)
        return err_nomem(m->err);
    return 0;
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
        rc = add_builtin(&m, ADD_ANY);
    if (rc == 0)
        rc = sort(&m);
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

unsigned date_set_before(const struct date_set *s)
{
    unsigned max = 0;

    for (size_t i = 0; i < s->n; i++)
        if (s->list[i].before > max)
            max = s->list[i].before;
    return max;
}
