/*
 * UTF-8 (RFC 3629): strict check, and the cleaner that makes any bytes safe
 * to match and to print.
 *
 * Overlong forms, surrogates and code points past U+10FFFF are invalid; the
 * cleaner puts one U+FFFD for each maximal wrong part, as Unicode 3.9 advises.
 */
#pragma once

#include "base/arena.h"

bool utf8_valid(struct slice s);
/* Nothing but ASCII without control characters, as most log lines are. */
bool utf8_is_plain(struct slice s);
/* The slice itself when it is valid; else a cleaned copy in the arena (p NULL: memory). */
struct slice utf8_clean(struct arena *a, struct slice s, bool *ret_changed);
/* Length of the first character (1..4), its code point; 0 when invalid or empty. */
unsigned utf8_decode(struct slice s, uint32_t *ret_cp);
unsigned utf8_encode(uint32_t cp, char out[4]); /* what is no character becomes U+FFFD */
/* At most max bytes, never cutting inside a character. */
struct slice utf8_cut(struct slice s, size_t max);

/*
 * Removes ECMA-48 escape sequences (CSI, OSC and the like, two-byte, with
 * intermediates). Copy only when needed; p NULL: memory. Valid UTF-8 stays valid.
 * Unlike a terminal, a string that nothing ends loses its first two bytes only:
 * else a user name could hide the rest of its line from the rules.
 */
struct slice ansi_strip(struct arena *a, struct slice s);

/* For a terminal: control bytes (C0, DEL, C1) as \x1b and the like, invalid bytes as \xff. */
void buf_printable(struct buf *b, struct slice s);
