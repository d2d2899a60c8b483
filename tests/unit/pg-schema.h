/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * For tests on PostgreSQL: a schema of its own for every case, on the server whose DSN is in LIUHEN_TEST_PG (tests/pg-up FOLDER
 * prints one).
 */
#ifndef LIUHEN_TESTS_PG_SCHEMA_H
#define LIUHEN_TESTS_PG_SCHEMA_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "catalogue/db.h"

static _unused_ bool pg_is_there(void)
{
    return getenv("LIUHEN_TEST_PG") != NULL;
}

static _unused_ void pg_skip(void)
{
    print_message("LIUHEN_TEST_PG is not set: PostgreSQL is not tried (tests/pg-up FOLDER prints a DSN)\n");
    skip();
}

static _unused_ void pg_do(const char *before, const char *schema, const char *after)
{
    _cleanup_(db_closep) struct db *db = NULL;
    struct error err = ERROR_INIT;
    char sql[128];

    snprintf(sql, sizeof sql, "%s %s%s", before, schema, after);
    if (db_open(getenv("LIUHEN_TEST_PG"), DB_WRITE, &db, &err) != 0 || db_exec(db, sql, &err) != 0)
        fail_msg("%s: %s", sql, err.text);
}

/* Makes a schema; its name and the DSN of the database as seen from within it. */
static _unused_ void pg_schema_new(char schema[64], char dsn[512])
{
    static int count;
    const char *base = getenv("LIUHEN_TEST_PG");

    snprintf(schema, 64, "test_%d_%d", (int)getpid(), ++count);
    pg_do("CREATE SCHEMA", schema, "");
    if (strstr(base, "://"))
        snprintf(dsn, 512, "%s%coptions=-csearch_path%%3D%s", base, strchr(base, '?') ? '&' : '?', schema);
    else
        snprintf(dsn, 512, "%s options='-csearch_path=%s'", base, schema);
}

/* schema may be "": none was made. */
static _unused_ void pg_schema_drop(const char *schema)
{
    if (schema[0])
        pg_do("DROP SCHEMA", schema, " CASCADE");
}

#endif
