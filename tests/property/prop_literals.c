/*
 * Literals are sound: whenever an expression matches, one of its literals is in the text; whenever
 * a rule matches a record, one of its lane's literals is in the raw bytes.
 *
 * Texts and records are random: made of what the expressions and rules ask for, of the samples in
 * formats and rules, of the corpus where it is there, and then spoiled as a hostile sender would.
 * TW_LITERALS_SEED, TW_LITERALS_PAIRS and TW_LITERALS_LINES make it another run or a longer one.
 */
#include "logwatch/lane.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/utf8.h"
#include "parsers/format.h"
#include "rules/inspect.h"
#include "tests/property/dice.h"

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

/* Both searches, that of samples and that of records, say the same. */
static bool holds_one(const struct slice *list, size_t n, struct slice raw)
{
    AUTO_BUF lower = BUF_INIT;
    bool found = false;

    buf_slice(&lower, raw);
    for (size_t i = 0; i < lower.n; i++)
        if (lower.p[i] >= 'A' && lower.p[i] <= 'Z')
            lower.p[i] = (char)(lower.p[i] + 32);
    for (size_t i = 0; i < n; i++)
        found = found || literal_find(list[i], buf_view(&lower), 0) != SIZE_MAX;
    assert_int_equal(literals_stand(list, n, raw), found);
    return found;
}

/* ---- expressions ---- */

static const char *const words[] = { "login", "fail",  "kiss", "ab",   "user", "x",    "POST",
                                     "skip",  "token", "é",    "wxyz", "abcd", "efgh", " 401" };

/* Pieces that stand alone, with a text that they match. */
static const struct {
    const char *pattern, *text;
} pieces[] = {
    { "\\d+", "42" },
    { "[abc]", "b" },
    { "[^x]", "y" },
    { ".", "q" },
    { ".*", " any " },
    { "\\s", " " },
    { "\\w{2,3}", "zz" },
    { "[Ll]ogin", "Login" },
    { "\\.", "." },
    { "\\Qa.b\\E", "a.b" },
    { "(?#c)", "" },
    { "\\x41", "A" },
    { "\\x{6c}ogin", "login" },
    { "[[:alpha:]]", "k" },
    { "\\b", "" },
    { "(?=l)", "" },
    { "(?!zz)", "" },
    { "(?<=o)", "" },
    { "\\/", "/" },
    { "[]x]", "]" },
    { "[\\]x]", "x" },
    { "(?i)", "" },
    { "(?s)", "" },
    { "(?-i)", "" },
    { "\\p{L}", "p" },
    { "\\R", "\n" },
    { "{x", "{x" },
    { "ab{2}", "abb" },
    { "\\QQ\\E+", "QQ" },
    { "a(?#c)?b", "b" },
    { "[a-d-]", "-" },
    { "\\h", "\t" },
    { "(?^)", "" },
    { "(?U)", "" },
    { "[\\d.]+", "1.1" },
    { "\\N", "n" },
};

struct made {
    struct dice *d;
    struct buf pattern, text;
    unsigned depth, groups;
};

static void make_sequence(struct made *m, bool quiet);

static void put(struct made *m, const char *pattern, const char *text, bool quiet)
{
    buf_str(&m->pattern, pattern);
    if (!quiet)
        buf_str(&m->text, text);
}

static void make_group(struct made *m, bool quiet)
{
    static const char *const opens[] = { "(?:",     "(",   "(?>",     "(?i:",
                                         "(?<n%u>", "(?|", "(?'m%u'", "(?s-i:" };
    unsigned branches = 1 + roll(m->d, 3), taken = roll(m->d, branches);
    const char *open = PICK(m->d, opens);

    m->depth++;
    if (slice_is(slice_str(open), "(?<n%u>"))
        buf_printf(&m->pattern, "(?<n%u>", m->groups);
    else if (slice_is(slice_str(open), "(?'m%u'"))
        buf_printf(&m->pattern, "(?'m%u'", m->groups);
    else
        buf_str(&m->pattern, open);
    m->groups++;
    for (unsigned i = 0; i < branches; i++) {
        if (i)
            buf_char(&m->pattern, '|');
        make_sequence(m, quiet || i != taken);
    }
    buf_char(&m->pattern, ')');
    m->depth--;
}

