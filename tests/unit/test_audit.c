/* The published vectors of trail format 1, recovery, and what verification calls each change. */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "base/fault.h"
#include "base/file.h"
#include "base/proc.h"

/* ---- V1 to V3: docs/trail.md ---- */

static void seed_of(const char *label, uint8_t seed[32])
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "trailwarden test key %s", label);
    sha256(b.p, b.n, seed);
}

static void key_of(struct signing_key *k, const char *name, const char *label)
{
    uint8_t seed[32];

    seed_of(label, seed);
    assert_int_equal(key_from_seed(k, name, seed), 0);
}

static void assert_hash(const struct hash *h, const char *hex)
{
    AUTO_BUF b = BUF_INIT;

    buf_hex(&b, h->b, HASH_SIZE);
    assert_string_equal(b.p, hex);
}

static const char v1_line[] =
    "{\"i\":0,\"t\":\"2026-07-30T12:00:00.000000Z\",\"type\":\"trail.genesis\",\"format\":"
    "\"trailwarden-trail/1\",\"origin\":\"trail.example/vpn1\",\"epoch\":0,\"vkey\":"
    "\"trail.example/vpn1+c21fc9a1+Acc19bgB46vRlJW2k9LnwCXrBlAoU0c21zUwS0gYae+V\",\"epoch_vkey\":"
    "\"trail.example/vpn1+b67be0b7+AW1Jo5Jh+xu7iKGiwv1z1KpKpIxlSih004Iw1LZ0G6FN\",\"heartbeat_s\":"
    "300,\"epoch_s\":86400}";

/* Proofs over leaves that are all in memory. */
static int of_leaves(void *ctx, uint64_t from, uint64_t n, struct hash *ret)
{
    const struct hash *leaves = ctx;
    struct hash *copy = malloc((size_t)n * sizeof *copy);

    memcpy(copy, leaves + from, (size_t)n * sizeof *copy);
    *ret = merkle_root(copy, (size_t)n);
    free(copy);
    return 0;
}

static size_t inclusion(struct hash *leaves, size_t size, size_t index, struct hash out[64])
{
    struct subtrees t = { of_leaves, leaves };
    size_t n;

    assert_int_equal(merkle_inclusion(&t, index, size, out, &n), 0);
    return n;
}

static size_t consistency(struct hash *leaves, size_t size, size_t old, struct hash out[64])
{
    struct subtrees t = { of_leaves, leaves };
    size_t n;

    assert_int_equal(merkle_consistency(&t, old, size, out, &n), 0);
    return n;
}

static void keys_and_checkpoint_are_those_of_the_first_vector(void **state)
{
    struct signing_key identity, epoch;
    const struct signing_key *keys[] = { &identity, &epoch };
    struct hash leaf = leaf_of_line(slice_str(v1_line));
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct vkey parsed;

    (void)state;
    key_of(&identity, "trail.example/vpn1", "1 identity");
    key_of(&epoch, "trail.example/vpn1", "1 epoch 0");
    vkey_text(&identity.public, &b);
    assert_string_equal(b.p,
                        "trail.example/vpn1+c21fc9a1+Acc19bgB46vRlJW2k9LnwCXrBlAoU0c21zUwS0gYae+V");
    assert_int_equal(vkey_parse(buf_view(&b), &parsed), 0);
    assert_memory_equal(parsed.key, identity.public.key, 32);
    assert_int_equal(strlen(v1_line), 339);
    assert_hash(&leaf, "021d005e25ab33dde95aaacc6e216febf54f514a7733de2e1fe125cf77c12c7a");
    buf_reset(&b);
    checkpoint_text(&text, "trail.example/vpn1", 1, &leaf);
    note_sign(&b, buf_view(&text), keys, 2);
    assert_string_equal(
        b.p,
        "trail.example/vpn1\n1\nAh0AXiWrM93pWqrMbiFv6/VPUUp3M94uH+Elz3fBLHo=\n\n"
        "\xe2\x80\x94 trail.example/vpn1 wh/JoSw4OHmAJaSuT2cr9VY6PRSJwGoY6CjLJxpPW8dR3Bp1eMJekL1"
        "Ca9HDS8aUNObq3v4tLD+jiVhwustpgkoPawo=\n"
        "\xe2\x80\x94 trail.example/vpn1 tnvgtx1A1trvlRc9hQxiv013tRHIq2k7a6yqhYu4TjOdZIPpnrFFImU"
        "NEna4obZKjHZZ9ZY6/lvc3OWG1kAckJIL2w8=\n");
}

