/* The queries: what each shows, and what it comes to for a control. */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

#define U(n) ((unsigned long long)(n))

const char *control_state_name(enum control_state s)
{
    static const char *const names[CONTROL_STATES] = {
        [CONTROL_EVIDENCE] = "evidence",
        [CONTROL_ATTENTION] = "attention",
        [CONTROL_NOT_CONFIGURED] = "not-configured",
        [CONTROL_NOT_OBSERVABLE] = "not-observable",
    };

    return s < CONTROL_STATES ? names[s] : "";
}

static enum control_state worst(bool bad)
{
    return bad ? CONTROL_ATTENTION : CONTROL_EVIDENCE;
}

static enum control_state no_events(struct buf *why)
{
    buf_str(why, "no channel makes each event an entry (`audit: all`)");
    return CONTROL_NOT_CONFIGURED;
}

static enum control_state judge_logins(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    if (!records_events(m))
        return no_events(why);
    buf_printf(why, "%llu good and %llu failed logins recorded", U(t->class[CLASS_GOOD]),
               U(t->class[CLASS_FAILED]));
    return CONTROL_EVIDENCE;
}

static enum control_state judge_lockouts(struct making *m, unsigned days, struct buf *why)
{
    const struct survey *e = &m->survey;
    uint64_t without = 0;

    (void)days;
    for (size_t i = 0; i < e->nruns; i++)
        without += !e->runs[i].banned_us;
    if (!e->all_runs && !records_events(m))
        return no_events(why);
    buf_printf(why,
               "%llu times 10 failed logins of one address in 30 minutes, %llu of them without "
               "a ban",
               U(e->all_runs), U(without));
    return worst(without > 0);
}

static enum control_state judge_admin(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    buf_printf(why,
               "%llu acts of administrators recorded, %llu starts and reloads with their "
               "configuration's digest, %llu refused configurations",
               U(t->class[CLASS_ADMIN]), U(t->starts + t->reloads), U(t->config_refused));
    return CONTROL_EVIDENCE;
}

static enum control_state judge_accounts(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    if (!records_events(m))
        return no_events(why);
    buf_printf(why, "%llu changes of accounts, %llu of privileges", U(t->class[CLASS_ACCOUNT]),
               U(t->class[CLASS_PRIVILEGE]));
    return CONTROL_EVIDENCE;
}

static enum control_state judge_trail(struct making *m, unsigned days, struct buf *why)
{
    const struct survey *e = &m->survey;
    const struct ev_totals *t = &e->now;
    bool anchored = t->anchored > 0, verified = t->verified > 0;

    (void)days;
    buf_printf(why,
               "the lines of the period are what was signed; verified by the daemon %llu times, "
               "%llu gaps, %llu checkpoints kept elsewhere",
               U(t->verified), U(e->gaps), U(t->anchored));
    if (t->contradicted)
        buf_printf(why, "; %llu CONTRADICTIONS by who kept a checkpoint", U(t->contradicted));
    if (!anchored)
        buf_str(why, "; nobody outside of the host vouches for them");
    return worst(t->contradicted || e->gaps || !anchored || !verified);
}

static enum control_state judge_inputs(struct making *m, unsigned days, struct buf *why)
{
    const struct survey *e = &m->survey;
    uint64_t open = 0;

    (void)days;
    for (size_t i = 0; i < e->ntroubles; i++)
        open += e->troubles[i].lasts && !e->troubles[i].until_us;
    buf_printf(why, "%zu channels seen, %llu blind spots, %llu of them not over",
               table_count(e->channels), U(e->now.troubles), U(open));
    return worst(e->now.troubles > 0 || open > 0);
}

static enum control_state judge_alerts(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;
    uint64_t high = t->level[LEVEL_HIGH] + t->level[LEVEL_CRITICAL];
    size_t told, untold, acked, unacked;

    (void)days;
    (void)told_delays(m, false, LEVEL_HIGH, &told, &untold);
    (void)told_delays(m, true, LEVEL_HIGH, &acked, &unacked);
    buf_printf(why,
               "%llu alerts, %llu of them high or critical: %zu told by a message of their "
               "own, %zu acknowledged or closed by a person; %llu messages given up",
               U(t->alerts), U(high), told, acked, U(t->dead));
    return worst(t->dead > 0 || (high > 0 && unacked > 0));
}

static enum control_state judge_bans(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;
    const struct json *backend = json_get(m->facts, "bans");

    (void)days;
    if (!t->banned && backend && !backend->text.n) {
        buf_str(why, "no ban backend is configured");
        return CONTROL_NOT_CONFIGURED;
    }
    buf_printf(why, "%llu bans, %llu only pretended, %llu taken back, %llu failed, %llu refused",
               U(t->banned), U(t->ban_dry), U(t->unbanned), U(t->ban_failed), U(t->ban_skipped));
    return worst(t->ban_failed > 0);
}

