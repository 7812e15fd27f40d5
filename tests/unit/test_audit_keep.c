/* Old entries and personal data go; what is kept is proved as before, also after a kill at any
 * step. */
#include "audit/keep.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "audit/trail-private.h"
#include "audit/view.h"
#include "base/fault.h"
#include "base/file.h"
#include "base/proc.h"

#define DAY (UINT64_C(86400) * USEC_PER_SEC)
#define START (UINT64_C(1790000000) * USEC_PER_SEC)

struct trail {
    char folder[128];
    struct audit_config config;
    struct clock clock;
    char trail[160], keys[160];
    struct trail_end *end; /* committed; children that are killed write it, too */
};

static int make(void **state)
{
    struct trail *t = calloc(1, sizeof *t);

    snprintf(t->folder, sizeof t->folder, "%s/tw-keep-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(t->folder))
        return -1;
    snprintf(t->trail, sizeof t->trail, "%s/trail", t->folder);
    snprintf(t->keys, sizeof t->keys, "%s/keys", t->folder);
    clock_set(&t->clock, START);
    t->config = (struct audit_config){ .folder = t->trail,
                                       .key_folder = t->keys,
                                       .origin = "test.example/1",
                                       .heartbeat_s = 300,
                                       .epoch_s = 1000000000,
                                       .clock = &t->clock };
    t->end = mmap(NULL, sizeof *t->end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    *state = t;
    return t->end == MAP_FAILED ? -1 : audit_init(&t->config, NULL, NULL);
}

static void run(const char *const *argv)
{
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
}

static int unmake(void **state)
{
    struct trail *t = *state;
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };

    run(argv);
    munmap(t->end, sizeof *t->end);
    free(t);
    return 0;
}

static struct audit *opened(struct trail *t)
{
    struct audit *a = NULL;
    uint64_t replay;
    struct err err = ERR_NONE;

    if (audit_open(&t->config, t->end->count ? t->end : NULL, &a, &replay, &err) < 0)
        fail_msg("%s", err.text);
    return a;
}

/* One batch, committed and signed: what is owed, then n entries. */
static void commit(struct trail *t, struct audit *a, unsigned n, const char *type,
                   const char *members)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;
    struct err err = ERR_NONE;

    batch_init(&b, arena, clock_now(&t->clock));
    assert_int_equal(audit_keep_owed(a, &b, &err), 0);
    for (unsigned i = 0; i < n; i++) {
        struct entry *e = batch_entry(&b, type);

        e->members = members ? slice_str(members) : slice_str(arena_printf(arena, "\"n\":%u", i));
        if (members)
            continue;
        e->pii = arena_array(arena, 2, sizeof *e->pii);
        e->pii[e->npii++] = (struct entry_pii){ SLICE("user.name"),
                                                i % 10 ? slice_str(arena_printf(arena, "user%u", i))
                                                       : SLICE("alice") };
        e->pii[e->npii++] = (struct entry_pii){ SLICE("source.ip"), SLICE("203.0.113.7") };
    }
    assert_int_equal(audit_append(a, &b, &err), 0);
    audit_committed(a, &b.trail);
    *t->end = b.trail;
    assert_int_equal(audit_checkpoint(a, true, &err), 0);
}

/* Days of n entries each. */
static void days(struct trail *t, struct audit *a, unsigned count, unsigned n)
{
    for (unsigned i = 0; i < count; i++) {
        commit(t, a, n, "test.entry", NULL);
        clock_set(&t->clock, t->clock.now_us + DAY);
    }
}

