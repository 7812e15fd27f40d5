#include "base/option.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/secret.h"

struct state {
    const char *path;
    bool on;
    uint64_t n, size, wait;
    int64_t delta;
    int mode;
    struct option_strs list;
    struct secret *secret;
    const struct yaml *node;
    uint64_t inner;
};

static const char *const modes[] = { "slow", "fast", NULL };

static const struct option inner[] = {
    { .name = "inner",
      .type = OPTION_U64,
      .offset = AT(struct state, inner),
      .fallback = "3",
      .help = "In a group." },
    { 0 },
};

static const struct option table[] = {
    { .name = "path",
      .type = OPTION_STR,
      .offset = AT(struct state, path),
      .required = true,
      .help = "A path." },
    { .name = "on",
      .type = OPTION_BOOL,
      .offset = AT(struct state, on),
      .fallback = "true",
      .help = "A switch." },
    { .name = "n",
      .type = OPTION_U64,
      .offset = AT(struct state, n),
      .min = "2",
      .max = "9",
      .fallback = "5",
      .help = "A number." },
    { .name = "delta", .type = OPTION_I64, .offset = AT(struct state, delta), .help = "Signed." },
    { .name = "size",
      .type = OPTION_SIZE,
      .offset = AT(struct state, size),
      .fallback = "64KiB",
      .max = "1MiB",
      .help = "A size." },
    { .name = "wait",
      .type = OPTION_DURATION,
      .offset = AT(struct state, wait),
      .fallback = "5m",
      .help = "A time." },
    { .name = "mode",
      .type = OPTION_ENUM,
      .offset = AT(struct state, mode),
      .choices = modes,
      .fallback = "fast",
      .help = "A choice." },
    { .name = "list", .type = OPTION_STRS, .offset = AT(struct state, list), .help = "A list." },
    { .name = "secret",
      .type = OPTION_SECRET,
      .offset = AT(struct state, secret),
      .help = "Hush." },
    { .name = "node", .type = OPTION_NODE, .offset = AT(struct state, node), .help = "Anything." },
    { .name = "group", .type = OPTION_GROUP, .sub = inner, .help = "A group." },
    { 0 },
};

struct loaded {
    struct state s;
    struct arena *arena;
    struct diag *diag;
    int result;
};

static struct loaded load(const char *text)
{
    struct loaded l = { .arena = arena_new(4096, 0), .diag = diag_new() };
    struct yaml_docs docs;

    assert_int_equal(yaml_load_text("o.yaml", slice_str(text), l.arena, l.diag, &docs), 0);
    l.result = option_load(table, docs.ndocs ? docs.docs[0] : NULL,
                           (struct src_pos){ "o.yaml", 1, 1 }, NULL, &l.s, l.arena, l.diag);
    return l;
}

static void drop(struct loaded *l)
{
    secret_free(l->s.secret);
    arena_free(l->arena);
    diag_free(l->diag);
}

static void what_is_not_said_has_its_default(void **state)
{
    struct loaded l = load("path: /x\n");

    (void)state;
    assert_int_equal(l.result, 0);
    assert_string_equal(l.s.path, "/x");
    assert_true(l.s.on);
    assert_int_equal(l.s.n, 5);
    assert_int_equal(l.s.size, 65536);
    assert_int_equal(l.s.wait, 300 * USEC_PER_SEC);
    assert_int_equal(l.s.mode, 1);
    assert_int_equal(l.s.inner, 3);
    assert_null(l.s.secret);
    drop(&l);
}

static void every_type_is_loaded(void **state)
{
    struct loaded l = load("path: p\non: false\nn: 9\ndelta: -4\nsize: 1MiB\nwait: 2h\nmode: slow\n"
                           "list: [a, b]\nnode: {any: thing}\ngroup: {inner: 8}\n");

    (void)state;
    assert_int_equal(l.result, 0);
    assert_false(l.s.on);
    assert_int_equal(l.s.n, 9);
    assert_int_equal(l.s.delta, -4);
    assert_int_equal(l.s.size, 1 << 20);
    assert_int_equal(l.s.wait, 7200 * USEC_PER_SEC);
    assert_int_equal(l.s.mode, 0);
    assert_int_equal(l.s.list.n, 2);
    assert_string_equal(l.s.list.items[1], "b");
    assert_int_equal(l.s.list.at[1].column, 11);
    assert_non_null(yaml_get(l.s.node, "any"));
    assert_int_equal(l.s.inner, 8);
    drop(&l);
}

static void one_text_is_a_list_of_one(void **state)
{
    struct loaded l = load("path: p\nlist: a\n");

    (void)state;
    assert_int_equal(l.s.list.n, 1);
    drop(&l);
}

