#include "notifiers/template.h"

#include <errno.h>

#include "base/diag.h"

#define PIECES_MAX 500
#define NAME_MAX_BYTES 120

enum source {
    SOURCE_MESSAGE,
    SOURCE_GROUP,
    SOURCE_DOCUMENT,
};

struct piece {
    struct slice literal; /* before the value */
    struct slice name; /* empty: no value (the last piece) */
    enum source source;
    size_t index; /* of the message's names */
    bool quoted;
};

struct template
{
    struct piece pieces[PIECES_MAX];
    size_t n;
};

/* ---- names ---- */

static struct slice from_status(const struct message *m, const struct delivery *d)
{
    (void)d;
    return m->resolved ? SLICE("resolved") : SLICE("firing");
}

static struct slice from_host(const struct message *m, const struct delivery *d)
{
    (void)d;
    return slice_str(m->host);
}

static struct slice from_key(const struct message *m, const struct delivery *d)
{
    (void)m;
    return d->key;
}

static struct slice from_type(const struct message *m, const struct delivery *d)
{
    (void)d;
    return m->summary ? SLICE("summary") : SLICE("alert");
}

/* A slice of the message, or a function that makes one. */
static const struct {
    const char *name;
    size_t offset;
    struct slice (*make)(const struct message *, const struct delivery *);
} names[] = {
    { "subject", AT(struct message, subject), NULL },
    { "title", AT(struct message, title), NULL },
    { "level", AT(struct message, level), NULL },
    { "reason", AT(struct message, reason), NULL },
    { "why", AT(struct message, why), NULL },
    { "notice", AT(struct message, notice), NULL },
    { "rule", AT(struct message, rule), NULL },
    { "description", AT(struct message, description), NULL },
    { "channel", AT(struct message, channel), NULL },
    { "time", AT(struct message, time), NULL },
    { "id", AT(struct message, id), NULL },
    { "incident", AT(struct message, incident), NULL },
    { "thread", AT(struct message, thread), NULL },
    { "see", AT(struct message, see), NULL },
    { "status", 0, from_status },
    { "type", 0, from_type },
    { "host", 0, from_host },
    { "key", 0, from_key },
};

/* Paths of schemas/alert.json and schemas/summary.json. What is missing in one is empty. */
static const char *const paths[] = {
    "version",
    "id",
    "type",
    "kind",
    "title",
    "why",
    "alerts",
    "from",
    "to",
    "rule",
    "rule.id",
    "rule.title",
    "rule.author",
    "rule.file",
    "rule.description",
    "rule.digest",
    "level",
    "tags",
    "channel",
    "time",
    "first",
    "window_s",
    "count",
    "threshold",
    "lower_bound",
    "group",
    "trust",
    "backfill",
    "ban",
    "ban.address",
    "ban.for_s",
    "key",
    "incident",
    "events",
    "tables",
    "newest",
    "notification",
    "notification.reason",
    "notification.status",
    "notification.why",
    NULL,
};

static const char *nearest(struct slice name)
{
    const char *all[ARRAY_SIZE(names) + 2] = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        all[i] = names[i].name;
    all[ARRAY_SIZE(names)] = "document";
    return diag_nearest(name, all);
}

static bool find_path(struct slice path)
{
    for (size_t i = 0; paths[i]; i++)
        if (slice_is(path, paths[i]))
            return true;
    return false;
}

static bool find_name(struct slice name, struct piece *p)
{
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_is(name, names[i].name)) {
            p->index = i;
            return true;
        }
    p->source = SOURCE_GROUP;
    if (slice_starts(name, SLICE("group.")) && name.n > 6)
        return true;
    p->source = SOURCE_DOCUMENT;
    return slice_is(name, "document") ||
           (slice_starts(name, SLICE("document.")) && find_path(slice_skip(name, 9)));
}

/* ---- loading ---- */

static struct src_pos place(const char *path, struct slice text, size_t offset)
{
    struct src_pos at = { path, 1, 1 };

    for (size_t i = 0; i < offset && i < text.n; i++) {
        at.column = text.p[i] == '\n' ? 1 : at.column + 1;
        at.line += text.p[i] == '\n';
    }
    return at;
}

/* Are we inside of a JSON string behind this literal? */
static bool quoted_behind(struct slice literal, bool quoted)
{
    for (size_t i = 0; i < literal.n; i++) {
        if (quoted && literal.p[i] == '\\')
            i++;
        else if (literal.p[i] == '"')
            quoted = !quoted;
    }
    return quoted;
}

static int name_fault(struct slice name, struct src_pos at, struct err *err)
{
    const char *near = nearest(name);

    if (name.n > NAME_MAX_BYTES || name.n == 0)
        return err_set_at(err, -EINVAL, at, "a placeholder is a name in {{ }}");
    if (near)
        return err_set_at(err, -EINVAL, at, "unknown placeholder '%.*s': did you mean '%s'?",
                          SLICE_FMT(name), near);
    return err_set_at(err, -EINVAL, at, "unknown placeholder '%.*s'", SLICE_FMT(name));
}

int template_load(const char *path, struct slice text, struct arena *a,
                  struct template **ret_template, struct err *err)
{
    struct template *t = arena_alloc(a, sizeof *t);
    struct slice rest = text;
    bool quoted = false;

