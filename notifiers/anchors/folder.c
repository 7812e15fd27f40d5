/*
 * A folder that gets a file for each checkpoint: a share of another machine, best one on which
 * files cannot be changed. What is there already is compared, never written again.
 */
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "notifiers/kinds.h"

#define NOTE_FILE_MAX (64 << 10)

struct folder {
    const char *path;
};

static const struct option folder_options[] = {
    { .name = "path",
      .type = OPTION_STR,
      .offset = AT(struct folder, path),
      .path = PATH_WRITE,
      .required = true,
      .help = "Folder that gets a file for each checkpoint; it must exist." },
    { 0 },
};

/* ORIGIN-00000000000000001234.note, so that trails may share a folder. */
static void file_name(const struct folder *f, const struct json *doc, struct buf *out)
{
    struct slice origin = json_text(doc, "origin");

    buf_printf(out, "%s/", f->path);
    for (size_t i = 0; i < origin.n; i++) {
        char c = origin.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '-' || (c == '.' && i > 0);

        buf_char(out, fine ? c : '_');
    }
    buf_printf(out, "-%020llu.note", (unsigned long long)json_u64(doc, "size", 0));
}

/* Cosignatures may have come meanwhile: the text before the signatures is what counts. */
static bool same_checkpoint(struct slice a, struct slice b)
{
    size_t i = slice_find(a, SLICE("\n\n")), j = slice_find(b, SLICE("\n\n"));

    return i != SIZE_MAX && j != SIZE_MAX && slice_eq(slice_take(a, i), slice_take(b, j));
}

static int keep(const char *path, struct slice note, struct err *err)
{
    AUTO_BUF there = BUF_INIT;
    int r = file_read(-1, path, NOTE_FILE_MAX, &there, NULL);

    if (r == 0 && same_checkpoint(buf_view(&there), note))
        return 0;
    if (r == 0 || r == -EFBIG)
        return err_set(err, -EUCLEAN, "'%.80s' holds another checkpoint of this size", path);
    if (r != -ENOENT)
        return err_set(err, r, "cannot read '%.80s': %s", path, err_name(r));
    return file_replace(-1, path, note, 0640, err);
}

static void folder_deliver_note(struct sink *s, const struct delivery *d,
                                struct delivery_result *ret)
{
    const struct folder *f = s->state;
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;
    int r;

    file_name(f, d->document, &path);
    r = buf_ok(&path) ? keep(path.p, json_text(d->document, "note"), &err) : err_nomem(&err);
    if (r == 0) {
        ret->state = DELIVERY_SENT;
        ret->said = ANCHOR_HOLDS;
        snprintf(ret->status, sizeof ret->status, "written to %.140s", path.p);
        return;
    }
    ret->state = r == -EUCLEAN ? DELIVERY_DEAD : DELIVERY_RETRY;
    ret->said = r == -EUCLEAN ? ANCHOR_REFUSES : ANCHOR_NOTHING;
    snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
}

const struct sink_ops anchor_folder = {
    .name = "file",
    .summary = "a file for each checkpoint in a folder, on a share of another machine",
    .options = folder_options,
    .state_size = sizeof(struct folder),
    .stays_here = true,
    .deliver = folder_deliver_note,
};
