/*
 * Who may send, and how fast. One bucket of tokens for each sender, filled by
 * `rate` a second up to one second's worth.
 *
 * The table of senders holds SENDERS_MAX; who was silent longest goes first.
 * A stranger who forges addresses gets a fresh bucket for each, so this keeps
 * one runaway program from crowding out the others; what keeps a flood from
 * filling the memory is the socket's buffer.
 */
#pragma once

#include "base/ip.h"
#include "base/option.h"

#define SENDERS_MAX 4096

struct senders;

/* allowed: addresses and networks, none = everybody. rate 0 = no limit. */
int senders_new(const struct option_strs *allowed, uint64_t rate, struct senders **ret,
                struct err *err);
void senders_free(struct senders *s);
DEFINE_AUTO(senders)

bool senders_allow(const struct senders *s, const struct ip *ip);
/* One message at that time. False = it is too fast. family 0: the bytes are any other identity. */
bool senders_take(struct senders *s, const struct ip *ip, uint64_t now_us);
size_t senders_count(const struct senders *s);
