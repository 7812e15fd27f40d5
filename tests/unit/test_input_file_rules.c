/*
 * The file input under machines that are not kind: rights, limits, clocks, mounts; and its lag.
 *
 * Which test shows which rule of following files (f: test_input_file.c, z: ..._zip.c, l:
 * test_input_lines.c, storm and random: their files, else here):
 *
 *   identity   an_inode_that_two_streams_claim (f), a_reused_inode (f), a_file_cut_and_grown (f),
 *              a_restart_before_the_first_line (f), the_device_of_a_mount, a_bind_mount,
 *              two_names_of_one_file (f), storm, random
 *   copies     copytruncate_* (f), a_copy_* (f and here), equal_beginnings (z), storm, random
 *   young      a_short_file_that_is_young, generations_that_came_and_went (f)
 *   two passes rotation_under_a_glob_does_not_depend_on_the_order_of_names, storm
 *   forgetting a_lost_stream_is_forgotten, a_lost_stream_that_comes_back
 *   inotify    a_full_queue_of_events, a_limit_of_no_watches, no_inotify_at_all,
 *              a_folder_that_comes_back
 *   rotation   a_renamed_file, a_rename_while_we_were_away (f), the_end_of_a_rotated_file
 *   opening    a_socket_and_a_device, a_folder_and_a_pipe (f), a_hundred_megabyte_line (f)
 *   lines      lines_are_read_once (f), test_input_lines.c, a_restart_goes_on (f)
 *   partial    what_follows_a_partial_line, an_unlinked_file (f)
 *   too long   a_line_that_is_too_long, a_restart_inside_a_long_line (f)
 *   NUL bytes  nul_bytes_before_text, a_writer_that_does_not_append, room_made_beforehand (f)
 *   bad text   bytes_that_are_no_text, what_is_no_log_is_refused (f)
 *   compressed test_input_file_zip.c, random
 *   links      a_symlink_that_flips (f), a_file_of_another_user_in_an_open_folder
 *   rights     a_missing_right (f), a_right_that_is_lost_at_rotation
 *   deleted    an_unlinked_file (f), a_deleted_file_is_kept_as_long_as_its_writer_has_it
 *   many       more_files_than_descriptors (f), a_small_table_of_descriptors,
 *              a_flooded_file (f), a_quiet_log_has_its_turn
 *   first      the_end_is_the_default, what_was_there_before, a_file_that_appear* (f)
 *   clock      a_clock_that_is_set_back
 *   source     the_key_is_the_content (f), the_key_of_an_archive (z), what_is_read_is_what (z)
 *   lag        lag_*, a_file_cut_to_nothing, the_end_of_a_file_that_is_cut_off
 */
#include <sched.h>
#include <sys/mount.h>

#include "logwatch/inputs/file-private.h"
#include "tests/unit/input_file_rig.h"

#define LOG "{path: @/a.log, from: begin}"
#define GLOB "{path: '@/a.log*', from: begin}"

static bool is_open(const struct rig *r)
{
    for (int fd = 3; fd < 64; fd++) {
        char link[64], target[256];
        ssize_t n;

        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        n = readlink(link, target, sizeof target - 1);
        target[n > 0 ? n : 0] = '\0';
        if (strstr(target, r->folder))
            return true;
    }
    return false;
}

/* In a process of its own; 77 = the machine does not let us. */
static void apart(void (*what)(void))
{
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        what();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
        skip();
    assert_int_equal(status, 0);
}

#define MUST(x)                                                                                    \
    do {                                                                                           \
        if (!(x)) {                                                                                \
            (void)fprintf(stderr, "line %d: %s\n", __LINE__, #x);                                  \
            _exit(1);                                                                              \
        }                                                                                          \
    } while (0)

/* ---- identity ---- */

static void the_device_of_a_mount_may_change(void **state)
{
    struct rig r;
    unsigned changed = 0;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 100);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    rig_stop(&r);
    for (size_t i = 0; i < r.ncursors; i++) {
        char *dev = strstr(r.cursors[i].value, "\"dev\":");

        if (dev) {
            dev[6] = dev[6] == '1' ? '2' : '1';
            changed++;
        }
    }
    assert_int_equal(changed, 1);
    number_lines(&r, "a.log", 100, 105);
    restart(&r, LOG);
    rig_wait(&r, 30 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 5);
    assert_null(strstr(rig_notices(&r), "source.lost"));
    rig_free(&r);
}

