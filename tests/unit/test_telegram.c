/* The Telegram receiver without a network: the text it makes, and what a press of a button is. */
#include "notifiers/people/telegram-private.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/utf8.h"
#include "notifiers/people/chat.h"

#define ID "0123456789abcdef0123456789abcdef"
#define INCIDENT "fedcba9876543210fedcba9876543210"
#define TICK "\xe2\x9c\x85"
#define GRIN "\xf0\x9f\x98\x80"

static int set_up(void **state)
{
    *state = arena_new(1 << 20, 64 << 20);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    arena_free(*state);
    return 0;
}

static const struct telegram_form whole = { .samples = SAMPLES_MAX, .units = TELEGRAM_UNITS };

static struct message alert(void)
{
    struct message m = { .level = SLICE("high"),
                         .title = SLICE("Failed logins"),
                         .rule = SLICE("r1"),
                         .id = SLICE(ID),
                         .incident = SLICE(INCIDENT),
                         .subject = SLICE("[high] Failed logins: 203.0.113.7"),
                         .reason = SLICE("Counted 6 within 5m."),
                         .notice = SLICE("first"),
                         .see = SLICE("trailwarden alerts show 0123456789ab"),
                         .nfacts = 1,
                         .nsamples = 1 };

    m.facts[0] = (struct fact){ "User", SLICE("bob & <eve>") };
    m.samples[0] = SLICE("login failed for \"bob\"");
    return m;
}

/* The text, NUL-terminated; it is for ever in the arena. */
static const char *text_of(struct arena *a, const struct message *m, const struct telegram_form *f)
{
    AUTO_BUF b = BUF_INIT;

    telegram_text(m, f, &b);
    assert_true(buf_ok(&b));
    return arena_str(a, buf_view(&b));
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("'%s' is not in: %s", part, text);
}

static void assert_has_not(const char *text, const char *part)
{
    if (strstr(text, part))
        fail_msg("'%s' is in: %s", part, text);
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;

    for (const char *p = text; (p = strstr(p, part)); p += strlen(part))
        n++;
    return n;
}

/* What the server would refuse: an unknown tag or entity, one that is not closed. */
static void assert_markup(const char *text)
{
    static const char *const pieces[] = { "<b>", "</b>", "<code>", "</code>" };
    static const char *const entities[] = { "&amp;", "&lt;", "&gt;" };
    int open = -1;

    for (const char *p = text; *p; p++) {
        bool known = *p != '<' && *p != '>' && *p != '&';

        for (size_t i = 0; i < ARRAY_SIZE(entities) && !known; i++)
            known = strncmp(p, entities[i], strlen(entities[i])) == 0;
        for (int i = 0; i < 4 && !known; i++) {
            if (strncmp(p, pieces[i], strlen(pieces[i])) != 0)
                continue;
            assert_int_equal(open, i % 2 ? i - 1 : -1);
            open = i % 2 ? -1 : i;
            p += strlen(pieces[i]) - 1;
            known = true;
        }
        if (!known)
            fail_msg("no markup of Telegram's: %.40s", p);
    }
    assert_int_equal(open, -1);
}

/* ---- text ---- */

static void an_alert_has_all_its_pieces_in_their_order(void **state)
{
    struct message m = alert();

    assert_string_equal(text_of(*state, &m, &whole),
                        "\xf0\x9f\x9f\xa0 <b>[high] Failed logins: 203.0.113.7</b>\n"
                        "Counted 6 within 5m.\n\n"
                        "<b>User</b>: bob &amp; &lt;eve&gt;\n\n"
                        "<code>login failed for \"bob\"</code>\n\n"
                        "<code>trailwarden alerts show 0123456789ab</code>\n" ID);
}

static void plain_text_has_no_markup(void **state)
{
    struct message m = alert();
    struct telegram_form plain = whole;

    plain.plain = true;
    assert_string_equal(text_of(*state, &m, &plain),
                        "\xf0\x9f\x9f\xa0 [high] Failed logins: 203.0.113.7\n"
                        "Counted 6 within 5m.\n\n"
                        "User: bob & <eve>\n\nlogin failed for \"bob\"\n\n"
                        "trailwarden alerts show 0123456789ab\n" ID);
}

