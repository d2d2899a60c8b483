/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From the last byte of an upload to its receipt: the bytes become an item like a dropped file (a folder of ours with one file that
 * is to be moved in), the sealer takes it, and whoever sent it waits for the outcome. The seal goes on whether they wait or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "catalogue/receipts.h"
#include "intake/upload-internal.h"

#define STOPPING_USEC (2 * USEC_PER_SEC) /* what is being sealed while the daemon stops mostly still is */

void upload_result_done(struct upload_result *r)
{
    free(TAKE_PTR(r->receipt));
}

/* ---- the end of the bytes ----------------------------------------------------------------------------------------------- */

static bool check_holds(const struct upload_check *c, const struct digest_pair *content)
{
    uint8_t out[CHECKER_BYTES_MAX];

    if (!c->checker)
        return memcmp(c->wanted, content->sha256.bytes, c->size) == 0;
    return checker_final(c->checker, out) == c->size && memcmp(c->wanted, out, c->size) == 0;
}

int upload_compare(struct upload *u, const struct digest_pair *content, struct error *err)
{
    for (size_t i = 0; i < u->n_checks; i++)
        if (!check_holds(&u->checks[i], content))
            return error_set(err, UPLOAD_E_CHECKSUM, u->path,
                             "the bytes that came are not those whose digest was given; send them again");
    return 0;
}

static int end_plain(struct upload *u, struct error *err)
{
    char ignored[33];
    int r;

    if (u->ended)
        return error_set(err, -EINVAL, u->path, "is being sealed already");
    u->ended = true;
    if (u->announced >= 0 && u->file.bytes != u->announced)
        return error_set(err, -EPROTO, u->path, "ended after %lld of %lld bytes; send all of it",
                         (long long)u->file.bytes, (long long)u->announced);
    if (u->file.bytes == 0)
        return error_set(err, UPLOAD_E_EMPTY, u->path, "is empty: nothing was recorded");
    hasher_final(u->hasher, &u->digests);
    u->hasher = hasher_free(u->hasher);
    upload_md5(u, ignored);
    r = upload_compare(u, &u->digests, err);
    return r != 0 ? r : inject_point("upload.data");
}

static int end_resumable(struct upload *u, struct error *err)
{
    int r = u->ended ? 0 : upload_pause(u, err);

    if (r != 0)
        return r;
    if (!upload_all_there(u))
        return error_set(err, -EPROTO, u->path, "is not whole yet; send the rest of it");
    if (u->file.bytes == 0)
        return error_set(err, UPLOAD_E_EMPTY, u->path, "is empty: nothing was recorded");
    if (!u->have_digests) {
        r = upload_digest_again(u, err);
        r = r < 0 ? r : upload_end_digests(u);
    }
    return r < 0 ? r : inject_point("upload.data");
}

/* ---- the item ----------------------------------------------------------------------------------------------------------- */

static int build_arrival(const struct upload *u, json_t **ret)
{
    _cleanup_json_ json_t *a = json_deep_copy(u->facts);
    _cleanup_free_ char *path = encode_percent(u->path, strlen(u->path));
    const struct settings *settings = atomic_load(&u->in->settings);
    const char *zone = u->zone ? u->zone : json_get_string(a, "zone");
    int r;

    if (!a || !path)
        return -ENOMEM;
    json_object_del(a, "mtime");
    r = json_set_string(a, "id", u->id);
    r = r < 0 ? r : json_set_string(a, "door", u->door);
    r = r < 0 ? r : json_set_string(a, "folder", "");
    r = r < 0 ? r : json_set_string(a, "path", path);
    r = r < 0 ? r : json_set_integer(a, "bytes", u->file.bytes);
    if (u->mtime_usec)
        r = r < 0 ? r : json_set_integer(a, "mtime", u->mtime_usec);
    r = r < 0 ? r : json_set_string(a, "zone", zone ? zone : zone_name(settings->site.zone));
    if (r == 0)
        *ret = TAKE_PTR(a);
    return r;
}

/* What is written of a resumable one that has ended, and when it is tried again. */
static void settle(struct upload *u, const struct item *item)
{
    u->sealed = item->committed;
    u->again = item->known.text[0] != 0;
    u->recording = item->known.text[0] ? item->known : item->id;
    u->touched_usec = u->sealed ? clock_now_usec() : u->touched_usec;
    u->doubted = u->resumable && item->outcome == OUTCOME_RESOURCE;
    if (!u->sealed)
        upload_try_later(u);
}

