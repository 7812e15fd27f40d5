/*
 * Rights, proved by trying: what each role may do and what is refused, by errno.
 *
 * One table of profiles, one table of attempts with the answer that each role
 * must get. Every role runs as root, as the user that root changes to, and as a
 * user from the start; each in a forked child.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <pwd.h>
#include <seccomp.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/privileges.h"
#include "base/proc.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED true
#endif
#endif
#ifndef SANITIZED
#define SANITIZED false
#endif

#define MEMORY_MAX (UINT64_C(256) << 20)
#define FILES_MAX 64
#define USER "nobody"

/* ---- the scratch tree: log and state belong to roles, other to none ---- */

static struct {
    char root[96], log[128], state[128], other[128];
    char line[160], made[160], secret[160], db[160];
    int listener, client, tcp, udp, pair[2]; /* opened before the rights go */
    struct sockaddr_in address; /* of the listener */
} at;

static void make_file(const char *path, const char *text)
{
    AUTO_FD fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
    assert_int_equal(fchmod(fd, 0666), 0);
}

static void make_folder(char *ret, size_t size, const char *name)
{
    assert_true((size_t)snprintf(ret, size, "%s/%s", at.root, name) < size);
    assert_int_equal(mkdir(ret, 0777), 0);
    assert_int_equal(chmod(ret, 0777), 0); /* only the rights in question refuse */
}

