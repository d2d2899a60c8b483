/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The writer in trouble: nobody who was promised an answer waits for a catalogue that takes no writes, a stop never hangs on it, a job
 * that goes on after a failed statement harms nobody else, and a catalogue of another archive is refused.
 */
#include "cases-fixture.h"

#include <pthread.h>

#include "base/clock.h"

static const char case_a[] = "01ARZ3NDEKTSV4RRFFQ69G5FAA", case_b[] = "01ARZ3NDEKTSV4RRFFQ69G5FAB";

static json_t *facts_of(const char *number)
{
    return json_pack("{s:s, s:s}", "number", number, "procedure", "none");
}

/* ---- a catalogue that somebody else holds ---- */

struct waiter {
    struct world *w;
    bool patient;
    pthread_t thread;
    int result;
    int64_t took_usec;
};

static int run_waiter(struct txn *t, void *userdata, struct error *err)
{
    return txn_act(t, "case.added", "user:li", case_a, 0, facts_of("A"), NULL, err);
}

static void *wait_for_writer(void *userdata)
{
    struct waiter *x = userdata;
    int64_t begin = clock_monotonic_usec();
    struct error err = ERROR_INIT;

    x->result = writer_run(x->w->writer, x->patient, run_waiter, x, &err);
    x->took_usec = clock_monotonic_usec() - begin;
    return NULL;
}

static void begin_waiter(struct waiter *x)
{
    assert_int_equal(pthread_create(&x->thread, NULL, wait_for_writer, x), 0);
}

/* Fails rather than hangs when the job is never answered. */
static void end_waiter(struct waiter *x)
{
    struct timespec until;

    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 20;
    if (pthread_timedjoin_np(x->thread, NULL, &until) != 0)
        fail_msg("a job is not answered while the catalogue is busy");
}

static void wait_for_trouble(struct world *w)
{
    char trouble[300] = "";

    for (int i = 0; i < 500 && !*trouble; i++) {
        writer_trouble(w->writer, trouble, sizeof trouble);
        usleep(20000);
    }
    assert_true(*trouble);
}

/* A patient job is in trouble; an impatient one that queues behind it is told all the same. */
static void test_impatient_behind_patient(void **state)
{
    struct world *w = take(state);
    struct waiter patient = {.w = w, .patient = true}, hasty = {.w = w};
    struct db *other = NULL;

    OK(db_open(w->dsn, DB_WRITE, &other, &w->err));
    OK(db_begin(other, &w->err));
    begin_waiter(&patient);
    wait_for_trouble(w);
    begin_waiter(&hasty);
    end_waiter(&hasty);
    assert_int_equal(hasty.result, -EAGAIN);
    db_close(other);
    end_waiter(&patient);
    assert_int_equal(patient.result, 0);
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), 1);
}

/* In a hurry nothing waits: neither the job in trouble nor what queues behind it; afterwards nothing is taken. */
static void test_hurry(void **state)
{
    struct world *w = take(state);
    struct waiter first = {.w = w, .patient = true}, second = first;
    struct db *other = NULL;
    int64_t begin;

    OK(db_open(w->dsn, DB_WRITE, &other, &w->err));
    OK(db_begin(other, &w->err));
    begin_waiter(&first);
    wait_for_trouble(w);
    begin_waiter(&second);
    usleep(50000);
    begin = clock_monotonic_usec();
    writer_hurry(w->writer);
    end_waiter(&first);
    end_waiter(&second);
    assert_true(clock_monotonic_usec() - begin < 5 * USEC_PER_SEC);
    assert_int_equal(first.result, -ECANCELED);
    assert_int_equal(second.result, -ECANCELED);
    db_close(other);
    GIVES(-ECANCELED, writer_run(w->writer, true, run_waiter, NULL, &w->err));
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), 0);
}

/* A healthy writer goes on in a hurry: what waits is written. */
static void test_hurry_in_health(void **state)
{
    struct world *w = take(state);

    writer_hurry(w->writer);
    OK(act(w, "case.added", case_a, 0, facts_of("A")));
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), 1);
}

/* ---- a job that does not look at what failed ---- */

static int run_careless(struct txn *t, void *userdata, struct error *err)
{
    struct error ignored;
    int r = txn_act(t, "case.added", "user:li", case_b, 0, facts_of("B"), NULL, err);

    (void)txn_act(t, "case.added", "user:li", case_b, 0, facts_of("A"), NULL, &ignored);
    return r;
}

static void test_careless_job(void **state)
{
    struct world *w = take(state);

    OK(act(w, "case.added", case_a, 0, facts_of("A")));
    GIVES(-EPROTO, writer_run(w->writer, true, run_careless, NULL, &w->err));
    SAYS("nothing of it was kept");
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), 1);
    OK(act(w, "case.added", case_b, 0, facts_of("C"))); /* and the leaves still follow one another */
    assert_int_equal(ledger_size(w->ledger), 2);
    assert_int_equal(count(w, "SELECT count(*) FROM acts"), 2);
}

/* ---- a catalogue that is not this ledger's ---- */

static void expect_refused(struct world *w, int code, const char *words)
{
    OK(ledger_open(w->ledger_path, w->key, signing_key_verifier(w->key), &w->ledger, &w->err));
    GIVES(code, writer_new(w->dsn, w->ledger, "node1", &w->writer, &w->err));
    SAYS(words);
    assert_null(w->writer);
    w->ledger = ledger_close(w->ledger);
}

static void test_other_archive(void **state)
{
    struct world *w = take(state);

    OK(act(w, "case.added", case_a, 0, facts_of("A")));
    OK(act(w, "case.added", case_b, 0, facts_of("B")));
    close_writer(w);
    /* as many acts, but others */
    snprintf(w->ledger_path, sizeof w->ledger_path, "%s/other", w->folder);
    OK(ledger_open(w->ledger_path, w->key, signing_key_verifier(w->key), &w->ledger, &w->err));
    {
        static const char entry[] =
            "{\"actor\":\"system\",\"facts\":{},\"kind\":\"ledger.started\",\"node\":\"n\","
            "\"subject\":\"s\",\"time\":1}";
        const struct ledger_entry entries[] = {{entry, sizeof entry - 1}, {entry, sizeof entry - 1}};

        OK(ledger_publish(w->ledger, 0, entries, 2, &w->err));
    }
    w->ledger = ledger_close(w->ledger);
    expect_refused(w, -ESTALE, "another archive");
    /* a new archive beside a catalogue in use */
    snprintf(w->ledger_path, sizeof w->ledger_path, "%s/new", w->folder);
    expect_refused(w, -EBADMSG, "another archive");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_careless_job),
        BOTH(test_other_archive),
        BOTH(test_hurry_in_health),
        SQLITE(test_hurry),
        SQLITE(test_impatient_behind_patient),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
