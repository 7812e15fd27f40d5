/* How a window of a correlation stands: what is there, what is missing, until when. */
#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/table.h"
#include "base/utf8.h"
#include "logwatch/commands/explain.h"

#define SIGNALS_MAX 1000000

/* ---- signals ---- */

void seen_init(struct seen *s, const struct rules *r, struct arena *a)
{
    *s = (struct seen){ .rules = r, .arena = a };
}

void seen_fini(struct seen *s)
{
    free(s->items);
}

int seen_add(struct seen *s, const struct signal *g)
{
    struct seen_signal *item;

    if (g->flags & SIGNAL_MARK)
        return 0; /* no event: it says what time did */
    if (s->n == SIGNALS_MAX)
        return -E2BIG;
    if (s->n == s->cap) {
        size_t cap = s->cap ? s->cap * 2 : 64;
        struct seen_signal *items = realloc(s->items, cap * sizeof *items);

        if (!items)
            return -ENOMEM;
        s->items = items;
        s->cap = cap;
    }
    item = &s->items[s->n++];
    *item = (struct seen_signal){ .rule = rules_of_signal(s->rules, g),
                                  .part = g->part,
                                  .time_us = g->time_us,
                                  .group = arena_slice(s->arena, g->group),
                                  .value = arena_slice(s->arena, g->value),
                                  .evidence = arena_slice(s->arena, g->evidence) };
    return item->group.p && item->value.p && item->evidence.p ? 0 : -ENOMEM;
}

/* Values are joined by 0x1f, which is written double inside a value. */
void buf_group(struct buf *b, struct slice group)
{
    if (group.n == 0)
        buf_str(b, "(all)");
    for (size_t i = 0; i < group.n; i++) {
        bool mark = group.p[i] == '\x1f';

        if (mark && i + 1 < group.n && group.p[i + 1] == '\x1f')
            i++;
        else if (mark) {
            buf_str(b, ", ");
            continue;
        }
        buf_char(b, group.p[i]);
    }
}

/* ---- looking ---- */

struct looking {
    struct rules_view *view;
    const struct seen *seen;
    const struct yaml *doc; /* `correlation:` */
    struct window_view *w;
    uint64_t at_us;
};

static bool inside(const struct looking *l, const struct seen_signal *s)
{
    return s->rule == l->w->rule && slice_eq(s->group, l->w->group) && s->time_us <= l->at_us &&
           s->time_us + l->w->span_us > l->at_us;
}

/* The count falls when the newest event of some value leaves. */
static void fall_at(struct looking *l, uint64_t newest_us)
{
    uint64_t leaves = newest_us + l->w->span_us;

    if (!l->w->due_us || leaves < l->w->due_us)
        l->w->due_us = leaves;
}

static uint64_t count_values(struct looking *l)
{
    AUTO(table) values = table_new(0);
    struct slice key;
    void *newest;

    for (size_t i = 0; values && i < l->seen->n; i++) {
        struct seen_signal *s = &l->seen->items[i];
        const struct seen_signal *before = table_get(values, s->value);

        if (inside(l, s) && s->value.n && (!before || before->time_us < s->time_us) &&
            table_put(values, s->value, s) < 0)
            break;
    }
    l->w->due_us = 0;
    for (size_t i = 0; values && table_next(values, &i, &key, &newest);)
        fall_at(l, ((const struct seen_signal *)newest)->time_us);
    return values ? table_count(values) : 0;
}

/* Time of the newest event of a part; 0 = none. */
static uint64_t part_seen(const struct looking *l, size_t part)
{
    uint64_t newest = 0;

    for (size_t i = 0; i < l->seen->n; i++) {
        const struct seen_signal *s = &l->seen->items[i];

        if (s->part == part && inside(l, s) && s->time_us > newest)
            newest = s->time_us;
    }
    return newest;
}

