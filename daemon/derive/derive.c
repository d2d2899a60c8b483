/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Threads of derive (see derive.h): each slot takes the next job that it may, works on it, and sleeps when there is none until somebody
 * kicks it or something becomes due. Nothing wakes up while nothing is to be done.
 */
#include "derive/derive.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/log.h"
#include "base/settings-table.h"
#include "derive/derive-run.h"

#define TROUBLE_USEC (10 * USEC_PER_SEC) /* the catalogue cannot be asked */
#define LEAST_USEC   (200 * USEC_PER_MSEC)
#define HOLD_LEAST   (500 * USEC_PER_MSEC)
#define HOLD_MOST    USEC_PER_MIN

/* ---- what is shared ------------------------------------------------------------------------------------------------------ */

bool derive_is_stopping(struct derive *d)
{
    bool stopping;

    pthread_mutex_lock(&d->lock);
    stopping = d->stopping;
    pthread_mutex_unlock(&d->lock);
    return stopping;
}

void derive_kick(struct derive *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->kicks++;
    pthread_cond_broadcast(&d->wake);
    pthread_mutex_unlock(&d->lock);
}

void derive_say(struct derive *d, const char *event, const struct job *job, const char *message)
{
    json_t *line = json_object();

    if (line && json_set_string(line, "event", event) == 0 &&
        json_set_string(line, "recording", job->recording.text) == 0 &&
        json_set_string(line, "job", job->id) == 0 &&
        json_set_string(line, "message", message && *message ? message : NULL) == 0)
        feed_add(d->feed, TAKE_PTR(line));
    json_decref(line);
}

void derive_set_trouble(struct derive *d, const char *reason)
{
    pthread_mutex_lock(&d->lock);
    snprintf(d->trouble, sizeof d->trouble, "%s", reason);
    pthread_mutex_unlock(&d->lock);
}

void derive_hold(struct derive *d)
{
    int64_t now = clock_monotonic_usec();

    pthread_mutex_lock(&d->lock);
    if (now >= d->held_until_usec) { /* of slots that fail together, the first one counts */
        d->hold_usec = d->hold_usec ? MIN(2 * d->hold_usec, HOLD_MOST) : HOLD_LEAST;
        d->held_until_usec = now + d->hold_usec;
    }
    pthread_mutex_unlock(&d->lock);
}

void derive_go_on(struct derive *d)
{
    pthread_mutex_lock(&d->lock);
    d->hold_usec = d->held_until_usec = 0;
    pthread_mutex_unlock(&d->lock);
}

static int64_t hold_left(struct derive *d)
{
    int64_t until;

    pthread_mutex_lock(&d->lock);
    until = d->held_until_usec;
    pthread_mutex_unlock(&d->lock);
    return until - clock_monotonic_usec();
}

bool slot_is_stopped(struct slot *slot)
{
    bool stopped;

    pthread_mutex_lock(&slot->d->lock);
    stopped = slot->given_up || slot->d->stopping;
    pthread_mutex_unlock(&slot->d->lock);
    return stopped;
}

bool slot_is_watched(struct slot *slot)
{
    bool watched;

    pthread_mutex_lock(&slot->d->lock);
    watched = slot->watched;
    pthread_mutex_unlock(&slot->d->lock);
    return watched;
}

void slot_lost(struct slot *slot, const char *lease)
{
    pthread_mutex_lock(&slot->d->lock);
    if (slot->busy && strcmp(slot->lease, lease) == 0) {
        slot->given_up = true;
        (void)eventfd_write(slot->stop_fd, 1);
    }
    pthread_mutex_unlock(&slot->d->lock);
}

/* ---- taking -------------------------------------------------------------------------------------------------------------- */

struct take {
    struct job_taking taking;
    struct job job;
    bool taken;
    int64_t due_usec;
};

static int take(struct txn *t, void *userdata, struct error *err)
{
    struct take *k = userdata;

    job_done(&k->job); /* of a round that was rolled back */
    return jobs_take(txn_db(t), &k->taking, &k->job, &k->taken, &k->due_usec, err);
}

