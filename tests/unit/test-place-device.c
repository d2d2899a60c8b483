/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Placing what a registered device delivered: its officer by assignment, its unit and time zone, a clock that was measured to be off
 * (which must never shorten keeping), and numbers that are missing in what it delivered.
 */
#include "cases-fixture.h"

#include "cases/device-gaps.h"
#include "cases/device-watch.h"

#define RECEIVED usec_of("2026-11-23T12:00:00Z")

static const char rules[] =
    "site: { timezone: Asia/Shanghai }\n"
    "place:\n"
    "  - name: sure\n"
    "    certainty: certain\n"
    "    match: '^sure_(?<officer>[a-z]+)_(?<datetime>20[0-9]{12})'\n"
    "  - name: clip\n"
    "    match: '^(?<device>[A-Z]+[0-9]+)_(?<datetime>20[0-9]{12})(?:_(?<seq>[0-9]+))?'\n"
    "  - name: guess\n"
    "    match: '_by_(?<officer>[a-z]+)'\n";

static const json_t *fact(const json_t *shown, const char *key)
{
    return json_get_object(json_get_object(shown, "place"), key);
}

static const char *text(const json_t *shown, const char *key, const char *member)
{
    const char *s = json_get_string(fact(shown, key), member);

    return s ? s : "";
}

static int64_t number(const json_t *shown, const char *key, const char *member)
{
    return json_get_integer(fact(shown, key), member, -1);
}

/* Registers a device; its id is in ret. */
static void add_device(struct world *w, const char *serial, const char *unit, const char *zone,
                       char ret[ULID_LENGTH + 1])
{
    ulid_make(clock_now_usec(), ret);
    OK(act(
        w, "device.added", ret, 1,
        json_pack("{s:s, s:s, s:s*, s:s*}", "serial", serial, "kind", "camera", "unit", unit, "zone", zone)));
}

static void assign(struct world *w, const char *id, const char *officer, const char *from)
{
    OK(act(w, "device.assigned", id, 1,
           json_pack("{s:s, s:I}", "officer", officer, "from", (json_int_t)usec_of(from))));
}

/* An arrival by a door, of a device that signed in; more members are merged (taken). */
static json_t *upload_of(const char *id, const char *serial, const char *name, json_t *more)
{
    json_t *a = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I}", "door", "put", "folder", "", "path", name,
                          "device", serial, "device_id", id, "zone", "Asia/Shanghai", "mtime", (json_int_t)1);

    if (more)
        json_object_update(a, more);
    json_decref(more);
    return a;
}

/* Seals, examines (media as text, may be NULL), places and shows. */
static json_t *placed(struct world *w, json_t *arrival, const char *media)
{
    struct recording_id id = seal_as(w, arrival, "video", RECEIVED);
    json_t *m = NULL;

    if (media) {
        OK(json_parse(media, strlen(media), "media", &m, &w->err));
        OK(act(w, "recording.examined", id.text, RECEIVED,
               json_pack("{s:s, s:o}", "status", "ok", "media", m)));
    }
    place_it(w, id);
    return show(w, id);
}

#define PLACED(name, more, media)                                                                            \
    __attribute__((cleanup(json_decrefp))) json_t *p = placed(w, upload_of(id, "CAM1", name, more), media)

static void test_officer_by_assignment(void **state)
{
    struct world *w = take(state);
    char id[ULID_LENGTH + 1];

    use_settings(w, rules);
    add_device(w, "CAM1", "一大队", NULL, id);
    assign(w, id, "li", "2026-01-01T00:00:00Z");
    assign(w, id, "wang", "2026-11-23T02:00:00Z");
    {
        PLACED("CAM1_20261123095959.mp4", NULL, NULL);
        assert_string_equal(text(p, "officer", "value"), "li");
        assert_string_equal(text(p, "officer", "source"), "assignment");
        assert_string_equal(text(p, "officer", "certainty"), "probable"); /* as the start is */
        assert_string_equal(text(p, "unit", "value"), "一大队");
        assert_string_equal(text(p, "unit", "source"), "device");
        assert_string_equal(text(p, "device", "source"), "device");
        assert_string_equal(json_get_string(p, "officer"), "li");
    }
    {
        PLACED("CAM1_20261123100000.mp4", NULL, NULL);
        assert_string_equal(text(p, "officer", "value"), "wang");
    }
    {
        PLACED("x", json_pack("{s:{s:s}}", "sidecar", "started", "2026-11-23T01:00:00Z"), NULL);
        assert_string_equal(text(p, "officer", "value"), "li");
        assert_string_equal(text(p, "officer", "certainty"), "certain");
    }
    { /* without a start: who has it when it arrives, and not surely */
        PLACED("x", NULL, NULL);
        assert_string_equal(text(p, "officer", "value"), "wang");
        assert_string_equal(text(p, "officer", "certainty"), "doubtful");
    }
    { /* before anybody had it */
        PLACED("CAM1_20251123095959.mp4", NULL, NULL);
        assert_null(fact(p, "officer"));
    }
}

