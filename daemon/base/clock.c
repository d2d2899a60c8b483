/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clocks (see clock.h).
 */
#include "base/clock.h"

#include <stdatomic.h>
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

static _Atomic int64_t floor_usec;

int64_t clock_now_usec(void)
{
    int64_t now = read_clock(CLOCK_REALTIME) + offset_usec(), least = atomic_load(&floor_usec);

    return MAX(now, least);
}

void clock_raise_floor(int64_t usec)
{
    int64_t was = atomic_load(&floor_usec);

    while (usec > was && !atomic_compare_exchange_weak(&floor_usec, &was, usec))
        ;
}

int64_t clock_behind_usec(void)
{
    int64_t behind = atomic_load(&floor_usec) - (read_clock(CLOCK_REALTIME) + offset_usec());

    return MAX(behind, 0);
}

int64_t clock_monotonic_usec(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t clock_boottime_usec(void)
{
    return read_clock(CLOCK_BOOTTIME);
}
