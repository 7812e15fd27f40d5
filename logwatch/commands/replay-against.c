/*
 * replay --against: what a changed rule set would have told otherwise.
 *
 * The input is played twice, and the alerts are compared by rule, group and
 * time: what an alert is of. Its id would not do, for it holds the rule's
 * digest, and a comment in a condition is no other alert.
 */
#include <errno.h>

#include "base/clock.h"
#include "base/table.h"
#include "base/term.h"
#include "logwatch/commands/replaying.h"

#define ALERTS_MAX 1000000 /* of one set */

struct told {
    struct slice rule, title, group, channel, document;
    uint64_t time_us, count, ban_us;
    enum level level;
    size_t order;
};

struct side {
    struct told *list;
    size_t n, cap;
};

/* How one rule came out. */
struct tally {
    struct slice rule, title;
    size_t before, after, added, removed, changed;
};

struct comparing {
    struct cli *cli;
    const struct config *config;
    const struct playlist *list;
    struct geo *geo;
    struct arena *arena;
    struct side before, after, *filling;
    struct table *tallies;
    struct text_table *table;
    struct progress progress;
    uint64_t played; /* bytes of the first pass */
    size_t added, removed, changed, same;
};

/* ---- playing ---- */

static int keep(void *ctx, const struct alert *a)
{
    struct comparing *c = ctx;
    struct side *s = c->filling;
    AUTO_BUF group = BUF_INIT;
    AUTO_BUF document = BUF_INIT;
    struct json_writer w = json_writer(&document);
    struct told *t;

    if (s->n == ALERTS_MAX)
        return -E2BIG;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 256;
        struct told *list = realloc(s->list, cap * sizeof *list);

        if (!list)
            return -ENOMEM;
        s->list = list;
        s->cap = cap;
    }
    replay_group(a, &group);
    if (cli_has(c->cli, CLI_JSON))
        alert_json(a, &w);
    t = &s->list[s->n];
    *t = (struct told){ .rule = arena_slice(c->arena, a->rule_id),
                        .title = arena_slice(c->arena, a->rule_title),
                        .group = arena_slice(c->arena, buf_view(&group)),
                        .channel = arena_slice(c->arena, a->channel),
                        .document = arena_slice(c->arena, buf_view(&document)),
                        .time_us = a->time_us,
                        .count = a->count,
                        .ban_us = a->ban.wanted ? a->ban.for_us : 0,
                        .level = a->level,
                        .order = s->n };
    s->n++;
    return t->rule.p && t->title.p && t->group.p && t->channel.p && t->document.p &&
                   buf_ok(&group) && buf_ok(&document)
               ? 0
               : -ENOMEM;
}

static void on_progress(void *ctx, uint64_t bytes, uint64_t lines)
{
    struct comparing *c = ctx;

    progress_step(&c->progress, c->played + bytes, lines);
}

static int play(struct comparing *c, const struct engine *e, struct side *side, bool notices)
{
    struct replay_request q = { .engine = e,
                                .files = c->list->files,
                                .nfiles = c->list->n,
                                .geo = c->geo,
                                .alert = keep,
                                .progress = on_progress,
                                .notice = notices ? replay_notice : NULL,
                                .ctx = c };
    struct replay_stats stats;
    struct err err = ERR_NONE;
    int r = replay_workers(c->cli, &q.workers);

    if (r)
        return r;
    c->filling = side;
    q.groups_max = c->config ? c->config->groups_max : 0;
    q.block_bytes = c->config ? c->config->block_bytes : 0;
    r = replay_run(&q, &stats, &err);
    c->played = stats.bytes;
    if (r < 0 && !err.text[0])
        err_set(&err, r, r == -E2BIG ? "more than a million alerts" : "out of memory");
    return r < 0 ? cli_error(&err) : EXIT_DONE;
}

/* ---- comparing ---- */

/* Of equal rule, group and time the first of one is the first of the other. */
static int same_alert(const struct told *a, const struct told *b)
{
    int r = (a->time_us > b->time_us) - (a->time_us < b->time_us);

    r = r ? r : slice_cmp(a->rule, b->rule);
    return r ? r : slice_cmp(a->group, b->group);
}

