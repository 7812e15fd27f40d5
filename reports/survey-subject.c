/* What is held about a person: the same question as of an erasure, asked of each personal value. */
#include "reports/survey.h"

#include "base/utf8.h"

#define SHOWN_BYTES 400 /* of a value */

/* Of an event document the line as it was read; of any other value the value. */
static struct slice shown(struct survey *e, struct slice value)
{
    struct slice rest = value.n && value.p[0] == '{' ? line_inside(value) : SLICE("");
    struct line_member m;

    while (line_next(&rest, &m))
        if (slice_is(m.key, "raw"))
            return line_text(m.raw, &e->text);
    return value;
}

static void hold(struct survey *e, const struct line_head *h, const struct ev_fields *f,
                 struct slice name, struct slice value)
{
    struct ev_held *held = ev_held(e);

    if (!held)
        return;
    *held = (struct ev_held){ .index = h->index,
                              .us = h->us,
                              .type = ev_keep(e, h->type),
                              .channel = ev_keep(e, fields_get(f, "channel")),
                              .name = ev_keep(e, name),
                              .text = ev_keep(e, utf8_cut(shown(e, value), SHOWN_BYTES)) };
}

/* Of several events in one value only those in which the person occurs. */
static void hold_events(struct survey *e, const struct line_head *h, const struct ev_fields *f,
                        struct slice name, struct slice events)
{
    struct slice rest = line_inside(events);
    struct line_member m;

    while (line_item(&rest, &m))
        if (audit_subject_in(&e->subject, SLICE_NONE, m.raw))
            hold(e, h, f, name, m.raw);
}

void survey_subject(struct survey *e, const struct line_head *h, const struct ev_fields *f)
{
    struct slice personal = f->personal, rest, pair;
    struct line_member pii, m, salt, value;
    bool any = false;

    if (!line_next(&personal, &pii) || !slice_is(pii.key, "pii"))
        return;
    rest = line_inside(pii.raw);
    while (line_next(&rest, &m)) {
        struct slice text;

        pair = line_inside(m.raw);
        if (!line_item(&pair, &salt) || !line_item(&pair, &value))
            continue;
        text = line_text(value.raw, &e->doc);
        if (!audit_subject_in(&e->subject, m.key, text))
            continue;
        any = true;
        if (slice_is(m.key, "events"))
            hold_events(e, h, f, m.key, text);
        else
            hold(e, h, f, m.key, text);
    }
    if (!any)
        return;
    e->held_entries++;
    e->held_first_us = e->held_first_us ? e->held_first_us : h->us;
    e->held_last_us = h->us;
}
