/*
 * A report as JSON: every key is always there, a number that is none is null, times are UTC. The
 * schema is schemas/report.json. Cells have the names of their columns and figures their own ones,
 * so a name that comes twice in one table is an error.
 */
#include <math.h>

#include "reports/form-private.h"

struct json_form {
    struct json_writer w;
    struct buf scratch;
};

static void text(struct json_form *f, struct slice raw)
{
    json_put_slice(&f->w, form_value(&f->scratch, raw));
    if (!buf_ok(&f->scratch))
        f->w.out->failed = true;
}

static void member(struct json_form *f, const char *key, struct slice raw)
{
    json_key(&f->w, key);
    text(f, raw);
}

static void put_number(struct json_form *f, double v)
{
    char digits[40];
    struct buf b = { .p = digits, .cap = sizeof digits, .limit = sizeof digits - 1 };

    form_number(&b, v);
    if (b.n)
        json_put_raw(&f->w, buf_view(&b));
    else
        json_put_null(&f->w);
}

static void member_number(struct json_form *f, const char *key, double v)
{
    json_key(&f->w, key);
    put_number(f, v);
}

static void put_figures(struct json_form *f, const struct report_block *b)
{
    json_key(&f->w, "figures");
    json_object(&f->w);
    for (size_t i = 0; i < b->nfigures; i++) {
        const struct report_figure *figure = &b->figures[i];

        json_key_slice(&f->w, figure->name);
        json_object(&f->w);
        member(f, "label", figure->label);
        member(f, "text", figure->text);
        member_number(f, "number", figure->number);
        member(f, "unit", figure->unit);
        member(f, "before", figure->before);
        json_object_end(&f->w);
    }
    json_object_end(&f->w);
}

static void put_columns(struct json_form *f, const struct report_block *b)
{
    json_key(&f->w, "columns");
    json_array(&f->w);
    for (size_t i = 0; i < b->ncolumns; i++) {
        json_object(&f->w);
        member(f, "name", b->columns[i].name);
        member(f, "label", b->columns[i].label);
        json_member_str(&f->w, "align", b->columns[i].align == REPORT_RIGHT ? "right" : "left");
        json_object_end(&f->w);
    }
    json_array_end(&f->w);
}

static void put_row(struct json_form *f, const struct report_block *b, const struct report_row *row)
{
    json_object(&f->w);
    json_key(&f->w, "cells");
    json_object(&f->w);
    for (size_t i = 0; i < b->ncolumns; i++) {
        json_key_slice(&f->w, b->columns[i].name);
        json_object(&f->w);
        member(f, "text", row->cells[i].text);
        member_number(f, "number", row->cells[i].number);
        json_member_str(&f->w, "tone", form_tone_word(row->cells[i].tone));
        json_object_end(&f->w);
    }
    json_object_end(&f->w);
    json_key(&f->w, "samples");
    json_array(&f->w);
    for (size_t i = 0; i < row->nsamples; i++)
        json_put_u64(&f->w, row->samples[i]);
    json_array_end(&f->w);
    json_object_end(&f->w);
}

static void put_table(struct json_form *f, const struct report_block *b)
{
    put_columns(f, b);
    json_key(&f->w, "rows");
    json_array(&f->w);
    for (size_t i = 0; i < b->nrows; i++)
        put_row(f, b, &b->rows[i]);
    json_array_end(&f->w);
    json_member_u64(&f->w, "rows_left", b->rows_left);
}

static void put_chart(struct json_form *f, const struct report_block *b)
{
    json_member_str(&f->w, "chart", b->chart == CHART_LINE ? "line" : "bars");
    member(f, "unit", b->unit);
    json_key(&f->w, "labels");
    json_array(&f->w);
    for (size_t i = 0; i < b->nlabels; i++)
        text(f, b->labels[i]);
    json_array_end(&f->w);
    json_key(&f->w, "series");
    json_array(&f->w);
    for (size_t s = 0; s < b->nseries; s++) {
        json_object(&f->w);
        member(f, "label", b->series[s].label);
        json_key(&f->w, "values");
        json_array(&f->w);
        for (size_t i = 0; i < b->nlabels; i++)
            put_number(f, b->series[s].values[i]);
        json_array_end(&f->w);
        json_object_end(&f->w);
    }
    json_array_end(&f->w);
}

