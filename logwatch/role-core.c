/*
 * The core: takes what readers and receivers say, commits, signs, hands out.
 * A reader that was started again gets cursors only when all that its
 * predecessor sent is committed: nothing is lost between them, nothing comes twice.
 */
#include <errno.h>

#include "base/log.h"
#include "logwatch/control.h"
#include "logwatch/core-turn.h"
#include "logwatch/follow.h"
#include "logwatch/names.h"
#include "logwatch/roles.h"

#define RECEIVERS_MAX 64
#define NOTE_SIZE 4096
#define PATIENCE_US                                                                                \
    (10 * USEC_PER_SEC) /* for deliveries that are on their way when told to end                   \
                         */
#define ASKED_MAX 16 /* acts in one commit */
#define LOCK_TRIES 30 /* a former daemon that was killed may need a moment to be gone */
#define LOCK_WAIT_MS 100

struct role_core {
    const struct role_start *start;
    struct clock clock;
    struct core_turn turn;
    struct names *names;
    struct ipc reader;
    struct arena *frame; /* of the frame in work */
    struct {
        int fd; /* of somebody who waits for an answer */
        struct buf text;
    } asked[ASKED_MAX];
    size_t nasked;
    bool begin_owed; /* a reader waits for its cursors */
    bool ready_told, settled, stopping, parent_gone, done_told;
    uint64_t tock;
};

static size_t limit(const void *ctx, unsigned type)
{
    (void)ctx;
    return message_limit(type, ROLE_READER, ROLE_CORE);
}

/* ---- to the parent ---- */

static void tell_parent(struct role_core *c, unsigned type, uint64_t a, uint64_t b, bool flag)
{
    AUTO_BUF note = BUF_INIT;

    wire_u8(&note, type);
    wire_u64(&note, a);
    wire_u64(&note, b);
    wire_u8(&note, flag);
    if (buf_ok(&note) && ipc_note_send(c->start->parent, buf_view(&note), -1) == -EPIPE)
        c->parent_gone = true;
}

/* The parent says it, with the exit status that fits. */
static void tell_hopeless(struct role_core *c, const struct err *err)
{
    AUTO_BUF note = BUF_INIT;

    wire_u8(&note, MESSAGE_HOPELESS);
    wire_u32(&note, (uint32_t)-err->code);
    wire_slice(&note, slice_str(err->text));
    if (!buf_ok(&note) || ipc_note_send(c->start->parent, buf_view(&note), -1) < 0)
        log_err(LOG_LEVEL_ERROR, err);
}

/* ---- from the reader ---- */

static int take_frame(struct role_core *c, const struct ipc_frame *f, struct err *err)
{
    struct wire w = { .rest = f->body };
    struct reader_result result;
    int r;

    arena_reset(c->frame);
    switch (f->type) {
    case MESSAGE_RESULT:
        c->settled = false;
        r = wire_get_result(f->body, c->start->config, c->frame, &result, err);
        return r < 0 ? r : core_take(c->turn.core, &result, err);
    case MESSAGE_QUIET:
        c->settled = wire_get_u8(&w) == 1;
        break;
    default: /* MESSAGE_TOCK: nothing else passes the limit */
        c->tock = wire_get_u64(&w);
    }
    return w.bad ? err_set(err, -EPROTO, "a short frame") : 0;
}

static void reader_gone(struct role_core *c)
{
    ipc_close(&c->reader);
    c->begin_owed = false;
}

/* All that is here already, or about 1 MiB: the commit must not wait for more. 1 = something came.
 */
static int take_frames(struct role_core *c, struct err *err)
{
    struct ipc_frame f;
    int filled = ipc_fill(&c->reader), r;

    if (filled == -ENOMEM)
        return err_nomem(err);
    while ((r = ipc_next(&c->reader, &f)) > 0) {
        r = take_frame(c, &f, err);
        if (r < 0)
            break;
        if (!c->ready_told)
            tell_parent(c, MESSAGE_READY, 0, 0, false);
        c->ready_told = true;
    }
    if (r == -EPROTO) {
        log_error("the reader is not believed any more: %s",
                  err->code ? err->text : "a frame that it may not send");
        *err = (struct err)ERR_NONE;
        reader_gone(c);
        return 0;
    }
    if (r == 0 && filled == -EPIPE)
        reader_gone(c);
    return r < 0 ? r : filled > 0;
}

static int begin_reader(struct role_core *c, struct err *err)
{
    struct follow_cursor *cursors = NULL;
    AUTO_BUF body = BUF_INIT;
    size_t n = 0;

    arena_reset(c->frame);
    if (core_cursors(c->turn.core, c->frame, &cursors, &n, err) < 0)
        return err_code(err);
    wire_u32(&body, (uint32_t)n);
    for (size_t i = 0; i < n; i++) {
        wire_u32(&body, (uint32_t)cursors[i].input);
        wire_slice(&body, cursors[i].cursor.stream);
        wire_slice(&body, cursors[i].cursor.value);
    }
    if (!buf_ok(&body) || ipc_put(&c->reader, MESSAGE_BEGIN, buf_view(&body)) < 0)
        return err_nomem(err);
    c->begin_owed = false;
    return 0;
}

