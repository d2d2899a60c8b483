/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times and places as files write them, and the bounds of the builder of facts. The worker is no part of the library, so its two
 * sources without foreign libraries are taken in here.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "media/worker-facts.c"
#include "media/worker-time.c"

#define NOW (INT64_C(1790000000) * USEC_PER_SEC) /* September 2026 */

static void done(struct facts *f)
{
    facts_done(f);
}

static const struct {
    const char *text, *zone;
    const char *local; /* or NULL: usec */
    int64_t second;    /* 0 with no local: no time at all */
    const char *certainty;
} times[] = {
    {"2016:07:07 21:42:20", NULL, "2016-07-07T21:42:20", 0, "probable"},
    {"2016:07:07 21:42:20", "+08:00", NULL, 1467898940, "certain"},
    {"2019-02-12T15:27:12+0800", NULL, NULL, 1549956432, "certain"},
    {"2019-02-12T07:27:12.500000Z", NULL, NULL, 1549956432, "certain"},
    {"2022-06-05 14-36-22", NULL, "2022-06-05T14:36:22", 0, "probable"},
    {"2024-02-29 00:00:00", NULL, "2024-02-29T00:00:00", 0, "probable"},
    {"2023-02-29 00:00:00", NULL, NULL, 0, NULL},
    {"2100-02-29 00:00:00", NULL, NULL, 0, NULL},
    {"1904-01-01T00:00:00Z", NULL, NULL, -2082844800, "doubtful"},
    {"1970-01-01 00:00:00", NULL, "1970-01-01T00:00:00", 0, "doubtful"},
    {"2000-01-01 00:00:00", NULL, "2000-01-01T00:00:00", 0, "doubtful"},
    {"2099-12-31T23:59:59Z", NULL, NULL, 4102444799, "doubtful"},
    {"0000:00:00 00:00:00", NULL, NULL, 0, NULL},
    {"    :  :     :  :  ", NULL, NULL, 0, NULL},
    {"2026-03-01", NULL, NULL, 0, NULL},
    {"2026-03-01 24:00:00", NULL, NULL, 0, NULL},
    {"2026-03-01 08:00:00+99:00", NULL, NULL, 0, NULL},
    {"", NULL, NULL, 0, NULL},
    /* instants before the year 1 or after 9999, which the client takes for no time */
    {"0001-01-01T00:00:00+08:00", NULL, NULL, 0, NULL},
    {"0001-01-01T00:00:00Z", NULL, NULL, -62135596800, "doubtful"},
    {"9999-12-31T23:59:59-08:00", NULL, NULL, 0, NULL},
    {"9999-12-31T23:59:59Z", NULL, NULL, 253402300799, "doubtful"},
    {"9999-12-31 23:59:60", NULL, NULL, 0, NULL},
};

static void test_times(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(times); i++) {
        _cleanup_(done) struct facts f;

        assert_int_equal(facts_init(&f, NOW), 0);
        facts_time_text(&f, 1, times[i].text, times[i].zone, "test", CERTAIN);
        facts_write_times(&f);
        if (!times[i].certainty) {
            assert_int_equal(json_object_size(f.media), 0);
            continue;
        }
        if (times[i].local)
            assert_string_equal(json_get_string(f.media, "started_local"), times[i].local);
        else
            assert_int_equal(json_get_integer(f.media, "started_usec", 0) / USEC_PER_SEC, times[i].second);
        assert_string_equal(json_get_string(f.media, "started_certainty"), times[i].certainty);
    }
}

static void test_a_doubtful_time_never_wins(void **state)
{
    _cleanup_(done) struct facts f;

    assert_int_equal(facts_init(&f, NOW), 0);
    facts_time_text(&f, 1, "1970-01-01T00:00:00Z", NULL, "first", CERTAIN);
    facts_time_text(&f, 9, "2026-03-01 08:00:00", NULL, "second", PROBABLE);
    facts_time_text(&f, 5, "2026-03-01T00:00:01Z", NULL, "third", PROBABLE);
    facts_write_times(&f);
    assert_string_equal(json_get_string(f.media, "started_source"), "third");
    assert_int_equal(json_array_size(json_get_array(f.media, "times")), 3);
}

