/*
 * A trail on disk for tests: written by the real writer with a given clock, verified, damaged.
 *
 *     struct trail_rig *t = rig_new(); rig_fill(t); ...; rig_free(t);
 */
#pragma once

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "audit/trail-private.h"
#include "base/file.h"
#include "base/proc.h"

#define RIG_DAY (UINT64_C(86400) * USEC_PER_SEC)

struct trail_rig {
    char folder[128], trail[160], keys[160];
    struct clock clock;
    struct audit_config config;
    struct audit_anchors anchors;
    struct audit *audit; /* open, or NULL */
    char codes[400]; /* of the last verification, a blank behind each; warnings in brackets */
};

static UNUSED void rig_run(const char *const *argv)
{
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 20 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
}

static UNUSED void rig_copy(const char *from, const char *to)
{
    const char *const argv[] = { "/bin/cp", "-a", from, to, NULL };
    const char *const clear[] = { "/bin/rm", "-rf", to, NULL };

    rig_run(clear);
    rig_run(argv);
}

static UNUSED void rig_place(struct trail_rig *t)
{
    snprintf(t->folder, sizeof t->folder, "%s/tw-trail-XXXXXX",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
    assert_non_null(mkdtemp(t->folder));
    snprintf(t->trail, sizeof t->trail, "%s/trail", t->folder);
    snprintf(t->keys, sizeof t->keys, "%s/keys", t->folder);
    t->config.folder = t->trail;
    t->config.key_folder = t->keys;
    t->config.clock = &t->clock;
}

/* A closed trail once more: faster than writing one with all its syncs. */
static UNUSED struct trail_rig *rig_clone(const struct trail_rig *from)
{
    struct trail_rig *t = calloc(1, sizeof *t);

    *t = *from;
    rig_place(t);
    rig_copy(from->trail, t->trail);
    rig_copy(from->keys, t->keys);
    return t;
}

static UNUSED struct trail_rig *rig_new(void)
{
    struct trail_rig *t = calloc(1, sizeof *t);

    clock_set(&t->clock, UINT64_C(1790000000) * USEC_PER_SEC);
    t->config =
        (struct audit_config){ .origin = "test.example/1", .heartbeat_s = 300, .epoch_s = 86400 };
    rig_place(t);
    assert_int_equal(audit_init(&t->config, &t->anchors, NULL), 0);
    return t;
}

static UNUSED void rig_open(struct trail_rig *t)
{
    uint64_t replay;
    struct err err = ERR_NONE;

    if (audit_open(&t->config, NULL, &t->audit, &replay, &err) < 0)
        print_message("%s\n", err.text);
    assert_non_null(t->audit);
}

static UNUSED void rig_close(struct trail_rig *t)
{
    audit_free(t->audit);
    t->audit = NULL;
}

static UNUSED void rig_free(struct trail_rig *t)
{
    const char *const argv[] = { "/bin/rm", "-rf", t->folder, NULL };

    rig_close(t);
    rig_run(argv);
    free(t);
}

static UNUSED void rig_pass(struct trail_rig *t, uint64_t us)
{
    clock_set(&t->clock, t->clock.now_us + us);
}

/* One entry, signed at once. */
static UNUSED uint64_t rig_entry(struct trail_rig *t, const char *type, const char *members)
{
    AUTO(arena) arena = arena_new(4096, 0);
    struct batch b;

    batch_init(&b, arena, clock_now(&t->clock));
    batch_entry(&b, type)->members = slice_str(members);
    assert_int_equal(audit_append(t->audit, &b, NULL), 0);
    audit_committed(t->audit, &b.trail);
    assert_int_equal(audit_checkpoint(t->audit, true, NULL), 0);
    return b.trail.count;
}

/* Every third one with personal values, some of them escaped in JSON. */
static UNUSED void rig_entries(struct trail_rig *t, unsigned n)
{
    AUTO(arena) arena = arena_new(65536, 0);
    struct batch b;

    batch_init(&b, arena, clock_now(&t->clock));
    for (unsigned i = 0; i < n; i++) {
        struct entry *e = batch_entry(&b, "event");

        e->members = slice_str(arena_printf(arena, "\"channel\":\"api\",\"n\":%u", i));
        if (i % 3)
            continue;
        e->pii = arena_array(arena, 2, sizeof *e->pii);
        e->pii[0] = (struct entry_pii){ SLICE("source.ip"),
                                        slice_str(arena_printf(arena, "203.0.113.%u", i % 250)) };
        e->pii[1] = (struct entry_pii){ SLICE("user.name"), SLICE("al\"ic\\e \xc3\xa9") };
        e->npii = 2;
    }
    assert_int_equal(audit_append(t->audit, &b, NULL), 0);
    audit_committed(t->audit, &b.trail);
    assert_int_equal(audit_checkpoint(t->audit, true, NULL), 0);
}

/* Two segments, four tiles of level 0 and one of level 1, two rolls of the epoch; closed. */
static UNUSED void rig_fill(struct trail_rig *t)
{
    rig_open(t);
    (void)rig_entry(t, "daemon.start", "");
    rig_entries(t, 300);
    rig_pass(t, RIG_DAY);
    rig_entries(t, 300); /* a new day: segment 512, and a new epoch at the end */
    rig_pass(t, RIG_DAY);
    rig_entries(t, 200);
    rig_pass(t, USEC_PER_SEC);
    rig_entries(t, 40); /* signed by the third key */
    (void)rig_entry(t, "daemon.stop", "");
    rig_close(t);
}

/* ---- verifying ---- */

static UNUSED bool rig_verify_as(struct trail_rig *t, const struct audit_verify_options *o)
{
    struct audit_report r;
    struct err err = ERR_NONE;
    bool good;
    size_t at = 0;
    int failed = audit_verify(o, &r, &err);

    if (failed < 0)
        print_message("cannot verify: %s\n", err.text);
    t->codes[0] = '\0';
    for (size_t i = 0; i < r.nfindings && at + 40 < sizeof t->codes; i++)
        at += (size_t)snprintf(t->codes + at, sizeof t->codes - at,
                               r.findings[i].warning ? "(%s) " : "%s ", r.findings[i].code);
    good = failed == 0 && r.good;
    audit_report_fini(&r);
    return good;
}

static UNUSED struct audit_verify_options rig_options(const struct trail_rig *t)
{
    return (struct audit_verify_options){ .folder = t->trail,
                                          .identity_vkey = t->anchors.identity_vkey,
                                          .epoch_vkey = t->anchors.epoch_vkey };
}

static UNUSED bool rig_verify(struct trail_rig *t)
{
    struct audit_verify_options o = rig_options(t);

    return rig_verify_as(t, &o);
}

static UNUSED bool rig_verify_against(struct trail_rig *t, const char *note)
{
    struct audit_verify_options o = rig_options(t);

    o.against = &note;
    o.nagainst = 1;
    return rig_verify_as(t, &o);
}

static UNUSED bool rig_found(const struct trail_rig *t, const char *code)
{
    char with_blank[48];

    snprintf(with_blank, sizeof with_blank, "%s ", code);
    return strncmp(t->codes, with_blank, strlen(with_blank)) == 0 ||
           strstr(t->codes, with_blank) != NULL;
}

/* ---- files ---- */

static UNUSED void rig_path(const struct trail_rig *t, const char *name, char out[320])
{
    snprintf(out, 320, "%s/%.150s", t->trail, name);
}

static UNUSED void rig_read(const struct trail_rig *t, const char *name, struct buf *out)
{
    char path[320];

    rig_path(t, name, path);
    buf_reset(out);
    assert_int_equal(file_read(-1, path, 64 << 20, out, NULL), 0);
}

/* Thousands of times: no sync, and no cut to nothing, which some file systems sync, too. */
static UNUSED void rig_write(const struct trail_rig *t, const char *name, struct slice bytes)
{
    char path[320];
    int fd;

    rig_path(t, name, path);
    fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
    assert_true(fd >= 0);
    assert_int_equal(fd_write_all(fd, bytes.p, bytes.n), 0);
    assert_int_equal(ftruncate(fd, (off_t)bytes.n), 0);
    close(fd);
}

static UNUSED void rig_remove(const struct trail_rig *t, const char *name)
{
    char path[320];

    rig_path(t, name, path);
    assert_int_equal(unlink(path), 0);
}

struct rig_files {
    char names[64][80]; /* relative to the trail */
    size_t n;
};

static UNUSED void rig_list(const struct trail_rig *t, const char *folder, struct rig_files *out)
{
    char path[320];
    DIR *d;
    struct dirent *e;

    rig_path(t, folder, path);
    d = opendir(path);
    assert_non_null(d);
    while ((e = readdir(d))) {
        char name[200];
        struct stat st;

        if (e->d_name[0] == '.' && (e->d_name[1] == '\0' || e->d_name[1] == '.'))
            continue;
        snprintf(name, sizeof name, "%s%s%.100s", folder, folder[0] ? "/" : "", e->d_name);
        rig_path(t, name, path);
        assert_int_equal(stat(path, &st), 0);
        if (S_ISDIR(st.st_mode))
            rig_list(t, name, out);
        else if (out->n < ARRAY_SIZE(out->names))
            snprintf(out->names[out->n++], sizeof out->names[0], "%.79s", name);
    }
    closedir(d);
}
