/*
 * Bans in the kernel's nftables, by libnftables: a table of our own, one set for each scope
 * (nft-text.h), elements with timeouts, so that bans end also when we are dead.
 *
 *     start     table, chains and rules anew in one transaction; the sets of an earlier run stay,
 *               with their bans
 *     apply     one transaction for all; when it fails, each half alone, down to the bad one
 *     check     when the generation of the rule set is not ours: does our table look as we left it?
 *
 * Nothing outside the table is touched. What goes into the text is written by us from bytes: nft
 * would look up anything else as a host name.
 */
#include <config.h>

#include "notifiers/blockers/backends.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"

#ifdef HAVE_NFTABLES
#include <nftables/libnftables.h>

#include "notifiers/blockers/nft-close.h"
#include "notifiers/blockers/nft-link.h"
#include "notifiers/blockers/nft-text.h"
#else
#define NFT_CHAINS 3
static const char *const nft_chain_names[NFT_CHAINS + 1] = { "input", "forward", "prerouting",
                                                             NULL };
#endif

#define SCOPES_MAX 256 /* each costs a packet one look into a hash */

struct nftables {
    const char *table;
    int64_t priority;
    struct option_strs chains, close;
    int action;
    bool log;

#ifdef HAVE_NFTABLES
    struct nft_look look;
    struct nft_ctx *nft;
    struct nft_link link;
    struct ban_target scopes[SCOPES_MAX];
    size_t nscopes;
    uint32_t generation; /* of the rule set, when all was as we left it */
    bool changed; /* others changed it, and it was not looked at */
    bool crowded; /* no room for one scope more: the empty ones go */
    bool lost, doubt; /* found when it was looked at, and check() has not said so */
    bool alone; /* the last transaction was the only one, and left this generation: */
    uint32_t after;
    uint8_t shape[SHA256_SIZE]; /* of our table, without elements */
    struct buf text;
#endif
};

enum { ACTION_DROP, ACTION_REJECT };
static const char *const actions[] = { "drop", "reject", NULL };

static const struct option nftables_options[] = {
    { .name = "table",
      .type = OPTION_STR,
      .offset = AT(struct nftables, table),
      .fallback = "trailwarden",
      .help = "Name of our own table of family inet; nothing else is touched." },
    { .name = "chains",
      .type = OPTION_STRS,
      .offset = AT(struct nftables, chains),
      .help = "Hooks where bans hold: input, forward, prerouting; input and forward unless set." },
    { .name = "priority",
      .type = OPTION_I64,
      .offset = AT(struct nftables, priority),
      .fallback = "-10",
      .min = "-300",
      .max = "300",
      .help = "Priority of these chains; below 0 is before most other filters." },
    { .name = "action",
      .type = OPTION_ENUM,
      .offset = AT(struct nftables, action),
      .fallback = "drop",
      .choices = actions,
      .help = "drop says nothing; reject tells the client." },
    { .name = "log",
      .type = OPTION_BOOL,
      .offset = AT(struct nftables, log),
      .help = "Packets of banned addresses to the kernel's log, ten a second at most." },
    { .name = "close",
      .type = OPTION_STRS,
      .offset = AT(struct nftables, close),
      .help = "What forgets connections that are open: conntrack, ss (programs of these names)." },
    { 0 },
};

static int check_chains(const struct nftables *n, struct err *err)
{
    for (size_t i = 0; i < n->chains.n; i++) {
        size_t k = 0;

        while (k < NFT_CHAINS && strcmp(nft_chain_names[k], n->chains.items[i]) != 0)
            k++;
        if (k == NFT_CHAINS)
            return err_set_at(err, -EINVAL, n->chains.at[i],
                              "no chain '%s': input, forward or prerouting", n->chains.items[i]);
    }
    return 0;
}

/* A word that nft's language does not use: it would be a fault of syntax. */
static bool is_name(const char *s)
{
    static const char *const taken[] = { "table", "set",  "list", "add",  "ip",    "ip6",
                                         "inet",  "arp",  "map",  "rule", "chain", "flush",
                                         "reset", "drop", "meta", "tcp",  "udp" };

    if (!(s[0] >= 'a' && s[0] <= 'z') || strlen(s) > 32)
        return false;
    for (size_t i = 0; s[i]; i++)
        if (!(s[i] >= 'a' && s[i] <= 'z') && !(s[i] >= '0' && s[i] <= '9') && s[i] != '_')
            return false;
    for (size_t i = 0; i < ARRAY_SIZE(taken); i++)
        if (strcmp(s, taken[i]) == 0)
            return false;
    return true;
}

