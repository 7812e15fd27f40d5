/* Compressed logs: what they hold is read as if they were plain, once, and bombs are refused. */
#include "logwatch/inputs/file-private.h"
#include "tests/unit/zip_rig.h"

#define SECOND USEC_PER_SEC

static const enum zip_kind kinds[] = { ZIP_GZIP, ZIP_ZSTD };

/* ---- the reader of archives ---- */

static int open_bytes(struct rig *r, struct slice bytes)
{
    int fd;

    rig_write(r, "zip", O_TRUNC, bytes);
    fd = open(rig_path(r, "zip"), O_RDONLY);
    assert_true(fd >= 0);
    return fd;
}

/* All of it in pieces of `step`; the fault, or 0. */
static int unpack(struct rig *r, struct slice bytes, size_t step, struct buf *out, struct err *err)
{
    char *piece = malloc(step);
    AUTO_FD fd = open_bytes(r, bytes);
    AUTO(zip) z = NULL;
    ssize_t n;

    assert_int_equal(zip_new(fd, &z, err), 0);
    while ((n = zip_read(z, piece, step, err)) > 0 || n == -EAGAIN) {
        if (n > 0 && out)
            buf_add(out, piece, (size_t)n);
        assert_true(!out || zip_position(z) == out->n);
    }
    free(piece);
    return (int)n;
}

static void a_content_is_the_same_however_it_is_read(void **state)
{
    static const size_t steps[] = { 1, 7, 4096, 1 << 20 };
    struct rig r;
    struct buf text = BUF_INIT;

    (void)state;
    rig_new(&r);
    for (unsigned i = 0; i < 3000; i++)
        buf_printf(&text, "%u a line %u\n", i, i * 2654435761u);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
            struct buf zip = BUF_INIT, out = BUF_INIT;
            struct err err = ERR_NONE;

            zip_add(&zip, kinds[k], buf_view(&text));
            assert_int_equal(unpack(&r, buf_view(&zip), steps[i], &out, &err), 0);
            assert_true(slice_eq(buf_view(&out), buf_view(&text)));
            buf_fini(&zip);
            buf_fini(&out);
        }
    buf_fini(&text);
    rig_free(&r);
}

static void members_and_frames_follow_one_another(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct buf zip = BUF_INIT, out = BUF_INIT;
        struct err err = ERR_NONE;

        zip_add(&zip, kinds[k], SLICE("one\ntw"));
        zip_add(&zip, kinds[k], SLICE(""));
        zip_add(&zip, kinds[k], SLICE("o\nthree\n"));
        if (kinds[k] == ZIP_GZIP)
            buf_add(&zip, "\0\0\0\0\0\0\0\0", 8); /* as on a tape */
        assert_int_equal(unpack(&r, buf_view(&zip), 4096, &out, &err), 0);
        assert_true(slice_is(buf_view(&out), "one\ntwo\nthree\n"));
        buf_fini(&zip);
        buf_fini(&out);
    }
    rig_free(&r);
}

static void an_archive_cut_anywhere_gives_what_is_readable_and_says_so(void **state)
{
    struct rig r;
    struct buf text = BUF_INIT;

    (void)state;
    rig_new(&r);
    for (unsigned i = 0; i < 100; i++)
        buf_printf(&text, "%u a line %u\n", i, i * 2654435761u);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct buf zip = BUF_INIT;

        zip_add(&zip, kinds[k], buf_view(&text));
        for (size_t n = 5; n < zip.n; n++) {
            struct buf out = BUF_INIT;
            struct err err = ERR_NONE;

            assert_int_equal(unpack(&r, slice_of(zip.p, n), 512, &out, &err), -ENODATA);
            assert_string_equal(err.text, "is cut short: the end of the archive is missing");
            assert_true(slice_starts(buf_view(&text), buf_view(&out)));
            buf_fini(&out);
        }
        buf_fini(&zip);
    }
    buf_fini(&text);
    rig_free(&r);
}

static void no_flipped_byte_does_harm(void **state)
{
    struct rig r;
    struct buf text = BUF_INIT;
    unsigned faults = 0;

    (void)state;
    rig_new(&r);
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, "%u a line %u\n", i, i * 2654435761u);
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct buf zip = BUF_INIT;

        zip_add(&zip, kinds[k], buf_view(&text));
        for (size_t i = 0; i < zip.n; i++) {
            struct buf out = BUF_INIT;
            struct err err = ERR_NONE;

            zip.p[i] = (char)(zip.p[i] ^ 0x41);
            faults += unpack(&r, buf_view(&zip), 512, &out, &err) < 0;
            assert_true(out.n < 1 << 20);
            zip.p[i] = (char)(zip.p[i] ^ 0x41);
            buf_fini(&out);
        }
        buf_fini(&zip);
    }
    assert_true(faults > 200);
    buf_fini(&text);
    rig_free(&r);
}

