/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The catalogue as others use it: lists with every filter and their pages, showing and finding recordings, and the writer: groups, one
 * bad job among many, catching up after a crash, a busy catalogue, a catalogue older than the ledger.
 */
#include "cases-fixture.h"

#include <pthread.h>
#include <stdatomic.h>

#include "catalogue/deciding.h"
#include "catalogue/ids.h"

/* ---- lists ---- */

static const char case_a[] = "01ARZ3NDEKTSV4RRFFQ69G5FAA", case_b[] = "01ARZ3NDEKTSV4RRFFQ69G5FAB";

#define N 40

/* Recording i: device d0–d3, officer o0–o4, unit u0–u2, kinds in turn, every 10th damaged, times two by two alike. */
static void fill(struct world *w, struct recording_id ids[N])
{
    static const char *const kinds[] = {"video", "photo", "audio"};

    for (int i = 0; i < N; i++) {
        char device[8], officer[8], unit[8];

        snprintf(device, sizeof device, "d%d", i % 4);
        snprintf(officer, sizeof officer, "o%d", i % 5);
        snprintf(unit, sizeof unit, "u%d", i % 3);
        ids[i] = seal_as(w, arrival_of("x"), kinds[i % 3], 1000000 + i);
        OK(act(w, "recording.examined", ids[i].text, 0,
               json_pack("{s:s}", "status", i % 10 ? "ok" : "damaged")));
        OK(act(w, "recording.placed", ids[i].text, 0,
               json_pack("{s:{s:{s:s}, s:{s:s}, s:{s:s}}, s:s*, s:I}", "place", "device", "value", device,
                         "officer", "value", officer, "unit", "value", unit, "take", i < 6 ? case_b : NULL,
                         "sort", (json_int_t)(1000 + i / 2))));
        if (i >= 4)
            OK(act(w, "recording.decided", ids[i].text, 0,
                   json_pack("{s:s, s:s, s:s, s:i}", "class", i % 2 ? "routine" : "evidence", "ending",
                             "date", "version", i < 20 ? "v1" : "v2", "until", 5)));
    }
    OK(act(w, "case.added", case_a, 0, json_pack("{s:s, s:s}", "number", "A", "procedure", "none")));
    OK(act(w, "case.added", case_b, 0, json_pack("{s:s, s:s}", "number", "B", "procedure", "none")));
    for (int i = 0; i < 10; i++)
        OK(act(w, "link.added", ids[i].text, 0, json_pack("{s:s, s:s}", "case", case_a, "role", "evidence")));
    OK(act(w, "hold.added", case_a, 0, json_pack("{s:s, s:s}", "case", case_a, "ground", "audit")));
    OK(act(w, "hold.added", ids[20].text, 0,
           json_pack("{s:s, s:s}", "recording", ids[20].text, "ground", "audit")));
}

/* Reads all pages; checks their order, that nothing comes twice, and counts. */
static int pages(struct world *w, const struct recordings_filter *f, int limit)
{
    char *mark = NULL, *next;
    int64_t last_sort = INT64_MAX;
    char last_id[ULID_LENGTH + 1] = "~";
    int seen = 0;

    do {
        json_t *page, *o;
        size_t i;

        OK(recordings_list(w->db, f, mark, limit, &page, &next, &w->err));
        assert_true(json_array_size(page) <= (size_t)limit);
        assert_true(!next || json_array_size(page) == (size_t)limit);
        json_array_foreach (page, i, o) {
            int64_t sort = json_get_integer(o, "sort", -1);

            assert_true(sort < last_sort ||
                        (sort == last_sort && strcmp(json_get_string(o, "id"), last_id) < 0));
            last_sort = sort;
            snprintf(last_id, sizeof last_id, "%s", json_get_string(o, "id"));
            seen++;
        }
        json_decref(page);
        free(mark);
        mark = next;
    } while (next);
    return seen;
}

