#include "audit/audit.h"
#include "audit/view.h"

#include <errno.h>

#include "base/clock.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"
#include "logwatch/commands/qr.h"

static int print_qr(const struct cli *cli, const char *vkey, const char *epoch_vkey)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF code = BUF_INIT;
    int r;

    buf_printf(&text, "%s\n%s\n", vkey, epoch_vkey);
    r = buf_ok(&text) ? qr_text(&code, text.p) : -ENOMEM;
    if (r < 0) {
        fputs(r == -ENOSYS ? "trailwarden: no QR code: built without libqrencode\n"
                           : "trailwarden: the keys do not fit into a QR code\n",
              stderr);
        return EXIT_FAILED;
    }
    fwrite(code.p, 1, code.n, cli->out);
    return EXIT_DONE;
}

static int print_anchors(const struct cli *cli, const char *origin, const char *vkey,
                         const char *epoch_vkey)
{
    if (cli_has(cli, CLI_JSON)) {
        AUTO_BUF b = BUF_INIT;
        struct json_writer w = json_writer(&b);

        json_object(&w);
        json_member_str(&w, "origin", origin);
        json_member_str(&w, "vkey", vkey);
        json_member_str(&w, "epoch_vkey", epoch_vkey);
        json_object_end(&w);
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
        return EXIT_DONE;
    }
    fprintf(cli->out, "keep these two lines somewhere else; they prove the trail later:\n%s\n%s\n",
            vkey, epoch_vkey);
    return cli_has(cli, CLI_QR) ? print_qr(cli, vkey, epoch_vkey) : EXIT_DONE;
}

int command_trail_init(struct cli *cli)
{
    const struct clock real = CLOCK_REAL;
    AUTO(diag) d = diag_new();
    AUTO(config) c = NULL;
    struct audit_anchors anchors;
    struct err err = ERR_NONE;
    int r = d ? cli_config(cli, false, d, &c) : EXIT_FAILED;

    if (r)
        return r;
    struct audit_config ac = {
        .folder = cli_has(cli, CLI_TRAIL) ? cli->values[CLI_TRAIL] : c->trail,
        .key_folder = c->keys,
        .origin = c->origin,
        .heartbeat_s = c->heartbeat_us / USEC_PER_SEC,
        .epoch_s = c->epoch_us / USEC_PER_SEC,
        .clock = &real,
    };

    if (audit_init(&ac, &anchors, &err) < 0)
        return cli_error(&err);
    return print_anchors(cli, c->origin, anchors.identity_vkey, anchors.epoch_vkey);
}

/* Entry 0 says them: what was kept elsewhere must be the same. */
int command_trail_anchors(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(audit_view) v = NULL;
    AUTO(arena) a = arena_new(4096, 1 << 20);
    AUTO_BUF genesis = BUF_INIT;
    struct err err = ERR_NONE;
    const struct json *doc;
    const char *folder;
    int r = cli_trail(cli, &c, &folder);

    if (r || !a)
        return r ? r : EXIT_FAILED;
    if (audit_view_open(folder, &v, &err) < 0 || audit_view_genesis(v, &genesis, &err) < 0)
        return cli_error(&err);
    doc = json_load(a, buf_view(&genesis), &err);
    if (!doc)
        return cli_error(&err);
    return print_anchors(cli, arena_str(a, json_text(doc, "origin")),
                         arena_str(a, json_text(doc, "vkey")),
                         arena_str(a, json_text(doc, "epoch_vkey")));
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    p->total = total;
    progress_step(p, done, done);
}

