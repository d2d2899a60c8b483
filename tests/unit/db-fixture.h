/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests of the SQL adapter: a fresh database for every case, on SQLite or in a schema of its own on PostgreSQL. A case
 * begins with take(), which skips where there is no server.
 */
#ifndef LIUHEN_TESTS_DB_FIXTURE_H
#define LIUHEN_TESTS_DB_FIXTURE_H

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/fd.h"
#include "catalogue/db.h"
#include "pg-schema.h"

struct fixture {
    char folder[64];
    char schema[64]; /* PostgreSQL only */
    char dsn[512];
    struct db *db;
    struct error err;
};

/* ---- helpers ---- */

static _unused_ void check(const struct fixture *f, int got, int wanted, int line)
{
    if (got != wanted)
        fail_msg("line %d: returned %d, wanted %d: %s", line, got, wanted, f->err.text);
}
#define OK(call)          check(f, (call), 0, __LINE__)
#define GIVES(code, call) check(f, (call), (code), __LINE__)

static _unused_ int run_on(struct db *db, struct error *err, const char *sql)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = db_prepare(db, sql, &st, err);

    return r != 0 ? r : db_step(st, &row, err);
}

static _unused_ int run(struct fixture *f, const char *sql)
{
    return run_on(f->db, &f->err, sql);
}

static _unused_ int64_t number_on(struct db *db, const char *sql)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    struct error err = ERROR_INIT;
    bool row = false;

    if (db_prepare(db, sql, &st, &err) != 0 || db_step(st, &row, &err) != 0)
        fail_msg("%s: %s", sql, err.text);
    assert_true(row);
    return db_integer(st, 0);
}

static _unused_ int insert(struct fixture *f, int64_t id, const char *name)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;
    int r = db_prepare(f->db, "INSERT INTO things (id, name) VALUES ($1, $2)", &st, &f->err);

    if (r != 0)
        return r;
    db_bind_integer(st, 1, id);
    db_bind_text(st, 2, name);
    return db_step(st, &row, &f->err);
}

static const char tables[] =
    "-- a comment; with a semicolon;\n"
    "--postgres CREATE DOMAIN blob AS bytea;\n"
    "\n"
    "CREATE TABLE things (\n"
    "    id   BIGINT PRIMARY KEY NOT NULL, -- it's the number;\n"
    "    name TEXT CHECK (name <> 'bad;\n"
    "--sqlite name'),\n" /* inside a quoted text it is no mark */
    "    data blob,\n"
    "    flag SMALLINT NOT NULL DEFAULT 0\n"
    ");\n"
    "CREATE TABLE parts (id BIGINT PRIMARY KEY NOT NULL, thing BIGINT NOT NULL REFERENCES things (id));\n"
    "--sqlite CREATE VIEW dialect AS SELECT 1 AS it;\n"
    "--postgres CREATE VIEW dialect AS SELECT 2 AS it;\n"
    "INSERT INTO things (id, name) VALUES (-1, 'a;\n"
    "b')"; /* the last one needs no semicolon */

static _unused_ int set_up(void **state, bool postgres)
{
    struct fixture *f = calloc(1, sizeof *f);

    assert_non_null(f);
    *state = f;
    strcpy(f->folder, "/tmp/test-db.XXXXXX");
    assert_non_null(mkdtemp(f->folder));
    if (postgres && !pg_is_there())
        return 0; /* the case skips itself */
    if (postgres)
        pg_schema_new(f->schema, f->dsn);
    else
        snprintf(f->dsn, sizeof f->dsn, "%s/catalogue.db", f->folder);
    OK(db_open(f->dsn, DB_WRITE, &f->db, &f->err));
    OK(db_script(f->db, tables, &f->err));
    return 0;
}

static _unused_ int sqlite_set_up(void **state)
{
    return set_up(state, false);
}

static _unused_ int pg_set_up(void **state)
{
    return set_up(state, true);
}

static _unused_ int tear_down(void **state)
{
    struct fixture *f = *state;

    db_close(f->db);
    pg_schema_drop(f->schema);
    fd_remove_tree_at(AT_FDCWD, f->folder);
    free(f);
    return 0;
}

static _unused_ struct fixture *take(void **state)
{
    struct fixture *f = *state;

    if (!f->db)
        pg_skip();
    return f;
}

#define BOTH(test)                                                                                           \
    {"sqlite " #test, test, sqlite_set_up, tear_down, NULL},                                                 \
    {                                                                                                        \
        "postgres " #test, test, pg_set_up, tear_down, NULL                                                  \
    }
#define SQLITE(test)                                                                                         \
    {                                                                                                        \
        "sqlite " #test, test, sqlite_set_up, tear_down, NULL                                                \
    }
#define POSTGRES(test)                                                                                       \
    {                                                                                                        \
        "postgres " #test, test, pg_set_up, tear_down, NULL                                                  \
    }

#endif
