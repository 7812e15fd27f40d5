/*
 * The reader of ordinary JSON against yajl: the same answer, the same scalars in the same order,
 * the same mark for a key that came twice, and nothing told of a text that it leaves to yajl. With
 * and without the keys of the texts before; when only some paths are wanted, the others are
 * counted. Random documents, mutations of real lines, every truncation and every changed byte of
 * some. The same seed gives the same cases; TW_JSON_SEED and TW_JSON_CASES change them
 * (`make json-pairs`: twenty million). Each text ends where its page ends: no byte behind it is
 * read.
 */
#include <errno.h>
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "base/file.h"
#include "base/json-private.h"
#include "tests/property/dice.h"

#define TEXT_MAX ((size_t)64 << 10)
#define LINES_MAX 2000

/* ---- comparing ---- */

struct world {
    struct dice d;
    char *fence; /* TEXT_MAX bytes up to a page that cannot be read */
    struct buf lines[LINES_MAX];
    size_t nlines;
    struct buf ours, theirs, made;
    struct json_keys *keys; /* of all texts so far */
    uint64_t cases, ordinary, wrong;
};

struct told {
    struct buf *out;
    unsigned refuse_at; /* 0: never */
    const uint64_t *wanted; /* NULL: all */
    size_t unwanted;
};

#define NUMBERS 70

static uint32_t number_of(void *ctx, struct slice path)
{
    uint64_t h = 7;

    (void)ctx;
    for (size_t i = 0; i < path.n; i++)
        h = (h ^ (unsigned char)path.p[i]) * 0x100000001b3;
    return (uint32_t)(h >> 20) % NUMBERS;
}

static int on_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct told *t = ctx;
    size_t head[3] = { path.n, (size_t)type, text.n };

    if (t->wanted && !(t->wanted[number_of(t, path) / 64] >> number_of(t, path) % 64 & 1)) {
        t->unwanted++;
        return 0;
    }
    if (t->refuse_at && --t->refuse_at == 0)
        return -EPERM;
    buf_add(t->out, head, sizeof head);
    buf_slice(t->out, path);
    buf_slice(t->out, text);
    return 0;
}

static struct slice fenced(struct world *w, struct slice text)
{
    struct slice s;

    text = slice_take(text, TEXT_MAX);
    s = slice_of(w->fence + TEXT_MAX - text.n, text.n);
    if (text.n)
        memmove(w->fence + TEXT_MAX - text.n, text.p, text.n);
    return s;
}

struct limits {
    unsigned refuse_at;
    size_t scalars_max;
    const uint64_t *wanted;
    bool keys;
};

/* What both say; false: they differ. */
static bool agree(struct world *w, struct slice text, struct limits limits, bool *ret_ordinary)
{
    struct told a = { &w->ours, limits.refuse_at, limits.wanted, 0 };
    struct told b = { &w->theirs, limits.refuse_at, limits.wanted, 0 };
    struct json_flat ours = { .scalar = on_scalar,
                              .ctx = &a,
                              .duplicate_key = true,
                              .scalars_max = limits.scalars_max,
                              .keys = limits.keys ? w->keys : NULL,
                              .number = number_of,
                              .wanted = limits.wanted,
                              .nwanted = NUMBERS };
    struct json_flat theirs = {
        .scalar = on_scalar, .ctx = &b, .duplicate_key = true, .scalars_max = limits.scalars_max
    };
    struct err our_err = ERR_NONE, their_err = ERR_NONE;
    int r = 0, their_r;

    buf_reset(&w->ours);
    buf_reset(&w->theirs);
    *ret_ordinary = json_plain(text, &ours, &r, &our_err);
    if (!*ret_ordinary)
        return w->ours.n == 0 && a.unwanted == 0;
    their_r = json_flatten_yajl(text, &theirs, &their_err);
    return their_r == r && (r < 0 || a.unwanted + ours.passed == b.unwanted) &&
           slice_eq(buf_view(&w->ours), buf_view(&w->theirs)) &&
           ours.duplicate_key == theirs.duplicate_key && strcmp(our_err.text, their_err.text) == 0;
}

