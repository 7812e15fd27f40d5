/* What people ask for about bans. */
#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/core-act-private.h"
#include "logwatch/core-entry.h"

#define TARGETS_MAX 64
#define LIST_NAME_MAX 64
#define LIST_BYTES                                                                                 \
    2600 /* the answer has a limit (CONTROL_ANSWER_MAX); who wants all asks the book */

/* ---- the answer ---- */

struct telling {
    struct act *a;
    struct json_writer w;
    uint64_t now_us;
    size_t n, told;
};

static struct telling telling(struct act *a)
{
    struct telling t = { .a = a, .w = json_writer(&a->list), .now_us = a->core->batch.now_us };

    json_array(&t.w);
    return t;
}

static void tell(struct telling *t, uint64_t id, const struct ban_target *target, const char *text)
{
    char name[BAN_TEXT_SIZE];

    t->n++;
    if (t->a->list.n > LIST_BYTES)
        return;
    t->told++;
    ban_target_text(target, name);
    json_object(&t->w);
    if (id)
        json_member_u64(&t->w, "id", id);
    json_member_str(&t->w, "target", name);
    json_member_str(&t->w, "text", text);
    json_object_end(&t->w);
}

static void on_gone(void *ctx, const struct ban_gone *g)
{
    struct telling *t = ctx;
    char left[SPAN_TEXT_SIZE], text[200];

    if (g->left_us == UINT64_MAX) {
        snprintf(text, sizeof text, "removed, it was for good%s%s", g->rule[0] ? ", rule " : "",
                 g->rule);
    } else {
        time_span_text(g->left_us, left);
        snprintf(text, sizeof text, "removed, %s were left%s%s", left, g->rule[0] ? ", rule " : "",
                 g->rule);
    }
    tell(t, g->id, &g->target, text);
}

/* ---- adding ---- */

struct adding {
    struct ban_wish wish;
    size_t done, held, refused;
};

static int add_one(struct act *a, struct adding *all, struct telling *t, struct slice text)
{
    enum ban_answer answer;
    char said[160];

    if (ban_target_parse(text, &all->wish.target) < 0) {
        all->refused++;
        json_object(&t->w);
        json_member_slice(&t->w, "target", slice_take(text, BAN_TEXT_SIZE));
        json_member_str(&t->w, "text", "refused: that is no address and no network");
        json_object_end(&t->w);
        return 0;
    }
    if (core_bans_add(a->core->bans, &all->wish, &answer, said, a->err) < 0)
        return err_code(a->err);
    all->done += answer == BAN_ANSWER_DONE;
    all->held += answer == BAN_ANSWER_HELD;
    all->refused += answer == BAN_ANSWER_REFUSED;
    if (answer == BAN_ANSWER_REFUSED) {
        char whole[200];

        snprintf(whole, sizeof whole, "refused: %s", said);
        tell(t, 0, &all->wish.target, whole);
    } else {
        tell(t, 0, &all->wish.target, said);
    }
    return 0;
}

