/*
 * One generation of content: whether it is still itself, and its cursor.
 *
 * The identity is looked at before and after each read, so a file that was cut
 * and has grown again past our offset in between cannot pass for its own
 * continuation. A compressed file does not change: as long as its size and time
 * are the same, so is its content. What is remembered (head, mark) are the very bytes that were
 * handed over, never a second reading of the file.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/random.h>

#include "base/file.h"
#include "base/json.h"
#include "base/num.h"
#include "logwatch/inputs/file-private.h"

#define PROBE_BYTES 65536
#define PROBES_A_TURN 64
#define NULS_OF_BINARY 256

/* ---- bytes that were read ---- */

static uint64_t hash_of(const void *p, size_t n)
{
    uint8_t digest[SHA256_SIZE];
    uint64_t h = 0;

    sha256(p, n, digest);
    for (unsigned i = 0; i < 8; i++)
        h = h << 8 | digest[i];
    return h;
}

int read_at(int fd, void *p, size_t n, uint64_t offset)
{
    size_t done = 0;

    while (done < n) {
        ssize_t r = pread(fd, (char *)p + done, n - done, (off_t)(offset + done));

        if (r < 0 && errno == EINTR)
            continue;
        if (r < 0)
            return -errno;
        if (r == 0)
            return 0;
        done += (size_t)r;
    }
    return 1;
}

bool known_is(struct known_bytes *k, const char *bytes)
{
    if (k->held)
        return memcmp(bytes, k->bytes, k->n) == 0;
    if (hash_of(bytes, k->n) != k->hash)
        return false;
    memcpy(k->bytes, bytes, k->n);
    k->held = true;
    return true;
}

static int known_at(struct known_bytes *k, int fd, uint64_t offset)
{
    char bytes[HEAD_MAX];
    int r = read_at(fd, bytes, k->n, offset);

    if (r <= 0)
        return r;
    return known_is(k, bytes);
}

static void head_grow(struct known_bytes *head, struct slice more)
{
    size_t n = HEAD_MAX - head->n < more.n ? HEAD_MAX - head->n : more.n;

    memcpy(head->bytes + head->n, more.p, n);
    head->n += (unsigned)n;
}

void mark_move(struct known_bytes *mark, struct slice more)
{
    size_t old = mark->n;

    if (more.n >= MARK_MAX) {
        memcpy(mark->bytes, more.p + more.n - MARK_MAX, MARK_MAX);
        mark->n = MARK_MAX;
        return;
    }
    if (old + more.n > MARK_MAX) {
        size_t drop = old + more.n - MARK_MAX;

        memmove(mark->bytes, mark->bytes + drop, old - drop);
        old -= drop;
    }
    memcpy(mark->bytes + old, more.p, more.n);
    mark->n = (unsigned)(old + more.n);
}

void stream_advance(struct stream *s, struct slice read)
{
    if (read.n == 0)
        return;
    head_grow(&s->head, read);
    mark_move(&s->mark, read);
    s->offset += read.n;
    s->dirty = true;
}

static bool read_known(struct known_bytes *k, int fd, unsigned n, uint64_t at)
{
    *k = (struct known_bytes){ .n = n, .held = true };
    return n == 0 || read_at(fd, k->bytes, n, at) > 0;
}

/* What would be known of the file, were it read up to there. */
static int look_ahead(struct stream *s, uint64_t offset, struct known_bytes *head,
                      struct known_bytes *mark)
{
    unsigned n = offset < MARK_MAX ? (unsigned)offset : MARK_MAX;

    return read_known(head, s->fd, offset < HEAD_MAX ? (unsigned)offset : HEAD_MAX, 0) &&
                   read_known(mark, s->fd, n, offset - n)
               ? 0
               : -EIO;
}

static void place(struct stream *s, uint64_t offset, const struct known_bytes *head,
                  const struct known_bytes *mark)
{
    s->head = *head;
    s->mark = *mark;
    s->offset = offset;
    s->dirty = true;
}

int stream_jump(struct stream *s, uint64_t offset)
{
    struct known_bytes head, mark;

    if (look_ahead(s, offset, &head, &mark) < 0)
        return -EIO;
    place(s, offset, &head, &mark);
    s->hole_bytes = 0;
    return 0;
}

int stream_skip(struct stream *s, uint64_t offset)
{
    struct known_bytes head, mark;
    struct stat st;

    if (look_ahead(s, offset, &head, &mark) < 0)
        return -EIO;
    if (fstat(s->fd, &st) < 0 || stream_is(s, s->fd, &st) <= 0)
        return -ESTALE;
    place(s, offset, &head, &mark);
    return 0;
}

