#include "logwatch/core-bans-private.h"

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "logwatch/core-entry.h"

#define RENEW_MIN_US                                                                               \
    (30 * USEC_PER_SEC) /* a ban that would last only so much longer stays as it is */
#define END_STEP_US USEC_PER_SEC /* ends are looked at no oftener */

/* ---- items ---- */

/* Bytes that name a target: what two bans must differ in. */
struct slice bans_key(const struct ban_target *t)
{
    return slice_of((const char *)t, sizeof *t);
}

void bans_forget(struct core_bans *b, struct item *i)
{
    if (table_get(b->leaving, bans_key(&i->target)) == i)
        (void)table_remove(b->leaving, bans_key(&i->target));
    if (table_get(b->by_target, bans_key(&i->target)) == i)
        (void)table_remove(b->by_target, bans_key(&i->target));
    (void)table_remove(b->by_id, bans_id(&i->id));
    b->items[i->at] = NULL;
    b->holes++;
    for (size_t k = 0; k < b->nfresh; k++)
        if (b->fresh[k] == i)
            b->fresh[k] = NULL;
    b->nsent -= i->sent;
    if (i->queued) { /* it is freed when its turn comes */
        i->owed = BAN_OWES_NOTHING;
        i->id = 0;
        return;
    }
    free(i);
}

/* The batch with its row is open: it is sent when that is committed. */
static int mark_fresh(struct core_bans *b, struct item *i)
{
    if (i->fresh)
        return 0;
    if (b->nfresh == b->fresh_cap) {
        size_t cap = b->fresh_cap ? b->fresh_cap * 2 : 64;
        struct item **fresh = reallocarray(b->fresh, cap, sizeof *fresh);

        if (!fresh)
            return -ENOMEM;
        b->fresh = fresh;
        b->fresh_cap = cap;
    }
    b->fresh[b->nfresh++] = i;
    i->fresh = true;
    return 0;
}

void bans_leave(struct core_bans *b, struct item *i, bool owe_removal)
{
    (void)table_remove(b->by_target, bans_key(&i->target));
    i->gone = true;
    i->owed = owe_removal ? BAN_OWES_REMOVE : BAN_OWES_NOTHING;
    if (!owe_removal || table_put(b->leaving, bans_key(&i->target), i) < 0 ||
        mark_fresh(b, i) < 0) /* without memory the next sync drops it */
        bans_forget(b, i);
}

/* ---- rows and entries ---- */

/* Also of a backend that only says what it would do; for that one it is handed out all the same. */
static bool is_dry(const struct core_bans *b, const struct item *i)
{
    return i->dry_run || (b->config->bans.blocker && b->config->bans.blocker->ops->pretends);
}

static void put_alert(const struct item *i, char out[33])
{
    AUTO_BUF hex = BUF_INIT;

    out[0] = '\0';
    if (i->has_alert)
        buf_hex(&hex, i->alert, sizeof i->alert);
    if (hex.n == 32 && buf_ok(&hex))
        memcpy(out, hex.p, 33);
}

int bans_put(struct core_bans *b, struct item *i, enum ban_state state, const struct ban *words,
             struct err *err)
{
    struct ban *row = arena_alloc(b->batch->arena, sizeof *row);

    if (!row)
        return err_nomem(err);
    if (words)
        *row = *words;
    row->id = i->id;
    row->target = i->target;
    if (i->state != state) {
        i->state = (uint8_t)state;
        i->ended_us = state == BAN_ACTIVE ? 0 : b->batch->now_us;
    }
    row->state = state;
    row->owed = (enum ban_owed)i->owed;
    row->dry_run = is_dry(b, i);
    row->start_us = i->start_us;
    row->until_us = i->until_us;
    row->changed_us = i->changed_us;
    row->ended_us = i->ended_us;
    row->times = i->times;
    row->renewals = i->renewals;
    return batch_ban(b->batch, row) < 0 ? err_nomem(err) : 0;
}

int bans_put_owed(struct core_bans *b, struct item *i, struct slice status, struct err *err)
{
    const struct ban words = { .status = status };

    return bans_put(b, i, (enum ban_state)i->state, &words, err);
}

int bans_entry(struct core_bans *b, const struct item *i, const char *type,
               const struct buf *members, struct err *err)
{
    struct entry *e = batch_entry(b->batch, type);
    AUTO_BUF all = BUF_INIT;
    struct json_writer w = json_writer(&all);
    char alert[33], target[BAN_TEXT_SIZE];

    put_alert(i, alert);
    ban_target_text(&i->target, target);
    json_member_u64(&w, "ban", i->id);
    if (alert[0])
        json_member_str(&w, "id", alert);
    if (members && members->n) {
        buf_char(&all, ',');
        buf_slice(&all, buf_view(members));
    }
    if (members && !buf_ok(members))
        return err_nomem(err);
    return e && entry_keep(b->batch->arena, &all, &e->members) &&
                   entry_personal(b->batch, e, SLICE("address"), slice_str(target))
               ? 0
               : err_nomem(err);
}