static const char *const v2_lines[] = {
    v1_line,
    "{\"i\":1,\"t\":\"2026-07-30T12:00:01.000000Z\",\"type\":\"daemon.start\",\"version\":\"1.0."
    "0\"}",
    "{\"i\":2,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"auth.fail\",\"ch\":\"api\",\"rule\":"
    "\"api-login\",\"sd\":{\"src_ip\":\"9HrtXjbGVZ3oiUepGz8QdqwSyAVCcf2eNTrP2wcur6U=\",\"user\":"
    "\"tXArl4KIVUTnsxSGRxeo6VR1ci7RyiXdygv/lcGs4eI=\"}\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/"
    "jCCyORPLYQ\",\"203.0.113.7\"],\"user\":[\"BQ32FEf01mZdLFzI4dPsCQ\",\"al\\\"ice\xc3\xa9\"]}}",
    "{\"i\":3,\"t\":\"2026-07-30T12:00:03.000000Z\",\"type\":\"heartbeat\"}",
    "{\"i\":4,\"t\":\"2026-07-30T12:05:03.000000Z\",\"type\":\"block.add\",\"set\":\"tw4\",\"ttl_"
    "s\":"
    "3600,\"sd\":{\"src_ip\":\"+BhK8xzT2Xj0xmIhByPiMNCXpWiVrVABClrN2QQEsLw=\"}\t,\"pii\":{\"src_"
    "ip\":[\"eaMwEWHTTs1ELhvllc0xGA\",\"203.0.113.7\"]}}",
};

static void leaves_roots_and_proofs_are_those_of_the_second_vector(void **state)
{
    static const char *const leaves[] = {
        "021d005e25ab33dde95aaacc6e216febf54f514a7733de2e1fe125cf77c12c7a",
        "6f0f93e2073b9185ff30b07f3474411343b6dad4da32ff8cc3e96283ceb7945e",
        "c93231ba4c7a66fb17dc6a8d5f72aabd3fd67e5a33f8e8c83021820097349a9f",
        "1fd7fd05445ba479ed9a0cdde72227ba784edba76472a168a2590520a90aa679",
        "8376508dd805c4d63815837c08e59333f380fa2173b1d58a5dfffa24058ec04c",
    };
    static const char *const roots[] = {
        "021d005e25ab33dde95aaacc6e216febf54f514a7733de2e1fe125cf77c12c7a",
        "5c7ca79b20bee739cc667e1714b76ae1548315026ce34a1ca878a60b982bcb59",
        "dfabacd587455586e2a519c6fd4d65aeb4e3cf550b6228d4fc20aa1b0b986f49",
        "e20af609b2429b04d06b31bc85bc3adb5a12598455a39f0c5110a2df70787691",
        "73478d43815aefe54bde428438c1b79887a49e615b2a1d42f68ddf63167550be",
    };
    struct edge *edge = calloc(1, sizeof *edge);
    struct hash all[5], proof[64], root;
    struct line_judge judge = { 0 };
    unsigned pii = 0;

    (void)state;
    for (size_t i = 0; i < 5; i++) {
        all[i] = leaf_of_line(slice_str(v2_lines[i]));
        assert_hash(&all[i], leaves[i]);
        assert_int_equal(edge_add(edge, &all[i], NULL, NULL), 0);
        root = edge_root(edge);
        assert_hash(&root, roots[i]);
        assert_null(line_check(&judge, slice_str(v2_lines[i]), i));
        pii += judge.values;
    }
    assert_int_equal(pii, 3);
    assert_int_equal(inclusion(all, 5, 2, proof), 3);
    assert_hash(&proof[0], leaves[3]);
    assert_hash(&proof[1], roots[1]);
    assert_hash(&proof[2], leaves[4]);
    assert_int_equal(inclusion(all, 5, 4, proof), 1);
    assert_hash(&proof[0], roots[3]);
    assert_int_equal(consistency(all, 5, 3, proof), 4);
    assert_hash(&proof[0], leaves[2]);
    assert_int_equal(consistency(all, 5, 4, proof), 1);
    assert_hash(&proof[0], leaves[4]);
    line_judge_fini(&judge);
    free(edge);
}

