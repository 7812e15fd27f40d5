/* The file and its conf.d, as one tree. */
#include "logwatch/config-private.h"

#include <dirent.h>

#include "base/file.h"
#include "base/hash.h"

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int is_yaml(const struct dirent *e)
{
    struct slice name = slice_str(e->d_name);

    return e->d_name[0] != '.' &&
           (slice_ends(name, SLICE(".yaml")) || slice_ends(name, SLICE(".yml")));
}

/* Members of `more` are added to `base`: maps are merged, anything else is replaced. */
static void merge(struct yaml *base, struct yaml *more)
{
    struct yaml *next;

    for (struct yaml *m = more->child; m; m = next) {
        struct yaml **slot = &base->child;

        next = m->next;
        while (*slot && !slice_eq((*slot)->key, m->key))
            slot = &(*slot)->next;
        if (*slot && (*slot)->kind == YAML_MAP && m->kind == YAML_MAP) {
            merge(*slot, m);
            continue;
        }
        m->next = *slot ? (*slot)->next : NULL;
        base->nchildren += *slot ? 0 : 1;
        *slot = m;
    }
}

static void load_one(struct build *b, const char *path, struct sha256 *h, struct yaml **ret_root)
{
    struct yaml_docs docs = { 0 };
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;

    if (file_read(-1, path, 1 << 20, &text, &err) < 0) {
        diag_add_err(b->d, (struct src_pos){ diag_path(b->d, path), 0, 0 }, &err);
        return;
    }
    sha256_add(h, text.p, text.n);
    if (yaml_load_text(path, buf_view(&text), b->a, b->d, &docs) < 0)
        return;
    if (docs.ndocs > 1)
        diag_error(b->d, docs.docs[1]->at, "a configuration is one document");
    if (!docs.ndocs || !docs.docs[0])
        return;
    if (docs.docs[0]->kind != YAML_MAP) {
        diag_error(b->d, docs.docs[0]->at, "a configuration is a map of settings");
        return;
    }
    if (*ret_root)
        merge(*ret_root, docs.docs[0]);
    else
        *ret_root = docs.docs[0];
}

static void load_drop_ins(struct build *b, const char *path, struct sha256 *h, struct yaml **root)
{
    const char *slash = strrchr(path, '/');
    const char *folder =
        arena_printf(b->a, "%.*sconf.d", slash ? (int)(slash - path) + 1 : 0, path);
    struct dirent **list = NULL;
    int n = folder ? scandir(folder, &list, is_yaml, by_name) : -1;

    for (int i = 0; i < n; i++) {
        const char *file = arena_printf(b->a, "%s/%s", folder, list[i]->d_name);

        if (file)
            load_one(b, file, h, root);
        free(list[i]);
    }
    free(list);
}

struct yaml *config_load_files(struct build *b, const struct config_request *q)
{
    struct yaml *root = NULL;
    struct sha256 h = { 0 };
    const char *path = q->path ? q->path : CONFIG_PATH;

    if (sha256_init(&h) < 0) {
        b->failed = -ENOMEM;
        return NULL;
    }
    if (q->path || access(CONFIG_PATH, F_OK) == 0) {
        b->c->path = arena_str(b->a, slice_str(path));
        load_one(b, path, &h, &root);
        load_drop_ins(b, path, &h, &root);
    }
    sha256_end(&h, b->c->digest);
    sha256_fini(&h);
    return root;
}
