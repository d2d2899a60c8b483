/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Clocks. Code that needs the wall clock asks here, so that tests (INJECT builds: LIUHEN_CLOCK_OFFSET_SEC) can move it.
 */
#ifndef LIUHEN_BASE_CLOCK_H
#define LIUHEN_BASE_CLOCK_H

#include "base/macro.h"

int64_t clock_now_usec(void);       /* wall clock, µs since 1970-01-01 UTC */
int64_t clock_monotonic_usec(void); /* never jumps */

#endif
