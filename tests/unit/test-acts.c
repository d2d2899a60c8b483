/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Acts: their canonical text, the folding of case numbers, and applying: what each kind does to the rows, and what each refuses.
 */
#include "cases-fixture.h"

static const char ghost[] = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

static struct act sample(json_t *facts)
{
    return (struct act){"case.added", 1763895907000001, "user:li", "node1", ghost, facts};
}

static void test_encode_decode(void **state)
{
    _cleanup_json_ json_t *facts = json_pack("{s:s, s:i}", "number", "本溪卫医罚〔2026〕12号", "a", 1),
                          *root = NULL;
    struct act a = sample(facts), b;
    struct error err = ERROR_INIT;
    _cleanup_free_ char *text = NULL, *again = NULL;
    size_t size;

    assert_int_equal(act_encode(&a, &text, &size, &err), 0);
    assert_string_equal(
        text, "{\"actor\":\"user:li\",\"facts\":{\"a\":1,\"number\":\"本溪卫医罚〔2026〕12号\"},\"kind\":"
              "\"case.added\",\"node\":\"node1\",\"subject\":\"01ARZ3NDEKTSV4RRFFQ69G5FAV\",\"time\":"
              "1763895907000001}");
    assert_int_equal(size, strlen(text));
    assert_int_equal(act_decode(text, size, &b, &root, &err), 0);
    assert_string_equal(b.kind, "case.added");
    assert_int_equal(b.time_usec, 1763895907000001);
    assert_string_equal(b.actor, "user:li");
    assert_int_equal(act_encode(&b, &again, NULL, &err), 0);
    assert_string_equal(text, again);
}

static void test_encode_refuses(void **state)
{
    _cleanup_json_ json_t *real = json_pack("{s:f}", "x", 1.5), *large = json_object();
    struct act a = sample(real);
    struct error err = ERROR_INIT;
    char *text = NULL, *long_text = calloc(1, 70000);

    assert_int_equal(act_encode(&a, &text, NULL, &err), -EINVAL);
    memset(long_text, 'x', 69999);
    json_object_set_new(large, "x", json_string(long_text));
    free(long_text);
    a.facts = large;
    assert_int_equal(act_encode(&a, &text, NULL, &err), -EMSGSIZE);
    assert_non_null(strstr(err.text, "65535"));
    assert_null(text);
}

static void test_decode_refuses(void **state)
{
    static const char *const bad[] = {
        "",
        "{",
        "[]",
        "null",
        "{}",
        "{\"actor\":\"a\",\"facts\":{},\"kind\":\"k\",\"node\":\"n\",\"subject\":\"s\"}",
        "{\"actor\":\"a\",\"facts\":[],\"kind\":\"k\",\"node\":\"n\",\"subject\":\"s\",\"time\":1}",
        "{\"actor\":1,\"facts\":{},\"kind\":\"k\",\"node\":\"n\",\"subject\":\"s\",\"time\":1}",
        "{\"actor\":\"a\",\"facts\":{},\"kind\":\"k\",\"node\":\"n\",\"subject\":\"s\",\"time\":1.5}",
        "{\"actor\":\"a\",\"facts\":{},\"kind\":\"k\",\"node\":\"n\",\"subject\":\"s\",\"time\":1} x"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = ERROR_INIT;
        json_t *root = NULL;
        struct act a;

        assert_int_equal(act_decode(bad[i], strlen(bad[i]), &a, &root, &err), -EINVAL);
        assert_null(root);
        assert_true(err.text[0]);
    }
}

static void test_fold(void **state)
{
    static const char *const same[] = {"本溪卫医罚〔2026〕12号",        "本溪卫医罚[2026] 12号",
                                       "本溪卫医罚（2026）12号",        "本溪卫医罚【2026】１２号",
                                       " 本溪卫医罚［２０２６］12 号 ", "本溪卫医罚{2026}12\xE3\x80\x80号",
                                       "本溪卫医罚<2026>12号",          "\xEF\xBB\xBF本溪卫医罚〖2026〗12号"};
    char *x;

    for (size_t i = 0; i < ARRAY_SIZE(same); i++) {
        x = case_number_fold(same[i]);
        assert_string_equal(x, "本溪卫医罚(2026)12号");
        free(x);
    }
    x = case_number_fold("ＡB-c–D");
    assert_string_equal(x, "ab-c-d");
    free(x);
    x = case_number_fold(" \t\n");
    assert_string_equal(x, "");
    free(x);
    assert_null(case_number_fold("bad \xff"));
}

