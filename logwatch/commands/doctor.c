/* The table of checks, who they are made as, and how the findings are shown. */
#include "logwatch/commands/doctor.h"

#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/num.h"
#include "base/term.h"
#include "base/utf8.h"

static const char *const result_names[] = { "ok", "info", "warn", "bad" };

void doctor_say(struct doctor *d, enum doctor_result result, const char *fmt, ...)
{
    AUTO_BUF text = BUF_INIT, clean = BUF_INIT;
    struct doctor_finding *f = &d->findings[d->n];
    va_list args;

    if (d->n == DOCTOR_FINDINGS_MAX) {
        d->dropped++;
        return;
    }
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    buf_printable(&clean, buf_view(&text));
    *f = (struct doctor_finding){ .check = d->check, .result = result, .what = buf_take(&clean) };
    if (f->what)
        d->n++;
}

void doctor_cure(struct doctor *d, const char *fmt, ...)
{
    AUTO_BUF text = BUF_INIT, clean = BUF_INIT;
    struct doctor_finding *f;
    va_list args;

    if (d->n == 0 || d->dropped)
        return;
    f = &d->findings[d->n - 1];
    va_start(args, fmt);
    buf_vprintf(&text, fmt, args);
    va_end(args);
    if (f->cures)
        buf_printf(&clean, "%s\n", f->cures);
    buf_printable(&clean, buf_view(&text));
    free(f->cures);
    f->cures = buf_take(&clean);
}

const struct option_strs *doctor_option(const struct config_input *in, const char *name)
{
    for (const struct option *o = in->ops->options; o && o->name; o++)
        if (o->type == OPTION_STRS && strcmp(o->name, name) == 0)
            return (const struct option_strs *)(const void *)((const char *)in->state + o->offset);
    return NULL;
}

void doctor_inputs(struct doctor *d, const char *option,
                   void (*fn)(struct doctor *d, const struct config_input *in,
                              const struct option_strs *values))
{
    for (size_t i = 0; d->config && i < d->config->nchannels; i++)
        for (size_t j = 0; j < d->config->channels[i].ninputs; j++) {
            const struct config_input *in = &d->config->channels[i].inputs[j];
            const struct option_strs *values = doctor_option(in, option);

            if (values)
                fn(d, in, values);
        }
}

bool doctor_number(const char *path, uint64_t *ret)
{
    AUTO_BUF text = BUF_INIT;
    struct slice rest, word;

    if (file_read(-1, path, 4096, &text, NULL) < 0)
        return false;
    rest = slice_trim(buf_view(&text));
    return slice_split(&rest, ' ', &word) && parse_u64(word, 0, UINT64_MAX, ret) == 0;
}

/* ---- who ---- */

/* As the unit file says: the groups of the user, and these. */
static size_t groups_of(const struct passwd *pw, gid_t *groups, int max)
{
    static const char *const more[] = { "systemd-journal", "adm" };
    int n = max;

    if (getgrouplist(pw->pw_name, pw->pw_gid, groups, &n) < 0)
        n = max;
    for (size_t i = 0; i < ARRAY_SIZE(more) && n < max; i++) {
        const struct group *g = getgrnam(more[i]);

        if (g)
            groups[n++] = g->gr_gid;
    }
    return (size_t)n;
}