static size_t segments(struct trail *t, uint64_t *ret_first)
{
    AUTO_FD dir = open(t->trail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t *first = NULL;
    size_t n = 0;

    assert_int_equal(segments_list(dir, &first, &n, NULL), 0);
    *ret_first = n ? first[0] : 0;
    free(first);
    return n;
}

static bool there(const struct trail *t, const char *name)
{
    char path[300];

    snprintf(path, sizeof path, "%s/%s", t->trail, name);
    return access(path, F_OK) == 0;
}

/* Every kept entry is proved, some of them by their whole path, and it goes on after a restart. */
static void assert_sound(struct trail *t)
{
    AUTO(audit_view) v = NULL;
    struct audit *a = opened(t);
    struct err err = ERR_NONE;
    uint8_t root[32];

    commit(t, a, 1, "test.after", "\"x\":1");
    audit_free(a);
    assert_int_equal(audit_view_open(t->trail, &v, &err), 0);
    assert_int_equal(audit_view_size(v), t->end->count);
    for (uint64_t i = audit_view_first(v); i < audit_view_size(v); i++) {
        AUTO_BUF out = BUF_INIT;

        if (audit_view_prove(v, i, &out, &err) < 0)
            fail_msg("entry %llu: %s", (unsigned long long)i, err.text);
    }
    for (uint64_t i = audit_view_first(v) + 1; i < audit_view_size(v); i += 97) {
        AUTO_BUF out = BUF_INIT;

        assert_int_equal(audit_view_root(v, i, root, &err), 0);
        assert_int_equal(audit_view_consistency(v, i, audit_view_size(v), &out, &err), 0);
    }
}

/* Runs in a child that ends at the n-th pass of the step. False: it never passes it so often. */
static bool killed_at(struct trail *t, enum fault_point point, unsigned pass,
                      void (*fn)(struct trail *t))
{
    AUTO_BUF text = BUF_INIT;
    pid_t pid = fork();
    int status;

    assert_true(pid >= 0);
    if (pid == 0) {
        buf_printf(&text, "%s:%u", fault_names[point], pass);
        fault_state = FAULT_UNASKED; /* the parent has passed some without it */
        setenv("TW_FAULT", text.p, 1);
        fn(t);
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_true(WEXITSTATUS(status) == FAULT_EXIT || WEXITSTATUS(status) == 0);
    return WEXITSTATUS(status) == FAULT_EXIT;
}

/* ---- prune ---- */

static uint64_t prune(struct trail *t, struct audit *a, const struct audit_limits *limits)
{
    struct audit_prune p;
    struct err err = ERR_NONE;
    AUTO_BUF members = BUF_INIT;
    int r;

    assert_int_equal(audit_prune_plan(a, limits, &p, &err), 0);
    if (p.min == p.from)
        return p.min;
    assert_int_equal(audit_prune_begin(a, &p, &err), 0);
    assert_int_equal(audit_keep_step(a, 10, &err), 0); /* not declared: nothing goes */
    buf_printf(&members, "\"min\":%llu,\"reason\":\"test\"", (unsigned long long)p.min);
    commit(t, a, 1, "trail.prune", members.p);
    while ((r = audit_keep_step(a, 3, &err)) == 1)
        ;
    assert_int_equal(r, 0);
    assert_false(audit_keep_busy(a));
    return p.min;
}

static void prune_ten_days(struct trail *t)
{
    struct audit *a = opened(t);

    prune(t, a, &(struct audit_limits){ .before_us = START + 10 * DAY });
    audit_free(a);
}

static void old_segments_and_their_tiles_go_and_the_rest_is_proved(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    uint64_t first, min;

    days(t, a, 40, 2048); /* 81,920 entries: a full tile of the second level */
    assert_true(segments(t, &first) >= 40);
    min = prune(t, a, &(struct audit_limits){ .before_us = START + 35 * DAY });
    audit_free(a);
    assert_true(min > 65536 && min % 256 == 0);
    segments(t, &first);
    assert_int_equal(first, min);
    assert_false(there(t, "tile/0/000"));
    assert_false(there(t, "tile/0/255"));
    assert_false(there(t, "tile/1/000")); /* it ended at 65,536 */
    assert_true(there(t, "epochs/000000.tlog-proof"));
    assert_sound(t);
}

static void limits_of_number_and_size_hold_and_the_open_segment_stays(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    struct audit_prune p;
    uint64_t first;

    days(t, a, 6, 512);
    assert_int_equal(audit_prune_plan(a, &(struct audit_limits){ 0 }, &p, NULL), 0);
    assert_int_equal(p.min, p.from);
    assert_int_equal(audit_prune_plan(a, &(struct audit_limits){ .before_entry = 511 }, &p, NULL),
                     0);
    assert_int_equal(p.min, 0); /* the first segment ends behind that */
    assert_true(prune(t, a, &(struct audit_limits){ .before_entry = 1025 }) > 0);
    prune(t, a, &(struct audit_limits){ .bytes_max = 1 });
    assert_int_equal(segments(t, &first), 1);
    audit_free(a);
    assert_sound(t);
}

static void killed_anywhere_a_pruning_is_finished_or_never_was(void **state)
{
    static const enum fault_point points[] = {
        FAULT_KEEP_PRUNE_BEGUN,   FAULT_TRAIL_AFTER_FDATASYNC, FAULT_TRAIL_AFTER_CHECKPOINT,
        FAULT_KEEP_PRUNE_SEGMENT, FAULT_KEEP_PRUNE_TILE,       FAULT_KEEP_PRUNE_OVER
    };
    struct trail *t = *state;
    struct audit *a = opened(t);
    unsigned kills = 0;

    days(t, a, 20, 300);
    audit_free(a);
    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        for (unsigned pass = 1; pass < 4; pass++) {
            struct trail_end before = *t->end;
            char copy[300];
            bool killed;
            uint64_t first;

            snprintf(copy, sizeof copy, "%s.saved", t->folder);
            run((const char *const[]){ "/bin/cp", "-a", t->folder, copy, NULL });
            killed = killed_at(t, points[i], pass, prune_ten_days);
            kills += killed;
            a = opened(t);
            while (audit_keep_step(a, 1, NULL) == 1)
                ;
            assert_false(audit_keep_busy(a) && a->signed_size > a->keep.entry);
            commit(t, a, 1, "test.more", "\"x\":1"); /* signs what was committed */
            while (audit_keep_step(a, 1, NULL) == 1)
                ;
            assert_false(audit_keep_busy(a));
            prune(t, a, &(struct audit_limits){ .before_us = START + 10 * DAY });
            audit_free(a);
            segments(t, &first);
            assert_true(first > 2000);
            assert_false(there(t, "tile/0/000"));
            assert_sound(t);
            run((const char *const[]){ "/bin/rm", "-rf", t->folder, NULL });
            assert_int_equal(rename(copy, t->folder), 0);
            *t->end = before;
        }
    assert_true(kills >= 10);
    print_message("%u kills\n", kills);
}

/* ---- compress ---- */

static void compress_all(struct trail *t)
{
    struct audit *a = opened(t);

    while (audit_compress_step(a, 10000, NULL) == 1)
        ;
    audit_free(a);
}

static size_t packed(struct trail *t)
{
    AUTO_FD dir = open(t->trail, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    uint64_t *first = NULL;
    size_t n = 0, count = 0;

    assert_int_equal(segments_list(dir, &first, &n, NULL), 0);
    for (size_t i = 0; i < n; i++) {
        AUTO_BUF name = BUF_INIT;

        segment_name_gz(&name, first[i]);
        count += faccessat(dir, name.p, F_OK, 0) == 0;
    }
    free(first);
    return count;
}

static void closed_segments_are_compressed_in_small_steps(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    struct audit_report r;
    struct audit_verify_options o = { .folder = t->trail };
    uint64_t first;
    unsigned steps = 0;

    days(t, a, 6, 300);
    while (audit_compress_step(a, 10000, NULL) == 1) {
        steps++;
        if (steps % 3 == 0)
            commit(t, a, 1, "test.between", "\"x\":1");
    }
    assert_int_equal(packed(t), segments(t, &first) - 2);
    assert_true(steps > 20);
    assert_int_equal(audit_compress_step(a, 10000, NULL), 0);
    audit_free(a);
    assert_sound(t);
    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    assert_true(r.good);
    audit_report_fini(&r);
}

static void killed_anywhere_a_segment_is_there_once_and_whole(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    uint64_t first;

    days(t, a, 7, 300);
    audit_free(a);
    assert_true(killed_at(t, FAULT_KEEP_PACK_WRITTEN, 1, compress_all));
    assert_int_equal(packed(t), 0);
    assert_true(killed_at(t, FAULT_KEEP_PACK_RENAMED, 2, compress_all));
    assert_int_equal(packed(t), 2); /* one of them is there plain, too */
    a = opened(t);
    assert_int_equal(packed(t), 1);
    audit_free(a);
    compress_all(t);
    assert_int_equal(packed(t), segments(t, &first) - 2);
    assert_sound(t);
}

/* ---- erase ---- */

static void subject(struct audit_subject *s, const char *text, bool field)
{
    struct err err = ERR_NONE;

    if (audit_subject_parse(slice_str(text), field, s, &err) < 0)
        fail_msg("%s", err.text);
}

static void a_person_is_found_in_every_form_of_a_text_and_nobody_else(void **state)
{
    static const struct {
        const char *subject;
        bool field;
        const char *name, *text;
        bool in;
    } cases[] = {
        { "user=alice", false, "user.name", "alice", true },
        { "user=alice", false, "user.name", "Alice", true },
        { "user=alice", false, "user.name", "malice", false },
        { "user=alice", false, "event", "{\"raw\":\"login of alice, ok\"}", true },
        { "user=alice", false, "event", "{\"raw\":\"login of alice2, ok\"}", false },
        { "user=alice", false, "event", "{\"raw\":\"{\\\"u\\\":\\\"\\\\u0061lice\\\"}\"}", true },
        { "user=alice", false, "event", "{\"alice\":1}", true },
        { "user=al\"ice", false, "events", "[{\"raw\":\"x al\\\\\\\"ice y\"}]", true },
        { "user=\xc3\xa9ve", false, "event", "{\"raw\":\"{\\\"u\\\":\\\"\\\\u00e9ve\\\"}\"}",
          true },
        { "email=a@example.com", false, "event", "{\"raw\":\"GET /?m=a%40example.com\"}", true },
        { "email=a@example.com", false, "event", "{\"raw\":\"ba@example.com\"}", false },
        { "user=4711", false, "event", "{\"raw\":\"port 4711\"}", false },
        { "user=4711", false, "event", "{\"fields\":{\"user.id\":\"4711\"}}", true },
        { "user=4711", false, "event", "{\"fields\":{\"user.id\":4711}}", true },
        { "user=4711", false, "x", "{\"group\":[{\"name\":\"user.id\",\"value\":\"4711\"}]}",
          true },
        { "ip=203.0.113.7", false, "source.ip", "203.0.113.7", true },
        { "ip=203.0.113.7", false, "source.address", "203.0.113.7:5412", true },
        { "ip=203.0.113.7", false, "event", "{\"raw\":\"from tcp:203.0.113.7:5412.\"}", true },
        { "ip=203.0.113.7", false, "event", "{\"raw\":\"from 203.0.113.70\"}", false },
        { "ip=203.0.113.7", false, "event", "{\"raw\":\"from 1.203.0.113.7\"}", false },
        { "ip=203.0.113.7", false, "event", "{\"raw\":\"::ffff:203.0.113.7\"}", true },
        { "ip=203.0.113.7", false, "event", "{\"raw\":\"ip=203.0.113.7, at\"}", true },
        { "ip=2001:db8::1", false, "event", "{\"raw\":\"[2001:DB8:0::1]:443\"}", true },
        { "ip=2001:db8::1", false, "event", "{\"raw\":\"[AF_INET6]2001:db8::1:50978\"}", true },
        { "ip=2001:db8::1", false, "event", "{\"raw\":\"peer 2001:db8::12\"}", false },
        { "user.id=7", true, "user.id", "7", true },
        { "user.id=7", true, "user.name", "7", false },
        { "user.id=7", true, "event", "{\"fields\":{\"user.id\":\"7\"}}", true },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct audit_subject s;

        subject(&s, cases[i].subject, cases[i].field);
        if (audit_subject_in(&s, slice_str(cases[i].name), slice_str(cases[i].text)) != cases[i].in)
            fail_msg("%s in %s", cases[i].subject, cases[i].text);
    }
}

/* Log text is hostile: in memory of just its size, where the sanitizer watches. */
static void any_text_is_searched_within_its_bounds(void **state)
{
    static const char *const pieces[] = { "alice",   "203.0.113.7", "::",   "2001:db8::1", "\\",
                                          "\\u0061", "%61",         "lice", "%",           "\\u",
                                          "[",       "]:",          "4711", "a@b.c",       " ",
                                          "::ffff:", ".",           "{\"",  "\":\"",       "\xc3" };
    static const char *const subjects[] = { "user=alice", "ip=203.0.113.7", "ip=2001:db8::1",
                                            "user=4711", "email=a@b.c" };
    uint64_t random = 7;
    unsigned found = 0;

    (void)state;
    for (unsigned round = 0; round < 20000; round++) {
        AUTO_BUF b = BUF_INIT;
        struct audit_subject s;
        char *text;

        for (unsigned i = 0; i < 1 + round % 7; i++) {
            random = random * UINT64_C(6364136223846793005) + 1442695040888963407u;
            buf_str(&b, pieces[(random >> 33) % ARRAY_SIZE(pieces)]);
        }
        text = malloc(b.n);
        memcpy(text, b.p, b.n);
        subject(&s, subjects[round % ARRAY_SIZE(subjects)], false);
        found += audit_subject_in(&s, SLICE("event"), slice_of(text, b.n));
        free(text);
    }
    assert_in_range(found, 500, 8000);
}

static int count_text(void *ctx, uint64_t index UNUSED, struct slice line)
{
    struct counting {
        const char *text;
        unsigned n;
    } *c = ctx;

    c->n += slice_find(line, slice_str(c->text)) != SIZE_MAX;
    return 0;
}

static unsigned lines_with(struct trail *t, const char *text)
{
    struct {
        const char *text;
        unsigned n;
    } c = { text, 0 };

    assert_int_equal(audit_each(t->trail, 0, count_text, &c, NULL), 0);
    return c.n;
}

static void verify(struct trail *t)
{
    struct audit_report r;
    struct audit_verify_options o = { .folder = t->trail };

    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    for (size_t i = 0; i < r.nfindings; i++)
        if (!r.findings[i].warning)
            fail_msg("%s: %s", r.findings[i].code, r.findings[i].text);
    audit_report_fini(&r);
}

static void erase_alice(struct trail *t)
{
    struct audit *a = opened(t);
    struct audit_subject s;
    struct audit_erasure found;
    struct erase_plan *p = NULL;
    struct err err = ERR_NONE;

    subject(&s, "user=alice", false);
    assert_int_equal(audit_erase_plan(a, &s, 1, &p, &found, &err), 0);
    if (found.entries == 0) {
        audit_erase_plan_free(p);
        audit_free(a);
        return;
    }
    assert_int_equal(audit_erase_begin(a, p, "a \"reason\"", "uid 0", &err), 0);
    commit(t, a, 0, "none", NULL);
    assert_int_equal(audit_keep_step(a, 1, &err), 0);
    assert_false(audit_keep_busy(a));
    audit_free(a);
}

static void an_erased_person_is_nowhere_and_every_proof_holds(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    uint64_t first;

    days(t, a, 5, 300);
    while (audit_compress_step(a, 1 << 20, NULL) == 1)
        ;
    commit(t, a, 50, "test.entry", NULL); /* and some in the open segment */
    audit_free(a);
    assert_true(packed(t) > 0 && segments(t, &first) > 3);
    assert_int_equal(lines_with(t, "alice"), 5 * 30 + 5);
    erase_alice(t);
    assert_int_equal(lines_with(t, "alice"), 0);
    assert_int_equal(lines_with(t, "203.0.113.7"), 5 * 300 + 50); /* what was not asked for stays */
    assert_true(lines_with(t, "\"names\":[\"user.name\"],\"reason\":\"a \\\"reason\\\"\"") > 0);
    verify(t);
    assert_sound(t);
}

static void when_nothing_is_left_behind_the_tab_the_tab_goes(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t);
    struct audit_subject s[2];
    struct audit_erasure found;
    struct erase_plan *p = NULL;

    commit(t, a, 1, "test.entry", NULL);
    subject(&s[0], "user=alice", false);
    subject(&s[1], "ip=203.0.113.7", false);
    assert_int_equal(audit_erase_plan(a, s, 2, &p, &found, NULL), 0);
    assert_int_equal(found.entries, 1);
    assert_int_equal(found.values, 2);
    assert_int_equal(audit_erase_begin(a, p, "r", "b", NULL), 0);
    assert_int_equal(lines_with(t, "\t"), 0);
    assert_int_equal(lines_with(t, "\"pii\""), 0);
    commit(t, a, 3, "test.entry", NULL); /* the open segment is another file, and goes on */
    assert_int_equal(audit_keep_step(a, 1, NULL), 0);
    audit_free(a);
    verify(t);
    assert_sound(t);
}

/* The state still says the old length of the open segment: the lines count. */
static void killed_anywhere_an_erasure_is_finished_at_the_next_start(void **state)
{
    static const enum fault_point points[] = {
        FAULT_KEEP_ERASE_BEGUN,       FAULT_KEEP_ERASE_WRITTEN,  FAULT_KEEP_ERASE_RENAMED,
        FAULT_KEEP_ERASE_REWRITTEN,   FAULT_TRAIL_BEFORE_PWRITE, FAULT_TRAIL_AFTER_FDATASYNC,
        FAULT_TRAIL_AFTER_CHECKPOINT, FAULT_KEEP_ERASE_OVER,
    };
    struct trail *t = *state;
    struct audit *a = opened(t);
    unsigned kills = 0;

    days(t, a, 4, 300);
    audit_free(a);
    for (size_t i = 0; i < ARRAY_SIZE(points); i++)
        for (unsigned pass = 1; pass < 4; pass++) {
            struct trail_end before = *t->end;
            char copy[300];

            snprintf(copy, sizeof copy, "%s.saved", t->folder);
            run((const char *const[]){ "/bin/cp", "-a", t->folder, copy, NULL });
            if (killed_at(t, points[i], pass, erase_alice)) {
                kills++;
                a = opened(t);
                assert_true(audit_keep_busy(a));
                assert_int_equal(lines_with(t, "alice"), 0);
                commit(t, a, 0, "none", NULL);
                assert_int_equal(audit_keep_step(a, 1, NULL), 0);
                assert_false(audit_keep_busy(a));
                audit_free(a);
            }
            assert_int_equal(lines_with(t, "alice"), 0);
            assert_int_equal(lines_with(t, "\"type\":\"pii.erase\""), 1); /* once */
            assert_int_equal(lines_with(t, "\"type\":\"test.entry\""), 1200);
            verify(t);
            assert_sound(t);
            run((const char *const[]){ "/bin/rm", "-rf", t->folder, NULL });
            assert_int_equal(rename(copy, t->folder), 0);
            *t->end = before;
        }
    print_message("%u kills\n", kills);
    assert_true(kills >= 12);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(old_segments_and_their_tiles_go_and_the_rest_is_proved,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(limits_of_number_and_size_hold_and_the_open_segment_stays,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(killed_anywhere_a_pruning_is_finished_or_never_was, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(closed_segments_are_compressed_in_small_steps, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(killed_anywhere_a_segment_is_there_once_and_whole, make,
                                        unmake),
        cmocka_unit_test(a_person_is_found_in_every_form_of_a_text_and_nobody_else),
        cmocka_unit_test(any_text_is_searched_within_its_bounds),
        cmocka_unit_test_setup_teardown(an_erased_person_is_nowhere_and_every_proof_holds, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(when_nothing_is_left_behind_the_tab_the_tab_goes, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(killed_anywhere_an_erasure_is_finished_at_the_next_start,
                                        make, unmake),
    };

    return cmocka_run_group_tests_name("audit_keep", tests, NULL, NULL);
}
