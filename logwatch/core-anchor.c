/* When checkpoints leave for their anchors, and what came of it. */
#include "logwatch/core-anchor.h"

#include <errno.h>
#include <stdio.h>

#define EXPIRES_US (UINT64_C(24) * 3600 * USEC_PER_SEC)
/* A witness that names another size each time is asked at once so often, then as others are. */
#define AT_ONCE_MAX 3

struct anchor {
    const struct config_anchor *config;
    bool pending; /* a row waits */
    uint64_t next_us; /* wall; not before */
    uint64_t held; /* size that it has */
    bool known_read;
    uint64_t known; /* a witness: the tree that it went on from */
    uint64_t sent, sent_known; /* of the row in work */
    unsigned again; /* answers in a row that named another size */
    bool told;
    uint64_t told_size;
};

struct core_anchors {
    const struct config *config;
    struct audit_notes *notes; /* opened when first needed: the trail may be new */
    struct anchor *items;
    size_t n;
};

static struct anchor *find(struct core_anchors *x, struct slice receiver)
{
    for (size_t i = 0; i < x->n; i++)
        if (slice_is(receiver, x->items[i].config->sink->name))
            return &x->items[i];
    return NULL;
}

/* A row of a former process. */
static int mark_pending(void *ctx, const struct outbox_row *row)
{
    struct anchor *a = slice_is(row->kind, "anchor") ? find(ctx, row->receiver) : NULL;

    if (a)
        a->pending = true;
    return 0;
}

int core_anchors_new(const struct config *c, struct store *store, struct core_anchors **ret,
                     struct err *err)
{
    static const enum delivery_state waiting[] = { DELIVERY_WAITING, DELIVERY_RETRY };
    AUTO(core_anchors) x = calloc(1, sizeof *x);

    if (x)
        x->items = calloc(c->nanchors ? c->nanchors : 1, sizeof *x->items);
    if (!x || !x->items)
        return err_nomem(err);
    x->config = c;
    x->n = c->nanchors;
    for (size_t i = 0; i < x->n; i++)
        x->items[i].config = &c->anchors[i];
    for (size_t i = 0; x->n && i < ARRAY_SIZE(waiting); i++)
        if (store_outbox_each(store, waiting[i], SIZE_MAX >> 1, mark_pending, x, err) < 0)
            return err_code(err);
    *ret = TAKE(x);
    return 0;
}

void core_anchors_free(struct core_anchors *x)
{
    if (!x)
        return;
    audit_notes_free(x->notes);
    free(x->items);
    free(x);
}

/* ---- rows ---- */

static int add_row(const struct anchor *a, struct batch *b, uint64_t size, uint64_t now_us,
                   struct err *err)
{
    struct outgoing *o = batch_outgoing(b);
    char *key = arena_printf(b->arena, "anchor-%llu-%llu", (unsigned long long)size,
                             (unsigned long long)now_us);

    if (!o || !key)
        return err_nomem(err);
    *o = (struct outgoing){
        .key = slice_str(key),
        .receiver = slice_str(a->config->sink->name),
        .kind = SLICE("anchor"),
        .document = SLICE("{\"version\":1}"), /* made when it is handed out */
        .not_before_us = now_us,
        .expires_us = now_us + EXPIRES_US,
    };
    return 0;
}

int core_anchors_tick(struct core_anchors *x, struct batch *b, uint64_t size, uint64_t now_us,
                      struct err *err)
{
    for (size_t i = 0; i < x->n; i++) {
        struct anchor *a = &x->items[i];

        if (a->pending || now_us < a->next_us || size == 0)
            continue;
        a->next_us = now_us + x->config->anchor_every_us;
        if (size == a->held)
            continue; /* nothing new */
        if (add_row(a, b, size, now_us, err) < 0)
            return err_code(err);
        a->pending = true;
    }
    return 0;
}

uint64_t core_anchors_due_us(const struct core_anchors *x)
{
    uint64_t next = UINT64_MAX;

    for (size_t i = 0; i < x->n; i++)
        if (!x->items[i].pending && x->items[i].next_us < next)
            next = x->items[i].next_us;
    return next;
}

/* ---- notes ---- */