static void check_user(struct doctor *d)
{
    const struct passwd *pw = getpwnam(DOCTOR_USER);
    gid_t groups[256];

    snprintf(d->user, sizeof d->user, "%s", DOCTOR_USER);
    if (geteuid() == 0 && pw && pw->pw_uid != 0) {
        size_t n = groups_of(pw, groups, ARRAY_SIZE(groups));

        if (setgroups(n, groups) == 0 && setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == 0 &&
            setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == 0) {
            doctor_say(d, DOCTOR_OK, "judged as user '%s', which the service runs as", d->user);
            return;
        }
        doctor_say(d, DOCTOR_WARN, "cannot become user '%s': judged as root", d->user);
        return;
    }
    if (!pw)
        doctor_say(d, DOCTOR_INFO, "there is no user '%s'; judged as the user that asks", d->user);
    else if (pw->pw_uid == geteuid())
        doctor_say(d, DOCTOR_OK, "judged as user '%s', which the service runs as", d->user);
    else
        doctor_say(d, DOCTOR_INFO, "judged as the user that asks; root's doctor judges as '%s'",
                   d->user);
    if (!pw)
        doctor_cure(d, "systemd-sysusers trailwarden.conf");
    pw = getpwuid(geteuid());
    if (pw)
        snprintf(d->user, sizeof d->user, "%.60s", pw->pw_name);
}

static void check_config(struct doctor *d)
{
    struct config_request q = { .path = d->cli->values[CLI_CONFIG],
                                .state = d->cli->values[CLI_STATE],
                                .discover = true };
    size_t n = 0;

    if (config_load(&q, d->diag, &d->config) < 0 || diag_errors(d->diag)) {
        doctor_say(d, DOCTOR_BAD, "the configuration has %zu faults; the first: %.300s",
                   diag_errors(d->diag), diag_count(d->diag) ? diag_text(d->diag, 0) : "?");
        doctor_cure(d, "trailwarden check%s%s", q.path ? " --config " : "", q.path ? q.path : "");
        config_free(d->config);
        d->config = NULL;
        return;
    }
    for (size_t i = 0; i < d->config->nchannels; i++)
        n += d->config->channels[i].ninputs;
    doctor_say(d, n ? DOCTOR_OK : DOCTOR_BAD, "%zu channels, %zu inputs, %zu receivers, from %s",
               d->config->nchannels, n, d->config->nsinks,
               d->config->path ? d->config->path : "what this host has");
    if (n == 0)
        doctor_cure(d, "name inputs in " CONFIG_PATH " (trailwarden help config)");
    if (diag_count(d->diag))
        doctor_say(d, DOCTOR_WARN, "%.400s", diag_text(d->diag, 0));
}

static const struct {
    const char *id;
    const char *about; /* for --json and the manual */
    void (*check)(struct doctor *d);
} checks[] = {
    { "user", "whose rights are judged", check_user },
    { "config", "the configuration loads", check_config },
    { "files", "log files can be read", doctor_check_files },
    { "logrotate", "rotation keeps lines and rights", doctor_check_logrotate },
    { "inotify", "enough watches for the folders", doctor_check_inotify },
    { "zones", "times without zone are understood", doctor_check_zones },
    { "journal", "the journal can be read, and stays", doctor_check_journal },
    { "rate-limit", "journald drops no lines of the watched units", doctor_check_rate_limit },
    { "state", "room and rights of the state folder", doctor_check_state },
    { "trail", "trail and keys are where they should be", doctor_check_trail },
    { "secrets", "passwords and tokens can be read", doctor_check_secrets },
    { "daemon", "who writes the state now", doctor_check_daemon },
    { "descriptors", "open files allowed", doctor_check_descriptors },
    { "landlock", "the kernel confines files", doctor_check_landlock },
    { "seccomp", "the kernel filters system calls", doctor_check_seccomp },
    { "jit", "regular expressions become machine code", doctor_check_jit },
    { "libraries", "what runs is what it was built for", doctor_check_libraries },
    { "clock", "the clock is set and kept", doctor_check_clock },
    { "system", "kernel and systemd", doctor_check_system },
};

/* ---- showing ---- */

#define TEXT_COLUMN 18

static unsigned columns(struct slice word)
{
    unsigned n = 0;

    for (size_t i = 0; i < word.n; i++)
        n += (word.p[i] & 0xc0) != 0x80; /* not inside a character */
    return n;
}

