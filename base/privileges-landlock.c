/* Which files: Landlock, by raw system calls, with the rights that this kernel knows. */
#include "base/privileges-private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* The headers can be older than the kernel: everything is named here. */
enum {
    FS_EXECUTE = 1 << 0,
    FS_WRITE_FILE = 1 << 1,
    FS_READ_FILE = 1 << 2,
    FS_READ_DIR = 1 << 3,
    FS_REMOVE_DIR = 1 << 4,
    FS_REMOVE_FILE = 1 << 5,
    FS_MAKE_CHAR = 1 << 6,
    FS_MAKE_DIR = 1 << 7,
    FS_MAKE_REG = 1 << 8,
    FS_MAKE_SOCK = 1 << 9,
    FS_MAKE_FIFO = 1 << 10,
    FS_MAKE_BLOCK = 1 << 11,
    FS_MAKE_SYM = 1 << 12,
    FS_REFER = 1 << 13, /* ABI 2: rename and link across folders */
    FS_TRUNCATE = 1 << 14, /* ABI 3 */
    FS_IOCTL_DEV = 1 << 15, /* ABI 5 */
    NET_BIND_TCP = 1 << 0, /* ABI 4 */
    NET_CONNECT_TCP = 1 << 1,
    SCOPE_ABSTRACT_UNIX = 1 << 0, /* ABI 6 */
    SCOPE_SIGNAL = 1 << 1,
};
#define FS_ABI_1 ((FS_MAKE_SYM << 1) - 1)

#define FS_READ (FS_READ_FILE | FS_READ_DIR)
#define FS_WRITE                                                                                   \
    (FS_READ | FS_WRITE_FILE | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | FS_MAKE_REG |        \
     FS_REFER | FS_TRUNCATE)
#define FS_EXEC (FS_READ | FS_EXECUTE)
/* The kernel refuses a rule for a file that names a right of folders. */
#define FS_OF_FILES (FS_EXECUTE | FS_WRITE_FILE | FS_READ_FILE | FS_TRUNCATE | FS_IOCTL_DEV)

struct ruleset_attr {
    uint64_t handled_access_fs;
    uint64_t handled_access_net; /* ABI 4 */
    uint64_t scoped; /* ABI 6 */
};

struct path_beneath {
    uint64_t allowed_access;
    int32_t parent_fd;
} __attribute__((packed));

enum { CREATE_RULESET_VERSION = 1, RULE_PATH_BENEATH = 1 };

/* The numbers are the same on every architecture. */
#ifndef SYS_landlock_create_ruleset
#define SYS_landlock_create_ruleset 444
#define SYS_landlock_add_rule 445
#define SYS_landlock_restrict_self 446
#endif

/* What an ABI brought, and the word for a kernel without it (NULL: the kernel refuses it anyway).
 */
static const struct {
    int abi;
    const char *without;
    uint64_t fs, net, scope;
} steps[] = {
    { 1, "landlock", FS_ABI_1, 0, 0 },
    { 2, NULL, FS_REFER, 0, 0 },
    { 3, "landlock: truncate", FS_TRUNCATE, 0, 0 },
    { 4, "landlock: tcp", 0, NET_BIND_TCP | NET_CONNECT_TCP, 0 },
    { 5, "landlock: device ioctl", FS_IOCTL_DEV, 0, 0 },
    { 6, "landlock: scope", 0, 0, SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL },
};

static int create_ruleset(const struct ruleset_attr *attr, size_t n, unsigned flags)
{
    return (int)syscall(SYS_landlock_create_ruleset, attr, n, flags);
}

int privileges_landlock_abi(void)
{
    int abi = create_ruleset(NULL, 0, CREATE_RULESET_VERSION);

    return abi < 0 ? 0 : abi;
}

/* One folder or file. What does not exist, or cannot be reached by this user, is left out. */
static int allow_path(int ruleset, const char *path, uint64_t rights, struct err *err)
{
    struct path_beneath rule = { .allowed_access = rights };
    AUTO_FD fd = open(path, O_PATH | O_CLOEXEC);
    struct stat st;

    if (fd < 0 && (errno == ENOENT || errno == ENOTDIR || errno == EACCES))
        return 0;
    if (fd < 0 || fstat(fd, &st) < 0)
        return err_set(err, -errno, "landlock: '%s': %s", path, err_name(errno));
    if (!S_ISDIR(st.st_mode))
        rule.allowed_access &= FS_OF_FILES;
    rule.parent_fd = fd;
    if (syscall(SYS_landlock_add_rule, ruleset, RULE_PATH_BENEATH, &rule, 0) < 0)
        return err_set(err, -errno, "landlock: '%s': %s", path, err_name(errno));
    return 0;
}

static int allow_paths(int ruleset, const char *const *paths, uint64_t rights, struct err *err)
{
    for (; paths && *paths; paths++)
        if (allow_path(ruleset, *paths, rights, err) < 0)
            return err_code(err);
    return 0;
}

/* What this kernel can refuse; the rest goes to ret_missing. */
static struct ruleset_attr attr_for(int abi, struct buf *ret_missing)
{
    struct ruleset_attr attr = { 0 };

    for (size_t i = 0; i < ARRAY_SIZE(steps); i++) {
        if (abi < steps[i].abi && steps[i].without)
            privileges_missing(ret_missing, steps[i].without);
        if (abi < steps[i].abi)
            continue;
        attr.handled_access_fs |= steps[i].fs;
        attr.handled_access_net |= steps[i].net;
        attr.scoped |= steps[i].scope;
    }
    return attr;
}

static size_t attr_size(int abi)
{
    return abi < 4   ? AT(struct ruleset_attr, handled_access_net)
           : abi < 6 ? AT(struct ruleset_attr, scoped)
                     : sizeof(struct ruleset_attr);
}

int privileges_landlock(const struct privileges *p, struct buf *ret_missing, struct err *err)
{
    int abi = create_ruleset(NULL, 0, CREATE_RULESET_VERSION);
    struct ruleset_attr attr;
    AUTO_FD ruleset = -1;

    if (abi < 0 && (errno == ENOSYS || errno == EOPNOTSUPP)) {
        privileges_missing(ret_missing, "landlock");
        return 0;
    }
    if (abi < 1)
        return err_set(err, abi < 0 ? -errno : -EINVAL, "landlock: %s",
                       err_name(abi < 0 ? errno : EINVAL));
    attr = attr_for(abi, ret_missing);
    if (p->may & (MAY_CONNECT | MAY_EXEC))
        attr.handled_access_net &= ~(uint64_t)NET_CONNECT_TCP;
    ruleset = create_ruleset(&attr, attr_size(abi), 0);
    if (ruleset < 0)
        return err_set(err, -errno, "landlock: %s", err_name(errno));
    if (allow_paths(ruleset, p->read, FS_READ & attr.handled_access_fs, err) < 0 ||
        allow_paths(ruleset, p->write, FS_WRITE & attr.handled_access_fs, err) < 0 ||
        allow_paths(ruleset, p->exec, FS_EXEC & attr.handled_access_fs, err) < 0)
        return err_code(err);
    if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        return err_set(err, -errno, "landlock: %s", err_name(errno));
    return 0;
}
