/* What people ask for (schemas/incident.h): checked, done in the open batch, and an entry. */
#include <errno.h>

#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/core-act-private.h"
#include "logwatch/core-entry.h"
#include "logwatch/sender.h"

#define TEXT_MAX 500 /* of a comment */
#define NAME_MAX_ 80
#define SILENCE_MAX_S (366u * 24 * 3600)
#define BUTTON_SILENCE_MAX_S (24u * 3600) /* who has only a button cannot silence for weeks */
#define ID_MIN 4

int act_refuse(struct act *a, const char *format, ...)
{
    va_list args;
    char text[300];

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    buf_reset(&a->text);
    buf_str(&a->text, text);
    a->refused = true;
    return 0;
}

/* ---- which alert, which incident ---- */

struct seeking {
    struct act *a;
    size_t n;
    struct slice id, incident, document;
};

static bool take(struct seeking *s, struct slice *to, struct slice from)
{
    *to = arena_slice(s->a->core->arena, from);
    return to->p != NULL;
}

static int on_alert(void *ctx, const struct alert_row *row)
{
    struct seeking *s = ctx;

    s->n++;
    return take(s, &s->id, row->id) && take(s, &s->incident, row->incident) &&
                   take(s, &s->document, row->document)
               ? 0
               : -ENOMEM;
}

static int on_incident(void *ctx, const struct incident *i)
{
    struct seeking *s = ctx;

    if (slice_eq(s->incident, i->key))
        return 0;
    s->n++;
    return take(s, &s->incident, i->key) && take(s, &s->id, i->last_alert) ? 0 : -ENOMEM;
}

static bool is_hex(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!((s.p[i] >= '0' && s.p[i] <= '9') || (s.p[i] >= 'a' && s.p[i] <= 'f')))
            return false;
    return true;
}

static int seek(struct act *a, struct slice id, struct seeking *s)
{
    struct store *store = a->core->store;
    struct alert_filter alerts = { .id = id, .level_min = -1, .limit = 2 };
    struct incident_filter incidents = { .key = id, .level_min = -1, .limit = 2 };
    int r = store_alerts_each(store, &alerts, on_alert, s, a->err);

    if (r == 0)
        r = store_incidents_each(store, &incidents, on_incident, s, a->err);
    return r == -ENOMEM ? err_nomem(a->err) : r;
}

/* The incident that `id` names; a->refused when it names none, or several. */
int act_find_incident(struct act *a)
{
    return act_find_alert(a, json_text(a->request, "id"));
}

int act_find_alert(struct act *a, struct slice id)
{
    struct seeking s = { .a = a, .incident = SLICE("") };
    struct alert_filter last = { .level_min = -1, .limit = 1 };
    int r;

    if (id.n < ID_MIN || id.n > 32 || !is_hex(id))
        return act_refuse(a, "an id has %d to 32 hex digits", ID_MIN);
    r = seek(a, id, &s);
    if (r < 0)
        return r;
    if (s.n == 0)
        return act_refuse(a, "no alert or incident begins with '%.*s'", SLICE_FMT(id));
    if (s.n > 1)
        return act_refuse(a, "several begin with '%.*s': give more digits", SLICE_FMT(id));
    if (!s.incident.n)
        return act_refuse(a, "that alert is of an older version: it has no incident");
    a->alert_id = s.document.p ? s.id : SLICE("");
    if (core_people_find(a->core->people, s.incident, &a->incident, a->err) < 0)
        return err_code(a->err);
    if (!a->incident)
        return act_refuse(a, "that incident was erased");
    if (!s.document.p && s.id.n) {
        struct seeking newest = { .a = a };

        last.id = s.id;
        r = store_alerts_each(a->core->store, &last, on_alert, &newest, a->err);
        if (r < 0)
            return r == -ENOMEM ? err_nomem(a->err) : r;
        s.document = newest.document;
    }
    a->document = s.document;
    return 0;
}

static bool is_over(const struct incident *i)
{
    return i->state == INCIDENT_CLOSED || i->state == INCIDENT_RESOLVED;
}

static void say(struct act *a, const char *done)
{
    buf_printf(&a->text, "%s: %.*s", done, SLICE_FMT(a->incident->title));
    if (a->incident->group.n)
        buf_printf(&a->text, ", %.*s", SLICE_FMT(slice_take(a->incident->group, 200)));
}

