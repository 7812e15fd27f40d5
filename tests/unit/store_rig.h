/* Batches for the tests of the store, and what they see of it. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store/store.h"

struct bench {
    char folder[512];
    char path[600];
    struct arena *arena;
    struct store *store;
    struct batch batch;
    struct err err;
    uint64_t keep_us; /* of signals that are added */
};

static inline void bench_new(struct bench *t)
{
    const char *tmp = getenv("TMPDIR");

    memset(t, 0, sizeof *t);
    (void)snprintf(t->folder, sizeof t->folder, "%s/tw-store-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(t->folder));
    (void)snprintf(t->path, sizeof t->path, "%s/state.db", t->folder);
    t->arena = arena_new(4096, 0);
    batch_init(&t->batch, t->arena, 1000);
}

static inline void bench_open(struct bench *t)
{
    assert_int_equal(store_open(t->path, true, &t->store, &t->err), 0);
}

static inline void bench_close(struct bench *t)
{
    store_free(TAKE(t->store));
}

static inline void bench_free(struct bench *t)
{
    pid_t pid;

    bench_close(t);
    arena_free(t->arena);
    pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", t->folder, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static inline struct slice text_of(struct bench *t, const char *fmt, unsigned n)
{
    char text[64];

    (void)snprintf(text, sizeof text, "%s%u", fmt, n);
    return arena_slice(t->arena, slice_str(text));
}

static inline void add_cursor(struct bench *t, const char *stream, const char *value)
{
    struct cursor_update *c = batch_cursor(&t->batch);

    *c = (struct cursor_update){ SLICE("in"), { slice_str(stream), slice_str(value) } };
}

static inline void add_signal(struct bench *t, uint64_t time_us, const char *group)
{
    struct signal *s = batch_signal(&t->batch);

    *s = (struct signal){ .rule = "0123456789abcdef",
                          .part = 3,
                          .time_us = time_us,
                          .keep_us = t->keep_us,
                          .group = slice_str(group),
                          .value = SLICE("v"),
                          .key = { "stream-of-source", 77 },
                          .evidence = SLICE("{\"a\":1}") };
}

static inline void add_alert(struct bench *t, unsigned n, enum level level)
{
    struct alert *a = arena_alloc(t->arena, sizeof *a);

    *a = (struct alert){ .rule_id = SLICE("r-1"),
                         .rule_title = SLICE("Title"),
                         .level = level,
                         .channel = SLICE("api"),
                         .time_us = 100 + n,
                         .count = 1 };
    a->id[0] = (uint8_t)n;
    a->id[1] = (uint8_t)(n >> 8);
    a->group = arena_array(t->arena, 1, sizeof *a->group);
    a->group[0] = (struct alert_group){ SLICE("source.ip"), SLICE("192.0.2.1") };
    a->ngroup = 1;
    assert_int_equal(batch_alert(&t->batch, a), 0);
}

static inline void add_outgoing(struct bench *t, const char *key, const char *receiver,
                                uint64_t not_before_us)
{
    struct outgoing *o = batch_outgoing(&t->batch);

    *o = (struct outgoing){ .key = slice_str(key),
                            .receiver = slice_str(receiver),
                            .kind = SLICE("notify"),
                            .document = SLICE("{\"doc\":true}"),
                            .not_before_us = not_before_us,
                            .expires_us = 99999999 };
}

static inline void add_outcome(struct bench *t, uint64_t id, enum delivery_state state,
                               uint64_t not_before_us)
{
    struct outcome *o = batch_outcome(&t->batch);

    *o = (struct outcome){ id, state, 1, not_before_us, SLICE("250 ok"), SLICE("m-1") };
}

/* Everything the batch holds, and an empty one after it. */
static inline int commit(struct bench *t)
{
    int r = store_commit(t->store, &t->batch, &t->err);

    if (r == 0)
        batch_init(&t->batch, t->arena, t->batch.now_us + 1000);
    return r;
}

/* ---- what is seen: texts joined by blanks ---- */

static inline int see_cursor(void *ctx, const struct cursor *c)
{
    buf_printf(ctx, "%.*s=%.*s ", SLICE_FMT(c->stream), SLICE_FMT(c->value));
    return 0;
}

static inline int see_signal(void *ctx, const struct signal *s)
{
    buf_printf(ctx, "%.*s@%llu ", SLICE_FMT(s->group), (unsigned long long)s->time_us);
    return 0;
}

static inline int see_row(void *ctx, const struct outbox_row *row)
{
    buf_printf(ctx, "%llu:%.*s>%.*s/%d ", (unsigned long long)row->id, SLICE_FMT(row->key),
               SLICE_FMT(row->receiver), (int)row->state);
    return 0;
}

static inline int see_alert(void *ctx, const struct alert_row *row)
{
    buf_printf(ctx, "%llu:%.4s/%s ", (unsigned long long)row->n, row->id.p, level_name(row->level));
    return 0;
}

static inline int see_channel(void *ctx, const struct channel_row *row)
{
    buf_printf(ctx, "%.*s:%llu,%llu,%llu,%llu,%llu,%llu ", SLICE_FMT(row->channel),
               (unsigned long long)row->lines, (unsigned long long)row->bytes,
               (unsigned long long)row->parsed, (unsigned long long)row->unparsed,
               (unsigned long long)row->matches, (unsigned long long)row->last_event_us);
    return 0;
}

#define SEEN(t, call)                                                                              \
    __extension__({                                                                                \
        struct buf out_ = BUF_INIT;                                                                \
        char *text_;                                                                               \
        assert_int_equal((call), 0);                                                               \
        text_ = arena_str((t)->arena, buf_view(&out_));                                            \
        buf_fini(&out_);                                                                           \
        text_;                                                                                     \
    })
#define CURSORS(t, s) SEEN(t, store_cursors_each(s, SLICE("in"), see_cursor, &out_, NULL))
#define SIGNALS(t, s) SEEN(t, store_signals_each(s, see_signal, &out_, NULL))
/* What the receivers of the tests would be given. */
static inline int heads(struct store *s, uint64_t now_us, struct buf *out)
{
    int r = store_outbox_head(s, SLICE("ops"), now_us, 5, true, see_row, out, NULL);

    return r < 0 || store_outbox_head(s, SLICE("sec"), now_us, 5, true, see_row, out, NULL) < 0 ? -1
                                                                                                : 0;
}
#define DUE(t, s, now) SEEN(t, heads(s, now, &out_))
#define OUTBOX(t, s) SEEN(t, store_outbox_each(s, -1, 100, see_row, &out_, NULL))
