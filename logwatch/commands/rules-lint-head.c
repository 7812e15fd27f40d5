/* Lint of what stands around a rule: who, why, since when, under which tags. */
#include <ctype.h>

#include "base/clock.h"
#include "logwatch/commands/rules-lint.h"

static const struct yaml *key_of(const struct lint *l, const char *key)
{
    const struct yaml *y = yaml_get(l->doc, key);

    return y && !yaml_is_null(y) ? y : NULL;
}

/* ---- what is missing ---- */

static void check_missing(struct lint *l)
{
    /* Rules that are only counted tell nobody: what a reader of an alert needs is no fault there.
     */
    static const struct {
        const char *key, *why;
        enum diag_level level;
        bool of_telling;
    } keys[] = {
        { "id", "give it a UUID, so that alerts and references survive a new title", DIAG_WARNING,
          false },
        { "description", "say what it means when it fires", DIAG_WARNING, false },
        { "level", "medium is taken", DIAG_WARNING, false },
        { "status", "stable, test, experimental, deprecated or unsupported", DIAG_NOTE, false },
        { "tags", "attack.tNNNN says what it detects", DIAG_NOTE, true },
        { "falsepositives", "say what innocent things look like this", DIAG_NOTE, true },
    };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (!key_of(l, keys[i].key) && !(keys[i].of_telling && l->info->silent))
            lint_say(l, keys[i].level, l->doc->at, 0, NULL, "'%.*s' has no %s: %s",
                     SLICE_FMT(l->info->title), keys[i].key, keys[i].why);
    if (l->info->ntests == 0 && !l->info->silent)
        lint_say(l, DIAG_WARNING, l->doc->at, 0, NULL,
                 "'%.*s' has no tests: add one line that must fire and one that must not",
                 SLICE_FMT(l->info->title));
}

static void check_keys(struct lint *l)
{
    static const char *const known[] = {
        "title",          "id",          "name",      "related",   "taxonomy",
        "status",         "description", "license",   "author",    "references",
        "date",           "modified",    "logsource", "detection", "fields",
        "falsepositives", "level",       "tags",      "scope",     "correlation",
        "filter",         "trailwarden", "action",    "generate",  NULL,
    };

    YAML_EACH (m, l->doc) {
        const char *near;
        size_t i = 0;

        while (known[i] && !slice_is(m->key, known[i]))
            i++;
        near = known[i] ? NULL : diag_nearest(m->key, known);
        /* Any other key is a custom one, which the standard allows. */
        if (near)
            lint_say(l, DIAG_WARNING, m->key_at, m->key.n, near, "unusual key '%.*s'",
                     SLICE_FMT(m->key));
    }
}

/* ---- identity ---- */

static void check_identity(struct lint *l)
{
    const struct rules *r = l->view.engine->rules;
    const struct yaml *name = key_of(l, "name"), *title = key_of(l, "title");

    for (size_t i = 0; i < l->rule; i++) {
        const struct rule_info *other = rules_info(r, i);

        if (name && slice_eq(name->text, other->name))
            lint_say(l, DIAG_ERROR, name->at, name->text.n, NULL,
                     "the name '%.*s' is taken by %.*s:%u: references mean that one",
                     SLICE_FMT(name->text), SLICE_FMT(other->file), other->at.line);
        if (title && slice_eq(title->text, other->title))
            lint_say(l, DIAG_WARNING, title->at, title->text.n, NULL,
                     "the title is that of %.*s:%u, too", SLICE_FMT(other->file), other->at.line);
    }
    if (title && title->text.n > 256)
        lint_say(l, DIAG_WARNING, title->at, 0, NULL, "the title is longer than 256 bytes");
}

static void check_dates(struct lint *l)
{
    static const char *const keys[] = { "date", "modified" };

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        const struct yaml *y = key_of(l, keys[i]);
        char text[24];
        uint64_t us;

        if (!y)
            continue;
        snprintf(text, sizeof text, "%.10sT00:00:00Z", y->text.n == 10 ? y->text.p : "");
        if (y->text.n != 10 || time_parse_rfc3339(slice_str(text), &us) < 0)
            lint_say(l, DIAG_WARNING, y->at, y->text.n, NULL, "'%s' is no date like 2026-11-21",
                     keys[i]);
    }
}

/* ---- tags ---- */

/* attack.t1110, attack.t1110.001; also groups, software, mitigations, campaigns, data sources. */
static bool is_attack_number(struct slice s)
{
    size_t digits = 0, i = 1;

    if (s.n < 5 || !strchr("tgsmcd", s.p[0]))
        return false;
    if (s.p[0] == 'd' && s.p[1] == 's')
        i = 2;
    for (; i < s.n && isdigit((unsigned char)s.p[i]); i++)
        digits++;
    if (digits != 4)
        return false;
    s = slice_skip(s, i);
    return s.n == 0 || (s.n == 4 && s.p[0] == '.' && isdigit((unsigned char)s.p[1]) &&
                        isdigit((unsigned char)s.p[2]) && isdigit((unsigned char)s.p[3]));
}

/* Tactics are written with - or _. */
static const char *const tactics[] = {
    "reconnaissance",
    "resource-development",
    "initial-access",
    "execution",
    "persistence",
    "privilege-escalation",
    "defense-evasion",
    "credential-access",
    "discovery",
    "lateral-movement",
    "collection",
    "command-and-control",
    "exfiltration",
    "impact",
    "stealth",
    "defense-impairment",
    NULL,
};

static bool is_tactic(struct slice s)
{
    for (size_t i = 0; tactics[i]; i++) {
        bool same = s.n == strlen(tactics[i]);

        for (size_t j = 0; same && j < s.n; j++)
            same = s.p[j] == tactics[i][j] || (s.p[j] == '_' && tactics[i][j] == '-');
        if (same)
            return true;
    }
    return false;
}

static void check_tag(struct lint *l, const struct yaml *tag)
{
    size_t dot = slice_find_byte(tag->text, '.');
    struct slice rest = slice_skip(tag->text, dot == SIZE_MAX ? tag->text.n : dot + 1);

    if (dot != SIZE_MAX && slice_eq(slice_take(tag->text, dot), SLICE("attack")) &&
        !is_attack_number(rest) && !is_tactic(rest))
        lint_say(l, DIAG_WARNING, tag->at, tag->text.n, diag_nearest(rest, tactics),
                 "'%.*s' is no ATT&CK technique like t1110.001 and no tactic",
                 SLICE_FMT(tag->text));
}

static void check_tags(struct lint *l)
{
    const struct yaml *tags = key_of(l, "tags");

    if (tags && tags->kind != YAML_SEQ) {
        lint_say(l, DIAG_WARNING, tags->key_at, tags->key.n, NULL, "tags must be a list");
        return;
    }
    YAML_EACH (tag, tags)
        if (tag->kind == YAML_SCALAR)
            check_tag(l, tag);
}

const struct lint_check lint_head_checks[] = {
    { "keys", check_keys },   { "missing", check_missing }, { "identity", check_identity },
    { "dates", check_dates }, { "tags", check_tags },       { 0 },
};
