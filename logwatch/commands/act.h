/*
 * What the commands on alerts, silences and messages share: a view of the state,
 * and acts: requests to the running daemon, which makes each an entry of its trail.
 *
 *     desk_open()    configuration and a view that stays at one commit
 *     act_begin()    {"act":"ack" ... the caller adds members to `act->w`
 *     act_send()     by, comment and via; the answer is printed
 *
 * A command changes nothing itself. Without a daemon an act is refused (exit 5).
 */
#pragma once

#include "base/term.h"
#include "logwatch/commands/common.h"
#include "store/store.h"

struct desk {
    struct cli *cli;
    struct config *config;
    struct store *store; /* NULL when only the configuration was wanted */
    struct arena *arena;
    uint64_t now_us;
    struct buf line; /* of `w` */
    struct json_writer w;
};

/* An exit code; desk_fini() in any case. `view`: the store, too. */
int desk_open(struct desk *d, struct cli *cli, bool view);
void desk_fini(struct desk *d);
/* The view anew, at the newest commit. An exit code. */
int desk_look_again(struct desk *d);
/* The id of the rule with this id, name or title; the text itself when none that is loaded has. */
struct slice desk_rule(const struct desk *d, const char *text);
/* How people call it: its title; the id itself when it is not loaded. */
struct slice desk_rule_title(const struct desk *d, const char *id);
/* One JSON document as a line. -ENOMEM. */
int desk_print(struct desk *d);

/* ---- acts ---- */

struct act {
    struct buf text;
    struct json_writer w;
};
void act_begin(struct act *a, const char *verb);
/* Sends it and frees it. An exit code. */
int act_send(struct desk *d, struct act *a);
/*
 * The same, and nothing is printed but that there is no answer: EXIT_DONE and the answer, also when
 * it is a refusal; it lives in d->arena until the next one.
 */
int act_ask(struct desk *d, struct act *a, const struct json **ret_answer);
/* In two steps: several may be on their way at once. The caller closes *ret_fd. */
int act_post(struct desk *d, struct act *a, int *ret_fd);
int act_take(struct desk *d, int fd, const struct json **ret_answer);
/* The answer as act_send() prints it. An exit code. */
int act_print(struct desk *d, const struct json *answer);
/* A text that is shown on terminals and in chats: UTF-8 on one line, no control characters. */
bool act_text_ok(struct slice s);
/* Room for members that the caller adds: by, comment and via still fit. */
bool act_has_room(const struct desk *d, const struct act *a, size_t more);
/* The same act on each argument: ids of alerts, or numbers. */
int act_each(struct cli *cli, const char *verb, bool numbers);

/* "trailwarden: TEXT; see `trailwarden COMMAND --help`". EXIT_USAGE. */
int act_usage(const struct cli *cli, const char *text);
/* --limit, `fallback` without it. EXIT_USAGE is told. */
int act_limit(const struct cli *cli, size_t fallback, size_t *ret);
/* --since and --until. */
int act_span(const struct cli *cli, uint64_t *ret_since_us, uint64_t *ret_until_us);
/* --level. -1 without it. */
int act_level(const struct cli *cli, int *ret_min);
/*
 * --status: names with commas between; a bit set of them, 0 without the option. name(i) says the
 * i-th of n.
 */
int act_states(const struct cli *cli, const char *(*name)(unsigned i), unsigned n, unsigned *ret);

/* ---- showing ---- */

#define ID_SHOWN 12
#define ID_MIN 4
/* 4 to 32 hex digits. */
bool id_ok(struct slice s);
/* 2026-11-21T10:42:00Z, "-" for 0. */
const char *when_text(uint64_t us, char out[TIME_TEXT_SIZE]);
/* "3m", "2h": how long it is until then, or since then. */
const char *span_text(uint64_t us, char out[24]);
/* At most so many characters, with "..." when it was longer. */
void buf_clip(struct buf *b, struct slice text, size_t max);
/* "NAME      " and the text, escaped for a terminal; nothing when it is empty. */
void print_fact(const struct desk *d, const char *name, struct slice text);
void print_factf(const struct desk *d, const char *name, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* The lines of a text, each indented and escaped. */
void print_lines(const struct desk *d, struct slice text);

void incident_json(struct json_writer *w, const struct incident *i);
void silence_json(struct json_writer *w, const struct silence *s, uint64_t now_us);
/* Why not, how it went, since when it waits for what. */
void buf_fate(struct buf *b, const struct outbox_row *row, uint64_t now_us);
/* Without its document. */
void outbox_members(struct json_writer *w, const struct outbox_row *row);
