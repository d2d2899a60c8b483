/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deciding, what people do to cases, links and holds, and the policy in force: each change decides anew what it concerns in its own
 * transaction, nothing is recorded that is not new, and no edited file shortens what is kept.
 */
#include "cases-fixture.h"

#include "base/durable.h"
#include "cases/policy-keeper.h"

/* One call of the case acts in a job. */
struct call {
    struct world *w;
    int (*run)(struct call *c, struct txn *t, const struct case_context *ctx, struct error *err);
    const char *a, *b, *c, *d;
    struct case_input in;
    struct hold_input hold;
    struct case_id case_id;
    char hold_id[ULID_LENGTH + 1];
};

static int run_call(struct txn *t, void *userdata, struct error *err)
{
    struct call *c = userdata;
    struct case_context ctx = {"user:li", c->w->settings->site.zone, c->w->policy};

    return c->run(c, t, &ctx, err);
}

static int do_call(struct call *c)
{
    error_clear(&c->w->err);
    return writer_run(c->w->writer, false, run_call, c, &c->w->err);
}

#define CALL(name, expression)                                                                               \
    static int name(struct call *c, struct txn *t, const struct case_context *ctx, struct error *err)        \
    {                                                                                                        \
        return expression;                                                                                   \
    }
CALL(call_case_add, case_add(t, ctx, &c->in, &c->case_id, err))
CALL(call_case_set, case_set(t, ctx, c->a, &c->in, err))
CALL(call_case_end, case_end(t, ctx, c->a, c->b, err))
CALL(call_case_file, case_file(t, ctx, c->a, c->b, err))
CALL(call_case_reopen, case_reopen(t, ctx, c->a, err))
CALL(call_link_add, link_add(t, ctx, c->a, c->b, c->c, c->d, err))
CALL(call_link_remove, link_remove(t, ctx, c->a, c->b, err))
CALL(call_hold_add, hold_add(t, ctx, &c->hold, c->hold_id, err))
CALL(call_hold_lift, hold_lift(t, ctx, c->a, c->b, err))

static int add_case(struct world *w, const char *number, const char *procedure, const char *opened)
{
    struct call c = {.w = w, .run = call_case_add, .in = {number, NULL, procedure, opened}};

    return do_call(&c);
}

static int on_case(struct world *w,
                   int (*run)(struct call *, struct txn *, const struct case_context *, struct error *),
                   const char *a, const char *b, const char *role, const char *step)
{
    struct call c = {.w = w, .run = run, .a = a, .b = b, .c = role, .d = step};

    return do_call(&c);
}

static int add_hold(struct world *w, const char *recording, const char *case_text, const char *ground,
                    const char *reason, char ret_id[ULID_LENGTH + 1])
{
    struct call c = {.w = w, .run = call_hold_add, .hold = {recording, case_text, ground, "M-1", reason}};
    int r = do_call(&c);

    if (r == 0 && ret_id)
        memcpy(ret_id, c.hold_id, sizeof c.hold_id);
    return r;
}

static void expect(struct world *w, struct recording_id id, const char *class_name, const char *ending,
                   int64_t until)
{
    json_t *o = show(w, id);

    assert_string_equal(json_get_string(o, "class"), class_name);
    assert_string_equal(json_get_string(o, "ending"), ending);
    if (json_get_integer(o, "until", 0) != until)
        fail_msg("until %lld, wanted %lld", (long long)json_get_integer(o, "until", 0), (long long)until);
    assert_string_equal(json_get_string(o, "policy"), policy_version(w->policy));
    json_decref(o);
}

#define RECEIVED   usec_of("2026-03-10T02:00:00Z")
#define SIX_MONTHS usec_of("2026-09-10T16:00:00Z") /* the midnight after, Shanghai */

static struct recording_id decided(struct world *w)
{
    struct recording_id id = seal_as(w, arrival_of("a.mp4"), "video", RECEIVED);

    assert_true(decide_it(w, id));
    return id;
}

static void test_routine(void **state)
{
    struct world *w = take(state);
    struct recording_id id = decided(w);
    _cleanup_json_ json_t *o = show(w, id);
    const json_t *reason = json_array_get(json_get_array(o, "reasons"), 0);

    expect(w, id, "routine", "date", SIX_MONTHS);
    assert_string_equal(json_get_string(reason, "class"), "routine");
    assert_string_equal(json_get_string(reason, "cite"), "Art. 17(1)");
    assert_int_equal(json_get_integer(reason, "until", 0), SIX_MONTHS);
    assert_non_null(json_get_string(reason, "text"));
    assert_null(json_object_get(o, "disc_due"));
    assert_false(decide_it(w, id)); /* nothing new: no act */
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'recording.decided'"), 1);
}

