/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calendar time over GLib's GTimeZone and GDateTime (see calendar.h). GLib reads the same tzdata as the C library, but a
 * zone is an object there, not a process-wide setting, so threads and several zones do not disturb each other.
 */
#include "base/calendar.h"

#include <errno.h>
#include <string.h>

#include <glib.h>

struct zone {
    GTimeZone *tz;
    char *name;
};

DEFINE_CLEANUP(GDateTime *, g_date_time_unref)
DEFINE_CLEANUP(GTimeZone *, g_time_zone_unref)
#define _cleanup_datetime_ _cleanup_(g_date_time_unrefp)

#define USEC_MIN (INT64_C(-62135596800) * USEC_PER_SEC) /* 0001-01-01 */
#define USEC_MAX (INT64_C(253402214400) * USEC_PER_SEC) /* 9999-12-31 */

int zone_new(const char *name, struct zone **ret)
{
    _cleanup_(zone_freep) struct zone *z = NULL;

    if (!name || !*name || name[0] == '/' || strstr(name, "..") || strchr(name, ':'))
        return -EINVAL;
    z = calloc(1, sizeof *z);
    if (!z)
        return -ENOMEM;
    z->tz = g_time_zone_new_identifier(name);
    if (!z->tz)
        return -EINVAL;
    z->name = strdup(name);
    if (!z->name)
        return -ENOMEM;
    *ret = TAKE_PTR(z);
    return 0;
}

struct zone *zone_free(struct zone *z)
{
    if (!z)
        return NULL;
    if (z->tz)
        g_time_zone_unref(z->tz);
    free(z->name);
    free(z);
    return NULL;
}

const char *zone_name(const struct zone *z)
{
    return z->name;
}

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

/* NULL z = UTC. Never NULL: the range is clamped. */
static GDateTime *datetime_of(const struct zone *z, int64_t usec)
{
    _cleanup_datetime_ GDateTime *utc = NULL, *whole = NULL;
    int64_t sec;

    usec = MAX(USEC_MIN, MIN(USEC_MAX, usec));
    sec = floor_div(usec, USEC_PER_SEC);
    whole = g_date_time_new_from_unix_utc(sec);
    utc = g_date_time_add(whole, usec - sec * USEC_PER_SEC);
    return z ? g_date_time_to_timezone(utc, z->tz) : TAKE_PTR(utc);
}

static int64_t usec_of(GDateTime *dt)
{
    return g_date_time_to_unix(dt) * USEC_PER_SEC + g_date_time_get_microsecond(dt);
}

void civil_from_usec(const struct zone *z, int64_t usec, struct civil *ret)
{
    _cleanup_datetime_ GDateTime *dt = datetime_of(z, usec);

    g_date_time_get_ymd(dt, &ret->year, &ret->month, &ret->day);
    ret->hour = g_date_time_get_hour(dt);
    ret->minute = g_date_time_get_minute(dt);
    ret->second = g_date_time_get_second(dt);
    ret->usec = g_date_time_get_microsecond(dt);
}

/* Whether the instant shows exactly these wall-clock fields in the zone. */
static bool shows(const struct zone *z, int64_t usec, const struct civil *c)
{
    struct civil have;

    civil_from_usec(z, usec, &have);
    return have.year == c->year && have.month == c->month && have.day == c->day && have.hour == c->hour &&
           have.minute == c->minute && have.second == c->second;
}

/* The instant as if the zone stood offset_min east of UTC. */
static int64_t at_offset(int64_t utc_usec, int offset_min)
{
    return utc_usec - offset_min * USEC_PER_MIN;
}

int civil_to_usec(const struct zone *z, const struct civil *c, int64_t *ret)
{
    _cleanup_datetime_ GDateTime *dt = NULL;
    int64_t naive, late, early;
    int before, after;

    if (c->year < 1 || c->year > 9999 || c->month < 1 || c->month > 12 || c->day < 1 || c->day > 31 ||
        c->hour < 0 || c->hour > 23 || c->minute < 0 || c->minute > 59 || c->second < 0 || c->second > 60)
        return -EINVAL;
    dt = g_date_time_new_utc(c->year, c->month, c->day, c->hour, c->minute, MIN(c->second, 59));
    if (!dt)
        return -EINVAL;
    naive = usec_of(dt) + c->usec;
    if (!z) {
        *ret = naive;
        return 0;
    }
    /* Offsets in force a day before and a day after cover every change in between; the smaller offset is the later instant. */
    before = calendar_offset_minutes(z, naive - USEC_PER_DAY);
    after = calendar_offset_minutes(z, naive + USEC_PER_DAY);
    late = at_offset(naive, MIN(before, after));
    early = at_offset(naive, MAX(before, after));
    *ret = shows(z, late, c) || !shows(z, early, c) ? late : early;
    return 0;
}

