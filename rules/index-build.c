/*
 * The keys of each rule, and the tables over them.
 *
 * How rare a key is in events nobody knows here; how often the rules themselves use it says
 * something about that (".exe" and "powershell" stand in hundreds of them), and it says how many
 * rules it leads to. So texts are looked for by their four bytes that fewest others have.
 */
#include <errno.h>

#include "rules/index-private.h"

#define USES 65536 /* counters; keys may share one, it is only an estimate */
#define COST_PRESENT 1000000 /* the field is there: in most events it is */
#define COST_BEYOND_ASCII 1000
#define COST_NEVER UINT64_MAX /* no key */

/* How a predicate is found, and how many ask it. */
struct access {
    const struct predicate *predicate; /* NULL: nobody */
    uint32_t nasked;
    uint64_t *keys; /* any of them */
    size_t n;
    uint64_t cost; /* COST_NEVER: it is not */
};

struct posting {
    uint64_t key;
    const struct predicate *predicate;
    uint32_t rule;
};

struct building {
    const struct rules *r;
    struct rule_index *x;
    struct arena *arena; /* until it is built */
    uint32_t *uses;
    struct access *accesses; /* by predicate */
    struct posting *postings;
    size_t n, cap;
    bool failed;
};

/* ---- texts ---- */

/* The n bytes from i on that a value must have, in any case; false: they are not known, or over. */
static bool gram_of(const struct pattern *p, size_t i, size_t n, uint32_t *ret_gram)
{
    char bytes[GRAM_MAX];

    if (p->shape != SHAPE_GLOB) {
        if (i + n > p->literal.n)
            return false;
        *ret_gram = gram_at(p->literal.p + i, n);
        return true;
    }
    for (size_t k = 0; k < n; k++) {
        if (i + k >= p->n || p->tokens[i + k] >= 0x80)
            return false;
        bytes[k] = (char)p->tokens[i + k];
    }
    *ret_gram = gram_at(bytes, n);
    return true;
}

static size_t grams_end(const struct pattern *p)
{
    return p->shape == SHAPE_GLOB ? p->n : p->literal.n;
}

static bool wants_beyond_ascii(const struct pattern *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->tokens[i] >= 0x80 && p->tokens[i] < TOKEN_ANY)
            return true;
    return false;
}

static uint32_t *uses_of(const struct building *b, uint32_t hash)
{
    return &b->uses[hash >> 16];
}

/* Grams of the length that would be chosen. */
static void count_text(const struct building *b, const struct pattern *p, uint32_t n)
{
    uint32_t gram;
    bool found = false;

    if (p->shape == SHAPE_EXACT) {
        *uses_of(b, gram_hash(text_hash(p->literal))) += n;
        return;
    }
    for (size_t length = GRAM_MAX; length >= GRAM_MIN && !found; length--)
        for (size_t i = 0; i < grams_end(p); i++)
            if (gram_of(p, i, length, &gram)) {
                *uses_of(b, gram_hash(gram)) += n;
                found = true;
            }
}

static void note(struct building *b, const struct node *n)
{
    if (n->kind == NODE_PREDICATE) {
        b->accesses[n->predicate->nth].predicate = n->predicate;
        b->accesses[n->predicate->nth].nasked++;
    }
    for (size_t i = 0; i < n->n; i++)
        note(b, n->children[i]);
}

static void count(const struct building *b)
{
    for (size_t i = 0; i < b->r->npredicates; i++) {
        const struct access *a = &b->accesses[i];

        if (a->predicate && a->predicate->kind == PREDICATE_TEXT)
            count_text(b, &a->predicate->pattern, a->nasked);
    }
}

/* ---- predicates ---- */

static uint32_t field_of(const struct predicate *p)
{
    return p->keyword ? ANY_FIELD : p->field;
}

static struct access access_keys(struct building *b, size_t n)
{
    struct access a = { .keys = arena_array(b->arena, n + 1, sizeof *a.keys), .n = n };

    b->failed = b->failed || !a.keys;
    return a;
}

static struct access one_key(struct building *b, uint64_t key, uint64_t cost)
{
    struct access a = access_keys(b, 1);

