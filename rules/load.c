/* Documents to rules: kinds, references, and the compiled set. */
#include <errno.h>
#include <stdio.h>

#include "base/hash.h"
#include "rules/index.h"
#include "rules/load.h"
#include "rules/match.h"

#define KEEP_MORE_US (600 * USEC_PER_SEC) /* for late events and wrong clocks */

struct rules *rules_new(struct field_names *names)
{
    AUTO(rules) r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->names = names;
    r->arena = arena_new(1 << 16, 0);
    r->by_signal = table_new(0);
    return r->arena && r->by_signal ? TAKE(r) : NULL;
}

void rules_free(struct rules *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < r->nregexes; i++)
        regex_free(r->regexes[i]);
    free(r->regexes);
    free(r->list);
    free(r->filters);
    free(r->logsources);
    table_free(r->by_signal);
    arena_free(r->arena);
    free(r);
}

void *load_room(void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 32;
    void *p;

    if (n < *cap)
        return array;
    p = realloc(array, more * size);
    if (p)
        *cap = more;
    return p;
}

int rules_logsource(struct rules *r, const struct logsource *ls)
{
    struct logsource *list =
        load_room(r->logsources, r->nlogsources, &r->logsources_cap, sizeof *list);

    if (!list)
        return -ENOMEM;
    r->logsources = list;
    list[r->nlogsources++] = *ls;
    return 0;
}

int rules_placeholder(struct rules *r, struct slice name, const struct slice *values, size_t n)
{
    struct placeholder *p = arena_alloc(r->arena, sizeof *p);
    struct slice *copy = arena_array(r->arena, n ? n : 1, sizeof *copy);

    if (!p || !copy)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        copy[i] = arena_slice(r->arena, values[i]);
    *p = (struct placeholder){ arena_slice(r->arena, name), copy, n, r->placeholders };
    r->placeholders = p;
    return 0;
}

/* ---- one document ---- */

/* What was written, independent of comments and layout, but for the node `without`. */
static void put_yaml(struct buf *out, const struct yaml *y, const struct yaml *without)
{
    static const char marks[] = { 's', 'm', 'l' };

    buf_char(out, marks[y->kind]);
    buf_slice(out, y->key);
    buf_char(out, '\0');
    buf_slice(out, y->text);
    buf_slice(out, y->plain ? SLICE("\0p") : SLICE("\0q"));
    YAML_EACH (c, y)
        if (c != without)
            put_yaml(out, c, without);
    buf_slice(out, SLICE("\0e"));
}

static void put_placeholder(struct buf *out, const struct placeholder *p)
{
    buf_slice(out, SLICE("\0v"));
    buf_slice(out, p->name);
    for (size_t i = 0; i < p->n; i++) {
        buf_slice(out, SLICE("\0i"));
        buf_slice(out, p->values[i]);
    }
}

/* Its tests change nothing of what a rule says. */
static int digest(const struct yaml *doc, uint8_t out[32])
{
    AUTO_BUF text = BUF_INIT;

    put_yaml(&text, doc, yaml_get(yaml_get(doc, "trailwarden"), "tests"));
    if (!buf_ok(&text))
        return -ENOMEM;
    sha256(text.p, text.n, out);
    return 0;
}

static struct slice correlation_word(const struct yaml *doc)
{
    const struct yaml *type = yaml_get(yaml_get(doc, "correlation"), "type");

    return type && type->kind == YAML_SCALAR ? type->text : SLICE_NONE;
}

void load_tell_document(struct diag *d, size_t from, unsigned number)
{
    if (number)
        diag_of_document(d, from, number);
}

static struct rule *rule_add(struct rules *r, const char *path, const struct yaml *doc,
                             unsigned number, struct diag *d)
{
    struct rule *list = load_room(r->list, r->n, &r->cap, sizeof *list), *rule;
    size_t before = diag_errors(d);

    if (!list)
        return NULL;
    r->list = list;
    rule = &list[r->n++];
    *rule = (struct rule){ .doc = doc, .number = number };
    meta_check(doc, d);
    rule->info.at = doc->at;
    rule->info.file = arena_slice(r->arena, slice_str(path));
    rule->info.title = meta_text(doc, "title");
    rule->info.id = meta_text(doc, "id");
    rule->info.name = meta_text(doc, "name");
    rule->info.status = meta_text(doc, "status");
    rule->info.description = meta_text(doc, "description");
    rule->info.author = meta_text(doc, "author");
    rule->info.level = meta_level(yaml_get(doc, "level"));
    rule->info.evaluated = true;
    rule->broken = diag_errors(d) > before;
    if (rule->info.id.n == 0)
        rule->info.id = rule->info.name.n ? rule->info.name : rule->info.title;
    return meta_tags(r, rule, yaml_get(doc, "tags")) < 0 || digest(doc, rule->info.digest) < 0
               ? NULL
               : rule;
}