static int64_t shift(const struct zone *z, int64_t usec, int months, int days)
{
    _cleanup_datetime_ GDateTime *utc = NULL, *moved = NULL, *moved_days = NULL;
    struct civil c;
    int64_t out;

    civil_from_usec(z, usec, &c);
    utc = g_date_time_new_utc(c.year, c.month, c.day, c.hour, c.minute, c.second);
    moved = g_date_time_add_months(utc, months);
    moved_days = moved ? g_date_time_add_days(moved, days) : NULL;
    if (!moved_days)
        return INT64_MAX;
    g_date_time_get_ymd(moved_days, &c.year, &c.month, &c.day);
    return civil_to_usec(z, &c, &out) < 0 ? INT64_MAX : out;
}

int64_t calendar_add_months(const struct zone *z, int64_t usec, int months)
{
    return shift(z, usec, months, 0);
}

int64_t calendar_add_days(const struct zone *z, int64_t usec, int days)
{
    return shift(z, usec, 0, days);
}

int64_t calendar_next_midnight(const struct zone *z, int64_t usec)
{
    _cleanup_datetime_ GDateTime *day = NULL, *next = NULL;
    struct civil c;
    int64_t out;

    civil_from_usec(z, usec, &c);
    day = g_date_time_new_utc(c.year, c.month, c.day, 0, 0, 0);
    next = g_date_time_add_days(day, 1);
    if (!next)
        return INT64_MAX;
    c = (struct civil){0};
    g_date_time_get_ymd(next, &c.year, &c.month, &c.day);
    return civil_to_usec(z, &c, &out) < 0 ? INT64_MAX : out;
}

int calendar_offset_minutes(const struct zone *z, int64_t usec)
{
    _cleanup_datetime_ GDateTime *dt = datetime_of(z, usec);

    return (int)(g_date_time_get_utc_offset(dt) / USEC_PER_MIN);
}

void calendar_format(const struct zone *z, int64_t usec, char out[CALENDAR_TEXT_SIZE])
{
    int offset = z ? calendar_offset_minutes(z, usec) : 0;
    struct civil c;

    civil_from_usec(z, usec, &c);
    snprintf(out, CALENDAR_TEXT_SIZE, "%04d-%02d-%02d %02d:%02d:%02d %c%02d:%02d", c.year, c.month, c.day,
             c.hour, c.minute, c.second, offset < 0 ? '-' : '+', abs(offset) / 60 % 100, abs(offset) % 60);
}

void calendar_format_date(const struct zone *z, int64_t usec, char out[CALENDAR_TEXT_SIZE])
{
    struct civil c;

    civil_from_usec(z, usec, &c);
    snprintf(out, CALENDAR_TEXT_SIZE, "%04d-%02d-%02d", c.year, c.month, c.day);
}

void calendar_format_utc(int64_t usec, char out[CALENDAR_TEXT_SIZE])
{
    struct civil c;

    civil_from_usec(NULL, usec, &c);
    snprintf(out, CALENDAR_TEXT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%06dZ", c.year, c.month, c.day, c.hour,
             c.minute, c.second, c.usec);
}

/* Reads exactly n digits. */
static int take_digits(const char **p, int n, int *ret)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return -EINVAL;
        v = v * 10 + (**p - '0');
    }
    *ret = v;
    return 0;
}

static int take_char(const char **p, char c)
{
    if (**p != c)
        return -EINVAL;
    (*p)++;
    return 0;
}

static int take_fraction(const char **p, int *ret_usec)
{
    int scale = 100000;

    for (; **p >= '0' && **p <= '9'; (*p)++, scale /= 10)
        *ret_usec += (**p - '0') * scale;
    return 0;
}

