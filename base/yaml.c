#include "base/yaml.h"

#include <errno.h>
#include <libfyaml.h>

#include "base/file.h"
#include "base/utf8.h"

#define FILE_MAX (1 << 20)
#define NODES_MAX 10000 /* nodes reached through aliases, in one file */
#define DEPTH_MAX 64
#define DOCS_MAX 1000

struct walk {
    struct arena *arena;
    struct diag *diag;
    const char *path;
    size_t alias_nodes;
    unsigned depth, alias_depth;
    bool failed; /* a finding was added */
};

static struct src_pos token_pos(const struct walk *w, struct fy_token *t)
{
    const struct fy_mark *m = t ? fy_token_start_mark(t) : NULL;

    /* Marks are 0-based; what people see is 1-based. */
    return m ? (struct src_pos){ w->path, (unsigned)m->line + 1, (unsigned)m->column + 1 }
             : (struct src_pos){ w->path, 1, 1 };
}

static struct src_pos scalar_pos(const struct walk *w, struct fy_node *n)
{
    struct src_pos at = token_pos(w, fy_node_get_scalar_token(n));
    enum fy_node_style style = fy_node_get_style(n);

    /* The mark stands behind the quote; a person points at the quote. */
    if (at.column > 1 && (style == FYNS_SINGLE_QUOTED || style == FYNS_DOUBLE_QUOTED))
        at.column--;
    return at;
}

static struct yaml *fault(struct walk *w, struct src_pos at, const char *text)
{
    diag_error(w->diag, at, "%s", text);
    w->failed = true;
    return NULL;
}

static struct yaml *convert(struct walk *w, struct fy_node *n);

/* An alias is followed with a budget: without it nine lines of YAML fill the memory. */
static struct yaml *convert_alias(struct walk *w, struct fy_node *n)
{
    struct src_pos at = token_pos(w, fy_node_get_scalar_token(n));
    struct fy_node *target = fy_node_resolve_alias(n);
    struct yaml *y;

    if (!target)
        return fault(w, at, "this alias has no anchor");
    if (w->alias_depth >= 16)
        return fault(w, at, "aliases are nested too deep, or in a circle");
    w->alias_depth++;
    y = convert(w, target);
    w->alias_depth--;
    return y;
}

static void append(struct yaml *parent, struct yaml ***tail, struct yaml *child)
{
    **tail = child;
    *tail = &child->next;
    if (!parent->child || parent->nchildren == 0)
        parent->at = child->key.p ? child->key_at : child->at;
    parent->nchildren++;
}

static bool convert_pair(struct walk *w, struct yaml *map, struct yaml ***tail,
                         struct fy_node_pair *pair)
{
    struct fy_node *key = fy_node_pair_key(pair), *value = fy_node_pair_value(pair);
    struct src_pos at = key && fy_node_is_scalar(key) ? scalar_pos(w, key) : token_pos(w, NULL);
    size_t n = 0;
    bool is_text = key && fy_node_is_scalar(key) && !fy_node_is_alias(key);
    const char *text = is_text ? fy_node_get_scalar(key, &n) : NULL;
    struct yaml *child;

    if (!is_text)
        return fault(w, at, "a key must be plain text"), false;
    if (n == 2 && memcmp(text, "<<", 2) == 0)
        return fault(w, at, "merge keys are not taken: write the keys out"), false;
    child = value ? convert(w, value) : arena_alloc(w->arena, sizeof *child);
    if (!child) {
        if (!w->failed)
            fault(w, at, "out of memory");
        return false;
    }
    if (!value) {
        child->plain = true;
        child->at = at;
    }
    child->key = arena_slice(w->arena, slice_of(text ? text : "", n));
    if (!child->key.p)
        return fault(w, at, "out of memory"), false;
    child->key_at = at;
    if (child->kind != YAML_SCALAR && child->nchildren == 0)
        child->at = at;
    append(map, tail, child);
    return true;
}

static struct yaml *convert_children(struct walk *w, struct fy_node *n, struct yaml *y)
{
    struct yaml **tail = &y->child;
    void *it = NULL;

