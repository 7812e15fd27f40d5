/*
 * Buttons: what stands in them, and what a press says. A press comes from a stranger's device: its
 * data is taken only when it is, byte for byte, what we would have written, and the act only
 * from an operator in the configured chat.
 */
#include "notifiers/people/telegram-private.h"

#include <stdio.h>

#include "base/num.h"

#define ID_DIGITS 32
#define DATA_MAX 64 /* bytes of callback_data that the server takes */
#define QUERY_MAX 64
#define NAME_MAX_BYTES 40

/* callback_data is LETTER:ID and what `argument` says. */
static const struct button {
    unsigned bit;
    unsigned drops; /* those that have no use any more when it is done */
    char letter;
    const char *argument;
    const char *label, *verb;
    uint32_t for_s;
    bool new_row;
} buttons[] = {
    { BUTTON_ACK, BUTTON_ACK | BUTTON_SILENCE, 'a', "", "Ack", "ack", 0, false },
    { BUTTON_SILENCE, BUTTON_SILENCE, 's', ":3600", "Silence 1 h", "silence.add", 3600, false },
    { BUTTON_UNBAN, BUTTON_UNBAN, 'u', "", "Unban", "unban", 0, true },
};

static bool is_id(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("0123456789abcdef", s.p[i]) || !s.p[i])
            return false;
    return s.n == ID_DIGITS;
}

struct slice telegram_button_id(const struct message *m)
{
    struct slice id = m->summary ? m->incident : m->id;

    return is_id(id) ? id : SLICE("");
}

void telegram_put_buttons(struct json_writer *w, struct slice id, unsigned which)
{
    bool row = false;

    json_object(w);
    json_key(w, "inline_keyboard");
    json_array(w);
    for (size_t i = 0; i < ARRAY_SIZE(buttons); i++) {
        const struct button *b = &buttons[i];
        char data[DATA_MAX];

        if (!(which & b->bit))
            continue;
        if (row && b->new_row)
            json_array_end(w);
        if (!row || b->new_row)
            json_array(w);
        row = true;
        snprintf(data, sizeof data, "%c:%.*s%s", b->letter, SLICE_FMT(slice_take(id, ID_DIGITS)),
                 b->argument);
        json_object(w);
        json_member_str(w, "text", b->label);
        json_member_str(w, "callback_data", data);
        json_object_end(w);
    }
    if (row)
        json_array_end(w);
    json_array_end(w);
    json_object_end(w);
}

static const struct button *read_data(struct slice data, struct slice *ret_id)
{
    for (size_t i = 0; i < ARRAY_SIZE(buttons); i++) {
        const struct button *b = &buttons[i];
        struct slice id = slice_take(slice_skip(data, 2), ID_DIGITS);

        if (data.n < 2 + ID_DIGITS || data.p[0] != b->letter || data.p[1] != ':' || !is_id(id) ||
            !slice_is(slice_skip(data, 2 + ID_DIGITS), b->argument))
            continue;
        *ret_id = id;
        return b;
    }
    return NULL;
}

/* Those of `id` that stand below the message now. */
static unsigned shown(const struct json *message, struct slice id)
{
    const struct json *rows = json_get(json_get(message, "reply_markup"), "inline_keyboard");
    unsigned which = 0;

    for (const struct json *row = rows ? rows->child : NULL; row; row = row->next)
        for (const struct json *cell = row->child; cell; cell = cell->next) {
            struct slice of;
            const struct button *b = read_data(json_text(cell, "callback_data"), &of);

            if (b && slice_eq(of, id))
                which |= b->bit;
        }
    return which;
}

/* ---- who, where, when ---- */

static int64_t number(const struct json *object, const char *key)
{
    int64_t v = 0;

    (void)parse_i64(json_text(object, key), INT64_MIN, INT64_MAX, &v);
    return v;
}

static bool is_operator(const struct telegram *t, int64_t from)
{
    for (size_t i = 0; i < t->operators.n; i++) {
        int64_t id;

        if (from > 0 && parse_i64(slice_str(t->operators.items[i]), 1, INT64_MAX, &id) == 0 &&
            id == from)
            return true;
    }
    return false;
}

