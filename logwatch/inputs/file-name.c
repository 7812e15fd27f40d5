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

char *name_folder(const char *path)
{
    size_t n = (size_t)(name_base(path) - path);

    if (n == 0)
        return strdup(".");
    return strndup(path, n > 1 ? n - 1 : 1);
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

static bool is_stamped(struct slice stem, struct slice tail, struct slice name, unsigned digits)
{
    if (name.n <= stem.n + tail.n || !slice_starts(name, stem) || !slice_ends(name, tail))
        return false;
    return is_stamp(slice_of(name.p + stem.n, name.n - stem.n - tail.n), digits);
}

/* Before the ending only a date will do: access-2.log may be the log of a second instance. */
bool name_is_rotated(const char *base, const char *name)
{
    struct slice b = slice_str(base), n = slice_str(name);
    size_t dot = slice_rfind_byte(b, '.');

    if (is_stamped(b, SLICE(""), n, 1))
        return true;
    return dot != SIZE_MAX && dot > 0 &&
           is_stamped(slice_take(b, dot), slice_skip(b, dot), n, DATE_DIGITS);
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
