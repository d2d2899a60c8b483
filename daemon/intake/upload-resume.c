/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Resumable uploads (see upload.h): made, opened by one writer at a time, paused with what came made durable, looked at and ended.
 * The state of the digest stays in memory between requests; after a restart what is on disk is digested again at the next one.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/inject.h"
#include "intake/upload-internal.h"

#define READ_BLOCK (256u * 1024)

bool upload_all_there(const struct upload *u)
{
    return u->announced >= 0 && u->file.bytes == u->announced && !u->partial;
}

bool upload_is_whole(const struct upload *u)
{
    return upload_all_there(u);
}

const char *upload_id(const struct upload *u)
{
    return u->id;
}

int64_t upload_offset(const struct upload *u)
{
    return u->file.bytes;
}

/* ---- making ------------------------------------------------------------------------------------------------------------- */

static int set_text(char **text, const char *value)
{
    *text = value ? strdup(value) : NULL;
    return value && !*text ? -ENOMEM : 0;
}

struct others {
    const char *owner;
    int64_t n;
};

static void count_one(struct upload *u, void *userdata)
{
    struct others *o = userdata;

    o->n += !u->sealed && strcmp(o->owner, u->owner) == 0;
}

/* Into the table, held, unless its owner has too many there. */
static int enlist(struct upload *u, struct error *err)
{
    struct uploads *all = u->in->uploads;
    int64_t most = atomic_load(&u->in->settings)->uploads.waiting;
    struct others o = {u->owner, 0};
    int r;

    pthread_mutex_lock(&all->lock);
    uploads_each(all, count_one, &o);
    u->held = true;
    r = o.n >= most ? error_set(err, -EDQUOT, u->owner,
                                "has %lld unfinished uploads, %lld are allowed (uploads.waiting); finish or "
                                "end some of them first",
                                (long long)o.n, (long long)most)
                    : uploads_list(all, u);
    pthread_mutex_unlock(&all->lock);
    return r;
}

int upload_begin(struct intake *in, const struct upload_origin *origin, const char *metadata, bool partial,
                 struct upload **ret, struct error *err)
{
    _cleanup_(upload_unrefp) struct upload *u = NULL;
    int r = uploads_may_begin(in, err);

    r = r < 0 ? r : upload_make(in, origin, NULL, &u, err);
    r = r < 0 ? r : upload_check_size(u, u->announced, err);
    r = r < 0 ? r : set_text(&u->metadata, metadata);
    if (r == 0) {
        u->resumable = true;
        u->partial = partial;
        u->touched_usec = clock_now_usec();
        r = uploads_reserve(u, (uint64_t)MAX(u->announced, 0), err);
    }
    r = r < 0 ? r : enlist(u, err);
    if (r < 0)
        return err->text[0] ? r : error_errno(err, r, "upload", "cannot be begun");
    r = upload_make_file(u, err);
    if (r < 0)
        upload_give_up(TAKE_PTR(u));
    else
        *ret = TAKE_PTR(u);
    return r;
}

/* info.json and the folder itself. */
int upload_register(struct upload *u, struct error *err)
{
    int r = upload_info_write(u);

    r = r < 0 ? r : fd_sync(store_staging_fd(u->in->store));
    r = r < 0 ? r : inject_point("upload.registered");
    return r < 0 ? error_errno(err, r, u->path, "cannot be written to staging") : 0;
}

void upload_give_up(struct upload *u)
{
    struct error ignored = ERROR_INIT;

    (void)uploads_remove(u, &ignored);
    upload_unhold(u);
}

int upload_create(struct intake *in, const struct upload_origin *origin, const char *metadata, bool partial,
                  struct upload **ret, struct error *err)
{
    struct upload *u;
    int r;

    error_clear(err);
    r = upload_begin(in, origin, metadata, partial, &u, err);
    if (r < 0)
        return r;
    r = upload_register(u, err);
    if (r < 0)
        upload_give_up(u);
    else
        *ret = u;
    return r < 0 ? upload_code(r) : 0;
}

