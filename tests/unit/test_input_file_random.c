/*
 * Logs under whatever a seed brings: lines split anywhere, rename, copytruncate,
 * delete, compress in pieces, links that flip, stops at any moment with and
 * without a block that was not committed. The lines that were read are those
 * that were written, none twice, in their order, over all generations.
 *
 * All in one process with a clock of its own, so a seed always does the same;
 * the times of files are set to that clock. TW_RANDOM_SEEDS says how many seeds
 * are tried, TW_RANDOM_SEED repeats one, TW_RANDOM_VERBOSE tells each step.
 */
#include "logwatch/inputs/file-private.h"
#include "tests/unit/zip_rig.h"

#define SECOND USEC_PER_SEC
#define SEEDS 25
#define STEPS 120
#define KEEP 7 /* rotated files; the oldest goes when it was read */
#define LINES_MAX 20000
#define MAX_LINE 1024

enum naming {
    NAMES_NUMBERS, /* a.log.1, .2, ... */
    NAMES_DATES, /* a.log-20260101... */
    NAMES_LINK, /* a.log is a link that is turned to x1, x2, ... */
    NAMINGS,
};

struct line {
    struct slice text; /* as it will be read */
    unsigned generation;
    unsigned seen;
};

struct world {
    struct rig rig;
    unsigned seed;
    enum naming naming;
    const char *yaml;
    struct line lines[LINES_MAX];
    unsigned nlines;
    struct buf rest; /* of the line that is being written */
    unsigned generation;
    unsigned latest; /* line that was read */
    unsigned nrotated; /* numbers: how many there are; dates and links: the last one */
    char *half; /* rotated file that is being compressed */
    char *half_to;
    struct buf half_bytes;
    bool running, verbose;
    unsigned faults;
};

static unsigned dice(struct world *w, unsigned n)
{
    w->seed = w->seed * 1103515245u + 12345u;
    return (w->seed >> 8) % n;
}

static void told(struct world *w, const char *what)
{
    if (w->verbose)
        (void)fprintf(stderr, "\n%s [generation %u, %u lines]\n", what, w->generation, w->nlines);
}

static struct timespec now_of(const struct world *w)
{
    uint64_t us = w->rig.clock.now_us;

    return (struct timespec){ (time_t)(us / SECOND), (long)(us % SECOND * 1000) };
}

static void stamp(struct world *w, const char *name)
{
    struct timespec t[2] = { now_of(w), now_of(w) };

    assert_int_equal(utimensat(AT_FDCWD, rig_path(&w->rig, name), t, 0), 0);
}

static bool exists(struct world *w, const char *name)
{
    return access(rig_path(&w->rig, name), F_OK) == 0;
}

/* ---- the reader ---- */

static void fault(struct world *w, const char *what, struct slice line)
{
    if (w->faults++ < 5)
        (void)fprintf(stderr, "%s: %.*s\n", what, (int)(line.n < 60 ? line.n : 60), line.p);
}

static void count_line(struct world *w, struct slice line)
{
    struct slice text = slice_starts(line, SLICE("(cut)")) ? slice_skip(line, 5) : line;
    unsigned long i = text.n ? strtoul(text.p, NULL, 10) : LINES_MAX;

    if (i >= w->nlines || !slice_eq(text, w->lines[i].text)) {
        fault(w, "strange", line);
        return;
    }
    if (w->lines[i].seen++)
        fault(w, "twice", line);
    if (w->latest > i)
        fault(w, "after its turn", line);
    w->latest = w->latest > i ? w->latest : (unsigned)i;
}

static void count_lines(struct world *w)
{
    struct slice rest = buf_view(&w->rig.lines), line;

    while (slice_split(&rest, '|', &line))
        if (line.n) {
            if (w->verbose)
                (void)fprintf(stderr, "  %.*s", (int)(line.n < 6 ? line.n : 6), line.p);
            count_line(w, line);
        }
    buf_reset(&w->rig.lines);
    if (w->verbose && w->rig.notices.n)
        (void)fprintf(stderr, "  %s\n", w->rig.notices.p);
    buf_reset(&w->rig.notices);
}

static void run(struct world *w)
{
    if (!w->running)
        assert_int_equal(rig_start(&w->rig, &input_file, w->yaml, false), 0);
    w->running = true;
}

