/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The writer thread (see writer.h). Order inside a round: acts are applied and their entries put into pending_leaves in one
 * transaction; after the commit the entries go to the ledger's files; the next round's transaction trims pending_leaves up to the
 * published size. A crash anywhere leaves the files behind the rows, never ahead, and writer_new catches up.
 */
#include "catalogue/writer.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>

#include "base/clock.h"
#include "base/encode.h"
#include "base/inject.h"
#include "base/log.h"
#include "catalogue/ids.h"
#include "catalogue/schema.h"
#include "catalogue/sql.h"

#define ROUND_JOBS_MAX   512
#define RETRY_PAUSE_USEC (500 * USEC_PER_MSEC)
#define CATCH_UP_AT_ONCE 1024
#define ROUND_STANDS     1    /* the commit before had been done after all */
#define BUSY_MSEC        2000 /* rounds are tried again anyway, and a stop must not wait longer */

struct job {
    struct job *next;
    bool patient;
    writer_fn run;
    writer_done_fn on_done;
    void *userdata;
    int result;
    struct error err;
};

struct entry {
    char *data;
    size_t size;
};

struct writer {
    struct db *db;
    struct ledger *ledger;
    char *node;
    pthread_t thread;
    bool started;

    pthread_mutex_t lock;
    pthread_cond_t wake, idle;
    struct job *head, **tail;
    bool stopping, busy;
    bool hurry; /* what cannot be written at once is given up */
    char trouble[300];

    /* the writer thread's own */
    bool clock_said;
    uint64_t next_index;
    struct entry *entries; /* leaves of this round, from next_index of its begin */
    size_t n_entries, allocated;
    bool
        unsettled; /* a commit failed and may have been done all the same; the entries are kept until that is known */
};

struct txn {
    struct writer *w;
};

struct db *txn_db(struct txn *t)
{
    return t->w->db;
}

static void drop_entries(struct writer *w, size_t keep)
{
    while (w->n_entries > keep)
        free(w->entries[--w->n_entries].data);
}

/* Room for one more, so that keeping an entry whose rows are written cannot fail. */
static int reserve_entry(struct writer *w)
{
    size_t more = w->allocated ? 2 * w->allocated : 64;
    struct entry *bigger;

    if (w->n_entries < w->allocated)
        return 0;
    bigger = reallocarray(w->entries, more, sizeof *bigger);
    if (!bigger)
        return -ENOMEM;
    w->entries = bigger;
    w->allocated = more;
    return 0;
}

static void keep_entry(struct writer *w, char *data, size_t size)
{
    w->entries[w->n_entries++] = (struct entry){data, size};
}

int txn_act(struct txn *t, const char *kind, const char *actor, const char *subject, int64_t time_usec,
            json_t *facts, uint64_t *ret_index, struct error *err)
{
    _cleanup_json_ json_t *owned = facts;
    struct act act = {kind, time_usec ? time_usec : clock_now_usec(), actor, t->w->node, subject, facts};
    uint64_t index = t->w->next_index + t->w->n_entries;
    _cleanup_free_ char *entry = NULL;
    size_t size;
    int r;

    if (!facts)
        return -ENOMEM;
    r = reserve_entry(t->w);
    if (r == 0)
        r = act_encode(&act, &entry, &size, err);
    if (r == 0)
        r = act_apply(t->w->db, index, &act, err);
    if (r == 0)
        r = sql_run(t->w->db, err, "INSERT INTO pending_leaves (idx, entry) VALUES ($1, $2)", "ib",
                    (int64_t)index, entry, size);
    if (r != 0)
        return r;
    clock_raise_floor(act.time_usec);
    keep_entry(t->w, TAKE_PTR(entry), size);
    if (ret_index)
        *ret_index = index;
    return 0;
}

static void set_trouble(struct writer *w, const char *text)
{
    pthread_mutex_lock(&w->lock);
    if (*text && !*w->trouble)
        log_event(EVENT_CATALOGUE_BUSY, "REASON", text, NULL);
    else if (!*text && *w->trouble)
        log_event(EVENT_CATALOGUE_WELL, "REASON", w->trouble, NULL);
    snprintf(w->trouble, sizeof w->trouble, "%s", text);
    utf8_repair(w->trouble, sizeof w->trouble);
    pthread_mutex_unlock(&w->lock);
}

