/* `alerts show`: everything of one alert, or of an incident and its newest alert. */
#include "logwatch/commands/act.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/message-text.h"

#define NAMED_MAX 5 /* of those that an id could mean */
#define ROWS_MAX 100
#define LINE_SHOWN 2000

struct showing {
    struct desk *desk;
    struct alert_row alerts[NAMED_MAX];
    struct incident incidents[NAMED_MAX];
    size_t nalerts, nincidents;
    const struct alert_row *alert; /* NULL: it is not stored any more */
    const struct incident *incident; /* NULL: none is known */
    bool of_incident; /* that was asked for */
    const struct json *doc; /* of the alert */
    struct outbox_row *rows; /* without documents */
    size_t nrows, more_rows;
    struct err err;
};

/* ---- finding ---- */

static struct slice keep(struct showing *s, struct slice text)
{
    struct slice copy = arena_slice(s->desk->arena, text);

    return copy.p ? copy : SLICE("");
}

static int take_alert(void *ctx, const struct alert_row *row)
{
    struct showing *s = ctx;
    struct alert_row *a = &s->alerts[s->nalerts];

    if (s->nalerts == NAMED_MAX)
        return 1;
    *a = *row;
    a->id = keep(s, row->id);
    a->rule = keep(s, row->rule);
    a->title = keep(s, row->title);
    a->channel = keep(s, row->channel);
    a->group = keep(s, row->group);
    a->document = keep(s, row->document);
    a->incident = keep(s, row->incident);
    s->nalerts++;
    return 0;
}

static int take_incident(void *ctx, const struct incident *i)
{
    struct showing *s = ctx;
    struct incident *c = &s->incidents[s->nincidents];

    if (s->nincidents == NAMED_MAX)
        return 1;
    *c = *i;
    c->key = keep(s, i->key);
    c->rule = keep(s, i->rule);
    c->title = keep(s, i->title);
    c->channel = keep(s, i->channel);
    c->group = keep(s, i->group);
    c->last_alert = keep(s, i->last_alert);
    c->by = keep(s, i->by);
    c->comment = keep(s, i->comment);
    s->nincidents++;
    return 0;
}

static int find_alerts(struct showing *s, struct slice id, struct slice incident, size_t limit)
{
    const struct alert_filter f = {
        .id = id, .incident = incident, .level_min = -1, .limit = limit
    };
    int r = store_alerts_each(s->desk->store, &f, take_alert, s, &s->err);

    return r < 0 ? r : 0;
}

static int find_incidents(struct showing *s, struct slice key, size_t limit)
{
    const struct incident_filter f = { .key = key, .level_min = -1, .limit = limit };
    int r = store_incidents_each(s->desk->store, &f, take_incident, s, &s->err);

    return r < 0 ? r : 0;
}

static void name_one(struct slice id, const char *what, struct slice title)
{
    AUTO_BUF clean = BUF_INIT;

    buf_printable(&clean, title);
    fprintf(stderr, "  %.*s  %s %.*s\n", SLICE_FMT(id), what, SLICE_FMT(buf_view(&clean)));
}

static int tell_several(const struct showing *s, const char *id)
{
    fprintf(stderr, "trailwarden: '%s' can mean several; write more of one:\n", id);
    for (size_t i = 0; i < s->nalerts; i++)
        name_one(s->alerts[i].id, "alert   ", s->alerts[i].title);
    for (size_t i = 0; i < s->nincidents; i++)
        name_one(s->incidents[i].key, "incident", s->incidents[i].title);
    return EXIT_FAILED;
}

