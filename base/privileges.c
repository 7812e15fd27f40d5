/* The order of the steps, and the steps that are not Landlock or seccomp. */
#include "base/privileges-private.h"

#include <cap-ng.h>
#include <dlfcn.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define PASSWD_MAX 65536
#define CAPABILITIES_MAX 64

void privileges_missing(struct buf *ret_missing, const char *what)
{
    if (!ret_missing)
        return;
    if (ret_missing->n)
        buf_str(ret_missing, ", ");
    buf_str(ret_missing, what);
}

/* ---- one thread ---- */

/* What other threads may do is not changed by Landlock and capabilities: there must be none. */
static int be_alone(struct err *err)
{
    struct stat st;

    if (PRIVILEGES_SANITIZER || stat("/proc/self/task", &st) < 0 || st.st_nlink <= 3)
        return 0;
    return err_set(err, -EBUSY, "rights can be dropped by a process of one thread alone");
}

/*
 * glibc loads this when a thread ends by pthread_exit() or is cancelled, and
 * aborts when it cannot: later no file can be mapped for execution.
 */
static void load_late_library(void)
{
    (void)dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_NODELETE);
}

/* ---- user ---- */

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid, struct err *err)
{
    AUTO_FREE char *text = malloc(PASSWD_MAX);
    struct passwd pw, *found = NULL;
    int r;

    if (!text)
        return err_nomem(err);
    r = getpwnam_r(name, &pw, text, PASSWD_MAX, &found);
    if (r)
        return err_set(err, -r, "user '%s': %s", name, err_name(r));
    if (!found)
        return err_set(err, -ENOENT, "user '%s' does not exist", name);
    if (pw.pw_uid == 0)
        return err_set(err, -EINVAL, "user '%s' is root", name);
    *ret_uid = pw.pw_uid;
    *ret_gid = pw.pw_gid;
    return 0;
}

static bool is_user(uid_t uid, gid_t gid)
{
    uid_t u[3];
    gid_t g[3];

    if (getresuid(&u[0], &u[1], &u[2]) < 0 || getresgid(&g[0], &g[1], &g[2]) < 0)
        return false;
    for (int i = 0; i < 3; i++)
        if (u[i] != uid || g[i] != gid)
            return false;
    return true;
}

static int change_user(const struct privileges *p, struct err *err)
{
    uid_t uid;
    gid_t gid;

    if (!p->user || geteuid() != 0)
        return 0;
    if (find_user(p->user, &uid, &gid, err) < 0)
        return err_code(err);
    if (p->capabilities && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "keep capabilities: %s", err_name(errno));
    if (setresgid(gid, gid, gid) < 0 || initgroups(p->user, gid) < 0)
        return err_set(err, -errno, "groups of user '%s': %s", p->user, err_name(errno));
    if (setresuid(uid, uid, uid) < 0)
        return err_set(err, -errno, "user '%s': %s", p->user, err_name(errno));
    if (!is_user(uid, gid))
        return err_set(err, -EPERM, "user '%s': the change did not hold", p->user);
    return 0;
}

/* ---- capabilities ---- */

static int capabilities_held(uint64_t *ret, struct err *err)
{
    *ret = 0;
    if (capng_get_caps_process() < 0)
        return err_set(err, -EPERM, "capabilities cannot be read");
    for (unsigned cap = 0; cap < CAPABILITIES_MAX; cap++)
        if (capng_have_capability(CAPNG_PERMITTED, cap) == 1 ||
            capng_have_capability(CAPNG_INHERITABLE, cap) == 1)
            *ret |= UINT64_C(1) << cap;
    return 0;
}

/* Those of the named ones that are held, as a clean set in libcap-ng. A program that is run gets
 * them only as ambient ones.
 */
static int name_capabilities(const struct privileges *p, unsigned *ret_n, struct err *err)
{
    unsigned type = CAPNG_EFFECTIVE | CAPNG_PERMITTED | CAPNG_BOUNDING_SET;
    uint64_t held;

    if (capabilities_held(&held, err) < 0)
        return err_code(err);
    capng_clear(CAPNG_SELECT_ALL);
    *ret_n = 0;
    if (p->may & MAY_EXEC)
        type |= CAPNG_INHERITABLE | CAPNG_AMBIENT;
    for (const char *const *name = p->capabilities; name && *name; name++) {
        int cap = capng_name_to_capability(*name);

        if (cap < 0 || cap >= CAPABILITIES_MAX)
            return err_set(err, -EINVAL, "there is no capability '%s'", *name);
        if (!(held & UINT64_C(1) << cap))
            continue;
        if (capng_update(CAPNG_ADD, (capng_type_t)type, (unsigned)cap) < 0)
            return err_set(err, -EINVAL, "capability '%s' cannot be kept", *name);
        ++*ret_n;
    }
    return 0;
}

