/* Documents to rules: kinds, required keys, collections, references. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/hash.h"
#include "base/num.h"
#include "rules/tree.h"

#define DEPTH_MAX 16
#define KEEP_MORE_US (600 * USEC_PER_SEC) /* for late events and wrong clocks */

struct rules *rules_new(struct field_names *names)
{
    struct rules *r = calloc(1, sizeof *r);

    if (!r)
        return NULL;
    r->names = names;
    r->arena = arena_new(1 << 16, 0);
    if (!r->arena) {
        free(r);
        return NULL;
    }
    return r;
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
    arena_free(r->arena);
    free(r);
}

static void *room(void *array, size_t n, size_t *cap, size_t size)
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
    struct logsource *list = room(r->logsources, r->nlogsources, &r->logsources_cap, sizeof *list);

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

/* A scalar's text, or nothing; a map or list there is a finding. */
static struct slice text_of(const struct yaml *doc, const char *key, struct diag *d)
{
    const struct yaml *y = yaml_get(doc, key);

    if (!y || yaml_is_null(y))
        return SLICE("");
    if (y->kind != YAML_SCALAR) {
        diag_error(d, y->key_at, "'%s' must be a text", key);
        return SLICE("");
    }
    return y->text;
}

static void load_tags(struct rules *r, struct rule *rule, const struct yaml *tags)
{
    struct slice *list;
    size_t n = 0;

    if (!tags || tags->kind != YAML_SEQ)
        return;
    list = arena_array(r->arena, tags->nchildren + 1, sizeof *list);
    YAML_EACH (t, tags)
        if (list && t->kind == YAML_SCALAR)
            list[n++] = t->text;
    rule->info.tags = list;
    rule->info.ntags = n;
}

static void load_level(struct rule *rule, const struct yaml *y, struct diag *d)
{
    static const char *const names[] = {
        "informational", "low", "medium", "high", "critical", NULL
    };

    rule->info.level = LEVEL_MEDIUM;
    if (!y || y->kind != YAML_SCALAR)
        return;
    if (level_parse(y->text, &rule->info.level) < 0) {
        const char *near = diag_nearest(y->text, names);
        char hint[64];

        if (near)
            snprintf(hint, sizeof hint, "did you mean '%s'?", near);
        diag_add(d, DIAG_ERROR, y->at, (unsigned)y->text.n, near ? hint : NULL,
                 "'%.*s' is no level", SLICE_FMT(y->text));
    }
}

static struct logsource *load_logsource(struct rules *r, const struct yaml *y, struct diag *d)
{
    struct logsource *ls = arena_alloc(r->arena, sizeof *ls);

    if (!ls || !y)
        return ls;
    if (y->kind != YAML_MAP) {
        diag_error(d, y->key_at, "logsource must be a map of product, category, service");
        return ls;
    }
    ls->product = text_of(y, "product", d);
    ls->category = text_of(y, "category", d);
    ls->service = text_of(y, "service", d);
    return ls;
}

/* A digest of what was written, independent of comments and layout. */
static void hash_yaml(struct sha256 *h, const struct yaml *y)
{
    static const char marks[] = { 's', 'm', 'l' };

    sha256_add(h, &marks[y->kind], 1);
    sha256_add(h, y->key.p, y->key.n);
    sha256_add(h, "\0", 1);
    sha256_add(h, y->text.p, y->text.n);
    sha256_add(h, y->plain ? "\0p" : "\0q", 2);
    YAML_EACH (c, y)
        hash_yaml(h, c);
    sha256_add(h, "\0e", 2);
}

static int digest(struct rule *rule, const struct yaml *doc)
{
    struct sha256 h = { 0 };

    if (sha256_init(&h) < 0)
        return -ENOMEM;
    hash_yaml(&h, doc);
    sha256_end(&h, rule->info.digest);
    sha256_fini(&h);
    return 0;
}

static struct slice correlation_word(const struct yaml *doc)
{
    const struct yaml *type = yaml_get(yaml_get(doc, "correlation"), "type");

    return type && type->kind == YAML_SCALAR ? type->text : SLICE_NONE;
}

static struct rule *rule_add(struct rules *r, const char *path, const struct yaml *doc,
                             struct diag *d)
{
    struct rule *list = room(r->list, r->n, &r->cap, sizeof *list), *rule;

