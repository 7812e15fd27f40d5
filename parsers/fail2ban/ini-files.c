/* Which files make up a filter, and what of them wins. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/utf8.h"
#include "parsers/fail2ban/ini.h"

#define FILES_MAX 64
#define DEPTH_MAX 10
#define FILE_BYTES_MAX (1u << 20)
#define BYTES_MAX (4u << 20)

struct parsed {
    const char *path;
    bool there;
    struct ini ini;
};

/* Paths in the order of reading; one may be there more than once. */
struct order {
    const char *paths[FILES_MAX];
    size_t n;
};

struct collect {
    struct ini *all;
    struct parsed files[FILES_MAX];
    size_t nfiles;
    struct order order;
    int rc;
};

struct seen {
    const char *path;
    const struct seen *before;
    unsigned depth;
};

static bool exists(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISREG(st.st_mode);
}

static int parse_file(struct collect *c, struct parsed *p)
{
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    struct slice copy;
    int rc = file_read(AT_FDCWD, p->path, FILE_BYTES_MAX, &text, &err);

    if (rc == -ENOENT)
        return 0;
    p->there = true;
    if (rc < 0) {
        diag_add_err(c->all->d, (struct src_pos){ diag_path(c->all->d, p->path), 0, 0 }, &err);
        return -EINVAL;
    }
    c->all->bytes += text.n;
    if (c->all->bytes > BYTES_MAX) {
        diag_error(c->all->d, ((struct src_pos){ diag_path(c->all->d, p->path), 0, 0 }),
                   "the files of the filter are more than %u bytes", BYTES_MAX);
        return -E2BIG;
    }
    if (!utf8_valid(buf_view(&text)))
        diag_warning(c->all->d, ((struct src_pos){ diag_path(c->all->d, p->path), 0, 0 }),
                     "the file is not UTF-8");
    copy = arena_slice(c->all->arena, buf_view(&text));
    return copy.p ? ini_parse(&p->ini, p->path, copy) : -ENOMEM;
}

static struct parsed *file_of(struct collect *c, const char *path)
{
    struct parsed *p;
    int rc;

    for (size_t i = 0; i < c->nfiles; i++)
        if (strcmp(c->files[i].path, path) == 0)
            return &c->files[i];
    if (c->nfiles == FILES_MAX) {
        c->rc = -E2BIG;
        return NULL;
    }
    p = &c->files[c->nfiles++];
    *p = (struct parsed){ .path = path, .ini = { .arena = c->all->arena, .d = c->all->d } };
    rc = parse_file(c, p);
    if (rc < 0 && c->rc == 0)
        c->rc = rc;
    return p;
}

static void collect_with_local(struct collect *c, const char *path, const struct seen *seen);

/* One line of before or after: relative to the folder of the file that says it. */
static void include(struct collect *c, const char *by, struct slice name, bool warn,
                    const struct ini_option *o, const struct seen *seen)
{
    const char *slash = strrchr(by, '/');
    int dir = slash && name.p[0] != '/' ? (int)(slash - by) + 1 : 0;
    const char *path = arena_printf(c->all->arena, "%.*s%.*s", dir, by, SLICE_FMT(name));

    if (!path) {
        c->rc = -ENOMEM;
        return;
    }
    for (const struct seen *s = seen; s; s = s->before)
        if (strcmp(s->path, path) == 0)
            return;
    if (warn && !exists(path))
        diag_warning(c->all->d, ((struct src_pos){ o->file, o->line, 1 }),
                     "'%.*s' is not there: what it defines is missing", SLICE_FMT(name));
    collect_with_local(c, path, seen);
}

static void includes(struct collect *c, struct parsed *p, const char *which,
                     const struct seen *seen)
{
    const struct ini_section *s = ini_section(&p->ini, SLICE("INCLUDES"));
    struct ini_option *o = ini_option(s, slice_str(which));
    struct slice value, line;

    if (!o || ini_get(&p->ini, SLICE("INCLUDES"), slice_str(which), NULL, &value, NULL) < 0)
        return;
    while (slice_split(&value, '\n', &line)) {
        line = slice_trim(line);
        if (line.n)
            include(c, p->path, line, strcmp(which, "before") == 0, o, seen);
    }
}

static void add_path(struct collect *c, const char *path)
{
    if (c->order.n == FILES_MAX)
        c->rc = -E2BIG;
    else
        c->order.paths[c->order.n++] = path;
}

static void collect_file(struct collect *c, const char *path, const struct seen *seen)
{
    struct seen me = { path, seen, seen ? seen->depth + 1 : 0 };
    struct parsed *p = me.depth < DEPTH_MAX ? file_of(c, path) : NULL;

    if (me.depth >= DEPTH_MAX)
        c->rc = -E2BIG;
    if (!p || !p->there)
        return;
    includes(c, p, "before", &me);
    add_path(c, path);
    includes(c, p, "after", &me);
}

