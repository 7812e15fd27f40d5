/*
 * Functions that have a safer twin in base/: using one is a compile error.
 *
 * The build forces this into every file of ours (-include). Poisoning also hits
 * headers read later, so the libc headers that declare or use these names come
 * first. The headers of the libraries do not name the poisoned ones.
 *
 *     strcpy strcat sprintf vsprintf gets   struct buf, snprintf
 *     strtok atoi atol                      slice_split, parse_u64
 *     localtime                             civil_from_us, parsers/time
 *     alloca                                arena, a fixed array
 *     system popen                          proc_run
 *     mktemp tmpnam tempnam                 file_replace
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <wchar.h>

/* clang's fortified headers make it a macro; the declared function stays. */
#undef sprintf

#pragma GCC poison strcpy strcat sprintf vsprintf gets strtok atoi atol
#pragma GCC poison localtime system popen mktemp tmpnam tempnam

/* libfyaml.h has a macro that uses it: not poisoned, but an error where ours call it. */
#pragma GCC diagnostic error "-Walloca"
