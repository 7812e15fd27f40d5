#include "base/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

struct loaded {
    struct arena *arena;
    struct diag *diag;
    struct yaml_docs docs;
    int result;
};

static struct loaded load(const char *text)
{
    struct loaded l = { .arena = arena_new(4096, 64 << 20), .diag = diag_new() };

    l.result = yaml_load_text("t.yaml", slice_str(text), l.arena, l.diag, &l.docs);
    return l;
}

static void drop(struct loaded *l)
{
    arena_free(l->arena);
    diag_free(l->diag);
}

static void places_are_those_a_person_sees(void **state)
{
    struct loaded l = load("a: 1\nb:\n  - x\n  - 'true'\n  - true\n");
    const struct yaml *b = yaml_get(l.docs.docs[0], "b");
    bool v = false;

    (void)state;
    assert_int_equal(l.result, 0);
    assert_int_equal(b->key_at.line, 2);
    assert_int_equal(b->key_at.column, 1);
    assert_int_equal(b->nchildren, 3);
    assert_int_equal(b->child->next->at.line, 4);
    assert_int_equal(b->child->next->at.column, 5);
    assert_false(yaml_bool(b->child->next, &v)); /* quoted: a text */
    assert_true(yaml_bool(b->child->next->next, &v));
    drop(&l);
}

static void every_document_of_a_file_is_read(void **state)
{
    struct loaded l = load("a: 1\n---\nb: 2\n---\nc: 3\n");

    (void)state;
    assert_int_equal(l.docs.ndocs, 3);
    assert_non_null(yaml_get(l.docs.docs[2], "c"));
    drop(&l);
}

static void faults_have_a_place(void **state)
{
    static const struct {
        const char *text, *says;
    } bad[] = {
        { "a: 1\na: 2\n", "t.yaml:2:" },  { "a:\n\t- b\n", "t.yaml:2:" },
        { "a: [1\n", "t.yaml:" },         { "a: \"x\n", "t.yaml:" },
        { "a: x\xff\n", "t.yaml:1:5:" },  { "b:\n  <<: 1\n", "merge" },
        { "a: *nowhere\n", "t.yaml:1:" },
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct loaded l = load(bad[i].text);

        if (l.result == 0 || !strstr(diag_text(l.diag, 0), bad[i].says)) {
            print_message("%s -> %s\n", bad[i].text, diag_text(l.diag, 0));
            fail();
        }
        drop(&l);
    }
}

static void aliases_are_followed_with_a_budget(void **state)
{
    struct loaded good = load("a: &x [1, 2]\nb: *x\n");
    struct loaded bomb =
        load("a: &a [1,1,1,1,1,1,1,1,1]\nb: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a]\n"
             "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c]\n"
             "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d]\nf: [*e,*e,*e,*e,*e,*e,*e,*e,*e]\n");

    (void)state;
    assert_int_equal(good.result, 0);
    assert_int_equal(yaml_get(good.docs.docs[0], "b")->nchildren, 2);
    assert_true(bomb.result < 0);
    assert_true(arena_used(bomb.arena) < 16 << 20);
    drop(&good);
    drop(&bomb);
}

static void deep_nesting_is_a_finding(void **state)
{
    char text[4001];
    struct loaded l;

    (void)state;
    memset(text, '[', 4000);
    text[4000] = '\0';
    l = load(text);
    assert_true(l.result < 0);
    drop(&l);
}

static void nothing_behind_a_key_is_null(void **state)
{
    struct loaded l = load("a:\nb: ~\nc: ''\n");

    (void)state;
    assert_true(yaml_is_null(yaml_get(l.docs.docs[0], "a")));
    assert_true(yaml_is_null(yaml_get(l.docs.docs[0], "b")));
    assert_false(yaml_is_null(yaml_get(l.docs.docs[0], "c")));
    drop(&l);
}

static void an_empty_file_is_a_warning(void **state)
{
    static const char *const empty[] = { "", "\n\n", "# only a comment\n", "---\n", "---\n---\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(empty); i++) {
        struct loaded l = load(empty[i]);

        assert_int_equal(l.result, 0);
        assert_int_equal(diag_errors(l.diag), 0);
        assert_string_equal(diag_text(l.diag, 0), "t.yaml:1:1: warning: this file is empty");
        drop(&l);
    }
}

static void a_circle_of_aliases_is_found(void **state)
{
    static const char *const circles[] = { "a: &a [*a]\n", "&a {b: *a}\n",
                                           "a: &a {x: &b [*a]}\nc: *b\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(circles); i++) {
        struct loaded l = load(circles[i]);

        assert_int_equal(l.result, -EINVAL);
        assert_non_null(strstr(diag_text(l.diag, 0), "in a circle"));
        drop(&l);
    }
}

static void a_key_is_plain_text(void **state)
{
    static const char *const bad[] = { "a: &x k\n*x : 1\n", "? [a]\n: 1\n", "? {a: 1}\n: 1\n" };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct loaded l = load(bad[i]);

        assert_int_equal(l.result, -EINVAL);
        assert_non_null(strstr(diag_text(l.diag, 0), "a key must be plain text"));
        drop(&l);
    }
}

