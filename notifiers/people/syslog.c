/*
 * The log of this machine: natively to the journal, or to a local syslog daemon.
 *
 * The journal is the default: it keeps fields beside the text (journalctl TRAILWARDEN_LEVEL=high),
 * takes the document whole, and never cuts. Its own format (systemd.io, JOURNAL_NATIVE_PROTOCOL) is
 * a datagram of NAME=VALUE lines. Local daemons at /dev/log read RFC 3164 without a host (journald
 * and rsyslog in its default); RFC 5424 is for those that were told to expect it.
 */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "notifiers/datagram.h"
#include "notifiers/kinds.h"
#include "notifiers/severity.h"

#define FACILITY 10 /* authpriv: RFC 5424, 6.2.1 */
#define TEXT_MAX 1900 /* RFC 5424, 6.1: receivers should take 2048 bytes */
#define DOCUMENT_MAX (96 << 10) /* a datagram; the kernel takes 208 KiB by default */

enum format {
    FORMAT_JOURNAL,
    FORMAT_RFC3164,
    FORMAT_RFC5424,
};
static const char *const formats[] = { "journal", "rfc3164", "rfc5424", NULL };

struct syslog_sink {
    int format;
    const char *socket;
};

static const struct option syslog_options[] = {
    { .name = "format",
      .type = OPTION_ENUM,
      .offset = AT(struct syslog_sink, format),
      .fallback = "journal",
      .choices = formats,
      .help = "What the other side reads." },
    { .name = "socket",
      .type = OPTION_STR,
      .offset = AT(struct syslog_sink, socket),
      .help = "Socket of this machine; else /run/systemd/journal/socket, or /dev/log." },
    { 0 },
};

static const char *socket_path(const struct syslog_sink *o)
{
    return o->socket                     ? o->socket
           : o->format == FORMAT_JOURNAL ? "/run/systemd/journal/socket"
                                         : "/dev/log";
}

static int syslog_open(struct sink *s, struct err *err)
{
    return datagram_path_check(socket_path(s->state), err);
}

/* ---- rendering ---- */

/* "NAME=VALUE\n", or for a value with line ends: NAME, its length (64 bit, little-endian), value.
 */
static void put_field(struct buf *b, const char *name, struct slice value)
{
    uint8_t length[8];

    if (value.n == 0)
        return;
    buf_str(b, name);
    if (slice_find_byte(value, '\n') == SIZE_MAX) {
        buf_char(b, '=');
    } else {
        for (size_t i = 0; i < sizeof length; i++)
            length[i] = (uint8_t)((uint64_t)value.n >> (8 * i));
        buf_char(b, '\n');
        buf_add(b, length, sizeof length);
    }
    buf_slice(b, value);
    buf_char(b, '\n');
}

/* One line for people. */
static void put_text(const struct message *m, struct buf *b)
{
    buf_slice(b, utf8_cut(m->subject, TEXT_MAX / 2));
    buf_str(b, " - ");
    buf_slice(b, m->reason);
    if (m->why.n)
        buf_printf(b, " %.*s", SLICE_FMT(m->why));
}

struct member {
    const char *field, *parameter;
    struct slice value;
};
#define MEMBERS 9

static void name_members(const struct message *m, struct member out[MEMBERS])
{
    const struct member members[MEMBERS] = {
        { "TRAILWARDEN_ALERT", "alert", m->id },
        { "TRAILWARDEN_LEVEL", "level", m->level },
        { "TRAILWARDEN_RULE", "rule", m->rule },
        { "TRAILWARDEN_CHANNEL", "channel", m->channel },
        { "TRAILWARDEN_INCIDENT", "incident", m->incident },
        { "TRAILWARDEN_REASON", "reason", m->notice },
        { "TRAILWARDEN_STATUS", "status", m->resolved ? SLICE("resolved") : SLICE("firing") },
        { "TRAILWARDEN_TYPE", "type", m->summary ? SLICE("summary") : SLICE("alert") },
        { "TRAILWARDEN_TIME", "time", m->time },
    };

    memcpy(out, members, sizeof members);
}

static unsigned priority(const struct message *m)
{
    return m->resolved ? 6 : severity_of(m)->syslog;
}

