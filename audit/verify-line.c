/*
 * One line, judged.
 *
 * What is before the TAB was hashed and signed: cheap checks of its form do. What is behind it was
 * not: every byte there must be what the format says, or something could be hidden in it that jq
 * would show instead of what was signed.
 */
#include <string.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/utf8.h"

#define SALT_TEXT 22 /* 16 bytes */
#define DIGEST_TEXT 44 /* 32 bytes */
#define TIME_TEXT 27 /* 2026-07-30T12:00:00.000000Z */

/* ---- bytes ---- */

/* No control byte, and valid UTF-8. Eight at a time: a byte below 0x20 borrows into its top bit. */
static bool text_ok(struct slice s)
{
    const uint64_t tops = 0x8080808080808080u, spaces = 0x2020202020202020u;
    uint64_t low = 0, high = 0, word;
    size_t i = 0;

    for (; i + 8 <= s.n; i += 8) {
        memcpy(&word, s.p + i, 8);
        low |= (word - spaces) & ~word & tops;
        high |= word & tops;
    }
    for (; i < s.n; i++) {
        low |= (unsigned char)s.p[i] < 0x20;
        high |= (unsigned char)s.p[i] & 0x80;
    }
    if (low) /* exact: the borrow of a byte may have reached its neighbour */
        for (i = 0; i < s.n; i++)
            if ((unsigned char)s.p[i] < 0x20)
                return false;
    return !high || utf8_valid(s);
}

static bool take(struct slice *s, struct slice text)
{
    if (s->n < text.n || memcmp(s->p, text.p, text.n) != 0)
        return false;
    *s = slice_skip(*s, text.n);
    return true;
}

/* A JSON string as it stands, without its quotes. */
static bool take_string(struct slice *s, struct slice *ret, bool *ret_escaped)
{
    const char *begin = s->p + 1, *end = s->p + s->n, *quote, *p;

    *ret_escaped = false;
    if (s->n < 2 || s->p[0] != '"')
        return false;
    quote = memchr(begin, '"', (size_t)(end - begin));
    if (!quote)
        return false;
    p = memchr(begin, '\\', (size_t)(quote - begin));
    if (p) { /* the quote may be escaped */
        *ret_escaped = true;
        for (; p < end && *p != '"'; p++)
            p += *p == '\\';
        if (p >= end)
            return false;
        quote = p;
    }
    *ret = slice_of(begin, (size_t)(quote - begin));
    *s = slice_of(quote + 1, (size_t)(end - quote) - 1);
    return true;
}

/* ---- index, time, type ---- */

static size_t decimal(uint64_t n, char out[20])
{
    char turned[20];
    size_t digits = 0;

    do {
        turned[digits++] = (char)('0' + n % 10);
        n /= 10;
    } while (n);
    for (size_t i = 0; i < digits; i++)
        out[i] = turned[digits - 1 - i];
    return digits;
}

uint64_t line_index(struct slice line)
{
    uint64_t index;
    size_t n;

    if (!take(&line, SLICE("{\"i\":")))
        return UINT64_MAX;
    n = slice_find_byte(slice_take(line, 21), ',');
    if (n == SIZE_MAX || parse_u64(slice_take(line, n), 0, UINT64_MAX - 1, &index) < 0)
        return UINT64_MAX;
    return index;
}

static bool two_digits(const char *p, unsigned max, unsigned *ret)
{
    unsigned tens = (unsigned)(p[0] - '0'), ones = (unsigned)(p[1] - '0');

    *ret = tens * 10 + ones;
    return tens <= 9 && ones <= 9 && *ret <= max;
}

/* The calendar is asked once a day: the lines of a day share their first ten signs. */
static bool date_ok(struct line_judge *j, const char *text)
{
    char midnight[] = "YYYY-MM-DDT00:00:00.000000Z";

    if (j->date[0] && memcmp(j->date, text, sizeof j->date) == 0)
        return true;
    memcpy(midnight, text, sizeof j->date);
    if (time_parse_rfc3339(slice_of(midnight, TIME_TEXT), &j->date_us) < 0)
        return false;
    memcpy(j->date, text, sizeof j->date);
    return true;
}

/* YYYY-MM-DDTHH:MM:SS.ffffffZ and nothing else. */
static bool time_ok(struct line_judge *j, const char *p, uint64_t *ret_us)
{
    unsigned h, m, s, us[3];

    if (!date_ok(j, p) || p[10] != 'T' || p[13] != ':' || p[16] != ':' || p[19] != '.' ||
        p[26] != 'Z' || !two_digits(p + 11, 23, &h) || !two_digits(p + 14, 59, &m) ||
        !two_digits(p + 17, 60, &s) || !two_digits(p + 20, 99, &us[0]) ||
        !two_digits(p + 22, 99, &us[1]) || !two_digits(p + 24, 99, &us[2]))
        return false;
    *ret_us =
        j->date_us + (h * 3600 + m * 60 + s) * USEC_PER_SEC + (us[0] * 100 + us[1]) * 100 + us[2];
    return true;
}

