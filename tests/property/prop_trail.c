/*
 * Random changes of a trail: verification never crashes, always ends, and what it calls good holds
 * exactly the leaves that were signed, and no personal value but those that were written.
 *
 * The same seed gives the same changes; TW_TRAIL_SEED and TW_TRAIL_ROUNDS change them
 * (`make fuzz-trail`: 100,000 from a seed of the day).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/num.h"
#include "tests/unit/trail_rig.h"

#define ROUNDS 400

struct dice {
    uint64_t x;
};

static size_t roll(struct dice *d, size_t n)
{
    d->x = d->x * 6364136223846793005u + 1442695040888963407u;
    return n ? (size_t)((d->x >> 33) % n) : 0;
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    uint64_t n;

    return text && parse_u64(slice_str(text), 1, UINT64_MAX, &n) == 0 ? n : otherwise;
}

/* ---- what good means ---- */

static int add_leaf(void *ctx, uint64_t index UNUSED, struct slice line)
{
    struct sha256 *h = ctx;
    struct hash leaf = leaf_of_line(line);

    sha256_add(h, leaf.b, sizeof leaf.b);
    return 0;
}

struct limited {
    struct sha256 *h;
    uint64_t size;
};

static int add_signed(void *ctx, uint64_t index, struct slice line)
{
    struct limited *l = ctx;

    return index < l->size ? add_leaf(l->h, index, line) : 1;
}

/* Over the leaves that are signed: what stands behind them is no part of the trail. */
static struct hash leaves_of(struct trail_rig *t, uint64_t size)
{
    struct sha256 h;
    struct hash out;
    struct limited l = { &h, size };

    assert_int_equal(sha256_init(&h), 0);
    (void)audit_each(t->trail, 0, add_signed, &l, NULL);
    sha256_end(&h, out.b);
    return out;
}

/* ---- changes ---- */

static void flip(struct dice *d, struct buf *b)
{
    if (b->n)
        b->p[roll(d, b->n)] ^= (char)(1 << roll(d, 8));
}

static void set(struct dice *d, struct buf *b)
{
    static const char signs[] = "\n\t\"\\{},:0179azAZ+=\xe2\x80\x94\x00\xff ";

    if (b->n)
        b->p[roll(d, b->n)] = signs[roll(d, sizeof signs)];
}

static void shorten(struct dice *d, struct buf *b)
{
    b->n = roll(d, b->n + 1);
}

static void cut_out(struct dice *d, struct buf *b)
{
    size_t from = roll(d, b->n + 1), n = roll(d, 200);

    if (n > b->n - from)
        n = b->n - from;
    if (n)
        memmove(b->p + from, b->p + from + n, b->n - from - n);
    b->n -= n;
}

/* A piece of the file again, somewhere. */
static void repeat(struct dice *d, struct buf *b)
{
    AUTO_BUF piece = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    size_t from = roll(d, b->n + 1), at = roll(d, b->n + 1);

    buf_slice(&piece, slice_take(slice_skip(buf_view(b), from), roll(d, 300)));
    buf_slice(&out, slice_take(buf_view(b), at));
    buf_slice(&out, buf_view(&piece));
    buf_slice(&out, slice_skip(buf_view(b), at));
    buf_reset(b);
    buf_slice(b, buf_view(&out));
}

/* A whole line moves to the end. */
static void move_line(struct dice *d, struct buf *b)
{
    AUTO_BUF out = BUF_INIT;
    struct slice s = buf_view(b), line;
    size_t from = roll(d, b->n + 1), lf = slice_find_byte(slice_skip(s, from), '\n'), end;

    if (lf == SIZE_MAX)
        return;
    from += lf + 1;
    end = slice_find_byte(slice_skip(s, from), '\n');
    if (end == SIZE_MAX)
        return;
    line = slice_take(slice_skip(s, from), end + 1);
    buf_slice(&out, slice_take(s, from));
    buf_slice(&out, slice_skip(s, from + end + 1));
    buf_slice(&out, line);
    buf_reset(b);
    buf_slice(b, buf_view(&out));
}

static void (*const changes[])(struct dice *d, struct buf *b) = { flip,     flip,    set,
                                                                  shorten,  cut_out, repeat,
                                                                  move_line };

struct file {
    char name[80];
    struct buf was;
};

static void change_some(struct trail_rig *t, struct dice *d, const struct file *files, size_t n)
{
    for (size_t i = roll(d, 2) + 1; i-- > 0;) {
        const struct file *f = &files[roll(d, n)];
        AUTO_BUF b = BUF_INIT;

        if (roll(d, 20) == 0) { /* another file's bytes */
            rig_write(t, f->name, buf_view(&files[roll(d, n)].was));
            continue;
        }
        buf_slice(&b, buf_view(&f->was));
        for (size_t k = roll(d, 3) + 1; k-- > 0;)
            changes[roll(d, ARRAY_SIZE(changes))](d, &b);
        rig_write(t, f->name, buf_view(&b));
    }
}

static void what_is_called_good_is_what_was_signed(void **state)
{
    struct trail_rig *t = rig_new();
    struct audit_verify_options o = rig_options(t);
    struct rig_files list = { .n = 0 };
    struct file files[64];
    uint64_t seed = from_environment("TW_TRAIL_SEED", 1), good = 0, checked;
    uint64_t rounds = from_environment("TW_TRAIL_ROUNDS", ROUNDS);
    struct audit_report whole;
    struct hash leaves;

    (void)state;
    rig_fill(t);
    assert_int_equal(audit_verify(&o, &whole, NULL), 0);
    assert_true(whole.good);
    leaves = leaves_of(t, whole.signed_size);
    checked = whole.pii_checked;
    rig_list(t, "", &list);
    for (size_t i = 0; i < list.n; i++) {
        memcpy(files[i].name, list.names[i], sizeof files[i].name);
        files[i].was = (struct buf)BUF_INIT;
        rig_read(t, list.names[i], &files[i].was);
    }
    for (uint64_t round = 0; round < rounds; round++) {
        struct dice d = { seed * 1000003 + round };
        struct audit_report r;

        change_some(t, &d, files, list.n);
        assert_int_equal(audit_verify(&o, &r, NULL), 0);
        if (r.good) {
            struct hash now = leaves_of(t, whole.signed_size);

            good++;
            if (r.signed_size != whole.signed_size || r.pii_checked + r.pii_erased != checked ||
                memcmp(&now, &leaves, sizeof now) != 0) {
                print_message("TW_TRAIL_SEED=%llu, round %llu: called good\n",
                              (unsigned long long)seed, (unsigned long long)round);
                fail();
            }
        }
        audit_report_fini(&r);
        for (size_t i = 0; i < list.n; i++)
            rig_write(t, files[i].name, buf_view(&files[i].was));
    }
    print_message("%llu rounds, %llu of them changed nothing that is signed\n",
                  (unsigned long long)rounds, (unsigned long long)good);
    for (size_t i = 0; i < list.n; i++)
        buf_fini(&files[i].was);
    audit_report_fini(&whole);
    rig_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_called_good_is_what_was_signed),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
