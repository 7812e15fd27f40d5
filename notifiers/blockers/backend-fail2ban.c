/*
 * Bans by a fail2ban server that is there already: fail2ban-client, a jail of its own, all
 * addresses of a batch in one call. When a ban ends is the jail's: give it a `bantime` that is
 * longer than ours, or -1; we take bans back when their time is over.
 */
#include "notifiers/blockers/backends.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "base/proc.h"

#define LISTING_MAX (32u << 20)
#define WORDS_MAX 512 /* addresses in one call */
#define FIRST_MAX 8 /* words in front of them */

struct fail2ban {
    const char *client, *socket, *jail;
    uint64_t timeout_us;
};

static const struct option fail2ban_options[] = {
    { .name = "jail",
      .type = OPTION_STR,
      .offset = AT(struct fail2ban, jail),
      .required = true,
      .help = "A jail for us alone (without filters of its own), with the actions that you want." },
    { .name = "client",
      .type = OPTION_STR,
      .offset = AT(struct fail2ban, client),
      .fallback = "/usr/bin/fail2ban-client",
      .help = "The program (absolute path)." },
    { .name = "socket",
      .type = OPTION_STR,
      .offset = AT(struct fail2ban, socket),
      .help = "The server's socket, when it is not where the client looks for it." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct fail2ban, timeout_us),
      .fallback = "30s",
      .min = "1s",
      .max = "5m",
      .help = "Then the client is killed." },
    { 0 },
};

/* Jails are words; one that begins with a dash would be an option. */
static bool is_jail(const char *s)
{
    if (!s[0] || s[0] == '-' || strlen(s) > 64)
        return false;
    for (; *s; s++)
        if (*s <= 0x20 || *s > 0x7e)
            return false;
    return true;
}

static int fail2ban_open(struct blocker *b, struct err *err)
{
    const struct fail2ban *f = b->state;

    if (f->client[0] != '/')
        return err_set(err, -EINVAL, "'%s' is no absolute path", f->client);
    if (!is_jail(f->jail))
        return err_set(err, -EINVAL, "'%s' is no name of a jail", f->jail);
    return 0;
}

/* ---- calls ---- */

/* The words behind the client and its socket; `out` gets what it said. */
static int call(const struct fail2ban *f, const char *const *words, size_t n, struct buf *out,
                struct err *err)
{
    const char *argv[FIRST_MAX + WORDS_MAX + 1] = { f->client };
    struct proc_result r = { .out = BUF_LIMIT(LISTING_MAX) };
    size_t at = 1;
    int code;

    if (f->socket) {
        argv[at++] = "-s";
        argv[at++] = f->socket;
    }
    for (size_t i = 0; i < n && at < ARRAY_SIZE(argv) - 1; i++)
        argv[at++] = words[i];
    code = proc_run(argv, NULL, SLICE_NONE, f->timeout_us, &r, err);
    if (code == 0 && r.timed_out)
        code = err_set(err, -ETIMEDOUT, "fail2ban-client: killed: it took too long");
    else if (code == 0 && r.status != 0)
        code = err_set(err, -EIO, "fail2ban-client: exit %d: %.*s", r.status,
                       SLICE_FMT(slice_take(slice_trim(buf_view(&r.out)), 60)));
    if (code == 0 && out)
        buf_slice(out, buf_view(&r.out));
    buf_fini(&r.out);
    return code;
}

/* A server that knows the jail. */
static int ask_jail(const struct fail2ban *f, struct err *err)
{
    const char *words[] = { "status", f->jail };

    return call(f, words, ARRAY_SIZE(words), NULL, err);
}

static int fail2ban_start(struct blocker *b, struct err *err)
{
    return ask_jail(b->state, err);
}

/* ---- bans ---- */

static void text_of(const struct ban_request *q, char out[IP_TEXT_SIZE + 4])
{
    struct cidr c = { .net.family = q->family, .bits = q->bits };

    memcpy(c.net.bytes, q->bytes, sizeof c.net.bytes);
    cidr_text(&c, out);
}

/* Of one verb, as many as one call takes; when the server is there, each half is tried alone. */
static void do_some(const struct fail2ban *f, const struct ban_request *q, size_t n,
                    struct ban_result *ret)
{
    static const char *const said[] = { [BAN_ADD] = "banned in jail", [BAN_REMOVE] = "let go by" };
    bool ban = q->verb == BAN_ADD;
    char texts[WORDS_MAX][IP_TEXT_SIZE + 4];
    const char *words[3 + WORDS_MAX] = { "set", f->jail, ban ? "banip" : "unbanip" };
    struct err err = ERR_NONE;
    int r;

    for (size_t i = 0; i < n; i++) {
        text_of(&q[i], texts[i]);
        words[3 + i] = texts[i];
    }
    r = call(f, words, 3 + n, NULL, &err);
    if (r < 0 && n > 1 && ask_jail(f, NULL) == 0) {
        do_some(f, q, n / 2, ret);
        do_some(f, q + n / 2, n - n / 2, ret + n / 2);
        return;
    }
    for (size_t i = 0; i < n; i++)
        if (r < 0)
            blocker_say(&ret[i], q[i].id, BAN_FAILED, "%s", err.text);
        else
            blocker_say(&ret[i], q[i].id, BAN_DONE, "%s %s", said[ban ? BAN_ADD : BAN_REMOVE],
                        f->jail);
}

static void fail2ban_apply(struct blocker *b, const struct ban_request *q, size_t n,
                           struct ban_result *ret)
{
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && to - from < WORDS_MAX &&
                            (q[to].verb == BAN_REMOVE) == (q[from].verb == BAN_REMOVE);
             to++)
            ;
        do_some(b->state, q + from, to - from, ret + from);
    }
}

static int fail2ban_check(struct blocker *b, struct err *err)
{
    int r = ask_jail(b->state, err);

    return r < 0 ? r : 2; /* a server that was started again may have forgotten */
}

/* "192.0.2.1 \t2026-11-22 01:02:03 + 600 = 2026-11-22 01:12:03": times are the jail's, not ours. */
static int fail2ban_held(struct blocker *b, int (*fn)(void *ctx, const struct ban_held *h),
                         void *ctx, struct err *err)
{
    const struct fail2ban *f = b->state;
    const char *words[] = { "get", f->jail, "banip" };
    AUTO_BUF text = BUF_LIMIT(LISTING_MAX);
    struct slice rest, word;
    int r = call(f, words, ARRAY_SIZE(words), &text, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < text.n; i++)
        if (text.p[i] == '\n' || text.p[i] == '\t')
            text.p[i] = ' ';
    rest = buf_view(&text);
    while (r == 0 && slice_split(&rest, ' ', &word)) {
        struct ban_held h = { .left_s = UINT64_MAX };

        if (cidr_parse(word, &h.target.net, NULL) == 0)
            r = fn(ctx, &h);
    }
    return r;
}

const struct blocker_ops blocker_fail2ban = {
    .name = "fail2ban",
    .summary = "a jail of a fail2ban that is there already",
    .options = fail2ban_options,
    .state_size = sizeof(struct fail2ban),
    .networks = true,
    .runs_programs = true,
    .batch = WORDS_MAX,
    .open = fail2ban_open,
    .start = fail2ban_start,
    .apply = fail2ban_apply,
    .check = fail2ban_check,
    .held = fail2ban_held,
};
