/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Encoding by hardware (see worker-hardware.h): constant quality, no pictures that refer to later ones, so that what all devices have in
 * common is enough. A picture is copied into the device's memory as NV12, the one form that all take.
 */
#include <errno.h>
#include <string.h>

#include <libavutil/opt.h>

#include "media/worker-hardware-device.h"
#include "media/worker-hardware.h"

#define SURFACES 20 /* those that the encoder holds, and the one in hand; QSV wants to know beforehand */

const AVCodec *hardware_encoder(void)
{
    const struct hardware_device *d = hardware_device();

    return d && d->may_encode ? avcodec_find_encoder_by_name(d->kind->encoder) : NULL;
}

static int add_frames(AVCodecContext *c, const struct hardware_device *d)
{
    AVHWFramesContext *f;

    c->hw_frames_ctx = av_hwframe_ctx_alloc(d->context);
    if (!c->hw_frames_ctx)
        return AVERROR(ENOMEM);
    f = (AVHWFramesContext *)c->hw_frames_ctx->data;
    f->format = d->kind->surface;
    f->sw_format = AV_PIX_FMT_NV12;
    f->width = c->width;
    f->height = c->height;
    f->initial_pool_size = SURFACES;
    return av_hwframe_ctx_init(c->hw_frames_ctx);
}

static int set_options(AVCodecContext *c, const struct hardware_device *d, int quality)
{
    int r = 0;

    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(d->kind->options) && d->kind->options[i].key; i++)
        r = av_opt_set(c->priv_data, d->kind->options[i].key, d->kind->options[i].value, 0);
    if (r >= 0 && d->kind->quality)
        r = av_opt_set_int(c->priv_data, d->kind->quality, MAX(quality, 1), 0);
    if (!d->kind->quality) {
        c->flags |= AV_CODEC_FLAG_QSCALE;
        c->global_quality = MAX(quality, 1) * FF_QP2LAMBDA;
    }
    return r;
}

int hardware_encoder_open(AVCodecContext *encoder, int quality)
{
    const struct hardware_device *d = hardware_device();
    int r;

    encoder->pix_fmt = d->kind->surface;
    encoder->max_b_frames = 0;
    r = add_frames(encoder, d);
    if (r >= 0)
        r = set_options(encoder, d, quality);
    if (r >= 0)
        r = avcodec_open2(encoder, NULL, NULL);
    if (r >= 0 && (encoder->flags & AV_CODEC_FLAG_GLOBAL_HEADER) && encoder->extradata_size == 0)
        r = AVERROR_EXTERNAL; /* an MP4 needs its headers before the first picture */
    return hardware_errno(r);
}

static void copy_plane(uint8_t *to, ptrdiff_t to_step, const uint8_t *from, ptrdiff_t from_step, int width,
                       int height)
{
    for (int y = 0; y < height; y++)
        memcpy(to + y * to_step, from + y * from_step, (size_t)width);
}

static void weave(uint8_t *to, ptrdiff_t to_step, const AVFrame *from, int width, int height)
{
    for (int y = 0; y < height; y++) {
        const uint8_t *u = from->data[1] + y * (ptrdiff_t)from->linesize[1],
                      *v = from->data[2] + y * (ptrdiff_t)from->linesize[2];
        uint8_t *row = to + y * to_step;

        for (int x = 0; x < width; x++) {
            row[2 * x] = u[x];
            row[2 * x + 1] = v[x];
        }
    }
}

/* A frame in our memory as the device takes it. */
static AVFrame *to_nv12(const AVFrame *from)
{
    AVFrame *f = av_frame_alloc();

    if (!f)
        return NULL;
    f->format = AV_PIX_FMT_NV12;
    f->width = from->width;
    f->height = from->height;
    if (av_frame_get_buffer(f, 0) < 0) {
        av_frame_free(&f);
        return NULL;
    }
    copy_plane(f->data[0], f->linesize[0], from->data[0], from->linesize[0], from->width, from->height);
    weave(f->data[1], f->linesize[1], from, (from->width + 1) / 2, (from->height + 1) / 2);
    return f;
}

int hardware_encode(AVCodecContext *encoder, const AVFrame *picture)
{
    AVFrame *here = NULL, *there = NULL;
    int r = 0;

    if (picture) {
        here = to_nv12(picture);
        there = av_frame_alloc();
        r = here && there ? av_hwframe_get_buffer(encoder->hw_frames_ctx, there, 0) : AVERROR(ENOMEM);
        if (r >= 0)
            r = av_hwframe_transfer_data(there, here, 0);
        if (r >= 0)
            r = av_frame_copy_props(there, picture);
    }
    if (r >= 0)
        r = avcodec_send_frame(encoder, there);
    av_frame_free(&here);
    av_frame_free(&there);
    return hardware_errno(r);
}