/* An atom, now and then repeated; the text has it as often as the quantifier likes. */
static void make_atom(struct made *m, bool quiet)
{
    static const char *const quantifiers[] = { "?",    "*",  "+",  "{0,2}", "{2}",
                                               "{1,}", "??", "*+", "+?" };
    static const unsigned least[] = { 0, 0, 1, 0, 2, 1, 0, 0, 1 };
    unsigned kind = roll(m->d, 10), q = roll(m->d, ARRAY_SIZE(quantifiers));
    bool repeated = roll(m->d, 5) == 0;
    size_t from = m->text.n, n;

    if (kind < 5) {
        const char *word = PICK(m->d, words);

        put(m, word, word, quiet);
        return;
    }
    if (kind < 8) {
        unsigned i = roll(m->d, ARRAY_SIZE(pieces));

        put(m, pieces[i].pattern, pieces[i].text, quiet);
        return;
    }
    if (m->depth > 3)
        return;
    make_group(m, quiet);
    if (!repeated)
        return;
    buf_str(&m->pattern, quantifiers[q]);
    n = m->text.n - from;
    if (least[q] == 0 && roll(m->d, 2)) {
        m->text.n = from;
    } else if (least[q] == 2 && n) {
        AUTO_BUF again = BUF_INIT;

        buf_add(&again, m->text.p + from, n);
        buf_slice(&m->text, buf_view(&again));
    }
}

static void make_sequence(struct made *m, bool quiet)
{
    for (unsigned n = 1 + roll(m->d, 4); n; n--)
        make_atom(m, quiet);
}

/* The Kelvin sign and the long s fold to ASCII letters. */
static void unfold(struct dice *d, struct buf *b)
{
    AUTO_BUF out = BUF_INIT;

    for (size_t i = 0; i < b->n; i++) {
        bool change = strchr("kKsS", b->p[i]) && b->p[i] && roll(d, 2);

        if (change)
            buf_str(&out, (b->p[i] | 32) == 'k' ? "\xe2\x84\xaa" : "\xc5\xbf");
        else
            buf_char(&out, b->p[i]);
    }
    buf_reset(b);
    buf_slice(b, buf_view(&out));
}

/* Near the text that was meant to match: letters in the other case, something cut, something put.
 */
static void spoil_text(struct dice *d, struct buf *b)
{
    if (roll(d, 4) == 0)
        unfold(d, b);
    for (unsigned n = roll(d, 3); n && b->n; n--) {
        size_t at = roll(d, (unsigned)b->n);

        if (roll(d, 3))
            b->p[at] ^= (b->p[at] >= 'a' && b->p[at] <= 'z') || (b->p[at] >= 'A' && b->p[at] <= 'Z')
                            ? 32
                            : 0;
        else
            b->p[at] = "kK1 x./"[roll(d, 7)];
    }
}

static bool literals_are_in(const struct regex *r, const struct regex_ask *ask, struct slice text,
                            const struct made *m)
{
    AUTO(arena) a = arena_new(4096, 0);
    struct literal_maker maker = { .arena = a };
    struct literals l = regex_literals(r, ask, &maker);

    assert_false(maker.failed);
    if (l.none ||
        (holds_one(l.list, l.n, text) && (!l.also || holds_one(l.also->list, l.also->n, text))))
        return true;
    print_message("'%.*s' matches '%.*s', which holds none of:\n", SLICE_FMT(text),
                  SLICE_FMT(buf_view(&m->pattern)));
    for (size_t i = 0; i < l.n; i++)
        print_message("    '%.*s'\n", SLICE_FMT(l.list[i]));
    return false;
}

static bool is_ascii(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] >= 0x80)
            return false;
    return true;
}

static bool marks_are_in(const struct regex *r, struct slice text, const struct made *m)
{
    AUTO(arena) a = arena_new(4096, 0);
    struct marks needs = regex_marks(r, a);

    if (marks_fit(needs.any, needs.n, marks_of(text)))
        return true;
    print_message("'%.*s' matches '%.*s', which lacks a byte that it needs\n", SLICE_FMT(text),
                  SLICE_FMT(buf_view(&m->pattern)));
    return false;
}

#define GROUPS 8

/* The same when it is known that a group took part, and what it held. */
static unsigned check_match(const struct regex *r, const struct slice *groups, struct slice text,
                            const struct made *m)
{
    unsigned wrong = !literals_are_in(r, NULL, text, m) + !marks_are_in(r, text, m);

    for (size_t i = 1; i < GROUPS && i <= regex_groups(r); i++) {
        struct regex_ask ask = { .group = i };

        if (!groups[i].p)
            continue;
        wrong += !literals_are_in(r, &ask, text, m);
        ask.whole = is_ascii(groups[i]) ? groups[i] : SLICE_NONE;
        wrong += !literals_are_in(r, &ask, text, m);
    }
    return wrong;
}

