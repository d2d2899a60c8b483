/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One job: the locked program makes its files in cache/making/<lease>, each is synced and digested, then renamed into the recording's
 * folder under a name that nothing has yet, then rows, facts and the job's end are written in one transaction, and only then what was
 * there before goes. A kill at any point leaves a job that still counts as running: it is done again, from the beginning.
 *
 * A fault is the recording's (tried twice), or ours (put off, ever longer, and never held against the recording).
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "derive/derive-run.h"
#include "media/decoded-facts.h"

#define RENEW_USEC            (2 * USEC_PER_SEC)
#define BACK_OFF_LEAST        USEC_PER_SEC
#define BACK_OFF_MOST         (10 * USEC_PER_MIN)
#define TRIES_MAX             2
#define STARTS_MAX            10 /* begun so often and never ended: it takes the machine down with it */
#define FILE_BYTES_MORE       (UINT64_C(1) << 30)
#define HARDWARE_FAILURES_MAX 3
#define LOOK_USEC             USEC_PER_SEC
#define NEAR_LIMIT            (UINT64_C(1) << 20)
#define SLOWEST_DISK          10 /* bytes a microsecond, to give a lease for what cannot be interrupted */
#define PAGES_LEFT_OUT_MAX    2

struct job_mark job_mark_of(const struct job *job)
{
    struct job_mark mark = {.recording = job->recording, .copy = job->copy, .disposed = job->disposed};

    memcpy(mark.id, job->id, sizeof mark.id);
    return mark;
}

/* ---- while it runs ------------------------------------------------------------------------------------------------------- */

struct renewal {
    struct slot *slot;
    char job[ULID_LENGTH + 1], lease[ULID_LENGTH + 1];
    int64_t until_usec;
    int permille;
};

static int renew(struct txn *t, void *userdata, struct error *err)
{
    const struct renewal *r = userdata;

    return jobs_renew(txn_db(t), r->job, r->lease, r->until_usec, r->permille, err);
}

static void on_renewed(void *userdata, int result, const struct error *err)
{
    _cleanup_free_ struct renewal *r = userdata;

    if (result == JOBS_E_LOST)
        slot_lost(r->slot, r->lease);
}

/* The writer is not waited for: what the program says must be read all the time. */
static void renew_lease(struct making *m, int permille, int64_t more_usec)
{
    struct renewal *r;

    m->renewed_usec = clock_monotonic_usec();
    r = malloc(sizeof *r);
    if (!r)
        return;
    *r = (struct renewal){.slot = m->slot,
                          .until_usec = clock_now_usec() + DERIVE_LEASE_USEC + more_usec,
                          .permille = permille};
    memcpy(r->job, m->job->id, sizeof r->job);
    memcpy(r->lease, m->job->lease, sizeof r->lease);
    if (writer_submit(m->slot->d->writer, false, renew, on_renewed, r) < 0)
        free(r);
}

static void keep_lease(struct making *m, int permille)
{
    if (clock_monotonic_usec() >= m->renewed_usec + RENEW_USEC)
        renew_lease(m, permille, 0);
}

static void on_progress(void *userdata, unsigned permille, int64_t at_usec)
{
    struct making *m = userdata;

    pthread_mutex_lock(&m->slot->d->lock);
    m->slot->permille = m->early ? 0 : (int)permille;
    pthread_mutex_unlock(&m->slot->d->lock);
    keep_lease(m, m->early ? 0 : (int)permille);
}

/* Free bytes where the cache lies; it may have a file system of its own. */
static int free_bytes(const struct derive *d, uint64_t *ret)
{
    struct statvfs v;
    int r = inject_point("derive.space");

    if (r == 0 && fstatvfs(d->cache_fd, &v) < 0)
        return -errno;
    *ret = r == 0 ? (uint64_t)v.f_bavail * v.f_frsize : 0;
    return 0;
}

/* Others write too: when only the reserve is left, what is being made gives way to what arrives. */
static void look_for_room(struct making *m)
{
    int64_t now = clock_monotonic_usec();
    uint64_t bytes = 0;

    if (m->no_room || now < m->looked_usec + LOOK_USEC)
        return;
    m->looked_usec = now;
    if (free_bytes(m->slot->d, &bytes) < 0 ||
        bytes >= atomic_load(&m->slot->d->settings)->store.reserve_bytes)
        return;
    m->no_room = true;
    (void)eventfd_write(m->slot->stop_fd, 1);
}

