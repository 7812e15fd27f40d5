/*
 * Entries to one receiver by hand, for the tests of the machines:
 *
 *     machine-driver CONFIG ENTRIES [batch=N] [rounds=N] [step=1]
 *
 * CONFIG is the YAML of one receiver (`type: splunk`, ...), ENTRIES has a line of the trail each.
 * It plays the core: batches in order, what is RETRY again, back to where a receiver asks for.
 * Each delivery prints one JSON line. With step=1 it waits for a line of standard input before
 * each. Exit: 0 all were sent or dead, 1 the rounds are over, 78 a fault in CONFIG, 70 anything
 * else.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>

#include "base/file.h"
#include "base/num.h"
#include "notifiers/machines/machine.h"

#define BATCH_MAX 4096

struct play {
    struct machine machine;
    struct trail_record *records;
    bool *done;
    size_t n;
    uint64_t batch, rounds, step;
};

static int load_machine(const char *path, struct machine *m, struct arena *a, struct diag *d)
{
    static const char *const ours[] = { "type", NULL };
    struct yaml_docs docs;
    struct err err = ERR_NONE;
    const struct yaml *type;

    if (yaml_load_file(path, a, d, &docs) < 0 || docs.ndocs != 1)
        return -EINVAL;
    type = yaml_get(docs.docs[0], "type");
    m->name = "receiver";
    m->host = "edge-1.example.net";
    m->ops = type ? machine_kind(type->text) : NULL;
    if (!m->ops) {
        fprintf(stderr, "no such type\n");
        return -EINVAL;
    }
    m->state = arena_alloc(a, m->ops->state_size);
    if (!m->state ||
        option_load(m->ops->options, docs.docs[0], docs.docs[0]->at, ours, m->state, a, d) < 0)
        return -EINVAL;
    if (m->ops->open(m, &err) < 0) {
        diag_add_err(d, docs.docs[0]->at, &err);
        return -EINVAL;
    }
    return 0;
}

static int load_records(struct play *p, struct record_reader *rr, struct slice text,
                        struct arena *a)
{
    struct err err = ERR_NONE;
    struct slice line;

    p->records = arena_array(a, text.n / 32 + 1, sizeof *p->records);
    p->done = arena_array(a, text.n / 32 + 1, sizeof *p->done);
    while (p->records && p->done && slice_split(&text, '\n', &line)) {
        if (line.n == 0)
            continue;
        if (record_read(rr, line, a, &p->records[p->n], &err) < 0) {
            fprintf(stderr, "%s\n", err.text);
            return -EINVAL;
        }
        p->n++;
    }
    return p->records && p->done ? 0 : -ENOMEM;
}

static void print_results(const struct trail_record *records, size_t n,
                          const struct machine_result *results, const struct machine_said *said)
{
    AUTO_BUF line = BUF_INIT;
    struct json_writer w = json_writer(&line);
    uint64_t count[DELIVERY_STATES] = { 0 };

    json_object(&w);
    json_key(&w, "dead");
    json_object(&w);
    for (size_t i = 0; i < n; i++) {
        char index[24];

        count[results[i].state]++;
        snprintf(index, sizeof index, "%llu", (unsigned long long)records[i].index);
        if (results[i].state == DELIVERY_DEAD)
            json_member_str(&w, index, results[i].reason);
    }
    json_object_end(&w);
    json_member_u64(&w, "sent", count[DELIVERY_SENT]);
    json_member_u64(&w, "retry", count[DELIVERY_RETRY]);
    json_member_bool(&w, "broken", said->broken);
    json_member_u64(&w, "retry_after_us", said->retry_after_us);
    json_member_u64(&w, "rejected", said->rejected);
    if (said->again)
        json_member_u64(&w, "again", said->again_from);
    json_member_str(&w, "status", said->status);
    json_object_end(&w);
    printf("%s\n", line.p ? line.p : "");
    fflush(stdout);
}

/* The next ones that are not done, as one batch. */
static size_t gather(const struct play *p, struct trail_record *batch, size_t *which)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n && n < p->batch; i++)
        if (!p->done[i]) {
            batch[n] = p->records[i];
            which[n++] = i;
        }
    return n;
}

static void go_back(struct play *p, uint64_t index)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->records[i].index >= index)
            p->done[i] = false;
}

static int run(struct play *p)
{
    static struct trail_record batch[BATCH_MAX];
    static struct machine_result results[BATCH_MAX];
    static size_t which[BATCH_MAX];
    char word[16];

    for (uint64_t round = 0; round < p->rounds; round++) {
        struct machine_said said;
        size_t n = gather(p, batch, which);

        if (n == 0)
            return 0;
        if (p->step && !fgets(word, sizeof word, stdin))
            return 1;
        machine_deliver(&p->machine, batch, n, results, &said);
        print_results(batch, n, results, &said);
        for (size_t i = 0; i < n; i++)
            p->done[which[i]] = results[i].state != DELIVERY_RETRY;
        if (said.again)
            go_back(p, said.again_from);
    }
    return gather(p, batch, which) ? 1 : 0;
}

static bool take(struct play *p, const char *word)
{
    static const char *const names[] = { "batch=", "rounds=", "step=" };
    uint64_t *const values[] = { &p->batch, &p->rounds, &p->step };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strncmp(word, names[i], strlen(names[i])) == 0)
            return parse_u64(slice_str(word + strlen(names[i])), 0, 1000000, values[i]) == 0;
    return false;
}

int main(int argc, char **argv)
{
    struct play p = { .batch = 500, .rounds = 1 };
    struct arena *a = arena_new(1 << 20, 0);
    struct record_reader *rr = record_reader_new("host.example/trail/1", "host.example");
    struct diag *d = diag_new();
    AUTO_BUF text = BUF_INIT;
    struct err err = ERR_NONE;
    bool good = argc >= 3;
    int status = 70;

    signal(SIGPIPE, SIG_IGN);
    for (int i = 3; i < argc; i++)
        good = good && take(&p, argv[i]);
    if (!good || p.batch == 0 || p.batch > BATCH_MAX) {
        fprintf(stderr, "usage: machine-driver CONFIG ENTRIES [batch=N] [rounds=N] [step=1]\n");
        return 70;
    }
    if (load_machine(argv[1], &p.machine, a, d) < 0) {
        diag_print(d, stderr, false);
        status = 78;
    } else if (file_read(-1, argv[2], 256 << 20, &text, &err) == 0 &&
               load_records(&p, rr, buf_view(&text), a) == 0) {
        status = run(&p);
    }
    if (p.machine.ops && p.machine.ops->close)
        p.machine.ops->close(&p.machine);
    record_reader_free(rr);
    diag_free(d);
    arena_free(a);
    return status;
}
