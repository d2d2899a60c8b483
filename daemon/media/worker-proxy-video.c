/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The pictures of the proxy: upright, with square pixels, never larger than they were, H.264 that every browser plays, a key picture every two
 * seconds of footage whatever its rate is. The recording's own times are kept, but for pictures closer together than any screen shows.
 */
#include <errno.h>
#include <string.h>

#include <libavutil/opt.h>
#include <libswscale/swscale.h>

#include "media/worker-hardware.h"
#include "media/worker-pass-clock.h"
#include "media/worker-proxy.h"

#define TICKS        90000
#define LEAST_USEC   (USEC_PER_SEC / 100) /* between two pictures */
#define RATE_DEFAULT 25
#define RATE_MOST    100
#define SCALE_FLAGS  SWS_BILINEAR

static AVRational rate_of(const struct pass *p)
{
    AVRational r = p->video->avg_frame_rate;

    if (r.num <= 0 || r.den <= 0 || av_cmp_q(r, (AVRational){RATE_MOST, 1}) > 0 ||
        av_cmp_q(r, (AVRational){1, 60}) < 0)
        return (AVRational){RATE_DEFAULT, 1};
    return r;
}

static int quality_of(const json_t *plan)
{
    return (int)MIN(MAX(json_get_integer(plan, "crf", 23), 0), 51);
}

static int set_options(AVCodecContext *c, const json_t *plan)
{
    const char *preset = json_get_string(plan, "preset");
    char crf[16];

    snprintf(crf, sizeof crf, "%d", quality_of(plan));
    if (av_opt_set(c->priv_data, "preset", preset ? preset : "veryfast", 0) < 0 ||
        av_opt_set(c->priv_data, "crf", crf, 0) < 0 || av_opt_set(c->priv_data, "profile", "high", 0) < 0 ||
        av_opt_set(c->priv_data, "forced-idr", "1", 0) < 0 ||
        av_opt_set(c->priv_data, "x264-params", "lookahead-threads=1", 0) <
            0) /* else more with slow presets */
        return -EINVAL;
    return 0;
}

static void set_colours(AVCodecContext *c, const AVCodecParameters *from, enum AVColorSpace matrix)
{
    bool wide = from->color_primaries ==
                AVCOL_PRI_BT2020; /* brought to 709 by the scaler, as well as a matrix does */

    c->color_range = AVCOL_RANGE_MPEG;
    c->colorspace = matrix;
    c->color_primaries = wide ? AVCOL_PRI_BT709 : from->color_primaries;
    c->color_trc = wide || from->color_trc == AVCOL_TRC_SMPTE2084 || from->color_trc == AVCOL_TRC_ARIB_STD_B67
                       ? AVCOL_TRC_BT709
                       : from->color_trc;
}

static int open_codec(struct video_encoder *e, const struct pass *p, const struct scale_want *want)
{
    const AVCodec *device = hardware_encoder(),
                  *codec = device ? device : avcodec_find_encoder_by_name("libx264");
    const json_t *plan = json_get_object(p->plan, "proxy");
    AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;
    int64_t keys = MIN(MAX(json_get_integer(plan, "keyframe_msec", 2000), 100), 60000);
    int r;

    e->codec = c;
    e->by_device = device != NULL;
    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    c->width = want->width;
    c->height = want->height;
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->time_base = (AVRational){1, TICKS};
    c->framerate = rate_of(p);
    c->sample_aspect_ratio = (AVRational){1, 1};
    c->gop_size = (int)MIN(av_rescale(keys, c->framerate.num, (int64_t)c->framerate.den * 1000) + 1, 6000);
    c->thread_count = (int)MIN(MAX(json_get_integer(p->plan, "threads", 1), 1), 16);
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
    set_colours(c, p->video->codecpar, want->matrix);
    if (device)
        return hardware_encoder_open(c, quality_of(plan));
    r = set_options(c, plan);
    return r < 0 ? r : pass_errno(avcodec_open2(c, codec, NULL));
}

