/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encodings: vectors of RFC 4648, refusal of what is not canonical, every byte through percent-encoding and back, safe names.
 */
#include "base/encode.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_hex(void **state)
{
    static const char *const bad[] = {"", "0", "00f", "0g1f", "00ffa", "00ff00", "0x00", " 0ff"};
    uint8_t bytes[2] = {1, 2};
    char text[5];

    encode_hex("\x00\xFF", 2, text);
    assert_string_equal(text, "00ff");
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(decode_hex(bad[i], bytes, 2), -EINVAL);
    assert_memory_equal(bytes, "\x01\x02", 2);
    assert_int_equal(decode_hex("aBfE", bytes, 2), 0);
    assert_memory_equal(bytes, "\xAB\xFE", 2);
}

static void test_base64(void **state)
{
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}};
    static const char *const bad[] = {
        "Z",    "Zg",       "Zg=",      "Zg===", "Zh==", "Zm9=", "Zm9v\n", "Zm 9v",
        "=m9v", "Zg==Zg==", "Zm9v====", "Z===",  "====", "Zm-_", "Zm9\xFF"};

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        _cleanup_free_ char *text = encode_base64(pairs[i][0], strlen(pairs[i][0]));
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        assert_string_equal(text, pairs[i][1]);
        assert_int_equal(decode_base64(text, strlen(text), &data, &size), 0);
        assert_int_equal(size, strlen(pairs[i][0]));
        assert_memory_equal(data, pairs[i][0], size);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        uint8_t *data = NULL;
        size_t size;

        if (decode_base64(bad[i], strlen(bad[i]), &data, &size) != -EINVAL)
            fail_msg("'%s' was taken for base64", bad[i]);
        assert_null(data);
    }
}

/* Every byte, and every pair of bytes, comes back as it was; the encoded text is valid UTF-8 without control bytes. */
static void test_percent_all_pairs(void **state)
{
    for (int i = 0; i < 65536; i++) {
        uint8_t in[2] = {(uint8_t)(i >> 8), (uint8_t)i};
        _cleanup_free_ char *text = encode_percent(in, 2), *out = NULL;
        size_t size;

        assert_non_null(text);
        assert_true(utf8_is_valid(text, strlen(text)));
        for (const char *p = text; *p; p++)
            assert_true((unsigned char)*p >= 0x20 && *p != 0x7F);
        assert_int_equal(decode_percent(text, &out, &size), 0);
        assert_int_equal(size, 2);
        assert_memory_equal(out, in, 2);
    }
}

static void test_percent(void **state)
{
    static const char *const pairs[][2] = {
        {"本溪/a b.mp4", "本溪/a b.mp4"},
        {"50%", "50%25"},
        {"a\nb", "a%0Ab"},
        {"\xC3(", "%C3("},
        {"\xB1\xBE", "%B1%BE"},
        {"e\xCC\x81", "e\xCC\x81"} /* NFD stays NFD */,
        {"\xC3\xA9", "\xC3\xA9"},
        {"\xED\xA0\x80", "%ED%A0%80"},
        {"\xC2\x9B", "%C2%9B"},
        {"..", ".."},
    };
    char *out = NULL;
    size_t size;

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        _cleanup_free_ char *text = encode_percent(pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(text, pairs[i][1]);
    }
    assert_int_equal(decode_percent("a%", &out, &size), -EINVAL);
    assert_int_equal(decode_percent("a%4", &out, &size), -EINVAL);
    assert_int_equal(decode_percent("a%4g", &out, &size), -EINVAL);
    assert_null(out);
}

static void test_utf8(void **state)
{
    static const char *const good[] = {
        "", "a", "本", "\xF0\x9F\x8E\xA5", "\xF4\x8F\xBF\xBF", "\xEE\x80\x80", "\xC2\x80"};
    static const char *const bad[] = {"\x80",
                                      "\xC0\x80",
                                      "\xC1\xBF",
                                      "\xE0\x80\x80",
                                      "\xE0\x9F\xBF",
                                      "\xED\xA0\x80",
                                      "\xF0\x8F\xBF\xBF",
                                      "\xF4\x90\x80\x80",
                                      "\xF5\x80\x80\x80",
                                      "\xE6\x9C",
                                      "\xFF",
                                      "a\xC3"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        assert_true(utf8_is_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(utf8_is_valid(bad[i], strlen(bad[i])));
}

static void assert_safe(const char *name)
{
    assert_in_range(strlen(name), 1, 200);
    assert_true(utf8_is_valid(name, strlen(name)));
    assert_null(strpbrk(name, "/\\:*?\"<>|"));
    assert_true(name[0] != '.' && name[0] != '-');
    assert_string_not_equal(name, "arrival.json");
    for (const char *p = name; *p; p++)
        assert_true((unsigned char)*p >= 0x20 && *p != 0x7F);
}

static void test_safe_names(void **state)
{
    static const char *const pairs[][2] = {
        {"clip.mp4", "clip.mp4"},
        {"本溪.mp4", "本溪.mp4"},
        {"", "_"},
        {".", "_."},
        {"..", "_.."},
        {".hidden", "_.hidden"},
        {"-rf", "_-rf"},
        {"a/b", "a%2Fb"},
        {"a:b*c", "a%3Ab%2Ac"},
        {"a\nb", "a%0Ab"},
        {"arrival.json", "_arrival.json"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
        _cleanup_free_ char *name = encode_safe_name(pairs[i][0], strlen(pairs[i][0]));
        assert_string_equal(name, pairs[i][1]);
        assert_safe(name);
    }
}

/* Long names of every kind of byte keep their extension and are never cut inside a character. */
static void test_long_names(void **state)
{
    static const char *const units[] = {"a", "本", "\xFF", "%", "\n", "\xF0\x9F\x8E\xA5", ".", "x."};
    static const char *const ends[] = {"",      ".mp4", ".dav", ".\xFFmp4", ".averyveryverylongextension",
                                       "本.mp4"};

    for (size_t u = 0; u < ARRAY_SIZE(units); u++)
        for (size_t e = 0; e < ARRAY_SIZE(ends); e++)
            for (size_t pad = 0; pad < 6; pad++) {
                char in[300] = "", *name;

                memset(in, 'p', pad);
                while (strlen(in) + strlen(units[u]) + strlen(ends[e]) <= 255)
                    strcat(in, units[u]);
                strcat(in, ends[e]);
                name = encode_safe_name(in, strlen(in));
                assert_non_null(name);
                assert_safe(name);
                if (e == 1 || e == 2 || e == 5)
                    assert_string_equal(name + strlen(name) - 4, ends[e] + strlen(ends[e]) - 4);
                free(name);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hex),
        cmocka_unit_test(test_base64),
        cmocka_unit_test(test_percent_all_pairs),
        cmocka_unit_test(test_percent),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_safe_names),
        cmocka_unit_test(test_long_names),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
