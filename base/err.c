#include "base/err.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Log text can end up in an error: no control byte of it reaches a terminal. */
static void make_printable(char *text)
{
    for (unsigned char *p = (unsigned char *)text; *p; p++)
        if (*p < 0x20 || *p == 0x7f)
            *p = '?';
}

static int fill(struct err *err, int code, struct src_pos at, const char *fmt, va_list args)
{
    if (code > 0)
        code = -code;
    if (code == 0)
        code = -EINVAL;
    if (!err)
        return code;
    err->code = code;
    err->at = at;
    vsnprintf(err->text, sizeof err->text, fmt, args);
    make_printable(err->text);
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

int err_while(struct err *err, const char *fmt, ...)
{
    char what[sizeof err->text], was[sizeof err->text];
    va_list args;

    if (!err)
        return -EINVAL;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    memcpy(was, err->text, sizeof was);
    was[sizeof was - 1] = '\0';
    snprintf(err->text, sizeof err->text, "%.100s: %.120s", what, was);
    make_printable(err->text);
    return err->code;
}

int err_nomem(struct err *err)
{
    return err_set(err, -ENOMEM, "out of memory");
}

const char *err_name(int code)
{
    return strerror(code < 0 ? -code : code);
}
