#include "logwatch/commands/cli.h"

#include <errno.h>

#include "base/term.h"
#include "base/utf8.h"

_Static_assert(CLI_OPTIONS <= 128, "a command says which it takes by bits of 128");

const struct cli_option cli_options[CLI_OPTIONS] = {
    [CLI_CONFIG] = { "config", 'c', "FILE",
                     "Configuration; default: /etc/trailwarden/trailwarden.yaml." },
    [CLI_STATE] = { "state", 0, "FOLDER", "State folder instead of the configured one." },
    [CLI_JSON] = { "json", 0, NULL, "Print JSON." },
    [CLI_CHANNEL] = { "channel", 0, "NAME", "Channel or format of the lines; default: found out." },
    [CLI_ZONE] = { "zone", 0, "ZONE", "Zone of times that state none, like Europe/Berlin." },
    [CLI_RULES] = { "rules", 'r', "PATH",
                    "File or folder of Sigma rules, besides the library; may be repeated." },
    [CLI_NO_PREFILTER] = { "no-prefilter", 0, NULL,
                           "Parse every line and ask it for every rule: slow, for comparison." },
    [CLI_NO_LIBRARY] = { "no-library", 0, NULL, "Leave the rules inside the program out." },
    [CLI_ONCE] = { "once", 0, NULL, "End when all there is was read and delivered." },
    [CLI_QUIET] = { "quiet", 'q', NULL, "Say errors only." },
    [CLI_VERBOSE] = { "verbose", 'v', NULL, "Say more." },
    [CLI_RULE] = { "rule", 0, "ID", "Only this rule (id, name or title)." },
    [CLI_STATS] = { "stats", 0, NULL, "A summary at the end." },
    [CLI_TRAIL] = { "trail", 0, "FOLDER", "Trail folder instead of the configured one." },
    [CLI_VKEY] = { "vkey", 0, "KEY", "The trail's identity key, kept elsewhere." },
    [CLI_EPOCH_VKEY] = { "epoch-vkey", 0, "KEY", "The first epoch key, kept elsewhere." },
    [CLI_AGAINST] = { "against", 0, "NOTE", "A checkpoint kept elsewhere; may be repeated." },
    [CLI_SINCE_POINT] = { "since", 0, "TIME|SIZE|NOTE",
                          "Read entries from there on only: a time, how many came before, or a "
                          "note." },
    [CLI_TYPE] = { "type", 0, "TYPE", "Only entries of this type." },
    [CLI_GREP] = { "grep", 0, "TEXT", "Only entries that hold this text." },
    [CLI_FAIL_EMPTY] = { "fail-empty", 0, NULL, "Exit 3 when nothing was found." },
    [CLI_LIMIT] = { "limit", 'n', "N", "At most this many." },
    [CLI_SINGLE] = { "single", 0, NULL,
                     "Reader and core in one process, with all rights: for debugging." },
    [CLI_FORGET] = { "forget", 0, NULL, "Drop the position: the stream is new again." },
    [CLI_JOURNAL] = { "journal", 0, "PATH", "A saved journal: a file, or a folder of them." },
    [CLI_UNIT] = { "unit", 0, "UNIT",
                   "Unit to take from a journal, may be a pattern; default: the channel's." },
    [CLI_LEVEL] = { "level", 0, "LEVEL", "Only this level and above: informational, low, ..." },
    [CLI_TO] = { "to", 0, "FOLDER",
                 "Folder that gets the copies; default: only say what would be." },
    [CLI_ALL] = { "all", 0, NULL, "Also those that no channel here gives a log source to." },
    [CLI_FORCE] = { "force", 0, NULL, "Overwrite files that are there already." },
    [CLI_FILE] = { "file", 'f', "FILE", "Read the lines from this file." },
    [CLI_AT] = { "at", 0, "TIME",
                 "A moment in the past: 2026-11-21T10:42:00Z, or how long ago, like 30m." },
    [CLI_GROUP] = { "group", 0, "VALUE",
                    "Only this group, like 203.0.113.5; several: with commas." },
    [CLI_AGAINST_RULES] = { "against", 0, "PATH",
                            "File or folder of rules to compare with; may be repeated." },
    [CLI_FAIL_ON_CHANGE] = { "fail-on-change", 0, NULL, "Exit 10 when an alert differs." },
    [CLI_WORKERS] = { "workers", 0, "N|auto",
                      "Threads that read beside the one that counts; the result is the same." },
    [CLI_DIGEST] = { "digest", 0, NULL,
                     "Print one SHA-256 over all alerts in order, and the counts." },
    [CLI_SINCE] = { "since", 0, "TIME", "Only from this time on, or how long ago, like 2h." },
    [CLI_UNTIL] = { "until", 0, "TIME", "Only up to this time, or how long ago." },
    [CLI_FIELD] = { "field", 0, "NAME=VALUE", "Only entries with this member or personal value." },
    [CLI_STATUS] = { "status", 0, "STATE", "Only in this state; several: with commas." },
    [CLI_RECEIVER] = { "receiver", 0, "NAME", "Only of this receiver." },
    [CLI_COMMENT] = { "comment", 0, "TEXT", "A word for the others: why." },
    [CLI_FOR] = { "for", 0, "AGE", "How long, like 30m, 2h or 7d." },
    [CLI_OF_RULE] = { "rule", 0, "ID",
                      "Of this rule (id, name or title; ids with * for anything); may be "
                      "repeated." },
    [CLI_OF_CHANNEL] = { "channel", 0, "NAME", "Of this channel; may be repeated." },
    [CLI_OF_LEVEL] = { "level", 0, "LEVEL", "Of just this level; may be repeated." },
    [CLI_OF_FIELD] = { "field", 0, "NAME=VALUE",
                       "With this value, like source.ip=192.0.2.0/24; may be repeated." },
    [CLI_ALL_ENDED] = { "all", 0, NULL, "Also those that have ended." },
    [CLI_OUT] = { "out", 'o', "FILE", "Write there instead of the terminal." },
    [CLI_PROOF] = { "proof", 0, "FILE", "Check this proof, without the trail." },
    [CLI_QR] = { "qr", 0, NULL, "As a QR code, too." },
    [CLI_INDEX] = { "index", 0, "ENTRY", "The number of the entry." },
    [CLI_TILES] = { "tiles", 0, "FOLDER", "The folder that gets checkpoint, tiles and bundles." },
    [CLI_TO_ANCHOR] = { "to", 0, "WHERE",
                        "Name or type of a configured anchor, a URL or a folder; may be "
                        "repeated." },
    [CLI_KEEP] = { "keep", 0, "AGE", "Entries younger than this stay, like 400d." },
    [CLI_BEFORE] = { "before", 0, "TIME", "Entries before this time, like 2026-11-21T00:00:00Z." },
    [CLI_BEFORE_ENTRY] = { "before-entry", 0, "N", "Entries before this one." },
    [CLI_DRY_RUN] = { "dry-run", 0, NULL, "Only say what would be done." },
    [CLI_SUBJECT] = { "subject", 0, "KIND=VALUE",
                      "Whose data: user=alice, ip=203.0.113.7 or email=a@example.com; may be "
                      "repeated." },
    [CLI_NAME] = { "name", 0, "FIELD=VALUE",
                   "A value of one field, like user.id=4711; may be repeated." },
    [CLI_REASON] = { "reason", 0, "TEXT", "Why; it stands in the trail for ever: name nobody." },
    [CLI_NEW_ORIGIN] = { "new-origin", 0, "NAME", "Name of the new trail in its checkpoints." },
    [CLI_YES] = { "yes", 'y', NULL, "Do not ask." },
    [CLI_TREE] = { "tree", 0, NULL, "Draw all routes." },
    [CLI_IP] = { "ip", 0, "ADDRESS|NETWORK",
                 "Only bans that hold this address, or share addresses with this network." },
    [CLI_ORIGIN] = { "origin", 0, "ORIGIN", "Only from there: rule, manual, list or list:NAME." },
    [CLI_LIST] = { "list", 0, "NAME", "The bans of this list." },
    [CLI_FOLLOW] = { "follow", 0, NULL, "Then go on with new ones as they come." },
    [CLI_BAN_FOR] = { "for", 0, "AGE|forever",
                      "How long, like 1h or 30d; forever: until removed." },
    [CLI_BAN_REASON] = { "reason", 0, "TEXT", "Why: shown with the ban." },
    [CLI_PORTS] = { "ports", 0, "PORTS", "Only these ports, like 22,80; at most 8." },
    [CLI_PROTOCOL] = { "protocol", 0, "NAME",
                       "Only this protocol: tcp, udp ... or a number; tcp when ports are given." },
    [CLI_OF_ALERT] = { "alert", 0, "ID", "The bans of this alert." },
    [CLI_ALL_BANS] = { "all", 0, NULL, "All bans that hold." },
    [CLI_FORMAT] = { "format", 0, "FORMAT",
                     "plain, csv or json; export also nft and ipset. Default: by how the "
                     "name ends, else plain." },
    [CLI_SET] = { "set", 0, "NAME",
                  "Sets of nft (\"inet TABLE SET\") or ipset; 4 and 6 are put behind the name." },
    [CLI_WITH_DRY_RUN] = { "with-dry-run", 0, NULL, "Also bans that were never done." },
    [CLI_REPLACE] = { "replace", 0, NULL,
                      "What the list had before and has no more is not banned any more." },
    [CLI_FROM] = { "from", 0, "TIME", "Begin of the period, like 2026-11-01 or 2026-11-01T12:00." },
    [CLI_TO_TIME] = { "to", 0, "TIME", "Its end; a day counts whole." },
    [CLI_TZ] = { "tz", 0, "ZONE", "Time zone of days and times, like Europe/Berlin; else UTC." },
    [CLI_STANDARD] = { "standard", 0, "NAME",
                       "Of `compliance`: soc2, pci-dss, iso27001, nist-800-53, nist-csf, hipaa, "
                       "gdpr or cis." },
    [CLI_FORM] = { "format", 0, "FORM", "text, html, pdf, json, csv or oscal." },
    [CLI_SAMPLES] = { "samples", 0, "N", "Prove so many entries, and as many drawn at random." },
    [CLI_TABLE] = { "table", 0, "NAME", "Of CSV: this table or figures." },
    [CLI_SEED] = { "seed", 0, "N", "Draw others; the same number draws the same." },
    [CLI_HELP] = { "help", 'h', NULL, "Help for the command." },
};

