#include "logwatch/blocking.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/fault.h"
#include "base/log.h"
#include "logwatch/core-bans.h"
#include "logwatch/own-child.h"

/* A child that died is started again after this. */
#define RESTART_US (5 * USEC_PER_SEC)
#define PACKETS_A_TURN 64 /* read in one turn: others wait, too */

struct blocking {
    const struct config *config;
    const struct clock *clock;
    bool forks; /* else the parent starts the process */
    pid_t pid;
    int fd;
    uint64_t restart_us; /* monotonic */
    struct ban_request out[BAN_BATCH_MAX]; /* the packet that is to be sent */
    size_t nout;
    bool full; /* the line takes no more now */
};

static void child_work(void *ctx, int fd)
{
    blocker_work(((const struct blocking *)ctx)->config->bans.blocker, fd);
}

static int child_start(struct blocking *b, struct err *err)
{
    return own_child_start(child_work, b, &b->pid, &b->fd, err);
}

int blocking_new(const struct config *c, const struct clock *clock, bool forks,
                 struct blocking **ret, struct err *err)
{
    struct blocking *b;

    *ret = NULL;
    if (!c->bans.blocker)
        return 0;
    b = calloc(1, sizeof *b);
    if (!b)
        return err_nomem(err);
    b->config = c;
    b->clock = clock;
    b->forks = forks;
    b->fd = -1;
    if (forks && child_start(b, err) < 0) {
        free(b);
        return err_code(err);
    }
    *ret = b;
    return 0;
}

static void line_close(struct blocking *b)
{
    own_child_end(&b->pid, &b->fd);
    b->nout = 0;
    b->full = false;
}

void blocking_free(struct blocking *b)
{
    if (!b)
        return;
    line_close(b);
    free(b);
}

static void line_gone(struct blocking *b, struct core *core)
{
    log_warning("the process that bans ended; what it did holds");
    line_close(b);
    b->restart_us = clock_mono(b->clock) + RESTART_US;
    core_bans_line_gone(core_bans(core));
}

int blocking_attach(struct blocking *b, int fd, struct core *core, struct err *err)
{
    if (!b) {
        close(fd);
        return err_set(err, -EPROTO, "no bans are configured");
    }
    line_close(b);
    core_bans_line_gone(core_bans(core));
    b->fd = fd;
    return 0;
}

/* ---- what it said ---- */

static int take(struct core *core, const struct ban_result *r, size_t n, struct err *err)
{
    for (size_t i = 0; i < n; i++)
        if (core_ban_result(core, &r[i], err) < 0)
            return err_code(err);
    return 0;
}

int blocking_collect(struct blocking *b, struct core *core, struct err *err)
{
    struct ban_result results[BAN_BATCH_MAX];

    for (unsigned i = 0; b && b->fd >= 0 && i < PACKETS_A_TURN; i++) {
        ssize_t n = recv(b->fd, results, sizeof results, MSG_DONTWAIT);

        if (n < 0 && (errno == EAGAIN || errno == EINTR))
            return 0;
        if (n <= 0) {
            line_gone(b, core);
            return 0;
        }
        if ((size_t)n % sizeof *results == 0 &&
            take(core, results, (size_t)n / sizeof *results, err) < 0)
            return err_code(err);
    }
    return 0;
}

/* ---- what it must hear ---- */

/* False: not now. */
static bool send_packet(struct blocking *b, struct core *core)
{
    ssize_t n = send(b->fd, b->out, b->nout * sizeof *b->out, MSG_NOSIGNAL | MSG_DONTWAIT);

    b->full = n < 0 && (errno == EAGAIN || errno == EINTR || errno == ENOBUFS);
    if (b->full)
        return false;
    if (n < 0) {
        line_gone(b, core);
        return false;
    }
    b->nout = 0;
    return true;
}

int blocking_dispatch(struct blocking *b, struct core *core, struct err *err)
{
    if (b && b->forks && b->fd < 0 && clock_mono(b->clock) >= b->restart_us &&
        child_start(b, err) < 0)
        return err_code(err);
    while (b && b->fd >= 0) {
        if (b->nout == 0)
            b->nout =
                core_bans_requests(core_bans(core), b->out, BAN_BATCH_MAX, clock_now(b->clock));
        if (b->nout == 0)
            return 0;
        fault_point(FAULT_SEND_BEFORE);
        if (!send_packet(b, core))
            return 0;
    }
    return 0;
}

uint64_t blocking_due_us(const struct blocking *b, const struct core *core)
{
    /* A line that is full says itself when it is not. */
    return b && b->fd >= 0 && b->nout == 0 ? core_bans_send_us(core_bans(core)) : UINT64_MAX;
}

bool blocking_busy(const struct blocking *b, const struct core *core)
{
    return b && core_bans_owed(core_bans(core)) > 0;
}

size_t blocking_poll(const struct blocking *b, struct pollfd *fds, size_t max)
{
    if (!b || b->fd < 0 || max == 0)
        return 0;
    fds[0] = (struct pollfd){ .fd = b->fd, .events = (short)(POLLIN | (b->full ? POLLOUT : 0)) };
    return 1;
}
