/*
 * What all inputs do alike: put notices and cursors into a block, and tell
 * the content identity of a stream of lines.
 *
 * Everything is copied into the block's arena.
 */
#pragma once

#include "logwatch/inputs/input.h"

/* -ENOMEM. `type` is a literal; members may be empty. */
int block_notice(struct block *b, const char *type, struct slice members);
int block_cursor(struct block *b, struct slice stream, struct slice value);

/*
 * Identity of a stream by content: the first 16 bytes of SHA-256 over its
 * first line, without LF, of which at most STREAM_KEY_BYTES count. False as
 * long as that line is not complete (`end`: nothing more will come, so it is).
 * A run of NUL bytes before the line does not count (see lines.h).
 */
#define STREAM_KEY_BYTES 1024
bool stream_key(struct slice beginning, bool end, uint8_t ret_key[16]);
