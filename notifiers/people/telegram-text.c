/* A message as Telegram's HTML: whole blocks, dropped from the least important on. */
#include "notifiers/people/telegram-private.h"

#include "base/utf8.h"
#include "notifiers/people/chat.h"

#define SAMPLE_UNITS 700 /* kept free of facts: the newest line should fit */
#define TABLES_UNITS 1500 /* so for tables */
#define SEE_UNITS 150 /* a longer command is left out: the foot always fits */
#define MORE_UNITS 40 /* "N more not shown", "and N more" */

/* ---- UTF-16 ---- */

struct slice utf16_cut(struct slice s, size_t units)
{
    size_t n = 0;

    for (;;) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(slice_skip(s, n), &cp), more = cp > 0xffff ? 2 : 1;

        if (len == 0 || more > units)
            break;
        units -= more;
        n += len;
    }
    return slice_take(s, n);
}

/* ---- blocks ---- */

struct text {
    struct buf *out;
    size_t room, units, left_out;
    bool plain;
};

/* A block goes in whole or not at all: cut markup would be refused. */
static bool add_block(struct text *t, const struct buf *block, size_t reserve)
{
    size_t units = chat_units(buf_view(block));

    if (t->units + units + reserve > t->room) {
        t->left_out++;
        return false;
    }
    buf_slice(t->out, buf_view(block));
    t->units += units;
    return true;
}

/* HTML mode knows these three; quotes matter in attributes only, and we have none. */
static void escape(const struct text *t, struct buf *b, struct slice s)
{
    for (size_t i = 0; i < s.n; i++) {
        const char *entity = t->plain        ? NULL
                             : s.p[i] == '&' ? "&amp;"
                             : s.p[i] == '<' ? "&lt;"
                             : s.p[i] == '>' ? "&gt;"
                                             : NULL;

        if (entity)
            buf_str(b, entity);
        else
            buf_char(b, s.p[i]);
    }
}

static void tag(const struct text *t, struct buf *b, const char *html)
{
    if (!t->plain)
        buf_str(b, html);
}

static void escape_in(const struct text *t, struct buf *b, const char *open, struct slice s,
                      const char *close)
{
    tag(t, b, open);
    escape(t, b, s);
    tag(t, b, close);
}

/* ---- the head ---- */

static const char *mark(const struct message *m)
{
    static const char *const marks[] = { "\xe2\x84\xb9\xef\xb8\x8f", "\xf0\x9f\x94\xb5",
                                         "\xf0\x9f\x9f\xa1", "\xf0\x9f\x9f\xa0",
                                         "\xf0\x9f\x94\xb4" };

    return m->resolved ? "\xe2\x9c\x85" : marks[message_rank(m)];
}

/* The subject, or what is shorter: a name of 64 KiB must not cost the message. */
static void add_subject(const struct message *m, struct text *t, size_t foot)
{
    const struct slice subjects[] = { m->subject, m->title, m->rule, SLICE("An alert") };
    bool says_so = slice_starts(m->subject, SLICE("[resolved]"));
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(subjects); i++) {
        if (subjects[i].n == 0)
            continue;
        buf_reset(&b);
        buf_printf(&b, "%s ", mark(m));
        tag(t, &b, "<b>");
        if (m->resolved && (i > 0 || !says_so))
            buf_str(&b, "[resolved] ");
        escape(t, &b, subjects[i]);
        tag(t, &b, "</b>");
        if (add_block(t, &b, foot))
            return;
    }
}

static void add_sentence(struct text *t, struct slice sentence, size_t foot)
{
    AUTO_BUF b = BUF_INIT;

    if (sentence.n == 0)
        return;
    buf_char(&b, '\n');
    escape(t, &b, sentence);
    add_block(t, &b, foot);
}

/* ---- the body ---- */

static void add_facts(const struct message *m, struct text *t, size_t foot)
{
    size_t reserve = foot + (m->nsamples ? SAMPLE_UNITS : 0) + (m->ntables ? TABLES_UNITS : 0);
    AUTO_BUF b = BUF_INIT;

    if (m->nfacts && t->units + foot < t->room) {
        buf_str(&b, "\n");
        add_block(t, &b, foot);
    }
    for (size_t i = 0; i < m->nfacts; i++) {
        buf_reset(&b);
        buf_char(&b, '\n');
        escape_in(t, &b, "<b>", slice_str(m->facts[i].name), "</b>");
        buf_str(&b, ": ");
        escape(t, &b, m->facts[i].value);
        add_block(t, &b, reserve);
    }
}

