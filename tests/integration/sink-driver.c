/*
 * One delivery by hand, for the tests of the receivers:
 *
 *     sink-driver CONFIG DOCUMENT [key=K] [attempt=N] [now=SECONDS] [checkpoint=FILE] [times=N]
 *                 [kind=anchor] [first=REMOTE] [listen=1] [rights=1]
 *
 * CONFIG is the YAML of one receiver (`type: email`, ...), DOCUMENT the JSON of
 * an outbox row. Each attempt prints one JSON line. Exit: 0 sent, 1 retry,
 * 2 dead (of the last attempt), 78 a fault in CONFIG, 70 anything else.
 *
 * With listen=1 it plays the core to a receiver where people can act: prints each act as a JSON
 * line, and takes a line of standard input at a time: "deliver FILE" (a row), "done TEXT" and
 * "failed TEXT" (the answer to the newest act). It ends with standard input, or by SIGTERM.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "logwatch/roles.h"
#include "notifiers/sink.h"

struct arguments {
    const char *key, *checkpoint, *kind, *first;
    uint64_t attempt, now, times, listen, rights;
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
    } known[] = { { "key", &ret->key, NULL },      { "checkpoint", &ret->checkpoint, NULL },
                  { "kind", &ret->kind, NULL },    { "attempt", NULL, &ret->attempt },
                  { "now", NULL, &ret->now },      { "times", NULL, &ret->times },
                  { "first", &ret->first, NULL },  { "listen", NULL, &ret->listen },
                  { "rights", NULL, &ret->rights } };

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

static const struct sink_ops *find_kind(struct slice type, const char *kind)
{
    return kind && strcmp(kind, "anchor") == 0 ? anchor_kind(type) : sink_kind(type);
}

static int load_sink(const char *path, const char *kind, struct arena *a, struct diag *d,
                     struct sink *s)
{
    static const char *const ours[] = { "type", NULL };
    struct yaml_docs docs;
    struct err err = ERR_NONE;
    const struct yaml *type;

    if (yaml_load_file(path, a, d, &docs) < 0 || docs.ndocs != 1)
        return -EINVAL;
    type = yaml_get(docs.docs[0], "type");
    if (type)
        s->ops = find_kind(type->text, kind);
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
    AUTO_BUF line = BUF_INIT;
    struct json_writer w = json_writer(&line);

    json_object(&w);
    json_member_str(&w, "state", delivery_state_name(r->state));
    json_member_u64(&w, "retry_after_us", r->retry_after_us);
    json_member_str(&w, "status", r->status);
    json_member_str(&w, "remote", r->remote);
    json_member_bool(&w, "broken", r->broken);
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
        [DELIVERY_WAITING] = 70, [DELIVERY_SENT] = 0, [DELIVERY_RETRY] = 1,
        [DELIVERY_DEAD] = 2,     [DELIVERY_HELD] = 3,
    };
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF note = BUF_INIT;
    struct delivery d = { .key = slice_str(x->key),
                          .host = "edge-1.example.net",
                          .first_remote = x->first ? slice_str(x->first) : SLICE_NONE,
                          .attempt = (unsigned)x->attempt,
                          .now_us = x->now * USEC_PER_SEC };
    struct delivery_result r = { 0 };
    struct err err = ERR_NONE;

    if (file_read(-1, path, 8 << 20, &text, &err) < 0 ||
        (x->checkpoint && file_read(-1, x->checkpoint, 1 << 16, &note, &err) < 0))
        return fail(&err);
    d.text = slice_trim(buf_view(&text));
    d.checkpoint = buf_view(&note);
    d.first_remote = slice_str(x->first);
    d.kind = x->kind ? slice_str(x->kind) : SLICE("notify");
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

/* ---- the core, played ---- */

static volatile sig_atomic_t stopped;

static void on_term(int sig)
{
    (void)sig;
    stopped = 1;
}

/* The signal is blocked but here, so that none comes between this look and the wait. */
static bool is_stopped(void)
{
    sigset_t term;

    sigemptyset(&term);
    sigaddset(&term, SIGTERM);
    sigprocmask(SIG_UNBLOCK, &term, NULL);
    sigprocmask(SIG_BLOCK, &term, NULL);
    return stopped;
}

static void print_act(const struct sink_act *act)
{
    AUTO_BUF line = BUF_INIT;
    struct json_writer w = json_writer(&line);

    json_object(&w);
    json_member_str(&w, "act", act->verb);
    json_member_str(&w, "id", act->id);
    json_member_u64(&w, "for_s", act->for_s);
    json_member_str(&w, "who", act->who);
    json_member_str(&w, "place", act->place);
    json_object_end(&w);
    printf("%s\n", line.p ? line.p : "");
    fflush(stdout);
}

/* One line of standard input, unbuffered: what follows must stay readable. False: it has ended. */
static bool read_word(struct buf *line)
{
    char c;

    buf_reset(line);
    while (read(STDIN_FILENO, &c, 1) == 1 && c != '\n')
        buf_char(line, c);
    return line->n > 0;
}

static bool obey(struct sink *s, const struct arguments *x, const struct sink_act *act,
                 struct buf *line)
{
    AUTO(arena) a = arena_new(65536, 16 << 20);
    if (!a)
        return false;
    if (slice_starts(buf_view(line), SLICE("deliver ")))
        return run(s, x, line->p + 8, a) != 70;
    if (slice_starts(buf_view(line), SLICE("done ")))
        s->ops->answer(s, act, slice_skip(buf_view(line), 5), true);
    else if (slice_starts(buf_view(line), SLICE("failed ")))
        s->ops->answer(s, act, slice_skip(buf_view(line), 7), false);
    else
        return false;
    return true;
}

static int play(struct sink *s, const struct arguments *x)
{
    const struct sigaction term = { .sa_handler = on_term };
    struct config config = { .sinks = s, .nsinks = 1 };
    const struct role_start role = { .config = &config };
    struct err err = ERR_NONE;
    struct sink_act act = { 0 };
    AUTO_BUF line = BUF_INIT;

    if (x->rights && role_drop_rights(ROLE_SENDER, &role, &err) < 0)
        return fail(&err);
    sigaction(SIGTERM, &term, NULL);
    while (s->ops->listens && s->ops->listens(s) && !is_stopped()) {
        struct pollfd in = { .fd = STDIN_FILENO, .events = POLLIN };
        int r = s->ops->listen(s, STDIN_FILENO, &act);

        if (r > 0)
            print_act(&act);
        else if (r < 0)
            (void)poll(&in, 1, r == -EINTR ? 0 : 100);
        else if (!read_word(&line) || !obey(s, x, &act, &line))
            return 0;
    }
    return stopped ? 0 : 70;
}

int main(int argc, char **argv)
{
    struct arguments x = {
        .key = "000102030405060708090a0b0c0d0e0f", .attempt = 1, .now = 1795226400, .times = 1
    };
    AUTO(arena) a = arena_new(65536, 64 << 20);
    AUTO(diag) d = diag_new();
    struct sink s = { .name = "test" };
    int code;

    signal(SIGPIPE, SIG_IGN);
    if (!a || !d || !read_arguments(argc, argv, &x)) {
        fprintf(stderr, "usage: sink-driver CONFIG DOCUMENT [NAME=VALUE...]\n");
        return 70;
    }
    code = load_sink(argv[1], x.kind, a, d, &s);
    diag_print(d, stderr, false);
    code = code < 0 ? 78 : x.listen ? play(&s, &x) : run(&s, &x, argv[2], a);
    if (s.ops && s.ops->close)
        s.ops->close(&s);
    return code;
}
