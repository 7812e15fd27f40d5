/*
 * The conformance cases of tests/sigma/: what each sentence of the standard
 * (and of docs/sigma.md, where the standard is silent) does to rules and events.
 * README.md there says how a case is written.
 */
#include "rules/rules.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/json.h"
#include "base/yaml.h"

#define CASES_MIN 300 /* a suite that is not found must not pass */

struct run {
    const char *file;
    const struct yaml *c; /* the case */
    struct arena *arena;
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    bool failed;
};

static void told(struct run *run, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void told(struct run *run, const char *fmt, ...)
{
    const struct yaml *name = yaml_get(run->c, "name");
    AUTO_BUF text = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    print_message("%s:%u: '%.*s': %s\n", run->file, run->c->at.line, name ? (int)name->text.n : 1,
                  name ? name->text.p : "?", text.p);
    run->failed = true;
}

/* ---- the rules ---- */

/* A block of the case set in under its key. */
static void indented(struct buf *out, const char *by, struct slice text)
{
    struct slice line;

    while (slice_split(&text, '\n', &line))
        if (line.n || text.p)
            buf_printf(out, "%s%.*s\n", by, SLICE_FMT(line));
}

static void rule_text(const struct yaml *c, struct buf *out)
{
    const struct yaml *rules = yaml_get(c, "rules"), *detection = yaml_get(c, "detection");
    const struct yaml *item = yaml_get(c, "item"), *condition = yaml_get(c, "condition");

    if (rules) {
        buf_slice(out, rules->text);
        return;
    }
    buf_str(out, "title: t\nlogsource: {product: test}\ndetection:\n");
    if (detection) {
        indented(out, "    ", detection->text);
    } else {
        buf_str(out, "    s:\n");
        indented(out, "        ", item ? item->text : SLICE(""));
        buf_printf(out, "    condition: %.*s\n", condition ? (int)condition->text.n : 1,
                   condition ? condition->text.p : "s");
    }
}

static void load(struct run *run)
{
    AUTO_BUF text = BUF_INIT;
    static const struct logsource sources[] = { { { "test", 4 }, { "", 0 }, { "", 0 } } };

    rule_text(run->c, &text);
    YAML_EACH (p, yaml_get(run->c, "placeholders")) {
        struct slice values[8];
        size_t n = 0;

        YAML_EACH (v, p)
            values[n++] = v->text;
        assert_int_equal(rules_placeholder(run->rules, p->key, values, n), 0);
    }
    if (yaml_get(run->c, "sources"))
        assert_int_equal(rules_logsource(run->rules, sources), 0);
    rules_add(run->rules, "t.yml", buf_view(&text), run->diag);
    rules_compile(run->rules, run->diag);
    run->scratch = rules_scratch_new(run->rules);
    assert_non_null(run->scratch);
}

/* ---- the events ---- */

struct filling {
    struct event *ev;
    struct arena *arena;
    struct field_names *names;
};

static int add_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct filling *f = ctx;
    enum value_type t = type == JSON_NULL     ? VALUE_NULL
                        : type == JSON_NUMBER ? VALUE_NUMBER
                        : type == JSON_BOOL   ? VALUE_BOOL
                                              : VALUE_STRING;

    return event_add(f->ev, field_find(f->names, path), arena_slice(f->arena, path), t,
                     arena_slice(f->arena, text));
}

static bool fill(struct run *run, struct slice json, struct event *ev)
{
    struct filling f = { ev, run->arena, run->names };
    struct json_flat flat = { .scalar = add_scalar, .ctx = &f };
    struct err err = ERR_NONE;

    if (json_flatten(json, &flat, &err) == 0)
        return true;
    told(run, "the event is no JSON: %s", err.text);
    return false;
}

/* "product/category/service" */
static struct logsource source_of(const struct yaml *text)
{
    struct logsource ls = { { "test", 4 }, { "", 0 }, { "", 0 } };
    struct slice rest = text ? text->text : SLICE_NONE,
                 *parts[] = { &ls.product, &ls.category, &ls.service };

    for (size_t i = 0; text && i < 3; i++)
        if (!slice_split(&rest, '/', parts[i]))
            *parts[i] = SLICE("");
    return ls;
}

static size_t watched(struct run *run)
{
    const struct yaml *rule = yaml_get(run->c, "rule");
    size_t i = rule ? rules_find(run->rules, rule->text) : 0;

    if (i >= rules_count(run->rules)) {
        told(run, "there is no such rule");
        return SIZE_MAX;
    }
    return i;
}

/* An event of `yes` or `no`: JSON, or {event: JSON, raw: text, logsource: p/c/s}. */
static void judge(struct run *run, struct event *ev, const struct yaml *where, bool want)
{
    const uint32_t *hits;
    size_t n = rules_match(run->rules, run->scratch, ev, &hits), rule = watched(run);
    bool got = false;

    for (size_t i = 0; i < n; i++)
        got = got || hits[i] == rule;
    if (got != want)
        told(run, "line %u: %s, expected %s", where->at.line, got ? "it matches" : "no match",
             want ? "a match" : "none");
}

