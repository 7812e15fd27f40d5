/*
 * Time stamps (RFC 3161): what to ask an authority, and whether its answer holds. By OpenSSL.
 *
 * An answer is judged against the certificates of a file of the operator's, never against the
 * system's: who may stamp is a choice. Both sides of it are bytes of strangers, so the process
 * that asks is the one that judges, and nothing that holds keys reads an answer.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

#define TIMESTAMP_MAX (24 << 10) /* of an answer; they are a few KiB with all certificates */

/* A request (DER) for the SHA-256 of something; it asks for the certificates, too. */
int timestamp_request(const uint8_t digest[32], struct buf *out, struct err *err);
/*
 * Is the reply (DER) an answer to this request, by somebody whom the certificates of ca_file
 * vouch for? -EBADMSG: it is no reply. -EACCES: the authority refused. -EKEYREJECTED: it does not
 * fit. ret_time_us: when the authority says it was.
 */
int timestamp_check(struct slice request, struct slice reply, const char *ca_file,
                    uint64_t *ret_time_us, struct err *err);
