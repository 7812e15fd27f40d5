/* A report is shown or kept in a file, and the daemon notes it in the trail. */
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/hash.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/report.h"
#include "logwatch/control.h"

#define ANSWER_US (15 * USEC_PER_SEC)

static const char *const suffixes[FORMS] = {
    [FORM_TEXT] = "txt",  [FORM_HTML] = "html", [FORM_PDF] = "pdf",
    [FORM_JSON] = "json", [FORM_CSV] = "csv",   [FORM_OSCAL] = "oscal.json",
};

enum report_form report_form_of(struct slice name)
{
    for (unsigned i = 0; i < FORMS; i++)
        if (slice_is(name, report_form_name((enum report_form)i)))
            return (enum report_form)i;
    return FORMS;
}

int report_render(const struct report *r, enum report_form form, const struct report_look *look,
                  struct slice table, struct buf *out, struct err *err)
{
    switch (form) {
    case FORM_TEXT:
        return report_text(r, look, out, err);
    case FORM_HTML:
        return report_html(r, out, err);
    case FORM_JSON:
        return report_json(r, out, err);
    case FORM_CSV:
        return report_csv(r, table, out, err);
    case FORM_OSCAL:
        return report_oscal(r, out, err);
    case FORM_PDF:
        return report_pdf(r, out, err);
    case FORMS:
    default:
        return err_set(err, -EINVAL, "there is no such form");
    }
}

const struct report_block *report_table(const struct report *r, size_t *i)
{
    size_t k = 0;

    for (size_t s = 0; s < r->nsections; s++)
        for (size_t b = 0; b < r->sections[s].nblocks; b++)
            if (r->sections[s].blocks[b].kind != BLOCK_TEXT && k++ == *i) {
                ++*i;
                return &r->sections[s].blocks[b];
            }
    return NULL;
}

/* ---- noting it ---- */

static void put_who(struct json_writer *w)
{
    const char *sudo = getenv("SUDO_USER");
    const struct passwd *pw = sudo && *sudo ? NULL : getpwuid(getuid());
    struct slice who = slice_str(sudo && *sudo ? sudo : pw ? pw->pw_name : "");

    json_member_slice(w, "by", who.n ? utf8_cut(who, 64) : SLICE("unknown"));
}

static void put_act(struct buf *out, const char *verb, const struct report *r,
                    enum report_form form, struct slice bytes)
{
    struct json_writer w = json_writer(out);
    uint8_t digest[SHA256_SIZE];
    AUTO_BUF hex = BUF_INIT;

    sha256(bytes.p, bytes.n, digest);
    buf_hex(&hex, digest, sizeof digest);
    json_object(&w);
    json_member_str(&w, "act", verb);
    json_member_slice(&w, "kind", r->kind);
    json_member_time(&w, "from", r->from_us);
    json_member_time(&w, "to", r->to_us);
    json_member_str(&w, "form", report_form_name(form));
    json_member_buf(&w, "digest", &hex);
    put_who(&w);
    json_member_str(&w, "via", "cli");
    json_object_end(&w);
}

bool report_note(const struct reporting *x, const char *verb, const struct report *r,
                 enum report_form form, struct slice bytes)
{
    AUTO_BUF act = BUF_INIT;
    AUTO_BUF answer = BUF_INIT;
    struct err err = ERR_NONE;
    int sent = -ECONNREFUSED;

    put_act(&act, verb, r, form, bytes);
    if (x->config && buf_ok(&act))
        sent = control_ask(x->config->state, act.p, ANSWER_US, &answer, &err);
    if (sent == 0 && slice_starts(buf_view(&answer), SLICE("{\"ok\":true")))
        return true;
    if (!cli_has(x->cli, CLI_QUIET))
        fprintf(stderr, "trailwarden: that this report was %s is not noted in the trail: %s\n",
                strcmp(verb, "report.made") == 0 ? "made" : "read",
                !x->config || sent == -ECONNREFUSED ? "no daemon runs on it"
                : sent < 0                          ? err.text
                                                    : "the daemon does not know this act");
    return false;
}

/* ---- where it goes ---- */

/* 2026-11-01..2026-11-30: the last day is the one before the end. */
static void name_of(const struct reporting *x, struct buf *out, size_t *ret_kind)
{
    const struct report *r = x->report;
    const uint64_t ends[] = { r->from_us, r->to_us - 1 };

    buf_slice(out, r->kind);
    if (r->subject.n && slice_is(r->kind, "compliance")) {
        buf_char(out, '-');
        buf_slice(out, r->subject);
    }
    *ret_kind = out->n;
    for (size_t i = 0; i < ARRAY_SIZE(ends); i++) {
        int64_t local = zone_local(x->zone, (int64_t)(ends[i] / USEC_PER_SEC));
        struct civil c = civil_from_us(local < 0 ? 0 : (uint64_t)local * USEC_PER_SEC);

        buf_printf(out, "%s%04d-%02u-%02u", i ? ".." : "-", c.year, c.month, c.day);
    }
}

static int link_latest(const char *folder, const char *name, const char *latest, struct err *err)
{
    AUTO_BUF temp = BUF_INIT;
    AUTO_BUF path = BUF_INIT;

    buf_printf(&temp, "%s/.%s.new", folder, latest);
    buf_printf(&path, "%s/%s", folder, latest);
    if (!buf_ok(&temp) || !buf_ok(&path))
        return err_nomem(err);
    (void)unlink(temp.p);
    if (symlink(name, temp.p) < 0 || rename(temp.p, path.p) < 0)
        return err_set(err, -errno, "cannot link '%s': %s", path.p, err_name(errno));
    return 0;
}