/* Leaf data "entry <i>", 70,000 of them: no JSON, the tree alone. */
struct big {
    struct edge edge;
    struct hash *leaves;
    unsigned tiles;
    uint8_t tile_0_0[32], tile_0_272[32], tile_1_0[32];
};

static int on_tile(void *ctx, unsigned level, uint64_t n, const struct hash *hashes)
{
    struct big *b = ctx;
    uint8_t *out = level == 0 && n == 0     ? b->tile_0_0
                   : level == 0 && n == 272 ? b->tile_0_272
                   : level == 1 && n == 0   ? b->tile_1_0
                                            : NULL;

    b->tiles++;
    if (out)
        sha256(hashes, TILE_WIDTH * sizeof *hashes, out);
    return 0;
}

static void assert_digest(const uint8_t digest[32], const char *hex)
{
    struct hash h;

    memcpy(h.b, digest, 32);
    assert_hash(&h, hex);
}

static void the_large_tree_is_that_of_the_third_vector(void **state)
{
    static const struct {
        uint64_t size;
        const char *root;
    } roots[] = {
        { 1, "773885a613489e24ce2cf76199d6a423f042e4bbf12d7eecee912ef276c65701" },
        { 2, "5a47662fd8a317d96049a3f9f47c55dc67ca66051baa3683dbb19b2fe09a07b0" },
        { 3, "94fbd0dd836f50301692e6d0eade728ee19ec52bfff1606ed807c8575d5aaa19" },
        { 255, "cf66793e6329dff242eb3cee0a6f36ad3e3a196dcc573a1ec775e102be863f1c" },
        { 256, "da6596d95369f5fef322ab8e4e0da3b0b50236aa9c8a3b1d246f7411c9e2e32e" },
        { 257, "5c1fdfe835358022f2392de478dbe053fc130cfe1d3a082879a90cf6bf14bf7e" },
        { 65535, "b8cd5046a19969bdc7e89289272390b40dd66ab18a7866c20b8920a6752668a5" },
        { 65536, "07b1a377960a4e12e3348d6e9329ae6316a95b02fb1c22e909231b3aa44861a7" },
        { 65537, "b99c570aaf13b96e026383e8e252e69c7142b3ad7e6e0264f3dc10dfd884d8c5" },
        { 70000, "a3920fba7f239a071a9bd10721f1341addefbaededb41c7e24437a9d16bdf00a" },
    };
    struct big *b = calloc(1, sizeof *b);
    struct hash proof[64], root, old;
    uint8_t digest[32];
    size_t at = 0, n;

    (void)state;
    b->leaves = calloc(70000, sizeof *b->leaves);
    for (unsigned i = 0; i < 70000; i++) {
        char text[24];

        b->leaves[i] =
            merkle_leaf(slice_of(text, (size_t)snprintf(text, sizeof text, "entry %u", i)));
        assert_int_equal(edge_add(&b->edge, &b->leaves[i], on_tile, b), 0);
        if (at < ARRAY_SIZE(roots) && i + 1 == roots[at].size) {
            root = edge_root(&b->edge);
            assert_hash(&root, roots[at++].root);
            if (i + 1 == 65537)
                old = root;
        }
    }
    assert_int_equal(at, ARRAY_SIZE(roots));
    assert_int_equal(b->tiles, 273 + 1);
    assert_digest(b->tile_0_0, "b0f6ca2ff42508faf8c6bb4ea8bb9c74243b19d4174fdc4fd17bdad9099e605e");
    assert_digest(b->tile_0_272,
                  "d376c973cfc357a060af6fd76db51abc5ab4d7be4511104f90d4a433d73f1ecf");
    assert_digest(b->tile_1_0, "44f879be76da41edaf37c0d67303fbd25f2ea44be93285b320561fbaaaaabbfa");
    sha256(b->edge.tile[0], 112 * HASH_SIZE, digest);
    assert_digest(digest, "e31da4e768fc0d0f1f1f0046a1c4b68d71326b04a07951a7d3dcefef0de9b8cd");
    sha256(b->edge.tile[1], 17 * HASH_SIZE, digest);
    assert_digest(digest, "5a8eb2fe63c90ddf7fd813d165c04fa79d6eca48534b61bd312fcd2d1cf0aef3");
    sha256(b->edge.tile[2], HASH_SIZE, digest);
    assert_digest(digest, "7e27fb89709243536fe26030f273fc9f7a73443f5e7ec296b3053aa520623e76");
    n = inclusion(b->leaves, 70000, 69999, proof);
    assert_int_equal(n, 9);
    sha256(proof, n * sizeof *proof, digest);
    assert_digest(digest, "2a8bc48c7658d606eed507c740ee61d87ece2555d453519138390befc347d733");
    n = inclusion(b->leaves, 70000, 12345, proof);
    assert_int_equal(n, 17);
    assert_true(merkle_check_inclusion(&b->leaves[12345], 12345, 70000, proof, n, &root));
    sha256(proof, n * sizeof *proof, digest);
    assert_digest(digest, "c2c267fa58479cfddaafb588b128dd83de6fe1b84c1979b8e5651fe0318cd8e6");
    n = consistency(b->leaves, 70000, 65537, proof);
    assert_int_equal(n, 15);
    assert_true(merkle_check_consistency(65537, 70000, &old, &root, proof, n));
    sha256(proof, n * sizeof *proof, digest);
    assert_digest(digest, "80ad4e40975a22241dac0ed7eeac248fdc477d74512588dbe7cfc0241a299f59");
    free(b->leaves);
    free(b);
}