    if (a.keys)
        a.keys[0] = key;
    a.cost = cost;
    return a;
}

static struct access present(struct building *b, const struct predicate *p)
{
    return one_key(b, key_of(KEY_PRESENT, field_of(p), 0), COST_PRESENT);
}

/* The rarest n bytes that a value must have. */
static bool gram_access(struct building *b, const struct predicate *p, size_t n, uint64_t cost,
                        struct access *ret)
{
    uint32_t best = 0, gram, least = UINT32_MAX;

    for (size_t i = 0; i < grams_end(&p->pattern); i++)
        if (gram_of(&p->pattern, i, n, &gram) && *uses_of(b, gram_hash(gram)) < least) {
            least = *uses_of(b, gram_hash(gram));
            best = gram;
        }
    if (least == UINT32_MAX)
        return false;
    *ret = one_key(b, key_of(KEY_GRAM + (unsigned)n, field_of(p), best), cost + least);
    return true;
}

static struct access text_access(struct building *b, const struct predicate *p)
{
    struct access a;

    if (p->pattern.shape == SHAPE_EXACT) {
        uint32_t hash = text_hash(p->pattern.literal);

        return one_key(b, key_of(KEY_VALUE, field_of(p), hash), 1 + *uses_of(b, gram_hash(hash)));
    }
    if (gram_access(b, p, 4, 1, &a) || gram_access(b, p, 3, 8, &a))
        return a;
    if (wants_beyond_ascii(&p->pattern))
        return one_key(b, key_of(KEY_BEYOND_ASCII, field_of(p), 0), COST_BEYOND_ASCII);
    return gram_access(b, p, 2, 64, &a) ? a : present(b, p);
}

static struct access regex_access(struct building *b, const struct predicate *p)
{
    struct literal_maker m = { .arena = b->arena };
    struct literals l = regex_literals(p->regex, NULL, &m);
    struct access a;

    b->failed = b->failed || m.failed;
    if (l.none || l.n == 0)
        return present(b, p);
    for (size_t i = 0; i < l.n; i++)
        if (literal_digits(l.list[i])) /* whichever they are: no text */
            return present(b, p);
    a = access_keys(b, l.n);
    for (size_t i = 0; a.keys && i < l.n; i++) {
        struct pattern text = { .shape = SHAPE_CONTAINS, .literal = l.list[i] };
        struct predicate as_text = { .keyword = p->keyword, .field = p->field, .pattern = text };
        struct access one = text_access(b, &as_text);

        if (!one.keys || one.cost >= COST_PRESENT)
            return present(b, p);
        a.keys[i] = one.keys[0];
        a.cost += one.cost;
    }
    return a;
}

/* Some other value than null is there: that much all of these want. */
static struct access access_of(struct building *b, const struct predicate *p)
{
    static const struct access never = { .cost = COST_NEVER };

    if ((!p->keyword && p->field >= b->x->nfields) || predicate_is_derived(p))
        return never;
    switch (p->kind) {
    case PREDICATE_EXISTS:
    case PREDICATE_NULL:
        return never;
    case PREDICATE_TEXT:
        return text_access(b, p);
    case PREDICATE_REGEX:
        return regex_access(b, p);
    case PREDICATE_CIDR:
    case PREDICATE_NUMBER:
    case PREDICATE_FIELD:
    case PREDICATE_TIME:
        break;
    }
    return present(b, p);
}

/* Each is looked at once, however many rules ask it. */
static const struct access *access_to(struct building *b, const struct predicate *p)
{
    struct access *a = &b->accesses[p->nth];

    if (!a->keys && a->cost == 0)
        *a = access_of(b, p);
    return a;
}

/* ---- rules ---- */

static uint64_t cost_of(struct building *b, const struct node *n)
{
    uint64_t cost = n->kind == NODE_OR ? 0 : COST_NEVER;

    if (n->kind == NODE_PREDICATE)
        return access_to(b, n->predicate)->cost;
    for (size_t i = 0; n->kind != NODE_NOT && i < n->n; i++) {
        uint64_t child = cost_of(b, n->children[i]);

        if (n->kind == NODE_AND)
            cost = child < cost ? child : cost;
        else if (child == COST_NEVER)
            return COST_NEVER;
        else
            cost += child;
    }
    return cost;
}