static void test_list(void **state)
{
    static const struct {
        struct recordings_filter f;
        int n;
    } rows[] = {
        {{0}, N},
        {{.device = "d1"}, 10},
        {{.officer = "o2"}, 8},
        {{.unit = "u0"}, 14},
        {{.kind = "video"}, 14},
        {{.kind = "document"}, 0},
        {{.class_name = "routine"}, 18},
        {{.take = case_b}, 6},
        {{.case_id = case_a}, 10},
        {{.case_id = case_b}, 0},
        {{.damaged = true}, 4},
        {{.unlinked = true}, 30},
        {{.held = true}, 11},
        {{.undecided = true}, 4},
        {{.from_usec = 1005}, 30},
        {{.to_usec = 1005}, 10},
        {{.from_usec = 1005, .to_usec = 1010}, 10},
        {{.device = "d0", .damaged = true}, 2},
        {{.device = "d0", .officer = "o0", .unit = "u0"}, 1},
        {{.case_id = case_a, .device = "d1"}, 3},
        {{.case_id = case_a, .damaged = true}, 1},
        {{.case_id = case_a, .from_usec = 1003}, 4},
        {{.held = true, .case_id = case_a}, 10},
        {{.held = true, .unlinked = true}, 1},
        {{.kind = "photo", .unlinked = true, .class_name = "routine"}, 5},
        {{.device = ""}, N}, /* empty is not given */
        {{.device = "'; DROP TABLE recordings; --"}, 0},
    };
    struct world *w = take(state);
    struct recording_id ids[N];

    fill(w, ids);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        for (int limit = 3; limit <= 1000; limit = limit == 3 ? 10 : limit == 10 ? 1000 : 9999) {
            int n = pages(w, &rows[i].f, limit);

            if (n != rows[i].n)
                fail_msg("row %zu, limit %d: %d, wanted %d", i, limit, n, rows[i].n);
        }
}

/* The recordings that a filter gives over all of its pages, a bit each. */
static uint64_t listed(struct world *w, const struct recordings_filter *f, const struct recording_id ids[N])
{
    char *mark = NULL, *next;
    uint64_t bits = 0;

    do {
        json_t *page, *o;
        size_t i;

        OK(recordings_list(w->db, f, mark, 3, &page, &next, &w->err));
        json_array_foreach (page, i, o)
            for (int k = 0; k < N; k++)
                bits |= strcmp(json_get_string(o, "id"), ids[k].text) == 0 ? UINT64_C(1) << k : 0;
        json_decref(page);
        free(mark);
        mark = next;
    } while (next);
    return bits;
}

static struct recordings_filter both(const struct recordings_filter *a, const struct recordings_filter *b)
{
    return (struct recordings_filter){.case_id = a->case_id ? a->case_id : b->case_id,
                                      .device = a->device ? a->device : b->device,
                                      .officer = a->officer ? a->officer : b->officer,
                                      .unit = a->unit ? a->unit : b->unit,
                                      .kind = a->kind ? a->kind : b->kind,
                                      .class_name = a->class_name ? a->class_name : b->class_name,
                                      .take = a->take ? a->take : b->take,
                                      .from_usec = a->from_usec ? a->from_usec : b->from_usec,
                                      .to_usec = a->to_usec ? a->to_usec : b->to_usec,
                                      .damaged = a->damaged || b->damaged,
                                      .unlinked = a->unlinked || b->unlinked,
                                      .undecided = a->undecided || b->undecided,
                                      .held = a->held || b->held};
}

/* Whichever filter drives: two and three together give what each of them gives alone. */
static void test_list_combined(void **state)
{
    static const struct recordings_filter one[] = {
        {.case_id = case_a}, {.device = "d0"},
        {.officer = "o0"},   {.unit = "u0"},
        {.kind = "video"},   {.take = case_b},
        {.held = true},      {.class_name = "evidence"},
        {.damaged = true},   {.unlinked = true},
        {.undecided = true}, {.to_usec = 1012},
        {.from_usec = 1002}, {0}, /* for two alone */
    };
    uint64_t alone[ARRAY_SIZE(one)];
    struct world *w = take(state);
    struct recording_id ids[N];

    fill(w, ids);
    for (size_t i = 0; i < ARRAY_SIZE(one); i++)
        alone[i] = listed(w, &one[i], ids);
    for (size_t i = 0; i < ARRAY_SIZE(one); i++)
        for (size_t j = i + 1; j < ARRAY_SIZE(one); j++)
            for (size_t k = j + 1; k < ARRAY_SIZE(one); k++) {
                struct recordings_filter two = both(&one[i], &one[j]), three = both(&two, &one[k]);

                if (listed(w, &three, ids) != (alone[i] & alone[j] & alone[k]))
                    fail_msg("filters %zu, %zu and %zu together", i, j, k);
            }
}

