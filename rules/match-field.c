/*
 * Where an event has its fields, and what is known of their values before a predicate is asked.
 *
 * The same short values come again and again: an action, a method, a status. What predicates said
 * of the last few of each field is kept, so they are asked once for a value, not once for an event.
 * A value has a number; an answer belongs to the number it was given for. Whoever writes ever new
 * values only makes them be asked each time.
 *
 * Of a new one, and of long ones, which hardly come again, the bytes that they hold tell most
 * searches that there is nothing to find (base/marks.h).
 */
#include "rules/match.h"

/* Longer ones are searched at once: they hold most bytes anyway. */
#define MARKED_MAX 256

bool scratch_init_fields(struct rules_scratch *s)
{
    for (unsigned c = 0; c < ARRAY_SIZE(s->marks); c++)
        s->marks[c] = marks_of_byte((unsigned char)c);
    s->nplaces = field_count(s->rules->names);
    s->places = calloc(s->nplaces + 1, sizeof *s->places);
    s->seen = calloc((size_t)s->nplaces * VALUES_KEPT + 1, sizeof *s->seen);
    s->answers = calloc((size_t)s->rules->nanswers * VALUES_KEPT + 1, sizeof *s->answers);
    return s->places && s->seen && s->answers;
}

void scratch_fini_fields(struct rules_scratch *s)
{
    free(s->places);
    free(s->seen);
    free(s->answers);
}

void scratch_take(struct rules_scratch *s, const struct event *ev)
{
    size_t n = ev->nfields < EVENT_FIELDS_MAX ? ev->nfields : EVENT_FIELDS_MAX;

    s->turn = ++s->numbers;
    for (size_t i = n; i-- > 0;) {
        struct field_place *p;

        if (ev->fields[i].id >= s->nplaces)
            continue;
        p = &s->places[ev->fields[i].id];
        s->next[i] = p->turn == s->turn ? p->first : NO_FIELD;
        p->turn = s->turn;
        p->number = 0;
        p->first = (uint32_t)i;
    }
}

static uint64_t marks_in(const struct rules_scratch *s, struct slice value)
{
    uint64_t marks = 0;

    if (value.n > MARKED_MAX)
        return UINT64_MAX;
    for (size_t i = 0; i < value.n; i++)
        marks |= s->marks[(unsigned char)value.p[i]];
    return marks;
}

/* Of a value that is kept: what was said of it before is found under its number. */
static void remember(struct rules_scratch *s, struct field_place *place, uint32_t field,
                     struct slice value)
{
    struct slice_ends ends = slice_ends_of(value);
    uint32_t column = (uint32_t)(slice_ends_mix(ends, value.n) >> 32) % VALUES_KEPT;
    struct value_seen *seen = &s->seen[field * VALUES_KEPT + column];

    if (seen->ends.a != ends.a || seen->ends.b != ends.b || seen->n != value.n || !seen->number)
        *seen = (struct value_seen){ ends, value.n, ++s->numbers, marks_in(s, value) };
    place->number = seen->number;
    place->marks = seen->marks;
    place->column = column;
}

/* A member and what a format reads out of the text often say the same. */
static bool says_one(const struct rules_scratch *s, const struct event *ev, uint32_t first)
{
    const struct field *f = &ev->fields[first];

    for (uint32_t i = s->next[first]; i != NO_FIELD; i = s->next[i])
        if (ev->fields[i].type == VALUE_NULL || !slice_eq(ev->fields[i].value, f->value))
            return false;
    return f->type != VALUE_NULL;
}

void scratch_look(struct rules_scratch *s, struct field_place *place, const struct event *ev)
{
    const struct field *f = &ev->fields[place->first];
    bool one = says_one(s, ev, place->first);

    if (one && f->value.n <= VALUE_KEPT_MAX) {
        remember(s, place, f->id, f->value);
        return;
    }
    place->number = s->turn; /* nobody but this event says so */
    place->column = 0;
    place->marks = one ? marks_in(s, f->value) : UINT64_MAX;
}
