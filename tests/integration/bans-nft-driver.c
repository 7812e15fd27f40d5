/*
 * A blocker by hand, for the tests that play the core:
 *
 *     bans-nft-driver CONFIG FD [ROOT]
 *
 * CONFIG is the YAML of `bans:` (`backend: nftables`, its options, and the common ones), FD an
 * inherited SOCK_SEQPACKET socket, ROOT a folder in front of what never.h reads. With "held" for FD
 * it prints what is held, one line a ban, and ends.
 */
#include <errno.h>
#include <stdio.h>

#include "base/log.h"
#include "base/num.h"
#include "notifiers/blockers/work-private.h"

static const struct option settings_options[] = {
    { .name = "allow",
      .type = OPTION_STRS,
      .offset = AT(struct blocker_settings, allow),
      .help = "." },
    { .name = "max",
      .type = OPTION_U64,
      .offset = AT(struct blocker_settings, max),
      .fallback = "1000000",
      .help = "." },
    { .name = "rate",
      .type = OPTION_U64,
      .offset = AT(struct blocker_settings, rate),
      .help = "." },
    { .name = "bits4_min",
      .type = OPTION_U64,
      .offset = AT(struct blocker_settings, bits4_min),
      .fallback = "16",
      .help = "." },
    { .name = "bits6_min",
      .type = OPTION_U64,
      .offset = AT(struct blocker_settings, bits6_min),
      .fallback = "32",
      .help = "." },
    { .name = "every",
      .type = OPTION_DURATION,
      .offset = AT(struct blocker_settings, check_us),
      .fallback = "60s",
      .help = "." },
    { 0 },
};

/* One map holds both kinds of options: each table is told to pass over the other's. */
static void names_of(const struct option *table, const char *const *more, const char **out)
{
    size_t n = 0;

    for (size_t i = 0; table[i].name; i++)
        out[n++] = table[i].name;
    for (size_t i = 0; more[i]; i++)
        out[n++] = more[i];
    out[n] = NULL;
}

static int load(const char *path, struct arena *a, struct diag *d, struct blocker *b)
{
    static const char *const ours[] = { "backend", NULL };
    const char *others[32], *common[32];
    struct yaml_docs docs;
    struct err err = ERR_NONE;
    const struct yaml *kind;

    if (yaml_load_file(path, a, d, &docs) < 0 || docs.ndocs != 1)
        return -EINVAL;
    kind = yaml_get(docs.docs[0], "backend");
    b->ops = kind ? blocker_kind(kind->text) : NULL;
    b->state = b->ops ? arena_alloc(a, b->ops->state_size) : NULL;
    if (!b->state) {
        fprintf(stderr, "no such backend\n");
        return -EINVAL;
    }
    names_of(settings_options, ours, common);
    names_of(b->ops->options, ours, others);
    if (option_load(b->ops->options, docs.docs[0], docs.docs[0]->at, common, b->state, a, d) < 0 ||
        option_load(settings_options, docs.docs[0], docs.docs[0]->at, others, &b->settings, a, d) <
            0)
        return -EINVAL;
    if (b->ops->open && b->ops->open(b, &err) < 0) {
        diag_add_err(d, docs.docs[0]->at, &err);
        return -EINVAL;
    }
    return 0;
}

static int print_held(void *ctx, const struct ban_held *h)
{
    char text[BAN_TEXT_SIZE];

    (void)ctx;
    ban_target_text(&h->target, text);
    printf("%s left %lld packets %llu\n", text, h->left_s == UINT64_MAX ? -1 : (long long)h->left_s,
           (unsigned long long)h->packets);
    return 0;
}

static int list(struct blocker *b)
{
    struct err err = ERR_NONE;

    if ((b->ops->start && b->ops->start(b, &err) < 0) || !b->ops->held ||
        b->ops->held(b, print_held, NULL, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 70;
    }
    b->ops->close(b);
    return 0;
}

int main(int argc, char **argv)
{
    AUTO(arena) a = arena_new(4096, 0);
    AUTO(diag) d = diag_new();
    struct blocker b = { 0 };
    uint64_t fd = 0;

    if (argc < 3 || !a || !d ||
        (strcmp(argv[2], "held") != 0 && parse_u64(slice_str(argv[2]), 3, 1023, &fd) < 0))
        return 64;
    log_init(LOG_LEVEL_DEBUG, "blocker");
    if (load(argv[1], a, d, &b) < 0) {
        diag_print(d, stderr, false);
        return 78;
    }
    if (fd == 0)
        return list(&b);
    blocker_work_under(&b, (int)fd, argc > 3 ? argv[3] : "");
    return 0;
}
