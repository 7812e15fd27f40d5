/* What entries say of one another: silence, erased values, pruning, new epoch keys. */
#include <errno.h>

#include "audit/verify-private.h"
#include "base/json.h"
#include "base/num.h"

#define BIT(index) (UINT64_C(1) << ((index) % 64))
#define WORDS (CHUNK_ENTRIES / 64)

/* ---- erased values ---- */

static void set_erased(struct verify *v, uint64_t index)
{
    struct bits *b = &v->erased;
    size_t at = (size_t)(index / CHUNK_ENTRIES);

    if (at >= b->n) {
        uint64_t **more = realloc(b->chunk, (at + 1) * sizeof *more);

        if (!more) {
            v->failed = -ENOMEM;
            return;
        }
        memset(more + b->n, 0, (at + 1 - b->n) * sizeof *more);
        b->chunk = more;
        b->n = at + 1;
    }
    if (!b->chunk[at])
        b->chunk[at] = calloc(WORDS, sizeof **b->chunk);
    if (b->chunk[at])
        b->chunk[at][index % CHUNK_ENTRIES / 64] |= BIT(index);
    else
        v->failed = -ENOMEM;
}

static void clear_erased(struct verify *v, uint64_t index)
{
    size_t at = (size_t)(index / CHUNK_ENTRIES);

    if (at < v->erased.n && v->erased.chunk[at])
        v->erased.chunk[at][index % CHUNK_ENTRIES / 64] &= ~BIT(index);
}

/* An element is an index, or a pair: from, and behind the last. */
static void declare(struct verify *v, const struct json *e)
{
    uint64_t from, to;

    if (e->type == JSON_NUMBER && parse_u64(e->text, 0, UINT64_MAX - 1, &from) == 0) {
        clear_erased(v, from);
    } else if (e->type == JSON_ARRAY && e->child && e->child->next &&
               parse_u64(e->child->text, 0, UINT64_MAX - 1, &from) == 0 &&
               parse_u64(e->child->next->text, 0, UINT64_MAX - 1, &to) == 0) {
        to = to < v->edge->size ? to : v->edge->size; /* nothing behind it was erased yet */
        for (; from < to; from++)
            clear_erased(v, from);
    }
}

static void on_erase(struct verify *v, uint64_t index UNUSED, struct slice line)
{
    AUTO(arena) a = arena_new(16384, 16 << 20);
    const struct json *doc = a ? json_load(a, line, NULL) : NULL;
    const struct json *entries = json_get(doc, "entries");

    for (const struct json *e = entries ? entries->child : NULL; e; e = e->next)
        declare(v, e);
}

static void erased_end(struct verify *v)
{
    uint64_t count = 0, first = 0;

    for (size_t at = 0; at < v->erased.n; at++)
        for (size_t w = 0; v->erased.chunk[at] && w < WORDS; w++) {
            uint64_t word = v->erased.chunk[at][w];

            if (word && !count)
                first = at * CHUNK_ENTRIES + w * 64 + (uint64_t)__builtin_ctzll(word);
            count += (uint64_t)__builtin_popcountll(word);
        }
    if (count)
        verify_warning(v, "ERASED_UNDECLARED", first,
                       "personal values of %llu entries were dropped and no entry says so; the "
                       "first is %llu",
                       (unsigned long long)count, (unsigned long long)first);
}

/* ---- types that matter ---- */

static void on_epoch(struct verify *v, uint64_t index, struct slice line UNUSED)
{
    while (v->next_epoch < v->nepochs && v->epochs[v->next_epoch].size < index + 1)
        v->next_epoch++;
    if (v->next_epoch < v->nepochs && v->epochs[v->next_epoch].size == index + 1)
        v->next_epoch++;
    else if (index + 1 == v->checkpoint.size)
        v->roll_open = true;
    else
        verify_fault(v, "EPOCH_GAP", index, "the epoch key of entry %llu has no proof",
                     (unsigned long long)index);
}

static void on_prune(struct verify *v, uint64_t index, struct slice line)
{
    uint64_t min;

    if (parse_u64(line_member(line, "min"), 0, index, &min) == 0 && min > v->pruned_to)
        v->pruned_to = min;
}

static void on_stop(struct verify *v, uint64_t index UNUSED, struct slice line UNUSED)
{
    v->stopped = true;
}

static void on_start(struct verify *v, uint64_t index UNUSED, struct slice line UNUSED)
{
    v->stopped = false;
}

static const struct {
    struct slice type;
    void (*act)(struct verify *v, uint64_t index, struct slice line);
} types[] = {
    { { "key.epoch", 9 }, on_epoch },     { { "trail.prune", 11 }, on_prune },
    { { "pii.erase", 9 }, on_erase },     { { "daemon.stop", 11 }, on_stop },
    { { "trail.genesis", 13 }, on_stop }, { { "trail.close", 11 }, on_stop },
    { { "daemon.start", 12 }, on_start },
};

/* Longer than two heartbeats while the daemon should have written some. */
static void look_for_gap(struct verify *v, uint64_t index, uint64_t before_us)
{
    uint64_t silence = v->judge.last_us - before_us;

    if (before_us == 0 || v->stopped || silence <= 2 * v->heartbeat_us ||
        slice_is(v->judge.type, "clock.step")) /* it says itself what the clock did */
        return;
    v->gap.count++;
    if (silence <= v->gap.longest_us)
        return;
    v->gap.longest_us = silence;
    v->gap.at = index;
}

void verify_entry(struct verify *v, uint64_t index, struct slice line, uint64_t before_us)
{
    v->report->pii_checked += v->judge.values;
    v->report->pii_erased += v->judge.erased;
    if (v->judge.erased)
        set_erased(v, index);
    look_for_gap(v, index, before_us);
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (slice_eq(v->judge.type, types[i].type))
            types[i].act(v, index, line);
}

static void gap_end(struct verify *v)
{
    if (v->gap.count)
        verify_warning(v, "GAP", v->gap.at,
                       "%llu times nothing was written for more than two heartbeats; the longest "
                       "time, %llu s, ends with entry %llu",
                       (unsigned long long)v->gap.count,
                       (unsigned long long)(v->gap.longest_us / USEC_PER_SEC),
                       (unsigned long long)v->gap.at);
}

void verify_entries_end(struct verify *v)
{
    uint64_t first = v->nfirst ? v->first[0] : 0;

    if (v->roll_open && !verify_epoch_now(v, (unsigned)v->next_epoch))
        verify_warning(v, "EPOCH_OPEN", v->checkpoint.size - 1,
                       "the newest epoch key has no proof yet: the daemon ended in between");
    if (first > v->pruned_to)
        verify_fault(v, "PRUNE_UNDECLARED", first,
                     "the log begins with entry %llu, and no entry says that it was pruned",
                     (unsigned long long)first);
    gap_end(v);
    erased_end(v);
}

void verify_entries_fini(struct verify *v)
{
    for (size_t i = 0; i < v->erased.n; i++)
        free(v->erased.chunk[i]);
    free(v->erased.chunk);
}
