/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON: canonical text is one text for one value, bad input is refused with its place, members are read by type.
 */
#include "base/json.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_canonical(void **state)
{
    static const char text[] =
        " { \"b\" : [ 1 , {\"z\":null,\"a\":true} ], \"a\" : \"\\u7559\\u75d5\\n\" , \"\" : -7 } ";
    _cleanup_json_ json_t *v = NULL;
    _cleanup_free_ char *out = NULL;

    assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), 0);
    assert_int_equal(json_canonical(v, &out), 0);
    assert_string_equal(out, "{\"\":-7,\"a\":\"留痕\\n\",\"b\":[1,{\"a\":true,\"z\":null}]}");
}

static void test_canonical_of_canonical(void **state)
{
    static const char *const texts[] = {"[]",
                                        "{}",
                                        "\"x\"",
                                        "0",
                                        "-9223372036854775808",
                                        "9223372036854775807",
                                        "null",
                                        "{\"a\":{\"b\":[[[1]]]}}"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        char wrapped[100];
        _cleanup_json_ json_t *v = NULL;
        _cleanup_free_ char *out = NULL;
        snprintf(wrapped, sizeof wrapped, "[%s]", texts[i]);
        assert_int_equal(json_parse(wrapped, strlen(wrapped), "t", &v, NULL), 0);
        assert_int_equal(json_canonical(v, &out), 0);
        assert_string_equal(out, wrapped);
    }
}

static void test_no_real_numbers(void **state)
{
    static const char text[] = "{\"a\":[1,{\"b\":1.5}]}";
    _cleanup_json_ json_t *v = NULL;
    char *out = (char *)"untouched";

    assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), 0);
    assert_int_equal(json_canonical(v, &out), -EINVAL);
    assert_string_equal(out, "untouched");
    assert_int_equal(json_canonical(NULL, &out), -EINVAL);
}

static void test_refused_with_place(void **state)
{
    static const struct {
        const char *text;
        size_t size; /* 0 = strlen */
        const char *says;
    } bad[] = {
        {"", 0, "line 1"},
        {"{\"a\":1,\n\"a\":2}", 0, "line 2"}, /* the same key twice */
        {"{} x", 0, "line 1 column 4"},       /* something after */
        {"{\"a\":\n\n oops}", 0, "line 3"},
        {"[\"\xff\"]", 0, "line 1"}, /* not UTF-8 */
        {"[\"a\0b\"]", 7, "line 1"},
        {"[99999999999999999999]", 0, "line 1"}, /* beyond 64 bits */
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct error err = ERROR_INIT;
        json_t *v = NULL;
        size_t size = bad[i].size ? bad[i].size : strlen(bad[i].text);
        assert_int_equal(json_parse(bad[i].text, size, "side.json", &v, &err), -EINVAL);
        assert_null(v);
        assert_string_equal(err.object, "side.json");
        assert_non_null(strstr(err.text, bad[i].says));
    }
}

/* Depth and size are bounded: neither a stack nor the memory can be used up. */
static void test_bounds(void **state)
{
    size_t size = (1u << 20) + 1;
    _cleanup_free_ char *big = malloc(size);
    struct error err = ERROR_INIT;
    json_t *v = NULL;

    assert_non_null(big);
    memset(big, '[', size);
    assert_int_equal(json_parse(big, size, "t", &v, &err), -EFBIG);
    assert_int_equal(json_parse(big, size - 1, "t", &v, &err), -EINVAL);
    assert_null(v);
}

static void test_typed_members(void **state)
{
    static const char text[] = "{\"s\":\"x\",\"i\":5,\"b\":true,\"o\":{},\"a\":[],\"n\":null}";
    _cleanup_json_ json_t *v = NULL;

    assert_int_equal(json_parse(text, strlen(text), "t", &v, NULL), 0);
    assert_string_equal(json_get_string(v, "s"), "x");
    assert_null(json_get_string(v, "i"));
    assert_null(json_get_string(v, "none"));
    assert_int_equal(json_get_integer(v, "i", -1), 5);
    assert_int_equal(json_get_integer(v, "s", -1), -1);
    assert_true(json_get_bool(v, "b", false));
    assert_true(json_get_bool(v, "i", true));
    assert_non_null(json_get_object(v, "o"));
    assert_null(json_get_object(v, "a"));
    assert_non_null(json_get_array(v, "a"));
    assert_null(json_get_array(v, "n"));
    assert_null(json_get_string(NULL, "s"));
}

static void test_set_members(void **state)
{
    _cleanup_json_ json_t *v = json_object();
    _cleanup_free_ char *out = NULL;

    assert_int_equal(json_set_string(v, "s", "x"), 0);
    assert_int_equal(json_set_string(v, "absent", NULL), 0);
    assert_int_equal(json_set_string(v, "bad", "\xff"), -EINVAL);
    assert_int_equal(json_set_integer(v, "i", INT64_MIN), 0);
    assert_int_equal(json_set_bool(v, "b", false), 0);
    assert_int_equal(json_set_take(v, "o", json_object()), 0);
    assert_int_equal(json_set_take(v, "none", NULL), -ENOMEM);
    assert_int_equal(json_canonical(v, &out), 0);
    assert_string_equal(out, "{\"b\":false,\"i\":-9223372036854775808,\"o\":{},\"s\":\"x\"}");
}

static void *no_memory(size_t size)
{
    return NULL;
}

/* What cannot be read for want of memory must not pass for damage. */
static void test_out_of_memory(void **state)
{
    static const char text[] = "{\"a\":[1,\"b\"]}";
    struct error err = ERROR_INIT;
    json_malloc_t give;
    json_free_t take;
    json_t *v = NULL;
    int r;

    json_get_alloc_funcs(&give, &take);
    json_set_alloc_funcs(no_memory, take);
    r = json_parse(text, sizeof text - 1, "x", &v, &err);
    json_set_alloc_funcs(give, take);
    assert_int_equal(r, -ENOMEM);
    assert_null(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_canonical),       cmocka_unit_test(test_canonical_of_canonical),
        cmocka_unit_test(test_no_real_numbers), cmocka_unit_test(test_refused_with_place),
        cmocka_unit_test(test_bounds),          cmocka_unit_test(test_typed_members),
        cmocka_unit_test(test_set_members),     cmocka_unit_test(test_out_of_memory),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
