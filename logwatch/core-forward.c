#include "logwatch/core-forward-private.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "logwatch/config.h"
#include "logwatch/own-child.h"

/* What one turn reads for one receiver, also when its filter takes nothing of it. */
#define SCAN_BYTES (4u << 20)
#define LINE_MAX_BYTES (FORWARD_PACKET_MAX - 4096)
#define RESTART_US (5 * USEC_PER_SEC)
#define TRAIL_RETRY_US (5 * USEC_PER_SEC)

/* ---- processes ---- */

struct beginning {
    struct core_forward *all;
    struct forward *one;
};

static void child_work(void *ctx, int fd)
{
    const struct beginning *b = ctx;

    for (size_t i = 0; i < b->all->n; i++)
        if (&b->all->items[i] != b->one && b->all->items[i].fd >= 0)
            close(b->all->items[i].fd);
    forward_work(b->one->machine, b->all->config->host, fd);
}

static int child_start(struct core_forward *x, struct forward *f, struct err *err)
{
    return own_child_start(child_work, &(struct beginning){ x, f }, &f->pid, &f->fd, err);
}

static void child_end(struct forward *f)
{
    own_child_end(&f->pid, &f->fd);
    f->busy = false;
}

static int new_one(struct core_forward *x, size_t i, struct err *err)
{
    struct forward *f = &x->items[i];

    f->config = &x->config->forwards[i];
    f->machine = forward_machine(x->config, i);
    f->batch = calloc(FORWARD_BATCH_MAX, sizeof *f->batch);
    f->own = calloc(FORWARD_BATCH_MAX, sizeof *f->own);
    f->done = calloc(FORWARD_BATCH_MAX, sizeof *f->done);
    return f->batch && f->own && f->done ? 0 : err_nomem(err);
}

int core_forward_new(const struct config *c, const struct clock *clock, bool forks,
                     struct core_forward **ret, struct err *err)
{
    AUTO(core_forward) x = calloc(1, sizeof *x);

    if (!x)
        return err_nomem(err);
    x->config = c;
    x->clock = clock;
    x->forks = forks;
    x->items = calloc(c->nforwards + 1, sizeof *x->items);
    x->answer = malloc(FORWARD_ANSWER_MAX);
    x->arena = arena_new(4096, 1 << 20);
    x->packet.limit = FORWARD_PACKET_MAX;
    if (!x->items || !x->answer || !x->arena)
        return err_nomem(err);
    for (x->n = 0; x->n < c->nforwards; x->n++) {
        x->items[x->n].fd = -1;
        if (new_one(x, x->n, err) < 0)
            return err_code(err);
    }
    for (size_t i = 0; forks && i < x->n; i++)
        if (child_start(x, &x->items[i], err) < 0)
            return err_code(err);
    *ret = TAKE(x);
    return 0;
}

void core_forward_free(struct core_forward *x)
{
    if (!x)
        return;
    for (size_t i = 0; x->items && i < x->config->nforwards; i++) {
        struct forward *f = &x->items[i];

        if (i < x->n)
            child_end(f);
        audit_cursor_free(f->cursor);
        free(f->batch);
        free(f->own);
        free(f->done);
    }
    free(x->items);
    free(x->answer);
    buf_fini(&x->packet);
    arena_free(x->arena);
    free(x);
}

int core_forward_attach(struct core_forward *x, size_t i, int fd, struct err *err)
{
    if (i >= x->n) {
        close(fd);
        return err_set(err, -EPROTO, "no receiver of entries has the number %zu", i);
    }
    child_end(&x->items[i]);
    x->items[i].fd = fd;
    return 0;
}

size_t core_forward_poll(const struct core_forward *x, struct pollfd *fds, size_t max)
{
    size_t n = 0;

    for (size_t i = 0; i < x->n && n < max; i++)
        if (x->items[i].fd >= 0)
            fds[n++] = (struct pollfd){ .fd = x->items[i].fd, .events = POLLIN };
    return n;
}

size_t core_forward_busy(const struct core_forward *x)
{
    size_t n = 0;

    for (size_t i = 0; i < x->n; i++)
        n += x->items[i].busy;
    return n;
}

/* ---- the position ---- */

struct loading {
    struct forward *f;
    struct slice origin;
    bool found;
};

static int on_cursor(void *ctx, const struct cursor *c)
{
    struct loading *l = ctx;

    if (slice_is(c->stream, FORWARD_STREAM))
        l->found = forward_position_read(c->value, l->origin, &l->f->at);
    return 0;
}

