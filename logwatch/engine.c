#include "logwatch/engine.h"

#include <errno.h>

#include "logwatch/embedded.h"
#include "logwatch/scan.h"

static bool embedded_in(const struct embedded_file *f, const char *folder)
{
    return strncmp(f->path, folder, strlen(folder)) == 0;
}

static size_t indentation(struct slice line)
{
    size_t n = 0;

    while (n < line.n && line.p[n] == ' ')
        n++;
    return n;
}

/*
 * More than half of the library is tests. They stand at the same place in each rule, so they are
 * left out before the YAML is read; lines keep their numbers.
 */
static void without_tests(struct slice text, struct buf *out)
{
    const struct slice begins = SLICE("    tests:");
    bool inside = false;
    struct slice line;

    while (text.n && slice_split(&text, '\n', &line)) {
        bool begin = slice_eq(line, begins);

        inside = begin || (inside && (line.n == 0 || indentation(line) > indentation(begins)));
        if (!inside || begin)
            buf_slice(out, line);
        buf_str(out, begin ? " []\n" : "\n");
    }
}

static int add_rules(struct engine *e, const char *path, struct slice text, bool tests,
                     struct diag *d)
{
    AUTO_BUF rest = BUF_INIT;

    if (tests)
        return rules_add(e->rules, path, text, d);
    without_tests(text, &rest);
    return buf_ok(&rest) ? rules_add(e->rules, path, buf_view(&rest), d) : -ENOMEM;
}

/* The formats and the rule library that are inside the program. */
static int load_embedded(struct engine *e, const struct engine_request *q, struct diag *d)
{
    for (size_t i = 0; i < embedded_files_n; i++) {
        const struct embedded_file *f = &embedded_files[i];
        struct slice text = slice_of(f->text, f->n);
        int r = 0;

        if (embedded_in(f, "parsers/formats/"))
            r = formats_add(e->formats, f->path, text, d);
        else if (!q->no_library && embedded_in(f, "rules/library/"))
            r = add_rules(e, f->path, text, q->tests, d);
        if (r == -ENOMEM)
            return r;
    }
    return 0;
}

static int load_paths(struct engine *e, const struct engine_request *q, struct diag *d)
{
    int r = 0;

    for (size_t i = 0; i < q->nformat_paths && r != -ENOMEM; i++)
        r = formats_add_folder(e->formats, q->format_paths[i], d);
    for (size_t i = 0; i < q->nfilters && r != -ENOMEM; i++)
        r = formats_add_filter(e->formats, &q->filters[i], d);
    for (size_t i = 0; i < q->nplaceholders && r != -ENOMEM; i++)
        r = rules_placeholders_file(e->rules, q->placeholders[i], d);
    for (size_t i = 0; i < q->nrule_paths && r != -ENOMEM; i++)
        r = rules_add_path(e->rules, q->rule_paths[i], d);
    return r == -ENOMEM ? r : 0;
}

int engine_load(const struct engine_request *request, struct diag *d, struct engine **ret_engine)
{
    /* What the inputs themselves have to tell. */
    static const struct logsource own = { { "trailwarden", 11 }, { "", 0 }, { "source", 6 } };
    AUTO(engine) e = calloc(1, sizeof *e);
    int r;

    if (!e)
        return -ENOMEM;
    e->names = field_names_new();
    if (!e->names)
        return -ENOMEM;
    e->formats = formats_new(e->names);
    e->rules = rules_new(e->names);
    if (!e->formats || !e->rules)
        return -ENOMEM;
    r = load_embedded(e, request, d);
    if (r == 0)
        r = load_paths(e, request, d);
    if (r == 0)
        r = rules_logsource(e->rules, &own);
    for (size_t i = 0; r == 0 && i < formats_count(e->formats); i++)
        r = rules_logsource(e->rules, format_logsource(formats_at(e->formats, i)));
    if (r == 0 && rules_compile(e->rules, d) == -ENOMEM)
        r = -ENOMEM;
    if (r < 0)
        return r;
    rules_digest(e->rules, e->rules_digest);
    e->scans = scans_new(e);
    if (!e->scans)
        return -ENOMEM;
    *ret_engine = TAKE(e);
    return 0;
}

void engine_free(struct engine *e)
{
    if (!e)
        return;
    scans_free(e->scans);
    rules_free(e->rules);
    formats_free(e->formats);
    field_names_free(e->names);
    free(e);
}

const struct event *engine_line(void *lines, struct slice channel, struct slice line,
                                struct arena *a)
{
    struct engine_lines *p = lines;
    /* The library's tests mean our own formats, whatever filter a channel of that name has. */
    const struct format *own = format_declared(p->engine->formats, channel);
    struct parser_source source = { .format =
                                        own ? own : format_filter(p->engine->formats, channel) };
    struct record record = { .text = line, .priority = -1 };
    struct event *ev = arena_alloc(a, sizeof *ev);
    struct err err = ERR_NONE;
    int r;

    if (!source.format || !ev || parser_source_init(&source, &err) < 0)
        return NULL;
    r = parser_run(&source, p->scratch, &record, 0, a, ev, NULL);
    parser_source_fini(&source);
    return r < 0 ? NULL : ev;
}
