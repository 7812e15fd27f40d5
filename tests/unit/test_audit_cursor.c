/* A trail read on beside its writer: through segments, erasing, compressing and pruning. */
#include "audit/cursor.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>
#include <zlib.h>

#include <cmocka.h>

#include "base/file.h"

struct rig {
    char folder[128];
    struct audit_cursor *cursor;
    uint64_t last, count;
    uint64_t stop_at;
    size_t bytes;
};

static void path_of(const struct rig *x, uint64_t first, const char *end, char out[256])
{
    snprintf(out, 256, "%s/log/%020llu.jsonl%s", x->folder, (unsigned long long)first, end);
}

static void append(const struct rig *x, uint64_t first, uint64_t from, uint64_t to, const char *pad)
{
    char path[256];
    FILE *f;

    path_of(x, first, "", path);
    f = fopen(path, "a");
    assert_non_null(f);
    for (uint64_t i = from; i < to; i++)
        fprintf(f, "{\"i\":%llu,\"x\":\"%s\"}\n", (unsigned long long)i, pad);
    fclose(f);
}

static int setup(void **state)
{
    static struct rig x;
    const char *tmp = getenv("TMPDIR");
    char path[256];

    x = (struct rig){ .stop_at = UINT64_MAX };
    snprintf(x.folder, sizeof x.folder, "%s/tw-cursor.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(x.folder));
    snprintf(path, sizeof path, "%s/log", x.folder);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(audit_cursor_new(x.folder, &x.cursor, NULL), 0);
    *state = &x;
    return 0;
}

static int teardown(void **state)
{
    struct rig *x = *state;
    char path[256];
    static const uint64_t firsts[] = { 0, 256, 512 };

    audit_cursor_free(x->cursor);
    for (size_t i = 0; i < ARRAY_SIZE(firsts); i++) {
        path_of(x, firsts[i], "", path);
        (void)remove(path);
        path_of(x, firsts[i], ".gz", path);
        (void)remove(path);
    }
    snprintf(path, sizeof path, "%s/log", x->folder);
    (void)remove(path);
    (void)remove(x->folder);
    return 0;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct rig *x = ctx;
    char want[32];

    if (index == x->stop_at)
        return 1;
    snprintf(want, sizeof want, "{\"i\":%llu,", (unsigned long long)index);
    assert_true(slice_starts(line, slice_str(want)));
    assert_int_equal(line.p[line.n - 1], '}');
    x->last = index;
    x->count++;
    x->bytes += line.n;
    return 0;
}

/* How many lines it gave. */
static uint64_t read_on(struct rig *x, uint64_t from, uint64_t end)
{
    struct err err = ERR_NONE;

    x->count = x->bytes = 0;
    if (audit_cursor_read(x->cursor, from, end, on_line, x, &err) < 0)
        fail_msg("%s", err.text);
    return x->count;
}

static void compress_segment(struct rig *x, uint64_t first)
{
    char path[256], packed[256];
    AUTO_BUF text = BUF_INIT;
    gzFile z;

    path_of(x, first, "", path);
    path_of(x, first, ".gz", packed);
    assert_int_equal(file_read(-1, path, 1 << 24, &text, NULL), 0);
    z = gzopen(packed, "wb");
    assert_int_equal(gzwrite(z, text.p, (unsigned)text.n), (int)text.n);
    gzclose(z);
    assert_int_equal(remove(path), 0);
}

static void it_goes_on_where_it_was_through_segments(void **state)
{
    struct rig *x = *state;

    append(x, 0, 0, 256, "a");
    append(x, 256, 256, 300, "b");
    assert_int_equal(read_on(x, 0, 100), 100);
    assert_int_equal(read_on(x, 100, 300), 200);
    assert_int_equal(x->last, 299);
    append(x, 256, 300, 310, "b");
    assert_int_equal(read_on(x, 300, 310), 10);
    assert_int_equal(read_on(x, 310, 310), 0);
    assert_int_equal(read_on(x, 17, 20), 3);
}

static void a_line_that_is_not_taken_comes_again(void **state)
{
    struct rig *x = *state;

    append(x, 0, 0, 50, "a");
    x->stop_at = 20;
    assert_int_equal(read_on(x, 0, 50), 20);
    x->stop_at = UINT64_MAX;
    assert_int_equal(read_on(x, 20, 50), 30);
}

static void what_is_not_committed_is_not_kept(void **state)
{
    struct rig *x = *state;
    char path[256];

    append(x, 0, 0, 20, "committed");
    append(x, 0, 20, 40, "not yet");
    assert_int_equal(read_on(x, 0, 20), 20);
    path_of(x, 0, "", path);
    assert_int_equal(truncate(path, 10 * 24 + 10 * 25), 0);
    append(x, 0, 20, 30, "written again");
    assert_int_equal(read_on(x, 20, 30), 10);
    assert_int_equal(x->bytes, 10 * strlen("{\"i\":20,\"x\":\"written again\"}"));
}

static void what_was_erased_is_not_given(void **state)
{
    struct rig *x = *state;
    char path[256];
    AUTO_BUF text = BUF_INIT;

    append(x, 0, 0, 40, "with personal values");
    assert_int_equal(read_on(x, 0, 10), 10);
    for (unsigned i = 0; i < 40; i++)
        buf_printf(&text, "{\"i\":%u,}\n", i);
    path_of(x, 0, "", path);
    assert_int_equal(file_replace(-1, path, buf_view(&text), 0600, NULL), 0);
    assert_int_equal(read_on(x, 10, 40), 30);
    assert_int_equal(x->bytes, 30 * strlen("{\"i\":10,}"));
}

static void compressed_segments_are_read_in_one_go(void **state)
{
    struct rig *x = *state;

    append(x, 0, 0, 256, "a");
    append(x, 256, 256, 512, "b");
    append(x, 512, 512, 520, "c");
    assert_int_equal(read_on(x, 0, 5), 5);
    compress_segment(x, 0);
    compress_segment(x, 256);
    for (uint64_t i = 5; i < 520; i += 103)
        assert_int_equal(read_on(x, i, i + 103), 103);
}

static void it_goes_on_behind_what_was_pruned(void **state)
{
    struct rig *x = *state;

    append(x, 256, 256, 300, "b");
    assert_int_equal(read_on(x, 10, 300), 44);
    assert_int_equal(x->last, 299);
}

static void a_committed_line_that_is_missing_is_a_fault(void **state)
{
    struct rig *x = *state;

    append(x, 0, 0, 10, "a");
    assert_true(audit_cursor_read(x->cursor, 0, 11, on_line, x, NULL) < 0);
}

static void lines_of_any_length_come_whole(void **state)
{
    struct rig *x = *state;
    char *pad = malloc(700001);

    memset(pad, 'x', 700000);
    pad[700000] = '\0';
    append(x, 0, 0, 3, pad);
    assert_int_equal(read_on(x, 0, 3), 3);
    assert_true(x->bytes > 2100000);
    free(pad);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_goes_on_where_it_was_through_segments),
        TEST(a_line_that_is_not_taken_comes_again),
        TEST(what_is_not_committed_is_not_kept),
        TEST(what_was_erased_is_not_given),
        TEST(compressed_segments_are_read_in_one_go),
        TEST(it_goes_on_behind_what_was_pruned),
        TEST(a_committed_line_that_is_missing_is_a_fault),
        TEST(lines_of_any_length_come_whole),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
