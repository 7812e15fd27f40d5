/* What a receiver wishes, whatever the route. */
#include "logwatch/config-private.h"

#include <limits.h>

#include "base/file.h"
#include "base/num.h"
#include "notifiers/template.h"

#define TEXT_MAX (64 << 10)
#define WITHIN_MAX_US (UINT64_C(30) * 86400 * USEC_PER_SEC)

struct manners_top {
    const char *type, *quiet, *zone, *rate, *digest_over, *rule_rate, *text;
};

const struct option config_notifier_options[] = {
    { .name = "type",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, type),
      .help = "Kind of receiver." },
    { .name = "quiet",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, quiet),
      .help = "Hours in which only critical alerts come at once: 22:00-07:00, Mon-Fri 18:00-08:00, "
              "Sat,Sun. The others come when they end, as one." },
    { .name = "zone",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, zone),
      .help = "IANA zone of the quiet hours, like Europe/Berlin; default: UTC." },
    { .name = "rate",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, rate),
      .help = "At most so many messages in so long a time, like 20/1m; default: what its kind "
              "takes." },
    { .name = "digest_over",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, digest_over),
      .help = "More waiting messages than this become one; never: each comes; default: as its "
              "kind has it." },
    { .name = "rule_rate",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, rule_rate),
      .help = "At most so many about one rule, more come as one, like 30/1h (the default for those "
              "that people read); none: any number." },
    { .name = "text",
      .type = OPTION_STR,
      .offset = AT(struct manners_top, text),
      .path = PATH_READ,
      .help = "File with {{placeholders}}: your words instead of ours, for receivers that people "
              "read. A first line 'Subject: ...' is the subject." },
    { 0 },
};

/* "20/1m" */
static bool read_rate(struct slice text, unsigned *ret_n, uint64_t *ret_us)
{
    struct slice count;
    uint64_t n, us;

    (void)slice_split(&text, '/', &count);
    if (!text.p || parse_u64(count, 1, 1000000, &n) < 0 || parse_duration(text, &us) < 0 ||
        us == 0 || us > WITHIN_MAX_US)
        return false;
    *ret_n = (unsigned)n;
    *ret_us = us;
    return true;
}

static void rate_fault(struct build *b, const struct yaml *node, const char *key, const char *text)
{
    diag_error(b->d, yaml_get(node, key)->at,
               "'%s' is no rate: write it like 20/1m, at most 1000000 within 30d", text);
}

static void read_digest_over(struct build *b, const struct yaml *node, const char *text,
                             struct manners *m)
{
    uint64_t n;

    if (!text)
        return;
    if (strcmp(text, "never") == 0)
        m->digest_over = UINT_MAX;
    else if (parse_u64(slice_str(text), 1, 1000000, &n) == 0)
        m->digest_over = (unsigned)n;
    else
        diag_error(b->d, yaml_get(node, "digest_over")->at,
                   "'%s' is neither a number from 1 to 1000000 nor never", text);
}

static void read_rule_rate(struct build *b, const struct yaml *node, const char *text,
                           const struct sink_ops *ops, struct manners *m)
{
    if (!text && (ops->pace.burst || ops->pace.every_us || ops->pace.digest_over))
        text = "30/1h";
    if (text && strcmp(text, "none") != 0 &&
        !read_rate(slice_str(text), &m->rule_burst, &m->rule_within_us))
        rate_fault(b, node, "rule_rate", text);
}

/* What is no key of ours is left to the table of the kind. */
static const char *const *others(struct build *b, const struct yaml *node)
{
    const char **names = config_need(b, node->nchildren + 1, sizeof *names);
    size_t n = 0;

    YAML_EACH (m, node) {
        const struct option *o = config_notifier_options;

        while (o->name && !slice_is(m->key, o->name))
            o++;
        if (names && !o->name)
            names[n++] = arena_str(b->a, m->key);
    }
    return names;
}

/* Loaded while files can be read: the receiver's process may not. */
static void read_text(struct build *b, const struct yaml *node, const char *path, struct sink *sink)
{
    AUTO_BUF text = BUF_INIT;
    struct template *t = NULL;
    struct err err = ERR_NONE;
    struct slice kept;

    if (!path)
        return;
    if (!sink->ops->pace.digest_over) {
        diag_error(b->d, yaml_get(node, "text")->at,
                   "programs read what a %s gets: 'text' is for people", sink->ops->name);
        return;
    }
    if (file_read(-1, path, TEXT_MAX, &text, &err) < 0) {
        diag_add_err(b->d, yaml_get(node, "text")->at, &err);
        return;
    }
    kept = arena_slice(b->a, buf_view(&text));
    if (!kept.p)
        b->failed = -ENOMEM;
    else if (template_load(path, kept, b->a, &t, &err) < 0)
        diag_add_err(b->d, config_place(node), &err);
    sink->text = t;
}

void config_build_manners(struct build *b, const struct yaml *node, struct sink *sink,
                          struct manners *ret)
{
    const struct sink_ops *ops = sink->ops;
    struct manners_top top = { 0 };
    const char *const *ignore = others(b, node);

    if (!ignore || option_load(config_notifier_options, node, config_place(node), ignore, &top,
                               b->a, b->d) < 0)
        return;
    config_hours(b, node, "quiet", top.quiet, top.zone, &ret->quiet);
    if (top.rate && !read_rate(slice_str(top.rate), &ret->burst, &ret->every_us))
        rate_fault(b, node, "rate", top.rate);
    if (ret->burst)
        ret->every_us = ret->every_us / ret->burst ? ret->every_us / ret->burst : 1;
    read_digest_over(b, node, top.digest_over, ret);
    read_rule_rate(b, node, top.rule_rate, ops, ret);
    read_text(b, node, top.text, sink);
}
