/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * redaction.c, redaction-shape.c: bad plans are refused with what, where and what would be right; good ones cover every place in which a
 * region is while a picture is shown, and silence to the sample.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "media/redaction.h"

#define K            "\"keyframes\":[{\"at_msec\":0,\"x\":0,\"y\":0,\"w\":10,\"h\":10}]"
#define REGION(more) "{\"regions\":[{\"kind\":\"black\"," more "}]}"

static json_t *parse(const char *text)
{
    struct error err = ERROR_INIT;
    json_t *value = NULL;

    if (json_parse(text, strlen(text), "plan", &value, &err) < 0)
        fail_msg("%s: %s", text, err.text);
    return value;
}

static void read_good(const char *text, struct redaction *ret)
{
    _cleanup_json_ json_t *plan = parse(text);
    struct error err = ERROR_INIT;

    if (redaction_read(plan, ret, &err) != 0)
        fail_msg("%s refused: %s: %s", text, err.object, err.text);
}

/* plan, where it is wrong, words that the message has */
static const struct {
    const char *plan, *where, *words;
} bad[] = {
    {"[]", "", "not an object"},
    {"{}", "", "covers and silences nothing"},
    {"{\"keep\":[{\"x\":0,\"y\":0,\"w\":1,\"h\":1}]}", "", "covers and silences nothing"},
    {"{\"regions\":[],\"mute\":[]}", "", "covers and silences nothing"},
    {"{\"regionz\":[]}", "", "unknown key \"regionz\"; there are only version regions"},
    {"{\"region\":[]}", "", "unknown key \"region\""},
    {"{\"\":[]}", "", "unknown key \"\""},
    {"{\"regions whole\":[]}", "", "unknown key"},
    {"{\"cuts\":[[0,1]]}", "cuts",
     "cuts are refused: footage keeps its whole time line; cover the stretch with \"whole\""},
    {"{\"speed\":2}", "speed", "another speed are refused"},
    {"{\"reorder\":[]}", "reorder", "another order are refused"},
    {REGION("\"freeze\":1," K), "regions[0].freeze", "stopped pictures are refused"},
    {"{\"mute\":[{\"cut\":true}]}", "mute[0].cut", "cuts are refused"},
    {"{\"version\":2,\"mute\":[{}]}", "version", "is 2; it must lie from 1 to 1"},
    {"{\"version\":\"1\",\"mute\":[{}]}", "version", "not a whole number"},
    {"{\"regions\":{}}", "regions", "is not a list"},
    {"{\"regions\":[7]}", "regions[0]", "is not an object"},
    {"{\"regions\":[{" K "}]}", "regions[0].kind", "is missing; one of black, blur, pixelate is needed"},
    {"{\"regions\":[{\"kind\":\"Blur\"," K "}]}", "regions[0].kind",
     "is \"Blur\"; it must be one of black, blur, pixelate"},
    {"{\"regions\":[{\"kind\":3," K "}]}", "regions[0].kind", "is not a text"},
    {REGION("\"shape\":\"circle\"," K), "regions[0].shape", "must be one of rectangle, ellipse"},
    {REGION("\"x\":1," K), "regions[0]", "unknown key \"x\""},
    {REGION("\"shape\":\"ellipse\""), "regions[0].keyframes", "missing or empty"},
    {REGION("\"keyframes\":[]"), "regions[0].keyframes", "missing or empty"},
    {REGION("\"keyframes\":7"), "regions[0].keyframes", "is not a list"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":0,\"y\":0,\"w\":10}]"), "regions[0].keyframes[0].h",
     "is missing"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":0.5,\"y\":0,\"w\":10,\"h\":1}]"),
     "regions[0].keyframes[0].x", "not a whole number"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":0,\"y\":0,\"w\":0,\"h\":1}]"), "regions[0].keyframes[0].w",
     "is 0; it must lie from 1"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":-1001,\"y\":0,\"w\":9,\"h\":1}]"),
     "regions[0].keyframes[0].x", "must lie from -1000"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":9223372036854775807,\"y\":0,\"w\":9,\"h\":1}]"),
     "regions[0].keyframes[0].x", "must lie"},
    {REGION("\"keyframes\":[{\"at_msec\":-1,\"x\":0,\"y\":0,\"w\":9,\"h\":1}]"),
     "regions[0].keyframes[0].at_msec", "is -1"},
    {REGION("\"keyframes\":[{\"at_msec\":2678400001,\"x\":0,\"y\":0,\"w\":9,\"h\":1}]"),
     "regions[0].keyframes[0].at_msec", "must lie"},
    {REGION("\"keyframes\":[{\"at_msec\":5,\"x\":0,\"y\":0,\"w\":9,\"h\":1},{\"at_msec\":5,\"x\":0,\"y\":0,"
            "\"w\":9,\"h\":1}]"),
     "regions[0].keyframes[1].at_msec", "not after the keyframe before it"},
    {REGION("\"keyframes\":[{\"at_msec\":0,\"x\":0,\"y\":0,\"w\":9,\"h\":1,\"z\":1}]"),
     "regions[0].keyframes[0]", "unknown key \"z\""},
    {REGION("\"from_msec\":5,\"until_msec\":5," K), "regions[0].until_msec", "is 5, not after from_msec 5"},
    {REGION("\"until_msec\":0," K), "regions[0].until_msec", "not after"},
    {REGION("\"from_msec\":\"0\"," K), "regions[0].from_msec", "not a whole number"},
    {REGION("\"label\":7," K), "regions[0].label", "text of at most 160"},
    {"{\"whole\":[{\"from_msec\":0,\"until_msec\":1}]}", "whole[0].kind", "is missing"},
    {"{\"whole\":[{\"kind\":\"black\",\"shape\":\"ellipse\"}]}", "whole[0]", "unknown key \"shape\""},
    {"{\"mute\":[{\"from_msec\":9,\"until_msec\":8}]}", "mute[0].until_msec", "not after"},
    {"{\"mute\":[{},{\"kind\":\"beep\"}]}", "mute[1]", "unknown key \"kind\""},
    {"{\"mute\":[{}],\"keep\":7}", "keep", "is not a list"},
    {"{\"mute\":[{}],\"keep\":[{\"x\":0,\"y\":0,\"w\":1}]}", "keep[0].h", "is missing"},
};

