/* From the alert document to neutral, clean pieces. */
#include "notifiers/message.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/utf8.h"

#define TITLE_MAX 200
#define VALUE_MAX 300
#define SAMPLE_MAX 400
#define SUBJECT_MAX 400 /* no further group value once it is this long */

/*
 * What may not stay: C0, DEL, C1, and the invisible signs that reorder text or
 * break a line, by which a user name could make a message read otherwise.
 */
static bool unwanted(uint32_t cp)
{
    static const struct {
        uint32_t from, to;
    } ranges[] = {
        { 0x00, 0x08 },     { 0x0b, 0x1f },     { 0x7f, 0x9f },     { 0x061c, 0x061c },
        { 0x200e, 0x200f }, { 0x2028, 0x202e }, { 0x2066, 0x2069 }, { 0xfeff, 0xfeff },
    };

    for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
        if (cp >= ranges[i].from && cp <= ranges[i].to)
            return true;
    return false;
}

struct slice message_clean(struct arena *a, struct slice s, size_t max)
{
    struct slice in = ansi_strip(a, utf8_clean(a, s, NULL));
    char *out = in.p ? arena_text(a, in.n + 4) : NULL;
    size_t n = 0;

    if (!out)
        return SLICE("");
    for (size_t i = 0; i < in.n;) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(slice_skip(in, i), &cp);

        if (len == 0)
            break;
        if (!unwanted(cp)) {
            memcpy(out + n, in.p + i, len);
            n += len;
        }
        i += len;
    }
    if (n > max) {
        n = utf8_cut(slice_of(out, n), max < 3 ? 0 : max - 3).n;
        memcpy(out + n, "...", 3);
        n += 3;
    }
    return slice_of(out, n);
}

struct slice message_line(struct arena *a, struct slice s, size_t max)
{
    struct slice c = message_clean(a, s, max);
    char *out = arena_text(a, c.n + 1);

    if (!out)
        return SLICE("");
    for (size_t i = 0; i < c.n; i++)
        out[i] = c.p[i] == '\n' || c.p[i] == '\t' ? ' ' : c.p[i];
    return slice_of(out, c.n);
}

void buf_html(struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        switch (s.p[i]) {
        case '&':
            buf_str(b, "&amp;");
            break;
        case '<':
            buf_str(b, "&lt;");
            break;
        case '>':
            buf_str(b, "&gt;");
            break;
        case '"':
            buf_str(b, "&quot;");
            break;
        case '\'':
            buf_str(b, "&#39;");
            break;
        default:
            buf_char(b, s.p[i]);
        }
    }
}

int message_rank(const struct message *m)
{
    static const char *const names[] = { "informational", "low", "medium", "high", "critical" };

    for (int i = 0; i < 5; i++)
        if (slice_is(m->level, names[i]))
            return i;
    return 2;
}

static void add_fact(struct message *m, struct arena *a, const char *name, struct slice value)
{
    if (m->nfacts < FACTS_MAX && value.n)
        m->facts[m->nfacts++] = (struct fact){ name, message_line(a, value, VALUE_MAX) };
}

static struct slice keep(struct arena *a, const struct buf *b)
{
    struct slice s = buf_ok(b) ? arena_slice(a, buf_view(b)) : SLICE_NONE;

    return s.p ? s : SLICE("");
}

/* Names that people read faster than the field's. */
static const struct {
    const char *field, *label;
} labels[] = {
    { "source.ip", "Source address" },
    { "user.name", "User" },
    { "user.email", "User's mail" },
    { "user.target.name", "Acted on" },
    { "source.geo.country_name", "Country" },
    { "source.geo.city_name", "City" },
    { "source.as.organization.name", "Network" },
    { "url.path", "Path" },
    { "destination.address", "Target" },
    { "event.module", "Channel" },
};

static const char *label(struct arena *a, struct slice field)
{
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (slice_is(field, labels[i].field))
            return labels[i].label;
    return arena_str(a, message_line(a, field, 60));
}

static void add_group(struct message *m, struct arena *a, const struct json *doc,
                      struct buf *subject)
{
    const struct json *group = json_get(doc, "group");

    for (const struct json *g = group ? group->child : NULL; g; g = g->next) {
        const char *name = label(a, json_text(g, "name"));
        struct slice value = message_line(a, json_text(g, "value"), VALUE_MAX);

        if (subject->n < SUBJECT_MAX) {
            buf_str(subject, g == group->child ? ": " : ", ");
            buf_slice(subject, utf8_cut(value, 80));
        }
        if (name)
            add_fact(m, a, name, value);
    }
}

static bool has_fact(const struct message *m, const char *name)
{
    for (size_t i = 0; i < m->nfacts; i++)
        if (strcmp(m->facts[i].name, name) == 0)
            return true;
    return false;
}

/* The field's value when all events that have it agree; else empty: one of several would mislead.
 */
static struct slice common_value(const struct json *events, const char *field)
{
    struct slice value = SLICE("");

    for (const struct json *e = events ? events->child : NULL; e; e = e->next) {
        struct slice v = json_text(json_get(e, "fields"), field);

        if (v.n && value.n && !slice_eq(v, value))
            return SLICE("");
        value = v.n ? v : value;
    }
    return value;
}

