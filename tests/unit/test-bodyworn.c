/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What body-worn systems say, read without a catalogue: names, times, places, trails, tags, and the facts for placing.
 */
#include "base/gpx.h"
#include "cases/bodyworn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/calendar.h"

#define ULID "01ARZ3NDEKTSV4RRFFQ69G5FAV"
#define NAME "0b7c1f7e-9d0a-4a53-8d8e-3f2b6f7a1c55_ACCC8EAA0001_20261123T010507Z"

static int64_t utc(const char *text)
{
    int64_t usec;

    assert_int_equal(calendar_parse(NULL, text, &usec, NULL), 0);
    return usec;
}

static void test_containers(void **state)
{
    struct bodyworn_name n;

    assert_true(bodyworn_name_parse(NAME, &n));
    assert_string_equal(n.user, "0b7c1f7e-9d0a-4a53-8d8e-3f2b6f7a1c55");
    assert_string_equal(n.serial, "ACCC8EAA0001");
    assert_true(n.usec == utc("2026-11-23T01:05:07Z"));
    assert_true(bodyworn_name_parse("a_b_S1_20261123_010507", &n));
    assert_string_equal(n.user, "a_b");
    assert_string_equal(n.serial, "S1");
    assert_true(n.usec == utc("2026-11-23T01:05:07Z"));
    assert_int_equal(bodyworn_container_kind(NAME), BODYWORN_RECORDING);
    assert_int_equal(bodyworn_container_kind("System"), BODYWORN_SYSTEM);
    assert_int_equal(bodyworn_container_kind("Users"), BODYWORN_USERS);
    assert_int_equal(bodyworn_container_kind("Devices"), BODYWORN_DEVICES);
    assert_int_equal(bodyworn_container_kind("system"), BODYWORN_OTHER);
    assert_int_equal(bodyworn_container_kind("RejectedContent_20261123T010507Z_1b7c"), BODYWORN_REJECTED);
    assert_int_equal(bodyworn_container_kind("box"), BODYWORN_OTHER);
}

static void test_bad_containers(void **state)
{
    static const char *const bad[] = {"",
                                      "_",
                                      "__",
                                      "20261123T010507Z",
                                      "_20261123T010507Z",
                                      "u_20261123T010507Z",
                                      "_S_20261123T010507Z",
                                      "u__20261123T010507Z",
                                      "u_S_20261323T010507Z",
                                      "u_S_20261123T250507Z",
                                      "u_S_20261123T010507Z0",
                                      "u_S_2026112T0010507Z",
                                      "u_S_20261123X010507Z",
                                      "u_S_20261123T010507z",
                                      "u_S_20261123_0105"};
    struct bodyworn_name n;
    char long_user[300];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (bodyworn_name_parse(bad[i], &n))
            fail_msg("taken: %s", bad[i]);
    memset(long_user, 'u', 101);
    strcpy(long_user + 101, "_S_20261123T010507Z");
    assert_false(bodyworn_name_parse(long_user, &n));
    assert_true(bodyworn_name_parse(long_user + 1, &n));
}

static void test_objects(void **state)
{
    assert_int_equal(bodyworn_object_kind(BODYWORN_USERS, "20261123_010507_a1.mkv"), BODYWORN_SETTING);
    assert_int_equal(bodyworn_object_kind(BODYWORN_RECORDING, "20261123_010507_a1.mkv"), BODYWORN_CLIP);
    assert_int_equal(bodyworn_object_kind(BODYWORN_REJECTED, "x.MP4"), BODYWORN_CLIP);
    assert_int_equal(bodyworn_object_kind(BODYWORN_RECORDING, "20261123_010507_a1.key"), BODYWORN_KEY);
    assert_int_equal(bodyworn_object_kind(BODYWORN_RECORDING, "bookmark_20261123_1"), BODYWORN_BOOKMARK);
    assert_int_equal(bodyworn_object_kind(BODYWORN_RECORDING, "20261123_010507_a1_S1_gpstrail.json"),
                     BODYWORN_TRAIL);
    assert_int_equal(bodyworn_object_kind(BODYWORN_RECORDING, ".mkv"), BODYWORN_FILE);
    assert_int_equal(bodyworn_object_kind(BODYWORN_OTHER, "notes.txt"), BODYWORN_FILE);
    assert_true(bodyworn_clip_usec("20261123_010507_a1.mkv") == utc("2026-11-23T01:05:07Z"));
    assert_true(bodyworn_clip_usec("20261123T010507Z.mkv") == utc("2026-11-23T01:05:07Z"));
    assert_true(bodyworn_clip_usec("20261123_010507x.mkv") == INT64_MIN);
    assert_true(bodyworn_clip_usec("clip_20261123_010507.mkv") == INT64_MIN);
    assert_true(bodyworn_clip_usec("20261199_010507_a1.mkv") == INT64_MIN);
    assert_true(bodyworn_clip_usec("") == INT64_MIN);
}

