/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From columns to members of a JSON object; NULL columns are absent.
 */
#ifndef LIUHEN_CATALOGUE_ROW_H
#define LIUHEN_CATALOGUE_ROW_H

#include "base/json.h"
#include "catalogue/db.h"

/* What a recording's row is read by, from "recordings r". */
#define ROW_RECORDING                                                                                        \
    "r.id, r.leaf, r.digest, r.sm3, r.size_bytes, r.name, r.content_name, r.kind, r.door, r.received_usec, " \
    "r.status, r.device, r.officer, r.unit, r.started_usec, r.ended_usec, r.certainty, r.sort_usec, "        \
    "r.take, r.links, r.holds, r.class, r.ending, r.until_usec, r.disc_due_usec, r.policy, "                 \
    "r.disposed_leaf, "                                                                                      \
    "r.held"

/* A row of ROW_RECORDING; new object. Return: 0 or -ENOMEM. */
int row_recording(struct db_stmt *st, json_t **ret);

/* Column into member key. All return 0, -EINVAL (not UTF-8) or -ENOMEM. */
int row_set_text(json_t *o, const char *key, struct db_stmt *st, int column);
int row_set_number(json_t *o, const char *key, struct db_stmt *st, int column);
int row_set_hex(json_t *o, const char *key, struct db_stmt *st, int column); /* of a digest */

#endif
