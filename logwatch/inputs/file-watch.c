/*
 * inotify on folders, as a hint that looking is worth it: files are looked at
 * by time as well, so a lost event, a full queue or a file system that has
 * none costs only latency.
 */
#include <errno.h>
#include <sys/inotify.h>

#include "logwatch/inputs/file-private.h"

#define WATCHES_MAX 512
#define READS_A_LOOK 16 /* who writes faster than we look must not keep us here */
#define NAME_EVENTS (IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_ATTRIB)
#define OTHER_EVENTS (IN_MODIFY | IN_CLOSE_WRITE | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)

struct watch {
    char *folder;
    int wd;
};

int watches_open(struct file_input *f)
{
    f->inotify = inotify_init1(IN_CLOEXEC | IN_NONBLOCK);
    return f->inotify; /* without it: by time alone */
}

void watches_add(struct file_input *f, const char *folder)
{
    struct watch *w;
    int wd;

    if (f->inotify < 0)
        return;
    for (size_t i = 0; i < f->nwatches; i++)
        if (strcmp(f->watches[i].folder, folder) == 0)
            return;
    if (f->nwatches >= WATCHES_MAX)
        return;
    w = realloc(f->watches, (f->nwatches + 1) * sizeof *w);
    if (!w)
        return;
    f->watches = w;
    wd = inotify_add_watch(f->inotify, folder, NAME_EVENTS | OTHER_EVENTS);
    if (wd < 0)
        return; /* the limit of watches, or no such folder yet: tried again at the next scan */
    w[f->nwatches].folder = strdup(folder);
    if (!w[f->nwatches].folder)
        return;
    w[f->nwatches++].wd = wd;
}

/* The folder went, or was moved: the watch says nothing about its name any more. */
static void watch_gone(struct file_input *f, int wd)
{
    for (size_t i = 0; i < f->nwatches; i++)
        if (f->watches[i].wd == wd) {
            (void)inotify_rm_watch(f->inotify, wd);
            free(f->watches[i].folder);
            f->watches[i] = f->watches[--f->nwatches];
            return;
        }
}

bool watches_read(struct file_input *f, bool *ret_names)
{
    _Alignas(struct inotify_event) char bytes[8192];
    bool any = false;
    ssize_t n;

    if (f->inotify < 0)
        return false;
    for (unsigned i = 0; i < READS_A_LOOK && (n = read(f->inotify, bytes, sizeof bytes)) > 0; i++) {
        any = true;
        for (size_t at = 0; at + sizeof(struct inotify_event) <= (size_t)n;) {
            struct inotify_event e;

            memcpy(&e, bytes + at, sizeof e);
            at += sizeof e + e.len;
            if (e.mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED))
                watch_gone(f, e.wd);
            if (e.mask & (NAME_EVENTS | IN_Q_OVERFLOW | IN_DELETE_SELF | IN_MOVE_SELF))
                *ret_names = true;
        }
    }
    return any;
}

void watches_close(struct file_input *f)
{
    for (size_t i = 0; i < f->nwatches; i++)
        free(f->watches[i].folder);
    free(f->watches);
    if (f->inotify >= 0)
        close(f->inotify);
    f->inotify = -1;
}
