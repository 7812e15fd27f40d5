/* trail recover, trail rotate-identity: a new trail in the place of this one. */
#include <errno.h>
#include <sys/stat.h>

#include "audit/keep.h"
#include "base/clock.h"
#include "base/hash.h"
#include "base/num.h"
#include "logwatch/commands/trail-keep.h"
#include "logwatch/core-trail.h"

static const struct clock real = CLOCK_REAL;

struct moving {
    struct cli *cli;
    struct config *config;
    char old_origin[AUDIT_ORIGIN_MAX];
    struct audit_prev prev;
    char begun[AUDIT_ORIGIN_MAX]; /* by an earlier run that was ended */
    struct audit_anchors anchors; /* of the new trail */
};

static int usage(const char *command, const char *text)
{
    fprintf(stderr, "trailwarden: %s; see `trailwarden %s --help`\n", text, command);
    return EXIT_USAGE;
}

/* True: go on. */
static bool agreed(const struct cli *cli)
{
    char answer[16];

    if (cli_has(cli, CLI_YES))
        return true;
    if (!isatty(STDIN_FILENO)) {
        fputs("trailwarden: nobody can be asked here: say --yes\n", stderr);
        return false;
    }
    fputs("Go on? Type yes: ", stderr);
    return fgets(answer, sizeof answer, stdin) && slice_is(slice_trim(slice_str(answer)), "yes");
}

/* The new trail is opened under its name; the first commit is the state's, too. */
static int enter_new(struct moving *m, const char *origin, struct err *err)
{
    AUTO(core) core = NULL;
    int r;

    m->config->origin = origin;
    r = core_attach(m->config, &real, &core, err);
    if (r == 0)
        r = trail_settle(core, err);
    if (r == 0)
        audit_anchors(core_audit(core), &m->anchors);
    return r;
}

static void tell(const struct moving *m)
{
    FILE *out = m->cli->out;
    AUTO_BUF b = BUF_INIT;
    struct json_writer w = json_writer(&b);

    if (cli_has(m->cli, CLI_JSON)) {
        json_object(&w);
        json_member_str(&w, "origin", m->config->origin);
        json_member_str(&w, "vkey", m->anchors.identity_vkey);
        json_member_str(&w, "epoch_vkey", m->anchors.epoch_vkey);
        json_object_end(&w);
        fprintf(out, "%.*s\n", SLICE_FMT(buf_view(&b)));
        return;
    }
    fprintf(
        out,
        "the new trail is '%s'; the old one lies beside it as '%s.*' and verifies with its own"
        " keys.\nkeep these two lines somewhere else; they prove the new trail later:\n%s\n%s\n",
        m->config->origin, m->config->trail, m->anchors.identity_vkey, m->anchors.epoch_vkey);
    if (m->config->origin_given)
        fprintf(out, "set trail: {origin: %s} in the configuration before the next start\n",
                m->config->origin);
}

static int load(struct moving *m, struct config **ret_config)
{
    AUTO(diag) d = diag_new();
    struct err err = ERR_NONE;
    int r = d ? cli_config(m->cli, false, d, ret_config) : EXIT_FAILED;

    m->config = *ret_config;
    umask(0027);
    return r ? r : cli_check_owner(*ret_config, &err) < 0 ? cli_error(&err) : EXIT_DONE;
}

/* ---- recover ---- */

/* 0: it is damaged, and `why` says how; 1: it is not. */
static int diagnose(const struct config *c, struct store *store, struct err *why, struct err *err)
{
    struct audit_config ac = core_trail_config(c, &real);
    struct trail_end end = { 0 };
    AUTO(audit) a = NULL;
    uint64_t replay_from;
    int r;

    ac.any_origin = true; /* another name in the configuration is no damage */
    (void)store_trail_end(store, &end);
    r = audit_open(&ac, &end, &a, &replay_from, why);
    if (r == 0)
        return 1;
    if (r == -EUCLEAN || r == -ENOKEY)
        return 0;
    return err_set(err, r, "%s", why->text);
}

static void find_prev(struct moving *m)
{
    struct audit_config ac = core_trail_config(m->config, &real);

    if (audit_believable(&ac, m->old_origin, &m->prev, NULL) == 0)
        return;
    (void)snprintf(m->old_origin, sizeof m->old_origin, "%s", m->config->origin);
    m->prev = (struct audit_prev){ .origin = m->old_origin };
    sha256("", 0, m->prev.root);
}

static void explain(const struct moving *m, const struct err *why)
{
    fprintf(stderr,
            "%s\n\n"
            "The trail in '%s' and its keys are put aside and kept: look what happened to it.\n"
            "A new trail '%s' begins, with new keys. Its first entry says that it follows '%s',\n"
            "of which %llu entries were signed. Who holds a kept checkpoint can still judge the\n"
            "old trail; what was not signed there is not proved. A restored copy is better, if\n"
            "there is one: then say no.\n",
            why->text, m->config->trail, m->cli->values[CLI_NEW_ORIGIN], m->old_origin,
            (unsigned long long)m->prev.size);
}