static void add_posting(struct building *b, struct posting e)
{
    size_t cap = b->cap ? b->cap * 2 : 1024;
    struct posting *list =
        b->n < b->cap ? b->postings : reallocarray(b->postings, cap, sizeof *list);

    if (!list) {
        b->failed = true;
        return;
    }
    b->cap = b->n < b->cap ? b->cap : cap;
    b->postings = list;
    list[b->n++] = e;
}

/* Limits of an expression are its rule's trouble: it is asked with the rule, never before. */
static void add_predicate(struct building *b, const struct predicate *p, uint32_t rule)
{
    const struct access *a = access_to(b, p);

    for (size_t i = 0; a->keys && i < a->n; i++) {
        bool asked = p->kind == PREDICATE_TEXT && a->keys[i] >> KEY_KIND_SHIFT != KEY_PRESENT;

        add_posting(b, (struct posting){ a->keys[i], asked ? p : NULL, rule });
    }
}

static void add_keys(struct building *b, const struct node *n, uint32_t rule)
{
    const struct node *best = NULL;
    uint64_t cost = COST_NEVER;

    if (n->kind == NODE_PREDICATE)
        add_predicate(b, n->predicate, rule);
    for (size_t i = 0; i < n->n; i++) {
        uint64_t child = n->kind == NODE_AND ? cost_of(b, n->children[i]) : 0;

        if (n->kind == NODE_OR)
            add_keys(b, n->children[i], rule);
        else if (child < cost) {
            best = n->children[i];
            cost = child;
        }
    }
    if (best)
        add_keys(b, best, rule);
}

static bool is_asked(const struct rule *rule)
{
    return !rule->broken && rule->condition && rule->info.evaluated;
}

static void add_rules(struct building *b)
{
    for (size_t i = 0; i < b->r->n; i++)
        if (is_asked(&b->r->list[i]))
            note(b, b->r->list[i].condition);
    count(b);
    for (size_t i = 0; i < b->r->n; i++) {
        const struct rule *rule = &b->r->list[i];

        if (!is_asked(rule))
            continue;
        if (cost_of(b, rule->condition) == COST_NEVER)
            b->x->always[i / 64] |= UINT64_C(1) << i % 64;
        else
            add_keys(b, rule->condition, (uint32_t)i);
    }
}

/* ---- tables ---- */

static int by_key(const void *left, const void *right)
{
    const struct posting *a = left, *b = right;
    uint32_t x = a->predicate ? a->predicate->nth + 1 : 0;
    uint32_t y = b->predicate ? b->predicate->nth + 1 : 0;

    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    if (x != y)
        return x < y ? -1 : 1;
    return (a->rule > b->rule) - (a->rule < b->rule);
}

static void add_bucket(struct rule_index *x, uint64_t key)
{
    uint32_t i = key_slot(key, x->mask);

    while (x->slots[i].bucket)
        i = (i + 1) & x->mask;
    x->slots[i] = (struct index_slot){ key, (uint32_t)++x->nbuckets };
}

static struct index_field *field_in(struct rule_index *x, uint64_t key)
{
    uint32_t field = (uint32_t)(key >> KEY_FIELD_SHIFT) & ANY_FIELD;

    return field == ANY_FIELD ? &x->any : &x->fields[field];
}

/* Sixteen bits for each gram of a field: most of a value's bytes then need no look into the table.
 */
static bool make_bits(const struct building *b, const struct posting *e, size_t n,
                      struct index_grams *ret)
{
    unsigned log = 6;
    uint64_t *bits;

    while (log < 26 && (size_t)1 << log < 16 * n)
        log++;
    bits = arena_array(b->r->arena, ((size_t)1 << log) / 64, sizeof *bits);
    if (!bits)
        return false;
    for (size_t i = 0; i < n; i++) {
        uint32_t bit = gram_hash((uint32_t)e[i].key) >> (32 - log);

        bits[bit / 64] |= UINT64_C(1) << bit % 64;
    }
    *ret = (struct index_grams){ bits, 32 - log };
    return true;
}

