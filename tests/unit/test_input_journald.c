/*
 * The journald input, on journals made from an export text by
 * systemd-journal-remote. Skipped where that is not installed.
 */
#include <poll.h>

#include "tests/unit/journal_rig.h"

#define PANEL "{unit: panel, directory: '@', from: begin}"

static void own_journal(struct rig *r, unsigned n)
{
    rig_new(r);
    if (!make_journal(r, source_path(r, "tests/data/journal.export"), "system.journal", n)) {
        rig_free(r);
        skip();
    }
}

static void the_records_of_a_unit_are_read_in_order(void **state)
{
    struct rig r;
    struct buf expect = BUF_INIT;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    buf_str(&expect, "first|two\nlines|raw \xff");
    buf_add(&expect, "\0", 1);
    buf_str(&expect, " bytes|forged suppression|long-1 long-2 long-3|in between|last|");
    rig_drain(&r);
    assert_int_equal(r.lines.n, expect.n);
    assert_memory_equal(r.lines.p, expect.p, expect.n);
    assert_true(r.ended);
    buf_fini(&expect);
    rig_free(&r);
}

static void a_record_has_its_times_its_sender_and_its_number(void **state)
{
    struct rig r;
    struct block b;

    (void)state;
    own_journal(&r, 1);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    b = (struct block){ .arena = r.block_arena };
    assert_int_equal(r.in.ops->read(&r.in, &b, &r.err), 1);
    assert_int_equal(b.nrecords, 1);
    assert_true(slice_is(b.name, "panel.service"));
    assert_int_equal(b.records[0].position, 1);
    assert_int_equal(b.records[0].time_us, 1795225490001000);
    assert_int_equal(b.records[0].source_time_us, 1795225490000500);
    assert_int_equal(b.records[0].pid, 77);
    assert_int_equal(b.records[0].priority, 4);
    assert_true(b.end);
    rig_free(&r);
}

static void dropped_messages_are_told_only_on_the_word_of_journald(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, true), 0);
    rig_drain(&r);
    assert_string_equal(
        rig_notices(&r),
        "source.suppressed{\"unit\":\"panel.service\",\"dropped\":42,\"position\":5} ");
    rig_free(&r);
}

static void several_units_and_patterns_are_one_input(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald,
                               "{unit: [other.service, 'vpn@*.service'], directory: '@'}", true),
                     0);
    assert_string_equal(rig_lines(&r), "of another|of an instance|");
    assert_string_equal(
        rig_notices(&r),
        "source.suppressed{\"unit\":\"other.service\",\"dropped\":7,\"position\":6} ");
    rig_free(&r);
}

static void a_restart_goes_on_behind_the_last_record(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    rig_drain(&r);
    assert_true(r.lines.n > 0);
    (void)rig_lines(&r);
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void the_end_is_the_default_at_the_first_start(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald, "{unit: panel, directory: '@'}", false), 0);
    assert_string_equal(rig_lines(&r), "");
    assert_int_equal(r.ncursors, 1);
    rig_free(&r);
}

/* A line whose last part is missing: held, then given as it is. */
static void a_line_without_its_last_part_waits_then_comes_as_partial(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 10);
    clock_set(&r.clock, JOURNAL_T0 + SECOND);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    rig_drain(&r);
    assert_memory_equal(r.lines.p + r.lines.n - 19, "forged suppression|", 19);
    buf_reset(&r.lines);
    rig_wait(&r, 6 * SECOND);
    assert_string_equal(rig_lines(&r), "(part)long-1 long-2 |in between|");
    rig_free(&r);
}

/* Killed while it waited: the first part comes again. */
static void a_restart_inside_a_line_of_parts_loses_nothing(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 10);
    clock_set(&r.clock, JOURNAL_T0 + SECOND);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    rig_drain(&r);
    buf_reset(&r.lines);
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 6 * SECOND);
    assert_string_equal(rig_lines(&r), "(part)long-1 long-2 |in between|");
    rig_free(&r);
}

static void a_journal_that_was_replaced_is_read_from_its_beginning(void **state)
{
    struct rig r;

    (void)state;
    own_journal(&r, 0);
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    rig_drain(&r);
    buf_reset(&r.lines);
    rig_stop(&r);
    assert_true(
        make_journal(&r, source_path(&r, "tests/data/journal.export"), "system.journal", 3));
    assert_int_equal(rig_start(&r, &input_journald, PANEL, false), 0);
    rig_drain(&r);
    assert_non_null(strstr(rig_notices(&r), "source.resync"));
    assert_string_equal(rig_lines(&r), "first|two\nlines|");
    rig_free(&r);
}