/* The person and his words, in the incident. */
static int sign(struct act *a, enum incident_state state)
{
    a->incident->state = state;
    a->incident->by = a->by;
    if (a->comment.n)
        a->incident->comment = a->comment;
    return core_people_touch(a->core->people, a->incident) < 0 ? err_nomem(a->err) : 0;
}

static int act_ack(struct act *a)
{
    int r = act_find_incident(a);

    if (r < 0 || a->refused)
        return r;
    if (is_over(a->incident))
        return act_refuse(a, "it is over already: %s", incident_state_name(a->incident->state));
    say(a, "acknowledged");
    return sign(a, INCIDENT_ACKED);
}

static int act_close(struct act *a)
{
    AUTO_BUF why = BUF_INIT;
    struct slice kept;
    int r = act_find_incident(a);

    if (r < 0 || a->refused)
        return r;
    if (is_over(a->incident))
        return act_refuse(a, "it is over already: %s", incident_state_name(a->incident->state));
    buf_printf(&why, "Closed by %.*s%s%.*s", SLICE_FMT(a->by), a->comment.n ? ": " : "",
               SLICE_FMT(a->comment));
    a->incident->resolve_us = 0;
    if (!entry_keep(a->core->arena, &why, &kept) || sign(a, INCIDENT_CLOSED) < 0)
        return err_nomem(a->err);
    say(a, "closed");
    return core_tell_end(a->core->tell, a->incident, kept, a->err);
}

static int act_reopen(struct act *a)
{
    int r = act_find_incident(a);

    if (r < 0 || a->refused)
        return r;
    if (a->incident->state == INCIDENT_OPEN)
        return act_refuse(a, "it is open");
    say(a, "open again");
    return sign(a, INCIDENT_OPEN);
}

static int act_comment(struct act *a)
{
    int r = act_find_incident(a);

    if (r < 0 || a->refused)
        return r;
    if (!a->comment.n)
        return act_refuse(a, "a comment needs a text");
    say(a, "noted");
    return sign(a, a->incident->state);
}

/* ---- silences ---- */

/* `when` as given, or just the incident that `id` names. */
static int silence_matcher(struct act *a, struct buf *out)
{
    const struct json *when = json_get(a->request, "when");
    struct json_writer w = json_writer(out);
    struct alert alert;
    const struct json *doc;
    int r;

    if (when && a->actor->uid >= 0) {
        json_put_tree(&w, when);
        return buf_ok(out) ? 0 : err_nomem(a->err);
    }
    r = act_find_incident(a);
    if (r < 0 || a->refused)
        return r;
    doc = a->document.n ? json_load(a->core->arena, a->document, NULL) : NULL;
    if (!doc || alert_read(doc, a->core->arena, &alert, NULL) < 0)
        return act_refuse(a, "the alert cannot be read any more: silence its rule with --rule");
    matcher_json_alert(&alert, out);
    return buf_ok(out) ? 0 : err_nomem(a->err);
}

static int act_silence_add(struct act *a)
{
    uint64_t for_s = json_u64(a->request, "for_s", 0), now = a->core->batch.now_us;
    uint64_t most = a->actor->uid >= 0 ? SILENCE_MAX_S : BUTTON_SILENCE_MAX_S;
    struct silence s = { .by = a->by, .comment = a->comment, .from_us = now };
    AUTO_BUF when = BUF_INIT;
    struct matcher m;
    struct err err = ERR_NONE;
    int r;

    if (for_s == 0 || for_s > most)
        return act_refuse(a, "for how long? 1 to %llu seconds", (unsigned long long)most);
    r = silence_matcher(a, &when);
    if (r < 0 || a->refused)
        return r;
    s.when = buf_view(&when);
    s.until_us = now + for_s * USEC_PER_SEC;
    if (matcher_json(s.when, a->core->arena, &m, &err) < 0)
        return act_refuse(a, "%s", err.text);
    r = core_people_silence_add(a->core->people, &s, &a->number, &err);
    if (r < 0)
        return r == -ENOMEM ? err_nomem(a->err) : act_refuse(a, "%s", err.text);
    buf_printf(&a->text, "silence %llu for ", (unsigned long long)a->number);
    buf_duration(&a->text, for_s * USEC_PER_SEC);
    buf_str(&a->text, ": ");
    matcher_words(&m, &a->text);
    return 0;
}