/* 1 = an earlier run had begun it: the new trail only needs to be entered. */
static int recover_under_lock(struct moving *m, struct err *err)
{
    struct audit_config ac = core_trail_config(m->config, &real);
    AUTO_BUF path = BUF_INIT;
    AUTO_BUF by = BUF_INIT;
    AUTO(store) store = NULL;
    struct err why = ERR_NONE;
    int r;

    buf_printf(&path, "%s/trailwarden.db", m->config->state);
    trail_who(&by);
    if (!buf_ok(&path) || !buf_ok(&by))
        return err_nomem(err);
    if (store_open(path.p, true, &store, err) < 0)
        return err_code(err);
    r = audit_move_finish(&ac, m->begun, err);
    if (r < 0 || m->begun[0])
        return r < 0 ? r : 1;
    r = diagnose(m->config, store, &why, err);
    if (r == 1)
        return err_set(err, -EINVAL,
                       "the trail is not damaged; for a new key: trailwarden trail"
                       " rotate-identity");
    if (r < 0)
        return r;
    find_prev(m);
    explain(m, &why);
    if (!agreed(m->cli))
        return err_set(err, -ECANCELED, "nothing was changed");
    return audit_move_begin(&ac,
                            &(struct audit_move){ .origin = m->cli->values[CLI_NEW_ORIGIN],
                                                  .prev = m->prev,
                                                  .damaged = true,
                                                  .by = by.p },
                            err);
}

int command_trail_recover(struct cli *cli)
{
    AUTO(config) c = NULL;
    struct moving m = { .cli = cli };
    struct err err = ERR_NONE;
    int r;

    if (!cli_has(cli, CLI_NEW_ORIGIN))
        return usage("trail recover", "--new-origin NAME is wanted: the old name is spent");
    r = load(&m, &c);
    if (r)
        return r;
    r = recover_under_lock(&m, &err);
    if (r < 0 || enter_new(&m, r ? m.begun : cli->values[CLI_NEW_ORIGIN], &err) < 0)
        return cli_error(&err);
    tell(&m);
    return EXIT_DONE;
}

/* ---- rotate-identity ---- */

/* "host/trail/1" becomes "host/trail/2", any other name gets "/2". */
static void next_origin(const char *old, char out[AUDIT_ORIGIN_MAX])
{
    const char *slash = strrchr(old, '/');
    uint64_t n = 1;
    size_t keep = strlen(old);

    if (slash && parse_u64(slice_str(slash + 1), 1, 999998, &n) == 0)
        keep = (size_t)(slash - old);
    (void)snprintf(out, AUDIT_ORIGIN_MAX, "%.*s/%llu", (int)keep, old, (unsigned long long)n + 1);
}

static int close_trail(struct core *core, const char *origin, struct err *err)
{
    AUTO_BUF members = BUF_INIT;
    AUTO_BUF by = BUF_INIT;
    struct json_writer w = json_writer(&members);
    int r;

    trail_who(&by);
    json_member_str(&w, "next", origin);
    json_member_buf(&w, "by", &by);
    if (!buf_ok(&members) || !buf_ok(&by))
        return err_nomem(err);
    r = audit_rotate_begin(core_audit(core), origin, by.p, err);
    if (r == 0)
        r = core_note(core, "trail.close", buf_view(&members), err);
    if (r == 0)
        r = trail_settle(core, err);
    return r < 0 ? r : audit_rotate_move(core_audit(core), err);
}

/* What an earlier run had begun is finished when the trail is opened: not a second time. */
static bool rotated_already(struct moving *m, struct core *core, char origin[AUDIT_ORIGIN_MAX])
{
    memcpy(origin, m->begun, AUDIT_ORIGIN_MAX);
    return m->begun[0] && strcmp(m->begun, audit_origin(core_audit(core))) == 0;
}

static int rotate(struct moving *m, char origin[AUDIT_ORIGIN_MAX], struct err *err)
{
    struct audit_config ac = core_trail_config(m->config, &real);
    AUTO(core) core = NULL;
    const char *given = m->cli->values[CLI_NEW_ORIGIN];
    int r = audit_move_target(&ac, m->begun, err);

    if (r == 0)
        r = trail_attach(m->config, &core, err);
    if (r < 0 || rotated_already(m, core, origin))
        return r;
    if (given)
        (void)snprintf(origin, AUDIT_ORIGIN_MAX, "%s", given);
    else
        next_origin(audit_origin(core_audit(core)), origin);
    fprintf(stderr,
            "The trail '%s' is closed for ever, and its secret keys are wiped. The trail '%s' with"
            " new keys follows it.\n",
            audit_origin(core_audit(core)), origin);
    if (!agreed(m->cli))
        return err_set(err, -ECANCELED, "nothing was changed");
    return close_trail(core, origin, err);
}

int command_trail_rotate(struct cli *cli)
{
    AUTO(config) c = NULL;
    struct moving m = { .cli = cli };
    char origin[AUDIT_ORIGIN_MAX];
    struct err err = ERR_NONE;
    int r = load(&m, &c);

    if (r)
        return r;
    if (rotate(&m, origin, &err) < 0 || enter_new(&m, origin, &err) < 0)
        return cli_error(&err);
    tell(&m);
    return EXIT_DONE;
}