static void stop(struct world *w)
{
    rig_stop(&w->rig);
    w->running = false;
}

static void read_some(struct world *w)
{
    unsigned n = 1 + dice(w, 6);

    run(w);
    while (n-- > 0)
        (void)rig_read(&w->rig);
    count_lines(w);
}

/* A block is read, and the process is killed before it was committed. */
static void read_in_vain(struct world *w)
{
    struct block b = { .arena = w->rig.block_arena };

    run(w);
    arena_reset(w->rig.block_arena);
    (void)w->rig.in.ops->read(&w->rig.in, &b, &w->rig.err);
    stop(w);
}

static void read_all(struct world *w)
{
    run(w);
    for (unsigned i = 0; i < 5; i++) {
        rig_drain(&w->rig);
        rig_wait(&w->rig, 12 * SECOND);
    }
    count_lines(w);
}

/* ---- the writer ---- */

static void new_line(struct world *w)
{
    struct line *l = &w->lines[w->nlines];
    struct buf b = BUF_INIT;
    char *text;

    assert_true(w->nlines < LINES_MAX);
    buf_printf(&b, "%06u ", w->nlines);
    switch (dice(w, 12)) {
    case 0:
        for (unsigned n = 900 + dice(w, 9000); n > 0; n--)
            buf_char(&b, 'x');
        break;
    case 1:
        buf_add(&b, "nul \0 and more \0\0\0", 18);
        break;
    case 2:
        buf_str(&b, "bad \xff\xc0\x80\xed\xa0\x80 utf-8");
        break;
    default:
        for (unsigned n = dice(w, 120); n > 0; n--)
            buf_char(&b, '.');
    }
    assert_true(buf_ok(&b));
    text = arena_alloc(w->rig.arena, b.n);
    assert_non_null(text);
    memcpy(text, b.p, b.n);
    *l = (struct line){ .text = slice_of(text, b.n < MAX_LINE ? b.n : MAX_LINE),
                        .generation = w->generation };
    w->nlines++;
    buf_slice(&w->rest, buf_view(&b));
    buf_char(&w->rest, '\n');
    buf_fini(&b);
}

static void put(struct world *w, const char *name, size_t n)
{
    struct buf left = BUF_INIT;

    if (n == 0)
        return;
    rig_write(&w->rig, name, O_APPEND, slice_of(w->rest.p, n));
    stamp(w, name);
    buf_slice(&left, slice_skip(buf_view(&w->rest), n));
    buf_fini(&w->rest);
    w->rest = left;
}

static void write_some(struct world *w)
{
    for (unsigned n = 1 + dice(w, dice(w, 5) ? 5 : 60); n > 0; n--)
        new_line(w);
    put(w, "a.log", dice(w, 3) ? w->rest.n : dice(w, (unsigned)w->rest.n + 1));
}

static void end_line(struct world *w)
{
    put(w, "a.log", w->rest.n);
}

/* ---- rotation ---- */

static const char *endings[] = { "", ".gz", ".zst" };

/* The name of a rotated file that is there; NULL when it is not. */
static char *rotated(struct world *w, unsigned number)
{
    for (size_t i = 0; i < ARRAY_SIZE(endings); i++) {
        char *name = w->naming == NAMES_NUMBERS
                         ? arena_printf(w->rig.arena, "a.log.%u%s", number, endings[i])
                         : arena_printf(w->rig.arena, "a.log-20260101%04u%s", number, endings[i]);

        if (exists(w, name))
            return name;
    }
    return NULL;
}

static void end_compress(struct world *w)
{
    struct stat st;

    if (!w->half)
        return;
    assert_int_equal(stat(rig_path(&w->rig, w->half), &st), 0);
    rig_write(&w->rig, w->half_to, O_TRUNC, buf_view(&w->half_bytes));
    assert_int_equal(utimensat(AT_FDCWD, rig_path(&w->rig, w->half_to),
                               (struct timespec[2]){ st.st_atim, st.st_mtim }, 0),
                     0);
    assert_int_equal(unlink(rig_path(&w->rig, w->half)), 0);
    w->half = NULL;
}

/* The oldest goes; only what was read may go. */
static void drop_oldest(struct world *w)
{
    char *name = w->naming == NAMES_NUMBERS ? rotated(w, KEEP)
                 : w->nrotated > KEEP       ? rotated(w, w->nrotated - KEEP)
                                            : NULL;

    if (!name)
        return;
    read_all(w);
    assert_int_equal(unlink(rig_path(&w->rig, name)), 0);
    told(w, "dropped one");
}

