/*
 * The public rule tree: all of it loads, and its own regression events match
 * the rules that they were recorded for. Skips when the archive is not there.
 */
#include "rules/tree.h"

#include <errno.h>
#include <ftw.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json.h"
#include "base/proc.h"
#include "base/yaml.h"

static struct tree {
    char folder[256];
    struct field_names *names;
    struct rules *rules;
    struct rules_scratch *scratch;
    struct diag *diag;
    struct arena *arena;
    size_t rules_tried, events, matched, wrong;
} tree;

static const char *const parts[] = { "rules", "rules-emerging-threats", "rules-threat-hunting",
                                     "rules-compliance", "rules-placeholder" };

static void run(const char *const *argv)
{
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    assert_int_equal(proc_run(argv, NULL, SLICE_NONE, 60 * USEC_PER_SEC, &r, NULL), 0);
    buf_fini(&r.out);
}

static bool archive(char *path, size_t size)
{
    const char *source = getenv("TW_SOURCE");

    snprintf(path, size, "%s/../shared/data/sigmahq.tar.gz", source ? source : ".");
    return access(path, R_OK) == 0;
}

static int load_tree(void **state)
{
    const char *tmp = getenv("TMPDIR"), *source = getenv("TW_SOURCE");
    char path[512];

    (void)state;
    if (!archive(path, sizeof path))
        return 0;
    snprintf(tree.folder, sizeof tree.folder, "%s/tw-sigma-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(tree.folder));
    run((const char *const[]){ "/bin/tar", "xzf", path, "-C", tree.folder, NULL });
    tree.names = field_names_new();
    tree.rules = rules_new(tree.names);
    tree.diag = diag_new();
    tree.arena = arena_new(65536, 0);
    /* Every name that the tree uses has a list there, if an empty one. */
    snprintf(path, sizeof path, "%s/contrib/placeholders.yaml", source ? source : ".");
    assert_int_equal(rules_placeholders_file(tree.rules, path, tree.diag), 0);
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        snprintf(path, sizeof path, "%s/sigmahq/%s", tree.folder, parts[i]);
        rules_add_path(tree.rules, path, tree.diag);
    }
    rules_compile(tree.rules, tree.diag);
    tree.scratch = rules_scratch_new(tree.rules);
    return tree.scratch ? 0 : -1;
}

static int drop_tree(void **state)
{
    (void)state;
    if (!tree.rules)
        return 0;
    run((const char *const[]){ "/bin/rm", "-rf", tree.folder, NULL });
    rules_scratch_free(tree.scratch);
    rules_free(tree.rules);
    field_names_free(tree.names);
    diag_free(tree.diag);
    arena_free(tree.arena);
    return 0;
}

static void every_public_rule_loads(void **state)
{
    size_t never = 0;

    (void)state;
    if (!tree.rules)
        skip();
    for (size_t i = 0; i < diag_count(tree.diag); i++)
        print_message("%s\n", diag_text(tree.diag, i));
    for (size_t i = 0; i < rules_count(tree.rules); i++)
        never += !rules_info(tree.rules, i)->evaluated;
    print_message("%zu rules, %zu errors, %zu findings\n", rules_count(tree.rules),
                  diag_errors(tree.diag), diag_count(tree.diag));
    assert_int_equal(diag_count(tree.diag), 0); /* a placeholder without a list would be told */
    assert_int_equal(never, 0);
    assert_true(rules_count(tree.rules) > 3700);
}

/* ---- regression events ---- */

struct filling {
    struct event *ev;
};

static bool skip_prefix(struct slice *s, const char *prefix)
{
    if (!slice_starts(*s, slice_str(prefix)))
        return false;
    *s = slice_skip(*s, strlen(prefix));
    return true;
}

/* Event.EventData.Image is Image, and the provider's name is Provider_Name. */
static struct slice rule_name(struct slice path)
{
    if (slice_is(path, "Event.System.Provider.#attributes.Name"))
        return SLICE("Provider_Name");
    if (!skip_prefix(&path, "Event.EventData.") && !skip_prefix(&path, "Event.System."))
        return slice_skip(path, slice_rfind_byte(path, '.') + 1);
    return path;
}

/* The names of Defender's events are words; the rules write "Threat Name" as ThreatName. */
static struct slice without_blanks(struct slice name)
{
    char *copy = arena_text(tree.arena, name.n + 1);
    size_t n = 0;

