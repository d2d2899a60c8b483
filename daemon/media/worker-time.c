/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times and places as files write them. No time zone is ever assumed: a wall-clock time without a zone stays one, and the daemon
 * applies the folder's zone. A time before 2000-01-02 (clocks that were never set: 1904, 1970, 1980, 2000) or more than two
 * days in the future is doubtful, whatever its source.
 */
#include "media/worker-facts.h"

#include <errno.h>
#include <string.h>

#define EARLIEST_USEC (INT64_C(946771200) * USEC_PER_SEC) /* 2000-01-02T00:00:00Z */

/* Days since 1970-01-01 of a Gregorian date; counts whole years from 1 March so that the leap day comes last. */
static int64_t days_of(int64_t year, int month, int day)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t m = month > 2 ? month - 3 : month + 9;

    return 365 * y + y / 4 - y / 100 + y / 400 + (153 * m + 2) / 5 + day - 1 - 719468;
}

struct stamp {
    int year, month, day, hour, minute, second, usec;
    bool has_zone;
    int offset_minutes;
};

/* Reads exactly n digits. Return: value or -1, *p moved on. */
static int digits(const char **p, int n)
{
    int v = 0;

    for (int i = 0; i < n; i++, (*p)++) {
        if (**p < '0' || **p > '9')
            return -1;
        v = v * 10 + (**p - '0');
    }
    return v;
}

static bool skip_one_of(const char **p, const char *set)
{
    if (!**p || !strchr(set, **p))
        return false;
    (*p)++;
    return true;
}

static bool read_zone(const char **p, struct stamp *s)
{
    int sign, h, m;

    while (**p == ' ')
        (*p)++;
    if (skip_one_of(p, "Zz")) {
        s->has_zone = true;
        return true;
    }
    if (**p != '+' && **p != '-')
        return true;
    sign = *(*p)++ == '-' ? -1 : 1;
    h = digits(p, 2);
    skip_one_of(p, ":");
    m = digits(p, 2);
    if (h < 0 || h > 14 || m < 0 || m > 59)
        return false;
    s->has_zone = true;
    s->offset_minutes = sign * (h * 60 + m);
    return true;
}

