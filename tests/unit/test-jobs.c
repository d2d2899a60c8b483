/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The queue of jobs on both engines: who is first, who has what, whose fault it was; and rows of derivatives.
 */
#include "cases-fixture.h"

#include "catalogue/job-rows.h"

#define NOW    INT64_C(1700000000000000)
#define SECOND INT64_C(1000000)

static struct db *opened; /* of the case in hand; writes */

static struct world *begin(void **state)
{
    struct world *w = take(state);

    OK(catalogue_open(w->dsn, DB_WRITE, &opened, &w->err));
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

static struct recording_id examined(struct world *w, const char *name)
{
    struct recording_id id;

    usleep(2000); /* ids of one millisecond have no order */
    id = seal(w, name);
    OK(act(w, "recording.examined", id.text, 0,
           json_pack("{s:s, s:s, s:{s:i}}", "status", "ok", "kind", "video", "media", "duration_usec", 5)));
    return id;
}

/* Takes the next job as this node; false: there is none. */
static bool take_as(struct world *w, struct db *db, const char *node, int64_t now, enum job_priority least,
                    struct job *ret, int64_t *ret_due)
{
    char lease[ULID_LENGTH + 1];
    struct job_taking taking = {node, lease, now, now + 60 * SECOND, least, false};
    bool taken;
    int64_t due;

    ulid_make(now, lease);
    OK(jobs_take(db, &taking, ret, &taken, ret_due ? ret_due : &due, &w->err));
    return taken;
}

static void assert_next(struct world *w, const struct recording_id *id, int64_t now)
{
    struct job j = {0};

    if (!take_as(w, opened, "a", now, JOB_LATER, &j, NULL))
        fail_msg("no job, wanted that of %s", id->text);
    assert_string_equal(j.recording.text, id->text);
    job_done(&j);
}

static void test_order(void **state)
{
    struct world *w = begin(state);
    struct recording_id old = examined(w, "1"), evidence = examined(w, "2"), later = examined(w, "3"),
                        newest = examined(w, "4"), watched = examined(w, "5");
    struct case_id c;
    struct job j = {0};
    int64_t due;

    ulid_make(NOW, c.text);
    OK(act(w, "case.added", c.text, 0, json_pack("{s:s, s:s}", "number", "1", "procedure", "none")));
    OK(act(w, "link.added", evidence.text, 0, json_pack("{s:s, s:s}", "case", c.text, "role", "evidence")));
    OK(jobs_want_derivatives(opened, &old, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &evidence, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &later, JOB_LATER, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &newest, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &watched, JOB_LATER, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &watched, JOB_WATCHED, NOW, &w->err)); /* rises */
    OK(jobs_want_derivatives(opened, &watched, JOB_USUAL, NOW, &w->err));   /* and does not fall */
    OK(jobs_want_derivatives(opened, &newest, JOB_USUAL, NOW, &w->err));    /* there already */
    assert_int_equal(count(w, "SELECT count(*) FROM jobs"), 5);
    assert_next(w, &watched, NOW);
    assert_next(w, &evidence, NOW);
    assert_false(take_as(w, opened, "a", NOW, JOB_EVIDENCE, &j, &due)); /* the rest is not important enough */
    assert_next(w, &newest, NOW);
    OK(jobs_raise_evidence(opened, later.text, NULL, &w->err));
    assert_next(w, &later, NOW);
    assert_next(w, &old, NOW);
    assert_false(take_as(w, opened, "a", NOW, JOB_LATER, &j, &due));
    assert_int_equal(due, NOW + 60 * SECOND); /* when the leases end */
}

static void test_evidence_rises(void **state)
{
    struct world *w = begin(state);
    struct recording_id first = examined(w, "1"), second = examined(w, "2");
    struct case_id c;

    ulid_make(NOW, c.text);
    OK(act(w, "case.added", c.text, 0, json_pack("{s:s, s:s}", "number", "1", "procedure", "none")));
    OK(jobs_want_derivatives(opened, &first, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &second, JOB_USUAL, NOW, &w->err));
    OK(act(w, "link.added", first.text, 0, json_pack("{s:s, s:s}", "case", c.text, "role", "context")));
    OK(jobs_raise_evidence(opened, NULL, c.text, &w->err));
    assert_next(w, &first, NOW);
    assert_next(w, &second, NOW);
}

static void test_lease(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1");
    struct job mine = {0}, theirs = {0};
    int64_t due;

    OK(jobs_want_derivatives(opened, &id, JOB_USUAL, NOW, &w->err));
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &mine, NULL));
    assert_string_equal(mine.kind, "video");
    assert_string_equal(mine.media, "{\"duration_usec\":5}");
    assert_int_equal(mine.starts, 1);
    assert_false(take_as(w, opened, "b", NOW + 59 * SECOND, JOB_LATER, &theirs, &due));
    OK(jobs_renew(opened, mine.id, mine.lease, NOW + 90 * SECOND, 500, &w->err));
    assert_false(take_as(w, opened, "b", NOW + 61 * SECOND, JOB_LATER, &theirs, &due));
    assert_int_equal(due, NOW + 90 * SECOND);
    assert_true(take_as(w, opened, "b", NOW + 91 * SECOND, JOB_LATER, &theirs, NULL)); /* "a" died */
    assert_int_equal(theirs.starts, 2);
    /* and if it did not: nothing that it says counts any more */
    GIVES(JOBS_E_LOST, jobs_renew(opened, mine.id, mine.lease, NOW + 200 * SECOND, 600, &w->err));
    GIVES(JOBS_E_LOST,
          jobs_end(opened, mine.id, mine.lease, &(struct job_end){"done", "r", NULL, NULL, NOW}, &w->err));
    GIVES(JOBS_E_LOST, jobs_put_off(opened, mine.id, mine.lease,
                                    &(struct job_later){NOW, NOW, 1, 0, false, "x"}, &w->err));
    OK(jobs_end(opened, theirs.id, theirs.lease, &(struct job_end){"done", "r", NULL, NULL, NOW}, &w->err));
    assert_int_equal(
        count(w, "SELECT count(*) FROM jobs WHERE state = 'done' AND lease IS NULL AND recipe = 'r'"), 1);
    job_done(&mine);
    job_done(&theirs);
}

