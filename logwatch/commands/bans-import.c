/*
 * `bans import`: the networks of a list become bans.
 *
 * The list is read whole first. Then it goes to the daemon in requests of some networks each. What
 * holds already is held longer. With --replace a last request takes back what the list had before
 * and has no more; it is sent only when all others were answered, so a list that breaks off, or
 * that is empty, removes nothing.
 */
#include "logwatch/commands/bans.h"

#include <errno.h>
#include <fcntl.h>
#include <time.h>

#include "base/file.h"
#include "base/utf8.h"

#include "logwatch/commands/bans-format.h"

#define LIST_BYTES_MAX (64u << 20)
#define NETWORKS_MAX 1000000
#define FAULTS_SHOWN 20
#define IN_FLIGHT 8
#define TRIES 20 /* while the daemon says "not now", a second apart */

struct import {
    struct cli *cli;
    const char *path;
    struct ban_target *targets;
    size_t n, cap, repeated, faults;
    uint64_t banned, held, refused;
    uint64_t stamp_us; /* when it began */
    struct progress progress;
};

/* ---- reading ---- */

static int take(void *ctx, const struct ban_target *t)
{
    struct import *m = ctx;

    if (m->n == NETWORKS_MAX)
        return -E2BIG;
    if (m->n == m->cap) {
        size_t cap = m->cap ? m->cap * 2 : 1024;
        struct ban_target *more = realloc(m->targets, cap * sizeof *more);

        if (!more)
            return -ENOMEM;
        m->targets = more;
        m->cap = cap;
    }
    m->targets[m->n++] = *t;
    return 0;
}

static void fault(void *ctx, unsigned line, unsigned column, const char *text)
{
    struct import *m = ctx;
    AUTO_BUF clean = BUF_INIT;

    if (++m->faults > FAULTS_SHOWN)
        return;
    buf_printable(&clean, slice_str(text));
    fprintf(stderr, "%s:%u:%u: %.*s\n", m->path, line, column, SLICE_FMT(buf_view(&clean)));
}

static int read_stdin(struct buf *out, struct err *err)
{
    char part[16384];
    ssize_t n;

    while ((n = read(STDIN_FILENO, part, sizeof part)) != 0) {
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return err_set(err, -errno, "cannot read standard input: %s", err_name(errno));
        if (out->n + (size_t)n > LIST_BYTES_MAX)
            return err_set(err, -EFBIG, "the list is larger than %u bytes", LIST_BYTES_MAX);
        buf_add(out, part, (size_t)n);
    }
    return buf_ok(out) ? 0 : err_nomem(err);
}

static int read_list(struct import *m, enum ban_form form)
{
    const struct ban_list_reader reader = { take, fault, m };
    bool standard = strcmp(m->path, "-") == 0;
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    size_t read;
    int r =
        standard ? read_stdin(&text, &err) : file_read(-1, m->path, LIST_BYTES_MAX, &text, &err);

    if (r < 0)
        return cli_error(&err);
    if (standard)
        m->path = "-";
    r = ban_list_read(form, buf_view(&text), &reader);
    if (r < 0) {
        fprintf(stderr, "trailwarden: %s\n",
                r == -E2BIG ? "more than 1,000,000 networks are no list" : "out of memory");
        return EXIT_FAILED;
    }
    if (m->faults > FAULTS_SHOWN)
        fprintf(stderr, "trailwarden: %zu more lines are left out\n", m->faults - FAULTS_SHOWN);
    read = m->n;
    m->n = ban_targets_unique(m->targets, m->n);
    m->repeated = read - m->n;
    return EXIT_DONE;
}

/* ---- asking ---- */

/* The daemon was asked, and did it, or says why it does not at all. */
static int judge(struct import *m, const struct json *answer)
{
    AUTO_BUF clean = BUF_INIT;

    m->banned += json_u64(answer, "banned", 0);
    m->held += json_u64(answer, "held", 0);
    m->refused += json_u64(answer, "refused", 0);
    if (json_bool(answer, "ok", false) || json_get(answer, "refused"))
        return EXIT_DONE;
    buf_printable(&clean, json_text(answer, "text"));
    fprintf(stderr, "trailwarden: %.*s\n", SLICE_FMT(buf_view(&clean)));
    return EXIT_FAILED;
}

static bool not_now(const struct json *answer)
{
    return !json_bool(answer, "ok", false) &&
           slice_starts(json_text(answer, "text"), SLICE("not now"));
}

/* Requests that are on their way: one commit of the daemon answers all of them. */
struct flight {
    struct bans_request request; /* before it was begun: to begin it again */
    size_t n; /* networks in it */
    int fd;
};

struct flights {
    struct flight ring[IN_FLIGHT];
    size_t first, n;
};

static int launch(struct desk *d, struct flights *x, struct bans_request *q)
{
    struct flight *f = &x->ring[(x->first + x->n) % IN_FLIGHT];
    struct act a;

    *f = (struct flight){ .request = *q, .fd = -1 };
    f->n = bans_request_begin(d, q, &a);
    x->n++;
    return act_post(d, &a, &f->fd);
}

/* The oldest; again while its disk or its firewall keeps the daemon busy. */
static int land(struct desk *d, struct import *m, struct flights *x)
{
    const struct timespec second = { .tv_sec = 1 };
    struct flight *f = &x->ring[x->first];
    const struct json *answer = NULL;
    int r = act_take(d, f->fd, &answer);

    for (unsigned i = 0; r == EXIT_DONE && not_now(answer) && i < TRIES; i++) {
        struct bans_request again = f->request;
        struct act a;

        (void)nanosleep(&second, NULL);
        bans_request_begin(d, &again, &a);
        r = act_ask(d, &a, &answer);
    }
    return r == EXIT_DONE ? judge(m, answer) : r;
}

