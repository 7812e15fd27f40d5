#include "logwatch/lane.h"

#include <errno.h>

#include "rules/inspect.h"

const char *const lane_names[] = {
    [LANE_SCAN] = "scan", [LANE_FIELD] = "field", [LANE_WINDOW] = "window", [LANE_NEVER] = "never"
};

#define WORK_BYTES ((size_t)64 << 20) /* for one rule: some 1,000 bytes for each of its values */

static bool part_fits(struct slice rule, struct slice event)
{
    return rule.n == 0 || slice_eq_nocase(rule, event);
}

bool logsource_matches(const struct logsource *rule, const struct logsource *event)
{
    return part_fits(rule->product, event->product) && part_fits(rule->category, event->category) &&
           part_fits(rule->service, event->service);
}

/* What one record of a format has. */
struct setting {
    const struct format *format;
    const struct format_beside *beside;
};

/* Rules and parsers do not know one another: here a rule's question becomes the format's. */
static struct literals of_field(void *ctx, const struct witness *w, struct literal_maker *m)
{
    const struct setting *s = ctx;
    const struct format_ask ask = { .field = w->field,
                                    .beside = s->beside,
                                    .in_value = w->in_value,
                                    .whole = w->whole,
                                    .holds = w->holds,
                                    .ctx = w->ctx };

    return format_literals(s->format, &ask, m);
}

/* NULL: no memory. */
static const struct slice *copy(struct arena *a, const struct literals *l)
{
    struct slice *list = arena_array(a, l->n + 1, sizeof *list);

    for (size_t i = 0; list && i < l->n; i++) {
        list[i] = arena_slice(a, l->list[i]);
        if (!list[i].p)
            return NULL;
    }
    return list;
}

/* Out of the working memory into the caller's. */
static int take(struct arena *a, const struct literals *l, struct lane *ret)
{
    static const struct literals none = { .n = 0 };
    const struct literals *also = l->also ? l->also : &none;

    *ret = (struct lane){ .kind = l->none ? LANE_FIELD
                                  : l->n  ? LANE_SCAN
                                          : LANE_NEVER,
                          .literals = copy(a, l),
                          .nliterals = l->n,
                          .also = copy(a, also),
                          .nalso = also->n };
    if (!ret->literals || !ret->also)
        return -ENOMEM;
    if (l->none)
        ret->why = arena_str(a, slice_str(l->why ? l->why : "no literal"));
    return l->none && !ret->why ? -ENOMEM : 0;
}

static bool fits(const struct engine *e, const struct format *f, size_t rule)
{
    const struct rule_info *info = rules_info(e->rules, rule);

    return rules_usable(e->rules, rule) && info->evaluated && info->logsource &&
           logsource_matches(info->logsource, format_logsource(f));
}

int lane_of(const struct engine *e, const struct format *f, const struct format_beside *beside,
            size_t rule, struct arena *a, struct lane *ret)
{
    struct setting setting = { f, beside };
    const struct witness_source source = { of_field, &setting };
    AUTO(arena) work = NULL;
    struct literal_maker m = { .sample = format_sample(f) };
    struct literals l;

    *ret = (struct lane){ .kind = LANE_NEVER };
    if (rules_info(e->rules, rule)->kind == RULE_CORRELATION)
        ret->kind = LANE_WINDOW;
    if (ret->kind == LANE_WINDOW || !fits(e, f, rule))
        return 0;
    m.arena = work = arena_new(16384, WORK_BYTES);
    if (!work)
        return -ENOMEM;
    l = rules_literals(e->rules, rule, &source, &m);
    return m.failed ? -ENOMEM : take(a, &l, ret);
}

static bool has_escaped_ascii(struct slice raw)
{
    size_t at = 0;

    while ((at = slice_find_byte(raw, '\\')) != SIZE_MAX) {
        raw = slice_skip(raw, at + 1);
        if (raw.n >= 3 && (raw.p[0] | 32) == 'u' && raw.p[1] == '0' && raw.p[2] == '0')
            return true;
    }
    return false;
}

bool lane_passes_over(const struct format *f, struct slice raw)
{
    return slice_find_byte(raw, '\033') != SIZE_MAX || has_escaped_ascii(raw) ||
           (format_hides(f) &&
            (slice_find_byte(raw, '\\') != SIZE_MAX || slice_find_byte(raw, '&') != SIZE_MAX));
}

/* ---- over all formats, for people ---- */

static int worst_of(const struct engine *e, size_t rule, struct literal_maker *m, struct lane *ret)
{
    const struct format_beside nothing = { .places = false };
    struct literals all = { .n = 0 };

    for (size_t i = 0; i < formats_count(e->formats); i++) {
        const struct format *f = formats_at(e->formats, i);
        struct literals *also = arena_alloc(m->arena, sizeof *also); /* `all` may keep it */
        struct lane one;

        if (!fits(e, f, rule))
            continue;
        if (!also || lane_of(e, f, &nothing, rule, m->arena, &one) < 0)
            return -ENOMEM;
        *also = (struct literals){ .list = one.also, .n = one.nalso };
        all = literals_or(m, all,
                          (struct literals){ .list = one.literals,
                                             .n = one.nliterals,
                                             .none = one.kind == LANE_FIELD,
                                             .why = one.why,
                                             .also = one.nalso ? also : NULL });
    }
    return m->failed ? -ENOMEM : take(m->arena, &all, ret);
}

int lane_of_rule(const struct engine *e, size_t rule, struct arena *a, struct lane *ret)
{
    struct literal_maker m = { .arena = a };

    *ret = (struct lane){ .kind = LANE_WINDOW };
    return rules_info(e->rules, rule)->kind == RULE_CORRELATION ? 0 : worst_of(e, rule, &m, ret);
}
