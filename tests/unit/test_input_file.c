/* The file input: what is read, once each, whatever happens to the file. */
#include "logwatch/inputs/file-private.h"
#include "tests/unit/input_file_rig.h"

#define LOG "{path: @/a.log, from: begin}"
#define DIR_LOG "{path: '@/*.log*', from: begin}"

static void lines_are_read_once_and_as_they_come(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a.log", "one\r\ntwo\nthr");
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    assert_string_equal(rig_lines(&r), "one|two|");
    assert_string_equal(rig_lines(&r), "");
    rig_append(&r, "a.log", "ee\n");
    assert_string_equal(rig_lines(&r), "three|");
    assert_int_equal(r.position, 9);
    rig_free(&r);
}

static void the_end_is_the_default_at_the_first_start(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a.log", "old\nhal");
    assert_int_equal(rig_start(&r, &input_file, "{path: @/a.log}", false), 0);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.start{\"from\":\"end\",\"offset\":4} ");
    rig_append(&r, "a.log", "f\nnew\n");
    assert_string_equal(rig_lines(&r), "half|new|"); /* the line that was being written is whole */
    rig_free(&r);
}

static void a_file_that_appears_later_is_read_from_its_beginning(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: @/a.log}");
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.missing{\"error\":\"does not exist\"} ");
    rig_append(&r, "a.log", "first\n");
    assert_string_equal(rig_lines(&r), "first|");
    rig_free(&r);
}

static void a_file_that_appeared_while_we_were_away_is_read_from_its_beginning(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: @/a.log}");
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    rig_append(&r, "a.log", "first\n");
    restart(&r, "{path: @/a.log}");
    assert_string_equal(rig_lines(&r), "first|");
    rig_free(&r);
}

static void what_was_there_before_the_first_start_is_marked_as_past(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a.log", "old\n");
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    assert_string_equal(rig_lines(&r), "old|");
    assert_true(r.backfill);
    rig_append(&r, "a.log", "new\n");
    assert_string_equal(rig_lines(&r), "new|");
    assert_false(r.backfill);
    rig_free(&r);
}

static void a_restart_goes_on_where_the_last_block_ended(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\ntwo\n");
    assert_string_equal(rig_lines(&r), "one|two|");
    rig_stop(&r);
    rig_append(&r, "a.log", "three\n");
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "three|");
    rig_free(&r);
}

static void a_restart_before_the_first_line_goes_on_as_if_there_was_none(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "par");
    assert_string_equal(rig_lines(&r), "");
    restart(&r, LOG);
    rig_append(&r, "a.log", "t\n");
    assert_string_equal(rig_lines(&r), "part|");
    rig_append(&r, "a.log", "next\n");
    assert_string_equal(rig_lines(&r), "next|"); /* what was read is known again */
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void an_inode_that_two_streams_claim_is_given_to_the_right_one(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    for (unsigned i = 0; i < 20; i++) {
        rig_append(&r, "a.log", arena_printf(r.arena, "generation %u of the log\n", i));
        assert_int_equal(rig_lines(&r)[0], 'g');
        restart(&r, LOG); /* those that were deleted before may claim the inode too */
        assert_string_equal(rig_lines(&r), "");
        assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
        rig_wait(&r, 30 * SECOND);
        assert_string_equal(rig_lines(&r), "");
    }
    rig_free(&r);
}

static void a_block_that_was_not_committed_is_read_again(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_append(&r, "a.log", "two\n");
    {
        struct block b = { .arena = r.block_arena };
        int got = 0;

        while (got == 0 || b.bytes.n == 0) {
            b = (struct block){ .arena = r.block_arena };
            got = r.in.ops->read(&r.in, &b, &r.err);
        }
        assert_memory_equal(b.bytes.p, "two\n", 4); /* and it is lost with the process */
    }
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "two|");
    rig_free(&r);
}