static int number_of(struct act *a, uint64_t *ret)
{
    if (parse_u64(json_text(a->request, "id"), 1, INT64_MAX, ret) < 0)
        return act_refuse(a, "which one? its number");
    return 0;
}

static int act_silence_expire(struct act *a)
{
    struct err err = ERR_NONE;
    int r = number_of(a, &a->number);

    if (r < 0 || a->refused)
        return r;
    r = core_people_silence_end(a->core->people, a->number, a->core->batch.now_us, &err);
    if (r < 0)
        return r == -ENOMEM ? err_nomem(a->err) : act_refuse(a, "%s", err.text);
    buf_printf(&a->text, "silence %llu has ended", (unsigned long long)a->number);
    return 0;
}

/* ---- the outbox ---- */

struct rows {
    struct act *a;
    bool drop;
    size_t n, others;
};

static int on_row(void *ctx, const struct outbox_row *row)
{
    struct rows *x = ctx;
    struct core *core = x->a->core;
    uint64_t now = core->batch.now_us;
    struct row_change *c;
    char *status;

    if (row->state == DELIVERY_SENT || row->state == DELIVERY_BUNDLED ||
        row->state == DELIVERY_HELD) {
        x->others++;
        return 0;
    }
    c = batch_change(&core->batch);
    status = arena_printf(core->arena, "%s by %.*s", x->drop ? "dropped" : "retried",
                          SLICE_FMT(x->a->by));
    if (!c || !status)
        return -ENOMEM;
    *c = (struct row_change){ .id = row->id,
                              .state = x->drop ? DELIVERY_DEAD : DELIVERY_WAITING,
                              .not_before_us = now,
                              .expires_us = now + OUTBOX_EXPIRES_US,
                              .status = slice_str(status) };
    x->n++;
    return 0;
}

static int rows(struct act *a, bool drop)
{
    struct slice receiver = json_text(a->request, "receiver");
    struct rows x = { .a = a, .drop = drop };
    struct outbox_filter f = { .receiver = receiver, .limit = 100000 };
    int r;

    f.states = 1u << DELIVERY_DEAD;
    if (drop)
        f.states = 1u << DELIVERY_WAITING | 1u << DELIVERY_RETRY;
    if (!receiver.n) {
        r = number_of(a, &f.id);
        if (r < 0 || a->refused)
            return r;
        f.states = 0;
    } else if (sender_index(a->core->config, receiver) == SIZE_MAX) {
        return act_refuse(a, "no receiver is called '%.*s'", SLICE_FMT(slice_take(receiver, 80)));
    }
    r = store_outbox_list(a->core->store, &f, on_row, &x, a->err);
    if (r < 0)
        return r == -ENOMEM ? err_nomem(a->err) : r;
    a->number = f.id;
    if (x.n == 0 && !receiver.n)
        return act_refuse(a, x.others ? "that message has its end already, or is held back"
                                      : "there is no such message");
    if (drop)
        buf_printf(&a->text, "dropped %zu message%s", x.n, x.n == 1 ? "" : "s");
    else
        buf_printf(&a->text, "%zu message%s will be tried again", x.n, x.n == 1 ? "" : "s");
    return 0;
}

static int act_retry(struct act *a)
{
    return rows(a, false);
}

static int act_drop(struct act *a)
{
    return rows(a, true);
}

/* ---- reports ---- */

/* Who made or verified which report of which time; its digest is that of the file. */
static int act_report(struct act *a)
{
    static const char *const names[] = { "kind", "from", "to", "form", "digest" };
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    struct entry *e;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct slice value = json_text(a->request, names[i]);

        if (value.n == 0 || value.n > 128)
            return act_refuse(a, "a report has '%s'", names[i]);
        json_member_slice(&w, names[i], value);
    }
    e = batch_entry(&a->core->batch, a->name);
    if (!e || !entry_keep(a->core->arena, &members, &e->members) ||
        !entry_personal(&a->core->batch, e, SLICE("user.name"), a->by))
        return err_nomem(a->err);
    buf_str(&a->text, "noted in the trail");
    return 0;
}

