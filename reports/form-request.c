#include "reports/form-request.h"

#include "base/macros.h"

static const char id[] = "<pre class=\"own\" id=\"request\">";

static size_t find_last(struct slice s, struct slice what)
{
    size_t at = SIZE_MAX, from = 0, next;

    while ((next = slice_find(slice_skip(s, from), what)) != SIZE_MAX) {
        at = from + next;
        from = at + 1;
    }
    return at;
}

static void unescape(struct buf *out, struct slice s)
{
    static const struct {
        struct slice entity;
        char c;
    } entities[] = { { SLICE("&amp;"), '&' },
                     { SLICE("&lt;"), '<' },
                     { SLICE("&gt;"), '>' },
                     { SLICE("&quot;"), '"' },
                     { SLICE("&#39;"), '\'' } };

    while (s.n) {
        size_t i = 0, n = 1;

        while (i < ARRAY_SIZE(entities) && !slice_starts(s, entities[i].entity))
            i++;
        if (i < ARRAY_SIZE(entities))
            n = entities[i].entity.n;
        buf_char(out, i < ARRAY_SIZE(entities) ? entities[i].c : s.p[0]);
        s = slice_skip(s, n);
    }
}

/* No text of a report can hold a <, so the element cannot be imitated by one. */
static bool in_html(struct slice file, struct buf *out)
{
    size_t at = slice_find(file, slice_str(id)), end;

    if (at == SIZE_MAX)
        return false;
    file = slice_skip(file, at + sizeof id - 1);
    end = slice_find(file, SLICE("</pre>"));
    if (end == SIZE_MAX)
        return false;
    unescape(out, slice_take(file, end));
    return true;
}

static bool rest_of_line(struct slice file, struct slice mark, struct buf *out)
{
    size_t at = find_last(file, mark), end;

    if (at == SIZE_MAX)
        return false;
    file = slice_skip(file, at + mark.n);
    end = slice_find_byte(file, '\n');
    if (end == SIZE_MAX)
        return false;
    buf_slice(out, slice_take(file, end));
    return true;
}

static bool in_pdf(struct slice file, struct buf *out)
{
    return rest_of_line(file, SLICE(FORM_REQUEST_PDF), out);
}

static bool in_text(struct slice file, struct buf *out)
{
    return rest_of_line(file, SLICE(FORM_REQUEST_TEXT), out);
}

/* Bytes of the object that s begins with, or 0. Braces in strings do not count. */
static size_t object_length(struct slice s)
{
    bool string = false;
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        char c = s.p[i];

        if (string && c == '\\')
            i++;
        else if (c == '"')
            string = !string;
        else if (!string && c == '{')
            depth++;
        else if (!string && c == '}' && --depth == 0)
            return i + 1;
    }
    return 0;
}

/* It stands before all that has names of others, and a quote inside of a string has a \ before. */
static bool in_json(struct slice file, struct buf *out)
{
    size_t at = slice_find(file, SLICE(",\"request\":{")), n;

    if (at == SIZE_MAX)
        return false;
    file = slice_skip(file, at + sizeof ",\"request\":" - 1);
    n = object_length(file);
    buf_slice(out, slice_take(file, n));
    return n > 0;
}

int form_request_find(struct slice file, struct buf *out, const char **ret_form, struct err *err)
{
    static const struct {
        const char *form;
        struct slice begin;
        bool (*find)(struct slice file, struct buf *out);
    } forms[] = { { "html", SLICE("<!doctype html>"), in_html },
                  { "pdf", SLICE("%PDF-"), in_pdf },
                  { "json", SLICE("{\"format\":1,"), in_json },
                  { "text", SLICE(""), in_text } };
    size_t i = 0;

    while (!slice_starts(file, forms[i].begin))
        i++;
    if (!forms[i].find(file, out))
        return err_set(err, -ENOENT,
                       "there is no request in it: a report as CSV has none; is it a report?");
    if (!buf_ok(out))
        return err_nomem(err);
    *ret_form = forms[i].form;
    return 0;
}