static bool may_run(void *userdata)
{
    struct making *m = userdata;
    int64_t ignored;
    char why[120];
    int permille;

    pthread_mutex_lock(&m->slot->d->lock);
    permille = m->slot->permille;
    pthread_mutex_unlock(&m->slot->d->lock);
    keep_lease(m, permille);
    look_for_room(m);
    if (m->job->priority == JOB_WATCHED || slot_is_watched(m->slot))
        return true;
    derive_pause_reason(atomic_load(&m->slot->d->settings), clock_now_usec(), why, sizeof why, &ignored);
    return !why[0];
}

/* ---- running the program ------------------------------------------------------------------------------------------------- */

static int make_files(struct making *m, struct error *err)
{
    int r = derive_cache_begin(m->slot->d, m->job->lease, &m->folder_fd);

    if (r < 0)
        return error_errno(err, r, "cache", "no folder can be made for what is derived");
    for (m->n_files = 0; m->n_files < m->plan.names.n; m->n_files++) {
        int fd = openat(m->folder_fd, m->plan.names.items[m->n_files], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC,
                        0640);

        if (fd < 0)
            return error_errno(err, -errno, "cache", "no file can be made for what is derived");
        m->files[m->n_files] = fd;
    }
    return 0;
}

void making_drop(struct making *m)
{
    for (size_t i = 0; i < m->n_files; i++)
        fd_closep(&m->files[i]);
    m->n_files = 0;
    fd_closep(&m->folder_fd);
    derive_cache_drop(m->slot->d, m->job->lease);
}

static int no_room(struct error *err)
{
    return error_set(err, -ENOSPC, "archive",
                     "disk nearly full: what is left is kept for what arrives; make room");
}

/* What may be used of the disk. Nothing of the reserve that sealing has, and, where nobody asked for it by itself, as much again is left
 * for what arrives: derivatives end before intake does. *ret_wanted: what is allowed where there is room. */
static int find_room(struct making *m, uint64_t input_bytes, uint64_t *ret, uint64_t *ret_wanted,
                     struct error *err)
{
    uint64_t reserve = atomic_load(&m->slot->d->settings)->store.reserve_bytes,
             kept = m->job->copy ? reserve : 2 * reserve, bytes = 0;
    int r = free_bytes(m->slot->d, &bytes);

    if (r < 0)
        return error_errno(err, r, "cache", "cannot ask for free space");
    if (bytes <= kept || bytes - kept < DERIVE_ROOM_LEAST)
        return no_room(err);
    *ret_wanted = m->job->copy ? UINT64_MAX /* copies for preservation are as large as they are */
                               : 4 * MIN(input_bytes, UINT64_MAX / 8) + FILE_BYTES_MORE;
    *ret = MIN(bytes - kept, *ret_wanted);
    return 0;
}

/* Whether a file has come to its limit. */
static bool is_at_limit(const struct making *m, uint64_t limit)
{
    struct stat st;

    for (size_t i = 0; i < m->n_files; i++)
        if (fstat(m->files[i], &st) == 0 && (uint64_t)st.st_size + NEAR_LIMIT >= limit)
            return true;
    return false;
}

/* That there was too little room says nothing about the recording. */
static int check_room(struct making *m, int r, uint64_t limit, uint64_t wanted, struct error *err)
{
    eventfd_t ignored;

    if (r == -ECANCELED && m->no_room && !slot_is_stopped(m->slot)) {
        (void)eventfd_read(m->slot->stop_fd, &ignored);
        return no_room(err);
    }
    return r == 0 && limit < wanted && m->result.status == MEDIA_FAILED && is_at_limit(m, limit)
               ? no_room(err)
               : r;
}

static int64_t duration_of(const struct making *m)
{
    int64_t whole = json_get_integer(m->media, "duration_usec", 0);

    return MAX(whole, json_get_integer(m->media, "playable_usec", 0));
}

/* The hardware that this job may use; without a name: none. Redaction goes by what software sees of damage, so copies have none. */
static struct hardware hardware_for(const struct making *m)
{
    struct derive *d = m->slot->d;
    struct hardware h = {0};