static void what_an_expression_matches_holds_one_of_its_literals(void **state)
{
    struct dice d = { setting("TW_LITERALS_SEED", 1) };
    uint64_t pairs = setting("TW_LITERALS_PAIRS", 100000), wrong = 0, matched = 0, sharp = 0,
             marked = 0;
    AUTO(regex_scratch) s = regex_scratch_new();

    (void)state;
    for (uint64_t ran = 0; ran < pairs && wrong < 5;) {
        struct made m = { .d = &d };
        AUTO(regex) r = NULL;
        unsigned flags = (roll(&d, 2) ? REGEX_UTF : 0) | (roll(&d, 2) ? REGEX_NOCASE : 0);

        make_sequence(&m, false);
        if (buf_ok(&m.pattern) && regex_compile(buf_view(&m.pattern), flags, &r, NULL) == 0) {
            AUTO(arena) a = arena_new(4096, 0);
            struct literal_maker maker = { .arena = a };

            sharp += !regex_literals(r, NULL, &maker).none;
            marked += regex_marks(r, a).n > 0;
            for (unsigned i = 0; i < 8; i++, ran++) {
                struct slice groups[GROUPS];
                AUTO_BUF text = BUF_INIT;

                buf_str(&text, roll(&d, 2) ? "kx " : "");
                buf_slice(&text, buf_view(&m.text));
                if (i)
                    spoil_text(&d, &text);
                if (!utf8_valid(buf_view(&text)) ||
                    regex_match(r, s, buf_view(&text), groups, GROUPS) != 1)
                    continue;
                matched++;
                wrong += check_match(r, groups, buf_view(&text), &m);
            }
        }
        buf_fini(&m.pattern);
        buf_fini(&m.text);
    }
    print_message("%llu matches, %llu expressions with literals\n", (unsigned long long)matched,
                  (unsigned long long)sharp);
    assert_int_equal(wrong, 0);
    assert_true(matched > pairs / 4 && sharp > pairs / 8 / 4 && marked > pairs / 8 / 4);
}

/* ---- rules that the library has not, for what only they would find ---- */

static const struct {
    const char *product, *selection;
} own_rules[] = {
    { "api", "{source.ip: 203.0.113.66}" },
    { "xray", "{source.ip: 203.0.113.66}" },
    { "api", "{message|contains: 'attempt failed now'}" },
    { "api", "{message|contains: 'abc\\?def'}" },
    { "xui", "{message|contains: '\\*\\*\\*ING'}" },
    { "api", "{log.level: error}" },
    { "laravel", "{log.level|re: '^(err|crit)'}" },
    { "openvpn", "{log.level: critical}" },
    { "nginx", "{http.response.status_code: 499}" },
    { "nginx", "{http.response.status_code|re: '^4.9$'}" },
    { "hysteria", "{event.category: authentication}" },
    { "laravel", "{user.name|endswith: '@example.com'}" },
    { "xui", "{user.name|contains: 'root'}" },
    { "api", "{url.original|contains: '/admin'}" },
    { "sshd", "{event.outcome: failure}" },
    { "sshd", "{user.name: root}" },
    { "xray", "{source.port: 40001}" },
    { "openvpn", "{source.ip: 203.0.113.5}" },
    { "laravel", "{context.a/b: 'x'}" },
    { "api", "{trailwarden.duplicate: 'true'}" },
    { "xray", "{trailwarden.duplicate: 'true'}" },
    { "sudo", "{user.effective.name: root}" },
    { "openvpn", "{message|re: 'user (?:alice|bob)'}" },
    { "api", "{message|startswith: 'login'}" },
    { "systemd", "{service.name: x-ui.service}" },
    { "nginx", "{url.original|contains: '../'}" },
    { "api", "{url.original|contains: ['../', '$(', '||', '<script']}" },
    { "laravel", "{message|contains: ['../', '$(', '||', '<b>&x']}" },
    { "nginx", "{http.response.body.bytes|re: '^\\d{7}'}" },
    { "api", "{message|re: '[0-9]{9}'}" },
    { "xui", "{message|re: 'a\\d{8,}|\\|\\|'}" },
    { "laravel", "{'|re': '\\d{12}'}" },
    { "xray", "['../']" },
    { "xui", "{user.name|contains: 'x<yz'}" },
    { "xui", "['x<yz&']" },
};

