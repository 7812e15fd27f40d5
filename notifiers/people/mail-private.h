/*
 * The two bodies of a mail. Each is a list of blocks, in the order of reading; a
 * block that has nothing to say writes nothing. A new kind of block is a
 * function in mail-text.c, one in mail-html.c, and its line in both lists.
 */
#pragma once

#include "notifiers/message.h"

void mail_text(const struct message *m, struct buf *b);
void mail_html(const struct message *m, struct buf *b);

/* What shows the whole alert on its host; empty when there is no id that can stand in a command. */
void mail_command(const struct message *m, struct buf *b);
/* A text of several lines, with at most one empty line at a time. */
void mail_paragraphs(struct slice text, struct buf *b);