    if (m->plan.program != MEDIA_AV || strcmp(m->plan.verb, "derive") != 0)
        return h;
    pthread_mutex_lock(&d->lock);
    h = d->hardware;
    pthread_mutex_unlock(&d->lock);
    return h;
}

/* It is the device's fault when software does well. One that does so again and again is given up until the next start. */
static void blame_hardware(struct derive *d, bool failed)
{
    bool given_up = false;
    char reason[sizeof d->hardware.message];

    pthread_mutex_lock(&d->lock);
    d->hardware_failures = failed ? d->hardware_failures + 1 : 0;
    if (d->hardware.name && d->hardware_failures >= HARDWARE_FAILURES_MAX) {
        snprintf(
            reason, sizeof reason,
            "%s is not used, software is: it failed %d times, one after the other; it is tried again when "
            "the daemon starts",
            d->hardware.name, HARDWARE_FAILURES_MAX);
        d->hardware = (struct hardware){0};
        memcpy(d->hardware.message, reason, sizeof reason);
        given_up = true;
    }
    pthread_mutex_unlock(&d->lock);
    if (given_up)
        log_event(EVENT_NO_HARDWARE, "REASON", reason, NULL);
}

static int start_anew(struct making *m, struct error *err)
{
    making_drop(m);
    media_result_done(&m->result);
    m->result = (struct media_result){0};
    return make_files(m, err);
}

static int run_with(struct making *m, struct media_request *request, const struct hardware *h,
                    struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    int r = json_set_take(m->plan.json, "hardware", hardware_plan(h));

    request->verb = "derive-hardware";
    request->limits.threads += HARDWARE_THREADS;
    r = r < 0 ? r : media_run(s->media.worker, request, &m->result, err);
    request->limits.threads -= HARDWARE_THREADS;
    request->verb = m->plan.verb;
    json_object_del(m->plan.json, "hardware");
    return r;
}

/* With the hardware that there is, and where that comes to nothing, once more without. */
static int run_program(struct making *m, struct media_request *request, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    struct hardware hardware = hardware_for(m);
    int r;

    media_result_done(&m->result);
    m->result = (struct media_result){0};
    if (!hardware.name)
        return media_run(s->media.worker, request, &m->result, err);
    r = run_with(m, request, &hardware, err);
    if (r != 0 || m->result.status != MEDIA_FAILED) {
        if (r == 0)
            blame_hardware(m->slot->d, false);
        return r;
    }
    log_event(EVENT_HARDWARE_FAILED, "RECORDING", m->job->recording.text, "REASON", m->result.message, NULL);
    r = start_anew(m, err);
    r = r < 0 ? r : media_run(s->media.worker, request, &m->result, err);
    if (r == 0 && m->result.status == MEDIA_OK)
        blame_hardware(m->slot->d, true);
    return r;
}

int making_run(struct making *m, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    struct media_request request = {
        .program = m->plan.program,
        .verb = m->plan.verb,
        .input = m->input,
        .plan = m->plan.json,
        .files = m->files,
        .n_files = m->plan.names.n + (m->extra_fd >= 0),
        .limits = {.deadline_usec = derive_deadline(s, duration_of(m)),
                   .memory_bytes = s->media.derive.memory_bytes,
                   /* decoding and encoding have so many each, the encoder one more to look ahead */
                   .threads = (unsigned)s->media.derive.threads * 2 + 1,
                   .share_permille = (unsigned)s->media.derive.cpu_percent * 10,
                   .nice = (int)s->media.derive.nice},
        .stop_fd = m->slot->stop_fd,
        .on_progress = on_progress,
        .may_run = may_run,
        .userdata = m};
    struct stat st;
    uint64_t wanted = 0;
    int r = fstat(m->input, &st) < 0 ? -errno : 0;

    r = r < 0 ? r : inject_point("derive.run");
    r = r < 0 ? r : find_room(m, (uint64_t)st.st_size, &request.limits.file_bytes, &wanted, err);
    r = r < 0 ? r : make_files(m, err);
    if (r == 0 && m->extra_fd >= 0)
        m->files[m->n_files] = m->extra_fd;
    r = r == 0 ? run_program(m, &request, err) : r;
    return check_room(m, r, request.limits.file_bytes, wanted, err);
}

static bool made_any(const struct making *m)
{
    for (size_t i = 0; i < m->plan.names.n; i++)
        if (m->result.bytes[i] > 0)
            return true;
    return false;
}

