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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),
        cmocka_unit_test(test_hasher_in_pieces),
        temp_folder_test(test_of_fd),
        cmocka_unit_test(test_hex),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
