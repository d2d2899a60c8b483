/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of holds (see holds.h). Ids are ULIDs, so the primary key is the order of time.
 */
#include "catalogue/holds.h"

#include <errno.h>
#include <string.h>

#include "base/ulid.h"
#include "catalogue/case-rows.h"
#include "catalogue/row.h"
#include "catalogue/sql.h"

static const struct row_column columns[] = {{"id", 't'},     {"recording", 't'}, {"case", 't'},
                                            {"number", 't'}, {"ground", 't'},    {"matter", 't'},
                                            {"reason", 't'}, {"placed", 'i'},    {"placed_by", 't'},
                                            {"lifted", 'i'}, {"lifted_by", 't'}, {NULL, 0}};

int holds_list(struct db *db, const struct holds_filter *filter, const char *cursor, int limit,
               json_t **ret_page, char **ret_next, struct error *err)
{
    _cleanup_json_ json_t *page = json_array();
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_free_ char *next = NULL;
    bool row, more = false;
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
    r = r != 0 ? r : row_list(st, row, columns, (size_t)limit, page, &more, err);
    if (r == 0 && more) {
        next = strdup(json_get_string(json_array_get(page, (size_t)limit - 1), "id"));
        r = next ? 0 : -ENOMEM;
    }
    if (r != 0)
        return r;
    *ret_page = TAKE_PTR(page);
    *ret_next = TAKE_PTR(next);
    return 0;
}
