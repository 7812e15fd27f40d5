/*
 * A trail that does not verify is told to every receiver at once: not through the outbox, which is
 * the core's, and the core is dead by then. Each has a process with the rights of its sender and
 * half a minute; what was not delivered by then stays in the journal and in the exit status.
 */
#include "logwatch/parent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>

#include "base/hash.h"
#include "base/log.h"
#include "logwatch/sender.h"

#define TELL_S 30
#define ATTEMPTS 3
#define RECEIVERS_MAX 64
#define PAUSE_US 2000000

static void fill_alert(struct alert *a, struct slice text)
{
    static const struct slice tags[] = { { "attack.defense-evasion", 22 }, { "attack.t1070", 12 } };
    const struct clock real = CLOCK_REAL;

    a->rule_id = SLICE("5b8a7f0c-2f5e-5c0e-9d5c-6f7b1f0c7d11");
    a->rule_title = SLICE("The audit trail does not verify");
    a->rule_author = SLICE("trailwarden");
    a->rule_description = text;
    a->level = LEVEL_CRITICAL;
    a->tags = (struct slice *)(uintptr_t)tags;
    a->ntags = ARRAY_SIZE(tags);
    a->channel = SLICE("trailwarden");
    a->time_us = a->first_us = clock_now(&real);
    a->count = a->threshold = 1;
    a->audit = true;
    sha256(text.p, text.n, a->event_hash);
    alert_identify(a);
}

static int deliver(const struct config *c, struct sink *sink, struct slice text)
{
    const struct clock real = CLOCK_REAL;
    AUTO(arena) arena = arena_new(65536, 8 << 20);
    struct alert alert = { .count = 1 };
    AUTO_BUF document = BUF_INIT;
    AUTO_BUF key = BUF_INIT;
    struct json_writer w = json_writer(&document);
    struct delivery d = { .kind = SLICE("notify"), .host = c->host };
    struct delivery_result r = { .state = DELIVERY_RETRY };

    fill_alert(&alert, text);
    alert_json(&alert, &w);
    buf_hex(&key, alert.id, sizeof alert.id);
    if (!arena || !buf_ok(&document) || !buf_ok(&key))
        return ROLE_FAILED;
    d.key = buf_view(&key);
    d.text = buf_view(&document);
    d.document = json_load(arena, d.text, NULL);
    while (d.document && r.state == DELIVERY_RETRY && d.attempt < ATTEMPTS) {
        if (d.attempt++)
            (void)usleep(PAUSE_US);
        d.now_us = clock_now(&real);
        sink->ops->deliver(sink, &d, &r);
    }
    if (r.state != DELIVERY_SENT)
        log_error("'%s' was not told that the trail does not verify: %s", sink->name, r.status);
    return r.state == DELIVERY_SENT ? ROLE_DONE : ROLE_FAILED;
}

static int tell_main(struct parent *p, size_t i, struct slice text)
{
    struct role_start s = { .config = p->config, .parent = -1, .core = -1, .index = i };
    struct sink *sink = sender_sink(p->config, i);
    struct err err = ERR_NONE;
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);

    (void)prctl(PR_SET_NAME, "tw-tell");
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (null >= 0)
        (void)dup2(null, STDIN_FILENO);
    (void)close_range(3, ~0u, 0);
    config_forget_sinks(p->config, sink);
    signal(SIGTERM, SIG_DFL);
    sigprocmask(SIG_SETMASK, &p->before, NULL);
    (void)alarm(TELL_S);
    if (role_drop_rights(ROLE_SENDER, &s, &err) < 0) {
        log_err(LOG_LEVEL_ERROR, &err);
        return ROLE_FAILED;
    }
    return deliver(p->config, sink, text);
}

void parent_guard_tell(struct parent *p, struct slice text)
{
    pid_t pids[RECEIVERS_MAX];
    size_t n = 0;

    fflush(NULL);
    for (size_t i = 0; i < sender_count(p->config) && n < ARRAY_SIZE(pids); i++) {
        pids[n] = fork();
        if (pids[n] == 0)
            _exit(tell_main(p, i, text));
        n += pids[n] > 0;
    }
    for (size_t i = 0; i < n; i++)
        while (waitpid(pids[i], NULL, 0) < 0 && errno == EINTR)
            ;
}
