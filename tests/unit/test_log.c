/* The log: one line each, nothing in it steers a terminal or forges a second line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/log.h"
#include "base/slice.h"
#include "base/utf8.h"

static char got[8192];
static int was = -1, file = -1;

/* From here to heard(), stderr is a file without a name. */
static void listen_to_stderr(void)
{
    const char *top = getenv("TMPDIR");

    file = open(top ? top : "/tmp", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    assert_true(file >= 0 && was >= 0);
    assert_int_equal(dup2(file, STDERR_FILENO), STDERR_FILENO);
}

static const char *heard(void)
{
    ssize_t n;

    fflush(stderr);
    n = pread(file, got, sizeof got - 1, 0);
    dup2(was, STDERR_FILENO);
    close(was);
    close(file);
    assert_true(n >= 0);
    got[n] = '\0';
    return got;
}

static void a_line_has_the_role_and_one_line_feed(void **state)
{
    (void)state;
    listen_to_stderr();
    log_init(LOG_LEVEL_NOTICE, "reader");
    log_warning("%d lines", 3);
    log_info("not at this level");
    log_error("x");
    assert_string_equal(heard(), "reader: 3 lines\nreader: x\n");
}

static void hostile_text_stays_in_its_line(void **state)
{
    (void)state;
    listen_to_stderr();
    log_init(LOG_LEVEL_DEBUG, "r");
    log_debug("user '%s'", "a\n<0>forged\r\033[2J\xc2\x9b\xff");
    assert_string_equal(heard(), "r: user 'a\\x0a<0>forged\\x0d\\x1b[2J\\xc2\\x9b\\xff'\n");
}

static void the_journal_gets_the_priority(void **state)
{
    char stream[64];
    struct stat st;

    (void)state;
    listen_to_stderr();
    assert_int_equal(fstat(STDERR_FILENO, &st), 0);
    snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)st.st_dev,
             (unsigned long long)st.st_ino);
    setenv("JOURNAL_STREAM", stream, 1);
    log_init(LOG_LEVEL_INFO, "r");
    log_error("e");
    log_info("i");
    setenv("JOURNAL_STREAM", "1:1", 1); /* inherited, but stderr was led elsewhere */
    log_init(LOG_LEVEL_INFO, "r");
    log_info("plain");
    unsetenv("JOURNAL_STREAM");
    assert_string_equal(heard(), "<3>e\n<6>i\nr: plain\n");
}

static void a_long_text_is_cut_not_lost(void **state)
{
    char text[6001];

    (void)state;
    for (size_t i = 0; i + 1 < sizeof text; i += 2)
        memcpy(text + i, "\xc3\xa9", 3);
    listen_to_stderr();
    log_init(LOG_LEVEL_INFO, "r");
    log_info("a%s", text);
    heard();
    assert_true(strlen(got) > 4000 && strlen(got) < 4200);
    assert_true(slice_starts(slice_str(got), SLICE("r: a\xc3\xa9")));
    assert_true(slice_ends(slice_str(got), SLICE("\xc3\xa9\n")));
    assert_true(utf8_valid(slice_str(got)));
}

static void an_error_is_logged_with_its_place(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    listen_to_stderr();
    log_init(LOG_LEVEL_INFO, "r");
    err_set_at(&err, -EINVAL, (struct src_pos){ "a.yaml", 3, 4 }, "wrong");
    log_err(LOG_LEVEL_ERROR, &err);
    err_set(&err, -EINVAL, "100%% %s", "%s");
    log_err(LOG_LEVEL_ERROR, &err);
    assert_string_equal(heard(), "r: a.yaml:3:4: wrong\nr: 100% %s\n");
}

static void errno_survives_a_log_line(void **state)
{
    (void)state;
    listen_to_stderr();
    log_init(LOG_LEVEL_INFO, "r");
    errno = ENOTTY;
    log_info("x");
    assert_int_equal(errno, ENOTTY);
    heard();
}

static void a_repeating_fault_is_told_once_a_minute_with_its_count(void **state)
{
    struct log_gate g = { 0 };
    uint64_t missed = 99, t = 5;

    (void)state;
    assert_true(log_gate(&g, t, &missed));
    assert_int_equal(missed, 0);
    for (unsigned i = 0; i < 7; i++)
        assert_false(log_gate(&g, t + i, &missed));
    assert_false(log_gate(&g, t + 60 * USEC_PER_SEC - 1, &missed));
    assert_true(log_gate(&g, t + 60 * USEC_PER_SEC, &missed));
    assert_int_equal(missed, 8);
    assert_true(log_gate(&g, t + 120 * USEC_PER_SEC, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_has_the_role_and_one_line_feed),
        cmocka_unit_test(hostile_text_stays_in_its_line),
        cmocka_unit_test(the_journal_gets_the_priority),
        cmocka_unit_test(a_long_text_is_cut_not_lost),
        cmocka_unit_test(an_error_is_logged_with_its_place),
        cmocka_unit_test(errno_survives_a_log_line),
        cmocka_unit_test(a_repeating_fault_is_told_once_a_minute_with_its_count),
    };

    unsetenv("JOURNAL_STREAM");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
