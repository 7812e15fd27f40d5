/*
 * The parts of the Telegram receiver.
 *
 *     telegram.c          options; requests; the server's odd answers, one by one
 *     telegram-text.c     a message as text: whole blocks within the limit
 *     telegram-buttons.c  the buttons below it, and what a press of one says
 *     telegram-listen.c   waiting for presses, and answering them
 *
 * Nothing is kept that must survive: the id of a message is in the outbox row, what a button is
 * for stands in the button. A press is believed only as far as the server vouches for it: who
 * pressed, in which chat.
 */
#pragma once

#include "notifiers/http.h"
#include "notifiers/message.h"

struct telegram_listener;

enum telegram_on_resolve {
    ON_RESOLVE_EDIT,
    ON_RESOLVE_REPLY,
    ON_RESOLVE_BOTH,
};

struct telegram {
    struct secret *token;
    const char *chat, *base, *ca_file, *directory;
    uint64_t thread, timeout_us;
    int on_resolve;
    bool protect, buttons;
    struct option_strs operators;
    int64_t moved; /* the group's new id, when the server told one; else 0 */
    struct telegram_listener *listener; /* made when it first listens */
};

/* ---- telegram.c ---- */

struct telegram_answer {
    long status; /* of HTTP; 0: no answer at all, `said` is why */
    bool ok;
    const struct json *result, *parameters; /* may be NULL */
    struct slice said; /* the description: one clean line */
    uint64_t wait_s; /* the server's wish, 0 = none */
};

bool telegram_url(const struct telegram *t, const char *method, struct buf *url);
/* What an answer of HTTP says; all in the arena. Takes the body. */
void telegram_read(struct http_answer *h, struct arena *a, struct telegram_answer *ret);
/* One call that waits for its answer. */
void telegram_call(const struct telegram *t, const char *method, struct slice body,
                   uint64_t timeout_us, struct arena *a, struct telegram_answer *ret);
bool telegram_says(struct slice text, const char *what); /* in any case of letters */
void telegram_put_reply(struct json_writer *w, uint64_t message);
extern const char *const telegram_headers[];

/* ---- telegram-text.c ---- */

/*
 * The limit is 4096 UTF-16 units behind the entities. This counts before them,
 * so it is on the safe side, and leaves room.
 */
#define TELEGRAM_UNITS 3900
#define TELEGRAM_ANSWER_UNITS 200 /* of answerCallbackQuery */

struct telegram_form {
    bool plain; /* no markup */
    bool brief; /* what it is and why, no more */
    size_t samples; /* at most so many lines */
    size_t units; /* TELEGRAM_UNITS, or less when the server finds it too long */
};

void telegram_text(const struct message *m, const struct telegram_form *f, struct buf *out);
struct slice utf16_cut(struct slice s, size_t units); /* between two characters */

/* ---- telegram-buttons.c ---- */

enum {
    BUTTON_ACK = 1,
    BUTTON_SILENCE = 2,
    BUTTON_UNBAN = 4,
};

/* What the buttons are about: the alert, or of a summary its incident. Empty: no buttons. */
struct slice telegram_button_id(const struct message *m);
/* The value of reply_markup; none of `buttons`: an empty keyboard. */
void telegram_put_buttons(struct json_writer *w, struct slice id, unsigned buttons);

enum telegram_press_kind {
    PRESS_ACT,
    PRESS_NOT_ALLOWED, /* by somebody else, or elsewhere */
    PRESS_UNKNOWN, /* no button of ours */
    PRESS_STALE, /* nobody knows when */
};

struct telegram_press {
    enum telegram_press_kind kind;
    struct sink_act act;
    int64_t from;
    char query[65]; /* to be answered */
};

/*
 * An update that getUpdates gave; false: no press of a button. Presses below messages older than
 * `before_s` (seconds since 1970; 0 = any age) are stale.
 */
bool telegram_press(const struct telegram *t, const struct json *update, uint64_t before_s,
                    struct arena *a, struct telegram_press *ret);

/* Where an answer belongs, as sink_act.place has it. */
struct telegram_place {
    struct slice query;
    int64_t chat;
    uint64_t message;
    unsigned buttons; /* that stay when it is done */
};
bool telegram_place(const struct sink_act *act, struct telegram_place *ret);

/* ---- telegram-listen.c: as in notifiers/sink.h ---- */

bool telegram_listens(const struct sink *s);
int telegram_listen(struct sink *s, int fd, struct sink_act *ret);
void telegram_answer(struct sink *s, const struct sink_act *act, struct slice text, bool done);
void telegram_listener_free(struct telegram_listener *l);
