/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * YAML trees: positions, and every kind of malformed text, each with its line, its column and what would be right.
 */
#include "base/yaml.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "faults.h"

#define MIB (1u << 20)

static struct fault_list list;

static int parse_sized(const char *text, size_t size, size_t max, struct yaml_node **ret)
{
    struct yaml_faults faults = {.file = "f.yaml", .on_fault = on_fault, .userdata = &list};

    memset(&list, 0, sizeof list);
    *ret = NULL;
    return yaml_parse(text, size, max, &faults, ret);
}

static int parse(const char *text, struct yaml_node **ret)
{
    return parse_sized(text, strlen(text), MIB, ret);
}

static void test_tree(void **state)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
    const struct yaml_node *people, *who;

    assert_int_equal(
        parse("# hello\nname: 本溪\npeople:\n  - { user: a, roles: [x, 'y z'] }\n  - user: \"b\\n\"\n",
              &root),
        0);
    assert_int_equal(root->kind, YAML_MAPPING);
    assert_string_equal(yaml_get(root, "name")->text, "本溪");
    assert_int_equal(yaml_get(root, "name")->line, 2);
    assert_int_equal(yaml_get(root, "name")->column, 7);
    people = yaml_get(root, "people");
    assert_int_equal(people->kind, YAML_SEQUENCE);
    assert_int_equal(people->n, 2);
    who = yaml_get(people->items[0], "roles");
    assert_int_equal(who->n, 2);
    assert_string_equal(who->items[1]->text, "y z");
    assert_false(who->items[1]->plain);
    assert_int_equal(who->items[1]->line, 4);
    assert_int_equal(who->items[1]->column, 27);
    assert_string_equal(yaml_get(people->items[1], "user")->text, "b\n");
    assert_null(yaml_get(root, "nobody"));
    assert_null(yaml_get(people, "user"));
}

static void test_empty(void **state)
{
    static const char *const texts[] = {"",      "\n\n",       "# only a comment\n",
                                        "---\n", "---\n...\n", "\xEF\xBB\xBF# mark\n"};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;
        assert_int_equal(parse(texts[i], &root), 0);
        assert_int_equal(root->kind, YAML_MAPPING);
        assert_int_equal(root->n, 0);
    }
}

static void test_byte_order_mark(void **state)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;

    assert_int_equal(parse("\xEF\xBB\xBFpolicy: x\r\nfloor: 6 months\r\n", &root), 0);
    assert_string_equal(yaml_get(root, "policy")->text, "x");
    assert_string_equal(yaml_get(root, "floor")->text, "6 months");
}

static void test_null(void **state)
{
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;

    assert_int_equal(parse("a:\nb: ~\nc: null\nd: ''\ne: x\nf: []\n", &root), 0);
    assert_true(yaml_is_null(yaml_get(root, "a")));
    assert_true(yaml_is_null(yaml_get(root, "b")));
    assert_true(yaml_is_null(yaml_get(root, "c")));
    assert_false(yaml_is_null(yaml_get(root, "d")));
    assert_false(yaml_is_null(yaml_get(root, "e")));
    assert_false(yaml_is_null(yaml_get(root, "f")));
}

