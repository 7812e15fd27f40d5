#include "base/option.h"

#include <errno.h>
#include <string.h>

#include "base/num.h"
#include "base/secret.h"

#define NAMES_MAX 64

struct load {
    struct arena *arena;
    struct diag *diag;
    bool failed;
};

static void *at_offset(void *state, const struct option *o)
{
    return (char *)state + o->offset;
}

static void fault(struct load *l, const struct yaml *y, const char *hint, const char *text)
{
    if (l->diag)
        diag_add(l->diag, DIAG_ERROR, y->at, (unsigned)y->text.n, hint, "%s", text);
    l->failed = true;
}

/* ---- one value of each type, from its text ---- */

typedef int (*number_parse)(struct slice, uint64_t *);

static int plain_u64(struct slice s, uint64_t *ret)
{
    return parse_u64(s, 0, UINT64_MAX, ret);
}

static number_parse parser_of(enum option_type t)
{
    return t == OPTION_SIZE ? parse_bytes : t == OPTION_DURATION ? parse_duration : plain_u64;
}

static const char *example_of(enum option_type t)
{
    return t == OPTION_SIZE       ? "a size like 64KiB"
           : t == OPTION_DURATION ? "a duration like 5m"
                                  : "a whole number";
}

static void load_number(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    number_parse parse = parser_of(o->type);
    uint64_t v, min = 0, max = UINT64_MAX;

    if (o->min)
        (void)parse(slice_str(o->min), &min);
    if (o->max)
        (void)parse(slice_str(o->max), &max);
    if (parse(y->text, &v) < 0) {
        fault(l, y, NULL, arena_printf(l->arena, "'%s' must be %s", o->name, example_of(o->type)));
        return;
    }
    if (v < min || v > max) {
        fault(l, y, NULL,
              arena_printf(l->arena, "'%s' must be between %s and %s", o->name,
                           o->min ? o->min : "0", o->max ? o->max : "the largest number"));
        return;
    }
    memcpy(at_offset(state, o), &v, sizeof v);
}

static void load_i64(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    int64_t v, min = INT64_MIN, max = INT64_MAX;

    if (o->min)
        (void)parse_i64(slice_str(o->min), INT64_MIN, INT64_MAX, &min);
    if (o->max)
        (void)parse_i64(slice_str(o->max), INT64_MIN, INT64_MAX, &max);
    if (parse_i64(y->text, min, max, &v) < 0)
        fault(l, y, NULL,
              arena_printf(l->arena, "'%s' must be a whole number between %s and %s", o->name,
                           o->min ? o->min : "the smallest", o->max ? o->max : "the largest"));
    else
        memcpy(at_offset(state, o), &v, sizeof v);
}

static void load_bool(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    bool v;

    if (!yaml_bool(y, &v))
        fault(l, y, "write true or false",
              arena_printf(l->arena, "'%s' must be true or false", o->name));
    else
        memcpy(at_offset(state, o), &v, sizeof v);
}

static void load_enum(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    const char *near;

    for (int i = 0; o->choices[i]; i++)
        if (slice_is(y->text, o->choices[i])) {
            memcpy(at_offset(state, o), &i, sizeof i);
            return;
        }
    near = diag_nearest(y->text, o->choices);
    fault(l, y, near ? arena_printf(l->arena, "did you mean '%s'?", near) : NULL,
          arena_printf(l->arena, "'%s' does not know '%.*s'", o->name, SLICE_FMT(y->text)));
}

static void load_str(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    const char *text = arena_str(l->arena, y->text);

    if (!text || slice_find_byte(y->text, '\0') != SIZE_MAX)
        fault(l, y, NULL, "this text cannot be taken");
    else
        memcpy(at_offset(state, o), &text, sizeof text);
}

static void load_strs(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    struct option_strs s = { 0 };
    size_t n = y->kind == YAML_SEQ ? y->nchildren : 1;

    if (y->kind == YAML_MAP) /* it has more members than there is room for */
        return fault(l, y, NULL, arena_printf(l->arena, "'%s' is a list of texts", o->name));
    s.items = arena_array(l->arena, n + 1, sizeof *s.items);
    s.at = arena_array(l->arena, n + 1, sizeof *s.at);
    if (!s.items || !s.at)
        return fault(l, y, NULL, "out of memory");
    if (y->kind == YAML_SCALAR) {
        s.items[0] = arena_str(l->arena, y->text);
        s.at[0] = y->at;
        s.n = 1;
    } else {
        YAML_EACH (item, y) {
            if (item->kind != YAML_SCALAR || yaml_is_null(item))
                return fault(l, item, NULL,
                             arena_printf(l->arena, "'%s' is a list of texts", o->name));
            s.items[s.n] = arena_str(l->arena, item->text);
            s.at[s.n++] = item->at;
        }
    }
    memcpy(at_offset(state, o), &s, sizeof s);
}

