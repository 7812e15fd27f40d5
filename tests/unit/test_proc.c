/* Children: what they get, what is heard of them, and that none outlives its deadline. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/clock.h"
#include "base/proc.h"

#define LONG (20 * USEC_PER_SEC)
#define SHORT (200 * USEC_PER_MSEC)

/* The tests' own shell: proc_run() itself knows none. */
static int sh(const char *script, struct slice input, uint64_t timeout_us, struct proc_result *r)
{
    const char *argv[] = { "/bin/sh", "-c", script, NULL };

    *r = (struct proc_result){ .out = BUF_LIMIT(100000) };
    return proc_run(argv, NULL, input, timeout_us, r, NULL);
}

static void output_and_exit_status_come_back(void **state)
{
    struct proc_result r;

    (void)state;
    assert_int_equal(sh("echo out; echo err >&2; exit 7", SLICE_NONE, LONG, &r), 0);
    assert_int_equal(r.status, 7);
    assert_int_equal(r.signal, 0);
    assert_false(r.timed_out);
    assert_string_equal(r.out.p, "out\nerr\n");
    buf_fini(&r.out);
}

static void death_by_a_signal_is_no_exit_status(void **state)
{
    struct proc_result r;

    (void)state;
    assert_int_equal(sh("kill -TERM $$", SLICE_NONE, LONG, &r), 0);
    assert_int_equal(r.status, -1);
    assert_int_equal(r.signal, SIGTERM);
    buf_fini(&r.out);
}

static void input_larger_than_a_pipe_arrives_whole(void **state)
{
    enum { SIZE = 1 << 20 };
    AUTO_FREE char *big = malloc(SIZE);
    struct proc_result r;

    (void)state;
    assert_non_null(big);
    memset(big, 'x', SIZE);
    assert_int_equal(sh("wc -c", slice_of(big, SIZE), LONG, &r), 0);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.p, "1048576\n");
    buf_fini(&r.out);
}

static void a_child_that_does_not_read_does_not_kill_us(void **state)
{
    enum { SIZE = 1 << 20 };
    AUTO_FREE char *big = calloc(1, SIZE);
    struct proc_result r;

    (void)state;
    assert_non_null(big);
    signal(SIGPIPE, SIG_DFL);
    assert_int_equal(sh("exec <&-; echo done", slice_of(big, SIZE), LONG, &r), 0);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.out.p, "done\n");
    buf_fini(&r.out);
}

static void output_beyond_its_limit_is_dropped_not_waited_for(void **state)
{
    const char *argv[] = { "/bin/sh", "-c", "yes | head -c 300000; exit 3", NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)state;
    assert_int_equal(proc_run(argv, NULL, SLICE_NONE, LONG, &r, NULL), 0);
    assert_int_equal(r.status, 3);
    assert_int_equal(r.out.n, 1000);
    assert_true(buf_ok(&r.out));
    buf_fini(&r.out);
}

static void the_environment_is_what_was_given_and_no_more(void **state)
{
    static const char *const argv[] = { "/usr/bin/env", NULL };
    static const char *const env[] = { "A=1", NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)state;
    setenv("TOKEN", "s3cret", 1);
    assert_int_equal(proc_run(argv, NULL, SLICE_NONE, LONG, &r, NULL), 0);
    assert_string_equal(
        r.out.p, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\nLANG=C\n");
    buf_reset(&r.out);
    assert_int_equal(proc_run(argv, env, SLICE_NONE, LONG, &r, NULL), 0);
    assert_string_equal(r.out.p, "A=1\n");
    buf_fini(&r.out);
}

static void nothing_goes_through_a_shell(void **state)
{
    static const char *const argv[] = { "/bin/echo", "$(id)", "; rm -r x", "*", NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)state;
    assert_int_equal(proc_run(argv, NULL, SLICE_NONE, LONG, &r, NULL), 0);
    assert_string_equal(r.out.p, "$(id) ; rm -r x *\n");
    buf_fini(&r.out);
}

static void the_child_has_three_descriptors_and_default_signals(void **state)
{
    static const char fds[] =
        "for f in /proc/self/fd/*; do n=${f##*/}; [ $n -gt 2 ] && [ -e $f ] && "
        "readlink $f; done; grep -E '^Sig(Blk|Ign)' /proc/self/status";
    struct proc_result r;
    const char *ignored;
    sigset_t block, was;
    int left_open = open("/dev/null", O_RDONLY); /* without O_CLOEXEC, as a library may */

    (void)state;
    sigemptyset(&block);
    sigaddset(&block, SIGTERM);
    sigprocmask(SIG_BLOCK, &block, &was);
    signal(SIGPIPE, SIG_IGN);
    assert_int_equal(sh(fds, SLICE_NONE, LONG, &r), 0);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &was, NULL);
    close(left_open);
    assert_null(strstr(r.out.p, "/dev/null"));
    assert_non_null(strstr(r.out.p, "SigBlk:\t0000000000000000\n"));
    ignored = strstr(r.out.p, "SigIgn:\t");
    assert_non_null(ignored);
    /* 32 and 33 are the C library's own: its posix_spawn() ignores them in the child. */
    assert_true((strtoull(ignored + 8, NULL, 16) & ~UINT64_C(0x180000000)) == 0);
    buf_fini(&r.out);
}

