/*
 * Privileges: what this process may still do, taken away for good.
 *
 *     privileges_drop()   groups and user, capabilities, no new privileges, no dump, limits,
 *                         Landlock, seccomp: in this order
 *
 * Called once by each role after it has opened what needs rights. It fails
 * closed: on an error the process must end. Only what the kernel does not know
 * (Landlock before 5.13, some of its rights before later ABIs) is left out and
 * told in `ret_missing`. System calls that are refused give EPERM, those that
 * nobody listed give ENOSYS, so a library's own fallback works; nothing kills.
 *
 * Programs built with a sanitizer keep all other system calls (its runtime
 * needs them) and have no memory limit; what is refused below is refused there, too.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* Beyond reading, writing and polling open descriptors, memory, time and opening files. */
enum privileges_may {
    MAY_WRITE_FILES = 1, /* create, rename, unlink, truncate, lock; where: Landlock */
    MAY_ACCEPT = 2, /* connections on sockets that are open already */
    MAY_CONNECT = 4, /* sockets and connections of its own */
    MAY_EXEC = 8, /* fork and run programs */
    MAY_FORK = 16, /* fork and wait, no exec */
    MAY_THREAD = 32,
    MAY_PASS = 64, /* sendmsg and recvmsg: descriptors over a socket */
};

struct privileges {
    unsigned may; /* enum privileges_may */
    /* Folders (all below them) and files; what does not exist is left out. NULL-terminated; NULL =
     * none. Without Landlock only user and group hold. */
    const char *const *read;
    const char *const *write; /* and read */
    const char *const *exec; /* and read */
    bool anywhere; /* no Landlock at all: for receivers that run programs of the operator */
    const char *const *capabilities; /* kept: "dac_read_search", "net_admin"; NULL = none */
    const char *user; /* when root: change to it with its groups; NULL = stay */
    uint64_t memory_max; /* bytes of private writable memory (RLIMIT_DATA); 0 = as it is */
    unsigned files_max; /* descriptors; 0 = as it is */
};

/* ret_missing may be NULL; else gets words like "landlock" or "landlock: truncate", comma-separated.
 */
int privileges_drop(const struct privileges *p, struct buf *ret_missing, struct err *err);

/* For `doctor`: the kernel's Landlock ABI, 0 = none. */
int privileges_landlock_abi(void);
