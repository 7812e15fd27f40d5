#include "notifiers/blockers/nft-link.h"

#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/netfilter/nf_tables.h>
#include <linux/netfilter/nfnetlink.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>

#define PATIENCE_S 5
#define FAMILY_INET 1 /* NFPROTO_INET */
#define MESSAGE(type) ((NFNL_SUBSYS_NFTABLES << 8) | (type))

/* ---- sockets ---- */

static int open_socket(int flags, struct err *err)
{
    struct timeval patience = { .tv_sec = PATIENCE_S };
    AUTO_FD fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | flags, NETLINK_NETFILTER);

    if (fd < 0)
        return err_set(err, -errno, "cannot talk to nf_tables: %s", err_name(errno));
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    return TAKE_FD(fd);
}

/* Of all that a transaction tells, its one last message. */
static int only_generations(int fd)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_H | BPF_ABS, offsetof(struct nlmsghdr, nlmsg_type)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 0, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, 0xffffffff),
        BPF_STMT(BPF_RET | BPF_K, 0),
    };
    const struct sock_fprog filter = { .len = ARRAY_SIZE(code), .filter = code };

    code[1].k = htons(MESSAGE(NFT_MSG_NEWGEN)); /* BPF loads as if from the network */
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof filter) < 0 ? -errno : 0;
}

static int join(int fd)
{
    const struct sockaddr_nl anywhere = { .nl_family = AF_NETLINK };
    int group = NFNLGRP_NFTABLES;

    /* Without a number of its own a socket is passed over. */
    if (only_generations(fd) < 0 ||
        bind(fd, (const struct sockaddr *)&anywhere, sizeof anywhere) < 0 ||
        setsockopt(fd, SOL_NETLINK, NETLINK_ADD_MEMBERSHIP, &group, sizeof group) < 0)
        return -errno;
    return 0;
}

int nft_link_open(struct nft_link *l, struct err *err)
{
    int r;

    l->talk = open_socket(0, err);
    if (l->talk < 0)
        return err_code(err);
    l->notify = open_socket(SOCK_NONBLOCK, err);
    if (l->notify < 0)
        return err_code(err);
    r = join(l->notify);
    return r < 0 ? err_set(err, r, "cannot watch nf_tables: %s", err_name(r)) : 0;
}

void nft_link_close(struct nft_link *l)
{
    if (l->talk >= 0)
        close(l->talk);
    if (l->notify >= 0)
        close(l->notify);
    l->talk = l->notify = -1;
}

void nft_link_drain(struct nft_link *l)
{
    char part[4096];

    for (unsigned i = 0; i < 100000; i++) /* ENOBUFS: some were lost, more may wait */
        if (recv(l->notify, part, sizeof part, MSG_DONTWAIT) < 0 && errno != ENOBUFS &&
            errno != EINTR)
            break;
}

/* ---- messages ---- */

struct request {
    struct nlmsghdr head;
    struct nfgenmsg family;
    char attributes[512];
};

static void put_text(struct request *r, uint16_t type, const char *text)
{
    size_t at = NLMSG_ALIGN(r->head.nlmsg_len), n = strlen(text) + 1;
    struct nlattr a = { .nla_len = (uint16_t)(NLA_HDRLEN + n), .nla_type = type };

    if (at + NLA_HDRLEN + NLA_ALIGN(n) > sizeof *r)
        return;
    memcpy((char *)r + at, &a, sizeof a);
    memcpy((char *)r + at + NLA_HDRLEN, text, n);
    r->head.nlmsg_len = (uint32_t)(at + NLA_HDRLEN + NLA_ALIGN(n));
}

static struct request ask(unsigned type, uint16_t flags)
{
    return (struct request){
        .head = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct nfgenmsg)),
                  .nlmsg_type = (uint16_t)MESSAGE(type),
                  .nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags) },
        .family = { .nfgen_family = FAMILY_INET, .version = NFNETLINK_V0 },
    };
}

