/* The bytes of a mail: MIME by hand (RFC 2045-2047, 5322), two parts, quoted-printable. */
#include "notifiers/people/mail.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"
#include "notifiers/people/mail-private.h"

#define LINE_MAX_QP 75 /* and a "=" for a soft break: 76 as RFC 2045 has it */
#define HEADER_LINE_MAX 78 /* RFC 5322, 2.1.1 */
#define WORD_BYTES 42 /* 56 in base64: with its frame an encoded word of 68 */

bool mail_address_ok(const char *s)
{
    const char *at = strchr(s, '@');

    for (const char *p = s; *p; p++)
        if (*p <= 0x20 || *p >= 0x7f || strchr("<>()[]\\,;:\"", *p))
            return false;
    return at && at != s && at[1] && !strchr(at + 1, '@') && strlen(s) < 255;
}

/* ---- headers ---- */

/* "=?" would be read as an encoded word: a stranger's text could show as something else. */
static bool plain_header(const char *name, struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return strlen(name) + 2 + s.n <= HEADER_LINE_MAX && slice_find(s, SLICE("=?")) == SIZE_MAX;
}

static void header_text(struct buf *out, const char *name, struct slice s)
{
    buf_printf(out, "%s: ", name);
    if (plain_header(name, s)) {
        buf_slice(out, s);
    } else {
        if (strlen(name) > 7)
            buf_str(out, "\r\n ");
        while (s.n) {
            struct slice part = utf8_cut(s, WORD_BYTES);

            if (part.n == 0)
                part = slice_take(s, 1);
            buf_str(out, "=?UTF-8?B?");
            buf_base64(out, part.p, part.n, true);
            buf_str(out, "?=");
            s = slice_skip(s, part.n);
            if (s.n)
                buf_str(out, "\r\n ");
        }
    }
    buf_str(out, "\r\n");
}

/* Keys and thread names as the left part of a message id: atext only. */
static void id_text(struct buf *out, struct slice s)
{
    for (size_t i = 0; i < s.n && i < 120; i++) {
        char c = s.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || c == '_';

        buf_char(out, fine ? c : '-');
    }
}

static void id_header(struct buf *out, const char *name, const char *prefix, struct slice id,
                      const char *domain)
{
    buf_printf(out, "%s: <%s", name, prefix);
    id_text(out, id);
    buf_printf(out, "@%s>\r\n", domain);
}

