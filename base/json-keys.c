/*
 * Keys of earlier texts: a tree of them, each with the one that stood behind it the last time.
 *
 * Lines of one log have the same keys in the same order. Where the bytes of the expected key stand
 * as they stood before, nothing of it needs to be read again: not its end, its path, its number,
 * nor whether an object has it twice. Who writes other keys in each line fills the room, is read
 * without it for a while, and then it begins anew.
 */
#include "base/json-private.h"

#define KEPT 128
#define SLOTS 256
#define REST 1000 /* texts */

struct json_keys {
    uint64_t objects; /* numbers given */
    unsigned rest; /* texts to be read without keys */
    bool full;
    size_t n;
    struct json_key root;
    uint8_t slots[SLOTS]; /* number of a key + 1; 0: free */
    struct json_key list[KEPT];
};

struct json_keys *json_keys_new(void)
{
    return calloc(1, sizeof(struct json_keys));
}

void json_keys_free(struct json_keys *k)
{
    free(k);
}

void json_keys_forget(struct json_keys *k)
{
    memset(k->slots, 0, sizeof k->slots);
    k->root = (struct json_key){ .n = 0 };
    k->n = 0;
    k->rest = 0;
    k->full = false;
}

struct json_key *json_keys_begin(struct json_keys *k)
{
    if (UNLIKELY(k->full)) {
        json_keys_forget(k);
        k->rest = REST;
    }
    if (LIKELY(k->rest == 0))
        return &k->root;
    k->rest--;
    return NULL;
}

uint64_t json_keys_object(struct json_keys *k)
{
    return ++k->objects;
}

static bool is(const struct json_key *k, const struct json_key *parent, struct slice key)
{
    return k->parent == parent && k->n == key.n &&
           memcmp(k->path + k->npath - k->n, key.p, key.n) == 0;
}

/* Without a part in front when what is in front is empty, as the paths of all readers. */
static struct json_key *make(struct json_keys *k, struct json_key *parent, struct slice key)
{
    struct json_key *made = &k->list[k->n];
    size_t front = parent->npath ? parent->npath + 1 : 0;

    if (k->n == KEPT || front + key.n > sizeof made->path) {
        k->full = k->full || k->n == KEPT;
        return NULL;
    }
    *made = (struct json_key){ .parent = parent, .n = (uint32_t)key.n };
    if (front) {
        memcpy(made->path, parent->path, parent->npath);
        made->path[front - 1] = '.';
    }
    memcpy(made->path + front, key.p, key.n);
    made->npath = (uint32_t)(front + key.n);
    k->n++;
    return made;
}

struct json_key *json_key_find(struct json_keys *k, struct json_key *parent, struct slice key,
                               bool *ret_made)
{
    uint64_t h = slice_ends_mix(slice_ends_of(key), key.n) + (uintptr_t)parent;
    size_t i = (h * UINT64_C(0x9e3779b97f4a7c15) >> 32) % SLOTS;
    struct json_key *found;

    for (; k->slots[i]; i = (i + 1) % SLOTS)
        if (is(&k->list[k->slots[i] - 1], parent, key))
            return &k->list[k->slots[i] - 1];
    found = make(k, parent, key);
    if (found)
        k->slots[i] = (uint8_t)k->n;
    *ret_made = found;
    return found;
}

void json_key_stood(struct json_key *k, struct slice raw, size_t front, bool first)
{
    k->first = first;
    k->front = (uint32_t)front;
    k->nraw = raw.n <= sizeof k->raw ? (uint32_t)raw.n : 0;
    if (k->nraw)
        memcpy(k->raw, raw.p, raw.n);
    k->ends = slice_ends_of(slice_of(k->raw, k->nraw));
}
