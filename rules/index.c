/* An event against the keys of the rules. */
#include "rules/index-private.h"

#include "rules/match.h"

size_t index_buckets(const struct rule_index *x)
{
    return x->nbuckets;
}

uint32_t text_hash(struct slice value)
{
    uint64_t h = value.n, word;

    for (; value.n >= sizeof word; value = slice_skip(value, sizeof word)) {
        memcpy(&word, value.p, sizeof word);
        h = (h ^ (word | CASE_BITS)) * UINT64_C(0x9e3779b97f4a7c15);
        h ^= h >> 32;
    }
    word = 0;
    if (value.n)
        memcpy(&word, value.p, value.n);
    h = (h ^ (word | CASE_BITS)) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

/* One event on its way. */
struct finding {
    const struct rule_index *x;
    struct rules_scratch *s;
    const struct event *ev;
    uint64_t *set;
};

/* A bucket once for an event: who writes the same text a thousand times gains nothing. */
static void open_bucket(struct finding *f, uint32_t bucket)
{
    const struct rule_index *x = f->x;

    if (f->s->looked[bucket] == f->s->turn)
        return;
    f->s->looked[bucket] = f->s->turn;
    for (uint32_t i = x->buckets[bucket]; i < x->buckets[bucket + 1]; i++) {
        const struct index_lead *lead = &x->leads[i];

        if (lead->predicate && !predicate_holds(f->s, lead->predicate, f->ev))
            continue;
        for (uint32_t k = lead->first; k < lead->first + lead->n; k++)
            f->set[x->rules[k] / 64] |= UINT64_C(1) << x->rules[k] % 64;
    }
}

static void look_up(struct finding *f, uint64_t key)
{
    const struct rule_index *x = f->x;

    for (uint32_t i = key_slot(key, x->mask); x->slots[i].bucket; i = (i + 1) & x->mask)
        if (x->slots[i].key == key) {
            open_bucket(f, x->slots[i].bucket - 1);
            return;
        }
}

static ALWAYS_INLINE void look_up_grams(struct finding *f, const struct index_field *in, size_t n,
                                        uint32_t field, struct slice value)
{
    struct index_grams grams = in->grams[n - GRAM_MIN];

    if (!grams.bits)
        return;
    for (size_t i = 0; i + n <= value.n; i++) {
        uint32_t gram = gram_at(value.p + i, n), bit = gram_hash(gram) >> grams.shift;

        if (UNLIKELY(grams.bits[bit / 64] >> bit % 64 & 1))
            look_up(f, key_of(KEY_GRAM + (unsigned)n, field, gram));
    }
}

static bool is_ascii(struct slice value)
{
    uint64_t seen = 0, word;

    for (; value.n >= sizeof word; value = slice_skip(value, sizeof word)) {
        memcpy(&word, value.p, sizeof word);
        seen |= word;
    }
    for (size_t i = 0; i < value.n; i++)
        seen |= (unsigned char)value.p[i];
    return (seen & UINT64_C(0x8080808080808080)) == 0;
}

static void look_up_value(struct finding *f, const struct index_field *in, uint32_t field,
                          struct slice value)
{
    if (in->present)
        look_up(f, key_of(KEY_PRESENT, field, 0));
    if (value.n < in->value_max)
        look_up(f, key_of(KEY_VALUE, field, text_hash(value)));
    if (in->beyond_ascii && !is_ascii(value))
        look_up(f, key_of(KEY_BEYOND_ASCII, field, 0));
    look_up_grams(f, in, 2, field, value);
    look_up_grams(f, in, 3, field, value);
    look_up_grams(f, in, 4, field, value);
}

void index_find(const struct rule_index *x, struct rules_scratch *s, const struct event *ev,
                uint64_t *set)
{
    struct finding f = { x, s, ev, set };

    memcpy(set, x->always, x->words * sizeof *set);
    for (size_t i = 0; i < ev->nfields; i++) {
        const struct field *field = &ev->fields[i];

        if (field->type == VALUE_NULL)
            continue;
        if (field->id < x->nfields && x->fields[field->id].used)
            look_up_value(&f, &x->fields[field->id], field->id, field->value);
        if (x->any.used)
            look_up_value(&f, &x->any, ANY_FIELD, field->value);
    }
    if (x->any.used)
        look_up_value(&f, &x->any, ANY_FIELD, ev->raw);
}
