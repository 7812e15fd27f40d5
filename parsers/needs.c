/*
 * Texts without which a pattern does not match: asked before PCRE2 is, because most entries of a
 * format do not fit most records.
 *
 * Read off the pattern are the plain characters of its top level that follow one another, and the
 * alternatives of groups among them: '^(?:.*")?[A-Z]+ .*? HTTP/1" (?:401|403)$' needs ' HTTP/1" '
 * and behind it 401 or 403, in one piece. What the reader does not know ends a piece; what could
 * change the meaning of the rest (options, comments, references) makes it give up: nothing is
 * needed then. The patterns of formats begin with ^, are not case-blind and not extended.
 */
#include "parsers/format.h"

#define ANY_MAX 8 /* texts of a need */
#define TEXT_MAX 32

struct reader {
    struct arena *a;
    struct slice s; /* the rest of the pattern */
    struct needs *out;
    char texts[ANY_MAX][TEXT_MAX]; /* of the piece that grows */
    size_t lengths[ANY_MAX], n;
    bool at_start; /* the piece stands at the start of the text */
    bool unsure, failed;
};

/* ---- pieces ---- */

static void piece_begin(struct reader *r)
{
    r->n = 1;
    r->lengths[0] = 0;
    r->at_start = false;
}

/* One of its texts stands in every match. A single byte says too little. */
static void piece_end(struct reader *r)
{
    struct need *need = &r->out->list[r->out->n];
    size_t min = r->at_start ? 1 : 2;
    bool good = r->out->n < NEEDS_MAX;

    for (size_t i = 0; i < r->n; i++)
        good = good && r->lengths[i] >= min;
    if (good) {
        need->at_start = r->at_start;
        need->n = r->n;
        need->any = arena_array(r->a, r->n, sizeof *need->any);
        r->failed = r->failed || !need->any;
        for (size_t i = 0; need->any && i < r->n; i++) {
            need->any[i] = arena_slice(r->a, slice_of(r->texts[i], r->lengths[i]));
            r->failed = r->failed || !need->any[i].p;
        }
        r->out->n++;
    }
    piece_begin(r);
}

static void piece_char(struct reader *r, char c)
{
    bool full = false;

    for (size_t i = 0; i < r->n; i++)
        full = full || r->lengths[i] == TEXT_MAX;
    if (full)
        piece_end(r);
    for (size_t i = 0; i < r->n; i++)
        r->texts[i][r->lengths[i]++] = c;
}

/* ---- the pattern ---- */

static bool at(const struct reader *r, size_t i, const char *set)
{
    return i < r->s.n && r->s.p[i] && strchr(set, r->s.p[i]);
}

static bool letter_or_digit(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
}

/* The character for itself at s; 0 bytes: it is something else. */
static size_t plain(struct slice s, char *ret)
{
    if (s.n >= 2 && s.p[0] == '\\' && !letter_or_digit(s.p[1]) && (unsigned char)s.p[1] < 0x80) {
        *ret = s.p[1];
        return 2;
    }
    if (s.n == 0 || (unsigned char)s.p[0] < 0x20 || (unsigned char)s.p[0] >= 0x7f ||
        strchr("\\^$.[]|()?*+{}", s.p[0]))
        return 0;
    *ret = s.p[0];
    return 1;
}

/* Behind the atom that has n bytes: is it there at least once, and only once? */
struct times {
    bool optional, once;
};

static size_t braces(struct slice s)
{
    size_t n = 1;

    while (n < s.n && ((s.p[n] >= '0' && s.p[n] <= '9') || (s.p[n] == ',' && n > 1)))
        n++;
    return n > 1 && n < s.n && s.p[n] == '}' ? n + 1 : 0;
}

static struct times quantifier(struct reader *r)
{
    size_t n = at(r, 0, "?*+") ? 1 : 0;
    bool optional = !at(r, 0, "+");

    if (at(r, 0, "{")) {
        n = braces(r->s);
        r->unsure = r->unsure || n == 0; /* it is plain text there */
    }
    if (n == 0)
        return (struct times){ false, true };
    n += at(r, n, "?+") ? 1 : 0;
    r->s = slice_skip(r->s, n);
    return (struct times){ optional, false };
}