static void bind_mount_once(void)
{
    struct rig r;

    if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        _exit(77);
    rig_new(&r);
    MUST(mkdir(rig_path(&r, "here"), 0755) == 0 && mkdir(rig_path(&r, "there"), 0755) == 0);
    rig_append(&r, "here/a.log", "one\n");
    if (mount(rig_path(&r, "here"), rig_path(&r, "there"), NULL, MS_BIND, NULL) < 0)
        _exit(77);
    MUST(rig_start(&r, &input_file, "{path: '@/*/a.log', from: begin}", false) == 0);
    MUST(strcmp(rig_lines(&r), "one|") == 0);
    rig_append(&r, "there/a.log", "two\n");
    rig_wait(&r, 12 * SECOND);
    MUST(strcmp(rig_lines(&r), "two|") == 0);
    MUST(r.in.lag.streams == 1);
    rig_stop(&r);
    MUST(umount(rig_path(&r, "there")) == 0);
    rig_free(&r);
}

static void a_bind_mount_is_the_same_stream(void **state)
{
    (void)state;
    apart(bind_mount_once);
}

static void rotation_under_a_glob_does_not_depend_on_the_order_of_names(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: '@/a.log*', from: begin}");
    number_lines(&r, "a.log", 0, 30);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 30);
    for (unsigned i = 0; i < 4; i++) { /* each name holds another stream than before */
        rig_stop(&r);
        number_lines(&r, "a.log", i * 100 + 30, i * 100 + 33);
        for (unsigned k = i; k > 0; k--)
            rig_rename(&r, arena_printf(r.arena, "a.log.%u", k),
                       arena_printf(r.arena, "a.log.%u", k + 1));
        rig_rename(&r, "a.log", "a.log.1");
        number_lines(&r, "a.log", i * 100 + 100, i * 100 + 130);
        restart(&r, "{path: '@/a.log*', from: begin}");
        rig_wait(&r, 3 * SECOND);
        assert_int_equal(count(rig_lines(&r), '|'), 33);
    }
    rig_free(&r);
}

static void a_lost_stream_is_forgotten_after_seven_days(void **state)
{
    struct rig r;
    size_t known;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    for (unsigned i = 0; i < 5; i++) {
        rig_wait(&r, 30 * SECOND);
        assert_string_equal(rig_lines(&r), "");
    }
    known = r.ncursors;
    assert_int_equal(known, 2); /* and the one that says we were here */
    rig_wait(&r, 6 * 24 * 3600 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_int_equal(r.ncursors, known);
    restart(&r, LOG);
    rig_wait(&r, 2 * 24 * 3600 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_int_equal(r.ncursors, known - 1);
    rig_free(&r);
}

static void a_lost_stream_that_comes_back_is_known(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    rig_stop(&r);
    assert_int_equal(mkdir(rig_path(&r, "away"), 0755), 0);
    rig_rename(&r, "a.log", "away/x");
    restart(&r, LOG);
    rig_wait(&r, 3600 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_copy(&r, "away/x", "a.log"); /* restored: another inode */
    number_lines(&r, "a.log", 50, 52);
    rig_wait(&r, 30 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 2);
    rig_free(&r);
}

static void a_short_file_that_is_young_waits_unless_it_is_configured(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: [@/a.log, '@/a.log.*'], from: begin}");
    number_lines(&r, "a.log", 0, 50);
    assert_int_equal(count(rig_lines(&r), '|'), 50); /* by its own name: at once */
    rig_append(&r, "a.log.1", "short\n");
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 3 * SECOND);
    assert_string_equal(rig_lines(&r), "short|");
    rig_free(&r);
}

/* Since the restart there was nothing to read, so the log itself is not open. */
static void a_copy_of_a_log_that_is_not_open_is_not_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, GLOB);
    number_lines(&r, "a.log", 0, 50);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    restart(&r, GLOB);
    assert_string_equal(rig_lines(&r), "");
    rig_copy(&r, "a.log", "a.log.1");
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_write(&r, "a.log", O_TRUNC, SLICE("next\n"));
    assert_string_equal(rig_lines(&r), ""); /* so short and so young it may become a copy */
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "next|");
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

