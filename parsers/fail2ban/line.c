/* One line against a filter. */
#include <errno.h>
#include <stdio.h>

#include "base/literal.h"
#include "parsers/fail2ban/private.h"

/* Lines that are looked at together, and what of them a match takes. */
struct lines {
    struct slice *list;
    size_t n;
};

struct looking {
    const struct fail2ban *f;
    struct fail2ban_scratch *s;
    struct fail2ban_state *state; /* or NULL */
    struct fail2ban_result *ret;
    struct slice *org; /* all lines */
    size_t norg;
    struct lines now; /* what is looked at, and kept in the end */
    struct slice text; /* of these, each with its LF */
    bool stale; /* text is not of `now` any more */
    bool lowered; /* s->lower is of text */
    struct lines matched, unmatched; /* of the last match; NULL for one line */
    struct groups *pref, *groups; /* only the names that the filter has are filled */
};

/* ---- searching ---- */

/* In lower case; asked for by many expressions, made once for a text. */
static struct slice lower_text(struct looking *l)
{
    struct buf *b = &l->s->lower;

    if (l->lowered)
        return buf_view(b);
    l->lowered = true;
    buf_reset(b);
    if (!buf_reserve(b, l->text.n))
        return SLICE_NONE;
    for (size_t i = 0; i < l->text.n; i++) {
        char c = l->text.p[i];

        b->p[i] = (char)(c >= 'A' && c <= 'Z' ? c | 0x20 : c);
    }
    b->n = l->text.n;
    return buf_view(b);
}

/* Can the expression fit at all? */
static bool hinted(struct looking *l, const struct expression *x)
{
    struct slice lower;

    if (x->nhints == 0)
        return true;
    lower = lower_text(l);
    if (!lower.p)
        return true;
    for (size_t i = 0; i < x->nhints; i++)
        if (memmem(lower.p, lower.n, x->hints[i].p, x->hints[i].n))
            return true;
    return false;
}

static bool search(struct looking *l, const struct expression *x, struct slice text,
                   struct slice *groups)
{
    int rc = regex_match(x->re, l->s->regex, text, groups, x->ngroups);

    if (rc < 0)
        l->s->given_up++;
    return rc == 1;
}

/*
 * What the expression says wins over prefregex; what it leaves open does not. Version 1.0.2 lost
 * the latter, and with it the address; later ones do as we do.
 */
static void take_groups(const struct expression *x, const struct slice *groups, struct groups *into)
{
    for (size_t i = 1; i < x->ngroups; i++)
        if (x->names[i] != NO_NAME && groups[i].p)
            into->v[x->names[i]] = groups[i];
}

static void copy_groups(const struct fail2ban *f, struct groups *into, const struct groups *from)
{
    memcpy(into->v, from->v, f->nnames * sizeof *from->v);
}

static void join(struct arena *a, struct slice *into, struct slice more)
{
    char *p = arena_printf(a, "%.*s, %.*s", SLICE_FMT(*into), SLICE_FMT(more));

    if (p)
        *into = slice_str(p);
}

static void merge_alternates(struct looking *l, const struct expression *x, struct groups *g)
{
    for (size_t i = 0; i < x->nmerged; i++) {
        const struct merged *m = &x->merged[i];

        if (m->tuple && g->v[m->into].p && g->v[m->from].p)
            join(l->s->result, &g->v[m->into], g->v[m->from]);
        else if (g->v[m->from].n && (!g->v[m->into].n || m->tuple))
            g->v[m->into] = g->v[m->from];
    }
}

static void join_lines(struct buf *out, struct lines lines)
{
    buf_reset(out);
    for (size_t i = 0; i < lines.n; i++) {
        buf_slice(out, lines.list[i]);
        if (i + 1 < lines.n)
            buf_char(out, '\n');
    }
    buf_char(out, '\n');
}

static size_t count_ends(struct slice text, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n && i < text.n; i++)
        count += text.p[i] == '\n';
    return count;
}

/* The lines that <SKIPLINES> went over do not belong to the match. */
static void give_back(struct looking *l, const struct expression *x, const struct slice *groups)
{
    size_t from = 0;

    for (size_t k = 0; k < x->nskips; k++) {
        struct slice rest = groups[x->skips[k]], line;

        if (rest.n && rest.p[rest.n - 1] == '\n')
            rest.n--;
        while (rest.n && slice_split(&rest, '\n', &line))
            for (size_t i = from; i < l->matched.n; i++) {
                if (!slice_eq(l->matched.list[i], line))
                    continue;
                l->unmatched.list[l->unmatched.n++] = line;
                memmove(&l->matched.list[i], &l->matched.list[i + 1],
                        (--l->matched.n - i) * sizeof line);
                from = i;
                break;
            }
    }
}

