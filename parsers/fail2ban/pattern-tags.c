/* Tags in expressions. */
#include "parsers/fail2ban/pattern.h"

#include <ctype.h>
#include <errno.h>

/*
 * Four numbers with dots, also behind the prefix of a mapped address; groups of hexadecimal digits
 * with one or two colons between, before or behind them; letters, digits and the signs of names,
 * with a letter at the end. Whether it is an address is asked later (base/ip.h).
 */
#define IP4 "(?P<ip4>\\d{1,3}(?:\\.\\d{1,3}){3})"
#define MAYBE_MAPPED "(?:::[f]{4,6}:)?" IP4
#define HEX "[\\da-fA-F]{1,4}"
#define IP6 "(?P<ip6>(?:" HEX "(?=:)|(?=::))(?:(?:::?" HEX "){1,7}(?:::)?|::))"
#define DNS "(?P<dns>[-.^\\w]*\\w)"
#define CIDR "(?P<cidr>\\d+)"
#define EITHER "(?:" MAYBE_MAPPED "|" IP6 ")"
#define ADDR "\\[?" EITHER "\\]?"
#define SUBNET "\\[?" EITHER "(?:/" CIDR ")?\\]?"
#define HOST "(?:" ADDR "|" DNS ")"

static const struct {
    const char *tag, *text, *without_names;
} tags[] = {
    { "HOST", HOST, ADDR },
    { "IP4", MAYBE_MAPPED, NULL },
    { "F-IP4/", MAYBE_MAPPED, NULL },
    { "IP6", IP6, NULL },
    { "F-IP6/", IP6, NULL },
    { "ADDR", ADDR, NULL },
    { "F-ADDR/", ADDR, NULL },
    { "CIDR", CIDR, NULL },
    { "F-CIDR/", CIDR, NULL },
    { "SUBNET", SUBNET, NULL },
    { "F-SUBNET/", SUBNET, NULL },
    { "DNS", DNS, NULL },
    { "F-DNS/", DNS, NULL },
    { "F-ID/", "(?P<fid>\\S+)", NULL },
    { "F-PORT/", "(?P<fport>\\w+)", NULL },
};

#define OPEN_MAX 64

struct tagged {
    struct buf *out;
    bool addresses_only;
    unsigned skips;
    struct slice open[OPEN_MAX]; /* names of F- tags that were opened so far */
    size_t nopen;
};

static bool of_tag(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || (unsigned char)c >= 0x80;
}

/* <name>, </name> or <name/> at the beginning: the text between the brackets. */
static struct slice tag_at(struct slice s)
{
    size_t i = 1, from;

    if (i < s.n && s.p[i] == '/')
        i++;
    for (from = i; i < s.n && of_tag(s.p[i]);)
        i++;
    if (i == from)
        return SLICE_NONE;
    if (i < s.n && s.p[i] == '/')
        i++;
    return i < s.n && s.p[i] == '>' ? slice_of(s.p + 1, i - 1) : SLICE_NONE;
}

static const char *fixed(const struct tagged *t, struct slice tag)
{
    for (size_t i = 0; i < ARRAY_SIZE(tags); i++)
        if (slice_is(tag, tags[i].tag))
            return t->addresses_only && tags[i].without_names ? tags[i].without_names
                                                              : tags[i].text;
    return NULL;
}

/* NAME of F-NAME: capitals, digits, _ and -. */
static struct slice custom_name(struct slice tag)
{
    struct slice name = slice_skip(tag, 2);

    if (!slice_starts(tag, SLICE("F-")) || name.n == 0)
        return SLICE_NONE;
    for (size_t i = 0; i < name.n; i++)
        if (!strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-", name.p[i]))
            return SLICE_NONE;
    return name;
}

static bool is_open(const struct tagged *t, struct slice name)
{
    for (size_t i = 0; i < t->nopen; i++)
        if (slice_eq(t->open[i], name))
            return true;
    return false;
}

static void open_group(struct tagged *t, struct slice name)
{
    if (!is_open(t, name) && t->nopen < OPEN_MAX)
        t->open[t->nopen++] = name;
    buf_str(t->out, "(?P<");
    if (slice_is(name, "ID"))
        buf_str(t->out, "fid");
    else if (slice_is(name, "PORT"))
        buf_str(t->out, "fport");
    else
        for (size_t i = 0; i < name.n; i++)
            buf_char(t->out, (char)tolower((unsigned char)name.p[i]));
    buf_char(t->out, '>');
}

static bool put_tag(struct tagged *t, struct slice tag)
{
    bool closes = tag.p[0] == '/';
    struct slice name = custom_name(slice_skip(tag, closes));
    const char *text = fixed(t, tag);

    if (text)
        buf_str(t->out, text);
    else if (slice_is(tag, "SKIPLINES"))
        buf_printf(t->out, "\\n(?P<skiplines%u>(?:(?:.*\\n)*?))", t->skips++);
    else if (name.p && !closes)
        open_group(t, name);
    else if (name.p && is_open(t, name))
        buf_char(t->out, ')');
    else
        return false;
    return true;
}

int pattern_tags(struct slice text, bool addresses_only, struct buf *out)
{
    struct tagged t = { .out = out, .addresses_only = addresses_only };

    while (text.n) {
        size_t at = slice_find_byte(text, '<');
        struct slice tag;

        buf_slice(out, slice_take(text, at));
        if (at == SIZE_MAX)
            break;
        text = slice_skip(text, at);
        tag = tag_at(text);
        if (tag.p && put_tag(&t, tag)) {
            text = slice_skip(text, tag.n + 2);
        } else {
            buf_char(out, '<');
            text = slice_skip(text, 1);
        }
    }
    return buf_ok(out) ? 0 : -E2BIG;
}
