#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/slice.h"
#include "base/utf8.h"

/* Longer texts are cut. */
#define TEXT_SIZE 4096

static enum log_level max_level = LOG_LEVEL_NOTICE;
static const char *role_name = "trailwarden";
static bool to_journal;

/* systemd sets JOURNAL_STREAM=DEVICE:INODE of the stream it gave us (systemd.exec(5)). */
static bool stderr_is_journal(void)
{
    const char *text = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    return text && sscanf(text, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
           st.st_dev == dev && st.st_ino == ino;
}

void log_init(enum log_level max, const char *role)
{
    max_level = max;
    role_name = role;
    to_journal = stderr_is_journal();
}

void log_at(enum log_level level, const char *fmt, ...)
{
    AUTO_BUF line = BUF_INIT;
    char text[TEXT_SIZE];
    int saved = errno;
    va_list args;

    if (level > max_level)
        return;
    va_start(args, fmt);
    if (vsnprintf(text, sizeof text, fmt, args) < 0)
        text[0] = '\0';
    va_end(args);
    if (to_journal)
        buf_printf(&line, "<%d>", (int)level);
    else
        buf_printf(&line, "%s: ", role_name);
    buf_printable(&line, utf8_cut(slice_str(text), TEXT_SIZE - 4));
    buf_char(&line, '\n');
    if (buf_ok(&line))
        fwrite(line.p, 1, line.n, stderr);
    errno = saved;
}

void log_err(enum log_level level, const struct err *err)
{
    if (err->at.line)
        log_at(level, "%s:%u:%u: %s", err->at.file ? err->at.file : "", err->at.line,
               err->at.column, err->text);
    else
        log_at(level, "%s", err->text);
}

bool log_gate(struct log_gate *g, uint64_t now_mono_us, uint64_t *ret_missed)
{
    if (now_mono_us < g->next_us) {
        g->missed++;
        return false;
    }
    if (ret_missed)
        *ret_missed = g->missed;
    g->missed = 0;
    g->next_us = now_mono_us + 60 * USEC_PER_SEC;
    return true;
}
