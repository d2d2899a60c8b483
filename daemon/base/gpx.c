/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing GPX (see gpx.h). Numbers are written digit by digit, so that no locale has a say in the decimal point.
 */
#include "base/gpx.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/macro.h"

#define ALT_LIMIT_MM INT64_C(100000000)
#define USEC_LEAST   (INT64_C(315532800) * USEC_PER_SEC)  /* 1980: before it there was no such thing */
#define USEC_LIMIT   (INT64_C(4102444800) * USEC_PER_SEC) /* 2100 */

bool gpx_point_clean(struct gpx_point *p)
{
    if (p->lat_e7 < -900000000 || p->lat_e7 > 900000000 || p->lon_e7 < -1800000000 || p->lon_e7 > 1800000000)
        return false;
    if (p->lat_e7 == 0 && p->lon_e7 == 0)
        return false;
    if (p->lon_e7 == 1800000000) /* GPX: less than 180.0 */
        p->lon_e7 = -1800000000;
    p->has_alt = p->has_alt && p->alt_mm > -ALT_LIMIT_MM / 5 && p->alt_mm < ALT_LIMIT_MM;
    p->has_time = p->has_time && p->usec >= USEC_LEAST && p->usec < USEC_LIMIT;
    return true;
}

static const char *sign_of(int64_t v)
{
    return v < 0 ? "-" : "";
}

size_t gpx_point_write(const struct gpx_point *p, char out[GPX_POINT_SIZE])
{
    int64_t lat = llabs(p->lat_e7), lon = llabs(p->lon_e7), alt = llabs(p->alt_mm);
    size_t n = (size_t)snprintf(
        out, GPX_POINT_SIZE,
        "<trkpt lat=\"%s%" PRId64 ".%07" PRId64 "\" lon=\"%s%" PRId64 ".%07" PRId64 "\">", sign_of(p->lat_e7),
        lat / 10000000, lat % 10000000, sign_of(p->lon_e7), lon / 10000000, lon % 10000000);

    if (p->has_alt)
        n += (size_t)snprintf(out + n, GPX_POINT_SIZE - n, "<ele>%s%" PRId64 ".%03" PRId64 "</ele>",
                              sign_of(p->alt_mm), alt / 1000, alt % 1000);
    if (p->has_time) {
        time_t sec = (time_t)(p->usec / USEC_PER_SEC);
        char text[32];
        struct tm tm;

        strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", gmtime_r(&sec, &tm));
        n += (size_t)snprintf(out + n, GPX_POINT_SIZE - n, "<time>%s.%03dZ</time>", text,
                              (int)(p->usec % USEC_PER_SEC / 1000));
    }
    n += (size_t)snprintf(out + n, GPX_POINT_SIZE - n, "</trkpt>\n");
    return n;
}
