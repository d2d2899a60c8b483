/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What is made, when, and what is believed of it: plans, recipes, deadlines, hours, and the checker of decoded facts. All pure.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "derive/derive-internal.h"
#include "media/decoded-facts.h"

static struct settings *settings_of(const char *yaml)
{
    struct settings *s = NULL;

    assert_int_equal(settings_parse(yaml, strlen(yaml), "test.yaml", NULL, NULL, &s), 0);
    return s;
}

static void test_plans(void **state)
{
    _cleanup_(settings_freep) struct settings *all = settings_of(
                                                  "media: { derive: { height: 480, threads: 3 } }\n"),
                                              *few = settings_of("media: { derive: { make: [peaks] } }\n");
    _cleanup_(derive_plan_done) struct derive_plan video = {0}, audio = {0}, photo = {0}, heif = {0},
                                                   pages = {0}, data = {0}, silent = {0}, peaks = {0};

    assert_int_equal(derive_plan_make(all, "video", false, &video), 0);
    assert_int_equal(video.names.n, 6);
    assert_int_equal(json_array_size(json_object_get(video.json, "files")), 6);
    assert_int_equal(json_get_integer(json_object_get(video.json, "proxy"), "height", 0), 480);
    assert_int_equal(json_get_integer(video.json, "threads", 0), 3);
    assert_true(json_get_integer(json_object_get(video.json, "decoded"), "qr_msec", 0) > 0);
    assert_int_equal(derive_plan_make(all, "audio", false, &audio), 0);
    assert_int_equal(audio.names.n, 2);
    assert_null(json_object_get(audio.json, "poster"));
    assert_int_equal(derive_plan_make(all, "photo", false, &photo), 0);
    assert_true(photo.program == MEDIA_AV && strcmp(photo.verb, "derive") == 0);
    assert_int_equal(derive_plan_make(all, "photo", true, &heif), 0);
    assert_true(heif.program == MEDIA_STILLS && strcmp(heif.verb, "photo") == 0);
    assert_int_equal(derive_plan_make(all, "document", false, &pages), 0);
    assert_true(pages.program == MEDIA_STILLS && pages.names.n == 8);
    assert_int_equal(derive_plan_make(all, "data", false, &data), 0);
    assert_null(data.json);
    assert_int_equal(derive_plan_make(few, "photo", false, &silent), 0);
    assert_null(silent.json);
    assert_int_equal(derive_plan_make(few, "video", false, &peaks), 0);
    assert_true(peaks.names.n == 1 && !json_object_get(peaks.json, "proxy"));
    for (size_t i = 0; i < video.names.n; i++)
        assert_true(*derive_type(video.names.items[i], true));
    assert_string_equal(derive_type("proxy.mp4", false), "audio/mp4");
    assert_string_equal(derive_type("evil.html", false), "");
}

static void recipe_of(const char *yaml, const char *kind, char out[DERIVE_RECIPE_MAX])
{
    _cleanup_(settings_freep) struct settings *s = settings_of(yaml);

    derive_recipe(s, kind, out);
}

/* What changes derivatives changes the recipe, for the kinds that it concerns, and nothing else does. */
static void test_recipes(void **state)
{
    char usual[DERIVE_RECIPE_MAX], other[DERIVE_RECIPE_MAX];

    recipe_of("", "video", usual);
    recipe_of("media: { derive: { height: 480 } }\n", "video", other);
    assert_string_not_equal(usual, other);
    recipe_of("media: { derive: { make: [proxy] } }\n", "video", other);
    assert_string_not_equal(usual, other);
    recipe_of("media: { derive: { threads: 9, jobs: 3, nice: 3 } }\n", "video", other);
    assert_string_equal(usual, other);
    recipe_of("", "photo", usual);
    assert_string_not_equal(usual, other);
    recipe_of("media: { derive: { height: 480 } }\n", "photo", other);
    assert_string_equal(usual, other);
}

static void test_deadlines(void **state)
{
    _cleanup_(settings_freep) struct settings *s =
        settings_of("media: { derive: { deadline: 1 min, deadline_factor: 3 } }\n");

    assert_true(derive_deadline(s, 0) == USEC_PER_MIN);
    assert_true(derive_deadline(s, USEC_PER_HOUR) == 3 * USEC_PER_HOUR + USEC_PER_MIN);
    assert_true(derive_deadline(s, -5) == USEC_PER_MIN);
    assert_true(derive_deadline(s, INT64_MAX) == 366 * USEC_PER_DAY + USEC_PER_MIN);
}

static void test_hours(void **state)
{
    static const struct {
        const char *hours;
        int minute;
        bool right;
    } cases[] = {{"", 5, true},
                 {"08:00-18:30", 8 * 60, true},
                 {"08:00-18:30", 18 * 60 + 29, true},
                 {"08:00-18:30", 18 * 60 + 30, false},
                 {"08:00-18:30", 0, false},
                 {"20:00-06:00", 23 * 60, true},
                 {"20:00-06:00", 0, true},
                 {"20:00-06:00", 6 * 60 - 1, true},
                 {"20:00-06:00", 6 * 60, false},
                 {"20:00-06:00", 19 * 60 + 59, false},
                 {"20:00-24:00", 23 * 60 + 59, true},
                 {"20:00-24:00", 0, false}};
    static const char *const bad[] = {"8:00-18:00",  "08:00",       "08:00-08:00",
                                      "08:60-09:00", "25:00-26:00", "08:00-18:00x",
                                      "08.00-18.00", "-",           "00:00-24:00"};
    int from, to;

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (derive_hour_is_right(cases[i].hours, cases[i].minute) != cases[i].right)
            fail_msg("%s at minute %d", cases[i].hours, cases[i].minute);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (settings_hours_parse(bad[i], &from, &to) == 0)
            fail_msg("%s was taken", bad[i]);
}

