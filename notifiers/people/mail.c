/* The bytes of a mail: MIME by hand (RFC 2045-2047, 5322), two parts, quoted-printable. */
#include "notifiers/people/mail.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "base/utf8.h"

#define LINE_MAX_QP 75 /* and a "=" for a soft break: 76 as RFC 2045 has it */
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
static bool plain_header(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || (unsigned char)s.p[i] >= 0x7f)
            return false;
    return s.n < 60 && slice_find(s, SLICE("=?")) == SIZE_MAX;
}

static void header_text(struct buf *out, const char *name, struct slice s)
{
    buf_printf(out, "%s: ", name);
    if (plain_header(s)) {
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

/* ---- the text part ---- */

static void text_note(const struct message *m, struct buf *b)
{
    if (!m->checkpoint.n)
        return;
    buf_str(b, "\nKeep this mail. When it was sent, the audit trail stood at this signed\n"
               "checkpoint; \"trailwarden trail verify --against FILE\" with these lines in\n"
               "FILE shows later whether the trail still holds all of it.\n\n");
    buf_slice(b, m->checkpoint);
}

static void text_part(const struct message *m, struct buf *b)
{
    buf_printf(b, "%.*s\n%.*s\n\n", SLICE_FMT(m->subject), SLICE_FMT(m->reason));
    for (size_t i = 0; i < m->nfacts; i++)
        buf_printf(b, "%-16s %.*s\n", m->facts[i].name, SLICE_FMT(m->facts[i].value));
    if (m->description.n)
        buf_printf(b, "\n%.*s\n", SLICE_FMT(m->description));
    if (m->nsamples)
        buf_str(b, m->nsamples > 1 ? "\nLines, newest last:\n\n" : "\nThe line:\n\n");
    if (m->more_samples)
        buf_printf(b, "  (%zu more not shown)\n", m->more_samples);
    for (size_t i = 0; i < m->nsamples; i++)
        buf_printf(b, "  %.*s\n", SLICE_FMT(m->samples[i]));
    buf_printf(b, "\nAlert %.*s\nRule  %.*s\n", SLICE_FMT(m->id), SLICE_FMT(m->rule));
    text_note(m, b);
}

/* ---- the HTML part: inline styles only, since many readers drop <style> ---- */

#define MONO "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
#define SANS "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"

/* bar and badge, and text on the badge that can be read. */
static const struct {
    const char *back, *text;
} colours[] = {
    { "#546e7a", "#ffffff" }, { "#1565c0", "#ffffff" }, { "#f9a825", "#2b2100" },
    { "#c94700", "#ffffff" }, { "#b00020", "#ffffff" },
};

static void html_head(const struct message *m, struct buf *b)
{
    int rank = message_rank(m);

    buf_str(b, "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
               "<meta name=\"color-scheme\" content=\"light\">\n<title>");
    buf_html(b, m->subject);
    buf_str(b, "</title>\n</head>\n<body style=\"margin:0;padding:0;background:#e9edf0\">\n"
               "<div style=\"display:none;max-height:0;overflow:hidden\">");
    buf_html(b, m->reason);
    buf_str(b, "</div>\n<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" "
               "cellspacing=\"0\" border=\"0\" style=\"background:#e9edf0\"><tr>\n"
               "<td align=\"center\" style=\"padding:16px 8px\">\n"
               "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "
               "border=\"0\" style=\"max-width:680px;table-layout:fixed;background:#ffffff;"
               "border-radius:8px;text-align:left\"><tr>\n");
    buf_printf(b,
               "<td style=\"border-top:6px solid %s;border-radius:8px;padding:20px 20px 18px;"
               "color:#1c2329;font:15px/1.5 " SANS "\">\n",
               colours[rank].back);
    buf_printf(b,
               "<span style=\"display:inline-block;padding:2px 10px;border-radius:10px;"
               "background:%s;color:%s;font-size:12px;font-weight:600;"
               "text-transform:uppercase;letter-spacing:.05em\">",
               colours[rank].back, colours[rank].text);
    buf_html(b, m->level);
    buf_str(b, "</span>\n<h1 style=\"margin:10px 0 4px;font-size:20px;line-height:1.3;"
               "font-weight:600;overflow-wrap:anywhere\">");
    buf_html(b, m->title);
    buf_str(b, "</h1>\n<p style=\"margin:0 0 14px;color:#46525c\">");
    buf_html(b, m->reason);
    buf_str(b, "</p>\n");
}

static void html_facts(const struct message *m, struct buf *b)
{
    buf_str(b, "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "
               "border=\"0\" style=\"border-collapse:collapse;table-layout:fixed\">\n");
    for (size_t i = 0; i < m->nfacts; i++) {
        buf_str(b, "<tr><td width=\"128\" style=\"width:128px;padding:6px 10px 6px 0;"
                   "border-top:1px solid #e9edf0;color:#5a6670;font-size:14px;"
                   "vertical-align:top;overflow-wrap:anywhere\">");
        buf_html(b, slice_str(m->facts[i].name));
        buf_str(b, "</td>\n<td style=\"padding:6px 0;border-top:1px solid #e9edf0;"
                   "vertical-align:top;overflow-wrap:anywhere;word-break:break-word\">");
        buf_html(b, m->facts[i].value);
        buf_str(b, "</td></tr>\n");
    }
    buf_str(b, "</table>\n");
}

static void html_samples(const struct message *m, struct buf *b)
{
    if (!m->nsamples)
        return;
    buf_printf(b, "<p style=\"margin:18px 0 6px;color:#5a6670;font-size:14px\">%s</p>\n",
               m->nsamples > 1 ? "Lines, newest last" : "The line");
    if (m->more_samples)
        buf_printf(b,
                   "<p style=\"margin:0 0 6px;color:#5a6670;font-size:13px\">"
                   "%zu more not shown</p>\n",
                   m->more_samples);
    for (size_t i = 0; i < m->nsamples; i++) {
        buf_str(b, "<pre style=\"margin:0 0 4px;padding:8px 10px;background:#f2f4f6;"
                   "border-radius:4px;font:12px/1.45 " MONO ";white-space:pre-wrap;"
                   "overflow-wrap:anywhere;word-break:break-word\">");
        buf_html(b, m->samples[i]);
        buf_str(b, "</pre>\n");
    }
}

static void html_foot(const struct message *m, struct buf *b)
{
    buf_str(b, "<p style=\"margin:18px 0 0;padding-top:10px;border-top:1px solid #e9edf0;"
               "color:#5a6670;font-size:12px;overflow-wrap:anywhere\">Alert ");
    buf_html(b, m->id);
    buf_str(b, "<br>\nRule ");
    buf_html(b, m->rule);
    buf_str(b, "</p>\n");
    if (m->checkpoint.n) {
        buf_str(b, "<p style=\"margin:12px 0 6px;color:#5a6670;font-size:12px\">Keep this mail: "
                   "the audit trail stood at this signed checkpoint when it was sent, and "
                   "<code style=\"font-family:" MONO "\">trailwarden trail verify --against"
                   "</code> can check it later.</p>\n<pre style=\"margin:0;color:#5a6670;"
                   "font:11px/1.4 " MONO ";white-space:pre-wrap;overflow-wrap:anywhere;"
                   "word-break:break-all\">");
        buf_html(b, m->checkpoint);
        buf_str(b, "</pre>\n");
    }
    buf_str(b, "</td></tr></table>\n</td></tr></table>\n</body>\n</html>\n");
}

static void html_part(const struct message *m, struct buf *b)
{
    html_head(m, b);
    html_facts(m, b);
    if (m->description.n) {
        buf_str(b, "<p style=\"margin:16px 0 0;white-space:pre-line;overflow-wrap:anywhere\">");
        buf_html(b, m->description);
        buf_str(b, "</p>\n");
    }
    html_samples(m, b);
    html_foot(m, b);
}

/* ---- all of it ---- */

static void add_part(struct buf *out, const char *boundary, const char *type, struct slice content)
{
    buf_printf(out,
               "--%s\r\nContent-Type: %s; charset=utf-8\r\n"
               "Content-Transfer-Encoding: quoted-printable\r\n\r\n",
               boundary, type);
    qp_body(out, content);
}

int mail_make(const struct mail_people *who, const struct message *m, const struct delivery *d,
              struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF html = BUF_INIT;
    char boundary[64];

    /* "=_" can be no part of quoted-printable text. */
    snprintf(boundary, sizeof boundary, "=_%.*s", SLICE_FMT(slice_take(m->thread, 24)));
    text_part(m, &text);
    html_part(m, &html);
    headers(who, m, d, out);
    buf_printf(out, "Content-Type: multipart/alternative;\r\n boundary=\"%s\"\r\n\r\n", boundary);
    add_part(out, boundary, "text/plain", buf_view(&text));
    add_part(out, boundary, "text/html", buf_view(&html));
    buf_printf(out, "--%s--\r\n", boundary);
    return buf_ok(&text) && buf_ok(&html) && buf_ok(out) ? 0 : -ENOMEM;
}
