/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The list of tables that fsck compares against the schema that a new catalogue has: a table or column that is missing in the list
 * could be changed without anybody noticing.
 */
#include "catalogue/tables.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <strings.h>

#include <cmocka.h>

#include "catalogue/schema.h"
#include "catalogue/sql.h"
#include "temp-folder.h"

/* Not functions of the ledger (see 001.sql and 004.sql). */
static const char *const others[] = {"meta", "pending_leaves", "jobs", "derivatives"};

static const struct table_columns *find(const char *name)
{
    const struct table_columns *t = catalogue_tables();

    while (t->name && strcmp(t->name, name) != 0)
        t++;
    return t->name ? t : NULL;
}

/* The place of a column in a table's SELECT; -1 when it is not there. */
static int place_of(const struct table_columns *t, const char *column)
{
    const char *p = t->select + strlen("SELECT ");

    for (int i = 0;; i++) {
        size_t n = strcspn(p, ", ");

        if (strlen(column) == n && strncmp(p, column, n) == 0)
            return i;
        if (p[n] != ',')
            return -1;
        p += n + 2;
    }
}

static char letter_of(const char *type)
{
    return strcmp(type, "TEXT") == 0       ? 't'
           : strcasecmp(type, "blob") == 0 ? 'b'
           : strcmp(type, "BIGINT") == 0   ? 'i'
                                           : '?';
}

static void check_table(struct db *db, const char *name)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    const struct table_columns *t = find(name);
    size_t n = 0;
    bool row;

    if (!t)
        fail_msg("table %s is not in the list", name);
    assert_int_equal(
        sql_query(db, &st, &row, NULL, "SELECT name, type FROM pragma_table_info($1)", "t", name), 0);
    for (; row; assert_int_equal(db_step(st, &row, NULL), 0), n++) {
        int at = place_of(t, db_text(st, 0));

        if (at < 0)
            fail_msg("column %s of table %s is not in the list", db_text(st, 0), name);
        if (t->types[at] != letter_of(db_text(st, 1)))
            fail_msg("column %s of table %s has another type in the list", db_text(st, 0), name);
    }
    assert_int_equal(strlen(t->types), n);
}

static void test_every_table_and_column(void **state)
{
    _cleanup_(db_closep) struct db *db = NULL;
    _cleanup_stmt_ struct db_stmt *st = NULL;
    const struct temp_folder *folder = *state;
    size_t n = 0, listed = 0;
    char dsn[600];
    bool row;

    snprintf(dsn, sizeof dsn, "%s/catalogue.db", folder->path);
    assert_int_equal(catalogue_open(dsn, DB_WRITE, &db, NULL), 0);
    assert_int_equal(
        sql_query(db, &st, &row, NULL, "SELECT name FROM sqlite_schema WHERE type = 'table'", ""), 0);
    for (; row; assert_int_equal(db_step(st, &row, NULL), 0)) {
        bool other = false;

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
            other = other || strcmp(db_text(st, 0), others[i]) == 0;
        if (other)
            continue;
        check_table(db, db_text(st, 0));
        n++;
    }
    while (catalogue_tables()[listed].name)
        listed++;
    assert_int_equal(n, listed);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {temp_folder_test(test_every_table_and_column)};

    return cmocka_run_group_tests_name("tables", tests, NULL, NULL);
}