/* Which of the lines the match took. */
static bool divide(struct looking *l, const struct expression *x, struct slice text,
                   const struct slice *groups)
{
    size_t begin = (size_t)(groups[0].p - text.p), end = begin + groups[0].n, first, last;

    l->matched = (struct lines){ l->org, l->norg };
    l->unmatched = (struct lines){ NULL, 0 };
    if (l->norg <= 1)
        return true;
    l->matched.list = arena_array(l->s->result, l->norg + 1, sizeof *l->org);
    l->unmatched.list = arena_array(l->s->result, l->norg + 1, sizeof *l->org);
    if (!l->matched.list || !l->unmatched.list)
        return false;
    first = count_ends(text, begin + 1);
    while (end && end <= text.n && text.p[end - 1] != '\n')
        end++;
    last = count_ends(text, end ? end : text.n);
    first = first < l->norg ? first : l->norg;
    last = last < first ? first : last < l->norg ? last : l->norg;
    l->matched.n = last - first;
    memcpy(l->matched.list, l->org + first, (last - first) * sizeof *l->org);
    memcpy(l->unmatched.list, l->org, first * sizeof *l->org);
    l->unmatched.n = first;
    give_back(l, x, groups);
    memcpy(l->unmatched.list + l->unmatched.n, l->org + last, (l->norg - last) * sizeof *l->org);
    l->unmatched.n += l->norg - last;
    return true;
}

/* ---- ignoreregex ---- */

static bool ignored(struct looking *l, bool after_match)
{
    AUTO_BUF own = BUF_INIT;
    struct slice text = l->text;
    UNINITIALIZED struct slice groups[GROUPS_MAX + 1];

    if (after_match && l->f->maxlines > 1) {
        join_lines(&own, l->matched);
        text = buf_view(&own);
    }
    for (size_t i = 0; i < l->f->nignore; i++)
        if (search(l, &l->f->ignore[i], text, groups))
            return true;
    return false;
}

/* ---- what it comes to ---- */

static void put_fields(struct looking *l, const struct groups *g)
{
    struct fail2ban_field *list;
    size_t n = 0;

    for (size_t i = 0; i < l->f->nnames; i++)
        n += g->v[i].p != NULL;
    list = arena_array(l->s->result, n, sizeof *list);
    for (size_t i = 0; list && i < l->f->nnames; i++)
        if (g->v[i].p)
            list[l->ret->nfields++] = (struct fail2ban_field){ i, l->f->names[i], g->v[i] };
    l->ret->fields = list;
}

static void mask(struct ip *ip, unsigned bits)
{
    for (unsigned i = bits; i < (ip->family == 4 ? 32u : 128u); i++)
        ip->bytes[i / 8] &= (uint8_t) ~(0x80u >> i % 8);
}

static struct slice address_text(struct looking *l)
{
    struct fail2ban_result *r = l->ret;
    char text[IP_TEXT_SIZE + 8];
    size_t n;

    ip_text(&r->ip, text);
    n = strlen(text);
    if (r->bits != (r->ip.family == 4 ? 32 : 128))
        n += (size_t)snprintf(text + n, sizeof text - n, "/%u", r->bits);
    return arena_slice(l->s->result, slice_of(text, n));
}

static void put_host(struct looking *l, struct slice host, struct slice cidr)
{
    struct fail2ban_result *r = l->ret;
    unsigned all, bits = 0;

    r->host = host;
    if (ip_parse(host, &r->ip) < 0) {
        r->ip = (struct ip){ 0 };
        return;
    }
    all = r->ip.family == 4 ? 32 : 128;
    for (size_t i = 0; i < cidr.n && bits <= all; i++)
        bits = bits * 10 + (unsigned)(cidr.p[i] - '0');
    r->bits = (uint8_t)(cidr.n && bits <= all ? bits : all);
    mask(&r->ip, r->bits);
    r->host = address_text(l);
}

/* false: nothing in it says who it was. */
static bool put_failure(struct looking *l, const struct groups *g)
{
    struct fail2ban_result *r = l->ret;
    struct slice id = g->v[NAME_FID], host = SLICE_NONE;

    for (size_t i = NAME_IP4; i <= NAME_DNS && !host.p; i++)
        host = g->v[i];
    r->user = g->v[NAME_USER];
    if (host.p)
        put_host(l, host, g->v[NAME_CIDR]);
    else if (id.p)
        put_host(l, id, SLICE_NONE);
    r->id = !id.p || slice_eq(id, host) ? r->host : id;
    return r->id.p != NULL;
}

