/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Receipts of recordings (see receipts.h).
 */
#include "catalogue/receipts.h"

#include <errno.h>

#include "catalogue/recordings.h"
#include "catalogue/sql.h"

int receipt_leaf(struct db *db, const struct recording_id *id, uint64_t *ret_leaf, struct error *err)
{
    int64_t leaf;
    int r = sql_integer(db, &leaf, -1, err, "SELECT leaf FROM recordings WHERE id = $1", "t", id->text);

    if (r != 0)
        return r;
    if (leaf < 0)
        return error_set(err, RECORDINGS_E_NONE, id->text, "no such recording; `liuhen ls` lists them");
    *ret_leaf = (uint64_t)leaf;
    return 0;
}

int receipt_for_leaf(struct ledger *ledger, uint64_t leaf, const char *shown, char **ret, struct error *err)
{
    int r = ledger_receipt(ledger, leaf, ret, err);

    if (r == -ENOENT)
        return error_set(err, -EAGAIN, shown, "its act is not published yet; ask again in a moment");
    return r;
}
