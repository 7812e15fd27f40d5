/* Compressed logs: what they hold is read as if they were plain, once, and bombs are refused. */
#include "logwatch/inputs/file-private.h"
#include "tests/unit/input_file_rig.h"
#include "tests/unit/zip_rig.h"

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

/* ---- following: rotated files that were compressed ---- */

#define LOG "{path: @/a.log, from: begin}"

/* All that comes, with a minute in which nothing may come any more. */
static const char *all_lines(struct rig *r)
{
    for (unsigned i = 0; i < 6; i++) {
        rig_drain(r);
        rig_wait(r, 12 * SECOND);
    }
    return rig_lines(r);
}

static void a_stream_goes_on_in_the_archive_of_its_file(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct rig r;

        begin(&r, LOG);
        number_lines(&r, "a.log", 0, 100);
        assert_numbers(rig_lines(&r), 0, 100);
        rig_stop(&r);
        number_lines(&r, "a.log", 100, 150);
        rig_rename(&r, "a.log", "a.log.1");
        zip_file(&r, "a.log.1", kinds[k] == ZIP_GZIP ? "a.log.1.gz" : "a.log.1.zst", kinds[k]);
        number_lines(&r, "a.log", 150, 160);
        restart(&r, LOG);
        assert_numbers(all_lines(&r), 100, 160);
        assert_null(strstr(rig_notices(&r), "source.lost"));
        restart(&r, LOG);
        assert_string_equal(all_lines(&r), "");
        assert_null(strstr(rig_notices(&r), "source.lost"));
        rig_free(&r);
    }
}

static void generations_that_were_compressed_while_we_were_away_are_read_in_order(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    number_lines(&r, "a.log", 40, 60);
    zip_file(&r, "a.log", "a.log.10.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 60, 80);
    zip_file(&r, "a.log", "a.log.9.zst", ZIP_ZSTD);
    number_lines(&r, "a.log", 80, 100);
    zip_file(&r, "a.log", "a.log.2.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 100, 120);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 120, 140);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 40, 140);
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

/* It waits to be old enough; the log of which nothing was read waits for it. */
static void a_young_archive_is_not_forgotten_while_it_waits(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "");
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    number_lines(&r, "a.log", 0, 40);
    rig_copy(&r, "a.log", "a.log.1");
    rig_truncate(&r, "a.log", 0);
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 40, 80);
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 3 * USEC_PER_SEC);
    assert_numbers(rig_lines(&r), 0, 80);
    rig_free(&r);
}

/* Under a name that the plain file never had. */
static void an_archive_that_has_just_begun_is_no_trouble(void **state)
{
    struct rig r;
    struct buf zip = BUF_INIT, text = BUF_INIT;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    (void)rig_notices(&r);
    number_lines(&r, "a.log", 40, 60);
    assert_int_equal(file_read(AT_FDCWD, rig_path(&r, "a.log"), 1 << 20, &text, NULL), 0);
    zip_add(&zip, ZIP_GZIP, buf_view(&text));
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    number_lines(&r, "a.log", 60, 80);
    rig_write(&r, "a.log.2.gz", O_TRUNC, slice_of(zip.p, 12));
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), "");
    rig_write(&r, "a.log.2.gz", O_TRUNC, buf_view(&zip));
    assert_numbers(all_lines(&r), 40, 80);
    assert_string_equal(rig_notices(&r), "");
    buf_fini(&zip);
    buf_fini(&text);
    rig_free(&r);
}

/* The stream of which nothing was read is forgotten; since when we know the log is not. */
static void a_generation_that_was_seen_but_not_read_is_read_from_its_archive(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "");
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    rig_wait(&r, USEC_PER_SEC);
    number_lines(&r, "a.log", 0, 5);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 5, 45);
    rig_wait(&r, USEC_PER_SEC / 2);
    restart(&r, LOG);
    assert_string_equal(rig_lines(&r), ""); /* it is young and short */
    rig_stop(&r);
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
    rig_wait(&r, 10 * USEC_PER_SEC);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 0, 45);
    rig_free(&r);
}