    if (!t)
        return err_nomem(err);
    for (;;) {
        struct piece *p = &t->pieces[t->n];
        size_t open = slice_find(rest, SLICE("{{")), close, at;

        if (t->n == PIECES_MAX)
            return err_set(err, -E2BIG, "'%s' has more than %d placeholders", path, PIECES_MAX - 1);
        t->n++;
        p->literal = open == SIZE_MAX ? rest : slice_take(rest, open);
        quoted = quoted_behind(p->literal, quoted);
        p->quoted = quoted;
        if (open == SIZE_MAX)
            break;
        at = (size_t)(rest.p - text.p) + open;
        rest = slice_skip(rest, open + 2);
        close = slice_find(rest, SLICE("}}"));
        if (close == SIZE_MAX)
            return err_set_at(err, -EINVAL, place(path, text, at), "'{{' without '}}'");
        p->name = slice_trim(slice_take(rest, close));
        if (p->name.n > NAME_MAX_BYTES || !find_name(p->name, p))
            return name_fault(p->name, place(path, text, at), err);
        rest = slice_skip(rest, close + 2);
    }
    *ret_template = t;
    return 0;
}

/* ---- writing ---- */

static struct template_value text_value(struct slice s)
{
    return (struct template_value){ s, s.n ? JSON_STRING : JSON_NULL };
}

static struct slice group_value(const struct json *document, struct slice field)
{
    const struct json *group = json_get(document, "group");

    for (const struct json *g = group ? group->child : NULL; g; g = g->next)
        if (slice_eq(json_text(g, "name"), field))
            return json_text(g, "value");
    return SLICE("");
}

static const struct json *by_path(const struct json *document, struct slice path)
{
    const struct json *at = document;
    struct slice part;
    char key[NAME_MAX_BYTES + 1];

    while (at && slice_split(&path, '.', &part)) {
        size_t n = part.n < sizeof key - 1 ? part.n : sizeof key - 1;

        memcpy(key, part.p, n);
        key[n] = '\0';
        at = json_get(at, key);
    }
    return at;
}

/* An object or a list is written again from its tree. */
static void put_tree(struct json_writer *w, const struct json *j)
{
    switch (j->type) {
    case JSON_STRING:
        json_put_slice(w, j->text);
        break;
    case JSON_NULL:
    case JSON_BOOL:
    case JSON_NUMBER:
        json_put_raw(w, j->type == JSON_NULL ? SLICE("null") : j->text);
        break;
    case JSON_ARRAY:
        json_array(w);
        for (const struct json *c = j->child; c; c = c->next)
            put_tree(w, c);
        json_array_end(w);
        break;
    case JSON_OBJECT:
        json_object(w);
        for (const struct json *c = j->child; c; c = c->next) {
            json_key_slice(w, c->key);
            put_tree(w, c);
        }
        json_object_end(w);
        break;
    }
}

static void put_document(const struct piece *p, const struct delivery *d, template_escape escape,
                         struct buf *out)
{
    const struct json *j =
        p->name.n > 9 ? by_path(d->document, slice_skip(p->name, 9)) : d->document;
    struct template_value v = { SLICE(""), JSON_NULL };
    AUTO_BUF tree = BUF_INIT;
    struct json_writer w = json_writer(&tree);

    if (j && (j->type == JSON_OBJECT || j->type == JSON_ARRAY)) {
        put_tree(&w, j); /* json_load() bounds the depth */
        v = (struct template_value){ buf_view(&tree), JSON_OBJECT };
    } else if (j) {
        v = (struct template_value){ j->text, j->type };
    }
    escape(out, &v, p->quoted);
    out->failed = out->failed || tree.failed;
}

static void put_piece(const struct piece *p, const struct message *m, const struct delivery *d,
                      template_escape escape, struct buf *out)
{
    struct template_value v = text_value(SLICE(""));

    if (p->source == SOURCE_DOCUMENT) {
        put_document(p, d, escape, out);
        return;
    }
    if (p->source == SOURCE_GROUP)
        v = text_value(group_value(d->document, slice_skip(p->name, 6)));
    else if (names[p->index].make)
        v = text_value(names[p->index].make(m, d));
    else
        v = text_value(*(const struct slice *)((const char *)m + names[p->index].offset));
    escape(out, &v, p->quoted);
}

void template_write(const struct template *t, const struct message *m, const struct delivery *d,
                    template_escape escape, struct buf *out)
{
    for (size_t i = 0; i < t->n; i++) {
        buf_slice(out, t->pieces[i].literal);
        if (t->pieces[i].name.n)
            put_piece(&t->pieces[i], m, d, escape, out);
    }
}

void template_json(struct buf *out, const struct template_value *value, bool quoted)
{
    struct json_writer w = json_writer(out);

    if (quoted)
        buf_json(out, value->text);
    else if (value->type == JSON_STRING)
        json_put_slice(&w, value->text);
    else
        json_put_raw(&w, value->type == JSON_NULL ? SLICE("null") : value->text);
}

void template_plain(struct buf *out, const struct template_value *value, bool quoted)
{
    (void)quoted;
    buf_slice(out, value->text);
}
