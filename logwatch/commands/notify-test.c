/*
 * `notify test`: a sample alert to receivers, by this process and not by the daemon,
 * with the whole conversation shown. It becomes the service's user first: what it
 * may read and reach, and the files that it makes, are then the daemon's.
 */
#include "logwatch/commands/act.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <sodium.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/utf8.h"
#include "logwatch/commands/message-text.h"
#include "logwatch/notify-sample.h"
#include "notifiers/dialogue.h"

#define RENDERED_MAX (1 << 20)

struct testing {
    struct desk *desk;
    struct text_table *table; /* of all, when there are several */
    uint8_t id[16];
    struct buf key, document;
    size_t refused;
};

struct outcome_of {
    const struct sink *sink;
    struct delivery_result result;
    uint64_t took_us;
    struct buf target, rendered;
    struct dialogue_notes notes;
    bool exact; /* `rendered` is what the receiver gets, byte for byte */
};

/* What the services say about the size of a message: docs/notifiers.md. */
static const char *limit_of(const struct sink *s)
{
    static const struct {
        const char *kind, *limit;
    } limits[] = {
        { "telegram", "4096 UTF-16 units of text" },
        { "slack", "50 blocks, 3000 characters each" },
        { "discord", "6000 characters in all" },
        { "teams", "28 KiB" },
        { "pagerduty", "512 KiB, 1024 characters of summary" },
        { "opsgenie", "130 characters of message, 15000 of description" },
        { "ntfy", "4096 bytes of message" },
        { "sms", "1600 characters" },
    };

    for (size_t i = 0; i < ARRAY_SIZE(limits); i++)
        if (strcmp(limits[i].kind, s->ops->name) == 0)
            return limits[i].limit;
    return "none known";
}

/* ---- where it goes ---- */

/* Of a URL scheme and host: the rest may be a token. */
static void put_value(struct buf *b, const char *value)
{
    struct slice s = slice_str(value);
    size_t at = slice_find(s, SLICE("://")), end;

    if (at == SIZE_MAX) {
        buf_slice(b, utf8_cut(s, 80));
        return;
    }
    end = at + 3;
    while (end < s.n && !strchr("/?#", s.p[end]))
        end++;
    if (slice_find_byte(slice_of(s.p + at, end - at), '@') != SIZE_MAX)
        end = at;
    buf_slice(b, slice_take(s, end));
    buf_str(b, end + 1 < s.n ? "/..." : "");
}

static void put_list(struct buf *b, const struct option_strs *list)
{
    for (size_t i = 0; i < list->n && i < 5; i++) {
        buf_str(b, i ? "," : "");
        put_value(b, list->items[i]);
    }
    if (list->n > 5)
        buf_printf(b, " and %zu more", list->n - 5);
}

/* The words of its configuration that are no secrets and name places. */
static void put_target(const struct sink *s, struct buf *b)
{
    for (const struct option *o = s->ops->options; o && o->name; o++) {
        const void *at = (const char *)s->state + o->offset;
        const char *const *text = at;
        const struct option_strs *list = at;

        if (o->type == OPTION_STR && *text) {
            buf_printf(b, "%s%s=", b->n ? " " : "", o->name);
            put_value(b, *text);
        } else if (o->type == OPTION_STRS && list->n) {
            buf_printf(b, "%s%s=", b->n ? " " : "", o->name);
            put_list(b, list);
        }
    }
}

/* ---- what it says ---- */

static void deliver(const struct testing *t, struct outcome_of *o)
{
    const struct clock real = CLOCK_REAL;
    struct delivery d = { .key = buf_view(&t->key),
                          .kind = SLICE("notify"),
                          .text = buf_view(&t->document),
                          .attempt = 1,
                          .now_us = clock_now(&real),
                          .host = t->desk->config->host,
                          .text_template = o->sink->text };
    union {
        const struct sink *in;
        struct sink *out;
    } sink = { o->sink }; /* the configuration is ours alone, and is dropped behind this */
    uint64_t start = clock_mono(&real);

    o->result = (struct delivery_result){ .state = DELIVERY_RETRY };
    arena_reset(t->desk->arena);
    d.document = json_load(t->desk->arena, d.text, NULL);
    if (d.document)
        o->sink->ops->deliver(sink.out, &d, &o->result);
    else
        snprintf(o->result.status, sizeof o->result.status, "out of memory");
    o->took_us = clock_mono(&real) - start;
    buf_fini(&o->result.reply);
}

/* The place of the option `directory`: the receiver writes there instead of sending. */
static const char **directory_of(const struct sink *s)
{
    for (const struct option *o = s->ops->options; o && o->name; o++)
        if (strcmp(o->name, "directory") == 0 && o->type == OPTION_STR)
            return (const char **)(void *)((char *)s->state + o->offset);
    return NULL;
}