#ifndef HAVE_NFTABLES

static int nftables_open(struct blocker *b, struct err *err)
{
    (void)check_chains;
    (void)is_name;
    (void)b;
    return err_set(err, -ENOTSUP, "this trailwarden was built without libnftables");
}

static void nftables_apply(struct blocker *b, const struct ban_request *q, size_t n,
                           struct ban_result *ret)
{
    (void)b;
    (void)q;
    (void)n;
    (void)ret;
}

#else

static bool has(const struct option_strs *list, const char *word)
{
    for (size_t i = 0; i < list->n; i++)
        if (strcmp(list->items[i], word) == 0)
            return true;
    return false;
}

static int nftables_open(struct blocker *b, struct err *err)
{
    struct nftables *n = b->state;

    n->link = (struct nft_link)NFT_LINK_CLOSED;
    if (!is_name(n->table))
        return err_set(err, -EINVAL,
                       "'%s' is no name of a table: small letters, digits and '_', at most 32",
                       n->table);
    if (check_chains(n, err) < 0)
        return err_code(err);
    if (nft_close_check(&n->close, err) < 0)
        return err_code(err);
    n->look = (struct nft_look){ .table = n->table,
                                 .priority = n->priority,
                                 .reject = n->action == ACTION_REJECT,
                                 .log = n->log };
    for (size_t i = 0; i < NFT_CHAINS; i++)
        n->look.chains[i] = n->chains.n ? has(&n->chains, nft_chain_names[i]) : i < 2;
    return 0;
}

static bool nftables_runs(const struct blocker *b)
{
    const struct nftables *n = b->state;

    return n->close.n > 0;
}

/* ---- transactions ---- */

/* Of "Error: ...\nthe line\n^^^" the first words. */
static int nft_fault(struct nftables *n, struct err *err)
{
    struct slice all = slice_str(nft_ctx_get_error_buffer(n->nft)), line = SLICE_NONE;
    size_t at;

    slice_split(&all, '\n', &line);
    at = slice_find(line, SLICE("Error: "));
    if (at != SIZE_MAX)
        line = slice_skip(line, at + 7);
    return err_set(err, -EIO, "nft: %.*s", SLICE_FMT(slice_take(line, 150)));
}

/*
 * One transaction. The generation grows by one when it was only ours; else others were there, and
 * check() has to look.
 */
static int run(struct nftables *n, const struct buf *text, struct err *err)
{
    uint32_t before = 0, after = 0;
    int r;

    if (!buf_ok(text))
        return err_nomem(err);
    n->alone = nft_link_generation(&n->link, &before, NULL) == 0;
    r = nft_run_cmd_from_buffer(n->nft, text->p);
    if (r)
        nft_fault(n, err);
    n->alone &= nft_link_generation(&n->link, &after, NULL) == 0 && after == before + (r == 0);
    if (n->alone && before == n->generation && !n->changed) {
        n->generation = after;
        nft_link_drain(&n->link);
    } else {
        n->changed = true;
    }
    n->after = after;
    return r ? err_code(err) : 0;
}

/* As wanted, and remembered so; again when others changed something between the two. */
static int make_table(struct nftables *n, bool without_old, struct err *err)
{
    for (unsigned attempt = 0; attempt < 5; attempt++) {
        uint32_t generation;

        buf_reset(&n->text);
        if (without_old)
            buf_printf(&n->text, "add table inet %s\ndelete table inet %s\n", n->table, n->table);
        nft_put_table(&n->text, &n->look, n->scopes, n->nscopes);
        if (run(n, &n->text, err) < 0)
            return err_code(err);
        nft_link_drain(&n->link);
        if (nft_link_shape(&n->link, n->table, n->shape, err) < 0 ||
            nft_link_generation(&n->link, &generation, err) < 0)
            return err_code(err);
        n->generation = generation;
        n->changed = false;
        if (n->alone && generation == n->after)
            break;
    }
    return 0;
}

