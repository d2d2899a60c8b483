/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Watching devices (see device-watch.h). The table of sign-ins is one for the process, as clocks are: doors tell it, the thread and
 * `liuhen device list` read it. Only devices that are registered get into it.
 */
#include "cases/device-watch.h"

#include <errno.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"

#define WAIT_MAX USEC_PER_HOUR
#define WAIT_MIN (100 * USEC_PER_MSEC)
#define NEVER    INT64_MAX

/* What is known of a device beside its row. */
struct seen {
    struct seen *next;
    char id[ULID_LENGTH + 1];
    int64_t seen_usec;  /* last sign-in */
    int64_t clock_told; /* when it was last said that its clock is off */
    bool silent;        /* said */
};

static struct {
    pthread_mutex_t lock;
    pthread_cond_t woken;
    bool prepared;
    uint64_t wakes;
    struct seen *list;
} known = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct device_watch {
    struct device_watch_context context;
    pthread_t thread;
    bool stop; /* under known.lock */
};

/* The condition waits by the monotonic clock, which its static initializer cannot say. Locked. */
static void prepare(void)
{
    pthread_condattr_t attr;

    if (known.prepared)
        return;
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&known.woken, &attr);
    pthread_condattr_destroy(&attr);
    known.prepared = true;
}

/* Locked. NULL: out of memory. */
static struct seen *seen_of(const char *id, bool make)
{
    struct seen *s = known.list;

    while (s && strcmp(s->id, id) != 0)
        s = s->next;
    if (s || !make)
        return s;
    s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    snprintf(s->id, sizeof s->id, "%s", id);
    s->next = known.list;
    return known.list = s;
}

static void wake(void)
{
    prepare();
    known.wakes++;
    pthread_cond_signal(&known.woken);
}

void devices_seen(const char *id, int64_t now_usec)
{
    struct seen *s;

    pthread_mutex_lock(&known.lock);
    s = seen_of(id, true);
    if (s)
        s->seen_usec = MAX(s->seen_usec, now_usec);
    if (s && s->silent)
        wake(); /* to say that it is back */
    pthread_mutex_unlock(&known.lock);
}

int64_t devices_last_seen(const char *id)
{
    const struct seen *s;
    int64_t usec;

    pthread_mutex_lock(&known.lock);
    s = seen_of(id, false);
    usec = s ? s->seen_usec : 0;
    pthread_mutex_unlock(&known.lock);
    return usec;
}

void devices_changed(void)
{
    pthread_mutex_lock(&known.lock);
    wake();
    pthread_mutex_unlock(&known.lock);
}

/* When it will be silent if nothing is heard of it; NEVER where it cannot be. */
static int64_t silent_from(const struct device_row *row, const struct settings *s, int64_t seen_usec)
{
    if (row->retired_usec || !row->last_arrival_usec || s->devices.silent_usec == 0)
        return NEVER;
    return MAX(row->last_arrival_usec, seen_usec) + s->devices.silent_usec;
}

bool device_is_silent(const struct device_row *row, const struct settings *s, int64_t now_usec)
{
    return now_usec >= silent_from(row, s, devices_last_seen(row->id));
}

bool device_clock_is_off(const struct device_row *row, const struct settings *s)
{
    return !row->retired_usec && row->clock_usec &&
           (row->clock_offset_usec > s->devices.clock_usec ||
            row->clock_offset_usec < -s->devices.clock_usec);
}

/* ---- saying it ---- */

static void tell_feed(struct feed *feed, const char *kind, const struct device_row *row)
{
    json_t *line = json_object();

    if (line && json_set_string(line, "event", "alarm") == 0 && json_set_string(line, "kind", kind) == 0 &&
        json_set_string(line, "device", row->serial) == 0)
        feed_add(feed, line);
    else
        json_decref(line);
}

static void tell_silence(struct device_watch *w, const struct device_row *row, bool silent, int64_t heard)
{
    const struct settings *s = w->context.settings(w->context.userdata);
    char when[CALENDAR_TEXT_SIZE];

    calendar_format(s->site.zone, heard, when);
    log_event(silent ? EVENT_DEVICE_SILENT : EVENT_DEVICE_RETURNED, "DEVICE", row->serial, "SINCE", when,
              NULL);
    tell_feed(w->context.feed, silent ? "silent" : "returned", row);
}

static void tell_clock(struct device_watch *w, const struct device_row *row)
{
    char seconds[32];

    snprintf(seconds, sizeof seconds, "%+" PRId64, row->clock_offset_usec / USEC_PER_SEC);
    log_event(EVENT_DEVICE_CLOCK, "DEVICE", row->serial, "SECONDS", seconds, NULL);
    tell_feed(w->context.feed, "clock", row);
}

