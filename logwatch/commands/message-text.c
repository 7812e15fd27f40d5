#include "logwatch/commands/message-text.h"

#include <errno.h>

static int make(struct slice document, const char *host, struct arena *a, struct message *ret)
{
    struct delivery d = { .kind = SLICE("notify"), .text = document, .attempt = 1, .host = host };
    struct err err = ERR_NONE;

    d.document = json_load(a, document, &err);
    return d.document ? message_make(&d, a, ret, &err) : -EINVAL;
}

/* Room for the longest name of a fact, within reason. */
static int name_width(const struct message *m)
{
    size_t width = 0;

    for (size_t i = 0; i < m->nfacts; i++)
        if (strlen(m->facts[i].name) > width)
            width = strlen(m->facts[i].name);
    return width < 24 ? (int)width : 24;
}

static void put_table(const struct message_table *t, struct buf *out)
{
    buf_printf(out, "\n%.*s\n", SLICE_FMT(t->title));
    for (size_t i = 0; i < t->nrows; i++)
        buf_printf(out, "  %.*s: %.*s\n", SLICE_FMT(t->rows[i].name), SLICE_FMT(t->rows[i].value));
    if (t->more)
        buf_printf(out, "  %zu more\n", t->more);
}

static void put_samples(const struct message *m, struct buf *out)
{
    if (m->nsamples)
        buf_char(out, '\n');
    if (m->more_samples)
        buf_printf(out, "%zu more lines before these\n", m->more_samples);
    for (size_t i = 0; i < m->nsamples; i++)
        buf_printf(out, "%.*s\n", SLICE_FMT(m->samples[i]));
}

int message_text(struct slice document, const char *host, struct arena *a, struct buf *out)
{
    struct message m;
    int r = make(document, host, a, &m), width;

    if (r < 0)
        return r;
    width = name_width(&m);
    buf_printf(out, "%.*s\n", SLICE_FMT(m.subject));
    if (m.why.n)
        buf_printf(out, "%.*s\n", SLICE_FMT(m.why));
    if (m.reason.n)
        buf_printf(out, "%.*s\n", SLICE_FMT(m.reason));
    if (m.description.n)
        buf_printf(out, "\n%.*s\n", SLICE_FMT(m.description));
    buf_char(out, '\n');
    for (size_t i = 0; i < m.nfacts; i++)
        buf_printf(out, "%-*s  %.*s\n", width, m.facts[i].name, SLICE_FMT(m.facts[i].value));
    for (size_t i = 0; i < m.ntables; i++)
        put_table(&m.tables[i], out);
    put_samples(&m, out);
    if (m.see.n)
        buf_printf(out, "\n%.*s\n", SLICE_FMT(m.see));
    return buf_ok(out) ? 0 : -ENOMEM;
}

struct slice message_why(struct slice document, struct arena *a)
{
    struct message m;

    return make(document, "", a, &m) < 0 ? SLICE("") : m.reason;
}
