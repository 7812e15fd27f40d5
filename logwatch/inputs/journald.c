/*
 * journald: records of the systemd journal.
 *
 * One input follows any number of units. A record keeps the boundary that its
 * sender gave it, the trusted fields are journald's own, the position is its
 * sequence number, the stream is the id of that sequence.
 *
 * What can go wrong and is told: entries that were vacuumed before we read
 * them (source.gap), a journal that was replaced or a clock that was set back
 * (source.resync), messages that journald itself dropped by its rate limit
 * (source.suppressed), entries that cannot be read (source.unreadable) or that
 * have several messages (source.doubled). How, is in the other files: see
 * journald-private.h.
 */
#include <errno.h>
#include <fnmatch.h>

#include "base/json.h"
#include "base/num.h"
#include "logwatch/inputs/journald-private.h"

#define SAVE_US (60 * USEC_PER_SEC)
#define POLL_US (1 * USEC_PER_SEC)
#define IDLE_US (30 * USEC_PER_SEC)
#define STEPS_MAX (8 * JOURNAL_RECORDS_MAX)

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

/* ---- open ---- */

static int load_units(struct journal *s, const struct journald_options *o)
{
    s->nunits = o->unit.n;
    s->units = arena_array(s->arena, o->unit.n + 1, sizeof *s->units);
    for (size_t i = 0; s->units && i < o->unit.n; i++) {
        const char *unit = o->unit.items[i];

        s->units[i] = strchr(unit, '.') ? unit : arena_printf(s->arena, "%s.service", unit);
        if (!s->units[i])
            return -ENOMEM;
    }
    return s->units ? 0 : -ENOMEM;
}

static bool unit_wanted(const struct journal *s, const char *unit)
{
    for (size_t i = 0; i < s->nunits; i++)
        if (fnmatch(s->units[i], unit, 0) == 0)
            return true;
    return s->nunits == 0;
}

/* sd_journal_open() succeeds with nothing to read as well: say it rather than wait for ever. */
static int check_access(struct input *in, struct err *err)
{
    struct journal *s = in->private;
    int r = sd_journal_seek_head(s->j);

    if (r >= 0)
        r = sd_journal_next(s->j);
    if (r < 0)
        return err_set(err, r, "cannot read the journal: %s", err_name(r));
    if (r == 0 && in->once)
        return err_set(err, -ENODATA, "the journal is empty, or may not be read by this user");
    return 0;
}

static void count_file(void *ctx UNUSED, const struct journal_header *h UNUSED)
{
}

static int open_journal(struct input *in, struct err *err)
{
    const struct journald_options *o = in->state;
    struct journal *s = in->private;
    int r = journal_open_handle(o, &s->j);

    if (r < 0) {
        s->j = NULL;
        return err_set(err, r, "cannot open the journal%s%s: %s", o->directory ? " in " : "",
                       o->directory ? o->directory : "", err_name(r));
    }
    in->fd = sd_journal_get_fd(s->j); /* before the seek: from now on nothing is missed */
    in->fd = in->fd < 0 ? -1 : in->fd;
    if (in->fd >= 0)
        in->events = sd_journal_get_events(s->j);
    if (check_access(in, err) < 0)
        return err_code(err);
    /* Single files were chosen by someone, others are forbidden to us: then holes mean nothing. */
    s->whole = journal_files(o, count_file, NULL) == 0 && o->files.n == 0;
    r = journal_start(in);
    return r < 0 ? err_set(err, r, "cannot find the place in the journal: %s", err_name(r)) : 0;
}

static int journald_open(struct input *in, struct err *err)
{
    struct journal *s = calloc(1, sizeof *s);

    if (!s)
        return err_nomem(err);
    in->private = s;
    in->fd = -1;
    in->lag = (struct input_lag){ .streams = 1 };
    s->arena = arena_new(4096, 1 << 20);
    if (!s->arena || load_units(s, in->state) < 0 || cursor_load(in, s) < 0)
        return err_nomem(err);
    s->start_us = clock_now(in->clock);
    s->save_us = clock_mono(in->clock) + SAVE_US;
    return open_journal(in, err);
}

static void journald_close(struct input *in)
{
    struct journal *s = in->private;

    if (!s)
        return;
    if (s->j)
        sd_journal_close(s->j);
    free(s->cursor);
    buf_fini(&s->notice);
    arena_free(s->arena);
    free(s);
    in->private = NULL;
    in->fd = -1;
}

/* ---- one entry ---- */

/* What becomes of the entry we stand on. */
enum fate {
    FATE_LATER, /* it belongs into the next block */
    FATE_OURS,
    FATE_FOREIGN,
    FATE_GONE, /* deleted while we read it: its number will be missing */
};

static bool is_drop_notice(const struct entry_fields *f)
{
    return slice_is(f->message_id, JOURNAL_DROPPED_ID) && slice_is(f->transport, "driver");
}

