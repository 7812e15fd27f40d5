/*
 * Which system calls: an allow list by libseccomp.
 *
 * The list was measured (strace of files, journal, SQLite, trail, curl, libesmtp)
 * and has what a newer libc calls instead. Three tables say all of it:
 *
 *     calls     whole calls, each with the rights that allow it
 *     flagged   calls that are allowed by some of the bits of an argument
 *     pointed   calls that are allowed when a pointer is NULL
 *
 * What a table names and the rights do not give: EPERM. What no table names:
 * ENOSYS, so that a library falls back to what it did before that call existed.
 * With MAY_EXEC (the programs of an operator are not known) and in builds with a
 * sanitizer (its runtime is not known) the unnamed calls are allowed.
 *
 * Arguments are compared in 64 bits where a list allows, in the bits that the
 * kernel looks at where a mask does: garbage in the upper half opens nothing.
 */
#include "base/privileges-private.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <netinet/in.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>

/* Allowed to every role; to none. */
#define ALWAYS 0u
#define NEVER (1u << 31)

#define FORKS (MAY_FORK | MAY_EXEC)
#define STREAMS (MAY_ACCEPT | MAY_CONNECT | MAY_PASS | MAY_FIREWALL)

/* One of these rights is enough. */
static const struct {
    unsigned need;
    const char *names; /* with blanks between */
} calls[] = {
    /* Open descriptors. */
    { ALWAYS, "read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2 close "
              "close_range lseek _llseek dup dup2 dup3 fcntl fcntl64 poll ppoll select _newselect "
              "pselect6 epoll_create epoll_create1 epoll_ctl epoll_wait epoll_pwait epoll_pwait2 "
              "eventfd eventfd2 signalfd signalfd4 timerfd_create timerfd_settime timerfd_gettime "
              "inotify_init1 inotify_add_watch inotify_rm_watch pipe pipe2 recvfrom recv send "
              "shutdown getsockname getpeername getsockopt fsync fdatasync flock memfd_create" },
    /* Files, to look at; opening is in `flagged`. */
    { ALWAYS, "access faccessat faccessat2 stat stat64 fstat fstat64 lstat lstat64 newfstatat "
              "fstatat64 statx statfs statfs64 fstatfs fstatfs64 readlink readlinkat getdents "
              "getdents64 getcwd fadvise64 fadvise64_64 readahead umask" },
    /* Memory; mapping is in `flagged`. */
    { ALWAYS, "brk munmap mremap madvise mlock mlock2 munlock mincore msync membarrier" },
    /* Time, signals, itself. */
    { ALWAYS, "clock_gettime clock_gettime64 clock_getres clock_getres_time64 clock_nanosleep "
              "clock_nanosleep_time64 nanosleep gettimeofday time times futex futex_time64 "
              "futex_waitv futex_wait futex_wake futex_requeue set_robust_list get_robust_list "
              "rseq set_tid_address sched_yield sched_getaffinity getcpu rt_sigaction "
              "rt_sigprocmask rt_sigreturn rt_sigpending rt_sigtimedwait rt_sigtimedwait_time64 "
              "rt_sigsuspend sigreturn sigaltstack restart_syscall pause exit exit_group getpid "
              "gettid getppid getuid geteuid getgid getegid getresuid getresgid getgroups getpgrp "
              "getpgid getsid getrlimit ugetrlimit getrusage sysinfo uname getrandom" },
    { MAY_WRITE_FILES,
      "unlink unlinkat rename renameat renameat2 mkdir mkdirat rmdir link linkat symlink symlinkat "
      "truncate truncate64 ftruncate ftruncate64 fallocate chmod fchmod fchmodat fchmodat2 fchown "
      "fchown32 utime utimes futimesat utimensat utimensat_time64 sync_file_range "
      "copy_file_range creat" },
    { MAY_ACCEPT | MAY_EXEC, "accept accept4" },
    { MAY_CONNECT, "connect sendmmsg" },
    { MAY_CONNECT | MAY_FIREWALL, "bind" },
    { MAY_CONNECT | FORKS, "socketpair" },
    { MAY_CONNECT | MAY_PASS | MAY_FIREWALL, "sendmsg" },
    { STREAMS, "recvmsg recvmmsg recvmmsg_time64 setsockopt" },
    { FORKS, "fork vfork wait4 waitid waitpid pidfd_open pidfd_send_signal kill tkill setpgid" },
    { MAY_EXEC, "execve execveat listen setsid personality setuid setuid32 setgid setgid32 "
                "setreuid setreuid32 setregid setregid32 setresuid setresuid32 setresgid "
                "setresgid32 setfsuid setfsuid32 setfsgid setfsgid32 setgroups setgroups32 "
                "chown chown32 lchown lchown32 fchownat mknod mknodat setxattr lsetxattr "
                "fsetxattr removexattr lremovexattr fremovexattr chdir fchdir shmget shmat "
                "setrlimit capset sched_setaffinity sched_setscheduler sched_setparam "
                "setpriority" },
    /* With these a process reaches into others, or widens its rights. */
    { NEVER, "ptrace process_vm_readv process_vm_writev process_madvise pidfd_getfd kcmp mount "
             "umount umount2 pivot_root chroot move_mount open_tree fsopen fsconfig fsmount fspick "
             "mount_setattr unshare setns keyctl add_key request_key bpf perf_event_open "
             "io_uring_setup io_uring_enter io_uring_register userfaultfd kexec_load "
             "kexec_file_load init_module finit_module delete_module reboot swapon swapoff acct "
             "settimeofday clock_settime clock_settime64 clock_adjtime clock_adjtime64 stime iopl "
             "ioperm modify_ldt open_by_handle_at name_to_handle_at quotactl quotactl_fd "
             "syslog sethostname setdomainname vhangup lookup_dcookie fanotify_init fanotify_mark "
             "nfsservctl" },
};