/* Each malformed text ends in exactly these faults. */
static const struct {
    const char *text;
    unsigned n;
    const char *wanted;
} malformed[] = {
    {"a:\n\tb: 1\n", 1, "f.yaml:2:1: a tab character in the indentation; indent with spaces"},
    {"a:\n  b: 1\n  \tc: 2\n", 1, "f.yaml:3:3: a tab character in the indentation; indent with spaces"},
    {"x: 1\na: &anchor 1\n", 1, "f.yaml:2:4: anchor '&anchor'"},
    {"a: &m { k: v }\nb: *m\n", 2, "f.yaml:2:4: alias '*m'"},
    {"a: &m { k: v }\nb: { <<: *m }\n", 2, "f.yaml:2:10: alias '*m'"},
    {"a: &l [1]\n", 1, "f.yaml:1:4: anchor '&l'"},
    {"a: !!int 3\n", 1, "f.yaml:1:4: tag 'tag:yaml.org,2002:int'"},
    {"a: !python/object:os.system [x]\n", 1, "f.yaml:1:4: tag '!python/object:os.system'"},
    {"a: 1\nb: 2\na: 3\n", 1, "f.yaml:3:1: key 'a' is given twice, first in line 1; keep one of them"},
    {"l:\n  - { a: 1, a: 2, a: 3 }\n", 2, "f.yaml:2:19: key 'a' is given twice"},
    {"a: 1\n---\nb: 2\n", 1, "f.yaml:2:1: a second document ('---'); one document is read"},
    {"[a, b]: 1\n", 1, "f.yaml:1:1: a key must be a single word, not a list"},
    {"? { a: b }\n: 1\n", 1, "f.yaml:1:3: a key must be a single word, not a table"},
    {"a: \"x\\0y\"\n", 1, "f.yaml:1:4: a text with a NUL"},
    {"a: \xC3\x28\n", 1, "f.yaml:1:4: byte 0xC3 is not UTF-8; save the file as UTF-8"},
    {"a: 1\nb: \xB1\xBE\xCF\xAA\n", 1, "f.yaml:2:4: byte 0xB1 is not UTF-8"}, /* GBK */
    {"本: 1\nb: \x01\n", 1, "f.yaml:2:4: control character 0x01"},
    {"a: [1, 2\nb: 3\n", 1, "f.yaml:1:4: a list in [ ] is not ended"},
    {"a: { b: 1\nc: 3\n", 1, "f.yaml:1:4: a table in { } is not ended"},
    {"a: \"never closed\n", 1, "f.yaml:1:4: the closing quote is missing"},
    {"a: b: c\n", 1, "f.yaml:1:5: a ':' is not expected here"},
    {"a: 1\n  b: 2\n", 1, "f.yaml:2:4: a ':' is not expected here"},
    {"a:\n    b: 1\n  c: 2\n", 1, "f.yaml:3:3: the indentation does not fit"},
    {"ignore: [*.part]\n", 1, "f.yaml:1:10: a text that begins with '*'"},
    {"a: 1\nword\n", 1, "f.yaml:2:1: a key without ':'; write 'key: value'"},
    {"a: 1\nword\nb: 2\n", 1, "f.yaml:2:1: a key without ':'"},
    {"m: '\\d+'\nn: \"\\d+\"\n", 1, "f.yaml:2:"},
    {"a: @x\n", 1, "f.yaml:1:4: a value cannot begin with this character; put the value in quotes"},
    {"a: %x\n", 1, "f.yaml:1:4: a value cannot begin with this character"},
};

static void test_malformed(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(malformed); i++) {
        struct yaml_node *root;

        assert_int_equal(parse(malformed[i].text, &root), -EINVAL);
        assert_null(root);
        assert_true(has_fault(&list, malformed[i].wanted));
        if (list.n != malformed[i].n)
            fprintf(stderr, "for %s:\n%s", malformed[i].text, list.text);
        assert_int_equal(list.n, malformed[i].n);
    }
}

static void test_nul(void **state)
{
    struct yaml_node *root;

    assert_int_equal(parse_sized("a: 1\nb: \0x\n", 11, MIB, &root), -EINVAL);
    assert_true(has_fault(&list, "f.yaml:2:4: a NUL byte; the file must be text"));
}

static void test_too_large(void **state)
{
    _cleanup_free_ char *text = malloc(10 * MIB);
    struct yaml_node *root;

    memset(text, '#', 10 * MIB);
    assert_int_equal(parse_sized(text, 10 * MIB, MIB, &root), -EFBIG);
    assert_true(has_fault(&list, "f.yaml: the text has 10485760 bytes; at most 1048576 are read"));
}

/* n levels of brackets around a word. */
static void nested(char *out, int n)
{
    memcpy(out, "a: ", 3);
    memset(out + 3, '[', (size_t)n);
    out[3 + n] = 'x';
    memset(out + 4 + n, ']', (size_t)n);
    out[4 + 2 * n] = 0;
}

