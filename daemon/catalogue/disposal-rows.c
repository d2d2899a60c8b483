/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows of disposal (see disposal-rows.h).
 */
#include "catalogue/disposal-rows.h"

#include <errno.h>
#include <string.h>

#include "catalogue/row.h"
#include "catalogue/sql.h"

static int list(int r, struct db_stmt *st, bool row, const struct row_column *columns, json_t **ret,
                struct error *err)
{
    _cleanup_json_ json_t *out = json_array();

    r = r != 0 ? r : out ? row_list(st, row, columns, ROW_NO_LIMIT, out, NULL, err) : -ENOMEM;
    if (r == 0)
        *ret = TAKE_PTR(out);
    return r;
}

int disposal_eligible(struct db *db, const struct disposal_filter *f, int limit, json_t **ret,
                      struct error *err)
{
    static const struct row_column columns[] = {{"id", 't'},     {"name", 't'},  {"class", 't'},
                                                {"until", 'i'},  {"bytes", 'i'}, {"policy", 't'},
                                                {"sha256", 'h'}, {"unit", 't'},  {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row = false;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT id, name, class, until_usec, size_bytes, policy, digest, unit FROM recordings WHERE "
        "disposed_leaf IS NULL AND class IS NOT NULL AND ending = 'date' AND until_usec <= $1 AND held = 0 "
        "AND "
        "(CAST($2 AS TEXT) IS NULL OR class = $2) AND (CAST($3 AS TEXT) IS NULL OR unit = $3) AND ($4 = 0 OR "
        "until_usec < $4) AND NOT EXISTS (SELECT 1 FROM disposal_items i JOIN disposal_batches b ON b.id = "
        "i.batch WHERE i.recording = recordings.id AND i.state = 'listed' AND b.state IN ('proposed', "
        "'noticed', 'executing')) ORDER BY until_usec, id LIMIT $5",
        "ittii", f->now_usec, f->class_name, f->unit, f->before_usec, (int64_t)limit);

    return list(r, st, row, columns, ret, err);
}

static void copy_text(struct db_stmt *st, int column, char *out, size_t size)
{
    snprintf(out, size, "%s", db_is_null(st, column) ? "" : db_text(st, column));
}

int disposal_batch_read(struct db *db, const char *id, struct disposal_batch *ret, bool *ret_there,
                        struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    int r = sql_query(
        db, &st, ret_there, err,
        "SELECT id, state, digest, noticed_usec, notice_ends_usec FROM disposal_batches WHERE id = $1", "t",
        id);

    *ret = (struct disposal_batch){.notice_ends_usec = INT64_MAX};
    if (r != 0 || !*ret_there)
        return r;
    copy_text(st, 0, ret->id, sizeof ret->id);
    copy_text(st, 1, ret->state, sizeof ret->state);
    copy_text(st, 2, ret->digest, sizeof ret->digest);
    ret->noticed_usec = db_is_null(st, 3) ? 0 : db_integer(st, 3);
    ret->notice_ends_usec = db_is_null(st, 4) ? INT64_MAX : db_integer(st, 4);
    return 0;
}

int disposal_batches(struct db *db, const char *id, int limit, json_t **ret, struct error *err)
{
    static const struct row_column columns[] = {
        {"id", 't'},          {"state", 't'},    {"reason", 't'},   {"proposed", 'i'},
        {"proposed_by", 't'}, {"digest", 't'},   {"noticed", 'i'},  {"notice_ends", 'i'},
        {"begun", 'i'},       {"begun_by", 't'}, {"closed", 'i'},   {"items", 'i'},
        {"bytes", 'i'},       {"erased", 'i'},   {"left_out", 'i'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row = false;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT b.id, b.state, b.reason, b.proposed_usec, b.proposed_by, b.digest, b.noticed_usec, "
        "b.notice_ends_usec, b.begun_usec, b.begun_by, b.closed_usec, (SELECT count(*) FROM disposal_items i "
        "WHERE i.batch = b.id), (SELECT CAST(sum(r.size_bytes) AS BIGINT) FROM disposal_items i JOIN "
        "recordings "
        "r ON r.id = i.recording WHERE i.batch = b.id), (SELECT count(*) FROM disposal_items i WHERE i.batch "
        "= "
        "b.id AND i.state = 'erased'), (SELECT count(*) FROM disposal_items i WHERE i.batch = b.id AND "
        "i.state "
        "= 'left-out') FROM disposal_batches b WHERE (CAST($1 AS TEXT) IS NULL OR b.id = $1) ORDER BY b.id "
        "DESC "
        "LIMIT $2",
        "ti", id, (int64_t)limit);

    return list(r, st, row, columns, ret, err);
}

int disposal_items(struct db *db, const char *batch, json_t **ret, struct error *err)
{
    static const struct row_column columns[] = {{"recording", 't'}, {"name", 't'},   {"bytes", 'i'},
                                                {"sha256", 'h'},    {"class", 't'},  {"until", 'i'},
                                                {"state", 't'},     {"reason", 't'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row = false;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT i.recording, r.name, r.size_bytes, r.digest, r.class, r.until_usec, i.state, "
                  "i.reason FROM disposal_items i JOIN recordings r ON r.id = i.recording WHERE i.batch = "
                  "$1 ORDER BY i.recording",
                  "t", batch);

    return list(r, st, row, columns, ret, err);
}

int disposal_approvals(struct db *db, const char *batch, json_t **ret, struct error *err)
{
    static const struct row_column columns[] = {
        {"role", 't'}, {"actor", 't'}, {"time", 'i'}, {"withdrawn", 'i'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row = false;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT role, actor, approved_usec, withdrawn_usec FROM disposal_approvals WHERE batch = "
                  "$1 ORDER BY leaf",
                  "t", batch);

    return list(r, st, row, columns, ret, err);
}

int disposal_has_approval(struct db *db, const char *batch, const char *role, bool *ret, struct error *err)
{
    int64_t n = 0;
    int r = sql_integer(db, &n, 0, err,
                        "SELECT count(*) FROM disposal_approvals WHERE batch = $1 AND role = $2 AND "
                        "withdrawn_usec IS NULL",
                        "tt", batch, role);

    *ret = n > 0;
    return r;
}

int disposal_standing(struct db *db, const char *batch, const char *recording, struct disposal_standing *ret,
                      struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT i.state, r.disposed_leaf, r.class, r.ending, r.until_usec, r.held + (SELECT count(*) FROM "
        "holds "
        "h WHERE h.lifted_usec IS NULL AND (h.recording = $2 OR h.case_id IN (SELECT l.case_id FROM links l "
        "WHERE l.recording = $2))) FROM disposal_items i JOIN recordings r ON r.id = i.recording WHERE "
        "i.batch "
        "= $1 AND i.recording = $2",
        "tt", batch, recording);

    *ret = (struct disposal_standing){.until_usec = INT64_MAX, .holds = 1};
    if (r != 0 || !row)
        return r;
    copy_text(st, 0, ret->item, sizeof ret->item);
    ret->disposed = !db_is_null(st, 1);
    ret->decided = !db_is_null(st, 2);
    ret->dated = !db_is_null(st, 3) && strcmp(db_text(st, 3), "date") == 0;
    ret->until_usec = db_is_null(st, 4) ? INT64_MAX : db_integer(st, 4);
    ret->holds = db_integer(st, 5);
    return 0;
}

int disposal_is_listed(struct db *db, const char *recording, bool *ret, struct error *err)
{
    int64_t n = 0;
    int r =
        sql_integer(db, &n, 0, err,
                    "SELECT count(*) FROM disposal_items i JOIN disposal_batches b ON b.id = i.batch WHERE "
                    "i.recording = $1 AND i.state = 'listed' AND b.state IN ('proposed', 'noticed', "
                    "'executing')",
                    "t", recording);

    *ret = n > 0;
    return r;
}

int disposal_next(struct db *db, const char *state, const char *after, char ret_batch[ULID_LENGTH + 1],
                  struct recording_id *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT i.batch, i.recording FROM disposal_items i JOIN disposal_batches b ON b.id = "
                      "i.batch WHERE b.state = 'executing' AND i.state = $1 AND i.recording > $2 ORDER BY "
                      "i.recording LIMIT 1",
                      "tt", state, after);

    *ret_batch = 0;
    if (r != 0 || !row)
        return r;
    if (recording_id_parse(db_text(st, 1), ret) < 0)
        return error_set(err, -EPROTO, db_text(st, 1), "is not a recording id");
    copy_text(st, 0, ret_batch, ULID_LENGTH + 1);
    return 0;
}

int disposal_next_done(struct db *db, char ret_batch[ULID_LENGTH + 1], struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT b.id FROM disposal_batches b WHERE b.state = 'executing' AND NOT EXISTS (SELECT 1 "
                  "FROM disposal_items i WHERE i.batch = b.id AND i.state IN ('listed', 'disposed')) LIMIT 1",
                  "");

    *ret_batch = 0;
    if (r == 0 && row)
        copy_text(st, 0, ret_batch, ULID_LENGTH + 1);
    return r;
}

int disposal_stop_jobs(struct db *db, const char *recording, int64_t now_usec, struct error *err)
{
    return sql_run(db, err,
                   "UPDATE jobs SET state = 'cancelled', lease = NULL, until_usec = NULL, changed_usec = $2 "
                   "WHERE recording = $1 AND state IN ('waiting', 'running')",
                   "ti", recording, now_usec);
}

int disposal_copies(struct db *db, const char *recording, json_t **ret, struct error *err)
{
    static const struct row_column columns[] = {{"id", 't'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row = false;
    int r = sql_query(db, &st, &row, err, "SELECT id FROM jobs WHERE recording = $1 AND kind = 'copy'", "t",
                      recording);

    return list(r, st, row, columns, ret, err);
}

int disposal_drop_jobs(struct db *db, const char *recording, struct error *err)
{
    int r = sql_run(db, err, "DELETE FROM derivatives WHERE recording = $1", "t", recording);

    return r != 0 ? r : sql_run(db, err, "DELETE FROM jobs WHERE recording = $1", "t", recording);
}
