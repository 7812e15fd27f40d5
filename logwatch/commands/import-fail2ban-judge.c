/* What becomes of a jail: its filter, its logs, its ports, and what is not carried over. */
#include <errno.h>
#include <netdb.h>
#include <unistd.h>

#include "base/num.h"
#include "logwatch/commands/import-fail2ban.h"

void import_note(struct import *im, struct imported *x, const char *fmt, ...)
{
    char text[400];
    va_list args;

    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (x->nnotes < NOTES_MAX)
        x->notes[x->nnotes] = arena_str(im->a, slice_str(text));
    x->nnotes += x->nnotes < NOTES_MAX && x->notes[x->nnotes];
}

/* ---- the filter ---- */

/* ", name=value", with quotes where they are needed. false: no quotes will do. */
static bool put_parameter(struct buf *out, const char *name, struct slice value)
{
    bool plain = true;
    char quote = slice_find_byte(value, '"') == SIZE_MAX ? '"' : '\'';

    for (size_t i = 0; i < value.n; i++)
        plain = plain && ((value.p[i] | 32) >= 'a' && (value.p[i] | 32) <= 'z');
    if (!plain && slice_find_byte(value, quote) != SIZE_MAX)
        return false;
    buf_printf(out, "%s%s=", out->n ? "," : "", name);
    if (plain) {
        buf_slice(out, value);
        return true;
    }
    buf_char(out, quote);
    buf_slice(out, value);
    buf_char(out, quote);
    return true;
}

/* Those of the filter's brackets, and what the jail says over the filter. */
static void put_parameters(struct import *im, struct imported *x, const struct fail2ban_name *n,
                           struct buf *out)
{
    const struct fail2ban_jail *j = x->jail;
    const struct {
        const char *name;
        struct slice value;
    } own[] = { { "usedns", j->usedns },
                { "datepattern", j->datepattern },
                { "maxlines", j->maxlines } };

    for (size_t i = 0; i < n->nparameters; i++) {
        struct slice value = slice_str(n->parameters[i].value);

        /* What every jail says by default says nothing. */
        if (strcmp(n->parameters[i].name, "mode") == 0 &&
            (value.n == 0 || slice_is(value, "normal")))
            continue;
        if (!put_parameter(out, n->parameters[i].name, value))
            import_note(im, x, "not carried over: parameter %s of its filter has both quotes",
                        n->parameters[i].name);
    }
    for (size_t i = 0; i < ARRAY_SIZE(own); i++)
        if (own[i].value.n && !put_parameter(out, own[i].name, own[i].value))
            import_note(im, x, "not carried over: %s of the jail has both quotes", own[i].name);
}

/* A name is as good as a path where everybody finds it. */
static bool in_usual_place(const struct import *im)
{
    return strcmp(im->folder, "/etc/fail2ban") == 0;
}

static int name_filter(struct import *im, struct imported *x, const struct fail2ban_name *n)
{
    AUTO_BUF parameters = BUF_INIT;
    const char *path = n->name;
    struct slice p;

    if (!in_usual_place(im))
        path = arena_printf(im->a, "%s/filter.d/%s.conf", im->folder, n->name);
    put_parameters(im, x, n, &parameters);
    p = buf_view(&parameters);
    x->filter = !path ? NULL : p.n ? arena_printf(im->a, "%s[%.*s]", path, SLICE_FMT(p)) : path;
    return x->filter && buf_ok(&parameters) ? 0 : -ENOMEM;
}

/* Loaded as the channel will load it. NULL: told. */
static struct fail2ban *load_filter(struct import *im, struct imported *x, const char *name)
{
    struct slice text = slice_str(x->filter);
    size_t slash = slice_rfind_byte(slice_take(text, slice_find_byte(text, '[')), '/');
    struct fail2ban_options o = { .journal = x->journal };
    struct fail2ban_name n;
    struct err err = ERR_NONE;
    struct fail2ban *f;
    const char *path;

    if (fail2ban_name_parse(slice_skip(text, slash == SIZE_MAX ? 0 : slash + 1), im->a, &n, &err) <
        0) {
        import_note(im, x, "left out: filter '%s': %s", x->filter, err.text);
        return NULL;
    }
    o.parameters = n.parameters;
    o.nparameters = n.nparameters;
    path = arena_printf(im->a, "%s/filter.d/%s", im->folder, n.name);
    if (path && fail2ban_load(path, &o, im->d, &f) == 0)
        return f;
    import_note(im, x, "left out: its filter '%s' cannot be read", name);
    return NULL;
}

