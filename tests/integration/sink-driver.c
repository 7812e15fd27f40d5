/*
 * One delivery by hand, for the tests of the receivers:
 *
 *     sink-driver CONFIG DOCUMENT [key=K] [attempt=N] [now=SECONDS] [checkpoint=FILE] [times=N]
 *                 [kind=anchor]
 *
 * CONFIG is the YAML of one receiver (`type: email`, ...), DOCUMENT the JSON of
 * an outbox row. Each attempt prints one JSON line. Exit: 0 sent, 1 retry,
 * 2 dead (of the last attempt), 78 a fault in CONFIG, 70 anything else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "notifiers/sink.h"

struct arguments {
    const char *key, *checkpoint, *kind;
    uint64_t attempt, now, times;
};

static const char *after(const char *word, const char *name)
{
    size_t n = strlen(name);

    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool read_arguments(int argc, char **argv, struct arguments *ret)
{
    const struct {
        const char *name;
        const char **text;
        uint64_t *number;
    } known[] = { { "key", &ret->key, NULL },   { "checkpoint", &ret->checkpoint, NULL },
                  { "kind", &ret->kind, NULL }, { "attempt", NULL, &ret->attempt },
                  { "now", NULL, &ret->now },   { "times", NULL, &ret->times } };

    for (int i = 3; i < argc; i++) {
        bool fits = false;

        for (size_t k = 0; k < ARRAY_SIZE(known) && !fits; k++) {
            const char *value = after(argv[i], known[k].name);

            if (value && known[k].text)
                *known[k].text = value;
            else if (value && parse_u64(slice_str(value), 0, UINT32_MAX, known[k].number) < 0)
                return false;
            fits = value != NULL;
        }
        if (!fits)
            return false;
    }
    return argc >= 3;
}

static int load_sink(const char *path, bool anchor, struct arena *a, struct diag *d, struct sink *s)
{
    static const char *const ours[] = { "type", NULL };
    struct yaml_docs docs;
    struct err err = ERR_NONE;
    const struct yaml *type;

    if (yaml_load_file(path, a, d, &docs) < 0 || docs.ndocs != 1)
        return -EINVAL;
    type = yaml_get(docs.docs[0], "type");
    if (type)
        s->ops = anchor ? anchor_kind(type->text) : sink_kind(type->text);
    s->state = s->ops ? arena_alloc(a, s->ops->state_size) : NULL;
    if (!s->state) {
        fprintf(stderr, "no such type\n");
        return -EINVAL;
    }
    if (option_load(s->ops->options, docs.docs[0], docs.docs[0]->at, ours, s->state, a, d) < 0)
        return -EINVAL;
    if (s->ops->open && s->ops->open(s, &err) < 0) {
        diag_add_err(d, docs.docs[0]->at, &err);
        return -EINVAL;
    }
    return 0;
}

static int fail(const struct err *err)
{
    fprintf(stderr, "%s\n", err->text);
    return 70;
}

static void print_result(const struct delivery_result *r)
{
    static const char *const words[] = { [DELIVERY_WAITING] = "waiting",
                                         [DELIVERY_SENT] = "sent",
                                         [DELIVERY_RETRY] = "retry",
                                         [DELIVERY_DEAD] = "dead" };
    AUTO_BUF line = BUF_INIT;
    struct json_writer w = json_writer(&line);

    json_object(&w);
    json_member_str(&w, "state", words[r->state]);
    json_member_u64(&w, "retry_after_us", r->retry_after_us);
    json_member_str(&w, "status", r->status);
    json_member_str(&w, "remote", r->remote);
    json_member_u64(&w, "said", (uint64_t)r->said);
    json_member_u64(&w, "size", r->size);
    json_member_u64(&w, "reply", r->reply.n);
    json_object_end(&w);
    printf("%s\n", line.p ? line.p : "");
    fflush(stdout);
}

static int run(struct sink *s, const struct arguments *x, const char *path, struct arena *a)
{
    static const int exits[] = {
        [DELIVERY_WAITING] = 70, [DELIVERY_SENT] = 0, [DELIVERY_RETRY] = 1, [DELIVERY_DEAD] = 2
    };
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF note = BUF_INIT;
    struct delivery d = { .key = slice_str(x->key),
                          .host = "edge-1.example.net",
                          .attempt = (unsigned)x->attempt,
                          .now_us = x->now * USEC_PER_SEC };
    struct delivery_result r = { 0 };
    struct err err = ERR_NONE;

    if (file_read(-1, path, 1 << 20, &text, &err) < 0 ||
        (x->checkpoint && file_read(-1, x->checkpoint, 1 << 16, &note, &err) < 0))
        return fail(&err);
    d.text = slice_trim(buf_view(&text));
    d.checkpoint = buf_view(&note);
    d.kind = x->kind ? slice_str(x->kind) : s->ops->bans ? SLICE("ban") : SLICE("notify");
    d.document = json_load(a, d.text, &err);
    if (!d.document)
        return fail(&err);
    for (uint64_t i = 0; i < x->times; i++, d.attempt++) {
        r = (struct delivery_result){ 0 };
        s->ops->deliver(s, &d, &r);
        print_result(&r);
        buf_fini(&r.reply);
    }
    return exits[r.state];
}

int main(int argc, char **argv)
{
    struct arguments x = {
        .key = "000102030405060708090a0b0c0d0e0f", .attempt = 1, .now = 1795226400, .times = 1
    };
    AUTO(arena) a = arena_new(65536, 16 << 20);
    AUTO(diag) d = diag_new();
    struct sink s = { .name = "test" };
    int code;

    signal(SIGPIPE, SIG_IGN);
    if (!a || !d || !read_arguments(argc, argv, &x)) {
        fprintf(stderr, "usage: sink-driver CONFIG DOCUMENT [NAME=VALUE...]\n");
        return 70;
    }
    code = load_sink(argv[1], x.kind && strcmp(x.kind, "anchor") == 0, a, d, &s);
    diag_print(d, stderr, false);
    code = code < 0 ? 78 : run(&s, &x, argv[2], a);
    if (s.ops && s.ops->close)
        s.ops->close(&s);
    return code;
}