static bool is_alive(const char *number)
{
    pid_t pid = (pid_t)strtol(number, NULL, 10);
    char path[64], line[256] = "";
    const char *state;
    FILE *f;

    assert_true(pid > 1);
    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    f = fopen(path, "re");
    if (!f)
        return false;
    if (!fgets(line, sizeof line, f))
        line[0] = '\0';
    fclose(f);
    state = strrchr(line, ')');
    return state && state[1] == ' ' && state[2] != 'Z' && state[2] != 'X';
}

static void past_the_deadline_the_whole_group_dies(void **state)
{
    struct proc_result r;

    (void)state;
    assert_int_equal(sh("sleep 1000 & echo $!; wait", SLICE_NONE, SHORT, &r), 0);
    assert_true(r.timed_out);
    assert_int_equal(r.status, -1);
    assert_int_equal(r.signal, SIGKILL);
    /* SIGKILL was sent before we returned; the kernel may need a moment to act on it. */
    for (unsigned i = 0; i < 1000000 && is_alive(r.out.p); i++)
        sched_yield();
    assert_false(is_alive(r.out.p));
    buf_fini(&r.out);
}

static void closing_its_output_does_not_escape_the_deadline(void **state)
{
    struct proc_result r;

    (void)state;
    assert_int_equal(sh("exec >&- 2>&-; sleep 1000", SLICE_NONE, SHORT, &r), 0);
    assert_true(r.timed_out);
    assert_int_equal(r.signal, SIGKILL);
    buf_fini(&r.out);
}

static void a_grandchild_that_keeps_the_output_open_is_not_waited_for(void **state)
{
    const struct clock real = CLOCK_REAL;
    uint64_t begun = clock_mono(&real);
    struct proc_result r;

    (void)state;
    assert_int_equal(sh("sleep 1000 & echo $!", SLICE_NONE, LONG, &r), 0);
    assert_false(r.timed_out);
    assert_int_equal(r.status, 0);
    assert_true(clock_mono(&real) - begun < LONG / 2);
    for (unsigned i = 0; i < 1000000 && is_alive(r.out.p); i++)
        sched_yield();
    assert_false(is_alive(r.out.p));
    buf_fini(&r.out);
}

static void what_cannot_start_says_why(void **state)
{
    static const char *const cases[][2] = {
        { "relative/path", NULL },
        { "/no/such/program", NULL },
        { "/etc/passwd", NULL },
        { "/", NULL },
    };
    static const int want[] = { -EINVAL, -ENOENT, -EACCES, -EACCES };
    static const char *const nothing[] = { NULL };
    struct proc_result r = { .status = 4711 };
    struct err err = ERR_NONE;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        assert_int_equal(proc_run(cases[i], NULL, SLICE_NONE, LONG, &r, &err), want[i]);
    assert_string_equal(err.text, "cannot run '/': Permission denied");
    assert_int_equal(proc_run(nothing, NULL, SLICE_NONE, LONG, &r, &err), -EINVAL);
    assert_int_equal(r.status, 4711);
}

