/* Groups of a rule: found by key, in the order of use, small; what they hold against a slow model.
 */
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "rules/groups.h"

static unsigned dice(uint64_t *x, unsigned n)
{
    *x = *x * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((*x >> 33) % n);
}

/* ---- by key, in the order of use ---- */

#define KEYS 700

/* Keys of all lengths, the empty one and those too long for a record among them. */
static struct slice key_of(unsigned i, char buf[1000])
{
    size_t n = i == 0 ? 0 : i % 40 == 7 ? 200 + i : 3 + i % 50;

    memset(buf, 'a' + (int)(i % 26), n);
    if (n)
        snprintf(buf, 1000, "%u", i);
    if (n)
        buf[strlen(buf)] = '.';
    return slice_of(buf, n);
}

/* The list of use is that of the model, from both ends. */
static void assert_order(const struct groups *w, const struct slab *slab, const unsigned *model,
                         size_t n)
{
    uint32_t record = w->oldest, before = 0;
    char buf[1000];

    assert_int_equal(w->n, n);
    for (size_t i = 0; i < n; i++) {
        const struct group *g = slab_at(slab, record);

        assert_int_not_equal(record, 0);
        assert_int_equal(g->older, before);
        assert_true(slice_eq(key_of_group(g), key_of(model[i], buf)));
        before = record;
        record = g->newer;
    }
    assert_int_equal(record, 0);
    assert_int_equal(w->newest, before);
}

static size_t model_drop(unsigned *model, size_t n, unsigned key)
{
    size_t i = 0;

    while (i < n && model[i] != key)
        i++;
    if (i == n)
        return n;
    memmove(model + i, model + i + 1, (n - i - 1) * sizeof *model);
    return n - 1;
}

/* Nothing is in use, and of each size one chunk is kept at most. */
static void assert_empty(const struct slab *slab)
{
    bool kept[SLAB_MAX / SLAB_UNIT + 1] = { false };

    for (uint32_t i = 1; i <= slab->nchunks; i++) {
        const struct slab_chunk *k = &slab->chunks[i];

        assert_int_equal(k->live, 0);
        assert_false(k->memory && kept[k->class]);
        kept[k->class] = kept[k->class] || k->memory;
    }
}

static void groups_are_found_by_key_and_kept_in_the_order_of_use(void **state)
{
    struct groups w = { .shape = { .stamp_bytes = sizeof(struct packed_stamp) } };
    struct slab slab = { 0 };
    unsigned model[KEYS];
    size_t n = 0;
    uint64_t x = 7;

    (void)state;
    for (unsigned step = 0; step < 60000; step++) {
        char buf[1000];
        unsigned which = dice(&x, KEYS), shrinking = step / 10000 % 2;
        struct slice key = key_of(which, buf);
        uint32_t tag = groups_tag(key), record = groups_find(&w, &slab, key, tag);
        size_t left = model_drop(model, n, which);

        assert_int_equal(record != 0, left < n);
        if (record && dice(&x, 4) <= shrinking * 2) {
            groups_remove(&w, &slab, record);
            n = left;
            continue;
        }
        if (record)
            groups_touch(&w, &slab, record);
        else
            assert_int_not_equal(groups_add(&w, &slab, key, tag), 0);
        model[left] = which;
        n = left + 1;
        if (step % 500 == 0)
            assert_order(&w, &slab, model, n);
    }
    assert_true(n > 100);
    while (w.oldest)
        groups_remove(&w, &slab, w.oldest);
    assert_int_equal(w.n, 0);
    assert_empty(&slab);
    groups_fini(&w, &slab);
    slab_fini(&slab);
}

/* ---- entries ---- */

static struct stamp random_stamp(uint64_t *x)
{
    static const char *const numbers[] = {
        "1", "-7", "9223372036854775807", "18446744073709551615", "12", "3", "-9223372036854775808"
    };
    struct stamp s = { .time_us = 1000000 + dice(x, 5000),
                       .value = dice(x, 9) ? 1 + dice(x, 20) : 0,
                       .key = { .position = dice(x, 1000000) },
                       .evidence = { dice(x, 1000000) },
                       .part = (uint16_t)dice(x, 3),
                       .trust = (uint8_t)dice(x, 3) };

    s.key.stream[15] = (uint8_t)dice(x, 256);
    assert_true(number_parse(slice_str(numbers[dice(x, ARRAY_SIZE(numbers))]), &s.number));
    return s;
}

