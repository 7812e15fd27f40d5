/* The conversation as both backends hear it, and what is told of it. In the child. */
#include "notifiers/people/smtp-private.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "base/file.h"
#include "base/num.h"
#include "base/utf8.h"
#include "notifiers/dialogue.h"

#define TOLD_TEXT_MAX 120
#define ECHO_MIN 6 /* shorter words of an answer give nothing away */
#define QUIT_SECONDS 5 /* for a relay that is silent when all is said */

/* In the order of enum smtp_step; without a verb: nothing that is said leads there. */
static const struct {
    const char *verb, *name;
} steps[] = {
    { NULL, "the greeting" }, { "EHLO", "EHLO" }, { "HELO", "HELO" }, { "STARTTLS", "STARTTLS" },
    { "AUTH", "the login" },  { "MAIL", "MAIL" }, { "RCPT", "RCPT" }, { "DATA", "DATA" },
    { NULL, "the message" },  { "QUIT", "QUIT" },
};

/* ---- telling ---- */

static bool base64_sign(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '+' ||
           c == '/' || c == '=';
}

/* Without words that we said at the login: a password in base64 comes back in some refusals. */
static void without_echo(const struct dialogue *d, struct slice text, struct buf *out)
{
    struct slice said = slice_of(d->login, d->nlogin);
    size_t n;

    for (; text.n; text = slice_skip(text, n)) {
        for (n = 0; n < text.n && base64_sign(text.p[n]);)
            n++;
        if (n >= ECHO_MIN && slice_find(said, slice_take(text, n)) != SIZE_MAX) {
            buf_str(out, "***");
        } else {
            n = n ? n : 1;
            buf_slice(out, slice_take(text, n));
        }
    }
}

void dialogue_tell(const struct dialogue *d, const char *what, size_t index, int code,
                   struct slice text)
{
    AUTO_BUF clean = BUF_INIT;
    AUTO_BUF line = BUF_INIT;

    buf_printf(&line, "\n@@%s %zu %d ", what, index, code);
    without_echo(d, slice_trim(text), &clean);
    buf_printable(&line, slice_take(buf_view(&clean), TOLD_TEXT_MAX));
    buf_char(&line, '\n');
    if (buf_ok(&line) && buf_ok(&clean))
        (void)fd_write_all(d->fd, line.p, line.n);
}

void dialogue_tell_failure(const struct dialogue *d, const char *library)
{
    dialogue_tell(d, "failure", 0, 0, slice_str(d->refusal[0] ? d->refusal : library));
}

void dialogue_give_up(const struct dialogue *d, const char *what, const char *detail)
{
    char text[200];

    snprintf(text, sizeof text, "%s%s", what, detail);
    dialogue_tell(d, "failure", 0, 0, slice_str(text));
    _exit(1);
}

static void *leave(void *arg UNUSED)
{
    sleep(QUIT_SECONDS);
    _exit(0);
}

/*
 * A thread, because libESMTP has no timeout of its own for the QUIT, and the rights of a
 * sender know no alarm(). Without one the deadline ends it.
 */
void dialogue_told_all(void)
{
    pthread_t thread;

    (void)pthread_create(&thread, NULL, leave, NULL);
}

/* For who tests the relay: the parent notes it. Nothing of the login, nor of the mail. */
static void overheard(const struct dialogue *d, const char *who, struct slice line)
{
    AUTO_BUF text = BUF_INIT;

    if (!dialogue_notes || slice_trim(line).n == 0)
        return;
    buf_printf(&text, "%s%.*s", who, SLICE_FMT(slice_trim(line)));
    dialogue_tell(d, "talk", 0, 0, buf_view(&text));
}

/* ---- what we said ---- */

static void remember_login(struct dialogue *d, struct slice line)
{
    struct slice verb;

    /* "AUTH PLAIN" may come back: it is no secret. */
    if (slice_starts(line, SLICE("AUTH ")) && slice_split(&line, ' ', &verb))
        (void)slice_split(&line, ' ', &verb);
    line = slice_take(line, sizeof d->login - d->nlogin);
    if (line.n)
        memcpy(d->login + d->nlogin, line.p, line.n);
    d->nlogin += line.n;
}

/* The password in both forms that a refusal could have it in, whichever of them is said. */
void dialogue_begin(struct dialogue *d)
{
    struct slice password = secret_view(d->job->password);
    AUTO_BUF plain = BUF_INIT;
    AUTO_BUF both = BUF_INIT;

    if (!d->job->user || !password.n)
        return;
    buf_printf(&plain, "%c%s%c%.*s", 0, d->job->user, 0, SLICE_FMT(password));
    buf_base64(&both, password.p, password.n, true);
    buf_char(&both, ' ');
    buf_base64(&both, plain.p, plain.n, true);
    remember_login(d, buf_view(&both));
}

static void step_to(struct dialogue *d, enum smtp_step step)
{
    if (d->step != step)
        dialogue_tell(d, "step", 0, 0, slice_str(steps[step].name));
    d->step = step;
}

