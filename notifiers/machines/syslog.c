/*
 * Syslog to another host: TLS (RFC 5425), TCP (RFC 6587) or UDP (RFC 5426), and to a daemon of
 * this machine. The text is RFC 5424's or another format behind its header.
 *
 * There is no answer in syslog. What the peer's kernel took can still be lost when the peer dies,
 * so the records of the last `resend` bytes of a connection are remembered, and sent again when it
 * breaks: they carry their ids.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/num.h"
#include "notifiers/datagram.h"
#include "notifiers/machines/kinds.h"
#include "notifiers/machines/uplink.h"

enum protocol {
    OVER_TLS,
    OVER_TCP,
    OVER_UDP,
    OVER_UNIX,
};
static const char *const protocols[] = { "tls", "tcp", "udp", "unix", NULL };
static const uint16_t ports[] = { 6514, 601, 514, 0 };

enum frame_end {
    FRAMING_OCTET,
    FRAMING_LF,
    FRAMING_NUL, /* GELF */
};
static const char *const framings[] = { "octet", "lf", "nul", NULL };

#define SENT_MAX 4096
/* UDP knows no "slower": a burst larger than the receiver's buffer (208 KiB) is lost in part. */
#define BURST_BYTES (32 << 10)
#define BURST_PAUSE_US 2000

struct syslog_machine {
    struct encoder_settings encoding;
    const char *server, *ca_file, *cert_file, *key_file, *peer_name;
    int protocol, framing;
    uint64_t timeout_us, resend;
    struct uplink_settings where;
    char *host; /* of the server */
    struct uplink *uplink;
    struct sent { /* on this connection, the last ones: a ring */
        uint64_t index;
        uint32_t bytes;
    } sent[SENT_MAX];
    size_t nsent; /* ever */
};

static const struct option syslog_options[] = {
    ENCODER_OPTIONS(struct syslog_machine, encoding, "rfc5424", "8000"),
    { .name = "server",
      .type = OPTION_STR,
      .offset = AT(struct syslog_machine, server),
      .required = true,
      .help = "HOST or HOST:PORT ([v6]:PORT); of unix the path of the socket." },
    { .name = "protocol",
      .type = OPTION_ENUM,
      .offset = AT(struct syslog_machine, protocol),
      .fallback = "tls",
      .choices = protocols,
      .help = "Ports by themselves: 6514, 601 and 514." },
    { .name = "framing",
      .type = OPTION_ENUM,
      .offset = AT(struct syslog_machine, framing),
      .fallback = "octet",
      .choices = framings,
      .help = "What stands between messages of a connection: their lengths, LF, or NUL (GELF)." },
    { .name = "header",
      .type = OPTION_ENUM,
      .offset = AT(struct syslog_machine, encoding.header),
      .fallback = "rfc5424",
      .choices = header_names,
      .help = "In front of a format that has none of its own." },
    { .name = "facility",
      .type = OPTION_ENUM,
      .offset = AT(struct syslog_machine, encoding.facility),
      .fallback = "local0",
      .choices = facility_names,
      .help = "Facility of the messages." },
    { .name = "bom",
      .type = OPTION_BOOL,
      .offset = AT(struct syslog_machine, encoding.bom),
      .fallback = "false",
      .help = "A byte order mark before the text, as RFC 5424 asks; some receivers keep it." },
    { .name = "ca_file",
      .type = OPTION_STR,
      .offset = AT(struct syslog_machine, ca_file),
      .path = PATH_READ,
      .help = "Certificates to trust instead of the system's." },
    { .name = "cert_file",
      .type = OPTION_STR,
      .offset = AT(struct syslog_machine, cert_file),
      .path = PATH_READ,
      .help = "Our certificate, when the receiver asks for one." },
    { .name = "key_file",
      .type = OPTION_STR,
      .offset = AT(struct syslog_machine, key_file),
      .path = PATH_READ,
      .help = "Its key." },
    { .name = "peer_name",
      .type = OPTION_STR,
      .offset = AT(struct syslog_machine, peer_name),
      .help = "Name or address that the receiver's certificate must have; else that in server." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct syslog_machine, timeout_us),
      .fallback = "15s",
      .min = "1s",
      .max = "5m",
      .help = "For connecting, and for each batch." },
    { .name = "resend",
      .type = OPTION_SIZE,
      .offset = AT(struct syslog_machine, resend),
      .fallback = "1MiB",
      .max = "64MiB",
      .help = "After a broken connection so many bytes are sent again: nobody says what arrived." },
    { 0 },
};

