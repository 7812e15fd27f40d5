/*
 * Template: a text of the operator's with {{placeholders}} for what a message says.
 *
 *     {{subject}} {{level}} ...       pieces of the message: template_names() lists them
 *     {{group.source.ip}}             a value of the alert's group; empty when it has none
 *     {{document.rule.id}}            a member of the document, by its path; absent: empty
 *     {{document}}                    the document itself
 *
 * Names are checked when it is loaded, with file, line and column. Values never become part of the
 * template: they are put in through an escaper, which is told whether the place stands inside
 * quotes.
 */
#pragma once

#include "notifiers/message.h"

struct template;

/* Memory of the arena, where `text` must live, too. -EINVAL with the place in err->at. */
int template_load(const char *path, struct slice text, struct arena *a,
                  struct template **ret_template, struct err *err);

struct template_value {
    struct slice text;
    enum json_type type; /* JSON_NULL: there is none; JSON_OBJECT: text is JSON as it stands */
};
typedef void (*template_escape)(struct buf *out, const struct template_value *value, bool quoted);

/* JSON: inside quotes the text, outside a whole value ("text", 5, true, null). */
void template_json(struct buf *out, const struct template_value *value, bool quoted);
void template_plain(struct buf *out, const struct template_value *value, bool quoted);

void template_write(const struct template *t, const struct message *m, const struct delivery *d,
                    template_escape escape, struct buf *out);