static void why_it_is_sent_is_told(void **state)
{
    struct message m = alert();

    m.why = SLICE("Nobody acknowledged within 15m <now>.");
    assert_has(text_of(*state, &m, &whole),
               "Counted 6 within 5m.\nNobody acknowledged within 15m &lt;now&gt;.\n");
}

static void what_is_over_looks_over(void **state)
{
    struct message m = alert();

    m.resolved = true;
    assert_has(text_of(*state, &m, &whole), TICK " <b>[resolved] [high] Failed logins");
    m.subject = SLICE("[resolved] Failed logins: 203.0.113.7");
    assert_has(text_of(*state, &m, &whole), TICK " <b>[resolved] Failed logins: 203");
    assert_int_equal(count(text_of(*state, &m, &whole), "[resolved]"), 1);
}

static void a_brief_one_says_what_it_is_and_why(void **state)
{
    struct message m = alert();
    struct telegram_form brief = whole;
    const char *text;

    brief.brief = true;
    m.more_samples = 7;
    text = text_of(*state, &m, &brief);
    assert_has(text, "Failed logins: 203.0.113.7");
    assert_has(text, "Counted 6 within 5m.");
    assert_has(text, "trailwarden alerts show");
    assert_has_not(text, "bob");
    assert_has_not(text, "not shown");
}

static struct message summary(struct arena *a, size_t tables, size_t rows, size_t bytes)
{
    struct message m = { .level = SLICE("high"),
                         .title = SLICE("40 alerts"),
                         .subject = SLICE("[high] 40 alerts"),
                         .notice = SLICE("digest"),
                         .summary = true,
                         .alerts = 40,
                         .id = SLICE("s-1"),
                         .ntables = tables };

    for (size_t i = 0; i < tables; i++) {
        m.tables[i].title = SLICE("By rule");
        m.tables[i].nrows = rows;
        for (size_t k = 0; k < rows; k++) {
            char *name = arena_text(a, bytes + 16);

            assert_non_null(name);
            memset(name, 'x', bytes + 16);
            snprintf(name, 8, "r%zu-%zu", i, k);
            name[strlen(name)] = '.';
            m.tables[i].rows[k] =
                (struct message_row){ slice_of(name, bytes < 8 ? 8 : bytes), SLICE("14") };
        }
    }
    return m;
}

static void tables_are_shown_whole_when_there_is_room(void **state)
{
    struct message m = summary(*state, 2, 3, 10);
    const char *text;

    m.tables[1].title = SLICE("Top <sources>");
    m.tables[1].more = 9;
    text = text_of(*state, &m, &whole);
    assert_has(text, "\n\n<b>By rule</b>\nr0-0.xxxxx: 14\nr0-1.xxxxx: 14\nr0-2.xxxxx: 14\n\n<b>Top "
                     "&lt;sources&gt;</b>\nr1-0.");
    assert_has(text, "r1-2.xxxxx: 14\nand 9 more");
    assert_int_equal(count(text, "and 9 more"), 1);
    assert_has_not(text, "not shown");
}

static void rows_are_dropped_from_the_end_and_counted(void **state)
{
    struct message m = summary(*state, 10, 20, 60);
    const char *text = text_of(*state, &m, &whole);

    assert_markup(text);
    assert_true(chat_units(slice_str(text)) <= TELEGRAM_UNITS);
    for (int i = 0; i < 10; i++) {
        char first[16], more[32];
        size_t shown = 0;

        for (int k = 0; k < 20; k++) {
            snprintf(first, sizeof first, "\nr%d-%d.", i, k);
            shown += count(text, first);
            assert_int_equal(count(text, first), (size_t)k < shown ? 1 : 0);
        }
        assert_true(shown >= 3);
        snprintf(more, sizeof more, "\nand %zu more", 20 - shown);
        assert_has(text, more);
    }
}

static void one_long_name_does_not_hide_the_others(void **state)
{
    struct message m = summary(*state, 1, 5, 20);
    char *name = arena_text(*state, 65536);
    const char *text;

    memset(name, 'y', 65536);
    m.tables[0].rows[0].name = slice_of(name, 65536);
    text = text_of(*state, &m, &whole);
    assert_has_not(text, "yyy");
    assert_has(text, "\nr0-1.");
    assert_has(text, "\nr0-4.");
    assert_has(text, "\nand 1 more");
}

