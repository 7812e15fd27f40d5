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
#define TEXT_WIDTH 100 /* of a file */

static const struct {
    const char *name, *suffix;
} forms[FORMS] = {
    [FORM_TEXT] = { "text", "txt" }, [FORM_HTML] = { "html", "html" },
    [FORM_PDF] = { "pdf", "pdf" },   [FORM_JSON] = { "json", "json" },
    [FORM_CSV] = { "csv", "csv" },   [FORM_OSCAL] = { "oscal", "oscal.json" },
};

enum report_form report_form_of(struct slice name)
{
    for (unsigned i = 0; i < FORMS; i++)
        if (slice_is(name, forms[i].name))
            return (enum report_form)i;
    return FORMS;
}

/* ---- forms ---- */

/* All tables, each below a line with its section and name. */
static int all_tables(const struct report *r, struct buf *out, struct err *err)
{
    for (size_t s = 0; s < r->nsections; s++)
        for (size_t i = 0; i < r->sections[s].nblocks; i++) {
            const struct report_block *b = &r->sections[s].blocks[i];

            if (b->kind != BLOCK_TABLE)
                continue;
            buf_printf(out, "%s# %.*s\r\n", out->n ? "\r\n" : "", SLICE_FMT(b->name));
            if (report_csv(r, b->name, out, err) < 0)
                return err_code(err);
        }
    return 0;
}

int report_render(const struct report *r, enum report_form form, const struct report_look *look,
                  struct buf *out, struct err *err)
{
    switch (form) {
    case FORM_TEXT:
        return report_text(r, look, out, err);
    case FORM_JSON:
        return report_json(r, out, err);
    case FORM_CSV:
        return all_tables(r, out, err);
    case FORM_HTML:
    case FORM_PDF:
    case FORM_OSCAL:
    case FORMS:
    default:
        return err_set(err, -ENOTSUP, "this form is not built in");
    }
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
    json_member_str(&w, "form", forms[form].name);
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
static void name_of(const struct reporting *x, struct buf *out)
{
    const struct report *r = x->report;
    const uint64_t ends[] = { r->from_us, r->to_us - 1 };

    buf_slice(out, r->kind);
    if (r->subject.n && slice_is(r->kind, "compliance")) {
        buf_char(out, '-');
        buf_slice(out, r->subject);
    }
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

/* KIND-FROM..TO.SUFFIX, and KIND-latest.SUFFIX that points to it. */
static int put_folder(const struct reporting *x, const char *folder, struct slice bytes,
                      struct buf *ret_path, struct err *err)
{
    AUTO_BUF name = BUF_INIT;
    AUTO_BUF latest = BUF_INIT;
    size_t kind;

    name_of(x, &name);
    kind = slice_find(buf_view(&name), SLICE("-20"));
    buf_printf(&latest, "%.*s-latest.%s", (int)(kind == SIZE_MAX ? name.n : kind),
               name.p ? name.p : "", forms[x->form].suffix);
    buf_printf(&name, ".%s", forms[x->form].suffix);
    buf_printf(ret_path, "%s/%s", folder, name.p ? name.p : "");
    if (!buf_ok(&name) || !buf_ok(&latest) || !buf_ok(ret_path))
        return err_nomem(err);
    if (file_replace(AT_FDCWD, ret_path->p, bytes, 0640, err) < 0)
        return err_code(err);
    return link_latest(folder, name.p, latest.p, err);
}

static int put_file(const struct reporting *x, struct slice bytes, struct buf *ret_path,
                    struct err *err)
{
    const char *out = x->cli->values[CLI_OUT];
    struct stat st;

    if (stat(out, &st) == 0 && S_ISDIR(st.st_mode))
        return put_folder(x, out, bytes, ret_path, err);
    buf_str(ret_path, out);
    return buf_ok(ret_path) ? file_replace(AT_FDCWD, out, bytes, 0640, err) : err_nomem(err);
}

int report_put(struct reporting *x)
{
    bool shown = !cli_has(x->cli, CLI_OUT), terminal = isatty(fileno(x->cli->out));
    struct report_look look = { .width = shown ? term_width(x->cli->out) : TEXT_WIDTH,
                                .colour = shown && term_colour(x->cli->out) };
    AUTO_BUF bytes = BUF_INIT;
    AUTO_BUF path = BUF_INIT;
    struct err err = ERR_NONE;

    if (shown && !terminal)
        look.width = TEXT_WIDTH;
    if (shown && terminal && x->form == FORM_PDF) {
        fputs("trailwarden: a PDF is no text for a terminal: give --out FILE\n", stderr);
        return EXIT_USAGE;
    }
    if (report_render(x->report, x->form, &look, &bytes, &err) < 0)
        return cli_error(&err);
    if (!buf_ok(&bytes))
        return EXIT_FAILED;
    if (shown)
        fwrite(bytes.p, 1, bytes.n, x->cli->out);
    else if (put_file(x, buf_view(&bytes), &path, &err) < 0)
        return cli_error(&err);
    if (!shown && !cli_has(x->cli, CLI_QUIET))
        fprintf(stderr, "%s\n", path.p);
    (void)report_note(x, "report.made", x->report, x->form, buf_view(&bytes));
    return EXIT_DONE;
}
