/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of jobs (see job-rows.h). Every change of a running job's row names its lease, so that whoever has lost it changes nothing.
 */
#include "catalogue/job-rows.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "catalogue/row.h"
#include "catalogue/sql.h"

void job_done(struct job *j)
{
    free(j->request);
    free(j->media);
    *j = (struct job){0};
}

void job_state_done(struct job_state *s)
{
    free(s->recipe);
    free(s->message);
    free(s->missing);
    free(s->request);
    *s = (struct job_state){0};
}

static void copy(struct db_stmt *st, int column, char *out, size_t size)
{
    const char *text = db_text(st, column);

    snprintf(out, size, "%s", text ? text : "");
}

static enum job_priority to_priority(int64_t value)
{
    return value < JOB_WATCHED ? JOB_WATCHED : value > JOB_LATER ? JOB_LATER : (enum job_priority)value;
}

/* What is asked for, or more where the recording is evidence. */
static int weigh(struct db *db, const struct recording_id *id, enum job_priority asked, int64_t *ret,
                 struct error *err)
{
    int64_t evidence = 0;
    int r = 0;

    if (asked == JOB_USUAL)
        r = sql_integer(
            db, &evidence, 0, err,
            "SELECT CASE WHEN r.held > 0 OR EXISTS (SELECT 1 FROM links l WHERE l.recording = r.id AND "
            "l.role = 'evidence') THEN 1 ELSE 0 END FROM recordings r WHERE r.id = $1",
            "t", id->text);
    *ret = evidence ? JOB_EVIDENCE : asked;
    return r;
}

int jobs_want_derivatives(struct db *db, const struct recording_id *id, enum job_priority priority,
                          int64_t now_usec, struct error *err)
{
    char job[ULID_LENGTH + 1];
    int64_t weight;
    int r = weigh(db, id, priority, &weight, err);

    if (r != 0)
        return r;
    ulid_make(now_usec, job);
    return sql_run(
        db, err,
        "INSERT INTO jobs (id, recording, kind, state, priority, created_usec, changed_usec, due_usec, "
        "starts, tries, troubles) VALUES ($1, $2, 'derive', 'waiting', $3, $4, $4, $4, 0, 0, 0) "
        "ON CONFLICT (recording) WHERE kind = 'derive' DO UPDATE SET priority = excluded.priority "
        "WHERE jobs.state IN ('waiting', 'running') AND jobs.priority > excluded.priority",
        "ttii", job, id->text, weight, now_usec);
}

int jobs_want_again(struct db *db, const struct recording_id *id, enum job_priority priority,
                    int64_t now_usec, struct error *err)
{
    int64_t weight;
    int r = weigh(db, id, priority, &weight, err);

    if (r == 0)
        r = sql_run(
            db, err,
            "UPDATE jobs SET state = 'waiting', priority = $2, changed_usec = $3, due_usec = $3, starts = 0, "
            "tries = 0, troubles = 0, permille = NULL, message = NULL, missing = NULL WHERE recording = $1 "
            "AND kind = 'derive' AND state IN ('done', 'failed', 'cancelled')",
            "tii", id->text, weight, now_usec);
    return r != 0 ? r : jobs_want_derivatives(db, id, priority, now_usec, err);
}

int jobs_raise_evidence(struct db *db, const char *recording, const char *case_id, struct error *err)
{
    /* no range of priorities behind WHERE: SQLite would go through all that wait, by jobs_waiting */
#define SQL(which)                                                                                           \
    "UPDATE jobs SET priority = CASE WHEN priority > 1 THEN 1 ELSE priority END WHERE recording " which      \
    " AND state = 'waiting'"
    int r = 0;

    if (recording)
        r = sql_run(db, err, SQL("= $1"), "t", recording);
    if (r == 0 && case_id)
        r = sql_run(db, err, SQL("IN (SELECT recording FROM links WHERE case_id = $1)"), "t", case_id);
    return r;
#undef SQL
}

int jobs_want_copy(struct db *db, const char *id, const struct recording_id *recording, const char *request,
                   int64_t now_usec, struct error *err)
{
    return sql_run(
        db, err,
        "INSERT INTO jobs (id, recording, kind, state, priority, created_usec, changed_usec, due_usec, "
        "starts, tries, troubles, request) VALUES ($1, $2, 'copy', 'waiting', 0, $3, $3, $3, 0, 0, 0, $4)",
        "ttit", id, recording->text, now_usec, request);
}

