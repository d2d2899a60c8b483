/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A feed of short texts (JSON lines) from many writers to many readers, for `liuhen watch`. The last FEED_KEEP lines are
 * kept; a slow reader misses older ones and is told how many, a writer never waits.
 */
#ifndef LIUHEN_BASE_FEED_H
#define LIUHEN_BASE_FEED_H

#include "base/json.h"

#define FEED_KEEP 1024

struct feed;

int feed_new(struct feed **ret); /* 0 or -ENOMEM */
struct feed *feed_free(struct feed *f);
DEFINE_CLEANUP(struct feed *, feed_free)

/* Adds an object as one line; takes it. Failures (memory) lose the line only. NULL feed: dropped. */
void feed_add(struct feed *f, json_t *line);

/* The number the next line will have; start reading here for "from now on". */
uint64_t feed_position(struct feed *f);

/* Waits up to timeout_usec for line *position; gives a copy (caller frees), moves *position behind it and sets *ret_missed to how
 * many lines were skipped. Return: 1 a line, 0 none in time, -EPIPE after feed_close, -ENOMEM. */
int feed_next(struct feed *f, uint64_t *position, int64_t timeout_usec, char **ret_line,
              uint64_t *ret_missed);

/* Wakes all readers for good. */
void feed_close(struct feed *f);

#endif
