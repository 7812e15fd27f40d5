/*
 * journald: records of the systemd journal.
 *
 * One input follows any number of units. A record keeps the boundary that its
 * sender gave it, the trusted fields are journald's own, the position is its
 * sequence number, the stream is the id of that sequence.
 *
 * What can go wrong and is told: entries that were vacuumed before we read
 * them (source.gap), a journal that was replaced or set back (source.resync),
 * messages that journald itself dropped by its rate limit (source.suppressed),
 * entries that cannot be read (source.unreadable). Vacuuming under a slow
 * reader makes sd_journal_next() fail on the same spot until
 * sd_journal_process() is called, hence that call in every turn.
 *
 * With units the sequence numbers of what we see have holes by nature. So
 * `covered` remembers up to which number of the whole journal nothing of ours
 * was left: a hole behind it is a loss, one before it is not.
 */
#include <errno.h>
#include <fnmatch.h>
#include <systemd/sd-journal.h>

#include "base/json.h"
#include "base/num.h"
#include "logwatch/inputs/common.h"

#define RECORDS_MAX 1024
#define BYTES_MAX (UINT64_C(1) << 20)
#define PROCESS_EVERY 256
#define COVER_US (60 * USEC_PER_SEC)
#define PART_WAIT_US (5 * USEC_PER_SEC)
#define POLL_US (1 * USEC_PER_SEC)
#define IDLE_US (30 * USEC_PER_SEC)
#define CURSOR_NAME SLICE("journal")
/* SD_MESSAGE_JOURNAL_DROPPED */
#define DROPPED_ID "a596d6fe7bfa4994828e72309e95d61e"

enum journal_from {
    JOURNAL_END,
    JOURNAL_BEGIN,
};

struct journald_options {
    struct option_strs unit, files;
    const char *directory;
    int from;
    uint64_t max_line;
};

static const char *const from_choices[] = { "end", "begin", NULL };

static const struct option journald_options[] = {
    { .name = "unit",
      .type = OPTION_STRS,
      .offset = AT(struct journald_options, unit),
      .help = "Units to follow, like xray.service or openvpn-server@*.service; none: all." },
    { .name = "from",
      .type = OPTION_ENUM,
      .offset = AT(struct journald_options, from),
      .choices = from_choices,
      .fallback = "end",
      .help = "Where to begin at the very first start." },
    { .name = "max_line",
      .type = OPTION_SIZE,
      .offset = AT(struct journald_options, max_line),
      .fallback = "64KiB",
      .min = "1KiB",
      .max = "1MiB",
      .help = "Longer messages are cut here and marked." },
    { .name = "directory",
      .type = OPTION_STR,
      .offset = AT(struct journald_options, directory),
      .path = PATH_READ,
      .help = "Folder of saved journals, instead of this host's." },
    { .name = "files",
      .type = OPTION_STRS,
      .offset = AT(struct journald_options, files),
      .path = PATH_READ,
      .help = "Saved journal files, instead of this host's." },
    { 0 },
};

/* Place of an entry: what the cursor says. */
struct place {
    uint8_t id[16]; /* of the sequence */
    uint64_t seqnum, realtime_us;
};

/* The fields of one entry that matter; all slices die with the next call on the journal. */
struct entry_fields {
    struct slice message, unit, stream, transport, message_id, object_unit, dropped, line_break;
    uint64_t priority, pid, source_us;
    bool has_message;
};

/* A long line that journald cut into parts. */
struct joining {
    bool open;
    size_t index; /* of its record */
    char stream[64];
    size_t nstream;
    uint64_t pid;
    char *before; /* cursor of the entry before its first part, or NULL */
};

struct journal {
    sd_journal *j;
    char *cursor; /* of the last entry that was consumed; NULL = none */
    struct place place; /* of that entry */
    uint64_t covered, cover_us; /* see above; monotonic: when to look again */
    uint64_t start_us; /* wall */
    uint64_t parts_us; /* monotonic: since when a line waits for its other parts; 0 = none */
    bool standing; /* on an entry that was not consumed yet */
    bool filtered, globs, dirty, ended, invalidated;
    const char **units; /* with ".service" where it was left out */
    size_t nunits;
    struct arena *arena;
    struct buf notices; /* of the open: told with the first block */
    const char *notice_type;
};

