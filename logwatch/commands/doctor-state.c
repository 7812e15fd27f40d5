/* What the daemon keeps: state, trail, keys; what receivers need; whether one runs. */
#include "logwatch/commands/doctor.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "base/secret.h"

#define MIB (UINT64_C(1) << 20)
#define FREE_BAD (64 * MIB)
#define FREE_WARN (1024 * MIB)

static void check_room(struct doctor *d, const char *folder)
{
    struct statvfs v;
    uint64_t bytes;

    if (statvfs(folder, &v) < 0)
        return;
    bytes = (uint64_t)v.f_bavail * v.f_frsize;
    doctor_say(d,
               bytes < FREE_BAD    ? DOCTOR_BAD
               : bytes < FREE_WARN ? DOCTOR_WARN
                                   : DOCTOR_OK,
               "%llu MiB free in '%s'%s", (unsigned long long)(bytes / MIB), folder,
               bytes < FREE_WARN ? ": when it is full, nothing more is read" : "");
    if (v.f_files && v.f_favail < 1000)
        doctor_say(d, DOCTOR_BAD, "only %llu inodes free in '%s'", (unsigned long long)v.f_favail,
                   folder);
}

/* True when it is there and writable. `others`: permission bits that must not be set. */
static bool check_folder(struct doctor *d, const char *what, const char *folder, unsigned others)
{
    struct stat st;

    if (stat(folder, &st) < 0) {
        if (errno == ENOENT)
            doctor_say(d, DOCTOR_INFO, "%s '%s' is not there yet: the first run makes it", what,
                       folder);
        else
            doctor_say(d, DOCTOR_BAD, "%s '%s': %s", what, folder, err_name(errno));
        return false;
    }
    if (st.st_mode & others) {
        doctor_say(d, DOCTOR_BAD, "%s '%s' is open to others (mode %04o)", what, folder,
                   st.st_mode & 07777);
        doctor_cure(d, "chmod %04o '%s'", 0777 & ~others & ~(others >> 3), folder);
    }
    if (access(folder, R_OK | W_OK | X_OK) < 0) {
        doctor_say(d, DOCTOR_BAD, "'%s' cannot write to %s '%s' (mode %04o)", d->user, what, folder,
                   st.st_mode & 07777);
        doctor_cure(d, "chown -R %s: '%s'", d->user, folder);
        return false;
    }
    return true;
}

void doctor_check_state(struct doctor *d)
{
    AUTO_BUF db = BUF_INIT;

    if (!d->config)
        return;
    if (!check_folder(d, "the state folder", d->config->state, S_IRWXO))
        return;
    buf_printf(&db, "%s/trailwarden.db", d->config->state);
    if (buf_ok(&db) && access(db.p, F_OK) == 0 && access(db.p, R_OK | W_OK) < 0) {
        doctor_say(d, DOCTOR_BAD, "'%s' cannot write '%s'", d->user, db.p);
        doctor_cure(d, "chown -R %s: '%s'", d->user, d->config->state);
    }
    check_room(d, d->config->state);
}

static void check_identity(struct doctor *d)
{
    AUTO_BUF path = BUF_INIT;
    struct stat st;

    buf_printf(&path, "%s/identity.key", d->config->keys);
    if (!buf_ok(&path))
        return;
    if (stat(path.p, &st) < 0) {
        doctor_say(d, DOCTOR_BAD, "the trail is there, its key '%s' is not: %s", path.p,
                   err_name(errno));
        doctor_cure(d, "restore the keys from their copy; a new trail: trailwarden trail init");
    } else if (st.st_mode & (S_IRWXG | S_IRWXO)) {
        doctor_say(d, DOCTOR_BAD, "others can read the key '%s' (mode %04o)", path.p,
                   st.st_mode & 07777);
        doctor_cure(d, "chmod 0600 '%s'", path.p);
    } else {
        doctor_say(d, DOCTOR_OK, "the trail '%s' and its keys are in their places",
                   d->config->trail);
        doctor_cure(d, "keep a copy of its two trust anchors (docs/trail.md) on another machine");
    }
}

void doctor_check_trail(struct doctor *d)
{
    AUTO_BUF path = BUF_INIT;

    if (!d->config)
        return;
    buf_printf(&path, "%s/checkpoint", d->config->trail);
    if (!buf_ok(&path) || access(path.p, F_OK) < 0) {
        doctor_say(d, DOCTOR_INFO, "no trail in '%s' yet: the first run makes it",
                   d->config->trail);
        return;
    }
    if (check_folder(d, "the trail", d->config->trail, S_IRWXO) &&
        check_folder(d, "the folder of keys", d->config->keys, S_IRWXG | S_IRWXO))
        check_identity(d);
}

/* ---- secrets ---- */

/* How many are named; the unreadable ones are told. Groups lie at the same base. */
static size_t check_options(struct doctor *d, const struct sink *s, const struct option *options)
{
    size_t n = 0;

    for (const struct option *o = options; o && o->name; o++) {
        const struct secret *secret;

        if (o->type == OPTION_GROUP)
            n += check_options(d, s, o->sub);
        if (o->type != OPTION_SECRET)
            continue;
        memcpy(&secret, (const char *)s->state + o->offset, sizeof secret);
        if (!secret)
            continue;
        n++;
        if (secret_view(secret).n)
            continue;
        doctor_say(d, DOCTOR_BAD, "receiver '%s': its %s cannot be read by '%s'", s->name, o->name,
                   d->user);
        doctor_cure(d, "a file: chown %s: FILE && chmod 0600 FILE", d->user);
        doctor_cure(d,
                    "a credential: LoadCredential=NAME:FILE in the unit; only the service sees it");
    }
    return n;
}

void doctor_check_secrets(struct doctor *d)
{
    size_t n = 0, before = d->n;

    if (!d->config)
        return;
    for (size_t i = 0; i < d->config->nsinks; i++)
        n += check_options(d, &d->config->sinks[i], d->config->sinks[i].ops->options);
    for (size_t i = 0; i < d->config->nanchors; i++)
        n += check_options(d, d->config->anchors[i].sink, d->config->anchors[i].sink->ops->options);
    if (n && d->n == before)
        doctor_say(d, DOCTOR_OK, "%zu secrets of receivers can be read", n);
}

/* ---- daemon ---- */

void doctor_check_daemon(struct doctor *d)
{
    AUTO_BUF path = BUF_INIT;
    AUTO_FD fd = -1;

    if (!d->config)
        return;
    buf_printf(&path, "%s/trailwarden.db.lock", d->config->state);
    fd = buf_ok(&path) ? open(path.p, O_RDONLY | O_CLOEXEC) : -1;
    if (fd >= 0 && flock(fd, LOCK_SH | LOCK_NB) < 0)
        doctor_say(d, DOCTOR_INFO, "a daemon runs on '%s': a second one would be refused",
                   d->config->state);
    else
        doctor_say(d, DOCTOR_INFO, "no daemon runs on '%s'", d->config->state);
}
