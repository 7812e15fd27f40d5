#include <fcntl.h>
#include <sys/file.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"
#include "logwatch/commands/status-forward.h"
#include "logwatch/core-windows.h"
#include "store/store.h"

struct showing {
    struct cli *cli;
    struct text_table *table;
    struct json_writer w;
    size_t n;
};

/* Someone holds the lock: the daemon runs. */
static bool daemon_runs(const char *db)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_FD fd = -1;

    buf_printf(&path, "%s.lock", db);
    fd = buf_ok(&path) ? open(path.p, O_RDONLY | O_CLOEXEC) : -1;
    if (fd < 0)
        return false;
    if (flock(fd, LOCK_SH | LOCK_NB) < 0)
        return true;
    flock(fd, LOCK_UN);
    return false;
}

static int open_view(struct cli *cli, struct config **ret_config, struct buf *path,
                     struct store **ret_store, int *ret_exit)
{
    AUTO(diag) d = diag_new();
    struct err err = ERR_NONE;

    *ret_exit = d ? cli_config(cli, false, d, ret_config) : EXIT_FAILED;
    if (*ret_exit)
        return -1;
    buf_printf(path, "%s/trailwarden.db", (*ret_config)->state);
    if (access(path->p, F_OK) < 0) {
        fprintf(stderr, "trailwarden: nothing was ever recorded in '%s'\n", (*ret_config)->state);
        *ret_exit = EXIT_NO_DAEMON;
        return -1;
    }
    if (store_view(path->p, ret_store, &err) < 0) {
        *ret_exit = cli_error(&err);
        return -1;
    }
    return 0;
}

static void when(uint64_t us, char out[TIME_TEXT_SIZE])
{
    if (us == 0) {
        out[0] = '-';
        out[1] = '\0';
        return;
    }
    time_text(us, out);
    out[19] = 'Z';
    out[20] = '\0';
}

static void age(uint64_t since_us, char out[24])
{
    const struct clock real = CLOCK_REAL;
    uint64_t now = clock_now(&real), s = now > since_us ? (now - since_us) / USEC_PER_SEC : 0;

    if (since_us == 0)
        snprintf(out, 24, "-");
    else if (s < 120)
        snprintf(out, 24, "%llus", (unsigned long long)s);
    else if (s < 7200)
        snprintf(out, 24, "%llum", (unsigned long long)(s / 60));
    else
        snprintf(out, 24, "%lluh", (unsigned long long)(s / 3600));
}

static void troubles_text(unsigned trouble, struct buf *out)
{
    for (unsigned bit = 1; bit < 1u << TROUBLES; bit <<= 1)
        if (trouble & bit)
            buf_printf(out, "%s%s", out->n ? ", " : "", trouble_name(bit));
    if (!out->n)
        buf_str(out, "good");
}

static void input_json(const struct input_health *h, struct json_writer *w)
{
    json_object(w);
    json_member_slice(w, "input", h->input);
    json_member_slice(w, "channel", h->channel);
    json_member_u64(w, "lag_bytes", h->lag_bytes);
    json_member_time(w, "lag_since", h->lag_since_us);
    json_member_time(w, "last_event", h->last_event_us);
    json_member_u64(w, "streams", h->streams);
    json_key(w, "trouble");
    json_array(w);
    for (unsigned bit = 1; bit < 1u << TROUBLES; bit <<= 1)
        if (h->trouble & bit)
            json_put_str(w, trouble_name(bit));
    json_array_end(w);
    json_object_end(w);
}

static int show_input(void *ctx, const struct input_health *h)
{
    struct showing *s = ctx;
    AUTO_BUF text = BUF_INIT;
    char lag[24], last[24];

    if (cli_has(s->cli, CLI_JSON)) {
        input_json(h, &s->w);
        return 0;
    }
    age(h->lag_since_us, lag);
    age(h->last_event_us, last);
    troubles_text(h->trouble, &text);
    text_table_cellf(s->table, "%llu", (unsigned long long)h->lag_bytes);
    text_table_cell(s->table, slice_str(lag));
    text_table_cell(s->table, slice_str(last));
    text_table_cell(s->table, buf_view(&text));
    text_table_cell(s->table, h->input);
    return 0;
}

static unsigned unparsed_share(const struct channel_row *row)
{
    return row->parsed ? (unsigned)(row->unparsed * 100 / row->parsed) : 0;
}

