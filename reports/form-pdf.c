/*
 * A report as PDF, by cairo and Pango: A4, every script that there are fonts for, page numbers,
 * contents with links, an outline, the request in its keywords and behind its end
 * (reports/form-request.h). The only date in it is the report's: on one machine the same report
 * gives the same bytes (other fonts give others). GLib ends the process when memory is out.
 */
#include "reports/form-private.h"

#include <config.h>

#ifndef HAVE_PDF
int report_pdf(const struct report *r, struct buf *out, struct err *err)
{
    (void)r;
    (void)out;
    return err_set(err, -ENOTSUP,
                   "this build makes no PDF: write HTML and print that "
                   "(configure --with-pdf needs libcairo2-dev and libpango1.0-dev)");
}
#else
#include <math.h>

#include "reports/form-pdf-private.h"
#include "reports/form-request.h"

static void gap(struct pdf *p, double height)
{
    p->y += height;
}

/* A place that contents and outline point to: "s3" is the fourth section. */
static void put_place(struct pdf *p, size_t section)
{
    char name[64];

    if (!p->draw) {
        p->section_pages[section] = p->page;
        return;
    }
    snprintf(name, sizeof name, "name='s%zu'", section);
    cairo_tag_begin(p->cr, CAIRO_TAG_DEST, name);
    cairo_move_to(p->cr, PDF_LEFT, p->y);
    cairo_tag_end(p->cr, CAIRO_TAG_DEST);
}

/* ---- the first page ---- */

static void put_contents_line(struct pdf *p, size_t section, unsigned level, struct slice number,
                              struct slice title)
{
    double x = PDF_LEFT + (level < 2 ? 0 : 14), right = PDF_LEFT + PDF_CONTENT;
    char link[64], page[24];

    pdf_need(p, 15);
    if (p->draw) {
        snprintf(link, sizeof link, "dest='s%zu'", section);
        snprintf(page, sizeof page, "%u", p->section_pages[section]);
        cairo_tag_begin(p->cr, CAIRO_TAG_LINK, link);
        pdf_label(p, FONT_BODY, COLOUR_QUIET, x, p->y, 30, 0, number);
        pdf_label(p, FONT_BODY, COLOUR_TEXT, x + (level < 2 ? 20 : 28), p->y, PDF_CONTENT - 80, 0,
                  pdf_show(p, title, FORM_CELL_MAX));
        pdf_label(p, FONT_BODY, COLOUR_TEXT, right, p->y, 30, 1, slice_str(page));
        cairo_tag_end(p->cr, CAIRO_TAG_LINK);
    }
    p->y += 15;
}

static void put_contents(struct pdf *p)
{
    struct form_numbers numbers = { 0 };
    const struct report *r = p->report;

    for (size_t i = 0; i < r->nsections; i++) {
        AUTO_BUF number = BUF_INIT;

        form_section_number(&numbers, &r->sections[i], &number);
        put_contents_line(p, i, r->sections[i].level, buf_view(&number), r->sections[i].title);
    }
    put_contents_line(p, r->nsections, 1, SLICE_NONE, SLICE("What this report rests on"));
    gap(p, 14);
}

static void put_title(struct pdf *p)
{
    const struct report *r = p->report;

    pdf_paragraph(p, FONT_TITLE, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT,
                  pdf_show(p, r->title, FORM_CELL_MAX));
    gap(p, 3);
    if (r->subject.n)
        pdf_paragraph(p, FONT_BODY, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT,
                      pdf_show(p, r->subject, FORM_CELL_MAX));
    pdf_paragraph(p, FONT_BODY, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT,
                  pdf_show(p, r->period, FORM_CELL_MAX));
    pdf_paragraph(p, FONT_BODY, COLOUR_QUIET, PDF_LEFT, PDF_CONTENT,
                  pdf_show(p, r->origin, FORM_CELL_MAX));
    gap(p, 8);
    pdf_rule(p, PDF_LEFT, p->y, PDF_CONTENT, 1, COLOUR_TEXT);
    gap(p, 14);
}

/* ---- blocks ---- */

static void put_lines(struct pdf *p, enum pdf_font font, enum pdf_colour c, double x, double width,
                      struct slice raw)
{
    struct slice line;

    while (form_line(&raw, &line))
        if (line.n)
            pdf_paragraph(p, font, c, x, width, pdf_show(p, line, FORM_TEXT_MAX));
        else if (raw.n)
            gap(p, 6);
}