    if (!list)
        return NULL;
    r->list = list;
    rule = &list[r->n++];
    *rule = (struct rule){ .doc = doc };
    rule->info.at = doc->at;
    rule->info.file = arena_slice(r->arena, slice_str(path));
    rule->info.title = text_of(doc, "title", d);
    rule->info.id = text_of(doc, "id", d);
    rule->info.name = text_of(doc, "name", d);
    rule->info.status = text_of(doc, "status", d);
    rule->info.description = text_of(doc, "description", d);
    rule->info.author = text_of(doc, "author", d);
    rule->info.evaluated = true;
    load_level(rule, yaml_get(doc, "level"), d);
    load_tags(r, rule, yaml_get(doc, "tags"));
    if (rule->info.id.n == 0)
        rule->info.id = rule->info.name.n ? rule->info.name : rule->info.title;
    return digest(rule, doc) < 0 ? NULL : rule;
}

static int add_detection(struct rules *r, const char *path, const struct yaml *doc, struct diag *d)
{
    struct rule *rule = rule_add(r, path, doc, d);
    const struct yaml *logsource = yaml_get(doc, "logsource");
    const struct yaml *taxonomy = yaml_get(doc, "taxonomy");
    size_t before = diag_errors(d);

    if (!rule)
        return -ENOMEM;
    rule->info.kind = RULE_DETECTION;
    rule->info.logsource = load_logsource(r, logsource, d);
    if (rule->info.title.n == 0)
        diag_error(d, doc->at, "a rule needs a title");
    if (!logsource)
        diag_error(d, doc->at, "a rule needs a logsource");
    if (taxonomy && !slice_is(taxonomy->text, "sigma"))
        diag_error(d, taxonomy->at, "taxonomy '%.*s' is not known", SLICE_FMT(taxonomy->text));
    rule->broken = diag_errors(d) > before;
    return 0;
}

static int add_correlation(struct rules *r, const char *path, const struct yaml *doc,
                           struct diag *d)
{
    struct rule *rule = rule_add(r, path, doc, d);

    if (!rule)
        return -ENOMEM;
    rule->info.kind = RULE_CORRELATION;
    rule->info.correlation = correlation_word(doc);
    rule->info.logsource = load_logsource(r, NULL, d);
    if (rule->info.title.n == 0)
        diag_error(d, doc->at, "a rule needs a title");
    return 0;
}

static int add_filter(struct rules *r, const struct yaml *doc, struct diag *d)
{
    struct filter *list = room(r->filters, r->nfilters, &r->filters_cap, sizeof *list);
    const struct logsource *ls;

    if (!list)
        return -ENOMEM;
    r->filters = list;
    ls = load_logsource(r, yaml_get(doc, "logsource"), d);
    if (!ls)
        return -ENOMEM;
    list[r->nfilters++] = (struct filter){
        .doc = doc, .body = yaml_get(doc, "filter"), .logsource = *ls, .at = doc->at
    };
    return 0;
}

/* ---- collections: action global, reset, repeat ---- */

static struct yaml *yaml_copy(struct arena *a, const struct yaml *y)
{
    struct yaml *c = arena_alloc(a, sizeof *c), **tail;

    if (!c)
        return NULL;
    *c = *y;
    c->child = NULL;
    c->next = NULL;
    tail = &c->child;
    YAML_EACH (m, y) {
        *tail = yaml_copy(a, m);
        if (!*tail)
            return NULL;
        tail = &(*tail)->next;
    }
    return c;
}

/* Members of `over` go into `base`; maps are merged, anything else is replaced. */
static bool yaml_merge(struct arena *a, struct yaml *base, const struct yaml *over)
{
    YAML_EACH (m, over) {
        struct yaml **slot = &base->child;
        struct yaml *copy;

        if (slice_is(m->key, "action"))
            continue;
        while (*slot && !slice_eq((*slot)->key, m->key))
            slot = &(*slot)->next;
        if (*slot && (*slot)->kind == YAML_MAP && m->kind == YAML_MAP) {
            if (!yaml_merge(a, *slot, m))
                return false;
            continue;
        }
        copy = yaml_copy(a, m);
        if (!copy)
            return false;
        copy->next = *slot ? (*slot)->next : NULL;
        base->nchildren += *slot ? 0 : 1;
        *slot = copy;
    }
    return true;
}

