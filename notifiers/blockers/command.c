/*
 * Bans by a command of the operator's, as fail2ban's actions do, but without a
 * shell: an argv list, whole words replaced, a clean environment, a deadline.
 * The address is read and written again by us; special ones and the allow list
 * are never banned.
 */
#include <errno.h>
#include <stdio.h>

#include "base/ip.h"
#include "notifiers/blockers/order.h"
#include "notifiers/kinds.h"
#include "notifiers/program.h"

struct command {
    struct option_strs argv, unban, allow;
    uint64_t timeout_us;
};

static const struct option command_options[] = {
    { .name = "command",
      .type = OPTION_STRS,
      .offset = AT(struct command, argv),
      .required = true,
      .help = "Program (absolute path) and its words; {action} {address} {family} {seconds} "
              "{rule} {id} are replaced where they are a whole word." },
    { .name = "unban",
      .type = OPTION_STRS,
      .offset = AT(struct command, unban),
      .help = "The same to take a ban back; without it nobody can, but the command itself." },
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

    if (program_check(&c->argv, err) < 0)
        return err_code(err);
    if (c->unban.n && program_check(&c->unban, err) < 0)
        return err_while(err, "unban");
    return allow_check(&c->allow, err);
}

static bool command_unbans(const struct sink *s)
{
    const struct command *c = s->state;

    return c->unban.n > 0;
}

struct words {
    const char *action;
    char address[IP_TEXT_SIZE], family[4], seconds[24], rule[128], id[64];
};

static void fill_words(const struct ban_order *o, struct words *w)
{
    w->action = o->unban ? "unban" : "ban";
    ip_text(&o->address, w->address);
    snprintf(w->family, sizeof w->family, "%s", o->address.family == 4 ? "4" : "6");
    snprintf(w->seconds, sizeof w->seconds, "%llu", (unsigned long long)o->for_s);
    program_word(o->rule, w->rule, sizeof w->rule);
    program_word(o->id, w->id, sizeof w->id);
}

/* Each word under both of its names: {address} in argv, TW_ADDRESS in the environment. */
struct word_name {
    const char *placeholder, *variable, *value;
};
#define WORDS 6

static void name_words(const struct words *w, struct word_name out[WORDS])
{
    const struct word_name names[WORDS] = {
        { "{action}", "TW_ACTION", w->action }, { "{address}", "TW_ADDRESS", w->address },
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

static void run(const struct command *c, const struct option_strs *words,
                const struct word_name names[WORDS], struct delivery_result *ret)
{
    const char *argv[PROGRAM_WORDS_MAX + 1] = { 0 };
    struct program_variable variables[WORDS];

    for (size_t i = 0; i < words->n; i++)
        argv[i] = replace(names, words->items[i]);
    for (size_t i = 0; i < WORDS; i++)
        variables[i] = (struct program_variable){ names[i].variable, slice_str(names[i].value) };
    program_run(argv, variables, WORDS, SLICE_NONE, c->timeout_us, ret);
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
    if (o.unban && c->unban.n == 0) { /* it was configured when the order was given */
        ret->state = DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "there is no 'unban' command");
        return;
    }
    if (!o.dry_run) {
        run(c, o.unban ? &c->unban : &c->argv, names, ret);
        return;
    }
    ret->state = DELIVERY_SENT;
    snprintf(ret->status, sizeof ret->status, "dry run: would %s %s for %ss", w.action, w.address,
             w.seconds);
}

const struct sink_ops sink_command = {
    .name = "command",
    .summary = "bans by a program of yours",
    .options = command_options,
    .state_size = sizeof(struct command),
    .bans = true,
    .runs_programs = true,
    .unbans = command_unbans,
    .open = command_open,
    .deliver = command_deliver,
};
