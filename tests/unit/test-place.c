/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Placing: patterns and their limits, times in names, which source is believed, doubtful and contradicting times, takes in any
 * order of arrival, and links to cases that are there or come later.
 */
#include "cases-fixture.h"

#include "cases/place-facts.h"
#include "cases/place-rule.h"
#include "cases/place-time.h"
#include "catalogue/place-rows.h"

static const char *value(const json_t *place, const char *key)
{
    return json_get_string(json_get_object(place, key), "value");
}

static int64_t when(const json_t *place, const char *key)
{
    return json_get_integer(json_get_object(place, key), "value", -1);
}

static const char *certainty(const json_t *place, const char *key)
{
    return json_get_string(json_get_object(place, key), "certainty");
}

static const char *source(const json_t *place, const char *key)
{
    return json_get_string(json_get_object(place, key), "source");
}

/* ---- patterns ---- */

static void test_rule_compile(void **state)
{
    static const struct {
        const char *pattern, *says;
    } bad[] = {{"(", "character 2"},
               {"(?<device>[)", "not understood"},
               {"(?<camera>x)", "named camera"},
               {"(?<camera>x)",
                "known are device, officer, unit, case, channel, seq, date, time, end_date, "
                "end_time, datetime, start, end, year, month, day, hour, minute, second, epoch"},
               {"a\\C", "not understood"}};
    struct error err = ERROR_INIT;
    struct place_rule *r = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_int_equal(place_rule_compile(bad[i].pattern, &r, &err), -EINVAL);
        if (!strstr(err.text, bad[i].says))
            fail_msg("%s: %s", bad[i].pattern, err.text);
        assert_null(r);
    }
    assert_int_equal(place_rule_compile("abc", &r, &err), 0);
    assert_false(place_rule_has_groups(r));
    place_rule_free(r);
}

static int match(const char *pattern, const char *name, size_t size, struct place_match *m)
{
    _cleanup_(place_rule_freep) struct place_rule *r = NULL;
    struct error err = ERROR_INIT;

    if (place_rule_compile(pattern, &r, &err) != 0)
        fail_msg("%s: %s", pattern, err.text);
    return place_rule_match(r, name, size, m);
}

static void test_rule_match(void **state)
{
    struct place_match m = {{NULL}, false};

    assert_int_equal(match("^(?<device>[A-Z0-9]+)_(?<officer>\\w+)?", "B7_x", 4, &m), 1);
    assert_string_equal(m.values[PLACE_DEVICE], "B7");
    assert_string_equal(m.values[PLACE_OFFICER], "x");
    assert_null(m.values[PLACE_UNIT]);
    place_match_done(&m);
    assert_int_equal(match("^(?<device>\\d+)$", "B7", 2, &m), 0);

    /* one name in two alternatives; 处 is one character; a broken byte is no character */
    assert_int_equal(match("(?J)^(?:a(?<unit>.)|b(?<unit>.))", "b\xE5\xA4\x84", 4, &m), 1);
    assert_string_equal(m.values[PLACE_UNIT], "\xE5\xA4\x84");
    place_match_done(&m);
    assert_int_equal(match("(?<unit>b+)",
                           "a\xff\xfe"
                           "bb",
                           5, &m),
                     1);
    assert_string_equal(m.values[PLACE_UNIT], "bb");
    place_match_done(&m);

    /* control characters and NUL are matched but not kept */
    assert_int_equal(match("^(?<device>[\\s\\S]+)\\.mp4", "a\0b\n.mp4", 8, &m), 1);
    assert_null(m.values[PLACE_DEVICE]);
    assert_true(m.cut);
    place_match_done(&m);
}

static void test_rule_cannot_run_away(void **state)
{
    static const char *const patterns[] = {"^(?<device>(a+)+)+$", "^(?<device>(a|a)*)*b$",
                                           "(?<device>(.*)*)x(.*)*y(.*)*z", "(?<device>(?:a(?R)?b?)+)c"};
    int64_t before = clock_monotonic_usec();
    char name[4096];

    memset(name, 'a', sizeof name);
    name[sizeof name - 1] = '!';
    for (size_t i = 0; i < ARRAY_SIZE(patterns); i++) {
        struct place_match m = {{NULL}, false};
        int r = match(patterns[i], name, sizeof name, &m);

        assert_true(r == 0 || r == -ELOOP || r == -ENOMEM);
        place_match_done(&m);
    }
    assert_true(clock_monotonic_usec() - before < 20 * USEC_PER_SEC);
}