/* HOST, HOST:PORT, [v6], [v6]:PORT; a bare v6 address has no port. */
static int split_server(struct syslog_machine *o, struct err *err)
{
    struct slice s = slice_str(o->server), host = s, port = SLICE("");
    uint64_t number = ports[o->protocol];
    size_t end = slice_find_byte(s, ']'), colon = slice_rfind_byte(s, ':');

    if (s.n && s.p[0] == '[' && end != SIZE_MAX) {
        host = slice_of(s.p + 1, end - 1);
        port = slice_skip(s, end + 1);
    } else if (colon != SIZE_MAX && colon == slice_find_byte(s, ':')) {
        host = slice_take(s, colon);
        port = slice_skip(s, colon);
    }
    if (host.n == 0 ||
        (port.n && (port.p[0] != ':' || parse_u64(slice_skip(port, 1), 1, 65535, &number) < 0)))
        return err_set(err, -EINVAL, "'%s' is no HOST:PORT", o->server);
    o->host = slice_dup(host);
    o->where = (struct uplink_settings){ .host = o->host,
                                         .port = (uint16_t)number,
                                         .tls = o->protocol == OVER_TLS,
                                         .ca_file = o->ca_file,
                                         .cert_file = o->cert_file,
                                         .key_file = o->key_file,
                                         .peer_name = o->peer_name,
                                         .timeout_us = o->timeout_us };
    return o->host ? 0 : err_nomem(err);
}

static int syslog_open(struct machine *m, struct err *err)
{
    struct syslog_machine *o = m->state;

    if ((o->cert_file != NULL) != (o->key_file != NULL))
        return err_set(err, -EINVAL, "'cert_file' and 'key_file' belong together");
    if (o->framing == FRAMING_NUL && o->encoding.header != HEADER_NONE)
        return err_set(err, -EINVAL, "'framing: nul' is that of GELF: say 'header: none'");
    if (encoder_ready(&o->encoding, err) < 0)
        return err_code(err);
    return o->protocol == OVER_UNIX ? datagram_path_check(o->server, err) : split_server(o, err);
}

/* ---- datagrams ---- */