/* What the id names; then what belongs to it. */
static int find(struct showing *s, const char *id)
{
    if (find_alerts(s, slice_str(id), SLICE(""), NAMED_MAX) < 0 ||
        find_incidents(s, slice_str(id), NAMED_MAX) < 0)
        return cli_error(&s->err);
    if (s->nalerts + s->nincidents == 0) {
        fprintf(stderr, "trailwarden: no alert or incident begins with '%s'\n", id);
        return EXIT_FAILED;
    }
    if (s->nalerts + s->nincidents > 1)
        return tell_several(s, id);
    s->of_incident = s->nincidents == 1;
    if (s->of_incident ? find_alerts(s, SLICE(""), s->incidents[0].key, 1) < 0
                       : s->alerts[0].incident.n && find_incidents(s, s->alerts[0].incident, 1) < 0)
        return cli_error(&s->err);
    s->alert = s->nalerts ? &s->alerts[0] : NULL;
    s->incident = s->nincidents ? &s->incidents[0] : NULL;
    s->doc = s->alert ? json_load(s->desk->arena, s->alert->document, NULL) : NULL;
    return EXIT_DONE;
}

/* ---- who was told ---- */

static bool has_row(const struct showing *s, uint64_t id)
{
    for (size_t i = 0; i < s->nrows; i++)
        if (s->rows[i].id == id)
            return true;
    return false;
}

/* Of the other alerts of the incident nothing is shown with one alert. */
static bool of_another(const struct showing *s, const struct outbox_row *row)
{
    return !s->of_incident && row->key.n == 32 && id_ok(row->key) &&
           !slice_eq(row->key, s->alert->id);
}

static int take_row(void *ctx, const struct outbox_row *row)
{
    struct showing *s = ctx;
    struct outbox_row *c;

    if (has_row(s, row->id) || of_another(s, row))
        return 0;
    if (s->nrows == ROWS_MAX) {
        s->more_rows++;
        return 0;
    }
    c = &s->rows[s->nrows++];
    *c = *row;
    c->document = SLICE("");
    c->key = keep(s, row->key);
    c->receiver = keep(s, row->receiver);
    c->kind = keep(s, row->kind);
    c->status = keep(s, row->status);
    c->remote = keep(s, row->remote);
    c->reason = keep(s, row->reason);
    c->incident = keep(s, row->incident);
    c->rule = keep(s, row->rule);
    c->title = keep(s, row->title);
    c->source = keep(s, row->source);
    c->user = keep(s, row->user);
    c->group = keep(s, row->group);
    return 0;
}

static int find_rows(struct showing *s)
{
    const struct outbox_filter mine = { .key = s->alert ? s->alert->id : SLICE(""),
                                        .limit = ROWS_MAX };
    const struct outbox_filter all = { .incident = s->incident ? s->incident->key : SLICE(""),
                                       .limit = 10 * ROWS_MAX };

    s->rows = arena_array(s->desk->arena, ROWS_MAX, sizeof *s->rows);
    if (!s->rows)
        return err_nomem(&s->err);
    if (mine.key.n && store_outbox_list(s->desk->store, &mine, take_row, s, &s->err) < 0)
        return -1;
    if (all.incident.n && store_outbox_list(s->desk->store, &all, take_row, s, &s->err) < 0)
        return -1;
    return 0;
}

static int see_summary(void *ctx, const struct outbox_row *row)
{
    char time[TIME_TEXT_SIZE];

    buf_printf(ctx, "in message %llu: %s %s", (unsigned long long)row->id,
               delivery_state_name(row->state), when_text(row->done_us, time));
    return 1;
}

/* What became of the message that tells it, too. */
static void buf_whole_fate(const struct showing *s, const struct outbox_row *row, struct buf *b)
{
    const struct outbox_filter f = { .id = row->bundle, .limit = 1 };

    if (row->state == DELIVERY_BUNDLED && row->bundle)
        (void)store_outbox_list(s->desk->store, &f, see_summary, b, NULL);
    if (b->n == 0)
        buf_fate(b, row, s->desk->now_us);
}