/* ---- times ---- */

static void test_times(void **state)
{
    static const struct {
        const char *pattern, *name, *start, *end; /* UTC; NULL = none */
    } rows[] = {
        {"(?<datetime>\\d{14})", "20261123090507", "2026-11-23T01:05:07Z", NULL},
        {"(?<datetime>\\d{8}T\\d{6}Z)", "20261123T090507Z", "2026-11-23T09:05:07Z", NULL},
        {"(?<start>.+)", "2026-11-23 09-05-07", "2026-11-23T01:05:07Z", NULL},
        {"(?<start>.+)", "2026_11_23_09_05", "2026-11-23T01:05:00Z", NULL},
        {"(?<date>\\d+)_(?<time>\\d+)", "20261123_090507", "2026-11-23T01:05:07Z", NULL},
        {"(?<date>[\\d-]+) (?<time>[\\d.]+)", "2026-11-23 09.05.07", "2026-11-23T01:05:07Z", NULL},
        {"(?<date>\\d+)_(?<time>\\d+)_(?<end_time>\\d+)", "20261123_235900_001000", "2026-11-23T15:59:00Z",
         "2026-11-23T16:10:00Z"},
        {"(?<date>\\d+)_(?<time>\\d+)_(?<end_date>\\d+)_(?<end_time>\\d+)", "20261123_235900_20261125_001000",
         "2026-11-23T15:59:00Z", "2026-11-24T16:10:00Z"},
        {"(?<start>\\d{14})-(?<end>\\d{14})", "20261123090507-20261123091007", "2026-11-23T01:05:07Z",
         "2026-11-23T01:10:07Z"},
        {"(?<year>\\d\\d)(?<month>\\d\\d)(?<day>\\d\\d)(?<hour>\\d\\d)(?<minute>\\d\\d)", "2611230905",
         "2026-11-23T01:05:00Z", NULL},
        {"(?<epoch>\\d+)", "1763888707", "2025-11-23T09:05:07Z", NULL},
        {"(?<epoch>\\d+)", "1763888707000", "2025-11-23T09:05:07Z", NULL},
        {"(?<date>\\d+)", "20261123", NULL, NULL},
        {"(?<time>\\d+)", "090507", NULL, NULL},
    };
    struct zone *z;

    assert_int_equal(zone_new("Asia/Shanghai", &z), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place_match m = {{NULL}, false};
        const char *what;
        int64_t start, end;

        assert_int_equal(match(rows[i].pattern, rows[i].name, strlen(rows[i].name), &m), 1);
        if (place_time_read(&m, z, &start, &end, &what) != 0)
            fail_msg("%s: %s", rows[i].name, what);
        if (start != (rows[i].start ? usec_of(rows[i].start) : INT64_MIN) ||
            end != (rows[i].end ? usec_of(rows[i].end) : INT64_MIN))
            fail_msg("%s: %lld %lld", rows[i].name, (long long)start, (long long)end);
        place_match_done(&m);
    }
    zone_free(z);
}

static void test_no_times(void **state)
{
    static const char *const rows[][2] = {
        {"(?<datetime>\\d+)", "20261323090507"},
        {"(?<datetime>\\d+)", "20261123250507"},
        {"(?<datetime>\\d+)", "202611230905071"},
        {"(?<datetime>\\d+)", "2026"},
        {"(?<epoch>\\d+)", "123456789012"},
        {"(?<date>\\w+)_(?<time>\\w+)", "2026112_090507"},
        {"(?<year>\\d+)-(?<month>\\d+)-(?<day>\\d+)-(?<hour>\\d+)", "2026-02-30-11"},
        {"(?<year>\\d+)-(?<hour>\\d+)", "2026-11"}};

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct place_match m = {{NULL}, false};
        const char *what = NULL;
        int64_t start, end;

        assert_int_equal(match(rows[i][0], rows[i][1], strlen(rows[i][1]), &m), 1);
        if (place_time_read(&m, NULL, &start, &end, &what) != -EINVAL)
            fail_msg("%s is taken for a time", rows[i][1]);
        assert_non_null(what);
        assert_int_equal(start, INT64_MIN);
        place_match_done(&m);
    }
}