static char *room_for_one(struct world *w)
{
    end_compress(w);
    drop_oldest(w);
    if (w->naming != NAMES_NUMBERS)
        return arena_printf(w->rig.arena, "a.log-20260101%04u", ++w->nrotated);
    for (unsigned k = KEEP; k > 0; k--) {
        char *from = rotated(w, k), *end;

        if (!from)
            continue;
        end = strchr(from + 6, '.');
        rig_rename(&w->rig, from, arena_printf(w->rig.arena, "a.log.%u%s", k + 1, end ? end : ""));
    }
    return arena_printf(w->rig.arena, "a.log.1");
}

static void rotate_by_rename(struct world *w)
{
    char *name;

    end_line(w);
    name = room_for_one(w);
    rig_rename(&w->rig, "a.log", name);
    for (unsigned n = dice(w, 4); n > 0; n--) { /* by a writer that has not noticed */
        new_line(w);
        put(w, name, w->rest.n);
        if (dice(w, 3) == 0)
            read_some(w);
    }
    rig_wait(&w->rig, 5 * USEC_PER_MSEC); /* no two generations have one time */
    w->generation++;
    if (dice(w, 2)) {
        rig_append(&w->rig, "a.log", "");
        stamp(w, "a.log");
    }
}

static void rotate_by_copy(struct world *w)
{
    struct buf text = BUF_INIT;
    size_t half;
    char *name;

    end_line(w);
    name = room_for_one(w);
    assert_int_equal(file_read(AT_FDCWD, rig_path(&w->rig, "a.log"), 1 << 30, &text, NULL), 0);
    half = text.n ? dice(w, (unsigned)text.n + 1) : 0;
    rig_write(&w->rig, name, 0, slice_of(text.p, half));
    stamp(w, name);
    if (dice(w, 2))
        read_some(w); /* cp is still at work */
    rig_write(&w->rig, name, O_APPEND, slice_skip(buf_view(&text), half));
    stamp(w, name);
    if (dice(w, 2))
        read_some(w);
    rig_write(&w->rig, "a.log", O_TRUNC, SLICE(""));
    stamp(w, "a.log");
    rig_wait(&w->rig, 5 * USEC_PER_MSEC); /* no two generations have one time */
    w->generation++;
    buf_fini(&text);
}

static void delete_and_begin_anew(struct world *w)
{
    end_line(w);
    read_all(w); /* nobody can read what is deleted unseen */
    assert_int_equal(unlink(rig_path(&w->rig, "a.log")), 0);
    rig_wait(&w->rig, 5 * USEC_PER_MSEC); /* no two generations have one time */
    w->generation++;
    rig_append(&w->rig, "a.log", "");
    stamp(w, "a.log");
}

static void compress_one(struct world *w)
{
    unsigned first = w->naming == NAMES_NUMBERS || w->nrotated < KEEP ? 1 : w->nrotated - KEEP + 1;
    char *name;
    enum zip_kind kind = dice(w, 2) ? ZIP_GZIP : ZIP_ZSTD;
    struct buf text = BUF_INIT;

    end_compress(w);
    name = rotated(w, first + dice(w, KEEP));
    if (!name || name_unpacked(name))
        return;
    w->half = name;
    w->half_to = arena_printf(w->rig.arena, "%s%s", name, kind == ZIP_GZIP ? ".gz" : ".zst");
    assert_int_equal(file_read(AT_FDCWD, rig_path(&w->rig, name), 1 << 30, &text, NULL), 0);
    buf_fini(&w->half_bytes);
    w->half_bytes = (struct buf)BUF_INIT;
    zip_add(&w->half_bytes, kind, buf_view(&text));
    buf_fini(&text);
    if (dice(w, 2)) {
        end_compress(w);
        return;
    }
    rig_write(&w->rig, w->half_to, O_TRUNC,
              slice_take(buf_view(&w->half_bytes), dice(w, (unsigned)w->half_bytes.n)));
}

/* ---- a link that is turned ---- */

