#include "base/json-private.h"

#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <yajl/yajl_parse.h>

#include "base/clock.h"
#include "base/table.h"
#include "base/utf8.h"

#define KEYS_MAX 512 /* of all objects open at once, when flattening */
#define OBJECT_KEYS_MAX 1024 /* of one object in a tree: its keys are compared one by one */

static bool cleaned(struct arena **a, struct slice *text)
{
    struct slice clean;

    if (utf8_valid(*text))
        return true;
    if (!*a && !(*a = arena_new(4096, 64 << 20)))
        return false;
    clean = utf8_clean(*a, *text, NULL);
    if (!clean.p)
        return false;
    *text = clean;
    return true;
}

/* ---- flat ---- */

/*
 * The path of the value that comes next, and where each open object's own
 * part of it ends. A key seen twice in one object is found by its keyed hash:
 * with a plain one a stranger who names a member could make the next one a
 * "duplicate" and so hide it. The hashes of all open objects are one stack.
 */
struct flat {
    struct json_flat *out;
    char path[JSON_PATH_MAX];
    size_t ends[JSON_DEPTH_MAX + 1]; /* length of the path of the object at this depth */
    size_t first[JSON_DEPTH_MAX + 1]; /* where its keys begin in `seen` */
    size_t depth, path_n, scalars, skip_depth;
    bool skip; /* the value of a key that was there before */
    const char *why;
    int error;
    struct arena *arena;
    uint64_t seen[KEYS_MAX];
    size_t nseen;
};

static int fail(struct flat *f, int error, const char *why)
{
    f->error = error;
    f->why = why;
    return 0; /* yajl: cancel */
}

/* The value of a key that was there before in the same object is passed over. */
static int note_key(struct flat *f, struct slice key)
{
    uint64_t h = table_hash(key);

    for (size_t i = f->first[f->depth]; i < f->nseen; i++)
        if (f->seen[i] == h) {
            f->out->duplicate_key = true;
            if (f->out->again)
                f->out->again(f->out->ctx, slice_of(f->path, f->path_n));
            f->skip = true;
            f->skip_depth = f->depth;
            return 1;
        }
    if (f->nseen == KEYS_MAX)
        return fail(f, -E2BIG, "too many keys");
    f->seen[f->nseen++] = h;
    return 1;
}

static int tell(struct flat *f, enum json_type type, struct slice text)
{
    size_t max = f->out->scalars_max ? f->out->scalars_max : JSON_SCALARS_MAX;
    int r;

    if (f->skip) {
        if (f->depth == f->skip_depth)
            f->skip = false;
        return 1;
    }
    if (++f->scalars > max)
        return fail(f, -E2BIG, "too many values");
    if (type == JSON_STRING && !cleaned(&f->arena, &text))
        return fail(f, -ENOMEM, "out of memory");
    r = f->out->scalar(f->out->ctx, slice_of(f->path, f->path_n), type, text);
    return r < 0 ? fail(f, r, "refused") : 1;
}

static int on_null(void *ctx)
{
    return tell(ctx, JSON_NULL, SLICE("null"));
}

static int on_bool(void *ctx, int v)
{
    return tell(ctx, JSON_BOOL, v ? SLICE("true") : SLICE("false"));
}

static int on_number(void *ctx, const char *p, size_t n)
{
    return tell(ctx, JSON_NUMBER, slice_of(p, n));
}

static int on_string(void *ctx, const unsigned char *p, size_t n)
{
    return tell(ctx, JSON_STRING, slice_of((const char *)p, n));
}

static int open_level(void *ctx)
{
    struct flat *f = ctx;

    if (f->depth >= JSON_DEPTH_MAX)
        return fail(f, -E2BIG, "nested too deep");
    f->depth++;
    f->ends[f->depth] = f->path_n;
    f->first[f->depth] = f->nseen;
    return 1;
}

