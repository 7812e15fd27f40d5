#include "logwatch/commands/rules.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/utf8.h"

#define PREFIX_MIN 4 /* of an id */

const char *const cost_names[] = {
    [COST_CHEAP] = "cheap", [COST_MODERATE] = "moderate", [COST_HIGH] = "high"
};

int out_of_memory(void)
{
    fputs("trailwarden: out of memory\n", stderr);
    return EXIT_FAILED;
}

/* ---- loading ---- */

static int load_own(struct rules_view *v, const char *const *paths, size_t npaths)
{
    const struct cli *cli = v->cli;
    const char **all = arena_array(v->arena, cli->nmany + npaths + 1, sizeof *all);
    struct engine_request q = { .rule_paths = all,
                                .no_library = cli_has(cli, CLI_NO_LIBRARY),
                                .tests = true };

    if (!all)
        return -ENOMEM;
    for (size_t i = 0; i < cli->nmany; i++)
        if (cli->many_of[i] == CLI_RULES)
            all[q.nrule_paths++] = cli->many[i];
    for (size_t i = 0; i < npaths; i++)
        all[q.nrule_paths++] = paths[i];
    if (engine_load(&q, v->diag, &v->own) == -ENOMEM)
        return -ENOMEM;
    v->engine = v->own;
    return 0;
}

static int load_configured(struct rules_view *v)
{
    struct config_request q = { .path = v->cli->values[CLI_CONFIG], .tests = true };
    int r = config_load(&q, v->diag, &v->config);

    v->engine = v->config ? v->config->engine : NULL;
    return r == -ENOMEM ? r : 0;
}

/* The library's own files, given by name, collide with those inside the program. */
static void hint_at_library(const struct rules_view *v)
{
    if (cli_has(v->cli, CLI_NO_LIBRARY))
        return;
    for (size_t i = 0; i < diag_count(v->diag); i++)
        if (slice_ends(slice_str(diag_text(v->diag, i)), SLICE("is already there"))) {
            fputs("trailwarden: files of the library itself need --no-library\n", stderr);
            return;
        }
}

int rules_view_open(struct rules_view *v, struct cli *cli, const char *const *paths, size_t npaths,
                    bool lenient)
{
    bool own = cli_has(cli, CLI_RULES) || cli_has(cli, CLI_NO_LIBRARY) || npaths ||
               (!cli_has(cli, CLI_CONFIG) && access(CONFIG_PATH, R_OK) < 0);
    int r;

    *v = (struct rules_view){ .cli = cli };
    v->diag = diag_new();
    v->arena = arena_new(65536, 0);
    if (!v->diag || !v->arena)
        return out_of_memory();
    r = own ? load_own(v, paths, npaths) : load_configured(v);
    if (r < 0)
        return out_of_memory();
    if (own && npaths)
        hint_at_library(v);
    if (diag_errors(v->diag) && (!lenient || !v->engine))
        return cli_diag(cli, v->diag);
    return EXIT_DONE;
}

void rules_view_fini(struct rules_view *v)
{
    engine_free(v->own);
    config_free(v->config);
    diag_free(v->diag);
    arena_free(v->arena);
}

bool argument_is_path(const char *arg)
{
    struct stat st;

    return stat(arg, &st) == 0;
}

bool rule_is_of(const struct rule_info *info, const char *path)
{
    struct slice p = slice_str(path);

    while (p.n > 1 && p.p[p.n - 1] == '/')
        p.n--;
    return slice_starts(info->file, p) && (info->file.n == p.n || info->file.p[p.n] == '/');
}

/* ---- finding ---- */

static const char *near_rule(struct rules_view *v, const char *what)
{
    size_t n = rules_count(v->engine->rules), have = 0;
    const char **names = arena_array(v->arena, 2 * n + 1, sizeof *names);

    for (size_t i = 0; names && i < n; i++) {
        const struct rule_info *info = rules_info(v->engine->rules, i);
        const char *title = arena_str(v->arena, info->title);
        const char *name = info->name.n ? arena_str(v->arena, info->name) : NULL;

        if (title)
            names[have++] = title;
        if (name)
            names[have++] = name;
    }
    return names ? diag_nearest(slice_str(what), names) : NULL;
}

static size_t by_prefix(const struct rules *r, struct slice what, bool *ret_many)
{
    size_t found = SIZE_MAX;

    *ret_many = false;
    for (size_t i = 0; what.n >= PREFIX_MIN && i < rules_count(r); i++) {
        if (!slice_starts(rules_info(r, i)->id, what))
            continue;
        *ret_many = found != SIZE_MAX;
        if (*ret_many)
            return SIZE_MAX;
        found = i;
    }
    return found;
}

