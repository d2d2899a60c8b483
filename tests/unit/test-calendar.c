/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calendar time: month arithmetic for every day of 2020 to 2060 against Python's dateutil, texts in and out, zones, durations.
 */
#include "base/calendar.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define REFERENCE "/usr/bin/python3 tests/unit/calendar-reference.py"

static int64_t at(const struct zone *z, const char *text)
{
    int64_t usec = 0;

    assert_int_equal(calendar_parse(z, text, &usec, NULL), 0);
    return usec;
}

static void test_against_dateutil(void **state)
{
    _cleanup_(zone_freep) struct zone *z = NULL;
    char name[64];
    long long start, end, midnight;
    int months, n = 0;
    FILE *in;

    if (system("/usr/bin/python3 -c 'import dateutil, zoneinfo' 2>/dev/null") != 0) {
        fprintf(stderr, "skipped: needs /usr/bin/python3 with python3-dateutil\n");
        skip();
    }
    in = popen(REFERENCE, "r");
    assert_non_null(in);
    while (fscanf(in, "%63s %lld %d %lld %lld", name, &start, &months, &end, &midnight) == 5) {
        int64_t have;

        if (!z || strcmp(zone_name(z), name) != 0) {
            z = zone_free(z);
            assert_int_equal(zone_new(name, &z), 0);
        }
        have = calendar_add_months(z, start, months);
        if (have != end || calendar_next_midnight(z, have) != midnight)
            fail_msg("%s: %lld + %d months = %lld (next midnight %lld), but dateutil says %lld (%lld)", name,
                     start, months, (long long)have, (long long)calendar_next_midnight(z, have), end,
                     midnight);
        n++;
    }
    assert_int_equal(WEXITSTATUS(pclose(in)), 0);
    assert_true(n > 100000);
}

static void test_month_ends(void **state)
{
    static const struct {
        const char *start, *end;
        int months;
    } rows[] = {
        {"2026-08-31 10:00", "2027-02-28 10:00", 6},       {"2027-08-31 10:00", "2028-02-29 10:00", 6},
        {"2026-01-31 23:59:59", "2026-02-28 23:59:59", 1}, {"2024-02-29 00:00", "2025-02-28 00:00", 12},
        {"2026-11-23 19:05:07", "2027-05-23 19:05:07", 6}, {"2026-12-31 00:00", "2056-12-31 00:00", 360},
        {"2026-03-31 12:00", "2026-02-28 12:00", -1},      {"2026-05-15 12:00", "2026-05-15 12:00", 0},
    };
    _cleanup_(zone_freep) struct zone *z = NULL;

    assert_int_equal(zone_new("Asia/Shanghai", &z), 0);
    for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
        assert_int_equal(calendar_add_months(z, at(z, rows[i].start), rows[i].months), at(z, rows[i].end));
}

static void test_midnight(void **state)
{
    _cleanup_(zone_freep) struct zone *z = NULL;

    assert_int_equal(zone_new("Asia/Shanghai", &z), 0);
    assert_int_equal(calendar_next_midnight(z, at(z, "2026-11-23 19:05:07")), at(z, "2026-11-24"));
    assert_int_equal(calendar_next_midnight(z, at(z, "2026-11-23 23:59:59.999999")), at(z, "2026-11-24"));
    assert_int_equal(calendar_next_midnight(z, at(z, "2026-11-24")), at(z, "2026-11-25"));
    assert_int_equal(calendar_next_midnight(z, at(z, "2026-12-31 12:00")), at(z, "2027-01-01"));
    assert_int_equal(at(z, "2026-11-24"), at(NULL, "2026-11-23 16:00"));
}

static void test_limits(void **state)
{
    _cleanup_(zone_freep) struct zone *z = NULL;
    struct civil c;

    assert_int_equal(zone_new("UTC", &z), 0);
    assert_int_equal(calendar_add_months(z, at(z, "9999-06-01"), 12), INT64_MAX);
    assert_int_equal(calendar_add_days(z, at(z, "2026-02-28"), 1), at(z, "2026-03-01"));
    assert_int_equal(calendar_add_days(z, at(z, "2026-03-01"), -1), at(z, "2026-02-28"));
    civil_from_usec(z, INT64_MAX, &c);
    assert_int_equal(c.year, 9999);
    civil_from_usec(z, INT64_MIN, &c);
    assert_int_equal(c.year, 1);
    civil_from_usec(z, -1, &c);
    assert_int_equal(c.year, 1969);
    assert_int_equal(c.usec, 999999);
}

