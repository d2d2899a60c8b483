/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of files and the threads that carry them. The main thread draws the progress meanwhile; signals only set dock.stop.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "cli/dock.h"

int dock_add_file(struct dock *d, struct dock_card *card, const char *path, uint64_t bytes,
                  int64_t mtime_nsec, enum dock_outcome outcome, const char *why)
{
    struct dock_file f = {.card = card, .bytes = bytes, .mtime_nsec = mtime_nsec, .outcome = outcome};

    if (d->n_files == d->room) {
        size_t room = d->room ? d->room * 2 : 256;
        struct dock_file *bigger = reallocarray(d->files, room, sizeof *bigger);
        if (!bigger)
            return -ENOMEM;
        d->files = bigger;
        d->room = room;
    }
    f.path = strdup(path);
    f.why = why ? strdup(why) : NULL;
    if (!f.path || (why && !f.why)) {
        free(f.path);
        free(f.why);
        return -ENOMEM;
    }
    d->files[d->n_files++] = f;
    if (outcome == DOCK_WAITING) {
        d->total_bytes += bytes;
        d->n_wanted++;
    }
    return 0;
}

/* The next file that waits; NULL = there is none. */
static struct dock_file *take(struct dock *d)
{
    struct dock_file *f = NULL;

    pthread_mutex_lock(&d->lock);
    while (!f && d->next < d->n_files && !atomic_load(&d->stop)) {
        f = &d->files[d->next++];
        if (f->outcome != DOCK_WAITING)
            f = NULL;
    }
    pthread_mutex_unlock(&d->lock);
    return f;
}

static void *work(void *userdata)
{
    struct dock_job *job = userdata;
    struct dock *d = job->dock;
    struct dock_file *f;

    while ((f = take(d))) {
        uint64_t planned = f->bytes;
        dock_send(job, f);
        pthread_mutex_lock(&d->lock);
        d->n_through++;
        d->done_bytes += planned;
        pthread_mutex_unlock(&d->lock);
        dock_show_file(d, f);
    }
    return NULL;
}

static int start(struct dock *d, struct dock_job *job, size_t n)
{
    int r;

    job->dock = d;
    job->slot = &d->slots[n];
    job->chunk = malloc(d->config->chunk_bytes);
    r = job->chunk ? transfer_new(&d->site, &job->transfer) : -ENOMEM;
    return r < 0 ? r : -pthread_create(&job->thread, NULL, work, job);
}

static void job_done(struct dock_job *job)
{
    transfer_free(job->transfer);
    free(job->chunk);
}

/* Draws until all threads have ended. */
static void watch(struct dock *d, struct dock_job *jobs, size_t n)
{
    for (size_t i = 0; i < n;) {
        struct timespec until;

        clock_gettime(CLOCK_REALTIME, &until);
        until.tv_nsec += 100 * 1000 * 1000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        if (pthread_timedjoin_np(jobs[i].thread, NULL, &until) == 0)
            i++;
        pthread_mutex_lock(&d->lock);
        dock_show_progress(d);
        pthread_mutex_unlock(&d->lock);
    }
}

int dock_work(struct dock *d)
{
    struct dock_job jobs[DOCK_JOBS_MAX] = {0};
    size_t wanted = (size_t)MIN(d->config->jobs, DOCK_JOBS_MAX), n = 0;
    int r = 0;

    wanted = MIN(wanted, MAX(d->n_files, 1u));
    while (r == 0 && n < wanted) {
        r = start(d, &jobs[n], n);
        if (r == 0)
            n++;
        else
            job_done(&jobs[n]);
    }
    watch(d, jobs, n);
    for (size_t i = 0; i < n; i++)
        job_done(&jobs[i]);
    pthread_mutex_lock(&d->lock);
    dock_show_clear(d);
    pthread_mutex_unlock(&d->lock);
    return n > 0 ? 0 : r; /* fewer threads than wanted carry all the same */
}
