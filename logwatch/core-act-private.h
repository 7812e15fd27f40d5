/* Private to acts: core-act.c knows all of them, core-act-bans.c those about bans. */
#pragma once

#include "logwatch/core-private.h"

struct act {
    struct core *core;
    const struct core_actor *actor;
    const struct json *request;
    const char *name;
    struct slice by, comment;
    struct incident *incident;
    struct slice alert_id; /* empty: the id was an incident's */
    struct slice document; /* of the newest alert that the id names */
    uint64_t number; /* of what was made or changed; 0 = none */
    struct buf text; /* the answer */
    struct buf list; /* JSON array: each ban, and what became of it; empty: none */
    struct buf counts; /* JSON members: how many of them; empty: none */
    bool refused;
    struct err *err;
};

/* What is asked for is not done, and why. Always 0. */
int act_refuse(struct act *a, const char *format, ...) PRINTF_LIKE(2, 3);
/* The incident and alert that the request's `id` names; a->refused when it names none, or several.
 */
int act_find_incident(struct act *a);

/* The same by an id that stands elsewhere. */
int act_find_alert(struct act *a, struct slice id);

int act_unban(struct act *a);
int act_ban_add(struct act *a);
int act_ban_remove(struct act *a);
int act_ban_sync(struct act *a);
