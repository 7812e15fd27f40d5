/*
 * trail anchor: the newest checkpoint goes now to those who keep it, and what they say is printed.
 *
 * It may run beside the daemon: it reads the trail and writes nothing of it but kept notes. So
 * this way leaves no entry in the trail; the daemon's own does.
 */
#include <errno.h>
#include <stdio.h>

#include "audit/view.h"
#include "base/clock.h"
#include "base/utf8.h"
#include "logwatch/anchoring.h"
#include "logwatch/commands/common.h"

#define TRIES_MAX 4 /* a witness that names another tree is asked again */

struct anchoring_run {
    struct cli *cli;
    const char *folder;
    struct audit_notes *notes;
    struct arena *arena;
    bool failed, contradicted;
};

struct target {
    const char *name;
    struct sink *sink;
    const char *vkey;
};

/* ---- one of them ---- */

static void say(const struct anchoring_run *x, const struct target *t, uint64_t size,
                const struct anchoring_answer *a, enum anchoring how)
{
    static const char *const words[] = { [DELIVERY_WAITING] = "failed",
                                         [DELIVERY_SENT] = "sent",
                                         [DELIVERY_RETRY] = "failed",
                                         [DELIVERY_DEAD] = "refused" };
    const char *word = how == ANCHORING_CONTRADICTED ? "contradicted" : words[a->state];

    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    if (cli_has(x->cli, CLI_JSON)) {
        json_object(&w);
        json_member_str(&w, "to", t->name);
        json_member_str(&w, "type", t->sink->ops->name);
        json_member_str(&w, "state", word);
        json_member_u64(&w, "size", size);
        json_member_str(&w, "status", a->status);
        json_object_end(&w);
    } else {
        buf_printf(&b, "%s: %s: ", t->name, word);
        buf_printable(&b, slice_str(a->status));
    }
    fprintf(x->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
    fflush(x->cli->out); /* the next one may take its time */
}

static void deliver(struct anchoring_run *x, const struct target *t, struct slice document,
                    unsigned attempt, struct delivery_result *ret, struct anchoring_answer *a)
{
    const struct clock real = CLOCK_REAL;
    struct delivery d = { .key = SLICE("anchor-by-hand"),
                          .kind = SLICE("anchor"),
                          .text = document,
                          .attempt = attempt,
                          .now_us = clock_now(&real),
                          .host = "" };

    *ret = (struct delivery_result){ .state = DELIVERY_RETRY };
    d.document = json_load(x->arena, document, NULL);
    if (d.document)
        t->sink->ops->deliver(t->sink, &d, ret);
    else
        snprintf(ret->status, sizeof ret->status, "out of memory");
    *a = (struct anchoring_answer){
        .state = ret->state, .said = ret->said, .size = ret->size, .reply = buf_view(&ret->reply)
    };
    snprintf(a->status, sizeof a->status, "%s", ret->status);
}

/* What the trail has by now: it may have grown since the note left. */
static uint64_t size_now(const char *folder)
{
    AUTO(audit_view) v = NULL;

    return audit_view_open(folder, &v, NULL) == 0 ? audit_view_size(v) : 0;
}

static int anchor_one(struct anchoring_run *x, const struct target *t, struct err *err)
{
    const struct clock real = CLOCK_REAL;
    enum anchoring how = ANCHORING_AGAIN;
    struct anchoring_answer a;
    uint64_t known = 0, size = 0;

    if (t->vkey && audit_notes_witnessed(x->notes, t->vkey, &known, err) < 0)
        return err_code(err);
    for (unsigned i = 1; how == ANCHORING_AGAIN && i <= TRIES_MAX; i++) {
        AUTO_BUF document = BUF_INIT;
        struct delivery_result result;

        if (anchoring_document(x->notes, x->folder, t->vkey != NULL, known, clock_now(&real),
                               &document, &size, err) < 0)
            return err_code(err);
        deliver(x, t, buf_view(&document), i, &result, &a);
        how = anchoring_take(x->notes, t->vkey, strcmp(t->sink->ops->name, "timestamp") == 0, size,
                             known, size_now(x->folder), &a);
        known = a.size;
        buf_fini(&result.reply);
    }
    say(x, t, size, &a, how);
    x->failed = x->failed || a.state != DELIVERY_SENT;
    x->contradicted = x->contradicted || how == ANCHORING_CONTRADICTED;
    return 0;
}

/* ---- which ---- */

/* An address or a folder that is in no configuration. */
static int make_target(struct anchoring_run *x, const char *to, struct target *ret, struct err *err)
{
    bool url = slice_find(slice_str(to), SLICE("://")) != SIZE_MAX;
    const struct sink_ops *ops = anchor_kind(url ? SLICE("post") : SLICE("file"));
    struct sink *s = arena_alloc(x->arena, sizeof *s);
    AUTO_BUF text = BUF_INIT;
    AUTO(diag) d = diag_new();
    struct yaml_docs docs = { 0 };
    struct json_writer w = json_writer(&text);

    json_object(&w); /* JSON is YAML: the same way in as a configuration's */
    json_member_str(&w, url ? "url" : "path", to);
    json_object_end(&w);
    if (s)
        s->state = arena_alloc(x->arena, ops->state_size);
    if (!d || !s || !s->state || !buf_ok(&text))
        return err_nomem(err);
    s->name = to;
    s->ops = ops;
    if (yaml_load_text("(--to)", buf_view(&text), x->arena, d, &docs) < 0 || !docs.ndocs ||
        option_load(ops->options, docs.docs[0], docs.docs[0]->at, NULL, s->state, x->arena, d) < 0)
        return err_set(err, -EINVAL, "'%s' is no folder and no URL", to);
    *ret = (struct target){ .name = to, .sink = s };
    return ops->open ? ops->open(s, err) : 0;
}

static int anchor_configured(struct anchoring_run *x, const struct config *c, const char *to,
                             size_t *ret_n, struct err *err)
{
    *ret_n = 0;
    for (size_t i = 0; c && i < c->nanchors; i++) {
        const struct config_anchor *a = &c->anchors[i];
        const struct target t = { a->sink->name, a->sink, a->vkey };

        if (to && strcmp(to, t.name) != 0 && strcmp(to, t.sink->ops->name) != 0)
            continue;
        ++*ret_n;
        if (anchor_one(x, &t, err) < 0)
            return err_while(err, "%s", t.name);
    }
    return 0;
}

static int anchor_given(struct anchoring_run *x, const struct config *c, const char *to,
                        struct err *err)
{
    struct target t;
    size_t n;

    if (anchor_configured(x, c, to, &n, err) < 0)
        return err_code(err);
    if (n)
        return 0;
    if (!strchr(to, '/'))
        return err_set(err, -EINVAL,
                       "no anchor is called '%s': a name or type of `trail: {anchors: [...]}`, a "
                       "URL or a folder",
                       to);
    if (make_target(x, to, &t, err) < 0)
        return err_code(err);
    return anchor_one(x, &t, err);
}

static int anchor_all(struct anchoring_run *x, const struct config *c, struct err *err)
{
    size_t n = 0;

    for (size_t i = 0; i < x->cli->nmany; i++)
        if (x->cli->many_of[i] == CLI_TO_ANCHOR) {
            n++;
            if (anchor_given(x, c, x->cli->many[i], err) < 0)
                return err_code(err);
        }
    if (n)
        return 0;
    if (anchor_configured(x, c, NULL, &n, err) < 0)
        return err_code(err);
    return n ? 0
             : err_set(
                   err, -EINVAL,
                   "nobody is configured to keep checkpoints: trail: {anchors: [...]}, or --to");
}

int command_trail_anchor(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(arena) arena = arena_new(65536, 16 << 20);
    AUTO(audit_notes) notes = NULL;
    struct anchoring_run x = { .cli = cli, .arena = arena };
    struct err err = ERR_NONE;
    int r = cli_trail(cli, &c, &x.folder);

    if (r || !arena)
        return r ? r : EXIT_FAILED;
    if (audit_notes_open(x.folder, &notes, &err) < 0)
        return cli_error(&err);
    x.notes = notes;
    if (anchor_all(&x, c, &err) < 0)
        return cli_error(&err);
    return x.contradicted ? EXIT_ANSWER_NO : x.failed ? EXIT_FAILED : EXIT_DONE;
}