static int make_tree(void **state)
{
    const char *tmp = getenv("TMPDIR");

    (void)state;
    snprintf(at.root, sizeof at.root, "%.60s/tw-rights.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(at.root));
    assert_int_equal(chmod(at.root, 0755), 0);
    make_folder(at.log, sizeof at.log, "log");
    make_folder(at.state, sizeof at.state, "state");
    make_folder(at.other, sizeof at.other, "other");
    snprintf(at.line, sizeof at.line, "%s/a.log", at.log);
    snprintf(at.made, sizeof at.made, "%s/made", at.log);
    snprintf(at.secret, sizeof at.secret, "%s/secret", at.other);
    snprintf(at.db, sizeof at.db, "%s/x.db", at.state);
    make_file(at.line, "a line\n");
    make_file(at.secret, "secret\n");
    return 0;
}

static int remove_tree(void **state)
{
    const char *argv[] = { "/bin/rm", "-rf", at.root, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)state;
    proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    return 0;
}

/* ---- the profiles, as the daemon uses them ---- */

enum role { READER, CORE, SENDER, HOOK, ROLES };

static const char *const reader_read[] = { at.log, "/var/log/journal", "/run/log/journal",
                                           "/etc/machine-id", NULL };
static const char *const core_write[] = { at.state, NULL };
static const char *const sender_read[] = { "/etc/resolv.conf",
                                           "/etc/nsswitch.conf",
                                           "/etc/hosts",
                                           "/etc/host.conf",
                                           "/etc/gai.conf",
                                           "/etc/services",
                                           "/etc/ssl",
                                           "/run/systemd/resolve",
                                           "/usr/lib/ssl",
                                           "/usr/share/ca-certificates",
                                           "/usr/local/share/ca-certificates",
                                           NULL };

static const struct privileges profiles[ROLES] = {
    [READER] = { .may = MAY_ACCEPT,
                 .read = reader_read,
                 .memory_max = MEMORY_MAX,
                 .files_max = FILES_MAX },
    [CORE] = { .may = MAY_WRITE_FILES | MAY_PASS,
               .write = core_write,
               .memory_max = MEMORY_MAX,
               .files_max = FILES_MAX },
    [SENDER] = { .may = MAY_CONNECT | MAY_FORK | MAY_THREAD,
                 .read = sender_read,
                 .memory_max = MEMORY_MAX,
                 .files_max = FILES_MAX },
    [HOOK] = { .may = MAY_EXEC | MAY_CONNECT | MAY_WRITE_FILES | MAY_THREAD,
               .anywhere = true,
               .memory_max = MEMORY_MAX,
               .files_max = FILES_MAX },
};

/* ---- attempts: 0 or the errno ---- */

static int failed(long r)
{
    return r < 0 ? errno : 0;
}

static int open_as(const char *path, int flags)
{
    int fd = open(path, flags | O_CLOEXEC, 0600), code = failed(fd);

    if (fd >= 0)
        close(fd);
    return code;
}

static int reads_its_log(void)
{
    char text[16];
    AUTO_FD fd = open(at.line, O_RDONLY | O_CLOEXEC);

    return failed(fd < 0 ? fd : read(fd, text, sizeof text));
}

static int lists_its_log_folder(void)
{
    char text[1024];
    AUTO_FD fd = open(at.log, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    return failed(fd < 0 ? fd : syscall(SYS_getdents64, fd, text, sizeof text));
}

static int maps_its_log(void)
{
    AUTO_FD fd = open(at.line, O_RDONLY | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 7, PROT_READ, MAP_SHARED, fd, 0);

    return p == MAP_FAILED ? errno : memcmp(p, "a line", 6) != 0;
}

static int opens_shadow(void)
{
    return open_as("/etc/shadow", O_RDONLY);
}

static int opens_passwd(void)
{
    return open_as("/etc/passwd", O_RDONLY);
}

static int opens_another_file(void)
{
    return open_as(at.secret, O_RDONLY);
}

static int leaves_its_folder_by_dots(void)
{
    char path[200];

    snprintf(path, sizeof path, "%s/../other/secret", at.log);
    return open_as(path, O_RDONLY);
}

static int opens_its_log_for_writing(void)
{
    return open_as(at.line, O_WRONLY);
}

static int opens_its_log_for_both(void)
{
    return open_as(at.line, O_RDWR | O_APPEND);
}

static int creates_in_log_folder(void)
{
    return open_as(at.made, O_RDONLY | O_CREAT);
}

static int opens_by_openat2(void)
{
    uint64_t how[3] = { O_RDONLY, 0, 0 };
    long fd = syscall(437, AT_FDCWD, at.line, how, sizeof how);

    if (fd >= 0)
        close((int)fd);
    return failed(fd);
}

static int writes_another_file(void)
{
    return open_as(at.secret, O_WRONLY | O_TRUNC);
}

static int unlinks_the_log(void)
{
    return failed(unlink(at.line));
}

static int truncates_another_file(void)
{
    return failed(truncate(at.secret, 0));
}

static int renames_the_log(void)
{
    return failed(rename(at.line, at.made));
}

static int makes_a_folder_elsewhere(void)
{
    char path[200];

    snprintf(path, sizeof path, "%s/new", at.other);
    return failed(mkdir(path, 0700)) ? errno : failed(rmdir(path));
}

static int commits_to_sqlite(void)
{
    static const char sql[] =
        "PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t(a);"
        "BEGIN; INSERT INTO t VALUES(1); COMMIT; PRAGMA wal_checkpoint(TRUNCATE);"
        "INSERT INTO t VALUES(2); VACUUM;";
    sqlite3 *db = NULL;
    int r = sqlite3_open_v2(at.db, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);

    if (r == SQLITE_OK)
        r = sqlite3_exec(db, sql, NULL, NULL, NULL);
    sqlite3_close(db);
    return r == SQLITE_OK ? 0 : r == SQLITE_CANTOPEN ? EACCES : EIO;
}

static int replaces_a_file_of_its_state(void)
{
    char path[160];

    snprintf(path, sizeof path, "%s/replaced", at.state);
    return -file_replace(AT_FDCWD, path, SLICE("new"), 0600, NULL);
}

static int makes_folders_in_its_state(void)
{
    char path[160];

    snprintf(path, sizeof path, "%s/tile", at.state);
    return failed(mkdir(path, 0700)) ? errno : failed(rmdir(path));
}

static int makes_a_tcp_socket(void)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), code = failed(fd);

    if (fd >= 0)
        close(fd);
    return code;
}

