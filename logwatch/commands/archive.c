#include "logwatch/commands/archive.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/zip.h"

#define BLOCK 512
#define NAME_MAX_BYTES 512
#define DEPTH_MAX 16

struct walk {
    int (*fn)(void *ctx, struct slice name, struct slice text);
    void *ctx;
    size_t files, bytes;
    struct err *err;
};

/* ---- names ---- */

static bool plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.' || c == '+';
}

bool archive_safe_name(struct slice name, struct buf *out)
{
    struct slice rest = slice_take(name, NAME_MAX_BYTES), part;

    while (slice_split(&rest, '/', &part)) {
        while (part.n && part.p[0] == '.') /* no "..", nothing hidden */
            part = slice_skip(part, 1);
        if (part.n == 0)
            continue;
        if (out->n)
            buf_char(out, '/');
        for (size_t i = 0; i < part.n; i++)
            buf_char(out, plain(part.p[i]) ? part.p[i] : '_');
    }
    return out->n > 0 && buf_ok(out);
}

static struct slice base_name(struct slice name)
{
    size_t slash = slice_rfind_byte(name, '/');

    return slash == SIZE_MAX ? name : slice_skip(name, slash + 1);
}

bool archive_is_license(struct slice name)
{
    return slice_starts(base_name(name), SLICE("LICENSE"));
}

static bool wanted(struct slice name)
{
    return slice_ends(name, SLICE(".yml")) || slice_ends(name, SLICE(".yaml")) ||
           archive_is_license(name);
}

static int tell(struct walk *w, struct slice name, struct slice text)
{
    AUTO_BUF safe = BUF_INIT;

    if (++w->files > ARCHIVE_FILES || (w->bytes += text.n) > ARCHIVE_BYTES)
        return err_set(w->err, -E2BIG, "more than %u files or %u bytes of rules", ARCHIVE_FILES,
                       ARCHIVE_BYTES);
    if (!archive_safe_name(name, &safe))
        return buf_ok(&safe) ? 0 : err_nomem(w->err);
    return w->fn(w->ctx, buf_view(&safe), text);
}

/* ---- tar (POSIX ustar and pax, GNU long names) ---- */

struct tar {
    struct zip *zip;
    struct walk *walk;
    struct buf name; /* of the next member, by a record before it */
    struct buf body;
};

/* 1 = all of it, 0 = the end before the first byte. */
static int read_all(struct tar *t, void *p, size_t n)
{
    size_t have = 0;

    while (have < n) {
        ssize_t got = zip_read(t->zip, (char *)p + have, n - have, t->walk->err);

        if (got == -EAGAIN)
            continue;
        if (got < 0)
            return (int)got;
        if (got == 0)
            return have ? err_set(t->walk->err, -EBADMSG, "the archive is cut short") : 0;
        have += (size_t)got;
    }
    return 1;
}

static int octal(const char *p, size_t n, uint64_t *ret)
{
    uint64_t v = 0;

    while (n && *p == ' ') {
        p++;
        n--;
    }
    for (; n && *p >= '0' && *p <= '7'; p++, n--) {
        if (v >> 60)
            return -ERANGE;
        v = v << 3 | (uint64_t)(*p - '0');
    }
    if (n && *p != '\0' && *p != ' ')
        return -EINVAL; /* also the binary form: no rule is that large */
    *ret = v;
    return 0;
}

static bool checksum_fits(const char *h)
{
    uint64_t want, sum = 0;

    for (size_t i = 0; i < BLOCK; i++)
        sum += i >= 148 && i < 156 ? ' ' : (unsigned char)h[i];
    return octal(h + 148, 8, &want) == 0 && want == sum;
}

static struct slice text_of(const char *p, size_t max)
{
    return slice_of(p, strnlen(p, max));
}

/* "LENGTH path=NAME\n" among the records of a pax header. */
static void pax_path(struct tar *t)
{
    struct slice rest = buf_view(&t->body), line;

    while (slice_split(&rest, '\n', &line)) {
        size_t blank = slice_find_byte(line, ' ');
        struct slice record = blank == SIZE_MAX ? line : slice_skip(line, blank + 1);

        if (!slice_starts(record, SLICE("path=")))
            continue;
        buf_reset(&t->name);
        buf_slice(&t->name, slice_take(slice_skip(record, 5), 4 * NAME_MAX_BYTES));
    }
}

static int read_body(struct tar *t, uint64_t size, bool keep)
{
    char block[BLOCK];

    buf_reset(&t->body);
    while (size) {
        size_t n = size < BLOCK ? (size_t)size : BLOCK;
        int r = read_all(t, block, BLOCK);

        if (r <= 0)
            return r < 0 ? r : err_set(t->walk->err, -EBADMSG, "the archive is cut short");
        if (keep)
            buf_add(&t->body, block, n);
        size -= n;
    }
    return buf_ok(&t->body) ? 0 : err_nomem(t->walk->err);
}

