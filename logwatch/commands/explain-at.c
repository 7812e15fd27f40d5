/*
 * explain --at: how a rule's windows stood at a moment of the past, from the
 * signals that the core stored. They are the state of all windows, so the
 * engine's own fold of those up to that moment is the window of then.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/explain.h"
#include "schemas/event-pack.h"
#include "store/store.h"

#define GROUPS_SHOWN 50
#define EVENTS_SHOWN 20

struct asking {
    struct cli *cli;
    struct rules_view view;
    struct store *store;
    struct correlator *correlator;
    struct seen seen;
    size_t rule;
    uint64_t at_us, span_us;
    struct slice group; /* for people; p NULL: all */
    uint64_t oldest_us; /* of all signals that are kept */
    struct buf out;
    struct json_writer w;
    struct err err;
    bool json;
};

static bool wanted(const struct asking *q, struct slice group)
{
    AUTO_BUF b = BUF_INIT;

    if (!q->group.p)
        return true;
    buf_group(&b, group);
    return slice_eq(buf_view(&b), q->group);
}

static int take_signal(void *ctx, const struct signal *s)
{
    struct asking *q = ctx;
    int r;

    if (!q->oldest_us || s->time_us < q->oldest_us)
        q->oldest_us = s->time_us;
    if (s->time_us > q->at_us || rules_of_signal(q->seen.rules, s) != q->rule ||
        !wanted(q, s->group))
        return 0;
    r = correlator_restore(q->correlator, s, &q->err);
    return r < 0 ? r : seen_add(&q->seen, s);
}

/* ---- telling ---- */

static bool inside(const struct asking *q, const struct seen_signal *s)
{
    return s->time_us + q->span_us > q->at_us;
}

static bool first_of_group(const struct asking *q, size_t i)
{
    for (size_t j = 0; j < i; j++)
        if (inside(q, &q->seen.items[j]) &&
            slice_eq(q->seen.items[j].group, q->seen.items[i].group))
            return false;
    return true;
}

static void event_line(struct asking *q, const struct seen_signal *s)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    struct slice raw = a ? event_pack_raw(s->evidence, a) : SLICE("");
    char time[TIME_TEXT_SIZE];

    time_text(s->time_us, time);
    buf_printf(&q->out, "      %s  ", time);
    buf_printable(&q->out, utf8_cut(raw, 160));
    buf_char(&q->out, '\n');
}

static void events_of(struct asking *q, struct slice group)
{
    size_t shown = 0;

    for (size_t i = q->seen.n; i-- > 0 && shown < EVENTS_SHOWN;) {
        const struct seen_signal *s = &q->seen.items[i];

        if (!inside(q, s) || !slice_eq(s->group, group))
            continue;
        event_line(q, s);
        shown++;
    }
}

static int tell_windows(struct asking *q)
{
    size_t shown = 0;

    for (size_t i = 0; i < q->seen.n && shown < GROUPS_SHOWN; i++) {
        const struct seen_signal *s = &q->seen.items[i];
        struct window_view w;

        if (!inside(q, s) || !first_of_group(q, i))
            continue;
        if (window_look(&q->view, &q->seen, q->correlator, q->rule, s->group, q->at_us, &w) < 0)
            return -ENOMEM;
        shown++;
        if (q->json) {
            window_json(&q->view, &w, &q->w);
            continue;
        }
        window_text(&q->view, &w, &q->out);
        if (q->group.p)
            events_of(q, s->group);
    }
    if (!q->json && shown == 0)
        buf_str(&q->out, "  nothing in the window\n");
    if (!q->json && shown == GROUPS_SHOWN)
        buf_str(&q->out, "  and more: name one with --group\n");
    return 0;
}

/* Is the alert of the group that was asked for? */
static bool alert_wanted(const struct asking *q, const struct alert_row *row)
{
    AUTO(arena) a = arena_new(16384, 16 << 20);
    const struct json *group = a ? json_get(json_load(a, row->document, NULL), "group") : NULL;
    AUTO_BUF b = BUF_INIT;

    if (!q->group.p)
        return true;
    for (const struct json *m = group ? group->child : NULL; m; m = m->next) {
        buf_str(&b, b.n ? ", " : "");
        buf_slice(&b, json_text(m, "value"));
    }
    return slice_eq(buf_view(&b), q->group);
}

static int tell_alert(void *ctx, const struct alert_row *row)
{
    struct asking *q = ctx;
    char time[TIME_TEXT_SIZE];

    if (!alert_wanted(q, row))
        return 0;
    if (q->json) {
        json_object(&q->w);
        json_member_slice(&q->w, "id", row->id);
        json_member_time(&q->w, "time", row->time_us);
        json_object_end(&q->w);
        return 0;
    }
    time_text(row->time_us, time);
    buf_printf(&q->out, "  alert at %s, id %.*s\n", time, SLICE_FMT(row->id));
    return 0;
}

static int tell_alerts(struct asking *q)
{
    const struct rules *r = q->view.engine->rules;
    uint64_t suppress = rule_suppress_us(r, q->rule);
    uint64_t back = q->span_us > suppress ? q->span_us : suppress;
    const struct alert_filter f = { .since_us = q->at_us > back ? q->at_us - back : 1,
                                    .until_us = q->at_us,
                                    .rule = rules_info(r, q->rule)->id,
                                    .level_min = -1 };

    return store_alerts_each(q->store, &f, tell_alert, q, &q->err);
}

