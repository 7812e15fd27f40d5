/* Reading a trail: entries by number, proofs out of tiles, and what other clients read. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/stat.h>

#include <cmocka.h>
#include <zlib.h>

#include "audit/audit-private.h"
#include "audit/view.h"
#include "base/file.h"
#include "base/proc.h"

#define IDENTITY "trail.example/vpn1+c21fc9a1+Acc19bgB46vRlJW2k9LnwCXrBlAoU0c21zUwS0gYae+V"

/* The second vector of trail format 1: five entries, its checkpoint with a witness' signature. */
static const char v2_log[] =
    "{\"i\":0,\"t\":\"2026-07-30T12:00:00.000000Z\",\"type\":\"trail.genesis\",\"format\":"
    "\"trailwarden-trail/1\",\"origin\":\"trail.example/vpn1\",\"epoch\":0,\"vkey\":"
    "\"trail.example/vpn1+c21fc9a1+Acc19bgB46vRlJW2k9LnwCXrBlAoU0c21zUwS0gYae+V\",\"epoch_vkey\":"
    "\"trail.example/vpn1+b67be0b7+AW1Jo5Jh+xu7iKGiwv1z1KpKpIxlSih004Iw1LZ0G6FN\",\"heartbeat_s\":"
    "300,\"epoch_s\":86400}\n"
    "{\"i\":1,\"t\":\"2026-07-30T12:00:01.000000Z\",\"type\":\"daemon.start\",\"version\":\"1.0."
    "0\"}"
    "\n"
    "{\"i\":2,\"t\":\"2026-07-30T12:00:02.000000Z\",\"type\":\"auth.fail\",\"ch\":\"api\",\"rule\":"
    "\"api-login\",\"sd\":{\"src_ip\":\"9HrtXjbGVZ3oiUepGz8QdqwSyAVCcf2eNTrP2wcur6U=\",\"user\":"
    "\"tXArl4KIVUTnsxSGRxeo6VR1ci7RyiXdygv/lcGs4eI=\"}\t,\"pii\":{\"src_ip\":[\"CX7qrgKccTJ/"
    "jCCyORPLYQ\",\"203.0.113.7\"],\"user\":[\"BQ32FEf01mZdLFzI4dPsCQ\",\"al\\\"ice\xc3\xa9\"]}}\n"
    "{\"i\":3,\"t\":\"2026-07-30T12:00:03.000000Z\",\"type\":\"heartbeat\"}\n"
    "{\"i\":4,\"t\":\"2026-07-30T12:05:03.000000Z\",\"type\":\"block.add\",\"set\":\"tw4\","
    "\"ttl_s\":3600,\"sd\":{\"src_ip\":\"+BhK8xzT2Xj0xmIhByPiMNCXpWiVrVABClrN2QQEsLw=\"}\t,"
    "\"pii\":{\"src_ip\":[\"eaMwEWHTTs1ELhvllc0xGA\",\"203.0.113.7\"]}}\n";

static const char v2_checkpoint[] =
    "trail.example/vpn1\n5\nc0eNQ4Fa7+VL3kKEOMG3mIeknmFbKh1C9o3fYxZ1UL4=\n\n"
    "\xe2\x80\x94 trail.example/vpn1 wh/JoXggrN+ut7MTz4IwXzYR7WhjFOfgyw/Myg6I5/I+4XNx6aeCrrVHVj9us"
    "I2wpRctqW1Y8Kipx1Lt0NbRqA1ApgI=\n"
    "\xe2\x80\x94 trail.example/vpn1 tnvgtxDVdRXp6B++OgKx+abY1fKxi+YM18b5Ub+GQGthrymxSnVkALhKuPJIUv"
    "55a1Wa1vfeDrr8GDE16O02SppW9g8=\n";

