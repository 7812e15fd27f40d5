/*
 * Uplink: a connection over TCP or TLS on which bytes go out and nothing is answered.
 *
 * TLS is 1.2 at least, the peer must prove its name, ours may be proved by a certificate, and the
 * end is told (close_notify). Everything has a deadline. Nothing is known of what became of bytes
 * that the peer's kernel took: uplink_write() waits until it did, no more.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

struct uplink;

struct uplink_settings {
    const char *host;
    uint16_t port;
    bool tls;
    const char *ca_file, *cert_file, *key_file; /* may be NULL */
    const char *peer_name; /* that the certificate must have; NULL: the host */
    uint64_t timeout_us; /* of connecting, and of each write */
};

int uplink_open(const struct uplink_settings *s, struct uplink **ret, struct err *err);
/* All of it, taken by the peer's kernel; else the stream is of no use any more. */
int uplink_write(struct uplink *st, struct slice bytes, struct err *err);
/* Has the peer gone? What it says is read and thrown away. */
bool uplink_ended(struct uplink *st);
void uplink_free(struct uplink *st); /* says good-bye; takes NULL */
DEFINE_AUTO(uplink)

/* A connected socket: SOCK_STREAM or SOCK_DGRAM. */
int uplink_connect(const char *host, uint16_t port, int type, uint64_t timeout_us, int *ret_fd,
                   struct err *err);
