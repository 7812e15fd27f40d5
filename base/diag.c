#include "base/diag.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"

/* More findings than anyone reads: a file of rubbish must not fill the memory. */
#define FINDINGS_MAX 1000

struct finding {
    enum diag_level level;
    struct src_pos at;
    unsigned span;
    const char *text, *hint;
    char *whole; /* made for diag_text() */
};

struct source {
    const char *path;
    struct slice text;
};

struct diag {
    struct arena *arena;
    struct finding *findings;
    size_t n, cap, errors;
    struct source *sources;
    size_t nsources, sources_cap;
};

struct diag *diag_new(void)
{
    struct diag *d = calloc(1, sizeof *d);

    if (d && !(d->arena = arena_new(16384, 256 << 20))) {
        free(d);
        return NULL;
    }
    return d;
}

void diag_free(struct diag *d)
{
    if (!d)
        return;
    arena_free(d->arena);
    free(d->findings);
    free(d->sources);
    free(d);
}

static struct source *source_find(const struct diag *d, const char *path)
{
    for (size_t i = d->nsources; path && i-- > 0;)
        if (strcmp(d->sources[i].path, path) == 0)
            return &d->sources[i];
    return NULL;
}

static bool room(void **array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 16;
    void *p;

    if (n < *cap)
        return true;
    p = realloc(*array, more * size);
    if (!p)
        return false;
    *array = p;
    *cap = more;
    return true;
}

static struct source *source_add(struct diag *d, const char *path)
{
    void *array = d->sources;
    struct source *s = source_find(d, path);
    char *copy;

    if (s)
        return s;
    copy = arena_str(d->arena, slice_str(path));
    if (!copy || !room(&array, d->nsources, &d->sources_cap, sizeof *d->sources))
        return NULL;
    d->sources = array;
    s = &d->sources[d->nsources++];
    *s = (struct source){ .path = copy };
    return s;
}

void diag_source(struct diag *d, const char *path, struct slice text)
{
    struct source *s = source_add(d, path);

    if (s)
        s->text = arena_slice(d->arena, text);
}

const char *diag_path(struct diag *d, const char *path)
{
    struct source *s = source_add(d, path);

    return s ? s->path : "";
}

static void add(struct diag *d, enum diag_level level, struct src_pos at, unsigned span,
                const char *hint, struct slice text)
{
    void *array = d->findings;
    struct finding *f;

    d->errors += level == DIAG_ERROR;
    if (d->n >= FINDINGS_MAX || !room(&array, d->n, &d->cap, sizeof *d->findings))
        return;
    d->findings = array;
    f = &d->findings[d->n++];
    *f = (struct finding){ .level = level, .at = at, .span = span };
    f->at.file = at.file ? diag_path(d, at.file) : NULL;
    f->text = arena_str(d->arena, text);
    f->hint = hint ? arena_str(d->arena, slice_str(hint)) : NULL;
    if (!f->text)
        f->text = "out of memory";
}

void diag_add(struct diag *d, enum diag_level level, struct src_pos at, unsigned span,
              const char *hint, const char *fmt, ...)
{
    AUTO_BUF raw = BUF_LIMIT(4096);
    AUTO_BUF text = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&raw, fmt, args);
    va_end(args);
    buf_printable(&text, buf_ok(&raw) ? buf_view(&raw) : SLICE("(a text too long to show)"));
    add(d, level, at, span, hint, buf_view(&text));
}

void diag_add_err(struct diag *d, struct src_pos at, const struct err *err)
{
    add(d, DIAG_ERROR, err->at.line ? err->at : at, 0, NULL, slice_str(err->text));
}

size_t diag_errors(const struct diag *d)
{
    return d->errors;
}

size_t diag_count(const struct diag *d)
{
    return d->n;
}

static const char *const level_names[] = { "note", "warning", "error" };

static void place(struct buf *b, const struct finding *f)
{
    if (!f->at.file)
        return;
    buf_str(b, f->at.file);
    if (f->at.line)
        buf_printf(b, ":%u:%u", f->at.line, f->at.column ? f->at.column : 1);
    buf_str(b, ": ");
}

