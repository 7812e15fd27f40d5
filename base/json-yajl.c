/* yajl: one run over one text, with memory of ours. */
#include "base/json-private.h"

#include <errno.h>
#include <setjmp.h>

/* yajl's own text echoes the input: only its first line, made printable by err_set(). */
static int yajl_fault(yajl_handle h, int error, const char *why, struct slice text, struct err *err)
{
    unsigned char *said;
    int r;

    if (why)
        return err_set(err, error, "JSON: %s", why);
    said = yajl_get_error(h, 0, (const unsigned char *)text.p, text.n);
    r = err_set(err, -EBADMSG, "JSON at byte %zu: %.*s", yajl_get_bytes_consumed(h),
                said ? (int)strcspn((char *)said, "\n") : 0, said ? (char *)said : "");
    if (said)
        yajl_free_error(h, said);
    return r;
}

/*
 * yajl writes through what its allocator gave without a look (2.1.0, all of its buffers). So one
 * that fails does not return: it jumps out of yajl, and all pieces that yajl held are freed here.
 * Nothing of ours stands between: callbacks never call back into yajl.
 */
struct piece {
    _Alignas(max_align_t) struct piece *next;
    struct piece **link; /* NULL: in the room */
    size_t n;
};

/* Most texts need no more than the room, so they cost no malloc. */
struct pieces {
    struct piece *first;
    jmp_buf out;
    size_t used;
    _Alignas(max_align_t) char room[8192];
};

static void *piece_put(struct pieces *all, struct piece *p)
{
    if (!p)
        longjmp(all->out, 1);
    p->next = all->first;
    p->link = &all->first;
    if (p->next)
        p->next->link = &p->next;
    all->first = p;
    return p + 1;
}

static void piece_take(struct piece *p)
{
    *p->link = p->next;
    if (p->next)
        p->next->link = p->link;
}

static void *piece_in_room(struct pieces *all, size_t n)
{
    size_t whole = sizeof(struct piece) +
                   (n + sizeof(max_align_t) - 1) / sizeof(max_align_t) * sizeof(max_align_t);
    struct piece *p = (struct piece *)(void *)(all->room + all->used);

    all->used += whole;
    p->link = NULL;
    p->n = n;
    return p + 1;
}

static void *piece_malloc(void *ctx, size_t n)
{
    struct pieces *all = ctx;

    if (n < sizeof all->room - all->used &&
        n + 2 * sizeof(struct piece) <= sizeof all->room - all->used)
        return piece_in_room(all, n);
    return piece_put(all, n < SIZE_MAX / 2 ? malloc(sizeof(struct piece) + n) : NULL);
}

static void piece_free(void *ctx, void *p)
{
    struct piece *piece = p ? (struct piece *)p - 1 : NULL;

    (void)ctx;
    if (!piece || !piece->link)
        return;
    piece_take(piece);
    free(piece);
}

static void *piece_grow(struct pieces *all, struct piece *p, size_t n)
{
    void *moved = n > p->n ? piece_malloc(all, n) : p + 1;

    return n > p->n ? memcpy(moved, p + 1, p->n) : moved;
}

static void *piece_realloc(void *ctx, void *old, size_t n)
{
    struct piece *p = old ? (struct piece *)old - 1 : NULL, *moved;

    if (!p)
        return piece_malloc(ctx, n);
    if (!p->link)
        return piece_grow(ctx, p, n);
    piece_take(p);
    moved = n < SIZE_MAX / 2 ? realloc(p, sizeof *p + n) : NULL;
    if (!moved)
        piece_put(ctx, p);
    return piece_put(ctx, moved);
}

/* One handle for each text: a cut one would join with the next (libraries: yajl 2.1). */
static int run_in(struct pieces *memory, struct slice text, const yajl_callbacks *callbacks,
                  void *ctx, int *error, const char **why, struct err *err)
{
    yajl_alloc_funcs funcs = { piece_malloc, piece_realloc, piece_free, memory };
    yajl_handle h = yajl_alloc(callbacks, &funcs, ctx);
    yajl_status s;
    int r = 0;

    if (!h)
        return err_nomem(err);
    yajl_config(h, yajl_dont_validate_strings, 1); /* its check is lax: ours follows */
    s = yajl_parse(h, (const unsigned char *)text.p, text.n);
    if (s == yajl_status_ok)
        s = yajl_complete_parse(h);
    if (s != yajl_status_ok)
        r = yajl_fault(h, *error, *why, text, err);
    yajl_free(h);
    return r;
}

int json_run_yajl(struct slice text, const yajl_callbacks *callbacks, void *ctx, int *error,
                  const char **why, struct err *err)
{
    UNINITIALIZED struct pieces memory;

    memory.first = NULL;
    memory.used = 0; /* the room itself needs no clearing */
    if (setjmp(memory.out) == 0)
        return run_in(&memory, text, callbacks, ctx, error, why, err);
    while (memory.first)
        piece_free(&memory, memory.first + 1);
    return err_nomem(err);
}
