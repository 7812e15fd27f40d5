#include "logwatch/inputs/lines.h"

#include <errno.h>

#include "base/json.h"
#include "logwatch/inputs/common.h"

#define NONE SIZE_MAX

/*
 * Where the first line begins that is longer than `max`, or NONE. Only the
 * last LF of each window is looked for: lines in between must be shorter.
 */
static size_t find_long(struct slice s, size_t max)
{
    size_t at = 0;

    while (s.n - at > max) {
        const char *lf = memrchr(s.p + at, '\n', max + 1);

        if (!lf)
            return at;
        at = (size_t)(lf - s.p) + 1;
    }
    return NONE;
}

static size_t nuls_at(struct slice s, size_t at)
{
    size_t n = 0;

    while (at + n < s.n && s.p[at + n] == '\0')
        n++;
    return n;
}

/* Where the first line begins that begins with a run of NUL bytes, or NONE. */
static size_t find_nuls(struct slice s)
{
    size_t at = 0;

    while (at < s.n) {
        const char *nul = memchr(s.p + at, '\0', s.n - at);
        size_t n;

        if (!nul)
            return NONE;
        at = (size_t)(nul - s.p);
        n = nuls_at(s, at);
        if (n >= NUL_RUN_MIN && (at == 0 || s.p[at - 1] == '\n'))
            return at;
        at += n;
    }
    return NONE;
}

static struct cut cut_records(struct slice s, const struct cut_rules *r)
{
    const char *lf = memrchr(s.p, '\n', s.n);
    size_t whole = lf ? (size_t)(lf - s.p) + 1 : 0;
    struct record_ends ends = { 0 };
    size_t n = whole;

    if (r->end)
        return (struct cut){ .kind = whole == s.n ? CUT_LINES : CUT_PARTIAL, .n = s.n };
    if (whole && !r->idle)
        n = framing_whole(r->framing, slice_of(s.p, whole), r->arena, &ends);
    if (n == 0 && r->full)
        n = whole;
    return (struct cut){ n ? CUT_LINES : CUT_NOTHING, n, ends };
}

struct cut lines_cut(struct slice bytes, const struct cut_rules *rules)
{
    size_t tall, nuls, stop;

    if (bytes.n == 0)
        return (struct cut){ .kind = CUT_NOTHING, .n = 0 };
    tall = find_long(bytes, rules->line_max);
    /* A hole is no long line: its first bytes are looked at as well. */
    nuls = find_nuls(tall == NONE ? bytes : slice_take(bytes, tall + NUL_RUN_MIN));
    stop = nuls < tall ? nuls : tall;
    if (stop == NONE)
        return cut_records(bytes, rules);
    if (stop > 0) /* what stands before it cannot grow: it is followed by what is no record */
        return (struct cut){ .kind = CUT_LINES, .n = stop };
    if (nuls == 0)
        return (struct cut){ .kind = CUT_NULS, .n = nuls_at(bytes, 0) };
    return (struct cut){ .kind = CUT_LONG, .n = rules->line_max };
}

struct long_line *long_line_new(uint64_t position)
{
    AUTO(long_line) l = calloc(1, sizeof *l);

    if (!l || sha256_init(&l->sha) < 0)
        return NULL;
    l->position = position;
    l->known = true;
    return TAKE(l);
}

void long_line_free(struct long_line *l)
{
    if (!l)
        return;
    sha256_fini(&l->sha);
    free(l);
}

size_t long_line_skip(struct long_line *l, struct slice bytes, bool *ret_done)
{
    const char *lf = bytes.n ? memchr(bytes.p, '\n', bytes.n) : NULL;
    size_t n = lf ? (size_t)(lf - bytes.p) : bytes.n;

    sha256_add(&l->sha, bytes.p, n);
    l->bytes += n;
    *ret_done = lf != NULL;
    return n + (lf ? 1 : 0);
}

int long_line_notice(struct long_line *l, struct block *b)
{
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF hex = BUF_INIT;
    struct json_writer w = json_writer(&members);
    uint8_t digest[SHA256_SIZE];

    sha256_end(&l->sha, digest);
    buf_hex(&hex, digest, sizeof digest);
    json_member_u64(&w, "position", l->position);
    if (l->known) {
        json_member_u64(&w, "bytes", l->bytes);
        json_member_buf(&w, "sha256", &hex);
    }
    if (!buf_ok(&members) || !buf_ok(&hex))
        return -ENOMEM;
    return block_notice(b, "source.long_line", buf_view(&members));
}