/* ---- settings ---- */

static void on_first_fault(void *userdata, const struct error *fault)
{
    struct error *first = userdata;

    if (!first->code)
        *first = *fault;
}

static void test_faulty_rules(void **state)
{
    static const char *const yaml[] = {
        "place:\n  - { name: a, match: '(?<device>x' }\n", "place:\n  - { name: a, match: 'abc' }\n",
        "place:\n  - { name: ok, match: abc, device: d }\n  - { name: a, match: '(?<kamera>x)' }\n"};

    for (size_t i = 0; i < ARRAY_SIZE(yaml); i++) {
        _cleanup_(settings_freep) struct settings *s = NULL;
        struct error first = ERROR_INIT;
        struct placer *p = NULL;

        assert_int_equal(settings_parse(yaml[i], strlen(yaml[i]), "r.yaml", NULL, NULL, &s), 0);
        assert_int_equal(placer_new(s, on_first_fault, &first, &p), -EINVAL);
        assert_null(p);
        assert_non_null(strstr(first.object, "r.yaml:"));
        assert_non_null(strstr(first.text, "place rule a"));
    }
}

/* ---- which source is believed ---- */

static const char rules[] =
    "site: { timezone: Asia/Shanghai }\n"
    "folders: [ { path: /nowhere/elsewhere } ]\n"
    "place:\n"
    "  - name: dock\n"
    "    on: path\n"
    "    certainty: certain\n"
    "    match: '^(?<unit>[^/]+)/(?<officer>[^/]+)/(?<device>[^/]+)/(?<date>20[0-9]{6})/(?<time>[0-9]{6})'\n"
    "  - name: dahua\n"
    "    match: '(?:^|_)ch(?<channel>[0-9]+)_(?:main|sub|extra)_(?<start>20[0-9]{12})_(?<end>20[0-9]{12})'\n"
    "  - name: clip\n"
    "    match: '^(?<device>[A-Z][0-9]+)_(?<datetime>20[0-9]{12})(?:_(?<seq>[0-9]+))?\\.'\n"
    "  - name: case\n"
    "    match: '^(?<case>[^_]*\\[20[0-9]{2}\\][0-9]+号)'\n"
    "  - name: only-there\n"
    "    folder: elsewhere\n"
    "    match: '.'\n"
    "    unit: wrong\n";

#define RECEIVED usec_of("2026-11-23T12:00:00Z")

/* Works a place out from an arrival (taken), with media as JSON text or NULL. */
static json_t *work_out(struct world *w, json_t *arrival, const char *media_text, int64_t *ret_sort)
{
    _cleanup_json_ json_t *media = NULL, *decoded = NULL;
    json_t *place = NULL;

    if (media_text)
        OK(json_parse(media_text, strlen(media_text), "media", &media, &w->err));
    decoded = json_incref(json_object_get(media, "decoded of the test"));
    OK(place_work_out(w->placer, arrival, media, decoded, RECEIVED, NULL, &place, ret_sort, &w->err));
    json_decref(arrival);
    return place;
}

static void test_dock_layout(void **state)
{
    struct world *w = take(state);
    _cleanup_json_ json_t *p = NULL;
    int64_t sort;

    use_settings(w, rules);
    p = work_out(w, arrival_of("执法一科/li/B7/20261123/090507.mp4"), "{\"duration_usec\":600000000}", &sort);
    assert_string_equal(value(p, "unit"), "执法一科");
    assert_string_equal(value(p, "officer"), "li");
    assert_string_equal(value(p, "device"), "B7");
    assert_string_equal(source(p, "device"), "rule:dock");
    assert_int_equal(when(p, "started"), usec_of("2026-11-23T01:05:07Z"));
    assert_string_equal(certainty(p, "started"), "certain");
    assert_int_equal(when(p, "ended"), usec_of("2026-11-23T01:15:07Z"));
    assert_string_equal(source(p, "ended"), "started + duration");
    assert_int_equal(sort, usec_of("2026-11-23T01:05:07Z"));
    assert_null(json_object_get(p, "notes"));
    assert_null(json_object_get(p, "mtime_hint"));
}

