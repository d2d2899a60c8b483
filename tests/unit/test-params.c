/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Header values with parameters and the file names in them: as curl, browsers old and new, and cameras write them; what is ambiguous
 * is refused.
 */
#include "http/params.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_values(void **state)
{
    static const struct {
        const char *text, *value, *name, *param;
    } rows[] = {
        {"form-data", "form-data", "name", NULL},
        {" form-data ;name=x", "form-data", "name", "x"},
        {"form-data;name=\"a b\"", "form-data", "name", "a b"},
        {"form-data; NAME = \"a;b=c\" ; z=1", "form-data", "name", "a;b=c"},
        {"form-data; name=a b \t; z=1", "form-data", "name", "a b"},
        {"form-data; name=\"\"", "form-data", "name", ""},
        {"form-data; name=; z=1", "form-data", "name", ""},
        {"form-data;; name=x;", "form-data", "name", "x"},
        {"form-data; name=\" x \"", "form-data", "name", " x "},
        {"multipart/form-data; boundary=----a=b", "multipart/form-data", "boundary", "----a=b"},
        {"; name=x", "", "name", "x"},
        {"", "", "name", NULL},
        {"a; name=\"q\\\"q\"", "a", "name", "q\"q"},
        {"a; name=\"q\\\\q\"", "a", "name", "q\\q"},
        {"a; name=\"C:\\x\\clip.mp4\"", "a", "name", "C:\\x\\clip.mp4"},
        /* 誠 in GBK is D5 5C, 侽 is 82 5C: no backslash before the quote that ends the name */
        {"a; name=\"\xD5\x5C\"; z=\"1\"", "a", "z", "1"},
        {"a; name=\"\xD5\x5C\"", "a", "name", "\xD5\x5C"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_(params_done) struct params p = {0};
        const char *found;

        if (params_parse(rows[i].text, &p, NULL) != 0)
            fail_msg("'%s' was refused", rows[i].text);
        assert_string_equal(p.value, rows[i].value);
        found = params_get(&p, rows[i].name);
        if (!rows[i].param != !found || (found && strcmp(found, rows[i].param) != 0))
            fail_msg("'%s' gave %s '%s'", rows[i].text, rows[i].name, found ? found : "(nothing)");
    }
}

static void test_refused(void **state)
{
    static const char *const bad[] = {
        "a; name",           "a; =x",           "a; name=\"x",
        "a; name=\"x\"y",    "a; name=x\"y\"",  "a; name=x; NAME=y",
        "a; \"name\"=x",     "a; name=\"x\\\"", "a; filename=\"C:\\x\\\"",
        "a; name=\"x\" y=1", "a; b c",
    };
    char many[400] = "a";

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct params p = {0};
        struct error err = ERROR_INIT;

        if (params_parse(bad[i], &p, &err) != -EINVAL || !err.text[0])
            fail_msg("'%s' was taken", bad[i]);
        assert_null(p.text);
    }
    for (int i = 0; i <= PARAMS_MAX; i++) {
        struct params p = {0};

        assert_int_equal(params_parse(many, &p, NULL), 0);
        assert_int_equal(p.n, i);
        params_done(&p);
        sprintf(many + strlen(many), "; p%d=%d", i, i);
    }
    assert_int_equal(params_parse(many, &(struct params){0}, NULL), -EINVAL);
}

/* The file name of a Content-Disposition; NULL: there is none; "!": refused. */
static void assert_filename(const char *params, const char *expected)
{
    _cleanup_(params_done) struct params p = {0};
    _cleanup_free_ char *text = NULL, *name = NULL;
    struct error err = ERROR_INIT;
    int r;

    assert_true(asprintf(&text, "form-data; %s", params) > 0);
    assert_int_equal(params_parse(text, &p, NULL), 0);
    r = params_filename(&p, &name, &err);
    if (expected && strcmp(expected, "!") == 0) {
        assert_int_equal(r, -EINVAL);
        assert_true(err.text[0]);
        return;
    }
    assert_int_equal(r, 0);
    if (!expected != !name || (name && strcmp(name, expected) != 0))
        fail_msg("%s gave '%s'", params, name ? name : "(nothing)");
}

