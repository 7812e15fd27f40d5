/*
 * Bans by programs of the operator's, as fail2ban's actions do, but without a shell: argv lists,
 * whole words replaced, a clean environment, a deadline, and the process group is killed with it.
 *
 *     start    once, when the blocker begins, and again when `check` fails
 *     check    now and then; exit 0: what start made is still there
 *     command  a ban; it may come again for one that is there (a renewal, a new start of ours)
 *     unban    a ban is taken back, or its time is over; it may come for one that is not there
 *     stop     when the blocker ends in good order
 *
 * Exit 75 (EX_TEMPFAIL), a death and the deadline are tried again; any other is final.
 */
#include "notifiers/blockers/backends.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "notifiers/program.h"

struct command {
    struct option_strs ban, unban, start, stop, check;
    uint64_t timeout_us;
    bool started;
};

static const struct option command_options[] = {
    { .name = "command",
      .type = OPTION_STRS,
      .offset = AT(struct command, ban),
      .required = true,
      .help = "Program (absolute path) and its words for a ban; {action} {address} {network} "
              "{family} {bits} {seconds} {protocol} {ports} {rule} {alert} {id} {times} are "
              "replaced where they are a whole word, and stand in TW_ACTION and so on." },
    { .name = "unban",
      .type = OPTION_STRS,
      .offset = AT(struct command, unban),
      .help = "The same to take a ban back; without it nobody can, but the command itself." },
    { .name = "start",
      .type = OPTION_STRS,
      .offset = AT(struct command, start),
      .help = "Run when the blocker begins, and when `check` failed." },
    { .name = "stop",
      .type = OPTION_STRS,
      .offset = AT(struct command, stop),
      .help = "Run when the blocker ends in good order." },
    { .name = "check",
      .type = OPTION_STRS,
      .offset = AT(struct command, check),
      .help = "Run now and then; when it fails, `start` is run and all bans are told again." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct command, timeout_us),
      .fallback = "10s",
      .min = "1s",
      .max = "5m",
      .help = "Then the program is killed." },
    { 0 },
};

static int command_open(struct blocker *b, struct err *err)
{
    const struct command *c = b->state;
    const struct {
        const char *name;
        const struct option_strs *words;
    } hooks[] = { { "command", &c->ban },
                  { "unban", &c->unban },
                  { "start", &c->start },
                  { "stop", &c->stop },
                  { "check", &c->check } };

    for (size_t i = 0; i < ARRAY_SIZE(hooks); i++)
        if ((i == 0 || hooks[i].words->n) && program_check(hooks[i].words, err) < 0)
            return err_while(err, "%s", hooks[i].name);
    return 0;
}

/* ---- words ---- */

struct words {
    const char *action;
    char address[IP_TEXT_SIZE], network[IP_TEXT_SIZE + 4], family[4], bits[4], seconds[12];
    char protocol[8], ports[BAN_PORTS_MAX * 6 + 1], rule[64], alert[40], times[12];
};

static void fill_ports(const struct ban_request *q, struct words *w)
{
    size_t n = 0;

    w->ports[0] = '\0';
    for (size_t i = 0; i < BAN_PORTS_MAX && q->ports[i]; i++)
        n += (size_t)snprintf(w->ports + n, sizeof w->ports - n, "%s%u", i ? "," : "", q->ports[i]);
}

static void fill_words(const struct ban_request *q, struct words *w)
{
    struct cidr net = { .net.family = q->family, .bits = q->bits };
    const char *protocol = ban_protocol_name(q->protocol);

    memcpy(net.net.bytes, q->bytes, sizeof net.net.bytes);
    w->action = q->verb == BAN_REMOVE ? "unban" : "ban";
    ip_text(&net.net, w->address);
    cidr_text(&net, w->network);
    snprintf(w->family, sizeof w->family, "%u", q->family);
    snprintf(w->bits, sizeof w->bits, "%u", q->bits);
    snprintf(w->seconds, sizeof w->seconds, "%u", q->seconds);
    snprintf(w->times, sizeof w->times, "%u", q->times);
    if (protocol || !q->protocol)
        snprintf(w->protocol, sizeof w->protocol, "%s", protocol ? protocol : "all");
    else
        snprintf(w->protocol, sizeof w->protocol, "%u", q->protocol);
    fill_ports(q, w);
    program_word(slice_of(q->rule, strnlen(q->rule, sizeof q->rule)), w->rule, sizeof w->rule);
    program_word(slice_of(q->alert, strnlen(q->alert, sizeof q->alert)), w->alert, sizeof w->alert);
}

