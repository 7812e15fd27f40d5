#include "base/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_those_a_person_sees),
        cmocka_unit_test(every_document_of_a_file_is_read),
        cmocka_unit_test(faults_have_a_place),
        cmocka_unit_test(aliases_are_followed_with_a_budget),
        cmocka_unit_test(deep_nesting_is_a_finding),
        cmocka_unit_test(nothing_behind_a_key_is_null),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