static bool drop_concerns_us(struct pass *p, const struct entry_fields *f)
{
    const struct journal *s = p->s;
    const char *unit = arena_str(p->b->arena, f->object_unit);

    if (s->nunits == 0 || f->object_unit.n)
        return unit && unit_wanted(s, unit);
    for (size_t i = 0; i < s->nunits; i++) /* "Suppressed 5 messages from x-ui.service" */
        if (slice_ends(f->message, slice_str(s->units[i])))
            return true;
    return false;
}

/* journald dropped messages of a unit: an attacker's blindfold. Only journald's own word counts. */
static int tell_dropped(struct pass *p, const struct entry_fields *f, const struct place *at)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    size_t from = slice_find(f->message, SLICE(" from "));
    uint64_t n = 0;

    (void)parse_u64(f->dropped, 0, UINT64_MAX, &n);
    json_member_slice(&w, "unit",
                      f->object_unit.n || from == SIZE_MAX ? f->object_unit
                                                           : slice_skip(f->message, from + 6));
    json_member_u64(&w, "dropped", n);
    json_member_u64(&w, "position", at->seqnum);
    return buf_ok(&members) ? block_notice(p->b, "source.suppressed", buf_view(&members)) : -ENOMEM;
}

static int tell_unreadable(struct pass *p, const struct place *at, int r)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_u64(&w, "position", at->seqnum);
    json_member_str(&w, "error", err_name(r));
    return buf_ok(&members) ? block_notice(p->b, "source.unreadable", buf_view(&members)) : -ENOMEM;
}

