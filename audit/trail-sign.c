/* Signing: tiles, the checkpoint, and the proof that ends an epoch. */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/fault.h"
#include "base/file.h"

#define CHECKPOINT_US USEC_PER_SEC

/* None of them counts as written before all are durable. */
static int write_full(struct audit *a, struct err *err)
{
    struct tile_writer w = { .dir = a->dir };
    int r = 0, done;

    for (size_t i = a->nfull_written; r == 0 && i < a->nfull; i++) {
        const struct full_tile *t = &a->full[i];

        r = tile_put(&w, t->level, t->n, t->hashes, TILE_WIDTH, err);
        if (r == 0)
            fault_point(FAULT_TRAIL_AFTER_TILE);
    }
    done = tile_done(&w, r < 0 ? NULL : err);
    if (r < 0 || done < 0)
        return r < 0 ? r : done;
    for (; a->nfull_written < a->nfull; a->nfull_written++)
        a->written[a->full[a->nfull_written].level] = 0;
    return 0;
}

int trail_write_tiles(struct audit *a, struct err *err)
{
    if (write_full(a, err) < 0)
        return err_code(err);
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        unsigned width = (unsigned)edge_width(a->edge, level);

        if (width == 0 || width == a->written[level])
            continue;
        if (tile_write(a->dir, level, (a->edge->size >> (level * 8)) / TILE_WIDTH,
                       a->edge->tile[level], width, err) < 0)
            return err_code(err);
        a->written[level] = width;
        a->untidy[level] = true;
        fault_point(FAULT_TRAIL_AFTER_TILE);
    }
    return 0;
}

/* The new checkpoint is signed: the tiles that only the former one needed may go. */
static void tidy_tiles(struct audit *a)
{
    for (size_t i = 0; i < a->nfull_written; i++)
        tile_tidy(a->dir, a->full[i].level, a->full[i].n, TILE_WIDTH);
    a->nfull = a->nfull_written = 0;
    for (unsigned level = 0; level < LEVELS_MAX; level++) {
        if (a->untidy[level])
            tile_tidy(a->dir, level, (a->edge->size >> (level * 8)) / TILE_WIDTH,
                      a->written[level]);
        a->untidy[level] = false;
    }
}

void trail_make_note(const struct audit *a, const struct signing_key *const *keys, size_t n,
                     struct buf *out)
{
    AUTO_BUF text = BUF_INIT;
    struct hash root = edge_root(a->edge);

    checkpoint_text(&text, a->config.origin, a->edge->size, &root);
    buf_reset(out);
    note_sign(out, buf_view(&text), keys, n);
    out->failed = out->failed || text.failed;
}

/* The proof that entry `index`, the newest, is in the tree of this size. */
static int proof_of_last(const struct audit *a, struct slice leaf, struct buf *out)
{
    struct hash path[LEVELS_MAX * 8];
    uint64_t index = a->edge->size - 1;
    size_t n = 0;

    /* The newest leaf's siblings are the perfect subtrees to its left, smallest first. */
    for (unsigned level = 0; level < LEVELS_MAX; level++)
        for (size_t bit = 1; bit < TILE_WIDTH; bit <<= 1) {
            size_t width = (size_t)(index >> (level * 8)) % TILE_WIDTH;
            struct hash part[TILE_WIDTH];

            if (!(width & bit))
                continue;
            memcpy(part, &a->edge->tile[level][width & ~(bit * 2 - 1)], bit * sizeof *part);
            path[n++] = merkle_root(part, bit);
        }
    proof_text(out, leaf, index, path, n, buf_view(&a->note));
    return buf_ok(out) ? 0 : -ENOMEM;
}

struct find_line {
    uint64_t index;
    struct buf leaf;
};

static int on_find(void *ctx, uint64_t index, struct slice line)
{
    struct find_line *f = ctx;

    if (index != f->index)
        return 0;
    return leaf_data(line, &f->leaf) < 0 ? -ENOMEM : 1;
}

/* epochs/N.tlog-proof: the entry that announced key N, proved by the note just signed. */
int trail_write_epoch_proof(struct audit *a, unsigned n, struct err *err)
{
    struct find_line f = { .index = a->edge->size - 1, .leaf = BUF_INIT };
    struct segment_end end;
    AUTO_BUF proof = BUF_INIT;
    char path[48];
    int r = segment_each(a->dir, a->end.segment, on_find, &f, &end, err);

    if (r == 1 && proof_of_last(a, buf_view(&f.leaf), &proof) < 0) {
        r = err_nomem(err);
    } else if (r == 1) {
        snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n);
        r = buf_ok(&proof) ? file_replace(a->dir, path, buf_view(&proof), 0640, err)
                           : err_nomem(err);
    } else if (r >= 0) {
        r = err_set(err, -EUCLEAN, "the entry of the new epoch is not there");
    }
    buf_fini(&f.leaf);
    return r;
}

/* The old secret is gone for good once the proof of the new one is durable. */
static int finish_roll(struct audit *a, struct err *err)
{
    char name[40];

    fault_point(FAULT_TRAIL_EPOCH_SIGNED);
    if (trail_write_epoch_proof(a, a->epoch_n + 1, err) < 0)
        return err_code(err);
    fault_point(FAULT_TRAIL_EPOCH_PROVED);
    trail_epoch_file(name, a->epoch_n);
    unlinkat(a->key_dir, name, 0);
    fsync(a->key_dir);
    key_wipe(&a->epoch);
    a->epoch = a->next_epoch;
    key_wipe(&a->next_epoch);
    a->epoch_n++;
    a->roll_at = 0;
    a->epoch_start_us = trail_now(a);
    return 0;
}

bool audit_unsigned(const struct audit *a)
{
    return a->end.count > a->signed_size || a->roll_at;
}

static int sign(struct audit *a, struct err *err)
{
    const struct signing_key *keys[] = { &a->identity, &a->epoch, &a->next_epoch };
    uint64_t mono = clock_mono(a->config.clock);

    if (trail_write_tiles(a, err) < 0)
        return err_code(err);
    fault_point(FAULT_TRAIL_BEFORE_SIGN);
    trail_make_note(a, keys, a->roll_at ? 3 : 2, &a->note);
    if (!buf_ok(&a->note))
        return err_nomem(err);
    if (file_replace(a->dir, "checkpoint", buf_view(&a->note), 0640, err) < 0)
        return err_code(err);
    a->signed_size = a->end.count;
    a->signed_us = mono;
    fault_point(FAULT_TRAIL_AFTER_CHECKPOINT);
    tidy_tiles(a);
    return a->roll_at ? finish_roll(a, err) : 0;
}

bool audit_checkpoint_due(const struct audit *a, bool at_once)
{
    return audit_unsigned(a) &&
           (at_once || clock_mono(a->config.clock) >= a->signed_us + CHECKPOINT_US);
}

int audit_checkpoint(struct audit *a, bool at_once, struct err *err)
{
    if (!audit_checkpoint_due(a, at_once))
        return 0;
    return trail_outcome(&a->sign_tries, sign(a, err), err);
}