int upload_set_bytes(struct upload *u, int64_t bytes, struct error *err)
{
    int r;

    error_clear(err);
    if (bytes < 0 || bytes < u->file.bytes || (u->announced >= 0 && bytes != u->announced))
        return error_set(err, -EINVAL, u->path, "its length cannot be %lld: %lld %s", (long long)bytes,
                         (long long)MAX(u->announced, u->file.bytes),
                         u->announced >= 0 ? "were announced" : "bytes are here");
    if (u->announced >= 0)
        return 0;
    r = upload_check_size(u, bytes, err);
    r = r < 0 ? r : uploads_reserve(u, (uint64_t)(bytes - u->file.bytes), err);
    if (r == 0) {
        pthread_mutex_lock(&u->in->uploads->lock);
        u->announced = bytes;
        pthread_mutex_unlock(&u->in->uploads->lock);
        u->unwritten = true;
    }
    return r;
}

/* ---- opening ------------------------------------------------------------------------------------------------------------ */

/* Digests the bytes up to the offset. */
static int digest_prefix(struct upload *u)
{
    _cleanup_free_ uint8_t *block = malloc(READ_BLOCK);
    int64_t at = 0;

    if (!block)
        return -ENOMEM;
    while (at < u->file.bytes) {
        ssize_t n = inject_point("upload.read");

        if (n == 0)
            n = fd_pread_full(u->file.fd, block, (size_t)MIN((int64_t)READ_BLOCK, u->file.bytes - at), at);
        if (n <= 0)
            return n < 0 ? (int)n : -ENODATA;
        if (atomic_load(&u->in->stopping))
            return -ECANCELED;
        hasher_update(u->hasher, block, (size_t)n);
        at += n;
    }
    return 0;
}

int upload_open_again(struct upload *u, struct error *err)
{
    char path[UPLOAD_PATH_SIZE];
    int staging = store_staging_fd(u->in->store), r;

    upload_data_path(u, path);
    (void)!fchmodat(staging, path, 0600, 0); /* given back after a seal that failed, it is read-only */
    r = upload_file_open(&u->file, staging, path, u->offset);
    if (r < 0)
        return error_errno(err, r, u->path, "cannot be opened in staging");
    return 0;
}

/* All bytes were here when a former process ended, but are not the same any more: it can only be begun again. */
static int begin_again(struct upload *u, struct error *err)
{
    int r = upload_file_cut(&u->file, 0);

    if (r < 0)
        return error_errno(err, r, u->path, "is damaged in staging and cannot be begun again");
    uploads_adjust(u);
    u->acknowledged = 0;
    u->unwritten = true;
    u->is_known = u->have_digests = false;
    pthread_mutex_lock(&u->in->uploads->lock);
    u->offset = 0;
    pthread_mutex_unlock(&u->in->uploads->lock);
    return error_set(err, UPLOAD_E_OFFSET, u->path, "was damaged in staging; send it again from its start");
}

/* What was whole once counts as the disk has it, not as memory does: after a sync that failed the kernel takes for written what was
 * not (fsync(2), NOTES). */
static int forget_cached(struct upload *u)
{
    int r = u->is_known ? upload_file_sync(&u->file) : 0;

    if (r == 0 && u->is_known)
        (void)posix_fadvise(u->file.fd, 0, 0, POSIX_FADV_DONTNEED);
    return r;
}

int upload_digest_again(struct upload *u, struct error *err)
{
    int r;

    u->hasher = hasher_free(u->hasher);
    if (u->file.fd < 0)
        r = upload_open_again(u, err);
    else
        r = 0;
    r = r < 0 ? r : hasher_new(atomic_load(&u->in->settings)->store.sm3, &u->hasher);
    r = r < 0 ? r : forget_cached(u);
    r = r < 0 ? r : digest_prefix(u);
    if (r < 0) {
        u->hasher = hasher_free(u->hasher);
        return err->text[0] ? r : error_errno(err, r, u->path, "cannot be read in staging");
    }
    if (!upload_all_there(u) || !u->is_known)
        return 0;
    hasher_final(u->hasher, &u->digests);
    u->hasher = hasher_free(u->hasher);
    u->have_digests = true;
    if (digest_equal(&u->digests.sha256, &u->known))
        return 0;
    r = begin_again(u, err);
    return r > 0 ? -EUCLEAN : r;
}

int upload_end_digests(struct upload *u)
{
    if (u->have_digests)
        return 0;
    hasher_final(u->hasher, &u->digests);
    u->hasher = hasher_free(u->hasher);
    u->have_digests = true;
    upload_info_digest(u);
    return 0;
}