/* The rules of a temporal correlation: how many were seen, and the titles of the rest. */
static int look_at_parts(struct looking *l)
{
    const struct rules *r = l->view->engine->rules;
    AUTO_BUF missing = BUF_INIT;
    size_t parts = 0;

    l->w->due_us = 0;
    for (size_t i = 0; i < rules_count(r); i++) {
        size_t part = i == l->w->rule ? SIZE_MAX : rules_part(r, l->w->rule, i);

        if (part == SIZE_MAX)
            continue;
        parts++;
        if (part_seen(l, part)) {
            fall_at(l, part_seen(l, part));
            l->w->count++;
            continue;
        }
        buf_printf(&missing, "%s'%.*s'", missing.n ? ", " : "", SLICE_FMT(rules_info(r, i)->title));
    }
    l->w->unit = "rules";
    if (!l->w->need && !yaml_get(l->doc, "condition"))
        l->w->need = parts;
    if (missing.n)
        l->w->missing = arena_str(l->view->arena, buf_view(&missing));
    return buf_ok(&missing) ? 0 : -ENOMEM;
}

/* gt and gte alone say how many are needed; anything else is told as written. */
static void look_at_condition(struct looking *l)
{
    const struct yaml *condition = yaml_get(l->doc, "condition");
    const struct yaml *gt = yaml_get(condition, "gt"), *gte = yaml_get(condition, "gte");
    static const char *const upper[] = { "lt", "lte", "eq", "neq" };
    AUTO_BUF b = BUF_INIT;
    uint64_t n;

    if (gt && gt->kind == YAML_SCALAR && parse_u64(gt->text, 0, UINT32_MAX, &n) == 0)
        l->w->need = n + 1;
    if (gte && gte->kind == YAML_SCALAR && parse_u64(gte->text, 0, UINT32_MAX, &n) == 0)
        l->w->need = n;
    for (size_t i = 0; i < ARRAY_SIZE(upper); i++)
        l->w->at_end = l->w->at_end || yaml_get(condition, upper[i]);
    if (l->w->at_end)
        l->w->need = 0;
    if (condition)
        buf_yaml(&b, condition);
    l->w->condition = arena_str(l->view->arena, buf_view(&b));
}

static void look_at_time(struct looking *l)
{
    uint64_t oldest = UINT64_MAX;

    for (size_t i = 0; i < l->seen->n; i++)
        if (inside(l, &l->seen->items[i]) && l->seen->items[i].time_us < oldest)
            oldest = l->seen->items[i].time_us;
    if (oldest != UINT64_MAX)
        l->w->due_us = oldest + l->w->span_us;
}

