/*
 * A program of the operator's that takes a ban or a message: an argv list without a shell, a clean
 * environment, a deadline. Exit 0 is done; 75 (EX_TEMPFAIL), a death and the deadline are tried
 * again; all else is final, and the first words of its output stand in the status.
 */
#pragma once

#include "base/option.h"
#include "notifiers/sink.h"

#define PROGRAM_WORDS_MAX 31
#define PROGRAM_VARIABLES_MAX 24

struct program_variable {
    const char *name; /* "TW_ID" */
    struct slice value; /* what is longer than 400 bytes is cut; no NUL */
};

/* An absolute path, and not too many words. */
int program_check(const struct option_strs *words, struct err *err);
/* argv ends with NULL. Variables beside PATH and LANG=C. */
void program_run(const char *const *argv, const struct program_variable *variables, size_t n,
                 struct slice input, uint64_t timeout_us, struct delivery_result *ret);
/* One plain word: no blank, no sign that a script trips over; never a dash in front. */
void program_word(struct slice s, char *out, size_t size);