static bool is_list_name(struct slice s)
{
    if (s.n == 0 || s.n > LIST_NAME_MAX)
        return false;
    for (size_t i = 0; i < s.n; i++)
        if (s.p[i] == '\0' ||
            !strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", s.p[i]))
            return false;
    return true;
}

/* "list:NAME"; empty: the request names none; .p NULL: it is no name. */
static struct slice list_origin(struct act *a)
{
    struct slice name = json_text(a->request, "list");
    char *origin;

    if (name.n == 0)
        return SLICE("");
    if (!is_list_name(name))
        return SLICE_NONE;
    origin = arena_printf(a->core->arena, "list:%.*s", SLICE_FMT(name));
    return origin ? slice_str(origin) : SLICE_NONE;
}

/* In numbers, for the list may be longer than an answer. */
static void count(struct act *a, const struct adding *all)
{
    struct json_writer w = json_writer(&a->counts);

    json_member_u64(&w, "banned", all->done);
    json_member_u64(&w, "held", all->held);
    json_member_u64(&w, "refused", all->refused);
    buf_printf(&a->text, "%zu banned, %zu held already, %zu refused", all->done, all->held,
               all->refused);
    a->refused = all->done + all->held == 0;
}

int act_ban_add(struct act *a)
{
    const struct json *targets = json_get(a->request, "targets");
    uint64_t for_s = json_u64(a->request, "for_s", 3600), n = 0;
    struct slice origin = list_origin(a), reason = json_text(a->request, "reason");
    struct adding all = { .wish = { .for_us = for_s * USEC_PER_SEC,
                                    .origin = origin.n ? origin : SLICE("manual"),
                                    .by = a->by,
                                    .dry_run = json_bool(a->request, "dry_run", false) } };
    struct telling t;

    for (const struct json *m = targets ? targets->child : NULL; m; m = m->next)
        n++;
    if (!origin.p)
        return act_refuse(a, "a list's name has letters, digits, '.', '_' and '-'");
    if (n == 0 || n > TARGETS_MAX || for_s > BAN_MAX_S)
        return act_refuse(a, "a request names 1 to %d networks, and at most 10 years", TARGETS_MAX);
    reason = utf8_clean(a->core->arena, utf8_cut(reason.n ? reason : a->comment, 200), NULL);
    all.wish.reason = reason.p ? reason : SLICE("");
    all.wish.dry_run = all.wish.dry_run || a->core->config->bans.dry_run;
    t = telling(a);
    for (const struct json *m = targets->child; m; m = m->next)
        if (add_one(a, &all, &t, m->text) < 0)
            return err_code(a->err);
    json_array_end(&t.w);
    count(a, &all);
    return 0;
}

/* ---- removing ---- */

static int remove_chosen(struct act *a, const struct ban_choice *c, struct telling *t)
{
    return core_bans_remove(a->core->bans, c, a->by, "", on_gone, t, a->err);
}

/* An address removes its own ban, and the ban of the IPv6 network that it is in. */
static int remove_target(struct act *a, struct slice text, struct telling *t)
{
    struct ban_target target;
    struct ban_choice c = { .net = &target.net };
    int n;

    if (ban_target_parse(text, &target) < 0)
        return 0;
    if (target.protocol)
        c = (struct ban_choice){ .target = &target };
    n = remove_chosen(a, &c, t);
    if (n == 0 && target.net.net.family == 6 && target.net.bits == 128 && !target.protocol) {
        target.net = ban_network(&target.net.net, a->core->config->bans.bits6);
        n = remove_chosen(a, &c, t);
    }
    return n;
}

static int remove_targets(struct act *a, const struct json *targets, struct telling *t)
{
    int n = 0, all = 0;

    for (const struct json *m = targets->child; m && n >= 0; m = m->next) {
        n = remove_target(a, m->text, t);
        all += n;
    }
    return n < 0 ? n : all;
}

static int remove_asked(struct act *a, struct slice origin, struct telling *t)
{
    const struct json *targets = json_get(a->request, "targets");
    struct ban_choice c = { .origin = origin };

    if (targets)
        return remove_targets(a, targets, t);
    if (parse_u64(json_text(a->request, "id"), 1, UINT64_MAX, &c.id) == 0 || origin.n ||
        json_bool(a->request, "all", false))
        return remove_chosen(a, &c, t);
    return 0;
}

static int told(struct act *a, struct telling *t, int n)
{
    json_array_end(&t->w);
    if (n < 0)
        return n;
    if (n == 0)
        return act_refuse(a, "no such ban holds");
    buf_printf(&a->text, "%d removed", n);
    if (t->told < t->n)
        buf_printf(&a->text, ", of which %zu are listed", t->told);
    return 0;
}

static int unban(struct act *a)
{
    const struct json *doc = a->document.n ? json_load(a->core->arena, a->document, NULL) : NULL;
    struct slice address = json_text(json_get(doc, "ban"), "address");
    struct telling t;

    if (!address.n)
        return act_refuse(a, "that alert ordered no ban");
    t = telling(a);
    return told(a, &t, remove_target(a, address, &t));
}

int act_unban(struct act *a)
{
    int r = act_find_incident(a);

    return r < 0 || a->refused ? r : unban(a);
}

int act_ban_remove(struct act *a)
{
    struct slice origin = list_origin(a), alert = json_text(a->request, "alert");
    struct telling t;

    if (!origin.p)
        return act_refuse(a, "a list's name has letters, digits, '.', '_' and '-'");
    if (alert.n) {
        int r = act_find_alert(a, alert);

        return r < 0 || a->refused ? r : unban(a);
    }
    t = telling(a);
    return told(a, &t, remove_asked(a, origin, &t));
}

/* An import that replaces is at its end: what the list did not name again leaves it. */
int act_ban_sync(struct act *a)
{
    struct slice origin = list_origin(a);
    struct ban_choice c = { .origin = origin, .older_us = json_u64(a->request, "stamp", 0) };
    int n;

    if (origin.n == 0 || c.older_us == 0)
        return act_refuse(a, "which list, and since when?");
    n = core_bans_remove(a->core->bans, &c, a->by, "", NULL, NULL, a->err);
    if (n < 0)
        return n;
    buf_printf(&a->text, "%d left the list", n);
    return 0;
}