static int makes_a_packet_socket(void)
{
    int fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC, 0), code = failed(fd);

    if (fd >= 0)
        close(fd);
    return code;
}

static int makes_a_netfilter_socket(void)
{
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, 12), code = failed(fd);

    if (fd >= 0)
        close(fd);
    return code;
}

static int connects(void)
{
    return failed(connect(at.tcp, (struct sockaddr *)&at.address, sizeof at.address));
}

static int sends_to_an_address(void)
{
    return failed(sendto(at.udp, "x", 1, 0, (struct sockaddr *)&at.address, sizeof at.address));
}

static int listens(void)
{
    return failed(listen(at.udp, 1));
}

static int accepts(void)
{
    int fd = accept4(at.listener, NULL, NULL, SOCK_CLOEXEC), code = failed(fd);

    if (fd >= 0)
        close(fd);
    return code;
}

static int receives_a_descriptor(void)
{
    char byte, control[CMSG_SPACE(sizeof(int))];
    struct iovec part = { &byte, 1 };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c;

    if (recvmsg(at.pair[0], &m, MSG_CMSG_CLOEXEC) < 0)
        return errno;
    c = CMSG_FIRSTHDR(&m);
    return c && c->cmsg_type == SCM_RIGHTS ? 0 : EBADMSG;
}

static int sends_a_message(void)
{
    char byte = 1;
    struct iovec part = { &byte, 1 };
    struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };

    return failed(sendmsg(at.pair[0], &m, MSG_NOSIGNAL));
}

static int talks_on_its_stream(void)
{
    return failed(send(at.pair[0], "x", 1, MSG_NOSIGNAL));
}

static int resolves(void)
{
    struct addrinfo *list = NULL, hints = { .ai_socktype = SOCK_STREAM };
    int r = getaddrinfo("localhost", "443", &hints, &list);

    if (r == 0)
        freeaddrinfo(list);
    return r == 0 ? 0 : ENOENT;
}

static void *nothing(void *arg)
{
    pthread_exit(arg); /* loads libgcc_s */
}

static int starts_a_thread(void)
{
    pthread_t thread;
    int r = pthread_create(&thread, NULL, nothing, NULL);

    return r ? r : pthread_join(thread, NULL);
}

static int forks(void)
{
    pid_t pid = fork();
    int code = failed(pid), status;

    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid(pid, &status, 0);
    return code;
}

static int runs_a_program(void)
{
    const char *argv[] = { "/bin/sh", "-c", "exit 3", NULL };
    struct proc_result r = { .out = BUF_LIMIT(100) };
    int e = proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);

    buf_fini(&r.out);
    return e < 0 ? -e : r.status == 3 ? 0 : ECHILD;
}

static int becomes_a_program(void)
{
    char *argv[] = { NULL };

    return failed(execve("/bin/true", argv, argv));
}

static int becomes_a_program_by_descriptor(void)
{
    char *argv[] = { NULL };

    return failed(syscall(SYS_execveat, AT_FDCWD, "/bin/true", argv, argv, 0));
}

static int maps_executable(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : failed(munmap(p, 4096));
}

static int makes_memory_executable(void)
{
    void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    int code = p == MAP_FAILED ? errno : failed(mprotect(p, 4096, PROT_READ | PROT_EXEC));

    if (p != MAP_FAILED)
        munmap(p, 4096);
    return code;
}

static int traces(void)
{
    return failed(ptrace(PTRACE_TRACEME, 0, NULL, NULL));
}

static int mounts(void)
{
    return failed(mount("none", at.other, "tmpfs", 0, NULL));
}

static int leaves_its_namespace(void)
{
    return failed(syscall(SYS_unshare, 0x10000000)); /* CLONE_NEWUSER */
}

static int clones_into_a_namespace(void)
{
    long pid = syscall(SYS_clone, 0x10000000 | SIGCHLD, 0, 0, 0, 0);

    if (pid == 0)
        _exit(0);
    return failed(pid);
}

