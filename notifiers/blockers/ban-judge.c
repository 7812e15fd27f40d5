#include "notifiers/blockers/ban-judge.h"

#include <string.h>

/* ---- settings ---- */

int ban_judge_open(struct ban_judge *j, const struct blocker *b, const char *root, struct err *err)
{
    const struct option_strs *allow = &b->settings.allow;

    *j = (struct ban_judge){ .blocker = b, .tokens = b->settings.rate * USEC_PER_SEC };
    j->never = never_new(root);
    j->allow = calloc(allow->n + 1, sizeof *j->allow);
    if (!j->never || !j->allow) {
        ban_judge_close(j);
        return err_nomem(err);
    }
    for (size_t i = 0; i < allow->n; i++)
        if (cidr_parse(slice_str(allow->items[i]), &j->allow[j->nallow], NULL) == 0)
            j->nallow++;
    return 0;
}

void ban_judge_close(struct ban_judge *j)
{
    never_free(j->never);
    free(j->allow);
    j->never = NULL;
    j->allow = NULL;
    j->nallow = 0;
}

/* ---- form ---- */

static bool clean_host_bits(const struct ban_request *q, unsigned whole)
{
    for (unsigned i = q->bits; i < 128; i++)
        if (q->bytes[i / 8] & (0x80 >> (i % 8)))
            return false;
    return q->bits <= whole;
}

/* Those whose header begins with two ports: TCP, UDP, DCCP, SCTP, UDP-Lite. */
static bool has_ports(uint8_t protocol)
{
    static const uint8_t with[] = { 6, 17, 33, 132, 136 };

    return memchr(with, protocol, sizeof with) != NULL;
}

static bool ports_fine(const struct ban_request *q)
{
    bool end = false;

    if (q->ports[0] && !has_ports(q->protocol))
        return false;
    for (size_t i = 0; i < BAN_PORTS_MAX; i++) {
        if (q->ports[i] && (end || (i > 0 && q->ports[i] <= q->ports[i - 1])))
            return false;
        end = q->ports[i] == 0;
    }
    return true;
}

bool ban_judge_form(const struct ban_request *q, struct ban_target *ret_target,
                    struct ban_result *ret)
{
    struct ban_target t = { 0 };

    if ((q->family != 4 && q->family != 6) || !clean_host_bits(q, q->family == 4 ? 32 : 128))
        return blocker_say(ret, q->id, BAN_NO, "this is no network");
    if (!ports_fine(q))
        return blocker_say(ret, q->id, BAN_NO, "these are no ports of protocol %u", q->protocol);
    t.net.net.family = q->family;
    t.net.bits = q->bits;
    t.protocol = q->protocol;
    memcpy(t.net.net.bytes, q->bytes, sizeof q->bytes);
    memcpy(t.ports, q->ports, sizeof t.ports);
    *ret_target = t;
    return true;
}

/* Printable ASCII without blanks, ended. */
static bool is_word(const char *p, size_t size)
{
    size_t n = strnlen(p, size);

    for (size_t i = 0; i < n; i++)
        if (p[i] <= 0x20 || p[i] > 0x7e)
            return false;
    return n < size;
}

/* ---- what is asked for ---- */

static bool judge_size(const struct ban_judge *j, const struct ban_request *q,
                       struct ban_result *ret)
{
    const struct blocker_settings *s = &j->blocker->settings;
    uint64_t shortest = q->family == 4 ? s->bits4_min : s->bits6_min;
    const struct blocker_ops *ops = j->blocker->ops;

    if (q->bits < shortest || q->bits == 0)
        return blocker_say(ret, q->id, BAN_NO, "a network of /%u: /%llu is the largest allowed",
                           q->bits, (unsigned long long)shortest);
    if (!ops->networks && q->bits != (q->family == 4 ? 32 : 128))
        return blocker_say(ret, q->id, BAN_NO, "backend %s bans single addresses only", ops->name);
    if (!ops->ports && q->protocol)
        return blocker_say(ret, q->id, BAN_NO, "backend %s bans no single protocols or ports",
                           ops->name);
    if (q->seconds > BAN_MAX_S)
        return blocker_say(ret, q->id, BAN_NO, "longer than %llu days",
                           (unsigned long long)(BAN_MAX_S / 86400));
    if (!is_word(q->rule, sizeof q->rule) || !is_word(q->alert, sizeof q->alert))
        return blocker_say(ret, q->id, BAN_NO, "the names of rule or alert are no words");
    return true;
}