static void put_span(const struct core_bans *b, struct json_writer *w, const struct item *i)
{
    json_member_str(w, "origin", i->origin);
    if (i->rule[0])
        json_member_str(w, "rule", i->rule);
    if (i->until_us)
        json_member_time(w, "until", i->until_us);
    json_member_u64(w, "times", i->times);
    if (is_dry(b, i))
        json_member_bool(w, "dry_run", true);
}

static int note_span(struct core_bans *b, const struct item *i, const char *type, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    put_span(b, &w, i);
    return bans_entry(b, i, type, &members, err);
}

/* ---- who may not be banned ---- */

static bool named(const struct core_bans *b, const struct cidr *net, char text[160])
{
    for (size_t k = 0; k < b->config->bans.allow_names.n; k++)
        for (size_t j = 0; j < b->names[k].n; j++)
            if (cidr_has(net, &b->names[k].ips[j])) {
                snprintf(text, 160, "allowed: %.120s is there",
                         b->config->bans.allow_names.items[k]);
                return true;
            }
    return false;
}

/* NULL: it may be. */
static const char *forbidden(const struct core_bans *b, const struct cidr *net, char text[160])
{
    char own[80];
    const char *why = config_ban_forbidden(b->config, net, own);

    if (!why)
        return named(b, net, text) ? text : NULL;
    snprintf(text, 160, "%s", why);
    return text;
}

/* ---- a ban begins, or goes on ---- */

static struct item *find(const struct core_bans *b, const struct ban_target *t)
{
    return table_get(b->by_target, bans_key(t));
}

/* This network's ban number so and so; quiet for long enough, and it is the first one again. */
static int count_times(struct core_bans *b, const struct cidr *net, uint32_t *ret, struct err *err)
{
    uint64_t forgive = b->config->bans.forgive_us;
    struct ban_past past;
    bool quiet;

    if (store_ban_past(b->store, net, &past, err) < 0)
        return err_code(err);
    quiet = past.ended_us && forgive && past.ended_us + forgive < b->batch->now_us;
    *ret = past.times == 0 || quiet ? 1 : (uint32_t)past.times + 1;
    return 0;
}

static uint64_t span(const struct core_bans *b, uint32_t times, uint64_t wanted_us)
{
    const struct config_bans *c = &b->config->bans;
    uint64_t step;

    if (c->nescalate == 0 || wanted_us == 0)
        return wanted_us;
    step = c->escalate_us[(times < c->nescalate ? times : c->nescalate) - 1];
    return step > wanted_us ? step : wanted_us;
}

static int owe_add(struct core_bans *b, struct item *i, struct err *err)
{
    struct item *before = table_get(b->leaving, bans_key(&i->target));

    if (i->dry_run)
        return 0;
    if (before) { /* its removal would take the new ban away */
        before->overtaken = true;
        before->owed = BAN_OWES_NOTHING;
        (void)table_remove(b->leaving, bans_key(&before->target));
        if (bans_put_owed(b, before, SLICE("banned again"), err) < 0)
            return err_code(err);
        if (!before->sent && !before->queued)
            bans_forget(b, before);
    }
    i->owed = BAN_OWES_ADD;
    return mark_fresh(b, i) < 0 ? err_nomem(err) : 0;
}

static int begin(struct core_bans *b, const struct ban_wish *wish, const struct ban *words,
                 struct item **ret, struct err *err)
{
    struct item *i = calloc(1, sizeof *i);
    uint64_t now = b->batch->now_us, us;
    int r;

    if (!i)
        return err_nomem(err);
    i->id = b->next_id;
    i->target = wish->target;
    i->start_us = i->changed_us = now;
    i->rule = bans_word(b, words->rule);
    i->origin = bans_word(b, wish->origin);
    i->has_alert = hex_decode(words->alert, i->alert, sizeof i->alert) == 0;
    i->dry_run = wish->dry_run;
    r = count_times(b, &wish->target.net, &i->times, err);
    if (r < 0 || !i->rule || !i->origin || bans_keep(b, i) < 0) {
        free(i);
        return r < 0 ? r : err_nomem(err);
    }
    us = span(b, i->times, wish->for_us);
    i->until_us = us ? now + us : 0;
    b->next_id++;
    if (i->until_us && i->until_us < b->due_us)
        b->due_us = i->until_us;
    *ret = i;
    if (owe_add(b, i, err) < 0 || bans_put(b, i, BAN_ACTIVE, words, err) < 0)
        return err_code(err);
    return note_span(b, i, "ban.add", err);
}

