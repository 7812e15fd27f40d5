/* JSON that is written. */
#include <stdio.h>

#include "base/clock.h"
#include "base/json-private.h"

void buf_json(struct buf *b, struct slice text)
{
    static const char hex[] = "0123456789abcdef";
    static const char named[] = {
        ['\b'] = 'b', ['\f'] = 'f', ['\n'] = 'n', ['\r'] = 'r', ['\t'] = 't'
    };
    static const bool escaped[256] = {
        [0 ... 0x1f] = true, ['"'] = true, ['\\'] = true, [0x7f] = true
    };
    size_t from = 0;

    for (size_t i = 0; i < text.n; i++) {
        unsigned char c = (unsigned char)text.p[i];

        if (LIKELY(!escaped[c]))
            continue;
        buf_add(b, text.p + from, i - from);
        from = i + 1;
        buf_char(b, '\\');
        if (c == '"' || c == '\\')
            buf_char(b, (char)c);
        else if (c < sizeof named && named[c])
            buf_char(b, named[c]);
        else {
            const char u[] = { 'u', '0', '0', hex[c >> 4], hex[c & 15] };

            buf_add(b, u, sizeof u);
        }
    }
    buf_add(b, text.p + from, text.n - from);
}

static void before(struct json_writer *w)
{
    if (w->comma)
        buf_char(w->out, ',');
    w->comma = true;
}

static void open(struct json_writer *w, char c)
{
    before(w);
    buf_char(w->out, c);
    w->comma = false;
}

static void end(struct json_writer *w, char c)
{
    buf_char(w->out, c);
    w->comma = true;
}

void json_object(struct json_writer *w)
{
    open(w, '{');
}

void json_object_end(struct json_writer *w)
{
    end(w, '}');
}

void json_array(struct json_writer *w)
{
    open(w, '[');
}

void json_array_end(struct json_writer *w)
{
    end(w, ']');
}

void json_put_slice(struct json_writer *w, struct slice text)
{
    struct arena *a = NULL;

    before(w);
    buf_char(w->out, '"');
    if (json_cleaned(&a, &text))
        buf_json(w->out, text);
    else
        w->out->failed = true;
    buf_char(w->out, '"');
    arena_free(a);
}

void json_key_slice(struct json_writer *w, struct slice key)
{
    json_put_slice(w, key);
    buf_char(w->out, ':');
    w->comma = false;
}

/* Keys of our own are plain. */
void json_key(struct json_writer *w, const char *key)
{
    before(w);
    buf_char(w->out, '"');
    buf_str(w->out, key);
    buf_add(w->out, "\":", 2);
    w->comma = false;
}

void json_put_str(struct json_writer *w, const char *text)
{
    json_put_slice(w, slice_str(text));
}

void json_put_u64(struct json_writer *w, uint64_t v)
{
    before(w);
    buf_u64(w->out, v);
}

void json_put_i64(struct json_writer *w, int64_t v)
{
    before(w);
    buf_printf(w->out, "%lld", (long long)v);
}

void json_put_bool(struct json_writer *w, bool v)
{
    before(w);
    buf_str(w->out, v ? "true" : "false");
}

void json_put_null(struct json_writer *w)
{
    before(w);
    buf_str(w->out, "null");
}

void json_put_time(struct json_writer *w, uint64_t us)
{
    char text[TIME_TEXT_SIZE];

    time_text(us, text);
    json_put_str(w, text);
}

void json_put_raw(struct json_writer *w, struct slice json)
{
    before(w);
    buf_slice(w->out, json);
}

void json_member_slice(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, key);
    json_put_slice(w, text);
}

void json_member_buf(struct json_writer *w, const char *key, const struct buf *text)
{
    json_member_slice(w, key, buf_view(text));
    w->out->failed = w->out->failed || !buf_ok(text);
}

void json_member_str(struct json_writer *w, const char *key, const char *text)
{
    json_key(w, key);
    json_put_str(w, text);
}

void json_member_u64(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, key);
    json_put_u64(w, v);
}

void json_member_bool(struct json_writer *w, const char *key, bool v)
{
    json_key(w, key);
    json_put_bool(w, v);
}

void json_member_time(struct json_writer *w, const char *key, uint64_t us)
{
    json_key(w, key);
    json_put_time(w, us);
}

void json_put_tree(struct json_writer *w, const struct json *tree)
{
    bool object = tree->type == JSON_OBJECT;

    if (tree->type == JSON_STRING) {
        json_put_slice(w, tree->text);
        return;
    }
    if (!object && tree->type != JSON_ARRAY) {
        json_put_raw(w, tree->type == JSON_NULL ? SLICE("null") : tree->text);
        return;
    }
    object ? json_object(w) : json_array(w);
    for (const struct json *m = tree->child; m; m = m->next) {
        if (object)
            json_key_slice(w, m->key);
        json_put_tree(w, m);
    }
    object ? json_object_end(w) : json_array_end(w);
}
