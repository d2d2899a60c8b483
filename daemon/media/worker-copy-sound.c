/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The sound of a copy (see worker-copy.h). Samples become floating point at their own rate, without any filter, and are silenced there, so
 * that neither a resampler's nor the encoder's windows can carry what was silenced to its neighbours. Samples are counted from the
 * beginning; small differences between the count and what the recording says are its clock's trembling, and then both are silenced.
 * Where a time is missing and there is anything to silence, silence it is. What comes behind a step in time is silent, too, if it would have
 * been before the step; and after damage, when a demuxer counts on from what it lost, all that is near anything silenced.
 */
#include "media/worker-copy.h"

#include <errno.h>
#include <string.h>

#include <libavutil/opt.h>

#include "media/worker-pass-clock.h"

#define DRIFT_USEC 40000 /* less is trembling */
#define UNSURE_USEC                                                                                          \
    USEC_PER_SEC /* transport streams tell times at least every 0.7 s (ISO/IEC 13818-1 2.7.4) */
#define SILENCE_USEC  (10 * USEC_PER_SEC) /* longer gaps are only told by times */
#define BIT_RATE      96000               /* for each of two channels */
#define CHANNELS_MOST 2

static const int rates[] = {48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000};

static int encoder_rate(int rate)
{
    for (size_t i = 0; i < ARRAY_SIZE(rates); i++)
        if (rates[i] == rate)
            return rate;
    return rate > 48000 ? 48000 : rate > 32000 ? 44100 : rate > 16000 ? 32000 : 16000;
}

static int open_encoder(struct copy_sound *s, int rate, int channels)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_AAC);

    s->encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!s->encoder)
        return codec ? -ENOMEM : -ENOTSUP;
    s->encoder->sample_fmt = AV_SAMPLE_FMT_FLTP;
    s->encoder->sample_rate = encoder_rate(rate);
    av_channel_layout_default(&s->encoder->ch_layout, channels);
    s->encoder->bit_rate = (int64_t)BIT_RATE * channels * MIN(s->encoder->sample_rate, 48000) / 48000 + 16000;
    s->encoder->time_base = (AVRational){1, s->encoder->sample_rate};
    s->encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER | AV_CODEC_FLAG_BITEXACT;
    return pass_errno(avcodec_open2(s->encoder, codec, NULL));
}

int copy_sound_init(struct copy_sound *s, const struct pass *p, const struct redaction *plan,
                    struct copy_file *f)
{
    const AVCodecParameters *par = p->audio->codecpar;
    int r;

    *s = (struct copy_sound){.plan = plan, .in_format = -1};
    r = open_encoder(s, par->sample_rate, MIN(MAX(par->ch_layout.nb_channels, 1), CHANNELS_MOST));
    if (r == 0)
        r = copy_file_add(f, s->encoder, &s->stream);
    s->block = av_frame_alloc();
    return r == 0 && !s->block ? -ENOMEM : r;
}

void copy_sound_done(struct copy_sound *s)
{
    avcodec_free_context(&s->encoder);
    swr_free(&s->swr);
    swr_free(&s->rate);
    av_frame_free(&s->block);
    av_channel_layout_uninit(&s->in_layout);
    *s = (struct copy_sound){0};
}

static int frame_new(struct copy_sound *s, int rate, int samples, AVFrame **ret)
{
    AVFrame *f = av_frame_alloc();
    int r = f ? 0 : -ENOMEM;

    if (f) {
        f->format = AV_SAMPLE_FMT_FLTP;
        f->sample_rate = rate;
        f->nb_samples = samples;
        r = pass_errno(av_channel_layout_copy(&f->ch_layout, &s->encoder->ch_layout));
    }
    if (r == 0)
        r = pass_errno(av_frame_get_buffer(f, 0));
    if (r == 0)
        r = pass_errno(av_samples_set_silence(f->extended_data, 0, samples, s->encoder->ch_layout.nb_channels,
                                              AV_SAMPLE_FMT_FLTP));
    if (r < 0)
        av_frame_free(&f);
    *ret = f;
    return r;
}