static void begin(struct slot *slot, const struct job *job)
{
    eventfd_t ignored;

    pthread_mutex_lock(&slot->d->lock);
    (void)eventfd_read(slot->stop_fd, &ignored);
    slot->busy = true;
    slot->given_up = false;
    slot->watched = job->priority == JOB_WATCHED;
    slot->permille = 0;
    memcpy(slot->job, job->id, sizeof slot->job);
    memcpy(slot->lease, job->lease, sizeof slot->lease);
    if (slot->d->stopping)
        (void)eventfd_write(slot->stop_fd, 1);
    pthread_mutex_unlock(&slot->d->lock);
}

static void end(struct slot *slot)
{
    pthread_mutex_lock(&slot->d->lock);
    slot->busy = false;
    slot->job[0] = slot->lease[0] = 0;
    pthread_mutex_unlock(&slot->d->lock);
}

/* What this slot may take now; false: nothing. *ret_usec: when that may change by itself. */
static bool may_take(struct slot *slot, struct job_taking *taking, int64_t *ret_usec)
{
    struct derive *d = slot->d;
    const struct settings *s = atomic_load(&d->settings);
    char why[DERIVE_PAUSE_SIZE];
    bool extra = slot->index == DERIVE_SLOTS_MAX;

    *ret_usec = INT64_MAX;
    if (!extra && slot->index >= (unsigned)s->media.derive.jobs)
        return false;
    derive_pause_reason(s, taking->now_usec, why, sizeof why, ret_usec);
    if (extra)
        *ret_usec = INT64_MAX;
    taking->least = extra || why[0] ? JOB_WATCHED : JOB_LATER;
    taking->copies_only = !s->media.derive.enabled;
    return true;
}

/* Takes a job and works on it. Return: when to look again (wall clock); 0 = at once. */
static int64_t work(struct slot *slot)
{
    char lease[ULID_LENGTH + 1];
    struct take k = {.taking = {.node = slot->d->node, .lease = lease, .now_usec = clock_now_usec()}};
    struct error err = ERROR_INIT;
    int64_t again, held = slot->index == DERIVE_SLOTS_MAX ? 0 : hold_left(slot->d);
    int r;

    if (!may_take(slot, &k.taking, &again))
        return INT64_MAX;
    if (held > 0)
        return k.taking.now_usec + held;
    ulid_make(k.taking.now_usec, lease);
    k.taking.until_usec = k.taking.now_usec + DERIVE_LEASE_USEC;
    r = writer_run(slot->d->writer, true, take, &k, &err);
    if (r != 0)
        return k.taking.now_usec + TROUBLE_USEC;
    if (!k.taken)
        return MIN(again,
                   k.due_usec == INT64_MAX ? INT64_MAX : MAX(k.due_usec, k.taking.now_usec + LEAST_USEC));
    begin(slot, &k.job);
    derive_work(slot, &k.job);
    end(slot);
    job_done(&k.job);
    return 0;
}

/* Until somebody kicks, or the wall clock says so. Return: false when stopping. */
static bool wait_for_work(struct slot *slot, int64_t until_usec)
{
    struct derive *d = slot->d;
    struct timespec until;
    bool go_on;

    if (until_usec != INT64_MAX) {
        int64_t pause = MAX(INT64_C(1), until_usec - clock_now_usec());

        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += MIN(pause, USEC_PER_DAY) / USEC_PER_SEC;
        until.tv_nsec += pause % USEC_PER_SEC * 1000;
        if (until.tv_nsec >= 1000000000) {
            until.tv_sec++;
            until.tv_nsec -= 1000000000;
        }
    }
    pthread_mutex_lock(&d->lock);
    while (slot->seen == d->kicks && !d->stopping) {
        if (until_usec == INT64_MAX)
            pthread_cond_wait(&d->wake, &d->lock);
        else if (pthread_cond_timedwait(&d->wake, &d->lock, &until) == ETIMEDOUT)
            break;
    }
    slot->seen = d->kicks;
    go_on = !d->stopping;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void *slot_thread(void *userdata)
{
    struct slot *slot = userdata;
    int64_t again;

    do
        again = work(slot);
    while (again == 0 ? !derive_is_stopping(slot->d) : wait_for_work(slot, again));
    return NULL;
}

/* ---- start and stop ------------------------------------------------------------------------------------------------------ */

static int start_slot(struct slot *slot)
{
    int r;

    if (slot->started)
        return 0;
    r = -pthread_create(&slot->thread, NULL, slot_thread, slot);
    slot->started = r == 0;
    return r;
}

/* As many threads as are asked for; there may be more from before, which then take nothing. */
static int start_slots(struct derive *d)
{
    const struct settings *s = atomic_load(&d->settings);
    int r = start_slot(&d->slots[DERIVE_SLOTS_MAX]);

    for (int64_t i = 0; r == 0 && i < MIN(s->media.derive.jobs, (int64_t)DERIVE_SLOTS_MAX); i++)
        r = start_slot(&d->slots[i]);
    return r;
}

static int init_slots(struct derive *d)
{
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        d->slots[i] = (struct slot){.d = d, .index = i, .stop_fd = -1};
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++) {
        d->slots[i].stop_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
        if (d->slots[i].stop_fd < 0)
            return -errno;
    }
    return 0;
}