static const char qr_rules[] = "place:\n"
                               "  - name: plain\n"
                               "    on: qr\n"
                               "    match: '^(?<case>20[0-9]{2}-[0-9]+)$'\n"
                               "  - name: clip\n"
                               "    match: '^(?<device>[A-Z][0-9]+)_(?<officer>[a-z]+)[.]'\n";

/* What a QR code says is probable; it stands above what names say, and below folders, sidecars and certain rules. */
static void test_qr_codes(void **state)
{
    struct world *w = take(state);
    json_t *a = arrival_of("B7_wang.mp4"), *p;
    int64_t sort;

    use_settings(w, qr_rules);
    p = work_out(w, json_incref(a),
                 "{\"decoded of the "
                 "test\":{\"qr\":[\"LIUHEN:case=2026-12;officer=li;unit=%e4%b8%80%3B;x=y;;zone=\"]}}",
                 &sort);
    assert_string_equal(value(p, "case_number"), "2026-12");
    assert_string_equal(source(p, "case_number"), "qr");
    assert_string_equal(certainty(p, "case_number"), "probable");
    assert_string_equal(value(p, "officer"), "li");
    assert_string_equal(value(p, "unit"), "一;");
    assert_string_equal(value(p, "device"), "B7");
    assert_null(json_object_get(p, "notes"));
    json_decref(p);

    p = work_out(w, json_incref(a),
                 "{\"decoded of the test\":{\"qr\":[\"https://example.org\",\"2026-77\"]}}", &sort);
    assert_string_equal(value(p, "case_number"), "2026-77");
    assert_string_equal(source(p, "case_number"), "qr:plain");
    assert_string_equal(certainty(p, "case_number"), "probable");
    assert_string_equal(value(p, "officer"), "wang");
    json_decref(p);

    json_object_set_new(a, "officer", json_string("chen"));
    json_object_set_new(a, "sidecar", json_pack("{s:s}", "case", "2026-1"));
    p = work_out(w, json_incref(a),
                 "{\"decoded of the test\":{\"qr\":[\"LIUHEN:case=2026-12;officer=li\",7]}}", &sort);
    assert_string_equal(value(p, "case_number"), "2026-1");
    assert_string_equal(source(p, "case_number"), "sidecar");
    assert_string_equal(value(p, "officer"), "chen");
    assert_int_equal(json_array_size(json_object_get(p, "notes")), 2);
    json_decref(p);

    p = work_out(
        w, a, "{\"decoded of the test\":{\"qr\":[\"LIUHEN:case=%zz;officer=%0a;unit\",\"LIUHEN:\"]}}", &sort);
    assert_null(json_object_get(p, "unit"));
    assert_int_equal(json_array_size(json_object_get(p, "notes")), 2);
    json_decref(p);
}