static int clones_by_clone3(void)
{
    uint64_t args[8] = { 0x10000000, [4] = SIGCHLD };
    long pid = syscall(435, args, sizeof args);

    if (pid == 0)
        _exit(0);
    return failed(pid);
}

static int signals_its_parent(void)
{
    return failed(kill(getppid(), 0));
}

static int becomes_dumpable(void)
{
    return failed(prctl(PR_SET_DUMPABLE, 1, 0, 0, 0));
}

static int raises_its_limits(void)
{
    struct rlimit l = { 10, FILES_MAX };

    return failed(setrlimit(RLIMIT_NOFILE, &l));
}

static int asks_for_an_unknown_call(void)
{
    return failed(syscall(999));
}

static int kernel_interfaces(void)
{
    static const long calls[] = {
        SYS_keyctl,
        SYS_bpf,
        SYS_userfaultfd,
        SYS_process_vm_readv,
        SYS_process_vm_writev,
        SYS_kexec_load,
        SYS_add_key,
        SYS_perf_event_open,
        SYS_setns,
        SYS_pivot_root,
        SYS_init_module,
        SYS_delete_module,
        SYS_swapon,
        SYS_reboot,
        425 /* io_uring_setup */
    };

    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        if (syscall(calls[i], -1L, 0L, 0L, 0L, 0L) != -1 || errno != EPERM)
            return 1000 + (int)calls[i];
    return EPERM;
}

static int changes_its_user(void)
{
    return failed(setresuid(1, 1, 1));
}

static int takes_too_much_memory(void)
{
    void *p =
        mmap(NULL, MEMORY_MAX + 1, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : failed(munmap(p, MEMORY_MAX + 1));
}

static int opens_too_many_files(void)
{
    int code = 0, fd, last = -1;

    while (code == 0 && last < 2 * FILES_MAX) {
        fd = dup(0);
        code = failed(fd);
        last = fd < 0 ? last : fd;
    }
    for (fd = at.udp + at.tcp + 10; fd <= last; fd++)
        close(fd);
    return code;
}

static int is_as_it_should_be(void)
{
    struct rlimit core;

    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0)
        return 1001;
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1)
        return 1002;
    return getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_max ? 1003 : 0;
}

/* ---- attempts and answers ---- */

#define ANY (-1) /* depends on who it is, or would change this process */