static void test_pause(void **state)
{
    _cleanup_(settings_freep) struct settings *s = settings_of(
        "site: { timezone: Asia/Shanghai }\nmedia: { derive: { hours: \"20:00-06:00\", load: 0 } }\n");
    char why[120];
    int64_t again, noon = INT64_C(1700000000) * USEC_PER_SEC; /* 2023-11-15 06:13:20 in Shanghai */

    derive_pause_reason(s, noon, why, sizeof why, &again);
    assert_non_null(strstr(why, "20:00-06:00"));
    assert_true(again == noon + 40 * USEC_PER_SEC);
    derive_pause_reason(s, noon - 14 * USEC_PER_MIN, why, sizeof why, &again);
    assert_string_equal(why, "");
    assert_true(again == INT64_MAX);
}

/* ---- decoded facts --------------------------------------------------------------------------------------------------------- */

static int check_text(const char *text)
{
    _cleanup_json_ json_t *o = json_loads(text, JSON_DECODE_ANY, NULL);
    struct error err = ERROR_INIT;

    assert_non_null(o);
    return decoded_facts_check(o, &err);
}

static void test_decoded_good(void **state)
{
    static const char *const good[] = {
        "{}",
        "{\"qr\":[\"LIUHEN:case=1\",\"案件\\n2\"],\"black\":[[0,1000]],\"rate\":\"constant\",\"rate_num\":25,"
        "\"rate_den\":1}",
        "{\"jumps\":[[5,-7]],\"truncated\":true,\"signed\":\"onvif\",\"key_pictures_only\":false,\"black_"
        "total\":70}",
        "{\"trail\":{\"points\":2,\"from_usec\":1,\"to_usec\":2,\"first\":{\"lat_e7\":1,\"lon_e7\":-"
        "1800000000},\"last\":{\"lat_e7\":900000000,\"lon_e7\":0}}}"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (check_text(good[i]) != 0)
            fail_msg("refused: %s", good[i]);
}

static void test_decoded_bad(void **state)
{
    static const char *const bad[] = {"[]",
                                      "{\"unknown\":1}",
                                      "{\"qr\":\"x\"}",
                                      "{\"qr\":[1]}",
                                      "{\"qr\":[\"\\u001b[2J\"]}",
                                      "{\"qr\":[\"\\u009b\"]}",
                                      "{\"rate\":\"quick\"}",
                                      "{\"rate\":\"constant variable\"}",
                                      "{\"rate\":\"\"}",
                                      "{\"rate_num\":0}",
                                      "{\"rate_num\":25.0}",
                                      "{\"black\":[[1]]}",
                                      "{\"black\":[[1,2,3]]}",
                                      "{\"black\":[[1,9223372036854775807]]}",
                                      "{\"black\":[1,2]}",
                                      "{\"truncated\":1}",
                                      "{\"pictures\":-1}",
                                      "{\"trail\":{\"first\":{\"lat_e7\":900000001}}}",
                                      "{\"trail\":{\"who\":\"x\"}}",
                                      "{\"signed\":\"me\"}"};

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (check_text(bad[i]) == 0)
            fail_msg("taken: %s", bad[i]);
}

static void test_decoded_bounds(void **state)
{
    _cleanup_json_ json_t *o = json_object(), *list = json_array();
    struct error err = ERROR_INIT;
    char text[DECODED_TEXT_MAX + 2];

    for (int i = 0; i < DECODED_LIST_MAX; i++)
        assert_int_equal(json_array_append_new(list, json_pack("[i,i]", i, i)), 0);
    assert_int_equal(json_set_take(o, "gaps", json_incref(list)), 0);
    assert_int_equal(decoded_facts_check(o, &err), 0);
    assert_int_equal(json_array_append_new(list, json_pack("[i,i]", 1, 1)), 0);
    assert_int_equal(decoded_facts_check(o, &err), -EINVAL);
    assert_int_equal(json_object_del(o, "gaps"), 0);
    memset(text, 'q', sizeof text - 1);
    text[sizeof text - 1] = 0;
    assert_int_equal(json_set_take(o, "qr", json_pack("[s]", text)), 0);
    assert_int_equal(decoded_facts_check(o, &err), -EINVAL);
    text[sizeof text - 2] = 0;
    assert_int_equal(json_set_take(o, "qr", json_pack("[s]", text)), 0);
    assert_int_equal(decoded_facts_check(o, &err), 0);
    assert_int_equal(json_set_take(o, "qr", json_pack("[s,s,s,s]", text, text, text, text)), 0);
    assert_int_equal(decoded_facts_check(o, &err), -EINVAL); /* all of it is too long */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plans),       cmocka_unit_test(test_recipes),
        cmocka_unit_test(test_deadlines),   cmocka_unit_test(test_hours),
        cmocka_unit_test(test_pause),       cmocka_unit_test(test_decoded_good),
        cmocka_unit_test(test_decoded_bad), cmocka_unit_test(test_decoded_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
