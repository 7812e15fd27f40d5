/* One predicate against the values of an event. */
#include <errno.h>
#include <math.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "rules/match.h"

/* ---- numbers ---- */

/*
 * Short plain numbers, as most are: digits, and perhaps a point and digits. With so few digits the
 * quotient is what strtod() says: both parts are exact, and it is rounded once.
 */
#define DIGITS_EXACT 15

static bool number_plain(struct slice s, struct number *ret)
{
    static const double powers[] = { 1,   1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                     1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15 };
    size_t point = s.n;
    int64_t v = 0;

    if (s.n == 0 || s.n > DIGITS_EXACT + 1)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '.' && point == s.n && i > 0 && i + 1 < s.n)
            point = i;
        else if (s.p[i] < '0' || s.p[i] > '9')
            return false;
        else
            v = v * 10 + (s.p[i] - '0');
    }
    if (s.n - (point < s.n) > DIGITS_EXACT)
        return false;
    if (point == s.n)
        *ret = (struct number){ .integer = true, .i = v, .d = (double)v };
    else
        *ret = (struct number){ .d = (double)v / powers[s.n - point - 1] };
    return true;
}

bool number_parse(struct slice s, struct number *ret)
{
    struct number n = { 0 };

    if (number_plain(s, ret))
        return true;
    if (parse_i64(s, INT64_MIN, INT64_MAX, &n.i) == 0) {
        n.integer = true;
        n.d = (double)n.i;
    } else if (parse_u64(s, 0, UINT64_MAX, &n.u) == 0) {
        n.large = true;
        n.d = (double)n.u;
    } else if (parse_double(s, &n.d) < 0) {
        return false;
    }
    *ret = n;
    return true;
}

static int sign(double d)
{
    return (d > 0) - (d < 0);
}

/* An integer against a fraction: the whole part first, in 64 bits, then what is behind the point.
 */
static int compare_fraction(const struct number *a, double d)
{
    if (a->large) {
        if (d < 0 || d >= 0x1p64)
            return d < 0 ? 1 : -1;
        if (a->u != (uint64_t)d)
            return a->u > (uint64_t)d ? 1 : -1;
        return sign(trunc(d) - d);
    }
    if (d < -0x1p63 || d >= 0x1p63)
        return d < 0 ? 1 : -1;
    if (a->i != (int64_t)d)
        return a->i > (int64_t)d ? 1 : -1;
    return sign(trunc(d) - d);
}

/* 64-bit integers are compared as such: no rounding to double. */
int number_compare(const struct number *a, const struct number *b)
{
    if (a->integer && b->integer)
        return (a->i > b->i) - (a->i < b->i);
    if (a->large && b->large)
        return (a->u > b->u) - (a->u < b->u);
    if ((a->large && b->integer) || (a->integer && b->large))
        return a->large ? 1 : -1;
    if (a->integer || a->large)
        return compare_fraction(a, b->d);
    if (b->integer || b->large)
        return -compare_fraction(b, a->d);
    return (a->d > b->d) - (a->d < b->d);
}

bool comparison_holds(enum comparison c, int r)
{
    switch (c) {
    case COMPARE_LT:
        return r < 0;
    case COMPARE_LTE:
        return r <= 0;
    case COMPARE_GT:
        return r > 0;
    case COMPARE_GTE:
        return r >= 0;
    case COMPARE_EQ:
        return r == 0;
    case COMPARE_NEQ:
        break;
    }
    return r != 0;
}

/* ---- one value ---- */

struct date {
    int64_t year;
    unsigned month, day, hour, minute;
};

static unsigned two_digits(const char *p)
{
    return (unsigned)(p[0] - '0') * 10 + (unsigned)(p[1] - '0');
}

/*
 * A date, or a date and time of RFC 3339, also without offset. The offset
 * written in the value counts: its own clock is read.
 */