static void test_release(void **state)
{
    struct world *w = begin(state);
    struct recording_id one = examined(w, "1"), two = examined(w, "2");
    struct job a = {0}, b = {0}, again = {0};

    OK(jobs_want_derivatives(opened, &one, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &two, JOB_USUAL, NOW, &w->err));
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &a, NULL));
    assert_true(take_as(w, opened, "b", NOW, JOB_LATER, &b, NULL));
    OK(jobs_release_node(opened, "a", NOW + 1, &w->err));
    assert_true(take_as(w, opened, "a", NOW + 1, JOB_LATER, &again, NULL));
    assert_string_equal(again.id, a.id);
    assert_string_not_equal(again.lease, a.lease);
    OK(jobs_renew(opened, b.id, b.lease, NOW + 60 * SECOND, 1, &w->err)); /* not the other's */
    job_done(&a);
    job_done(&b);
    job_done(&again);
}

static void test_put_off(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1");
    struct job j = {0};
    int64_t due;

    OK(jobs_want_derivatives(opened, &id, JOB_USUAL, NOW, &w->err));
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &j, NULL));
    OK(jobs_put_off(opened, j.id, j.lease, &(struct job_later){NOW, NOW + 5 * SECOND, 1, 2, true, "no room"},
                    &w->err));
    job_done(&j);
    assert_false(take_as(w, opened, "a", NOW + 4 * SECOND, JOB_LATER, &j, &due));
    assert_int_equal(due, NOW + 5 * SECOND);
    assert_true(take_as(w, opened, "a", NOW + 5 * SECOND, JOB_LATER, &j, NULL));
    assert_int_equal(j.tries, 1);
    assert_int_equal(j.troubles, 2);
    assert_int_equal(j.starts, 1); /* the one before did not count */
    OK(jobs_end(opened, j.id, j.lease, &(struct job_end){"failed", NULL, "why", NULL, NOW}, &w->err));
    job_done(&j);
    OK(jobs_want_derivatives(opened, &id, JOB_WATCHED, NOW, &w->err)); /* never again by itself */
    assert_false(take_as(w, opened, "a", NOW + SECOND, JOB_LATER, &j, &due));
    OK(jobs_want_again(opened, &id, JOB_WATCHED, NOW, &w->err));
    assert_true(take_as(w, opened, "a", NOW + SECOND, JOB_LATER, &j, NULL));
    assert_int_equal(j.tries, 0);
    job_done(&j);
}

