/*
 * Storms: a writer that splits its lines and rotates its log, a reader that is
 * killed at random and starts again from what it had committed. At the end every
 * line was read exactly once.
 *
 * The reader commits as the program does: results behind the committed length
 * of a file, then one atomic change of state (cursors and that length).
 * TW_STORM_LINES makes the storm longer, TW_STORM_SEED repeats one.
 */
#include <signal.h>
#include <time.h>

#include "tests/unit/input_rig.h"

#define LINES 12000
#define KEEP 12 /* rotated files that stay */
#define KEEP_FEW 5
#define OPTIONS "{path: %s, from: begin, poll: 10ms, rotate_wait: 300ms, partial_wait: 500ms}"

enum rotation {
    ROTATE_RENAME,
    ROTATE_UNLINK, /* few files stay, so inodes are used again at once */
    ROTATE_COPY,
    ROTATE_MIXED,
};

struct storm {
    struct rig rig;
    enum rotation rotation;
    const char *path; /* as in the configuration */
    unsigned lines, seed;
    unsigned kills;
};

static void nap(unsigned us)
{
    nanosleep(&(struct timespec){ .tv_nsec = (long)us * 1000 }, NULL);
}

/* ---- the writer ---- */

static unsigned dice(unsigned *seed, unsigned n)
{
    *seed = *seed * 1103515245u + 12345u;
    return (*seed >> 12) % n;
}

static unsigned keep_of(const struct storm *s)
{
    return s->rotation == ROTATE_UNLINK ? KEEP_FEW : KEEP;
}

/* No reader can read what is deleted before it gets the processor: on a busy machine the writer
 * waits. */
static void let_reader_follow(struct storm *s)
{
    static struct timespec last;
    static unsigned ahead;
    const char *path = rig_path(&s->rig, "state");

    for (unsigned i = 0; i < 5000; i++) {
        struct stat st = { 0 };

        (void)stat(path, &st);
        if (st.st_mtim.tv_sec != last.tv_sec || st.st_mtim.tv_nsec != last.tv_nsec)
            ahead = 0;
        last = st.st_mtim;
        if (st.st_size && ahead < keep_of(s) / 2) /* what came before its first start is not its */
            break;
        nap(1000);
    }
    ahead++;
}

static void shift_names(struct storm *s, unsigned keep)
{
    for (unsigned i = keep; i >= 1; i--) {
        char *from = arena_printf(s->rig.arena, "%s/a.log.%u", s->rig.folder, i);
        char *to = arena_printf(s->rig.arena, "%s/a.log.%u", s->rig.folder, i + 1);

        if (i == keep)
            unlink(from);
        else
            (void)rename(from, to);
    }
}

/* cp in small steps, so that the reader sees a copy that is still being written. */
static void slow_copy(struct storm *s, unsigned *seed)
{
    int in = open(rig_path(&s->rig, "a.log"), O_RDONLY);
    int out = open(rig_path(&s->rig, "a.log.1"), O_WRONLY | O_CREAT | O_TRUNC, 0640);
    char bytes[32768];
    ssize_t n;

    while ((n = read(in, bytes, sizeof bytes)) > 0) {
        if (write(out, bytes, (size_t)n) != n)
            _exit(3);
        if (dice(seed, 2))
            nap(300);
    }
    close(in);
    close(out);
}