static void place_at(struct world *w, struct recording_id id, const char *started, const char *ended,
                     const char *certainty)
{
    OK(act(w, "recording.placed", id.text, 0,
           json_pack("{s:{s:{s:I, s:s}, s:{s:I, s:s}}}", "place", "started", "value",
                     (json_int_t)usec_of(started), "certainty", certainty, "ended", "value",
                     (json_int_t)usec_of(ended), "certainty", certainty)));
}

static void test_recorded_end(void **state)
{
    struct world *w = take(state);
    struct recording_id id = decided(w);

    /* the later of received and recorded end counts, but not that of a clock in doubt */
    place_at(w, id, "2026-03-11T00:00:00Z", "2026-03-11T01:00:00Z", "probable");
    assert_true(decide_it(w, id));
    expect(w, id, "routine", "date", usec_of("2026-09-11T16:00:00Z"));
    place_at(w, id, "2099-03-11T00:00:00Z", "2099-03-11T01:00:00Z", "doubtful");
    assert_true(decide_it(w, id));
    expect(w, id, "routine", "date", SIX_MONTHS);
}

static void test_life_of_a_case(void **state)
{
    struct world *w = take(state);
    struct recording_id id = decided(w), other = decided(w);

    OK(add_case(w, "卫医罚〔2026〕1号", "general", "2026-03-01"));
    OK(on_case(w, call_link_add, id.text, "卫医罚(2026)1号", NULL, "送达"));
    OK(on_case(w, call_link_add, other.text, "卫医罚(2026)1号", "context", NULL));
    expect(w, id, "evidence", "case", 0);
    expect(w, other, "routine", "date", SIX_MONTHS);
    OK(on_case(w, call_case_end, "卫医罚[2026]1号", "2026-04-01", NULL, NULL));
    expect(w, id, "evidence", "case", 0);
    OK(on_case(w, call_case_reopen, "卫医罚[2026]1号", NULL, NULL, NULL));
    OK(on_case(w, call_case_end, "卫医罚[2026]1号", "2026-04-02 10:00", NULL, NULL));
    OK(on_case(w, call_case_file, "卫医罚[2026]1号", "2026-05-01", NULL, NULL));
    expect(w, id, "evidence", "date", usec_of("2056-05-01T16:00:00Z"));
    OK(on_case(w, call_link_remove, id.text, "卫医罚[2026]1号", NULL, NULL));
    expect(w, id, "routine", "date", SIX_MONTHS);
}

static void test_procedure_changes(void **state)
{
    struct world *w = take(state);
    struct recording_id id = decided(w);
    struct call c = {.w = w, .run = call_case_set, .a = "A1", .in = {NULL, "标题", "summary", NULL}};
    _cleanup_json_ json_t *o = NULL;
    struct case_id case_id;

    OK(add_case(w, "A1", NULL, NULL));
    OK(on_case(w, call_link_add, id.text, "A1", "evidence", NULL));
    expect(w, id, "evidence", "case", 0); /* no procedure recorded yet: kept like a general one */
    OK(do_call(&c));
    expect(w, id, "routine", "date", SIX_MONTHS);
    OK(case_resolve(w->db, "a1", &case_id, &w->err));
    OK(case_show(w->db, &case_id, &o, &w->err));
    assert_string_equal(json_get_string(o, "title"), "标题");
    assert_int_equal(json_get_integer(o, "recordings", 0), 1);
    assert_int_equal(json_get_integer(o, "evidence", 0), 1);
    assert_true(json_get_integer(o, "bytes", 0) > 1000);
}

