/* Log files: can they be read, now and after the next rotation? */
#include "logwatch/commands/doctor.h"

#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <glob.h>
#include <grp.h>
#include <libgen.h>
#include <limits.h>
#include <pwd.h>
#include <sys/stat.h>
#include <time.h>

#include "base/file.h"
#include "base/num.h"

#define TOLD_MAX 20 /* unreadable files of one pattern; more are counted */
#define ROTATE_MAX ((size_t)256 * 1024)

/* ---- can it be read ---- */

static const char *group_name(gid_t gid, char *text, size_t size)
{
    const struct group *g = getgrgid(gid);

    if (g)
        snprintf(text, size, "%s", g->gr_name);
    else
        snprintf(text, size, "%u", (unsigned)gid);
    return text;
}

static const char *user_name(uid_t uid, char *text, size_t size)
{
    const struct passwd *pw = getpwuid(uid);

    if (pw)
        snprintf(text, size, "%s", pw->pw_name);
    else
        snprintf(text, size, "%u", (unsigned)uid);
    return text;
}

/* The first folder on the way that cannot be passed; false when all can. */
static bool find_barrier(const char *path, char *ret, size_t size)
{
    for (const char *p = path; *p; p++) {
        size_t n = p == path ? 1 : (size_t)(p - path);

        if (*p != '/' || n >= size)
            continue;
        memcpy(ret, path, n);
        ret[n] = '\0';
        if (access(ret, X_OK) < 0)
            return true;
    }
    return false;
}

/* `right` is 'r' or 'x': by the group that has it already, else by the group of logs. */
static void cure_rights(struct doctor *d, const char *path, char right)
{
    unsigned bit = right == 'r' ? S_IRGRP : S_IXGRP;
    char group[64], owner[64];
    struct stat st;

    if (stat(path, &st) < 0)
        return;
    group_name(st.st_gid, group, sizeof group);
    if ((st.st_mode & bit) && st.st_gid != 0) {
        doctor_cure(d, "usermod -a -G %s %s && systemctl restart trailwarden", group, d->user);
        return;
    }
    doctor_cure(d, "chgrp adm '%s' && chmod g+%s '%s'", path, right == 'r' ? "r" : "rx", path);
    if (right == 'r')
        doctor_cure(d, "in its file of /etc/logrotate.d: create 0640 %s adm",
                    user_name(st.st_uid, owner, sizeof owner));
}

static void say_unreadable(struct doctor *d, const struct config_input *in, const char *path)
{
    char barrier[PATH_MAX], owner[64], group[64];
    struct stat st;

    if (find_barrier(path, barrier, sizeof barrier)) {
        doctor_say(d, DOCTOR_BAD, "'%s' of %s: '%s' cannot pass the folder '%s'", path, in->name,
                   d->user, barrier);
        cure_rights(d, barrier, 'x');
        return;
    }
    if (stat(path, &st) < 0) {
        doctor_say(d, DOCTOR_BAD, "'%s': %s", path, err_name(errno));
        return;
    }
    doctor_say(d, DOCTOR_BAD, "'%s' cannot be read by '%s' (mode %04o, %s:%s)", path, d->user,
               st.st_mode & 07777, user_name(st.st_uid, owner, sizeof owner),
               group_name(st.st_gid, group, sizeof group));
    cure_rights(d, path, 'r');
}

/* The folder of a pattern, as far as it has no wildcard. */
static void folder_of(const char *pattern, char *ret, size_t size)
{
    size_t n = strcspn(pattern, "*?[{");

    while (n > 1 && pattern[n - 1] != '/')
        n--;
    snprintf(ret, size, "%.*s", (int)(n > 1 ? n - 1 : 1), pattern);
}

/* Nothing fits: is there nothing, or may we not look? */
static void say_nothing_found(struct doctor *d, const struct config_input *in, const char *pattern)
{
    char folder[PATH_MAX], barrier[PATH_MAX];

    folder_of(pattern, folder, sizeof folder);
    if (find_barrier(pattern, barrier, sizeof barrier) && access(barrier, F_OK) == 0) {
        doctor_say(d, DOCTOR_BAD, "'%s': '%s' cannot pass the folder '%s'", pattern, d->user,
                   barrier);
        cure_rights(d, barrier, 'x');
    } else if (access(folder, F_OK) < 0) {
        doctor_say(d, DOCTOR_WARN, "'%s' of %s: there is no folder '%s'", pattern, in->name,
                   folder);
        doctor_cure(d, "is the path right? See: trailwarden help config");
    } else if (access(folder, R_OK) < 0) {
        doctor_say(d, DOCTOR_BAD, "'%s': '%s' cannot list the folder '%s'", pattern, d->user,
                   folder);
        cure_rights(d, folder, 'r');
    } else {
        doctor_say(d, DOCTOR_INFO, "'%s' of %s: no such file yet", pattern, in->name);
    }
}

