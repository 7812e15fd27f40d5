/*
 * Bans in two ipsets (NAME4, NAME6), for firewalls that are written with iptables: the rule that
 * asks them is the operator's, and we say so as long as there is none. Entries have timeouts: bans
 * end also when we are dead.
 *
 * A timeout of ipset ends at 24 days; longer bans are written with that, and all are told again
 * before it is over.
 */
#include "notifiers/blockers/backends.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/proc.h"

#define LISTING_MAX (256u << 20)
#define TIMEOUT_MAX_S 2147483u
#define AGAIN_US (10 * 86400 * USEC_PER_SEC)
#define NAME_MAX_BYTES 30 /* of 31, with the family behind it */

struct ipset {
    const char *program, *name;
    uint64_t timeout_us, size;
    uint64_t again_us; /* a ban that is longer than ipset can hold was written; 0: none */
};

static const struct option ipset_options[] = {
    { .name = "name",
      .type = OPTION_STR,
      .offset = AT(struct ipset, name),
      .fallback = "trailwarden",
      .help = "Name of our sets, with 4 or 6 behind it: iptables -I INPUT -m set --match-set "
              "trailwarden4 src -j DROP." },
    { .name = "size",
      .type = OPTION_U64,
      .offset = AT(struct ipset, size),
      .fallback = "1000000",
      .min = "1024",
      .max = "16000000",
      .help = "So many bans fit into each set." },
    { .name = "program",
      .type = OPTION_STR,
      .offset = AT(struct ipset, program),
      .fallback = "/usr/sbin/ipset",
      .help = "The program (absolute path)." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct ipset, timeout_us),
      .fallback = "30s",
      .min = "1s",
      .max = "5m",
      .help = "Then the program is killed." },
    { 0 },
};

static int ipset_open(struct blocker *b, struct err *err)
{
    const struct ipset *s = b->state;
    size_t n = strlen(s->name);

    if (s->program[0] != '/')
        return err_set(err, -EINVAL, "'%s' is no absolute path", s->program);
    for (size_t i = 0; i < n; i++)
        if (!(s->name[i] >= 'a' && s->name[i] <= 'z') &&
            !(s->name[i] >= 'A' && s->name[i] <= 'Z') &&
            !(s->name[i] >= '0' && s->name[i] <= '9' && i) && !(s->name[i] == '_' && i) &&
            !(s->name[i] == '-' && i))
            n = 0;
    if (n == 0 || n > NAME_MAX_BYTES)
        return err_set(err, -EINVAL, "'%s' is no name of a set: letters, digits, '-' and '_'",
                       s->name);
    return 0;
}

/* ---- calls ---- */

static int call(const struct ipset *s, const char *const *words, struct slice input,
                struct buf *out, struct err *err)
{
    const char *argv[8] = { s->program };
    struct proc_result r = { .out = BUF_LIMIT(LISTING_MAX) };
    int code;

    for (size_t i = 0; words[i] && i + 2 < ARRAY_SIZE(argv); i++)
        argv[i + 1] = words[i];
    code = proc_run(argv, NULL, input, s->timeout_us, &r, err);
    if (code == 0 && r.timed_out)
        code = err_set(err, -ETIMEDOUT, "ipset: killed: it took too long");
    else if (code == 0 && r.status != 0)
        code = err_set(err, -EIO, "%.*s", SLICE_FMT(slice_take(slice_trim(buf_view(&r.out)), 90)));
    if (code == 0 && out)
        buf_slice(out, buf_view(&r.out));
    buf_fini(&r.out);
    return code;
}

static int restore(const struct ipset *s, const struct buf *text, struct err *err)
{
    static const char *const words[] = { "-exist", "restore", NULL };

    return buf_ok(text) ? call(s, words, buf_view(text), NULL, err) : err_nomem(err);
}

static int make_sets(const struct ipset *s, struct err *err)
{
    AUTO_BUF text = BUF_INIT;

    for (unsigned family = 4; family <= 6; family += 2)
        buf_printf(&text, "create %s%u hash:net family %s timeout 0 counters maxelem %llu\n",
                   s->name, family, family == 4 ? "inet" : "inet6", (unsigned long long)s->size);
    return restore(s, &text, err);
}

static int ipset_start(struct blocker *b, struct err *err)
{
    return make_sets(b->state, err);
}

/* ---- bans ---- */

static void put_line(struct buf *out, struct ipset *s, const struct ban_request *q)
{
    const struct clock real = CLOCK_REAL;
    struct cidr c = { .net.family = q->family, .bits = q->bits };
    char text[IP_TEXT_SIZE + 4];

    memcpy(c.net.bytes, q->bytes, sizeof c.net.bytes);
    cidr_text(&c, text);
    if (q->verb == BAN_REMOVE) {
        buf_printf(out, "del %s%u %s\n", s->name, q->family, text);
        return;
    }
    buf_printf(out, "add %s%u %s timeout %u\n", s->name, q->family, text,
               q->seconds < TIMEOUT_MAX_S ? q->seconds : TIMEOUT_MAX_S);
    if (q->seconds > TIMEOUT_MAX_S && s->again_us == 0)
        s->again_us = clock_mono(&real) + AGAIN_US;
}