static bool date_parse(struct slice s, struct date *ret)
{
    char text[64];
    size_t n = s.n;
    uint64_t us;
    int e;

    if (n < 10 || n > 40)
        return false;
    memcpy(text, s.p, n);
    memcpy(text + n, n == 10 ? "T00:00:00Z" : "Z", n == 10 ? 11 : 2);
    if (n == 10)
        e = time_parse_rfc3339(slice_of(text, n + 10), &us);
    else if ((e = time_parse_rfc3339(s, &us)) == -EINVAL)
        e = time_parse_rfc3339(slice_of(text, n + 1), &us);
    if (e < 0 && e != -ERANGE) /* before 1970 it is a date, too */
        return false;
    ret->year = two_digits(text) * 100 + two_digits(text + 2);
    ret->month = two_digits(text + 5);
    ret->day = two_digits(text + 8);
    ret->hour = n == 10 ? 0 : two_digits(text + 11);
    ret->minute = n == 10 ? 0 : two_digits(text + 14);
    return true;
}

/* ISO 8601: the week belongs to the year that its Thursday is in. */
static int64_t iso_week(const struct date *t)
{
    int64_t day = days_from_civil(t->year, t->month, t->day);
    int64_t weekday = ((day + 3) % 7 + 7) % 7; /* Monday = 0; day 0 was a Thursday */
    int64_t thursday = day - weekday + 3, year = t->year - 1;

    while (days_from_civil(year + 1, 1, 1) <= thursday)
        year++;
    return (thursday - days_from_civil(year, 1, 1)) / 7 + 1;
}

/* A bare date has no hour and no minute. */
static bool time_part_of(enum time_part part, struct slice value, struct number *ret)
{
    struct date t;

    if (!date_parse(value, &t) || (value.n == 10 && (part == TIME_HOUR || part == TIME_MINUTE)))
        return false;
    *ret = (struct number){ .integer = true };
    switch (part) {
    case TIME_MINUTE:
        ret->i = t.minute;
        break;
    case TIME_HOUR:
        ret->i = t.hour;
        break;
    case TIME_DAY:
        ret->i = t.day;
        break;
    case TIME_WEEK:
        ret->i = iso_week(&t);
        break;
    case TIME_MONTH:
        ret->i = t.month;
        break;
    case TIME_YEAR:
        ret->i = t.year;
        break;
    }
    ret->d = (double)ret->i;
    return true;
}

static bool regex_holds(struct rules_scratch *s, const struct regex *r, struct slice value)
{
    struct slice whole;
    int m = regex_match(r, s->regex, value, &whole, 1);

    /* Told by the caller: never "no match" in silence. */
    if (m < 0)
        s->limits.hit++;
    else if (m == 0 && value.n > REGEX_TEXT_MAX)
        s->limits.cut++;
    return m == 1;
}

static bool texts_fit(const struct predicate *p, struct slice value, struct slice other)
{
    if (p->contains)
        return fold_has(value, other);
    if (p->starts)
        return fold_starts(value, other);
    if (p->ends)
        return fold_ends(value, other);
    return fold_eq(value, other);
}

/* Some value of the other field. */
static bool other_holds(const struct predicate *p, struct slice value, const struct event *ev)
{
    for (size_t i = 0; i < ev->nfields; i++) {
        const struct field *o = &ev->fields[i];
        bool is = p->other != FIELD_OTHER ? o->id == p->other : slice_eq(o->name, p->other_name);

        if (is && o->type != VALUE_NULL && texts_fit(p, value, o->value))
            return true;
    }
    return false;
}

static bool value_holds(struct rules_scratch *s, const struct predicate *p, struct slice value,
                        const struct event *ev)
{
    struct number n = { 0 };
    struct ip ip;

    switch (p->kind) {
    case PREDICATE_TEXT:
        return pattern_match(&p->pattern, value);
    case PREDICATE_REGEX:
        return regex_holds(s, p->regex, value);
    case PREDICATE_CIDR:
        return ip_parse(value, &ip) == 0 && cidr_has(&p->cidr, &ip);
    case PREDICATE_NUMBER:
        return number_parse(value, &n) &&
               comparison_holds(p->compare, number_compare(&n, &p->number));
    case PREDICATE_TIME:
        return time_part_of(p->part, value, &n) &&
               comparison_holds(p->compare, number_compare(&n, &p->number));
    case PREDICATE_FIELD:
        return other_holds(p, value, ev);
    case PREDICATE_EXISTS:
    case PREDICATE_NULL:
        break;
    }
    return false;
}