static bool type_sign(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

/* {"i":N,"t":"...","type":"..." and a comma or the closing brace. */
static bool head_ok(struct line_judge *j, struct slice line, uint64_t index, uint64_t *ret_us,
                    bool *ret_index)
{
    char digits[20];
    size_t n = decimal(index, digits);

    if (!take(&line, SLICE("{\"i\":")))
        return false;
    *ret_index =
        take(&line, slice_of(digits, n)) && !(line.n && line.p[0] >= '0' && line.p[0] <= '9');
    if (!*ret_index)
        return true;
    if (!take(&line, SLICE(",\"t\":\"")) || line.n < TIME_TEXT || !time_ok(j, line.p, ret_us))
        return false;
    line = slice_skip(line, TIME_TEXT);
    if (!take(&line, SLICE("\",\"type\":\"")))
        return false;
    for (n = 0; n < line.n && type_sign(line.p[n]); n++)
        ;
    j->type = slice_take(line, n);
    return n > 0 && n + 1 < line.n && line.p[n] == '"' &&
           (line.p[n + 1] == ',' || line.p[n + 1] == '}');
}

/* ---- personal values ---- */

/* The digests that end a leaf: ,"sd":{...} without the brace that closes the entry. */
static struct slice digests_of(struct slice leaf)
{
    const char *open = leaf.n ? memrchr(leaf.p, '{', leaf.n) : NULL;
    size_t at = open ? (size_t)(open - leaf.p) : 0;

    if (at < 6 || memcmp(open - 6, ",\"sd\":", 6) != 0 || leaf.p[leaf.n - 1] != '}')
        return SLICE("");
    return slice_of(open + 1, leaf.n - at - 2);
}

/* "name":"digest" of a list without its braces. */
static bool next_digest(struct slice *list, struct slice *ret_name, struct slice *ret_digest)
{
    bool escaped;

    (void)take(list, SLICE(","));
    if (!take_string(list, ret_name, &escaped) || escaped || !take(list, SLICE(":\"")) ||
        list->n <= DIGEST_TEXT || list->p[DIGEST_TEXT] != '"')
        return false;
    *ret_digest = slice_take(*list, DIGEST_TEXT);
    *list = slice_skip(*list, DIGEST_TEXT + 1);
    return true;
}

/* The text that a JSON string stands for. */
static bool decoded(struct line_judge *j, struct slice raw, struct slice *ret)
{
    const struct json *doc;

    if (!j->arena)
        j->arena = arena_new(16384, 16 << 20);
    if (!j->arena)
        return false;
    arena_reset(j->arena);
    doc = json_load(j->arena, slice_of(raw.p - 1, raw.n + 2), NULL);
    if (!doc || doc->type != JSON_STRING)
        return false;
    *ret = doc->text;
    return true;
}

/* "name":["salt","value"], and the digest that the leaf holds under this name. */
static bool personal_ok(struct line_judge *j, struct slice *rest, struct slice *digests)
{
    struct slice name, salt, value, known, digest;
    bool escaped;

    if (!take_string(rest, &name, &escaped) || escaped || !take(rest, SLICE(":[")) ||
        !take_string(rest, &salt, &escaped) || escaped || salt.n != SALT_TEXT ||
        !take(rest, SLICE(",")) || !take_string(rest, &value, &escaped) ||
        !take(rest, SLICE("]")) || (escaped && !decoded(j, value, &value)))
        return false;
    for (;; j->erased++) { /* in the order of the digests, some may be dropped: none comes twice */
        if (!next_digest(digests, &known, &digest))
            return false;
        if (slice_eq(known, name))
            break;
    }
    j->values++;
    buf_reset(&j->digest);
    personal_digest(salt, name, value, &j->digest);
    return buf_ok(&j->digest) && slice_eq(buf_view(&j->digest), digest);
}

/* ,"pii":{...}} */
static bool behind_tab_ok(struct line_judge *j, struct slice rest, struct slice *digests)
{
    if (!take(&rest, SLICE(",\"pii\":{")))
        return false;
    if (rest.n && rest.p[0] == '"')
        do
            if (!personal_ok(j, &rest, digests))
                return false;
        while (take(&rest, SLICE(",")));
    return slice_eq(rest, SLICE("}}"));
}

static bool personal_part_ok(struct line_judge *j, struct slice leaf, struct slice behind,
                             bool has_tab)
{
    struct slice digests = digests_of(leaf), name, digest;

    j->values = 0;
    j->erased = 0;
    if (has_tab && (digests.n == 0 || !behind_tab_ok(j, behind, &digests)))
        return false;
    while (next_digest(&digests, &name, &digest))
        j->erased++;
    return true;
}

/* ---- all of it ---- */

static const char *fault(struct line_judge *j, const char *code, const char *text)
{
    memcpy(j->text, text, strlen(text) + 1);
    return code;
}

const char *line_check(struct line_judge *j, struct slice line, uint64_t index)
{
    const char *tab = line.n ? memchr(line.p, '\t', line.n) : NULL;
    size_t before = tab ? (size_t)(tab - line.p) : line.n;
    struct slice leaf = slice_take(line, before);
    struct slice behind = tab ? slice_skip(line, before + 1) : SLICE("");
    uint64_t us = 0;
    bool index_ok;

    if (!tab) { /* its last brace closes the entry; with personal values that stands behind them */
        if (leaf.n == 0 || leaf.p[leaf.n - 1] != '}')
            return fault(j, "FORMAT", "the line does not have the form of an entry");
        leaf.n--;
    }
    if (!text_ok(leaf) || !text_ok(behind) || !head_ok(j, line, index, &us, &index_ok))
        return fault(j, "FORMAT", "the line does not have the form of an entry");
    if (!index_ok)
        return fault(j, "BAD_INDEX", "the line has another index");
    if (us < j->last_us)
        return fault(j, "TIME_ORDER", "its time is before that of the entry before");
    j->last_us = us;
    if (!personal_part_ok(j, leaf, behind, tab != NULL))
        return fault(j, "PII", "its personal values do not fit the digests that were signed");
    return NULL;
}

void line_judge_fini(struct line_judge *j)
{
    arena_free(j->arena);
    buf_fini(&j->digest);
    j->arena = NULL;
}