/* ---- the journal ---- */

/* Units that a program has under other names than its own. */
static const struct {
    const char *program, *unit;
} other_units[] = { { "sshd", "ssh.service" } };

static bool add_unit(struct import *im, struct imported *x, size_t *n, struct slice unit)
{
    for (size_t i = 0; i < *n; i++)
        if (slice_is(unit, x->units[i]))
            return true;
    if (*n < 16)
        x->units[*n] = arena_str(im->a, unit);
    return *n == 16 || x->units[(*n)++];
}

/* `_SYSTEMD_UNIT=x.service + _COMM=x`: units are followed, and a program's entries through them. */
static bool add_match(struct import *im, struct imported *x, size_t *n, struct slice word)
{
    struct slice value = slice_skip(word, slice_find_byte(word, '=') + 1);

    if (slice_starts(word, SLICE("_SYSTEMD_UNIT=")))
        return add_unit(im, x, n, value);
    for (size_t i = 0; i < ARRAY_SIZE(other_units); i++)
        if (slice_starts(word, SLICE("_COMM=")) && slice_is(value, other_units[i].program))
            return add_unit(im, x, n, slice_str(other_units[i].unit));
    if (!slice_starts(word, SLICE("_COMM=")))
        import_note(im, x, "not carried over: %.*s of its journalmatch",
                    SLICE_FMT(slice_take(word, 100)));
    return true;
}

static int judge_journal(struct import *im, struct imported *x, const struct fail2ban *f)
{
    struct slice match = x->jail->journalmatch.n ? x->jail->journalmatch : fail2ban_journalmatch(f);
    size_t n = 0;

    if (!x->journal)
        return 0;
    x->units = arena_array(im->a, 17, sizeof *x->units);
    while (x->units && match.n) {
        size_t k = 0;

        while (k < match.n && !strchr(" \t\n", match.p[k]))
            k++;
        if (k > 1 && !add_match(im, x, &n, slice_take(match, k)))
            return -ENOMEM;
        match = slice_skip(match, k + 1);
    }
    if (n == 0)
        import_note(im, x, "it names no unit of the journal: all of the journal is read");
    return x->units ? 0 : -ENOMEM;
}

/* ---- ports ---- */

static int port_number(struct slice word, const char *protocol, uint64_t *ret)
{
    char name[64];
    const struct servent *s;

    if (parse_u64(word, 0, 65535, ret) == 0)
        return 0;
    if (word.n == 0 || word.n >= sizeof name)
        return -EINVAL;
    memcpy(name, word.p, word.n);
    name[word.n] = '\0';
    s = getservbyname(name, protocol);
    if (!s)
        return -EINVAL;
    *ret = (uint64_t)(((s->s_port & 0xff) << 8) | (s->s_port >> 8 & 0xff));
    return 0;
}

/* 22, ssh, 80:90. -E2BIG: more than can be listed. */
static int add_ports(struct imported *x, struct slice word, const char *protocol)
{
    size_t colon = slice_find_byte(word, ':');
    uint64_t first, last;

    if (port_number(slice_take(word, colon), protocol, &first) < 0)
        return -EINVAL;
    last = first;
    if (colon != SIZE_MAX && port_number(slice_skip(word, colon + 1), protocol, &last) < 0)
        return -EINVAL;
    if (first == 0 || last < first || last - first >= BAN_PORTS_MAX - x->nports)
        return first == 0 && last == 65535 ? -E2BIG : last < first ? -EINVAL : -E2BIG;
    for (; first <= last; first++)
        x->ports[x->nports++] = (uint16_t)first;
    return 0;
}

static void judge_ports(struct import *im, struct imported *x)
{
    const struct fail2ban_jail *j = x->jail;
    bool tcp = slice_eq_nocase(j->protocol, SLICE("tcp")), udp = slice_is(j->protocol, "udp");
    struct slice rest = j->port;

    if (slice_ends(j->banaction, SLICE("allports")))
        return;
    if (j->port.n && j->protocol.n && !tcp && !udp)
        import_note(im, x, "protocol '%.*s': its bans are for all ports",
                    SLICE_FMT(slice_take(j->protocol, 40)));
    if (j->protocol.n && !tcp && !udp)
        return;
    while (rest.n) {
        size_t n = 0;
        int r = 0;

        while (n < rest.n && !strchr(", \t\n", rest.p[n]))
            n++;
        if (n)
            r = add_ports(x, slice_take(rest, n), udp ? "udp" : "tcp");
        if (r < 0) {
            if (r == -EINVAL || !slice_is(slice_take(rest, n), "0:65535"))
                import_note(im, x, "port '%.*s' %s: its bans are for all ports",
                            SLICE_FMT(slice_take(rest, n < 60 ? n : 60)),
                            r == -E2BIG ? "is too many" : "is not known here");
            x->nports = 0;
            return;
        }
        rest = slice_skip(rest, n + 1);
    }
}

