/* Does a person occur in a text? Rather once too often: what is missed stays for ever. */
#include <errno.h>

#include "audit/keep.h"
#include "base/json.h"
#include "base/num.h"

#define DECODINGS_MAX 3 /* JSON in JSON in JSON */
#define DOCUMENT_MAX (64 << 20)

static bool is_word(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' ||
           (unsigned char)c >= 0x80;
}

static bool only_digits(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] < '0' || s.p[i] > '9')
            return false;
    return true;
}

/* ---- reading what is asked for ---- */

int audit_subject_parse(struct slice text, bool field, struct audit_subject *ret, struct err *err)
{
    static const char *const kinds[] = { "user", "email", "ip" };
    struct slice name, value = text;
    size_t i = 0;

    if (!slice_split(&value, '=', &name) || name.n == 0 || value.p == NULL || value.n == 0)
        return err_set(err, -EINVAL, "'%.*s' is not NAME=VALUE", SLICE_FMT(text));
    *ret = (struct audit_subject){ .kind = AUDIT_SUBJECT_FIELD, .field = name, .value = value };
    if (field)
        return 0;
    while (i < ARRAY_SIZE(kinds) && !slice_is(name, kinds[i]))
        i++;
    if (i == ARRAY_SIZE(kinds))
        return err_set(err, -EINVAL, "'%.*s' is no kind of subject: user, email or ip",
                       SLICE_FMT(name));
    ret->kind = (enum audit_subject_kind)i;
    if (ret->kind == AUDIT_SUBJECT_IP && ip_parse(value, &ret->ip) < 0)
        return err_set(err, -EINVAL, "'%.*s' is no address", SLICE_FMT(value));
    return 0;
}

/* ---- addresses ---- */

static bool is_address_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
           c == '.';
}

/* A run of address characters: with or without a port, both ways of reading it. */
static bool run_is(const struct audit_subject *s, struct slice run)
{
    struct ip ip;
    struct endpoint e;

    while (run.n && (run.p[run.n - 1] == '.' ||
                     (run.p[run.n - 1] == ':' && (run.n < 2 || run.p[run.n - 2] != ':'))))
        run.n--;
    while (run.n > 1 && (run.p[0] == '.' || (run.p[0] == ':' && run.p[1] != ':')))
        run = slice_skip(run, 1);
    return (ip_parse(run, &ip) == 0 && ip_eq(&ip, &s->ip)) ||
           (endpoint_parse(run, 0, &e) == 0 && ip_eq(&e.ip, &s->ip)) ||
           (endpoint_parse(run, ENDPOINT_V6_LAST_COLON_PORT, &e) == 0 && ip_eq(&e.ip, &s->ip));
}

/* "udp4:203.0.113.7:5": letters before the first colon are no part of the address. */
static bool run_holds(const struct audit_subject *s, struct slice run)
{
    size_t colon = slice_find_byte(run, ':');

    return run_is(s, run) || (colon != SIZE_MAX && run_is(s, slice_skip(run, colon + 1)));
}

/* Times and numbers are runs, too; what has neither three dots nor two colons is no address. */
static bool may_be_address(struct slice run)
{
    unsigned dots = 0, colons = 0;

    for (size_t i = 0; i < run.n; i++) {
        dots += run.p[i] == '.';
        colons += run.p[i] == ':';
    }
    return dots >= 3 || colons >= 2;
}

static bool has_address(const struct audit_subject *s, struct slice text)
{
    for (size_t i = 0; i < text.n;) {
        size_t n = 0;

        while (i + n < text.n && is_address_char(text.p[i + n]))
            n++;
        if (may_be_address(slice_of(text.p + i, n)) && run_holds(s, slice_of(text.p + i, n)))
            return true;
        i += n ? n : 1;
    }
    return false;
}

/* ---- words ---- */

static bool has_word(struct slice text, struct slice word)
{
    bool first = is_word(word.p[0]), last = is_word(word.p[word.n - 1]);

    for (size_t i = 0; i + word.n <= text.n; i++) {
        size_t end = i + word.n;

        if (slice_eq_nocase(slice_of(text.p + i, word.n), word) &&
            (!first || i == 0 || !is_word(text.p[i - 1])) &&
            (!last || end == text.n || !is_word(text.p[end])))
            return true;
    }
    return false;
}

static bool has(const struct audit_subject *s, struct slice text)
{
    return s->kind == AUDIT_SUBJECT_IP ? has_address(s, text) : has_word(text, s->value);
}

