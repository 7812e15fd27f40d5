/*
 * Words of the language that C lacks: cleanup at the end of a scope, handing
 * a pointer on, attributes. Included by every other header of base/.
 *
 *     AUTO(format) f = format_new();   format_free(f) at the end of the scope
 *     *ret_format = TAKE(f);           f is NULL now: nothing is freed
 *
 * DEFINE_AUTO(format) beside format_free() in the header makes AUTO(format) work.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))
/* Large and written before it is read: the compiler flag that clears all locals is not for it. */
#define UNINITIALIZED __attribute__((uninitialized))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)
#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Offset of a member, for option tables. */
#define AT(type, member) offsetof(type, member)

#define TAKE(p)                                                                                    \
    __extension__({                                                                                \
        __typeof__(p) taken_ = (p);                                                                \
        (p) = NULL;                                                                                \
        taken_;                                                                                    \
    })

#define TAKE_FD(fd)                                                                                \
    __extension__({                                                                                \
        int taken_ = (fd);                                                                         \
        (fd) = -1;                                                                                 \
        taken_;                                                                                    \
    })

#define DEFINE_AUTO(type)                                                                          \
    static inline void type##_freep(struct type **p)                                               \
    {                                                                                              \
        if (*p)                                                                                    \
            type##_free(*p);                                                                       \
    }
#define AUTO(type) __attribute__((cleanup(type##_freep))) struct type *

static inline void freep_(void *p)
{
    free(*(void **)p);
}
#define AUTO_FREE __attribute__((cleanup(freep_)))

static inline void closep_(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}
#define AUTO_FD __attribute__((cleanup(closep_))) int

#define USEC_PER_SEC UINT64_C(1000000)
#define USEC_PER_MSEC UINT64_C(1000)