static void a_renamed_file_is_read_to_its_end(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_append(&r, "a.log", "two\n");
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "four\n");
    rig_append(&r, "a.log.1", "three\n"); /* the writer has not noticed yet */
    assert_string_equal(rig_lines(&r), "two|three|four|");
    rig_append(&r, "a.log.1", "late\n");
    rig_append(&r, "a.log", "five\n");
    assert_string_equal(rig_lines(&r), "late|five|");
    rig_free(&r);
}

static void a_rename_while_we_were_away_loses_nothing(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_stop(&r);
    rig_append(&r, "a.log", "two\n");
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "three\n");
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "two|three|");
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void generations_that_came_and_went_while_we_were_away_are_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_stop(&r);
    rig_append(&r, "a.log", "two\n");
    rig_rename(&r, "a.log", "a.log.2");
    rig_append(&r, "a.log.1", "three\n");
    rig_append(&r, "a.log", "four\n");
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "two|");
    rig_wait(&r, 3 * SECOND); /* a short new file may still become a copy; what is newer waits */
    assert_string_equal(rig_lines(&r), "three|four|");
    rig_free(&r);
}

static void rotated_names_are_known(void **state)
{
    (void)state;
    assert_true(name_is_rotated("a.log", "a.log.1"));
    assert_true(name_is_rotated("a.log", "a.log-20261121"));
    assert_true(name_is_rotated("a.log", "a-20261121.log"));
    assert_true(name_is_rotated("a.log", "a.2026-11-21T10:00:00.log"));
    assert_false(name_is_rotated("a.log", "a.log"));
    assert_false(name_is_rotated("a.log", "a-2.log")); /* maybe of a second instance */
    assert_false(name_is_rotated("a.log", "a.log.old"));
    assert_false(name_is_rotated("a.log", "a.log1"));
    assert_false(name_is_rotated("a.log", "b.log.1"));
}

static void old_rotated_files_are_left_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a.log.1", "ancient\n");
    rig_date(&r, "a.log.1", SECOND);
    rig_append(&r, "a.log", "one\n");
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    assert_string_equal(rig_lines(&r), "one|");
    rig_rename(&r, "a.log.1", "a.log.2");
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "two\n");
    assert_string_equal(rig_lines(&r), "two|");
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void copytruncate(struct rig *r)
{
    rig_copy(r, "a.log", "a.log.1");
    rig_write(r, "a.log", O_TRUNC, SLICE(""));
}

static void copytruncate_with_everything_read_reads_nothing_twice(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, DIR_LOG);
    number_lines(&r, "a.log", 0, 100);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    copytruncate(&r);
    assert_string_equal(rig_lines(&r), "");
    number_lines(&r, "a.log", 100, 101);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 1);
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_null(strstr(rig_notices(&r), "truncated"));
    rig_free(&r);
}

static void copytruncate_reads_the_rest_from_the_copy(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 100);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    number_lines(&r, "a.log", 100, 150);
    copytruncate(&r);
    number_lines(&r, "a.log", 150, 160);
    assert_int_equal(count(rig_lines(&r), '|'), 60);
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_null(strstr(rig_notices(&r), "truncated"));
    rig_free(&r);
}

static void copytruncate_while_we_were_away_loses_and_doubles_nothing(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, DIR_LOG);
    number_lines(&r, "a.log", 0, 100);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    rig_stop(&r);
    number_lines(&r, "a.log", 100, 150);
    copytruncate(&r);
    number_lines(&r, "a.log", 150, 160);
    restart(&r, DIR_LOG);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 60);
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void a_copy_is_held_while_its_original_lives(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, DIR_LOG);
    number_lines(&r, "a.log", 0, 100);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    rig_copy(&r, "a.log", "a.log.1");
    rig_wait(&r, 40 * SECOND); /* no cp takes longer than a minute */
    assert_string_equal(rig_lines(&r), "");
    number_lines(&r, "a.log", 100, 110); /* written between cp and the cut, but read by us */
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