/* ---- from the parent ---- */

/* The former reader is dead: what it sent is all here, and taken; the new one begins behind it. */
static int attach_reader(struct role_core *c, int fd, struct err *err)
{
    int r = 1;

    while (c->reader.fd >= 0 && r > 0)
        r = take_frames(c, err);
    if (r < 0) {
        close(fd);
        return r;
    }
    reader_gone(c);
    c->begin_owed = true;
    c->settled = false;
    return ipc_open(&c->reader, fd, limit, NULL, err);
}

static int attach(struct role_core *c, struct wire *w, int fd, struct err *err)
{
    unsigned role = wire_get_u8(w);
    size_t index = wire_get_u32(w);

    if (fd < 0)
        return err_set(err, -EPROTO, "nothing to attach");
    if (role == ROLE_READER)
        return attach_reader(c, fd, err);
    if (role == ROLE_RESOLVER)
        return names_attach(c->names, fd, err);
    if (role == ROLE_FORWARDER)
        return core_forward_attach(c->turn.forward, index, fd, err);
    return role == ROLE_BLOCKER ? blocking_attach(c->turn.blocking, fd, c->turn.core, err)
                                : sender_attach(c->turn.sender, index, fd, c->turn.core, err);
}

static int tell(struct role_core *c, struct slice body, struct err *err)
{
    const char *type;
    struct slice members;

    arena_reset(c->frame);
    return wire_get_note(body, c->frame, &type, &members, err) < 0
               ? err_code(err)
               : core_note(c->turn.core, type, members, err);
}

/* Done in the open batch; answered when it is true. */
static int act(struct role_core *c, struct wire *w, int fd, struct err *err)
{
    struct core_actor actor = { .via = "cli" };
    struct buf *text = &c->asked[c->nasked % ASKED_MAX].text;
    struct slice request;
    int r;

    actor.uid = (long)wire_get_u32(w);
    request = wire_get_slice(w);
    if (fd < 0 || w->bad)
        return err_set(err, -EPROTO, "an act without a line to answer on");
    if (c->nasked == ASKED_MAX || core_turn_blocked(&c->turn)) {
        control_answer(fd, "{\"ok\":false,\"text\":\"not now: try again\"}");
        return 0;
    }
    r = core_act(c->turn.core, request, &actor, text, err);
    if (r < 0) {
        buf_reset(text);
        close(fd);
        return r;
    }
    c->asked[c->nasked++].fd = fd;
    return 0;
}

static void answer_acts(struct role_core *c)
{
    for (size_t i = 0; i < c->nasked; i++) {
        struct buf *text = &c->asked[i].text;

        buf_char(text, '\0');
        control_answer(c->asked[i].fd, buf_ok(text) ? text->p : "{\"ok\":false,\"text\":\"\"}");
        buf_reset(text);
    }
    c->nasked = 0;
}

static void ping(struct role_core *c, uint64_t n)
{
    AUTO_BUF body = BUF_INIT;

    wire_u64(&body, n);
    if (buf_ok(&body) && c->reader.fd >= 0 && !c->begin_owed)
        (void)ipc_put(&c->reader, MESSAGE_TICK, buf_view(&body));
    tell_parent(c, MESSAGE_PONG, n, c->tock, core_turn_blocked(&c->turn));
}

static int take_note(struct role_core *c, struct slice note, int fd, struct err *err)
{
    struct wire w = { .rest = note };
    unsigned type = wire_get_u8(&w);

    if (fd >= 0 && type != MESSAGE_ATTACH && type != MESSAGE_ACT)
        close(fd);
    if (message_limit(type, ROLE_PARENT, ROLE_CORE) == 0)
        return err_set(err, -EPROTO, "a note that the parent may not send");
    switch (type) {
    case MESSAGE_ATTACH:
        return attach(c, &w, fd, err);
    case MESSAGE_TELL:
        return tell(c, w.rest, err);
    case MESSAGE_ACT:
        return act(c, &w, fd, err);
    case MESSAGE_PING:
        ping(c, wire_get_u64(&w));
        return 0;
    default: /* MESSAGE_STOP */
        c->stopping = true;
        return 0;
    }
}

static int take_notes(struct role_core *c, struct err *err)
{
    char bytes[NOTE_SIZE];
    ssize_t n;
    int fd;

    while ((n = ipc_note_receive(c->start->parent, bytes, sizeof bytes, &fd)) > 0)
        if (take_note(c, slice_of(bytes, (size_t)n), fd, err) < 0)
            return err_code(err);
    if (n == 0)
        c->parent_gone = true;
    return 0;
}

/* ---- turning ---- */