static void check(struct world *w, struct slice made)
{
    static const uint64_t some[] = { 0xf0f0ff00ffff0000, 0x2b };
    struct limits limits = { roll(&w->d, 40) ? 0 : 1 + roll(&w->d, 12),
                             roll(&w->d, 4) ? 256 : roll(&w->d, 30), roll(&w->d, 3) ? NULL : some,
                             roll(&w->d, 4) > 0 };
    struct slice text = fenced(w, made);
    bool ordinary;

    if (!roll(&w->d, 30))
        json_keys_forget(w->keys); /* or most of the time they would rest */
    w->cases++;
    if (!agree(w, text, limits, &ordinary) && w->wrong++ < 5)
        print_message("differs (refused at %u, at most %zu): %.*s\n", limits.refuse_at,
                      limits.scalars_max, SLICE_FMT(slice_take(text, 2000)));
    w->ordinary += ordinary;
}

/* ---- real lines ---- */

static void add_line(struct world *w, struct slice line)
{
    struct told told = { &w->theirs, 0, NULL, 0 };
    struct json_flat flat = { .scalar = on_scalar, .ctx = &told };
    size_t sample = slice_find(line, SLICE("'{\"")); /* in a format or rule: '{...}', ip: ...} */
    size_t from = sample == SIZE_MAX ? slice_find_byte(line, '{') : sample + 1;
    size_t to = sample == SIZE_MAX ? slice_rfind_byte(line, '}')
                                   : slice_find(slice_skip(line, from), SLICE("}'"));

    if (from == SIZE_MAX || to == SIZE_MAX || w->nlines == LINES_MAX)
        return;
    to += sample == SIZE_MAX ? 0 : from;
    if (to < from || to - from > TEXT_MAX / 4)
        return;
    line = slice_of(line.p + from, to - from + 1);
    if (json_flatten_yajl(line, &flat, NULL) == 0)
        buf_slice(&w->lines[w->nlines++], line);
    buf_reset(&w->theirs);
}

static void add_files(struct world *w, const char *pattern)
{
    const char *source = getenv("TW_SOURCE");
    char path[4096];
    glob_t found;

    snprintf(path, sizeof path, "%s/%s", source ? source : ".", pattern);
    if (glob(path, 0, NULL, &found) != 0)
        return;
    for (size_t i = 0; i < found.gl_pathc; i++) {
        AUTO_BUF b = BUF_INIT;
        struct slice rest, line;

        if (file_read(-1, found.gl_pathv[i], 16 << 20, &b, NULL) < 0)
            continue;
        rest = buf_view(&b);
        while (slice_split(&rest, '\n', &line))
            add_line(w, line);
    }
    globfree(&found);
}

/* Small, with all that a line can hold: each of their bytes is changed to each other one. */
static const char *const small[] = {
    "{\"a\":1,\"bc\":[true,false,null,{\"d\":-0.5e+3}],\"e\":\"x\\n\\u00e9\\\"y\",\"\":{\"f\":0}}",
    " {\"ip\":\"198.51.100.7:443\" , \"user_agent\" : \"Mozilla/5.0 (X11) \xd0\xb6\xe2\x82\xac\", "
    "\"user_age\":[],\"n\":{}}\n",
    "{\"k\":\"\\\\\\/"
    "\\b\\f\\r\\t\\u0041\\ud83d\\ude00\",\"k2\":[[1,2],[\"\"]],\"k.3\":{\"x\":{\"y\":9}}}",
};

