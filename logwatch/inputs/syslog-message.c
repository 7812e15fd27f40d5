#include "logwatch/inputs/syslog-message.h"

#include "base/clock.h"
#include "base/num.h"

#define WORD_MAX 255 /* RFC 5424 allows 48 to 255; programs put whole paths into APP-NAME */
#define PRIORITY_MAX 191
#define PID_MAX UINT32_MAX

/* ---- words ---- */

static bool printable(char c)
{
    return c > ' ' && c < 0x7f;
}

/* A word of printable ASCII up to a blank, which is consumed. */
static bool word(struct slice *s, struct slice *ret)
{
    size_t n = 0;

    while (n < s->n && n <= WORD_MAX && printable(s->p[n]))
        n++;
    if (n == 0 || n > WORD_MAX || n == s->n || s->p[n] != ' ')
        return false;
    *ret = slice_take(*s, n);
    *s = slice_skip(*s, n + 1);
    return true;
}

static struct slice unless_nil(struct slice s)
{
    return slice_is(s, "-") ? SLICE_NONE : s;
}

static uint64_t number_or_0(struct slice s)
{
    uint64_t v = 0;

    (void)parse_u64(s, 1, PID_MAX, &v);
    return v;
}

/* "<0>" to "<191>" */
static bool take_priority(struct slice *s, int *ret)
{
    size_t close = slice_find_byte(slice_take(*s, 5), '>');
    uint64_t v;

    if (close == SIZE_MAX || s->p[0] != '<' ||
        parse_u64(slice_of(s->p + 1, close - 1), 0, PRIORITY_MAX, &v) < 0)
        return false;
    *ret = (int)(v & 7);
    *s = slice_skip(*s, close + 1);
    return true;
}

/* ---- RFC 5424 ---- */

static bool name_char(char c)
{
    return printable(c) && c != '=' && c != ']' && c != '"';
}

static bool take_name(struct slice *s)
{
    size_t n = 0;

    while (n < s->n && name_char(s->p[n]))
        n++;
    *s = slice_skip(*s, n);
    return n > 0;
}

static bool take_byte(struct slice *s, char c)
{
    if (s->n == 0 || s->p[0] != c)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

/* name="value": in the value a backslash takes the next byte along. */
static bool take_parameter(struct slice *s)
{
    size_t i = 0;

    if (!take_name(s) || !take_byte(s, '=') || !take_byte(s, '"'))
        return false;
    while (i < s->n && s->p[i] != '"')
        i += s->p[i] == '\\' ? 2 : 1;
    if (i >= s->n)
        return false;
    *s = slice_skip(*s, i + 1);
    return true;
}

/* "-" or [id name="value" ...]... */
static bool take_structured_data(struct slice *s)
{
    size_t elements = 0;

    if (take_byte(s, '-'))
        return true;
    for (; take_byte(s, '['); elements++) {
        if (!take_name(s))
            return false;
        while (take_byte(s, ' '))
            if (!take_parameter(s))
                return false;
        if (!take_byte(s, ']'))
            return false;
    }
    return elements > 0;
}

/* s is behind the PRI and VERSION. */
static bool read_5424(struct slice s, struct syslog_message *ret)
{
    struct slice time, host, app, pid, id, data;
    uint64_t us = 0;

    if (!word(&s, &time) || !word(&s, &host) || !word(&s, &app) || !word(&s, &pid) ||
        !word(&s, &id))
        return false;
    data = s;
    if (!take_structured_data(&s))
        return false;
    data.n -= s.n;
    if (s.n && !take_byte(&s, ' '))
        return false;
    if (!slice_is(time, "-") && time_parse_rfc3339(time, &us) < 0)
        return false;
    (void)take_byte(&s, ' '); /* rsyslog keeps the blank that stood behind a tag */
    if (slice_starts(s, SLICE("\xef\xbb\xbf")))
        s = slice_skip(s, 3);
    ret->time_us = us;
    ret->host = unless_nil(host);
    ret->app = unless_nil(app);
    ret->pid = number_or_0(pid);
    ret->text = s.n ? s : unless_nil(data); /* all that was said */
    return true;
}

/* ---- RFC 3164: the time ---- */

struct clock_face {
    unsigned year, month, day, hour, minute, second, us;
};

static unsigned month_of(struct slice s)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    for (unsigned i = 0; s.n >= 3 && i < 12; i++)
        if (memcmp(s.p, names + (size_t)i * 3, 3) == 0)
            return i + 1;
    return 0;
}

