/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times in names (see place-time.h). Every form comes down to the digits in it, with one separator or none between the parts.
 */
#include "cases/place-time.h"

#include <errno.h>
#include <string.h>

#define NONE INT64_MIN

static bool is_separator(char c)
{
    return c && strchr("-_.: Tt", c);
}

/* Exactly n digits, after a separator if there is one. */
static int take_number(const char **p, int n, int *ret)
{
    const char *s = *p + is_separator(**p);
    int v = 0;

    for (int i = 0; i < n; i++, s++) {
        if (*s < '0' || *s > '9')
            return -EINVAL;
        v = v * 10 + (*s - '0');
    }
    *p = s;
    *ret = v;
    return 0;
}

static int take_date(const char **p, struct civil *c)
{
    int r = is_separator(**p) ? -EINVAL : take_number(p, 4, &c->year);

    r = r < 0 ? r : take_number(p, 2, &c->month);
    return r < 0 ? r : take_number(p, 2, &c->day);
}

/* HHMM[SS]. */
static int take_clock(const char **p, struct civil *c)
{
    int r = take_number(p, 2, &c->hour);

    r = r < 0 ? r : take_number(p, 2, &c->minute);
    if (r < 0 || !**p || **p == 'Z')
        return r;
    return take_number(p, 2, &c->second);
}

/* "20261123090507[Z]" and its relatives. */
static int read_whole(const char *text, const struct zone *zone, int64_t *ret)
{
    struct civil c = {0};
    const char *p = text;
    int r = take_date(&p, &c);

    r = r < 0 ? r : take_clock(&p, &c);
    if (r < 0)
        return r;
    if (*p == 'Z' || *p == 'z') {
        zone = NULL;
        p++;
    }
    return *p ? -EINVAL : civil_to_usec(zone, &c, ret);
}

static int read_epoch(const char *text, int64_t *ret)
{
    size_t n = strlen(text);

    if (strspn(text, "0123456789") != n || (n > 11 && n != 13))
        return -EINVAL;
    *ret = strtoll(text, NULL, 10) * (n == 13 ? USEC_PER_MSEC : USEC_PER_SEC);
    return 0;
}

/* A date and a clock time apart. */
static int read_parts(const char *date, const char *time, const struct zone *zone, int64_t *ret)
{
    struct civil c = {0};
    int r = take_date(&date, &c);

    r = r < 0 || *date ? -EINVAL : take_clock(&time, &c);
    return r < 0 || *time ? -EINVAL : civil_to_usec(zone, &c, ret);
}

/* year … second as six groups; minute and second may be absent. */
static int read_fields(const struct place_match *m, const struct zone *zone, int64_t *ret)
{
    static const enum place_group groups[] = {PLACE_YEAR, PLACE_MONTH,  PLACE_DAY,
                                              PLACE_HOUR, PLACE_MINUTE, PLACE_SECOND};
    int v[ARRAY_SIZE(groups)] = {0};
    struct civil c;

    for (size_t i = 0; i < ARRAY_SIZE(groups); i++) {
        const char *text = m->values[groups[i]];
        size_t n = text ? strlen(text) : 0;

        if (n > 4 || (text && strspn(text, "0123456789") != n) || (!text && i < 4))
            return -EINVAL;
        v[i] = text ? atoi(text) : 0;
    }
    if (v[0] < 100)
        v[0] += 2000; /* cameras that write two digits */
    c = (struct civil){v[0], v[1], v[2], v[3], v[4], v[5], 0};
    return civil_to_usec(zone, &c, ret);
}

static int note(int r, const char *what, const char **ret_what)
{
    if (r < 0)
        *ret_what = what;
    return r;
}

static int read_start(const struct place_match *m, const struct zone *zone, int64_t *ret,
                      const char **ret_what)
{
    const char *const *v = (const char *const *)m->values;

    if (v[PLACE_START])
        return note(read_whole(v[PLACE_START], zone, ret), "start", ret_what);
    if (v[PLACE_DATETIME])
        return note(read_whole(v[PLACE_DATETIME], zone, ret), "datetime", ret_what);
    if (v[PLACE_EPOCH])
        return note(read_epoch(v[PLACE_EPOCH], ret), "epoch", ret_what);
    if (v[PLACE_DATE] && v[PLACE_TIME])
        return note(read_parts(v[PLACE_DATE], v[PLACE_TIME], zone, ret), "date and time", ret_what);
    if (v[PLACE_YEAR] && v[PLACE_HOUR])
        return note(read_fields(m, zone, ret), "year to second", ret_what);
    return 0; /* a date alone, or a time alone, places nothing */
}

static int read_end(const struct place_match *m, const struct zone *zone, int64_t start, int64_t *ret,
                    const char **ret_what)
{
    const char *const *v = (const char *const *)m->values;
    const char *date = v[PLACE_END_DATE] ? v[PLACE_END_DATE] : v[PLACE_DATE];
    int r;

    if (v[PLACE_END])
        return note(read_whole(v[PLACE_END], zone, ret), "end", ret_what);
    if (!v[PLACE_END_TIME] || !date)
        return 0;
    r = note(read_parts(date, v[PLACE_END_TIME], zone, ret), "end_time", ret_what);
    if (r == 0 && !v[PLACE_END_DATE] && start != NONE && *ret < start)
        *ret = calendar_add_days(zone, *ret, 1); /* past midnight */
    return r;
}

int place_time_read(const struct place_match *m, const struct zone *zone, int64_t *ret_start,
                    int64_t *ret_end, const char **ret_what)
{
    int64_t start = NONE, end = NONE;
    int r, s;

    *ret_what = NULL;
    r = read_start(m, zone, &start, ret_what);
    s = read_end(m, zone, start, &end, ret_what);
    *ret_start = r < 0 ? NONE : start;
    *ret_end = s < 0 ? NONE : end;
    return MIN(r, s);
}