static const char v2_proof[] =
    "c2sp.org/tlog-proof@v1\nextra eyJpIjoyLCJ0IjoiMjAyNi0wNy0zMFQxMjowMDowMi4wMDAwMDBaIiwidHlwZSI6"
    "ImF1dGguZmFpbCIsImNoIjoiYXBpIiwicnVsZSI6ImFwaS1sb2dpbiIsInNkIjp7InNyY19pcCI6IjlIcnRYamJHVlozb2"
    "lVZXBHejhRZHF3U3lBVkNjZjJlTlRyUDJ3Y3VyNlU9IiwidXNlciI6InRYQXJsNEtJVlVUbnN4U0dSeGVvNlZSMWNpN1J5"
    "aVhkeWd2L2xjR3M0ZUk9In19\nindex 2\nH9f9BURbpHntmgzd5yInunhO26dkcqFoolkFIKkKpnk=\n"
    "XHynmyC+5znMZn4XFLdq4VSDFQJs40ocqHimC5gry1k=\ng3ZQjdgFxNY4FYN8COWTM/OA+iFzsdWKXf/"
    "6JAWOwEw=\n\n";

struct folder {
    char path[128], sub[256];
    int dir;
};

static int make(void **state)
{
    struct folder *f = calloc(1, sizeof *f);

    snprintf(f->path, sizeof f->path, "%s/tw-view-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    if (!mkdtemp(f->path))
        return -1;
    f->dir = open(f->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *state = f;
    return f->dir < 0 ? -1 : 0;
}

static int unmake(void **state)
{
    struct folder *f = *state;
    const char *const argv[] = { "/bin/rm", "-rf", f->path, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    close(f->dir);
    (void)proc_run(argv, NULL, SLICE_NONE, 10 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
    free(f);
    return 0;
}

static void put_file(struct folder *f, const char *path, struct slice bytes)
{
    char folder[200];
    const char *slash = strrchr(path, '/');

    if (slash) {
        snprintf(folder, sizeof folder, "%.*s", (int)(slash - path), path);
        assert_int_equal(dir_make(f->dir, folder, 0755, NULL), 0);
    }
    assert_int_equal(file_replace(f->dir, path, bytes, 0644, NULL), 0);
}

/* ---- the vector ---- */

static void put_vector(struct folder *f)
{
    struct slice rest = slice_str(v2_log), line;
    struct hash leaves[5];

    for (size_t i = 0; i < 5 && slice_split(&rest, '\n', &line); i++)
        leaves[i] = leaf_of_line(line);
    put_file(f, "log/00000000000000000000.jsonl", slice_str(v2_log));
    put_file(f, "tile/0/000.p/5", slice_of((const char *)leaves, sizeof leaves));
    put_file(f, "checkpoint", slice_str(v2_checkpoint));
}

static void assert_file_digest(struct folder *f, const char *path, const char *hex)
{
    AUTO_BUF bytes = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    uint8_t digest[32];

    assert_int_equal(file_read(f->dir, path, 1 << 20, &bytes, NULL), 0);
    sha256(bytes.p, bytes.n, digest);
    buf_hex(&text, digest, sizeof digest);
    assert_string_equal(text.p, hex);
}

static void proof_and_bundle_are_those_of_the_vector(void **state)
{
    struct folder *f = *state;
    AUTO(audit_view) v = NULL;
    AUTO_BUF proof = BUF_INIT;
    AUTO_BUF want = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    AUTO_BUF hashes = BUF_INIT;
    struct audit_proved proved;

    put_vector(f);
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    assert_int_equal(audit_view_size(v), 5);
    assert_int_equal(audit_view_prove(v, 2, &proof, NULL), 0);
    buf_str(&want, v2_proof);
    buf_str(&want, v2_checkpoint);
    assert_string_equal(proof.p, want.p);
    assert_int_equal(audit_check_proof(buf_view(&proof), IDENTITY, &leaf, &proved, NULL), 0);
    assert_int_equal(proved.index, 2);
    assert_null(strstr(leaf.p, "203.0.113.7")); /* no personal value is in it */
    assert_int_equal(audit_view_consistency(v, 4, 5, &hashes, NULL), 0);
    assert_string_equal(hashes.p, "g3ZQjdgFxNY4FYN8COWTM/OA+iFzsdWKXf/6JAWOwEw=\n");
    snprintf(f->sub, sizeof f->sub, "%s/out", f->path);
    assert_int_equal(audit_view_export(v, f->sub, NULL, NULL, NULL), 0);
    assert_file_digest(f, "out/tile/0/000.p/5",
                       "f78b2a23098aad028f0441ff03decec4c6632ba95fc3d029d2dd91f64e87a397");
    assert_file_digest(f, "out/tile/entries/000.p/5",
                       "970b85cc0395258ee1ff888ed3a31ec23961e12b4843c2074eb7ee1facbad72f");
}

static void no_changed_proof_holds(void **state)
{
    struct folder *f = *state;
    AUTO(audit_view) v = NULL;
    AUTO_BUF proof = BUF_INIT;
    struct audit_proved proved;
    size_t signatures;

    put_vector(f);
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    assert_int_equal(audit_view_prove(v, 2, &proof, NULL), 0);
    /* What is behind the identity's signature is another key's. */
    signatures = slice_find(buf_view(&proof), SLICE("\xe2\x80\x94 trail.example/vpn1 tnvg"));
    for (size_t i = 0; i < signatures; i++)
        for (unsigned bit = 0; bit < 8; bit += 3) {
            AUTO_BUF leaf = BUF_INIT;

            proof.p[i] ^= (char)(1u << bit);
            assert_true(audit_check_proof(buf_view(&proof), IDENTITY, &leaf, &proved, NULL) < 0);
            proof.p[i] ^= (char)(1u << bit);
        }
    for (size_t n = 0; n + 1 < signatures; n++) {
        AUTO_BUF leaf = BUF_INIT;

        assert_true(audit_check_proof(slice_of(proof.p, n), IDENTITY, &leaf, &proved, NULL) < 0);
    }
}

static void a_changed_entry_is_not_proved(void **state)
{
    struct folder *f = *state;
    AUTO(audit_view) v = NULL;
    AUTO_BUF log = BUF_INIT;
    AUTO_BUF proof = BUF_INIT;

    put_vector(f);
    buf_str(&log, v2_log);
    *strstr(log.p, "api-login") = 'A';
    put_file(f, "log/00000000000000000000.jsonl", buf_view(&log));
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    assert_int_equal(audit_view_prove(v, 2, &proof, NULL), -EUCLEAN);
    assert_int_equal(audit_view_prove(v, 1, &proof, NULL), 0);
    assert_int_equal(audit_view_prove(v, 5, &proof, NULL), -ENOENT);
}

/* ---- trees of any size ---- */

#define SMALL 2000
#define LARGE 150000

/* All whole subtrees, level by level. */
struct forest {
    struct hash *level[18];
};

static int of_forest(void *ctx, uint64_t from, uint64_t n, struct hash *ret)
{
    const struct forest *f = ctx;
    unsigned k = (unsigned)__builtin_ctzll(n);

    *ret = f->level[k][from >> k];
    return 0;
}

static void grow(struct forest *f, size_t n)
{
    for (unsigned k = 0; k < ARRAY_SIZE(f->level); k++) {
        f->level[k] = calloc((n >> k) + 1, sizeof *f->level[k]);
        for (size_t i = 0; i < n >> k; i++)
            f->level[k][i] = k ? merkle_node(&f->level[k - 1][2 * i], &f->level[k - 1][2 * i + 1])
                               : merkle_leaf(slice_of((const char *)&i, sizeof i));
    }
}

static void check_size(struct forest *f, uint64_t size, uint64_t index, uint64_t old)
{
    struct subtrees t = { of_forest, f };
    struct hash path[64], root, old_root, leaf = f->level[0][index];
    size_t n;

    assert_int_equal(merkle_range(&t, 0, size, &root), 0);
    assert_int_equal(merkle_range(&t, 0, old, &old_root), 0);
    assert_int_equal(merkle_inclusion(&t, index, size, path, &n), 0);
    assert_true(merkle_check_inclusion(&leaf, index, size, path, n, &root));
    if (n) {
        assert_false(merkle_check_inclusion(&leaf, index ^ 1, size, path, n, &root));
        assert_false(merkle_check_inclusion(&leaf, index, size, path, n - 1, &root));
    }
    assert_int_equal(merkle_consistency(&t, old, size, path, &n), 0);
    assert_true(merkle_check_consistency(old, size, &old_root, &root, path, n));
    if (old < size) {
        assert_false(merkle_check_consistency(old, size, &root, &root, path, n));
        assert_false(merkle_check_consistency(old, size, &old_root, &old_root, path, n));
    }
}

static void proofs_hold_for_every_size_to_2000_and_for_large_ones(void **state)
{
    struct forest f;
    struct edge *edge = calloc(1, sizeof *edge);
    uint64_t x = 12345;

    (void)state;
    grow(&f, LARGE);
    for (uint64_t size = 1; size <= SMALL; size++) {
        struct subtrees t = { of_forest, &f };
        struct hash root, by_edge;

        for (unsigned i = 0; i < 8; i++) {
            x = x * 6364136223846793005u + 1442695040888963407u;
            check_size(&f, size, (x >> 33) % size, 1 + (x >> 20) % size);
        }
        check_size(&f, size, size - 1, size);
        assert_int_equal(edge_add(edge, &f.level[0][size - 1], NULL, NULL), 0);
        by_edge = edge_root(edge);
        assert_int_equal(merkle_range(&t, 0, size, &root), 0);
        assert_memory_equal(&root, &by_edge, sizeof root);
    }
    for (unsigned i = 0; i < 3000; i++) {
        uint64_t size;

        x = x * 6364136223846793005u + 1442695040888963407u;
        size = 1 + (x >> 30) % LARGE;
        check_size(&f, size, (x >> 33) % size, 1 + (x >> 20) % size);
    }
    for (unsigned k = 0; k < ARRAY_SIZE(f.level); k++)
        free(f.level[k]);
    free(edge);
}

/* ---- a trail of several segments ---- */

#define ENTRIES 700

static void write_tiles(struct folder *f, const struct hash *leaves, size_t n)
{
    struct edge *edge = calloc(1, sizeof *edge);

    for (size_t i = 0; i < n; i++)
        assert_int_equal(edge_add(edge, &leaves[i], NULL, NULL), 0);
    for (size_t i = 0; i < n; i += TILE_WIDTH)
        assert_int_equal(tile_write(f->dir, 0, i / TILE_WIDTH, leaves + i,
                                    (unsigned)(n - i < TILE_WIDTH ? n - i : TILE_WIDTH), NULL),
                         0);
    assert_int_equal(tile_write(f->dir, 1, 0, edge->tile[1], (unsigned)(n / TILE_WIDTH), NULL), 0);
    free(edge);
}

static void write_gz(struct folder *f, const char *path, struct slice bytes)
{
    char whole[256];
    gzFile z;

    snprintf(whole, sizeof whole, "%s/%s", f->path, path);
    z = gzopen(whole, "wb");
    assert_int_equal(gzwrite(z, bytes.p, (unsigned)bytes.n), (int)bytes.n);
    gzclose(z);
}

/* Segments of 256, the first one compressed; every line has its own length. */
static void put_trail(struct folder *f)
{
    struct hash leaves[ENTRIES], root, copy[ENTRIES];
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF note = BUF_INIT;
    AUTO_BUF segment = BUF_INIT;
    struct signing_key key;
    const struct signing_key *keys[] = { &key };
    uint8_t seed[32] = { 7 };

    for (size_t i = 0; i < ENTRIES; i++) {
        size_t at = segment.n;
        char path[64];

        buf_printf(&segment,
                   "{\"i\":%zu,\"t\":\"2026-07-30T12:00:00.000000Z\",\"type\":\"x\",\"pad\":\"", i);
        for (size_t k = 0; k < i * 37 % 900; k++)
            buf_char(&segment, 'a');
        buf_str(&segment, "\"}");
        leaves[i] = leaf_of_line(slice_skip(buf_view(&segment), at));
        buf_char(&segment, '\n');
        if ((i + 1) % TILE_WIDTH && i + 1 < ENTRIES)
            continue;
        snprintf(path, sizeof path, "log/%020zu.jsonl%s", i - i % TILE_WIDTH,
                 i < TILE_WIDTH ? ".gz" : "");
        if (i < TILE_WIDTH) {
            assert_int_equal(dir_make(f->dir, "log", 0755, NULL), 0);
            write_gz(f, path, buf_view(&segment));
        } else {
            put_file(f, path, buf_view(&segment));
        }
        buf_reset(&segment);
    }
    write_tiles(f, leaves, ENTRIES);
    memcpy(copy, leaves, sizeof copy);
    root = merkle_root(copy, ENTRIES);
    assert_int_equal(key_from_seed(&key, "t/1", seed), 0);
    checkpoint_text(&text, "t/1", ENTRIES, &root);
    note_sign(&note, buf_view(&text), keys, 1);
    put_file(f, "checkpoint", buf_view(&note));
    snprintf(f->sub, sizeof f->sub, "%s", "");
}

static void every_entry_is_found_and_proved_also_in_a_compressed_segment(void **state)
{
    struct folder *f = *state;
    AUTO(audit_view) v = NULL;

    put_trail(f);
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    for (uint64_t i = 0; i < ENTRIES; i++) {
        AUTO_BUF line = BUF_INIT;
        AUTO_BUF proof = BUF_INIT;
        char begin[32];

        snprintf(begin, sizeof begin, "{\"i\":%llu,", (unsigned long long)i);
        assert_int_equal(audit_view_line(v, i, &line, NULL), 0);
        assert_true(slice_starts(buf_view(&line), slice_str(begin)));
        assert_int_equal(audit_view_prove(v, i, &proof, NULL), 0);
    }
}

/* The writer goes on while somebody reads: partial tiles become wider, then full. */
static void a_tile_that_became_wider_serves_the_older_tree(void **state)
{
    struct folder *f = *state;
    AUTO(audit_view) v = NULL;
    AUTO_BUF proof = BUF_INIT;
    struct hash wide[TILE_WIDTH] = { 0 };

    put_trail(f);
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    assert_int_equal(tile_read(f->dir, 0, 2, ENTRIES % TILE_WIDTH, wide), 0);
    assert_int_equal(tile_write(f->dir, 0, 2, wide, 240, NULL), 0);
    tile_tidy(f->dir, 0, 2, 240);
    assert_int_equal(audit_view_prove(v, 600, &proof, NULL), 0);
    audit_view_free(TAKE(v));
    assert_int_equal(audit_view_open(f->path, &v, NULL), 0);
    assert_int_equal(tile_write(f->dir, 0, 2, wide, TILE_WIDTH, NULL), 0);
    tile_tidy(f->dir, 0, 2, TILE_WIDTH);
    assert_int_equal(audit_view_prove(v, 600, &proof, NULL), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(proof_and_bundle_are_those_of_the_vector, make, unmake),
        cmocka_unit_test_setup_teardown(no_changed_proof_holds, make, unmake),
        cmocka_unit_test_setup_teardown(a_changed_entry_is_not_proved, make, unmake),
        cmocka_unit_test(proofs_hold_for_every_size_to_2000_and_for_large_ones),
        cmocka_unit_test_setup_teardown(
            every_entry_is_found_and_proved_also_in_a_compressed_segment, make, unmake),
        cmocka_unit_test_setup_teardown(a_tile_that_became_wider_serves_the_older_tree, make,
                                        unmake),
    };

    return cmocka_run_group_tests_name("audit_view", tests, NULL, NULL);
}