const char *diag_text(const struct diag *d, size_t i)
{
    struct finding *f = i < d->n ? &d->findings[i] : NULL;
    AUTO_BUF b = BUF_INIT;

    if (!f)
        return "";
    if (!f->whole) {
        place(&b, f);
        buf_printf(&b, "%s: %s", level_names[f->level], f->text);
        f->whole = arena_str(d->arena, buf_view(&b));
    }
    return f->whole ? f->whole : "";
}

static struct slice line_of(const struct diag *d, const struct src_pos *at)
{
    const struct source *s = source_find(d, at->file);
    struct slice rest = s ? s->text : SLICE_NONE, line = SLICE_NONE;

    for (unsigned i = 0; i < at->line; i++)
        if (!slice_split(&rest, '\n', &line))
            return SLICE_NONE;
    return line;
}

static void print_line(const struct diag *d, const struct finding *f, FILE *out)
{
    struct slice line = line_of(d, &f->at);
    AUTO_BUF b = BUF_INIT;
    unsigned column = f->at.column ? f->at.column - 1 : 0;

    if (!f->at.line || line.n == 0 || line.n > 500 || column > line.n) {
        if (f->hint)
            fprintf(out, "        %s\n", f->hint);
        return;
    }
    buf_printf(&b, "%6u | ", f->at.line);
    buf_printable(&b, line);
    buf_str(&b, "\n       | ");
    for (unsigned i = 0; i < column; i++)
        buf_char(&b, ' ');
    buf_char(&b, '^');
    for (unsigned i = 1; i < f->span && column + i < line.n; i++)
        buf_char(&b, '~');
    if (f->hint)
        buf_printf(&b, " %s", f->hint);
    fprintf(out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

void diag_print(const struct diag *d, FILE *out, bool colour)
{
    static const char *const colours[] = { "\033[36m", "\033[33m", "\033[31m" };

    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->findings[i];
        AUTO_BUF b = BUF_INIT;

        place(&b, f);
        fprintf(out, "%.*s%s%s:%s %s\n", SLICE_FMT(buf_view(&b)), colour ? colours[f->level] : "",
                level_names[f->level], colour ? "\033[0m" : "", f->text);
        print_line(d, f, out);
    }
    if (d->errors > d->n)
        fprintf(out, "... and more: %zu errors in all\n", d->errors);
}

void diag_json(const struct diag *d, struct json_writer *w)
{
    json_array(w);
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = &d->findings[i];

        json_object(w);
        json_member_str(w, "level", level_names[f->level]);
        json_member_str(w, "file", f->at.file ? f->at.file : "");
        json_member_u64(w, "line", f->at.line);
        json_member_u64(w, "column", f->at.column);
        json_member_str(w, "message", f->text);
        if (f->hint)
            json_member_str(w, "hint", f->hint);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Edit distance with neighbours swapped counted once; names are short. */
static size_t distance(struct slice a, struct slice b)
{
    enum { MAX = 48 };
    size_t d[MAX + 1][MAX + 1];

    if (a.n > MAX || b.n > MAX)
        return SIZE_MAX;
    for (size_t i = 0; i <= a.n; i++)
        d[i][0] = i;
    for (size_t j = 0; j <= b.n; j++)
        d[0][j] = j;
    for (size_t i = 1; i <= a.n; i++)
        for (size_t j = 1; j <= b.n; j++) {
            size_t cost = a.p[i - 1] != b.p[j - 1], best = d[i - 1][j - 1] + cost;

            if (d[i - 1][j] + 1 < best)
                best = d[i - 1][j] + 1;
            if (d[i][j - 1] + 1 < best)
                best = d[i][j - 1] + 1;
            if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] && a.p[i - 2] == b.p[j - 1] &&
                d[i - 2][j - 2] + 1 < best)
                best = d[i - 2][j - 2] + 1;
            d[i][j] = best;
        }
    return d[a.n][b.n];
}

const char *diag_nearest(struct slice name, const char *const *names)
{
    const char *best = NULL;
    size_t limit = name.n / 3 + 1, least = limit + 1;

    for (size_t i = 0; names && names[i]; i++) {
        size_t d = distance(name, slice_str(names[i]));

        if (d < least) {
            least = d;
            best = names[i];
        }
    }
    return best;
}