static void date_header(struct buf *out, uint64_t us)
{
    static const char *const days[] = { "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat" };
    static const char *const months[] = { "Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                          "Jul", "Aug", "Sep", "Oct", "Nov", "Dec" };
    struct civil c = civil_from_us(us);

    buf_printf(out, "Date: %s, %u %s %d %02u:%02u:%02u +0000\r\n", days[c.weekday % 7], c.day,
               months[(c.month - 1) % 12], c.year, c.hour, c.minute, c.second);
}

static void address_header(struct buf *out, const char *name, const char *const *list, size_t n)
{
    if (!n)
        return;
    buf_printf(out, "%s: ", name);
    for (size_t i = 0; i < n; i++)
        buf_printf(out, "%s%s", i ? ",\r\n " : "", list[i]);
    buf_str(out, "\r\n");
}

static void headers(const struct mail_people *who, const struct message *m,
                    const struct delivery *d, struct buf *out)
{
    static const char *const priority[] = { "", "", "", "X-Priority: 2\r\n",
                                            "Importance: high\r\nX-Priority: 1\r\n" };
    const char *domain = strchr(who->from, '@') + 1;

    buf_str(out, "MIME-Version: 1.0\r\n");
    date_header(out, d->now_us);
    buf_printf(out, "From: trailwarden <%s>\r\n", who->from);
    if (who->reply_to)
        buf_printf(out, "Reply-To: %s\r\n", who->reply_to);
    address_header(out, "To", who->to, who->nto);
    address_header(out, "Cc", who->cc, who->ncc);
    header_text(out, "Subject", m->subject);
    id_header(out, "Message-Id", "", d->key, domain);
    id_header(out, "In-Reply-To", "alert-", m->thread, domain);
    id_header(out, "References", "alert-", m->thread, domain);
    buf_printf(out,
               "Auto-Submitted: auto-generated\r\nX-Auto-Response-Suppress: All\r\n"
               "List-Id: trailwarden alerts <alerts.%s>\r\n",
               domain);
    header_text(out, "X-Trailwarden-Alert", m->id);
    header_text(out, "X-Trailwarden-Rule", m->rule);
    header_text(out, "X-Trailwarden-Level", m->level);
    buf_str(out, priority[message_rank(m)]);
}

/* ---- quoted-printable ---- */

struct qp {
    struct buf *out;
    size_t column;
};

static void qp_put(struct qp *q, const char *text, size_t n)
{
    if (q->column + n > LINE_MAX_QP) {
        buf_str(q->out, "=\r\n");
        q->column = 0;
    }
    buf_add(q->out, text, n);
    q->column += n;
}

/*
 * Beside what RFC 2045 asks: a dot or "F" (of "From ") at a line's start is
 * escaped, so that no relay on the way has a reason to touch the line.
 */
static bool qp_escapes(const struct qp *q, struct slice rest)
{
    unsigned char c = (unsigned char)rest.p[0];
    bool first = q->column == 0 || q->column == LINE_MAX_QP;

    if (c == ' ' || c == '\t')
        return rest.n == 1 || rest.p[1] == '\n';
    if (first && (c == '.' || c == 'F'))
        return true;
    return c <= 0x20 || c >= 0x7f || c == '=';
}

static void qp_body(struct buf *out, struct slice s)
{
    struct qp q = { .out = out };
    char escaped[4];

    for (; s.n; s = slice_skip(s, 1)) {
        if (s.p[0] == '\n') {
            buf_str(out, "\r\n");
            q.column = 0;
        } else if (qp_escapes(&q, s)) {
            snprintf(escaped, sizeof escaped, "=%02X", (unsigned char)s.p[0]);
            qp_put(&q, escaped, 3);
        } else {
            qp_put(&q, s.p, 1);
        }
    }
    if (q.column)
        buf_str(out, "\r\n");
}

/* ---- all of it ---- */

void mail_command(const struct message *m, struct buf *b)
{
    if (m->summary) { /* made of a time that was read and written again */
        buf_slice(b, m->see);
        return;
    }
    /* It is made to be pasted into a shell, so nothing but a plain word may stand in it. */
    for (size_t i = 0; i < m->id.n; i++)
        if (!memchr("0123456789abcdef", m->id.p[i], 16))
            return;
    if (m->id.n)
        buf_printf(b, "trailwarden alerts show %.*s", SLICE_FMT(slice_take(m->id, 12)));
}

void mail_paragraphs(struct slice text, struct buf *b)
{
    struct slice line;
    unsigned empty = 0;

    for (text = slice_trim(text); slice_split(&text, '\n', &line);) {
        empty = line.n ? 0 : empty + 1;
        if (empty > 1)
            continue;
        buf_str(b, b->n ? "\n" : "");
        buf_slice(b, line);
    }
}

static void add_part(struct buf *out, const struct buf *boundary, const char *type,
                     struct slice content)
{
    buf_printf(out,
               "--%.*s\r\nContent-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               SLICE_FMT(buf_view(boundary)), type);
    qp_body(out, content);
}

int mail_make(const struct mail_people *who, const struct message *m, const struct delivery *d,
              struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF html = BUF_INIT;
    AUTO_BUF boundary = BUF_INIT;

    buf_str(&boundary, "=_"); /* can be no part of quoted-printable text */
    id_text(&boundary, slice_take(m->thread, 24));
    mail_text(m, &text);
    mail_html(m, &html);
    headers(who, m, d, out);
    buf_printf(out, "Content-Type: multipart/alternative;\r\n boundary=\"%.*s\"\r\n\r\n",
               SLICE_FMT(buf_view(&boundary)));
    add_part(out, &boundary, "text/plain", buf_view(&text));
    add_part(out, &boundary, "text/html", buf_view(&html));
    buf_printf(out, "--%.*s--\r\n", SLICE_FMT(buf_view(&boundary)));
    return buf_ok(&text) && buf_ok(&html) && buf_ok(&boundary) && buf_ok(out) ? 0 : -ENOMEM;
}
