/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Configuration tables with a table of the test's own: every type, its bounds and its messages; defaults, dump, comparison.
 */
#include "base/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "faults.h"

struct item {
    char *name;
    int64_t weight;
};

struct thing {
    char *text, *path, *zone;
    bool truth;
    int64_t number, wait_usec;
    unsigned mode, flags;
    uint64_t bytes;
    int choice;
    struct config_strings words;
    struct item *items;
    size_t n_items;
};

static const char *const colours[] = {"red", "green", "blue", NULL};

static const char *no_x(const char *value)
{
    return strchr(value, 'x') ? "write it without x" : NULL;
}

static const struct config_row rows[] = {
    {.path = "box", .type = CONFIG_SECTION, .help = "A box."},
    {.path = "box.text",
     .type = CONFIG_STRING,
     .offset = offsetof(struct thing, text),
     .min = 1,
     .max = 5,
     .fallback = "abc",
     .check = no_x,
     .reloadable = true,
     .help = "A text.\nOf two lines."},
    {.path = "box.path",
     .type = CONFIG_PATH,
     .offset = offsetof(struct thing, path),
     .min = 1,
     .max = 20,
     .fallback = "/a",
     .help = "A path."},
    {.path = "box.zone",
     .type = CONFIG_ZONE,
     .offset = offsetof(struct thing, zone),
     .min = 1,
     .max = 40,
     .fallback = "UTC",
     .help = "A zone."},
    {.path = "box.truth",
     .type = CONFIG_BOOL,
     .offset = offsetof(struct thing, truth),
     .fallback = "true",
     .help = "Yes?"},
    {.path = "number",
     .type = CONFIG_INTEGER,
     .offset = offsetof(struct thing, number),
     .min = -2,
     .max = 10,
     .fallback = "3",
     .help = "A number."},
    {.path = "wait",
     .type = CONFIG_DURATION,
     .offset = offsetof(struct thing, wait_usec),
     .min = USEC_PER_SEC,
     .max = USEC_PER_HOUR,
     .fallback = "2 s",
     .help = "A time."},
    {.path = "mode",
     .type = CONFIG_MODE,
     .offset = offsetof(struct thing, mode),
     .max = 0777,
     .fallback = "0660",
     .help = "A mode."},
    {.path = "size",
     .type = CONFIG_SIZE,
     .offset = offsetof(struct thing, bytes),
     .min = 1024,
     .max = INT64_C(1) << 40,
     .fallback = "512 MiB",
     .help = "A size."},
    {.path = "colour",
     .type = CONFIG_ENUM,
     .offset = offsetof(struct thing, choice),
     .names = colours,
     .base = 7,
     .fallback = "green",
     .help = "A colour."},
    {.path = "mix",
     .type = CONFIG_FLAGS,
     .offset = offsetof(struct thing, flags),
     .names = colours,
     .min = 1,
     .fallback = "[red, blue]",
     .help = "Colours."},
    {.path = "words",
     .type = CONFIG_STRINGS,
     .offset = offsetof(struct thing, words),
     .max = 3,
     .fallback = "[\"*.a\", b]",
     .help = "Words."},
    {.path = "items",
     .type = CONFIG_LIST,
     .offset = offsetof(struct thing, items),
     .count_offset = offsetof(struct thing, n_items),
     .item_size = sizeof(struct item),
     .max = 2,
     .help = "Items."},
    {.path = "items[].name",
     .type = CONFIG_STRING,
     .offset = offsetof(struct item, name),
     .min = 1,
     .max = 9,
     .help = "Its name."},
    {.path = "items[].weight",
     .type = CONFIG_INTEGER,
     .offset = offsetof(struct item, weight),
     .max = 9,
     .fallback = "1",
     .help = "Its weight."},
};

static const struct config_table table = {rows, ARRAY_SIZE(rows)};
static struct fault_list list;

/* Defaults, then the text. Return: what the faults say. */
static int read_text(const char *text, struct thing *t)
{
    struct yaml_faults faults = {.file = "f", .on_fault = on_fault, .userdata = &list};
    _cleanup_(yaml_node_freep) struct yaml_node *root = NULL;

    memset(&list, 0, sizeof list);
    memset(t, 0, sizeof *t);
    assert_int_equal(config_defaults(&table, t, &faults), 0);
    if (yaml_parse(text, strlen(text), 1 << 20, &faults, &root) == 0)
        config_apply(&table, root, t, &faults);
    return yaml_faults_result(&faults);
}

static void test_defaults(void **state)
{
    struct thing t;

    assert_int_equal(read_text("", &t), 0);
    assert_string_equal(t.text, "abc");
    assert_string_equal(t.path, "/a");
    assert_true(t.truth);
    assert_int_equal(t.number, 3);
    assert_int_equal(t.wait_usec, 2 * USEC_PER_SEC);
    assert_int_equal(t.mode, 0660);
    assert_int_equal(t.bytes, 512u << 20);
    assert_int_equal(t.choice, 8);
    assert_int_equal(t.flags, 5);
    assert_int_equal(t.words.n, 2);
    assert_string_equal(t.words.items[0], "*.a");
    assert_int_equal(t.n_items, 0);
    config_done(&table, &t);
}