/* Gives what is in the block to the encoder; at the end also one that is not full. */
static int flush_block(struct copy_sound *s, struct copy_file *f, AVPacket *packet)
{
    int r = 0;

    if (!s->block->data[0] || s->block->nb_samples == 0)
        return 0;
    s->block->pts = s->next_out;
    r = copy_file_encode(f, s->encoder, s->stream, s->block, packet);
    s->next_out += s->block->nb_samples;
    av_frame_unref(s->block);
    return r;
}

/* Cuts samples into the encoder's blocks. */
static int put(struct copy_sound *s, struct copy_file *f, AVPacket *packet, const AVFrame *in)
{
    int size = MAX(s->encoder->frame_size, 1), done = 0, r = 0;

    while (r == 0 && done < in->nb_samples) {
        int have = s->block->data[0] ? s->block->nb_samples : 0, n = MIN(size - have, in->nb_samples - done);

        if (!s->block->data[0]) {
            AVFrame *fresh;

            r = frame_new(s, s->encoder->sample_rate, size, &fresh);
            if (r < 0)
                return r;
            av_frame_move_ref(s->block, fresh);
            av_frame_free(&fresh);
        }
        av_samples_copy(s->block->extended_data, in->extended_data, have, done, n,
                        s->encoder->ch_layout.nb_channels, AV_SAMPLE_FMT_FLTP);
        done += n;
        s->block->nb_samples = have + n;
        if (have + n == size)
            r = flush_block(s, f, packet);
    }
    return r;
}

/* Through the second converter, where the encoder has not this rate. in NULL: what is left in it. */
static int put_at_rate(struct copy_sound *s, struct copy_file *f, AVPacket *packet, const AVFrame *in)
{
    AVFrame *out = NULL;
    int r, n;

    if (!s->rate)
        return in ? put(s, f, packet, in) : 0;
    n = swr_get_out_samples(s->rate, in ? in->nb_samples : 0);
    if (n <= 0)
        return pass_errno(n);
    r = frame_new(s, s->encoder->sample_rate, n, &out);
    if (r < 0)
        return r;
    n = swr_convert(s->rate, out->extended_data, n, in ? (const uint8_t **)in->extended_data : NULL,
                    in ? in->nb_samples : 0);
    out->nb_samples = MAX(n, 0);
    r = n < 0 ? pass_errno(n) : put(s, f, packet, out);
    av_frame_free(&out);
    return r;
}

/* What comes now has another rate, form or number of channels than what came before, or is the first. */
static int set_up(struct copy_sound *s, struct copy_file *f, AVPacket *packet, const AVFrame *in)
{
    int r = s->begun ? put_at_rate(s, f, packet, NULL) : 0;

    if (s->begun && s->in_rate != in->sample_rate)
        s->next = av_rescale(s->next, in->sample_rate, s->in_rate);
    swr_free(&s->swr);
    swr_free(&s->rate);
    s->in_rate = in->sample_rate;
    s->in_format = in->format;
    if (r == 0)
        r = pass_errno(av_channel_layout_copy(&s->in_layout, &in->ch_layout));
    if (r == 0)
        r = pass_errno(swr_alloc_set_opts2(&s->swr, &s->encoder->ch_layout, AV_SAMPLE_FMT_FLTP,
                                           in->sample_rate, &s->in_layout, (enum AVSampleFormat)in->format,
                                           in->sample_rate, 0, NULL));
    if (r == 0)
        r = pass_errno(swr_init(s->swr));
    if (r == 0 && in->sample_rate != s->encoder->sample_rate) {
        r = pass_errno(swr_alloc_set_opts2(&s->rate, &s->encoder->ch_layout, AV_SAMPLE_FMT_FLTP,
                                           s->encoder->sample_rate, &s->encoder->ch_layout,
                                           AV_SAMPLE_FMT_FLTP, in->sample_rate, 0, NULL));
        if (r == 0)
            r = pass_errno(swr_init(s->rate));
    }
    return r;
}

void copy_sound_damaged(struct copy_sound *s, int64_t at_usec)
{
    s->unsure_usec = av_sat_add64(at_usec, 2 * UNSURE_USEC);
}

/* Where samples may belong that begin a frame: as counted, as the recording says, and as counted before a step. */
struct places {
    int64_t counted, said, before;
    bool known;
};

static float gain_of(const struct copy_sound *s, const struct places *at, int i)
{
    float gain =
        MIN(mute_gain(s->plan, at->counted + i, s->in_rate), mute_gain(s->plan, at->said + i, s->in_rate));

    return MIN(gain, mute_gain(s->plan, at->before + i, s->in_rate));
}

