/*
 * The fields of one entry. A sender chooses names, values and sizes of all
 * fields without a leading underscore: they are read with limits, none of them
 * says whose entry it is, and a field that cannot be unpacked must not take
 * the message beside it away.
 */
#include <errno.h>

#include "base/num.h"
#include "logwatch/inputs/journald-private.h"

/* libsystemd keeps the memory of the largest field until the file is closed. */
#define HUGE_BYTES (UINT64_C(8) << 20)

struct wanted {
    const char *name;
    size_t offset;
};

static const struct wanted wanted_texts[] = {
    { "_SYSTEMD_UNIT", AT(struct entry_fields, unit) },
    { "_STREAM_ID", AT(struct entry_fields, stream) },
    { "_TRANSPORT", AT(struct entry_fields, transport) },
    { "MESSAGE_ID", AT(struct entry_fields, message_id) },
    { "OBJECT_SYSTEMD_UNIT", AT(struct entry_fields, object_unit) },
    { "N_DROPPED", AT(struct entry_fields, dropped) },
    { "_LINE_BREAK", AT(struct entry_fields, line_break) },
};

static const struct wanted wanted_numbers[] = {
    { "PRIORITY", AT(struct entry_fields, priority) },
    { "_PID", AT(struct entry_fields, pid) },
    { "_SOURCE_REALTIME_TIMESTAMP", AT(struct entry_fields, source_us) },
};

static int take_message(struct arena *a, struct slice value, size_t max, struct entry_fields *f)
{
    if (f->messages++)
        return 0; /* a sender may give several: the first counts */
    f->message = arena_slice(a, slice_take(value, max + 1)); /* one more tells that it was cut */
    return f->message.p ? 0 : -ENOMEM;
}

/* The texts are copied: the next field's call takes this one's bytes away. */
static int take_field(struct arena *a, struct slice name, struct slice value, size_t max,
                      struct entry_fields *f)
{
    if (slice_is(name, "MESSAGE"))
        return take_message(a, value, max, f);
    for (size_t i = 0; i < ARRAY_SIZE(wanted_texts); i++)
        if (slice_is(name, wanted_texts[i].name)) {
            struct slice kept = arena_slice(a, slice_take(value, ENTRY_TEXT_MAX));

            memcpy((char *)f + wanted_texts[i].offset, &kept, sizeof kept);
            return kept.p ? 0 : -ENOMEM;
        }
    for (size_t i = 0; i < ARRAY_SIZE(wanted_numbers); i++)
        if (slice_is(name, wanted_numbers[i].name)) {
            uint64_t v;

            if (parse_u64(value, 0, UINT64_MAX, &v) == 0)
                memcpy((char *)f + wanted_numbers[i].offset, &v, sizeof v);
            return 0;
        }
    return 0;
}

static struct slice value_of(const void *data, size_t n)
{
    struct slice field = slice_of(data, n);
    size_t at = slice_find_byte(slice_take(field, 64), '=');

    return at == SIZE_MAX ? SLICE_NONE : slice_skip(field, at + 1);
}

static int read_all(sd_journal *j, struct arena *a, size_t max, struct entry_fields *f,
                    bool *bloated)
{
    const void *data;
    size_t n;
    int r;

    sd_journal_restart_data(j);
    while ((r = sd_journal_enumerate_available_data(j, &data, &n)) > 0) {
        struct slice field = slice_of(data, n);
        size_t at = slice_find_byte(slice_take(field, 64), '=');

        if (n > HUGE_BYTES)
            *bloated = true;
        if (at == SIZE_MAX)
            continue;
        r = take_field(a, slice_take(field, at), slice_skip(field, at + 1), max, f);
        if (r < 0)
            return r;
    }
    return r;
}

static int read_one(sd_journal *j, const char *name, struct arena *a, size_t max,
                    struct entry_fields *f)
{
    const void *data;
    size_t n;
    int r = sd_journal_get_data(j, name, &data, &n);

    if (r == -ENOENT)
        return 0;
    return r < 0 ? r : take_field(a, slice_str(name), value_of(data, n), max, f);
}

/* One by one: only the named field is unpacked, of the others no more than their beginning. */
static int read_named(sd_journal *j, struct arena *a, size_t max, struct entry_fields *f)
{
    int r = read_one(j, "MESSAGE", a, max, f);

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(wanted_texts); i++)
        r = read_one(j, wanted_texts[i].name, a, max, f);
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(wanted_numbers); i++)
        r = read_one(j, wanted_numbers[i].name, a, max, f);
    return r;
}

int entry_read(sd_journal *j, struct arena *a, size_t max, struct entry_fields *ret, bool *bloated)
{
    struct entry_fields f = { .priority = UINT64_MAX };
    int r = read_all(j, a, max, &f, bloated);

    if (r < 0) {
        *bloated = true;
        f = (struct entry_fields){ .priority = UINT64_MAX };
        r = read_named(j, a, max, &f);
    }
    if (r >= 0)
        *ret = f;
    return r < 0 ? r : 0;
}

int entry_unit(sd_journal *j, char ret[ENTRY_TEXT_MAX + 1])
{
    const void *data;
    size_t n;
    int r = sd_journal_get_data(j, "_SYSTEMD_UNIT", &data, &n);
    struct slice unit = r < 0 ? SLICE_NONE : slice_take(value_of(data, n), ENTRY_TEXT_MAX);

    if (unit.n)
        memcpy(ret, unit.p, unit.n);
    ret[unit.n] = '\0';
    return r == -ENOENT ? 0 : r;
}

bool entry_wiped(sd_journal *j)
{
    uint64_t us;

    return sd_journal_get_realtime_usec(j, &us) < 0;
}

bool entry_is(sd_journal *j, const char *field, const char *value)
{
    const void *data;
    size_t n;

    return sd_journal_get_data(j, field, &data, &n) >= 0 && slice_is(value_of(data, n), value);
}
