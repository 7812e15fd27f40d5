/* `trail show` and `trail grep`: entries by type, time, field and text. */
#include <errno.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"

#define SHOWN_BYTES 60 /* of a member, on a terminal */
#define TYPE_COLUMN 14

struct show {
    struct cli *cli;
    struct arena *arena;
    const char *text; /* that an entry holds; NULL: any */
    struct slice field, value; /* of --field; field.n = 0: any */
    uint64_t since_us, until_us, limit, shown;
};

/* {"i":N,"t":"...","type":"...": in every line at the same places behind the number. */
static bool head_of(struct slice line, uint64_t *ret_us, struct slice *ret_type)
{
    size_t at = slice_find(slice_take(line, 40), SLICE(",\"t\":\""));
    struct slice rest = at == SIZE_MAX ? SLICE("") : slice_skip(line, at + 6);
    size_t end;

    if (rest.n < 40 || time_parse_rfc3339(slice_take(rest, 27), ret_us) < 0)
        return false;
    rest = slice_skip(rest, 27 + strlen("\",\"type\":\""));
    end = slice_find_byte(rest, '"');
    *ret_type = slice_take(rest, end == SIZE_MAX ? 0 : end);
    return true;
}

/* A member, or a personal value, which stands behind its salt. */
static bool has_field(const struct show *s, const struct json *doc)
{
    for (const struct json *m = doc ? doc->child : NULL; m; m = m->next)
        if (slice_eq(m->key, s->field) && m->type <= JSON_STRING && slice_eq(m->text, s->value))
            return true;
    for (const struct json *p = json_get(doc, "pii") ? json_get(doc, "pii")->child : NULL; p;
         p = p->next)
        if (slice_eq(p->key, s->field) && p->child && p->child->next &&
            slice_eq(p->child->next->text, s->value))
            return true;
    return false;
}

static void print_members(const struct json *doc, struct buf *b)
{
    for (const struct json *m = doc ? doc->child : NULL; m; m = m->next) {
        if (m->type > JSON_STRING || slice_is(m->key, "i") || slice_is(m->key, "t") ||
            slice_is(m->key, "type"))
            continue;
        buf_char(b, ' ');
        buf_printable(b, m->key);
        buf_char(b, '=');
        buf_printable(b, utf8_cut(m->text, SHOWN_BYTES));
    }
}

static void print_entry(const struct show *s, uint64_t index, struct slice line,
                        const struct json *doc)
{
    AUTO_BUF b = BUF_INIT;
    size_t at;

    if (cli_has(s->cli, CLI_JSON)) {
        fprintf(s->cli->out, "%.*s\n", SLICE_FMT(line));
        return;
    }
    buf_printf(&b, "%6llu  ", (unsigned long long)index);
    buf_printable(&b, slice_take(json_text(doc, "t"), 19));
    buf_str(&b, "Z  ");
    at = b.n;
    buf_printable(&b, json_text(doc, "type"));
    while (b.n < at + TYPE_COLUMN && buf_ok(&b))
        buf_char(&b, ' ');
    print_members(doc, &b);
    fprintf(s->cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

/* What costs little is asked first: most lines are none of those wanted. */
static int show_entry(void *ctx, uint64_t index, struct slice line)
{
    struct show *s = ctx;
    const struct json *doc;
    struct slice type = SLICE("");
    uint64_t us = 0;
    bool head = head_of(line, &us, &type);

    if (head && s->until_us && us > s->until_us)
        return 1;
    if (head && us < s->since_us)
        return 0;
    if (cli_has(s->cli, CLI_TYPE) && !slice_is(type, s->cli->values[CLI_TYPE]))
        return 0;
    if (s->text && slice_find(line, slice_str(s->text)) == SIZE_MAX)
        return 0;
    arena_reset(s->arena);
    doc = json_load(s->arena, line, NULL);
    if (s->field.n && !has_field(s, doc))
        return 0;
    print_entry(s, index, line, doc);
    return ++s->shown >= s->limit ? 1 : 0;
}

/* ---- from when on ---- */

/* Times of entries never go back, so the first one of a time is found by halving. */
static uint64_t first_since(const char *folder, uint64_t since_us)
{
    AUTO(audit_view) v = NULL;
    uint64_t low, high;

    if (since_us == 0 || audit_view_open(folder, &v, NULL) < 0)
        return 0;
    low = audit_view_first(v);
    high = audit_view_size(v);
    while (low < high) {
        uint64_t mid = low + (high - low) / 2, us;
        AUTO_BUF line = BUF_INIT;
        struct slice type;

        if (audit_view_line(v, mid, &line, NULL) < 0 || !head_of(buf_view(&line), &us, &type))
            return 0; /* a trail that is not sound: every line is looked at */
        if (us < since_us)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

/* ---- the commands ---- */

static int options(struct show *s)
{
    struct slice rest;

    if (cli_has(s->cli, CLI_LIMIT) &&
        parse_u64(slice_str(s->cli->values[CLI_LIMIT]), 1, UINT64_MAX, &s->limit) < 0) {
        fputs("trailwarden: --limit takes a number\n", stderr);
        return EXIT_USAGE;
    }
    if (cli_has(s->cli, CLI_FIELD)) {
        rest = slice_str(s->cli->values[CLI_FIELD]);
        if (!slice_split(&rest, '=', &s->field) || !rest.p || s->field.n == 0) {
            fputs("trailwarden: --field is NAME=VALUE, like rule=xui-brute-force or"
                  " user.name=alice\n",
                  stderr);
            return EXIT_USAGE;
        }
        s->value = rest;
    }
    if (cli_time(s->cli, CLI_SINCE, &s->since_us) || cli_time(s->cli, CLI_UNTIL, &s->until_us))
        return EXIT_USAGE;
    return EXIT_DONE;
}

static int show(struct cli *cli, const char *text)
{
    AUTO(config) c = NULL;
    AUTO(arena) a = arena_new(16384, 64 << 20);
    struct show s = { .cli = cli, .arena = a, .text = text, .limit = UINT64_MAX };
    struct err err = ERR_NONE;
    const char *folder;
    int r = options(&s);

    if (r == EXIT_DONE)
        r = cli_trail(cli, &c, &folder);
    if (r || !a)
        return r ? r : EXIT_FAILED;
    if (audit_each(folder, first_since(folder, s.since_us), show_entry, &s, &err) < 0)
        return cli_error(&err);
    return s.shown == 0 && (cli_has(cli, CLI_FAIL_EMPTY)) ? EXIT_NOTHING : EXIT_DONE;
}

int command_trail_show(struct cli *cli)
{
    return show(cli, cli->values[CLI_GREP]);
}

int command_trail_grep(struct cli *cli)
{
    if (cli->nargs != 1) {
        fputs("trailwarden: trail grep takes one text; see `trailwarden trail grep --help`\n",
              stderr);
        return EXIT_USAGE;
    }
    return show(cli, cli->args[0]);
}
