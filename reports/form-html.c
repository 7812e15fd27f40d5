/*
 * A report as one HTML file: no script, nothing from outside (its policy allows the one style by
 * its digest, nothing else), contents with links, light and dark, good on paper. All that is not
 * ours goes through html_text(): no text can end an element or an attribute.
 */
#include "reports/form-html-private.h"

#include "base/hash.h"

void html_put(struct html_form *f, const char *markup)
{
    buf_str(f->out, markup);
}

void html_shown(struct html_form *f, struct slice shown)
{
    static const char *const entity[256] = {
        ['&'] = "&amp;", ['<'] = "&lt;", ['>'] = "&gt;", ['"'] = "&quot;", ['\''] = "&#39;"
    };
    size_t from = 0;

    for (size_t i = 0; i < shown.n; i++) {
        const char *e = entity[(unsigned char)shown.p[i]];

        if (!e)
            continue;
        buf_add(f->out, shown.p + from, i - from);
        buf_str(f->out, e);
        from = i + 1;
    }
    buf_slice(f->out, slice_skip(shown, from));
}

void html_limited(struct html_form *f, struct slice raw, size_t max)
{
    buf_reset(&f->scratch);
    form_show(&f->scratch, raw, max);
    html_shown(f, buf_view(&f->scratch));
    if (!buf_ok(&f->scratch))
        f->out->failed = true;
}

void html_text(struct html_form *f, struct slice raw)
{
    html_limited(f, raw, FORM_CELL_MAX);
}

/* An empty line parts paragraphs, another end of a line is kept. */
static void put_paragraphs(struct html_form *f, struct slice raw, const char *class)
{
    struct slice line;
    bool open = false;

    while (form_line(&raw, &line)) {
        if (!line.n) {
            html_put(f, open ? "</p>\n" : "");
            open = false;
            continue;
        }
        if (open)
            html_put(f, "<br>");
        else
            buf_printf(f->out, "<p%s>", class);
        open = true;
        html_limited(f, line, FORM_TEXT_MAX);
    }
    html_put(f, open ? "</p>\n" : "");
}

/* Several lines as they are, each without controls. */
static void put_lines(struct html_form *f, struct slice raw)
{
    struct slice line;
    bool first = true;

    while (form_line(&raw, &line)) {
        if (!first && (line.n || raw.n))
            buf_char(f->out, '\n');
        html_limited(f, line, FORM_TEXT_MAX);
        first = false;
    }
}

static void put_policy(struct html_form *f)
{
    uint8_t digest[SHA256_SIZE];

    sha256(html_style, strlen(html_style), digest);
    html_put(f, "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; "
                "style-src 'sha256-");
    buf_base64(f->out, digest, sizeof digest, true);
    html_put(f, "'; base-uri 'none'; form-action 'none'\">\n");
}

static void put_head(struct html_form *f, const struct report *r)
{
    html_put(f, "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n");
    put_policy(f);
    html_put(
        f, "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
           "<meta name=\"color-scheme\" content=\"light dark\">\n"
           "<meta name=\"referrer\" content=\"no-referrer\">\n<meta name=\"generator\" content=\"");
    html_text(f, r->version);
    html_put(f, "\">\n<title>");
    html_text(f, r->title);
    html_put(f, r->period.n ? ", " : "");
    html_text(f, r->period);
    html_put(f, "</title>\n<style>");
    html_put(f, html_style);
    html_put(f, "</style>\n</head>\n<body>\n<header>\n<h1>");
    html_text(f, r->title);
    html_put(f, "</h1>\n");
    if (r->subject.n) {
        html_put(f, "<p>");
        html_text(f, r->subject);
        html_put(f, "</p>\n");
    }
    html_put(f, "<p>");
    html_text(f, r->period);
    html_put(f, "</p>\n<p class=\"quiet\">");
    html_text(f, r->origin);
    html_put(f, "</p>\n</header>\n");
}

/* A section's number, for people and as the name of its anchor ("s2.1"). */
static void number_of(struct html_form *f, struct form_numbers *n, const struct report_section *s)
{
    buf_reset(&f->scratch);
    form_section_number(n, s, &f->scratch);
}

static void put_contents(struct html_form *f, const struct report *r)
{
    struct form_numbers numbers = { 0 };

    html_put(f, "<nav aria-labelledby=\"contents\">\n<h2 id=\"contents\">Contents</h2>\n<ol>\n");
    for (size_t i = 0; i < r->nsections; i++) {
        number_of(f, &numbers, &r->sections[i]);
        buf_printf(f->out, "<li%s><span class=\"n\">%s</span><a href=\"#s%s\">",
                   r->sections[i].level < 2 ? "" : " class=\"two\"", f->scratch.p, f->scratch.p);
        html_text(f, r->sections[i].title);
        html_put(f, "</a></li>\n");
    }
    html_put(f, "<li><span class=\"n\"></span><a href=\"#evidence\">What this report rests on</a>"
                "</li>\n</ol>\n</nav>\n");
}

