/*
 * What a report costs: a trail of so many entries is written (four of five are events with their
 * document, the rest alerts, messages, bans, acts), then each kind is made in a process of its own.
 * usage: report [--entries N] [--folder F] [--keep] [--kind NAME] [--json]
 * --folder with a trail in it: that one is read, and kept.
 */
#include <errno.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/num.h"
#include "base/proc.h"
#include "reports/make.h"

#define BATCH 4096
#define BEGIN_US (UINT64_C(1793000000) * USEC_PER_SEC)
#define SPAN_US (UINT64_C(20) * 86400 * USEC_PER_SEC)

struct bench {
    uint64_t entries;
    const char *kind;
    bool keep, json;
    char folder[200], trail[220], keys[220];
    struct clock clock;
};

static unsigned long long u(uint64_t n)
{
    return n;
}

static void put_document(struct buf *b, uint64_t i, const char *when, bool failed)
{
    struct json_writer w = json_writer(b);
    char text[200];

    json_object(&w);
    json_member_str(&w, "time", when);
    json_member_str(&w, "channel", "api");
    json_member_str(&w, "format", "api.json");
    snprintf(text, sizeof text, "{\"level\":\"info\",\"msg\":\"login\",\"user\":\"user%llu\"}",
             u(i % 5000));
    json_member_str(&w, "raw", text);
    json_key(&w, "fields");
    json_object(&w);
    snprintf(text, sizeof text, "203.0.%llu.%llu", u(i / 251 % 250), u(i % 250));
    json_member_str(&w, "source.ip", text);
    json_member_str(&w, "source.geo.country_iso_code", i % 3 ? "DE" : "US");
    snprintf(text, sizeof text, "user%llu", u(i % 5000));
    json_member_str(&w, "user.name", text);
    json_member_str(&w, "event.action", failed ? "login_failed" : "login_ok");
    json_member_str(&w, "event.outcome", failed ? "failure" : "success");
    json_object_end(&w);
    json_object_end(&w);
}

static bool personal(struct entry *e, struct arena *a, struct slice name, const struct buf *value)
{
    e->pii = arena_array(a, 1, sizeof *e->pii);
    if (!e->pii || !buf_ok(value))
        return false;
    e->pii[0] = (struct entry_pii){ name, arena_slice(a, buf_view(value)) };
    e->npii = 1;
    return true;
}

static bool put_event(struct bench *b, struct entry *e, struct arena *a, uint64_t i)
{
    AUTO_BUF doc = BUF_INIT;
    char when[TIME_TEXT_SIZE];
    bool failed = i % 4 == 0;

    time_text(clock_now(&b->clock), when);
    put_document(&doc, i, when, failed);
    e->members = slice_str(arena_printf(a,
                                        "\"channel\":\"%s\",\"time\":\"%s\",\"action\":\"%s\","
                                        "\"key\":\"5f3c9a7be01d44c2a9f00b7715c3d2e8-%llu\"",
                                        i % 7 ? "api" : "xui", when,
                                        i % 2    ? "access"
                                        : failed ? "login_failed"
                                                 : "login_ok",
                                        u(i * 137)));
    return personal(e, a, SLICE("event"), &doc);
}

static bool put_alert(struct bench *b, struct entry *e, struct arena *a, uint64_t i)
{
    AUTO_BUF doc = BUF_INIT;
    char when[TIME_TEXT_SIZE];

    time_text(clock_now(&b->clock), when);
    buf_char(&doc, '[');
    put_document(&doc, i, when, true);
    buf_char(&doc, ',');
    put_document(&doc, i, when, true);
    buf_char(&doc, ']');
    e->members = slice_str(arena_printf(
        a,
        "\"id\":\"%032llx\",\"rule\":\"rule-%llu\",\"title\":\"Rule %llu\",\"level\":\"high\","
        "\"channel\":\"api\",\"time\":\"%s\",\"count\":6,\"backfill\":false",
        u(i), u(i % 40), u(i % 40), when));
    return personal(e, a, SLICE("events"), &doc);
}

static bool put_entry(struct bench *b, struct batch *batch, struct arena *a, uint64_t i)
{
    static const char *const types[] = { "delivery", "event", "event", "event", "alert",
                                         "event",    "event", "event", "event", "event" };
    struct entry *e = batch_entry(batch, types[i % 10]);

    if (!e)
        return false;
    if (e->type.n == 5)
        return i % 10 == 4 ? put_alert(b, e, a, i) : put_event(b, e, a, i);
    e->members =
        slice_str(arena_printf(a,
                               "\"id\":\"%032llx\",\"receiver\":\"ops\",\"state\":\"sent\","
                               "\"attempt\":1,\"status\":\"250 ok\"",
                               u(i > 6 ? i - 6 : i)));
    return e->members.p != NULL;
}

