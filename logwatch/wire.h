/*
 * What the roles say to one another: one table of messages, who may send them
 * to whom and how long they may be; and how a reader's result crosses.
 *
 * The reader works on hostile bytes, so the core believes nothing of a frame
 * but what it has checked: lengths, numbers of inputs and rules, names of
 * notices, JSON that is JSON. A frame with a fault ends that reader, never
 * the core.
 */
#pragma once

#include "base/ipc.h"
#include "logwatch/reader.h"

enum role {
    ROLE_PARENT,
    ROLE_READER,
    ROLE_CORE,
    ROLE_SENDER,
    ROLE_BLOCKER,
    ROLE_RESOLVER,
    ROLE_FORWARDER,
};
const char *role_name(enum role r);

enum message {
    /* Frames between reader and core. */
    MESSAGE_BEGIN = 1, /* cursors of all inputs: read on from here */
    MESSAGE_TICK, /* are you there? a number */
    MESSAGE_RESULT, /* of one block */
    MESSAGE_QUIET, /* nothing to read now; 1 = and nothing is held back */
    MESSAGE_TOCK, /* the number of the tick, sent behind all that was read before */
    /* Notes between parent and core. */
    MESSAGE_ATTACH, /* with a descriptor: a reader or sender was started; role, index, reason */
    MESSAGE_STOP, /* commit what came and end */
    MESSAGE_PING, /* a number */
    MESSAGE_TELL, /* an entry of our own life: type, members */
    MESSAGE_ACT, /* what a person wants: user, JSON; with the line to answer on */
    MESSAGE_READY, /* state and trail are open */
    MESSAGE_PONG, /* its number, the newest tock's number, 1 = waits for a commit */
    MESSAGE_DONE, /* `once`: all was read, committed and delivered */
    MESSAGE_HOPELESS, /* errno and text: why only the operator can help; `run` ends with them */
    MESSAGES
};

/* Largest body of a message of this type that `to` takes from `from`; 0 = it is not for it. */
size_t message_limit(unsigned type, enum role from, enum role to);

/* All inputs of the configuration in one numbering, that of the file. */
size_t inputs_count(const struct config *c);
struct config_input *inputs_at(const struct config *c, size_t i); /* NULL behind the last */
size_t inputs_index(const struct config *c, const struct config_input *in);

int wire_put_result(struct buf *out, const struct config *c, const struct reader_result *r);
/*
 * The result lives in the arena and borrows from `body`. -EPROTO with what is
 * wrong: it can only come from a reader that is not ours any more. -ENOMEM.
 */
int wire_get_result(struct slice body, const struct config *c, struct arena *a,
                    struct reader_result *ret, struct err *err);

int wire_put_note(struct buf *out, const char *type, struct slice members);
int wire_get_note(struct slice body, struct arena *a, const char **ret_type,
                  struct slice *ret_members, struct err *err);
