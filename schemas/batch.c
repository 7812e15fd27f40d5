#include "schemas/batch.h"

#include <errno.h>

void batch_init(struct batch *b, struct arena *a, uint64_t now_us)
{
    *b = (struct batch){ .arena = a, .now_us = now_us, .needed_us = UINT64_MAX };
}

bool batch_empty(const struct batch *b)
{
    return !b->ncursors && !b->nsignals && !b->nalerts && !b->nentries && !b->noutgoing &&
           !b->noutcomes && !b->nchanges && !b->nincidents && !b->nsilences && !b->nbans;
}

/* A larger zeroed copy of an array that is full, in the arena; NULL: no memory. */
static void *longer(struct arena *a, const void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 16;
    void *p = arena_array(a, more, size);

    if (!p)
        return NULL;
    if (n)
        memcpy(p, array, n * size);
    *cap = more;
    return p;
}

#define GROW(b, list)                                                                              \
    __extension__({                                                                                \
        void *room_ = (b)->n##list < (b)->list##_cap                                               \
                          ? (b)->list                                                              \
                          : longer((b)->arena, (b)->list, (b)->n##list, &(b)->list##_cap,          \
                                   sizeof *(b)->list);                                             \
        if (room_)                                                                                 \
            (b)->list = room_;                                                                     \
        room_ ? &(b)->list[(b)->n##list++] : NULL;                                                 \
    })

struct cursor_update *batch_cursor(struct batch *b)
{
    return GROW(b, cursors);
}

struct signal *batch_signal(struct batch *b)
{
    return GROW(b, signals);
}

int batch_alert(struct batch *b, struct alert *alert)
{
    struct alert **slot = GROW(b, alerts);

    if (!slot)
        return -ENOMEM;
    *slot = alert;
    return 0;
}

struct entry *batch_entry(struct batch *b, const char *type)
{
    struct entry *e = GROW(b, entries);

    if (e)
        e->type = slice_str(type);
    return e;
}

struct outgoing *batch_outgoing(struct batch *b)
{
    return GROW(b, outgoing);
}

struct outcome *batch_outcome(struct batch *b)
{
    return GROW(b, outcomes);
}

struct channel_count *batch_count(struct batch *b, struct slice channel)
{
    struct channel_count *c;

    for (size_t i = 0; i < b->ncounts; i++)
        if (slice_eq(b->counts[i].channel, channel))
            return &b->counts[i];
    c = GROW(b, counts);
    if (c)
        c->channel = channel;
    return c;
}

struct input_health *batch_health(struct batch *b, struct slice input)
{
    struct input_health *h;

    for (size_t i = 0; i < b->nhealths; i++)
        if (slice_eq(b->healths[i].input, input))
            return &b->healths[i];
    h = GROW(b, healths);
    if (h)
        h->input = input;
    return h;
}

struct row_change *batch_change(struct batch *b)
{
    return GROW(b, changes);
}

int batch_incident(struct batch *b, const struct incident *incident)
{
    const struct incident **slot = GROW(b, incidents);

    if (!slot)
        return -ENOMEM;
    *slot = incident;
    return 0;
}

int batch_ban(struct batch *b, const struct ban *ban)
{
    const struct ban **slot = GROW(b, bans);

    if (!slot)
        return -ENOMEM;
    *slot = ban;
    return 0;
}

struct silence *batch_silence(struct batch *b, uint64_t id)
{
    struct silence *s;

    for (size_t i = 0; i < b->nsilences; i++)
        if (b->silences[i].id == id)
            return &b->silences[i];
    s = GROW(b, silences);
    if (s)
        s->id = id;
    return s;
}

const char *delivery_state_name(enum delivery_state s)
{
    static const char *const names[DELIVERY_STATES] = { "waiting", "sent",    "retry",
                                                        "dead",    "bundled", "held" };

    return (unsigned)s < DELIVERY_STATES ? names[s] : "?";
}

const char *trouble_name(unsigned bit)
{
    static const char *const names[TROUBLES] = { "failed", "silent", "behind", "unparsed",
                                                 "blind" };

    for (unsigned i = 0; i < TROUBLES; i++)
        if (bit == 1u << i)
            return names[i];
    return "?";
}