static void check_pattern(struct doctor *d, const struct config_input *in, const char *pattern)
{
    glob_t g = { 0 };
    size_t bad = 0;

    if (glob(pattern, GLOB_BRACE | GLOB_NOSORT, NULL, &g) != 0) {
        say_nothing_found(d, in, pattern);
        globfree(&g);
        return;
    }
    for (size_t i = 0; i < g.gl_pathc; i++)
        if (access(g.gl_pathv[i], R_OK) < 0 && bad++ < TOLD_MAX)
            say_unreadable(d, in, g.gl_pathv[i]);
    if (bad > TOLD_MAX)
        doctor_say(d, DOCTOR_BAD, "'%s': %zu more that cannot be read", pattern, bad - TOLD_MAX);
    if (bad == 0)
        doctor_say(d, DOCTOR_OK, "'%s': %zu readable", pattern, g.gl_pathc);
    globfree(&g);
}

static void check_input(struct doctor *d, const struct config_input *in,
                        const struct option_strs *paths)
{
    for (size_t i = 0; i < paths->n; i++)
        check_pattern(d, in, paths->items[i]);
}

void doctor_check_files(struct doctor *d)
{
    doctor_inputs(d, "path", check_input);
}

/* ---- logrotate ---- */

/* One "{ }" of a file: which of its names are ours, and what it does. */
struct rotation {
    struct doctor *doctor;
    const char *file;
    char name[PATH_MAX]; /* the first of ours; "" = none */
    bool copytruncate;
    char create[128]; /* "0640 root adm"; "" = not said */
};

static bool is_followed(const struct config *c, const char *name)
{
    for (size_t i = 0; i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++) {
            const struct option_strs *paths = doctor_option(&c->channels[i].inputs[j], "path");

            /* Either may be the pattern. */
            for (size_t k = 0; paths && k < paths->n; k++)
                if (fnmatch(paths->items[k], name, FNM_PATHNAME) == 0 ||
                    fnmatch(name, paths->items[k], FNM_PATHNAME) == 0)
                    return true;
        }
    return false;
}

static bool in_group(const char *name)
{
    const struct group *g = getgrnam(name);
    gid_t groups[512];
    int n = getgroups(ARRAY_SIZE(groups), groups);

    for (int i = 0; g && i < n; i++)
        if (groups[i] == g->gr_gid)
            return true;
    return g && g->gr_gid == getegid();
}

static void judge_create(const struct rotation *r)
{
    struct slice rest = slice_str(r->create), mode, owner, group;
    unsigned long bits;

    if (!slice_split(&rest, ' ', &mode) || !slice_split(&rest, ' ', &owner) ||
        !slice_split(&rest, ' ', &group))
        return;
    bits = strtoul(r->create, NULL, 8);
    if ((bits & S_IROTH) || ((bits & S_IRGRP) && in_group(r->create + (group.p - r->create))))
        return;
    doctor_say(r->doctor, DOCTOR_BAD,
               "after its next rotation '%s' cannot be read by '%s': %s says create %s", r->name,
               r->doctor->user, r->file, r->create);
    doctor_cure(r->doctor, "in %s: create 0640 %.*s adm", r->file, SLICE_FMT(owner));
}

static void judge_rotation(struct rotation *r)
{
    if (r->name[0] && r->copytruncate) {
        doctor_say(r->doctor, DOCTOR_WARN,
                   "%s rotates '%s' by copytruncate: lines written between copy and cut are lost",
                   r->file, r->name);
        doctor_cure(r->doctor,
                    "in %s: create instead of copytruncate, and a postrotate that makes "
                    "the program open its log again",
                    r->file);
    }
    if (r->name[0] && r->create[0] && geteuid() != 0)
        judge_create(r);
    r->name[0] = r->create[0] = '\0';
    r->copytruncate = false;
}

/* A line outside of braces: names, maybe in quotes, maybe with the brace. */
static void take_names(struct rotation *r, struct slice line)
{
    struct slice word;

    while (slice_split(&line, ' ', &word)) {
        char name[PATH_MAX];

        word = slice_trim(word);
        if (word.n > 1 && word.p[0] == '"')
            word = slice_of(word.p + 1, word.n - 2);
        if (word.n == 0 || word.p[0] != '/' || r->name[0])
            continue;
        snprintf(name, sizeof name, "%.*s", SLICE_FMT(word));
        if (is_followed(r->doctor->config, name))
            memcpy(r->name, name, sizeof name);
    }
}