/* What the number is that the condition compares. */
static const char *unit_of(struct slice type)
{
    static const struct {
        const char *type, *unit;
    } units[] = {
        { "value_sum", "in sum" },           { "value_avg", "on average" },
        { "value_median", "in the middle" }, { "value_percentile", "at the percentile" },
        { "value_min", "at least" },         { "value_max", "at most" },
        { "event_ratio", "percent" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (slice_is(type, units[i].type))
            return units[i].unit;
    return "events";
}

int window_look(struct rules_view *v, const struct seen *seen, const struct correlator *c,
                size_t rule, struct slice group, uint64_t at_us, struct window_view *ret)
{
    const struct rules *r = v->engine->rules;
    const struct rule_info *info = rules_info(r, rule);
    struct looking l = { v, seen, yaml_get(rules_document(r, rule), "correlation"), ret, at_us };
    struct correlator_view view;

    *ret = (struct window_view){
        .rule = rule, .group = group, .span_us = info->window_us, .unit = "events"
    };
    look_at_condition(&l);
    look_at_time(&l);
    if (slice_starts(info->correlation, SLICE("temporal")))
        return look_at_parts(&l);
    if (slice_is(info->correlation, "value_count")) {
        ret->count = count_values(&l);
        ret->unit = "different values";
        return 0;
    }
    ret->unit = unit_of(info->correlation);
    if (!correlator_view(c, rule, group, at_us, &view))
        return 0;
    ret->count = slice_is(info->correlation, "event_count") ? view.events
                 : view.value > 0                           ? (uint64_t)view.value
                                                            : 0;
    if (view.due_us) {
        ret->at_end = true;
        ret->due_us = view.due_us;
    }
    return 0;
}

uint64_t rule_suppress_us(const struct rules *r, size_t rule)
{
    const struct yaml *y = yaml_get(yaml_get(rules_document(r, rule), "trailwarden"), "suppress");
    uint64_t us = 0;

    if (!y || y->kind != YAML_SCALAR || parse_duration(y->text, &us) < 0)
        return 0;
    return us;
}

/* ---- telling ---- */

static void buf_clock(struct buf *b, uint64_t us)
{
    char text[TIME_TEXT_SIZE];

    time_text(us, text);
    buf_printf(b, "%.8s", text + 11);
}

static void state_text(const struct window_view *w, struct buf *out)
{
    uint64_t open = w->need > w->count ? w->need - w->count : 0;

    if (w->told_now) {
        buf_str(out, "; an alert now");
    } else if (w->at_end) {
        buf_str(out, "; judged when the window is over, at ");
        buf_clock(out, w->due_us);
    } else if (open && w->due_us && w->count) {
        buf_str(out, "; next would be due by ");
        buf_clock(out, w->due_us);
    } else if (w->need && !open && w->silent_until_us) {
        buf_str(out, "; suppressed until ");
        buf_clock(out, w->silent_until_us);
    } else if (w->need && !open && w->told_us) {
        buf_str(out, "; told at ");
        buf_clock(out, w->told_us);
        buf_str(out, ", and again when it has been false");
    }
    if (w->missing) {
        buf_str(out, "; missing: ");
        buf_printable(out, slice_str(w->missing));
    }
}

void window_text(const struct rules_view *v, const struct window_view *w, struct buf *out)
{
    const struct rule_info *info = rules_info(v->engine->rules, w->rule);
    AUTO_BUF group = BUF_INIT;

    buf_group(&group, w->group);
    buf_str(out, "  ");
    buf_printable(out, info->title);
    buf_str(out, "\n    ");
    if (w->need)
        buf_printf(out, "%llu of %llu", (unsigned long long)w->count, (unsigned long long)w->need);
    else
        buf_printf(out, "%llu", (unsigned long long)w->count);
    if (!w->need || !slice_is(slice_str(w->unit), "events"))
        buf_printf(out, " %s", w->unit);
    buf_str(out, " in ");
    buf_duration(out, w->span_us);
    buf_str(out, " from ");
    buf_printable(out, buf_view(&group));
    if (!w->need && w->condition && w->condition[0]) {
        buf_printf(out, ", for %.*s ", SLICE_FMT(info->correlation));
        buf_printable(out, slice_str(w->condition));
    }
    state_text(w, out);
    buf_char(out, '\n');
}

static void time_member(struct json_writer *out, const char *key, uint64_t us)
{
    if (us)
        json_member_time(out, key, us);
}

void window_json(const struct rules_view *v, const struct window_view *w, struct json_writer *out)
{
    const struct rule_info *info = rules_info(v->engine->rules, w->rule);
    AUTO_BUF group = BUF_INIT;

    buf_group(&group, w->group);
    json_object(out);
    json_member_slice(out, "rule", info->id);
    json_member_slice(out, "title", info->title);
    json_member_slice(out, "type", info->correlation);
    json_member_buf(out, "group", &group);
    json_member_u64(out, "span_s", w->span_us / USEC_PER_SEC);
    json_member_str(out, "unit", w->unit);
    json_member_u64(out, "count", w->count);
    if (w->need)
        json_member_u64(out, "need", w->need);
    json_member_str(out, "condition", w->condition ? w->condition : "");
    if (w->missing)
        json_member_str(out, "missing", w->missing);
    time_member(out, w->at_end ? "judged_at" : "due", w->due_us);
    time_member(out, "told", w->told_us);
    time_member(out, "silent_until", w->silent_until_us);
    json_member_bool(out, "alert_now", w->told_now);
    json_object_end(out);
}