static void test_list_marks(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      "5",
                                      "5.",
                                      "5.short",
                                      ".01ARZ3NDEKTSV4RRFFQ69G5FAA",
                                      "99999999999999999999.01ARZ3NDEKTSV4RRFFQ69G5FAA"};
    struct world *w = take(state);
    struct recordings_filter f = {0};
    json_t *page = NULL;
    char *next = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        GIVES(RECORDINGS_E_CURSOR, recordings_list(w->db, &f, bad[i], 5, &page, &next, &w->err));
    OK(recordings_list(w->db, &f, "5.01ARZ3NDEKTSV4RRFFQ69G5FAA", 0, &page, &next, &w->err));
    assert_int_equal(json_array_size(page), 0);
    assert_null(next);
    json_decref(page);
}

static void test_show_and_resolve(void **state)
{
    struct world *w = take(state);
    struct recording_id ids[N], found;
    _cleanup_json_ json_t *o = NULL, *acts = NULL, *counts = NULL;
    struct digest digest;
    char begin[ULID_LENGTH + 1];

    fill(w, ids);
    o = show(w, ids[0]);
    assert_int_equal(json_array_size(json_get_array(o, "cases")), 1);
    assert_string_equal(json_get_string(json_array_get(json_get_array(o, "cases"), 0), "number"), "A");
    assert_int_equal(json_array_size(json_get_array(o, "hold_list")), 1);
    assert_int_equal(json_array_size(json_get_array(o, "arrivals")), 1);
    assert_string_equal(json_get_string(json_get_object(json_get_object(o, "place"), "device"), "value"),
                        "d0");
    GIVES(RECORDINGS_E_NONE,
          recordings_show(w->db, &(struct recording_id){"01ARZ3NDEKTSV4RRFFQ69G5FAC"}, &acts, &w->err));

    OK(recordings_resolve(w->db, ids[3].text, &found, &w->err));
    assert_string_equal(found.text, ids[3].text);
    for (int i = 0; i < ULID_LENGTH; i++)
        begin[i] = ids[3].text[i] >= 'A' ? (char)(ids[3].text[i] + 'a' - 'A') : ids[3].text[i];
    begin[ULID_LENGTH] = 0;
    OK(recordings_resolve(w->db, begin, &found, &w->err));
    begin[4] = 0;
    GIVES(RECORDINGS_E_AMBIGUOUS, recordings_resolve(w->db, begin, &found, &w->err));
    begin[3] = 0;
    GIVES(RECORDINGS_E_NONE, recordings_resolve(w->db, begin, &found, &w->err));
    GIVES(RECORDINGS_E_NONE, recordings_resolve(w->db, "%", &found, &w->err));
    GIVES(RECORDINGS_E_NONE, recordings_resolve(w->db, "7ZZZ", &found, &w->err));

    assert_int_equal(digest_from_hex(json_get_string(o, "digest"), &digest), 0);
    OK(recordings_by_digest(w->db, &digest, &found, &w->err));
    assert_string_equal(found.text, ids[0].text);
    digest.bytes[0] ^= 1;
    GIVES(RECORDINGS_E_NONE, recordings_by_digest(w->db, &digest, &found, &w->err));

    OK(acts_about(w->db, case_a, -1, 100, &acts, &w->err));
    assert_int_equal(json_array_size(acts), 12); /* added, ten links, its hold (of the same id here) */
    OK(catalogue_counts(w->db, &counts, &w->err));
    assert_int_equal(json_get_integer(counts, "recordings", 0), N);
    assert_int_equal(json_get_integer(counts, "damaged", 0), 4);
    assert_int_equal(json_get_integer(counts, "unlinked", 0), 30);
    assert_int_equal(json_get_integer(counts, "holds", 0), 2);
    assert_int_equal(json_get_integer(counts, "cases", 0), 2);
    assert_int_equal(json_get_integer(counts, "acts", 0), ledger_size(w->ledger));
}

static size_t n_of(struct recording_ids *ids)
{
    size_t n = ids->n;

    recording_ids_done(ids);
    return n;
}

