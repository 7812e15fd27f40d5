#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_MAX 16384

struct secret {
    size_t n;
    char text[];
};

int secret_from_slice(struct slice s, struct secret **ret_secret, struct err *err)
{
    struct secret *x;

    if (s.n == 0 || s.n > SECRET_MAX)
        return err_set(err, -EINVAL, s.n ? "a secret is too long" : "a secret is empty");
    if (memchr(s.p, '\0', s.n))
        return err_set(err, -EINVAL, "a secret holds a NUL byte");
    x = malloc(sizeof *x + s.n + 1);
    if (!x)
        return err_nomem(err);
    x->n = s.n;
    memcpy(x->text, s.p, s.n);
    x->text[s.n] = '\0';
    (void)sodium_mlock(x, sizeof *x + s.n + 1); /* as far as the limit allows */
    *ret_secret = x;
    return 0;
}

struct secret *secret_unreadable(void)
{
    return calloc(1, sizeof(struct secret) + 1);
}

void secret_free(struct secret *s)
{
    if (!s)
        return;
    sodium_munlock(s, sizeof *s + s->n + 1); /* wipes */
    free(s);
}

struct slice secret_view(const struct secret *s)
{
    return s ? slice_of(s->text, s->n) : SLICE("");
}

static int load(int fd, const char *path, struct secret **ret, struct err *err)
{
    char text[SECRET_MAX + 2]; /* room for the newline and for one too many */
    size_t n = 0;
    ssize_t got = 1;
    int r;

    while (n < sizeof text && got != 0) {
        got = read(fd, text + n, sizeof text - n);
        if (got > 0)
            n += (size_t)got;
        else if (got < 0 && errno != EINTR)
            break;
    }
    if (n && text[n - 1] == '\n')
        n--;
    r = got < 0 ? err_set(err, -errno, "cannot read it: %s", err_name(errno))
                : secret_from_slice(slice_of(text, n), ret, err);
    sodium_memzero(text, sizeof text);
    return r < 0 ? err_while(err, "'%s'", path) : 0;
}

static bool only_ours(const char *path, const struct stat *st)
{
    if (!(st->st_mode & 0077))
        return true;
    return st->st_uid == 0 && !(st->st_mode & 0007) &&
           slice_starts(slice_str(path), SLICE("/run/credentials/")) && !strstr(path, "/../");
}

int secret_from_file(const char *path, struct secret **ret_secret, struct err *err)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    struct stat st;

    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, -errno, "cannot open '%s': %s", path, err_name(errno));
    if (!S_ISREG(st.st_mode))
        return err_set(err, -EINVAL, "'%s' is no regular file", path);
    if (!only_ours(path, &st))
        return err_set(err, -EPERM, "'%s' may be read by others: chmod 600 it", path);
    return load(fd, path, ret_secret, err);
}

int secret_from_credential(const char *name, struct secret **ret_secret, struct err *err)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    AUTO_BUF path = BUF_INIT;
    AUTO_FD fd = -1;

    if (!name[0] || strchr(name, '/') || name[0] == '.')
        return err_set(err, -EINVAL, "'%s' is no name of a credential", name);
    if (!folder)
        return err_set(err, -ENOENT,
                       "no credentials were given: use LoadCredential=%s:/path in the unit", name);
    buf_printf(&path, "%s/%s", folder, name);
    if (!buf_ok(&path))
        return err_nomem(err);
    fd = open(path.p, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(err, -errno, "cannot open credential '%s': %s", name, err_name(errno));
    return load(fd, path.p, ret_secret, err);
}

void secret_scrub(const struct secret *s, char *text)
{
    char *p = text;

    if (!s || s->n < 4)
        return;
    while ((p = strstr(p, s->text))) {
        size_t rest = strlen(p + s->n);

        memcpy(p, "***", 3);
        memmove(p + 3, p + s->n, rest + 1);
        p += 3;
    }
}