/* Between least and most digits, value within min..max. */
static bool take_digits(struct slice *s, unsigned least, unsigned most, unsigned max, unsigned *ret)
{
    unsigned n = 0, v = 0;

    for (; n < most && n < s->n && s->p[n] >= '0' && s->p[n] <= '9'; n++)
        v = v * 10 + (unsigned)(s->p[n] - '0');
    if (n < least || v > max)
        return false;
    *s = slice_skip(*s, n);
    *ret = v;
    return true;
}

/* ".123456": some daemons write it, also in front of "host". */
static bool take_fraction(struct slice *s, unsigned *ret_us)
{
    unsigned scale = 100000, digits = 0;

    *ret_us = 0;
    if (!take_byte(s, '.'))
        return true;
    for (; s->n && s->p[0] >= '0' && s->p[0] <= '9' && digits < 9; digits++, scale /= 10) {
        *ret_us += (unsigned)(s->p[0] - '0') * scale;
        *s = slice_skip(*s, 1);
    }
    return digits > 0;
}

/* "Oct 11 22:14:15", also "Oct 1", "Oct 01", "Oct 11 2003 22:14:15", "...15.003" */
static bool take_clock_face(struct slice *s, struct clock_face *f)
{
    struct slice t = *s;

    *f = (struct clock_face){ .month = month_of(t) };
    t = slice_skip(t, 3);
    if (!f->month || !take_byte(&t, ' '))
        return false;
    (void)take_byte(&t, ' ');
    if (!take_digits(&t, 1, 2, 31, &f->day) || f->day == 0 || !take_byte(&t, ' '))
        return false;
    if (t.n > 4 && t.p[4] == ' ' &&
        (!take_digits(&t, 4, 4, 9999, &f->year) || f->year < 1970 || !take_byte(&t, ' ')))
        return false;
    if (!take_digits(&t, 2, 2, 23, &f->hour) || !take_byte(&t, ':') ||
        !take_digits(&t, 2, 2, 59, &f->minute) || !take_byte(&t, ':') ||
        !take_digits(&t, 2, 2, 60, &f->second) || !take_fraction(&t, &f->us))
        return false;
    *s = t;
    return true;
}

static uint64_t time_in(const struct clock_face *f, unsigned year)
{
    int64_t s = days_from_civil(year, f->month, f->day) * 86400 + (int64_t)f->hour * 3600 +
                (int64_t)f->minute * 60 + (int64_t)f->second;

    return s < 0 ? 0 : (uint64_t)s * USEC_PER_SEC + f->us;
}

/* No year: the one that puts the time nearest to its reception. */
static uint64_t time_near(const struct clock_face *f, uint64_t received_us)
{
    unsigned now = (unsigned)civil_from_us(received_us).year;
    uint64_t best = 0, least = UINT64_MAX;

    if (f->year)
        return time_in(f, f->year);
    for (unsigned y = now - 1; y <= now + 1; y++) {
        uint64_t t = time_in(f, y), far = t > received_us ? t - received_us : received_us - t;

        if (far < least) {
            least = far;
            best = t;
        }
    }
    return best;
}

