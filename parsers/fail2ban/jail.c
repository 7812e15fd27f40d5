#include "parsers/fail2ban/jail.h"

#include <ctype.h>
#include <errno.h>

#include "base/num.h"
#include "parsers/fail2ban/ini.h"

#define LIST_MAX 200
#define DAY_S UINT64_C(86400)
#define YEAR_S (DAY_S * 1461 / 4)
#define SECONDS_MAX (100 * YEAR_S)

struct reading {
    struct ini ini;
    struct arena *a;
    struct diag *d;
    struct slice section;
    struct fail2ban_jail *jail;
};

/* ---- times ---- */

/* By how the word begins: mo is a month, any other m a minute. */
static const struct {
    const char *word;
    uint64_t seconds;
} units[] = {
    { "mo", YEAR_S / 12 }, { "y", YEAR_S }, { "w", 7 * DAY_S }, { "d", DAY_S },
    { "h", 3600 },         { "m", 60 },     { "s", 1 },
};

static int unit_seconds(struct slice word, uint64_t *ret)
{
    if (word.n == 0) {
        *ret = 1;
        return 0;
    }
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (slice_eq_nocase(slice_take(word, strlen(units[i].word)), slice_str(units[i].word))) {
            *ret = units[i].seconds;
            return 0;
        }
    return -EINVAL;
}

static struct slice take_while(struct slice *s, int (*is)(int))
{
    size_t n = 0;
    struct slice taken;

    while (n < s->n && is((unsigned char)s->p[n]))
        n++;
    taken = slice_take(*s, n);
    *s = slice_skip(*s, n);
    return taken;
}

int fail2ban_seconds(struct slice text, uint64_t *ret, bool *ret_forever)
{
    uint64_t sum = 0;

    text = slice_trim(text);
    *ret_forever = text.n > 1 && text.p[0] == '-';
    if (*ret_forever)
        text = slice_skip(text, 1);
    if (text.n == 0)
        return -EINVAL;
    while (text.n) {
        struct slice digits = take_while(&text, isdigit), word;
        uint64_t n, unit;

        take_while(&text, isblank);
        word = take_while(&text, isalpha);
        take_while(&text, isblank);
        if (parse_u64(digits, 0, SECONDS_MAX, &n) < 0 || unit_seconds(word, &unit) < 0)
            return -EINVAL;
        if (n > SECONDS_MAX / unit || sum + n * unit > SECONDS_MAX)
            return -ERANGE;
        sum += n * unit;
    }
    *ret = sum;
    return 0;
}

/* ---- settings ---- */

static int setting(struct reading *r, const char *name, struct slice *ret)
{
    int rc = ini_get(&r->ini, r->section, slice_str(name), NULL, ret, NULL);

    if (rc == -ENOENT)
        *ret = SLICE("");
    return rc == -ENOENT ? 0 : rc;
}

static struct src_pos place(const struct reading *r, const char *name)
{
    const struct ini_option *o = ini_option(ini_section(&r->ini, r->section), slice_str(name));

    if (!o)
        o = ini_option(ini_section(&r->ini, SLICE("DEFAULT")), slice_str(name));
    return o         ? (struct src_pos){ o->file, o->line, 1 }
           : r->jail ? r->jail->at
                     : (struct src_pos){ NULL, 0, 0 };
}

static bool is_true(struct slice v)
{
    static const char *const words[] = { "true", "yes", "on", "1" };

    v = slice_trim(v);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (slice_eq_nocase(v, slice_str(words[i])))
            return true;
    return false;
}

static bool between(char c)
{
    return c == ' ' || c == ',' || c == '\n' || c == '\t';
}

/* Words between blanks and commas; with `one_a_line` the first word of each line. */
static int read_list(struct reading *r, const char *name, bool one_a_line, struct slice **ret,
                     size_t *ret_n)
{
    struct slice v, line;
    int rc = setting(r, name, &v);

    *ret = arena_array(r->a, LIST_MAX, sizeof **ret);
    *ret_n = 0;
    if (rc < 0 || !*ret)
        return rc < 0 ? rc : -ENOMEM;
    while (slice_split(&v, '\n', &line)) {
        line = slice_trim(line);
        while (line.n && *ret_n < LIST_MAX) {
            size_t n = 0;

            while (n < line.n && !between(line.p[n]))
                n++;
            if (n)
                (*ret)[(*ret_n)++] = slice_take(line, n);
            line = one_a_line ? SLICE_NONE : slice_skip(line, n + 1);
        }
    }
    return 0;
}

static int read_seconds(struct reading *r, const char *name, uint64_t fallback, uint64_t *ret)
{
    struct slice v;
    bool forever = false;
    int rc = setting(r, name, &v);

    *ret = fallback;
    if (rc < 0 || v.n == 0)
        return rc;
    if (fail2ban_seconds(v, ret, &forever) < 0) {
        diag_error(r->d, place(r, name), "%s '%.*s' is no time", name,
                   SLICE_FMT(slice_take(v, 40)));
        return -EINVAL;
    }
    if (forever)
        *ret = 0;
    return 0;
}

static int read_maxretry(struct reading *r)
{
    struct slice v;
    int rc = setting(r, "maxretry", &v);

    r->jail->maxretry = 3;
    if (rc < 0 || v.n == 0)
        return rc;
    if (parse_u64(slice_trim(v), 1, 1000000, &r->jail->maxretry) < 0) {
        diag_error(r->d, place(r, "maxretry"), "maxretry '%.*s' is no number",
                   SLICE_FMT(slice_take(v, 40)));
        return -EINVAL;
    }
    return 0;
}

