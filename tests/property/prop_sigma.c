/*
 * The compiled engine against a plain interpreter (sigma_naive.h), on random
 * rules and events. Rules stand alone or in sets so large that the index is
 * asked for them. The same seed gives the same pairs; TW_SIGMA_SEED and
 * TW_SIGMA_PAIRS change them (`make sigma-pairs`: a million).
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>

#include <cmocka.h>

#include "rules/rules.h"
#include "tests/property/sigma_made.h"

#define EVENTS 10 /* for each rule */

/* ---- both ---- */

struct pair {
    struct made made;
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena; /* of the plain reading */
    struct yaml_docs docs;
    uint64_t seed;
};

static void show(const struct pair *p, const struct event *ev)
{
    print_message("seed %llu\n%s", (unsigned long long)p->seed, p->made.text.p);
    for (size_t i = 0; ev && i < ev->nfields; i++)
        print_message("    %.*s = %s'%.*s'\n", SLICE_FMT(ev->fields[i].name),
                      ev->fields[i].type == VALUE_NULL ? "null " : "",
                      SLICE_FMT(ev->fields[i].value));
    if (ev)
        print_message("    raw '%.*s', product %.*s\n", SLICE_FMT(ev->raw),
                      SLICE_FMT(ev->logsource->product));
    for (size_t i = 0; i < diag_count(p->diag); i++)
        print_message("    %s\n", diag_text(p->diag, i));
}

/* Documents are the rules in their order, each with its filter, if any, behind it. */
static bool naive(const struct pair *p, size_t rule, const struct event *ev)
{
    bool held = slice_is(ev->logsource->product, "test");
    size_t seen = 0; /* rules up to this document */

    for (size_t i = 0; i < p->docs.ndocs; i++) {
        bool filter = yaml_get(p->docs.docs[i], "filter") != NULL;
        struct naive x = { .detection = yaml_get(p->docs.docs[i], filter ? "filter" : "detection"),
                           .ev = ev,
                           .filter = filter,
                           .expand_name = "p",
                           .expand_values = expansions };

        seen += !filter;
        if (seen == rule + 1)
            held = held && naive_condition(&x);
    }
    return held;
}

static bool holds(struct slice s, struct slice literal)
{
    AUTO_BUF lower = BUF_INIT;

    buf_slice(&lower, s);
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            lower.p[i] = (char)(lower.p[i] + 32);
    return literal_find(literal, buf_view(&lower), 0) != SIZE_MAX;
}

/* Values are taken to stand in a record as they are. */
static struct literals in_the_value(void *ctx, const struct witness *w, struct literal_maker *m)
{
    (void)ctx;
    (void)m;
    return *w->in_value;
}

/* A rule that matched holds one of its literals. */
static bool witnessed(const struct pair *p, size_t rule, const struct event *ev)
{
    static const struct witness_source source = { in_the_value, NULL };
    AUTO(arena) a = arena_new(16384, 0);
    struct literal_maker m = { .arena = a };
    struct literals l = rules_literals(p->rules, rule, &source, &m);

    for (size_t i = 0; !l.none && i < l.n; i++) {
        if (holds(ev->raw, l.list[i]))
            return true;
        for (size_t k = 0; k < ev->nfields; k++)
            if (holds(ev->fields[k].value, l.list[i]))
                return true;
    }
    return l.none;
}

static void no_line(void *ctx, unsigned depth, struct slice text, bool held)
{
    (void)ctx;
    (void)depth;
    (void)text;
    (void)held;
}

static bool compare_rule(struct pair *p, size_t rule, bool got, const struct event *ev)
{
    static const struct rules_trace trace = { no_line, NULL };
    bool want = naive(p, rule, ev);
    const char *wrong = NULL;

    if (got != want)
        wrong = got ? "it holds, and the interpreter says no" : "the interpreter says it holds";
    else if (got && !witnessed(p, rule, ev))
        wrong = "it matched without a witness";
    else if (slice_is(ev->logsource->product, "test") &&
             rules_explain(p->rules, p->scratch, rule, ev, &trace) != got)
        wrong = "explaining says something else";
    if (wrong) {
        print_message("rule t%zu: %s:\n", rule, wrong);
        show(p, ev);
    }
    return !wrong;
}