static void test_times(void **state)
{
    static const char *const bad[] = {
        "", "x", "12 ", "-5", "1.2.3", "1e9", "0x1", "123456789012", "99999999999999", "2026-13-01T00:00:00Z",
        "."};
    int64_t t;

    assert_int_equal(bodyworn_time("1795482307", &t), 0);
    assert_true(t == INT64_C(1795482307000000));
    assert_int_equal(bodyworn_time("1795482307.25", &t), 0);
    assert_true(t == INT64_C(1795482307250000));
    assert_int_equal(bodyworn_time("1795482307250", &t), 0);
    assert_true(t == INT64_C(1795482307250000));
    assert_int_equal(bodyworn_time("2026-11-24T03:05:07+02:00", &t), 0);
    assert_true(t == utc("2026-11-24T01:05:07Z"));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (bodyworn_time(bad[i], &t) == 0)
            fail_msg("taken: %s", bad[i]);
}

static void test_locations(void **state)
{
    static const char *const bad[] = {"",          "41.3",        "x y",          "91 0",
                                      "0 181",     "41.3 123 -5", "41.3 123 5 x", "1e1 2",
                                      "41.3x 123", "nan nan",     "1 2 3 4 5",    "0 1812345678901234567890"};
    struct bodyworn_location l;

    assert_int_equal(bodyworn_location("41.294 123.765432199 4.5 1795482307", &l), 0);
    assert_int_equal(l.latitude, 412940000);
    assert_int_equal(l.longitude, 1237654321);
    assert_int_equal(l.accuracy_mm, 4500);
    assert_true(l.usec == INT64_C(1795482307000000));
    assert_int_equal(bodyworn_location("-41.5, -123", &l), 0);
    assert_int_equal(l.latitude, -415000000);
    assert_int_equal(l.longitude, -1230000000);
    assert_int_equal(l.accuracy_mm, -1);
    assert_true(l.usec == INT64_MIN);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (bodyworn_location(bad[i], &l) == 0)
            fail_msg("taken: %s", bad[i]);
}

static void test_trail(void **state)
{
    static const char text[] =
        "{\"CoordinateEntries\":[{\"LocationWKT\":\"POINT(13.221184 55.718409)\",\"SecondsFromStart\":64.0,"
        "\"Timestamp\":\"2026-11-23T01:05:10Z\"},{\"LocationWKT\":\"nowhere\"},7,"
        "{\"LocationWKT\":\"point (13.25 -55.75)\"}]}";
    _cleanup_json_ json_t *t = bodyworn_trail(text, strlen(text));
    const json_t *first = json_get_object(t, "first"), *last = json_get_object(t, "last");
    _cleanup_json_ json_t *none = bodyworn_trail("{\"a\":1}", 7), *cipher = bodyworn_trail("\xff\0x", 3),
                          *empty = bodyworn_trail("{\"CoordinateEntries\":[]}", 24);

    assert_int_equal(json_get_integer(t, "points", 0), 2);
    assert_int_equal(json_get_integer(t, "passed_over", 0), 2);
    assert_int_equal(json_get_integer(first, "latitude", 0), 557184090); /* WKT has x, the longitude, first */
    assert_int_equal(json_get_integer(first, "longitude", 0), 132211840);
    assert_true(json_get_integer(first, "time", 0) == utc("2026-11-23T01:05:10Z"));
    assert_int_equal(json_get_integer(last, "latitude", 0), -557500000);
    assert_non_null(json_get_string(none, "fault"));
    assert_non_null(json_get_string(cipher, "fault"));
    assert_int_equal(json_get_integer(empty, "points", -1), 0);
    assert_null(json_get_object(empty, "first"));
}

