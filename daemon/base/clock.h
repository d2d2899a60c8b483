/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clocks. Code that needs the wall clock asks here, so that tests (INJECT builds: LIUHEN_CLOCK_OFFSET_SEC) can move it.
 */
#ifndef LIUHEN_BASE_CLOCK_H
#define LIUHEN_BASE_CLOCK_H

#include "base/macro.h"

/* Wall clock, µs since 1970-01-01 UTC, but never earlier than the floor: a clock that was set back must not make anything look
 * older than it is, or it would be kept too short. */
int64_t clock_now_usec(void);

/* Raises the floor to a time that is known to have passed (the newest act's). Never lowers it. Thread-safe. */
void clock_raise_floor(int64_t usec);

/* How far the machine's clock is behind the floor, in µs; 0 when it is not. */
int64_t clock_behind_usec(void);

int64_t clock_monotonic_usec(void); /* never jumps */
int64_t clock_boottime_usec(void);  /* never jumps, and goes on while the machine sleeps */

#endif