/* KIND-FROM..TO.SUFFIX, and KIND-latest.SUFFIX that points to it. `table`: of CSV, or NULL. */
static int put_folder(const struct reporting *x, const char *table, const char *suffix,
                      struct slice bytes, struct buf *ret_path, struct err *err)
{
    const char *folder = x->cli->values[CLI_OUT], *point = table ? "." : "";
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF latest = BUF_INIT;
    size_t kind;

    name_of(x, &name, &kind);
    buf_printf(&latest, "%.*s-latest%s%s.%s", (int)kind, name.p ? name.p : "", point,
               table ? table : "", suffix);
    buf_printf(&name, "%s%s.%s", point, table ? table : "", suffix);
    buf_reset(ret_path);
    buf_printf(ret_path, "%s/%s", folder, name.p ? name.p : "");
    if (!buf_ok(&name) || !buf_ok(&latest) || !buf_ok(ret_path))
        return err_nomem(err);
    if (file_replace(AT_FDCWD, ret_path->p, bytes, 0640, err) < 0)
        return err_code(err);
    return table ? 0 : link_latest(folder, name.p, latest.p, err);
}

static bool is_folder(const char *path)
{
    struct stat st;

    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

/* CSV has no room for the request: it stands beside, in the report as JSON. */
static int put_companion(const struct reporting *x, struct err *err)
{
    AUTO_BUF bytes = BUF_INIT;
    AUTO_BUF path = BUF_INIT;

    if (report_json(x->report, &bytes, err) < 0)
        return err_code(err);
    if (is_folder(x->cli->values[CLI_OUT])) {
        if (put_folder(x, NULL, "csv.json", buf_view(&bytes), &path, err) < 0)
            return err_code(err);
    } else {
        buf_printf(&path, "%s.json", x->cli->values[CLI_OUT]);
        if (!buf_ok(&path))
            return err_nomem(err);
        if (file_replace(AT_FDCWD, path.p, buf_view(&bytes), 0640, err) < 0)
            return err_code(err);
    }
    (void)report_note(x, "report.made", x->report, FORM_CSV, buf_view(&bytes));
    return 0;
}

/* All tables, each a file. */
static int put_tables(const struct reporting *x, struct err *err)
{
    const struct report_block *b;
    AUTO_BUF path = BUF_INIT;

    for (size_t i = 0; (b = report_table(x->report, &i));) {
        AUTO_BUF bytes = BUF_INIT;

        if (report_csv(x->report, b->name, &bytes, err) < 0 ||
            put_folder(x, arena_str(x->arena, b->name), "csv", buf_view(&bytes), &path, err) < 0)
            return err_code(err);
        if (!cli_has(x->cli, CLI_QUIET))
            fprintf(stderr, "%s\n", path.p);
    }
    return put_companion(x, err);
}

static int put_file(const struct reporting *x, struct slice bytes, struct buf *ret_path,
                    struct err *err)
{
    const char *out = x->cli->values[CLI_OUT];

    if (is_folder(out))
        return put_folder(x, x->cli->values[CLI_TABLE], suffixes[x->form], bytes, ret_path, err);
    buf_str(ret_path, out);
    return buf_ok(ret_path) ? file_replace(AT_FDCWD, out, bytes, 0640, err) : err_nomem(err);
}

static int name_tables(const struct reporting *x)
{
    const struct report_block *b;

    fputs("trailwarden: CSV is one table: give --table NAME, or --out FOLDER for all:", stderr);
    for (size_t i = 0; (b = report_table(x->report, &i));)
        fprintf(stderr, " %.*s", SLICE_FMT(b->name));
    fputs("\n", stderr);
    return EXIT_USAGE;
}

static int show_or_keep(struct reporting *x, struct slice bytes)
{
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    if (!cli_has(x->cli, CLI_OUT))
        fwrite(bytes.p, 1, bytes.n, x->cli->out);
    else if (put_file(x, bytes, &path, &err) < 0 ||
             (x->form == FORM_CSV && put_companion(x, &err) < 0))
        return cli_error(&err);
    else if (!cli_has(x->cli, CLI_QUIET))
        fprintf(stderr, "%s\n", path.p);
    if (x->form != FORM_CSV || !cli_has(x->cli, CLI_OUT))
        (void)report_note(x, "report.made", x->report, x->form, bytes);
    return EXIT_DONE;
}

int report_put(struct reporting *x)
{
    bool shown = !cli_has(x->cli, CLI_OUT), terminal = isatty(fileno(x->cli->out));
    bool whole = x->form == FORM_CSV && !cli_has(x->cli, CLI_TABLE);
    struct report_look look = { .width =
                                    shown && terminal ? term_width(x->cli->out) : REPORT_FILE_WIDTH,
                                .colour = shown && term_colour(x->cli->out) };
    AUTO_BUF bytes = BUF_INIT;
    struct err err = ERR_NONE;

    if (shown && terminal && x->form == FORM_PDF) {
        fputs("trailwarden: a PDF is no text for a terminal: give --out FILE\n", stderr);
        return EXIT_USAGE;
    }
    if (whole && (shown || !is_folder(x->cli->values[CLI_OUT])))
        return name_tables(x);
    if (whole)
        return put_tables(x, &err) < 0 ? cli_error(&err) : EXIT_DONE;
    if (report_render(x->report, x->form, &look, slice_str(x->cli->values[CLI_TABLE]), &bytes,
                      &err) < 0)
        return cli_error(&err);
    return buf_ok(&bytes) ? show_or_keep(x, buf_view(&bytes)) : EXIT_FAILED;
}
