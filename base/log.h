/*
 * What the program says about itself, on stderr: one line each, with a
 * syslog priority prefix (<4>) when stderr is the journal.
 *
 * Only logwatch/ and a role's main loop call this; everything else returns
 * errors. The only global state of the program. Control bytes are escaped.
 */
#pragma once

#include "base/err.h"

enum log_level { /* syslog numbers, RFC 5424 */
                 LOG_LEVEL_ERROR = 3,
                 LOG_LEVEL_WARNING = 4,
                 LOG_LEVEL_NOTICE = 5,
                 LOG_LEVEL_INFO = 6,
                 LOG_LEVEL_DEBUG = 7,
};

void log_init(enum log_level max, const char *role); /* role is borrowed for ever */
void log_at(enum log_level level, const char *fmt, ...) PRINTF_LIKE(2, 3);
#define log_error(...) log_at(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warning(...) log_at(LOG_LEVEL_WARNING, __VA_ARGS__)
#define log_notice(...) log_at(LOG_LEVEL_NOTICE, __VA_ARGS__)
#define log_info(...) log_at(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_at(LOG_LEVEL_DEBUG, __VA_ARGS__)
void log_err(enum log_level level, const struct err *err);

/*
 * For a fault that can repeat: true at most once an interval of 60 s;
 * ret_missed is how many were swallowed since.
 */
struct log_gate {
    uint64_t next_us;
    uint64_t missed;
};
bool log_gate(struct log_gate *g, uint64_t now_mono_us, uint64_t *ret_missed);