static int open_notes(struct core_anchors *x, struct err *err)
{
    return x->notes ? 0 : audit_notes_open(x->config->trail, &x->notes, err);
}

int core_anchors_keep(struct core_anchors *x, struct slice note, uint64_t now_us, struct err *err)
{
    return open_notes(x, err) < 0 ? err_code(err) : audit_notes_keep(x->notes, note, now_us, err);
}

int core_anchors_rolled_back(struct core_anchors *x, const struct audit_checkpoint_says *now,
                             struct buf *why)
{
    struct audit_checkpoint_says kept;
    AUTO_BUF note = BUF_INIT;

    if (open_notes(x, NULL) < 0 || audit_notes_newest(x->notes, &note, NULL) < 0 ||
        audit_note_read(buf_view(&note), &kept) < 0)
        return 0;
    /* A trail that was opened anew has a name of its own. */
    if (!slice_eq(kept.origin, now->origin) || kept.size <= now->size)
        return 0;
    buf_printf(why, "a checkpoint of %llu entries left, the trail has %llu",
               (unsigned long long)kept.size, (unsigned long long)now->size);
    return 1;
}

int core_anchors_order(struct core_anchors *x, struct slice receiver, uint64_t now_us,
                       struct buf *out, struct err *err)
{
    struct anchor *a = find(x, receiver);
    const char *vkey = a ? a->config->vkey : NULL;

    if (!a)
        return err_set(err, -ENOENT, "no such anchor is configured");
    if (open_notes(x, err) < 0)
        return err_code(err);
    if (vkey && !a->known_read) {
        if (audit_notes_witnessed(x->notes, vkey, &a->known, err) < 0)
            return err_code(err);
        a->known_read = true;
    }
    a->sent_known = a->known;
    return anchoring_document(x->notes, x->config->trail, vkey != NULL, a->known, now_us, out,
                              &a->sent, err);
}

/* ---- outcomes ---- */

static void write_members(const struct core_anchors *x, const struct anchor *a,
                          const struct anchoring_answer *answer, enum anchoring how,
                          struct buf *out)
{
    struct json_writer w = json_writer(out);
    struct audit_checkpoint_says c = { 0 };
    AUTO_BUF note = BUF_INIT;

    json_member_str(&w, "receiver", a->config->sink->name);
    json_member_str(&w, "anchor", a->config->sink->ops->name);
    json_member_u64(&w, "size", a->sent);
    if (audit_notes_read(x->notes, a->sent, &note, NULL) == 0 &&
        audit_note_read(buf_view(&note), &c) == 0)
        json_member_slice(&w, "root", c.root);
    json_member_str(&w, "state", how == ANCHORING_CONTRADICTED ? "contradicted" : "sent");
    json_member_str(&w, "status", answer->status);
}

static void take_size(struct anchor *a, enum anchoring how, const struct anchoring_answer *answer)
{
    if (how == ANCHORING_AGAIN)
        a->known = answer->size;
    else if (answer->state == DELIVERY_SENT)
        a->known = a->held = a->sent;
}

enum anchoring core_anchors_take(struct core_anchors *x, struct slice receiver, uint64_t now_size,
                                 struct anchoring_answer *answer, struct buf *members)
{
    struct anchor *a = find(x, receiver);
    enum anchoring how = ANCHORING_AS_IT_IS;

    if (!a)
        return how;
    if (x->notes && a->sent)
        how = anchoring_take(x->notes, a->config->vkey,
                             strcmp(a->config->sink->ops->name, "timestamp") == 0, a->sent,
                             a->sent_known, now_size, answer);
    take_size(a, how, answer);
    a->pending = answer->state == DELIVERY_RETRY;
    if (how == ANCHORING_CONTRADICTED || answer->state == DELIVERY_SENT)
        write_members(x, a, answer, how, members);
    a->again = how == ANCHORING_AGAIN ? a->again + 1 : 0;
    return a->again > AT_ONCE_MAX ? ANCHORING_AS_IT_IS : how;
}

bool core_anchors_news(struct core_anchors *x, struct slice receiver, uint64_t size)
{
    struct anchor *a = find(x, receiver);

    if (!a || (a->told && a->told_size == size))
        return false;
    a->told = true;
    a->told_size = size;
    return true;
}