static void judge_json(struct run *run, const struct yaml *y, bool want)
{
    const struct yaml *json = y->kind == YAML_MAP ? yaml_get(y, "event") : y;
    const struct yaml *raw = yaml_get(y, "raw");
    struct logsource ls = source_of(yaml_get(y, "logsource"));
    struct event ev = { .arena = run->arena, .logsource = &ls, .raw = raw ? raw->text : SLICE("") };

    if (!json || fill(run, json->text, &ev))
        judge(run, &ev, y, want);
}

/* A value of `hit` or `miss`: the text of the field f. */
static void judge_text(struct run *run, const struct yaml *y, bool want)
{
    struct logsource ls = source_of(NULL);
    struct event ev = { .arena = run->arena, .logsource = &ls, .raw = SLICE("") };

    assert_int_equal(
        event_add(&ev, field_find(run->names, SLICE("f")), SLICE("f"), VALUE_STRING, y->text), 0);
    judge(run, &ev, y, want);
}

/* ---- findings ---- */

static bool is_told(const struct run *run, struct slice want)
{
    for (size_t i = 0; i < diag_count(run->diag); i++)
        if (slice_find(slice_str(diag_text(run->diag, i)), want) != SIZE_MAX)
            return true;
    return false;
}

static void judge_findings(struct run *run)
{
    const struct yaml *errors = yaml_get(run->c, "error"), *warning = yaml_get(run->c, "warning");
    struct yaml none = { .kind = YAML_SEQ };

    if (!errors)
        errors = &none;
    if (errors->kind == YAML_SCALAR && !is_told(run, errors->text))
        told(run, "expected the finding '%.*s'", SLICE_FMT(errors->text));
    YAML_EACH (e, errors)
        if (!is_told(run, e->text))
            told(run, "expected the finding '%.*s'", SLICE_FMT(e->text));
    if (warning && !is_told(run, warning->text))
        told(run, "expected the warning '%.*s'", SLICE_FMT(warning->text));
    if (diag_errors(run->diag) != (errors->kind == YAML_SCALAR ? 1 : errors->nchildren))
        told(run, "%zu errors", diag_errors(run->diag));
    if (!warning && errors == &none && diag_count(run->diag))
        told(run, "a finding that nobody expected");
    for (size_t i = 0; run->failed && i < diag_count(run->diag); i++)
        print_message("    %s\n", diag_text(run->diag, i));
}

static void check_keys(struct run *run)
{
    static const char *const keys[] = { "name",      "section", "item",         "detection",
                                        "condition", "rules",   "rule",         "yes",
                                        "no",        "hit",     "miss",         "error",
                                        "warning",   "sources", "placeholders", "comment",
                                        NULL };

    YAML_EACH (y, run->c) {
        size_t i = 0;

        while (keys[i] && !slice_is(y->key, keys[i]))
            i++;
        if (!keys[i])
            told(run, "unknown key '%.*s'", SLICE_FMT(y->key));
    }
    if (!yaml_get(run->c, "name") || !yaml_get(run->c, "section"))
        told(run, "a case has a name and the section it rests on");
}

static bool run_case(const char *file, const struct yaml *c)
{
    struct run run = { .file = file,
                       .c = c,
                       .arena = arena_new(4096, 0),
                       .names = field_names_new(),
                       .diag = diag_new() };

    run.rules = rules_new(run.names);
    check_keys(&run);
    load(&run);
    judge_findings(&run);
    YAML_EACH (y, yaml_get(c, "yes"))
        judge_json(&run, y, true);
    YAML_EACH (y, yaml_get(c, "no"))
        judge_json(&run, y, false);
    YAML_EACH (y, yaml_get(c, "hit"))
        judge_text(&run, y, true);
    YAML_EACH (y, yaml_get(c, "miss"))
        judge_text(&run, y, false);
    rules_scratch_free(run.scratch);
    rules_free(run.rules);
    field_names_free(run.names);
    diag_free(run.diag);
    arena_free(run.arena);
    return !run.failed;
}

static size_t run_file(const char *folder, const char *name, size_t *ret_failed)
{
    AUTO(arena) a = arena_new(65536, 0);
    AUTO(diag) d = diag_new();
    struct yaml_docs docs;
    char path[800];
    size_t n = 0;

    snprintf(path, sizeof path, "%s/%s", folder, name);
    if (yaml_load_file(path, a, d, &docs) < 0) {
        diag_print(d, stderr, false);
        fail_msg("%s cannot be read", path);
    }
    assert_int_equal(docs.ndocs, 1);
    YAML_EACH (c, docs.docs[0]) {
        *ret_failed += !run_case(name, c);
        n++;
    }
    return n;
}

static int is_case_file(const struct dirent *e)
{
    return slice_ends(slice_str(e->d_name), SLICE(".yaml"));
}

static void every_case_of_the_language_holds(void **state)
{
    const char *source = getenv("TW_SOURCE");
    struct dirent **list;
    size_t ran = 0, failed = 0;
    char folder[512];
    int n;

    (void)state;
    snprintf(folder, sizeof folder, "%s/tests/sigma", source ? source : ".");
    n = scandir(folder, &list, is_case_file, alphasort);
    assert_true(n > 0);
    for (int i = 0; i < n; i++) {
        ran += run_file(folder, list[i]->d_name, &failed);
        free(list[i]);
    }
    free(list);
    print_message("%zu cases, %zu failed\n", ran, failed);
    assert_int_equal(failed, 0);
    assert_true(ran >= CASES_MIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_case_of_the_language_holds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