static int add_detection(struct rules *r, const char *path, const struct yaml *doc, unsigned number,
                         struct diag *d)
{
    struct rule *rule = rule_add(r, path, doc, number, d);
    size_t before = diag_errors(d);

    if (!rule)
        return -ENOMEM;
    rule->info.kind = RULE_DETECTION;
    rule->info.logsource = meta_logsource(r, doc, true, d);
    rule->broken = rule->broken || diag_errors(d) > before;
    return rule->info.logsource ? 0 : -ENOMEM;
}

static int add_correlation(struct rules *r, const char *path, const struct yaml *doc,
                           unsigned number, struct diag *d)
{
    struct rule *rule = rule_add(r, path, doc, number, d);

    if (!rule)
        return -ENOMEM;
    rule->info.kind = RULE_CORRELATION;
    rule->info.correlation = correlation_word(doc);
    /* A logsource means nothing here; an empty one fits everything. */
    rule->info.logsource = arena_alloc(r->arena, sizeof *rule->info.logsource);
    return rule->info.logsource ? 0 : -ENOMEM;
}

static int add_kind(struct rules *r, const char *path, const struct yaml *doc, unsigned number,
                    struct diag *d)
{
    if (yaml_get(doc, "correlation"))
        return add_correlation(r, path, doc, number, d);
    if (yaml_get(doc, "filter"))
        return filter_add(r, doc, number, d);
    if (yaml_get(doc, "detection"))
        return add_detection(r, path, doc, number, d);
    diag_error(d, doc->at, "this has no detection, correlation or filter: it is no Sigma rule");
    return 0;
}

int load_document(struct rules *r, const char *path, const struct yaml *doc, unsigned number,
                  struct diag *d)
{
    size_t before = diag_count(d);
    int e = 0;

    if (doc->kind != YAML_MAP) {
        if (!yaml_is_null(doc)) /* a document with nothing in it */
            diag_error(d, doc->at, "a rule is a map: title, logsource, detection ...");
    } else {
        doc = collection_take(r, doc, d);
        if (doc)
            e = add_kind(r, path, doc, number, d);
    }
    load_tell_document(d, before, number);
    return e;
}

/* ---- compiling the set ---- */

size_t rules_find(const struct rules *r, struct slice what)
{
    for (size_t i = 0; i < r->n; i++)
        if (slice_eq(r->list[i].info.id, what) ||
            (r->list[i].info.name.n && slice_eq(r->list[i].info.name, what)))
            return i;
    for (size_t i = 0; i < r->n; i++)
        if (slice_eq(r->list[i].info.title, what))
            return i;
    return SIZE_MAX;
}

/* What others have, too, is made one's own by what is in the rule. */
static struct slice own_id(struct rules *r, const struct rule *rule)
{
    AUTO_BUF text = BUF_INIT;

    buf_slice(&text, rule->info.id);
    buf_char(&text, ' ');
    buf_hex(&text, rule->info.digest, 4);
    return buf_ok(&text) ? arena_slice(r->arena, buf_view(&text)) : SLICE_NONE;
}

/* Does the document itself say so, or the collection that it is of? */
static bool says_itself(const struct rule *rule, const char *key)
{
    const struct yaml *y = yaml_get(rule->doc, key);

    return y && y->key_at.line >= rule->info.at.line;
}

static void told_twice(struct rule *rule, const char *what, struct slice text, struct diag *d)
{
    size_t before = diag_count(d);

    diag_error(d, rule->info.at, "a rule with the %s '%.*s' is already there", what,
               SLICE_FMT(slice_take(text, 80)));
    load_tell_document(d, before, rule->number);
    rule->broken = true;
}

