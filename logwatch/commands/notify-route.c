/*
 * notify route: who would hear of an alert, when, and why the others would not. Asked of the same
 * functions that the core asks; nothing is sent.
 */
#include "logwatch/commands/notify-route.h"

#include <errno.h>

#include "base/clock.h"
#include "base/file.h"
#include "rules/inspect.h"

#define TEXT_MAX (8 << 20)

/* ---- the alert ---- */

/* What the document does not say: the rule's own list of receivers. */
static int add_notify(struct tracing *t, struct err *err)
{
    const struct rules *rules = t->config->engine->rules;
    size_t i = rules_find(rules, t->alert.rule_id);
    const struct yaml *doc = i == SIZE_MAX ? NULL : rules_document(rules, i);
    const struct yaml *list = yaml_get(yaml_get(doc, "trailwarden"), "notify");
    size_t n = !list ? 0 : list->kind == YAML_SEQ ? list->nchildren : 1;

    t->alert.notify = arena_array(t->arena, n + 1, sizeof *t->alert.notify);
    if (!t->alert.notify)
        return err_nomem(err);
    if (list && list->kind == YAML_SCALAR)
        t->alert.notify[t->alert.nnotify++] = list->text;
    YAML_EACH (item, list)
        t->alert.notify[t->alert.nnotify++] = item->text;
    t->by_rule = t->alert.nnotify > 0;
    return 0;
}

static int note_receiver(void *ctx, const struct route *route, const struct sink *sink)
{
    struct tracing *t = ctx;
    size_t i = (size_t)(sink - t->config->sinks);

    t->told[i] = true;
    t->told_by[i] = route;
    t->ntold++;
    return 0;
}

static int trace(struct tracing *t, struct err *err)
{
    size_t n = t->config->nsinks + 1;
    AUTO_BUF key = BUF_INIT;

    t->told = arena_array(t->arena, n, sizeof *t->told);
    t->told_by = arena_array(t->arena, n, sizeof *t->told_by);
    if (!t->told || !t->told_by || !incident_key(&t->alert, &key))
        return err_nomem(err);
    t->incident = arena_slice(t->arena, buf_view(&key));
    if (!t->incident.p || add_notify(t, err) < 0)
        return err_nomem(err);
    if (config_tell(t->config, &t->alert, t->arena, note_receiver, t) < 0)
        return err_nomem(err);
    t->maintenance = route_maintenance(&t->config->routing, &t->alert, t->at_us, t->arena);
    return 0;
}

/* ---- reading ---- */

static int read_input(const char *path, struct buf *text, struct err *err)
{
    if (strcmp(path, "-") != 0)
        return file_read(-1, path, TEXT_MAX, text, err);
    for (;;) {
        char part[65536];
        ssize_t n = read(STDIN_FILENO, part, sizeof part);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "cannot read the standard input: %s", err_name(errno));
        if (n == 0)
            return 0;
        if (text->n + (size_t)n > TEXT_MAX)
            return err_set(err, -EFBIG, "the standard input is longer than %d bytes", TEXT_MAX);
        buf_add(text, part, (size_t)n);
    }
}

struct asking {
    struct cli *cli;
    const struct config *config;
    uint64_t at_us;
    struct buf *out;
    size_t n;
    bool nobody; /* would hear of one of them */
};

static int ask(struct asking *q, struct slice document, struct err *err)
{
    AUTO(arena) a = arena_new(65536, 64 << 20);
    struct tracing t = { .cli = q->cli, .config = q->config, .at_us = q->at_us, .arena = a };
    struct json *doc = a ? json_load(a, document, err) : NULL;
    int r;

    if (!doc)
        return a ? err_code(err) : err_nomem(err);
    r = alert_read(doc, a, &t.alert, err);
    if (r == 0)
        r = trace(&t, err);
    if (r < 0)
        return r;
    if (cli_has(q->cli, CLI_JSON))
        trace_json(&t, q->out);
    else
        trace_text(&t, q->out);
    q->n++;
    q->nobody = q->nobody || t.ntold == 0 || t.maintenance;
    return 0;
}

/* One document over several lines, or one on each line. */
static int ask_all(struct asking *q, struct slice text, struct err *err)
{
    struct slice rest = slice_trim(text), line;
    AUTO(arena) a = arena_new(65536, 64 << 20);
    bool one = a && json_load(a, rest, NULL);
    int r = 0;

    if (one || slice_find_byte(rest, '\n') == SIZE_MAX)
        return ask(q, rest, err);
    while (r == 0 && slice_split(&rest, '\n', &line))
        if (slice_trim(line).n)
            r = ask(q, line, err);
    return r < 0 ? err_while(err, "alert %zu", q->n + 1) : r;
}

/* ---- the command ---- */

static bool terminal_is_utf8(void)
{
    static const char *const names[] = { "LC_ALL", "LC_CTYPE", "LANG" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct slice value = slice_str(getenv(names[i]));

        if (value.n)
            return slice_find(value, SLICE("UTF-8")) != SIZE_MAX ||
                   slice_find(value, SLICE("utf8")) != SIZE_MAX ||
                   slice_find(value, SLICE("utf-8")) != SIZE_MAX;
    }
    return false;
}

static int print(struct cli *cli, const struct buf *out)
{
    if (!buf_ok(out)) {
        fputs("trailwarden: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    fprintf(cli->out, "%.*s", SLICE_FMT(buf_view(out)));
    return EXIT_DONE;
}

static int tree(struct cli *cli, const struct config *c)
{
    AUTO_BUF out = BUF_INIT;

    if (cli_has(cli, CLI_JSON))
        routes_json(c, &out);
    else
        routes_tree(c, terminal_is_utf8(), &out);
    return print(cli, &out);
}

static int ask_file(struct cli *cli, const struct config *c, uint64_t at_us)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    struct asking q = { .cli = cli, .config = c, .at_us = at_us, .out = &out };
    struct err err = ERR_NONE;
    int r;

    if (read_input(cli->args[0], &text, &err) < 0)
        return cli_error(&err);
    if (ask_all(&q, buf_view(&text), &err) < 0) {
        err_while(&err, "'%s'", cli->args[0]);
        return cli_error(&err);
    }
    r = print(cli, &out);
    return r == EXIT_DONE && q.nobody ? EXIT_ANSWER_NO : r;
}

int command_notify_route(struct cli *cli)
{
    const struct clock real = CLOCK_REAL;
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    uint64_t at_us;
    int r = cli_time(cli, CLI_AT, &at_us);

    if (r != EXIT_DONE)
        return r;
    if (cli->nargs != (cli_has(cli, CLI_TREE) ? 0 : 1)) {
        fputs("trailwarden: notify route takes one alert (a file, or - for standard input), or "
              "--tree\n",
              stderr);
        return EXIT_USAGE;
    }
    r = d ? cli_config(cli, false, d, &c) : EXIT_FAILED;
    if (r != EXIT_DONE)
        return r;
    if (cli_has(cli, CLI_TREE))
        return tree(cli, c);
    return ask_file(cli, c, cli_has(cli, CLI_AT) ? at_us : clock_now(&real));
}