static int begin_request(struct upload *u, struct error *err)
{
    int r = upload_open_again(u, err);

    u->ended = u->unsynced = false;
    u->request_from = u->file.bytes;
    if (r == 0 && !u->hasher && !u->have_digests)
        r = upload_digest_again(u, err);
    return r;
}

int upload_resume(struct intake *in, const char *id, const char *owner, int64_t offset, struct upload **ret,
                  struct error *err)
{
    struct upload *u = NULL;
    int r, begin;

    error_clear(err);
    begin = uploads_may_begin(in, err);
    pthread_mutex_lock(&in->uploads->lock);
    r = uploads_look_up(in->uploads, id, owner, &u, err);
    if (r == 0 && u->sealed)
        r = error_set(err, UPLOAD_E_SEALED, id, "is whole and sealed as recording %s", u->recording.text);
    if (r == 0 && begin < 0)
        r = begin;
    if (r == 0 && !u->held && !u->sealing && offset != u->offset)
        r = error_set(err, UPLOAD_E_OFFSET, id, "is at offset %lld, not %lld", (long long)u->offset,
                      (long long)offset);
    r = r != 0 ? r : upload_hold(u, err);
    pthread_mutex_unlock(&in->uploads->lock);
    if (r != 0)
        return r;
    r = begin_request(u, err);
    if (r < 0) {
        r = upload_code(r);
        upload_free(u);
        return r;
    }
    *ret = u;
    return 0;
}

/* ---- pausing ------------------------------------------------------------------------------------------------------------ */

int upload_mark_request(struct upload *u)
{
    int r = upload_info_checked(u);

    return r < 0 || u->request_hasher || !u->hasher ? r : hasher_dup(u->hasher, &u->request_hasher);
}

/* Back to where this request began. */
static void go_back(struct upload *u)
{
    if (upload_file_cut(&u->file, u->request_from) < 0) /* then it is when it is opened again */
        u->file.bytes = u->file.taken = u->request_from;
    uploads_adjust(u);
    hasher_free(u->hasher);
    u->hasher = TAKE_PTR(u->request_hasher);
}

static int compare_request(struct upload *u, struct error *err)
{
    _cleanup_(hasher_freep) struct hasher *copy = NULL;
    struct digest_pair content = {0};
    int r = u->n_checks && u->hasher ? hasher_dup(u->hasher, &copy) : 0;

    if (r < 0)
        return r;
    if (copy)
        hasher_final(copy, &content);
    return upload_compare(u, &content, err);
}

/* Nobody has been told more, and what was written since cannot be relied on. */
static void back_to_acknowledged(struct upload *u)
{
    if (u->file.bytes <= u->acknowledged)
        return;
    u->request_from = u->acknowledged;
    u->request_hasher = hasher_free(u->request_hasher);
    u->have_digests = false;
    go_back(u); /* without a state: it is digested again when it is opened */
}

int upload_acknowledge(struct upload *u, struct error *err)
{
    int64_t before = u->acknowledged;
    int r = 0;

    if (u->file.bytes == before && !u->unwritten)
        return 0;
    if (u->file.fd < 0)
        r = upload_open_again(u, err);
    r = r < 0 ? r : upload_file_sync(&u->file);
    if (r == 0) {
        u->acknowledged = u->file.bytes;
        r = upload_info_write(u);
        u->unwritten = r < 0;
    }
    if (r == 0)
        return 0;
    u->acknowledged = before;
    back_to_acknowledged(u);
    return err->text[0] ? r : error_errno(err, r, u->path, "cannot be made durable in staging");
}

void upload_show_offset(struct upload *u)
{
    pthread_mutex_lock(&u->in->uploads->lock);
    if (u->offset != u->file.bytes)
        u->touched_usec = clock_now_usec();
    u->offset = u->file.bytes;
    pthread_mutex_unlock(&u->in->uploads->lock);
}

int upload_pause(struct upload *u, struct error *err)
{
    int r;

    error_clear(err);
    if (!u->resumable || u->ended)
        return error_set(err, -EINVAL, u->path, "is not being written to");
    u->ended = true;
    if (upload_all_there(u) && u->file.fd < 0)
        return 0; /* put together before, and not opened again: nothing can have come */
    r = compare_request(u, err);
    if (r != 0) {
        go_back(u);
    } else if (upload_all_there(u)) { /* the seal makes it durable, or upload_let_go */
        r = upload_end_digests(u);
        u->unsynced = true;
    } else {
        r = upload_acknowledge(u, err);
    }
    upload_forget_checks(u);
    upload_show_offset(u);
    r = r != 0 ? r : inject_point("upload.paused");
    if (r < 0 && !err->text[0])
        error_errno(err, r, u->path, "cannot be paused");
    return r < 0 ? upload_code(r) : r;
}