void writer_trouble(struct writer *w, char *buf, size_t size)
{
    pthread_mutex_lock(&w->lock);
    snprintf(buf, size, "%s", w->trouble);
    pthread_mutex_unlock(&w->lock);
}

/* Whether this failure is the store's, not the job's: the whole round must be tried again. */
static bool is_trouble(int r)
{
    return r == DB_E_BUSY || (r < 0 && (error_is_resource(r) || r == -ENOTCONN || r == -EBADMSG));
}

/* One job inside its savepoint. Return: 0 (the job's own result is in job->result), or the trouble that ends the round. */
static int run_job(struct writer *w, struct job *job, struct error *err)
{
    struct txn t = {w};
    size_t before = w->n_entries;
    int r = db_savepoint(w->db, err);

    if (r != 0)
        return r;
    error_clear(&job->err);
    job->result = job->run(&t, job->userdata, &job->err);
    if (job->result == 0) {
        r = db_savepoint_release(w->db, err);
        if (r != -ECANCELED)
            return r;
        /* it went on after a statement had failed: nothing of it may stay, and the others need not wait for it */
        job->result = error_set(&job->err, -EPROTO, "catalogue",
                                "a part of this change failed and nothing of it was kept");
    }
    drop_entries(w, before);
    db_savepoint_rollback(w->db);
    if (is_trouble(job->result)) {
        *err = job->err;
        return job->result;
    }
    return 0;
}

/* Counts the acts when nobody can be about to add any: a server that lost us may still be busy with our COMMIT, and holds its
 * locks until then. */
static int count_acts_alone(struct writer *w, int64_t *ret, struct error *err)
{
    int r = db_begin(w->db, err);

    if (r == 0 && db_is_postgres(w->db))
        r = db_exec(w->db, "LOCK TABLE acts IN SHARE ROW EXCLUSIVE MODE", err);
    r = r != 0 ? r : acts_next_index(w->db, ret, err);
    db_rollback(w->db);
    return r;
}

/* Whether the commit whose outcome is not known (the server went away while committing) was done after all: then the acts of
 * this round stand in the table. */
static int settle_commit(struct writer *w, struct error *err)
{
    int64_t acts;
    int r = count_acts_alone(w, &acts, err);

    if (r != 0)
        return r;
    w->unsettled = false;
    if (w->n_entries > 0 && (uint64_t)acts == w->next_index + w->n_entries)
        return ROUND_STANDS;
    drop_entries(w, 0);
    return 0;
}

/* Return: 0 (committed; results in the jobs), or the trouble that stopped it. */
static int run_round(struct writer *w, struct job *jobs, struct error *err)
{
    int r = w->unsettled ? settle_commit(w, err) : 0;

    if (r != 0)
        return r == ROUND_STANDS ? 0 : r;
    r = db_begin(w->db, err);
    if (r != 0)
        return r;
    r = sql_run(w->db, err, "DELETE FROM pending_leaves WHERE idx < $1", "i",
                (int64_t)ledger_size(w->ledger));
    for (struct job *job = jobs; job && r == 0; job = job->next)
        r = run_job(w, job, err);
    if (r == 0) {
        r = db_commit(w->db, err);
        w->unsettled = r != 0;
    }
    if (r == 0) {
        if (w->n_entries > 0) /* only to stop here: what is committed cannot fail any more */
            (void)inject_point("seal.committed");
        return 0;
    }
    db_rollback(w->db);
    if (!w->unsettled)
        drop_entries(w, 0);
    return r;
}

static int publish(struct writer *w, struct error *err)
{
    _cleanup_free_ struct ledger_entry *list = NULL;
    int r;

    if (w->n_entries == 0)
        return 0;
    list = calloc(w->n_entries, sizeof *list);
    if (!list)
        return -ENOMEM;
    for (size_t i = 0; i < w->n_entries; i++)
        list[i] = (struct ledger_entry){w->entries[i].data, w->entries[i].size};
    r = ledger_publish(w->ledger, w->next_index, list, w->n_entries, err);
    if (r != 0)
        return r;
    w->next_index += w->n_entries;
    drop_entries(w, 0);
    return inject_point("seal.published");
}