/* ---- properties ---- */

static void proofs_hold_for_every_small_size_and_for_nothing_else(void **state)
{
    enum { N = 70 };
    struct hash leaves[N], proof[64];

    (void)state;
    for (unsigned i = 0; i < N; i++)
        leaves[i] = merkle_leaf(slice_of((const char *)&i, sizeof i));
    for (size_t size = 1; size <= N; size++) {
        struct hash copy[N], root;

        memcpy(copy, leaves, sizeof copy);
        root = merkle_root(copy, size);
        for (size_t i = 0; i < size; i++) {
            size_t n = inclusion(leaves, size, i, proof);

            assert_true(merkle_check_inclusion(&leaves[i], i, size, proof, n, &root));
            assert_false(merkle_check_inclusion(&leaves[(i + 1) % N], i, size, proof, n, &root));
            if (n) {
                proof[n / 2].b[7] ^= 1;
                assert_false(merkle_check_inclusion(&leaves[i], i, size, proof, n, &root));
            }
        }
        for (size_t old = 1; old <= size; old++) {
            size_t n = consistency(leaves, size, old, proof);
            struct hash old_root;

            memcpy(copy, leaves, sizeof copy);
            old_root = merkle_root(copy, old);
            assert_true(merkle_check_consistency(old, size, &old_root, &root, proof, n));
            old_root.b[0] ^= 1;
            assert_false(merkle_check_consistency(old, size, &old_root, &root, proof, n));
        }
    }
}

/* ---- a trail on disk ---- */

struct trail {
    char folder[128], log[256];
    struct audit_config config;
    struct clock clock;
    char trail[160], keys[160];
};

static int make(void **state)
{
    struct trail *t = calloc(1, sizeof *t);

    snprintf(t->folder, sizeof t->folder, "%s/tw-audit-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(t->folder))
        return -1;
    snprintf(t->trail, sizeof t->trail, "%s/trail", t->folder);
    snprintf(t->keys, sizeof t->keys, "%s/keys", t->folder);
    snprintf(t->log, sizeof t->log, "%s/log/00000000000000000000.jsonl", t->trail);
    clock_set(&t->clock, UINT64_C(1790000000) * USEC_PER_SEC);
    t->config = (struct audit_config){ .folder = t->trail,
                                       .key_folder = t->keys,
                                       .origin = "test.example/1",
                                       .heartbeat_s = 300,
                                       .epoch_s = 86400,
                                       .clock = &t->clock };
    *state = t;
    return audit_init(&t->config, NULL, NULL);
}

static int unmake(void **state)
{
    struct trail *t = *state;
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    free(t);
    return 0;
}

static struct audit *opened(struct trail *t, const struct trail_end *end)
{
    struct audit *a = NULL;
    uint64_t replay;
    struct err err = ERR_NONE;

    if (audit_open(&t->config, end, &a, &replay, &err) < 0)
        print_message("%s\n", err.text);
    return a;
}

static struct trail_end append(struct trail *t, struct audit *a, unsigned n, bool commit)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;
    struct err err = ERR_NONE;

    batch_init(&b, arena, clock_now(&t->clock));
    for (unsigned i = 0; i < n; i++) {
        struct entry *e = batch_entry(&b, "test.entry");

        e->members = slice_str(arena_printf(arena, "\"n\":%u", i));
        e->pii = arena_array(arena, 1, sizeof *e->pii);
        e->pii[0] = (struct entry_pii){ SLICE("user"), SLICE("al\"ice") };
        e->npii = 1;
    }
    assert_int_equal(audit_append(a, &b, &err), 0);
    if (commit)
        audit_committed(a, &b.trail);
    return b.trail;
}

