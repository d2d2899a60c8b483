/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All uploads together: whether one may begin, the room that they have announced, and the references that keep one alive while the
 * sealer has it.
 */
#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "intake/upload-internal.h"

int uploads_new(struct intake *in, struct error *err)
{
    struct uploads *all = calloc(1, sizeof *all);
    pthread_condattr_t attr;

    if (!all)
        return error_errno(err, -ENOMEM, "uploads", "cannot be kept");
    pthread_mutex_init(&all->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&all->changed, &attr);
    pthread_condattr_destroy(&attr);
    in->uploads = all;
    return 0;
}

void uploads_stop(struct intake *in)
{
    if (!in->uploads)
        return;
    pthread_mutex_lock(&in->uploads->lock);
    pthread_cond_broadcast(&in->uploads->changed);
    pthread_mutex_unlock(&in->uploads->lock);
}

void uploads_free(struct intake *in)
{
    if (!in->uploads)
        return;
    pthread_cond_destroy(&in->uploads->changed);
    pthread_mutex_destroy(&in->uploads->lock);
    free(TAKE_PTR(in->uploads));
}

int uploads_recover(struct intake *in, struct db *db, const char *id, struct error *err)
{
    int r = store_upload_remove(in->store, id, err); /* nothing of it was acknowledged */

    return r > 0 ? -EIO : r;
}

void uploads_status(struct intake *in, json_t *status)
{
}

/* ---- room --------------------------------------------------------------------------------------------------------------- */

int uploads_may_begin(struct intake *in, struct error *err)
{
    char reason[400];

    if (atomic_load(&in->stopping))
        return error_set(err, -ECANCELED, "liuhend", "is stopping; send again in a moment");
    if (!intake_has_room(in, 0, err))
        return err->code == -ENOSPC ? -ENOSPC : -EAGAIN;
    pthread_mutex_lock(&in->lock);
    snprintf(reason, sizeof reason, "%s", in->paused ? in->pause_reason : "");
    pthread_mutex_unlock(&in->lock);
    if (reason[0])
        return error_set(err, -EAGAIN, "intake", "is paused: %s; send again later", reason);
    writer_trouble(in->writer, reason, sizeof reason);
    if (reason[0])
        return error_set(err, -EAGAIN, "catalogue", "takes no writes: %s; send again later", reason);
    return 0;
}

int uploads_reserve(struct upload *u, uint64_t bytes, struct error *err)
{
    struct uploads *all = u->in->uploads;
    bool room;

    pthread_mutex_lock(&all->lock);
    room = intake_has_room(u->in, bytes, err);
    if (room) {
        atomic_fetch_add(&u->in->reserved, bytes);
        u->reserved += bytes;
    }
    pthread_mutex_unlock(&all->lock);
    return room ? 0 : -ENOSPC;
}

void uploads_unreserve(struct upload *u, uint64_t bytes)
{
    bytes = MIN(bytes, u->reserved);
    u->reserved -= bytes;
    atomic_fetch_sub(&u->in->reserved, bytes);
}

/* ---- lives -------------------------------------------------------------------------------------------------------------- */

struct upload *upload_ref(struct upload *u)
{
    pthread_mutex_lock(&u->in->uploads->lock);
    u->refs++;
    pthread_mutex_unlock(&u->in->uploads->lock);
    return u;
}

static void destroy(struct upload *u)
{
    struct error err = ERROR_INIT;

    uploads_unreserve(u, u->reserved);
    upload_file_close(&u->file);
    hasher_free(u->hasher);
    for (size_t i = 0; i < u->n_checks; i++)
        checker_free(u->checks[i].checker);
    checker_free(u->md5);
    if (u->has_folder && store_upload_remove(u->in->store, u->id, &err) != 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", err.object, "REASON", err.text, NULL);
    free(u->door);
    free(u->name);
    free(u->path);
    free(u->owner);
    free(u->zone);
    free(u->folder.path);
    json_decref(u->facts);
    free(u);
}

struct upload *upload_unref(struct upload *u)
{
    bool last;

    pthread_mutex_lock(&u->in->uploads->lock);
    last = --u->refs == 0;
    pthread_mutex_unlock(&u->in->uploads->lock);
    if (last)
        destroy(u);
    return NULL;
}