static void test_priority(void **state)
{
    struct world *w = take(state);
    json_t *a = arrival_of("u/o/B7/20261123/090507.mp4"), *p;
    int64_t sort;

    use_settings(w, rules);
    /* folder constants stand below certain rules, above probable ones, above media */
    json_object_set_new(a, "device", json_string("folder-device"));
    p = work_out(w, json_incref(a), NULL, &sort);
    assert_string_equal(value(p, "device"), "B7");
    json_decref(p);
    json_object_set_new(a, "path", json_string("C9_20261123090507_0003.mp4"));
    p = work_out(w, json_incref(a), "{\"device\":{\"make\":\"M\",\"model\":\"X\",\"serial\":\"1\"}}", &sort);
    assert_string_equal(value(p, "device"), "folder-device");
    assert_string_equal(source(p, "device"), "folder:dock");
    assert_string_equal(value(p, "seq"), "0003");
    assert_string_equal(source(p, "seq"), "rule:clip");
    assert_string_equal(certainty(p, "started"), "probable");
    assert_null(value(p, "unit"));
    json_decref(p);
    json_object_del(a, "device");
    p = work_out(w, json_incref(a), "{\"device\":{\"make\":\"M\",\"model\":\"X\",\"serial\":\"1\"}}", &sort);
    assert_string_equal(value(p, "device"), "C9");
    json_decref(p);

    /* the sidecar is believed most */
    json_object_set_new(a, "sidecar",
                        json_pack("{s:s, s:i, s:s, s:s, s:s, s:s}", "device", "S", "seq", 7, "started",
                                  "2026-11-23T09:00:00+08:00", "case", "A〔2026〕1号", "role", "evidence",
                                  "step", "送达"));
    p = work_out(w, json_incref(a), NULL, &sort);
    assert_string_equal(value(p, "device"), "S");
    assert_string_equal(value(p, "seq"), "7");
    assert_string_equal(source(p, "seq"), "sidecar");
    assert_string_equal(json_get_string(json_get_object(p, "case_number"), "role"), "evidence");
    assert_string_equal(json_get_string(json_get_object(p, "case_number"), "step"), "送达");
    assert_int_equal(when(p, "started"), usec_of("2026-11-23T01:00:00Z"));
    /* five minutes beside the name's time: kept, but no longer certain */
    assert_string_equal(certainty(p, "started"), "probable");
    assert_int_equal(when(json_get_object(p, "started"), "conflict"), usec_of("2026-11-23T01:05:07Z"));
    json_decref(p);
    json_decref(a);
}

static void test_media_only(void **state)
{
    struct world *w = take(state);
    json_t *p;
    int64_t sort;

    p = work_out(w, arrival_of("x.mp4"),
                 "{\"started_local\":\"2026-11-23T09:05:07\",\"started_certainty\":\"certain\",\"started_"
                 "source\":\"exif\","
                 "\"device\":{\"make\":\"M\",\"model\":\"X\"},\"duration_usec\":1000000}",
                 &sort);
    assert_int_equal(when(p, "started"), usec_of("2026-11-23T01:05:07Z")); /* the folder's zone */
    assert_string_equal(certainty(p, "started"), "probable");
    assert_string_equal(source(p, "started"), "media:exif");
    assert_string_equal(value(p, "device"), "M X");
    assert_string_equal(certainty(p, "device"), "doubtful");
    json_decref(p);

    p = work_out(w, arrival_of("x.mp4"), NULL, &sort);
    assert_null(json_object_get(p, "started"));
    assert_int_equal(sort, RECEIVED);
    assert_int_equal(json_get_integer(p, "mtime_hint", 0), 1);
    json_decref(p);
}

static void test_doubtful(void **state)
{
    static const char *const media[] = {
        "{\"started_usec\":0,\"started_certainty\":\"certain\",\"duration_usec\":9}",
        "{\"started_usec\":4070908800000000,\"started_certainty\":\"certain\"}",
        "{\"started_usec\":-9223372036854775807,\"started_certainty\":\"certain\","
        "\"duration_usec\":9223372036854775807}"};
    struct world *w = take(state);
    int64_t sort;

    for (size_t i = 0; i < ARRAY_SIZE(media); i++) {
        json_t *p = work_out(w, arrival_of("x.mp4"), media[i], &sort);

        assert_string_equal(certainty(p, "started"), "doubtful");
        assert_int_equal(sort, RECEIVED);
        assert_int_equal(json_get_integer(p, "mtime_hint", 0), 1);
        json_decref(p);
    }
}

/* A wrong clock in the file does not spoil what the name says. */
static void test_name_against_clock(void **state)
{
    struct world *w = take(state);
    json_t *p;
    int64_t sort;

    use_settings(w, rules);
    p = work_out(w, arrival_of("C9_20261123090507.mp4"),
                 "{\"started_usec\":0,\"started_certainty\":\"certain\"}", &sort);
    assert_string_equal(source(p, "started"), "rule:clip");
    assert_string_equal(certainty(p, "started"), "probable");
    assert_null(json_object_get(json_get_object(p, "started"), "conflict"));
    json_decref(p);
    /* the more certain one is kept where both are plausible */
    p = work_out(
        w, arrival_of("C9_20261123090507.mp4"),
        "{\"started_usec\":1795395600000000,\"started_certainty\":\"certain\",\"started_source\":\"c\"}",
        &sort);
    assert_string_equal(source(p, "started"), "media:c");
    assert_string_equal(certainty(p, "started"), "probable");
    assert_int_equal(when(json_get_object(p, "started"), "conflict"), usec_of("2026-11-23T01:05:07Z"));
    json_decref(p);
    /* a minute is no contradiction */
    p = work_out(w, arrival_of("C9_20261123090507.mp4"),
                 "{\"started_usec\":1795395967000000,\"started_certainty\":\"certain\"}", &sort);
    assert_string_equal(certainty(p, "started"), "certain");
    json_decref(p);
}

