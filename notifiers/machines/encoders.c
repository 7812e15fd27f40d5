/* The list of encoders, and how a record becomes small enough. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/num.h"
#include "notifiers/machines/encoder-private.h"

const struct encoder *const encoders[] = { &encoder_rfc5424, &encoder_cef,  &encoder_leef,
                                           &encoder_ecs,     &encoder_ocsf, &encoder_gelf,
                                           &encoder_json,    NULL };
const char *const encoder_names[] = {
    "rfc5424", "cef", "leef", "ecs", "ocsf", "gelf", "json", NULL
};
const char *const header_names[] = { "none", "rfc5424", "rfc3164", NULL };
/* RFC 5424, table 1, by number. */
const char *const facility_names[] = { "kern",     "user",   "mail",   "daemon", "auth",
                                       "syslog",   "lpr",    "news",   "uucp",   "cron",
                                       "authpriv", "ftp",    "ntp",    "audit",  "alert",
                                       "clock",    "local0", "local1", "local2", "local3",
                                       "local4",   "local5", "local6", "local7", NULL };

int encoder_ready(struct encoder_settings *s, struct err *err)
{
    const char *d = s->delimiter;

    s->encoder = encoders[s->format];
    if (!d || strlen(d) != 1 || d[0] <= ' ' || d[0] > '~' || strchr("|=/\\", d[0]) ||
        ((d[0] | 32) >= 'a' && (d[0] | 32) <= 'z') || (d[0] >= '0' && d[0] <= '9'))
        return err_set(err, -EINVAL, "'delimiter' must be one sign such as ^, no letter or digit");
    s->leef = text_leef_value;
    s->leef.map[(unsigned char)d[0]] = " ";
    s->leef.special[0] = d[0];
    return 0;
}

/* Each step is tried when the one before was too large. */
static const struct encode_limits steps[] = {
    { .raw = true, .message = 65536, .value = 8192 },
    { .truncated = true, .message = 65536, .value = 8192 },
    { .truncated = true, .message = 4096, .value = 2048 },
    { .truncated = true, .message = 1024, .value = 512 },
    { .truncated = true, .message = 256, .value = 128 },
    { .truncated = true, .least = true, .message = 96, .value = 48 },
    { .truncated = true, .least = true, .message = 16, .value = 16 },
};

int encoder_encode(const struct encoder_settings *s, const struct trail_record *r, struct buf *out)
{
    size_t start = out->n;

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        struct encode_limits l = steps[i];

        if (i == 0)
            l.raw = s->raw;
        out->n = start;
        put_syslog_header(s, r, out);
        s->encoder->encode(s, r, &l, out);
        if (!buf_ok(out))
            return -ENOMEM;
        if (out->n - start <= s->max_bytes)
            return 0;
    }
    out->n = start;
    return -EMSGSIZE;
}

/* ---- slots under limits ---- */

/* What an analyst cannot do without. */
static bool essential(unsigned slot)
{
    static const unsigned list[] = { FIELD_SOURCE_IP, FIELD_USER_NAME, FIELD_EVENT_ACTION,
                                     RECORD_RULE,     RECORD_LEVEL,    RECORD_CHANNEL };

    for (size_t i = 0; i < ARRAY_SIZE(list); i++)
        if (list[i] == slot)
            return true;
    return false;
}

struct slice limited_slot(const struct trail_record *r, const struct encode_limits *l,
                          unsigned slot)
{
    if (slot == RECORD_RAW)
        return limited_raw(r, l);
    return !l->least || essential(slot) ? r->slots[slot] : SLICE("");
}

struct slice limited_raw(const struct trail_record *r, const struct encode_limits *l)
{
    struct slice raw = r->slots[RECORD_RAW];

    return l->raw && raw.p != record_message(r).p ? raw : SLICE("");
}

bool is_number(struct slice s, uint64_t max)
{
    uint64_t v;

    return parse_u64(s, 0, max, &v) == 0 && (s.n == 1 || s.p[0] != '0');
}

bool is_decimal(struct slice s)
{
    struct slice digits = s.n && s.p[0] == '-' ? slice_skip(s, 1) : s;
    size_t point = slice_find_byte(digits, '.');

    if (point == SIZE_MAX)
        return is_number(digits, JSON_INTEGER_MAX);
    if (digits.n > 20 || point + 1 >= digits.n || !is_number(slice_take(digits, point), 1u << 30))
        return false;
    for (size_t i = point + 1; i < digits.n; i++)
        if (digits.p[i] < '0' || digits.p[i] > '9')
            return false;
    return true;
}

void each_technique(const struct trail_record *r, void (*fn)(void *ctx, struct slice id), void *ctx)
{
    struct slice rest = r->slots[RECORD_TAGS], word;
    char id[16];

    while (slice_split(&rest, ' ', &word)) {
        size_t n = 0;

        if (!slice_starts(word, SLICE("attack.t")) || word.n < 12 || word.n > 17)
            continue;
        word = slice_skip(word, 7);
        for (; n < word.n && n < sizeof id; n++)
            id[n] = n ? word.p[n] : 'T';
        for (size_t i = 1; i < n; i++)
            if ((id[i] < '0' || id[i] > '9') && !(i == 5 && id[i] == '.'))
                n = 0;
        if (n == 5 || n == 9)
            fn(ctx, slice_of(id, n));
    }
}

/* ---- syslog ---- */

unsigned syslog_severity(unsigned severity)
{
    static const uint8_t of[] = { 7, 6, 6, 5, 5, 4, 4, 3, 3, 2, 2 };

    return of[severity < ARRAY_SIZE(of) ? severity : ARRAY_SIZE(of) - 1];
}

static void put_rfc3164(const struct trail_record *r, unsigned priority, struct buf *out)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct civil c = civil_from_us(r->event_us);

    buf_printf(out, "<%u>%s %2u %02u:%02u:%02u ", priority, months[c.month - 1], c.day, c.hour,
               c.minute, c.second);
    text_put_name(out, r->host, 255, NULL);
    buf_str(out, " " PRODUCT_NAME ": ");
}

/* RFC 5424 has its own structured data; for the others the id stands there. */
static void put_rfc5424(const struct encoder_settings *s, const struct trail_record *r,
                        unsigned priority, struct buf *out)
{
    char time[TIME_TEXT_SIZE];

    time_text(r->event_us, time);
    buf_char(out, '<');
    buf_u64(out, priority);
    buf_str(out, ">1 ");
    buf_str(out, time);
    buf_char(out, ' ');
    text_put_name(out, r->host, 255, NULL);
    buf_str(out, " " PRODUCT_NAME " - ");
    text_put_name(out, r->type, 32, NULL);
    buf_str(out, " [tw@");
    buf_u64(out, s->enterprise);
    buf_str(out, " id=\"");
    text_put(out, &text_parameter, r->id, 255);
    buf_char(out, '"');
}

void put_syslog_header(const struct encoder_settings *s, const struct trail_record *r,
                       struct buf *out)
{
    unsigned priority = (unsigned)s->facility * 8 + syslog_severity(r->severity);

    if (s->encoder == &encoder_rfc5424 || s->header == HEADER_RFC5424) {
        put_rfc5424(s, r, priority, out);
        if (s->encoder != &encoder_rfc5424) {
            buf_str(out, "] ");
            if (s->bom)
                buf_str(out, "\xef\xbb\xbf");
        }
    } else if (s->header == HEADER_RFC3164) {
        put_rfc3164(r, priority, out);
    }
}
