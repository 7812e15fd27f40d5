#include "notifiers/dialogue.h"

#include "base/utf8.h"

#define ANSWER_SHOWN 512
#define LINE_SHOWN 400

struct dialogue_notes *dialogue_notes;

/* A copy without secrets; scrubbed before it is cut, else a part of one could stay. */
static void put_clean(struct slice text, size_t max)
{
    char *copy = slice_dup(text);

    if (!copy)
        return;
    for (size_t i = 0; i < DIALOGUE_SECRETS; i++)
        secret_scrub(dialogue_notes->secrets[i], copy);
    buf_printable(&dialogue_notes->text, utf8_cut(slice_str(copy), max));
    if (strlen(copy) > max)
        buf_str(&dialogue_notes->text, "...");
    free(copy);
}

void dialogue_note(const char *who, struct slice text)
{
    if (!dialogue_notes)
        return;
    buf_str(&dialogue_notes->text, who);
    put_clean(text, LINE_SHOWN);
    buf_char(&dialogue_notes->text, '\n');
}

/* A path can be a token, so can a user name in front of the host. */
static struct slice without_path(const char *url)
{
    struct slice s = slice_str(url);
    size_t host = slice_find(s, SLICE("://")), end;

    host = host == SIZE_MAX ? 0 : host + 3;
    end = host;
    while (end < s.n && !strchr("/?#", s.p[end]))
        end++;
    if (slice_find_byte(slice_of(s.p + host, end - host), '@') != SIZE_MAX)
        return SLICE("(hidden)");
    return slice_take(s, end);
}

void dialogue_http(const struct dialogue_exchange *x)
{
    if (!dialogue_notes)
        return;
    buf_printf(&dialogue_notes->text, "> %s ", x->method);
    put_clean(without_path(x->url), LINE_SHOWN);
    buf_printf(&dialogue_notes->text, ", %zu bytes\n", x->sent);
    if (x->status)
        buf_printf(&dialogue_notes->text, "< status %ld after %.0f ms\n", x->status,
                   x->seconds * 1000);
    else
        dialogue_note("< no answer: ", slice_str(x->error));
    if (x->answer.n == 0)
        return;
    buf_str(&dialogue_notes->text, "< ");
    put_clean(x->answer, ANSWER_SHOWN);
    buf_char(&dialogue_notes->text, '\n');
}
