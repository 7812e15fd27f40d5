/* state show, state export, state set-cursor: what was committed, and changing it by hand. */
#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"
#include "logwatch/core.h"
#include "schemas/event-pack.h"
#include "store/store.h"

struct looking {
    struct cli *cli;
    struct config *config;
    struct store *store;
    struct buf path; /* of the database */
    struct arena *arena;
    struct text_table *table;
    struct json_writer w;
    uint64_t now_us;
};

static void looking_fini(struct looking *l)
{
    store_free(l->store);
    config_free(l->config);
    arena_free(l->arena);
    text_table_free(l->table);
    buf_fini(&l->path);
}

/* Configuration and a view that stays at one commit. An exit code. */
static int look(struct looking *l)
{
    const struct clock real = CLOCK_REAL;
    AUTO(diag) d = diag_new();
    struct err err = ERR_NONE;
    int r = d ? cli_config(l->cli, false, d, &l->config) : EXIT_FAILED;

    if (r)
        return r;
    l->now_us = clock_now(&real);
    l->arena = arena_new(16384, 64 << 20);
    buf_printf(&l->path, "%s/trailwarden.db", l->config->state);
    if (!l->arena || !buf_ok(&l->path))
        return EXIT_FAILED;
    if (access(l->path.p, F_OK) < 0 && errno == ENOENT) {
        fprintf(stderr, "trailwarden: nothing was ever recorded in '%s'\n", l->config->state);
        return EXIT_NO_DAEMON;
    }
    if (store_view(l->path.p, &l->store, &err) < 0 || store_hold(l->store, &err) < 0)
        return cli_error(&err);
    return EXIT_DONE;
}

static void print(struct cli *cli, struct buf *b)
{
    fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(b)));
    buf_reset(b);
}

/* ---- show ---- */

/* What inputs call it: a byte of a file, an entry of the journal. */
static struct slice position_of(const struct json *value, char number[24])
{
    struct slice cursor = json_text(value, "cursor");

    if (cursor.n)
        return cursor;
    if (!json_get(value, "offset"))
        return SLICE("");
    (void)snprintf(number, 24, "%llu", (unsigned long long)json_u64(value, "offset", 0));
    return slice_str(number);
}

static int show_cursor(void *ctx, const struct cursor_row *row)
{
    struct looking *l = ctx;
    const struct json *value;
    char number[24];
    struct slice position;
    uint64_t age_us = l->now_us > row->committed_us ? l->now_us - row->committed_us : 0;

    arena_reset(l->arena);
    value = json_load(l->arena, row->cursor.value, NULL);
    position = position_of(value, number);
    if (cli_has(l->cli, CLI_JSON)) {
        json_object(&l->w);
        json_member_slice(&l->w, "input", row->input);
        json_member_slice(&l->w, "stream", row->cursor.stream);
        json_member_slice(&l->w, "path", json_text(value, "path"));
        json_member_slice(&l->w, "position", position);
        json_member_time(&l->w, "committed", row->committed_us);
        json_member_u64(&l->w, "age_s", age_us / USEC_PER_SEC);
        json_object_end(&l->w);
        return 0;
    }
    text_table_cell(l->table, row->input);
    text_table_cell(l->table, row->cursor.stream);
    text_table_cellf(l->table, "%llu s", (unsigned long long)(age_us / USEC_PER_SEC));
    text_table_cell(l->table, position);
    return 0;
}

struct facts {
    struct store_totals totals;
    struct signals_span signals;
    struct trail_end end;
    uint64_t reserve;
    long holder;
};

static int gather(struct looking *l, struct facts *f, struct err *err)
{
    int r = store_totals(l->store, &f->totals, err);

    if (r == 0)
        r = store_signals_span(l->store, &f->signals, err);
    (void)store_trail_end(l->store, &f->end);
    f->reserve = store_reserve_size(l->path.p);
    f->holder = store_holder(l->path.p);
    return r;
}

