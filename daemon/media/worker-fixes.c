/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The smaller readers of positions (see worker-fixes.h). Sources: "Camera Motion Metadata Spec" of Google Street View (camm); QuickTime
 * File Format, "Timed metadata" (mebx); what Sergei Franco, Phil Harvey (ExifTool) and others have published about dashcams, and the
 * files themselves. Clocks of dashcams are of no known zone, so their points carry no time.
 */
#include "media/worker-fixes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/macro.h"
#include "media/worker-input.h"

#define GPS_EPOCH_SEC  INT64_C(315964800) /* 1980-01-06 */
#define GPS_LEAP_SEC   18                 /* since 2017 */
#define ITEMS_MAX      64
#define ROW_70MAI      36
#define NOVATEK_LENGTH 32

int64_t fixes_degrees_e7(int64_t ddmm_e7)
{
    const int64_t hundred = INT64_C(1000000000);

    return ddmm_e7 / hundred * 10000000 + ddmm_e7 % hundred / 60;
}

int64_t fixes_time(int year, int month, int day, int hour, int minute, int second, int usec)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    int64_t y = year, days;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

    if (year < 1970 || year > 2200 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
        hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60 || usec < 0 ||
        usec >= (int)USEC_PER_SEC)
        return INT64_MIN;
    days = (y - 1970) * 365 + (y - 1969) / 4 - (y - 1901) / 100 + (y - 1601) / 400 + before[month - 1] + day -
           1 + (leap && month > 2);
    return ((days * 24 + hour) * 60 + minute) * 60 * USEC_PER_SEC + second * USEC_PER_SEC + usec;
}

static double double_at(const uint8_t *p)
{
    uint64_t bits = (uint64_t)le32_at(p + 4) << 32 | le32_at(p);
    double v;

    memcpy(&v, &bits, sizeof v);
    return v;
}

static double float_at(const uint8_t *p)
{
    uint32_t bits = le32_at(p);
    float v;

    memcpy(&v, &bits, sizeof v);
    return (double)v;
}

/* v × unit, rounded; INT64_MIN when it is no number of sensible size. */
static int64_t whole(double v, double unit)
{
    return v > -1e9 && v < 1e9 ? (int64_t)(v * unit + (v < 0 ? -0.5 : 0.5)) : INT64_MIN;
}

static void give(const struct gpx_point *p, int64_t at_usec, on_fix on, void *userdata)
{
    if (p->lat_e7 != INT64_MIN && p->lon_e7 != INT64_MIN)
        on(userdata, p, at_usec);
}

void fixes_camm(const uint8_t *data, size_t size, on_fix on, void *userdata)
{
    unsigned type = size >= 4 ? (unsigned)data[2] | (unsigned)data[3] << 8 : 0;
    struct gpx_point p = {.has_alt = true};

    if (type == 5 && size >= 28) {
        p.lat_e7 = whole(double_at(data + 4), 1e7);
        p.lon_e7 = whole(double_at(data + 12), 1e7);
        p.alt_mm = whole(double_at(data + 20), 1e3);
        give(&p, 0, on, userdata);
    } else if (type == 6 && size >= 36 && le32_at(data + 12) >= 2) {
        double sec = double_at(data + 4);

        p.lat_e7 = whole(double_at(data + 16), 1e7);
        p.lon_e7 = whole(double_at(data + 24), 1e7);
        p.alt_mm = whole(float_at(data + 32), 1e3);
        p.has_time = sec > 0 && sec < 4e9;
        if (p.has_time)
            p.usec = (int64_t)(sec * 1e6) + (GPS_EPOCH_SEC - GPS_LEAP_SEC) * USEC_PER_SEC;
        give(&p, 0, on, userdata);
    }
}

/* A signed decimal. Return: its length, 0 = none; *ret_digits: how many stand before the point. */
static size_t decimal_e7(const char *p, size_t size, int64_t *ret, unsigned *ret_digits)
{
    int64_t v = 0, unit = 1000000;
    size_t i = 1;

    *ret_digits = 0;
    if (size < 2 || (p[0] != '+' && p[0] != '-'))
        return 0;
    for (; i < size && p[i] >= '0' && p[i] <= '9' && *ret_digits < 7; i++, (*ret_digits)++)
        v = v * 10 + p[i] - '0';
    v *= 10000000;
    if (i < size && p[i] == '.')
        for (i++; i < size && p[i] >= '0' && p[i] <= '9'; i++, unit /= 10)
            v += (p[i] - '0') * unit;
    *ret = p[0] == '-' ? -v : v;
    return *ret_digits ? i : 0;
}

bool fixes_iso6709(const char *text, size_t size, struct gpx_point *ret)
{
    struct gpx_point p = {0};
    unsigned digits;
    size_t n = decimal_e7(text, size, &p.lat_e7, &digits), m;

    if (n == 0 || digits != 2)
        return false;
    m = decimal_e7(text + n, size - n, &p.lon_e7, &digits);
    if (m == 0 || digits != 3)
        return false;
    n += m;
    m = decimal_e7(text + n, size - n, &p.alt_mm, &digits);
    p.has_alt = m > 0;
    p.alt_mm /= 10000;
    n += m;
    if (n >= size || text[n] != '/')
        return false;
    *ret = p;
    return true;
}