/* Rotated again and again: each time it has a new name, and is no younger. */
static void an_archive_that_was_renamed_just_now_is_read_at_once(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    number_lines(&r, "a.log", 40, 60);
    rig_date(&r, "a.log", r.clock.now_us - 10 * SECOND);
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    rig_rename(&r, "a.log.1.gz", "a.log.2.gz");
    number_lines(&r, "a.log", 60, 80);
    restart(&r, LOG);
    assert_numbers(rig_lines(&r), 40, 80);
    rig_free(&r);
}

/* Of the log nothing was read before: all that is known is that we were here first. */
static void generations_of_a_log_that_was_empty_are_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "");
    assert_string_equal(rig_lines(&r), "");
    rig_wait(&r, 12 * SECOND);
    assert_string_equal(rig_lines(&r), "");
    rig_stop(&r);
    number_lines(&r, "a.log", 0, 20);
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 20, 30);
    rig_wait(&r, 120 * SECOND);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 0, 30);
    rig_free(&r);
}

static void dated_archives_are_read_in_order(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    number_lines(&r, "a.log", 40, 60);
    zip_file(&r, "a.log", "a.log-20261119.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 60, 80);
    zip_file(&r, "a.log", "a-20261120.log.zst", ZIP_ZSTD);
    number_lines(&r, "a.log", 80, 100);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 40, 100);
    rig_free(&r);
}

static void archives_from_before_our_time_are_left_alone(void **state)
{
    struct rig r;

    (void)state;
    rig_new(&r);
    zip_write(&r, "a.log.1.gz", ZIP_GZIP, SLICE("ancient\n"));
    rig_date(&r, "a.log.1.gz", SECOND);
    number_lines(&r, "a.log", 0, 10);
    assert_int_equal(rig_start(&r, &input_file, LOG, false), 0);
    assert_numbers(all_lines(&r), 0, 10);
    rig_rename(&r, "a.log.1.gz", "a.log.2.gz");
    rig_rename(&r, "a.log", "a.log.1");
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 10, 20);
    assert_numbers(all_lines(&r), 10, 20);
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void compressing_what_we_read_reads_nothing_twice(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    for (unsigned i = 0; i < 5; i++) {
        number_lines(&r, "a.log", i * 50, i * 50 + 50);
        assert_numbers(rig_lines(&r), i * 50, i * 50 + 50);
        for (unsigned k = i; k > 0; k--)
            rig_rename(&r, arena_printf(r.arena, "a.log.%u.gz", k),
                       arena_printf(r.arena, "a.log.%u.gz", k + 1));
        rig_rename(&r, "a.log", "a.log.1");
        assert_string_equal(rig_lines(&r), "");
        zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
        assert_string_equal(all_lines(&r), "");
        if (i == 2)
            restart(&r, LOG);
    }
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    assert_null(strstr(rig_notices(&r), "source.lost"));
    rig_free(&r);
}

