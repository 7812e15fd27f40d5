/*
 * rules import: public Sigma rules, of which those are taken that a channel
 * here gives a log source to.
 *
 * The licence of the public rules wants the author and the source named: the
 * document stays as it is, author and all, and a comment above it says where
 * it came from; licence texts of the set are copied, too.
 */
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/table.h"
#include "base/utf8.h"
#include "logwatch/commands/archive.h"
#include "logwatch/commands/rules.h"

enum fate {
    FATE_LEFT, /* not wanted here */
    FATE_WANTED,
    FATE_COPIED,
    FATE_SAME, /* it was there, with this text */
    FATE_KEPT, /* another text was there, and stays */
};

struct imported {
    struct slice name, text;
    size_t rules, evaluated;
    bool license;
    enum fate fate;
};

struct placeholder {
    struct slice name;
    size_t rules;
};

struct import {
    struct rules_view view;
    struct engine engine; /* names and formats of `bare`, rules of its own */
    struct engine *bare;
    struct imported *files;
    size_t nfiles, cap;
    struct table *by_name; /* name -> index + 1 in files */
    struct table *placeholders;
    size_t usable, evaluated, faults;
    size_t others; /* files that hold no rule */
};

/* ---- reading ---- */

/* Sets hold other YAML, too: data of regression tests, settings. */
static bool looks_like_rule(struct slice text)
{
    static const char *const keys[] = { "detection:", "correlation:", "filter:", "action:" };
    struct slice line;

    while (slice_split(&text, '\n', &line))
        for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
            if (slice_starts(line, slice_str(keys[i])))
                return true;
    return false;
}

static int take_file(void *ctx, struct slice name, struct slice text)
{
    struct import *im = ctx;
    char *path = arena_str(im->view.arena, name);
    struct imported *f;

    if (!path)
        return -ENOMEM;
    if (!archive_is_license(name) && !looks_like_rule(text)) {
        im->others++;
        return 0;
    }
    if (im->nfiles == im->cap) {
        size_t cap = im->cap ? im->cap * 2 : 256;
        struct imported *files = realloc(im->files, cap * sizeof *files);

        if (!files)
            return -ENOMEM;
        im->files = files;
        im->cap = cap;
    }
    f = &im->files[im->nfiles];
    *f = (struct imported){ .name = slice_str(path),
                            .text = arena_slice(im->view.arena, text),
                            .license = archive_is_license(name) };
    im->nfiles++;
    if (!f->text.p || table_put(im->by_name, f->name, (void *)(uintptr_t)im->nfiles) < 0)
        return -ENOMEM;
    if (f->license)
        return 0;
    /* Faults are counted; the rest of the set is good. */
    return rules_add(im->engine.rules, path, text, im->view.diag) == -ENOMEM ? -ENOMEM : 0;
}

static int prepare(struct import *im, struct cli *cli)
{
    const struct engine_request q = { .no_library = true };

    im->view =
        (struct rules_view){ .cli = cli, .diag = diag_new(), .arena = arena_new(1 << 16, 0) };
    im->by_name = table_new(0);
    im->placeholders = table_new(10000);
    if (!im->view.diag || !im->view.arena || !im->by_name || !im->placeholders ||
        engine_load(&q, im->view.diag, &im->bare) < 0)
        return -ENOMEM;
    im->engine = (struct engine){ .names = im->bare->names, .formats = im->bare->formats };
    im->engine.rules = rules_new(im->bare->names);
    im->view.engine = &im->engine;
    for (size_t i = 0; im->engine.rules && i < formats_count(im->bare->formats); i++)
        if (rules_logsource(im->engine.rules, format_logsource(formats_at(im->bare->formats, i))) <
            0)
            return -ENOMEM;
    return im->engine.rules ? 0 : -ENOMEM;
}

/* ---- judging ---- */

static struct imported *file_of(struct import *im, size_t rule)
{
    size_t i = (uintptr_t)table_get(im->by_name, rules_info(im->engine.rules, rule)->file);