static void test_trail_gpx(void **state)
{
    static const char text[] =
        "{\"CoordinateEntries\":[{\"LocationWKT\":\"POINT(13.221184 55.718409)\",\"SecondsFromStart\":64.0,"
        "\"Timestamp\":\"2026-11-23T01:05:10Z\"},{\"LocationWKT\":\"nowhere\"},7,{\"LocationWKT\":\"POINT(0 "
        "0)\"},"
        "{\"LocationWKT\":\"point (13.25 -55.75)\",\"Timestamp\":\"x\"}]}";
    _cleanup_free_ char *gpx = NULL, *none = NULL;
    struct error err = ERROR_INIT;

    assert_int_equal(bodyworn_trail_gpx(text, strlen(text), &gpx, &err), 0);
    assert_string_equal(
        gpx, GPX_HEAD
        "<trkpt lat=\"55.7184090\" lon=\"13.2211840\"><time>2026-11-23T01:05:10.000Z</time></trkpt>\n"
        "<trkpt lat=\"-55.7500000\" lon=\"13.2500000\"></trkpt>\n" GPX_TAIL);
    assert_int_equal(bodyworn_trail_gpx("{\"CoordinateEntries\":[]}", 24, &none, &err), -ENODATA);
    assert_int_equal(bodyworn_trail_gpx("\xff\0x", 3, &none, &err), -EINVAL);
    assert_int_equal(bodyworn_trail_gpx("{\"a\":1}", 7, &none, &err), -EINVAL);
    assert_null(none);
}

static void test_tags(void **state)
{
    _cleanup_json_ json_t *t = bodyworn_tags("TriggerOn:Button;;x;SomeTag:a:b;TriggerOn:Other;:v;Empty:");

    assert_int_equal(json_object_size(t), 3);
    assert_string_equal(json_get_string(t, "TriggerOn"), "Button");
    assert_string_equal(json_get_string(t, "SomeTag"), "a:b");
    assert_string_equal(json_get_string(t, "Empty"), "");
}

static json_t *sidecar_of(struct bodyworn_known known)
{
    json_t *o = NULL;

    known.container_id = ULID;
    assert_int_equal(bodyworn_sidecar(&known, &o), 0);
    return o;
}

static void test_sidecar_of_clip(void **state)
{
    _cleanup_json_ json_t *all =
        json_pack("{s:s, s:s, s:s}", "bwcserialnumber", "CAM9", "userid", "u-1", "starttime", "1795482307");
    _cleanup_json_ json_t *own =
        json_pack("{s:s, s:s}", "starttime", "1795482400", "stoptimeiso", "2026-11-24T01:10:00Z");
    _cleanup_json_ json_t *user = json_pack("{s:s}", "name", "李警官");
    _cleanup_json_ json_t *marks = json_pack("[{s:{s:s, s:s}}, {s:{}}]", "metadata", "categoryid",
                                             "hold-complaint", "categoryname", "complaint", "metadata");
    _cleanup_json_ json_t *o = sidecar_of((struct bodyworn_known){.container = NAME,
                                                                  .object = "20261124_010640_a1.mkv",
                                                                  .container_metadata = all,
                                                                  .metadata = own,
                                                                  .user = user,
                                                                  .bookmarks = marks,
                                                                  .has_key = true,
                                                                  .seq = 2});
    const json_t *proposal = json_array_get(json_get_array(o, "proposals"), 0);

    assert_string_equal(json_get_string(o, "take"), ULID);
    assert_string_equal(json_get_string(o, "device"), "CAM9");
    assert_string_equal(json_get_string(o, "officer"), "李警官");
    assert_string_equal(json_get_string(o, "started"), "2026-11-24T01:06:40.000000Z");
    assert_string_equal(json_get_string(o, "ended"), "2026-11-24T01:10:00.000000Z");
    assert_int_equal(json_get_integer(o, "seq", 0), 2);
    assert_int_equal(json_array_size(json_get_array(o, "proposals")), 1);
    assert_string_equal(json_get_string(proposal, "value"), "hold-complaint");
    assert_string_equal(json_get_string(proposal, "source"), "bodyworn:category");
    assert_non_null(strstr(json_string_value(json_array_get(json_get_array(o, "notes"), 0)), "encrypted"));
}

