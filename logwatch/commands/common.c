#include "logwatch/commands/common.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/file.h"
#include "base/num.h"

int cli_config(struct cli *cli, bool discover, struct diag *d, struct config **ret_config)
{
    struct config_request q = { .path = cli->values[CLI_CONFIG],
                                .state = cli->values[CLI_STATE],
                                .discover = discover };
    int r = config_load(&q, d, ret_config);

    if (r == -ENOMEM) {
        fputs("trailwarden: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    return diag_errors(d) ? cli_diag(cli, d) : EXIT_DONE;
}

static int own_engine(struct cli *cli, const char *const *more, size_t nmore,
                      struct engine **ret_engine)
{
    const char *paths[CLI_VALUES_MAX * 2];
    struct engine_request q = { .rule_paths = paths, .no_library = cli_has(cli, CLI_NO_LIBRARY) };
    AUTO(diag) d = diag_new();
    int r;

    for (size_t i = 0; i < cli->nmany; i++)
        if (cli->many_of[i] == CLI_RULES)
            paths[q.nrule_paths++] = cli->many[i];
    for (size_t i = 0; i < nmore && q.nrule_paths < ARRAY_SIZE(paths); i++)
        paths[q.nrule_paths++] = more[i];
    r = d ? engine_load(&q, d, ret_engine) : -ENOMEM;
    if (r < 0) {
        fputs("trailwarden: out of memory\n", stderr);
        return EXIT_FAILED;
    }
    return diag_errors(d) ? cli_diag(cli, d) : EXIT_DONE;
}

int cli_engine(struct cli *cli, const char *const *more, size_t nmore, struct config **ret_config,
               struct engine **ret_engine, const struct engine **ret_use)
{
    AUTO(diag) d = diag_new();
    int r;

    if (cli_has(cli, CLI_RULES) || cli_has(cli, CLI_NO_LIBRARY) || nmore ||
        (!cli_has(cli, CLI_CONFIG) && access(CONFIG_PATH, R_OK) < 0)) {
        r = own_engine(cli, more, nmore, ret_engine);
        *ret_use = *ret_engine;
        return r;
    }
    r = d ? cli_config(cli, false, d, ret_config) : EXIT_FAILED;
    if (r == EXIT_DONE)
        *ret_use = (*ret_config)->engine;
    return r;
}

int cli_trail(struct cli *cli, struct config **ret_config, const char **ret_folder)
{
    AUTO(diag) d = diag_new();
    int r;

    *ret_folder = cli->values[CLI_TRAIL];
    if (*ret_folder)
        return EXIT_DONE;
    r = d ? cli_config(cli, false, d, ret_config) : EXIT_FAILED;
    if (r == EXIT_DONE)
        *ret_folder = (*ret_config)->trail;
    return r;
}

int cli_time(const struct cli *cli, enum cli_option_id id, uint64_t *ret_us)
{
    const struct clock real = CLOCK_REAL;
    struct slice text = slice_str(cli->values[id]);
    uint64_t ago;

    *ret_us = 0;
    if (!cli_has(cli, id) || time_parse_rfc3339(text, ret_us) == 0)
        return EXIT_DONE;
    if (parse_duration(text, &ago) == 0 && ago < clock_now(&real)) {
        *ret_us = clock_now(&real) - ago;
        return EXIT_DONE;
    }
    fprintf(stderr,
            "trailwarden: --%s is a time like 2026-11-21T10:42:00Z, or how long ago, like 30m\n",
            cli_options[id].name);
    return EXIT_USAGE;
}

uint64_t files_size(const char *const *paths, size_t n)
{
    uint64_t total = 0;

    for (size_t i = 0; i < n; i++) {
        struct stat st;

        if (stat(paths[i], &st) == 0)
            total += (uint64_t)st.st_size;
    }
    return total;
}

/* Who is behind sudo, as the kernel knows; UINT64_MAX = it does not. */
static uint64_t login_uid(void)
{
    AUTO_BUF b = BUF_INIT;
    uint64_t uid;

    if (file_read(-1, "/proc/self/loginuid", 64, &b, NULL) < 0 ||
        parse_u64(slice_trim(buf_view(&b)), 0, UINT32_MAX - 1, &uid) < 0)
        return UINT64_MAX;
    return uid;
}

void cli_who(struct buf *out)
{
    struct json_writer w = json_writer(out);

    json_member_u64(&w, "uid", getuid());
    if (login_uid() != UINT64_MAX)
        json_member_u64(&w, "login_uid", login_uid());
}

int cli_check_owner(const struct config *c, struct err *err)
{
    struct stat st;

    if (stat(c->state, &st) < 0)
        return err_set(err, -errno, "cannot look at '%s': %s", c->state, err_name(errno));
    if (st.st_uid != geteuid())
        return err_set(err, -EPERM, "'%s' belongs to user %u: run this as that user", c->state,
                       (unsigned)st.st_uid);
    return 0;
}
