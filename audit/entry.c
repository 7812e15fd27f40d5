/* Lines of the trail: making them. verify-line.c judges them. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/clock.h"
#include "base/json.h"
#include "base/utf8.h"

#define SALT_SIZE 16

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

/* ,"sd":{...}<TAB>,"pii":{...} : the leaf holds digests, what is behind the TAB can be erased. */
static void add_pii(const struct entry *e, struct buf *out)
{
    AUTO_BUF pii = BUF_INIT;
    struct json_writer sw = json_writer(out), pw = json_writer(&pii);

    buf_str(out, ",\"sd\":");
    json_object(&sw);
    json_object(&pw);
    for (size_t i = 0; i < e->npii; i++) {
        AUTO_BUF salt = BUF_INIT;
        AUTO_BUF digest = BUF_INIT;
        uint8_t random[SALT_SIZE];
        AUTO(arena) a = arena_new(1024, 0);
        struct slice clean = a ? utf8_clean(a, e->pii[i].value, NULL) : SLICE_NONE;

        randombytes_buf(random, sizeof random);
        buf_base64(&salt, random, sizeof random, false);
        personal_digest(buf_view(&salt), e->pii[i].name, clean, &digest);
        json_key_slice(&sw, e->pii[i].name);
        json_put_slice(&sw, buf_view(&digest));
        json_key_slice(&pw, e->pii[i].name);
        json_array(&pw);
        json_put_slice(&pw, buf_view(&salt));
        json_put_slice(&pw, clean);
        json_array_end(&pw);
        if (!clean.p || !buf_ok(&salt) || !buf_ok(&digest))
            out->failed = true;
    }
    json_object_end(&sw);
    json_object_end(&pw);
    buf_str(out, "\t,\"pii\":");
    buf_slice(out, buf_view(&pii));
    out->failed = out->failed || pii.failed;
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

int entry_line(const struct entry *e, uint64_t index, uint64_t time_us, struct buf *out)
{
    char time[TIME_TEXT_SIZE];

    time_text(time_us, time);
    buf_printf(out, "{\"i\":%llu,\"t\":\"%s\",\"type\":\"%.*s\"", (unsigned long long)index, time,
               SLICE_FMT(e->type));
    add_members(e, out);
    if (e->npii)
        add_pii(e, out);
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
