/* The stdin input: what comes through a pipe. */
#include "tests/unit/input_rig.h"

struct piped {
    struct rig rig;
    int saved, feed;
};

static void begin(struct piped *p, const char *options)
{
    int ends[2];

    rig_new(&p->rig);
    assert_int_equal(pipe(ends), 0);
    p->saved = dup(STDIN_FILENO);
    assert_int_equal(dup2(ends[0], STDIN_FILENO), STDIN_FILENO);
    close(ends[0]);
    p->feed = ends[1];
    assert_int_equal(rig_start(&p->rig, &input_stdin, options, false), 0);
}

static void give(struct piped *p, const char *text)
{
    assert_int_equal(write(p->feed, text, strlen(text)), (ssize_t)strlen(text));
}

static void end(struct piped *p)
{
    if (p->feed >= 0)
        close(p->feed);
    dup2(p->saved, STDIN_FILENO);
    close(p->saved);
    rig_free(&p->rig);
}

static void lines_come_as_they_are_complete_and_the_end_ends(void **state)
{
    struct piped p;

    (void)state;
    begin(&p, "{}");
    assert_string_equal(rig_lines(&p.rig), "");
    give(&p, "one\nt");
    assert_string_equal(rig_lines(&p.rig), "one|");
    give(&p, "wo\nthree");
    assert_string_equal(rig_lines(&p.rig), "two|");
    assert_false(p.rig.ended);
    close(TAKE_FD(p.feed));
    assert_string_equal(rig_lines(&p.rig), "(part)three|");
    assert_true(p.rig.ended);
    assert_int_equal(p.rig.position, 8);
    assert_int_equal(p.rig.ncursors, 0);
    end(&p);
}

static void reading_never_blocks(void **state)
{
    struct piped p;

    (void)state;
    begin(&p, "{}");
    assert_int_equal(rig_read(&p.rig), 0); /* would hang here */
    end(&p);
}

static void a_long_line_is_cut_and_told(void **state)
{
    struct piped p;
    char text[3001];

    (void)state;
    begin(&p, "{max_line: 1KiB}");
    memset(text, 'x', 3000);
    text[3000] = '\0';
    give(&p, text);
    assert_int_equal(strlen(rig_lines(&p.rig)), 5 + 1024 + 1);
    give(&p, "yy\nafter\n");
    assert_string_equal(rig_lines(&p.rig), "after|");
    assert_non_null(strstr(rig_notices(&p.rig), "source.long_line{\"position\":0,\"bytes\":3002,"));
    end(&p);
}

static void a_hole_is_told(void **state)
{
    struct piped p;
    char nuls[20] = { 0 };

    (void)state;
    begin(&p, "{}");
    assert_int_equal(write(p.feed, nuls, 20), 20);
    give(&p, "x\n");
    assert_string_equal(rig_lines(&p.rig), "x|");
    assert_string_equal(rig_notices(&p.rig), "source.nulls{\"position\":0,\"bytes\":20} ");
    end(&p);
}

static void the_key_is_that_of_the_same_text_in_a_file(void **state)
{
    struct piped p;
    uint8_t key[16];

    (void)state;
    begin(&p, "{}");
    give(&p, "first line\nsecond\n");
    assert_string_equal(rig_lines(&p.rig), "first line|second|");
    memcpy(key, p.rig.key, sizeof key);
    rig_stop(&p.rig);
    rig_append(&p.rig, "a.log", "first line\nsecond\n");
    assert_int_equal(rig_start(&p.rig, &input_file, "{path: @/a.log}", true), 0);
    assert_string_equal(rig_lines(&p.rig), "first line|second|");
    assert_memory_equal(key, p.rig.key, sizeof key);
    end(&p);
}

static void every_kind_is_found_by_its_name(void **state)
{
    (void)state;
    assert_ptr_equal(input_kind(SLICE("file")), &input_file);
    assert_ptr_equal(input_kind(SLICE("journald")), &input_journald);
    assert_ptr_equal(input_kind(SLICE("stdin")), &input_stdin);
    assert_ptr_equal(input_kind(SLICE("syslog")), &input_syslog);
    assert_null(input_kind(SLICE("carrier-pigeon")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_as_they_are_complete_and_the_end_ends),
        cmocka_unit_test(reading_never_blocks),
        cmocka_unit_test(a_long_line_is_cut_and_told),
        cmocka_unit_test(a_hole_is_told),
        cmocka_unit_test(the_key_is_that_of_the_same_text_in_a_file),
        cmocka_unit_test(every_kind_is_found_by_its_name),
    };

    return cmocka_run_group_tests_name("input_stdin", tests, NULL, NULL);
}