static int show_json(struct looking *l, const struct facts *f, struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    int r;

    l->w = json_writer(&b);
    json_object(&l->w);
    json_member_str(&l->w, "state", l->config->state);
    json_member_u64(&l->w, "schema_version", store_version());
    json_member_u64(&l->w, "batches", f->totals.batches);
    json_member_time(&l->w, "last_commit", f->totals.last_commit_us);
    json_key(&l->w, "trail_end");
    json_object(&l->w);
    json_member_u64(&l->w, "entries", f->end.count);
    json_member_u64(&l->w, "segment", f->end.segment);
    json_member_u64(&l->w, "bytes", f->end.bytes);
    json_object_end(&l->w);
    json_key(&l->w, "signals");
    json_object(&l->w);
    json_member_u64(&l->w, "count", f->signals.n);
    json_member_u64(&l->w, "batches", f->signals.batches);
    json_member_time(&l->w, "oldest", f->signals.oldest_us);
    json_member_time(&l->w, "newest", f->signals.newest_us);
    json_object_end(&l->w);
    json_member_u64(&l->w, "alerts", f->totals.alerts);
    json_member_u64(&l->w, "outbox_waiting", f->totals.outbox_waiting);
    json_member_u64(&l->w, "database_bytes", f->totals.bytes);
    json_member_u64(&l->w, "reserve_bytes", f->reserve);
    json_member_bool(&l->w, "locked", f->holder != 0);
    json_member_u64(&l->w, "holder", f->holder > 0 ? (uint64_t)f->holder : 0);
    json_key(&l->w, "cursors");
    json_array(&l->w);
    r = store_cursors_all(l->store, show_cursor, l, err);
    json_array_end(&l->w);
    json_object_end(&l->w);
    if (r == 0)
        print(l->cli, &b);
    return r;
}

static void show_time(const struct looking *l, const char *name, uint64_t us)
{
    char text[TIME_TEXT_SIZE] = "-";

    if (us)
        time_text(us, text);
    fprintf(l->cli->out, "%s%s", name, text);
}

static int show_text(struct looking *l, const struct facts *f, struct err *err)
{
    static const char *const headings[] = { "INPUT", "STREAM", "AGE", "POSITION", NULL };
    FILE *out = l->cli->out;
    int r;

    l->table = text_table_new(headings);
    if (!l->table)
        return err_nomem(err);
    fprintf(out, "state     %s, schema %u, %llu bytes\n", l->config->state, store_version(),
            (unsigned long long)f->totals.bytes);
    fprintf(out, "commits   %llu", (unsigned long long)f->totals.batches);
    show_time(l, ", the last at ", f->totals.last_commit_us);
    fprintf(out, "\ntrail     %llu entries, %llu bytes in the segment of entry %llu\n",
            (unsigned long long)f->end.count, (unsigned long long)f->end.bytes,
            (unsigned long long)f->end.segment);
    fprintf(out, "signals   %llu", (unsigned long long)f->signals.n);
    show_time(l, ", event times up to ", f->signals.newest_us);
    fprintf(out, "\nreserve   %llu bytes%s\n", (unsigned long long)f->reserve,
            f->reserve ? "" : ": none, the disk has or had no room for it");
    if (f->holder > 0)
        fprintf(out, "lock      held by process %ld\n\n", f->holder);
    else
        fprintf(out, "lock      %s\n\n", f->holder ? "held" : "free: no daemon runs");
    r = store_cursors_all(l->store, show_cursor, l, err);
    if (r == 0)
        text_table_print(l->table, out);
    return r;
}

int command_state_show(struct cli *cli)
{
    struct looking l = { .cli = cli, .path = BUF_INIT };
    struct facts f = { .end = { 0 } };
    struct err err = ERR_NONE;
    int r = look(&l);

    if (r == EXIT_DONE && gather(&l, &f, &err) < 0)
        r = cli_error(&err);
    if (r == EXIT_DONE)
        r = (cli_has(cli, CLI_JSON) ? show_json(&l, &f, &err) : show_text(&l, &f, &err)) < 0
                ? cli_error(&err)
                : EXIT_DONE;
    looking_fini(&l);
    return r;
}