static void a_copy_that_is_just_being_made_of_an_unread_log_is_not_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: ['@/a.log.*', '@/a.log'], from: begin}");
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    number_lines(&r, "a.log", 0, 50);
    number_lines(&r, "a.log.1", 0, 40); /* cp is at work */
    restart(&r, "{path: ['@/a.log.*', '@/a.log'], from: begin}");
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

/* It was known to be read to its end before the restart. */
static void the_end_of_a_rotated_file_is_no_loss(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "next\n");
    assert_string_equal(rig_lines(&r), "next|");
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&r, 12 * SECOND);
        assert_string_equal(rig_lines(&r), "");
    }
    (void)rig_notices(&r);
    rig_stop(&r);
    assert_int_equal(unlink(rig_path(&r, "a.log.1")), 0);
    restart(&r, LOG);
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&r, 12 * SECOND);
        assert_string_equal(rig_lines(&r), "");
    }
    assert_string_equal(rig_notices(&r), "");
    rig_free(&r);
}

/* ---- inotify is only a hint ---- */

static void a_full_queue_of_events_loses_nothing(void **state)
{
    struct rig r;
    const char *lines;

    (void)state;
    begin(&r, "{path: '@/*.log', from: begin}");
    rig_append(&r, "a.log", "one\n");
    rig_wait(&r, 3 * SECOND);
    assert_string_equal(rig_lines(&r), "one|");
    for (unsigned i = 0; i < 6000; i++) { /* 4 events each; the queue holds 16,384 */
        rig_append(&r, "x", "");
        assert_int_equal(unlink(rig_path(&r, "x")), 0);
    }
    rig_append(&r, "a.log", "two\n");
    rig_append(&r, "b.log", "three\n");
    rig_wait(&r, 3 * SECOND); /* before the scan that comes by time */
    lines = rig_lines(&r);
    assert_true(strcmp(lines, "two|three|") == 0 || strcmp(lines, "three|two|") == 0);
    rig_free(&r);
}

static void by_time_alone(void)
{
    struct rig r;

    rig_new(&r);
    rig_append(&r, "a.log", "one\n");
    MUST(rig_start(&r, &input_file, LOG, false) == 0);
    MUST(strcmp(rig_lines(&r), "one|") == 0);
    rig_append(&r, "a.log", "two\n");
    MUST(strcmp(rig_lines(&r), "") == 0); /* nobody told: this test would show a working inotify */
    rig_wait(&r, SECOND);
    MUST(strcmp(rig_lines(&r), "two|") == 0);
    rig_append(&r, "a.log", "three\n");
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "four\n");
    rig_wait(&r, 11 * SECOND);
    MUST(strcmp(rig_lines(&r), "three|four|") == 0);
    MUST(r.failed == 0);
    rig_free(&r);
}

/* A limit of a user namespace of our own. */
static void limit(const char *name)
{
    int fd;

    if (unshare(CLONE_NEWUSER) < 0)
        _exit(77);
    fd = open(name, O_WRONLY);
    if (fd < 0 || write(fd, "0", 1) != 1)
        _exit(77);
    close(fd);
}

static void without_watches(void)
{
    limit("/proc/sys/user/max_inotify_watches");
    by_time_alone();
}

static void without_inotify(void)
{
    limit("/proc/sys/user/max_inotify_instances");
    by_time_alone();
}

static void a_limit_of_no_watches_costs_only_time(void **state)
{
    (void)state;
    apart(without_watches);
}

static void no_inotify_at_all_costs_only_time(void **state)
{
    (void)state;
    apart(without_inotify);
}

static void a_folder_that_comes_back_is_watched_again(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_int_equal(mkdir(rig_path(&r, "d"), 0755), 0);
    rig_append(&r, "d/a.log", "one\n");
    assert_int_equal(rig_start(&r, &input_file, "{path: @/d/a.log, from: begin}", false), 0);
    assert_string_equal(rig_lines(&r), "one|");
    rig_rename(&r, "d", "old");
    assert_int_equal(mkdir(rig_path(&r, "d"), 0755), 0);
    rig_append(&r, "d/a.log", "two\n");
    rig_wait(&r, 11 * SECOND);
    assert_string_equal(rig_lines(&r), "two|");
    rig_append(&r, "d/a.log", "three\n");
    assert_string_equal(rig_lines(&r), "three|"); /* at once, by an event */
    rig_free(&r);
}

/* ---- reading ---- */