static enum control_state judge_reviews(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    buf_printf(why, "%llu acts of people on alerts, %llu reports made", U(t->acts), U(t->reports));
    return worst(t->acts + t->reports == 0);
}

static enum control_state judge_retention(struct making *m, unsigned days, struct buf *why)
{
    const struct survey *e = &m->survey;
    double held = (double)(m->report->made_us - m->first_us) / 86400e6;
    uint64_t keep_s = fact_u64(m, "keep_s");

    buf_printf(why, "the oldest entry is %.0f days old", held);
    if (keep_s == 0)
        buf_str(why, "; nothing is removed by age");
    else if (keep_s != UINT64_MAX)
        buf_printf(why, "; kept for %llu days", U(keep_s / 86400));
    if (e->now.prunes)
        buf_printf(why, "; pruned %llu times", U(e->now.prunes));
    if (!days)
        return CONTROL_EVIDENCE;
    buf_printf(why, "; asked for: %u days", days);
    return worst(held < days || (keep_s != UINT64_MAX && keep_s && keep_s / 86400 < days));
}

static enum control_state judge_failures(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    buf_printf(why,
               "%llu starts (%llu after an end that was none), %llu processes ended, the disk "
               "was full %llu times, %llu messages given up",
               U(t->starts), U(t->unclean), U(t->role_ends), U(t->disk_full), U(t->dead));
    return worst(t->unclean || t->role_ends || t->disk_full || t->dead);
}

static enum control_state judge_clock(struct making *m, unsigned days, struct buf *why)
{
    (void)days;
    buf_printf(why, "%llu steps of the clock; the state of NTP is not seen",
               U(m->survey.now.clock_steps));
    return worst(m->survey.now.clock_steps > 0);
}

static enum control_state judge_messages(struct making *m, unsigned days, struct buf *why)
{
    const struct ev_totals *t = &m->survey.now;

    (void)days;
    if (!table_count(m->survey.receivers) && !t->anchored) {
        buf_str(why, "nothing left the host: no receiver and no anchor took anything");
        return m->facts && !fact_list(m, "receivers") && !fact_list(m, "anchors")
                   ? CONTROL_NOT_CONFIGURED
                   : CONTROL_ATTENTION;
    }
    buf_printf(why,
               "%llu messages sent, %llu given up; %llu checkpoints kept elsewhere; encryption "
               "on the way is not in the trail",
               U(t->sent), U(t->dead), U(t->anchored));
    return worst(t->dead > 0);
}

static enum control_state judge_personal(struct making *m, unsigned days, struct buf *why)
{
    const struct survey *e = &m->survey;

    (void)days;
    buf_printf(why,
               "%llu personal values in the period's entries, %llu of them erased; %llu "
               "erasures in the period",
               U(e->personal), U(e->erased), U(e->now.erased));
    return CONTROL_EVIDENCE;
}

static enum control_state judge_access(struct making *m, unsigned days, struct buf *why)
{
    (void)days;
    buf_printf(why, "%llu reports made and %llu verified are entries; other reading leaves none",
               U(m->survey.now.reports), U(m->survey.now.reads));
    return m->survey.now.reports ? CONTROL_EVIDENCE : CONTROL_NOT_OBSERVABLE;
}

/* ---- the table ---- */

static void show_logins_all(struct making *m)
{
    show_logins(m);
    show_sources(m, 20);
}

const struct query queries[] = {
    { "E1", "logins", "Logins", show_logins_all, judge_logins },
    { "E2", "lockouts", "Many failures", show_lockouts, judge_lockouts },
    { "E3", "admin", "Administration", show_admin, judge_admin },
    { "E4", "accounts", "Accounts and privileges", show_accounts, judge_accounts },
    { "E5", "trail", "The trail", show_trail, judge_trail },
    { "E6", "inputs", "Inputs", show_inputs, judge_inputs },
    { "E7", "alerts", "Alerts", show_alerts, judge_alerts },
    { "E8", "bans", "Bans", show_bans, judge_bans },
    { "E9", "reviews", "Review", show_reviews, judge_reviews },
    { "E10", "retention", "Retention", show_retention, judge_retention },
    { "E11", "failures", "Failures", show_failures, judge_failures },
    { "E12", "clock", "Clock", show_clock, judge_clock },
    { "E13", "messages", "What leaves the host", show_messages, judge_messages },
    { "E14", "personal", "Personal data", show_personal, judge_personal },
    { "E15", "access", "Access to trail and reports", show_access, judge_access },
};
const size_t nqueries = ARRAY_SIZE(queries);