static void each_fault_is_told_with_its_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        { "n: 5\n", "o.yaml:1:1: error: 'path' is missing" },
        { "path: p\npaht: q\n", "o.yaml:2:1: error: unknown key 'paht'" },
        { "path: p\non: yes\n", "o.yaml:2:5: error: 'on' must be true or false" },
        { "path: p\nn: 10\n", "o.yaml:2:4: error: 'n' must be between 2 and 9" },
        { "path: p\nn: ten\n", "o.yaml:2:4: error: 'n' must be a whole number" },
        { "path: p\nsize: 2MiB\n", "o.yaml:2:7: error: 'size' must be between 0 and 1MiB" },
        { "path: p\nwait: 5\n", "o.yaml:2:7: error: 'wait' must be a duration like 5m" },
        { "path: p\nmode: fats\n", "o.yaml:2:7: error: 'mode' does not know 'fats'" },
        { "path: [p]\n", "'path' takes one value" },
        { "path:\n", "'path' is missing" },
        { "path: p\ndelta: x\n", "o.yaml:2:8: error: 'delta' must be a whole number between" },
        { "path: p\nlist: {a: 1, b: 2, c: 3}\n", "'list' is a list of texts" },
        { "path: p\nlist: [a, [b]]\n", "o.yaml:2:12: error: 'list' is a list of texts" },
        { "path: p\nlist: [a, ~]\n", "'list' is a list of texts" },
        { "path: p\nsize: 1TiB\n", "'size' must be a size like 64KiB" },
        { "path: p\nsize: -1\n", "'size' must be a size" },
        { "path: p\non: 'true'\n", "'on' must be true or false" },
        { "path: \"a\\0b\"\n", "this text cannot be taken" },
        { "path: p\nsecret: {file: a, credential: b}\n", "secrets do not stand" },
        { "path: p\nsecret: {fiel: a}\n", "secrets do not stand" },
        { "path: p\nsecret: {credential: ../x}\n", "is no name of a credential" },
        { "path: p\nsecret: [a]\n", "secrets do not stand" },
        { "- a\n", "this must be a map" },
        { "path: p\nsecret: hunter2\n", "secrets do not stand in the configuration" },
        { "path: p\ngroup: 5\n", "this must be a map" },
        { "path: p\ngroup: {iner: 5}\n", "unknown key 'iner'" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct loaded l = load(cases[i].text);

        if (l.result == 0 || !strstr(diag_text(l.diag, 0), cases[i].says)) {
            print_message("%s -> %s\n", cases[i].text, diag_text(l.diag, 0));
            fail();
        }
        assert_null(strstr(diag_text(l.diag, 0), "hunter2"));
        drop(&l);
    }
}

static void a_secret_that_cannot_be_read_is_a_warning(void **state)
{
    struct loaded l = load("path: p\nsecret: {file: /nonexistent/secret}\n");

    (void)state;
    assert_int_equal(l.result, 0);
    assert_int_equal(diag_errors(l.diag), 0);
    assert_int_equal(diag_count(l.diag), 1);
    assert_non_null(l.s.secret); /* named, but empty */
    assert_int_equal(secret_view(l.s.secret).n, 0);
    drop(&l);
}

static void a_secret_written_out_is_not_printed(void **state)
{
    struct loaded l = load("path: p\nsecret: hunter2 # hunter2\n");
    char *text = NULL;
    size_t n = 0;
    FILE *f = open_memstream(&text, &n);

    (void)state;
    diag_print(l.diag, f, false);
    fclose(f);
    assert_non_null(strstr(text, "o.yaml:2:9"));
    assert_null(strstr(text, "hunter2"));
    free(text);
    drop(&l);
}

static void help_and_schema_name_every_option(void **state)
{
    AUTO_BUF help = BUF_INIT;
    AUTO_BUF schema = BUF_INIT;
    AUTO(arena) a = arena_new(4096, 0);
    struct json_writer w = json_writer(&schema);
    const struct json *doc;

    (void)state;
    option_help(table, &help, "");
    json_object(&w);
    option_schema(table, &w);
    json_object_end(&w);
    doc = json_load(a, buf_view(&schema), NULL);
    assert_non_null(doc);
    for (const struct option *o = table; o->name; o++) {
        assert_non_null(strstr(help.p, o->name));
        assert_non_null(json_get(json_get(doc, "properties"), o->name));
    }
    assert_true(slice_is(json_get(doc, "required")->child->text, "path"));
    doc = json_get(doc, "properties");
    assert_int_equal(json_u64(json_get(doc, "n"), "minimum", 0), 2);
    assert_int_equal(json_u64(json_get(doc, "n"), "maximum", 0), 9);
    assert_true(slice_is(json_text(json_get(doc, "wait"), "type"), "string"));
    assert_true(json_text(json_get(doc, "wait"), "pattern").n > 0);
}

static void all_faults_are_told_at_once(void **state)
{
    struct loaded l = load("paht: p\nn: 10\non: 1\n");

    (void)state;
    assert_int_equal(l.result, -EINVAL);
    assert_int_equal(diag_errors(l.diag), 4); /* and path is missing */
    drop(&l);
}