/* ---- export ---- */

struct exporting {
    struct looking look;
    struct buf line;
};

static void begin(struct exporting *x, const char *kind)
{
    x->look.w = json_writer(&x->line);
    json_object(&x->look.w);
    json_member_str(&x->look.w, "kind", kind);
}

static int end(struct exporting *x)
{
    json_object_end(&x->look.w);
    if (!buf_ok(&x->line))
        return -ENOMEM;
    print(x->look.cli, &x->line);
    return 0;
}

/* Our own JSON as it was stored; anything else as a string. */
static void member_document(struct exporting *x, const char *key, struct slice document)
{
    arena_reset(x->look.arena);
    json_key(&x->look.w, key);
    if (json_load(x->look.arena, document, NULL))
        json_put_raw(&x->look.w, document);
    else
        json_put_slice(&x->look.w, document);
}

static int export_cursor(void *ctx, const struct cursor_row *row)
{
    struct exporting *x = ctx;

    begin(x, "cursor");
    json_member_slice(&x->look.w, "input", row->input);
    json_member_slice(&x->look.w, "stream", row->cursor.stream);
    json_member_slice(&x->look.w, "value", row->cursor.value);
    json_member_time(&x->look.w, "committed", row->committed_us);
    return end(x);
}

static int export_signal(void *ctx, const struct signal *s)
{
    struct exporting *x = ctx;
    AUTO_BUF text = BUF_INIT;

    begin(x, "signal");
    buf_hex(&text, s->rule, sizeof s->rule);
    json_member_buf(&x->look.w, "rule", &text);
    json_member_u64(&x->look.w, "part", s->part);
    json_member_time(&x->look.w, "time", s->time_us);
    json_member_slice(&x->look.w, "group", s->group);
    json_member_slice(&x->look.w, "value", s->value);
    buf_reset(&text);
    buf_source_key(&text, &s->key);
    json_member_buf(&x->look.w, "key", &text);
    buf_reset(&text);
    event_pack_json(s->evidence, &text);
    member_document(x, "evidence", buf_view(&text));
    return buf_ok(&text) ? end(x) : -ENOMEM;
}

static int export_alert(void *ctx, const struct alert_row *row)
{
    struct exporting *x = ctx;

    begin(x, "alert");
    json_member_u64(&x->look.w, "number", row->n);
    member_document(x, "document", row->document);
    return end(x);
}

static int export_row(void *ctx, const struct outbox_row *row)
{
    struct exporting *x = ctx;

    begin(x, "outbox");
    json_member_u64(&x->look.w, "row", row->id);
    json_member_slice(&x->look.w, "key", row->key);
    json_member_slice(&x->look.w, "receiver", row->receiver);
    json_member_slice(&x->look.w, "message", row->kind);
    json_member_str(&x->look.w, "state", delivery_state_name(row->state));
    json_member_u64(&x->look.w, "attempts", row->attempts);
    json_member_time(&x->look.w, "created", row->created_us);
    json_member_slice(&x->look.w, "status", row->status);
    member_document(x, "document", row->document);
    return end(x);
}

static int export_head(struct exporting *x)
{
    struct trail_end trail = { 0 };

    (void)store_trail_end(x->look.store, &trail);
    begin(x, "state");
    json_member_u64(&x->look.w, "schema_version", store_version());
    json_member_u64(&x->look.w, "batches", store_batches(x->look.store));
    json_member_u64(&x->look.w, "trail_entries", trail.count);
    return end(x);
}

static int export_all(struct exporting *x, struct err *err)
{
    const struct alert_filter all = { .level_min = -1, .limit = INT64_MAX };
    struct store *s = x->look.store;
    int r = export_head(x);

    if (r == 0)
        r = store_cursors_all(s, export_cursor, x, err);
    if (r == 0)
        r = store_signals_each(s, export_signal, x, err);
    if (r == 0)
        r = store_alerts_each(s, &all, export_alert, x, err);
    if (r == 0)
        r = store_outbox_each(s, -1, INT64_MAX, export_row, x, err);
    return r == -ENOMEM ? err_nomem(err) : r;
}