static void make_world(struct world *w)
{
    char *p =
        mmap(NULL, TEXT_MAX + 65536, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    assert_ptr_not_equal(p, MAP_FAILED);
    assert_int_equal(mprotect(p + TEXT_MAX, 65536, PROT_NONE), 0);
    w->fence = p;
    for (size_t i = 0; i < ARRAY_SIZE(small); i++)
        add_line(w, slice_str(small[i]));
    add_files(w, "parsers/formats/*.yaml");
    add_files(w, "rules/library/*/*.yml");
    add_files(w, "../shared/corpus/*/*.log");
    assert_true(w->nlines > 20);
}

static void free_world(struct world *w)
{
    for (size_t i = 0; i < w->nlines; i++)
        buf_fini(&w->lines[i]);
    buf_fini(&w->ours);
    buf_fini(&w->theirs);
    buf_fini(&w->made);
    munmap(w->fence, TEXT_MAX + 65536);
    json_keys_free(w->keys);
}

/* ---- random documents ---- */

/* How often something is odd: a text with an oddity in each value says little. */
struct style {
    struct dice *d;
    struct buf *out;
    unsigned odd; /* one of so many */
    unsigned blanks, escapes, wide;
};

static bool odd(const struct style *s)
{
    return roll(s->d, s->odd) == 0;
}

static void put_blanks(const struct style *s)
{
    static const char *const some[] = { " ", "\t", "\n", "\r", "  ", "\r\n", " \t " };
    static const char *const strange[] = { "\v", "\f", "\xc2\xa0", "\xef\xbb\xbf", "/**/", "#" };

    if (s->blanks && !roll(s->d, s->blanks))
        buf_str(s->out, PICK(s->d, some));
    if (odd(s) && odd(s))
        buf_str(s->out, PICK(s->d, strange));
}

static void put_escape(const struct style *s)
{
    static const char *const good[] = { "\\n",     "\\t",     "\\\"",    "\\\\",    "\\/",
                                        "\\b",     "\\f",     "\\r",     "\\u0041", "\\u0000",
                                        "\\u00e9", "\\u20AC", "\\uFfFd", "\\u001b", "\\u007f",
                                        "\\u07ff", "\\u0800", "\\ud7ff", "\\ue000", "\\uffff" };
    static const char *const bad[] = { "\\ud83d\\ude00", "\\udfff", "\\udbff",
                                       "\\ud800",        "\\udc00", "\\x41",
                                       "\\u12g4",        "\\u12",   "\\",
                                       "\\U0041",        "\\'",     "\\0" };

    buf_str(s->out, odd(s) ? PICK(s->d, bad) : PICK(s->d, good));
}

static void put_odd_bytes(const struct style *s)
{
    static const struct slice some[] = {
        { "\x00", 1 },     { "\n", 1 },       { "\x1f", 1 },         { "\x7f", 1 },
        { "\xff", 1 },     { "\xc0\xaf", 2 }, { "\xed\xa0\x80", 3 }, { "\xf4\x90\x80\x80", 4 },
        { "\xe2\x82", 2 }, { "\x80", 1 },     { "\"", 1 },           { "\xf0\x9f\x98", 3 },
    };

    buf_slice(s->out, PICK(s->d, some));
}

static void put_text(const struct style *s, size_t n)
{
    static const char *const wide[] = { "\xc3\xa9",         "\xd0\xb6", "\xe2\x82\xac",
                                        "\xf0\x9f\x98\x80", "\x7f",     "\xef\xbf\xbd" };

    for (; n; n--) {
        if (s->escapes && !roll(s->d, s->escapes))
            put_escape(s);
        else if (s->wide && !roll(s->d, s->wide))
            buf_str(s->out, PICK(s->d, wide));
        else
            buf_char(s->out, "abcXYZ 019:./-_,{}[]'?"[roll(s->d, 22)]);
    }
    if (odd(s) && odd(s))
        put_odd_bytes(s);
}

static void put_string(const struct style *s)
{
    unsigned kind = roll(s->d, 20);

    buf_char(s->out, '"');
    put_text(s, kind == 0 ? roll(s->d, 300) : kind < 5 ? roll(s->d, 3) : roll(s->d, 40));
    buf_char(s->out, '"');
}

static void put_number(const struct style *s)
{
    static const char *const good[] = { "0",
                                        "-0",
                                        "1",
                                        "-1",
                                        "10",
                                        "1e5",
                                        "1E+5",
                                        "1e-5",
                                        "0.5",
                                        "-0.0e0",
                                        "1e400",
                                        "200",
                                        "28136",
                                        "38.632",
                                        "0e0",
                                        "-9e09",
                                        "1.25E1",
                                        "404",
                                        "12345678901234567890123",
                                        "1795224886.132131" };
    static const char *const bad[] = { "01",    "1.",  ".5",  "1e",  "-",    "+1", "1e+",  "1.e5",
                                       "--1",   "0x1", "1_0", "NaN", "-Inf", "00", "-01",  "1.2.3",
                                       "1e5.5", "1 2", "1\"", "1a",  "0b1",  "-a", "1e5e5" };

    buf_str(s->out, odd(s) ? PICK(s->d, bad) : PICK(s->d, good));
}

static void put_word(const struct style *s)
{
    static const char *const good[] = { "true", "false", "null" };
    static const char *const bad[] = { "tru", "True", "nul",  "nulll", "truefalse", "f",
                                       "t",   "fals", "none", "n",     "undefined", "false1" };

    buf_str(s->out, odd(s) ? PICK(s->d, bad) : PICK(s->d, good));
}

static void put_key(const struct style *s, unsigned n)
{
    static const char *const same[] = {
        "a", "ab", "", "user", "user_agent", "user_agent_x", "a.b"
    };
    char name[32];

    buf_char(s->out, '"');
    if (odd(s))
        buf_str(s->out, PICK(s->d, same));
    else if (odd(s))
        put_text(s, roll(s->d, 4) ? roll(s->d, 30) : roll(s->d, 1100));
    else {
        /* Alike at both ends, in the middle, in length: what looks for doubles must look close. */
        snprintf(name, sizeof name, roll(s->d, 2) ? "key%u" : "first_of_%u_and_last", n);
        buf_str(s->out, name);
    }
    buf_char(s->out, '"');
}

static void put_value(const struct style *s, unsigned depth);

static void put_members(const struct style *s, unsigned depth, bool keys)
{
    static const unsigned most[] = { 1, 3, 8, 14, 14, 14, 80 };
    unsigned n = depth ? roll(s->d, 5) : roll(s->d, PICK(s->d, most));

    buf_char(s->out, keys ? '{' : '[');
    for (unsigned i = 0; i < n; i++) {
        put_blanks(s);
        if (keys) {
            put_key(s, i);
            put_blanks(s);
            buf_str(s->out, odd(s) && odd(s) ? "" : ":");
            put_blanks(s);
        }
        put_value(s, depth + 1);
        put_blanks(s);
        if (i + 1 < n)
            buf_str(s->out, odd(s) && odd(s) ? ",," : ",");
    }
    put_blanks(s);
    if (odd(s) && odd(s))
        buf_char(s->out, ",:]}"[roll(s->d, 4)]);
    buf_char(s->out, keys ? '}' : ']');
}

static void put_value(const struct style *s, unsigned depth)
{
    unsigned kind = roll(s->d, depth < 6 ? 16 : 12);

    if (kind < 6)
        put_string(s);
    else if (kind < 10)
        put_number(s);
    else if (kind < 12)
        put_word(s);
    else
        put_members(s, depth, kind < 14);
}

/* Around the limit of depth; the values inside tell at which of the brackets it went wrong. */
static void put_deep(const struct style *s)
{
    unsigned n = 28 + roll(s->d, 8);
    char closing[64];

    for (unsigned i = 0; i < n; i++) {
        bool keys = i == 0 || roll(s->d, 2);

        buf_str(s->out, keys ? "{\"k\":" : "[");
        closing[n - 1 - i] = keys ? '}' : ']';
    }
    put_number(s);
    buf_add(s->out, closing, n - (odd(s) ? 1 : 0));
}

/* Paths, keys, values and the room at their limits. */
static void put_large(const struct style *s)
{
    static const char *const values[] = { "1",     "{}",       "[]",
                                          "\"x\"", "[1,2,{}]", "{\"a\":1,\"b\":{\"c\":2}}" };
    unsigned n = roll(s->d, 600), long_key = roll(s->d, 4) ? 0 : 900 + roll(s->d, 140);
    const char *value = PICK(s->d, values);

    buf_str(s->out, "{\"");
    for (unsigned i = 0; i < long_key; i++)
        buf_char(s->out, 'k');
    buf_str(s->out, roll(s->d, 2) ? "\":{" : "\":[{");
    for (unsigned i = 0; i < n; i++)
        buf_printf(s->out, "%s\"k%u\":%s", i ? "," : "", odd(s) && i ? i - 1 : i, value);
    buf_str(s->out, memchr(s->out->p, '[', long_key + 8) ? "}]" : "}");
    if (roll(s->d, 2)) {
        buf_str(s->out, ",\"text\":\"\\n");
        put_text(s, roll(s->d, 9000));
        buf_char(s->out, '"');
    }
    buf_char(s->out, '}');
}

/* Keys whose path is about as long as it may be. */
static void put_long_path(const struct style *s)
{
    unsigned keys = 1 + roll(s->d, 3), left = JSON_PATH_MAX - 4 + roll(s->d, 8);

    for (unsigned i = keys; i; i--) {
        unsigned n = i == 1 ? left : roll(s->d, left / 2);

        buf_str(s->out, "{\"");
        for (unsigned j = 0; j < n; j++)
            buf_char(s->out, 'p');
        buf_str(s->out, "\":");
        left -= n + (i > 1 && left > n);
    }
    put_number(s);
    for (; keys; keys--)
        buf_char(s->out, '}');
}

/* Many keys in objects that are all open at once. */
static void put_many_open(const struct style *s)
{
    unsigned levels = 1 + roll(s->d, 30), keys = roll(s->d, 70);

    for (unsigned i = 0; i < levels; i++) {
        buf_char(s->out, '{');
        for (unsigned j = 0; j < keys; j++)
            buf_printf(s->out, "\"%u\":{},", j);
        buf_str(s->out, "\"k\":");
    }
    put_number(s);
    for (; levels; levels--)
        buf_char(s->out, '}');
}

static void random_document(struct world *w)
{
    static const unsigned shares[] = { 8, 30, 200, 100000 }, some[] = { 0, 0, 2, 10, 40 };
    struct style s = { &w->d,
                       &w->made,
                       PICK(&w->d, shares),
                       PICK(&w->d, some),
                       PICK(&w->d, some),
                       PICK(&w->d, some) };
    unsigned kind = roll(&w->d, 100);

    buf_reset(&w->made);
    put_blanks(&s);
    if (kind == 0 && roll(&w->d, 3))
        put_large(&s);
    else if (kind == 0)
        put_many_open(&s);
    else if (kind == 1)
        put_long_path(&s);
    else if (kind < 5)
        put_deep(&s);
    else if (kind < 7)
        put_value(&s, 0);
    else
        put_members(&s, 0, true);
    put_blanks(&s);
    if (odd(&s))
        put_blanks(&s);
}

/* ---- mutations ---- */

static void put_mutation(struct world *w, struct slice line)
{
    static const char *const pieces[] = { "\"",   "\\",  "{",    "}",     "[",     "]",    ",",
                                          ":",    "\\u", "\\\"", "null",  "true",  "-",    "0",
                                          "1e5",  " ",   "\n",   "\x7f",  "\xff",  "\xc3", "\xa9",
                                          "\"\"", ",\"", "\":",  "\",\"", "\":\"", "{}",   "[]" };
    size_t at = line.n ? roll(&w->d, (unsigned)line.n) : 0;
    size_t n = roll(&w->d, 8) ? roll(&w->d, 4) : roll(&w->d, 60);

    buf_slice(&w->made, slice_take(line, at));
    switch (roll(&w->d, 6)) {
    case 0: /* one byte is another */
        buf_char(&w->made, (char)roll(&w->d, 256));
        buf_slice(&w->made, slice_skip(line, at + 1));
        break;
    case 1: /* a piece more */
        buf_str(&w->made, PICK(&w->d, pieces));
        buf_slice(&w->made, slice_skip(line, at));
        break;
    case 2: /* a piece less */
        buf_slice(&w->made, slice_skip(line, at + n));
        break;
    case 3: /* a part twice: keys, too */
        buf_slice(&w->made, slice_take(slice_skip(line, at), n * 8));
        buf_slice(&w->made, slice_skip(line, at));
        break;
    case 4: { /* into another line */
        struct slice other = buf_view(&w->lines[roll(&w->d, (unsigned)w->nlines)]);

        buf_slice(&w->made, slice_skip(other, roll(&w->d, (unsigned)other.n + 1)));
        break;
    }
    default: /* cut */
        break;
    }
}

static void mutation(struct world *w)
{
    AUTO_BUF line = BUF_INIT;
    unsigned times = 1 + (roll(&w->d, 3) == 0) + (roll(&w->d, 9) == 0);

    buf_slice(&line, buf_view(&w->lines[roll(&w->d, (unsigned)w->nlines)]));
    if (roll(&w->d, 2))
        check(w, buf_view(&line)); /* what is spoiled comes behind what is not */
    for (; times; times--) {
        buf_reset(&w->made);
        put_mutation(w, buf_view(&line));
        buf_reset(&line);
        buf_slice(&line, slice_take(buf_view(&w->made), TEXT_MAX));
    }
}

/* ---- the tests ---- */

static uint64_t setting(const char *name, uint64_t fallback)
{
    const char *text = getenv(name);

    return text ? strtoull(text, NULL, 10) : fallback;
}

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    w->keys = json_keys_new();
    assert_non_null(w->keys);
    w->d.x = setting("TW_JSON_SEED", 1);
    make_world(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    free_world(*state);
    free(*state);
    return 0;
}

static void told(struct world *w)
{
    print_message("%llu cases, %llu ordinary, %llu differences\n", (unsigned long long)w->cases,
                  (unsigned long long)w->ordinary, (unsigned long long)w->wrong);
    assert_int_equal(w->wrong, 0);
    w->cases = w->ordinary = 0;
}

static void real_lines_are_ordinary_and_read_alike(void **state)
{
    struct world *w = *state;
    uint64_t ordinary = 0;

    for (size_t i = 0; i < w->nlines; i++) {
        struct slice text = fenced(w, buf_view(&w->lines[i]));
        bool is;

        w->wrong += !agree(w, text, (struct limits){ .scalars_max = 256, .keys = true }, &is);
        ordinary += is;
    }
    print_message("%llu of %zu\n", (unsigned long long)ordinary, w->nlines);
    assert_int_equal(w->wrong, 0);
    assert_true(ordinary + 5 >= w->nlines);
}

static void every_truncation_and_changed_byte_is_read_alike(void **state)
{
    struct world *w = *state;

    for (size_t i = 0; i < ARRAY_SIZE(small); i++) {
        AUTO_BUF b = BUF_INIT;

        for (size_t n = 0; n <= strlen(small[i]); n++)
            check(w, slice_of(small[i], n));
        buf_str(&b, small[i]);
        for (size_t at = 0; at < b.n; at++)
            for (unsigned c = 0; c < 256; c++) {
                char was = b.p[at];

                b.p[at] = (char)c;
                check(w, buf_view(&b));
                b.p[at] = was;
            }
    }
    told(w);
}

static void random_documents_are_read_alike(void **state)
{
    struct world *w = *state;
    uint64_t cases = setting("TW_JSON_CASES", 200000) / 2;

    while (w->cases < cases && w->wrong < 5) {
        random_document(w);
        check(w, buf_view(&w->made));
    }
    /* Neither side may be right by always saying the same. */
    assert_true(w->wrong || (w->ordinary > w->cases / 5 && w->ordinary < w->cases * 9 / 10));
    told(w);
}

static void mutations_of_real_lines_are_read_alike(void **state)
{
    struct world *w = *state;
    uint64_t cases = setting("TW_JSON_CASES", 200000) / 2;

    while (w->cases < cases && w->wrong < 5) {
        mutation(w);
        check(w, buf_view(&w->made));
    }
    assert_true(w->wrong || (w->ordinary > w->cases / 20 && w->ordinary < w->cases * 9 / 10));
    told(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(real_lines_are_ordinary_and_read_alike, setup, teardown),
        cmocka_unit_test_setup_teardown(every_truncation_and_changed_byte_is_read_alike, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(random_documents_are_read_alike, setup, teardown),
        cmocka_unit_test_setup_teardown(mutations_of_real_lines_are_read_alike, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
