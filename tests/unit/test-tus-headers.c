/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * tus headers: the examples of the protocol, what clients really send, and everything that must be refused.
 */
#include "doors/tus-headers.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define A "01JD0000000000000000000001"
#define B "01JD0000000000000000000002"

static void test_metadata(void **state)
{
    _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0};
    struct error err = ERROR_INIT;

    assert_int_equal(
        tus_metadata_parse("filename d29ybGRfZG9taW5hdGlvbl9wbGFuLnBkZg==,is_confidential", &m, &err), 0);
    assert_int_equal(m.n, 2);
    assert_string_equal(m.pairs[0].key, "filename");
    assert_int_equal(m.pairs[0].size, 25);
    assert_memory_equal(m.pairs[0].value, "world_domination_plan.pdf", 25);
    assert_string_equal(m.pairs[1].key, "is_confidential");
    assert_int_equal(m.pairs[1].size, 0);
    assert_non_null(m.pairs[1].value);
}

static void test_metadata_forms(void **state)
{
    static const struct {
        const char *text;
        size_t n, size; /* pairs; bytes of the first value */
    } good[] = {
        {"", 0, 0},        {"  ", 0, 0},   {"a AA==", 1, 1},        {"a AA== ,  b AA==", 2, 1},
        {" a AA==", 1, 1}, {"a ,b", 2, 0}, {"A AA==,a AA==", 2, 1}, {"a/b;c=d AP8=", 1, 2},
    };

    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0};

        assert_int_equal(tus_metadata_parse(good[i].text, &m, NULL), 0);
        assert_int_equal(m.n, good[i].n);
        if (m.n)
            assert_int_equal(m.pairs[0].size, good[i].size);
    }
}

static void test_metadata_refused(void **state)
{
    static const char *const bad[] = {
        ",",          "a AA==,",    ",a AA==",       "a AA==,,b AA==", "a AA==,a AA==", "a,a",
        "a AA",       "a AA=",      "a =",           "a  AA==",        "a AA== AA==",   "a AA==b",
        "a A-__",     "a \xc3\xa4", "\xc3\xa4 AA==", "a\x01 AA==",     "a AB==",        "a\tAA==",
        "a AA==,\tb",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct tus_metadata m = {.n = 77};
        struct error err = ERROR_INIT;

        if (tus_metadata_parse(bad[i], &m, &err) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(m.n, 77);
        assert_int_equal(err.code, -EINVAL);
        assert_string_equal(err.object, "Upload-Metadata");
    }
}

static void test_metadata_limits(void **state)
{
    _cleanup_(tus_metadata_done) struct tus_metadata m = {.n = 0};
    char text[TUS_METADATA_MAX + 2];
    size_t at = 0;

    memset(text, 'A', sizeof text);
    text[1] = ' ';
    text[TUS_METADATA_MAX + 1] = '\0';
    assert_int_equal(tus_metadata_parse(text, &m, NULL), -EINVAL);
    text[TUS_METADATA_MAX - 2] = '\0'; /* two before a multiple of four */
    assert_int_equal(tus_metadata_parse(text, &m, NULL), 0);
    assert_int_equal(m.pairs[0].size, (TUS_METADATA_MAX - 4) / 4 * 3);
    tus_metadata_done(&m);

    for (int i = 0; i < TUS_PAIRS_MAX; i++)
        at += (size_t)sprintf(text + at, "%sk%d", i ? "," : "", i);
    assert_int_equal(tus_metadata_parse(text, &m, NULL), 0);
    assert_int_equal(m.n, TUS_PAIRS_MAX);
    tus_metadata_done(&m);
    strcat(text, ",k64");
    assert_int_equal(tus_metadata_parse(text, &m, NULL), -EINVAL);
}

static void test_concat(void **state)
{
    static const char *const lists[] = {
        "final;/tus/" A " /tus/" B,
        "final; /tus/" A "  /tus/" B " ",
        "final;http://h:1/tus/" A " HTTPS://[::1]:8443/tus/" B,
        "final;https://archive.example/behind/a/proxy/tus/" A " /behind/tus/" B,
    };

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++) {
        _cleanup_(tus_concat_done) struct tus_concat c = {.n = 0};

        assert_int_equal(tus_concat_parse(lists[i], &c, NULL), 0);
        assert_int_equal(c.kind, TUS_FINAL);
        assert_int_equal(c.n, 2);
        assert_string_equal(c.ids[0], A);
        assert_string_equal(c.ids[1], B);
    }
    for (int i = 0; i < 2; i++) {
        struct tus_concat c = {.n = 5};

        assert_int_equal(tus_concat_parse("partial", &c, NULL), 0);
        assert_int_equal(c.kind, TUS_PARTIAL);
        assert_int_equal(c.n, 0);
        assert_null(c.ids);
    }
}

