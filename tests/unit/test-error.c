/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Errors: what is kept, what is cut, and which errno pauses the intake.
 */
#include "base/encode.h"
#include "base/error.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_set_and_format(void **state)
{
    struct error err = ERROR_INIT;
    char buf[256];

    assert_int_equal(error_set(&err, -EINVAL, "a.yaml:3:7", "unknown key \"%s\"", "flor"), -EINVAL);
    assert_int_equal(err.code, -EINVAL);
    assert_string_equal(error_format(&err, buf, sizeof buf), "a.yaml:3:7: unknown key \"flor\"");
    assert_int_equal(error_set(&err, 2, NULL, "busy"), 2);
    assert_string_equal(error_format(&err, buf, sizeof buf), "busy");
    error_clear(&err);
    assert_int_equal(err.code, 0);
    assert_string_equal(err.text, "");
    error_clear(NULL);
}

static void test_null_is_allowed(void **state)
{
    assert_int_equal(error_set(NULL, -EIO, "x", "y"), -EIO);
    assert_int_equal(error_errno(NULL, -EIO, "x", "y"), -EIO);
    assert_int_equal(error_prefix(NULL, "x"), 0);
}

static void test_errno_says_why(void **state)
{
    struct error err = ERROR_INIT;

    assert_int_equal(error_errno(&err, -ENOSPC, "staging", "cannot write %d bytes", 7), -ENOSPC);
    assert_string_equal(err.text, "cannot write 7 bytes: No space left on device");
    assert_string_equal(err.object, "staging");
}

static void test_prefix_keeps_code(void **state)
{
    struct error err = ERROR_INIT;

    error_set(&err, -ENOENT, "f", "not there");
    assert_int_equal(error_prefix(&err, "reading the %s", "key"), -ENOENT);
    assert_string_equal(err.text, "reading the key: not there");
    assert_string_equal(err.object, "f");
}

/* Over-long texts are cut, always terminated, never written past the end. */
static void test_long_texts_are_cut(void **state)
{
    struct {
        struct error err;
        char guard[16];
    } s = {ERROR_INIT, "untouched"};
    char big[5000];

    memset(big, 'x', sizeof big - 1);
    big[sizeof big - 1] = 0;
    error_set(&s.err, -EIO, big, "%s", big);
    assert_int_equal(strlen(s.err.object), sizeof s.err.object - 1);
    assert_int_equal(strlen(s.err.text), sizeof s.err.text - 1);
    error_prefix(&s.err, "%s", "before");
    assert_memory_equal(s.err.text, "before: xxx", 11);
    error_prefix(&s.err, "%s", big);
    error_errno(&s.err, -EIO, big, "%s", big);
    assert_int_equal(strlen(s.err.text), sizeof s.err.text - 1);
    assert_string_equal(s.guard, "untouched");
}

/* Names of any bytes and texts cut inside a character come out as valid UTF-8, which JSON and terminals can take. */
static void test_always_utf8(void **state)
{
    char big[3001], *p = big;
    struct error err;

    error_set(&err, -EIO, "a\xff\xe6\x9c.mp4", "%s", "\x80 本溪 \xe6");
    assert_string_equal(err.object, "a???.mp4");
    assert_string_equal(err.text, "? 本溪 ?");
    for (int shift = 0; shift < 4; shift++) {
        memset(big, 'x', 4);
        for (p = big + shift; p + 3 < big + sizeof big; p += 3)
            memcpy(p, "\xe6\x9c\xac", 3); /* 本 */
        *p = 0;
        error_set(&err, -EIO, big, "%s", big);
        assert_true(utf8_is_valid(err.object, strlen(err.object)));
        assert_true(strlen(err.object) >= sizeof err.object - 3);
        assert_true(utf8_is_valid(err.text, strlen(err.text)));
        error_prefix(&err, "%s", "本溪");
        assert_true(utf8_is_valid(err.text, strlen(err.text)));
        error_errno(&err, -EIO, "", "%s", big);
        assert_true(utf8_is_valid(err.text, strlen(err.text)));
        assert_null(strchr(err.text, '?'));
    }
}

static void test_resource_or_item(void **state)
{
    static const int resource[] = {ENOSPC, EDQUOT, EMFILE, ENFILE, ENOMEM, EROFS, EIO, EAGAIN, EBUSY};
    static const int item[] = {0, ENOENT, EACCES, ELOOP, EINVAL, EXDEV, EISDIR, ENAMETOOLONG};

    for (size_t i = 0; i < ARRAY_SIZE(resource); i++)
        assert_true(error_is_resource(-resource[i]));
    for (size_t i = 0; i < ARRAY_SIZE(item); i++)
        assert_false(error_is_resource(-item[i]));
    assert_false(error_is_resource(1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set_and_format),     cmocka_unit_test(test_null_is_allowed),
        cmocka_unit_test(test_errno_says_why),     cmocka_unit_test(test_prefix_keeps_code),
        cmocka_unit_test(test_long_texts_are_cut), cmocka_unit_test(test_resource_or_item),
        cmocka_unit_test(test_always_utf8),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
