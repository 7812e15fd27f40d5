/*
 * The journald input where journals are odd: parts of lines, clocks that were
 * set back, sequences that begin anew, fields made by an enemy.
 */
#include <sys/resource.h>

#include "tests/unit/journal_rig.h"

#define PANEL "{unit: panel, directory: '@', from: begin}"
#define ALL "{directory: '@', from: begin}"
#define MADE(r, name, ...)                                                                         \
    do {                                                                                           \
        if (!MAKE(r, name, __VA_ARGS__)) {                                                         \
            rig_free(r);                                                                           \
            skip();                                                                                \
        }                                                                                          \
    } while (0)
#define PART(stream) "_STREAM_ID=" stream "\n_LINE_BREAK=line-max\n"
#define LAST(stream) "_STREAM_ID=" stream "\n"

/* ---- whose entry it is ---- */

static void only_the_unit_that_journald_saw_says_whose_entry_it_is(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal",
         MSG("evil.service", "forged",
             .more = "SYSLOG_IDENTIFIER=panel.service\nUNIT=panel.service\n"
                     "OBJECT_SYSTEMD_UNIT=panel.service\nCOREDUMP_UNIT=panel.service\n"),
         MSG(NULL, "of nobody", .more = "UNIT=panel.service\nSYSLOG_IDENTIFIER=panel\n"),
         MSG("panel.service", "true", .more = "SYSLOG_IDENTIFIER=other\nUNIT=other.service\n"));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    assert_string_equal(rig_lines(&r), "true|");
    rig_free(&r);
}

static void an_instance_that_appears_later_is_followed(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("vpn@one.service", "one"), MSG("vpnx.service", "no"));
    assert_int_equal(
        rig_start(&r, &input_journald, "{unit: 'vpn@*', directory: '@', from: begin}", false), 0);
    assert_string_equal(rig_lines(&r), "one|");
    MADE(&r, "system.journal", MSG("vpn@two.service", "two", .mono_us = 5000));
    assert_string_equal(rig_lines(&r), "two|");
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

static void of_several_messages_the_first_counts_and_it_is_told(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "one"),
         MSG("panel.service", "two", .more = "MESSAGE=second\n"),
         MSG("other.service", "three", .more = "MESSAGE=second\n"),
         MSG("panel.service", "four", .more = "MESSAGE=fifth\nMESSAGE=sixth\n"));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    assert_string_equal(rig_lines(&r), "one|two|four|");
    assert_string_equal(rig_notices(&r),
                        "source.doubled{\"field\":\"MESSAGE\",\"entries\":2,\"position\":2} ");
    rig_free(&r);
}

/* ---- a field that does not fit into memory ---- */

#define HUGE_FIELD (UINT64_C(100) << 20)

/* An entry with a field of 100 MB between two others; zeros on disk are holes. */
static bool make_huge(struct rig *r, const char *field)
{
    struct buf b = BUF_INIT;
    const struct made around[] = { MSG("panel.service", "before"), MSG("panel.service", "after") };
    uint64_t n = HUGE_FIELD, size;
    char *path = rig_path(r, "huge.export");
    int fd;
    bool made;

    made_entry(&b, &around[0], 0);
    buf_printf(&b, "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=1500\n_BOOT_ID=%032x\n",
               (unsigned long long)JOURNAL_T0 + 1500, 1U);
    buf_printf(&b, "_TRANSPORT=journal\n_SYSTEMD_UNIT=panel.service\n%s%s\n",
               slice_is(slice_str(field), "MESSAGE") ? "" : "MESSAGE=beside\n", field);
    for (unsigned i = 0; i < 8; i++, n >>= 8)
        buf_char(&b, (char)(n & 0xff));
    rig_write(r, "huge.export", O_TRUNC, buf_view(&b));
    size = b.n + HUGE_FIELD;
    buf_reset(&b);
    buf_str(&b, "\n\n");
    made_entry(&b, &around[1], 1);
    fd = open(path, O_WRONLY);
    assert_int_equal(ftruncate(fd, (off_t)size), 0);
    assert_int_equal(pwrite(fd, b.p, b.n, (off_t)size), (ssize_t)b.n);
    close(fd);
    buf_fini(&b);
    made = run_remote(r, path, "system.journal");
    unlink(path);
    return made;
}

