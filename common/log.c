/* SPDX-License-Identifier: MIT */
#include <stdarg.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "common/log.h"
#include "common/utf8.h"

#define MAX_LINE 1024

static const struct level {
    const char *text;   /* as options name it */
    const char *label;  /* as a line shows it */
    const char *prefix; /* of sd-daemon(3) */
} levels[] = {
    [PS_LOG_ERROR] = {"error", "ERROR", "<3>"},
    [PS_LOG_WARNING] = {"warning", "WARNING", "<4>"},
    [PS_LOG_INFO] = {"info", "INFO", "<6>"},
    [PS_LOG_DEBUG] = {"debug", "DEBUG", "<7>"},
};

/* Set once at the start, before there are threads; the level at any time. */
static _Atomic(const char *) log_name = "packetscope";
static atomic_bool to_journal;
static atomic_int log_level = PS_LOG_INFO;
static atomic_uint_least64_t lines_lost;

/* JOURNAL_STREAM is inherited by children whose standard error is no longer
 * the journal, so it names the stream: device:inode. */
static bool stderr_is_journal(void)
{
    const char *stream = getenv("JOURNAL_STREAM");
    unsigned long long dev, ino;
    struct stat st;

    if (!stream || sscanf(stream, "%llu:%llu", &dev, &ino) != 2)
        return false;
    if (fstat(STDERR_FILENO, &st) < 0)
        return false;
    return st.st_dev == dev && st.st_ino == ino;
}

void ps_log_init(const char *name)
{
    atomic_store(&log_name, name);
    atomic_store(&to_journal, stderr_is_journal());
}

void ps_log_set_level(enum ps_log_level level)
{
    atomic_store(&log_level, (int)level);
}

int ps_log_parse_level(const char *text, enum ps_log_level *ret_level)
{
    for (size_t i = 0; i < ARRAY_SIZE(levels); i++) {
        if (ps_streq(text, levels[i].text)) {
            *ret_level = (enum ps_log_level)i;
            return 0;
        }
    }
    return -EINVAL;
}

/* Time, level and name; returns the bytes written. */
static size_t put_head(char *line, size_t size, enum ps_log_level level)
{
    const char *name = atomic_load(&log_name);
    struct timespec ts;
    struct tm tm;
    int n;

    if (atomic_load(&to_journal)) {
        n = snprintf(line, size, "%s%.32s ", levels[level].prefix, name);
    } else {
        clock_gettime(CLOCK_REALTIME, &ts);
        gmtime_r(&ts.tv_sec, &tm);
        n = snprintf(
            line, size, "%04d-%02d-%02dT%02d:%02d:%02d.%06ldZ %s %.32s ",
            tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour, tm.tm_min,
            tm.tm_sec, ts.tv_nsec / 1000, levels[level].label, name);
    }
    if (n < 0)
        return 0;
    return (size_t)n < size ? (size_t)n : size - 1;
}

/* U+0080 to U+009F: some terminals take them as the start of commands. */
static bool is_c1(const char *s, size_t n)
{
    return n == 2 && (uint8_t)s[0] == 0xc2 && (uint8_t)s[1] < 0xa0;
}

/* Nothing that a value holds can end the line or drive a terminal; a sequence
 * that the cut at the end has halved goes too. Returns the new length. */
static size_t clean(char *line, size_t len)
{
    size_t out = 0;

    for (size_t i = 0; i < len;) {
        size_t n = ps_utf8_sequence(line + i, len - i);

        if (n == 0 && len - i < 4 && len == MAX_LINE - 2)
            break;
        if (n == 0 || (uint8_t)line[i] < 0x20 || line[i] == 0x7f ||
            is_c1(line + i, n)) {
            line[out++] = '?';
            i += n ? n : 1;
            continue;
        }
        memmove(line + out, line + i, n);
        out += n;
        i += n;
    }
    return out;
}

static size_t _printf_(3, 0)
    put_text(char *line, size_t size, const char *fmt, va_list ap)
{
    int n = vsnprintf(line, size, fmt, ap);

    if (n < 0)
        return 0;
    return (size_t)n < size ? (size_t)n : size - 1;
}

void ps_log(enum ps_log_level level, const char *event, const char *fmt, ...)
{
    /* One more than is kept: room for the newline. */
    char line[MAX_LINE];
    const size_t size = sizeof(line) - 1;
    int saved = errno;
    size_t len;
    va_list ap;

    if ((int)level > atomic_load(&log_level))
        return;
    len = put_head(line, size, level);
    len += (size_t)snprintf(line + len, size - len, "%.64s", event);
    if (fmt && len + 1 < size) {
        line[len++] = ' ';
        va_start(ap, fmt);
        len += put_text(line + len, size - len, fmt, ap);
        va_end(ap);
    }
    len = clean(line, len);
    line[len++] = '\n';
    /* One write: lines of threads and of other daemons do not mix. */
    if (write(STDERR_FILENO, line, len) != (ssize_t)len)
        atomic_fetch_add(&lines_lost, 1);
    errno = saved;
}

uint64_t ps_log_lost(void)
{
    return atomic_load(&lines_lost);
}
