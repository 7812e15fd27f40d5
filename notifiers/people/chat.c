#include "notifiers/people/chat.h"

#include <errno.h>
#include <stdio.h>

#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/outbox-folder.h"

#define ARENA_CHUNK 32768
#define ARENA_MAX (8 << 20)
#define WAIT_MAX_S 86400.0 /* no server makes us wait longer */

/* ---- one delivery ---- */

bool chat_begin(struct chat *c, const struct chat_http *http, const struct delivery *d,
                struct delivery_result *ret)
{
    struct err err = ERR_NONE;

    *c = (struct chat){ .http = http, .delivery = d, .result = ret };
    c->arena = arena_new(ARENA_CHUNK, ARENA_MAX);
    ret->state = DELIVERY_RETRY;
    if (c->arena && message_make(d, c->arena, &c->m, &err) == 0)
        return true;
    ret->state = err.code == -EINVAL ? DELIVERY_DEAD : DELIVERY_RETRY;
    snprintf(ret->status, sizeof ret->status, "%.150s", err.code ? err.text : "out of memory");
    return false;
}

static void wipe(struct buf *b)
{
    if (b->p)
        explicit_bzero(b->p, b->n);
    buf_fini(b);
}

void chat_end(struct chat *c)
{
    wipe(&c->url);
    wipe(&c->body);
    wipe(&c->authorization);
    buf_fini(&c->answer.body);
    arena_free(c->arena);
}

void chat_again(struct chat *c, const char *why)
{
    c->result->state = DELIVERY_RETRY;
    c->result->broken = false;
    snprintf(c->result->status, sizeof c->result->status, "%s", why);
}

bool chat_secret(struct chat *c, const struct secret *s, const char *what)
{
    for (size_t i = 0; i < ARRAY_SIZE(c->secrets); i++)
        if (!c->secrets[i]) {
            c->secrets[i] = s;
            break;
        }
    if (secret_view(s).n)
        return true;
    c->result->state = DELIVERY_RETRY;
    snprintf(c->result->status, sizeof c->result->status, "the %s could not be read", what);
    return false;
}

int chat_login_check(const struct chat_login *l, struct err *err)
{
    if (!l->user != !l->password)
        return err_set(err, -EINVAL, "'user' and 'password' go together");
    if (l->token && l->user)
        return err_set(err, -EINVAL, "give either 'token' or 'user'");
    return 0;
}

bool chat_login(struct chat *c, const struct chat_login *l)
{
    if (c->http->directory)
        return true;
    if (l->token) {
        buf_printf(&c->authorization, "Authorization: Bearer %.*s",
                   SLICE_FMT(secret_view(l->token)));
        return chat_secret(c, l->token, "token");
    }
    if (!l->user)
        return true;
    http_basic(l->user, l->password, &c->authorization);
    return chat_secret(c, l->password, "password");
}

void chat_login_fini(struct chat_login *l)
{
    secret_free(l->token);
    secret_free(l->password);
}

int chat_url_check(const struct secret *url, struct err *err)
{
    struct slice text = secret_view(url);

    for (size_t i = 0; i < text.n; i++)
        if ((unsigned char)text.p[i] <= ' ' || text.p[i] == '#')
            return err_set(err, -EINVAL, "the secret 'url' holds more than an address");
    return text.n ? http_url_check(text.p, err) : 0;
}

struct slice chat_base(const char *base)
{
    struct slice s = slice_str(base);

    while (s.n && s.p[s.n - 1] == '/')
        s.n--;
    return s;
}

struct slice chat_dedup(const struct message *m)
{
    return m->incident.n ? m->incident : m->summary ? m->id : m->thread;
}

/* The words of the service: of a JSON object its error or message, else the first line. */
static struct slice words(const struct chat *c)
{
    static const char *const members[] = { "error", "message" };
    struct slice body = buf_view(&c->answer.body), line = body;

    for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
        struct slice s = json_text(c->json, members[i]);

        if (s.n)
            return message_line(c->arena, s, 300);
    }
    if (c->json || (body.n && body.p[0] == '<'))
        return SLICE(""); /* a page of some proxy */
    slice_split(&body, '\n', &line);
    return message_line(c->arena, line, 300);
}

#define PIECE_MIN 12 /* of an address: shorter ones are words like "services" */

static void scrub_slice(struct slice s, char *text)
{
    struct secret *piece = NULL;

    if (s.n >= PIECE_MIN && secret_from_slice(s, &piece, NULL) == 0)
        secret_scrub(piece, text);
    secret_free(piece);
}

/* A server that knows no such path says which: without the host, so the whole is not found. */
static void scrub_pieces(struct slice url, char *text)
{
    size_t from = 0;

    for (size_t i = 0; i <= url.n; i++)
        if (i == url.n || strchr("/?&=", url.p[i])) {
            scrub_slice(slice_of(url.p + from, i - from), text);
            from = i + 1;
        }
}

