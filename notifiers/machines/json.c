/*
 * Our own JSON: the entry as it stands in the trail, so that what arrives can be proved there. It
 * is never changed: one that is too large comes as its leaf, without the personal values (the raw
 * text is among them), and when that is too large, too, as its first members.
 */
#include "base/clock.h"
#include "notifiers/machines/encoder-private.h"

/* The TAB is kept where nothing reads it otherwise: relays of syslog turn it into #011. */
static void put_line(const struct encoder_settings *s, struct slice line, struct buf *out)
{
    size_t tab = s->header == HEADER_NONE ? SIZE_MAX : slice_find_byte(line, '\t');

    if (tab == SIZE_MAX) {
        buf_slice(out, line);
        return;
    }
    buf_slice(out, slice_take(line, tab));
    buf_char(out, ' ');
    buf_slice(out, slice_skip(line, tab + 1));
}

static void encode(const struct encoder_settings *s, const struct trail_record *r,
                   const struct encode_limits *l, struct buf *out)
{
    size_t tab = slice_find_byte(r->line, '\t');
    struct json_put j = { .out = out };

    if (l->raw) {
        put_line(s, r->line, out);
    } else if (!l->least) {
        buf_slice(out, slice_take(r->line, tab == SIZE_MAX ? r->line.n - 1 : tab));
        buf_str(out, l->truncated ? ",\"truncated\":true}" : "}");
    } else {
        jput_open(&j, NULL, '{');
        jput_u64(&j, "i", r->index);
        jput_time(&j, "t", r->time_us);
        jput_long(&j, "type", r->type, 128);
        jput_bool(&j, "truncated", true);
        jput_close(&j, '}');
    }
}

const struct encoder encoder_json = {
    .name = "json",
    .summary = "the entry as it stands in the trail",
    .content_type = "application/json",
    .json = true,
    .encode = encode,
};
