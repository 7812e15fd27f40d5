/*
 * report verify: a file's report is made again from the trail, over the tree of its checkpoint,
 * and compared to the last byte.
 *
 * It says three things: that the entries which the report read are what was signed (else the trail
 * was edited), that they come to these bytes (else the file was), and whether the trail notes the
 * making of a file with this digest. What the request says of settings and sizes is repeated, not
 * proved.
 */
#include <config.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/report.h"
#include "reports/form-request.h"
#include "reports/line.h"

#define FILE_MAX ((size_t)256 << 20)
#define CONTEXT 60 /* bytes that are shown of a difference */

struct verifying {
    struct reporting x;
    const char *path;
    struct buf file, request;
    struct buf companion; /* of CSV: what the trail notes */
    enum report_form form;
    const struct json *asked; /* the request, read */
    uint64_t noted, erased, pruned; /* entries behind the report's; UINT64_MAX: none */
    char digest[2 * SHA256_SIZE + 1];
};

/* ---- the request ---- */

/* A resource of the back matter. */
static int in_oscal(struct verifying *v, struct err *err)
{
    const struct json *doc = json_load(v->x.arena, buf_view(&v->file), err);
    const struct json *list =
        json_get(json_get(json_get(doc, "assessment-results"), "back-matter"), "resources");

    for (const struct json *r = list ? list->child : NULL; r; r = r->next) {
        const struct json *coded = json_get(r, "base64");
        struct slice text = json_text(coded, "value");
        size_t n;

        if (!slice_is(json_text(coded, "filename"), "request.json") ||
            !buf_reserve(&v->request, text.n + 1))
            continue;
        if (base64_decode(text, true, v->request.p, text.n, &n) < 0)
            break;
        v->request.n = n;
        v->form = FORM_OSCAL;
        return 0;
    }
    return err_set(err, -ENOENT, "there is no request in it: is it a report?");
}

/* FILE.json, or for NAME.TABLE.csv the file NAME.csv.json. */
static int in_companion(struct verifying *v, struct err *err)
{
    struct slice path = slice_str(v->path), base = slice_take(path, path.n - 4);
    size_t point = slice_rfind_byte(base, '.');
    AUTO_BUF name = BUF_INIT;
    const char *form;

    buf_printf(&name, "%s.json", v->path);
    if (buf_ok(&name) && access(name.p, F_OK) < 0 && point != SIZE_MAX) {
        buf_reset(&name);
        buf_printf(&name, "%.*s.csv.json", (int)point, base.p);
    }
    if (!buf_ok(&name))
        return err_nomem(err);
    if (file_read(AT_FDCWD, name.p, FILE_MAX, &v->companion, err) < 0)
        return err_while(err, "the report as JSON that belongs to the table");
    v->form = FORM_CSV;
    return form_request_find(buf_view(&v->companion), &v->request, &form, err);
}

static int find_request(struct verifying *v, struct err *err)
{
    const char *form = "";
    int r;

    if (slice_starts(buf_view(&v->file), SLICE("{\"assessment-results\":")))
        return in_oscal(v, err);
    if (slice_ends(slice_str(v->path), SLICE(".csv")))
        return in_companion(v, err);
    r = form_request_find(buf_view(&v->file), &v->request, &form, err);
    v->form = report_form_of(slice_str(form));
    return r;
}

/* ---- what the trail says later ---- */

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct verifying *v = ctx;
    struct line_head h;

    if (index < v->x.report->size || !line_head(line, &h))
        return 0;
    if (slice_is(h.type, "pii.erase") && v->erased == UINT64_MAX)
        v->erased = index;
    if (slice_is(h.type, "trail.prune") && v->pruned == UINT64_MAX)
        v->pruned = index;
    if (v->noted == UINT64_MAX && slice_find(line, slice_str(v->digest)) != SIZE_MAX &&
        (slice_is(h.type, "report.made") || slice_is(h.type, "act")))
        v->noted = index;
    return 0;
}

static void look_later(struct verifying *v)
{
    struct slice noted = buf_view(v->form == FORM_CSV ? &v->companion : &v->file);
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF hex = BUF_INIT;

    sha256(noted.p, noted.n, digest);
    buf_hex(&hex, digest, sizeof digest);
    snprintf(v->digest, sizeof v->digest, "%s", hex.p ? hex.p : "-");
    v->noted = v->erased = v->pruned = UINT64_MAX;
    (void)audit_each(v->x.folder, v->x.report->size, on_line, v, NULL);
}

/* ---- comparing ---- */

static void print_part(const char *what, struct slice s, size_t at)
{
    size_t from = at;
    AUTO_BUF b = BUF_INIT;

    while (from && at - from < CONTEXT / 2 && s.p[from - 1] != '\n')
        from--;
    s = slice_take(slice_skip(s, from), CONTEXT);
    s = slice_take(s, slice_find_byte(s, '\n') == SIZE_MAX ? s.n : slice_find_byte(s, '\n'));
    buf_printable(&b, s);
    printf("  %s %s\n", what, b.p ? b.p : "");
}