static int usage(const char *fmt, const char *what, const char *hint)
{
    AUTO_BUF b = BUF_INIT;

    buf_printable(&b, slice_str(what));
    fprintf(stderr, "trailwarden: %s '%s'", fmt, b.p ? b.p : "");
    if (hint)
        fprintf(stderr, ": did you mean '%s'?", hint);
    fputs("\n", stderr);
    return EXIT_USAGE;
}

/* ---- which command ---- */

static size_t words_of(const char *name)
{
    size_t n = 1;

    for (; *name; name++)
        n += *name == ' ';
    return n;
}

static bool fits(const struct command *c, char **argv, int argc)
{
    struct slice rest = slice_str(c->name), word;

    for (int i = 0; slice_split(&rest, ' ', &word); i++)
        if (i >= argc || !slice_is(word, argv[i]))
            return false;
    return true;
}

static const struct command *find_command(char **argv, int argc)
{
    for (const struct command *c = commands; c->name; c++)
        if (fits(c, argv, argc))
            return c;
    return NULL;
}

static const char *near_command(const char *word)
{
    const char *names[128] = { 0 };
    size_t n = 0;

    for (const struct command *c = commands; c->name && n < ARRAY_SIZE(names) - 1; c++)
        names[n++] = c->name;
    return diag_nearest(slice_str(word), names);
}

