/*
 * What the trail costs: CPU time of an entry that is appended, verified and proved, peak memory.
 * Entries come in batches of 4096, each one committed and signed. Every row runs in a process of
 * its own, so its memory is its own.
 * usage: trail [--entries N] [--folder F] [--personal] [--keep] [--only append|verify|prove]
 * [--json]
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/num.h"
#include "base/proc.h"

#define BATCH 4096
#define PROOFS 50

struct bench {
    uint64_t entries;
    const char *only;
    bool personal, keep, json;
    char folder[200], trail[220], keys[220];
    struct clock clock;
};

static struct audit_config config_of(struct bench *b)
{
    return (struct audit_config){ .folder = b->trail,
                                  .key_folder = b->keys,
                                  .origin = "bench.example/1",
                                  .heartbeat_s = 300,
                                  .epoch_s = 86400,
                                  .clock = &b->clock };
}

/* An event of an access log, 190 to 220 bytes as a line; with personal values about 420. */
static void fill_entry(struct bench *b, struct batch *batch, struct arena *a, uint64_t i)
{
    struct entry *e = batch_entry(batch, "event");

    e->members = slice_str(arena_printf(
        a,
        "\"channel\":\"xray\",\"key\":\"5f3c9a7be01d44c2a9f00b7715c3d2e8-%llu\",\"level\":\"low\","
        "\"fields\":{\"event.action\":\"accepted\",\"server.port\":%llu,\"http.bytes\":%llu}",
        (unsigned long long)i * 137, (unsigned long long)(1024 + i % 60000),
        (unsigned long long)(i * 2654435761u % 100000)));
    if (!b->personal)
        return;
    e->pii = arena_array(a, 2, sizeof *e->pii);
    e->pii[0] = (struct entry_pii){ SLICE("source.ip"),
                                    slice_str(arena_printf(a, "203.0.%llu.%llu",
                                                           (unsigned long long)(i / 256 % 256),
                                                           (unsigned long long)(i % 256))) };
    e->pii[1] = (struct entry_pii){
        SLICE("user.name"), slice_str(arena_printf(a, "user%llu", (unsigned long long)(i % 1000)))
    };
    e->npii = 2;
}

static int append(struct bench *b, struct err *err)
{
    struct audit_config c = config_of(b);
    AUTO(audit) a = NULL;
    AUTO(arena) arena = arena_new(1 << 20, 64 << 20);
    uint64_t replay;
    int r = audit_init(&c, NULL, err);

    if (r == 0)
        r = audit_open(&c, NULL, &a, &replay, err);
    for (uint64_t done = 1; r == 0 && done < b->entries;) {
        struct batch batch;

        arena_reset(arena);
        clock_set(&b->clock, b->clock.now_us + 250000);
        batch_init(&batch, arena, clock_now(&b->clock));
        for (unsigned i = 0; i < BATCH && done < b->entries; i++)
            fill_entry(b, &batch, arena, done++);
        r = audit_append(a, &batch, err);
        if (r < 0)
            break;
        audit_committed(a, &batch.trail);
        r = audit_checkpoint(a, true, err);
    }
    return r;
}

static int verify(struct bench *b, struct err *err)
{
    const struct audit_verify_options o = { .folder = b->trail };
    struct audit_report report;
    int r = audit_verify(&o, &report, err);

    for (size_t i = 0; r == 0 && i < report.nfindings; i++)
        if (!report.findings[i].warning)
            r = err_set(err, -EUCLEAN, "%s: %s", report.findings[i].code, report.findings[i].text);
    audit_report_fini(&report);
    return r;
}

static int prove(struct bench *b, struct err *err)
{
    int r = 0;

    for (uint64_t i = 0; r == 0 && i < PROOFS; i++) {
        AUTO(audit_view) v = NULL;
        AUTO_BUF out = BUF_INIT;

        r = audit_view_open(b->trail, &v, err);
        if (r == 0)
            r = audit_view_prove(v, i * 7919 * 7919 % audit_view_size(v), &out, err);
    }
    return r;
}

