/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A long queue: what people and slots ask of it reads a few rows, however many there are. Not time is measured but work, by the engines' own
 * counts: steps of SQLite's machine, rows that PostgreSQL has read.
 */
#include "cases-fixture.h"

#include <sqlite3.h>

#include "catalogue/job-rows.h"

#define NOW    INT64_C(1700000000000000)
#define SECOND INT64_C(1000000)
#define MANY   20000
#define PAGE   50
/* A page of jobs is some 40 steps a row; one pass over MANY rows is 100,000 steps and more. */
#define STEPS_MOST 8000
#define ROWS_MOST  (10 * PAGE)

static struct db *opened; /* of the case in hand; writes */

/* ---- counting work ------------------------------------------------------------------------------------------------------- */

static int64_t steps; /* of the statements that ended on connections that are counted */

static int on_ended(unsigned type, void *userdata, void *statement, void *took)
{
    steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_VM_STEP, 1);
    return 0;
}

static int on_opened(sqlite3 *handle, const char **why, const struct sqlite3_api_routines *routines)
{
    return sqlite3_trace_v2(handle, SQLITE_TRACE_PROFILE, on_ended, NULL);
}

static void open_counted(struct world *w)
{
    int (*fn)(sqlite3 *, const char **, const struct sqlite3_api_routines *) = on_opened;

    assert_int_equal(sqlite3_auto_extension((void (*)(void))fn), SQLITE_OK);
    OK(catalogue_open(w->dsn, DB_WRITE, &opened, &w->err));
    assert_int_equal(sqlite3_cancel_auto_extension((void (*)(void))fn), 1);
}

/* Rows that this connection has read, as the server has them before it adds them up: they may be those of earlier transactions too, and
 * stay so until the transaction in hand ends. */
static int64_t rows_read(struct world *w)
{
    int64_t rows = 0;

    if (db_is_postgres(opened))
        OK(sql_integer(
            opened, &rows, -1, &w->err,
            "SELECT CAST(sum(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0)) AS BIGINT) FROM "
            "pg_catalog.pg_stat_xact_user_tables WHERE schemaname = current_schema()",
            ""));
    return rows;
}

static int64_t rows_before;

static void begin_counting(struct world *w)
{
    OK(db_begin(opened, &w->err));
    rows_before = rows_read(w);
    steps = 0;
}

/* What was asked since begin_counting read a few rows only; its changes are taken back. */
static void assert_little(struct world *w, const char *what)
{
    int64_t rows = rows_read(w) - rows_before;

    if (rows > ROWS_MOST || steps > STEPS_MOST)
        fail_msg("%s: read %lld rows, took %lld steps", what, (long long)rows, (long long)steps);
    db_rollback(opened);
}

