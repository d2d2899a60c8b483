/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Logging (see log.h). Whether standard error is the journal is found by JOURNAL_STREAM, as sd-daemon programs do.
 */
#include "base/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/macro.h"

#define FIELDS_MAX       12
#define REPEATS_A_MINUTE 20

static const struct event_row rows[] = {
#define EVENT_ROW(id, level, fields, text) {#id, LOG_LEVEL_##level, fields, text},
    EVENT_TABLE(EVENT_ROW)
#undef EVENT_ROW
};

static atomic_ulong counts[EVENT_COUNT];
static atomic_int level_max = LOG_LEVEL_INFO;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
    int64_t minute;
    uint64_t said, unsaid;
} repeats[EVENT_COUNT];

struct fields {
    size_t n;
    const char *name[FIELDS_MAX], *value[FIELDS_MAX];
};

const struct event_row *event_row(unsigned event)
{
    return event < EVENT_COUNT ? &rows[event] : NULL;
}

void log_set_level(int level)
{
    level_max = level;
}

int log_level_from_name(const char *name)
{
    static const char *const names[] = {"error", "warning", "notice", "info", "debug"};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (strcasecmp(name, names[i]) == 0)
            return LOG_LEVEL_ERROR + (int)i;
    return -1;
}

uint64_t log_count(enum event event)
{
    return event < EVENT_COUNT ? atomic_load(&counts[event]) : 0;
}

static const char *field_value(const struct fields *f, const char *name, size_t length)
{
    for (size_t i = 0; i < f->n; i++)
        if (strlen(f->name[i]) == length && strncmp(f->name[i], name, length) == 0)
            return f->value[i];
    return "-";
}

/* Appends what a terminal may be shown: whole characters of valid UTF-8 that control nothing (C1 neither), '?' for all else. */
static size_t append_value(char *out, size_t size, const char *value)
{
    size_t at = 0, length = strlen(value);

    for (size_t i = 0; i < length;) {
        const uint8_t *s = (const uint8_t *)value + i;
        size_t n = utf8_sequence_length(s, length - i);
        bool plain = n > 0 && !utf8_is_control(s, n);

        if (at + MAX(n, 1u) >= size)
            break;
        if (plain)
            memcpy(out + at, s, n);
        else
            out[at] = '?';
        at += plain ? n : 1;
        i += MAX(n, 1u);
    }
    return at;
}

/* Fills the {FIELD}s of the row's text. */
static void render(const struct event_row *row, const struct fields *f, char *out, size_t size)
{
    size_t at = 0;

    for (const char *p = row->text; *p && at + 1 < size;) {
        const char *end = *p == '{' ? strchr(p, '}') : NULL;
        if (!end) {
            out[at++] = *p++;
            continue;
        }
        const char *value = field_value(f, p + 1, (size_t)(end - p - 1));
        at += append_value(out + at, size - at, value);
        p = end + 1;
    }
    out[at] = 0;
}

bool log_is_journal(void)
{
    static atomic_int known = -1;
    unsigned long long dev, ino;
    const char *env;
    struct stat st;

    if (known >= 0)
        return known;
    env = getenv("JOURNAL_STREAM");
    known = env && sscanf(env, "%llu:%llu", &dev, &ino) == 2 && fstat(STDERR_FILENO, &st) == 0 &&
            st.st_dev == dev && st.st_ino == ino;
    return known;
}

static void to_journal(const struct event_row *row, const struct fields *f, const char *message)
{
    struct iovec iov[FIELDS_MAX + 3];
    char *text[FIELDS_MAX + 3];
    int n = 0;

    if (asprintf(&text[n], "MESSAGE=%s", message) >= 0)
        n++;
    if (asprintf(&text[n], "PRIORITY=%d", row->level) >= 0)
        n++;
    if (asprintf(&text[n], "LIUHEN_EVENT=%s", row->id) >= 0)
        n++;
    for (size_t i = 0; i < f->n; i++)
        if (asprintf(&text[n], "LIUHEN_%s=%s", f->name[i], f->value[i]) >= 0)
            n++;
    for (int i = 0; i < n; i++)
        iov[i] = (struct iovec){text[i], strlen(text[i])};
    sd_journal_sendv(iov, n);
    for (int i = 0; i < n; i++)
        free(text[i]);
}

static void to_stderr(const struct event_row *row, const char *message)
{
    static const char *const marks[] = {"error: ", "warning: ", "", "", ""};
    char line[2048];
    int n;

    n = snprintf(line, sizeof line - 1, "liuhend: %s%s", marks[row->level - LOG_LEVEL_ERROR], message);
    n = MIN(n, (int)sizeof line - 2);
    line[n++] = '\n';
    if (write(STDERR_FILENO, line, (size_t)n) < 0)
        return; /* nowhere left to say it */
}

static void emit(enum event event, const struct fields *f)
{
    char message[1900];

    render(&rows[event], f, message, sizeof message);
    if (log_is_journal())
        to_journal(&rows[event], f, message);
    else
        to_stderr(&rows[event], message);
}

/* Counts this event into its minute; true when it should be written. *ret_unsaid = repeats of an older minute to confess. */
static bool admit(enum event event, uint64_t *ret_unsaid)
{
    int64_t minute = clock_monotonic_usec() / USEC_PER_MIN;
    bool ok;

    pthread_mutex_lock(&lock);
    *ret_unsaid = 0;
    if (repeats[event].minute != minute) {
        *ret_unsaid = repeats[event].unsaid;
        repeats[event].minute = minute;
        repeats[event].said = repeats[event].unsaid = 0;
    }
    ok = repeats[event].said < REPEATS_A_MINUTE;
    if (ok)
        repeats[event].said++;
    else
        repeats[event].unsaid++;
    pthread_mutex_unlock(&lock);
    return ok;
}

void log_event(enum event event, ...)
{
    struct fields f = {0};
    uint64_t unsaid;
    va_list ap;

    atomic_fetch_add(&counts[event], 1);
    if (rows[event].level > level_max)
        return;
    va_start(ap, event);
    for (const char *name; f.n < FIELDS_MAX && (name = va_arg(ap, const char *)); f.n++) {
        const char *value = va_arg(ap, const char *);
        f.name[f.n] = name;
        f.value[f.n] = value ? value : "-";
    }
    va_end(ap);
    if (!admit(event, &unsaid))
        return;
    if (unsaid > 0) {
        char count[24];
        snprintf(count, sizeof count, "%llu", (unsigned long long)unsaid);
        emit(EVENT_SUPPRESSED, &(struct fields){2, {"EVENT", "COUNT"}, {rows[event].id, count}});
    }
    emit(event, &f);
}
