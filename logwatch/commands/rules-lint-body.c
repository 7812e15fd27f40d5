/* Lint of what a rule looks for, counts and does. */
#include "logwatch/commands/rules-lint.h"

/* ---- keys of a detection: field|modifier|modifier ---- */

static struct slice field_of(const struct yaml *item)
{
    struct slice rest = item->key, field = SLICE("");

    (void)slice_split(&rest, '|', &field);
    return field;
}

static bool has_modifier(const struct yaml *item, const char *modifier)
{
    struct slice rest = item->key, part;

    (void)slice_split(&rest, '|', &part);
    while (slice_split(&rest, '|', &part))
        if (slice_is(part, modifier))
            return true;
    return false;
}

/* Each item of each search identifier of a rule's detection. */
static void each_item(struct lint *l, const struct yaml *y,
                      void (*fn)(struct lint *l, const struct yaml *item))
{
    YAML_EACH (m, y) {
        if (y->kind == YAML_MAP && m->key.n)
            fn(l, m);
        else if (m->kind == YAML_MAP)
            each_item(l, m, fn);
    }
}

static void each_of_rule(struct lint *l, void (*fn)(struct lint *l, const struct yaml *item))
{
    YAML_EACH (selection, yaml_get(l->doc, "detection"))
        if (!slice_is(selection->key, "condition") && selection->kind != YAML_SCALAR)
            each_item(l, selection, fn);
}

/* ---- names of fields ---- */

/* otherwise: the level when no known name is near. */
static void check_field(struct lint *l, struct slice name, struct src_pos at,
                        enum diag_level otherwise)
{
    const char *near;

    if (name.n == 0 || field_find(l->bare->names, name) != FIELD_OTHER)
        return;
    near = diag_nearest(name, l->names);
    lint_say(l, near ? DIAG_WARNING : otherwise, at, name.n, near,
             "no format and no dictionary has a field '%.*s'", SLICE_FMT(name));
}

static bool is_action(struct slice value)
{
    for (size_t i = 0; action_names[i]; i++)
        if (slice_is(value, action_names[i]))
            return true;
    return slice_find_byte(value, '*') != SIZE_MAX || slice_find_byte(value, '?') != SIZE_MAX;
}

static void check_action(struct lint *l, const struct yaml *value)
{
    if (value->kind == YAML_SCALAR && !yaml_is_null(value) && !is_action(value->text))
        lint_say(l, DIAG_WARNING, value->at, value->text.n, diag_nearest(value->text, action_names),
                 "no format gives the action '%.*s'", SLICE_FMT(value->text));
}

/* What the inputs tell of themselves has words of its own. */
static bool is_own(const struct lint *l)
{
    return l->info->logsource && slice_is(l->info->logsource->product, "trailwarden");
}

static void check_names(struct lint *l, const struct yaml *item)
{
    struct slice field = field_of(item);

    if (is_own(l) || idle_reason(&l->view, l->rule))
        return;
    /* A JSON log may have members of any name: one that is near to none may well be meant. */
    check_field(l, field, item->key_at, DIAG_NOTE);
    if (!slice_is(field, "event.action") || field.n != item->key.n)
        return;
    if (item->kind == YAML_SCALAR)
        check_action(l, item);
    YAML_EACH (value, item)
        check_action(l, value);
}

/* ---- values ---- */

/* A repeated group with a repetition inside: (a+)+ takes exponential time on what nearly fits. */
static bool nested_repetition(struct slice s)
{
    bool inside[32] = { 0 };
    size_t depth = 0;

    for (size_t i = 0; i < s.n; i++) {
        bool repeat = i + 1 < s.n && (s.p[i + 1] == '+' || s.p[i + 1] == '*');

        if (s.p[i] == '\\') {
            i++;
        } else if (s.p[i] == '[') {
            while (i + 1 < s.n && s.p[i + 1] != ']')
                i += s.p[i + 1] == '\\' ? 2 : 1;
        } else if (s.p[i] == '(' && depth + 1 < ARRAY_SIZE(inside)) {
            inside[++depth] = false;
        } else if (s.p[i] == ')' && depth) {
            bool had = inside[depth--];

            if (had && repeat)
                return true;
            inside[depth] = inside[depth] || had;
        } else if (s.p[i] == '+' || s.p[i] == '*') {
            inside[depth] = true;
        }
    }
    return false;
}

