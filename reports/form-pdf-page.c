/* Pages, colours and texts of the PDF form. */
#include <config.h>

#ifdef HAVE_PDF
#include <math.h>

#include "reports/form-pdf-private.h"

#ifdef __SANITIZE_ADDRESS__
/*
 * Fontconfig keeps its configuration until the process ends, behind pointers with a mark in them
 * that the sanitizer cannot follow. All that is ours is freed: pdf_text_fini().
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
    return "leak:libfontconfig.so\n";
}
const char *__lsan_default_options(void);
const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}
#endif

static const struct {
    const char *family;
    double size;
    PangoWeight weight;
} styles[FONTS] = {
    [FONT_TITLE] = { NULL, 20, PANGO_WEIGHT_BOLD },
    [FONT_SECTION] = { NULL, 13.5, PANGO_WEIGHT_BOLD },
    [FONT_SUBSECTION] = { NULL, 11, PANGO_WEIGHT_BOLD },
    [FONT_BLOCK] = { NULL, 9.5, PANGO_WEIGHT_BOLD },
    [FONT_BODY] = { NULL, 9.5, PANGO_WEIGHT_NORMAL },
    [FONT_SMALL] = { NULL, 7.5, PANGO_WEIGHT_NORMAL },
    [FONT_CELL] = { NULL, 8, PANGO_WEIGHT_NORMAL },
    [FONT_HEADING] = { NULL, 8, PANGO_WEIGHT_BOLD },
    [FONT_FIGURE] = { NULL, 14, PANGO_WEIGHT_BOLD },
    [FONT_FIXED] = { "Noto Sans Mono, DejaVu Sans Mono, monospace", 7.5, PANGO_WEIGHT_NORMAL },
};
#define FAMILY "Noto Sans, DejaVu Sans, Liberation Sans, sans-serif"

/* As in the HTML form on white. */
static const unsigned colours[] = {
    [COLOUR_TEXT] = 0x1b2027,       [COLOUR_QUIET] = 0x566070,      [COLOUR_LINE] = 0xd5dbe3,
    [COLOUR_SOFT] = 0xf4f6f9,       [COLOUR_GAP] = 0xe9edf2,        [COLOUR_LINK] = 0x0b57a4,
    [COLOUR_GOOD] = 0x176b38,       [COLOUR_ATTENTION] = 0x855000,  [COLOUR_BAD] = 0xb3261e,
    [COLOUR_SERIES] = 0x1f5fa8,     [COLOUR_SERIES + 1] = 0xb5560b, [COLOUR_SERIES + 2] = 0x0b7a6e,
    [COLOUR_SERIES + 3] = 0x7d3fa6, [COLOUR_SERIES + 4] = 0x5b6470, [COLOUR_SERIES + 5] = 0xb3265b
};

int pdf_text_init(struct pdf *p, struct err *err)
{
    cairo_font_options_t *options = cairo_font_options_create();
    PangoFontFamily **families = NULL;
    int n = 0;

    p->map = pango_cairo_font_map_new(); /* not the one of the process: it would stay */
    p->context = pango_font_map_create_context(p->map);
    pango_font_map_list_families(p->map, &families, &n);
    g_free(families);
    /* Glyphs where they belong on paper, not where pixels would be. */
    cairo_font_options_set_hint_style(options, CAIRO_HINT_STYLE_NONE);
    cairo_font_options_set_hint_metrics(options, CAIRO_HINT_METRICS_OFF);
    pango_cairo_context_set_font_options(p->context, options);
    cairo_font_options_destroy(options);
    pango_context_set_round_glyph_positions(p->context, FALSE);
    pango_cairo_context_set_resolution(p->context, 72);
    for (size_t i = 0; i < FONTS; i++) {
        p->fonts[i] = pango_font_description_new();
        pango_font_description_set_family_static(p->fonts[i],
                                                 styles[i].family ? styles[i].family : FAMILY);
        pango_font_description_set_weight(p->fonts[i], styles[i].weight);
        pango_font_description_set_size(p->fonts[i], (int)(styles[i].size * PANGO_SCALE));
    }
    p->attributes = pango_attr_list_new();
    pango_attr_list_insert(p->attributes, pango_attr_insert_hyphens_new(FALSE));
    p->layout = pango_layout_new(p->context);
    if (n == 0)
        return err_set(
            err, -ENOTSUP,
            "there are no fonts for a PDF: install fonts-dejavu-core or fonts-noto-core");
    return 0;
}

