/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper of resumable uploads: a thread that takes away what has expired, seals by itself what is whole and was left (by a restart,
 * or because a seal came to nothing), and takes away the parts of what was put together. It sleeps until the next of these is due;
 * without uploads it never wakes.
 */
#include <errno.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/inject.h"
#include "base/log.h"
#include "intake/upload-internal.h"

enum job { JOB_NONE, JOB_EXPIRE, JOB_SEAL, JOB_PARTS };

struct plan {
    int64_t wall_usec, monotonic_usec; /* now */
    int64_t expire_usec;
    int64_t next_usec; /* monotonic: when something will be due */
    struct upload *due;
    enum job job;
};

static void look_at(struct upload *u, void *userdata)
{
    struct plan *p = userdata;
    bool whole = upload_is_left_whole(u);
    int64_t expires = whole ? INT64_MAX : u->touched_usec + p->expire_usec;

    if (u->held || u->sealing || p->due)
        return; /* whoever has it kicks when they are done */
    if (expires <= p->wall_usec)
        p->job = JOB_EXPIRE;
    else if (u->sealed && u->n_parts && !u->parts_gone)
        p->job = JOB_PARTS;
    else if (whole && u->retry_usec <= p->monotonic_usec)
        p->job = JOB_SEAL;
    if (p->job != JOB_NONE) {
        p->due = u;
        return;
    }
    p->next_usec = MIN(p->next_usec, whole ? u->retry_usec : p->monotonic_usec + (expires - p->wall_usec));
}

/* ---- the jobs ----------------------------------------------------------------------------------------------------------- */

static void say(const struct upload *u, const struct error *err)
{
    log_event(EVENT_UPLOAD_WAITS, "UPLOAD", u->id, "FILE", u->path, "REASON", err->text, NULL);
}

static void expire(struct upload *u)
{
    struct error err = ERROR_INIT;
    char bytes[24];

    snprintf(bytes, sizeof bytes, "%lld", (long long)u->offset);
    if (!u->sealed)
        log_event(EVENT_UPLOAD_EXPIRED, "UPLOAD", u->id, "FILE", u->path, "BYTES", bytes, NULL);
    if (uploads_remove(u, &err) < 0)
        say(u, &err);
}

/* Seals one that nobody waits for. */
static void seal(struct upload *u)
{
    struct error err = ERROR_INIT;
    int r = uploads_may_begin(u->in, &err);

    if (r == 0 && !u->have_digests) {
        u->file.bytes = u->offset;
        r = upload_digest_again(u, &err);
        r = r < 0 ? r : upload_end_digests(u);
    }
    u->file.bytes = u->offset;
    r = r < 0 ? r : upload_hand_over(u, &err);
    upload_file_close(&u->file);
    if (r == 0)
        return;
    if (r != -ECANCELED && u->tries == 0)
        say(u, &err);
    pthread_mutex_lock(&u->in->uploads->lock);
    upload_try_later(u);
    pthread_mutex_unlock(&u->in->uploads->lock);
}

static void remove_part(struct upload *whole, const char *id)
{
    struct uploads *all = whole->in->uploads;
    struct error err = ERROR_INIT;
    struct upload *part;
    int r = UPLOAD_E_NONE;

    pthread_mutex_lock(&all->lock);
    part = uploads_find(all, id);
    if (part && part->partial && !strcmp(part->owner, whole->owner))
        r = upload_hold(part, &err);
    pthread_mutex_unlock(&all->lock);
    if (r != 0)
        return; /* it expires by itself */
    if (uploads_remove(part, &err) < 0)
        say(part, &err);
    upload_unhold(part);
}

static void remove_parts(struct upload *u)
{
    for (size_t i = 0; i < u->n_parts; i++)
        remove_part(u, u->parts[i]);
}

static void do_job(struct upload *u, enum job job)
{
    if (job == JOB_EXPIRE)
        expire(u);
    else if (job == JOB_SEAL)
        seal(u);
    else
        remove_parts(u);
    if (job == JOB_PARTS)
        upload_unref(u);
    else
        upload_unhold(u);
}

/* ---- the thread --------------------------------------------------------------------------------------------------------- */

/* What is due now, kept for whoever does it; or when to look again. */
static void make_plan(struct intake *in, struct plan *ret)
{
    struct error ignored;

    *ret = (struct plan){.wall_usec = clock_now_usec(),
                         .monotonic_usec = clock_monotonic_usec(),
                         .expire_usec = atomic_load(&in->settings)->uploads.expire_usec,
                         .next_usec = INT64_MAX};
    uploads_each(in->uploads, look_at, ret);
    if (ret->job == JOB_PARTS) { /* its own bytes are safe: nobody need wait meanwhile */
        ret->due->parts_gone = true;
        ret->due->refs++;
    } else if (ret->due) {
        (void)upload_hold(ret->due, &ignored);
    }
    if (ret->job == JOB_EXPIRE) /* from now on there is no such upload */
        uploads_unlist(in->uploads, ret->due);
}

static void sleep_until(struct uploads *all, int64_t usec)
{
    struct timespec at = {usec / USEC_PER_SEC, usec % USEC_PER_SEC * NSEC_PER_USEC};

    if (all->kicked)
        return;
    if (usec == INT64_MAX)
        (void)pthread_cond_wait(&all->work, &all->lock);
    else
        (void)pthread_cond_timedwait(&all->work, &all->lock, &at);
}

static void *keeper_thread(void *userdata)
{
    struct intake *in = userdata;
    struct uploads *all = in->uploads;
    struct plan plan;

    pthread_mutex_lock(&all->lock);
    while (!atomic_load(&in->stopping)) {
        all->kicked = false;
        make_plan(in, &plan);
        if (!plan.due) {
            sleep_until(all, plan.next_usec);
            continue;
        }
        pthread_mutex_unlock(&all->lock);
        do_job(plan.due, plan.job);
        pthread_mutex_lock(&all->lock);
    }
    pthread_mutex_unlock(&all->lock);
    return NULL;
}

void uploads_kick(struct uploads *all)
{
    pthread_mutex_lock(&all->lock);
    all->kicked = true;
    pthread_cond_signal(&all->work);
    pthread_mutex_unlock(&all->lock);
}

int uploads_keeper_start(struct intake *in)
{
    int r = -pthread_create(&in->uploads->thread, NULL, keeper_thread, in);

    in->uploads->started = r == 0;
    return r;
}

void uploads_keeper_stop(struct intake *in)
{
    if (!in->uploads || !in->uploads->started)
        return;
    uploads_kick(in->uploads);
    pthread_join(in->uploads->thread, NULL);
    in->uploads->started = false;
}
