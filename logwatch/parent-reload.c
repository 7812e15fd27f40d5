/* Another configuration, whole or not at all. */
#include "logwatch/parent-private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "base/log.h"
#include "logwatch/control.h"

void parent_answer(struct parent *p, const char *text)
{
    if (p->asker >= 0)
        control_answer(p->asker, text);
    p->asker = -1;
}

/* Sockets that are open under the same key stay; the others are opened now, while that can still
 * be refused. */
int parent_take_sockets(struct config *c, const struct config *old, struct err *err)
{
    for (size_t i = 0; i < inputs_count(c); i++) {
        struct config_input *in = inputs_at(c, i);
        AUTO_BUF key = BUF_INIT;

        if (!in->ops->listen)
            continue;
        in->ops->listen_key(in->state, &key);
        for (size_t k = 0; old && k < inputs_count(old); k++) {
            const struct config_input *was = inputs_at(old, k);
            AUTO_BUF other = BUF_INIT;

            if (was->ops != in->ops || was->socket < 0)
                continue;
            was->ops->listen_key(was->state, &other);
            if (slice_eq(buf_view(&key), buf_view(&other)))
                in->socket = fcntl(was->socket, F_DUPFD_CLOEXEC, 3);
        }
        if (in->socket < 0 && in->ops->listen(in->state, &in->socket, err) < 0)
            return err_while(err, "input '%s'", in->name);
    }
    return 0;
}

void parent_close_sockets(const struct config *c)
{
    for (size_t i = 0; c && i < inputs_count(c); i++)
        if (inputs_at(c, i)->socket >= 0)
            close(inputs_at(c, i)->socket);
}

static void refuse(struct parent *p, const char *why)
{
    AUTO_BUF b = BUF_INIT;
    AUTO_BUF text = BUF_INIT;
    struct json_writer w = json_writer(&b);

    log_error("the configuration stays as it was: %s", why);
    json_member_str(&w, "error", why);
    if (buf_ok(&b))
        parent_tell_entry(p, "config.refused", buf_view(&b));
    buf_printf(&text, "failed: %s", why);
    parent_answer(p, buf_ok(&text) ? text.p : "failed");
    sd_notify(0, "READY=1");
}

static struct config *load_next(struct parent *p, struct diag *d, struct err *err)
{
    AUTO(config) c = NULL;

    if (config_load(&p->options->request, d, &c) == -ENOMEM) {
        err_nomem(err);
        return NULL;
    }
    diag_print(d, stderr, false);
    if (diag_errors(d)) {
        err_set(err, -EINVAL, "%s", diag_text(d, 0));
        return NULL;
    }
    if (inputs_count(c) == 0) {
        err_set(err, -EINVAL, "nothing to follow");
        return NULL;
    }
    if (strcmp(c->state, p->config->state) != 0 || strcmp(c->trail, p->config->trail) != 0 ||
        strcmp(c->keys, p->config->keys) != 0 || strcmp(c->origin, p->config->origin) != 0) {
        err_set(err, -EINVAL, "state, trail, keys and origin change only with a restart");
        return NULL;
    }
    if (parent_take_sockets(c, p->config, err) < 0) {
        parent_close_sockets(c);
        return NULL;
    }
    return TAKE(c);
}

void parent_reload(struct parent *p)
{
    AUTO(diag) d = diag_new();
    struct err err = ERR_NONE;
    char text[100];

    if (p->phase != PHASE_RUN || p->next) {
        parent_answer(p, "failed: already reloading or ending");
        return;
    }
    (void)snprintf(text, sizeof text, "RELOADING=1\nMONOTONIC_USEC=%llu",
                   (unsigned long long)clock_mono(&p->clock));
    sd_notify(0, text);
    p->next = d ? load_next(p, d, &err) : NULL;
    if (!p->next) {
        refuse(p, d ? err.text : "out of memory");
        return;
    }
    log_notice("the new configuration is good: changing over");
    parent_stop(p);
}

int parent_change_over(struct parent *p, struct err *err)
{
    struct config *old = p->config;

    p->config = TAKE(p->next);
    parent_close_sockets(old);
    config_free(old);
    if (parent_make_children(p, err) < 0)
        return err_code(err);
    if (p->options->loaded)
        p->options->loaded(p->config);
    return parent_start(p, "daemon.reload", err);
}
