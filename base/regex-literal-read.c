/* The syntax of PCRE2, as far as literals need it. */
#include "base/regex-literal-private.h"

#define CLASS_MAX 16

struct part part_unknown(void)
{
    return (struct part){ .best = { .none = true } };
}

struct part part_digit(void)
{
    return (struct part){ .digit = true, .best = { .none = true } };
}

struct part part_empty(void)
{
    static struct slice nothing = { "", 0 };

    return (struct part){ .exact = true, .n = 1, .strings = &nothing, .best = { .none = true } };
}

/* Room grows where the number is a power of two, into a new place: what shares the old one keeps
 * it.
 */
void part_add(struct reading *r, struct part *p, struct slice s)
{
    for (size_t i = 0; i < p->n; i++)
        if (slice_eq(p->strings[i], s))
            return;
    if ((p->n & (p->n - 1)) == 0) {
        struct slice *list = arena_array(r->m->arena, p->n ? p->n * 2 : 1, sizeof *list);

        if (!list) {
            r->m->failed = true;
            return;
        }
        if (p->n)
            memcpy(list, p->strings, p->n * sizeof *list);
        p->strings = list;
    }
    p->strings[p->n++] = s;
}

struct part part_char(struct reading *r, char c)
{
    struct part p = { .exact = true, .best = { .none = true } };
    struct slice text = literal_lower(r->m->arena, slice_of(&c, 1));

    if (!text.p) {
        r->m->failed = true;
        return part_empty();
    }
    part_add(r, &p, text);
    return p;
}

/* ---- what stands behind an atom ---- */

/* Comments and empty quotes, which a quantifier looks through. */
void pattern_skip_nothing(struct reading *r)
{
    for (;;) {
        if (slice_starts(r->s, SLICE("\\Q\\E"))) {
            r->s = slice_skip(r->s, 4);
        } else if (slice_starts(r->s, SLICE("\\E"))) {
            r->s = slice_skip(r->s, 2);
        } else if (slice_starts(r->s, SLICE("(?#"))) {
            size_t end = slice_find_byte(r->s, ')');

            r->unsure = r->unsure || end == SIZE_MAX;
            r->s = slice_skip(r->s, end == SIZE_MAX ? r->s.n : end + 1);
        } else {
            return;
        }
    }
}

static size_t number(struct slice s, size_t *at)
{
    size_t v = 0;

    for (; *at < s.n && s.p[*at] >= '0' && s.p[*at] <= '9'; (*at)++)
        v = v < 100000 ? v * 10 + (size_t)(s.p[*at] - '0') : v;
    return v;
}

/* {2} {2,} {2,5}. Anything else that begins so is read differently by versions of PCRE2. */
static bool braces(struct reading *r, struct times *ret)
{
    size_t at = 1, min, max;

    if (r->s.n < 3 || r->s.p[1] < '0' || r->s.p[1] > '9')
        return false;
    min = max = number(r->s, &at);
    if (at < r->s.n && r->s.p[at] == ',') {
        at++;
        max = at < r->s.n && r->s.p[at] == '}' ? SIZE_MAX : number(r->s, &at);
    }
    if (at >= r->s.n || r->s.p[at] != '}')
        return false;
    r->s = slice_skip(r->s, at + 1);
    *ret = (struct times){ min, max };
    return true;
}

struct times pattern_quantifier(struct reading *r)
{
    struct times t = { 1, 1 };
    char c;

    pattern_skip_nothing(r);
    if (r->s.n == 0)
        return t;
    c = r->s.p[0];
    if (c == '{') {
        if (!braces(r, &t))
            return t;
    } else if (c == '?' || c == '*' || c == '+') {
        t = (struct times){ c == '+', c == '?' ? 1 : SIZE_MAX };
        r->s = slice_skip(r->s, 1);
    } else {
        return t;
    }
    pattern_skip_nothing(r);
    if (r->s.n && (r->s.p[0] == '?' || r->s.p[0] == '+')) {
        r->possessive = r->possessive || r->s.p[0] == '+';
        r->s = slice_skip(r->s, 1);
    }
    return t;
}

/* ---- characters ---- */

/* K and long s fold to ASCII in UTF mode; a character beyond ASCII is several bytes. */
static bool varies(const struct reading *r, struct mode mode, char c)
{
    return (unsigned char)c >= 0x80 || (r->utf && mode.nocase && strchr("kKsS", c) && c);
}