static void test_bad_plans(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        _cleanup_json_ json_t *plan = parse(bad[i].plan);
        struct redaction p = {0};
        struct error err = ERROR_INIT;

        if (redaction_read(plan, &p, &err) != -EINVAL || err.code != -EINVAL)
            fail_msg("%s was not refused", bad[i].plan);
        if (strcmp(err.object, bad[i].where) != 0 || !strstr(err.text, bad[i].words))
            fail_msg("%s: said \"%s\": %s", bad[i].plan, err.object, err.text);
        assert_null(p.regions);
        assert_null(p.mute);
    }
}

/* A list with n times the same element, or with ascending keyframes. */
static json_t *many(const char *key, size_t n, const char *element)
{
    json_t *plan = json_object(), *list = json_array();

    for (size_t i = 0; i < n; i++) {
        json_t *e = parse(element);

        if (json_object_get(e, "at_msec"))
            json_object_set_new(e, "at_msec", json_integer((json_int_t)i));
        json_array_append_new(list, e);
    }
    json_object_set_new(plan, key, list);
    return plan;
}

static void check_bound(json_t *take_plan, const char *where, bool good)
{
    _cleanup_json_ json_t *plan = take_plan;
    struct redaction p = {0};
    struct error err = ERROR_INIT;
    int r = redaction_read(plan, &p, &err);

    assert_int_equal(r, good ? 0 : -EINVAL);
    if (!good) {
        assert_string_equal(err.object, where);
        assert_non_null(strstr(err.text, "at most"));
    }
    redaction_done(&p);
}

static json_t *with_keyframes(size_t n)
{
    json_t *plan = parse(REGION(K)), *region = json_array_get(json_object_get(plan, "regions"), 0);
    _cleanup_json_ json_t *k = many("keyframes", n, "{\"at_msec\":0,\"x\":0,\"y\":0,\"w\":1,\"h\":1}");

    json_object_update(region, k);
    return plan;
}

static void test_bounds(void **state)
{
    json_t *keep;

    check_bound(many("regions", 256, "{\"kind\":\"blur\"," K "}"), "", true);
    check_bound(many("regions", 257, "{\"kind\":\"blur\"," K "}"), "regions", false);
    check_bound(with_keyframes(10000), "", true);
    check_bound(with_keyframes(10001), "regions[0].keyframes", false);
    check_bound(many("whole", 257, "{\"kind\":\"blur\"}"), "whole", false);
    check_bound(many("mute", 10000, "{}"), "", true);
    check_bound(many("mute", 10001, "{}"), "mute", false);
    keep = many("keep", 17, "{\"x\":0,\"y\":0,\"w\":1,\"h\":1}");
    json_object_set_new(keep, "mute", json_pack("[{}]"));
    check_bound(keep, "keep", false);
}