/* `trailwarden rules`: the group is right, the verb is missing or wrong. False: there is no such
 * group. */
static bool tell_verbs(const char *group, const char *verb)
{
    struct slice name = slice_str(group);
    const char *verbs[32] = { 0 }, *near;
    size_t n = 0;

    for (const struct command *c = commands; c->name && n < ARRAY_SIZE(verbs) - 1; c++)
        if (slice_starts(slice_str(c->name), name) && c->name[name.n] == ' ')
            verbs[n++] = c->name + name.n + 1;
    if (n == 0)
        return false;
    near = verb ? diag_nearest(slice_str(verb), verbs) : NULL;
    fprintf(stderr, "trailwarden: %s needs a verb:", group);
    for (size_t i = 0; i < n; i++)
        fprintf(stderr, "%s %s", i ? "," : "", verbs[i]);
    fprintf(stderr, "%s%s%s\n", near ? "; did you mean '" : "", near ? near : "", near ? "'?" : "");
    return true;
}

/* ---- options ---- */

static int find_option(const struct command *c, struct slice name)
{
    for (int i = 0; i < CLI_OPTIONS; i++)
        if ((c->options | OPT(HELP)) & CLI_BIT(i) && slice_is(name, cli_options[i].name))
            return i;
    return -1;
}