static void test_deep(void **state)
{
    static char text[MIB];
    struct yaml_node *root;

    nested(text, YAML_DEPTH_MAX - 1);
    assert_int_equal(parse(text, &root), 0);
    yaml_node_free(root);
    nested(text, YAML_DEPTH_MAX);
    assert_int_equal(parse(text, &root), -EINVAL);
    assert_true(has_fault(&list, "f.yaml:1:19: nested deeper than 16 levels; flatten it"));
    nested(text, 400000);
    assert_int_equal(parse(text, &root), -EINVAL);
    assert_true(has_fault(&list, "f.yaml:1:19: nested deeper than 16 levels"));
    for (int i = 0; i < 300; i++)
        sprintf(text + strlen(text) * (i > 0), "%*sk:\n", i, "");
    assert_int_equal(parse(text, &root), -EINVAL);
    assert_true(has_fault(&list, ":17: nested deeper than 16 levels"));
}

static void test_many(void **state)
{
    static char text[MIB];
    struct yaml_node *root;
    size_t at = 0;

    at += (size_t)sprintf(text + at, "l:\n");
    for (int i = 0; i < YAML_NODES_MAX - 3; i++)
        at += (size_t)sprintf(text + at, "- x\n");
    assert_int_equal(parse(text, &root), 0); /* root, key, list and the entries */
    yaml_node_free(root);
    sprintf(text + at, "- x\n");
    assert_int_equal(parse(text, &root), -EINVAL);
    assert_true(has_fault(&list, "f.yaml:19999:3: more than 20000 values; make the file smaller"));
}

/* A flood of faults is cut, and that is said. */
static void test_flood(void **state)
{
    static char text[MIB];
    struct yaml_node *root;
    size_t at = 0;

    for (int i = 0; i < 5000; i++)
        at += (size_t)sprintf(text + at, "k%d: !t x\n", i);
    assert_int_equal(parse(text, &root), -EINVAL);
    assert_int_equal(list.n, 200);
    assert_true(has_fault(&list, "there are more faults than the 199 above"));
}

static void test_nearest(void **state)
{
    static const char *const words[] = {"archive", "folders", "people", "policy", "policies", "on"};

    assert_string_equal(yaml_nearest("archiv", words, 6), "archive");
    assert_string_equal(yaml_nearest("acrhive", words, 6), "archive");
    assert_string_equal(yaml_nearest("folder", words, 6), "folders");
    assert_string_equal(yaml_nearest("polices", words, 6), "policies");
    assert_null(yaml_nearest("completely-else", words, 6));
    assert_null(yaml_nearest("xy", words, 6));
    assert_null(yaml_nearest("", words, 6));
}

/* Quoted strings read back as themselves, alone and inside [ ]. */
static void test_quote(void **state)
{
    static const char *const texts[] = {
        "",
        "plain",
        "/var/lib/x",
        "a b",
        "*.part",
        "~*",
        ".*",
        "true",
        "No",
        "null",
        "0660",
        "1e3",
        "-x",
        "#x",
        "a: b",
        "a #b",
        "[x]",
        "{x}",
        "x,y",
        "本溪卫医罚〔2026〕12号",
        "\"",
        "\\d+",
        "it's",
        "\n",
        "a\tb",
        "\x01",
        "\x7F",
        "\xC2\x85",
        "\xE2\x80\xA8",
        "\xEF\xBB\xBF",
        "\xEF\xBF\xBE",
        "&a",
        "!t",
        "%x",
        "@x",
        "`x",
        "|",
        ">",
        "?",
        "-",
        ":",
        "a:",
        " lead",
        "trail ",
        "=",
        "<<",
        "2026-11-23",
        "\xF0\x9F\x8E\xA5",
        "ÿ",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_ char *quoted = yaml_quote(texts[i]), *text = NULL;
        _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;

        assert_true(asprintf(&text, "k: %s\nl: [%s, %s]\n", quoted, quoted, quoted) > 0);
        assert_int_equal(parse(text, &root), 0);
        assert_string_equal(yaml_get(root, "k")->text, texts[i]);
        assert_false(yaml_is_null(yaml_get(root, "k")));
        assert_string_equal(yaml_get(root, "l")->items[1]->text, texts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_tree),
        cmocka_unit_test(test_empty),
        cmocka_unit_test(test_byte_order_mark),
        cmocka_unit_test(test_null),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_nul),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_deep),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_flood),
        cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_quote),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
