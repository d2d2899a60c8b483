/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * All uploads together: whether one may begin, the room that they have announced, the table of the resumable ones, and the
 * references that keep one alive while a request or the sealer has it.
 */
#include <errno.h>
#include <search.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "intake/upload-internal.h"

#define RETRY_MIN_USEC (2 * USEC_PER_SEC)
#define RETRY_DOUBLED  9 /* times: about a quarter of an hour */

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
    pthread_cond_init(&all->work, &attr);
    pthread_condattr_destroy(&attr);
    in->uploads = all;
    in->staging_path = store_staging_path(in->store);
    return in->staging_path ? 0 : -ENOMEM;
}

void uploads_stop(struct intake *in)
{
    if (!in->uploads)
        return;
    pthread_mutex_lock(&in->uploads->lock);
    pthread_cond_broadcast(&in->uploads->changed);
    pthread_mutex_unlock(&in->uploads->lock);
    uploads_kick(in->uploads);
}

static void unref_node(void *node)
{
    upload_unref(node);
}

void uploads_free(struct intake *in)
{
    struct uploads *all = in->uploads;

    if (!all)
        return;
    tdestroy(all->tree, unref_node);
    pthread_cond_destroy(&all->changed);
    pthread_cond_destroy(&all->work);
    pthread_mutex_destroy(&all->lock);
    free(TAKE_PTR(in->uploads));
    free(TAKE_PTR(in->staging_path));
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
    return room ? 0 : err->code == -ENOSPC ? -ENOSPC : -EAGAIN;
}

void uploads_adjust(struct upload *u)
{
    int64_t used = MAX(u->file.bytes, u->file.taken);
    uint64_t rest = u->announced > used ? (uint64_t)(u->announced - used) : 0;

    atomic_fetch_add(&u->in->reserved, rest - u->reserved); /* less: the sum wraps around to it */
    u->reserved = rest;
}

void uploads_unreserve(struct upload *u)
{
    atomic_fetch_sub(&u->in->reserved, u->reserved);
    u->reserved = 0;
}

/* ---- the table ---------------------------------------------------------------------------------------------------------- */

static int compare_ids(const void *a, const void *b)
{
    return strcmp(((const struct upload *)a)->id, ((const struct upload *)b)->id);
}

struct upload *uploads_find(struct uploads *all, const char *id)
{
    struct upload key;
    struct upload **found;

    if (!ulid_is_valid(id))
        return NULL;
    memcpy(key.id, id, sizeof key.id);
    found = tfind(&key, &all->tree, compare_ids);
    return found ? *found : NULL;
}

int uploads_list(struct uploads *all, struct upload *u)
{
    if (!tsearch(u, &all->tree, compare_ids))
        return -ENOMEM;
    u->refs++;
    u->listed = true;
    return 0;
}

void uploads_unlist(struct uploads *all, struct upload *u)
{
    if (!u->listed)
        return;
    tdelete(u, &all->tree, compare_ids);
    u->listed = false;
    u->refs--; /* whoever holds it has one more */
}

struct walk {
    void (*on_upload)(struct upload *u, void *userdata);
    void *userdata;
};

static void on_node(const void *node, VISIT visit, void *closure)
{
    const struct walk *w = closure;

    if (visit == postorder || visit == leaf)
        w->on_upload(*(struct upload *const *)node, w->userdata);
}

void uploads_each(struct uploads *all, void (*on_upload)(struct upload *u, void *userdata), void *userdata)
{
    struct walk w = {on_upload, userdata};

    twalk_r(all->tree, on_node, &w);
}

/* All that was to come is here: if it is not sealed, that is not for the sender to mend, and it does not expire. */
bool upload_is_left_whole(const struct upload *u)
{
    return !u->sealed && !u->partial && u->announced > 0 && u->offset == u->announced;
}

bool upload_has_expired(const struct upload *u, int64_t now_usec)
{
    return !u->held && !u->sealing && !upload_is_left_whole(u) &&
           u->touched_usec + atomic_load(&u->in->settings)->uploads.expire_usec <= now_usec;
}

int uploads_look_up(struct uploads *all, const char *id, const char *owner, struct upload **ret,
                    struct error *err)
{
    struct upload *u = uploads_find(all, id);

    if (!u || upload_has_expired(u, clock_now_usec()))
        return error_set(err, UPLOAD_E_NONE, id,
                         "no such upload; it may have expired or been ended. Begin anew");
    if (strcmp(u->owner, owner ? owner : "") != 0)
        return error_set(err, UPLOAD_E_DENIED, id, "is somebody else's upload");
    *ret = u;
    return 0;
}

int upload_hold(struct upload *u, struct error *err)
{
    if (u->held || u->sealing)
        return error_set(err, UPLOAD_E_BUSY, u->id, "%s; try again in a moment",
                         u->held ? "somebody else is writing to it" : "is being sealed");
    u->held = true;
    u->refs++;
    upload_heed_doubt(u);
    return 0;
}

void upload_heed_doubt(struct upload *u)
{
    if (!u->doubted || !u->have_digests)
        return;
    u->doubted = u->have_digests = false;
    u->is_known = true;
    u->known = u->digests.sha256;
}

