/*
 * Functions that have a safer twin in base/: using one is a compile error.
 * Forced into every file of ours by the build (-include), after the libc
 * headers that declare them.
 */
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#pragma GCC poison strcpy strcat sprintf vsprintf strtok atoi atol gets
#pragma GCC poison system popen mktemp tmpnam
#undef alloca
