#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/utf8.h"

struct flat_text {
    struct buf out;
    int refuse_at;
};

static int on_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct flat_text *t = ctx;

    if (t->refuse_at && --t->refuse_at == 0)
        return -EPERM;
    buf_printf(&t->out, "%.*s:%d=%.*s;", SLICE_FMT(path), (int)type, SLICE_FMT(text));
    return 0;
}

static int flatten(const char *text, char *out, size_t n, bool *ret_duplicate)
{
    struct flat_text t = { .out = BUF_INIT };
    struct json_flat flat = { .scalar = on_scalar, .ctx = &t };
    int r = json_flatten(slice_str(text), &flat, NULL);

    snprintf(out, n, "%s", t.out.p ? t.out.p : "");
    buf_fini(&t.out);
    if (ret_duplicate)
        *ret_duplicate = flat.duplicate_key;
    return r;
}

static void scalars_have_their_dotted_path(void **state)
{
    char out[512];

    (void)state;
    assert_int_equal(
        flatten("{\"a\":1,\"b\":{\"c\":\"x\",\"d\":[true,null,{\"e\":-0}]},\"f\":1e400}", out,
                sizeof out, NULL),
        0);
    assert_string_equal(out, "a:2=1;b.c:3=x;b.d:1=true;b.d:0=null;b.d.e:2=-0;f:2=1e400;");
}

/* ---- with the keys of the texts before ---- */

static uint32_t first_letter(void *ctx, struct slice path)
{
    (void)ctx;
    return path.n ? (unsigned char)path.p[0] - 'a' : 63;
}

static void assert_reads(struct json_keys *keys, uint64_t wanted, const char *text,
                         const char *want, size_t passed)
{
    struct flat_text t = { .out = BUF_INIT };
    struct json_flat flat = { .scalar = on_scalar,
                              .ctx = &t,
                              .keys = keys,
                              .number = first_letter,
                              .wanted = wanted ? &wanted : NULL,
                              .nwanted = 64 };

    assert_int_equal(json_flatten(slice_str(text), &flat, NULL), 0);
    assert_string_equal(t.out.p ? t.out.p : "", want);
    assert_int_equal(flat.passed, passed);
    buf_fini(&t.out);
}

static void keys_of_earlier_texts_change_nothing(void **state)
{
    static const char *const texts[][2] = {
        { "{\"a\":1,\"b\":{\"c\":2},\"d\":[{\"e\":3},{\"e\":4}]}",
          "a:2=1;b.c:2=2;d.e:2=3;d.e:2=4;" },
        { "{\"b\":{\"c\":2},\"a\":1}", "b.c:2=2;a:2=1;" },
        { "{\"a\": 1, \"b\": {\"c\":2 }}", "a:2=1;b.c:2=2;" },
        { "{\"\\u0061\":1,\"b\":{}}", "a:2=1;" },
        { "{\"a\":{\"a\":{\"a\":1}}}", "a.a.a:2=1;" },
        { "{\"a\":1,\"b\":2,\"a\":3}", "a:2=1;b:2=2;" }, /* yajl's */
        { "{\"\":{\"\":1,\"a\":2},\"a\":3}", ":2=1;a:2=2;a:2=3;" },
    };
    AUTO(json_keys) keys = json_keys_new();

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        for (size_t j = 0; j < ARRAY_SIZE(texts); j++) {
            assert_reads(keys, 0, texts[i][0], texts[i][1], 0);
            assert_reads(keys, 0, texts[j][0], texts[j][1], 0);
            assert_reads(keys, 0, texts[j][0], texts[j][1], 0);
        }
}

static void what_nobody_wants_is_counted(void **state)
{
    AUTO(json_keys) keys = json_keys_new();
    const char *text = "{\"a\":1,\"b\":{\"c\":\"x\",\"d\":[true,null]},\"e\":0}";

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        assert_reads(keys, 1 << ('e' - 'a'), text, "e:2=0;", 4);
        assert_reads(keys, 1 << ('b' - 'a'), text, "b.c:3=x;b.d:1=true;b.d:0=null;", 2);
        assert_reads(keys, 0, text, "a:2=1;b.c:3=x;b.d:1=true;b.d:0=null;e:2=0;", 0);
    }
    json_keys_forget(keys);
    assert_reads(keys, 1, text, "a:2=1;", 4);
}

static void more_keys_than_there_is_room_for_are_read_all_the_same(void **state)
{
    AUTO(json_keys) keys = json_keys_new();
    char text[128], want[128];

    (void)state;
    for (unsigned i = 0; i < 3000; i++) {
        snprintf(text, sizeof text, "{\"a\":1,\"k%u\":{\"long_key_%u\":2},\"z\":3}", i, i);
        snprintf(want, sizeof want, "a:2=1;k%u.long_key_%u:2=2;z:2=3;", i, i);
        assert_reads(keys, 0, text, want, 0);
    }
}