static int member(struct tar *t, const char *h, uint64_t size)
{
    bool named = h[156] == 'L' || h[156] == 'x', file = h[156] == '0' || h[156] == '\0';
    AUTO_BUF name = BUF_INIT;
    bool keep;
    int r;

    if (named) {
        r = read_body(t, size, size <= ARCHIVE_FILE_BYTES);
        if (r == 0 && h[156] == 'x')
            pax_path(t);
        if (r == 0 && h[156] == 'L') {
            buf_reset(&t->name);
            buf_slice(&t->name, text_of(buf_view(&t->body).p, t->body.n));
        }
        return r;
    }
    if (t->name.n) {
        buf_slice(&name, buf_view(&t->name));
    } else {
        buf_slice(&name, text_of(h + 345, 155));
        buf_str(&name, name.n ? "/" : "");
        buf_slice(&name, text_of(h, 100));
    }
    buf_reset(&t->name);
    keep = file && size <= ARCHIVE_FILE_BYTES && wanted(buf_view(&name));
    r = read_body(t, size, keep);
    return r == 0 && keep ? tell(t->walk, buf_view(&name), buf_view(&t->body)) : r;
}

static int read_tar(struct tar *t, char *h)
{
    for (;;) {
        uint64_t size;
        int r;

        if (h[0] == '\0')
            return 0; /* the empty block at the end */
        if (!checksum_fits(h) || octal(h + 124, 12, &size) < 0)
            return err_set(t->walk->err, -EBADMSG, "the archive is damaged");
        r = member(t, h, size);
        if (r == 0)
            r = read_all(t, h, BLOCK);
        if (r <= 0)
            return r;
    }
}

/* ---- a file: an archive, or one rule ---- */

static int read_single(struct walk *w, const char *path)
{
    AUTO_BUF text = BUF_INIT;
    int r = file_read(AT_FDCWD, path, ARCHIVE_FILE_BYTES, &text, w->err);

    return r < 0 ? r : tell(w, base_name(slice_str(path)), buf_view(&text));
}

static int read_file(struct walk *w, const char *path)
{
    AUTO_FD fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    AUTO(zip) zip = NULL;
    struct tar t = { .walk = w };
    char head[BLOCK] = "";
    int r;

    if (fd < 0)
        return err_set(w->err, -errno, "cannot open '%s': %s", path, err_name(errno));
    r = zip_new(fd, &zip, w->err);
    if (r < 0)
        return r;
    t.zip = zip;
    r = read_all(&t, head, sizeof head);
    if (r > 0 && memcmp(head + 257, "ustar", 5) == 0)
        r = read_tar(&t, head);
    else
        r = read_single(w, path); /* shorter than a block, or no archive: a rule */
    buf_fini(&t.name);
    buf_fini(&t.body);
    return r;
}

/* ---- a folder ---- */

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

static int read_folder(struct walk *w, const char *path, struct slice below, unsigned depth);

static int read_entry(struct walk *w, const char *path, struct slice name, unsigned depth)
{
    AUTO_BUF text = BUF_INIT;
    struct stat st;
    int r;

    if (lstat(path, &st) < 0)
        return err_set(w->err, -errno, "cannot look at '%s': %s", path, err_name(errno));
    if (S_ISDIR(st.st_mode))
        return depth < DEPTH_MAX ? read_folder(w, path, name, depth + 1) : 0;
    if (!S_ISREG(st.st_mode) || !wanted(name) || st.st_size > (off_t)ARCHIVE_FILE_BYTES)
        return 0;
    r = file_read(AT_FDCWD, path, ARCHIVE_FILE_BYTES, &text, w->err);
    return r < 0 ? r : tell(w, name, buf_view(&text));
}

static int read_folder(struct walk *w, const char *path, struct slice below, unsigned depth)
{
    struct dirent **list = NULL;
    int n = scandir(path, &list, NULL, by_name), r = 0;

    if (n < 0)
        return err_set(w->err, -errno, "cannot read '%s': %s", path, err_name(errno));
    for (int i = 0; i < n; i++) {
        AUTO_BUF child = BUF_INIT;
        AUTO_BUF name = BUF_INIT;

        buf_printf(&child, "%s/%s", path, list[i]->d_name);
        buf_printf(&name, "%.*s%s%s", SLICE_FMT(below), below.n ? "/" : "", list[i]->d_name);
        if (r == 0 && list[i]->d_name[0] != '.')
            r = buf_ok(&child) && buf_ok(&name) ? read_entry(w, child.p, buf_view(&name), depth)
                                                : err_nomem(w->err);
        free(list[i]);
    }
    free(list);
    return r;
}

int archive_each(const char *path, int (*fn)(void *ctx, struct slice name, struct slice text),
                 void *ctx, struct err *err)
{
    struct walk w = { .fn = fn, .ctx = ctx, .err = err };
    struct stat st;

    if (stat(path, &st) < 0)
        return err_set(err, -errno, "cannot look at '%s': %s", path, err_name(errno));
    return S_ISDIR(st.st_mode) ? read_folder(&w, path, SLICE(""), 0) : read_file(&w, path);
}