static void put_figure(struct pdf *p, const struct report_figure *f, double x, double width,
                       double height)
{
    double room = width - 20;

    if (!p->draw)
        return;
    cairo_set_line_width(p->cr, 0.5);
    pdf_colour(p, COLOUR_LINE);
    cairo_rectangle(p->cr, x, p->y, width, height);
    cairo_stroke(p->cr);
    pdf_set(p, p->layout, FONT_SMALL, room, 2, pdf_show(p, f->label, FORM_CELL_MAX));
    pdf_put(p, p->layout, x + 10, p->y + 7, COLOUR_QUIET);
    pdf_label(p, FONT_FIGURE, COLOUR_TEXT, x + 10, p->y + 29, room, 0,
              pdf_show(p, f->text, FORM_CELL_MAX));
    pdf_label(p, FONT_SMALL, COLOUR_QUIET, x + 10, p->y + 49, room, 0,
              pdf_show(p, f->before, FORM_CELL_MAX));
}

static void put_figures(struct pdf *p, const struct report_block *b)
{
    enum { ACROSS = 3 };
    double width = PDF_CONTENT / ACROSS, height = form_has_before(b) ? 64 : 52;

    for (size_t i = 0; i < b->nfigures; i++) {
        if (i % ACROSS == 0) {
            if (i)
                p->y += height;
            pdf_need(p, height);
        }
        put_figure(p, &b->figures[i], PDF_LEFT + width * (double)(i % ACROSS), width, height);
    }
    if (b->nfigures)
        p->y += height;
}

static void put_block_title(struct pdf *p, const struct report_block *b)
{
    AUTO_BUF title = BUF_INIT;

    form_show(&title, b->title, FORM_CELL_MAX);
    if (b->kind == BLOCK_CHART && form_says_unit(b)) {
        buf_str(&title, title.n ? " (" : "(");
        form_show(&title, b->unit, FORM_CELL_MAX);
        buf_str(&title, ")");
    }
    if (!title.n)
        return;
    pdf_paragraph(p, FONT_BLOCK, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT, buf_view(&title));
    gap(p, 4);
    if (!buf_ok(&title))
        p->nomem = true;
}

static void put_block(struct pdf *p, const struct report_block *b)
{
    static void (*const put[])(struct pdf * p, const struct report_block *b) = {
        [BLOCK_FIGURES] = put_figures, [BLOCK_TABLE] = pdf_table, [BLOCK_CHART] = pdf_chart
    };
    /* A title is not left alone at the end of a page. */
    static const double least[] = { 24, 90, 80, 190 };

    pdf_need(p, (size_t)b->kind < ARRAY_SIZE(least) ? least[b->kind] : 24);
    put_block_title(p, b);
    if (b->text.n) {
        put_lines(p, FONT_BODY, b->kind == BLOCK_TEXT ? COLOUR_TEXT : COLOUR_QUIET, PDF_LEFT,
                  PDF_CONTENT, b->text);
        gap(p, 4);
    }
    if ((size_t)b->kind < ARRAY_SIZE(put) && put[b->kind])
        put[b->kind](p, b);
    gap(p, 12);
}

static void put_heading(struct pdf *p, size_t section, unsigned level, struct slice number,
                        struct slice title)
{
    enum pdf_font font = level < 2 ? FONT_SECTION : FONT_SUBSECTION;
    double indent = number.n ? (level < 2 ? 22 : 28) : 0;

    gap(p, p->y > PDF_TOP ? (level < 2 ? 14 : 6) : 0);
    pdf_need(p, 110);
    put_place(p, section);
    pdf_label(p, font, COLOUR_QUIET, PDF_LEFT, p->y, 60, 0, number);
    pdf_paragraph(p, font, COLOUR_TEXT, PDF_LEFT + indent, PDF_CONTENT - indent,
                  pdf_show(p, title, FORM_CELL_MAX));
    gap(p, 4);
    if (level < 2)
        pdf_rule(p, PDF_LEFT, p->y, PDF_CONTENT, 0.6, COLOUR_LINE);
    gap(p, 8);
}

