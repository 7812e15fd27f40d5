/*
 * Which literals a record must hold for an address in it to become a text with one of others.
 *
 * ip_text() writes an address in one way, whoever wrote the record had several. Known are its signs
 * (digits, letters to f, points or colons), and what all spellings of some part have in common.
 */
#include <stdlib.h>

#include "parsers/format.h"

static bool is_of(struct slice s, const char *alphabet)
{
    for (size_t i = 0; i < s.n; i++)
        if (!s.p[i] || !strchr(alphabet, s.p[i]))
            return false;
    return true;
}

/* The first run of hexadecimal digits that is longer than three. */
static struct slice long_group(struct slice s)
{
    struct slice part;

    while (slice_split(&s, ':', &part))
        if (part.n > 3)
            return part;
    return SLICE_NONE;
}

/* At least so many groups: two colons are one or more, and one follows a colon at the end. */
static size_t groups_in(struct slice s)
{
    bool two_colons = slice_find(s, SLICE("::")) != SIZE_MAX;
    size_t n = two_colons || slice_ends(s, SLICE(":"));
    struct slice part;

    while (slice_split(&s, ':', &part))
        n += part.n > 0;
    return n;
}

static struct literals spelled(struct literal_maker *m, const char *text)
{
    m->failed = m->failed || !text;
    return text ? literals_exactly(m, slice_str(text)) : literals_none("out of memory");
}

/*
 * IPv6 has many spellings, but a group of four digits is always spelled by these four; only the
 * last two groups may stand as two parts of an IPv4 address each.
 */
static struct literals of_ipv6(struct literal_maker *m, struct slice piece)
{
    struct slice group = long_group(piece);
    struct arena *a = m->arena;
    char digits[5] = "";
    unsigned value;

    if (group.n == 0)
        return literals_none("an address can be spelled in many ways");
    if (group.n > 4 || group.p[0] == '0') /* as no address is written */
        return (struct literals){ .n = 0 };
    memcpy(digits, group.p, 4);
    if (groups_in(slice_skip(piece, (size_t)(group.p - piece.p) + 4)) >= 2)
        return spelled(m, arena_printf(a, "%s%s:", group.p > piece.p ? ":" : "", digits));
    value = (unsigned)strtoul(digits, NULL, 16);
    return literals_or(m, spelled(m, digits),
                       spelled(m, arena_printf(a, "%u.%u", value >> 8, value & 0xff)));
}

/* An IPv4 address stands there as it is, or as the end of ::ffff:0:0/96. */
static struct literals of_address_piece(struct literal_maker *m, struct slice piece)
{
    if (!is_of(piece, "0123456789abcdef.:"))
        return (struct literals){ .n = 0 };
    if (slice_find_byte(piece, '.') == SIZE_MAX)
        return of_ipv6(m, piece);
    if (!is_of(piece, "0123456789."))
        return (struct literals){ .n = 0 };
    return literals_or(m, literals_exactly(m, piece), literals_exactly(m, SLICE("ffff")));
}

struct literals address_literals(struct literal_maker *m, const struct literals *in_value)
{
    struct literals all = { .n = 0 };

    if (in_value->none)
        return literals_none("an address can be spelled in many ways");
    for (size_t i = 0; i < in_value->n; i++)
        all = literals_or(m, all, of_address_piece(m, in_value->list[i]));
    return all;
}