static void test_cancel(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1");
    struct job j = {0};
    int64_t due;

    OK(jobs_want_derivatives(opened, &id, JOB_USUAL, NOW, &w->err));
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &j, NULL));
    OK(jobs_cancel(opened, j.id, NOW, &w->err));
    GIVES(JOBS_E_LOST,
          jobs_end(opened, j.id, j.lease, &(struct job_end){"done", "r", NULL, NULL, NOW}, &w->err));
    GIVES(JOBS_E_NONE, jobs_cancel(opened, j.id, NOW, &w->err));
    GIVES(JOBS_E_NONE, jobs_cancel(opened, id.text, NOW, &w->err));
    job_done(&j);
    assert_false(take_as(w, opened, "a", NOW + 100 * SECOND, JOB_LATER, &j, &due));
    assert_true(due == INT64_MAX);
}

static void test_copies(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1");
    char copy[ULID_LENGTH + 1], lease[ULID_LENGTH + 1];
    struct job_taking only = {"a", lease, NOW, NOW + SECOND, JOB_LATER, true};
    _cleanup_json_ json_t *list = NULL;
    struct job_mark mark;
    struct job j = {0};
    bool taken;
    int64_t due;
    size_t n;

    ulid_make(NOW, copy);
    ulid_make(NOW, lease);
    OK(jobs_want_derivatives(opened, &id, JOB_WATCHED, NOW, &w->err));
    OK(jobs_take(opened, &only, &j, &taken, &due, &w->err));
    assert_false(taken);
    OK(jobs_want_copy(opened, copy, &id,
                      "{\"actor\":\"user:li\",\"form\":\"release\",\"plan\":1,\"reason\":\"why\"}", NOW,
                      &w->err));
    OK(jobs_take(opened, &only, &j, &taken, &due, &w->err));
    assert_true(taken && j.copy);
    assert_string_equal(j.id, copy);
    OK(jobs_list(opened, "running", NULL, NULL, 10, &list, &w->err));
    assert_int_equal(json_array_size(list), 1);
    assert_string_equal(json_get_string(json_array_get(list, 0), "reason"), "why");
    assert_null(json_object_get(json_array_get(list, 0), "plan"));
    OK(jobs_end(opened, j.id, j.lease, &(struct job_end){"done", NULL, NULL, NULL, NOW}, &w->err));
    OK(jobs_old_copies(opened, NOW, &mark, 1, &n, &w->err));
    assert_int_equal(n, 0);
    OK(jobs_old_copies(opened, NOW + 1, &mark, 1, &n, &w->err));
    assert_int_equal(n, 1);
    OK(jobs_forget(opened, mark.id, &w->err));
    assert_int_equal(count(w, "SELECT count(*) FROM jobs"), 1);
    job_done(&j);
}

