/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Scaling and turning (see worker-scale.h). Pictures are turned after they were made small. One thread.
 */
#include "media/worker-scale.h"

#include <errno.h>
#include <string.h>

#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "base/macro.h"

#define SIDE_LEAST 16
#define SAR_MOST   8

int scaler_init(struct scaler *s, const struct scale_want *want)
{
    *s = (struct scaler){.want = *want};
    if (want->width < 2 || want->height < 2 || (want->width | want->height) & 1)
        return -EINVAL;
    s->lying = av_frame_alloc();
    s->upright = av_frame_alloc();
    return s->lying && s->upright ? 0 : -ENOMEM;
}

void scaler_done(struct scaler *s)
{
    sws_freeContext(s->sws);
    av_frame_free(&s->lying);
    av_frame_free(&s->upright);
    *s = (struct scaler){0};
}

static bool is_interlaced(const AVFrame *f)
{
#if LIBAVUTIL_VERSION_INT >= AV_VERSION_INT(58, 7, 100)
    return (f->flags & AV_FRAME_FLAG_INTERLACED) != 0;
#else
    return f->interlaced_frame;
#endif
}

void scale_display_size(int width, int height, AVRational sar, int rotation, int64_t *ret_width,
                        int64_t *ret_height)
{
    int64_t w = MAX(width, 1), h = MAX(height, 1);

    if (sar.num > 0 && sar.den > 0 && sar.num / sar.den < SAR_MOST && sar.den / sar.num < SAR_MOST)
        w = MAX(av_rescale(w, sar.num, sar.den), 1);
    *ret_width = rotation % 180 ? h : w;
    *ret_height = rotation % 180 ? w : h;
}

/* Makes (w, h) smaller by most / side where side is larger than that. */
static void shrink(int64_t *w, int64_t *h, int64_t side, int64_t most)
{
    if (side <= most)
        return;
    *w = av_rescale(*w, most, side);
    *h = av_rescale(*h, most, side);
}

static int even(int64_t v)
{
    return (int)MAX(v / 2 * 2, SIDE_LEAST);
}

void scale_fit(int64_t width, int64_t height, int limit, int *ret_width, int *ret_height)
{
    shrink(&width, &height, MIN(width, height), limit);
    shrink(&width, &height, MAX(width, height), 2 * (int64_t)limit);
    *ret_width = even(width);
    *ret_height = even(height);
}

void scale_fit_width(int64_t width, int64_t height, int limit, int *ret_width, int *ret_height)
{
    shrink(&width, &height, MAX(width, height), limit);
    *ret_width = even(width);
    *ret_height = even(height);
}

enum AVColorSpace scale_matrix(enum AVColorSpace said, int height)
{
    switch (said) {
    case AVCOL_SPC_SMPTE170M:
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_FCC:
        return AVCOL_SPC_SMPTE170M;
    case AVCOL_SPC_UNSPECIFIED:
    case AVCOL_SPC_RESERVED:
    case AVCOL_SPC_RGB:
        return height >= 720 ? AVCOL_SPC_BT709 : AVCOL_SPC_SMPTE170M; /* what players take it for */
    default:
        return AVCOL_SPC_BT709;
    }
}

static int sws_matrix(enum AVColorSpace said, int height)
{
    if (said == AVCOL_SPC_BT2020_NCL || said == AVCOL_SPC_BT2020_CL)
        return SWS_CS_BT2020;
    return scale_matrix(said, height) == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601;
}

/* The planes of f, or of its first field. */
struct source {
    const uint8_t *data[4];
    int stride[4];
    int height;
    enum AVPixelFormat format;
    bool full;
};

static void source_of(const AVFrame *f, struct source *s)
{
    bool field = is_interlaced(f) && f->height >= 64;

    s->height = field ? f->height / 2 : f->height;
    s->full = f->color_range == AVCOL_RANGE_JPEG;
    s->format = f->format;
    for (int i = 0; i < 4; i++) {
        s->data[i] = f->data[i];
        s->stride[i] = field ? f->linesize[i] * 2 : f->linesize[i];
    }
    switch (s->format) { /* the old names of full range, which swscale no longer wants to hear */
    case AV_PIX_FMT_YUVJ420P:
        s->format = AV_PIX_FMT_YUV420P;
        break;
    case AV_PIX_FMT_YUVJ422P:
        s->format = AV_PIX_FMT_YUV422P;
        break;
    case AV_PIX_FMT_YUVJ444P:
        s->format = AV_PIX_FMT_YUV444P;
        break;
    case AV_PIX_FMT_YUVJ440P:
        s->format = AV_PIX_FMT_YUV440P;
        break;
    default:
        return;
    }
    s->full = true;
}

static int frame_room(AVFrame *f, int width, int height)
{
    if (f->buf[0] && f->width == width && f->height == height && av_frame_is_writable(f))
        return 0;
    av_frame_unref(f);
    f->format = AV_PIX_FMT_YUV420P;
    f->width = width;
    f->height = height;
    return av_frame_get_buffer(f, 0) < 0 ? -ENOMEM : 0;
}

