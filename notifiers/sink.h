/*
 * Sink: one kind of receiver. What leaves goes through the outbox and then
 * through one of these; a sink keeps nothing that must survive.
 *
 * A sink sees only the document in the outbox row (schemas/alert.json),
 * never logs or the store. It renders, sends, and says how it went. It may block up
 * to its own deadline: the sender calls it from its own process or thread.
 */
#pragma once

#include "base/json.h"
#include "base/option.h"
#include "schemas/batch.h"

struct sink;
struct template;

struct delivery {
    struct slice key; /* fixed for all attempts: receivers can recognise a repeat */
    struct slice kind; /* "notify", "anchor" */
    struct slice first_remote; /* the receiver's id of its first message about this incident, to be
                                  edited or answered; empty: there is none */
    const struct json *document;
    struct slice text; /* the document as written */
    unsigned attempt; /* 1.. */
    uint64_t now_us;
    struct slice checkpoint; /* newest signed note of the trail; may be empty */
    const char *host; /* our name */
    const struct template *text_template; /* the operator's words for people; NULL: ours */
};

/* What somebody who keeps checkpoints said about ours. */
enum anchor_said {
    ANCHOR_NOTHING,
    ANCHOR_HOLDS, /* it has it; `reply` may prove that */
    ANCHOR_SIZE, /* a witness: the last one it saw was of `size` entries */
    ANCHOR_REFUSES, /* a witness: ours does not continue what it saw */
};

struct delivery_result {
    enum delivery_state state; /* SENT, RETRY, DEAD; HELD: nobody was told, as configured */
    bool broken; /* DEAD, and so would any other message be: a token revoked, a hook removed */
    uint64_t retry_after_us; /* the receiver's wish; 0 = our back-off */
    char status[160]; /* printable, no secrets */
    char remote[80]; /* message id of the receiver */
    enum anchor_said said; /* anchors only, as what follows */
    uint64_t size;
    struct buf reply; /* lines of a witness, a time stamp; the caller frees it */
};
#define REPLY_MAX (24 << 10)

/* What the receiver's own documents say it takes; the configuration may say otherwise. */
struct sink_pace {
    unsigned burst; /* messages at once; 0 = no limit */
    uint64_t every_us; /* one more after this long */
    unsigned digest_over; /* more than so many that wait become one message; 0 = never: a program
                             reads them */
};

/* What a person pressed or wrote at the receiver. */
struct sink_act {
    char verb[16]; /* as in schemas/incident.h: "ack", "silence.add", "unban" */
    char id[40];
    uint32_t for_s; /* of a silence */
    char who[80]; /* whom the receiver says it was, and whom the configuration allows */
    char place[128]; /* the sink's own: where the answer belongs */
};

struct sink_ops {
    const char *name; /* the word after `type:` */
    const char *summary; /* one line for `trailwarden help notifiers` */
    const struct option *options; /* ends with { 0 } */
    size_t state_size;
    bool runs_programs; /* of the operator's choice: its process keeps its rights */
    bool loads_libraries; /* while it works */
    bool stays_here; /* never reaches for the network */

    struct sink_pace pace; /* all zero: no limit, no digests */

    /* After the options were loaded; checks what tables cannot. NULL: nothing to do. */
    int (*open)(struct sink *s, struct err *err);
    /* Always fills the result; a failure of ours is a RETRY with its text. */
    void (*deliver)(struct sink *s, const struct delivery *d, struct delivery_result *ret);
    void (*close)(struct sink *s); /* also after a failed open */

    /*
     * Optional: people can act there (`listens` says whether this one is so configured). listen()
     * waits until `fd` can be read (0) or somebody acts (1, *ret filled); negative: it cannot
     * listen now, the caller waits on `fd` for the given patience and calls again. answer() says
     * what became of it; it may be late or never come.
     */
    bool (*listens)(const struct sink *s);
    int (*listen)(struct sink *s, int fd, struct sink_act *ret);
    void (*answer)(struct sink *s, const struct sink_act *act, struct slice text, bool done);
};

struct sink {
    const char *name; /* in the configuration */
    const struct sink_ops *ops;
    void *state; /* state_size bytes, filled from the options; only in its own process */
    const struct template *text; /* what the operator has people told; NULL: our words */
    bool listens; /* what ops->listens said */
};

/* The registry, in the manual's order; ends with NULL. */
extern const struct sink_ops *const sink_kinds[];
const struct sink_ops *sink_kind(struct slice name); /* NULL when unknown */
/*
 * Those that take kind "anchor": checkpoints of the trail, to be kept elsewhere. Their document is
 * made when it is handed out: {"version","origin","size","root","note"} and for a witness "old",
 * "proof" (from the tree of `old` entries on).
 */
extern const struct sink_ops *const anchor_kinds[];
const struct sink_ops *anchor_kind(struct slice name);
const char *anchor_vkey(const struct sink *s); /* of a witness; NULL for the others */

/* The document, with the trail's checkpoint as its member `checkpoint` when there is one. */
void delivery_text(const struct delivery *d, struct buf *out);

/* When to try again: full jitter, base 2 s, cap 15 min; `seed` makes it repeatable. */
uint64_t sink_backoff_us(unsigned attempts, uint64_t seed);