/* The digest is that of the canonical text, whatever the order in which the keys came. */
static void test_digest(void **state)
{
    static const char canonical[] = "{\"mute\":[{\"from_msec\":1,\"until_msec\":2}],\"version\":1}";
    struct redaction a = {0}, b = {0}, c = {0};
    struct digest d;
    char hex[DIGEST_HEX_SIZE];

    read_good("{ \"version\": 1, \"mute\": [{\"until_msec\":2, \"from_msec\":1}] }", &a);
    read_good(canonical, &b);
    read_good("{\"mute\":[{\"from_msec\":1,\"until_msec\":3}],\"version\":1}", &c);
    digest_of(canonical, strlen(canonical), &d);
    digest_to_hex(&d, hex);
    assert_string_equal(a.digest, hex);
    assert_string_equal(b.digest, hex);
    assert_string_not_equal(c.digest, hex);
    redaction_done(&a);
    redaction_done(&b);
    redaction_done(&c);
}

static void test_defaults(void **state)
{
    struct redaction p = {0};

    read_good(REGION(K), &p);
    assert_int_equal(p.regions[0].shape, SHAPE_RECTANGLE);
    assert_int_equal(p.regions[0].from_usec, 0);
    assert_true(p.regions[0].until_usec == REDACTION_TO_THE_END);
    assert_true(region_is_there(&p.regions[0], 0, 0));
    assert_true(region_is_there(&p.regions[0], INT64_C(1) << 60, (INT64_C(1) << 60) + 1));
    redaction_done(&p);
    read_good(REGION("\"from_msec\":1000,\"until_msec\":2000," K), &p);
    assert_false(region_is_there(&p.regions[0], 0, 999999));
    assert_true(region_is_there(&p.regions[0], 0, 1000000)); /* a picture that stands until then */
    assert_true(region_is_there(&p.regions[0], 1999999, 3000000));
    assert_false(region_is_there(&p.regions[0], 2000000, 3000000));
    redaction_done(&p);
}

static struct row rows[1002];

static bool covered(int x, int y)
{
    return x >= rows[y].x0 && x < rows[y].x1;
}

static void test_rectangle_outwards(void **state)
{
    struct redaction p = {0};

    /* 320 × 240: x 10 ‰ = 3.2 … 32 ‰ = 6.4 (w 10 ‰ → to 20 ‰ = 6.4); y 10 ‰ = 2.4 … 4.8 */
    read_good(REGION("\"keyframes\":[{\"at_msec\":0,\"x\":10,\"y\":10,\"w\":10,\"h\":10}]"), &p);
    assert_true(region_rows(&p.regions[0], 0, 40000, 320, 240, rows));
    assert_false(covered(2, 1));
    for (int y = 2; y < 6; y++) { /* 2.4 … 4.8: rows 2 to 4, and 5 shares its colour with 4 */
        assert_int_equal(rows[y].x0, 2);
        assert_int_equal(rows[y].x1, 8);
    }
    assert_true(rows[6].x0 >= rows[6].x1);
    redaction_done(&p);
    /* beyond the borders; odd sizes */
    read_good(REGION("\"keyframes\":[{\"at_msec\":0,\"x\":-500,\"y\":900,\"w\":3000,\"h\":3000}]"), &p);
    assert_true(region_rows(&p.regions[0], 0, 0, 321, 241, rows));
    assert_int_equal(rows[241].x0, 0);
    assert_int_equal(rows[241].x1, 322);
    assert_true(rows[100].x0 >= rows[100].x1);
    redaction_done(&p);
    read_good(REGION("\"keyframes\":[{\"at_msec\":0,\"x\":1500,\"y\":0,\"w\":10,\"h\":10}]"), &p);
    assert_false(region_rows(&p.regions[0], 0, 0, 320, 240, rows));
    redaction_done(&p);
}

/* Whatever instant of the picture's time is looked at, the region's place then lies within what is covered. */
static void check_sweep(const char *shape, int64_t from, int64_t until)
{
    static const char format[] =
        "{\"regions\":[{\"kind\":\"black\",\"shape\":\"%s\",\"keyframes\":[{\"at_msec\":0,\"x\":0,\"y\":0,"
        "\"w\":200,"
        "\"h\":100},{\"at_msec\":100,\"x\":700,\"y\":100,\"w\":100,\"h\":300},{\"at_msec\":300,\"x\":100,"
        "\"y\":800,\"w\":300,\"h\":150}]}]}";
    _cleanup_free_ char *text = NULL;
    struct row at[1000];
    struct redaction p = {0};

    assert_true(asprintf(&text, format, shape) > 0);
    read_good(text, &p);
    for (int64_t t = from; t <= until; t += 1000) {
        assert_true(region_rows(&p.regions[0], t, t, 1000, 1000, rows));
        memcpy(at, rows, sizeof at);
        assert_true(region_rows(&p.regions[0], from, until, 1000, 1000, rows));
        for (int y = 0; y < 1000; y++)
            if (at[y].x0 < at[y].x1 && (at[y].x0 < rows[y].x0 || at[y].x1 > rows[y].x1))
                fail_msg("%s %lld–%lld: at %lld row %d is %d–%d, covered %d–%d", shape, (long long)from,
                         (long long)until, (long long)t, y, at[y].x0, at[y].x1, rows[y].x0, rows[y].x1);
    }
    redaction_done(&p);
}