static const char *local_of(struct collect *c, const char *path)
{
    const char *dot = strrchr(path, '.'), *slash = strrchr(path, '/');
    int n = dot && (!slash || dot > slash) ? (int)(dot - path) : (int)strlen(path);

    return arena_printf(c->all->arena, "%.*s.local", n, path);
}

static void collect_with_local(struct collect *c, const char *path, const struct seen *seen)
{
    const char *local = local_of(c, path);

    collect_file(c, path, seen);
    if (local && strcmp(local, path) != 0 && exists(local))
        collect_file(c, local, seen);
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

/* NAME.d/ *.conf, sorted. */
static void collect_folder(struct collect *c, const char *base, const char *ending)
{
    const char *folder = arena_printf(c->all->arena, "%s.d", base);
    struct dirent **names = NULL;
    int n = folder ? scandir(folder, &names, NULL, by_name) : -1;

    for (int i = 0; i < n; i++) {
        struct slice name = slice_str(names[i]->d_name);
        const char *path = NULL;

        if (name.p[0] != '.' && slice_ends(name, slice_str(ending)))
            path = arena_printf(c->all->arena, "%s/%s", folder, names[i]->d_name);
        if (path)
            collect_file(c, path, NULL);
        free(names[i]);
    }
    free(names);
}

/* ---- merging ---- */

/* [Init?family=inet6]: its values are those of [Init] under name?family=inet6. */
static struct slice section_of(struct slice name, struct slice *ret_condition)
{
    size_t at = slice_find_byte(name, '?');

    *ret_condition = SLICE("");
    if (at == SIZE_MAX || at == 0 || at + 1 == name.n)
        return name;
    *ret_condition = slice_skip(name, at);
    return slice_take(name, at);
}

static int merge_option(struct ini *all, struct ini_section *into, struct ini_option o,
                        struct slice condition)
{
    if (condition.n) {
        char *name = arena_printf(all->arena, "%.*s%.*s", SLICE_FMT(o.name), SLICE_FMT(condition));

        if (!name)
            return -ENOMEM;
        o.name = slice_str(name);
    }
    return ini_put(all, into, &o);
}

/* What the section overrides stays known as KNOWN/section. */
static int keep_known(struct ini *all, struct slice name, const struct ini_section *from)
{
    struct ini_section *old = ini_section(all, name), *known;
    char *text;

    if (!old || slice_is(name, "DEFAULT"))
        return 0;
    text = arena_printf(all->arena, "KNOWN/%.*s", SLICE_FMT(name));
    known = text ? ini_section_make(all, slice_str(text)) : NULL;
    if (!known)
        return -E2BIG;
    for (size_t i = 0; i < from->n; i++) {
        /* Making a section may have moved all of them. */
        struct ini_option *o = ini_option(ini_section(all, name), from->options[i].name);

        if (o && ini_put(all, known, o) < 0)
            return -E2BIG;
    }
    return 0;
}

static int merge_section(struct ini *all, const struct ini_section *from)
{
    struct slice condition, name = section_of(from->name, &condition);
    struct ini_section *into;
    int rc = condition.n ? 0 : keep_known(all, name, from);

    into = rc < 0 ? NULL : ini_section_make(all, name);
    if (!into)
        return rc < 0 ? rc : -E2BIG;
    for (size_t i = 0; i < from->n && rc == 0; i++)
        rc = merge_option(all, into, from->options[i], condition);
    return rc;
}

static int merge_all(struct collect *c)
{
    for (size_t i = 0; i < c->order.n; i++) {
        const struct ini *one = &file_of(c, c->order.paths[i])->ini;

        for (size_t j = 0; j < one->n; j++) {
            int rc = merge_section(c->all, &one->sections[j]);

            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int collect_all(struct collect *c, const char *base)
{
    const char *conf = arena_printf(c->all->arena, "%s.conf", base);
    const char *local = arena_printf(c->all->arena, "%s.local", base);

    if (!conf || !local)
        return -ENOMEM;
    if (!exists(conf) && !exists(local)) {
        diag_error(c->all->d, ((struct src_pos){ diag_path(c->all->d, conf), 0, 0 }),
                   "there is no such file");
        return -ENOENT;
    }
    /* The .local comes behind the drop-ins, so it is not taken with the .conf. */
    collect_file(c, conf, NULL);
    collect_folder(c, base, ".conf");
    if (exists(local))
        collect_file(c, local, NULL);
    collect_folder(c, base, ".local");
    if (c->rc == -E2BIG)
        diag_error(c->all->d, ((struct src_pos){ diag_path(c->all->d, conf), 0, 0 }),
                   "more than %d files, or includes %d deep", FILES_MAX, DEPTH_MAX);
    return c->rc;
}

int ini_load(const char *base, struct ini *ini)
{
    AUTO_FREE void *room = calloc(1, sizeof(struct collect));
    struct collect *c = room;
    int rc;

    if (!c)
        return -ENOMEM;
    c->all = ini;
    rc = collect_all(c, base);
    if (rc == 0)
        rc = merge_all(c);
    ini->nfiles = c->nfiles;
    return rc;
}
