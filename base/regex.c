#define PCRE2_CODE_UNIT_WIDTH 8
#include "base/regex.h"

#include <errno.h>
#include <pcre2.h>
#include <stdio.h>

#include "base/utf8.h"

#define PATTERN_MAX 8192
#define MATCH_LIMIT 100000
#define HEAP_LIMIT_KIB 1024
#define JIT_STACK_MAX (1024 * 1024)

struct regex {
    pcre2_code *code;
    bool utf;
    bool jit;
    bool begins; /* a match begins the text, with one of these bytes */
    uint8_t first[32];
    uint32_t ngroups;
    const char **names; /* 1..ngroups; NULL = unnamed */
    unsigned flags;
    size_t pattern_n;
    char pattern[]; /* for the literals: few are ever asked for */
};

struct regex_scratch {
    pcre2_match_data *data;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
};

/* ---- compiling ---- */

static uint32_t compile_options(unsigned flags)
{
    uint32_t o = PCRE2_NEVER_BACKSLASH_C | PCRE2_DOLLAR_ENDONLY | PCRE2_DUPNAMES;

    o |= flags & REGEX_NOCASE ? PCRE2_CASELESS : 0;
    o |= flags & REGEX_MULTILINE ? PCRE2_MULTILINE : 0;
    o |= flags & REGEX_DOTALL ? PCRE2_DOTALL : 0;
    o |= flags & REGEX_ANCHORED ? PCRE2_ANCHORED : 0;
    o |= flags & REGEX_UTF ? PCRE2_UTF : PCRE2_NEVER_UTF;
    return o;
}

static int read_names(struct regex *r)
{
    uint32_t n = 0, size = 0;
    PCRE2_SPTR entry;

    pcre2_pattern_info(r->code, PCRE2_INFO_CAPTURECOUNT, &r->ngroups);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMECOUNT, &n);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    pcre2_pattern_info(r->code, PCRE2_INFO_NAMETABLE, &entry);
    r->names = calloc((size_t)r->ngroups + 1, sizeof *r->names);
    if (!r->names)
        return -ENOMEM;
    /* Two bytes of number, then the name; it lives as long as the code. */
    for (; n; n--, entry += size)
        r->names[entry[0] << 8 | entry[1]] = (const char *)entry + 2;
    return 0;
}

static int compile_fault(int code, size_t offset, struct err *err)
{
    char text[160];

    if (pcre2_get_error_message(code, (PCRE2_UCHAR *)text, sizeof text) < 0)
        snprintf(text, sizeof text, "error %d", code);
    return err_set_at(err, -EINVAL, (struct src_pos){ NULL, 1, (unsigned)offset + 1 },
                      "regular expression: %s at byte %zu", text, offset + 1);
}

static void allow(struct regex *r, uint32_t unit)
{
    r->first[unit / 8] |= (uint8_t)(1u << unit % 8);
}

/*
 * Most anchored patterns fail at their first byte, and calling PCRE2 to learn that costs as much
 * as ten such answers. PCRE2 looks for first bytes only in patterns that are not anchored: so the
 * rest behind the ^ is asked for them.
 */
static void find_first(struct regex *r, struct slice pattern, uint32_t options)
{
    uint32_t all = 0, kind = 0, unit = 0;
    const uint8_t *map = NULL;
    pcre2_code *rest;
    size_t offset;
    int code;

    if (pattern.n < 2 || pattern.p[0] != '^' || strchr("*+?{", pattern.p[1]) ||
        options & (PCRE2_MULTILINE | PCRE2_EXTENDED | PCRE2_UTF) ||
        pcre2_pattern_info(r->code, PCRE2_INFO_ALLOPTIONS, &all) < 0 || !(all & PCRE2_ANCHORED))
        return;
    rest = pcre2_compile((PCRE2_SPTR)pattern.p + 1, pattern.n - 1, options, &code, &offset, NULL);
    if (rest && pcre2_pattern_info(rest, PCRE2_INFO_FIRSTCODETYPE, &kind) == 0 && kind == 0 &&
        pcre2_pattern_info(rest, PCRE2_INFO_FIRSTBITMAP, &map) == 0 && map) {
        memcpy(r->first, map, sizeof r->first);
        r->begins = true;
    } else if (rest && kind == 1 &&
               pcre2_pattern_info(rest, PCRE2_INFO_FIRSTCODEUNIT, &unit) == 0 && unit < 256) {
        allow(r, unit);
        allow(r, unit ^ 0x20); /* it may be a letter in either case: (?i:a) */
        r->begins = true;
    }
    pcre2_code_free(rest);
}

bool regex_may_begin(const struct regex *r, unsigned char c)
{
    return !r->begins || r->first[c / 8] >> c % 8 & 1;
}