static int send_datagram(const struct syslog_machine *o, int fd, struct slice bytes)
{
    if (o->protocol == OVER_UNIX)
        return datagram_send(o->server, bytes);
    return send(fd, bytes.p, bytes.n, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static void deliver_datagrams(struct syslog_machine *o, const struct trail_record *records,
                              size_t n, struct machine_result *results, struct machine_said *said)
{
    struct err err = ERR_NONE;
    AUTO_FD fd = -1;
    AUTO_BUF out = BUF_INIT;
    size_t burst = 0;
    int r = 0;

    if (o->protocol == OVER_UDP)
        r = uplink_connect(o->host, o->where.port, SOCK_DGRAM, o->timeout_us, &fd, &err);
    for (size_t i = 0; i < n && r == 0; i++) {
        buf_reset(&out);
        r = encoder_encode(&o->encoding, &records[i], &out);
        if (r == 0)
            r = send_datagram(o, fd, buf_view(&out));
        if (r == -EMSGSIZE) {
            result_dead(&results[i], "larger than a datagram, or than max_size");
            r = 0;
        } else if (r == 0) {
            results[i].state = DELIVERY_SENT;
        }
        burst += out.n;
        if (burst >= BURST_BYTES) {
            usleep(BURST_PAUSE_US);
            burst = 0;
        }
    }
    snprintf(said->status, sizeof said->status, "%.150s",
             r == 0     ? "sent"
             : err.code ? err.text
                        : err_name(r));
}

/* ---- connections ---- */

static void remember(struct syslog_machine *o, uint64_t index, size_t bytes)
{
    o->sent[o->nsent++ % SENT_MAX] = (struct sent){ index, (uint32_t)bytes };
}

/* The connection is gone: from which record on is it uncertain? */
static void lost(struct syslog_machine *o, struct machine_said *said)
{
    uint64_t bytes = 0;

    for (size_t i = o->nsent; i > 0 && o->nsent - i < SENT_MAX && bytes < o->resend; i--) {
        said->again = true;
        said->again_from = o->sent[(i - 1) % SENT_MAX].index;
        bytes += o->sent[(i - 1) % SENT_MAX].bytes;
    }
    o->nsent = 0;
    uplink_free(o->uplink);
    o->uplink = NULL;
}

static void put_frame(const struct syslog_machine *o, struct slice message, struct buf *out)
{
    if (o->framing == FRAMING_OCTET) {
        buf_u64(out, message.n);
        buf_char(out, ' ');
    }
    buf_slice(out, message);
    if (o->framing != FRAMING_OCTET)
        buf_char(out, o->framing == FRAMING_LF ? '\n' : '\0');
}

static int make_frames(struct syslog_machine *o, const struct trail_record *records, size_t n,
                       struct machine_result *results, size_t *sizes, struct buf *out)
{
    AUTO_BUF message = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        size_t before = out->n;
        int r;

        buf_reset(&message);
        r = encoder_encode(&o->encoding, &records[i], &message);
        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result_dead(&results[i], "larger than max_size");
        else
            put_frame(o, buf_view(&message), out);
        sizes[i] = out->n - before;
    }
    return buf_ok(out) ? 0 : -ENOMEM;
}

static int send_frames(struct syslog_machine *o, struct slice frames, struct err *err)
{
    if (!o->uplink && uplink_open(&o->where, &o->uplink, err) < 0)
        return err_code(err);
    return uplink_write(o->uplink, frames, err);
}

static void deliver_stream(struct syslog_machine *o, const struct trail_record *records, size_t n,
                           struct machine_result *results, struct machine_said *said)
{
    AUTO_FREE size_t *sizes = calloc(n, sizeof *sizes);
    struct err err = ERR_NONE;
    AUTO_BUF out = BUF_INIT;

    if (o->uplink && uplink_ended(o->uplink)) {
        snprintf(said->status, sizeof said->status, "the connection ended");
        lost(o, said);
        if (said->again)
            return;
    }
    if (!sizes || make_frames(o, records, n, results, sizes, &out) < 0) {
        snprintf(said->status, sizeof said->status, "out of memory");
        return;
    }
    if (send_frames(o, buf_view(&out), &err) < 0) {
        snprintf(said->status, sizeof said->status, "%.150s", err.text);
        lost(o, said);
        return;
    }
    snprintf(said->status, sizeof said->status, "sent");
    for (size_t i = 0; i < n; i++) {
        if (results[i].state != DELIVERY_RETRY)
            continue;
        results[i].state = DELIVERY_SENT;
        remember(o, records[i].index, sizes[i]);
    }
}

static void syslog_deliver(struct machine *m, const struct trail_record *records, size_t n,
                           struct machine_result *results, struct machine_said *said)
{
    struct syslog_machine *o = m->state;

    if (o->protocol == OVER_UDP || o->protocol == OVER_UNIX)
        deliver_datagrams(o, records, n, results, said);
    else
        deliver_stream(o, records, n, results, said);
}

static void syslog_close(struct machine *m)
{
    struct syslog_machine *o = m->state;

    if (!o)
        return;
    uplink_free(o->uplink);
    free(o->host);
}

const struct machine_ops machine_syslog = {
    .name = "syslog",
    .summary = "syslog over TLS, TCP or UDP; also CEF, LEEF and GELF",
    .options = syslog_options,
    .state_size = sizeof(struct syslog_machine),
    .open = syslog_open,
    .deliver = syslog_deliver,
    .close = syslog_close,
};
