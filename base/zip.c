/* See zip.h. */
#include "base/zip.h"

#include <string.h>
#include <zlib.h>
#include <zstd.h>

#define INPUT_BYTES 65536
#define INPUT_A_CALL (UINT64_C(4) << 20) /* bytes of the file that one call looks at */
#define GZIP_WINDOW (15 + 16) /* zlib's word for: gzip, nothing else */

struct zip_ops {
    /* Unpacks from in[at..n) to p; how much of both was used. Sets `whole` when a member is
     * complete. 0 or a negative errno with its text. */
    int (*step)(struct zip *z, char *p, size_t n, size_t *ret_got, struct err *err);
    void (*fini)(struct zip *z);
};

struct zip {
    int fd;
    const struct zip_ops *ops;
    uint64_t position, consumed;
    char in[INPUT_BYTES];
    size_t at, n; /* what of `in` is not used yet */
    bool eof; /* of the file */
    bool whole; /* between two members: the content may end here */
    struct err fault; /* stays */
    z_stream gzip;
    ZSTD_DStream *zstd;
};

/* ---- the file ---- */

static int fill(struct zip *z)
{
    ssize_t r;

    if (z->at < z->n || z->eof)
        return 0;
    do
        r = pread(z->fd, z->in, sizeof z->in, (off_t)z->consumed);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    z->at = 0;
    z->n = (size_t)r;
    z->eof = r == 0;
    return 0;
}

static void used(struct zip *z, size_t n)
{
    z->at += n;
    z->consumed += n;
}

/* ---- none: as it is ---- */

static int plain_step(struct zip *z, char *p, size_t n, size_t *ret_got, struct err *err)
{
    size_t have = z->n - z->at;

    (void)err;
    *ret_got = have < n ? have : n;
    memcpy(p, z->in + z->at, *ret_got);
    used(z, *ret_got);
    z->whole = true;
    return 0;
}

static void plain_fini(struct zip *z)
{
    (void)z;
}

/* ---- gzip ---- */

/* Behind a member: another one, or zeros to fill up a block of a tape, or the end. */
static int gzip_next_member(struct zip *z, struct err *err)
{
    while (z->at < z->n && z->in[z->at] == '\0')
        used(z, 1);
    if (z->at == z->n)
        return 0;
    if ((unsigned char)z->in[z->at] != 0x1f)
        return err_set(err, -EBADMSG, "has bytes behind the end of the archive");
    z->whole = false;
    return inflateReset(&z->gzip) == Z_OK ? 0 : err_nomem(err);
}

static int gzip_fault(const struct zip *z, int r, struct err *err)
{
    if (r == Z_MEM_ERROR)
        return err_nomem(err);
    return err_set(err, -EBADMSG, "is damaged (gzip: %s)",
                   z->gzip.msg ? z->gzip.msg : "wrong bytes");
}

static int gzip_step(struct zip *z, char *p, size_t n, size_t *ret_got, struct err *err)
{
    size_t have;
    int r = z->whole ? gzip_next_member(z, err) : 0;

    *ret_got = 0;
    if (r < 0 || z->whole)
        return r;
    have = z->n - z->at;
    z->gzip.next_in = (Bytef *)(z->in + z->at);
    z->gzip.avail_in = (uInt)have;
    z->gzip.next_out = (Bytef *)p;
    z->gzip.avail_out = (uInt)n;
    r = inflate(&z->gzip, Z_NO_FLUSH);
    used(z, have - z->gzip.avail_in);
    *ret_got = n - z->gzip.avail_out;
    z->whole = r == Z_STREAM_END;
    /* Z_BUF_ERROR: no progress for want of input; the next call brings some. */
    return r == Z_OK || r == Z_STREAM_END || r == Z_BUF_ERROR ? 0 : gzip_fault(z, r, err);
}

static void gzip_fini(struct zip *z)
{
    (void)inflateEnd(&z->gzip);
}

/* ---- zstd ---- */

static int zstd_step(struct zip *z, char *p, size_t n, size_t *ret_got, struct err *err)
{
    ZSTD_inBuffer in = { z->in + z->at, z->n - z->at, 0 };
    ZSTD_outBuffer out = { p, n, 0 };
    size_t r = ZSTD_decompressStream(z->zstd, &out, &in);

    used(z, in.pos);
    *ret_got = out.pos;
    if (ZSTD_isError(r))
        return err_set(err, -EBADMSG, "is damaged (zstd: %s)", ZSTD_getErrorName(r));
    z->whole = r == 0;
    return 0;
}

