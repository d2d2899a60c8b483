/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * WebP, GIF, TIFF and BMP to a small picture through libav's decoders (see worker-still.h). No demuxer: the file is one packet. Its pixels are
 * all in memory once, so they are bounded.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "media/worker-av.h"
#include "media/worker-say.h"
#include "media/worker-still.h"

#define FILE_MAX   (UINT64_C(256) << 20)
#define PIXELS_MAX (INT64_C(100) << 20)
#define BAND       16 /* rows converted at a time: a multiple of any chroma height */

static void free_context(AVCodecContext **c)
{
    avcodec_free_context(c);
}

static void free_frame(AVFrame **f)
{
    av_frame_free(f);
}

static void free_packet(AVPacket **p)
{
    av_packet_free(p);
}

/* The file, or the first picture of an animated one, as a packet. Return: 0, -EFBIG, -EIO, -ENOMEM. */
static int read_packet(struct input *in, const struct form *form, AVPacket *packet)
{
    _cleanup_free_ uint8_t *first = NULL;
    size_t size = (size_t)in->size;
    int r = strcmp(form->container, "webp") == 0 ? webp_first_picture(in, &first, &size) : 0;

    if (r < 0)
        return r;
    if (!first && in->size > FILE_MAX)
        return -EFBIG;
    r = av_new_packet(packet, (int)size);
    if (r < 0)
        return r;
    if (first)
        memcpy(packet->data, first, size);
    else if (!input_get(in, packet->data, size, 0))
        return -EIO;
    packet->flags |= AV_PKT_FLAG_KEY;
    return 0;
}

static unsigned refused_width, refused_height;

static void on_log(void *context, int level, const char *format, va_list ap)
{
    (void)av_log_of_size(format, ap, &refused_width, &refused_height);
}

/* One picture. Return: 0, -ENOMEM, other libav errors. */
static int decode(const struct form *form, const AVPacket *packet, AVFrame *frame)
{
    const AVCodec *codec = avcodec_find_decoder_by_name(form->container);
    _cleanup_(free_context) AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
    int r;

    if (!c)
        return codec ? -ENOMEM : AVERROR_DECODER_NOT_FOUND;
    c->thread_count = 1;
    c->max_pixels = PIXELS_MAX;
    refused_width = refused_height = 0;
    av_log_set_callback(on_log);
    r = avcodec_open2(c, codec, NULL);
    if (r == 0)
        r = avcodec_send_packet(c, packet);
    if (r == 0)
        r = avcodec_send_packet(c, NULL);
    if (r == 0)
        r = avcodec_receive_frame(c, frame);
    av_log_set_callback(av_log_default_callback);
    return r;
}

/* A band of the frame as RGBA. Return: 0 or -ENOMEM. */
static int convert_band(const AVFrame *f, int y, int rows, uint8_t *rgba)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    const uint8_t *from[4] = {0};
    uint8_t *to[4] = {rgba};
    int stride[4] = {f->width * 4};
    struct SwsContext *sws = sws_getContext(f->width, rows, f->format, f->width, rows, AV_PIX_FMT_RGBA,
                                            SWS_POINT | SWS_ACCURATE_RND, NULL, NULL, NULL);

    if (!sws)
        return -ENOMEM;
    for (int p = 0; p < 4 && f->data[p]; p++) {
        int down = p == 1 || p == 2 ? d->log2_chroma_h : 0;

        from[p] = (d->flags & AV_PIX_FMT_FLAG_PAL) && p == 1
                      ? f->data[p]
                      : f->data[p] + (ptrdiff_t)(y >> down) * f->linesize[p];
    }
    sws_scale(sws, from, f->linesize, 0, rows, to, stride);
    sws_freeContext(sws);
    return 0;
}

static int shrink_frame(struct input *in, const AVFrame *f, uint32_t longest, struct picture *ret)
{
    _cleanup_free_ uint8_t *band = malloc((size_t)f->width * 4 * BAND);
    struct shrink s;
    uint32_t w, h;
    int r;

    shrink_fit((uint32_t)f->width, (uint32_t)f->height, longest, &w, &h);
    r = band ? shrink_init(&s, (uint32_t)f->width, (uint32_t)f->height, 3, 8, w, h) : -ENOMEM;
    if (r < 0)
        return r;
    for (int y = 0; r == 0 && y < f->height && !input_expired(in); y += BAND) {
        int rows = MIN(BAND, f->height - y);

        r = convert_band(f, y, rows, band);
        for (int i = 0; r == 0 && i < rows; i++) {
            uint8_t *row = band + (size_t)i * (size_t)f->width * 4;

            still_on_white(row, row, (size_t)f->width);
            shrink_row(&s, row);
        }
        say_beat();
    }
    if (s.row < s.height)
        still_fill_rest(&s);
    if (r == 0)
        *ret = (struct picture){w, h, TAKE_PTR(s.result), NULL};
    shrink_done(&s);
    return r;
}

static void to_srgb(const AVFrame *f, struct picture *p)
{
    const AVFrameSideData *icc = av_frame_get_side_data(f, AV_FRAME_DATA_ICC_PROFILE);

    if (icc)
        picture_to_srgb(icc->data, icc->size, p->rgb, 3, p->rgb, (size_t)p->width * p->height);
}

int av_read_picture(struct input *in, struct facts *f, const struct form *form, uint32_t longest,
                    struct picture *ret, char why[STILL_WHY_MAX])
{
    _cleanup_(free_packet) AVPacket *packet = av_packet_alloc();
    _cleanup_(free_frame) AVFrame *frame = av_frame_alloc();
    int r = packet && frame ? read_packet(in, form, packet) : -ENOMEM;
    bool read = r == 0;

    if (r == 0)
        r = decode(form, packet, frame);
    if (r == 0)
        r = shrink_frame(in, frame, longest, ret);
    if (r == 0) {
        to_srgb(frame, ret);
        if (frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT))
            facts_damage(f, "the picture's data are broken or missing in places");
        return 0;
    }
    if (r == -ENOMEM)
        return r;
    if (r == -EFBIG)
        snprintf(why, STILL_WHY_MAX, "the file is too large for a picture of this form");
    else if (refused_width)
        snprintf(why, STILL_WHY_MAX, "%u × %u pixels are more than is taken into memory", refused_width,
                 refused_height);
    else if (read)
        facts_damage(f, "the picture cannot be decoded");
    if (!why[0])
        snprintf(why, STILL_WHY_MAX, "the picture cannot be decoded: %s", av_err2str(r));
    return -EBADMSG;
}