/* ---- taking -------------------------------------------------------------------------------------------------------------- */

/* Somebody may wait for a recording that is still to be examined: its job is there, but not to be begun. (As EXISTS PostgreSQL would
 * join, and read all recordings.) */
#define IS_EXAMINED "(SELECT r.status FROM recordings r WHERE r.id = jobs.recording) <> 'new'"

/* Copies are all asked for by somebody: a queue of what nobody asked for is not gone through to find one. */
static int64_t latest(const struct job_taking *t)
{
    return t->copies_only ? JOB_WATCHED : (int64_t)t->least;
}

static int take_one(struct db *db, const struct job_taking *t, char ret_id[ULID_LENGTH + 1],
                    struct error *err)
{
#define SQL(lock)                                                                                            \
    "UPDATE jobs SET state = 'running', lease = $1, node = $2, until_usec = $3, changed_usec = $4, "         \
    "starts = starts + 1, permille = 0 WHERE id = (SELECT id FROM jobs WHERE state = 'waiting' AND "         \
    "priority <= $5 AND due_usec <= $4 AND ($6 = 0 OR kind = 'copy') AND " IS_EXAMINED                       \
    " ORDER BY priority, recording DESC, id "                                                                \
    "LIMIT 1" lock ") RETURNING id"
    static const char *const sql[] = {SQL(""), SQL(" FOR UPDATE SKIP LOCKED")};
#undef SQL
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, sql[db_is_postgres(db)], "ttiiii", t->lease, t->node, t->until_usec,
                      t->now_usec, latest(t), (int64_t)t->copies_only);

    ret_id[0] = 0;
    if (r == 0 && row)
        copy(st, 0, ret_id, ULID_LENGTH + 1);
    while (r == 0 && row)
        r = db_step(st, &row, err);
    return r;
}

static int read_taken(struct db *db, const char *id, const char *lease, struct job *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_(job_done) struct job j = {0};
    bool row;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT j.recording, j.kind, r.kind, r.status, j.priority, j.starts, j.tries, j.troubles, "
                  "j.request, f.media, r.disposed_leaf FROM jobs j JOIN recordings r ON r.id = j.recording "
                  "JOIN recording_facts f ON f.recording = r.id WHERE j.id = $1",
                  "t", id);

    if (r == 0 && !row)
        return error_set(err, -EPROTO, id, "this job is of no recording");
    if (r != 0)
        return r;
    snprintf(j.id, sizeof j.id, "%s", id);
    snprintf(j.lease, sizeof j.lease, "%s", lease);
    copy(st, 0, j.recording.text, sizeof j.recording.text);
    j.copy = strcmp(db_text(st, 1), "copy") == 0;
    copy(st, 2, j.kind, sizeof j.kind);
    copy(st, 3, j.status, sizeof j.status);
    j.priority = to_priority(db_integer(st, 4));
    j.starts = db_integer(st, 5);
    j.tries = db_integer(st, 6);
    j.troubles = db_integer(st, 7);
    j.disposed = !db_is_null(st, 10);
    r = sql_take_text(st, 8, &j.request);
    r = r != 0 ? r : sql_take_text(st, 9, &j.media);
    if (r == 0) {
        *ret = j;
        j = (struct job){0};
    }
    return r;
}

/* When something may become due: what was put off, and leases that end. */
static int next_due(struct db *db, const struct job_taking *t, int64_t *ret, struct error *err)
{
    int64_t waiting = INT64_MAX, running = INT64_MAX;
    int r = sql_integer(
        db, &waiting, INT64_MAX, err,
        "SELECT min(due_usec) FROM jobs WHERE state = 'waiting' AND priority <= $1 AND ($2 = 0 OR "
        "kind = 'copy') AND " IS_EXAMINED,
        "ii", latest(t), (int64_t)t->copies_only);

    r = r != 0 ? r
               : sql_integer(db, &running, INT64_MAX, err,
                             "SELECT min(until_usec) FROM jobs WHERE state = 'running'", "");
    *ret = MIN(waiting, running);
    return r;
}