/* Waits a little, or until stopping. Return: whether to go on trying. */
static bool pause_and_say(struct writer *w, int r, const struct error *err)
{
    struct timespec until;
    char text[600];
    bool go_on;

    error_format(err, text, sizeof text);
    set_trouble(w, *text ? text : strerror(r < 0 ? -r : EAGAIN));
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += RETRY_PAUSE_USEC * NSEC_PER_USEC;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&w->lock);
    if (!w->stopping && !w->hurry)
        pthread_cond_timedwait(&w->wake, &w->lock, &until);
    w->stopping = w->stopping || w->hurry; /* this round is given up, and with it all that follow */
    go_on = !w->stopping;
    pthread_mutex_unlock(&w->lock);
    return go_on;
}

static void finish(struct job *job, int result)
{
    struct error *err = &job->err;

    if (result != 0 && job->result == 0) {
        job->result = result;
        if (!err->text[0])
            error_set(err, result, "catalogue", "%s",
                      result == -ECANCELED ? "the daemon is stopping"
                                           : "does not take writes at the moment; try again");
    }
    job->on_done(job->userdata, job->result, err);
    free(job);
}

/* Takes the impatient jobs off a list. */
static struct job *take_impatient(struct job **list)
{
    struct job *taken = NULL, **end = &taken;

    while (*list) {
        struct job *job = *list;

        if (job->patient) {
            list = &job->next;
            continue;
        }
        *list = job->next;
        job->next = NULL;
        *end = job;
        end = &job->next;
    }
    return taken;
}

static void refuse_all(struct job *jobs, const struct error *why)
{
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        job->err = *why;
        job->result = -EAGAIN;
        finish(job, 0);
    }
}

/* Fails the impatient jobs that queue behind a round in trouble. */
static void fail_impatient_queue(struct writer *w, const struct error *why)
{
    struct job *impatient;

    pthread_mutex_lock(&w->lock);
    impatient = take_impatient(&w->head);
    w->tail = &w->head;
    while (*w->tail)
        w->tail = &(*w->tail)->next;
    pthread_mutex_unlock(&w->lock);
    refuse_all(impatient, why);
}

static void finish_all(struct job *jobs, int result)
{
    for (struct job *job = jobs, *next; job; job = next) {
        next = job->next;
        finish(job, result);
    }
}

/* Says once that the machine's clock is more than a day behind what the ledger has seen. */
static void check_clock(struct writer *w)
{
    bool behind = clock_behind_usec() > USEC_PER_DAY;

    if (behind && !w->clock_said)
        log_event(EVENT_CLOCK_DOUBTFUL, "REASON",
                  "it is more than a day behind the newest act in the ledger; until it is right again, what "
                  "arrives is "
                  "dated as that act, so that nothing is kept too short",
                  NULL);
    w->clock_said = behind;
}

static void do_round(struct writer *w, struct job *jobs)
{
    struct error err = ERROR_INIT;
    int r;

    check_clock(w);
    while ((r = run_round(w, jobs, &err)) != 0) {
        if (!w->unsettled)
            refuse_all(take_impatient(&jobs), &err);
        fail_impatient_queue(w, &err);
        if (!jobs || !pause_and_say(w, r, &err)) {
            finish_all(jobs, -ECANCELED);
            return;
        }
        error_clear(&err);
    }
    /* committed: only the files are missing; nobody is told before they are there */
    while ((r = publish(w, &err)) != 0) {
        fail_impatient_queue(w, &err);
        if (!pause_and_say(w, r, &err)) {
            finish_all(jobs, -ECANCELED);
            return;
        }
        error_clear(&err);
    }
    set_trouble(w, "");
    finish_all(jobs, 0);
}

/* Up to ROUND_JOBS_MAX jobs; NULL when stopping. */
static struct job *take_jobs(struct writer *w)
{
    struct job *jobs, *last;

    pthread_mutex_lock(&w->lock);
    w->busy = false;
    if (!w->head)
        pthread_cond_broadcast(&w->idle);
    while (!w->head && !w->stopping)
        pthread_cond_wait(&w->wake, &w->lock);
    jobs = last = w->stopping ? NULL : w->head;
    if (jobs) {
        for (int n = 1; n < ROUND_JOBS_MAX && last->next; n++)
            last = last->next;
        w->head = last->next;
        if (!w->head)
            w->tail = &w->head;
        last->next = NULL;
        w->busy = true;
    }
    pthread_mutex_unlock(&w->lock);
    return jobs;
}