static void a_file_compressed_under_us_is_read_to_its_end_first(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    number_lines(&r, "a.log", 50, 60);
    rig_rename(&r, "a.log", "a.log.1");
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP); /* all in one moment */
    number_lines(&r, "a.log", 60, 70);
    assert_numbers(rig_lines(&r), 50, 70); /* from the descriptor, and at once */
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void an_archive_beside_its_file_is_not_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    rig_stop(&r);
    number_lines(&r, "a.log", 50, 60);
    rig_copy(&r, "a.log", "copy");
    zip_file(&r, "copy", "a.log.1.gz", ZIP_GZIP); /* gzip is at work */
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 60, 70);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 50, 70);
    assert_int_equal(unlink(rig_path(&r, "a.log.1")), 0); /* and is done now */
    assert_string_equal(all_lines(&r), "");
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void a_second_archive_of_the_same_is_not_read(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    rig_stop(&r);
    number_lines(&r, "a.log", 50, 60);
    rig_copy(&r, "a.log", "copy");
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    zip_file(&r, "copy", "a.log.1.zst", ZIP_ZSTD);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 50, 60);
    assert_int_equal(unlink(rig_path(&r, "a.log.1.gz")), 0); /* packed anew */
    assert_string_equal(all_lines(&r), "");
    zip_write(&r, "x", ZIP_GZIP, SLICE("other\n"));
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void unpacking_what_was_read_reads_nothing_twice(void **state)
{
    struct rig r;
    struct stat st;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    rig_stop(&r);
    number_lines(&r, "a.log", 50, 60);
    rig_copy(&r, "a.log", "copy");
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 60, 65);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 50, 65);
    assert_int_equal(stat(rig_path(&r, "a.log.1.gz"), &st), 0);
    rig_rename(&r, "copy", "a.log.1"); /* as gunzip does */
    assert_int_equal(utimensat(AT_FDCWD, rig_path(&r, "a.log.1"),
                               (struct timespec[2]){ st.st_atim, st.st_mtim }, 0),
                     0);
    assert_string_equal(all_lines(&r), "");
    assert_int_equal(unlink(rig_path(&r, "a.log.1.gz")), 0);
    assert_string_equal(all_lines(&r), "");
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void copytruncate_and_compress_while_away_loses_and_doubles_nothing(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    rig_stop(&r);
    number_lines(&r, "a.log", 50, 60);
    rig_copy(&r, "a.log", "a.log.1");
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 60, 70);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 50, 70);
    assert_null(strstr(rig_notices(&r), "truncated"));
    rig_free(&r);
}

/* The archive of a copy that ends before what we have read: cp came before the last lines. */
static void a_compressed_copy_that_is_shorter_is_not_read_again(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 50);
    assert_numbers(rig_lines(&r), 0, 50);
    rig_copy(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 50, 55);
    assert_numbers(rig_lines(&r), 50, 55);
    rig_stop(&r);
    rig_write(&r, "a.log", O_TRUNC, SLICE(""));
    zip_file(&r, "a.log.1", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 55, 60);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 55, 60);
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void equal_beginnings_do_not_make_equal_files(void **state)
{
    struct rig r;
    struct buf head = BUF_INIT;

    (void)state;
    for (unsigned i = 0; i < 30; i++)
        buf_str(&head, "#the same header in every file, whoever writes it\n");
    begin(&r, LOG);
    rig_write(&r, "a.log", O_APPEND, buf_view(&head));
    rig_append(&r, "a.log", "1\n");
    assert_non_null(strstr(rig_lines(&r), "|1|"));
    rig_stop(&r);
    rig_append(&r, "a.log", "2\n");
    zip_file(&r, "a.log", "a.log.3.gz", ZIP_GZIP);
    rig_write(&r, "a.log", O_APPEND, buf_view(&head));
    rig_append(&r, "a.log", "3\n4\n5\n");
    zip_file(&r, "a.log", "a.log.2.gz", ZIP_GZIP);
    rig_write(&r, "a.log", O_APPEND, buf_view(&head));
    rig_append(&r, "a.log", "6\n");
    restart(&r, LOG);
    {
        const char *lines = all_lines(&r);
        assert_memory_equal(lines, "2|#the", 6);
        assert_non_null(strstr(lines, "|3|4|5|#the"));
        assert_string_equal(lines + strlen(lines) - 3, "|6|");
    }
    buf_fini(&head);
    rig_free(&r);
}