static void show_rows(const struct showing *s)
{
    static const char *const headings[] = { "N",     "WHEN",  "RECEIVER", "WHY",
                                            "STATE", "TRIES", "STATUS",   NULL };
    AUTO(text_table) t = text_table_new(headings);
    FILE *out = s->desk->cli->out;
    char time[TIME_TEXT_SIZE];

    if (!t)
        return;
    fputs(s->nrows ? "\nwho was told\n" : "\nnobody was told\n", out);
    for (size_t i = 0; i < s->nrows; i++) {
        const struct outbox_row *row = &s->rows[i];
        AUTO_BUF fate = BUF_INIT;

        buf_whole_fate(s, row, &fate);
        text_table_cellf(t, "%llu", (unsigned long long)row->id);
        text_table_cell(t,
                        slice_str(when_text(row->done_us ? row->done_us : row->created_us, time)));
        text_table_cell(t, row->receiver);
        text_table_cell(t, row->reason.n ? row->reason : row->kind);
        text_table_cell(t, slice_str(delivery_state_name(row->state)));
        text_table_cellf(t, "%u", row->attempts);
        text_table_cell(t, buf_view(&fate));
    }
    if (s->nrows)
        text_table_print(t, out);
    if (s->more_rows)
        fprintf(out, "%zu more: `trailwarden notify list --rule ID`\n", s->more_rows);
}

/* ---- the alert ---- */

/* The newest ban of that address, whichever alert ordered it. */
static int take_ban(void *ctx, const struct ban *ban)
{
    struct buf *b = ctx;
    char time[TIME_TEXT_SIZE];

    buf_printf(b, ": ban %llu, %s%s", (unsigned long long)ban->id, ban_state_name(ban->state),
               ban->dry_run ? " (dry run)" : "");
    if (ban->state == BAN_ACTIVE && ban->until_us)
        buf_printf(b, " until %s", when_text(ban->until_us, time));
    if (ban->state != BAN_ACTIVE)
        buf_printf(b, " %s", when_text(ban->ended_us, time));
    if (ban->status.n) {
        buf_str(b, ", ");
        buf_slice(b, ban->status);
    }
    return 1;
}

static void show_ban(struct showing *s)
{
    const struct json *ban = json_get(s->doc, "ban");
    struct ban_filter f = { .limit = 1 };
    AUTO_BUF b = BUF_INIT;
    size_t before;

    if (!ban)
        return;
    buf_slice(&b, json_text(ban, "address"));
    buf_str(&b, " for ");
    buf_duration(&b, json_u64(ban, "for_s", 0) * USEC_PER_SEC);
    before = b.n;
    if (ip_parse(json_text(ban, "address"), &f.inside) == 0)
        (void)store_bans_each(s->desk->store, &f, take_ban, &b, NULL);
    if (b.n == before)
        buf_printf(&b, ": wanted by the rule, not ordered; why: trailwarden trail grep %.*s",
                   SLICE_FMT(s->alert->id));
    print_fact(s->desk, "ban", buf_view(&b));
}

static void show_rule(const struct showing *s)
{
    const struct json *rule = json_get(s->doc, "rule");

    print_factf(s->desk, "rule", "%.*s (%.*s), level %s, channel %.*s", SLICE_FMT(s->alert->title),
                SLICE_FMT(s->alert->rule), level_name(s->alert->level),
                SLICE_FMT(s->alert->channel));
    print_fact(s->desk, "file", json_text(rule, "file"));
    print_fact(s->desk, "about", json_text(rule, "description"));
}

static void show_events(const struct showing *s)
{
    const struct json *events = json_get(s->doc, "events");
    FILE *out = s->desk->cli->out;

    if (events && events->child)
        fputs("\nlines, the newest last\n", out);
    for (const struct json *e = events ? events->child : NULL; e; e = e->next) {
        AUTO_BUF clean = BUF_INIT;
        bool cut = json_bool(e, "cut", false) || json_text(e, "raw").n > LINE_SHOWN;

        buf_printable(&clean, utf8_cut(json_text(e, "raw"), LINE_SHOWN));
        fprintf(out, "  %.*s%s\n", SLICE_FMT(buf_view(&clean)), cut ? "..." : "");
    }
}