/* What the document is after its collection; NULL: it was only an action, or a finding. */
static const struct yaml *collect(struct rules *r, const struct yaml *doc, struct diag *d)
{
    const struct yaml *action = yaml_get(doc, "action");
    struct yaml *whole;

    if (action && slice_is(action->text, "global")) {
        r->global = yaml_copy(r->arena, doc);
        return NULL;
    }
    if (action && slice_is(action->text, "reset")) {
        r->global = NULL;
        return NULL;
    }
    if (action && !slice_is(action->text, "repeat")) {
        diag_error(d, action->at, "unknown action '%.*s': global, reset or repeat",
                   SLICE_FMT(action->text));
        return NULL;
    }
    if (!action && !r->global) {
        r->previous = NULL;
        return doc;
    }
    if (action && !r->previous) {
        diag_error(d, action->at, "'repeat' needs a rule before it");
        return NULL;
    }
    whole = yaml_copy(r->arena, action ? r->previous : doc);
    if (!whole || (action && !yaml_merge(r->arena, whole, doc)) ||
        (!action && r->global && !yaml_merge(r->arena, whole, r->global)))
        return NULL;
    r->previous = whole;
    return whole;
}

static int add_document(struct rules *r, const char *path, const struct yaml *doc, struct diag *d)
{
    if (doc->kind != YAML_MAP) {
        diag_error(d, doc->at, "a rule is a map: title, logsource, detection ...");
        return 0;
    }
    doc = collect(r, doc, d);
    if (!doc)
        return 0;
    if (yaml_get(doc, "correlation"))
        return add_correlation(r, path, doc, d);
    if (yaml_get(doc, "filter"))
        return add_filter(r, doc, d);
    if (!yaml_get(doc, "detection")) {
        diag_error(d, doc->at, "this has no detection, correlation or filter: it is no Sigma rule");
        return 0;
    }
    return add_detection(r, path, doc, d);
}

int rules_add(struct rules *r, const char *path, struct slice text, struct diag *d)
{
    struct yaml_docs docs;
    size_t before = diag_errors(d);
    int e = yaml_load_text(path, text, r->arena, d, &docs);

    r->global = r->previous = NULL;
    if (e == -ENOMEM)
        return e;
    if (e == 0 && docs.ndocs == 0)
        diag_error(d, ((struct src_pos){ diag_path(d, path), 1, 1 }), "an empty file");
    for (size_t i = 0; i < docs.ndocs; i++)
        if (docs.docs[i] && add_document(r, path, docs.docs[i], d) == -ENOMEM)
            return -ENOMEM;
    return diag_errors(d) > before ? -EINVAL : 0;
}

