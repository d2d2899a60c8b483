/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Makes pictures smaller by averaging areas, row by row as they are decoded, in exact integers: what a picture weighs in memory is the small
 * one, however large the original. Pure: no library, no descriptor.
 */
#ifndef LIUHEN_MEDIA_WORKER_SHRINK_H
#define LIUHEN_MEDIA_WORKER_SHRINK_H

#include <stddef.h>
#include <stdint.h>

#include "base/macro.h"

#define SHRINK_SIDE_MAX 65536u /* of what is shrunk */
#define SHRINK_INTO_MAX 8192u  /* of what it becomes */

struct shrink {
    uint32_t width, height, into_width, into_height;
    unsigned channels, bits; /* bits 8: one byte a sample; 9 – 16: two, in this machine's order */
    uint32_t row;            /* rows taken so far */
    uint32_t made;           /* rows of the result that are whole */
    uint32_t *narrow;        /* the row at hand, averaged across, × 256 */
    uint64_t *sum;           /* of the rows that make one row of the result */
    uint8_t *result; /* into_width × into_height × channels bytes, without padding; untouched rows are 0 */
};

/* Return: 0, -EINVAL (larger than may be, or smaller than the result), -ENOMEM. */
int shrink_init(struct shrink *s, uint32_t width, uint32_t height, unsigned channels, unsigned bits,
                uint32_t into_width, uint32_t into_height);
void shrink_done(struct shrink *s);

/* Takes the next row, from the top; those beyond the height are passed over. */
void shrink_row(struct shrink *s, const void *row);
/* No more rows come: the one that is begun is finished with what there is of it. */
void shrink_end(struct shrink *s);

/* The size with the same shape whose longer side is at most `longest`; never larger than it was, never 0. */
void shrink_fit(uint32_t width, uint32_t height, uint32_t longest, uint32_t *ret_width, uint32_t *ret_height);

#endif
