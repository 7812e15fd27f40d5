/*
 * What the two SMTP backends share, in the child: the conversation as it is heard,
 * and the lines that tell the parent what came of it.
 *
 * A backend gives each command to dialogue_said() and each byte of the answers to
 * dialogue_heard(). That sees what a library lets pass:
 *
 *     a mail that would go out without the login that was asked for
 *     answers that came before the TLS handshake and would count behind it
 *     an answer that repeats what we said at the login
 */
#pragma once

#include "notifiers/people/smtp.h"

enum smtp_step {
    STEP_GREETING,
    STEP_EHLO,
    STEP_HELO,
    STEP_STARTTLS,
    STEP_LOGIN,
    STEP_MAIL,
    STEP_RCPT,
    STEP_DATA,
    STEP_DOT,
    STEP_QUIT,
};

struct dialogue {
    const struct smtp_job *job;
    int fd;
    enum smtp_step step; /* the command that was said last */
    bool starttls, tls; /* asked for; stands */
    bool complete; /* the answer to the last command has come whole */
    bool login_offered, challenged, logged_in;
    char line[200]; /* of the answer that is coming: its current line */
    size_t nline;
    char answer[200]; /* and its first */
    char refusal[128]; /* the last one before MAIL, with what it was said to */
    char login[4096]; /* what we said there */
    size_t nlogin;
    /* An answer is whole; NULL: nobody wants to know. */
    void (*on_answer)(struct dialogue *d, int code, struct slice text);
    void *arg; /* of whom does */
};

void dialogue_begin(struct dialogue *d); /* before anything is said */
void dialogue_said(struct dialogue *d, struct slice bytes);
void dialogue_heard(struct dialogue *d, struct slice bytes);

/* One line to the parent. What we said at the login is cut out of the text. */
void dialogue_tell(const struct dialogue *d, const char *what, size_t index, int code,
                   struct slice text);
/* Why nothing was sent: what the relay refused, or what the library says. */
void dialogue_tell_failure(const struct dialogue *d, const char *library);
/* The transfer was told: from now on there are a few seconds for the QUIT. */
void dialogue_told_all(void);
/* Ends the child with a reason. */
void dialogue_give_up(const struct dialogue *d, const char *what, const char *detail)
    __attribute__((noreturn));

/* The first recipient from `next` on that is not to be skipped; SMTP_RECIPIENTS_MAX: none. */
size_t smtp_next_recipient(const struct smtp_job *job, size_t next);
/*
 * Whether the certificate must be right. A relay on this machine has one of its
 * own making as a rule (Debian's "snakeoil"), and without TLS would do, too.
 */
bool smtp_verifies(const struct smtp_job *job);

int smtp_by_esmtp(struct dialogue *d);
int smtp_by_curl(struct dialogue *d);
