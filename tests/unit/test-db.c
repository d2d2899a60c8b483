/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SQL adapter: what must be the same on SQLite and PostgreSQL. What only one of them has is in test-db-engines.c.
 */
#include "db-fixture.h"

#include <errno.h>

static void test_script_dialects(void **state)
{
    struct fixture *f = take(state);
    _cleanup_stmt_ struct db_stmt *st = NULL;
    bool row;

    assert_int_equal(number_on(f->db, "SELECT it FROM dialect"), db_is_postgres(f->db) ? 2 : 1);
    OK(db_prepare(f->db, "SELECT name FROM things WHERE id = -1", &st, &f->err));
    OK(db_step(st, &row, &f->err));
    assert_true(row);
    assert_string_equal(db_text(st, 0), "a;\nb");

    GIVES(-EINVAL, db_script(f->db, "-- first\n\nSELECT 1;\nCREATE TROUBLE;\n", &f->err));
    assert_non_null(strstr(f->err.text, "script line 4"));
    OK(db_script(f->db, "", &f->err));
    OK(db_script(f->db, "-- nothing; here\n\n", &f->err));
}

static void test_types(void **state)
{
    static const char zeros[] = {0, 'a', 0, (char)0xff, 0};
    static const char *const insert_sql = "INSERT INTO things (id, name, data, flag) VALUES ($1, $2, $3, $4)";
    struct fixture *f = take(state);
    struct db_stmt *st;
    const void *data;
    size_t size;
    bool row;

    OK(db_prepare(f->db, insert_sql, &st, &f->err));
    db_bind_integer(st, 1, INT64_MAX);
    db_bind_text(st, 2, "本溪卫医罚〔2026〕12号 '; DROP");
    db_bind_blob(st, 3, zeros, sizeof zeros);
    db_bind_integer(st, 4, 1);
    OK(db_step(st, &row, &f->err));
    assert_false(row);
    OK(db_step(st, &row, &f->err)); /* at the end it stays there */
    assert_false(row);
    assert_null(db_finish(st));
    assert_int_equal(db_changes(f->db), 1);

    OK(db_prepare(f->db, insert_sql, &st, &f->err));
    db_bind_integer(st, 1, INT64_MIN);
    db_bind_text(st, 2, NULL);
    db_bind_blob(st, 3, "", 0);
    db_bind_integer(st, 4, 0);
    OK(db_step(st, &row, &f->err));
    db_finish(st);

    OK(db_prepare(f->db,
                  "SELECT id, name, data, flag, CAST(count(*) OVER () AS BIGINT) FROM things WHERE id <> -1 "
                  "ORDER BY id DESC",
                  &st, &f->err));
    OK(db_step(st, &row, &f->err));
    assert_true(row);
    assert_true(db_integer(st, 0) == INT64_MAX);
    assert_string_equal(db_text(st, 0), "9223372036854775807");
    assert_string_equal(db_text(st, 1), "本溪卫医罚〔2026〕12号 '; DROP");
    data = db_blob(st, 2, &size);
    assert_int_equal(size, sizeof zeros);
    assert_memory_equal(data, zeros, sizeof zeros);
    assert_int_equal(db_integer(st, 3), 1);
    assert_int_equal(db_integer(st, 4), 2);
    OK(db_step(st, &row, &f->err));
    assert_true(row);
    assert_true(db_integer(st, 0) == INT64_MIN);
    assert_true(db_is_null(st, 1));
    assert_null(db_text(st, 1));
    assert_int_equal(db_integer(st, 1), 0);
    assert_false(db_is_null(st, 2)); /* an empty blob is not NULL */
    assert_non_null(db_blob(st, 2, &size));
    assert_int_equal(size, 0);
    OK(db_step(st, &row, &f->err));
    assert_false(row);
    db_finish(st);
}

