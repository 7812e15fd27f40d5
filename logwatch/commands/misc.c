/* help, version, completion, config schema. */
#include <config.h> /* the one of configure */

#include <curl/curl.h>
#include <sodium.h>
#include <sqlite3.h>

#include "base/utf8.h"
#include "logwatch/commands/common.h"
#include "schemas/field.h"

/* A text for troff: backslashes, and a dot or quote at a line's start, mean something there. */
static void man_text(struct buf *b, struct slice text)
{
    bool start = true;

    for (size_t i = 0; i < text.n; i++) {
        char c = text.p[i];

        if (start && (c == '.' || c == '\''))
            buf_str(b, "\\&");
        if (c == '\\')
            buf_str(b, "\\e");
        else if (c == '-')
            buf_str(b, "\\-");
        else
            buf_char(b, c);
        start = c == '\n';
    }
}

static void man_options(struct buf *b, const struct command *c)
{
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *o = &cli_options[i];

        if (!(c->options & CLI_BIT(i)))
            continue;
        buf_str(b, ".TP\n\\fB\\-\\-");
        man_text(b, slice_str(o->name));
        buf_printf(b, "\\fR%s%s\n", o->value ? " " : "", o->value ? o->value : "");
        man_text(b, slice_str(o->help));
        buf_char(b, '\n');
    }
}

/* trailwarden(1), from the tables of commands, options and settings. */
static void man_page(struct buf *b)
{
    AUTO_BUF settings = BUF_INIT;

    buf_printf(
        b,
        ".TH TRAILWARDEN 1 \"\" \"trailwarden %s\"\n.SH NAME\n"
        "trailwarden \\- logs to detections, bans, alerts and an audit trail that can be proved\n"
        ".SH SYNOPSIS\n.B trailwarden\nCOMMAND [OPTION...] [ARGUMENT...]\n.SH COMMANDS\n",
        PACKAGE_VERSION);
    for (const struct command *c = commands; c->name; c++) {
        buf_printf(b, ".SS %s %s\n", c->name, c->args);
        man_text(b, slice_str(c->summary));
        buf_char(b, '\n');
        man_options(b, c);
        if (c->example) {
            buf_str(b, ".PP\nExample: \\fB");
            man_text(b, slice_str(c->example));
            buf_str(b, "\\fR\n");
        }
    }
    buf_str(
        b,
        ".SH EXIT STATUS\n0 done; 1 it failed; 2 usage; 3 nothing found (with \\-\\-fail\\-empty); "
        "4 not permitted; 5 no daemon; 10 the answer is no; 78 configuration.\n"
        ".SH FILES\n" CONFIG_PATH ", conf.d/*.yaml beside it\n.SH SETTINGS\n.nf\n");
    config_help(&settings);
    man_text(b, buf_view(&settings));
    buf_str(b, ".fi\n");
}

static void notifiers_help(struct buf *b)
{
    for (size_t i = 0; sink_kinds[i]; i++) {
        buf_printf(b, "type %s: %s\n", sink_kinds[i]->name, sink_kinds[i]->summary);
        option_help(sink_kinds[i]->options, b, "  ");
        buf_char(b, '\n');
    }
}

static int help_topic(struct cli *cli, const char *topic)
{
    AUTO_BUF b = BUF_INIT;
    AUTO(engine) e = NULL;
    AUTO(diag) d = diag_new();
    struct engine_request q = { .no_library = true };

    if (strcmp(topic, "man") == 0) {
        man_page(&b);
    } else if (strcmp(topic, "config") == 0) {
        config_help(&b);
    } else if (strcmp(topic, "notifiers") == 0) {
        notifiers_help(&b);
    } else if (strcmp(topic, "fields") == 0) {
        for (uint32_t i = 0; i < FIELD_DICTIONARY; i++) {
            static const char *const names[] = {
#define X(id, name, kind, pii, help) name,
                FIELD_LIST(X)
#undef X
            };

            buf_printf(&b, "%-28s %s%s\n", names[i], field_help(i),
                       field_is_pii(i) ? " (personal)" : "");
        }
    } else if (strcmp(topic, "actions") == 0) {
        for (size_t i = 0; action_names[i]; i++)
            buf_printf(&b, "%s\n", action_names[i]);
    } else if (strcmp(topic, "formats") == 0 && d && engine_load(&q, d, &e) == 0) {
        for (size_t i = 0; i < formats_count(e->formats); i++) {
            const struct format *f = formats_at(e->formats, i);

            buf_printf(&b, "%-12.*s %.*s\n", SLICE_FMT(format_name(f)),
                       SLICE_FMT(format_summary(f)));
        }
    } else {
        return -1;
    }
    fprintf(cli->out, "%.*s", SLICE_FMT(buf_view(&b)));
    return EXIT_DONE;
}

