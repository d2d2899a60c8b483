/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fields of a delivery: what is kept word for word, what percent-encoded, what is refused, and who may say what.
 */
#include "doors/fields.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static int set(struct fields *f, const char *name, const char *value)
{
    struct error err = ERROR_INIT;
    int r = fields_set(f, name, value, strlen(value), NULL, &err);

    if (r == -EINVAL && (err.code != r || !err.text[0] || strcmp(err.object, name) != 0))
        fail_msg("%s: a refusal must say what would be right", name);
    return r;
}

static void test_texts(void **state)
{
    static const char *const keys[] = {"device", "officer", "unit", "case",    "role",
                                       "step",   "started", "seq",  "channel", "ended"};
    _cleanup_(fields_done) struct fields f = FIELDS_INIT;
    _cleanup_json_ json_t *facts = json_object();

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_int_equal(set(&f, keys[i], keys[i]), 0);
    assert_int_equal(set(&f, "recorded", "started"), 0);
    assert_int_equal(set(&f, "filetype", "video/mp4"), 0);
    assert_int_equal(set(&f, "type", "video/other"), 0);
    assert_int_equal(set(&f, "relativePath", "null"), 1);
    assert_int_equal(set(&f, "Device", "x"), 1);
    assert_int_equal(fields_facts(&f, facts), 0);
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        assert_string_equal(json_get_string(json_get_object(facts, "sidecar"), keys[i]), keys[i]);
    assert_string_equal(json_get_string(json_get_object(facts, "sidecar"), "type"), "video/mp4");
    assert_null(json_object_get(facts, "clock_offset"));
    assert_int_equal(json_object_size(json_get_object(facts, "sidecar")), ARRAY_SIZE(keys) + 1);
}

