/* trail prune: what becomes of old entries, by hand, while no daemon runs. */
#include "audit/keep.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/num.h"
#include "logwatch/commands/common.h"
#include "logwatch/core-keep.h"
#include "logwatch/core.h"

#define FILES 1000 /* removed a step; all of them in the end */

static int usage(const char *command, const char *text)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden %s --help`\n", text, command);
    return EXIT_USAGE;
}

/* Entries become true and signed, and what they declare is done. */
static int settle(struct core *core, struct err *err)
{
    int r = core_commit(core, err);

    if (r == 0)
        r = core_checkpoint(core, true, err);
    while (r == 0 && (r = audit_keep_step(core_audit(core), FILES, err)) == 1)
        r = 0;
    return r;
}

/* The trail, writable; what an earlier run began is finished. */
static int attach(const struct config *c, struct core **ret_core, struct err *err)
{
    static const struct clock real = CLOCK_REAL;
    int r = cli_check_owner(c, err);

    if (r == 0)
        r = core_attach(c, &real, ret_core, err);
    if (r == 0 && audit_keep_busy(core_audit(*ret_core)))
        r = settle(*ret_core, err);
    return r;
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
    int r = attach(p->config, &core, err);

    if (r == 0)
        r = audit_prune_plan(core_audit(core), &p->limits, &p->plan, err);
    if (r < 0 || p->plan.min == p->plan.from || cli_has(p->cli, CLI_DRY_RUN))
        return r;
    r = audit_prune_begin(core_audit(core), &p->plan, err);
    if (r == 0)
        r = declare_prune(core, p, err);
    return r < 0 ? r : settle(core, err);
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