/* What will not be run any more: whoever waits for it is told. */
static void fail_queue(struct writer *w)
{
    struct job *jobs;

    pthread_mutex_lock(&w->lock);
    jobs = TAKE_PTR(w->head);
    w->tail = &w->head;
    pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
    finish_all(jobs, -ECANCELED);
}

static void *writer_thread(void *userdata)
{
    struct writer *w = userdata;
    struct job *jobs;

    while ((jobs = take_jobs(w)))
        do_round(w, jobs);
    fail_queue(w);
    return NULL;
}

static int lacks_leaf(const struct writer *w, struct error *err)
{
    return error_set(
        err, -EBADMSG, "catalogue",
        "lacks the pending leaf %llu: it is another archive's (see catalogue.dsn), or the ledger "
        "is an old copy (put the newer one back), or it is damaged (run `liuhen rebuild`)",
        (unsigned long long)(w->next_index + w->n_entries));
}

/* The newest act that both know must be the same in both, or they are not of one archive. */
static int check_same_history(struct writer *w, uint64_t published, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *entry = NULL;
    _cleanup_json_ json_t *root = NULL;
    struct act act;
    size_t size;
    bool row;
    int r = published ? ledger_read_entry(w->ledger, published - 1, &entry, &size, err) : 0;

    if (r != 0 || !published)
        return r;
    r = act_decode(entry, size, &act, &root, err);
    if (r == 0)
        r = sql_query(w->db, &st, &row, err, "SELECT time_usec, kind, subject FROM acts WHERE idx = $1", "i",
                      (int64_t)published - 1);
    if (r != 0)
        return r;
    if (row && db_integer(st, 0) == act.time_usec && strcmp(db_text(st, 1), act.kind) == 0 &&
        strcmp(db_text(st, 2), act.subject) == 0)
        return 0;
    return error_set(err, -ESTALE, "catalogue",
                     "has another act %llu than the ledger: it is another archive's; name the right one in "
                     "catalogue.dsn, or make this one anew with `liuhen rebuild`",
                     (unsigned long long)published - 1);
}

/* Publishes what a crash left in pending_leaves only. */
static int catch_up(struct writer *w, struct error *err)
{
    uint64_t from = ledger_size(w->ledger);
    int64_t rows;
    int r = acts_next_index(w->db, &rows, err);

    if (r != 0)
        return r;
    if ((uint64_t)rows < from)
        return error_set(
            err, -ESTALE, "catalogue",
            "knows %lld acts, the ledger %llu: an old copy of the catalogue? Put the newer one back or run "
            "`liuhen rebuild`",
            (long long)rows, (unsigned long long)from);
    r = check_same_history(w, from, err);
    if (r != 0)
        return r;
    for (w->next_index = from; w->next_index < (uint64_t)rows;) {
        _cleanup_stmt_ struct db_stmt *st = NULL;
        bool row;

        r = sql_query(w->db, &st, &row, err,
                      "SELECT idx, entry FROM pending_leaves WHERE idx >= $1 ORDER BY idx LIMIT $2", "ii",
                      (int64_t)w->next_index, (int64_t)CATCH_UP_AT_ONCE);
        for (; r == 0 && row; r = db_step(st, &row, err)) {
            size_t size;
            const void *data = db_blob(st, 1, &size);
            char *copy;
            if (!data || (uint64_t)db_integer(st, 0) != w->next_index + w->n_entries)
                return lacks_leaf(w, err);
            copy = malloc(size);
            if (!copy || reserve_entry(w) < 0) {
                free(copy);
                return error_set(err, -ENOMEM, "catalogue", "out of memory for a pending leaf");
            }
            memcpy(copy, data, size);
            keep_entry(w, copy, size);
        }
        if (r == 0 && w->n_entries == 0)
            return lacks_leaf(w, err);
        r = r != 0 ? r : publish(w, err);
        if (r != 0)
            return r;
    }
    if ((uint64_t)rows > from) {
        char a[24], b[24];
        snprintf(a, sizeof a, "%llu", (unsigned long long)from);
        snprintf(b, sizeof b, "%llu", (unsigned long long)rows);
        log_event(EVENT_LEDGER_CAUGHT_UP, "FROM", a, "TO", b, NULL);
    }
    return 0;
}

int writer_new(const char *dsn, struct ledger *ledger, const char *node, struct writer **ret,
               struct error *err)
{
    _cleanup_(writer_freep) struct writer *w = calloc(1, sizeof *w);
    pthread_condattr_t monotonic;
    int64_t newest = 0;
    int r;

