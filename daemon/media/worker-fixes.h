/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Readers of positions as cameras keep them: pure functions over bytes of the recording, bounded by those bytes. Each calls
 * on_fix for every position with a fix, in the order of the data; at_usec: how long after the beginning of the data it was taken, as far
 * as that can be told.
 */
#ifndef LIUHEN_MEDIA_WORKER_FIXES_H
#define LIUHEN_MEDIA_WORKER_FIXES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/gpx.h"

typedef void (*on_fix)(void *userdata, const struct gpx_point *point, int64_t at_usec);

/* One GPMF payload (GoPro; worker-gpmf.c). length_usec: how much footage it stands for. */
void fixes_gpmf(const uint8_t *data, size_t size, int64_t length_usec, on_fix on, void *userdata);

/* The first text (type c) with this key in a GPMF payload, whatever it is nested in. Return: whether there is one, not empty. */
bool gpmf_text(const uint8_t *data, size_t size, const char *key, char *out, size_t out_size);

/* Text with NMEA 0183 sentences RMC and GGA in it, whatever stands around them (worker-nmea.c). day_usec: midnight of the last RMC, kept
 * between calls; 0 = none yet. A sentence whose checksum is wrong is passed over. */
void fixes_nmea(const char *text, size_t size, int64_t *day_usec, on_fix on, void *userdata);

/* One packet of Google's camera motion track (worker-fixes.c). */
void fixes_camm(const uint8_t *data, size_t size, on_fix on, void *userdata);
/* One packet of a QuickTime timed metadata track ("mebx"): the values that are ISO 6709 texts. */
void fixes_mebx(const uint8_t *data, size_t size, on_fix on, void *userdata);
/* A block of Novatek recorders, MP4 or transport stream: clock, hemispheres, DDMM.mmmm. And of LIGO ones: text. */
void fixes_novatek(const uint8_t *data, size_t size, on_fix on, void *userdata);
void fixes_ligo(const uint8_t *data, size_t size, on_fix on, void *userdata);
/* The table of 70mai recorders ("GPS " box): one row a second. */
void fixes_70mai(const uint8_t *data, size_t size, on_fix on, void *userdata);
/* An ISO 6709 text that fills the bytes. Return: whether it is one. */
bool fixes_iso6709(const char *text, size_t size, struct gpx_point *ret);

/* DDDMM.mmmm × 10⁷ to degrees × 10⁷. */
int64_t fixes_degrees_e7(int64_t ddmm_e7);
/* µs UTC of a date and time; INT64_MIN when there is no such. */
int64_t fixes_time(int year, int month, int day, int hour, int minute, int second, int usec);

#endif
