/* Signed notes and checkpoints (C2SP signed-note, tlog-checkpoint); Ed25519 by libsodium. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>

#include "audit/audit-private.h"
#include "base/num.h"

#define NOTE_MAX (1 << 20)
/* The largest that is known: ML-DSA-44 with a time. Ours are shorter, but may stand beside it. */
#define SIGNATURE_BYTES (4 + 8 + 2420)
#define DASH "\xe2\x80\x94" /* U+2014 */

/* What a witness signs: the same text, and when it saw it. */
#define COSIGNED "cosignature/v1\ntime %llu\n"

static void make_typed(struct vkey *v, const char *name, uint8_t type, const uint8_t key[32])
{
    const uint8_t middle[2] = { '\n', type };
    struct sha256 h;
    uint8_t digest[HASH_SIZE];

    snprintf(v->name, sizeof v->name, "%s", name);
    v->type = type;
    memcpy(v->key, key, sizeof v->key);
    (void)!sha256_init(&h); /* cannot fail */
    sha256_add(&h, v->name, strlen(v->name));
    sha256_add(&h, middle, sizeof middle);
    sha256_add(&h, key, 32);
    sha256_end(&h, digest);
    memcpy(v->id, digest, sizeof v->id);
}

void vkey_make(struct vkey *v, const char *name, const uint8_t key[32])
{
    make_typed(v, name, SIGNATURE_ED25519, key);
}

void vkey_text(const struct vkey *v, struct buf *out)
{
    uint8_t typed[33];

    typed[0] = v->type;
    memcpy(typed + 1, v->key, 32);
    buf_str(out, v->name);
    buf_char(out, '+');
    buf_hex(out, v->id, sizeof v->id);
    buf_char(out, '+');
    buf_base64(out, typed, sizeof typed, true);
}

static int parse_typed(struct slice s, uint8_t type, struct vkey *ret)
{
    struct slice name, id;
    uint8_t typed[33], hex[4];
    char text[KEY_NAME_MAX];
    size_t n;

    s = slice_trim(s);
    if (!slice_split(&s, '+', &name) || !slice_split(&s, '+', &id) || name.n == 0 ||
        name.n >= sizeof text || hex_decode(id, hex, sizeof hex) < 0 ||
        base64_decode(s, true, typed, sizeof typed, &n) < 0 || n != sizeof typed ||
        typed[0] != type)
        return -EINVAL;
    memcpy(text, name.p, name.n);
    text[name.n] = '\0';
    make_typed(ret, text, type, typed + 1);
    return memcmp(ret->id, hex, sizeof hex) == 0 ? 0 : -EINVAL;
}

int vkey_parse(struct slice s, struct vkey *ret)
{
    return parse_typed(s, SIGNATURE_ED25519, ret);
}

int vkey_parse_witness(struct slice s, struct vkey *ret)
{
    return parse_typed(s, SIGNATURE_COSIGNATURE, ret);
}

int key_from_seed(struct signing_key *k, const char *name, const uint8_t seed[32])
{
    uint8_t public[32];

    if (sodium_init() < 0 || crypto_sign_seed_keypair(public, k->secret, seed) != 0)
        return -EIO;
    vkey_make(&k->public, name, public);
    return 0;
}

void key_wipe(struct signing_key *k)
{
    sodium_memzero(k, sizeof *k);
}

void note_sign(struct buf *note, struct slice text, const struct signing_key *const *keys, size_t n)
{
    buf_slice(note, text);
    buf_char(note, '\n');
    for (size_t i = 0; i < n; i++) {
        uint8_t sig[4 + 64];

        memcpy(sig, keys[i]->public.id, 4);
        crypto_sign_detached(sig + 4, NULL, (const uint8_t *)text.p, text.n, keys[i]->secret);
        buf_printf(note, DASH " %s ", keys[i]->public.name);
        buf_base64(note, sig, sizeof sig, true);
        buf_char(note, '\n');
    }
}

int note_parse_signature(struct slice line, struct note_signature *ret)
{
    uint8_t bytes[SIGNATURE_BYTES];
    struct slice name;
    size_t n;

    if (!slice_starts(line, SLICE(DASH " ")))
        return -EBADMSG;
    line = slice_skip(line, 4);
    if (!slice_split(&line, ' ', &name) || name.n == 0 || !line.p ||
        base64_decode(line, true, bytes, sizeof bytes, &n) < 0 || n < 5)
        return -EBADMSG;
    ret->name = name;
    memcpy(ret->id, bytes, 4);
    ret->n = n - 4;
    memcpy(ret->bytes, bytes + 4, ret->n < sizeof ret->bytes ? ret->n : sizeof ret->bytes);
    return 0;
}

