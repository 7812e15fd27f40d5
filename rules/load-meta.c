/* The keys of a document beside its detection: which kinds of values the standard allows. */
#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "rules/load.h"

#define TITLE_MAX 256 /* characters */

struct slice meta_text(const struct yaml *doc, const char *key)
{
    const struct yaml *y = yaml_get(doc, key);

    return y && y->kind == YAML_SCALAR && !yaml_is_null(y) ? y->text : SLICE("");
}

/* ---- checks of one value ---- */

static void check_text(const struct yaml *y, struct diag *d)
{
    if (y->kind != YAML_SCALAR)
        diag_error(d, y->key_at, "'%.*s' must be a text", SLICE_FMT(y->key));
}

static size_t characters(struct slice s)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n; i++)
        n += ((unsigned char)s.p[i] & 0xc0) != 0x80;
    return n;
}

static void check_title(const struct yaml *y, struct diag *d)
{
    check_text(y, d);
    if (characters(y->text) > TITLE_MAX)
        diag_error(d, y->at, "a title has at most %d characters, this has %zu", TITLE_MAX,
                   characters(y->text));
}

static bool is_uuid(struct slice s)
{
    if (s.n != 36)
        return false;
    for (size_t i = 0; i < s.n; i++) {
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;

        if (dash ? s.p[i] != '-' : !s.p[i] || !strchr("0123456789abcdefABCDEF", s.p[i]))
            return false;
    }
    return true;
}

/* Others would still tell rules apart, so it is no error. */
static void check_id(const struct yaml *y, struct diag *d)
{
    check_text(y, d);
    if (y->kind == YAML_SCALAR && !is_uuid(y->text))
        diag_warning(d, y->at, "the standard wants a UUID as id");
}

static bool is_date(struct slice s, char dash)
{
    char text[24];
    uint64_t us;

    if (s.n != 10 || s.p[4] != dash || s.p[7] != dash)
        return false;
    snprintf(text, sizeof text, "%.4s-%.2s-%.2sT00:00:00Z", s.p, s.p + 5, s.p + 8);
    return time_parse_rfc3339(slice_str(text), &us) != -EINVAL; /* before 1970 it is one, too */
}

/* Slashes are of the standard before 2.0: no reason to do without the rule. */
static void check_date(const struct yaml *y, struct diag *d)
{
    bool text = y->kind == YAML_SCALAR;

    if (text && is_date(y->text, '/'))
        diag_warning(d, y->at, "'%.*s' is written like 2026-11-21 now", SLICE_FMT(y->key));
    else if (!text || !is_date(y->text, '-'))
        diag_error(d, y->at, "'%.*s' is a date like 2026-11-21", SLICE_FMT(y->key));
}

static void one_of(const struct yaml *y, const char *const *names, struct diag *d)
{
    const char *near;
    char hint[64];

    if (y->kind != YAML_SCALAR) {
        check_text(y, d);
        return;
    }
    for (size_t i = 0; names[i]; i++)
        if (slice_is(y->text, names[i]))
            return;
    near = diag_nearest(y->text, names);
    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(d, DIAG_ERROR, y->at, (unsigned)y->text.n, near ? hint : NULL, "'%.*s' is no %.*s",
             SLICE_FMT(slice_take(y->text, 80)), SLICE_FMT(y->key));
}

static void check_status(const struct yaml *y, struct diag *d)
{
    static const char *const names[] = { "stable",     "test",        "experimental",
                                         "deprecated", "unsupported", NULL };

    one_of(y, names, d);
}

static void check_level(const struct yaml *y, struct diag *d)
{
    static const char *const names[] = {
        "informational", "low", "medium", "high", "critical", NULL
    };

    one_of(y, names, d);
}

/* Another taxonomy names its fields otherwise: such a rule would look right and find nothing. */
static void check_taxonomy(const struct yaml *y, struct diag *d)
{
    if (y->kind != YAML_SCALAR || !slice_is(y->text, "sigma"))
        diag_error(d, y->at, "taxonomy '%.*s' is not known: only 'sigma' is",
                   SLICE_FMT(slice_take(y->text, 80)));
}