static void test_sealed(void **state)
{
    struct world *w = take(state);
    struct recording_id id = seal(w, "a/b%0A.mp4");
    _cleanup_json_ json_t *o = show(w, id), *facts = sealed_facts(arrival_of("x"), "video");
    json_t *copy;

    assert_string_equal(json_get_string(o, "status"), "new");
    assert_string_equal(json_get_string(o, "kind"), "video");
    assert_int_equal(json_array_size(json_get_array(o, "arrivals")), 1);
    assert_string_equal(json_get_string(json_get_object(o, "arrival"), "path"), "a/b%0A.mp4");

    GIVES(DB_E_CONSTRAINT, act(w, "recording.sealed", id.text, 0, sealed_facts(arrival_of("y"), "video")));
    GIVES(ACT_E_REFUSED, act(w, "recording.sealed", "no-ulid", 0, json_incref(facts)));
    copy = json_deep_copy(facts);
    json_object_del(copy, "arrival");
    GIVES(ACT_E_REFUSED, act(w, "recording.sealed", ghost, 0, copy));
    copy = json_deep_copy(facts);
    json_object_set_new(copy, "digest", json_string("12"));
    GIVES(ACT_E_REFUSED, act(w, "recording.sealed", ghost, 0, copy));
    copy = json_deep_copy(facts);
    json_object_set_new(copy, "kind", json_string("film"));
    GIVES(DB_E_CONSTRAINT, act(w, "recording.sealed", ghost, 0, copy));
    OK(act(w, "recording.arrived-again", id.text, 0, json_pack("{s:o}", "arrival", arrival_of("again.mp4"))));
    GIVES(ACT_E_REFUSED, act(w, "recording.arrived-again", id.text, 0, json_object()));
    assert_int_equal(count(w, "SELECT count(*) FROM arrivals"), 2);
    assert_int_equal(count(w, "SELECT count(*) FROM acts"), 2);
    GIVES(ACT_E_REFUSED, act(w, "recording.vanished", id.text, 0, json_object()));
    SAYS("newer");
}

static void test_examined(void **state)
{
    struct world *w = take(state);
    struct recording_id id = seal(w, "a.bin");
    json_t *o;

    OK(act(w, "recording.examined", id.text, 0,
           json_pack("{s:s, s:s, s:{s:i}}", "status", "damaged", "message", "cut off", "media",
                     "duration_usec", 5)));
    o = show(w, id);
    assert_string_equal(json_get_string(o, "status"), "damaged");
    assert_string_equal(json_get_string(o, "kind"), "video"); /* not said: stays */
    assert_string_equal(json_get_string(o, "message"), "cut off");
    json_decref(o);
    OK(act(w, "recording.examined", id.text, 0,
           json_pack("{s:s, s:s, s:{}}", "status", "ok", "kind", "photo", "media")));
    o = show(w, id);
    assert_string_equal(json_get_string(o, "kind"), "photo");
    assert_null(json_get_string(o, "message"));
    json_decref(o);
    GIVES(ACT_E_REFUSED, act(w, "recording.examined", ghost, 0, json_pack("{s:s}", "status", "ok")));
    GIVES(DB_E_CONSTRAINT, act(w, "recording.examined", id.text, 0, json_pack("{s:s}", "status", "fine")));
}