struct dump {
    unsigned type; /* of the messages that are wanted */
    int (*message)(void *ctx, struct slice attributes);
    void *ctx;
    bool torn; /* others changed what was being listed */
    int refused; /* answer of fn: the rest is read, and dropped */
};

/* 1 = more will come, 0 = that was all, negative: errno or the answer of fn. */
static int read_message(struct dump *d, const struct nlmsghdr *h, uint32_t sequence)
{
    const size_t before = NLMSG_LENGTH(sizeof(struct nfgenmsg));
    const char *p = (const char *)h;
    int code;

    if (h->nlmsg_seq != sequence)
        return 1; /* late, of a question that we gave up */
    if (h->nlmsg_flags & NLM_F_DUMP_INTR)
        d->torn = true;
    if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR) {
        if (h->nlmsg_len < NLMSG_LENGTH(sizeof code))
            return h->nlmsg_type == NLMSG_DONE ? 0 : -EPROTO;
        memcpy(&code, p + NLMSG_HDRLEN, sizeof code);
        return code < 0 ? code : 0;
    }
    if (h->nlmsg_type != MESSAGE(d->type) || h->nlmsg_len < before)
        return 1;
    if (!d->refused)
        d->refused = d->message(d->ctx, slice_of(p + before, h->nlmsg_len - before));
    return h->nlmsg_flags & NLM_F_MULTI ? 1 : 0;
}

static int read_part(struct dump *d, const char *part, size_t n, uint32_t sequence)
{
    int r = 1;

    while (r > 0 && n >= NLMSG_HDRLEN) {
        struct nlmsghdr h;
        union {
            const char *bytes;
            const struct nlmsghdr *head;
        } at = { part };

        memcpy(&h, part, sizeof h);
        if (h.nlmsg_len < NLMSG_HDRLEN || h.nlmsg_len > n)
            return -EPROTO;
        r = read_message(d, at.head, sequence);
        if (NLMSG_ALIGN(h.nlmsg_len) >= n)
            break;
        part += NLMSG_ALIGN(h.nlmsg_len);
        n -= NLMSG_ALIGN(h.nlmsg_len);
    }
    return r;
}

static int talk(struct nft_link *l, struct request *q, struct dump *d)
{
    int r = 1;

    q->head.nlmsg_seq = ++l->sequence;
    if (send(l->talk, q, q->head.nlmsg_len, MSG_NOSIGNAL) < 0)
        return -errno;
    while (r > 0) {
        ssize_t n = recv(l->talk, l->part, sizeof l->part, MSG_TRUNC);

        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return errno == EAGAIN ? -ETIMEDOUT : -errno;
        if ((size_t)n > sizeof l->part)
            return -EMSGSIZE;
        r = read_part(d, l->part, (size_t)n, q->head.nlmsg_seq);
    }
    return r < 0 || d->refused >= 0 ? r : d->refused;
}

/* The value of the first attribute of the type; p NULL when there is none. */
static struct slice attribute(struct slice attributes, unsigned type)
{
    while (attributes.n >= NLA_HDRLEN) {
        struct nlattr a;

        memcpy(&a, attributes.p, sizeof a);
        if (a.nla_len < NLA_HDRLEN || a.nla_len > attributes.n)
            break;
        if ((a.nla_type & NLA_TYPE_MASK) == type)
            return slice_of(attributes.p + NLA_HDRLEN, a.nla_len - NLA_HDRLEN);
        attributes = slice_skip(attributes, NLA_ALIGN(a.nla_len));
    }
    return SLICE_NONE;
}

static uint64_t number64(struct slice s, uint64_t otherwise)
{
    uint64_t v;

    if (s.n != sizeof v)
        return otherwise;
    memcpy(&v, s.p, sizeof v);
    return be64toh(v);
}

/* ---- questions ---- */

