/*
 * Replay: the named files from their beginning to their end, in the order
 * given. Nothing is followed, nothing remembered. What is compressed with gzip
 * or zstd is unpacked on the way, whatever it is called.
 */
#include <errno.h>

#include "logwatch/inputs/file-private.h"

/* A file of just that name comes before what it would mean as a pattern. */
static int add_replay(struct names *names, const char *path)
{
    return access(path, F_OK) == 0 ? names_add(names, path) : names_glob(names, path);
}

int file_replay_open(struct file_input *f, struct err *err)
{
    struct names names = { 0 };

    for (size_t i = 0; i < f->options->path.n; i++)
        if (add_replay(&names, f->options->path.items[i]) < 0) {
            names_fini(&names);
            return err_nomem(err);
        }
    f->replay = names.items;
    f->nreplay = names.n;
    if (names.n == 0)
        return err_set(err, -ENOENT, "no file is named '%s'", f->options->path.items[0]);
    return 0;
}

void file_replay_close(struct file_input *f)
{
    struct names names = { .items = f->replay, .n = f->nreplay };

    names_fini(&names);
    stream_free(f->replay_stream);
}

/* What the archive holds may be no log either. */
static const char *packed_refusal(int fd)
{
    char bytes[4096];
    AUTO(zip) z = NULL;
    ssize_t n = zip_new(fd, &z, NULL) == 0 ? zip_read(z, bytes, sizeof bytes, NULL) : 0;

    return n > 0 ? bytes_refusal(slice_of(bytes, (size_t)n)) : NULL;
}

static int replay_begin(struct file_input *f, struct err *err)
{
    const char *path = f->replay[f->replay_at], *text = "";
    struct stat st;
    int fd = file_open(path, &st, &text);
    struct stream *s;
    bool packed;

    if (fd < 0)
        return err_set(err, fd, "'%s' %s", path, text);
    packed = zip_kind_of(fd) != ZIP_NONE;
    text = packed ? packed_refusal(fd) : content_refusal(fd, (uint64_t)st.st_size);
    s = text ? NULL : stream_new(path);
    if (!s) {
        close(fd);
        return text ? err_set(err, -EINVAL, "'%s' %s", path, text) : err_nomem(err);
    }
    stream_attach(f, s, fd, &st);
    if (packed)
        stream_pack(s, &st);
    f->replay_stream = s;
    return 0;
}

static void replay_next(struct file_input *f)
{
    stream_free(f->replay_stream);
    f->replay_stream = NULL;
    f->nopen = 0;
    f->replay_at++;
}

int file_replay_read(struct file_input *f, struct block *b, struct err *err)
{
    while (f->replay_at < f->nreplay) {
        struct stream *s = f->replay_stream;
        struct stat st;
        int r;

        if (!s) {
            r = replay_begin(f, err);
            if (r < 0) {
                f->replay_at++; /* told; the others are still read */
                return r;
            }
            s = f->replay_stream;
        }
        if (fstat(s->fd, &st) == 0)
            b->received_us = stat_mtime_ns(&st) / 1000;
        r = stream_read(f, s, b, true, err);
        if (r > 0)
            return 1;
        if (r == -ESTALE)
            err_set(err, r, "'%s' was changed while it was read", s->path);
        if (r == 0 && s->ready)
            continue; /* a hole that is longer than one look, an archive that holds nothing yet */
        replay_next(f);
        if (r < 0)
            return r;
    }
    if (f->ended)
        return 0;
    f->ended = true;
    b->name = arena_slice(b->arena, slice_str(f->replay[f->nreplay - 1]));
    b->end = true;
    return 1;
}
