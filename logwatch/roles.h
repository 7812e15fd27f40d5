/*
 * Roles: what each process of `run` does and may do.
 *
 *     parent   parent.h: opens sockets, forks the others, starts them again
 *     reader   steps 1-5: reads logs; writes nothing, reaches nobody, runs nothing
 *     core     steps 6-9: writes state and trail, holds the keys; parses nothing foreign
 *     sender   step 10, one for each receiver: network and its secret; no logs, no state
 *     blocker  bans: CAP_NET_ADMIN and requests of a fixed size; no logs, no state, no network
 *     forwarder entries to a program elsewhere, one for each: as a sender (forward.h)
 *     resolver names of the allow list: DNS, and nothing else (names.h)
 *
 * They are forked, not executed again: all have the one configuration that the
 * parent compiled (a restart or a reload can never see half of a changed
 * one), share its memory, and need no executable memory of their own. Each
 * drops its rights before it reads its first byte (role-rights.c); a step that
 * fails ends the process. A role function returns its exit status.
 */
#pragma once

#include "logwatch/config.h"
#include "logwatch/wire.h"

enum role_exit {
    ROLE_DONE = 0,
    ROLE_FAILED = 1, /* said on stderr; starting again is worth trying */
    ROLE_HOPELESS = 2, /* state or trail cannot be used: only the operator can mend that */
};

struct role_start {
    struct config *config;
    int parent; /* core: line of notes to the parent */
    int core; /* reader, sender, blocker: line to the core */
    size_t index; /* sender, forwarder: which receiver */
    const char *why; /* core: "daemon.start", "daemon.reload", "daemon.restart" */
    bool once;
};

int role_reader(const struct role_start *s);
int role_core(const struct role_start *s);
int role_sender(const struct role_start *s);
int role_blocker(const struct role_start *s);
int role_resolver(const struct role_start *s);
int role_forwarder(const struct role_start *s);

/* ---- role-rights.c ---- */

/* State, trail and keys, by the parent: for the core's user, who may not make them. */
int role_make_folders(const struct config *c, struct err *err);

/*
 * Which files and folders the role's rights lie on, now: they belong to what is there, not to its
 * name. Another mark than at the start means that a folder was made anew (or for the first
 * time), and only a new process gets to it.
 */
void role_rights_mark(enum role role, const struct role_start *s, uint8_t ret_mark[32]);

/* Fails closed: the caller ends. Says on its first call what the kernel cannot take away. */
int role_drop_rights(enum role role, const struct role_start *s, struct err *err);
