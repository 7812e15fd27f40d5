/* What a thread keeps between records changes no event. */
#include "parsers/format.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

struct world {
    struct field_names *names;
    struct formats *formats;
    struct parser_scratch *used;
    struct arena *a, *b;
    size_t compared;
};

static int setup(void **state)
{
    static struct world w;
    const char *source = getenv("TW_SOURCE");
    struct diag *d = diag_new();
    char folder[4096];

    w.names = field_names_new();
    w.formats = formats_new(w.names);
    snprintf(folder, sizeof folder, "%s/parsers/formats", source ? source : ".");
    assert_int_equal(formats_add_folder(w.formats, folder, d), 0);
    assert_true(formats_count(w.formats) > 5);
    diag_free(d);
    w.used = parser_scratch_new(w.formats);
    w.a = arena_new(1 << 16, 0);
    w.b = arena_new(1 << 16, 0);
    *state = &w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    parser_scratch_free(w->used);
    formats_free(w->formats);
    field_names_free(w->names);
    arena_free(w->a);
    arena_free(w->b);
    return 0;
}

static void run(const struct format *f, struct parser_scratch *s, struct arena *a,
                struct slice line, struct event *ret)
{
    struct parser_source source = { .format = f, .channel = f->channel };
    struct record record = { .text = line, .priority = -1 };

    assert_int_equal(parser_run(&source, s, &record, 1, a, ret, NULL), 0);
}

static void assert_same(const struct event *a, const struct event *b)
{
    AUTO_BUF one = BUF_INIT;
    AUTO_BUF other = BUF_INIT;
    struct json_writer w = json_writer(&one), v = json_writer(&other);

    event_json(a, &w);
    event_json(b, &v);
    assert_string_equal(one.p, other.p);
    assert_int_equal(a->nfields, b->nfields);
    for (size_t i = 0; i < a->nfields; i++) {
        assert_int_equal(a->fields[i].id, b->fields[i].id);
        assert_int_equal(a->fields[i].type, b->fields[i].type);
        assert_true(slice_eq(a->fields[i].name, b->fields[i].name));
    }
}

static void compare(struct world *w, const struct format *f, struct slice line)
{
    AUTO(parser_scratch) fresh = parser_scratch_new(w->formats);
    struct event a, b;

    arena_reset(w->a);
    arena_reset(w->b);
    run(f, fresh, w->a, line, &a);
    run(f, w->used, w->b, line, &b);
    assert_same(&a, &b);
    w->compared++;
}

/* Each line by each format, so that what is kept belongs to another one each time. */
static void formats_that_take_turns_do_not_mix_their_names(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < w->formats->n; i++) {
        const struct format *of = w->formats->list[i];

        for (size_t j = 0; j < of->nsamples; j++)
            for (size_t k = 0; k < w->formats->n; k++)
                compare(w, w->formats->list[k], of->samples[j].line);
    }
    assert_true(w->compared > 1000);
}

static void put_name(struct buf *b, unsigned i)
{
    /* As long as names that mean something; or of all lengths, also those that are not kept. */
    if (i % 2) {
        buf_printf(b, "%0*x", i % 4 == 1 ? 8 : 9, i * 2654435761u);
        return;
    }
    buf_printf(b, "%s%u%.*s", i % 3 ? "name_" : "", i * 2654435761u % 100000, (int)(i % 50),
               "_______________________________________________________");
}

static void names_that_share_a_place_are_told_apart(void **state)
{
    struct world *w = *state;
    const struct format *api = format_find(w->formats, SLICE("api"));

    for (unsigned i = 0; i < 3000; i += 7) {
        AUTO_BUF b = BUF_INIT;

        buf_str(&b, "{\"o\":{\"ip\":\"1\"}");
        for (unsigned j = 0; j < 12; j++) {
            buf_str(&b, ",\"");
            put_name(&b, (i + j * 131) % 3000);
            buf_printf(&b, "\":%u", j);
        }
        /* Last: a new scratch meets the others first, the used one has kept these. */
        buf_str(&b, ",\"username\":\"u\",\"client_ip\":\"192.0.2.7\"}");
        compare(w, api, buf_view(&b));
    }
}

static void a_name_that_was_interned_meanwhile_is_known(void **state)
{
    struct world *w = *state;
    const struct format *api = format_find(w->formats, SLICE("api"));
    struct slice line = SLICE("{\"message\":\"m\",\"made_up_name\":\"x\"}");
    struct event ev;
    uint32_t id;

    run(api, w->used, w->a, line, &ev);
    assert_int_equal(event_get_named(&ev, SLICE("made_up_name"))->id, FIELD_OTHER);
    id = field_intern(w->names, SLICE("made_up_name"));
    assert_int_not_equal(id, FIELD_OTHER);
    run(api, w->used, w->a, line, &ev);
    assert_int_equal(event_get_named(&ev, SLICE("made_up_name"))->id, id);
}

