/*
 * Where an entry stands, and what was consumed of each sequence. The stored
 * cursor holds both: libsystemd's own text to find the place quickly, and the
 * last number of every sequence to know what was read whatever the order.
 */
#include <errno.h>

#include "base/json.h"
#include "logwatch/inputs/journald-private.h"

#define CURSOR_NAME SLICE("journal")

static bool hex_u64(struct slice s, uint64_t *ret)
{
    uint64_t v = 0;

    if (s.n == 0 || s.n > 16)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        const char *digits = "0123456789abcdef", *d = s.p[i] ? strchr(digits, s.p[i]) : NULL;

        if (!d)
            return false;
        v = v << 4 | (uint64_t)(d - digits);
    }
    *ret = v;
    return true;
}

/* "s=ID;i=HEX;b=BOOT;m=HEX;t=HEX;x=HEX" (sd_journal_get_seqnum() came with systemd 254). */
bool place_parse(struct slice cursor, struct place *ret)
{
    struct place p = { 0 };
    const struct {
        struct slice name;
        uint8_t *id;
        uint64_t *number;
    } parts[] = {
        { SLICE("s="), p.id, NULL },           { SLICE("i="), NULL, &p.seqnum },
        { SLICE("b="), p.boot, NULL },         { SLICE("m="), NULL, &p.mono_us },
        { SLICE("t="), NULL, &p.realtime_us }, { SLICE("x="), NULL, &p.hash },
    };
    struct slice part;
    unsigned got = 0;

    while (slice_split(&cursor, ';', &part))
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
            struct slice value = slice_skip(part, 2);

            if (slice_starts(part, parts[i].name) &&
                (parts[i].id ? hex_decode(value, parts[i].id, 16) == 0
                             : hex_u64(value, parts[i].number)))
                got |= 1U << i;
        }
    if (got == (1U << ARRAY_SIZE(parts)) - 1)
        *ret = p;
    return got == (1U << ARRAY_SIZE(parts)) - 1;
}

int place_here(sd_journal *j, char **ret_cursor, struct place *ret)
{
    char *cursor;
    int r = sd_journal_get_cursor(j, &cursor);

    if (r < 0)
        return r;
    if (!place_parse(slice_str(cursor), ret)) {
        free(cursor);
        return -EBADMSG;
    }
    if (ret_cursor)
        *ret_cursor = cursor;
    else
        free(cursor);
    return 0;
}

bool place_same(const struct place *a, const struct place *b)
{
    return a->seqnum == b->seqnum && memcmp(a->id, b->id, sizeof a->id) == 0;
}

/* ---- sequences ---- */

struct sequence *sequence_find(struct journal *s, const uint8_t id[16])
{
    for (size_t i = s->nsequences; i-- > 0;)
        if (memcmp(s->sequences[i].id, id, 16) == 0)
            return &s->sequences[i];
    return NULL;
}

static void sequence_remove(struct journal *s, size_t i)
{
    s->nsequences--;
    memmove(&s->sequences[i], &s->sequences[i + 1], (s->nsequences - i) * sizeof s->sequences[i]);
}

void sequence_forget(struct journal *s, const uint8_t id[16])
{
    struct sequence *q = sequence_find(s, id);

    if (q)
        sequence_remove(s, (size_t)(q - s->sequences));
}

void sequence_reach(struct journal *s, const uint8_t id[16], uint64_t seqnum)
{
    struct sequence *q = sequence_find(s, id), kept = { .seqnum = seqnum };

    if (q && q == &s->sequences[s->nsequences - 1]) {
        q->seqnum = seqnum > q->seqnum ? seqnum : q->seqnum;
        return;
    }
    memcpy(kept.id, id, sizeof kept.id);
    if (q) {
        kept.seqnum = seqnum > q->seqnum ? seqnum : q->seqnum;
        sequence_remove(s, (size_t)(q - s->sequences));
    } else if (s->nsequences == JOURNAL_SEQUENCES_MAX) {
        sequence_remove(s, 0);
    }
    s->sequences[s->nsequences++] = kept;
}

/* ---- the stored cursor ---- */

static void load_sequences(struct journal *s, const struct json *list)
{
    for (const struct json *q = list ? list->child : NULL; q; q = q->next) {
        uint8_t id[16];

        if (hex_decode(json_text(q, "id"), id, sizeof id) == 0)
            sequence_reach(s, id, json_u64(q, "seqnum", 0));
    }
}

static void load_lines(struct journal *s, const struct json *list)
{
    for (const struct json *l = list ? list->child : NULL; l; l = l->next) {
        struct slice stream = json_text(l, "stream");
        struct open_line *line = &s->lines[s->nlines];

        if (stream.n == 0 || stream.n > sizeof line->stream || s->nlines == JOURNAL_LINES_MAX)
            continue;
        *line = (struct open_line){ .nstream = stream.n,
                                    .pid = json_u64(l, "pid", 0),
                                    .until = json_u64(l, "until", UINT64_MAX) };
        memcpy(line->stream, stream.p, stream.n);
        s->nlines++;
    }
}

int cursor_load(struct input *in, struct journal *s)
{
    struct err why = ERR_NONE;
    const struct json *v;
    struct slice text;
    uint64_t covered;

    if (in->ncursors == 0 || !slice_eq(in->cursors[0].stream, CURSOR_NAME))
        return 0;
    v = json_load(s->arena, in->cursors[0].value, &why);
    if (why.code == -ENOMEM)
        return -ENOMEM;
    text = json_text(v, "cursor");
    load_sequences(s, json_get(v, "sequences"));
    load_lines(s, json_get(v, "lines"));
    if (text.n == 0 || !place_parse(text, &s->place))
        return 0;
    /* Version 1 knew one sequence only, and up to where it held nothing for us. */
    covered = json_u64(v, "covered", 0);
    sequence_reach(s, s->place.id, s->place.seqnum > covered ? s->place.seqnum : covered);
    s->cursor = slice_dup(text);
    return s->cursor ? 0 : -ENOMEM;
}

static void put_sequences(const struct journal *s, struct json_writer *w)
{
    json_key(w, "sequences");
    json_array(w);
    for (size_t i = 0; i < s->nsequences; i++) {
        AUTO_BUF id = BUF_INIT;

        buf_hex(&id, s->sequences[i].id, sizeof s->sequences[i].id);
        json_object(w);
        json_member_buf(w, "id", &id);
        json_member_u64(w, "seqnum", s->sequences[i].seqnum);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_lines(const struct journal *s, struct json_writer *w)
{
    json_key(w, "lines");
    json_array(w);
    for (size_t i = 0; i < s->nlines; i++) {
        const struct open_line *l = &s->lines[i];

        json_object(w);
        json_member_slice(w, "stream", slice_of(l->stream, l->nstream));
        json_member_u64(w, "pid", l->pid);
        if (l->until != UINT64_MAX)
            json_member_u64(w, "until", l->until);
        json_object_end(w);
    }
    json_array_end(w);
}

int cursor_save(struct journal *s, struct block *b)
{
    AUTO_BUF value = BUF_INIT;
    struct json_writer w = json_writer(&value);

    json_object(&w);
    json_member_u64(&w, "version", 2);
    json_member_str(&w, "cursor", s->cursor ? s->cursor : "");
    put_sequences(s, &w);
    if (s->nlines)
        put_lines(s, &w);
    json_object_end(&w);
    s->dirty = s->moved = false;
    return buf_ok(&value) ? block_cursor(b, CURSOR_NAME, buf_view(&value)) : -ENOMEM;
}
