/*
 * What a storm of rotations and kills has found in the file input: each of these was
 * a loss, a line twice, a line out of its order or a false word once.
 */
#include <sys/syscall.h>

#include "logwatch/inputs/file-private.h"
#include "tests/unit/input_file_rig.h"

#define LOG "{path: @/a.log, from: begin, max_line: 1KiB}"
#define GLOB "{path: '@/a.log*', from: begin, max_line: 1KiB}"

/* What happens between two calls of the input, once; NULL = nothing. */
static void (*at_seek)(void);
static struct rig *rig_at_seek;

/* In place of libc's: files change while they are looked at. */
off_t lseek(int fd, off_t offset, int whence)
{
    void (*now)(void) = at_seek;

    if (whence == SEEK_DATA && now) {
        at_seek = NULL;
        now();
    }
    return (off_t)syscall(SYS_lseek, fd, offset, whence);
}

/* ---- holes ---- */

static void copy_and_cut(void)
{
    rig_copy(rig_at_seek, "a.log", "a.log.1");
    rig_truncate(rig_at_seek, "a.log", 0);
}

/* A hole, lines behind it, and the log is cut while the end of the hole is looked for. */
static void a_file_that_is_cut_is_no_hole_up_to_its_old_end(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    rig_truncate(&r, "a.log", 100000);
    number_lines(&r, "a.log", 100, 200);
    rig_at_seek = &r;
    at_seek = copy_and_cut;
    assert_numbers(rig_lines(&r), 100, 200);
    assert_null(at_seek);
    number_lines(&r, "a.log", 200, 210);
    rig_wait(&r, 3 * SECOND);
    assert_numbers(rig_lines(&r), 200, 210);
    rig_free(&r);
}

static void hole(struct rig *r, const char *name, size_t n)
{
    char *nuls = calloc(1, n);

    assert_non_null(nuls);
    rig_write(r, name, O_APPEND, slice_of(nuls, n));
    free(nuls);
}

/* A hole that is no hole of the file system, as after a crash; longer than one look. */
static void no_line_is_handed_over_before_its_key_is_known(void **state)
{
    struct rig r;
    uint8_t key[16], none[16] = { 0 };

    (void)state;
    begin(&r, LOG);
    hole(&r, "a.log", 9000000);
    assert_string_equal(rig_lines(&r), "");
    number_lines(&r, "a.log", 0, 10);
    for (unsigned i = 0; i < 3; i++) /* it takes some looks, and each says that it is not done */
        rig_drain(&r);
    assert_numbers(rig_lines(&r), 0, 10);
    memcpy(key, r.key, 16);
    assert_memory_not_equal(key, none, 16);
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/a.log'}", true), 0);
    assert_numbers(rig_lines(&r), 0, 10);
    assert_memory_equal(key, r.key, 16);
    rig_free(&r);
}

static void files_that_begin_with_holes_are_not_alike(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, GLOB);
    hole(&r, "a.log", 2000);
    number_lines(&r, "a.log", 0, 300);
    assert_numbers(rig_lines(&r), 0, 300);
    rig_stop(&r);
    rig_truncate(&r, "a.log", 0);
    hole(&r, "a.log", 2000);
    number_lines(&r, "a.log", 300, 400);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 400, 500);
    rig_wait(&r, 3 * SECOND);
    restart(&r, GLOB);
    assert_numbers(rig_lines(&r), 300, 500);
    rig_free(&r);
}

static void room_for_the_first_line_does_not_hide_its_key(void **state)
{
    struct rig r;
    uint8_t key[16];
    int fd;

    (void)state;
    begin(&r, LOG);
    hole(&r, "a.log", 300000);
    assert_string_equal(rig_lines(&r), "");
    fd = open(rig_path(&r, "a.log"), O_WRONLY);
    assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
    close(fd);
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "one|two|");
    assert_true(stream_key(SLICE("one\n"), false, key));
    assert_memory_equal(key, r.key, 16);
    rig_free(&r);
}

static void a_hole_near_the_beginning_does_not_make_a_log_binary(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 3);
    hole(&r, "a.log", 3000);
    number_lines(&r, "a.log", 3, 10);
    assert_numbers(rig_lines(&r), 0, 10);
    rig_stop(&r);
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/a.log'}", true), 0);
    assert_numbers(rig_lines(&r), 0, 10);
    assert_int_equal(r.failed, 0);
    rig_free(&r);
}

static void a_line_with_many_nul_bytes_does_not_make_a_log_binary(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "000000 a");
    hole(&r, "a.log", 60);
    rig_append(&r, "a.log", "b\n");
    rig_drain(&r);
    assert_int_equal(r.lines.n, 8 + 60 + 1 + 1);
    assert_string_equal(rig_notices(&r), "source.start{\"from\":\"begin\",\"offset\":0} ");
    rig_free(&r);
}

