/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * GPX 1.1 (https://www.topografix.com/GPX/1/1/), one track of one segment: the texts that trails are written with, by the media program and
 * by the daemon. Degrees are whole numbers × 10⁷ and heights millimetres, as everywhere here.
 */
#ifndef LIUHEN_BASE_GPX_H
#define LIUHEN_BASE_GPX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct gpx_point {
    int64_t lat_e7, lon_e7;
    bool has_alt, has_time;
    int64_t alt_mm;
    int64_t usec; /* UTC */
};

/* Whether latitude, longitude and, where it has them, height and time are such that GPX can say them; height and time that are not
 * are taken away. The null island is no fix. */
bool gpx_point_clean(struct gpx_point *p);

#define GPX_HEAD                                                                                             \
    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"                                                           \
    "<gpx xmlns=\"http://www.topografix.com/GPX/1/1\" version=\"1.1\" creator=\"Liuhen\">\n<trk><trkseg>\n"
#define GPX_TAIL "</trkseg></trk>\n</gpx>\n"

/* One point and a newline. Return: its length. */
#define GPX_POINT_SIZE 200
size_t gpx_point_write(const struct gpx_point *p, char out[GPX_POINT_SIZE]);

#endif