static int add_stream(struct video_encoder *e, struct mp4 *m)
{
    AVStream *st = avformat_new_stream(m->ctx, NULL);

    if (!st || avcodec_parameters_from_context(st->codecpar, e->codec) < 0)
        return -ENOMEM;
    st->time_base = e->codec->time_base;
    st->avg_frame_rate = e->codec->framerate;
    e->stream = st->index;
    return 0;
}

int video_encoder_init(struct video_encoder *e, struct mp4 *m, const struct pass *p)
{
    const AVCodecParameters *c = p->video->codecpar;
    struct scale_want want = {.rotation = p->rotation, .flags = SCALE_FLAGS};
    int64_t limit = json_get_integer(json_get_object(p->plan, "proxy"), "height", 720), w, h;
    int r;

    *e = (struct video_encoder){.last_usec = -1,
                                .step_usec = av_rescale_q(1, av_inv_q(rate_of(p)), AV_TIME_BASE_Q)};
    want.sar = av_guess_sample_aspect_ratio(p->ctx, p->video, NULL);
    scale_display_size(c->width, c->height, want.sar, p->rotation, &w, &h);
    scale_fit(w, h, (int)MIN(MAX(limit, 120), 2160), &want.width, &want.height);
    want.matrix = scale_matrix(c->color_space, c->height);
    e->packet = av_packet_alloc();
    r = e->packet ? scaler_init(&e->scaler, &want) : -ENOMEM;
    if (r == 0)
        r = open_codec(e, p, &want);
    return r < 0 ? r : add_stream(e, m);
}

static int take_packets(struct video_encoder *e, struct mp4 *m)
{
    for (;;) {
        int r = avcodec_receive_packet(e->codec, e->packet);

        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
            return 0;
        if (r < 0)
            return e->by_device ? -EREMOTEIO : pass_errno(r);
        r = mp4_packet(m, e->stream, e->packet, e->codec->time_base);
        if (r < 0)
            return r;
    }
}

/* f NULL: the end. */
static int send_picture(struct video_encoder *e, struct mp4 *m, const AVFrame *f)
{
    int r = e->by_device ? hardware_encode(e->codec, f) : pass_errno(avcodec_send_frame(e->codec, f));

    return r < 0 ? r : take_packets(e, m);
}

static int encode_at(struct video_encoder *e, struct mp4 *m, AVFrame *f, int64_t at, int64_t key_usec)
{
    bool key = e->last_usec < 0 || av_sat_add64(at, e->step_usec) - e->last_key_usec > key_usec;

    f->pts = av_rescale(at, TICKS, USEC_PER_SEC);
    f->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    if (key)
        e->last_key_usec = at;
    if (e->last_usec >= 0)
        e->step_usec = MIN(at - e->last_usec, USEC_PER_SEC);
    e->last_usec = at;
    e->pictures++;
    return send_picture(e, m, f);
}

int video_encoder_picture(struct video_encoder *e, struct mp4 *m, const AVFrame *frame, int64_t at_usec)
{
    int64_t keys =
        av_rescale(e->codec->gop_size - 1, USEC_PER_SEC * e->codec->framerate.den, e->codec->framerate.num);
    AVFrame *f = NULL;
    int r;

    if (e->last_usec >= 0 && at_usec < e->last_usec + LEAST_USEC)
        return 0;
    r = scaler_picture(&e->scaler, frame, &f);
    if (r < 0)
        return r == -ENOTSUP && e->pictures ? 0 : r;
    if (e->last_usec < 0 &&
        at_usec > 0) { /* the first one is shown from the beginning: nothing else is there to be */
        r = encode_at(e, m, f, 0, keys);
        if (r < 0 || at_usec < LEAST_USEC)
            return r;
        r = scaler_picture(&e->scaler, frame, &f); /* the encoder may still hold the other */
        if (r < 0)
            return r;
    }
    return encode_at(e, m, f, at_usec, keys);
}

int video_encoder_end(struct video_encoder *e, struct mp4 *m)
{
    return send_picture(e, m, NULL);
}

void video_encoder_done(struct video_encoder *e)
{
    avcodec_free_context(&e->codec);
    av_packet_free(&e->packet);
    scaler_done(&e->scaler);
}