static void test_values(void **state)
{
    struct thing t;

    assert_int_equal(
        read_text(
            "box: { text: 本, path: /b/c//, zone: Asia/Shanghai, truth: false }\nnumber: -2\nwait: 1500 ms\n"
            "mode: '0600'\nsize: 2 KiB\ncolour: blue\nmix: [green]\nwords: []\n"
            "items: [{ name: a }, { name: b, weight: 9 }]\n",
            &t),
        0);
    assert_string_equal(t.text, "本");
    assert_string_equal(t.path, "/b/c");
    assert_string_equal(t.zone, "Asia/Shanghai");
    assert_false(t.truth);
    assert_int_equal(t.number, -2);
    assert_int_equal(t.wait_usec, 1500 * USEC_PER_MSEC);
    assert_int_equal(t.mode, 0600);
    assert_int_equal(t.bytes, 2048);
    assert_int_equal(t.choice, 9);
    assert_int_equal(t.flags, 2);
    assert_int_equal(t.words.n, 0);
    assert_int_equal(t.n_items, 2);
    assert_int_equal(t.items[0].weight, 1);
    assert_string_equal(t.items[1].name, "b");
    config_done(&table, &t);
}

static const struct {
    const char *text, *wanted;
} faulty[] = {
    {"bxo: {}", "f:1:1: unknown key 'bxo'; did you mean 'box'?"},
    {"nothing-like-it: 1", "f:1:1: unknown key 'nothing-like-it'; known here: box, number, wait"},
    {"box:\n  txt: a", "f:2:3: unknown key 'box.txt'; did you mean 'text'?"},
    {"box: 3", "f:1:6: box: a text where 'key: value' lines belong; indent its keys below it"},
    {"box:", "f:1:5: box: nothing where 'key: value' lines belong"},
    {"box: { text: '' }", "f:1:14: box.text: must not be empty"},
    {"box: { text: toolong }", "f:1:14: box.text: is 7 bytes long; at most 5 are allowed"},
    {"box: { text: ax }", "f:1:14: box.text: 'ax' is not allowed; write it without x"},
    {"box: { text: \"a\\nb\" }", "box.text: holds a control character or a line break"},
    {"box: { text: }", "box.text: no value; write a text or leave the key out"},
    {"box: { text: [a] }", "box.text: a list where one value belongs; write a text"},
    {"box: { path: a/b }", "box.path: 'a/b' is not an absolute path; begin it with '/'"},
    {"box: { path: /a/../b }", "box.path: '/a/../b' holds '..'"},
    {"box: { zone: Mars/Olympus }", "box.zone: 'Mars/Olympus' is not a known time zone; write an IANA name"},
    {"box: { truth: yes }", "box.truth: 'yes' is neither true nor false"},
    {"number: 11", "f:1:9: number: 11 is out of range; write a number from -2 to 10"},
    {"number: 3.5", "number: '3.5' is not a whole number; write one from -2 to 10"},
    {"number: 99999999999999999999", "number: '99999999999999999999' is not a whole number"},
    {"number: 0x10", "is not a whole number"},
    {"wait: 5", "wait: '5' is not a duration; write a number and ms, s, min, h, days or weeks, such as 2 s"},
    {"wait: 2 h", "wait: 2 h is out of range; write a duration from 1 s to 1 h"},
    {"mode: 0888", "mode: '0888' is not a file mode; write octal digits such as 0660"},
    {"mode: '1777'", "mode: mode 1777 allows more than 0777"},
    {"size: 5", "size: '5' is not a size; write a number and B, KiB, MiB, GiB or TiB, such as 512 MiB"},
    {"size: 5 MB", "size: '5 MB' is not a size"},
    {"size: 1 B", "size: 1 B is out of range; write a size from 1 KiB to 1 TiB"},
    {"size: 99999999999999999 TiB", "is out of range"},
    {"colour: gren", "colour: 'gren' is unknown; did you mean 'green'?"},
    {"colour: purple", "colour: 'purple' is unknown; write one of: red, green, blue"},
    {"mix: []", "mix: needs at least 1 of its names"},
    {"mix: red", "mix: a text where a list belongs; write [a, b]"},
    {"mix: [[red]]", "mix: a list is not a name"},
    {"words: [a, b, c, d]", "words: 4 entries; at most 3 are allowed"},
    {"words: ['']", "words: entry must not be empty"},
    {"words:", "words: no value; write [] or a list of texts or leave the key out"},
    {"items: { name: a }",
     "items: a table where a list belongs; begin each entry with '- ', or write [] for none"},
    {"items: [{ name: a }, { name: b }, { name: c }]", "items: 3 entries; at most 2 are allowed"},
    {"items:\n- weight: 2", "f:2:3: items[].name is missing; write 'name: …' (text)"},
    {"items: [a]", "f:1:9: items[]: a text where 'key: value' lines belong"},
    {"items: [{ name: a, wieght: 3 }]", "f:1:20: unknown key 'items[].wieght'; did you mean 'weight'?"},
    {"- a\n- b", "f:1:1: a list where 'key: value' lines belong"},
};

