/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pure parts of the cadence (worker-cadence.c), for its tests.
 */
#ifndef LIUHEN_MEDIA_WORKER_CADENCE_H
#define LIUHEN_MEDIA_WORKER_CADENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether any of the transport packets (step bytes apart, the sync byte first) announces a discontinuity. */
bool cadence_announced(const uint8_t *data, size_t size, size_t step);

/* The rate of steps intervals that last usec together: one of the usual ones where it is as near as ticks allow, else in thousandths. */
void cadence_rate(uint64_t steps, int64_t usec, int64_t tick_usec, int64_t *ret_num, int64_t *ret_den);

#endif