static void scrub(struct chat *c, char *text)
{
    struct slice header = buf_view(&c->authorization);
    size_t blank = slice_rfind_byte(header, ' ');

    for (size_t i = 0; i < ARRAY_SIZE(c->secrets); i++) {
        struct slice s = secret_view(c->secrets[i]);

        if (s.n)
            secret_scrub(c->secrets[i], text);
        if (slice_starts(s, SLICE("http")))
            scrub_pieces(s, text);
    }
    if (blank != SIZE_MAX)
        scrub_slice(slice_skip(header, blank + 1), text); /* name and password as base64 */
}

/* Some tell the pause in the body, as seconds with a fraction. */
static void read_pause(struct chat *c)
{
    double wait;

    if (c->answer.status != 429 || parse_double(json_text(c->json, "retry_after"), &wait) < 0 ||
        wait <= 0)
        return;
    wait = wait < WAIT_MAX_S ? wait : WAIT_MAX_S;
    if ((uint64_t)(wait * (double)USEC_PER_SEC) > c->result->retry_after_us)
        c->result->retry_after_us = (uint64_t)(wait * (double)USEC_PER_SEC);
}

static void send_now(struct chat *c, const char *method)
{
    const char *headers[3] = { 0 };
    struct http_request q = { .method = method,
                              .url = c->url.p,
                              .headers = headers,
                              .body = buf_view(&c->body),
                              .secret = c->secrets[0],
                              .timeout_us = c->http->timeout_us,
                              .ca_file = c->http->ca_file };

    headers[0] = c->content_type ? c->content_type : "Content-Type: application/json";
    headers[1] = c->authorization.n ? c->authorization.p : NULL;
    buf_fini(&c->answer.body);
    http_post(&q, &c->answer);
    scrub(c, c->answer.error);
    c->json = c->answer.status ? json_load(c->arena, buf_view(&c->answer.body), NULL) : NULL;
}

void chat_send(struct chat *c, const char *method, const struct http_verdict *verdicts,
               const char *file)
{
    c->result->retry_after_us = 0;
    if (!buf_ok(&c->body) || !buf_ok(&c->url) || !buf_ok(&c->authorization)) {
        chat_again(c, "out of memory");
        return;
    }
    if (c->http->directory) {
        folder_deliver(c->http->directory, file, c->delivery, buf_view(&c->body), c->result);
        return;
    }
    send_now(c, method);
    http_judge(&c->answer, verdicts, words(c), c->result);
    if (c->result->state == DELIVERY_SENT && c->answer.body.n && c->answer.body.p[0] == '<')
        chat_again(c, "the answer is a page of somebody else's");
    read_pause(c);
    scrub(c, c->result->status);
}

/* ---- text ---- */

size_t chat_bytes(struct slice s)
{
    return s.n;
}

size_t chat_units(struct slice s)
{
    size_t units = 0;

    for (size_t i = 0; i < s.n; i++) {
        unsigned char c = (unsigned char)s.p[i];

        if ((c & 0xc0) != 0x80)
            units += c >= 0xf0 ? 2 : 1;
    }
    return units;
}

void chat_plain(struct buf *b, struct slice s)
{
    buf_slice(b, s);
}

void chat_quote(struct buf *b, struct slice s)
{
    buf_str(b, "> ");
    buf_slice(b, s);
}

void chat_cut(struct buf *b, struct slice s, const struct chat_style *style, size_t max)
{
    AUTO_BUF whole = BUF_INIT;
    AUTO_BUF sign = BUF_INIT;
    size_t used = 0;
    unsigned n;

    style->escape(&whole, s);
    if (style->size(buf_view(&whole)) <= max) {
        buf_slice(b, buf_view(&whole));
        return;
    }
    for (; s.n; s = slice_skip(s, n)) {
        uint32_t cp;

        n = utf8_decode(s, &cp);
        n = n ? n : 1;
        buf_reset(&sign);
        style->escape(&sign, slice_take(s, n));
        used += style->size(buf_view(&sign));
        if (used + 3 > max)
            break;
        buf_slice(b, buf_view(&sign));
    }
    buf_str(b, "...");
}

/*
 * Size and root of the newest checkpoint, its second and third line: whoever keeps the message can
 * compare them with the trail.
 */
static void put_trail(const struct message *m, struct buf *out)
{
    struct slice rest = m->checkpoint, origin, size, root;

    if (!slice_split(&rest, '\n', &origin) || !slice_split(&rest, '\n', &size) ||
        !slice_split(&rest, '\n', &root) || size.n == 0 || size.n > 20 || root.n != 44)
        return;
    buf_printf(out, "%strail %.*s %.*s", out->n ? ", " : "", SLICE_FMT(size), SLICE_FMT(root));
}

void chat_foot(const struct message *m, struct buf *out)
{
    buf_slice(out, m->id);
    if (m->see.n)
        buf_printf(out, "%s%.*s", out->n ? ", " : "", SLICE_FMT(m->see));
    put_trail(m, out);
}

