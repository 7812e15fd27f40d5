/*
 * Parent: the process that `run` is. It opens sockets, forks the roles, starts
 * again those that end, reloads, and tells systemd. It reads configuration and
 * fixed messages of the core, never a log line.
 *
 *     SIGTERM, SIGINT   reader ends, core commits and signs, then all end
 *     SIGHUP            reload; also over the control socket (control.h)
 *
 * Who ended by himself is started again, at once the first time, then later
 * and later up to 30 s. A core that ended takes all with it: what it had not
 * committed is read again. What can only be mended by the operator (state that
 * belongs to another daemon, a trail that was cut) ends `run` with a failure.
 *
 * Reload: the new configuration is loaded and compiled whole first; with one
 * fault in it the old one stays, untouched. Then the roles end as for SIGTERM
 * and begin with the new one at the committed cursors: nothing is lost or
 * doubled, windows are folded from the stored signals, sockets stay open.
 */
#pragma once

#include "logwatch/config.h"
#include "logwatch/pipeline.h"

struct parent_options {
    struct run_options run;
    struct config_request request; /* for reloads */
    void (*loaded)(const struct config *c); /* told of each configuration that begins to run */
};

/* Takes the configuration. 0 when it was told to end; else why it had to. */
int parent_run(struct config *c, const struct parent_options *o, struct err *err);
