/* What a format says of its texts: patterns, their named pieces, and where each group goes. */
#include "parsers/formats-build.h"

#include <stdio.h>

/* ---- faults ---- */

void format_fault(struct build *b, struct src_pos at, const char *text)
{
    diag_error(b->d, at, "%s", text);
    b->failed = true;
}

void format_unknown(struct build *b, struct slice name, struct src_pos at, const char *what,
                    const char *const *names)
{
    const char *near = names ? diag_nearest(name, names) : NULL;
    char hint[96];

    if (near)
        snprintf(hint, sizeof hint, "did you mean '%s'?", near);
    diag_add(b->d, DIAG_ERROR, at, (unsigned)name.n, near ? hint : NULL, "unknown %s '%.*s'", what,
             SLICE_FMT(name));
    b->failed = true;
}

/* ---- targets ---- */

static const struct {
    const char *name;
    enum target_kind kind;
} special_targets[] = {
    { "time", TARGET_TIME },       { "level", TARGET_LEVEL },       { "message", TARGET_MESSAGE },
    { "address", TARGET_ADDRESS }, { "address6", TARGET_ADDRESS6 }, { "json", TARGET_JSON },
    { "secret", TARGET_SECRET },   { "ignore", TARGET_IGNORE },
};

/* Short words that formats may use beside the dictionary's names. */
static const struct {
    const char *name;
    enum field_id field;
} short_names[] = {
    { "user", FIELD_USER_NAME },
    { "target_user", FIELD_USER_TARGET_NAME },
    { "reason", FIELD_EVENT_REASON },
    { "error", FIELD_ERROR_MESSAGE },
    { "subject", FIELD_TLS_CLIENT_SUBJECT },
    { "logger", FIELD_LOG_LOGGER },
    { "session", FIELD_TRAILWARDEN_SESSION },
    { "destination", FIELD_DESTINATION_ADDRESS },
    { "until", FIELD_TRAILWARDEN_UNTIL },
    { "path", FIELD_URL_ORIGINAL },
    { "method", FIELD_HTTP_REQUEST_METHOD },
    { "status", FIELD_HTTP_RESPONSE_STATUS_CODE },
    { "order", FIELD_TRAILWARDEN_ORDER },
    { "job", FIELD_TRAILWARDEN_JOB },
};

/* A group's name has no dots: source_nat_ip is source.nat.ip. */
static bool name_fits(struct slice dictionary, struct slice group)
{
    if (dictionary.n != group.n)
        return false;
    for (size_t i = 0; i < group.n; i++)
        if (dictionary.p[i] != group.p[i] && !(dictionary.p[i] == '.' && group.p[i] == '_'))
            return false;
    return true;
}

bool format_read_target(struct build *b, struct slice name, struct target *ret)
{
    *ret = (struct target){ .kind = TARGET_FIELD };
    if (slice_ends(name, SLICE("_go"))) {
        ret->go_quoted = true;
        name.n -= 3;
    }
    for (size_t i = 0; i < ARRAY_SIZE(special_targets); i++)
        if (slice_is(name, special_targets[i].name)) {
            ret->kind = special_targets[i].kind;
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(short_names); i++)
        if (slice_is(name, short_names[i].name)) {
            ret->field = short_names[i].field;
            ret->name = field_name(b->set->names, ret->field);
            return true;
        }
    for (uint32_t i = 0; i < FIELD_DICTIONARY; i++)
        if (name_fits(field_name(b->set->names, i), name)) {
            ret->field = i;
            ret->name = field_name(b->set->names, i);
            return true;
        }
    return false;
}

/* ---- patterns ---- */

/* %{NAME} is replaced by the format's pattern of that name. */
static bool expand(struct build *b, const struct yaml *y, struct buf *out)
{
    struct slice s = y->text;
    size_t at;

    while ((at = slice_find(s, SLICE("%{"))) != SIZE_MAX) {
        size_t end = slice_find_byte(slice_skip(s, at), '}');
        struct slice name;
        const struct yaml *piece = NULL;

        if (end == SIZE_MAX)
            break;
        name = slice_of(s.p + at + 2, end - 2);
        YAML_EACH (m, b->patterns)
            if (slice_eq(m->key, name))
                piece = m;
        if (!piece) {
            format_unknown(b, name, y->at, "pattern", NULL);
            return false;
        }
        buf_add(out, s.p, at);
        buf_slice(out, piece->text);
        s = slice_skip(s, at + end + 1);
    }
    buf_slice(out, s);
    return buf_ok(out);
}

/* By the set; NULL: no memory. */
static struct regex *kept(struct formats *set, struct regex *r)
{
    if (set->nregexes == set->regexes_cap) {
        size_t cap = set->regexes_cap ? set->regexes_cap * 2 : 64;
        struct regex **list = realloc(set->regexes, cap * sizeof *list);

        if (!list) {
            regex_free(r);
            return NULL;
        }
        set->regexes = list;
        set->regexes_cap = cap;
    }
    set->regexes[set->nregexes++] = r;
    return r;
}

/* Anchored at both ends: attackers put text in the middle of lines. */
struct regex *format_read_regex(struct build *b, const struct yaml *y, bool both_ends)
{
    AUTO_BUF pattern = BUF_INIT;
    struct regex *r;
    struct err err = ERR_NONE;

    if (y->kind != YAML_SCALAR || !expand(b, y, &pattern)) {
        format_fault(b, y->at, "a pattern is a text");
        return NULL;
    }
    if (pattern.n < 2 || pattern.p[0] != '^' || (both_ends && pattern.p[pattern.n - 1] != '$')) {
        format_fault(b, y->at,
                     both_ends ? "a pattern must begin with ^ and end with $"
                               : "a pattern must begin with ^");
        return NULL;
    }
    if (regex_compile(buf_view(&pattern), REGEX_DOTALL, &r, &err) < 0) {
        format_fault(b, y->at, err.text);
        return NULL;
    }
    return kept(b->set, r);
}

struct regex *format_make_regex(struct build *b, struct slice pattern)
{
    struct err err = ERR_NONE;
    struct regex *r;

    return regex_compile(pattern, REGEX_DOTALL, &r, &err) < 0 ? NULL : kept(b->set, r);
}

void format_read_captures(struct build *b, const struct yaml *y, struct captures *c)
{
    unsigned flags;

    c->regex = format_read_regex(b, y, true);
    if (!c->regex)
        return;
    if (needs_read(regex_pattern(c->regex, &flags), b->a, &c->needs) < 0)
        return format_fault(b, y->at, "out of memory");
    c->n = regex_groups(c->regex) + 1;
    if (c->n > GROUPS_MAX)
        return format_fault(b, y->at, "too many groups");
    for (size_t i = 1; i < c->n; i++) {
        const char *name = regex_group_name(c->regex, i);

        if (!name)
            return format_fault(b, y->at, "every group needs a name; others are written (?:...)");
        if (!format_read_target(b, slice_str(name), &c->targets[i]))
            format_unknown(b, slice_str(name), y->at, "group name (it is no field)", NULL);
        c->has_json = c->has_json || c->targets[i].kind == TARGET_JSON;
    }
}
