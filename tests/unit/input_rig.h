/*
 * An input on the bench: options from YAML text, a clock of its own, cursors
 * that are kept as the store would keep them. Used by the tests of inputs.
 *
 * What the rig writes, copies and cuts has the time of the rig's clock, and each
 * change is a moment later than the one before: no test depends on how fast the
 * machine is or how coarse its clock.
 */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/file.h"
#include "base/json.h"
#include "logwatch/inputs/input.h"

#define RIG_CURSORS 8192

struct rig_cursor {
    char *stream, *value;
};

struct rig {
    char folder[64];
    struct arena *arena, *block_arena;
    struct clock clock;
    struct input in;
    struct framing framing;
    bool open, ended;
    int failed; /* last failure of read */
    struct err err;
    struct rig_cursor cursors[RIG_CURSORS];
    size_t ncursors;
    struct buf lines; /* what was read: each record and "|", flags in front */
    struct buf notices; /* "type{members} " */
    uint8_t key[16]; /* of the last block with lines */
    uint64_t position;
    bool backfill;
};

static inline void rig_folder(struct rig *r)
{
    const char *tmp = getenv("TMPDIR");

    (void)snprintf(r->folder, sizeof r->folder, "%s/tw-input-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(r->folder));
}

static inline void rig_new(struct rig *r)
{
    memset(r, 0, sizeof *r);
    rig_folder(r);
    r->arena = arena_new(4096, 0);
    r->block_arena = arena_new(1 << 16, 64 << 20);
    clock_set(&r->clock, clock_now(&(struct clock)CLOCK_REAL));
    r->clock.mono_us = 1000 * USEC_PER_SEC;
}

static inline void rig_stop(struct rig *r)
{
    if (r->open)
        r->in.ops->close(&r->in);
    r->open = false;
}

static inline void rig_free(struct rig *r)
{
    pid_t pid;

    rig_stop(r);
    for (size_t i = 0; i < r->ncursors; i++) {
        free(r->cursors[i].stream);
        free(r->cursors[i].value);
    }
    buf_fini(&r->lines);
    buf_fini(&r->notices);
    arena_free(r->arena);
    arena_free(r->block_arena);
    pid = fork();
    if (pid == 0) {
        execlp("rm", "rm", "-rf", r->folder, (char *)NULL);
        _exit(127);
    }
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        ;
}

static inline void rig_wait(struct rig *r, uint64_t us)
{
    clock_set(&r->clock, r->clock.now_us + us);
}

/* A path in the rig's folder; lives as long as the rig. */
static inline char *rig_path(struct rig *r, const char *name)
{
    char *p = arena_printf(r->arena, "%s/%s", r->folder, name ? name : "");

    assert_non_null(p);
    return p;
}

/* Options as in the configuration, "@/" and "@" before a quote stand for the folder. */
static inline void *rig_options(struct rig *r, const struct input_ops *ops, const char *yaml)
{
    struct diag *d = diag_new();
    struct yaml_docs docs = { 0 };
    struct buf text = BUF_INIT;
    void *state = arena_alloc(r->arena, ops->state_size);

    for (const char *p = yaml; *p; p++) {
        if (*p == '@' && (p[1] == '/' || p[1] == '\''))
            buf_str(&text, r->folder);
        else
            buf_char(&text, *p);
    }
    assert_int_equal(yaml_load_text("test", buf_view(&text), r->arena, d, &docs), 0);
    if (option_load(ops->options, docs.docs[0], (struct src_pos){ 0 }, NULL, state, r->arena, d) <
        0) {
        diag_print(d, stderr, false);
        fail_msg("options");
    }
    buf_fini(&text);
    diag_free(d);
    return state;
}

static inline int rig_start(struct rig *r, const struct input_ops *ops, const char *yaml, bool once)
{
    struct cursor list[RIG_CURSORS];
    int ret;

    for (size_t i = 0; i < r->ncursors; i++)
        list[i] =
            (struct cursor){ slice_str(r->cursors[i].stream), slice_str(r->cursors[i].value) };
    r->in = (struct input){
        .name = "test",
        .ops = ops,
        .state = rig_options(r, ops, yaml),
        .clock = &r->clock,
        .framing = r->framing.starts ? &r->framing : NULL,
        .first_start = r->ncursors == 0,
        .once = once,
        .block_max = r->in.block_max,
        .fd = -1,
        .socket = -1,
        .cursors = list,
        .ncursors = r->ncursors,
    };
    ret = ops->open(&r->in, &r->err);
    r->open = true;
    r->ended = false;
    r->in.cursors = NULL;
    return ret;
}

static inline void rig_cursor(struct rig *r, const struct cursor *c)
{
    size_t i = 0;

    while (i < r->ncursors && !slice_is(c->stream, r->cursors[i].stream))
        i++;
    if (i < r->ncursors) {
        free(r->cursors[i].stream);
        free(r->cursors[i].value);
        r->cursors[i] = r->cursors[--r->ncursors];
    }
    if (c->value.n == 0)
        return;
    assert_true(r->ncursors < RIG_CURSORS);
    r->cursors[r->ncursors].stream = slice_dup(c->stream);
    r->cursors[r->ncursors++].value = slice_dup(c->value);
}

static inline void rig_take(struct rig *r, const struct block *b)
{
    struct block_walk walk = { 0 };
    struct record record;

    while (block_next(b, r->in.framing, &walk, &record)) {
        if (record.flags & RECORD_TRUNCATED)
            buf_str(&r->lines, "(cut)");
        if (record.flags & RECORD_PARTIAL)
            buf_str(&r->lines, "(part)");
        buf_slice(&r->lines, record.text);
        buf_char(&r->lines, '|');
        memcpy(r->key, b->stream, sizeof r->key);
        r->position = record.position;
        r->backfill = b->backfill;
    }
    for (size_t i = 0; i < b->nnotices; i++)
        buf_printf(&r->notices, "%s{%.*s} ", b->notices[i].type, SLICE_FMT(b->notices[i].members));
    for (size_t i = 0; i < b->ncursors; i++)
        rig_cursor(r, &b->cursors[i]);
    r->ended = b->end;
}

/* One call; what it returned. */
static inline int rig_read(struct rig *r)
{
    struct block b = { .arena = r->block_arena };
    int ret;

    arena_reset(r->block_arena);
    ret = r->in.ops->read(&r->in, &b, &r->err);
    if (ret > 0)
        rig_take(r, &b);
    if (ret < 0)
        r->failed = ret;
    return ret;
}

/* Until there is nothing now, nor a moment later. */
static inline void rig_drain(struct rig *r)
{
    for (unsigned i = 0, quiet = 0; i < 100000 && quiet < 3 && !r->ended; i++) {
        if (rig_read(r) > 0) {
            quiet = 0;
            continue;
        }
        quiet++;
        rig_wait(r, 20 * USEC_PER_MSEC);
    }
}

/* All that was read since the last call. */
static inline const char *rig_lines(struct rig *r)
{
    char *s;

    rig_drain(r);
    s = arena_str(r->arena, buf_view(&r->lines));
    buf_reset(&r->lines);
    return s;
}

static inline const char *rig_notices(struct rig *r)
{
    char *s = arena_str(r->arena, buf_view(&r->notices));

    buf_reset(&r->notices);
    return s;
}

static inline struct timespec timespec_of(uint64_t us)
{
    return (struct timespec){ (time_t)(us / USEC_PER_SEC), (long)(us % USEC_PER_SEC * 1000) };
}

/* The time of the file's last change, wall. */
static inline void rig_date(struct rig *r, const char *name, uint64_t us)
{
    const struct timespec at[2] = { timespec_of(us), timespec_of(us) };

    assert_int_equal(utimensat(AT_FDCWD, rig_path(r, name), at, 0), 0);
}

/* The file changed now: a moment after all that was before. */
static inline void rig_stamp(struct rig *r, const char *name)
{
    if (!r->clock.given)
        return;
    rig_wait(r, USEC_PER_MSEC);
    rig_date(r, name, r->clock.now_us);
}

static inline void rig_write(struct rig *r, const char *name, int flags, struct slice text)
{
    int fd = open(rig_path(r, name), O_WRONLY | O_CREAT | flags, 0640);

    assert_true(fd >= 0);
    for (size_t at = 0; at < text.n;) {
        ssize_t n = write(fd, text.p + at, text.n - at);

        assert_true(n > 0);
        at += (size_t)n;
    }
    close(fd);
    rig_stamp(r, name);
}

static inline void rig_append(struct rig *r, const char *name, const char *text)
{
    rig_write(r, name, O_APPEND, slice_str(text));
}

static inline void rig_rename(struct rig *r, const char *from, const char *to)
{
    assert_int_equal(rename(rig_path(r, from), rig_path(r, to)), 0);
}

static inline void rig_truncate(struct rig *r, const char *name, off_t size)
{
    assert_int_equal(truncate(rig_path(r, name), size), 0);
    rig_stamp(r, name);
}

/* As logrotate's copytruncate does, without the cut. */
static inline void rig_copy(struct rig *r, const char *from, const char *to)
{
    struct buf bytes = BUF_INIT;

    assert_int_equal(file_read(AT_FDCWD, rig_path(r, from), 1 << 26, &bytes, NULL), 0);
    rig_write(r, to, O_TRUNC, buf_view(&bytes));
    buf_fini(&bytes);
}

/* ---- results and cursors that become true together, for readers that are killed ---- */

static inline void rig_load(struct rig *r, uint64_t *length)
{
    struct buf text = BUF_INIT;
    struct json *j, *c;

    *length = 0;
    if (file_read(AT_FDCWD, rig_path(r, "state"), 1 << 20, &text, NULL) < 0)
        return;
    j = json_load(r->arena, buf_view(&text), NULL);
    assert_non_null(j);
    *length = json_u64(j, "length", 0);
    for (c = json_get(j, "cursors")->child; c; c = c->next) {
        struct cursor cursor = { c->key, c->text };

        rig_cursor(r, &cursor);
    }
    buf_fini(&text);
}

static inline void rig_save(struct rig *r, uint64_t length)
{
    struct buf text = BUF_INIT;
    struct json_writer w = json_writer(&text);

    json_object(&w);
    json_member_u64(&w, "length", length);
    json_key(&w, "cursors");
    json_object(&w);
    for (size_t i = 0; i < r->ncursors; i++)
        json_member_str(&w, r->cursors[i].stream, r->cursors[i].value);
    json_object_end(&w);
    json_object_end(&w);
    rig_write(r, "state.new", O_TRUNC, buf_view(&text));
    rig_rename(r, "state.new", "state");
    buf_fini(&text);
}

/* One block as the program commits it: results first, then what makes them true. */
static inline bool rig_commit(struct rig *r, int out, uint64_t *length)
{
    buf_reset(&r->lines);
    buf_reset(&r->notices);
    if (rig_read(r) <= 0)
        return false;
    if (r->lines.n && pwrite(out, r->lines.p, r->lines.n, (off_t)*length) != (ssize_t)r->lines.n)
        _exit(3);
    *length += r->lines.n;
    if (r->notices.n && getenv("TW_STORM_VERBOSE"))
        (void)fprintf(stderr, "%s\n", r->notices.p);
    rig_save(r, *length);
    return true;
}

/* The file of results, cut to what was committed: the rest never happened. */
static inline int rig_results(struct rig *r, uint64_t *length)
{
    int out = open(rig_path(r, "out"), O_RDWR | O_CREAT, 0640);

    rig_load(r, length);
    assert_true(out >= 0);
    assert_int_equal(ftruncate(out, (off_t)*length), 0);
    return out;
}