/* ---- scopes ---- */

static size_t find_scope(const struct nftables *n, const struct ban_target *t)
{
    size_t i = 0;

    while (i < n->nscopes && !nft_scope_eq(&n->scopes[i], t))
        i++;
    return i;
}

static int found_set(void *ctx, struct slice name)
{
    struct nftables *n = ctx;
    struct ban_target t;

    if (n->nscopes < SCOPES_MAX && nft_set_parse(name, &t) == 0 && find_scope(n, &t) == n->nscopes)
        n->scopes[n->nscopes++] = t;
    return 0;
}

static int found_element(void *ctx, const struct nft_element *e)
{
    (void)e;
    *(bool *)ctx = true;
    return 0;
}

static bool is_empty(struct nftables *n, const struct ban_target *scope)
{
    char name[NFT_NAME_SIZE];
    bool any = false;

    nft_set_name(scope, name);
    return nft_link_elements(&n->link, n->table, name, found_element, &any, NULL) == 0 && !any;
}

/* Sets that hold nothing go: each costs every packet a look. */
static void drop_empty(struct nftables *n)
{
    struct ban_target gone[SCOPES_MAX];
    size_t kept = 0, ngone = 0;

    for (size_t i = 0; i < n->nscopes; i++)
        if (is_empty(n, &n->scopes[i]))
            gone[ngone++] = n->scopes[i];
        else
            n->scopes[kept++] = n->scopes[i];
    n->nscopes = kept;
    if (ngone == 0 || make_table(n, false, NULL) < 0)
        return; /* those that are left over are found at the next start */
    buf_reset(&n->text);
    for (size_t i = 0; i < ngone; i++)
        nft_put_removal(&n->text, &n->look, &gone[i]);
    if (run(n, &n->text, NULL) == 0)
        make_table(n, false, NULL);
}

/* Around the sets that are there, with the bans that they hold. */
static int begin_table(struct nftables *n, struct err *err)
{
    n->nscopes = 0;
    if (nft_link_sets(&n->link, n->table, found_set, n, err) < 0)
        return err_code(err);
    if (make_table(n, false, err) == 0)
        return 0;
    n->nscopes = 0; /* what is there does not fit */
    return make_table(n, true, err);
}

/* 1 = nobody was there; else as check() says it. */
static int look_at_table(struct nftables *n, struct err *err)
{
    uint32_t generation;
    uint8_t shape[SHA256_SIZE];

    if (nft_link_generation(&n->link, &generation, err) < 0)
        return err_code(err);
    if (!n->changed && generation == n->generation)
        return 1;
    if (nft_link_shape(&n->link, n->table, shape, err) < 0)
        return err_code(err);
    if (memcmp(shape, n->shape, sizeof shape) != 0)
        return begin_table(n, err);
    n->generation = generation;
    n->changed = false;
    return 2;
}

/* In the middle of other work; check() tells it later. */
static bool looked(struct nftables *n)
{
    int r = look_at_table(n, NULL);

    n->lost |= r == 0;
    n->doubt |= r == 2;
    return r == 0;
}

/* ---- start, check ---- */

static int nftables_start(struct blocker *b, struct err *err)
{
    struct nftables *n = b->state;

    if (!n->nft)
        n->nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!n->nft || nft_ctx_buffer_output(n->nft) || nft_ctx_buffer_error(n->nft))
        return err_set(err, -ENOMEM, "libnftables does not begin");
    nft_link_close(&n->link);
    if (nft_link_open(&n->link, err) < 0)
        return err_code(err);
    if (begin_table(n, err) < 0)
        return err_code(err);
    drop_empty(n);
    return 0;
}

static int nftables_watch(struct blocker *b)
{
    const struct nftables *n = b->state;

    return n->link.notify;
}

static int nftables_check(struct blocker *b, struct err *err)
{
    struct nftables *n = b->state;
    int r;

    nft_link_drain(&n->link);
    r = look_at_table(n, err);
    if (r < 0)
        return r;
    if (n->lost)
        r = 0;
    else if (n->doubt && r == 1)
        r = 2;
    n->lost = n->doubt = false;
    return r;
}

/* ---- bans ---- */

struct lot { /* requests of one verb */
    const struct ban_request *q;
    struct ban_result *ret;
    uint8_t verb;
};