static bool is_heif(const struct making *m)
{
    const char *container = json_get_string(m->media, "container");

    return container && (strcmp(container, "heif") == 0 || strcmp(container, "heic") == 0);
}

/* Leaves out one page more, the one that it died of; when that has been enough of them, all from there on. Return: 0 or -ENOMEM. */
static int leave_page_out(struct making *m, size_t already)
{
    json_t *skip = json_get_array(json_get_object(m->plan.json, "pages"), "skip");
    size_t n = m->result.reached + 1; /* pages count from 1 */

    for (size_t i = 0; i < json_array_size(skip); i++)
        n = MAX(n, (size_t)json_integer_value(json_array_get(skip, i)) + 1);
    for (size_t last = already < PAGES_LEFT_OUT_MAX ? n : m->plan.names.n; n <= last; n++)
        if (json_array_append_new(skip, json_integer((json_int_t)n)) < 0)
            return -ENOMEM;
    return 0;
}

/* A page of a document that ends the program takes those before it along: they are drawn without it. At the last try only: what ended the
 * program may have been something else. */
static int run_without_pages(struct making *m, struct error *err)
{
    int r = m->job->tries + 1 < TRIES_MAX
                ? 1
                : json_set_take(json_object_get(m->plan.json, "pages"), "skip", json_array());

    for (size_t i = 0; r == 0 && m->result.status == MEDIA_FAILED && i <= PAGES_LEFT_OUT_MAX; i++) {
        r = leave_page_out(m, i);
        making_drop(m);
        r = r < 0 ? r : making_run(m, err);
    }
    return MIN(r, 0);
}

/* Nothing could be shown. What ended the program may have been something else than the recording: that is tried again first. */
static bool is_for_salvage(const struct making *m)
{
    bool judged = m->result.status == MEDIA_DAMAGED || m->result.status == MEDIA_UNKNOWN ||
                  (m->result.status == MEDIA_FAILED && m->job->tries + 1 >= TRIES_MAX);

    return judged && !m->result.elsewhere && strcmp(m->job->kind, "video") == 0 && m->n_early == 0 &&
           !made_any(m);
}

/* Everything in one run, as what was copied before does not play to its end. */
static int run_again(struct making *m, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    int r;

    derive_early_forget(m);
    making_drop(m);
    derive_plan_done(&m->plan);
    r = derive_plan_make(s, m->job->kind, false, &m->plan);
    r = r < 0 ? r : json_set_take(json_object_get(m->plan.json, "proxy"), "remux", json_false());
    return r < 0 ? r : making_run(m, err);
}

/* The plan for the recording's kind; if the program names the other one, that. */
static int run_plan(struct making *m, struct error *err)
{
    const struct settings *s = atomic_load(&m->slot->d->settings);
    int r = derive_early(m, err);

    r = r != 0 ? r : derive_plan_make(s, m->job->kind, is_heif(m), &m->plan);
    r = r != 0 ? r : derive_early_rest(m);
    derive_recipe(s, m->job->kind, m->recipe);
    if (r != 0 || !m->plan.json || m->plan.names.n == 0)
        return r;
    r = making_run(m, err);
    if (r == 0 && derive_early_was_wrong(m))
        r = run_again(m, err);
    if (r == 0 && strcmp(m->plan.verb, "pages") == 0 && m->result.status == MEDIA_FAILED)
        r = run_without_pages(m, err);
    if (r == 0 && m->result.elsewhere && m->plan.program == MEDIA_AV) {
        making_drop(m);
        derive_plan_done(&m->plan);
        r = derive_plan_make(s, m->job->kind, true, &m->plan);
        r = r < 0 ? r : making_run(m, err);
    }
    return r;
}

/* Where nothing could be shown of damaged footage: what can be dug out of it. */
static int run_usual(struct making *m, struct error *err)
{
    int r = run_plan(m, err);

    if (r == 0 && m->plan.json && is_for_salvage(m)) {
        making_drop(m);
        m->plan.verb = "salvage";
        r = making_run(m, err);
    }
    return r;
}

/* ---- keeping what it made ------------------------------------------------------------------------------------------------ */