static void check_texts(const struct yaml *y, struct diag *d)
{
    if (y->kind != YAML_SEQ) {
        diag_error(d, y->key_at, "'%.*s' must be a list", SLICE_FMT(y->key));
        return;
    }
    YAML_EACH (item, y)
        if (item->kind != YAML_SCALAR)
            diag_error(d, item->at, "'%.*s' is a list of texts", SLICE_FMT(y->key));
}

static void check_tags(const struct yaml *y, struct diag *d)
{
    check_texts(y, d);
    YAML_EACH (tag, y) {
        size_t dot = slice_find_byte(tag->text, '.');

        if (tag->kind == YAML_SCALAR && (dot == SIZE_MAX || dot == 0 || dot + 1 == tag->text.n))
            diag_error(d, tag->at, "a tag is namespace.name, '%.*s' is not",
                       SLICE_FMT(slice_take(tag->text, 80)));
    }
}

static void check_related(const struct yaml *y, struct diag *d)
{
    static const char *const types[] = {
        "derived", "obsolete", "merged", "renamed", "similar", NULL
    };

    if (y->kind != YAML_SEQ) {
        diag_error(d, y->key_at, "'related' must be a list of {id, type}");
        return;
    }
    YAML_EACH (one, y) {
        const struct yaml *type = yaml_get(one, "type");

        if (meta_text(one, "id").n == 0 || !type)
            diag_error(d, one->at, "'related' is a list of {id, type}");
        else
            one_of(type, types, d);
    }
}

void meta_check(const struct yaml *doc, struct diag *d)
{
    static const struct {
        const char *key;
        void (*check)(const struct yaml *, struct diag *);
    } keys[] = {
        { "title", check_title },       { "id", check_id },
        { "name", check_text },         { "related", check_related },
        { "taxonomy", check_taxonomy }, { "status", check_status },
        { "description", check_text },  { "license", check_text },
        { "author", check_text },       { "references", check_texts },
        { "date", check_date },         { "modified", check_date },
        { "fields", check_texts },      { "falsepositives", check_texts },
        { "level", check_level },       { "tags", check_tags },
        { "scope", check_texts },
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct yaml *y = yaml_get(doc, keys[i].key);

        /* `key:` with nothing behind it is as good as none. */
        if (y && !yaml_is_null(y))
            keys[i].check(y, d);
    }
    if (meta_text(doc, "title").n == 0)
        diag_error(d, doc->at, "a rule needs a title");
}

/* ---- what is kept of them ---- */

int meta_tags(struct rules *r, struct rule *rule, const struct yaml *tags)
{
    struct slice *list;
    size_t n = 0;

    if (!tags || tags->kind != YAML_SEQ)
        return 0;
    list = arena_array(r->arena, tags->nchildren + 1, sizeof *list);
    if (!list)
        return -ENOMEM;
    YAML_EACH (t, tags)
        if (t->kind == YAML_SCALAR)
            list[n++] = t->text;
    rule->info.tags = list;
    rule->info.ntags = n;
    return 0;
}

enum level meta_level(const struct yaml *y)
{
    enum level level = LEVEL_MEDIUM;

    if (y && y->kind == YAML_SCALAR)
        (void)level_parse(y->text, &level); /* told by meta_check() */
    return level;
}

struct logsource *meta_logsource(struct rules *r, const struct yaml *doc, bool needed,
                                 struct diag *d)
{
    static const char *const keys[] = { "product", "category", "service", "definition" };
    struct logsource *ls = arena_alloc(r->arena, sizeof *ls);
    const struct yaml *y = yaml_get(doc, "logsource");

    if (!ls || (!y && !needed))
        return ls;
    if (!y) {
        diag_error(d, doc->at, "a rule needs a logsource");
        return ls;
    }
    if (y->kind != YAML_MAP) {
        diag_error(d, y->key_at, "logsource must be a map of product, category, service");
        return ls;
    }
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (yaml_get(y, keys[i]))
            check_text(yaml_get(y, keys[i]), d);
    ls->product = meta_text(y, "product");
    ls->category = meta_text(y, "category");
    ls->service = meta_text(y, "service");
    if (needed && !ls->product.n && !ls->category.n && !ls->service.n)
        diag_error(d, y->key_at, "logsource needs a product, category or service");
    return ls;
}
