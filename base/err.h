/*
 * One error, filled where it happens, worded from the outside in.
 *
 * A function that can fail takes `struct err *err` last and returns 0 or a
 * negative errno; the caller may add what it was trying with err_while() and
 * returns it further. No allocation: reporting that memory is out must work.
 * `err` may be NULL where nobody wants the text. Text from outside is given
 * through "%s" and is made printable here (control bytes become '?').
 */
#pragma once

#include <errno.h>
#include <stdarg.h>

#include "base/macros.h"

/* A place that a person wrote. line and column are 1-based; line 0 = no place. */
struct src_pos {
    const char *file; /* borrowed; lives as long as the loaded set */
    unsigned line;
    unsigned column;
};

struct err {
    int code; /* negative errno; 0 = none */
    struct src_pos at; /* where a person wrote it; else line 0 */
    char text[232];
};

#define ERR_NONE                                                                                   \
    {                                                                                              \
        0                                                                                          \
    }

/* Returns code (always negative; a 0 or positive one becomes -EINVAL). */
int err_set(struct err *err, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);
int err_set_at(struct err *err, int code, struct src_pos at, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

/*
 * Puts "what: " before the text; keeps the place and the code, and returns the
 * code. A NULL err has lost its code: then -EINVAL.
 */
int err_while(struct err *err, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* What a callee put there; -EIO when nobody wanted the error and so nobody knows. */
static inline int err_code(const struct err *err)
{
    return err && err->code < 0 ? err->code : -EIO;
}

/* -ENOMEM with its text. */
int err_nomem(struct err *err);

/* "Permission denied" for -EACCES or EACCES. Never fails. */
const char *err_name(int code);