static void test_who_is_believed(void **state)
{
    struct world *w = take(state);
    char id[ULID_LENGTH + 1];

    use_settings(w, rules);
    add_device(w, "CAM1", "unit", NULL, id);
    assign(w, id, "li", "2026-01-01T00:00:00Z");
    {
        PLACED("CAM1_20261123095959.mp4",
               json_pack("{s:{s:s, s:s}}", "sidecar", "officer", "zhao", "unit", "other"), NULL);
        assert_string_equal(text(p, "officer", "value"), "zhao");
        assert_string_equal(text(p, "unit", "value"), "other");
    }
    {
        PLACED("sure_qian_20261123095959.mp4", NULL, NULL);
        assert_string_equal(text(p, "officer", "value"), "qian");
    }
    {
        PLACED("CAM1_20261123095959_by_sun.mp4", NULL, NULL);
        assert_string_equal(text(p, "officer", "value"), "li");
    }
    {
        PLACED("CAM1_20261123095959.mp4", json_pack("{s:s, s:s}", "officer", "desk", "unit", "desk"), NULL);
        assert_string_equal(text(p, "officer", "value"), "li");
        assert_string_equal(text(p, "unit", "value"), "unit");
    }
    { /* no start: the folder's constant is better than a guess by the time of arrival */
        PLACED("x", json_pack("{s:s}", "officer", "desk"), NULL);
        assert_string_equal(text(p, "officer", "value"), "desk");
    }
}

/* A dock signs in for cameras: the officer and the zone are those of the camera that the sidecar names. */
static void test_dock_for_camera(void **state)
{
    struct world *w = take(state);
    char id[ULID_LENGTH + 1], camera[ULID_LENGTH + 1];

    use_settings(w, rules);
    add_device(w, "CAM1", "dock's", NULL, id); /* the dock, here */
    add_device(w, "CAM2", "camera's", "UTC", camera);
    assign(w, id, "nobody", "2026-01-01T00:00:00Z");
    assign(w, camera, "li", "2026-01-01T00:00:00Z");
    {
        PLACED("x_CAM2",
               json_pack("{s:{s:s, s:s}}", "sidecar", "device", "CAM2", "started", "2026-11-23 09:00:00"),
               NULL);
        assert_string_equal(text(p, "device", "value"), "CAM2");
        assert_string_equal(text(p, "officer", "value"), "li");
        assert_string_equal(text(p, "unit", "value"), "camera's");
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-23T09:00:00Z"));
    }
    { /* a drop folder: only the rule knows the camera */
        __attribute__((cleanup(json_decrefp))) json_t *p =
            placed(w, arrival_of("CAM2_20261123090000.mp4"), NULL);
        assert_string_equal(text(p, "officer", "value"), "li");
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-23T09:00:00Z"));
    }
    { /* a model that is called like a serial names no device */
        __attribute__((cleanup(json_decrefp))) json_t *p =
            placed(w, arrival_of("y"), "{\"device\":{\"model\":\"CAM2\"}}");
        assert_string_equal(text(p, "device", "value"), "CAM2");
        assert_null(fact(p, "officer"));
    }
}

/* The place's first note; "" = none. */
static const char *note_of(const json_t *shown)
{
    const char *s =
        json_string_value(json_array_get(json_get_array(json_get_object(shown, "place"), "notes"), 0));

    return s ? s : "";
}

#define OFFSET(seconds) json_pack("{s:I}", "clock_offset", (json_int_t)((seconds)*USEC_PER_SEC))
#define TEN_MINUTES     "{\"duration_usec\":600000000}"