/* Asked of all fields: of what is copied, made uniform or put there by formats, or of all of it. */
static const char *const products[] = { "api",  "xray", "xui",     "laravel",  "openvpn", "nginx",
                                        "sshd", "sudo", "systemd", "hysteria", "fail2ban" };
static const char *const keywords[] = {
    "error",        "warning",        "critical",    "crit",         "info",       "ebug",
    "login_failed", "login",          "authentic",   "failure",      "success",    "access",
    "probe",        "true",           "rue",         "203.0.113.66", "203.0.113.", ".113.66",
    "113.66",       "2001:db8::66",   "2001:db8",    "db8::66",      "cb00:7142",  "ff9b::cb00",
    "7142",         "cb00",           "::cb00:7142", "a:2001:db8:",  "4000",       "40001",
    "forgeable",    "line",           "network",     "attempt fail", "/admin/x",   "role_changed",
    "x-ui",         "abc\\?def",      "POST",        "limiting",     "nginx",      "trailwarden",
    "sing_user",    "wrong username", "ed p*ssword",
};
static const char *const keyword_expressions[] = { "^(?:crit|fatal)",      "login_(?:ok|failed)$",
                                                   "203\\.0\\.113\\.\\d+", "^err",
                                                   "^2001:db8:",           "(?i)WARNING" };

static unsigned write_rule(FILE *f, const char *title, const char *product, const char *selection)
{
    static unsigned n = 0;

    fprintf(f,
            "title: %s %u\nid: 00000000-0000-4000-8000-%012u\n"
            "logsource: {product: %s}\ndetection:\n    s: %s\n    condition: s\n---\n",
            title, n, n, product, selection);
    return ++n;
}

static void write_keywords(FILE *f, const char *product)
{
    char selection[200];

    for (size_t k = 0; k < ARRAY_SIZE(keywords); k++) {
        snprintf(selection, sizeof selection, "['%s']", keywords[k]);
        write_rule(f, "keyword", product, selection);
    }
    for (size_t k = 0; k < ARRAY_SIZE(keyword_expressions); k++) {
        snprintf(selection, sizeof selection, "{'|re': '%s'}", keyword_expressions[k]);
        write_rule(f, "keyword", product, selection);
    }
}

static void write_rules(const char *path)
{
    FILE *f = fopen(path, "we");

    assert_non_null(f);
    for (size_t i = 0; i < ARRAY_SIZE(own_rules); i++)
        write_rule(f, "own", own_rules[i].product, own_rules[i].selection);
    for (size_t i = 0; i < ARRAY_SIZE(products); i++)
        write_keywords(f, products[i]);
    fclose(f);
}

static bool is_keyword(const struct engine *e, size_t rule)
{
    return slice_starts(rules_info(e->rules, rule)->title, SLICE("keyword "));
}

/* ---- lines ---- */

struct line {
    size_t format;
    struct slice text;
};

struct world {
    struct engine *engine;
    struct parser_scratch *parser;
    struct rules_scratch *rules;
    struct arena *arena, *each;
    struct line *lines;
    size_t nlines, cap;
    struct slice *terms; /* field names and values that the rules ask for */
    size_t nterms, terms_cap;
    struct lane **lanes; /* by format, by rule */
    uint64_t *matched; /* by rule */
    struct dice dice;
};

/* Lines that the format does not know are of little use: some are enough. */
static bool is_known(struct world *w, size_t format, struct slice text)
{
    const struct format *f = formats_at(w->engine->formats, format);
    struct parser_source source = { .format = f, .channel = format_channel(f) };
    struct record record = { .text = text, .priority = -1 };
    struct event ev;

    arena_reset(w->each);
    assert_int_equal(parser_run(&source, w->parser, &record, 0, w->each, &ev, NULL), 0);
    return !(ev.flags & EVENT_UNPARSED) && event_get(&ev, FIELD_EVENT_ACTION);
}

static void add_line(struct world *w, size_t format, struct slice text)
{
    if (!is_known(w, format, text) && roll(&w->dice, 8))
        return;
    if (w->nlines == w->cap) {
        w->cap = w->cap ? w->cap * 2 : 1024;
        w->lines = realloc(w->lines, w->cap * sizeof *w->lines);
        assert_non_null(w->lines);
    }
    w->lines[w->nlines++] = (struct line){ format, arena_slice(w->arena, text) };
}