/* ---- life ---- */

static bool new_id(char out[33])
{
    uint8_t bytes[16];

    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes)
        return false;
    for (unsigned i = 0; i < 16; i++)
        (void)snprintf(out + i * 2, 3, "%02x", bytes[i]);
    return true;
}

struct stream *stream_new(const char *path)
{
    AUTO(stream) s = calloc(1, sizeof *s);

    if (!s)
        return NULL;
    s->fd = -1;
    s->path = strdup(path);
    s->where = strdup(path);
    s->head.held = s->mark.held = true;
    s->first_look = true;
    return s->path && s->where && new_id(s->id) ? TAKE(s) : NULL;
}

void stream_free(struct stream *s)
{
    if (!s)
        return;
    if (s->fd >= 0)
        close(s->fd);
    long_line_free(s->skip);
    unpack_free(s->unpack);
    free(s->path);
    free(s->where);
    free(s->root);
    free(s);
}

static bool load_hash(const struct json *j, const char *key, const char *count, unsigned max,
                      struct known_bytes *ret)
{
    struct slice hex = json_text(j, key);
    uint8_t bytes[8];
    uint64_t n = json_u64(j, count, UINT64_MAX);

    if (n > max || hex_decode(hex, bytes, sizeof bytes) < 0)
        return false;
    *ret = (struct known_bytes){ .n = (unsigned)n, .held = n == 0 };
    for (unsigned i = 0; i < 8; i++)
        ret->hash = ret->hash << 8 | bytes[i];
    return true;
}

static bool load_texts(struct stream *s, const struct cursor *c, const struct json *j)
{
    struct slice path = json_text(j, "path"), where = json_text(j, "where");
    struct slice key = json_text(j, "key");

    if (c->stream.n != sizeof s->id - 1 || path.n == 0)
        return false;
    memcpy(s->id, c->stream.p, c->stream.n);
    s->path = slice_dup(path);
    s->where = slice_dup(where.n ? where : path);
    s->key_known = key.n && hex_decode(key, s->key, sizeof s->key) == 0;
    return s->path && s->where;
}

struct stream *stream_load(const struct cursor *c, struct arena *a, struct err *err)
{
    struct err why = ERR_NONE;
    const struct json *j = json_load(a, c->value, &why);
    AUTO(stream) s = calloc(1, sizeof *s);

    if (!s || why.code == -ENOMEM)
        err_nomem(err);
    if (!s || !j)
        return NULL;
    s->fd = -1;
    s->offset = json_u64(j, "offset", 0);
    s->dev = (dev_t)json_u64(j, "dev", 0);
    s->ino = (ino_t)json_u64(j, "ino", 0);
    s->first_seen_us = json_u64(j, "seen", 0);
    s->log_seen_us = json_u64(j, "log_seen", s->first_seen_us);
    s->mtime_ns = json_u64(j, "mtime", 0);
    s->lost_us = json_u64(j, "lost", 0);
    s->hole_bytes = json_u64(j, "hole", 0);
    s->flags = (unsigned)json_u64(j, "flags", 0);
    s->backfill_end = json_u64(j, "backfill", 0);
    s->told = json_bool(j, "told", false);
    s->cut = json_get(j, "cut_to") != NULL;
    s->cut_to = json_u64(j, "cut_to", 0);
    s->packed.size = json_u64(j, "packed_size", 0);
    s->packed.mtime_ns = json_u64(j, "packed_mtime", 0);
    s->packed.done = json_bool(j, "packed_done", false);
    s->ended = s->packed.done || json_bool(j, "ended", false);
    s->state = STREAM_LOST; /* until the first scan has found it */
    if (!load_texts(s, c, j)) {
        if (json_text(j, "path").n && c->stream.n == sizeof s->id - 1) /* no room for a copy */
            err_nomem(err);
        return NULL;
    }
    if (json_u64(j, "version", 0) != 1 || !load_hash(j, "head", "head_n", HEAD_MAX, &s->head) ||
        !load_hash(j, "mark", "mark_n", MARK_MAX, &s->mark))
        return NULL;
    if (s->hole_bytes > s->offset || s->head.n != (s->offset < HEAD_MAX ? s->offset : HEAD_MAX) ||
        s->mark.n != (s->offset < MARK_MAX ? s->offset : MARK_MAX))
        return NULL;
    s->first_look = s->offset == 0 && !s->packed.size;
    return TAKE(s);
}

