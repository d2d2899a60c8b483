/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Covers regions of pictures so that what was there cannot be had back. Works on upright YUV 4:2:0 pictures with even sides, in place, just
 * before they are encoded: nothing that is covered ever reaches the encoder.
 */
#ifndef LIUHEN_MEDIA_WORKER_COVER_H
#define LIUHEN_MEDIA_WORKER_COVER_H

#include <libavutil/frame.h>

#include "media/redaction.h"

#define CELLS_MOST 12 /* across the longer side of a region */

/* The few colours that are all that is known of a blurred region. */
struct cells {
    int across, down;
    int64_t made_usec;
    uint8_t colours[3][CELLS_MOST * CELLS_MOST];
};

struct cover {
    const struct redaction *plan; /* borrowed */
    int width, height;
    struct row *rows;
    struct cells *cells; /* of each region, then of each whole stretch */
    AVFrame *open;       /* what is kept open, while the rest of a picture is blurred */
    uint64_t random;
};

/* Return: 0 or -ENOMEM. */
int cover_init(struct cover *c, const struct redaction *plan, int width, int height);
void cover_done(struct cover *c);

/* Whether anything has to be covered between two instants. */
bool cover_is_due(const struct redaction *plan, int64_t from_usec, int64_t until_usec);
/* Covers a picture that is on the screen from one instant until another. Return: whether anything was covered. */
bool cover_picture(struct cover *c, AVFrame *frame, int64_t from_usec, int64_t until_usec);
/* All of it black. */
void cover_black(AVFrame *frame);

#endif
