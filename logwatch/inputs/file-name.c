/* Names of files: globs, rotated names, and who may have put them there. */
#include <errno.h>
#include <glob.h>

#include "logwatch/inputs/file-private.h"

void names_fini(struct names *l)
{
    for (size_t i = 0; i < l->n; i++)
        free(l->items[i]);
    free(l->items);
    *l = (struct names){ 0 };
}

int names_add(struct names *l, const char *name)
{
    if (l->n >= STREAMS_MAX) {
        l->cut = true;
        return 0;
    }
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 16;
        char **items = realloc(l->items, cap * sizeof *items);

        if (!items)
            return -ENOMEM;
        l->items = items;
        l->cap = cap;
    }
    l->items[l->n] = strdup(name);
    return l->items[l->n] ? (l->n++, 0) : -ENOMEM;
}

bool name_is_pattern(const char *pattern)
{
    return strpbrk(pattern, "*?[{") != NULL;
}

bool name_is_compressed(const char *name)
{
    static const char *const endings[] = { ".gz", ".zst", ".xz", ".bz2", ".lz4", ".Z", ".zip" };

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
        if (slice_ends(slice_str(name), slice_str(endings[i])))
            return true;
    return false;
}

size_t name_unpacked(const char *name)
{
    static const char *const endings[] = { ".gz", ".zst" };
    struct slice n = slice_str(name);

    for (size_t i = 0; i < ARRAY_SIZE(endings); i++)
        if (slice_ends(n, slice_str(endings[i])) && n.n > strlen(endings[i]))
            return n.n - strlen(endings[i]);
    return 0;
}

int names_glob(struct names *l, const char *pattern)
{
    glob_t g = { 0 };
    int r;

    if (!name_is_pattern(pattern))
        return names_add(l, pattern);
    r = glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &g);
    if (r == GLOB_NOSPACE) {
        globfree(&g);
        return -ENOMEM;
    }
    r = 0;
    for (size_t i = 0; r == 0 && i < g.gl_pathc; i++)
        if (!name_is_compressed(g.gl_pathv[i]))
            r = names_add(l, g.gl_pathv[i]);
    globfree(&g);
    return r;
}

const char *name_base(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static struct slice folder_of(const char *path)
{
    size_t n = (size_t)(name_base(path) - path);

    return n == 0 ? SLICE(".") : slice_of(path, n > 1 ? n - 1 : 1);
}

char *name_folder(const char *path)
{
    return slice_dup(folder_of(path));
}

bool name_same_folder(const char *a, const char *b)
{
    return slice_eq(folder_of(a), folder_of(b));
}

#define DATE_DIGITS 6

/* Numbers, dates and times, as rotation puts them, behind a separator. */
static bool is_stamp(struct slice s, unsigned digits_min)
{
    unsigned digits = 0;

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] >= '0' && s.p[i] <= '9')
            digits++;
        else if (!s.p[i] || !strchr(".-_:T", s.p[i]))
            return false;
    }
    return digits >= digits_min && (s.p[0] < '0' || s.p[0] > '9');
}

/* What stands between stem and tail, when it is a stamp; else nothing. */
static struct slice stamped(struct slice stem, struct slice tail, struct slice name,
                            unsigned digits)
{
    struct slice stamp;

    if (name.n <= stem.n + tail.n || !slice_starts(name, stem) || !slice_ends(name, tail))
        return SLICE("");
    stamp = slice_of(name.p + stem.n, name.n - stem.n - tail.n);
    return is_stamp(stamp, digits) ? stamp : SLICE("");
}

/* Before the ending only a date will do: access-2.log may be the log of a second instance. */
static struct slice stamp_of(struct slice base, struct slice name)
{
    size_t dot = slice_rfind_byte(base, '.');
    struct slice stamp = stamped(base, SLICE(""), name, 1);

    if (stamp.n || dot == SIZE_MAX || dot == 0)
        return stamp;
    return stamped(slice_take(base, dot), slice_skip(base, dot), name, DATE_DIGITS);
}

bool name_is_rotated(const char *base, const char *name)
{
    return stamp_of(slice_str(base), slice_str(name)).n > 0;
}

static struct slice plain_name(const char *name)
{
    size_t n = name_unpacked(name);

    return n ? slice_of(name, n) : slice_str(name);
}

/* ".12": numbers grow with age. SIZE_MAX: it is no number, but a date. */
static size_t number_of(struct slice stamp)
{
    size_t n = 0;

    if (stamp.n < 2 || stamp.n > DATE_DIGITS)
        return SIZE_MAX;
    for (size_t i = 1; i < stamp.n; i++) {
        if (stamp.p[i] < '0' || stamp.p[i] > '9')
            return SIZE_MAX;
        n = n * 10 + (size_t)(stamp.p[i] - '0');
    }
    return n;
}

int name_cmp_age(const char *base, const char *a, const char *b)
{
    struct slice x = stamp_of(slice_str(base), plain_name(a));
    struct slice y = stamp_of(slice_str(base), plain_name(b));
    size_t nx = number_of(x), ny = number_of(y);

    if (x.n == 0 || y.n == 0) /* without a stamp it is the log itself, the newest */
        return (x.n == 0) - (y.n == 0);
    if (nx != SIZE_MAX && ny != SIZE_MAX)
        return (nx < ny) - (nx > ny);
    if (nx != SIZE_MAX || ny != SIZE_MAX)
        return (nx != SIZE_MAX) - (ny != SIZE_MAX);
    return slice_cmp(x, y);
}

/* How much of the text is left before a stamp at its end; all, when there is none. */
static size_t before_stamp(struct slice s, unsigned digits)
{
    size_t n = s.n;

    while (n > 0 && s.p[n - 1] && strchr("0123456789.-_:T", s.p[n - 1]))
        n--;
    while (n < s.n && (s.p[n] == 'T' || (s.p[n] >= '0' && s.p[n] <= '9')))
        n++; /* it begins with its separator */
    return n > 0 && n < s.n && is_stamp(slice_skip(s, n), digits) ? n : s.n;
}

static void keep_name(struct slice s, char out[NAME_MAX + 1])
{
    size_t n = strlen(out), more = s.n < NAME_MAX - n ? s.n : NAME_MAX - n;

    memcpy(out + n, s.p, more);
    out[n + more] = '\0';
}

void name_root(const char *name, char out[NAME_MAX + 1])
{
    struct slice s = plain_name(name);
    size_t dot = slice_rfind_byte(s, '.'), n = before_stamp(s, 1);

    out[0] = '\0';
    if (n == s.n && dot != SIZE_MAX && dot > 0) {
        n = before_stamp(slice_take(s, dot), DATE_DIGITS);
        keep_name(slice_take(s, n), out);
        keep_name(slice_skip(s, dot), out);
        return;
    }
    keep_name(slice_take(s, n), out);
}

static bool is_ours(uid_t uid)
{
    return uid == 0 || uid == geteuid();
}

bool name_is_safe(const char *path, const struct stat *st)
{
    AUTO_FREE char *folder = name_folder(path);
    struct stat dir, link;

    if (!folder || stat(folder, &dir) < 0)
        return false;
    if (!(dir.st_mode & S_IWOTH))
        return true;
    if (lstat(path, &link) < 0 || !is_ours(link.st_uid))
        return false;
    return is_ours(st->st_uid);
}