static void load_secret(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    const struct yaml *file = yaml_get(y, "file"), *credential = yaml_get(y, "credential");
    const struct yaml *from = file ? file : credential;
    struct secret *s = NULL;
    struct err err = ERR_NONE;
    char *name;
    int r;

    if (l->diag && y->kind == YAML_SCALAR)
        diag_hide(l->diag, y->at); /* it must not be printed with the finding */
    if (y->kind != YAML_MAP || !from || from->kind != YAML_SCALAR || y->nchildren != 1)
        return fault(
            l, y, NULL,
            "secrets do not stand in the configuration: use {file: PATH} or {credential: NAME}");
    name = arena_str(l->arena, from->text);
    if (!name)
        return fault(l, y, NULL, "out of memory");
    r = file ? secret_from_file(name, &s, &err) : secret_from_credential(name, &s, &err);
    /* `check` by a user who may not read it must still work: a warning. */
    if ((r == -EACCES || r == -ENOENT) && l->diag) {
        diag_add(l->diag, DIAG_WARNING, from->at, (unsigned)from->text.n, NULL, "'%s': %s", o->name,
                 err.text);
        s = secret_unreadable();
        memcpy(at_offset(state, o), &s, sizeof s);
        return;
    }
    if (r < 0)
        return fault(l, from, NULL, err.text);
    memcpy(at_offset(state, o), &s, sizeof s);
}

static bool wants_scalar(enum option_type t)
{
    return t != OPTION_STRS && t != OPTION_SECRET && t != OPTION_NODE && t != OPTION_GROUP;
}

static void load_map(struct load *l, const struct option *table, const struct yaml *map,
                     struct src_pos at, const char *const *ignore, void *state);

static void load_value(struct load *l, const struct option *o, const struct yaml *y, void *state)
{
    static void (*const loaders[])(struct load *, const struct option *, const struct yaml *,
                                   void *) = {
        [OPTION_STR] = load_str,     [OPTION_BOOL] = load_bool,       [OPTION_U64] = load_number,
        [OPTION_SIZE] = load_number, [OPTION_DURATION] = load_number, [OPTION_I64] = load_i64,
        [OPTION_ENUM] = load_enum,   [OPTION_STRS] = load_strs,       [OPTION_SECRET] = load_secret,
    };

    if (wants_scalar(o->type) && y->kind != YAML_SCALAR) {
        fault(l, y, NULL, arena_printf(l->arena, "'%s' takes one value", o->name));
        return;
    }
    if (o->type == OPTION_NODE)
        memcpy(at_offset(state, o), &y, sizeof y);
    else if (o->type == OPTION_GROUP)
        load_map(l, o->sub, y, y->key.p ? y->key_at : y->at, NULL, state);
    else
        loaders[o->type](l, o, y, state);
}

/* ---- a map ---- */

static const struct option *find(const struct option *table, struct slice name)
{
    for (; table->name; table++)
        if (slice_is(name, table->name))
            return table;
    return NULL;
}

static bool ignored(const char *const *ignore, struct slice name)
{
    for (; ignore && *ignore; ignore++)
        if (slice_is(name, *ignore))
            return true;
    return false;
}

static void unknown_key(struct load *l, const struct option *table, const char *const *ignore,
                        const struct yaml *m)
{
    const char *names[NAMES_MAX] = { 0 };
    size_t n = 0;
    const char *near;

    for (; table->name && n < NAMES_MAX - 1; table++)
        names[n++] = table->name;
    for (; ignore && *ignore && n < NAMES_MAX - 1; ignore++)
        names[n++] = *ignore;
    near = diag_nearest(m->key, names);
    diag_add(l->diag, DIAG_ERROR, m->key_at, (unsigned)m->key.n,
             near ? arena_printf(l->arena, "did you mean '%s'?", near) : NULL, "unknown key '%.*s'",
             SLICE_FMT(m->key));
    l->failed = true;
}