static void what_follows_a_partial_line_is_a_record_of_its_own(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\nhal");
    assert_string_equal(rig_lines(&r), "one|");
    rig_wait(&r, 3600 * SECOND);
    assert_string_equal(rig_lines(&r), ""); /* a live file waits */
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "next\n");
    assert_string_equal(rig_lines(&r), "next|");
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "(part)hal|");
    restart(&r, LOG);
    rig_append(&r, "a.log.1", "f\nlate\n");
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "(part)f|late|");
    rig_free(&r);
}

static void bytes_that_are_no_text_pass_unchanged(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "bad \xff\xc0\x80 \xed\xa0\x80 line\n\x1b[31mred\x07\ngood\n");
    assert_string_equal(rig_lines(&r), "bad \xff\xc0\x80 \xed\xa0\x80 line|\x1b[31mred\x07|good|");
    rig_free(&r);
}

static void a_socket_and_a_device_are_refused(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    assert_int_equal(mknod(rig_path(&r, "a.log"), S_IFSOCK | 0600, 0), 0);
    rig_append(&r, "b.log", "fine\n");
    assert_int_equal(
        rig_start(&r, &input_file, "{path: [@/a.log, /dev/null, @/b.log], from: begin}", false), 0);
    assert_string_equal(rig_lines(&r), "fine|");
    {
        const char *told = rig_notices(&r);

        assert_non_null(strstr(told, "is a socket, not a file"));
        assert_non_null(strstr(told, "is a device, not a file"));
    }
    rig_free(&r);
}

static void a_deleted_file_is_kept_as_long_as_its_writer_has_it(void **state)
{
    struct rig r;
    int writer;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\n");
    assert_string_equal(rig_lines(&r), "one|");
    writer = open(rig_path(&r, "a.log"), O_WRONLY | O_APPEND);
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    rig_append(&r, "a.log", "new\n");
    for (unsigned i = 0; i < 5; i++) {
        rig_wait(&r, 12 * SECOND);
        rig_drain(&r);
    }
    assert_int_equal(write(writer, "late\n", 5), 5);
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "new|late|");
    close(writer);
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&r, 12 * SECOND);
        rig_drain(&r);
    }
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    for (unsigned i = 0; i < 3; i++) {
        rig_wait(&r, 12 * SECOND);
        rig_drain(&r);
    }
    assert_false(is_open(&r));
    rig_free(&r);
}

static void a_quiet_log_has_its_turn_after_one_block_of_a_flood(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    r.in.block_max = 4096;
    number_lines(&r, "flood.log", 0, 20000);
    rig_append(&r, "quiet.log", "zero\n");
    assert_int_equal(rig_start(&r, &input_file,
                               "{path: [@/flood.log, @/quiet.log], from: begin, max_line: 1KiB}",
                               false),
                     0);
    for (unsigned i = 0; i < 4; i++)
        assert_int_equal(rig_read(&r), 1);
    assert_non_null(strstr(r.lines.p, "zero|"));
    buf_reset(&r.lines);
    rig_append(&r, "quiet.log", "one\n");
    assert_int_equal(rig_read(&r), 1);
    assert_int_equal(rig_read(&r), 1);
    assert_non_null(strstr(r.lines.p, "one|"));
    assert_in_range(r.lines.n, 3000, 5000); /* and one block of the other */
    rig_free(&r);
}