static void cursor_hash(struct json_writer *w, const char *key, const char *count,
                        const struct known_bytes *k)
{
    char hex[17];

    (void)snprintf(hex, sizeof hex, "%016llx",
                   (unsigned long long)(k->held ? hash_of(k->bytes, k->n) : k->hash));
    json_member_str(w, key, hex);
    json_member_u64(w, count, k->n);
}

void stream_cursor(const struct stream *s, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF key = BUF_INIT;

    json_object(&w);
    json_member_u64(&w, "version", 1);
    json_member_u64(&w, "offset", s->offset);
    json_member_str(&w, "path", s->path);
    if (strcmp(s->path, s->where) != 0)
        json_member_str(&w, "where", s->where);
    json_member_u64(&w, "dev", s->dev);
    json_member_u64(&w, "ino", s->ino);
    cursor_hash(&w, "head", "head_n", &s->head);
    cursor_hash(&w, "mark", "mark_n", &s->mark);
    if (s->key_known) {
        buf_hex(&key, s->key, sizeof s->key);
        json_member_buf(&w, "key", &key);
    }
    json_member_u64(&w, "seen", s->first_seen_us);
    if (s->log_seen_us != s->first_seen_us)
        json_member_u64(&w, "log_seen", s->log_seen_us);
    json_member_u64(&w, "mtime", s->mtime_ns);
    if (s->lost_us)
        json_member_u64(&w, "lost", s->lost_us);
    if (s->hole_bytes)
        json_member_u64(&w, "hole", s->hole_bytes);
    if (s->lost_us && s->told)
        json_member_bool(&w, "told", true);
    else if (s->lost_us && s->cut)
        json_member_u64(&w, "cut_to", s->cut_to);
    if (s->ended && !s->packed.size)
        json_member_bool(&w, "ended", true);
    if (s->flags)
        json_member_u64(&w, "flags", s->flags);
    if (s->offset < s->backfill_end)
        json_member_u64(&w, "backfill", s->backfill_end);
    if (s->packed.size) {
        json_member_u64(&w, "packed_size", s->packed.size);
        json_member_u64(&w, "packed_mtime", s->packed.mtime_ns);
        json_member_bool(&w, "packed_done", s->packed.done);
    }
    json_object_end(&w);
}

/* ---- identity ---- */

int stream_content_is(struct stream *s, int fd, const struct stat *st)
{
    int r;

    if (s->offset == 0 || (uint64_t)st->st_size < s->offset)
        return 0;
    r = known_at(&s->mark, fd, s->offset - s->mark.n);
    return r > 0 ? known_at(&s->head, fd, 0) : r;
}

bool stream_is_packed(const struct stream *s, const struct stat *st)
{
    return (uint64_t)st->st_size == s->packed.size && stat_mtime_ns(st) == s->packed.mtime_ns;
}

int stream_is(struct stream *s, int fd, const struct stat *st)
{
    if (st->st_dev != s->dev || st->st_ino != s->ino)
        return 0;
    if (s->packed.size)
        return stream_is_packed(s, st);
    return s->offset == 0 ? 1 : stream_content_is(s, fd, st);
}

bool stream_begins(const struct stream *s, int fd, uint64_t size)
{
    char bytes[HEAD_MAX];
    size_t n = size < s->head.n ? (size_t)size : s->head.n;

    if (n == 0 || read_at(fd, bytes, n, 0) <= 0)
        return false;
    if (s->head.held)
        return memcmp(bytes, s->head.bytes, n) == 0;
    return n == s->head.n && hash_of(bytes, n) == s->head.hash;
}

void stream_detach(struct file_input *f, struct stream *s)
{
    if (s->fd < 0)
        return;
    close(s->fd);
    s->fd = -1;
    f->nopen--;
    s->ready = false;
    unpack_free(s->unpack);
    s->unpack = NULL;
}

void stream_attach(struct file_input *f, struct stream *s, int fd, const struct stat *st)
{
    stream_detach(f, s);
    s->fd = fd;
    f->nopen++;
    s->used = ++f->clock_of_use;
    if (s->dev != st->st_dev || s->ino != st->st_ino) {
        s->dev = st->st_dev;
        s->ino = st->st_ino;
        s->dirty = true;
    }
    if (s->lost_us) {
        s->lost_us = 0;
        s->dirty = true;
    }
    s->tried_size = UINT64_MAX;
    s->size = UINT64_MAX;
    s->hole_end = s->text_at = 0;
    s->ended = s->told = false;
    s->grown_us = file_now(f);
    s->ready = true;
}

void stream_pack(struct stream *s, const struct stat *st)
{
    s->packed = (struct packed){ .size = (uint64_t)st->st_size, .mtime_ns = stat_mtime_ns(st) };
    s->dirty = true;
}