static const struct {
    const char *what;
    int (*attempt)(void);
    int answer[ROLES]; /* reader, core, sender, hook */
    int abi; /* of Landlock that it takes; 0 = none */
    bool plain; /* not in builds with sanitizers */
} attempts[] = {
#define ROW(abi, plain, name, ...)                                                                 \
    {                                                                                              \
#name, name, { __VA_ARGS__ }, abi, plain                                                   \
    }
#define A(name, ...) ROW(0, false, name, __VA_ARGS__)
#define L(abi, name, ...) ROW(abi, false, name, __VA_ARGS__)
#define P(name, ...) ROW(0, true, name, __VA_ARGS__)
    A(is_as_it_should_be, 0, 0, 0, 0),
    L(1, reads_its_log, 0, EACCES, EACCES, 0),
    L(1, lists_its_log_folder, 0, EACCES, EACCES, 0),
    L(1, maps_its_log, 0, EACCES, EACCES, 0),
    L(1, opens_shadow, EACCES, EACCES, EACCES, ANY),
    L(1, opens_passwd, EACCES, EACCES, EACCES, 0),
    L(1, opens_another_file, EACCES, EACCES, EACCES, 0),
    L(1, leaves_its_folder_by_dots, EACCES, EACCES, EACCES, 0),
    L(1, opens_its_log_for_writing, EPERM, EACCES, EPERM, 0),
    L(1, opens_its_log_for_both, EPERM, EACCES, EPERM, 0),
    L(1, creates_in_log_folder, EPERM, EACCES, EPERM, 0),
    P(opens_by_openat2, ENOSYS, ENOSYS, ENOSYS, 0),
    L(1, writes_another_file, EPERM, EACCES, EPERM, 0),
    L(3, truncates_another_file, EPERM, EACCES, EPERM, 0),
    L(1, makes_a_folder_elsewhere, EPERM, EACCES, EPERM, 0),
    L(1, renames_the_log, EPERM, EACCES, EPERM, ANY),
    L(1, unlinks_the_log, EPERM, EACCES, EPERM, ANY),
    L(1, commits_to_sqlite, EACCES, 0, EACCES, 0),
    A(replaces_a_file_of_its_state, EPERM, 0, EPERM, 0),
    A(makes_folders_in_its_state, EPERM, 0, EPERM, 0),
    A(makes_a_tcp_socket, EPERM, EPERM, 0, 0),
    A(makes_a_packet_socket, EPERM, EPERM, EPERM, ANY),
    A(makes_a_netfilter_socket, EPERM, EPERM, EPERM, 0),
    A(sends_to_an_address, EPERM, EPERM, 0, 0),
    A(listens, EPERM, EPERM, EPERM, ANY),
    A(connects, EPERM, EPERM, 0, 0),
    A(accepts, 0, EPERM, EPERM, 0),
    A(sends_a_message, EPERM, 0, 0, 0),
    A(receives_a_descriptor, 0, 0, 0, 0),
    A(talks_on_its_stream, 0, 0, 0, 0),
    L(1, resolves, ANY, ANY, 0, 0),
    A(starts_a_thread, EPERM, EPERM, 0, 0),
    A(forks, EPERM, EPERM, 0, 0),
    A(runs_a_program, EPERM, EPERM, EPERM, 0),
    A(becomes_a_program, EPERM, EPERM, EPERM, ANY),
    A(becomes_a_program_by_descriptor, EPERM, EPERM, EPERM, ANY),
    A(maps_executable, EPERM, EPERM, EPERM, 0),
    A(makes_memory_executable, EPERM, EPERM, EPERM, 0),
    A(traces, EPERM, EPERM, EPERM, EPERM),
    A(mounts, EPERM, EPERM, EPERM, EPERM),
    A(leaves_its_namespace, EPERM, EPERM, EPERM, EPERM),
    A(clones_into_a_namespace, EPERM, EPERM, EPERM, EPERM),
    A(clones_by_clone3, ENOSYS, ENOSYS, ENOSYS, ENOSYS),
    L(6, signals_its_parent, EPERM, EPERM, EPERM, ANY),
    P(becomes_dumpable, ENOSYS, ENOSYS, ENOSYS, ANY),
    A(raises_its_limits, EPERM, EPERM, EPERM, 0),
    A(kernel_interfaces, EPERM, EPERM, EPERM, EPERM),
    A(asks_for_an_unknown_call, ENOSYS, ENOSYS, ENOSYS, ENOSYS),
    A(changes_its_user, EPERM, EPERM, EPERM, EPERM),
    P(takes_too_much_memory, ENOMEM, ENOMEM, ENOMEM, ENOMEM),
    A(opens_too_many_files, EMFILE, EMFILE, EMFILE, EMFILE),
};

/* ---- a child with a role ---- */

enum who { AS_ROOT, BY_DROP, AS_USER };

static void open_sockets(void)
{
    socklen_t n = sizeof at.address;
    struct iovec part = { &(char){ 1 }, 1 };
    char control[CMSG_SPACE(sizeof(int))] = { 0 };
    struct msghdr m = {
        .msg_iov = &part, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control
    };
    struct cmsghdr *c = CMSG_FIRSTHDR(&m);
    int fd = 0;

    at.address =
        (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
    at.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bind(at.listener, (struct sockaddr *)&at.address, n);
    listen(at.listener, 8);
    getsockname(at.listener, (struct sockaddr *)&at.address, &n);
    at.client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    connect(at.client, (struct sockaddr *)&at.address, sizeof at.address);
    at.tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    at.udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, at.pair);
    c->cmsg_level = SOL_SOCKET;
    c->cmsg_type = SCM_RIGHTS;
    c->cmsg_len = CMSG_LEN(sizeof fd);
    memcpy(CMSG_DATA(c), &fd, sizeof fd);
    sendmsg(at.pair[1], &m, 0);
}