static bool lasts(const struct item *i, uint64_t until_us, bool dry_run)
{
    if (i->dry_run && !dry_run)
        return false; /* now it is meant */
    return i->until_us == 0 || (until_us && until_us <= i->until_us + RENEW_MIN_US);
}

static int renew(struct core_bans *b, struct item *i, uint64_t until_us, bool dry_run,
                 const struct ban *news, struct err *err)
{
    struct ban words = *news;

    words.origin = SLICE(""); /* it stays whose it was */
    if (words.rule.n) {
        const char *rule = bans_word(b, words.rule);

        if (!rule)
            return err_nomem(err);
        i->rule = rule;
        i->has_alert = hex_decode(words.alert, i->alert, sizeof i->alert) == 0;
    }
    if (i->until_us && (until_us == 0 || until_us > i->until_us))
        i->until_us = until_us;
    i->dry_run = i->dry_run && dry_run;
    i->renewals++;
    i->changed_us = b->batch->now_us;
    if (owe_add(b, i, err) < 0 || bans_put(b, i, BAN_ACTIVE, &words, err) < 0)
        return err_code(err);
    return note_span(b, i, "ban.renew", err);
}

/* A list names it again: it belongs to the list still. */
static int touch(struct core_bans *b, struct item *i, struct slice origin, struct err *err)
{
    if (!slice_is(origin, i->origin) || !slice_starts(origin, SLICE("list:")))
        return 0;
    i->changed_us = b->batch->now_us;
    return bans_put(b, i, BAN_ACTIVE, NULL, err);
}

static int wish(struct core_bans *b, const struct ban_wish *w, const struct ban *words,
                enum ban_answer *ret, char text[160], struct err *err)
{
    struct item *i = find(b, &w->target);
    uint64_t until = w->for_us ? b->batch->now_us + span(b, i ? i->times : 1, w->for_us) : 0;
    const char *why = forbidden(b, &w->target.net, text);
    char left[32];
    int r = 0;

    *ret = BAN_ANSWER_REFUSED;
    if (!why && !i && table_count(b->by_target) >= b->config->bans.blocker->settings.max)
        why = "the book is full (bans.max)";
    if (why) {
        if (why != text)
            snprintf(text, 160, "%s", why);
        return 0;
    }
    *ret = i && lasts(i, until, w->dry_run) ? BAN_ANSWER_HELD : BAN_ANSWER_DONE;
    if (*ret == BAN_ANSWER_HELD)
        r = touch(b, i, w->origin, err);
    else
        r = i ? renew(b, i, until, w->dry_run, words, err) : begin(b, w, words, &i, err);
    if (r < 0)
        return r;
    time_span_text(i->until_us ? i->until_us - b->batch->now_us : 0, left);
    snprintf(text, 160, "%s%s%s%s", *ret == BAN_ANSWER_HELD ? "banned already, " : "banned ",
             i->until_us ? "for " : "for good", i->until_us ? left : "",
             is_dry(b, i) ? " (dry run: nothing is done)" : "");
    return 0;
}

int core_bans_add(struct core_bans *b, const struct ban_wish *w, enum ban_answer *ret,
                  char text[160], struct err *err)
{
    const struct ban words = { .origin = w->origin, .reason = w->reason, .by = w->by };

    return wish(b, w, &words, ret, text, err);
}

/* ---- an alert wants one ---- */

static int skipped(struct core_bans *b, const struct alert *alert, struct slice id, const char *why,
                   struct err *err)
{
    return entry_of_refused_ban(b->batch, alert, id, why) < 0 ? err_nomem(err) : 0;
}

/* "SSH: failed logins: 6 in 5 min" */
static struct slice reason_of(struct core_bans *b, const struct alert *alert)
{
    char window[32];
    char *text;

    if (alert->window_us == 0)
        return alert->rule_title;
    time_span_text(alert->window_us, window);
    text = arena_printf(b->batch->arena, "%.*s: %llu in %s", SLICE_FMT(alert->rule_title),
                        (unsigned long long)alert->count, window);
    return text ? slice_str(text) : alert->rule_title;
}

int core_bans_order(struct core_bans *b, const struct alert *alert, struct slice id,
                    struct err *err)
{
    const char *why = config_ban_refusal(b->config, alert, b->batch->now_us);
    struct ban_wish w = { .for_us = alert->ban.for_us,
                          .origin = SLICE("rule"),
                          .dry_run = alert->ban.dry_run || b->config->bans.dry_run };
    const struct ban words = { .origin = w.origin,
                               .rule = alert->rule_id,
                               .title = alert->rule_title,
                               .alert = id,
                               .channel = alert->channel,
                               .reason = reason_of(b, alert) };
    enum ban_answer answer;
    char text[160];
    struct ip ip;

