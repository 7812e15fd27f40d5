/*
 * Journals on the bench: made from export text by systemd-journal-remote, with
 * any fields, boots and times. Tests skip where that is not installed.
 */
#pragma once

#include "tests/unit/input_rig.h"

#define SECOND USEC_PER_SEC
#define JOURNAL_T0 (UINT64_C(1795225490) * SECOND) /* about when all entries of the tests were */

static const char *const remotes[] = { "/lib/systemd/systemd-journal-remote",
                                       "/usr/lib/systemd/systemd-journal-remote" };

static inline const char *source_path(struct rig *r, const char *name)
{
    const char *source = getenv("TW_SOURCE");

    return arena_printf(r->arena, "%s/%s", source ? source : ".", name);
}

static inline bool run_remote(struct rig *r, const char *export, const char *name)
{
    char *output = arena_printf(r->arena, "--output=%s", rig_path(r, name));
    const char *remote = NULL;
    pid_t pid;
    int status = -1;

    for (size_t i = 0; i < ARRAY_SIZE(remotes); i++)
        if (access(remotes[i], X_OK) == 0)
            remote = remotes[i];
    if (!remote)
        return false;
    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        if (null >= 0 && !getenv("TW_STORM_VERBOSE"))
            (void)dup2(null, STDERR_FILENO);
        execl(remote, remote, output, "--split-mode=none", export, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status == 0;
}

/* The first n entries of an export text (0 = all) as NAME in the rig's folder. */
static inline bool make_journal(struct rig *r, const char *export, const char *name, unsigned n)
{
    struct buf text = BUF_INIT;
    const char *end;
    bool made;

    if (access(export, R_OK) < 0)
        return false;
    assert_int_equal(file_read(AT_FDCWD, export, 1 << 20, &text, NULL), 0);
    end = text.p;
    for (unsigned i = 0; n && i < n && end; i++)
        end = memmem(end + 1, (size_t)(text.p + text.n - end - 1), "\n\n__", 4);
    rig_write(r, "part.export", O_TRUNC,
              n && end ? slice_of(text.p, (size_t)(end - text.p) + 2) : buf_view(&text));
    buf_fini(&text);
    unlink(rig_path(r, name));
    made = run_remote(r, rig_path(r, "part.export"), name);
    unlink(rig_path(r, "part.export"));
    return made;
}

/* ---- export text by hand ---- */

struct made {
    const char *unit, *message;
    unsigned boot; /* 0 = 1 */
    uint64_t mono_us, realtime_us; /* 0 = one millisecond after the one before */
    const char *more; /* "FIELD=value\n", any number of them */
};

#define MSG(of, text, ...)                                                                         \
    {                                                                                              \
        .unit = (of), .message = (text), __VA_ARGS__                                               \
    }

static inline void made_entry(struct buf *b, const struct made *m, unsigned i)
{
    uint64_t us = (i + 1) * 1000;

    buf_printf(b, "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%llu\n_BOOT_ID=%032x\n",
               (unsigned long long)(m->realtime_us ? m->realtime_us : JOURNAL_T0 + us),
               (unsigned long long)(m->mono_us ? m->mono_us : us), m->boot ? m->boot : 1);
    buf_printf(b, "_PID=77\n_TRANSPORT=stdout\n");
    if (m->unit)
        buf_printf(b, "_SYSTEMD_UNIT=%s\n", m->unit);
    if (m->message)
        buf_printf(b, "MESSAGE=%s\n", m->message);
    buf_printf(b, "%s\n", m->more ? m->more : "");
}

/* Adds entries to NAME in the rig's folder, as its first ones or behind what is there. */
static inline bool make_entries(struct rig *r, const char *name, const struct made *list, size_t n)
{
    struct buf b = BUF_INIT;
    bool made;

    for (size_t i = 0; i < n; i++)
        made_entry(&b, &list[i], (unsigned)i);
    rig_write(r, "made.export", O_TRUNC, buf_view(&b));
    buf_fini(&b);
    made = run_remote(r, rig_path(r, "made.export"), name);
    unlink(rig_path(r, "made.export"));
    return made;
}

#define MAKE(r, name, ...)                                                                         \
    make_entries(r, name, (const struct made[]){ __VA_ARGS__ },                                    \
                 sizeof((const struct made[]){ __VA_ARGS__ }) / sizeof(struct made))
