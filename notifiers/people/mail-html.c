/*
 * The HTML part. Every look stands in a style attribute, since many readers drop
 * <style>; that holds only what turns the looks dark, by class. Nothing is fetched:
 * no images, no fonts, no links. All text goes through buf_html().
 */
#include "notifiers/people/mail-private.h"

#define MONO "ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace"
#define SANS "system-ui,-apple-system,'Segoe UI',Roboto,Helvetica,Arial,sans-serif"
#define BREAK "overflow-wrap:anywhere;word-break:break-word" /* old readers know the second */
#define TABLE                                                                                      \
    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" "             \
    "border=\"0\" "

/* Of the bar and the badge, and of text on it that can be read; by message_rank(). */
static const struct {
    const char *back, *text;
} colours[] = {
    { "#546e7a", "#ffffff" }, { "#1565c0", "#ffffff" }, { "#f9a825", "#2b2100" },
    { "#c94700", "#ffffff" }, { "#b00020", "#ffffff" },
};

static const struct {
    const char *back, *text;
} over = { "#2e7d32", "#ffffff" };

/* What turns dark: the class, and its two colours. */
static const char dark[] =
    "<style>\n:root{color-scheme:light dark;supported-color-schemes:light dark}\n"
    "@media (prefers-color-scheme:dark){\n"
    ".page{background:#101416!important}\n"
    ".card{background:#1b2125!important;color:#e8ecef!important}\n"
    ".quiet{color:#a3b1bb!important}\n"
    ".line{background:#272f35!important;color:#e8ecef!important}\n"
    ".edge{border-color:#343d44!important}\n"
    "}\n</style>\n";

struct look {
    const char *tag, *classes, *style;
};

static const struct look title_look = {
    "h1", "", "margin:12px 0 6px;font-size:21px;line-height:1.28;font-weight:600;" BREAK
};
static const struct look reason_look = { "p", "", "margin:0 0 16px;" BREAK };
static const struct look why_look = { "p", "quiet", "margin:-10px 0 16px;color:#56636d;" BREAK };
static const struct look text_look = { "p", "", "margin:16px 0 0;white-space:pre-line;" BREAK };
static const struct look heading_look = {
    "p", "quiet", "margin:20px 0 6px;color:#56636d;font-size:13px;font-weight:600"
};
static const struct look note_look = { "p", "quiet",
                                       "margin:0 0 6px;color:#56636d;font-size:13px" };
static const struct look line_look = {
    "pre", "line",
    "margin:0 0 5px;padding:8px 10px;background:#f2f4f6;border-radius:4px;"
    "font:12.5px/1.45 " MONO ";white-space:pre-wrap;" BREAK
};
static const struct look fact_name_look = {
    "td", "quiet edge",
    "width:112px;padding:7px 10px 7px 0;border-top:1px solid #e3e8eb;"
    "color:#56636d;font-size:14px;vertical-align:top;" BREAK
};
static const struct look fact_look = {
    "td", "edge", "padding:7px 0;border-top:1px solid #e3e8eb;vertical-align:top;" BREAK
};
static const struct look strong_fact_look = {
    "td", "edge",
    "padding:7px 0;border-top:1px solid #e3e8eb;vertical-align:top;"
    "font-weight:600;" BREAK
};
#define COUNT                                                                                      \
    "padding:7px 0 7px 12px;border-top:1px solid #e3e8eb;vertical-align:top;"                      \
    "text-align:right;color:#56636d;"
static const struct look count_look = { "td", "quiet edge", COUNT "white-space:nowrap" };
static const struct look words_look = { "td", "quiet edge", COUNT BREAK };
#define NUMBER_BYTES 12 /* a value that is no longer stays on its line */
static const struct look foot_look = {
    "p", "quiet edge",
    "margin:20px 0 0;padding-top:10px;border-top:1px solid #e3e8eb;"
    "color:#56636d;font-size:12px;" BREAK
};
static const struct look small_look = { "p", "quiet",
                                        "margin:10px 0 4px;color:#56636d;font-size:11px" };
static const struct look checkpoint_look = { "pre", "quiet",
                                             "margin:0;color:#56636d;font:10px/1.4 " MONO
                                             ";white-space:pre-wrap;" BREAK };

static void open_tag(struct buf *b, const struct look *look)
{
    buf_printf(b, "<%s%s%s%s style=\"%s\">", look->tag, look->classes[0] ? " class=\"" : "",
               look->classes, look->classes[0] ? "\"" : "", look->style);
}

static void element(struct buf *b, const struct look *look, struct slice text)
{
    open_tag(b, look);
    buf_html(b, text);
    buf_printf(b, "</%s>\n", look->tag);
}

/* ---- the blocks ---- */

/* The line that readers of mail show beside the subject. */
static void preview(const struct message *m, struct buf *b)
{
    buf_str(b, "<div style=\"display:none;max-height:0;overflow:hidden\">");
    buf_html(b, m->reason);
    buf_str(b, "</div>\n");
}

