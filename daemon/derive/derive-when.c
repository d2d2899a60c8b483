/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether it is the time to work on what nobody is waiting for: hours of the day, and the machine's load.
 */
#include <string.h>
#include <unistd.h>

#include "base/calendar.h"
#include "derive/derive-internal.h"

#define LOOK_AGAIN_USEC (10 * USEC_PER_SEC)

bool derive_hour_is_right(const char *hours, int minute)
{
    int from, to;

    if (!*hours || settings_hours_parse(hours, &from, &to) < 0)
        return true;
    return from < to ? minute >= from && minute < to : minute >= from || minute < to;
}

/* In percent of all processors; 0 when it is not known. */
static long load_percent(void)
{
    double load;
    long processors = sysconf(_SC_NPROCESSORS_ONLN);

    return getloadavg(&load, 1) == 1 && processors > 0 ? (long)(load * 100 / (double)processors) : 0;
}

void derive_pause_reason(const struct settings *s, int64_t now_usec, char *out, size_t size,
                         int64_t *ret_usec)
{
    struct civil now;
    long load = s->media.derive.load_percent ? load_percent() : 0;

    civil_from_usec(s->site.zone, now_usec, &now);
    *ret_usec = INT64_MAX;
    *out = 0;
    if (!derive_hour_is_right(s->media.derive.hours, now.hour * 60 + now.minute)) {
        snprintf(out, size, "it is not the time (media.derive.hours is %s)", s->media.derive.hours);
        *ret_usec = now_usec + (60 - now.second) * USEC_PER_SEC; /* the next minute */
    } else if (s->media.derive.load_percent && load > s->media.derive.load_percent) {
        snprintf(out, size, "the machine is busy (load %ld %%, media.derive.load is %lld %%)", load,
                 (long long)s->media.derive.load_percent);
        *ret_usec = now_usec + LOOK_AGAIN_USEC;
    }
}
