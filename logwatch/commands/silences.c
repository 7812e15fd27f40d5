/* `silences list`, `silences add`, `silences expire`: who is not told of what until when. */
#include "logwatch/commands/act.h"

#include <errno.h>

#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/route.h"

#define FOR_MAX_S (366 * 86400)
#define FITTING_MAX 10 /* incidents that are named */
#define LOOKED_AT_MAX 10000 /* incidents that a silence is compared with */

struct listing {
    struct desk *desk;
    struct text_table *table;
    size_t n;
};

/* Rules by their titles. */
static void name_rules(const struct desk *d, struct matcher *m)
{
    const char **names = arena_array(d->arena, m->rules.n + 1, sizeof *names);

    for (size_t i = 0; names && i < m->rules.n; i++) {
        names[i] = arena_str(d->arena, desk_rule_title(d, m->rules.items[i]));
        if (!names[i])
            return;
    }
    if (names)
        m->rules.items = names;
}

/* "level high, rule xray-*"; as it is stored when it cannot be read. */
static void buf_when(const struct desk *d, struct slice when, struct buf *b)
{
    struct matcher m;

    if (matcher_json(when, d->arena, &m, NULL) < 0) {
        buf_slice(b, when);
        return;
    }
    name_rules(d, &m);
    matcher_words(&m, b);
}

static int list_silence(void *ctx, const struct silence *s)
{
    struct listing *l = ctx;
    struct desk *d = l->desk;
    AUTO_BUF when = BUF_INIT;
    char time[TIME_TEXT_SIZE], left[24];

    l->n++;
    arena_reset(d->arena);
    if (cli_has(d->cli, CLI_JSON)) {
        silence_json(&d->w, s, d->now_us);
        return desk_print(d);
    }
    buf_when(d, s->when, &when);
    text_table_cellf(l->table, "%llu", (unsigned long long)s->id);
    text_table_cell(l->table, slice_str(when_text(s->until_us, time)));
    text_table_cell(
        l->table,
        slice_str(s->until_us > d->now_us ? span_text(s->until_us - d->now_us, left) : "ended"));
    text_table_cell(l->table, s->by);
    text_table_cell(l->table, buf_view(&when));
    text_table_cell(l->table, s->comment);
    return 0;
}

int command_silences_list(struct cli *cli)
{
    static const char *const headings[] = {
        "N", "UNTIL", "LEFT", "BY", "OF WHAT", "COMMENT", NULL
    };
    AUTO(text_table) table = text_table_new(headings);
    struct desk d;
    struct listing l = { &d, table, 0 };
    struct err err = ERR_NONE;
    int r = table ? desk_open(&d, cli, true) : EXIT_FAILED;

    if (!table)
        return r;
    if (r == EXIT_DONE && store_silences_each(d.store, cli_has(cli, CLI_ALL_ENDED) ? 0 : d.now_us,
                                              list_silence, &l, &err) < 0)
        r = cli_error(&err);
    if (r == EXIT_DONE && !cli_has(cli, CLI_JSON))
        text_table_print(table, cli->out);
    if (r == EXIT_DONE && l.n == 0 && cli_has(cli, CLI_FAIL_EMPTY))
        r = EXIT_NOTHING;
    desk_fini(&d);
    return r;
}

/* ---- what is to be silenced ---- */

/* "level" of --level, the field's name of --field; NAME and VALUE. False: it is neither. */
static bool member_of(const struct cli *cli, size_t i, struct slice *ret_name,
                      struct slice *ret_value)
{
    struct slice rest = slice_str(cli->many[i]);

    switch ((unsigned)cli->many_of[i]) {
    case CLI_OF_LEVEL:
        *ret_name = SLICE("level");
        break;
    case CLI_OF_RULE:
        *ret_name = SLICE("rule");
        break;
    case CLI_OF_CHANNEL:
        *ret_name = SLICE("channel");
        break;
    default:
        if (!slice_split(&rest, '=', ret_name))
            return false;
    }
    *ret_value = rest;
    return ret_name->n > 0 && rest.n > 0;
}