    if (y->kind == YAML_MAP) {
        struct fy_node_pair *pair;

        while ((pair = fy_node_mapping_iterate(n, &it)))
            if (!convert_pair(w, y, &tail, pair))
                return NULL;
    } else {
        struct fy_node *item;

        while ((item = fy_node_sequence_iterate(n, &it))) {
            struct yaml *child = convert(w, item);

            if (!child)
                return NULL;
            append(y, &tail, child);
        }
    }
    return y;
}

static struct yaml *convert_scalar(struct walk *w, struct fy_node *n, struct yaml *y)
{
    size_t size = 0;
    const char *text = fy_node_get_scalar(n, &size);

    y->at = scalar_pos(w, n);
    y->plain = fy_node_get_style(n) == FYNS_PLAIN;
    y->text = arena_slice(w->arena, slice_of(text ? text : "", size));
    return y->text.p ? y : fault(w, y->at, "out of memory");
}

static struct yaml *convert(struct walk *w, struct fy_node *n)
{
    struct yaml *y;

    if (fy_node_is_alias(n))
        return convert_alias(w, n);
    if (w->alias_depth && ++w->alias_nodes > NODES_MAX)
        return fault(w, (struct src_pos){ w->path, 1, 1 }, "aliases make this file too large");
    if (w->depth >= DEPTH_MAX)
        return fault(w, (struct src_pos){ w->path, 1, 1 }, "nested too deep");
    y = arena_alloc(w->arena, sizeof *y);
    if (!y)
        return fault(w, (struct src_pos){ w->path, 1, 1 }, "out of memory");
    y->at = (struct src_pos){ w->path, 1, 1 };
    if (fy_node_is_scalar(n))
        return convert_scalar(w, n, y);
    y->kind = fy_node_is_mapping(n) ? YAML_MAP : YAML_SEQ;
    w->depth++;
    y = convert_children(w, n, y);
    w->depth--;
    return y;
}

/* ---- findings of libfyaml ---- */

static void no_output(struct fy_diag *d UNUSED, void *user UNUSED, const char *text UNUSED,
                      size_t n UNUSED)
{
}

static bool collect(struct walk *w, struct fy_diag *dg)
{
    void *it = NULL;
    struct fy_diag_error *e;
    bool any = false;

    while ((e = fy_diag_errors_iterate(dg, &it))) {
        struct src_pos at = { w->path, e->line > 0 ? (unsigned)e->line : 1,
                              e->column > 0 ? (unsigned)e->column : 1 };

        diag_error(w->diag, at, "YAML: %s", e->msg ? e->msg : "fault");
        any = true;
    }
    return any;
}

static struct fy_diag *quiet_diag(void)
{
    struct fy_diag_cfg c;
    struct fy_diag *dg;

    fy_diag_cfg_default(&c);
    c.fp = NULL;
    c.output_fn = no_output;
    c.colorize = false;
    dg = fy_diag_create(&c);
    if (dg)
        fy_diag_set_collect_errors(dg, true);
    return dg;
}

static bool add_doc(struct walk *w, struct yaml_docs *docs, struct yaml *root)
{
    struct src_pos at = { w->path, 1, 1 };

    if (docs->ndocs == DOCS_MAX)
        return fault(w, at, "too many documents in one file"), false;
    /* Grows at 0, 1, 2, 4, 8 ...: the size is not kept. */
    if ((docs->ndocs & (docs->ndocs - 1)) == 0) {
        struct yaml **more = arena_array(w->arena, docs->ndocs * 2 + 1, sizeof *more);

        if (!more)
            return fault(w, at, "out of memory"), false;
        if (docs->ndocs)
            memcpy(more, docs->docs, docs->ndocs * sizeof *more);
        docs->docs = more;
    }
    docs->docs[docs->ndocs++] = root;
    return true;
}

static bool all_empty(const struct yaml_docs *docs)
{
    for (size_t i = 0; i < docs->ndocs; i++)
        if (docs->docs[i] && !yaml_is_null(docs->docs[i]))
            return false;
    return true;
}