/* ipset stops at a bad line: each half alone. */
static void do_some(struct ipset *s, const struct ban_request *q, size_t n, struct ban_result *ret)
{
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    int r;

    for (size_t i = 0; i < n; i++)
        put_line(&text, s, &q[i]);
    r = restore(s, &text, &err);
    if (r < 0 && n > 1 && r != -ETIMEDOUT && make_sets(s, NULL) == 0) {
        do_some(s, q, n / 2, ret);
        do_some(s, q + n / 2, n - n / 2, ret + n / 2);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (r < 0)
            blocker_say(&ret[i], q[i].id, BAN_FAILED, "%s", err.text);
        else
            blocker_say(&ret[i], q[i].id, BAN_DONE, "%s ipset %s%u",
                        q[i].verb == BAN_REMOVE ? "taken out of" : "in", s->name, q[i].family);
}

static void ipset_apply(struct blocker *b, const struct ban_request *q, size_t n,
                        struct ban_result *ret)
{
    do_some(b->state, q, n, ret);
}

/* ---- looking ---- */

/* "References: 0": no rule asks the set. */
static int look(const struct ipset *s, unsigned family, bool *ret_used, struct err *err)
{
    AUTO_BUF out = BUF_LIMIT(4096);
    char name[40];
    const char *words[] = { "list", "-terse", name, NULL };
    int r;

    snprintf(name, sizeof name, "%s%u", s->name, family);
    r = call(s, words, SLICE_NONE, &out, err);
    *ret_used = r == 0 && slice_find(buf_view(&out), SLICE("References: 0\n")) == SIZE_MAX;
    return r;
}

static int ipset_check(struct blocker *b, struct err *err)
{
    const struct clock real = CLOCK_REAL;
    struct ipset *s = b->state;
    bool used4 = false, used6 = false;

    if (look(s, 4, &used4, NULL) < 0 || look(s, 6, &used6, NULL) < 0)
        return make_sets(s, err);
    if (s->again_us && clock_mono(&real) >= s->again_us) {
        s->again_us = 0;
        return 0;
    }
    if (!used4 && !used6)
        return err_set(err, -ENOENT,
                       "no rule asks the set: iptables -I INPUT -m set --match-set %s4 src -j DROP",
                       s->name);
    return 2; /* nobody tells us what others did */
}

/* "add trailwarden4 192.0.2.1 timeout 59 packets 0 bytes 0" */
static bool read_line(struct slice line, struct ban_held *h)
{
    struct slice word, value;
    uint64_t v;

    *h = (struct ban_held){ .left_s = UINT64_MAX };
    if (!slice_split(&line, ' ', &word) || !slice_is(word, "add") ||
        !slice_split(&line, ' ', &word) || !slice_split(&line, ' ', &word) ||
        cidr_parse(word, &h->target.net, NULL) < 0)
        return false;
    while (slice_split(&line, ' ', &word) && slice_split(&line, ' ', &value)) {
        if (parse_u64(value, 0, UINT64_MAX, &v) < 0)
            continue;
        if (slice_is(word, "timeout") && v)
            h->left_s = v;
        else if (slice_is(word, "packets"))
            h->packets = v;
        else if (slice_is(word, "bytes"))
            h->bytes = v;
    }
    return true;
}

static int ipset_held(struct blocker *b, int (*fn)(void *ctx, const struct ban_held *h), void *ctx,
                      struct err *err)
{
    const struct ipset *s = b->state;
    int r = 0;

    for (unsigned family = 4; r == 0 && family <= 6; family += 2) {
        AUTO_BUF out = BUF_LIMIT(LISTING_MAX);
        char name[40];
        const char *words[] = { "save", name, NULL };
        struct slice rest, line;
        struct ban_held h;

        snprintf(name, sizeof name, "%s%u", s->name, family);
        r = call(s, words, SLICE_NONE, &out, err);
        rest = buf_view(&out);
        while (r == 0 && slice_split(&rest, '\n', &line))
            if (read_line(line, &h))
                r = fn(ctx, &h);
    }
    return r;
}

const struct blocker_ops blocker_ipset = {
    .name = "ipset",
    .summary = "two ipsets, for rules of iptables that you write",
    .options = ipset_options,
    .state_size = sizeof(struct ipset),
    .ends = true,
    .networks = true,
    .needs_net_admin = true,
    .runs_programs = true,
    .open = ipset_open,
    .start = ipset_start,
    .apply = ipset_apply,
    .check = ipset_check,
    .held = ipset_held,
};
