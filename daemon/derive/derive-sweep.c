/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The keeper: a thread that, some time after the start, after a reload and then a few times a day, compares rows, files and recipes.
 * What is missing or was made by another recipe is asked for at the lowest priority; what belongs to nothing goes. It goes through the
 * catalogue a page at a time, each in a short transaction of its own, rests after each, and has what of the processor and the disk nobody
 * else wants: an archive may have millions of recordings. It sleeps for the rest.
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/inject.h"
#include "base/log.h"
#include "derive/derive-run.h"

#define PAGE          64
#define FIRST_USEC    (30 * USEC_PER_SEC) /* after the start */
#define INTERVAL_USEC (6 * USEC_PER_HOUR)
#define TROUBLE_USEC  (10 * USEC_PER_MIN) /* after one that came to no end */
#define REST_USEC     (10 * USEC_PER_MSEC)
#define NICE          15
#define IOPRIO_IDLE   (3 << 13) /* ioprio_set(2): class IDLE */
#define IOPRIO_THREAD 1         /* IOPRIO_WHO_PROCESS */

struct page {
    struct derive *d;
    struct recording_id ids[PAGE];
    struct job_mark marks[PAGE];
    size_t n;
    bool again;
};

static int want_page(struct txn *t, void *userdata, struct error *err)
{
    const struct page *p = userdata;
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n; i++)
        r = (p->again ? jobs_want_again : jobs_want_derivatives)(
            txn_db(t), &p->ids[i], p->again ? JOB_LATER : JOB_USUAL, clock_now_usec(), err);
    return r;
}

static int forget_page(struct txn *t, void *userdata, struct error *err)
{
    const struct page *p = userdata;
    int r = 0;

    for (size_t i = 0; r == 0 && i < p->n; i++)
        r = jobs_forget(txn_db(t), p->marks[i].id, err);
    return r;
}

static int ask(struct page *p, struct error *err)
{
    int r = p->n ? writer_run(p->d->writer, false, want_page, p, err) : 0;

    if (r == 0 && p->n)
        derive_kick(p->d);
    return r;
}

/* After a whole page, before the next. */
static void rest(struct derive *d, const struct page *p)
{
    if (p->n == PAGE && !derive_is_stopping(d))
        usleep(REST_USEC);
}

/* One page of a question; the next one begins after its last. */
typedef int (*page_fn)(struct db *db, const void *what, const char *after, struct page *p, struct error *err);

static int read_page(struct derive *d, page_fn fn, const void *what, const char *after, struct page *p,
                     struct error *err)
{
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    if (r != 0)
        return r;
    r = fn(db, what, after, p, err);
    readers_give(d->readers, db, r != 0);
    return r;
}

/* ---- what is missing, and what is old -------------------------------------------------------------------------------------- */

struct recipe {
    const char *kind;
    char text[DERIVE_RECIPE_MAX];
};

static int other_recipe(struct db *db, const void *what, const char *after, struct page *p, struct error *err)
{
    const struct recipe *recipe = what;

    return jobs_of_other_recipe(db, recipe->kind, recipe->text, after, p->ids, PAGE, &p->n, err);
}

static int without_job(struct db *db, const void *what, const char *after, struct page *p, struct error *err)
{
    return jobs_missing(db, after, p->ids, PAGE, &p->n, err);
}

static int want_all(struct derive *d, page_fn fn, const void *what, bool again, struct error *err)
{
    struct page p = {.d = d, .n = PAGE, .again = again};
    char after[ULID_LENGTH + 1] = "";
    int r = 0;

    while (r == 0 && p.n == PAGE && !derive_is_stopping(d)) {
        r = read_page(d, fn, what, after, &p, err);
        if (r == 0 && p.n > 0)
            memcpy(after, p.ids[p.n - 1].text, sizeof after);
        r = r != 0 ? r : ask(&p, err);
        rest(d, &p);
    }
    return r;
}

static int want_recipes(struct derive *d, struct error *err)
{
    static const char *const kinds[] = {"video", "audio", "photo", "document"};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(kinds); i++) {
        struct recipe recipe = {.kind = kinds[i]};

        derive_recipe(atomic_load(&d->settings), kinds[i], recipe.text);
        r = want_all(d, other_recipe, &recipe, true, err);
    }
    return r;
}

