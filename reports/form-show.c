/* Texts, numbers and facts of a report, made fit for the forms. */
#include "reports/form-private.h"

#include <math.h>
#include <stdio.h>

/* On one character: marks that pile up, and all that has no width (a flag of emoji has 6). */
enum { PILED_MAX = 4, MARKS_MAX = 8 };

static const char hex[] = "0123456789abcdef";

/* Controls, bidirectional controls, separators of lines and paragraphs, what is no character. */
static bool hidden(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || (cp >= 0x2028 && cp <= 0x202e) ||
           (cp >= 0x2066 && cp <= 0x206f) || cp == 0xfeff || (cp >= 0xfff9 && cp <= 0xfffb) ||
           (cp & 0xfffe) == 0xfffe || (cp >= 0xfdd0 && cp <= 0xfdef);
}

static void escape(struct buf *b, struct slice bytes)
{
    for (size_t i = 0; i < bytes.n; i++) {
        unsigned char c = (unsigned char)bytes.p[i];
        const char text[] = { '\\', 'x', hex[c >> 4], hex[c & 15] };

        buf_add(b, text, sizeof text);
    }
}

/* Joiners, variation selectors and tags change a character, they do not pile up on it. */
static bool piles_up(uint32_t cp)
{
    return cp != 0x200c && cp != 0x200d && !(cp >= 0xfe00 && cp <= 0xfe0f) && cp < 0xe0000;
}

void form_show(struct buf *b, struct slice raw, size_t max)
{
    unsigned marks = 0, piled = 0;

    for (size_t n = 0; raw.n; n++) {
        uint32_t cp = 0;
        unsigned len = utf8_decode(raw, &cp);

        if (n == max) {
            buf_str(b, FORM_CUT);
            return;
        }
        marks = len && form_char_width(cp) == 0 ? marks + 1 : 0;
        piled = marks ? piled + piles_up(cp) : 0;
        if (!len || hidden(cp) || marks > MARKS_MAX || piled > PILED_MAX)
            escape(b, slice_take(raw, len ? len : 1));
        else
            buf_add(b, raw.p, len);
        raw = slice_skip(raw, len ? len : 1);
    }
}

struct slice form_value(struct buf *scratch, struct slice raw)
{
    if (raw.n <= FORM_VALUE_MAX)
        return raw;
    buf_reset(scratch);
    buf_slice(scratch, utf8_cut(raw, FORM_VALUE_MAX));
    buf_str(scratch, FORM_CUT);
    return buf_view(scratch);
}

bool form_line(struct slice *rest, struct slice *ret_line)
{
    if (!slice_split(rest, '\n', ret_line))
        return false;
    if (ret_line->n && ret_line->p[ret_line->n - 1] == '\r')
        ret_line->n--;
    return true;
}

/* The digits of a finite number, at most 32 bytes. */
static size_t digits(double v, char out[32])
{
    int n = 0;

    if (v == 0)
        v = 0; /* not -0 */
    if (fabs(v) < 9007199254740992.0 && v == floor(v))
        return (size_t)snprintf(out, 32, "%.0f", v);
    for (int precision = 6; precision <= 17; precision++) {
        n = snprintf(out, 32, "%.*g", precision, v);
        if (strtod(out, NULL) == v)
            break;
    }
    for (int i = 0; i < n; i++)
        if (out[i] == ',')
            out[i] = '.'; /* of the locale */
    return (size_t)n;
}

void form_number(struct buf *b, double v)
{
    char text[32];

    if (isfinite(v))
        buf_add(b, text, digits(v, text));
}

void form_number_grouped(struct buf *b, double v)
{
    char text[32];
    size_t n, i = 0, whole;

    if (isfinite(v) && fabs(v) < 1e12)
        v = fabs(v) >= 1 ? round(v * 100) / 100 : round(v * 10000) / 10000;
    n = isfinite(v) ? digits(v, text) : 0;

    if (n && text[0] == '-')
        buf_char(b, text[i++]);
    for (whole = i; whole < n && text[whole] >= '0' && text[whole] <= '9';)
        whole++;
    for (; i < whole; i++) {
        buf_char(b, text[i]);
        if (i + 1 < whole && (whole - i - 1) % 3 == 0)
            buf_char(b, ',');
    }
    buf_add(b, text + i, n - i);
}

void form_request(struct buf *b, const struct report *r)
{
    struct slice s = r->request;

    while (s.n) {
        uint32_t cp = 0xfffd;
        unsigned len = utf8_decode(s, &cp);

        if (cp < 0x20)
            buf_char(b, ' ');
        else if (cp < 0x7f)
            buf_char(b, (char)cp);
        else if (cp < 0x10000)
            buf_printf(b, "\\u%04x", cp);
        else
            buf_printf(b, "\\u%04x\\u%04x", 0xd7c0 + (cp >> 10), 0xdc00 + (cp & 0x3ff));
        s = slice_skip(s, len ? len : 1);
    }
}

const char *form_tone_mark(enum report_tone tone)
{
    static const char *const marks[] = {
        [TONE_GOOD] = "\xe2\x9c\x93", [TONE_ATTENTION] = "!", [TONE_BAD] = "\xe2\x9c\x97"
    };

    return (size_t)tone < ARRAY_SIZE(marks) && marks[tone] ? marks[tone] : "";
}

const char *form_tone_word(enum report_tone tone)
{
    static const char *const words[] = { [TONE_NONE] = "none",
                                         [TONE_GOOD] = "good",
                                         [TONE_ATTENTION] = "attention",
                                         [TONE_BAD] = "bad",
                                         [TONE_QUIET] = "quiet" };

    return (size_t)tone < ARRAY_SIZE(words) ? words[tone] : "none";
}

void form_section_number(struct form_numbers *n, const struct report_section *s, struct buf *out)
{
    if (s->level < 2) {
        n->major++;
        n->minor = 0;
        buf_printf(out, "%u", n->major);
    } else {
        n->minor++;
        buf_printf(out, "%u.%u", n->major, n->minor);
    }
}

static void fact(struct form_facts *f, const char *label, struct slice value, bool fixed)
{
    if (value.n)
        f->fact[f->n++] = (struct form_fact){ label, value, fixed };
}

void form_facts(const struct report *r, struct form_facts *ret_facts)
{
    struct form_facts *f = ret_facts;
    struct buf size = { .p = f->size, .cap = sizeof f->size, .limit = sizeof f->size - 1 };

    f->n = 0;
    form_number_grouped(&size, (double)r->size);
    time_text(r->made_us, f->made);
    memcpy(f->made + 19, "Z", 2); /* whole seconds are enough for people */
    fact(f, "Period", r->period, false);
    fact(f, "Subject", r->subject, false);
    fact(f, "Times are in", r->zone, false);
    fact(f, "As of", slice_str(f->made), false);
    fact(f, "Trail", r->origin, false);
    fact(f, "Entries in it", slice_str(f->size), false);
    fact(f, "Root hash", r->root, true);
    fact(f, "Checkpoint", r->checkpoint, true);
    fact(f, "Configuration", r->config_digest, true);
    fact(f, "Made by", r->version, false);
}

bool form_has_samples(const struct report_block *b)
{
    for (size_t i = 0; i < b->nrows; i++)
        if (b->rows[i].nsamples)
            return true;
    return false;
}

int form_end(const struct buf *out, struct err *err)
{
    return buf_ok(out) ? 0 : err_nomem(err);
}
