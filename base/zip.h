/*
 * Zip: the content of a file, unpacked when it is compressed.
 *
 * gzip (any number of members) and zstd (any number of frames) are known by
 * their first bytes, never by name; everything else is read as it is. It goes
 * forward only: a position is reached by reading up to it. The bytes and
 * positions are those of the content, so what is found in a compressed log is
 * found at the same place as in the log it was made of.
 *
 * Archives are hostile. Memory is bounded (a zstd window of 128 MiB at most),
 * each call reads a bounded part of the file, and content beyond ZIP_BYTES_MAX
 * or, past the first ZIP_FREE_BYTES, beyond ZIP_RATIO_MAX times its archive is
 * refused. gzip cannot pass 1,032 times; of a log of real lines zstd makes less
 * than a hundredth.
 */
#pragma once

#include "base/err.h"

#define ZIP_FREE_BYTES (UINT64_C(64) << 20)
#define ZIP_RATIO_MAX 2000u
#define ZIP_BYTES_MAX (UINT64_C(64) << 30)
#define ZIP_WINDOW_LOG_MAX 27

enum zip_kind {
    ZIP_NONE,
    ZIP_GZIP,
    ZIP_ZSTD,
};

struct zip;

/* What the file begins like; ZIP_NONE when it cannot be read. */
enum zip_kind zip_kind_of(int fd);

/* Borrows fd, which is read with pread, until zip_free(). */
int zip_new(int fd, struct zip **ret, struct err *err);
void zip_free(struct zip *z);
DEFINE_AUTO(zip)

uint64_t zip_position(const struct zip *z); /* of the next byte of content */
uint64_t zip_consumed(const struct zip *z); /* bytes of the file */

/*
 * The next bytes of the content, n at most: how many; 0 = the content is over;
 * -EAGAIN = none yet, call again (a long part of the archive holds nothing).
 * What was readable comes before any fault: -ENODATA the archive is cut short,
 * -EBADMSG it is damaged, -EFBIG it is a bomb, -EIO, -ENOMEM. A fault stays.
 */
ssize_t zip_read(struct zip *z, void *p, size_t n, struct err *err);
