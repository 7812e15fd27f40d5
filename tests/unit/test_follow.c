/* When all that was there has been read. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "logwatch/follow.h"

struct taking {
    bool room;
    uint64_t lines;
};

static int take(void *ctx, const struct reader_result *r, struct err *err UNUSED)
{
    ((struct taking *)ctx)->lines += r->lines;
    return 0;
}

static bool has_room(void *ctx)
{
    return ((struct taking *)ctx)->room;
}

static void write_file(char *path, const char *text)
{
    int fd = mkstemp(path);
    FILE *f = fdopen(fd, "w");

    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static struct config *config_of(const char *log)
{
    AUTO(diag) d = diag_new();
    char path[] = "/tmp/tw-follow-XXXXXX", text[400];
    struct config_request q = { .path = path };
    struct config *c = NULL;

    snprintf(text, sizeof text,
             "state: /nonexistent\nchannels:\n  xui: {inputs: [{type: file, path: %s, "
             "from: begin}]}\n",
             log);
    write_file(path, text);
    assert_int_equal(config_load(&q, d, &c), 0);
    unlink(path);
    return c;
}

/* As long as it is taken. */
static void turn(struct follow *f, struct clock *clock)
{
    struct err err = ERR_NONE;
    bool any = true;

    while (any)
        assert_int_equal(follow_turn(f, &any, &err), 0);
    clock_set(clock, clock->now_us + 10 * USEC_PER_SEC);
}

static void what_could_not_be_read_for_want_of_room_is_waited_for(void **state)
{
    char log[] = "/tmp/tw-follow-log-XXXXXX";
    struct clock clock = CLOCK_REAL;
    struct taking t = { .room = false };
    const struct follow_out out = { .result = take, .ready = has_room, .ctx = &t };
    struct err err = ERR_NONE;
    AUTO(follow) f = NULL;
    struct config *c;

    (void)state;
    write_file(log, "one\ntwo\nthree\n");
    c = config_of(log);
    clock_set(&clock, UINT64_C(1795225175000000));
    assert_int_equal(follow_new(c, &clock, &out, true, &f, &err), 0);
    assert_int_equal(follow_open(f, NULL, 0, &err), 0);
    turn(f, &clock);
    t.room = true; /* the receiver has caught up, a long time after */
    assert_false(follow_settled(f));
    turn(f, &clock);
    assert_int_equal(t.lines, 3);
    assert_true(follow_settled(f));
    unlink(log);
    follow_free(TAKE(f));
    config_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_could_not_be_read_for_want_of_room_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