/* n keys of one kind and field. */
static bool make_field(const struct building *b, const struct posting *e, size_t n)
{
    struct index_field *in = field_in(b->x, e->key);
    unsigned kind = (unsigned)(e->key >> KEY_KIND_SHIFT);

    in->used = true;
    in->present = in->present || kind == KEY_PRESENT;
    in->beyond_ascii = in->beyond_ascii || kind == KEY_BEYOND_ASCII;
    for (size_t i = 0; kind == KEY_VALUE && i < n; i++)
        if (e[i].predicate->pattern.literal.n >= in->value_max)
            in->value_max = e[i].predicate->pattern.literal.n + 1;
    return kind < KEY_GRAM || make_bits(b, e, n, &in->grams[kind - KEY_GRAM - GRAM_MIN]);
}

static bool make_fields(const struct building *b)
{
    for (size_t i = 0, n; i < b->n; i += n) {
        const struct posting *e = &b->postings[i];

        for (n = 1; i + n < b->n && e[n].key >> KEY_FIELD_SHIFT == e->key >> KEY_FIELD_SHIFT;)
            n++;
        if (!make_field(b, e, n))
            return false;
    }
    return true;
}

static bool make_room(struct building *b)
{
    struct rule_index *x = b->x;
    struct arena *a = b->r->arena;
    size_t nslots = 16;

    while (nslots < 2 * b->n)
        nslots *= 2;
    x->mask = (uint32_t)(nslots - 1);
    x->slots = arena_array(a, nslots, sizeof *x->slots);
    x->buckets = arena_array(a, b->n + 1, sizeof *x->buckets);
    x->leads = arena_array(a, b->n + 1, sizeof *x->leads);
    x->rules = arena_array(a, b->n + 1, sizeof *x->rules);
    return x->slots && x->buckets && x->leads && x->rules;
}

/* The postings are in order: equal keys become a bucket, equal predicates in it a lead. */
static bool make_tables(struct building *b)
{
    struct rule_index *x = b->x;
    uint32_t nleads = 0, nrules = 0;

    if (b->n)
        qsort(b->postings, b->n, sizeof *b->postings, by_key);
    if (!make_room(b) || !make_fields(b))
        return false;
    for (size_t i = 0; i < b->n; i++) {
        const struct posting *e = &b->postings[i], *before = i ? e - 1 : NULL;
        bool same = before && before->key == e->key && before->predicate == e->predicate;

        if (!before || before->key != e->key) {
            x->buckets[x->nbuckets] = nleads;
            add_bucket(x, e->key);
        }
        if (!same)
            x->leads[nleads++] = (struct index_lead){ e->predicate, nrules, 0 };
        if (!same || before->rule != e->rule) {
            x->rules[nrules++] = e->rule;
            x->leads[nleads - 1].n++;
        }
    }
    x->buckets[x->nbuckets] = nleads;
    return true;
}

static bool build(struct building *b)
{
    struct rule_index *x = b->x;
    struct arena *a = b->r->arena;

    x->nfields = field_count(b->r->names);
    x->words = b->r->n / 64 + 1;
    x->fields = arena_array(a, x->nfields + 1, sizeof *x->fields);
    x->always = arena_array(a, x->words, sizeof *x->always);
    b->uses = arena_array(b->arena, USES, sizeof *b->uses);
    b->accesses = arena_array(b->arena, b->r->npredicates + 1, sizeof *b->accesses);
    if (!x->fields || !x->always || !b->uses || !b->accesses)
        return false;
    add_rules(b);
    return !b->failed && make_tables(b);
}

int index_new(const struct rules *r, struct rule_index **ret_index)
{
    AUTO(arena) arena = arena_new(1 << 16, 0);
    struct building b = { .r = r, .arena = arena };
    bool built;

    b.x = arena_alloc(r->arena, sizeof *b.x);
    built = arena && b.x && build(&b);
    free(b.postings);
    if (!built)
        return -ENOMEM;
    *ret_index = b.x;
    return 0;
}