/* AddressSanitizer maps more than any limit that would serve here. */
#ifdef __SANITIZE_ADDRESS__
#define WITHOUT_SANITIZER skip()
#else
#define WITHOUT_SANITIZER (void)0
#endif

/* Reads it in a process that may not have so much memory; what it read is left in `out`. */
static void read_with_little_memory(struct rig *r, bool limited)
{
    struct rlimit limit = { 60 << 20, 60 << 20 };
    int status = -1;
    pid_t pid = fork();

    if (pid == 0) {
        if (limited && setrlimit(RLIMIT_DATA, &limit) < 0)
            _exit(3);
        if (rig_start(r, &input_journald, PANEL, true) < 0)
            _exit(4);
        rig_drain(r);
        buf_slice(&r->lines, buf_view(&r->notices));
        rig_write(r, "out", O_TRUNC, buf_view(&r->lines));
        _exit(r->failed ? 5 : 0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
}

/* NUL bytes of it as '0'. */
static char *what_was_read(struct rig *r)
{
    struct buf text = BUF_INIT;

    assert_int_equal(file_read(AT_FDCWD, rig_path(r, "out"), 1 << 20, &text, NULL), 0);
    for (size_t i = 0; i < text.n; i++)
        text.p[i] = text.p[i] ? text.p[i] : '0';
    return buf_take(&text);
}

static void a_field_too_large_for_memory_does_not_hide_the_message_beside_it(void **state)
{
    struct rig r;
    char *text;

    (void)state;
    WITHOUT_SANITIZER;
    rig_new(&r);
    if (!make_huge(&r, "JUNK")) {
        rig_free(&r);
        skip();
    }
    read_with_little_memory(&r, true);
    text = what_was_read(&r);
    assert_string_equal(text, "before|beside|after|");
    free(text);
    rig_free(&r);
}

static void a_message_too_large_for_memory_is_told_and_reading_goes_on(void **state)
{
    struct rig r;
    char *text;

    (void)state;
    WITHOUT_SANITIZER;
    rig_new(&r);
    if (!make_huge(&r, "MESSAGE")) {
        rig_free(&r);
        skip();
    }
    read_with_little_memory(&r, true);
    text = what_was_read(&r);
    assert_non_null(strstr(text, "before|after|source.unreadable{\"position\":2,\"error\":\""));
    free(text);
    read_with_little_memory(&r, false);
    text = what_was_read(&r);
    assert_memory_equal(text, "before|(cut)00", 14);
    assert_non_null(strstr(text, "|after|"));
    free(text);
    rig_free(&r);
}

/* ---- lines in parts ---- */

static void parts_with_other_units_between_are_one_line_at_the_place_of_the_first(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "a1 ", .more = PART("a")),
         MSG("other.service", "foreign"), MSG("panel.service", "b1 ", .more = PART("b")),
         MSG("panel.service", "a2 ", .more = PART("a")), MSG("panel.service", "plain"),
         MSG("panel.service", "b2", .more = LAST("b")),
         MSG("panel.service", "a3", .more = LAST("a")),
         MSG("panel.service", "next", .more = LAST("a")));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    assert_string_equal(rig_lines(&r), "a1 a2 a3|b1 b2|plain|next|");
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_journald, ALL, true), 0);
    assert_string_equal(rig_lines(&r), "a1 a2 a3|foreign|b1 b2|plain|next|");
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

