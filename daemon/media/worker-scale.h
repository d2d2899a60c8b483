/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pictures as decoded → upright pictures of a wanted size in 8 bit YUV 4:2:0: pixel shape, colour matrix and range, depth, interlacing and
 * rotation seen to. What comes in may change from picture to picture; what comes out never does.
 */
#ifndef LIUHEN_MEDIA_WORKER_SCALE_H
#define LIUHEN_MEDIA_WORKER_SCALE_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavutil/frame.h>

struct SwsContext;

struct scale_want {
    int width, height;        /* upright, even */
    AVRational sar;           /* shape of the pixels; num 0: square */
    int rotation;             /* clockwise, that brings the picture upright */
    bool full_range;          /* JPEG; else as television has it */
    enum AVColorSpace matrix; /* of what comes out: AVCOL_SPC_BT709 or AVCOL_SPC_SMPTE170M */
    int flags;                /* SWS_… */
};

struct scaler {
    struct scale_want want;
    struct SwsContext *sws;
    AVFrame *lying; /* scaled, not yet turned */
    AVFrame *upright;
};

/* Return: 0, -ENOMEM, -EINVAL. */
int scaler_init(struct scaler *s, const struct scale_want *want);
void scaler_done(struct scaler *s);
/* *ret is borrowed until the next call, and may be written to or referenced: a frame that is still referenced is not written again.
 * Return: 0, -ENOTSUP (a form of pixels that cannot be converted), -ENOMEM. */
int scaler_picture(struct scaler *s, const AVFrame *in, AVFrame **ret);

/* The size a picture has to people: upright, with square pixels. sar: of the stream, used where the picture says nothing (num 0). */
void scale_display_size(int width, int height, AVRational sar, int rotation, int64_t *ret_width,
                        int64_t *ret_height);
/* The largest even size of that shape whose shorter side is at most limit, and whose longer is at most twice that; never larger than it is. */
void scale_fit(int64_t width, int64_t height, int limit, int *ret_width, int *ret_height);
/* The same with the width at most limit, and the height at most limit too. */
void scale_fit_width(int64_t width, int64_t height, int limit, int *ret_width, int *ret_height);
enum AVColorSpace scale_matrix(enum AVColorSpace said, int height);

#endif