static void load_map(struct load *l, const struct option *table, const struct yaml *map,
                     struct src_pos at, const char *const *ignore, void *state)
{
    if (map && yaml_is_null(map))
        map = NULL; /* "section:" with nothing behind it */
    if (map && map->kind != YAML_MAP) {
        fault(l, map, NULL, "this must be a map of settings");
        return;
    }
    YAML_EACH (m, map) {
        const struct option *o = find(table, m->key);

        if (ignored(ignore, m->key))
            continue;
        if (!o)
            unknown_key(l, table, ignore, m);
        else if (!yaml_is_null(m) || o->type == OPTION_NODE)
            load_value(l, o, m, state);
    }
    for (; table->name; table++) {
        const struct yaml *m = yaml_get(map, table->name);

        /* "name:" with nothing behind it gives no value either */
        if (table->required && (!m || yaml_is_null(m)) &&
            !ignored(ignore, slice_str(table->name))) {
            diag_error(l->diag, at, "'%s' is missing: %s", table->name, table->help);
            l->failed = true;
        }
    }
}

/* A bound that does not parse would be no bound. */
static bool bound_right(const struct option *o, const char *bound)
{
    uint64_t u;
    int64_t i;

    if (!bound)
        return true;
    if (o->type == OPTION_I64)
        return parse_i64(slice_str(bound), INT64_MIN, INT64_MAX, &i) == 0;
    if (o->type == OPTION_U64 || o->type == OPTION_SIZE || o->type == OPTION_DURATION)
        return parser_of(o->type)(slice_str(bound), &u) == 0;
    return false;
}

static bool entry_right(const struct option *o)
{
    return o->help && bound_right(o, o->min) && bound_right(o, o->max) &&
           (o->type != OPTION_ENUM || o->choices) && (o->type != OPTION_GROUP || o->sub);
}

static int defaults(struct load *l, const struct option *table, void *state)
{
    for (; table->name; table++) {
        struct yaml y = { .kind = YAML_SCALAR, .plain = true };

        if (!entry_right(table))
            return -EINVAL;
        if (table->type == OPTION_GROUP) {
            if (defaults(l, table->sub, state) < 0)
                return -EINVAL;
            continue;
        }
        if (!table->fallback)
            continue;
        y.text = slice_str(table->fallback);
        if (!wants_scalar(table->type) && table->type != OPTION_STRS)
            return -EINVAL;
        load_value(l, table, &y, state);
    }
    return l->failed ? -EINVAL : 0;
}

int option_defaults(const struct option *table, void *state, struct arena *a)
{
    struct load l = { .arena = a };

    return defaults(&l, table, state);
}

int option_load(const struct option *table, const struct yaml *map, struct src_pos at,
                const char *const *ignore, void *state, struct arena *a, struct diag *d)
{
    struct load l = { .arena = a, .diag = d };

    if (option_defaults(table, state, a) < 0) {
        diag_error(d, at, "internal: a default of this section is wrong");
        return -EINVAL;
    }
    load_map(&l, table, map, at, ignore, state);
    return l.failed ? -EINVAL : 0;
}

/* ---- help and schema ---- */

static const char *type_word(const struct option *o)
{
    static const char *const words[] = {
        [OPTION_STR] = "text",     [OPTION_BOOL] = "true|false", [OPTION_U64] = "number",
        [OPTION_I64] = "number",   [OPTION_SIZE] = "size",       [OPTION_DURATION] = "duration",
        [OPTION_ENUM] = "choice",  [OPTION_STRS] = "list",       [OPTION_SECRET] = "secret",
        [OPTION_NODE] = "section", [OPTION_GROUP] = "section",
    };

    return words[o->type];
}

void option_help(const struct option *table, struct buf *out, const char *indent)
{
    for (; table->name; table++) {
        buf_printf(out, "%s%-14s %-10s %s", indent, table->name, type_word(table), table->help);
        if (table->type == OPTION_ENUM) {
            buf_str(out, " One of:");
            for (size_t i = 0; table->choices[i]; i++)
                buf_printf(out, " %s", table->choices[i]);
            buf_char(out, '.');
        }
        if (table->min || table->max)
            buf_printf(out, " From %s to %s.", table->min ? table->min : "0",
                       table->max ? table->max : "any");
        if (table->fallback)
            buf_printf(out, " Default: %s.", table->fallback);
        if (table->required)
            buf_str(out, " Required.");
        buf_char(out, '\n');
        if (table->type == OPTION_GROUP) {
            AUTO_BUF deeper = BUF_INIT;

            buf_printf(&deeper, "%s  ", indent);
            option_help(table->sub, out, deeper.p);
        }
    }
}