/* ---- rows and files -------------------------------------------------------------------------------------------------------- */

static int marks(struct db *db, const void *what, const char *after, struct page *p, struct error *err)
{
    return derivatives_jobs(db, after, p->marks, PAGE, &p->n, err);
}

static int old_copies(struct db *db, const void *what, const char *after, struct page *p, struct error *err)
{
    return jobs_old_copies(db, *(const int64_t *)what, p->marks, PAGE, &p->n, err);
}

static int read_rows(struct derive *d, const struct job_mark *mark, struct derivative_row *rows,
                     size_t *ret_n, struct error *err)
{
    struct db *db;
    int r = readers_take(d->readers, &db, err);

    if (r != 0)
        return r;
    r = derivatives_of_job(db, mark->id, rows, DERIVE_NAMES_MAX, ret_n, err);
    readers_give(d->readers, db, r != 0);
    return r;
}

/* Whether every file of a job is there with its length. A file that cannot be looked at for want of something is not missing. */
static int is_whole(struct derive *d, const struct job_mark *mark, bool *ret, struct error *err)
{
    struct derivative_row rows[DERIVE_NAMES_MAX];
    size_t n = 0;
    int r = read_rows(d, mark, rows, &n, err);

    *ret = true;
    for (size_t i = 0; r == 0 && i < n && *ret; i++) {
        int fd, q = derive_cache_open(d, mark, &rows[i], &fd);

        if (q == 0)
            close(fd);
        *ret = q != -ENOENT && q != -ESTALE && q != -ELOOP;
    }
    return r;
}

/* Rows and files of jobs whose time is over. The files go first: a kill between leaves rows, which are found again. */
static int forget(struct derive *d, struct page *p, struct error *err)
{
    for (size_t i = 0; i < p->n; i++) {
        int r = derive_cache_clean(d, &p->marks[i], NULL, 0);

        if (r < 0)
            return r;
    }
    return p->n ? writer_run(d->writer, false, forget_page, p, err) : 0;
}

static int look_at(struct derive *d, const struct page *seen, struct error *err)
{
    struct page gone = {.d = d}, missing = {.d = d, .again = true};
    int r = 0;

    for (size_t i = 0; r == 0 && i < seen->n && !derive_is_stopping(d); i++) {
        const struct job_mark *mark = &seen->marks[i];
        bool whole = true;

        if (mark->disposed) {
            gone.marks[gone.n++] = *mark;
            continue;
        }
        if (mark->copy || !mark->ended)
            continue;
        r = is_whole(d, mark, &whole, err);
        if (r == 0 && !whole)
            missing.ids[missing.n++] = mark->recording;
    }
    r = r != 0 ? r : forget(d, &gone, err);
    return r != 0 || !atomic_load(&d->settings)->media.derive.enabled ? r : ask(&missing, err);
}

static int look_at_all(struct derive *d, struct error *err)
{
    struct page p = {.d = d, .n = PAGE};
    char after[ULID_LENGTH + 1] = "";
    int r = 0;

    while (r == 0 && p.n == PAGE && !derive_is_stopping(d)) {
        r = read_page(d, marks, NULL, after, &p, err);
        if (r == 0 && p.n > 0)
            memcpy(after, p.marks[p.n - 1].id, sizeof after);
        r = r != 0 ? r : look_at(d, &p, err);
        rest(d, &p);
    }
    return r;
}

static int drop_copies(struct derive *d, struct error *err)
{
    int64_t before = clock_now_usec() - atomic_load(&d->settings)->media.copies_kept_usec;
    struct page p = {.d = d, .n = PAGE};
    int r = 0;

    while (r == 0 && p.n == PAGE && !derive_is_stopping(d)) {
        r = read_page(d, old_copies, &before, "", &p, err);
        r = r != 0 ? r : forget(d, &p, err);
    }
    return r;
}

/* ---- folders of nothing ---------------------------------------------------------------------------------------------------- */

