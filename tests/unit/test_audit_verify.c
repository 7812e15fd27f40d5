/* What verification says of a trail that nobody tampered with: pruned, compressed, erased, live. */
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/wait.h>
#include <zlib.h>

#include <cmocka.h>

#include "tests/unit/trail_rig.h"

static struct trail_rig *template;

static int make_template(void **state UNUSED)
{
    template = rig_new();
    rig_fill(template);
    return 0;
}

static int remove_template(void **state UNUSED)
{
    rig_free(template);
    return 0;
}

static int make(void **state)
{
    *state = rig_clone(template);
    return 0;
}

static int unmake(void **state)
{
    rig_free(*state);
    return 0;
}

#define FIRST "log/00000000000000000000.jsonl"
#define LAST "log/00000000000000000768.jsonl"

/* ---- compressed ---- */

static void compress_segment(const struct trail_rig *t, const char *name)
{
    AUTO_BUF plain = BUF_INIT;
    char path[320], packed[320];
    gzFile f;

    rig_read(t, name, &plain);
    rig_path(t, name, path);
    snprintf(packed, sizeof packed, "%.310s.tmp", path);
    f = gzopen(packed, "wb6");
    assert_non_null(f);
    assert_int_equal(gzwrite(f, plain.p, (unsigned)plain.n), (int)plain.n);
    assert_int_equal(gzclose(f), Z_OK);
    snprintf(packed, sizeof packed, "%.310s.gz", path);
    snprintf(path + strlen(path), sizeof path - strlen(path), ".tmp");
    assert_int_equal(rename(path, packed), 0);
    rig_remove(t, name);
}

static void a_compressed_segment_verifies_and_a_damaged_one_does_not(void **state)
{
    struct trail_rig *t = *state;
    AUTO_BUF b = BUF_INIT;

    compress_segment(t, FIRST);
    assert_true(rig_verify(t));
    rig_read(t, FIRST ".gz", &b);
    rig_write(t, FIRST ".gz", slice_take(buf_view(&b), b.n / 2));
    assert_false(rig_verify(t));
    b.p[b.n / 2] ^= 1;
    rig_write(t, FIRST ".gz", buf_view(&b));
    assert_false(rig_verify(t));
}

/* ---- pruned ---- */

static void remove_below_512(const struct trail_rig *t)
{
    rig_remove(t, FIRST);
    rig_remove(t, "tile/0/000");
    rig_remove(t, "tile/0/001");
}

static void a_pruned_trail_verifies_when_an_entry_says_so(void **state)
{
    struct trail_rig *t = *state;
    struct audit_verify_options o = rig_options(t);
    struct audit_report r;

    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    (void)rig_entry(t, "trail.prune", "\"min\":512,\"reason\":\"retention\"");
    remove_below_512(t);
    rig_entries(t, 300);
    rig_close(t);
    assert_true(rig_verify(t));
    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    assert_int_equal(r.first_entry, 512);
    assert_int_equal(r.epochs, 3);
    assert_int_equal(r.unchecked, 1); /* the genesis; the others lie behind 512 */
    audit_report_fini(&r);
    o.since.size = 1024; /* the entry that says so stands before */
    assert_true(rig_verify_as(t, &o));
}

static void a_trail_that_lost_its_beginning_is_not_a_pruned_one(void **state)
{
    struct trail_rig *t = *state;

    remove_below_512(t);
    assert_false(rig_verify(t));
    assert_true(rig_found(t, "PRUNE_UNDECLARED"));
}

static void pruning_covers_no_more_than_it_says(void **state)
{
    struct trail_rig *t = *state;

    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    (void)rig_entry(t, "trail.prune", "\"min\":256,\"reason\":\"retention\"");
    rig_close(t);
    assert_true(rig_verify(t)); /* said, not done yet */
    remove_below_512(t);
    assert_false(rig_verify(t));
    assert_true(rig_found(t, "PRUNE_UNDECLARED"));
}