static void a_row_is_one_line(void **state)
{
    struct message m = summary(*state, 1, 1, 10);

    m.tables[0].rows[0].name = SLICE("bob\nBy rule\n\teve: 99");
    assert_has(text_of(*state, &m, &whole), "\nbob By rule  eve: 99: 14");
}

static void what_one_table_does_not_need_the_next_ones_get(void **state)
{
    struct message m = summary(*state, 10, 20, 100);

    for (size_t i = 0; i < 9; i++)
        m.tables[i].nrows = 1;
    assert_has(text_of(*state, &m, &whole), "r9-19.");
}

/* Whatever stands in the pieces, at whatever length: within the limit, whole markup, the id. */
static void no_message_is_too_long_or_broken(void **state)
{
    static const char *const signs[] = { "x",     "<",    "&amp;", GRIN, "\xda\xa9",
                                         "{{x}}", "%n%s", "</b>",  "\n", "'\"" };
    static const size_t sizes[] = { 1, 77, 400, 3000, 65536 };
    static const size_t rooms[] = { TELEGRAM_UNITS, TELEGRAM_UNITS / 2, TELEGRAM_UNITS / 8 };

    for (size_t s = 0; s < ARRAY_SIZE(signs); s++)
        for (size_t n = 0; n < ARRAY_SIZE(sizes); n++) {
            struct arena *a = arena_new(1 << 20, 64 << 20);
            struct slice value;
            AUTO_BUF b = BUF_INIT;
            struct message m = summary(a, 3, 5, 10);

            while (b.n < sizes[n])
                buf_str(&b, signs[s]);
            value = buf_view(&b);
            m.id = SLICE(ID);
            m.subject = m.title = m.why = m.reason = value;
            m.rule = SLICE("the-rule");
            m.see = value;
            m.tables[1].title = m.tables[1].rows[2].value = value;
            m.nfacts = m.nsamples = 3;
            for (size_t i = 0; i < 3; i++) {
                m.facts[i] = (struct fact){ "Name", value };
                m.samples[i] = value;
            }
            for (size_t r = 0; r < ARRAY_SIZE(rooms); r++) {
                struct telegram_form f = { .samples = 10, .units = rooms[r] };
                const char *text = text_of(a, &m, &f);

                assert_markup(text);
                assert_true(chat_units(slice_str(text)) <= rooms[r]);
                assert_true(utf8_valid(slice_str(text)));
                assert_has(text, ID);
                if (sizes[n] == 65536)
                    assert_has(text, "the-rule");
            }
            arena_free(a);
        }
    (void)state;
}

static void units_are_those_of_utf_16(void **state)
{
    (void)state;
    assert_int_equal(chat_units(SLICE("a\xc3\xa4\xe2\x82\xac" GRIN)), 5);
    assert_int_equal(utf16_cut(SLICE("a\xc3\xa4\xe2\x82\xac" GRIN), 4).n, 6);
    assert_int_equal(utf16_cut(SLICE("a" GRIN "b"), 2).n, 1);
    assert_int_equal(utf16_cut(SLICE("a" GRIN "b"), 3).n, 5);
    assert_int_equal(utf16_cut(SLICE("abc"), 0).n, 0);
    assert_int_equal(utf16_cut(SLICE("abc"), 9).n, 3);
}

/* ---- buttons ---- */

static const char *keyboard(struct arena *a, struct slice id, unsigned which)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    telegram_put_buttons(&w, id, which);
    return arena_str(a, buf_view(&b));
}

static void a_keyboard_has_the_buttons_asked_for(void **state)
{
    assert_string_equal(keyboard(*state, SLICE(ID), BUTTON_ACK | BUTTON_SILENCE | BUTTON_UNBAN),
                        "{\"inline_keyboard\":[[{\"text\":\"Ack\",\"callback_data\":\"a:" ID "\"},"
                        "{\"text\":\"Silence 1 h\",\"callback_data\":\"s:" ID ":3600\"}],"
                        "[{\"text\":\"Unban\",\"callback_data\":\"u:" ID "\"}]]}");
    assert_string_equal(keyboard(*state, SLICE(ID), BUTTON_UNBAN),
                        "{\"inline_keyboard\":[[{\"text\":\"Unban\",\"callback_data\":\"u:" ID
                        "\"}]]}");
    assert_string_equal(keyboard(*state, SLICE(ID), 0), "{\"inline_keyboard\":[]}");
}