/* "Z" or "+08:00" or "+0800"; 1 when there was one, 0 when the text ended. */
static int take_offset(const char **p, int *ret_minutes)
{
    int sign, h, m, r;

    if (**p == 0)
        return 0;
    if (**p == 'Z' || **p == 'z') {
        (*p)++;
        *ret_minutes = 0;
        return **p ? -EINVAL : 1;
    }
    if (**p == ' ')
        (*p)++;
    if (**p != '+' && **p != '-')
        return -EINVAL;
    sign = *(*p)++ == '-' ? -1 : 1;
    r = take_digits(p, 2, &h);
    if (r == 0 && **p == ':')
        (*p)++;
    r = r < 0 ? r : take_digits(p, 2, &m);
    if (r < 0 || h > 15 || m > 59 || **p)
        return -EINVAL;
    *ret_minutes = sign * (h * 60 + m);
    return 1;
}

static int take_time(const char **p, struct civil *c)
{
    int r = take_digits(p, 2, &c->hour);

    r = r < 0 ? r : take_char(p, ':');
    r = r < 0 ? r : take_digits(p, 2, &c->minute);
    if (r < 0 || **p != ':')
        return r;
    (*p)++;
    r = take_digits(p, 2, &c->second);
    if (r < 0 || **p != '.')
        return r;
    (*p)++;
    return take_fraction(p, &c->usec);
}

int calendar_parse(const struct zone *z, const char *text, int64_t *ret, bool *ret_has_offset)
{
    struct civil c = {0};
    const char *p = text;
    int64_t usec;
    int r, offset = 0;

    r = take_digits(&p, 4, &c.year);
    r = r < 0 ? r : take_char(&p, '-');
    r = r < 0 ? r : take_digits(&p, 2, &c.month);
    r = r < 0 ? r : take_char(&p, '-');
    r = r < 0 ? r : take_digits(&p, 2, &c.day);
    if (r < 0)
        return r;
    if (*p == 'T' || *p == 't' || *p == ' ') {
        p++;
        r = take_time(&p, &c);
        if (r < 0)
            return r;
    }
    r = take_offset(&p, &offset);
    if (r < 0)
        return r;
    if (civil_to_usec(r == 1 ? NULL : z, &c, &usec) < 0)
        return -EINVAL;
    *ret = usec - (r == 1 ? offset * USEC_PER_MIN : 0);
    if (ret_has_offset)
        *ret_has_offset = r == 1;
    return 0;
}

/* "<number> <unit>" with an optional space. */
static int number_and_unit(const char *text, int64_t *ret_number, const char **ret_unit)
{
    char *end;

    if (*text < '0' || *text > '9')
        return -EINVAL;
    errno = 0;
    *ret_number = strtoll(text, &end, 10);
    if (errno || *ret_number > 1000000000)
        return -EINVAL;
    while (*end == ' ')
        end++;
    *ret_unit = end;
    return 0;
}

int duration_parse(const char *text, int64_t *ret_usec)
{
    static const struct {
        const char *unit;
        int64_t usec;
    } units[] = {{"ms", USEC_PER_MSEC},      {"s", USEC_PER_SEC},        {"second", USEC_PER_SEC},
                 {"seconds", USEC_PER_SEC},  {"min", USEC_PER_MIN},      {"minute", USEC_PER_MIN},
                 {"minutes", USEC_PER_MIN},  {"h", USEC_PER_HOUR},       {"hour", USEC_PER_HOUR},
                 {"hours", USEC_PER_HOUR},   {"day", USEC_PER_DAY},      {"days", USEC_PER_DAY},
                 {"week", 7 * USEC_PER_DAY}, {"weeks", 7 * USEC_PER_DAY}};
    const char *unit;
    int64_t n;

    if (number_and_unit(text, &n, &unit) < 0)
        return -EINVAL;
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        int64_t out;

        if (strcmp(unit, units[i].unit) != 0)
            continue;
        if (__builtin_mul_overflow(n, units[i].usec, &out))
            return -EINVAL;
        *ret_usec = out;
        return 0;
    }
    return -EINVAL;
}

int months_parse(const char *text, int *ret_months)
{
    const char *unit;
    int64_t n;

    if (number_and_unit(text, &n, &unit) < 0 || n > 12000)
        return -EINVAL;
    if (strcmp(unit, "month") == 0 || strcmp(unit, "months") == 0)
        *ret_months = (int)n;
    else if (strcmp(unit, "year") == 0 || strcmp(unit, "years") == 0)
        *ret_months = (int)n * 12;
    else
        return -EINVAL;
    return 0;
}
