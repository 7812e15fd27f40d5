#include "notifiers/outbox-folder.h"

#include <stdio.h>

#include "base/file.h"

/* The key comes from us, but a file name is a file name. */
static bool safe_name(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_", s.p[i]) ||
            !s.p[i])
            return false;
    return s.n > 0 && s.n < 100;
}

void folder_deliver(const char *folder, const char *suffix, const struct delivery *d,
                    struct slice content, struct delivery_result *ret)
{
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    buf_printf(&path, "%s/%.*s%s", folder, SLICE_FMT(d->key), suffix);
    ret->state = DELIVERY_RETRY;
    if (!safe_name(d->key) || !buf_ok(&path)) {
        ret->state = DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "this key is no file name");
    } else if (dir_make(-1, folder, 0750, &err) < 0 ||
               file_replace(-1, path.p, content, 0640, &err) < 0) {
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        ret->state = DELIVERY_SENT;
        snprintf(ret->status, sizeof ret->status, "written to %.140s", path.p);
    }
}