static void a_script_without_its_interpreter_cannot_start(void **state)
{
    const char *top = getenv("TMPDIR");
    char path[300];
    const char *argv[] = { path, NULL };
    struct proc_result r = { .status = 4711 };
    int fd, result;

    (void)state;
    snprintf(path, sizeof path, "%s/tw-proc-XXXXXX", top ? top : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "#!/no/such/shell\n", 17), 17);
    assert_int_equal(fchmod(fd, 0700), 0);
    close(fd);
    result = proc_run(argv, NULL, SLICE_NONE, LONG, &r, NULL);
    unlink(path);
    assert_int_equal(result, -ENOENT);
    assert_int_equal(r.status, 4711);
}

static void no_descriptor_and_no_child_is_left_behind(void **state)
{
    int before = dup(0);
    struct proc_result r;

    (void)state;
    assert_true(before > 2);
    close(before);
    for (unsigned i = 0; i < 5; i++) {
        const char *argv[] = { "/no/such/program", NULL };

        assert_int_equal(sh("exit 0", SLICE("unread"), LONG, &r), 0);
        buf_fini(&r.out);
        assert_int_equal(proc_run(argv, NULL, SLICE_NONE, LONG, &r, NULL), -ENOENT);
    }
    assert_int_equal(dup(0), before);
    close(before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
}

static void without_sigchld_success_is_not_claimed(void **state)
{
    struct proc_result r;

    (void)state;
    signal(SIGCHLD, SIG_IGN);
    assert_int_equal(sh("exit 0", SLICE_NONE, LONG, &r), 0);
    signal(SIGCHLD, SIG_DFL);
    assert_int_equal(r.status, -1);
    buf_fini(&r.out);
}

static int speak(void *ctx, int out_fd)
{
    const char *text = ctx;

    if (strcmp(text, "sleep") == 0)
        for (;;)
            pause();
    if (strcmp(text, "die") == 0)
        raise(SIGKILL);
    return write(out_fd, text, strlen(text)) > 0 ? 300 : 1; /* 300 & 255 */
}

static void a_function_runs_in_a_child_with_the_same_rules(void **state)
{
    struct proc_result r = { .out = BUF_LIMIT(100) };
    char hello[] = "hello", nap[] = "sleep", die[] = "die";

    (void)state;
    assert_int_equal(proc_call(speak, hello, LONG, &r, NULL), 0);
    assert_int_equal(r.status, 44);
    assert_string_equal(r.out.p, "hello");
    assert_int_equal(proc_call(speak, nap, SHORT, &r, NULL), 0);
    assert_true(r.timed_out);
    assert_int_equal(r.signal, SIGKILL);
    assert_int_equal(proc_call(speak, die, LONG, &r, NULL), 0);
    assert_false(r.timed_out);
    assert_int_equal(r.status, -1);
    buf_fini(&r.out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_and_exit_status_come_back),
        cmocka_unit_test(death_by_a_signal_is_no_exit_status),
        cmocka_unit_test(input_larger_than_a_pipe_arrives_whole),
        cmocka_unit_test(a_child_that_does_not_read_does_not_kill_us),
        cmocka_unit_test(output_beyond_its_limit_is_dropped_not_waited_for),
        cmocka_unit_test(the_environment_is_what_was_given_and_no_more),
        cmocka_unit_test(nothing_goes_through_a_shell),
        cmocka_unit_test(the_child_has_three_descriptors_and_default_signals),
        cmocka_unit_test(past_the_deadline_the_whole_group_dies),
        cmocka_unit_test(closing_its_output_does_not_escape_the_deadline),
        cmocka_unit_test(a_grandchild_that_keeps_the_output_open_is_not_waited_for),
        cmocka_unit_test(what_cannot_start_says_why),
        cmocka_unit_test(a_script_without_its_interpreter_cannot_start),
        cmocka_unit_test(no_descriptor_and_no_child_is_left_behind),
        cmocka_unit_test(without_sigchld_success_is_not_claimed),
        cmocka_unit_test(a_function_runs_in_a_child_with_the_same_rules),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
