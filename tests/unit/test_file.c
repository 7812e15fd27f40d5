/* Whole files: capped reading, replacing that a crash cannot halve, folders. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

static char folder[256];
static int dir = -1;

static int make_folder(void **state)
{
    const char *top = getenv("TMPDIR");

    (void)state;
    snprintf(folder, sizeof folder, "%s/tw-file-XXXXXX", top ? top : "/tmp");
    if (!mkdtemp(folder))
        return -1;
    dir = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return dir < 0 ? -1 : 0;
}

static int drop_folder(void **state)
{
    static const char *const files[] = { "f", "f.tmp", "fifo", "link", "outside" };
    static const char *const folders[] = { "a/b/c", "a/b", "a", "abs/x", "abs" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(files); i++)
        unlinkat(dir, files[i], 0);
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        unlinkat(dir, folders[i], AT_REMOVEDIR);
    close(dir);
    return rmdir(folder);
}

static mode_t mode_of(const char *path)
{
    struct stat st;

    assert_int_equal(fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW), 0);
    return st.st_mode & 07777;
}

static void what_was_written_is_read_whole(void **state)
{
    AUTO_BUF b = BUF_INIT;
    char big[50000];

    (void)state;
    memset(big, 'x', sizeof big);
    big[1] = '\0';
    assert_int_equal(file_replace(dir, "f", slice_of(big, sizeof big), 0640, NULL), 0);
    assert_int_equal(file_read(dir, "f", sizeof big, &b, NULL), 0);
    assert_true(slice_eq(buf_view(&b), slice_of(big, sizeof big)));
    assert_int_equal(file_replace(dir, "f", SLICE_NONE, 0640, NULL), 0);
    buf_reset(&b);
    assert_int_equal(file_read(dir, "f", 0, &b, NULL), 0);
    assert_int_equal(b.n, 0);
}

static void more_than_the_cap_is_refused(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(file_replace(dir, "f", SLICE("12345"), 0600, NULL), 0);
    assert_int_equal(file_read(dir, "f", 4, &b, &err), -EFBIG);
    assert_string_equal(err.text, "'f' is larger than 4 bytes");
}

static void what_is_no_file_is_named_and_never_waited_for(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(mkfifoat(dir, "fifo", 0600), 0);
    assert_int_equal(file_read(dir, "fifo", 10, &b, &err), -EINVAL);
    assert_string_equal(err.text, "'fifo' is no regular file");
    assert_int_equal(file_read(-1, folder, 10, &b, &err), -EISDIR);
    assert_int_equal(file_read(dir, "none", 10, &b, &err), -ENOENT);
    assert_string_equal(err.text, "cannot open 'none': No such file or directory");
}

static void a_leftover_of_a_crash_gives_neither_its_mode_nor_its_target(void **state)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_FD fd = openat(dir, "outside", O_WRONLY | O_CREAT | O_CLOEXEC, 0666);

    (void)state;
    assert_int_equal(fd_write_all(fd, "keep", 4), 0);
    assert_int_equal(fchmod(fd, 0666), 0);
    assert_int_equal(linkat(dir, "outside", dir, "f.tmp", 0), 0);
    assert_int_equal(file_replace(dir, "f", SLICE("new"), 0600, NULL), 0);
    assert_int_equal(mode_of("f"), 0600);
    assert_int_equal(file_read(dir, "outside", 10, &b, NULL), 0);
    assert_string_equal(b.p, "keep");
    assert_int_equal(unlinkat(dir, "f", 0), 0);
    assert_int_equal(symlinkat("outside", dir, "f.tmp"), 0);
    assert_int_equal(file_replace(dir, "f", SLICE("new"), 0600, NULL), 0);
    buf_reset(&b);
    assert_int_equal(file_read(dir, "outside", 10, &b, NULL), 0);
    assert_string_equal(b.p, "keep");
}

static void a_failed_replacement_leaves_the_old_file_and_no_rest(void **state)
{
    struct err err = ERR_NONE;
    struct stat st;

    (void)state;
    assert_int_equal(mkdirat(dir, "a", 0700), 0);
    assert_int_equal(mkdirat(dir, "a/b", 0700), 0);
    assert_true(file_replace(dir, "a", SLICE("x"), 0600, &err) < 0);
    assert_true(slice_starts(slice_str(err.text), SLICE("cannot write 'a': ")));
    assert_int_equal(fstatat(dir, "a.tmp", &st, 0), -1);
    assert_int_equal(fstatat(dir, "a/b", &st, 0), 0);
    assert_int_equal(file_replace(dir, "none/f", SLICE("x"), 0600, &err), -ENOENT);
}

static void folders_are_made_on_the_way_and_may_exist(void **state)
{
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(dir_make(dir, "a/b//c/", 0750, &err), 0);
    assert_int_equal(mode_of("a/b/c"), 0750);
    assert_int_equal(dir_make(dir, "a/b/c", 0700, &err), 0);
    assert_int_equal(mode_of("a/b/c"), 0750);
    buf_printf(&path, "%s/abs/x", folder);
    assert_int_equal(dir_make(-1, path.p, 0700, &err), 0);
    assert_int_equal(mode_of("abs/x"), 0700);
}

static void a_file_in_the_place_of_a_folder_is_an_error(void **state)
{
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(file_replace(dir, "f", SLICE("x"), 0600, NULL), 0);
    assert_int_equal(dir_make(dir, "f", 0700, &err), -ENOTDIR);
    assert_string_equal(err.text, "cannot make folder 'f': Not a directory");
    assert_int_equal(dir_make(dir, "f/a", 0700, &err), -ENOTDIR);
}

static void writing_goes_to_its_offset_or_says_why_not(void **state)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_FD fd = openat(dir, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    AUTO_FD full = open("/dev/full", O_WRONLY | O_CLOEXEC);

    (void)state;
    assert_int_equal(fd_pwrite_all(fd, "world", 5, 6), 0);
    assert_int_equal(fd_pwrite_all(fd, "hello ", 6, 0), 0);
    assert_int_equal(file_read(dir, "f", 99, &b, NULL), 0);
    assert_string_equal(b.p, "hello world");
    assert_int_equal(fd_write_all(-1, "x", 1), -EBADF);
    assert_int_equal(fd_write_all(-1, "x", 0), 0);
    if (full >= 0)
        assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, drop_folder)

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_FOLDER(what_was_written_is_read_whole),
        IN_FOLDER(more_than_the_cap_is_refused),
        IN_FOLDER(what_is_no_file_is_named_and_never_waited_for),
        IN_FOLDER(a_leftover_of_a_crash_gives_neither_its_mode_nor_its_target),
        IN_FOLDER(a_failed_replacement_leaves_the_old_file_and_no_rest),
        IN_FOLDER(folders_are_made_on_the_way_and_may_exist),
        IN_FOLDER(a_file_in_the_place_of_a_folder_is_an_error),
        IN_FOLDER(writing_goes_to_its_offset_or_says_why_not),
    };

    umask(0022);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