/* Any block may be the last one that was committed. */
static void a_stop_anywhere_in_an_archive_goes_on_there(void **state)
{
    (void)state;
    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct rig r;

        rig_new(&r);
        r.in.block_max = 4096;
        assert_int_equal(
            rig_start(&r, &input_file, "{path: @/a.log, from: begin, max_line: 1KiB}", false), 0);
        number_lines(&r, "a.log", 0, 10);
        assert_numbers(rig_lines(&r), 0, 10);
        rig_stop(&r);
        number_lines(&r, "a.log", 10, 1500);
        zip_file(&r, "a.log", "a.log.2.gz", kinds[k]);
        number_lines(&r, "a.log", 1500, 3000);
        zip_file(&r, "a.log", "a.log.1.zst", kinds[k]);
        number_lines(&r, "a.log", 3000, 3010);
        rig_wait(&r, 12 * SECOND);
        for (unsigned i = 0; i < 400; i++) {
            assert_int_equal(
                rig_start(&r, &input_file, "{path: @/a.log, from: begin, max_line: 1KiB}", false),
                0);
            for (unsigned n = 0; n < 7; n++)
                (void)rig_read(&r);
            rig_wait(&r, SECOND);
            rig_stop(&r);
        }
        assert_int_equal(
            rig_start(&r, &input_file, "{path: @/a.log, from: begin, max_line: 1KiB}", false), 0);
        assert_numbers(all_lines(&r), 10, 3010);
        rig_free(&r);
    }
}

static void an_archive_that_is_cut_short_is_told_and_goes_on_when_it_is_whole(void **state)
{
    struct rig r;
    struct buf text = BUF_INIT, zip = BUF_INIT;
    const char *lines;
    unsigned n = 0;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 10);
    assert_numbers(rig_lines(&r), 0, 10);
    rig_stop(&r);
    number_lines(&r, "a.log", 10, 20000);
    assert_int_equal(file_read(AT_FDCWD, rig_path(&r, "a.log"), 1 << 30, &text, NULL), 0);
    zip_add(&zip, ZIP_GZIP, buf_view(&text));
    assert_int_equal(unlink(rig_path(&r, "a.log")), 0);
    rig_write(&r, "a.log.1.gz", 0, slice_of(zip.p, zip.n / 2));
    restart(&r, LOG);
    lines = all_lines(&r);
    for (const char *p = lines; (p = strchr(p, '|')); p++)
        n++;
    assert_in_range(n, 1000, 19000);
    assert_non_null(strstr(rig_notices(&r), "source.unreadable{\"error\":\"is cut short"));
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "");
    rig_write(&r, "a.log.1.gz", O_TRUNC, buf_view(&zip));
    lines = all_lines(&r);
    assert_string_equal(lines + strlen(lines) - 1, "|");
    for (const char *p = lines; (p = strchr(p, '|')); p++)
        n++;
    assert_int_equal(n, 19990 + 1); /* one line in two parts */
    buf_fini(&text);
    buf_fini(&zip);
    rig_free(&r);
}

/* A kill in the middle of it; the whole hole is told once. */
static void a_long_hole_in_an_archive_is_told_whole_after_a_kill(void **state)
{
    struct rig r;
    struct buf text = BUF_INIT;

    (void)state;
    begin(&r, LOG);
    r.in.block_max = 65536;
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    (void)rig_notices(&r);
    assert_int_equal(file_read(AT_FDCWD, rig_path(&r, "a.log"), 1 << 20, &text, NULL), 0);
    for (unsigned i = 0; i < 3000000; i++)
        buf_char(&text, '\0');
    buf_str(&text, "000040 behind the hole\n");
    rig_write(&r, "a.log", O_TRUNC, buf_view(&text));
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    rig_wait(&r, 3 * SECOND);
    for (unsigned i = 0; i < 200 && r.lines.n == 0; i++) {
        restart(&r, LOG);
        for (unsigned k = 0; k < 30 && r.lines.n == 0; k++) /* further each time, never far */
            (void)rig_read(&r);
        rig_wait(&r, 20 * USEC_PER_MSEC);
    }
    assert_numbers(all_lines(&r), 40, 41);
    assert_non_null(strstr(rig_notices(&r), "source.nulls{\"position\":2120,\"bytes\":3000000}"));
    buf_fini(&text);
    rig_free(&r);
}

/* Between two renames of a rotation the archive has the number of the next generation. */
static void an_archive_beside_the_next_generation_comes_first(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 40);
    assert_numbers(rig_lines(&r), 0, 40);
    rig_stop(&r);
    number_lines(&r, "a.log", 40, 60);
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    number_lines(&r, "a.log", 60, 80);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 80, 100);
    restart(&r, LOG);
    assert_numbers(all_lines(&r), 40, 100);
    rig_free(&r);
}

