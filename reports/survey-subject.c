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

static void hold(struct survey *e, const struct line_head *h, struct ev_fields *f,
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
static void hold_events(struct survey *e, const struct line_head *h, struct ev_fields *f,
                        struct slice name, struct slice events)
{
    struct slice rest = line_inside(events);
    struct line_member m;

    while (line_item(&rest, &m))
        if (audit_subject_in(&e->subject, SLICE_NONE, m.raw))
            hold(e, h, f, name, m.raw);
}

void survey_subject(struct survey *e, const struct line_head *h, struct ev_fields *f)
{
    bool any = false;

    fields_open(f);
    for (size_t i = 0; i < f->npii; i++) {
        struct slice name = f->pii[i].name, text = line_text(f->pii[i].value, &e->doc);

        if (!audit_subject_in(&e->subject, name, text))
            continue;
        any = true;
        if (slice_is(name, "events"))
            hold_events(e, h, f, name, text);
        else
            hold(e, h, f, name, text);
    }
    if (!any)
        return;
    e->held_entries++;
    e->held_first_us = e->held_first_us ? e->held_first_us : h->us;
    e->held_last_us = h->us;
}