/* What the program says of a file; it is not to be trusted further than its texts are shown. */
static void describe(const struct making *m, const char *name, struct derivative_row *row)
{
    json_t *list = json_get_array(m->result.answer, "files"), *v;
    size_t i;

    json_array_foreach (list, i, v) {
        const char *named = json_get_string(v, "name"), *how = json_get_string(v, "how"),
                   *message = json_get_string(v, "message");

        if (!named || strcmp(named, name) != 0)
            continue;
        snprintf(row->how, sizeof row->how, "%s", how ? how : "");
        snprintf(row->message, sizeof row->message, "%s", message ? message : "");
        utf8_repair(row->how, sizeof row->how);
        utf8_repair(row->message, sizeof row->message);
        row->width = MAX(INT64_C(0), MIN(json_get_integer(v, "width", 0), INT64_C(1) << 20));
        row->height = MAX(INT64_C(0), MIN(json_get_integer(v, "height", 0), INT64_C(1) << 20));
    }
}

/* Reading a large one again takes a while. */
static int while_digesting(void *userdata, uint64_t bytes)
{
    struct making *m = userdata;

    keep_lease(m, 1000);
    return slot_is_stopped(m->slot) ? -ECANCELED : 0;
}

static int keep_file(struct making *m, size_t i, int into, struct derivative_row *row, struct error *err)
{
    const char *name = m->plan.names.items[i];
    struct digest_pair digest;
    uint64_t bytes;
    int r;

    renew_lease(m, 1000, (int64_t)(m->result.bytes[i] / SLOWEST_DISK)); /* syncing cannot be interrupted */
    r = fd_sync(m->files[i]);
    *row = (struct derivative_row){.made_usec = clock_now_usec(), .bytes = (int64_t)m->result.bytes[i]};
    r = r < 0 ? r : digest_of_fd(m->files[i], false, while_digesting, m, &digest, &bytes);
    if (r == 0 && bytes != m->result.bytes[i])
        r = -EIO;
    if (r < 0)
        return error_errno(err, r, name, "what was derived cannot be kept");
    digest_to_hex(&digest.sha256, row->etag);
    snprintf(row->name, sizeof row->name, "%s", name);
    snprintf(row->file, sizeof row->file, "%s%s-%s", m->job->lease + ULID_LENGTH - 10, m->early ? "E" : "",
             name);
    describe(m, name, row);
    if (renameat(m->folder_fd, name, into, row->file) < 0)
        return error_errno(err, -errno, name, "what was derived cannot be kept");
    return inject_point("derive.renamed");
}

int making_keep(struct making *m, struct error *err)
{
    _cleanup_close_ int into = -1;
    char folder[DERIVE_PATH_SIZE];
    struct job_mark mark = job_mark_of(m->job);
    int r;

    derive_folder(&mark, folder);
    r = fd_mkdir_beneath(m->slot->d->cache_fd, folder, 0750, true);
    if (r == 0)
        into = r = fd_open_beneath(m->slot->d->cache_fd, folder, O_RDONLY | O_DIRECTORY, 0);
    r = r < 0 ? error_errno(err, r, folder, "what was derived cannot be kept") : inject_point("derive.made");
    for (size_t i = 0; r == 0 && i < m->plan.names.n; i++)
        if (m->result.bytes[i] > 0)
            r = keep_file(m, i, into, &m->rows[m->n_rows++], err);
    if (r == 0)
        r = fd_sync(into);
    return r < 0 ? r : inject_point("derive.kept");
}

void making_drop_kept(struct making *m)
{
    _cleanup_close_ int folder = -1;
    char path[DERIVE_PATH_SIZE];
    struct job_mark mark = job_mark_of(m->job);

    derive_folder(&mark, path);
    folder = fd_open_beneath(m->slot->d->cache_fd, path, O_RDONLY | O_DIRECTORY, 0);
    for (size_t i = m->n_early; folder >= 0 && i < m->n_rows; i++)
        if (m->rows[i].file[0])
            (void)unlinkat(folder, m->rows[i].file, 0);
    m->n_rows = m->n_early;
    (void)unlinkat(m->slot->d->cache_fd, path, AT_REMOVEDIR); /* when nothing else is in it */
}

/* What could not be made, and why: [{name, message}]; NULL when nothing is to be said. */
static int list_missing(struct making *m, char **ret)
{
    _cleanup_json_ json_t *list = json_array();
    int r = list ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < m->plan.names.n; i++) {
        struct derivative_row row = {0};

        if (m->result.bytes[i] > 0)
            continue;
        describe(m, m->plan.names.items[i], &row);
        if (row.message[0] &&
            json_array_append_new(
                list, json_pack("{s:s, s:s}", "name", m->plan.names.items[i], "message", row.message)) < 0)
            r = -ENOMEM;
    }
    *ret = NULL;
    return r < 0 || json_array_size(list) == 0 ? r : json_canonical(list, ret);
}