/* ---- cursors ---- */

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
static bool place_parse(struct slice cursor, struct place *ret)
{
    struct place p = { 0 };
    struct slice part;
    unsigned got = 0;

    while (slice_split(&cursor, ';', &part)) {
        struct slice value = slice_skip(part, 2);

        if (slice_starts(part, SLICE("s=")) && hex_decode(value, p.id, sizeof p.id) == 0)
            got |= 1;
        else if (slice_starts(part, SLICE("i=")) && hex_u64(value, &p.seqnum))
            got |= 2;
        else if (slice_starts(part, SLICE("t=")) && hex_u64(value, &p.realtime_us))
            got |= 4;
    }
    if (got == 7)
        *ret = p;
    return got == 7;
}

static int place_here(sd_journal *j, char **ret_cursor, struct place *ret)
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

static int load_cursor(struct input *in, struct journal *s)
{
    const struct json *v;
    struct slice text;

    if (in->ncursors == 0 || !slice_eq(in->cursors[0].stream, CURSOR_NAME))
        return 0;
    v = json_load(s->arena, in->cursors[0].value, NULL);
    text = json_text(v, "cursor");
    s->covered = json_u64(v, "covered", 0);
    if (text.n == 0 || !place_parse(text, &s->place))
        return 0;
    s->cursor = slice_dup(text);
    return s->cursor ? 0 : -ENOMEM;
}

static int save_cursor(struct journal *s, struct block *b)
{
    AUTO_BUF value = BUF_INIT;
    struct json_writer w = json_writer(&value);

    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_str(&w, "cursor", s->cursor ? s->cursor : "");
    json_member_u64(&w, "covered", s->covered);
    json_object_end(&w);
    s->dirty = false;
    return buf_ok(&value) ? block_cursor(b, CURSOR_NAME, buf_view(&value)) : -ENOMEM;
}

/* ---- open ---- */

static int open_handle(const struct journald_options *o, sd_journal **ret)
{
    if (o->files.n) {
        const char **paths = calloc(o->files.n + 1, sizeof *paths);
        int r;

        if (!paths)
            return -ENOMEM;
        memcpy(paths, o->files.items, o->files.n * sizeof *paths);
        r = sd_journal_open_files(ret, paths, 0);
        free(paths);
        return r;
    }
    if (o->directory)
        return sd_journal_open_directory(ret, o->directory, 0);
    return sd_journal_open(ret, SD_JOURNAL_LOCAL_ONLY);
}

static int load_units(struct journal *s, const struct journald_options *o)
{
    s->nunits = o->unit.n;
    s->units = arena_array(s->arena, o->unit.n + 1, sizeof *s->units);
    for (size_t i = 0; s->units && i < o->unit.n; i++) {
        const char *unit = o->unit.items[i];

        s->globs = s->globs || strpbrk(unit, "*?[");
        s->units[i] = strchr(unit, '.') ? unit : arena_printf(s->arena, "%s.service", unit);
        if (!s->units[i])
            return -ENOMEM;
    }
    s->filtered = s->nunits > 0;
    return s->units ? 0 : -ENOMEM;
}

static int match(sd_journal *j, const char *field, const char *value)
{
    AUTO_BUF b = BUF_INIT;

    buf_printf(&b, "%s=%s", field, value);
    return buf_ok(&b) ? sd_journal_add_match(j, b.p, b.n) : -ENOMEM;
}

/* Exact units by the journal's index; patterns are compared by us, entry by entry. */
static int add_matches(struct journal *s)
{
    int r = 0;

    if (!s->filtered || s->globs)
        return 0;
    for (size_t i = 0; r >= 0 && i < s->nunits; i++)
        r = match(s->j, "_SYSTEMD_UNIT", s->units[i]);
    if (r >= 0)
        r = sd_journal_add_disjunction(s->j);
    return r < 0 ? r : match(s->j, "MESSAGE_ID", DROPPED_ID);
}

static bool unit_wanted(const struct journal *s, struct slice unit)
{
    AUTO_FREE char *name = unit.n ? slice_dup(unit) : NULL;

    for (size_t i = 0; name && i < s->nunits; i++)
        if (fnmatch(s->units[i], name, 0) == 0)
            return true;
    return !s->filtered;
}

