/* The set of formats: files and texts are added to it, channels find theirs in it. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>

#include "base/file.h"
#include "parsers/filter.h"
#include "parsers/format.h"

struct formats *formats_new(struct field_names *names)
{
    struct formats *f = calloc(1, sizeof *f);

    if (!f)
        return NULL;
    f->names = names;
    f->arena = arena_new(1 << 16, 0);
    if (!f->arena) {
        free(f);
        return NULL;
    }
    return f;
}

void formats_free(struct formats *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < f->nregexes; i++)
        regex_free(f->regexes[i]);
    for (size_t i = 0; i < f->n; i++)
        filter_free(f->list[i]->filter);
    free(f->regexes);
    free(f->list);
    arena_free(f->arena);
    free(f);
}

bool formats_put(struct formats *set, struct format *f)
{
    for (size_t i = 0; i < set->n; i++)
        if (slice_eq(set->list[i]->name, f->name)) {
            set->list[i] = f; /* the user's own replaces ours */
            return true;
        }
    if (set->n == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 16;
        struct format **list = realloc(set->list, cap * sizeof *list);

        if (!list)
            return false;
        set->list = list;
        set->cap = cap;
    }
    set->list[set->n++] = f;
    return true;
}

int formats_add(struct formats *f, const char *path, struct slice text, struct diag *d)
{
    struct yaml_docs docs;
    int r = yaml_load_text(path, text, f->arena, d, &docs), worst = r;

    for (size_t i = 0; r == 0 && i < docs.ndocs; i++) {
        int e = docs.docs[i] ? format_load(f, docs.docs[i], d) : 0;

        worst = e < 0 ? e : worst;
    }
    return worst;
}

static int yaml_only(const struct dirent *e)
{
    return e->d_name[0] != '.' && slice_ends(slice_str(e->d_name), SLICE(".yaml"));
}

static int by_name(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}

int formats_add_folder(struct formats *f, const char *folder, struct diag *d)
{
    struct dirent **list = NULL;
    int n = scandir(folder, &list, yaml_only, by_name), worst = 0;
    struct err err = ERR_NONE;

    if (n < 0) {
        err_set(&err, -errno, "cannot read folder '%s': %s", folder, err_name(errno));
        diag_add_err(d, (struct src_pos){ diag_path(d, folder), 0, 0 }, &err);
        return -EINVAL;
    }
    for (int i = 0; i < n; i++) {
        AUTO_BUF path = BUF_INIT;
        AUTO_BUF text = BUF_INIT;
        int e = -ENOMEM;

        buf_printf(&path, "%s/%s", folder, list[i]->d_name);
        if (buf_ok(&path) && (e = file_read(-1, path.p, 1 << 20, &text, &err)) < 0)
            diag_add_err(d, (struct src_pos){ diag_path(d, path.p), 0, 0 }, &err);
        else if (e == 0)
            e = formats_add(f, path.p, buf_view(&text), d);
        worst = e < 0 ? e : worst;
        free(list[i]);
    }
    free(list);
    return worst;
}

size_t formats_count(const struct formats *f)
{
    return f->n;
}

const struct format *formats_at(const struct formats *f, size_t i)
{
    return f->list[i];
}

const struct format *format_declared(const struct formats *f, struct slice name)
{
    for (size_t i = 0; i < f->n; i++)
        if (!f->list[i]->filter && slice_eq(f->list[i]->name, name))
            return f->list[i];
    for (size_t i = 0; i < f->n; i++)
        if (!f->list[i]->filter && slice_eq(f->list[i]->channel, name))
            return f->list[i];
    return NULL;
}

const struct format *format_filter(const struct formats *f, struct slice channel)
{
    for (size_t i = 0; i < f->n; i++)
        if (f->list[i]->filter &&
            (slice_eq(f->list[i]->channel, channel) || slice_eq(f->list[i]->name, channel)))
            return f->list[i];
    return NULL;
}

const struct format *format_find(const struct formats *f, struct slice name)
{
    const struct format *filter = format_filter(f, name);

    return filter ? filter : format_declared(f, name);
}

struct slice format_name(const struct format *f)
{
    return f->name;
}

struct slice format_channel(const struct format *f)
{
    return f->channel;
}

struct slice format_summary(const struct format *f)
{
    return f->summary;
}

const struct logsource *format_logsource(const struct format *f)
{
    return &f->logsource;
}

const struct framing *format_framing(const struct format *f)
{
    return f->framing.starts ? &f->framing : NULL;
}

const char *const *format_units(const struct format *f)
{
    return f->units;
}

const char *const *format_paths(const struct format *f)
{
    return f->paths;
}

/* ---- can logins be seen? ---- */

bool format_forgeable(const struct format *f, struct slice action)
{
    if (f->trust == TRUST_FORGEABLE)
        return true;
    for (size_t i = 0; i < f->nlayouts; i++)
        if (f->layouts[i].has_trust && f->layouts[i].trust == TRUST_FORGEABLE)
            return true;
    for (size_t i = 0; i < f->nevents; i++)
        if (f->events[i].forgeable && slice_eq(f->events[i].action, action))
            return true;
    return false;
}

struct slice format_logins_hint(const struct format *f)
{
    return f->login_hint;
}

bool format_shows_logins(const struct format *f, const struct event *ev)
{
    struct slice action, level;

    if (!f->login_marks) /* most have none, and this is asked for every event */
        return false;
    action = event_text(ev, FIELD_EVENT_ACTION);
    level = event_text(ev, FIELD_LOG_LEVEL);
    for (size_t i = 0; f->login_marks[i]; i++) {
        struct slice mark = slice_str(f->login_marks[i]);
        bool of_level = slice_starts(mark, SLICE("level:"));

        if (slice_eq(of_level ? slice_skip(mark, 6) : mark, of_level ? level : action))
            return true;
    }
    return false;
}
