/* One ini file into sections and options. */
#include "parsers/fail2ban/ini.h"

#include <errno.h>

#include "base/literal.h"

#define SECTIONS_MAX 200
#define OPTIONS_MAX 1000
#define VALUE_LINES_MAX 2000

struct reader {
    struct ini *ini;
    const char *file;
    unsigned line;
    struct ini_section *section;
    struct ini_option *option; /* the one that may go on */
    size_t indent; /* of its name */
    struct buf value; /* of it */
    size_t lines_cap;
    size_t faults;
};

static bool blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

static struct src_pos here(const struct reader *r, size_t column)
{
    return (struct src_pos){ r->file, r->line, (unsigned)column + 1 };
}

struct ini_section *ini_section(const struct ini *ini, struct slice name)
{
    for (size_t i = 0; i < ini->n; i++)
        if (slice_eq(ini->sections[i].name, name))
            return &ini->sections[i];
    return NULL;
}

struct ini_option *ini_option(const struct ini_section *section, struct slice name)
{
    for (size_t i = 0; section && i < section->n; i++)
        if (slice_eq_nocase(section->options[i].name, name))
            return &section->options[i];
    return NULL;
}

/* Room for one more; what an arena gave is never given back, but it doubles. */
static void *grown(struct arena *a, void *list, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 8;
    void *p;

    if (n < *cap)
        return list;
    p = arena_array(a, more, size);
    if (p && n)
        memcpy(p, list, n * size);
    if (p)
        *cap = more;
    return p;
}

static struct ini_section *add_section(struct ini *ini, struct slice name)
{
    struct ini_section *list;

    if (ini->n >= SECTIONS_MAX)
        return NULL;
    list = grown(ini->arena, ini->sections, ini->n, &ini->cap, sizeof *list);
    if (!list)
        return NULL;
    ini->sections = list;
    list[ini->n].name = arena_slice(ini->arena, name);
    return list[ini->n].name.p ? &list[ini->n++] : NULL;
}

static struct ini_option *add_option(struct ini *ini, struct ini_section *s, struct slice name)
{
    struct ini_option *list;

    if (!s || s->n >= OPTIONS_MAX)
        return NULL;
    list = grown(ini->arena, s->options, s->n, &s->cap, sizeof *list);
    if (!list)
        return NULL;
    s->options = list;
    list[s->n] = (struct ini_option){ .name = name };
    return &list[s->n++];
}

/* 0, or -E2BIG when enough was told. */
static int told(struct reader *r)
{
    return ++r->faults > 50 ? -E2BIG : 0;
}
#define FAULT(r, column, hint, ...)                                                                \
    (diag_add((r)->ini->d, DIAG_ERROR, here((r), (column)), 0, (hint), __VA_ARGS__), told(r))

/* ---- lines ---- */

/* Without what a comment takes; *ret_comment: there is one. */
static struct slice uncommented(struct slice line, bool *ret_comment)
{
    struct slice bare = slice_trim(line);

    *ret_comment = true;
    if (bare.n && (bare.p[0] == '#' || bare.p[0] == ';'))
        return slice_take(line, 0);
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] == ';' && (i == 0 || blank(line.p[i - 1])))
            return slice_take(line, i);
    *ret_comment = false;
    return line;
}

static int add_value_line(struct reader *r, struct slice text)
{
    struct ini_option *o = r->option;
    unsigned *lines = grown(r->ini->arena, o->lines, o->nlines, &r->lines_cap, sizeof *lines);

    if (!lines)
        return -ENOMEM;
    if (o->nlines >= VALUE_LINES_MAX)
        return FAULT(r, 0, NULL, "the value of '%.*s' has too many lines", SLICE_FMT(o->name));
    if (o->nlines)
        buf_char(&r->value, '\n');
    buf_slice(&r->value, text);
    o->lines = lines;
    o->lines[o->nlines++] = r->line;
    return 0;
}

