/*
 * Entries: what of alerts, events, deliveries and bans goes into the trail, and which part of it
 * can be erased later.
 *
 * What names a person goes behind the TAB of its line (docs/trail.md): the raw text always, values
 * of fields when the field is personal: those that the dictionary says (schemas/fields.yaml), those
 * that the dictionary does not know, and what `trail: {personal, public}` say otherwise.
 *
 * Everything is copied into the batch's arena. -ENOMEM is the only failure.
 */
#pragma once

#include "logwatch/config.h"
#include "logwatch/core.h"

/* A copy of what was written, in the arena. */
bool entry_keep(struct arena *a, const struct buf *b, struct slice *ret);

bool entry_is_personal(const struct config *c, struct slice field);

/* One more personal value of the entry; an empty one is none. Both live in the batch's arena. */
bool entry_personal(struct batch *b, struct entry *e, struct slice name, struct slice value);

/* A text without the address, which belongs to the personal values. */
void entry_mask(struct buf *out, struct slice text, struct slice address);

int entry_of_alert(struct batch *b, const struct config *c, const struct alert *alert);
/* Of a channel that says `audit: all`. */
int entry_of_event(struct batch *b, const struct event *ev);
int entry_of_delivery(struct batch *b, const struct core_delivery *d);
/* `id`: the alert's, in hex. */
int entry_of_refused_ban(struct batch *b, const struct alert *alert, struct slice id,
                         const char *why);
