/*
 * Bans by a command of the operator's, as fail2ban's actions do, but without a
 * shell: an argv list, whole words replaced, a clean environment, a deadline.
 * The address is read and written again by us; special ones and the allow list
 * are never banned.
 */
#include <errno.h>
#include <stdio.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/proc.h"
#include "base/utf8.h"
#include "notifiers/blockers/order.h"
#include "notifiers/kinds.h"

#define ARGV_MAX 32
#define OUTPUT_MAX 512

struct command {
    struct option_strs argv, allow;
    uint64_t timeout_us;
};

static const struct option command_options[] = {
    { .name = "command", .type = OPTION_STRS, .offset = AT(struct command, argv), .required = true,
      .help = "Program (absolute path) and its words; {address} {family} {seconds} {rule} {id} "
              "are replaced where they are a whole word." },
    { .name = "allow", .type = OPTION_STRS, .offset = AT(struct command, allow),
      .help = "Networks that are never banned." },
    { .name = "timeout", .type = OPTION_DURATION, .offset = AT(struct command, timeout_us),
      .fallback = "10s", .min = "1s", .max = "5m", .help = "Then the command is killed." },
    { 0 },
};

static int command_open(struct sink *s, struct err *err)
{
    const struct command *c = s->state;

    if (c->argv.items[0][0] != '/')
        return err_set_at(err, -EINVAL, c->argv.at[0], "'%s' is no absolute path",
                          c->argv.items[0]);
    if (c->argv.n >= ARGV_MAX)
        return err_set(err, -EINVAL, "a command has at most %d words", ARGV_MAX - 1);
    return allow_check(&c->allow, err);
}

struct words {
    char address[IP_TEXT_SIZE], family[4], seconds[24], rule[128], id[64];
};

static void fill_words(const struct ban_order *o, struct words *w)
{
    ip_text(&o->address, w->address);
    snprintf(w->family, sizeof w->family, "%s", o->address.family == 4 ? "4" : "6");
    snprintf(w->seconds, sizeof w->seconds, "%llu", (unsigned long long)o->for_s);
    snprintf(w->rule, sizeof w->rule, "%.*s", SLICE_FMT(slice_take(o->rule, 120)));
    snprintf(w->id, sizeof w->id, "%.*s", SLICE_FMT(slice_take(o->id, 60)));
}

static const char *replace(const struct words *w, const char *word)
{
    const struct {
        const char *name, *value;
    } known[] = { { "{address}", w->address },
                  { "{family}", w->family },
                  { "{seconds}", w->seconds },
                  { "{rule}", w->rule },
                  { "{id}", w->id } };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(word, known[i].name) == 0)
            return known[i].value;
    return word;
}

/* 75 (EX_TEMPFAIL) and a death are worth another try; any other failure is final. */
static void judge(const struct proc_result *r, struct delivery_result *ret)
{
    AUTO_BUF said = BUF_INIT;
    struct slice out = slice_trim(buf_view(&r->out));

    buf_printable(&said, slice_take(out, 100));
    if (r->timed_out)
        snprintf(ret->status, sizeof ret->status, "killed: it took too long");
    else if (r->signal)
        snprintf(ret->status, sizeof ret->status, "died by signal %d", r->signal);
    else
        snprintf(ret->status, sizeof ret->status, "exit %d%s%.120s", r->status, said.n ? ": " : "",
                 said.n ? said.p : "");
    ret->state = r->timed_out || r->signal || r->status == 75 ? DELIVERY_RETRY
                 : r->status == 0                             ? DELIVERY_SENT
                                                              : DELIVERY_DEAD;
}

static void command_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct command *c = s->state;
    const char *argv[ARGV_MAX + 1] = { 0 };
    AUTO_BUF env_address = BUF_INIT;
    AUTO_BUF env_seconds = BUF_INIT;
    const char *env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                          "LANG=C", NULL, NULL, NULL };
    struct proc_result r = { .out = BUF_LIMIT(OUTPUT_MAX) };
    struct ban_order o;
    struct words w;
    struct err err = ERR_NONE;

    if (!ban_order_read(d, &c->allow, &o, ret))
        return;
    fill_words(&o, &w);
    for (size_t i = 0; i < c->argv.n; i++)
        argv[i] = replace(&w, c->argv.items[i]);
    buf_printf(&env_address, "TW_ADDRESS=%s", w.address);
    buf_printf(&env_seconds, "TW_SECONDS=%s", w.seconds);
    env[2] = env_address.p;
    env[3] = env_seconds.p;
    if (proc_run(argv, env, SLICE_NONE, c->timeout_us, &r, &err) < 0) {
        ret->state = err.code == -EAGAIN || err.code == -ENOMEM ? DELIVERY_RETRY : DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        judge(&r, ret);
    }
    buf_fini(&r.out);
}

const struct sink_ops sink_command = {
    .name = "command", .summary = "bans by a program of yours", .options = command_options,
    .state_size = sizeof(struct command), .bans = true, .open = command_open,
    .deliver = command_deliver,
};
