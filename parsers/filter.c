/* A filter of fail2ban as the format of a channel: what its lines come to as events. */
#include "parsers/filter.h"

#include <errno.h>

#include "base/num.h"
#include "base/utf8.h"
#include "parsers/fail2ban/filter.h"
#include "parsers/format.h"

#define FILTERS_FOLDER "/etc/fail2ban/filter.d/"
#define PREFIX "fail2ban."

struct field_key {
    uint32_t id;
    struct slice name;
};

struct filter {
    struct fail2ban *f;
    struct slice text; /* as written in the configuration */
    struct field_key *groups; /* by their number; name n == 0: no field comes of it */
    struct field_key filter, counted;
};

/* ---- loading ---- */

/* "/a/b/sshd.conf[mode=x]" -> "/a/b/" and "sshd.conf[mode=x]"; a bare name has its folder. */
static bool split_folder(struct slice text, struct slice *ret_folder, struct slice *ret_name)
{
    struct slice path = slice_take(text, slice_find_byte(text, '['));
    size_t slash = slice_rfind_byte(path, '/');

    *ret_folder = SLICE(FILTERS_FOLDER);
    *ret_name = text;
    if (slash == SIZE_MAX)
        return true;
    *ret_folder = slice_take(text, slash + 1);
    *ret_name = slice_skip(text, slash + 1);
    return text.p[0] == '/';
}

/* The file of each fault is the filter's; one without a place is of the configuration. */
static int load(const struct filter_request *q, struct arena *a, struct diag *d,
                struct fail2ban **ret)
{
    struct fail2ban_options o = { .journal = q->journal };
    struct fail2ban_name name;
    struct slice folder, text;
    struct err err = ERR_NONE;
    const char *path;
    int r;

    if (!split_folder(slice_trim(q->filter), &folder, &text))
        r = err_set(&err, -EINVAL, "it is no path from / on, and no name in " FILTERS_FOLDER);
    else
        r = fail2ban_name_parse(text, a, &name, &err);
    if (r < 0) {
        diag_error(d, q->at, "filter '%.*s': %s", SLICE_FMT(q->filter), err.text);
        return r;
    }
    path = arena_printf(a, "%.*s%s", SLICE_FMT(folder), name.name);
    if (!path)
        return -ENOMEM;
    o.parameters = name.parameters;
    o.nparameters = name.nparameters;
    r = fail2ban_load(path, &o, d, ret);
    if (r < 0)
        diag_error(d, q->at, "channel '%.*s' has no filter: '%s' cannot be used (see above)",
                   SLICE_FMT(q->channel), path);
    return r;
}

static int key_of(struct field_names *names, struct arena *a, const char *name,
                  struct field_key *ret)
{
    const char *full = arena_printf(a, PREFIX "%s", name);

    if (!full)
        return -ENOMEM;
    ret->name = slice_str(full);
    ret->id = field_intern(names, ret->name);
    return 0;
}

/* The signs that connections are told by are not facts about anybody. */
static bool is_sign(const char *group)
{
    static const char *const signs[] = { "nofail", "mlfforget", "mlfgained", "content", NULL };

    for (size_t i = 0; signs[i]; i++)
        if (strcmp(signs[i], group) == 0)
            return true;
    return false;
}

static int intern(struct filter *x, struct field_names *names, struct arena *a)
{
    size_t n = 0;
    int r;

    while (fail2ban_group(x->f, n))
        n++;
    x->groups = arena_array(a, n + 1, sizeof *x->groups);
    r = x->groups ? key_of(names, a, "filter", &x->filter) : -ENOMEM;
    if (r == 0)
        r = key_of(names, a, "id", &x->counted);
    for (size_t i = 0; i < n && r == 0; i++)
        if (!is_sign(fail2ban_group(x->f, i)))
            r = key_of(names, a, fail2ban_group(x->f, i), &x->groups[i]);
    return r;
}

static bool name_format(struct format *f, const struct filter_request *q, struct arena *a)
{
    f->name = slice_str(arena_printf(a, "filter.%.*s", SLICE_FMT(q->channel)));
    f->channel = arena_slice(a, q->channel);
    f->summary = slice_str(arena_printf(a, "by the filter %.*s", SLICE_FMT(q->filter)));
    f->logsource = (struct logsource){ SLICE("fail2ban"), SLICE(""), f->channel };
    return f->name.p && f->channel.p && f->summary.p;
}

int formats_add_filter(struct formats *set, const struct filter_request *q, struct diag *d)
{
    struct arena *a = set->arena;
    struct format *f = arena_alloc(a, sizeof *f);
    struct filter *x = arena_alloc(a, sizeof *x);
    int r;

    if (!f || !x)
        return -ENOMEM;
    r = load(q, a, d, &x->f);
    if (r < 0)
        return r;
    f->filter = x;
    f->names = set->names;
    f->trust = TRUST_LINE;
    x->text = arena_slice(a, q->filter);
    if (!x->text.p || !name_format(f, q, a) || intern(x, set->names, a) < 0 ||
        format_prepare(f, a) < 0 || !formats_put(set, f)) {
        fail2ban_free(x->f);
        return -ENOMEM;
    }
    return 0;
}

void filter_free(struct filter *x)
{
    if (x)
        fail2ban_free(x->f);
}

const struct fail2ban *filter_of(const struct filter *x)
{
    return x->f;
}

/* ---- which lines ---- */