    return i ? &im->files[i - 1] : NULL;
}

static int add_placeholder(struct import *im, struct slice name, struct table *seen)
{
    struct placeholder *p = table_get(im->placeholders, name);

    if (table_get(seen, name))
        return 0;
    if (!p) {
        p = arena_alloc(im->view.arena, sizeof *p);
        if (!p || table_put(im->placeholders, name, p) < 0)
            return -ENOMEM;
        p->name = arena_slice(im->view.arena, name);
    }
    p->rules++;
    return table_put(seen, name, p);
}

/* The %names% of a value under |expand. */
static int names_in(struct import *im, struct slice s, struct table *seen)
{
    for (size_t from = slice_find_byte(s, '%'); from != SIZE_MAX; from = slice_find_byte(s, '%')) {
        size_t end;

        s = slice_skip(s, from + 1);
        end = slice_find_byte(s, '%');
        if (end == SIZE_MAX)
            return 0;
        if (end && add_placeholder(im, slice_take(s, end), seen) < 0)
            return -ENOMEM;
        s = slice_skip(s, end + 1);
    }
    return 0;
}

static int placeholders_of(struct import *im, const struct yaml *y, bool expand, struct table *seen)
{
    expand = expand || slice_find(y->key, SLICE("|expand")) != SIZE_MAX;
    if (y->kind == YAML_SCALAR)
        return expand ? names_in(im, y->text, seen) : 0;
    YAML_EACH (m, y)
        if (placeholders_of(im, m, expand, seen) < 0)
            return -ENOMEM;
    return 0;
}

/* Its authors would not have it used any more. */
static bool retired(struct slice status)
{
    return slice_is(status, "deprecated") || slice_is(status, "unsupported");
}

static int judge_rule(struct import *im, size_t rule)
{
    const struct rules *r = im->engine.rules;
    const struct yaml *detection = yaml_get(rules_document(r, rule), "detection");
    struct imported *f = file_of(im, rule);
    AUTO(table) seen = table_new(1000);

    if (!seen || (detection && placeholders_of(im, detection, false, seen) < 0))
        return -ENOMEM;
    im->usable += rules_usable(r, rule);
    if (f)
        f->rules++;
    if (idle_reason(&im->view, rule) || retired(rules_info(r, rule)->status))
        return 0;
    im->evaluated++;
    if (f)
        f->evaluated++;
    return 0;
}

/* A correlation needs the rules that it counts, wherever they stand. */
static bool want_parts(struct import *im)
{
    const struct rules *r = im->engine.rules;
    bool more = false;

    for (size_t i = 0; i < rules_count(r); i++) {
        struct imported *whole = file_of(im, i);

        if (rules_info(r, i)->kind != RULE_CORRELATION || !whole || whole->fate != FATE_WANTED)
            continue;
        for (size_t p = 0; p < rules_count(r); p++) {
            struct imported *part = rules_part(r, i, p) == SIZE_MAX ? NULL : file_of(im, p);

            if (part && part->fate == FATE_LEFT) {
                part->fate = FATE_WANTED;
                more = true;
            }
        }
    }
    return more;
}

static int judge(struct import *im)
{
    bool all = cli_has(im->view.cli, CLI_ALL);

    if (rules_compile(im->engine.rules, im->view.diag) == -ENOMEM)
        return -ENOMEM;
    for (size_t i = 0; i < rules_count(im->engine.rules); i++)
        if (judge_rule(im, i) < 0)
            return -ENOMEM;
    for (size_t i = 0; i < im->nfiles; i++)
        if (!im->files[i].license && (all || im->files[i].evaluated))
            im->files[i].fate = FATE_WANTED;
    while (want_parts(im))
        ;
    im->faults = diag_errors(im->view.diag);
    return 0;
}

/* ---- copying ---- */

/* Without the folder: the same set from another place gives the same text. */
static struct slice source_name(const char *path)
{
    struct slice s = slice_str(path);