struct part pattern_plain_char(struct reading *r, struct mode mode)
{
    size_t n = 1;
    char c = r->s.p[0];

    /* A quantifier takes the whole character, and its case may change its length. */
    while (r->utf && (unsigned char)c >= 0xc0 && n < r->s.n &&
           ((unsigned char)r->s.p[n] & 0xc0) == 0x80)
        n++;
    r->s = slice_skip(r->s, n);
    return part_char(r, varies(r, mode, c) ? UNKNOWN : c);
}

/* The escape's end inside of brackets or quotes: {name} <name> 'name'. */
bool pattern_skip_name(struct reading *r)
{
    static const char open[] = "{<'", shut[] = "}>'";
    const char *p = r->s.n && r->s.p[0] ? strchr(open, r->s.p[0]) : NULL;
    size_t end = p ? slice_find_byte(slice_skip(r->s, 1), shut[p - open]) : SIZE_MAX;

    if (end == SIZE_MAX)
        return false;
    r->s = slice_skip(r->s, end + 2);
    return true;
}

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'f');
}

static char hex_char(char high, char low)
{
    int digits[] = { high, low }, value = 0;

    for (size_t i = 0; i < 2; i++)
        value = value * 16 + (digits[i] <= '9' ? digits[i] - '0' : (digits[i] | 32) - 'a' + 10);
    return (char)value;
}

/* \x27 is a character as any other; of longer numbers and of controls nothing is said. */
struct part pattern_hex(struct reading *r, struct mode mode)
{
    char c = UNKNOWN;
    size_t n = 0;

    if (r->s.n && r->s.p[0] == '{')
        r->unsure = r->unsure || !pattern_skip_name(r);
    else
        while (n < 2 && n < r->s.n && is_hex(r->s.p[n]))
            n++;
    if (n == 2)
        c = hex_char(r->s.p[0], r->s.p[1]);
    r->s = slice_skip(r->s, n);
    return part_char(r, c < ' ' || varies(r, mode, c) ? UNKNOWN : c);
}

struct part pattern_property(struct reading *r)
{
    if (r->s.n && r->s.p[0] == '{')
        r->unsure = r->unsure || !pattern_skip_name(r);
    else if (r->s.n)
        r->s = slice_skip(r->s, 1);
    else
        r->unsure = true;
    return part_unknown();
}

/* ---- classes ---- */

/* [:alpha:] at the start of s, or 0. */
static size_t posix(struct slice s)
{
    size_t i = 2;

    if (i < s.n && s.p[i] == '^')
        i++;
    while (i < s.n && s.p[i] >= 'a' && s.p[i] <= 'z')
        i++;
    return i + 1 < s.n && s.p[i] == ':' && s.p[i + 1] == ']' ? i + 2 : 0;
}

/* An escape in a class: bytes that it takes; 0 = not understood. */
static size_t class_escape(struct slice s, char *ret_plain)
{
    char c = s.n > 1 ? s.p[1] : '\0';

    *ret_plain = '\0';
    if (!c || (unsigned char)c >= 0x80 || c == 'Q' || c == 'E')
        return 0;
    if (c == 'c')
        return s.n > 2 ? 3 : 0;
    if (!((c | 32) >= 'a' && (c | 32) <= 'z') && !(c >= '0' && c <= '9'))
        *ret_plain = c;
    return 2;
}

static void add_digits(struct reading *r, struct part *p)
{
    p->exact = p->exact && p->n + 10 <= CLASS_MAX;
    for (char c = '0'; p->exact && c <= '9'; c++)
        part_add(r, p, part_char(r, c).strings[0]);
}

/* [Cc] is exact: a few characters, no range but that of the digits, nothing that varies. */
struct part pattern_class(struct reading *r, struct mode mode)
{
    struct part p = { .exact = true, .best = { .none = true } };
    size_t i = 1;
    bool begun = false;