/* Needs CAP_SETPCAP: before the user changes. Without it nothing can be gained from the set,
 * either: no_new_privs. */
static int drop_bounding_set(const struct privileges *p, struct err *err)
{
    bool able;
    unsigned n;

    if (capng_get_caps_process() < 0)
        return err_set(err, -EPERM, "capabilities cannot be read");
    able = capng_have_capability(CAPNG_EFFECTIVE, CAP_SETPCAP);
    if (name_capabilities(p, &n, err) < 0)
        return err_code(err);
    if (able && capng_apply(CAPNG_SELECT_BOUNDS) < 0)
        return err_set(err, -EPERM, "the bounding set of capabilities cannot be dropped");
    return 0;
}

static int drop_capabilities(const struct privileges *p, struct err *err)
{
    uint64_t held;
    unsigned n;

    if (capabilities_held(&held, err) < 0 || name_capabilities(p, &n, err) < 0)
        return err_code(err);
    if (held == 0) /* as in the unit file: a filter may refuse even to ask for less */
        return 0;
    if (capng_apply(CAPNG_SELECT_CAPS) < 0)
        return err_set(err, -EPERM, "%s",
                       n ? "capabilities to keep are not held" : "capabilities cannot be dropped");
    /* Those of the caller go in any case: what is not in the permitted set cannot be ambient. */
    if (n && (p->may & MAY_EXEC) && capng_apply(CAPNG_SELECT_AMBIENT) < 0)
        return err_set(err, -EPERM, "capabilities cannot be handed to programs");
    if (capng_get_caps_process() < 0 ||
        (n == 0 && capng_have_permitted_capabilities() != CAPNG_NONE))
        return err_set(err, -EPERM, "capabilities are still held");
    return 0;
}

/* ---- flags and limits ---- */

static int set_flags(struct err *err)
{
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return err_set(err, -errno, "no_new_privs: %s", err_name(errno));
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return err_set(err, -errno, "not dumpable: %s", err_name(errno));
    return 0;
}

/* Never above what there is: only root could raise it, and the rest of the limit is no right. */
static int limit(int what, const char *name, uint64_t most, struct err *err)
{
    struct rlimit now;

    if (getrlimit((__rlimit_resource_t)what, &now) < 0)
        return err_set(err, -errno, "limit of %s: %s", name, err_name(errno));
    if (now.rlim_max == RLIM_INFINITY || now.rlim_max > most)
        now.rlim_max = most;
    now.rlim_cur = now.rlim_max;
    if (setrlimit((__rlimit_resource_t)what, &now) < 0)
        return err_set(err, -errno, "limit of %s: %s", name, err_name(errno));
    return 0;
}

static int set_limits(const struct privileges *p, struct err *err)
{
    if (limit(RLIMIT_CORE, "core files", 0, err) < 0)
        return err_code(err);
    if (p->memory_max && !PRIVILEGES_SANITIZER &&
        limit(RLIMIT_DATA, "memory", p->memory_max, err) < 0)
        return err_code(err);
    if (p->files_max && limit(RLIMIT_NOFILE, "open files", p->files_max, err) < 0)
        return err_code(err);
    return 0;
}

/* ---- all ---- */

int privileges_drop(const struct privileges *p, struct buf *ret_missing, struct err *err)
{
    if (be_alone(err) < 0)
        return err_code(err);
    if ((p->may & MAY_THREAD) && !(p->may & MAY_EXEC))
        load_late_library();
    if (!p->all_capabilities && drop_bounding_set(p, err) < 0)
        return err_code(err);
    if (change_user(p, err) < 0)
        return err_code(err);
    if (!p->all_capabilities && drop_capabilities(p, err) < 0)
        return err_code(err);
    if (set_flags(err) < 0 || set_limits(p, err) < 0)
        return err_code(err);
    if (!p->anywhere && privileges_landlock(p, ret_missing, err) < 0)
        return err_code(err);
    if (privileges_seccomp(p, err) < 0)
        return err_code(err);
    if (ret_missing && !buf_ok(ret_missing))
        return err_nomem(err);
    return 0;
}
