/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Calendar time in named zones (IANA tz database), over GLib. Instants are int64_t µs since 1970-01-01 UTC. Nothing here
 * reads the clock or the environment.
 */
#ifndef LIUHEN_BASE_CALENDAR_H
#define LIUHEN_BASE_CALENDAR_H

#include <stdbool.h>

#include "base/macro.h"

struct zone; /* immutable, safe to share between threads */

/* name: an IANA name ("Asia/Shanghai") or "UTC". Return: 0, -EINVAL (unknown zone), -ENOMEM. */
int zone_new(const char *name, struct zone **ret);
struct zone *zone_free(struct zone *z);
DEFINE_CLEANUP(struct zone *, zone_free)
const char *zone_name(const struct zone *z);

struct civil {
    int year, month, day; /* 1-12, 1-31 */
    int hour, minute;
    int second;
    int usec;
};

/* Wall-clock fields of an instant in a zone (years 1–9999; outside them the value is clamped). */
void civil_from_usec(const struct zone *z, int64_t usec, struct civil *ret);

/* The instant of wall-clock fields in a zone; a time skipped or doubled by a zone change gives the later instant.
 * Return: 0 or -EINVAL (no such date or time). */
int civil_to_usec(const struct zone *z, const struct civil *c, int64_t *ret);

/* Adds calendar months (31 January + 1 month = the last of February), keeping the wall-clock time; the result is the LATER
 * instant where ambiguous, so that keeping is never cut short. INT64_MAX where it would pass the year 9999. */
int64_t calendar_add_months(const struct zone *z, int64_t usec, int months);
int64_t calendar_add_days(const struct zone *z, int64_t usec, int days);

/* The first instant of the day after usec's day in the zone: "rounded up" in favour of keeping. */
int64_t calendar_next_midnight(const struct zone *z, int64_t usec);

/* Minutes east of UTC at the instant. */
int calendar_offset_minutes(const struct zone *z, int64_t usec);

#define CALENDAR_TEXT_SIZE 40
/* "2026-11-23 19:05:07 +08:00" in the zone. */
void calendar_format(const struct zone *z, int64_t usec, char out[CALENDAR_TEXT_SIZE]);
/* "2026-11-23" in the zone. */
void calendar_format_date(const struct zone *z, int64_t usec, char out[CALENDAR_TEXT_SIZE]);
/* "2026-11-23T11:05:07.123456Z" (RFC 3339). */
void calendar_format_utc(int64_t usec, char out[CALENDAR_TEXT_SIZE]);

/* RFC 3339 with an offset or Z, or "YYYY-MM-DD[ T]HH:MM[:SS[.frac]]" / "YYYY-MM-DD" in zone z (date alone: 00:00; z may be NULL =
 * UTC). *ret_has_offset (may be NULL) says whether the text carried its own offset. Return: 0 or -EINVAL. */
int calendar_parse(const struct zone *z, const char *text, int64_t *ret, bool *ret_has_offset);

/* Durations as people write them in policies and settings: "2 s", "500 ms", "10 min", "24 h", "14 days", "3 weeks" → µs.
 * Return: 0 or -EINVAL. */
int duration_parse(const char *text, int64_t *ret_usec);

/* Calendar spans: "6 months", "10 years", "1 month" → months. Return: 0 or -EINVAL. */
int months_parse(const char *text, int *ret_months);

#endif
