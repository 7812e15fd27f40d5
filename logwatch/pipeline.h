/*
 * Pipeline: the running daemon. Opens what the configuration names and turns
 * the wheel: read, match, commit, sign, deliver. Read pipeline_turn() first.
 */
#pragma once

#include "logwatch/config.h"

struct pipeline_options {
    bool once; /* end when all there is was read, committed and delivered */
    bool quiet; /* no line for each alert on stdout */
    /* Told of each alert document after its commit; may be NULL. */
    void (*alert)(void *ctx, const struct alert *alert);
    void *ctx;
};

/* Returns when told to end (SIGTERM, SIGINT) or, with `once`, when idle. */
int pipeline_run(const struct config *c, const struct pipeline_options *o, struct err *err);
