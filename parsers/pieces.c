/* Readers for what no pattern says cleanly: syslog prefix, logfmt, OpenVPN's peer, Go's quotes. */
#include <errno.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/utf8.h"
#include "parsers/format.h"

/* ---- syslog ---- */

static bool word(struct slice *s, struct slice *ret)
{
    size_t n = slice_find_byte(*s, ' ');

    if (n == SIZE_MAX || n == 0)
        return false;
    *ret = slice_take(*s, n);
    *s = slice_skip(*s, n + 1);
    return true;
}

static bool priority(struct slice *s, int *ret)
{
    size_t close = slice_find_byte(slice_take(*s, 5), '>');
    uint64_t v;

    *ret = -1;
    if (s->n == 0 || s->p[0] != '<')
        return true;
    if (close == SIZE_MAX || parse_u64(slice_of(s->p + 1, close - 1), 0, 191, &v) < 0)
        return false;
    *ret = (int)(v & 7);
    *s = slice_skip(*s, close + 1);
    return true;
}

/* "program[pid]: " */
static bool tag(struct slice *s, struct syslog_prefix *p)
{
    size_t colon = slice_find(slice_take(*s, 256), SLICE(": "));
    struct slice t;
    size_t open;

    if (colon == SIZE_MAX || colon == 0)
        return false;
    t = slice_take(*s, colon);
    open = slice_find_byte(t, '[');
    if (slice_find_byte(t, ' ') != SIZE_MAX)
        return false;
    if (open != SIZE_MAX && t.p[t.n - 1] == ']') {
        p->pid = slice_of(t.p + open + 1, t.n - open - 2);
        t = slice_take(t, open);
    }
    p->program = t;
    *s = slice_skip(*s, colon + 2);
    return true;
}

/* Structured data of RFC 5424: "-" or [id name="value"...]...; quotes escape ] */
static bool structured_data(struct slice *s)
{
    if (s->n >= 2 && s->p[0] == '-' && s->p[1] == ' ') {
        *s = slice_skip(*s, 2);
        return true;
    }
    while (s->n && s->p[0] == '[') {
        bool quoted = false;
        size_t i = 1;

        for (; i < s->n && (quoted || s->p[i] != ']'); i++) {
            if (s->p[i] == '\\')
                i++;
            else if (s->p[i] == '"')
                quoted = !quoted;
        }
        if (i >= s->n)
            return false;
        *s = slice_skip(*s, i + 1);
    }
    if (s->n == 0 || s->p[0] != ' ')
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

static size_t rfc5424(struct slice line, struct slice rest, struct syslog_prefix *p)
{
    struct slice id;

    rest = slice_skip(rest, 2);
    if (!word(&rest, &p->time) || !word(&rest, &p->host) || !word(&rest, &p->program) ||
        !word(&rest, &p->pid) || !word(&rest, &id) || !structured_data(&rest))
        return 0;
    if (slice_starts(rest, SLICE("\xef\xbb\xbf")))
        rest = slice_skip(rest, 3);
    return line.n - rest.n;
}

size_t syslog_prefix(struct slice line, struct syslog_prefix *ret)
{
    struct slice rest = line;
    uint64_t t;

    *ret = (struct syslog_prefix){ 0 };
    if (!priority(&rest, &ret->priority))
        return 0;
    if (ret->priority >= 0 && slice_starts(rest, SLICE("1 ")))
        return rfc5424(line, rest, ret);
    /* "Nov 21 01:44:28" or an RFC 3339 time (rsyslog's file format) */
    if (rest.n > 16 && rest.p[15] == ' ' && time_parse(slice_take(rest, 15), NULL, 0, &t) == 0) {
        ret->time = slice_take(rest, 15);
        rest = slice_skip(rest, 16);
    } else if (!word(&rest, &ret->time) || ret->time.n < 20 ||
               time_parse(ret->time, NULL, 0, &t) < 0) {
        return 0;
    }
    if (!word(&rest, &ret->host) || !tag(&rest, ret))
        return 0;
    return line.n - rest.n;
}

/* ---- logfmt ---- */

static bool key_char(char c)
{
    return c > ' ' && c != '=' && c != '"';
}

/*
 * Only what a writer must escape. A backslash before anything else stays: were it dropped, "lo\gin"
 * would be a text that nobody finds in the raw bytes.
 */
static struct slice unescape(struct arena *a, struct slice s)
{
    static const char from[] = "\"\\ntr", to[] = "\"\\\n\t\r";
    char *out = arena_text(a, s.n + 1);
    size_t n = 0;

    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < s.n; i++) {
        const char *p =
            s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] ? strchr(from, s.p[i + 1]) : NULL;

        out[n++] = p ? to[p - from] : s.p[i];
        i += p != NULL;
    }
    return slice_of(out, n);
}