/* Without the right: only calls with all of `set` and none of `clear` in the argument. */
static const struct {
    const char *name;
    unsigned arg;
    unsigned need; /* with one of these: no look at the argument */
    uint32_t set, clear;
} flagged[] = {
    { "open", 1, MAY_WRITE_FILES, 0, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC },
    { "openat", 2, MAY_WRITE_FILES, 0, O_WRONLY | O_RDWR | O_CREAT | O_TRUNC },
    { "mmap", 2, MAY_EXEC | MAY_LOAD, 0, PROT_EXEC },
    { "mmap2", 2, MAY_EXEC | MAY_LOAD, 0, PROT_EXEC },
    { "mprotect", 2, MAY_EXEC, 0, PROT_EXEC },
    { "pkey_mprotect", 2, MAY_EXEC, 0, PROT_EXEC },
};

/* clone(): namespaces never; threads or processes as the rights say. clone3() hides its flags
 * behind a pointer: ENOSYS, and libc takes clone(). */
#define CLONE_NAMESPACES                                                                           \
    (CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |  \
     CLONE_NEWNET)

static const struct {
    const char *name;
    unsigned arg;
    unsigned need; /* with one of these: any value */
} pointed[] = {
    { "sendto", 4, MAY_CONNECT | MAY_FIREWALL }, /* the address */
    { "prlimit64", 2, MAY_EXEC }, /* new limits */
};

/* newer than the headers */
#define TCGETS_2 0x802c542aul
#ifndef PR_SET_VMA
#define PR_SET_VMA 0x53564d41
#endif

static const struct {
    const char *name;
    unsigned arg;
    uint64_t values[12]; /* ends with 0, which no call here needs */
} chosen[] = {
    { "ioctl", 1, { TCGETS, TCGETS_2, TIOCGWINSZ, FIONREAD, FIONBIO, FIOCLEX, FIONCLEX } },
    { "prctl",
      0,
      { PR_SET_NAME, PR_GET_NAME, PR_SET_PDEATHSIG, PR_GET_PDEATHSIG, PR_GET_DUMPABLE,
        PR_CAPBSET_READ, PR_SET_NO_NEW_PRIVS, PR_GET_NO_NEW_PRIVS, PR_GET_SECCOMP, PR_SET_VMA } },
};