/* ---- the zone ---- */

/* UTC+0200 -> Etc/GMT-2: names of zones have their sign the other way round. */
static const char *fixed_zone(struct import *im, struct slice text)
{
    struct slice digits;
    uint64_t hours;
    char sign;

    if (slice_starts(text, SLICE("UTC")) || slice_starts(text, SLICE("GMT")))
        text = slice_skip(text, 3);
    if (text.n == 0 || slice_is(text, "Z"))
        return "UTC";
    sign = text.p[0];
    digits = slice_of(text.p + 1, text.n > 2 ? 2 : text.n - 1);
    if ((sign != '+' && sign != '-') || parse_u64(digits, 0, 14, &hours) < 0 ||
        (slice_skip(text, 3).n && !slice_is(slice_skip(text, 3), "00") &&
         !slice_is(slice_skip(text, 3), ":00")))
        return NULL;
    return hours ? arena_printf(im->a, "Etc/GMT%c%u", sign == '+' ? '-' : '+', (unsigned)hours)
                 : "UTC";
}

static void judge_zone(struct import *im, struct imported *x)
{
    x->zone = im->zone;
    if (x->jail->zone.n == 0)
        return;
    x->zone = fixed_zone(im, x->jail->zone);
    if (!x->zone)
        import_note(im, x, "not carried over: logtimezone %.*s: give the input a zone",
                    SLICE_FMT(slice_take(x->jail->zone, 40)));
}

/* ---- the whole ---- */

static const char *const what_then[] = { "failregex", "ignoreregex", "prefregex", NULL };

static void judge_others(struct import *im, struct imported *x, const struct fail2ban_name *n)
{
    const struct fail2ban_jail *j = x->jail;

    for (size_t i = 0; i < ARRAY_SIZE(j->others) && j->others[i]; i++) {
        bool regex = false;

        for (size_t k = 0; what_then[k]; k++)
            regex = regex || strcmp(what_then[k], j->others[i]) == 0;
        if (regex)
            import_note(im, x, "not carried over: %s of the jail: put it into filter.d/%s.local",
                        j->others[i], n->name);
        else
            import_note(im, x, "not carried over: %s of the jail", j->others[i]);
    }
    if (j->encoding.n && !slice_is(j->encoding, "auto") &&
        !slice_eq_nocase(j->encoding, SLICE("utf-8")) &&
        !slice_eq_nocase(j->encoding, SLICE("ascii")))
        import_note(im, x, "not carried over: logencoding %.*s: logs are read as UTF-8",
                    SLICE_FMT(slice_take(j->encoding, 40)));
    if (j->own_action)
        import_note(im, x, "its action is its own: its bans are for the jail's port and protocol");
    if (j->bantime_s == 0)
        import_note(im, x, "a ban for ever became one of ten years");
    if (j->increment.on && j->increment.formula)
        import_note(im, x, "not carried over: bantime.formula: each ban is twice the one before");
}

int import_judge(struct import *im, struct imported *x)
{
    AUTO(fail2ban) f = NULL;
    struct fail2ban_name n;
    struct err err = ERR_NONE;

    if (fail2ban_name_parse(x->jail->filter, im->a, &n, &err) < 0) {
        import_note(im, x, "left out: filter '%.*s': %s", SLICE_FMT(x->jail->filter), err.text);
        return 0;
    }
    x->journal = slice_starts(x->jail->backend, SLICE("systemd")) || x->jail->nlogs == 0;
    if (name_filter(im, x, &n) < 0)
        return -ENOMEM;
    f = load_filter(im, x, n.name);
    if (!f)
        return 0;
    x->taken = true;
    judge_zone(im, x);
    judge_ports(im, x);
    judge_others(im, x, &n);
    return judge_journal(im, x, f);
}