/* What a jail may say beside; told to the person, not taken over. */
static void read_others(struct reading *r)
{
    static const char *const names[] = { "failregex",   "ignoreregex", "ignorecommand",
                                         "ignorecache", "prefregex",   "ignoreself" };
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        struct ini_option *o = ini_option(ini_section(&r->ini, r->section), slice_str(names[i]));

        if (o && o->value.n)
            r->jail->others[n++] = names[i];
    }
}

/* Only the jail's own: that of [DEFAULT] is for filters that say nothing. */
static int own_setting(struct reading *r, const char *name, struct slice *ret)
{
    *ret = SLICE("");
    return ini_option(ini_section(&r->ini, r->section), slice_str(name)) ? setting(r, name, ret)
                                                                         : 0;
}

static int read_texts(struct reading *r)
{
    struct fail2ban_jail *j = r->jail;
    const struct {
        const char *name;
        struct slice *into;
        bool own;
    } texts[] = {
        { "filter", &j->filter, false },       { "backend", &j->backend, false },
        { "logtimezone", &j->zone, false },    { "logencoding", &j->encoding, false },
        { "port", &j->port, false },           { "protocol", &j->protocol, false },
        { "banaction", &j->banaction, false }, { "journalmatch", &j->journalmatch, true },
        { "usedns", &j->usedns, true },        { "datepattern", &j->datepattern, true },
        { "maxlines", &j->maxlines, true },
    };
    int rc = 0;

    for (size_t i = 0; i < ARRAY_SIZE(texts) && rc == 0; i++) {
        rc = texts[i].own ? own_setting(r, texts[i].name, texts[i].into)
                          : setting(r, texts[i].name, texts[i].into);
        *texts[i].into = slice_trim(*texts[i].into);
    }
    if (j->filter.n == 0)
        j->filter = j->name;
    return rc;
}

/* ---- longer bans ---- */

static int read_multipliers(struct reading *r, struct fail2ban_increment *x)
{
    struct slice *words;
    size_t n;
    int rc = read_list(r, "bantime.multipliers", false, &words, &n);

    for (size_t i = 0; i < n && rc == 0 && x->n < FAIL2BAN_MULTIPLIERS_MAX; i++)
        if (parse_double(words[i], &x->multipliers[x->n]) == 0 && x->multipliers[x->n] > 0)
            x->n++;
    return rc;
}

static int read_increment(struct reading *r)
{
    struct fail2ban_increment *x = &r->jail->increment;
    struct slice on, factor, formula;
    int rc = setting(r, "bantime.increment", &on);

    x->on = rc == 0 && is_true(on);
    if (!x->on)
        return rc;
    rc = read_seconds(r, "bantime.maxtime", 0, &x->max_s);
    if (rc == 0)
        rc = setting(r, "bantime.factor", &factor);
    if (rc == 0)
        rc = setting(r, "bantime.formula", &formula);
    if (rc < 0)
        return rc;
    x->formula = slice_trim(formula).n > 0;
    if (parse_double(slice_trim(factor), &x->factor) < 0 || !(x->factor > 0))
        x->factor = 1;
    return read_multipliers(r, x);
}

static int read_jail(struct reading *r)
{
    struct fail2ban_jail *j = r->jail;
    int rc;

    j->name = r->section;
    j->at = place(r, "enabled");
    rc = read_texts(r);
    if (rc == 0)
        rc = read_list(r, "logpath", true, &j->logs, &j->nlogs);
    if (rc == 0)
        rc = read_list(r, "ignoreip", false, &j->ignore, &j->nignore);
    if (rc == 0)
        rc = read_maxretry(r);
    if (rc == 0)
        rc = read_seconds(r, "findtime", 600, &j->findtime_s);
    if (rc == 0)
        rc = read_seconds(r, "bantime", 600, &j->bantime_s);
    if (rc == 0)
        rc = read_increment(r);
    j->own_action = ini_option(ini_section(&r->ini, r->section), SLICE("action")) != NULL;
    read_others(r);
    return rc;
}

static bool is_jail(struct slice name)
{
    return !slice_is(name, "INCLUDES") && !slice_is(name, "DEFAULT") &&
           !slice_starts(name, SLICE("KNOWN/"));
}

static int read_all(struct reading *r, struct fail2ban_jails *ret)
{
    int faults = 0;

    ret->list = arena_array(r->a, r->ini.n + 1, sizeof *ret->list);
    if (!ret->list)
        return -ENOMEM;
    for (size_t i = 0; i < r->ini.n; i++) {
        struct slice enabled;
        int rc;

        if (!is_jail(r->ini.sections[i].name))
            continue;
        r->section = r->ini.sections[i].name;
        r->jail = NULL;
        rc = setting(r, "enabled", &enabled);
        if (rc == 0 && !is_true(enabled)) {
            ret->disabled++;
            continue;
        }
        r->jail = &ret->list[ret->n];
        if (rc == 0)
            rc = read_jail(r);
        if (rc == -ENOMEM)
            return rc;
        faults += rc < 0;
        ret->n += rc == 0;
    }
    return faults ? -EINVAL : 0;
}

int fail2ban_jails_load(const char *folder, struct arena *a, struct diag *d,
                        struct fail2ban_jails *ret)
{
    struct reading r = { .ini = { .arena = a, .d = d }, .a = a, .d = d };
    const char *base = arena_printf(a, "%s/jail", folder);
    int rc = base ? ini_load(base, &r.ini) : -ENOMEM;

    *ret = (struct fail2ban_jails){ 0 };
    return rc < 0 ? rc : read_all(&r, ret);
}