static void test_holds(void **state)
{
    struct world *w = take(state);
    struct recording_id id = decided(w), linked = decided(w);
    char hold[ULID_LENGTH + 1], second[ULID_LENGTH + 1], on_the_case[ULID_LENGTH + 1];
    _cleanup_json_ json_t *o = NULL, *shown = NULL;
    struct case_id case_id;

    OK(add_hold(w, id.text, NULL, "complaint", NULL, hold));
    OK(add_hold(w, id.text, NULL, "other", "领导要求", second));
    expect(w, id, "disputed", "permanent", 0);
    o = show(w, id);
    assert_true(json_get_integer(o, "disc_due", 0) > clock_now_usec() + 29 * USEC_PER_DAY);
    assert_true(json_get_integer(o, "disc_due", 0) <= clock_now_usec() + 30 * USEC_PER_DAY);
    assert_false(decide_it(w, id));
    OK(on_case(w, call_hold_lift, hold, "已处理", NULL, NULL));
    expect(w, id, "disputed", "permanent", 0); /* one lifted leaves the other */
    OK(on_case(w, call_hold_lift, second, "已处理", NULL, NULL));
    expect(w, id, "routine", "date", SIX_MONTHS);

    OK(add_case(w, "A1", "general", NULL));
    OK(on_case(w, call_link_add, linked.text, "A1", "context", NULL));
    OK(add_hold(w, NULL, "A1", "complaint", NULL, on_the_case));
    expect(w, linked, "disputed", "permanent", 0);
    expect(w, id, "routine", "date", SIX_MONTHS);
    OK(on_case(w, call_link_add, id.text, "A1", "context", NULL)); /* linked later: held too */
    expect(w, id, "disputed", "permanent", 0);
    OK(case_resolve(w->db, "A1", &case_id, &w->err));
    OK(case_show(w->db, &case_id, &shown, &w->err));
    assert_int_equal(json_get_integer(shown, "holds", 0), 1);
    assert_int_equal(json_array_size(json_get_array(shown, "hold_list")), 1);
    OK(on_case(w, call_hold_lift, on_the_case, "已处理", NULL, NULL));
    expect(w, linked, "routine", "date", SIX_MONTHS);
}

