/* From the alert document to neutral, clean pieces. */
#include "notifiers/message.h"

#include <errno.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/template.h"

#define TITLE_MAX 200
#define VALUE_MAX 300
#define SAMPLE_MAX 400
#define SUBJECT_MAX 400 /* no further group value once it is this long */
#define WHY_MAX 300
#define ROW_NAME_MAX 120
#define SEE_ID 12 /* digits of an id that a person types */

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

/* 2026-11-21 01:38:59 UTC: what people read. Empty when it is no time. */
static struct slice readable_time(struct arena *a, struct slice rfc3339)
{
    AUTO_BUF b = BUF_INIT;
    struct civil c;
    uint64_t us;

    if (time_parse_rfc3339(rfc3339, &us) < 0)
        return SLICE("");
    c = civil_from_us(us);
    buf_printf(&b, "%04d-%02u-%02u %02u:%02u:%02u UTC", c.year, c.month, c.day, c.hour, c.minute,
               c.second);
    return keep(a, &b);
}

static void add_time(struct message *m, struct arena *a, const char *name, struct slice rfc3339)
{
    add_fact(m, a, name, readable_time(a, rfc3339));
}

static void add_reason(struct message *m, struct arena *a, const struct json *doc)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t count = json_u64(doc, "count", 1), window = json_u64(doc, "window_s", 0);
    uint64_t threshold = json_u64(doc, "threshold", 0);

    if (m->resolved) {
        m->reason = SLICE("It is over.");
        return;
    }
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

/*
 * The same for all alerts of one incident and day: mails of one matter thread together. Older
 * documents have no incident: then it is rule and group.
 */
static void add_thread(struct message *m, struct arena *a)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    uint8_t digest[SHA256_SIZE];

    if (m->incident.n) {
        buf_slice(&in, m->incident);
    } else {
        buf_slice(&in, m->rule);
        for (size_t i = 0; i < m->nfacts; i++) {
            buf_char(&in, '\n');
            buf_slice(&in, m->facts[i].value);
        }
    }
    buf_slice(&in, slice_take(m->time, 10));
    sha256(in.p ? in.p : "", in.n, digest);
    buf_hex(&hex, digest, 12);
    m->thread = keep(a, &hex);
}

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return true;
}

/* Why it is sent, and about what: the same members in both kinds of documents. */
static void add_notification(struct message *m, struct arena *a, const struct json *doc)
{
    const struct json *notification = json_get(doc, "notification");
    struct slice incident = json_text(doc, "incident");

    m->resolved = slice_is(json_text(notification, "status"), "resolved");
    m->notice = message_line(a, json_text(notification, "reason"), 20);
    m->why = message_line(a, json_text(notification, "why"), WHY_MAX);
    m->incident = incident.n == 32 && is_hex(incident) ? message_line(a, incident, 32) : SLICE("");
}

/* A person copies it into a shell: nothing but our own words and hex digits. */
static void add_see(struct message *m, struct arena *a)
{
    AUTO_BUF b = BUF_INIT;

    m->see = SLICE("");
    if (m->id.n < SEE_ID || !is_hex(m->id))
        return;
    buf_printf(&b, "trailwarden alerts show %.*s", SEE_ID, m->id.p);
    m->see = keep(a, &b);
}

/* "[high]", but what is over or a test should not alarm anybody. */
static struct slice mark(const struct message *m)
{
    return m->resolved ? SLICE("resolved") : slice_is(m->notice, "test") ? SLICE("test") : m->level;
}