static void test_faults(void **state)
{
    for (size_t i = 0; i < ARRAY_SIZE(faulty); i++) {
        struct thing t;

        assert_int_equal(read_text(faulty[i].text, &t), -EINVAL);
        assert_true(has_fault(&list, faulty[i].wanted));
        assert_int_equal(list.n, 1);
        config_done(&table, &t);
    }
}

/* All faults of a file at once, each at its own place. */
static void test_all_at_once(void **state)
{
    struct thing t;

    assert_int_equal(
        read_text(
            "number: x\nsize: y\nbox:\n  truth: z\n  colour: red\nitems:\n- name: a\n  weight: 99\n- {}\n",
            &t),
        -EINVAL);
    assert_int_equal(list.n, 6);
    assert_true(has_fault(&list, "f:1:9: number"));
    assert_true(has_fault(&list, "f:2:7: size"));
    assert_true(has_fault(&list, "f:4:10: box.truth"));
    assert_true(has_fault(&list, "f:5:3: unknown key 'box.colour'"));
    assert_true(has_fault(&list, "f:8:11: items[].weight"));
    assert_true(has_fault(&list, "f:9:3: items[].name is missing"));
    config_done(&table, &t);
}

static void test_set(void **state)
{
    struct error err = ERROR_INIT;
    struct thing t;

    assert_int_equal(read_text("", &t), 0);
    assert_int_equal(config_set(&table, &t, "box.path", "/x y", &err), 0);
    assert_string_equal(t.path, "/x y");
    assert_int_equal(config_set(&table, &t, "colour", "blue", &err), 0);
    assert_int_equal(t.choice, 9);
    assert_int_equal(config_set(&table, &t, "box.path", "x", &err), -EINVAL);
    assert_string_equal(t.path, "/x y");
    assert_string_equal(err.object, "box.path");
    assert_int_equal(config_set(&table, &t, "box.paht", "/x", &err), -EINVAL);
    assert_string_equal(err.text, "unknown key; did you mean 'box.path'?");
    assert_int_equal(config_set(&table, &t, "items[].name", "x", &err), -EINVAL);
    assert_int_equal(config_set(&table, &t, "items", "x", &err), -EINVAL);
    assert_int_equal(config_set(&table, &t, "box", "x", &err), -EINVAL);
    assert_int_equal(config_set(&table, &t, "mix", "[red]", &err), -EINVAL);
    assert_string_equal(err.text, "is not a single value; set it in the configuration file");
    config_done(&table, &t);
}

static void count_row(void *userdata, const struct config_row *row)
{
    strcat(userdata, row->path);
    strcat(userdata, " ");
}

/* The dump reads back as the same values, whatever they are. */
static void test_dump(void **state)
{
    static const char *const texts[] = {
        "",
        "box: { text: 'a#b', path: '/x: y', truth: false }\nsize: 1025 B\nwait: 90 s\nmode: 0600\nmix: "
        "[blue, green]\n"
        "words: ['~*', \"\\\"q\\\"\", '[x]']\nitems:\n- { name: '- a', weight: 0 }\n- { name: 'true' }\n",
    };

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
        _cleanup_free_ char *text = NULL;
        struct thing a, b;
        char diff[200] = "";
        size_t size;
        FILE *out = open_memstream(&text, &size);

        assert_int_equal(read_text(texts[i], &a), 0);
        assert_int_equal(config_dump(&table, &a, out), 0);
        fclose(out);
        assert_int_equal(read_text(text, &b), 0);
        config_diff(&table, &a, &b, count_row, diff);
        assert_string_equal(diff, "");
        config_done(&table, &a);
        config_done(&table, &b);
    }
}

static void test_diff(void **state)
{
    struct thing a, b;
    char diff[200] = "";

    assert_int_equal(read_text("items: [{ name: a }]", &a), 0);
    assert_int_equal(
        read_text("items: [{ name: b }]\nbox: { text: z, truth: false }\nwords: [x]\nnumber: 3", &b), 0);
    config_diff(&table, &a, &b, count_row, diff);
    assert_string_equal(diff, "box.text box.truth words items ");
    config_done(&table, &a);
    config_done(&table, &b);
}

static void test_man(void **state)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    FILE *out = open_memstream(&text, &size);

    assert_int_equal(config_man(&table, out), 0);
    fclose(out);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_non_null(strstr(text, rows[i].path));
    assert_non_null(strstr(text, "whole number (\\-2 to 10); default 3; only a restart takes it."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),    cmocka_unit_test(test_values), cmocka_unit_test(test_faults),
        cmocka_unit_test(test_all_at_once), cmocka_unit_test(test_set),    cmocka_unit_test(test_dump),
        cmocka_unit_test(test_diff),        cmocka_unit_test(test_man),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
