/* What an alert must be: of the configuration, or of a silence. */
#include "notifiers/route.h"

#include <errno.h>

#include "base/ip.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/route-private.h"

#define MEMBERS_MAX 32
#define VALUES_MAX 32
#define VALUE_MAX 1024
/* Of a longer one the beginning must fit. */
#define INCIDENT_VALUE_MAX 512

/* ---- one text ---- */

/* As in Sigma: a backslash before a star or a backslash makes it an ordinary sign. */
static bool escaped(struct slice pattern, size_t i)
{
    return pattern.p[i] == '\\' && i + 1 < pattern.n &&
           (pattern.p[i + 1] == '*' || pattern.p[i + 1] == '\\');
}

/* Goes back to the newest star only, so it takes length times length at most. */
bool glob_fits(struct slice pattern, struct slice text)
{
    size_t p = 0, t = 0, star = SIZE_MAX, star_t = 0;

    while (t < text.n) {
        size_t skip = p < pattern.n && escaped(pattern, p);

        if (p < pattern.n && !skip && pattern.p[p] == '*') {
            star = ++p;
            star_t = t;
        } else if (p < pattern.n && pattern.p[p + skip] == text.p[t]) {
            p += skip + 1;
            t++;
        } else if (star != SIZE_MAX) {
            p = star;
            t = ++star_t;
        } else {
            return false;
        }
    }
    while (p < pattern.n && pattern.p[p] == '*')
        p++;
    return p == pattern.n;
}

static bool any_fits(const struct option_strs *patterns, struct slice text)
{
    for (size_t i = 0; i < patterns->n; i++)
        if (glob_fits(slice_str(patterns->items[i]), text))
            return true;
    return false;
}

static bool value_fits(const struct option_strs *wanted, struct slice value)
{
    struct cidr net;
    struct ip ip;

    if (ip_parse(value, &ip) == 0)
        for (size_t i = 0; i < wanted->n; i++)
            if (cidr_parse(slice_str(wanted->items[i]), &net, NULL) == 0 && cidr_has(&net, &ip))
                return true;
    return any_fits(wanted, value);
}

int matcher_check_value(const char *text, struct err *err)
{
    struct slice s = slice_str(text), address;
    struct cidr net;
    struct ip ip;
    uint64_t bits = 0;

    if (s.n == 0)
        return err_set(err, -EINVAL, "an empty text fits nothing");
    if (s.n > VALUE_MAX)
        return err_set(err, -EINVAL, "a text has at most %d bytes", VALUE_MAX);
    (void)slice_split(&s, '/', &address);
    if (!s.p || ip_parse(address, &ip) < 0 || parse_u64(s, 0, 1000, &bits) < 0)
        return 0;
    return cidr_parse(slice_str(text), &net, err) < 0 ? -EINVAL : 0;
}

/* ---- fields of an alert ---- */

struct seeking {
    struct slice name;
    bool (*fn)(void *ctx, struct slice value);
    void *ctx;
    bool done;
};

static int seek_scalar(void *ctx, struct slice path, enum json_type type, struct slice text)
{
    struct seeking *s = ctx;
    struct slice prefix = SLICE("fields.");

    if (!s->done && type != JSON_NULL && slice_starts(path, prefix) &&
        slice_eq(slice_skip(path, prefix.n), s->name))
        s->done = s->fn(s->ctx, text);
    return 0;
}

bool alert_field(const struct alert *alert, struct slice name,
                 bool (*fn)(void *ctx, struct slice value), void *ctx)
{
    struct seeking s = { .name = name, .fn = fn, .ctx = ctx };
    struct json_flat flat = { .scalar = seek_scalar, .ctx = &s };

    for (size_t i = 0; i < alert->ngroup; i++)
        if (slice_eq(alert->group[i].name, name))
            return fn(ctx, alert->group[i].value);
    if (alert->nevidence)
        (void)json_flatten(alert->evidence[alert->nevidence - 1], &flat, NULL);
    return s.done;
}

static bool field_value_fits(void *ctx, struct slice value)
{
    return value_fits(ctx, value);
}

/* ---- the whole ---- */

static bool tags_fit(const struct option_strs *wanted, const struct alert *alert)
{
    for (size_t i = 0; i < alert->ntags; i++)
        if (any_fits(wanted, alert->tags[i]))
            return true;
    return wanted->n == 0;
}

/* Their addresses tell them from fields that are called so. */
static const char part_level[] = "level", part_rule[] = "rule", part_channel[] = "channel",
                  part_tag[] = "tag";