static void test_ends(void **state)
{
    struct world *w = take(state);
    json_t *p;
    int64_t sort;

    use_settings(w, rules);
    p = work_out(w, arrival_of("NVR_ch1_main_20261123090507_20261123091007.dav"),
                 "{\"duration_usec\":299000000}", &sort);
    assert_string_equal(value(p, "channel"), "1");
    assert_int_equal(when(p, "ended"), usec_of("2026-11-23T01:10:07Z"));
    assert_string_equal(source(p, "ended"), "rule:dahua");
    json_decref(p);
    /* an end before the start, and one in the future, are no ends */
    p = work_out(w, arrival_of("NVR_ch1_main_20261123090507_20261123080000.dav"), NULL, &sort);
    assert_null(json_object_get(p, "ended"));
    assert_int_equal(json_array_size(json_get_array(p, "notes")), 1);
    json_decref(p);
    p = work_out(w, arrival_of("NVR_ch1_main_20261123090507_20991123091007.dav"),
                 "{\"duration_usec\":300000000}", &sort);
    assert_string_equal(source(p, "ended"), "started + duration");
    assert_string_equal(certainty(p, "ended"), "probable");
    json_decref(p);
}

static void test_bad_sidecars(void **state)
{
    static const char *const bad[] = {"[]",
                                      "{\"device\":[1]}",
                                      "{\"device\":\"a\\nb\"}",
                                      "{\"device\":\"\"}",
                                      "{\"started\":\"yesterday\"}",
                                      "{\"started\":5}",
                                      "{\"role\":\"friend\"}",
                                      "{\"case\":\"A\",\"step\":{}}"};
    struct world *w = take(state);
    int64_t sort;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        json_t *a = arrival_of("x.mp4"), *sidecar = NULL, *p;

        OK(json_parse(bad[i], strlen(bad[i]), "sidecar", &sidecar, &w->err));
        json_object_set_new(a, "sidecar", sidecar);
        p = work_out(w, a, NULL, &sort);
        if (json_array_size(json_get_array(p, "notes")) != 1)
            fail_msg("%s: no note", bad[i]);
        assert_null(json_object_get(p, "device"));
        json_decref(p);
    }
}

/* Words of any length are cut, never inside a character: such a place could not be written down. */
static void test_long_words(void **state)
{
    struct world *w = take(state);

    for (size_t pad = 0; pad < 3; pad++) {
        json_t *a = arrival_of("x.mp4"), *p;
        char words[400] = "";
        const char *source;
        int64_t sort;

        memset(words, 'x', pad);
        while (strlen(words) < 390)
            strcat(words, "执");
        OK(json_set_string(a, "sidecar_fault", words));
        OK(json_set_string(a, "folder", words));
        OK(json_set_string(a, "device", "D1"));
        p = work_out(w, a, NULL, &sort);
        assert_int_equal(json_array_size(json_get_array(p, "notes")), 1);
        source = json_get_string(json_object_get(p, "device"), "source");
        assert_true(strncmp(source, "folder:", 7) == 0 && strlen(source) > 140);
        json_decref(p);
    }
}

static void test_bad_arrivals(void **state)
{
    struct world *w = take(state);
    _cleanup_json_ json_t *none = json_object(), *broken = arrival_of("a%2"), *zone = arrival_of("a");
    json_t *p = NULL;
    int64_t sort;

    GIVES(-EINVAL, place_work_out(w->placer, none, NULL, NULL, 1, NULL, &p, &sort, &w->err));
    GIVES(-EINVAL, place_work_out(w->placer, broken, NULL, NULL, 1, NULL, &p, &sort, &w->err));
    json_object_set_new(zone, "zone", json_string("Mars/Olympus"));
    OK(place_work_out(w->placer, zone, NULL, NULL, 1, NULL, &p, &sort, &w->err));
    assert_int_equal(json_array_size(json_get_array(p, "notes")), 1);
    json_decref(p);
}

