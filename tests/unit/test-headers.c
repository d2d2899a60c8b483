/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Values of HTTP headers: what is understood, and what is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "http/headers.h"

static void numbers(void **state)
{
    static const char *const bad[] = {
        "", "-1", "+1", " 1", "1 ", "0x1", "1.0", "9223372036854775808", "99999999999999999999", "１", "1,1"};
    int64_t n = -7;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (header_number(bad[i], &n) != -EINVAL || n != -7)
            fail_msg("%s was taken", bad[i]);
    assert_int_equal(header_number("0", &n), 0);
    assert_int_equal(n, 0);
    assert_int_equal(header_number("0009223372036854775807", &n), 0);
    assert_true(n == INT64_MAX);
}

static void ranges(void **state)
{
    static const struct {
        const char *value;
        uint64_t bytes;
        int r;
        uint64_t from, n;
    } cases[] = {
        {"bytes=0-499", 1000, 0, 0, 500},
        {"bytes=500-", 1000, 0, 500, 500},
        {"bytes=-500", 1000, 0, 500, 500},
        {"bytes=-1", 1, 0, 0, 1},
        {"Bytes= 0-0 ", 1000, 0, 0, 1},
        {"bytes=999-999", 1000, 0, 999, 1},
        {"bytes=0-9999999999999999999999", 1000, 0, 0, 1000},
        {"bytes=-9999999999999999999999", 1000, 0, 0, 1000},
        {"bytes=1000-", 1000, -ERANGE, 7, 7},
        {"bytes=9999999999999999999999-", 1000, -ERANGE, 7, 7},
        {"bytes=-0", 1000, -ERANGE, 7, 7},
        {"bytes=-5", 0, -ERANGE, 7, 7},
        {"bytes=0-", 0, -ERANGE, 7, 7},
        {"bytes=5-4", 1000, 1, 7, 7},
        {"bytes=", 1000, 1, 7, 7},
        {"bytes=-", 1000, 1, 7, 7},
        {"bytes=a-b", 1000, 1, 7, 7},
        {"bytes=1", 1000, 1, 7, 7},
        {"bytes=1-x", 1000, 1, 7, 7},
        {"bytes=1-2-3", 1000, 1, 7, 7},
        {"bytes=0-1,3-4", 1000, 1, 7, 7},
        {"bytes=--1", 1000, 1, 7, 7},
        {"bytes 0-1", 1000, 1, 7, 7},
        {"items=0-1", 1000, 1, 7, 7},
        {"", 1000, 1, 7, 7},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        uint64_t from = 7, n = 7;
        int r = header_range(cases[i].value, cases[i].bytes, &from, &n);

        if (r != cases[i].r || from != cases[i].from || n != cases[i].n)
            fail_msg("%s of %llu: %d, %llu +%llu", cases[i].value, (unsigned long long)cases[i].bytes, r,
                     (unsigned long long)from, (unsigned long long)n);
    }
}