static void bytes_behind_the_archive_are_told(void **state)
{
    struct rig r;
    struct buf zip = BUF_INIT, out = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    rig_new(&r);
    zip_add(&zip, ZIP_GZIP, SLICE("one\n"));
    buf_str(&zip, "x");
    assert_int_equal(unpack(&r, buf_view(&zip), 512, &out, &err), -EBADMSG);
    assert_string_equal(err.text, "has bytes behind the end of the archive");
    assert_true(slice_is(buf_view(&out), "one\n"));
    buf_fini(&zip);
    buf_fini(&out);
    rig_free(&r);
}

/* 600 MiB of one letter, which zstd makes 50 kB of. */
static void a_bomb_is_refused(void **state)
{
    struct rig r;
    struct buf zip = BUF_INIT;
    struct err err = ERR_NONE;
    char *chunk = malloc(100 << 20);

    (void)state;
    rig_new(&r);
    memset(chunk, 'x', 100 << 20);
    for (unsigned i = 0; i < 6; i++)
        zip_add(&zip, ZIP_ZSTD, slice_of(chunk, 100 << 20));
    assert_true(zip.n < 100000);
    assert_int_equal(unpack(&r, buf_view(&zip), 1 << 20, NULL, &err), -EFBIG);
    assert_string_equal(err.text, "unpacks to more than 2000 times its size: not a log");
    free(chunk);
    buf_fini(&zip);
    rig_free(&r);
}

static void a_window_that_needs_too_much_memory_is_refused(void **state)
{
    /* A frame whose header claims a window of 1 GiB. */
    static const char frame[] = "\x28\xb5\x2f\xfd\x00\xa0\x01\x00\x00";
    struct rig r;
    struct buf out = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    rig_new(&r);
    assert_int_equal(unpack(&r, slice_of(frame, sizeof frame - 1), 512, &out, &err), -EBADMSG);
    assert_non_null(strstr(err.text, "is damaged (zstd: Frame requires too much memory"));
    buf_fini(&out);
    rig_free(&r);
}

/* Ten thousand empty members: nothing comes for a long time, but no call takes long. */
static void an_archive_of_nothing_ends(void **state)
{
    struct rig r;
    struct buf zip = BUF_INIT, one = BUF_INIT, out = BUF_INIT;
    struct err err = ERR_NONE;

    (void)state;
    rig_new(&r);
    zip_add(&one, ZIP_GZIP, SLICE(""));
    while (zip.n < 6 << 20)
        buf_slice(&zip, buf_view(&one));
    assert_int_equal(unpack(&r, buf_view(&zip), 512, &out, &err), 0);
    assert_int_equal(out.n, 0);
    buf_fini(&zip);
    buf_fini(&one);
    buf_fini(&out);
    rig_free(&r);
}

/* ---- replay ---- */

static void replay_reads_compressed_files(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    zip_write(&r, "a.log.2.gz", ZIP_GZIP, SLICE("one\r\ntwo\n"));
    zip_write(&r, "a.log.1.zst", ZIP_ZSTD, SLICE("three\nfo"));
    rig_append(&r, "a.log", "five\n");
    assert_int_equal(
        rig_start(&r, &input_file, "{path: [@/a.log.2.gz, @/a.log.1.zst, @/a.log]}", true), 0);
    assert_string_equal(rig_lines(&r), "one|two|three|(part)fo|five|");
    assert_true(r.ended);
    assert_int_equal(r.failed, 0);
    assert_int_equal(r.ncursors, 0);
    rig_free(&r);
}

static void a_file_is_what_it_holds_and_not_what_it_is_called(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    rig_append(&r, "plain.gz", "one\n");
    zip_write(&r, "packed.log", ZIP_ZSTD, SLICE("two\n"));
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/plain.gz, @/packed.log]}", true), 0);
    assert_string_equal(rig_lines(&r), "one|two|");
    assert_int_equal(r.failed, 0);
    rig_free(&r);
}