/* Each block is committed and the reader killed: the parts further on are passed over. */
static void a_restart_between_the_parts_of_a_line_changes_nothing(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "a1 ", .more = PART("a")),
         MSG("other.service", "foreign"), MSG("panel.service", "a2 ", .more = PART("a")),
         MSG("panel.service", "b1 ", .more = PART("b")), MSG("other.service", "again"),
         MSG("panel.service", "b2", .more = LAST("b")),
         MSG("panel.service", "a3", .more = LAST("a")), MSG("other.service", "end"));
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(rig_start(&r, &input_journald, ALL, false), 0);
        (void)rig_read(&r);
        rig_stop(&r);
    }
    assert_string_equal(r.lines.p, "a1 a2 a3|foreign|b1 b2|again|end|");
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

static void a_line_at_the_end_of_a_full_block_is_whole(void **state)
{
    struct rig r;
    struct made list[1100];
    size_t n = 0;
    const char *lines;

    (void)state;
    rig_new(&r);
    while (n < 1023)
        list[n++] = (struct made)MSG("panel.service", "x");
    list[n++] = (struct made)MSG("panel.service", "long-", .more = PART("a"));
    while (n < 1090)
        list[n++] = (struct made)MSG("panel.service", "y");
    list[n++] = (struct made)MSG("panel.service", "line", .more = LAST("a"));
    list[n++] = (struct made)MSG("panel.service", "z");
    if (!make_entries(&r, "system.journal", list, n)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    lines = rig_lines(&r);
    assert_non_null(strstr(lines, "x|long-line|y|"));
    assert_non_null(strstr(lines, "y|z|"));
    rig_free(&r);
}

/* The limit is reached: nothing is waited for, nothing of the rest is a line of its own. */
static void the_rest_of_a_line_that_is_too_long_is_passed_over(void **state)
{
    struct rig r;
    char kilobyte[1001] = { 0 };
    const char *lines;

    (void)state;
    rig_new(&r);
    memset(kilobyte, 'k', 1000);
    clock_set(&r.clock, JOURNAL_T0);
    MADE(&r, "system.journal", MSG("panel.service", kilobyte, .more = PART("a")),
         MSG("panel.service", kilobyte, .more = PART("a")), MSG("panel.service", "between"));
    assert_int_equal(rig_start(&r, &input_journald,
                               "{unit: panel, directory: '@', from: begin, max_line: 1KiB}", false),
                     0);
    lines = rig_lines(&r);
    assert_int_equal(strlen(lines), 5 + 1024 + 1 + 8);
    assert_string_equal(lines + 5 + 1024, "|between|");
    rig_stop(&r);
    MADE(&r, "system.journal",
         MSG("panel.service", "forged", .mono_us = 9000000, .more = PART("a")),
         MSG("panel.service", "forged", .mono_us = 9000001, .more = LAST("a")),
         MSG("panel.service", "true", .mono_us = 9000002, .more = LAST("a")));
    assert_int_equal(rig_start(&r, &input_journald,
                               "{unit: panel, directory: '@', from: begin, max_line: 1KiB}", false),
                     0);
    assert_string_equal(rig_lines(&r), "true|");
    rig_free(&r);
}

static void a_part_that_comes_too_late_is_marked_live_and_later(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "a1 ", .more = PART("a")),
         MSG("panel.service", "between"),
         MSG("panel.service", "a2", .mono_us = 20 * SECOND, .more = LAST("a")),
         MSG("panel.service", "b", .mono_us = 21 * SECOND, .more = LAST("a")));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    assert_string_equal(rig_lines(&r), "(part)a1 |between|(part)a2|b|");
    rig_free(&r);
}

/* ---- clocks and sequences ---- */

