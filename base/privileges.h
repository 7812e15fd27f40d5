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
 * A rule of Landlock belongs to the file or folder that is there now. One that
 * is made anew under the same name (log folders, /etc/resolv.conf) is out of reach until
 * the role is started again by a process that still has its rights. Libraries that
 * would be loaded later (SASL plugins) need MAY_LOAD, or must be loaded before.
 *
 * The process must have one thread. After it, a role ends by _exit(): the leak
 * checker of a sanitizer needs what is gone.
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
    /* Fork and run programs. What they call is not known: all but the refusals is allowed to them,
     * any family of sockets with MAY_CONNECT, and kept capabilities become ambient. */
    MAY_EXEC = 8,
    MAY_FORK = 16, /* fork and wait, no exec */
    MAY_THREAD = 32,
    /* sendmsg: descriptors over a socket. It can name an address, which no filter sees: not for a
     * process that holds a datagram socket. (recvmsg comes with ACCEPT and CONNECT, too.) */
    MAY_PASS = 64,
    MAY_LOAD = 128, /* executable mappings of files: libraries that are loaded later */
    /* Netlink sockets for routes and the packet filter, and no others; what they may do needs a
     * capability, too. */
    MAY_FIREWALL = 256,
};

struct privileges {
    unsigned may; /* enum privileges_may */
    /* Folders (all below them) and files; what does not exist is left out. NULL-terminated; NULL =
     * none. Without Landlock only user and group hold. */
    const char *const *read;
    const char *const *write; /* and read */
    const char *const *exec; /* and read */
    bool anywhere; /* no Landlock at all: for receivers that run programs of the operator */
    /* Kept, those of them that are held: "dac_read_search", "net_admin"; NULL = none. */
    const char *const *capabilities;
    bool all_capabilities; /* kept as they are */
    const char *user; /* when root: change to it with its groups; NULL = stay */
    uint64_t memory_max; /* bytes of private writable memory (RLIMIT_DATA); 0 = as it is */
    unsigned files_max; /* descriptors; 0 = as it is */
};

/* ret_missing may be NULL; else gets words like "landlock" or "landlock: truncate",
 * comma-separated.
 */
int privileges_drop(const struct privileges *p, struct buf *ret_missing, struct err *err);

/* For `doctor`: the kernel's Landlock ABI, 0 = none. */
int privileges_landlock_abi(void);
