/*
 * The rig for files: logs of numbered lines, and whether they came back in order.
 */
#pragma once

#include "tests/unit/input_rig.h"

#define SECOND USEC_PER_SEC

static inline void begin(struct rig *r, const char *yaml)
{
    rig_new(r);
    assert_int_equal(rig_start(r, &input_file, yaml, false), 0);
}

/* Stops without a word, as kill -9 does, and starts from the cursors that were committed. */
static inline void restart(struct rig *r, const char *yaml)
{
    rig_stop(r);
    assert_int_equal(rig_start(r, &input_file, yaml, false), 0);
}

/* "000012 a line ..." for from..to; long enough for a head of 1 KiB to be 20 of them. */
static inline void number_lines(struct rig *r, const char *name, unsigned from, unsigned to)
{
    struct buf b = BUF_INIT;

    for (unsigned i = from; i < to; i++)
        buf_printf(&b, "%06u a line of a log that is long enough to be one\n", i);
    rig_write(r, name, O_APPEND, buf_view(&b));
    buf_fini(&b);
}

/* Are these the lines from..to, in order, and no others? */
static inline void assert_numbers(const char *text, unsigned from, unsigned to)
{
    for (unsigned i = from; i < to; i++) {
        const char *end = strchr(text, '|');

        if (!end || strtoul(text, NULL, 10) != i)
            fail_msg("line %u: %.60s", i, text);
        text = end + 1;
    }
    assert_string_equal(text, "");
}

static inline size_t count(const char *text, char c)
{
    size_t n = 0;

    for (; *text; text++)
        n += *text == c;
    return n;
}