static void fail(struct ban_result *r, const struct err *err)
{
    blocker_say(r, r->id, BAN_FAILED, "%s", err->text);
}

static void done(const struct nftables *n, const struct ban_request *q, struct ban_result *r)
{
    static const char *const words[] = { "dropped by nftables", "rejected by nftables" };

    blocker_say(r, q->id, BAN_DONE, "%s",
                q->verb == BAN_REMOVE ? "taken out of nftables" : words[n->action]);
}

static void scope_of(const struct ban_request *q, struct ban_target *t)
{
    *t = (struct ban_target){ .net.net.family = q->family,
                              .net.bits = q->bits,
                              .protocol = q->protocol };
    memcpy(t->ports, q->ports, sizeof t->ports);
}

/* Neighbours of one scope are one command: `which` is sorted by scope. */
static int do_how(struct nftables *n, const struct lot *l, const uint32_t *which, size_t nwhich,
                  enum nft_how how, struct err *err)
{
    size_t from = 0;

    buf_reset(&n->text);
    while (from < nwhich) {
        struct ban_target a, b;
        size_t to = from + 1;

        scope_of(&l->q[which[from]], &a);
        for (; to < nwhich; to++) {
            scope_of(&l->q[which[to]], &b);
            if (!nft_scope_eq(&a, &b))
                break;
        }
        nft_put_elements(&n->text, &n->look, l->q, which + from, to - from, how);
        from = to;
    }
    return run(n, &n->text, err);
}

/* The sure way; halves until the bad one is alone. */
static void do_sure(struct nftables *n, const struct lot *l, const uint32_t *which, size_t nwhich)
{
    enum nft_how how = l->verb == BAN_REMOVE ? NFT_REMOVE : NFT_RENEW;
    struct err err = ERR_NONE;
    int r = do_how(n, l, which, nwhich, how, &err);

    if (r < 0 && nwhich > 1) {
        do_sure(n, l, which, nwhich / 2);
        do_sure(n, l, which + nwhich / 2, nwhich - nwhich / 2);
        return;
    }
    for (size_t i = 0; i < nwhich; i++)
        if (r < 0)
            fail(&l->ret[which[i]], &err);
        else
            done(n, &l->q[which[i]], &l->ret[which[i]]);
}

static void do_lot(struct nftables *n, const struct lot *l, const uint32_t *which, size_t nwhich)
{
    enum nft_how quick = l->verb == BAN_REMOVE ? NFT_DELETE : NFT_CREATE;

    if (nwhich == 0)
        return;
    if (do_how(n, l, which, nwhich, quick, NULL) == 0) {
        for (size_t i = 0; i < nwhich; i++)
            done(n, &l->q[which[i]], &l->ret[which[i]]);
        return;
    }
    if (n->changed) /* the table may have gone while we worked */
        looked(n);
    do_sure(n, l, which, nwhich);
}

/* A set for each scope of the lot, where there is none: all of them in one transaction. */
static void make_scopes(struct nftables *n, const struct lot *l, size_t from, size_t to,
                        struct err *err)
{
    size_t had = n->nscopes;
    bool known = false;

    for (size_t i = from; i < to; i++) {
        struct ban_target t;

        scope_of(&l->q[i], &t);
        if (find_scope(n, &t) < n->nscopes)
            continue;
        if (!known) { /* what others did must not be taken for ours */
            looked(n);
            had = n->nscopes;
            known = true;
        }
        if (n->nscopes == SCOPES_MAX) {
            err_set(err, -ENOSPC, "more than %d kinds of bans (lengths, ports) at once",
                    SCOPES_MAX);
            n->crowded = true;
            break;
        }
        if (find_scope(n, &t) == n->nscopes)
            n->scopes[n->nscopes++] = t;
    }
    if (n->nscopes > had && make_table(n, false, err) < 0)
        n->nscopes = had;
}

