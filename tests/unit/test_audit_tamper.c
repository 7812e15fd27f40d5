/*
 * What somebody does to a trail, and what verification calls it. The trail has four tiles in three
 * segments, three epochs, personal values and a kept note; the anchors are elsewhere.
 *
 * Bits and lengths are sampled; TW_TAMPER=all takes every one of them (hours).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tests/unit/trail_rig.h"

#define FIRST "log/00000000000000000000.jsonl"
#define MIDDLE "log/00000000000000000512.jsonl"
#define LAST "log/00000000000000000768.jsonl"

static struct trail_rig *made(void)
{
    struct trail_rig *t = rig_new();
    char from[320], to[360];

    rig_fill(t);
    rig_path(t, "checkpoint", from);
    rig_path(t, "checkpoints/00000000000000000845", to);
    rig_copy(from, to);
    rig_open(t); /* stopped well: goes on in the same epoch */
    (void)rig_entry(t, "daemon.start", "");
    rig_entries(t, 7);
    (void)rig_entry(t, "daemon.stop", "");
    rig_close(t);
    assert_true(rig_verify(t));
    return t;
}

static struct trail_rig *template;

static int make_template(void **state UNUSED)
{
    template = made();
    return 0;
}

static int remove_template(void **state UNUSED)
{
    rig_free(template);
    return 0;
}

static int make(void **state)
{
    *state = rig_clone(template);
    return 0;
}

static int unmake(void **state)
{
    rig_free(*state);
    return 0;
}

static bool all(void)
{
    const char *word = getenv("TW_TAMPER");

    return word && strcmp(word, "all") == 0;
}

/* What a fault in a file of this folder may be called: what of it was hit decides. */
static const struct {
    const char *folder, *codes;
} faults[] = {
    { "checkpoint", "CHECKPOINT_FORMAT ORIGIN SIG_BAD SIG_UNKNOWN EPOCH_KEY ROLLBACK MISSING" },
    { "checkpoints/", "CHECKPOINT_FORMAT ORIGIN SIG_BAD SIG_UNKNOWN EPOCH_KEY" },
    { "epochs/", "EPOCH_CHAIN EPOCH_KEY EPOCH_GAP ORIGIN" },
    { "tile/", "TILE_BAD TILE_SIZE MISSING" },
    { "log/", "EDITED INSERTED DELETED TRUNCATED MISSING PRUNE_UNDECLARED FORMAT PII" },
};

/* The first fault, without warnings, is one of these words. */
static bool one_of(const struct trail_rig *t, const char *codes)
{
    struct slice rest = slice_str(t->codes), code, more = slice_str(codes), word;

    while (rest.n && slice_split(&rest, ' ', &code) && slice_starts(code, SLICE("(")))
        ;
    while (more.n && slice_split(&more, ' ', &word))
        if (slice_eq(word, code))
            return true;
    return false;
}

static void seen(struct trail_rig *t, const char *what, const char *name, size_t at,
                 const char *codes)
{
    bool good = rig_verify(t);

    if (!good && one_of(t, codes))
        return;
    print_message("%s, %s, %zu: %s %s\n", what, name, at, good ? "good" : "not good", t->codes);
    fail();
}

static const char *faults_of(const char *name)
{
    for (size_t i = ARRAY_SIZE(faults); i-- > 0;)
        if (strncmp(name, faults[i].folder, strlen(faults[i].folder)) == 0)
            return faults[i].codes;
    return "";
}

/* Files that verification must not do without. */
static void each_file(struct trail_rig *t,
                      void (*fn)(struct trail_rig *t, const char *name, struct buf *bytes))
{
    struct rig_files files = { .n = 0 };

    rig_list(t, "", &files);
    assert_int_equal(files.n, 13);
    for (size_t i = 0; i < files.n; i++) {
        AUTO_BUF bytes = BUF_INIT;

        rig_read(t, files.names[i], &bytes);
        fn(t, files.names[i], &bytes);
        rig_write(t, files.names[i], buf_view(&bytes));
    }
    assert_true(rig_verify(t));
}

/* ---- bits, lengths, whole files ---- */

