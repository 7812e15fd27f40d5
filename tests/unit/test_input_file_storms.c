/*
 * What a storm of rotations and kills has found in the file input: each of these was
 * a loss, a line twice, a line out of its order or a false word once.
 */
#include <sys/syscall.h>

#include "logwatch/inputs/file-private.h"
#include "tests/unit/input_rig.h"

#define LOG "{path: @/a.log, from: begin}"
#define SECOND USEC_PER_SEC

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

static void begin(struct rig *r, const char *yaml)
{
    rig_new(r);
    assert_int_equal(rig_start(r, &input_file, yaml, false), 0);
}

static void some_lines(struct rig *r, const char *name, unsigned from, unsigned to)
{
    struct buf b = BUF_INIT;

    for (unsigned i = from; i < to; i++)
        buf_printf(&b, "%06u a line of a log that is long enough to be one\n", i);
    rig_write(r, name, O_APPEND, buf_view(&b));
    buf_fini(&b);
}

/* "000000 .. 000099" when these lines and no others came in their order. */
static void expect_lines(struct rig *r, unsigned from, unsigned to)
{
    const char *p = rig_lines(r);

    for (unsigned i = from; i < to; i++, p = strchr(p, '|') + 1) {
        if (strtoul(p, NULL, 10) != i || !strchr(p, '|'))
            fail_msg("line %u is '%.20s'", i, p);
    }
    assert_string_equal(p, "");
}

/* ---- holes ---- */

static void copy_and_cut(void)
{
    rig_copy(rig_at_seek, "a.log", "a.log.1");
    assert_int_equal(truncate(rig_path(rig_at_seek, "a.log"), 0), 0);
}

/* A hole, lines behind it, and the log is cut while the end of the hole is looked for. */
static void a_file_that_is_cut_is_no_hole_up_to_its_old_end(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    some_lines(&r, "a.log", 0, 100);
    expect_lines(&r, 0, 100);
    assert_int_equal(truncate(rig_path(&r, "a.log"), 100000), 0);
    some_lines(&r, "a.log", 100, 200);
    rig_at_seek = &r;
    at_seek = copy_and_cut;
    expect_lines(&r, 100, 200);
    assert_null(at_seek);
    some_lines(&r, "a.log", 200, 210);
    rig_wait(&r, 3 * SECOND);
    expect_lines(&r, 200, 210);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_is_cut_is_no_hole_up_to_its_old_end),
    };

    return cmocka_run_group_tests_name("input_file_storms", tests, NULL, NULL);
}
