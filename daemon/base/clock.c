/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clocks (see clock.h).
 */
#include "base/clock.h"

#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * USEC_PER_SEC + ts.tv_nsec / NSEC_PER_USEC;
}

#ifdef LIUHEN_INJECT
static int64_t offset_usec(void)
{
    const char *s = getenv("LIUHEN_CLOCK_OFFSET_SEC");

    return s ? strtoll(s, NULL, 10) * USEC_PER_SEC : 0;
}
#else
#define offset_usec() 0
#endif

int64_t clock_now_usec(void)
{
    return read_clock(CLOCK_REALTIME) + offset_usec();
}

int64_t clock_monotonic_usec(void)
{
    return read_clock(CLOCK_MONOTONIC);
}