int note_parse(struct slice s, struct note *ret)
{
    size_t empty = SIZE_MAX;
    struct slice rest, line;

    *ret = (struct note){ 0 };
    if (s.n == 0 || s.n > NOTE_MAX || s.p[s.n - 1] != '\n')
        return -EBADMSG;
    for (size_t i = 0; i < s.n; i++)
        if ((unsigned char)s.p[i] < 0x20 && s.p[i] != '\n')
            return -EBADMSG;
    for (size_t i = 0; i + 1 < s.n; i++)
        if (s.p[i] == '\n' && s.p[i + 1] == '\n')
            empty = i; /* the text ends at the last empty line */
    if (empty == SIZE_MAX || empty == 0)
        return -EBADMSG;
    ret->text = slice_take(s, empty + 1);
    rest = slice_skip(s, empty + 2);
    while (rest.n && slice_split(&rest, '\n', &line)) {
        if (ret->nsignatures == ARRAY_SIZE(ret->signatures))
            return -E2BIG;
        if (note_parse_signature(line, &ret->signatures[ret->nsignatures++]) < 0)
            return -EBADMSG;
    }
    return ret->nsignatures ? 0 : -EBADMSG;
}

static uint64_t big_endian(const uint8_t p[8])
{
    uint64_t v = 0;

    for (size_t i = 0; i < 8; i++)
        v = v << 8 | p[i];
    return v;
}

static bool cosignature_holds(struct slice text, const struct note_signature *s,
                              const struct vkey *v)
{
    AUTO_BUF message = BUF_INIT;

    if (s->n != 72)
        return false;
    buf_printf(&message, COSIGNED, (unsigned long long)big_endian(s->bytes));
    buf_slice(&message, text);
    return buf_ok(&message) && crypto_sign_verify_detached(s->bytes + 8, (const uint8_t *)message.p,
                                                           message.n, v->key) == 0;
}

enum note_verdict note_check_signature(struct slice text, const struct note_signature *s,
                                       const struct vkey *v, uint64_t *ret_time_s)
{
    bool cosigned = v->type == SIGNATURE_COSIGNATURE;

    if (!slice_is(s->name, v->name) || memcmp(s->id, v->id, sizeof v->id) != 0)
        return NOTE_UNKNOWN;
    if (cosigned ? !cosignature_holds(text, s, v)
                 : s->n != 64 || crypto_sign_verify_detached(s->bytes, (const uint8_t *)text.p,
                                                             text.n, v->key) != 0)
        return NOTE_BAD;
    if (ret_time_s)
        *ret_time_s = cosigned ? big_endian(s->bytes) : 0;
    return NOTE_GOOD;
}

enum note_verdict note_check(const struct note *n, const struct vkey *v)
{
    enum note_verdict verdict = NOTE_UNKNOWN;

    for (size_t i = 0; i < n->nsignatures; i++) {
        enum note_verdict one = note_check_signature(n->text, &n->signatures[i], v, NULL);

        if (one == NOTE_BAD)
            return NOTE_BAD; /* a known pair that fails makes the whole note bad */
        if (one == NOTE_GOOD)
            verdict = NOTE_GOOD;
    }
    return verdict;
}

void checkpoint_text(struct buf *out, const char *origin, uint64_t size, const struct hash *root)
{
    buf_printf(out, "%s\n%llu\n", origin, (unsigned long long)size);
    buf_base64(out, root->b, sizeof root->b, true);
    buf_char(out, '\n');
}

int checkpoint_parse(struct slice text, struct checkpoint *ret)
{
    struct slice size, root, rest = text;
    size_t n;

    if (!slice_split(&rest, '\n', &ret->origin) || !slice_split(&rest, '\n', &size) ||
        !slice_split(&rest, '\n', &root) || ret->origin.n == 0 || rest.n != 0)
        return -EBADMSG;
    if (parse_u64(size, 0, UINT64_MAX, &ret->size) < 0 || (size.n > 1 && size.p[0] == '0'))
        return -EBADMSG;
    if (base64_decode(root, true, ret->root.b, sizeof ret->root.b, &n) < 0 || n != HASH_SIZE)
        return -EBADMSG;
    return 0;
}