static void page(const struct message *m, struct buf *b)
{
    buf_str(b, "<!DOCTYPE html>\n<html lang=\"en\" dir=\"ltr\">\n<head>\n<meta charset=\"utf-8\">\n"
               "<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n"
               "<meta name=\"color-scheme\" content=\"light dark\">\n"
               "<meta name=\"supported-color-schemes\" content=\"light dark\">\n<title>");
    buf_html(b, m->subject);
    buf_str(b, "</title>\n");
    buf_str(b, dark);
    buf_str(b, "</head>\n<body class=\"page\" style=\"margin:0;padding:0;background:#e9edf0\">\n");
    preview(m, b);
    buf_str(b, TABLE "class=\"page\" style=\"background:#e9edf0\"><tr>\n"
                     "<td align=\"center\" style=\"padding:12px 6px\">\n" TABLE
                     "style=\"max-width:680px;table-layout:fixed;text-align:left\"><tr>\n");
    buf_printf(b,
               "<td class=\"card\" style=\"border-top:6px solid %s;border-radius:8px;"
               "padding:18px 16px;background:#ffffff;color:#1c2329;font:15px/1.5 " SANS "\">\n",
               m->resolved ? over.back : colours[message_rank(m)].back);
}

static void head(const struct message *m, struct buf *b)
{
    int rank = message_rank(m);

    buf_printf(b,
               "<span style=\"display:inline-block;padding:2px 10px;border-radius:10px;"
               "background:%s;color:%s;font-size:12px;font-weight:600;"
               "text-transform:uppercase;letter-spacing:.05em\">",
               m->resolved ? over.back : colours[rank].back,
               m->resolved ? over.text : colours[rank].text);
    buf_html(b, m->resolved ? SLICE("resolved") : m->level);
    buf_str(b, "</span>\n");
    element(b, &title_look, m->title);
    element(b, &reason_look, m->reason);
    if (m->why.n)
        element(b, &why_look, m->why);
}

/* Who it was and what was done: what is looked for first. */
static bool is_strong(const char *name)
{
    static const char *const strong[] = { "Source address", "User", "Ban ordered" };

    for (size_t i = 0; i < ARRAY_SIZE(strong); i++)
        if (strcmp(name, strong[i]) == 0)
            return true;
    return false;
}

static void facts(const struct message *m, struct buf *b)
{
    if (!m->nfacts)
        return;
    buf_str(b, TABLE "style=\"border-collapse:collapse;table-layout:fixed\">\n");
    for (size_t i = 0; i < m->nfacts; i++) {
        const struct fact *f = &m->facts[i];

        buf_str(b, "<tr>");
        element(b, &fact_name_look, slice_str(f->name));
        element(b, is_strong(f->name) ? &strong_fact_look : &fact_look, f->value);
        buf_str(b, "</tr>\n");
    }
    buf_str(b, "</table>\n");
}

/* Of a summary: what it counts. */
static void tables(const struct message *m, struct buf *b)
{
    for (size_t i = 0; i < m->ntables; i++) {
        const struct message_table *t = &m->tables[i];
        AUTO_BUF left = BUF_INIT;

        element(b, &heading_look, t->title);
        buf_str(b, TABLE "style=\"border-collapse:collapse\">\n");
        for (size_t k = 0; k < t->nrows; k++) {
            buf_str(b, "<tr>");
            element(b, &fact_look, t->rows[k].name);
            element(b, t->rows[k].value.n > NUMBER_BYTES ? &words_look : &count_look,
                    t->rows[k].value);
            buf_str(b, "</tr>\n");
        }
        buf_str(b, "</table>\n");
        if (t->more) {
            buf_printf(&left, "%zu more not shown", t->more);
            element(b, &note_look, buf_view(&left));
        }
    }
}

static void description(const struct message *m, struct buf *b)
{
    AUTO_BUF text = BUF_INIT;

    mail_paragraphs(m->description, &text);
    if (text.n)
        element(b, &text_look, buf_view(&text));
}

static void samples(const struct message *m, struct buf *b)
{
    AUTO_BUF left = BUF_INIT;

    if (!m->nsamples)
        return;
    element(b, &heading_look, m->nsamples > 1 ? SLICE("Lines, newest last") : SLICE("The line"));
    if (m->more_samples) {
        buf_printf(&left, "%zu more not shown", m->more_samples);
        element(b, &note_look, buf_view(&left));
    }
    for (size_t i = 0; i < m->nsamples; i++)
        element(b, &line_look, m->samples[i]);
}

static void more(const struct message *m, struct buf *b)
{
    AUTO_BUF command = BUF_INIT;
    AUTO_BUF where = BUF_INIT;

    mail_command(m, &command);
    if (!command.n)
        return;
    buf_printf(&where, "All of it, on %s", m->host ? m->host : "the host");
    element(b, &heading_look, buf_view(&where));
    element(b, &line_look, buf_view(&command));
}

static void origin(const struct message *m, struct buf *b)
{
    open_tag(b, &foot_look);
    buf_str(b, m->summary ? "Summary " : "Alert ");
    buf_html(b, m->id);
    if (!m->summary) {
        buf_str(b, "<br>\nRule ");
        buf_html(b, m->rule);
    }
    buf_str(b, "</p>\n");
}

static void checkpoint(const struct message *m, struct buf *b)
{
    if (!m->checkpoint.n)
        return;
    element(b, &small_look,
            SLICE("Keep this mail: the audit trail stood at this signed checkpoint when it was "
                  "sent; \xe2\x80\x9ctrailwarden trail verify --against FILE\xe2\x80\x9d can "
                  "check it later."));
    element(b, &checkpoint_look, m->checkpoint);
}

static void end(const struct message *m UNUSED, struct buf *b)
{
    buf_str(b, "</td></tr></table>\n</td></tr></table>\n</body>\n</html>\n");
}

void mail_html(const struct message *m, struct buf *b)
{
    static void (*const blocks[])(const struct message *, struct buf *) = {
        page, head, facts, tables, description, samples, more, origin, checkpoint, end,
    };

    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i](m, b);
}