void upload_unhold(struct upload *u)
{
    struct uploads *all = u->in->uploads;

    pthread_mutex_lock(&all->lock);
    u->held = false;
    pthread_mutex_unlock(&all->lock);
    upload_unref(u);
}

void uploads_wait(struct uploads *all, int64_t until_usec)
{
    struct timespec at = {until_usec / USEC_PER_SEC, until_usec % USEC_PER_SEC * NSEC_PER_USEC};

    (void)pthread_cond_timedwait(&all->changed, &all->lock, &at);
}

void upload_set_cut(struct upload *u, bool (*cut)(void *userdata), void *userdata)
{
    pthread_mutex_lock(&u->in->uploads->lock);
    u->cut = cut;
    u->cut_userdata = userdata;
    pthread_mutex_unlock(&u->in->uploads->lock);
}

/* Asked again whenever something has changed: somebody else may hold it by then. */
static bool will_be_given_back(struct upload *u)
{
    return u->held && (u->leaving || (u->cut && u->cut(u->cut_userdata)));
}

void upload_relieve(struct intake *in, const char *id, const char *owner, int64_t patience_usec)
{
    struct uploads *all = in->uploads;
    int64_t until = clock_monotonic_usec() + patience_usec;
    struct upload *u = NULL;
    struct error ignored;

    pthread_mutex_lock(&all->lock);
    if (uploads_look_up(all, id, owner, &u, &ignored) == 0 && will_be_given_back(u)) {
        u->refs++;
        while (will_be_given_back(u) && clock_monotonic_usec() < until && !atomic_load(&in->stopping))
            uploads_wait(all, until);
    } else {
        u = NULL;
    }
    pthread_mutex_unlock(&all->lock);
    if (u)
        upload_unref(u);
}

void upload_try_later(struct upload *u)
{
    u->retry_usec = clock_monotonic_usec() + (RETRY_MIN_USEC << MIN(u->tries, RETRY_DOUBLED));
    u->tries++;
}

int uploads_remove(struct upload *u, struct error *err)
{
    int r;

    uploads_unreserve(u);
    upload_file_close(&u->file);
    pthread_mutex_lock(&u->in->uploads->lock);
    uploads_unlist(u->in->uploads, u);
    pthread_mutex_unlock(&u->in->uploads->lock);
    r = store_upload_remove(u->in->store, u->id, err);
    return r > 0 ? -EIO : r;
}

/* ---- what people are told ----------------------------------------------------------------------------------------------- */

struct sums {
    const char *owner; /* NULL: everybody's */
    uint64_t bytes, here;
    unsigned n;
};

static void add_up(struct upload *u, void *userdata)
{
    struct sums *s = userdata;

    if (u->sealed || (s->owner && strcmp(s->owner, u->owner) != 0))
        return;
    s->n++;
    s->here += (uint64_t)u->offset;
    s->bytes += (uint64_t)MAX(u->announced, u->offset);
}

void upload_unfinished(struct intake *in, const char *owner, uint64_t *ret_bytes, unsigned *ret_n)
{
    struct sums s = {.owner = owner ? owner : ""};

    pthread_mutex_lock(&in->uploads->lock);
    uploads_each(in->uploads, add_up, &s);
    pthread_mutex_unlock(&in->uploads->lock);
    *ret_bytes = s.bytes;
    *ret_n = s.n;
}

void uploads_status(struct intake *in, json_t *status)
{
    struct sums s = {0};
    json_t *o = json_object();

    pthread_mutex_lock(&in->uploads->lock);
    uploads_each(in->uploads, add_up, &s);
    pthread_mutex_unlock(&in->uploads->lock);
    if (o && json_set_integer(o, "unfinished", s.n) == 0 &&
        json_set_integer(o, "bytes", (int64_t)s.here) == 0 &&
        json_set_integer(o, "reserved", (int64_t)atomic_load(&in->reserved)) == 0)
        (void)json_set_take(status, "uploads", TAKE_PTR(o));
    json_decref(o);
}

/* ---- lives -------------------------------------------------------------------------------------------------------------- */

void upload_throw_away(struct upload *u)
{
    struct error err = ERROR_INIT;
    bool there;

    pthread_mutex_lock(&u->in->uploads->lock);
    there = u->in_staging && !u->sealing;
    u->in_staging = u->in_staging && u->sealing;
    pthread_mutex_unlock(&u->in->uploads->lock);
    if (there && store_upload_remove(u->in->store, u->id, &err) != 0)
        log_event(EVENT_SOURCE_LEFT, "FILE", err.object, "REASON", err.text, NULL);
}

static void destroy(struct upload *u)
{
    if (!u->resumable)
        upload_throw_away(u);
    uploads_unreserve(u);
    upload_file_close(&u->file);
    hasher_free(u->hasher);
    upload_forget_checks(u);
    checker_free(u->md5);
    free(u->door);
    free(u->name);
    free(u->path);
    free(u->owner);
    free(u->zone);
    free(u->metadata);
    free(u->concat);
    free(u->parts);
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