static void put_figures(struct html_form *f, const struct report_block *b)
{
    bool before = form_has_before(b);

    html_put(f, "<dl class=\"figures\">\n");
    for (size_t i = 0; i < b->nfigures; i++) {
        html_put(f, "<div><dt>");
        html_text(f, b->figures[i].label);
        html_put(f, "</dt><dd>");
        html_text(f, b->figures[i].text);
        if (before) {
            html_put(f, "<small>");
            html_text(f, b->figures[i].before);
            html_put(f, "</small>");
        }
        html_put(f, "</dd></div>\n");
    }
    html_put(f, "</dl>\n");
}

static void put_block(struct html_form *f, const struct report *r, const struct report_block *b)
{
    unsigned title = ++f->next_id;

    if (b->kind == BLOCK_CHART) {
        html_chart(f, b);
        return;
    }
    html_put(f, "<div class=\"block\">\n");
    if (b->title.n) {
        buf_printf(f->out, "<h4 id=\"t%u\">", title);
        html_text(f, b->title);
        html_put(f, "</h4>\n");
    }
    put_paragraphs(f, b->text, b->kind == BLOCK_TEXT ? "" : " class=\"quiet\"");
    if (b->kind == BLOCK_FIGURES)
        put_figures(f, b);
    else if (b->kind == BLOCK_TABLE)
        html_table(f, r, b, b->title.n ? title : 0);
    html_put(f, "</div>\n");
}

static void put_sections(struct html_form *f, const struct report *r)
{
    struct form_numbers numbers = { 0 };

    html_put(f, "<main>\n");
    for (size_t i = 0; i < r->nsections; i++) {
        const struct report_section *s = &r->sections[i];
        char level = s->level < 2 ? '2' : '3';

        number_of(f, &numbers, s);
        buf_printf(f->out, "<section>\n<h%c id=\"s%s\"><span class=\"n\">%s</span>", level,
                   f->scratch.p, f->scratch.p);
        html_text(f, s->title);
        buf_printf(f->out, "</h%c>\n", level);
        for (size_t j = 0; j < s->nblocks; j++)
            put_block(f, r, &s->blocks[j]);
        html_put(f, "</section>\n");
    }
    html_put(f, "</main>\n");
}

static void put_facts(struct html_form *f, const struct report *r)
{
    struct form_facts facts;

    form_facts(r, &facts);
    html_put(f, "<dl class=\"facts\">\n");
    for (size_t i = 0; i < facts.n; i++) {
        const struct form_fact *fact = &facts.fact[i];

        buf_printf(f->out, "<dt>%s</dt><dd>%s", fact->label, fact->fixed ? "<pre>" : "");
        put_lines(f, fact->value);
        html_put(f, fact->fixed ? "</pre></dd>\n" : "</dd>\n");
    }
    html_put(f, "</dl>\n");
}

static void put_proofs(struct html_form *f, const struct report *r)
{
    if (!r->nproofs)
        return;
    html_put(f, "<h3>Entries that the report rests on</h3>\n<div class=\"proofs\">\n");
    for (size_t i = 0; i < r->nproofs; i++) {
        const struct report_proof *p = &r->proofs[i];

        buf_printf(f->out, "<details id=\"e%llu\"><summary>%llu <code>",
                   (unsigned long long)p->index, (unsigned long long)p->index);
        html_text(f, p->leaf_hash);
        html_put(f, "</code></summary><pre class=\"own\">");
        put_lines(f, p->proof);
        html_put(f, "</pre></details>\n");
    }
    html_put(f, "</div>\n");
}

/* `report verify` takes what stands in the one element with this id. */
static void put_request(struct html_form *f, const struct report *r)
{
    if (!r->request.n)
        return;
    html_put(f, "<h3>Request</h3>\n<p class=\"quiet\">The same request on the same trail gives the "
                "same report, byte for byte.</p>\n<pre class=\"own\" id=\"request\">");
    buf_reset(&f->scratch);
    form_request(&f->scratch, r);
    html_shown(f, buf_view(&f->scratch));
    html_put(f, "</pre>\n");
}

int report_html(const struct report *r, struct buf *out, struct err *err)
{
    struct html_form f = { .out = out };

    put_head(&f, r);
    if (buf_reserve(&f.scratch, 64)) {
        put_contents(&f, r);
        put_sections(&f, r);
        html_put(&f, "<footer>\n<h2 id=\"evidence\">What this report rests on</h2>\n");
        put_facts(&f, r);
        put_request(&f, r);
        put_proofs(&f, r);
        html_put(&f, "</footer>\n</body>\n</html>\n");
    }
    if (!buf_ok(&f.scratch))
        out->failed = true;
    buf_fini(&f.scratch);
    return form_end(out, err);
}