static void flip_bits(struct trail_rig *t, const char *name, struct buf *bytes)
{
    size_t bits = bytes->n * 8, step = all() ? 1 : bits / 40 + 1;

    step += step % 8 == 0; /* not the same bit of each byte */
    for (size_t i = 0; i < bits; i += step) {
        bytes->p[i / 8] ^= (char)(1 << (i % 8));
        rig_write(t, name, buf_view(bytes));
        seen(t, "bit", name, i, faults_of(name));
        bytes->p[i / 8] ^= (char)(1 << (i % 8));
    }
}

static void every_flipped_bit_of_every_file_is_seen(void **state)
{
    each_file(*state, flip_bits);
}

static void cut(struct trail_rig *t, const char *name, struct buf *bytes)
{
    size_t step = all() ? 1 : bytes->n / 8 + 1;

    for (size_t n = 0; n < bytes->n; n += step) {
        rig_write(t, name, slice_take(buf_view(bytes), n));
        seen(t, "cut to", name, n, faults_of(name));
    }
    rig_write(t, name, slice_take(buf_view(bytes), bytes->n - 1));
    seen(t, "cut to", name, bytes->n - 1, faults_of(name));
}

static void every_file_that_was_cut_is_seen(void **state)
{
    each_file(*state, cut);
}

static void fill_with_anything(struct trail_rig *t, const char *name, struct buf *bytes)
{
    AUTO_BUF random = BUF_INIT;
    uint64_t x = 88172645463325252u;

    for (size_t i = 0; i < bytes->n; i++) {
        x = x * 6364136223846793005u + 1442695040888963407u;
        buf_char(&random, (char)(x >> 56));
    }
    rig_write(t, name, buf_view(&random));
    seen(t, "anything in", name, 0, faults_of(name));
    buf_reset(&random);
    for (size_t i = 0; i < bytes->n; i++)
        buf_char(&random, i % 80 == 79 ? '\n' : '\0');
    rig_write(t, name, buf_view(&random));
    seen(t, "zeros in", name, 0, faults_of(name));
}

static void every_file_of_random_bytes_is_seen(void **state)
{
    each_file(*state, fill_with_anything);
}

static void remove_it(struct trail_rig *t, const char *name, struct buf *bytes UNUSED)
{
    rig_remove(t, name);
    if (strncmp(name, "checkpoints/", 12) == 0)
        assert_true(rig_verify(t)); /* who keeps a note elsewhere sees more: see below */
    else
        seen(t, "removed", name, 0, faults_of(name));
}

static void every_removed_file_is_seen_but_a_kept_note(void **state)
{
    each_file(*state, remove_it);
}

/* A directory, a link or nothing readable in its place is no crash and not good. */
static void a_folder_in_the_place_of_a_file_is_seen(void **state)
{
    struct trail_rig *t = *state;
    struct rig_files files = { .n = 0 };

    rig_list(t, "", &files);
    for (size_t i = 0; i < files.n; i++) {
        AUTO_BUF bytes = BUF_INIT;
        char path[320];

        if (strncmp(files.names[i], "checkpoints/", 12) == 0)
            continue;
        rig_read(t, files.names[i], &bytes);
        rig_remove(t, files.names[i]);
        rig_path(t, files.names[i], path);
        assert_int_equal(mkdir(path, 0750), 0);
        seen(t, "folder", files.names[i], 0, faults_of(files.names[i]));
        assert_int_equal(rmdir(path), 0);
        assert_int_equal(symlink("/dev/zero", path), 0);
        seen(t, "link", files.names[i], 0, faults_of(files.names[i]));
        assert_int_equal(unlink(path), 0);
        rig_write(t, files.names[i], buf_view(&bytes));
    }
    assert_true(rig_verify(t));
}

/* ---- lines ---- */

struct segment_lines {
    struct slice line[1024];
    size_t n;
};

static void split(const struct buf *bytes, struct segment_lines *out)
{
    struct slice rest = buf_view(bytes);

    out->n = 0;
    while (rest.n && out->n < ARRAY_SIZE(out->line) && slice_split(&rest, '\n', &out->line[out->n]))
        out->n++;
}

static void join(struct trail_rig *t, const char *name, const struct slice *line, size_t n)
{
    AUTO_BUF out = BUF_INIT;

    for (size_t i = 0; i < n; i++) {
        buf_slice(&out, line[i]);
        buf_char(&out, '\n');
    }
    rig_write(t, name, buf_view(&out));
}

static void drop(struct slice *line, size_t *n, size_t at)
{
    memmove(&line[at], &line[at + 1], (*n - at - 1) * sizeof *line);
    --*n;
}