static int take_generation(void *ctx, struct slice attributes)
{
    struct slice id = attribute(attributes, NFTA_GEN_ID);
    uint32_t v;

    if (id.n != sizeof v)
        return -EPROTO;
    memcpy(&v, id.p, sizeof v);
    *(uint32_t *)ctx = ntohl(v);
    return 0;
}

int nft_link_generation(struct nft_link *l, uint32_t *ret, struct err *err)
{
    struct request q = ask(NFT_MSG_GETGEN, 0);
    struct dump d = { .type = NFT_MSG_NEWGEN, .message = take_generation, .ctx = ret };
    int r;

    q.family.nfgen_family = 0;
    r = talk(l, &q, &d);
    return r < 0 ? err_set(err, r, "nf_tables does not answer: %s", err_name(r)) : 0;
}

struct names {
    const char *table;
    int (*fn)(void *ctx, struct slice name);
    void *ctx;
};

/* Without the NUL at its end. */
static struct slice text_of(struct slice s)
{
    return slice_take(s, slice_find_byte(s, '\0'));
}

static int take_set(void *ctx, struct slice attributes)
{
    const struct names *n = ctx;

    if (!slice_is(text_of(attribute(attributes, NFTA_SET_TABLE)), n->table))
        return 0;
    return n->fn(n->ctx, text_of(attribute(attributes, NFTA_SET_NAME)));
}

int nft_link_sets(struct nft_link *l, const char *table, int (*fn)(void *ctx, struct slice name),
                  void *ctx, struct err *err)
{
    struct names n = { table, fn, ctx };
    struct request q = ask(NFT_MSG_GETSET, NLM_F_DUMP);
    struct dump d = { .type = NFT_MSG_NEWSET, .message = take_set, .ctx = &n };
    int r;

    put_text(&q, NFTA_SET_TABLE, table);
    r = talk(l, &q, &d);
    if (r == -ENOENT) /* no table, no sets */
        return 0;
    return r < 0 ? err_set(err, r, "cannot list sets: %s", err_name(r)) : 0;
}

/* What of each is hashed; the first names the table. Ends with 0. */
static const struct kind {
    unsigned ask, type;
    uint16_t attributes[8];
} kinds[] = {
    { NFT_MSG_GETTABLE,
      NFT_MSG_NEWTABLE,
      { NFTA_TABLE_NAME, NFTA_TABLE_FLAGS, NFTA_TABLE_HANDLE } },
    { NFT_MSG_GETCHAIN,
      NFT_MSG_NEWCHAIN,
      { NFTA_CHAIN_TABLE, NFTA_CHAIN_NAME, NFTA_CHAIN_HANDLE, NFTA_CHAIN_HOOK, NFTA_CHAIN_POLICY,
        NFTA_CHAIN_TYPE } },
    { NFT_MSG_GETRULE,
      NFT_MSG_NEWRULE,
      { NFTA_RULE_TABLE, NFTA_RULE_CHAIN, NFTA_RULE_HANDLE, NFTA_RULE_EXPRESSIONS } },
    { NFT_MSG_GETSET,
      NFT_MSG_NEWSET,
      { NFTA_SET_TABLE, NFTA_SET_NAME, NFTA_SET_HANDLE, NFTA_SET_FLAGS, NFTA_SET_KEY_TYPE,
        NFTA_SET_KEY_LEN } },
};

struct shape {
    const struct kind *kind;
    const char *table;
    struct sha256 hash;
};

static int hash_message(void *ctx, struct slice attributes)
{
    struct shape *s = ctx;

    if (!slice_is(text_of(attribute(attributes, s->kind->attributes[0])), s->table))
        return 0;
    for (size_t i = 0; s->kind->attributes[i]; i++) {
        struct slice v = attribute(attributes, s->kind->attributes[i]);
        const uint32_t head[2] = { s->kind->attributes[i], (uint32_t)v.n };

        sha256_add(&s->hash, head, sizeof head);
        if (v.n)
            sha256_add(&s->hash, v.p, v.n);
    }
    return 0;
}

