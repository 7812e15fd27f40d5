/*
 * Dialogue: what a receiver and we said to each other, for a person who tests it.
 *
 * As a rule nobody listens: `dialogue_notes` is NULL, and nothing is noted. `notify test`
 * points it at a buf for the time of one delivery, in a process of one thread. It is a variable
 * of the program, for who speaks (HTTP, SMTP) is three calls below who listens,
 * and nobody in between should carry it. Children of that process inherit it,
 * but what they note stays with them: they tell it their parent.
 *
 * Secrets are scrubbed, and what came from the network is made printable.
 */
#pragma once

#include "base/secret.h"
#include "base/slice.h"

#define DIALOGUE_MAX 16384 /* the limit that a listener gives its text */
#define DIALOGUE_SECRETS 8

struct dialogue_notes {
    struct buf text;
    const struct secret *secrets[DIALOGUE_SECRETS]; /* of the receiver; NULL = none */
};
extern struct dialogue_notes *dialogue_notes;

/* One line: who, and what came from the network. */
void dialogue_note(const char *who, struct slice text);

struct dialogue_exchange {
    const char *method, *url; /* of the URL only scheme and host are told */
    size_t sent; /* bytes of the body */
    long status; /* 0: no answer, `error` says why */
    const char *error;
    double seconds;
    struct slice answer; /* its first 512 bytes are told */
};
void dialogue_http(const struct dialogue_exchange *x);
