/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading devices (see device-rows.h).
 */
#include "catalogue/device-rows.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "catalogue/recordings.h"
#include "catalogue/row.h"
#include "catalogue/sql.h"

#define COLUMNS                                                                                              \
    "d.id, d.serial, d.name, d.kind, d.unit, d.zone, d.quota_bytes, d.rate_requests, d.added_usec, "         \
    "d.retired_usec, d.arrivals, d.last_arrival_usec, d.clock_offset_usec, d.clock_usec"
#define NOW_COLUMNS                                                                                          \
    ", (SELECT a.officer FROM device_assignments a WHERE a.device = d.id AND a.from_usec <= $1 AND "         \
    "(a.until_usec IS NULL OR a.until_usec > $1)), (SELECT count(*) FROM device_keys k WHERE k.device = "    \
    "d.id AND k.revoked_usec IS NULL AND (k.expires_usec IS NULL OR k.expires_usec > $1))"

static const struct row_column device_columns[] = {{"id", 't'},
                                                   {"serial", 't'},
                                                   {"name", 't'},
                                                   {"kind", 't'},
                                                   {"unit", 't'},
                                                   {"timezone", 't'},
                                                   {"quota", 'i'},
                                                   {"rate", 'i'},
                                                   {"added", 'i'},
                                                   {"retired", 'i'},
                                                   {"arrivals", 'i'},
                                                   {"last_arrival", 'i'},
                                                   {"clock_offset", 'i'},
                                                   {"clock_measured", 'i'},
                                                   {"officer", 't'},
                                                   {"good_keys", 'i'},
                                                   {NULL, 0}};

int devices_list(struct db *db, int64_t now_usec, json_t **ret, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " COLUMNS NOW_COLUMNS " FROM devices d ORDER BY d.serial",
                      "i", now_usec);

    if (!list)
        return -ENOMEM;
    r = r != 0 ? r : row_list(st, row, device_columns, ROW_NO_LIMIT, list, NULL, err);
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

/* Rows of a statement with the device's id as its parameter, into a member. */
static int add_rows(struct db *db, json_t *o, const char *key, const struct row_column *columns,
                    const char *sql, const char *id, struct error *err)
{
    _cleanup_json_ json_t *list = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, sql, "t", id);

    if (!list)
        return -ENOMEM;
    r = r != 0 ? r : row_list(st, row, columns, ROW_NO_LIMIT, list, NULL, err);
    return r != 0 ? r : json_set_take(o, key, TAKE_PTR(list));
}

int device_show(struct db *db, const char *id, int64_t now_usec, json_t **ret, struct error *err)
{
    static const struct row_column keys[] = {{"id", 't'},      {"kind", 't'},       {"label", 't'},
                                             {"added", 'i'},   {"added_by", 't'},   {"expires", 'i'},
                                             {"revoked", 'i'}, {"revoked_by", 't'}, {NULL, 0}},
                                   assignments[] = {
                                       {"officer", 't'}, {"from", 'i'}, {"until", 'i'}, {NULL, 0}};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_json_ json_t *o = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " COLUMNS NOW_COLUMNS " FROM devices d WHERE d.id = $2",
                      "it", now_usec, id);

    if (r == 0 && !row)
        return error_set(err, DEVICE_ROWS_E_NONE, id, "no such device; `liuhen device list` lists them");
    r = r != 0 ? r : row_object(st, device_columns, &o);
    if (r == 0)
        r = add_rows(db, o, "keys", keys,
                     "SELECT id, kind, label, added_usec, added_by, expires_usec, revoked_usec, revoked_by "
                     "FROM device_keys WHERE device = $1 ORDER BY id DESC",
                     id, err);
    if (r == 0)
        r = add_rows(db, o, "assignments", assignments,
                     "SELECT officer, from_usec, until_usec FROM device_assignments WHERE device = $1 ORDER "
                     "BY from_usec DESC",
                     id, err);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

static void copy_text(struct db_stmt *st, int column, char *out, size_t size)
{
    const char *text = db_text(st, column);

    snprintf(out, size, "%s", text ? text : "");
}