    if (!w)
        return -ENOMEM;
    w->ledger = ledger;
    w->tail = &w->head;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->wake, &monotonic);
    pthread_cond_init(&w->idle, NULL);
    pthread_condattr_destroy(&monotonic);
    w->node = strdup(node);
    if (!w->node)
        return -ENOMEM;
    r = catalogue_open(dsn, DB_WRITE, &w->db, err);
    if (r == 0)
        db_set_busy_timeout(w->db, BUSY_MSEC);
    if (r == 0)
        r = sql_integer(w->db, &newest, 0, err, "SELECT time_usec FROM acts ORDER BY idx DESC LIMIT 1", "");
    if (r == 0)
        r = catch_up(w, err);
    clock_raise_floor(newest);
    check_clock(w);
    if (r != 0)
        return r;
    r = pthread_create(&w->thread, NULL, writer_thread, w);
    if (r != 0)
        return -r;
    w->started = true;
    *ret = TAKE_PTR(w);
    return 0;
}

void writer_hurry(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->hurry = true;
    pthread_cond_broadcast(&w->wake);
    pthread_mutex_unlock(&w->lock);
}

bool writer_is_stopping(struct writer *w)
{
    bool stopping;

    pthread_mutex_lock(&w->lock);
    stopping = w->hurry || w->stopping;
    pthread_mutex_unlock(&w->lock);
    return stopping;
}

void writer_stop(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->wake);
    pthread_cond_broadcast(&w->idle);
    pthread_mutex_unlock(&w->lock);
}

struct writer *writer_free(struct writer *w)
{
    if (!w)
        return NULL;
    writer_stop(w);
    if (w->started)
        pthread_join(w->thread, NULL);
    finish_all(w->head, -ECANCELED);
    drop_entries(w, 0);
    free(w->entries);
    db_close(w->db);
    pthread_cond_destroy(&w->wake);
    pthread_cond_destroy(&w->idle);
    pthread_mutex_destroy(&w->lock);
    free(w->node);
    free(w);
    return NULL;
}

int writer_submit(struct writer *w, bool patient, writer_fn run, writer_done_fn on_done, void *userdata)
{
    struct job *job = calloc(1, sizeof *job);
    int r = 0;

    if (!job)
        return -ENOMEM;
    *job = (struct job){.patient = patient, .run = run, .on_done = on_done, .userdata = userdata};
    pthread_mutex_lock(&w->lock);
    if (w->stopping) {
        r = -ECANCELED;
    } else {
        *w->tail = job;
        w->tail = &job->next;
        pthread_cond_signal(&w->wake);
    }
    pthread_mutex_unlock(&w->lock);
    if (r < 0)
        free(job);
    return r;
}

struct waiting {
    writer_fn run;
    void *userdata;
    struct error *err;
    int result;
    bool done;
    pthread_mutex_t lock;
    pthread_cond_t cond;
};

static int run_waiting(struct txn *t, void *userdata, struct error *err)
{
    struct waiting *wait = userdata;

    return wait->run(t, wait->userdata, err);
}

static void on_waited(void *userdata, int result, const struct error *err)
{
    struct waiting *wait = userdata;

    pthread_mutex_lock(&wait->lock);
    wait->result = result;
    if (wait->err && result != 0)
        *wait->err = *err;
    wait->done = true;
    pthread_cond_signal(&wait->cond);
    pthread_mutex_unlock(&wait->lock);
}

int writer_run(struct writer *w, bool patient, writer_fn run, void *userdata, struct error *err)
{
    struct waiting wait = {run, userdata, err, 0, false, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
    int r = writer_submit(w, patient, run_waiting, on_waited, &wait);

    if (r < 0)
        return error_set(err, r, "", "the daemon is stopping");
    pthread_mutex_lock(&wait.lock);
    while (!wait.done)
        pthread_cond_wait(&wait.cond, &wait.lock);
    pthread_mutex_unlock(&wait.lock);
    return wait.result;
}

void writer_drain(struct writer *w)
{
    pthread_mutex_lock(&w->lock);
    while (w->started && (w->head || w->busy)) /* also when stopping: then all of it is failed, soon */
        pthread_cond_wait(&w->idle, &w->lock);
    pthread_mutex_unlock(&w->lock);
}
