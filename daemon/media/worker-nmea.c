/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * NMEA 0183 as dashcams and body cameras write it into subtitles: $xxRMC (with date, UTC) and $xxGGA (with height, time of day only; the
 * date is that of the last RMC). A checksum is compared where there is one.
 */
#include "media/worker-fixes.h"

#include <stdlib.h>
#include <string.h>

#include "base/macro.h"

#define SENTENCE_MAX 120 /* the standard says 82; some receivers give more decimals */
#define FIELDS_MAX   20

struct sentence {
    const char *field[FIELDS_MAX];
    size_t length[FIELDS_MAX], n;
};

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

/* From behind the '$'. Return: its length up to '*' or the end, or 0: none, or damaged. */
static size_t sentence_length(const char *p, size_t size)
{
    unsigned char sum = 0;
    size_t n = 0;

    while (n < size && n < SENTENCE_MAX && p[n] >= 0x20 && p[n] < 0x7F && p[n] != '*' && p[n] != '$' &&
           p[n] != '<')
        sum ^= (unsigned char)p[n++];
    if (n == SENTENCE_MAX || n < 6)
        return 0;
    if (n < size && p[n] == '*') {
        if (size - n < 3 || hex_of(p[n + 1]) < 0 || hex_of(p[n + 2]) < 0 ||
            hex_of(p[n + 1]) * 16 + hex_of(p[n + 2]) != sum)
            return 0;
    }
    return n;
}

static void split(const char *p, size_t size, struct sentence *s)
{
    size_t from = 0;

    s->n = 0;
    for (size_t i = 0; i <= size && s->n < FIELDS_MAX; i++)
        if (i == size || p[i] == ',') {
            s->field[s->n] = p + from;
            s->length[s->n++] = i - from;
            from = i + 1;
        }
}

/* A number without sign, × 10⁷; -1: none. */
static int64_t number_e7(const struct sentence *s, size_t field)
{
    int64_t v = 0, unit = 1000000;
    size_t i = 0, n = field < s->n ? s->length[field] : 0, whole = 0;
    const char *p = n ? s->field[field] : NULL;

    for (; i < n && p[i] >= '0' && p[i] <= '9' && whole < 7; i++, whole++)
        v = v * 10 + p[i] - '0';
    v *= 10000000;
    if (whole == 0)
        return -1;
    if (i < n && p[i] == '.')
        for (i++; i < n && p[i] >= '0' && p[i] <= '9'; i++, unit /= 10)
            v += (p[i] - '0') * unit;
    return i == n ? v : -1;
}

static bool letter_is(const struct sentence *s, size_t field, char c)
{
    return field < s->n && s->length[field] == 1 && s->field[field][0] == c;
}

/* Two digits each, as whole numbers. */
static bool read_six(const struct sentence *s, size_t field, int out[3])
{
    if (field >= s->n || s->length[field] < 6)
        return false;
    for (int i = 0; i < 6; i++)
        if (s->field[field][i] < '0' || s->field[field][i] > '9')
            return false;
    for (int i = 0; i < 3; i++)
        out[i] = (s->field[field][2 * i] - '0') * 10 + s->field[field][2 * i + 1] - '0';
    return true;
}

static bool read_position(const struct sentence *s, size_t field, struct gpx_point *ret)
{
    int64_t lat = number_e7(s, field), lon = number_e7(s, field + 2);
    bool north = letter_is(s, field + 1, 'N'), east = letter_is(s, field + 3, 'E');

    if (lat < 0 || lon < 0 || (!north && !letter_is(s, field + 1, 'S')) ||
        (!east && !letter_is(s, field + 3, 'W')))
        return false;
    ret->lat_e7 = fixes_degrees_e7(lat) * (north ? 1 : -1);
    ret->lon_e7 = fixes_degrees_e7(lon) * (east ? 1 : -1);
    return true;
}

static int64_t clock_usec(const struct sentence *s, size_t field)
{
    int64_t e7 = number_e7(s, field);
    int v[3];

    if (e7 < 0 || !read_six(s, field, v) || v[0] > 23 || v[1] > 59 || v[2] > 60)
        return -1;
    return ((v[0] * 60 + v[1]) * 60 + v[2]) * USEC_PER_SEC + e7 % 10000000 / 10;
}

/* Return: whether it is a position. */
static bool read_rmc(const struct sentence *s, int64_t *day_usec, struct gpx_point *ret)
{
    int64_t clock = clock_usec(s, 1), day;
    int date[3];

    if (!letter_is(s, 2, 'A') || !read_position(s, 3, ret))
        return false;
    if (clock < 0 || !read_six(s, 9, date))
        return true;
    day = fixes_time(date[2] + (date[2] < 80 ? 2000 : 1900), date[1], date[0], 0, 0, 0, 0);
    if (day == INT64_MIN)
        return true;
    *day_usec = day;
    ret->has_time = true;
    ret->usec = day + clock;
    return true;
}

static bool read_gga(const struct sentence *s, int64_t day_usec, struct gpx_point *ret)
{
    int64_t clock = clock_usec(s, 1);
    bool minus = s->n > 9 && s->length[9] > 1 && s->field[9][0] == '-';
    struct sentence height = *s;

    if (s->n < 10 || number_e7(s, 6) <= 0 || !read_position(s, 2, ret))
        return false;
    height.field[9] += minus;
    height.length[9] -= minus;
    ret->has_alt = number_e7(&height, 9) >= 0;
    if (ret->has_alt)
        ret->alt_mm = number_e7(&height, 9) / 10000 * (minus ? -1 : 1);
    ret->has_time = day_usec && clock >= 0;
    ret->usec = ret->has_time ? day_usec + clock : 0;
    return true;
}

void fixes_nmea(const char *text, size_t size, int64_t *day_usec, on_fix on, void *userdata)
{
    size_t at = 0;

    while (at < size) {
        const char *dollar = memchr(text + at, '$', size - at);
        struct gpx_point point = {0};
        struct sentence s;
        size_t n;

        if (!dollar)
            return;
        at = (size_t)(dollar - text) + 1;
        n = sentence_length(dollar + 1, size - at);
        if (n == 0)
            continue;
        split(dollar + 1, n, &s);
        if (s.length[0] != 5)
            continue;
        if ((memcmp(s.field[0] + 2, "RMC", 3) == 0 && read_rmc(&s, day_usec, &point)) ||
            (memcmp(s.field[0] + 2, "GGA", 3) == 0 && read_gga(&s, *day_usec, &point)))
            on(userdata, &point, 0);
    }
}
