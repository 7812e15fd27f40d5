/*
 * From where somebody is logged in over SSH. sudo drops SSH_CONNECTION, so what started us is
 * asked, too: its environment at its start, up to the login.
 */
#include "logwatch/commands/bans.h"

#include "base/file.h"
#include "base/num.h"

#define ANCESTORS_MAX 32
#define ENVIRON_MAX (2u << 20)

/* "198.51.100.7 50022 192.0.2.1 22" */
static bool peer_of(struct slice text, struct ip *ret)
{
    struct slice word;

    return slice_split(&text, ' ', &word) && ip_parse(word, ret) == 0;
}

static bool peer_of_process(uint64_t pid, struct ip *ret)
{
    AUTO_BUF b = BUF_INIT;
    struct slice rest, entry, name = SLICE("SSH_CONNECTION=");
    char path[64];

    (void)snprintf(path, sizeof path, "/proc/%llu/environ", (unsigned long long)pid);
    if (file_read(-1, path, ENVIRON_MAX, &b, NULL) < 0)
        return false;
    rest = buf_view(&b);
    while (slice_split(&rest, '\0', &entry))
        if (slice_starts(entry, name) && peer_of(slice_skip(entry, name.n), ret))
            return true;
    return false;
}

/* 0: there is none, or it is not known. */
static uint64_t parent_of(uint64_t pid)
{
    AUTO_BUF b = BUF_INIT;
    struct slice rest, state, parent;
    char path[64];
    uint64_t n = 0;

    (void)snprintf(path, sizeof path, "/proc/%llu/stat", (unsigned long long)pid);
    if (file_read(-1, path, 4096, &b, NULL) < 0)
        return 0;
    rest = buf_view(&b);
    rest = slice_skip(rest, slice_rfind_byte(rest, ')')); /* the name may hold anything */
    rest = slice_skip(rest, 2);
    if (!slice_split(&rest, ' ', &state) || !slice_split(&rest, ' ', &parent) ||
        parse_u64(parent, 1, UINT32_MAX, &n) < 0)
        return 0;
    return n;
}

bool ssh_peer(struct ip *ret)
{
    const char *own = getenv("SSH_CONNECTION");
    uint64_t pid = (uint64_t)getppid();

    if (own && peer_of(slice_str(own), ret))
        return true;
    for (unsigned i = 0; i < ANCESTORS_MAX && pid > 1; i++) {
        if (peer_of_process(pid, ret))
            return true;
        pid = parent_of(pid);
    }
    return false;
}
