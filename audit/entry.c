/* Lines of the trail: making them, and judging them. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/num.h"
#include "base/utf8.h"

#define SALT_SIZE sizeof(((struct entry_maker *)0)->salts[0])
#define SALT_TEXT 22

int leaf_data(struct slice line, struct buf *out)
{
    size_t tab = slice_find_byte(line, '\t');

    if (tab == SIZE_MAX) {
        buf_slice(out, line);
    } else {
        buf_slice(out, slice_take(line, tab));
        buf_char(out, '}');
    }
    return buf_ok(out) ? 0 : -ENOMEM;
}

struct hash leaf_of_line(struct slice line)
{
    size_t tab = slice_find_byte(line, '\t');

    if (tab == SIZE_MAX)
        return merkle_leaf(line);
    return merkle_leaf_of_parts(slice_take(line, tab), SLICE("}"));
}

/* base64(SHA-256("trailwarden/sd/v1" LF salt LF name LF value)) */
static void digest_text(struct slice salt, struct slice name, struct slice value, struct buf *out)
{
    const struct slice parts[] = { SLICE("trailwarden/sd/v1"), salt, name, value };
    uint8_t digest[HASH_SIZE];
    struct sha256 h;

    (void)!sha256_init(&h); /* cannot fail */
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (i)
            sha256_add(&h, "\n", 1);
        sha256_add(&h, parts[i].p, parts[i].n);
    }
    sha256_end(&h, digest);
    buf_base64(out, digest, sizeof digest, true);
}

void entry_maker_fini(struct entry_maker *m)
{
    buf_fini(&m->pii);
    buf_fini(&m->salt);
    buf_fini(&m->digest);
    arena_free(m->clean);
    sodium_memzero(m, sizeof *m);
}

/* A system call for each salt would cost as much as the rest of the line. */
static const uint8_t *next_salt(struct entry_maker *m)
{
    if (m->nsalts == 0) {
        randombytes_buf(m->salts, sizeof m->salts);
        m->nsalts = ARRAY_SIZE(m->salts);
    }
    return m->salts[--m->nsalts];
}

static struct slice clean_value(struct entry_maker *m, struct slice value)
{
    if (utf8_valid(value))
        return value.p ? value : SLICE("");
    if (!m->clean)
        m->clean = arena_new(4096, 0);
    if (m->clean)
        arena_reset(m->clean);
    return m->clean ? utf8_clean(m->clean, value, NULL) : SLICE_NONE;
}

static void add_value(struct entry_maker *m, const struct entry_pii *pii, struct json_writer *sd,
                      struct json_writer *w)
{
    struct slice clean = clean_value(m, pii->value);

    buf_reset(&m->salt);
    buf_reset(&m->digest);
    buf_base64(&m->salt, next_salt(m), SALT_SIZE, false);
    digest_text(buf_view(&m->salt), pii->name, clean, &m->digest);
    json_key_slice(sd, pii->name);
    json_put_slice(sd, buf_view(&m->digest));
    json_key_slice(w, pii->name);
    json_array(w);
    json_put_slice(w, buf_view(&m->salt));
    json_put_slice(w, clean);
    json_array_end(w);
    if (!clean.p || !buf_ok(&m->salt) || !buf_ok(&m->digest))
        sd->out->failed = true;
}

/* ,"sd":{...}<TAB>,"pii":{...} : the leaf holds digests, what is behind the TAB can be erased. */
static void add_pii(struct entry_maker *m, const struct entry *e, struct buf *out)
{
    struct json_writer sd = json_writer(out), w = json_writer(&m->pii);

    buf_reset(&m->pii);
    buf_str(out, ",\"sd\":");
    json_object(&sd);
    json_object(&w);
    for (size_t i = 0; i < e->npii; i++)
        add_value(m, &e->pii[i], &sd, &w);
    json_object_end(&sd);
    json_object_end(&w);
    buf_str(out, "\t,\"pii\":");
    buf_slice(out, buf_view(&m->pii));
    out->failed = out->failed || m->pii.failed;
}

/* What does not fit into a leaf is told by its hash. */
static void add_members(const struct entry *e, struct buf *out)
{
    uint8_t digest[HASH_SIZE];

    if (e->members.n == 0)
        return;
    if (e->members.n <= LEAF_MAX - 1024) {
        buf_char(out, ',');
        buf_slice(out, e->members);
        return;
    }
    sha256(e->members.p, e->members.n, digest);
    buf_str(out, ",\"trunc\":true,\"raw_sha256\":\"");
    buf_hex(out, digest, sizeof digest);
    buf_char(out, '"');
}

int entry_line(struct entry_maker *m, const struct entry *e, uint64_t index, uint64_t time_us,
               struct buf *out)
{
    char time[TIME_TEXT_SIZE];