static void add_term(struct world *w, struct slice text)
{
    if (text.n == 0 || text.n > 200)
        return;
    if (w->nterms == w->terms_cap) {
        w->terms_cap = w->terms_cap ? w->terms_cap * 2 : 1024;
        w->terms = realloc(w->terms, w->terms_cap * sizeof *w->terms);
        assert_non_null(w->terms);
    }
    w->terms[w->nterms++] = text;
}

static void take_terms(struct world *w, const struct yaml *y)
{
    add_term(w, y->kind == YAML_SCALAR ? y->text : SLICE(""));
    YAML_EACH (m, y) {
        add_term(w, slice_take(m->key, slice_find_byte(m->key, '|')));
        take_terms(w, m);
    }
}

/* Every line in a rule's tests is read by every format that the rule could be of, and some more. */
static void take_lines(struct world *w, const struct yaml *y)
{
    YAML_EACH (m, y) {
        if (slice_is(m->key, "lines"))
            YAML_EACH (line, m)
                for (size_t f = 0; f < formats_count(w->engine->formats); f++)
                    add_line(w, f, line->text);
        else
            take_lines(w, m);
    }
}

static void take_corpus(struct world *w, const char *source)
{
    for (size_t f = 0; f < formats_count(w->engine->formats); f++) {
        char folder[512], path[1024];
        struct slice name = format_name(formats_at(w->engine->formats, f));
        struct dirent *e;
        DIR *dir;

        snprintf(folder, sizeof folder, "%s/../shared/corpus/%.*s", source, SLICE_FMT(name));
        dir = opendir(folder);
        while (dir && (e = readdir(dir))) {
            AUTO_BUF text = BUF_INIT;
            struct slice rest, line;

            snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
            if (e->d_name[0] == '.' || file_read(-1, path, 4 << 20, &text, NULL) < 0)
                continue;
            rest = buf_view(&text);
            while (slice_split(&rest, '\n', &line))
                if (line.n)
                    add_line(w, f, line);
        }
        if (dir)
            closedir(dir);
    }
}

static void find_lanes(struct world *w)
{
    size_t nrules = rules_count(w->engine->rules), nformats = formats_count(w->engine->formats);
    const struct format_beside nothing = { .places = false };

    w->lanes = calloc(nformats, sizeof *w->lanes);
    w->matched = calloc(nrules, sizeof *w->matched);
    for (size_t f = 0; f < nformats; f++) {
        w->lanes[f] = calloc(nrules, sizeof **w->lanes);
        for (size_t i = 0; i < nrules; i++)
            assert_int_equal(lane_of(w->engine, formats_at(w->engine->formats, f), &nothing, i,
                                     w->arena, &w->lanes[f][i]),
                             0);
    }
}

static int setup(void **state)
{
    static struct world w;
    const char *tmp = getenv("TMPDIR"), *source = getenv("TW_SOURCE");
    char path[512];
    const char *const paths[] = { path };
    struct engine_request q = { .rule_paths = paths, .nrule_paths = 1, .tests = true };
    struct diag *d = diag_new();
    int r;

    snprintf(path, sizeof path, "%s/prop-literals-%d.yml", tmp ? tmp : "/tmp", (int)getpid());
    write_rules(path);
    r = engine_load(&q, d, &w.engine);
    unlink(path);

    diag_print(d, stdout, false);
    assert_int_equal(r, 0);
    w.arena = arena_new(1 << 16, 0);
    w.each = arena_new(1 << 16, 0);
    w.parser = parser_scratch_new(w.engine->formats);
    w.rules = rules_scratch_new(w.engine->rules);
    for (size_t i = 0; i < formats_count(w.engine->formats); i++) {
        const struct format *format = formats_at(w.engine->formats, i);

        for (size_t k = 0; k < format->nsamples; k++)
            add_line(&w, i, format->samples[k].line);
    }
    for (size_t i = 0; i < rules_count(w.engine->rules); i++) {
        const struct yaml *doc = rules_document(w.engine->rules, i);

        take_lines(&w, yaml_get(doc, "trailwarden"));
        if (yaml_get(doc, "detection"))
            take_terms(&w, yaml_get(doc, "detection"));
    }
    for (size_t i = 0; action_names[i]; i++)
        add_term(&w, slice_str(action_names[i]));
    for (size_t i = 0; i < formats_count(w.engine->formats);
         i++) /* the mask hits the level's word */
        add_line(&w, i,
                 SLICE("2025/06/01 10:00:00 WARNING - wrong username: \"a\", password: \"WARN\", "
                       "IP: \"203.0.113.81\""));
    take_corpus(&w, source ? source : ".");
    find_lanes(&w);
    *state = &w;
    diag_free(d);
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;

    for (size_t f = 0; f < formats_count(w->engine->formats); f++)
        free(w->lanes[f]);
    free(w->lanes);
    free(w->matched);
    free(w->lines);
    free(w->terms);
    rules_scratch_free(w->rules);
    parser_scratch_free(w->parser);
    arena_free(w->each);
    arena_free(w->arena);
    engine_free(w->engine);
    return 0;
}

