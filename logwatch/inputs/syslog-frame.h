/*
 * Messages of a stream of bytes (RFC 6587): "LENGTH SP MESSAGE", or lines
 * that end with LF, CR LF or NUL. Each message is told apart anew: a count is
 * 1 to 9 digits, the first no 0, then a blank and the '<' of the message.
 *
 * Works on what the caller has: all bytes behind the last message, in order.
 * How they came in parts makes no difference. A message never needs more than
 * FRAME_ROOM(max) bytes at once: of longer ones the first max are given, the
 * rest is dropped as it comes.
 */
#pragma once

#include "base/slice.h"

#define FRAME_ROOM(max) ((max) + 16)

/* What one stream remembers between calls; zeroed at its beginning. */
struct syslog_framer {
    uint64_t skip; /* bytes of a counted message still to be dropped */
    bool skip_line; /* up to the end of the line */
    size_t scanned; /* so many bytes hold no end of line */
};

struct syslog_frame {
    size_t used; /* bytes that are done with, also when there is no message */
    struct slice text;
    bool cut; /* only the first max bytes */
    bool partial; /* the stream ended in it */
    bool counted; /* with a length in front */
};

/* `end`: nothing more will come. */
bool syslog_frame_next(struct syslog_framer *f, struct slice bytes, size_t max, bool end,
                       struct syslog_frame *ret);

/* Inside a message that was begun, `rest` is what was not used of the bytes. */
static inline bool syslog_frame_open(const struct syslog_framer *f, size_t rest)
{
    return rest || f->skip || f->skip_line;
}
