/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * merkle.c: the RFC 6962 vectors, proofs of all small trees built the slow way from the definition, and the shared
 * merkle-proofs fixtures (optional: LIUHEN_SHARED or ../shared beside the repository).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <ftw.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/encode.h"
#include "base/json.h"
#include "ledger/merkle.h"
#include "ledger/note.h"

#define SMALL 34

/* MTH of RFC 6962 §2.1 word for word. */
static void slow_root(const struct digest *leaves, size_t n, struct digest *ret)
{
    struct digest left, right;
    size_t k = 1;

    if (n == 1) {
        *ret = leaves[0];
        return;
    }
    while (k * 2 < n)
        k *= 2;
    slow_root(leaves, k, &left);
    slow_root(leaves + k, n - k, &right);
    merkle_hash_node(&left, &right, ret);
}

/* PATH of RFC 6962 §2.1.1. */
static size_t slow_path(size_t m, const struct digest *leaves, size_t n, struct digest *out)
{
    size_t k = 1, count;

    if (n == 1)
        return 0;
    while (k * 2 < n)
        k *= 2;
    count = m < k ? slow_path(m, leaves, k, out) : slow_path(m - k, leaves + k, n - k, out);
    if (m < k)
        slow_root(leaves + k, n - k, &out[count]);
    else
        slow_root(leaves, k, &out[count]);
    return count + 1;
}

/* SUBPROOF of RFC 6962 §2.1.2. */
static size_t slow_subproof(size_t m, const struct digest *leaves, size_t n, bool whole, struct digest *out)
{
    size_t k = 1, count;

    if (m == n) {
        if (!whole)
            slow_root(leaves, n, out);
        return !whole;
    }
    while (k * 2 < n)
        k *= 2;
    if (m <= k) {
        count = slow_subproof(m, leaves, k, whole, out);
        slow_root(leaves + k, n - k, &out[count]);
    } else {
        count = slow_subproof(m - k, leaves + k, n - k, false, out);
        slow_root(leaves, k, &out[count]);
    }
    return count + 1;
}

static void make_leaves(struct digest leaves[SMALL])
{
    for (unsigned i = 0; i < SMALL; i++)
        merkle_hash_leaf(&i, sizeof i, &leaves[i]);
}

