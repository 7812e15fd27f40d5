/*
 * Own child: with `--single` the process of a receiver or of the blocker is forked by the core
 * itself; else the parent does that (parent-child.c). It keeps all rights, and dies with us.
 */
#pragma once

#include <sys/types.h>

#include "base/err.h"

/* work() gets its end of the line (SOCK_SEQPACKET), closes what is others', and returns at the end.
 * Ours is *ret_fd. */
int own_child_start(void (*work)(void *ctx, int fd), void *ctx, pid_t *ret_pid, int *ret_fd,
                    struct err *err);
/* Closes the line (-1: there is none), ends the child (0: none) and waits for it. */
void own_child_end(pid_t *pid, int *fd);