/* The room for fields is as large as the last event: a larger one grows, all the same. */
static void an_event_may_have_more_fields_than_the_last_one(void **state)
{
    struct world *w = *state;
    const struct format *api = format_find(w->formats, SLICE("api"));
    static const unsigned members[] = { 1, 200, 2, 100, 255, 1, 60, 300 };

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        AUTO_BUF b = BUF_INIT;

        for (unsigned j = 0; j < members[i]; j++)
            buf_printf(&b, "%s\"m%u\":%u", j ? "," : "{", j, j);
        buf_char(&b, '}');
        compare(w, api, buf_view(&b));
    }
}

static void run_input(struct world *w, struct parser_scratch *s, struct arena *a,
                      struct slice input, struct event *ret)
{
    const struct format *f = format_find(w->formats, SLICE("xray"));
    struct parser_source source = { .format = f, .channel = f->channel, .input = input };
    struct record record = {
        .text = SLICE("2026/11/21 01:37:16 tcp:198.51.100.11:56084 accepted tcp:192.0.2.2:8080"),
        .priority = -1
    };

    arena_reset(a);
    assert_int_equal(parser_run(&source, s, &record, 1, a, ret, NULL), 0);
}

/* No line of an error log is an access: a scratch that read another log knows that, too. */
static void each_input_has_its_own_layouts(void **state)
{
    struct world *w = *state;
    static char longer[400];
    const struct slice inputs[] = {
        SLICE("/var/log/other.log"),
        SLICE("/var/log/error.log"),
        SLICE("/var/log/erro"),
        SLICE("/var/log/error"),
        SLICE(""),
        SLICE_NONE,
        slice_of(longer, 300),
        slice_of(longer, 400),
    };
    unsigned unparsed = 0;

    memset(longer, 'x', sizeof longer);
    memcpy(longer + 390, "error", 5);
    for (size_t i = 0; i < ARRAY_SIZE(inputs) * ARRAY_SIZE(inputs); i++) {
        AUTO(parser_scratch) fresh = parser_scratch_new(w->formats);
        struct slice input = inputs[i % ARRAY_SIZE(inputs)];
        struct event a, b;

        run_input(w, w->used, w->b, inputs[i / ARRAY_SIZE(inputs)], &b);
        run_input(w, w->used, w->b, input, &b);
        run_input(w, fresh, w->a, input, &a);
        assert_same(&a, &b);
        assert_int_equal(!(a.flags & EVENT_UNPARSED),
                         slice_find(input, SLICE("error")) == SIZE_MAX);
        unparsed += a.flags & EVENT_UNPARSED ? 1 : 0;
    }
    assert_int_equal(unparsed, 3 * ARRAY_SIZE(inputs));
}

/* Each reads its own number; the last is left out of inputs that are called so. */
static int add_many_layouts(struct formats *f, unsigned n)
{
    AUTO_BUF b = BUF_INIT;
    struct diag *d = diag_new();
    int r;

    buf_str(&b, "format: many\nchannel: many\nlayouts:\n");
    for (unsigned i = 1; i <= n; i++)
        buf_printf(&b, "  - {name: l%u, match: '^%u (?<message>.*)$'%s}\n", i, i,
                   i == n ? ", not_in: here" : "");
    r = formats_add(f, "many.yaml", buf_view(&b), d);
    diag_free(d);
    return r;
}

static void a_format_has_up_to_64_layouts(void **state)
{
    struct world *w = *state;
    AUTO(formats) f = formats_new(w->names);
    AUTO(parser_scratch) s = parser_scratch_new(f);
    struct record record = { .text = SLICE("64 m"), .priority = -1 };
    struct parser_source source = { .input = SLICE("other") };
    struct event ev;

    assert_int_equal(add_many_layouts(f, 65), -EINVAL);
    assert_int_equal(add_many_layouts(f, 64), 0);
    source.format = format_find(f, SLICE("many"));
    assert_int_equal(parser_run(&source, s, &record, 1, w->a, &ev, NULL), 0);
    assert_false(ev.flags & EVENT_UNPARSED);
    assert_true(slice_is(event_text(&ev, FIELD_MESSAGE), "m"));
    source.input = SLICE("where"); /* "here" is a part of it */
    assert_int_equal(parser_run(&source, s, &record, 1, w->a, &ev, NULL), 0);
    assert_true(ev.flags & EVENT_UNPARSED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(formats_that_take_turns_do_not_mix_their_names),
        cmocka_unit_test(names_that_share_a_place_are_told_apart),
        cmocka_unit_test(a_name_that_was_interned_meanwhile_is_known),
        cmocka_unit_test(each_input_has_its_own_layouts),
        cmocka_unit_test(a_format_has_up_to_64_layouts),
        cmocka_unit_test(an_event_may_have_more_fields_than_the_last_one),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