/* Where each belongs; SCOPES_MAX for those that are answered already. */
static void find_scopes(struct nftables *n, const struct lot *l, size_t from, size_t to,
                        uint16_t *scope_at)
{
    struct err err = ERR_NONE;

    if (l->verb == BAN_ADD)
        make_scopes(n, l, from, to, &err);
    for (size_t i = from; i < to; i++) {
        struct ban_target t;
        size_t at;

        scope_of(&l->q[i], &t);
        at = find_scope(n, &t);
        scope_at[i] = (uint16_t)(at < n->nscopes ? at : SCOPES_MAX);
        if (at == n->nscopes && l->verb == BAN_ADD)
            fail(&l->ret[i], &err);
        else if (at == n->nscopes) /* nothing of its kind is there */
            done(n, &l->q[i], &l->ret[i]);
    }
}

/* Those that can be done, sorted by scope. */
static size_t sort_lot(size_t from, size_t to, const uint16_t *scope_at, uint32_t *which)
{
    size_t counts[SCOPES_MAX + 1] = { 0 }, total = 0;

    for (size_t i = from; i < to; i++)
        counts[scope_at[i]]++;
    for (size_t s = 0; s < SCOPES_MAX; s++) {
        size_t here = counts[s];

        counts[s] = total;
        total += here;
    }
    for (size_t i = from; i < to; i++)
        if (scope_at[i] < SCOPES_MAX)
            which[counts[scope_at[i]]++] = (uint32_t)i;
    return total;
}

static void nftables_apply(struct blocker *b, const struct ban_request *q, size_t nq,
                           struct ban_result *ret)
{
    struct nftables *n = b->state;
    AUTO_FREE uint32_t *which = calloc(nq, sizeof *which);
    AUTO_FREE uint16_t *scope_at = calloc(nq, sizeof *scope_at);

    if (!which || !scope_at)
        return; /* they are FAILED already */
    for (size_t from = 0, to; from < nq; from = to) {
        struct lot l = { .q = q, .ret = ret, .verb = q[from].verb };

        for (to = from + 1; to < nq && q[to].verb == l.verb; to++)
            ;
        find_scopes(n, &l, from, to, scope_at);
        do_lot(n, &l, which, sort_lot(from, to, scope_at, which));
    }
    if (n->crowded)
        drop_empty(n);
    n->crowded = false;
    nft_close(&n->close, q, ret, nq);
}

/* ---- listing ---- */

struct listing {
    struct ban_target scope;
    int (*fn)(void *ctx, const struct ban_held *h);
    void *ctx;
};

static int list_element(void *ctx, const struct nft_element *e)
{
    const struct listing *l = ctx;
    struct ban_held h = { .target = l->scope, .packets = e->packets, .bytes = e->bytes };
    size_t size = l->scope.net.net.family == 4 ? 4 : 16;

    if (e->key.n < size)
        return 0;
    memcpy(h.target.net.net.bytes, e->key.p, size);
    h.left_s = e->left_ms == UINT64_MAX ? UINT64_MAX : (e->left_ms + 999) / 1000;
    return l->fn(l->ctx, &h);
}

static int nftables_held(struct blocker *b, int (*fn)(void *ctx, const struct ban_held *h),
                         void *ctx, struct err *err)
{
    struct nftables *n = b->state;
    int r = 0;

    for (size_t i = 0; r == 0 && i < n->nscopes; i++) {
        struct listing l = { n->scopes[i], fn, ctx };
        char name[NFT_NAME_SIZE];

        nft_set_name(&n->scopes[i], name);
        r = nft_link_elements(&n->link, n->table, name, list_element, &l, err);
    }
    return r;
}

static void nftables_close(struct blocker *b)
{
    struct nftables *n = b->state;

    if (n->nft) /* never begun: the descriptors are not ours to close */
        nft_link_close(&n->link);
    if (n->nft)
        nft_ctx_free(n->nft);
    n->nft = NULL;
    buf_fini(&n->text);
}

#endif

const struct blocker_ops blocker_nftables = {
    .name = "nftables",
    .summary = "sets of the kernel's own, in a table of ours",
    .options = nftables_options,
    .state_size = sizeof(struct nftables),
    .ends = true,
    .networks = true,
    .ports = true,
    .needs_net_admin = true,
    .open = nftables_open,
    .apply = nftables_apply,
#ifdef HAVE_NFTABLES
    .start = nftables_start,
    .runs = nftables_runs,
    .check = nftables_check,
    .watch = nftables_watch,
    .held = nftables_held,
    .close = nftables_close,
#endif
};
