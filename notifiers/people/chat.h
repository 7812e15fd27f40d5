/*
 * Chat: what all receivers with an HTTP API share, from the message to the verdict.
 *
 *     chat_begin()   the message of a delivery; false: the result is filled
 *     chat_text()    whole lines of it within a limit, in the markup of the service
 *     chat_send()    the request, with all secrets out of every text; the answer is judged
 *     chat_end()     wipes and frees
 *
 * A call belongs to one delivery; its memory is its own.
 */
#pragma once

#include "notifiers/http.h"
#include "notifiers/message.h"
#include "notifiers/severity.h"

/* Options that each of them has. */
struct chat_http {
    uint64_t timeout_us;
    const char *ca_file, *directory;
};
#define CHAT_OPTIONS(of, member)                                                                   \
    { .name = "timeout",                                                                           \
      .type = OPTION_DURATION,                                                                     \
      .offset = AT(of, member.timeout_us),                                                         \
      .fallback = "15s",                                                                           \
      .min = "1s",                                                                                 \
      .max = "2m",                                                                                 \
      .help = "For one attempt." },                                                                \
        { .name = "ca_file",                                                                       \
          .type = OPTION_STR,                                                                      \
          .offset = AT(of, member.ca_file),                                                        \
          .path = PATH_READ,                                                                       \
          .help = "Certificates to trust instead of the system's." },                              \
    {                                                                                              \
        .name = "directory", .type = OPTION_STR, .offset = AT(of, member.directory),               \
        .path = PATH_WRITE, .help = "Write the requests into this folder instead of sending them." \
    }

/* A token, or a user with a password, or neither. */
struct chat_login {
    const char *user;
    struct secret *token, *password;
};
#define CHAT_LOGIN_OPTIONS(of, member)                                                             \
    { .name = "token",                                                                             \
      .type = OPTION_SECRET,                                                                       \
      .offset = AT(of, member.token),                                                              \
      .help = "Access token (Bearer)." },                                                          \
        { .name = "user",                                                                          \
          .type = OPTION_STR,                                                                      \
          .offset = AT(of, member.user),                                                           \
          .help = "Name, instead of a token." },                                                   \
    {                                                                                              \
        .name = "password", .type = OPTION_SECRET, .offset = AT(of, member.password),              \
        .help = "That user's password."                                                            \
    }

struct chat {
    const struct chat_http *http;
    const struct delivery *delivery;
    struct delivery_result *result;
    struct arena *arena;
    struct message m;
    struct buf url, body; /* filled by the caller */
    struct buf authorization; /* a header, or empty */
    const char *content_type; /* NULL: JSON */
    const struct secret *secrets[3]; /* cut out of every text */
    struct http_answer answer;
    const struct json *json; /* the answer, when it is JSON */
};

bool chat_begin(struct chat *c, const struct chat_http *http, const struct delivery *d,
                struct delivery_result *ret);
void chat_end(struct chat *c);
/* Is the secret readable? Else the result says which one is not, and to try again. */
bool chat_secret(struct chat *c, const struct secret *s, const char *what);
/*
 * Sends what was filled in; `file` is the suffix in `directory`. May be called again with another
 * body or URL. The words of the service (its members error or message, else its first line) are in
 * the status.
 */
void chat_send(struct chat *c, const char *method, const struct http_verdict *verdicts,
               const char *file);
int chat_login_check(const struct chat_login *l, struct err *err);
/* Fills the header; false: the result says which secret cannot be read. */
bool chat_login(struct chat *c, const struct chat_login *l);
void chat_login_fini(struct chat_login *l);
/* The result is RETRY with a text of ours. */
void chat_again(struct chat *c, const char *why);

/* A URL in a secret: one that http_url_check() takes, when it can be read. */
int chat_url_check(const struct secret *url, struct err *err);
/* `base` without slashes at its end. */
struct slice chat_base(const char *base);

/* What makes a repeat at services that keep incidents: the incident, else the thread or id. */
struct slice chat_dedup(const struct message *m);

/* ---- text ---- */

struct chat_style {
    size_t max; /* of all that is written */
    size_t (*size)(struct slice s); /* how the service counts */
    void (*escape)(struct buf *b, struct slice s);
    const char *strong, *strong_end; /* around names and titles */
    void (*code)(struct buf *b, struct slice s); /* a line of a log, with its markup */
};
size_t chat_bytes(struct slice s);
size_t chat_units(struct slice s); /* UTF-16, as Discord and browsers count */
void chat_plain(struct buf *b, struct slice s); /* text as it is */
void chat_quote(struct buf *b, struct slice s); /* "> " and the line */

enum chat_part {
    CHAT_INTRO = 1, /* why it is sent */
    CHAT_FACTS = 2,
    CHAT_TABLES = 4,
    CHAT_SAMPLES = 8, /* lines, the newest last */
    CHAT_FOOT = 16, /* id, where more is, size and root of the trail */
};
/* In this order. Whole lines are left out when room is short, and counted at the end. */
void chat_text(const struct message *m, const struct chat_style *style, unsigned parts,
               struct buf *out);
/* Escaped, at most max, with "..." when it was longer; never cut inside of an escape. */
void chat_cut(struct buf *b, struct slice s, const struct chat_style *style, size_t max);
/* "ID, trailwarden alerts show ID, trail SIZE ROOT" of what is known. */
void chat_foot(const struct message *m, struct buf *out);