static void zstd_fini(struct zip *z)
{
    (void)ZSTD_freeDStream(z->zstd);
}

/* ---- all of them ---- */

static const struct zip_ops zip_ops[] = {
    [ZIP_NONE] = { plain_step, plain_fini },
    [ZIP_GZIP] = { gzip_step, gzip_fini },
    [ZIP_ZSTD] = { zstd_step, zstd_fini },
};

enum zip_kind zip_kind_of(int fd)
{
    unsigned char b[4] = { 0 };

    if (pread(fd, b, sizeof b, 0) < 3)
        return ZIP_NONE;
    if (b[0] == 0x1f && b[1] == 0x8b && b[2] == 8)
        return ZIP_GZIP;
    if (b[0] == 0x28 && b[1] == 0xb5 && b[2] == 0x2f && b[3] == 0xfd)
        return ZIP_ZSTD;
    /* A frame to be skipped: pzstd begins with one. */
    return (b[0] & 0xf0) == 0x50 && b[1] == 0x2a && b[2] == 0x4d && b[3] == 0x18 ? ZIP_ZSTD
                                                                                 : ZIP_NONE;
}

static int begin(struct zip *z, enum zip_kind kind)
{
    if (kind == ZIP_GZIP && inflateInit2(&z->gzip, GZIP_WINDOW) != Z_OK)
        return -ENOMEM;
    if (kind == ZIP_ZSTD) {
        z->zstd = ZSTD_createDStream();
        if (!z->zstd)
            return -ENOMEM;
        (void)ZSTD_DCtx_setParameter(z->zstd, ZSTD_d_windowLogMax, ZIP_WINDOW_LOG_MAX);
    }
    z->ops = &zip_ops[kind];
    z->whole = kind == ZIP_NONE;
    return 0;
}

int zip_new(int fd, struct zip **ret, struct err *err)
{
    AUTO(zip) z = calloc(1, sizeof *z);

    if (!z)
        return err_nomem(err);
    z->fd = fd;
    if (begin(z, zip_kind_of(fd)) < 0)
        return err_nomem(err);
    *ret = TAKE(z);
    return 0;
}

void zip_free(struct zip *z)
{
    if (!z)
        return;
    if (z->ops)
        z->ops->fini(z);
    free(z);
}

uint64_t zip_position(const struct zip *z)
{
    return z->position;
}

uint64_t zip_consumed(const struct zip *z)
{
    return z->consumed;
}

static int check_size(const struct zip *z, struct err *err)
{
    if (z->ops == &zip_ops[ZIP_NONE])
        return 0;
    if (z->position > ZIP_BYTES_MAX)
        return err_set(err, -EFBIG, "unpacks to more than %u GiB", (unsigned)(ZIP_BYTES_MAX >> 30));
    if (z->position > ZIP_FREE_BYTES && z->position / ZIP_RATIO_MAX > z->consumed)
        return err_set(err, -EFBIG, "unpacks to more than %u times its size: not a log",
                       ZIP_RATIO_MAX);
    return 0;
}

/* 1 = more may come, 0 = the content is over. */
static int step(struct zip *z, char *p, size_t n, size_t *ret_got, struct err *err)
{
    uint64_t before = z->consumed;
    int r = fill(z);

    *ret_got = 0;
    if (r < 0)
        return err_set(err, r, "%s", err_name(r));
    if (z->eof && z->whole)
        return 0;
    r = z->ops->step(z, p, n, ret_got, err);
    z->position += *ret_got;
    if (r == 0)
        r = check_size(z, err);
    if (r == 0 && z->eof && *ret_got == 0 && z->consumed == before && !z->whole)
        r = err_set(err, -ENODATA, "is cut short: the end of the archive is missing");
    return r < 0 ? r : 1;
}

ssize_t zip_read(struct zip *z, void *p, size_t n, struct err *err)
{
    uint64_t until = z->consumed + INPUT_A_CALL;
    size_t done = 0;

    while (done < n && !z->fault.code && z->consumed < until) {
        size_t got;
        int r = step(z, (char *)p + done, n - done, &got, &z->fault);

        done += got;
        if (r == 0)
            return (ssize_t)done;
    }
    if (done > 0)
        return (ssize_t)done;
    if (!z->fault.code)
        return -EAGAIN;
    if (err)
        *err = z->fault;
    return z->fault.code;
}