static int rotate(struct storm *s, int fd, unsigned *seed, unsigned *number)
{
    bool copy = s->rotation == ROTATE_COPY || (s->rotation == ROTATE_MIXED && dice(seed, 2));

    let_reader_follow(s);
    shift_names(s, keep_of(s));
    if (copy) {
        slow_copy(s, seed);
        if (ftruncate(fd, 0) < 0)
            _exit(3);
        return fd;
    }
    rig_rename(&s->rig, "a.log", "a.log.1");
    for (unsigned late = dice(seed, 20); late > 0; late--) /* until it has noticed */
        dprintf(fd, "%08u late\n", (*number)++);
    close(fd);
    return open(rig_path(&s->rig, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0640);
}

static void run_writer(struct storm *s)
{
    unsigned seed = s->seed, number = 0, next = 600 + dice(&seed, 800);
    int fd = open(rig_path(&s->rig, "a.log"), O_WRONLY | O_CREAT | O_APPEND, 0640);

    while (number < s->lines) {
        char line[160];
        int n = snprintf(line, sizeof line, "%08u %.*s\n", number++, (int)dice(&seed, 100),
                         "................................................................"
                         "....................................");
        int cut = (int)dice(&seed, (unsigned)n);

        if (dice(&seed, 4) == 0) { /* in two writes */
            if (write(fd, line, (size_t)cut) != cut)
                _exit(3);
            if (dice(&seed, 20) == 0)
                nap(500);
            if (write(fd, line + cut, (size_t)(n - cut)) != n - cut)
                _exit(3);
        } else if (write(fd, line, (size_t)n) != n) {
            _exit(3);
        }
        if (number % 40 == 0)
            nap(1000);
        if (number >= next) {
            fd = rotate(s, fd, &seed, &number);
            next = number + 600 + dice(&seed, 800);
        }
    }
    rig_write(&s->rig, "total", O_TRUNC, slice_str(arena_printf(s->rig.arena, "%u", number)));
    _exit(0);
}

/* ---- the reader ---- */

static char *options_of(struct storm *s)
{
    return arena_printf(s->rig.arena, OPTIONS, s->path);
}

static void run_reader(struct storm *s)
{
    uint64_t length;
    int out = rig_results(&s->rig, &length);

    s->rig.clock = (struct clock)CLOCK_REAL;
    if (rig_start(&s->rig, &input_file, options_of(s), false) < 0)
        _exit(4);
    for (;;)
        if (!rig_commit(&s->rig, out, &length))
            nap(700);
}

/* What is left, with a clock that runs ahead: everything that waits comes. */
static void read_rest(struct storm *s)
{
    uint64_t length;
    int out = rig_results(&s->rig, &length);

    assert_int_equal(rig_start(&s->rig, &input_file, options_of(s), false), 0);
    clock_set(&s->rig.clock, clock_now(&(struct clock)CLOCK_REAL));
    for (unsigned quiet = 0; quiet < 100; quiet++) {
        while (rig_commit(&s->rig, out, &length))
            quiet = 0;
        rig_wait(&s->rig, 400 * USEC_PER_MSEC);
    }
    close(out);
}

/* ---- the count ---- */

static void check_results(struct storm *s)
{
    struct buf total = BUF_INIT, out = BUF_INIT;
    unsigned n, lost = 0, doubled = 0, strange = 0;
    unsigned char *seen;
    struct slice rest, line;

    assert_int_equal(file_read(AT_FDCWD, rig_path(&s->rig, "total"), 64, &total, NULL), 0);
    assert_int_equal(file_read(AT_FDCWD, rig_path(&s->rig, "out"), 1 << 30, &out, NULL), 0);
    n = (unsigned)strtoul(total.p, NULL, 10);
    seen = calloc(n, 1);
    rest = buf_view(&out);
    while (slice_split(&rest, '|', &line)) {
        unsigned long i = line.n >= 9 ? strtoul(line.p, NULL, 10) : n;

        if (line.n == 0 && rest.n == 0)
            break;
        if (i >= n || line.p[8] != ' ')
            strange++;
        else
            doubled += seen[i]++ > 0;
    }
    for (unsigned i = 0; i < n; i++)
        lost += !seen[i];
    print_message("%u lines, %u kills: %u lost, %u doubled, %u strange (seed %u)\n", n, s->kills,
                  lost, doubled, strange, s->seed);
    if (lost || doubled || strange)
        fail_msg("seed %u in %s", s->seed, s->rig.folder);
    free(seen);
    buf_fini(&total);
    buf_fini(&out);
}

static bool ended(pid_t pid)
{
    int status;

    if (waitpid(pid, &status, WNOHANG) != pid)
        return false;
    assert_int_equal(status, 0);
    return true;
}

static void storm(enum rotation rotation, const char *path)
{
    static unsigned salt;
    struct storm s = { .rotation = rotation };
    const char *lines = getenv("TW_STORM_LINES"), *seed = getenv("TW_STORM_SEED");
    unsigned luck;
    pid_t writer, reader;

    rig_new(&s.rig);
    s.lines = lines ? (unsigned)strtoul(lines, NULL, 10) : LINES;
    s.seed = seed ? (unsigned)strtoul(seed, NULL, 10) : (unsigned)getpid() * 31 + salt++;
    s.path = path;
    luck = s.seed;
    writer = fork();
    if (writer == 0)
        run_writer(&s);
    while (!ended(writer)) {
        reader = fork();
        if (reader == 0)
            run_reader(&s);
        nap(1000 * (5 + dice(&luck, 120)));
        assert_int_equal(waitpid(reader, NULL, WNOHANG), 0); /* it must not end by itself */
        kill(reader, SIGKILL);
        assert_int_equal(waitpid(reader, NULL, 0), reader);
        s.kills++;
        if (dice(&luck, 4) == 0)
            nap(1000 * dice(&luck, 40)); /* away for a while */
    }
    read_rest(&s);
    check_results(&s);
    rig_free(&s.rig);
}

static void rename_loses_and_doubles_nothing(void **state)
{
    (void)state;
    storm(ROTATE_RENAME, "'@/a.log'");
}

static void rename_under_a_glob_loses_and_doubles_nothing(void **state)
{
    (void)state;
    storm(ROTATE_RENAME, "'@/a.log*'");
}

static void reused_inodes_lose_and_double_nothing(void **state)
{
    (void)state;
    storm(ROTATE_UNLINK, "'@/a.log'");
}

static void copytruncate_loses_and_doubles_nothing(void **state)
{
    (void)state;
    storm(ROTATE_COPY, "'@/a.log'");
}

static void copytruncate_under_a_glob_loses_and_doubles_nothing(void **state)
{
    (void)state;
    storm(ROTATE_COPY, "'@/a.log*'");
}

static void both_in_turn_lose_and_double_nothing(void **state)
{
    (void)state;
    storm(ROTATE_MIXED, "'@/a.log'");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rename_loses_and_doubles_nothing),
        cmocka_unit_test(rename_under_a_glob_loses_and_doubles_nothing),
        cmocka_unit_test(reused_inodes_lose_and_double_nothing),
        cmocka_unit_test(copytruncate_loses_and_doubles_nothing),
        cmocka_unit_test(copytruncate_under_a_glob_loses_and_doubles_nothing),
        cmocka_unit_test(both_in_turn_lose_and_double_nothing),
    };

    return cmocka_run_group_tests_name("input_storm", tests, NULL, NULL);
}
