/*
 * Notes in what people keep: a mail as it was saved, a chat, lines of alert documents. Only the
 * wrapping is undone here (quoted-printable, JSON, line ends of DOS, marks of quoting); what is
 * found is judged as any note is.
 */
#include <errno.h>

#include "audit/anchor.h"
#include "audit/audit-private.h"

#define DASH "\xe2\x80\x94 "
#define MEMBER "\"checkpoint\":\""

static bool is_root(struct slice line)
{
    uint8_t root[HASH_SIZE];
    size_t n;

    return line.n == 44 && base64_decode(line, true, root, sizeof root, &n) == 0 && n == HASH_SIZE;
}

static bool is_size(struct slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (line.p[i] < '0' || line.p[i] > '9')
            return false;
    return line.n > 0 && line.n <= 20;
}

/* ---- unwrapping ---- */

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

/* RFC 2045, section 6.7. Only where a note's dash stands as such: base64 ends in '=', too. */
static void unquote(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        int high = i + 2 < s.n ? hex_digit(s.p[i + 1]) : -1;
        int low = i + 2 < s.n ? hex_digit(s.p[i + 2]) : -1;

        if (s.p[i] != '=') {
            buf_char(out, s.p[i]);
        } else if (i + 1 < s.n && s.p[i + 1] == '\n') {
            i++; /* a soft break */
        } else if (i + 2 < s.n && s.p[i + 1] == '\r' && s.p[i + 2] == '\n') {
            i += 2;
        } else if (high >= 0 && low >= 0) {
            buf_char(out, (char)(high << 4 | low));
            i += 2;
        } else {
            buf_char(out, '=');
        }
    }
}

/* The string of a member `checkpoint`, on lines of its own. */
static void unescape(struct slice s, struct buf *out)
{
    for (size_t i = 0; i < s.n; i++) {
        if (slice_starts(slice_skip(s, i), SLICE(MEMBER))) {
            buf_char(out, '\n');
            i += strlen(MEMBER) - 1;
        } else if (s.p[i] == '\\' && i + 1 < s.n && s.p[i + 1] == 'n') {
            buf_char(out, '\n');
            i++;
        } else {
            buf_char(out, s.p[i]);
        }
    }
}

/* Each line without CR, blanks at its ends, and the marks of who quoted it. */
static void trim_lines(struct slice s, struct buf *out)
{
    struct slice line;

    while (s.n && slice_split(&s, '\n', &line)) {
        line = slice_trim(line);
        while (line.n && line.p[0] == '>')
            line = slice_trim(slice_skip(line, 1));
        buf_slice(out, line);
        buf_char(out, '\n');
    }
}

int audit_notes_unwrap(struct slice text, struct buf *out)
{
    AUTO_BUF plain = BUF_INIT;
    AUTO_BUF flat = BUF_INIT;

    if (slice_find(text, SLICE("=E2=80=94 ")) != SIZE_MAX)
        unquote(text, &plain);
    else
        buf_slice(&plain, text);
    if (slice_find(buf_view(&plain), SLICE(MEMBER)) != SIZE_MAX)
        unescape(buf_view(&plain), &flat);
    else
        buf_slice(&flat, buf_view(&plain));
    trim_lines(buf_view(&flat), out);
    return buf_ok(&plain) && buf_ok(&flat) && buf_ok(out) ? 0 : -ENOMEM;
}

/* ---- finding ---- */

static bool signed_by(struct slice line, struct slice name)
{
    line = slice_skip(line, strlen(DASH));
    return slice_starts(line, name) && line.n > name.n && line.p[name.n] == ' ';
}

/*
 * A note begins here: three lines, an empty one, signatures, one of them by the origin itself (a
 * first line with something before it is none). Its length; 0 = none does.
 */
static size_t note_length(struct slice s)
{
    struct slice origin, size, root, empty, line, rest = s;
    const char *end = NULL;
    bool own = false;

    if (!slice_split(&rest, '\n', &origin) || !slice_split(&rest, '\n', &size) ||
        !slice_split(&rest, '\n', &root) || !slice_split(&rest, '\n', &empty) || origin.n == 0 ||
        empty.n || !is_size(size) || !is_root(root))
        return 0;
    while (rest.n && slice_split(&rest, '\n', &line) && slice_starts(line, SLICE(DASH)) && rest.p) {
        end = line.p + line.n + 1;
        own = own || signed_by(line, origin);
    }
    return own ? (size_t)(end - s.p) : 0;
}

bool audit_notes_next(struct slice *rest, struct slice *ret_note)
{
    while (rest->n) {
        size_t n = note_length(*rest), lf = slice_find_byte(*rest, '\n');

        if (n) {
            *ret_note = slice_take(*rest, n);
            *rest = slice_skip(*rest, n);
            return true;
        }
        *rest = lf == SIZE_MAX ? SLICE_NONE : slice_skip(*rest, lf + 1);
    }
    return false;
}