/* Its value is complete. */
static int end_option(struct reader *r)
{
    struct ini_option *o = r->option;

    r->option = NULL;
    if (!o)
        return 0;
    while (r->value.n && blank(r->value.p[r->value.n - 1]))
        r->value.n--;
    o->value = arena_slice(r->ini->arena, buf_view(&r->value));
    return o->value.p && buf_ok(&r->value) ? 0 : -ENOMEM;
}

static int begin_section(struct reader *r, struct slice name, size_t column)
{
    if (ini_section(r->ini, name) && !slice_is(name, "DEFAULT"))
        return FAULT(r, column, NULL, "section '%.*s' is there twice", SLICE_FMT(name));
    r->section = ini_section(r->ini, name);
    if (!r->section)
        r->section = add_section(r->ini, name);
    return r->section ? 0 : -E2BIG;
}

static int begin_option(struct reader *r, struct slice text, size_t column)
{
    size_t at = 0;
    struct slice name;

    while (at < text.n && text.p[at] != '=' && text.p[at] != ':')
        at++;
    if (at == text.n)
        return FAULT(r, column, "a value goes on in lines that are indented deeper",
                     "neither a section nor 'name = value'");
    name = literal_lower(r->ini->arena, slice_trim(slice_take(text, at)));
    if (!name.p)
        return -ENOMEM;
    if (name.n == 0)
        return FAULT(r, column, NULL, "a value without a name");
    if (ini_option(r->section, name))
        return FAULT(r, column, NULL, "'%.*s' is there twice in its section", SLICE_FMT(name));
    r->option = add_option(r->ini, r->section, name);
    if (!r->option)
        return -E2BIG;
    r->option->file = r->file;
    r->option->line = r->line;
    r->lines_cap = 0;
    buf_reset(&r->value);
    return add_value_line(r, slice_trim(slice_skip(text, at + 1)));
}

static int read_line(struct reader *r, struct slice raw)
{
    bool comment;
    struct slice text = slice_trim(uncommented(raw, &comment));
    size_t indent = 0;
    int rc;

    if (text.n == 0) /* an empty line does not end a value, unless a comment stands in it */
        return !comment && r->option ? add_value_line(r, text) : 0;
    while (indent < raw.n && blank(raw.p[indent]))
        indent++;
    if (r->option && indent > r->indent)
        return add_value_line(r, text);
    r->indent = indent;
    rc = end_option(r);
    if (rc < 0)
        return rc;
    if (text.p[0] == '[' && slice_rfind_byte(text, ']') != SIZE_MAX &&
        slice_rfind_byte(text, ']') > 1)
        return begin_section(r, slice_of(text.p + 1, slice_rfind_byte(text, ']') - 1), indent);
    if (!r->section)
        return FAULT(r, indent, NULL, "a value before the first section");
    return begin_option(r, text, indent);
}

int ini_parse(struct ini *ini, const char *path, struct slice text)
{
    struct reader r = { .ini = ini, .file = diag_path(ini->d, path) };
    struct slice line;
    int rc = 0;

    diag_source(ini->d, path, text);
    if (text.n >= 3 && memcmp(text.p, "\xef\xbb\xbf", 3) == 0)
        text = slice_skip(text, 3);
    while (rc == 0 && slice_split(&text, '\n', &line)) {
        r.line++;
        rc = read_line(&r, line);
    }
    if (rc == -E2BIG)
        diag_error(ini->d, here(&r, 0), "the file has too many sections, options or faults");
    if (rc == 0)
        rc = end_option(&r);
    buf_fini(&r.value);
    return rc < 0 ? rc : r.faults ? -EINVAL : 0;
}

/* ---- several files ---- */

struct ini_section *ini_section_make(struct ini *ini, struct slice name)
{
    struct ini_section *s = ini_section(ini, name);

    return s ? s : add_section(ini, name);
}

int ini_put(struct ini *ini, struct ini_section *into, const struct ini_option *from)
{
    struct ini_option *o = ini_option(into, from->name);

    if (!o)
        o = add_option(ini, into, from->name);
    if (!o)
        return -E2BIG;
    *o = *from;
    return 0;
}
