/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The receipt of a recording: the .tlog-proof of its first seal, made anew from catalogue and ledger whenever it is asked for.
 */
#ifndef LIUHEN_CATALOGUE_RECEIPTS_H
#define LIUHEN_CATALOGUE_RECEIPTS_H

#include "base/ulid.h"
#include "catalogue/db.h"
#include "ledger/ledger.h"

/* The leaf of the recording's seal. Return: 0, RECORDINGS_E_NONE, DB_E_*, negative errno. */
int receipt_leaf(struct db *db, const struct recording_id *id, uint64_t *ret_leaf, struct error *err);

/* The receipt for a leaf, about what is called shown; new string. Return: 0, -EAGAIN (not published yet: ask again in a moment), as
 * ledger_receipt. */
int receipt_for_leaf(struct ledger *ledger, uint64_t leaf, const char *shown, char **ret, struct error *err);

#endif
