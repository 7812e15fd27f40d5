/* Which entries a receiver gets, and how its position is written down. */
#include "logwatch/forward.h"

#include "base/num.h"
#include "logwatch/config.h"

struct machine *forward_machine(const struct config *c, size_t i)
{
    return i < c->nforwards ? &c->forwards[i].machine : NULL;
}

/* ---- the filter ---- */

/* NAME, or NAME with * at its end. */
static bool listed(const struct option_strs *list, struct slice name)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slice want = slice_str(list->items[i]);

        if (slice_eq(want, name))
            return true;
        if (slice_ends(want, SLICE("*")) && slice_starts(name, slice_take(want, want.n - 1)))
            return true;
    }
    return false;
}

/* A member that is a text, of the part of the line that the tree has; quotes in values are escaped,
 * so no value can look like one. */
static struct slice member(struct slice line, struct slice key)
{
    size_t tab = slice_find_byte(line, '\t'), at, end;

    line = slice_take(line, tab == SIZE_MAX ? line.n : tab);
    at = slice_find(line, key);
    if (at == SIZE_MAX)
        return SLICE_NONE;
    line = slice_skip(line, at + key.n);
    end = slice_find_byte(line, '"');
    return slice_take(line, end == SIZE_MAX ? 0 : end);
}

static bool passes(const struct option_strs *list, struct slice line, struct slice key, bool must)
{
    struct slice value;

    if (list->n == 0)
        return true;
    value = member(line, key);
    return value.p ? listed(list, value) : !must;
}

/* The value behind `"name":"`, or behind `"name":["SALT","` where it is personal; as it stands in
 * the line, which is JSON: a value with signs that are escaped there is compared in that form. */
static bool has_value(struct slice line, struct slice name, struct slice want)
{
    bool prefix = slice_ends(want, SLICE("*"));
    size_t at;

    want = prefix ? slice_take(want, want.n - 1) : want;
    while ((at = slice_find(line, name)) != SIZE_MAX) {
        bool key = at > 0 && line.p[at - 1] == '"';
        struct slice value;

        line = slice_skip(line, at + name.n);
        if (!key || !slice_starts(line, SLICE("\":")))
            continue;
        value = slice_skip(line, 2);
        if (slice_starts(value, SLICE("[\""))) {
            size_t salt = slice_find(value, SLICE("\",\""));

            value = salt == SIZE_MAX ? SLICE_NONE : slice_skip(value, salt + 2);
        }
        if (!slice_starts(value, SLICE("\"")))
            continue;
        value = slice_skip(value, 1);
        if (slice_starts(value, want) &&
            (prefix || slice_starts(slice_skip(value, want.n), SLICE("\""))))
            return true;
    }
    return false;
}

static bool any_field(const struct option_strs *list, struct slice line)
{
    for (size_t i = 0; i < list->n; i++) {
        struct slice want = slice_str(list->items[i]), name;

        if (slice_split(&want, '=', &name) && has_value(line, name, want))
            return true;
    }
    return list->n == 0;
}

/* What has no level or channel is not held back by a list of them. */
bool forward_takes(const struct config_forward *f, struct slice line)
{
    return passes(&f->types, line, SLICE(",\"type\":\""), true) &&
           passes(&f->levels, line, SLICE(",\"level\":\""), false) &&
           passes(&f->channels, line, SLICE(",\"channel\":\""), false) &&
           any_field(&f->fields, line);
}

/* ---- the position ---- */

char *forward_input(struct arena *a, const char *name)
{
    return arena_printf(a, "forward/%s", name);
}

bool forward_position_read(struct slice value, struct slice origin, struct forward_position *ret)
{
    struct slice next, time;
    struct forward_position p;

    if (!slice_split(&value, ' ', &next) || !slice_split(&value, ' ', &time) ||
        !slice_eq(value, origin) || parse_u64(next, 0, UINT64_MAX, &p.next) < 0 ||
        parse_u64(time, 0, UINT64_MAX, &p.time_us) < 0)
        return false;
    *ret = p;
    return true;
}

void forward_position_write(const struct forward_position *p, struct slice origin, struct buf *out)
{
    buf_u64(out, p->next);
    buf_char(out, ' ');
    buf_u64(out, p->time_us);
    buf_char(out, ' ');
    buf_slice(out, origin);
}
