/*
 * Messages by a program of the operator's, without a shell: the document on its standard input, the
 * pieces that scripts ask for in the environment.
 */
#include <errno.h>
#include <stdio.h>

#include "notifiers/kinds.h"
#include "notifiers/message.h"
#include "notifiers/program.h"

struct teller {
    struct option_strs argv;
    uint64_t timeout_us;
};

static const struct option teller_options[] = {
    { .name = "command",
      .type = OPTION_STRS,
      .offset = AT(struct teller, argv),
      .required = true,
      .help = "Program (absolute path) and its words; the document comes on standard input." },
    { .name = "timeout",
      .type = OPTION_DURATION,
      .offset = AT(struct teller, timeout_us),
      .fallback = "10s",
      .min = "1s",
      .max = "5m",
      .help = "Then the command is killed." },
    { 0 },
};

static int teller_open(struct sink *s, struct err *err)
{
    const struct teller *o = s->state;

    return program_check(&o->argv, err);
}

/* What came from logs is in the subject only; all others are one plain word each. */
static void run(const struct teller *o, const struct delivery *d, const struct message *m,
                struct slice input, struct delivery_result *ret)
{
    const struct {
        const char *name;
        struct slice value;
    } plain[] = {
        { "TW_ID", m->id },
        { "TW_LEVEL", m->level },
        { "TW_RULE", m->rule },
        { "TW_CHANNEL", m->channel },
        { "TW_INCIDENT", m->incident },
        { "TW_REASON", m->notice },
        { "TW_STATUS", m->resolved ? SLICE("resolved") : SLICE("firing") },
        { "TW_TYPE", m->summary ? SLICE("summary") : SLICE("alert") },
        { "TW_HOST", slice_str(m->host) },
        { "TW_KEY", d->key },
    };
    char words[ARRAY_SIZE(plain)][128], count[24], attempt[16];
    struct program_variable v[ARRAY_SIZE(plain) + 3];
    const char *argv[PROGRAM_WORDS_MAX + 1] = { 0 };
    size_t n = 0;

    _Static_assert(ARRAY_SIZE(v) <= PROGRAM_VARIABLES_MAX, "room for all variables");
    for (; n < ARRAY_SIZE(plain); n++) {
        program_word(plain[n].value, words[n], sizeof words[n]);
        v[n] = (struct program_variable){ plain[n].name, slice_str(words[n]) };
    }
    snprintf(count, sizeof count, "%llu", (unsigned long long)m->alerts);
    snprintf(attempt, sizeof attempt, "%u", d->attempt);
    v[n++] = (struct program_variable){ "TW_ALERTS", slice_str(count) };
    v[n++] = (struct program_variable){ "TW_ATTEMPT", slice_str(attempt) };
    v[n++] = (struct program_variable){ "TW_SUBJECT", m->subject };
    for (size_t i = 0; i < o->argv.n; i++)
        argv[i] = o->argv.items[i];
    program_run(argv, v, n, input, o->timeout_us, ret);
}

static void teller_deliver(struct sink *s, const struct delivery *d, struct delivery_result *ret)
{
    AUTO(arena) a = arena_new(32768, 4 << 20);
    AUTO_BUF input = BUF_INIT;
    struct err err = ERR_NONE;
    struct message m;

    ret->state = DELIVERY_RETRY;
    delivery_text(d, &input);
    buf_char(&input, '\n');
    if (!a || !buf_ok(&input)) {
        snprintf(ret->status, sizeof ret->status, "out of memory");
    } else if (message_make(d, a, &m, &err) < 0) {
        ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        run(s->state, d, &m, buf_view(&input), ret);
    }
}

const struct sink_ops sink_teller = {
    .name = "command",
    .summary = "a program of yours, with the document on its input",
    .options = teller_options,
    .state_size = sizeof(struct teller),
    .runs_programs = true,
    .open = teller_open,
    .deliver = teller_deliver,
};
