/* The process of one receiver of entries: lines to records, records to the machine. */
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>

#include "logwatch/forward.h"
#include "logwatch/sender.h"

struct child {
    struct machine *machine;
    const char *host;
    struct record_reader *reader;
    char *origin; /* what the reader borrows */
    struct arena *arena;
    struct trail_record *records;
    struct machine_result *results;
};

static bool read_order(struct slice packet, struct forward_order *ret, struct slice *ret_origin,
                       struct slice *ret_lines)
{
    if (packet.n < sizeof *ret)
        return false;
    memcpy(ret, packet.p, sizeof *ret);
    packet = slice_skip(packet, sizeof *ret);
    if (ret->origin_n > packet.n || ret->n > FORWARD_BATCH_MAX)
        return false;
    *ret_origin = slice_take(packet, ret->origin_n);
    *ret_lines = slice_skip(packet, ret->origin_n);
    return true;
}

static bool ready_reader(struct child *c, struct slice origin)
{
    if (c->reader && slice_is(origin, c->origin))
        return true;
    record_reader_free(c->reader);
    free(c->origin);
    c->origin = slice_dup(origin);
    c->reader = c->origin ? record_reader_new(c->origin, c->host) : NULL;
    return c->reader != NULL;
}

/*
 * All lines; one that is no entry is dead before anybody saw it, and keeps its place: `good` says
 * which the records are.
 */
static size_t read_lines(struct child *c, struct slice lines, size_t n, size_t *good,
                         struct machine_result *all)
{
    struct slice line;
    struct err err = ERR_NONE;
    size_t ngood = 0;

    for (size_t i = 0; i < n && slice_split(&lines, '\n', &line); i++) {
        all[i] = (struct machine_result){ .state = DELIVERY_RETRY };
        err = (struct err)ERR_NONE;
        if (record_read(c->reader, line, c->arena, &c->records[ngood], &err) == 0)
            good[ngood++] = i;
        else if (err.code != -ENOMEM)
            result_dead(&all[i], "%.110s", err.text);
    }
    return ngood;
}

static void put_answer(const struct forward_order *o, const struct machine_result *all,
                       const struct machine_said *said, struct buf *out)
{
    struct forward_answer a = { .number = o->number,
                                .n = o->n,
                                .retry_after_us = said->retry_after_us,
                                .again_from = said->again_from,
                                .rejected = said->rejected,
                                .broken = said->broken,
                                .again = said->again };

    memcpy(a.status, said->status, sizeof a.status);
    for (size_t i = 0; i < o->n && a.nreasons < FORWARD_REASONS_MAX; i++)
        a.nreasons += all[i].state == DELIVERY_DEAD;
    buf_reset(out);
    buf_add(out, &a, sizeof a);
    for (size_t i = 0; i < o->n; i++)
        buf_char(out, (char)all[i].state);
    for (size_t i = 0, told = 0; i < o->n && told < a.nreasons; i++) {
        struct forward_reason r = { .which = (uint32_t)i };

        if (all[i].state != DELIVERY_DEAD)
            continue;
        memcpy(r.text, all[i].reason, sizeof r.text);
        buf_add(out, &r, sizeof r);
        told++;
    }
}

static void work_on(struct child *c, const struct forward_order *o, struct slice lines,
                    struct buf *out)
{
    static struct machine_result all[FORWARD_BATCH_MAX];
    static size_t good[FORWARD_BATCH_MAX];
    struct machine_said said = { 0 };
    size_t n;

    arena_reset(c->arena);
    n = read_lines(c, lines, o->n, good, all);
    if (n)
        machine_deliver(c->machine, c->records, n, c->results, &said);
    for (size_t i = 0; i < n; i++)
        all[good[i]] = c->results[i];
    put_answer(o, all, &said, out);
}

/* False: the line has ended, or what comes on it is not understood. */
static bool take_packet(struct child *c, int fd, char *packet)
{
    struct forward_order o;
    struct slice origin, lines;
    AUTO_BUF answer = BUF_INIT;
    ssize_t n = recv(fd, packet, FORWARD_PACKET_MAX, 0);

    if (n < 0 && errno == EINTR)
        return true;
    if (n <= 0 || !read_order(slice_of(packet, (size_t)n), &o, &origin, &lines) ||
        !ready_reader(c, origin))
        return false;
    work_on(c, &o, lines, &answer);
    return buf_ok(&answer) && send(fd, answer.p, answer.n, MSG_NOSIGNAL) >= 0;
}

void forward_work(struct machine *m, const char *host, int fd)
{
    struct child c = { .machine = m, .host = host, .arena = arena_new(1 << 20, 64 << 20) };
    char *packet = malloc(FORWARD_PACKET_MAX);

    signal(SIGPIPE, SIG_IGN);
    c.records = calloc(FORWARD_BATCH_MAX, sizeof *c.records);
    c.results = calloc(FORWARD_BATCH_MAX, sizeof *c.results);
    while (c.arena && packet && c.records && c.results && !sender_stopped() &&
           take_packet(&c, fd, packet))
        ;
    record_reader_free(c.reader);
    free(c.origin);
    free(c.records);
    free(c.results);
    free(packet);
    arena_free(c.arena);
    if (m->ops->close && m->state)
        m->ops->close(m); /* says good-bye */
    m->state = NULL;
    close(fd);
}
