/* Values that are more than text: what a format calls level, time, address, secret. */
#include "parsers/run.h"

const struct slice run_dictionary[FIELD_DICTIONARY] = {
#define X(id, name, kind, pii, help) { name, sizeof(name) - 1 },
    FIELD_LIST(X)
#undef X
};

/* ---- level and time ---- */

static const struct {
    struct slice word, level;
} level_words[] = {
#define LEVEL(word, level)                                                                         \
    {                                                                                              \
        { word, sizeof(word) - 1 },                                                                \
        {                                                                                          \
            level, sizeof(level) - 1                                                               \
        }                                                                                          \
    }
    LEVEL("debug", "debug"),    LEVEL("info", "info"),       LEVEL("notice", "notice"),
    LEVEL("warn", "warning"),   LEVEL("warning", "warning"), LEVEL("err", "error"),
    LEVEL("error", "error"),    LEVEL("crit", "critical"),   LEVEL("critical", "critical"),
    LEVEL("fatal", "critical"), LEVEL("alert", "critical"),  LEVEL("emergency", "critical"),
    LEVEL("emerg", "critical"), LEVEL("panic", "critical"),  LEVEL("trace", "debug"),
#undef LEVEL
};

const char *level_word(size_t i, const char **ret_level)
{
    *ret_level = i < ARRAY_SIZE(level_words) ? level_words[i].level.p : NULL;
    return i < ARRAY_SIZE(level_words) ? level_words[i].word.p : NULL;
}

void run_set_level(struct run *r, struct slice word)
{
    if (r->has_level)
        return;
    for (size_t i = 0; i < ARRAY_SIZE(level_words); i++)
        if (same_word(word, level_words[i].word)) {
            r->has_level = true;
            set(r, FIELD_LOG_LEVEL, level_words[i].level);
            return;
        }
}

void run_set_priority(struct run *r, int priority)
{
    static const char *const levels[] = { "critical", "critical", "critical", "error",
                                          "warning",  "notice",   "info",     "debug" };

    if (priority >= 0 && priority <= 7)
        run_set_level(r, slice_str(levels[priority]));
}

void run_set_time(struct run *r, struct slice text, uint64_t received_us)
{
    uint64_t t;

    if (r->has_time ||
        time_parse_near(&r->scratch->near, text, r->source->private_zone, received_us, &t) < 0)
        return;
    r->has_time = true;
    r->ev->time_us = t;
}

/* ---- address ---- */

static struct slice port_text(unsigned port, char out[8])
{
    size_t n = 8;

    for (; port || n == 8; port /= 10)
        out[--n] = (char)('0' + port % 10);
    return slice_of(out + n, 8 - n);
}

/*
 * A connection never has port 0. Who writes it has the address from a header (X-Forwarded-For), and
 * nothing here says whether a client could write that header.
 */
static bool from_header(struct slice text, unsigned flags, const struct endpoint *e)
{
    if (e->port != 0 || !slice_ends(text, SLICE(":0")))
        return false;
    return e->ip.family == 4 || (flags & ENDPOINT_V6_LAST_COLON_PORT) ||
           slice_ends(text, SLICE("]:0"));
}

/*
 * Members that say who it was must agree, or one of them is a claim: of a proxy's list, or of a
 * value that was not escaped.
 */
void run_compare_address(struct run *r, struct slice text, unsigned flags)
{
    struct endpoint e;

    if (text.n == 0)
        return;
    if (r->says_who && endpoint_parse(text, flags, &e) == 0 &&
        (!r->has_address || !ip_eq(&e.ip, &r->ip)))
        r->doubt = true;
    r->says_who = true;
}

/* The same address always gives the same text, whichever of its forms the log has. */
static struct slice ip_value(struct run *r, const struct endpoint *e)
{
    char text[IP_TEXT_SIZE];
    struct slice kept;

    if (LIKELY(e->ip_as_written.p))
        return e->ip_as_written;
    ip_text(&e->ip, text);
    kept = arena_slice(r->a, slice_str(text));
    r->failed = r->failed || !kept.p;
    return kept;
}

static struct slice port_value(struct run *r, const struct endpoint *e)
{
    char text[8];

    if (LIKELY(e->port_as_written.p))
        return e->port_as_written;
    return arena_slice(r->a, port_text(e->port, text));
}

/* Only what is wholly an address becomes source.ip: a masked or made-up one is none. */
void run_set_address(struct run *r, struct slice text, unsigned flags)
{
    struct endpoint e;

    if (r->has_address || text.n == 0)
        return;
    if (r->glance && !r->glance->address) {
        r->passed += 3;
        return;
    }
    set(r, FIELD_SOURCE_ADDRESS, text);
    if (endpoint_parse(text, flags, &e) < 0)
        return;
    r->has_address = true;
    r->ip = e.ip;
    r->doubt = r->doubt || from_header(text, flags, &e);
    set(r, FIELD_SOURCE_IP, ip_value(r, &e));
    if (e.port)
        set(r, FIELD_SOURCE_PORT, port_value(r, &e));
}

/* The secret is wiped out of the event's own copy of the text. */
static void mask(struct run *r, struct slice secret)
{
    size_t at = secret.n ? slice_find(r->ev->raw, secret) : SIZE_MAX;
    char *copy;

    if (at == SIZE_MAX)
        return;
    copy = arena_text(r->a, r->ev->raw.n + 3);
    if (!copy) {
        r->failed = true;
        return;
    }
    memcpy(copy, r->ev->raw.p, at);
    memcpy(copy + at, "***", 3);
    memcpy(copy + at + 3, r->ev->raw.p + at + secret.n, r->ev->raw.n - at - secret.n);
    r->ev->raw = slice_of(copy, r->ev->raw.n - secret.n + 3);
    r->message = r->ev->raw; /* the old text is not shown anywhere */
}

void run_apply_special(struct run *r, const struct target *t, struct slice value,
                       enum value_type type)
{
    if (t->go_quoted)
        value = go_unquote(r->a, value);
    switch (t->kind) {
    case TARGET_FIELD:
        if (value.n)
            put(r, t->field, t->name, type, value);
        break;
    case TARGET_TIME:
        run_set_time(r, value, r->ev->received_us);
        break;
    case TARGET_LEVEL:
        run_set_level(r, value);
        break;
    case TARGET_MESSAGE:
        if (!r->message.p)
            r->message = value;
        break;
    case TARGET_ADDRESS:
        run_set_address(r, value, 0);
        break;
    case TARGET_ADDRESS6:
        run_set_address(r, value, ENDPOINT_V6_LAST_COLON_PORT);
        break;
    case TARGET_SECRET:
        mask(r, value);
        break;
    case TARGET_JSON:
    case TARGET_IGNORE:
        break;
    }
}