static bool verified(struct trail *t, const char **ret_code, uint64_t *ret_entries)
{
    struct audit_verify_options o = { .folder = t->trail };
    struct audit_report r;
    static char code[32];
    bool good;

    assert_int_equal(audit_verify(&o, &r, NULL), 0);
    code[0] = '\0';
    for (size_t i = 0; i < r.nfindings; i++)
        if (!r.findings[i].warning && !code[0])
            snprintf(code, sizeof code, "%s", r.findings[i].code);
    if (ret_code)
        *ret_code = code;
    if (ret_entries)
        *ret_entries = r.signed_size;
    good = r.good;
    audit_report_fini(&r);
    return good;
}

static void what_was_signed_verifies_over_tiles_epochs_and_restarts(void **state)
{
    struct trail *t = *state;
    struct trail_end end = { 1, 0, 0 };
    struct audit *a = opened(t, NULL);
    uint64_t entries;

    assert_non_null(a);
    for (unsigned i = 0; i < 9; i++) {
        end = append(t, a, 61, true);
        assert_int_equal(audit_checkpoint(a, true, NULL), 0);
        clock_set(&t->clock,
                  t->clock.now_us + 40000 * USEC_PER_SEC); /* past an epoch now and then */
        if (i % 3 == 2) {
            audit_free(a);
            a = opened(t, &end);
            assert_non_null(a);
        }
    }
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_true(verified(t, NULL, &entries));
    assert_true(entries > 9 * 61);
}

/* Killed between the checkpoint that ends an epoch and the proof of the next one's key. */
static void a_roll_that_ended_before_its_proof_is_finished_at_the_next_start(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end end;
    char epochs[320], away[320];

    snprintf(epochs, sizeof epochs, "%s/epochs", t->trail);
    snprintf(away, sizeof away, "%s/epochs.away", t->trail);
    for (unsigned i = 0; i < 2; i++) { /* the first epoch has no proof yet, the second one has */
        clock_set(&t->clock, t->clock.now_us + 90000 * USEC_PER_SEC);
        end = append(t, a, 3, true);
        assert_int_equal(rename(epochs, away), 0); /* the checkpoint lands, the proof does not */
        assert_true(audit_checkpoint(a, true, NULL) < 0);
        audit_free(a);
        assert_int_equal(rename(away, epochs), 0);
        a = opened(t, &end);
        assert_non_null(a);
        end = append(t, a, 3, true);
        assert_int_equal(audit_checkpoint(a, true, NULL), 0);
        assert_true(verified(t, NULL, NULL));
    }
    audit_free(a);
}