int forward_put_position(struct core_forward *x, struct forward *f, struct core *core,
                         struct err *err)
{
    AUTO_BUF value = BUF_INIT;
    char *input;

    arena_reset(x->arena);
    input = forward_input(x->arena, f->machine->name);
    forward_position_write(&f->at, slice_str(audit_origin(core_audit(core))), &value);
    if (!input || !buf_ok(&value))
        return err_nomem(err);
    return core_cursor(core, slice_str(input),
                       (struct cursor){ SLICE(FORWARD_STREAM), buf_view(&value) }, err);
}

/* Where it was; a receiver that is new, or a trail that is, begins as configured. */
static int load(struct core_forward *x, struct forward *f, struct core *core, struct err *err)
{
    struct loading l = { .f = f, .origin = slice_str(audit_origin(core_audit(core))) };
    uint64_t end = audit_end(core_audit(core)).count;
    char *input;

    arena_reset(x->arena);
    input = forward_input(x->arena, f->machine->name);
    if (!input)
        return err_nomem(err);
    if (store_cursors_each(core_store(core), slice_str(input), on_cursor, &l, err) < 0)
        return err_code(err);
    f->loaded = true;
    if (l.found && f->at.next <= end)
        return 0;
    f->at = (struct forward_position){ .next = f->config->from == FORWARD_FROM_NOW ? end : 0 };
    return forward_put_position(x, f, core, err);
}

/* ---- handing out ---- */

struct gathering {
    struct core_forward *x;
    struct forward *f;
    uint64_t next, time_us; /* behind the last one that was looked at */
    size_t scanned, at_done;
};

/* {"i":7,"t":"2026-11-21T06:13:58.000000Z",... */
static uint64_t time_of(struct slice line)
{
    size_t at = slice_find(slice_take(line, 64), SLICE(",\"t\":\""));
    uint64_t us = 0;

    if (at != SIZE_MAX)
        (void)time_parse_rfc3339(slice_take(slice_skip(line, at + 6), 27), &us);
    return us;
}

static bool is_done(struct gathering *g, uint64_t index)
{
    while (g->at_done < g->f->ndone && g->f->done[g->at_done] < index)
        g->at_done++;
    return g->at_done < g->f->ndone && g->f->done[g->at_done] == index;
}

/* A line that would not cross goes without its personal values; they are the most of it. */
static void put_line(struct buf *packet, struct slice line)
{
    size_t tab = slice_find_byte(line, '\t');

    if (line.n > LINE_MAX_BYTES && tab != SIZE_MAX) {
        buf_slice(packet, slice_take(line, tab));
        buf_char(packet, '}');
    } else {
        buf_slice(packet, line);
    }
    buf_char(packet, '\n');
}

static int gather(void *ctx, uint64_t index, struct slice line)
{
    struct gathering *g = ctx;
    struct forward *f = g->f;
    size_t need = line.n <= LINE_MAX_BYTES ? line.n + 1 : slice_find_byte(line, '\t') + 2;

    if (g->scanned >= SCAN_BYTES || f->nbatch == f->config->batch)
        return 1;
    if (forward_takes(f->config, line) && !is_done(g, index)) {
        if (f->nbatch && g->x->packet.n + need > FORWARD_PACKET_MAX)
            return 1;
        put_line(&g->x->packet, line);
        f->own[f->nbatch] =
            slice_find(slice_take(line, 96), SLICE(",\"type\":\"forward.")) != SIZE_MAX;
        f->batch[f->nbatch++] = index;
    }
    g->scanned += line.n;
    g->next = index + 1;
    g->time_us = time_of(line);
    return 0;
}

static int begin_packet(struct core_forward *x, struct core *core, struct err *err)
{
    struct slice origin = slice_str(audit_origin(core_audit(core)));
    struct forward_order o = { .origin_n = (uint32_t)origin.n };

    buf_reset(&x->packet);
    buf_add(&x->packet, &o, sizeof o);
    buf_slice(&x->packet, origin);
    return buf_ok(&x->packet) ? 0 : err_nomem(err);
}

static int send_packet(struct core_forward *x, struct forward *f)
{
    struct forward_order o;

    memcpy(&o, x->packet.p, sizeof o);
    o.number = ++f->number;
    o.n = (uint32_t)f->nbatch;
    memcpy(x->packet.p, &o, sizeof o);
    fault_point(FAULT_SEND_BEFORE);
    return send(f->fd, x->packet.p, x->packet.n, MSG_NOSIGNAL | MSG_DONTWAIT) < 0 ? -errno : 0;
}

