/*
 * Replay: files through reader and correlator, time taken from the events.
 *
 * Several files are merged by the time of their matches (equal times: in the order given), so
 * the result depends neither on block sizes nor on how many threads read. Nothing is stored, sent
 * or banned. A saved journal gives the alerts that `run` gave on it, with the same ids.
 */
#pragma once

#include "logwatch/config.h"
#include "schemas/batch.h"

struct replay_file {
    const char *path;
    const char *channel; /* NULL: found out from its first lines */
    const char *zone;
    bool journal; /* a saved journal: one file, or a folder of them; needs a channel */
    const char *const *units; /* of a journal; ends with NULL; NULL = all */
};

/* A file of the systemd journal, by its first bytes. False also when it cannot be read. */
bool replay_is_journal(const char *path);

struct replay_stats {
    uint64_t lines, bytes, events, parsed, unparsed, matches, alerts, regex_limits;
    uint64_t first_us, last_us;
};

struct replay_request {
    const struct engine *engine;
    const struct replay_file *files;
    size_t nfiles;
    struct geo *geo; /* may be NULL */
    size_t block_bytes; /* 0 = 256 KiB */
    unsigned workers; /* threads beside the caller's; none when `event` is asked for */
    size_t groups_max; /* 0 = 100,000 */
    int (*alert)(void *ctx, const struct alert *alert); /* in order; non-zero stops */
    void (*event)(void *ctx,
                  const struct event *ev); /* each, in order, before the rules; may be NULL */
    void (*progress)(void *ctx, uint64_t bytes, uint64_t lines);
    void (*notice)(void *ctx, const char *path, const struct notice *n);
    void (*file)(void *ctx, const char *path, struct slice channel); /* what a file was taken for */
    void *ctx;
};

int replay_run(const struct replay_request *q, struct replay_stats *ret_stats, struct err *err);