static void test_clock(void **state)
{
    struct world *w = take(state);
    char id[ULID_LENGTH + 1];

    use_settings(w, rules);
    add_device(w, "CAM1", NULL, NULL, id);
    {
        PLACED("CAM1_20261123095959.mp4", OFFSET(120), TEN_MINUTES); /* small: nothing changes */
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-23T01:59:59Z"));
        assert_int_equal(number(p, "started", "raw"), -1);
        assert_string_equal(text(p, "ended", "certainty"), "probable");
        assert_string_equal(note_of(p), "");
    }
    {
        PLACED("CAM1_20261123095959.mp4", OFFSET(3600), TEN_MINUTES); /* an hour ahead */
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-23T00:59:59Z"));
        assert_int_equal(number(p, "started", "raw"), usec_of("2026-11-23T01:59:59Z"));
        assert_string_equal(text(p, "started", "certainty"), "probable");
        assert_int_equal(number(p, "ended", "value"), usec_of("2026-11-23T01:09:59Z"));
        assert_int_equal(number(p, "ended", "raw"), usec_of("2026-11-23T02:09:59Z"));
        assert_string_equal(text(p, "ended", "certainty"), "probable");
        assert_non_null(strstr(note_of(p), "+3600 s"));
        assert_int_equal(json_get_integer(p, "sort_usec", json_get_integer(p, "sort", -1)),
                         usec_of("2026-11-23T00:59:59Z"));
    }
    { /* a sidecar by the camera's clock is not certain either */
        PLACED("x",
               json_pack("{s:I, s:{s:s, s:s}}", "clock_offset", (json_int_t)(-86400 * USEC_PER_SEC),
                         "sidecar", "started", "2026-11-20T00:00:00Z", "ended", "2026-11-20T00:05:00Z"),
               NULL);
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-21T00:00:00Z"));
        assert_string_equal(text(p, "started", "certainty"), "probable");
        assert_string_equal(text(p, "ended", "certainty"), "probable");
    }
    { /* satellites know better */
        PLACED(
            "x", OFFSET(3600),
            "{\"started_usec\":1795482000000000,\"started_source\":\"exif GPS time\",\"started_certainty\":"
            "\"probable\"}");
        assert_int_equal(number(p, "started", "value"), 1795482000000000);
        assert_int_equal(number(p, "started", "raw"), -1);
    }
    { /* corrected into the future: it cannot have been off by so much then */
        PLACED("CAM1_20261123095959.mp4", OFFSET(-200 * 86400), NULL);
        assert_string_equal(text(p, "started", "certainty"), "doubtful");
    }
    { /* beyond all numbers */
        PLACED("CAM1_20261123095959.mp4", json_pack("{s:I}", "clock_offset", (json_int_t)INT64_MIN), NULL);
        assert_int_equal(number(p, "started", "value"), usec_of("2026-11-23T01:59:59Z"));
    }
}

static int64_t until_of(struct world *w, json_t *arrival)
{
    struct recording_id id = seal_as(w, arrival, "video", RECEIVED);
    _cleanup_json_ json_t *o = NULL;

    OK(act(w, "recording.examined", id.text, RECEIVED,
           json_pack("{s:s, s:{s:I}}", "status", "ok", "media", "duration_usec", (json_int_t)600000000)));
    place_it(w, id);
    decide_it(w, id);
    o = show(w, id);
    return json_get_integer(o, "until", -1);
}

/* Whatever a clock that is off says: never kept shorter than from the receipt. */
static void test_clock_never_shortens(void **state)
{
    static const int64_t offsets[] = {3600, -3600, 400 * 86400, -400 * 86400, 10 * 86400, 130, -130};
    struct world *w = take(state);
    char id[ULID_LENGTH + 1];
    int64_t from_receipt;

    use_settings(w, rules);
    add_device(w, "CAM1", NULL, NULL, id);
    from_receipt = until_of(w, upload_of(id, "CAM1", "x", NULL));
    assert_true(from_receipt > RECEIVED);
    for (size_t i = 0; i < ARRAY_SIZE(offsets); i++)
        assert_true(until_of(w, upload_of(id, "CAM1", "CAM1_20260601000000.mp4", OFFSET(offsets[i]))) >=
                    from_receipt);
}

/* ---- gaps ---- */

static void deliver(struct world *w, const char *id, const char *name)
{
    __attribute__((cleanup(json_decrefp))) json_t *p = placed(w, upload_of(id, "CAM1", name, NULL), NULL);
}

