#include "logwatch/commands/check-lanes.h"

#include <errno.h>

#include "logwatch/embedded.h"
#include "logwatch/lane.h"
#include "rules/inspect.h"
#include <config.h>

#ifdef HAVE_VECTORSCAN
#define SCANS true
#else
#define SCANS false
#endif
#define RULES_SHOWN 10
#define CHANNELS_SHOWN 5
#define TITLE_SHOWN 80

struct lanes_check {
    const struct engine *engine;
    const struct config *config;
    struct diag *diag;
    struct arena *arena;
    bool library;
    size_t told, more;
    /* of the rule at hand */
    size_t rule, nchannels;
    struct buf channels;
    const char *why;
};

static bool is_library(const struct lanes_check *c, struct slice file)
{
    for (size_t i = 0; c->library && i < embedded_files_n; i++)
        if (slice_is(file, embedded_files[i].path))
            return true;
    return false;
}

static int ask(struct lanes_check *c, const struct format *f, const struct format_beside *beside,
               struct slice channel)
{
    struct lane lane;
    int r = lane_of(c->engine, f, beside, c->rule, c->arena, &lane);

    if (r < 0 || lane.kind != LANE_FIELD)
        return r;
    c->why = c->why ? c->why : lane.why;
    if (c->nchannels++ < CHANNELS_SHOWN)
        buf_printf(&c->channels, "%s'%.*s'", c->nchannels > 1 ? ", " : "", SLICE_FMT(channel));
    return 0;
}

/* Records of a journal or of syslog are all parsed: they bring more than their text. */
static bool is_scanned(const struct config_input *in)
{
    return in->ops != &input_journald && in->ops != &input_syslog;
}

static int ask_channel(struct lanes_check *c, const struct config_channel *ch)
{
    size_t before = c->nchannels;
    int r = 0;

    for (size_t i = 0;
         r == 0 && ch->format && !ch->audit_all && i < ch->ninputs && c->nchannels == before; i++) {
        const struct format_beside beside = { c->config->geo.n > 0,
                                              slice_str(ch->inputs[i].service) };

        if (is_scanned(&ch->inputs[i]))
            r = ask(c, ch->format, &beside, ch->name);
    }
    return r;
}

static int ask_all(struct lanes_check *c)
{
    const struct format_beside beside = { c->config && c->config->geo.n > 0, SLICE_NONE };
    int r = 0;

    if (c->config && c->config->nchannels) {
        for (size_t i = 0; r == 0 && i < c->config->nchannels; i++)
            r = ask_channel(c, &c->config->channels[i]);
        return r;
    }
    for (size_t i = 0; r == 0 && i < formats_count(c->engine->formats); i++) {
        const struct format *f = formats_at(c->engine->formats, i);

        r = ask(c, f, &beside, format_channel(f));
    }
    return r;
}

static void tell(struct lanes_check *c, const struct rule_info *info)
{
    const struct yaml *y = yaml_get(rules_document(c->engine->rules, c->rule), "detection");
    AUTO_BUF title = BUF_INIT;

    if (c->told == RULES_SHOWN) {
        c->more++;
        return;
    }
    c->told++;
    buf_slice(&title, slice_take(info->title, TITLE_SHOWN));
    if (c->nchannels > CHANNELS_SHOWN)
        buf_printf(&c->channels, " and %zu more", c->nchannels - CHANNELS_SHOWN);
    diag_add(c->diag, DIAG_WARNING, y ? y->key_at : info->at, y ? (unsigned)y->key.n : 0,
             "ask also for a text of 4 or more bytes that every match holds",
             "rule '%.*s' has every line of %.*s parsed, for it has no literal: %s",
             SLICE_FMT(buf_view(&title)), SLICE_FMT(buf_view(&c->channels)), c->why);
}

static int check_rule(struct lanes_check *c, size_t rule)
{
    const struct rule_info *info = rules_info(c->engine->rules, rule);
    int r;

    if (info->kind != RULE_DETECTION || is_library(c, info->file))
        return 0;
    arena_reset(c->arena);
    buf_reset(&c->channels);
    c->rule = rule;
    c->nchannels = 0;
    c->why = NULL;
    r = ask_all(c);
    if (r == 0 && c->nchannels)
        tell(c, info);
    return r;
}

int check_lanes(const struct engine *e, const struct config *config, bool library, struct diag *d)
{
    struct lanes_check c = { .engine = e, .config = config, .diag = d, .library = library };
    int r = 0;

    if (!SCANS)
        return 0; /* everything is parsed anyway */
    c.arena = arena_new(16384, 0);
    if (!c.arena)
        return -ENOMEM;
    for (size_t i = 0; r == 0 && i < rules_count(e->rules); i++)
        r = check_rule(&c, i);
    if (r == 0 && c.more)
        diag_warning(d, (struct src_pos){ 0 },
                     "%zu more rules have every line of a channel parsed: `rules stats` tells them",
                     c.more);
    arena_free(c.arena);
    buf_fini(&c.channels);
    return r;
}