static bool judge_allowed(struct ban_judge *j, const struct ban_request *q, const struct cidr *net,
                          uint64_t mono_us, struct ban_result *ret)
{
    const struct cidr *by = NULL;
    char text[IP_TEXT_SIZE + 4];

    for (size_t i = 0; i < j->nallow && !by; i++)
        if (cidr_overlap(&j->allow[i], net))
            by = &j->allow[i];
    for (size_t i = 0; i < j->ntold && !by; i++)
        if (j->told[i].until_us > mono_us && cidr_overlap(&j->told[i].net, net))
            by = &j->told[i].net;
    if (!by)
        return true;
    cidr_text(by, text);
    return blocker_say(ret, q->id, BAN_NO, "allowed: %s", text);
}

static bool judge_never(struct ban_judge *j, const struct ban_request *q, const struct cidr *net,
                        uint64_t mono_us, struct ban_result *ret)
{
    const char *why;
    int r = never_judge(j->never, net, mono_us, &why);

    if (r == 0)
        return true;
    if (r < 0)
        return blocker_say(ret, q->id, BAN_FAILED, "%s: nothing is banned meanwhile", why);
    return blocker_say(ret, q->id, BAN_NO, "never banned: %s", why);
}

static void fill_tokens(struct ban_judge *j, uint64_t mono_us)
{
    uint64_t rate = j->blocker->settings.rate, most = rate * USEC_PER_SEC;
    uint64_t passed = mono_us > j->filled_us ? mono_us - j->filled_us : 0;

    j->filled_us = mono_us;
    if (passed >= 60 * USEC_PER_SEC)
        j->tokens = most;
    else
        j->tokens += passed * rate / 60;
    if (j->tokens > most)
        j->tokens = most;
}

static bool judge_count(struct ban_judge *j, const struct ban_request *q,
                        const struct ban_judge_facts *facts, uint64_t mono_us,
                        struct ban_result *ret)
{
    const struct blocker_settings *s = &j->blocker->settings;

    if (facts->known)
        return true;
    if (s->max && facts->held >= s->max)
        return blocker_say(ret, q->id, BAN_FAILED, "there are %llu bans, the most allowed",
                           (unsigned long long)facts->held);
    if (facts->sync || s->rate == 0)
        return true;
    fill_tokens(j, mono_us);
    if (j->tokens < USEC_PER_SEC)
        return blocker_say(ret, q->id, BAN_FAILED, "more than %llu new bans a minute",
                           (unsigned long long)s->rate);
    j->tokens -= USEC_PER_SEC;
    return true;
}

bool ban_judge_add(struct ban_judge *j, const struct ban_request *q, const struct ban_target *t,
                   const struct ban_judge_facts *facts, uint64_t mono_us, struct ban_result *ret)
{
    return judge_size(j, q, ret) && judge_allowed(j, q, &t->net, mono_us, ret) &&
           judge_never(j, q, &t->net, mono_us, ret) && judge_count(j, q, facts, mono_us, ret);
}

/* ---- told to allow ---- */

/* Where it is, or a place whose time is over; ntold when there is neither. */
static size_t told_place(const struct ban_judge *j, const struct cidr *net, uint64_t mono_us)
{
    size_t free_place = j->ntold;

    for (size_t i = 0; i < j->ntold; i++) {
        if (ip_eq(&j->told[i].net.net, &net->net) && j->told[i].net.bits == net->bits)
            return i;
        if (j->told[i].until_us <= mono_us)
            free_place = i;
    }
    return free_place;
}

void ban_judge_allow(struct ban_judge *j, const struct ban_request *q, const struct ban_target *t,
                     uint64_t mono_us, struct ban_result *ret)
{
    size_t at = told_place(j, &t->net, mono_us);

    if (at == BAN_JUDGE_TOLD_MAX) {
        blocker_say(ret, q->id, BAN_FAILED, "the list of allowed networks is full (%d)",
                    BAN_JUDGE_TOLD_MAX);
        return;
    }
    j->told[at].net = t->net;
    j->told[at].until_us = q->seconds ? mono_us + q->seconds * USEC_PER_SEC : UINT64_MAX;
    if (at == j->ntold)
        j->ntold++;
    blocker_say(ret, q->id, BAN_DONE, "allowed");
}
