/*
 * The control socket: how a command asks the running daemon.
 *
 * STATE/control, a SOCK_SEQPACKET socket that only the owner may open; the
 * peer's user is checked as well (SO_PEERCRED: root or our own). A request is
 * one short word, the answer one text: "ok ..." or "failed: ...".
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define CONTROL_REQUEST_MAX 64
#define CONTROL_ANSWER_MAX 4000

/* The daemon's side. A socket of that name that nobody listens on is replaced. */
int control_listen(const char *state, int *ret_fd, struct err *err);
/* The next request: 1, the word in `request`, *ret_fd to answer on (the caller's). 0 = none. */
int control_accept(int listener, char request[CONTROL_REQUEST_MAX], int *ret_fd);
/* Answers and closes. */
void control_answer(int fd, const char *text);

/* A command's side. -ECONNREFUSED: no daemon. -EACCES. The answer is added to `out`. */
int control_ask(const char *state, const char *request, uint64_t timeout_us, struct buf *out,
                struct err *err);
