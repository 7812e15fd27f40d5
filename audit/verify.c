/*
 * Verification: needs the trail folder and the anchors, no secret. Order and codes as docs/trail.md
 * says.
 *
 * May run while the daemon writes, rolls epochs, compresses or prunes: what is behind the
 * checkpoint that was read is not judged, and a fault that was found while the trail moved is
 * looked for once more, in the trail as it is then.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

#include "audit/verify-private.h"
#include "base/file.h"

#define FINDINGS_MAX 100
#define WARNINGS_MAX 20 /* faults always find room beside them */
#define STALE_US (UINT64_C(3600) * USEC_PER_SEC)
#define TRIES_MAX 50
#define PAUSE_US 5000

/* ---- findings ---- */

static struct audit_finding *new_finding(struct verify *v, bool warning)
{
    struct audit_report *r = v->report;
    size_t most = warning ? WARNINGS_MAX : FINDINGS_MAX;

    r->good = r->good && warning;
    if (r->nfindings >= most)
        return NULL;
    if (!r->findings)
        r->findings = calloc(FINDINGS_MAX, sizeof *r->findings);
    if (!r->findings) {
        v->failed = -ENOMEM;
        return NULL;
    }
    return &r->findings[r->nfindings++];
}

static void fill(struct audit_finding *f, const char *code, bool warning, uint64_t index,
                 const char *fmt, va_list args) PRINTF_LIKE(5, 0);

static void fill(struct audit_finding *f, const char *code, bool warning, uint64_t index,
                 const char *fmt, va_list args)
{
    f->code = code;
    f->warning = warning;
    f->index = index;
    vsnprintf(f->text, sizeof f->text, fmt, args);
}

void verify_fault(struct verify *v, const char *code, uint64_t index, const char *fmt, ...)
{
    struct audit_finding *f = new_finding(v, false);
    va_list args;

    va_start(args, fmt);
    if (f)
        fill(f, code, false, index, fmt, args);
    va_end(args);
}

void verify_warning(struct verify *v, const char *code, uint64_t index, const char *fmt, ...)
{
    struct audit_finding *f = new_finding(v, true);
    va_list args;

    va_start(args, fmt);
    if (f)
        fill(f, code, true, index, fmt, args);
    va_end(args);
}

void verify_rename(struct verify *v, const char *from, const char *code, const char *text)
{
    for (size_t i = 0; i < v->report->nfindings; i++)
        if (strcmp(v->report->findings[i].code, from) == 0) {
            v->report->findings[i].code = code;
            snprintf(v->report->findings[i].text, sizeof v->report->findings[i].text, "%s", text);
        }
}

/* ---- small helpers ---- */

void *verify_grown(struct verify *v, void *array, size_t n, size_t *cap, size_t size)
{
    size_t more = *cap ? *cap * 2 : 32;
    void *p;

    if (n < *cap)
        return array;
    p = realloc(array, more * size);
    if (p)
        *cap = more;
    else
        v->failed = -ENOMEM;
    return p;
}

bool verify_cannot(struct verify *v, int r)
{
    static const int codes[] = {
        -EIO, -ENOMEM, -EACCES, -EPERM, -EMFILE, -ENFILE, -EINTR, -ESTALE
    };

    for (size_t i = 0; i < ARRAY_SIZE(codes); i++)
        if (r == codes[i])
            return true;
    v->vanished = v->vanished || r == -ENOENT;
    return false;
}

/* ---- once through ---- */

static void judge_age(struct verify *v)
{
    uint64_t limit = 2 * v->heartbeat_us > STALE_US ? 2 * v->heartbeat_us : STALE_US;

    if (v->report->last_us && v->report->last_us + limit < v->o->now_us)
        verify_warning(
            v, "STALE", NO_ENTRY, "the newest entry is %llu minutes old",
            (unsigned long long)((v->o->now_us - v->report->last_us) / USEC_PER_SEC / 60));
}

static void verify_once(struct verify *v, struct err *err)
{
    v->report->good = true;
    if (!verify_keys(v, err))
        return;
    v->report->signed_size = v->checkpoint.size;
    memcpy(v->report->root, v->checkpoint.root.b, HASH_SIZE);
    verify_lines(v, err);
    if (v->failed || v->stop || v->alone || v->edge->size < v->checkpoint.size)
        return;
    verify_entries_end(v);
    verify_tree_end(v);
    judge_age(v);
}

/* ---- until it stands still ---- */

/* The first fault, to be compared with that of the next look. */
struct seen {
    char text[sizeof((struct audit_finding *)NULL)->text];
};

static struct seen first_fault(const struct audit_report *r)
{
    struct seen s = { "" };

    for (size_t i = 0; i < r->nfindings && !s.text[0]; i++)
        if (!r->findings[i].warning)
            memcpy(s.text, r->findings[i].text, sizeof s.text);
    return s;
}

static bool signed_meanwhile(const struct verify *v)
{
    AUTO_BUF now = BUF_INIT;

    return v->note_text.n && file_read(v->dir, "checkpoint", 1 << 20, &now, NULL) == 0 &&
           !slice_eq(buf_view(&now), buf_view(&v->note_text));
}

/*
 * A fault that was found while the trail moved may be none. What is found twice in a row in the
 * same place is one: races go on to other places, for what is signed never changes.
 */
static bool look_again(const struct verify *v, struct seen *before)
{
    struct seen now = first_fault(v->report);
    bool same = strcmp(before->text, now.text) == 0;

    *before = now;
    return !v->report->good && !same && (v->vanished || signed_meanwhile(v));
}

static void fini(struct verify *v)
{
    verify_entries_fini(v);
    line_judge_fini(&v->judge);
    free(v->edge);
    free(v->first);
    free(v->promises);
    free(v->epochs);
    buf_fini(&v->note_text);
}

/* True: it was found while the trail moved, and may not be so. */
static bool attempt(const struct audit_verify_options *o, int dir, struct audit_report *report,
                    struct seen *before, int *ret_failed, struct err *err)
{
    UNINITIALIZED struct verify v;
    bool again;

    memset(&v, 0, sizeof v);
    v.o = o;
    v.report = report;
    v.dir = dir;
    v.edge = calloc(1, sizeof *v.edge);
    v.failed = v.edge ? 0 : err_nomem(err);
    if (!v.failed)
        verify_once(&v, err);
    again = !v.failed && look_again(&v, before);
    *ret_failed = v.failed;
    fini(&v);
    return again;
}

int audit_verify(const struct audit_verify_options *o, struct audit_report *ret_report,
                 struct err *err)
{
    AUTO_FD dir = open(o->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct seen before = { "" };
    int failed = 0;

    *ret_report = (struct audit_report){ 0 };
    if (dir < 0)
        return err_set(err, -errno, "cannot open trail '%s': %s", o->folder, err_name(errno));
    for (unsigned i = 0; attempt(o, dir, ret_report, &before, &failed, err) && i < TRIES_MAX; i++) {
        (void)usleep(PAUSE_US); /* whoever removes files is in the middle of it */
        audit_report_fini(ret_report);
        *ret_report = (struct audit_report){ 0 };
    }
    if (failed && (!err || err->code == 0))
        return err_set(err, failed, "cannot verify the trail: %s", err_name(failed));
    return failed;
}

void audit_report_fini(struct audit_report *r)
{
    free(r->findings);
    r->findings = NULL;
}
