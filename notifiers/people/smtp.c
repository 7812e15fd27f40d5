/* What is the same for both SMTP libraries: servers' names, and what the parent reads. */
#include "notifiers/people/smtp.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>

#include "base/ip.h"
#include "base/num.h"
#include "notifiers/dialogue.h"
#include "notifiers/people/smtp-private.h"

/* ---- HOST:PORT ---- */

static bool host_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '-' || c == '.' || c == '_'))
            return false;
    }
    return s.n > 0 && s.n <= 253;
}

/* In brackets, which are cut off. */
static bool host_v6(struct slice *s)
{
    struct slice inner;
    struct ip ip;

    if (s->n < 2 || s->p[0] != '[' || s->p[s->n - 1] != ']')
        return false;
    inner = slice_of(s->p + 1, s->n - 2);
    if (slice_find_byte(inner, ':') == SIZE_MAX || ip_parse(inner, &ip) < 0)
        return false;
    *s = inner;
    return true;
}

int smtp_server_parse(const char *server, struct smtp_server *ret, struct err *err)
{
    struct slice s = slice_str(server);
    size_t colon = slice_rfind_byte(s, ':');
    struct smtp_server x = { 0 };
    uint64_t port = 0;

    x.host = slice_take(s, colon == SIZE_MAX ? 0 : colon);
    x.v6 = host_v6(&x.host);
    if ((!x.v6 && !host_name(x.host)) || parse_u64(slice_skip(s, colon + 1), 1, 65535, &port) < 0)
        return err_set(err, -EINVAL, "'%s' is no server: write HOST:PORT%s", server,
                       slice_find_byte(s, ':') != colon ? " or [IPV6]:PORT" : "");
    x.port = (uint16_t)port;
    *ret = x;
    return 0;
}

bool smtp_is_loopback(const struct smtp_server *s)
{
    static const uint8_t one[16] = { [15] = 1 };
    struct ip ip;

    if (ip_parse(s->host, &ip) < 0)
        return slice_is(s->host, "localhost");
    return ip.family == 4 ? ip.bytes[0] == 127 : memcmp(ip.bytes, one, sizeof one) == 0;
}

/* ---- in the child ---- */

bool smtp_verifies(const struct smtp_job *job)
{
    return job->tls == SMTP_TLS_IMPLICIT || job->tls == SMTP_TLS_REQUIRED || job->ca_file;
}

size_t smtp_next_recipient(const struct smtp_job *job, size_t next)
{
    while (next < job->nto && (job->skip >> next & 1))
        next++;
    return next < job->nto ? next : SMTP_RECIPIENTS_MAX;
}

/*
 * libESMTP looks for certificates below the home, and gives up when it may not look
 * there: a daemon started by root and become somebody else still has root's.
 */
static void leave_home(void)
{
    static const char *const homes[] = { "HOME", "XDG_CONFIG_HOME" };

    for (size_t i = 0; i < ARRAY_SIZE(homes); i++)
        (void)setenv(homes[i], "/nonexistent", 1);
}

int smtp_talk(void *ctx, int out_fd)
{
    struct dialogue d = { .job = ctx, .fd = out_fd };
    struct smtp_server server = { 0 };

    leave_home();
    signal(SIGPIPE, SIG_IGN); /* neither library asks for MSG_NOSIGNAL everywhere */
    if (smtp_server_parse(d.job->server, &server, NULL) < 0)
        return 1;
    dialogue_begin(&d);
    if (d.job->tls == SMTP_TLS_IMPLICIT || d.job->token || server.v6)
        return smtp_by_curl(&d);
    return smtp_by_esmtp(&d);
}

/* ---- in the parent ---- */

static bool read_line(struct slice line, struct slice *ret_what, uint64_t *ret_index, int *ret_code,
                      struct slice *ret_text)
{
    struct slice index, code;
    uint64_t n;

    if (!slice_starts(line, SLICE("@@")))
        return false;
    line = slice_skip(line, 2);
    if (!slice_split(&line, ' ', ret_what) || !slice_split(&line, ' ', &index) ||
        !slice_split(&line, ' ', &code) || parse_u64(index, 0, 63, ret_index) < 0 ||
        parse_u64(code, 0, 999, &n) < 0 || !line.p)
        return false;
    *ret_code = (int)n;
    *ret_text = line;
    return true;
}

void smtp_read(struct slice out, struct smtp_verdict *v)
{
    struct slice line, what, text;
    uint64_t index;
    int code;

    while (slice_split(&out, '\n', &line)) {
        if (!read_line(line, &what, &index, &code, &text))
            continue;
        if (slice_is(what, "failure")) {
            v->failure = text;
        } else if (slice_is(what, "step")) {
            v->step = text;
        } else if (slice_is(what, "talk")) {
            dialogue_note("", text);
        } else if (slice_is(what, "from")) {
            v->from = code;
        } else if (slice_is(what, "to")) {
            v->accepted |= (uint64_t)(code / 100 == 2) << index;
            v->refused |= (uint64_t)(code / 100 == 5) << index;
        } else if (slice_is(what, "transfer")) {
            v->transfer = code;
            v->transfer_text = text;
        }
        if (code >= 400 && !v->said.p) /* its code and text, as the server said it */
            v->said = slice_of(text.p - 4, text.n + 4);
    }
}