/* cp took a second, in which lines came that we have read: the copy is older than they are. */
static void a_copy_that_is_older_than_the_last_line_is_not_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, DIR_LOG);
    number_lines(&r, "a.log", 0, 100);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    rig_copy(&r, "a.log", "a.log.1");
    rig_date(&r, "a.log.1", r.clock.now_us - SECOND);
    number_lines(&r, "a.log", 100, 110);
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void a_cut_file_is_told_and_read_anew(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 10);
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    rig_write(&r, "a.log", O_TRUNC, SLICE("fresh\n"));
    assert_string_equal(rig_lines(&r), "fresh|");
    (void)rig_notices(&r);
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.truncated{\"from\":530,\"to\":6} ");
    rig_free(&r);
}

static void a_file_cut_and_grown_past_our_offset_is_no_continuation(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 10);
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    number_lines(&r, "a.log", 500, 520);
    assert_int_equal(count(rig_lines(&r), '|'), 20);
    rig_free(&r);
}

static void an_unlinked_file_is_read_to_its_end_and_closed(void **state)
{
    struct rig r;
    char link[64], target[256];
    bool open = false;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_append(&r, "a.log", "two\npart");
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    assert_string_equal(rig_lines(&r), "two|");
    rig_wait(&r, 6 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 6 * SECOND);
    assert_string_equal(rig_lines(&r), "(part)part|");
    rig_wait(&r, 6 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    for (int fd = 3; fd < 64; fd++) {
        ssize_t n;

        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        open = open || strstr(target, r.folder);
    }
    assert_false(open);
    rig_free(&r);
}

static void a_reused_inode_is_another_file(void **state)
{
    struct rig r;
    struct stat before, after;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one one one\n");
    assert_string_equal(rig_lines(&r), "one one one|");
    assert_int_equal(stat(rig_path(&r, "a.log"), &before), 0);
    rig_stop(&r);
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    rig_append(&r, "a.log", "two two two and longer\n");
    assert_int_equal(stat(rig_path(&r, "a.log"), &after), 0);
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "two two two and longer|");
    if (before.st_ino != after.st_ino)
        print_message("inodes are not used again here\n");
    rig_free(&r);
}

static void a_file_replaced_by_one_that_holds_it_goes_on(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    rig_copy(&r, "a.log", "new");
    number_lines(&r, "new", 50, 55);
    rig_rename(&r, "new", "a.log");
    assert_int_equal(count(rig_lines(&r), '|'), 5);
    rig_free(&r);
}

static void a_symlink_that_flips_is_followed(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "x1", "one\n");
    rig_append(&r, "x2", "three\n");
    assert_int_equal(symlink("x1", rig_path(&r, "a.log")), 0);
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    assert_string_equal(rig_lines(&r), "one|");
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    assert_int_equal(symlink("x2", rig_path(&r, "a.log")), 0);
    rig_append(&r, "x1", "two\n");
    assert_string_equal(rig_lines(&r), "two|three|");
    rig_free(&r);
}

static void two_names_of_one_file_are_one_stream(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a.log", "one\n");
    assert_int_equal(link(rig_path(&r, "a.log"), rig_path(&r, "b.log")), 0);
    assert_int_equal(rig_start(&r, &input_file, DIR_LOG, false), 0);
    rig_wait(&r, 3 * SECOND);
    assert_string_equal(rig_lines(&r), "one|");
    rig_free(&r);
}

static void braces_and_globs_name_files(void **state)
{
    struct rig r;
    const char *lines;

    (void)state;
    rig_new(&r);
    rig_append(&r, "laravel-1.log", "l\n");
    rig_append(&r, "xui-2.log", "x\n");
    rig_append(&r, "other-3.log", "o\n");
    rig_append(&r, "xui-1.log.gz", "z\n");
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/{laravel,xui}-*', from: begin}", false),
                     0);
    rig_wait(&r, 3 * SECOND);
    lines = rig_lines(&r);
    assert_true(strcmp(lines, "l|x|") == 0 || strcmp(lines, "x|l|") == 0);
    rig_free(&r);
}