/* Each word under both of its names: {address} in argv, TW_ADDRESS in the environment. */
struct word_name {
    const char *placeholder, *variable, *value;
};
#define WORDS 12

static void name_words(const struct words *w, struct word_name out[WORDS])
{
    const struct word_name names[WORDS] = {
        { "{action}", "TW_ACTION", w->action },
        { "{address}", "TW_ADDRESS", w->address },
        { "{network}", "TW_NETWORK", w->network },
        { "{family}", "TW_FAMILY", w->family },
        { "{bits}", "TW_BITS", w->bits },
        { "{seconds}", "TW_SECONDS", w->seconds },
        { "{protocol}", "TW_PROTOCOL", w->protocol },
        { "{ports}", "TW_PORTS", w->ports },
        { "{rule}", "TW_RULE", w->rule },
        { "{alert}", "TW_ALERT", w->alert },
        { "{id}", "TW_ID", w->alert },
        { "{times}", "TW_TIMES", w->times },
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

/* ---- running ---- */

static void run(const struct command *c, const struct option_strs *hook,
                const struct word_name names[WORDS], struct delivery_result *ret)
{
    const char *argv[PROGRAM_WORDS_MAX + 1] = { 0 };
    struct program_variable variables[WORDS];

    for (size_t i = 0; i < hook->n && i < PROGRAM_WORDS_MAX; i++)
        argv[i] = replace(names, hook->items[i]);
    for (size_t i = 0; i < WORDS; i++)
        variables[i] = (struct program_variable){ names[i].variable, slice_str(names[i].value) };
    program_run(argv, variables, WORDS, SLICE_NONE, c->timeout_us, ret);
}

/* A hook that is about no ban: its words are replaced by nothing. */
static int run_plain(const struct command *c, const struct option_strs *hook, const char *action,
                     struct err *err)
{
    struct words none = { .action = action };
    struct word_name names[WORDS];
    struct delivery_result r = { 0 };

    if (hook->n == 0)
        return 0;
    name_words(&none, names);
    run(c, hook, names, &r);
    return r.state == DELIVERY_SENT ? 0 : err_set(err, -EIO, "%s: %s", action, r.status);
}

static int command_start(struct blocker *b, struct err *err)
{
    struct command *c = b->state;
    int r = run_plain(c, &c->start, "start", err);

    c->started = r == 0;
    return r;
}

static int command_check(struct blocker *b, struct err *err)
{
    struct command *c = b->state;

    if (c->check.n == 0 || run_plain(c, &c->check, "check", NULL) == 0)
        return 1;
    return command_start(b, err);
}

static void one(const struct command *c, const struct ban_request *q, struct ban_result *ret)
{
    static const uint8_t said[DELIVERY_STATES] = {
        [DELIVERY_SENT] = BAN_DONE, [DELIVERY_DEAD] = BAN_NO
    };
    struct delivery_result r = { 0 };
    struct word_name names[WORDS];
    struct words w;

    fill_words(q, &w);
    name_words(&w, names);
    if (q->verb == BAN_REMOVE && c->unban.n == 0) {
        blocker_say(ret, q->id, BAN_NO, "there is no 'unban' command");
        return;
    }
    run(c, q->verb == BAN_REMOVE ? &c->unban : &c->ban, names, &r);
    blocker_say(ret, q->id, r.state < DELIVERY_STATES && said[r.state] ? said[r.state] : BAN_FAILED,
                "%s", r.status);
}

static void command_apply(struct blocker *b, const struct ban_request *q, size_t n,
                          struct ban_result *ret)
{
    const struct command *c = b->state;

    for (size_t i = 0; i < n && !blocker_ending(); i++)
        one(c, &q[i], &ret[i]);
}

static void command_close(struct blocker *b)
{
    struct command *c = b->state;

    if (c->started)
        run_plain(c, &c->stop, "stop", NULL);
    c->started = false;
}

const struct blocker_ops blocker_command = {
    .name = "command",
    .summary = "bans by programs of yours",
    .options = command_options,
    .state_size = sizeof(struct command),
    .networks = true,
    .ports = true,
    .runs_programs = true,
    .batch = 16,
    .open = command_open,
    .start = command_start,
    .apply = command_apply,
    .check = command_check,
    .close = command_close,
};