/* One line, whatever stands in it. */
static void put_row(const struct text *t, const struct message_row *row, struct buf *b)
{
    size_t from;

    buf_reset(b);
    buf_char(b, '\n');
    from = b->n;
    escape(t, b, row->name);
    if (row->value.n) {
        buf_str(b, ": ");
        escape(t, b, row->value);
    }
    for (size_t i = from; i < b->n; i++)
        if (b->p[i] == '\n' || b->p[i] == '\t')
            b->p[i] = ' ';
}

/*
 * Rows are dropped from the end, for the first are the most. One that alone is longer than all
 * the room of its table is passed over: a stranger's name must not hide the others.
 */
static void add_table(const struct message_table *table, size_t share, size_t foot, struct text *t)
{
    size_t shown = 0, more;
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF row = BUF_INIT;

    buf_str(&b, "\n\n");
    escape_in(t, &b, "<b>", table->title, "</b>");
    for (size_t i = 0; i < table->nrows; i++) {
        size_t units = chat_units(buf_view(&b)) + MORE_UNITS, own;

        put_row(t, &table->rows[i], &row);
        own = chat_units(buf_view(&row));
        if (own + units > share && own > share / 2)
            continue;
        if (own + units > share)
            break;
        buf_slice(&b, buf_view(&row));
        shown++;
    }
    more = table->more + table->nrows - shown;
    if (more)
        buf_printf(&b, "\nand %zu more", more);
    add_block(t, &b, foot);
}

/* Each may have its share of the room that is left; what one does not need the next ones get. */
static void add_tables(const struct message *m, struct text *t, size_t foot)
{
    for (size_t i = 0; i < m->ntables; i++) {
        size_t used = t->units + foot, left = used < t->room ? t->room - used : 0;

        add_table(&m->tables[i], left / (m->ntables - i), foot, t);
    }
}

static void sample_block(const struct text *t, struct slice line, struct buf *b)
{
    buf_reset(b);
    buf_str(b, "\n\n");
    escape_in(t, b, "<code>", line, "</code>");
}

/* Lines are dropped from the oldest: the newest is what set the rule off. */
static void add_samples(const struct message *m, size_t most, struct text *t, size_t foot)
{
    AUTO_BUF b = BUF_INIT;
    size_t first = m->nsamples, units = t->units + foot;

    while (first > 0 && m->nsamples - first < most) {
        sample_block(t, m->samples[first - 1], &b);
        units += chat_units(buf_view(&b));
        if (units > t->room)
            break;
        first--;
    }
    t->left_out += first;
    for (size_t i = first; i < m->nsamples; i++) {
        sample_block(t, m->samples[i], &b);
        add_block(t, &b, foot);
    }
}

/* ---- the foot ---- */

/*
 * Size and root of the newest checkpoint, its second and third line: whoever keeps the chat can
 * compare them with the trail. The signatures would take a tenth of the room.
 */
static void put_trail(const struct message *m, const struct text *t, struct buf *b)
{
    struct slice rest = m->checkpoint, origin, size, root;

    if (!slice_split(&rest, '\n', &origin) || !slice_split(&rest, '\n', &size) ||
        !slice_split(&rest, '\n', &root) || size.n == 0 || size.n > 20 || root.n != 44)
        return;
    buf_str(b, "\ntrail ");
    escape(t, b, size);
    buf_char(b, ' ');
    escape_in(t, b, "<code>", root, "</code>");
}

static void put_foot(const struct message *m, const struct text *t, bool brief, struct buf *b)
{
    if (m->see.n) {
        buf_str(b, "\n\n");
        escape_in(t, b, "<code>", m->see, "</code>");
    }
    if (chat_units(buf_view(b)) > SEE_UNITS)
        buf_reset(b);
    if (brief)
        return;
    buf_str(b, b->n ? "\n" : "\n\n");
    escape(t, b, slice_take(m->id, 40));
    put_trail(m, t, b);
}

void telegram_text(const struct message *m, const struct telegram_form *f, struct buf *out)
{
    struct text t = { .out = out, .room = f->units, .plain = f->plain };
    AUTO_BUF foot = BUF_INIT;
    AUTO_BUF left_out = BUF_INIT;
    size_t reserve;

    put_foot(m, &t, f->brief, &foot);
    reserve = chat_units(buf_view(&foot)) + MORE_UNITS;
    add_subject(m, &t, reserve);
    add_sentence(&t, m->reason, reserve);
    add_sentence(&t, m->why, reserve);
    if (!f->brief) {
        add_facts(m, &t, reserve);
        add_tables(m, &t, reserve);
        add_samples(m, f->samples, &t, reserve);
        t.left_out += m->more_samples;
    }
    if (t.left_out && !f->brief)
        buf_printf(&left_out, "\n\n%zu more not shown", t.left_out);
    add_block(&t, &left_out, 0);
    add_block(&t, &foot, 0);
    out->failed = out->failed || foot.failed || left_out.failed;
}