/* A pruning that nothing signs yet is no reason to believe in it. */
static void an_unsigned_entry_declares_nothing(void **state)
{
    struct trail_rig *t = *state;
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;

    rig_open(t);
    batch_init(&b, arena, clock_now(&t->clock));
    batch_entry(&b, "trail.prune")->members = SLICE("\"min\":512");
    assert_int_equal(audit_append(t->audit, &b, NULL), 0);
    rig_close(t);
    remove_below_512(t);
    assert_false(rig_verify(t));
    assert_true(rig_found(t, "PRUNE_UNDECLARED"));
}

/* ---- from a later entry on ---- */

static void reading_from_later_on_needs_the_tiles_before(void **state)
{
    struct trail_rig *t = *state;
    struct audit_verify_options o = rig_options(t);
    struct audit_report r;
    AUTO_BUF b = BUF_INIT;

    rig_read(t, FIRST, &b);
    b.p[b.n / 2] ^= 1;
    rig_write(t, FIRST, buf_view(&b)); /* before the part that is read */
    assert_false(rig_verify(t));
    o.since.size = 700;
    assert_true(rig_verify_as(t, &o));
    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    assert_int_equal(r.read_from, 512);
    audit_report_fini(&r);
    o.since = (struct audit_since){ .time_us = UINT64_C(1790000000) * USEC_PER_SEC + RIG_DAY + 1 };
    assert_true(rig_verify_as(t, &o));
    rig_read(t, "tile/0/000", &b);
    b.p[35] ^= 1; /* the proof of the first epoch's note leads over leaf 1 */
    rig_write(t, "tile/0/000", buf_view(&b));
    assert_false(rig_verify_as(t, &o));
}

static void a_note_can_say_where_to_begin(void **state)
{
    struct trail_rig *t = *state;
    struct audit_verify_options o = rig_options(t);
    char note[320], kept[320];

    rig_path(t, "checkpoint", note);
    snprintf(kept, sizeof kept, "%s/kept", t->folder);
    rig_copy(note, kept);
    rig_open(t);
    rig_entries(t, 700);
    rig_close(t);
    o.since.note = kept;
    assert_true(rig_verify_as(t, &o));
    o.since.note = "/nonexistent/note";
    {
        struct audit_report r;
        struct err err = ERR_NONE;

        assert_int_equal(audit_verify(&o, &r, &err), -ENOENT); /* no answer, not a bad one */
        audit_report_fini(&r);
    }
}

/* ---- warnings ---- */

static void silence_without_a_stop_is_told(void **state)
{
    struct trail_rig *t = *state;

    assert_true(rig_verify(t));
    assert_true(rig_found(t, "(GAP)")); /* the two days of rig_fill() */
    rig_free(t);
    *state = t = rig_new();
    rig_pass(t, RIG_DAY); /* made, and started a day later */
    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    (void)rig_entry(t, "daemon.stop", "");
    rig_pass(t, RIG_DAY / 2);
    (void)rig_entry(t, "pii.erase", "\"entries\":[]");
    rig_pass(t, RIG_DAY / 3);
    (void)rig_entry(t, "daemon.start", "");
    rig_pass(t, 400 * USEC_PER_SEC);
    (void)rig_entry(t, "event", "\"n\":1");
    assert_true(rig_verify(t));
    assert_false(rig_found(t, "(GAP)"));
    rig_pass(t, 700 * USEC_PER_SEC);
    (void)rig_entry(t, "event", "\"n\":1");
    assert_true(rig_verify(t));
    assert_true(rig_found(t, "(GAP)"));
}

static void lines_behind_the_checkpoint_are_told_when_they_are_old(void **state)
{
    struct trail_rig *t = *state;
    struct audit_verify_options o = rig_options(t);
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;

    rig_open(t);
    rig_pass(t, USEC_PER_SEC);
    batch_init(&b, arena, clock_now(&t->clock));
    batch_entry(&b, "event")->members = SLICE("\"n\":1");
    assert_int_equal(audit_append(t->audit, &b, NULL), 0);
    o.now_us = t->clock.now_us + 5 * USEC_PER_SEC;
    assert_true(rig_verify_as(t, &o));
    assert_false(rig_found(t, "(UNSIGNED_TAIL)"));
    o.now_us = t->clock.now_us + 90 * USEC_PER_SEC;
    assert_true(rig_verify_as(t, &o));
    assert_true(rig_found(t, "(UNSIGNED_TAIL)"));
    assert_false(rig_found(t, "(STALE)"));
    o.now_us = t->clock.now_us + RIG_DAY;
    assert_true(rig_verify_as(t, &o));
    assert_true(rig_found(t, "(STALE)"));
}