static void put_sections(struct pdf *p)
{
    struct form_numbers numbers = { 0 };

    for (size_t i = 0; i < p->report->nsections; i++) {
        const struct report_section *s = &p->report->sections[i];
        AUTO_BUF number = BUF_INIT;

        form_section_number(&numbers, s, &number);
        put_heading(p, i, s->level, buf_view(&number), s->title);
        for (size_t j = 0; j < s->nblocks; j++)
            put_block(p, &s->blocks[j]);
        if (!buf_ok(&number))
            p->nomem = true;
    }
}

/* ---- what it rests on ---- */

static void put_facts(struct pdf *p)
{
    const double indent = 92;
    struct form_facts facts;

    form_facts(p->report, &facts);
    for (size_t i = 0; i < facts.n; i++) {
        const struct form_fact *f = &facts.fact[i];

        pdf_need(p, 14);
        pdf_label(p, FONT_CELL, COLOUR_QUIET, PDF_LEFT, p->y, indent - 8, 0, slice_str(f->label));
        put_lines(p, f->fixed ? FONT_FIXED : FONT_CELL, COLOUR_TEXT, PDF_LEFT + indent,
                  PDF_CONTENT - indent, f->value);
        gap(p, 3);
    }
    gap(p, 10);
}

static void put_request(struct pdf *p)
{
    if (!p->report->request.n)
        return;
    pdf_need(p, 60);
    pdf_paragraph(p, FONT_BLOCK, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT, SLICE("Request"));
    gap(p, 3);
    pdf_paragraph(p, FONT_CELL, COLOUR_QUIET, PDF_LEFT, PDF_CONTENT,
                  SLICE("The same request on the same trail gives the same report."));
    gap(p, 3);
    buf_reset(&p->scratch);
    form_request(&p->scratch, p->report);
    pdf_paragraph(p, FONT_FIXED, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT, buf_view(&p->scratch));
    gap(p, 12);
}

static void put_proofs(struct pdf *p)
{
    if (!p->report->nproofs)
        return;
    pdf_need(p, 60);
    pdf_paragraph(p, FONT_BLOCK, COLOUR_TEXT, PDF_LEFT, PDF_CONTENT,
                  SLICE("Entries that the report rests on"));
    gap(p, 3);
    pdf_paragraph(p, FONT_CELL, COLOUR_QUIET, PDF_LEFT, PDF_CONTENT,
                  SLICE("Index and leaf hash; the proofs are in the HTML and JSON forms."));
    gap(p, 3);
    for (size_t i = 0; i < p->report->nproofs; i++) {
        char index[24];

        pdf_need(p, 12);
        snprintf(index, sizeof index, "%llu", (unsigned long long)p->report->proofs[i].index);
        pdf_label(p, FONT_CELL, COLOUR_TEXT, PDF_LEFT + 50, p->y, 50, 1, slice_str(index));
        pdf_paragraph(p, FONT_FIXED, COLOUR_TEXT, PDF_LEFT + 60, PDF_CONTENT - 60,
                      pdf_show(p, p->report->proofs[i].leaf_hash, FORM_CELL_MAX));
        gap(p, 1.5);
    }
}

static void put_all(struct pdf *p, bool draw)
{
    p->draw = draw;
    p->page = 0;
    pdf_new_page(p);
    put_title(p);
    put_contents(p);
    put_sections(p);
    put_heading(p, p->report->nsections, 1, SLICE_NONE, SLICE("What this report rests on"));
    put_facts(p);
    put_request(p);
    put_proofs(p);
    p->pages = p->page;
}

/* ---- the file ---- */

/* The buffer remembers a failure. Cairo is not told: 1.16 dies when a write fails half-way. */
static cairo_status_t write_out(void *ctx, const unsigned char *data, unsigned length)
{
    struct buf *out = ctx;

    buf_add(out, data, length);
    return CAIRO_STATUS_SUCCESS;
}

static void set_metadata(struct pdf *p, cairo_pdf_metadata_t what, struct slice raw)
{
    pdf_show(p, raw, FORM_CELL_MAX);
    if (p->scratch.n)
        cairo_pdf_surface_set_metadata(p->surface, what, p->scratch.p);
}

