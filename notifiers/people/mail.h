/*
 * A mail as the bytes that go over the wire: headers, a text part and an HTML
 * part, CRLF, no line over 78 octets but a long unbroken address.
 *
 * Nothing of it comes from the SMTP library, and nothing from a log line
 * reaches a header without being made one line and, where needed, an encoded word.
 * Mails of one rule, group and day hang under one root that was never sent, so
 * readers thread them; the Message-Id is the delivery's key, so a repeat of an
 * attempt with an unknown end is recognised.
 */
#pragma once

#include "notifiers/message.h"

struct mail_people {
    const char *from; /* checked by mail_address_ok(), as the others */
    const char *reply_to; /* NULL: none */
    const char *const *to, *const *cc;
    size_t nto, ncc;
};

/* ASCII, one @, no blanks, brackets or quotes: nothing that could carry a second header. */
bool mail_address_ok(const char *s);
int mail_make(const struct mail_people *who, const struct message *m, const struct delivery *d,
              struct buf *out);