    if (why)
        return skipped(b, alert, id, why, err);
    if (ip_parse(alert->ban.address, &ip) < 0)
        return skipped(b, alert, id, "that is no address", err);
    w.target.net =
        ban_network(&ip, b->config->bans.blocker->ops->networks ? b->config->bans.bits6 : 128);
    w.target.protocol = alert->ban.protocol;
    memcpy(w.target.ports, alert->ban.ports, sizeof w.target.ports);
    if (wish(b, &w, &words, &answer, text, err) < 0)
        return err_code(err);
    return answer == BAN_ANSWER_DONE ? 0 : skipped(b, alert, id, text, err);
}

/* ---- a ban is over ---- */

static int put_end(struct core_bans *b, struct item *i, enum ban_state state, const char *type,
                   const struct ban *words, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);
    uint64_t now = b->batch->now_us;
    bool owe = !i->dry_run && (state == BAN_REMOVED || !b->config->bans.blocker ||
                               !b->config->bans.blocker->ops->ends);

    json_member_u64(&w, "held_s", now > i->start_us ? (now - i->start_us) / USEC_PER_SEC : 0);
    put_span(b, &w, i);
    i->owed = owe ? BAN_OWES_REMOVE : BAN_OWES_NOTHING;
    i->changed_us = now;
    if (bans_put(b, i, state, words, err) < 0 || bans_entry(b, i, type, &members, err) < 0)
        return err_code(err);
    bans_leave(b, i, owe);
    return 0;
}

int core_bans_tick(struct core_bans *b, uint64_t now_us, struct err *err)
{
    uint64_t due = UINT64_MAX;

    if (now_us < b->due_us)
        return 0;
    for (size_t k = 0; k < b->nitems; k++) {
        struct item *i = b->items[k];

        if (!i || i->gone || i->until_us == 0)
            continue;
        if (i->until_us > now_us) {
            due = i->until_us < due ? i->until_us : due;
        } else if (put_end(b, i, BAN_ENDED, "ban.end", NULL, err) < 0) {
            return err_code(err);
        }
    }
    b->due_us = due < now_us + END_STEP_US ? now_us + END_STEP_US : due;
    return 0;
}

uint64_t core_bans_due_us(const struct core_bans *b)
{
    return b->due_us;
}

static bool chosen(const struct item *i, const struct ban_choice *c)
{
    return (c->id == 0 || i->id == c->id) && (!c->target || ban_target_eq(&i->target, c->target)) &&
           (!c->net ||
            (ip_eq(&i->target.net.net, &c->net->net) && i->target.net.bits == c->net->bits)) &&
           (c->origin.n == 0 || slice_is(c->origin, i->origin)) &&
           (c->older_us == 0 || i->changed_us < c->older_us);
}

int core_bans_remove(struct core_bans *b, const struct ban_choice *choice, struct slice by,
                     const char *why, void (*fn)(void *ctx, const struct ban_gone *g), void *ctx,
                     struct err *err)
{
    uint64_t now = b->batch->now_us;
    const struct ban words = { .by = by, .status = slice_str(why) };
    int n = 0;

    for (size_t k = 0; k < b->nitems; k++) {
        struct item *i = b->items[k];
        struct ban_gone g;

        if (!i || i->gone || !chosen(i, choice))
            continue;
        g = (struct ban_gone){ i->id, i->target, UINT64_MAX, i->rule };
        if (i->until_us)
            g.left_us = i->until_us > now ? i->until_us - now : 0;
        if (put_end(b, i, BAN_REMOVED, "ban.remove", &words, err) < 0)
            return err_code(err);
        n++;
        if (fn)
            fn(ctx, &g);
    }
    return n;
}

/* Who is allowed now, and was not when he was banned, gets in. */
int bans_free_allowed(struct core_bans *b, struct err *err)
{
    char text[160];

    for (size_t k = 0; k < b->nitems; k++) {
        struct item *i = b->items[k];
        const char *why = i && !i->gone ? forbidden(b, &i->target.net, text) : NULL;
        struct ban words = { 0 };

        if (!why)
            continue;
        words.status = arena_slice(b->batch->arena, slice_str(why));
        if (!words.status.p || put_end(b, i, BAN_REMOVED, "ban.remove", &words, err) < 0)
            return err_nomem(err);
    }
    return 0;
}

int core_bans_allow(struct core_bans *b, size_t name, const struct ip *ips, size_t n,
                    struct err *err)
{
    if (name >= b->config->bans.allow_names.n || n == 0 || n > NAME_ADDRESSES)
        return 0;
    if (n == b->names[name].n && memcmp(b->names[name].ips, ips, n * sizeof *ips) == 0)
        return 0;
    memcpy(b->names[name].ips, ips, n * sizeof *ips);
    b->names[name].n = n;
    b->allow_owed = true;
    return bans_free_allowed(b, err);
}