static void a_line_that_is_too_long_is_cut_and_told(void **state)
{
    struct rig r;
    struct buf b = BUF_INIT;
    const char *lines;

    (void)state;
    begin(&r, "{path: @/a.log, from: begin, max_line: 1KiB}");
    buf_str(&b, "before\n");
    for (unsigned i = 0; i < 5000; i++)
        buf_char(&b, 'x');
    buf_str(&b, "\nafter\n");
    rig_write(&r, "a.log", 0, buf_view(&b));
    lines = rig_lines(&r);
    assert_int_equal(strlen(lines), 7 + 5 + 1024 + 1 + 6);
    assert_memory_equal(lines, "before|(cut)xxx", 15);
    assert_string_equal(lines + strlen(lines) - 8, "x|after|");
    assert_non_null(
        strstr(rig_notices(&r), "source.long_line{\"position\":7,\"bytes\":5000,\"sha256\":"));
    buf_fini(&b);
    rig_free(&r);
}

static void a_restart_inside_a_long_line_does_not_make_two_of_it(void **state)
{
    struct rig r;
    struct buf b = BUF_INIT;

    (void)state;
    begin(&r, "{path: @/a.log, from: begin, max_line: 1KiB}");
    for (unsigned i = 0; i < 3000; i++)
        buf_char(&b, 'x');
    rig_write(&r, "a.log", 0, buf_view(&b));
    assert_int_equal(strlen(rig_lines(&r)), 5 + 1024 + 1);
    restart(&r, "{path: @/a.log, from: begin, max_line: 1KiB}");
    assert_string_equal(rig_lines(&r), "");
    rig_append(&r, "a.log", "xxx\nafter\n");
    assert_string_equal(rig_lines(&r), "after|");
    buf_fini(&b);
    rig_free(&r);
}

static void a_hundred_megabyte_line_needs_little_memory(void **state)
{
    struct rig r;
    int fd;
    char *chunk = malloc(1 << 20);

    (void)state;
    begin(&r, LOG);
    memset(chunk, 'y', 1 << 20);
    fd = open(rig_path(&r, "a.log"), O_WRONLY | O_CREAT, 0640);
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(write(fd, chunk, 1 << 20), 1 << 20);
    assert_int_equal(write(fd, "\nend\n", 5), 5);
    close(fd);
    free(chunk);
    assert_int_equal(strlen(rig_lines(&r)), 5 + 65536 + 1 + 4);
    assert_non_null(strstr(rig_notices(&r), "\"bytes\":104857600"));
    assert_true(arena_used(r.block_arena) <
                (4 << 20)); /* the last blocks; the rig's limit is 64 MiB */
    rig_free(&r);
}

static void nul_bytes_before_text_are_skipped_and_told(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    (void)rig_notices(&r);
    fd = open(rig_path(&r, "a.log"), O_WRONLY);
    assert_int_equal(pwrite(fd, "two\n", 4, 5000000), 4); /* a hole */
    close(fd);
    assert_string_equal(rig_lines(&r), "two|");
    assert_string_equal(rig_notices(&r), "source.nulls{\"position\":4,\"bytes\":4999996} ");
    rig_free(&r);
}

static void a_writer_that_does_not_append_under_copytruncate_loses_nothing(void **state)
{
    struct rig r;
    int fd;
    struct buf b = BUF_INIT;

    (void)state;
    begin(&r, LOG);
    fd = open(rig_path(&r, "a.log"), O_WRONLY | O_CREAT, 0640);
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&b, "%06u some words of a log line\n", i);
    assert_int_equal(write(fd, b.p, b.n), (ssize_t)b.n);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    copytruncate(&r);
    assert_int_equal(write(fd, "after\n", 6), 6); /* at its old offset: NUL bytes before it */
    assert_string_equal(rig_lines(&r), "after|");
    close(fd);
    buf_fini(&b);
    rig_free(&r);
}

static void room_made_beforehand_is_not_skipped(void **state)
{
    struct rig r;
    int fd;

    (void)state;
    begin(&r, LOG);
    fd = open(rig_path(&r, "a.log"), O_WRONLY | O_CREAT, 0640);
    assert_int_equal(ftruncate(fd, 100000), 0);
    assert_int_equal(write(fd, "one\n", 4), 4);
    assert_string_equal(rig_lines(&r), "one|");
    assert_int_equal(write(fd, "two\n", 4), 4);
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "two|");
    close(fd);
    rig_free(&r);
}

