/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows of derivatives, and what the sweep asks of them and of jobs (see job-rows.h).
 */
#include <errno.h>
#include <string.h>

#include "catalogue/job-rows.h"
#include "catalogue/sql.h"

static void copy(struct db_stmt *st, int column, char *out, size_t size)
{
    const char *text = db_text(st, column);

    snprintf(out, size, "%s", text ? text : "");
}

int derivatives_add(struct db *db, const char *job, const struct recording_id *recording,
                    const struct derivative_row *row, struct error *err)
{
    return sql_run(
        db, err,
        "INSERT INTO derivatives (job, name, recording, file, how, size_bytes, etag, width, height, message, "
        "made_usec) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
        "tttttitooti", job, row->name, recording->text, row->file, row->how[0] ? row->how : NULL, row->bytes,
        row->etag, row->width ? &row->width : NULL, row->height ? &row->height : NULL,
        row->message[0] ? row->message : NULL, row->made_usec);
}

int derivatives_drop(struct db *db, const char *job, struct error *err)
{
    return sql_run(db, err, "DELETE FROM derivatives WHERE job = $1", "t", job);
}

int derivatives_of_job(struct db *db, const char *job, struct derivative_row *ret, size_t max, size_t *ret_n,
                       struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT name, file, how, size_bytes, etag, width, height, message, made_usec FROM derivatives "
        "WHERE job = $1 ORDER BY name",
        "t", job);

    *ret_n = 0;
    for (; r == 0 && row && *ret_n < max; r = db_step(st, &row, err)) {
        struct derivative_row *d = &ret[(*ret_n)++];

        *d = (struct derivative_row){.bytes = db_integer(st, 3),
                                     .width = db_integer(st, 5),
                                     .height = db_integer(st, 6),
                                     .made_usec = db_integer(st, 8)};
        copy(st, 0, d->name, sizeof d->name);
        copy(st, 1, d->file, sizeof d->file);
        copy(st, 2, d->how, sizeof d->how);
        copy(st, 4, d->etag, sizeof d->etag);
        copy(st, 7, d->message, sizeof d->message);
    }
    return r;
}

/* ---- the sweep ----------------------------------------------------------------------------------------------------------- */

static int read_ids(struct db_stmt *started, bool row, struct recording_id *ret, size_t max, size_t *ret_n,
                    struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    int r = 0;

    *ret_n = 0;
    for (; r == 0 && row && *ret_n < max; r = db_step(st, &row, err))
        copy(st, 0, ret[(*ret_n)++].text, sizeof ret->text);
    return r;
}

int jobs_of_other_recipe(struct db *db, const char *kind, const char *recipe, const char *after,
                         struct recording_id *ret, size_t max, size_t *ret_n, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT j.recording FROM jobs j JOIN recordings r ON r.id = j.recording WHERE j.kind = 'derive' "
        "AND j.state = 'done' AND r.kind = $1 AND j.recipe <> $2 AND r.disposed_leaf IS NULL AND "
        "j.recording > $3 ORDER BY j.recording LIMIT $4",
        "ttti", kind, recipe, after, (int64_t)max);

    return r != 0 ? r : read_ids(st, row, ret, max, ret_n, err);
}

int jobs_missing(struct db *db, const char *after, struct recording_id *ret, size_t max, size_t *ret_n,
                 struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT r.id FROM recordings r WHERE r.id > $1 AND r.status <> 'new' AND r.kind <> 'data' AND "
        "r.disposed_leaf IS NULL AND NOT EXISTS (SELECT 1 FROM jobs j WHERE j.recording = r.id AND "
        "j.kind = 'derive') ORDER BY r.id LIMIT $2",
        "ti", after, (int64_t)max);

    return r != 0 ? r : read_ids(st, row, ret, max, ret_n, err);
}

static int read_marks(struct db_stmt *started, bool row, struct job_mark *ret, size_t max, size_t *ret_n,
                      struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    int r = 0;

    *ret_n = 0;
    for (; r == 0 && row && *ret_n < max; r = db_step(st, &row, err)) {
        struct job_mark *m = &ret[(*ret_n)++];

        *m = (struct job_mark){.copy = strcmp(db_text(st, 2), "copy") == 0,
                               .ended = strcmp(db_text(st, 3), "done") == 0,
                               .disposed = !db_is_null(st, 4),
                               .changed_usec = db_integer(st, 5)};
        copy(st, 0, m->id, sizeof m->id);
        copy(st, 1, m->recording.text, sizeof m->recording.text);
    }
    return r;
}

#define MARK                                                                                                 \
    "SELECT j.id, j.recording, j.kind, j.state, r.disposed_leaf, j.changed_usec FROM jobs j JOIN "           \
    "recordings r ON r.id = j.recording "

int derivatives_jobs(struct db *db, const char *after, struct job_mark *ret, size_t max, size_t *ret_n,
                     struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      MARK "WHERE j.id > $1 AND EXISTS (SELECT 1 FROM derivatives d WHERE d.job = j.id) "
                           "ORDER BY j.id LIMIT $2",
                      "ti", after, (int64_t)max);

    return r != 0 ? r : read_marks(st, row, ret, max, ret_n, err);
}

int jobs_old_copies(struct db *db, int64_t before_usec, struct job_mark *ret, size_t max, size_t *ret_n,
                    struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      MARK "WHERE j.kind = 'copy' AND j.changed_usec < $1 AND j.state IN ('done', 'failed', "
                           "'cancelled') ORDER BY j.changed_usec LIMIT $2",
                      "ii", before_usec, (int64_t)max);

    return r != 0 ? r : read_marks(st, row, ret, max, ret_n, err);
}

int jobs_forget(struct db *db, const char *id, struct error *err)
{
    int r = derivatives_drop(db, id, err);

    return r != 0 ? r : sql_run(db, err, "DELETE FROM jobs WHERE id = $1 AND state <> 'running'", "t", id);
}
