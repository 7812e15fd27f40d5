/*
 * How urgent a level is in the words of each receiver: the one table of that.
 */
#pragma once

#include "notifiers/message.h"

struct severity {
    const char *name; /* as Sigma and we say it */
    const char *mark; /* a sign that people see first */
    unsigned syslog; /* RFC 5424, 6.2.1 */
    const char *pagerduty; /* Events v2: critical, error, warning, info */
    const char *opsgenie; /* P1 to P5 */
    unsigned ntfy; /* 5 (max) to 1 (min) */
    bool silent; /* no sound at the receiver */
    unsigned colour; /* 0xRRGGBB */
    const char *card; /* colours of Adaptive Cards */
};

/* Of the message's level; of medium when it is unknown. */
const struct severity *severity_of(const struct message *m);