static void take_directive(struct rotation *r, struct slice line)
{
    if (slice_is(line, "copytruncate"))
        r->copytruncate = true;
    else if (slice_is(line, "nocopytruncate"))
        r->copytruncate = false;
    else if (slice_starts(line, SLICE("create ")))
        snprintf(r->create, sizeof r->create, "%.*s", SLICE_FMT(slice_trim(slice_skip(line, 7))));
}

static bool read_rotation(struct doctor *d, const char *file)
{
    AUTO_BUF text = BUF_INIT;
    struct rotation r = { .doctor = d, .file = file };
    struct slice rest, line;
    bool inside = false;

    if (file_read(-1, file, ROTATE_MAX, &text, NULL) < 0)
        return false;
    rest = buf_view(&text);
    while (slice_split(&rest, '\n', &line)) {
        line = slice_trim(line);
        if (line.n == 0 || line.p[0] == '#')
            continue;
        if (inside && line.p[0] == '}') {
            judge_rotation(&r);
            inside = false;
        } else if (inside) {
            take_directive(&r, line);
        } else {
            take_names(&r, line);
            inside = slice_find_byte(line, '{') != SIZE_MAX;
        }
    }
    return true;
}

void doctor_check_logrotate(struct doctor *d)
{
    glob_t g = { 0 };
    size_t before = d->n, nread = 0;

    if (!d->config)
        return;
    if (glob("/etc/logrotate.d/*", 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++)
            nread += read_rotation(d, g.gl_pathv[i]);
    globfree(&g);
    if (d->n == before)
        doctor_say(d, DOCTOR_OK, "nothing against the logs in %zu files of /etc/logrotate.d",
                   nread);
}

/* ---- watches ---- */

struct counting {
    size_t folders, inputs;
};

static void count_folders(const struct option_strs *paths, struct counting *c)
{
    for (size_t i = 0; i < paths->n; i++) {
        glob_t g = { 0 };
        char folder[PATH_MAX];

        snprintf(folder, sizeof folder, "%.*s", (int)sizeof folder - 1, paths->items[i]);
        if (glob(dirname(folder), GLOB_BRACE | GLOB_NOSORT, NULL, &g) == 0)
            c->folders += g.gl_pathc;
        globfree(&g);
    }
    c->inputs++;
}

static void judge_watches(struct doctor *d, const char *path, const char *key, uint64_t need)
{
    uint64_t most;

    if (!doctor_number(path, &most)) {
        doctor_say(d, DOCTOR_INFO, "%s is not readable here", path);
        return;
    }
    if (most >= need) {
        doctor_say(d, DOCTOR_OK, "%s is %llu, needed are %llu", key, (unsigned long long)most,
                   (unsigned long long)need);
        return;
    }
    doctor_say(d, DOCTOR_WARN, "%s is %llu, needed are %llu: the rest is polled", key,
               (unsigned long long)most, (unsigned long long)need);
    doctor_cure(d, "sysctl -w %s=%llu", key, (unsigned long long)need * 2);
}

void doctor_check_inotify(struct doctor *d)
{
    struct counting c = { 0 };

    for (size_t i = 0; d->config && i < d->config->nchannels; i++)
        for (size_t j = 0; j < d->config->channels[i].ninputs; j++) {
            const struct option_strs *paths =
                doctor_option(&d->config->channels[i].inputs[j], "path");

            if (paths)
                count_folders(paths, &c);
        }
    if (c.inputs == 0)
        return;
    judge_watches(d, "/proc/sys/fs/inotify/max_user_watches", "fs.inotify.max_user_watches",
                  c.folders);
    judge_watches(d, "/proc/sys/fs/inotify/max_user_instances", "fs.inotify.max_user_instances",
                  c.inputs);
}

/* ---- time zones ---- */

static const char *host_zone(char *text, size_t size)
{
    ssize_t n = readlink("/etc/localtime", text, size - 1);
    const char *zone;

    text[n < 0 ? 0 : n] = '\0';
    zone = strstr(text, "/zoneinfo/");
    return zone ? zone + strlen("/zoneinfo/") : "the zone of this host";
}

static void check_zone(struct doctor *d, const struct config_input *in,
                       const struct option_strs *paths)
{
    time_t now = time(NULL);
    char text[PATH_MAX];
    struct tm local;

    if (in->zone || paths->n == 0 || !localtime_r(&now, &local))
        return;
    if (local.tm_gmtoff == 0) {
        doctor_say(d, DOCTOR_OK, "%s: times without zone are UTC, as this host's", in->name);
        return;
    }
    doctor_say(d, DOCTOR_WARN,
               "%s states no zone: times without one are taken as UTC, this host "
               "is %ld minutes off",
               in->name, local.tm_gmtoff / 60);
    doctor_cure(d, "if they are local times, in its input: zone: %s", host_zone(text, sizeof text));
}

void doctor_check_zones(struct doctor *d)
{
    doctor_inputs(d, "path", check_zone);
}