static void test_placed_and_decided(void **state)
{
    struct world *w = take(state);
    struct recording_id id = seal(w, "a.mp4");
    json_t *o;

    OK(act(w, "recording.placed", id.text, 0,
           json_pack("{s:{s:{s:s}, s:{s:I, s:s}, s:{s:I, s:s}, s:{s:s}}, s:s, s:I}", "place", "device",
                     "value", "cam1", "started", "value", (json_int_t)1000, "certainty", "certain", "ended",
                     "value", (json_int_t)2000, "certainty", "probable", "case_number", "value", "A〔1〕",
                     "take", ghost, "sort", (json_int_t)1000)));
    o = show(w, id);
    assert_string_equal(json_get_string(o, "device"), "cam1");
    assert_int_equal(json_get_integer(o, "started", 0), 1000);
    assert_int_equal(json_get_integer(o, "ended", 0), 2000);
    assert_int_equal(json_get_integer(o, "sort", 0), 1000);
    assert_string_equal(json_get_string(o, "certainty"), "probable"); /* the lower of both */
    assert_string_equal(json_get_string(o, "take"), ghost);
    json_decref(o);
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE case_key = 'a(1)'"), 1);

    GIVES(ACT_E_REFUSED, act(w, "recording.placed", id.text, 0, json_object()));
    GIVES(ACT_E_REFUSED, act(w, "recording.placed", ghost, 0, json_pack("{s:{}}", "place")));
    GIVES(ACT_E_REFUSED,
          act(w, "recording.placed", id.text, 0, json_pack("{s:{}, s:s}", "place", "merged_take", ghost)));

    OK(act(w, "recording.decided", id.text, 0,
           json_pack("{s:s, s:s, s:I, s:[], s:s}", "class", "routine", "ending", "date", "until",
                     (json_int_t)7, "reasons", "version", "v1")));
    o = show(w, id);
    assert_int_equal(json_get_integer(o, "until", 0), 7);
    assert_string_equal(json_get_string(o, "policy"), "v1");
    json_decref(o);
    OK(act(
        w, "recording.decided", id.text, 0,
        json_pack("{s:s, s:s, s:I}", "class", "disputed", "ending", "permanent", "disc_due", (json_int_t)9)));
    o = show(w, id);
    assert_null(json_object_get(o, "until"));
    assert_int_equal(json_get_integer(o, "disc_due", 0), 9);
    json_decref(o);
    GIVES(ACT_E_REFUSED, act(w, "recording.decided", ghost, 0, json_object()));
}

static json_t *case_facts(const char *number)
{
    return json_pack("{s:s, s:s, s:I}", "number", number, "procedure", "general", "opened", (json_int_t)5);
}

static void test_cases(void **state)
{
    struct world *w = take(state);
    struct case_id id, found;

    ulid_make(clock_now_usec(), id.text);
    GIVES(ACT_E_REFUSED, act(w, "case.added", id.text, 0, json_object()));
    GIVES(ACT_E_REFUSED, act(w, "case.added", id.text, 0, case_facts(" ")));
    OK(act(w, "case.added", id.text, 0, case_facts("A〔2026〕1号")));
    GIVES(ACT_E_REFUSED, act(w, "case.added", ghost, 0, case_facts("a[2026] 1号")));
    OK(case_by_number(w->db, "A(2026)1号", &found, &w->err));
    assert_string_equal(found.text, id.text);
    GIVES(CASES_E_NONE, case_by_number(w->db, "A(2026)2号", &found, &w->err));

    OK(act(w, "case.set", id.text, 0, json_pack("{s:s}", "title", "T")));
    GIVES(ACT_E_REFUSED, act(w, "case.set", ghost, 0, json_pack("{s:s}", "title", "T")));
    GIVES(ACT_E_REFUSED, act(w, "case.set", id.text, 0, json_pack("{s:s}", "procedure", "odd")));
    GIVES(ACT_E_REFUSED, act(w, "case.set", id.text, 0, json_pack("{s:s}", "number", "")));
    OK(act(w, "case.added", ghost, 0, case_facts("B")));
    GIVES(ACT_E_REFUSED, act(w, "case.set", id.text, 0, json_pack("{s:s}", "number", "b")));

    GIVES(ACT_E_REFUSED, act(w, "case.filed", id.text, 0, json_object()));
    GIVES(ACT_E_REFUSED, act(w, "case.reopened", id.text, 0, json_object()));
    OK(act(w, "case.ended", id.text, 0, json_pack("{s:I}", "ended", (json_int_t)6)));
    GIVES(ACT_E_REFUSED, act(w, "case.ended", id.text, 0, json_object()));
    OK(act(w, "case.reopened", id.text, 0, json_object()));
    OK(act(w, "case.ended", id.text, 0, json_pack("{s:I}", "ended", (json_int_t)6)));
    OK(act(w, "case.filed", id.text, 0, json_pack("{s:I}", "filed", (json_int_t)7)));
    GIVES(ACT_E_REFUSED, act(w, "case.filed", id.text, 0, json_object()));
    GIVES(ACT_E_REFUSED, act(w, "case.reopened", id.text, 0, json_object()));
    GIVES(ACT_E_REFUSED, act(w, "case.ended", ghost + 1, 0, json_object()));
    assert_int_equal(
        count(w, "SELECT count(*) FROM cases WHERE state = 'filed' AND ended_usec = 6 AND filed_usec = 7"),
        1);
}