    time_text(time_us, time);
    buf_str(out, "{\"i\":");
    buf_u64(out, index);
    buf_str(out, ",\"t\":\"");
    buf_str(out, time);
    buf_str(out, "\",\"type\":\"");
    buf_slice(out, e->type);
    buf_char(out, '"');
    add_members(e, out);
    if (e->npii)
        add_pii(m, e, out);
    buf_str(out, "}\n");
    return buf_ok(out) ? 0 : -ENOMEM;
}

struct slice line_member(struct slice line, const char *name)
{
    char key[64];
    size_t at, n;
    struct slice rest;

    snprintf(key, sizeof key, ",\"%s\":", name);
    at = slice_find(line, slice_str(key));
    if (at == SIZE_MAX)
        return SLICE("");
    rest = slice_skip(line, at + strlen(key));
    if (rest.n && rest.p[0] == '"') {
        n = slice_find_byte(slice_skip(rest, 1), '"');
        return n == SIZE_MAX ? SLICE("") : slice_of(rest.p + 1, n);
    }
    for (n = 0; n < rest.n && rest.p[n] >= '0' && rest.p[n] <= '9'; n++)
        ;
    return slice_take(rest, n);
}

/* ---- judging ---- */

static bool bytes_ok(struct slice line)
{
    size_t tabs = 0;

    for (size_t i = 0; i < line.n; i++) {
        tabs += line.p[i] == '\t';
        if ((unsigned char)line.p[i] < 0x20 && line.p[i] != '\t')
            return false;
    }
    return tabs <= 1 && utf8_valid(line);
}

static bool prefix_ok(struct slice line, uint64_t index, uint64_t *ret_us, bool *ret_index)
{
    char want[48];
    size_t n =
        (size_t)snprintf(want, sizeof want, "{\"i\":%llu,\"t\":\"", (unsigned long long)index);
    struct slice rest;

    *ret_index = slice_starts(line, slice_of(want, n));
    if (!*ret_index)
        return slice_starts(line, SLICE("{\"i\":"));
    rest = slice_skip(line, n);
    if (rest.n < 38 || time_parse_rfc3339(slice_take(rest, 27), ret_us) < 0 ||
        !slice_starts(slice_skip(rest, 27), SLICE("\",\"type\":\"")))
        return false;
    rest = slice_skip(rest, 37);
    for (n = 0; n < rest.n && rest.p[n] != '"'; n++)
        if (!strchr("abcdefghijklmnopqrstuvwxyz0123456789._-", rest.p[n]))
            return false;
    return n > 0 && n + 1 < rest.n && (rest.p[n + 1] == ',' || rest.p[n + 1] == '}');
}

static bool pii_ok(const struct json *doc, unsigned *ret_pii)
{
    const struct json *sd = json_get(doc, "sd"), *pii = json_get(doc, "pii");

    for (const struct json *p = pii ? pii->child : NULL; p; p = p->next) {
        AUTO_BUF digest = BUF_INIT;
        AUTO_BUF name = BUF_INIT;
        const struct json *salt = p->child, *value = salt ? salt->next : NULL;

        buf_slice(&name, p->key);
        if (p->type != JSON_ARRAY || !value || value->next || salt->text.n != SALT_TEXT ||
            !buf_ok(&name))
            return false;
        digest_text(salt->text, p->key, value->text, &digest);
        if (!slice_eq(buf_view(&digest), json_text(sd, name.p)))
            return false;
        (*ret_pii)++;
    }
    return true;
}

const char *line_check(struct slice line, uint64_t index, uint64_t *last_us, char *text,
                       size_t text_n, unsigned *ret_pii)
{
    AUTO(arena) a = arena_new(16384, 16 << 20);
    uint64_t us = 0;
    bool index_ok;
    const struct json *doc;

    if (!bytes_ok(line) || !prefix_ok(line, index, &us, &index_ok)) {
        snprintf(text, text_n, "the line does not have the form of an entry");
        return "FORMAT";
    }
    if (!index_ok) {
        snprintf(text, text_n, "the line has another index");
        return "BAD_INDEX";
    }
    if (us < *last_us) {
        snprintf(text, text_n, "its time is before that of the entry before");
        return "TIME_ORDER";
    }
    *last_us = us;
    doc = a ? json_load(a, line, NULL) : NULL;
    if (!doc || doc->type != JSON_OBJECT) {
        snprintf(text, text_n, "the line is no JSON object");
        return "FORMAT";
    }
    if (!pii_ok(doc, ret_pii)) {
        snprintf(text, text_n, "a personal value does not fit its digest");
        return "PII";
    }
    return NULL;
}