/* A new file, a new boot, and a clock of last year: sorted by time it lies before our place. */
static void entries_of_a_clock_that_was_set_back_are_read(void **state)
{
    struct rig r;
    uint64_t before = JOURNAL_T0 - 365 * 86400 * SECOND;

    (void)state;
    rig_new(&r);
    MADE(&r, "system@old.journal", MSG("panel.service", "one"), MSG("panel.service", "two"));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "one|two|");
    rig_stop(&r);
    MADE(&r, "system.journal",
         MSG("panel.service", "three", .boot = 2, .realtime_us = before + 1, .mono_us = 1),
         MSG("panel.service", "four", .boot = 2, .realtime_us = before + 2, .mono_us = 2));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "three|four|");
    assert_non_null(strstr(rig_notices(&r), "source.resync{\"reason\":\"a clock was set back"));
    /* And those that follow, also after a restart. */
    rig_wait(&r, SECOND);
    MADE(&r, "system.journal",
         MSG("panel.service", "five", .boot = 2, .realtime_us = before + 3, .mono_us = 3));
    assert_string_equal(rig_lines(&r), "five|");
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 2 * SECOND);
    MADE(&r, "system.journal",
         MSG("panel.service", "six", .boot = 2, .realtime_us = before + 4, .mono_us = 4));
    assert_string_equal(rig_lines(&r), "six|");
    rig_free(&r);
}

/* Two boots of a new sequence while we were away: one sorts before our place, one behind it. */
static void of_two_boots_the_one_before_our_place_is_read_first(void **state)
{
    struct rig r;
    const uint64_t day = 86400 * SECOND;

    (void)state;
    rig_new(&r);
    MADE(&r, "system@old.journal", MSG("panel.service", "one"), MSG("panel.service", "two"));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "one|two|");
    rig_stop(&r);
    MADE(&r, "system.journal",
         MSG("panel.service", "three", .boot = 2, .realtime_us = JOURNAL_T0 - day, .mono_us = 1),
         MSG("panel.service", "four", .boot = 2, .realtime_us = JOURNAL_T0 - day, .mono_us = 2),
         MSG("panel.service", "five", .boot = 3, .realtime_us = JOURNAL_T0 + day, .mono_us = 3));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "three|four|five|");
    assert_null(strstr(rig_notices(&r), "source.gap"));
    rig_free(&r);
}

/* The clock goes back inside one sequence: the numbers say the order. */
static void one_sequence_is_read_by_its_numbers_whatever_the_clock_says(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "one"),
         MSG("panel.service", "two", .realtime_us = JOURNAL_T0 + 86400 * SECOND),
         MSG("panel.service", "three", .realtime_us = JOURNAL_T0 - 86400 * SECOND),
         MSG("panel.service", "four", .boot = 2, .realtime_us = JOURNAL_T0 - 2 * 86400 * SECOND));
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
        (void)rig_read(&r);
        rig_stop(&r);
    }
    assert_string_equal(r.lines.p, "one|two|three|four|");
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

/* As `journalctl --flush` does it: the same entries under other numbers in another file. */
static void entries_that_were_moved_to_another_file_are_not_read_twice(void **state)
{
    struct rig r;
    const struct made list[] = { MSG("panel.service", "one"), MSG("panel.service", "two"),
                                 MSG("other.service", "foreign"), MSG("panel.service", "three"),
                                 MSG("panel.service", "four") };

    (void)state;
    rig_new(&r);
    if (!make_entries(&r, "run.journal", list, 4)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "one|two|three|");
    unlink(rig_path(&r, "run.journal"));
    assert_true(make_entries(&r, "var.journal", list, 5));
    assert_string_equal(rig_lines(&r), "four|");
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

/* ---- files that go away ---- */

/* As journald deletes: it empties the file that others still have open. */
static void wipe(struct rig *r, const char *name)
{
    struct stat st;
    int fd = open(rig_path(r, name), O_RDWR);

    assert_true(fd >= 0);
    assert_int_equal(unlink(rig_path(r, name)), 0);
    assert_int_equal(fstat(fd, &st), 0);
    assert_int_equal(fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, st.st_size), 0);
    close(fd);
}

