/*
 * One syslog message: the header of RFC 5424, or that of RFC 3164 as programs
 * really write it, and the text behind it.
 *
 *     <34>1 2003-10-11T22:14:15.003Z host app 812 ID47 [sd@1 a="b"] text
 *     <34>Oct 11 22:14:15 host app[812]: text      most daemons over the network
 *     <34>Oct 11 22:14:15 app[812]: text           syslog(3) to a local socket
 *     <34>2003-10-11T22:14:15Z host app[812]: text rsyslog, Go
 *     <34>app: text, <34>text                      Python
 *
 * A header of RFC 5424 is taken whole or not at all. In the older one each
 * part may be missing, and where it is not sure that words belong to the header
 * they stay in the text: text that a rule looks for must not get lost in a host
 * name. What has neither header stays as it is. All results point into the
 * message; no part of a header is more than the sender's claim.
 */
#pragma once

#include "base/slice.h"

struct syslog_message {
    struct slice text; /* without what ends a message: NUL, LF, CR */
    struct slice host, app; /* printable ASCII; empty when not told */
    uint64_t time_us; /* a time without zone is read as UTC; 0 = none */
    uint64_t pid; /* 0 = none */
    int priority; /* severity 0..7; -1 = none */
};

/* received_us decides about the year that RFC 3164 leaves out. */
void syslog_message_read(struct slice raw, uint64_t received_us, struct syslog_message *ret);