/* ---- what is no rotation ---- */

static void two_logs_with_the_same_lines_are_both_read(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_int_equal(mkdir(rig_path(&r, "s1"), 0755), 0);
    assert_int_equal(mkdir(rig_path(&r, "s2"), 0755), 0);
    assert_int_equal(
        rig_start(&r, &input_file, "{path: ['@/s*/a.log', '@/b.log'], from: begin}", false), 0);
    number_lines(&r, "s1/a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    number_lines(&r, "s2/a.log", 0, 100);
    rig_wait(&r, 12 * SECOND); /* a folder that a wildcard names is looked at now and then */
    assert_numbers(rig_lines(&r), 0, 100);
    number_lines(&r, "b.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    rig_free(&r);
}

static void a_new_log_is_no_copy_of_the_last_generation(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "started\n");
    assert_string_equal(rig_lines(&r), "started|");
    rig_rename(&r, "a.log", "a.log.1");
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&r, 12 * SECOND);
        assert_string_equal(rig_lines(&r), "");
    }
    rig_append(&r, "a.log", "started\n");
    rig_wait(&r, 3 * SECOND);
    assert_string_equal(rig_lines(&r), "started|");
    rig_free(&r);
}

/* A file of another content with this inode, as the file system gives it after a deletion. */
static void an_inode_that_is_used_again_is_no_cut(void **state)
{
    struct rig r;
    struct stat old, new;

    (void)state;
    rig_new(&r);
    r.clock.now_us -= SECOND; /* the birth of a file is by the machine's clock */
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    assert_int_equal(stat(rig_path(&r, "a.log"), &old), 0);
    rig_stop(&r);
    (void)rig_notices(&r);
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    number_lines(&r, "a.log", 100, 200);
    assert_int_equal(stat(rig_path(&r, "a.log"), &new), 0);
    if (old.st_ino != new.st_ino) {
        rig_free(&r);
        skip();
    }
    restart(&r, LOG);
    assert_numbers(rig_lines(&r), 100, 200);
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.lost{\"offset\":5300} ");
    rig_free(&r);
}

/* ---- order ---- */

static void cut(struct rig *r, const char *copy)
{
    rig_copy(r, "a.log", copy);
    rig_truncate(r, "a.log", 0);
}

static void two_generations_were_copied_while_away(const char *yaml)
{
    struct rig r;

    begin(&r, yaml);
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    rig_stop(&r);
    number_lines(&r, "a.log", 100, 200);
    cut(&r, "a.log.2");
    number_lines(&r, "a.log", 200, 300);
    cut(&r, "a.log.1");
    number_lines(&r, "a.log", 300, 400);
    restart(&r, yaml);
    assert_numbers(rig_lines(&r), 100, 400);
    rig_free(&r);
}

static void generations_that_were_copied_while_we_were_away_come_in_order(void **state)
{
    (void)state;
    two_generations_were_copied_while_away(LOG);
    two_generations_were_copied_while_away(GLOB);
}

/* Bytes of the log, from..to, to the copy: cp at work. */
static void copy_some(struct rig *r, size_t from, size_t to)
{
    struct buf text = BUF_INIT;

    assert_int_equal(file_read(AT_FDCWD, rig_path(r, "a.log"), 1 << 20, &text, NULL), 0);
    rig_write(r, "a.log.1", O_APPEND, slice_take(slice_skip(buf_view(&text), from), to - from));
    buf_fini(&text);
}

static void the_copy_is_held_while_it_is_made(const char *yaml)
{
    struct rig r;

    rig_new(&r);
    r.in.block_max = 4096;
    assert_int_equal(rig_start(&r, &input_file, yaml, false), 0);
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    number_lines(&r, "a.log", 100, 400);
    copy_some(&r, 0, 9000);
    assert_int_equal(rig_read(&r), 1); /* not all of it: the copy is seen */
    rig_wait(&r, SECOND / 10);
    assert_int_equal(rig_read(&r), 1);
    copy_some(&r, 9000, 1 << 20);
    rig_truncate(&r, "a.log", 0);
    number_lines(&r, "a.log", 400, 500);
    assert_numbers(rig_lines(&r), 100, 500);
    rig_free(&r);
}

static void a_copy_that_was_held_comes_before_what_was_written_after_the_cut(void **state)
{
    (void)state;
    the_copy_is_held_while_it_is_made(LOG);
    the_copy_is_held_while_it_is_made(GLOB);
}