bool predicate_may_hold(const struct predicate *p, struct slice value)
{
    bool alone = p->kind == PREDICATE_TEXT || p->kind == PREDICATE_CIDR ||
                 p->kind == PREDICATE_NUMBER || p->kind == PREDICATE_TIME;

    return !alone || value_holds(NULL, p, value, NULL);
}

bool field_fits(const struct predicate *p, const struct field *f)
{
    return p->field != FIELD_OTHER ? f->id == p->field : slice_eq(f->name, p->name);
}

/* Keywords: any value at any depth, and the raw text. */
static bool keyword_holds(struct rules_scratch *s, const struct predicate *p,
                          const struct event *ev)
{
    for (size_t i = 0; i < ev->nfields; i++)
        if (ev->fields[i].type != VALUE_NULL && value_holds(s, p, ev->fields[i].value, ev))
            return true;
    /* What was no UTF-8 was cleaned for the fields; an expression cannot read it as it came. */
    if (p->kind == PREDICATE_REGEX && !utf8_valid(ev->raw))
        return false;
    return value_holds(s, p, ev->raw, ev);
}

/* An object is there when something in it is: "a.b" says that there is an "a". */
static bool object_present(const struct predicate *p, const struct event *ev)
{
    for (size_t i = 0; i < ev->nfields; i++) {
        struct slice name = ev->fields[i].name;

        if (name.n > p->name.n && name.p[p->name.n] == '.' && slice_starts(name, p->name))
            return true;
    }
    return false;
}

static uint32_t first_field(const struct rules_scratch *s, const struct predicate *p)
{
    const struct field_place *place = &s->places[p->field];

    return place->turn == s->turn ? place->first : NO_FIELD;
}

/* Fields without a number: there is no room for more of them. */
static uint32_t next_named(const struct predicate *p, const struct event *ev, uint32_t from)
{
    for (uint32_t i = from; i < ev->nfields; i++)
        if (field_fits(p, &ev->fields[i]))
            return i;
    return NO_FIELD;
}

static bool ask(struct rules_scratch *s, const struct predicate *p, const struct event *ev)
{
    bool known = p->field < s->nplaces, present = false, null = false;

    if (p->keyword)
        return keyword_holds(s, p, ev);
    for (uint32_t i = known ? first_field(s, p) : next_named(p, ev, 0); i != NO_FIELD;
         i = known ? s->next[i] : next_named(p, ev, i + 1)) {
        const struct field *f = &ev->fields[i];

        present = true;
        null = null || f->type == VALUE_NULL;
        /* An array's members share the name: any of them will do. */
        if (f->type != VALUE_NULL && value_holds(s, p, f->value, ev))
            return true;
    }
    if (p->kind == PREDICATE_EXISTS)
        return (present || object_present(p, ev)) == p->exists;
    return p->kind == PREDICATE_NULL && (null || (!present && !object_present(p, ev)));
}

/*
 * Rules ask the same, events say the same: one answer is enough. Not where an expression ran into
 * its limits: that is the trouble of each rule that asks it.
 */
static __attribute__((noinline)) bool answer(struct rules_scratch *s, const struct predicate *p,
                                             const struct event *ev, uint64_t number,
                                             uint64_t *ret_answer)
{
    uint64_t limits = rules_scratch_limits(s);
    bool held = ask(s, p, ev);

    if (rules_scratch_limits(s) == limits)
        *ret_answer = number << 1 | held;
    return held;
}

bool predicate_holds(struct rules_scratch *s, const struct predicate *p, const struct event *ev)
{
    uint64_t *answers = &s->answers[(size_t)p->nth * VALUES_KEPT], number = s->turn;

    if (p->alone) {
        const struct field_place *place = scratch_place(s, p->field, ev);

        if (!place || !marks_fit(p->needs, p->nneeds, place->marks))
            return false;
        number = place->number;
        answers += place->column;
    }
    return *answers >> 1 == number ? *answers & 1 : answer(s, p, ev, number, answers);
}