static int find_letter(const struct command *c, char letter)
{
    for (int i = 0; i < CLI_OPTIONS; i++)
        if ((c->options | OPT(HELP)) & CLI_BIT(i) && cli_options[i].letter == letter)
            return i;
    return -1;
}

static const char *near_option(const struct command *c, struct slice name)
{
    const char *names[CLI_OPTIONS + 1] = { 0 };
    size_t n = 0;

    for (int i = 0; i < CLI_OPTIONS; i++)
        if (c->options & CLI_BIT(i))
            names[n++] = cli_options[i].name;
    return diag_nearest(name, names);
}

static int take_value(struct cli *cli, int id, const char *value)
{
    static const cli_set repeated = OPT(RULES) | OPT(AGAINST) | OPT(AGAINST_RULES) |
                                    OPT(TO_ANCHOR) | OPT(SUBJECT) | OPT(NAME) | OPT(OF_RULE) |
                                    OPT(OF_CHANNEL) | OPT(OF_LEVEL) | OPT(OF_FIELD);

    cli->values[id] = value;
    if (!(repeated & CLI_BIT(id)))
        return EXIT_DONE;
    if (cli->nmany == CLI_VALUES_MAX)
        return usage("too many of", cli_options[id].name, NULL);
    cli->many[cli->nmany] = value;
    cli->many_of[cli->nmany++] = (enum cli_option_id)id;
    return EXIT_DONE;
}

/* One argument that begins with a dash; *i moves when its value is the next one. */
static int take_option(struct cli *cli, char **argv, int argc, int *i)
{
    const char *arg = argv[*i];
    bool is_long = arg[1] == '-';
    struct slice name = slice_str(arg + (is_long ? 2 : 1));
    size_t eq = is_long ? slice_find_byte(name, '=') : SIZE_MAX;
    const char *value = eq == SIZE_MAX ? NULL : name.p + eq + 1;
    int id;

    if (eq != SIZE_MAX)
        name = slice_take(name, eq);
    id = is_long       ? find_option(cli->command, name)
         : name.n == 1 ? find_letter(cli->command, name.p[0])
                       : -1;
    if (id < 0)
        return usage("unknown option", arg, is_long ? near_option(cli->command, name) : NULL);
    if (!cli_options[id].value)
        return value ? usage("this option takes no value:", arg, NULL) : take_value(cli, id, "");
    if (!value && *i + 1 < argc)
        value = argv[++*i];
    return value ? take_value(cli, id, value) : usage("a value is missing for", arg, NULL);
}

static int take_all(struct cli *cli, char **argv, int argc, int from)
{
    bool only_args = false;

    for (int i = from; i < argc; i++) {
        int r;

        if (!only_args && strcmp(argv[i], "--") == 0) {
            only_args = true;
        } else if (only_args || argv[i][0] != '-' || !argv[i][1]) {
            cli->args[cli->nargs++] = argv[i];
        } else {
            r = take_option(cli, argv, argc, &i);
            if (r)
                return r;
        }
    }
    return EXIT_DONE;
}

