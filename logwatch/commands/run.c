/* run, reload. */
#include <errno.h>
#include <sys/stat.h>

#include "base/log.h"
#include "logwatch/commands/common.h"
#include "logwatch/control.h"
#include "logwatch/parent.h"

#define RELOAD_US (120 * USEC_PER_SEC)

static void say_what_is_followed(const struct config *c)
{
    for (size_t i = 0; i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++)
            log_notice("channel %.*s: following %s", SLICE_FMT(c->channels[i].name),
                       c->channels[i].inputs[j].name);
    for (size_t i = 0; i < c->nsinks; i++)
        log_notice("alerts go to %s (%s)", c->sinks[i].name, c->sinks[i].ops->name);
    if (c->bans.blocker)
        log_notice("bans by %s", c->bans.blocker->ops->name);
    for (size_t i = 0; i < c->nanchors; i++)
        log_notice("checkpoints of the trail go to %s", c->anchors[i].sink->name);
}

static int run_single(const struct config *c, const struct run_options *o)
{
    struct err err = ERR_NONE;

    say_what_is_followed(c);
    return pipeline_run(c, o, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

static int run_roles(struct cli *cli, struct config *c, const struct run_options *run)
{
    const struct parent_options o = {
        .run = *run,
        .request = { .path = cli->values[CLI_CONFIG],
                     .state = cli->values[CLI_STATE],
                     .discover = true },
        .loaded = say_what_is_followed,
    };
    struct err err = ERR_NONE;

    return parent_run(c, &o, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

int command_run(struct cli *cli)
{
    const struct run_options run = { .once = cli_has(cli, CLI_ONCE) };
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    int r;

    log_init(cli_has(cli, CLI_QUIET)     ? LOG_LEVEL_ERROR
             : cli_has(cli, CLI_VERBOSE) ? LOG_LEVEL_DEBUG
                                         : LOG_LEVEL_NOTICE,
             "trailwarden");
    r = d ? cli_config(cli, true, d, &c) : EXIT_FAILED;
    if (r)
        return r;
    diag_print(d, stderr, false); /* warnings */
    if (c->nchannels == 0) {
        fputs("trailwarden: nothing to follow: no known unit or log was found on this host;\n"
              "name inputs in " CONFIG_PATH " (see `trailwarden help config`)\n",
              stderr);
        return EXIT_CONFIGURATION;
    }
    umask(0027);
    return cli_has(cli, CLI_SINGLE) ? run_single(c, &run) : run_roles(cli, TAKE(c), &run);
}

/* The texts are checked here first, so that faults come with place and hint. */
int command_reload(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    AUTO_BUF answer = BUF_INIT;
    struct err err = ERR_NONE;
    int r = d ? cli_config(cli, true, d, &c) : EXIT_FAILED;

    if (r)
        return r;
    if (control_ask(c->state, "reload", RELOAD_US, &answer, &err) < 0) {
        r = cli_error(&err);
        return err.code == -ECONNREFUSED || err.code == -ETIMEDOUT ? EXIT_NO_DAEMON : r;
    }
    if (cli_has(cli, CLI_JSON)) {
        AUTO_BUF out = BUF_INIT;
        struct json_writer w = json_writer(&out);

        json_object(&w);
        json_member_bool(&w, "ok", slice_starts(buf_view(&answer), SLICE("ok")));
        json_member_buf(&w, "answer", &answer);
        json_object_end(&w);
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&out)));
    } else {
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&answer)));
    }
    return slice_starts(buf_view(&answer), SLICE("ok")) ? EXIT_DONE : EXIT_FAILED;
}