static size_t count_any(struct slice s)
{
    size_t n = 0;

    for (size_t i = slice_find(s, SLICE(".*")); i != SIZE_MAX; i = slice_find(s, SLICE(".*"))) {
        n++;
        s = slice_skip(s, i + 2);
    }
    return n;
}

static void check_pattern(struct lint *l, const struct yaml *value)
{
    struct slice s = value->text;
    bool anchored = slice_starts(s, SLICE("^"));

    if (slice_starts(s, SLICE(".*")) || slice_starts(s, SLICE("^.*")))
        lint_say(l, DIAG_WARNING, value->at, s.n, NULL,
                 "the leading '.*' only costs time: a pattern is searched for anyway");
    if (nested_repetition(s))
        lint_say(l, DIAG_WARNING, value->at, s.n, NULL,
                 "a repetition inside a repeated group can hit the limit of steps");
    else if (!anchored && count_any(slice_skip(s, 2)) >= 2)
        lint_say(l, DIAG_WARNING, value->at, s.n, NULL,
                 "several '.*' without an anchor are slow on long values: begin with ^, or use"
                 " |contains|all");
}

static void check_regex(struct lint *l, const struct yaml *item)
{
    if (!has_modifier(item, "re"))
        return;
    if (item->kind == YAML_SCALAR)
        check_pattern(l, item);
    YAML_EACH (value, item)
        if (value->kind == YAML_SCALAR)
            check_pattern(l, value);
}

static void check_items(struct lint *l)
{
    each_of_rule(l, check_names);
    each_of_rule(l, check_regex);
}

/* ---- log sources ---- */

static void check_source(struct lint *l)
{
    const struct formats *formats = l->view.engine->formats;
    const struct yaml *source = yaml_get(l->doc, "logsource");
    const struct yaml *product = yaml_get(source, "product");
    const char **products =
        arena_array(l->view.arena, formats_count(formats) + 1, sizeof *products);
    const char *why = idle_reason(&l->view, l->rule);

    if (!why || !products || !rules_usable(l->view.engine->rules, l->rule))
        return; /* a fault was told already */
    for (size_t i = 0; i < formats_count(formats); i++)
        products[i] = arena_str(l->view.arena, format_logsource(formats_at(formats, i))->product);
    lint_say(l, DIAG_WARNING, product ? product->at : l->doc->at, product ? product->text.n : 0,
             product ? diag_nearest(product->text, products) : NULL, "never evaluated: %s", why);
}

/* ---- correlations ---- */

/* `aliases: {name: {rule: field}}` */
static const struct yaml *alias_of(const struct yaml *correlation, struct slice name)
{
    YAML_EACH (alias, yaml_get(correlation, "aliases"))
        if (slice_eq(alias->key, name))
            return alias;
    return NULL;
}

static void check_counted_field(struct lint *l, const struct yaml *correlation,
                                const struct yaml *y)
{
    const struct yaml *alias = y->kind == YAML_SCALAR ? alias_of(correlation, y->text) : NULL;

    YAML_EACH (field, alias)
        if (field->kind == YAML_SCALAR)
            check_field(l, field->text, field->at, DIAG_WARNING);
    if (!alias && y->kind == YAML_SCALAR)
        check_field(l, y->text, y->at, DIAG_WARNING);
}

static void check_list(struct lint *l, const struct yaml *correlation, const struct yaml *y)
{
    if (y && y->kind == YAML_SCALAR)
        check_counted_field(l, correlation, y);
    if (y && y->kind == YAML_SEQ)
        YAML_EACH (item, y)
            check_counted_field(l, correlation, item);
}

