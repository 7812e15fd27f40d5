/* Between replay.c, which says what is played, and replay-against.c, which compares two rule sets.
 */
#pragma once

#include "logwatch/commands/common.h"
#include "logwatch/replay.h"

struct playlist {
    struct arena *arena;
    struct replay_file *files;
    size_t n;
    const char *unit[2]; /* of --unit; ends with NULL */
};

/* Values of the group with blanks between, for people. */
void replay_group(const struct alert *a, struct buf *out);
/* Threads for --workers; EXIT_USAGE with the text on stderr. */
int replay_workers(const struct cli *cli, unsigned *ret);
void replay_notice(void *ctx, const char *path, const struct notice *n);

/* The same input under the rules of `e` and under those of --against: what differs. */
int replay_against(struct cli *cli, const struct config *c, const struct engine *e,
                   const struct playlist *list);