static void what_is_no_log_is_refused_with_its_reason(void **state)
{
    static const struct {
        struct slice bytes;
        const char *text;
    } cases[] = {
        { SLICE("\x1f\x8b\x08\0\0"), "is compressed (gzip): only replay reads it by name" },
        { SLICE("\xff\xfel\0o\0g\0"), "is UTF-16: convert it to UTF-8 first" },
        { SLICE("\x7f"
                "ELF\2\1\1\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0x"),
          "is a program, not a log" },
        { SLICE("a\0b\0c\0d\0e\0f\0g\0h\0i\0j\0k\0l\0m\0n\0o\0p\0q\0r\0\n"),
          "is binary, not lines of text" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct rig r;

        rig_new(&r);
        rig_write(&r, "a.log", 0, cases[i].bytes);
        assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
        assert_string_equal(rig_lines(&r), "");
        rig_drain(&r);
        if (!strstr(rig_notices(&r), cases[i].text) && !strstr(r.err.text, cases[i].text))
            fail_msg("case %zu: %s", i, r.err.text);
        rig_free(&r);
    }
}

static void a_folder_and_a_pipe_are_told_once(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_int_equal(mkdir(rig_path(&r, "a.log"), 0755), 0);
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    rig_drain(&r);
    assert_int_equal(r.failed, -EISDIR);
    assert_non_null(
        strstr(r.err.text, "/a.log' is a folder: name the files in it, like FOLDER/*.log"));
    r.failed = 0;
    rig_wait(&r, 20 * SECOND);
    rig_drain(&r);
    assert_int_equal(r.failed, 0); /* told once */
    assert_int_equal(rmdir(rig_path(&r, "a.log")), 0);
    assert_int_equal(mkfifo(rig_path(&r, "a.log"), 0640), 0);
    rig_wait(&r, 20 * SECOND);
    rig_drain(&r);
    assert_int_equal(r.failed, -EINVAL);
    assert_non_null(strstr(r.err.text, "is a named pipe"));
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    rig_append(&r, "a.log", "works\n");
    rig_wait(&r, 20 * SECOND);
    assert_string_equal(rig_lines(&r), "works|");
    assert_non_null(strstr(rig_notices(&r), "source.readable{}"));
    rig_free(&r);
}

/* Root may read everything, so it becomes somebody else for a while. */
static void a_missing_right_is_told_and_tried_again(void **state)
{
    struct rig r;

    (void)state;
    if (geteuid() != 0)
        skip();
    rig_new(&r);
    rig_append(&r, "a.log", "secret\n");
    assert_int_equal(chmod(rig_path(&r, "a.log"), 0600), 0);
    assert_int_equal(chmod(r.folder, 0755), 0);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    rig_drain(&r);
    assert_int_equal(r.failed, -EACCES);
    assert_non_null(strstr(r.err.text, "/a.log' Permission denied"));
    r.failed = 0;
    rig_wait(&r, 20 * SECOND);
    rig_drain(&r);
    assert_int_equal(r.failed, 0);
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(rig_path(&r, "a.log"), 0644), 0);
    assert_int_equal(seteuid(65534), 0);
    rig_wait(&r, 20 * SECOND);
    assert_string_equal(rig_lines(&r), "secret|");
    assert_int_equal(seteuid(0), 0);
    rig_free(&r);
}

static void one_bad_path_does_not_stop_the_others(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "b.log", "fine\n");
    assert_int_equal(mkdir(rig_path(&r, "a.log"), 0755), 0);
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/a.log, @/b.log], from: begin}", false),
                     0);
    assert_string_equal(rig_lines(&r), "fine|");
    assert_int_equal(r.failed, 0);
    assert_non_null(strstr(rig_notices(&r), "source.unreadable{\"error\":\"is a folder"));
    rig_free(&r);
}

static bool stack_starts(const void *ctx, struct slice line, struct slice previous)
{
    (void)ctx;
    (void)previous;
    return line.n && line.p[0] == '[';
}