/* ---- hostile variants ---- */

static const char *const odd[] = { "\\/",
                                   "\\\"",
                                   "\\\\",
                                   "\t",
                                   "\r",
                                   "\n",
                                   "\x01",
                                   "\xff",
                                   "\xc3",
                                   "\\n",
                                   "\\u0041",
                                   "\\u017f",
                                   "\\ud800",
                                   "\"",
                                   "'",
                                   "{",
                                   "}",
                                   ",",
                                   ":",
                                   " ",
                                   "=",
                                   "***",
                                   "é",
                                   "\\x41",
                                   "&#34;",
                                   "\\g",
                                   "\0x",
                                   "\\u212A",
                                   "../",
                                   "..\\/",
                                   "$(",
                                   "||",
                                   "1234567",
                                   "123456789",
                                   "7777777777777",
                                   "<script",
                                   "\\u003cscript",
                                   "<b>&x",
                                   "&lt;b>&amp;x",
                                   "x<yz&",
                                   "x&lt;yz&amp;",
                                   "x\\x3cyz&",
                                   "x\\u003cyz" };
static const char *const heads[] = { "<131>",
                                     "<11>1 2026-11-21T01:44:28Z vpn1 app 12 - - ",
                                     "Nov 21 01:44:28 vpn1 app[12]: ",
                                     "<131>Nov 21 01:44:28 vpn1 app[12]: ",
                                     "2026-11-21T01:44:28.123456+00:00 vpn1 critical: ",
                                     " " };

static void change_case(struct dice *d, struct buf *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (((b->p[i] | 32) >= 'a' && (b->p[i] | 32) <= 'z') && roll(d, 3) == 0)
            b->p[i] ^= 32;
}

static void insert(struct buf *b, size_t at, struct slice what)
{
    AUTO_BUF tail = BUF_INIT;

    buf_add(&tail, b->p + at, b->n - at);
    b->n = at;
    buf_slice(b, what);
    buf_slice(b, buf_view(&tail));
}

/* A member in front of an object: a field's name and a value that a rule asks for. */
static void add_member(struct world *w, struct buf *b)
{
    static const char *const names[] = {
        "event.action", "log.level",     "level",          "message", "msg",
        "status",       "event.outcome", "event.category", "ip",      "source.ip"
    };
    struct dice *d = &w->dice;
    size_t at = slice_find_byte(buf_view(b), '{');
    AUTO_BUF member = BUF_INIT;
    struct slice name =
        roll(d, 2) ? slice_str(PICK(d, names)) : w->terms[roll(d, (unsigned)w->nterms)];
    struct slice value = w->terms[roll(d, (unsigned)w->nterms)];

    if (at == SIZE_MAX)
        return;
    buf_char(&member, '"');
    buf_json(&member, name);
    buf_str(&member, roll(d, 4) ? "\":" : "\" : ");
    if (roll(d, 6) == 0 && slice_find_byte(value, '"') == SIZE_MAX) {
        buf_slice(&member, value);
    } else {
        buf_char(&member, '"');
        buf_json(&member, value);
        buf_char(&member, '"');
    }
    buf_char(&member, ',');
    insert(b, at + 1, buf_view(&member));
}

/* A value of logfmt, or of text: a word is another one. */
static void replace_word(struct world *w, struct buf *b)
{
    struct dice *d = &w->dice;
    size_t from, to;
    struct slice term = w->terms[roll(d, (unsigned)w->nterms)];

    if (b->n == 0)
        return;
    from = to = roll(d, (unsigned)b->n);
    while (from > 0 && !strchr(" \"'=,[]():", b->p[from - 1]))
        from--;
    while (to < b->n && !strchr(" \"'=,[]():", b->p[to]))
        to++;
    memmove(b->p + from, b->p + to, b->n - to);
    b->n -= to - from;
    insert(b, from, term);
}

