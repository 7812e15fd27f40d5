/* How far behind the receivers of entries are, for `status`. */
#pragma once

#include "logwatch/commands/common.h"
#include "store/store.h"

/* `entries`: of the trail. One line each; nothing without any. */
int status_forward_text(struct cli *cli, const struct config *c, struct store *store,
                        uint64_t entries, struct err *err);
/* The member `forward`, an array; nothing without any. */
int status_forward_json(struct json_writer *w, const struct config *c, struct store *store,
                        uint64_t entries, struct err *err);