static void test_filename(void **state)
{
    assert_filename("name=x", NULL);
    assert_filename("filename=clip.mp4", "clip.mp4");
    assert_filename("filename=\"\"", "");
    assert_filename("filename=\"本溪 1.mp4\"", "本溪 1.mp4");
    assert_filename("filename=\"a%22b.mp4\"", "a\"b.mp4"); /* WHATWG: browsers and curl ≥ 7.81 */
    assert_filename("filename=\"%E6%9C%AC.mp4\"", "本.mp4");
    assert_filename("filename=\"%B1%BE.mp4\"", "\xB1\xBE.mp4");
    assert_filename("filename=\"50%.mp4\"", "50%.mp4");
    assert_filename("filename=\"50%2.mp4\"", "50%2.mp4");
    assert_filename("filename=\"a%0D%0Ab\"", "a%0D%0Ab"); /* decoded it would hold control characters */
    assert_filename("filename=\"a%00b\"", "a%00b");
    assert_filename("filename=\"\xB1\xBE.mp4\"", "\xB1\xBE.mp4");
    assert_filename("filename=\"a\tb\"", "!");
    assert_filename("filename=\"a\x01g\"", "!");
}

static void test_extended(void **state)
{
    assert_filename("filename*=UTF-8''%e6%9c%ac.mp4", "本.mp4");
    assert_filename("filename=\"x.mp4\"; filename*=utf-8'zh-CN'%E6%9C%AC.mp4", "本.mp4");
    assert_filename("filename*=ISO-8859-1''caf%E9.mp4", "café.mp4");
    assert_filename("filename*=GBK''%B1%BE.mp4", "\xB1\xBE.mp4");
    assert_filename("filename*=UTF-8''%E6%9C.mp4", "!");
    assert_filename("filename*=UTF-8''a%", "!");
    assert_filename("filename*=UTF-8''a%00b", "!");
    assert_filename("filename*=UTF-8''a%0Ab", "!");
    assert_filename("filename*=x.mp4", "!");
    assert_filename("filename*=''x.mp4", "!");
    assert_filename("filename*=UTF-8'x.mp4", "!");
    assert_filename("filename*=UTF-8''a%00b; filename=good.mp4", "good.mp4");
}

static void test_split(void **state)
{
    static const char *const rows[][3] = {
        {"clip.mp4", "clip.mp4", "clip.mp4"},
        {"C:\\x\\clip.mp4", "clip.mp4", "x/clip.mp4"},
        {"C:/x/clip.mp4", "clip.mp4", "x/clip.mp4"},
        {"\\\\server\\share\\clip.mp4", "clip.mp4", "server/share/clip.mp4"},
        {"/etc/passwd", "passwd", "etc/passwd"},
        {"../../etc/passwd", "passwd", "etc/passwd"},
        {"..\\..\\x", "x", "x"},
        {"a/../b", "b", "a/b"},
        {"a//b", "b", "a/b"},
        {"./a", "a", "a"},
        {"..", "", ""},
        {".", "", ""},
        {"", "", ""},
        {"/", "", ""},
        {"a/", "", "a"},
        {"a/..", "", "a"},
        {"...", "...", "..."},
        {".hidden", ".hidden", ".hidden"},
        {"..a", "..a", "..a"},
        {"c:", "c:", "c:"},
        {"a/c:/b", "b", "a/c:/b"},
        {"\xD5\x5C.mp4", "\xD5\x5C.mp4", "\xD5\x5C.mp4"},
        {"D:\\\xB1\xBE\\\xD5\x5C.mp4", "\xD5\x5C.mp4", "\xB1\xBE/\xD5\x5C.mp4"},
        {"本\\溪.mp4", "溪.mp4", "本/溪.mp4"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        _cleanup_free_ char *name = NULL, *path = NULL;

        assert_int_equal(filename_split(rows[i][0], &name, &path), 0);
        if (strcmp(name, rows[i][1]) != 0 || strcmp(path, rows[i][2]) != 0)
            fail_msg("'%s' gave '%s' and '%s'", rows[i][0], name, path);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_refused), cmocka_unit_test(test_filename),
        cmocka_unit_test(test_extended), cmocka_unit_test(test_split),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
