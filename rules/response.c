/* `trailwarden:` of a rule: what a firing asks for, and what makes firings rarer. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "rules/build.h"

void rule_fault(struct rule_build *b, const struct yaml *at, const char *text)
{
    diag_error(b->d, at->key.n ? at->key_at : at->at, "%s", text);
    b->failed = true;
}

void rule_unknown(struct rule_build *b, const struct yaml *at, const char *what,
                  const char *const *names)
{
    const char *near = diag_nearest(at->text, names);
    char hint[80];

    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(b->d, DIAG_ERROR, at->at, (unsigned)at->text.n, near ? hint : NULL,
             "unknown %s '%.*s'", what, SLICE_FMT(at->text));
    b->failed = true;
}

static const char *const response_keys[] = { "notify",     "ban",   "audit",  "suppress",
                                             "refire",     "for",   "window", "gap",
                                             "min-events", "tests", NULL };

static void load_notify(struct rule_build *b, const struct yaml *y)
{
    struct slice *list = arena_array(b->r->arena, y->nchildren + 1, sizeof *list);
    size_t n = 0;

    if (!list)
        return rule_fault(b, y, "out of memory");
    if (y->kind == YAML_SCALAR)
        list[n++] = y->text;
    else
        YAML_EACH (item, y)
            list[n++] = item->text;
    b->rule->response.notify = list;
    b->rule->response.nnotify = n;
}

static void load_ban(struct rule_build *b, const struct yaml *y)
{
    const struct yaml *field = yaml_get(y, "field"), *span = yaml_get(y, "for");
    struct response *resp = &b->rule->response;

    YAML_EACH (m, y)
        if (!slice_is(m->key, "field") && !slice_is(m->key, "for"))
            rule_fault(b, m, "a ban has 'field' and 'for'");
    resp->ban_field = field ? field->text : SLICE("source.ip");
    resp->ban_id = field_intern(b->r->names, resp->ban_field);
    if (!span || parse_duration(span->text, &resp->ban_us) < 0 || resp->ban_us == 0)
        rule_fault(b, y, "a ban needs a duration: {for: 1h}");
}

static void load_refire(struct rule_build *b, const struct yaml *y)
{
    static const char *const names[] = { "edge", "every", "reset", NULL };

    for (int i = 0; names[i]; i++)
        if (slice_is(y->text, names[i])) {
            b->rule->response.refire = (enum refire)i;
            return;
        }
    rule_unknown(b, y, "refire", names);
}

void rule_min_events(struct rule_build *b, const struct yaml *y)
{
    if (y && (y->kind != YAML_SCALAR ||
              parse_u64(y->text, 1, 1000000, &b->rule->response.min_events) < 0))
        rule_fault(b, y, "min-events is a number of events");
}

static void load_for(struct rule_build *b, const struct yaml *m)
{
    struct response *resp = &b->rule->response;

    if (m->kind != YAML_SCALAR || parse_duration(m->text, &resp->for_us) < 0)
        return rule_fault(b, m, "for is a duration like 5m");
    if (b->rule->info.kind != RULE_CORRELATION)
        rule_fault(b, m, "'for' is for correlations: one event holds for no time");
}

/* `window: session` ends where nothing came for `gap`. */
static void check_window(struct rule_build *b, const struct yaml *node)
{
    const struct yaml *window = yaml_get(node, "window"), *gap = yaml_get(node, "gap");
    bool session = window && slice_is(window->text, "session");

    if (window && !session && !slice_is(window->text, "sliding"))
        return rule_fault(b, window, "window is sliding or session");
    if (session != (gap != NULL))
        return rule_fault(b, window ? window : gap,
                          "a session needs 'gap', and nothing else has it");
    if (gap &&
        (parse_duration(gap->text, &b->rule->response.gap_us) < 0 || b->rule->response.gap_us == 0))
        return rule_fault(b, gap, "gap is a duration like 5m");
    if (session && b->rule->info.kind != RULE_CORRELATION)
        rule_fault(b, window, "sessions are for correlations");
}

static void load_response_key(struct rule_build *b, const struct yaml *m)
{
    struct response *resp = &b->rule->response;

    if (slice_is(m->key, "notify"))
        load_notify(b, m);
    else if (slice_is(m->key, "ban"))
        load_ban(b, m);
    else if (slice_is(m->key, "refire"))
        load_refire(b, m);
    else if (slice_is(m->key, "for"))
        load_for(b, m);
    else if (slice_is(m->key, "min-events"))
        rule_min_events(b, m);
    else if (slice_is(m->key, "window") || slice_is(m->key, "gap"))
        return; /* both together, below */
    else if (slice_is(m->key, "tests"))
        resp->tests = m;
    else if (slice_is(m->key, "audit")) {
        if (!yaml_bool(m, &resp->audit))
            rule_fault(b, m, "audit is true or false");
    } else if (slice_is(m->key, "suppress")) {
        if (parse_duration(m->text, &resp->suppress_us) < 0)
            rule_fault(b, m, "suppress is a duration like 30m");
    } else {
        struct yaml key = *m;

        key.text = m->key;
        key.at = m->key_at;
        rule_unknown(b, &key, "key of trailwarden:", response_keys);
    }
}

int response_load(struct rules *r, struct rule *rule, const struct yaml *node, struct diag *d)
{
    struct rule_build b = { .r = r, .rule = rule, .d = d };

    if (!node)
        return 0;
    if (node->kind != YAML_MAP) {
        diag_error(d, node->key_at, "trailwarden must be a map");
        rule->broken = true;
        return -EINVAL;
    }
    YAML_EACH (m, node)
        load_response_key(&b, m);
    check_window(&b, node);
    rule->broken = rule->broken || b.failed;
    rule->info.ntests = rule->response.tests ? rule->response.tests->nchildren : 0;
    return b.failed ? -EINVAL : 0;
}