static void swap(struct slice *line, size_t *n UNUSED, size_t at)
{
    struct slice s = line[at];

    line[at] = line[at + 1];
    line[at + 1] = s;
}

static void doubled(struct slice *line, size_t *n, size_t at)
{
    memmove(&line[at + 1], &line[at], (*n - at) * sizeof *line);
    ++*n;
}

static void forge(struct slice *line, size_t *n, size_t at)
{
    doubled(line, n, at);
    line[at] = SLICE("{\"i\":17,\"t\":\"2026-09-21T14:13:20.000000Z\",\"type\":\"event\"}");
}

static void edit(struct slice *line, size_t *n UNUSED, size_t at)
{
    static char text[4096];

    assert_true(line[at].n < sizeof text);
    memcpy(text, line[at].p, line[at].n);
    text[30] = text[30] == '7' ? '8' : '7'; /* a digit of its time */
    line[at].p = text;
}

static const struct {
    void (*change)(struct slice *line, size_t *n, size_t at);
    const char *what, *code, *last; /* last: of the last line of the trail; NULL: not possible */
} changes[] = {
    { drop, "dropped", "DELETED", "TRUNCATED" },
    { swap, "swapped", "REORDERED", NULL },
    { doubled, "doubled", "INSERTED", "" }, /* behind what is signed: no part of the trail */
    { forge, "forged before", "INSERTED", "INSERTED" },
    { edit, "edited", "EDITED", "EDITED" },
};

static void change_lines(struct trail_rig *t, const char *name)
{
    AUTO_BUF bytes = BUF_INIT;
    static struct segment_lines was, now;
    bool newest = strcmp(name, LAST) == 0;

    rig_read(t, name, &bytes);
    split(&bytes, &was);
    for (size_t c = 0; c < ARRAY_SIZE(changes); c++)
        for (size_t at = 0; at < was.n; at += all() ? 1 : was.n / 9 + 1) {
            size_t here = at + was.n / 9 + 1 < was.n || all() ? at : was.n - 1;
            const char *code = changes[c].code;

            if (here == was.n - 1 && changes[c].change == swap)
                here--;
            if (here == was.n - 1 && newest)
                code = changes[c].last;
            now = was;
            changes[c].change(now.line, &now.n, here);
            join(t, name, now.line, now.n);
            if (code[0])
                seen(t, changes[c].what, name, here, code);
            else
                assert_true(rig_verify(t));
        }
    rig_write(t, name, buf_view(&bytes));
}

static void every_line_that_is_dropped_swapped_doubled_forged_or_edited_is_named(void **state)
{
    struct trail_rig *t = *state;

    change_lines(t, FIRST);
    change_lines(t, MIDDLE);
    change_lines(t, LAST);
    assert_true(rig_verify(t));
}

static void bytes_behind_a_closed_segment_are_seen(void **state)
{
    struct trail_rig *t = *state;
    AUTO_BUF bytes = BUF_INIT;

    rig_read(t, FIRST, &bytes);
    buf_str(&bytes, "{\"i\":512,\"type\":\"note to the reader\"");
    rig_write(t, FIRST, buf_view(&bytes));
    seen(t, "bytes behind", FIRST, bytes.n, "INSERTED");
}

/* ---- what needs an anchor ---- */

static void anchor(const struct trail_rig *t, char out[320])
{
    char path[320];

    snprintf(out, 320, "%.150s/note", t->folder);
    rig_path(t, "checkpoint", path);
    rig_copy(path, out);
}

static void a_folder_that_was_rolled_back_needs_a_note_to_be_seen(void **state)
{
    struct trail_rig *t = *state;
    char copy[320], note[320];

    snprintf(copy, sizeof copy, "%.150s/copy", t->folder);
    rig_copy(t->trail, copy);
    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    rig_entries(t, 20);
    rig_close(t);
    anchor(t, note);
    assert_true(rig_verify_against(t, note));
    rig_copy(copy, t->trail);
    assert_true(rig_verify(t)); /* docs/trail.md says so */
    assert_false(rig_verify_against(t, note));
    assert_true(rig_found(t, "ROLLBACK"));
}

