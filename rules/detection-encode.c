/* Values that stand encoded in the event: UTF-16 and base64. */
#include <errno.h>

#include "base/utf8.h"
#include "rules/detection.h"

static void unit(struct buf *out, uint32_t u, bool big)
{
    char bytes[2] = { (char)(u & 0xff), (char)(u >> 8) };

    buf_char(out, bytes[big ? 1 : 0]);
    buf_char(out, bytes[big ? 0 : 1]);
}

static void utf16(struct buf *out, uint32_t cp, bool big)
{
    if (cp < 0x10000) {
        unit(out, cp, big);
        return;
    }
    unit(out, 0xd800 + ((cp - 0x10000) >> 10), big);
    unit(out, 0xdc00 + ((cp - 0x10000) & 0x3ff), big);
}

static void to_bytes(const struct item *item, uint32_t cp, struct buf *out)
{
    char utf8[4];

    if (item->wide)
        utf16(out, cp, item->wide == WIDE_BE);
    else
        buf_add(out, utf8, utf8_encode(cp, utf8));
}

/* A pattern of bytes: those over ASCII are no characters. */
static int add_bytes(struct arena *a, struct pattern *p, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];

        if (pattern_append(a, p, c < 0x80 ? c : TOKEN_BYTE + (uint32_t)c, false) < 0)
            return -ENOMEM;
    }
    return 0;
}

static struct node *bytes_node(struct build *b, const struct item *item, struct slice bytes,
                               const struct yaml *v)
{
    struct pattern p = { .tokens = arena_array(b->temp, bytes.n + 1, sizeof *p.tokens) };

    for (size_t i = 0; p.tokens && i < bytes.n; i++)
        p.tokens[p.n++] = (unsigned char)bytes.p[i];
    return p.tokens ? pattern_node(b, item, &p, v) : build_fault(b, v->at, "out of memory");
}

/*
 * The three ways a text can stand inside base64, by its offset in groups of
 * three bytes: some digits at both ends depend on the neighbours and are cut.
 */
static struct node *offsets(struct build *b, const struct item *item, struct slice bytes,
                            const struct yaml *v)
{
    static const size_t front[] = { 0, 2, 3 }, back[] = { 0, 3, 2 };
    struct node *any = node_new(b->a, NODE_OR);

    for (size_t i = 0; any && i < 3; i++) {
        AUTO_BUF padded = BUF_INIT;
        AUTO_BUF text = BUF_INIT;
        size_t cut = back[(bytes.n + i) % 3];
        struct slice s;

        buf_add(&padded, "  ", i);
        buf_slice(&padded, bytes);
        buf_base64(&text, padded.p, padded.n, true);
        s = slice_skip(buf_view(&text), front[i]);
        if (!buf_ok(&text) ||
            node_add(b->a, any, bytes_node(b, item, slice_take(s, s.n > cut ? s.n - cut : 0), v)) <
                0)
            return NULL;
    }
    return any;
}

/* UTF-16 alone keeps its wildcards. */
static struct node *wide_node(struct build *b, const struct item *item, const struct pattern *p,
                              const struct yaml *v)
{
    struct pattern wide = { .tokens = arena_array(b->temp, 1, sizeof *wide.tokens) };

    if (!wide.tokens ||
        (item->wide == WIDE_BOM && pattern_append(b->temp, &wide, 0xfeff, false) < 0))
        return build_fault(b, v->at, "out of memory");
    for (size_t i = 0; i < p->n; i++) {
        AUTO_BUF one = BUF_INIT;

        if (p->tokens[i] < TOKEN_BYTE)
            to_bytes(item, p->tokens[i], &one);
        if ((p->tokens[i] >= TOKEN_ANY &&
             pattern_append(b->temp, &wide, p->tokens[i], false) < 0) ||
            !buf_ok(&one) || add_bytes(b->temp, &wide, buf_view(&one)) < 0)
            return build_fault(b, v->at, "out of memory");
    }
    return pattern_node(b, item, &wide, v);
}

struct node *encoded_node(struct build *b, const struct item *item, const struct pattern *p,
                          const struct yaml *v)
{
    AUTO_BUF bytes = BUF_INIT;
    AUTO_BUF text = BUF_INIT;

    if (!item_has(item, MOD(BASE64) | MOD(BASE64OFFSET)))
        return wide_node(b, item, p, v);
    if (!pattern_plain(p))
        return build_fault(b, v->at, "base64 takes no wildcards: write \\* for a star");
    if (p->n == 0)
        return build_fault(b, v->at, "nothing to encode");
    if (item->wide == WIDE_BOM)
        buf_str(&bytes, "\xff\xfe");
    for (size_t i = 0; i < p->n; i++)
        to_bytes(item, p->tokens[i], &bytes);
    if (item_has(item, MOD(BASE64OFFSET)))
        return offsets(b, item, buf_view(&bytes), v);
    buf_base64(&text, bytes.p, bytes.n, true);
    if (!buf_ok(&bytes) || !buf_ok(&text))
        return build_fault(b, v->at, "out of memory");
    return bytes_node(b, item, buf_view(&text), v);
}