#define LITTLE(call)                                                                                         \
    do {                                                                                                     \
        begin_counting(w);                                                                                   \
        call;                                                                                                \
        assert_little(w, #call);                                                                             \
    } while (0)

/* ---- the queue ----------------------------------------------------------------------------------------------------------- */

#define NUMBERS "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) "
#define ID(i)   "substr(CAST(1000000 + " i " AS TEXT), 2)"

/* MANY recordings like this one, each with a job: the oldest failed, every second is done, the others wait; some derivatives. */
static void fill(struct world *w)
{
    struct recording_id like = seal(w, "1");

    OK(act(w, "recording.examined", like.text, 0,
           json_pack("{s:s, s:s, s:{s:i}}", "status", "ok", "kind", "video", "media", "duration_usec", 5)));
    OK(db_begin(opened, &w->err));
    OK(sql_run(
        opened, &w->err,
        db_is_postgres(opened) ? NUMBERS
            "INSERT INTO recordings (id, leaf, digest, size_bytes, name, content_name, kind, door, "
            "received_usec, status, sort_usec, links, holds, held) SELECT '01HF0000000000000000' || " ID(
                "i") ", r.leaf, decode(" ID("i") ", 'hex'), r.size_bytes, r.name, r.content_name, r.kind, "
                                                 "r.door, r.received_usec, r.status, r.sort_usec, 0, 0, 0 "
                                                 "FROM recordings r, n WHERE r.id = $2"
                               : NUMBERS
            "INSERT INTO recordings (id, leaf, digest, size_bytes, name, content_name, kind, door, "
            "received_usec, status, sort_usec, links, holds, held) SELECT '01HF0000000000000000' || " ID(
                "i") ", r.leaf, CAST(" ID("i") " AS BLOB), r.size_bytes, r.name, r.content_name, r.kind, "
                                               "r.door, r.received_usec, r.status, r.sort_usec, 0, 0, 0 "
                                               "FROM recordings r, n WHERE r.id = $2",
        "it", (int64_t)MANY, like.text));
    OK(sql_run(
        opened, &w->err,
        "INSERT INTO recording_facts (recording, arrival, media) SELECT id, '{}', '{}' FROM recordings "
        "WHERE id <> $1",
        "t", like.text));
    OK(sql_run(
        opened, &w->err,
        NUMBERS
        "INSERT INTO jobs (id, recording, kind, state, priority, created_usec, changed_usec, due_usec, "
        "starts, tries, troubles, recipe) SELECT '01HG0000000000000000' || " ID(
            "i") ", "
                 "'01HF0000000000000000' || " ID(
                     "i") ", 'derive', CASE WHEN i < 4 THEN 'failed' WHEN i % 2 = 0 THEN "
                          "'done' ELSE 'waiting' END, 2, $2, $2, $2, 0, 0, 0, 'r' FROM n",
        "ii", (int64_t)MANY, NOW));
    OK(sql_run(opened, &w->err,
               "INSERT INTO derivatives (job, name, recording, file, size_bytes, etag, made_usec) SELECT id, "
               "'proxy.mp4', recording, 'x', 5, $1, $2 FROM jobs WHERE state = 'done'",
               "ti", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", NOW));
    OK(db_commit(opened, &w->err));
    if (db_is_postgres(opened))
        OK(db_exec(opened, "ANALYZE recordings, recording_facts, jobs, derivatives", &w->err));
}

static struct world *begin(void **state)
{
    struct world *w = take(state);

    open_counted(w);
    fill(w);
    return w;
}

static int tear_down(void **state)
{
    opened = db_close(opened);
    return world_tear_down(state);
}

#define EACH(test)                                                                                           \
    {"sqlite " #test, test, sqlite_set_up, tear_down, NULL},                                                 \
    {                                                                                                        \
        "postgres " #test, test, pg_set_up, tear_down, NULL                                                  \
    }

/* How many jobs a page has. */
static size_t list(struct world *w, const char *state, const char *after, const char *id)
{
    _cleanup_json_ json_t *page = NULL;

    OK(jobs_list(opened, state, after, id, PAGE, &page, &w->err));
    return json_array_size(page);
}

static void test_lists(void **state)
{
    struct world *w = begin(state);
    const char *middle = "01HG0000000000000000010000";

    LITTLE(assert_int_equal(list(w, NULL, NULL, NULL), PAGE));
    LITTLE(assert_int_equal(list(w, NULL, middle, NULL), PAGE));
    LITTLE(assert_int_equal(list(w, "waiting", NULL, NULL), PAGE));
    LITTLE(assert_int_equal(list(w, "done", middle, NULL), PAGE));
    LITTLE(assert_int_equal(list(w, "failed", NULL, NULL), 3)); /* the oldest of all */
    LITTLE(assert_int_equal(list(w, "cancelled", NULL, NULL), 0));
    LITTLE(assert_int_equal(list(w, NULL, NULL, middle), 1));
}

static bool take_job(struct world *w, enum job_priority least, bool copies_only, int64_t *ret_due)
{
    struct job_taking taking = {"a",        "01HG0000000000000000999999", NOW, NOW + 60 * SECOND, least,
                                copies_only};
    struct job j = {0};
    bool taken;

    OK(jobs_take(opened, &taking, &j, &taken, ret_due, &w->err));
    job_done(&j);
    return taken;
}

static void test_taking(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = {"01HF0000000000000000010001"};
    struct job_state job = {0};
    int64_t due;

    LITTLE(assert_true(take_job(w, JOB_LATER, false, &due)));
    LITTLE(assert_false(take_job(w, JOB_WATCHED, false, &due))); /* paused */
    LITTLE(assert_false(take_job(w, JOB_LATER, true, &due)));    /* nothing is derived here */
    LITTLE(OK(jobs_want_derivatives(opened, &id, JOB_WATCHED, NOW, &w->err)));
    LITTLE(OK(jobs_want_again(opened, &id, JOB_WATCHED, NOW, &w->err)));
    LITTLE(OK(jobs_raise_evidence(opened, id.text, NULL, &w->err)));
    LITTLE(OK(jobs_raise_evidence(opened, NULL, id.text, &w->err)));
    LITTLE(OK(jobs_cancel(opened, "01HG0000000000000000010001", NOW, &w->err)));
    LITTLE(OK(jobs_release_node(opened, "a", NOW, &w->err)));
    LITTLE(OK(jobs_of_recording(opened, &id, &job, &w->err)));
    job_state_done(&job);
    LITTLE(OK(jobs_read(opened, "01HG0000000000000000010001", &job, &w->err)));
    job_state_done(&job);
}

static void counts(struct world *w, int64_t waiting, int64_t failed, bool more)
{
    _cleanup_json_ json_t *o = NULL;

    OK(jobs_counts(opened, &o, &w->err));
    assert_int_equal(json_get_integer(o, "waiting", -1), waiting);
    assert_int_equal(json_get_integer(o, "running", -1), 0);
    assert_int_equal(json_get_integer(o, "failed", -1), failed);
    assert_int_equal(json_get_bool(o, "more", false), more);
}

/* They are exact up to a limit, and what is beyond is not counted. */
static void test_counts(void **state)
{
    struct world *w = begin(state);
    int64_t at_limit;

    counts(w, MANY / 2 - 2, 3, false);
    if (db_is_postgres(opened))
        return;
    for (int64_t i = 0; i < 2; i++) {
        OK(sql_run(
            opened, &w->err,
            NUMBERS
            "INSERT INTO jobs (id, recording, kind, state, priority, created_usec, changed_usec, due_usec, "
            "starts, tries, troubles, request) SELECT $2 || " ID(
                "i") ", '01HF0000000000000000000001', "
                     "'copy', 'failed', 2, 0, 0, 0, 0, 0, 0, '{}' FROM n",
            "it", (int64_t)JOBS_COUNTED_MOST / (i ? 2 : 1),
            i ? "01HJ0000000000000000" : "01HH0000000000000000"));
        steps = 0;
        counts(w, MANY / 2 - 2, JOBS_COUNTED_MOST, true);
        if (i == 0)
            at_limit = steps;
    }
    assert_int_equal(steps, at_limit);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_lists),
        EACH(test_taking),
        EACH(test_counts),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
