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
    { .name = "command",
      .type = OPTION_STRS,
      .offset = AT(struct command, argv),
      .required = true,
      .help = "Program (absolute path) and its words; {action} {address} {family} {seconds} "
              "{rule} {id} are replaced where they are a whole word." },
    { .name = "allow",
      .type = OPTION_STRS,
      .offset = AT(struct command, allow),
      .help = "Networks that are never banned." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct command, timeout_us),
      .fallback = "10s",
      .min = "1s",
      .max = "5m",
      .help = "Then the command is killed." },
    { 0 },
};

static int command_open(struct sink *s, struct err *err)
{
    const struct command *c = s->state;

    if (c->argv.n == 0)
        return err_set(err, -EINVAL, "'command' has no words");
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

/* One plain word, whatever a rule file has: no blank, no sign that a script trips over. */
static void plain_word(struct slice s, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n + 1 < size; i++) {
        char c = s.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '.' || c == '_' || (c == '-' && n > 0);

        out[n++] = fine ? c : '_';
    }
    out[n] = '\0';
}

static void fill_words(const struct ban_order *o, struct words *w)
{
    ip_text(&o->address, w->address);
    snprintf(w->family, sizeof w->family, "%s", o->address.family == 4 ? "4" : "6");
    snprintf(w->seconds, sizeof w->seconds, "%llu", (unsigned long long)o->for_s);
    plain_word(o->rule, w->rule, sizeof w->rule);
    plain_word(o->id, w->id, sizeof w->id);
}

/* Each word under both of its names: {address} in argv, TW_ADDRESS in the environment. */
struct word_name {
    const char *placeholder, *variable, *value;
};
#define WORDS 6

static void name_words(const struct words *w, struct word_name out[WORDS])
{
    const struct word_name names[WORDS] = {
        { "{action}", "TW_ACTION", "ban" },     { "{address}", "TW_ADDRESS", w->address },
        { "{family}", "TW_FAMILY", w->family }, { "{seconds}", "TW_SECONDS", w->seconds },
        { "{rule}", "TW_RULE", w->rule },       { "{id}", "TW_ID", w->id },
    };

    memcpy(out, names, sizeof names);
}

static const char *replace(const struct word_name names[WORDS], const char *word)
{
    for (size_t i = 0; i < WORDS; i++)
        if (strcmp(word, names[i].placeholder) == 0)
            return names[i].value;
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

static void run(const struct command *c, const struct word_name names[WORDS],
                struct delivery_result *ret)
{
    char variables[WORDS][160];
    const char *argv[ARGV_MAX + 1] = { 0 };
    const char *env[WORDS + 3] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"
    };
    struct proc_result r = { .out = BUF_LIMIT(OUTPUT_MAX) };
    struct err err = ERR_NONE;

    for (size_t i = 0; i < c->argv.n; i++)
        argv[i] = replace(names, c->argv.items[i]);
    for (size_t i = 0; i < WORDS; i++) {
        snprintf(variables[i], sizeof variables[i], "%s=%.140s", names[i].variable, names[i].value);
        env[i + 2] = variables[i];
    }
    if (proc_run(argv, env, SLICE_NONE, c->timeout_us, &r, &err) < 0) {
        ret->state = err.code == -EAGAIN || err.code == -ENOMEM ? DELIVERY_RETRY : DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        judge(&r, ret);
    }
    buf_fini(&r.out);
}

static void command_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    const struct command *c = s->state;
    struct word_name names[WORDS];
    struct ban_order o;
    struct words w;

    if (!ban_order_read(d, &c->allow, &o, ret))
        return;
    fill_words(&o, &w);
    name_words(&w, names);
    if (!o.dry_run) {
        run(c, names, ret);
        return;
    }
    ret->state = DELIVERY_SENT;
    snprintf(ret->status, sizeof ret->status, "dry run: would ban %s for %ss", w.address,
             w.seconds);
}

const struct sink_ops sink_command = {
    .name = "command",
    .summary = "bans by a program of yours",
    .options = command_options,
    .state_size = sizeof(struct command),
    .bans = true,
    .runs_programs = true,
    .open = command_open,
    .deliver = command_deliver,
};
