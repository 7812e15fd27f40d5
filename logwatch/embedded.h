/*
 * Formats and rules that are inside the program: made by logwatch/embed.awk
 * at build time, so that it works with no file installed.
 */
#pragma once

#include <stddef.h>

struct embedded_file {
    const char *path; /* "rules/library/xui/failed-logins.yml" */
    const char *text;
    size_t n;
};

extern const struct embedded_file embedded_files[];
extern const size_t embedded_files_n;
