/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of recording ids (see ids.h).
 */
#include "catalogue/ids.h"

#include <errno.h>

#include "catalogue/sql.h"

void recording_ids_done(struct recording_ids *ids)
{
    free(TAKE_PTR(ids->ids));
    ids->n = 0;
}

/* Reads the first column of all rows of a statement that was started; takes the statement. */
static int read_all(struct db_stmt *started, bool row, struct recording_ids *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = started;
    _cleanup_ids_ struct recording_ids list = RECORDING_IDS_INIT;
    size_t allocated = 0;
    int r = 0;

    for (; r == 0 && row; r = db_step(st, &row, err)) {
        if (list.n == allocated) {
            struct recording_id *more = reallocarray(list.ids, MAX(2 * allocated, 64), sizeof *more);

            if (!more)
                return -ENOMEM;
            list.ids = more;
            allocated = MAX(2 * allocated, 64);
        }
        if (recording_id_parse(db_text(st, 0), &list.ids[list.n]) < 0)
            return error_set(err, -EPROTO, db_text(st, 0),
                             "stands as a recording's id in the catalogue; run `liuhen fsck`");
        list.n++;
    }
    if (r != 0)
        return r;
    *ret = list;
    list = (struct recording_ids)RECORDING_IDS_INIT;
    return 0;
}

int ids_of_case(struct db *db, const char *case_id, struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT l.recording FROM links l JOIN recordings r ON r.id = l.recording WHERE l.case_id = $1 AND "
        "r.disposed_leaf IS NULL ORDER BY l.sort_usec, l.recording",
        "t", case_id);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_waiting_for_case(struct db *db, const char *case_key, struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT id FROM recordings WHERE case_key = $1 AND disposed_leaf IS NULL ORDER BY id",
                      "t", case_key);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_of_device(struct db *db, const char *serial, int64_t from_usec, const char *after, int limit,
                  struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT id FROM recordings WHERE device = $1 AND sort_usec >= $2 AND id > $3 AND disposed_leaf "
        "IS NULL ORDER BY id LIMIT $4",
        "titi", serial, from_usec, after, (int64_t)limit);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_of_container(struct db *db, const char *container, struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT DISTINCT r.id FROM bodyworn_objects o JOIN recordings r ON r.id = o.recording WHERE "
        "o.container = $1 AND r.disposed_leaf IS NULL ORDER BY r.id",
        "t", container);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_of_officer(struct db *db, const char *door, const char *officer, int limit, struct recording_ids *ret,
                   struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT id FROM recordings WHERE officer = $1 AND door = $2 AND disposed_leaf IS NULL ORDER BY "
        "sort_usec DESC, id DESC LIMIT $3",
        "tti", officer, door, (int64_t)limit);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_after(struct db *db, const char *after, int limit, struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r =
        sql_query(db, &st, &row, err,
                  "SELECT id FROM recordings WHERE id > $1 AND disposed_leaf IS NULL ORDER BY id LIMIT $2",
                  "ti", after, (int64_t)limit);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_decided_otherwise(struct db *db, const char *version, int limit, struct recording_ids *ret,
                          struct error *err)
{
    struct db_stmt *st;
    bool row;
    /* Two ranges, because no index serves "is not". */
    int r = sql_query(
        db, &st, &row, err,
        "SELECT id FROM recordings WHERE policy < $1 AND disposed_leaf IS NULL UNION ALL SELECT id FROM "
        "recordings WHERE policy > $1 AND disposed_leaf IS NULL LIMIT $2",
        "ti", version, (int64_t)limit);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int ids_touched_since(struct db *db, int64_t first, struct recording_ids *ret, struct error *err)
{
    struct db_stmt *st;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT r.id FROM recordings r WHERE r.disposed_leaf IS NULL AND r.id IN ("
        "SELECT a.subject FROM acts a WHERE a.idx >= $1 UNION "
        "SELECT a.object FROM acts a WHERE a.idx >= $1 UNION "
        "SELECT l.recording FROM links l WHERE l.case_id IN (SELECT a.subject FROM acts a WHERE a.idx >= "
        "$1 UNION SELECT a.object FROM acts a WHERE a.idx >= $1)) ORDER BY r.id",
        "i", first);

    return r != 0 ? r : read_all(st, row, ret, err);
}

int acts_next_index(struct db *db, int64_t *ret, struct error *err)
{
    return sql_integer(db, ret, 0, err, "SELECT MAX(idx) + 1 FROM acts", "");
}