int nft_link_shape(struct nft_link *l, const char *table, uint8_t ret[SHA256_SIZE], struct err *err)
{
    struct shape s = { .table = table };

    if (sha256_init(&s.hash) < 0)
        return err_nomem(err);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        struct request q = ask(kinds[i].ask, NLM_F_DUMP);
        struct dump d = { .type = kinds[i].type, .message = hash_message, .ctx = &s };
        int r;

        s.kind = &kinds[i];
        if (kinds[i].type == NFT_MSG_NEWRULE) /* the kernel picks; of the others there are few */
            put_text(&q, NFTA_RULE_TABLE, table);
        r = talk(l, &q, &d);
        if (r < 0 && r != -ENOENT)
            return err_set(err, r, "cannot look at table '%s': %s", table, err_name(r));
    }
    sha256_end(&s.hash, ret);
    sha256_fini(&s.hash);
    return 0;
}

struct elements {
    int (*fn)(void *ctx, const struct nft_element *e);
    void *ctx;
};

static void read_counter(struct slice expression, struct nft_element *e)
{
    struct slice data = attribute(expression, NFTA_EXPR_DATA);

    if (!slice_is(text_of(attribute(expression, NFTA_EXPR_NAME)), "counter"))
        return;
    e->packets = number64(attribute(data, NFTA_COUNTER_PACKETS), 0);
    e->bytes = number64(attribute(data, NFTA_COUNTER_BYTES), 0);
}

static int take_element(const struct elements *all, struct slice attributes)
{
    struct slice key = attribute(attributes, NFTA_SET_ELEM_KEY);
    struct nft_element e = { .key = attribute(key, NFTA_DATA_VALUE) };

    if (!e.key.p)
        return 0;
    e.left_ms = number64(attribute(attributes, NFTA_SET_ELEM_EXPIRATION), UINT64_MAX);
    read_counter(attribute(attributes, NFTA_SET_ELEM_EXPR), &e);
    return all->fn(all->ctx, &e);
}

static int take_elements(void *ctx, struct slice attributes)
{
    struct slice list = attribute(attributes, NFTA_SET_ELEM_LIST_ELEMENTS);
    int r = 0;

    while (r == 0 && list.n >= NLA_HDRLEN) {
        struct nlattr a;

        memcpy(&a, list.p, sizeof a);
        if (a.nla_len < NLA_HDRLEN || a.nla_len > list.n)
            return -EPROTO;
        r = take_element(ctx, slice_of(list.p + NLA_HDRLEN, a.nla_len - NLA_HDRLEN));
        list = slice_skip(list, NLA_ALIGN(a.nla_len));
    }
    return r;
}

int nft_link_read_elements(struct slice message, int (*fn)(void *ctx, const struct nft_element *e),
                           void *ctx)
{
    struct elements all = { fn, ctx };

    return take_elements(&all, message);
}

int nft_link_elements(struct nft_link *l, const char *table, const char *set,
                      int (*fn)(void *ctx, const struct nft_element *e), void *ctx, struct err *err)
{
    struct elements all = { fn, ctx };
    struct dump d = { .type = NFT_MSG_NEWSETELEM, .message = take_elements, .ctx = &all };
    int r = 0;

    for (unsigned attempt = 0; attempt < 5; attempt++) {
        struct request q = ask(NFT_MSG_GETSETELEM, NLM_F_DUMP);

        put_text(&q, NFTA_SET_ELEM_LIST_TABLE, table);
        put_text(&q, NFTA_SET_ELEM_LIST_SET, set);
        d.torn = false;
        r = talk(l, &q, &d);
        if (r < 0 || !d.torn)
            break;
    }
    return r < 0 ? err_set(err, r, "cannot list set '%s': %s", set, err_name(r)) : 0;
}