/* What of `want` the shape keeps. */
static void assert_kept(const struct group *g, size_t i, const struct stamp *want)
{
    bool tag = g->shape.pieces & STAMP_TAG, value = g->shape.pieces & STAMP_VALUE;
    struct stamp s;

    stamp_unpack(g, i, &s);
    assert_int_equal(s.time_us, want->time_us);
    assert_int_equal(s.evidence.at, want->evidence.at);
    assert_int_equal(s.trust, want->trust);
    if (tag)
        assert_int_equal(s.part, want->part);
    if (value)
        assert_int_equal(s.value != 0, want->value != 0);
    if (value && !tag)
        assert_int_equal(s.value, want->value);
    if (value && tag && want->value) {
        assert_int_equal(number_compare(&s.number, &want->number), 0);
        assert_int_equal(s.number.integer, want->number.integer);
        assert_int_equal(s.number.large, want->number.large);
    }
    if (g->shape.pieces & STAMP_KEY) {
        assert_int_equal(s.key.position, want->key.position);
        assert_memory_equal(s.key.stream, want->key.stream, sizeof s.key.stream);
    }
}

static size_t model_insert(struct stamp *model, size_t n, const struct stamp *s)
{
    size_t at = n;

    while (at > 0 && model[at - 1].time_us > s->time_us)
        at--;
    memmove(model + at + 1, model + at, (n - at) * sizeof *model);
    model[at] = *s;
    return n + 1;
}

static void assert_totals(const struct correlation *c, const struct group *g,
                          const struct stamp *model, size_t n)
{
    uint64_t parts[3] = { 0 }, distinct = 0, seen = 0;
    __int128 sum = 0;
    const struct totals *t = more_of(g)->totals;

    for (size_t i = 0; i < n; i++) {
        parts[model[i].part]++;
        distinct += model[i].value && !(seen >> model[i].value & 1);
        seen |= model[i].value ? UINT64_C(1) << model[i].value : 0;
        if (model[i].value)
            sum += model[i].number.large ? (__int128)model[i].number.u : model[i].number.i;
    }
    if (c->type == CORRELATE_VALUE_COUNT)
        assert_int_equal(measure(c, g).i, distinct);
    if (c->type == CORRELATE_VALUE_SUM)
        assert_true(!t || t->sum == sum);
    for (size_t p = 0; t && g->shape.pieces & STAMP_TAG && p < 3; p++)
        assert_int_equal(t->parts[p], parts[p]);
}

static struct group *fill(const struct rule *rule, struct slab *slab, uint32_t *ret_record)
{
    static struct stamp model[3000];
    const struct correlation *c = rule->correlation;
    struct group *g;
    struct aside later;
    size_t n = 0;
    uint64_t x = c->type * 2u + (rule->response.for_us != 0) + 1;

    *ret_record = group_new(slab, shape_of(rule), SLICE("10.0.0.1"));
    assert_int_not_equal(*ret_record, 0);
    g = slab_at(slab, *ret_record);
    for (unsigned step = 0; step < 4000; step++) {
        struct stamp s = random_stamp(&x);

        if (n && dice(&x, 100) < (step / 1000 % 2 ? 70u : 20u)) {
            group_drop_first(slab, g);
            memmove(model, model + 1, --n * sizeof *model);
        } else {
            assert_true(group_insert(slab, c, g, &s));
            n = model_insert(model, n, &s);
        }
        if (step % 97 == 0) {
            assert_true(group_split(g, 1000000 + dice(&x, 5000), &later));
            assert_int_equal(g->n + later.n, n);
            assert_true(group_join(slab, c, g, &later));
        }
        assert_int_equal(g->n, n);
        for (size_t i = 0; i < n; i += 1 + n / 8)
            assert_kept(g, i, &model[i]);
        if (step % 50 == 0)
            assert_totals(c, g, model, n);
    }
    assert_true(slice_is(key_of_group(g), "10.0.0.1"));
    return g;
}

static void a_group_holds_what_its_type_asks_for(void **state)
{
    static const enum correlation_type types[] = { CORRELATE_EVENT_COUNT, CORRELATE_VALUE_COUNT,
                                                   CORRELATE_TEMPORAL,    CORRELATE_EVENT_RATIO,
                                                   CORRELATE_VALUE_SUM,   CORRELATE_VALUE_MEDIAN,
                                                   CORRELATE_EVENT_ABSENT };
    struct slab slab = { 0 };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(types) * 2; i++) {
        struct correlation c = { .type = types[i / 2], .nparts = 3, .nrules = 2 };
        struct rule rule = { .correlation = &c, .response = { .for_us = i % 2 } };
        uint32_t record;
        struct group *g = fill(&rule, &slab, &record);

        group_clear(&slab, g);
        assert_int_equal(g->n, 0);
        assert_totals(&c, g, NULL, 0);
        group_free(&slab, record);
    }
    assert_empty(&slab);
    slab_fini(&slab);
}

