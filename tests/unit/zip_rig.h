/* Makes archives as gzip(1) and zstd(1) make them of rotated logs. */
#pragma once

#include <zlib.h>
#include <zstd.h>

#include "tests/unit/input_rig.h"

/* One gzip member or zstd frame behind what `out` holds. */
static inline void zip_add(struct buf *out, enum zip_kind kind, struct slice text)
{
    size_t room = 65536 + text.n + text.n / 8;

    assert_true(buf_reserve(out, room));
    if (kind == ZIP_ZSTD) {
        size_t n = ZSTD_compress(out->p + out->n, room, text.p, text.n, 3);

        assert_false(ZSTD_isError(n));
        out->n += n;
    } else if (kind == ZIP_GZIP) {
        z_stream z = { 0 };

        assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
        z.next_in = (Bytef *)(uintptr_t)text.p;
        z.avail_in = (uInt)text.n;
        z.next_out = (Bytef *)out->p + out->n;
        z.avail_out = (uInt)room;
        assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
        out->n += room - z.avail_out;
        (void)deflateEnd(&z);
    } else {
        buf_slice(out, text);
    }
}

static inline void zip_write(struct rig *r, const char *name, enum zip_kind kind, struct slice text)
{
    struct buf out = BUF_INIT;

    zip_add(&out, kind, text);
    rig_write(r, name, O_TRUNC, buf_view(&out));
    buf_fini(&out);
}

/* `gzip name` or `zstd --rm name`: the archive has the time of the log, which is then deleted. */
static inline void zip_file(struct rig *r, const char *name, const char *to, enum zip_kind kind)
{
    struct buf text = BUF_INIT;
    struct stat st;

    assert_int_equal(stat(rig_path(r, name), &st), 0);
    assert_int_equal(file_read(AT_FDCWD, rig_path(r, name), 1 << 30, &text, NULL), 0);
    zip_write(r, to, kind, buf_view(&text));
    assert_int_equal(
        utimensat(AT_FDCWD, rig_path(r, to), (struct timespec[2]){ st.st_atim, st.st_mtim }, 0), 0);
    assert_int_equal(unlink(rig_path(r, name)), 0);
    buf_fini(&text);
}