static void a_small_table_of_descriptors_is_never_passed(void **state)
{
    struct rig r;
    unsigned open = 0;

    (void)state;
    rig_new(&r);
    for (unsigned i = 0; i < OPEN_MAX + 100; i++)
        rig_append(&r, arena_printf(r.arena, "f%03u.log", i), "hello\n");
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/*.log', from: begin}", false), 0);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), OPEN_MAX + 100);
    for (unsigned i = 0; i < 200; i++) {
        rig_wait(&r, SECOND);
        rig_drain(&r);
    }
    open = r.in.lag.streams;
    assert_in_range(open, 1, OPEN_MAX);
    rig_free(&r);
}

/* ---- who may make us read what ---- */

static void a_file_of_another_user_in_an_open_folder_is_refused(void **state)
{
    struct rig r;

    (void)state;
    if (geteuid() != 0)
        skip();
    rig_new(&r);
    assert_int_equal(mkdir(rig_path(&r, "open"), 0755), 0);
    assert_int_equal(chmod(rig_path(&r, "open"), 01777), 0);
    rig_append(&r, "open/mine.log", "mine\n");
    rig_append(&r, "secret", "secret\n");
    rig_append(&r, "open/theirs.log", "theirs\n");
    assert_int_equal(chown(rig_path(&r, "open/theirs.log"), 65534, 65534), 0);
    assert_int_equal(symlink("../secret", rig_path(&r, "open/link.log")), 0);
    assert_int_equal(lchown(rig_path(&r, "open/link.log"), 65534, 65534), 0);
    assert_int_equal(rig_start(&r, &input_file, "{path: '@/open/*.log', from: begin}", false), 0);
    rig_wait(&r, 3 * SECOND);
    assert_string_equal(rig_lines(&r), "mine|");
    assert_non_null(strstr(rig_notices(&r), "belongs to another user"));
    rig_free(&r);
}

/* logrotate's `create 0600`: the new file cannot be read any more. */
static void a_right_that_is_lost_at_rotation_and_comes_back(void **state)
{
    struct rig r;
    const char *told;

    (void)state;
    if (geteuid() != 0)
        skip();
    rig_new(&r);
    assert_int_equal(chmod(r.folder, 0755), 0);
    rig_append(&r, "a.log", "one\n");
    rig_append(&r, "b.log", "");
    assert_int_equal(chmod(rig_path(&r, "a.log"), 0644), 0);
    assert_int_equal(chmod(rig_path(&r, "b.log"), 0644), 0);
    assert_int_equal(seteuid(65534), 0);
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/a.log, @/b.log], from: begin}", false),
                     0);
    assert_string_equal(rig_lines(&r), "one|");
    (void)rig_notices(&r);
    assert_int_equal(seteuid(0), 0);
    rig_append(&r, "a.log", "two\n");
    rig_rename(&r, "a.log", "a.log.1");
    rig_append(&r, "a.log", "three\n");
    assert_int_equal(chmod(rig_path(&r, "a.log"), 0600), 0);
    assert_int_equal(seteuid(65534), 0);
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "two|");
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    told = rig_notices(&r);
    assert_string_equal(told, "source.unreadable{\"error\":\"Permission denied\"} "); /* once */
    assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(rig_path(&r, "a.log"), 0644), 0);
    assert_int_equal(seteuid(65534), 0);
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "three|");
    assert_string_equal(rig_notices(&r), "source.readable{} ");
    assert_int_equal(seteuid(0), 0);
    rig_free(&r);
}

/* ---- clock ---- */

static void a_clock_that_is_set_back_changes_nothing(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_int_equal(count(rig_lines(&r), '|'), 50);
    r.clock.now_us -= 30 * 24 * 3600 * SECOND;
    number_lines(&r, "a.log", 50, 55);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 55, 60);
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    restart(&r, LOG);
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    number_lines(&r, "a.log", 60, 61);
    rig_rename(&r, "a.log.1", "a.log.2");
    rig_rename(&r, "a.log", "a.log.1");
    rig_date(&r, "a.log.1", 1000 * SECOND); /* and that of who wrote it */
    number_lines(&r, "a.log", 61, 62);
    assert_int_equal(count(rig_lines(&r), '|'), 2);
    r.clock.now_us += 60 * 24 * 3600 * SECOND;
    rig_wait(&r, 60 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_free(&r);
}

/* ---- lag ---- */

static void lag_counts_what_was_not_handed_over(void **state)
{
    struct rig r;
    struct stat st;

    (void)state;
    rig_new(&r);
    r.in.block_max = 4096;
    assert_int_equal(rig_start(&r, &input_file,
                               "{path: [@/a.log, @/b.log], from: begin, max_line: 1KiB}", false),
                     0);
    rig_append(&r, "b.log", "b\n");
    assert_string_equal(rig_lines(&r), "b|");
    number_lines(&r, "a.log", 0, 1000); /* 53,000 bytes */
    while (!r.lines.n)
        if (rig_read(&r) == 0)
            rig_wait(&r, 20 * USEC_PER_MSEC);
    assert_in_range(r.in.lag.bytes, 53000 - 4096, 53000 - 4000);
    assert_int_equal(r.in.lag.streams, 2);
    assert_int_equal(stat(rig_path(&r, "a.log"), &st), 0);
    assert_int_equal(r.in.lag.since_us, stat_mtime_ns(&st) / 1000);
    rig_drain(&r);
    assert_int_equal(r.in.lag.bytes, 0);
    assert_int_equal(r.in.lag.since_us, 0);
    assert_int_equal(r.in.lag.streams, 2);
    rig_append(&r, "a.log", "half");
    rig_drain(&r);
    assert_int_equal(r.in.lag.bytes, 4);
    assert_int_equal(r.in.lag.since_us, 0); /* nobody is late with a line that is not complete */
    rig_free(&r);
}

