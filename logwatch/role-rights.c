/*
 * What each role may do: a list of paths made from the configuration's own
 * words, and a row of a table. Also the sender, which is little more than
 * its rights.
 */
#include <errno.h>
#include <glob.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/privileges.h"
#include "logwatch/forward.h"
#include "logwatch/names.h"
#include "logwatch/roles.h"
#include "logwatch/sender.h"
#include "logwatch/workers.h"

#define PATHS_MAX 512

struct paths {
    const char *items[PATHS_MAX + 1]; /* ends with NULL */
    size_t n;
    struct arena *arena;
};

static int add(struct paths *p, const char *path)
{
    for (size_t i = 0; i < p->n; i++)
        if (strcmp(p->items[i], path) == 0)
            return 0;
    if (p->n == PATHS_MAX)
        return -E2BIG;
    p->items[p->n] = arena_str(p->arena, slice_str(path));
    return p->items[p->n++] ? 0 : -ENOMEM;
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* The folder of a file that may be replaced, or the nearest one above that exists. */
static int add_folder_of(struct paths *p, const char *path)
{
    char folder[PATH_MAX];
    char *slash;

    if (snprintf(folder, sizeof folder, "%s", path) >= (int)sizeof folder)
        return 0;
    while ((slash = strrchr(folder, '/')) && slash > folder) {
        *slash = '\0';
        if (is_folder(folder))
            return add(p, folder);
    }
    return slash ? 0 : add(p, "."); /* never the whole tree */
}

/* A link's target lives in a folder of its own. */
static int add_targets(struct paths *p, const char *pattern)
{
    glob_t g;
    int r = 0;

    if (glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &g) != 0)
        return 0;
    for (size_t i = 0; i < g.gl_pathc && r == 0; i++) {
        char target[PATH_MAX];
        struct stat st;

        if (lstat(g.gl_pathv[i], &st) == 0 && S_ISLNK(st.st_mode) &&
            realpath(g.gl_pathv[i], target))
            r = add_folder_of(p, target);
    }
    globfree(&g);
    return r;
}

static int add_read(void *ctx, const char *pattern)
{
    struct paths *p = ctx;
    char fixed[PATH_MAX];
    size_t n = strcspn(pattern, "*?[{");
    int r;

    if (n >= sizeof fixed)
        return 0;
    memcpy(fixed, pattern, n);
    fixed[n] = '\0';
    r = is_folder(fixed) ? add(p, fixed) : add_folder_of(p, fixed);
    return r < 0 ? r : add_targets(p, pattern);
}

static int add_write(void *ctx, const char *path)
{
    return is_folder(path) ? add(ctx, path) : add_folder_of(ctx, path);
}

static int add_all(struct paths *p, const char *const *list)
{
    int r = 0;

    for (size_t i = 0; list[i] && r == 0; i++)
        r = add(p, list[i]);
    return r;
}

/* ---- what each reads and writes ---- */

static int reader_paths(struct paths *read, const struct config *c)
{
    static const char *const journal[] = { "/var/log/journal", "/run/log/journal",
                                           "/etc/machine-id", NULL };
    int r = 0;

    for (size_t i = 0; i < inputs_count(c) && r == 0; i++) {
        const struct config_input *in = inputs_at(c, i);

        r = option_paths(in->ops->options, in->state, PATH_READ, add_read, read);
        if (r == 0 && in->ops == &input_journald)
            r = add_all(read, journal);
    }
    return r;
}

static int core_paths(struct paths *write, const struct config *c)
{
    const char *const folders[] = { c->state, c->trail, c->keys };
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(folders) && r == 0; i++)
        r = add(write, folders[i]);
    return r;
}

/* One that is made belongs to whom the core will be. */
static int make_folder(const char *path, unsigned mode, const struct passwd *owner, struct err *err)
{
    if (access(path, F_OK) == 0)
        return 0;
    if (dir_make(-1, path, mode, err) < 0)
        return err_code(err);
    if (owner && chown(path, owner->pw_uid, owner->pw_gid) < 0)
        return err_set(err, -errno, "owner of '%s': %s", path, err_name(errno));
    return 0;
}

int role_make_folders(const struct config *c, struct err *err)
{
    const struct passwd *owner = c->user && geteuid() == 0 ? getpwnam(c->user) : NULL;

    if (c->user && geteuid() == 0 && !owner)
        return err_set(err, -ENOENT, "processes: user '%s' does not exist", c->user);
    if (make_folder(c->state, 0750, owner, err) < 0 || make_folder(c->trail, 0750, owner, err) < 0)
        return err_code(err);
    return make_folder(c->keys, 0700, owner, err);
}

