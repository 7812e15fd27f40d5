/* Lists of placeholders from a file: a map of names to lists of texts. */
#include <errno.h>

#include "rules/load.h"

#define VALUES_MAX 100000

static int add_list(struct rules *r, const struct yaml *y, struct diag *d)
{
    struct slice *values;
    size_t n = 0;

    if (y->kind != YAML_SEQ) {
        diag_error(d, y->key_at, "placeholder '%.*s' must be a list of texts", SLICE_FMT(y->key));
        return 0;
    }
    if (y->nchildren > VALUES_MAX) {
        diag_error(d, y->key_at, "placeholder '%.*s' has more than %d values", SLICE_FMT(y->key),
                   VALUES_MAX);
        return 0;
    }
    values = arena_array(r->arena, y->nchildren + 1, sizeof *values);
    if (!values)
        return -ENOMEM;
    YAML_EACH (v, y) {
        if (v->kind == YAML_SCALAR && !value_is_null(v))
            values[n++] = v->text;
        else
            diag_error(d, v->at, "a value of a placeholder is a text");
    }
    return rules_placeholder(r, y->key, values, n);
}

int rules_placeholders_file(struct rules *r, const char *path, struct diag *d)
{
    size_t before = diag_errors(d);
    struct yaml_docs docs;
    int e = yaml_load_file(path, r->arena, d, &docs);

    if (e < 0)
        return e;
    for (size_t i = 0; i < docs.ndocs; i++) {
        if (docs.docs[i] && docs.docs[i]->kind != YAML_MAP && !yaml_is_null(docs.docs[i]))
            diag_error(d, docs.docs[i]->at, "placeholders are a map of names to lists");
        YAML_EACH (y, docs.docs[i])
            if (y->key.n && add_list(r, y, d) == -ENOMEM)
                return -ENOMEM;
    }
    return diag_errors(d) > before ? -EINVAL : 0;
}