static void test_vectors(void **state)
{
    static const char *const entries[] = {
        "", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"};
    struct digest leaves[8], root;
    char hex[DIGEST_HEX_SIZE];

    for (size_t i = 0; i < 8; i++) {
        uint8_t raw[16];
        assert_int_equal(decode_hex(entries[i], raw, strlen(entries[i]) / 2), 0);
        merkle_hash_leaf(raw, strlen(entries[i]) / 2, &leaves[i]);
    }
    merkle_hash_tree(leaves, 8, &root);
    digest_to_hex(&root, hex);
    assert_string_equal(hex, "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    merkle_hash_empty(&root);
    digest_to_hex(&root, hex);
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
}

static void test_roots(void **state)
{
    struct digest leaves[SMALL], slow, fast;

    make_leaves(leaves);
    for (size_t n = 1; n <= SMALL; n++) {
        slow_root(leaves, n, &slow);
        merkle_hash_tree(leaves, n, &fast);
        assert_true(digest_equal(&slow, &fast));
    }
}

static void test_inclusion(void **state)
{
    struct digest leaves[SMALL], root, proof[MERKLE_PROOF_MAX + 1];

    make_leaves(leaves);
    for (size_t n = 1; n <= SMALL; n++) {
        slow_root(leaves, n, &root);
        for (size_t i = 0; i < n; i++) {
            size_t count = slow_path(i, leaves, n, proof);
            assert_true(merkle_check_inclusion(i, n, &leaves[i], proof, count, &root));
            /* every other position, one hash more or less, and any changed hash must fail */
            for (size_t other = 0; other <= n; other++)
                if (other != i)
                    assert_false(merkle_check_inclusion(other, n, &leaves[i], proof, count, &root));
            proof[count] = root;
            assert_false(merkle_check_inclusion(i, n, &leaves[i], proof, count + 1, &root));
            if (count > 0)
                assert_false(merkle_check_inclusion(i, n, &leaves[i], proof, count - 1, &root));
            for (size_t j = 0; j < count; j++) {
                proof[j].bytes[31] ^= 1;
                assert_false(merkle_check_inclusion(i, n, &leaves[i], proof, count, &root));
                proof[j].bytes[31] ^= 1;
            }
        }
    }
    assert_false(merkle_check_inclusion(0, 0, &leaves[0], proof, 0, &leaves[0]));
    assert_false(merkle_check_inclusion(UINT64_MAX, 1, &leaves[0], proof, 0, &leaves[0]));
}

static void test_consistency(void **state)
{
    struct digest leaves[SMALL], root1, root2, proof[MERKLE_PROOF_MAX + 1];

    make_leaves(leaves);
    for (size_t n = 1; n <= SMALL; n++)
        for (size_t m = 1; m <= n; m++) {
            size_t count = slow_subproof(m, leaves, n, true, proof);
            slow_root(leaves, m, &root1);
            slow_root(leaves, n, &root2);
            assert_true(merkle_check_consistency(m, n, &root1, &root2, proof, count));
            if (m < n)
                assert_false(merkle_check_consistency(n, m, &root1, &root2, proof, count));
            assert_int_equal(merkle_check_consistency(m, n, &root2, &root1, proof, count), m == n);
            proof[count] = root2;
            assert_false(merkle_check_consistency(m, n, &root1, &root2, proof, count + 1));
            if (count > 0)
                assert_false(merkle_check_consistency(m, n, &root1, &root2, proof, count - 1));
            for (size_t j = 0; j < count; j++) {
                proof[j].bytes[0] ^= 0x80;
                assert_false(merkle_check_consistency(m, n, &root1, &root2, proof, count));
                proof[j].bytes[0] ^= 0x80;
            }
        }
    assert_false(merkle_check_consistency(0, 0, &root1, &root1, proof, 0));
    assert_false(merkle_check_consistency(0, 5, &root1, &root1, proof, 0));
}

/* The fixtures */

static int fixtures_read, fixtures_wrong;

/* Roots and leaves of another length than 32 bytes are compared as they are there ("don't care 1"): filled up with zeros they stay
 * equal or different. false: nothing is there at all. */
static bool get_hash(const json_t *object, const char *key, struct digest *ret)
{
    const char *text = json_get_string(object, key);
    _cleanup_free_ uint8_t *raw = NULL;
    size_t size;

    memset(ret, 0, sizeof *ret);
    assert_non_null(text);
    assert_int_equal(decode_base64(text, strlen(text), &raw, &size), 0);
    memcpy(ret->bytes, raw, MIN(size, sizeof ret->bytes));
    return size > 0;
}

/* Integers are read as reals, since one fixture has 2^64 - 1; all others are small. */
static uint64_t get_number(const json_t *object, const char *key)
{
    double value = json_real_value(json_object_get(object, key));

    return value >= 18446744073709551615.0 ? UINT64_MAX : (uint64_t)value;
}

/* false: a line of the proof is no hash, which our parsers refuse. */
static bool get_proof(const json_t *object, struct digest *proof, size_t *ret_n)
{
    const json_t *list = json_object_get(object, "proof"), *item;
    size_t i;

    *ret_n = json_array_size(list);
    assert_true(*ret_n <= MERKLE_PROOF_MAX);
    json_array_foreach (list, i, item)
        if (note_parse_hash(json_string_value(item), json_string_length(item), &proof[i]) < 0)
            return false;
    return true;
}

static bool evaluate(const char *path, const json_t *o)
{
    struct digest proof[MERKLE_PROOF_MAX], a, b;
    size_t n;
    bool inclusion = strstr(path, "inclusion/") != NULL;

    if (!get_proof(o, proof, &n) || !get_hash(o, inclusion ? "leafHash" : "root1", &a) ||
        !get_hash(o, inclusion ? "root" : "root2", &b))
        return false;
    if (strstr(path, "/subtreeinclusion/"))
        return merkle_check_subtree_inclusion(get_number(o, "leafIdx"), get_number(o, "start"),
                                              get_number(o, "end"), &a, proof, n, &b);
    if (inclusion)
        return merkle_check_inclusion(get_number(o, "leafIdx"), get_number(o, "treeSize"), &a, proof, n, &b);
    if (strstr(path, "/subtreeconsistency/"))
        return merkle_check_subtree_consistency(get_number(o, "start"), get_number(o, "end"),
                                                get_number(o, "size"), &a, &b, proof, n);
    return merkle_check_consistency(get_number(o, "size1"), get_number(o, "size2"), &a, &b, proof, n);
}

static int on_fixture(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    _cleanup_json_ json_t *o = NULL;

    if (type != FTW_F || !strstr(path, ".json"))
        return 0;
    o = json_load_file(path, JSON_DECODE_INT_AS_REAL, NULL);
    assert_non_null(o);
    fixtures_read++;
    if (evaluate(path, o) == json_is_true(json_object_get(o, "wantErr"))) {
        fixtures_wrong++;
        print_message("%s: %s\n", path, json_get_string(o, "desc"));
    }
    return 0;
}

static void test_fixtures(void **state)
{
    const char *shared = getenv("LIUHEN_SHARED");
    char path[PATH_MAX];

    snprintf(path, sizeof path, "%s/fixtures/merkle-proofs", shared ? shared : "../shared");
    if (access(path, R_OK) < 0) {
        print_message("%s is not there; set LIUHEN_SHARED\n", path);
        skip();
    }
    assert_int_equal(nftw(path, on_fixture, 16, FTW_PHYS), 0);
    print_message("%d fixtures\n", fixtures_read);
    assert_true(fixtures_read > 100);
    assert_int_equal(fixtures_wrong, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_vectors),     cmocka_unit_test(test_roots),    cmocka_unit_test(test_inclusion),
        cmocka_unit_test(test_consistency), cmocka_unit_test(test_fixtures),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