/* Length of the class at s, with its brackets; 0: it does not end. */
static size_t class_length(struct slice s)
{
    size_t i = 1;

    i += i < s.n && s.p[i] == '^';
    i += i < s.n && s.p[i] == ']';
    for (; i < s.n && s.p[i] != ']'; i++) {
        if (s.p[i] == '\\')
            i++;
        else if (i + 1 < s.n && s.p[i] == '[' && strchr(":.=", s.p[i + 1]))
            return 0;
    }
    return i < s.n ? i + 1 : 0;
}

/* Length of the group at s, with its brackets; 0: it does not end. */
static size_t group_length(struct slice s)
{
    size_t depth = 0, i = 0, n;

    while (i < s.n) {
        if (s.p[i] == '[') {
            n = class_length(slice_skip(s, i));
            if (n == 0)
                return 0;
            i += n;
            continue;
        }
        if (s.p[i] == '\\')
            i++;
        else if (s.p[i] == '(')
            depth++;
        else if (s.p[i] == ')' && --depth == 0)
            return i + 1;
        i++;
    }
    return 0;
}

/* ---- groups ---- */

/* What its alternatives begin with; exact: there is no more to any of them. */
struct group {
    char texts[ANY_MAX][TEXT_MAX];
    size_t lengths[ANY_MAX], n;
    bool exact;
};

/* From behind the plain start of an alternative to behind its |; SIZE_MAX: unsure. */
static size_t alternative_end(struct slice s)
{
    size_t i = 0, n;

    while (i < s.n && s.p[i] != '|') {
        n = s.p[i] == '['    ? class_length(slice_skip(s, i))
            : s.p[i] == '('  ? group_length(slice_skip(s, i))
            : s.p[i] == '\\' ? 2
                             : 1;
        if (n == 0)
            return SIZE_MAX;
        i += n;
    }
    return i;
}

static bool read_alternative(struct group *g, struct slice *s)
{
    size_t used, end;
    char c;

    g->lengths[g->n] = 0;
    while ((used = plain(*s, &c)) && g->lengths[g->n] < TEXT_MAX) {
        struct slice rest = slice_skip(*s, used);

        if (rest.n && strchr("?*+{", rest.p[0]))
            break;
        g->texts[g->n][g->lengths[g->n]++] = c;
        *s = rest;
    }
    end = alternative_end(*s);
    if (end == SIZE_MAX)
        return false;
    g->exact = g->exact && end == 0;
    g->n++;
    *s = slice_skip(*s, end);
    return true;
}

/* false: nothing is known of its content. */
static bool read_group(struct slice content, struct group *g)
{
    g->n = 0;
    g->exact = true;
    for (;;) {
        if (g->n == ANY_MAX || !read_alternative(g, &content))
            return false;
        if (content.n == 0)
            return true;
        content = slice_skip(content, 1);
    }
}

/* Each text of the piece goes on with each of the group. */
static bool piece_times(struct reader *r, const struct group *g)
{
    struct reader old = *r;

    if (r->n * g->n > ANY_MAX)
        return false;
    for (size_t i = 0; i < old.n; i++)
        for (size_t j = 0; j < g->n; j++) {
            size_t to = i * g->n + j;

            if (old.lengths[i] + g->lengths[j] > TEXT_MAX) {
                *r = old;
                return false;
            }
            memcpy(r->texts[to], old.texts[i], old.lengths[i]);
            memcpy(r->texts[to] + old.lengths[i], g->texts[j], g->lengths[j]);
            r->lengths[to] = old.lengths[i] + g->lengths[j];
        }
    r->n = old.n * g->n;
    return true;
}

static void take_group(struct reader *r, const struct group *g, struct times times)
{
    if (!piece_times(r, g)) {
        piece_end(r);
        if (!piece_times(r, g))
            return;
    }
    if (!g->exact || !times.once)
        piece_end(r);
}

/* Where the content of a group begins; 0: it looks around. */
static size_t group_head(struct slice s)
{
    size_t end;

    if (s.n < 3 || s.p[1] != '?')
        return 1;
    if (s.p[2] == ':')
        return 3;
    if (s.p[2] != '<' || s.n < 4 || s.p[3] == '=' || s.p[3] == '!')
        return 0;
    end = slice_find_byte(s, '>');
    return end == SIZE_MAX ? 0 : end + 1;
}

