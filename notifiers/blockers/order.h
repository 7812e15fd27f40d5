/* A ban order, read from its document and judged once more, whoever wrote it. */
#pragma once

#include "base/ip.h"
#include "notifiers/sink.h"

struct ban_order {
    struct ip address;
    uint64_t for_s;
    bool dry_run; /* say what would be done, and do nothing */
    bool unban; /* the ban is taken back */
    struct slice rule, id, title;
};

/* false: ret says why this address is not banned (DEAD). */
bool ban_order_read(const struct delivery *d, const struct option_strs *allow,
                    struct ban_order *ret_order, struct delivery_result *ret);
/* All entries are networks. */
int allow_check(const struct option_strs *allow, struct err *err);
