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

/* [22, 2222] or 22 */
static void load_ban_ports(struct rule_build *b, const struct yaml *y)
{
    struct response *resp = &b->rule->response;
    AUTO_BUF list = BUF_INIT;

    if (y->kind == YAML_SCALAR)
        buf_slice(&list, y->text);
    else
        YAML_EACH (item, y) {
            if (list.n)
                buf_char(&list, ',');
            buf_slice(&list, item->text);
        }
    if (!buf_ok(&list) || ban_ports_parse(buf_view(&list), resp->ban_ports) < 0)
        rule_fault(b, y, "ports are at most 8 numbers from 1 to 65535");
}

static void load_ban_key(struct rule_build *b, const struct yaml *m)
{
    static const char *const keys[] = { "field", "for", "ports", "protocol", "dry_run", NULL };
    struct response *resp = &b->rule->response;

    if (slice_is(m->key, "field")) {
        resp->ban_field = m->text;
    } else if (slice_is(m->key, "for")) {
        if (parse_duration(m->text, &resp->ban_us) < 0 || resp->ban_us > BAN_MAX_S * USEC_PER_SEC)
            rule_fault(b, m, "a ban's time is a duration of at most 10 years, like 1h");
    } else if (slice_is(m->key, "ports")) {
        load_ban_ports(b, m);
    } else if (slice_is(m->key, "protocol")) {
        if (ban_protocol_parse(m->text, &resp->ban_protocol) < 0)
            rule_fault(b, m, "protocol is tcp, udp, sctp, a number, or all");
    } else if (slice_is(m->key, "dry_run")) {
        if (!yaml_bool(m, &resp->ban_dry_run))
            rule_fault(b, m, "dry_run is true or false");
    } else {
        struct yaml key = *m;

        key.text = m->key;
        key.at = m->key_at;
        rule_unknown(b, &key, "key of ban:", keys);
    }
}

static void load_ban(struct rule_build *b, const struct yaml *y)
{
    struct response *resp = &b->rule->response;

    resp->ban_field = SLICE("source.ip");
    YAML_EACH (m, y)
        load_ban_key(b, m);
    resp->ban_id = field_intern(b->r->names, resp->ban_field);
    if (resp->ban_ports[0] && resp->ban_protocol == 0)
        resp->ban_protocol = 6; /* TCP, as everybody means it */
    if (resp->ban_protocol && !resp->ban_ports[0])
        rule_fault(b, y, "a ban of one protocol names its ports: {protocol: udp, ports: [1194]}");
    if (resp->ban_us == 0)
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
