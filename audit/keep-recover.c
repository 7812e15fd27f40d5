/* What of a damaged trail can still be believed: the largest checkpoint that its key signed. */
#include "audit/trail-private.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "base/file.h"

#define NOTE_MAX (1 << 20)

struct believing {
    struct audit *a;
    bool have_key;
    struct vkey named; /* by the first epoch's proof; used without the secret key */
    char *origin;
    struct audit_prev *best;
    bool found;
};

/* Signed by our key under the name that the note says. */
static bool signed_by_us(struct believing *b, const struct note *n, const char *origin)
{
    struct signing_key k;
    bool good;

    if (!b->have_key)
        return note_check(n, &b->named) == NOTE_GOOD;
    if (trail_read_key(b->a->key_dir, "identity.key", origin, &k, NULL) < 0)
        return false;
    good = note_check(n, &k.public) == NOTE_GOOD;
    key_wipe(&k);
    return good;
}

static void weigh(struct believing *b, const struct note *n, const struct checkpoint *c)
{
    char origin[AUDIT_ORIGIN_MAX];

    if (c->origin.n >= sizeof origin || (b->found && c->size <= b->best->size))
        return;
    memcpy(origin, c->origin.p, c->origin.n);
    origin[c->origin.n] = '\0';
    if (!signed_by_us(b, n, origin))
        return;
    b->found = true;
    memcpy(b->origin, origin, sizeof origin);
    *b->best = (struct audit_prev){ .origin = b->origin, .size = c->size };
    memcpy(b->best->root, c->root.b, sizeof b->best->root);
}

static void weigh_note(struct believing *b, const char *path)
{
    AUTO_BUF text = BUF_INIT;
    struct note n;
    struct checkpoint c;

    if (file_read(b->a->dir, path, NOTE_MAX, &text, NULL) == 0 &&
        note_parse(buf_view(&text), &n) == 0 && checkpoint_parse(n.text, &c) == 0)
        weigh(b, &n, &c);
}

static void weigh_proof(struct believing *b, const char *path)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    struct proof p = { .n = 0 };

    if (file_read(b->a->dir, path, NOTE_MAX, &text, NULL) < 0 ||
        proof_parse(buf_view(&text), &leaf, &p) < 0 || !proof_holds(&p))
        return;
    if (!b->have_key && !b->named.name[0] && p.index == 0)
        (void)vkey_parse(line_member(p.leaf, "vkey"), &b->named);
    weigh(b, &p.note, &p.checkpoint);
}

static void weigh_folder(struct believing *b, const char *folder,
                         void (*fn)(struct believing *b, const char *path))
{
    int fd = openat(b->a->dir, folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *d = fd >= 0 ? fdopendir(fd) : NULL;
    struct dirent *e;

    if (!d && fd >= 0)
        close(fd);
    while (d && (e = readdir(d))) {
        AUTO_BUF path = BUF_INIT;

        if (e->d_name[0] == '.')
            continue;
        buf_printf(&path, "%s/%s", folder, e->d_name);
        if (buf_ok(&path))
            fn(b, path.p);
    }
    if (d)
        closedir(d);
}

int audit_believable(const struct audit_config *config, char origin[AUDIT_ORIGIN_MAX],
                     struct audit_prev *ret, struct err *err)
{
    AUTO(audit) a = trail_alloc(config);
    struct believing b = { .a = a, .origin = origin, .best = ret };

    if (!a)
        return err_nomem(err);
    a->dir = open(config->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    a->key_dir = open(config->key_folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (a->dir < 0)
        return err_set(err, -ENOENT, "cannot open '%s': %s", config->folder, err_name(errno));
    b.have_key = a->key_dir >= 0 && faccessat(a->key_dir, "identity.key", R_OK, 0) == 0;
    weigh_proof(&b, "epochs/000000.tlog-proof");
    weigh_note(&b, "checkpoint");
    weigh_folder(&b, "checkpoints", weigh_note);
    weigh_folder(&b, "epochs", weigh_proof);
    return b.found ? 0
                   : err_set(err, -ENOENT, "no checkpoint of '%s' can be believed", config->folder);
}