static int write_trail(struct bench *b, struct err *err)
{
    struct audit_config c = { .folder = b->trail,
                              .key_folder = b->keys,
                              .origin = "bench.example/1",
                              .heartbeat_s = 300,
                              .epoch_s = 86400,
                              .clock = &b->clock };
    AUTO(audit) a = NULL;
    AUTO(arena) arena = arena_new(1 << 20, 256 << 20);
    uint64_t replay, step = SPAN_US / (b->entries / BATCH + 1);
    int r = audit_init(&c, NULL, err);

    if (r == 0)
        r = audit_open(&c, NULL, &a, &replay, err);
    for (uint64_t done = 1; r == 0 && done < b->entries;) {
        struct batch batch;

        arena_reset(arena);
        clock_set(&b->clock, b->clock.now_us + step);
        batch_init(&batch, arena, clock_now(&b->clock));
        for (unsigned i = 0; i < BATCH && done < b->entries; i++)
            if (!put_entry(b, &batch, arena, done++))
                return err_nomem(err);
        r = audit_append(a, &batch, err);
        if (r == 0)
            audit_committed(a, &batch.trail);
    }
    return r == 0 ? audit_checkpoint(a, true, err) : r;
}

/* ---- making ---- */

static int make(const struct bench *b, const char *kind, struct err *err)
{
    AUTO(audit_view) v = NULL;
    AUTO(arena) arena = arena_new(1 << 20, REPORT_ARENA_MAX);
    AUTO_BUF request = BUF_INIT;
    struct report_ask ask = { .kind = kind,
                              .from_us = BEGIN_US,
                              .to_us = BEGIN_US + SPAN_US + USEC_PER_SEC,
                              .zone = "",
                              .channel = "",
                              .standard = strcmp(kind, "compliance") == 0 ? "soc2" : "",
                              .subject = strcmp(kind, "user") == 0 ? "user=user17" : "",
                              .samples = 5 };
    struct report_source source = { .folder = b->trail };
    struct report *r;

    if (!arena || audit_view_open(b->trail, &v, err) < 0)
        return err_code(err);
    ask.checkpoint = audit_view_note(v);
    if (report_request(&ask, &request, err) < 0)
        return err_code(err);
    return report_make(&source, buf_view(&request), arena, &r, err);
}

/* In a process of its own, so its memory is its own. */
static int measure(const struct bench *b, const char *kind)
{
    struct rusage use;
    const struct clock real = CLOCK_REAL;
    uint64_t begin = clock_mono(&real);
    int status;
    double s, wall;
    pid_t pid = fork();

    if (pid == 0) {
        struct err err = ERR_NONE;
        int r = make(b, kind, &err);

        if (r < 0)
            fprintf(stderr, "%s: %s\n", kind, err.text);
        _exit(r < 0);
    }
    if (pid < 0 || wait4(pid, &status, 0, &use) < 0 || status != 0)
        return -EIO;
    s = (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
        (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
    wall = (double)(clock_mono(&real) - begin) / 1e6;
    if (b->json)
        printf("{\"kind\":\"%s\",\"entries\":%llu,\"seconds\":%.3f,\"cpu_seconds\":%.3f,"
               "\"rss_kib\":%ld}\n",
               kind, u(b->entries), wall, s, use.ru_maxrss);
    else
        printf("%-14s %12llu entries %8.2f s, %8.2f s of CPU: %5.2f us each %7ld KiB\n", kind,
               u(b->entries), wall, s, s * 1e6 / (double)b->entries, use.ru_maxrss);
    return 0;
}

static int run(struct bench *b)
{
    const struct report_kind_info *k;
    struct err err = ERR_NONE;
    struct stat st;
    bool there = stat(b->trail, &st) == 0;

    if (!there && write_trail(b, &err) < 0) {
        fprintf(stderr, "%s\n", err.text);
        return 1;
    }
    for (size_t i = 0; (k = report_kind(i)); i++)
        if ((!b->kind || strcmp(b->kind, k->name) == 0) && measure(b, k->name) < 0)
            return 1;
    if (!there && !b->keep) {
        const char *const argv[] = { "/bin/rm", "-rf", b->folder, NULL };
        struct proc_result r = { .out = BUF_LIMIT(1000) };

        (void)proc_run(argv, NULL, SLICE_NONE, 60 * USEC_PER_SEC, &r, NULL);
        buf_fini(&r.out);
    }
    return 0;
}

int main(int argc, char **argv)
{
    struct bench b = { .entries = 200000 };

    clock_set(&b.clock, BEGIN_US);
    snprintf(b.folder, sizeof b.folder, "%.150s/tw-report-%d",
             getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp", (int)getpid());
    for (int i = 1; i < argc; i++) {
        const char *next = i + 1 < argc ? argv[i + 1] : "";

        if (strcmp(argv[i], "--json") == 0)
            b.json = true;
        else if (strcmp(argv[i], "--keep") == 0)
            b.keep = true;
        else if (strcmp(argv[i], "--kind") == 0)
            b.kind = argv[++i];
        else if (strcmp(argv[i], "--folder") == 0)
            snprintf(b.folder, sizeof b.folder, "%s", argv[++i]);
        else if (strcmp(argv[i], "--entries") == 0 &&
                 parse_u64(slice_str(next), 1000, 1000000000, &b.entries) == 0)
            i++;
        else
            return fprintf(stderr, "see the head of tests/bench/report.c\n"), 2;
    }
    snprintf(b.trail, sizeof b.trail, "%s/trail", b.folder);
    snprintf(b.keys, sizeof b.keys, "%s/keys", b.folder);
    if (mkdir(b.folder, 0700) < 0 && errno != EEXIST)
        return 1;
    return run(&b);
}