/* Judging a large archive takes a while; meanwhile the plain file goes. */
static void an_archive_whose_plain_file_goes_while_it_is_judged_is_not_read_again(void **state)
{
    struct rig r;

    (void)state;
    begin(&r, LOG);
    number_lines(&r, "a.log", 0, 120000);
    assert_numbers(rig_lines(&r), 0, 120000);
    rig_rename(&r, "a.log", "a.log.1");
    number_lines(&r, "a.log", 120000, 120040);
    assert_numbers(all_lines(&r), 120000, 120040);
    rig_copy(&r, "a.log.1", "copy");
    zip_file(&r, "copy", "a.log.2.gz", ZIP_GZIP);
    rig_wait(&r, 12 * SECOND);
    (void)rig_read(&r); /* the judging begins */
    assert_int_equal(unlink(rig_path(&r, "a.log.1")), 0);
    assert_string_equal(all_lines(&r), "");
    rig_free(&r);
}

static void the_key_of_an_archive_is_that_of_its_log(void **state)
{
    struct rig r;
    uint8_t live[16];

    (void)state;
    begin(&r, LOG);
    rig_append(&r, "a.log", "first line\nsecond\n");
    assert_string_equal(rig_lines(&r), "first line|second|");
    memcpy(live, r.key, sizeof live);
    rig_stop(&r);
    rig_append(&r, "a.log", "third\n");
    zip_file(&r, "a.log", "a.log.1.gz", ZIP_GZIP);
    restart(&r, LOG);
    assert_string_equal(all_lines(&r), "third|");
    assert_memory_equal(live, r.key, sizeof live);
    assert_int_equal(r.position, 18);
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
        cmocka_unit_test(a_stream_goes_on_in_the_archive_of_its_file),
        cmocka_unit_test(generations_that_were_compressed_while_we_were_away_are_read_in_order),
        cmocka_unit_test(generations_of_a_log_that_was_empty_are_read),
        cmocka_unit_test(a_young_archive_is_not_forgotten_while_it_waits),
        cmocka_unit_test(a_generation_that_was_seen_but_not_read_is_read_from_its_archive),
        cmocka_unit_test(an_archive_that_has_just_begun_is_no_trouble),
        cmocka_unit_test(an_archive_that_was_renamed_just_now_is_read_at_once),
        cmocka_unit_test(dated_archives_are_read_in_order),
        cmocka_unit_test(archives_from_before_our_time_are_left_alone),
        cmocka_unit_test(compressing_what_we_read_reads_nothing_twice),
        cmocka_unit_test(a_file_compressed_under_us_is_read_to_its_end_first),
        cmocka_unit_test(an_archive_beside_its_file_is_not_read),
        cmocka_unit_test(a_second_archive_of_the_same_is_not_read),
        cmocka_unit_test(unpacking_what_was_read_reads_nothing_twice),
        cmocka_unit_test(copytruncate_and_compress_while_away_loses_and_doubles_nothing),
        cmocka_unit_test(a_compressed_copy_that_is_shorter_is_not_read_again),
        cmocka_unit_test(equal_beginnings_do_not_make_equal_files),
        cmocka_unit_test(a_stop_anywhere_in_an_archive_goes_on_there),
        cmocka_unit_test(an_archive_that_is_cut_short_is_told_and_goes_on_when_it_is_whole),
        cmocka_unit_test(a_long_hole_in_an_archive_is_told_whole_after_a_kill),
        cmocka_unit_test(an_archive_beside_the_next_generation_comes_first),
        cmocka_unit_test(an_archive_whose_plain_file_goes_while_it_is_judged_is_not_read_again),
        cmocka_unit_test(the_key_of_an_archive_is_that_of_its_log),
    };

    return cmocka_run_group_tests_name("input_file_zip", tests, NULL, NULL);
}