static void lag_leaves_out_what_is_held_as_a_copy(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, "{path: '@/a.log*', from: begin}");
    number_lines(&r, "a.log", 0, 100);
    rig_wait(&r, 3 * SECOND);
    assert_int_equal(count(rig_lines(&r), '|'), 100);
    rig_copy(&r, "a.log", "a.log.1");
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_int_equal(r.in.lag.bytes, 0);
    assert_int_equal(r.in.lag.since_us, 0);
    rig_free(&r);
}

static void a_file_cut_to_nothing_is_told_with_both_lengths(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 10);
    assert_int_equal(count(rig_lines(&r), '|'), 10);
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    assert_string_equal(rig_lines(&r), "");
    (void)rig_notices(&r);
    restart(&r, LOG); /* in the seconds in which a copy is looked for */
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.truncated{\"from\":530,\"to\":0} ");
    restart(&r, LOG);
    rig_wait(&r, 30 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), ""); /* once */
    rig_free(&r);
}

static void the_end_of_a_file_that_is_cut_off_before_it_was_a_line_is_told(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "one\nsome words without end");
    assert_string_equal(rig_lines(&r), "one|");
    (void)rig_notices(&r);
    rig_truncate(&r, "a.log", 8);
    rig_wait(&r, 2 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    assert_string_equal(rig_notices(&r), "source.truncated{\"from\":26,\"to\":8} ");
    rig_append(&r, "a.log", "!\n");
    assert_string_equal(rig_lines(&r), "some!|");
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_device_of_a_mount_may_change),
        cmocka_unit_test(a_bind_mount_is_the_same_stream),
        cmocka_unit_test(rotation_under_a_glob_does_not_depend_on_the_order_of_names),
        cmocka_unit_test(a_lost_stream_is_forgotten_after_seven_days),
        cmocka_unit_test(a_lost_stream_that_comes_back_is_known),
        cmocka_unit_test(a_short_file_that_is_young_waits_unless_it_is_configured),
        cmocka_unit_test(a_copy_of_a_log_that_is_not_open_is_not_read),
        cmocka_unit_test(a_copy_that_is_just_being_made_of_an_unread_log_is_not_read),
        cmocka_unit_test(the_end_of_a_rotated_file_is_no_loss),
        cmocka_unit_test(a_full_queue_of_events_loses_nothing),
        cmocka_unit_test(a_limit_of_no_watches_costs_only_time),
        cmocka_unit_test(no_inotify_at_all_costs_only_time),
        cmocka_unit_test(a_folder_that_comes_back_is_watched_again),
        cmocka_unit_test(what_follows_a_partial_line_is_a_record_of_its_own),
        cmocka_unit_test(bytes_that_are_no_text_pass_unchanged),
        cmocka_unit_test(a_socket_and_a_device_are_refused),
        cmocka_unit_test(a_deleted_file_is_kept_as_long_as_its_writer_has_it),
        cmocka_unit_test(a_quiet_log_has_its_turn_after_one_block_of_a_flood),
        cmocka_unit_test(a_small_table_of_descriptors_is_never_passed),
        cmocka_unit_test(a_file_of_another_user_in_an_open_folder_is_refused),
        cmocka_unit_test(a_right_that_is_lost_at_rotation_and_comes_back),
        cmocka_unit_test(a_clock_that_is_set_back_changes_nothing),
        cmocka_unit_test(lag_counts_what_was_not_handed_over),
        cmocka_unit_test(lag_leaves_out_what_is_held_as_a_copy),
        cmocka_unit_test(a_file_cut_to_nothing_is_told_with_both_lengths),
        cmocka_unit_test(the_end_of_a_file_that_is_cut_off_before_it_was_a_line_is_told),
    };

    return cmocka_run_group_tests_name("input_file_rules", tests, NULL, NULL);
}