/* The sealer's thread: what became of it. */
static void on_sealed(struct item *item)
{
    struct upload *u = item->token;
    struct intake *in = u->in;

    if (item->outcome == OUTCOME_DONE)
        intake_resume(in);
    if (item->outcome == OUTCOME_RESOURCE) {
        intake_pause(in, &item->err);
        drop_kick(in->drop); /* it watches over pauses */
    }
    pthread_mutex_lock(&in->uploads->lock);
    u->outcome = (struct upload_outcome){item->outcome, item->committed, item->leaf, item->err};
    u->in_staging = u->in_staging && (u->resumable || !item->committed);
    settle(u, item);
    pthread_mutex_unlock(&in->uploads->lock);
    if (u->resumable && item->committed)
        upload_info_sealed(u); /* while nobody can end it: its folder is still ours */
    pthread_mutex_lock(&in->uploads->lock);
    u->sealing = false;
    pthread_cond_broadcast(&in->uploads->changed);
    pthread_mutex_unlock(&in->uploads->lock);
    if (u->resumable && item->outcome == OUTCOME_LEAVE)
        log_event(EVENT_UPLOAD_WAITS, "UPLOAD", u->id, "FILE", u->path, "REASON", item->err.text, NULL);
    if (u->resumable)
        uploads_kick(in->uploads);
    item_free(item);
    upload_unref(u);
}

static struct item *make_item(struct upload *u)
{
    struct item *item = calloc(1, sizeof *item);
    char path[UPLOAD_PATH_SIZE];
    int fd = u->file.fd;