static void entity_tags(void **state)
{
    static const struct {
        const char *value;
        bool strong, weak;
    } cases[] = {
        {"\"ab\"", true, true},
        {"W/\"ab\"", false, true},
        {"\"x\", \"ab\"", true, true},
        {"\"x\",W/\"ab\"", false, true},
        {" \"x\" ,, \"ab\" ", true, true},
        {"*", true, true},
        {" * ", true, true},
        {"\"a,b\", \"ab\"", true, true},
        {"", false, false},
        {"ab", false, false},
        {"\"ab", false, false},
        {"\"AB\"", false, false},
        {"\"abc\"", false, false},
        {"\"a\"", false, false},
        {"w/\"ab\"", false, false},
        {"\"x\" \"ab\"", false, false},
        {"* \"y\"", false, false},
        {"\"y\", *", false, false},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
        if (header_has_etag(cases[i].value, "ab", false) != cases[i].strong ||
            header_has_etag(cases[i].value, "ab", true) != cases[i].weak)
            fail_msg("%s", cases[i].value);
}

/* ---- digests ---------------------------------------------------------------------------------------------------------------- */

/* Of nothing. */
#define MD5    "1B2M2Y8AsgTpgAmY7PhCfg=="
#define SHA1   "2jmj7l5rSw0yVb/vlWAYkK/YBwk="
#define SHA256 "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="

static bool is(const struct header_digest *d, const char *algorithm, const char *base64)
{
    _cleanup_free_ char *text = encode_base64(d->bytes, d->size);

    return strcmp(d->algorithm, algorithm) == 0 && strcmp(text, base64) == 0;
}

static void content_md5(void **state)
{
    static const char *const bad[] = {"",
                                      "x",
                                      MD5 "x",
                                      SHA1,
                                      "1B2M2Y8AsgTpgAmY7PhCfg",
                                      "1B2M2Y8AsgTpgAmY7PhCfh==",
                                      "1B2M2Y8 AsgTpgAmY7PhCfg=="};
    struct error err = ERROR_INIT;
    struct header_digest d;

    assert_int_equal(header_content_md5(" " MD5 " ", &d, &err), 0);
    assert_true(is(&d, "md5", MD5));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (header_content_md5(bad[i], &d, &err) != -EINVAL || !*err.text)
            fail_msg("%s was taken", bad[i]);
}

static void digest_lists(void **state)
{
    static const char *const bad[] = {"SHA-256",
                                      "SHA-256=",
                                      "=x",
                                      "SHA-256=x",
                                      "SHA-256=" MD5,
                                      "MD5=" MD5 ",SHA=" MD5,
                                      "MD5=" MD5 ";q=1",
                                      ",",
                                      "MD5=" MD5 ",,MD5=" MD5,
                                      "MD5=:" MD5 ":"};
    struct header_digest d[HEADER_DIGESTS_MAX];
    struct error err = ERROR_INIT;
    char many[600] = "";
    size_t n = 77;

    assert_int_equal(
        header_digest("SHA-256=" SHA256 ",md5=" MD5 " , sha=" SHA1 ",UNIXsum=30637", d, &n, &err), 0);
    assert_int_equal(n, 3);
    assert_true(is(&d[0], "sha256", SHA256));
    assert_true(is(&d[1], "md5", MD5));
    assert_true(is(&d[2], "sha1", SHA1));
    assert_int_equal(header_digest("unixsum=1", d, &n, &err), 0);
    assert_int_equal(n, 0);
    assert_int_equal(header_digest("", d, &n, &err), 0);
    for (int i = 0; i <= HEADER_DIGESTS_MAX; i++)
        strcat(many, i ? ",MD5=" MD5 : "MD5=" MD5);
    n = 77;
    assert_int_equal(header_digest(many, d, &n, &err), -EINVAL);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        if (header_digest(bad[i], d, &n, &err) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
    }
    assert_int_equal(n, 77);
}

static void repr_digests(void **state)
{
    static const char *const bad[] = {
        "sha-256=" SHA256, "sha-256=:" SHA256, "sha-256=::", "sha-256=:", "sha-256=:" MD5 ":", "sha-256"};
    struct header_digest d[HEADER_DIGESTS_MAX];
    struct error err = ERROR_INIT;
    size_t n = 0;

    assert_int_equal(header_repr_digest("sha-256=:" SHA256 ":, md5=:" MD5 ":,adler=:AAAAAA==:", d, &n, &err),
                     0);
    assert_int_equal(n, 2);
    assert_true(is(&d[0], "sha256", SHA256));
    assert_true(is(&d[1], "md5", MD5));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (header_repr_digest(bad[i], d, &n, &err) != -EINVAL)
            fail_msg("%s was taken", bad[i]);
}

static void upload_checksums(void **state)
{
    struct error err = ERROR_INIT;
    struct header_digest d;

    assert_int_equal(header_upload_checksum("sha1 " SHA1, &d, &err), 0);
    assert_true(is(&d, "sha1", SHA1));
    assert_int_equal(header_upload_checksum("sha256 " SHA256, &d, &err), 0);
    assert_true(is(&d, "sha256", SHA256));
    assert_int_equal(header_upload_checksum("crc32 AAAAAA==", &d, &err), 0);
    assert_int_equal(d.size, 4);
    assert_int_equal(header_upload_checksum("whirlpool " SHA1, &d, &err), -EOPNOTSUPP);
    assert_int_equal(header_upload_checksum("sha1 " SHA256, &d, &err), -EINVAL);
    assert_int_equal(header_upload_checksum("sha1  " SHA1, &d, &err), -EINVAL);
    assert_int_equal(header_upload_checksum("sha1", &d, &err), -EINVAL);
    assert_int_equal(header_upload_checksum("sha1 ", &d, &err), -EINVAL);
    assert_int_equal(header_upload_checksum(" " SHA1, &d, &err), -EINVAL);
    assert_int_equal(header_upload_checksum("", &d, &err), -EINVAL);
}

/* ---- authorization ------------------------------------------------------------------------------------------------------------ */

static void authorization(void **state)
{
    static const char *const bad[] = {"",
                                      "Bearer",
                                      "Bearer ",
                                      "Bearer a b",
                                      "Bearer a,b",
                                      "Bearer a\tb",
                                      "Basic",
                                      "Basic ",
                                      "Basic !!",
                                      "Basic dXNlcg==" /* user */,
                                      "Basic YQA6Yg==" /* a NUL : b */,
                                      "Digest username=\"x\"",
                                      "Bearerx",
                                      "token"};
    struct error err = ERROR_INIT;
    char *user = NULL, *secret = NULL;

    assert_int_equal(header_authorization("Bearer abc.DEF-1_2~+/=", &user, &secret, &err), 0);
    assert_null(user);
    assert_string_equal(secret, "abc.DEF-1_2~+/=");
    free(TAKE_PTR(secret));
    assert_int_equal(header_authorization("bearer  t", &user, &secret, &err), 0);
    assert_string_equal(secret, "t");
    free(TAKE_PTR(secret));
    assert_int_equal(header_authorization("Basic Y2FtLTc6czpjOg==", &user, &secret, &err), 0);
    assert_string_equal(user, "cam-7");
    assert_string_equal(secret, "s:c:"); /* the first colon ends the user (RFC 7617 §2) */
    free(TAKE_PTR(user));
    free(TAKE_PTR(secret));
    assert_int_equal(header_authorization("BASIC Og==", &user, &secret, &err), 0);
    assert_string_equal(user, "");
    assert_string_equal(secret, "");
    free(TAKE_PTR(user));
    free(TAKE_PTR(secret));
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        if (header_authorization(bad[i], &user, &secret, &err) != -EINVAL || user || secret)
            fail_msg("%s was taken", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers),          cmocka_unit_test(ranges),        cmocka_unit_test(entity_tags),
        cmocka_unit_test(content_md5),      cmocka_unit_test(digest_lists),  cmocka_unit_test(repr_digests),
        cmocka_unit_test(upload_checksums), cmocka_unit_test(authorization),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