int command_help(struct cli *cli)
{
    AUTO_BUF name = BUF_INIT;

    if (cli->nargs == 0) {
        cli_help(cli->out);
        return EXIT_DONE;
    }
    if (help_topic(cli, cli->args[0]) == EXIT_DONE)
        return EXIT_DONE;
    for (size_t i = 0; i < cli->nargs; i++)
        buf_printf(&name, "%s%s", i ? " " : "", cli->args[i]);
    for (const struct command *c = commands; c->name; c++)
        if (slice_is(buf_view(&name), c->name)) {
            cli_command_help(cli->out, c);
            return EXIT_DONE;
        }
    fprintf(stderr, "trailwarden: no help on this: a command, or config, notifiers, formats, "
                    "fields, actions\n");
    return EXIT_USAGE;
}

int command_version(struct cli *cli)
{
    const struct {
        const char *name, *version;
    } libraries[] = {
        { "sqlite", sqlite3_libversion() },
        { "libcurl", curl_version() },
        { "libsodium", sodium_version_string() },
    };
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    if (!cli_has(cli, CLI_JSON)) {
        fprintf(cli->out, "trailwarden %s\n", PACKAGE_VERSION);
        for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
            fprintf(cli->out, "  %-10s %s\n", libraries[i].name, libraries[i].version);
        return EXIT_DONE;
    }
    json_object(&w);
    json_member_str(&w, "version", PACKAGE_VERSION);
    json_key(&w, "libraries");
    json_object(&w);
    for (size_t i = 0; i < ARRAY_SIZE(libraries); i++)
        json_member_str(&w, libraries[i].name, libraries[i].version);
    json_object_end(&w);
    json_object_end(&w);
    fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
    return EXIT_DONE;
}

int command_config_schema(struct cli *cli)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    config_schema(&w);
    fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
    return EXIT_DONE;
}

/* ---- completion: from the tables ---- */

static void words(struct buf *b, const struct command *only)
{
    for (const struct command *c = commands; !only && c->name; c++)
        buf_printf(b, " %s", c->name);
    for (int i = 0; only && i < CLI_OPTIONS; i++)
        if ((only->options | OPT(HELP)) & CLI_BIT(i))
            buf_printf(b, " --%s", cli_options[i].name);
}

static void bash(struct buf *b)
{
    buf_str(b, "_trailwarden() {\n    local cur=${COMP_WORDS[COMP_CWORD]} words\n"
               "    case \"${COMP_WORDS[*]:1:2}\" in\n");
    for (const struct command *c = commands; c->name; c++) {
        buf_printf(b, "    \"%s\"*) words=\"", c->name);
        words(b, c);
        buf_str(b, "\" ;;\n");
    }
    buf_str(b, "    *) words=\"");
    words(b, NULL);
    buf_str(
        b,
        "\" ;;\n    esac\n    COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
        "    [[ $cur == -* || $COMP_CWORD -lt 2 ]] || COMPREPLY+=($(compgen -f -- \"$cur\"))\n}\n"
        "complete -F _trailwarden trailwarden\n");
}

static void zsh(struct buf *b)
{
    buf_str(b, "#compdef trailwarden\nlocal -a commands\ncommands=(\n");
    for (const struct command *c = commands; c->name; c++)
        buf_printf(b, "  '%s:%s'\n", c->name, c->summary);
    buf_str(b, ")\nif (( CURRENT == 2 )); then _describe command commands; return; fi\n"
               "case \"$words[2] $words[3]\" in\n");
    for (const struct command *c = commands; c->name; c++) {
        buf_printf(b, "  '%s'*) compadd --", c->name);
        words(b, c);
        buf_str(b, "; _files ;;\n");
    }
    buf_str(b, "esac\n");
}

static void fish(struct buf *b)
{
    for (const struct command *c = commands; c->name; c++) {
        struct slice rest = slice_str(c->name), first;

        (void)slice_split(&rest, ' ', &first);
        buf_printf(b, "complete -c trailwarden -n __fish_use_subcommand -a '%.*s' -d '%s'\n",
                   SLICE_FMT(first), c->summary);
        for (int i = 0; i < CLI_OPTIONS; i++)
            if (c->options & CLI_BIT(i))
                buf_printf(b,
                           "complete -c trailwarden -n '__fish_seen_subcommand_from %.*s' -l %s -d "
                           "'%s'%s\n",
                           SLICE_FMT(first), cli_options[i].name, cli_options[i].help,
                           cli_options[i].value ? " -r" : "");
    }
}

int command_completion(struct cli *cli)
{
    static const struct {
        const char *shell;
        void (*write)(struct buf *);
    } shells[] = { { "bash", bash }, { "zsh", zsh }, { "fish", fish } };
    AUTO_BUF b = BUF_INIT;

    for (size_t i = 0; cli->nargs && i < ARRAY_SIZE(shells); i++)
        if (strcmp(cli->args[0], shells[i].shell) == 0) {
            shells[i].write(&b);
            fprintf(cli->out, "%.*s", SLICE_FMT(buf_view(&b)));
            return EXIT_DONE;
        }
    fputs("trailwarden: completion for which shell: bash, zsh or fish?\n", stderr);
    return EXIT_USAGE;
}