/* The first or last entry of the whole journal. 1 = there is one. */
static int outermost(const struct journald_options *o, bool first, struct place *ret)
{
    sd_journal *j;
    int r = open_handle(o, &j);

    if (r < 0)
        return r;
    r = first ? sd_journal_seek_head(j) : sd_journal_seek_tail(j);
    if (r >= 0)
        r = first ? sd_journal_next(j) : sd_journal_previous(j);
    if (r > 0)
        r = place_here(j, NULL, ret) < 0 ? -EBADMSG : 1;
    sd_journal_close(j);
    return r;
}

static void note(struct journal *s, const char *type, const char *members)
{
    s->notice_type = type;
    buf_reset(&s->notices);
    buf_str(&s->notices, members);
}

/* Were entries deleted behind what we have seen? */
static void check_gap(struct journal *s, const struct journald_options *o)
{
    uint64_t seen = s->place.seqnum > s->covered ? s->place.seqnum : s->covered;
    struct place head;
    char members[96];

    if (!s->cursor || outermost(o, true, &head) <= 0 ||
        memcmp(head.id, s->place.id, sizeof head.id) != 0 || head.seqnum <= seen + 1)
        return;
    (void)snprintf(members, sizeof members, "\"from\":%llu,\"to\":%llu",
                   (unsigned long long)(seen + 1), (unsigned long long)(head.seqnum - 1));
    note(s, "source.gap", members);
    s->covered = head.seqnum - 1;
    s->dirty = true;
}

/*
 * The cursor lies behind everything that is there. That is nothing special for a
 * unit whose entries were all deleted; but when the journal as a whole ends
 * before it, or counts anew, it is another one: read from its beginning, for a
 * repeat is recognised and a loss is not.
 */
static int resync(struct journal *s, const struct journald_options *o)
{
    struct place tail;
    int r = outermost(o, false, &tail);

    if (r <= 0)
        return r;
    if (memcmp(tail.id, s->place.id, sizeof tail.id) == 0 && tail.seqnum >= s->place.seqnum)
        return 0;
    note(s, "source.resync", "\"reason\":\"the journal ends before the stored cursor\"");
    free(s->cursor);
    s->cursor = NULL;
    s->covered = 0;
    return sd_journal_seek_head(s->j);
}

static int seek_stored(struct journal *s, const struct journald_options *o)
{
    int r;

    check_gap(s, o);
    r = sd_journal_seek_cursor(s->j, s->cursor);
    if (r >= 0)
        r = sd_journal_next(s->j);
    if (r > 0)
        s->standing = sd_journal_test_cursor(s->j, s->cursor) <= 0;
    return r == 0 ? resync(s, o) : r;
}

static int seek_end(struct journal *s)
{
    int r = sd_journal_seek_tail(s->j);

    if (r >= 0)
        r = sd_journal_previous(s->j);
    if (r == 0) /* nothing of ours yet: all that comes is new */
        return sd_journal_seek_head(s->j);
    return r < 0 ? r : place_here(s->j, &s->cursor, &s->place);
}

static int seek_start(struct input *in, struct journal *s)
{
    const struct journald_options *o = in->state;

    if (s->cursor)
        return seek_stored(s, o);
    s->dirty = !in->once;
    if (in->first_start && !in->once && o->from == JOURNAL_END)
        return seek_end(s);
    return sd_journal_seek_head(s->j);
}

/* sd_journal_open() succeeds with nothing to read as well: say it rather than wait for ever. */
static int check_access(const struct input *in, const struct journald_options *o, struct err *err)
{
    struct place p;
    int r = outermost(o, true, &p);

    if (r < 0)
        return err_set(err, r, "cannot read the journal: %s", err_name(r));
    if (r == 0 && in->once)
        return err_set(err, -ENODATA, "the journal is empty, or may not be read by this user");
    return 0;
}