static void only_an_id_of_ours_gets_buttons(void **state)
{
    struct message m = alert();

    (void)state;
    assert_true(slice_is(telegram_button_id(&m), ID));
    m.id = SLICE("s-1");
    assert_int_equal(telegram_button_id(&m).n, 0);
    m.id = SLICE(ID "0");
    assert_int_equal(telegram_button_id(&m).n, 0);
    m.summary = true;
    assert_true(slice_is(telegram_button_id(&m), INCIDENT));
    m.incident = SLICE("");
    assert_int_equal(telegram_button_id(&m).n, 0);
}

static const char *operators[] = { "7", "42" };

static struct telegram receiver(const char *chat)
{
    return (struct telegram){ .chat = chat,
                              .buttons = true,
                              .operators = { .items = operators, .n = 2 } };
}

#define CHAT "\"chat\":{\"id\":-1001,\"type\":\"supergroup\",\"username\":\"ours\"}"
#define MARKUP                                                                                     \
    "\"reply_markup\":{\"inline_keyboard\":[[{\"text\":\"Ack\",\"callback_data\":\"a:" ID "\"},"   \
    "{\"text\":\"S\",\"callback_data\":\"s:" ID ":3600\"}],"                                       \
    "[{\"text\":\"U\",\"callback_data\":\"u:" ID "\"},{\"text\":\"x\",\"url\":\"https://x\"}]]}"
#define MESSAGE "\"message\":{\"message_id\":5,\"date\":5000," CHAT "," MARKUP "}"
#define FROM "\"from\":{\"id\":42,\"first_name\":\"Al\",\"username\":\"alice\"}"

/* An update with these members in callback_query. */
static bool press(struct arena *a, const struct telegram *t, const char *members, uint64_t before_s,
                  struct telegram_press *ret)
{
    const char *text =
        arena_printf(a, "{\"update_id\":1,\"callback_query\":{\"id\":\"99\",%s}}", members);
    struct json *update = json_load(a, slice_str(text), NULL);

    assert_non_null(update);
    return telegram_press(t, update, before_s, a, ret);
}

static void a_press_by_an_operator_is_an_act(void **state)
{
    static const struct {
        const char *data, *verb;
        uint32_t for_s;
        unsigned left;
    } cases[] = {
        { "a:" ID, "ack", 0, BUTTON_UNBAN },
        { "s:" ID ":3600", "silence.add", 3600, BUTTON_ACK | BUTTON_UNBAN },
        { "u:" ID, "unban", 0, BUTTON_ACK | BUTTON_SILENCE },
    };
    struct telegram t = receiver("-1001");

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct telegram_press p;
        struct telegram_place place;

        assert_true(press(*state, &t,
                          arena_printf(*state, FROM "," MESSAGE ",\"data\":\"%s\"", cases[i].data),
                          0, &p));
        assert_int_equal(p.kind, PRESS_ACT);
        assert_string_equal(p.act.verb, cases[i].verb);
        assert_string_equal(p.act.id, ID);
        assert_int_equal(p.act.for_s, cases[i].for_s);
        assert_string_equal(p.act.who, "42 @alice");
        assert_true(telegram_place(&p.act, &place));
        assert_true(slice_is(place.query, "99"));
        assert_int_equal(place.chat, -1001);
        assert_int_equal(place.message, 5);
        assert_int_equal(place.buttons, cases[i].left);
    }
}

