/* The last look at an address before something is done to it. */
#include "notifiers/blockers/order.h"

#include <errno.h>
#include <stdio.h>

#define BAN_MAX_S (10ull * 365 * 86400) /* longer is a mistake */

int allow_check(const struct option_strs *allow, struct err *err)
{
    struct cidr c;

    for (size_t i = 0; i < allow->n; i++)
        if (cidr_parse(slice_str(allow->items[i]), &c, err) < 0) {
            if (err)
                err->at = allow->at[i];
            return -EINVAL;
        }
    return 0;
}

static const char *allowed(const struct option_strs *allow, const struct ip *ip)
{
    struct cidr c;

    for (size_t i = 0; i < allow->n; i++)
        if (cidr_parse(slice_str(allow->items[i]), &c, NULL) == 0 && cidr_has(&c, ip))
            return allow->items[i];
    return NULL;
}

bool ban_order_read(const struct delivery *d, const struct option_strs *allow,
                    struct ban_order *ret_order, struct delivery_result *ret)
{
    struct ban_order o = { .rule = json_text(d->document, "rule"),
                           .id = json_text(d->document, "id"),
                           .title = json_text(d->document, "title"),
                           .dry_run = json_bool(d->document, "dry_run", false),
                           .for_s = json_u64(d->document, "for_s", 0) };
    struct slice action = json_text(d->document, "action");
    const char *network;

    o.unban = slice_is(action, "unban");
    ret->state = DELIVERY_DEAD;
    if (!slice_is(d->kind, "ban") || (!o.unban && !slice_is(action, "ban")) ||
        ip_parse(json_text(d->document, "address"), &o.address) < 0 || (!o.unban && o.for_s == 0) ||
        o.for_s > BAN_MAX_S) {
        snprintf(ret->status, sizeof ret->status, "refused: this is no ban order");
        return false;
    }
    if (o.unban) { /* never refused: whoever is in by mistake must get out */
        *ret_order = o;
        return true;
    }
    if (ip_is_special(&o.address)) {
        snprintf(ret->status, sizeof ret->status, "refused: a special address is never banned");
        return false;
    }
    network = allowed(allow, &o.address);
    if (network) {
        snprintf(ret->status, sizeof ret->status, "refused: allowed by %.100s", network);
        return false;
    }
    *ret_order = o;
    return true;
}
