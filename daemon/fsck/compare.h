/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Comparing two catalogues row by row, whatever engine each is on.
 */
#ifndef LIUHEN_FSCK_COMPARE_H
#define LIUHEN_FSCK_COMPARE_H

#include "catalogue/db.h"

/* Calls on_difference for each row that is in one only ("missing", "extra": in `have` compared with `want`) or differs, with
 * table, key and how. Stops after 1,000 differences a table. */
int compare_catalogues(struct db *have, struct db *want,
                       void (*on_difference)(void *userdata, const char *table, const char *key,
                                             const char *how),
                       void *userdata, struct error *err);

#endif
