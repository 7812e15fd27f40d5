/*
 * The limits of each role, proved by trying: the rights are dropped as `run`
 * does it, for a configuration as a user would write it.
 */
#include "logwatch/roles.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/privileges.h"
#include "base/proc.h"
#include "logwatch/sender.h"

struct bench {
    char folder[64];
    struct config *config;
};

static const char *path(const struct bench *t, const char *name)
{
    static char text[4][200];
    static unsigned n;
    char *p = text[n++ % 4];

    (void)snprintf(p, sizeof text[0], "%s/%s", t->folder, name);
    return p;
}

static void write_file(const char *name, const char *text)
{
    AUTO_FD fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, text, strlen(text)), 0);
}

static int setup(void **state)
{
    struct bench *t = calloc(1, sizeof *t);
    AUTO(diag) d = diag_new();
    AUTO_BUF yaml = BUF_INIT;
    struct config_request q = { 0 };
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(t->folder, sizeof t->folder, "%.40s/tw-roles-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->folder));
    assert_int_equal(mkdir(path(t, "logs"), 0755), 0);
    assert_int_equal(mkdir(path(t, "elsewhere"), 0755), 0);
    assert_int_equal(mkdir(path(t, "out"), 0755), 0);
    assert_int_equal(mkdir(path(t, "state"), 0755), 0);
    write_file(path(t, "state/x"), "");
    write_file(path(t, "logs/xui.log"), "a line\n");
    write_file(path(t, "elsewhere/target.log"), "a line\n");
    write_file(path(t, "secret"), "a secret\n");
    assert_int_equal(symlink("../elsewhere/target.log", path(t, "logs/xui-link.log")), 0);
    buf_printf(
        &yaml,
        "state: %s/state\nchannels:\n  xui: {inputs: [{type: file, path: '%s/logs/xui*.log'}, "
        "{type: journald, unit: x}]}\nnotifiers:\n  hook: {type: webhook, url: "
        "'http://127.0.0.1:1/'}\n  out: {type: file, path: %s/out/x.jsonl}\n",
        t->folder, t->folder, t->folder);
    write_file(path(t, "c.yaml"), yaml.p);
    q.path = path(t, "c.yaml");
    assert_int_equal(config_load(&q, d, &t->config), 0);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bench *t = *state;
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    config_free(t->config);
    free(t);
    return 0;
}

/* ---- attempts: 0 = it worked, else the errno ---- */

static int opened(const char *name, int flags)
{
    int fd = open(name, flags | O_CLOEXEC, 0600);

    if (fd < 0)
        return errno;
    close(fd);
    return 0;
}

static int connected(void)
{
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(1) };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), r;

    if (fd < 0)
        return errno;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    r = connect(fd, (struct sockaddr *)&to, sizeof to) < 0 ? errno : 0;
    close(fd);
    return r == ECONNREFUSED ? 0 : r; /* nobody there is an answer of the network */
}

static int executed(void)
{
    char *const argv[] = { (char[]){ "true" }, NULL };

    execv("/bin/true", argv);
    return errno;
}

static int forked(void)
{
    pid_t pid = fork();

    if (pid == 0)
        _exit(0);
    return pid < 0 ? errno : 0;
}

static void *nothing(void *arg)
{
    return arg;
}

static int threaded(void)
{
    pthread_t t;
    int r = pthread_create(&t, NULL, nothing, NULL);

    if (r == 0)
        pthread_join(t, NULL);
    return r;
}

static int mapped(void)
{
    void *p =
        mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return p == MAP_FAILED ? errno : 0;
}

enum {
    READ_LOG,
    READ_LINKED_LOG,
    READ_SHADOW,
    READ_SECRET,
    READ_STATE,
    WRITE_LOG,
    WRITE_NEAR_LOG,
    WRITE_STATE,
    WRITE_OUT,
    CONNECT,
    FORK,
    THREAD,
    MAP,
    EXEC,
    ATTEMPTS,
};

static const char *const attempt_names[ATTEMPTS] = {
    "reads its log",
    "reads what a link leads to",
    "reads /etc/shadow",
    "reads another file",
    "reads the state",
    "writes the log",
    "makes a file beside the log",
    "writes the state",
    "writes its file",
    "connects",
    "forks",
    "makes a thread",
    "maps memory to run",
    "runs a program",
};

