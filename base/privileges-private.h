/* Between the parts of base/privileges: each takes one kind of right away, for good. */
#pragma once

#include "base/privileges.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PRIVILEGES_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define PRIVILEGES_SANITIZER 1
#endif
#endif
#ifndef PRIVILEGES_SANITIZER
#define PRIVILEGES_SANITIZER 0
#endif

/* Adds "what" to a list with commas; ret_missing may be NULL. */
void privileges_missing(struct buf *ret_missing, const char *what);

int privileges_landlock(const struct privileges *p, struct buf *ret_missing, struct err *err);
int privileges_seccomp(const struct privileges *p, struct err *err);