static int add_record(struct pass *p, const struct entry_fields *f, const struct place *at,
                      unsigned flags)
{
    struct block *b = p->b;

    if (!b->records)
        b->records = arena_array(b->arena, JOURNAL_RECORDS_MAX, sizeof *b->records);
    if (!b->records)
        return -ENOMEM;
    b->records[b->nrecords++] = (struct record){
        .text = f->message,
        .position = at->seqnum,
        .time_us = at->realtime_us,
        .source_time_us = f->source_us,
        .pid = f->pid,
        .priority = f->priority <= 7 ? (int)f->priority : -1,
        .flags = flags | (slice_is(f->transport, "stdout") ? RECORD_LINE : 0),
    };
    p->bytes += f->message.n;
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

/* A part of a line that was handed over before its last part was reached. */
static int take_rest(struct pass *p, struct open_line *line, const struct entry_fields *f,
                     const struct place *at)
{
    if (at->seqnum > line->until) {
        if (!fits_block(p, f, at))
            return FATE_LATER;
        if (add_record(p, f, at, RECORD_PARTIAL) < 0)
            return -ENOMEM;
    }
    if (!slice_is(f->line_break, "line-max"))
        line_close(p->s, line);
    return FATE_OURS;
}

/* A fate, or <0. *cursor and *at move on when the parts of a line were put together. */
static int take_wanted(struct pass *p, const struct entry_fields *f, char **cursor,
                       struct place *at)
{
    struct open_line *line = line_find(p->s, f);

    if (line)
        return take_rest(p, line, f, at);
    if (f->message.n == 0)
        return FATE_OURS;
    if (!fits_block(p, f, at))
        return FATE_LATER;
    if (add_record(p, f, at, 0) < 0)
        return -ENOMEM;
    if (f->messages > 1 && p->doubled++ == 0)
        p->doubled_at = at->seqnum;
    if (!slice_is(f->line_break, "line-max"))
        return FATE_OURS;
    if (line_gather(p, f, cursor, at) < 0)
        return -ENOMEM;
    return p->hold ? FATE_LATER : FATE_OURS;
}

/* Of others' entries as little as possible is read: two fields, none of them unpacked. */
static int is_foreign(struct pass *p, bool *ret)
{
    const struct journal *s = p->s;
    char unit[ENTRY_TEXT_MAX + 1];
    int r;

    *ret = false;
    if (s->nunits == 0)
        return 0;
    r = entry_unit(s->j, unit);
    if (r >= 0)
        *ret = !unit_wanted(s, unit) && !(entry_is(s->j, "_TRANSPORT", "driver") &&
                                          entry_is(s->j, "MESSAGE_ID", JOURNAL_DROPPED_ID));
    return r;
}

static int judge(struct pass *p, char **cursor, struct place *at)
{
    struct journal *s = p->s;
    struct entry_fields f;
    bool foreign;
    const char *unit;
    int r = is_foreign(p, &foreign);

    if (r >= 0 && !foreign)
        r = entry_read(s->j, p->b->arena, p->max, &f, &s->bloated);
    /* Fields of a file that is being deleted are missing without an error. */
    if (entry_wiped(s->j))
        return FATE_GONE;
    if (r < 0)
        return tell_unreadable(p, at, r) < 0 ? -ENOMEM : FATE_OURS;
    if (foreign)
        return FATE_FOREIGN;
    if (is_drop_notice(&f) && drop_concerns_us(p, &f))
        return tell_dropped(p, &f, at) < 0 ? -ENOMEM : FATE_OURS;
    unit = f.unit.n ? arena_str(p->b->arena, f.unit) : "";
    if (!unit)
        return -ENOMEM;
    return unit_wanted(s, unit) ? take_wanted(p, &f, cursor, at) : FATE_FOREIGN;
}

static void consume(struct journal *s, char *cursor, const struct place *at, bool ours)
{
    free(s->cursor);
    s->cursor = cursor;
    s->place = *at;
    sequence_reach(s, at->id, at->seqnum);
    s->moved = true;
    s->dirty = s->dirty || ours;
}

/* 1 = go on, 0 = the block is complete, <0 = failed. */
static int take_entry(struct pass *p)
{
    struct journal *s = p->s;
    struct hole hole;
    struct place at, begin;
    AUTO_FREE char *cursor = NULL;
    int r = place_here(s->j, &cursor, &at);

    s->standing = false;
    if (r >= 0)
        memcpy(s->boot, at.boot, sizeof s->boot);
    if (r < 0 || journal_consumed(s, &at))
        return r == -ENOMEM ? r : 1;
    if (journal_copied(s, &at)) {
        sequence_reach(s, at.id, at.seqnum);
        return 1;
    }
    r = journal_hole(p, &at, &hole);
    if (r <= 0)
        return r < 0 ? r : 1;
    begin = at;
    r = judge(p, &cursor, &at);
    if (r < 0 || r == FATE_GONE)
        return r < 0 ? r : 1;
    if (r == FATE_LATER) {
        s->standing = s->standing || !p->hold;
        return 0;
    }
    if (journal_tell_hole(p, &hole, &begin) < 0)
        return -ENOMEM;
    consume(s, TAKE(cursor), &at, r == FATE_OURS || hole.any || hole.ended);
    return 1;
}

/* ---- one block ---- */

static bool has_room(const struct pass *p)
{
    return p->b->nrecords < JOURNAL_RECORDS_MAX && p->bytes < JOURNAL_BYTES_MAX;
}

static int run_pass(struct pass *p)
{
    struct journal *s = p->s;
    int r = 1;

    for (unsigned n = 1; r > 0 && has_room(p) && n < STEPS_MAX; n++) {
        if (n % JOURNAL_PROCESS_EVERY == 0)
            journal_process(s);
        r = journal_step(p->in);
        s->ended = r == 0;
        if (r == 0)
            r = journal_strays(p);
        else if (r > 0)
            r = take_entry(p);
        s->ended = s->ended && r == 0;
    }
    if (s->ended)
        s->again = false;
    return r;
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

static int tell_doubled(struct pass *p)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    if (p->doubled == 0)
        return 0;
    json_member_str(&w, "field", "MESSAGE");
    json_member_u64(&w, "entries", p->doubled);
    json_member_u64(&w, "position", p->doubled_at);
    return buf_ok(&members) ? block_notice(p->b, "source.doubled", buf_view(&members)) : -ENOMEM;
}

static int finish(struct pass *p, struct err *err)
{
    struct journal *s = p->s;
    struct block *b = p->b;
    uint64_t now = clock_mono(p->in->clock);

    mark_cut(p);
    b->received_us = clock_now(p->in->clock);
    b->backfill = b->nrecords && b->records[0].time_us < s->start_us && p->in->first_start;
    if (b->name.n == 0)
        b->name = slice_str(p->in->name);
    if (journal_tell_start(s, b) < 0 || tell_doubled(p) < 0)
        return err_nomem(err);
    if (p->in->once) {
        b->end = s->ended;
        return 1;
    }
    /* Progress among the entries of others is worth a commit when there was much of it. */
    if (s->moved && (now >= s->save_us || !(s->ended || p->hold)))
        s->dirty = true;
    if (s->dirty) {
        s->save_us = now + SAVE_US;
        if (cursor_save(s, b) < 0)
            return err_nomem(err);
    }
    return b->nrecords || b->nnotices || b->ncursors;
}

static void tell_lag(struct input *in, const struct pass *p)
{
    const struct journal *s = p->s;
    bool poll = s->held_us || s->strays_due || in->fd < 0 || sd_journal_reliable_fd(s->j) <= 0;

    in->lag.since_us = s->ended ? 0 : s->place.realtime_us;
    in->wake_us = clock_mono(in->clock) + (poll ? POLL_US : IDLE_US);
}

static int journald_read(struct input *in, struct block *b, struct err *err)
{
    struct journal *s = in->private;
    const struct journald_options *o = in->state;
    struct pass p = { .in = in, .s = s, .b = b, .max = o->max_line };
    int r;

    if (in->once && s->ended)
        return 0;
    if (s->bloated && (r = journal_reopen(in)) < 0)
        return err_set(err, r, "cannot open the journal again: %s", err_name(r));
    if (!s->standing)
        journal_process(s);
    r = run_pass(&p);
    if (r < 0)
        return err_set(err, r, "cannot read the journal: %s", err_name(r));
    r = finish(&p, err);
    tell_lag(in, &p);
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
