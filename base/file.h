/*
 * Whole files: reading with a cap, replacing so that a crash leaves the old
 * or the new one, making directories, syncing.
 */
#pragma once

#include "base/err.h"
#include "base/slice.h"

/* A regular file of at most max bytes. -EISDIR, -EFBIG, -ENOENT, ... with text. */
int file_read(int dir_fd, const char *path, size_t max, struct buf *out, struct err *err);
/* temp file, write, fsync, rename, fsync of the directory. */
int file_replace(int dir_fd, const char *path, struct slice bytes, unsigned mode, struct err *err);
/*
 * The same in two steps, for many files of one folder: file_put() leaves the old or the new one
 * after a crash; the new one for sure once file_sync_folder() was told the path of any of them.
 */
int file_put(int dir_fd, const char *path, struct slice bytes, unsigned mode, struct err *err);
int file_sync_folder(int dir_fd, const char *path, struct err *err);
/* mkdir -p below dir_fd; existing ones are fine. */
int dir_make(int dir_fd, const char *path, unsigned mode, struct err *err);
/*
 * A file of `bytes` that take their room on the disk now, to be deleted when it is full. One that
 * is there already is kept. -ENOSPC when less than as much again would stay free.
 */
int file_reserve(int dir_fd, const char *path, uint64_t bytes, struct err *err);
int fd_write_all(int fd, const void *p, size_t n);
int fd_pwrite_all(int fd, const void *p, size_t n, uint64_t offset);