static int journald_open(struct input *in, struct err *err)
{
    const struct journald_options *o = in->state;
    struct journal *s = calloc(1, sizeof *s);
    int r;

    if (!s)
        return err_nomem(err);
    in->private = s;
    in->fd = -1;
    s->arena = arena_new(4096, 1 << 20);
    if (!s->arena || load_units(s, o) < 0 || load_cursor(in, s) < 0)
        return err_nomem(err);
    s->start_us = clock_now(in->clock);
    s->cover_us = clock_mono(in->clock) + COVER_US;
    r = open_handle(o, &s->j);
    if (r < 0) {
        s->j = NULL;
        return err_set(err, r, "cannot open the journal%s%s: %s", o->directory ? " in " : "",
                       o->directory ? o->directory : "", err_name(r));
    }
    if (check_access(in, o, err) < 0)
        return err_code(err);
    in->fd = sd_journal_get_fd(s->j); /* before the seek: from now on nothing is missed */
    r = add_matches(s);
    if (r >= 0)
        r = seek_start(in, s);
    if (in->fd < 0)
        in->fd = -1;
    else
        in->events = sd_journal_get_events(s->j);
    return r < 0 ? err_set(err, r, "cannot find the place in the journal: %s", err_name(r)) : 0;
}

static void journald_close(struct input *in)
{
    struct journal *s = in->private;

    if (!s)
        return;
    if (s->j)
        sd_journal_close(s->j);
    free(s->cursor);
    buf_fini(&s->notices);
    arena_free(s->arena);
    free(s);
    in->private = NULL;
    in->fd = -1;
}

/* ---- one entry ---- */

struct wanted {
    const char *name;
    size_t offset;
};

static const struct wanted wanted_texts[] = {
    { "_SYSTEMD_UNIT", AT(struct entry_fields, unit) },
    { "_STREAM_ID", AT(struct entry_fields, stream) },
    { "_TRANSPORT", AT(struct entry_fields, transport) },
    { "MESSAGE_ID", AT(struct entry_fields, message_id) },
    { "OBJECT_SYSTEMD_UNIT", AT(struct entry_fields, object_unit) },
    { "N_DROPPED", AT(struct entry_fields, dropped) },
    { "_LINE_BREAK", AT(struct entry_fields, line_break) },
};

static const struct wanted wanted_numbers[] = {
    { "PRIORITY", AT(struct entry_fields, priority) },
    { "_PID", AT(struct entry_fields, pid) },
    { "_SOURCE_REALTIME_TIMESTAMP", AT(struct entry_fields, source_us) },
};

/* The texts are copied: the next field's call takes this one's bytes away. */
static int take_field(struct arena *a, struct slice name, struct slice value, size_t max,
                      struct entry_fields *f)
{
    if (slice_is(name, "MESSAGE")) {
        if (f->has_message) /* a sender may give two: the first counts */
            return 0;
        f->has_message = true;
        f->message =
            arena_slice(a, slice_take(value, max + 1)); /* one more tells that it was cut */
        return f->message.p ? 0 : -ENOMEM;
    }
    for (size_t i = 0; i < ARRAY_SIZE(wanted_texts); i++)
        if (slice_is(name, wanted_texts[i].name)) {
            struct slice kept = arena_slice(a, slice_take(value, 256));

            memcpy((char *)f + wanted_texts[i].offset, &kept, sizeof kept);
            return kept.p ? 0 : -ENOMEM;
        }
    for (size_t i = 0; i < ARRAY_SIZE(wanted_numbers); i++)
        if (slice_is(name, wanted_numbers[i].name)) {
            uint64_t v;

            if (parse_u64(value, 0, UINT64_MAX, &v) == 0)
                memcpy((char *)f + wanted_numbers[i].offset, &v, sizeof v);
            return 0;
        }
    return 0;
}

static int read_fields(sd_journal *j, struct arena *a, size_t max, struct entry_fields *ret)
{
    struct entry_fields f = { .priority = UINT64_MAX };
    const void *data;
    size_t n;
    int r;

    sd_journal_restart_data(j);
    while ((r = sd_journal_enumerate_available_data(j, &data, &n)) > 0) {
        struct slice field = slice_of(data, n);
        size_t at = slice_find_byte(slice_take(field, 64), '=');

        if (at == SIZE_MAX)
            continue;
        r = take_field(a, slice_take(field, at), slice_skip(field, at + 1), max, &f);
        if (r < 0)
            return r;
    }
    *ret = f;
    return r;
}