/* At MAIL the login is over, and nothing of it may come later. */
static void check_login(const struct dialogue *d)
{
    if (d->job->user && !d->logged_in)
        dialogue_give_up(d, d->refusal[0] ? d->refusal : "login refused: ",
                         d->refusal[0] ? "" : "the relay offers none");
}

/* Several commands can come at once; the last one is what we wait for. */
void dialogue_said(struct dialogue *d, struct slice bytes)
{
    struct slice line;

    if (d->step == STEP_DOT && !d->complete)
        return; /* the message itself */
    d->complete = false;
    if (d->challenged) { /* may look like any command */
        d->challenged = false;
        overheard(d, "> ", SLICE("(login)"));
        remember_login(d, slice_trim(bytes));
        return;
    }
    while (slice_split(&bytes, '\n', &line)) {
        for (size_t i = 0; i < ARRAY_SIZE(steps); i++)
            if (steps[i].verb && slice_starts(line, slice_str(steps[i].verb)))
                step_to(d, (enum smtp_step)i);
        overheard(d, "> ", d->step == STEP_LOGIN ? SLICE("AUTH (login)") : line);
        if (d->step == STEP_LOGIN)
            remember_login(d, slice_trim(line));
        else if (d->step == STEP_MAIL)
            check_login(d);
    }
    d->starttls = d->starttls || d->step == STEP_STARTTLS;
}

/* ---- what the relay said ---- */

static int code_of(struct slice line)
{
    uint64_t code;

    if (line.n > 3 && line.p[3] != ' ' && line.p[3] != '-')
        return 0;
    return parse_u64(slice_take(line, 3), 200, 599, &code) < 0 ? 0 : (int)code;
}

static void on_refusal(struct dialogue *d, struct slice answer)
{
    if (d->step == STEP_LOGIN)
        snprintf(d->refusal, sizeof d->refusal, "login refused: %.*s",
                 SLICE_FMT(slice_take(answer, 100)));
    else if (d->step < STEP_MAIL)
        snprintf(d->refusal, sizeof d->refusal, "%s: %.*s", steps[d->step].name,
                 SLICE_FMT(slice_take(answer, 100)));
}

static void on_answer(struct dialogue *d)
{
    struct slice answer = slice_str(d->answer);
    int code = code_of(answer);

    d->complete = true;
    d->challenged = d->step == STEP_LOGIN && code / 100 == 3;
    if (code >= 400)
        on_refusal(d, answer);
    else if (d->step < STEP_MAIL)
        d->refusal[0] = '\0';
    if (d->step == STEP_LOGIN && code / 100 == 2)
        d->logged_in = true;
    if (d->step == STEP_STARTTLS && code != 220)
        d->starttls = false;
    if (d->on_answer)
        d->on_answer(d, code, slice_skip(answer, 4));
    if (d->step == STEP_DATA && code == 354) {
        step_to(d, STEP_DOT);
        overheard(d, "> ", SLICE("(the mail)"));
        d->complete = false;
    }
}

/* The wrong port, as a rule. Waiting for a code would be waiting for the deadline. */
static void no_smtp(const struct dialogue *d, struct slice line)
{
    char text[80];

    snprintf(text, sizeof text, "%.*s", SLICE_FMT(slice_take(line, sizeof text - 1)));
    dialogue_give_up(d, "no answer of SMTP: ", text);
}

/* "NNN-" goes on, "NNN " ends; the text is that of the first line, which says most. */
static void on_line(struct dialogue *d)
{
    struct slice line = slice_trim(slice_of(d->line, d->nline));
    bool more = line.n > 3 && line.p[3] == '-';

    overheard(d, "< ", line);
    if (code_of(line) == 0)
        no_smtp(d, line);
    if (!d->answer[0])
        snprintf(d->answer, sizeof d->answer, "%.*s%s%.*s", SLICE_FMT(slice_take(line, 3)), " ",
                 SLICE_FMT(slice_skip(line, 4)));
    if (d->step == STEP_EHLO && slice_starts(slice_skip(line, 4), SLICE("AUTH")))
        d->login_offered = true;
    if (!more) {
        on_answer(d);
        d->answer[0] = '\0';
    }
}

/*
 * Bytes that came behind an answer and before the TLS handshake would be taken as
 * answers behind it: a man in the middle could have a mail "accepted" that way.
 */
void dialogue_heard(struct dialogue *d, struct slice bytes)
{
    while (bytes.n) {
        size_t end = slice_find_byte(bytes, '\n');
        struct slice part = slice_take(bytes, end == SIZE_MAX ? bytes.n : end + 1);

        if (d->starttls && d->complete && !d->tls)
            dialogue_give_up(d,
                             "the relay answered before it was asked: ", "somebody is in between");
        bytes = slice_skip(bytes, part.n);
        part = slice_take(part, sizeof d->line - d->nline);
        memcpy(d->line + d->nline, part.p, part.n);
        d->nline += part.n;
        if (end != SIZE_MAX) {
            on_line(d);
            d->nline = 0;
        }
    }
}
