/*
 * The reader: inputs, parsers and rules. It gets cursors, gives results, and
 * holds at most the blocks of its workers (one without) more than the core has room for: a core
 * that waits for its disk stops the reading, and the logs are the buffer.
 */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "base/log.h"
#include "logwatch/follow.h"
#include "logwatch/roles.h"

#define POLLFDS_MAX 512
#define WAITING_MAX (1u << 20)

struct role_reader {
    const struct role_start *start;
    struct clock clock;
    struct ipc core;
    struct follow *follow;
    struct arena *arena; /* of the cursors */
    struct follow_cursor *cursors;
    struct buf body;
    int signal_fd;
    bool begun, stopping, core_gone;
    int quiet; /* what was said last: -1 = nothing, else the message's value */
};

static size_t limit(const void *ctx, unsigned type)
{
    (void)ctx;
    return message_limit(type, ROLE_CORE, ROLE_READER);
}

/* ---- to the core ---- */

static int put(struct role_reader *r, unsigned type, struct slice body, struct err *err)
{
    if (ipc_put(&r->core, type, body) < 0)
        return err_nomem(err);
    r->core_gone = ipc_flush(&r->core) < 0;
    return 0;
}

static int give_result(void *ctx, const struct reader_result *result, struct err *err)
{
    struct role_reader *r = ctx;

    buf_reset(&r->body);
    if (wire_put_result(&r->body, r->start->config, result) < 0)
        return err_nomem(err);
    r->quiet = -1;
    return put(r, MESSAGE_RESULT, buf_view(&r->body), err);
}

static bool core_has_room(void *ctx)
{
    struct role_reader *r = ctx;

    return !r->core_gone && ipc_waiting(&r->core) < WAITING_MAX;
}

/* Once each time the inputs run dry. */
static int say_quiet(struct role_reader *r, struct err *err)
{
    bool settled = follow_settled(r->follow);

    if (r->quiet == settled)
        return 0;
    r->quiet = settled;
    return put(r, MESSAGE_QUIET, settled ? SLICE("\1") : slice_of("", 1), err);
}

/* ---- from the core ---- */

static int begin(struct role_reader *r, struct slice body, struct err *err)
{
    struct wire w = { .rest = body };
    size_t n = wire_get_count(&w, 12);

    if (r->begun)
        return err_set(err, -EPROTO, "told to begin twice");
    r->cursors = arena_array(r->arena, n ? n : 1, sizeof *r->cursors);
    if (!r->cursors)
        return err_nomem(err);
    for (size_t i = 0; i < n; i++) {
        struct follow_cursor *c = &r->cursors[i];

        c->input = wire_get_u32(&w);
        c->cursor.stream = arena_slice(r->arena, wire_get_slice(&w));
        c->cursor.value = arena_slice(r->arena, wire_get_slice(&w));
        if (!c->cursor.stream.p || !c->cursor.value.p)
            return err_nomem(err);
    }
    if (w.bad || w.rest.n)
        return err_set(err, -EPROTO, "cursors that cannot be read");
    r->begun = true;
    return follow_open(r->follow, r->cursors, n, err);
}

static int take_frame(struct role_reader *r, const struct ipc_frame *f, struct err *err)
{
    if (f->type == MESSAGE_BEGIN)
        return begin(r, f->body, err);
    /* MESSAGE_TICK: nothing else passes the limit. A worker that hangs is no sign of life. */
    if (r->begun && follow_drain(r->follow, err) < 0)
        return err_code(err);
    return put(r, MESSAGE_TOCK, f->body, err);
}

static int take_frames(struct role_reader *r, struct err *err)
{
    struct ipc_frame f;
    int n = ipc_fill(&r->core);

    if (n == -EPIPE)
        r->core_gone = true;
    while (!r->core_gone && (n = ipc_next(&r->core, &f)) > 0)
        if (take_frame(r, &f, err) < 0)
            return err_code(err);
    return n == -EPROTO ? err_set(err, n, "the core sent what it may not") : 0;
}

/* ---- turning ---- */

static void wait_for_work(struct role_reader *r)
{
    struct pollfd fds[POLLFDS_MAX];
    uint64_t wait = r->begun ? follow_wait_us(r->follow) : 60 * USEC_PER_SEC;
    bool full = !core_has_room(r);
    size_t n = 0;

    fds[n++] = (struct pollfd){ .fd = r->signal_fd, .events = POLLIN };
    fds[n++] = (struct pollfd){ .fd = r->core.fd,
                                .events = (short)(POLLIN | (ipc_waiting(&r->core) ? POLLOUT : 0)) };
    if (r->begun && !full)
        n += follow_poll(r->follow, fds + n, POLLFDS_MAX - n);
    (void)poll(fds, n, full ? 1000 : (int)(wait / 1000 + 1));
}

static int turn(struct role_reader *r, struct err *err)
{
    struct signalfd_siginfo info;
    bool any = false;
    int e = take_frames(r, err);

    if (e == 0 && r->begun)
        e = follow_turn(r->follow, &any, err);
    if (e < 0)
        return e;
    if (ipc_flush(&r->core) < 0)
        r->core_gone = true;
    if (r->begun && !any && !follow_busy(r->follow) && core_has_room(r) && say_quiet(r, err) < 0)
        return err_code(err);
    if (!any)
        wait_for_work(r);
    if (read(r->signal_fd, &info, sizeof info) == (ssize_t)sizeof info)
        r->stopping = true;
    return 0;
}

/* What was read is given before the end, or will be read again. */
static void drain(struct role_reader *r)
{
    while (ipc_waiting(&r->core) && ipc_flush(&r->core) == 0) {
        struct pollfd p = { .fd = r->core.fd, .events = POLLOUT };

        if (ipc_waiting(&r->core) && poll(&p, 1, 10000) <= 0)
            return;
    }
}

static int open_all(struct role_reader *r, struct err *err)
{
    const struct follow_out out = { .result = give_result, .ready = core_has_room, .ctx = r };
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGTERM);
    r->signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (r->signal_fd < 0)
        return err_set(err, -errno, "signalfd: %s", err_name(errno));
    r->arena = arena_new(16384, 128 << 20);
    if (!r->arena)
        return err_nomem(err);
    if (ipc_open(&r->core, r->start->core, limit, NULL, err) < 0)
        return err_code(err);
    if (follow_new(r->start->config, &r->clock, &out, r->start->once, &r->follow, err) < 0)
        return err_code(err);
    return role_drop_rights(ROLE_READER, r->start, err);
}

int role_reader(const struct role_start *s)
{
    struct role_reader r = { .start = s, .signal_fd = -1, .quiet = -1, .core = { .fd = -1 } };
    struct err err = ERR_NONE;
    int e = open_all(&r, &err);

    while (e == 0 && !r.stopping && !r.core_gone)
        e = turn(&r, &err);
    if (e == 0 && r.begun && !r.core_gone)
        e = follow_drain(r.follow, &err);
    if (e == 0)
        drain(&r);
    else
        log_err(LOG_LEVEL_ERROR, &err);
    follow_free(r.follow);
    ipc_close(&r.core);
    buf_fini(&r.body);
    arena_free(r.arena);
    if (r.signal_fd >= 0)
        close(r.signal_fd);
    return e < 0 ? ROLE_FAILED : ROLE_DONE;
}