void pdf_text_fini(struct pdf *p)
{
    if (p->layout)
        g_object_unref(p->layout);
    pango_attr_list_unref(p->attributes); /* takes NULL, as the next */
    for (size_t i = 0; i < FONTS; i++)
        pango_font_description_free(p->fonts[i]);
    if (p->context)
        g_object_unref(p->context);
    if (p->map)
        g_object_unref(p->map);
}

/* ---- pages ---- */

static void put_foot(struct pdf *p)
{
    AUTO_BUF number = BUF_INIT;
    double y = PDF_HEIGHT - 40;

    buf_printf(&number, "%u / %u", p->page, p->pages);
    pdf_label(p, FONT_SMALL, COLOUR_QUIET, PDF_LEFT + PDF_CONTENT, y, 80, 1, buf_view(&number));
    buf_reset(&number);
    form_show(&number, p->report->title, 80);
    buf_str(&number, p->report->period.n ? ", " : "");
    form_show(&number, p->report->period, 80);
    pdf_label(p, FONT_SMALL, COLOUR_QUIET, PDF_LEFT, y, PDF_CONTENT - 100, 0, buf_view(&number));
    if (!buf_ok(&number))
        p->nomem = true;
}

void pdf_new_page(struct pdf *p)
{
    if (p->page && p->draw)
        cairo_show_page(p->cr);
    p->page++;
    p->y = PDF_TOP;
    if (p->draw)
        put_foot(p);
}

bool pdf_need(struct pdf *p, double height)
{
    if (p->y + height <= PDF_BOTTOM || p->y <= PDF_TOP)
        return false;
    pdf_new_page(p);
    return true;
}

void pdf_colour(struct pdf *p, enum pdf_colour c)
{
    unsigned rgb = colours[c];

    cairo_set_source_rgb(p->cr, (rgb >> 16) / 255.0, (rgb >> 8 & 255) / 255.0, (rgb & 255) / 255.0);
}

void pdf_rule(struct pdf *p, double x, double y, double width, double thick, enum pdf_colour c)
{
    pdf_box(p, x, y - thick / 2, width, thick, c);
}

void pdf_box(struct pdf *p, double x, double y, double width, double height, enum pdf_colour c)
{
    if (!p->draw)
        return;
    pdf_colour(p, c);
    cairo_rectangle(p->cr, x, y, width, height);
    cairo_fill(p->cr);
}

/* ---- texts ---- */

struct slice pdf_show(struct pdf *p, struct slice raw, size_t max)
{
    buf_reset(&p->scratch);
    form_show(&p->scratch, raw, max);
    if (!buf_ok(&p->scratch))
        p->nomem = true;
    return buf_view(&p->scratch);
}

void pdf_set(struct pdf *p, PangoLayout *layout, enum pdf_font font, double width, unsigned lines,
             struct slice shown)
{
    pango_layout_set_font_description(layout, p->fonts[font]);
    pango_layout_set_attributes(layout, p->attributes);
    pango_layout_set_wrap(layout, PANGO_WRAP_WORD_CHAR);
    pango_layout_set_width(layout, width < 0 ? -1 : (int)(width * PANGO_SCALE));
    pango_layout_set_height(layout, lines ? -(int)lines : -1);
    pango_layout_set_ellipsize(layout, lines ? PANGO_ELLIPSIZE_END : PANGO_ELLIPSIZE_NONE);
    pango_layout_set_alignment(layout, PANGO_ALIGN_LEFT);
    pango_layout_set_text(layout, shown.n ? shown.p : "", (int)shown.n);
}