static void test_parse(void **state)
{
    static const char *const bad[] = {"",
                                      "2026",
                                      "2026-13-01",
                                      "2026-02-29",
                                      "2026-1-1",
                                      "2026-01-01T",
                                      "2026-01-01T25:00",
                                      "2026-01-01 10:61",
                                      "2026-01-01 10:00x",
                                      "2026-01-01 10:00+99:00",
                                      "26-01-01",
                                      "2026-01-01 10:00:00Zx",
                                      "2026-01-32",
                                      "0000-01-01",
                                      " 2026-01-01",
                                      "2026/01/01"};
    int64_t usec = 42;
    bool offset = true;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(calendar_parse(NULL, bad[i], &usec, &offset), -EINVAL);
    assert_int_equal(usec, 42);
    assert_int_equal(calendar_parse(NULL, "2026-11-23T11:05:07.123456Z", &usec, &offset), 0);
    assert_true(offset);
    assert_int_equal(usec, INT64_C(1795431907123456));
    assert_int_equal(calendar_parse(NULL, "2026-11-23 19:05:07.123456 +08:00", &usec, &offset), 0);
    assert_int_equal(usec, INT64_C(1795431907123456));
    assert_int_equal(calendar_parse(NULL, "2026-11-23T19:05:07.1234567+0800", &usec, &offset), 0);
    assert_int_equal(usec, INT64_C(1795431907123456));
    assert_int_equal(calendar_parse(NULL, "2026-11-23 11:05", &usec, &offset), 0);
    assert_false(offset);
}

static void test_format(void **state)
{
    _cleanup_(zone_freep) struct zone *z = NULL, *west = NULL;
    char out[CALENDAR_TEXT_SIZE];
    int64_t usec = INT64_C(1795431907123456);

    assert_int_equal(zone_new("Asia/Shanghai", &z), 0);
    assert_int_equal(zone_new("America/St_Johns", &west), 0);
    calendar_format(z, usec, out);
    assert_string_equal(out, "2026-11-23 19:05:07 +08:00");
    calendar_format(west, usec, out);
    assert_string_equal(out, "2026-11-23 07:35:07 -03:30");
    calendar_format_date(z, usec, out);
    assert_string_equal(out, "2026-11-23");
    calendar_format_utc(usec, out);
    assert_string_equal(out, "2026-11-23T11:05:07.123456Z");
    assert_int_equal(calendar_offset_minutes(west, usec), -210);
}

static void test_zones(void **state)
{
    static const char *const bad[] = {"", "Mars/Olympus", "/etc/passwd", "../UTC", "Asia/../UTC", ":UTC"};
    struct zone *z = NULL;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(zone_new(bad[i], &z), -EINVAL);
    assert_null(z);
    assert_null(zone_free(NULL));
}

static void test_durations(void **state)
{
    static const struct {
        const char *text;
        int64_t usec; /* -1: not a duration */
    } rows[] = {
        {"2 s", 2 * USEC_PER_SEC},
        {"500 ms", 500 * USEC_PER_MSEC},
        {"10 min", 600 * USEC_PER_SEC},
        {"24 h", USEC_PER_DAY},
        {"14 days", 14 * USEC_PER_DAY},
        {"1 day", USEC_PER_DAY},
        {"3 weeks", 21 * USEC_PER_DAY},
        {"0 s", 0},
        {"2s", 2 * USEC_PER_SEC},
        {"2", -1},
        {"", -1},
        {"s", -1},
        {"-1 s", -1},
        {"1.5 h", -1},
        {"2 months", -1},
        {"99999999999 days", -1},
        {" 2 s", -1},
        {"2 s ", -1},
        {"1000000000 weeks", -1},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        int64_t usec = -1;
        assert_int_equal(duration_parse(rows[i].text, &usec), rows[i].usec < 0 ? -EINVAL : 0);
        assert_int_equal(usec, rows[i].usec);
    }
}

static void test_months(void **state)
{
    static const char *const bad[] = {"",          "6",        "6 days",       "months",
                                      "-6 months", "6  moons", "99999 months", "1.5 years"};
    int months = -1;

    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_int_equal(months_parse(bad[i], &months), -EINVAL);
    assert_int_equal(months, -1);
    assert_int_equal(months_parse("6 months", &months), 0);
    assert_int_equal(months, 6);
    assert_int_equal(months_parse("1 month", &months), 0);
    assert_int_equal(months, 1);
    assert_int_equal(months_parse("30 years", &months), 0);
    assert_int_equal(months, 360);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_dateutil),
        cmocka_unit_test(test_month_ends),
        cmocka_unit_test(test_midnight),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_parse),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_zones),
        cmocka_unit_test(test_durations),
        cmocka_unit_test(test_months),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