int jobs_take(struct db *db, const struct job_taking *taking, struct job *ret, bool *ret_taken,
              int64_t *ret_due_usec, struct error *err)
{
    char id[ULID_LENGTH + 1];
    int r = sql_run(db, err,
                    "UPDATE jobs SET state = 'waiting', lease = NULL, until_usec = NULL, permille = NULL, "
                    "changed_usec = $1 WHERE state = 'running' AND until_usec < $1",
                    "i", taking->now_usec);

    *ret_taken = false;
    *ret_due_usec = INT64_MAX;
    r = r != 0 ? r : take_one(db, taking, id, err);
    if (r != 0)
        return r;
    if (!id[0])
        return next_due(db, taking, ret_due_usec, err);
    r = read_taken(db, id, taking->lease, ret, err);
    *ret_taken = r == 0;
    return r;
}

int jobs_release_node(struct db *db, const char *node, int64_t now_usec, struct error *err)
{
    return sql_run(
        db, err,
        "UPDATE jobs SET state = 'waiting', lease = NULL, until_usec = NULL, permille = NULL, changed_usec "
        "= $2 WHERE state = 'running' AND node = $1",
        "ti", node, now_usec);
}

/* ---- leased -------------------------------------------------------------------------------------------------------------- */

int jobs_renew(struct db *db, const char *id, const char *lease, int64_t until_usec, int permille,
               struct error *err)
{
    return sql_run_one(db, JOBS_E_LOST, err,
                       "UPDATE jobs SET until_usec = $3, permille = $4 WHERE id = $1 AND lease = $2", "ttii",
                       id, lease, until_usec, (int64_t)permille);
}

int jobs_put_off(struct db *db, const char *id, const char *lease, const struct job_later *later,
                 struct error *err)
{
    return sql_run_one(
        db, JOBS_E_LOST, err,
        "UPDATE jobs SET state = 'waiting', lease = NULL, until_usec = NULL, permille = NULL, "
        "changed_usec = $3, due_usec = $4, tries = $5, troubles = $6, message = $7, starts = starts - "
        "$8 WHERE id = $1 AND lease = $2",
        "ttiiiiti", id, lease, later->now_usec, later->due_usec, later->tries, later->troubles,
        later->message, (int64_t)later->not_begun);
}

int jobs_end(struct db *db, const char *id, const char *lease, const struct job_end *end, struct error *err)
{
    return sql_run_one(
        db, JOBS_E_LOST, err,
        "UPDATE jobs SET state = $3, lease = NULL, until_usec = NULL, permille = NULL, changed_usec = "
        "$4, recipe = COALESCE($5, recipe), message = $6, missing = $7 WHERE id = $1 AND lease = $2",
        "tttittt", id, lease, end->state, end->now_usec, end->recipe, end->message, end->missing);
}

int jobs_cancel(struct db *db, const char *id, int64_t now_usec, struct error *err)
{
    int r =
        sql_run_one(db, JOBS_E_NONE, err,
                    "UPDATE jobs SET state = 'cancelled', lease = NULL, until_usec = NULL, permille = NULL, "
                    "changed_usec = $2, message = NULL WHERE id = $1 AND state IN ('waiting', 'running')",
                    "ti", id, now_usec);

    return r == JOBS_E_NONE ? error_set(err, r, id, "no such job waits or runs; `liuhen jobs` lists them")
                            : r;
}

/* ---- reading ------------------------------------------------------------------------------------------------------------- */

#define STATE "SELECT id, recording, state, priority, permille, recipe, message, missing, request FROM jobs "

static int read_state(struct db_stmt *started, bool row, struct job_state *ret)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    _cleanup_(job_state_done) struct job_state s = {0};
    int r;

    if (!row)
        return JOBS_E_NONE;
    copy(st, 0, s.id, sizeof s.id);
    copy(st, 1, s.recording.text, sizeof s.recording.text);
    copy(st, 2, s.state, sizeof s.state);
    s.priority = to_priority(db_integer(st, 3));
    s.permille = db_is_null(st, 4) ? -1 : (int)db_integer(st, 4);
    r = sql_take_text(st, 5, &s.recipe);
    r = r != 0 ? r : sql_take_text(st, 6, &s.message);
    r = r != 0 ? r : sql_take_text(st, 7, &s.missing);
    r = r != 0 ? r : sql_take_text(st, 8, &s.request);
    if (r == 0) {
        *ret = s;
        s = (struct job_state){0};
    }
    return r;
}