const char *matcher_misfit(const struct matcher *m, const struct alert *alert)
{
    if (m->levels && !(m->levels >> alert->level & 1))
        return part_level;
    if (m->rules.n && !any_fits(&m->rules, alert->rule_id) &&
        !any_fits(&m->rules, alert->rule_title))
        return part_rule;
    if (m->channels.n && !any_fits(&m->channels, alert->channel))
        return part_channel;
    if (!tags_fit(&m->tags, alert))
        return part_tag;
    for (size_t i = 0; i < m->nfields; i++) {
        struct option_strs values = m->fields[i].values;

        if (!alert_field(alert, slice_str(m->fields[i].name), field_value_fits, &values))
            return m->fields[i].name;
    }
    return NULL;
}

bool matcher_fits(const struct matcher *m, const struct alert *alert, struct arena *a UNUSED)
{
    return !matcher_misfit(m, alert);
}

/* ---- from and to JSON ---- */

static int take_text(struct arena *a, const struct json *v, struct option_strs *to, struct err *err)
{
    if (v->type != JSON_STRING && v->type != JSON_NUMBER && v->type != JSON_BOOL)
        return err_set(err, -EINVAL, "'%.*s' must be a text or a list of texts", SLICE_FMT(v->key));
    if (slice_find_byte(v->text, '\0') != SIZE_MAX)
        return err_set(err, -EINVAL, "a text holds a NUL");
    to->items[to->n] = arena_str(a, v->text);
    if (!to->items[to->n])
        return err_nomem(err);
    return matcher_check_value(to->items[to->n++], err);
}

static int take_texts(struct arena *a, const struct json *v, struct option_strs *to,
                      struct err *err)
{
    int r = 0;

    if (to->n)
        return err_set(err, -EINVAL, "'%.*s' is there twice", SLICE_FMT(v->key));
    to->items = arena_array(a, VALUES_MAX, sizeof *to->items);
    to->at = arena_array(a, VALUES_MAX, sizeof *to->at);
    if (!to->items || !to->at)
        return err_nomem(err);
    if (v->type != JSON_ARRAY)
        return take_text(a, v, to, err);
    for (const struct json *i = v->child; r == 0 && i; i = i->next) {
        if (to->n == VALUES_MAX)
            return err_set(err, -EINVAL, "'%.*s' has more than %d values", SLICE_FMT(v->key),
                           VALUES_MAX);
        r = take_text(a, i, to, err);
    }
    if (r == 0 && to->n == 0)
        return err_set(err, -EINVAL, "'%.*s' is an empty list", SLICE_FMT(v->key));
    return r;
}

static int take_levels(struct arena *a, const struct json *v, struct matcher *m, struct err *err)
{
    struct option_strs names = { 0 };
    int r =
        m->levels ? err_set(err, -EINVAL, "'level' is there twice") : take_texts(a, v, &names, err);

    for (size_t i = 0; r == 0 && i < names.n; i++) {
        enum level l;

        if (level_parse(slice_str(names.items[i]), &l) < 0)
            return err_set(err, -EINVAL, "'%s' is no level", names.items[i]);
        m->levels |= 1u << l;
    }
    return r;
}

static int take_field(struct arena *a, const struct json *v, struct matcher *m, struct err *err)
{
    struct matcher_field *f = &m->fields[m->nfields];

    if (m->nfields == MEMBERS_MAX)
        return err_set(err, -EINVAL, "more than %d members", MEMBERS_MAX);
    if (v->key.n == 0 || slice_find_byte(v->key, '\0') != SIZE_MAX)
        return err_set(err, -EINVAL, "a field needs a name");
    for (size_t i = 0; i < m->nfields; i++)
        if (slice_is(v->key, m->fields[i].name))
            return err_set(err, -EINVAL, "'%s' is there twice", m->fields[i].name);
    f->name = arena_str(a, v->key);
    if (!f->name)
        return err_nomem(err);
    m->nfields++;
    return take_texts(a, v, &f->values, err);
}

static int take_member(struct arena *a, const struct json *v, struct matcher *m, struct err *err)
{
    const struct {
        const char *name;
        struct option_strs *to;
    } lists[] = { { "rule", &m->rules }, { "channel", &m->channels }, { "tag", &m->tags } };
    int r = 0;

    if (slice_is(v->key, "level"))
        return take_levels(a, v, m, err);
    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        if (slice_is(v->key, lists[i].name))
            return take_texts(a, v, lists[i].to, err);
    if (!slice_is(v->key, "field") || v->type != JSON_OBJECT)
        return take_field(a, v, m, err);
    for (const struct json *f = v->child; r == 0 && f; f = f->next)
        r = take_field(a, f, m, err);
    return r;
}

