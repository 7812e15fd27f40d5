/*
 * Running another program, or a piece of ours in a child, with a deadline.
 *
 * No shell anywhere. The child gets its own process group, the environment
 * given (NULL: PATH and LANG=C only), stdin from `input`, and only
 * descriptors 0-2. Past the deadline the group gets SIGKILL; when the child ends
 * by itself, what it left running in its group gets it, too. Output is kept up to
 * its limit, the rest is read and dropped. SIGCHLD must not be ignored, else the
 * exit status is lost (status -1).
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct proc_result {
    int status; /* exit status; -1 when it died by a signal */
    int signal; /* 0 or the signal */
    bool timed_out;
    struct buf out; /* stdout and stderr, added to it; give it a limit; the caller frees */
};

/* argv[0] is an absolute path. 0 when it ran (look at the result), negative errno when it could not
 * start. */
int proc_run(const char *const *argv, const char *const *env, struct slice input,
             uint64_t timeout_us, struct proc_result *ret, struct err *err);

/* Runs fn(ctx, out_fd) in a forked child; its return value is the exit status (0..255). */
int proc_call(int (*fn)(void *ctx, int out_fd), void *ctx, uint64_t timeout_us,
              struct proc_result *ret, struct err *err);
