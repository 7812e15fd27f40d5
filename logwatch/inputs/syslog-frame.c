#include "logwatch/inputs/syslog-frame.h"

#define DIGITS_MAX 9

static bool ends_line(char c)
{
    return c == '\n' || c == '\0';
}

/* Of the first LF or NUL, or SIZE_MAX. */
static size_t line_end(struct slice s)
{
    size_t lf = slice_find_byte(s, '\n');
    size_t nul = slice_find_byte(slice_take(s, lf), '\0');

    return nul == SIZE_MAX ? lf : nul;
}

enum counting { LINE, COUNTED, OPEN };

/* How the message begins; OPEN when the bytes do not tell yet. */
static enum counting counting(struct slice s, bool end, size_t *ret_head, uint64_t *ret_length)
{
    uint64_t v = 0;
    size_t n = 0;

    if (s.p[0] < '1' || s.p[0] > '9')
        return LINE;
    for (; n < s.n && n <= DIGITS_MAX && s.p[n] >= '0' && s.p[n] <= '9'; n++)
        v = v * 10 + (uint64_t)(s.p[n] - '0');
    if (n > DIGITS_MAX)
        return LINE; /* nobody counts that far: it is text */
    if (n < s.n && s.p[n] != ' ')
        return LINE;
    if (n + 1 < s.n && s.p[n + 1] != '<')
        return LINE;
    if (n + 1 >= s.n)
        return end ? LINE : OPEN;
    *ret_head = n + 1;
    *ret_length = v;
    return COUNTED;
}

static bool counted_message(struct syslog_framer *f, struct slice s, uint64_t length, size_t max,
                            bool end, struct syslog_frame *ret)
{
    size_t want = length < max ? (size_t)length : max;

    if (s.n < want && !end)
        return false;
    ret->counted = true;
    ret->partial = s.n < want;
    ret->cut = !ret->partial && length > max;
    ret->text = slice_take(s, want);
    f->skip = ret->cut ? length - max : 0;
    return true;
}

/* The line at s; *ret_used counts its end, too. */
static bool line_message(struct syslog_framer *f, struct slice s, size_t max, bool end,
                         struct syslog_frame *ret, size_t *ret_used)
{
    size_t n = line_end(slice_skip(s, f->scanned));

    ret->text = s;
    *ret_used = s.n;
    if (n != SIZE_MAX) {
        n += f->scanned;
        *ret_used = n + 1;
        if (s.p[n] == '\n' && n && s.p[n - 1] == '\r')
            n--;
        ret->text = slice_take(s, n);
    } else if (s.n > max + 1) { /* one more may be a CR */
        f->skip_line = true;
    } else if (end) {
        ret->partial = true;
    } else {
        f->scanned = s.n;
        return false;
    }
    ret->cut = ret->text.n > max;
    ret->text = slice_take(ret->text, max);
    f->scanned = 0;
    return true;
}

/* What is left of a long message, and the ends of lines between two. True when all of it is gone.
 */
static bool skip_rest(struct syslog_framer *f, struct slice s, size_t *ret_used)
{
    size_t n = s.n;

    if (f->skip) {
        n = f->skip < s.n ? (size_t)f->skip : s.n;
        f->skip -= n;
    } else if (f->skip_line) {
        size_t end = line_end(s);

        n = end == SIZE_MAX ? s.n : end + 1;
        f->skip_line = end == SIZE_MAX;
    } else {
        n = 0;
    }
    if (!f->skip && !f->skip_line)
        while (n < s.n && (ends_line(s.p[n]) || s.p[n] == '\r'))
            n++;
    *ret_used = n;
    return n < s.n;
}

bool syslog_frame_next(struct syslog_framer *f, struct slice bytes, size_t max, bool end,
                       struct syslog_frame *ret)
{
    struct slice s;
    size_t head, n;
    uint64_t length;
    bool found;

    *ret = (struct syslog_frame){ 0 };
    if (!skip_rest(f, bytes, &ret->used))
        return false;
    s = slice_skip(bytes, ret->used);
    switch (counting(s, end, &head, &length)) {
    case OPEN:
        return false;
    case COUNTED:
        found = counted_message(f, slice_skip(s, head), length, max, end, ret);
        n = head + ret->text.n;
        break;
    case LINE:
    default:
        found = line_message(f, s, max, end, ret, &n);
        break;
    }
    if (found)
        ret->used += n;
    return found;
}