static void test_moving(void **state)
{
    static const char *const shapes[] = {"rectangle", "ellipse"};

    for (size_t i = 0; i < ARRAY_SIZE(shapes); i++) {
        check_sweep(shapes[i], 0, 5000); /* within one step between keyframes */
        check_sweep(shapes[i], 40000, 44000);
        check_sweep(shapes[i], 90000, 130000); /* over a keyframe */
        check_sweep(shapes[i], 0, 400000);     /* a picture that stands for all of it */
    }
}

static void test_ellipse(void **state)
{
    struct redaction p = {0};

    read_good(
        REGION(
            "\"shape\":\"ellipse\",\"keyframes\":[{\"at_msec\":0,\"x\":200,\"y\":300,\"w\":400,\"h\":200}]"),
        &p);
    assert_true(region_rows(&p.regions[0], 0, 0, 1000, 1000, rows));
    for (int y = 0; y < 1000; y++)
        for (int x = 0; x < 1000; x++) {
            double dx = (x + 0.5 - 400) / 200, dy = (y + 0.5 - 400) / 100, d = dx * dx + dy * dy;

            if (d <= 1)
                assert_true(covered(x, y));
            if (d > 1.2)
                assert_false(covered(x, y)); /* and it is an ellipse, not its box */
        }
    redaction_done(&p);
}

static void test_mute(void **state)
{
    struct redaction p = {0};

    read_good("{\"mute\":[{\"from_msec\":1500,\"until_msec\":2000},{\"from_msec\":500,\"until_msec\":1000},{"
              "\"from_msec\":900,"
              "\"until_msec\":1100},{\"from_msec\":5000}]}",
              &p);
    assert_int_equal(p.n_mute, 3);
    for (int64_t i = 21600; i < 55200; i++) /* 0.5 – 1.1 s and 50 ms around it: to the sample */
        assert_true(mute_gain(&p, i, 48000) == 0);
    assert_true(mute_gain(&p, 21599, 48000) > 0);
    assert_true(mute_gain(&p, 21599, 48000) < 0.01);
    assert_true(mute_gain(&p, 55200, 48000) > 0);
    for (int64_t i = 21121; i < 21600; i++) /* falls over 10 ms before … */
        assert_true(mute_gain(&p, i, 48000) < mute_gain(&p, i - 1, 48000));
    for (int64_t i = 55201; i < 55680; i++) /* … and rises over 10 ms behind */
        assert_true(mute_gain(&p, i, 48000) > mute_gain(&p, i - 1, 48000));
    assert_true(mute_gain(&p, 20000, 48000) == 1);
    assert_true(mute_gain(&p, 0, 48000) == 1);
    assert_true(mute_gain(&p, 60000, 48000) == 1);
    assert_true(mute_gain(&p, 80000, 48000) == 0);
    assert_true(mute_gain(&p, INT64_C(48000) * 86400 * 365, 48000) == 0); /* to the end */
    /* a rate that does not divide: every sample that is touched is silent */
    assert_true(mute_gain(&p, 9921, 22050) > 0);
    assert_true(mute_gain(&p, 9922, 22050) == 0); /* 0.45 s are sample 9922.5 */
    assert_true(mute_is_near(&p, 2 * USEC_PER_SEC + 50000 + 900000, USEC_PER_SEC));
    assert_false(mute_is_near(&p, 3500 * USEC_PER_MSEC, USEC_PER_SEC));
    redaction_done(&p);
    read_good("{\"mute\":[{\"from_msec\":20,\"until_msec\":30},{\"from_msec\":120,\"until_msec\":130}]}", &p);
    assert_int_equal(p.n_mute, 1); /* margins that meet */
    assert_int_equal(p.mute[0].from_usec, 0);
    assert_true(mute_gain(&p, 0, 48000) == 0);
    redaction_done(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bad_plans),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_digest),
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_rectangle_outwards),
        cmocka_unit_test(test_moving),
        cmocka_unit_test(test_ellipse),
        cmocka_unit_test(test_mute),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
