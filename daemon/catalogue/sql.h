/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Short forms over db.h: bind a list of values and run. The types string has one letter a parameter, in order:
 *   i  int64_t                    o  const int64_t * (NULL pointer = SQL NULL)
 *   t  const char * (NULL = NULL) b  const void *, size_t (NULL pointer = NULL)
 */
#ifndef LIUHEN_CATALOGUE_SQL_H
#define LIUHEN_CATALOGUE_SQL_H

#include "catalogue/db.h"

/* Runs a statement that gives no rows. Return: 0, DB_E_*, negative errno. */
int sql_run(struct db *db, struct error *err, const char *sql, const char *types, ...);

/* The same, and exactly one row must have been changed; otherwise missing (a positive code) is returned, err untouched. */
int sql_run_one(struct db *db, int missing, struct error *err, const char *sql, const char *types, ...);

/* Prepares, binds and steps to the first row. The caller steps on with db_step and finishes *ret_st. */
int sql_query(struct db *db, struct db_stmt **ret_st, bool *ret_row, struct error *err, const char *sql,
              const char *types, ...);

/* The first column of the first row; fallback when there is none. */
int sql_integer(struct db *db, int64_t *ret, int64_t fallback, struct error *err, const char *sql,
                const char *types, ...);

/* A text column as a new string; *ret is left as it is when the column is NULL. Return: 0 or -ENOMEM. */
int sql_take_text(struct db_stmt *st, int column, char **ret);

#endif
