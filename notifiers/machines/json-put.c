/* JSON of the encoders: our keys, their values. */
#include "base/clock.h"
#include "notifiers/machines/encoder-private.h"

static void put_key(struct json_put *j, const char *key)
{
    char text[80];
    size_t n = key ? strlen(key) : 0, at = 0;

    if (j->comma)
        text[at++] = ',';
    j->comma = true;
    if (key && n < sizeof text - 8) { /* all of ours are */
        text[at++] = '"';
        memcpy(text + at, key, n);
        at += n;
        text[at++] = '"';
        text[at++] = ':';
    }
    buf_add(j->out, text, at);
}

void jput_open(struct json_put *j, const char *key, char bracket)
{
    put_key(j, key);
    buf_char(j->out, bracket);
    j->comma = false;
}

void jput_close(struct json_put *j, char bracket)
{
    buf_char(j->out, bracket);
    j->comma = true;
}

void jput_long(struct json_put *j, const char *key, struct slice s, size_t max)
{
    if (s.n == 0)
        return;
    put_key(j, key);
    buf_char(j->out, '"');
    text_put(j->out, &text_json, s, max);
    buf_char(j->out, '"');
}

void jput_text(struct json_put *j, const char *key, struct slice s)
{
    jput_long(j, key, s, j->max);
}

void jput_str(struct json_put *j, const char *key, const char *s)
{
    jput_long(j, key, slice_str(s), SIZE_MAX);
}

void jput_raw(struct json_put *j, const char *key, struct slice json)
{
    put_key(j, key);
    buf_slice(j->out, json);
}

void jput_u64(struct json_put *j, const char *key, uint64_t v)
{
    put_key(j, key);
    buf_u64(j->out, v);
}

void jput_bool(struct json_put *j, const char *key, bool v)
{
    jput_raw(j, key, v ? SLICE("true") : SLICE("false"));
}

void jput_time(struct json_put *j, const char *key, uint64_t us)
{
    char time[TIME_TEXT_SIZE];

    time_text(us, time);
    jput_str(j, key, time);
}

void jput_named(struct json_put *j, struct slice name, struct slice s)
{
    if (s.n == 0 || name.n == 0)
        return;
    put_key(j, NULL);
    buf_char(j->out, '"');
    text_put_name(j->out, name, 64, "\"\\.");
    buf_str(j->out, "\":\"");
    text_put(j->out, &text_json, s, j->max);
    buf_char(j->out, '"');
}
