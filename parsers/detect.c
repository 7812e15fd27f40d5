/* Formats and lines: which format do these have, and do the samples hold? */
#include <errno.h>

#include "parsers/format.h"

/* ---- detection ---- */

#define DETECT_RECORDS 200

static size_t count_known(const struct format *f, struct parser_scratch *s, struct slice bytes,
                          size_t *ret_all)
{
    AUTO(arena) a = arena_new(65536, 64 << 20);
    struct parser_source source = { .format = f, .channel = f->channel };
    struct block b = { .bytes = bytes };
    struct block_walk walk = { 0 };
    struct record record;
    size_t known = 0;

    *ret_all = 0;
    while (a && *ret_all < DETECT_RECORDS && block_next(&b, format_framing(f), &walk, &record)) {
        struct event ev;

        if (record.text.n == 0)
            continue;
        arena_reset(a);
        (*ret_all)++;
        if (parser_run(&source, s, &record, 0, a, &ev, NULL) == 0 && !(ev.flags & EVENT_UNPARSED))
            known += event_get(&ev, FIELD_EVENT_ACTION) ? 3 : 1; /* a told event weighs more */
    }
    return known;
}

const struct format *format_detect(const struct formats *f, struct slice bytes)
{
    AUTO(parser_scratch) s = parser_scratch_new(f);
    const struct format *best = NULL;
    double most = 0.5;

    for (size_t i = 0; s && i < f->n; i++) {
        size_t all = 0, known = f->list[i]->filter ? 0 : count_known(f->list[i], s, bytes, &all);
        double share = all ? (double)known / (double)all : 0;

        if (share >= most && (share > most || !best)) {
            most = share;
            best = f->list[i];
        }
    }
    return best;
}

/* ---- samples ---- */

static struct slice sample_user(const struct event *ev)
{
    static const enum field_id names[] = { FIELD_USER_TARGET_NAME, FIELD_USER_NAME,
                                           FIELD_USER_EMAIL, FIELD_USER_ID };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (event_text(ev, names[i]).n)
            return event_text(ev, names[i]);
    return SLICE("");
}

static void check_sample(const struct format *f, const struct sample *s, const struct event *ev,
                         struct diag *d)
{
    bool unparsed = (ev->flags & EVENT_UNPARSED) != 0;

    if (unparsed != s->unparsed) {
        diag_error(d, s->at, "format '%.*s': this sample is %s", SLICE_FMT(f->name),
                   unparsed ? "not known" : "known, but should not be");
        return;
    }
    if (s->unparsed)
        return;
    if (!slice_eq(event_text(ev, FIELD_EVENT_ACTION), s->action))
        diag_error(d, s->at, "format '%.*s': this sample gives '%.*s', not '%.*s'",
                   SLICE_FMT(f->name), SLICE_FMT(event_text(ev, FIELD_EVENT_ACTION)),
                   SLICE_FMT(s->action));
    if (s->has_ip && !slice_eq(event_text(ev, FIELD_SOURCE_IP), s->ip))
        diag_error(d, s->at, "format '%.*s': this sample gives the address '%.*s', not '%.*s'",
                   SLICE_FMT(f->name), SLICE_FMT(event_text(ev, FIELD_SOURCE_IP)),
                   SLICE_FMT(s->ip));
    if (s->has_user && !slice_eq(sample_user(ev), s->user))
        diag_error(d, s->at, "format '%.*s': this sample gives the user '%.*s', not '%.*s'",
                   SLICE_FMT(f->name), SLICE_FMT(sample_user(ev)), SLICE_FMT(s->user));
}

int formats_check(const struct formats *f, struct diag *d, size_t *ret_ran)
{
    AUTO(parser_scratch) s = parser_scratch_new(f);
    AUTO(arena) a = arena_new(65536, 64 << 20);

    *ret_ran = 0;
    if (!s || !a)
        return -ENOMEM;
    for (size_t i = 0; i < f->n; i++)
        for (size_t j = 0; j < f->list[i]->nsamples; j++) {
            const struct sample *sample = &f->list[i]->samples[j];
            struct parser_source source = { .format = f->list[i], .channel = f->list[i]->channel };
            struct record record = { .text = sample->line, .priority = -1 };
            struct event ev;

            arena_reset(a);
            if (parser_run(&source, s, &record, 0, a, &ev, NULL) < 0)
                return -ENOMEM;
            check_sample(f->list[i], sample, &ev, d);
            (*ret_ran)++;
        }
    return 0;
}
