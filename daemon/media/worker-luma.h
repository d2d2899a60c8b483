/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The brightness of a decoded picture, whatever its pixel format: 8 bit, full range.
 */
#ifndef LIUHEN_MEDIA_WORKER_LUMA_H
#define LIUHEN_MEDIA_WORKER_LUMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavutil/frame.h>

/* Whether its brightness can be read: not of palettes, hardware surfaces, floats and bitstreams. */
bool luma_is_readable(const AVFrame *frame);

/* Copies every step-th point of every step-th row; out has luma_width × luma_height bytes. The frame must be readable. */
static inline int luma_width(const AVFrame *frame, int step)
{
    return frame->width / step;
}
static inline int luma_height(const AVFrame *frame, int step)
{
    return frame->height / step;
}
void luma_copy(const AVFrame *frame, int step, uint8_t *out);

/* How many per mille of a grid of points are darker than 10 % of white. */
unsigned luma_dark_permille(const AVFrame *frame);

#endif