static void silence(struct copy_sound *s, AVFrame *f, const struct places *at)
{
    float *const *planes = (float *const *)f->extended_data;
    int64_t usec = av_rescale(at->said, USEC_PER_SEC, s->in_rate);
    bool all = !at->known || (usec < s->unsure_usec && mute_is_near(s->plan, usec, UNSURE_USEC));

    if (s->plan->n_mute == 0)
        return;
    for (int i = 0; i < f->nb_samples; i++) {
        float gain = all ? 0 : gain_of(s, at, i);

        s->muted += gain <= 0;
        for (int c = 0; gain < 1 && c < f->ch_layout.nb_channels; c++)
            planes[c][i] = gain <= 0 ? 0 : planes[c][i] * gain;
    }
}

/* Brings the count to where the recording says these samples are: silence into a gap, or times that jump over a long one. Return: how many
 * samples at the beginning are not to be used, as they overlap what was there already; negative errno. */
static int go_to(struct copy_sound *s, struct copy_file *f, AVPacket *packet, int64_t said)
{
    int64_t off = said - s->next, drift = av_rescale(DRIFT_USEC, s->in_rate, USEC_PER_SEC);
    int r = 0;

    if (!s->begun || off > av_rescale(SILENCE_USEC, s->in_rate, USEC_PER_SEC)) {
        r = s->begun ? flush_block(s, f, packet) : 0;
        s->next = MAX(said, s->begun ? s->next : 0);
        s->next_out = MAX(av_rescale(s->next, s->encoder->sample_rate, s->in_rate), s->next_out);
        s->begun = true;
        return r;
    }
    while (r == 0 && off > drift && s->next < said) {
        AVFrame *gap;
        int n = (int)MIN(said - s->next, 4096);

        r = frame_new(s, s->in_rate, n, &gap);
        if (r == 0)
            r = put_at_rate(s, f, packet, gap);
        av_frame_free(&gap);
        s->next += n;
    }
    return r < 0 ? r : off < -drift ? (int)MIN(-off, INT32_MAX) : 0;
}

static int skip(AVFrame *f, int n)
{
    for (int c = 0; c < f->ch_layout.nb_channels; c++)
        memmove(f->extended_data[c], f->extended_data[c] + (size_t)n * sizeof(float),
                (size_t)(f->nb_samples - n) * sizeof(float));
    f->nb_samples -= n;
    return 0;
}

int copy_sound_take(struct copy_sound *s, struct copy_file *f, AVPacket *packet, const AVFrame *in,
                    int64_t at_usec)
{
    bool known = in->pts != AV_NOPTS_VALUE || in->best_effort_timestamp != AV_NOPTS_VALUE;
    AVFrame *out = NULL;
    int64_t said, before;
    int r = 0, over;

    if (!s->swr || in->sample_rate != s->in_rate || in->format != s->in_format ||
        av_channel_layout_compare(&in->ch_layout, &s->in_layout) != 0)
        r = set_up(s, f, packet, in);
    said = av_rescale(at_usec, s->in_rate, USEC_PER_SEC);
    before = s->begun ? s->next : said;
    over = r < 0 ? r : go_to(s, f, packet, known || !s->begun ? said : s->next);
    if (over < 0 || over >= in->nb_samples)
        return MIN(over, 0);
    r = frame_new(s, s->in_rate, in->nb_samples, &out);
    if (r == 0)
        r = pass_errno(swr_convert(s->swr, out->extended_data, in->nb_samples,
                                   (const uint8_t **)in->extended_data, in->nb_samples));
    if (r == 0 && over > 0)
        r = skip(out, over);
    if (r == 0) {
        silence(s, out, &(struct places){s->next, said + over, before, known});
        r = put_at_rate(s, f, packet, out);
        s->next += out->nb_samples;
    }
    av_frame_free(&out);
    return r;
}

int copy_sound_end(struct copy_sound *s, struct copy_file *f, AVPacket *packet)
{
    int r = s->begun ? put_at_rate(s, f, packet, NULL) : 0;

    if (r == 0)
        r = flush_block(s, f, packet);
    return r < 0 ? r : copy_file_encode(f, s->encoder, s->stream, NULL, packet);
}
