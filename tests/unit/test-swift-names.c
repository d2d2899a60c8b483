/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths, metadata headers, hosts and listings of Swift.
 */
#include "doors/swift-names.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define ACCOUNT "/v1/AUTH_01ARZ3NDEKTSV4RRFFQ69G5FAV"

static int path_of(const char *raw, struct swift_path *ret)
{
    static struct target target; /* what *ret borrows from */
    struct error err = ERROR_INIT;

    target_done(&target);
    assert_int_equal(target_parse(raw, &target, &err), 0);
    return swift_path(&target, ret, &err);
}

static void test_paths(void **state)
{
    struct swift_path p;

    assert_int_equal(path_of(ACCOUNT, &p), 0);
    assert_string_equal(p.device, "01ARZ3NDEKTSV4RRFFQ69G5FAV");
    assert_string_equal(p.container, "");
    assert_string_equal(p.object, "");
    assert_int_equal(path_of(ACCOUNT "/Users/a%20b/c/%E6%9D%8E.mp4", &p), 0);
    assert_string_equal(p.container, "Users");
    assert_string_equal(p.object, "a b/c/李.mp4");
    assert_int_equal(path_of(ACCOUNT "/a%2Fb/c", &p), -EINVAL);
    assert_int_equal(path_of("/v1/AUTH_/c", &p), -EACCES);
    assert_int_equal(path_of("/v1/AUTH_01arz3ndektsv4rrffq69g5fav/c", &p), -EACCES);
    assert_int_equal(path_of("/v1/recordings", &p), -EACCES);
    assert_int_equal(path_of("/v1", &p), -EACCES);
}

static void test_long_paths(void **state)
{
    char raw[3000], *end;
    struct swift_path p;

    end = raw + sprintf(raw, "%s/", ACCOUNT);
    memset(end, 'c', SWIFT_CONTAINER_MAX);
    end[SWIFT_CONTAINER_MAX] = 0;
    assert_int_equal(path_of(raw, &p), 0);
    strcat(raw, "c");
    assert_int_equal(path_of(raw, &p), -EINVAL);
    end = raw + sprintf(raw, "%s/c/a/", ACCOUNT);
    memset(end, 'o', SWIFT_OBJECT_MAX - 2);
    end[SWIFT_OBJECT_MAX - 2] = 0;
    assert_int_equal(path_of(raw, &p), 0);
    assert_int_equal(strlen(p.object), SWIFT_OBJECT_MAX);
    strcat(raw, "o");
    assert_int_equal(path_of(raw, &p), -EINVAL);
}

static void test_metadata(void **state)
{
    _cleanup_json_ json_t *o = json_object();
    struct error err = ERROR_INIT;

    assert_int_equal(swift_metadata_add(o, "Bwcserialnumber", "ACCC8E", false, &err), 0);
    assert_int_equal(swift_metadata_add(o, "NAME", "%E6%9D%8E%20a+b", false, &err), 0);
    assert_int_equal(swift_metadata_add(o, "Empty", "", false, &err), 0);
    assert_string_equal(json_get_string(o, "bwcserialnumber"), "ACCC8E");
    assert_string_equal(json_get_string(o, "name"), "李 a+b");
    assert_string_equal(json_get_string(o, "empty"), "");
    assert_int_equal(swift_metadata_add(o, "nAme", "again", false, &err), -EINVAL);
    assert_int_equal(json_object_size(o), 3);
}

static void test_bad_metadata(void **state)
{
    static const char *const bad[] = {"%", "%4", "%zz", "a%00b", "%0A", "%ff", "\xff", "%C2%85", "%7f"};
    char long_text[SWIFT_META_VALUE_MAX + 2], long_name[SWIFT_META_NAME_MAX + 2];
    _cleanup_json_ json_t *o = json_object(), *all = json_object();
    struct error err = ERROR_INIT;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        char name[8];

        if (swift_metadata_add(o, "x", bad[i], false, &err) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
        snprintf(name, sizeof name, "k%zu", i);
        assert_int_equal(swift_metadata_add(all, name, bad[i], true, NULL),
                         0); /* rejected content says what it likes */
        assert_non_null(json_get_string(all, name));
    }
    assert_int_equal(json_object_size(o), 0);
    assert_string_equal(json_get_string(all, "k3"), "a%00b");
    memset(long_text, 'v', sizeof long_text);
    long_text[sizeof long_text - 1] = 0;
    assert_int_equal(swift_metadata_add(o, "x", long_text, false, &err), -EINVAL);
    assert_int_equal(swift_metadata_add(all, "long", long_text, true, NULL), 0);
    assert_int_equal(strlen(json_get_string(all, "long")), SWIFT_META_VALUE_MAX);
    assert_int_equal(swift_metadata_add(o, "x", long_text + 1, false, &err), 0);
    memset(long_name, 'n', sizeof long_name);
    long_name[sizeof long_name - 1] = 0;
    assert_int_equal(swift_metadata_add(o, long_name, "v", false, &err), -EINVAL);
    assert_int_equal(swift_metadata_add(o, long_name + 1, "v", false, &err), 0);
    assert_int_equal(swift_metadata_add(o, "", "v", false, &err), -EINVAL);
    assert_int_equal(swift_metadata_add(o, "a b", "v", false, &err), -EINVAL);
}