static void make_alert(struct message *m, struct arena *a, const struct json *doc,
                       const struct json *rule)
{
    AUTO_BUF subject = BUF_INIT;

    m->title = message_line(a, json_text(rule, "title"), TITLE_MAX);
    m->rule = message_line(a, json_text(rule, "id"), 80);
    m->description = message_clean(a, json_text(rule, "description"), 600);
    m->channel = message_line(a, json_text(doc, "channel"), 40);
    m->time = message_line(a, json_text(doc, "time"), 40);
    m->alerts = 1;
    buf_printf(&subject, "[%.*s] %.*s", SLICE_FMT(mark(m)), SLICE_FMT(m->title));
    add_group(m, a, doc, &subject);
    add_thread(m, a);
    m->subject = keep(a, &subject);
    add_fields(m, a, doc);
    if (!has_fact(m, "Channel"))
        add_fact(m, a, "Channel", m->channel);
    add_time(m, a, "Time", m->time);
    if (json_u64(doc, "window_s", 0))
        add_time(m, a, "First of them", json_text(doc, "first"));
    add_ban(m, a, doc);
    add_fact(m, a, "Host", slice_str(m->host));
    add_fact(m, a, "Rule author", json_text(rule, "author"));
    add_reason(m, a, doc);
    add_samples(m, a, doc);
    add_see(m, a);
}

/* ---- the summary of many ---- */

static struct message_row *add_row(struct message_table *t)
{
    if (t->nrows == TABLE_ROWS_MAX) {
        t->more++;
        return NULL;
    }
    return &t->rows[t->nrows++];
}

static void add_table(struct message *m, struct arena *a, const struct json *table)
{
    const struct json *rows = json_get(table, "rows");
    struct message_table *t = &m->tables[m->ntables];

    *t = (struct message_table){ .title = message_line(a, json_text(table, "title"), TITLE_MAX),
                                 .more = (size_t)json_u64(table, "more", 0) };
    if (t->more > UINT32_MAX)
        t->more = UINT32_MAX;
    for (const struct json *r = rows ? rows->child : NULL; r; r = r->next) {
        struct message_row *row = add_row(t);

        if (row)
            *row = (struct message_row){ message_line(a, json_text(r, "name"), ROW_NAME_MAX),
                                         message_line(a, json_text(r, "value"), VALUE_MAX) };
    }
    if (t->nrows || t->more)
        m->ntables++;
}

/* The newest alerts by time, each with its level, title and group. */
static void add_newest(struct message *m, struct arena *a, const struct json *newest)
{
    struct message_table *t = &m->tables[m->ntables];
    AUTO_BUF b = BUF_INIT;

    *t = (struct message_table){ .title = SLICE("Newest") };
    for (const struct json *n = newest->child; n; n = n->next) {
        struct slice group = message_line(a, json_text(n, "group"), VALUE_MAX);
        struct message_row *row = add_row(t);

        if (!row)
            continue;
        buf_reset(&b);
        buf_printf(&b, "[%.*s] %.*s%s", SLICE_FMT(message_line(a, json_text(n, "level"), 20)),
                   SLICE_FMT(message_line(a, json_text(n, "title"), TITLE_MAX)),
                   group.n ? ": " : "");
        buf_slice(&b, group);
        row->name = readable_time(a, json_text(n, "time"));
        row->value = message_line(a, buf_view(&b), VALUE_MAX);
    }
    if (t->nrows)
        m->ntables++;
}

static void add_tables(struct message *m, struct arena *a, const struct json *doc)
{
    const struct json *tables = json_get(doc, "tables"), *newest = json_get(doc, "newest");
    size_t room = newest && newest->child ? TABLES_MAX - 1 : TABLES_MAX;

    for (const struct json *t = tables ? tables->child : NULL; t && m->ntables < room; t = t->next)
        add_table(m, a, t);
    if (newest)
        add_newest(m, a, newest);
}

static struct slice summary_reason(struct slice kind)
{
    static const struct {
        const char *kind;
        struct slice sentence;
    } reasons[] = {
        { "group", SLICE("Alerts of one group, told together.") },
        { "digest", SLICE("More waited than one can read, so they come as one message.") },
        { "quiet", SLICE("These waited for the end of the quiet hours.") },
        { "repeat", SLICE("The incident goes on.") },
        { "daily", SLICE("The report of the day.") },
        { "weekly", SLICE("The report of the week.") },
    };

    for (size_t i = 0; i < ARRAY_SIZE(reasons); i++)
        if (slice_is(kind, reasons[i].kind))
            return reasons[i].sentence;
    return SLICE("Several alerts in one message.");
}