/* The value at *s, which moves behind it. */
static bool logfmt_value(struct slice *s, struct arena *a, struct slice *ret)
{
    size_t n = 0;
    bool escaped = false;

    if (s->n && s->p[0] == '"') {
        for (n = 1; n < s->n && s->p[n] != '"'; n++)
            if (s->p[n] == '\\') {
                escaped = true;
                n++;
            }
        if (n >= s->n)
            return false;
        *ret = slice_of(s->p + 1, n - 1);
        if (escaped)
            *ret = unescape(a, *ret);
        *s = slice_skip(*s, n + 1);
        return ret->p != NULL && (s->n == 0 || s->p[0] == ' ');
    }
    while (n < s->n && s->p[n] != ' ')
        n++;
    *ret = slice_take(*s, n);
    *s = slice_skip(*s, n);
    return true;
}

bool logfmt_parse(struct slice text, struct arena *a,
                  int (*fn)(void *ctx, struct slice key, struct slice value), void *ctx)
{
    size_t pairs = 0;

    for (;;) {
        struct slice key, value = SLICE("true");
        size_t n = 0;

        while (text.n && text.p[0] == ' ')
            text = slice_skip(text, 1);
        if (text.n == 0)
            return pairs > 0;
        while (n < text.n && key_char(text.p[n]))
            n++;
        key = slice_take(text, n);
        text = slice_skip(text, n);
        if (n == 0 || text.n == 0 || text.p[0] != '=')
            return false;
        text = slice_skip(text, 1);
        if (!logfmt_value(&text, a, &value) || ++pairs > EVENT_FIELDS_MAX ||
            fn(ctx, key, value) < 0)
            return false;
    }
}

/* ---- OpenVPN's peer ---- */

/* How messages begin (OpenVPN 2.4 to 2.7); what stands before one of them may be a peer. */
static const char *const openvpn_words[] = {
    "TLS",      "MULTI",      "SENT ",        "PUSH",    "VERIFY",  "WARNING",    "SIG",
    "PLUGIN",   "peer info",  "OPTIONS",      "Options", "Data ",   "Outgoing",   "Incoming",
    "Peer ",    "[",          "Control",      "Fatal",   "OpenSSL", "Sent ",      "AUTH",
    "Auth",     "Inactivity", "TCP",          "UDP",     "Socket",  "Local",      "Expected",
    "Re-using", "LZO",        "NOTE",         "Note",    "Delayed", "Connection", "read ",
    "write ",   "Bad ",       "tls-crypt",    "ERROR",   "CRL",     "SYNTH",      "Username",
    "Key ",     "Using",      "Replay",       "process", "XML",     "client-",    "Cannot",
    "Could",    "VERIFY OK",  "MANAGEMENT",   "Diffie",  "NCP",     "Timers:",    "Protocol",
    "ECDH",     "succeeded",  "Closing",      "Float",   "PID_ERR", "Received",   "No ",
    "Failed",   "DEPRECATED", "Authenticate", "Reply",   "Data-",   "Preserving", "UPDATE",
    "ENV",      "Session",    "Server",       "Client",  "Need",    "CC-EEN",     "SSL",
};

static bool known_word(struct slice s)
{
    for (size_t i = 0; i < ARRAY_SIZE(openvpn_words); i++)
        if (slice_starts(s, slice_str(openvpn_words[i])))
            return true;
    return false;
}

struct peer_reading {
    struct slice user, address, message;
};

/* A blank at `at`: is what stands before it [CN/]ADDRESS? */
static bool reading_at(struct slice text, size_t at, struct peer_reading *ret)
{
    struct slice before = slice_take(text, at);
    size_t slash = slice_rfind_byte(before, '/');
    struct slice address = slash == SIZE_MAX ? before : slice_skip(before, slash + 1);
    struct endpoint e;

    if (address.n < 3 || address.n > 80 || endpoint_parse(address, 0, &e) < 0)
        return false;
    ret->address = address;
    ret->user = slash == SIZE_MAX ? SLICE_NONE : slice_take(before, slash);
    ret->message = slice_skip(text, at + 1);
    return true;
}

