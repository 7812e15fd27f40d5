/* The file of a proof (C2SP tlog-proof v1), and checking it with nothing but a key. */
#include <errno.h>

#include "audit/audit-private.h"
#include "audit/view.h"
#include "base/num.h"

#define HEADER "c2sp.org/tlog-proof@v1"

void hash_text(struct buf *out, const struct hash *h)
{
    buf_base64(out, h->b, sizeof h->b, true);
    buf_char(out, '\n');
}

void proof_text(struct buf *out, struct slice leaf, uint64_t index, const struct hash *path,
                size_t n, struct slice note)
{
    buf_str(out, HEADER "\nextra ");
    buf_base64(out, leaf.p, leaf.n, true);
    buf_str(out, "\nindex ");
    buf_u64(out, index);
    buf_char(out, '\n');
    for (size_t i = 0; i < n; i++)
        hash_text(out, &path[i]);
    buf_char(out, '\n');
    buf_slice(out, note);
}

static bool parse_leaf(struct slice line, struct buf *leaf, struct slice *ret)
{
    size_t n;

    if (!slice_starts(line, SLICE("extra ")) || !buf_reserve(leaf, line.n) ||
        base64_decode(slice_skip(line, 6), true, leaf->p, line.n, &n) < 0)
        return false;
    leaf->n = n;
    leaf->p[n] = '\0';
    *ret = buf_view(leaf);
    return true;
}

/* Lines of one hash each, up to an empty line or the end. */
static bool parse_hashes(struct slice *rest, struct hash path[64], size_t *ret_n)
{
    struct slice line;
    size_t size;

    for (*ret_n = 0; slice_split(rest, '\n', &line) && line.n; ++*ret_n)
        if (*ret_n == 64 || base64_decode(line, true, path[*ret_n].b, HASH_SIZE, &size) < 0 ||
            size != HASH_SIZE)
            return false;
    return true;
}

int proof_parse(struct slice s, struct buf *leaf, struct proof *ret)
{
    struct slice line;

    if (!slice_split(&s, '\n', &line) || !slice_is(line, HEADER) || !slice_split(&s, '\n', &line) ||
        !parse_leaf(line, leaf, &ret->leaf) || !slice_split(&s, '\n', &line) ||
        !slice_starts(line, SLICE("index ")) ||
        parse_u64(slice_skip(line, 6), 0, UINT64_MAX, &ret->index) < 0 ||
        !parse_hashes(&s, ret->path, &ret->n) || !s.p)
        return -EBADMSG;
    return note_parse(s, &ret->note) < 0 || checkpoint_parse(ret->note.text, &ret->checkpoint) < 0
               ? -EBADMSG
               : 0;
}

bool proof_holds(const struct proof *p)
{
    struct hash leaf = merkle_leaf(p->leaf);

    return merkle_check_inclusion(&leaf, p->index, p->checkpoint.size, p->path, p->n,
                                  &p->checkpoint.root);
}

/* ---- checking ---- */

static int parse_key(const char *text, struct vkey *ret, struct err *err)
{
    if (vkey_parse(slice_str(text), ret) < 0)
        return err_set(
            err, -EINVAL,
            "this is no key: one line NAME+HEX+BASE64 is needed, as `trail init` prints");
    return 0;
}

/* The origin is the key's name: a signature of it over another trail's tree says nothing. */
static int check_signed(const struct note *n, const struct checkpoint *c, const struct vkey *v,
                        struct err *err)
{
    enum note_verdict verdict = note_check(n, v);

    if (!slice_is(c->origin, v->name))
        return err_set(err, -EKEYREJECTED, "the checkpoint is of the trail '%.*s', the key of '%s'",
                       SLICE_FMT(c->origin), v->name);
    if (verdict != NOTE_GOOD)
        return err_set(err, -EKEYREJECTED,
                       verdict == NOTE_BAD ? "the signature does not fit the checkpoint"
                                           : "the checkpoint is not signed by this key");
    return 0;
}

int audit_check_proof(struct slice text, const char *identity_vkey, struct buf *leaf_bytes,
                      struct audit_proved *ret, struct err *err)
{
    UNINITIALIZED struct proof p;
    struct vkey v;

    if (parse_key(identity_vkey, &v, err) < 0)
        return err_code(err);
    if (proof_parse(text, leaf_bytes, &p) < 0)
        return err_set(err, -EBADMSG, "this is no proof (%s)", HEADER);
    if (check_signed(&p.note, &p.checkpoint, &v, err) < 0)
        return err_code(err);
    if (!proof_holds(&p))
        return err_set(err, -EUCLEAN, "the entry is not in the tree that was signed");
    *ret = (struct audit_proved){ p.checkpoint.origin, p.leaf, p.index, p.checkpoint.size };
    return 0;
}

static int parse_checkpoint(struct slice text, const char *what, const struct vkey *v,
                            struct note *n, struct checkpoint *c, struct err *err)
{
    if (note_parse(text, n) < 0 || checkpoint_parse(n->text, c) < 0)
        return err_set(err, -EBADMSG, "the %s checkpoint cannot be read", what);
    return check_signed(n, c, v, err);
}

int audit_check_consistency(struct slice old_note, struct slice note, struct slice proof,
                            const char *identity_vkey, struct err *err)
{
    struct note n, m;
    struct checkpoint old, new;
    struct vkey v;
    struct hash path[64];
    size_t count;

    if (parse_key(identity_vkey, &v, err) < 0 ||
        parse_checkpoint(old_note, "older", &v, &n, &old, err) < 0 ||
        parse_checkpoint(note, "newer", &v, &m, &new, err) < 0)
        return err_code(err);
    if (!parse_hashes(&proof, path, &count))
        return err_set(err, -EBADMSG, "the proof is not of hashes, one a line");
    if (old.size &&
        !merkle_check_consistency(old.size, new.size, &old.root, &new.root, path, count))
        return err_set(err, -EUCLEAN,
                       "the tree of %llu entries is not the beginning of that of %llu",
                       (unsigned long long)old.size, (unsigned long long)new.size);
    return 0;
}
