#include "base/diag.h"

#include "base/arena.h"
#include "base/json.h"
#include "base/utf8.h"

/* More findings than anyone reads: a file of rubbish must not fill the memory. */
#define FINDINGS_MAX 1000
/* Longer lines are not shown below a finding. */
#define LINE_SHOWN_MAX 500

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
    size_t n, cap, errors, dropped;
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

void diag_hide(struct diag *d, struct src_pos at)
{
    struct source *s = source_find(d, at.file);
    size_t from = 0, end;
    char *copy;

    if (!s || !at.line)
        return;
    copy = arena_str(d->arena, s->text);
    if (!copy) {
        s->text = SLICE(""); /* rather nothing at all */
        return;
    }
    for (unsigned line = 1; line < at.line && from < s->text.n; from++)
        line += copy[from] == '\n';
    end = from;
    while (end < s->text.n && copy[end] != '\n')
        end++;
    for (from += at.column ? at.column - 1 : 0; from < end; from++)
        copy[from] = '*';
    s->text = slice_of(copy, s->text.n);
}

/* A copy that is safe on a terminal. */
static const char *printable(struct diag *d, struct slice text)
{
    AUTO_BUF b = BUF_INIT;

    buf_printable(&b, text);
    return buf_ok(&b) ? arena_str(d->arena, buf_view(&b)) : NULL;
}

static void add(struct diag *d, enum diag_level level, struct src_pos at, unsigned span,
                const char *hint, struct slice text)
{
    void *array = d->findings;
    struct finding *f;

    d->errors += level == DIAG_ERROR;
    if (d->n >= FINDINGS_MAX || !room(&array, d->n, &d->cap, sizeof *d->findings)) {
        d->dropped++;
        return;
    }
    d->findings = array;
    f = &d->findings[d->n++];
    *f = (struct finding){ .level = level, .at = at, .span = span };
    f->at.file = at.file ? diag_path(d, at.file) : NULL;
    f->text = printable(d, text);
    f->hint = hint ? printable(d, slice_str(hint)) : NULL;
    if (!f->text)
        f->text = "out of memory";
}

void diag_add(struct diag *d, enum diag_level level, struct src_pos at, unsigned span,
              const char *hint, const char *fmt, ...)
{
    AUTO_BUF text = BUF_LIMIT(4096);
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    add(d, level, at, span, hint,
        buf_ok(&text) ? buf_view(&text) : SLICE("(a text too long to show)"));
}

void diag_add_err(struct diag *d, struct src_pos at, const struct err *err)
{
    add(d, DIAG_ERROR, err->at.line ? err->at : at, 0, NULL, slice_str(err->text));
}

void diag_of_document(struct diag *d, size_t from, unsigned n)
{
    for (size_t i = from; i < d->n; i++) {
        char *text = arena_printf(d->arena, "%s (document %u)", d->findings[i].text, n);

        if (text)
            d->findings[i].text = text;
    }
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
    buf_printable(b, slice_str(f->at.file));
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

/* As a screen shows it: a tab is one blank, so that the mark below stays in its place. */
static void show(struct buf *b, struct slice text)
{
    struct slice part;

    for (bool more = false; slice_split(&text, '\t', &part); more = true) {
        if (more)
            buf_char(b, ' ');
        buf_printable(b, part);
    }
}

/* The first n characters. */
static struct slice characters(struct slice s, unsigned n)
{
    size_t at = 0;

    for (unsigned i = 0; i < n && at < s.n; i++) {
        uint32_t cp;
        unsigned len = utf8_decode(slice_skip(s, at), &cp);

        at += len ? len : 1;
    }
    return slice_take(s, at);
}

/* Columns that the first n characters take when shown. */
static size_t columns(struct slice line, unsigned n)
{
    AUTO_BUF b = BUF_INIT;
    size_t count = 0;

    show(&b, characters(line, n));
    for (size_t i = 0; i < b.n; i++)
        count += ((unsigned char)b.p[i] & 0xc0) != 0x80;
    return count;
}

static void print_line(const struct diag *d, const struct finding *f, FILE *out)
{
    struct slice line = line_of(d, &f->at);
    AUTO_BUF b = BUF_INIT;
    unsigned column = f->at.column ? f->at.column - 1 : 0;
    size_t from, to;

    if (line.n && line.p[line.n - 1] == '\r')
        line.n--;
    if (!f->at.line || line.n == 0 || line.n > LINE_SHOWN_MAX || column > line.n) {
        if (f->hint)
            fprintf(out, "        %s\n", f->hint);
        return;
    }
    from = columns(line, column);
    to = columns(line, f->span < LINE_SHOWN_MAX ? column + f->span : LINE_SHOWN_MAX);
    buf_printf(&b, "%6u | ", f->at.line);
    show(&b, line);
    buf_printf(&b, "\n       | %*s^", (int)from, "");
    for (size_t i = from + 1; i < to; i++)
        buf_char(&b, '~');
    if (f->hint)
        buf_printf(&b, " %s", f->hint);
    fprintf(out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

/* Files in the order in which they were first named; what has no place is last. */
static size_t file_rank(const struct diag *d, const struct finding *f)
{
    const struct source *s = source_find(d, f->at.file);

    return s ? (size_t)(s - d->sources) : SIZE_MAX;
}

static int by_place(const void *a, const void *b, void *ctx)
{
    const struct finding *x = *(const struct finding *const *)a;
    const struct finding *y = *(const struct finding *const *)b;
    size_t rx = file_rank(ctx, x), ry = file_rank(ctx, y);

    if (rx != ry)
        return rx < ry ? -1 : 1;
    if (x->at.line != y->at.line)
        return x->at.line < y->at.line ? -1 : 1;
    if (x->at.column != y->at.column)
        return x->at.column < y->at.column ? -1 : 1;
    return (x > y) - (x < y); /* both in one array: the earlier first */
}

/* Returns new: pointers to the findings in the order of their places. NULL: memory, or none. */
static const struct finding **in_order(const struct diag *d)
{
    const struct finding **list = d->n ? malloc(d->n * sizeof *list) : NULL;
    union {
        const struct diag *in;
        void *out;
    } ctx = { d };

    if (!list)
        return NULL;
    for (size_t i = 0; i < d->n; i++)
        list[i] = &d->findings[i];
    qsort_r(list, d->n, sizeof *list, by_place, ctx.out);
    return list;
}

void diag_print(const struct diag *d, FILE *out, bool colour)
{
    static const char *const colours[] = { "\033[36m", "\033[33m", "\033[31m" };
    AUTO_FREE const struct finding **list = in_order(d);

    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = list ? list[i] : &d->findings[i];
        AUTO_BUF b = BUF_INIT;

        place(&b, f);
        fprintf(out, "%.*s%s%s:%s %s\n", SLICE_FMT(buf_view(&b)), colour ? colours[f->level] : "",
                level_names[f->level], colour ? "\033[0m" : "", f->text);
        print_line(d, f, out);
    }
    if (d->dropped)
        fprintf(out, "... and %zu more findings: %zu errors in all\n", d->dropped, d->errors);
}

void diag_json(const struct diag *d, struct json_writer *w)
{
    AUTO_FREE const struct finding **list = in_order(d);

    json_array(w);
    for (size_t i = 0; i < d->n; i++) {
        const struct finding *f = list ? list[i] : &d->findings[i];

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

        if (d < least && d < name.n) { /* all of it changed: not the same word */
            least = d;
            best = names[i];
        }
    }
    return best;
}
