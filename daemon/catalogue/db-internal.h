/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What db.c and the two engines agree on. db.c owns everything that must be the same on both (cache, transactions, checks,
 * reading of values); an engine only turns statements into rows. Included by db*.c alone.
 */
#ifndef LIUHEN_CATALOGUE_DB_INTERNAL_H
#define LIUHEN_CATALOGUE_DB_INTERNAL_H

#include "catalogue/db.h"

#define DB_MAX_PARAMETERS 64

enum db_type { DB_NULL, DB_INTEGER, DB_TEXT, DB_BLOB };

/* A parameter or a column of the current row; data is borrowed. */
struct db_value {
    enum db_type type;
    int64_t integer;
    const void *data;
    size_t size;
};

enum db_transaction { DB_NO_TRANSACTION, DB_READING, DB_WRITING };

/* An engine embeds this as the first member of its own connection. */
struct db {
    const struct db_engine *engine;
    char name[256]; /* for messages: the path, or server and database; never a password */
    enum db_mode mode;
    enum db_transaction transaction;
    int savepoints;
    bool broken; /* a statement of this transaction failed: only rolling back is left */
    bool closing;
    int busy_msec;
    int64_t changes;
    struct db_stmt *buckets[64]; /* prepared statements by the hash of their text */
    unsigned cached;
    uint64_t tick; /* grows with every use, to find the one longest unused */
};

enum db_stmt_state { DB_STMT_READY, DB_STMT_RUNNING, DB_STMT_DONE };

/* An engine embeds this as the first member of its own statement. */
struct db_stmt {
    struct db *db;
    struct db_stmt *next;
    char *sql;
    uint64_t hash;
    uint64_t used;
    bool in_use;
    enum db_stmt_state state;
    int status; /* first error since db_prepare; sticky */

    struct db_value params[DB_MAX_PARAMETERS];
    int n_params; /* highest bound so far */
    uint64_t bound;

    struct db_value *row; /* n_columns values of the current row, filled by the engine's step */
    char (*numbers)[24];  /* integers read as text, a column each */
    int n_columns;
};

struct db_engine {
    const char *script_mark; /* lines of a script that begin so are for this engine */
    const char *begin_write, *begin_read;

    int (*open)(const char *dsn, enum db_mode mode, struct db **ret, struct error *err);
    void (*close)(struct db *db); /* all statements are freed already */

    /* Outside a transaction: connects again if need be, brings db->busy_msec into force. */
    int (*ready)(struct db *db, struct error *err);
    int (*exec)(struct db *db, const char *sql, struct error *err);
    int (*commit)(struct db *db, struct error *err);
    void (*schema_changed)(struct db *db); /* after a script */

    struct db_stmt *(*stmt_new)(struct db *db); /* zeroed; NULL = out of memory */
    /* st->sql is set; nothing to do when it is prepared on this very connection. */
    int (*stmt_prepare)(struct db_stmt *st, struct error *err);
    int (*stmt_start)(struct db_stmt *st, struct error *err); /* binds st->params */
    /* Next row into st->row. A statement that writes is run to its end by the first call, so that no error comes after a row
     * of its RETURNING. Sets db->changes at the end of an INSERT, UPDATE or DELETE. */
    int (*stmt_step)(struct db_stmt *st, bool *ret_row, struct error *err);
    void (*stmt_reset)(struct db_stmt *st);
    void (*stmt_free)(struct db_stmt *st); /* frees st itself too, but not sql, row and numbers */
};

extern const struct db_engine db_sqlite_engine, db_pg_engine;

/* Makes room for st->row. Return: 0 or -ENOMEM. */
int db_stmt_set_columns(struct db_stmt *st, int n_columns);

#endif
