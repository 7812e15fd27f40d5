/* notify route: what is asked, and who says it. */
#pragma once

#include "logwatch/commands/common.h"

struct tracing {
    struct cli *cli;
    const struct config *config;
    uint64_t at_us;
    struct arena *arena;
    struct alert alert;
    struct slice incident;
    bool by_rule; /* it names its receivers itself */
    bool reached; /* some route took it, and no later one is asked */
    const struct route **told_by; /* of each sink */
    bool *told; /* of each sink */
    size_t ntold;
    const struct maintenance *maintenance;
};

/* What becomes of one alert: as text, or as one line of JSON. */
void trace_text(struct tracing *t, struct buf *out);
void trace_json(struct tracing *t, struct buf *out);
/* All routes, the same way. */
void routes_tree(const struct config *c, bool utf8, struct buf *out);
void routes_json(const struct config *c, struct buf *out);