static void test_nulls_and_bad_binds(void **state)
{
    struct fixture *f = take(state);
    struct db_stmt *st;
    bool row;

    OK(db_prepare(f->db, "INSERT INTO things (id, name, data) VALUES ($1, CAST($2 AS TEXT), $3)", &st,
                  &f->err));
    db_bind_integer(st, 1, 5);
    db_bind_null(st, 2);
    db_bind_blob(st, 3, NULL, 0);
    OK(db_step(st, &row, &f->err));
    db_finish(st);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE name IS NULL AND data IS NULL"), 1);

    OK(db_prepare(f->db, "SELECT count(*) FROM things WHERE CAST($1 AS BIGINT) IS NULL OR id = $1", &st,
                  &f->err));
    db_bind_null(st, 1);
    OK(db_step(st, &row, &f->err));
    assert_int_equal(db_integer(st, 0), 2);
    db_finish(st);

    OK(db_prepare(f->db, "SELECT id FROM things WHERE name = $1", &st, &f->err));
    db_bind_text(st, 1, "bad \xff byte");
    GIVES(-EILSEQ, db_step(st, &row, &f->err));
    GIVES(-EILSEQ, db_step(st, &row, &f->err)); /* sticky */
    db_finish(st);

    OK(db_prepare(f->db, "SELECT id FROM things WHERE name = $2 AND id = $1", &st, &f->err));
    db_bind_text(st, 2, "x");
    GIVES(-EINVAL, db_step(st, &row, &f->err));
    assert_non_null(strstr(f->err.text, "$1 was not bound"));
    db_finish(st);
    OK(db_prepare(f->db, "SELECT id FROM things WHERE name = $2 AND id = $1", &st, &f->err));
    db_bind_integer(st, 1, 3);
    assert_int_not_equal(db_step(st, &row, &f->err), 0); /* $2 is missing */
    db_finish(st);

    OK(db_prepare(f->db, "SELECT id FROM things WHERE id = $1", &st, &f->err));
    db_bind_integer(st, 65, 3);
    GIVES(-ERANGE, db_step(st, &row, &f->err));
    db_finish(st);
    GIVES(-EINVAL, run(f, "SELECT CAST(1 AS DOUBLE PRECISION) / 3"));
    GIVES(-EINVAL, run(f, "SELEKT 1"));
    assert_non_null(strstr(f->err.text, "SELEKT"));
    GIVES(-EINVAL, run(f, "SELECT nothing FROM things"));
    GIVES(-EINVAL, run(f, "SELECT 1; SELECT 2"));
}

static void test_cache(void **state)
{
    struct fixture *f = take(state);
    struct db_stmt *a, *b, *c;
    char sql[96];
    bool row;

    OK(db_prepare(f->db, "SELECT $1 || 'x' FROM things", &a, &f->err));
    db_finish(a);
    strcpy(sql, "SELECT $1 || 'x' FROM things"); /* the same text elsewhere */
    OK(db_prepare(f->db, sql, &b, &f->err));
    assert_ptr_equal(a, b);
    OK(db_prepare(f->db, "SELECT $1 || 'x' FROM things", &c, &f->err)); /* while it is in use */
    assert_ptr_not_equal(b, c);
    db_bind_text(b, 1, "b");
    db_bind_text(c, 1, "c");
    OK(db_step(b, &row, &f->err));
    OK(db_step(c, &row, &f->err));
    assert_string_equal(db_text(b, 0), "bx");
    assert_string_equal(db_text(c, 0), "cx");
    db_finish(b);
    db_finish(c);

    strcpy(sql, "SELECT 42 + id FROM things");
    assert_int_equal(number_on(f->db, sql), 41);
    strcpy(sql, "SELECT 43 + id FROM things"); /* another text at the same address */
    assert_int_equal(number_on(f->db, sql), 42);
    for (int i = 0; i < 600; i++) { /* more than the cache holds */
        snprintf(sql, sizeof sql, "SELECT %d", i);
        assert_int_equal(number_on(f->db, sql), i);
    }
    if (db_is_postgres(f->db))
        assert_in_range(number_on(f->db, "SELECT count(*) FROM pg_prepared_statements"), 200, 256);
}

static void test_nested_statements(void **state)
{
    struct fixture *f = take(state);
    struct db_stmt *st;
    int seen = 0;
    bool row;

    OK(db_begin(f->db, &f->err));
    for (int i = 1; i <= 300; i++)
        OK(insert(f, i, "n"));
    OK(db_prepare(f->db, "SELECT id FROM things WHERE id > 0 AND id <= 300 ORDER BY id", &st, &f->err));
    while (db_step(st, &row, &f->err) == 0 && row) {
        assert_int_equal(db_integer(st, 0), ++seen);
        if (seen % 100 == 1)
            OK(insert(f, 1000 + seen, "while reading"));
        if (seen == 150)
            assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE id > 1000"), 2);
    }
    assert_false(row);
    db_finish(st);
    assert_int_equal(seen, 300);
    OK(db_prepare(f->db, "SELECT id FROM things", &st, &f->err));
    OK(db_step(st, &row, &f->err));
    db_finish(st); /* left early */
    OK(db_commit(f->db, &f->err));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things"), 304);
}