/* ---- all of them ---- */

static const struct {
    const char *name;
    int (*run)(struct act *a);
    bool by_button; /* also by who has nothing but a receiver's buttons */
} acts[] = {
    { "ack", act_ack, true },
    { "close", act_close, false },
    { "reopen", act_reopen, false },
    { "comment", act_comment, false },
    { "silence.add", act_silence_add, true },
    { "silence.expire", act_silence_expire, false },
    { "retry", act_retry, false },
    { "drop", act_drop, false },
    { "unban", act_unban, true },
    { "ban.add", act_ban_add, false },
    { "ban.remove", act_ban_remove, false },
    { "ban.sync", act_ban_sync, false },
    { "report.made", act_report, false },
    { "report.read", act_report, false },
};

/* Also what was refused: who tried is worth knowing. The person and the incident can be erased. */
static int write_entry(struct act *a)
{
    struct batch *b = &a->core->batch;
    struct entry *e = batch_entry(b, "act");
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_str(&w, "act", a->name);
    json_member_str(&w, "via", a->actor->via);
    if (a->actor->uid >= 0)
        json_member_u64(&w, "uid", (uint64_t)a->actor->uid);
    json_member_bool(&w, "done", !a->refused);
    if (a->alert_id.n)
        json_member_slice(&w, "id", a->alert_id);
    if (a->incident) {
        json_member_slice(&w, "rule", a->incident->rule);
        json_member_str(&w, "state", incident_state_name(a->incident->state));
    }
    if (a->number)
        json_member_u64(&w, "number", a->number);
    return e && entry_keep(b->arena, &members, &e->members) &&
                   entry_personal(b, e, SLICE("user.name"), a->by) &&
                   entry_personal(b, e, SLICE("act"), buf_view(&a->text))
               ? 0
               : err_nomem(a->err);
}

static int run(struct act *a)
{
    struct slice name = json_text(a->request, "act");

    for (size_t i = 0; i < ARRAY_SIZE(acts); i++) {
        if (!slice_is(name, acts[i].name))
            continue;
        a->name = acts[i].name;
        if (a->actor->uid < 0 && !acts[i].by_button)
            return act_refuse(a, "that cannot be done from here");
        return acts[i].run(a);
    }
    return act_refuse(a, "there is no such act");
}

static struct slice one_line(struct arena *arena, struct slice s, size_t max)
{
    struct slice clean = utf8_clean(arena, utf8_cut(s, max), NULL);
    char *p = clean.n ? arena_text(arena, clean.n) : NULL;

    for (size_t i = 0; p && i < clean.n; i++)
        p[i] = (unsigned char)clean.p[i] < 0x20 || clean.p[i] == 0x7f ? ' ' : clean.p[i];
    return p ? slice_of(p, clean.n) : SLICE("");
}

int core_act(struct core *core, struct slice request, const struct core_actor *actor,
             struct buf *answer, struct err *err)
{
    struct act a = { .core = core, .actor = actor, .name = "unknown", .err = err };
    struct json_writer w = json_writer(answer);
    int r = 0;

    core->batch.now_us = clock_now(core->clock);
    a.request = json_load(core->arena, request, NULL);
    a.by = one_line(core->arena, json_text(a.request, "by"), NAME_MAX_);
    a.comment = one_line(core->arena, json_text(a.request, "comment"), TEXT_MAX);
    if (!a.by.n)
        a.by = SLICE("somebody");
    r = a.request ? run(&a) : act_refuse(&a, "that is no request");
    if (r == 0)
        r = write_entry(&a);
    json_object(&w);
    json_member_bool(&w, "ok", r == 0 && !a.refused);
    json_member_buf(&w, "text", &a.text);
    if (a.number)
        json_member_u64(&w, "id", a.number);
    if (a.counts.n)
        buf_printf(answer, ",%.*s", SLICE_FMT(buf_view(&a.counts)));
    if (a.list.n) {
        json_key(&w, "bans");
        json_put_raw(&w, buf_view(&a.list));
    }
    json_object_end(&w);
    r = r == 0 && !(buf_ok(answer) && buf_ok(&a.counts)) ? err_nomem(err) : r;
    buf_fini(&a.text);
    buf_fini(&a.counts);
    buf_fini(&a.list);
    return r;
}