static int by_key(const void *x, const void *y)
{
    const struct told *a = x, *b = y;
    int r = same_alert(a, b);

    return r ? r : (a->order > b->order) - (a->order < b->order);
}

static struct tally *tally_of(struct comparing *c, const struct told *t)
{
    struct tally *tally = table_get(c->tallies, t->rule);

    if (tally)
        return tally;
    tally = arena_alloc(c->arena, sizeof *tally);
    if (!tally || table_put(c->tallies, t->rule, tally) < 0)
        return NULL;
    tally->rule = t->rule;
    tally->title = t->title;
    return tally;
}

static void row(struct comparing *c, const char *mark, const struct told *t)
{
    char time[TIME_TEXT_SIZE];

    time_text(t->time_us, time);
    time[19] = 'Z';
    time[20] = '\0';
    text_table_cell(c->table, slice_str(mark));
    text_table_cell(c->table, slice_str(time));
    text_table_cell(c->table, slice_str(level_name(t->level)));
    text_table_cell(c->table, t->channel);
    text_table_cellf(c->table, "%llu", (unsigned long long)t->count);
    text_table_cell(c->table, t->group);
    text_table_cell(c->table, t->title);
}

static void tell(struct comparing *c, const char *change, const char *mark, const struct told *t)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    if (!cli_has(c->cli, CLI_JSON)) {
        if (!cli_has(c->cli, CLI_QUIET))
            row(c, mark, t);
        return;
    }
    json_object(&w);
    json_member_str(&w, "change", change);
    json_key(&w, "alert");
    json_put_raw(&w, t->document);
    json_object_end(&w);
    fprintf(c->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

/* The same alert: is it told otherwise? */
static int both(struct comparing *c, const struct told *old, const struct told *new)
{
    struct tally *tally = tally_of(c, new);
    bool changed = old->level != new->level || old->ban_us != new->ban_us;

    if (!tally)
        return -ENOMEM;
    tally->before++;
    tally->after++;
    tally->changed += changed;
    c->changed += changed;
    c->same += !changed;
    if (changed)
        tell(c, "changed", "~", new);
    return 0;
}

static int only(struct comparing *c, const struct told *t, bool added)
{
    struct tally *tally = tally_of(c, t);

    if (!tally)
        return -ENOMEM;
    *(added ? &tally->after : &tally->before) += 1;
    *(added ? &tally->added : &tally->removed) += 1;
    *(added ? &c->added : &c->removed) += 1;
    tell(c, added ? "added" : "removed", added ? "+" : "-", t);
    return 0;
}

static int compare(struct comparing *c)
{
    struct side *old = &c->before, *new = &c->after;
    size_t i = 0, j = 0;
    int r = 0;

    if (old->n)
        qsort(old->list, old->n, sizeof *old->list, by_key);
    if (new->n)
        qsort(new->list, new->n, sizeof *new->list, by_key);
    while (r == 0 && (i < old->n || j < new->n)) {
        int order = i == old->n ? 1 : j == new->n ? -1 : same_alert(&old->list[i], &new->list[j]);

        if (order == 0)
            r = both(c, &old->list[i++], &new->list[j++]);
        else if (order < 0)
            r = only(c, &old->list[i++], false);
        else
            r = only(c, &new->list[j++], true);
    }
    return r;
}

/* ---- telling ---- */

static void summary_json(struct comparing *c)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);
    struct slice key;
    void *value;

    json_object(&w);
    json_member_str(&w, "change", "summary");
    json_member_u64(&w, "added", c->added);
    json_member_u64(&w, "removed", c->removed);
    json_member_u64(&w, "changed", c->changed);
    json_member_u64(&w, "same", c->same);
    json_key(&w, "rules");
    json_array(&w);
    for (size_t i = 0; table_next(c->tallies, &i, &key, &value);) {
        const struct tally *t = value;

        json_object(&w);
        json_member_slice(&w, "id", t->rule);
        json_member_slice(&w, "title", t->title);
        json_member_u64(&w, "before", t->before);
        json_member_u64(&w, "after", t->after);
        json_member_u64(&w, "added", t->added);
        json_member_u64(&w, "removed", t->removed);
        json_member_u64(&w, "changed", t->changed);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    fprintf(c->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

static void tallies_text(struct comparing *c)
{
    static const char *const headings[] = { "BEFORE", "AFTER", "+", "-", "~", "RULE", NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct slice key;
    void *value;

    for (size_t i = 0; table && table_next(c->tallies, &i, &key, &value);) {
        const struct tally *t = value;

        text_table_cellf(table, "%zu", t->before);
        text_table_cellf(table, "%zu", t->after);
        text_table_cellf(table, "%zu", t->added);
        text_table_cellf(table, "%zu", t->removed);
        text_table_cellf(table, "%zu", t->changed);
        text_table_cell(table, t->title);
    }
    if (table && table_count(c->tallies))
        text_table_print(table, c->cli->out);
}

static void summary_text(struct comparing *c)
{
    FILE *out = c->cli->out;

    if (!cli_has(c->cli, CLI_QUIET)) {
        if (c->added + c->removed + c->changed) {
            text_table_print(c->table, out);
            fputs("\n", out);
        }
        tallies_text(c);
        fputs(table_count(c->tallies) ? "\n" : "", out);
    }
    fprintf(out,
            "%zu alerts as before, %zu new (+), %zu gone (-), %zu of another level or ban (~)\n",
            c->same, c->added, c->removed, c->changed);
}

/* ---- the command ---- */

static int load_before(const struct cli *cli, struct diag *d, struct engine **ret)
{
    const char *paths[CLI_VALUES_MAX];
    struct engine_request q = { .rule_paths = paths, .no_library = cli_has(cli, CLI_NO_LIBRARY) };

    for (size_t i = 0; i < cli->nmany; i++)
        if (cli->many_of[i] == CLI_AGAINST_RULES)
            paths[q.nrule_paths++] = cli->many[i];
    if (engine_load(&q, d, ret) < 0)
        return EXIT_FAILED;
    return diag_errors(d) ? cli_diag(cli, d) : EXIT_DONE;
}

static int run(struct comparing *c, const struct engine *before, const struct engine *after)
{
    uint64_t bytes = files_size(c->cli->args, c->cli->nargs);
    int r;

    progress_start(&c->progress, "replay", 2 * bytes);
    r = play(c, before, &c->before, false);
    if (r == EXIT_DONE)
        r = play(c, after, &c->after, true);
    progress_end(&c->progress);
    if (r == EXIT_DONE && compare(c) < 0) {
        fputs("trailwarden: out of memory\n", stderr);
        r = EXIT_FAILED;
    }
    if (r)
        return r;
    (cli_has(c->cli, CLI_JSON) ? summary_json : summary_text)(c);
    return cli_has(c->cli, CLI_FAIL_ON_CHANGE) && c->added + c->removed + c->changed
               ? EXIT_ANSWER_NO
               : EXIT_DONE;
}

int replay_against(struct cli *cli, const struct config *config, const struct engine *e,
                   const struct playlist *list)
{
    static const char *const headings[] = { " ",     "TIME", "LEVEL", "CHANNEL",
                                            "COUNT", "WHO",  "WHAT",  NULL };
    AUTO(diag) d = diag_new();
    AUTO(engine) before = NULL;
    AUTO(arena) arena = arena_new(1 << 16, 1u << 30);
    AUTO(table) tallies = table_new(0);
    AUTO(text_table) table = text_table_new(headings);
    AUTO(geo) geo = NULL;
    struct comparing c = { .cli = cli,
                           .config = config,
                           .list = list,
                           .arena = arena,
                           .tallies = tallies,
                           .table = table };
    struct err err = ERR_NONE;
    int r = d && arena && tallies && table ? load_before(cli, d, &before) : EXIT_FAILED;

    if (r)
        return r;
    if (config && config->geo.n && geo_open(config->geo.items, config->geo.n, &geo, &err) < 0)
        return cli_error(&err);
    c.geo = geo;
    r = run(&c, before, e);
    free(c.before.list);
    free(c.after.list);
    return r;
}
