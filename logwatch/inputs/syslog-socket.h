/*
 * Where syslog is heard: "udp:0.0.0.0:514", "tcp:[::1]:6514", "unix:/run/x/log".
 *
 * Addresses only: a name would be looked up at a moment when nobody can answer.
 * [::] hears IPv4, too. Port 0 is any free one.
 *
 * The socket never blocks and carries what the reading side cannot set any
 * more: time of arrival, count of what the kernel dropped, sender's credentials
 * (unix), keep-alive (TCP; connections inherit it).
 */
#pragma once

#include "base/err.h"
#include "base/ip.h"

enum syslog_transport { SYSLOG_UDP, SYSLOG_TCP, SYSLOG_UNIX };

struct syslog_place {
    enum syslog_transport transport;
    struct ip ip;
    uint16_t port;
    struct slice path; /* points into the text that was read */
};

int syslog_place_read(struct slice text, struct syslog_place *ret, struct err *err);
/* "udp 0.0.0.0:514": the same for two spellings of one place. */
void syslog_place_text(const struct syslog_place *at, struct buf *out);
/* A file of a unix socket on which nobody hears is replaced; any other file is not. */
int syslog_listen(const struct syslog_place *at, unsigned mode, int *ret_fd, struct err *err);
/* "0660"; -EINVAL */
int syslog_mode_read(struct slice text, unsigned *ret, struct err *err);
