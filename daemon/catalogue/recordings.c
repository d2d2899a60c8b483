/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading recordings (see recordings.h): look-ups, one recording whole, its history, counts. Lists are in recordings-list.c.
 */
#include "catalogue/recordings.h"

#include <errno.h>
#include <string.h>

#include "catalogue/row.h"
#include "catalogue/sql.h"

#define ID_PREFIX_MIN 4 /* of an id that people shorten */

static int none(const char *text, struct error *err)
{
    return error_set(err, RECORDINGS_E_NONE, text, "%s",
                     strlen(text) < ID_PREFIX_MIN
                         ? "is too short for a recording; write at least 4 characters of its id"
                         : "no such recording; `liuhen ls` lists them");
}

/* JSON text column into an object; absent when NULL. */
static int set_json(json_t *o, const char *key, struct db_stmt *st, int column, struct error *err)
{
    const char *text = db_text(st, column);
    json_t *value;
    int r;

    if (!text)
        return 0;
    r = json_parse(text, strlen(text), key, &value, err);
    return r < 0 ? r : json_set_take(o, key, value);
}

static int add_facts(struct db *db, json_t *o, const char *id, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT arrival, message, media, place, reasons, decoded FROM recording_facts WHERE recording = $1",
        "t", id);

    if (r != 0 || !row)
        return r;
    r = set_json(o, "arrival", st, 0, err);
    r = r != 0 ? r : row_set_text(o, "message", st, 1);
    r = r != 0 ? r : set_json(o, "media", st, 2, err);
    r = r != 0 ? r : set_json(o, "place", st, 3, err);
    r = r != 0 ? r : set_json(o, "reasons", st, 4, err);
    return r != 0 ? r : set_json(o, "decoded", st, 5, err);
}

/* The rows of a statement as a list in member key. */
static int add_rows(json_t *o, const char *key, struct db_stmt *st, bool row,
                    const struct row_column *columns, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    int r = list ? row_list(st, row, columns, ROW_NO_LIMIT, list, NULL, err) : -ENOMEM;

    return r != 0 ? r : json_set_take(o, key, TAKE_PTR(list));
}

static int add_links_and_holds(struct db *db, json_t *o, const char *id, struct error *err)
{
    static const struct row_column link_columns[] = {{"case", 't'}, {"number", 't'},    {"role", 't'},
                                                     {"step", 't'}, {"procedure", 't'}, {"state", 't'},
                                                     {NULL, 0}};
    static const struct row_column hold_columns[] = {
        {"id", 't'},        {"ground", 't'}, {"matter", 't'},    {"reason", 't'}, {"placed", 'i'},
        {"placed_by", 't'}, {"lifted", 'i'}, {"lifted_by", 't'}, {"case", 't'},   {NULL, 0}};
    static const struct row_column arrival_columns[] = {
        {"leaf", 'i'}, {"time", 'i'}, {"door", 't'}, {"path", 't'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *links = NULL, *holds = NULL, *arrivals = NULL;
    bool row;
    int r = sql_query(
        db, &links, &row, err,
        "SELECT l.case_id, c.number, l.role, l.step, c.procedure, c.state FROM links l JOIN cases c ON "
        "c.id = l.case_id WHERE l.recording = $1 ORDER BY l.leaf",
        "t", id);

    r = r != 0 ? r : add_rows(o, "cases", links, row, link_columns, err);
    if (r == 0)
        r = sql_query(
            db, &holds, &row, err,
            "SELECT h.id, h.ground, h.matter, h.reason, h.placed_usec, h.placed_by, h.lifted_usec, "
            "h.lifted_by, h.case_id FROM holds h WHERE h.recording = $1 OR h.case_id IN (SELECT l.case_id "
            "FROM links l WHERE l.recording = $1) ORDER BY h.leaf",
            "t", id);
    r = r != 0 ? r : add_rows(o, "hold_list", holds, row, hold_columns, err);
    if (r == 0)
        r = sql_query(
            db, &arrivals, &row, err,
            "SELECT leaf, time_usec, door, path FROM arrivals WHERE recording = $1 ORDER BY leaf LIMIT 100",
            "t", id);
    return r != 0 ? r : add_rows(o, "arrivals", arrivals, row, arrival_columns, err);
}

int recordings_show(struct db *db, const struct recording_id *id, json_t **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *o = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " ROW_RECORDING " FROM recordings r WHERE r.id = $1", "t",
                      id->text);

    if (r != 0)
        return r;
    if (!row)
        return none(id->text, err);
    r = row_object(st, row_recording, &o);
    r = r != 0 ? r : add_facts(db, o, id->text, err);
    r = r != 0 ? r : add_links_and_holds(db, o, id->text, err);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

bool ulid_range(const char *text, char low[ULID_LENGTH + 1], char high[ULID_LENGTH + 1])
{
    size_t n = strlen(text);

    if (n < ID_PREFIX_MIN || n > ULID_LENGTH ||
        strspn(text, "0123456789ABCDEFGHJKMNPQRSTVWXYZabcdefghjkmnpqrstvwxyz") != n)
        return false;
    for (size_t i = 0; i < ULID_LENGTH; i++) {
        char c = i < n && text[i] >= 'a' ? (char)(text[i] - 'a' + 'A') : i < n ? text[i] : '0';

        low[i] = c;
        high[i] = i < n ? c : 'Z';
    }
    low[ULID_LENGTH] = high[ULID_LENGTH] = 0;
    return true;
}

int recordings_resolve(struct db *db, const char *text, struct recording_id *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1];
    struct recording_id found;
    bool row;
    int r;

    if (!ulid_range(text, low, high))
        return none(text, err);
    r = sql_query(db, &st, &row, err,
                  "SELECT id FROM recordings WHERE id >= $1 AND id <= $2 ORDER BY id LIMIT 2", "tt", low,
                  high);
    if (r != 0)
        return r;
    if (!row)
        return none(text, err);
    if (recording_id_parse(db_text(st, 0), &found) < 0)
        return -EPROTO;
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, RECORDINGS_E_AMBIGUOUS, text,
                         "is the beginning of more than one id; give more of it");
    if (r == 0)
        *ret = found;
    return r;
}