static int close_level(void *ctx)
{
    struct flat *f = ctx;

    f->path_n = f->ends[f->depth];
    f->nseen = f->first[f->depth];
    f->depth--;
    if (f->skip && f->depth == f->skip_depth)
        f->skip = false;
    return 1;
}

static int on_key(void *ctx, const unsigned char *p, size_t n)
{
    struct flat *f = ctx;
    struct slice key = slice_of((const char *)p, n);

    if (f->skip)
        return 1;
    if (!cleaned(&f->arena, &key))
        return fail(f, -ENOMEM, "out of memory");
    f->path_n = f->ends[f->depth];
    if (f->path_n + key.n + 1 > sizeof f->path)
        return fail(f, -E2BIG, "a key path is too long");
    if (f->path_n)
        f->path[f->path_n++] = '.';
    memcpy(f->path + f->path_n, key.p, key.n);
    f->path_n += key.n;
    return note_key(f, key);
}

static const yajl_callbacks flat_callbacks = {
    .yajl_null = on_null,
    .yajl_boolean = on_bool,
    .yajl_number = on_number,
    .yajl_string = on_string,
    .yajl_start_map = open_level,
    .yajl_map_key = on_key,
    .yajl_end_map = close_level,
    .yajl_start_array = open_level,
    .yajl_end_array = close_level,
};

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