static void test_links_and_holds(void **state)
{
    struct world *w = take(state);
    struct recording_id id = seal(w, "a.mp4");
    char hold[ULID_LENGTH + 1], other[ULID_LENGTH + 1];

    ulid_make(clock_now_usec(), hold);
    ulid_make(clock_now_usec(), other);
    OK(act(w, "case.added", ghost, 0, case_facts("B")));
    GIVES(ACT_E_REFUSED,
          act(w, "link.added", other, 0, json_pack("{s:s, s:s}", "case", ghost, "role", "context")));
    GIVES(ACT_E_REFUSED,
          act(w, "link.added", id.text, 0, json_pack("{s:s, s:s}", "case", other, "role", "context")));
    GIVES(ACT_E_REFUSED,
          act(w, "link.added", id.text, 0, json_pack("{s:s, s:s}", "case", ghost, "role", "friend")));
    GIVES(ACT_E_REFUSED, act(w, "link.removed", id.text, 0, json_pack("{s:s}", "case", ghost)));
    OK(act(w, "link.added", id.text, 0, json_pack("{s:s, s:s}", "case", ghost, "role", "context")));
    OK(act(w, "link.added", id.text, 0,
           json_pack("{s:s, s:s, s:s}", "case", ghost, "role", "evidence", "step", "送达")));
    assert_int_equal(count(w, "SELECT links FROM recordings"), 1);
    assert_int_equal(count(w, "SELECT count(*) FROM links WHERE role = 'evidence' AND step = '送达'"), 1);
    OK(act(w, "link.removed", id.text, 0, json_pack("{s:s}", "case", ghost)));
    assert_int_equal(count(w, "SELECT links FROM recordings"), 0);

    GIVES(ACT_E_REFUSED, act(w, "hold.added", hold, 0, json_pack("{s:s}", "ground", "complaint")));
    GIVES(ACT_E_REFUSED,
          act(w, "hold.added", hold, 0,
              json_pack("{s:s, s:s, s:s}", "ground", "complaint", "recording", id.text, "case", ghost)));
    GIVES(ACT_E_REFUSED,
          act(w, "hold.added", hold, 0, json_pack("{s:s, s:s}", "ground", "other", "recording", id.text)));
    GIVES(ACT_E_REFUSED,
          act(w, "hold.added", hold, 0, json_pack("{s:s, s:s}", "ground", "audit", "recording", other)));
    GIVES(ACT_E_REFUSED, act(w, "hold.lifted", hold, 0, json_object()));
    OK(act(w, "hold.added", hold, 0,
           json_pack("{s:s, s:s, s:s}", "ground", "audit", "recording", id.text, "about", id.text)));
    OK(act(w, "hold.added", other, 0,
           json_pack("{s:s, s:s, s:s}", "ground", "audit", "case", ghost, "about", ghost)));
    assert_int_equal(count(w, "SELECT holds FROM recordings"), 1);
    OK(act(w, "hold.lifted", hold, 0, json_pack("{s:s}", "about", id.text)));
    GIVES(ACT_E_REFUSED, act(w, "hold.lifted", hold, 0, json_object()));
    OK(act(w, "hold.lifted", other, 0, json_object()));
    assert_int_equal(count(w, "SELECT holds FROM recordings"), 0);
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE object IS NOT NULL"), 6);

    OK(act(w, "item.quarantined", other, 0,
           json_pack("{s:s, s:s, s:s}", "door", "d", "path", "p", "reason", "r")));
    GIVES(DB_E_CONSTRAINT, act(w, "item.quarantined", hold, 0, json_object()));
    assert_int_equal(count(w, "SELECT count(*) FROM quarantined"), 1);
}

