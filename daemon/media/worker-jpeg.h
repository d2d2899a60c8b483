/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * A picture (8 bit YUV 4:2:0, full range) as a JPEG file of the plan, whole or not at all.
 */
#ifndef LIUHEN_MEDIA_WORKER_JPEG_H
#define LIUHEN_MEDIA_WORKER_JPEG_H

#include <libavutil/frame.h>

#include "media/worker-pass.h"

#define JPEG_SIDE_MAX 65535

/* Writes, says say_output, and notes how, width and height in the answer. Return: 0, -EINVAL (too large for JPEG), -ENOMEM, -ENOSPC, … */
int jpeg_write(const struct pass *p, const char *name, const AVFrame *picture);

/* The same for any bytes; how "made". */
int file_write(const struct pass *p, const char *name, const void *data, size_t size);

#endif