static void two_histories_of_one_key_need_a_note_to_be_seen(void **state)
{
    struct trail_rig *t = *state;
    char copy[320], note[320];

    snprintf(copy, sizeof copy, "%.150s/copy", t->folder);
    rig_copy(t->trail, copy);
    rig_open(t);
    (void)rig_entry(t, "event", "\"n\":1");
    rig_close(t);
    anchor(t, note);
    rig_copy(copy, t->trail);
    rig_open(t);
    (void)rig_entry(t, "event", "\"n\":2");
    (void)rig_entry(t, "event", "\"n\":3");
    rig_close(t);
    assert_true(rig_verify(t));
    assert_false(rig_verify_against(t, note));
    assert_true(rig_found(t, "FORK"));
}

static void another_trail_in_its_place_is_seen_by_either_anchor(void **state)
{
    struct trail_rig *t = *state, *other = made();
    struct audit_verify_options o = { .folder = other->trail };

    assert_true(rig_verify_as(other, &o)); /* its own word is taken, and that is told */
    assert_true(rig_found(other, "(NO_ANCHOR)"));
    assert_true(rig_found(other, "(NO_EPOCH_ANCHOR)"));
    o.identity_vkey = t->anchors.identity_vkey;
    assert_false(rig_verify_as(other, &o));
    o.identity_vkey = NULL;
    o.epoch_vkey = t->anchors.epoch_vkey;
    assert_false(rig_verify_as(other, &o));
    assert_true(rig_found(other, "EPOCH_KEY"));
    rig_free(other);
}

/* ---- stolen keys ---- */

static int add_line(void *ctx, uint64_t index UNUSED, struct slice line)
{
    struct hash leaf = leaf_of_line(line);
    struct audit *a = ctx;

    return edge_add(a->edge, &leaf, trail_keep_full, a);
}

/* Who has the keys of today makes tiles and a checkpoint of whatever the log holds now. */
static void sign_anew(struct trail_rig *t)
{
    const struct signing_key *keys[2];
    AUTO_BUF note = BUF_INIT;
    struct audit *a = trail_alloc(&t->config);

    assert_int_equal(trail_open_folders(a, NULL), 0);
    assert_int_equal(trail_load_keys(a, NULL), 0);
    assert_int_equal(audit_each(t->trail, 0, add_line, a, NULL), 0);
    assert_int_equal(trail_write_tiles(a, NULL), 0);
    keys[0] = &a->identity;
    keys[1] = &a->epoch;
    trail_make_note(a, keys, 2, &note);
    rig_write(t, "checkpoint", buf_view(&note));
    rig_remove(t, "checkpoints/00000000000000000845");
    audit_free(a);
}

static void edit_in(struct trail_rig *t, const char *name, size_t at)
{
    AUTO_BUF bytes = BUF_INIT;
    static struct segment_lines l;

    rig_read(t, name, &bytes);
    split(&bytes, &l);
    l.line[at] = slice_str(l.line[at].p);
    l.line[at].n = slice_find_byte(l.line[at], '\n');
    for (char *p = bytes.p + (l.line[at].p - bytes.p); *p != '\n'; p++)
        if (strncmp(p, "\"api\"", 5) == 0)
            memcpy(p, "\"apx\"", 5);
    rig_write(t, name, buf_view(&bytes));
}

static void stolen_keys_change_nothing_before_the_last_epoch(void **state)
{
    struct trail_rig *t = *state;
    char note[320];

    anchor(t, note);
    edit_in(t, FIRST, 40);
    seen(t, "edited", FIRST, 40, "EDITED");
    sign_anew(t);
    seen(t, "signed anew", FIRST, 40, "EPOCH_CHAIN");
}

static void stolen_keys_change_what_the_last_epoch_holds_but_not_a_kept_note(void **state)
{
    struct trail_rig *t = *state;
    char note[320];

    anchor(t, note);
    edit_in(t, LAST, 850 - 768);
    sign_anew(t);
    assert_true(rig_verify(t)); /* docs/trail.md says so */
    assert_false(rig_verify_against(t, note));
    assert_true(rig_found(t, "FORK"));
}