static void data_that_is_not_ours_is_no_act(void **state)
{
    static const char *const forged[] = {
        "",
        "a",
        "a:",
        "a:" ID "0",
        "a:" ID ":1",
        "A:" ID,
        "b:" ID,
        "a;" ID,
        "a:0123456789ABCDEF0123456789ABCDEF",
        "a:0123456789abcdef",
        "a:../../../../../etc/passwd0000000",
        "a:" ID "\\n",
        "a:" ID "\\u0000",
        "a\\u0000" ID,
        "s:" ID,
        "s:" ID ":",
        "s:" ID ":3601",
        "s:" ID ":03600",
        "s:" ID ":999999999999",
        "s:" ID ":3600:1",
        "u:" ID ":3600",
        " a:" ID,
        "{\\\"act\\\":\\\"ack\\\"}",
    };
    struct telegram t = receiver("-1001");

    for (size_t i = 0; i < ARRAY_SIZE(forged); i++) {
        struct telegram_press p;

        assert_true(press(*state, &t,
                          arena_printf(*state, FROM "," MESSAGE ",\"data\":\"%s\"", forged[i]), 0,
                          &p));
        if (p.kind != PRESS_UNKNOWN)
            fail_msg("'%s' was taken", forged[i]);
        assert_string_equal(p.act.verb, "");
    }
}

#define DATA "\"data\":\"a:" ID "\""

static void only_operators_in_the_chat_may_act(void **state)
{
    static const struct {
        const char *chat, *members;
        enum telegram_press_kind kind;
    } cases[] = {
        { "-1001", FROM "," MESSAGE "," DATA, PRESS_ACT },
        { "@ours", FROM "," MESSAGE "," DATA, PRESS_ACT },
        { "@OURS", FROM "," MESSAGE "," DATA, PRESS_ACT },
        { "@other", FROM "," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1002", FROM "," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "1001", FROM "," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", FROM "," DATA, PRESS_NOT_ALLOWED }, /* an inline message has no chat */
        { "-1001", MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":{\"id\":43}," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":{\"id\":-42}," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":{\"id\":42.0}," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":{\"id\":4.2e1}," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":{\"username\":\"42\",\"id\":1}," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", "\"from\":42," MESSAGE "," DATA, PRESS_NOT_ALLOWED },
        { "-1001", FROM ",\"message\":{" CHAT ",\"message_id\":0}," DATA, PRESS_UNKNOWN },
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct telegram t = receiver(cases[i].chat);
        struct telegram_press p;

        assert_true(press(*state, &t, cases[i].members, 0, &p));
        if (p.kind != cases[i].kind)
            fail_msg("%zu: %s", i, cases[i].members);
    }
}

static void a_chat_that_has_moved_is_still_ours(void **state)
{
    struct telegram t = receiver("-5");
    struct telegram_press p;

    assert_true(press(*state, &t, FROM "," MESSAGE "," DATA, 0, &p));
    assert_int_equal(p.kind, PRESS_NOT_ALLOWED);
    t.moved = -1001;
    assert_true(press(*state, &t, FROM "," MESSAGE "," DATA, 0, &p));
    assert_int_equal(p.kind, PRESS_ACT);
}

static void a_press_below_an_old_message_is_stale_when_asked_for(void **state)
{
    struct telegram t = receiver("-1001");
    struct telegram_press p;

    assert_true(press(*state, &t, FROM "," MESSAGE "," DATA, 5000, &p));
    assert_int_equal(p.kind, PRESS_ACT);
    assert_true(press(*state, &t, FROM "," MESSAGE "," DATA, 5001, &p));
    assert_int_equal(p.kind, PRESS_STALE);
    /* A message that the server does not show any more has the date 0. */
    assert_true(
        press(*state, &t, FROM ",\"message\":{" CHAT ",\"message_id\":5,\"date\":0}," DATA, 1, &p));
    assert_int_equal(p.kind, PRESS_STALE);
    assert_true(
        press(*state, &t, FROM ",\"message\":{" CHAT ",\"message_id\":5,\"date\":0}," DATA, 0, &p));
    assert_int_equal(p.kind, PRESS_ACT);
}

static void names_of_operators_are_clean_and_short(void **state)
{
    struct telegram t = receiver("-1001");
    struct telegram_press p;

    assert_true(
        press(*state, &t,
              "\"from\":{\"id\":7,\"first_name\":\"a\\n\\u001b[31mb\\u202e\\u0000"
              "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc\"}," //
              MESSAGE "," DATA,
              0, &p));
    assert_int_equal(p.kind, PRESS_ACT);
    assert_true(strlen(p.act.who) <= 43);
    assert_has(p.act.who, "7 a bc");
    assert_null(strpbrk(p.act.who, "\n\x1b"));
    assert_true(press(*state, &t, "\"from\":{\"id\":7}," MESSAGE "," DATA, 0, &p));
    assert_string_equal(p.act.who, "7");
}