int cli_parse(int argc, char **argv, struct cli *ret)
{
    *ret = (struct cli){ .out = stdout };
    ret->args = calloc((size_t)argc + 1, sizeof *ret->args);
    if (!ret->args)
        return EXIT_FAILED;
    if (argc < 2 || strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        cli_help(argc < 2 ? stderr : stdout);
        return argc < 2 ? EXIT_USAGE : -1;
    }
    if (strcmp(argv[1], "--version") == 0)
        argv[1][0] = '\0';
    ret->command = argv[1][0] ? find_command(argv + 1, argc - 1) : NULL;
    if (!argv[1][0]) {
        static char version[] = "version";
        char *args[] = { version };

        ret->command = find_command(args, 1);
        return EXIT_DONE;
    }
    if (!ret->command && tell_verbs(argv[1], argc > 2 ? argv[2] : NULL))
        return EXIT_USAGE;
    if (!ret->command)
        return usage("unknown command", argv[1], near_command(argv[1]));
    return take_all(ret, argv, argc, 1 + (int)words_of(ret->command->name));
}

void cli_fini(struct cli *cli)
{
    free(cli->args);
}

/* ---- help ---- */

void cli_help(FILE *out)
{
    fputs("trailwarden: logs to detections, bans, alerts and an audit trail that can be proved\n\n"
          "usage: trailwarden COMMAND [OPTION...] [ARGUMENT...]\n\n",
          out);
    for (const struct command *c = commands; c->name; c++)
        fprintf(out, "  %-16s %s\n", c->name, c->summary);
    fputs(
        "\n`trailwarden COMMAND --help` says more, `trailwarden help config` lists all settings.\n",
        out);
}

void cli_command_help(FILE *out, const struct command *c)
{
    fprintf(out, "usage: trailwarden %s [OPTION...]%s%s\n\n%s\n\n", c->name, c->args[0] ? " " : "",
            c->args, c->summary);
    for (int i = 0; i < CLI_OPTIONS; i++) {
        const struct cli_option *o = &cli_options[i];
        char text[64];

        if (!((c->options | OPT(HELP)) & CLI_BIT(i)))
            continue;
        snprintf(text, sizeof text, "%c%c%c --%s%s%s", o->letter ? '-' : ' ',
                 o->letter ? o->letter : ' ', o->letter ? ',' : ' ', o->name, o->value ? " " : "",
                 o->value ? o->value : "");
        fprintf(out, "  %-26s %s\n", text, o->help);
    }
    if (c->example)
        fprintf(out, "\nexample: %s\n", c->example);
}

/* ---- faults ---- */

int cli_diag(const struct cli *cli, const struct diag *d)
{
    if (cli_has(cli, CLI_JSON)) {
        AUTO_BUF b = BUF_INIT;
        struct json_writer w = json_writer(&b);

        json_object(&w);
        json_member_bool(&w, "ok", diag_errors(d) == 0);
        json_key(&w, "findings");
        diag_json(d, &w);
        json_object_end(&w);
        fprintf(cli->out, "%.*s\n", SLICE_FMT(buf_view(&b)));
    } else {
        diag_print(d, stderr, term_colour(stderr));
    }
    return diag_errors(d) ? EXIT_CONFIGURATION : EXIT_DONE;
}

int cli_error(const struct err *err)
{
    if (err->at.line)
        fprintf(stderr, "trailwarden: %s:%u:%u: %s\n", err->at.file ? err->at.file : "",
                err->at.line, err->at.column, err->text);
    else
        fprintf(stderr, "trailwarden: %s\n", err->text);
    if (err->code == -EACCES || err->code == -EPERM)
        return EXIT_NOT_PERMITTED;
    return err->code == -EUCLEAN ? EXIT_ANSWER_NO : EXIT_FAILED;
}
