/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The one SQL adapter: SQLite (WAL, synchronous=FULL) or PostgreSQL behind the same calls and, but for a handful of words
 * kept in db-sqlite.c and db-pg.c, the same SQL text: $1… parameters, one type a parameter, BIGINT/TEXT/SMALLINT/blob columns,
 * times in µs UTC from C. Statements are prepared once a connection and cached by their text (the 256 used last). One connection
 * belongs to one thread at a time.
 *
 * After an error inside a transaction (or savepoint) everything but rolling it back gives -ECANCELED, on both engines. After
 * -ENOTCONN the next call outside a transaction connects again by itself.
 *
 * Return values: 0, DB_E_BUSY, DB_E_CONSTRAINT, or a negative errno (-EIO, -ENOSPC, -EROFS, -ENOMEM, -EBADMSG = the file is not a
 * database or is damaged, -ENOTCONN = server gone); *err has the engine's own words.
 */
#ifndef LIUHEN_CATALOGUE_DB_H
#define LIUHEN_CATALOGUE_DB_H

#include <stdbool.h>

#include "base/error.h"

enum {
    DB_E_BUSY = 1,       /* locked by somebody else beyond the time-out; try the whole transaction again */
    DB_E_CONSTRAINT = 2, /* a UNIQUE, CHECK, NOT NULL or FOREIGN KEY constraint refused it */
};

struct db;

enum db_mode {
    DB_READ, /* read only, enforced by the engine (SQLite: SQLITE_OPEN_READONLY; PostgreSQL: default_transaction_read_only) */
    DB_WRITE, /* made when absent (SQLite) */
};

/* dsn: a file path (SQLite) or "postgresql://…" / "host=… dbname=…" (PostgreSQL). Does not touch the schema. */
int db_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err);
struct db *db_close(struct db *db);
DEFINE_CLEANUP(struct db *, db_close)
bool db_is_postgres(const struct db *db);

/* How long a busy database is waited for; default 5 s. */
void db_set_busy_timeout(struct db *db, int msec);

struct db_stmt; /* a cached prepared statement in use */

/* Takes the statement for text (prepared on first use). Bind every parameter, step, read, then db_finish. */
int db_prepare(struct db *db, const char *sql, struct db_stmt **ret, struct error *err);
void db_bind_integer(struct db_stmt *st, int n,
                     int64_t value); /* n from 1; errors are sticky until db_step */
void db_bind_text(struct db_stmt *st, int n,
                  const char *value); /* NULL binds NULL; borrowed until db_finish */
void db_bind_blob(struct db_stmt *st, int n, const void *data,
                  size_t size); /* NULL binds NULL, also with size 0; borrowed */
void db_bind_null(struct db_stmt *st, int n);

/* Runs to the next row. *ret_row says whether there is one. Return: 0, DB_E_*, or negative errno. */
int db_step(struct db_stmt *st, bool *ret_row,
            struct error *err); /* rows come one by one: large SELECTs need little memory */

int64_t db_integer(struct db_stmt *st, int column);  /* from 0; NULL reads as 0 */
const char *db_text(struct db_stmt *st, int column); /* borrowed until the next step; NULL when NULL */
const void *db_blob(struct db_stmt *st, int column, size_t *ret_size);
bool db_is_null(struct db_stmt *st, int column);

/* Gives the statement back to the cache; NULL is allowed. */
struct db_stmt *db_finish(struct db_stmt *st);
DEFINE_CLEANUP(struct db_stmt *, db_finish)
#define _cleanup_stmt_ _cleanup_(db_finishp)

/* Runs one statement without parameters and rows (DDL, pragmas). */
int db_exec(struct db *db, const char *sql, struct error *err);

/* How many rows the last finished INSERT/UPDATE/DELETE of this connection changed. */
int64_t db_changes(const struct db *db);

/* Write transaction (SQLite: BEGIN IMMEDIATE). Savepoints nest inside. A db_commit that fails has rolled back; -ENOTCONN from
 * it can mean that the outcome is not known (the text says so). */
int db_begin(struct db *db, struct error *err);
int db_commit(struct db *db, struct error *err);
void db_rollback(struct db *db);
int db_savepoint(struct db *db, struct error *err); /* named by the adapter; they nest */
int db_savepoint_release(struct db *db, struct error *err);
void db_savepoint_rollback(struct db *db);

/* Read snapshot for several SELECTs that must agree (SQLite: BEGIN; PostgreSQL: REPEATABLE READ READ ONLY). */
int db_begin_read(struct db *db, struct error *err);

/* Runs a script of several statements separated by ";\n" with the dialect's words put in: lines that begin "--sqlite " or
 * "--postgres " are taken (without the mark) for that engine only. */
int db_script(struct db *db, const char *script, struct error *err);

#endif