struct page {
    const struct chat_style *style;
    struct buf *out;
    size_t used, left_out;
};
#define COUNT_SIZE 40 /* "\n\n4294967295 more not shown" */

/* A line goes in whole or not at all. */
static bool put(struct page *p, const struct buf *line, size_t reserve)
{
    size_t size = p->style->size(buf_view(line));

    if (p->used + size + reserve > p->style->max) {
        p->left_out++;
        return false;
    }
    buf_slice(p->out, buf_view(line));
    p->used += size;
    return true;
}

static void begin_line(const struct page *p, struct buf *b, const char *gap)
{
    buf_reset(b);
    if (p->used)
        buf_str(b, gap);
}

static void name_and_value(const struct page *p, struct buf *b, struct slice name,
                           struct slice value)
{
    if (name.n) {
        buf_str(b, p->style->strong);
        p->style->escape(b, name);
        buf_printf(b, "%s: ", p->style->strong_end);
    }
    p->style->escape(b, value);
}

static void put_intro(struct page *p, const struct message *m, struct buf *line)
{
    begin_line(p, line, "\n");
    p->style->escape(line, m->reason);
    if (m->why.n) {
        buf_char(line, ' ');
        p->style->escape(line, m->why);
    }
    put(p, line, COUNT_SIZE);
}

static void put_table(struct page *p, const struct message_table *t, size_t reserve,
                      struct buf *line)
{
    begin_line(p, line, "\n\n");
    buf_str(line, p->style->strong);
    p->style->escape(line, t->title);
    buf_str(line, p->style->strong_end);
    if (!put(p, line, reserve)) {
        p->left_out += t->nrows + t->more - 1;
        return;
    }
    for (size_t i = 0; i < t->nrows; i++) {
        begin_line(p, line, "\n");
        name_and_value(p, line, t->rows[i].name, t->rows[i].value);
        put(p, line, reserve);
    }
    if (t->more) {
        begin_line(p, line, "\n");
        buf_printf(line, "%zu more", t->more);
        put(p, line, reserve);
    }
}

static void sample_line(const struct page *p, struct slice sample, struct buf *line)
{
    begin_line(p, line, "\n");
    p->style->code(line, sample);
}

/* Lines are dropped from the oldest: the newest is what set the rule off. */
static void put_samples(struct page *p, const struct message *m, size_t reserve, struct buf *line)
{
    size_t first = m->nsamples, size = p->used;

    while (first > 0) {
        sample_line(p, m->samples[first - 1], line);
        size += p->style->size(buf_view(line)) + 1;
        if (size + reserve > p->style->max)
            break;
        first--;
    }
    p->left_out += first + m->more_samples;
    for (size_t i = first; i < m->nsamples; i++) {
        sample_line(p, m->samples[i], line);
        put(p, line, reserve);
    }
}

/* What facts leave to the newest line, so that it is never lost to them. */
static size_t sample_room(const struct page *p, const struct message *m, unsigned parts,
                          struct buf *line)
{
    if (!(parts & CHAT_SAMPLES) || m->nsamples == 0)
        return 0;
    buf_reset(line);
    p->style->code(line, m->samples[m->nsamples - 1]);
    return p->style->size(buf_view(line)) + 2;
}

void chat_text(const struct message *m, const struct chat_style *style, unsigned parts,
               struct buf *out)
{
    struct page p = { .style = style, .out = out };
    AUTO_BUF line = BUF_INIT;
    AUTO_BUF foot = BUF_INIT;
    AUTO_BUF foot_text = BUF_INIT;
    size_t reserve = COUNT_SIZE, room = sample_room(&p, m, parts, &line);

    if (parts & CHAT_FOOT) {
        chat_foot(m, &foot_text);
        style->escape(&foot, buf_view(&foot_text));
        reserve += style->size(buf_view(&foot)) + 2;
    }
    if (parts & CHAT_INTRO)
        put_intro(&p, m, &line);
    for (size_t i = 0; (parts & CHAT_FACTS) && i < m->nfacts; i++) {
        begin_line(&p, &line, "\n");
        name_and_value(&p, &line, slice_str(m->facts[i].name), m->facts[i].value);
        put(&p, &line, reserve + room);
    }
    for (size_t i = 0; (parts & CHAT_TABLES) && i < m->ntables; i++)
        put_table(&p, &m->tables[i], reserve + room, &line);
    if (parts & CHAT_SAMPLES)
        put_samples(&p, m, reserve, &line);
    if (p.left_out)
        buf_printf(out, "%s%zu more not shown", p.used ? "\n\n" : "", p.left_out);
    if (foot.n)
        buf_printf(out, "%s%.*s", p.used || p.left_out ? "\n\n" : "", SLICE_FMT(buf_view(&foot)));
    out->failed = out->failed || line.failed || foot.failed || foot_text.failed;
}