static void test_concat_refused(void **state)
{
    static const char *const bad[] = {
        "",
        "Partial",
        "partial;",
        "final",
        "final;",
        "final;  ",
        "FINAL;/tus/" A,
        "final;/tus/" A " /tus/" A,
        "final;" A,
        "final;tus/" A,
        "final;/tus" A,
        "final;/other/" A,
        "final;/tus/" A "/",
        "final;/tus/" A "?x=1",
        "final;/tus/" A "#f",
        "final;/tus/" A "%20",
        "final;/tus%2f" A,
        "final;/tus/" A ",/tus/" B,
        "final;/tus/" A "/tus/" B,
        "final;/tus/" A "\t/tus/" B,
        "final;/tus/../" A,
        "final;/tus/01jd0000000000000000000001",
        "final;/tus/01JD000000000000000000000",
        "final;/tus/81JD0000000000000000000001",
        "final;ftp://h/tus/" A,
        "final;http:///tus/" A,
        "final;http://h",
        "final;http://",
        "final;/",
        "final;/tus/" A " x",
    };

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct tus_concat c = {.n = 77};
        struct error err = ERROR_INIT;

        if (tus_concat_parse(bad[i], &c, &err) != -EINVAL)
            fail_msg("'%s' was taken", bad[i]);
        assert_int_equal(c.n, 77);
        assert_string_equal(err.object, "Upload-Concat");
    }
}

static void test_concat_limit(void **state)
{
    _cleanup_free_ char *text = malloc((TUS_PARTS_MAX + 2) * 40);
    _cleanup_(tus_concat_done) struct tus_concat c = {.n = 0};
    size_t at = (size_t)sprintf(text, "final;");

    for (int i = 0; i < TUS_PARTS_MAX; i++)
        at += (size_t)sprintf(text + at, "/tus/01JD00000000000000000%05d ", i);
    assert_int_equal(tus_concat_parse(text, &c, NULL), 0);
    assert_int_equal(c.n, TUS_PARTS_MAX);
    assert_string_equal(c.ids[TUS_PARTS_MAX - 1], "01JD0000000000000000000255");
    tus_concat_done(&c);
    strcpy(text + at, "/tus/" A);
    memcpy(text + at + 5, "01JE", 4);
    assert_int_equal(tus_concat_parse(text, &c, NULL), -EINVAL);
}

static void test_date(void **state)
{
    static const struct {
        int64_t usec;
        const char *text;
    } cases[] = {
        {0, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_C(784111777) * USEC_PER_SEC + 999999, "Sun, 06 Nov 1994 08:49:37 GMT"}, /* RFC 9110 §5.6.7 */
        {INT64_C(1709164800) * USEC_PER_SEC, "Thu, 29 Feb 2024 00:00:00 GMT"},
        {-1, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_MIN, "Thu, 01 Jan 1970 00:00:00 GMT"},
        {INT64_MAX, "Fri, 31 Dec 9999 00:00:00 GMT"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char text[TUS_DATE_SIZE];

        tus_date(cases[i].usec, text);
        assert_string_equal(text, cases[i].text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metadata),         cmocka_unit_test(test_metadata_forms),
        cmocka_unit_test(test_metadata_refused), cmocka_unit_test(test_metadata_limits),
        cmocka_unit_test(test_concat),           cmocka_unit_test(test_concat_refused),
        cmocka_unit_test(test_concat_limit),     cmocka_unit_test(test_date),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
