/*
 * Telling: from an alert to rows of the outbox. Who hears of it (routes), who does not and why
 * (silence, acknowledgement, maintenance, inhibition), how soon and together with what (groups,
 * repeats, quiet hours, rates of rules), who is asked next (escalation), and who hears of its end.
 *
 *     core_tell_alert()   rows for one new alert; its incident
 *     core_tell_end()     rows for those who were told, because it is over
 *     core_tell_tick()    incidents that are over by themselves
 *
 * A row that is held back is in the outbox as well, with the reason: so "why was I not told" has an
 * answer. Nothing here is in memory only: a restart goes on from the outbox.
 */
#pragma once

#include "audit/audit.h"
#include "logwatch/config.h"
#include "logwatch/core-people.h"

struct core_tell;

int core_tell_new(const struct config *c, struct store *store, struct audit *audit,
                  struct core_people *people, struct core_tell **ret_tell, struct err *err);
void core_tell_free(struct core_tell *t);
DEFINE_AUTO(core_tell)
/* What open incidents hold back: once, with the first batch open. */
int core_tell_load(struct core_tell *t, struct err *err);
void core_tell_begin(struct core_tell *t, struct batch *b);

/* id: the alert's in hex, document: its JSON; both live in the batch's arena. */
int core_tell_alert(struct core_tell *t, const struct alert *alert, struct slice id,
                    struct slice document, struct err *err);
/*
 * The incident's state says how it ended (CLOSED or RESOLVED); `why` is the sentence for people.
 * Receivers that heard of it hear this once. The entry is the caller's.
 */
int core_tell_end(struct core_tell *t, const struct incident *i, struct slice why, struct err *err);
int core_tell_tick(struct core_tell *t, uint64_t now_us, struct err *err);
uint64_t core_tell_due_us(const struct core_tell *t);

/* "document" with members for receivers: why it is sent, and of which incident. In the arena. */
struct tell_notice {
    const char *reason; /* as message.notice */
    bool over;
    struct slice why, incident; /* may be empty */
};
int core_tell_document(struct arena *a, struct slice document, const struct tell_notice *n,
                       struct slice *ret);
#define OUTBOX_EXPIRES_US (UINT64_C(72) * 3600 * USEC_PER_SEC)
