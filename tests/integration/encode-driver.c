/*
 * Entries to what a receiver reads, for the tests of the encoders:
 *
 *     encode-driver FORMAT [header=rfc5424] [max=BYTES] [ocsf=1.3.0] [origin=O] [host=H] [times=N]
 *
 * Entry lines on standard input; one encoded record a line on standard output. With `times` nothing
 * is printed but the CPU time: nanoseconds for a record, read and encoded, and encoded alone.
 */
#include <stdio.h>
#include <time.h>

#include "base/num.h"
#include "notifiers/machines/encoder.h"

static int index_of(const char *const *list, const char *name)
{
    for (int i = 0; list[i]; i++)
        if (strcmp(list[i], name) == 0)
            return i;
    return -1;
}

struct arguments {
    struct encoder_settings s;
    const char *origin, *host;
    uint64_t times;
};

static const char *after(const char *word, const char *name)
{
    size_t n = strlen(name);

    return strncmp(word, name, n) == 0 && word[n] == '=' ? word + n + 1 : NULL;
}

static bool take(struct arguments *a, const char *word)
{
    const char *v;

    if ((v = after(word, "header")))
        return (a->s.header = index_of(header_names, v)) >= 0;
    if ((v = after(word, "ocsf")))
        return (a->s.ocsf_version = index_of(ocsf_versions, v)) >= 0;
    if ((v = after(word, "max")))
        return parse_u64(slice_str(v), 1, 1 << 20, &a->s.max_bytes) == 0;
    if ((v = after(word, "times")))
        return parse_u64(slice_str(v), 1, 1 << 20, &a->times) == 0;
    if ((v = after(word, "origin")))
        return (a->origin = v) != NULL;
    return (v = after(word, "host")) && (a->host = v);
}

static uint64_t cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

#define ALONE_MAX 1000 /* records that are kept to be encoded again and again */

/* All lines so often: what a record costs, read and encoded. */
static uint64_t measure_whole(struct arguments *a, struct record_reader *rr, struct slice text,
                              uint64_t *ret_n)
{
    struct arena *arena = arena_new(1 << 20, 0);
    AUTO_BUF out = BUF_INIT;
    struct slice line;
    struct trail_record r;
    uint64_t start = cpu_ns();

    for (uint64_t i = 0; i < a->times; i++)
        for (struct slice rest = text; slice_split(&rest, '\n', &line);) {
            arena_reset(arena);
            buf_reset(&out);
            if (line.n == 0 || record_read(rr, line, arena, &r, NULL) < 0)
                continue;
            (void)!encoder_encode(&a->s, &r, &out);
            ++*ret_n;
        }
    arena_free(arena);
    return cpu_ns() - start;
}

static uint64_t measure_alone(struct arguments *a, struct record_reader *rr, struct slice text,
                              uint64_t *ret_n)
{
    struct arena *arena = arena_new(1 << 20, 0);
    struct trail_record *records = calloc(ALONE_MAX, sizeof *records);
    AUTO_BUF out = BUF_INIT;
    struct slice line;
    uint64_t start;
    size_t n = 0;

    while (n < ALONE_MAX && slice_split(&text, '\n', &line))
        n += line.n && record_read(rr, line, arena, &records[n], NULL) == 0;
    start = cpu_ns();
    for (*ret_n = 0; *ret_n < 100 * ALONE_MAX && n; ++*ret_n) {
        buf_reset(&out);
        (void)!encoder_encode(&a->s, &records[*ret_n % n], &out);
    }
    start = cpu_ns() - start;
    free(records);
    arena_free(arena);
    return start;
}

static void measure(struct arguments *a, struct record_reader *rr, struct slice text)
{
    uint64_t n = 0, m = 0, whole = measure_whole(a, rr, text, &n);
    uint64_t alone = measure_alone(a, rr, text, &m);

    printf("%llu %llu %llu\n", (unsigned long long)n, (unsigned long long)(whole / (n ? n : 1)),
           (unsigned long long)(alone / (m ? m : 1)));
}

static int encode_all(struct arguments *a, struct record_reader *rr, struct slice text)
{
    struct arena *arena = arena_new(65536, 0);
    AUTO_BUF out = BUF_INIT;
    struct slice line;
    struct trail_record r;
    struct err err;
    int status = 0;

    while (slice_split(&text, '\n', &line)) {
        int e;

        if (line.n == 0)
            continue;
        arena_reset(arena);
        buf_reset(&out);
        if (record_read(rr, line, arena, &r, &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            status = 1;
            continue;
        }
        e = encoder_encode(&a->s, &r, &out);
        if (e < 0) {
            fprintf(stderr, "entry %llu: %s\n", (unsigned long long)r.index, err_name(e));
            status = 1;
            continue;
        }
        buf_char(&out, '\n');
        fwrite(out.p, 1, out.n, stdout);
    }
    arena_free(arena);
    return status;
}

int main(int argc, char **argv)
{
    struct arguments a = { .s = { .max_bytes = ENCODE_SYSLOG_BYTES,
                                  .facility = 16,
                                  .enterprise = 32473,
                                  .ocsf_version = 2,
                                  .ecs_version = "9.0.0",
                                  .dataset = "trailwarden",
                                  .namespace_ = "default",
                                  .delimiter = "^",
                                  .raw = true },
                           .origin = "host.example/trail/1",
                           .host = "host.example" };
    AUTO_BUF text = BUF_INIT;
    AUTO(record_reader) rr = NULL;
    struct err err = ERR_NONE;
    char part[65536];
    size_t n;
    bool good = argc > 1 && (a.s.format = index_of(encoder_names, argv[1])) >= 0;

    for (int i = 2; i < argc; i++)
        good = good && take(&a, argv[i]);
    if (!good || encoder_ready(&a.s, &err) < 0) {
        fprintf(stderr, "usage: encode-driver FORMAT [NAME=VALUE]...\n");
        return 2;
    }
    while ((n = fread(part, 1, sizeof part, stdin)) > 0)
        buf_add(&text, part, n);
    rr = record_reader_new(a.origin, a.host);
    if (!rr || !buf_ok(&text))
        return 70;
    if (!a.times)
        return encode_all(&a, rr, buf_view(&text));
    measure(&a, rr, buf_view(&text));
    return 0;
}