static int run(struct slice text, const yajl_callbacks *callbacks, void *ctx, int *error,
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

/* The long way: whatever it is. */
int json_flatten_yajl(struct slice text, struct json_flat *flat, struct err *err)
{
    UNINITIALIZED struct flat f; /* all but its lists is set here */
    int r;

    f.out = flat;
    f.depth = f.path_n = f.scalars = f.nseen = 0;
    f.ends[0] = f.first[0] = 0;
    f.skip = false;
    f.why = NULL;
    f.error = 0;
    f.arena = NULL;
    flat->duplicate_key = false;
    flat->passed = 0;
    r = run(text, &flat_callbacks, &f, &f.error, &f.why, err);
    arena_free(f.arena);
    return r;
}

int json_flatten(struct slice text, struct json_flat *flat, struct err *err)
{
    int r;

    return LIKELY(json_plain(text, flat, &r, err)) ? r : json_flatten_yajl(text, flat, err);
}

/* ---- tree ---- */

struct tree {
    struct arena *arena;
    struct json *open[JSON_DEPTH_MAX + 1];
    struct json **tail[JSON_DEPTH_MAX + 1];
    size_t nkeys[JSON_DEPTH_MAX + 1];
    size_t depth;
    struct json *root;
    struct slice key;
    const char *why;
    int error;
};

static int tree_fail(struct tree *t, int error, const char *why)
{
    t->error = error;
    t->why = why;
    return 0;
}

static bool has_key(const struct json *object, struct slice key)
{
    for (const struct json *j = object->child; j; j = j->next)
        if (slice_eq(j->key, key))
            return true;
    return false;
}

static struct json *tree_add(struct tree *t, enum json_type type, struct slice text)
{
    struct json *j = arena_alloc(t->arena, sizeof *j);
    struct json *parent = t->depth ? t->open[t->depth] : NULL;

    if (!j)
        return NULL;
    j->type = type;
    j->text = utf8_clean(t->arena, text, NULL);
    if (j->text.p == text.p && text.n)
        j->text = arena_slice(t->arena, text);
    if (text.n && !j->text.p)
        return NULL;
    if (!parent) {
        t->root = j;
        return j;
    }
    j->key = parent->type == JSON_OBJECT ? t->key : SLICE_NONE;
    if (parent->type == JSON_OBJECT && has_key(parent, j->key))
        return j; /* first wins: this one hangs nowhere */
    *t->tail[t->depth] = j;
    t->tail[t->depth] = &j->next;
    return j;
}

static int tree_scalar(struct tree *t, enum json_type type, struct slice text)
{
    return tree_add(t, type, text) ? 1 : tree_fail(t, -ENOMEM, "out of memory");
}

static int tree_null(void *ctx)
{
    return tree_scalar(ctx, JSON_NULL, SLICE("null"));
}

static int tree_bool(void *ctx, int v)
{
    return tree_scalar(ctx, JSON_BOOL, v ? SLICE("true") : SLICE("false"));
}

static int tree_number(void *ctx, const char *p, size_t n)
{
    return tree_scalar(ctx, JSON_NUMBER, slice_of(p, n));
}

static int tree_string(void *ctx, const unsigned char *p, size_t n)
{
    return tree_scalar(ctx, JSON_STRING, slice_of((const char *)p, n));
}

static int tree_open(struct tree *t, enum json_type type)
{
    struct json *j;

    if (t->depth >= JSON_DEPTH_MAX)
        return tree_fail(t, -E2BIG, "nested too deep");
    j = tree_add(t, type, SLICE_NONE);
    if (!j)
        return tree_fail(t, -ENOMEM, "out of memory");
    t->open[++t->depth] = j;
    t->tail[t->depth] = &j->child;
    t->nkeys[t->depth] = 0;
    return 1;
}

static int tree_map(void *ctx)
{
    return tree_open(ctx, JSON_OBJECT);
}

static int tree_array(void *ctx)
{
    return tree_open(ctx, JSON_ARRAY);
}

static int tree_close(void *ctx)
{
    struct tree *t = ctx;

    t->depth--;
    return 1;
}

static int tree_key(void *ctx, const unsigned char *p, size_t n)
{
    struct tree *t = ctx;
    struct slice raw = slice_of((const char *)p, n);

    if (++t->nkeys[t->depth] > OBJECT_KEYS_MAX)
        return tree_fail(t, -E2BIG, "too many keys in one object");
    t->key = utf8_clean(t->arena, raw, NULL);
    if (t->key.p == raw.p)
        t->key = arena_slice(t->arena, raw);
    return t->key.p ? 1 : tree_fail(t, -ENOMEM, "out of memory");
}

static const yajl_callbacks tree_callbacks = {
    .yajl_null = tree_null,
    .yajl_boolean = tree_bool,
    .yajl_number = tree_number,
    .yajl_string = tree_string,
    .yajl_start_map = tree_map,
    .yajl_map_key = tree_key,
    .yajl_end_map = tree_close,
    .yajl_start_array = tree_array,
    .yajl_end_array = tree_close,
};

struct json *json_load(struct arena *a, struct slice text, struct err *err)
{
    struct tree t = { .arena = a };

    return run(text, &tree_callbacks, &t, &t.error, &t.why, err) < 0 ? NULL : t.root;
}

const struct json *json_get(const struct json *object, const char *key)
{
    if (!object || object->type != JSON_OBJECT)
        return NULL;
    for (const struct json *j = object->child; j; j = j->next)
        if (slice_is(j->key, key))
            return j;
    return NULL;
}

struct slice json_text(const struct json *object, const char *key)
{
    const struct json *j = json_get(object, key);

    return j && j->type != JSON_OBJECT && j->type != JSON_ARRAY && j->type != JSON_NULL ? j->text
                                                                                        : SLICE("");
}

uint64_t json_u64(const struct json *object, const char *key, uint64_t fallback)
{
    const struct json *j = json_get(object, key);
    uint64_t v = 0;

    if (!j || j->type != JSON_NUMBER || j->text.n == 0)
        return fallback;
    for (size_t i = 0; i < j->text.n; i++) {
        if (j->text.p[i] < '0' || j->text.p[i] > '9' ||
            __builtin_mul_overflow(v, UINT64_C(10), &v) ||
            __builtin_add_overflow(v, (uint64_t)(j->text.p[i] - '0'), &v))
            return fallback;
    }
    return v;
}

bool json_bool(const struct json *object, const char *key, bool fallback)
{
    const struct json *j = json_get(object, key);

    return j && j->type == JSON_BOOL ? slice_is(j->text, "true") : fallback;
}

/* ---- writing ---- */

void buf_json(struct buf *b, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
    };
    static const bool escaped[256] = {
        [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f] = true
    };
    size_t from = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (LIKELY(!escaped[c]))
            continue;
        buf_add(b, text.p + from, i - from);
        from = i + 1;
        buf_char(b, '\\');
        if (c == '"' || c == '\\')
            buf_char(b, (char)c);
        else if (c < sizeof named && named[c])
            buf_char(b, named[c]);
        else {
            const char u[] = { 'u', '0', '0', hex[c >> 4], hex[c & 15] };

            buf_add(b, u, sizeof u);
        }
    }
    buf_add(b, text.p + from, text.n - from);
}