static bool is_our_chat(const struct telegram *t, const struct json *chat)
{
    int64_t id = number(chat, "id"), ours;

    if (id == 0)
        return false;
    if (t->chat[0] == '@')
        return slice_eq_nocase(json_text(chat, "username"), slice_str(t->chat + 1));
    return id == t->moved ||
           (parse_i64(slice_str(t->chat), INT64_MIN, INT64_MAX, &ours) == 0 && ours == id);
}

static bool is_query(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", s.p[i]) ||
            !s.p[i])
            return false;
    return s.n >= 1 && s.n <= QUERY_MAX;
}

/* "12345 @alice": the number is what counts, names change hands. */
static void put_who(const struct json *from, int64_t id, struct arena *a, char *out, size_t size)
{
    struct slice user = message_line(a, json_text(from, "username"), NAME_MAX_BYTES);
    struct slice name = message_line(a, json_text(from, "first_name"), NAME_MAX_BYTES);

    if (user.n)
        snprintf(out, size, "%lld @%.*s", (long long)id, SLICE_FMT(user));
    else if (name.n)
        snprintf(out, size, "%lld %.*s", (long long)id, SLICE_FMT(name));
    else
        snprintf(out, size, "%lld", (long long)id);
}

static void put_act(const struct button *b, struct slice id, const struct json *message,
                    struct telegram_press *p)
{
    struct sink_act *act = &p->act;

    snprintf(act->verb, sizeof act->verb, "%s", b->verb);
    snprintf(act->id, sizeof act->id, "%.*s", SLICE_FMT(id));
    act->for_s = b->for_s;
    snprintf(act->place, sizeof act->place, "%s %lld %lld %u", p->query,
             (long long)number(json_get(message, "chat"), "id"),
             (long long)number(message, "message_id"), shown(message, id) & ~b->drops);
}

bool telegram_press(const struct telegram *t, const struct json *update, uint64_t before_s,
                    struct arena *a, struct telegram_press *ret)
{
    const struct json *query = json_get(update, "callback_query");
    const struct json *from = json_get(query, "from"), *message = json_get(query, "message");
    struct slice id;
    const struct button *b = read_data(json_text(query, "data"), &id);

    if (!is_query(json_text(query, "id")))
        return false;
    *ret = (struct telegram_press){ .kind = PRESS_ACT, .from = number(from, "id") };
    snprintf(ret->query, sizeof ret->query, "%.*s", SLICE_FMT(json_text(query, "id")));
    if (!is_operator(t, ret->from) || !is_our_chat(t, json_get(message, "chat")))
        ret->kind = PRESS_NOT_ALLOWED;
    else if (!b || number(message, "message_id") <= 0)
        ret->kind = PRESS_UNKNOWN;
    else if (json_u64(message, "date", 0) < before_s)
        ret->kind = PRESS_STALE;
    if (ret->kind != PRESS_ACT)
        return true;
    put_who(from, ret->from, a, ret->act.who, sizeof ret->act.who);
    put_act(b, id, message, ret);
    return true;
}

bool telegram_place(const struct sink_act *act, struct telegram_place *ret)
{
    struct slice rest = slice_of(act->place, strnlen(act->place, sizeof act->place));
    struct slice chat, message, left;
    struct telegram_place p;
    uint64_t which;

    if (!slice_split(&rest, ' ', &p.query) || !slice_split(&rest, ' ', &chat) ||
        !slice_split(&rest, ' ', &message) || !slice_split(&rest, ' ', &left) ||
        !is_query(p.query) || parse_i64(chat, INT64_MIN, INT64_MAX, &p.chat) < 0 ||
        parse_u64(message, 1, INT64_MAX, &p.message) < 0 || parse_u64(left, 0, 7, &which) < 0)
        return false;
    p.buttons = (unsigned)which;
    *ret = p;
    return true;
}
