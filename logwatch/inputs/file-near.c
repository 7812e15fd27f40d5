/*
 * What else lies in the folders of our logs: the files that lost or rotated
 * streams may have become, and generations that nobody has seen yet.
 */
#include <dirent.h>
#include <errno.h>
#include <limits.h>

#include "logwatch/inputs/file-private.h"

#define FOLDER_ENTRIES_MAX 20000
#define TICK_US (10 * USEC_PER_MSEC) /* times of files are those of the kernel's last tick */

bool near_name(const char *base, const char *name)
{
    size_t n = name_unpacked(name);
    char plain[NAME_MAX + 1];

    if (n == 0)
        return name_is_rotated(base, name);
    if (n > NAME_MAX)
        return false;
    memcpy(plain, name, n);
    plain[n] = '\0';
    return strcmp(base, plain) == 0 || name_is_rotated(base, plain);
}

const char *near_root(const struct stream *s)
{
    return s->root ? s->root : name_base(s->path);
}

/* Most names are none of a rotated file: this is quick to see. */
static bool looks_rotated(const char *name)
{
    unsigned digits = 0;

    for (const char *p = name; *p; p++)
        digits += *p >= '0' && *p <= '9';
    return digits >= 6 ||
           (name[0] && name[strlen(name) - 1] >= '0' && name[strlen(name) - 1] <= '9');
}

static int find_root(struct file_input *f, struct stream *s)
{
    const char *name = name_base(s->path), *root = name;

    if (!looks_rotated(name))
        return 0;
    for (size_t i = 0; i < f->nstreams; i++) {
        const char *base = name_base(f->streams[i]->path);

        if (base[0] == name[0] && strlen(base) < strlen(root) && name_is_rotated(base, name))
            root = base;
    }
    free(s->root);
    s->root = root == name ? NULL : strdup(root);
    return root == name || s->root ? 0 : -ENOMEM;
}

int near_roots(struct file_input *f)
{
    for (size_t i = 0; f->roots_stale && i < f->nstreams; i++)
        if (find_root(f, f->streams[i]) < 0)
            return -ENOMEM;
    f->roots_stale = false;
    return 0;
}

/*
 * Its own file is all there is of it. Of a log of which nothing was read that is not known: a
 * whole generation may have been copied from it and cut. And compressed files that wait to be
 * judged are looked at until they are.
 */
static bool is_complete(const struct file_input *f, const struct stream *s)
{
    bool near = f->look_near || !f->scanned; /* after a start its inode may have been used again */

    return s->forgotten || (s->found && f->packs_due.n == 0 && (s->offset > 0 || !near));
}

/* Is the name worth a look: that inode, or a rotated name of such a log? */
static bool is_neighbour(const struct file_input *f, const char *folder, const struct dirent *e)
{
    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];
        size_t n = strlen(folder);

        if (is_complete(f, s))
            continue;
        if (s->ino && s->ino == e->d_ino)
            return true;
        if (strncmp(s->path, folder, n) == 0 && s->path[n] == '/' &&
            near_name(name_base(s->path), e->d_name))
            return true;
    }
    return false;
}

static int look_into(struct scan *sc, const char *folder)
{
    DIR *d = opendir(folder);
    const struct dirent *e;
    int r = 0;

    if (!d)
        return 0;
    for (unsigned n = 0; r == 0 && n < FOLDER_ENTRIES_MAX && (e = readdir(d)); n++) {
        AUTO_BUF path = BUF_INIT;
        const char *text;
        struct stat st;
        bool packed = name_unpacked(e->d_name) > 0;
        int code;

        if (e->d_type == DT_DIR || (!packed && name_is_compressed(e->d_name)) ||
            !is_neighbour(sc->f, folder, e))
            continue;
        buf_printf(&path, "%s/%s", folder, e->d_name);
        if (!buf_ok(&path))
            r = -ENOMEM;
        else if ((code = file_look(path.p, &st, &text)) == 0)
            r = scan_add(sc, path.p, &(struct found){ .st = st, .packed = packed });
        else if (code == -ENOENT)
            sc->moved = true;
    }
    closedir(d);
    return r;
}

int scan_neighbours(struct scan *sc)
{
    struct names folders = { 0 };
    int r = 0;

    for (size_t i = 0; r == 0 && i < sc->f->nstreams; i++) {
        const struct stream *s = sc->f->streams[i];
        const char *paths[] = { s->path, s->where };

        for (size_t k = 0; r == 0 && k < 2 && !is_complete(sc->f, s); k++) {
            AUTO_FREE char *folder = name_folder(paths[k]);
            bool known = false;

            for (size_t j = 0; folder && j < folders.n; j++)
                known = known || strcmp(folders.items[j], folder) == 0;
            if (!known)
                r = folder ? names_add(&folders, folder) : -ENOMEM;
        }
    }
    for (size_t i = 0; r == 0 && i < folders.n; i++)
        r = look_into(sc, folders.items[i]);
    names_fini(&folders);
    return r;
}

void near_inherit(const struct file_input *f, struct stream *s)
{
    s->log_seen_us = s->first_seen_us;
    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *o = f->streams[i];
        const char *a = name_base(o->path), *b = name_base(s->path);

        if (o->log_seen_us < s->log_seen_us && name_same_folder(o->path, s->path) &&
            (strcmp(a, b) == 0 || name_is_rotated(a, b) || name_is_rotated(b, a)))
            s->log_seen_us = o->log_seen_us;
    }
}

/*
 * A generation of a log of ours that nobody knows: it came and went while we were away,
 * or while names moved under a scan. Older than our first sight of that log, it is none.
 */
const char *scan_generation_of(const struct file_input *f, const struct found *x)
{
    uint64_t changed = stat_mtime_ns(&x->st) / 1000;

    for (size_t i = 0; i < f->nstreams; i++) {
        const struct stream *s = f->streams[i];

        if (!s->forgotten && name_same_folder(s->path, x->path) &&
            s->log_seen_us <= changed + TICK_US &&
            near_name(name_base(s->path), name_base(x->path)))
            return s->path;
    }
    return NULL;
}