static void fill_black(const struct scaler *s, AVFrame *f)
{
    for (int i = 0; i < 3; i++)
        for (int y = 0; y < (i ? f->height / 2 : f->height); y++)
            memset(f->data[i] + (ptrdiff_t)y * f->linesize[i],
                   i                    ? 128
                   : s->want.full_range ? 0
                                        : 16,
                   (size_t)(i ? f->width / 2 : f->width));
}

/* Where in the lying picture of w × h the source goes: all of it, unless the shapes differ by more than a little. */
static void place(const struct scaler *s, const AVFrame *in, int *x, int *y, int *w, int *h)
{
    int64_t dw, dh, fit_w, fit_h;

    scale_display_size(in->width, in->height, s->want.sar, 0, &dw, &dh);
    *x = *y = 0;
    fit_w = av_rescale(*h, dw, dh);
    fit_h = av_rescale(*w, dh, dw);
    if (fit_w < *w - *w / 16) {
        fit_w = MAX(fit_w / 2 * 2, 2);
        *x = (int)((*w - fit_w) / 4 * 2);
        *w = (int)fit_w;
    } else if (fit_h < *h - *h / 16) {
        fit_h = MAX(fit_h / 2 * 2, 2);
        *y = (int)((*h - fit_h) / 4 * 2);
        *h = (int)fit_h;
    }
}

static int convert(struct scaler *s, const AVFrame *in, AVFrame *out)
{
    struct source src;
    int x, y, w = out->width, h = out->height;
    uint8_t *data[4] = {0};

    source_of(in, &src);
    if (!sws_isSupportedInput(src.format))
        return -ENOTSUP;
    place(s, in, &x, &y, &w, &h);
    if (w != out->width || h != out->height)
        fill_black(s, out);
    s->sws = sws_getCachedContext(s->sws, in->width, src.height, src.format, w, h, AV_PIX_FMT_YUV420P,
                                  s->want.flags, NULL, NULL, NULL);
    if (!s->sws)
        return -ENOTSUP;
    sws_setColorspaceDetails(
        s->sws, sws_getCoefficients(sws_matrix(in->colorspace, in->height)), src.full,
        sws_getCoefficients(s->want.matrix == AVCOL_SPC_BT709 ? SWS_CS_ITU709 : SWS_CS_ITU601),
        s->want.full_range, 0, 1 << 16, 1 << 16);
    for (int i = 0; i < 3; i++)
        data[i] = out->data[i] + (ptrdiff_t)(i ? y / 2 : y) * out->linesize[i] + (i ? x / 2 : x);
    return sws_scale(s->sws, src.data, src.stride, 0, src.height, data, out->linesize) < 0 ? -ENOTSUP : 0;
}

/* Turns one plane of w × h (as it lies) clockwise. */
static void turn_plane(const uint8_t *in, int in_stride, int w, int h, int rotation, uint8_t *out,
                       int out_stride)
{
    if (rotation == 180) {
        for (int y = 0; y < h; y++)
            for (int x = 0; x < w; x++)
                out[(ptrdiff_t)(h - 1 - y) * out_stride + (w - 1 - x)] = in[(ptrdiff_t)y * in_stride + x];
        return;
    }
    for (int y0 = 0; y0 < h; y0 += 16) /* in squares that the cache holds */
        for (int x0 = 0; x0 < w; x0 += 16)
            for (int y = y0; y < MIN(y0 + 16, h); y++)
                for (int x = x0; x < MIN(x0 + 16, w); x++) {
                    ptrdiff_t to = rotation == 90 ? (ptrdiff_t)x * out_stride + (h - 1 - y)
                                                  : (ptrdiff_t)(w - 1 - x) * out_stride + y;

                    out[to] = in[(ptrdiff_t)y * in_stride + x];
                }
}

int scaler_picture(struct scaler *s, const AVFrame *in, AVFrame **ret)
{
    bool side = s->want.rotation % 180 != 0;
    int w = side ? s->want.height : s->want.width, h = side ? s->want.width : s->want.height, r;

    r = frame_room(s->lying, w, h);
    if (r == 0)
        r = convert(s, in, s->lying);
    if (r == 0 && s->want.rotation)
        r = frame_room(s->upright, s->want.width, s->want.height);
    if (r < 0)
        return r;
    if (s->want.rotation)
        for (int i = 0; i < 3; i++)
            turn_plane(s->lying->data[i], s->lying->linesize[i], i ? w / 2 : w, i ? h / 2 : h,
                       s->want.rotation, s->upright->data[i], s->upright->linesize[i]);
    *ret = s->want.rotation ? s->upright : s->lying;
    (*ret)->color_range = s->want.full_range ? AVCOL_RANGE_JPEG : AVCOL_RANGE_MPEG;
    (*ret)->colorspace = s->want.matrix;
    return 0;
}