static void a_record_of_several_lines_is_handed_over_whole(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    r.framing = (struct framing){
        .starts = stack_starts, .lines_max = 100, .bytes_max = 10000, .idle_us = SECOND
    };
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    rig_append(&r, "a.log", "[1] a\n at b\n");
    assert_string_equal(rig_lines(&r), "");
    rig_append(&r, "a.log", " at c\n[2] d\n");
    assert_string_equal(rig_lines(&r), "[1] a\n at b\n at c|");
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "[2] d|");
    rig_free(&r);
}

static void the_key_is_the_content_not_the_name(void **state)
{
    struct rig r;
    uint8_t live[16];

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "first line\nsecond\n");
    assert_string_equal(rig_lines(&r), "first line|second|");
    memcpy(live, r.key, sizeof live);
    rig_stop(&r);
    rig_rename(&r, "a.log", "elsewhere.txt");
    assert_int_equal(rig_start(&r, &input_file, "{path: @/elsewhere.txt}", true), 0);
    assert_string_equal(rig_lines(&r), "first line|second|");
    assert_memory_equal(live, r.key, sizeof live);
    assert_int_equal(r.position, 11);
    rig_free(&r);
}

static void replay_reads_the_files_in_order_and_ends(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "2.log", "three\nfour");
    rig_append(&r, "1.log", "one\ntwo\n");
    rig_append(&r, "0.log", "");
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/2.log, @/0.log, @/1.log]}", true), 0);
    assert_string_equal(rig_lines(&r), "three|(part)four|one|two|");
    assert_true(r.ended);
    assert_int_equal(r.ncursors, 0);
    rig_free(&r);
}

static void replay_takes_a_name_with_brackets_as_it_is(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "a[1].log", "one\n");
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/a[1].log'}", true), 0);
    assert_string_equal(rig_lines(&r), "one|");
    rig_free(&r);
}

static void replay_says_what_it_cannot_read_and_reads_the_rest(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "1.log", "one\n");
    rig_append(&r, "2.log", "BZh91AY&SY");
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/0.log, @/2.log, '@', @/1.log]}", true),
                     0);
    assert_int_equal(rig_read(&r), -ENOENT);
    assert_non_null(strstr(r.err.text, "/0.log' does not exist"));
    assert_int_equal(rig_read(&r), -EINVAL);
    assert_non_null(strstr(r.err.text, "is compressed (bzip2): unpack it first"));
    assert_int_equal(rig_read(&r), -EISDIR);
    assert_string_equal(rig_lines(&r), "one|");
    assert_true(r.ended);
    rig_free(&r);
}

