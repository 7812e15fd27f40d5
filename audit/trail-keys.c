/* Secret keys on disk: one hex line a file, wiped when they are done. */
#include "audit/trail-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"

static int write_key(int dir, const char *name, const uint8_t seed[32], struct err *err)
{
    AUTO_BUF b = BUF_INIT;
    int r;

    buf_hex(&b, seed, 32);
    buf_char(&b, '\n');
    r = buf_ok(&b) ? file_replace(dir, name, buf_view(&b), 0600, err) : err_nomem(err);
    if (b.p)
        sodium_memzero(b.p, b.n);
    return r;
}

/* Missing, or open to others: nothing can be signed that anybody would believe. */
static int check_key(int dir, const char *name, struct err *err)
{
    struct stat st;

    if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
        return errno == ENOENT
                   ? err_set(err, -ENOKEY,
                             "'%s' is not there: restore the key folder"
                             " (docs/state.md)",
                             name)
                   : err_set(err, -errno, "cannot look at '%s': %s", name, err_name(errno));
    if (!S_ISREG(st.st_mode) || st.st_mode & 077)
        return err_set(err, -ENOKEY,
                       "'%s' has mode %04o, others may use it: chmod 600, and find out"
                       " who could read it",
                       name, st.st_mode & 07777);
    return 0;
}

int trail_read_key(int dir, const char *name, const char *origin, struct signing_key *k,
                   struct err *err)
{
    AUTO_BUF b = BUF_LIMIT(256);
    uint8_t seed[32];
    int r = check_key(dir, name, err);

    if (r == 0)
        r = file_read(dir, name, 200, &b, err);
    if (r < 0)
        return err_while(err, "secret key");
    if (hex_decode(slice_trim(buf_view(&b)), seed, sizeof seed) < 0)
        r = err_set(err, -EBADMSG, "'%s' is no secret key", name);
    else if (key_from_seed(k, origin, seed) < 0)
        r = err_set(err, -EIO, "libsodium does not work");
    sodium_memzero(b.p, b.n);
    sodium_memzero(seed, sizeof seed);
    return r;
}

void trail_epoch_file(char out[40], unsigned n)
{
    snprintf(out, 40, "epoch-%06u.key", n);
}

int trail_new_key(struct audit *a, const char *name, struct signing_key *k, struct err *err)
{
    uint8_t seed[32];
    int r;

    if (sodium_init() < 0)
        return err_set(err, -EIO, "libsodium does not work");
    randombytes_buf(seed, sizeof seed);
    r = write_key(a->key_dir, name, seed, err);
    if (r == 0)
        r = key_from_seed(k, a->config.origin, seed) < 0 ? err_set(err, -EIO, "libsodium") : 0;
    sodium_memzero(seed, sizeof seed);
    return r;
}

int trail_load_keys(struct audit *a, struct err *err)
{
    char name[40];
    unsigned n = 0;

    if (trail_read_key(a->key_dir, "identity.key", a->config.origin, &a->identity, err) < 0)
        return err_code(err);
    for (;; n++) { /* the newest proof names the current epoch */
        char path[48];

        snprintf(path, sizeof path, "epochs/%06u.tlog-proof", n + 1);
        if (n > 999998 || faccessat(a->dir, path, F_OK, 0) < 0)
            break;
    }
    a->epoch_n = n;
    if (n) { /* ended between the proof and this: whose epoch is over has no use but misuse */
        trail_epoch_file(name, n - 1);
        unlinkat(a->key_dir, name, 0);
    }
    trail_epoch_file(name, n);
    return trail_read_key(a->key_dir, name, a->config.origin, &a->epoch, err);
}
