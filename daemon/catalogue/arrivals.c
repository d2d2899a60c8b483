/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Arrivals of a device (see arrivals.h). SQL narrows them down by text; whether an arrival is the device's is read from its JSON, because
 * what a sender tells of a file stands in there too and may look alike.
 */
#include "catalogue/arrivals.h"

#include <string.h>

#include "base/json.h"
#include "catalogue/sql.h"

static int is_from(const char *arrival, const char *device, bool *ret, struct error *err)
{
    _cleanup_json_ json_t *o = NULL;
    const char *id;
    int r = json_parse(arrival, strlen(arrival), "arrival", &o, err);

    if (r < 0)
        return r;
    id = json_get_string(o, "device_id");
    *ret = id && strcmp(id, device) == 0;
    return 0;
}

/* The first act since a time. Acts are numbered without gaps and their times do not go back, so no index over time is needed. */
static int first_leaf_since(struct db *db, int64_t since_usec, int64_t *ret, struct error *err)
{
    int64_t low = 0, high;
    int r = sql_integer(db, &high, 0, err, "SELECT COALESCE(MAX(idx) + 1, 0) FROM acts", "");

    while (r == 0 && low < high) {
        int64_t middle = low + (high - low) / 2, time_usec;

        r = sql_integer(db, &time_usec, INT64_MAX, err, "SELECT time_usec FROM acts WHERE idx = $1", "i",
                        middle);
        if (time_usec < since_usec)
            low = middle + 1;
        else
            high = middle;
    }
    *ret = low;
    return r;
}

int arrivals_bytes_since(struct db *db, const char *device, int64_t since_usec, uint64_t *ret,
                         struct error *err)
{
    struct db_stmt *start = NULL;
    char like[64];
    uint64_t bytes = 0;
    int64_t first;
    bool row = false;
    int r = first_leaf_since(db, since_usec, &first, err);

    if (r != 0)
        return r;
    snprintf(like, sizeof like, "%%\"device_id\":\"%s\"%%", device);
    r = sql_query(db, &start, &row, err,
                  "SELECT a.arrival, r.size_bytes FROM arrivals a JOIN recordings r ON r.id = a.recording "
                  "WHERE a.leaf >= $1 AND a.arrival LIKE $2",
                  "it", first, like);
    if (r != 0)
        return r;
    _cleanup_stmt_ struct db_stmt *st = start;
    for (; r == 0 && row; r = db_step(st, &row, err)) {
        bool mine = false;

        r = is_from(db_text(st, 0), device, &mine, err);
        if (r != 0)
            return r;
        if (mine)
            bytes += (uint64_t)db_integer(st, 1);
    }
    if (r == 0)
        *ret = bytes;
    return r;
}

int arrivals_has_device(struct db *db, const char *recording, const char *device, bool *ret,
                        struct error *err)
{
    struct db_stmt *start = NULL;
    bool row = false, mine = false;
    int r = sql_query(db, &start, &row, err,
                      "SELECT arrival FROM arrivals WHERE recording = $1 ORDER BY leaf", "t", recording);

    if (r != 0)
        return r;
    _cleanup_stmt_ struct db_stmt *st = start;
    for (; r == 0 && row && !mine; r = r != 0 ? r : db_step(st, &row, err))
        r = is_from(db_text(st, 0), device, &mine, err);
    if (r == 0)
        *ret = mine;
    return r;
}