static void test_id_lists(void **state)
{
    struct world *w = take(state);
    struct recording_ids list = RECORDING_IDS_INIT;
    struct recording_id ids[N], next[8];
    struct deciding d = {0};
    int64_t first;
    size_t n;

    OK(recordings_to_examine(w->db, "", next, 8, &n, &w->err));
    assert_int_equal(n, 0);
    fill(w, ids);
    OK(ids_of_case(w->db, case_a, &list, &w->err));
    assert_string_equal(list.ids[0].text, ids[0].text);
    assert_int_equal(n_of(&list), 10);
    OK(ids_after(w->db, "", 1000, &list, &w->err));
    assert_int_equal(n_of(&list), N);
    OK(ids_after(w->db, ids[N - 3].text, 1000, &list, &w->err));
    assert_int_equal(n_of(&list), 2);
    OK(ids_decided_otherwise(w->db, "v1", 1000, &list, &w->err));
    assert_int_equal(n_of(&list), 20);
    OK(ids_decided_otherwise(w->db, "v0", 1000, &list, &w->err));
    assert_int_equal(n_of(&list), 36);
    OK(ids_decided_otherwise(w->db, "v3", 7, &list, &w->err));
    assert_int_equal(n_of(&list), 7);

    OK(acts_next_index(w->db, &first, &w->err));
    OK(ids_touched_since(w->db, first, &list, &w->err));
    assert_int_equal(n_of(&list), 0);
    OK(act(w, "case.ended", case_a, 0, json_object())); /* touches its ten */
    OK(ids_touched_since(w->db, first, &list, &w->err));
    assert_int_equal(n_of(&list), 10);
    OK(act(w, "hold.lifted", ids[20].text, 0, json_pack("{s:s}", "about", ids[20].text)));
    seal(w, "new.mp4");
    OK(ids_touched_since(w->db, first, &list, &w->err));
    assert_int_equal(n_of(&list), 12);
    OK(recordings_to_examine(w->db, "", next, 8, &n, &w->err));
    assert_int_equal(n, 1);

    OK(deciding_read(w->db, &ids[0], &d, &w->err));
    assert_int_equal(d.n_links, 1);
    assert_string_equal(d.links[0].state, "ended");
    assert_int_equal(d.n_grounds, 1);
    assert_null(d.class_name);
    deciding_done(&d);
    GIVES(RECORDINGS_E_NONE,
          deciding_read(w->db, &(struct recording_id){"01ARZ3NDEKTSV4RRFFQ69G5FAC"}, &d, &w->err));
}

/* ---- the writer ---- */

struct group_job {
    struct world *w;
    int number, result;
    bool refuse;
    char subject[ULID_LENGTH + 1];
    uint64_t size_when_done;
    struct error err;
};

static atomic_int done_count;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static int run_group_job(struct txn *t, void *userdata, struct error *err)
{
    struct group_job *j = userdata;
    char number[16];
    int r;

    snprintf(number, sizeof number, "N%d", j->number);
    r = txn_act(t, "case.added", "user:li", j->subject, 0,
                json_pack("{s:s, s:s}", "number", number, "procedure", "none"), NULL, err);
    if (r == 0 && j->refuse) /* after an act that went well: that one must go too */
        return txn_act(t, "case.filed", "user:li", j->subject, 0, json_object(), NULL, err);
    return r;
}

static void on_group_done(void *userdata, int result, const struct error *err)
{
    struct group_job *j = userdata;

    j->result = result;
    j->err = *err;
    j->size_when_done = ledger_size(j->w->ledger);
    atomic_fetch_add(&done_count, 1);
}

static int run_gate(struct txn *t, void *userdata, struct error *err)
{
    pthread_mutex_lock(&gate);
    pthread_mutex_unlock(&gate);
    return 0;
}

static void on_nothing(void *userdata, int result, const struct error *err)
{
}

