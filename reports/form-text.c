/* A report for a terminal or a mail: text of a given width, coloured only when asked. */
#include "reports/form-request.h"
#include "reports/form-text-private.h"

enum { FACT_INDENT = 15 };

enum text_style text_tone_style(enum report_tone tone)
{
    static const enum text_style styles[] = { [TONE_GOOD] = STYLE_GOOD,
                                              [TONE_ATTENTION] = STYLE_ATTENTION,
                                              [TONE_BAD] = STYLE_BAD,
                                              [TONE_QUIET] = STYLE_QUIET };

    return (size_t)tone < ARRAY_SIZE(styles) ? styles[tone] : STYLE_NONE;
}

void text_spaces(struct buf *b, size_t n)
{
    while (n--)
        buf_char(b, ' ');
}

void text_styled(struct text_form *f, enum text_style style, struct slice shown)
{
    static const char *const codes[] = { [STYLE_STRONG] = "\033[1m",
                                         [STYLE_QUIET] = "\033[2m",
                                         [STYLE_GOOD] = "\033[32m",
                                         [STYLE_ATTENTION] = "\033[33m",
                                         [STYLE_BAD] = "\033[31m" };
    bool coloured = f->colour && style != STYLE_NONE && shown.n;

    if (coloured)
        buf_str(f->out, codes[style]);
    buf_slice(f->out, shown);
    if (coloured)
        buf_str(f->out, "\033[0m");
}

/*
 * Bytes of the longest start that fits in `width`; *ret_break: where it would rather end, before a
 * blank, or, in a word without one, behind a hyphen or a slash of its second half.
 */
static size_t fits(struct slice s, size_t width, size_t *ret_break)
{
    size_t used = 0, at = 0;
    bool blank = false;

    *ret_break = 0;
    while (at < s.n) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(slice_skip(s, at), &cp), w = len ? form_char_width(cp) : 1;

        if (cp == ' ' && at) {
            *ret_break = at;
            blank = true;
        }
        if (used + w > width && at)
            break;
        used += w;
        at += len ? len : 1;
        if (!blank && (cp == '-' || cp == '/') && used > width / 2)
            *ret_break = at;
    }
    return at;
}

struct slice text_wrap(struct slice *rest, size_t width)
{
    size_t at, n = fits(*rest, width, &at);
    struct slice line;

    if (n < rest->n && at)
        n = at;
    line = slice_take(*rest, n);
    *rest = slice_skip(*rest, n);
    while (rest->n && rest->p[0] == ' ')
        *rest = slice_skip(*rest, 1);
    while (line.n && line.p[line.n - 1] == ' ')
        line.n--;
    return line;
}

void text_paragraph(struct text_form *f, size_t indent, struct slice shown)
{
    size_t room = f->width > indent + 8 ? f->width - indent : 8;

    while (shown.n) {
        struct slice line = text_wrap(&shown, room);

        if (line.n)
            text_spaces(f->out, indent);
        buf_slice(f->out, line);
        buf_char(f->out, '\n');
    }
}

/* A raw text of several lines. */
static void put_lines(struct text_form *f, size_t indent, struct slice raw)
{
    struct slice line;

    while (form_line(&raw, &line)) {
        AUTO_BUF shown = BUF_INIT;

        form_show(&shown, line, FORM_TEXT_MAX);
        if (!shown.n)
            buf_char(f->out, '\n');
        text_paragraph(f, indent, buf_view(&shown));
        if (!buf_ok(&shown))
            f->out->failed = true;
    }
}

/* A heading and the line below it; over several lines when it is long. */
static void put_title(struct text_form *f, const char *number, struct slice raw, const char *rule)
{
    AUTO_BUF shown = BUF_INIT;
    struct slice rest;
    size_t widest = 0;

    if (number[0])
        buf_printf(&shown, "%s  ", number);
    form_show(&shown, raw, FORM_CELL_MAX);
    for (rest = buf_view(&shown); rest.n;) {
        struct slice line = text_wrap(&rest, f->width);
        size_t n = form_width(line);

        widest = n > widest ? n : widest;
        text_styled(f, STYLE_STRONG, line);
        buf_char(f->out, '\n');
    }
    for (; rule && widest; widest--)
        buf_str(f->out, rule);
    if (rule)
        buf_char(f->out, '\n');
    if (!buf_ok(&shown))
        f->out->failed = true;
}

static size_t shown_width(struct slice raw)
{
    AUTO_BUF shown = BUF_INIT;

    form_show(&shown, raw, FORM_CELL_MAX);
    return form_width(buf_view(&shown));
}

static void put_figure(struct text_form *f, const struct report_figure *figure, size_t labels,
                       size_t values)
{
    AUTO_BUF label = BUF_INIT;
    AUTO_BUF value = BUF_INIT;
    struct slice rest;
    size_t used;

    form_show(&label, figure->label, FORM_CELL_MAX);
    form_show(&value, figure->text, FORM_CELL_MAX);
    used = form_width(buf_view(&value));
    for (rest = buf_view(&label); rest.n;) {
        struct slice line = text_wrap(&rest, labels);

        text_spaces(f->out, 2);
        buf_slice(f->out, line);
        if (rest.n) {
            buf_char(f->out, '\n');
            continue;
        }
        text_spaces(f->out, labels - form_width(line));
    }
    if (!label.n)
        text_spaces(f->out, 2 + labels);
    text_spaces(f->out, 2 + (values > used ? values - used : 0));
    text_styled(f, STYLE_STRONG, buf_view(&value));
    if (figure->before.n) {
        buf_reset(&value);
        form_show(&value, figure->before, FORM_CELL_MAX);
        text_spaces(f->out, 2);
        text_styled(f, STYLE_QUIET, buf_view(&value));
    }
    buf_char(f->out, '\n');
    if (!buf_ok(&label) || !buf_ok(&value))
        f->out->failed = true;
}