int recordings_by_digest(struct db *db, const struct digest *digest, struct recording_id *ret,
                         struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r =
        sql_query(db, &st, &row, err, "SELECT id FROM recordings WHERE digest = $1 AND disposed_leaf IS NULL",
                  "b", digest->bytes, sizeof digest->bytes);

    if (r != 0)
        return r;
    if (!row)
        return RECORDINGS_E_NONE;
    return recording_id_parse(db_text(st, 0), ret) < 0 ? -EPROTO : 0;
}

int recordings_decoded(struct db *db, const struct recording_id *id, char **ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT decoded FROM recording_facts WHERE recording = $1", "t",
                      id->text);

    *ret = NULL;
    return r == 0 && row ? sql_take_text(st, 0, ret) : r;
}

int recordings_kind(struct db *db, const struct recording_id *id, char *ret_kind, size_t size,
                    bool *ret_examined, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT kind, status FROM recordings WHERE id = $1 AND disposed_leaf IS NULL", "t",
                      id->text);

    if (r != 0)
        return r;
    if (!row)
        return RECORDINGS_E_NONE;
    snprintf(ret_kind, size, "%s", db_text(st, 0));
    *ret_examined = strcmp(db_text(st, 1), "new") != 0;
    return 0;
}

int recordings_is_examined(struct db *db, const struct recording_id *id, bool *ret, struct error *err)
{
    int64_t n = 0;
    int r = sql_integer(db, &n, 0, err, "SELECT 1 FROM recordings WHERE id = $1 AND status <> 'new'", "t",
                        id->text);

    *ret = n == 1;
    return r;
}

int recordings_has_arrival(struct db *db, const char *recording, const char *arrival_id, bool *ret,
                           struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char mark[64];
    bool row;
    int r;

    snprintf(mark, sizeof mark, "\"id\":\"%.26s\"", arrival_id);
    *ret = false;
    r = sql_query(db, &st, &row, err,
                  "SELECT arrival FROM arrivals WHERE recording = $1 ORDER BY leaf DESC LIMIT 1000", "t",
                  recording);
    for (; r == 0 && row && !*ret; r = db_step(st, &row, err))
        *ret = strstr(db_text(st, 0), mark) != NULL;
    return r;
}

int recordings_source_is_known(struct db *db, const char *door, const char *path, int64_t bytes,
                               int64_t mtime_usec, bool *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *arrival = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT arrival FROM arrivals WHERE path = $1 AND door = $2 ORDER BY leaf DESC LIMIT 1",
                      "tt", path, door);

    *ret = false;
    if (r != 0 || !row)
        return r;
    r = json_parse(db_text(st, 0), strlen(db_text(st, 0)), path, &arrival, err);
    if (r == 0)
        *ret = json_get_integer(arrival, "bytes", -1) == bytes &&
               json_get_integer(arrival, "mtime", -1) == mtime_usec;
    return r;
}