/* Names, certificates and time zones; nothing else of the host. */
static const char *const network[] = { "/etc/resolv.conf",
                                       "/run/systemd/resolve",
                                       "/etc/hosts",
                                       "/etc/host.conf",
                                       "/etc/nsswitch.conf",
                                       "/etc/gai.conf",
                                       "/etc/services",
                                       "/etc/ssl",
                                       "/usr/lib/ssl",
                                       "/usr/share/ca-certificates",
                                       "/usr/local/share/ca-certificates",
                                       "/etc/localtime",
                                       "/usr/share/zoneinfo",
                                       NULL };

static const char *const libraries[] = { "/usr/lib", "/lib", "/etc/ld.so.cache", NULL };

static int option_rights(struct paths *read, struct paths *write, const struct option *options,
                         const void *state)
{
    int r = option_paths(options, state, PATH_READ, add_read, read);

    return r ? r : option_paths(options, state, PATH_WRITE, add_write, write);
}

/* Who talks: a sender, or a forwarder. */
struct talker {
    const struct option *options;
    const void *state;
    bool stays_here, loads_libraries, runs_programs;
};

static struct talker talker_of(enum role role, const struct role_start *s)
{
    if (role == ROLE_FORWARDER) {
        const struct machine *m = forward_machine(s->config, s->index);

        return (struct talker){ m->ops->options, m->state, m->ops->stays_here,
                                m->ops->loads_libraries, false };
    } else {
        const struct sink *k = sender_sink(s->config, s->index);

        return (struct talker){ k->ops->options, k->state, k->ops->stays_here,
                                k->ops->loads_libraries, k->ops->runs_programs };
    }
}

static int talker_paths(struct paths *read, struct paths *write, const struct talker *t)
{
    int r = t->stays_here ? 0 : add_all(read, network);

    if (r == 0 && t->loads_libraries)
        r = add_all(read, libraries);
    return r ? r : option_rights(read, write, t->options, t->state);
}

/* What a program of the operator's does is not known. */
#define ANY_PROGRAM                                                                                \
    (MAY_EXEC | MAY_FORK | MAY_CONNECT | MAY_THREAD | MAY_PASS | MAY_LOAD | MAY_ACCEPT |           \
     MAY_WRITE_FILES)

static unsigned talker_may(const struct talker *t, const struct paths *write)
{
    unsigned may = t->stays_here ? 0 : MAY_CONNECT | MAY_THREAD | MAY_FORK | MAY_PASS;

    if (t->loads_libraries)
        may |= MAY_LOAD;
    if (t->runs_programs)
        may |= ANY_PROGRAM;
    return write->n ? may | MAY_WRITE_FILES : may;
}

/* Addresses of our own, of neighbours and of who is logged in: never to be banned. */
static int blocker_paths(struct paths *read, struct paths *write, const struct blocker *b)
{
    static const char *const host[] = {
        "/proc", "/etc/resolv.conf", "/run/systemd/resolve", "/run/systemd/sessions", "/run/utmp",
        NULL
    };
    static const char *const tools[] = { "/etc/nftables", "/etc/iproute2", NULL };
    int r = add_all(read, host);

    if (r == 0)
        r = add_all(read, libraries);
    if (r == 0)
        r = add_all(read, tools);
    return r ? r : option_rights(read, write, b->ops->options, b->state);
}

static bool blocker_runs(const struct blocker *b)
{
    return b->ops->runs_programs || (b->ops->runs && b->ops->runs(b));
}

static unsigned blocker_may(const struct blocker *b, const struct paths *write)
{
    unsigned may = MAY_FIREWALL;

    if (blocker_runs(b))
        may |= ANY_PROGRAM;
    return write->n ? may | MAY_WRITE_FILES : may;
}

static void mark_each(struct sha256 *h, const struct paths *p)
{
    for (size_t i = 0; i < p->n; i++) {
        struct stat st = { 0 };
        uint64_t id[2];

        (void)stat(p->items[i], &st);
        id[0] = st.st_dev;
        id[1] = st.st_ino;
        sha256_add(h, p->items[i], strlen(p->items[i]));
        sha256_add(h, id, sizeof id);
    }
}

/* What the role reads and writes: its rights lie on these, and they are watched for a change. */
static int role_paths(enum role role, const struct role_start *s, struct paths *read,
                      struct paths *write)
{
    struct talker t;
    int r;

    switch (role) {
    case ROLE_READER:
        return reader_paths(read, s->config);
    case ROLE_CORE:
        return core_paths(write, s->config);
    case ROLE_BLOCKER:
        return blocker_paths(read, write, s->config->bans.blocker);
    case ROLE_RESOLVER:
        r = add_all(read, network);
        return r < 0 ? r : add_all(read, libraries);
    case ROLE_PARENT: /* drops nothing */
    case ROLE_SENDER:
    case ROLE_FORWARDER:
    default:
        t = talker_of(role, s);
        return talker_paths(read, write, &t);
    }
}

