/* What a receiver says of a batch: positions, entries, pauses. */
#include <errno.h>
#include <stdio.h>

#include "base/fault.h"
#include "logwatch/config.h"
#include "logwatch/core-forward-private.h"

/* Further back than that no receiver may ask for. */
#define AGAIN_MAX 65536

struct answer {
    struct forward_answer head;
    const char *states;
    struct forward_reason reasons[FORWARD_REASONS_MAX];
    size_t ndead, nsent;
};

/* Of a process that talks to strangers: only what can be the answer to what it was given. */
static bool read_answer(const struct forward *f, const char *p, size_t n, struct answer *ret)
{
    struct forward_answer *h = &ret->head;

    ret->ndead = ret->nsent = 0;
    if (n < sizeof *h)
        return false;
    memcpy(h, p, sizeof *h);
    if (!f->busy || h->number != f->number || h->n != f->nbatch ||
        h->nreasons > FORWARD_REASONS_MAX ||
        n != sizeof *h + h->n + h->nreasons * sizeof(struct forward_reason))
        return false;
    h->status[sizeof h->status - 1] = '\0';
    ret->states = p + sizeof *h;
    memcpy(ret->reasons, ret->states + h->n, h->nreasons * sizeof *ret->reasons);
    for (size_t i = 0; i < h->n; i++) {
        if (ret->states[i] != DELIVERY_SENT && ret->states[i] != DELIVERY_RETRY &&
            ret->states[i] != DELIVERY_DEAD)
            return false;
        ret->ndead += ret->states[i] == DELIVERY_DEAD;
        ret->nsent += ret->states[i] == DELIVERY_SENT;
    }
    for (size_t i = 0; i < h->nreasons; i++) {
        ret->reasons[i].text[sizeof ret->reasons[i].text - 1] = '\0';
        if (ret->reasons[i].which >= h->n)
            return false;
    }
    return true;
}

static int note(struct core *core, const char *type, const struct buf *members, struct err *err)
{
    return buf_ok(members) ? core_note(core, type, buf_view(members), err) : err_nomem(err);
}

/* One entry for all that died in a batch. It is the receiver that says why: the text is cleaned. */
static int note_dead(struct forward *f, struct core *core, const struct answer *a, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    size_t told = 0, n = 0;

    for (size_t i = 0; i < a->head.n; i++)
        n += a->states[i] == DELIVERY_DEAD && !f->own[i];
    if (a->ndead)
        log_warning("receiver '%s' refused %zu entries: %s", f->machine->name, a->ndead,
                    a->head.nreasons ? a->reasons[0].text : "");
    if (n == 0)
        return 0;
    json_member_str(&w, "receiver", f->machine->name);
    json_member_str(&w, "state", "dead");
    json_member_u64(&w, "count", n);
    json_member_str(&w, "status", a->head.nreasons ? a->reasons[0].text : "");
    json_key(&w, "entries");
    json_array(&w);
    for (size_t i = 0; i < a->head.n && told < 200; i++)
        if (a->states[i] == DELIVERY_DEAD && !f->own[i]) {
            json_put_u64(&w, f->batch[i]);
            told++;
        }
    json_array_end(&w);
    return note(core, "forward.dead", &members, err);
}

/* The first failure and the end of it are entries; an outage of a day must not fill the trail. */
static int note_change(struct forward *f, struct core *core, bool failing, const char *status,
                       struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (f->failing == failing)
        return 0;
    f->failing = failing;
    json_member_str(&w, "receiver", f->machine->name);
    json_member_str(&w, "status", status);
    if (failing)
        log_warning("receiver '%s': %s", f->machine->name, status);
    else
        log_notice("receiver '%s' takes entries again", f->machine->name);
    return note(core, failing ? "forward.failed" : "forward.recovered", &members, err);
}