/* ---- takes ---- */

/* Seals and places a clip of channel/device that begins at second `from` of a minute and lasts `seconds`. */
static struct recording_id clip(struct world *w, const char *device, const char *channel, int from,
                                int seconds)
{
    int64_t start = usec_of("2026-11-23T01:00:00Z") + from * USEC_PER_SEC;
    char started[CALENDAR_TEXT_SIZE];
    json_t *a = arrival_of("x.mp4");
    struct recording_id id;

    calendar_format_utc(start, started);
    json_object_set_new(
        a, "sidecar",
        json_pack("{s:s, s:s*, s:s}", "device", device, "channel", channel, "started", started));
    id = seal_as(w, a, "video", RECEIVED);
    OK(act(w, "recording.examined", id.text, 0,
           json_pack("{s:s, s:{s:I}}", "status", "ok", "media", "duration_usec",
                     (json_int_t)(seconds * USEC_PER_SEC))));
    place_it(w, id);
    return id;
}

static void take_of(struct world *w, struct recording_id id, char out[ULID_LENGTH + 1])
{
    json_t *o = show(w, id);
    const char *t = json_get_string(o, "take");

    snprintf(out, ULID_LENGTH + 1, "%s", t ? t : "");
    json_decref(o);
}

static bool same_take(struct world *w, struct recording_id a, struct recording_id b)
{
    char x[ULID_LENGTH + 1], y[ULID_LENGTH + 1];

    take_of(w, a, x);
    take_of(w, b, y);
    return *x && strcmp(x, y) == 0;
}

static void test_takes_in_every_order(void **state)
{
    static const int orders[][4] = {{0, 1, 2, 3}, {3, 2, 1, 0}, {0, 2, 1, 3},
                                    {1, 3, 0, 2}, {3, 0, 2, 1}, {2, 0, 3, 1}};
    struct world *w = take(state);

    for (size_t i = 0; i < ARRAY_SIZE(orders); i++) {
        struct recording_id ids[4];
        char device[16];

        snprintf(device, sizeof device, "cam%zu", i);
        for (int k = 0; k < 4; k++) /* 60 s clips, 2 s apart, the last one a minute later */
            ids[orders[i][k]] = clip(w, device, NULL, orders[i][k] * 62 + (orders[i][k] == 3 ? 60 : 0), 60);
        assert_true(same_take(w, ids[0], ids[1]));
        assert_true(same_take(w, ids[1], ids[2]));
        assert_false(same_take(w, ids[2], ids[3]));
    }
    assert_int_equal(count(w, "SELECT count(DISTINCT take) FROM recordings"), 12);
}

static void test_take_limits(void **state)
{
    struct world *w = take(state);
    struct recording_id a = clip(w, "cam", NULL, 0, 60), gap = clip(w, "cam", NULL, 66, 10),
                        overlap = clip(w, "cam", NULL, 70, 10), joined = clip(w, "cam", NULL, 81, 5),
                        stranger = clip(w, "other", NULL, 60, 60), none = clip(w, "cam", NULL, 60, 0);
    char t[ULID_LENGTH + 1];

    assert_false(same_take(w, a, gap));       /* 6 s later */
    assert_false(same_take(w, gap, overlap)); /* begins 6 s before the end */
    assert_true(same_take(w, overlap, joined) || same_take(w, gap, joined));
    assert_false(same_take(w, a, stranger));
    take_of(w, none, t);
    assert_string_equal(t, ""); /* its end is not known */
}

static void test_take_channels(void **state)
{
    struct world *w = take(state);
    struct recording_id a1 = clip(w, "nvr", "1", 0, 60), a2 = clip(w, "nvr", "2", 0, 60),
                        b1 = clip(w, "nvr", "1", 60, 60), b2 = clip(w, "nvr", "2", 60, 60);

    assert_true(same_take(w, a1, b1));
    assert_true(same_take(w, a2, b2));
    assert_false(same_take(w, a1, a2));
}

