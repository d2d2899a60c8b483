/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * receipt.c: receipts made by a real ledger verify; every changed byte, cut, swapped part or foreign key is refused.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/fd.h"
#include "ledger/ledger.h"
#include "ledger/receipt.h"

static char folder[] = "/tmp/liuhen-receipt-XXXXXX";
static struct signing_key *key;
static struct ledger *ledger;

static int setup(void **state)
{
    static char big[LEDGER_ENTRY_MAX];
    struct ledger_entry entries[5] = {
        {"one", 3}, {"two\0half", 8}, {"three", 5}, {big, sizeof big}, {"five", 4}};
    struct error err = ERROR_INIT;
    char path[64];

    memset(big, 'b', sizeof big);
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/key", folder);
    assert_int_equal(signing_key_load(path, "site.example", true, &key, &err), 0);
    snprintf(path, sizeof path, "%s/ledger", folder);
    assert_int_equal(ledger_open(path, key, NULL, &ledger, &err), 0);
    assert_int_equal(ledger_publish(ledger, 0, entries, 5, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    ledger = ledger_close(ledger);
    key = signing_key_free(key);
    return fd_remove_tree_at(AT_FDCWD, folder);
}

static char *get(uint64_t index)
{
    struct error err = ERROR_INIT;
    char *text = NULL;

    assert_int_equal(ledger_receipt(ledger, index, &text, &err), 0);
    return text;
}

static int verify(const char *text, size_t size, struct receipt *ret)
{
    struct error err = ERROR_INIT;
    int r = receipt_verify(text, size, signing_key_verifier(key), ret, &err);

    assert_int_equal(err.code, r);
    return r;
}

static int refused(const char *text)
{
    struct receipt receipt = {0};
    int r = verify(text, strlen(text), &receipt);

    assert_null(receipt.entry);
    return r;
}

static void test_good(void **state)
{
    for (uint64_t i = 0; i < 5; i++) {
        _cleanup_(receipt_done) struct receipt receipt = {0};
        _cleanup_free_ char *text = get(i);
        struct digest root;
        assert_int_equal(verify(text, strlen(text), &receipt), 0);
        assert_int_equal(receipt.index, i);
        assert_int_equal(receipt.size, 5);
        assert_string_equal(receipt.origin, "site.example");
        ledger_root(ledger, &root);
        assert_true(digest_equal(&root, &receipt.root));
        assert_int_equal(receipt.entry[receipt.entry_size], 0);
        assert_true(strlen(text) < RECEIPT_MAX);
        if (i == 1) {
            assert_int_equal(receipt.entry_size, 8);
            assert_memory_equal(receipt.entry, "two\0half", 8);
        }
    }
}

static void test_every_changed_byte(void **state)
{
    _cleanup_free_ char *text = get(2);

    for (size_t i = 0, n = strlen(text); i < n; i++) {
        struct receipt receipt = {0};
        char saved = text[i];
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(saved ^ 1 << bit);
            assert_true(verify(text, n, &receipt) < 0);
        }
        text[i] = saved;
        assert_true(verify(text, i, &receipt) < 0);
    }
}

/* The text with the first from replaced by to. */
static char *replace(const char *text, const char *from, const char *to)
{
    const char *at = strstr(text, from);
    char *out;

    assert_non_null(at);
    assert_true(asprintf(&out, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) > 0);
    return out;
}

static void test_refused_forms(void **state)
{
    static const struct {
        const char *from, *to;
        int code;
    } cases[] = {
        {"tlog-proof@v1", "tlog-proof@v2", -EINVAL},
        {"extra dGhyZWU=\n", "", -EINVAL},
        {"extra dGhyZWU=", "extra ", -EINVAL},
        {"extra dGhyZWU=", "extra dGhyZWV=", -EINVAL},
        {"extra dGhyZWU=", "extra dHdv", -EBADMSG},
        {"extra ", "extra  ", -EINVAL},
        {"index 2", "index 02", -EINVAL},
        {"index 2", "index 3", -EBADMSG},
        {"index 2", "index 7", -EBADMSG},
        {"index 2", "index -1", -EINVAL},
        {"index 2\n", "index 2\n\n", -EINVAL},
        {"index 2", "index 2\r", -EINVAL},
        {"site.example\n", "site.exampl\n", -EBADMSG},
        {"\n5\n", "\n6\n", -EBADMSG},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_free_ char *text = get(2), *bad = replace(text, cases[i].from, cases[i].to);
        assert_int_equal(refused(bad), cases[i].code);
    }
    assert_int_equal(refused(""), -EINVAL);
    assert_int_equal(refused("c2sp.org/tlog-proof@v1\n"), -EINVAL);
}

static void test_proof_lines(void **state)
{
    _cleanup_free_ char *text = get(2), *longer = NULL, *shorter = NULL;
    char line[64];

    snprintf(line, sizeof line, "%.45s", strstr(text, "index 2\n") + strlen("index 2\n"));
    assert_int_equal(line[44], '\n');
    longer = replace(text, line, "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n");
    assert_int_equal(refused(longer), -EBADMSG);
    shorter = replace(text, line, "");
    assert_int_equal(refused(shorter), -EBADMSG);
}

static void test_foreign_key(void **state)
{
    _cleanup_(signing_key_freep) struct signing_key *other = NULL;
    _cleanup_free_ char *text = get(0);
    struct receipt receipt = {0};
    struct error err = ERROR_INIT;
    char path[64];

    snprintf(path, sizeof path, "%s/other", folder);
    assert_int_equal(signing_key_load(path, "site.example", true, &other, &err), 0);
    assert_int_equal(receipt_verify(text, strlen(text), signing_key_verifier(other), &receipt, &err),
                     -ENOKEY);
    assert_non_null(strstr(err.text, "not signed by this key"));
}

static void test_too_large(void **state)
{
    _cleanup_free_ char *text = get(0), *big = calloc(1, RECEIPT_MAX + 1);
    struct receipt receipt = {0};

    memcpy(big, text, strlen(text));
    assert_int_equal(verify(big, RECEIPT_MAX + 1, &receipt), -EINVAL);
    assert_int_equal(verify(big, strlen(text) + 1, &receipt), -EINVAL);
    /* an entry of one byte too many */
    _cleanup_free_ char *zeros = calloc(1, LEDGER_ENTRY_MAX + 1),
                        *extra = encode_base64(zeros, LEDGER_ENTRY_MAX + 1);
    _cleanup_free_ char *longer = replace(text, "b25l", extra);
    assert_int_equal(refused(longer), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),          cmocka_unit_test(test_every_changed_byte),
        cmocka_unit_test(test_refused_forms), cmocka_unit_test(test_proof_lines),
        cmocka_unit_test(test_foreign_key),   cmocka_unit_test(test_too_large),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
