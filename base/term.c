#include "base/term.h"

#include <string.h>
#include <sys/ioctl.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"

#define COLUMNS_MAX 16
#define DRAW_US (100 * USEC_PER_MSEC)

bool term_colour(FILE *f)
{
    const char *term = getenv("TERM"), *no = getenv("NO_COLOR");

    return isatty(fileno(f)) && !(no && *no) && term && strcmp(term, "dumb") != 0;
}

unsigned term_width(FILE *f)
{
    struct winsize ws;

    return ioctl(fileno(f), TIOCGWINSZ, &ws) == 0 && ws.ws_col > 0 ? ws.ws_col : 80;
}

struct text_table {
    const char *const *headings;
    size_t ncolumns;
    char **cells;
    size_t n, cap;
};

struct text_table *text_table_new(const char *const *headings)
{
    struct text_table *t = calloc(1, sizeof *t);

    if (!t)
        return NULL;
    t->headings = headings;
    while (headings[t->ncolumns] && t->ncolumns < COLUMNS_MAX)
        t->ncolumns++;
    return t;
}

void text_table_free(struct text_table *t)
{
    if (!t)
        return;
    for (size_t i = 0; i < t->n; i++)
        free(t->cells[i]);
    free(t->cells);
    free(t);
}

void text_table_cell(struct text_table *t, struct slice text)
{
    AUTO_BUF b = BUF_INIT;
    char *copy;

    if (t->n == t->cap) {
        size_t cap = t->cap ? t->cap * 2 : 64;
        char **cells = realloc(t->cells, cap * sizeof *cells);

        if (!cells)
            return;
        t->cells = cells;
        t->cap = cap;
    }
    buf_printable(&b, text);
    copy = buf_take(&b);
    if (copy)
        t->cells[t->n++] = copy;
}

void text_table_cellf(struct text_table *t, const char *fmt, ...)
{
    AUTO_BUF b = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&b, fmt, args);
    va_end(args);
    text_table_cell(t, buf_view(&b));
}

/* Characters, not bytes; wide ones are taken for one column: a table may be a little off there. */
static size_t columns_of(const char *text)
{
    size_t n = 0;

    for (; *text; text++)
        n += ((unsigned char)*text & 0xc0) != 0x80;
    return n;
}

static struct slice first_columns(const char *text, size_t n)
{
    const char *p = text;

    for (; *p; p++)
        if (((unsigned char)*p & 0xc0) != 0x80 && n-- == 0)
            break;
    return slice_of(text, (size_t)(p - text));
}

static void print_cell(FILE *out, const char *text, size_t width, bool last, size_t room)
{
    size_t n = columns_of(text);

    if (last) {
        if (room && n > room)
            fprintf(out, "%.*s...", SLICE_FMT(first_columns(text, room > 3 ? room - 3 : 0)));
        else
            fputs(text, out);
        return;
    }
    fputs(text, out);
    for (; n < width + 2; n++)
        fputc(' ', out);
}

void text_table_print(struct text_table *t, FILE *out)
{
    size_t widths[COLUMNS_MAX] = { 0 }, before = 0;
    size_t room = isatty(fileno(out)) ? term_width(out) : 0;
    bool colour = term_colour(out);

    for (size_t c = 0; c < t->ncolumns; c++) {
        widths[c] = columns_of(t->headings[c]);
        for (size_t i = c; i < t->n; i += t->ncolumns)
            if (columns_of(t->cells[i]) > widths[c])
                widths[c] = columns_of(t->cells[i]);
        if (c + 1 < t->ncolumns)
            before += widths[c] + 2;
    }
    room = room > before ? room - before : 0;
    fputs(colour ? "\033[1m" : "", out);
    for (size_t c = 0; c < t->ncolumns; c++)
        print_cell(out, t->headings[c], widths[c], c + 1 == t->ncolumns, room);
    fputs(colour ? "\033[0m\n" : "\n", out);
    for (size_t i = 0; i < t->n; i++) {
        print_cell(out, t->cells[i], widths[i % t->ncolumns], (i + 1) % t->ncolumns == 0, room);
        if ((i + 1) % t->ncolumns == 0 || i + 1 == t->n)
            fputc('\n', out);
    }
}

void progress_start(struct progress *p, const char *what, uint64_t total_bytes)
{
    const struct clock real = CLOCK_REAL;
    const char *term = getenv("TERM");

    *p = (struct progress){ .what = what, .unit = "lines", .total = total_bytes };
    p->on = isatty(STDERR_FILENO) && !(term && strcmp(term, "dumb") == 0);
    p->start_us = clock_mono(&real);
}

static void draw(const struct progress *p, uint64_t now)
{
    enum { WIDTH = 30 };
    AUTO_BUF b = BUF_INIT;
    uint64_t used = now - p->start_us;
    unsigned percent = p->total ? (unsigned)(p->done * 100 / p->total) : 0;

    if (percent > 100)
        percent = 100;
    buf_printf(&b, "\r%s [", p->what);
    for (unsigned i = 0; i < WIDTH; i++)
        buf_char(&b, i < percent * WIDTH / 100 ? '#' : '.');
    buf_printf(&b, "] %3u%%  ", percent);
    if (used)
        buf_printf(&b, "%.0f %s/s", (double)p->items * 1e6 / (double)used, p->unit);
    if (percent > 0 && percent < 100)
        buf_printf(&b, "  %us left",
                   (unsigned)((double)used / 1e6 * (100 - percent) / percent + 0.5));
    buf_str(&b, "\033[K");
    fwrite(b.p, 1, b.n, stderr);
}

void progress_step(struct progress *p, uint64_t done_bytes, uint64_t items)
{
    const struct clock real = CLOCK_REAL;
    uint64_t now;

    p->done = done_bytes;
    p->items = items;
    if (!p->on)
        return;
    now = clock_mono(&real);
    if (now < p->next_us)
        return;
    p->next_us = now + DRAW_US;
    draw(p, now);
}

void progress_end(struct progress *p)
{
    if (p->on)
        fputs("\r\033[K", stderr);
}