/* ---- what texts are written in ---- */

static int hex_of(struct slice digits)
{
    int v = 0;

    for (size_t i = 0; i < digits.n; i++) {
        const char *set = "0123456789abcdef", *at = strchr(set, digits.p[i] | 0x20);

        if (!digits.p[i] || !at)
            return -1;
        v = v * 16 + (int)(at - set);
    }
    return v;
}

static void put_utf8(struct buf *out, int c)
{
    if (c < 0x80) {
        buf_char(out, (char)c);
    } else if (c < 0x800) {
        buf_char(out, (char)(0xc0 | c >> 6));
        buf_char(out, (char)(0x80 | (c & 0x3f)));
    } else {
        buf_char(out, (char)(0xe0 | c >> 12));
        buf_char(out, (char)(0x80 | (c >> 6 & 0x3f)));
        buf_char(out, (char)(0x80 | (c & 0x3f)));
    }
}

/* One level of JSON's backslashes and of percent signs; a line that has none is done with. */
static bool decode(struct slice text, struct buf *out)
{
    bool found = false;

    buf_reset(out);
    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i], next = i + 1 < text.n ? text.p[i + 1] : '\0';
        int u = -1;

        if (c == '\\' && next == 'u' && i + 6 <= text.n)
            u = hex_of(slice_of(text.p + i + 2, 4));
        else if (c == '%' && i + 3 <= text.n)
            u = hex_of(slice_of(text.p + i + 1, 2));
        if (u >= 0 && c == '%')
            buf_char(out, (char)u);
        else if (u >= 0)
            put_utf8(out, u);
        else if (c == '\\' && next)
            buf_char(out, strchr("nrtbf", next) ? ' ' : next);
        else
            buf_char(out, c);
        i += u >= 0 ? (c == '%' ? 2 : 5) : c == '\\' && next ? 1 : 0;
        found = found || u >= 0 || (c == '\\' && next);
    }
    return found && buf_ok(out);
}

static bool has_decoded(const struct audit_subject *s, struct slice text)
{
    AUTO_BUF a = BUF_INIT;
    AUTO_BUF b = BUF_INIT;
    struct buf *out[] = { &a, &b };

    if (has(s, text))
        return true;
    for (size_t i = 0; i < DECODINGS_MAX && decode(text, out[i % 2]); i++) {
        text = buf_view(out[i % 2]);
        if (has(s, text))
            return true;
    }
    return false;
}

/* ---- values ---- */

static bool names_users(struct slice name)
{
    return slice_starts(name, SLICE("user.")) || slice_is(name, "user");
}

static bool scalar_has(const struct audit_subject *s, struct slice name, struct slice text)
{
    bool any = name.p == NULL;

    if (s->kind == AUDIT_SUBJECT_FIELD)
        return (any || slice_eq(name, s->field)) && slice_eq(text, s->value);
    if (s->kind != AUDIT_SUBJECT_IP && (any || names_users(name)) &&
        slice_eq_nocase(text, s->value))
        return true;
    if (s->kind == AUDIT_SUBJECT_USER && only_digits(s->value))
        return false;
    return has_decoded(s, text);
}

/* The members of an object name their values; {"name":"user.name","value":"alice"} does it its way.
 */
static bool tree_has(const struct audit_subject *s, const struct json *j, struct slice name)
{
    struct slice told = json_text(j->type == JSON_OBJECT ? j : NULL, "name");

    if (j->type <= JSON_STRING)
        return scalar_has(s, name, j->text);
    for (const struct json *m = j->child; m; m = m->next) {
        struct slice own = j->type != JSON_OBJECT                ? name
                           : told.n && slice_is(m->key, "value") ? told
                                                                 : m->key;

        if (tree_has(s, m, own) || (j->type == JSON_OBJECT && scalar_has(s, SLICE(""), m->key)))
            return true;
    }
    return false;
}

bool audit_subject_in(const struct audit_subject *s, struct slice name, struct slice value)
{
    AUTO(arena) a = NULL;
    const struct json *doc = NULL;

    if (value.n && (value.p[0] == '{' || value.p[0] == '[')) {
        a = arena_new(16384, DOCUMENT_MAX);
        doc = a ? json_load(a, value, NULL) : NULL;
    }
    return doc ? tree_has(s, doc, name) : scalar_has(s, name, value);
}