static void put_block(struct json_form *f, const struct report_block *b)
{
    static const struct {
        const char *type;
        void (*put)(struct json_form *f, const struct report_block *b);
    } kinds[] = { [BLOCK_TEXT] = { "text", NULL },
                  [BLOCK_FIGURES] = { "figures", put_figures },
                  [BLOCK_TABLE] = { "table", put_table },
                  [BLOCK_CHART] = { "chart", put_chart } };

    json_object(&f->w);
    json_member_str(&f->w, "type", kinds[b->kind].type);
    member(f, "name", b->name);
    member(f, "title", b->title);
    member(f, "text", b->text);
    if (kinds[b->kind].put)
        kinds[b->kind].put(f, b);
    json_object_end(&f->w);
}

static void put_sections(struct json_form *f, const struct report *r)
{
    json_key(&f->w, "sections");
    json_array(&f->w);
    for (size_t i = 0; i < r->nsections; i++) {
        const struct report_section *s = &r->sections[i];

        json_object(&f->w);
        member(f, "name", s->name);
        member(f, "title", s->title);
        json_member_u64(&f->w, "level", s->level < 2 ? 1 : 2);
        json_key(&f->w, "blocks");
        json_array(&f->w);
        for (size_t j = 0; j < s->nblocks; j++)
            put_block(f, &s->blocks[j]);
        json_array_end(&f->w);
        json_object_end(&f->w);
    }
    json_array_end(&f->w);
}

static void put_proofs(struct json_form *f, const struct report *r)
{
    json_key(&f->w, "proofs");
    json_array(&f->w);
    for (size_t i = 0; i < r->nproofs; i++) {
        json_object(&f->w);
        json_member_u64(&f->w, "index", r->proofs[i].index);
        member(f, "leaf_hash", r->proofs[i].leaf_hash);
        member(f, "proof", r->proofs[i].proof);
        json_object_end(&f->w);
    }
    json_array_end(&f->w);
}

static void put_head(struct json_form *f, const struct report *r, const struct json *request)
{
    json_member_u64(&f->w, "format", 1);
    member(f, "kind", r->kind);
    member(f, "title", r->title);
    member(f, "subject", r->subject);
    json_member_time(&f->w, "from", r->from_us);
    json_member_time(&f->w, "to", r->to_us);
    member(f, "zone", r->zone);
    member(f, "period", r->period);
    json_member_time(&f->w, "made", r->made_us);
    member(f, "version", r->version);
    member(f, "config_digest", r->config_digest);
    json_key(&f->w, "trail");
    json_object(&f->w);
    member(f, "origin", r->origin);
    json_member_u64(&f->w, "size", r->size);
    member(f, "root", r->root);
    member(f, "checkpoint", r->checkpoint);
    json_object_end(&f->w);
    json_key(&f->w, "request");
    if (request)
        json_put_tree(&f->w, request);
    else
        json_put_null(&f->w);
}

static int twice(struct slice name, struct err *err)
{
    AUTO_BUF shown = BUF_INIT;

    form_show(&shown, name, 60);
    return err_set(err, -EINVAL, "the name '%s' is there twice in one table of the report",
                   buf_ok(&shown) ? shown.p : "");
}

static int check_names(const struct report_block *b, struct err *err)
{
    for (size_t i = 0; b->kind == BLOCK_TABLE && i < b->ncolumns; i++)
        for (size_t j = 0; j < i; j++)
            if (slice_eq(b->columns[i].name, b->columns[j].name))
                return twice(b->columns[i].name, err);
    for (size_t i = 0; b->kind == BLOCK_FIGURES && i < b->nfigures; i++)
        for (size_t j = 0; j < i; j++)
            if (slice_eq(b->figures[i].name, b->figures[j].name))
                return twice(b->figures[i].name, err);
    return 0;
}

int report_json(const struct report *r, struct buf *out, struct err *err)
{
    AUTO(arena) arena = arena_new(8 << 10, 4 << 20);
    struct json_form f = { .w = json_writer(out) };
    const struct json *request = NULL;

    if (!arena)
        return err_nomem(err);
    for (size_t i = 0; i < r->nsections; i++)
        for (size_t j = 0; j < r->sections[i].nblocks; j++)
            if (check_names(&r->sections[i].blocks[j], err) < 0)
                return err_code(err);
    if (r->request.n && !(request = json_load(arena, r->request, err)))
        return err_while(err, "the request of the report");
    json_object(&f.w);
    put_head(&f, r, request);
    put_sections(&f, r);
    put_proofs(&f, r);
    json_object_end(&f.w);
    buf_char(out, '\n');
    buf_fini(&f.scratch);
    return form_end(out, err);
}