static void init_locks(struct derive *d)
{
    pthread_condattr_t attr;

    pthread_mutex_init(&d->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&d->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static void try_hardware(struct derive *d, const struct settings *s)
{
    hardware_try(s->media.worker, settings_hardware_names[s->media.derive.hardware], s->media.derive.device,
                 &d->hardware);
    if (s->media.derive.hardware && !(d->hardware.decodes && d->hardware.encodes))
        log_event(EVENT_NO_HARDWARE, "REASON", d->hardware.message, NULL);
}

static int open_all(struct derive *d, const struct derive_context *context, struct error *err)
{
    int r;

    d->cache_fd = open(context->cache, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (d->cache_fd < 0)
        return error_errno(err, -errno, context->cache, "cannot be opened");
    r = derive_cache_wipe_making(d);
    if (r < 0) /* no reason not to take footage in; names in it are never used twice */
        log_event(EVENT_DERIVE_SWEEP, "REASON", strerror(-r), NULL);
    try_hardware(d, context->settings);
    r = readers_new(context->settings->catalogue.dsn, &d->readers);
    return r != 0 ? r : derive_node_begin(d, context->node, err);
}

int derive_new(const struct derive_context *context, struct derive **ret, struct error *err)
{
    _cleanup_(derive_freep) struct derive *d = calloc(1, sizeof *d);
    int r;

    if (!d)
        return -ENOMEM;
    d->store = context->store;
    d->writer = context->writer;
    d->intake = context->intake;
    d->feed = context->feed;
    d->cache_fd = -1;
    atomic_store(&d->settings, context->settings);
    init_locks(d);
    r = init_slots(d);
    r = r < 0 ? r : open_all(d, context, err);
    r = r != 0 ? r : start_slots(d);
    r = r != 0 ? r : derive_keeper_start(d);
    if (r != 0)
        return r;
    *ret = TAKE_PTR(d);
    return 0;
}

void derive_hurry(struct derive *d)
{
    if (!d)
        return;
    pthread_mutex_lock(&d->lock);
    d->stopping = true;
    pthread_cond_broadcast(&d->wake);
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        if (d->slots[i].busy)
            (void)eventfd_write(d->slots[i].stop_fd, 1);
    pthread_mutex_unlock(&d->lock);
}

struct derive *derive_free(struct derive *d)
{
    if (!d)
        return NULL;
    derive_hurry(d);
    derive_keeper_stop(d);
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        if (d->slots[i].started)
            pthread_join(d->slots[i].thread, NULL);
    if (d->writer)
        writer_drain(d->writer); /* renewals of leases know their slots */
    for (unsigned i = 0; i <= DERIVE_SLOTS_MAX; i++)
        fd_closep(&d->slots[i].stop_fd);
    readers_free(d->readers);
    fd_closep(&d->cache_fd);
    pthread_cond_destroy(&d->wake);
    pthread_mutex_destroy(&d->lock);
    free(d);
    return NULL;
}

void derive_reload(struct derive *d, const struct settings *settings)
{
    atomic_store(&d->settings, settings);
    derive_go_on(d); /* perhaps that was the fault */
    if (start_slots(d) != 0)
        derive_set_trouble(d, "no more threads can be started");
    pthread_mutex_lock(&d->lock);
    d->sweep_wanted = true; /* another recipe, perhaps */
    pthread_mutex_unlock(&d->lock);
    derive_kick(d);
}
