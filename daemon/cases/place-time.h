/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times as cameras write them into names. Pure.
 */
#ifndef LIUHEN_CASES_PLACE_TIME_H
#define LIUHEN_CASES_PLACE_TIME_H

#include "base/calendar.h"
#include "cases/place-rule.h"

/* The start and the end that the groups of a match say, µs UTC; INT64_MIN = none. Return: 0, or -EINVAL when a group stands for a
 * time but is none (*ret_what is its name); what could be read is given all the same. */
int place_time_read(const struct place_match *m, const struct zone *zone, int64_t *ret_start,
                    int64_t *ret_end, const char **ret_what);

#endif