static void an_update_that_is_none_is_passed_over(void **state)
{
    static const char *const updates[] = {
        "{}",
        "[]",
        "1",
        "null",
        "{\"update_id\":1,\"message\":{\"text\":\"/ack " ID "\"}}",
        "{\"callback_query\":{\"id\":\"\",\"data\":\"a:" ID "\"}}",
        "{\"callback_query\":{\"id\":\"a b\",\"data\":\"a:" ID "\"}}",
        "{\"callback_query\":{\"id\":{},\"data\":\"a:" ID "\"}}",
        "{\"callback_query\":[]}",
    };
    struct telegram t = receiver("-1001");
    struct telegram_press p;

    for (size_t i = 0; i < ARRAY_SIZE(updates); i++) {
        struct json *update = json_load(*state, slice_str(updates[i]), NULL);

        assert_non_null(update);
        assert_false(telegram_press(&t, update, 0, *state, &p));
    }
}

static void a_place_that_we_did_not_write_is_refused(void **state)
{
    static const char *const places[] = {
        "", "99", "99 -1 5", "99 -1 0 0", "99 x 5 0", "99 -1 5 8", "99 -1 -5 0", "9/9 -1 5 0",
    };
    struct telegram_place ret;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        struct sink_act act = { 0 };

        snprintf(act.place, sizeof act.place, "%s", places[i]);
        assert_false(telegram_place(&act, &ret));
    }
}

/* Bytes of a good update changed at random: it is an act only while what decides is unchanged. */
static void changed_updates_do_no_harm(void **state)
{
    static const char good[] =
        "{\"update_id\":1,\"callback_query\":{\"id\":\"99\"," FROM "," MESSAGE "," DATA "}}";
    struct telegram t = receiver("-1001");
    uint64_t seed = 88172645463325252u;
    size_t acts = 0;

    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct arena *a = arena_new(16384, 1 << 20);
        char text[sizeof good];
        struct json *update;
        struct telegram_press p;
        struct telegram_place place;

        memcpy(text, good, sizeof good);
        for (int k = 0; k < 1 + i % 3; k++) {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text[seed % (sizeof good - 1)] = (char)(seed >> 32);
        }
        update = json_load(a, slice_of(text, sizeof good - 1), NULL);
        if (update && telegram_press(&t, update, 0, a, &p) && p.kind == PRESS_ACT) {
            acts++;
            assert_int_equal(strspn(p.act.id, "0123456789abcdef"), 32);
            assert_true(p.from == 42 || p.from == 7);
            assert_true(telegram_place(&p.act, &place));
            assert_true(place.chat == -1001);
        }
        arena_free(a);
    }
    assert_true(acts > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_alert_has_all_its_pieces_in_their_order, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(plain_text_has_no_markup, set_up, tear_down),
        cmocka_unit_test_setup_teardown(why_it_is_sent_is_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_over_looks_over, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_brief_one_says_what_it_is_and_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(tables_are_shown_whole_when_there_is_room, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(rows_are_dropped_from_the_end_and_counted, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(one_long_name_does_not_hide_the_others, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_row_is_one_line, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_one_table_does_not_need_the_next_ones_get, set_up,
                                        tear_down),
        cmocka_unit_test(no_message_is_too_long_or_broken),
        cmocka_unit_test(units_are_those_of_utf_16),
        cmocka_unit_test_setup_teardown(a_keyboard_has_the_buttons_asked_for, set_up, tear_down),
        cmocka_unit_test(only_an_id_of_ours_gets_buttons),
        cmocka_unit_test_setup_teardown(a_press_by_an_operator_is_an_act, set_up, tear_down),
        cmocka_unit_test_setup_teardown(data_that_is_not_ours_is_no_act, set_up, tear_down),
        cmocka_unit_test_setup_teardown(only_operators_in_the_chat_may_act, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_chat_that_has_moved_is_still_ours, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_press_below_an_old_message_is_stale_when_asked_for,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(names_of_operators_are_clean_and_short, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_update_that_is_none_is_passed_over, set_up, tear_down),
        cmocka_unit_test(a_place_that_we_did_not_write_is_refused),
        cmocka_unit_test(changed_updates_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