/* Everything that can happen to lines, in blocks of a few of them. */
static void hard_text(struct buf *b)
{
    for (unsigned i = 0; i < 200; i++)
        buf_printf(b, "%06u a line of a log\r\n", i);
    for (unsigned i = 0; i < 9000; i++)
        buf_char(b, 'x');
    buf_str(b, "\nbad \xff\xfe utf-8 \xc0\n");
    for (unsigned i = 0; i < 5000; i++)
        buf_char(b, '\0');
    buf_add(b, "after the hole, with a \0 in it\n", 31);
    buf_str(b, "no end");
}

static void what_is_read_is_what_the_plain_file_gives(void **state)
{
    struct rig r;
    struct buf text = BUF_INIT;
    struct buf lines = BUF_INIT;
    const char *notices;
    uint8_t key[16];
    uint64_t position;

    (void)state;
    rig_new(&r);
    hard_text(&text);
    rig_write(&r, "a.log", 0, buf_view(&text));
    zip_write(&r, "1", ZIP_GZIP, buf_view(&text));
    zip_write(&r, "2", ZIP_ZSTD, buf_view(&text));
    for (size_t block = 1025; block < 1 << 20; block = block * 7 + 1) {
        r.in.block_max = block;
        assert_int_equal(rig_start(&r, &input_file, "{path: @/a.log, max_line: 1KiB}", true), 0);
        rig_drain(&r);
        buf_reset(&lines);
        buf_slice(&lines, buf_view(&r.lines));
        buf_reset(&r.lines);
        notices = rig_notices(&r);
        memcpy(key, r.key, sizeof key);
        position = r.position;
        rig_stop(&r);
        assert_non_null(strstr(notices, "source.nulls"));
        for (unsigned i = 1; i <= 2; i++) {
            const char *yaml =
                i == 1 ? "{path: @/1, max_line: 1KiB}" : "{path: @/2, max_line: 1KiB}";

            assert_int_equal(rig_start(&r, &input_file, yaml, true), 0);
            rig_drain(&r);
            assert_true(slice_eq(buf_view(&r.lines), buf_view(&lines)));
            assert_string_equal(rig_notices(&r), notices);
            assert_memory_equal(r.key, key, sizeof key);
            assert_int_equal(r.position, position);
            buf_reset(&r.lines);
            rig_stop(&r);
        }
    }
    buf_fini(&text);
    buf_fini(&lines);
    rig_free(&r);
}

static void replay_says_what_is_wrong_with_an_archive_and_reads_the_rest(void **state)
{
    struct rig r;
    struct buf zip = BUF_INIT;

    (void)state;
    rig_new(&r);
    zip_add(&zip, ZIP_GZIP, SLICE("one\n"));
    buf_slice(&zip, SLICE("\x1f\x8b\x08"));
    rig_write(&r, "1.gz", 0, buf_view(&zip));
    zip_write(&r, "2.gz", ZIP_GZIP, SLICE("\xff\xfet\0w\0o\0"));
    rig_append(&r, "3", "three\n");
    assert_int_equal(rig_start(&r, &input_file, "{path: [@/1.gz, @/2.gz, @/3]}", true), 0);
    assert_int_equal(rig_read(&r), 1);
    assert_true(slice_is(buf_view(&r.lines), "one|"));
    assert_int_equal(rig_read(&r), -ENODATA);
    assert_non_null(strstr(r.err.text, "/1.gz' is cut short: the end of the archive is missing"));
    assert_int_equal(rig_read(&r), -EINVAL);
    assert_non_null(strstr(r.err.text, "/2.gz' is UTF-16"));
    assert_string_equal(rig_lines(&r), "one|three|");
    assert_true(r.ended);
    buf_fini(&zip);
    rig_free(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_content_is_the_same_however_it_is_read),
        cmocka_unit_test(members_and_frames_follow_one_another),
        cmocka_unit_test(an_archive_cut_anywhere_gives_what_is_readable_and_says_so),
        cmocka_unit_test(no_flipped_byte_does_harm),
        cmocka_unit_test(bytes_behind_the_archive_are_told),
        cmocka_unit_test(a_bomb_is_refused),
        cmocka_unit_test(a_window_that_needs_too_much_memory_is_refused),
        cmocka_unit_test(an_archive_of_nothing_ends),
        cmocka_unit_test(replay_reads_compressed_files),
        cmocka_unit_test(a_file_is_what_it_holds_and_not_what_it_is_called),
        cmocka_unit_test(what_is_read_is_what_the_plain_file_gives),
        cmocka_unit_test(replay_says_what_is_wrong_with_an_archive_and_reads_the_rest),
    };

    return cmocka_run_group_tests_name("input_file_zip", tests, NULL, NULL);
}