static void a_torn_last_line_is_told(void **state)
{
    struct trail_rig *t = *state;
    AUTO_BUF b = BUF_INIT;

    rig_read(t, LAST, &b);
    buf_str(&b, "{\"i\":900,");
    rig_write(t, LAST, buf_view(&b));
    assert_true(rig_verify(t));
    assert_true(rig_found(t, "(TORN_TAIL)"));
}

/* ---- erased ---- */

/* Drops what is behind the TAB of some lines, or one of the two values. */
static void erase(const struct trail_rig *t, uint64_t from, uint64_t to, bool one)
{
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    struct slice rest, line;

    rig_read(t, FIRST, &in);
    rest = buf_view(&in);
    for (uint64_t i = 0; rest.n && slice_split(&rest, '\n', &line); i++) {
        size_t user = slice_find(line, SLICE(",\"user.name\":[")),
               tab = slice_find_byte(line, '\t');

        if (i < from || i >= to || tab == SIZE_MAX) {
            buf_slice(&out, line);
        } else if (one) {
            buf_slice(&out, slice_take(line, user));
            buf_str(&out, "}}");
        } else {
            assert_int_equal(leaf_data(line, &out), 0);
        }
        buf_char(&out, '\n');
    }
    rig_write(t, FIRST, buf_view(&out));
}

static void erased_values_are_counted_and_must_be_declared(void **state)
{
    struct trail_rig *t = *state;
    struct audit_verify_options o = rig_options(t);
    struct audit_report r, before;

    assert_int_equal(audit_verify(&o, &before, NULL), 0);
    assert_true(before.pii_checked > 400);
    assert_int_equal(before.pii_erased, 0);
    audit_report_fini(&before);
    erase(t, 2, 3, false); /* two values of entry 2, one of entry 5 */
    erase(t, 5, 6, true);
    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    assert_true(r.good);
    assert_int_equal(r.pii_erased, 3);
    assert_int_equal(r.pii_checked, before.pii_checked - 3);
    audit_report_fini(&r);
    assert_true(rig_verify(t));
    assert_true(rig_found(t, "(ERASED_UNDECLARED)"));
    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    (void)rig_entry(t, "pii.erase", "\"entries\":[2],\"reason\":\"request\"");
    assert_true(rig_verify(t));
    assert_true(rig_found(t, "(ERASED_UNDECLARED)"));
    (void)rig_entry(t, "pii.erase", "\"entries\":[[4,6]],\"reason\":\"request\"");
    assert_true(rig_verify(t));
    assert_false(rig_found(t, "(ERASED_UNDECLARED)"));
}

/* ---- one line ---- */

#define HEAD "{\"i\":2,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"auth.fail\",\"ch\":\"api\""
#define SD                                                                                         \
    ",\"sd\":{\"src_ip\":\"9HrtXjbGVZ3oiUepGz8QdqwSyAVCcf2eNTrP2wcur6U=\","                        \
    "\"user\":\"tXArl4KIVUTnsxSGRxeo6VR1ci7RyiXdygv/lcGs4eI=\"}"
#define IP "\"src_ip\":[\"CX7qrgKccTJ/jCCyORPLYQ\",\"203.0.113.7\"]"
#define USER "\"user\":[\"BQ32FEf01mZdLFzI4dPsCQ\",\"al\\\"ice\xc3\xa9\"]"