/* Each document of the text; a fault in one ends the file. */
static void load_all(struct walk *w, struct fy_parser *p, struct fy_diag *dg,
                     struct yaml_docs *docs)
{
    struct fy_document *d;

    while (!w->failed && (d = fy_parse_load_document(p))) {
        struct fy_node *root = fy_document_root(d);
        struct yaml *y = root ? convert(w, root) : NULL;

        if (!w->failed)
            (void)add_doc(w, docs, y);
        fy_parse_document_destroy(p, d);
    }
    if (collect(w, dg))
        w->failed = true;
    if (!w->failed && all_empty(docs)) /* libfyaml does not say so */
        diag_warning(w->diag, ((struct src_pos){ w->path, 1, 1 }), "this file is empty");
}

static struct src_pos bad_utf8_pos(const char *path, struct slice text)
{
    struct src_pos at = { path, 1, 1 };
    size_t i = 0;
    uint32_t cp;
    unsigned n;

    for (; i < text.n && (n = utf8_decode(slice_skip(text, i), &cp)); i += n) {
        at.column++;
        if (text.p[i] == '\n') {
            at.line++;
            at.column = 1;
        }
    }
    return at;
}

int yaml_load_text(const char *path, struct slice text, struct arena *a, struct diag *d,
                   struct yaml_docs *ret)
{
    struct walk w = { .arena = a, .diag = d };
    struct fy_diag *dg;
    struct fy_parse_cfg pc = { .flags = FYPCF_DEFAULT_DOC };
    struct fy_parser *p;
    char *copy;

    *ret = (struct yaml_docs){ 0 };
    diag_source(d, path, text);
    w.path = diag_path(d, path);
    if (!utf8_valid(text)) {
        diag_error(d, bad_utf8_pos(w.path, text), "this is no valid UTF-8");
        return -EINVAL;
    }
    if (slice_find_byte(text, '\0') != SIZE_MAX) {
        diag_error(d, ((struct src_pos){ w.path, 1, 1 }), "a NUL byte: this is no text file");
        return -EINVAL;
    }
    copy = slice_dup(text); /* libfyaml wants it for as long as it parses */
    dg = quiet_diag();
    pc.diag = dg;
    p = dg && copy ? fy_parser_create(&pc) : NULL;
    if (!p || fy_parser_set_string(p, copy, text.n) != 0) {
        fy_parser_destroy(p);
        fy_diag_destroy(dg);
        free(copy);
        diag_error(d, ((struct src_pos){ w.path, 1, 1 }), "out of memory");
        return -ENOMEM;
    }
    load_all(&w, p, dg, ret);
    fy_parser_destroy(p);
    fy_diag_destroy(dg);
    free(copy);
    return w.failed ? -EINVAL : 0;
}

int yaml_load_file(const char *path, struct arena *a, struct diag *d, struct yaml_docs *ret)
{
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;

    *ret = (struct yaml_docs){ 0 };
    if (file_read(-1, path, FILE_MAX, &text, &err) < 0) {
        diag_add_err(d, (struct src_pos){ diag_path(d, path), 0, 0 }, &err);
        return err.code;
    }
    return yaml_load_text(path, buf_view(&text), a, d, ret);
}

const struct yaml *yaml_get(const struct yaml *map, const char *key)
{
    if (!map || map->kind != YAML_MAP)
        return NULL;
    YAML_EACH (m, map)
        if (slice_is(m->key, key))
            return m;
    return NULL;
}

bool yaml_is_null(const struct yaml *y)
{
    return y && y->kind == YAML_SCALAR && y->plain &&
           (y->text.n == 0 || slice_is(y->text, "~") || slice_is(y->text, "null"));
}

bool yaml_bool(const struct yaml *y, bool *ret)
{
    if (!y || y->kind != YAML_SCALAR || !y->plain)
        return false;
    if (!slice_is(y->text, "true") && !slice_is(y->text, "false"))
        return false;
    *ret = slice_is(y->text, "true");
    return true;
}
