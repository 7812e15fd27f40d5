#include "schemas/field.h"

#include "base/arena.h"
#include "base/table.h"

#define NAMES_MAX 65536

struct field_names {
    struct table *ids; /* name -> id + 1 */
    struct slice *names; /* by id */
    uint32_t n, cap;
    struct arena *arena;
};

struct dictionary_entry {
    const char *name;
    enum field_kind kind;
    bool pii;
    const char *help;
};

#define X(id, name, kind, pii, help) { name, FIELD_KIND_##kind, pii, help },
static const struct dictionary_entry dictionary[FIELD_DICTIONARY] = { FIELD_LIST(X) };
#undef X

struct field_names *field_names_new(void)
{
    AUTO(field_names) f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->ids = table_new(NAMES_MAX);
    f->arena = arena_new(16384, 0);
    if (!f->ids || !f->arena)
        return NULL;
    for (uint32_t i = 0; i < FIELD_DICTIONARY; i++)
        if (field_intern(f, slice_str(dictionary[i].name)) != i)
            return NULL;
    return TAKE(f);
}

void field_names_free(struct field_names *f)
{
    if (!f)
        return;
    table_free(f->ids);
    arena_free(f->arena);
    free(f->names);
    free(f);
}

static bool names_grow(struct field_names *f)
{
    uint32_t cap = f->cap ? f->cap * 2 : 256;
    struct slice *names = realloc(f->names, cap * sizeof *names);

    if (!names)
        return false;
    f->names = names;
    f->cap = cap;
    return true;
}

uint32_t field_intern(struct field_names *f, struct slice name)
{
    uint32_t id = field_find(f, name);
    struct slice copy;

    if (id != FIELD_OTHER)
        return id;
    if (f->n >= NAMES_MAX || (f->n == f->cap && !names_grow(f)))
        return FIELD_OTHER;
    copy = arena_slice(f->arena, name);
    if (!copy.p)
        return FIELD_OTHER;
    id = f->n;
    /* The id plus one, as a pointer: a table holds no NULL. */
    if (table_put(f->ids, copy, (void *)((uintptr_t)id + 1)) < 0)
        return FIELD_OTHER;
    f->names[id] = copy;
    f->n++;
    return id;
}

uint32_t field_find(const struct field_names *f, struct slice name)
{
    uintptr_t v = (uintptr_t)table_get(f->ids, name);

    return v ? (uint32_t)(v - 1) : FIELD_OTHER;
}

struct slice field_name(const struct field_names *f, uint32_t id)
{
    return id < f->n ? f->names[id] : SLICE_NONE;
}

uint32_t field_count(const struct field_names *f)
{
    return f->n;
}

bool field_is_pii(uint32_t id)
{
    return id < FIELD_DICTIONARY && dictionary[id].pii;
}

enum field_kind field_kind(uint32_t id)
{
    return id < FIELD_DICTIONARY ? dictionary[id].kind : FIELD_KIND_keyword;
}

const char *field_help(uint32_t id)
{
    return id < FIELD_DICTIONARY ? dictionary[id].help : NULL;
}