static void a_group_that_held_many_is_small_again(void **state)
{
    struct correlation c = { .type = CORRELATE_EVENT_COUNT, .nparts = 1 };
    struct rule rule = { .correlation = &c };
    struct slab slab = { 0 };
    uint32_t record = group_new(&slab, shape_of(&rule), SLICE("k"));
    struct group *g = slab_at(&slab, record);
    struct stamp s = { .time_us = 1 };

    (void)state;
    for (; s.time_us <= ENTRIES_MAX + 5; s.time_us++)
        assert_true(group_insert(&slab, &c, g, &s));
    assert_int_equal(g->n, ENTRIES_MAX);
    assert_true(g->lower_bound);
    assert_int_equal(group_at(g, 0)->time_us, 6);
    group_clear(&slab, g);
    assert_int_equal(g->list_log, 0); /* no list at all */
    group_free(&slab, record);
    slab_fini(&slab);
}

/* ---- numbers ---- */

/* Short ones are read without the library: with the same result, to the last bit. */
static void a_number_is_what_the_library_reads(void **state)
{
    static const char *const odd[] = { "1.", ".5", "-3.25", "1e3", "-0.0" };
    static const char *const none[] = { "", ".", "..", "1..2", "1.2.3", "12a", " 1", "0x10", "+1" };
    struct number got;
    uint64_t x = 3;
    char text[32];

    (void)state;
    for (unsigned i = 0; i < 200000; i++) {
        size_t n = 1 + dice(&x, 19), point = dice(&x, 2) ? 1 + dice(&x, (unsigned)n) : n;

        for (size_t k = 0; k < n; k++)
            text[k] = (char)('0' + dice(&x, 10));
        if (point < n - 1)
            text[point] = '.';
        text[n] = '\0';
        assert_true(number_parse(slice_of(text, n), &got));
        assert_int_equal(got.integer || got.large, !memchr(text, '.', n));
        if (got.integer)
            assert_int_equal(got.i, strtoll(text, NULL, 10));
        if (!got.large)
            assert_true(got.d == strtod(text, NULL));
    }
    for (size_t i = 0; i < ARRAY_SIZE(odd); i++)
        assert_true(number_parse(slice_str(odd[i]), &got) && got.d == strtod(odd[i], NULL));
    for (size_t i = 0; i < ARRAY_SIZE(none); i++)
        assert_false(number_parse(slice_str(none[i]), &got));
}

/* ---- memory ---- */

/* Without a clock: what malloc gave out grows by so much for each group. */
static void a_group_with_one_event_by_an_address_costs_at_most_100_bytes(void **state)
{
    struct correlation c = { .type = CORRELATE_EVENT_COUNT, .nparts = 1 };
    struct rule rule = { .correlation = &c };
    struct groups w = { .shape = shape_of(&rule) };
    struct slab slab = { 0 };
    struct stamp s = { .time_us = 1 };
    struct mallinfo2 before = mallinfo2(), after;
    char text[20];

    (void)state;
    assert_int_equal(w.shape.stamp_bytes, 16);
    for (unsigned i = 0; i < 200000; i++) {
        int n = snprintf(text, sizeof text, "255.%u.%u.%u", 100 + i / 40000, 100 + i / 200 % 200,
                         100 + i % 200);
        struct slice key = slice_of(text, (size_t)n);
        uint32_t record = groups_add(&w, &slab, key, groups_tag(key));

        assert_int_not_equal(record, 0);
        assert_true(group_insert(&slab, &c, slab_at(&slab, record), &s));
        /* What is counted here, so that a sanitizer's malloc does not matter; the worst is just
         * after the table has grown. */
        if (i >= 1000)
            assert_true(slab.bytes + w.nslots * sizeof *w.slots <= 100 * (size_t)i + SLAB_CHUNK);
    }
    after = mallinfo2();
    if (after.uordblks) /* else it is not glibc's malloc */
        assert_true(after.uordblks + after.hblkhd - before.uordblks - before.hblkhd <=
                    (size_t)100 * 200000);
    groups_fini(&w, &slab);
    slab_fini(&slab);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_are_found_by_key_and_kept_in_the_order_of_use),
        cmocka_unit_test(a_group_holds_what_its_type_asks_for),
        cmocka_unit_test(a_group_that_held_many_is_small_again),
        cmocka_unit_test(a_number_is_what_the_library_reads),
        cmocka_unit_test(a_group_with_one_event_by_an_address_costs_at_most_100_bytes),
    };

    return cmocka_run_group_tests_name("groups", tests, NULL, NULL);
}