struct filter {
    scmp_filter_ctx ctx;
    unsigned may;
    bool lists; /* what is allowed must be said; else all but the refusals is allowed */
    int r; /* first failure; further rules do nothing */
    const char *name; /* of that call */
};

/* ENOSYS also where the unnamed is allowed: its flags are behind a pointer, and libc has a way
 * without.
 */
static void deny_unseen(struct filter *f, const char *name)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (f->r < 0 || nr < 0 || f->lists)
        return;
    f->r = seccomp_rule_add(f->ctx, SCMP_ACT_ERRNO(ENOSYS), nr, 0);
    if (f->r < 0)
        f->name = name;
}

/* One rule; a call that this architecture or libseccomp does not know is passed over. */
static void rule(struct filter *f, bool allow, const char *name, unsigned n,
                 const struct scmp_arg_cmp *args)
{
    int nr = seccomp_syscall_resolve_name(name);

    if (f->r < 0 || nr < 0 || (allow && !f->lists))
        return;
    f->r =
        seccomp_rule_add_array(f->ctx, allow ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM), nr, n, args);
    if (f->r < 0)
        f->name = name;
}

static void rule_arg(struct filter *f, bool allow, const char *name, struct scmp_arg_cmp arg)
{
    rule(f, allow, name, 1, &arg);
}

static struct scmp_arg_cmp compare(unsigned arg, enum scmp_compare op, uint64_t a, uint64_t b)
{
    return (struct scmp_arg_cmp){ .arg = arg, .op = op, .datum_a = a, .datum_b = b };
}

static void add_calls(struct filter *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
        struct slice rest = slice_str(calls[i].names), word;
        bool allow = calls[i].need == ALWAYS || (f->may & calls[i].need);

        while (slice_split(&rest, ' ', &word)) {
            char name[32];

            if (word.n == 0 || word.n >= sizeof name)
                continue;
            memcpy(name, word.p, word.n);
            name[word.n] = '\0';
            rule(f, allow, name, 0, NULL);
        }
    }
}

/* All of `set`, none of `clear`; one refusal for each bit that is wrong. */
static void add_bits(struct filter *f, const char *name, unsigned arg, uint32_t set, uint32_t clear)
{
    rule_arg(f, true, name, compare(arg, SCMP_CMP_MASKED_EQ, set | clear, set));
    for (uint64_t bit = 1; bit <= UINT32_MAX; bit <<= 1) {
        if (set & bit)
            rule_arg(f, false, name, compare(arg, SCMP_CMP_MASKED_EQ, bit, 0));
        if (clear & bit)
            rule_arg(f, false, name, compare(arg, SCMP_CMP_MASKED_EQ, bit, bit));
    }
}

static void add_flagged(struct filter *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(flagged); i++) {
        if (f->may & flagged[i].need)
            rule(f, true, flagged[i].name, 0, NULL);
        else
            add_bits(f, flagged[i].name, flagged[i].arg, flagged[i].set, flagged[i].clear);
    }
}

static void add_clone(struct filter *f)
{
    deny_unseen(f, "clone3");
    if (f->may & FORKS)
        add_bits(f, "clone", 0, 0, CLONE_NAMESPACES);
    else if (f->may & MAY_THREAD)
        add_bits(f, "clone", 0, CLONE_THREAD, CLONE_NAMESPACES);
    else
        rule(f, false, "clone", 0, NULL);
}

static void add_pointed(struct filter *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(pointed); i++) {
        if (f->may & pointed[i].need) {
            rule(f, true, pointed[i].name, 0, NULL);
            continue;
        }
        rule_arg(f, true, pointed[i].name, compare(pointed[i].arg, SCMP_CMP_EQ, 0, 0));
        rule_arg(f, false, pointed[i].name, compare(pointed[i].arg, SCMP_CMP_NE, 0, 0));
    }
}

