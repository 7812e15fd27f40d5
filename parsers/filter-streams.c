/*
 * What a filter keeps between the lines of each stream of an input, and how it gets over a restart.
 *
 * The state of a stream goes into the same commit as the cursor behind its lines, as a cursor of
 * its own: its name says which stream it is of, its value has the position of the last line and
 * the packed state. So after a crash the lines are read again from where the state is true. A line
 * at or before that position means that somebody set the cursor back: the state begins anew.
 */
#include <errno.h>
#include <stdlib.h>

#include "base/json.h"
#include "parsers/fail2ban/filter.h"
#include "parsers/filter.h"
#include "parsers/format.h"

#define STREAMS_MAX 64 /* that have a state at once; the one that lay idle longest goes */
#define CURSOR "filter:"

struct kept {
    uint8_t stream[16];
    struct fail2ban_state *state;
    uint64_t position; /* of the last line */
    uint64_t used;
    bool begun; /* there was a line */
    bool changed; /* since it was told */
    bool stored; /* there is a cursor of it */
};

struct filter_streams {
    const struct fail2ban *filter;
    struct kept list[STREAMS_MAX];
    size_t n;
    size_t last; /* asked for last */
    uint64_t uses;
    uint8_t gone[STREAMS_MAX][16]; /* their cursors are to be forgotten */
    size_t ngone;
};

struct filter_streams *filter_streams_new(const struct filter *x, bool *ret_failed)
{
    struct filter_streams *s = NULL;
    bool keeps = x && fail2ban_keeps(filter_of(x));

    if (keeps && (s = calloc(1, sizeof *s)))
        s->filter = filter_of(x);
    *ret_failed = keeps && !s;
    return s;
}

void filter_streams_free(struct filter_streams *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        fail2ban_state_free(s->list[i].state);
    free(s);
}

static bool is_of(const struct kept *k, const uint8_t stream[16])
{
    return memcmp(k->stream, stream, sizeof k->stream) == 0;
}

static struct kept *find(struct filter_streams *s, const uint8_t stream[16])
{
    if (s->last < s->n && is_of(&s->list[s->last], stream))
        return &s->list[s->last];
    for (s->last = 0; s->last < s->n; s->last++)
        if (is_of(&s->list[s->last], stream))
            return &s->list[s->last];
    return NULL;
}

static struct kept *room(struct filter_streams *s)
{
    struct kept *oldest = &s->list[0];

    if (s->n < STREAMS_MAX)
        return &s->list[s->n++];
    for (size_t i = 1; i < s->n; i++)
        if (s->list[i].used < oldest->used)
            oldest = &s->list[i];
    fail2ban_state_free(oldest->state);
    if (oldest->stored && s->ngone < STREAMS_MAX)
        memcpy(s->gone[s->ngone++], oldest->stream, sizeof oldest->stream);
    return oldest;
}

static struct kept *begin(struct filter_streams *s, const uint8_t stream[16])
{
    struct fail2ban_state *state = fail2ban_state_new(s->filter);
    struct kept *k = state ? room(s) : NULL;

    if (!k)
        return NULL;
    *k = (struct kept){ .state = state };
    memcpy(k->stream, stream, sizeof k->stream);
    s->last = (size_t)(k - s->list);
    return k;
}

static bool begin_again(struct filter_streams *s, struct kept *k)
{
    struct fail2ban_state *state = fail2ban_state_new(s->filter);

    if (!state)
        return false;
    fail2ban_state_free(k->state);
    k->state = state;
    return true;
}

struct fail2ban_state *filter_streams_at(struct filter_streams *s, const uint8_t stream[16],
                                         uint64_t position)
{
    struct kept *k = find(s, stream);

    if (!k)
        k = begin(s, stream);
    if (!k || (k->begun && position <= k->position && !begin_again(s, k)))
        return NULL;
    k->begun = k->changed = true;
    k->position = position;
    k->used = ++s->uses;
    return k->state;
}

/* ---- for who reads ---- */