static void read_row(struct db_stmt *st, struct device_row *ret)
{
    struct device_row d = {.quota_bytes = db_integer(st, 6),
                           .rate_requests = db_integer(st, 7),
                           .added_usec = db_integer(st, 8),
                           .retired_usec = db_integer(st, 9),
                           .arrivals = db_integer(st, 10),
                           .last_arrival_usec = db_integer(st, 11),
                           .clock_offset_usec = db_integer(st, 12),
                           .clock_usec = db_integer(st, 13)};

    copy_text(st, 0, d.id, sizeof d.id);
    copy_text(st, 1, d.serial, sizeof d.serial);
    copy_text(st, 2, d.name, sizeof d.name);
    copy_text(st, 3, d.kind, sizeof d.kind);
    copy_text(st, 4, d.unit, sizeof d.unit);
    copy_text(st, 5, d.zone, sizeof d.zone);
    *ret = d;
}

static int read_one(struct db *db, const char *sql, const char *text, struct device_row *ret,
                    struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, sql, "t", text);

    if (r == 0 && row)
        read_row(st, ret);
    return r != 0 ? r : row ? 0 : DEVICE_ROWS_E_NONE;
}

int device_row_read(struct db *db, const char *id, struct device_row *ret, struct error *err)
{
    return read_one(db, "SELECT " COLUMNS " FROM devices d WHERE d.id = $1", id, ret, err);
}

int device_row_by_serial(struct db *db, const char *serial, struct device_row *ret, struct error *err)
{
    return read_one(db, "SELECT " COLUMNS " FROM devices d WHERE d.serial = $1", serial, ret, err);
}

int device_rows_each(struct db *db, int (*on_row)(void *userdata, const struct device_row *row),
                     void *userdata, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    struct device_row d;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " COLUMNS " FROM devices d ORDER BY d.serial", "");

    while (r == 0 && row) {
        read_row(st, &d);
        r = on_row(userdata, &d);
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}

static int none(const char *text, struct error *err)
{
    return error_set(err, DEVICE_ROWS_E_NONE, text, "no such device; `liuhen device list` lists them");
}

int device_resolve(struct db *db, const char *text, struct device_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1];
    struct device_row found;
    bool row;
    int r = utf8_is_valid(text, strlen(text)) ? device_row_by_serial(db, text, ret, err) : DEVICE_ROWS_E_NONE;

    if (r != DEVICE_ROWS_E_NONE)
        return r;
    if (!ulid_range(text, low, high))
        return none(text, err);
    r = sql_query(db, &st, &row, err,
                  "SELECT " COLUMNS " FROM devices d WHERE d.id >= $1 AND d.id <= $2 ORDER BY d.id LIMIT 2",
                  "tt", low, high);
    if (r != 0)
        return r;
    if (!row)
        return none(text, err);
    read_row(st, &found);
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, DEVICE_ROWS_E_AMBIGUOUS, text,
                         "is the beginning of more than one device's id; give more of it, or the serial");
    if (r == 0)
        *ret = found;
    return r;
}

/* Reads the key that st stands on and finishes the look-up. */
static int read_key(struct db_stmt *st, bool row, struct device_key_row *ret, struct error *err)
{
    struct device_key_row k = {.expires_usec = 0};
    const void *digest;
    size_t size;

    if (!row)
        return DEVICE_ROWS_E_NONE;
    digest = db_blob(st, 3, &size);
    if (!digest || size != sizeof k.digest.bytes)
        return error_set(err, -EPROTO, db_text(st, 0), "has no digest in the catalogue; run `liuhen fsck`");
    memcpy(k.digest.bytes, digest, size);
    copy_text(st, 0, k.id, sizeof k.id);
    copy_text(st, 1, k.device, sizeof k.device);
    copy_text(st, 2, k.kind, sizeof k.kind);
    k.expires_usec = db_integer(st, 4);
    k.revoked_usec = db_integer(st, 5);
    *ret = k;
    return 0;
}

#define KEY_COLUMNS "id, device, kind, digest, expires_usec, revoked_usec"

int device_key_by_id(struct db *db, const char *id, struct device_key_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, "SELECT " KEY_COLUMNS " FROM device_keys WHERE id = $1", "t", id);

    return r != 0 ? r : read_key(st, row, ret, err);
}

int device_key_by_digest(struct db *db, const char *kind, const struct digest *digest,
                         struct device_key_row *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT " KEY_COLUMNS " FROM device_keys WHERE digest = $1 AND kind = $2", "bt",
                      digest->bytes, sizeof digest->bytes, kind);

    return r != 0 ? r : read_key(st, row, ret, err);
}