    while (s.n > 1 && s.p[s.n - 1] == '/')
        s.n--;
    return slice_skip(s, slice_rfind_byte(s, '/') == SIZE_MAX ? 0 : slice_rfind_byte(s, '/') + 1);
}

static void source_note(const struct import *im, const struct imported *f, struct buf *out)
{
    if (!f->license) {
        buf_str(out, "# Imported from ");
        buf_printable(out, source_name(im->view.cli->args[0]));
        buf_str(out, ": ");
        buf_printable(out, f->name);
        buf_str(out, "\n# Its author is named below; its licence is that of the set.\n");
    }
    buf_slice(out, f->text);
}

static int copy_file(struct import *im, struct imported *f, int dir, struct err *err)
{
    size_t slash = slice_rfind_byte(f->name, '/');
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF old = BUF_INIT;
    AUTO_FREE char *path = slice_dup(f->name);
    AUTO_FREE char *folder = slash == SIZE_MAX ? NULL : slice_dup(slice_take(f->name, slash));
    int r;

    source_note(im, f, &text);
    if (!path || (slash != SIZE_MAX && !folder) || !buf_ok(&text))
        return err_nomem(err);
    r = file_read(dir, path, 2 * ARCHIVE_FILE_BYTES, &old, NULL);
    if (r == 0 && slice_eq(buf_view(&old), buf_view(&text))) {
        f->fate = FATE_SAME;
        return 0;
    }
    if (r != -ENOENT && !cli_has(im->view.cli, CLI_FORCE)) {
        f->fate = FATE_KEPT;
        return 0;
    }
    if (folder && dir_make(dir, folder, 0755, err) < 0)
        return err_code(err);
    if (file_replace(dir, path, buf_view(&text), 0644, err) < 0)
        return err_code(err);
    f->fate = FATE_COPIED;
    return 0;
}

