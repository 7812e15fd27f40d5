/* compliance: for each control of a standard, which evidence there is. Never a score. */
#include "reports/making.h"

#include <errno.h>

#include "reports/controls.h"

static const enum report_tone tones[CONTROL_STATES] = {
    [CONTROL_EVIDENCE] = TONE_GOOD,
    [CONTROL_ATTENTION] = TONE_ATTENTION,
    [CONTROL_NOT_CONFIGURED] = TONE_QUIET,
    [CONTROL_NOT_OBSERVABLE] = TONE_QUIET,
};

struct judged {
    enum control_state state;
    struct slice why;
};

static void judge_all(struct making *m, unsigned days, struct judged *out)
{
    for (size_t i = 0; i < nqueries; i++) {
        AUTO_BUF why = BUF_INIT;

        out[i].state = queries[i].judge(m, days, &why);
        out[i].why = doc_keep(&m->doc, buf_view(&why));
        m->doc.failed = m->doc.failed || !buf_ok(&why);
    }
}

/*
 * What needs a person wins; else what there is evidence of; then what could be switched on; then
 * what cannot be seen.
 */
static enum control_state combine(const struct control *c, const struct judged *j)
{
    static const enum control_state order[] = { CONTROL_ATTENTION, CONTROL_EVIDENCE,
                                                CONTROL_NOT_CONFIGURED };

    for (size_t k = 0; k < ARRAY_SIZE(order); k++)
        for (size_t i = 0; i < nqueries; i++)
            if (c->queries & 1u << i && j[i].state == order[k])
                return order[k];
    return CONTROL_NOT_OBSERVABLE;
}

static void row(struct making *m, const struct control *c, struct judged *all,
                uint64_t counts[CONTROL_STATES])
{
    struct judged own[32];
    const struct judged *j = all;
    enum control_state state;
    AUTO_BUF why = BUF_INIT;
    AUTO_BUF from = BUF_INIT;

    if (c->days) {
        judge_all(m, c->days, own);
        j = own;
    }
    state = combine(c, j);
    counts[state]++;
    for (size_t i = 0; i < nqueries; i++)
        if (c->queries & 1u << i) {
            buf_printf(&from, "%s%s", from.n ? " " : "", queries[i].id);
            buf_printf(&why, "%s%s: %.*s", why.n ? ". " : "", queries[i].id, SLICE_FMT(j[i].why));
        }
    doc_row(&m->doc);
    doc_cell(&m->doc, slice_str(c->id));
    doc_cell(&m->doc, slice_str(c->about));
    doc_cell_tone(&m->doc, slice_str(control_state_name(state)), tones[state]);
    doc_cell(&m->doc, from.n ? buf_view(&from) : SLICE("-"));
    doc_cell(&m->doc, why.n ? buf_view(&why) : SLICE("-"));
    doc_cell(&m->doc, c->cannot[0] ? slice_str(c->cannot) : SLICE("-"));
    m->doc.failed = m->doc.failed || !buf_ok(&why) || !buf_ok(&from);
}

static void controls(struct making *m, const struct standard *s, uint64_t counts[CONTROL_STATES])
{
    static const struct doc_column columns[] = {
        { "control", "Control", REPORT_LEFT },     { "about", "About", REPORT_LEFT },
        { "state", "State", REPORT_LEFT },         { "queries", "Evidence", REPORT_LEFT },
        { "found", "What there is", REPORT_LEFT }, { "cannot", "What it cannot show", REPORT_LEFT },
    };
    struct judged judged[32];

    judge_all(m, 0, judged);
    doc_table(&m->doc, "controls", "Controls", NULL, columns, ARRAY_SIZE(columns));
    for (size_t i = 0; i < s->n; i++)
        row(m, &s->controls[i], judged, counts);
}

/* The figures come after the rows that they count: both are in the section. */
static void counted(struct making *m, const uint64_t counts[CONTROL_STATES])
{
    static const char *const labels[CONTROL_STATES] = {
        [CONTROL_EVIDENCE] = "Evidence attached",
        [CONTROL_ATTENTION] = "A person must look",
        [CONTROL_NOT_CONFIGURED] = "Not configured",
        [CONTROL_NOT_OBSERVABLE] = "Not observable here",
    };

    doc_figures(&m->doc, "states", "", "Numbers of controls, not a score.");
    for (unsigned i = 0; i < CONTROL_STATES; i++)
        doc_figure(&m->doc, control_state_name((enum control_state)i), labels[i], (double)counts[i],
                   "controls", NAN);
}

int kind_compliance(struct making *m)
{
    struct slice name = json_text(m->request, "standard");
    const struct standard *s = standard_find(name.p ? name.p : "", name.n);
    uint64_t counts[CONTROL_STATES] = { 0 };
    unsigned used = 0;

    if (!s)
        return err_set(m->err, -EINVAL, "there is no standard '%.*s'",
                       SLICE_FMT(slice_take(name, 80)));
    m->report->title = doc_printf(&m->doc, "Evidence for %s", s->title);
    doc_section(&m->doc, "controls", "Controls");
    doc_text(
        &m->doc, "meaning",
        SLICE("Each control is in one of four states: evidence (facts are attached), attention "
              "(facts that a person must look at), not-configured (it could be recorded, but is "
              "not), not-observable (this program cannot see it; the last column says what is "
              "missing). Nothing here says that a control is met, and there is no score. Ids are "
              "the standard's; the words are ours."));
    controls(m, s, counts);
    counted(m, counts);
    for (size_t i = 0; i < s->n; i++)
        used |= s->controls[i].queries;
    for (size_t i = 0; i < nqueries; i++) {
        if (!(used & 1u << i))
            continue;
        doc_section(&m->doc, queries[i].name, "");
        m->report->sections[m->report->nsections - 1].title =
            doc_printf(&m->doc, "%s %s", queries[i].id, queries[i].title);
        queries[i].show(m);
    }
    return 0;
}
