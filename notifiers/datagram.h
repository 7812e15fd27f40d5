/* One datagram to a socket of this machine: the journal, a syslog daemon. */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* Is it a path that a socket can have? */
int datagram_path_check(const char *path, struct err *err);
/* Waits at most five seconds for room. 0 or negative errno. */
int datagram_send(const char *path, struct slice bytes);