static void wait_for_work(struct role_core *c)
{
    struct pollfd fds[2 + FORWARDS_MAX + RECEIVERS_MAX];
    uint64_t wait = core_turn_wait_us(&c->turn);
    size_t n = 0;

    fds[n++] = (struct pollfd){ .fd = c->start->parent, .events = POLLIN };
    if (c->reader.fd >= 0) {
        short out = ipc_waiting(&c->reader) ? POLLOUT : 0;

        fds[n++] = (struct pollfd){ .fd = c->reader.fd,
                                    .events = core_turn_blocked(&c->turn) ? out : POLLIN | out };
    }
    n += blocking_poll(c->turn.blocking, fds + n, 1);
    if (!core_turn_blocked(&c->turn)) /* what is not taken now must not wake us */
        n += names_poll(c->names, fds + n, 1);
    n += core_forward_poll(c->turn.forward, fds + n, FORWARDS_MAX);
    n += sender_poll(c->turn.sender, fds + n, RECEIVERS_MAX - 2);
    (void)poll(fds, n, (int)(wait / 1000 + 1));
}

static int turn(struct role_core *c, struct err *err)
{
    int r = take_notes(c, err);

    if (r == 0 && c->reader.fd >= 0 && !core_turn_blocked(&c->turn))
        r = take_frames(c, err);
    if (r >= 0 && !core_turn_blocked(&c->turn) && names_collect(c->names, c->turn.core, err) < 0)
        r = err_code(err);
    c->turn.hurry = c->begin_owed || c->nasked;
    if (r >= 0)
        r = core_turn(&c->turn, err);
    if (r == 0 && c->nasked && !core_dirty(c->turn.core) && !core_turn_blocked(&c->turn))
        answer_acts(c);
    if (r == 0 && c->begin_owed && !core_dirty(c->turn.core) && !core_turn_blocked(&c->turn))
        r = begin_reader(c, err);
    if (r < 0)
        return r;
    if (c->reader.fd >= 0)
        (void)ipc_flush(&c->reader); /* nobody there any more: the next fill says so */
    if (c->start->once && c->settled && !c->done_told && core_turn_finished(&c->turn)) {
        tell_parent(c, MESSAGE_DONE, 0, 0, false);
        c->done_told = true;
    }
    return 0;
}

/* Told to end: the reader was, too; what it still sends is taken. */
static bool ended(const struct role_core *c)
{
    return c->parent_gone || (c->stopping && (c->reader.fd < 0 || core_turn_blocked(&c->turn)));
}

static int open_core(struct role_core *c, struct err *err)
{
    const struct role_start *s = c->start;
    int r = -EBUSY;

    for (unsigned i = 0; r == -EBUSY && i < LOCK_TRIES; i++) {
        if (i)
            (void)poll(NULL, 0, LOCK_WAIT_MS);
        *err = (struct err)ERR_NONE;
        r = core_open(s->config, &c->clock, s->why, &c->turn.core, err);
    }
    return r;
}

static int open_all(struct role_core *c, struct err *err)
{
    c->turn.config = c->start->config;
    c->turn.clock = &c->clock;
    c->frame = arena_new(1 << 20, 256 << 20);
    if (!c->frame)
        return err_nomem(err);
    if (role_drop_rights(ROLE_CORE, c->start, err) < 0)
        return err_code(err);
    if (sender_new(c->start->config, &c->clock, false, &c->turn.sender, err) < 0 ||
        blocking_new(c->start->config, &c->clock, false, &c->turn.blocking, err) < 0 ||
        core_forward_new(c->start->config, &c->clock, false, &c->turn.forward, err) < 0 ||
        names_new(c->start->config, &c->names, err) < 0)
        return err_code(err);
    return open_core(c, err);
}

int role_core(const struct role_start *s)
{
    struct role_core c = { .start = s, .reader = { .fd = -1 } };
    struct err err = ERR_NONE;
    int r = open_all(&c, &err), opened = r;
    bool hopeless;

    while (r == 0 && !ended(&c)) {
        r = turn(&c, &err);
        if (r == 0 && !ended(&c))
            wait_for_work(&c);
    }
    if (r == 0)
        r = core_turn_stop(&c.turn, PATIENCE_US, &err);
    hopeless = opened < 0 || r == -ENOTRECOVERABLE;
    if (hopeless)
        tell_hopeless(&c, &err);
    else if (r < 0)
        log_err(LOG_LEVEL_ERROR, &err);
    answer_acts(&c);
    for (size_t i = 0; i < ASKED_MAX; i++)
        buf_fini(&c.asked[i].text);
    ipc_close(&c.reader);
    sender_free(c.turn.sender);
    core_forward_free(c.turn.forward);
    blocking_free(c.turn.blocking);
    names_free(c.names);
    core_free(c.turn.core);
    arena_free(c.frame);
    if (r == 0)
        return ROLE_DONE;
    return hopeless ? ROLE_HOPELESS : ROLE_FAILED;
}