/* Reads and removes the one file of a folder, and the folder. */
static void take_file(const char *folder, struct buf *out)
{
    DIR *dir = opendir(folder);
    const struct dirent *e;

    while (dir && (e = readdir(dir))) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (out->n == 0)
            (void)file_read(dirfd(dir), e->d_name, RENDERED_MAX, out, NULL);
        (void)unlinkat(dirfd(dir), e->d_name, 0);
    }
    if (dir)
        closedir(dir);
    (void)rmdir(folder);
}

static void render_into_folder(const struct testing *t, struct outcome_of *o,
                               const char **directory)
{
    const char *was = *directory, *tmp = getenv("TMPDIR");
    char folder[256];

    if (snprintf(folder, sizeof folder, "%s/trailwarden-test-%s", tmp ? tmp : "/tmp", t->key.p) >=
            (int)sizeof folder ||
        mkdir(folder, 0700) < 0)
        return;
    *directory = folder;
    deliver(t, o);
    *directory = was;
    take_file(folder, &o->rendered);
    o->exact = o->rendered.n > 0;
}

/* It gets the document as it is; a webhook does unless another form is configured. */
static bool takes_documents(const struct sink *s)
{
    if (strcmp(s->ops->name, "webhook") != 0)
        return strcmp(s->ops->name, "file") == 0;
    for (const struct option *o = s->ops->options; o->name; o++) {
        const void *at = (const char *)s->state + o->offset;

        if ((strcmp(o->name, "format") == 0 && o->type == OPTION_ENUM && *(const int *)at != 0) ||
            (strcmp(o->name, "template") == 0 && o->type == OPTION_STR && *(const char *const *)at))
            return false;
    }
    return true;
}

/* As exactly as can be known without sending it. */
static void render(const struct testing *t, struct outcome_of *o)
{
    const char **directory = directory_of(o->sink);

    if (directory)
        render_into_folder(t, o, directory);
    if (o->exact)
        return;
    if (takes_documents(o->sink)) {
        buf_slice(&o->rendered, buf_view(&t->document));
        o->exact = true;
        return;
    }
    arena_reset(t->desk->arena);
    (void)message_text(buf_view(&t->document), t->desk->config->host, t->desk->arena, &o->rendered);
}

/* ---- showing ---- */

static bool accepted(const struct outcome_of *o)
{
    return o->result.state == DELIVERY_SENT;
}

static void show_notes(const struct desk *d, const struct outcome_of *o)
{
    if (o->notes.text.n == 0)
        return;
    fputs("dialogue\n", d->cli->out);
    print_lines(d, slice_trim(buf_view(&o->notes.text)));
}

static void show_text(const struct testing *t, const struct outcome_of *o, bool dry)
{
    const struct desk *d = t->desk;

    print_factf(d, "receiver", "%s (%s)", o->sink->name, o->sink->ops->name);
    print_fact(d, "target", buf_view(&o->target));
    print_factf(d, "message", "%zu bytes%s; limit: %s", o->rendered.n,
                o->exact ? "" : " as plain text", limit_of(o->sink));
    if (dry || cli_has(d->cli, CLI_VERBOSE))
        print_lines(d, buf_view(&o->rendered));
    if (dry)
        return;
    show_notes(d, o);
    print_factf(d, "result", "%s after %llu ms: %s", accepted(o) ? "accepted" : "NOT ACCEPTED",
                (unsigned long long)(o->took_us / USEC_PER_MSEC), o->result.status);
    print_fact(d, "remote id", slice_str(o->result.remote));
}

static int show_json(const struct testing *t, const struct outcome_of *o, bool dry)
{
    struct desk *d = t->desk;
    struct json_writer *w = &d->w;

    json_object(w);
    json_member_str(w, "receiver", o->sink->name);
    json_member_str(w, "kind", o->sink->ops->name);
    json_member_buf(w, "target", &o->target);
    json_member_bool(w, "dry_run", dry);
    json_member_u64(w, "bytes", o->rendered.n);
    json_member_bool(w, "exact", o->exact);
    json_member_str(w, "limit", limit_of(o->sink));
    json_member_buf(w, "text", &o->rendered);
    if (!dry) {
        json_member_bool(w, "accepted", accepted(o));
        json_member_str(w, "state", delivery_state_name(o->result.state));
        json_member_str(w, "status", o->result.status);
        json_member_str(w, "remote", o->result.remote);
        json_member_u64(w, "latency_ms", o->took_us / USEC_PER_MSEC);
        json_member_slice(w, "dialogue", buf_view(&o->notes.text));
    }
    json_object_end(w);
    return desk_print(d);
}

static void add_row(const struct testing *t, const struct outcome_of *o)
{
    text_table_cell(t->table, slice_str(o->sink->name));
    text_table_cell(t->table, slice_str(o->sink->ops->name));
    text_table_cell(t->table, slice_str(accepted(o) ? "accepted" : "NOT ACCEPTED"));
    text_table_cellf(t->table, "%llu ms", (unsigned long long)(o->took_us / USEC_PER_MSEC));
    text_table_cell(t->table, slice_str(o->result.status));
}

/* ---- one after another ---- */

