/* What yajl tells becomes scalars with their paths, or a tree. */
#include "base/json-private.h"

#include <errno.h>

#include "base/table.h"
#include "base/utf8.h"

#define KEYS_MAX 512 /* of all objects open at once, when flattening */
#define OBJECT_KEYS_MAX 1024 /* of one object in a tree: its keys are compared one by one */

bool json_cleaned(struct arena **a, struct slice *text)
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
    if (type == JSON_STRING && !json_cleaned(&f->arena, &text))
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
    if (!json_cleaned(&f->arena, &key))
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
    r = json_run_yajl(text, &flat_callbacks, &f, &f.error, &f.why, err);
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

    return json_run_yajl(text, &tree_callbacks, &t, &t.error, &t.why, err) < 0 ? NULL : t.root;
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