/* Killed when the new tiles are there and the checkpoint is the old one: at every tile. */
static void tiles_ahead_of_the_checkpoint_hide_none_that_it_needs(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end *end =
        mmap(NULL, sizeof *end, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    static const char *const points[] = { "trail: after tile:1", "trail: after tile:2",
                                          "trail: after tile:3", "trail: before sign:1" };

    assert_true(end != MAP_FAILED);
    *end = append(t, a, 600, true); /* a level above the first has a partial tile */
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    for (size_t i = 0; i < ARRAY_SIZE(points); i++) {
        pid_t pid = fork();
        int status;

        assert_true(pid >= 0);
        if (pid == 0) {
            fault_state = FAULT_UNASKED; /* the parent has passed some without it */
            setenv("TW_FAULT", points[i], 1);
            a = opened(t, end);
            *end = append(t, a, 700, true);
            (void)audit_checkpoint(a, true, NULL);
            _exit(0);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(WEXITSTATUS(status), FAULT_EXIT);
        a = opened(t, end);
        assert_non_null(a);
        *end = append(t, a, 3, true);
        assert_int_equal(audit_checkpoint(a, true, NULL), 0);
        audit_free(a);
        assert_true(verified(t, NULL, NULL));
    }
    munmap(end, sizeof *end);
}

static void lines_behind_the_committed_end_are_cut(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end end = append(t, a, 5, true), again;

    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    append(t, a, 7, false);
    audit_free(a);
    a = opened(t, &end);
    assert_non_null(a);
    assert_int_equal(audit_end(a).count, end.count);
    again = append(t, a, 2, true);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_true(again.count >= end.count + 2);
    assert_true(verified(t, NULL, NULL));
}

static void a_batch_given_up_is_overwritten_by_the_next(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end first = append(t, a, 4, false), second = append(t, a, 3, true);

    assert_int_equal(first.count, second.count + 1);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    a = opened(t, &second);
    assert_non_null(a);
    audit_free(a);
    assert_true(verified(t, NULL, NULL));
}

static void an_older_state_cuts_nothing_signed_and_doubles_nothing(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end old = append(t, a, 3, true), now;

    append(t, a, 4, true);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    now = audit_end(a);
    audit_free(a);
    a = opened(t, &old);
    assert_non_null(a);
    assert_int_equal(audit_end(a).count, now.count);
    now = append(t, a, 4, true); /* the same four again: dropped */
    assert_true(now.count <= audit_end(a).count);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_true(verified(t, NULL, NULL));
}

/* Entries as the core writes them, with what they are known by. */
static struct trail_end append_text(struct trail *t, struct audit *a, const char *type,
                                    const char *members)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;

    batch_init(&b, arena, clock_now(&t->clock));
    batch_entry(&b, type)->members = slice_str(members);
    assert_int_equal(audit_append(a, &b, NULL), 0);
    audit_committed(a, &b.trail);
    return b.trail;
}

static void after_a_lost_state_what_comes_again_is_known_also_at_the_start_after_next(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    const struct trail_end lost = { 0 };
    struct trail_end end;
    uint64_t count, replay;

    append_text(t, a, "event", "\"channel\":\"api\",\"key\":\"s-1\"");
    append_text(t, a, "alert", "\"id\":\"a1\",\"channel\":\"api\",\"backfill\":false");
    append_text(t, a, "delivery", "\"id\":\"a1\",\"receiver\":\"ops\",\"state\":\"sent\"");
    append_text(t, a, "delivery", "\"id\":\"a1\",\"receiver\":\"sec\",\"state\":\"retry\"");
    end = append_text(t, a, "daemon.stop", "");
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    append_text(t, a, "event", "\"channel\":\"api\",\"key\":\"s-2\""); /* never signed */
    audit_free(a);
    for (unsigned round = 0; round < 2; round++) {
        assert_int_equal(audit_open(&t->config, round ? &end : &lost, &a, &replay, NULL), 0);
        assert_int_equal(replay, round ? UINT64_MAX : 0);
        count = audit_end(a).count;
        assert_int_equal(count, end.count);
        append_text(t, a, "event", "\"channel\":\"api\",\"key\":\"s-1\"");
        append_text(t, a, "alert", "\"id\":\"a1\",\"channel\":\"api\",\"backfill\":true");
        append_text(t, a, "event", "\"channel\":\"api\",\"key\":\"s-1\""); /* a retried commit */
        assert_int_equal(audit_end(a).count, count);
        append_text(t, a, "event", "\"channel\":\"web\",\"key\":\"s-1\""); /* another channel */
        append_text(t, a, "event",
                    round ? "\"channel\":\"api\",\"key\":\"s-3\""
                          : "\"channel\":\"api\",\"key\":\"s-2\"");
        end = append_text(t, a, "daemon.stop", ""); /* a fact of its own */
        assert_int_equal(end.count, count + 3);
        assert_true(audit_delivered(a, SLICE("a1"), SLICE("ops")));
        assert_false(audit_delivered(a, SLICE("a1"), SLICE("sec")));
        assert_false(audit_delivered(a, SLICE("a2"), SLICE("ops")));
        assert_int_equal(audit_checkpoint(a, true, NULL), 0);
        audit_free(a);
        t->config.replay = (struct audit_range){ 0, count };
    }
    assert_true(verified(t, NULL, NULL));
}

static void fail_segment(struct audit *a)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

    assert_int_equal(dup2(fd, a->segment_fd), a->segment_fd);
    close(fd);
}

static int try_append(struct trail *t, struct audit *a, struct err *err)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;
    int r;

    batch_init(&b, arena, clock_now(&t->clock));
    batch_entry(&b, "test.entry")->members = SLICE("\"n\":1");
    r = audit_append(a, &b, err);
    if (r == 0)
        audit_committed(a, &b.trail);
    return r;
}