static void journal_entry(const struct message *m, const struct delivery *d, struct buf *b)
{
    struct member members[MEMBERS];
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF document = BUF_INIT;

    put_text(m, &text);
    delivery_text(d, &document);
    name_members(m, members);
    put_field(b, "MESSAGE", buf_view(&text));
    buf_printf(b, "PRIORITY=%u\nSYSLOG_FACILITY=%d\nSYSLOG_IDENTIFIER=trailwarden\n", priority(m),
               FACILITY);
    for (size_t i = 0; i < MEMBERS; i++)
        put_field(b, members[i].field, members[i].value);
    if (document.n <= DOCUMENT_MAX)
        put_field(b, "TRAILWARDEN_DOCUMENT", buf_view(&document));
    b->failed = b->failed || text.failed || document.failed;
}

/* RFC 5424, 6.3.3: these three get a backslash. */
static void put_parameter(struct buf *b, const struct member *m)
{
    if (m->value.n == 0)
        return;
    buf_printf(b, " %s=\"", m->parameter);
    for (size_t i = 0; i < m->value.n; i++) {
        if (strchr("\"\\]", m->value.p[i]) && m->value.p[i])
            buf_char(b, '\\');
        buf_char(b, m->value.p[i]);
    }
    buf_char(b, '"');
}

/* PRINTUSASCII without blanks, or "-" (RFC 5424, 6). */
static void put_word(struct buf *b, const char *s)
{
    bool any = false;

    for (; s && *s; s++)
        if (*s > ' ' && *s < 0x7f) {
            buf_char(b, *s);
            any = true;
        }
    if (!any)
        buf_char(b, '-');
}

/* 32473 is the enterprise number of examples (RFC 5612): there is none of our own. */
static void rfc5424_line(const struct message *m, const struct delivery *d, struct buf *b)
{
    struct member members[MEMBERS];
    char now[TIME_TEXT_SIZE];

    time_text(d->now_us, now);
    name_members(m, members);
    buf_printf(b, "<%u>1 %s ", FACILITY * 8 + priority(m), now);
    put_word(b, m->host);
    buf_printf(b, " trailwarden - %s [trailwarden@32473", m->summary ? "summary" : "alert");
    for (size_t i = 0; i < MEMBERS; i++)
        put_parameter(b, &members[i]);
    buf_str(b, "] ");
    put_text(m, b);
}

/* As syslog(3) writes it: no host, a time without a zone, which is UTC here. */
static void rfc3164_line(const struct message *m, const struct delivery *d, struct buf *b)
{
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct civil c = civil_from_us(d->now_us);

    buf_printf(b, "<%u>%s %2u %02u:%02u:%02u trailwarden: ", FACILITY * 8 + priority(m),
               months[c.month - 1], c.day, c.hour, c.minute, c.second);
    put_text(m, b);
    if (m->id.n)
        buf_printf(b, " (%.*s)", SLICE_FMT(m->id));
}

/* ---- sending ---- */

static void syslog_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    static void (*const render[])(const struct message *, const struct delivery *,
                                  struct buf *) = { [FORMAT_JOURNAL] = journal_entry,
                                                    [FORMAT_RFC3164] = rfc3164_line,
                                                    [FORMAT_RFC5424] = rfc5424_line };
    const struct syslog_sink *o = s->state;
    AUTO(arena) a = arena_new(32768, 4 << 20);
    AUTO_BUF out = BUF_INIT;
    struct err err = ERR_NONE;
    struct message m;
    int r = -ENOMEM;

    ret->state = DELIVERY_RETRY;
    if (a && message_make(d, a, &m, &err) < 0) {
        ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
        return;
    }
    if (a) {
        render[o->format](&m, d, &out);
        r = buf_ok(&out) ? datagram_send(socket_path(o), buf_view(&out)) : -ENOMEM;
    }
    if (r == 0)
        ret->state = DELIVERY_SENT;
    if (r < 0)
        snprintf(ret->status, sizeof ret->status, "cannot write '%.90s': %.50s", socket_path(o),
                 err_name(r));
    else
        snprintf(ret->status, sizeof ret->status, "written to '%.90s' as %s", socket_path(o),
                 formats[o->format]);
}

const struct sink_ops sink_syslog = {
    .name = "syslog",
    .summary = "the journal of this machine, or its syslog daemon",
    .options = syslog_options,
    .state_size = sizeof(struct syslog_sink),
    .open = syslog_open,
    .deliver = syslog_deliver,
};
