/* The systemd journal: can it be read, does it stay, does it drop lines? */
#include "logwatch/commands/doctor.h"

#include <glob.h>
#include <systemd/sd-journal.h>

#include "base/file.h"
#include "base/num.h"

#define CONF_MAX ((size_t)256 * 1024)

static bool follows_journal(const struct config *c)
{
    for (size_t i = 0; c && i < c->nchannels; i++)
        for (size_t j = 0; j < c->channels[i].ninputs; j++)
            if (strcmp(c->channels[i].inputs[j].ops->name, "journald") == 0)
                return true;
    return false;
}

void doctor_check_journal(struct doctor *d)
{
    sd_journal *j = NULL;
    int r, persistent, runtime;

    if (!follows_journal(d->config))
        return;
    r = sd_journal_open(&j, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_SYSTEM);
    if (r < 0) {
        doctor_say(d, DOCTOR_BAD, "the journal cannot be opened: %s", err_name(r));
        return;
    }
    persistent = sd_journal_has_persistent_files(j);
    runtime = sd_journal_has_runtime_files(j);
    sd_journal_close(j);
    if (persistent <= 0 && runtime <= 0) {
        doctor_say(d, DOCTOR_BAD, "no file of the system's journal can be read by '%s'", d->user);
        doctor_cure(d, "usermod -a -G systemd-journal %s && systemctl restart trailwarden",
                    d->user);
        return;
    }
    if (persistent > 0) {
        doctor_say(d, DOCTOR_OK, "the journal can be read and is kept on disk");
        return;
    }
    doctor_say(d, DOCTOR_WARN,
               "the journal is only in memory: what was not read is lost at a reboot");
    doctor_cure(d, "mkdir -p /var/log/journal && systemctl restart systemd-journald");
}

/* ---- rate limits ---- */

/* The last "key = value" of a text; *ret keeps its old value when there is none. */
static bool setting(struct slice text, const char *key, char *ret, size_t size)
{
    struct slice line, name;
    bool found = false;

    while (slice_split(&text, '\n', &line)) {
        if (!slice_split(&line, '=', &name) || !slice_is(slice_trim(name), key))
            continue;
        snprintf(ret, size, "%.*s", SLICE_FMT(slice_trim(line)));
        found = true;
    }
    return found;
}

static bool setting_in(const char *pattern, const char *key, char *ret, size_t size)
{
    glob_t g = { 0 };
    bool found = false;

    if (glob(pattern, 0, NULL, &g) == 0)
        for (size_t i = 0; i < g.gl_pathc; i++) {
            AUTO_BUF text = BUF_INIT;

            if (file_read(-1, g.gl_pathv[i], CONF_MAX, &text, NULL) == 0)
                found = setting(buf_view(&text), key, ret, size) || found;
        }
    globfree(&g);
    return found;
}

/* Later ones win: the file, then the drop-ins of vendor, runtime, administrator. */
static void journald_setting(const char *key, char *ret, size_t size)
{
    static const char *const places[] = {
        "/usr/lib/systemd/journald.conf",          "/etc/systemd/journald.conf",
        "/usr/lib/systemd/journald.conf.d/*.conf", "/run/systemd/journald.conf.d/*.conf",
        "/etc/systemd/journald.conf.d/*.conf",
    };

    for (size_t i = 0; i < ARRAY_SIZE(places); i++)
        setting_in(places[i], key, ret, size);
}

/* "0", "0s", "infinity"-less: only a leading nought switches it off. */
static bool is_off(const char *value)
{
    return value[0] == '0' && strspn(value, "0") == strcspn(value, "smhd. ");
}

static bool unit_is_free(const char *unit)
{
    static const char *const folders[] = { "/usr/lib/systemd/system", "/run/systemd/system",
                                           "/etc/systemd/system" };
    char pattern[512], value[64] = "";

    for (size_t i = 0; i < ARRAY_SIZE(folders); i++) {
        snprintf(pattern, sizeof pattern, "%s/%s", folders[i], unit);
        setting_in(pattern, "LogRateLimitIntervalSec", value, sizeof value);
        snprintf(pattern, sizeof pattern, "%s/%s.d/*.conf", folders[i], unit);
        setting_in(pattern, "LogRateLimitIntervalSec", value, sizeof value);
    }
    return is_off(value);
}

static void check_units(struct doctor *d, const struct config_input *in,
                        const struct option_strs *units)
{
    char interval[64] = "30s", burst[64] = "10000";

    journald_setting("RateLimitIntervalSec", interval, sizeof interval);
    journald_setting("RateLimitBurst", burst, sizeof burst);
    if (is_off(interval) || is_off(burst)) {
        doctor_say(d, DOCTOR_OK, "%s: journald limits no service", in->name);
        return;
    }
    for (size_t i = 0; i < units->n; i++) {
        const char *unit = units->items[i];

        if (unit_is_free(unit)) {
            doctor_say(d, DOCTOR_OK, "%s is free of journald's limit", unit);
            continue;
        }
        doctor_say(
            d, DOCTOR_WARN,
            "journald drops what %s writes beyond %s lines in %s: a flood can hide an attack", unit,
            burst, interval);
        doctor_cure(d, "mkdir -p '/etc/systemd/system/%s.d'", unit);
        doctor_cure(d,
                    "printf '[Service]\\nLogRateLimitIntervalSec=0\\n' > "
                    "'/etc/systemd/system/%s.d/no-rate-limit.conf'",
                    unit);
        doctor_cure(d, "systemctl daemon-reload && systemctl restart '%s'", unit);
    }
}

void doctor_check_rate_limit(struct doctor *d)
{
    doctor_inputs(d, "unit", check_units);
}
