/*
 * A sample alert, for who tests a receiver: a document as the outbox has them
 * (schemas/alert.json), with every part a real one has, and clearly a test in its
 * title, its description and why it is sent. All names in it are those that
 * documents may use (RFC 5737, RFC 2606).
 */
#pragma once

#include "base/slice.h"

/* id: makes it another alert than the tests before. False: no memory. */
bool notify_sample(const uint8_t id[16], uint64_t now_us, struct buf *out);
