/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of holds (see holds.h). Ids are ULIDs, so the primary key is the order of time.
 */
#include "catalogue/holds.h"

#include <errno.h>
#include <string.h>

#include "base/ulid.h"
#include "catalogue/case-rows.h"
#include "catalogue/sql.h"

static const struct {
    const char *key;
    bool is_number;
} columns[] = {{"id", false},        {"recording", false}, {"case", false},     {"number", false},
               {"ground", false},    {"matter", false},    {"reason", false},   {"placed", true},
               {"placed_by", false}, {"lifted", true},     {"lifted_by", false}};

static int row_to_json(struct db_stmt *st, json_t **ret)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (int i = 0; r == 0 && i < (int)ARRAY_SIZE(columns); i++)
        if (!db_is_null(st, i))
            r = columns[i].is_number ? json_set_integer(o, columns[i].key, db_integer(st, i))
                                     : json_set_string(o, columns[i].key, db_text(st, i));
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

int holds_list(struct db *db, const struct holds_filter *filter, const char *cursor, int limit,
               json_t **ret_page, char **ret_next, struct error *err)
{
    _cleanup_json_ json_t *page = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *next = NULL;
    bool row;
    int r;

    if (!page)
        return -ENOMEM;
    if (cursor && !ulid_is_valid(cursor))
        return error_set(err, CASES_E_CURSOR, cursor, "is not a page mark; use the one the last page gave");
    limit = MAX(1, MIN(limit, HOLDS_PAGE_MAX));
    r = sql_query(
        db, &st, &row, err,
        "SELECT h.id, h.recording, h.case_id, c.number, h.ground, h.matter, h.reason, h.placed_usec, "
        "h.placed_by, h.lifted_usec, h.lifted_by FROM holds h LEFT JOIN cases c ON c.id = h.case_id WHERE "
        "h.id < $1 AND (CAST($2 AS TEXT) IS NULL OR h.recording = $2 OR h.case_id IN (SELECT l.case_id FROM "
        "links "
        "l WHERE l.recording = $2)) AND (CAST($3 AS TEXT) IS NULL OR h.case_id = $3) AND ($4 = 1 OR "
        "h.lifted_usec IS NULL) ORDER BY h.id DESC LIMIT $5",
        "tttii", cursor ? cursor : "~", filter->recording, filter->case_id, (int64_t)filter->lifted,
        (int64_t)limit + 1);
    for (; r == 0 && row; r = db_step(st, &row, err)) {
        json_t *o = NULL;

        if (json_array_size(page) == (size_t)limit) {
            next = strdup(json_get_string(json_array_get(page, (size_t)limit - 1), "id"));
            r = next ? 0 : -ENOMEM;
            break;
        }
        r = row_to_json(st, &o);
        if (r != 0 || json_array_append_new(page, o) < 0)
            return r != 0 ? r : -ENOMEM;
    }
    if (r != 0)
        return r;
    *ret_page = TAKE_PTR(page);
    *ret_next = TAKE_PTR(next);
    return 0;
}