/* The proof that named today's key, made again for the new history: yesterday's key is wiped. */
static void stolen_keys_cannot_sign_themselves_in(void **state)
{
    struct trail_rig *t = *state;
    const struct signing_key *keys[2];
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF old = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    size_t empty;
    struct audit *a = trail_alloc(&t->config);

    assert_int_equal(trail_open_folders(a, NULL), 0);
    assert_int_equal(trail_load_keys(a, NULL), 0);
    rig_read(t, "epochs/000002.tlog-proof", &old);
    empty = slice_find(buf_view(&old), SLICE("\n\n")) + 2;
    {
        struct note n;

        assert_int_equal(note_parse(slice_skip(buf_view(&old), empty), &n), 0);
        keys[0] = &a->identity;
        keys[1] = &a->epoch;
        note_sign(&note, n.text, keys, 2);
    }
    buf_slice(&out, slice_take(buf_view(&old), empty));
    buf_slice(&out, buf_view(&note));
    rig_write(t, "epochs/000002.tlog-proof", buf_view(&out));
    seen(t, "signed in by itself", "epochs/000002.tlog-proof", 0, "EPOCH_KEY");
    audit_free(a);
}

static void epochs_out_of_order_are_seen(void **state)
{
    struct trail_rig *t = *state;
    AUTO_BUF one = BUF_INIT;
    AUTO_BUF two = BUF_INIT;

    rig_read(t, "epochs/000001.tlog-proof", &one);
    rig_read(t, "epochs/000002.tlog-proof", &two);
    rig_write(t, "epochs/000001.tlog-proof", buf_view(&two));
    rig_write(t, "epochs/000002.tlog-proof", buf_view(&one));
    seen(t, "swapped", "epochs", 1, "EPOCH_CHAIN");
    rig_write(t, "epochs/000001.tlog-proof", buf_view(&one));
    seen(t, "doubled", "epochs", 1, "EPOCH_CHAIN");
}

/* A checkpoint of our own log, signed by the identity key and a key that was never named. */
static void a_forged_checkpoint_is_seen(void **state)
{
    struct trail_rig *t = *state;
    uint8_t seed[32] = { 7 };
    struct signing_key mine;
    struct audit *a = trail_alloc(&t->config);
    const struct signing_key *keys[] = { &a->identity, &mine };
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF was = BUF_INIT;
    struct note n;

    assert_int_equal(key_from_seed(&mine, "test.example/1", seed), 0);
    assert_int_equal(trail_open_folders(a, NULL), 0);
    assert_int_equal(trail_load_keys(a, NULL), 0);
    rig_read(t, "checkpoint", &was);
    assert_int_equal(note_parse(buf_view(&was), &n), 0);
    note_sign(&note, n.text, keys, 2);
    rig_write(t, "checkpoint", buf_view(&note));
    seen(t, "an unknown epoch key", "checkpoint", 0, "EPOCH_KEY");
    buf_reset(&note);
    keys[0] = &mine;
    note_sign(&note, n.text, keys, 1);
    rig_write(t, "checkpoint", buf_view(&note));
    seen(t, "unknown keys", "checkpoint", 0, "SIG_UNKNOWN");
    audit_free(a);
}

int main(void)
{
#define ON_TRAIL(name) cmocka_unit_test_setup_teardown(name, make, unmake)
    const struct CMUnitTest tests[] = {
        ON_TRAIL(every_flipped_bit_of_every_file_is_seen),
        ON_TRAIL(every_file_that_was_cut_is_seen),
        ON_TRAIL(every_file_of_random_bytes_is_seen),
        ON_TRAIL(every_removed_file_is_seen_but_a_kept_note),
        ON_TRAIL(a_folder_in_the_place_of_a_file_is_seen),
        ON_TRAIL(every_line_that_is_dropped_swapped_doubled_forged_or_edited_is_named),
        ON_TRAIL(bytes_behind_a_closed_segment_are_seen),
        ON_TRAIL(a_folder_that_was_rolled_back_needs_a_note_to_be_seen),
        ON_TRAIL(two_histories_of_one_key_need_a_note_to_be_seen),
        ON_TRAIL(another_trail_in_its_place_is_seen_by_either_anchor),
        ON_TRAIL(stolen_keys_change_nothing_before_the_last_epoch),
        ON_TRAIL(stolen_keys_change_what_the_last_epoch_holds_but_not_a_kept_note),
        ON_TRAIL(stolen_keys_cannot_sign_themselves_in),
        ON_TRAIL(epochs_out_of_order_are_seen),
        ON_TRAIL(a_forged_checkpoint_is_seen),
    };

    return cmocka_run_group_tests(tests, make_template, remove_template);
}