/* ---- one block ---- */

struct pass {
    struct input *in;
    struct journal *s;
    struct block *b;
    size_t max;
    uint64_t bytes;
    struct place first;
    struct joining join;
    bool was_dirty;
};

static bool is_drop_notice(const struct entry_fields *f)
{
    return slice_is(f->message_id, DROPPED_ID) && slice_is(f->transport, "driver");
}

/* journald dropped messages of a unit: an attacker's blindfold. Only journald's own word counts. */
static int tell_dropped(struct pass *p, const struct entry_fields *f, const struct place *at)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    uint64_t n = 0;

    (void)parse_u64(f->dropped, 0, UINT64_MAX, &n);
    json_member_slice(&w, "unit", f->object_unit);
    json_member_u64(&w, "dropped", n);
    json_member_u64(&w, "position", at->seqnum);
    return buf_ok(&members) ? block_notice(p->b, "source.suppressed", buf_view(&members)) : -ENOMEM;
}

static bool drop_concerns_us(const struct journal *s, const struct entry_fields *f)
{
    if (!s->filtered || f->object_unit.n)
        return !s->filtered || unit_wanted(s, f->object_unit);
    for (size_t i = 0; i < s->nunits; i++) /* "Suppressed 5 messages from x-ui.service" */
        if (slice_ends(f->message, slice_str(s->units[i])))
            return true;
    return false;
}

static bool same_stream(const struct joining *join, const struct entry_fields *f)
{
    return join->open && join->pid == f->pid &&
           slice_eq(slice_of(join->stream, join->nstream), f->stream);
}

static void join_begin(struct pass *p, const struct entry_fields *f, const char *before)
{
    struct joining *j = &p->join;

    if (j->open || f->stream.n == 0 || f->stream.n > sizeof j->stream)
        return; /* one at a time; the others stay parts */
    *j = (struct joining){
        .open = true, .index = p->b->nrecords - 1, .nstream = f->stream.n, .pid = f->pid
    };
    memcpy(j->stream, f->stream.p, f->stream.n);
    j->before = before ? arena_str(p->b->arena, slice_str(before)) : NULL;
}

static int join_part(struct pass *p, const struct entry_fields *f, bool last)
{
    struct record *r = &p->b->records[p->join.index];
    size_t room = p->max + 1 - (r->text.n < p->max + 1 ? r->text.n : p->max + 1);
    struct slice more = slice_take(f->message, room);
    char *text = arena_text(p->b->arena, r->text.n + more.n + 1);

    if (!text)
        return -ENOMEM;
    memcpy(text, r->text.p, r->text.n);
    memcpy(text + r->text.n, more.p, more.n);
    r->text = slice_of(text, r->text.n + more.n);
    p->bytes += more.n;
    if (last)
        p->join.open = false;
    return 0;
}

static int add_record(struct pass *p, const struct entry_fields *f, const struct place *at,
                      uint64_t realtime_us)
{
    struct block *b = p->b;
    struct slice text = f->message;

    if (!b->records)
        b->records = arena_array(b->arena, RECORDS_MAX, sizeof *b->records);
    if (!b->records)
        return -ENOMEM;
    b->records[b->nrecords++] = (struct record){
        .text = text,
        .position = at->seqnum,
        .time_us = realtime_us,
        .source_time_us = f->source_us,
        .pid = f->pid,
        .priority = f->priority <= 7 ? (int)f->priority : -1,
    };
    p->bytes += text.n;
    return 0;
}

/* Names the block after its unit: a block holds records of one unit and of one sequence. */
static bool fits_block(struct pass *p, const struct entry_fields *f, const struct place *at)
{
    struct slice unit = f->unit.n ? f->unit : slice_str(p->in->name);

    if (p->b->nrecords == 0) {
        p->b->name = unit;
        p->first = *at;
        memcpy(p->b->stream, at->id, sizeof p->b->stream);
        return true;
    }
    return slice_eq(p->b->name, unit) && memcmp(p->first.id, at->id, sizeof at->id) == 0;
}

static void consume(struct journal *s, char *cursor, const struct place *at)
{
    free(s->cursor);
    s->cursor = cursor;
    s->place = *at;
    s->standing = false;
    s->dirty = true;
}

