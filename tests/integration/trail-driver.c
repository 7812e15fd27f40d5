/*
 * The trail by hand, for tests with the tools of others:
 *
 *     trail-driver make TRAIL KEYS N            N entries, some of several days; prints the
 * identity key trail-driver prove TRAIL INDEX            prints a C2SP tlog-proof trail-driver
 * consistency TRAIL OLD SIZE   prints hashes in base64, one a line trail-driver export TRAIL FOLDER
 * writes the static files of tlog-tiles trail-driver check KEY PROOF              a file; prints
 * the leaf
 */
#include <errno.h>
#include <stdio.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/file.h"
#include "base/num.h"

static uint64_t number(const char *text)
{
    uint64_t n;

    return parse_u64(slice_str(text), 0, UINT32_MAX, &n) < 0 ? UINT32_MAX : n;
}

static void fill(struct batch *b, struct arena *a, uint64_t i)
{
    struct entry *e = batch_entry(b, "event");

    e->members = slice_str(arena_printf(a, "\"n\":%llu", (unsigned long long)i));
    if (i % 5)
        return;
    e->pii = arena_array(a, 1, sizeof *e->pii);
    e->pii[0] = (struct entry_pii){ SLICE("user.name"), SLICE("\xc3\xa9va \"x\"") };
    e->npii = 1;
}

static int make(char **arg, struct buf *out, struct err *err)
{
    struct clock clock = { .given = true };
    const struct audit_config c = { .folder = arg[0],
                                    .key_folder = arg[1],
                                    .origin = "interop.example/1",
                                    .heartbeat_s = 300,
                                    .epoch_s = 86400,
                                    .clock = &clock };
    AUTO(audit) a = NULL;
    AUTO(arena) arena = arena_new(1 << 16, 64 << 20);
    struct audit_anchors anchors;
    uint64_t replay, n = number(arg[2]);
    int r;

    clock_set(&clock, UINT64_C(1790000000) * USEC_PER_SEC);
    r = audit_init(&c, &anchors, err);
    if (r == 0)
        r = audit_open(&c, NULL, &a, &replay, err);
    while (r == 0 && audit_end(a).count < n) {
        struct batch b;

        arena_reset(arena);
        clock_set(&clock, clock.now_us + UINT64_C(7200) * USEC_PER_SEC);
        batch_init(&b, arena, clock_now(&clock));
        for (uint64_t i = audit_end(a).count, to = i + 97; i < n && i < to; i++)
            fill(&b, arena, i);
        r = audit_append(a, &b, err);
        if (r < 0)
            break;
        audit_committed(a, &b.trail);
        r = audit_checkpoint(a, true, err);
    }
    buf_printf(out, "%s\n", anchors.identity_vkey);
    return r;
}

static int prove(char **arg, struct buf *out, struct err *err)
{
    AUTO(audit_view) v = NULL;
    int r = audit_view_open(arg[0], &v, err);

    return r < 0 ? r : audit_view_prove(v, number(arg[1]), out, err);
}

static int consistency(char **arg, struct buf *out, struct err *err)
{
    AUTO(audit_view) v = NULL;
    int r = audit_view_open(arg[0], &v, err);

    return r < 0 ? r : audit_view_consistency(v, number(arg[1]), number(arg[2]), out, err);
}

static int export(char **arg, struct buf *out UNUSED, struct err *err)
{
    AUTO(audit_view) v = NULL;
    int r = audit_view_open(arg[0], &v, err);

    return r < 0 ? r : audit_view_export(v, arg[1], NULL, NULL, err);
}

static int check(char **arg, struct buf *out, struct err *err)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    struct audit_proved p;
    int r = file_read(-1, arg[1], 1 << 20, &text, err);

    if (r == 0)
        r = audit_check_proof(buf_view(&text), arg[0], &leaf, &p, err);
    if (r == 0)
        buf_printf(out, "%.*s\n", SLICE_FMT(p.leaf));
    return r;
}

static const struct {
    const char *name;
    int arguments;
    int (*run)(char **arg, struct buf *out, struct err *err);
} verbs[] = {
    { "make", 3, make },     { "prove", 2, prove }, { "consistency", 3, consistency },
    { "export", 2, export }, { "check", 2, check },
};

int main(int argc, char **argv)
{
    for (size_t i = 0; argc > 1 && i < ARRAY_SIZE(verbs); i++) {
        AUTO_BUF out = BUF_INIT;
        struct err err = ERR_NONE;

        if (strcmp(argv[1], verbs[i].name) != 0 || argc != 2 + verbs[i].arguments)
            continue;
        if (verbs[i].run(argv + 2, &out, &err) < 0) {
            fprintf(stderr, "trail-driver: %s\n", err.text);
            return 1;
        }
        printf("%.*s", SLICE_FMT(buf_view(&out)));
        return 0;
    }
    fputs("usage: trail-driver make|prove|consistency|export|check ARGUMENTS...\n", stderr);
    return 2;
}