static void test_gaps(void **state)
{
    static const char *const names[] = {"CAM1_20261123090000_0007.mp4",
                                        "CAM1_20261123090100_0008.mp4",
                                        "CAM1_20261123090200_0008.mp4",
                                        "CAM1_20261123090300_0012.mp4", /* 9, 10, 11 are missing */
                                        "CAM1_20261123090400_9999.mp4",
                                        "CAM1_20261123090500_0001.mp4", /* the counter is full */
                                        "CAM1_20261123090600_0003.mp4", /* 2 is missing */
                                        "CAM1_20261123090700.mp4",
                                        "CAM1_20261123090800_0004.mp4", /* one without a number */
                                        "CAM1_20261123090900_99999999999999999999.mp4"};
    struct world *w = take(state);
    _cleanup_json_ json_t *all = NULL, *late = NULL, *every = NULL, *few = NULL, *none = NULL;
    char id[ULID_LENGTH + 1];
    const json_t *list;

    use_settings(w, rules);
    add_device(w, "CAM1", NULL, NULL, id);
    for (size_t i = ARRAY_SIZE(names); i-- > 0;) /* in any order of arrival */
        deliver(w, id, names[i]);
    OK(device_gaps(w->db, "CAM1", INT64_MIN, 1000, &all, &w->err));
    list = json_get_array(all, "gaps");
    assert_int_equal(json_array_size(list), 3);
    assert_int_equal(json_get_integer(json_array_get(list, 0), "from", -1), 9);
    assert_int_equal(json_get_integer(json_array_get(list, 0), "to", -1), 11);
    assert_int_equal(json_get_integer(json_array_get(list, 0), "missing", -1), 3);
    assert_int_equal(json_get_integer(json_array_get(list, 0), "before", -1),
                     usec_of("2026-11-23T01:03:00Z"));
    assert_int_equal(json_get_integer(json_array_get(list, 1), "from", -1), 13);
    assert_int_equal(json_get_integer(json_array_get(list, 2), "from", -1), 2);
    assert_int_equal(json_get_integer(json_array_get(list, 2), "to", -1), 2);
    OK(device_gaps(w->db, "CAM1", usec_of("2026-11-23T01:05:00Z"), 1000, &late, &w->err));
    assert_int_equal(json_get_integer(late, "missing", -1), 1);
    OK(device_gaps(w->db, NULL, INT64_MIN, 1000, &every, &w->err));
    assert_int_equal(json_get_integer(every, "missing", -1), json_get_integer(all, "missing", -2));
    OK(device_gaps(w->db, "CAM1", INT64_MIN, 4, &few, &w->err));
    assert_int_equal(json_get_integer(few, "missing", -1), 0);
    OK(device_gaps(w->db, "CAM9", INT64_MIN, 1000, &none, &w->err));
    assert_int_equal(json_array_size(json_get_array(none, "gaps")), 0);
}

/* Channels count for themselves. */
static void test_gaps_of_channels(void **state)
{
    struct world *w = take(state);
    _cleanup_json_ json_t *all = NULL;
    char id[ULID_LENGTH + 1];

    use_settings(w, rules);
    add_device(w, "CAM1", NULL, NULL, id);
    for (int i = 0; i < 6; i++) {
        char start[32];
        json_t *sidecar =
            json_pack("{s:s, s:i}", "channel", i % 2 ? "left" : "right", "seq", i / 2 + (i == 5));

        snprintf(start, sizeof start, "2026-11-23T01:0%d:00Z", i);
        json_object_set_new(sidecar, "started", json_string(start));
        {
            PLACED("x", json_pack("{s:o}", "sidecar", sidecar), NULL);
        }
    }
    OK(device_gaps(w->db, "CAM1", INT64_MIN, 1000, &all, &w->err));
    assert_int_equal(json_array_size(json_get_array(all, "gaps")), 1);
    assert_string_equal(json_get_string(json_array_get(json_get_array(all, "gaps"), 0), "channel"), "left");
    assert_int_equal(json_get_integer(all, "missing", -1), 1);
}

/* ---- silence ---- */

static void test_silence(void **state)
{
    struct world *w = take(state);
    struct device_row row = {.id = "01ARZ3NDEKTSV4RRFFQ69G5FAV"};
    int64_t day = USEC_PER_DAY, now = 100 * day;

    use_settings(w, "devices: { silent: 3 days, clock: 2 min }\n");
    assert_false(device_is_silent(&row, w->settings, now)); /* has never delivered */
    row.last_arrival_usec = now - 3 * day + 1;
    assert_false(device_is_silent(&row, w->settings, now));
    row.last_arrival_usec = now - 3 * day;
    assert_true(device_is_silent(&row, w->settings, now));
    devices_seen(row.id, now - day);
    assert_int_equal(devices_last_seen(row.id), now - day);
    devices_seen(row.id, now - 2 * day); /* told late */
    assert_int_equal(devices_last_seen(row.id), now - day);
    assert_false(device_is_silent(&row, w->settings, now));
    assert_true(device_is_silent(&row, w->settings, now + 2 * day));
    row.retired_usec = 1;
    assert_false(device_is_silent(&row, w->settings, now + 2 * day));
    row.retired_usec = 0;
    use_settings(w, "devices: { silent: 0 s }\n");
    assert_false(device_is_silent(&row, w->settings, now + 1000 * day));
    row.clock_offset_usec = 121 * USEC_PER_SEC;
    assert_false(device_clock_is_off(&row, w->settings)); /* never measured */
    row.clock_usec = now;
    assert_true(device_clock_is_off(&row, w->settings));
    row.clock_offset_usec = -121 * USEC_PER_SEC;
    assert_true(device_clock_is_off(&row, w->settings));
    row.clock_offset_usec = 120 * USEC_PER_SEC;
    assert_false(device_clock_is_off(&row, w->settings));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        BOTH(test_officer_by_assignment),  SQLITE(test_who_is_believed),
        SQLITE(test_dock_for_camera),      SQLITE(test_clock),
        SQLITE(test_clock_never_shortens), BOTH(test_gaps),
        SQLITE(test_gaps_of_channels),     SQLITE(test_silence),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