static void swap_members(struct dice *d, struct buf *b)
{
    size_t first = slice_find_byte(buf_view(b), ','), second;
    AUTO_BUF out = BUF_INIT;

    if (first == SIZE_MAX || b->p[0] != '{')
        return;
    second = slice_find_byte(slice_skip(buf_view(b), first + 1), ',');
    if (second == SIZE_MAX || roll(d, 2))
        return;
    buf_char(&out, '{');
    buf_add(&out, b->p + first + 1, second);
    buf_char(&out, ',');
    buf_add(&out, b->p + 1, first - 1);
    buf_slice(&out, slice_skip(buf_view(b), first + 1 + second));
    buf_reset(b);
    buf_slice(b, buf_view(&out));
}

static void escape_slashes(struct buf *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == '/')
            insert(b, i++, SLICE("\\"));
}

/* An IPv4 address as the end of ::ffff:0:0/96. */
static void map_address(struct dice *d, struct buf *b)
{
    static const char *const spelled[] = { "::ffff:cb00:7142",
                                           "::FFFF:203.0.113.66",
                                           "0:0:0:0:0:ffff:cb00:7142",
                                           "203.0.113.66",
                                           "2001:db8::66",
                                           "2001:0DB8:0:0:0:0:0:66",
                                           "2001:db8::203.0.113.66",
                                           "::203.0.113.66",
                                           "::cb00:7142",
                                           "::CB00:7142",
                                           "64:ff9b::203.0.113.66",
                                           "64:ff9b::cb00:7142",
                                           "0::0:cb00:7142:1:2:3",
                                           "[2001:DB8::203.0.113.66]:40001",
                                           "203.0.113.66:40001",
                                           "fe80:cb00:7142:0a:2001:db8::" };
    size_t at = slice_find(buf_view(b), SLICE("203.0.113."));
    size_t end = at + 10;

    if (at == SIZE_MAX)
        return;
    while (end < b->n && b->p[end] >= '0' && b->p[end] <= '9')
        end++;
    memmove(b->p + at, b->p + end, b->n - end);
    b->n -= end - at;
    insert(b, at, slice_str(PICK(d, spelled)));
}

/* Blanks become tabs or worse; with a line break somewhere, JSON is repaired. */
static void break_lines(struct dice *d, struct buf *b)
{
    for (size_t i = 0; i < b->n; i++)
        if (b->p[i] == ' ' && roll(d, 4) == 0)
            b->p[i] = "\t\t\x01\r"[roll(d, 4)];
    for (size_t i = b->n; i-- > 1;)
        if (b->p[i] == '"' && b->p[i - 1] != '{' && roll(d, 3) == 0) {
            insert(b, i, SLICE("\n"));
            return;
        }
}

/* Half a surrogate pair is read as a question mark. */
static void break_pairs(struct buf *b)
{
    size_t at = slice_find_byte(buf_view(b), '?');

    if (at == SIZE_MAX)
        return;
    b->p[at] = '0';
    insert(b, at, SLICE("\\ud80"));
}

/* Another line of pairs, or of members: values that rules ask for, spoiled inside. */
static void make_pairs(struct world *w, struct buf *b, bool json)
{
    static const char *const names[] = { "msg",    "message",   "level",       "user",
                                         "ip",     "path",      "status",      "event",
                                         "reason", "log.level", "event.action" };
    static const char *const values[] = {
        "attempt failed now", "login_failed", "err",      "error",       "crit", "abc?def",
        "203.0.113.66",       "401",          "/admin/x", "role_changed"
    };
    struct dice *d = &w->dice;

    buf_reset(b);
    buf_str(b, json ? "{" : "");
    for (unsigned n = 2 + roll(d, 4), i = 0; i < n; i++) {
        AUTO_BUF value = BUF_INIT;

        buf_str(b, i == 0 ? "" : json ? ", " : " ");
        buf_printf(b, json ? "\"%s\": \"" : "%s=\"", PICK(d, names));
        buf_slice(&value,
                  roll(d, 2) ? slice_str(PICK(d, values)) : w->terms[roll(d, (unsigned)w->nterms)]);
        if (roll(d, 3) == 0 && value.n)
            insert(&value, roll(d, (unsigned)value.n),
                   roll(d, 2) ? SLICE("\\") : slice_str(PICK(d, odd)));
        if (json && roll(d, 3) == 0)
            break_pairs(&value);
        buf_slice(b, buf_view(&value));
        buf_char(b, '"');
    }
    buf_str(b, json ? "}" : "");
}