/* All up to `to` is done, or is not for this receiver. */
int forward_advance(struct core_forward *x, struct forward *f, struct core *core, uint64_t to,
                    uint64_t time_us, struct err *err)
{
    f->at = (struct forward_position){ to, time_us ? time_us : f->at.time_us };
    f->ndone = 0;
    return forward_put_position(x, f, core, err);
}

/* The trail cannot be read: that is told, and tried again; the core goes on. */
static void trail_fault(struct core_forward *x, struct forward *f, const struct err *err)
{
    uint64_t missed;

    f->not_before_us = clock_now(x->clock) + TRAIL_RETRY_US;
    if (log_gate(&f->gate, clock_mono(x->clock), &missed))
        log_error("receiver '%s': %s", f->machine->name, err->text);
}

static int read_batch(struct core_forward *x, struct forward *f, struct core *core,
                      struct gathering *g, struct err *err)
{
    struct err fault = ERR_NONE;
    uint64_t end = audit_end(core_audit(core)).count;

    if (begin_packet(x, core, err) < 0)
        return err_code(err);
    if ((!f->cursor && audit_cursor_new(x->config->trail, &f->cursor, &fault) < 0) ||
        audit_cursor_read(f->cursor, f->at.next, end, gather, g, &fault) < 0) {
        trail_fault(x, f, &fault);
        return 0;
    }
    return buf_ok(&x->packet) ? 1 : err_nomem(err);
}

static int hand_out(struct core_forward *x, struct forward *f, struct core *core, struct err *err)
{
    struct gathering g = { .x = x, .f = f, .next = f->at.next };
    int r;

    f->nbatch = 0;
    r = read_batch(x, f, core, &g, err);
    if (r <= 0)
        return r;
    if (f->nbatch == 0)
        return g.next > f->at.next ? forward_advance(x, f, core, g.next, g.time_us, err) : 0;
    if (send_packet(x, f) < 0)
        return 0; /* its process has ended: the next collect says so */
    f->busy = true;
    f->to = g.next;
    f->to_time_us = g.time_us;
    return 0;
}

static bool may_be_given(const struct core_forward *x, const struct forward *f, uint64_t end)
{
    return f->fd >= 0 && !f->busy && f->at.next < end && f->not_before_us <= clock_now(x->clock);
}

int core_forward_dispatch(struct core_forward *x, struct core *core, struct err *err)
{
    uint64_t end = audit_end(core_audit(core)).count;

    for (size_t i = 0; i < x->n; i++) {
        struct forward *f = &x->items[i];
        int r = f->loaded ? 0 : load(x, f, core, err);

        if (r == 0 && may_be_given(x, f, end))
            r = hand_out(x, f, core, err);
        if (r < 0)
            return r;
    }
    return 0;
}

uint64_t core_forward_due_us(const struct core_forward *x, struct core *core)
{
    uint64_t end = audit_end(core_audit(core)).count, due = UINT64_MAX;

    for (size_t i = 0; i < x->n; i++) {
        const struct forward *f = &x->items[i];

        if (f->fd >= 0 && !f->busy && f->loaded && f->at.next < end && f->not_before_us < due)
            due = f->not_before_us;
    }
    return due;
}

/* ---- answers ---- */

static void child_died(struct core_forward *x, struct forward *f)
{
    log_warning("receiver '%s': its process ended", f->machine->name);
    child_end(f);
    f->restart_us = clock_mono(x->clock) + RESTART_US;
}

/* 1 = an answer, 0 = nothing. */
static int collect_one(struct core_forward *x, struct forward *f, struct core *core,
                       struct err *err)
{
    ssize_t n = recv(f->fd, x->answer, FORWARD_ANSWER_MAX, MSG_DONTWAIT);
    int r;

    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return 0;
    if (n <= 0) {
        child_died(x, f);
        return 1;
    }
    r = forward_take(x, f, core, slice_of(x->answer, (size_t)n), err);
    return r < 0 ? r : 1;
}

int core_forward_collect(struct core_forward *x, struct core *core, struct err *err)
{
    int total = 0;

    for (size_t i = 0; i < x->n; i++) {
        struct forward *f = &x->items[i];
        int r;

        if (f->fd < 0) {
            if (x->forks && clock_mono(x->clock) >= f->restart_us && child_start(x, f, err) < 0)
                return err_code(err);
            continue;
        }
        r = collect_one(x, f, core, err);
        if (r < 0)
            return r;
        total += r;
    }
    return total;
}
