#include <sys/stat.h>

#include "base/log.h"
#include "logwatch/commands/common.h"
#include "logwatch/pipeline.h"

static void say_what_is_followed(const struct config *c)
{
    for (size_t i = 0; i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++)
            log_notice("channel %.*s: following %s", SLICE_FMT(c->channels[i].name),
                       c->channels[i].inputs[j].name);
    for (size_t i = 0; i < c->nsinks; i++)
        log_notice("alerts go to %s (%s)", c->sinks[i].name, c->sinks[i].ops->name);
    if (c->bans.sink)
        log_notice("bans by %s", c->bans.sink->ops->name);
}

int command_run(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    struct run_options o = { .once = cli_has(cli, CLI_ONCE) };
    struct err err = ERR_NONE;
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
    say_what_is_followed(c);
    umask(0027);
    return pipeline_run(c, &o, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}