/* Many jobs in one round, some of them refused: the others stand, their leaves follow each other without a hole. */
static void test_group(void **state)
{
    enum { JOBS = 100 };
    struct world *w = take(state);
    struct group_job jobs[JOBS];
    uint64_t refused = 0;

    atomic_store(&done_count, 0);
    pthread_mutex_lock(&gate);
    OK(writer_submit(w->writer, true, run_gate, on_nothing,
                     NULL)); /* holds the writer until all are queued */
    for (int i = 0; i < JOBS; i++) {
        jobs[i] = (struct group_job){.w = w, .number = i, .refuse = i % 7 == 3, .err = ERROR_INIT};
        ulid_make(clock_now_usec(), jobs[i].subject);
        OK(writer_submit(w->writer, false, run_group_job, on_group_done, &jobs[i]));
    }
    pthread_mutex_unlock(&gate);
    writer_drain(w->writer);
    assert_int_equal(atomic_load(&done_count), JOBS);
    for (int i = 0; i < JOBS; i++) {
        assert_int_equal(jobs[i].result, jobs[i].refuse ? ACT_E_REFUSED : 0);
        refused += jobs[i].refuse;
        if (jobs[i].refuse)
            assert_non_null(strstr(jobs[i].err.text, "ended case"));
    }
    for (uint64_t i = 0, leaf = 0; i < JOBS; i++)
        if (!jobs[i].refuse) /* told only after its own leaf was published */
            assert_true(jobs[i].size_when_done > leaf++);
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), JOBS - refused);
    assert_int_equal(count(w, "SELECT count(*) FROM acts"), JOBS - refused);
    assert_int_equal(count(w, "SELECT MAX(idx) + 1 FROM acts"), JOBS - refused);
}

static int count_entries(void *userdata, uint64_t index, const char *data, size_t size)
{
    (*(uint64_t *)userdata)++;
    return 0;
}

/* A crash after the commit leaves leaves that only pending_leaves has: the next start publishes them. */
static void test_catch_up(void **state)
{
    struct world *w = take(state);
    char copy[200], command[600];
    struct recording_id ids[N];
    uint64_t before, after, n = 0;

    fill(w, ids);
    before = ledger_size(w->ledger);
    snprintf(copy, sizeof copy, "%s/ledger-before", w->folder);
    snprintf(command, sizeof command, "cp -a '%s' '%s'", w->ledger_path, copy);
    assert_int_equal(system(command), 0);
    OK(act(w, "case.ended", case_a, 0, json_object()));
    after = ledger_size(w->ledger);
    assert_int_equal(after, before + 1);
    close_writer(w);
    /* the ledger as it was, as if the crash had come between commit and publishing */
    snprintf(command, sizeof command, "rm -rf '%s' && mv '%s' '%s'", w->ledger_path, copy, w->ledger_path);
    assert_int_equal(system(command), 0);
    open_writer(w);
    assert_int_equal(ledger_size(w->ledger), after);
    OK(ledger_each_entry(w->ledger, 0, after, count_entries, &n, &w->err));
    assert_int_equal(n, after);
    OK(ledger_verify(w->ledger, NULL, NULL, &w->err));
    OK(act(w, "case.reopened", case_a, 0, json_object())); /* and goes on */
    assert_int_equal(ledger_size(w->ledger), after + 1);
}

/* A whole round committed and nothing of it published. */
static void test_catch_up_from_nothing(void **state)
{
    struct world *w = take(state);
    char command[600];

    OK(act(w, "case.added", case_a, 0, json_pack("{s:s, s:s}", "number", "A", "procedure", "none")));
    close_writer(w);
    snprintf(command, sizeof command, "rm -rf '%s'", w->ledger_path);
    assert_int_equal(system(command), 0);
    open_writer(w);
    assert_int_equal(ledger_size(w->ledger), 1);
}

static void test_stale(void **state)
{
    struct world *w = take(state);
    struct db *db = NULL;

    OK(act(w, "case.added", case_a, 0, json_pack("{s:s, s:s}", "number", "A", "procedure", "none")));
    OK(act(w, "case.ended", case_a, 0, json_object()));
    close_writer(w);
    OK(db_open(w->dsn, DB_WRITE, &db, &w->err));
    OK(sql_run(db, &w->err, "DELETE FROM acts WHERE idx = 1", "")); /* an old copy put back */
    db_close(db);
    OK(ledger_open(w->ledger_path, w->key, signing_key_verifier(w->key), &w->ledger, &w->err));
    GIVES(-ESTALE, writer_new(w->dsn, w->ledger, "node1", &w->writer, &w->err));
    SAYS("rebuild");
    assert_null(w->writer);
}

