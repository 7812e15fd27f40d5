/*
 * Text of strangers, written into a record for another program. One door for all encoders.
 *
 * The order is fixed: bytes that are no UTF-8 become U+FFFD, the value is cut at a code point, then
 * it is escaped as its place asks. So nothing that was escaped is ever cut. Signs that end a line
 * somewhere (C0, DEL, C1, U+2028, U+2029) never pass: each style says what stands for them.
 */
#pragma once

#include "base/slice.h"

struct text_style {
    const char *map[128]; /* what stands for a sign; NULL: itself */
    char special[4]; /* those of the map from blank on, less DEL; it may be filled up with controls
                      */
    bool json; /* C1, U+2028 and U+2029 as \u and digits, not as a blank */
    bool trim; /* blanks at both ends go */
};

extern const struct text_style text_json, /* between quotes */
    text_message, /* plain text of one line: LF is shown */
    text_parameter, /* RFC 5424 PARAM-VALUE, between quotes */
    text_cef_header, text_cef_value, text_leef_header, text_leef_value;

/* At most max bytes of the clean value. */
void text_put(struct buf *b, const struct text_style *style, struct slice s, size_t max);
/*
 * A name of RFC 5424: PRINTUSASCII, other bytes as '_', at most max; "-" when there is none.
 * `not` are further signs that it may not have.
 */
void text_put_name(struct buf *b, struct slice s, size_t max, const char * not );