static void numbers_of_any_size_come_through_as_text(void **state)
{
    char out[128];

    (void)state;
    assert_int_equal(flatten("{\"tx\":18446744073709551615123}", out, sizeof out, NULL), 0);
    assert_string_equal(out, "tx:2=18446744073709551615123;");
}

static void the_first_of_two_equal_keys_wins_and_is_marked(void **state)
{
    char out[128];
    bool duplicate;

    (void)state;
    assert_int_equal(flatten("{\"ip\":\"1\",\"x\":{\"ip\":\"3\"},\"ip\":{\"a\":[\"2\"]},\"z\":1}",
                             out, sizeof out, &duplicate),
                     0);
    assert_string_equal(out, "ip:3=1;x.ip:3=3;z:2=1;");
    assert_true(duplicate);
    assert_int_equal(flatten("{\"a\":[{\"b\":1},{\"b\":2}]}", out, sizeof out, &duplicate), 0);
    assert_false(duplicate);
}

static void cut_glued_and_deep_texts_are_errors(void **state)
{
    static const char *const bad[] = { "{\"a\":[1,",    "{\"a\":1}{\"b\":2}",
                                       "{\"a\":01}",    "{\"a\":NaN}",
                                       "{a:1}",         "",
                                       "{\"a\":\"\n\"}" };
    char out[128], deep[200];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_true(flatten(bad[i], out, sizeof out, NULL) < 0);
    memset(deep, '[', 99);
    memset(deep + 99, ']', 99);
    deep[198] = '\0';
    assert_int_equal(flatten(deep, out, sizeof out, NULL), -E2BIG);
}

static void invalid_utf8_is_cleaned_in_values_and_keys(void **state)
{
    char out[128];

    (void)state;
    assert_int_equal(flatten("{\"a\xff\":\"x\xc0\xaf\"}", out, sizeof out, NULL), 0);
    assert_string_equal(out, "a\xef\xbf\xbd:3=x\xef\xbf\xbd\xef\xbf\xbd;");
}

static void a_callback_can_refuse(void **state)
{
    struct flat_text t = { .out = BUF_INIT, .refuse_at = 2 };
    struct json_flat flat = { .scalar = on_scalar, .ctx = &t };

    (void)state;
    assert_int_equal(json_flatten(SLICE("{\"a\":1,\"b\":2}"), &flat, NULL), -EPERM);
    buf_fini(&t.out);
}

static void more_values_than_allowed_are_an_error(void **state)
{
    struct flat_text t = { .out = BUF_INIT };
    struct json_flat flat = { .scalar = on_scalar, .ctx = &t, .scalars_max = 3 };

    (void)state;
    assert_int_equal(json_flatten(SLICE("[1,2,3,4]"), &flat, NULL), -E2BIG);
    buf_fini(&t.out);
}

static void a_tree_can_be_asked_by_key(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);
    const struct json *j = json_load(
        a, SLICE("{\"n\":7,\"s\":\"\\u00e9\\n\",\"b\":true,\"o\":{\"k\":null},\"n\":8}"), NULL);

    (void)state;
    assert_non_null(j);
    assert_int_equal(json_u64(j, "n", 0), 7);
    assert_true(slice_is(json_text(j, "s"), "\xc3\xa9\n"));
    assert_true(json_bool(j, "b", false));
    assert_int_equal(json_get(json_get(j, "o"), "k")->type, JSON_NULL);
    assert_null(json_get(j, "none"));
    assert_int_equal(json_u64(j, "s", 5), 5);
}

static void errors_are_one_printable_line(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);
    struct err err = ERR_NONE;

    (void)state;
    assert_null(json_load(a, SLICE("{\"a\": \x1b[31m}"), &err));
    assert_null(strchr(err.text, '\x1b'));
    assert_null(strchr(err.text, '\n'));
}

static void written_documents_read_back(void **state)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    (void)state;
    json_object(&w);
    json_member_slice(&w, "t", SLICE("a\"\\\x01\x7f\n\xff"));
    json_key(&w, "l");
    json_array(&w);
    json_put_u64(&w, 1);
    json_object(&w);
    json_object_end(&w);
    json_array(&w);
    json_array_end(&w);
    json_put_null(&w);
    json_array_end(&w);
    json_member_time(&w, "when", 1000000);
    json_object_end(&w);
    assert_string_equal(b.p,
                        "{\"t\":\"a\\\"\\\\\\u0001\\u007f\\n\xef\xbf\xbd\",\"l\":[1,{},[],null],"
                        "\"when\":\"1970-01-01T00:00:01.000000Z\"}");
}