static int copy_all(struct import *im, struct err *err)
{
    const char *to = im->view.cli->values[CLI_TO];
    AUTO_FD dir = -1;
    bool any = false;
    int r = dir_make(AT_FDCWD, to, 0755, err);

    if (r < 0)
        return r;
    dir = open(to, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return err_set(err, -errno, "cannot open '%s': %s", to, err_name(errno));
    for (size_t i = 0; i < im->nfiles && r == 0; i++)
        if (im->files[i].fate == FATE_WANTED) {
            any = true;
            r = copy_file(im, &im->files[i], dir, err);
        }
    for (size_t i = 0; any && i < im->nfiles && r == 0; i++)
        if (im->files[i].license)
            r = copy_file(im, &im->files[i], dir, err);
    return r;
}

/* ---- telling ---- */

static size_t count(const struct import *im, enum fate fate)
{
    size_t n = 0;

    for (size_t i = 0; i < im->nfiles; i++)
        n += im->files[i].fate == fate;
    return n;
}

static void each_placeholder(const struct import *im, struct json_writer *w)
{
    FILE *out = im->view.cli->out;
    struct slice name;
    void *value;

    for (size_t i = 0; table_next(im->placeholders, &i, &name, &value);) {
        const struct placeholder *p = value;
        AUTO_BUF shown = BUF_INIT;

        buf_printable(&shown, name);
        if (w) {
            json_object(w);
            json_member_slice(w, "name", name);
            json_member_u64(w, "rules", p->rules);
            json_object_end(w);
        } else {
            fprintf(out, "  %%%.*s%% (%zu rules)\n", SLICE_FMT(buf_view(&shown)), p->rules);
        }
    }
}

static const char *const fate_names[] = { [FATE_LEFT] = "left",
                                          [FATE_WANTED] = "wanted",
                                          [FATE_COPIED] = "copied",
                                          [FATE_SAME] = "same",
                                          [FATE_KEPT] = "kept" };

static int tell_json(const struct import *im)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    json_member_str(&w, "source", im->view.cli->args[0]);
    json_member_u64(&w, "rules", rules_count(im->engine.rules));
    json_member_u64(&w, "usable", im->usable);
    json_member_u64(&w, "evaluated", im->evaluated);
    json_member_u64(&w, "other_files", im->others);
    json_key(&w, "files");
    json_array(&w);
    for (size_t i = 0; i < im->nfiles; i++) {
        const struct imported *f = &im->files[i];

        if (f->fate == FATE_LEFT)
            continue;
        json_object(&w);
        json_member_slice(&w, "name", f->name);
        json_member_u64(&w, "rules", f->rules);
        json_member_u64(&w, "evaluated", f->evaluated);
        json_member_str(&w, "fate", fate_names[f->fate]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_key(&w, "placeholders");
    json_array(&w);
    each_placeholder(im, &w);
    json_array_end(&w);
    json_key(&w, "findings");
    diag_json(im->view.diag, &w);
    json_object_end(&w);
    return print_json(im->view.cli, &b);
}

static void tell_copies(const struct import *im)
{
    FILE *out = im->view.cli->out;
    const char *to = im->view.cli->values[CLI_TO];
    size_t kept = count(im, FATE_KEPT), same = count(im, FATE_SAME);

    if (!to) {
        fprintf(out, "%zu files would be copied: say where with --to\n", count(im, FATE_WANTED));
        return;
    }
    fprintf(out, "%zu files copied to '%s'", count(im, FATE_COPIED), to);
    if (same)
        fprintf(out, ", %zu were there already", same);
    if (kept)
        fprintf(out, ", %zu differ there and were kept: --force overwrites", kept);
    fputs("\n", out);
}

static int tell(const struct import *im)
{
    FILE *out = im->view.cli->out;

    if (cli_has(im->view.cli, CLI_JSON))
        return tell_json(im);
    if (cli_has(im->view.cli, CLI_VERBOSE))
        cli_diag(im->view.cli, im->view.diag);
    fprintf(out, "%zu rules: %zu load, %zu of them are evaluated here\n",
            rules_count(im->engine.rules), im->usable, im->evaluated);
    if (im->others)
        fprintf(out, "%zu other files are no rules\n", im->others);
    if (im->faults)
        fprintf(out, "%zu faults%s\n", im->faults,
                cli_has(im->view.cli, CLI_VERBOSE) ? "" : ": --verbose tells them");
    if (table_count(im->placeholders)) {
        fprintf(out, "%zu placeholders have no list, so their rules are left out:\n",
                table_count(im->placeholders));
        each_placeholder(im, NULL);
    }
    tell_copies(im);
    return EXIT_DONE;
}

static int import(struct import *im, struct err *err)
{
    struct cli *cli = im->view.cli;
    int r = archive_each(cli->args[0], take_file, im, err);

    if (r == 0)
        r = judge(im);
    if (r == -ENOMEM)
        return out_of_memory();
    if (r < 0)
        return cli_error(err);
    if (rules_count(im->engine.rules) == 0) {
        cli_diag(cli, im->view.diag);
        fprintf(stderr, "trailwarden: no rules in '%s'\n", cli->args[0]);
        return EXIT_FAILED;
    }
    if (cli_has(cli, CLI_TO) && copy_all(im, err) < 0)
        return cli_error(err);
    return tell(im);
}

int command_rules_import(struct cli *cli)
{
    struct import im = { 0 };
    struct err err = ERR_NONE;
    int r;

    if (cli->nargs != 1) {
        fputs("trailwarden: rules import needs a folder, an archive or a file\n", stderr);
        return EXIT_USAGE;
    }
    r = prepare(&im, cli) < 0 ? out_of_memory() : import(&im, &err);
    rules_free(im.engine.rules);
    engine_free(im.bare);
    table_free(im.by_name);
    table_free(im.placeholders);
    free(im.files);
    diag_free(im.view.diag);
    arena_free(im.view.arena);
    return r;
}