static int tell_broken(struct forward *f, struct core *core, const char *status, struct err *err)
{
    AUTO_BUF text = BUF_INIT;

    if (f->broken_told)
        return 0;
    f->broken_told = true;
    buf_printf(&text,
               "%s. No entry gets through to it; they wait in the trail. Mend its token or "
               "address, then: trailwarden reload",
               status);
    if (!buf_ok(&text))
        return err_nomem(err);
    return core_alarm(core,
                      &(struct core_alarm){ .rule = "trailwarden-forward-broken",
                                            .title = "A receiver of entries refuses all of them",
                                            .subject = slice_str(f->machine->name),
                                            .description = buf_view(&text) },
                      err);
}

/* Up to the first that must be sent again; those behind it that are done are remembered. */
static int settle(struct core_forward *x, struct forward *f, struct core *core,
                  const struct answer *a, struct err *err)
{
    size_t first = 0, ndone = 0;

    while (first < a->head.n && a->states[first] != DELIVERY_RETRY)
        first++;
    if (first == a->head.n)
        return forward_advance(x, f, core, f->to, f->to_time_us, err);
    /* What an earlier answer said of entries behind this batch's first is in `done` already. */
    for (size_t i = 0; i < f->ndone; i++)
        if (f->done[i] > f->batch[first])
            f->done[ndone++] = f->done[i];
    f->ndone = ndone;
    for (size_t i = first + 1; i < a->head.n && f->ndone < FORWARD_BATCH_MAX; i++)
        if (a->states[i] != DELIVERY_RETRY)
            f->done[f->ndone++] = f->batch[i];
    for (size_t i = 1; i < f->ndone; i++) /* few: two sorted runs */
        for (size_t k = i; k > 0 && f->done[k - 1] > f->done[k]; k--) {
            uint64_t swap = f->done[k];

            f->done[k] = f->done[k - 1];
            f->done[k - 1] = swap;
        }
    f->at.next = f->batch[first];
    return forward_put_position(x, f, core, err);
}

static void wait_a_while(struct core_forward *x, struct forward *f, const struct answer *a)
{
    uint64_t pause = a->head.retry_after_us;

    f->failures = a->nsent || a->ndead ? 1 : f->failures + 1;
    if (pause == 0)
        pause = sink_backoff_us(f->failures, f->at.next);
    if (pause > 86400 * USEC_PER_SEC)
        pause = 86400 * USEC_PER_SEC;
    f->not_before_us = clock_now(x->clock) + pause;
}

/* The connection broke: what it may have lost is sent again, at once. */
static int go_back(struct core_forward *x, struct forward *f, struct core *core, uint64_t from,
                   struct err *err)
{
    if (from >= f->at.next)
        return 0;
    if (f->at.next - from > AGAIN_MAX)
        from = f->at.next - AGAIN_MAX;
    log_notice("receiver '%s' lost its connection: entries from %llu on are sent again",
               f->machine->name, (unsigned long long)from);
    f->at.next = from;
    f->ndone = 0;
    f->not_before_us = 0;
    return forward_put_position(x, f, core, err);
}

static int take_answer(struct core_forward *x, struct forward *f, struct core *core,
                       const struct answer *a, struct err *err)
{
    bool failed = a->nsent + a->ndead < a->head.n;
    int r = note_dead(f, core, a, err);

    fault_point(FAULT_SEND_BEFORE_MARK);
    if (r == 0)
        r = settle(x, f, core, a, err);
    f->busy = false;
    if (failed)
        wait_a_while(x, f, a);
    else
        f->failures = 0;
    if (r == 0 && a->head.rejected)
        log_warning("receiver '%s': %s", f->machine->name, a->head.status);
    if (r == 0 && (failed ? f->failures > 1 || a->head.broken : f->failing))
        r = note_change(f, core, failed, a->head.status, err);
    if (r == 0 && a->head.broken)
        r = tell_broken(f, core, a->head.status, err);
    if (!failed)
        f->broken_told = false;
    if (r == 0 && a->head.again)
        r = go_back(x, f, core, a->head.again_from, err);
    return r;
}

int forward_take(struct core_forward *x, struct forward *f, struct core *core, struct slice packet,
                 struct err *err)
{
    static struct answer a;

    if (!read_answer(f, packet.p, packet.n, &a))
        return 0; /* an answer to nothing: the child is not believed */
    return take_answer(x, f, core, &a, err);
}
