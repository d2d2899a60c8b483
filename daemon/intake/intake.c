/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Intake as a whole (see intake.h): start and stop in the right order, the pause, and what `status` shows of it.
 */
#include "intake/intake.h"

#include <errno.h>
#include <string.h>
#include <sys/capability.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "base/notify.h"
#include "catalogue/recordings.h"
#include "catalogue/schema.h"
#include "intake/intake-internal.h"

#define INODES_RESERVE 64

/* Says a change of state everywhere a person looks: log, `liuhen watch`, `systemctl status`. */
static void say_state(struct intake *in, enum event event, const char *word, const char *reason)
{
    json_t *line = json_object();

    log_event(event, "REASON", reason, NULL);
    notify_status("STATUS=Intake %s: %s", word, reason);
    if (line && json_set_string(line, "event", word) == 0 && json_set_string(line, "reason", reason) == 0)
        feed_add(in->feed, TAKE_PTR(line));
    json_decref(line);
}

void intake_pause(struct intake *in, const struct error *err)
{
    bool first;

    pthread_mutex_lock(&in->lock);
    first = !in->paused;
    in->paused = true;
    error_format(err, in->pause_reason, sizeof in->pause_reason);
    pthread_mutex_unlock(&in->lock);
    if (first)
        say_state(in, EVENT_INTAKE_PAUSED, "paused", err->text);
}

void intake_resume(struct intake *in)
{
    char was[sizeof in->pause_reason];
    bool first;

    pthread_mutex_lock(&in->lock);
    first = in->paused;
    in->paused = false;
    memcpy(was, in->pause_reason, sizeof was);
    in->pause_reason[0] = 0;
    pthread_mutex_unlock(&in->lock);
    if (first)
        say_state(in, EVENT_INTAKE_RESUMED, "resumed", was);
}

bool intake_is_paused(struct intake *in)
{
    bool paused;

    pthread_mutex_lock(&in->lock);
    paused = in->paused;
    pthread_mutex_unlock(&in->lock);
    return paused;
}

void intake_on_examined(struct intake *in, void (*on_examined)(void *userdata), void *userdata)
{
    pthread_mutex_lock(&in->lock);
    in->on_examined = on_examined;
    in->examined_userdata = userdata;
    pthread_mutex_unlock(&in->lock);
}

void intake_call_examined(struct intake *in)
{
    pthread_mutex_lock(&in->lock);
    if (in->on_examined)
        in->on_examined(in->examined_userdata);
    pthread_mutex_unlock(&in->lock);
}

bool intake_has_room(struct intake *in, uint64_t bytes, struct error *err)
{
    uint64_t reserve = atomic_load(&in->settings)->store.reserve_bytes, free_bytes, free_inodes,
             announced = atomic_load(&in->reserved);

    if (store_space(in->store, &free_bytes, &free_inodes, err) < 0)
        return false;
    if (free_bytes < reserve || free_bytes - reserve < announced ||
        free_bytes - reserve - announced < bytes) {
        error_set(err, -ENOSPC, "archive",
                  "disk nearly full: %llu MiB are free, %llu MiB are kept in reserve, %llu MiB are announced "
                  "by uploads, %llu MiB are needed; make room or enlarge the disk. Nothing is erased to make "
                  "space",
                  (unsigned long long)(free_bytes >> 20), (unsigned long long)(reserve >> 20),
                  (unsigned long long)(announced >> 20), (unsigned long long)((bytes + 1048575) >> 20));
        return false;
    }
    if (free_inodes < INODES_RESERVE) {
        error_set(err, -ENOSPC, "archive",
                  "the file system has no free inodes left; make room for more files");
        return false;
    }
    return true;
}

char *door_of_folder(const struct settings_folder *folder)
{
    char *door;

    return asprintf(&door, "drop:%s", folder->name) < 0 ? NULL : door;
}

struct db *intake_lock_db(struct intake *in, struct error *err)
{
    pthread_mutex_lock(&in->db_lock);
    return in->db || catalogue_open(in->dsn, DB_READ, &in->db, err) == 0 ? in->db : NULL;
}

void intake_unlock_db(struct intake *in)
{
    pthread_mutex_unlock(&in->db_lock);
}