static void hints_name_the_nearest(void **state)
{
    struct loaded l = load("path: p\nmoed: fast\nmode: fats\n");
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    (void)state;
    diag_json(l.diag, &w);
    assert_non_null(strstr(b.p, "did you mean 'mode'?"));
    assert_non_null(strstr(b.p, "did you mean 'fast'?"));
    drop(&l);
}

static void ignored_keys_are_the_callers(void **state)
{
    static const char *const ignore[] = { "type", "path", NULL };
    struct loaded l = { .arena = arena_new(4096, 0), .diag = diag_new() };
    struct yaml_docs docs;

    (void)state;
    assert_int_equal(yaml_load_text("o.yaml", SLICE("type: x\n"), l.arena, l.diag, &docs), 0);
    assert_int_equal(option_load(table, docs.docs[0], (struct src_pos){ "o.yaml", 1, 1 }, ignore,
                                 &l.s, l.arena, l.diag),
                     0);
    assert_int_equal(diag_count(l.diag), 0);
    drop(&l);
}

static void without_a_map_there_are_the_defaults(void **state)
{
    struct loaded l = { .arena = arena_new(4096, 0), .diag = diag_new() };

    (void)state;
    assert_int_equal(
        option_load(table, NULL, (struct src_pos){ "o.yaml", 7, 3 }, NULL, &l.s, l.arena, l.diag),
        -EINVAL);
    assert_int_equal(l.s.n, 5);
    assert_string_equal(diag_text(l.diag, 0), "o.yaml:7:3: error: 'path' is missing: A path.");
    drop(&l);
}

static void a_wrong_table_is_refused(void **state)
{
    static const struct option wrong[][2] = {
        { { .name = "a", .type = OPTION_U64, .fallback = "x", .help = "h" } },
        { { .name = "a", .type = OPTION_U64, .fallback = "5", .max = "4", .help = "h" } },
        { { .name = "a", .type = OPTION_SIZE, .max = "4Kib", .help = "h" } },
        { { .name = "a", .type = OPTION_STR, .max = "4", .help = "h" } },
        { { .name = "a", .type = OPTION_ENUM, .help = "h" } },
        { { .name = "a", .type = OPTION_GROUP, .help = "h" } },
        { { .name = "a", .type = OPTION_SECRET, .fallback = "x", .help = "h" } },
        { { .name = "a", .type = OPTION_STR } },
    };
    AUTO(arena) a = arena_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(wrong); i++) {
        struct state s = { 0 };

        if (option_defaults(wrong[i], &s, a) == 0) {
            print_message("table %zu is taken\n", i);
            fail();
        }
    }
}

static void a_secret_is_read_from_a_file_or_a_credential(void **state)
{
    const char *tmp = getenv("TMPDIR");
    char folder[200], path[256], text[600];
    struct loaded l;
    FILE *f;

    (void)state;
    snprintf(folder, sizeof folder, "%s/test_option.XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/token", folder);
    umask(077);
    f = fopen(path, "w");
    assert_non_null(f);
    fputs("hunter2\n", f);
    fclose(f);
    snprintf(text, sizeof text, "path: p\nsecret: {file: %s}\n", path);
    l = load(text);
    assert_int_equal(l.result, 0);
    assert_true(slice_is(secret_view(l.s.secret), "hunter2"));
    drop(&l);
    setenv("CREDENTIALS_DIRECTORY", folder, 1);
    l = load("path: p\nsecret: {credential: token}\n");
    assert_int_equal(l.result, 0);
    assert_true(slice_is(secret_view(l.s.secret), "hunter2"));
    drop(&l);
    l = load("path: p\nsecret: {credential: other}\n");
    assert_int_equal(l.result, 0);
    assert_int_equal(diag_count(l.diag), 1); /* a warning */
    drop(&l);
    unsetenv("CREDENTIALS_DIRECTORY");
    assert_int_equal(chmod(path, 0644), 0);
    l = load(text);
    assert_int_equal(l.result, -EINVAL);
    assert_non_null(strstr(diag_text(l.diag, 0), "may be read by others"));
    drop(&l);
    unlink(path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_not_said_has_its_default),
        cmocka_unit_test(every_type_is_loaded),
        cmocka_unit_test(one_text_is_a_list_of_one),
        cmocka_unit_test(each_fault_is_told_with_its_place),
        cmocka_unit_test(a_secret_that_cannot_be_read_is_a_warning),
        cmocka_unit_test(a_secret_written_out_is_not_printed),
        cmocka_unit_test(help_and_schema_name_every_option),
        cmocka_unit_test(all_faults_are_told_at_once),
        cmocka_unit_test(hints_name_the_nearest),
        cmocka_unit_test(ignored_keys_are_the_callers),
        cmocka_unit_test(without_a_map_there_are_the_defaults),
        cmocka_unit_test(a_wrong_table_is_refused),
        cmocka_unit_test(a_secret_is_read_from_a_file_or_a_credential),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