static int record_decoded(struct txn *t, struct making *m, struct error *err)
{
    _cleanup_free_ char *known = NULL, *found = NULL;
    json_t *decoded = json_get_object(m->result.answer, "decoded"), *facts;
    int r = decoded && json_object_size(decoded) > 0
                ? recordings_decoded(txn_db(t), &m->job->recording, &known, err)
                : 0;

    if (r != 0 || !decoded || json_object_size(decoded) == 0)
        return r;
    r = json_canonical(decoded, &found);
    if (r < 0 || (known && strcmp(known, found) == 0))
        return r;
    facts = json_object();
    if (!facts || json_set_take(facts, "decoded", json_incref(decoded)) < 0) {
        json_decref(facts);
        return -ENOMEM;
    }
    r = txn_act(t, "recording.decoded", "system", m->job->recording.text, 0, facts, NULL, err);
    return r != 0 ? r : intake_place_again(m->slot->d->intake, t, &m->job->recording, err);
}

static int record_done(struct txn *t, void *userdata, struct error *err)
{
    struct making *m = userdata;
    _cleanup_free_ char *missing = NULL;
    struct job_end end = {"done", m->recipe[0] ? m->recipe : NULL,
                          m->result.message[0] ? m->result.message : NULL, NULL, clock_now_usec()};
    int r = list_missing(m, &missing);

    end.missing = missing;
    r = r < 0 ? r : jobs_end(txn_db(t), m->job->id, m->job->lease, &end, err);
    r = r != 0 ? r : derivatives_drop(txn_db(t), m->job->id, err);
    for (size_t i = 0; r == 0 && i < m->n_rows; i++)
        r = derivatives_add(txn_db(t), m->job->id, &m->job->recording, &m->rows[i], err);
    if (r != 0 || m->job->copy)
        return r != 0 ? r : derive_copy_record(t, m, err);
    r = derive_trail_check(t, m, err);
    return r != 0 ? r : record_decoded(t, m, err);
}

/* ---- ending -------------------------------------------------------------------------------------------------------------- */

struct closing {
    const struct job *job;
    struct job_end end;
    struct job_later later;
};

static int record_failed(struct txn *t, void *userdata, struct error *err)
{
    struct closing *e = userdata;

    return jobs_end(txn_db(t), e->job->id, e->job->lease, &e->end, err);
}

static int record_later(struct txn *t, void *userdata, struct error *err)
{
    struct closing *e = userdata;

    return jobs_put_off(txn_db(t), e->job->id, e->job->lease, &e->later, err);
}

static void fail(struct making *m, const char *reason)
{
    struct closing e = {.job = m->job, .end = {"failed", NULL, reason, NULL, clock_now_usec()}};
    struct error err = ERROR_INIT;

    if (writer_run(m->slot->d->writer, true, record_failed, &e, &err) != 0)
        return;
    log_event(EVENT_DERIVE_FAILED, "RECORDING", m->job->recording.text, "REASON", reason, NULL);
    derive_say(m->slot->d, "derive-failed", m->job, reason);
}

static void put_off(struct making *m, const struct job_later *later)
{
    struct closing e = {.job = m->job, .later = *later};
    struct error err = ERROR_INIT;

    (void)writer_run(m->slot->d->writer, true, record_later, &e, &err);
}

static void recordings_fault(struct making *m, const char *reason)
{
    int64_t now = clock_now_usec();

    if (m->job->tries + 1 >= TRIES_MAX) {
        fail(m, reason);
        return;
    }
    put_off(m, &(struct job_later){now, now, m->job->tries + 1, 0, false, reason});
}