/* Whatever of them a server may repeat. */
static void find_secrets(const struct sink *s, struct dialogue_notes *notes)
{
    size_t n = 0;

    for (const struct option *o = s->ops->options; o && o->name && n < DIALOGUE_SECRETS; o++) {
        const void *at = (const char *)s->state + o->offset;
        const struct secret *const *secret = at;

        if (o->type == OPTION_SECRET)
            notes->secrets[n++] = *secret;
    }
}

static void test_one(struct testing *t, const struct sink *s)
{
    struct outcome_of o = { .sink = s,
                            .rendered = BUF_LIMIT(RENDERED_MAX),
                            .notes = { .text = BUF_LIMIT(DIALOGUE_MAX) } };
    bool dry = cli_has(t->desk->cli, CLI_DRY_RUN);

    put_target(s, &o.target);
    render(t, &o);
    if (!dry) {
        find_secrets(s, &o.notes);
        dialogue_notes = &o.notes;
        deliver(t, &o);
        dialogue_notes = NULL;
        t->refused += !accepted(&o);
    }
    if (cli_has(t->desk->cli, CLI_JSON))
        (void)show_json(t, &o, dry);
    else
        show_text(t, &o, dry);
    if (!dry)
        add_row(t, &o);
    buf_fini(&o.target);
    buf_fini(&o.rendered);
    buf_fini(&o.notes.text);
}

static const struct sink *find_sink(const struct config *c, const char *name)
{
    const char *names[257] = { 0 };
    const struct sink *s = config_sink(c, slice_str(name));
    const char *near;

    if (s)
        return s;
    for (size_t i = 0; i < c->nsinks && i < ARRAY_SIZE(names) - 1; i++)
        names[i] = c->sinks[i].name;
    near = diag_nearest(slice_str(name), names);
    fprintf(stderr, "trailwarden: no receiver has this name%s%s%s\n",
            near ? ": did you mean '" : "; see `trailwarden notify receivers`", near ? near : "",
            near ? "'?" : "");
    return NULL;
}

/* All must be there before the first one hears anything. */
static int test_named(struct testing *t)
{
    const struct cli *cli = t->desk->cli;
    const struct config *c = t->desk->config;

    for (size_t i = 0; i < cli->nargs; i++)
        if (!find_sink(c, cli->args[i]))
            return EXIT_USAGE;
    for (size_t i = 0; i < cli->nargs; i++)
        test_one(t, find_sink(c, cli->args[i]));
    return EXIT_DONE;
}

static int test_all(struct testing *t)
{
    const struct config *c = t->desk->config;
    bool text = !cli_has(t->desk->cli, CLI_JSON);

    if (c->nsinks == 0) {
        fputs("trailwarden: no receivers are configured (notifiers:)\n", stderr);
        return EXIT_FAILED;
    }
    for (size_t i = 0; i < c->nsinks; i++) {
        test_one(t, &c->sinks[i]);
        if (text)
            fputc('\n', t->desk->cli->out);
    }
    if (text && !cli_has(t->desk->cli, CLI_DRY_RUN))
        text_table_print(t->table, t->desk->cli->out);
    return EXIT_DONE;
}

/* Secrets were read with all rights, as the daemon's parent does. */
static int become_service(const struct config *c, struct err *err)
{
    const struct passwd *pw = c->user && geteuid() == 0 ? getpwnam(c->user) : NULL;

    if (!c->user || geteuid() != 0)
        return 0;
    if (!pw)
        return err_set(err, -ENOENT, "processes: user '%s' does not exist", c->user);
    if (initgroups(pw->pw_name, pw->pw_gid) < 0 ||
        setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0 ||
        setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
        return err_set(err, -errno, "cannot become user '%s': %s", c->user, err_name(errno));
    return 0;
}

static int prepare(struct testing *t, struct err *err)
{
    if (become_service(t->desk->config, err) < 0)
        return err_code(err);
    if (sodium_init() < 0)
        return err_set(err, -EIO, "no random numbers");
    randombytes_buf(t->id, sizeof t->id);
    buf_hex(&t->key, t->id, sizeof t->id);
    if (!notify_sample(t->id, t->desk->now_us, &t->document) || !buf_ok(&t->key))
        return err_nomem(err);
    signal(SIGPIPE, SIG_IGN); /* a relay that hangs up is an answer */
    umask(0027);
    return 0;
}

int command_notify_test(struct cli *cli)
{
    static const char *const headings[] = { "RECEIVER", "KIND", "RESULT", "TIME", "STATUS", NULL };
    AUTO(text_table) table = text_table_new(headings);
    struct desk d;
    struct testing t = { .desk = &d, .table = table };
    struct err err = ERR_NONE;
    int r = desk_open(&d, cli, false);

    if (r == EXIT_DONE && (!table || prepare(&t, &err) < 0))
        r = table ? cli_error(&err) : EXIT_FAILED;
    if (r == EXIT_DONE)
        r = cli->nargs ? test_named(&t) : test_all(&t);
    buf_fini(&t.key);
    buf_fini(&t.document);
    desk_fini(&d);
    return r == EXIT_DONE && t.refused ? EXIT_FAILED : r;
}