static void show_alert(struct showing *s)
{
    struct desk *d = s->desk;
    char time[TIME_TEXT_SIZE];
    uint64_t first_us;

    print_fact(d, "alert", s->alert->id);
    show_rule(s);
    print_fact(d, "time", slice_str(when_text(s->alert->time_us, time)));
    if (json_u64(s->doc, "window_s", 0) &&
        time_parse_rfc3339(json_text(s->doc, "first"), &first_us) == 0)
        print_fact(d, "first", slice_str(when_text(first_us, time)));
    print_fact(d, "why", message_why(s->alert->document, d->arena));
    print_fact(d, "who", s->alert->group);
    show_ban(s);
}

static void show_incident(const struct showing *s)
{
    const struct incident *i = s->incident;
    struct desk *d = s->desk;
    char a[TIME_TEXT_SIZE], b[TIME_TEXT_SIZE];

    print_factf(d, "incident", "%.*s, %llu alert%s since %s, the newest %s", SLICE_FMT(i->key),
                (unsigned long long)i->alerts, i->alerts == 1 ? "" : "s",
                when_text(i->opened_us, a), when_text(i->last_us, b));
    print_factf(d, "state", "%s since %s%s%.*s", incident_state_name(i->state),
                when_text(i->changed_us, a), i->by.n ? " by " : "", SLICE_FMT(i->by));
    print_fact(d, "comment", i->comment);
    if (i->resolve_us && (i->state == INCIDENT_OPEN || i->state == INCIDENT_ACKED))
        print_factf(d, "ends", "%s unless more comes", when_text(i->resolve_us, a));
}

static void buf_prove(const struct showing *s, struct buf *b)
{
    if (s->alert)
        buf_printf(b, "trailwarden trail prove --type alert --grep %.*s", SLICE_FMT(s->alert->id));
}

static int show_text(struct showing *s)
{
    AUTO_BUF prove = BUF_INIT;

    if (s->alert)
        show_alert(s);
    if (s->incident)
        show_incident(s);
    if (s->alert)
        show_events(s);
    show_rows(s);
    buf_prove(s, &prove);
    fputc('\n', s->desk->cli->out);
    print_fact(s->desk, "proof", buf_view(&prove));
    if (s->incident)
        print_factf(s->desk, "history", "trailwarden trail show --type act --field rule=%.*s",
                    SLICE_FMT(s->incident->rule));
    return EXIT_DONE;
}

static int show_json(const struct showing *s)
{
    struct desk *d = s->desk;
    AUTO_BUF prove = BUF_INIT;

    json_object(&d->w);
    json_key(&d->w, "alert");
    if (s->doc)
        json_put_raw(&d->w, s->alert->document);
    else
        json_put_null(&d->w);
    json_key(&d->w, "incident");
    if (s->incident)
        incident_json(&d->w, s->incident);
    else
        json_put_null(&d->w);
    json_key(&d->w, "messages");
    json_array(&d->w);
    for (size_t i = 0; i < s->nrows; i++) {
        json_object(&d->w);
        outbox_members(&d->w, &s->rows[i]);
        json_object_end(&d->w);
    }
    json_array_end(&d->w);
    json_member_u64(&d->w, "messages_not_shown", s->more_rows);
    buf_prove(s, &prove);
    json_member_buf(&d->w, "prove", &prove);
    json_object_end(&d->w);
    return desk_print(d) < 0 ? EXIT_FAILED : EXIT_DONE;
}

int command_alerts_show(struct cli *cli)
{
    struct desk d;
    struct showing s = { .desk = &d, .err = ERR_NONE };
    int r;

    if (cli->nargs != 1 || !id_ok(slice_str(cli->args[0])))
        return act_usage(cli, "the id of an alert or incident is wanted: 4 to 32 hex digits");
    r = desk_open(&d, cli, true);
    if (r == EXIT_DONE)
        r = find(&s, cli->args[0]);
    if (r == EXIT_DONE && find_rows(&s) < 0)
        r = cli_error(&s.err);
    if (r == EXIT_DONE)
        r = cli_has(cli, CLI_JSON) ? show_json(&s) : show_text(&s);
    desk_fini(&d);
    return r;
}
