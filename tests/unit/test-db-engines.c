/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The SQL adapter: what one engine alone has (files of SQLite, connections of PostgreSQL), and injected failures on both. Those
 * need a fresh process each, so the program runs itself again with the words "injected DSN NUMBER".
 */
#include "child.h"
#include "db-fixture.h"

#include <errno.h>
#include <sys/stat.h>
#include <sys/wait.h>

/* ---- SQLite alone ---- */

static void write_file(const char *path, const void *data, size_t size)
{
    FILE *out = fopen(path, "w");

    assert_non_null(out);
    assert_int_equal(fwrite(data, 1, size, out), size);
    assert_int_equal(fclose(out), 0);
}

static void test_file_damage(void **state)
{
    struct fixture *f = take(state);
    struct db *db = NULL;
    char path[128], junk[8192];
    int fd;

    memset(junk, 'x', sizeof junk);
    snprintf(path, sizeof path, "%s/junk.db", f->folder);
    write_file(path, junk, sizeof junk);
    GIVES(-EBADMSG, db_open(path, DB_WRITE, &db, &f->err));
    GIVES(-EBADMSG, db_open(path, DB_READ, &db, &f->err));
    assert_null(db);
    assert_string_equal(f->err.object, path);

    OK(db_begin(f->db, &f->err));
    for (int i = 0; i < 2000; i++)
        OK(insert(f, i, "some text that fills pages"));
    OK(db_commit(f->db, &f->err));
    f->db = db_close(f->db);
    fd = open(f->dsn, O_WRONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    for (off_t at = 4096; at < 80000; at += 4096)
        assert_int_equal(pwrite(fd, junk, 4096, at), 4096);
    close(fd);
    OK(db_open(f->dsn, DB_WRITE, &f->db, &f->err)); /* the first page is whole */
    GIVES(-EBADMSG, run(f, "SELECT count(*) FROM things WHERE name = 'x'"));
}

static void test_file_missing_and_links(void **state)
{
    struct fixture *f = take(state);
    struct db *db = NULL;
    char path[128], other[128];

    snprintf(path, sizeof path, "%s/none.db", f->folder);
    GIVES(-ENOENT, db_open(path, DB_READ, &db, &f->err));
    assert_int_equal(access(path, F_OK), -1);
    snprintf(path, sizeof path, "%s/no/none.db", f->folder);
    GIVES(-ENOENT, db_open(path, DB_WRITE, &db, &f->err));
    snprintf(path, sizeof path, "%s/link.db", f->folder);
    assert_int_equal(symlink(f->dsn, path), 0);
    GIVES(-ELOOP, db_open(path, DB_WRITE, &db, &f->err));
    snprintf(path, sizeof path, "%s/way", f->folder); /* a link on the way there is fine */
    assert_int_equal(symlink(f->folder, path), 0);
    snprintf(path, sizeof path, "%s/way/catalogue.db", f->folder);
    OK(db_open(path, DB_READ, &db, &f->err));
    db = db_close(db);

    snprintf(other, sizeof other, "%s/other.db", f->folder);
    write_file(other, "", 0);
    OK(db_open(other, DB_READ, &db, &f->err)); /* nothing in it: nobody's yet */
    db = db_close(db);
    OK(db_open(other, DB_WRITE, &db, &f->err));
    OK(db_exec(db, "PRAGMA application_id = 1", &f->err));
    db = db_close(db);
    GIVES(-EBADMSG, db_open(other, DB_WRITE, &db, &f->err));
    assert_non_null(strstr(f->err.text, "another program"));
}

static void test_file_full(void **state)
{
    struct fixture *f = take(state);
    int r = 0;

    OK(db_exec(f->db, "PRAGMA max_page_count = 60", &f->err)); /* SQLite's own way of a full disk */
    OK(insert(f, 0, "before"));
    OK(db_begin(f->db, &f->err));
    for (int i = 1; r == 0 && i < 100000; i++)
        r = insert(f, i, "until there is no page left");
    GIVES(-ENOSPC, r);
    GIVES(-ECANCELED, insert(f, 100001, "not outside the transaction either"));
    GIVES(-ECANCELED, db_commit(f->db, &f->err));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE id >= 0"), 1);
    OK(db_exec(f->db, "PRAGMA max_page_count = 6000", &f->err));
    OK(insert(f, 1, "room again"));
}

static void test_settings(void **state)
{
    struct fixture *f = take(state);
    struct stat st;

    assert_int_equal(number_on(f->db, "PRAGMA synchronous"), 2);
    assert_int_equal(number_on(f->db, "PRAGMA foreign_keys"), 1);
    assert_int_equal(number_on(f->db, "PRAGMA trusted_schema"), 0);
    assert_int_equal(number_on(f->db, "PRAGMA cache_size"), -8192);
    assert_int_equal(number_on(f->db, "PRAGMA mmap_size"), 0);
    assert_int_equal(number_on(f->db, "PRAGMA application_id"), 0x4c495548);
    GIVES(-EINVAL, run(f, "SELECT \"no such column\" FROM things")); /* never taken for a text */
    assert_int_equal(stat(f->dsn, &st), 0);
    assert_int_equal(st.st_mode & 07, 0);
}

static void as_nobody(struct fixture *f)
{
    struct db *db = NULL;

    if (geteuid() == 0 && (setgid(65534) != 0 || setuid(65534) != 0))
        _exit(9);
    if (db_open(f->dsn, DB_WRITE, &db, &f->err) != -EROFS)
        _exit(1);
    if (db_open(f->dsn, DB_READ, &db, &f->err) != 0)
        _exit(2);
    _exit(number_on(db, "SELECT count(*) FROM things") == 1 ? 0 : 3);
}

static void test_file_read_only(void **state)
{
    struct fixture *f = take(state);
    char side[600];
    int status;
    pid_t pid;

    /* The writer stays open, as liuhend does: readers need its side files, which they may read only. */
    assert_int_equal(chmod(f->folder, 0555), 0);
    assert_int_equal(chmod(f->dsn, 0444), 0);
    snprintf(side, sizeof side, "%s-shm", f->dsn);
    assert_int_equal(chmod(side, 0444), 0);
    snprintf(side, sizeof side, "%s-wal", f->dsn);
    assert_int_equal(chmod(side, 0444), 0);
    pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        as_nobody(f);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_int_equal(chmod(f->folder, 0755), 0);
}

/* ---- PostgreSQL alone ---- */

static void kill_connection(struct fixture *f)
{
    _cleanup_(db_closep) struct db *other = NULL;
    char sql[96];

    OK(db_open(f->dsn, DB_WRITE, &other, &f->err));
    snprintf(sql, sizeof sql, "SELECT pg_terminate_backend(%lld, 5000)",
             (long long)number_on(f->db, "SELECT pg_backend_pid()"));
    assert_int_equal(number_on(other, sql), 1);
}

static void test_pg_reconnects(void **state)
{
    struct fixture *f = take(state);
    struct db_stmt *st;
    bool row;

    OK(insert(f, 1, "one"));
    kill_connection(f);
    GIVES(-ENOTCONN, insert(f, 2, "lost"));
    OK(insert(f, 2, "two")); /* outside a transaction it connects again */

    OK(db_begin(f->db, &f->err));
    OK(insert(f, 3, "lost with the connection"));
    OK(db_prepare(f->db, "SELECT id FROM things", &st, &f->err));
    OK(db_step(st, &row, &f->err));
    kill_connection(f);
    GIVES(-ENOTCONN, insert(f, 4, "lost"));
    GIVES(-ECANCELED, insert(f, 4, "lost"));
    GIVES(-ECANCELED, db_commit(f->db, &f->err));
    db_finish(st);
    OK(db_begin(f->db, &f->err));
    OK(insert(f, 5, "five"));
    OK(db_commit(f->db, &f->err));
    assert_int_equal(number_on(f->db, "SELECT CAST(sum(id) AS BIGINT) FROM things WHERE id > 0"), 8);

    OK(db_begin(f->db, &f->err));
    OK(insert(f, 6, "lost before COMMIT"));
    kill_connection(f);
    GIVES(-ENOTCONN, db_commit(f->db, &f->err));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE id = 6"), 0);
}

/* The server ends the connection in the middle of COMMIT: the transaction is found to be undone. */
static void test_pg_lost_in_commit(void **state)
{
    struct fixture *f = take(state);

    OK(db_script(
        f->db,
        "CREATE FUNCTION die() RETURNS trigger LANGUAGE plpgsql AS "
        "'BEGIN PERFORM pg_terminate_backend(pg_backend_pid()); PERFORM pg_sleep(5); RETURN NULL; END';\n"
        "CREATE CONSTRAINT TRIGGER die AFTER INSERT ON things DEFERRABLE INITIALLY DEFERRED FOR EACH ROW "
        "EXECUTE FUNCTION die();\n",
        &f->err));
    OK(db_begin(f->db, &f->err));
    OK(insert(f, 1, "one"));
    GIVES(-ENOTCONN, db_commit(f->db, &f->err));
    assert_non_null(strstr(f->err.text, "nothing of the transaction was kept"));
    assert_int_equal(number_on(f->db, "SELECT count(*) FROM things WHERE id = 1"), 0);
}

static void test_pg_settings(void **state)
{
    struct fixture *f = take(state);
    _cleanup_(db_closep) struct db *db = NULL;

    assert_int_equal(
        number_on(
            f->db,
            "SELECT count(*) FROM pg_settings WHERE (name, setting) IN (('application_name', 'liuhend'), "
            "('synchronous_commit', 'on'), ('standard_conforming_strings', 'on'), "
            "('client_encoding', 'UTF8'), ('statement_timeout', '0'), ('lock_timeout', '5000'))"),
        6);
    db_set_busy_timeout(f->db, 1234);
    assert_int_equal(
        number_on(f->db, "SELECT count(*) FROM pg_settings WHERE name = 'lock_timeout' AND setting = '1234'"),
        1);
    GIVES(-ENOTCONN, db_open("host=/nowhere dbname=x password=secret", DB_WRITE, &db, &f->err));
    assert_null(strstr(f->err.text, "secret"));
    assert_null(strstr(f->err.object, "secret"));
}

static void test_pg_schema_change(void **state)
{
    struct fixture *f = take(state);

    OK(run(f, "SELECT * FROM parts"));
    OK(db_script(f->db, "ALTER TABLE parts ADD COLUMN note TEXT;\n", &f->err));
    OK(run(f, "SELECT * FROM parts")); /* prepared anew */
}

static void test_pg_refuses_other_order(void **state)
{
    struct fixture *f = take(state);
    _cleanup_(db_closep) struct db *db = NULL;
    char dsn[600];

    if (strstr(f->dsn, "://"))
        skip();
    OK(db_exec(f->db, "DROP DATABASE IF EXISTS liuhen_test_latin", &f->err));
    OK(db_exec(f->db, "CREATE DATABASE liuhen_test_latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0",
               &f->err));
    snprintf(dsn, sizeof dsn, "%s dbname=liuhen_test_latin", f->dsn);
    GIVES(-EPROTO, db_open(dsn, DB_WRITE, &db, &f->err));
    assert_non_null(strstr(f->err.text, "LATIN1"));
    OK(db_exec(f->db, "DROP DATABASE liuhen_test_latin", &f->err));
}

/* ---- injected failures ---- */

#ifdef LIUHEN_INJECT
enum { INJECTED_BEGIN, INJECTED_STEP, INJECTED_COMMIT, INJECTED_LOST };

/* Runs in a process of its own, with LIUHEN_FAIL_AT set. Exit code 0, or the number of the first thing that was wrong. */
static int injected(const char *dsn, int which)
{
    struct fixture f[1] = {{.err = ERROR_INIT}};
    _cleanup_(db_closep) struct db *db = NULL;
    bool lost = which == INJECTED_LOST;

    if (db_open(dsn, DB_WRITE, &db, &f->err) != 0)
        return 1;
    f->db = db;
    if (db_begin(db, &f->err) != (which == INJECTED_BEGIN ? -ENOSPC : 0))
        return 2;
    if (which == INJECTED_BEGIN && db_begin(db, &f->err) != 0)
        return 3;
    if (insert(f, 1, "one") != (which == INJECTED_STEP ? -ENOSPC : 0))
        return 4;
    if (which == INJECTED_STEP && insert(f, 2, "two") != -ECANCELED)
        return 5;
    if (db_commit(db, &f->err) != (which == INJECTED_STEP     ? -ECANCELED
                                   : which == INJECTED_COMMIT ? -ENOSPC
                                                              : 0))
        return 6;
    if (number_on(db, "SELECT count(*) FROM things WHERE id = 1") !=
        (which == INJECTED_BEGIN || lost ? 1 : 0))
        return 7;
    return insert(f, 10 + which, "works again") == 0 ? 0 : 8;
}
#endif

static void test_injected(void **state)
{
    struct fixture *f = take(state);
#ifdef LIUHEN_INJECT
    static const char *const plans[] = {"db.begin=ENOSPC", "db.step=ENOSPC", "db.commit=ENOSPC",
                                        "db.commit-lost=EIO"};

    for (int i = 0; i < (int)ARRAY_SIZE(plans); i++) {
        char which[16];
        int status;

        if (i == INJECTED_LOST && !db_is_postgres(f->db))
            continue;
        OK(run(f, "DELETE FROM things WHERE id = 1"));
        snprintf(which, sizeof which, "%d", i);
        status = run_again("LIUHEN_FAIL_AT", plans[i],
                           (const char *const[]){"test-db-engines", "injected", f->dsn, which, NULL});
        assert_true(WIFEXITED(status));
        if (WEXITSTATUS(status) != 0)
            fail_msg("%s: step %d", plans[i], WEXITSTATUS(status));
    }
#else
    (void)f;
    print_message("built without INJECT=1: injected failures are not tried\n");
    skip();
#endif
}

int main(int argc, char **argv)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_injected),
        SQLITE(test_file_damage),
        SQLITE(test_file_missing_and_links),
        SQLITE(test_file_read_only),
        SQLITE(test_file_full),
        SQLITE(test_settings),
        POSTGRES(test_pg_reconnects),
        POSTGRES(test_pg_lost_in_commit),
        POSTGRES(test_pg_settings),
        POSTGRES(test_pg_schema_change),
        POSTGRES(test_pg_refuses_other_order),
    };

#ifdef LIUHEN_INJECT
    if (argc == 4 && strcmp(argv[1], "injected") == 0)
        return injected(argv[2], atoi(argv[3]));
#endif
    return cmocka_run_group_tests_name("db-engines", tests, NULL, NULL);
}