static void test_constraints(void **state)
{
    struct fixture *f = take(state);

    OK(insert(f, 1, "one"));
    GIVES(DB_E_CONSTRAINT, insert(f, 1, "again"));
    assert_true(f->err.text[0] != 0);
    GIVES(DB_E_CONSTRAINT, run(f, "INSERT INTO things (id, flag) VALUES (2, NULL)"));
    GIVES(DB_E_CONSTRAINT, run(f, "INSERT INTO parts (id, thing) VALUES (1, 77)"));
    /* No row of RETURNING before the foreign key has been looked at. */
    GIVES(DB_E_CONSTRAINT, run(f, "INSERT INTO parts (id, thing) VALUES (1, 77) RETURNING id"));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM parts"), 0);
}

static void test_error_breaks_transaction(void **state)
{
    struct fixture *f = take(state);

    OK(db_begin(f->db, &f->err));
    GIVES(-EINVAL, db_begin(f->db, &f->err));
    OK(insert(f, 1, "one"));
    GIVES(DB_E_CONSTRAINT, insert(f, 1, "again"));
    GIVES(-ECANCELED, insert(f, 2, "two"));
    GIVES(-ECANCELED, db_exec(f->db, "DELETE FROM things", &f->err));
    GIVES(-ECANCELED, db_commit(f->db, &f->err));
    GIVES(-EINVAL, db_commit(f->db, &f->err)); /* rolled back by then */
    db_rollback(f->db);
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE id > 0"), 0);
    OK(insert(f, 3, "three"));
}

static void test_savepoints(void **state)
{
    struct fixture *f = take(state);

    GIVES(-EINVAL, db_savepoint(f->db, &f->err));
    OK(db_begin(f->db, &f->err));
    OK(insert(f, 1, "kept"));
    OK(db_savepoint(f->db, &f->err));
    OK(insert(f, 2, "undone"));
    GIVES(DB_E_CONSTRAINT, insert(f, 1, "again"));
    GIVES(-ECANCELED, db_savepoint_release(f->db, &f->err));
    db_savepoint_rollback(f->db);
    OK(insert(f, 3, "kept"));
    OK(db_savepoint(f->db, &f->err));
    OK(insert(f, 4, "kept"));
    OK(db_savepoint(f->db, &f->err)); /* inside the other */
    OK(insert(f, 5, "undone"));
    db_savepoint_rollback(f->db);
    OK(db_savepoint_release(f->db, &f->err));
    GIVES(-EINVAL, db_savepoint_release(f->db, &f->err));
    db_savepoint_rollback(f->db); /* nothing to do */
    OK(db_commit(f->db, &f->err));
    assert_int_equal(number_on(f->db, "SELECT CAST(sum(id) AS BIGINT) FROM things WHERE id > 0"), 8);
}

static void test_read_only(void **state)
{
    struct fixture *f = take(state);
    _cleanup_(db_closep) struct db *reader = NULL;

    OK(db_open(f->dsn, DB_READ, &reader, &f->err));
    OK(insert(f, 1, "one"));
    assert_int_equal(number_on(reader, "SELECT count(*) FROM things"), 2);
    GIVES(-EROFS, run_on(reader, &f->err, "INSERT INTO things (id) VALUES (9)"));
    GIVES(-EROFS, db_exec(reader, "CREATE TABLE x (y TEXT)", &f->err));
    GIVES(-EROFS, db_begin(reader, &f->err));

    OK(db_begin_read(reader, &f->err)); /* a snapshot does not move */
    assert_int_equal(number_on(reader, "SELECT count(*) FROM things"), 2);
    OK(insert(f, 2, "two"));
    assert_int_equal(number_on(reader, "SELECT count(*) FROM things"), 2);
    OK(db_commit(reader, &f->err));
    assert_int_equal(number_on(reader, "SELECT count(*) FROM things"), 3);

    OK(db_begin_read(f->db, &f->err)); /* on a writer's connection too */
    GIVES(-EROFS, insert(f, 3, "three"));
    db_rollback(f->db);
    OK(insert(f, 3, "three"));
}