/* A hole in pending_leaves is said, not papered over. */
static void test_lost_leaf(void **state)
{
    struct world *w = take(state);
    struct db *db = NULL;
    char command[600];

    OK(act(w, "case.added", case_a, 0, json_pack("{s:s, s:s}", "number", "A", "procedure", "none")));
    close_writer(w);
    OK(db_open(w->dsn, DB_WRITE, &db, &w->err));
    OK(sql_run(db, &w->err, "DELETE FROM pending_leaves", ""));
    db_close(db);
    snprintf(command, sizeof command, "rm -rf '%s'", w->ledger_path);
    assert_int_equal(system(command), 0);
    OK(ledger_open(w->ledger_path, w->key, signing_key_verifier(w->key), &w->ledger, &w->err));
    GIVES(-EBADMSG, writer_new(w->dsn, w->ledger, "node1", &w->writer, &w->err));
    SAYS("pending leaf 0");
}

/* While another process holds the catalogue, patient jobs wait and impatient ones are told; trouble says why. */
static void test_busy(void **state)
{
    struct world *w = take(state);
    struct group_job patient = {.w = w, .number = 1, .err = ERROR_INIT},
                     hasty = {.w = w, .number = 2, .err = ERROR_INIT};
    char trouble[300];
    struct db *other = NULL;

    atomic_store(&done_count, 0);
    ulid_make(clock_now_usec(), patient.subject);
    ulid_make(clock_now_usec(), hasty.subject);
    OK(db_open(w->dsn, DB_WRITE, &other, &w->err));
    OK(db_begin(other, &w->err));
    OK(writer_submit(w->writer, true, run_group_job, on_group_done, &patient));
    OK(writer_submit(w->writer, false, run_group_job, on_group_done, &hasty));
    for (int i = 0; i < 600; i++) {
        writer_trouble(w->writer, trouble, sizeof trouble);
        if (*trouble && atomic_load(&done_count) == 1)
            break;
        usleep(20000);
    }
    assert_true(*trouble);
    assert_int_equal(atomic_load(&done_count), 1);
    assert_int_equal(hasty.result, -EAGAIN);
    db_close(other);
    writer_drain(w->writer);
    assert_int_equal(atomic_load(&done_count), 2);
    assert_int_equal(patient.result, 0);
    writer_trouble(w->writer, trouble, sizeof trouble);
    assert_string_equal(trouble, "");
    assert_int_equal(count(w, "SELECT count(*) FROM cases"), 1);
}

static void test_stopping(void **state)
{
    struct world *w = take(state);
    struct group_job j = {.w = w, .number = 1, .err = ERROR_INIT};
    struct db *other = NULL;

    atomic_store(&done_count, 0);
    ulid_make(clock_now_usec(), j.subject);
    OK(db_open(w->dsn, DB_WRITE, &other, &w->err));
    OK(db_begin(other, &w->err));
    OK(writer_submit(w->writer, true, run_group_job, on_group_done, &j));
    usleep(100000);
    w->writer = writer_free(w->writer); /* does not wait for the catalogue for ever */
    assert_int_equal(atomic_load(&done_count), 1);
    assert_int_equal(j.result, -ECANCELED);
    db_close(other);
}

/* ---- migrations ---- */

static void test_schema(void **state)
{
    struct world *w = take(state);
    struct db *db = NULL;

    close_writer(w);
    OK(catalogue_open(w->dsn, DB_WRITE, &db, &w->err)); /* again: nothing to do */
    OK(catalogue_meta_set(db, "schema", "999", &w->err));
    db_close(db);
    db = NULL;
    GIVES(-EPROTO, catalogue_open(w->dsn, DB_READ, &db, &w->err));
    GIVES(-EPROTO, catalogue_open(w->dsn, DB_WRITE, &db, &w->err));
    SAYS("999");
    assert_null(db);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_list),       BOTH(test_list_combined),
        BOTH(test_list_marks), BOTH(test_show_and_resolve),
        BOTH(test_id_lists),   BOTH(test_group),
        BOTH(test_catch_up),   BOTH(test_catch_up_from_nothing),
        BOTH(test_stale),      BOTH(test_lost_leaf),
        SQLITE(test_busy),     SQLITE(test_stopping),
        BOTH(test_schema),
    };

    return cmocka_run_group_tests_name("catalogue", tests, NULL, NULL);
}