static int tell_unreadable(struct pass *p, const struct place *at, int r)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_u64(&w, "position", at->seqnum);
    json_member_str(&w, "error", err_name(r));
    return buf_ok(&members) ? block_notice(p->b, "source.unreadable", buf_view(&members)) : -ENOMEM;
}

/* Without units nothing is filtered, so every hole in the numbers is a loss. */
static int tell_hole(struct pass *p, const struct place *at)
{
    const struct journal *s = p->s;
    char members[96];

    if (s->filtered || !s->cursor || memcmp(at->id, s->place.id, sizeof at->id) != 0 ||
        at->seqnum <= s->place.seqnum + 1 || at->seqnum <= s->covered + 1)
        return 0;
    (void)snprintf(members, sizeof members, "\"from\":%llu,\"to\":%llu",
                   (unsigned long long)(s->place.seqnum + 1), (unsigned long long)(at->seqnum - 1));
    return block_notice(p->b, "source.gap", slice_str(members));
}

/* 1 = taken, 0 = it belongs into the next block, <0 = memory. */
static int take_wanted(struct pass *p, const struct entry_fields *f, const struct place *at)
{
    bool part = slice_is(f->line_break, "line-max");
    uint64_t realtime = at->realtime_us;

    if (same_stream(&p->join, f))
        return join_part(p, f, !part) < 0 ? -ENOMEM : 1;
    if (!fits_block(p, f, at))
        return 0;
    (void)sd_journal_get_realtime_usec(p->s->j, &realtime);
    if (add_record(p, f, at, realtime) < 0)
        return -ENOMEM;
    if (part)
        join_begin(p, f, p->s->cursor);
    return 1;
}

/* The entry we stand on. 1 = consumed, 0 = it belongs into the next block. */
static int take_entry(struct pass *p)
{
    struct journal *s = p->s;
    struct entry_fields f;
    struct place at;
    char *cursor;
    int r = place_here(s->j, &cursor, &at);

    if (r < 0)
        return r;
    r = read_fields(s->j, p->b->arena, p->max, &f);
    if (r < 0)
        r = tell_unreadable(p, &at, r) < 0 ? -ENOMEM : 1;
    else if (is_drop_notice(&f) && drop_concerns_us(s, &f))
        r = tell_dropped(p, &f, &at) < 0 ? -ENOMEM : 1;
    else if (f.has_message && f.message.n && unit_wanted(s, f.unit))
        r = take_wanted(p, &f, &at);
    else
        r = 1;
    if (r == 1 && tell_hole(p, &at) < 0)
        r = -ENOMEM;
    if (r == 1) {
        consume(s, cursor, &at);
    } else {
        free(cursor);
        s->standing = true;
    }
    return r;
}

static int step(struct journal *s)
{
    int r;

    if (s->standing)
        return 1;
    r = sd_journal_next(s->j);
    if (r >= 0)
        return r;
    /* Files were deleted under us: it fails on the same spot until this is called. */
    if (sd_journal_process(s->j) == SD_JOURNAL_INVALIDATE)
        s->invalidated = true;
    return sd_journal_next(s->j);
}

/* A line whose last part has not come. Rewinds to before it, or gives it up as it is. */
static int settle_join(struct pass *p)
{
    struct journal *s = p->s;
    struct joining *j = &p->join;
    uint64_t now = clock_mono(p->in->clock);
    struct place before;
    int r;

    if (!j->open) {
        s->parts_us = 0;
        return 0;
    }
    if (!s->parts_us)
        s->parts_us = now;
    if (p->in->once || now >= s->parts_us + PART_WAIT_US || p->b->nrecords == RECORDS_MAX ||
        p->bytes >= BYTES_MAX) {
        p->b->records[j->index].flags |= RECORD_PARTIAL;
        s->parts_us = 0;
        return 0;
    }
    p->b->nrecords = j->index;
    s->dirty = p->was_dirty || j->index > 0;
    r = j->before ? sd_journal_seek_cursor(s->j, j->before) : sd_journal_seek_head(s->j);
    if (r >= 0 && j->before)
        r = sd_journal_next(s->j);
    if (r < 0)
        return r;
    s->standing = j->before && r > 0 && sd_journal_test_cursor(s->j, j->before) <= 0;
    free(s->cursor);
    s->cursor = j->before ? slice_dup(slice_str(j->before)) : NULL;
    if (j->before && place_parse(slice_str(j->before), &before))
        s->place = before;
    return 0;
}