    if (slice_starts(r->s, SLICE("[0-9]"))) {
        r->s = slice_skip(r->s, 5);
        return part_digit();
    }
    if (i < r->s.n && r->s.p[i] == '^') {
        p.exact = false;
        i++;
    }
    for (; i < r->s.n && (r->s.p[i] != ']' || !begun); begun = true) {
        char c = r->s.p[i];
        size_t n = 1;

        if (slice_starts(slice_skip(r->s, i), SLICE("0-9"))) {
            add_digits(r, &p);
            i += 3;
            continue;
        }
        if (c == '[' && i + 1 < r->s.n && strchr(":.=", r->s.p[i + 1]) && r->s.p[i + 1]) {
            n = posix(slice_skip(r->s, i));
            c = '\0';
        } else if (c == '\\') {
            n = class_escape(slice_skip(r->s, i), &c);
        } else if (c == '-' && begun && i + 1 < r->s.n && r->s.p[i + 1] != ']') {
            c = '\0'; /* a range */
        }
        if (n == 0) {
            r->unsure = true;
            return part_unknown();
        }
        i += n;
        if (!c || varies(r, mode, c) || (p.exact && p.n == CLASS_MAX))
            p.exact = false;
        else if (p.exact)
            part_add(r, &p, part_char(r, c).strings[0]);
    }
    r->unsure = r->unsure || i >= r->s.n;
    r->s = slice_skip(r->s, i + 1);
    return p.exact ? p : part_unknown();
}

/* ---- groups ---- */

/* Behind "(?": i, s-m, ^i: ... up to ) or :, which it leaves. */
static bool options(struct reading *r, struct mode *mode)
{
    bool off = false;

    for (; r->s.n && r->s.p[0] != ')' && r->s.p[0] != ':'; r->s = slice_skip(r->s, 1)) {
        char c = r->s.p[0];

        if (!c || !strchr("^-imsnJU", c) || (c == 'n' && r->ask))
            return false;
        off = off || c == '-';
        mode->nocase = mode->nocase || (c == 'i' && !off); /* (?-i) is not worth the care */
    }
    return r->s.n > 0;
}

static enum group_kind named(struct reading *r, char shut)
{
    size_t end = slice_find_byte(slice_skip(r->s, 1), shut);

    if (end == SIZE_MAX)
        return GROUP_UNKNOWN;
    r->s = slice_skip(r->s, end + 2);
    return GROUP_CAPTURE;
}

static enum group_kind call(struct reading *r)
{
    size_t end = slice_find_byte(r->s, ')');

    if (end == SIZE_MAX)
        return GROUP_UNKNOWN;
    r->s = slice_skip(r->s, end); /* the bracket is taken by the caller */
    return GROUP_CALL;
}

static const struct {
    const char *begins;
    enum group_kind kind;
} group_marks[] = {
    { "?:", GROUP_PLAIN }, { "?>", GROUP_PLAIN }, { "?|", GROUP_PLAIN }, { "?=", GROUP_LOOK },
    { "?!", GROUP_LOOK },  { "?<=", GROUP_LOOK }, { "?<!", GROUP_LOOK },
};

/* Behind the bracket; what tells the kind is taken. */
enum group_kind pattern_group(struct reading *r, struct mode *mode)
{
    if (r->s.n == 0 || r->s.p[0] == '*')
        return GROUP_UNKNOWN; /* verbs */
    if (r->s.p[0] != '?')
        return GROUP_CAPTURE;
    for (size_t i = 0; i < ARRAY_SIZE(group_marks); i++) {
        struct slice mark = slice_str(group_marks[i].begins);

        if (!slice_starts(r->s, mark))
            continue;
        if (mark.p[1] == '|' && r->ask)
            return GROUP_UNKNOWN; /* numbers of groups come again */
        r->possessive = r->possessive || mark.p[1] == '>';
        r->s = slice_skip(r->s, mark.n);
        return group_marks[i].kind;
    }
    r->s = slice_skip(r->s, 1);
    if (r->s.n < 2)
        return GROUP_UNKNOWN;
    if (slice_starts(r->s, SLICE("P=")) || slice_starts(r->s, SLICE("P>")) ||
        strchr("&R+0123456789", r->s.p[0]) ||
        (r->s.p[0] == '-' && r->s.p[1] >= '0' && r->s.p[1] <= '9'))
        return call(r);
    if (slice_starts(r->s, SLICE("P<")))
        r->s = slice_skip(r->s, 1);
    if (r->s.p[0] == '<' || r->s.p[0] == '\'')
        return named(r, r->s.p[0] == '<' ? '>' : '\'');
    if (!options(r, mode))
        return GROUP_UNKNOWN;
    if (r->s.p[0] == ')')
        return GROUP_OPTIONS;
    r->s = slice_skip(r->s, 1);
    return GROUP_PLAIN;
}