int jobs_of_recording(struct db *db, const struct recording_id *id, struct job_state *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err, STATE "WHERE recording = $1 AND kind = 'derive'", "t", id->text);

    return r != 0 ? r : read_state(st, row, ret);
}

int jobs_read(struct db *db, const char *id, struct job_state *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err, STATE "WHERE id = $1", "t", id);

    return r != 0 ? r : read_state(st, row, ret);
}

/* What people may see of a copy's request. */
static int add_request(json_t *o, const char *text, struct error *err)
{
    static const char *const keys[] = {"form", "actor", "reason"};
    _cleanup_json_ json_t *request = NULL;
    int r = text ? json_parse(text, strlen(text), "job", &request, err) : 0;

    for (size_t i = 0; r == 0 && text && i < ARRAY_SIZE(keys); i++)
        r = json_set_string(o, keys[i], json_get_string(request, keys[i]));
    return r;
}

/* Each way of asking has a statement of its own, so that each is answered from an index, however long the queue is. */
static int start_list(struct db *db, const char *state, const char *after, const char *id, int64_t limit,
                      struct db_stmt **ret_st, bool *ret_row, struct error *err)
{
#define SQL(where)                                                                                           \
    "SELECT id, recording, kind, state, priority, created_usec, changed_usec, CASE WHEN state = 'waiting' "  \
    "AND due_usec > changed_usec THEN due_usec END, CASE WHEN state = 'running' THEN node END, permille, "   \
    "message, request FROM jobs WHERE " where " ORDER BY id DESC LIMIT $2"
    const char *before = after ? after : "~"; /* behind every id */

    if (id)
        return sql_query(db, ret_st, ret_row, err, SQL("id = $1"), "ti", id, limit);
    if (state)
        return sql_query(db, ret_st, ret_row, err, SQL("state = $3 AND id < $1"), "tit", before, limit,
                         state);
    return sql_query(db, ret_st, ret_row, err, SQL("id < $1"), "ti", before, limit);
#undef SQL
}

int jobs_list(struct db *db, const char *state, const char *after, const char *id, size_t limit, json_t **ret,
              struct error *err)
{
    static const struct row_column columns[] = {
        {"id", 't'},       {"recording", 't'},         {"kind", 't'},    {"state", 't'},
        {"priority", 'i'}, {"created", 'i'},           {"changed", 'i'}, {"due", 'i'},
        {"node", 't'},     {"progress_permille", 'i'}, {"message", 't'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *list = json_array();
    bool row;
    int r = start_list(db, state, after, id, (int64_t)limit, &st, &row, err);

    if (!list)
        return -ENOMEM;
    for (; r == 0 && row; r = db_step(st, &row, err)) {
        _cleanup_json_ json_t *o = NULL;

        r = row_object(st, columns, &o);
        r = r != 0 ? r : add_request(o, db_text(st, 11), err);
        if (r == 0 && json_array_append(list, o) < 0)
            r = -ENOMEM;
        if (r != 0)
            return r;
    }
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

int jobs_counts(struct db *db, json_t **ret, struct error *err)
{
    static const char *const states[] = {"waiting", "running", "failed"};
    _cleanup_json_ json_t *o = json_object();
    bool more = false;
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(states); i++) {
        int64_t n = 0;

        r = sql_integer(db, &n, 0, err,
                        "SELECT count(*) FROM (SELECT 1 FROM jobs WHERE state = $1 LIMIT $2) AS counted",
                        "ti", states[i], (int64_t)JOBS_COUNTED_MOST + 1);
        more |= n > JOBS_COUNTED_MOST;
        r = r != 0 ? r : json_set_integer(o, states[i], MIN(n, (int64_t)JOBS_COUNTED_MOST));
    }
    if (r == 0 && more)
        r = json_set_take(o, "more", json_true());
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