struct slice openvpn_prefix(struct slice text, struct slice *ret_user, struct slice *ret_address,
                            bool *ret_doubt)
{
    struct peer_reading first, last;
    size_t n = 0, others = 0;
    bool broken = false; /* behind the last slash there was a blank: that is no address */

    *ret_user = *ret_address = SLICE_NONE;
    *ret_doubt = false;
    for (size_t i = 0; i < text.n; i++) {
        struct peer_reading r;
        bool tried = broken;

        if (text.p[i] == '/')
            broken = false;
        if (text.p[i] != ' ')
            continue;
        broken = true;
        if (tried || !reading_at(text, i, &r))
            continue;
        if (!known_word(r.message)) {
            others++; /* a message that is not in the list: it may be the true one */
            continue;
        }
        if (n++ == 0)
            first = r;
        last = r;
    }
    if (n == 0)
        return text;
    *ret_doubt = n > 1 || others > 0;
    /* A line that begins with the bare address is that peer's; else the CN may hold anything, up to
     * the last. */
    if (first.user.p)
        first = last;
    /* What stands before may be a name with blanks, or a line without a peer that quotes a stranger
     * ("PLUGIN AUTH-PAM: BACKGROUND: user '...'"). */
    if (slice_find_byte(first.user, ' ') != SIZE_MAX)
        *ret_doubt = true;
    *ret_user = first.user;
    *ret_address = first.address;
    return first.message;
}

/* ---- Go's quotes ---- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 32);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \xNN, \uNNNN, \UNNNNNNNN at s (behind the backslash). Bytes taken, or 0. */
static size_t hex_escape(struct slice s, char *out, size_t *n)
{
    size_t digits = s.p[0] == 'x' ? 2 : s.p[0] == 'u' ? 4 : s.p[0] == 'U' ? 8 : 0;
    uint32_t v = 0;

    if (!digits || s.n < digits + 1)
        return 0;
    for (size_t i = 1; i <= digits; i++) {
        int d = hex_digit(s.p[i]);

        if (d < 0)
            return 0;
        v = v << 4 | (uint32_t)d;
    }
    if (digits == 2 && v >= 0x80)
        v = 0xfffd; /* a byte that was no UTF-8 */
    if (v > 0x10ffff || (v >= 0xd800 && v < 0xe000))
        v = 0xfffd;
    *n += utf8_encode(v, out + *n);
    return digits + 1;
}

static const struct {
    const char *entity;
    char c;
} html_entities[] = {
    { "&lt;", '<' }, { "&gt;", '>' }, { "&amp;", '&' }, { "&#34;", '"' }, { "&#39;", '\'' },
};

static size_t html_escape(struct slice s, char *out, size_t *n)
{
    for (size_t i = 0; i < ARRAY_SIZE(html_entities); i++)
        if (slice_starts(s, slice_str(html_entities[i].entity))) {
            out[(*n)++] = html_entities[i].c;
            return strlen(html_entities[i].entity);
        }
    return 0;
}

struct slice go_unquote(struct arena *a, struct slice s)
{
    char *out;
    size_t n = 0;

    if (slice_find_byte(s, '\\') == SIZE_MAX && slice_find_byte(s, '&') == SIZE_MAX)
        return s;
    out = arena_text(a, s.n * 2 + 4); /* \xff (4 bytes) can become 3 */
    if (!out)
        return SLICE_NONE;
    for (size_t i = 0; i < s.n;) {
        struct slice rest = slice_skip(s, i);
        size_t took = 0;

        if (rest.p[0] == '\\' && rest.n > 1) {
            static const char from[] = "abfnrtv\\\"'", to[] = "\a\b\f\n\r\t\v\\\"'";
            const char *p = strchr(from, rest.p[1]);

            took = hex_escape(slice_skip(rest, 1), out, &n);
            took += took ? 1 : 0;
            if (!took && p && *p) {
                out[n++] = to[p - from];
                took = 2;
            }
        } else if (rest.p[0] == '&') {
            took = html_escape(rest, out, &n);
        }
        if (!took) {
            out[n++] = rest.p[0];
            took = 1;
        }
        i += took;
    }
    return slice_of(out, n);
}
