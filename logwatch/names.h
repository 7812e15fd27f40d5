/*
 * Names: hosts of the allow list by name, asked for while we run.
 *
 * A process of its own asks the resolver and tells the core what it heard: DNS may be slow, and
 * its answers are a stranger's. They can only keep addresses from being banned, at most
 * NAME_ADDRESSES for each name; a name that does not answer keeps what it had; special addresses
 * are none.
 */
#pragma once

#include <poll.h>

#include "logwatch/core.h"

struct names;

/* *ret is NULL when no names are configured; all calls take that. */
int names_new(const struct config *c, struct names **ret, struct err *err);
void names_free(struct names *n);
int names_attach(struct names *n, int fd, struct err *err);
int names_collect(struct names *n, struct core *core, struct err *err);
size_t names_poll(const struct names *n, struct pollfd *fds, size_t max); /* 0 or 1 */

/* The process: asks now and every bans.resolve_us, until the line ends. */
void names_work(const struct config *c, int fd);