/* Of a log of which nothing was read yet there is no identity to miss. */
static void a_log_that_was_copied_and_cut_before_its_first_block_comes_in_order(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "");
    assert_string_equal(rig_lines(&r), "");
    number_lines(&r, "a.log", 0, 100);
    cut(&r, "a.log.1");
    number_lines(&r, "a.log", 100, 200);
    assert_numbers(rig_lines(&r), 0, 200);
    rig_free(&r);
}

static void so_it_does_while_we_are_away(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "");
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    number_lines(&r, "a.log", 0, 100);
    cut(&r, "a.log.1");
    number_lines(&r, "a.log", 100, 200);
    restart(&r, LOG);
    assert_numbers(rig_lines(&r), 0, 200);
    rig_free(&r);
}

static void a_copy_that_is_never_completed_does_not_stop_the_log(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    copy_some(&r, 0, 2000);
    rig_truncate(&r, "a.log", 0);
    number_lines(&r, "a.log", 100, 200);
    rig_append(&r, "b.log", "");
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 2 * SECOND);
    assert_numbers(rig_lines(&r), 100, 200);
    rig_free(&r);
}

static void who_floods_a_rotated_file_does_not_hide_the_log(void **state)
{
    struct rig r;
    bool seen = false;

    (void)state;
    rig_new(&r);
    r.in.block_max = 4096;
    assert_int_equal(rig_start(&r, &input_file, GLOB, false), 0);
    number_lines(&r, "a.log.1", 0, 200);
    number_lines(&r, "a.log", 500000, 500100);
    rig_wait(&r, 3 * SECOND);
    for (unsigned i = 0; i < 60 && !seen; i++) {
        (void)rig_read(&r);
        number_lines(&r, "a.log.1", 0, 100);
        seen = r.lines.n && memmem(r.lines.p, r.lines.n, "500099 ", 7);
    }
    assert_true(seen);
    rig_free(&r);
}

static void another_log_does_not_wait_for_it(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: ['@/a.log', '@/b.log'], from: begin}");
    number_lines(&r, "a.log", 0, 100);
    assert_numbers(rig_lines(&r), 0, 100);
    copy_some(&r, 0, 2000);
    rig_truncate(&r, "a.log", 0);
    number_lines(&r, "a.log", 100, 200);
    number_lines(&r, "b.log", 500, 510);
    assert_numbers(rig_lines(&r), 500, 510);
    rig_free(&r);
}

/* Hundreds of logs, rotated again and again: the memory of old generations is full one day. */
static void many_logs_that_are_rotated_at_once_do_not_wait_for_one_another(void **state)
{
    struct rig r;
    char name[32], line[32];

    (void)state;
    begin(&r, "{path: '@/d-*.log', from: begin}");
    for (unsigned turn = 0; turn < 15; turn++) {
        for (unsigned i = 0; i < 300; i++) {
            (void)snprintf(name, sizeof name, "d-%u.log", i);
            (void)snprintf(line, sizeof line, "%u of %u\n", i, turn);
            (void)unlink(rig_path(&r, name));
            rig_append(&r, name, line);
        }
        rig_wait(&r, 12 * SECOND);
        assert_int_equal(count(rig_lines(&r), '|'), 300);
    }
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_cut_is_no_hole_up_to_its_old_end),
        cmocka_unit_test(no_line_is_handed_over_before_its_key_is_known),
        cmocka_unit_test(files_that_begin_with_holes_are_not_alike),
        cmocka_unit_test(room_for_the_first_line_does_not_hide_its_key),
        cmocka_unit_test(a_hole_near_the_beginning_does_not_make_a_log_binary),
        cmocka_unit_test(a_line_with_many_nul_bytes_does_not_make_a_log_binary),
        cmocka_unit_test(two_logs_with_the_same_lines_are_both_read),
        cmocka_unit_test(a_new_log_is_no_copy_of_the_last_generation),
        cmocka_unit_test(an_inode_that_is_used_again_is_no_cut),
        cmocka_unit_test(generations_that_were_copied_while_we_were_away_come_in_order),
        cmocka_unit_test(a_copy_that_was_held_comes_before_what_was_written_after_the_cut),
        cmocka_unit_test(a_log_that_was_copied_and_cut_before_its_first_block_comes_in_order),
        cmocka_unit_test(so_it_does_while_we_are_away),
        cmocka_unit_test(a_copy_that_is_never_completed_does_not_stop_the_log),
        cmocka_unit_test(who_floods_a_rotated_file_does_not_hide_the_log),
        cmocka_unit_test(another_log_does_not_wait_for_it),
        cmocka_unit_test(many_logs_that_are_rotated_at_once_do_not_wait_for_one_another),
    };

    return cmocka_run_group_tests_name("input_file_storms", tests, NULL, NULL);
}