static bool named_before(const struct cli *cli, size_t i, struct slice name)
{
    struct slice other, value;

    for (size_t k = 0; k < i; k++)
        if (member_of(cli, k, &other, &value) && slice_eq(other, name))
            return true;
    return false;
}

/* A slip here would silence nothing; but rules of the past may be meant, and our own alarms. */
static struct slice named_rule(const struct desk *d, const char *text)
{
    struct slice id = desk_rule(d, text);
    AUTO_BUF clean = BUF_INIT;

    if (id.p == text && slice_find_byte(id, '*') == SIZE_MAX) {
        buf_printable(&clean, id);
        fprintf(stderr,
                "trailwarden: note: no rule that is loaded has the id, name or title '%.*s'\n",
                SLICE_FMT(buf_view(&clean)));
    }
    return id;
}

/* All values of one name, from its first on. */
static void put_values(const struct desk *d, size_t from, struct slice name, struct json_writer *w)
{
    const struct cli *cli = d->cli;
    struct slice other, value, part;

    json_key_slice(w, name);
    json_array(w);
    for (size_t i = from; i < cli->nmany; i++) {
        if (!member_of(cli, i, &other, &value) || !slice_eq(other, name))
            continue;
        if (cli->many_of[i] == CLI_OF_RULE) /* titles have commas */
            json_put_slice(w, named_rule(d, cli->many[i]));
        while (cli->many_of[i] != CLI_OF_RULE && slice_split(&value, ',', &part))
            json_put_slice(w, slice_trim(part));
    }
    json_array_end(w);
}

/* {"level":["high"],"source.ip":["192.0.2.0/24"]}. An exit code. */
static int when_of(struct desk *d, struct buf *out, struct matcher *ret)
{
    const struct cli *cli = d->cli;
    struct json_writer w = json_writer(out);
    struct err err = ERR_NONE;
    struct slice name, value;

    json_object(&w);
    for (size_t i = 0; i < cli->nmany; i++) {
        if (!member_of(cli, i, &name, &value))
            return act_usage(cli, "--field is NAME=VALUE, like source.ip=192.0.2.0/24");
        if (!named_before(cli, i, name))
            put_values(d, i, name, &w);
    }
    json_object_end(&w);
    if (!buf_ok(out))
        return EXIT_FAILED;
    if (cli->nmany == 0)
        return act_usage(cli, "what is to be silenced? --rule, --channel, --level, --field, or the"
                              " id of an alert");
    if (matcher_json(buf_view(out), d->arena, ret, &err) < 0)
        return act_usage(cli, err.text);
    return EXIT_DONE;
}

/* ---- what fits now ---- */

struct fitting {
    struct desk *desk;
    struct text_table *table;
    const struct matcher *matcher; /* NULL: the incident that `key` begins */
    struct arena *arena;
    size_t n;
};

static int alert_fits(void *ctx, const struct alert_row *row)
{
    struct fitting *f = ctx;
    const struct json *doc = json_load(f->arena, row->document, NULL);
    struct alert alert;

    return doc && alert_read(doc, f->arena, &alert, NULL) == 0 &&
           matcher_fits(f->matcher, &alert, f->arena);
}

static int see_incident(void *ctx, const struct incident *i)
{
    struct fitting *f = ctx;
    const struct alert_filter newest = { .incident = i->key, .level_min = -1, .limit = 1 };
    char time[TIME_TEXT_SIZE];

    arena_reset(f->arena);
    if (f->matcher && store_alerts_each(f->desk->store, &newest, alert_fits, f, NULL) != 1)
        return 0;
    if (f->n++ >= FITTING_MAX)
        return 0;
    text_table_cell(f->table, slice_take(i->key, ID_SHOWN));
    text_table_cell(f->table, slice_str(when_text(i->last_us, time)));
    text_table_cell(f->table, slice_str(level_name(i->level)));
    text_table_cell(f->table, i->group);
    text_table_cell(f->table, i->title);
    return 0;
}