static void test_busy(void **state)
{
    struct fixture *f = take(state);
    _cleanup_(db_closep) struct db *other = NULL;
    int r;

    OK(insert(f, 1, "one"));
    OK(db_open(f->dsn, DB_WRITE, &other, &f->err));
    db_set_busy_timeout(other, 50);
    OK(db_begin(f->db, &f->err));
    OK(run(f, "UPDATE things SET name = 'mine' WHERE id = 1"));
    r = db_begin(other, &f->err); /* SQLite refuses here, PostgreSQL at the row */
    if (r == 0)
        r = run_on(other, &f->err, "UPDATE things SET name = 'theirs' WHERE id = 1");
    GIVES(DB_E_BUSY, r);
    db_rollback(other);
    OK(db_commit(f->db, &f->err));
    OK(db_begin(other, &f->err)); /* again, as the contract says */
    OK(run_on(other, &f->err, "UPDATE things SET name = 'theirs' WHERE id = 1"));
    OK(db_commit(other, &f->err));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE name = 'theirs'"), 1);
}

static void test_keyset_pages(void **state)
{
    struct fixture *f = take(state);
    int64_t id = -100, pages = 0, rows = 0;
    char name[16] = "";
    bool row;

    OK(db_begin(f->db, &f->err));
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "%c%d", "Za"[i % 2], i % 7); /* 'Z' before 'a': by bytes */
        OK(insert(f, i, name));
    }
    OK(db_commit(f->db, &f->err));
    for (strcpy(name, "");; pages++) {
        _cleanup_stmt_ struct db_stmt *st = NULL;
        int on_page = 0;

        OK(db_prepare(
            f->db,
            "SELECT name, id FROM things WHERE id >= 0 AND (name, id) > ($1, $2) ORDER BY name, id LIMIT $3",
            &st, &f->err));
        db_bind_text(st, 1, strdupa(name));
        db_bind_integer(st, 2, id);
        db_bind_integer(st, 3, 30);
        while (db_step(st, &row, &f->err) == 0 && row) {
            int order = strcmp(db_text(st, 0), name);

            assert_true(order > 0 || (order == 0 && db_integer(st, 1) > id));
            snprintf(name, sizeof name, "%s", db_text(st, 0));
            id = db_integer(st, 1);
            on_page++;
        }
        assert_false(row);
        rows += on_page;
        if (on_page < 30)
            break;
    }
    assert_int_equal(pages, 3);
    assert_int_equal(rows, 100);
}

static void test_upsert_returning(void **state)
{
    struct fixture *f = take(state);
    struct db_stmt *st;
    bool row;

    for (int i = 1; i <= 3; i++) {
        OK(db_prepare(f->db,
                      "INSERT INTO things (id, flag) VALUES ($1, 1) ON CONFLICT (id) DO UPDATE SET flag = "
                      "things.flag + "
                      "excluded.flag RETURNING flag",
                      &st, &f->err));
        db_bind_integer(st, 1, 7);
        OK(db_step(st, &row, &f->err));
        assert_true(row);
        assert_int_equal(db_integer(st, 0), i);
        db_finish(st); /* without stepping to the end: it is done all the same */
        assert_int_equal(db_changes(f->db), 1);
    }
    OK(db_prepare(f->db, "UPDATE things SET name = 'r' RETURNING id, name", &st, &f->err));
    OK(db_step(st, &row, &f->err));
    assert_true(row);
    assert_string_equal(db_text(st, 1), "r");
    OK(db_step(st, &row, &f->err));
    assert_true(row);
    assert_string_equal(db_text(st, 1), "r");
    OK(db_step(st, &row, &f->err));
    assert_false(row);
    db_finish(st);
    assert_int_equal(db_changes(f->db), 2);
    OK(run(f, "DELETE FROM things WHERE id = 12345"));
    assert_int_equal(db_changes(f->db), 0);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_script_dialects),
        BOTH(test_types),
        BOTH(test_nulls_and_bad_binds),
        BOTH(test_cache),
        BOTH(test_nested_statements),
        BOTH(test_constraints),
        BOTH(test_error_breaks_transaction),
        BOTH(test_savepoints),
        BOTH(test_read_only),
        BOTH(test_busy),
        BOTH(test_keyset_pages),
        BOTH(test_upsert_returning),
    };

    return cmocka_run_group_tests_name("db", tests, NULL, NULL);
}