static void add_chosen(struct filter *f)
{
    for (size_t i = 0; i < ARRAY_SIZE(chosen); i++)
        for (const uint64_t *v = chosen[i].values; *v; v++)
            rule_arg(f, true, chosen[i].name, compare(chosen[i].arg, SCMP_CMP_EQ, *v, 0));
}

/* Its own process: raise() and abort() use it. */
static void add_tgkill(struct filter *f)
{
    const uint64_t self = (uint64_t)getpid();

    if (f->may & FORKS) {
        rule(f, true, "tgkill", 0, NULL);
        return;
    }
    rule_arg(f, true, "tgkill", compare(0, SCMP_CMP_EQ, self, 0));
    rule_arg(f, false, "tgkill", compare(0, SCMP_CMP_NE, self, 0));
}

static bool family_allowed(const struct filter *f, uint64_t family)
{
    return (f->may & MAY_CONNECT) && (family == AF_UNIX || family == AF_INET || family == AF_INET6);
}

/* Routes for getaddrinfo() and getifaddrs(), the packet filter for who bans. */
static void add_netlink(struct filter *f)
{
    const struct scmp_arg_cmp route[] = { compare(0, SCMP_CMP_EQ, AF_NETLINK, 0),
                                          compare(2, SCMP_CMP_EQ, NETLINK_ROUTE, 0) };
    bool firewall = f->may & MAY_FIREWALL;

    rule(f, true, "socket", ARRAY_SIZE(route), route);
    for (uint64_t protocol = 1; protocol < MAX_LINKS; protocol++) {
        const struct scmp_arg_cmp other[] = { route[0], compare(2, SCMP_CMP_EQ, protocol, 0) };

        rule(f, firewall && protocol == NETLINK_NETFILTER, "socket", ARRAY_SIZE(other), other);
    }
}

/* Programs of an operator may use any family; we need those of receivers and of getaddrinfo(). */
static void add_socket(struct filter *f)
{
    if (!(f->may & (MAY_CONNECT | MAY_FIREWALL))) {
        rule(f, false, "socket", 0, NULL);
        return;
    }
    if (f->may & MAY_EXEC)
        return;
    for (uint64_t family = 0; family < AF_MAX; family++)
        if (family != AF_NETLINK)
            rule_arg(f, family_allowed(f, family), "socket", compare(0, SCMP_CMP_EQ, family, 0));
    rule_arg(f, false, "socket", compare(0, SCMP_CMP_GE, AF_MAX, 0));
    add_netlink(f);
}

static int set_attributes(struct filter *f)
{
    static const struct {
        enum scmp_filter_attr attr;
        uint32_t value;
    } attributes[] = {
        { SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS) }, /* 32-bit calls on 64 bits */
        { SCMP_FLTATR_CTL_NNP, 1 },
        { SCMP_FLTATR_CTL_OPTIMIZE, 2 }, /* a tree: fewer steps in the kernel */
    };

    for (size_t i = 0; i < ARRAY_SIZE(attributes); i++) {
        int r = seccomp_attr_set(f->ctx, attributes[i].attr, attributes[i].value);

        if (r < 0)
            return r;
    }
    return 0;
}

int privileges_seccomp(const struct privileges *p, struct err *err)
{
    struct filter f = { .may = p->may, .lists = !(p->may & MAY_EXEC) && !PRIVILEGES_SANITIZER };

    f.ctx = seccomp_init(f.lists ? SCMP_ACT_ERRNO(ENOSYS) : SCMP_ACT_ALLOW);
    if (!f.ctx)
        return err_set(err, -ENOMEM, "seccomp: no filter can be made");
    f.r = set_attributes(&f);
    add_calls(&f);
    add_flagged(&f);
    add_clone(&f);
    add_pointed(&f);
    add_chosen(&f);
    add_tgkill(&f);
    add_socket(&f);
    if (f.r == 0)
        f.r = seccomp_load(f.ctx);
    seccomp_release(f.ctx);
    if (f.r < 0)
        return err_set(err, f.r, "seccomp%s%s: %s", f.name ? ": " : "", f.name ? f.name : "",
                       err_name(f.r));
    return 0;
}