/* What the events say, beside the group. */
static void add_fields(struct message *m, struct arena *a, const struct json *doc)
{
    for (size_t i = 0; i < ARRAY_SIZE(labels); i++)
        if (!has_fact(m, labels[i].label))
            add_fact(m, a, labels[i].label, common_value(json_get(doc, "events"), labels[i].field));
}

/* 2026-11-21 01:38:59 UTC: what people read. */
static void add_time(struct message *m, struct arena *a, const char *name, struct slice rfc3339)
{
    AUTO_BUF b = BUF_INIT;
    struct civil c;
    uint64_t us;

    if (time_parse_rfc3339(rfc3339, &us) < 0)
        return;
    c = civil_from_us(us);
    buf_printf(&b, "%04d-%02u-%02u %02u:%02u:%02u UTC", c.year, c.month, c.day, c.hour, c.minute,
               c.second);
    add_fact(m, a, name, keep(a, &b));
}

static void add_reason(struct message *m, struct arena *a, const struct json *doc)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t count = json_u64(doc, "count", 1), window = json_u64(doc, "window_s", 0);
    uint64_t threshold = json_u64(doc, "threshold", 0);

    if (window) {
        buf_printf(&b, "Counted %s%llu within ",
                   json_bool(doc, "lower_bound", false) ? "at least " : "",
                   (unsigned long long)count);
        buf_duration(&b, window * USEC_PER_SEC);
        if (threshold)
            buf_printf(&b, "; the threshold is %llu", (unsigned long long)threshold);
    } else {
        buf_str(&b, "One event of this kind is enough");
    }
    if (json_bool(doc, "backfill", false))
        buf_str(&b, "; the events are from the past");
    if (slice_is(json_text(doc, "trust"), "forgeable"))
        buf_str(&b, "; strangers can write such lines, so check before you act");
    buf_char(&b, '.');
    m->reason = keep(a, &b);
}

static void add_ban(struct message *m, struct arena *a, const struct json *doc)
{
    const struct json *ban = json_get(doc, "ban");
    AUTO_BUF b = BUF_INIT;

    if (!ban)
        return;
    buf_slice(&b, message_line(a, json_text(ban, "address"), 60));
    buf_str(&b, " for ");
    buf_duration(&b, json_u64(ban, "for_s", 0) * USEC_PER_SEC);
    add_fact(m, a, "Ban ordered", keep(a, &b));
}

static void add_samples(struct message *m, struct arena *a, const struct json *doc)
{
    const struct json *events = json_get(doc, "events");
    size_t n = 0, skip;

    for (const struct json *e = events ? events->child : NULL; e; e = e->next)
        n++;
    skip = n > SAMPLES_MAX ? n - SAMPLES_MAX : 0;
    m->more_samples = skip;
    for (const struct json *e = events ? events->child : NULL; e; e = e->next) {
        if (skip) {
            skip--;
            continue;
        }
        m->samples[m->nsamples++] = message_line(a, json_text(e, "raw"), SAMPLE_MAX);
    }
}

/* The same for all alerts of one rule, group and day: mails of one matter thread together. */
static void add_thread(struct message *m, struct arena *a)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    buf_slice(&in, m->rule);
    for (size_t i = 0; i < m->nfacts; i++) {
        buf_char(&in, '\n');
        buf_slice(&in, m->facts[i].value);
    }
    buf_slice(&in, slice_take(m->time, 10));
    sha256(in.p ? in.p : "", in.n, digest);
    buf_hex(&hex, digest, 12);
    m->thread = keep(a, &hex);
}

int message_make(const struct delivery *d, struct arena *a, struct message *ret, struct err *err)
{
    const struct json *doc = d->document, *rule = json_get(doc, "rule");
    struct message m = { .checkpoint = d->checkpoint, .host = d->host };
    AUTO_BUF subject = BUF_INIT;

    if (!rule)
        return err_set(err, -EINVAL, "the document is no alert");
    m.level = message_line(a, json_text(doc, "level"), 20);
    m.title = message_line(a, json_text(rule, "title"), TITLE_MAX);
    m.rule = message_line(a, json_text(rule, "id"), 80);
    m.description = message_clean(a, json_text(rule, "description"), 600);
    m.channel = message_line(a, json_text(doc, "channel"), 40);
    m.time = message_line(a, json_text(doc, "time"), 40);
    m.id = message_line(a, json_text(doc, "id"), 40);
    buf_printf(&subject, "[%.*s] %.*s", SLICE_FMT(m.level), SLICE_FMT(m.title));
    add_group(&m, a, doc, &subject);
    add_thread(&m, a);
    m.subject = keep(a, &subject);
    add_fields(&m, a, doc);
    if (!has_fact(&m, "Channel"))
        add_fact(&m, a, "Channel", m.channel);
    add_time(&m, a, "Time", m.time);
    if (json_u64(doc, "window_s", 0))
        add_time(&m, a, "First of them", json_text(doc, "first"));
    add_ban(&m, a, doc);
    add_fact(&m, a, "Host", slice_str(d->host));
    add_fact(&m, a, "Rule author", json_text(rule, "author"));
    add_reason(&m, a, doc);
    add_samples(&m, a, doc);
    *ret = m;
    return 0;
}
