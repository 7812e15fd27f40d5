/* A document of the outbox as plain text: what a person is told, whatever the receiver. */
#pragma once

#include "notifiers/message.h"

/*
 * Makes the message of a document and writes it. -EINVAL: the document is none (an
 * anchor's); then nothing is written.
 */
int message_text(struct slice document, const char *host, struct arena *a, struct buf *out);
/* "Counted 6 within 5m; the threshold is 5." Empty when the document is no message. */
struct slice message_why(struct slice document, struct arena *a);
