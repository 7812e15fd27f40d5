/*
 * Pipeline: reader and core in one process, for debugging (`run --single`).
 * The same pieces as the roles (parent.h), turned by one wheel: read, match,
 * commit, sign, deliver. Only the receivers have processes of their own.
 */
#pragma once

#include "logwatch/config.h"

struct run_options {
    bool once; /* end when all there is was read, committed and delivered */
};

/* Returns when told to end (SIGTERM, SIGINT) or, with `once`, when idle. */
int pipeline_run(const struct config *c, const struct run_options *o, struct err *err);
