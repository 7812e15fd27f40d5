#include "logwatch/inputs/common.h"

#include <errno.h>

#include "base/hash.h"

/* Lists in a block are short: they grow by a quarter of a hundred. */
#define LIST_STEP 32

static void *list_room(struct arena *a, void *list, size_t n, size_t size)
{
    void *more;

    if (n % LIST_STEP)
        return list;
    more = arena_array(a, n + LIST_STEP, size);
    if (more && n)
        memcpy(more, list, n * size);
    return more;
}

int block_notice(struct block *b, const char *type, struct slice members)
{
    struct notice *list = list_room(b->arena, b->notices, b->nnotices, sizeof *list);
    struct slice kept = arena_slice(b->arena, members);

    if (!list || !kept.p)
        return -ENOMEM;
    b->notices = list;
    list[b->nnotices++] = (struct notice){ type, kept };
    return 0;
}

int block_cursor(struct block *b, struct slice stream, struct slice value)
{
    struct cursor *list = list_room(b->arena, b->cursors, b->ncursors, sizeof *list);
    struct slice name = arena_slice(b->arena, stream);
    struct slice kept = arena_slice(b->arena, value);

    if (!list || !name.p || !kept.p)
        return -ENOMEM;
    b->cursors = list;
    list[b->ncursors++] = (struct cursor){ name, kept };
    return 0;
}

bool stream_key(struct slice beginning, bool end, uint8_t ret_key[16])
{
    uint8_t digest[SHA256_SIZE];
    struct slice line = slice_take(beginning, STREAM_KEY_BYTES);
    const char *lf = line.n ? memchr(line.p, '\n', line.n) : NULL;

    if (lf)
        line.n = (size_t)(lf - line.p);
    else if (line.n < STREAM_KEY_BYTES && !end)
        return false;
    sha256(line.p, line.n, digest);
    memcpy(ret_key, digest, 16);
    return true;
}