/* `list`: "alerts" by the time of their events, "notify" by the time they were told. */
static void add_see_since(struct message *m, struct arena *a, const char *list, struct slice from)
{
    AUTO_BUF b = BUF_INIT;
    struct civil c;
    uint64_t us;

    m->see = SLICE("");
    if (time_parse_rfc3339(from, &us) < 0)
        return;
    c = civil_from_us(us);
    buf_printf(&b, "trailwarden %s list --since %04d-%02u-%02uT%02u:%02u:%02uZ", list, c.year,
               c.month, c.day, c.hour, c.minute, c.second);
    m->see = keep(a, &b);
}

static void make_summary(struct message *m, struct arena *a, const struct json *doc)
{
    struct slice kind = json_text(doc, "kind"), from = json_text(doc, "from");
    AUTO_BUF subject = BUF_INIT;
    AUTO_BUF alerts = BUF_INIT;

    m->summary = true;
    m->alerts = json_u64(doc, "alerts", 0);
    m->title = message_line(a, json_text(doc, "title"), TITLE_MAX);
    m->time = message_line(a, json_text(doc, "to"), 40);
    m->rule = m->channel = m->description = SLICE("");
    if (m->notice.n == 0)
        m->notice = message_line(a, kind, 20);
    if (m->why.n == 0)
        m->why = message_line(a, json_text(doc, "why"), WHY_MAX);
    m->reason = m->resolved ? SLICE("It is over.") : summary_reason(kind);
    buf_printf(&subject, "[%.*s] %.*s", SLICE_FMT(mark(m)), SLICE_FMT(m->title));
    m->subject = keep(a, &subject);
    add_time(m, a, "From", from);
    add_time(m, a, "To", json_text(doc, "to"));
    add_fact(m, a, "Host", slice_str(m->host));
    buf_u64(&alerts, m->alerts);
    add_fact(m, a, "Alerts", buf_view(&alerts));
    add_thread(m, a);
    add_tables(m, a, doc);
    add_see_since(m, a, slice_is(kind, "daily") || slice_is(kind, "weekly") ? "alerts" : "notify",
                  from);
}

#define OWN_TEXT_MAX 3000 /* of an operator's template: fits all media but a short message */

/* A value never begins a line of its own: it could look like words of the operator. */
static void on_one_line(struct buf *out, const struct template_value *value, bool quoted UNUSED)
{
    for (size_t i = 0; i < value->text.n; i++)
        buf_char(out, (unsigned char)value->text.p[i] < ' ' && value->text.p[i] != '\x1b'
                          ? ' '
                          : value->text.p[i]);
}

static int apply_template(struct message *m, const struct delivery *d, struct arena *a)
{
    AUTO_BUF b = BUF_LIMIT(64 << 10);
    struct slice text, first;

    template_write(d->text_template, m, d, on_one_line, &b);
    if (!buf_ok(&b))
        return -ENOMEM;
    text = message_clean(a, slice_trim(buf_view(&b)), OWN_TEXT_MAX);
    if (slice_starts(text, SLICE("Subject: ")) && slice_split(&text, '\n', &first)) {
        m->subject = message_line(a, slice_skip(first, 9), SUBJECT_MAX);
        text = text.p ? slice_trim(text) : SLICE("");
    }
    m->reason = text;
    m->why = m->description = SLICE("");
    m->nfacts = m->nsamples = m->more_samples = m->ntables = 0;
    return 0;
}

int message_make(const struct delivery *d, struct arena *a, struct message *ret, struct err *err)
{
    const struct json *doc = d->document, *rule = json_get(doc, "rule");
    struct message m = { .checkpoint = d->checkpoint, .host = d->host };
    bool summary = slice_is(json_text(doc, "type"), "summary");

    if (!rule && !summary)
        return err_set(err, -EINVAL, "the document is no alert");
    m.level = message_line(a, json_text(doc, "level"), 20);
    m.id = message_line(a, json_text(doc, "id"), 40);
    add_notification(&m, a, doc);
    if (summary)
        make_summary(&m, a, doc);
    else
        make_alert(&m, a, doc, rule);
    if (d->text_template && apply_template(&m, d, a) < 0)
        return err_nomem(err);
    *ret = m;
    return 0;
}