static void more_files_than_descriptors_are_followed(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    for (unsigned i = 0; i < 400; i++) {
        char *name = arena_printf(r.arena, "f%03u.log", i);

        rig_append(&r, name, "hello ");
        rig_append(&r, name, name);
        rig_append(&r, name, "\n");
    }
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/*.log', from: begin}", false), 0);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 400);
    for (unsigned i = 0; i < 400; i++)
        rig_append(&r, arena_printf(r.arena, "f%03u.log", i), "again\n");
    rig_wait(&r, 2 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 400);
    rig_stop(&r);
    rig_free(&r);
}

static void a_flooded_file_does_not_starve_the_others(void **state)
{
    struct rig r;
    bool quiet_seen = false;

    (void)state;
    rig_new(&r);
    r.in.block_max = 4096;
    for (unsigned i = 0; i < 100; i++)
        number_lines(&r, "a.log", 0, 100);
    rig_append(&r, "b.log", "quiet\n");
    assert_int_equal(rig_start(&r, &input_file,
                               "{path: [@/a.log, @/b.log], from: begin, max_line: 1KiB}", false),
                     0);
    for (unsigned i = 0; i < 6 && !quiet_seen; i++) {
        (void)rig_read(&r);
        quiet_seen = r.lines.p && memmem(r.lines.p, r.lines.n, "quiet", 5);
    }
    assert_true(quiet_seen);
    rig_free(&r);
}

static void a_damaged_cursor_is_told_and_not_believed(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    rig_stop(&r);
    for (size_t i = 0; i < r.ncursors; i++) {
        char *head = strstr(r.cursors[i].value, "\"head_n\":");

        if (head)
            head[9] = '9';
    }
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "one|"); /* again rather than not at all */
    assert_non_null(strstr(rig_notices(&r), "source.bad_cursor"));
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_are_read_once_and_as_they_come),
        cmocka_unit_test(the_end_is_the_default_at_the_first_start),
        cmocka_unit_test(a_file_that_appears_later_is_read_from_its_beginning),
        cmocka_unit_test(a_file_that_appeared_while_we_were_away_is_read_from_its_beginning),
        cmocka_unit_test(what_was_there_before_the_first_start_is_marked_as_past),
        cmocka_unit_test(a_restart_goes_on_where_the_last_block_ended),
        cmocka_unit_test(a_restart_before_the_first_line_goes_on_as_if_there_was_none),
        cmocka_unit_test(an_inode_that_two_streams_claim_is_given_to_the_right_one),
        cmocka_unit_test(a_block_that_was_not_committed_is_read_again),
        cmocka_unit_test(a_renamed_file_is_read_to_its_end),
        cmocka_unit_test(a_rename_while_we_were_away_loses_nothing),
        cmocka_unit_test(generations_that_came_and_went_while_we_were_away_are_read),
        cmocka_unit_test(rotated_names_are_known),
        cmocka_unit_test(old_rotated_files_are_left_alone),
        cmocka_unit_test(copytruncate_with_everything_read_reads_nothing_twice),
        cmocka_unit_test(copytruncate_reads_the_rest_from_the_copy),
        cmocka_unit_test(copytruncate_while_we_were_away_loses_and_doubles_nothing),
        cmocka_unit_test(a_copy_is_held_while_its_original_lives),
        cmocka_unit_test(a_copy_that_is_older_than_the_last_line_is_not_read),
        cmocka_unit_test(a_cut_file_is_told_and_read_anew),
        cmocka_unit_test(a_file_cut_and_grown_past_our_offset_is_no_continuation),
        cmocka_unit_test(an_unlinked_file_is_read_to_its_end_and_closed),
        cmocka_unit_test(a_reused_inode_is_another_file),
        cmocka_unit_test(a_file_replaced_by_one_that_holds_it_goes_on),
        cmocka_unit_test(a_symlink_that_flips_is_followed),
        cmocka_unit_test(two_names_of_one_file_are_one_stream),
        cmocka_unit_test(braces_and_globs_name_files),
        cmocka_unit_test(a_line_that_is_too_long_is_cut_and_told),
        cmocka_unit_test(a_restart_inside_a_long_line_does_not_make_two_of_it),
        cmocka_unit_test(a_hundred_megabyte_line_needs_little_memory),
        cmocka_unit_test(nul_bytes_before_text_are_skipped_and_told),
        cmocka_unit_test(a_writer_that_does_not_append_under_copytruncate_loses_nothing),
        cmocka_unit_test(room_made_beforehand_is_not_skipped),
        cmocka_unit_test(what_is_no_log_is_refused_with_its_reason),
        cmocka_unit_test(a_folder_and_a_pipe_are_told_once),
        cmocka_unit_test(a_missing_right_is_told_and_tried_again),
        cmocka_unit_test(one_bad_path_does_not_stop_the_others),
        cmocka_unit_test(a_record_of_several_lines_is_handed_over_whole),
        cmocka_unit_test(the_key_is_the_content_not_the_name),
        cmocka_unit_test(replay_reads_the_files_in_order_and_ends),
        cmocka_unit_test(replay_takes_a_name_with_brackets_as_it_is),
        cmocka_unit_test(replay_says_what_it_cannot_read_and_reads_the_rest),
        cmocka_unit_test(more_files_than_descriptors_are_followed),
        cmocka_unit_test(a_flooded_file_does_not_starve_the_others),
        cmocka_unit_test(a_damaged_cursor_is_told_and_not_believed),
    };

    return cmocka_run_group_tests_name("input_file", tests, NULL, NULL);
}
