#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "base/utf8.h"

/* What was tried may take this much of the text, so that the cause stays in sight. */
#define WHAT_MAX 110

/*
 * Log text can end up in an error: no control character of it reaches a
 * terminal, not those of C1 either (U+009B begins an escape sequence).
 */
static void make_printable(char *text)
{
    struct slice s = slice_str(text);

    while (s.n) {
        uint32_t cp = 0;
        unsigned n = utf8_decode(s, &cp), step = n ? n : 1;

        if (n == 0 || cp < 0x20 || (cp >= 0x7f && cp < 0xa0))
            memset(text, '?', step);
        text += step;
        s = slice_skip(s, step);
    }
}

/* snprintf() that shows where it had to cut, and never cuts inside a character. */
static void write_text(char *out, size_t size, const char *fmt, va_list args) PRINTF_LIKE(3, 0);
static void write_text(char *out, size_t size, const char *fmt, va_list args)
{
    int n = vsnprintf(out, size, fmt, args);

    if (n < 0)
        out[0] = '\0';
    if (n >= (int)size)
        memcpy(out + utf8_cut(slice_of(out, size - 1), size - 4).n, "...", 4);
    make_printable(out);
}

static int fill(struct err *err, int code, struct src_pos at, const char *fmt, va_list args)
    PRINTF_LIKE(4, 0);
static int fill(struct err *err, int code, struct src_pos at, const char *fmt, va_list args)
{
    char text[sizeof err->text]; /* an argument may be the old err->text */

    if (code > 0)
        code = -code;
    if (code == 0)
        code = -EINVAL;
    if (!err)
        return code;
    write_text(text, sizeof text, fmt, args);
    err->code = code;
    err->at = at;
    memcpy(err->text, text, sizeof text);
    return code;
}

int err_set(struct err *err, int code, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    code = fill(err, code, (struct src_pos){ NULL, 0, 0 }, fmt, args);
    va_end(args);
    return code;
}

int err_set_at(struct err *err, int code, struct src_pos at, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    code = fill(err, code, at, fmt, args);
    va_end(args);
    return code;
}

static void join(char *out, size_t size, const char *fmt, ...) PRINTF_LIKE(3, 4);
static void join(char *out, size_t size, const char *fmt, ...)
{
    va_list args;

    va_start(args, fmt);
    write_text(out, size, fmt, args);
    va_end(args);
}

int err_while(struct err *err, const char *fmt, ...)
{
    char what[WHAT_MAX], was[sizeof err->text];
    va_list args;

    if (!err)
        return -EINVAL;
    va_start(args, fmt);
    write_text(what, sizeof what, fmt, args);
    va_end(args);
    memcpy(was, err->text, sizeof was);
    was[sizeof was - 1] = '\0';
    join(err->text, sizeof err->text, "%s: %s", what, was);
    if (err->code >= 0) /* nobody has set it: still a failure for the caller */
        err->code = -EINVAL;
    return err->code;
}

int err_nomem(struct err *err)
{
    return err_set(err, -ENOMEM, "out of memory");
}

const char *err_name(int code)
{
    const char *text = strerrordesc_np(code < 0 ? -code : code);

    return text ? text : "unknown error";
}