static int attempt(const struct bench *t, int what)
{
    switch (what) {
    case READ_LOG:
        return opened(path(t, "logs/xui.log"), O_RDONLY);
    case READ_LINKED_LOG:
        return opened(path(t, "logs/xui-link.log"), O_RDONLY);
    case READ_SHADOW:
        return opened("/etc/shadow", O_RDONLY);
    case READ_SECRET:
        return opened(path(t, "secret"), O_RDONLY);
    case READ_STATE:
        return opened(path(t, "state/x"), O_RDONLY);
    case WRITE_LOG:
        return opened(path(t, "logs/xui.log"), O_WRONLY);
    case WRITE_NEAR_LOG:
        return opened(path(t, "logs/new"), O_WRONLY | O_CREAT);
    case WRITE_STATE:
        return opened(path(t, "state/x"), O_WRONLY | O_CREAT);
    case WRITE_OUT:
        return opened(path(t, "out/x.jsonl"), O_WRONLY | O_CREAT);
    case CONNECT:
        return connected();
    case FORK:
        return forked();
    case THREAD:
        return threaded();
    case MAP:
        return mapped();
    default:
        return executed();
    }
}

struct job {
    const struct bench *bench;
    enum role role;
    size_t index;
    unsigned works; /* bits */
    bool in_thread; /* of its own, made behind the dropping */
};

struct trying {
    const struct job *job;
    struct buf *said;
};

static void *try_all(void *arg)
{
    const struct trying *t = arg;

    for (int i = 0; i < ATTEMPTS; i++) {
        bool want = t->job->works & (1u << i);
        int r = attempt(t->job->bench, i);

        if (want != (r == 0) || (r && r != EPERM && r != EACCES))
            buf_printf(t->said, "%s: %s, should %s\n", attempt_names[i], r ? err_name(r) : "yes",
                       want ? "work" : "be refused");
    }
    return NULL;
}

static int child(void *ctx, int out_fd)
{
    const struct job *job = ctx;
    struct role_start s = { .config = job->bench->config, .index = job->index };
    AUTO_BUF said = BUF_INIT;
    struct trying trying = { job, &said };
    struct err err = ERR_NONE;
    pthread_t thread;

    if (role_drop_rights(job->role, &s, &err) < 0)
        buf_printf(&said, "refused: %s\n", err.text);
    if (!said.n && !job->in_thread)
        (void)try_all(&trying);
    else if (!said.n && pthread_create(&thread, NULL, try_all, &trying) == 0)
        pthread_join(thread, NULL);
    else if (!said.n)
        buf_str(&said, "no thread to try in\n");
    fd_write_all(out_fd, said.p ? said.p : "", said.n);
    _exit(0);
}

static void holds_in(const struct bench *t, enum role role, size_t index, unsigned works,
                     bool in_thread)
{
    struct job job = { t, role, index, works, in_thread };
    struct proc_result r = { .out = BUF_LIMIT(4000) };
    struct err err = ERR_NONE;

    assert_int_equal(role_make_folders(t->config, &err), 0);
    if (privileges_landlock_abi() == 0)
        skip(); /* paths are then the business of users and groups */
    assert_int_equal(proc_call(child, &job, 30 * USEC_PER_SEC, &r, NULL), 0);
    assert_string_equal(r.out.p ? r.out.p : "", "");
    assert_int_equal(r.status, 0);
    buf_fini(&r.out);
}

static void holds(const struct bench *t, enum role role, size_t index, unsigned works)
{
    holds_in(t, role, index, works, false);
}

static void the_reader_reads_its_logs_and_nothing_else(void **state)
{
    struct bench *t = *state;

    t->config->workers = 0;
    holds(t, ROLE_READER, 0, 1u << READ_LOG | 1u << READ_LINKED_LOG);
}

static void workers_of_the_reader_may_what_it_may(void **state)
{
    struct bench *t = *state;
    unsigned works = 1u << READ_LOG | 1u << READ_LINKED_LOG | 1u << THREAD;

    t->config->workers = 2;
    holds(t, ROLE_READER, 0, works);
    holds_in(t, ROLE_READER, 0, works, true);
}

static void the_core_writes_its_folders_and_reaches_nobody(void **state)
{
    holds(*state, ROLE_CORE, 0, 1u << READ_STATE | 1u << WRITE_STATE);
}

static void a_sender_reaches_others_and_sees_no_log(void **state)
{
    holds(*state, ROLE_SENDER, 0, 1u << CONNECT | 1u << FORK | 1u << THREAD);
}

static void a_sender_to_a_file_writes_that_and_reaches_nobody(void **state)
{
    holds(*state, ROLE_SENDER, 1, 1u << WRITE_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_reader_reads_its_logs_and_nothing_else, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(workers_of_the_reader_may_what_it_may, setup, teardown),
        cmocka_unit_test_setup_teardown(the_core_writes_its_folders_and_reaches_nobody, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_sender_reaches_others_and_sees_no_log, setup, teardown),
        cmocka_unit_test_setup_teardown(a_sender_to_a_file_writes_that_and_reaches_nobody, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