/* Whether a folder of this name (a recording's, or a copy's job) belongs to a job that is there. */
static int is_known(struct derive *d, const char *name, bool copy, bool *ret, struct error *err)
{
    struct job_state state = {0};
    struct recording_id id;
    struct db *db;
    int r = recording_id_parse(name, &id) < 0 ? JOBS_E_NONE : 0;

    if (r == 0) {
        r = readers_take(d->readers, &db, err);
        if (r != 0)
            return r;
        r = copy ? jobs_read(db, name, &state, err) : jobs_of_recording(db, &id, &state, err);
        readers_give(d->readers, db, r != 0 && r != JOBS_E_NONE);
    }
    job_state_done(&state);
    *ret = r == 0;
    return r == JOBS_E_NONE ? 0 : r;
}

static int drop_unknown(struct derive *d, const char *folder, bool copy, struct error *err)
{
    int fd = fd_open_beneath(d->cache_fd, folder, O_RDONLY | O_DIRECTORY, 0), r = 0;
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        if (fd >= 0)
            close(fd);
        return fd == -ENOENT ? 0 : fd < 0 ? fd : -ENOMEM;
    }
    for (const struct dirent *de; r == 0 && !derive_is_stopping(d) && (de = readdir(dir));) {
        bool known = true;

        if (de->d_name[0] == '.')
            continue;
        r = is_known(d, de->d_name, copy, &known, err);
        if (r == 0 && !known)
            (void)fd_remove_tree_at(dirfd(dir), de->d_name);
    }
    closedir(dir);
    return r;
}

static int drop_all_unknown(struct derive *d, struct error *err)
{
    static const char letters[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"; /* of ULIDs */
    int r = drop_unknown(d, "copies", true, err);

    for (size_t i = 0; r == 0 && i < 32 * 32; i++) {
        char folder[32];

        snprintf(folder, sizeof folder, "derivatives/%c%c", letters[i / 32], letters[i % 32]);
        r = drop_unknown(d, folder, false, err);
    }
    return r;
}

/* ---- the thread ------------------------------------------------------------------------------------------------------------ */

/* Return: how long until the next one. */
static int64_t sweep(struct derive *d)
{
    struct error err = ERROR_INIT;
    bool on = atomic_load(&d->settings)->media.derive.enabled;
    int r = on ? want_all(d, without_job, NULL, false, &err) : 0;

    r = r != 0 || !on ? r : want_recipes(d, &err);
    r = r != 0 ? r : look_at_all(d, &err);
    r = r != 0 ? r : drop_copies(d, &err);
    r = r != 0 ? r : drop_all_unknown(d, &err);
    if (r != 0 && !derive_is_stopping(d))
        log_event(EVENT_DERIVE_SWEEP, "REASON", err.text[0] ? err.text : strerror(abs(r)), NULL);
    return r == 0 ? INTERVAL_USEC : TROUBLE_USEC;
}

/* How long until the first one; tests do not wait for it. */
static int64_t first_pause(void)
{
    return inject_point("derive.sweep") < 0 ? 0 : FIRST_USEC;
}

static bool wait_to_sweep(struct derive *d, int64_t pause_usec)
{
    struct timespec until;
    bool go_on;

    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += pause_usec / USEC_PER_SEC;
    pthread_mutex_lock(&d->lock);
    while (!d->sweep_wanted && !d->stopping && pause_usec > 0)
        if (pthread_cond_timedwait(&d->wake, &d->lock, &until) == ETIMEDOUT)
            break;
    d->sweep_wanted = false;
    go_on = !d->stopping;
    pthread_mutex_unlock(&d->lock);
    return go_on;
}

static void *keeper_thread(void *userdata)
{
    struct derive *d = userdata;
    int64_t pause = first_pause();

    (void)setpriority(PRIO_PROCESS, (id_t)gettid(), NICE); /* of this thread alone */
    (void)syscall(SYS_ioprio_set, IOPRIO_THREAD, 0, IOPRIO_IDLE);
    while (wait_to_sweep(d, pause))
        pause = sweep(d);
    return NULL;
}

int derive_keeper_start(struct derive *d)
{
    int r = -pthread_create(&d->keeper, NULL, keeper_thread, d);

    d->keeper_started = r == 0;
    return r;
}

void derive_keeper_stop(struct derive *d)
{
    if (d->keeper_started)
        pthread_join(d->keeper, NULL);
}