/*
 * Does the first letter run to the left? Close to what Pango finds (Unicode's rule P2), which it
 * tells only once all is laid out.
 */
static bool runs_left(const char *text)
{
    struct slice s = slice_str(text);
    uint32_t cp = 0;
    unsigned len;

    while ((len = utf8_decode(s, &cp)) > 0) {
        if ((cp >= 0x5be && cp <= 0x8ff) || (cp >= 0xfb1d && cp <= 0xfdff) ||
            (cp >= 0xfe70 && cp <= 0xfefc) || (cp >= 0x10800 && cp <= 0x10fff) ||
            (cp >= 0x1e800 && cp <= 0x1efff))
            return true;
        if ((cp | 32) - 'a' < 26 || (cp >= 0xc0 && cp < 0x2000) || (cp >= 0x2c00 && cp < 0x1f000))
            return false;
        s = slice_skip(s, len);
    }
    return false;
}

/* Left is left, also for a text that runs to the left: Pango's left is where a text begins. */
void pdf_align(PangoLayout *layout, enum report_align align)
{
    bool away = (align == REPORT_RIGHT) != runs_left(pango_layout_get_text(layout));

    pango_layout_set_alignment(layout, away ? PANGO_ALIGN_RIGHT : PANGO_ALIGN_LEFT);
}

double pdf_layout_height(PangoLayout *layout)
{
    int height = 0;

    pango_layout_get_size(layout, NULL, &height);
    return (double)height / PANGO_SCALE;
}

double pdf_layout_width(PangoLayout *layout)
{
    int width = 0;

    pango_layout_get_size(layout, &width, NULL);
    return (double)width / PANGO_SCALE;
}

void pdf_put(struct pdf *p, PangoLayout *layout, double x, double y, enum pdf_colour c)
{
    if (!p->draw)
        return;
    pdf_colour(p, c);
    cairo_move_to(p->cr, x, y);
    pango_cairo_show_layout(p->cr, layout);
}

void pdf_label(struct pdf *p, enum pdf_font font, enum pdf_colour c, double x, double y,
               double width, double align, struct slice shown)
{
    if (!p->draw)
        return;
    pdf_set(p, p->layout, font, -1, 0, shown);
    if (pdf_layout_width(p->layout) > width)
        pdf_set(p, p->layout, font, width, 1, shown);
    pdf_align(p->layout, REPORT_LEFT);
    pdf_put(p, p->layout, x - fmin(pdf_layout_width(p->layout), width) * align, y, c);
}

static void put_line(struct pdf *p, PangoLayoutIter *iter, double x, enum pdf_colour c)
{
    PangoRectangle at;
    double height;

    pango_layout_iter_get_line_extents(iter, NULL, &at);
    height = (double)at.height / PANGO_SCALE;
    pdf_need(p, height);
    if (p->draw) {
        pdf_colour(p, c);
        cairo_move_to(p->cr, x + (double)at.x / PANGO_SCALE,
                      p->y + (double)(pango_layout_iter_get_baseline(iter) - at.y) / PANGO_SCALE);
        pango_cairo_show_layout_line(p->cr, pango_layout_iter_get_line_readonly(iter));
    }
    p->y += height;
}

void pdf_paragraph(struct pdf *p, enum pdf_font font, enum pdf_colour c, double x, double width,
                   struct slice shown)
{
    PangoLayout *layout =
        pango_layout_new(p->context); /* a foot may come between: it has the other */
    PangoLayoutIter *iter;

    pdf_set(p, layout, font, width, 0, shown);
    iter = pango_layout_get_iter(layout);
    do {
        put_line(p, iter, x, c);
    } while (pango_layout_iter_next_line(iter));
    pango_layout_iter_free(iter);
    g_object_unref(layout);
}
#endif