static void string_schema(struct json_writer *w, const char *pattern)
{
    json_key(w, "type");
    json_array(w);
    json_put_str(w, "string");
    json_put_str(w, "integer");
    json_array_end(w);
    if (pattern)
        json_member_str(w, "pattern", pattern);
}

/* A decimal text of our own table is a JSON number as it stands. */
static void bound_schema(struct json_writer *w, const char *key, const char *bound)
{
    if (!bound)
        return;
    json_key(w, key);
    json_put_raw(w, slice_str(bound));
}

static void choices_schema(struct json_writer *w, const char *const *choices)
{
    json_key(w, "enum");
    json_array(w);
    for (; *choices; choices++) {
        uint64_t number;

        json_put_str(w, *choices);
        if (parse_u64(slice_str(*choices), 0, UINT32_MAX, &number) == 0) /* as YAML reads it */
            json_put_u64(w, number);
    }
    json_array_end(w);
}

static void secret_schema(struct json_writer *w)
{
    json_member_str(w, "type", "object");
    json_member_u64(w, "minProperties", 1);
    json_member_u64(w, "maxProperties", 1);
    json_key(w, "properties");
    json_object(w);
    for (size_t i = 0; i < 2; i++) {
        json_key(w, i ? "credential" : "file");
        json_object(w);
        json_member_str(w, "type", "string");
        json_object_end(w);
    }
    json_object_end(w);
    json_member_bool(w, "additionalProperties", false);
}

static void value_schema(const struct option *o, struct json_writer *w)
{
    switch (o->type) {
    case OPTION_BOOL:
        json_member_str(w, "type", "boolean");
        break;
    case OPTION_U64:
    case OPTION_I64:
        json_member_str(w, "type", "integer");
        bound_schema(w, "minimum", o->min ? o->min : o->type == OPTION_U64 ? "0" : NULL);
        bound_schema(w, "maximum", o->max);
        break;
    case OPTION_SIZE:
        string_schema(w, "^[0-9]+(B|k|M|G|KiB|MiB|GiB)?$");
        break;
    case OPTION_DURATION: /* a bare number has no unit */
        json_member_str(w, "type", "string");
        json_member_str(w, "pattern", "^[0-9]+(us|ms|s|m|h|d|w)$");
        break;
    case OPTION_ENUM:
        choices_schema(w, o->choices);
        break;
    case OPTION_STRS:
        json_key(w, "type");
        json_array(w);
        json_put_str(w, "string");
        json_put_str(w, "integer");
        json_put_str(w, "array");
        json_array_end(w);
        break;
    case OPTION_SECRET:
        secret_schema(w);
        break;
    case OPTION_GROUP:
        option_schema(o->sub, w);
        break;
    case OPTION_STR:
        string_schema(w, NULL);
        break;
    case OPTION_NODE:
        break;
    }
}

void option_schema(const struct option *table, struct json_writer *w)
{
    bool any = false;

    json_member_str(w, "type", "object");
    json_key(w, "properties");
    json_object(w);
    for (const struct option *o = table; o->name; o++) {
        json_key(w, o->name);
        json_object(w);
        json_member_str(w, "description", o->help);
        value_schema(o, w);
        if (o->fallback)
            json_member_str(w, "default", o->fallback);
        json_object_end(w);
        any = any || o->required;
    }
    json_object_end(w);
    if (any) {
        json_key(w, "required");
        json_array(w);
        for (const struct option *o = table; o->name; o++)
            if (o->required)
                json_put_str(w, o->name);
        json_array_end(w);
    }
    json_member_bool(w, "additionalProperties", false);
}

/* ---- paths ---- */

static int paths_of(const struct option *o, const void *at, int (*fn)(void *ctx, const char *path),
                    void *ctx)
{
    const struct option_strs *list = at;
    const char *const *one = at;
    int r = 0;

    if (o->type == OPTION_STR)
        return *one ? fn(ctx, *one) : 0;
    for (size_t i = 0; o->type == OPTION_STRS && i < list->n && r == 0; i++)
        r = fn(ctx, list->items[i]);
    return r;
}

int option_paths(const struct option *table, const void *state, enum option_path kind,
                 int (*fn)(void *ctx, const char *path), void *ctx)
{
    int r = 0;

    for (const struct option *o = table; r == 0 && o->name; o++) {
        if (o->type == OPTION_GROUP)
            r = option_paths(o->sub, state, kind, fn, ctx);
        else if (o->path == kind)
            r = paths_of(o, (const char *)state + o->offset, fn, ctx);
    }
    return r;
}