void stream_lost(struct file_input *f, struct stream *s)
{
    stream_detach(f, s);
    if (s->state != STREAM_LOST)
        s->since_us = file_now(f);
    f->losses++;
    s->state = STREAM_LOST;
    f->scan_us = file_now(f);
    s->ino = 0; /* that file is another stream's now */
    if (!s->lost_us)
        s->lost_us = clock_now(f->in->clock);
    s->dirty = true;
}

void stream_cut(struct file_input *f, struct stream *s, const struct stat *st)
{
    s->cut = true;
    s->cut_to = (uint64_t)st->st_size;
    stream_lost(f, s);
}

/* ---- what kind of file ---- */

struct magic {
    const char *bytes;
    size_t n;
    const char *text;
};

static const struct magic magics[] = {
    { "\x1f\x8b", 2, "is compressed (gzip): only replay reads it by name" },
    { "\x28\xb5\x2f\xfd", 4, "is compressed (zstd): only replay reads it by name" },
    { "\xfd"
      "7zXZ",
      5, "is compressed (xz): unpack it first" },
    { "BZh", 3, "is compressed (bzip2): unpack it first" },
    { "PK\x03\x04", 4, "is an archive (zip): unpack it first" },
    { "\xff\xfe", 2, "is UTF-16: convert it to UTF-8 first" },
    { "\xfe\xff", 2, "is UTF-16: convert it to UTF-8 first" },
    { "\x7f"
      "ELF",
      4, "is a program, not a log" },
    { "SQLite format 3", 15, "is a database, not a log" },
    { "LPKSHHRH", 8, "is a journal: use an input of type journald with 'files'" },
};

bool text_begins(int fd, uint64_t size, uint64_t *at)
{
    char bytes[PROBE_BYTES];

    for (unsigned i = 0; *at < size && i < PROBES_A_TURN; i++) {
        off_t data = lseek(fd, (off_t)*at, SEEK_DATA);
        ssize_t n;

        if (data < 0 && errno == ENXIO)
            *at = size;
        else if (data > (off_t)*at)
            *at = (uint64_t)data;
        n = pread(fd, bytes, sizeof bytes, (off_t)*at);
        if (n <= 0)
            return false;
        for (ssize_t k = 0; k < n; k++)
            if (bytes[k] != '\0') {
                *at += (uint64_t)k;
                *at = *at < NUL_RUN_MIN ? 0 : *at;
                return true;
            }
        *at += (uint64_t)n;
    }
    return false;
}

/*
 * NUL bytes inside of lines, against all bytes; holes before lines are neither. UTF-16 has half of
 * them, records of fixed length have more; a few in one line are only a strange line, and a file
 * must not be refused by its first line and taken when there are more.
 */
static bool has_many_nuls(struct slice b)
{
    size_t nuls = 0, runs = 0, holes = 0;

    for (size_t i = 0; i < b.n; i++) {
        size_t n = 0;

        while (i + n < b.n && b.p[i + n] == '\0')
            n++;
        if (n >= NUL_RUN_MIN && (i == 0 || b.p[i - 1] == '\n'))
            holes += n;
        else
            nuls += n;
        runs += n > 0;
        i += n;
    }
    return (runs >= NUL_RUN_MIN || nuls >= NULS_OF_BINARY) && nuls * 4 > b.n - holes;
}

const char *bytes_refusal(struct slice b)
{
    for (size_t i = 0; i < ARRAY_SIZE(magics); i++)
        if (slice_starts(b, slice_of(magics[i].bytes, magics[i].n)))
            return magics[i].text;
    while (b.n > 0 && b.p[b.n - 1] == '\0')
        b.n--; /* room that a writer made beforehand */
    return has_many_nuls(b) ? "is binary, not lines of text" : NULL;
}

const char *content_refusal(int fd, uint64_t size)
{
    char bytes[4096];
    uint64_t at = 0;
    ssize_t n = text_begins(fd, size, &at) ? pread(fd, bytes, sizeof bytes, (off_t)at) : 0;

    return n > 0 ? bytes_refusal(slice_of(bytes, (size_t)n)) : NULL;
}

uint64_t stream_end_offset(int fd, uint64_t size)
{
    char bytes[PROBE_BYTES];
    size_t n = size < sizeof bytes ? (size_t)size : sizeof bytes;
    const char *lf;

    if (n == 0 || read_at(fd, bytes, n, size - n) <= 0)
        return size;
    lf = memrchr(bytes, '\n', n);
    if (!lf)
        return n == size ? 0 : size; /* one line only, not complete; or one too long */
    return size - n + (size_t)(lf - bytes) + 1;
}
