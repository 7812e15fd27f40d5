/* Between explain.c, which feeds the lines, and explain-show.c, which tells of the last one. */
#pragma once

#include "logwatch/commands/explain.h"

#define EARLIER_MAX 1000 /* alerts of lines before the last one */

/* An alert of an earlier line. */
struct earlier {
    size_t line, rule;
    uint64_t time_us;
    const char *group; /* as buf_group() has it */
};

struct explaining {
    struct cli *cli;
    struct rules_view view;
    const struct engine *engine;
    const struct config *config; /* NULL: nobody is told */
    struct config *extra; /* --config beside --rules */
    struct rules_scratch *scratch;
    struct parser_scratch *parser;
    struct parser_source source;
    struct correlator *correlator;
    struct geo *geo;
    struct arena *arena; /* of the line at hand */
    struct batch batch; /* what the last line came to */
    struct event event;
    struct seen seen;
    struct earlier earlier[EARLIER_MAX];
    size_t nearlier, lines, only;
    struct buf out;
    struct json_writer w;
    bool json;
    bool colour;
};

/* "203.0.113.5, root": as buf_group() has it. */
void explain_group(const struct alert *a, struct buf *out);
int explain_show(struct explaining *x);