static bool may_begin(const struct regex *r, struct slice text)
{
    return text.n && regex_may_begin(r, (unsigned char)text.p[0]);
}

int regex_compile(struct slice pattern, unsigned flags, struct regex **ret_regex, struct err *err)
{
    AUTO(regex) r = NULL;
    size_t offset;
    int code;

    if (pattern.n > PATTERN_MAX)
        return err_set(err, -E2BIG, "regular expression: longer than %d bytes", PATTERN_MAX);
    r = calloc(1, sizeof *r + pattern.n);
    if (!r)
        return err_nomem(err);
    r->code = pcre2_compile((PCRE2_SPTR)pattern.p, pattern.n, compile_options(flags), &code,
                            &offset, NULL);
    if (!r->code)
        return compile_fault(code, offset, err);
    /* Without JIT it is only slower. */
    r->jit = pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0;
    if (read_names(r) < 0)
        return err_nomem(err);
    r->utf = flags & REGEX_UTF;
    find_first(r, pattern, compile_options(flags));
    r->flags = flags;
    r->pattern_n = pattern.n;
    if (pattern.n)
        memcpy(r->pattern, pattern.p, pattern.n);
    *ret_regex = TAKE(r);
    return 0;
}

void regex_free(struct regex *r)
{
    if (!r)
        return;
    pcre2_code_free(r->code);
    free(r->names);
    free(r);
}

size_t regex_groups(const struct regex *r)
{
    return r->ngroups;
}

const char *regex_group_name(const struct regex *r, size_t group)
{
    return group <= r->ngroups ? r->names[group] : NULL;
}

struct slice regex_pattern(const struct regex *r, unsigned *ret_flags)
{
    *ret_flags = r->flags;
    return slice_of(r->pattern, r->pattern_n);
}

/* ---- matching ---- */

struct regex_scratch *regex_scratch_new(void)
{
    AUTO(regex_scratch) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->data = pcre2_match_data_create(64, NULL);
    s->context = pcre2_match_context_create(NULL);
    s->stack = pcre2_jit_stack_create(32 * 1024, JIT_STACK_MAX, NULL);
    if (!s->data || !s->context)
        return NULL;
    pcre2_set_match_limit(s->context, MATCH_LIMIT);
    pcre2_set_heap_limit(s->context, HEAP_LIMIT_KIB);
    if (s->stack)
        pcre2_jit_stack_assign(s->context, NULL, s->stack);
    return TAKE(s);
}

void regex_scratch_free(struct regex_scratch *s)
{
    if (!s)
        return;
    pcre2_match_data_free(s->data);
    pcre2_match_context_free(s->context);
    pcre2_jit_stack_free(s->stack);
    free(s);
}

int regex_match(const struct regex *r, struct regex_scratch *s, struct slice text,
                struct slice *ret_groups, size_t ngroups)
{
    return regex_match_from(r, s, text, 0, ret_groups, ngroups);
}

/* The short way checks nothing: in UTF mode the text must be known to be right. */
static bool goes_straight(const struct regex *r, struct slice t, size_t from)
{
    if (!r->jit || !r->utf)
        return r->jit;
    return utf8_valid(t) && (from >= t.n || ((unsigned char)t.p[from] & 0xc0) != 0x80);
}

int regex_match_from(const struct regex *r, struct regex_scratch *s, struct slice text, size_t from,
                     struct slice *ret_groups, size_t ngroups)
{
    /* Cut inside a character, UTF mode would fail. */
    struct slice t = r->utf ? utf8_cut(text, REGEX_TEXT_MAX) : slice_take(text, REGEX_TEXT_MAX);
    PCRE2_SPTR p = (PCRE2_SPTR)(t.p ? t.p : "");
    int n = from > t.n || (r->begins && !may_begin(r, t)) ? PCRE2_ERROR_NOMATCH
            : goes_straight(r, t, from)
                ? pcre2_jit_match(r->code, p, t.n, from, 0, s->data, s->context)
                : pcre2_match(r->code, p, t.n, from, 0, s->data, s->context);
    const PCRE2_SIZE *at;

    if (n == PCRE2_ERROR_NOMATCH)
        return 0;
    if (n < 0)
        return -E2BIG;
    at = pcre2_get_ovector_pointer(s->data);
    if (n == 0)
        n = 64; /* more groups than room: the first ones are set */
    for (size_t i = 0; i < ngroups; i++) {
        bool set = i < (size_t)n && at[2 * i] != PCRE2_UNSET && at[2 * i + 1] >= at[2 * i];

        ret_groups[i] = set ? slice_of(t.p + at[2 * i], at[2 * i + 1] - at[2 * i]) : SLICE_NONE;
    }
    return 1;
}
