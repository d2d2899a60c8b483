/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * note.c: checkpoints made and read; everything with a second spelling refused.
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
#include "ledger/note.h"

static char folder[] = "/tmp/liuhen-note-XXXXXX";
static struct signing_key *ours, *other;

static struct signing_key *make_key(const char *file, const char *name)
{
    struct signing_key *k = NULL;
    struct error err = ERROR_INIT;
    char path[64];

    snprintf(path, sizeof path, "%s/%s", folder, file);
    assert_int_equal(signing_key_load(path, name, true, &k, &err), 0);
    return k;
}

static int setup(void **state)
{
    assert_non_null(mkdtemp(folder));
    ours = make_key("a", "site.example");
    other = make_key("b", "site.example");
    return 0;
}

static int teardown(void **state)
{
    ours = signing_key_free(ours);
    other = signing_key_free(other);
    return fd_remove_tree_at(AT_FDCWD, folder);
}

static int parse(const char *text, struct checkpoint *ret)
{
    struct error err = ERROR_INIT;
    int r = checkpoint_parse(text, strlen(text), signing_key_verifier(ours), ret, &err);

    assert_int_equal(err.code, r);
    assert_int_equal(r == 0, err.text[0] == 0);
    return r;
}

static int refused(const char *text)
{
    struct checkpoint c = {0};
    int r = parse(text, &c);

    assert_null(c.origin);
    return r;
}

/* A body of our choice, properly signed. */
static char *sign_body(const struct signing_key *key, const char *body)
{
    const struct verifier_key *v = signing_key_verifier(key);
    uint8_t raw[68];
    char *text;

    memcpy(raw, verifier_key_id(v), 4);
    assert_int_equal(signing_key_sign(key, body, strlen(body), raw + 4), 0);
    _cleanup_free_ char *base64 = encode_base64(raw, sizeof raw);
    assert_true(asprintf(&text, "%s\n\xE2\x80\x94 %s %s\n", body, verifier_key_name(v), base64) > 0);
    return text;
}

static void test_round_trip(void **state)
{
    static const uint64_t sizes[] = {0, 1, 70000, INT64_MAX};
    struct digest root;

    digest_of("x", 1, &root);
    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        _cleanup_(checkpoint_done) struct checkpoint c = {0};
        _cleanup_free_ char *text = NULL;
        assert_int_equal(checkpoint_sign(ours, sizes[i], &root, &text), 0);
        assert_int_equal(parse(text, &c), 0);
        assert_string_equal(c.origin, "site.example");
        assert_int_equal(c.size, sizes[i]);
        assert_true(digest_equal(&c.root, &root));
    }
}

static void test_every_changed_byte(void **state)
{
    _cleanup_free_ char *text = NULL;
    struct digest root;

    digest_of("x", 1, &root);
    assert_int_equal(checkpoint_sign(ours, 12345, &root, &text), 0);
    for (size_t i = 0, n = strlen(text); i < n; i++) {
        char saved = text[i];
        for (int bit = 0; bit < 8; bit++) {
            text[i] = (char)(saved ^ 1 << bit);
            if (text[i])
                assert_true(refused(text) < 0);
        }
        text[i] = 0;
        assert_int_equal(refused(text), -EINVAL);
        text[i] = saved;
    }
}

static void test_other_keys(void **state)
{
    _cleanup_free_ char *text = NULL, *both = NULL, *twice = NULL;
    _cleanup_(checkpoint_done) struct checkpoint c = {0};
    _cleanup_free_ char *mine = NULL;
    struct digest root;

    digest_of("x", 1, &root);
    assert_int_equal(checkpoint_sign(other, 5, &root, &text), 0);
    assert_int_equal(refused(text), -ENOKEY);
    /* a witness's line beside ours is passed over */
    assert_int_equal(checkpoint_sign(ours, 5, &root, &mine), 0);
    assert_true(asprintf(&both, "%s%s", mine, strstr(text, "\n\n") + 2) > 0);
    assert_int_equal(parse(both, &c), 0);
    /* but not if it is malformed */
    assert_true(asprintf(&twice, "%s\xE2\x80\x94 witness !!!!\n", mine) > 0);
    assert_int_equal(refused(twice), -EINVAL);
}

static void test_refused_forms(void **state)
{
    static const char root[] = "XcnaeacGWamtVZy3Ad7ZoqudgjqtL0lgz+Nw7/RgQyg=";
    static const struct {
        const char *format;
        int code;
    } cases[] = {
        {"site.example\n8\n%s\n", 0},
        {"site.example\n08\n%s\n", -EINVAL},
        {"site.example\n+8\n%s\n", -EINVAL},
        {"site.example\n 8\n%s\n", -EINVAL},
        {"site.example\n-8\n%s\n", -EINVAL},
        {"site.example\n\n%s\n", -EINVAL},
        {"site.example\n9223372036854775808\n%s\n", -EINVAL},
        {"site.example\n99999999999999999999\n%s\n", -EINVAL},
        {"site.example\n8\n%s=\n", -EINVAL},
        {"site.example\n8\nAAAA\n", -EINVAL},
        {"site.example\n8\n%s\nmore\n", -EINVAL},
        {"site.example\r\n8\n%s\n", -EINVAL},
        {"\n8\n%s\n", -EINVAL},
        {"elsewhere.example\n8\n%s\n", -EBADMSG},
        {"8\n%s\n", -EINVAL},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        _cleanup_(checkpoint_done) struct checkpoint c = {0};
        _cleanup_free_ char *text = NULL;
        char body[256];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"
        snprintf(body, sizeof body, cases[i].format, root);
#pragma GCC diagnostic pop
        text = sign_body(ours, body);
        assert_int_equal(parse(text, &c), cases[i].code);
    }
    assert_int_equal(refused(""), -EINVAL);
    assert_int_equal(refused("\n\n"), -EINVAL);
}

static void test_too_much(void **state)
{
    _cleanup_free_ char *big = malloc(NOTE_MAX + 2);
    struct error err = ERROR_INIT;
    struct checkpoint c = {0};

    memset(big, '\n', NOTE_MAX + 2);
    assert_int_equal(checkpoint_parse(big, NOTE_MAX + 1, signing_key_verifier(ours), &c, &err), -EINVAL);
    assert_int_equal(checkpoint_parse(big, NOTE_MAX, signing_key_verifier(ours), &c, &err), -EINVAL);
    assert_int_equal(checkpoint_parse("a\0b\n\n", 5, signing_key_verifier(ours), &c, &err), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_every_changed_byte),
        cmocka_unit_test(test_other_keys), cmocka_unit_test(test_refused_forms),
        cmocka_unit_test(test_too_much),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
