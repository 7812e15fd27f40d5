/*
 * What a group of a window costs in memory (growth of the resident set), and a match in CPU time.
 * The ring of evidence, which all groups share, is full before anything is measured.
 * usage: windows [--groups N] [--json]
 */
#include <malloc.h>
#include <stdio.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/num.h"
#include "rules/rules.h"

#define RULES                                                                                      \
    "title: f\nname: f\nlogsource: {product: p}\ndetection: {s: {action: f}, condition: s}\n"      \
    "---\ntitle: r\ncorrelation: {type: %s, rules: [f], group-by: [ip], timespan: 1h, "            \
    "condition: {%s}}\n"

struct bench {
    struct field_names *names;
    struct rules *rules;
    struct correlator *correlator;
    struct arena *arena;
    char (*texts)[16];
    uint64_t n;
};

static uint64_t cpu_ns(void)
{
    struct rusage u;

    if (getrusage(RUSAGE_SELF, &u) < 0)
        return 0;
    return (uint64_t)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) * UINT64_C(1000000000) +
           (uint64_t)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1000;
}

static double resident_bytes(void)
{
    unsigned long long size = 0, resident = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    bool ok = f && fscanf(f, "%llu %llu", &size, &resident) == 2;

    if (f)
        (void)fclose(f);
    return ok ? (double)resident * (double)sysconf(_SC_PAGESIZE) : 0;
}

static bool begin(struct bench *b, const char *type, const char *condition, size_t groups)
{
    struct diag *d = diag_new();
    struct buf text = BUF_INIT;
    bool ok;

    *b = (struct bench){ .names = field_names_new(), .arena = arena_new(1 << 16, 64 << 20) };
    b->rules = rules_new(b->names);
    buf_printf(&text, RULES, type, condition);
    ok = d && b->rules && rules_add(b->rules, "bench", buf_view(&text), d) == 0 &&
         rules_compile(b->rules, d) == 0;
    b->correlator = ok ? correlator_new(b->rules, groups) : NULL;
    if (!ok && d)
        diag_print(d, stderr, false);
    diag_free(d);
    buf_fini(&text);
    return b->correlator != NULL;
}

static void end(struct bench *b)
{
    correlator_free(b->correlator);
    rules_free(b->rules);
    field_names_free(b->names);
    arena_free(b->arena);
    free(b->texts);
}

/* The names are written before anything is measured. */
static bool name_groups(struct bench *b, uint64_t n)
{
    b->texts = calloc(n, sizeof *b->texts);
    for (uint64_t i = 0; b->texts && i < n; i++)
        snprintf(b->texts[i], sizeof *b->texts, "10.%u.%u.%u", (unsigned)(i >> 16) & 255,
                 (unsigned)(i >> 8) & 255, (unsigned)i & 255);
    return b->texts != NULL;
}

static bool add(struct bench *b, struct event *ev, const char *name, uint64_t value)
{
    return event_add(ev, field_find(b->names, slice_str(name)), slice_str(name), VALUE_STRING,
                     slice_str(b->texts[value])) == 0;
}

static bool push(struct bench *b, uint64_t group, uint64_t value, struct slice raw)
{
    static const struct logsource ls = { { "p", 1 }, { "", 0 }, { "", 0 } };
    struct event ev = { .logsource = &ls,
                        .channel = SLICE("p"),
                        .trust = TRUST_LINE,
                        .raw = raw,
                        .time_us = (UINT64_C(1800000000) + b->n / 1000) * USEC_PER_SEC,
                        .key = { .position = b->n },
                        .arena = b->arena };
    struct match m = { 0, &ev };
    struct batch batch;

    arena_reset(b->arena);
    batch_init(&batch, b->arena, 0);
    b->n++;
    return add(b, &ev, "ip", group) && add(b, &ev, "user", value) &&
           correlator_take(b->correlator, &m, &batch, NULL) == 0;
}

/* The ring holds 32 MiB. */
static bool fill_ring(struct bench *b)
{
    char line[2000];

    memset(line, 'x', sizeof line);
    for (unsigned i = 0; i < 40000; i++)
        if (!push(b, 0, 0, slice_of(line, sizeof line)))
            return false;
    return true;
}

struct result {
    double ns, bytes;
};

static bool measure(const char *type, const char *condition, uint64_t events, uint64_t groups,
                    uint64_t values, struct result *ret)
{
    static const struct slice line = SLICE("2026-11-21T10:00:00Z a line of about the usual length, "
                                           "with an address and a name in it");
    struct bench b;
    double before;
    uint64_t began;
    bool ok = begin(&b, type, condition, groups + 1) &&
              name_groups(&b, groups > values ? groups : values) && fill_ring(&b);

    (void)malloc_trim(0);
    before = resident_bytes();
    began = cpu_ns();
    for (uint64_t i = 0; ok && i < events; i++)
        ok = push(&b, i % groups, i % values, line);
    ret->ns = (double)(cpu_ns() - began) / (double)events;
    ret->bytes = (resident_bytes() - before) / (double)groups;
    end(&b);
    return ok;
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name, *type, *condition;
        unsigned long long share, values; /* groups = all of them / share */
    } cases[] = {
        { "event_count, one event in each group", "event_count", "gte: 1000000000", 1, 1 },
        { "event_count, 10 events in each", "event_count", "gte: 1000000000", 10, 1 },
        { "event_count, one group", "event_count", "gte: 1000000000", 0, 1 },
        { "value_count, one group of 5,000 values", "value_count", "field: user, gte: 1000000000",
          0, 5000 },
    };
    uint64_t n = 1000000;
    bool json = false;

    for (int i = 1; i < argc; i++) {
        json = json || slice_is(slice_str(argv[i]), "--json");
        if (slice_is(slice_str(argv[i]), "--groups") && i + 1 < argc &&
            parse_u64(slice_str(argv[i + 1]), 1000, 100000000, &n) < 0)
            return 2;
    }
    if (!json)
        printf("%-42s %12s %14s\n", "windows", "ns a match", "bytes a group");
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t groups = cases[i].share ? n / cases[i].share : 1;
        struct result warm, r;

        if (!measure(cases[i].type, cases[i].condition, n / 10, groups, cases[i].values, &warm) ||
            !measure(cases[i].type, cases[i].condition, n, groups, cases[i].values, &r))
            return 1;
        if (json)
            printf("{\"name\":\"%s\",\"ns\":%.0f,\"bytes\":%.0f}\n", cases[i].name, r.ns, r.bytes);
        else
            printf("%-42s %12.0f %14.0f\n", cases[i].name, r.ns, r.bytes);
    }
    return 0;
}