static int become_nobody(void)
{
    const struct passwd *pw = getpwnam(USER);

    return !pw || setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
           setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0;
}

/* What did not get its answer, a line each. */
static void try_all(enum role role, int abi, struct buf *ret)
{
    for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
        int want = attempts[i].answer[role], got;

        if (want == ANY || attempts[i].abi > abi || (attempts[i].plain && SANITIZED))
            continue;
        got = attempts[i].attempt();
        if (got != want)
            buf_printf(ret, "%s: %s, not %s (%d)\n", attempts[i].what,
                       got ? strerror(got) : "works", want ? strerror(want) : "works", got);
    }
}

struct job {
    const struct privileges *profile;
    enum role role;
    enum who who;
    int (*before)(void);
    void (*after)(struct buf *ret);
    bool tell_missing;
};

static int child(void *ctx, int out_fd)
{
    const struct job *job = ctx;
    struct privileges p = *job->profile;
    AUTO_BUF missing = BUF_INIT;
    AUTO_BUF said = BUF_INIT;
    struct err err = ERR_NONE;
    int abi = privileges_landlock_abi(); /* later the question is refused */

    open_sockets();
    p.user = job->who == BY_DROP ? USER : p.user;
    if ((job->before && job->before()) ||
        (job->who == AS_USER && geteuid() == 0 && become_nobody()))
        buf_str(&said, "cannot prepare\n");
    else if (privileges_drop(&p, &missing, &err) < 0)
        buf_printf(&said, "refused: %s\n", err.text);
    else if (job->after)
        job->after(&said);
    else
        try_all(job->role, abi, &said);
    if (job->tell_missing && missing.n)
        buf_printf(&said, "missing: %s\n", missing.p);
    fd_write_all(out_fd, said.p ? said.p : "", said.n);
    _exit(0); /* no exit handlers: the leak checker of a sanitizer needs what is gone */
}

/* What the child has to say; "" = all as it should be. The caller frees. */
static char *said_by(const struct job *job)
{
    struct job copy = *job;
    struct proc_result r = { .out = BUF_LIMIT(20000) };

    assert_int_equal(proc_call(child, &copy, 60 * USEC_PER_SEC, &r, NULL), 0);
    if (r.status != 0)
        buf_printf(&r.out, "the child ended with %d, signal %d\n", r.status, r.signal);
    if (!r.out.p)
        buf_str(&r.out, "");
    return buf_take(&r.out);
}

static void says(const struct job *job, const char *text)
{
    AUTO_FREE char *said = said_by(job);

    if (strcmp(said, text) != 0)
        print_error("%s", said);
    assert_string_equal(said, text);
}

static void role_holds(enum role role)
{
    static const enum who all[] = { AS_ROOT, BY_DROP, AS_USER };

    for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
        struct job job = { .profile = &profiles[role], .role = role, .who = all[i] };

        if (geteuid() != 0 && all[i] != AS_USER)
            continue;
        make_file(at.line, "a line\n");
        unlink(at.db); /* of another user */
        unlink(at.made);
        says(&job, "");
    }
}

static void a_reader_reads_its_logs_and_does_nothing_else(void **state)
{
    (void)state;
    role_holds(READER);
}

static void a_core_writes_its_folders_and_reaches_nobody(void **state)
{
    (void)state;
    role_holds(CORE);
}

static void a_sender_reaches_others_and_reads_no_log_and_no_state(void **state)
{
    (void)state;
    role_holds(SENDER);
}

static void a_hook_runs_programs_and_holds_nothing(void **state)
{
    (void)state;
    role_holds(HOOK);
}

/* ---- steps that fail, kernels that lack ---- */