static void link_to(struct world *w, const struct recording_id *id, const char *case_id)
{
    OK(act(w, "link.added", id->text, 0, json_pack("{s:s, s:s}", "case", case_id, "role", "context")));
}

/* Column held counts what keeps a recording now, whichever came first: hold or link. */
static void test_held(void **state)
{
    struct world *w = take(state);
    struct recording_id a = seal(w, "a.mp4"), b = seal(w, "b.mp4");
    char own[ULID_LENGTH + 1], of_case[ULID_LENGTH + 1];

    ulid_make(clock_now_usec(), own);
    ulid_make(clock_now_usec(), of_case);
    OK(act(w, "case.added", ghost, 0, case_facts("B")));
    link_to(w, &a, ghost);
    OK(act(w, "hold.added", of_case, 0, json_pack("{s:s, s:s}", "ground", "audit", "case", ghost)));
    assert_int_equal(count(w, "SELECT CAST(SUM(held) AS BIGINT) FROM recordings"), 1);
    link_to(w, &b, ghost);
    link_to(w, &b, ghost); /* again changes nothing */
    assert_int_equal(count(w, "SELECT CAST(SUM(held) AS BIGINT) FROM recordings"), 2);
    OK(act(w, "hold.added", own, 0, json_pack("{s:s, s:s}", "ground", "audit", "recording", b.text)));
    assert_int_equal(count(w, "SELECT MAX(held) FROM recordings"), 2);
    assert_int_equal(count(w, "SELECT CAST(SUM(holds) AS BIGINT) FROM recordings"), 1);
    OK(act(w, "link.removed", b.text, 0, json_pack("{s:s}", "case", ghost)));
    assert_int_equal(count(w, "SELECT MAX(held) FROM recordings"), 1);
    OK(act(w, "hold.lifted", of_case, 0, json_object()));
    assert_int_equal(count(w, "SELECT CAST(SUM(held) AS BIGINT) FROM recordings"), 1);
    OK(act(w, "hold.lifted", own, 0, json_object()));
    assert_int_equal(count(w, "SELECT CAST(SUM(held) AS BIGINT) FROM recordings"), 0);
    link_to(w, &b, ghost); /* the case's hold was lifted */
    assert_int_equal(count(w, "SELECT CAST(SUM(held) AS BIGINT) FROM recordings"), 0);
}

/* The refused act leaves neither row nor leaf: what was said is what is in the ledger. */
static void test_leaves(void **state)
{
    struct world *w = take(state);
    _cleanup_free_ char *entry = NULL;
    size_t size;

    OK(act(w, "case.added", ghost, 77, case_facts("B")));
    GIVES(ACT_E_REFUSED, act(w, "case.reopened", ghost, 0, json_object()));
    OK(act(w, "case.ended", ghost, 0, json_object()));
    assert_int_equal(ledger_size(w->ledger), 2);
    OK(ledger_read_entry(w->ledger, 0, &entry, &size, &w->err));
    assert_non_null(strstr(entry, "\"kind\":\"case.added\""));
    assert_non_null(strstr(entry, "\"time\":77"));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_encode_decode),
        cmocka_unit_test(test_encode_refuses),
        cmocka_unit_test(test_decode_refuses),
        cmocka_unit_test(test_fold),
        BOTH(test_sealed),
        BOTH(test_examined),
        BOTH(test_placed_and_decided),
        BOTH(test_cases),
        BOTH(test_links_and_holds),
        BOTH(test_held),
        BOTH(test_leaves),
    };

    return cmocka_run_group_tests_name("acts", tests, NULL, NULL);
}