static void test_bad_input(void **state)
{
    static const char ghost[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    struct world *w = take(state);
    struct recording_id id = decided(w);
    struct call nothing = {.w = w, .run = call_case_set, .a = "A1"},
                taken = {.w = w, .run = call_case_set, .a = "A1", .in = {"A2", NULL, NULL, NULL}},
                late = {.w = w, .run = call_case_set, .a = "A2", .in = {NULL, NULL, NULL, "2026-06-01"}};
    char hold[ULID_LENGTH + 1], text[600];
    int64_t acts;

    OK(add_case(w, "A1", "general", "2026-03-01"));
    OK(add_case(w, "A2", "general", "2026-03-01"));
    OK(on_case(w, call_case_end, "A2", "2026-04-01", NULL, NULL));
    OK(add_hold(w, id.text, NULL, "audit", NULL, hold));
    OK(on_case(w, call_hold_lift, hold, "done", NULL, NULL));
    acts = count(w, "SELECT count(*) FROM acts");

    GIVES(CASES_E_INPUT, add_case(w, NULL, NULL, NULL));
    SAYS("empty");
    GIVES(CASES_E_INPUT, add_case(w, " \xE3\x80\x80", NULL, NULL));
    GIVES(CASES_E_INPUT, add_case(w, "a\xff", NULL, NULL));
    SAYS("UTF-8");
    GIVES(CASES_E_INPUT, add_case(w, "a\nb", NULL, NULL));
    SAYS("control");
    memset(text, 'x', sizeof text);
    text[sizeof text - 1] = 0;
    GIVES(CASES_E_INPUT, add_case(w, text, NULL, NULL));
    GIVES(CASES_E_INPUT, add_case(w, "A3", "secret", NULL));
    SAYS("general");
    GIVES(CASES_E_INPUT, add_case(w, "A3", NULL, "tomorrow"));
    SAYS("2026-11-23");
    GIVES(CASES_E_INPUT, add_case(w, "A3", NULL, "2999-01-01"));
    SAYS("future");
    GIVES(ACT_E_REFUSED, add_case(w, "a１", NULL, NULL));
    SAYS("another case");
    GIVES(CASES_E_INPUT, do_call(&nothing));
    GIVES(ACT_E_REFUSED, do_call(&taken));
    GIVES(CASES_E_INPUT, do_call(&late));
    GIVES(CASES_E_NONE, on_case(w, call_case_end, "nothing", NULL, NULL, NULL));
    GIVES(CASES_E_NONE, on_case(w, call_case_end, ghost, NULL, NULL, NULL));
    GIVES(CASES_E_INPUT, on_case(w, call_case_end, "A1", "2026-02-28", NULL, NULL));
    SAYS("opened on 2026-03-01");
    GIVES(ACT_E_REFUSED, on_case(w, call_case_end, "A2", NULL, NULL, NULL));
    GIVES(ACT_E_REFUSED, on_case(w, call_case_file, "A1", NULL, NULL, NULL));
    SAYS("end it first");
    GIVES(CASES_E_INPUT, on_case(w, call_case_file, "A2", "2026-03-31", NULL, NULL));
    GIVES(ACT_E_REFUSED, on_case(w, call_case_reopen, "A1", NULL, NULL, NULL));

    GIVES(CASES_E_INPUT, on_case(w, call_link_add, id.text, "A1", "friend", NULL));
    GIVES(RECORDINGS_E_NONE, on_case(w, call_link_add, ghost, "A1", NULL, NULL));
    GIVES(CASES_E_NONE, on_case(w, call_link_add, id.text, "A9", NULL, NULL));
    GIVES(ACT_E_REFUSED, on_case(w, call_link_remove, id.text, "A1", NULL, NULL));

    GIVES(CASES_E_INPUT, add_hold(w, id.text, "A1", "audit", NULL, NULL));
    GIVES(CASES_E_INPUT, add_hold(w, NULL, NULL, "audit", NULL, NULL));
    GIVES(CASES_E_INPUT, add_hold(w, id.text, NULL, "revenge", NULL, NULL));
    SAYS("mass-incident");
    GIVES(CASES_E_INPUT, add_hold(w, id.text, NULL, NULL, NULL, NULL));
    GIVES(CASES_E_INPUT, add_hold(w, id.text, NULL, "other", NULL, NULL));
    SAYS("in words");
    GIVES(CASES_E_INPUT, on_case(w, call_hold_lift, hold, "", NULL, NULL));
    GIVES(ACT_E_REFUSED, on_case(w, call_hold_lift, hold, "again", NULL, NULL));
    GIVES(CASES_E_NONE, on_case(w, call_hold_lift, ghost, "why", NULL, NULL));
    assert_int_equal(count(w, "SELECT count(*) FROM acts"), acts);
    assert_int_equal(ledger_size(w->ledger), acts);

    OK(on_case(w, call_link_add, id.text, "A1", "evidence", "s"));
    OK(on_case(w, call_link_add, id.text, "A1", "evidence", "s")); /* as it is already */
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'link.added'"), 1);
}

static void test_cases_list(void **state)
{
    struct world *w = take(state);
    struct cases_filter open = {.state = "open"};
    char number[16], date[32], *next = NULL, *mark = NULL;
    json_t *page;
    int seen = 0;

    for (int i = 0; i < 25; i++) {
        snprintf(number, sizeof number, "N%d", i);
        snprintf(date, sizeof date, "2026-01-%02d", 1 + i / 3);
        OK(add_case(w, number, i % 2 ? "general" : "summary", date));
    }
    OK(on_case(w, call_case_end, "N0", NULL, NULL, NULL));
    do {
        int64_t last = INT64_MAX;
        size_t i;
        json_t *o;

        OK(cases_list(w->db, &open, mark, 7, &page, &next, &w->err));
        json_array_foreach (page, i, o) {
            assert_true(json_get_integer(o, "opened", 0) <= last);
            last = json_get_integer(o, "opened", 0);
        }
        seen += (int)json_array_size(page);
        json_decref(page);
        free(mark);
        mark = next;
    } while (next);
    assert_int_equal(seen, 24);
    GIVES(CASES_E_CURSOR, cases_list(w->db, NULL, "5.x", 7, &page, &next, &w->err));
    OK(cases_list(w->db, &(struct cases_filter){.procedure = "general"}, NULL, 100, &page, &next, &w->err));
    assert_int_equal(json_array_size(page), 12);
    assert_null(next);
    json_decref(page);
}

/* ---- the policy in force ---- */

static void write_policy(struct world *w, const char *effective, const char *routine, const char *disputed)
{
    char path[128], text[1500];

    snprintf(path, sizeof path, "%s/p.yaml", w->folder);
    snprintf(text, sizeof text,
             "policy: p\neffective: %s\ntimezone: Asia/Shanghai\nfloor: 6 months\nclasses:\n  routine: { "
             "cite: A, keep: %s }\n"
             "  disputed:\n    cite: Art. 18\n    when: { hold.ground: [complaint] }\n    keep: %s\n"
             "case_files:\n  general: { keep: 30 years, from: filed }\n  summary: { keep: 10 years, from: "
             "filed }\n",
             effective, routine, disputed);
    assert_int_equal(durable_write_file(AT_FDCWD, path, 0644, text, strlen(text)), 0);
}

static void expect_policy(struct world *w, struct policy_keeper *k, const char *version_begins,
                          const char *trouble)
{
    char have[800];

    policy_keeper_trouble(k, have, sizeof have);
    if (*trouble ? !strstr(have, trouble) : *have)
        fail_msg("wanted trouble \"%s\", have \"%s\"", trouble, have);
    if (strncmp(policy_version(policy_keeper_current(k)), version_begins, strlen(version_begins)) != 0)
        fail_msg("version %s", policy_version(policy_keeper_current(k)));
    (void)w;
}

static void keeper_settings(struct world *w)
{
    char yaml[300];

    snprintf(yaml, sizeof yaml, "site: { timezone: Asia/Shanghai }\npolicy: %s/p.yaml\n", w->folder);
    use_settings(w, yaml);
}

static void seal_many(struct world *w, struct policy_keeper *k, int n)
{
    w->policy = policy_free(w->policy);
    for (int i = 0; i < n; i++) {
        struct recording_id id = seal_as(w, arrival_of("x.mp4"), "video", RECEIVED + i);

        w->policy = (struct policy *)policy_keeper_current(k);
        assert_true(decide_it(w, id));
        w->policy = NULL;
    }
}

static void test_keeper(void **state)
{
    struct world *w = take(state);
    struct policy_keeper *k = NULL;
    const struct policy *first;

    keeper_settings(w);
    write_policy(w, "2026-01-01", "7 months", "permanent");
    OK(policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    expect_policy(w, k, "2026-01-01", "");
    first = policy_keeper_current(k);
    seal_many(w, k, 12);

    /* the same file again is no news */
    OK(policy_keeper_reload(k, w->settings, &w->err));
    assert_int_equal(count(w, "SELECT count(*) FROM policies"), 1);

    /* shorter, or on weaker terms: refused with names, the first stays */
    write_policy(w, "2026-02-01", "6 months", "permanent");
    OK(policy_keeper_reload(k, w->settings, &w->err));
    expect_policy(w, k, "2026-01-01", "12 recordings less long");
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE class = 'routine'"), 12);

    /* faulty: refused with the place of the fault */
    write_policy(w, "2026-02-01", "8 moons", "permanent");
    OK(policy_keeper_reload(k, w->settings, &w->err));
    expect_policy(w, k, "2026-01-01", "p.yaml:");

    /* longer: adopted, everything decided again */
    write_policy(w, "2026-03-01", "8 months", "permanent");
    OK(policy_keeper_reload(k, w->settings, &w->err));
    expect_policy(w, k, "2026-03-01", "");
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE policy LIKE '2026-03-01%'"), 12);
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'recording.decided'"), 24);
    assert_string_equal(policy_name(first), "p"); /* still valid */
    k = policy_keeper_free(k);

    /* after a restart the recorded version is in force, also when the file has become bad */
    write_policy(w, "2026-04-01", "8 moons", "permanent");
    OK(policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    expect_policy(w, k, "2026-03-01", "p.yaml:");
    policy_keeper_free(k);
}

/* Without an end is longer than any date. */
static void test_keeper_weaker_terms(void **state)
{
    struct world *w = take(state);
    struct policy_keeper *k = NULL;

    keeper_settings(w);
    write_policy(w, "2026-01-01", "permanent", "permanent");
    OK(policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    seal_many(w, k, 1);
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE ending = 'permanent'"), 1);
    write_policy(w, "2026-02-01", "200 years", "permanent");
    OK(policy_keeper_reload(k, w->settings, &w->err));
    expect_policy(w, k, "2026-01-01", "1 recording less long");
    policy_keeper_free(k);
}

static void test_keeper_resumes(void **state)
{
    struct world *w = take(state);
    struct policy_keeper *k = NULL;
    struct recording_id id;

    keeper_settings(w);
    write_policy(w, "2026-01-01", "7 months", "permanent");
    OK(policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    policy_keeper_free(k);
    id = decided(w); /* by another version: as if the daemon had died after adopting */
    k = NULL;
    OK(policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    (void)id;
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE policy LIKE '2026-01-01%'"), 1);
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'recording.decided'"), 2);
    policy_keeper_free(k);
}

static void test_keeper_first_faulty(void **state)
{
    struct world *w = take(state);
    struct policy_keeper *k = NULL;

    keeper_settings(w);
    write_policy(w, "2026-01-01", "1 month", "permanent");
    GIVES(-EINVAL, policy_keeper_new(w->writer, w->dsn, w->settings, &k, &w->err));
    assert_null(k);
    SAYS("p.yaml:");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        BOTH(test_routine),
        BOTH(test_recorded_end),
        BOTH(test_life_of_a_case),
        BOTH(test_procedure_changes),
        BOTH(test_holds),
        BOTH(test_bad_input),
        BOTH(test_cases_list),
        BOTH(test_keeper),
        BOTH(test_keeper_weaker_terms),
        BOTH(test_keeper_resumes),
        SQLITE(test_keeper_first_faulty),
    };

    return cmocka_run_group_tests_name("decide", tests, NULL, NULL);
}
