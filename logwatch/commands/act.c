#include "logwatch/commands/act.h"

#include <errno.h>
#include <pwd.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/utf8.h"
#include "logwatch/control.h"

#define ANSWER_US (15 * USEC_PER_SEC) /* a commit on a slow disk fits in */
#define FACT_COLUMN 11

/* ---- the view ---- */

static int open_store(struct desk *d)
{
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    buf_printf(&path, "%s/trailwarden.db", d->config->state);
    if (!buf_ok(&path))
        return EXIT_FAILED;
    if (access(path.p, F_OK) < 0 && errno == ENOENT) {
        fprintf(stderr, "trailwarden: nothing was ever recorded in '%s'\n", d->config->state);
        return EXIT_NO_DAEMON;
    }
    if (store_view(path.p, &d->store, &err) < 0 || store_hold(d->store, &err) < 0)
        return cli_error(&err);
    return EXIT_DONE;
}

int desk_open(struct desk *d, struct cli *cli, bool view)
{
    const struct clock real = CLOCK_REAL;
    AUTO(diag) diag = diag_new();
    int r;

    *d = (struct desk){ .cli = cli, .now_us = clock_now(&real), .line = BUF_INIT };
    d->arena = arena_new(16384, 64 << 20);
    r = diag && d->arena ? cli_config(cli, false, diag, &d->config) : EXIT_FAILED;
    d->w = json_writer(&d->line);
    return r || !view ? r : open_store(d);
}

int desk_look_again(struct desk *d)
{
    store_free(TAKE(d->store));
    return open_store(d);
}

void desk_fini(struct desk *d)
{
    store_free(d->store);
    config_free(d->config);
    arena_free(d->arena);
    buf_fini(&d->line);
}

static const struct rule_info *find_rule(const struct desk *d, const char *text)
{
    size_t i = text ? rules_find(d->config->engine->rules, slice_str(text)) : SIZE_MAX;

    return i == SIZE_MAX ? NULL : rules_info(d->config->engine->rules, i);
}

struct slice desk_rule(const struct desk *d, const char *text)
{
    const struct rule_info *info = find_rule(d, text);

    return info ? info->id : slice_str(text);
}

struct slice desk_rule_title(const struct desk *d, const char *id)
{
    const struct rule_info *info = find_rule(d, id);

    return info ? info->title : slice_str(id);
}

int desk_print(struct desk *d)
{
    if (!buf_ok(&d->line))
        return -ENOMEM;
    fprintf(d->cli->out, "%.*s\n", SLICE_FMT(buf_view(&d->line)));
    buf_reset(&d->line);
    d->w = json_writer(&d->line);
    return 0;
}

/* ---- options ---- */

