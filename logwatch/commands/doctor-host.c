/* Kernel, libraries, clock, limits: what belongs to the host and not to a configuration. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include "logwatch/commands/doctor.h"

#include <curl/curl.h>
#include <openssl/crypto.h>
#include <openssl/opensslv.h>
#include <pcre2.h>
#include <seccomp.h>
#include <sodium.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/timex.h>
#include <sys/utsname.h>
#include <zlib.h>
#include <zstd.h>

#include "base/clock.h"
#include "base/privileges.h"
#include "base/proc.h"

/* A file input keeps up to 256 files open, and there are sockets, the store and the trail. */
#define FILES_WANTED 1024
#define YEAR_MIN 2025
#define YEAR_MAX 2100

void doctor_check_descriptors(struct doctor *d)
{
    struct rlimit l;

    if (getrlimit(RLIMIT_NOFILE, &l) < 0)
        return;
    if (l.rlim_cur >= FILES_WANTED) {
        doctor_say(d, DOCTOR_OK, "%llu open files allowed here; the unit file allows 65536",
                   (unsigned long long)l.rlim_cur);
        return;
    }
    doctor_say(d, DOCTOR_WARN, "only %llu open files allowed here: a large set of logs needs %d",
               (unsigned long long)l.rlim_cur, FILES_WANTED);
    doctor_cure(d, "ulimit -n %d", FILES_WANTED);
}

void doctor_check_landlock(struct doctor *d)
{
    int abi = privileges_landlock_abi();

    if (abi == 0) {
        doctor_say(d, DOCTOR_WARN,
                   "no Landlock: which files a role may open is left to user, groups and seccomp");
        doctor_cure(d, "boot Linux 5.13 or newer with landlock in the kernel's lsm= list");
    } else if (abi < 3) {
        doctor_say(d, DOCTOR_INFO,
                   "Landlock ABI %d: truncation is not refused (from Linux 6.2 it is)", abi);
    } else {
        doctor_say(d, DOCTOR_OK, "Landlock ABI %d", abi);
    }
}

void doctor_check_seccomp(struct doctor *d)
{
    if (seccomp_api_get() > 0) {
        doctor_say(d, DOCTOR_OK, "seccomp filters, libseccomp API level %u", seccomp_api_get());
        return;
    }
    doctor_say(d, DOCTOR_BAD, "the kernel has no seccomp filters: no role would start");
    doctor_cure(d, "boot a kernel with CONFIG_SECCOMP_FILTER");
}

void doctor_check_jit(struct doctor *d)
{
    int code;
    size_t at;
    pcre2_code *c = pcre2_compile((PCRE2_SPTR) "a+b", PCRE2_ZERO_TERMINATED, 0, &code, &at, NULL);
    int r = c ? pcre2_jit_compile(c, PCRE2_JIT_COMPLETE) : code;

    pcre2_code_free(c);
    if (r == 0) {
        doctor_say(d, DOCTOR_OK, "PCRE2 compiles to machine code");
        return;
    }
    doctor_say(
        d, DOCTOR_WARN,
        "PCRE2 cannot compile to machine code (%d): a match takes four to five times as long", r);
    doctor_cure(d, "remove MemoryDenyWriteExecute= from the service, allow executable memory");
}

/* Versions as numbers where their texts have dots: 1 = newer than b. */
static int compare_versions(const char *a, const char *b)
{
    for (int i = 0; i < 3; i++) {
        char *end_a, *end_b;
        unsigned long x = strtoul(a, &end_a, 10), y = strtoul(b, &end_b, 10);

        if (x != y)
            return x < y ? -1 : 1;
        a = *end_a == '.' ? end_a + 1 : end_a;
        b = *end_b == '.' ? end_b + 1 : end_b;
    }
    return 0;
}

#define TEXT_OF(x) #x
#define TEXT(x) TEXT_OF(x)

void doctor_check_libraries(struct doctor *d)
{
    char pcre[64] = "?";
    const struct {
        const char *name, *built, *runs;
    } libraries[] = {
        { "pcre2", TEXT(PCRE2_MAJOR) "." TEXT(PCRE2_MINOR), pcre },
        { "sqlite", SQLITE_VERSION, sqlite3_libversion() },
        { "libcurl", LIBCURL_VERSION, curl_version_info(CURLVERSION_NOW)->version },
        { "libsodium", SODIUM_VERSION_STRING, sodium_version_string() },
        { "openssl", OPENSSL_VERSION_STR, OpenSSL_version(OPENSSL_VERSION_STRING) },
        { "zlib", ZLIB_VERSION, zlibVersion() },
        { "zstd", ZSTD_VERSION_STRING, ZSTD_versionString() },
    };
    AUTO_BUF all = BUF_INIT;

    pcre2_config(PCRE2_CONFIG_VERSION, pcre);
    pcre[strcspn(pcre, " ")] = '\0'; /* a date follows */
    for (size_t i = 0; i < ARRAY_SIZE(libraries); i++) {
        int order = compare_versions(libraries[i].runs, libraries[i].built);

        buf_printf(&all, "%s%s %.20s", i ? ", " : "", libraries[i].name, libraries[i].runs);
        if (order == 0)
            continue;
        doctor_say(d, order < 0 ? DOCTOR_WARN : DOCTOR_INFO, "%s %.40s runs, built for %s",
                   libraries[i].name, libraries[i].runs, libraries[i].built);
        if (order < 0)
            doctor_cure(d, "install %s %s or newer", libraries[i].name, libraries[i].built);
    }
    doctor_say(d, DOCTOR_OK, "%s", all.p ? all.p : "");
}

void doctor_check_clock(struct doctor *d)
{
    const struct clock real = CLOCK_REAL;
    struct civil now = civil_from_us(clock_now(&real));
    struct timex t = { .modes = 0 };
    int state;

    if (now.year < YEAR_MIN || now.year > YEAR_MAX) {
        doctor_say(d, DOCTOR_BAD, "the clock says the year %d", now.year);
        doctor_cure(d, "timedatectl set-ntp true");
        return;
    }
    state = adjtimex(&t);
    if (state >= 0 && state != TIME_ERROR && !(t.status & STA_UNSYNC)) {
        doctor_say(d, DOCTOR_OK, "the clock is synchronised");
        return;
    }
    doctor_say(d, DOCTOR_WARN,
               "the clock is not synchronised: times in alerts and in the trail may be wrong");
    doctor_cure(d, "timedatectl set-ntp true");
}

static bool systemd_version(struct buf *ret)
{
    static const char *const argv[] = { "/usr/bin/systemctl", "--version", NULL };
    struct proc_result r = { .out = BUF_LIMIT(4096) };
    bool found = access(argv[0], X_OK) == 0 &&
                 proc_run(argv, NULL, SLICE_NONE, 5 * USEC_PER_SEC, &r, NULL) == 0 && r.status == 0;
    struct slice rest = buf_view(&r.out), line;

    if (found && slice_split(&rest, '\n', &line))
        buf_slice(ret, slice_take(line, 60));
    buf_fini(&r.out);
    return found;
}

void doctor_check_system(struct doctor *d)
{
    AUTO_BUF systemd = BUF_INIT;
    struct utsname u;

    if (uname(&u) < 0)
        return;
    if (!systemd_version(&systemd))
        buf_str(&systemd, "no systemd");
    doctor_say(d, DOCTOR_INFO, "%s %s %s, %s", u.sysname, u.release, u.machine,
               systemd.p ? systemd.p : "");
}
