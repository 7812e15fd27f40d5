#include "logwatch/core-keep.h"

#include <errno.h>

#include "base/num.h"

#define LOOK_US (UINT64_C(3600) * USEC_PER_SEC) /* how often the limits are looked at */
#define JUMP_US LOOK_US
#define RETRY_US (60 * USEC_PER_SEC) /* after a fault */
/* Of input a turn: 256 KiB take 5-10 ms to compress. */
#define COMPRESS_BYTES (256 << 10)
#define FILES 200 /* removed a turn: some ms */

void core_keep_members(struct buf *out, const struct audit_prune *p, const char *reason)
{
    struct json_writer w = json_writer(out);

    json_member_u64(&w, "min", p->min);
    json_member_str(&w, "reason", reason);
}

/* Which of the limits it is, as configured. */
static void reason(struct buf *out, const struct config *c)
{
    buf_str(out, "configured:");
    if (c->keep_us) {
        buf_str(out, " keep ");
        buf_duration(out, c->keep_us);
    }
    if (c->keep_bytes) {
        buf_str(out, " keep_bytes ");
        buf_bytes(out, c->keep_bytes);
    }
}

static int look(struct core *core, const struct config *c, uint64_t now_us, struct err *err)
{
    struct audit_limits limits = { .bytes_max = c->keep_bytes };
    struct audit_prune p;
    AUTO_BUF why = BUF_INIT;
    AUTO_BUF members = BUF_INIT;

    if (c->keep_us && now_us > c->keep_us)
        limits.before_us = now_us - c->keep_us;
    if (audit_prune_plan(core_audit(core), &limits, &p, err) < 0)
        return err_code(err);
    if (p.min == p.from)
        return 0;
    reason(&why, c);
    core_keep_members(&members, &p, why.p ? why.p : "");
    if (!buf_ok(&why) || !buf_ok(&members))
        return err_nomem(err);
    if (audit_prune_begin(core_audit(core), &p, err) < 0)
        return err_code(err);
    log_notice("entries before %llu are pruned from the trail (%s)", (unsigned long long)p.min,
               why.p);
    return core_note(core, "trail.prune", buf_view(&members), err);
}

/* It is time to look, and the clock went as it should since the last time. */
static bool look_due(struct core_keep *k, const struct clock *clock)
{
    uint64_t wall = clock_now(clock), mono = clock_mono(clock);
    uint64_t expected = k->wall_us + (mono - k->mono_us);
    bool first = k->next_us == 0, jumped = wall > expected + JUMP_US;

    if (!first && mono < k->next_us)
        return false;
    k->next_us = mono + LOOK_US;
    k->wall_us = wall;
    k->mono_us = mono;
    if (!first && jumped)
        log_warning("the clock jumped: nothing is pruned from the trail before it goes on for an"
                    " hour");
    return !first && !jumped;
}

/* 1 = there is more to do. */
static int step(struct core_keep *k, struct core *core, const struct config *c,
                const struct clock *clock, struct err *err)
{
    struct audit *a = core_audit(core);
    bool limited = c->keep_us || c->keep_bytes;

    if (audit_keep_busy(a))
        return audit_keep_step(a, FILES, err);
    if (limited && look_due(k, clock))
        return look(core, c, clock_now(clock), err);
    return c->compress ? audit_compress_step(a, COMPRESS_BYTES, err) : 0;
}

void core_keep_turn(struct core_keep *k, struct core *core, const struct config *c,
                    const struct clock *clock)
{
    struct err err = ERR_NONE;
    uint64_t missed, now = clock_mono(clock);
    int r;

    if (k->failed_us && now < k->failed_us + RETRY_US)
        return;
    r = step(k, core, c, clock, &err);
    k->more = r > 0;
    k->failed_us = r < 0 ? now : 0;
    if (r < 0 && log_gate(&k->gate, now, &missed)) {
        (void)err_while(&err, "trail '%s': pruning or compressing", c->trail);
        log_err(LOG_LEVEL_WARNING, &err);
    }
}