static int refuse_landlock(int code)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = !f ||
            seccomp_rule_add(f, SCMP_ACT_ERRNO((unsigned)code), SCMP_SYS(landlock_create_ruleset),
                             0) < 0 ||
            seccomp_load(f) < 0;

    seccomp_release(f);
    return r;
}

static int no_landlock(void)
{
    return refuse_landlock(ENOSYS);
}

/* As the unit file of systemd leaves it. */
static int no_capset(void)
{
    scmp_filter_ctx f = seccomp_init(SCMP_ACT_ALLOW);
    int r = !f || (geteuid() == 0 && become_nobody()) ||
            seccomp_rule_add(f, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(capset), 0) < 0 ||
            seccomp_load(f) < 0;

    seccomp_release(f);
    return r;
}

static int broken_landlock(void)
{
    return refuse_landlock(EPERM);
}

static void still_refused(struct buf *ret)
{
    if (makes_a_tcp_socket() != EPERM || creates_in_log_folder() != EPERM || reads_its_log() != 0 ||
        opens_its_log_for_writing() != EPERM)
        buf_str(ret, "seccomp does not hold\n");
    if (privileges_landlock_abi() != 0)
        buf_str(ret, "an ABI of nothing\n");
}

static void a_kernel_without_landlock_is_told_and_seccomp_holds(void **state)
{
    const struct job job = { .profile = &profiles[READER],
                             .who = AS_USER,
                             .before = no_landlock,
                             .after = still_refused,
                             .tell_missing = true };

    (void)state;
    says(&job, "missing: landlock\n");
}

static void a_landlock_that_fails_is_an_error(void **state)
{
    const struct job job = { .profile = &profiles[READER],
                             .who = AS_USER,
                             .before = broken_landlock };

    (void)state;
    says(&job, "refused: landlock: Operation not permitted\n");
}

static void *wait_for_ever(void *arg)
{
    while (pause() < 0) /* a change of user wakes it */
        ;
    return arg;
}

static int another_thread(void)
{
    pthread_t thread;

    return pthread_create(&thread, NULL, wait_for_ever, NULL);
}

static void a_process_with_threads_is_refused(void **state)
{
    const struct job job = { .profile = &profiles[CORE], .who = AS_USER, .before = another_thread };

    (void)state;
    if (SANITIZED)
        skip();
    says(&job, "refused: rights can be dropped by a process of one thread alone\n");
}

static void names_that_do_not_exist_are_errors(void **state)
{
    static const char *const caps[] = { "fly", NULL };
    const struct privileges bad_cap = { .capabilities = caps };
    const struct privileges bad_user = { .user = "no-such-user-here" };
    const struct privileges root_user = { .user = "root" };
    struct job job = { .profile = &bad_cap, .who = AS_USER };

    (void)state;
    says(&job, "refused: there is no capability 'fly'\n");
    if (geteuid() != 0)
        return;
    job = (struct job){ .profile = &bad_user, .who = AS_ROOT };
    says(&job, "refused: user 'no-such-user-here' does not exist\n");
    job.profile = &root_user;
    says(&job, "refused: user 'root' is root\n");
}

static void no_capability(struct buf *ret)
{
    char text[4096];
    AUTO_FD fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);

    text[n < 0 ? 0 : n] = '\0';
    if (!strstr(text, "CapPrm:\t0000000000000000") || !strstr(text, "CapAmb:\t0000000000000000"))
        buf_str(ret, "holds a capability\n");
}

static void a_user_who_holds_no_capability_keeps_none_and_works(void **state)
{
    static const char *const caps[] = { "net_admin", NULL };
    static const char *const proc[] = { "/proc", NULL };
    const struct privileges p = { .capabilities = caps, .read = proc };
    const struct job job = { .profile = &p, .who = AS_USER, .after = no_capability };

    (void)state;
    says(&job, "");
}