static void test_many_metadata(void **state)
{
    _cleanup_json_ json_t *o = json_object();
    struct error err = ERROR_INIT;
    char name[16];

    for (int i = 0; i < SWIFT_META_MAX; i++) {
        snprintf(name, sizeof name, "k%d", i);
        assert_int_equal(swift_metadata_add(o, name, "v", false, &err), 0);
    }
    assert_int_equal(swift_metadata_add(o, "more", "v", false, &err), -EINVAL);
    assert_int_equal(swift_metadata_add(o, "more", "v", true, NULL), 0);
    assert_int_equal(json_object_size(o), SWIFT_META_MAX);
}

static void test_much_metadata(void **state)
{
    _cleanup_json_ json_t *o = json_object();
    struct error err = ERROR_INIT;
    char name[16], value[SWIFT_META_VALUE_MAX + 1];
    int i = 0;

    memset(value, 'v', SWIFT_META_VALUE_MAX);
    value[SWIFT_META_VALUE_MAX] = 0;
    for (; i < SWIFT_META_ALL_MAX / (SWIFT_META_VALUE_MAX + 3); i++) {
        snprintf(name, sizeof name, "k%02d", i);
        assert_int_equal(swift_metadata_add(o, name, value, false, &err), 0);
    }
    assert_int_equal(swift_metadata_add(o, "kxx", value, false, &err), -EINVAL);
    assert_int_equal(swift_metadata_add(o, "kxx", value, true, NULL), 0);
    assert_int_equal(json_object_size(o), i);
}

static void test_encoding(void **state)
{
    static const char *const texts[] = {"",        "李 a+b", "100%", "2026-11-23T01:05:07Z",
                                        "k:v;k:v", "\"x\"",  "a\\b"};
    char name[SWIFT_META_NAME_MAX + 1];

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_ char *text = swift_metadata_encode(texts[i]);
        _cleanup_json_ json_t *o = json_object();

        assert_int_equal(swift_metadata_add(o, "x", text, false, NULL), 0);
        assert_string_equal(json_get_string(o, "x"), texts[i]);
    }
    swift_metadata_name("starttime", name);
    assert_string_equal(name, "Starttime");
    swift_metadata_name("a-bc-d", name);
    assert_string_equal(name, "A-Bc-D");
}

static void test_hosts(void **state)
{
    static const char *const good[] = {"a", "127.0.0.1:8480", "[::1]:8443", "[::1]", "archive.example:65535"};
    static const char *const bad[] = {"",      ":80",  "a:",   "a:0",     "a:65536", "a:123456", "a b", "a/b",
                                      "a@b",   "[]",   "[::1", "[::1]x",  "a:80x",   "\r\nX: y", "a?x", "a#x",
                                      "[::g]", "::1]", "a:-1", "a:80:80", "%41",     "a\\b"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (!swift_host_is_valid(good[i]))
            fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (swift_host_is_valid(bad[i]))
            fail_msg("taken: %s", bad[i]);
}

static int listing_of(const char *query, const char *accept, struct swift_listing *ret)
{
    static struct target target;
    struct error err = ERROR_INIT;
    char raw[300];

    target_done(&target);
    snprintf(raw, sizeof raw, ACCOUNT "/c?%s", query);
    assert_int_equal(target_parse(raw, &target, &err), 0);
    return swift_listing(&target, accept, ret, &err);
}

static void test_listings(void **state)
{
    static const char *const bad[] = {"limit=x",    "limit=10001", "limit=-1", "limit=123456",
                                      "format=xml", "delimiter=/", "path=a"};
    struct swift_listing l;

    assert_int_equal(listing_of("limit=5&marker=m&prefix=&end_marker=z&format=json", NULL, &l), 0);
    assert_int_equal(l.limit, 5);
    assert_string_equal(l.marker, "m");
    assert_string_equal(l.end_marker, "z");
    assert_null(l.prefix);
    assert_int_equal(l.format, SWIFT_JSON);
    assert_int_equal(listing_of("limit=", "text/html, application/json", &l), 0);
    assert_int_equal(l.limit, SWIFT_LIST_MAX);
    assert_int_equal(l.format, SWIFT_JSON);
    assert_int_equal(listing_of("format=plain", "application/json", &l), 0);
    assert_int_equal(l.format, SWIFT_TEXT);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (listing_of(bad[i], NULL, &l) != -EINVAL)
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),         cmocka_unit_test(test_long_paths),
        cmocka_unit_test(test_metadata),      cmocka_unit_test(test_bad_metadata),
        cmocka_unit_test(test_many_metadata), cmocka_unit_test(test_much_metadata),
        cmocka_unit_test(test_encoding),      cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_listings)};

    return cmocka_run_group_tests_name("swift-names", tests, NULL, NULL);
}