int act_usage(const struct cli *cli, const char *text)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden %s --help`\n", text, cli->command->name);
    return EXIT_USAGE;
}

int act_limit(const struct cli *cli, size_t fallback, size_t *ret)
{
    uint64_t n = fallback;

    if (cli_has(cli, CLI_LIMIT) && parse_u64(slice_str(cli->values[CLI_LIMIT]), 1, 1000000, &n) < 0)
        return act_usage(cli, "--limit takes a number");
    *ret = (size_t)n;
    return EXIT_DONE;
}

int act_span(const struct cli *cli, uint64_t *ret_since_us, uint64_t *ret_until_us)
{
    int r = cli_time(cli, CLI_SINCE, ret_since_us);

    return r ? r : cli_time(cli, CLI_UNTIL, ret_until_us);
}

int act_level(const struct cli *cli, int *ret_min)
{
    enum level l;

    *ret_min = -1;
    if (!cli_has(cli, CLI_LEVEL))
        return EXIT_DONE;
    if (level_parse(slice_str(cli->values[CLI_LEVEL]), &l) < 0)
        return act_usage(cli, "--level is informational, low, medium, high or critical");
    *ret_min = (int)l;
    return EXIT_DONE;
}

static int unknown_state(const struct cli *cli, const char *(*name)(unsigned i), unsigned n)
{
    AUTO_BUF b = BUF_INIT;

    buf_str(&b, "--status is one of: ");
    for (unsigned i = 0; i < n; i++)
        buf_printf(&b, "%s%s", i ? ", " : "", name(i));
    return act_usage(cli, buf_ok(&b) ? b.p : "--status");
}

int act_states(const struct cli *cli, const char *(*name)(unsigned i), unsigned n, unsigned *ret)
{
    struct slice rest = slice_str(cli->values[CLI_STATUS]), word;

    *ret = 0;
    while (cli_has(cli, CLI_STATUS) && slice_split(&rest, ',', &word)) {
        unsigned i = 0;

        while (i < n && !slice_is(word, name(i)))
            i++;
        if (i == n)
            return unknown_state(cli, name, n);
        *ret |= 1u << i;
    }
    return EXIT_DONE;
}

/* ---- acts ---- */

void act_begin(struct act *a, const char *verb)
{
    *a = (struct act){ .text = BUF_INIT };
    a->w = json_writer(&a->text);
    json_object(&a->w);
    json_member_str(&a->w, "act", verb);
}

/* Behind sudo, who asked for it. */
static void buf_who(struct buf *b)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());

    if (sudo && *sudo)
        buf_slice(b, utf8_cut(slice_str(sudo), 64));
    else if (pw)
        buf_slice(b, utf8_cut(slice_str(pw->pw_name), 64));
    else
        buf_printf(b, "uid %u", (unsigned)getuid());
}

bool act_text_ok(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 || s.p[i] == 0x7f)
            return false;
    return utf8_valid(s);
}

static int act_end(const struct desk *d, struct act *a)
{
    struct slice comment = slice_str(d->cli->values[CLI_COMMENT]);
    AUTO_BUF who = BUF_INIT;

    if (comment.n && !act_text_ok(comment))
        return act_usage(d->cli, "a comment is one line of text in UTF-8");
    buf_who(&who);
    json_member_buf(&a->w, "by", &who);
    if (comment.n)
        json_member_slice(&a->w, "comment", comment);
    json_member_str(&a->w, "via", "cli");
    json_object_end(&a->w);
    if (!buf_ok(&a->text))
        return EXIT_FAILED;
    return a->text.n <= ACT_MAX ? EXIT_DONE : act_usage(d->cli, "this is too long");
}

/* What became of each ban that an act was about. */
static void print_bans(const struct desk *d, const struct json *bans)
{
    for (const struct json *b = bans ? bans->child : NULL; b; b = b->next) {
        AUTO_BUF clean = BUF_INIT;

        buf_printable(&clean, json_text(b, "target"));
        buf_str(&clean, ": ");
        buf_printable(&clean, json_text(b, "text"));
        fprintf(d->cli->out, "  %.*s\n", SLICE_FMT(buf_view(&clean)));
    }
}

static int answer_json(struct desk *d, const struct json *answer, bool good)
{
    static const char *const counts[] = { "banned", "held", "refused" };
    const struct json *bans = json_get(answer, "bans");
    uint64_t id = json_u64(answer, "id", 0);

    json_object(&d->w);
    json_member_bool(&d->w, "ok", good);
    json_member_slice(&d->w, "text", json_text(answer, "text"));
    if (id)
        json_member_u64(&d->w, "id", id);
    for (size_t i = 0; i < ARRAY_SIZE(counts); i++)
        if (json_get(answer, counts[i]))
            json_member_u64(&d->w, counts[i], json_u64(answer, counts[i], 0));
    if (bans) {
        json_key(&d->w, "bans");
        json_put_tree(&d->w, bans);
    }
    json_object_end(&d->w);
    return desk_print(d) < 0 || !good ? EXIT_FAILED : EXIT_DONE;
}

int act_print(struct desk *d, const struct json *answer)
{
    bool good = json_bool(answer, "ok", false);
    AUTO_BUF clean = BUF_INIT;

    if (cli_has(d->cli, CLI_JSON))
        return answer_json(d, answer, good);
    buf_printable(&clean, json_text(answer, "text"));
    fprintf(good ? d->cli->out : stderr, "%s%.*s\n",
            good ? "" : "trailwarden: ", SLICE_FMT(buf_view(&clean)));
    print_bans(d, json_get(answer, "bans"));
    return good ? EXIT_DONE : EXIT_FAILED;
}

static int no_answer(const struct desk *d, const struct err *err)
{
    if (err->code == -ECONNREFUSED) {
        fprintf(stderr,
                "trailwarden: no daemon runs on '%s': start it (`systemctl start trailwarden`),"
                " then ask again\n",
                d->config->state);
        return EXIT_NO_DAEMON;
    }
    if (err->code == -ETIMEDOUT || err->code == -EPIPE) {
        fprintf(stderr,
                "trailwarden: %s; it may have done it all the same: look before you repeat it\n",
                err->text);
        return EXIT_NO_DAEMON;
    }
    return cli_error(err);
}

int act_post(struct desk *d, struct act *a, int *ret_fd)
{
    struct err err = ERR_NONE;
    int r = act_end(d, a);

    if (r == EXIT_DONE && control_send(d->config->state, a->text.p, ret_fd, &err) < 0)
        r = no_answer(d, &err);
    buf_fini(&a->text);
    return r;
}

int act_take(struct desk *d, int fd, const struct json **ret_answer)
{
    AUTO_BUF answer = BUF_INIT;
    struct err err = ERR_NONE;
    const struct json *doc;

    if (control_receive(fd, ANSWER_US, &answer, &err) < 0)
        return no_answer(d, &err);
    arena_reset(d->arena);
    doc = json_load(d->arena, buf_view(&answer), NULL);
    if (!doc || doc->type != JSON_OBJECT) { /* a daemon of another version */
        AUTO_BUF clean = BUF_INIT;

        buf_printable(&clean, buf_view(&answer));
        fprintf(stderr, "trailwarden: the daemon says: %.*s\n", SLICE_FMT(buf_view(&clean)));
        return EXIT_FAILED;
    }
    *ret_answer = doc;
    return EXIT_DONE;
}

bool act_has_room(const struct desk *d, const struct act *a, size_t more)
{
    size_t tail =
        2 * slice_str(d->cli->values[CLI_COMMENT]).n + 200; /* escaped; who, and the names */

    return a->text.n + more + tail <= ACT_MAX;
}

int act_ask(struct desk *d, struct act *a, const struct json **ret_answer)
{
    AUTO_FD fd = -1;
    int r = act_post(d, a, &fd);

    return r == EXIT_DONE ? act_take(d, fd, ret_answer) : r;
}

int act_send(struct desk *d, struct act *a)
{
    const struct json *answer;
    int r = act_ask(d, a, &answer);

    return r == EXIT_DONE ? act_print(d, answer) : r;
}

static int check_id(const struct cli *cli, const char *what, bool number)
{
    uint64_t n;

    if (number && parse_u64(slice_str(what), 1, INT64_MAX, &n) < 0)
        return act_usage(cli, "a number is wanted, as `list` shows it");
    if (!number && !id_ok(slice_str(what)))
        return act_usage(cli, "an id is 4 to 32 hex digits, as `trailwarden alerts list` shows"
                              " them");
    return EXIT_DONE;
}

static int act_one(struct desk *d, const char *verb, const char *what, bool number)
{
    struct act a;
    uint64_t n = 0;

    act_begin(&a, verb);
    if (number && parse_u64(slice_str(what), 1, INT64_MAX, &n) == 0)
        json_member_u64(&a.w, "id", n);
    else
        json_member_str(&a.w, "id", what);
    return act_send(d, &a);
}

int act_each(struct cli *cli, const char *verb, bool numbers)
{
    struct desk d;
    int worst = EXIT_DONE, r = EXIT_DONE;

    if (cli->nargs == 0)
        return act_usage(cli, numbers ? "which one? its number is wanted"
                                      : "which one? the id of an alert is wanted");
    for (size_t i = 0; r == EXIT_DONE && i < cli->nargs; i++)
        r = check_id(cli, cli->args[i], numbers);
    if (r)
        return r;
    r = desk_open(&d, cli, false);
    for (size_t i = 0; r == EXIT_DONE && i < cli->nargs; i++) {
        int e = act_one(&d, verb, cli->args[i], numbers);

        worst = worst ? worst : e;
        if (e == EXIT_NO_DAEMON || e == EXIT_NOT_PERMITTED || e == EXIT_USAGE)
            break; /* so it would be with the others */
    }
    desk_fini(&d);
    return r ? r : worst;
}

/* ---- showing ---- */

bool id_ok(struct slice s)
{
    for (size_t i = 0; i < s.n; i++)
        if (!(s.p[i] >= '0' && s.p[i] <= '9') && !(s.p[i] >= 'a' && s.p[i] <= 'f'))
            return false;
    return s.n >= ID_MIN && s.n <= 32;
}

const char *when_text(uint64_t us, char out[TIME_TEXT_SIZE])
{
    if (us == 0) {
        memcpy(out, "-", 2);
        return out;
    }
    time_text(us, out);
    memcpy(out + 19, "Z", 2);
    return out;
}

const char *span_text(uint64_t us, char out[24])
{
    uint64_t s = us / USEC_PER_SEC;

    if (s < 120)
        snprintf(out, 24, "%llus", (unsigned long long)s);
    else if (s < 7200)
        snprintf(out, 24, "%llum", (unsigned long long)(s / 60));
    else if (s < UINT64_C(2) * 86400)
        snprintf(out, 24, "%lluh", (unsigned long long)(s / 3600));
    else
        snprintf(out, 24, "%llud", (unsigned long long)(s / 86400));
    return out;
}

void buf_clip(struct buf *b, struct slice text, size_t max)
{
    if (text.n <= max) {
        buf_slice(b, text);
        return;
    }
    buf_slice(b, utf8_cut(text, max - 3));
    buf_str(b, "...");
}

void print_fact(const struct desk *d, const char *name, struct slice text)
{
    AUTO_BUF clean = BUF_INIT;

    if (text.n == 0)
        return;
    buf_printable(&clean, text);
    fprintf(d->cli->out, "%-*s%.*s\n", FACT_COLUMN, name, SLICE_FMT(buf_view(&clean)));
}

void print_factf(const struct desk *d, const char *name, const char *fmt, ...)
{
    AUTO_BUF text = BUF_INIT;
    va_list args;

    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    print_fact(d, name, buf_view(&text));
}

void print_lines(const struct desk *d, struct slice text)
{
    struct slice line;

    while (slice_split(&text, '\n', &line)) {
        AUTO_BUF clean = BUF_INIT;

        buf_printable(&clean, line);
        fprintf(d->cli->out, "%s%.*s\n", clean.n ? "  " : "", SLICE_FMT(buf_view(&clean)));
    }
}

/* null: never, or not yet. */
static void member_time(struct json_writer *w, const char *key, uint64_t us)
{
    json_key(w, key);
    if (us)
        json_put_time(w, us);
    else
        json_put_null(w);
}

void incident_json(struct json_writer *w, const struct incident *i)
{
    json_object(w);
    json_member_slice(w, "key", i->key);
    json_member_slice(w, "rule", i->rule);
    json_member_slice(w, "title", i->title);
    json_member_slice(w, "channel", i->channel);
    json_member_slice(w, "group", i->group);
    json_member_str(w, "level", level_name(i->level));
    json_member_str(w, "state", incident_state_name(i->state));
    json_member_u64(w, "alerts", i->alerts);
    json_member_slice(w, "last_alert", i->last_alert);
    json_member_slice(w, "by", i->by);
    json_member_slice(w, "comment", i->comment);
    member_time(w, "first", i->first_us);
    member_time(w, "last", i->last_us);
    member_time(w, "opened", i->opened_us);
    member_time(w, "changed", i->changed_us);
    member_time(w, "resolves", i->resolve_us);
    json_object_end(w);
}

void silence_json(struct json_writer *w, const struct silence *s, uint64_t now_us)
{
    json_object(w);
    json_member_u64(w, "id", s->id);
    json_key(w, "when");
    if (s->when.n && s->when.p[0] == '{')
        json_put_raw(w, s->when);
    else /* a person's data, erased */
        json_put_slice(w, s->when);
    json_member_slice(w, "by", s->by);
    json_member_slice(w, "comment", s->comment);
    member_time(w, "from", s->from_us);
    member_time(w, "until", s->until_us);
    json_member_bool(w, "active", s->from_us <= now_us && now_us < s->until_us);
    json_object_end(w);
}

void buf_fate(struct buf *b, const struct outbox_row *row, uint64_t now_us)
{
    bool waits = row->state == DELIVERY_WAITING || row->state == DELIVERY_RETRY;
    char time[TIME_TEXT_SIZE];

    if (row->bundle)
        buf_printf(b, "told in message %llu", (unsigned long long)row->bundle);
    else
        buf_slice(b, row->status);
    if (waits && row->not_before_us > now_us)
        buf_printf(b, "%snot before %s", b->n ? "; " : "", when_text(row->not_before_us, time));
}

void outbox_members(struct json_writer *w, const struct outbox_row *row)
{
    json_member_u64(w, "id", row->id);
    json_member_slice(w, "key", row->key);
    json_member_slice(w, "receiver", row->receiver);
    json_member_slice(w, "kind", row->kind);
    json_member_str(w, "state", delivery_state_name(row->state));
    json_member_slice(w, "status", row->status);
    json_member_slice(w, "remote", row->remote);
    json_member_u64(w, "attempts", row->attempts);
    member_time(w, "created", row->created_us);
    member_time(w, "not_before", row->not_before_us);
    member_time(w, "expires", row->expires_us);
    member_time(w, "done", row->done_us);
    json_member_str(w, "level", level_name(row->level));
    json_member_slice(w, "reason", row->reason);
    json_member_slice(w, "incident", row->incident);
    json_member_slice(w, "rule", row->rule);
    json_member_slice(w, "title", row->title);
    json_member_slice(w, "source", row->source);
    json_member_slice(w, "user", row->user);
    json_member_slice(w, "group", row->group);
    if (row->bundle)
        json_member_u64(w, "bundle", row->bundle);
}