    upload_data_path(u, path);
    if (fd < 0) /* from an earlier request; what was given back after a seal is read-only */
        fd = openat(store_staging_fd(u->in->store), path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    u->file.fd = -1;
    if (!item || fd < 0) {
        fd_closep(&fd);
        free(item);
        return NULL;
    }
    *item = (struct item){.in = u->in,
                          .folder = &u->folder,
                          .path = strdup(path),
                          .token = u,
                          .upload = u->id,
                          .shown = u->path,
                          .on_done = on_sealed,
                          .is_move = true,
                          .source_fd = fd,
                          .source_dirfd = -1,
                          .digests = u->digests,
                          .outcome = OUTCOME_DONE};
    return item->path ? item : item_free(item);
}

/* Steps 1 and 2 of the seal, but that the bytes are here and digested. */
static int stage(struct item *item, struct upload *u)
{
    json_t *arrival = NULL;
    int r;

    item->source_dirfd = source_open_parent(store_staging_fd(u->in->store), item->path, &item->source_name);
    if (item->source_dirfd < 0)
        return item->source_dirfd;
    if (fstat(item->source_fd, &item->st) < 0)
        return -errno;
    if (item->st.st_size != u->file.bytes)
        return error_set(&item->err, -EUCLEAN, u->path, "has %lld bytes in staging, %lld were digested",
                         (long long)item->st.st_size, (long long)u->file.bytes);
    item->received_usec = clock_now_usec();
    ulid_make(item->received_usec, item->id.text);
    r = store_stage_new(u->in->store, &item->id, STORE_MOVE, u->name, strlen(u->name), &item->staged,
                        &item->err);
    if (r != 0)
        return r;
    store_stage_source(item->staged, item->source_fd);
    r = inject_point("seal.taken");
    r = r < 0 ? r : build_arrival(u, &arrival);
    return r < 0 ? r : take_finish_staged(item, u->name, arrival);
}

int upload_code(int r)
{
    if (r == -ENOSPC || r == -EDQUOT)
        return -ENOSPC;
    if (r == -ENOMEM || r == -ECANCELED || r == -EUCLEAN)
        return r;
    return r > 0 || error_is_resource(r) ? -EAGAIN : r;
}

int upload_hand_over(struct upload *u, struct error *err)
{
    struct item *item = make_item(u);
    struct error ignored;
    int r;

    if (!item)
        return error_errno(err, -EAGAIN, u->path, "cannot be sealed");
    r = stage(item, u);
    if (r != 0) {
        *err = item->err;
        if (!err->text[0])
            error_errno(err, r < 0 ? r : -EIO, u->path, "cannot be sealed");
        if (item->staged)
            (void)store_stage_abort(item->staged, -1, NULL, &ignored);
        item_free(item);
        return upload_code(r);
    }
    pthread_mutex_lock(&u->in->uploads->lock);
    u->refs++;
    u->sealing = true;
    pthread_mutex_unlock(&u->in->uploads->lock);
    sealer_add(u->in->sealer, item);
    return 0;
}

/* ---- waiting ------------------------------------------------------------------------------------------------------------ */

/* Return: 0 it has ended, -EAGAIN, -ECANCELED: it goes on by itself. */
static int wait_for_seal(struct upload *u, struct error *err)
{
    struct uploads *all = u->in->uploads;
    int64_t until = clock_monotonic_usec() + (inject_point("upload.patience") < 0 ? 0 : UPLOAD_PATIENT_USEC);
    bool stopping = false, sealing;

    pthread_mutex_lock(&all->lock);
    while (u->sealing && clock_monotonic_usec() < until) {
        if (!stopping && atomic_load(&u->in->stopping)) {
            stopping = true;
            until = MIN(until, clock_monotonic_usec() + STOPPING_USEC);
        }
        uploads_wait(all, until);
    }
    sealing = u->sealing;
    if (!sealing)
        upload_heed_doubt(u);
    pthread_mutex_unlock(&all->lock);
    if (!sealing)
        return 0;
    return error_set(
        err, stopping ? -ECANCELED : -EAGAIN, u->path,
        "has arrived whole and its seal is carried on by itself; send it again later for its receipt");
}

static int make_receipt(struct intake *in, bool have_leaf, struct upload_result *ret, struct error *err)
{
    struct db *db;
    int r = 0;

    if (!have_leaf) {
        db = intake_lock_db(in, err);
        r = db ? receipt_leaf(db, &ret->recording, &ret->leaf, err) : -EAGAIN;
        intake_unlock_db(in);
    }
    r = r != 0 ? r : receipt_for_leaf(in->ledger, ret->leaf, ret->recording.text, &ret->receipt, err);
    return r == 0 ? 0 : upload_code(r);
}

static int outcome_for_sender(struct upload *u, struct error *err)
{
    const struct upload_outcome *o = &u->outcome;

    if (o->committed)
        return 0;
    *err = o->err;
    if (atomic_load(&u->in->stopping))
        return error_set(err, -ECANCELED, u->path, "the daemon stops; send it again later for its receipt");
    if (!err->text[0])
        error_set(err, -EAGAIN, u->path, "could not be sealed now; send it again later");
    if (o->outcome == OUTCOME_LATER)
        return -EAGAIN;
    return err->code < 0 ? upload_code(err->code) : -EAGAIN;
}

static int seal_now(struct upload *u, struct error *err)
{
    int r = u->resumable ? end_resumable(u, err) : end_plain(u, err);

    if (r < 0 && !err->text[0])
        error_errno(err, r, u->path, "cannot be sealed");
    r = r != 0 ? r : upload_hand_over(u, err);
    r = r != 0 ? r : wait_for_seal(u, err);
    return r != 0 ? r : outcome_for_sender(u, err);
}

int upload_seal(struct upload *u, struct upload_result *ret, struct error *err)
{
    struct upload_result result = {0};
    int r;

    error_clear(err);
    r = u->sealed ? 0 : seal_now(u, err);
    if (r != 0)
        return r;
    result = (struct upload_result){.recording = u->recording,
                                    .again = u->again,
                                    .sha256 = u->digests.sha256,
                                    .bytes = (uint64_t)u->file.bytes,
                                    .leaf = u->outcome.leaf};
    r = make_receipt(u->in, u->outcome.committed && !u->again, &result, err);
    if (r == 0)
        *ret = result;
    return r;
}

int upload_result(struct intake *in, const char *id, const char *owner, struct upload_result *ret,
                  struct error *err)
{
    struct upload_result result = {0};
    struct upload *u = NULL;
    int r;

    error_clear(err);
    pthread_mutex_lock(&in->uploads->lock);
    r = uploads_look_up(in->uploads, id, owner, &u, err);
    if (r == 0 && !u->sealed)
        r = error_set(err, -EAGAIN, id, "is not sealed yet; ask again later");
    if (r == 0)
        result = (struct upload_result){.recording = u->recording,
                                        .again = u->again,
                                        .sha256 = u->digests.sha256,
                                        .bytes = (uint64_t)u->offset};
    pthread_mutex_unlock(&in->uploads->lock);
    r = r != 0 ? r : make_receipt(in, false, &result, err);
    if (r == 0)
        *ret = result;
    return r;
}
