/* The daemon prunes and compresses by its settings, in its turns, and not by a clock that jumped.
 */
#include "logwatch/core-keep.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "audit/view.h"
#include "base/file.h"
#include "base/proc.h"

#define HOUR (UINT64_C(3600) * USEC_PER_SEC)
#define DAY (24 * HOUR)

struct bench {
    char folder[100], path[160];
    struct config *config;
    struct clock clock;
    struct core *core;
    struct core_keep keep;
};

static void turn(struct bench *t)
{
    struct err err = ERR_NONE;

    core_keep_turn(&t->keep, t->core, t->config, &t->clock);
    assert_int_equal(t->keep.failed_us, 0);
    if (core_dirty(t->core)) {
        assert_int_equal(core_commit(t->core, &err), 0);
        assert_int_equal(core_checkpoint(t->core, true, &err), 0);
    }
}

static int setup(void **state)
{
    struct bench *t = calloc(1, sizeof *t);
    AUTO(diag) d = diag_new();
    AUTO_BUF yaml = BUF_INIT;
    const char *tmp = getenv("TMPDIR");
    struct config_request q = { .path = t->path };
    struct err err = ERR_NONE;

    (void)snprintf(t->folder, sizeof t->folder, "%.60s/tw-core-keep-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->folder));
    (void)snprintf(t->path, sizeof t->path, "%s/c.yaml", t->folder);
    buf_printf(&yaml,
               "state: %s/state\nhost: keep.example\ntrail: {keep: 5d, epoch: 7d}\n"
               "channels: {xui: {inputs: [{type: file, path: %s/x.log}]}}\n",
               t->folder, t->folder);
    assert_int_equal(file_replace(-1, t->path, buf_view(&yaml), 0600, &err), 0);
    assert_int_equal(config_load(&q, d, &t->config), 0);
    clock_set(&t->clock, UINT64_C(1790000000) * USEC_PER_SEC);
    if (core_attach(t->config, &t->clock, &t->core, &err) < 0)
        fail_msg("%s", err.text);
    *state = t;
    return 0;
}

static int teardown(void **state)
{
    struct bench *t = *state;
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    core_free(t->core);
    config_free(t->config);
    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    free(t);
    return 0;
}

/* A day of entries in parts, and a turn each hour. */
static void live_a_day(struct bench *t)
{
    struct err err = ERR_NONE;

    for (unsigned hour = 0; hour < 24; hour++) {
        for (unsigned i = 0; i < 20; i++)
            assert_int_equal(core_note(t->core, "test.entry", SLICE("\"x\":1"), &err), 0);
        turn(t);
        clock_set(&t->clock, t->clock.now_us + HOUR + 1);
    }
    for (unsigned i = 0; i < 200 && (t->keep.more || i < 2); i++)
        turn(t);
}

static uint64_t first_entry(struct bench *t)
{
    AUTO(audit_view) v = NULL;
    struct err err = ERR_NONE;

    assert_int_equal(audit_view_open(t->config->trail, &v, &err), 0);
    return audit_view_first(v);
}

static bool file_there(struct bench *t, const char *name)
{
    char path[300];

    (void)snprintf(path, sizeof path, "%s/%s", t->config->trail, name);
    return access(path, F_OK) == 0;
}

static void days_that_are_over_are_compressed_and_later_pruned(void **state)
{
    struct bench *t = *state;

    for (unsigned day = 0; day < 4; day++)
        live_a_day(t);
    assert_int_equal(first_entry(t), 0);
    assert_true(file_there(t, "log/00000000000000000000.jsonl.gz"));
    assert_false(file_there(t, "log/00000000000000000000.jsonl"));
    for (unsigned day = 0; day < 6; day++)
        live_a_day(t);
    assert_true(first_entry(t) >= 1024);
    assert_false(file_there(t, "log/00000000000000000000.jsonl.gz"));
    assert_false(file_there(t, "tile/0/000"));
    assert_false(audit_keep_busy(core_audit(t->core)));
}

static void a_clock_that_jumped_prunes_nothing(void **state)
{
    struct bench *t = *state;

    for (unsigned day = 0; day < 3; day++)
        live_a_day(t);
    t->clock.now_us += 1000 * DAY; /* the wall clock alone */
    turn(t);
    t->clock.mono_us += 2 * HOUR;
    turn(t);
    assert_int_equal(first_entry(t), 0);
    t->clock.now_us -= 1000 * DAY - 2 * HOUR; /* mended */
    for (unsigned hour = 0; hour < 4; hour++) {
        clock_set(&t->clock, t->clock.now_us + HOUR + 1);
        turn(t);
    }
    assert_int_equal(first_entry(t), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(days_that_are_over_are_compressed_and_later_pruned, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_clock_that_jumped_prunes_nothing, setup, teardown),
    };

    return cmocka_run_group_tests_name("core_keep", tests, NULL, NULL);
}