/* Words up to the width; the first line is begun already. */
static void wrap(FILE *out, struct slice text, unsigned width)
{
    unsigned at = TEXT_COLUMN;
    struct slice word;

    while (slice_split(&text, ' ', &word)) {
        unsigned n = columns(word);

        if (at > TEXT_COLUMN && at + 1 + n >= width) {
            fprintf(out, "\n%*s", TEXT_COLUMN, "");
            at = TEXT_COLUMN;
        } else if (at > TEXT_COLUMN) {
            fputc(' ', out);
            at++;
        }
        fprintf(out, "%.*s", SLICE_FMT(word));
        at += n;
    }
    fputc('\n', out);
}

/* Cures stay whole: they are to be copied. */
static void show_text(const struct doctor *d, FILE *out)
{
    static const char *const colours[] = { "32", "36", "33", "31" };
    bool colour = term_colour(out);
    unsigned width = term_width(out);
    size_t counts[4] = { 0 };

    for (size_t i = 0; i < d->n; i++) {
        const struct doctor_finding *f = &d->findings[i];
        struct slice rest = slice_str(f->cures), line;

        counts[f->result]++;
        fprintf(out, "%s%s%s%-4s%s %-12s ", colour ? "\033[" : "", colour ? colours[f->result] : "",
                colour ? "m" : "", result_names[f->result], colour ? "\033[0m" : "", f->check);
        wrap(out, slice_str(f->what), width < 40 ? 80 : width);
        while (f->cures && slice_split(&rest, '\n', &line))
            fprintf(out, "%*s# %.*s\n", 5, "", SLICE_FMT(line));
    }
    fprintf(out, "\n%zu ok, %zu to know, %zu warnings, %zu bad\n", counts[DOCTOR_OK],
            counts[DOCTOR_INFO], counts[DOCTOR_WARN], counts[DOCTOR_BAD]);
    if (d->dropped)
        fprintf(out, "%zu more findings are not shown\n", d->dropped);
}

static void show_json(const struct doctor *d, enum doctor_result worst, FILE *out)
{
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    json_object(&w);
    json_member_str(&w, "result", result_names[worst]);
    json_member_str(&w, "user", d->user);
    json_key(&w, "findings");
    json_array(&w);
    for (size_t i = 0; i < d->n; i++) {
        struct slice rest = slice_str(d->findings[i].cures), line;

        json_object(&w);
        json_member_str(&w, "check", d->findings[i].check);
        json_member_str(&w, "result", result_names[d->findings[i].result]);
        json_member_str(&w, "what", d->findings[i].what);
        json_key(&w, "cures");
        json_array(&w);
        while (d->findings[i].cures && slice_split(&rest, '\n', &line))
            json_put_slice(&w, line);
        json_array_end(&w);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_member_u64(&w, "not_shown", d->dropped);
    json_object_end(&w);
    fprintf(out, "%.*s\n", SLICE_FMT(buf_view(&b)));
}

int command_doctor(struct cli *cli)
{
    AUTO(diag) diag = diag_new();
    AUTO_FREE struct doctor *d = calloc(1, sizeof *d);
    enum doctor_result worst = DOCTOR_OK;

    if (!d || !diag) {
        fputs("trailwarden: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    d->cli = cli;
    d->diag = diag;
    for (size_t i = 0; i < ARRAY_SIZE(checks); i++) {
        d->check = checks[i].id;
        checks[i].check(d);
    }
    for (size_t i = 0; i < d->n; i++)
        if (d->findings[i].result > worst)
            worst = d->findings[i].result;
    if (cli_has(cli, CLI_JSON))
        show_json(d, worst, cli->out);
    else
        show_text(d, cli->out);
    for (size_t i = 0; i < d->n; i++) {
        free(d->findings[i].what);
        free(d->findings[i].cures);
    }
    config_free(d->config);
    return worst == DOCTOR_BAD ? EXIT_ANSWER_NO : EXIT_DONE;
}