static void report_json(const struct audit_report *r, const char *folder, struct buf *out)
{
    struct json_writer w = json_writer(out);
    AUTO_BUF root = BUF_INIT;

    buf_hex(&root, r->root, sizeof r->root);
    json_object(&w);
    json_member_str(&w, "trail", folder);
    json_member_bool(&w, "good", r->good);
    json_member_u64(&w, "entries", r->entries);
    json_member_u64(&w, "signed", r->signed_size);
    json_member_u64(&w, "unsigned", r->behind);
    json_member_u64(&w, "first_entry", r->first_entry);
    json_member_u64(&w, "read_from", r->read_from);
    json_member_buf(&w, "root", &root);
    json_member_u64(&w, "epochs", r->epochs);
    json_member_u64(&w, "notes", r->notes);
    json_member_u64(&w, "notes_unchecked", r->unchecked);
    json_member_u64(&w, "personal_checked", r->pii_checked);
    json_member_u64(&w, "personal_erased", r->pii_erased);
    json_member_time(&w, "first", r->first_us);
    json_member_time(&w, "last", r->last_us);
    json_key(&w, "findings");
    json_array(&w);
    for (size_t i = 0; i < r->nfindings; i++) {
        const struct audit_finding *f = &r->findings[i];

        json_object(&w);
        json_member_str(&w, "code", f->code);
        json_member_bool(&w, "warning", f->warning);
        json_key(&w, "entry");
        if (f->index == UINT64_MAX)
            json_put_null(&w);
        else
            json_put_u64(&w, f->index);
        json_member_str(&w, "text", f->text);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
}

/* What was not looked at, and why. */
static void report_parts(const struct audit_report *r, const struct cli *cli)
{
    if (r->first_entry)
        fprintf(cli->out, "entries before %llu were pruned: an entry says so\n",
                (unsigned long long)r->first_entry);
    if (r->read_from > r->first_entry)
        fprintf(cli->out,
                "read from entry %llu on: of those before only the hashes that lead to the signed "
                "root were looked at\n",
                (unsigned long long)r->read_from);
    if (r->unchecked)
        fprintf(cli->out, "%u notes are older than what was pruned: signatures checked only\n",
                r->unchecked);
}

static void report_text(const struct audit_report *r, const char *folder, const struct cli *cli)
{
    for (size_t i = 0; i < r->nfindings; i++) {
        AUTO_BUF b = BUF_INIT;

        buf_printable(&b, slice_str(r->findings[i].text));
        if (!r->findings[i].warning || !cli_has(cli, CLI_QUIET))
            fprintf(cli->out, "%s %s: %s\n", r->findings[i].warning ? "warning" : "FAULT",
                    r->findings[i].code, b.p ? b.p : "");
    }
    if (cli_has(cli, CLI_QUIET) && r->good)
        return;
    if (r->good)
        report_parts(r, cli);
    fprintf(cli->out,
            "%s: %s: %llu entries signed, %u epochs, %u notes, %llu personal values checked, %llu "
            "erased\n",
            folder, r->good ? "good" : "NOT GOOD", (unsigned long long)r->signed_size, r->epochs,
            r->notes, (unsigned long long)r->pii_checked, (unsigned long long)r->pii_erased);
}

/* Digits are a size, then a time or how long ago, else the path of a note. */
static struct audit_since since_of(const char *text, uint64_t now_us)
{
    struct audit_since s = { 0 };
    struct slice t = slice_str(text);
    uint64_t ago;

    if (parse_u64(t, 0, UINT64_MAX, &s.size) == 0 || time_parse_rfc3339(t, &s.time_us) == 0)
        return s;
    if (parse_duration(t, &ago) == 0 && ago < now_us)
        s.time_us = now_us - ago;
    else
        s.note = text;
    return s;
}

int command_trail_verify(struct cli *cli)
{
    const struct clock real = CLOCK_REAL;
    AUTO(config) c = NULL;
    const char *folder, *against[CLI_VALUES_MAX];
    struct progress progress;
    struct audit_verify_options o = { .identity_vkey = cli->values[CLI_VKEY],
                                      .epoch_vkey = cli->values[CLI_EPOCH_VKEY],
                                      .against = against,
                                      .progress = on_progress,
                                      .ctx = &progress,
                                      .now_us = clock_now(&real) };
    struct audit_report report;
    struct err err = ERR_NONE;
    int r = cli_trail(cli, &c, &folder);

    if (r)
        return r;
    o.folder = folder;
    if (cli_has(cli, CLI_SINCE_POINT))
        o.since = since_of(cli->values[CLI_SINCE_POINT], o.now_us);
    for (size_t i = 0; i < cli->nmany; i++)
        if (cli->many_of[i] == CLI_AGAINST)
            against[o.nagainst++] = cli->many[i];
    progress_start(&progress, "verify", 0);
    progress.unit = "entries";
    r = audit_verify(&o, &report, &err);
    progress_end(&progress);
    if (r < 0) {
        audit_report_fini(&report);
        (void)cli_error(&err);
        return EXIT_FAILED;
    }
    if (cli_has(cli, CLI_JSON)) {
        AUTO_BUF b = BUF_INIT;

        report_json(&report, folder, &b);
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
    } else {
        report_text(&report, folder, cli);
    }
    r = report.good ? EXIT_DONE : EXIT_ANSWER_NO;
    audit_report_fini(&report);
    return r;
}