static int tell_json(struct asking *q)
{
    const struct rule_info *info = rules_info(q->view.engine->rules, q->rule);
    int r;

    q->w = json_writer(&q->out);
    json_object(&q->w);
    json_member_slice(&q->w, "rule", info->id);
    json_member_slice(&q->w, "title", info->title);
    json_member_time(&q->w, "at", q->at_us);
    if (q->oldest_us)
        json_member_time(&q->w, "kept_since", q->oldest_us);
    json_key(&q->w, "windows");
    json_array(&q->w);
    r = tell_windows(q);
    json_array_end(&q->w);
    json_key(&q->w, "alerts");
    json_array(&q->w);
    if (r == 0)
        r = tell_alerts(q);
    json_array_end(&q->w);
    json_object_end(&q->w);
    return r < 0 ? cli_error(&q->err) : print_json(q->cli, &q->out);
}

static int tell(struct asking *q)
{
    char time[TIME_TEXT_SIZE];
    int r;

    if (q->json)
        return tell_json(q);
    time_text(q->at_us, time);
    buf_printf(&q->out, "at %s\n", time);
    r = tell_windows(q);
    if (r == 0)
        r = tell_alerts(q);
    if (r < 0)
        return r == -ENOMEM ? out_of_memory() : cli_error(&q->err);
    /* Older ones are pruned past the longest window of all rules, or there were none. */
    if (q->oldest_us + q->span_us > q->at_us) {
        time_text(q->oldest_us, time);
        buf_printf(&q->out, "  signals reach back to %s only\n", q->oldest_us ? time : "nothing");
    }
    fprintf(q->cli->out, "%.*s", SLICE_FMT(buf_view(&q->out)));
    return EXIT_DONE;
}

/* ---- the command ---- */

static int find_rule(struct asking *q)
{
    const struct rule_info *info;

    if (!cli_has(q->cli, CLI_RULE)) {
        fputs("trailwarden: --at needs a --rule\n", stderr);
        return EXIT_USAGE;
    }
    q->rule = rules_view_find(&q->view, q->cli->values[CLI_RULE]);
    if (q->rule == SIZE_MAX)
        return EXIT_FAILED;
    info = rules_info(q->view.engine->rules, q->rule);
    q->span_us = info->window_us;
    if (info->kind == RULE_CORRELATION)
        return EXIT_DONE;
    fputs("trailwarden: only correlations keep a window; `rules show` says which count this rule\n",
          stderr);
    return EXIT_FAILED;
}

static int open_store(struct asking *q)
{
    const char *state = q->cli->values[CLI_STATE];
    AUTO_BUF path = BUF_INIT;

    if (!state && q->view.config)
        state = q->view.config->state;
    if (!state) {
        fputs("trailwarden: --at needs the state: name it with --config or --state\n", stderr);
        return EXIT_USAGE;
    }
    buf_printf(&path, "%s/trailwarden.db", state);
    if (!buf_ok(&path))
        return out_of_memory();
    if (access(path.p, F_OK) < 0 && errno == ENOENT) {
        fprintf(stderr, "trailwarden: nothing was ever recorded in '%s'\n", state);
        return EXIT_NO_DAEMON;
    }
    if (store_view(path.p, &q->store, &q->err) < 0 || store_hold(q->store, &q->err) < 0)
        return cli_error(&q->err);
    return EXIT_DONE;
}

/* "203.0.113.5,root" as buf_group() writes it. */
static int group_of(struct asking *q)
{
    const char *given = q->cli->values[CLI_GROUP];
    AUTO_BUF b = BUF_INIT;

    if (!given)
        return EXIT_DONE;
    for (const char *p = given; *p; p++) {
        buf_char(&b, *p);
        if (*p == ',' && p[1] != ' ')
            buf_char(&b, ' ');
    }
    q->group = arena_slice(q->view.arena, buf_view(&b));
    return q->group.p ? EXIT_DONE : out_of_memory();
}

static int ask(struct asking *q)
{
    int r = cli_time(q->cli, CLI_AT, &q->at_us);

    if (r == EXIT_DONE)
        r = find_rule(q);
    if (r == EXIT_DONE)
        r = group_of(q);
    if (r == EXIT_DONE)
        r = open_store(q);
    if (r)
        return r;
    q->correlator = correlator_new(q->view.engine->rules, 0);
    if (!q->correlator)
        return out_of_memory();
    seen_init(&q->seen, q->view.engine->rules, q->view.arena);
    r = store_signals_each(q->store, take_signal, q, &q->err);
    if (r == -E2BIG)
        err_set(&q->err, r, "too many signals: name a --group");
    return r < 0 ? cli_error(&q->err) : tell(q);
}

int explain_at(struct cli *cli)
{
    struct asking q = { .cli = cli, .json = cli_has(cli, CLI_JSON) };
    int r = rules_view_open(&q.view, cli, NULL, 0, false);

    if (r == EXIT_DONE)
        r = ask(&q);
    correlator_free(q.correlator);
    store_free(q.store);
    seen_fini(&q.seen);
    buf_fini(&q.out);
    rules_view_fini(&q.view);
    return r;
}