static int show_channel(void *ctx, const struct channel_row *row)
{
    struct showing *s = ctx;
    char time[TIME_TEXT_SIZE];

    if (cli_has(s->cli, CLI_JSON)) {
        json_object(&s->w);
        json_member_slice(&s->w, "channel", row->channel);
        json_member_u64(&s->w, "lines", row->lines);
        json_member_u64(&s->w, "bytes", row->bytes);
        json_member_u64(&s->w, "parsed", row->parsed);
        json_member_u64(&s->w, "unparsed", row->unparsed);
        json_member_u64(&s->w, "matches", row->matches);
        json_member_time(&s->w, "last_event", row->last_event_us);
        json_object_end(&s->w);
        return 0;
    }
    when(row->last_event_us, time);
    text_table_cell(s->table, row->channel);
    text_table_cellf(s->table, "%llu", (unsigned long long)row->lines);
    text_table_cellf(s->table, "%llu (%u%%)", (unsigned long long)row->unparsed,
                     unparsed_share(row));
    text_table_cellf(s->table, "%llu", (unsigned long long)row->matches);
    text_table_cell(s->table, slice_str(time));
    return 0;
}

/* What the guard found; empty: it was not there yet. */
static const struct json *guard_of(struct arena *a, const struct config *c)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF text = BUF_INIT;

    buf_printf(&path, "%s/guard.json", c->state);
    if (!a || !buf_ok(&path) || file_read(-1, path.p, 4096, &text, NULL) < 0)
        return NULL;
    return json_load(a, buf_view(&text), NULL);
}

static void guard_json(struct showing *s, const struct config *c)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    const struct json *doc = guard_of(a, c);

    if (!doc)
        return;
    json_key(&s->w, "verified");
    json_object(&s->w);
    json_member_slice(&s->w, "time", json_text(doc, "time"));
    json_member_bool(&s->w, "good", json_bool(doc, "good", false));
    json_member_u64(&s->w, "size", json_u64(doc, "size", 0));
    json_member_slice(&s->w, "code", json_text(doc, "code"));
    json_object_end(&s->w);
}

static void guard_text(struct showing *s, const struct config *c)
{
    AUTO(arena) a = arena_new(4096, 1 << 20);
    const struct json *doc = guard_of(a, c);
    AUTO_BUF why = BUF_INIT;

    if (!doc)
        return;
    buf_printable(&why, json_text(doc, "text"));
    fprintf(s->cli->out, "verified %.*s: %s %.*s%s%.*s\n", SLICE_FMT(json_text(doc, "time")),
            json_bool(doc, "good", false) ? "good" : "NOT GOOD", SLICE_FMT(json_text(doc, "code")),
            why.n ? ": " : "", SLICE_FMT(buf_view(&why)));
}

static void totals_json(struct showing *s, const struct store_totals *t, const struct config *c,
                        bool runs)
{
    json_member_bool(&s->w, "running", runs);
    json_member_str(&s->w, "state", c->state);
    json_member_str(&s->w, "trail", c->trail);
    json_member_u64(&s->w, "alerts", t->alerts);
    json_member_u64(&s->w, "signals", t->signals);
    json_member_u64(&s->w, "trail_entries", t->trail_entries);
    json_member_u64(&s->w, "commits", t->batches);
    json_member_time(&s->w, "last_commit", t->last_commit_us);
    json_member_u64(&s->w, "outbox_waiting", t->outbox_waiting);
    json_member_u64(&s->w, "outbox_sent", t->outbox_sent);
    json_member_u64(&s->w, "outbox_dead", t->outbox_dead);
    json_member_u64(&s->w, "bans_active", t->bans.active);
    json_member_u64(&s->w, "bans_owed", t->bans.owed);
    json_member_u64(&s->w, "bans_dry_run", t->bans.dry_run);
    json_member_u64(&s->w, "database_bytes", t->bytes);
}

