/*
 * Private to the sender: what crosses the line between the core (sender.c) and the process of a
 * receiver (sender-child.c). One packet each: SOCK_SEQPACKET keeps the boundary.
 */
#pragma once

#include "logwatch/sender.h"

#define MESSAGE_MAX (160 * 1024)

/* To the receiver: a header and its texts. */
enum order_text {
    ORDER_KEY,
    ORDER_KIND,
    ORDER_DOCUMENT,
    ORDER_CHECKPOINT,
    ORDER_REMOTE,
    ORDER_TEXTS
};
struct order {
    uint64_t row; /* of an answer to an act: the act's number */
    uint32_t attempt; /* the same: 1 = it was done */
    uint32_t n[ORDER_TEXTS];
};
#define KIND_ANSWER "answer" /* to an act: the document is the text for the person */

/* From the receiver: how a row went, or what a person wants (state ANSWER_ACT, a struct sink_act
 * behind it). */
#define ANSWER_ACT (-1)
struct answer {
    uint64_t row;
    uint64_t retry_after_us;
    int32_t state;
    int32_t broken;
    char status[160];
    char remote[80];
    uint64_t size; /* of an anchor, as what follows */
    int32_t said;
    uint32_t reply_n; /* bytes behind this */
};
#define ANSWER_MAX (sizeof(struct answer) + REPLY_MAX)