static void test_place_again(void **state)
{
    struct world *w = take(state);
    struct recording_id a = clip(w, "cam", NULL, 0, 60), b = clip(w, "cam", NULL, 60, 60);

    place_it(w, a);
    place_it(w, b);
    assert_true(same_take(w, a, b));
}

/* ---- links ---- */

struct adding {
    struct world *w;
    const char *number;
    struct case_id id;
};

static int run_case_add(struct txn *t, void *userdata, struct error *err)
{
    struct adding *a = userdata;
    struct case_context c = {"user:li", a->w->settings->site.zone, a->w->policy};
    struct case_input in = {a->number, NULL, "general", "2026-11-20"};

    return case_add(t, &c, &in, &a->id, err);
}

static struct recording_id named(struct world *w, const char *path)
{
    struct recording_id id = seal(w, path);

    place_it(w, id);
    return id;
}

static void test_links(void **state)
{
    struct world *w = take(state);
    struct adding a = {w, "卫医罚〔2026〕12号", {""}};
    struct recording_id early, late, other;
    json_t *o, *links;

    use_settings(w, rules);
    early = named(w, "卫医罚[2026]12号_1.mp4");
    other = named(w, "卫医罚[2026]13号_1.mp4");
    decide_it(w, early);
    assert_int_equal(count(w, "SELECT count(*) FROM links"), 0);
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE case_key IS NOT NULL"), 2);

    OK(writer_run(w->writer, false, run_case_add, &a, &w->err));
    late = named(w, "卫医罚[2026]12号_2.mp4");
    assert_int_equal(count(w, "SELECT count(*) FROM links WHERE role = 'context'"), 2);
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE case_key IS NOT NULL"), 1);
    o = show(w, early);
    links = json_get_array(o, "cases");
    assert_int_equal(json_array_size(links), 1);
    json_decref(o);
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'link.added' AND actor = 'rule:case'"),
                     2);

    /* taken away by hand it is not linked again by placing once more */
    OK(act(w, "link.removed", late.text, 0, json_pack("{s:s}", "case", a.id.text)));
    place_it(w, late);
    assert_int_equal(count(w, "SELECT count(*) FROM links"), 1);
    o = show(w, other);
    assert_int_equal(json_get_integer(o, "links", -1), 0);
    json_decref(o);
}

static void test_sidecar_evidence(void **state)
{
    struct world *w = take(state);
    struct adding a = {w, "A-1", {""}};
    json_t *arrival = arrival_of("x.mp4");
    struct recording_id id;

    json_object_set_new(arrival, "sidecar", json_pack("{s:s, s:s}", "case", "a-1", "role", "evidence"));
    id = seal_as(w, arrival, "video", 0);
    place_it(w, id);
    OK(writer_run(w->writer, false, run_case_add, &a, &w->err));
    assert_int_equal(count(w, "SELECT count(*) FROM links WHERE role = 'evidence'"), 1);
    assert_int_equal(count(w, "SELECT count(*) FROM acts WHERE kind = 'link.added' AND actor = 'sidecar'"),
                     1);
    /* and decided with it */
    assert_int_equal(count(w, "SELECT count(*) FROM recordings WHERE class = 'evidence' AND ending = 'case'"),
                     1);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rule_compile),
        cmocka_unit_test(test_rule_match),
        cmocka_unit_test(test_rule_cannot_run_away),
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_times),
        cmocka_unit_test(test_faulty_rules),
        SQLITE(test_dock_layout),
        SQLITE(test_qr_codes),
        SQLITE(test_priority),
        SQLITE(test_media_only),
        SQLITE(test_doubtful),
        SQLITE(test_name_against_clock),
        SQLITE(test_ends),
        SQLITE(test_bad_sidecars),
        SQLITE(test_long_words),
        SQLITE(test_bad_arrivals),
        BOTH(test_takes_in_every_order),
        BOTH(test_take_limits),
        BOTH(test_take_channels),
        BOTH(test_place_again),
        BOTH(test_links),
        BOTH(test_sidecar_evidence),
    };

    return cmocka_run_group_tests_name("place", tests, NULL, NULL);
}