bool parser_source_ordered(const struct parser_source *s)
{
    return s->kept != NULL;
}

bool parser_cursor_is(struct slice stream)
{
    return slice_starts(stream, SLICE(CURSOR));
}

/* {"version":1,"offset":N,"kept":"BASE64"}: text, as other cursors are, for who looks at them. */
static void put_value(const struct kept *k, struct slice packed, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF text = BUF_INIT;

    buf_base64(&text, packed.p, packed.n, true);
    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_u64(&w, "offset", k->position);
    json_member_buf(&w, "kept", &text);
    json_object_end(&w);
}

/* Its bytes, in the arena; p NULL: it is none of ours. */
static struct slice read_value(struct slice value, struct arena *a, uint64_t *ret_position)
{
    const struct json *j = json_load(a, value, NULL);
    struct slice text = json_text(j, "kept");
    char *bytes = arena_text(a, text.n + 1);
    size_t n;

    *ret_position = json_u64(j, "offset", 0);
    if (!j || !bytes || json_u64(j, "version", 0) != 1 ||
        base64_decode(text, true, bytes, text.n, &n) < 0)
        return SLICE_NONE;
    return slice_of(bytes, n);
}

int parser_source_restore(struct parser_source *s, const struct cursor *c)
{
    AUTO(arena) a = arena_new(4096, 4 << 20);
    struct slice hex = slice_skip(c->stream, strlen(CURSOR)), packed;
    uint8_t stream[16];
    uint64_t position;
    struct kept *k;
    int r;

    if (!a)
        return -ENOMEM;
    packed = read_value(c->value, a, &position);
    if (!s->kept || !packed.p || hex_decode(hex, stream, sizeof stream) < 0)
        return -EINVAL;
    if (find(s->kept, stream) || s->kept->n == STREAMS_MAX)
        return 0;
    k = begin(s->kept, stream);
    if (!k)
        return -ENOMEM;
    k->stored = k->begun = true;
    k->position = position;
    r = fail2ban_state_unpack(k->state, packed);
    if (r == -EINVAL && !begin_again(s->kept, k))
        return -ENOMEM;
    return r;
}

static int put_cursor(const uint8_t stream[16], struct slice value, struct arena *a,
                      struct cursor *ret)
{
    AUTO_BUF hex = BUF_INIT;

    buf_hex(&hex, stream, 16);
    ret->stream = slice_str(arena_printf(a, CURSOR "%.*s", SLICE_FMT(buf_view(&hex))));
    ret->value = arena_slice(a, value);
    return ret->stream.p && ret->value.p ? 0 : -ENOMEM;
}

static int put_state(struct kept *k, struct arena *a, struct cursor *list, size_t *n)
{
    AUTO_BUF packed = BUF_INIT;
    AUTO_BUF value = BUF_INIT;
    int r = fail2ban_state_pack(k->state, &packed);

    if (packed.n) /* else nothing is kept, and nothing need be stored */
        put_value(k, buf_view(&packed), &value);
    if (r < 0 || !buf_ok(&value))
        return -ENOMEM;
    if (value.n || k->stored)
        r = put_cursor(k->stream, buf_view(&value), a, &list[(*n)++]);
    k->stored = value.n > 0;
    k->changed = false;
    return r;
}

int parser_source_changes(const struct parser_source *source, struct arena *a,
                          struct cursor **ret_list, size_t *ret_n)
{
    struct filter_streams *s = source->kept;
    struct cursor *list = arena_array(a, 2 * STREAMS_MAX, sizeof *list);
    size_t n = 0;
    int r = list ? 0 : -ENOMEM;

    for (; r == 0 && s->ngone; s->ngone--)
        r = put_cursor(s->gone[s->ngone - 1], SLICE(""), a, &list[n++]);
    for (size_t i = 0; r == 0 && i < s->n; i++)
        if (s->list[i].changed)
            r = put_state(&s->list[i], a, list, &n);
    *ret_list = list;
    *ret_n = n;
    return r;
}
