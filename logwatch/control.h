/*
 * The control socket: how a command asks the running daemon.
 *
 * STATE/control, a SOCK_SEQPACKET socket that only the owner may open; the
 * peer's user is checked as well (SO_PEERCRED: root or our own). A request is
 * one short word, the answer one text: "ok ..." or "failed: ..."; or it is an act
 * (schemas/incident.h: JSON, it begins with a brace), which the parent hands to the core with the
 * line to answer on.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define CONTROL_REQUEST_MAX 3600 /* ACT_MAX and some */
#define CONTROL_ANSWER_MAX 4000

/* The daemon's side. A socket of that name that nobody listens on is replaced. */
int control_listen(const char *state, int *ret_fd, struct err *err);
/* The next request: 1, its text in `request`, *ret_fd to answer on (the caller's), *ret_uid whose
 * it is. 0 = none. */
int control_accept(int listener, char request[CONTROL_REQUEST_MAX], int *ret_fd, uid_t *ret_uid);
/* Answers and closes. */
void control_answer(int fd, const char *text);

/*
 * A command's side. -ECONNREFUSED: no daemon. -EACCES. The answer is added to `out`. In two steps
 * several requests may be on their way; each has its own line.
 */
int control_send(const char *state, const char *request, int *ret_fd, struct err *err);
int control_receive(int fd, uint64_t timeout_us, struct buf *out, struct err *err);
int control_ask(const char *state, const char *request, uint64_t timeout_us, struct buf *out,
                struct err *err);