struct row {
    const char *name, *unit;
    int (*run)(struct bench *b, struct err *err);
};
static const struct row rows[] = {
    { "append", "entries/s of CPU time", append },
    { "verify", "entries/s of CPU time", verify },
    { "prove", "ms for one proof", prove },
};

static double seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static double now_s(void)
{
    const struct clock real = CLOCK_REAL;

    return (double)clock_mono(&real) / 1e6;
}

static void tell(const struct bench *b, const struct row *row, const struct rusage *u, double wall)
{
    double cpu = seconds(&u->ru_utime) + seconds(&u->ru_stime);
    double value = row->run == prove ? wall * 1e3 / PROOFS : (double)b->entries / cpu;

    if (b->json)
        printf("{\"row\":\"%s\",\"entries\":%llu,\"personal\":%s,\"value\":%.3f,\"unit\":\"%s\","
               "\"cpu_s\":%.3f,\"wall_s\":%.3f,\"rss_kib\":%ld}\n",
               row->name, (unsigned long long)b->entries, b->personal ? "true" : "false", value,
               row->unit, cpu, wall, u->ru_maxrss);
    else
        printf("%-8s %12.*f %s (%.2f s CPU, %.2f s, %ld KiB at most)\n", row->name,
               row->run == prove ? 3 : 0, value, row->unit, cpu, wall, u->ru_maxrss);
    (void)fflush(stdout);
}

static bool run(struct bench *b, const struct row *row)
{
    double start = now_s();
    struct rusage u;
    int status;
    pid_t pid = fork();

    if (pid == 0) {
        struct err err = ERR_NONE;
        int r = row->run(b, &err);

        if (r < 0)
            fprintf(stderr, "trail: %s: %s\n", row->name, err.text);
        _exit(r < 0);
    }
    if (pid < 0 || wait4(pid, &status, 0, &u) < 0 || status != 0)
        return false;
    tell(b, row, &u, now_s() - start);
    return true;
}

static bool arguments(struct bench *b, int argc, char **argv)
{
    const char *tmp = getenv("TMPDIR");

    snprintf(b->folder, sizeof b->folder, "%s/tw-bench-trail-XXXXXX", tmp ? tmp : "/tmp");
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--personal") == 0)
            b->personal = true;
        else if (strcmp(argv[i], "--keep") == 0)
            b->keep = true;
        else if (strcmp(argv[i], "--json") == 0)
            b->json = true;
        else if (strcmp(argv[i], "--only") == 0)
            b->only = argv[++i];
        else if (strcmp(argv[i], "--folder") == 0)
            snprintf(b->folder, sizeof b->folder, "%s", argv[++i]);
        else if (strcmp(argv[i], "--entries") != 0 ||
                 parse_u64(slice_str(next), 2, UINT64_C(1) << 32, &b->entries) < 0)
            return false;
        else
            i++;
    }
    return true;
}

static void sweep(const struct bench *b)
{
    const char *const argv[] = { "/bin/rm", "-rf", b->folder, NULL };
    struct proc_result r = { .out = BUF_LIMIT(1000) };

    (void)proc_run(argv, NULL, SLICE_NONE, 60 * USEC_PER_SEC, &r, NULL);
    buf_fini(&r.out);
}

int main(int argc, char **argv)
{
    struct bench b = { .entries = 1000000 };
    bool ok = arguments(&b, argc, argv);

    if (!ok || (strstr(b.folder, "XXXXXX") && !mkdtemp(b.folder))) {
        fputs("usage: trail [--entries N] [--folder F] [--personal] [--keep] [--only ROW]"
              " [--json]\n",
              stderr);
        return 2;
    }
    snprintf(b.trail, sizeof b.trail, "%s/trail", b.folder);
    snprintf(b.keys, sizeof b.keys, "%s/keys", b.folder);
    clock_set(&b.clock, UINT64_C(1790000000) * USEC_PER_SEC);
    for (size_t i = 0; ok && i < ARRAY_SIZE(rows); i++)
        if (!b.only || strcmp(b.only, rows[i].name) == 0)
            ok = run(&b, &rows[i]);
    if (!b.keep)
        sweep(&b);
    return ok ? 0 : 1;
}