static void before(struct json_writer *w)
{
    if (w->comma)
        buf_char(w->out, ',');
    w->comma = true;
}

static void open(struct json_writer *w, char c)
{
    before(w);
    buf_char(w->out, c);
    w->comma = false;
}

static void end(struct json_writer *w, char c)
{
    buf_char(w->out, c);
    w->comma = true;
}

void json_object(struct json_writer *w)
{
    open(w, '{');
}

void json_object_end(struct json_writer *w)
{
    end(w, '}');
}

void json_array(struct json_writer *w)
{
    open(w, '[');
}

void json_array_end(struct json_writer *w)
{
    end(w, ']');
}

void json_put_slice(struct json_writer *w, struct slice text)
{
    struct arena *a = NULL;

    before(w);
    buf_char(w->out, '"');
    if (cleaned(&a, &text))
        buf_json(w->out, text);
    else
        w->out->failed = true;
    buf_char(w->out, '"');
    arena_free(a);
}

void json_key_slice(struct json_writer *w, struct slice key)
{
    json_put_slice(w, key);
    buf_char(w->out, ':');
    w->comma = false;
}

/* Keys of our own are plain. */
void json_key(struct json_writer *w, const char *key)
{
    before(w);
    buf_char(w->out, '"');
    buf_str(w->out, key);
    buf_add(w->out, "\":", 2);
    w->comma = false;
}

void json_put_str(struct json_writer *w, const char *text)
{
    json_put_slice(w, slice_str(text));
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    before(w);
    buf_u64(w->out, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    before(w);
    buf_printf(w->out, "%lld", (long long)v);
}

void json_put_bool(struct json_writer *w, bool v)
{
    before(w);
    buf_str(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    before(w);
    buf_str(w->out, "null");
}

void json_put_time(struct json_writer *w, uint64_t us)
{
    char text[TIME_TEXT_SIZE];

    time_text(us, text);
    json_put_str(w, text);
}

void json_put_raw(struct json_writer *w, struct slice json)
{
    before(w);
    buf_slice(w->out, json);
}

void json_member_slice(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, key);
    json_put_slice(w, text);
}

void json_member_buf(struct json_writer *w, const char *key, const struct buf *text)
{
    json_member_slice(w, key, buf_view(text));
    w->out->failed = w->out->failed || !buf_ok(text);
}

void json_member_str(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_put_str(w, text);
}

void json_member_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_u64(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_put_bool(w, v);
}

void json_member_time(struct json_writer *w, const char *key, uint64_t us)
{
    json_key(w, key);
    json_put_time(w, us);
}

void json_put_tree(struct json_writer *w, const struct json *tree)
{
    bool object = tree->type == JSON_OBJECT;

    if (tree->type == JSON_STRING) {
        json_put_slice(w, tree->text);
        return;
    }
    if (!object && tree->type != JSON_ARRAY) {
        json_put_raw(w, tree->type == JSON_NULL ? SLICE("null") : tree->text);
        return;
    }
    object ? json_object(w) : json_array(w);
    for (const struct json *m = tree->child; m; m = m->next) {
        if (object)
            json_key_slice(w, m->key);
        json_put_tree(w, m);
    }
    object ? json_object_end(w) : json_array_end(w);
}