static bool read_clock(const char **p, struct stamp *s)
{
    s->hour = digits(p, 2);
    if (!skip_one_of(p, ":-."))
        return false;
    s->minute = digits(p, 2);
    if (skip_one_of(p, ":-."))
        s->second = digits(p, 2);
    if (skip_one_of(p, ".,"))
        for (int unit = 100000; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
            s->usec += (**p - '0') * unit;
    return s->hour >= 0 && s->hour < 24 && s->minute >= 0 && s->minute < 60 && s->second >= 0 &&
           s->second <= 60;
}

static bool read_stamp(const char *p, struct stamp *s)
{
    static const int length[] = {31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    *s = (struct stamp){0};
    while (*p == ' ')
        p++;
    s->year = digits(&p, 4);
    if (!skip_one_of(&p, "-:/"))
        return false;
    s->month = digits(&p, 2);
    if (!skip_one_of(&p, "-:/"))
        return false;
    s->day = digits(&p, 2);
    if (s->year < 1 || s->month < 1 || s->month > 12 || s->day < 1 || s->day > length[s->month - 1])
        return false;
    if (s->month == 2 && s->day == 29 && (s->year % 4 || (s->year % 100 == 0 && s->year % 400)))
        return false;
    if (!skip_one_of(&p, "T t"))
        return false; /* a date alone says too little to place a recording in time */
    while (*p == ' ')
        p++;
    return read_clock(&p, s) && read_zone(&p, s);
}

static int64_t stamp_usec(const struct stamp *s)
{
    int64_t minutes =
        (days_of(s->year, s->month, s->day) * 24 + s->hour) * 60 + s->minute - s->offset_minutes;

    return (minutes * 60 + s->second) * USEC_PER_SEC + s->usec;
}

static void note_time(struct facts *f, int rank, bool is_local, int64_t usec, const char *source,
                      enum certainty certainty)
{
    bool future = f->now_usec && usec > f->now_usec + 2 * USEC_PER_DAY;

    /* a zone or a leap second may carry it out of the years that the client takes */
    if (f->n_times == FACTS_TIMES_MAX || usec < FACTS_USEC_LEAST || usec >= FACTS_USEC_LIMIT)
        return;
    if (usec < EARLIEST_USEC || future)
        certainty = DOUBTFUL;
    for (size_t i = 0; i < f->n_times; i++)
        if (f->times[i].source == source && f->times[i].usec == usec && f->times[i].is_local == is_local)
            return;
    f->times[f->n_times++] = (struct fact_time){rank, is_local, usec, source, certainty};
}

void facts_time_text(struct facts *f, int rank, const char *text, const char *zone, const char *source,
                     enum certainty certainty)
{
    struct stamp s, z = {0};

    if (!text || !read_stamp(text, &s))
        return;
    if (!s.has_zone && zone && read_zone(&zone, &z) && z.has_zone) {
        s.has_zone = true;
        s.offset_minutes = z.offset_minutes;
    }
    if (!s.has_zone && certainty == CERTAIN)
        certainty = PROBABLE;
    note_time(f, rank, !s.has_zone, stamp_usec(&s), source, certainty);
}

static const char *certainty_name(enum certainty c)
{
    return c == CERTAIN ? "certain" : c == PROBABLE ? "probable" : "doubtful";
}

/* "YYYY-MM-DDTHH:MM:SS" of µs read as if UTC; years 1–9999 only reach here through note_time. */
static void format_local(int64_t usec, char out[32])
{
    int64_t sec = usec / USEC_PER_SEC - (usec % USEC_PER_SEC < 0), day = sec / 86400 - (sec % 86400 < 0);
    int64_t rest = sec - day * 86400, year = 1970 + day * 400 / 146097 - 1;
    int month = 12;

    while (days_of(year + 1, 1, 1) <= day)
        year++;
    while (month > 1 && days_of(year, month, 1) > day)
        month--;
    snprintf(out, 32, "%04d-%02d-%02dT%02d:%02d:%02d", (int)year, month,
             (int)(day - days_of(year, month, 1)) + 1, (int)(rest / 3600), (int)(rest / 60 % 60),
             (int)(rest % 60));
}

static void write_time(struct facts *f, json_t *o, const char *prefix, const struct fact_time *t)
{
    char key[32], local[32];
    int r;

    snprintf(key, sizeof key, "%s%s", prefix, t->is_local ? "local" : "usec");
    format_local(t->usec, local);
    r = t->is_local ? json_set_string(o, key, local) : json_set_integer(o, key, t->usec);
    snprintf(key, sizeof key, "%ssource", prefix);
    r |= json_set_string(o, key, t->source);
    snprintf(key, sizeof key, "%scertainty", prefix);
    r |= json_set_string(o, key, certainty_name(t->certainty));
    f->failed |= r < 0;
}

static bool is_better(const struct fact_time *a, const struct fact_time *b)
{
    bool da = a->certainty == DOUBTFUL, db = b->certainty == DOUBTFUL;

    return da != db ? db : a->rank < b->rank;
}

void facts_write_times(struct facts *f)
{
    const struct fact_time *best = f->times;
    json_t *list;

    if (f->n_times == 0)
        return;
    for (size_t i = 1; i < f->n_times; i++)
        if (is_better(&f->times[i], best))
            best = &f->times[i];
    write_time(f, f->media, "started_", best);
    if (f->n_times == 1)
        return;
    list = json_array();
    for (size_t i = 0; list && i < f->n_times; i++) {
        json_t *o = json_object();

        if (json_array_append_new(list, o) < 0)
            f->failed = true;
        else
            write_time(f, o, "", &f->times[i]);
    }
    f->failed |= json_set_take(f->media, "times", list) < 0;
}

/* A signed number with up to 7 decimals, as value × 10⁷, and how many digits stood before the point. */
static bool read_decimal(const char **p, int64_t *ret_e7, int *ret_digits)
{
    int64_t v = 0, unit = 1000000;
    bool minus = **p == '-';
    int n = 0;

    if (**p != '+' && **p != '-')
        return false;
    (*p)++;
    for (; **p >= '0' && **p <= '9' && n < 10; (*p)++, n++)
        v = v * 10 + (**p - '0');
    v *= 10000000;
    if (skip_one_of(p, ".,"))
        for (; **p >= '0' && **p <= '9'; (*p)++, unit /= 10)
            v += (**p - '0') * unit;
    *ret_e7 = minus ? -v : v;
    *ret_digits = n;
    return n > 0;
}

/* DDD.ddd, DDDMM.mmm or DDDMMSS.sss (ISO 6709 annex H) to degrees × 10⁷. */
static int64_t degrees_of(int64_t e7, int excess)
{
    const int64_t one = 10000000;
    int64_t sign = e7 < 0 ? -1 : 1, v = e7 * sign;

    if (excess == 2)
        v = v / (100 * one) * one + v % (100 * one) / 60;
    else if (excess == 4)
        v = v / (10000 * one) * one + v % (10000 * one) / (100 * one) * one / 60 + v % (100 * one) / 3600;
    return v * sign;
}

void facts_gps_iso6709(struct facts *f, const char *text)
{
    int64_t lat, lon, alt, alt_mm;
    int dlat, dlon, dalt;
    const char *p = text;

    if (!read_decimal(&p, &lat, &dlat) || !read_decimal(&p, &lon, &dlon))
        return;
    if (read_decimal(&p, &alt, &dalt) && dalt < 7) {
        alt_mm = alt / 10000;
        facts_gps(f, degrees_of(lat, dlat - 2), degrees_of(lon, dlon - 3), &alt_mm);
    } else
        facts_gps(f, degrees_of(lat, dlat - 2), degrees_of(lon, dlon - 3), NULL);
}