static void map_and_run(struct buf *ret)
{
    char *const argv[] = { (char[]){ "true" }, NULL };
    AUTO_FD fd = open("/bin/true", O_RDONLY | O_CLOEXEC);
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);

    if (p == MAP_FAILED)
        buf_printf(ret, "cannot map: %s\n", err_name(errno));
    execv("/bin/true", argv);
    buf_str(ret, errno == EPERM ? "" : "exec is not refused as it should be\n");
}

static void who_loads_libraries_runs_no_programs(void **state)
{
    static const char *const bin[] = { "/bin", "/usr/bin", NULL };
    const struct privileges p = { .may = MAY_LOAD, .read = bin };
    const struct job job = { .profile = &p, .who = AS_USER, .after = map_and_run };

    (void)state;
    says(&job, "");
}

static void who_holds_none_needs_no_call_to_drop_them(void **state)
{
    const struct job job = {
        .profile = &profiles[CORE], .role = CORE, .who = AS_USER, .before = no_capset
    };

    (void)state;
    make_file(at.line, "a line\n");
    unlink(at.db);
    says(&job, "");
}

/* ---- capabilities that are kept ---- */

static void only_net_admin(struct buf *ret)
{
    const char *argv[] = { "/bin/grep", "^Cap", "/proc/self/status", NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    if (geteuid() == 0)
        buf_str(ret, "still root\n");
    proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_slice(ret, buf_view(&r.out));
    buf_fini(&r.out);
}

static void a_program_of_another_user_holds_the_kept_capability_alone(void **state)
{
    static const char *const caps[] = { "net_admin", NULL };
    struct privileges p = profiles[HOOK];
    const struct job job = { .profile = &p, .who = BY_DROP, .after = only_net_admin };

    (void)state;
    p.capabilities = caps;
    if (geteuid() != 0 || prctl(PR_CAPBSET_READ, CAP_NET_ADMIN, 0, 0, 0) != 1)
        skip();
    says(&job, "CapInh:\t0000000000001000\nCapPrm:\t0000000000001000\n"
               "CapEff:\t0000000000001000\nCapBnd:\t0000000000001000\n"
               "CapAmb:\t0000000000001000\n");
}

static void own_capabilities(struct buf *ret)
{
    static const char *const lines[] = { "CapInh:\t0000000000000000", "CapPrm:\t0000000000000000",
                                         "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000",
                                         "CapAmb:\t0000000000000000" };
    char part[4096];
    AUTO_FD fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? -1 : read(fd, part, sizeof part - 1);

    part[n < 0 ? 0 : n] = '\0';
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
        if (!strstr(part, lines[i]))
            buf_printf(ret, "not %s\n", lines[i]);
}

static void root_keeps_no_capability_and_can_gain_none(void **state)
{
    static const char *const proc[] = { "/proc", NULL };
    const struct privileges p = { .read = proc };
    const struct job job = { .profile = &p, .who = AS_ROOT, .after = own_capabilities };

    (void)state;
    if (geteuid() != 0)
        skip();
    says(&job, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_reader_reads_its_logs_and_does_nothing_else),
        cmocka_unit_test(a_core_writes_its_folders_and_reaches_nobody),
        cmocka_unit_test(a_sender_reaches_others_and_reads_no_log_and_no_state),
        cmocka_unit_test(a_hook_runs_programs_and_holds_nothing),
        cmocka_unit_test(a_kernel_without_landlock_is_told_and_seccomp_holds),
        cmocka_unit_test(a_landlock_that_fails_is_an_error),
        cmocka_unit_test(a_process_with_threads_is_refused),
        cmocka_unit_test(names_that_do_not_exist_are_errors),
        cmocka_unit_test(a_user_who_holds_no_capability_keeps_none_and_works),
        cmocka_unit_test(who_loads_libraries_runs_no_programs),
        cmocka_unit_test(who_holds_none_needs_no_call_to_drop_them),
        cmocka_unit_test(a_program_of_another_user_holds_the_kept_capability_alone),
        cmocka_unit_test(root_keeps_no_capability_and_can_gain_none),
    };

    return cmocka_run_group_tests(tests, make_tree, remove_tree);
}
