/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JPEG by libav's own encoder (see worker-jpeg.h).
 */
#include "media/worker-jpeg.h"

#include <errno.h>
#include <unistd.h>

#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define QUALITY 4 /* of 2 (best) to 31 */

int file_write(const struct pass *p, const char *name, const void *data, size_t size)
{
    int file = plan_file(p->plan, name);
    size_t done = 0;

    if (file < 0)
        return 0;
    while (done < size) {
        ssize_t n = pwrite(plan_fd(file), (const char *)data + done, size - done, (off_t)done);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -EIO;
        done += (size_t)n;
    }
    say_output((unsigned)file, size);
    return json_set_string(facts_file(p->facts, name), "how", "made");
}

static void free_codec(AVCodecContext **c)
{
    avcodec_free_context(c);
}

static void free_packet(AVPacket **p)
{
    av_packet_free(p);
}

static int open_encoder(const AVFrame *picture, AVCodecContext **ret)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_MJPEG);
    AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;

    *ret = c;
    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    c->width = picture->width;
    c->height = picture->height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->color_range = AVCOL_RANGE_JPEG;
    c->time_base = (AVRational){1, 25};
    c->flags |= AV_CODEC_FLAG_QSCALE;
    c->global_quality = QUALITY * FF_QP2LAMBDA;
    c->thread_count = 1;
    return pass_errno(avcodec_open2(c, codec, NULL));
}

int jpeg_write(const struct pass *p, const char *name, const AVFrame *picture)
{
    _cleanup_(free_codec) AVCodecContext *c = NULL;
    _cleanup_(free_packet) AVPacket *packet = av_packet_alloc();
    json_t *file;
    int r;

    if (picture->width > JPEG_SIDE_MAX || picture->height > JPEG_SIDE_MAX)
        return -EINVAL;
    r = packet ? open_encoder(picture, &c) : -ENOMEM;
    if (r == 0)
        r = pass_errno(avcodec_send_frame(c, picture));
    if (r == 0)
        r = pass_errno(avcodec_receive_packet(c, packet));
    if (r == 0)
        r = file_write(p, name, packet->data, (size_t)packet->size);
    if (r < 0)
        return r;
    file = facts_file(p->facts, name);
    if (json_set_integer(file, "width", picture->width) < 0 ||
        json_set_integer(file, "height", picture->height) < 0)
        return -ENOMEM;
    return 0;
}
