/* Columns for people, on a real (pseudo) terminal and off it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ioctl.h>

#include "base/term.h"

static const char *const headings[] = { "RULE", "N", "TEXT", NULL };

static struct text_table *sample(void)
{
    struct text_table *t = text_table_new(headings);

    assert_non_null(t);
    text_table_cell(t, SLICE("ssh"));
    text_table_cellf(t, "%d", 5);
    text_table_cell(t, SLICE("a rather long text, evil \033[2J and caf\xc3\xa9"));
    text_table_cell(t, SLICE("caf\xc3\xa9-rule"));
    text_table_cellf(t, "%d", 12345);
    text_table_cell(t, SLICE("x"));
    return t;
}

static void columns_line_up_and_a_file_gets_them_uncut(void **state)
{
    AUTO(text_table) t = sample();
    char text[500] = "";
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    text_table_print(t, out);
    rewind(out);
    assert_true(fread(text, 1, sizeof text - 1, out) > 0);
    fclose(out);
    assert_string_equal(text,
                        "RULE       N      TEXT\n"
                        "ssh        5      a rather long text, evil \\x1b[2J and caf\xc3\xa9\n"
                        "caf\xc3\xa9-rule  12345  x\n");
}

static void an_unfinished_row_still_ends_its_line(void **state)
{
    AUTO(text_table) t = text_table_new(headings);
    char text[100] = "";
    FILE *out = tmpfile();

    (void)state;
    assert_non_null(out);
    text_table_cell(t, SLICE("a"));
    text_table_print(t, out);
    rewind(out);
    assert_true(fread(text, 1, sizeof text - 1, out) > 0);
    fclose(out);
    assert_string_equal(text, "RULE  N  TEXT\na     \n");
}

/* The program's side of a pseudo terminal of so many columns; what it shows comes out of *ret_us.
 */
static FILE *terminal(unsigned columns, int *ret_us)
{
    struct winsize size = { .ws_row = 24, .ws_col = (unsigned short)columns };
    int us = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC), them;
    char name[64];

    if (us < 0 || grantpt(us) < 0 || unlockpt(us) < 0 || ptsname_r(us, name, sizeof name) != 0)
        skip(); /* no devpts here */
    them = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(them >= 0);
    assert_int_equal(ioctl(them, TIOCSWINSZ, &size), 0);
    *ret_us = us;
    return fdopen(them, "w");
}

/* Ends the terminal's program side and reads all it wrote (a read gives any part of it; after the
 * last comes EIO); -> how many bytes. text[cap] is zero-terminated. */
static size_t terminal_ends(FILE *out, int us, char *text, size_t cap)
{
    size_t n = 0;
    ssize_t got;

    fclose(out);
    while (n < cap - 1 && (got = read(us, text + n, cap - 1 - n)) > 0)
        n += (size_t)got;
    text[n] = 0;
    close(us);
    return n;
}

static void a_terminal_s_width_cuts_the_last_column(void **state)
{
    struct text_table *t;
    char text[1000];
    int us;
    FILE *out = terminal(40, &us);

    (void)state;
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    t = sample();
    assert_int_equal(term_width(out), 40);
    text_table_print(t, out);
    text_table_free(t);
    assert_true(terminal_ends(out, us, text, sizeof text) > 0);
    assert_non_null(strstr(text, "ssh        5      a rather long text,...\r\n"));
    assert_null(strchr(text, '\033'));
}

static void colour_is_for_terminals_that_want_it(void **state)
{
    int us;
    FILE *out = terminal(80, &us), *file = tmpfile();

    (void)state;
    setenv("TERM", "xterm", 1);
    unsetenv("NO_COLOR");
    assert_true(term_colour(out));
    assert_false(term_colour(file));
    setenv("NO_COLOR", "", 1); /* no-color.org: only when it is not empty */
    assert_true(term_colour(out));
    setenv("NO_COLOR", "1", 1);
    assert_false(term_colour(out));
    unsetenv("NO_COLOR");
    setenv("TERM", "dumb", 1);
    assert_false(term_colour(out));
    unsetenv("TERM");
    assert_false(term_colour(out));
    assert_int_equal(term_width(file), 80);
    fclose(file);
    fclose(out);
    close(us);
}

/* Runs a whole progress with stderr led to `file`; answers how much was written. */
static long draw(FILE *file)
{
    struct progress p;
    int was = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    long n;

    dup2(fileno(file), STDERR_FILENO);
    progress_start(&p, "reading", 1000);
    for (uint64_t i = 0; i <= 1000; i++)
        progress_step(&p, i, i);
    progress_end(&p);
    fflush(stderr);
    n = lseek(STDERR_FILENO, 0, SEEK_CUR);
    dup2(was, STDERR_FILENO);
    close(was);
    return n;
}

static void progress_is_silent_off_a_terminal(void **state)
{
    FILE *file = tmpfile();

    (void)state;
    assert_non_null(file);
    assert_int_equal(draw(file), 0);
    fclose(file);
}

static void progress_draws_seldom_and_clears_its_line(void **state)
{
    char text[4096];
    unsigned drawn = 0;
    int us;
    FILE *out = terminal(80, &us);

    (void)state;
    draw(out);
    assert_true(terminal_ends(out, us, text, sizeof text) > 0);
    for (const char *p = text; (p = strstr(p, "reading [")); p++)
        drawn++;
    assert_in_range(drawn, 1, 20); /* 1001 steps in far less than two seconds */
    assert_true(slice_ends(slice_str(text), SLICE("\r\033[K")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_line_up_and_a_file_gets_them_uncut),
        cmocka_unit_test(an_unfinished_row_still_ends_its_line),
        cmocka_unit_test(a_terminal_s_width_cuts_the_last_column),
        cmocka_unit_test(colour_is_for_terminals_that_want_it),
        cmocka_unit_test(progress_is_silent_off_a_terminal),
        cmocka_unit_test(progress_draws_seldom_and_clears_its_line),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
