#include "notifiers/message.h"

#include <errno.h>

#include "base/hash.h"
#include "base/num.h"
#include "base/utf8.h"

#define TITLE_MAX 200
#define VALUE_MAX 300
#define SAMPLE_MAX 400

static bool control(uint32_t cp)
{
    return (cp < 0x20 && cp != '\n' && cp != '\t') || (cp >= 0x7f && cp < 0xa0) ||
           (cp >= 0x202a && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

struct slice message_clean(struct arena *a, struct slice s, size_t max)
{
    struct slice in = utf8_clean(a, s, NULL);
    char *out = in.p ? arena_text(a, in.n + 4) : NULL;
    size_t n = 0;

    if (!out)
        return SLICE("");
    for (size_t i = 0; i < in.n;) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(slice_skip(in, i), &cp);

        if (len == 0)
            break;
        if (!control(cp)) {
            memcpy(out + n, in.p + i, len);
            n += len;
        }
        i += len;
    }
    if (n > max) {
        n = utf8_cut(slice_of(out, n), max).n;
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

static void add_group(struct message *m, struct arena *a, const struct json *doc, struct buf *subject)
{
    const struct json *group = json_get(doc, "group");

    for (const struct json *g = group ? group->child : NULL; g; g = g->next) {
        char *name = arena_str(a, message_line(a, json_text(g, "name"), 60));
        struct slice value = message_line(a, json_text(g, "value"), VALUE_MAX);

        buf_str(subject, g == group->child ? ": " : ", ");
        buf_slice(subject, utf8_cut(value, 80));
        if (name)
            add_fact(m, a, name, value);
    }
}

static void add_reason(struct message *m, struct arena *a, const struct json *doc)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t count = json_u64(doc, "count", 1), window = json_u64(doc, "window_s", 0);

    if (window) {
        buf_printf(&b, "%s%llu in ", json_bool(doc, "lower_bound", false) ? "at least " : "",
                   (unsigned long long)count);
        buf_duration(&b, window * USEC_PER_SEC);
        buf_printf(&b, " (threshold %llu)",
                   (unsigned long long)json_u64(doc, "threshold", 0));
    } else {
        buf_str(&b, "one event of this kind is enough");
    }
    if (json_bool(doc, "backfill", false))
        buf_str(&b, "; the events are from the past");
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
    add_fact(&m, a, "Channel", m.channel);
    add_fact(&m, a, "Time", m.time);
    add_ban(&m, a, doc);
    add_fact(&m, a, "Host", slice_str(d->host));
    add_fact(&m, a, "Rule author", json_text(rule, "author"));
    add_reason(&m, a, doc);
    add_samples(&m, a, doc);
    *ret = m;
    return 0;
}