static int check_id(struct rules *r, struct table *seen, struct rule *rule, struct diag *d)
{
    bool own = says_itself(rule, "id") || (!yaml_get(rule->doc, "id") && rule->info.name.n);

    if (rule->info.id.n == 0)
        return 0;
    if (!own && table_get(seen, rule->info.id)) {
        rule->info.id = own_id(r, rule);
        if (!rule->info.id.p)
            return -ENOMEM;
    }
    if (table_get(seen, rule->info.id)) {
        told_twice(rule, "id", rule->info.id, d);
        return 0;
    }
    return table_put(seen, rule->info.id, rule) < 0 ? -ENOMEM : 0;
}

static int check_name(struct table *seen, struct rule *rule, struct diag *d)
{
    struct slice name = rule->info.name;

    if (name.n == 0 || slice_eq(name, rule->info.id))
        return 0;
    if (!table_get(seen, name))
        return table_put(seen, name, rule) < 0 ? -ENOMEM : 0;
    if (says_itself(rule, "name"))
        told_twice(rule, "name", name, d);
    else
        rule->info.name = SLICE(""); /* it means the first of the collection */
    return 0;
}

/* Ids and names are one space: a reference may be either. */
static int check_ids(struct rules *r, struct diag *d)
{
    AUTO(table) seen = table_new(0);
    int e = seen ? 0 : -ENOMEM;

    for (size_t i = 0; e == 0 && i < r->n; i++) {
        e = check_id(r, seen, &r->list[i], d);
        if (e == 0)
            e = check_name(seen, &r->list[i], d);
    }
    return e;
}

static bool source_known(const struct rules *r, const struct logsource *ls)
{
    if (r->nlogsources == 0)
        return true;
    for (size_t i = 0; i < r->nlogsources; i++)
        if (logsource_fits(ls, &r->logsources[i]))
            return true;
    return false;
}

static void compile_detection(struct rules *r, struct rule *rule, struct diag *d)
{
    const struct yaml *detection = yaml_get(rule->doc, "detection");

    rule->info.evaluated = source_known(r, rule->info.logsource);
    if (detection->kind != YAML_MAP) {
        diag_error(d, detection->key_at, "detection must be a map");
        rule->broken = true;
        return;
    }
    rule->condition = detection_compile(r, detection, false, d);
    rule->broken = rule->broken || !rule->condition;
}

static int compile_rule(struct rules *r, struct rule *rule, struct diag *d)
{
    size_t before = diag_count(d);

    if (response_load(r, rule, yaml_get(rule->doc, "trailwarden"), d) == -ENOMEM)
        return -ENOMEM;
    if (rule->info.kind == RULE_DETECTION)
        compile_detection(r, rule, d);
    load_tell_document(d, before, rule->number);
    return 0;
}

static int compile_filters(struct rules *r, struct diag *d)
{
    for (size_t i = 0; i < r->nfilters; i++) {
        size_t before = diag_count(d);

        if (filter_compile(r, &r->filters[i], d) == -ENOMEM)
            return -ENOMEM;
        load_tell_document(d, before, r->filters[i].number);
    }
    return 0;
}

static int add_listener(struct rules *r, struct rule *target, size_t rule, size_t part)
{
    uint32_t *list = arena_array(r->arena, target->nlisteners + 1, sizeof *list);
    uint32_t *parts = arena_array(r->arena, target->nlisteners + 1, sizeof *parts);

    if (!list || !parts)
        return -ENOMEM;
    if (target->nlisteners) {
        memcpy(list, target->listeners, target->nlisteners * sizeof *list);
        memcpy(parts, target->listener_parts, target->nlisteners * sizeof *parts);
    }
    list[target->nlisteners] = (uint32_t)rule;
    parts[target->nlisteners] = (uint32_t)part;
    target->listeners = list;
    target->listener_parts = parts;
    target->nlisteners++;
    return 0;
}

/* Is the rule one of those that it counts, at any depth? `seen`: 1 = on the way, 2 = done. */
static bool counts_itself(const struct rules *r, size_t i, uint8_t *seen)
{
    const struct correlation *c = r->list[i].correlation;
    bool found = seen[i] == 1;

    if (seen[i] || !c || r->list[i].broken)
        return found;
    seen[i] = 1;
    for (size_t p = 0; p < c->nparts && !found; p++)
        found = counts_itself(r, c->parts[p], seen);
    seen[i] = 2;
    return found;
}