static void totals_text(struct showing *s, const struct store_totals *t, const struct config *c,
                        bool runs)
{
    char time[TIME_TEXT_SIZE];

    when(t->last_commit_us, time);
    fprintf(s->cli->out, "daemon   %s, last commit %s\n", runs ? "running" : "not running", time);
    fprintf(s->cli->out, "alerts   %llu\n", (unsigned long long)t->alerts);
    fprintf(s->cli->out, "trail    %llu entries in %s\n", (unsigned long long)t->trail_entries,
            c->trail);
    fprintf(s->cli->out, "outbox   %llu waiting, %llu sent, %llu given up\n",
            (unsigned long long)t->outbox_waiting, (unsigned long long)t->outbox_sent,
            (unsigned long long)t->outbox_dead);
    if (c->bans.blocker || t->bans.active)
        fprintf(s->cli->out,
                "bans     %llu hold, %llu of them dry runs, %llu wait for the firewall\n",
                (unsigned long long)t->bans.active, (unsigned long long)t->bans.dry_run,
                (unsigned long long)t->bans.owed);
}

/* Since the daemon started; nothing was saved by a version that did not count. */
static void windows_json(struct showing *s, struct store *store)
{
    struct correlator_stats n;

    if (!core_windows_load(store, &n))
        return;
    json_key(&s->w, "windows");
    json_object(&s->w);
    json_member_u64(&s->w, "groups", n.groups);
    json_member_u64(&s->w, "evicted", n.evicted);
    json_member_u64(&s->w, "dropped", n.dropped);
    json_member_u64(&s->w, "late", n.late);
    json_member_u64(&s->w, "no_group", n.no_group);
    json_object_end(&s->w);
}

static void windows_text(struct showing *s, struct store *store)
{
    struct correlator_stats n;

    if (core_windows_load(store, &n))
        fprintf(s->cli->out,
                "windows  %llu groups, %llu forgotten by the limit, %llu events dropped, %llu too"
                " late, %llu of no group\n",
                (unsigned long long)n.groups, (unsigned long long)n.evicted,
                (unsigned long long)n.dropped, (unsigned long long)n.late,
                (unsigned long long)n.no_group);
}

static int status_text(struct showing *s, struct store *store, struct err *err)
{
    static const char *const headings[] = { "LAG BYTES", "LAG",   "LAST EVENT",
                                            "HEALTH",    "INPUT", NULL };
    AUTO(text_table) inputs = text_table_new(headings);
    struct text_table *channels = s->table;
    int r = store_channels_each(store, show_channel, s, err);

    if (r < 0)
        return r;
    text_table_print(channels, s->cli->out);
    s->table = inputs;
    r = store_inputs_each(store, show_input, s, err);
    s->table = channels;
    if (r < 0)
        return r;
    fputc('\n', s->cli->out);
    text_table_print(inputs, s->cli->out);
    return 0;
}

static int status_json(struct showing *s, struct store *store, struct err *err)
{
    json_key(&s->w, "channels");
    json_array(&s->w);
    if (store_channels_each(store, show_channel, s, err) < 0)
        return err_code(err);
    json_array_end(&s->w);
    json_key(&s->w, "inputs");
    json_array(&s->w);
    if (store_inputs_each(store, show_input, s, err) < 0)
        return err_code(err);
    json_array_end(&s->w);
    return 0;
}

int command_status(struct cli *cli)
{
    static const char *const headings[] = { "CHANNEL", "LINES",      "UNPARSED",
                                            "MATCHES", "LAST EVENT", NULL };
    AUTO(config) c = NULL;
    AUTO(store) store = NULL;
    AUTO(text_table) table = text_table_new(headings);
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    struct showing s = { .cli = cli, .table = table, .w = json_writer(&out) };
    struct store_totals t;
    struct err err = ERR_NONE;
    int r;

    if (open_view(cli, &c, &path, &store, &r) < 0)
        return r;
    if (store_totals(store, &t, &err) < 0)
        return cli_error(&err);
    if (!cli_has(cli, CLI_JSON)) {
        totals_text(&s, &t, c, daemon_runs(path.p));
        guard_text(&s, c);
        windows_text(&s, store);
        if (status_forward_text(cli, c, store, t.trail_entries, &err) < 0)
            return cli_error(&err);
        fputc('\n', cli->out);
        return status_text(&s, store, &err) < 0 ? cli_error(&err) : EXIT_DONE;
    }
    json_object(&s.w);
    totals_json(&s, &t, c, daemon_runs(path.p));
    guard_json(&s, c);
    windows_json(&s, store);
    if (status_forward_json(&s.w, c, store, t.trail_entries, &err) < 0)
        return cli_error(&err);
    if (status_json(&s, store, &err) < 0)
        return cli_error(&err);
    json_object_end(&s.w);
    fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&out)));
    return EXIT_DONE;
}