static void a_long_message_is_cut_and_marked(void **state)
{
    struct rig r;
    struct buf b = BUF_INIT;
    const char *lines;

    (void)state;
    rig_new(&r);
    buf_str(&b, "__REALTIME_TIMESTAMP=1795225490000000\n__MONOTONIC_TIMESTAMP=1\n"
                "_BOOT_ID=fedcba9876543210fedcba9876543210\n_SYSTEMD_UNIT=panel.service\nMESSAGE=");
    for (unsigned i = 0; i < 5000; i++)
        buf_char(&b, 'm');
    buf_str(&b, "\n\n");
    rig_write(&r, "long.export", 0, buf_view(&b));
    buf_fini(&b);
    if (!make_journal(&r, rig_path(&r, "long.export"), "system.journal", 0)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald,
                               "{unit: panel, files: '@/system.journal', max_line: 1KiB}", true),
                     0);
    lines = rig_lines(&r);
    assert_int_equal(strlen(lines), 5 + 1024 + 1);
    assert_memory_equal(lines, "(cut)mmm", 8);
    rig_free(&r);
}

static void an_empty_folder_is_no_journal_to_replay(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_true(rig_start(&r, &input_journald, "{directory: '@'}", true) < 0);
    assert_non_null(strstr(r.err.text, "the journal is empty"));
    rig_stop(&r);
    assert_true(rig_start(&r, &input_journald, "{directory: '@/none'}", true) < 0);
    assert_non_null(strstr(r.err.text, "cannot open the journal in "));
    rig_free(&r);
}

/* Real records of several services, when the shared corpus is there. */
static void the_corpus_is_read_whole(void **state)
{
    struct rig r;
    const char *shared = getenv("TW_SHARED");
    unsigned n = 0;

    (void)state;
    rig_new(&r);
    if (!make_journal(&r,
                      shared ? arena_printf(r.arena, "%s/corpus/journal/mixed.export", shared)
                             : source_path(&r, "../shared/corpus/journal/mixed.export"),
                      "system.journal", 0)) {
        rig_free(&r);
        skip();
    }
    assert_int_equal(rig_start(&r, &input_journald, "{directory: '@'}", true), 0);
    for (struct block b = { .arena = r.block_arena }; !b.end;) {
        arena_reset(r.block_arena);
        b = (struct block){ .arena = r.block_arena };
        assert_int_equal(r.in.ops->read(&r.in, &b, &r.err), 1);
        n += (unsigned)b.nrecords;
    }
    print_message("%u records\n", n);
    assert_true(n > 70);
    rig_free(&r);
}

/*
 * Not a test: the reader of tests/integration/journald.sh. Follows UNIT until it is
 * killed; what it has read is in FOLDER/out, committed with its cursors.
 */
static int follow(const char *folder, const char *unit)
{
    struct rig r = { 0 };
    uint64_t length;
    int out;

    (void)snprintf(r.folder, sizeof r.folder, "%s", folder);
    r.arena = arena_new(4096, 0);
    r.block_arena = arena_new(1 << 16, 64 << 20);
    out = rig_results(&r, &length);
    if (rig_start(&r, &input_journald, arena_printf(r.arena, "{unit: '%s', from: begin}", unit),
                  false) < 0) {
        (void)fprintf(stderr, "%s\n", r.err.text);
        return 1;
    }
    for (;;) {
        struct pollfd p = { .fd = r.in.fd, .events = (short)(r.in.events ? r.in.events : POLLIN) };

        while (rig_commit(&r, out, &length))
            ;
        if (r.failed) {
            (void)fprintf(stderr, "%s\n", r.err.text);
            return 1;
        }
        (void)poll(&p, 1, 1000);
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_records_of_a_unit_are_read_in_order),
        cmocka_unit_test(a_record_has_its_times_its_sender_and_its_number),
        cmocka_unit_test(dropped_messages_are_told_only_on_the_word_of_journald),
        cmocka_unit_test(several_units_and_patterns_are_one_input),
        cmocka_unit_test(a_restart_goes_on_behind_the_last_record),
        cmocka_unit_test(the_end_is_the_default_at_the_first_start),
        cmocka_unit_test(a_line_without_its_last_part_waits_then_comes_as_partial),
        cmocka_unit_test(a_restart_inside_a_line_of_parts_loses_nothing),
        cmocka_unit_test(a_journal_that_was_replaced_is_read_from_its_beginning),
        cmocka_unit_test(a_long_message_is_cut_and_marked),
        cmocka_unit_test(an_empty_folder_is_no_journal_to_replay),
        cmocka_unit_test(the_corpus_is_read_whole),
    };

    if (argc == 4 && strcmp(argv[1], "follow") == 0)
        return follow(argv[2], argv[3]);
    return cmocka_run_group_tests_name("input_journald", tests, NULL, NULL);
}
