#include "logwatch/core-turn.h"

#include <errno.h>

#define COMMIT_US (1 * USEC_PER_SEC) /* progress alone is committed this often */
#define RETRY_US (1 * USEC_PER_SEC) /* a failed commit is tried again after this */
#define KEEP_US (2 * USEC_PER_MSEC) /* between two steps of compressing or pruning */
#define FORWARD_US (2 * USEC_PER_SEC)
#define IDLE_US (30 * USEC_PER_SEC)
#define RECEIVERS_MAX 80

bool core_turn_blocked(const struct core_turn *t)
{
    return t->blocked || t->full;
}

static void commit_failed(struct core_turn *t, const struct err *err)
{
    uint64_t missed;

    t->blocked = true;
    t->lost = err->code == -ENOTRECOVERABLE;
    t->blocked_until_us = clock_mono(t->clock) + RETRY_US;
    if (t->lost) {
        log_err(LOG_LEVEL_ERROR, err);
    } else if (log_gate(&t->gate, clock_mono(t->clock), &missed)) {
        log_err(LOG_LEVEL_ERROR, err);
        log_error("nothing is read until this commit succeeds; the logs themselves are the buffer");
    }
}

/* Steps 7 and 8. A failure keeps the batch: reading stops, the commit is tried again. */
static void commit(struct core_turn *t)
{
    struct err err = ERR_NONE;

    if (core_commit(t->core, &err) < 0) {
        commit_failed(t, &err);
        return;
    }
    if (t->blocked)
        log_notice("the commit succeeded again");
    t->blocked = false;
    t->last_commit_us = clock_mono(t->clock);
    sender_committed(t->sender);
}

static bool commit_due(const struct core_turn *t)
{
    if (t->blocked)
        return clock_mono(t->clock) >= t->blocked_until_us;
    return core_urgent(t->core) || (t->hurry && core_dirty(t->core)) ||
           (core_dirty(t->core) && clock_mono(t->clock) >= t->last_commit_us + COMMIT_US) ||
           audit_due_us(core_audit(t->core)) <= clock_now(t->clock);
}

/* Step 9. */
static void checkpoint(struct core_turn *t, bool now)
{
    struct err err = ERR_NONE;

    if (core_checkpoint(t->core, now, &err) < 0)
        commit_failed(t, &err);
}

/* What was taken becomes evidence, then true, then it leaves, and is signed. */
int core_turn(struct core_turn *t, struct err *err)
{
    int r = sender_collect(t->sender, t->core, err);

    if (r >= 0)
        r = blocking_collect(t->blocking, t->core, err);
    if (r >= 0)
        r = core_forward_collect(t->forward, t->core, err);
    if (r < 0)
        return r;
    t->full = !core_has_room(t->core);
    if (!t->blocked && (core_tick(t->core, err) < 0 || core_anchor(t->core, err) < 0))
        return err_code(err);
    if (commit_due(t))
        commit(t);
    if (!t->blocked) { /* who waits for an alert does not wait for the signature's syncs */
        r = blocking_dispatch(t->blocking, t->core, err); /* first: the others take their time */
        if (r == 0)
            r = sender_dispatch(t->sender, t->core, err);
        if (r == 0)
            r = core_forward_dispatch(t->forward, t->core, err);
        checkpoint(t, false);
    }
    if (!core_turn_blocked(t)) /* old entries: when all else is done */
        core_keep_turn(&t->keep, t->core, t->config, t->clock);
    if (t->lost)
        return err_set(err, -ENOTRECOVERABLE, "ending: what the disk holds must be looked at");
    return r < 0 ? r : 0;
}

static uint64_t until(uint64_t when, uint64_t now)
{
    return when > now ? when - now : 0;
}

static uint64_t sooner(uint64_t wait, uint64_t when, uint64_t now)
{
    return when != UINT64_MAX && until(when, now) < wait ? until(when, now) : wait;
}

