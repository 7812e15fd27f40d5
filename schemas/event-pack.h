/*
 * An event packed: what its short document says, for far less than it costs to write that.
 *
 * A window keeps every event that it counts, and an alert shows ten of them: so events are kept
 * packed, and the document is written for those that are shown. The short document is that of
 * schemas/event.json with long texts cut and without the fields that only repeat the raw text.
 *
 * Packs are stored with signals, so the layout is a format (numbers as in base/ipc.h):
 *     1 (version, one byte) · time u64 · position u64 · stream 16 bytes · trust u8 · cut u8 ·
 *     flags u32 · channel, format, input, raw: text · count of fields u8 · each: type u8,
 *     length of its name u8, its name, value: text
 * Signals of versions before hold the document itself, which begins with '{'; it is read as well.
 */
#pragma once

#include "schemas/event.h"

/* Texts are cut so that the document has about max bytes. */
void event_pack(const struct event *ev, size_t max, struct buf *out);

/* The document; nothing for what is no pack, or empty. */
void event_pack_json(struct slice pack, struct buf *out);
/* Out of the pack; empty, and TRUST_RECORD, when it tells nothing. */
struct slice event_pack_channel(struct slice pack, struct arena *a);
struct slice event_pack_raw(struct slice pack, struct arena *a);
enum trust event_pack_trust(struct slice pack);
