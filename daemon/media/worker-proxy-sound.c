/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sound of the proxy: AAC-LC in stereo. What the recording has no sound for is silence, so that sound and pictures stay together; what
 * overlaps is cut.
 */
#include <errno.h>

#include <libavutil/audio_fifo.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>

#include "media/worker-pass-clock.h"
#include "media/worker-proxy.h"
#include "media/worker-say.h"

#define CHANNELS     2
#define OFF_USEC     (60 * USEC_PER_MSEC) /* that nobody sees on lips */
#define SILENCE_MOST (48 * USEC_PER_HOUR)
#define BLOCK        4096

static int rate_for(int rate)
{
    static const int rates[] = {16000, 22050, 24000, 32000, 44100, 48000};

    for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
        if (rate <= rates[i])
            return rates[i];
    return 48000;
}

static int open_codec(struct sound_encoder *e, const struct pass *p)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);
    AVCodecContext *c = codec ? avcodec_alloc_context3(codec) : NULL;

    e->codec = c;
    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    c->sample_rate = rate_for(p->audio->codecpar->sample_rate);
    c->sample_fmt = AV_SAMPLE_FMT_FLTP;
    av_channel_layout_default(&c->ch_layout, CHANNELS);
    c->time_base = (AVRational){1, c->sample_rate};
    c->bit_rate = c->sample_rate >= 32000 ? 128000 : c->sample_rate >= 22050 ? 96000 : 64000;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
    av_opt_set(c->priv_data, "aac_coder", "fast", 0);
    return pass_errno(avcodec_open2(c, codec, NULL));
}

int sound_encoder_init(struct sound_encoder *e, struct mp4 *m, const struct pass *p)
{
    AVStream *st;
    int r;

    *e = (struct sound_encoder){.packet = av_packet_alloc(), .frame = av_frame_alloc()};
    if (!e->packet || !e->frame)
        return -ENOMEM;
    r = open_codec(e, p);
    if (r < 0)
        return r;
    e->fifo = av_audio_fifo_alloc(AV_SAMPLE_FMT_FLTP, CHANNELS, BLOCK);
    st = avformat_new_stream(m->ctx, NULL);
    if (!e->fifo || !st || avcodec_parameters_from_context(st->codecpar, e->codec) < 0)
        return -ENOMEM;
    st->time_base = e->codec->time_base;
    e->stream = st->index;
    return 0;
}

void sound_encoder_done(struct sound_encoder *e)
{
    avcodec_free_context(&e->codec);
    av_packet_free(&e->packet);
    av_frame_free(&e->frame);
    swr_free(&e->swr);
    if (e->fifo)
        av_audio_fifo_free(e->fifo);
    av_freep(&e->room[0]);
    av_channel_layout_uninit(&e->in_layout);
}

static int take_packets(struct sound_encoder *e, struct mp4 *m)
{
    for (;;) {
        int r = avcodec_receive_packet(e->codec, e->packet);

        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
            return 0;
        if (r < 0)
            return pass_errno(r);
        r = mp4_packet(m, e->stream, e->packet, e->codec->time_base);
        if (r < 0)
            return r;
    }
}

static int encode(struct sound_encoder *e, struct mp4 *m, int samples)
{
    AVFrame *f = e->frame;
    int r;

    av_frame_unref(f);
    f->nb_samples = samples;
    f->format = AV_SAMPLE_FMT_FLTP;
    f->sample_rate = e->codec->sample_rate;
    if (av_channel_layout_copy(&f->ch_layout, &e->codec->ch_layout) < 0 || av_frame_get_buffer(f, 0) < 0)
        return -ENOMEM;
    if (av_audio_fifo_read(e->fifo, (void **)f->extended_data, samples) < samples)
        return -EIO;
    f->pts = e->written;
    e->written += samples;
    r = avcodec_send_frame(e->codec, f);
    return r < 0 ? pass_errno(r) : take_packets(e, m);
}

static int encode_whole(struct sound_encoder *e, struct mp4 *m)
{
    int r = 0;

    while (r == 0 && av_audio_fifo_size(e->fifo) >= e->codec->frame_size)
        r = encode(e, m, e->codec->frame_size);
    return r;
}

static int make_room(struct sound_encoder *e, int samples)
{
    if (samples <= e->room_samples)
        return 0;
    av_freep(&e->room[0]);
    e->room_samples = 0;
    if (av_samples_alloc(e->room, NULL, CHANNELS, samples, AV_SAMPLE_FMT_FLTP, 0) < 0)
        return -ENOMEM;
    e->room_samples = samples;
    return 0;
}