bool intake_source_is_known(struct item *item)
{
    _cleanup_free_ char *path = encode_percent(item->path, strlen(item->path)),
                        *door = door_of_folder(item->folder);
    struct error ignored;
    bool known = false;
    struct db *db;

    if (!path || !door)
        return false;
    db = intake_lock_db(item->in, &ignored);
    if (!db || recordings_source_is_known(db, door, path, item->st.st_size, source_mtime_usec(&item->st),
                                          &known, &ignored) != 0)
        known = false;
    intake_unlock_db(item->in);
    return known;
}

bool intake_sidecar_is_used(const struct item *item, const char *stem, size_t n, const json_t *sidecar)
{
    _cleanup_free_ char *path = encode_percent(stem, n), *door = door_of_folder(item->folder);
    struct error ignored;
    bool used = false;
    struct db *db;

    if (!path || !door)
        return false;
    db = intake_lock_db(item->in, &ignored);
    if (!db || recordings_sidecar_is_used(db, door, path, sidecar, source_mtime_usec(&item->st), &used,
                                          &ignored) != 0)
        used = false;
    intake_unlock_db(item->in);
    return used;
}

static bool has_capability(cap_value_t which)
{
    cap_t caps = cap_get_proc();
    cap_flag_value_t value = CAP_CLEAR;

    if (caps)
        cap_get_flag(caps, which, CAP_EFFECTIVE, &value);
    cap_free(caps);
    return value == CAP_SET;
}

int intake_new(const struct intake_context *context, struct intake **ret, struct error *err)
{
    _cleanup_(intake_freep) struct intake *in = calloc(1, sizeof *in);
    struct stat st;
    int r;

    if (!in)
        return -ENOMEM;
    in->store = context->store;
    in->writer = context->writer;
    in->ledger = context->ledger;
    in->policy = context->policy;
    in->feed = context->feed;
    atomic_store(&in->settings, context->settings);
    atomic_store(&in->placer, context->placer);
    pthread_mutex_init(&in->lock, NULL);
    pthread_mutex_init(&in->db_lock, NULL);
    in->dsn = strdup(context->settings->catalogue.dsn);
    if (!in->dsn || fstat(store_staging_fd(in->store), &st) < 0)
        return -ENOMEM;
    in->archive_dev = st.st_dev;
    in->archive_mount = fd_mount_id(store_staging_fd(in->store));
    in->may_chown = has_capability(CAP_CHOWN) && has_capability(CAP_FOWNER);
    r = uploads_new(in, err);
    r = r < 0 ? r : recover_staging(in, err);
    r = r < 0 ? r : pool_new((unsigned)context->settings->intake.threads, &in->pool);
    r = r < 0 ? r : examiner_new(in, &in->examiner, err);
    r = r < 0 ? r : sealer_new(in, &in->sealer, err);
    r = r < 0 ? r : drop_new(in, &in->drop, err);
    r = r < 0 ? r : uploads_keeper_start(in);
    if (r < 0)
        return r;
    *ret = TAKE_PTR(in);
    return 0;
}

void intake_hurry(struct intake *in)
{
    atomic_store(&in->stopping, true);
    uploads_stop(in);
}

struct intake *intake_free(struct intake *in)
{
    if (!in)
        return NULL;
    intake_hurry(in);
    uploads_keeper_stop(in);
    drop_stop(in->drop);
    in->pool = pool_free(in->pool);       /* what is being hashed stops at the next block */
    in->sealer = sealer_free(in->sealer); /* what is staged is sealed */
    in->examiner = examiner_free(in->examiner);
    in->drop = drop_free(in->drop);
    uploads_free(in);
    db_close(in->db);
    pthread_mutex_destroy(&in->lock);
    pthread_mutex_destroy(&in->db_lock);
    free(in->dsn);
    free(in);
    return NULL;
}

void intake_reload(struct intake *in, const struct settings *settings, const struct placer *placer)
{
    atomic_store(&in->settings, settings);
    atomic_store(&in->placer, placer);
    drop_reload(in->drop);
    uploads_kick(in->uploads);
}

json_t *intake_status(struct intake *in)
{
    json_t *o = json_object();
    char reason[400];

    if (!o)
        return NULL;
    drop_status(in->drop, o);
    uploads_status(in, o);
    writer_trouble(in->writer, reason, sizeof reason); /* then seals in hand wait for it */
    pthread_mutex_lock(&in->lock);
    if (in->paused)
        snprintf(reason, sizeof reason, "%s", in->pause_reason);
    pthread_mutex_unlock(&in->lock);
    (void)json_set_string(o, "state", reason[0] ? "paused" : "running");
    if (reason[0])
        (void)json_set_string(o, "reason", reason);
    return o;
}
