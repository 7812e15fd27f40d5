/*
 * Private to parsers/formats-*.c: a format while it is read. Faults are told as they are found, and
 * a format with any is refused at its end.
 */
#pragma once

#include "parsers/format.h"

struct build {
    struct formats *set;
    struct format *f;
    struct arena *a;
    struct diag *d;
    const struct yaml *patterns; /* named pieces: %{NAME} */
    bool failed;
};

void format_fault(struct build *b, struct src_pos at, const char *text);
/* names: of which the nearest is a hint; or NULL. */
void format_unknown(struct build *b, struct slice name, struct src_pos at, const char *what,
                    const char *const *names);

/* Where a value of this name goes. false: it is no field, and no word for one. */
bool format_read_target(struct build *b, struct slice name, struct target *ret);
/* The set keeps it. NULL: a fault. */
struct regex *format_read_regex(struct build *b, const struct yaml *y, bool both_ends);
/* A pattern of our own making, as those are read. NULL: there is none. */
struct regex *format_make_regex(struct build *b, struct slice pattern);
void format_read_captures(struct build *b, const struct yaml *y, struct captures *c);