static void a_chosen_name_cannot_hide_the_next_member(void **state)
{
    char out[128];
    bool duplicate;

    (void)state;
    /* The FNV-1a hashes of these two names are equal. */
    assert_int_equal(flatten("{\"e8f0gjg\":1,\"ip\":\"6\"}", out, sizeof out, &duplicate), 0);
    assert_string_equal(out, "e8f0gjg:2=1;ip:3=6;");
    assert_false(duplicate);
}

static void equal_keys_are_seen_in_arrays_and_behind_escapes(void **state)
{
    char out[128];
    bool duplicate;

    (void)state;
    assert_int_equal(flatten("{\"a\":[{\"b\":1,\"b\":2},{\"b\":3}]}", out, sizeof out, &duplicate),
                     0);
    assert_string_equal(out, "a.b:2=1;a.b:2=3;");
    assert_true(duplicate);
    assert_int_equal(flatten("{\"ip\":1,\"i\\u0070\":2}", out, sizeof out, &duplicate), 0);
    assert_string_equal(out, "ip:2=1;");
    assert_true(duplicate);
}

/* {"k0":{},"k1":{},...} */
static char *many_keys(size_t n)
{
    struct buf b = BUF_INIT;

    buf_char(&b, '{');
    for (size_t i = 0; i < n; i++)
        buf_printf(&b, "%s\"k%zu\":{}", i ? "," : "", i);
    buf_char(&b, '}');
    return buf_take(&b);
}

static void keys_have_a_limit(void **state)
{
    AUTO(arena) a = arena_new(4096, 0);
    AUTO_FREE char *just = many_keys(512);
    AUTO_FREE char *over = many_keys(513);
    AUTO_FREE char *tree = many_keys(1024);
    AUTO_FREE char *tree_over = many_keys(1025);
    char out[8];
    struct err err = ERR_NONE;

    (void)state;
    assert_int_equal(flatten(just, out, sizeof out, NULL), 0);
    assert_int_equal(flatten(over, out, sizeof out, NULL), -E2BIG);
    assert_non_null(json_load(a, slice_str(tree), NULL));
    assert_null(json_load(a, slice_str(tree_over), &err));
    assert_int_equal(err.code, -E2BIG);
}

static void a_path_has_a_limit(void **state)
{
    char text[1200], out[8];

    (void)state;
    snprintf(text, sizeof text, "{\"%01100d\":1}", 0);
    assert_int_equal(flatten(text, out, sizeof out, NULL), -E2BIG);
    snprintf(text, sizeof text, "{\"%0600d\":{\"%0500d\":1}}", 0, 0);
    assert_int_equal(flatten(text, out, sizeof out, NULL), -E2BIG);
}

static void the_depth_limit_is_32(void **state)
{
    AUTO(arena) a = arena_new(4096, 0);
    char text[67], out[8];

    (void)state;
    memset(text, '[', 32);
    memset(text + 32, ']', 32);
    text[64] = '\0';
    assert_int_equal(flatten(text, out, sizeof out, NULL), 0);
    assert_non_null(json_load(a, slice_str(text), NULL));
    memset(text, '[', 33);
    memset(text + 33, ']', 33);
    text[66] = '\0';
    assert_int_equal(flatten(text, out, sizeof out, NULL), -E2BIG);
    assert_null(json_load(a, slice_str(text), NULL));
}

static void a_cut_text_does_not_join_with_the_next(void **state)
{
    char out[128];

    (void)state;
    assert_true(flatten("{\"a\":[1,", out, sizeof out, NULL) < 0);
    assert_true(flatten("2]}", out, sizeof out, NULL) < 0);
    assert_int_equal(flatten("{\"b\":1}", out, sizeof out, NULL), 0);
    assert_string_equal(out, "b:2=1;");
}

static void what_is_no_json_is_refused(void **state)
{
    static const char *const bad[] = {
        "\xef\xbb\xbf{}",    "{} x", "{}}",       "/* c */{}", "{\"a\":1,}", "{\"a\":+1}", "nul",
        "{\"a\":\"\\x41\"}", "\"",   "{\"a\" 1}", "[1 2]",     "\x01",       "\xff"
    };
    struct json_flat flat = { .scalar = on_scalar };
    char out[128];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (flatten(bad[i], out, sizeof out, NULL) == 0) {
            print_message("taken: %s\n", bad[i]);
            fail();
        }
    assert_true(json_flatten(SLICE("{}\0"), &flat, NULL) < 0);
}

