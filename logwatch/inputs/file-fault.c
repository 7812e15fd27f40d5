/*
 * Troubles with paths: a record when one begins and when it is over, however
 * often it is met. A file that is missing for a moment while it is rotated is
 * no trouble; one that is missing at the start is told at once.
 */
#include <errno.h>

#include "base/json.h"
#include "logwatch/inputs/file-private.h"

#define MISSING_US (10 * USEC_PER_SEC)

static struct fault *fault_of(struct file_input *f, const char *path)
{
    struct fault *list;

    for (size_t i = 0; i < f->nfaults; i++)
        if (strcmp(f->faults[i].path, path) == 0)
            return &f->faults[i];
    if (f->nfaults >= FAULTS_MAX)
        return NULL;
    list = realloc(f->faults, (f->nfaults + 1) * sizeof *list);
    if (!list)
        return NULL;
    f->faults = list;
    list[f->nfaults] = (struct fault){ .path = strdup(path), .since_us = file_now(f) };
    return list[f->nfaults].path ? &list[f->nfaults++] : NULL;
}

void fault_seen(struct file_input *f, const char *path, int code, const char *text)
{
    struct fault *t = fault_of(f, path);

    if (!t)
        return;
    if (t->code != code) {
        t->code = code;
        t->told = false;
        t->since_us = file_now(f);
        (void)snprintf(t->text, sizeof t->text, "%s", text);
    }
    t->seen = true;
}

static bool anything_live(const struct file_input *f)
{
    for (size_t i = 0; i < f->nstreams; i++)
        if (f->streams[i]->state == STREAM_LIVE && !f->streams[i]->refusal)
            return true;
    return false;
}

static void notice_of(struct file_input *f, const struct fault *t)
{
    AUTO_BUF members = BUF_INIT;
    struct json_writer w = json_writer(&members);

    json_member_str(&w, "error", t->text);
    file_notice(f, t->code == -ENOENT ? "source.missing" : "source.unreadable", t->path,
                buf_view(&members));
}

/* When nothing else can be read the whole input has failed, and says so itself. */
static void tell(struct file_input *f, struct fault *t)
{
    if (t->code == -ENOENT && f->scanned && file_now(f) < t->since_us + MISSING_US)
        return;
    t->told = true;
    if (t->code != -ENOENT && f->fault_err.code == 0 && !anything_live(f))
        err_set(&f->fault_err, t->code, "'%s' %s", t->path, t->text);
    else
        notice_of(f, t);
}

void faults_tell(struct file_input *f)
{
    size_t kept = 0;

    for (size_t i = 0; i < f->nfaults; i++) {
        struct fault *t = &f->faults[i];

        if (!t->seen) {
            if (t->told)
                file_notice(f, "source.readable", t->path, SLICE(""));
            free(t->path);
            continue;
        }
        if (!t->told)
            tell(f, t);
        t->seen = false;
        f->faults[kept++] = *t;
    }
    f->nfaults = kept;
}

void faults_free(struct file_input *f)
{
    for (size_t i = 0; i < f->nfaults; i++)
        free(f->faults[i].path);
    free(f->faults);
}