static void print_difference(const struct verifying *v, struct slice again)
{
    struct slice file = buf_view(&v->file);
    size_t at = 0, line = 1;

    while (at < file.n && at < again.n && file.p[at] == again.p[at])
        line += file.p[at++] == '\n';
    printf("%s: DIFFERS from what the trail says, first at byte %zu, line %zu\n", v->path, at,
           line);
    if (v->form != FORM_PDF) {
        print_part("file: ", file, at);
        print_part("trail:", again, at);
    }
    if (!slice_is(json_text(v->asked, "program"), PACKAGE_VERSION)) {
        AUTO_BUF b = BUF_INIT;

        buf_printable(&b, slice_take(json_text(v->asked, "program"), 40));
        printf("it was made by version %s, this is %s: other versions may say things otherwise\n",
               b.p ? b.p : "", PACKAGE_VERSION);
    }
    if (v->erased != UINT64_MAX)
        printf("personal values were erased since it was made (entry %llu): what they were is not "
               "there to compare\n",
               (unsigned long long)v->erased);
    if (v->pruned != UINT64_MAX)
        printf("the trail was pruned since it was made (entry %llu): it may have rested on what is "
               "gone\n",
               (unsigned long long)v->pruned);
}

static int print_good(const struct verifying *v)
{
    const struct report *r = v->x.report;

    if (cli_has(v->x.cli, CLI_QUIET))
        return EXIT_DONE;
    printf("%s: good: %llu entries of '%.*s' come to exactly this report\n", v->path,
           (unsigned long long)r->size, SLICE_FMT(r->origin));
    if (v->noted != UINT64_MAX)
        printf("that it was made is entry %llu\n", (unsigned long long)v->noted);
    else
        puts("the trail does not note that it was made");
    if (json_get(v->asked, "facts"))
        puts("settings, counters of the state and sizes of disks in it are not from the trail, and "
             "not proved");
    return EXIT_DONE;
}

/* Of CSV the table whose heading the file has; all of them are tried. */
static int again_csv(struct verifying *v, struct buf *out, struct err *err)
{
    const struct report_block *b;
    size_t n = slice_find_byte(buf_view(&v->file), '\n');
    struct slice heading = slice_take(buf_view(&v->file), n == SIZE_MAX ? v->file.n : n);

    for (size_t i = 0; (b = report_table(v->x.report, &i));) {
        AUTO_BUF table = BUF_INIT;

        if (report_csv(v->x.report, b->name, &table, err) < 0)
            return err_code(err);
        if (!slice_starts(buf_view(&table), heading))
            continue;
        buf_reset(out);
        buf_slice(out, buf_view(&table));
        if (slice_eq(buf_view(&table), buf_view(&v->file)))
            return 0;
    }
    return 0;
}

static int compare(struct verifying *v)
{
    const struct report_look look = { .width = REPORT_FILE_WIDTH };
    AUTO_BUF again = BUF_INIT;
    struct err err = ERR_NONE;
    int r = v->form == FORM_CSV
                ? again_csv(v, &again, &err)
                : report_render(v->x.report, v->form, &look, SLICE(""), &again, &err);

    if (r < 0)
        return cli_error(&err);
    look_later(v);
    (void)report_note(&v->x, "report.read", v->x.report, v->form, buf_view(&v->file));
    if (slice_eq(buf_view(&again), buf_view(&v->file)))
        return print_good(v);
    print_difference(v, buf_view(&again));
    return EXIT_ANSWER_NO;
}

/* ---- the command ---- */

/* The key that was kept elsewhere must be the one that the trail names. */
static int check_key(const struct verifying *v, struct err *err)
{
    const char *kept = v->x.cli->values[CLI_VKEY];
    AUTO(audit_view) view = NULL;
    AUTO_BUF genesis = BUF_INIT;
    const struct json *doc;

    if (!kept)
        return 0;
    if (audit_view_open(v->x.folder, &view, err) < 0 || audit_view_genesis(view, &genesis, err) < 0)
        return err_code(err);
    doc = json_load(v->x.arena, buf_view(&genesis), err);
    if (!doc)
        return err_code(err);
    return slice_is(json_text(doc, "vkey"), kept)
               ? 0
               : err_set(err, -EUCLEAN, "the trail has another identity key than --vkey");
}

static int verify(struct verifying *v)
{
    struct progress progress;
    struct report_source source = { v->x.folder, report_progress, &progress };
    struct err err = ERR_NONE;
    int r;

    if (file_read(AT_FDCWD, v->path, FILE_MAX, &v->file, &err) < 0 || find_request(v, &err) < 0) {
        (void)cli_error(&err);
        return EXIT_FAILED;
    }
    v->asked = json_load(v->x.arena, buf_view(&v->request), &err);
    if (!v->asked || check_key(v, &err) < 0)
        return cli_error(&err);
    progress_start(&progress, "verify", 0);
    progress.unit = "entries";
    r = report_make(&source, buf_view(&v->request), v->x.arena, &v->x.report, &err);
    progress_end(&progress);
    return r < 0 ? cli_error(&err) : compare(v);
}

int command_report_verify(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(arena) arena = arena_new(1 << 20, 2 * REPORT_ARENA_MAX);
    struct verifying v = { .x = { .cli = cli, .arena = arena } };
    int r;

    if (cli->nargs != 1) {
        fputs("trailwarden: report verify takes one file; see `trailwarden report verify --help`\n",
              stderr);
        return EXIT_USAGE;
    }
    v.path = cli->args[0];
    r = cli_trail(cli, &c, &v.x.folder);
    v.x.config = c;
    if (r == EXIT_DONE)
        r = arena ? verify(&v) : EXIT_FAILED;
    buf_fini(&v.file);
    buf_fini(&v.request);
    buf_fini(&v.companion);
    return r;
}
