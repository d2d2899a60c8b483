/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * key.c: making, keeping and refusing key files; verifier key texts (the example of RFC 8032 §7.1 test 1 as a known key).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/digest.h"
#include "base/encode.h"
#include "base/fd.h"
#include "ledger/key.h"

#define NAME "ledger.example/site"

static char folder[] = "/tmp/liuhen-key-XXXXXX";
static char path[64];

static int setup(void **state)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/ledger.key", folder);
    return 0;
}

static int teardown(void **state)
{
    return fd_remove_tree_at(AT_FDCWD, folder);
}

static void test_make_and_load(void **state)
{
    _cleanup_(signing_key_freep) struct signing_key *a = NULL, *b = NULL;
    struct error err = ERROR_INIT;
    uint8_t signature[64];
    struct stat st;

    assert_int_equal(signing_key_load(path, NAME, false, &a, &err), -ENOENT);
    assert_int_equal(access(path, F_OK), -1);
    assert_int_equal(signing_key_load(path, NAME, true, &a, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0400);
    assert_int_equal(signing_key_load(path, NAME, true, &b, &err), 0);
    assert_string_equal(verifier_key_text(signing_key_verifier(a)),
                        verifier_key_text(signing_key_verifier(b)));
    assert_int_equal(signing_key_sign(a, "words", 5, signature), 0);
    assert_true(verifier_key_check(signing_key_verifier(b), "words", 5, signature));
    assert_false(verifier_key_check(signing_key_verifier(b), "wordz", 5, signature));
    signature[63] ^= 1;
    assert_false(verifier_key_check(signing_key_verifier(b), "words", 5, signature));
}

static void test_refused_files(void **state)
{
    _cleanup_(signing_key_freep) struct signing_key *k = NULL;
    struct error err = ERROR_INIT;
    FILE *f;

    assert_int_equal(signing_key_load(path, NAME, true, &k, &err), 0);
    k = signing_key_free(k);
    assert_int_equal(chmod(path, 0440), 0);
    assert_int_equal(signing_key_load(path, NAME, true, &k, &err), -EPERM);
    assert_string_equal(err.object, path);
    assert_non_null(strstr(err.text, "0400"));
    assert_int_equal(unlink(path), 0);

    f = fopen(path, "we");
    fputs("-----BEGIN PRIVATE KEY-----\nnothing\n-----END PRIVATE KEY-----\n", f);
    fclose(f);
    assert_int_equal(chmod(path, 0400), 0);
    assert_int_equal(signing_key_load(path, NAME, true, &k, &err), -EINVAL);
    assert_null(k);
    /* a bad key file is not replaced by a new key */
    assert_int_equal(signing_key_load(path, NAME, true, &k, &err), -EINVAL);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mkdir(path, 0700), 0);
    assert_true(signing_key_load(path, NAME, true, &k, &err) < 0);
}

static void test_names(void **state)
{
    static const char *const bad[] = {"",      "two words", "a+b",          "line\nbreak",
                                      "tab\t", "\xFF",      "nb\xC2\xA0sp", "wide\xE3\x80\x80sp"};
    _cleanup_(signing_key_freep) struct signing_key *k = NULL;
    struct error err = ERROR_INIT;
    char longest[KEY_NAME_MAX + 2];

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_false(key_name_is_valid(bad[i], strlen(bad[i])));
        assert_int_equal(signing_key_load(path, bad[i], true, &k, &err), -EINVAL);
    }
    assert_int_equal(access(path, F_OK), -1);
    memset(longest, 'a', sizeof longest);
    assert_true(key_name_is_valid(longest, KEY_NAME_MAX));
    assert_false(key_name_is_valid(longest, KEY_NAME_MAX + 1));
    assert_true(key_name_is_valid("台账.example", strlen("台账.example")));
}

/* Makes the text of a verifier key with the id computed here, apart from key.c. */
static void make_text(const char *name, const char *public_hex, char *out, size_t size)
{
    uint8_t raw[33] = {1}, hashed[256];
    _cleanup_free_ char *base64 = NULL;
    struct digest d;
    char id[9];
    size_t n = strlen(name);

    assert_int_equal(decode_hex(public_hex, raw + 1, 32), 0);
    memcpy(hashed, name, n);
    hashed[n] = '\n';
    memcpy(hashed + n + 1, raw, 33);
    digest_of(hashed, n + 34, &d);
    encode_hex(d.bytes, 4, id);
    base64 = encode_base64(raw, 33);
    snprintf(out, size, "%s+%s+%s", name, id, base64);
}

static void test_verifier_text(void **state)
{
    /* RFC 8032 §7.1, TEST 1: the signature of the empty message */
    static const char public_hex[] = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";
    static const char signature_hex[] = "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8"
                                        "821590a33bacc61e39701cf9b46bd25bf5f0595b"
                                        "be24655141438e7a100b";
    _cleanup_(verifier_key_freep) struct verifier_key *k = NULL;
    struct error err = ERROR_INIT;
    uint8_t signature[64];
    char text[256], bad[300];

    make_text("rfc8032.example", public_hex, text, sizeof text);
    assert_int_equal(verifier_key_parse(text, &k, &err), 0);
    assert_string_equal(verifier_key_text(k), text);
    assert_string_equal(verifier_key_name(k), "rfc8032.example");
    assert_int_equal(decode_hex(signature_hex, signature, 64), 0);
    assert_true(verifier_key_check(k, "", 0, signature));
    k = verifier_key_free(k);
    snprintf(bad, sizeof bad, "%s\n", text);
    assert_int_equal(verifier_key_parse(bad, &k, &err), 0);
    k = verifier_key_free(k);

    for (size_t i = 0; i < strlen(text); i++) {
        /* another letter anywhere is another name, id or key */
        snprintf(bad, sizeof bad, "%s", text);
        bad[i] = bad[i] == 'q' ? 'r' : 'q';
        assert_int_equal(verifier_key_parse(bad, &k, &err), -EINVAL);
        bad[i] = 0;
        assert_int_equal(verifier_key_parse(bad, &k, &err), -EINVAL);
    }
    snprintf(bad, sizeof bad, "%s\n\n", text);
    assert_int_equal(verifier_key_parse(bad, &k, &err), -EINVAL);
    snprintf(bad, sizeof bad, " %s", text);
    assert_int_equal(verifier_key_parse(bad, &k, &err), -EINVAL);
    assert_null(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_make_and_load, setup, teardown),
        cmocka_unit_test_setup_teardown(test_refused_files, setup, teardown),
        cmocka_unit_test_setup_teardown(test_names, setup, teardown),
        cmocka_unit_test(test_verifier_text),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