static void put_metadata(struct pdf *p)
{
    const struct report *r = p->report;
    char made[TIME_TEXT_SIZE + 1];

    time_text(r->made_us, made);
    memcpy(made + 19, "Z", 2); /* whole seconds */
    set_metadata(p, CAIRO_PDF_METADATA_TITLE, r->title);
    set_metadata(p, CAIRO_PDF_METADATA_AUTHOR, r->origin);
    set_metadata(p, CAIRO_PDF_METADATA_SUBJECT, r->period);
    set_metadata(p, CAIRO_PDF_METADATA_CREATOR, r->version);
    cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_CREATE_DATE, made);
    cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_MOD_DATE, made);
    buf_reset(&p->scratch);
    form_request(&p->scratch, r);
    if (p->scratch.n && buf_ok(&p->scratch))
        cairo_pdf_surface_set_metadata(p->surface, CAIRO_PDF_METADATA_KEYWORDS, p->scratch.p);
}

static void put_outline(struct pdf *p)
{
    const struct report *r = p->report;
    struct form_numbers numbers = { 0 };
    int parent = CAIRO_PDF_OUTLINE_ROOT;

    for (size_t i = 0; i <= r->nsections; i++) {
        AUTO_BUF title = BUF_INIT;
        bool top = i == r->nsections || r->sections[i].level < 2;
        char dest[64];
        int id;

        if (i < r->nsections) {
            form_section_number(&numbers, &r->sections[i], &title);
            buf_char(&title, ' ');
            form_show(&title, r->sections[i].title, FORM_CELL_MAX);
        } else {
            buf_str(&title, "What this report rests on");
        }
        if (!buf_ok(&title)) {
            p->nomem = true;
            return;
        }
        snprintf(dest, sizeof dest, "dest='s%zu'", i);
        id = cairo_pdf_surface_add_outline(p->surface, top ? CAIRO_PDF_OUTLINE_ROOT : parent,
                                           title.p, dest, CAIRO_PDF_OUTLINE_FLAG_OPEN);
        if (top)
            parent = id;
    }
}

/*
 * Behind the end, as an update that changes nothing: readers begin at the last `startxref`, which
 * points to where the first one does.
 */
static void put_request_line(struct pdf *p, struct buf *out)
{
    static const char end[] = "%%EOF\n";
    struct slice all = buf_view(out), tail = slice_skip(all, all.n > 64 ? all.n - 64 : 0);
    size_t at = slice_find(tail, SLICE("startxref\n"));
    char pointer[64];
    int n;

    if (!p->report->request.n || at == SIZE_MAX || !slice_ends(tail, slice_str(end)))
        return;
    tail = slice_skip(tail, at);
    n = snprintf(pointer, sizeof pointer, "%.*s", SLICE_FMT(tail));
    buf_slice(out, slice_skip(SLICE(FORM_REQUEST_PDF), 1)); /* the line has ended */
    form_request(out, p->report);
    buf_char(out, '\n');
    buf_add(out, pointer, (size_t)n);
}

static int make(struct pdf *p, struct err *err)
{
    int rc = pdf_text_init(p, err);
    cairo_status_t status;

    if (rc < 0)
        return rc;
    put_metadata(p);
    put_all(p, false);
    put_all(p, true);
    put_outline(p);
    cairo_show_page(p->cr);
    status = cairo_status(p->cr);
    cairo_surface_finish(p->surface);
    if (status == CAIRO_STATUS_SUCCESS)
        status = cairo_surface_status(p->surface);
    if (p->nomem || status == CAIRO_STATUS_NO_MEMORY)
        return err_nomem(err);
    if (status != CAIRO_STATUS_SUCCESS)
        return err_set(err, -EIO, "the PDF: %s", cairo_status_to_string(status));
    return 0;
}

int report_pdf(const struct report *r, struct buf *out, struct err *err)
{
    AUTO_FREE unsigned *pages = calloc(r->nsections + 1, sizeof *pages);
    struct pdf p = { .report = r, .section_pages = pages };
    int rc;

    if (!pages)
        return err_nomem(err);
    p.surface = cairo_pdf_surface_create_for_stream(write_out, out, PDF_WIDTH, PDF_HEIGHT);
    cairo_pdf_surface_restrict_to_version(p.surface, CAIRO_PDF_VERSION_1_5);
    p.cr = cairo_create(p.surface);
    rc = make(&p, err);
    pdf_text_fini(&p);
    cairo_destroy(p.cr);
    cairo_surface_finish(p.surface);
    cairo_surface_destroy(p.surface);
    buf_fini(&p.scratch);
    if (rc == 0)
        put_request_line(&p, out);
    return rc < 0 ? rc : form_end(out, err);
}
#endif