static uint64_t bits_of(const uint32_t *hits, size_t n)
{
    uint64_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        assert_true(i == 0 || hits[i] > hits[i - 1]);
        bits |= UINT64_C(1) << hits[i];
    }
    return bits;
}

/* Asked for some of the rules, it names those that hold of these. */
static bool compare_some(struct pair *p, uint64_t held, const struct event *ev)
{
    uint64_t all = (UINT64_C(1) << p->made.nrules) - 1;
    uint64_t some = (p->made.d->x >> 17 | 1) & all;
    const uint32_t *hits;
    size_t n;

    if (!slice_is(ev->logsource->product, "test"))
        return true;
    n = rules_match_only(p->rules, p->scratch, ev, &some, &hits);
    if (bits_of(hits, n) == (held & some))
        return true;
    print_message("of the rules %llx other ones hold:\n", (unsigned long long)some);
    show(p, ev);
    return false;
}

/* How many rules were told otherwise. */
static size_t compare(struct pair *p, const struct event *ev, size_t *matched)
{
    const uint32_t *hits;
    size_t n = rules_match(p->rules, p->scratch, ev, &hits), wrong = 0;
    uint64_t held = bits_of(hits, n);

    *matched += n;
    for (size_t i = 0; i < p->made.nrules; i++)
        wrong += !compare_rule(p, i, held >> i & 1, ev);
    return wrong + !compare_some(p, held, ev);
}

static void pair_init(struct pair *p, struct dice *d, unsigned nrules)
{
    struct slice values[8];
    size_t n = 0;

    *p = (struct pair){ .made = { .d = d, .text = BUF_INIT },
                        .names = field_names_new(),
                        .diag = diag_new(),
                        .arena = arena_new(16384, 0),
                        .seed = d->x };
    while (expansions[n]) {
        values[n] = slice_str(expansions[n]);
        n++;
    }
    p->rules = rules_new(p->names);
    assert_int_equal(rules_placeholder(p->rules, SLICE("p"), values, n), 0);
    while (p->made.nrules < nrules)
        make_rule(&p->made);
    rules_add(p->rules, "t.yml", buf_view(&p->made.text), p->diag);
    rules_compile(p->rules, p->diag);
    p->scratch = rules_scratch_new(p->rules);
    if (diag_errors(p->diag) ||
        yaml_load_text("n.yml", buf_view(&p->made.text), p->arena, p->diag, &p->docs) < 0) {
        show(p, NULL);
        fail();
    }
}

static void pair_free(struct pair *p)
{
    buf_fini(&p->made.text);
    rules_scratch_free(p->scratch);
    rules_free(p->rules);
    field_names_free(p->names);
    diag_free(p->diag);
    arena_free(p->arena);
}

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

static void agree(uint64_t pairs, unsigned nrules, unsigned share)
{
    struct dice d = { setting("TW_SIGMA_SEED", 1) };
    AUTO_FREE struct pair *p = calloc(1, sizeof *p);
    uint64_t ran = 0, wrong = 0;
    size_t matched = 0;

    assert_non_null(p);
    while (ran < pairs && wrong < 5) {
        AUTO(arena) a = arena_new(16384, 0);

        pair_init(p, &d, nrules);
        for (unsigned i = 0; i < EVENTS * nrules / 4 + EVENTS; i++, ran += nrules) {
            struct event ev;

            make_event(&p->made, a, p->names, &ev);
            wrong += compare(p, &ev, &matched);
        }
        pair_free(p);
    }
    print_message("%llu pairs, %zu matches, %llu differences\n", (unsigned long long)ran, matched,
                  (unsigned long long)wrong);
    assert_int_equal(wrong, 0);
    /* Neither side may be right by always saying the same. */
    assert_true(matched > ran / share && matched < ran - ran / share);
}

static void a_rule_alone_agrees_with_a_plain_interpreter(void **state)
{
    (void)state;
    agree(setting("TW_SIGMA_PAIRS", 20000), 1, 10);
}

static void many_rules_agree_with_a_plain_interpreter(void **state)
{
    (void)state;
    agree(setting("TW_SIGMA_PAIRS", 20000), RULES_MAX, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rule_alone_agrees_with_a_plain_interpreter),
        cmocka_unit_test(many_rules_agree_with_a_plain_interpreter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
