#include "notifiers/blockers/nft-close.h"

#include <errno.h>
#include <string.h>

#include "base/proc.h"

#define EACH_MAX 64 /* of a batch */
#define TIMEOUT_US (2 * USEC_PER_SEC)
#define OUTPUT_MAX 256
#define WORDS_MAX 8

static const struct closer {
    const char *name;
    const char *argv[WORDS_MAX]; /* NULL: the network; ends with an empty word */
} closers[] = {
    { "conntrack", { "/usr/sbin/conntrack", "-D", "-s", NULL, "" } },
    { "ss", { "/usr/bin/ss", "-K", "dst", NULL, "" } },
};

static const struct closer *find(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(closers); i++)
        if (strcmp(closers[i].name, name) == 0)
            return &closers[i];
    return NULL;
}

int nft_close_check(const struct option_strs *names, struct err *err)
{
    for (size_t i = 0; i < names->n; i++) {
        const struct closer *c = find(names->items[i]);

        if (!c)
            return err_set_at(err, -EINVAL, names->at[i],
                              "'close' knows conntrack and ss, not '%s'", names->items[i]);
        if (access(c->argv[0], X_OK) < 0)
            return err_set_at(err, -ENOENT, names->at[i], "cannot run '%s': %s", c->argv[0],
                              err_name(errno));
    }
    return 0;
}

static void close_one(const struct closer *c, const char *network)
{
    const char *argv[WORDS_MAX + 1] = { 0 };
    struct proc_result r = { .out = BUF_LIMIT(OUTPUT_MAX) };

    for (size_t i = 0; i < WORDS_MAX && !(c->argv[i] && !c->argv[i][0]); i++)
        argv[i] = c->argv[i] ? c->argv[i] : network;
    proc_run(argv, NULL, SLICE_NONE, TIMEOUT_US, &r, NULL);
    buf_fini(&r.out);
}

/* A ban of some ports closes nothing: the others stay open. */
void nft_close(const struct option_strs *names, const struct ban_request *q,
               const struct ban_result *ret, size_t n)
{
    size_t closed = 0;

    for (size_t i = 0; names->n && i < n && closed < EACH_MAX; i++) {
        struct cidr net = { .net.family = q[i].family, .bits = q[i].bits };
        char text[IP_TEXT_SIZE + 4];

        if (q[i].verb != BAN_ADD || q[i].protocol || ret[i].said != BAN_DONE)
            continue;
        memcpy(net.net.bytes, q[i].bytes, sizeof net.net.bytes);
        cidr_text(&net, text);
        for (size_t k = 0; k < names->n; k++)
            close_one(find(names->items[k]), text);
        closed++;
    }
}