struct look {
    struct device_watch *watch;
    int64_t now_usec, next_usec; /* when the next one will be silent */
    bool any;
};

/* Looks at one device; what is said is said without the lock. */
static int on_device(void *userdata, const struct device_row *row)
{
    struct look *l = userdata;
    const struct settings *s = l->watch->context.settings(l->watch->context.userdata);
    bool silent, tell, clock = false;
    int64_t from, heard;
    struct seen *x;

    l->any = true;
    pthread_mutex_lock(&known.lock);
    x = seen_of(row->id, true);
    if (!x) {
        pthread_mutex_unlock(&known.lock);
        return -ENOMEM;
    }
    from = silent_from(row, s, x->seen_usec);
    heard = MAX(row->last_arrival_usec, x->seen_usec);
    silent = l->now_usec >= from;
    tell = silent != x->silent;
    x->silent = silent;
    if (device_clock_is_off(row, s) && row->clock_usec > x->clock_told &&
        (x->clock_told == 0 || l->now_usec - x->clock_told >= USEC_PER_DAY)) {
        clock = true;
        x->clock_told = l->now_usec;
    }
    pthread_mutex_unlock(&known.lock);
    if (!silent && from < l->next_usec)
        l->next_usec = from;
    if (tell && !(row->retired_usec && !silent))
        tell_silence(l->watch, row, silent, heard);
    if (clock)
        tell_clock(l->watch, row);
    return 0;
}

/* Return: how long to sleep; NEVER: until woken. */
static int64_t look(struct device_watch *w)
{
    const struct settings *s = w->context.settings(w->context.userdata);
    struct look l = {w, clock_now_usec(), NEVER, false};
    int64_t longest = WAIT_MAX;
    struct error err = ERROR_INIT;
    struct db *db;
    int r = readers_take(w->context.readers, &db, &err);

    if (r != 0)
        return WAIT_MAX; /* the writer says what is wrong with the catalogue */
    r = device_rows_each(db, on_device, &l, &err);
    readers_give(w->context.readers, db, r < 0);
    if (r == 0 && !l.any)
        return NEVER;
    /* one that delivers for the first time meanwhile is not silent sooner than this */
    if (s->devices.silent_usec > 0)
        longest = MIN(longest, s->devices.silent_usec);
    return MAX(WAIT_MIN, r == 0 && l.next_usec != NEVER ? MIN(l.next_usec - l.now_usec, longest) : longest);
}

/* Sleeps so long, or until something is new. */
static void sleep_for(const struct device_watch *w, int64_t usec, uint64_t *wakes)
{
    int64_t end = usec == NEVER ? NEVER : clock_monotonic_usec() + usec;
    struct timespec at = {.tv_sec = (time_t)(end / USEC_PER_SEC),
                          .tv_nsec = (long)(end % USEC_PER_SEC * NSEC_PER_USEC)};
    int r = 0;

    pthread_mutex_lock(&known.lock);
    while (!w->stop && known.wakes == *wakes && r != ETIMEDOUT)
        r = end == NEVER ? pthread_cond_wait(&known.woken, &known.lock)
                         : pthread_cond_timedwait(&known.woken, &known.lock, &at);
    *wakes = known.wakes;
    pthread_mutex_unlock(&known.lock);
}

static void *watch(void *userdata)
{
    struct device_watch *w = userdata;
    uint64_t wakes = 0;
    bool stop;

    do {
        sleep_for(w, look(w), &wakes);
        pthread_mutex_lock(&known.lock);
        stop = w->stop;
        pthread_mutex_unlock(&known.lock);
    } while (!stop);
    return NULL;
}

int device_watch_new(const struct device_watch_context *context, struct device_watch **ret)
{
    struct device_watch *w = calloc(1, sizeof *w);
    int r;

    if (!w)
        return -ENOMEM;
    w->context = *context;
    pthread_mutex_lock(&known.lock);
    prepare();
    pthread_mutex_unlock(&known.lock);
    r = pthread_create(&w->thread, NULL, watch, w);
    if (r != 0) {
        free(w);
        return -r;
    }
    *ret = w;
    return 0;
}

struct device_watch *device_watch_free(struct device_watch *w)
{
    if (!w)
        return NULL;
    pthread_mutex_lock(&known.lock);
    w->stop = true;
    pthread_cond_broadcast(&known.woken);
    pthread_mutex_unlock(&known.lock);
    pthread_join(w->thread, NULL);
    pthread_mutex_lock(&known.lock);
    for (struct seen *s = known.list, *next; s; s = next) {
        next = s->next;
        free(s);
    }
    known.list = NULL;
    pthread_mutex_unlock(&known.lock);
    free(w);
    return NULL;
}