static int put(struct sound_encoder *e, struct mp4 *m, int from, int samples)
{
    void *data[CHANNELS] = {(float *)(void *)e->room[0] + from, (float *)(void *)e->room[1] + from};

    if (samples <= 0)
        return 0;
    if (av_audio_fifo_write(e->fifo, data, samples) < samples)
        return -ENOMEM;
    e->given += samples;
    return encode_whole(e, m);
}

static int put_silence(struct sound_encoder *e, struct mp4 *m, int64_t samples)
{
    int r = make_room(e, BLOCK);

    e->filled += samples;
    if (e->filled / e->codec->sample_rate > SILENCE_MOST / USEC_PER_SEC)
        return -ERANGE;
    while (r == 0 && samples > 0) {
        int n = (int)MIN(samples, (int64_t)BLOCK);

        av_samples_set_silence(e->room, 0, n, CHANNELS, AV_SAMPLE_FMT_FLTP);
        r = put(e, m, 0, n);
        samples -= n;
        say_beat();
    }
    return r;
}

/* The converter for what comes in, which may change from frame to frame. */
static int converter_for(struct sound_encoder *e, const AVFrame *f)
{
    AVChannelLayout in = {0};
    int r;

    if (e->swr && e->in_rate == f->sample_rate && e->in_format == f->format &&
        av_channel_layout_compare(&e->in_layout, &f->ch_layout) == 0)
        return 0;
    swr_free(&e->swr);
    av_channel_layout_uninit(&e->in_layout);
    if (av_channel_layout_copy(&e->in_layout, &f->ch_layout) < 0)
        return -ENOMEM;
    if (f->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC || !av_channel_layout_check(&f->ch_layout))
        av_channel_layout_default(&in, f->ch_layout.nb_channels);
    else if (av_channel_layout_copy(&in, &f->ch_layout) < 0)
        return -ENOMEM;
    r = swr_alloc_set_opts2(&e->swr, &e->codec->ch_layout, AV_SAMPLE_FMT_FLTP, e->codec->sample_rate, &in,
                            f->format, f->sample_rate, 0, NULL);
    av_channel_layout_uninit(&in);
    if (r >= 0)
        r = swr_init(e->swr);
    if (r < 0)
        swr_free(&e->swr);
    e->in_rate = f->sample_rate;
    e->in_format = f->format;
    return r == AVERROR(ENOMEM) ? -ENOMEM : r < 0 ? -ENOTSUP : 0;
}

int sound_encoder_samples(struct sound_encoder *e, struct mp4 *m, const AVFrame *f, int64_t at_usec)
{
    int rate = e->codec->sample_rate, n, cut = 0, r = converter_for(e, f);
    int64_t off, most;

    if (r < 0)
        return r == -ENOTSUP && e->given ? 0 : r;
    off = av_rescale(at_usec, rate, USEC_PER_SEC) - e->given - swr_get_delay(e->swr, rate);
    if (off > av_rescale(OFF_USEC, rate, USEC_PER_SEC) || (e->given == 0 && off > 0))
        r = put_silence(e, m, off);
    else if (off < -av_rescale(OFF_USEC, rate, USEC_PER_SEC))
        cut = (int)MIN(-off, (int64_t)INT32_MAX);
    most = swr_get_out_samples(e->swr, f->nb_samples);
    if (r == 0 && (most < 0 || most > INT32_MAX / 16))
        r = -ENOTSUP;
    if (r == 0)
        r = make_room(e, (int)most + 1);
    if (r < 0)
        return r;
    n = swr_convert(e->swr, e->room, (int)most, (const uint8_t **)f->extended_data, f->nb_samples);
    if (n < 0)
        return pass_errno(n);
    return cut >= n ? 0 : put(e, m, cut, n - cut);
}

int sound_encoder_end(struct sound_encoder *e, struct mp4 *m)
{
    int r = 0, n;

    if (e->swr && make_room(e, BLOCK) == 0) {
        n = swr_convert(e->swr, e->room, BLOCK, NULL, 0);
        r = n > 0 ? put(e, m, 0, n) : 0;
    }
    n = av_audio_fifo_size(e->fifo);
    if (r == 0 && n > 0)
        r = encode(e, m, n);
    if (r == 0)
        r = pass_errno(avcodec_send_frame(e->codec, NULL));
    return r < 0 ? r : take_packets(e, m);
}
