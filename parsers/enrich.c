/* Places of addresses: MaxMind databases in sealed copies. */
#include <errno.h>
#include <fcntl.h>
#include <maxminddb.h>
#include <netinet/in.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/file.h"
#include "base/ip.h"
#include "parsers/parser.h"

#define DATABASES_MAX 3
#define DATABASE_BYTES ((size_t)1 << 30)

struct geo {
    MMDB_s db[DATABASES_MAX];
    size_t n;
    atomic_uint_fast64_t faults; /* threads share the databases */
};

/* A copy that nobody can change: a file cut under a mapping would kill the process (SIGBUS). */
static int sealed_copy(const char *path, struct err *err)
{
    AUTO_BUF bytes = BUF_INIT;
    AUTO_FD fd = -1;
    int r = file_read(-1, path, DATABASE_BYTES, &bytes, err);

    if (r < 0)
        return r;
    fd = memfd_create("geo", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (fd < 0 || fd_write_all(fd, bytes.p ? bytes.p : "", bytes.n) < 0 ||
        fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE | F_SEAL_SEAL) < 0)
        return err_set(err, -errno, "cannot copy '%s': %s", path, err_name(errno));
    return TAKE_FD(fd);
}

static int open_one(struct geo *g, const char *path, struct err *err)
{
    char name[64];
    int fd = sealed_copy(path, err), r;

    if (fd < 0)
        return fd;
    snprintf(name, sizeof name, "/proc/self/fd/%d", fd);
    r = MMDB_open(name, MMDB_MODE_MMAP, &g->db[g->n]);
    close(fd); /* the mapping holds the copy */
    if (r != MMDB_SUCCESS)
        return err_set(err, -EBADMSG, "'%s' is no MaxMind database: %s", path, MMDB_strerror(r));
    g->n++;
    return 0;
}

int geo_open(const char *const *paths, size_t npaths, struct geo **ret_geo, struct err *err)
{
    AUTO(geo) g = calloc(1, sizeof *g);

    if (!g)
        return err_nomem(err);
    for (size_t i = 0; i < npaths; i++) {
        if (i == DATABASES_MAX)
            return err_set(err, -E2BIG, "at most %d databases", DATABASES_MAX);
        if (open_one(g, paths[i], err) < 0)
            return err_code(err);
    }
    *ret_geo = TAKE(g);
    return 0;
}

void geo_free(struct geo *g)
{
    if (!g)
        return;
    for (size_t i = 0; i < g->n; i++)
        MMDB_close(&g->db[i]);
    free(g);
}

/* What is taken from a record, and where it goes. */
static const struct {
    const char *path[4];
    enum field_id field;
} wanted[] = {
    { { "country", "iso_code", NULL }, FIELD_SOURCE_GEO_COUNTRY_ISO_CODE },
    { { "country", "names", "en", NULL }, FIELD_SOURCE_GEO_COUNTRY_NAME },
    { { "city", "names", "en", NULL }, FIELD_SOURCE_GEO_CITY_NAME },
    { { "location", "latitude", NULL }, FIELD_SOURCE_GEO_LOCATION_LAT },
    { { "location", "longitude", NULL }, FIELD_SOURCE_GEO_LOCATION_LON },
    { { "autonomous_system_number", NULL }, FIELD_SOURCE_AS_NUMBER },
    { { "autonomous_system_organization", NULL }, FIELD_SOURCE_AS_ORGANIZATION_NAME },
};

bool enrich_gives(uint32_t id)
{
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++)
        if (wanted[i].field == id)
            return true;
    return false;
}

static struct slice value_text(const MMDB_entry_data_s *d, char *number, size_t n)
{
    if (d->type == MMDB_DATA_TYPE_UTF8_STRING)
        return slice_of(d->utf8_string, d->data_size);
    if (d->type == MMDB_DATA_TYPE_UINT32)
        snprintf(number, n, "%u", d->uint32);
    else if (d->type == MMDB_DATA_TYPE_DOUBLE)
        snprintf(number, n, "%.4f", d->double_value);
    else
        return SLICE("");
    return slice_str(number);
}

static int add_fields(MMDB_lookup_result_s *found, struct event *ev)
{
    for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
        MMDB_entry_data_s d;
        char number[32];
        struct slice value;

        if (event_get(ev, wanted[i].field) ||
            MMDB_aget_value(&found->entry, &d, wanted[i].path) != MMDB_SUCCESS || !d.has_data)
            continue;
        value = arena_slice(ev->arena, value_text(&d, number, sizeof number));
        if (!value.p || event_set(ev, wanted[i].field, value) == -ENOMEM)
            return -ENOMEM;
    }
    return 0;
}

static MMDB_lookup_result_s look_up(const MMDB_s *db, const struct ip *ip, int *error)
{
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } a;

    memset(&a, 0, sizeof a);
    if (ip->family == 4) {
        a.v4.sin_family = AF_INET;
        memcpy(&a.v4.sin_addr, ip->bytes, 4);
    } else {
        a.v6.sin6_family = AF_INET6;
        memcpy(&a.v6.sin6_addr, ip->bytes, 16);
    }
    return MMDB_lookup_sockaddr(db, &a.any, error);
}

int enrich_run(struct geo *g, struct event *ev)
{
    struct ip ip;

    if (ip_parse(event_text(ev, FIELD_SOURCE_IP), &ip) < 0)
        return 0;
    for (size_t i = 0; i < g->n; i++) {
        int error = MMDB_SUCCESS;
        MMDB_lookup_result_s found = look_up(&g->db[i], &ip, &error);

        if (error != MMDB_SUCCESS) {
            if (error != MMDB_IPV6_LOOKUP_IN_IPV4_DATABASE_ERROR)
                atomic_fetch_add_explicit(&g->faults, 1, memory_order_relaxed);
            continue;
        }
        if (found.found_entry && add_fields(&found, ev) == -ENOMEM)
            return -ENOMEM;
    }
    return 0;
}

static void note_place(MMDB_lookup_result_s *found, struct geo_place *ret)
{
    static const char *const country[] = { "country", "iso_code", NULL }, *const number[] = {
        "autonomous_system_number", NULL
    };
    MMDB_entry_data_s d;

    if (MMDB_aget_value(&found->entry, &d, country) == MMDB_SUCCESS && d.has_data &&
        d.type == MMDB_DATA_TYPE_UTF8_STRING && d.data_size == 2)
        memcpy(ret->country, d.utf8_string, 2);
    if (MMDB_aget_value(&found->entry, &d, number) == MMDB_SUCCESS && d.has_data &&
        d.type == MMDB_DATA_TYPE_UINT32)
        ret->as_number = d.uint32;
}

struct geo_place geo_find(const struct geo *g, const struct ip *ip)
{
    struct geo_place place = { 0 };

    for (size_t i = 0; i < g->n; i++) {
        int error = MMDB_SUCCESS;
        MMDB_lookup_result_s found = look_up(&g->db[i], ip, &error);

        if (error == MMDB_SUCCESS && found.found_entry)
            note_place(&found, &place);
    }
    return place;
}