static void test_derivatives(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1"), other = examined(w, "2"), found[4];
    struct derivative_row in = {"proxy.mp4", "x-proxy.mp4", "remux", 5, NOW, "", 640, 480, "so"}, out[2];
    struct job_mark marks[2];
    struct job j = {0};
    size_t n;

    memset(in.etag, 'a', 64);
    OK(jobs_missing(opened, "", found, 4, &n, &w->err));
    assert_int_equal(n, 2);
    OK(jobs_want_derivatives(opened, &id, JOB_USUAL, NOW, &w->err));
    OK(jobs_missing(opened, "", found, 4, &n, &w->err));
    assert_int_equal(n, 1);
    assert_string_equal(found[0].text, other.text);
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &j, NULL));
    OK(derivatives_add(opened, j.id, &id, &in, &w->err));
    OK(derivatives_of_job(opened, j.id, out, 2, &n, &w->err));
    assert_int_equal(n, 1);
    assert_memory_equal(&in.etag, &out[0].etag, sizeof in.etag);
    assert_string_equal(out[0].file, in.file);
    assert_string_equal(out[0].how, "remux");
    assert_string_equal(out[0].message, "so");
    assert_true(out[0].bytes == 5 && out[0].width == 640 && out[0].height == 480);
    OK(jobs_end(opened, j.id, j.lease, &(struct job_end){"done", "one", NULL, "[]", NOW}, &w->err));
    OK(jobs_of_other_recipe(opened, "video", "one", "", found, 4, &n, &w->err));
    assert_int_equal(n, 0);
    OK(jobs_of_other_recipe(opened, "video", "two", "", found, 4, &n, &w->err));
    assert_int_equal(n, 1);
    OK(derivatives_jobs(opened, "", marks, 2, &n, &w->err));
    assert_true(n == 1 && marks[0].ended && !marks[0].copy);
    OK(derivatives_drop(opened, j.id, &w->err));
    OK(derivatives_jobs(opened, "", marks, 2, &n, &w->err));
    assert_int_equal(n, 0);
    job_done(&j);
}

/* Two nodes on one catalogue ask at the same time: neither waits for the other, and each gets a job of its own. */
static void test_two_nodes_at_once(void **state)
{
    struct world *w = begin(state);
    _cleanup_(db_closep) struct db *second = NULL;
    struct recording_id one = examined(w, "1"), two = examined(w, "2");
    struct job a = {0}, b = {0}, c = {0};
    int64_t due;

    OK(catalogue_open(w->dsn, DB_WRITE, &second, &w->err));
    OK(jobs_want_derivatives(opened, &one, JOB_USUAL, NOW, &w->err));
    OK(jobs_want_derivatives(opened, &two, JOB_USUAL, NOW, &w->err));
    OK(db_begin(opened, &w->err));
    OK(db_begin(second, &w->err));
    assert_true(take_as(w, opened, "a", NOW, JOB_LATER, &a, NULL));
    assert_true(take_as(w, second, "b", NOW, JOB_LATER, &b, NULL));
    assert_string_not_equal(a.id, b.id);
    assert_false(take_as(w, second, "b", NOW, JOB_LATER, &c, &due));
    OK(db_commit(second, &w->err));
    OK(db_commit(opened, &w->err));
    assert_int_equal(count(w, "SELECT count(*) FROM jobs WHERE state = 'running'"), 2);
    job_done(&a);
    job_done(&b);
}

static void test_decoded(void **state)
{
    struct world *w = begin(state);
    struct recording_id id = examined(w, "1");
    _cleanup_free_ char *text = NULL;
    _cleanup_json_ json_t *o = NULL;

    GIVES(ACT_E_REFUSED, act(w, "recording.decoded", id.text, 0, json_pack("{s:i}", "other", 1)));
    GIVES(ACT_E_REFUSED,
          act(w, "recording.decoded", "01ARZ3NDEKTSV4RRFFQ69G5FAV", 0, json_pack("{s:{}}", "decoded")));
    OK(act(w, "recording.decoded", id.text, 0, json_pack("{s:{s:[s]}}", "decoded", "qr", "x")));
    OK(recordings_decoded(w->db, &id, &text, &w->err));
    assert_string_equal(text, "{\"qr\":[\"x\"]}");
    o = show(w, id);
    assert_non_null(json_get_object(o, "decoded"));
    OK(act(w, "recording.copied", id.text, 0, json_pack("{s:s}", "form", "release")));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        EACH(test_order),
        EACH(test_evidence_rises),
        EACH(test_lease),
        EACH(test_release),
        EACH(test_put_off),
        EACH(test_cancel),
        EACH(test_copies),
        EACH(test_derivatives),
        EACH(test_decoded),
        {"postgres test_two_nodes_at_once", test_two_nodes_at_once, pg_set_up, tear_down, NULL},
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