void fixes_mebx(const uint8_t *data, size_t size, on_fix on, void *userdata)
{
    size_t at = 0;

    for (int i = 0; i < ITEMS_MAX && size - at >= 8; i++) {
        size_t length = be32_at(data + at);
        struct gpx_point p;

        if (length < 8 || length > size - at)
            return;
        if (fixes_iso6709((const char *)data + at + 8, length - 8, &p))
            give(&p, 0, on, userdata);
        at += length;
    }
}

/* hour minute second year month day (u32 each), 'A' N|S E|W, one byte, latitude longitude speed bearing (float each). */
static bool novatek_at(const uint8_t *p, size_t size, struct gpx_point *ret)
{
    double lat, lon;

    if (size < 24 + 4 + 8 || p[24] != 'A' || (p[25] != 'N' && p[25] != 'S') || (p[26] != 'E' && p[26] != 'W'))
        return false;
    if (le32_at(p) > 23 || le32_at(p + 4) > 59 || le32_at(p + 8) > 60 || le32_at(p + 16) > 12 ||
        le32_at(p + 20) > 31)
        return false;
    lat = float_at(p + 28);
    lon = float_at(p + 32);
    if (!(lat >= 0 && lat <= 9000 && lon >= 0 && lon <= 18000))
        return false;
    *ret = (struct gpx_point){.lat_e7 = fixes_degrees_e7(whole(lat, 1e7)) * (p[25] == 'N' ? 1 : -1),
                              .lon_e7 = fixes_degrees_e7(whole(lon, 1e7)) * (p[26] == 'E' ? 1 : -1)};
    return true;
}

/* The clock stands at another place from model to model, never far from the beginning. */
void fixes_novatek(const uint8_t *data, size_t size, on_fix on, void *userdata)
{
    struct gpx_point p;

    for (size_t at = 0; at < 64 && at < size; at += 4)
        if (novatek_at(data + at, size - at, &p)) {
            give(&p, 0, on, userdata);
            return;
        }
}

/* "N:00.000000 W:0.000000": latitude and longitude in degrees. */
void fixes_ligo(const uint8_t *data, size_t size, on_fix on, void *userdata)
{
    char text[400];
    size_t n = 0;
    int lat_whole, lon_whole;
    char lat_part[8], lon_part[8], ns, ew;

    if (size < 16 || memcmp(data, "LIGOGPSINFO", 11) != 0)
        return;
    for (size_t i = 16; i < size && n + 1 < sizeof text; i++)
        if (data[i] >= 0x20 && data[i] < 0x7F)
            text[n++] = (char)data[i];
    text[n] = 0;
    for (const char *p = text; (p = strchr(p, ' ')); p++)
        if (sscanf(p, " %c:%3d.%7[0-9] %c:%3d.%7[0-9]", &ns, &lat_whole, lat_part, &ew, &lon_whole,
                   lon_part) == 6 &&
            strchr("NS", ns) && strchr("EW", ew) && lat_whole >= 0 && lon_whole >= 0) {
            struct gpx_point fix = {.lat_e7 = lat_whole * INT64_C(10000000),
                                    .lon_e7 = lon_whole * INT64_C(10000000)};
            int64_t unit = 1000000;

            for (const char *d = lat_part; *d; d++, unit /= 10)
                fix.lat_e7 += (*d - '0') * unit;
            unit = 1000000;
            for (const char *d = lon_part; *d; d++, unit /= 10)
                fix.lon_e7 += (*d - '0') * unit;
            fix.lat_e7 *= ns == 'S' ? -1 : 1;
            fix.lon_e7 *= ew == 'W' ? -1 : 1;
            give(&fix, 0, on, userdata);
            return;
        }
}

/* Rows of 36 bytes: valid (u32), …, sequence, speed, N|S, latitude, E|W, longitude: degrees, minutes and thousandths as one u32. */
void fixes_70mai(const uint8_t *data, size_t size, on_fix on, void *userdata)
{
    for (size_t i = 0; (i + 1) * ROW_70MAI <= size; i++) {
        const uint8_t *p = data + i * ROW_70MAI;
        struct gpx_point fix;

        if (le32_at(p) != 1 || (p[16] != 'N' && p[16] != 'S') || (p[21] != 'E' && p[21] != 'W'))
            continue;
        fix = (struct gpx_point){
            .lat_e7 = fixes_degrees_e7((int64_t)le32_at(p + 17) * 10000) * (p[16] == 'N' ? 1 : -1),
            .lon_e7 = fixes_degrees_e7((int64_t)le32_at(p + 22) * 10000) * (p[21] == 'E' ? 1 : -1)};
        give(&fix, (int64_t)i * USEC_PER_SEC, on, userdata);
    }
}