static const struct {
    const char *line, *code; /* code NULL: good */
    unsigned values, erased;
} lines[] = {
    { HEAD "}", NULL, 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," USER "}}", NULL, 2, 0 },
    { HEAD SD "\t,\"pii\":{" IP "}}", NULL, 1, 1 },
    { HEAD SD "\t,\"pii\":{" USER "}}", NULL, 1, 1 },
    { HEAD SD "\t,\"pii\":{}}", NULL, 0, 2 },
    { HEAD SD "}", NULL, 0, 2 },
    { HEAD ",\"x\":{\"sd\":{\"a\":\"b\"}}}", NULL, 0, 0 },
    /* behind the TAB nothing is hashed: nothing else may stand there */
    { HEAD "\t,\"type\":\"other\"}", "PII", 0, 0 },
    { HEAD "\t}", "PII", 0, 0 },
    { HEAD "\t,\"pii\":{}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," USER "},\"type\":\"other\"}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," IP "}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," USER ",}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP ", " USER "}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{\"name\":[\"CX7qrgKccTJ/jCCyORPLYQ\",\"203.0.113.7\"]}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/jCCyORPLYQ\",\"203.0.113.8\"]}}", "PII", 0,
      0 },
    { HEAD SD "\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/jCCyORPLYR\",\"203.0.113.7\"]}}", "PII", 0,
      0 },
    { HEAD SD "\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/jCCyORPLYQ\",\"203.0.113.7\",1]}}", "PII", 0,
      0 },
    { HEAD SD "\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/jCCyORPLYQ\",\"203.0.113.7]}}", "PII", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," USER "}}\t", "FORMAT", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP ",\x01" USER "}}", "FORMAT", 0, 0 },
    { HEAD SD "\t,\"pii\":{" IP "," USER "}}x", "PII", 0, 0 },
    /* the part that is hashed */
    { HEAD, "FORMAT", 0, 0 },
    { HEAD ",\"a\":\"\xc3\"}", "FORMAT", 0, 0 },
    { HEAD ",\"a\":\"\x1f\"}", "FORMAT", 0, 0 },
    { "", "FORMAT", 0, 0 },
    { "}", "FORMAT", 0, 0 },
    { "{\"i\":2}", "FORMAT", 0, 0 },
    { "{\"i\":02,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"a\"}", "BAD_INDEX", 0, 0 },
    { "{\"i\":3,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"a\"}", "BAD_INDEX", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-02-30T12:00:02.000000Z\",\"type\":\"a\"}", "FORMAT", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-07-30T24:00:02.000000Z\",\"type\":\"a\"}", "FORMAT", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-07-30T12:00:02.00000\",\"type\":\"a\"}", "FORMAT", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"A\"}", "FORMAT", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"\"}", "FORMAT", 0, 0 },
    { "{\"i\":2,\"t\":\"2026-07-30T11:59:59.999999Z\",\"type\":\"a\"}", "TIME_ORDER", 0, 0 },
};

static void a_line_is_what_the_format_says_and_nothing_hides_behind_its_tab(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(lines); i++) {
        struct line_judge j = { .last_us = UINT64_C(1785412800) * USEC_PER_SEC };
        const char *code = line_check(&j, slice_str(lines[i].line), 2);

        if ((code == NULL) != (lines[i].code == NULL) ||
            (code && strcmp(code, lines[i].code) != 0) ||
            (!code && (j.values != lines[i].values || j.erased != lines[i].erased))) {
            print_message("%s: %s, %u values, %u erased\n", lines[i].line, code ? code : "good",
                          j.values, j.erased);
            fail();
        }
        line_judge_fini(&j);
    }
}

/* ---- beside the writer ---- */

#define LIVE_US (3 * USEC_PER_SEC)

static void keep_note(struct trail_rig *t, uint64_t size)
{
    AUTO_BUF b = BUF_INIT;
    char name[64];

    snprintf(name, sizeof name, "checkpoints/%020llu.tmp", (unsigned long long)size);
    buf_slice(&b, audit_note(t->audit));
    rig_write(t, name, buf_view(&b));
    {
        char from[320], to[320];

        rig_path(t, name, from);
        snprintf(to, sizeof to, "%.*s", (int)strlen(from) - 4, from);
        assert_int_equal(rename(from, to), 0);
    }
}