static int refuse_cycles(struct rules *r, struct diag *d)
{
    AUTO_FREE uint8_t *seen = calloc(r->n + 1, 1);

    if (!seen)
        return -ENOMEM;
    for (size_t i = 0; i < r->n; i++) {
        if (!counts_itself(r, i, seen))
            continue;
        diag_error(d, r->list[i].info.at, "this correlation counts itself, by way of others");
        r->list[i].broken = true;
    }
    return 0;
}

static int compile_correlations(struct rules *r, struct diag *d)
{
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];
        size_t before = diag_count(d);
        int e;

        if (rule->info.kind != RULE_CORRELATION || rule->broken)
            continue;
        e = correlation_compile(r, rule, d);
        load_tell_document(d, before, rule->number);
        if (e == -ENOMEM)
            return e;
        rule->broken = e < 0;
        /* The last first: one event that is two steps of a sequence does not follow itself. */
        for (size_t p = rule->broken ? 0 : rule->correlation->nparts; p-- > 0;) {
            struct rule *part = &r->list[rule->correlation->parts[p]];

            if (add_listener(r, part, i, p) < 0)
                return -ENOMEM;
            if (!rule->correlation->generate && !part->response.audit)
                part->info.silent = true;
        }
    }
    return refuse_cycles(r, d);
}

/* How its signals name it, and for how long they are kept. */
static int prepare_signals(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];
        struct slice key = { (const char *)rule->signal_id, sizeof rule->signal_id };
        uint8_t digest[SHA256_SIZE];

        sha256(rule->info.id.p, rule->info.id.n, digest);
        memcpy(rule->signal_id, digest, sizeof rule->signal_id);
        rule->keep_us = rule->info.window_us + rule->response.suppress_us + rule->response.for_us +
                        KEEP_MORE_US;
        if (!table_get(r->by_signal, key) && table_put(r->by_signal, key, rule) < 0)
            return -ENOMEM;
    }
    return 0;
}

static int compile_detections(struct rules *r, struct diag *d)
{
    for (size_t i = 0; i < r->n; i++)
        if (compile_rule(r, &r->list[i], d) == -ENOMEM)
            return -ENOMEM;
    return compile_filters(r, d);
}

/* What only the work on detections needs. */
static int begin_detections(struct rules *r)
{
    r->temp = arena_new(1 << 16, 0);
    r->asked = table_new(0);
    return r->temp && r->asked ? 0 : -ENOMEM;
}

static void end_detections(struct rules *r)
{
    arena_free(TAKE(r->temp));
    table_free(TAKE(r->asked));
    buf_fini(&r->question);
}

int rules_compile(struct rules *r, struct diag *d)
{
    size_t before = diag_errors(d);
    int e;

    if (check_ids(r, d) == -ENOMEM)
        return -ENOMEM;
    e = begin_detections(r);
    if (e == 0)
        e = compile_detections(r, d);
    end_detections(r);
    if (e == -ENOMEM || compile_correlations(r, d) == -ENOMEM)
        return -ENOMEM;
    r->nanswers = r->npredicates;
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];

        if (rule->condition && nodes_finish(r, rule->condition) < 0)
            return -ENOMEM;
        rule->travels = rule->condition && travel_asked(rule->condition);
    }
    if (prepare_signals(r) < 0 || index_new(r, &r->index) < 0)
        return -ENOMEM;
    r->compiled = true;
    return diag_errors(d) > before ? -EINVAL : 0;
}

size_t rules_count(const struct rules *r)
{
    return r->n;
}

size_t rules_of_signal(const struct rules *r, const struct signal *s)
{
    const struct rule *rule =
        table_get(r->by_signal, slice_of((const char *)s->rule, sizeof s->rule));

    return rule ? (size_t)(rule - r->list) : SIZE_MAX;
}

const struct rule_info *rules_info(const struct rules *r, size_t i)
{
    return &r->list[i].info;
}

void rules_digest(const struct rules *r, uint8_t out[32])
{
    AUTO_BUF text = BUF_INIT;

    for (size_t i = 0; i < r->n; i++)
        buf_add(&text, r->list[i].info.digest, sizeof r->list[i].info.digest);
    /* What filters and placeholders say changes what the rules find. */
    for (size_t i = 0; i < r->nfilters; i++)
        put_yaml(&text, r->filters[i].doc, NULL);
    for (const struct placeholder *p = r->placeholders; p; p = p->next)
        put_placeholder(&text, p);
    memset(out, 0, 32);
    if (buf_ok(&text))
        sha256(text.p, text.n, out);
}
