/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Digests against the examples of the standards: FIPS 180-4 (SHA-256) and GB/T 32905-2016, Annex A (SM3).
 */
#include "base/digest.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/encode.h"
#include "temp-folder.h"

#define SHA256_ABC       "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define SHA256_EMPTY     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define SHA256_MILLION_A "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"
#define SM3_ABC          "66c7f0f462eeedd9d1f2d46bdc10e4e24167c4875cf2f7a2297da02b8f4ba8e0"

static void assert_hex(const struct digest *d, const char *want)
{
    char hex[DIGEST_HEX_SIZE];

    digest_to_hex(d, hex);
    assert_string_equal(hex, want);
}

static void test_vectors(void **state)
{
    struct digest d;

    digest_of("abc", 3, &d);
    assert_hex(&d, SHA256_ABC);
    digest_of("", 0, &d);
    assert_hex(&d, SHA256_EMPTY);
}

static void test_hasher_in_pieces(void **state)
{
    _cleanup_(hasher_freep) struct hasher *h = NULL;
    struct digest_pair pair;
    char sm3[DIGEST_HEX_SIZE];

    assert_int_equal(hasher_new(true, &h), 0);
    hasher_update(h, "a", 1);
    hasher_update(h, "", 0);
    hasher_update(h, "bc", 2);
    hasher_final(h, &pair);
    assert_hex(&pair.sha256, SHA256_ABC);
    assert_true(pair.have_sm3);
    encode_hex(pair.sm3, sizeof pair.sm3, sm3);
    assert_string_equal(sm3, SM3_ABC);
    h = hasher_free(h);
    assert_null(h);
    assert_int_equal(hasher_new(false, &h), 0);
    hasher_final(h, &pair);
    assert_false(pair.have_sm3);
    assert_hex(&pair.sha256, SHA256_EMPTY);
}

static int count_progress(void *userdata, uint64_t bytes)
{
    uint64_t *last = userdata;

    assert_true(bytes > *last);
    *last = bytes;
    return 0;
}

static int stop_progress(void *userdata, uint64_t bytes)
{
    return -ECANCELED;
}

/* A million times "a" (FIPS 180-4 example): several blocks, progress, and the offset is not used. */
static void test_of_fd(void **state)
{
    struct temp_folder *t = *state;
    _cleanup_close_ int fd = openat(t->fd, "f", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    struct digest_pair pair;
    uint64_t bytes = 77, last = 0;
    char block[1000];

    memset(block, 'a', sizeof block);
    for (int i = 0; i < 1000; i++)
        assert_int_equal(fd_write_full(fd, block, sizeof block), 0);
    assert_int_equal(digest_of_fd(fd, true, stop_progress, NULL, &pair, &bytes), -ECANCELED);
    assert_int_equal(bytes, 77); /* untouched */
    assert_int_equal(digest_of_fd(fd, true, count_progress, &last, &pair, &bytes), 0);
    assert_int_equal(bytes, 1000000);
    assert_int_equal(last, 1000000);
    assert_hex(&pair.sha256, SHA256_MILLION_A);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(digest_of_fd(fd, false, NULL, NULL, &pair, &bytes), 0);
    assert_int_equal(bytes, 0);
    assert_hex(&pair.sha256, SHA256_EMPTY);
    assert_int_equal(digest_of_fd(-1, false, NULL, NULL, &pair, &bytes), -EBADF);
    assert_int_equal(digest_of_fd(t->fd, false, NULL, NULL, &pair, &bytes), -EISDIR);
}

static void test_hex(void **state)
{
    struct digest a, b;

    assert_int_equal(digest_from_hex(SHA256_ABC, &a), 0);
    assert_hex(&a, SHA256_ABC);
    digest_of("abc", 3, &b);
    assert_true(digest_equal(&a, &b));
    b.bytes[31] ^= 1;
    assert_false(digest_equal(&a, &b));
    assert_int_equal(digest_from_hex("", &b), -EINVAL);
    assert_int_equal(digest_from_hex(SHA256_ABC "0", &b), -EINVAL);
    assert_int_equal(digest_from_hex("g" SHA256_ABC, &b), -EINVAL);
}

/* A copy goes on from where it was made, and neither disturbs the other. */
static void test_hasher_copy(void **state)
{
    struct hasher *h, *copy;
    struct digest_pair pair;
    struct digest wanted;

    for (int sm3 = 0; sm3 < 2; sm3++) {
        assert_int_equal(hasher_new(sm3, &h), 0);
        hasher_update(h, "ab", 2);
        assert_int_equal(hasher_dup(h, &copy), 0);
        hasher_update(h, "XYZ", 3);
        hasher_update(copy, "c", 1);
        hasher_final(copy, &pair);
        assert_hex(&pair.sha256, SHA256_ABC);
        assert_int_equal(pair.have_sm3, sm3);
        hasher_final(h, &pair);
        digest_of("abXYZ", 5, &wanted);
        assert_true(digest_equal(&pair.sha256, &wanted));
        hasher_free(h);
        hasher_free(copy);
    }
}

/* Test vectors of RFC 1321, FIPS 180-4 (one block "abc") and the check value of CRC-32 ("123456789"). */
static void test_checkers(void **state)
{
    static const struct {
        const char *algorithm, *text, *hex;
    } known[] = {
        {"md5", "abc", "900150983cd24fb0d6963f7d28e17f72"},
        {"sha1", "abc", "a9993e364706816aba3e25717850c26c9cd0d89d"},
        {"sha256", "abc", SHA256_ABC},
        {"sha512", "abc",
         "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
         "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f"},
        {"crc32", "123456789", "cbf43926"},
    };
    struct checker *c = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(known); i++) {
        uint8_t out[CHECKER_BYTES_MAX];
        char hex[2 * CHECKER_BYTES_MAX + 1];
        size_t n;

        assert_int_equal(checker_new(known[i].algorithm, &c), 0);
        checker_update(c, known[i].text, 2);
        checker_update(c, known[i].text + 2, strlen(known[i].text) - 2);
        n = checker_final(c, out);
        encode_hex(out, n, hex);
        assert_string_equal(hex, known[i].hex);
        checker_free(c);
    }
    assert_int_equal(checker_new("md4", &c), -EOPNOTSUPP);
    assert_int_equal(checker_new("SHA1", &c), -EOPNOTSUPP);
    assert_int_equal(checker_new("", &c), -EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_hasher_in_pieces),
        temp_folder_test(test_of_fd),       cmocka_unit_test(test_hex),
        cmocka_unit_test(test_hasher_copy), cmocka_unit_test(test_checkers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