static void strings_are_always_valid_utf8(void **state)
{
    /* overlong, surrogate, past U+10FFFF: yajl lets them pass; escapes of lone surrogates */
    static const char *const texts[] = {
        "\"\xc0\xaf\"", "\"\xed\xa0\x80\"", "\"\xf4\x90\x80\x80\"", "\"\xff\"",    "\"\\ud800\"",
        "\"\\udc00\"",  "\"\\ud800x\"",     "\"\\ud800\\u0041\"",   "\"\xe2\x82\""
    };
    AUTO(arena) a = arena_new(4096, 0);

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        const struct json *j = json_load(a, slice_str(texts[i]), NULL);
        char out[64];

        assert_non_null(j);
        assert_true(j->text.n > 0);
        assert_true(utf8_valid(j->text));
        assert_int_equal(flatten(texts[i], out, sizeof out, NULL), 0);
        assert_true(utf8_valid(slice_str(out)));
    }
}

static void a_nul_in_a_string_is_kept(void **state)
{
    AUTO(arena) a = arena_new(4096, 0);
    const struct json *j = json_load(a, SLICE("\"a\\u0000b\""), NULL);

    (void)state;
    assert_non_null(j);
    assert_int_equal(j->text.n, 3);
    assert_memory_equal(j->text.p, "a\0b", 3);
}

static void a_tree_takes_the_first_of_equal_keys(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);
    const struct json *j = json_load(a, SLICE("{\"a\":{\"x\":1},\"a\":{\"x\":2},\"b\":3}"), NULL);

    (void)state;
    assert_int_equal(json_u64(json_get(j, "a"), "x", 0), 1);
    assert_int_equal(json_u64(j, "b", 0), 3);
    assert_null(j->child->next->next);
}

static void numbers_out_of_range_give_the_fallback(void **state)
{
    AUTO(arena) a = arena_new(1024, 0);
    const struct json *j = json_load(
        a,
        SLICE("{\"max\":18446744073709551615,\"over\":18446744073709551616,\"neg\":-1,\"f\":1.0}"),
        NULL);

    (void)state;
    assert_true(json_u64(j, "max", 0) == UINT64_MAX);
    assert_int_equal(json_u64(j, "over", 7), 7);
    assert_int_equal(json_u64(j, "neg", 7), 7);
    assert_int_equal(json_u64(j, "f", 7), 7);
    assert_int_equal(json_u64(NULL, "f", 7), 7);
}

static void each_byte_is_escaped_wherever_it_stands(void **state)
{
    (void)state;
    for (unsigned c = 0; c < 256; c++)
        for (size_t n = 1; n < 20; n++)
            for (size_t at = 0; at < n; at++) {
                bool odd = c < 0x20 || c == '"' || c == '\\' || c == 0x7f;
                char text[20];
                AUTO_BUF b = BUF_INIT;

                memset(text, 'a', sizeof text);
                text[at] = (char)c;
                buf_json(&b, slice_of(text, n));
                assert_int_equal(b.p[at] == '\\', odd);
                assert_int_equal(b.n > n, odd);
                assert_memory_equal(b.p, text, at);
                assert_memory_equal(b.p + b.n - (n - at - 1), text + at + 1, n - at - 1);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_byte_is_escaped_wherever_it_stands),
        cmocka_unit_test(scalars_have_their_dotted_path),
        cmocka_unit_test(keys_of_earlier_texts_change_nothing),
        cmocka_unit_test(what_nobody_wants_is_counted),
        cmocka_unit_test(more_keys_than_there_is_room_for_are_read_all_the_same),
        cmocka_unit_test(numbers_of_any_size_come_through_as_text),
        cmocka_unit_test(the_first_of_two_equal_keys_wins_and_is_marked),
        cmocka_unit_test(cut_glued_and_deep_texts_are_errors),
        cmocka_unit_test(invalid_utf8_is_cleaned_in_values_and_keys),
        cmocka_unit_test(a_callback_can_refuse),
        cmocka_unit_test(more_values_than_allowed_are_an_error),
        cmocka_unit_test(a_tree_can_be_asked_by_key),
        cmocka_unit_test(errors_are_one_printable_line),
        cmocka_unit_test(written_documents_read_back),
        cmocka_unit_test(a_chosen_name_cannot_hide_the_next_member),
        cmocka_unit_test(equal_keys_are_seen_in_arrays_and_behind_escapes),
        cmocka_unit_test(keys_have_a_limit),
        cmocka_unit_test(a_path_has_a_limit),
        cmocka_unit_test(the_depth_limit_is_32),
        cmocka_unit_test(a_cut_text_does_not_join_with_the_next),
        cmocka_unit_test(what_is_no_json_is_refused),
        cmocka_unit_test(strings_are_always_valid_utf8),
        cmocka_unit_test(a_nul_in_a_string_is_kept),
        cmocka_unit_test(a_tree_takes_the_first_of_equal_keys),
        cmocka_unit_test(numbers_out_of_range_give_the_fallback),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
