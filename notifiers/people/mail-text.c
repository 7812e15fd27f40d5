/*
 * The text part: for readers of 72 columns. Lines are broken at blanks only, so
 * an address, a key or a path can be copied whole, however long it is.
 */
#include "base/utf8.h"
#include "notifiers/people/mail-private.h"

#define COLUMNS 72
#define NAME_COLUMNS 17
#define NUMBER_COLUMNS 7 /* of a count in a table */

/* Characters from here on (CJK, emoji) take two columns, most of them. */
#define WIDE_FROM 0x2e80

static size_t columns(struct slice s)
{
    size_t n = 0;
    uint32_t cp = 0;
    unsigned len;

    while ((len = utf8_decode(s, &cp)) > 0) {
        n += cp >= WIDE_FROM ? 2 : 1;
        s = slice_skip(s, len);
    }
    return n;
}

static void indent(struct buf *b, size_t n)
{
    buf_printf(b, "%*s", (int)n, "");
}

/* One line of text from column `at` on; those that follow begin at column `hang`. */
static void wrap(struct buf *b, struct slice line, size_t at, size_t hang)
{
    struct slice word;
    bool first = true;

    while (slice_split(&line, ' ', &word)) {
        size_t n = columns(word);

        if (!first && at + 1 + n > COLUMNS) {
            buf_char(b, '\n');
            indent(b, hang);
            at = hang;
        } else if (!first) {
            buf_char(b, ' ');
            at++;
        }
        buf_slice(b, word);
        at += n;
        first = false;
    }
    buf_char(b, '\n');
}

static void paragraph(struct buf *b, struct slice text)
{
    struct slice line;

    while (slice_split(&text, '\n', &line))
        wrap(b, line, 0, 0);
}

/* ---- the blocks ---- */

static void head(const struct message *m, struct buf *b)
{
    wrap(b, m->subject, 0, 4); /* what strangers wrote never begins a line */
    buf_char(b, '\n');
    paragraph(b, m->reason);
    if (m->why.n) {
        buf_char(b, '\n');
        paragraph(b, m->why);
    }
}

static void facts(const struct message *m, struct buf *b)
{
    if (m->nfacts)
        buf_char(b, '\n');
    for (size_t i = 0; i < m->nfacts; i++) {
        size_t n = columns(slice_str(m->facts[i].name));

        buf_str(b, m->facts[i].name);
        indent(b, n < NAME_COLUMNS ? NAME_COLUMNS - n : 1);
        wrap(b, m->facts[i].value, n < NAME_COLUMNS ? NAME_COLUMNS : n + 1, NAME_COLUMNS);
    }
}

static void description(const struct message *m, struct buf *b)
{
    AUTO_BUF text = BUF_INIT;

    if (!m->description.n)
        return;
    mail_paragraphs(m->description, &text);
    buf_char(b, '\n');
    paragraph(b, buf_view(&text));
}

/* Of a summary: what it counts, the number first. */
static void tables(const struct message *m, struct buf *b)
{
    for (size_t i = 0; i < m->ntables; i++) {
        const struct message_table *t = &m->tables[i];

        buf_printf(b, "\n%.*s\n\n", SLICE_FMT(t->title));
        for (size_t k = 0; k < t->nrows; k++) {
            size_t n = columns(t->rows[k].value);

            indent(b, n < NUMBER_COLUMNS ? 2 + NUMBER_COLUMNS - n : 2);
            buf_slice(b, t->rows[k].value);
            indent(b, 2);
            n = 2 + (n > NUMBER_COLUMNS ? n : NUMBER_COLUMNS) + 2;
            wrap(b, t->rows[k].name, n, NUMBER_COLUMNS + 4);
        }
        if (t->more)
            buf_printf(b, "  (%zu more not shown)\n", t->more);
    }
}

static void samples(const struct message *m, struct buf *b)
{
    if (m->nsamples)
        buf_str(b, m->nsamples > 1 ? "\nLines, newest last:\n\n" : "\nThe line:\n\n");
    if (m->more_samples)
        buf_printf(b, "  (%zu more not shown)\n", m->more_samples);
    for (size_t i = 0; i < m->nsamples; i++) {
        buf_str(b, "  ");
        wrap(b, m->samples[i], 2, 6);
    }
}

static void more(const struct message *m, struct buf *b)
{
    AUTO_BUF command = BUF_INIT;

    mail_command(m, &command);
    if (command.n)
        buf_printf(b, "\nAll of it, on %s:\n\n  %s\n", m->host ? m->host : "the host", command.p);
}

static void origin(const struct message *m, struct buf *b)
{
    if (m->summary)
        buf_printf(b, "\nSummary %.*s\n", SLICE_FMT(m->id));
    else
        buf_printf(b, "\nAlert %.*s\nRule  %.*s\n", SLICE_FMT(m->id), SLICE_FMT(m->rule));
}

static void checkpoint(const struct message *m, struct buf *b)
{
    if (!m->checkpoint.n)
        return;
    buf_str(b, "\nKeep this mail. When it was sent, the audit trail stood at this signed\n"
               "checkpoint; \"trailwarden trail verify --against FILE\" with these lines\n"
               "in FILE shows later whether the trail still holds all of it.\n\n");
    buf_slice(b, m->checkpoint);
}

void mail_text(const struct message *m, struct buf *b)
{
    static void (*const blocks[])(const struct message *, struct buf *) = {
        head, facts, tables, description, samples, more, origin, checkpoint,
    };

    for (size_t i = 0; i < ARRAY_SIZE(blocks); i++)
        blocks[i](m, b);
}
