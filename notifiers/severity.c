#include "notifiers/severity.h"

/* In the order of message_rank(). */
static const struct severity severities[] = {
    { "informational", "\xe2\x84\xb9\xef\xb8\x8f", 6, "info", "P5", 1, true, 0x546e7a, "default" },
    { "low", "\xf0\x9f\x94\xb5", 5, "info", "P4", 2, true, 0x1565c0, "accent" },
    { "medium", "\xf0\x9f\x9f\xa1", 4, "warning", "P3", 3, false, 0xf9a825, "warning" },
    { "high", "\xf0\x9f\x9f\xa0", 3, "error", "P2", 4, false, 0xe65100, "attention" },
    { "critical", "\xf0\x9f\x94\xb4", 2, "critical", "P1", 5, false, 0xb00020, "attention" },
};

const struct severity *severity_of(const struct message *m)
{
    return &severities[message_rank(m)];
}
