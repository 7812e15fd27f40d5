/* The book in memory: what holds, from the start to the end. */
#include "logwatch/core-bans-private.h"

#include <errno.h>

const char *bans_word(struct core_bans *b, struct slice word)
{
    char *own = table_get(b->words, word);

    if (own)
        return own;
    own = slice_dup(word);
    if (own && table_put(b->words, word, own) < 0) {
        free(own);
        return NULL;
    }
    return own;
}

struct slice bans_id(const uint64_t *id)
{
    return slice_of((const char *)id, sizeof *id);
}

int bans_keep(struct core_bans *b, struct item *i)
{
    if (b->nitems == b->cap) {
        size_t cap = b->cap ? b->cap * 2 : 64;
        struct item **items = reallocarray(b->items, cap, sizeof *items);

        if (!items)
            return -ENOMEM;
        b->items = items;
        b->cap = cap;
    }
    if (table_put(b->by_id, bans_id(&i->id), i) < 0)
        return -ENOMEM;
    if (table_put(i->gone ? b->leaving : b->by_target, bans_key(&i->target), i) < 0) {
        (void)table_remove(b->by_id, bans_id(&i->id));
        return -ENOMEM;
    }
    i->at = b->nitems;
    b->items[b->nitems++] = i;
    return 0;
}

static void close_holes(struct core_bans *b)
{
    size_t n = 0;

    for (size_t k = 0; k < b->nitems; k++)
        if (b->items[k]) {
            b->items[k]->at = n;
            b->items[n++] = b->items[k];
        }
    b->nitems = n;
    b->holes = 0;
}

/* ---- life ---- */

static int load_row(void *ctx, const struct ban *row)
{
    struct core_bans *b = ctx;
    struct item *i;

    if (row->state != BAN_ACTIVE && row->owed != BAN_OWES_REMOVE)
        return 0;
    i = calloc(1, sizeof *i);
    if (!i)
        return -ENOMEM;
    i->id = row->id;
    i->target = row->target;
    i->start_us = row->start_us;
    i->until_us = row->until_us;
    i->changed_us = row->changed_us;
    i->rule = bans_word(b, row->rule);
    i->origin = bans_word(b, row->origin);
    i->has_alert = hex_decode(row->alert, i->alert, sizeof i->alert) == 0;
    i->dry_run = row->dry_run;
    i->gone = row->state != BAN_ACTIVE;
    i->state = (uint8_t)row->state;
    i->ended_us = row->ended_us;
    i->owed = (uint8_t)row->owed;
    i->times = row->times;
    i->renewals = row->renewals;
    if (!i->rule || !i->origin || bans_keep(b, i) < 0) {
        free(i);
        return -ENOMEM;
    }
    if (i->owed)
        bans_queue(b, i);
    if (!i->gone && i->until_us && i->until_us < b->due_us)
        b->due_us = i->until_us;
    return 0;
}

static int load(struct core_bans *b, struct err *err)
{
    const struct ban_filter f = { .held = true };
    int r = store_bans_each(b->store, &f, load_row, b, err);

    b->next_id = store_ban_last(b->store) + 1;
    return r == -ENOMEM ? err_nomem(err) : r;
}

int core_bans_new(const struct config *c, struct store *store, struct core_bans **ret,
                  struct err *err)
{
    struct core_bans *b = calloc(1, sizeof *b);
    size_t names = c->bans.allow_names.n;

    if (!b)
        return err_nomem(err);
    b->config = c;
    b->store = store;
    b->tail = &b->head;
    b->due_us = b->retry_us = UINT64_MAX;
    b->by_target = table_new(0);
    b->leaving = table_new(0);
    b->by_id = table_new(0);
    b->words = table_new(0);
    b->names = calloc(names ? names : 1, sizeof *b->names);
    if (!b->by_target || !b->leaving || !b->by_id || !b->words || !b->names) {
        core_bans_free(b);
        return err_nomem(err);
    }
    if (load(b, err) < 0) {
        core_bans_free(b);
        return err_code(err);
    }
    *ret = b;
    return 0;
}

static void free_words(struct table *words)
{
    struct slice key;
    void *word;

    for (size_t i = 0; words && table_next(words, &i, &key, &word);)
        free(word);
    table_free(words);
}

void core_bans_free(struct core_bans *b)
{
    if (!b)
        return;
    for (struct item *i = b->head, *next; i; i = next) {
        next = i->next;
        if (i->id == 0) /* forgotten while it waited */
            free(i);
    }
    for (size_t k = 0; k < b->nitems; k++)
        free(b->items[k]);
    free_words(b->words);
    table_free(b->by_target);
    table_free(b->leaving);
    table_free(b->by_id);
    free(b->items);
    free(b->fresh);
    free(b->names);
    free(b);
}

void core_bans_begin(struct core_bans *b, struct batch *batch)
{
    for (size_t k = 0; k < b->nfresh; k++) {
        struct item *i = b->fresh[k];

        if (!i)
            continue;
        i->fresh = false;
        if (i->owed)
            bans_queue(b, i);
    }
    b->nfresh = 0;
    b->batch = batch;
    if (b->holes > 64 && b->holes > b->nitems / 2 && b->syncing != SYNC_RUNS)
        close_holes(b);
}

int core_bans_start(struct core_bans *b, struct err *err)
{
    return b->config->bans.blocker ? bans_free_allowed(b, err) : 0;
}