/* ---- files and folders ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static bool is_rule_file(const char *name)
{
    struct slice s = slice_str(name);

    return slice_ends(s, SLICE(".yml")) || slice_ends(s, SLICE(".yaml"));
}

static int add_file(struct rules *r, const char *path, struct diag *d)
{
    struct yaml_docs docs;
    int e = yaml_load_file(path, r->arena, d, &docs);

    r->global = r->previous = NULL;
    for (size_t i = 0; e == 0 && i < docs.ndocs; i++)
        if (docs.docs[i] && add_document(r, path, docs.docs[i], d) == -ENOMEM)
            return -ENOMEM;
    return e == -ENOMEM ? e : 0;
}

static int add_path(struct rules *r, const char *path, unsigned depth, struct diag *d);

static int add_folder(struct rules *r, const char *path, unsigned depth, struct diag *d)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, NULL, by_name), e = 0;

    if (n < 0) {
        struct err err;

        err_set(&err, -errno, "cannot read folder '%s': %s", path, err_name(errno));
        diag_add_err(d, (struct src_pos){ diag_path(d, path), 0, 0 }, &err);
        return 0;
    }
    for (int i = 0; i < n; i++) {
        AUTO_BUF child = BUF_INIT;

        buf_printf(&child, "%s/%s", path, list[i]->d_name);
        if (e == 0 && list[i]->d_name[0] != '.' && buf_ok(&child) &&
            (list[i]->d_type == DT_DIR || is_rule_file(list[i]->d_name)))
            e = add_path(r, child.p, depth + 1, d);
        free(list[i]);
    }
    free(list);
    return e;
}

static int add_path(struct rules *r, const char *path, unsigned depth, struct diag *d)
{
    struct stat st;

    if (depth > DEPTH_MAX)
        return 0;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return add_folder(r, path, depth, d);
    return add_file(r, path, d);
}

int rules_add_path(struct rules *r, const char *path, struct diag *d)
{
    size_t before = diag_errors(d);
    int e = add_path(r, path, 0, d);

    return e == -ENOMEM ? e : diag_errors(d) > before ? -EINVAL : 0;
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

static void check_ids(struct rules *r, struct diag *d)
{
    AUTO(table) seen = table_new(0);

    for (size_t i = 0; seen && i < r->n; i++) {
        struct rule *rule = &r->list[i];

        if (rule->info.id.n == 0)
            continue;
        if (table_get(seen, rule->info.id)) {
            diag_error(d, rule->info.at, "a rule with the id '%.*s' is already there",
                       SLICE_FMT(rule->info.id));
            rule->broken = true;
        } else if (table_put(seen, rule->info.id, rule) < 0) {
            return;
        }
    }
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
    rule->condition = detection_compile(r, detection, d);
    rule->broken = rule->broken || !rule->condition;
}

static bool filter_names(const struct filter *f, const struct rule *rule)
{
    const struct yaml *rules = yaml_get(f->body, "rules");

    if (!rules || (rules->kind == YAML_SCALAR && slice_is(rules->text, "any")))
        return true;
    if (rules->kind == YAML_SCALAR)
        return slice_eq(rules->text, rule->info.id) || slice_eq(rules->text, rule->info.name);
    YAML_EACH (n, rules)
        if (slice_eq(n->text, rule->info.id) || slice_eq(n->text, rule->info.name))
            return true;
    return false;
}

/* The filter's condition is ANDed to the rule's, with names of its own. */
static int compile_filter(struct rules *r, struct filter *f, struct diag *d)
{
    struct node *condition = f->body ? detection_compile(r, f->body, d) : NULL;
    size_t hits = 0;

    if (!condition)
        return 0;
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];
        struct node *both;

        if (!rule->condition || !filter_names(f, rule) ||
            !logsource_fits(&f->logsource, rule->info.logsource))
            continue;
        both = node_new(r->arena, NODE_AND);
        if (!both || node_add(r->arena, both, rule->condition) < 0 ||
            node_add(r->arena, both, condition) < 0)
            return -ENOMEM;
        rule->condition = both;
        hits++;
    }
    if (!hits)
        diag_warning(d, f->at, "this filter fits no rule");
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
        int e;

        if (rule->info.kind != RULE_CORRELATION || rule->broken)
            continue;
        e = correlation_compile(r, rule, d);
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

static void keep_longest(struct rules *r)
{
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];

        rule->keep_us = rule->info.window_us + rule->response.suppress_us + rule->response.for_us +
                        KEEP_MORE_US;
        if (rule->keep_us > r->keep_us)
            r->keep_us = rule->keep_us;
    }
}

int rules_compile(struct rules *r, struct diag *d)
{
    size_t before = diag_errors(d);

    check_ids(r, d);
    for (size_t i = 0; i < r->n; i++) {
        struct rule *rule = &r->list[i];

        if (response_load(r, rule, yaml_get(rule->doc, "trailwarden"), d) == -ENOMEM)
            return -ENOMEM;
        if (rule->info.kind == RULE_DETECTION)
            compile_detection(r, rule, d);
    }
    for (size_t i = 0; i < r->nfilters; i++)
        if (compile_filter(r, &r->filters[i], d) == -ENOMEM)
            return -ENOMEM;
    if (compile_correlations(r, d) == -ENOMEM)
        return -ENOMEM;
    for (size_t i = 0; i < r->n; i++)
        if (r->list[i].condition && witness_find(r, &r->list[i]) == -ENOMEM)
            return -ENOMEM;
    keep_longest(r);
    r->compiled = true;
    return diag_errors(d) > before ? -EINVAL : 0;
}

size_t rules_count(const struct rules *r)
{
    return r->n;
}

const struct rule_info *rules_info(const struct rules *r, size_t i)
{
    return &r->list[i].info;
}

void rules_digest(const struct rules *r, uint8_t out[32])
{
    struct sha256 h = { 0 };

    memset(out, 0, 32);
    if (sha256_init(&h) < 0)
        return;
    for (size_t i = 0; i < r->n; i++)
        sha256_add(&h, r->list[i].info.digest, sizeof r->list[i].info.digest);
    sha256_end(&h, out);
    sha256_fini(&h);
}

uint64_t rules_keep_us(const struct rules *r)
{
    return r->keep_us;
}

size_t rules_witness(const struct rules *r, size_t i, const struct witness **ret_witness)
{
    *ret_witness = r->list[i].witness;
    return r->list[i].nwitness;
}
