/* security: what happened in a period, and what was done about it. */
#include "reports/making.h"

#include <errno.h>

#include "base/clock.h"

static void summary(struct making *m)
{
    const struct ev_totals *now = &m->survey.now, *was = &m->survey.before;
    struct doc *d = &m->doc;
    const struct {
        const char *name, *label, *unit;
        uint64_t now, was;
    } rows[] = {
        { "alerts", "Alerts", "alerts", now->alerts, was->alerts },
        { "alerts_high", "High and critical", "alerts",
          now->level[LEVEL_HIGH] + now->level[LEVEL_CRITICAL],
          was->level[LEVEL_HIGH] + was->level[LEVEL_CRITICAL] },
        { "logins_failed", "Failed logins recorded", "events", now->class[CLASS_FAILED],
          was -> class[CLASS_FAILED] },
        { "logins_good", "Good logins recorded", "events", now->class[CLASS_GOOD],
          was -> class[CLASS_GOOD] },
        { "bans", "Bans", "bans", now->banned, was->banned },
        { "bans_dry", "Bans of a dry run", "bans", now->ban_dry, was->ban_dry },
        { "privileges", "Changes of privileges", "events", now->class[CLASS_PRIVILEGE],
          was -> class[CLASS_PRIVILEGE] },
        { "accounts", "Changes of accounts", "events", now->class[CLASS_ACCOUNT],
          was -> class[CLASS_ACCOUNT] },
        { "blind", "Blind spots", "", now->troubles, was->troubles },
        { "undelivered", "Messages given up", "messages", now->dead, was->dead },
    };

    doc_section(d, "summary", "At a glance");
    doc_figures(d, "figures", "",
                d->alone ? "The trail does not reach back over the whole "
                           "period before: nothing is compared."
                         : "Compared with the period of the same length "
                           "before.");
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        doc_figure(d, rows[i].name, rows[i].label, (double)rows[i].now, rows[i].unit,
                   (double)rows[i].was);
}

static void course(struct making *m)
{
    const struct survey *e = &m->survey;
    struct doc *d = &m->doc;
    struct slice *labels = arena_array(m->arena, e->nbuckets + 1, sizeof *labels);
    bool hours = e->nbuckets > 1 && e->bounds[2 <= e->nbuckets ? 2 : 1] - e->bounds[1] <
                                        UINT64_C(23) * 3600 * USEC_PER_SEC;

    for (size_t i = 0; labels && i < e->nbuckets; i++) {
        AUTO_BUF b = BUF_INIT;

        buf_when(&b, e->bounds[i], m->zone, hours ? DOC_MINUTE : DOC_DAY);
        labels[i] = doc_keep(d, slice_skip(buf_view(&b), 5)); /* without the year */
    }
    if (!labels) {
        d->failed = true;
        return;
    }
    doc_chart(d, "course_alerts", "Alerts", CHART_BARS, labels, e->nbuckets, "alerts");
    doc_series(d, "alerts", e->series[SERIES_ALERTS]);
    doc_chart(d, "course_logins", "Logins recorded", CHART_LINE, labels, e->nbuckets, "events");
    doc_series(d, "failed", e->series[SERIES_FAILED]);
    doc_series(d, "good", e->series[SERIES_GOOD]);
}

static void provisioning(struct making *m)
{
    const struct ev_totals *now = &m->survey.now, *was = &m->survey.before;
    uint64_t all = now->class[CLASS_PROVISIONED] + now->class[CLASS_PROVISION_FAILED];
    struct doc *d = &m->doc;

    doc_section(d, "provisioning", "Provisioning");
    doc_figures(d, "provisioned", "", "As far as channels record each event (`audit: all`).");
    doc_figure(d, "provision_ok", "Done", (double)now->class[CLASS_PROVISIONED], "events",
               (double)was->class[CLASS_PROVISIONED]);
    doc_figure(d, "provision_failed", "Failed", (double)now->class[CLASS_PROVISION_FAILED],
               "events", (double)was->class[CLASS_PROVISION_FAILED]);
    doc_figure(d, "provision_share", "Success",
               all ? 100.0 * (double)now->class[CLASS_PROVISIONED] / (double)all : NAN, "percent",
               NAN);
}

int kind_security(struct making *m)
{
    struct doc *d = &m->doc;

    summary(m);
    course(m);
    doc_section(d, "alerts", "Alerts");
    show_alerts(m);
    doc_section(d, "logins", "Logins");
    show_logins(m);
    show_sources(m, 20);
    show_lockouts(m);
    doc_section(d, "bans", "Bans");
    show_bans(m);
    doc_section(d, "changes", "Accounts, privileges, administration");
    show_accounts(m);
    show_admin(m);
    provisioning(m);
    doc_section(d, "inputs", "Channels");
    show_inputs(m);
    doc_section(d, "messages", "Messages");
    show_messages(m);
    show_reviews(m);
    doc_section(d, "trail", "Evidence");
    show_failures(m);
    show_trail(m);
    return 0;
}