int device_key_resolve(struct db *db, const char *device, const char *text, char ret[ULID_LENGTH + 1],
                       struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    char low[ULID_LENGTH + 1], high[ULID_LENGTH + 1], found[ULID_LENGTH + 1];
    bool row = false;
    int r = 0;

    if (ulid_range(text, low, high))
        r = sql_query(db, &st, &row, err,
                      "SELECT id FROM device_keys WHERE device = $1 AND id >= $2 AND id <= $3 ORDER BY id "
                      "LIMIT 2",
                      "ttt", device, low, high);
    if (r != 0)
        return r;
    if (!row)
        return error_set(err, DEVICE_ROWS_E_NONE, text,
                         "no such key of this device; `liuhen device show` lists them");
    copy_text(st, 0, found, sizeof found);
    r = db_step(st, &row, err);
    if (r == 0 && row)
        return error_set(err, DEVICE_ROWS_E_AMBIGUOUS, text,
                         "is the beginning of more than one key's id; give more of it");
    if (r == 0)
        memcpy(ret, found, sizeof found);
    return r;
}

int device_officer_read(struct db *db, const char *device, int64_t usec, char ret[DEVICE_TEXT],
                        struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT officer FROM device_assignments WHERE device = $1 AND from_usec <= $2 AND "
                      "(until_usec IS NULL OR until_usec > $2)",
                      "ti", device, usec);

    if (r != 0)
        return r;
    *ret = 0;
    if (row)
        copy_text(st, 0, ret, DEVICE_TEXT);
    return 0;
}

int device_overlap_read(struct db *db, const char *device, int64_t from_usec, int64_t until_usec,
                        char ret_officer[DEVICE_TEXT], int64_t *ret_from, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(
        db, &st, &row, err,
        "SELECT officer, from_usec FROM device_assignments WHERE device = $1 AND from_usec < $3 AND "
        "((until_usec IS NULL AND from_usec >= $2) OR until_usec > $2) ORDER BY from_usec LIMIT 1",
        "tii", device, from_usec, until_usec);

    if (r != 0)
        return r;
    *ret_officer = 0;
    *ret_from = row ? db_integer(st, 1) : 0;
    if (row)
        copy_text(st, 0, ret_officer, DEVICE_TEXT);
    return 0;
}

static int hand_number(struct db_stmt *st, int (*on_number)(void *userdata, const struct device_number *n),
                       void *userdata, struct error *err)
{
    _cleanup_json_ json_t *place = NULL;
    struct device_number n = {.device = db_text(st, 0), .sort_usec = db_integer(st, 1)};
    const char *text = db_text(st, 2);
    int r = json_parse(text, strlen(text), "place", &place, err);

    if (r < 0)
        return r;
    n.seq = json_get_string(json_get_object(place, "seq"), "value");
    n.channel = json_get_string(json_get_object(place, "channel"), "value");
    n.seq = n.seq ? n.seq : "";
    n.channel = n.channel ? n.channel : "";
    return on_number(userdata, &n);
}

/* Recordings that were disposed of have been here: what is missing never came. */
int device_numbers_read(struct db *db, const char *serial, int64_t since_usec, int64_t limit,
                        int (*on_number)(void *userdata, const struct device_number *n), void *userdata,
                        struct error *err)
{
    static const char of_one[] =
        "SELECT n.device, n.sort_usec, f.place FROM (SELECT device, sort_usec, id FROM recordings WHERE "
        "device = "
        "$1 AND sort_usec >= $2 ORDER BY sort_usec DESC, id DESC LIMIT $3) n JOIN recording_facts f ON "
        "f.recording = n.id WHERE f.place LIKE '%\"seq\":%' ORDER BY n.sort_usec, n.id";
    static const char of_all[] =
        "SELECT n.device, n.sort_usec, f.place FROM (SELECT r.device, r.sort_usec, r.id FROM recordings r "
        "JOIN "
        "devices d ON d.serial = r.device WHERE CAST($1 AS TEXT) IS NULL AND r.sort_usec >= $2 ORDER BY "
        "r.sort_usec DESC, r.id DESC LIMIT $3) n JOIN recording_facts f ON f.recording = n.id WHERE f.place "
        "LIKE '%\"seq\":%' ORDER BY n.device, n.sort_usec, n.id";
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = sql_query(db, &st, &row, err, serial ? of_one : of_all, "tii", serial, since_usec, limit);

    while (r == 0 && row) {
        r = hand_number(st, on_number, userdata, err);
        r = r != 0 ? r : db_step(st, &row, err);
    }
    return r;
}