static void test_names(void **state)
{
    static const char *const cases[][5] = {
        /* field, value, second field, value, expected name and path joined by | */
        {"name", "a.mp4", "filename", "b.mp4", "b.mp4|"},
        {"filename", "b.mp4", "name", "a.mp4", "b.mp4|"},
        {"name", "现场.mp4", NULL, NULL, "现场.mp4|"},
        {"name", "DCIM/100/a.mp4", NULL, NULL, "a.mp4|DCIM/100/a.mp4"},
        {"name", "../../etc/passwd", NULL, NULL, "passwd|etc/passwd"},
        {"path", "x/y", "name", "DCIM/a", "a|x/y"},
        {"name", "DCIM/a", "path", "x/y", "a|x/y"},
        {"name", "DCIM/", NULL, NULL, "|DCIM"},
        {"name", "a\xff%.mp4", NULL, NULL, "a\xff%.mp4|"},
        {"name", "a\n.mp4", NULL, NULL, "a\n.mp4|"},
        {"name", "C:\\x\\a.mp4", NULL, NULL, "a.mp4|x/a.mp4"},
        {"path", "/../x/./y", "name", "a", "a|x/y"},
        {"name", "a%.mp4", NULL, NULL, "a%.mp4|"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(fields_done) struct fields f = FIELDS_INIT;
        char got[200];

        assert_int_equal(set(&f, cases[i][0], cases[i][1]), 0);
        if (cases[i][2])
            assert_int_equal(set(&f, cases[i][2], cases[i][3]), 0);
        snprintf(got, sizeof got, "%s|%s", f.name ? f.name : "", f.path ? f.path : "");
        assert_string_equal(got, cases[i][4]);
    }
}

static void test_origin(void **state)
{
    _cleanup_(fields_done) struct fields f = FIELDS_INIT;
    _cleanup_json_ json_t *facts = json_pack("{s:s,s:i}", "device", "X1", "clock_offset", 7);
    struct upload_origin origin = {.name = "kept", .mtime_usec = 5, .facts = facts};

    assert_int_equal(set(&f, "officer", ""), 0);
    assert_int_equal(fields_origin(&f, &origin), 0);
    assert_string_equal(origin.name, "kept");
    assert_int_equal(origin.mtime_usec, 5);
    assert_null(json_object_get(facts, "sidecar"));
    assert_int_equal(json_get_integer(facts, "clock_offset", 0), 7);

    assert_int_equal(set(&f, "name", "dir/a.mp4"), 0);
    assert_int_equal(set(&f, "clock_offset", "-1500000"), 0);
    assert_int_equal(set(&f, "mtime", "1970-01-01T00:00:02+00:00"), 0);
    assert_int_equal(fields_origin(&f, &origin), 0);
    assert_string_equal(origin.name, "a.mp4");
    assert_string_equal(origin.path, "dir/a.mp4");
    assert_int_equal(origin.mtime_usec, 2000000);
    assert_int_equal(json_get_integer(facts, "clock_offset", 0), -1500000);
    assert_string_equal(json_get_string(facts, "device"), "X1");
}

static void test_numbers(void **state)
{
    static const char *const bad[] = {"x",
                                      "1.5",
                                      "--1",
                                      " 1",
                                      "1 ",
                                      "0x10",
                                      "9223372036854775808",
                                      "1e6",
                                      "+",
                                      "-",
                                      "1\n",
                                      "٣",
                                      "999999999999999999"};
    _cleanup_(fields_done) struct fields f = FIELDS_INIT;
    struct error err;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (set(&f, "clock_offset", bad[i]) != -EINVAL)
            fail_msg("clock_offset '%s' was taken", bad[i]);
    for (size_t i = 0; i + 1 < ARRAY_SIZE(bad); i++)
        if (set(&f, "mtime", bad[i]) != -EINVAL)
            fail_msg("mtime '%s' was taken", bad[i]);
    assert_int_equal(fields_set(&f, "mtime", "12\0 3", 4, NULL, &err), -EINVAL);
    assert_int_equal(f.mtime_usec, 0);
    assert_true(f.clock_offset_usec == INT64_MIN);
    assert_int_equal(set(&f, "mtime", "1700000000000000"), 0);
    assert_int_equal(f.mtime_usec, INT64_C(1700000000000000));
}

static void test_refused(void **state)
{
    _cleanup_(fields_done) struct fields f = FIELDS_INIT;
    char big[FIELD_PATH_MAX + 2];

    memset(big, 'a', sizeof big);
    big[FIELD_PATH_MAX + 1] = '\0';
    assert_int_equal(set(&f, "path", big), -EINVAL);
    assert_int_equal(set(&f, "officer", big), -EINVAL);
    big[FIELD_PATH_MAX] = '\0';
    assert_int_equal(set(&f, "path", big), 0);
    assert_int_equal(set(&f, "officer", big), -EINVAL);
    big[FIELD_TEXT_MAX] = '\0';
    assert_int_equal(set(&f, "officer", big), 0);
    assert_int_equal(set(&f, "officer", "li"), -EINVAL);
    assert_int_equal(set(&f, "step", ""), 0);
    assert_int_equal(set(&f, "step", "x"), -EINVAL);
    assert_int_equal(set(&f, "started", "2026-11-23"), 0);
    assert_int_equal(set(&f, "recorded", "2026-11-24"), -EINVAL);
}

static void test_who(void **state)
{
    struct device camera = {.serial = "CAM1", .kind = "camera"}, dock = {.serial = "D1", .kind = "dock"};
    _cleanup_(fields_done) struct fields none = FIELDS_INIT, own = FIELDS_INIT, other = FIELDS_INIT;
    struct error err = ERROR_INIT;

    assert_int_equal(set(&own, "device", "CAM1"), 0);
    assert_int_equal(fields_set(&other, "device", "CAM1\0", 5, NULL, &err), 0);
    assert_int_equal(fields_allow(&none, &camera, &err), 0);
    assert_int_equal(fields_allow(&own, &camera, &err), 0);
    assert_int_equal(fields_allow(&own, NULL, &err), 0);
    assert_int_equal(fields_allow(&own, &dock, &err), 0);
    assert_int_equal(fields_allow(&other, &camera, &err), -EACCES);
    assert_string_equal(err.object, "device");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_texts),   cmocka_unit_test(test_names),   cmocka_unit_test(test_origin),
        cmocka_unit_test(test_numbers), cmocka_unit_test(test_refused), cmocka_unit_test(test_who),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