static bool took_sidecar(const char *arrival_json, const json_t *sidecar)
{
    _cleanup_json_ json_t *arrival = NULL;
    struct error ignored;

    if (json_parse(arrival_json, strlen(arrival_json), "arrival", &arrival, &ignored) < 0)
        return false;
    return sidecar ? json_equal(json_object_get(arrival, "sidecar"), sidecar)
                   : json_object_get(arrival, "sidecar_fault") != NULL;
}

int recordings_sidecar_is_used(struct db *db, const char *door, const char *stem, const json_t *sidecar,
                               int64_t since_usec, bool *ret, struct error *err)
{
    _cleanup_free_ char *dot = NULL, *end = NULL;
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r;

    *ret = false;
    if (asprintf(&dot, "%s.", stem) < 0 || asprintf(&end, "%s/", stem) < 0) /* '/' comes after '.' */
        return -ENOMEM;
    r = sql_query(
        db, &st, &row, err,
        "SELECT arrival FROM arrivals WHERE path >= $1 AND path < $2 AND (path = $1 OR path >= $3) AND "
        "door = $4 AND time_usec >= $5",
        "tttti", stem, end, dot, door, since_usec);
    for (; r == 0 && row && !*ret; r = db_step(st, &row, err))
        *ret = took_sidecar(db_text(st, 0), sidecar);
    return r;
}

int recordings_quarantine_is_known(struct db *db, const char *id, bool *ret, struct error *err)
{
    int64_t there = 0;
    int r = sql_integer(db, &there, 0, err, "SELECT 1 FROM quarantined WHERE id = $1", "t", id);

    *ret = there == 1;
    return r;
}

int acts_about(struct db *db, const char *id, int64_t after, int limit, json_t **ret, struct error *err)
{
    static const struct row_column act_columns[] = {{"index", 'i'}, {"time", 'i'},    {"kind", 't'},
                                                    {"actor", 't'}, {"subject", 't'}, {"object", 't'},
                                                    {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *list = json_array();
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT a.idx, a.time_usec, a.kind, a.actor, a.subject, a.object FROM acts a WHERE a.idx IN "
        "(SELECT idx FROM acts WHERE subject = $1 UNION SELECT idx FROM acts WHERE object = $1) AND "
        "a.idx > $2 ORDER BY a.idx LIMIT $3",
        "tii", id, after, (int64_t)limit);

    if (!list)
        return -ENOMEM;
    r = r != 0 ? r : row_list(st, row, act_columns, ROW_NO_LIMIT, list, NULL, err);
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

int recordings_to_examine(struct db *db, const char *after, struct recording_id *ret, size_t max,
                          size_t *ret_n, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    size_t n = 0;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT id FROM recordings WHERE status = 'new' AND id > $1 ORDER BY id LIMIT $2", "ti",
                      after, (int64_t)max);

    for (; r == 0 && row && n < max; r = db_step(st, &row, err))
        if (recording_id_parse(db_text(st, 0), &ret[n]) == 0)
            n++;
    *ret_n = n;
    return r;
}

int catalogue_counts(struct db *db, json_t **ret, struct error *err)
{
    static const struct {
        const char *key, *sql;
    } counts[] = {
        {"recordings", "SELECT count(*) FROM recordings"},
        {"bytes", "SELECT CAST(sum(size_bytes) AS BIGINT) FROM recordings"},
        {"to_examine", "SELECT count(*) FROM recordings WHERE status = 'new'"},
        {"damaged",
         "SELECT count(*) FROM recordings WHERE status = 'damaged' AND sort_usec > "
         "-9223372036854775807"}, /* bounded, so that SQLite counts in the index of the damaged ones */
        {"unlinked", "SELECT count(*) FROM recordings WHERE links = 0"},
        {"holds", "SELECT count(*) FROM holds WHERE lifted_usec IS NULL"},
        {"cases", "SELECT count(*) FROM cases"},
        {"quarantined", "SELECT count(*) FROM quarantined"},
        {"acts", "SELECT MAX(idx) + 1 FROM acts"},
    };
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(counts); i++) {
        int64_t n;
        r = sql_integer(db, &n, 0, err, counts[i].sql, "");
        r = r != 0 ? r : json_set_integer(o, counts[i].key, n);
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