static void after_a_failed_write_the_segment_is_opened_anew_and_the_count_is_exact(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end end = append(t, a, 5, true);
    struct err err = ERR_NONE;

    for (unsigned i = 0; i < 5; i++) { /* not in a row: never the third */
        fail_segment(a);
        assert_int_equal(try_append(t, a, &err), -EBADF);
        assert_int_equal(try_append(t, a, &err), 0);
    }
    assert_int_equal(audit_end(a).count, end.count + 5);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    end = audit_end(a);
    audit_free(a);
    a = opened(t, &end);
    assert_non_null(a);
    audit_free(a);
    assert_true(verified(t, NULL, NULL));
}

static void a_disk_that_lost_committed_lines_ends_the_writer(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct err err = ERR_NONE;
    struct trail_end end = append(t, a, 5, true);

    fail_segment(a);
    assert_int_equal(try_append(t, a, &err), -EBADF);
    assert_int_equal(truncate(t->log, (off_t)end.bytes - 10), 0);
    assert_int_equal(try_append(t, a, &err), -ENOTRECOVERABLE);
    assert_non_null(strstr(err.text, "does not hold what was committed"));
    audit_free(a);
}

static void the_third_failure_of_the_disk_ends_the_writer(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct err err = ERR_NONE;
    char log[320], away[320];

    snprintf(log, sizeof log, "%s/log", t->trail);
    snprintf(away, sizeof away, "%s/log.away", t->trail);
    append(t, a, 5, true);
    fail_segment(a);
    assert_int_equal(rename(log, away), 0);
    assert_int_equal(try_append(t, a, &err), -EBADF);
    assert_int_equal(try_append(t, a, &err), -ENOENT);
    assert_int_equal(try_append(t, a, &err), -ENOTRECOVERABLE);
    assert_non_null(strstr(err.text, "3 times in a row"));
    assert_int_equal(rename(away, log), 0);
    audit_free(a);
}

static void a_full_disk_is_tried_for_ever(void **state)
{
    struct err err = ERR_NONE;
    unsigned tries = 0;

    (void)state;
    for (unsigned i = 0; i < 100; i++)
        assert_int_equal(trail_outcome(&tries, -ENOSPC, &err), -ENOSPC);
    assert_int_equal(trail_outcome(&tries, -EIO, &err), -EIO);
}

static void a_missing_or_open_key_is_named_and_nothing_is_made_anew(void **state)
{
    struct trail *t = *state;
    const struct trail_end lost = { 0 };
    struct audit *a = NULL;
    uint64_t replay;
    struct err err = ERR_NONE;
    char key[256], away[256];

    snprintf(key, sizeof key, "%s/identity.key", t->keys);
    snprintf(away, sizeof away, "%s/away", t->folder);
    assert_int_equal(chmod(key, 0640), 0);
    assert_int_equal(audit_open(&t->config, &lost, &a, &replay, &err), -ENOKEY);
    assert_non_null(strstr(err.text, "'identity.key' has mode 0640"));
    assert_int_equal(rename(key, away), 0);
    assert_int_equal(audit_open(&t->config, &lost, &a, &replay, &err), -ENOKEY);
    assert_non_null(strstr(err.text, "'identity.key' is not there"));
    assert_int_equal(rename(away, key), 0);
    assert_int_equal(rename(t->keys, away), 0);
    assert_int_equal(audit_open(&t->config, &lost, &a, &replay, &err), -ENOKEY);
    assert_int_equal(rename(away, t->keys), 0);
}

static void a_new_trail_is_never_made_over_entries(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct err err = ERR_NONE;
    char checkpoint[256];

    append(t, a, 2, true);
    audit_free(a);
    snprintf(checkpoint, sizeof checkpoint, "%s/checkpoint", t->trail);
    assert_int_equal(unlink(checkpoint), 0);
    assert_int_equal(audit_init(&t->config, NULL, &err), -EUCLEAN);
    assert_non_null(strstr(err.text, "no checkpoint"));
}

static void a_log_shorter_than_signed_is_never_signed_again(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    struct trail_end end = append(t, a, 5, true);
    uint64_t replay;
    struct err err = ERR_NONE;

    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_int_equal(truncate(t->log, (off_t)end.bytes - 30), 0);
    assert_int_equal(audit_open(&t->config, &end, &a, &replay, &err), -EUCLEAN);
    assert_non_null(strstr(err.text, "shorter"));
}

