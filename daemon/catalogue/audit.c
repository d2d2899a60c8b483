/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Queries of fsck and rebuild (see audit.h).
 */
#include "catalogue/audit.h"

#include <errno.h>
#include <string.h>

#include "catalogue/sql.h"

#define RECORDING_COLUMNS                                                                                    \
    "id, leaf, digest, size_bytes, content_name, disposed_leaf, until_usec, (SELECT t.erased_leaf FROM "     \
    "tombstones t WHERE t.recording = recordings.id)"

static void read_recording(struct db_stmt *st, struct audit_recording *ret)
{
    size_t size;
    const void *digest = db_blob(st, 2, &size);

    *ret = (struct audit_recording){
        .id = db_text(st, 0),
        .leaf = db_integer(st, 1),
        .have_digest = digest && size == DIGEST_BYTES,
        .bytes = db_integer(st, 3),
        .content_name = db_text(st, 4),
        .disposed = !db_is_null(st, 5),
        .erased = !db_is_null(st, 7),
        .until_usec = db_is_null(st, 6) ? INT64_MAX : db_integer(st, 6),
    };
    if (ret->have_digest)
        memcpy(ret->digest.bytes, digest, size);
}

int audit_leaves(struct db *db, uint64_t published, int64_t *ret_acts, int64_t *ret_last,
                 int64_t *ret_pending, struct error *err)
{
    int r = sql_integer(db, ret_acts, 0, err, "SELECT count(*) FROM acts", "");

    r = r != 0 ? r : sql_integer(db, ret_last, -1, err, "SELECT MAX(idx) FROM acts", "");
    return r != 0
               ? r
               : sql_integer(db, ret_pending, 0, err, "SELECT count(*) FROM pending_leaves WHERE idx >= $1",
                             "i", (int64_t)published);
}

int audit_has_act(struct db *db, int64_t index, const char *kind, const char *subject, bool *ret,
                  struct error *err)
{
    int64_t there;
    int r =
        sql_integer(db, &there, 0, err, "SELECT 1 FROM acts WHERE idx = $1 AND kind = $2 AND subject = $3",
                    "itt", index, kind, subject);

    *ret = there == 1;
    return r;
}

int audit_recording(struct db *db, const char *id, struct audit_recording *ret, bool *ret_there,
                    struct db_stmt **ret_hold, struct error *err)
{
    int r = sql_query(db, ret_hold, ret_there, err,
                      "SELECT " RECORDING_COLUMNS " FROM recordings WHERE id = $1", "t", id);

    if (r == 0 && *ret_there)
        read_recording(*ret_hold, ret);
    return r;
}

int audit_has_recording(struct db *db, const char *id, bool *ret, struct error *err)
{
    int64_t there;
    int r = sql_integer(db, &there, 0, err, "SELECT 1 FROM recordings WHERE id = $1", "t", id);

    *ret = there == 1;
    return r;
}

int audit_count_recordings(struct db *db, uint64_t *ret, struct error *err)
{
    int64_t n = 0;
    int r = sql_integer(db, &n, 0, err, "SELECT count(*) FROM recordings WHERE disposed_leaf IS NULL", "");

    *ret = (uint64_t)n;
    return r;
}

static int each_recording(struct db_stmt *st, bool row, audit_on_recording on_recording, void *userdata,
                          struct error *err)
{
    int r = 0;

    while (r == 0 && row) {
        struct audit_recording recording;
        read_recording(st, &recording);
        r = on_recording(userdata, &recording);
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}

int audit_each_recording(struct db *db, audit_on_recording on_recording, void *userdata, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " RECORDING_COLUMNS " FROM recordings ORDER BY id", "");

    return r != 0 ? r : each_recording(st, row, on_recording, userdata, err);
}

int audit_each_decided(struct db *db, const char *version, audit_on_recording on_recording, void *userdata,
                       struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT " RECORDING_COLUMNS
                      " FROM recordings WHERE class IS NOT NULL AND disposed_leaf IS NULL AND "
                      "policy = $1 ORDER BY id",
                      "t", version);

    return r != 0 ? r : each_recording(st, row, on_recording, userdata, err);
}

int audit_each_tombstone(struct db *db,
                         int (*on_tombstone)(void *userdata, const struct audit_tombstone *tombstone),
                         void *userdata, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT t.recording, r.class, t.leaf, r.until_usec, t.disposed_usec FROM tombstones t "
                      "JOIN recordings "
                      "r ON r.id = t.recording ORDER BY t.recording",
                      "");

    while (r == 0 && row) {
        struct audit_tombstone t = {db_text(st, 0), db_text(st, 1), db_integer(st, 2),
                                    db_is_null(st, 3) ? INT64_MAX : db_integer(st, 3), db_integer(st, 4)};
        r = on_tombstone(userdata, &t);
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}

int audit_each_untold(struct db *db, int (*on_id)(void *userdata, const char *id), void *userdata,
                      struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT r.id FROM recordings r LEFT JOIN tombstones t ON t.recording = r.id WHERE r.disposed_leaf IS "
        "NOT NULL AND t.recording IS NULL ORDER BY r.id",
        "");

    while (r == 0 && row) {
        r = on_id(userdata, db_text(st, 0));
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}

int audit_each_pending(struct db *db, uint64_t from,
                       int (*on_entry)(void *userdata, uint64_t index, const char *entry, size_t size),
                       void *userdata, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT idx, entry FROM pending_leaves WHERE idx >= $1 ORDER BY idx",
                  "i", (int64_t)from);

    while (r == 0 && row) {
        size_t size;
        const char *entry = db_blob(st, 1, &size);
        r = entry ? on_entry(userdata, (uint64_t)db_integer(st, 0), entry, size) : -EBADMSG;
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}

int audit_policy_was_adopted(struct db *db, const char *version, bool *ret, struct error *err)
{
    int64_t there;
    int r = sql_integer(
        db, &there, 0, err,
        "SELECT 1 FROM policies p JOIN acts a ON a.idx = p.leaf WHERE p.version = $1 AND a.kind = "
        "'policy.adopted'",
        "t", version);

    *ret = there == 1;
    return r;
}

int audit_make_throwaway(struct db *db, struct error *err)
{
    return db_is_postgres(db) ? 0 : db_exec(db, "PRAGMA synchronous = OFF", err);
}
