/* trail prune, trail erase: old entries and personal data, by hand, while no daemon runs. */
#include "audit/keep.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/num.h"
#include "logwatch/commands/trail-keep.h"
#include "logwatch/core-keep.h"

#define FILES 1000 /* removed a step; all of them in the end */

static int usage(const char *command, const char *text)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden %s --help`\n", text, command);
    return EXIT_USAGE;
}

int trail_settle(struct core *core, struct err *err)
{
    int r = core_commit(core, err);

    if (r == 0)
        r = core_checkpoint(core, true, err);
    while (r == 0 && (r = audit_keep_step(core_audit(core), FILES, err)) == 1)
        r = 0;
    return r;
}

int trail_attach(const struct config *c, struct core **ret_core, struct err *err)
{
    static const struct clock real = CLOCK_REAL;
    int r = cli_check_owner(c, err);

    if (r == 0)
        r = core_attach(c, &real, ret_core, err);
    if (r == 0 && audit_keep_busy(core_audit(*ret_core)))
        r = trail_settle(*ret_core, err);
    return r;
}

void trail_who(struct buf *out)
{
    AUTO_BUF members = BUF_INIT;

    cli_who(&members);
    for (size_t i = 0; i < members.n; i++)
        if (members.p[i] != '"')
            buf_char(out, members.p[i] == ':' ? ' ' : members.p[i]);
}

/* ---- prune ---- */

struct pruning {
    struct cli *cli;
    struct config *config;
    struct audit_limits limits;
    struct audit_prune plan;
};

static int want_limits(struct pruning *p)
{
    static const char bad[] = "--keep is a duration like 400d, --before a time like"
                              " 2026-11-21T00:00:00Z, --before-entry a number";
    const struct clock real = CLOCK_REAL;
    const char *const *v = p->cli->values;
    uint64_t now = clock_now(&real), keep = p->config->keep_us;
    bool given = v[CLI_KEEP] || v[CLI_BEFORE] || v[CLI_BEFORE_ENTRY];

    if ((v[CLI_KEEP] != NULL) + (v[CLI_BEFORE] != NULL) + (v[CLI_BEFORE_ENTRY] != NULL) > 1)
        return usage("trail prune", "one of --keep, --before, --before-entry is enough");
    if (v[CLI_KEEP] && (parse_duration(slice_str(v[CLI_KEEP]), &keep) < 0 || keep == 0))
        return usage("trail prune", bad);
    if ((v[CLI_KEEP] || !given) && keep && keep < now)
        p->limits.before_us = now - keep;
    if (!given)
        p->limits.bytes_max = p->config->keep_bytes;
    if (v[CLI_BEFORE] && time_parse_rfc3339(slice_str(v[CLI_BEFORE]), &p->limits.before_us) < 0)
        return usage("trail prune", bad);
    if (v[CLI_BEFORE_ENTRY] &&
        parse_u64(slice_str(v[CLI_BEFORE_ENTRY]), 1, UINT64_MAX, &p->limits.before_entry) < 0)
        return usage("trail prune", bad);
    if (p->limits.before_us || p->limits.bytes_max || p->limits.before_entry)
        return EXIT_DONE;
    return usage("trail prune", "the configuration keeps entries for ever: say --keep, --before or"
                                " --before-entry");
}

/* The limit in the words it was given in. */
static void prune_reason(const struct pruning *p, struct buf *out)
{
    static const enum cli_option_id ids[] = { CLI_KEEP, CLI_BEFORE, CLI_BEFORE_ENTRY };

    buf_str(out, "command: ");
    for (size_t i = 0; i < ARRAY_SIZE(ids); i++)
        if (cli_has(p->cli, ids[i])) {
            buf_printf(out, "%s %s", cli_options[ids[i]].name, p->cli->values[ids[i]]);
            return;
        }
    buf_str(out, "as configured");
}

static int declare_prune(struct core *core, const struct pruning *p, struct err *err)
{
    AUTO_BUF reason = BUF_INIT;
    AUTO_BUF members = BUF_INIT;

    prune_reason(p, &reason);
    core_keep_members(&members, &p->plan, reason.p ? reason.p : "");
    buf_char(&members, ',');
    cli_who(&members);
    if (!buf_ok(&reason) || !buf_ok(&members))
        return err_nomem(err);
    return core_note(core, "trail.prune", buf_view(&members), err);
}

static int prune(struct pruning *p, struct err *err)
{
    AUTO(core) core = NULL;
    int r = trail_attach(p->config, &core, err);

    if (r == 0)
        r = audit_prune_plan(core_audit(core), &p->limits, &p->plan, err);
    if (r < 0 || p->plan.min == p->plan.from || cli_has(p->cli, CLI_DRY_RUN))
        return r;
    r = audit_prune_begin(core_audit(core), &p->plan, err);
    if (r == 0)
        r = declare_prune(core, p, err);
    return r < 0 ? r : trail_settle(core, err);
}

static void prune_json(const struct pruning *p)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    json_member_bool(&w, "done", p->plan.min > p->plan.from && !cli_has(p->cli, CLI_DRY_RUN));
    json_member_u64(&w, "first", p->plan.from);
    json_member_u64(&w, "min", p->plan.min);
    json_member_u64(&w, "segments", p->plan.segments);
    json_member_u64(&w, "bytes", p->plan.bytes);
    json_object_end(&w);
    fprintf(p->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

static void prune_text(const struct pruning *p)
{
    if (p->plan.min == p->plan.from)
        fprintf(p->cli->out, "nothing to prune: the first entry is %llu\n",
                (unsigned long long)p->plan.from);
    else
        fprintf(p->cli->out, "%s: entries %llu to %llu, %llu segments, %llu bytes\n",
                cli_has(p->cli, CLI_DRY_RUN) ? "would go" : "gone",
                (unsigned long long)p->plan.from, (unsigned long long)p->plan.min - 1,
                (unsigned long long)p->plan.segments, (unsigned long long)p->plan.bytes);
}

int command_trail_prune(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    struct pruning p = { .cli = cli };
    struct err err = ERR_NONE;
    int r = d ? cli_config(cli, false, d, &c) : EXIT_FAILED;

    if (r)
        return r;
    p.config = c;
    r = want_limits(&p);
    if (r)
        return r;
    umask(0027);
    if (prune(&p, &err) < 0)
        return cli_error(&err);
    if (cli_has(cli, CLI_JSON))
        prune_json(&p);
    else
        prune_text(&p);
    return EXIT_DONE;
}

/* ---- erase ---- */

struct erasing {
    struct cli *cli;
    struct audit_subject subjects[CLI_VALUES_MAX];
    size_t nsubjects;
    struct erase_plan *plan; /* with --dry-run, and until it is begun */
    struct audit_erasure found;
    struct store_erased stored;
    struct buf list; /* JSON: entries and names */
    struct json_writer w;
};

static bool person_in(void *ctx, struct slice name, struct slice text)
{
    const struct erasing *e = ctx;

    for (size_t i = 0; i < e->nsubjects; i++)
        if (audit_subject_in(&e->subjects[i], name, text))
            return true;
    return false;
}

static int want_subjects(struct erasing *e)
{
    const struct cli *cli = e->cli;
    struct err err = ERR_NONE;

    for (size_t i = 0; i < cli->nmany; i++)
        if (audit_subject_parse(slice_str(cli->many[i]), cli->many_of[i] == CLI_NAME,
                                &e->subjects[e->nsubjects++], &err) < 0)
            return usage("trail erase", err.text);
    if (e->nsubjects == 0)
        return usage("trail erase", "--subject KIND=VALUE or --name FIELD=VALUE is wanted");
    if (cli_has(cli, CLI_DRY_RUN))
        return EXIT_DONE;
    if (!cli_has(cli, CLI_REASON))
        return usage("trail erase", "--reason is wanted: the trail says why");
    if (person_in(e, SLICE_NONE, slice_str(cli->values[CLI_REASON])))
        return usage("trail erase", "the reason names the person, and it would stand in the trail"
                                    " for ever");
    return EXIT_DONE;
}

static void list_entry(void *ctx, uint64_t index, struct slice names)
{
    struct erasing *e = ctx;

    json_object(&e->w);
    json_member_u64(&e->w, "entry", index);
    json_key(&e->w, "names");
    json_put_raw(&e->w, names);
    json_object_end(&e->w);
}

/* The store first: what is ended behind that is done again by the same command. */
static int erase(struct erasing *e, const struct config *c, struct err *err)
{
    AUTO(core) core = NULL;
    AUTO_BUF by = BUF_INIT;
    bool dry = cli_has(e->cli, CLI_DRY_RUN);
    struct audit *a;
    int r = trail_attach(c, &core, err);

    if (r < 0)
        return r;
    a = core_audit(core);
    r = audit_erase_plan(a, e->subjects, e->nsubjects, &e->plan, &e->found, err);
    if (r == 0)
        r = store_erase(core_store(core), person_in, e, dry, &e->stored, err);
    if (r < 0)
        return r;
    e->w = json_writer(&e->list);
    json_array(&e->w);
    audit_erase_plan_each(e->plan, list_entry, e);
    json_array_end(&e->w);
    if (dry || e->found.entries == 0)
        return 0;
    trail_who(&by);
    if (!buf_ok(&by))
        return err_nomem(err);
    r = audit_erase_begin(a, TAKE(e->plan), e->cli->values[CLI_REASON], by.p, err);
    if (r == 0)
        r = core_keep_owed(core, err);
    return r < 0 ? r : trail_settle(core, err);
}

static void erase_json(struct erasing *e)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    json_member_bool(&w, "done", !cli_has(e->cli, CLI_DRY_RUN));
    json_member_u64(&w, "values", e->found.values);
    json_member_u64(&w, "segments", e->found.segments);
    json_member_u64(&w, "alerts", e->stored.alerts);
    json_member_u64(&w, "messages", e->stored.messages);
    json_member_u64(&w, "signals", e->stored.signals);
    json_member_u64(&w, "bans", e->stored.bans);
    json_key(&w, "entries");
    json_put_raw(&w, buf_view(&e->list));
    json_object_end(&w);
    fprintf(e->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

static void erase_text(struct erasing *e)
{
    FILE *out = e->cli->out;

    fprintf(out,
            "%s: %llu values of %llu entries in %llu segments of the trail; in the state %llu"
            " alerts, %llu messages, %llu signals, %llu bans\n",
            cli_has(e->cli, CLI_DRY_RUN) ? "would be erased" : "erased",
            (unsigned long long)e->found.values, (unsigned long long)e->found.entries,
            (unsigned long long)e->found.segments, (unsigned long long)e->stored.alerts,
            (unsigned long long)e->stored.messages, (unsigned long long)e->stored.signals,
            (unsigned long long)e->stored.bans);
    if (!cli_has(e->cli, CLI_DRY_RUN))
        fputs("not reached: messages that were sent, backups, the logs themselves, and blocks that"
              " the file system freed\n",
              out);
}

int command_trail_erase(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    struct erasing e = { .cli = cli };
    struct err err = ERR_NONE;
    int r = want_subjects(&e);

    if (r == EXIT_DONE)
        r = d ? cli_config(cli, false, d, &c) : EXIT_FAILED;
    if (r)
        return r;
    umask(0027);
    if (erase(&e, c, &err) < 0)
        r = cli_error(&err);
    else if (cli_has(cli, CLI_JSON))
        erase_json(&e);
    else
        erase_text(&e);
    audit_erase_plan_free(e.plan);
    buf_fini(&e.list);
    return r;
}