static void one_writer_only(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL), *second = NULL;
    uint64_t replay;
    struct err err = ERR_NONE;

    assert_int_equal(audit_open(&t->config, NULL, &second, &replay, &err), -EBUSY);
    audit_free(a);
}

/* Every flipped bit of every file is seen. */
static void every_flipped_bit_is_seen(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    static const char *const files[] = { "checkpoint", "log/00000000000000000000.jsonl",
                                         "epochs/000000.tlog-proof" };

    append(t, a, 6, true);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_true(verified(t, NULL, NULL));
    for (size_t f = 0; f < ARRAY_SIZE(files); f++) {
        AUTO_BUF bytes = BUF_INIT;
        char path[256];

        snprintf(path, sizeof path, "%s/%s", t->trail, files[f]);
        assert_int_equal(file_read(-1, path, 1 << 20, &bytes, NULL), 0);
        for (size_t i = 0; i < bytes.n; i += 7) {
            bytes.p[i] ^= (char)(1 << (i % 7));
            assert_int_equal(file_replace(-1, path, buf_view(&bytes), 0640, NULL), 0);
            if (verified(t, NULL, NULL)) {
                print_message("%s: byte %zu\n", files[f], i);
                fail();
            }
            bytes.p[i] ^= (char)(1 << (i % 7));
        }
        assert_int_equal(file_replace(-1, path, buf_view(&bytes), 0640, NULL), 0);
    }
    assert_true(verified(t, NULL, NULL));
}

static void erasing_personal_values_keeps_every_proof(void **state)
{
    struct trail *t = *state;
    struct audit *a = opened(t, NULL);
    AUTO_BUF in = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    struct slice rest, line;

    append(t, a, 6, true);
    assert_int_equal(audit_checkpoint(a, true, NULL), 0);
    audit_free(a);
    assert_int_equal(file_read(-1, t->log, 1 << 20, &in, NULL), 0);
    rest = buf_view(&in);
    while (rest.n && slice_split(&rest, '\n', &line)) {
        assert_int_equal(leaf_data(line, &out), 0); /* without its TAB and what is behind it */
        buf_char(&out, '\n');
    }
    assert_true(out.n < in.n);
    assert_int_equal(file_replace(-1, t->log, buf_view(&out), 0640, NULL), 0);
    assert_true(verified(t, NULL, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_and_checkpoint_are_those_of_the_first_vector),
        cmocka_unit_test(leaves_roots_and_proofs_are_those_of_the_second_vector),
        cmocka_unit_test(the_large_tree_is_that_of_the_third_vector),
        cmocka_unit_test(proofs_hold_for_every_small_size_and_for_nothing_else),
        cmocka_unit_test_setup_teardown(what_was_signed_verifies_over_tiles_epochs_and_restarts,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(
            a_roll_that_ended_before_its_proof_is_finished_at_the_next_start, make, unmake),
        cmocka_unit_test_setup_teardown(tiles_ahead_of_the_checkpoint_hide_none_that_it_needs, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(lines_behind_the_committed_end_are_cut, make, unmake),
        cmocka_unit_test_setup_teardown(a_batch_given_up_is_overwritten_by_the_next, make, unmake),
        cmocka_unit_test_setup_teardown(an_older_state_cuts_nothing_signed_and_doubles_nothing,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(
            after_a_lost_state_what_comes_again_is_known_also_at_the_start_after_next, make,
            unmake),
        cmocka_unit_test_setup_teardown(
            after_a_failed_write_the_segment_is_opened_anew_and_the_count_is_exact, make, unmake),
        cmocka_unit_test_setup_teardown(a_disk_that_lost_committed_lines_ends_the_writer, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(the_third_failure_of_the_disk_ends_the_writer, make,
                                        unmake),
        cmocka_unit_test(a_full_disk_is_tried_for_ever),
        cmocka_unit_test_setup_teardown(a_missing_or_open_key_is_named_and_nothing_is_made_anew,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(a_new_trail_is_never_made_over_entries, make, unmake),
        cmocka_unit_test_setup_teardown(a_log_shorter_than_signed_is_never_signed_again, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(one_writer_only, make, unmake),
        cmocka_unit_test_setup_teardown(every_flipped_bit_is_seen, make, unmake),
        cmocka_unit_test_setup_teardown(erasing_personal_values_keeps_every_proof, make, unmake),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
