/* The registry of machines, and what all of them share. */
#include <config.h>

#include "notifiers/machines/machine.h"

#include <errno.h>
#include <stdio.h>

#include "notifiers/machines/kinds.h"

const struct machine_ops *const machine_kinds[] = {
    &machine_syslog, &machine_elasticsearch,
    &machine_splunk, &machine_loki,
    &machine_otlp,   &machine_http,
#ifdef HAVE_KAFKA
    &machine_kafka,
#endif
    &machine_file,   NULL,
};

const struct machine_ops *machine_kind(struct slice name)
{
    for (size_t i = 0; machine_kinds[i]; i++)
        if (slice_is(name, machine_kinds[i]->name))
            return machine_kinds[i];
    return NULL;
}

void results_all(struct machine_result *results, size_t n, enum delivery_state state,
                 const char *reason)
{
    for (size_t i = 0; i < n; i++) {
        results[i].state = state;
        snprintf(results[i].reason, sizeof results[i].reason, "%s", reason ? reason : "");
    }
}

void result_dead(struct machine_result *result, const char *fmt, ...)
{
    va_list args;

    result->state = DELIVERY_DEAD;
    va_start(args, fmt);
    (void)vsnprintf(result->reason, sizeof result->reason, fmt, args);
    va_end(args);
}

int encode_records(const struct encoder_settings *s, const struct trail_record *records, size_t n,
                   const char *end, size_t end_n, struct machine_result *results, size_t *ends,
                   struct buf *out)
{
    for (size_t i = 0; i < n; i++) {
        int r = encoder_encode(s, &records[i], out);

        if (r == -ENOMEM)
            return r;
        if (r < 0)
            result_dead(&results[i], "larger than %llu bytes", (unsigned long long)s->max_bytes);
        else
            buf_add(out, end, end_n);
        ends[i] = out->n;
    }
    return buf_ok(out) ? 0 : -ENOMEM;
}

/* One part; true when the next one may follow. */
static bool deliver_part(struct machine *m, const struct trail_record *records, size_t n,
                         struct machine_result *results, struct machine_said *said)
{
    bool all = true;

    results_all(results, n, DELIVERY_RETRY, NULL);
    m->ops->deliver(m, records, n, results, said);
    for (size_t i = 0; i < n; i++)
        all = all && results[i].state != DELIVERY_RETRY;
    return all;
}

static size_t at_most(size_t a, size_t b)
{
    return a && a < b ? a : b;
}

void machine_deliver(struct machine *m, const struct trail_record *records, size_t n,
                     struct machine_result *results, struct machine_said *said)
{
    uint64_t rejected = 0;

    results_all(results, n, DELIVERY_RETRY, NULL);
    *said = (struct machine_said){ 0 };
    for (size_t done = 0; done < n;) {
        size_t part = at_most(m->at_once, n - done);
        struct machine_said now = { 0 };
        bool went = deliver_part(m, records + done, part, results + done, &now);

        rejected += now.rejected;
        *said = now;
        said->rejected = rejected;
        if (went) {
            done += part;
            m->at_once = m->at_once && m->at_once < n ? m->at_once * 2 : 0;
        } else if (now.fewer && now.fewer < part) {
            m->at_once = now.fewer; /* the same again, with fewer */
        } else {
            return;
        }
    }
}