/* Best effort: what is open now and would have been held back. */
static void show_fitting(struct desk *d, const struct matcher *m, struct slice incident)
{
    static const char *const headings[] = { "INCIDENT", "NEWEST", "LEVEL", "WHO", "WHAT", NULL };
    AUTO(text_table) table = text_table_new(headings);
    AUTO(arena) a = arena_new(16384, 16 << 20);
    struct fitting f = { .desk = d, .table = table, .matcher = m, .arena = a };
    const struct incident_filter open = { .key = incident,
                                          .states = 1u << INCIDENT_OPEN | 1u << INCIDENT_ACKED,
                                          .level_min = -1,
                                          .limit = LOOKED_AT_MAX };
    FILE *out = d->cli->out;

    if (!table || !a || store_incidents_each(d->store, &open, see_incident, &f, NULL) < 0)
        return;
    fprintf(out, "%zu open incident%s fit%s now%s\n", f.n, f.n == 1 ? "" : "s", f.n == 1 ? "s" : "",
            f.n ? ":" : "");
    if (f.n)
        text_table_print(table, out);
    if (f.n > FITTING_MAX)
        fprintf(out, "%zu more\n", f.n - FITTING_MAX);
}

/* The incident of the alert that the id names; empty: show nothing. */
static int see_alert(void *ctx, const struct alert_row *row)
{
    buf_slice(ctx, row->incident);
    return 1;
}

static void show_named(struct desk *d, const char *id)
{
    const struct alert_filter f = { .id = slice_str(id), .level_min = -1, .limit = 1 };
    AUTO_BUF incident = BUF_INIT;

    (void)store_alerts_each(d->store, &f, see_alert, &incident, NULL);
    if (incident.n == 0)
        buf_str(&incident, id);
    show_fitting(d, NULL, buf_view(&incident));
}

/* ---- add ---- */

static int for_of(const struct cli *cli, uint64_t *ret_s)
{
    uint64_t us;

    if (!cli_has(cli, CLI_FOR))
        return act_usage(cli, "for how long? --for 2h");
    if (parse_duration(slice_str(cli->values[CLI_FOR]), &us) < 0 || us < USEC_PER_SEC ||
        us / USEC_PER_SEC > FOR_MAX_S)
        return act_usage(cli, "--for is 1s to 366d, like 30m, 2h or 7d");
    *ret_s = us / USEC_PER_SEC;
    return EXIT_DONE;
}

static int add(struct desk *d, uint64_t for_s)
{
    const char *id = d->cli->nargs ? d->cli->args[0] : NULL;
    AUTO_BUF when = BUF_INIT;
    char time[TIME_TEXT_SIZE];
    struct matcher m;
    struct act a;
    int r = id ? EXIT_DONE : when_of(d, &when, &m);

    if (r)
        return r;
    act_begin(&a, "silence.add");
    if (id) {
        json_member_str(&a.w, "id", id);
    } else {
        json_key(&a.w, "when");
        json_put_raw(&a.w, buf_view(&when));
    }
    json_member_u64(&a.w, "for_s", for_s);
    r = act_send(d, &a);
    if (r || cli_has(d->cli, CLI_JSON))
        return r;
    fprintf(d->cli->out, "it ends %s\n", when_text(d->now_us + for_s * USEC_PER_SEC, time));
    if (id)
        show_named(d, id);
    else if (matcher_json(buf_view(&when), d->arena, &m, NULL) == 0) /* the arena was used since */
        show_fitting(d, &m, SLICE(""));
    return r;
}

int command_silences_add(struct cli *cli)
{
    struct desk d;
    uint64_t for_s = 0;
    int r = for_of(cli, &for_s);

    if (r)
        return r;
    if (cli->nargs > 1 || (cli->nargs == 1 && cli->nmany))
        return act_usage(cli, "either the id of one alert, or --rule, --channel, --level, --field");
    if (cli->nargs == 1 && !id_ok(slice_str(cli->args[0])))
        return act_usage(cli, "an id is 4 to 32 hex digits, as `trailwarden alerts list` shows"
                              " them");
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE)
        r = add(&d, for_s);
    desk_fini(&d);
    return r;
}

int command_silences_expire(struct cli *cli)
{
    return act_each(cli, "silence.expire", true);
}