static void group(struct reader *r)
{
    size_t n = group_length(r->s), head = group_head(r->s);
    struct slice all = slice_take(r->s, n);
    struct times times;
    struct group g;
    bool known;

    r->unsure = r->unsure || n == 0;
    if (r->unsure)
        return;
    known = head && read_group(slice_take(slice_skip(all, head), n - head - 1), &g);
    r->s = slice_skip(r->s, n);
    times = quantifier(r);
    if (known && !times.optional)
        take_group(r, &g, times);
    else
        piece_end(r);
}

/* ---- all of it ---- */

static void plain_char(struct reader *r, char c, size_t used)
{
    struct times times;

    r->s = slice_skip(r->s, used);
    times = quantifier(r);
    if (!times.optional)
        piece_char(r, c);
    if (!times.once)
        piece_end(r);
}

/* One character, whichever. */
static void some_char(struct reader *r)
{
    size_t n = r->s.p[0] == '.' ? 1 : r->s.p[0] == '[' ? class_length(r->s) : 0;

    if (r->s.p[0] == '\\' && at(r, 1, "dDwWsS"))
        n = 2;
    r->unsure = r->unsure || n == 0;
    piece_end(r);
    r->s = slice_skip(r->s, n);
    (void)quantifier(r);
}

static void next_part(struct reader *r)
{
    char c = 0;
    size_t used = plain(r->s, &c);

    if (used)
        plain_char(r, c, used);
    else if (r->s.p[0] == '(')
        group(r);
    else if (r->s.p[0] == '$' && r->s.n == 1)
        r->s = slice_skip(r->s, 1);
    else
        some_char(r);
}

/* What could change the meaning of what is around it. */
static bool has_tricks(struct slice pattern)
{
    for (size_t i = 0; i + 2 < pattern.n; i++)
        if ((pattern.p[i] == '(' && pattern.p[i + 1] == '*') ||
            (pattern.p[i] == '\\' && strchr("QEKGgkN", pattern.p[i + 1])) ||
            (pattern.p[i] == '(' && pattern.p[i + 1] == '?' && !strchr(":=!<", pattern.p[i + 2])))
            return true;
    return false;
}

int needs_read(struct slice pattern, struct arena *a, struct needs *ret)
{
    struct reader r = { .a = a, .out = ret };

    *ret = (struct needs){ .n = 0 };
    if (pattern.n == 0 || pattern.p[0] != '^' || memchr(pattern.p, '\0', pattern.n) ||
        has_tricks(pattern))
        return 0;
    r.s = slice_skip(pattern, 1);
    piece_begin(&r);
    r.at_start = true;
    while (r.s.n && !r.unsure && !r.failed)
        next_part(&r);
    if (!r.unsure)
        piece_end(&r);
    if (r.unsure || r.failed)
        ret->n = 0;
    return r.failed ? -1 : 0;
}

/* ---- asking ---- */

static bool starts_with(struct slice s, struct slice what)
{
    return s.n >= what.n && s.p[0] == what.p[0] && memcmp(s.p, what.p, what.n) == 0;
}

static bool need_met(const struct need *need, struct slice text)
{
    for (size_t i = 0; i < need->n; i++)
        if (slice_find(text, need->any[i]) != SIZE_MAX)
            return true;
    return false;
}

static bool start_met(const struct need *need, struct slice text)
{
    for (size_t i = 0; i < need->n; i++)
        if (starts_with(text, need->any[i]))
            return true;
    return false;
}

bool needs_hold(const struct needs *needs, struct slice what)
{
    for (size_t i = 0; i < needs->n; i++) {
        const struct need *need = &needs->list[i];
        size_t with = 0;

        while (with < need->n && slice_find(need->any[with], what) != SIZE_MAX)
            with++;
        if (with == need->n)
            return true;
    }
    return false;
}

bool needs_begin(const struct needs *needs, char c)
{
    if (needs->n == 0 || !needs->list[0].at_start)
        return true;
    for (size_t i = 0; i < needs->list[0].n; i++)
        if (needs->list[0].any[i].p[0] == c)
            return true;
    return false;
}

bool needs_met(const struct needs *needs, struct slice text)
{
    size_t first = needs->n && needs->list[0].at_start;

    if (first && !start_met(&needs->list[0], text))
        return false;
    /* The last first: what a pattern ends with tells its kind from others more often. */
    for (size_t i = needs->n; i-- > first;)
        if (!need_met(&needs->list[i], text))
            return false;
    return true;
}