static void forget(struct flights *x)
{
    close(x->ring[x->first].fd);
    x->first = (x->first + 1) % IN_FLIGHT;
    x->n--;
}

static int sync_list(struct desk *d, const struct import *m, struct buf *text)
{
    const struct json *answer;
    struct act a;
    int r;

    act_begin(&a, "ban.sync");
    json_member_str(&a.w, "list", m->cli->values[CLI_LIST]);
    json_member_u64(&a.w, "stamp", m->stamp_us);
    r = act_ask(d, &a, &answer);
    if (r)
        return r;
    buf_slice(text, json_text(answer, "text"));
    if (json_bool(answer, "ok", false))
        return EXIT_DONE;
    fprintf(stderr, "trailwarden: what the list has no more was not removed\n");
    return EXIT_FAILED;
}

static int ask_all(struct desk *d, struct import *m, uint64_t for_s)
{
    struct cli *cli = m->cli;
    struct bans_request q = { .verb = "ban.add",
                              .targets = m->targets,
                              .n = m->n,
                              .for_s = for_s,
                              .reason = cli->values[CLI_BAN_REASON],
                              .list = cli->values[CLI_LIST] };
    struct flights x = { .n = 0 };
    size_t done = 0;
    int r = EXIT_DONE;

    progress_start(&m->progress, "import", m->n);
    m->progress.unit = "networks";
    while (r == EXIT_DONE && (q.n || x.n)) {
        if (q.n && x.n < IN_FLIGHT) {
            r = launch(d, &x, &q);
            continue;
        }
        r = land(d, m, &x);
        if (r != EXIT_DONE)
            break;
        done += x.ring[x.first].n;
        forget(&x);
        progress_step(&m->progress, done, done);
    }
    progress_end(&m->progress);
    while (x.n)
        forget(&x);
    if (r != EXIT_DONE && done)
        fprintf(stderr,
                "trailwarden: it ended after %zu of %zu networks: import again; what is there is"
                " taken again\n",
                done, m->n);
    return r;
}

/* ---- telling ---- */

static int tell(struct desk *d, const struct import *m, const struct buf *synced)
{
    struct cli *cli = m->cli;
    bool dry = cli_has(cli, CLI_DRY_RUN);
    AUTO_BUF clean = BUF_INIT;

    if (cli_has(cli, CLI_JSON)) {
        json_object(&d->w);
        json_member_str(&d->w, "list", cli->values[CLI_LIST]);
        json_member_bool(&d->w, "dry_run", dry);
        json_member_u64(&d->w, "networks", m->n);
        json_member_u64(&d->w, "banned", m->banned);
        json_member_u64(&d->w, "held", m->held);
        json_member_u64(&d->w, "refused", m->refused);
        json_member_u64(&d->w, "repeated", m->repeated);
        json_member_u64(&d->w, "bad_lines", m->faults);
        if (synced->n)
            json_member_buf(&d->w, "replaced", synced);
        json_object_end(&d->w);
        return desk_print(d) < 0 ? EXIT_FAILED : EXIT_DONE;
    }
    fprintf(cli->out, "list %s: %zu network%s", cli->values[CLI_LIST], m->n, m->n == 1 ? "" : "s");
    if (!dry)
        fprintf(cli->out, ": %llu banned, %llu held already, %llu refused",
                (unsigned long long)m->banned, (unsigned long long)m->held,
                (unsigned long long)m->refused);
    fprintf(cli->out, "; %zu repeated, %zu bad line%s left out\n", m->repeated, m->faults,
            m->faults == 1 ? "" : "s");
    buf_printable(&clean, buf_view(synced));
    if (clean.n)
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&clean)));
    return EXIT_DONE;
}

static int import(struct import *m, uint64_t for_s)
{
    const struct clock real = CLOCK_REAL;
    AUTO_BUF synced = BUF_INIT;
    struct desk d;
    int r;

    if (m->n == 0) {
        fprintf(stderr, "trailwarden: no network stands in '%s': nothing was changed\n", m->path);
        return EXIT_FAILED;
    }
    r = desk_open(&d, m->cli, false);
    m->stamp_us = clock_now(&real);
    if (r == EXIT_DONE && !cli_has(m->cli, CLI_DRY_RUN)) {
        r = ask_all(&d, m, for_s);
        if (r == EXIT_DONE && cli_has(m->cli, CLI_REPLACE))
            r = sync_list(&d, m, &synced);
    }
    if (r == EXIT_DONE)
        r = tell(&d, m, &synced);
    desk_fini(&d);
    return r;
}

int command_bans_import(struct cli *cli)
{
    struct import m = { .cli = cli, .path = cli->args[0] };
    enum ban_form form = ban_form_of(m.path);
    uint64_t for_s = 0;
    int r;

    if (cli->nargs != 1)
        return act_usage(cli, "one file is wanted, or - for standard input");
    if (!cli_has(cli, CLI_LIST))
        return act_usage(cli, "which list is it? --list NAME");
    if (cli_has(cli, CLI_FORMAT)
            ? ban_form_parse(slice_str(cli->values[CLI_FORMAT]), true, &form) < 0
            : form > BAN_JSON)
        return act_usage(cli, "--format is plain, csv or json");
    r = bans_list_name(cli);
    if (r == EXIT_DONE)
        r = bans_for(cli, &for_s);
    if (r == EXIT_DONE)
        r = bans_reason(cli);
    if (r == EXIT_DONE)
        r = read_list(&m, form);
    if (r == EXIT_DONE)
        r = import(&m, for_s);
    free(m.targets);
    return r;
}
