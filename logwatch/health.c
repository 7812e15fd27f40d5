#include "logwatch/health.h"

#define WINDOW_US (300 * USEC_PER_SEC)
#define WINDOW_EVENTS 100 /* fewer say nothing about a share */
#define BLIND_US (UINT64_C(3600) * USEC_PER_SEC)
#define BLIND_EVENTS 50

void health_begin(struct health *h, uint64_t now_us)
{
    *h = (struct health){ .spoke_us = now_us, .window_us = now_us, .began_us = now_us };
}

void health_count(struct health *h, const struct reader_result *r, uint64_t now_us)
{
    if (r->events)
        h->spoke_us = now_us;
    h->events += r->events;
    h->window_events += r->parsed;
    h->window_unparsed += r->unparsed;
    h->sees_logins = h->sees_logins || r->shows_logins;
    h->blind = h->blind && !h->sees_logins;
    if (r->lag.since_us == 0)
        h->behind_us = 0;
    else if (h->behind_us == 0)
        h->behind_us = now_us;
}

unsigned health_trouble(const struct health *h)
{
    return (h->silent ? TROUBLE_SILENT : 0u) | (h->behind ? TROUBLE_BEHIND : 0u) |
           (h->unparsed ? TROUBLE_UNPARSED : 0u) | (h->blind ? TROUBLE_BLIND : 0u);
}

static void seconds(struct buf *b, const char *name, uint64_t us)
{
    buf_printf(b, "\"%s\":%llu", name, (unsigned long long)(us / USEC_PER_SEC));
}

static const char *judge_silence(struct health *h, const struct config_channel *c, uint64_t now_us,
                                 struct buf *members)
{
    bool silent = c->silence_us && now_us >= h->spoke_us + c->silence_us;

    if (silent == h->silent)
        return NULL;
    h->silent = silent;
    seconds(members, "for_s", silent ? now_us - h->spoke_us : 0);
    return silent ? "source.silent" : "source.spoke";
}

static const char *judge_lag(struct health *h, const struct config_channel *c, uint64_t now_us,
                             struct buf *members)
{
    bool behind = c->behind_us && h->behind_us && now_us >= h->behind_us + c->behind_us;

    if (behind == h->behind)
        return NULL;
    h->behind = behind;
    seconds(members, "for_s", behind ? now_us - h->behind_us : 0);
    return behind ? "source.behind" : "source.caught_up";
}

/* Once; again only after a window in which most lines were known. */
static const char *judge_unparsed(struct health *h, uint64_t now_us, struct buf *members)
{
    uint64_t events = h->window_events, unparsed = h->window_unparsed;
    bool bad = events >= WINDOW_EVENTS && unparsed * 2 > events;

    if (now_us < h->window_us + WINDOW_US && !(bad && !h->unparsed))
        return NULL;
    h->window_us = now_us;
    h->window_events = h->window_unparsed = 0;
    if (bad == h->unparsed || events < WINDOW_EVENTS)
        return NULL;
    h->unparsed = bad;
    buf_printf(members, "\"events\":%llu,\"unparsed\":%llu", (unsigned long long)events,
               (unsigned long long)unparsed);
    return bad ? "source.unparsed" : "source.parsed";
}

static const char *judge_blindness(struct health *h, const struct config_channel *c,
                                   uint64_t now_us, struct buf *members)
{
    struct json_writer w = json_writer(members);
    bool blind = format_logins_hint(c->format).n && !h->sees_logins && h->events >= BLIND_EVENTS &&
                 now_us >= h->began_us + BLIND_US;

    if (!blind || h->blind)
        return NULL;
    h->blind = true;
    json_member_slice(&w, "hint", format_logins_hint(c->format));
    return "source.blind";
}

const char *health_judge(struct health *h, const struct config_channel *c, uint64_t now_us,
                         struct buf *members)
{
    const char *type = judge_silence(h, c, now_us, members);

    if (!type)
        type = judge_lag(h, c, now_us, members);
    if (!type)
        type = judge_unparsed(h, now_us, members);
    return type ? type : judge_blindness(h, c, now_us, members);
}