int command_state_export(struct cli *cli)
{
    struct exporting x = { .look = { .cli = cli, .path = BUF_INIT }, .line = BUF_INIT };
    struct err err = ERR_NONE;
    int r = look(&x.look);

    if (r == EXIT_DONE && export_all(&x, &err) < 0)
        r = cli_error(&err);
    buf_fini(&x.line);
    looking_fini(&x.look);
    return r;
}

/* ---- set-cursor ---- */

struct setting {
    struct slice input, stream, value;
    struct arena *arena;
    struct slice old; /* p NULL = the stream is not known */
    bool known_input;
};

static int find_old(void *ctx, const struct cursor_row *row)
{
    struct setting *s = ctx;

    if (!slice_eq(row->input, s->input))
        return 0;
    s->known_input = true;
    if (!slice_eq(row->cursor.stream, s->stream))
        return 0;
    s->old = arena_slice(s->arena, row->cursor.value);
    return s->old.p ? 1 : -ENOMEM;
}

static bool configured(const struct config *c, struct slice input)
{
    for (size_t i = 0; i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++)
            if (slice_is(input, c->channels[i].inputs[j].name))
                return true;
    return false;
}

static int note_change(struct core *core, const struct setting *s, struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_member_slice(&w, "input", s->input);
    json_member_slice(&w, "stream", s->stream);
    json_member_slice(&w, "old", s->old);
    json_member_slice(&w, "new", s->value);
    buf_char(&b, ',');
    cli_who(&b);
    return buf_ok(&b) ? core_note(core, "state.cursor", buf_view(&b), err) : err_nomem(err);
}

static int change(const struct config *c, struct setting *s, struct err *err)
{
    const struct clock real = CLOCK_REAL;
    AUTO(core) core = NULL;

    if (cli_check_owner(c, err) < 0 || core_attach(c, &real, &core, err) < 0)
        return err_code(err);
    if (store_cursors_all(core_store(core), find_old, s, err) < 0)
        return err_code(err);
    if (!s->known_input && !configured(c, s->input))
        return err_set(err, -ENOENT, "no input '%.*s': see `trailwarden state show`",
                       SLICE_FMT(s->input));
    if (!s->old.p && s->value.n == 0)
        return err_set(err, -ENOENT,
                       "input '%.*s' has no stream '%.*s': see `trailwarden state"
                       " show --json`",
                       SLICE_FMT(s->input), SLICE_FMT(s->stream));
    if (core_cursor(core, s->input, (struct cursor){ s->stream, s->value }, err) < 0 ||
        note_change(core, s, err) < 0 || core_commit(core, err) < 0)
        return err_code(err);
    return core_checkpoint(core, true, err);
}

static int usage(const char *text)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden state set-cursor --help`\n", text);
    return EXIT_USAGE;
}

int command_state_set_cursor(struct cli *cli)
{
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    AUTO(arena) a = arena_new(4096, 1 << 20);
    bool forget = cli_has(cli, CLI_FORGET);
    struct setting s = { .arena = a };
    struct err err = ERR_NONE;
    const struct json *value;
    int r;

    if (!d || !a)
        return EXIT_FAILED;
    if (cli->nargs != (forget ? 2 : 3))
        return usage("an input, a stream and a value (or --forget) are wanted");
    s.input = slice_str(cli->args[0]);
    s.stream = slice_str(cli->args[1]);
    s.value = forget ? SLICE("") : slice_str(cli->args[2]);
    value = forget ? NULL : json_load(a, s.value, NULL);
    if (!forget && (!value || value->type != JSON_OBJECT))
        return usage("a value is a JSON object, as `trailwarden state export` shows it");
    r = cli_config(cli, false, d, &c);
    if (r)
        return r;
    umask(0027);
    return change(c, &s, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}
