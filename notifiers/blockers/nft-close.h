/*
 * Connections that are open when their address is banned: forgotten by programs of these names.
 *
 *     conntrack   the kernel's table of connections (conntrack -D -s ADDRESS)
 *     ss          our own sockets (ss -K dst ADDRESS)
 *
 * The ban drops their packets in any case; this frees what they hold. It is done for so many of a
 * batch, with a deadline, and its failure is no failure of the ban.
 */
#pragma once

#include "base/option.h"
#include "schemas/ban.h"

int nft_close_check(const struct option_strs *names, struct err *err);
void nft_close(const struct option_strs *names, const struct ban_request *q,
               const struct ban_result *ret, size_t n);