/* In the order of the format: the entry is signed, segments go, then their tiles. */
static void prune_to(struct trail_rig *t, uint64_t from, uint64_t min)
{
    char text[240];

    snprintf(text, sizeof text, "\"min\":%llu", (unsigned long long)min);
    (void)rig_entry(t, "trail.prune", text);
    for (uint64_t i = from; i < min; i += TILE_WIDTH) {
        snprintf(text, sizeof text, "%s/log/%020llu.jsonl.gz", t->trail, (unsigned long long)i);
        (void)unlink(text);
        text[strlen(text) - 3] = '\0';
        (void)unlink(text);
    }
    for (uint64_t n = from / TILE_WIDTH; n < min / TILE_WIDTH; n++) {
        snprintf(text, sizeof text, "tile/0/%03llu", (unsigned long long)n);
        rig_remove(t, text);
    }
}

/* A day is a segment of 256 to 511 entries; all are compressed but the open one, old ones go. */
static void write_for_a_while(struct trail_rig *t)
{
    const struct clock real = CLOCK_REAL;
    uint64_t until = clock_mono(&real) + LIVE_US, open_segment = 0, kept = 0;
    char name[64];

    rig_open(t);
    for (unsigned i = 0; clock_mono(&real) < until; i++) {
        rig_entries(t, 1 + i * 37 % 90);
        if (i % 7 == 3)
            keep_note(t, audit_end(t->audit).count);
        if (i % 5 == 4)
            rig_pass(t, RIG_DAY);
        if (i % 20 == 19) {
            rig_close(t);
            rig_open(t);
        }
        if (audit_end(t->audit).segment == open_segment)
            continue;
        snprintf(name, sizeof name, "log/%020llu.jsonl", (unsigned long long)open_segment);
        compress_segment(t, name);
        if (i % 3 == 0 && kept + 1024 < open_segment) {
            prune_to(t, kept, open_segment);
            kept = open_segment;
        }
        open_segment = audit_end(t->audit).segment;
    }
    rig_close(t);
}

static void beside_the_writer_nothing_false_is_told(void **state)
{
    struct trail_rig *t = *state;
    unsigned good = 0, moved = 0;
    uint64_t last = 0;
    pid_t pid = fork();
    int status = 0;

    assert_true(pid >= 0);
    if (pid == 0) {
        write_for_a_while(t);
        _exit(0);
    }
    while (waitpid(pid, &status, WNOHANG) == 0) {
        struct audit_verify_options o = rig_options(t);
        struct audit_report r;
        struct err err = ERR_NONE;
        int failed = audit_verify(&o, &r, &err);

        if (failed || !r.good) {
            print_message("after %u good ones: %s\n", good, err.text);
            for (size_t i = 0; i < r.nfindings; i++)
                print_message("%s %s\n", r.findings[i].code, r.findings[i].text);
            kill(pid, SIGKILL);
            (void)waitpid(pid, &status, 0);
            fail();
        }
        moved += r.signed_size != last;
        last = r.signed_size;
        audit_report_fini(&r);
        good++;
    }
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_true(rig_verify(t));
    assert_true(moved > 5);
    print_message("%u verifications of %u trees, at the end %llu entries\n", good, moved,
                  (unsigned long long)last);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_what_the_format_says_and_nothing_hides_behind_its_tab),
#define ON_TRAIL(name) cmocka_unit_test_setup_teardown(name, make, unmake)
        ON_TRAIL(a_compressed_segment_verifies_and_a_damaged_one_does_not),
        ON_TRAIL(a_pruned_trail_verifies_when_an_entry_says_so),
        ON_TRAIL(a_trail_that_lost_its_beginning_is_not_a_pruned_one),
        ON_TRAIL(pruning_covers_no_more_than_it_says),
        ON_TRAIL(an_unsigned_entry_declares_nothing),
        ON_TRAIL(reading_from_later_on_needs_the_tiles_before),
        ON_TRAIL(a_note_can_say_where_to_begin),
        ON_TRAIL(silence_without_a_stop_is_told),
        ON_TRAIL(lines_behind_the_checkpoint_are_told_when_they_are_old),
        ON_TRAIL(a_torn_last_line_is_told),
        ON_TRAIL(erased_values_are_counted_and_must_be_declared),
        ON_TRAIL(beside_the_writer_nothing_false_is_told),
    };

    return cmocka_run_group_tests(tests, make_template, remove_template);
}