/* Nothing is known but names: those say whose it is, and when it began. A clip's end is nobody's guess. */
static void test_sidecar_by_names(void **state)
{
    _cleanup_json_ json_t *all =
        json_pack("{s:s, s:s}", "stoptime", "1795482999", "bwcserialnumber", "bad\x01");
    _cleanup_json_ json_t *clip = sidecar_of((struct bodyworn_known){
        .container = NAME, .object = "20261123_010640_a1.mp4", .container_metadata = all});
    _cleanup_json_ json_t *trail = sidecar_of(
        (struct bodyworn_known){.container = NAME, .object = "x_gpstrail.json", .container_metadata = all});
    _cleanup_json_ json_t *other = sidecar_of((struct bodyworn_known){.container = "box", .object = "a.mp4"});

    assert_string_equal(json_get_string(clip, "device"), "ACCC8EAA0001");
    assert_string_equal(json_get_string(clip, "officer"), "0b7c1f7e-9d0a-4a53-8d8e-3f2b6f7a1c55");
    assert_string_equal(json_get_string(clip, "started"), "2026-11-23T01:06:40.000000Z");
    assert_null(json_get_string(clip, "ended"));
    assert_string_equal(json_get_string(trail, "started"), "2026-11-23T01:05:07.000000Z");
    assert_non_null(json_get_string(trail, "ended"));
    assert_null(json_get_string(other, "take")); /* what lies in any other container belongs to nothing */
    assert_null(json_get_string(other, "device"));
    assert_null(json_get_string(other, "started"));
}

/* A key has the times of its clip. */
static void test_sidecar_of_key(void **state)
{
    _cleanup_json_ json_t *clip =
        json_pack("{s:s, s:s}", "starttime", "1795482400", "stoptime", "1795482500");
    _cleanup_json_ json_t *o = sidecar_of(
        (struct bodyworn_known){.container = NAME, .object = "20261123_010640_a1.key", .clip = clip});

    assert_string_equal(json_get_string(o, "started"), "2026-11-24T01:06:40.000000Z");
    assert_string_equal(json_get_string(o, "ended"), "2026-11-24T01:08:20.000000Z");
    assert_null(json_object_get(o, "seq"));
    assert_non_null(strstr(json_string_value(json_array_get(json_get_array(o, "notes"), 0)), "key object"));
}

static void test_sidecar_notes(void **state)
{
    _cleanup_json_ json_t *all = json_pack("{s:s, s:s}", "rejectedreason", "clip has no duration",
                                           "firmwareversion", "a version that is far too long for a camera");
    _cleanup_json_ json_t *o = sidecar_of((struct bodyworn_known){
        .container = "RejectedContent_20261123T010507Z_1b7c", .object = "x.bin", .container_metadata = all});
    const json_t *notes = json_get_array(o, "notes");

    assert_int_equal(json_array_size(notes), 2);
    assert_non_null(strstr(json_string_value(json_array_get(notes, 0)), "clip has no duration"));
    assert_non_null(strstr(json_string_value(json_array_get(notes, 1)), "firmwareversion"));
    assert_string_equal(json_get_string(o, "take"), ULID);
}

static void test_limits(void **state)
{
    assert_int_equal(bodyworn_limit("bwcserialnumber"), 32);
    assert_int_equal(bodyworn_limit("triggeronlocation"), 64);
    assert_int_equal(bodyworn_limit("triggerofflocation"), 64);
    assert_int_equal(bodyworn_limit("name"), 100);
    assert_int_equal(bodyworn_limit("systemname"), 100);
    assert_int_equal(bodyworn_limit("connectionid"), 100);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_containers),      cmocka_unit_test(test_bad_containers),
        cmocka_unit_test(test_objects),         cmocka_unit_test(test_times),
        cmocka_unit_test(test_locations),       cmocka_unit_test(test_trail_gpx),
        cmocka_unit_test(test_trail),           cmocka_unit_test(test_tags),
        cmocka_unit_test(test_sidecar_of_clip), cmocka_unit_test(test_sidecar_by_names),
        cmocka_unit_test(test_sidecar_of_key),  cmocka_unit_test(test_sidecar_notes),
        cmocka_unit_test(test_limits)};

    return cmocka_run_group_tests_name("bodyworn", tests, NULL, NULL);
}