static int put_figures(struct text_form *f, const struct report_block *b, struct err *err)
{
    size_t labels = 8, values = 1;

    (void)err;
    for (size_t i = 0; i < b->nfigures; i++) {
        size_t label = shown_width(b->figures[i].label), value = shown_width(b->figures[i].text);

        labels = label > labels ? label : labels;
        values = value > values ? value : values;
    }
    values = values > 24 ? 24 : values;
    if (labels + values + 6 > f->width * 3 / 4)
        labels = f->width * 3 / 4 > values + 14 ? f->width * 3 / 4 - values - 6 : 8;
    for (size_t i = 0; i < b->nfigures; i++)
        put_figure(f, &b->figures[i], labels, values);
    return 0;
}

static int put_chart(struct text_form *f, const struct report_block *b, struct err *err)
{
    (void)err;
    text_chart_put(f, b);
    return 0;
}

static int put_block(struct text_form *f, const struct report_block *b, struct err *err)
{
    static int (*const put[])(struct text_form * f, const struct report_block *b,
                              struct err *err) = {
        [BLOCK_FIGURES] = put_figures, [BLOCK_TABLE] = text_table_put, [BLOCK_CHART] = put_chart
    };

    buf_char(f->out, '\n');
    if (b->title.n)
        put_title(f, "", b->title, NULL);
    if (b->text.n)
        put_lines(f, 0, b->text);
    return b->kind < ARRAY_SIZE(put) && put[b->kind] ? put[b->kind](f, b, err) : 0;
}

static int put_sections(struct text_form *f, const struct report *r, struct err *err)
{
    struct form_numbers numbers = { 0 };
    int rc = 0;

    for (size_t i = 0; i < r->nsections && rc == 0; i++) {
        const struct report_section *s = &r->sections[i];
        AUTO_BUF number = BUF_INIT;

        form_section_number(&numbers, s, &number);
        buf_str(f->out, "\n\n");
        put_title(f, buf_ok(&number) ? number.p : "", s->title,
                  s->level < 2 ? "\xe2\x94\x80" : NULL);
        for (size_t j = 0; j < s->nblocks && rc == 0; j++)
            rc = put_block(f, &s->blocks[j], err);
    }
    return rc;
}

/* Digests and notes keep their lines: a broken one cannot be copied. */
static void put_fact(struct text_form *f, const struct form_fact *fact)
{
    struct slice lines = fact->value, line;
    bool first = true;

    buf_printf(f->out, "%-*s", FACT_INDENT, fact->label);
    while (form_line(&lines, &line)) {
        AUTO_BUF shown = BUF_INIT;
        struct slice rest;

        form_show(&shown, line, FORM_CELL_MAX);
        for (rest = buf_view(&shown); rest.n; first = false) {
            line = text_wrap(&rest, fact->fixed ? SIZE_MAX : f->width - FACT_INDENT);
            text_spaces(f->out, first ? 0 : FACT_INDENT);
            buf_slice(f->out, line);
            buf_char(f->out, '\n');
        }
        if (!buf_ok(&shown))
            f->out->failed = true;
    }
    if (first)
        buf_char(f->out, '\n');
}

static void put_facts(struct text_form *f, const struct report *r)
{
    struct form_facts facts;

    form_facts(r, &facts);
    for (size_t i = 0; i < facts.n; i++)
        put_fact(f, &facts.fact[i]);
}

static void put_proofs(struct text_form *f, const struct report *r)
{
    if (!r->nproofs)
        return;
    buf_str(f->out, "\nEntries that the report rests on\n");
    for (size_t i = 0; i < r->nproofs; i++) {
        AUTO_BUF shown = BUF_INIT;

        form_show(&shown, r->proofs[i].leaf_hash, FORM_CELL_MAX);
        buf_printf(f->out, "%10llu  %s\n", (unsigned long long)r->proofs[i].index,
                   buf_ok(&shown) && shown.p ? shown.p : "");
    }
}

int report_text(const struct report *r, const struct report_look *look, struct buf *out,
                struct err *err)
{
    struct text_form f = { .out = out, .width = look->width, .colour = look->colour };
    int rc;

    f.width = f.width < TEXT_WIDTH_MIN ? TEXT_WIDTH_MIN : f.width;
    f.width = f.width > TEXT_WIDTH_MAX ? TEXT_WIDTH_MAX : f.width;
    put_title(&f, "", r->title, "\xe2\x95\x90");
    put_lines(&f, 0, r->period);
    if (r->subject.n)
        put_lines(&f, 0, r->subject);
    rc = put_sections(&f, r, err);
    if (rc < 0)
        return rc;
    buf_str(out, "\n\n");
    put_title(&f, "", SLICE("What this report rests on"), "\xe2\x94\x80");
    put_facts(&f, r);
    put_proofs(&f, r);
    if (r->request.n) {
        buf_str(out, FORM_REQUEST_TEXT);
        form_request(out, r);
        buf_char(out, '\n');
    }
    return form_end(out, err);
}