static void the_same_key_in_quotes_is_a_duplicate(void **state)
{
    struct loaded l = load("a: 1\n\"a\": 2\n");

    (void)state;
    assert_int_equal(l.result, -EINVAL);
    assert_non_null(strstr(diag_text(l.diag, 0), "t.yaml:2:"));
    drop(&l);
}

static void a_quoted_key_is_where_its_quote_is(void **state)
{
    struct loaded l = load("a: 1\n  \n'b': 2\n");
    const struct yaml *b = yaml_get(l.docs.docs[0], "b");

    (void)state;
    assert_int_equal(b->key_at.line, 3);
    assert_int_equal(b->key_at.column, 1);
    drop(&l);
}

static void columns_count_characters(void **state)
{
    struct loaded l = load("\xc3\xa9\xc3\xa9: x\n");

    (void)state;
    assert_int_equal(l.docs.docs[0]->child->at.column, 5);
    drop(&l);
}

static void a_nul_byte_is_refused(void **state)
{
    AUTO(arena) a = arena_new(4096, 0);
    AUTO(diag) d = diag_new();
    struct yaml_docs docs;

    (void)state;
    assert_int_equal(yaml_load_text("t.yaml", SLICE("a: 1\0b\n"), a, d, &docs), -EINVAL);
    assert_int_equal(docs.ndocs, 0);
}

static void documents_have_a_limit(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct loaded l;

    (void)state;
    for (size_t i = 0; i < 1000; i++)
        buf_str(&b, "--- 1\n");
    l = load(b.p);
    assert_int_equal(l.result, 0);
    assert_int_equal(l.docs.ndocs, 1000);
    assert_true(slice_is(l.docs.docs[999]->text, "1"));
    drop(&l);
    buf_str(&b, "--- 1\n");
    l = load(b.p);
    assert_int_equal(l.result, -EINVAL);
    assert_non_null(strstr(diag_text(l.diag, 0), "too many documents"));
    drop(&l);
}

static void a_fault_in_a_later_document_is_found(void **state)
{
    struct loaded l = load("a: 1\n---\nb: [\n");

    (void)state;
    assert_int_equal(l.result, -EINVAL);
    assert_int_equal(diag_errors(l.diag), 1);
    drop(&l);
}

static void aliases_deeper_than_the_limit_are_refused(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct loaded l;

    (void)state;
    buf_str(&b, "k0: &k0 1\n");
    for (unsigned i = 1; i <= 20; i++)
        buf_printf(&b, "k%u: &k%u [*k%u]\n", i, i, i - 1);
    l = load(b.p);
    assert_int_equal(l.result, -EINVAL);
    drop(&l);
}

static void yes_and_no_are_texts(void **state)
{
    struct loaded l = load("a: yes\nb: 010\nc: \"null\"\n");
    bool v = true;

    (void)state;
    assert_false(yaml_bool(yaml_get(l.docs.docs[0], "a"), &v));
    assert_true(v); /* untouched */
    assert_true(slice_is(yaml_get(l.docs.docs[0], "b")->text, "010"));
    assert_false(yaml_is_null(yaml_get(l.docs.docs[0], "c")));
    drop(&l);
}

static void a_file_over_the_limit_is_refused(void **state)
{
    const char *folder = getenv("TMPDIR");
    char path[256];
    AUTO(arena) a = arena_new(4096, 0);
    AUTO(diag) d = diag_new();
    struct yaml_docs docs;
    int fd;

    (void)state;
    snprintf(path, sizeof path, "%s/test_yaml.XXXXXX", folder ? folder : "/tmp");
    fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "a: 1\n#", 6), 6);
    assert_int_equal(yaml_load_file(path, a, d, &docs), 0);
    assert_int_equal(docs.ndocs, 1);
    assert_int_equal(ftruncate(fd, (1 << 20) + 1), 0);
    close(fd);
    assert_true(yaml_load_file(path, a, d, &docs) < 0);
    assert_int_equal(docs.ndocs, 0);
    assert_int_equal(diag_errors(d), 1);
    unlink(path);
    assert_true(yaml_load_file("/dev/null", a, d, &docs) < 0); /* no regular file */
    assert_true(yaml_load_file(path, a, d, &docs) < 0);
    assert_int_equal(diag_errors(d), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_a_person_sees),
        cmocka_unit_test(every_document_of_a_file_is_read),
        cmocka_unit_test(faults_have_a_place),
        cmocka_unit_test(aliases_are_followed_with_a_budget),
        cmocka_unit_test(deep_nesting_is_a_finding),
        cmocka_unit_test(nothing_behind_a_key_is_null),
        cmocka_unit_test(an_empty_file_is_a_warning),
        cmocka_unit_test(a_circle_of_aliases_is_found),
        cmocka_unit_test(a_key_is_plain_text),
        cmocka_unit_test(the_same_key_in_quotes_is_a_duplicate),
        cmocka_unit_test(a_quoted_key_is_where_its_quote_is),
        cmocka_unit_test(columns_count_characters),
        cmocka_unit_test(a_nul_byte_is_refused),
        cmocka_unit_test(documents_have_a_limit),
        cmocka_unit_test(a_fault_in_a_later_document_is_found),
        cmocka_unit_test(aliases_deeper_than_the_limit_are_refused),
        cmocka_unit_test(yes_and_no_are_texts),
        cmocka_unit_test(a_file_over_the_limit_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