/* These are put into an event only when its line is a failure. */
static bool of_failures(struct slice field)
{
    static const char *const names[] = { "event.category", "event.outcome", "source.ip",
                                         "source.address", "source.port",   "user.name" };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (slice_is(field, names[i]))
            return true;
    return slice_starts(field, SLICE(PREFIX)) || slice_starts(field, SLICE("source.geo.")) ||
           slice_starts(field, SLICE("source.as."));
}

/*
 * Every line that an expression fits, whatever the rule asks: a line that is no failure may be half
 * of one.
 */
struct literals filter_literals(const struct filter *x, struct slice field, struct literal_maker *m)
{
    return of_failures(field) ? fail2ban_literals(x->f, m)
                              : literals_none("every line has it, also one of no failure");
}

bool filter_only_failures(const struct format *f, const struct glance_ask *ask)
{
    for (uint32_t id = 0; id < field_count(f->names); id++)
        if (ask->field(ask->ctx, id) && !of_failures(field_name(f->names, id)))
            return false;
    return true;
}

/* ---- one record ---- */

struct filtering {
    const struct filter *x;
    struct arena *a;
    struct filtered *ret;
    size_t cap;
};

static struct slice clean(const struct filtering *r, struct slice s)
{
    bool changed = false;

    s = arena_slice(r->a, s);
    return s.p ? utf8_clean(r->a, s, &changed) : s;
}

static bool add(struct filtering *r, uint32_t id, struct slice name, struct slice value)
{
    if (value.n == 0 || r->ret->n == r->cap)
        return true;
    value = clean(r, value);
    r->ret->list[r->ret->n++] = (struct filtered_field){ id, name, value };
    return value.p != NULL;
}

static bool add_key(struct filtering *r, const struct field_key *key, struct slice value)
{
    return add(r, key->id, key->name, value);
}

#define FIELD(id, name) (id), SLICE(name)

/* Of a network only its name is told: nobody is at 192.0.2.0. */
static bool add_source(struct filtering *r, const struct fail2ban_result *f)
{
    bool whole = f->ip.family && f->bits == (f->ip.family == 4 ? 32 : 128);

    return add(r, FIELD(FIELD_SOURCE_ADDRESS, "source.address"), f->host) &&
           (!whole || add(r, FIELD(FIELD_SOURCE_IP, "source.ip"), f->host));
}

static bool add_port(struct filtering *r, const struct fail2ban_result *f)
{
    uint64_t port;

    for (size_t i = 0; i < f->nfields; i++)
        if (strcmp(f->fields[i].name, "fport") == 0 &&
            parse_u64(f->fields[i].value, 1, 65535, &port) == 0)
            return add(r, FIELD(FIELD_SOURCE_PORT, "source.port"), f->fields[i].value);
    return true;
}

static bool add_failure(struct filtering *r, const struct fail2ban_result *f)
{
    bool ok = add(r, FIELD(FIELD_EVENT_CATEGORY, "event.category"), SLICE("authentication")) &&
              add(r, FIELD(FIELD_EVENT_OUTCOME, "event.outcome"), SLICE("failure")) &&
              add_source(r, f) && add_port(r, f) &&
              add(r, FIELD(FIELD_USER_NAME, "user.name"), f->user) &&
              add_key(r, &r->x->filter, r->x->text) && add_key(r, &r->x->counted, f->id);

    for (size_t i = 0; ok && i < f->nfields; i++)
        if (r->x->groups[f->fields[i].index].name.n)
            ok = add_key(r, &r->x->groups[f->fields[i].index], f->fields[i].value);
    return ok;
}

/* As fail2ban sees a record that came with its sender: "host program[pid]: text". */
static struct slice whole_text(const struct record *record, struct arena *a)
{
    AUTO_BUF b = BUF_INIT;
    const char *blank = "";

    if (record->app.n == 0)
        return record->text;
    if (record->host.n)
        buf_printf(&b, "%.*s", SLICE_FMT(record->host));
    blank = record->host.n ? " " : "";
    buf_printf(&b, "%s%.*s", blank, SLICE_FMT(record->app));
    if (record->pid)
        buf_printf(&b, "[%llu]", (unsigned long long)record->pid);
    buf_str(&b, ": ");
    buf_slice(&b, record->text);
    return buf_ok(&b) ? arena_slice(a, buf_view(&b)) : SLICE_NONE;
}

int filter_read(const struct filter *x, const struct filter_line *line, struct arena *a,
                struct filtered *ret)
{
    const struct record *record = line->record;
    struct fail2ban_line l = { .text = whole_text(record, a),
                               .time_us = record->time_us,
                               .now_us = line->received_us,
                               .zone = line->zone };
    struct filtering r = { .x = x, .a = a, .ret = ret };
    struct fail2ban_result result;
    uint64_t given_up = fail2ban_given_up(line->scratch);

    *ret = (struct filtered){ 0 };
    if (!l.text.p && record->text.n)
        return -ENOMEM;
    if (fail2ban_line(x->f, line->scratch, line->state, &l, &result) < 0)
        return -ENOMEM;
    ret->time_us = result.time_us;
    ret->time_known = result.time_known;
    ret->gave_up = fail2ban_given_up(line->scratch) > given_up;
    if (result.verdict != FAIL2BAN_FAILURE)
        return 0;
    r.cap = result.nfields + 16;
    ret->list = arena_array(a, r.cap, sizeof *ret->list);
    return ret->list && add_failure(&r, &result) ? 0 : -ENOMEM;
}