void role_rights_mark(enum role role, const struct role_start *s, uint8_t ret_mark[32])
{
    AUTO(arena) a = arena_new(16384, 1 << 20);
    struct paths read = { .arena = a }, write = { .arena = a };
    struct sha256 h;

    memset(ret_mark, 0, 32);
    if (!a || sha256_init(&h) < 0)
        return;
    if (role_paths(role, s, &read, &write) == 0) {
        mark_each(&h, &read);
        mark_each(&h, &write);
        sha256_end(&h, ret_mark);
    }
    sha256_fini(&h);
}

static void tell_missing(enum role role, const struct buf *missing)
{
    if (missing->n && role == ROLE_READER)
        log_notice("this kernel cannot take away: %.*s", SLICE_FMT(buf_view(missing)));
}

/* Programs of the operator's keep what we have: what they call is not known. */
static void keep_all(struct privileges *p)
{
    p->anywhere = p->all_capabilities = true;
    p->user = NULL;
}

static void role_means(enum role role, const struct role_start *s, const struct paths *write,
                       struct privileges *p)
{
    static const char *const logs_of_others[] = { "dac_read_search", NULL };
    static const char *const firewall[] = { "net_admin", NULL };
    const struct blocker *blocker = s->config->bans.blocker;
    struct talker t;

    switch (role) {
    case ROLE_READER:
        p->may = MAY_ACCEPT | (workers_count(s->config->workers, true) ? MAY_THREAD : 0u);
        p->capabilities = logs_of_others;
        p->memory_max = s->config->reader_memory;
        break;
    case ROLE_CORE:
        p->may = MAY_WRITE_FILES | MAY_PASS;
        break;
    case ROLE_RESOLVER:
        p->may = MAY_CONNECT | MAY_LOAD | MAY_THREAD;
        break;
    case ROLE_BLOCKER:
        p->may = blocker_may(blocker, write);
        p->capabilities = blocker->ops->needs_net_admin ? firewall : NULL;
        if (blocker_runs(blocker))
            keep_all(p);
        break;
    case ROLE_PARENT: /* drops nothing */
    case ROLE_SENDER:
    case ROLE_FORWARDER:
    default:
        t = talker_of(role, s);
        p->may = talker_may(&t, write);
        if (t.runs_programs)
            keep_all(p);
    }
}

int role_drop_rights(enum role role, const struct role_start *s, struct err *err)
{
    AUTO(arena) a = arena_new(16384, 1 << 20);
    struct paths read = { .arena = a }, write = { .arena = a };
    struct privileges p = {
        .read = read.items, .write = write.items, .user = s->config->user, .files_max = 4096
    };
    AUTO_BUF missing = BUF_INIT;
    int r = a ? role_paths(role, s, &read, &write) : -ENOMEM;

    role_means(role, s, &write, &p);
    if (r < 0)
        return err_code(err) ? err_code(err)
                             : err_set(err, r, "paths of the %s: %s", role_name(role), err_name(r));
    r = privileges_drop(&p, &missing, err);
    if (r == 0)
        tell_missing(role, &missing);
    return r < 0 ? err_while(err, "rights of the %s", role_name(role)) : 0;
}

/* ---- the sender ---- */

int role_sender(const struct role_start *s)
{
    const struct sigaction on_term = { .sa_handler = sender_stop }; /* no SA_RESTART */
    struct err err = ERR_NONE;

    if (role_drop_rights(ROLE_SENDER, s, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    (void)sigaction(SIGTERM, &on_term, NULL); /* what is being delivered is delivered */
    sender_work(sender_sink(s->config, s->index), s->config->host, s->core);
    return ROLE_DONE;
}

/* ---- the forwarder ---- */

int role_forwarder(const struct role_start *s)
{
    const struct sigaction on_term = { .sa_handler = sender_stop };
    struct err err = ERR_NONE;

    if (role_drop_rights(ROLE_FORWARDER, s, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    (void)sigaction(SIGTERM, &on_term, NULL);
    forward_work(forward_machine(s->config, s->index), s->config->host, s->core);
    return ROLE_DONE;
}

/* ---- the blocker ---- */

int role_blocker(const struct role_start *s)
{
    struct err err = ERR_NONE;

    if (role_drop_rights(ROLE_BLOCKER, s, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    blocker_work(s->config->bans.blocker, s->core);
    return ROLE_DONE;
}

/* ---- the resolver ---- */

int role_resolver(const struct role_start *s)
{
    struct err err = ERR_NONE;

    if (role_drop_rights(ROLE_RESOLVER, s, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    names_work(s->config, s->core);
    return ROLE_DONE;
}