    assert_non_null(copy);
    for (size_t i = 0; i < name.n; i++)
        if (name.p[i] != ' ')
            copy[n++] = name.p[i];
    return slice_of(copy, n);
}

static int add_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct filling *f = ctx;
    struct slice name = without_blanks(rule_name(path));

    return event_add(f->ev, field_find(tree.names, name), name,
                     type == JSON_NULL ? VALUE_NULL : VALUE_STRING, arena_slice(tree.arena, text));
}

static bool event_matches(size_t rule, struct slice json)
{
    struct event ev = { .arena = tree.arena,
                        .logsource = rules_info(tree.rules, rule)->logsource,
                        .raw = SLICE("") };
    struct filling f = { &ev };
    struct json_flat flat = { .scalar = add_scalar, .ctx = &f };
    const uint32_t *hits;
    size_t n;

    assert_int_equal(json_flatten(json, &flat, NULL), 0);
    n = rules_match(tree.rules, tree.scratch, &ev, &hits);
    for (size_t i = 0; i < n; i++)
        if (hits[i] == rule)
            return true;
    return false;
}

/* A file holds several objects, each ending with a brace at the start of a line. */
static size_t count_matches(size_t rule, struct slice text, size_t *ret_events)
{
    struct slice rest = text, line;
    const char *start = text.p;
    size_t matches = 0;

    *ret_events = 0;
    while (slice_split(&rest, '\n', &line)) {
        if (!slice_is(slice_trim(line), "}") || line.p[0] != '}')
            continue;
        matches += event_matches(rule, slice_of(start, (size_t)(line.p + 1 - start)));
        (*ret_events)++;
        start = line.p + line.n;
    }
    return matches;
}

static void wrong(const char *path, const char *text)
{
    print_message("%s: %s\n", path, text);
    tree.wrong++;
}

/*
 * A positive test: some event matches, and no fewer than match_count says. (More may: it
 * says 1 in files of which, read by hand, three events match.)
 */
static void check_events(const char *folder, const struct yaml *test, size_t rule, struct slice id)
{
    const struct yaml *count = yaml_get(test, "match_count");
    AUTO_BUF text = BUF_INIT;
    char path[800], told[100];
    size_t events, matches, want;

    snprintf(path, sizeof path, "%s/%.*s.json", folder, SLICE_FMT(id));
    if (file_read(-1, path, 4 << 20, &text, NULL) < 0) {
        wrong(path, "cannot be read");
        return;
    }
    matches = count_matches(rule, buf_view(&text), &events);
    want = count ? strtoull(count->text.p, NULL, 10) : 1;
    snprintf(told, sizeof told, "%zu of %zu events match, expected %zu or more", matches, events,
             want);
    if (matches < want)
        wrong(path, told);
    tree.events += events;
    tree.matched += matches;
}

static int check_info(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    AUTO(arena) a = arena_new(16384, 0);
    struct yaml_docs docs;
    char folder[700];

    (void)st;
    if (kind != FTW_F || strcmp(path + ftw->base, "info.yml") != 0)
        return 0;
    snprintf(folder, sizeof folder, "%.*s", ftw->base - 1, path);
    assert_int_equal(yaml_load_file(path, a, tree.diag, &docs), 0);
    YAML_EACH (test, yaml_get(docs.docs[0], "regression_tests_info")) {
        const struct yaml *meta = yaml_get(docs.docs[0], "rule_metadata");
        struct slice id = yaml_get(meta->child, "id")->text;
        size_t rule = rules_find(tree.rules, id);

        tree.rules_tried++;
        if (rule == SIZE_MAX)
            wrong(path, "no such rule");
        else
            check_events(folder, test, rule, id);
    }
    return 0;
}

static void the_events_of_the_public_rules_match(void **state)
{
    char path[400];

    (void)state;
    if (!tree.rules)
        skip();
    snprintf(path, sizeof path, "%s/sigmahq/regression_data", tree.folder);
    assert_int_equal(nftw(path, check_info, 16, FTW_PHYS), 0);
    print_message("%zu rules with events, %zu events, %zu match, %zu wrong\n", tree.rules_tried,
                  tree.events, tree.matched, tree.wrong);
    assert_int_equal(tree.wrong, 0);
    assert_true(tree.rules_tried > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_public_rule_loads),
        cmocka_unit_test(the_events_of_the_public_rules_match),
    };

    return cmocka_run_group_tests(tests, load_tree, drop_tree);
}
