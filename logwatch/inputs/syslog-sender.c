#include "logwatch/inputs/syslog-sender.h"

#include <errno.h>

#include "base/table.h"

struct sender {
    struct sender *older, *newer;
    struct ip ip;
    uint64_t seen_us;
    uint64_t tokens; /* millionths of a message */
};

struct senders {
    struct cidr *allowed;
    size_t nallowed;
    uint64_t rate;
    struct table *table;
    struct sender *oldest, *newest;
};

int senders_new(const struct option_strs *allowed, uint64_t rate, struct senders **ret,
                struct err *err)
{
    AUTO(senders) s = calloc(1, sizeof *s);

    if (!s)
        return err_nomem(err);
    s->rate = rate;
    s->table = table_new(SENDERS_MAX);
    s->allowed = calloc(allowed->n + 1, sizeof *s->allowed);
    if (!s->table || !s->allowed)
        return err_nomem(err);
    for (; s->nallowed < allowed->n; s->nallowed++)
        if (cidr_parse(slice_str(allowed->items[s->nallowed]), &s->allowed[s->nallowed], err) < 0)
            return err_while(err, "senders");
    *ret = TAKE(s);
    return 0;
}

void senders_free(struct senders *s)
{
    struct sender *next;

    if (!s)
        return;
    for (struct sender *p = s->oldest; p; p = next) {
        next = p->newer;
        free(p);
    }
    table_free(s->table);
    free(s->allowed);
    free(s);
}

bool senders_allow(const struct senders *s, const struct ip *ip)
{
    for (size_t i = 0; i < s->nallowed; i++)
        if (cidr_has(&s->allowed[i], ip))
            return true;
    return s->nallowed == 0;
}

static struct slice key_of(const struct ip *ip)
{
    return slice_of((const char *)ip, sizeof *ip); /* bytes only, no padding */
}

static void list_remove(struct senders *s, struct sender *p)
{
    *(p->older ? &p->older->newer : &s->oldest) = p->newer;
    *(p->newer ? &p->newer->older : &s->newest) = p->older;
    p->older = p->newer = NULL;
}

static void list_append(struct senders *s, struct sender *p)
{
    p->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = p;
    s->newest = p;
}

static struct sender *add(struct senders *s, const struct ip *ip, uint64_t now_us)
{
    struct sender *p;

    if (table_count(s->table) >= SENDERS_MAX) {
        p = s->oldest;
        list_remove(s, p);
        (void)table_remove(s->table, key_of(&p->ip));
    } else {
        p = calloc(1, sizeof *p);
    }
    if (!p)
        return NULL;
    *p = (struct sender){ .ip = *ip, .seen_us = now_us, .tokens = s->rate * USEC_PER_SEC };
    if (table_put(s->table, key_of(ip), p) < 0) {
        free(p);
        return NULL;
    }
    list_append(s, p);
    return p;
}

static void refill(struct sender *p, uint64_t rate, uint64_t now_us)
{
    /* The wall clock may be set back: then nothing is added, and it goes on from there. */
    uint64_t passed = now_us > p->seen_us ? now_us - p->seen_us : 0;

    if (passed > USEC_PER_SEC)
        passed = USEC_PER_SEC;
    p->tokens += passed * rate;
    if (p->tokens > rate * USEC_PER_SEC)
        p->tokens = rate * USEC_PER_SEC;
    p->seen_us = now_us;
}

bool senders_take(struct senders *s, const struct ip *ip, uint64_t now_us)
{
    struct sender *p;

    if (!s->rate)
        return true;
    p = table_get(s->table, key_of(ip));
    if (p) {
        list_remove(s, p);
        list_append(s, p);
    } else {
        p = add(s, ip, now_us);
    }
    if (!p)
        return true; /* memory is out: rather one too many than one lost */
    refill(p, s->rate, now_us);
    if (p->tokens < USEC_PER_SEC)
        return false;
    p->tokens -= USEC_PER_SEC;
    return true;
}

size_t senders_count(const struct senders *s)
{
    return table_count(s->table);
}