size_t rules_view_find(struct rules_view *v, const char *what)
{
    size_t i = rules_find(v->engine->rules, slice_str(what));
    AUTO_BUF shown = BUF_INIT;
    const char *near;
    bool many = false;

    if (i == SIZE_MAX)
        i = by_prefix(v->engine->rules, slice_str(what), &many);
    if (i != SIZE_MAX)
        return i;
    buf_printable(&shown, slice_str(what));
    near = many ? NULL : near_rule(v, what);
    fprintf(stderr, "trailwarden: %s '%.*s'%s%s%s\n",
            many ? "several rules have an id that begins with"
                 : "no rule has the id, name or title",
            SLICE_FMT(buf_view(&shown)), near ? ": did you mean '" : "", near ? near : "",
            near ? "'?" : "");
    return SIZE_MAX;
}

/* ---- log sources ---- */

bool rule_is_for(const struct engine *e, size_t i, const struct format *f)
{
    const struct rule_info *info = rules_info(e->rules, i);

    if (info->kind == RULE_DETECTION)
        return logsource_matches(info->logsource, format_logsource(f));
    for (size_t p = 0; p < rules_count(e->rules); p++)
        if (p != i && rules_part(e->rules, i, p) != SIZE_MAX && rule_is_for(e, p, f))
            return true;
    return false;
}

void buf_logsource(struct buf *b, const struct logsource *ls)
{
    const struct slice parts[] = { ls->product, ls->category, ls->service };
    bool any = false;

    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (parts[i].n == 0 || (i == 2 && slice_eq(parts[i], ls->product)))
            continue;
        buf_str(b, any ? "/" : "");
        buf_slice(b, parts[i]);
        any = true;
    }
    buf_str(b, any ? "" : "any");
}

static bool counts_evaluated(const struct rules *r, size_t i)
{
    for (size_t p = 0; p < rules_count(r); p++)
        if (p != i && rules_part(r, i, p) != SIZE_MAX && rules_usable(r, p) &&
            rules_info(r, p)->evaluated)
            return true;
    return false;
}

const char *idle_reason(struct rules_view *v, size_t i)
{
    const struct rules *r = v->engine->rules;
    const struct rule_info *info = rules_info(r, i);
    AUTO_BUF b = BUF_INIT;

    if (!rules_usable(r, i))
        return "left out: a fault, or a placeholder without a list";
    if (info->kind == RULE_CORRELATION)
        return counts_evaluated(r, i) ? NULL : "counts only rules that are never evaluated";
    if (info->evaluated)
        return NULL;
    buf_str(&b, "no channel gives the log source ");
    buf_logsource(&b, info->logsource);
    return arena_str(v->arena, buf_view(&b));
}

/* ---- words ---- */

const char *rule_kind_name(const struct rule_info *info)
{
    return info->kind == RULE_CORRELATION ? "correlation" : info->silent ? "counted" : "detection";
}

struct slice rule_handle(const struct rule_info *info)
{
    return info->name.n ? info->name : info->id;
}

const char *level_short(enum level l)
{
    return l == LEVEL_INFORMATIONAL ? "info" : level_name(l);
}

void buf_yaml(struct buf *b, const struct yaml *y)
{
    static const char open[] = { 0, '{', '[' }, shut[] = { 0, '}', ']' };

    if (y->kind == YAML_SCALAR) {
        buf_slice(b, y->text);
        return;
    }
    buf_char(b, open[y->kind]);
    YAML_EACH (c, y) {
        if (c != y->child)
            buf_str(b, ", ");
        if (y->kind == YAML_MAP) {
            buf_slice(b, c->key);
            buf_str(b, ": ");
        }
        buf_yaml(b, c);
    }
    buf_char(b, shut[y->kind]);
}

/* Scalars stay texts: typing is the reader's, as in YAML. */
void json_put_yaml(struct json_writer *w, const struct yaml *y)
{
    if (y->kind == YAML_SCALAR) {
        json_put_slice(w, y->text);
        return;
    }
    (y->kind == YAML_MAP ? json_object : json_array)(w);
    YAML_EACH (c, y) {
        if (y->kind == YAML_MAP)
            json_key_slice(w, c->key);
        json_put_yaml(w, c);
    }
    (y->kind == YAML_MAP ? json_object_end : json_array_end)(w);
}

/* Text as it is; else what is meant. */
void json_put_literal(struct json_writer *w, struct slice literal)
{
    AUTO_BUF shown = BUF_INIT;

    if (literal_digits(literal))
        literal_show(&shown, literal);
    json_put_slice(w, literal_digits(literal) ? buf_view(&shown) : literal);
}

void json_member_place(struct json_writer *w, const struct rule_info *info)
{
    json_member_slice(w, "file", info->file);
    json_member_u64(w, "line", info->at.line);
}

int print_json(struct cli *cli, struct buf *b)
{
    if (!buf_ok(b))
        return out_of_memory();
    fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(b)));
    buf_reset(b);
    return EXIT_DONE;
}
