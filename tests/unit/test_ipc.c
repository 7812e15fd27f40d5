#include "base/ipc.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

#define BODY_MAX 300000

static size_t limit(const void *ctx, unsigned type)
{
    (void)ctx;
    return type == 1 ? BODY_MAX : type == 2 ? 4 : 0;
}

struct two {
    struct ipc a, b;
};

static void two_open(struct two *t)
{
    int fds[2];

    assert_int_equal(ipc_pair(SOCK_STREAM, fds, NULL), 0);
    assert_int_equal(ipc_open(&t->a, fds[0], limit, NULL, NULL), 0);
    assert_int_equal(ipc_open(&t->b, fds[1], limit, NULL, NULL), 0);
}

static void two_close(struct two *t)
{
    ipc_close(&t->a);
    ipc_close(&t->b);
}

static void frames_arrive_whole_and_in_order_however_large(void **state)
{
    struct two t;
    struct ipc_frame f;
    char *big = malloc(BODY_MAX);
    unsigned got = 0;

    (void)state;
    two_open(&t);
    memset(big, 'x', BODY_MAX);
    for (unsigned i = 0; i < 5; i++) /* far more than a socket holds */
        assert_int_equal(ipc_put(&t.a, 1, slice_of(big, BODY_MAX - i)), 0);
    for (unsigned turns = 0; got < 5 && turns < 1000; turns++) {
        assert_int_equal(ipc_flush(&t.a), 0);
        assert_true(ipc_fill(&t.b) >= 0);
        while (ipc_next(&t.b, &f) == 1) {
            assert_int_equal(f.type, 1);
            assert_int_equal(f.body.n, BODY_MAX - got);
            assert_int_equal(f.body.p[f.body.n - 1], 'x');
            got++;
        }
    }
    assert_int_equal(got, 5);
    assert_int_equal(ipc_waiting(&t.a), 0);
    free(big);
    two_close(&t);
}

static void what_was_sent_before_the_end_is_still_there(void **state)
{
    struct two t;
    struct ipc_frame f;

    (void)state;
    two_open(&t);
    assert_int_equal(ipc_put(&t.a, 2, SLICE("last")), 0);
    assert_int_equal(ipc_flush(&t.a), 0);
    ipc_close(&t.a);
    assert_int_equal(ipc_fill(&t.b), 1);
    assert_int_equal(ipc_next(&t.b, &f), 1);
    assert_true(slice_is(f.body, "last"));
    assert_int_equal(ipc_fill(&t.b), -EPIPE);
    assert_int_equal(ipc_put(&t.b, 2, SLICE("away")), 0);
    assert_int_equal(ipc_flush(&t.b), -EPIPE);
    two_close(&t);
}

static void a_frame_over_its_limit_is_refused_before_it_is_kept(void **state)
{
    static const uint32_t bad[][2] = {
        { 2, 5 }, { 3, 0 }, { 0, 0 }, { 1, UINT32_MAX }, { 1u << 31, 1 }
    };
    struct ipc_frame f;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct two t;

        two_open(&t);
        assert_int_equal(send(t.a.fd, bad[i], 8, 0), 8);
        assert_int_equal(ipc_fill(&t.b), 1);
        assert_int_equal(ipc_next(&t.b, &f), -EPROTO);
        two_close(&t);
    }
}

static void bytes_that_come_one_by_one_are_put_together(void **state)
{
    const uint32_t head[2] = { 2, 3 };
    struct two t;
    struct ipc_frame f;

    (void)state;
    two_open(&t);
    for (size_t i = 0; i < 11; i++) {
        const char *p = i < 8 ? (const char *)head + i : "abc" + (i - 8);

        assert_int_equal(ipc_next(&t.b, &f), 0);
        assert_int_equal(send(t.a.fd, p, 1, 0), 1);
        assert_int_equal(ipc_fill(&t.b), 1);
    }
    assert_int_equal(ipc_next(&t.b, &f), 1);
    assert_true(slice_is(f.body, "abc"));
    two_close(&t);
}

static void a_note_carries_a_descriptor(void **state)
{
    int fds[2], pipe_fds[2], got;
    char text[16];

    (void)state;
    assert_int_equal(ipc_pair(SOCK_SEQPACKET, fds, NULL), 0);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    assert_int_equal(ipc_note_receive(fds[1], text, sizeof text, &got), -EAGAIN);
    assert_int_equal(ipc_note_send(fds[0], SLICE("take it"), pipe_fds[1]), 0);
    assert_int_equal(ipc_note_send(fds[0], SLICE("alone"), -1), 0);
    close(pipe_fds[1]);
    assert_int_equal(ipc_note_receive(fds[1], text, sizeof text, &got), 7);
    assert_memory_equal(text, "take it", 7);
    assert_true(got >= 0);
    assert_true(fcntl(got, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(write(got, "w", 1), 1);
    assert_int_equal(read(pipe_fds[0], text, 1), 1);
    close(got);
    assert_int_equal(ipc_note_receive(fds[1], text, sizeof text, &got), 5);
    assert_int_equal(got, -1);
    close(fds[0]);
    assert_int_equal(ipc_note_receive(fds[1], text, sizeof text, &got), 0);
    close(fds[1]);
    close(pipe_fds[0]);
}

static void a_body_is_never_read_past_its_end(void **state)
{
    AUTO_BUF b = BUF_INIT;

    (void)state;
    wire_u8(&b, 7);
    wire_u32(&b, 5);
    wire_u64(&b, 1);
    wire_slice(&b, SLICE("text"));
    for (size_t n = 0; n <= b.n; n++) { /* every cut, in memory of just that size */
        char *copy = malloc(n ? n : 1);
        struct wire w = { .rest = { copy, n } };

        memcpy(copy, b.p, n);
        (void)wire_get_u8(&w);
        (void)wire_get_count(&w, 1);
        (void)wire_get_u64(&w);
        (void)wire_get_slice(&w);
        assert_true(w.bad == (n < b.n));
        free(copy);
    }
}

static void a_count_of_more_than_can_be_there_is_a_fault(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct wire w;

    (void)state;
    wire_u32(&b, 3);
    wire_u64(&b, 0);
    wire_u64(&b, 0);
    w = (struct wire){ .rest = buf_view(&b) };
    assert_int_equal(wire_get_count(&w, 8), 0);
    assert_true(w.bad);
    w = (struct wire){ .rest = buf_view(&b) };
    assert_int_equal(wire_get_count(&w, 5), 3);
    assert_false(w.bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_arrive_whole_and_in_order_however_large),
        cmocka_unit_test(what_was_sent_before_the_end_is_still_there),
        cmocka_unit_test(a_frame_over_its_limit_is_refused_before_it_is_kept),
        cmocka_unit_test(bytes_that_come_one_by_one_are_put_together),
        cmocka_unit_test(a_note_carries_a_descriptor),
        cmocka_unit_test(a_body_is_never_read_past_its_end),
        cmocka_unit_test(a_count_of_more_than_can_be_there_is_a_fault),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