static void spoil(struct world *w, struct buf *b)
{
    struct dice *d = &w->dice;

    switch (roll(d, 14)) {
    case 10:
        map_address(d, b);
        break;
    case 11:
        break_lines(d, b);
        break;
    case 12:
        make_pairs(w, b, roll(d, 2));
        break;
    case 0:
        change_case(d, b);
        break;
    case 1:
    case 2:
        insert(b, b->n ? roll(d, (unsigned)b->n) : 0, slice_str(PICK(d, odd)));
        break;
    case 3:
        insert(b, 0, slice_str(PICK(d, heads)));
        break;
    case 4:
    case 5:
        add_member(w, b);
        break;
    case 6:
        swap_members(d, b);
        break;
    case 7:
        escape_slashes(b);
        break;
    default:
        replace_word(w, b);
    }
}

/* ---- the promise ---- */

static bool kept_promise(struct world *w, size_t format, size_t rule, struct slice raw)
{
    const struct lane *lane = &w->lanes[format][rule];

    if (lane->kind == LANE_FIELD ||
        (lane->kind == LANE_SCAN && holds_one(lane->literals, lane->nliterals, raw) &&
         (!lane->nalso || holds_one(lane->also, lane->nalso, raw))))
        return true;
    print_message("rule '%.*s' (lane %s) matched without a literal a record of %.*s:\n%.*s\n",
                  SLICE_FMT(rules_info(w->engine->rules, rule)->title), lane_names[lane->kind],
                  SLICE_FMT(format_name(formats_at(w->engine->formats, format))), SLICE_FMT(raw));
    for (size_t i = 0; i < lane->nliterals; i++)
        print_message("    '%.*s'\n", SLICE_FMT(lane->literals[i]));
    for (size_t i = 0; i < lane->nalso; i++)
        print_message("    and '%.*s'\n", SLICE_FMT(lane->also[i]));
    return false;
}

/* Number of promises broken. */
static unsigned read_line(struct world *w, size_t format, struct slice raw, uint64_t *matches)
{
    const struct format *f = formats_at(w->engine->formats, format);
    struct parser_source source = { .format = f, .channel = format_channel(f) };
    struct record record = { .text = raw, .priority = -1 };
    struct event ev;
    const uint32_t *hits;
    unsigned broken = 0;
    size_t n;

    arena_reset(w->each);
    assert_int_equal(parser_run(&source, w->parser, &record, 0, w->each, &ev, NULL), 0);
    n = rules_match(w->engine->rules, w->rules, &ev, &hits);
    *matches += n;
    if (n == 0 || lane_passes_over(f, raw))
        return 0;
    for (size_t i = 0; i < n; i++) {
        w->matched[hits[i]]++;
        broken += !kept_promise(w, format, hits[i], raw);
    }
    return broken;
}

static void every_match_stands_in_a_record_with_a_literal(void **state)
{
    struct world *w = *state;
    uint64_t lines = setting("TW_LITERALS_LINES", 200000), matches = 0, ran = 0;
    unsigned wrong = 0;
    size_t never = 0, keywords_met = 0;

    w->dice.x = setting("TW_LITERALS_SEED", 1);
    for (; ran < w->nlines && wrong < 5; ran++)
        wrong += read_line(w, w->lines[ran].format, w->lines[ran].text, &matches);
    for (; ran < lines && wrong < 5; ran++) {
        const struct line *line = &w->lines[roll(&w->dice, (unsigned)w->nlines)];
        AUTO_BUF b = BUF_INIT;

        buf_slice(&b, line->text);
        for (unsigned n = 1 + roll(&w->dice, 4); n; n--)
            spoil(w, &b);
        wrong += read_line(w, line->format, slice_take(buf_view(&b), 8192), &matches);
    }
    for (size_t i = 0; i < rules_count(w->engine->rules); i++)
        if (is_keyword(w->engine, i))
            keywords_met += w->matched[i] > 0;
        else if (w->lanes[0][i].kind != LANE_WINDOW && w->matched[i] == 0)
            never++;
    print_message(
        "%llu lines (%zu as they are), %llu matches; %zu rules never matched, %zu keywords did\n",
        (unsigned long long)ran, w->nlines, (unsigned long long)matches, never, keywords_met);
    assert_int_equal(wrong, 0);
    /* Most rules must have had their chance, or the test shows nothing. */
    assert_true(matches > ran / 20 && never < 40);
    assert_true(keywords_met > ARRAY_SIZE(products) * ARRAY_SIZE(keywords) * 2 / 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_an_expression_matches_holds_one_of_its_literals),
        cmocka_unit_test_setup_teardown(every_match_stands_in_a_record_with_a_literal, setup,
                                        teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
