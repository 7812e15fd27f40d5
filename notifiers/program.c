#include "notifiers/program.h"

#include <errno.h>
#include <stdio.h>

#include "base/proc.h"
#include "base/utf8.h"

#define OUTPUT_MAX 512
#define VARIABLE_SIZE 448

int program_check(const struct option_strs *words, struct err *err)
{
    if (words->n == 0)
        return err_set(err, -EINVAL, "'command' has no words");
    if (words->items[0][0] != '/')
        return err_set_at(err, -EINVAL, words->at[0], "'%s' is no absolute path", words->items[0]);
    if (words->n > PROGRAM_WORDS_MAX)
        return err_set(err, -EINVAL, "a command has at most %d words", PROGRAM_WORDS_MAX);
    return 0;
}

void program_word(struct slice s, char *out, size_t size)
{
    size_t n = 0;

    for (size_t i = 0; i < s.n && n + 1 < size; i++) {
        char c = s.p[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                    c == '.' || c == '_' || (c == '-' && n > 0);

        out[n++] = fine ? c : '_';
    }
    out[n] = '\0';
}

static void judge(const struct proc_result *r, struct delivery_result *ret)
{
    AUTO_BUF said = BUF_INIT;
    struct slice out = slice_trim(buf_view(&r->out));

    buf_printable(&said, slice_take(out, 100));
    if (r->timed_out)
        snprintf(ret->status, sizeof ret->status, "killed: it took too long");
    else if (r->signal)
        snprintf(ret->status, sizeof ret->status, "died by signal %d", r->signal);
    else
        snprintf(ret->status, sizeof ret->status, "exit %d%s%.120s", r->status, said.n ? ": " : "",
                 said.n ? said.p : "");
    ret->state = r->timed_out || r->signal || r->status == 75 ? DELIVERY_RETRY
                 : r->status == 0                             ? DELIVERY_SENT
                                                              : DELIVERY_DEAD;
}

void program_run(const char *const *argv, const struct program_variable *variables, size_t n,
                 struct slice input, uint64_t timeout_us, struct delivery_result *ret)
{
    char texts[PROGRAM_VARIABLES_MAX][VARIABLE_SIZE];
    const char *env[PROGRAM_VARIABLES_MAX + 3] = {
        "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C"
    };
    struct proc_result r = { .out = BUF_LIMIT(OUTPUT_MAX) };
    struct err err = ERR_NONE;

    for (size_t i = 0; i < n && i < PROGRAM_VARIABLES_MAX; i++) {
        snprintf(texts[i], sizeof texts[i], "%s=%.*s", variables[i].name,
                 SLICE_FMT(utf8_cut(variables[i].value, 400)));
        env[i + 2] = texts[i];
    }
    if (proc_run(argv, env, input, timeout_us, &r, &err) < 0) {
        ret->state = err.code == -EAGAIN || err.code == -ENOMEM ? DELIVERY_RETRY : DELIVERY_DEAD;
        snprintf(ret->status, sizeof ret->status, "%.150s", err.text);
    } else {
        judge(&r, ret);
    }
    buf_fini(&r.out);
}