uint64_t core_turn_wait_us(const struct core_turn *t)
{
    uint64_t now = clock_mono(t->clock), wall = clock_now(t->clock), wait = IDLE_US;

    if (t->blocked)
        return until(t->blocked_until_us, now);
    if (t->full)
        wait = RETRY_US;
    else if (t->keep.more)
        wait = KEEP_US;
    if (core_dirty(t->core))
        wait = sooner(wait, t->last_commit_us + COMMIT_US, now);
    if (core_urgent(t->core))
        return 0;
    wait = sooner(wait, sender_due_us(t->sender, t->core), wall);
    wait = sooner(wait, blocking_due_us(t->blocking, t->core), wall);
    wait = sooner(wait, core_forward_due_us(t->forward, t->core), wall);
    wait = sooner(wait, audit_due_us(core_audit(t->core)), wall);
    wait = sooner(wait, core_anchor_due_us(t->core), wall);
    wait = sooner(wait, core_people_next_us(t->core), wall);
    if (core_due_us(t->core) > wall)
        wait = sooner(wait, core_due_us(t->core), wall);
    else if (wait > COMMIT_US)
        wait = COMMIT_US; /* it is due, but an input is behind */
    if (audit_unsigned(core_audit(t->core)) && wait > COMMIT_US)
        wait = COMMIT_US;
    return wait;
}

bool core_turn_finished(const struct core_turn *t)
{
    return !core_turn_blocked(t) && !core_dirty(t->core) && sender_busy(t->sender) == 0 &&
           !blocking_busy(t->blocking, t->core) && core_forward_busy(t->forward) == 0 &&
           core_forward_due_us(t->forward, t->core) > clock_now(t->clock) &&
           sender_due_us(t->sender, t->core) > clock_now(t->clock);
}

/* What is with a SIEM is sent again when nobody waits for it: a moment is enough. */
static bool any_busy(const struct core_turn *t, uint64_t since_us)
{
    return sender_busy(t->sender) || blocking_busy(t->blocking, t->core) ||
           (core_forward_busy(t->forward) && clock_mono(t->clock) < since_us + FORWARD_US);
}

static void wait_for_receivers(struct core_turn *t, uint64_t patience_us)
{
    uint64_t since = clock_mono(t->clock), end = since + patience_us, now;
    struct pollfd fds[RECEIVERS_MAX];
    struct err err = ERR_NONE;

    while (any_busy(t, since) && (now = clock_mono(t->clock)) < end) {
        size_t n = blocking_poll(t->blocking, fds, 1);

        n += sender_poll(t->sender, fds + n, RECEIVERS_MAX - n);
        n += core_forward_poll(t->forward, fds + n, RECEIVERS_MAX - n);
        if (core_forward_busy(t->forward) && since + FORWARD_US > now && since + FORWARD_US < end)
            (void)poll(fds, n, (int)((since + FORWARD_US - now) / 1000) + 1);
        else
            (void)poll(fds, n, (int)((end - now) / 1000) + 1);
        if (sender_collect(t->sender, t->core, &err) < 0 ||
            blocking_collect(t->blocking, t->core, &err) < 0 ||
            core_forward_collect(t->forward, t->core, &err) < 0)
            return;
        if (core_dirty(t->core))
            commit(t); /* and nobody is given another row */
        if (t->blocked)
            return;
    }
}

int core_turn_stop(struct core_turn *t, uint64_t patience_us, struct err *err)
{
    if (!t->blocked)
        wait_for_receivers(t, patience_us);
    if (t->blocked)
        return err_set(err, -EIO,
                       "ending with a commit that failed: the same lines will be read again");
    (void)core_note(t->core, "daemon.stop", SLICE_NONE, NULL);
    if (core_commit(t->core, err) < 0 || core_checkpoint(t->core, true, err) < 0)
        return err_code(err);
    return 0;
}