static void turn_link(struct world *w)
{
    char *next = arena_printf(w->rig.arena, "x%u", ++w->nrotated);

    if (exists(w, "a.log")) {
        end_line(w);
        read_all(w);
        assert_int_equal(unlink(rig_path(&w->rig, "a.log")), 0);
        w->generation++;
    }
    rig_append(&w->rig, next, "");
    stamp(w, next);
    assert_int_equal(symlink(next, rig_path(&w->rig, "a.log")), 0);
}

/* ---- all of it ---- */

static void step(struct world *w)
{
    static const uint64_t waits[] = { 1000, 20000, SECOND, 3 * SECOND, 12 * SECOND };
    bool link = w->naming == NAMES_LINK;
    unsigned what = dice(w, 24);

    if (what < 8) {
        write_some(w);
    } else if (what < 12) {
        read_some(w);
    } else if (what < 15) {
        rig_wait(&w->rig, waits[dice(w, ARRAY_SIZE(waits))]);
    } else if (what == 15) {
        told(w, "stop");
        stop(w);
    } else if (what == 16) {
        told(w, "kill");
        read_in_vain(w);
    } else if (link) {
        if (what == 17) {
            told(w, "turn");
            turn_link(w);
        }
    } else if (what < 19) {
        told(w, "rename");
        if (exists(w, "a.log"))
            rotate_by_rename(w);
    } else if (what == 19) {
        told(w, "copytruncate");
        if (exists(w, "a.log"))
            rotate_by_copy(w);
    } else if (what == 20 && exists(w, "a.log")) {
        told(w, "delete");
        delete_and_begin_anew(w);
    } else {
        told(w, "compress");
        compress_one(w);
    }
}

static void world_begin(struct world *w, unsigned seed)
{
    w->seed = seed;
    w->verbose = getenv("TW_RANDOM_VERBOSE") != NULL;
    w->naming = dice(w, NAMINGS);
    w->yaml = dice(w, 2) || w->naming == NAMES_LINK
                  ? "{path: '@/a.log', from: begin, max_line: 1KiB}"
                  : "{path: '@/a.log*', from: begin, max_line: 1KiB}";
    rig_new(&w->rig);
    w->rig.in.block_max = 2048;
    if (w->naming == NAMES_LINK)
        turn_link(w);
    else
        rig_append(&w->rig, "a.log", "");
    stamp(w, "a.log");
    rig_wait(&w->rig, SECOND);
    run(w);
    (void)rig_read(&w->rig); /* so it knows the log: what came before our time is left alone */
}

static unsigned lost_of(struct world *w)
{
    unsigned lost = 0;

    for (unsigned i = 0; i < w->nlines; i++)
        if (!w->lines[i].seen) {
            if (lost++ < 3)
                (void)fprintf(stderr, "lost: %u of generation %u\n", i, w->lines[i].generation);
        }
    return lost;
}

static void try_seed(unsigned seed)
{
    struct world *w = calloc(1, sizeof *w);

    assert_non_null(w);
    world_begin(w, seed);
    for (unsigned i = 0; i < STEPS; i++) {
        if (!exists(w, "a.log") && dice(w, 2) == 0) {
            rig_append(&w->rig, "a.log", "");
            stamp(w, "a.log");
        }
        step(w);
    }
    end_line(w);
    end_compress(w);
    read_all(w);
    read_all(w);
    stop(w);
    read_all(w); /* and nothing comes again */
    if (lost_of(w) || w->faults)
        fail_msg("TW_RANDOM_SEED=%u in %s", seed, w->rig.folder);
    assert_int_equal(w->rig.in.lag.bytes, 0);
    buf_fini(&w->rest);
    buf_fini(&w->half_bytes);
    rig_free(&w->rig);
    free(w);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);

    return text ? (unsigned)strtoul(text, NULL, 10) : otherwise;
}

static void whatever_happens_each_line_is_read_once(void **state)
{
    unsigned seeds = number("TW_RANDOM_SEEDS", SEEDS), one = number("TW_RANDOM_SEED", 0);
    unsigned first = number("TW_RANDOM_FIRST", 1);

    (void)state;
    if (one) {
        try_seed(one);
        return;
    }
    print_message("seeds %u to %u\n", first, first + seeds - 1);
    for (unsigned i = 0; i < seeds; i++)
        try_seed(first + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whatever_happens_each_line_is_read_once),
    };

    return cmocka_run_group_tests_name("input_file_random", tests, NULL, NULL);
}