static void test_local_format_round_trip(void **state)
{
    for (int64_t day = -719162; day < 2932896; day += 137) { /* years 1 to 9999 */
        char text[32];
        struct stamp s;

        format_local(day * USEC_PER_DAY + 3661 * USEC_PER_SEC, text);
        assert_true(read_stamp(text, &s));
        assert_int_equal(stamp_usec(&s), day * USEC_PER_DAY + 3661 * USEC_PER_SEC);
    }
}

static const struct {
    const char *text;
    int64_t lat, lon, alt;
    bool has_alt, none;
} places[] = {
    {"+27.1281+100.2508+000.000/", 271281000, 1002508000, 0, true, false},
    {"+51.5334-000.1255+026.756/", 515334000, -1255000, 26756, true, false},
    {"-37.3667-122.0333/", -373667000, -1220333000, 0, false, false},
    {"+3130.00+12130.00/", 315000000, 1215000000, 0, false, false},
    {"-313000-1213030/", -315000000, -1215083333, 0, false, false},
    {"+00.0000+000.0000/", 0, 0, 0, false, true},
    {"+91.0+000.5/", 0, 0, 0, false, true},
    {"+9999999999.99999999999999999+1/", 0, 0, 0, false, true},
    {"31.2,121.5", 0, 0, 0, false, true},
    {"+", 0, 0, 0, false, true},
    {"", 0, 0, 0, false, true},
};

static void test_places(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(places); i++) {
        _cleanup_(done) struct facts f;
        const json_t *gps;

        assert_int_equal(facts_init(&f, NOW), 0);
        facts_gps_iso6709(&f, places[i].text);
        gps = json_get_object(f.media, "gps");
        assert_true((gps == NULL) == places[i].none);
        if (!gps)
            continue;
        assert_int_equal(json_get_integer(gps, "lat_e7", 0), places[i].lat);
        assert_int_equal(json_get_integer(gps, "lon_e7", 0), places[i].lon);
        assert_int_equal(json_get_integer(gps, "alt_mm", -1), places[i].has_alt ? places[i].alt : -1);
    }
}

static void test_texts_are_cleaned_and_bounded(void **state)
{
    _cleanup_(done) struct facts f;
    _cleanup_free_ char *text = NULL;
    char big[5000], key[16];

    assert_int_equal(facts_init(&f, NOW), 0);
    facts_tag(&f, "title",
              "  a\x1b[2J\xff"
              "b\xc2\x9b\xe6\xad  ",
              14);
    assert_string_equal(json_get_string(json_get_object(f.media, "tags"), "title"), "a [2J?b ??");
    facts_tag(&f, "empty", " \n ", 3);
    assert_null(json_object_get(json_get_object(f.media, "tags"), "empty"));
    memset(big, 'x', sizeof big);
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof key, "k%d", i);
        facts_tag(&f, key, big, sizeof big);
        facts_damage(&f, "%d %.300s", i, big);
        facts_stream(&f, json_pack("{s:s}", "codec", "h264"));
    }
    assert_int_equal(json_object_size(json_get_object(f.media, "tags")), FACTS_TAGS_MAX);
    assert_int_equal(json_array_size(json_get_array(f.media, "damage")), FACTS_DAMAGE_MAX);
    assert_int_equal(json_array_size(json_get_array(f.media, "streams")), FACTS_STREAMS_MAX);
    assert_int_equal(json_get_integer(f.media, "streams_total", 0), 100);
    assert_int_equal(facts_answer(&f, &text), 0);
    assert_true(strlen(text) < MESSAGE_ANSWER_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_a_doubtful_time_never_wins),
        cmocka_unit_test(test_local_format_round_trip),
        cmocka_unit_test(test_places),
        cmocka_unit_test(test_texts_are_cleaned_and_bounded),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