/* Either time and the blank or colon behind it. */
static bool take_time(struct slice *s, uint64_t received_us, uint64_t *ret)
{
    struct clock_face face;
    struct slice t = *s, first;

    if (word(&t, &first) && first.n >= 20 && time_parse_rfc3339(first, ret) == 0) {
        *s = t;
        return true;
    }
    t = *s;
    if (!take_clock_face(&t, &face))
        return false;
    (void)take_byte(&t, ':'); /* Cisco */
    if (!take_byte(&t, ' '))
        return false;
    *ret = time_near(&face, received_us);
    *s = t;
    return true;
}

/* ---- RFC 3164: host and tag ---- */

static bool tag_char(char c)
{
    return printable(c) && !strchr(":[]\"={}<>,;'`", c);
}

/* Loggers without a tag of their own write "INFO: text": that is text. */
static bool is_level(struct slice s)
{
    static const char *const words[] = {
        "trace", "debug", "info",  "notice", "warn",  "warning", "err",  "error", "critical",
        "crit",  "alert", "emerg", "fatal",  "panic", "severe",  "fine", "audit", "success"
    };

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_eq_nocase(s, slice_str(words[i])))
            return true;
    return false;
}

/* "app: ", "app[812]: ", "app[812] "; one blank behind it goes, too. */
static bool take_tag(struct slice *s, struct syslog_message *ret)
{
    struct slice t = *s, name, pid = SLICE_NONE;
    size_t n = 0;
    bool colon;

    while (n < t.n && n <= WORD_MAX && tag_char(t.p[n]))
        n++;
    if (n == 0 || n > WORD_MAX)
        return false;
    name = slice_take(t, n);
    t = slice_skip(t, n);
    if (take_byte(&t, '[')) {
        size_t close = slice_find_byte(slice_take(t, WORD_MAX), ']');

        if (close == SIZE_MAX || slice_find_byte(slice_take(t, close), ' ') != SIZE_MAX)
            return false;
        pid = slice_take(t, close);
        t = slice_skip(t, close + 1);
    }
    colon = take_byte(&t, ':');
    if (!pid.p && (!colon || is_level(name)))
        return false;
    if (t.n && t.p[0] != ' ' && !(colon && pid.p))
        return false;
    (void)take_byte(&t, ' ');
    ret->app = name;
    ret->pid = number_or_0(pid);
    *s = t;
    return true;
}

/* A host is one only when a tag follows: else both words are text. */
static bool take_host_and_tag(struct slice *s, struct syslog_message *ret)
{
    struct slice t = *s, host;

    if (!word(&t, &host) || !take_tag(&t, ret))
        return false;
    ret->host = unless_nil(host);
    *s = t;
    return true;
}

/* Without a PRI only the old form of the time is a header: a log line of a program may begin with
 * the new one. */
static void read_3164(struct slice s, uint64_t received_us, struct syslog_message *ret)
{
    bool bare = ret->priority < 0;

    if ((!bare || month_of(s)) && take_time(&s, received_us, &ret->time_us)) {
        if (!take_tag(&s, ret))
            (void)take_host_and_tag(&s, ret);
    } else if (!bare) {
        (void)take_tag(&s, ret);
    }
    ret->text = s;
}

/* ---- both ---- */

static struct slice without_end(struct slice s)
{
    while (s.n && (s.p[s.n - 1] == '\0' || s.p[s.n - 1] == '\n' || s.p[s.n - 1] == '\r'))
        s.n--;
    return s;
}

void syslog_message_read(struct slice raw, uint64_t received_us, struct syslog_message *ret)
{
    struct slice whole = without_end(raw), s = whole;

    *ret = (struct syslog_message){ .text = whole, .priority = -1 };
    if (!take_priority(&s, &ret->priority)) {
        read_3164(whole, received_us, ret);
        return;
    }
    if (slice_starts(s, SLICE("1 "))) {
        /* A header that is broken is kept whole: somebody may want to see how. */
        (void)read_5424(slice_skip(s, 2), ret);
        return;
    }
    read_3164(s, received_us, ret);
}
