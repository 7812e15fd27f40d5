/* How many threads serve here: what the scheduler and the control group allow. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "logwatch/workers.h"

#define AUTO_MAX 4
#define GROUP_PATH_MAX 1024

static unsigned processors(void)
{
    cpu_set_t set;
    int n;

    CPU_ZERO(&set);
    /* A host with more than 1,024 of them says EINVAL: more than enough. */
    n = sched_getaffinity(0, sizeof set, &set) < 0 ? AUTO_MAX : CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

/* "200000 100000": microseconds in each period, for all its processes; "max 100000": no limit. */
static unsigned quota(struct slice text)
{
    struct slice rest = slice_trim(text), word;
    uint64_t most, period;

    if (!slice_split(&rest, ' ', &word) || parse_u64(word, 1, UINT32_MAX, &most) < 0 ||
        parse_u64(rest, 1, UINT32_MAX, &period) < 0)
        return AUTO_MAX;
    return most < period ? 1 : (unsigned)(most / period < AUTO_MAX ? most / period : AUTO_MAX);
}

static unsigned quota_of(const char *group)
{
    char path[GROUP_PATH_MAX + 64];
    AUTO_BUF text = BUF_INIT;

    (void)snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    return file_read(-1, path, 256, &text, NULL) < 0 ? AUTO_MAX : quota(buf_view(&text));
}

/* The least of our group and all above it; cgroup v2, the only one with one tree. */
static unsigned allowed(void)
{
    AUTO_BUF text = BUF_INIT;
    struct slice rest, line;
    char group[GROUP_PATH_MAX] = "";
    unsigned least, n;
    char *end;

    if (file_read(-1, "/proc/self/cgroup", 65536, &text, NULL) < 0)
        return AUTO_MAX;
    rest = buf_view(&text);
    while (slice_split(&rest, '\n', &line))
        if (slice_starts(line, SLICE("0::/")) && line.n - 3 < sizeof group)
            (void)snprintf(group, sizeof group, "%.*s", SLICE_FMT(slice_skip(line, 3)));
    for (least = quota_of(group); (end = strrchr(group, '/')); least = n < least ? n : least) {
        *end = '\0';
        n = quota_of(group);
    }
    return least;
}

static bool forced(unsigned *ret)
{
    const char *text = secure_getenv("TW_WORKERS");
    uint64_t n;

    if (!text || parse_u64(slice_str(text), 0, WORKERS_MAX, &n) < 0)
        return false;
    *ret = (unsigned)n;
    return true;
}

bool workers_eager(void)
{
    unsigned n;

    return forced(&n);
}

unsigned workers_count(uint64_t count, bool live)
{
    unsigned n, most;

    if (live && forced(&n))
        return n;
    if (count != WORKERS_AUTO)
        return count < WORKERS_MAX ? (unsigned)count : WORKERS_MAX;
    n = processors();
    most = allowed();
    n = n < most ? n : most;
    if (n > AUTO_MAX)
        n = AUTO_MAX;
    n -= live ? 1 : 0;
    /* One alone only takes the parsing from the thread that reads: 8 % measured, for its memory. */
    return n > 1 ? n : 0;
}

int workers_parse(struct slice text, uint64_t *ret)
{
    if (slice_is(text, "auto")) {
        *ret = WORKERS_AUTO;
        return 0;
    }
    return parse_u64(text, 0, WORKERS_MAX, ret);
}