/* Merged with what the lines of its connection said before. */
static int put_connection(struct looking *l)
{
    struct merging m = { .f = l->f,
                         .scratch = l->s,
                         .state = l->state,
                         .groups = l->groups,
                         .matched = (unsigned)l->matched.n,
                         .time_us = l->ret->time_known ? l->ret->time_us : 0 };
    struct connection *c = f2b_connection_merge(&m);

    if (!c)
        return -ENOMEM;
    put_fields(l, &c->groups);
    l->ret->users = c->users;
    l->ret->nusers = c->nusers;
    l->ret->attempts = c->matches;
    l->ret->verdict = FAIL2BAN_NOFAIL;
    if (c->groups.v[NAME_NOFAIL].n)
        return 0;
    if (put_failure(l, &c->groups))
        l->ret->verdict = FAIL2BAN_FAILURE;
    else
        c->pending = true;
    return 0;
}

/* 1: done. 0: it fits, but no one is named: the next expression is tried. */
static int put_match(struct looking *l, size_t i)
{
    l->ret->regex = i;
    if (l->groups->v[NAME_MLFID].p) {
        int rc = put_connection(l);

        return rc < 0 ? rc : 1;
    }
    l->ret->attempts = (unsigned)l->matched.n;
    if (!put_failure(l, l->groups)) {
        l->ret->regex = SIZE_MAX;
        return 0;
    }
    put_fields(l, l->groups);
    l->ret->verdict = l->groups->v[NAME_NOFAIL].n ? FAIL2BAN_NOFAIL : FAIL2BAN_FAILURE;
    return 1;
}

/* ---- the way of a line ---- */

static void keep(struct looking *l, struct lines lines)
{
    l->now = lines;
    l->stale = true;
}

static void fresh_text(struct looking *l)
{
    if (!l->stale)
        return;
    join_lines(&l->s->content, l->now);
    l->text = buf_view(&l->s->content);
    l->stale = l->lowered = false;
}

static int look_at(struct looking *l, size_t i)
{
    const struct expression *x = &l->f->fail[i];
    UNINITIALIZED struct slice groups[GROUPS_MAX + 1];

    if (!hinted(l, x) || !search(l, x, l->text, groups))
        return 0;
    if (!divide(l, x, l->text, groups))
        return -ENOMEM;
    copy_groups(l->f, l->groups, l->pref);
    take_groups(x, groups, l->groups);
    merge_alternates(l, x, l->groups);
    if (l->f->nignore && ignored(l, true)) {
        l->ret->verdict = FAIL2BAN_IGNORED;
        l->ret->regex = i;
        keep(l, l->unmatched);
        return 1;
    }
    keep(l, l->unmatched);
    return put_match(l, i);
}

/* false: prefregex does not fit. */
static bool look_before(struct looking *l)
{
    const struct expression *x = l->f->pref;
    UNINITIALIZED struct slice groups[GROUPS_MAX + 1];
    struct slice content;

    if (!hinted(l, x) || !search(l, x, l->text, groups))
        return false;
    take_groups(x, groups, l->pref);
    merge_alternates(l, x, l->pref);
    content = l->pref->v[NAME_CONTENT];
    l->pref->v[NAME_CONTENT] = SLICE_NONE;
    if (content.n) {
        struct slice *one = arena_array(l->s->result, 1, sizeof *one);

        if (!one)
            return false;
        *one = content;
        keep(l, (struct lines){ one, 1 });
    }
    return true;
}

/* Expressions from `from` on that can fit the text. */
static const uint16_t *candidates(const struct looking *l, size_t from)
{
    const uint16_t *list = l->f->by_first[(unsigned char)l->text.p[0]];

    while (*list < from)
        list++;
    return list;
}

static int look(struct looking *l)
{
    const struct fail2ban *f = l->f;
    const uint16_t *next;

    /* Few of them are quicker asked first. */
    if (f->nignore && f->nignore + 2 < f->nfail && ignored(l, false)) {
        l->ret->verdict = FAIL2BAN_IGNORED;
        return 0;
    }
    if (f->pref && !look_before(l))
        return 0;
    fresh_text(l);
    for (next = candidates(l, 0); *next != NO_REGEX; next++) {
        size_t i = *next;
        int rc = look_at(l, i);

        if (rc)
            return rc < 0 ? rc : 0;
        if (!l->stale)
            continue;
        /* It fitted and named nobody: the others see what it left. */
        fresh_text(l);
        next = candidates(l, i + 1) - 1;
    }
    return 0;
}

/* ---- several lines ---- */

