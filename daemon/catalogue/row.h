/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From rows to JSON objects and pages of them. A list of columns, in the order of the SELECT, says which member each becomes; NULL
 * columns are absent.
 */
#ifndef LIUHEN_CATALOGUE_ROW_H
#define LIUHEN_CATALOGUE_ROW_H

#include "base/json.h"
#include "catalogue/db.h"

/* A list of them ends with a key of NULL. */
struct row_column {
    const char *key;
    char type; /* t text, i integer, h digest as hex */
};

/* What a recording's row is read by, from "recordings r", and its columns. */
#define ROW_RECORDING                                                                                        \
    "r.id, r.leaf, r.digest, r.sm3, r.size_bytes, r.name, r.content_name, r.kind, r.door, r.received_usec, " \
    "r.status, r.device, r.officer, r.unit, r.started_usec, r.ended_usec, r.certainty, r.sort_usec, "        \
    "r.take, r.links, r.holds, r.class, r.ending, r.until_usec, r.disc_due_usec, r.policy, "                 \
    "r.disposed_leaf, "                                                                                      \
    "r.held"
extern const struct row_column row_recording[];

/* Text column into member key. Return: 0, -EINVAL (not UTF-8) or -ENOMEM. */
int row_set_text(json_t *o, const char *key, struct db_stmt *st, int column);

/* The row that st stands on; new object. Return: 0, -EINVAL (not UTF-8) or -ENOMEM. */
int row_object(struct db_stmt *st, const struct row_column *columns, json_t **ret);

#define ROW_NO_LIMIT SIZE_MAX

/* Appends the rows that a statement still gives (row: whether it stands on one) to list, up to limit. *ret_more (may be NULL) says
 * whether there was one beyond. Return: as row_object and db_step. */
int row_list(struct db_stmt *st, bool row, const struct row_column *columns, size_t limit, json_t *list,
             bool *ret_more, struct error *err);

/* A page mark is "<time>.<id>" of the last row, in lists that are ordered by both. *ret_id is borrowed from mark.
 * Return: 0, or code (err set) when it is none. */
int row_mark_parse(const char *mark, int code, int64_t *ret_time, const char **ret_id, struct error *err);

/* The mark of a page that is not empty; time_key: the member that has the time. New string. Return: 0 or -ENOMEM. */
int row_mark_make(const json_t *page, const char *time_key, char **ret);

#endif
