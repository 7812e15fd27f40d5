/* What a third party needs: proofs, checkpoints, the tree as static files; and checking proofs. */
#include <errno.h>
#include <fcntl.h>

#include "audit/audit.h"
#include "audit/view.h"
#include "base/file.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"
#include "logwatch/commands/common.h"

#define NOTE_MAX (1 << 20)
#define FOUND_MAX 5 /* entries that are named when a text is in several */

static int usage(const char *text, const char *command)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden %s --help`\n", text, command);
    return EXIT_USAGE;
}

static int open_view(struct cli *cli, struct audit_view **ret)
{
    AUTO(config) c = NULL;
    struct err err = ERR_NONE;
    const char *folder;
    int r = cli_trail(cli, &c, &folder);

    if (r)
        return r;
    return audit_view_open(folder, ret, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

/* To --out, or as it is to stdout. */
static int put(struct cli *cli, const struct buf *text)
{
    struct err err = ERR_NONE;

    if (!buf_ok(text))
        return EXIT_FAILED;
    if (!cli_has(cli, CLI_OUT)) {
        fwrite(text->p, 1, text->n, cli->out);
        return EXIT_DONE;
    }
    if (file_replace(AT_FDCWD, cli->values[CLI_OUT], buf_view(text), 0644, &err) < 0)
        return cli_error(&err);
    return EXIT_DONE;
}

static int read_file(const char *path, struct buf *out)
{
    struct err err = ERR_NONE;

    return file_read(AT_FDCWD, path, NOTE_MAX, out, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

/* ---- prove ---- */

struct finding {
    const char *text, *type; /* type NULL: any */
    uint64_t size, found[FOUND_MAX];
    size_t n;
};

/* The type stands behind number and time, before anything foreign. */
static bool is_of_type(struct slice line, const char *type)
{
    AUTO_BUF want = BUF_INIT;

    if (!type)
        return true;
    buf_printf(&want, "\",\"type\":\"%s\"", type);
    return buf_ok(&want) && slice_find(slice_take(line, 100), buf_view(&want)) != SIZE_MAX;
}

static int on_line(void *ctx, uint64_t index, struct slice line)
{
    struct finding *f = ctx;

    if (index >= f->size)
        return 1;
    if (slice_find(line, slice_str(f->text)) != SIZE_MAX && is_of_type(line, f->type))
        f->found[f->n++] = index;
    return f->n == FOUND_MAX;
}

/* The entry that holds a text, like an alert's id; there must be one. */
static int find_entry(struct cli *cli, const char *folder, struct audit_view *v, uint64_t *ret)
{
    struct finding f = { .text = cli->values[CLI_GREP],
                         .type = cli->values[CLI_TYPE],
                         .size = audit_view_size(v) };
    struct err err = ERR_NONE;

    if (audit_each(folder, audit_view_first(v), on_line, &f, &err) < 0)
        return cli_error(&err);
    if (f.n == 0) {
        fputs("trailwarden: no signed entry holds this text\n", stderr);
        return EXIT_NOTHING;
    }
    if (f.n > 1) {
        fputs("trailwarden: several entries hold this text, name one:", stderr);
        for (size_t i = 0; i < f.n; i++)
            fprintf(stderr, " %llu", (unsigned long long)f.found[i]);
        fputs(f.n == FOUND_MAX ? " ...\n" : "\n", stderr);
        return EXIT_USAGE;
    }
    *ret = f.found[0];
    return EXIT_DONE;
}

static int which_entry(struct cli *cli, const char *folder, struct audit_view *v, uint64_t *ret)
{
    const char *number = cli_has(cli, CLI_INDEX) ? cli->values[CLI_INDEX] : cli->args[0];
    unsigned ways = cli_has(cli, CLI_GREP) + cli_has(cli, CLI_INDEX) + (unsigned)cli->nargs;

    if (cli_has(cli, CLI_GREP) && ways == 1)
        return find_entry(cli, folder, v, ret);
    if (ways != 1 || parse_u64(slice_str(number), 0, UINT64_MAX, ret) < 0)
        return usage("the number of an entry is needed, or --grep with a text that only it holds",
                     "trail prove");
    return EXIT_DONE;
}

int command_trail_prove(struct cli *cli)
{
    AUTO(config) c = NULL;
    AUTO(audit_view) v = NULL;
    AUTO_BUF proof = BUF_INIT;
    struct err err = ERR_NONE;
    const char *folder;
    uint64_t index = 0;
    int r = cli_trail(cli, &c, &folder);

    if (r == EXIT_DONE && audit_view_open(folder, &v, &err) < 0)
        r = cli_error(&err);
    if (r == EXIT_DONE)
        r = which_entry(cli, folder, v, &index);
    if (r)
        return r;
    if (audit_view_prove(v, index, &proof, &err) < 0)
        return cli_error(&err);
    r = put(cli, &proof);
    if (r == EXIT_DONE && cli_has(cli, CLI_OUT) && !cli_has(cli, CLI_QUIET))
        fprintf(cli->out,
                "entry %llu of %llu proved in '%s'; check it with:\n"
                "  trailwarden trail check-proof '%s' --vkey KEY\n",
                (unsigned long long)index, (unsigned long long)audit_view_size(v),
                cli->values[CLI_OUT], cli->values[CLI_OUT]);
    return r;
}

static void proved_json(const struct audit_proved *p, struct buf *b)
{
    struct json_writer w = json_writer(b);

    json_object(&w);
    json_member_bool(&w, "good", true);
    json_member_slice(&w, "origin", p->origin);
    json_member_u64(&w, "entry", p->index);
    json_member_u64(&w, "size", p->size);
    json_member_slice(&w, "leaf", p->leaf);
    json_object_end(&w);
    buf_char(b, '\n');
}

static void proved_text(const struct audit_proved *p, struct buf *b)
{
    buf_str(b, "good: entry ");
    buf_u64(b, p->index);
    buf_str(b, " of the ");
    buf_u64(b, p->size);
    buf_str(b, " that '");
    buf_printable(b, p->origin);
    buf_str(b, "' signed:\n");
    buf_printable(b, p->leaf);
    buf_char(b, '\n');
}

int command_trail_check_proof(struct cli *cli)
{
    AUTO_BUF text = BUF_INIT;
    AUTO_BUF leaf = BUF_INIT;
    AUTO_BUF out = BUF_INIT;
    struct audit_proved proved;
    struct err err = ERR_NONE;
    int r;

    if (cli->nargs != 1 || !cli_has(cli, CLI_VKEY))
        return usage("a proof and the trail's --vkey are needed", "trail check-proof");
    r = read_file(cli->args[0], &text);
    if (r)
        return r;
    r = audit_check_proof(buf_view(&text), cli->values[CLI_VKEY], &leaf, &proved, &err);
    if (r < 0) { /* what does not hold is the answer no; what cannot be read, no answer */
        (void)cli_error(&err);
        return r == -EKEYREJECTED || r == -EUCLEAN ? EXIT_ANSWER_NO : EXIT_FAILED;
    }
    if (cli_has(cli, CLI_JSON))
        proved_json(&proved, &out);
    else if (!cli_has(cli, CLI_QUIET))
        proved_text(&proved, &out);
    fwrite(out.p ? out.p : "", 1, out.n, cli->out);
    return buf_ok(&out) ? EXIT_DONE : EXIT_FAILED;
}

/* ---- consistency ---- */

/* A number, or a file with a note that says it. */
static int size_of(const char *arg, struct buf *note, uint64_t *ret)
{
    struct slice rest, line;
    int r;

    if (parse_u64(slice_str(arg), 0, UINT64_MAX, ret) == 0)
        return EXIT_DONE;
    r = read_file(arg, note);
    rest = buf_view(note);
    if (r == EXIT_DONE && (!slice_split(&rest, '\n', &line) || !slice_split(&rest, '\n', &line) ||
                           parse_u64(line, 0, UINT64_MAX, ret) < 0)) {
        fprintf(stderr, "trailwarden: '%s' is no number of entries and no checkpoint\n", arg);
        r = EXIT_FAILED;
    }
    return r;
}

/* Two notes and a proof, with nothing but a key. */
static int check_offline(struct cli *cli, const struct buf notes[2])
{
    AUTO_BUF proof = BUF_INIT;
    struct err err = ERR_NONE;
    int r;

    if (notes[0].n == 0 || notes[1].n == 0 || !cli_has(cli, CLI_VKEY))
        return usage("--proof needs two checkpoints and the --vkey", "trail consistency");
    r = read_file(cli->values[CLI_PROOF], &proof);
    if (r)
        return r;
    r = audit_check_consistency(buf_view(&notes[0]), buf_view(&notes[1]), buf_view(&proof),
                                cli->values[CLI_VKEY], &err);
    if (r < 0) {
        (void)cli_error(&err);
        return r == -EKEYREJECTED || r == -EUCLEAN ? EXIT_ANSWER_NO : EXIT_FAILED;
    }
    if (!cli_has(cli, CLI_QUIET))
        fputs("good: the older tree is the beginning of the newer one\n", cli->out);
    return EXIT_DONE;
}

static int give_proof(struct cli *cli, uint64_t old, uint64_t size)
{
    AUTO(audit_view) v = NULL;
    AUTO_BUF proof = BUF_INIT;
    struct err err = ERR_NONE;
    int r = open_view(cli, &v);

    if (r)
        return r;
    if (audit_view_consistency(v, old, size, &proof, &err) < 0) {
        r = cli_error(&err);
        return err.code == -EINVAL ? EXIT_USAGE : r;
    }
    return put(cli, &proof);
}

int command_trail_consistency(struct cli *cli)
{
    struct buf notes[2] = { BUF_INIT, BUF_INIT };
    uint64_t size[2];
    int r = EXIT_DONE;

    if (cli->nargs != 2)
        return usage("an older and a newer size are needed, as numbers or checkpoints",
                     "trail consistency");
    for (size_t i = 0; r == EXIT_DONE && i < 2; i++)
        r = size_of(cli->args[i], &notes[i], &size[i]);
    if (r == EXIT_DONE)
        r = cli_has(cli, CLI_PROOF) ? check_offline(cli, notes) : give_proof(cli, size[0], size[1]);
    buf_fini(&notes[0]);
    buf_fini(&notes[1]);
    return r;
}

/* ---- checkpoint, export ---- */

int command_trail_checkpoint(struct cli *cli)
{
    AUTO(audit_view) v = NULL;
    AUTO_BUF note = BUF_INIT;
    int r = open_view(cli, &v);

    if (r)
        return r;
    buf_slice(&note, audit_view_note(v));
    return put(cli, &note);
}

static void on_progress(void *ctx, uint64_t done, uint64_t total)
{
    struct progress *p = ctx;

    p->total = total;
    progress_step(p, done, 0);
}

int command_trail_export(struct cli *cli)
{
    AUTO(audit_view) v = NULL;
    const char *folder = cli_has(cli, CLI_TILES) ? cli->values[CLI_TILES] : cli->args[0];
    struct progress progress;
    struct err err = ERR_NONE;
    int r;

    if (cli->nargs + cli_has(cli, CLI_TILES) != 1)
        return usage("a folder that does not exist yet is needed", "trail export");
    r = open_view(cli, &v);
    if (r)
        return r;
    progress_start(&progress, "export", 0);
    r = audit_view_export(v, folder, on_progress, &progress, &err);
    progress_end(&progress);
    if (r < 0)
        return cli_error(&err);
    if (!cli_has(cli, CLI_QUIET))
        fprintf(cli->out, "%llu entries of '%.*s' are in '%s'\n",
                (unsigned long long)audit_view_size(v), SLICE_FMT(audit_view_origin(v)), folder);
    return EXIT_DONE;
}