static void our_fault(struct making *m, int code, const struct error *err)
{
    int64_t now = clock_now_usec(), pause = BACK_OFF_LEAST << MIN(m->job->troubles, INT64_C(10));
    char reason[600];

    if (err->text[0])
        error_format(err, reason, sizeof reason);
    else
        snprintf(reason, sizeof reason, "%s", code < 0 ? strerror(-code) : "the catalogue is busy");
    put_off(m, &(struct job_later){now, now + MIN(pause, BACK_OFF_MOST), m->job->tries, m->job->troubles + 1,
                                   true, reason});
    log_event(EVENT_DERIVE_PUT_OFF, "RECORDING", m->job->recording.text, "REASON", reason, NULL);
    derive_set_trouble(m->slot->d, reason);
    derive_hold(m->slot->d);
}

/* The daemon stops, the job was cancelled, or somebody else has it now. */
static void stopped(struct making *m)
{
    int64_t now = clock_now_usec();

    if (derive_is_stopping(m->slot->d))
        put_off(m, &(struct job_later){now, now, m->job->tries, m->job->troubles, true, NULL});
}

static void keep_all(struct making *m)
{
    struct job_mark mark = job_mark_of(m->job);
    struct error err = ERROR_INIT;
    json_t *decoded = json_get_object(m->result.answer, "decoded");
    char reason[900];
    int r = decoded ? decoded_facts_check(decoded, &err) : 0;

    if (r == -EINVAL) {
        recordings_fault(m, error_format(&err, reason, sizeof reason));
        return;
    }
    r = r < 0 || m->job->copy ? r : derive_trail_add(m, &err);
    r = r != 0 ? r : making_keep(m, &err);
    if (r == 0) {
        r = writer_run(m->slot->d->writer, true, record_done, m, &err);
        if (r == -ECANCELED) /* whether it was committed is not known: the files stay */
            return;
    }
    if (r != 0)
        making_drop_kept(m);
    r = r != 0 ? r : inject_point("derive.committed");
    if (r == JOBS_E_LOST)
        return;
    if (r == -ECANCELED) {
        stopped(m);
        return;
    }
    if (r != 0) {
        our_fault(m, r, &err);
        return;
    }
    (void)derive_cache_clean(m->slot->d, &mark, m->rows, m->n_rows);
    derive_set_trouble(m->slot->d, "");
    derive_go_on(m->slot->d);
    log_event(EVENT_DERIVED, "RECORDING", m->job->recording.text, "STATUS",
              media_status_name(m->result.status), NULL);
    derive_say(m->slot->d, "derived", m->job, m->result.message);
}

static void judge(struct making *m, int r, const struct error *err)
{
    char reason[900];

    if (r == -ECANCELED || slot_is_stopped(m->slot))
        stopped(m);
    else if (r == -EINVAL || r == STORE_E_UNKNOWN || r == STORE_E_DAMAGED)
        fail(m, error_format(err, reason, sizeof reason));
    else if (r != 0)
        our_fault(m, r, err);
    else if (m->job->copy && !derive_copy_is_good(m))
        recordings_fault(m, m->result.message[0] ? m->result.message : "no copy came of it");
    else if (!m->plan.json || m->result.status == MEDIA_OK || m->result.status == MEDIA_UNKNOWN ||
             (m->result.status == MEDIA_DAMAGED && (made_any(m) || m->result.answer)))
        keep_all(m);
    else
        recordings_fault(m, m->result.message[0] ? m->result.message : "nothing could be made of it");
}

void derive_work(struct slot *slot, struct job *job)
{
    struct making m = {.slot = slot,
                       .job = job,
                       .folder_fd = -1,
                       .input = -1,
                       .extra_fd = -1,
                       .renewed_usec = clock_monotonic_usec()};
    struct error err = ERROR_INIT;
    int r = inject_point("derive.taken");

    if (job->starts > STARTS_MAX) {
        fail(&m, "was begun ten times and never came to its end");
        return;
    }
    if (job->disposed) {
        fail(&m, "the recording was disposed of");
        return;
    }
    r = r < 0 || !job->media
            ? r
            : json_parse(job->media, strlen(job->media), job->recording.text, &m.media, &err);
    r = r < 0 ? r : store_open_content(slot->d->store, &job->recording, NULL, &m.input, &err);
    r = r != 0 ? r : job->copy ? derive_copy_run(&m, &err) : run_usual(&m, &err);
    judge(&m, r, &err);
    making_drop(&m);
    fd_closep(&m.input);
    fd_closep(&m.extra_fd);
    json_decref(m.asked);
    derive_plan_done(&m.plan);
    media_result_done(&m.result);
    json_decref(m.media);
    (void)inject_point("derive.ended");
}
