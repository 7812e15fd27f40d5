/* Lines of the trail: making them. verify-line.c judges them. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#define SALT_SIZE sizeof(((struct entry_maker *)0)->salts[0])

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

void personal_digest(struct slice salt, struct slice name, struct slice value, struct buf *out)
{
    const struct slice parts[] = {
        SLICE("trailwarden/sd/v1\n"), salt, SLICE("\n"), name, SLICE("\n"), value
    };
    UNINITIALIZED uint8_t joined[512];
    uint8_t digest[HASH_SIZE];
    struct sha256 h;
    size_t n = 0;

    (void)!sha256_init(&h); /* cannot fail */
    for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
        if (n + parts[i].n > sizeof joined) {
            sha256_add(&h, joined, n);
            n = 0;
        }
        if (parts[i].n > sizeof joined) {
            sha256_add(&h, parts[i].p, parts[i].n);
        } else if (parts[i].n) {
            memcpy(joined + n, parts[i].p, parts[i].n);
            n += parts[i].n;
        }
    }
    sha256_add(&h, joined, n);
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
    personal_digest(buf_view(&m->salt), pii->name, clean, &m->digest);
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