static int run_pass(struct pass *p)
{
    struct journal *s = p->s;
    int r = 1;

    for (unsigned n = 1;
         r > 0 && p->b->nrecords < RECORDS_MAX && p->bytes < BYTES_MAX && n < 8 * RECORDS_MAX;
         n++) {
        if (n % PROCESS_EVERY == 0 && !s->standing &&
            sd_journal_process(s->j) == SD_JOURNAL_INVALIDATE)
            s->invalidated = true;
        r = step(s);
        if (r > 0)
            r = take_entry(p);
        if (r == 0 && !s->standing)
            s->ended = true; /* of what is there now */
    }
    return r < 0 ? r : settle_join(p);
}

/* Once a minute of silence: everything up to the journal's end holds nothing more of ours. */
static void cover(struct input *in, struct journal *s)
{
    struct place tail;

    if (in->once || s->standing || clock_mono(in->clock) < s->cover_us)
        return;
    s->cover_us = clock_mono(in->clock) + COVER_US;
    if (outermost(in->state, false, &tail) <= 0)
        return;
    (void)sd_journal_process(s->j);
    if (sd_journal_next(s->j) > 0) {
        s->standing = true;
    } else if (s->cursor && memcmp(tail.id, s->place.id, sizeof tail.id) == 0 &&
               tail.seqnum > s->covered) {
        s->covered = tail.seqnum;
        s->dirty = true;
    }
}

/* Texts longer than the limit get their mark. */
static void mark_cut(struct pass *p)
{
    for (size_t i = 0; i < p->b->nrecords; i++) {
        struct record *r = &p->b->records[i];

        if (r->text.n > p->max) {
            r->text.n = p->max;
            r->flags |= RECORD_TRUNCATED;
        }
    }
}

static int finish(struct pass *p, struct err *err)
{
    struct journal *s = p->s;
    struct block *b = p->b;

    mark_cut(p);
    b->received_us = clock_now(p->in->clock);
    b->backfill = b->nrecords && b->records[0].time_us < s->start_us && p->in->first_start;
    if (b->name.n == 0)
        b->name = slice_str(p->in->name);
    if (s->notice_type) {
        if (block_notice(b, s->notice_type, buf_view(&s->notices)) < 0)
            return err_nomem(err);
        s->notice_type = NULL;
    }
    if (p->in->once) {
        b->end = s->ended && !s->standing;
        s->ended = b->end;
        return b->nrecords || b->nnotices || b->end;
    }
    if (s->dirty && save_cursor(s, b) < 0)
        return err_nomem(err);
    return b->nrecords || b->nnotices || b->ncursors;
}

static int journald_read(struct input *in, struct block *b, struct err *err)
{
    struct journal *s = in->private;
    const struct journald_options *o = in->state;
    struct pass p = { .in = in, .s = s, .b = b, .max = o->max_line, .was_dirty = s->dirty };
    int r;

    if (in->once && s->ended)
        return 0;
    if (!s->standing && sd_journal_process(s->j) == SD_JOURNAL_INVALIDATE)
        s->invalidated = true;
    if (s->invalidated && !in->once)
        check_gap(s, o);
    s->invalidated = false;
    s->ended = false;
    r = run_pass(&p);
    if (r < 0)
        return err_set(err, r, "cannot read the journal: %s", err_name(r));
    cover(in, s);
    r = finish(&p, err);
    in->wake_us =
        clock_mono(in->clock) +
        (s->parts_us || in->fd < 0 || sd_journal_reliable_fd(s->j) <= 0 ? POLL_US : IDLE_US);
    return r;
}

const struct input_ops input_journald = {
    .name = "journald",
    .summary = "records of the systemd journal",
    .options = journald_options,
    .state_size = sizeof(struct journald_options),
    .open = journald_open,
    .read = journald_read,
    .close = journald_close,
};