void upload_take_back(struct upload *u)
{
    struct error ignored = ERROR_INIT;

    if (!u->resumable || u->ended)
        return;
    u->ended = true;
    go_back(u);
    (void)upload_acknowledge(u, &ignored); /* what else the request has said */
    upload_show_offset(u);
}

/* What came without upload_pause is kept, unless it should have been compared with a digest. */
static void end_request(struct upload *u)
{
    struct error ignored = ERROR_INIT;

    if (u->ended)
        return;
    u->ended = true;
    if (u->n_checks)
        go_back(u);
    else if (upload_all_there(u) && u->hasher)
        u->unsynced = upload_end_digests(u) == 0;
    else
        (void)upload_acknowledge(u, &ignored);
}

void upload_let_go(struct upload *u)
{
    struct uploads *all = u->in->uploads;
    struct error ignored = ERROR_INIT;
    bool mine;

    pthread_mutex_lock(&all->lock);
    mine = !u->sealed && !u->sealing;
    u->leaving = true;
    u->cut = NULL;
    pthread_mutex_unlock(&all->lock);
    if (mine && u->file.fd >= 0)
        end_request(u);
    if (mine && u->unsynced && u->have_digests)
        (void)upload_acknowledge(u, &ignored);
    upload_file_give_back(&u->file);
    upload_file_close(&u->file);
    upload_forget_checks(u);
    if (mine) {
        uploads_adjust(u);
        upload_show_offset(u);
    }
    pthread_mutex_lock(&all->lock);
    u->held = u->leaving = false;
    pthread_cond_broadcast(&all->changed);
    pthread_mutex_unlock(&all->lock);
    uploads_kick(all);
}

/* ---- looking and ending ------------------------------------------------------------------------------------------------- */

void upload_state_done(struct upload_state *s)
{
    free(TAKE_PTR(s->metadata));
    free(TAKE_PTR(s->concat));
}

int upload_state(struct intake *in, const char *id, const char *owner, struct upload_state *ret,
                 struct error *err)
{
    struct upload_state s = {0};
    struct upload *u = NULL;
    int r, busy = 0;

    error_clear(err);
    pthread_mutex_lock(&in->uploads->lock);
    r = uploads_look_up(in->uploads, id, owner, &u, err);
    if (r == 0) {
        s = (struct upload_state){.offset = u->offset,
                                  .bytes = u->announced,
                                  .sealed = u->sealed,
                                  .recording = u->recording,
                                  .partial = u->partial,
                                  .final = u->final};
        memcpy(s.id, u->id, sizeof s.id);
        if (!u->sealed) {
            s.expires_usec = u->touched_usec + atomic_load(&in->settings)->uploads.expire_usec;
            memset(&s.recording, 0, sizeof s.recording);
        }
        if (set_text(&s.metadata, u->metadata) < 0 || set_text(&s.concat, u->concat) < 0)
            r = error_errno(err, -ENOMEM, id, "cannot be shown");
        /* whole and not sealed yet: not finished for the client, who would take a whole offset for it */
        if (!u->sealed && (u->held || u->sealing || upload_is_left_whole(u)))
            busy = UPLOAD_E_BUSY;
    }
    pthread_mutex_unlock(&in->uploads->lock);
    if (r == 0) {
        *ret = s;
        return busy ? error_set(err, busy, id, "is being written to or sealed; try again in a moment") : 0;
    }
    upload_state_done(&s);
    return r;
}

int upload_end(struct intake *in, const char *id, const char *owner, struct error *err)
{
    struct upload *u = NULL;
    int r;

    error_clear(err);
    pthread_mutex_lock(&in->uploads->lock);
    r = uploads_look_up(in->uploads, id, owner, &u, err);
    r = r != 0 ? r : upload_hold(u, err);
    pthread_mutex_unlock(&in->uploads->lock);
    if (r != 0)
        return r;
    r = uploads_remove(u, err);
    upload_unhold(u);
    return r < 0 ? upload_code(r) : r;
}