/* The text that is matched is not longer than what base/regex.h takes: old lines go first. */
static void drop_old(struct looking *l)
{
    size_t bytes = 0, n = 0;

    while (n < l->norg && n < l->f->maxlines) {
        bytes += l->org[l->norg - 1 - n].n + 1;
        if (n && bytes > REGEX_TEXT_MAX)
            break;
        n++;
    }
    l->org += l->norg - n;
    l->norg = n;
}

static int keep_lines(struct looking *l)
{
    struct fail2ban_state *s = l->state;
    struct arena *old = s->kept;
    size_t n = l->now.n < l->f->maxlines ? l->now.n : l->f->maxlines;
    struct slice *list = arena_array(s->spare, n + 1, sizeof *list);

    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++) {
        list[i] = arena_slice(s->spare, slice_take(l->now.list[l->now.n - n + i], REGEX_TEXT_MAX));
        if (!list[i].p)
            return -ENOMEM;
    }
    s->lines = list;
    s->nlines = n;
    s->kept = s->spare;
    s->spare = old;
    arena_reset(old);
    return 0;
}

static int look_at_lines(struct looking *l, struct slice line)
{
    size_t before = l->state ? l->state->nlines : 0;
    int rc;

    l->org = arena_array(l->s->result, before + 1, sizeof *l->org);
    if (!l->org)
        return -ENOMEM;
    if (before)
        memcpy(l->org, l->state->lines, before * sizeof line);
    l->org[before] = line;
    l->norg = before + 1;
    drop_old(l);
    l->now = (struct lines){ l->org, l->norg };
    join_lines(&l->s->text, l->now);
    l->text = buf_view(&l->s->text);
    rc = look(l);
    return rc < 0 || !l->state ? rc : keep_lines(l);
}

/* `line` without its date. */
static int look_at_line(struct looking *l, struct slice line)
{
    if (l->f->maxlines > 1)
        return look_at_lines(l, line);
    l->org = &line;
    l->norg = 1;
    l->now = (struct lines){ &line, 1 };
    join_lines(&l->s->text, l->now);
    l->text = buf_view(&l->s->text);
    if (!buf_ok(&l->s->text))
        return -ENOMEM;
    return look(l);
}

/* ---- the whole ---- */

static void begin(struct looking *l)
{
    l->pref = &l->s->pref;
    l->groups = &l->s->groups;
    memset(l->pref, 0, l->f->nnames * sizeof *l->pref->v);
    *l->ret = (struct fail2ban_result){ .regex = SIZE_MAX };
    arena_reset(l->s->result);
    f2b_connection_free(l->s->parting);
    l->s->parting = NULL;
}

/* The date goes out of the line; what stands on both sides of it is one text then. */
static struct slice without_date(struct looking *l, const struct fail2ban_line *line)
{
    const struct dating d = { .set = &l->f->dates,
                              .fixed = &l->f->zone,
                              .zone = line->zone,
                              .now_us = line->now_us,
                              .scratch = l->s->regex,
                              .memory = &l->s->dates,
                              .given_up = &l->s->given_up };
    struct slice text = slice_take(line->text, REGEX_TEXT_MAX);
    struct dated date;
    size_t from;
    char *p;

    date_of(&d, text, &date);
    l->ret->time_us = date.time_us;
    l->ret->time_known = date.known;
    if (date.cut.n == 0)
        return text;
    p = arena_text(l->s->result, text.n - date.cut.n + 1);
    if (!p)
        return text;
    from = (size_t)(date.cut.p - text.p);
    memcpy(p, text.p, from);
    memcpy(p + from, date.cut.p + date.cut.n, text.n - from - date.cut.n);
    return slice_of(p, text.n - date.cut.n);
}

/*
 * Lines that are looked at together need not all have a date: the others are of the time of the
 * one before.
 */
static void share_time(const struct looking *l)
{
    struct fail2ban_state *s = l->state;
    struct fail2ban_result *r = l->ret;

    if (!s || l->f->maxlines == 1)
        return;
    if (r->time_known) {
        s->last_us = r->time_us;
    } else if (s->last_us) {
        r->time_us = s->last_us;
        r->time_known = true;
    }
}

int fail2ban_line(const struct fail2ban *f, struct fail2ban_scratch *scratch,
                  struct fail2ban_state *state, const struct fail2ban_line *line,
                  struct fail2ban_result *ret)
{
    struct looking l = { .f = f, .s = scratch, .state = state, .ret = ret };
    struct slice text;

    begin(&l);
    if (line->time_us) {
        text = slice_take(line->text, REGEX_TEXT_MAX);
        ret->time_us = line->time_us;
        ret->time_known = true;
    } else {
        text = without_date(&l, line);
    }
    share_time(&l);
    return look_at_line(&l, text);
}