static void a_file_deleted_under_the_reader_is_a_gap_and_not_an_end(void **state)
{
    struct rig r;
    struct made list[3000];
    size_t n = 0;
    const char *notices;

    (void)state;
    rig_new(&r);
    while (n < ARRAY_SIZE(list))
        list[n++] = (struct made)MSG("panel.service", "old");
    if (!make_entries(&r, "system@old.journal", list, n)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_int_equal(rig_read(&r), 1); /* a block of them */
    wipe(&r, "system@old.journal");
    MADE(&r, "system.journal", MSG("panel.service", "new", .mono_us = 5 * SECOND),
         MSG("panel.service", "newer", .mono_us = 5 * SECOND + 1));
    buf_reset(&r.lines);
    assert_string_equal(rig_lines(&r), "new|newer|");
    notices = rig_notices(&r);
    assert_non_null(strstr(notices, "source.gap{\"stream\":\""));
    assert_non_null(strstr(notices, "\",\"from\":1025,\"sequence\":\"ended\"} "));
    assert_int_equal(r.failed, 0);
    rig_free(&r);
}

/* While nobody reads, all of the sequence goes away; the new one sorts before our place. */
static void a_sequence_that_went_away_whole_is_told_after_a_start(void **state)
{
    struct rig r;
    const char *notices;

    (void)state;
    rig_new(&r);
    MADE(&r, "system.journal", MSG("panel.service", "one", .boot = 9));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "one|");
    rig_stop(&r);
    unlink(rig_path(&r, "system.journal"));
    MADE(&r, "system.journal", MSG("panel.service", "new", .realtime_us = JOURNAL_T0 - SECOND));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "new|");
    notices = rig_notices(&r);
    assert_non_null(strstr(notices, "source.resync"));
    assert_non_null(strstr(notices, "\"from\":2,\"sequence\":\"ended\""));
    assert_null(strstr(notices, "\"new\"")); /* the new one has its first entry */
    rig_free(&r);
}

/* ---- how far behind ---- */

static void the_lag_is_the_time_of_the_last_entry_until_the_end_is_reached(void **state)
{
    struct rig r;
    struct made list[1500];
    size_t n = 0;

    (void)state;
    rig_new(&r);
    while (n < ARRAY_SIZE(list))
        list[n++] = (struct made)MSG("panel.service", "x");
    if (!make_entries(&r, "system.journal", list, n)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_int_equal(r.in.lag.since_us, 0);
    assert_int_equal(rig_read(&r), 1);
    assert_int_equal(r.in.lag.since_us, JOURNAL_T0 + 1024 * 1000);
    assert_int_equal(rig_read(&r), 1);
    assert_int_equal(r.in.lag.since_us, 0);
    assert_int_equal(r.in.lag.bytes, 0);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_the_unit_that_journald_saw_says_whose_entry_it_is),
        cmocka_unit_test(an_instance_that_appears_later_is_followed),
        cmocka_unit_test(of_several_messages_the_first_counts_and_it_is_told),
        cmocka_unit_test(a_field_too_large_for_memory_does_not_hide_the_message_beside_it),
        cmocka_unit_test(a_message_too_large_for_memory_is_told_and_reading_goes_on),
        cmocka_unit_test(parts_with_other_units_between_are_one_line_at_the_place_of_the_first),
        cmocka_unit_test(a_restart_between_the_parts_of_a_line_changes_nothing),
        cmocka_unit_test(a_line_at_the_end_of_a_full_block_is_whole),
        cmocka_unit_test(the_rest_of_a_line_that_is_too_long_is_passed_over),
        cmocka_unit_test(a_part_that_comes_too_late_is_marked_live_and_later),
        cmocka_unit_test(entries_of_a_clock_that_was_set_back_are_read),
        cmocka_unit_test(of_two_boots_the_one_before_our_place_is_read_first),
        cmocka_unit_test(one_sequence_is_read_by_its_numbers_whatever_the_clock_says),
        cmocka_unit_test(entries_that_were_moved_to_another_file_are_not_read_twice),
        cmocka_unit_test(a_file_deleted_under_the_reader_is_a_gap_and_not_an_end),
        cmocka_unit_test(a_sequence_that_went_away_whole_is_told_after_a_start),
        cmocka_unit_test(the_lag_is_the_time_of_the_last_entry_until_the_end_is_reached),
    };

    return cmocka_run_group_tests_name("input_journald_odd", tests, NULL, NULL);
}