int matcher_json(struct slice json, struct arena *a, struct matcher *ret, struct err *err)
{
    struct matcher m = { .fields = arena_array(a, MEMBERS_MAX, sizeof *m.fields) };
    struct json *doc;
    size_t n = 0;
    int r = 0;

    if (!m.fields)
        return err_nomem(err);
    doc = json_load(a, json, err);
    if (!doc) {
        if (err && err->code != -ENOMEM)
            err->code = -EINVAL;
        return err ? err->code : -EINVAL;
    }
    if (doc->type != JSON_OBJECT)
        return err_set(err, -EINVAL, "what must fit is an object");
    for (const struct json *v = doc->child; r == 0 && v; v = v->next) {
        if (n++ == MEMBERS_MAX)
            return err_set(err, -EINVAL, "more than %d members", MEMBERS_MAX);
        r = take_member(a, v, &m, err);
    }
    if (r == 0)
        *ret = m;
    return r;
}

/* A pattern that fits this text and, unless it is long or holds a NUL, no other. */
static void put_literal(struct json_writer *w, struct slice value)
{
    AUTO_BUF b = BUF_INIT;
    struct slice s = utf8_cut(value, INCIDENT_VALUE_MAX);

    for (size_t i = 0; i < s.n; i++) {
        if (s.p[i] == '*' || s.p[i] == '\\')
            buf_char(&b, '\\');
        buf_char(&b, s.p[i] ? s.p[i] : '*');
    }
    if (s.n < value.n)
        buf_char(&b, '*');
    if (!buf_ok(&b))
        w->out->failed = true;
    json_put_slice(w, buf_view(&b));
}

void matcher_json_alert(const struct alert *alert, struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_object(&w);
    json_key(&w, "rule");
    json_array(&w);
    put_literal(&w, alert->rule_id);
    json_array_end(&w);
    json_key(&w, "field"); /* a field may be called "rule", too */
    json_object(&w);
    for (size_t i = 0; i < alert->ngroup; i++) {
        if (alert->group[i].value.n == 0)
            continue;
        json_key_slice(&w, alert->group[i].name);
        json_array(&w);
        put_literal(&w, alert->group[i].value);
        json_array_end(&w);
    }
    json_object_end(&w);
    json_object_end(&w);
}

/* ---- words ---- */

static void words_begin(struct buf *out, bool *any, const char *name)
{
    buf_str(out, *any ? ", " : "");
    buf_printable(out, slice_str(name));
    *any = true;
}

static void words_values(struct buf *out, const struct option_strs *list)
{
    for (size_t i = 0; i < list->n; i++) {
        buf_str(out, i ? " or " : " ");
        buf_printable(out, slice_str(list->items[i]));
    }
}

static void words_levels(struct buf *out, unsigned levels)
{
    bool more = false;

    for (int l = LEVELS - 1; l >= 0; l--)
        if (levels >> l & 1) {
            buf_printf(out, "%s%s", more ? " or " : " ", level_name((enum level)l));
            more = true;
        }
}

static void words_list(struct buf *out, bool *any, const char *name, const struct option_strs *list)
{
    if (list->n)
        words_begin(out, any, name);
    words_values(out, list);
}

void matcher_words(const struct matcher *m, struct buf *out)
{
    bool any = false;

    if (m->levels)
        words_begin(out, &any, "level");
    words_levels(out, m->levels);
    words_list(out, &any, "rule", &m->rules);
    words_list(out, &any, "channel", &m->channels);
    words_list(out, &any, "tag", &m->tags);
    for (size_t i = 0; i < m->nfields; i++)
        words_list(out, &any, m->fields[i].name, &m->fields[i].values);
    if (!any)
        buf_str(out, "every alert");
}

static void not_those(struct buf *out, const struct option_strs *wanted)
{
    buf_str(out, ", not");
    words_values(out, wanted);
}

static bool print_value(void *ctx, struct slice value)
{
    struct buf *out = ctx;

    buf_str(out, " is ");
    buf_printable(out, utf8_cut(value, 200));
    return true;
}

static void field_why(const struct matcher *m, const struct alert *alert, const char *name,
                      struct buf *out)
{
    for (size_t i = 0; i < m->nfields; i++) {
        if (m->fields[i].name != name)
            continue;
        if (alert_field(alert, slice_str(name), print_value, out))
            not_those(out, &m->fields[i].values);
        else
            buf_str(out, " is not there");
    }
}

void matcher_why(const struct matcher *m, const struct alert *alert, struct buf *out)
{
    const char *part = matcher_misfit(m, alert);

    if (!part)
        return;
    buf_printable(out, slice_str(part));
    if (part == part_level) {
        (void)print_value(out, slice_str(level_name(alert->level)));
        buf_str(out, ", not");
        words_levels(out, m->levels);
    } else if (part == part_rule) {
        (void)print_value(out, alert->rule_id);
        not_those(out, &m->rules);
    } else if (part == part_channel) {
        (void)print_value(out, alert->channel);
        not_those(out, &m->channels);
    } else if (part == part_tag) {
        buf_str(out, ": none is");
        words_values(out, &m->tags);
    } else {
        field_why(m, alert, part, out);
    }
}