static void check_correlation(struct lint *l)
{
    const struct yaml *c = yaml_get(l->doc, "correlation");

    if (!c || idle_reason(&l->view, l->rule))
        return;
    check_list(l, c, yaml_get(c, "group-by"));
    check_list(l, c, yaml_get(yaml_get(c, "condition"), "field"));
}

/* ---- bans ---- */

static bool in_list(const struct yaml *list, struct slice text)
{
    if (list && list->kind == YAML_SCALAR)
        return slice_eq(list->text, text);
    YAML_EACH (item, list)
        if (slice_eq(item->text, text))
            return true;
    return false;
}

/* A channel whose lines for this rule a stranger can write. */
static const struct format *forgeable_by_action(const struct lint *l, const struct format *f,
                                                const struct yaml *y)
{
    if (y->kind == YAML_SCALAR)
        return slice_is(y->key, "event.action") && format_forgeable(f, y->text) ? f : NULL;
    YAML_EACH (m, y) {
        bool here = slice_is(y->key, "event.action") && format_forgeable(f, m->text);

        if (here || forgeable_by_action(l, f, m))
            return f;
    }
    return NULL;
}

static const struct format *forgeable(const struct lint *l, size_t rule)
{
    const struct engine *e = l->view.engine;
    const struct yaml *detection = yaml_get(rules_document(e->rules, rule), "detection");

    for (size_t i = 0; detection && i < formats_count(e->formats); i++) {
        const struct format *f = formats_at(e->formats, i);

        if (rule_is_for(e, rule, f) && forgeable_by_action(l, f, detection))
            return f;
    }
    for (size_t p = 0; p < rules_count(e->rules); p++)
        if (p != rule && rules_part(e->rules, rule, p) != SIZE_MAX && forgeable(l, p))
            return forgeable(l, p);
    return NULL;
}

static void check_ban(struct lint *l)
{
    const struct yaml *ban = yaml_get(yaml_get(l->doc, "trailwarden"), "ban");
    const struct yaml *field = yaml_get(ban, "field");
    const struct yaml *c = yaml_get(l->doc, "correlation");
    const struct format *f = ban ? forgeable(l, l->rule) : NULL;
    struct slice name = field ? field->text : SLICE("source.ip");

    if (!ban)
        return;
    check_field(l, name, field ? field->at : ban->at, DIAG_WARNING);
    if (c && !in_list(yaml_get(c, "group-by"), name) && !alias_of(c, name))
        lint_say(l, DIAG_WARNING, ban->key_at, ban->key.n, NULL,
                 "the group is not by '%.*s': whoever sent the last event is banned",
                 SLICE_FMT(name));
    /* One line that anybody can write would be enough; of several the least trust counts, too. */
    if (f)
        lint_say(l, c ? DIAG_NOTE : DIAG_WARNING, ban->key_at, ban->key.n, NULL,
                 "lines of '%.*s' can be forged: such an event bans nobody unless bans has"
                 " 'forgeable: true'",
                 SLICE_FMT(format_name(f)));
}

/* ---- filters ---- */

static bool has_word(struct slice s, const char *word)
{
    struct slice part;

    while (slice_split(&s, ' ', &part)) {
        while (part.n && part.p[0] == '(')
            part = slice_skip(part, 1);
        if (slice_eq_nocase(part, slice_str(word)))
            return true;
    }
    return false;
}

void lint_filter(struct lint *l, const struct yaml *doc)
{
    const struct yaml *condition = yaml_get(yaml_get(doc, "filter"), "condition");

    if (condition && condition->kind == YAML_SCALAR && !has_word(condition->text, "not"))
        lint_say(l, DIAG_WARNING, condition->at, condition->text.n, NULL,
                 "a filter without 'not' leaves only what it names: to keep something out, write"
                 " 'not %.*s'",
                 SLICE_FMT(condition->text));
}

const struct lint_check lint_body_checks[] = {
    { "log source", check_source },
    { "items", check_items },
    { "correlation", check_correlation },
    { "ban", check_ban },
    { 0 },
};
