/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Preservation copies: every decoded picture as FFV1 (version 3, slices with CRC; RFC 9043), every decoded sample as FLAC (RFC 9639), or as
 * PCM where FLAC cannot hold it bit by bit (floating point, 32 bits, 8 bits), in Matroska (RFC 9559). What is written decodes to what the
 * original decodes to, bit by bit; pixel formats that FFV1 has not are only put in another order, without loss. Times, aspect, colours,
 * fields and tags are kept, and streams that nobody decodes as they are, where Matroska can hold them; what cannot be kept is said.
 *
 * The header waits until it is known of each stream what it is; packets wait in memory until then, and no longer than WAIT_BYTES.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include <libavutil/opt.h>
#include <libavutil/pixdesc.h>
#include <libswscale/swscale.h>

#include "media/worker-copy.h"
#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define NAME        "copy.mkv"
#define WAIT_BYTES  (64 << 20)
#define WAIT_MOST   20000 /* packets */
#define STREAMS_MAX 64
#define CLOCK       1000000

struct waiting {
    AVPacket *packet;
    const AVStream *to;
    AVRational time_base;
};

struct preserve {
    struct copy_file out;
    AVCodecContext *video, *audio; /* encoders; NULL until the first frame */
    AVStream *video_to, *audio_to;
    AVStream *kept[STREAMS_MAX]; /* by index of the stream in the recording */
    bool video_due, audio_due;   /* is awaited */
    struct SwsContext *sws;
    struct SwrContext *swr;
    AVFrame *repacked;
    int format, width, height, in_sample_format; /* of what came first */
    AVPacket *packet;
    struct waiting *waiting;
    size_t n_waiting, bytes_waiting;
    int64_t video_pts, audio_pts; /* the next may not be before */
    int64_t pictures;
    bool backwards; /* packets of other streams could not be written, as their times go backwards */
    char said[320]; /* what is left out or has to be known; becomes the file's message */
};

static void note(struct preserve *v, const char *format, ...) _printf_(2, 3);
static void note(struct preserve *v, const char *format, ...)
{
    size_t n = strlen(v->said);
    va_list ap;

    n += (size_t)snprintf(v->said + n, sizeof v->said - n, "%s", n ? "; " : "");
    if (n >= sizeof v->said)
        return;
    va_start(ap, format);
    vsnprintf(v->said + n, sizeof v->said - n, format, ap);
    va_end(ap);
}

static void on_done(void *state)
{
    struct preserve *v = state;

    for (size_t i = 0; i < v->n_waiting; i++)
        av_packet_free(&v->waiting[i].packet);
    free(v->waiting);
    avcodec_free_context(&v->video);
    avcodec_free_context(&v->audio);
    copy_file_done(&v->out);
    sws_freeContext(v->sws);
    swr_free(&v->swr);
    av_frame_free(&v->repacked);
    av_packet_free(&v->packet);
    free(v);
}

/* Formats that FFV1 has not → those that hold the same values in another order. */
static const struct {
    enum AVPixelFormat from, to;
} reorder[] = {
    {AV_PIX_FMT_YUVJ420P, AV_PIX_FMT_YUV420P}, {AV_PIX_FMT_YUVJ422P, AV_PIX_FMT_YUV422P},
    {AV_PIX_FMT_YUVJ444P, AV_PIX_FMT_YUV444P}, {AV_PIX_FMT_YUVJ440P, AV_PIX_FMT_YUV440P},
    {AV_PIX_FMT_YUVJ411P, AV_PIX_FMT_YUV411P}, {AV_PIX_FMT_NV12, AV_PIX_FMT_YUV420P},
    {AV_PIX_FMT_NV21, AV_PIX_FMT_YUV420P},     {AV_PIX_FMT_YUYV422, AV_PIX_FMT_YUV422P},
    {AV_PIX_FMT_UYVY422, AV_PIX_FMT_YUV422P},  {AV_PIX_FMT_RGB24, AV_PIX_FMT_BGR0},
    {AV_PIX_FMT_BGR24, AV_PIX_FMT_BGR0},       {AV_PIX_FMT_GBRP, AV_PIX_FMT_BGR0},
    {AV_PIX_FMT_RGBA, AV_PIX_FMT_BGRA},        {AV_PIX_FMT_ARGB, AV_PIX_FMT_BGRA},
    {AV_PIX_FMT_ABGR, AV_PIX_FMT_BGRA},        {AV_PIX_FMT_PAL8, AV_PIX_FMT_BGRA},
};

/* The plain formats named like full range ones hold the same bytes; only the range is told elsewhere. */
static bool same_bytes(size_t row)
{
    return row < 5;
}

static enum AVPixelFormat ordered(int format, size_t *ret_row)
{
    for (*ret_row = 0; *ret_row < ARRAY_SIZE(reorder); ++*ret_row)
        if ((int)reorder[*ret_row].from == format)
            return reorder[*ret_row].to;
    return (enum AVPixelFormat)format;
}

static int open_video(struct preserve *v, const struct pass *p, const AVFrame *in)
{
    const AVCodec *codec = avcodec_find_encoder(AV_CODEC_ID_FFV1);
    AVCodecContext *c = v->video = codec ? avcodec_alloc_context3(codec) : NULL;
    size_t row;

    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    v->format = in->format;
    v->width = c->width = in->width;
    v->height = c->height = in->height;
    c->pix_fmt = ordered(in->format, &row);
    c->time_base = (AVRational){1, CLOCK};
    c->framerate = av_guess_frame_rate(p->ctx, p->video, NULL);
    c->sample_aspect_ratio = av_guess_sample_aspect_ratio(p->ctx, p->video, NULL);
    c->level = 3;
    c->gop_size = 1;
    c->slices = in->width >= 320 && in->height >= 240 ? 4 : 0;
    c->thread_count = (int)MIN(MAX(json_get_integer(p->plan, "threads", 1), 1), 16);
    c->thread_type = FF_THREAD_SLICE;
    c->color_range = row < 5 ? AVCOL_RANGE_JPEG : in->color_range;
    c->colorspace = in->colorspace;
    c->color_primaries = in->color_primaries;
    c->color_trc = in->color_trc;
    c->chroma_sample_location = in->chroma_location;
    c->field_order = p->video->codecpar->field_order;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set_int(c->priv_data, "slicecrc", 1, 0);
    return pass_errno(avcodec_open2(c, codec, NULL));
}

/* What holds samples of that form bit by bit. */
static enum AVCodecID sound_codec(enum AVSampleFormat format, int raw_bits, int channels, int rate)
{
    bool flac = channels <= 8 && rate <= 655350;

    switch (av_get_packed_sample_fmt(format)) {
    case AV_SAMPLE_FMT_S16:
        return flac ? AV_CODEC_ID_FLAC : AV_CODEC_ID_PCM_S16LE;
    case AV_SAMPLE_FMT_S32:
        return flac && raw_bits > 0 && raw_bits <= 24 ? AV_CODEC_ID_FLAC : AV_CODEC_ID_PCM_S32LE;
    case AV_SAMPLE_FMT_FLT:
        return AV_CODEC_ID_PCM_F32LE;
    case AV_SAMPLE_FMT_DBL:
        return AV_CODEC_ID_PCM_F64LE;
    case AV_SAMPLE_FMT_U8:
        return AV_CODEC_ID_PCM_U8;
    default:
        return AV_CODEC_ID_NONE;
    }
}

static int open_audio(struct preserve *v, const struct pass *p, const AVFrame *in)
{
    int bits = p->audio_decoder->bits_per_raw_sample ? p->audio_decoder->bits_per_raw_sample
                                                     : p->audio->codecpar->bits_per_coded_sample;
    enum AVSampleFormat packed = av_get_packed_sample_fmt((enum AVSampleFormat)in->format);
    enum AVCodecID id = sound_codec(packed, bits, in->ch_layout.nb_channels, in->sample_rate);
    const AVCodec *codec = avcodec_find_encoder(id);
    AVCodecContext *c = v->audio = codec ? avcodec_alloc_context3(codec) : NULL;
    int r;

    if (!c)
        return codec ? -ENOMEM : -ENOTSUP;
    v->in_sample_format = in->format;
    c->sample_fmt = packed;
    c->sample_rate = in->sample_rate;
    c->time_base = (AVRational){1, in->sample_rate};
    c->bits_per_raw_sample = id == AV_CODEC_ID_FLAC && packed == AV_SAMPLE_FMT_S32 ? bits : 0;
    c->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    if (in->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
        av_channel_layout_default(&c->ch_layout, in->ch_layout.nb_channels);
    else if (av_channel_layout_copy(&c->ch_layout, &in->ch_layout) < 0)
        return -ENOMEM;
    r = pass_errno(avcodec_open2(c, codec, NULL));
    if (r == 0 &&
        packed != (enum AVSampleFormat)in->format) { /* planes side by side → in turn: the same values */
        r = pass_errno(swr_alloc_set_opts2(&v->swr, &c->ch_layout, packed, in->sample_rate, &c->ch_layout,
                                           (enum AVSampleFormat)in->format, in->sample_rate, 0, NULL));
        if (r == 0)
            r = pass_errno(swr_init(v->swr));
    }
    return r;
}

/* A stream of the recording that is kept as it is, if Matroska can hold it. */
static int keep_stream(struct preserve *v, const struct pass *p, const AVStream *in)
{
    AVStream *st;

    if (in->codecpar->codec_type != AVMEDIA_TYPE_VIDEO && in->codecpar->codec_type != AVMEDIA_TYPE_AUDIO &&
        in->codecpar->codec_type != AVMEDIA_TYPE_SUBTITLE)
        return -ENOTSUP;
    if ((in->disposition & AV_DISPOSITION_ATTACHED_PIC) ||
        avformat_query_codec(v->out.ctx->oformat, in->codecpar->codec_id, FF_COMPLIANCE_NORMAL) != 1)
        return -ENOTSUP;
    st = avformat_new_stream(v->out.ctx, NULL);
    if (!st || avcodec_parameters_copy(st->codecpar, in->codecpar) < 0 ||
        av_dict_copy(&st->metadata, in->metadata, 0) < 0)
        return -ENOMEM;
    st->codecpar->codec_tag = 0;
    st->time_base = in->time_base;
    st->disposition = in->disposition;
    st->sample_aspect_ratio = in->sample_aspect_ratio;
    v->kept[in->index] = st;
    return 0;
}

static int keep_others(struct preserve *v, const struct pass *p)
{
    int r = 0;

    for (unsigned i = 0; r == 0 && i < p->ctx->nb_streams; i++) {
        const AVStream *in = p->ctx->streams[i];

        if (in == p->video || in == p->audio)
            continue;
        r = i < STREAMS_MAX ? keep_stream(v, p, in) : -ENOTSUP;
        if (r == -ENOTSUP) {
            note(v, "stream %u (%s) is left out: Matroska cannot hold it", i,
                 avcodec_get_name(in->codecpar->codec_id));
            r = 0;
        }
    }
    return r;
}

/* Tags of the recording and its chapters belong to what is preserved. */
static int keep_tags(struct preserve *v, const struct pass *p)
{
    char turn[8];
    int r = av_dict_copy(&v->out.ctx->metadata, p->ctx->metadata, 0);

    if (r >= 0 && v->video_to) {
        r = av_dict_copy(&v->video_to->metadata, p->video->metadata, 0);
        if (r >= 0 && p->rotation) {
            snprintf(turn, sizeof turn, "%d", p->rotation);
            r = av_dict_set(&v->video_to->metadata, "rotate", turn, 0);
            note(v, "pictures are as recorded: to be upright they have to be turned clockwise by %d°",
                 p->rotation);
        }
    }
    if (r >= 0 && v->audio_to)
        r = av_dict_copy(&v->audio_to->metadata, p->audio->metadata, 0);
    return pass_errno(r);
}

static int write_waiting(struct preserve *v)
{
    int r = 0;

    for (size_t i = 0; i < v->n_waiting; i++) {
        if (r == 0)
            r = copy_file_write(&v->out, v->waiting[i].to, v->waiting[i].time_base, v->waiting[i].packet);
        av_packet_free(&v->waiting[i].packet);
    }
    v->n_waiting = v->bytes_waiting = 0;
    return r;
}

/* Writes the header once nothing is awaited any more. */
static int begin(struct preserve *v, const struct pass *p, bool now)
{
    int r;

    if (v->out.begun || (!now && (v->video_due || v->audio_due)))
        return 0;
    if (v->video_due || v->audio_due)
        note(v, "the %s is left out: none of it could be decoded in time",
             v->video_due && v->audio_due ? "footage"
             : v->video_due               ? "video"
                                          : "sound");
    v->video_due = v->audio_due = false;
    r = keep_tags(v, p);
    if (r == 0)
        r = copy_file_begin(&v->out, "cluster_time_limit", "2000");
    return r < 0 ? r : write_waiting(v);
}

/* Takes a packet for a stream: into the file, or to wait for the header. */
static int put(struct preserve *v, const struct pass *p, const AVStream *to, AVRational time_base,
               AVPacket *packet)
{
    struct waiting *w;

    if (v->out.begun)
        return copy_file_write(&v->out, to, time_base, packet);
    w = reallocarray(v->waiting, v->n_waiting + 1, sizeof *w);
    if (!w)
        return -ENOMEM;
    v->waiting = w;
    w[v->n_waiting] = (struct waiting){av_packet_alloc(), to, time_base};
    if (!w[v->n_waiting].packet)
        return -ENOMEM;
    v->bytes_waiting += (size_t)packet->size;
    av_packet_move_ref(w[v->n_waiting++].packet, packet);
    return begin(v, p, v->bytes_waiting > WAIT_BYTES || v->n_waiting > WAIT_MOST);
}

static int encode(struct preserve *v, const struct pass *p, AVCodecContext *c, const AVStream *to,
                  const AVFrame *frame)
{
    int r = avcodec_send_frame(c, frame);

    while (r >= 0) {
        r = avcodec_receive_packet(c, v->packet);
        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
            return 0;
        if (r >= 0)
            r = put(v, p, to, c->time_base, v->packet);
    }
    return r == AVERROR_EOF ? 0 : pass_errno(r);
}

/* The same values in the order that FFV1 has. *ret is new. */
static int repack_picture(struct preserve *v, const AVFrame *in, AVFrame **ret)
{
    size_t row;
    enum AVPixelFormat to = ordered(in->format, &row);
    AVFrame *out = av_frame_alloc();
    int r;

    *ret = out;
    if (!out)
        return -ENOMEM;
    if ((int)to == in->format || same_bytes(row)) {
        r = pass_errno(av_frame_ref(out, in));
        out->format = to;
        return r;
    }
    out->format = to;
    out->width = in->width;
    out->height = in->height;
    if (av_frame_get_buffer(out, 0) < 0)
        return -ENOMEM;
    v->sws = sws_getCachedContext(v->sws, in->width, in->height, (enum AVPixelFormat)in->format, in->width,
                                  in->height, to, SWS_POINT | SWS_ACCURATE_RND, NULL, NULL, NULL);
    if (!v->sws)
        return -ENOTSUP;
    return sws_scale(v->sws, (const uint8_t *const *)in->data, in->linesize, 0, in->height, out->data,
                     out->linesize) < 0
               ? -ENOTSUP
               : 0;
}

static int refuse(const struct pass *p, int code, const char *what, int64_t at_usec)
{
    facts_file_message(p->facts, NAME, "%s at %lld.%03lld s", what, (long long)(at_usec / USEC_PER_SEC),
                       (long long)(at_usec % USEC_PER_SEC / 1000));
    return code;
}

static int start_video(struct preserve *v, const struct pass *p, const AVFrame *in, int64_t at_usec)
{
    int r = open_video(v, p, in);

    if (r < 0 && r != -ENOMEM) {
        const char *name = av_get_pix_fmt_name((enum AVPixelFormat)in->format);

        facts_file_message(p->facts, NAME, "FFV1 cannot hold pictures of the form %s without loss",
                           name ? name : "?");
        return -ENOTSUP;
    }
    if (r == 0)
        r = copy_file_add(&v->out, v->video, &v->video_to);
    v->video_due = false;
    return r;
}

static int on_picture(void *state, const struct pass *p, const AVFrame *in, int64_t at_usec, bool key)
{
    struct preserve *v = state;
    AVFrame *out = NULL;
    int r = 0;

    if (!v->video) {
        if (v->out.begun)
            return 0;
        r = start_video(v, p, in, at_usec);
        if (r < 0)
            return r;
    }
    if (in->format != v->format || in->width != v->width || in->height != v->height)
        return refuse(p, -ENOTSUP,
                      "pictures change their size or form, which one preservation copy cannot hold,",
                      at_usec);
    r = repack_picture(v, in, &out);
    if (r == 0) {
        out->pts = MAX(at_usec, v->video_pts);
        out->pict_type = AV_PICTURE_TYPE_NONE;
        v->video_pts = out->pts + 1;
        v->pictures++;
        r = encode(v, p, v->video, v->video_to, out);
    }
    av_frame_free(&out);
    return r == 0 ? begin(v, p, false) : r;
}

static int repack_sound(struct preserve *v, const AVFrame *in, AVFrame **ret)
{
    AVFrame *out = av_frame_alloc();
    int r;

    *ret = out;
    if (!out)
        return -ENOMEM;
    if (!v->swr) {
        r = pass_errno(av_frame_ref(out, in));
        if (r == 0 && out->ch_layout.order == AV_CHANNEL_ORDER_UNSPEC)
            r = pass_errno(av_channel_layout_copy(&out->ch_layout, &v->audio->ch_layout));
        return r;
    }
    out->format = v->audio->sample_fmt;
    out->sample_rate = in->sample_rate;
    out->nb_samples = in->nb_samples;
    r = pass_errno(av_channel_layout_copy(&out->ch_layout, &v->audio->ch_layout));
    if (r == 0)
        r = pass_errno(av_frame_get_buffer(out, 0));
    if (r == 0)
        r = pass_errno(swr_convert(v->swr, out->extended_data, in->nb_samples,
                                   (const uint8_t **)in->extended_data, in->nb_samples));
    return r;
}

/* Encodes a block of samples; encoders of a fixed size get it in pieces of that size. */
static int encode_sound(struct preserve *v, const struct pass *p, AVFrame *all)
{
    /* FLAC takes any size for its last frame only: pieces are cut from a copy that is filled up */
    int size = v->audio->frame_size,
        bytes = av_get_bytes_per_sample(v->audio->sample_fmt) * v->audio->ch_layout.nb_channels;
    int done = 0, r = 0;

    if (size <= 0)
        return encode(v, p, v->audio, v->audio_to, all);
    while (r == 0 && done < all->nb_samples) {
        int have = v->repacked->data[0] ? v->repacked->nb_samples : 0,
            n = MIN(size - have, all->nb_samples - done);

        if (!v->repacked->data[0]) {
            v->repacked->format = all->format;
            v->repacked->sample_rate = all->sample_rate;
            v->repacked->nb_samples = size;
            r = pass_errno(av_channel_layout_copy(&v->repacked->ch_layout, &all->ch_layout));
            if (r == 0)
                r = pass_errno(av_frame_get_buffer(v->repacked, 0));
            if (r < 0)
                return r;
            v->repacked->pts = all->pts + done;
        }
        memcpy(v->repacked->data[0] + (size_t)have * (size_t)bytes,
               all->data[0] + (size_t)done * (size_t)bytes, (size_t)n * (size_t)bytes);
        v->repacked->nb_samples = have + n;
        done += n;
        if (have + n == size) {
            r = encode(v, p, v->audio, v->audio_to, v->repacked);
            av_frame_unref(v->repacked);
        }
    }
    return r;
}

static int start_audio(struct preserve *v, const struct pass *p, const AVFrame *in)
{
    int r = open_audio(v, p, in);

    if (r < 0 && r != -ENOMEM)
        facts_file_message(p->facts, NAME, "samples of the form %s cannot be held without loss",
                           av_get_sample_fmt_name((enum AVSampleFormat)in->format));
    if (r == 0)
        r = copy_file_add(&v->out, v->audio, &v->audio_to);
    v->audio_due = false;
    return r;
}

static int on_samples(void *state, const struct pass *p, const AVFrame *in, int64_t at_usec)
{
    struct preserve *v = state;
    AVFrame *out = NULL;
    int64_t pts;
    int r = 0;

    if (!v->audio) {
        if (v->out.begun)
            return 0;
        r = start_audio(v, p, in);
        if (r < 0)
            return r;
    }
    if (in->format != v->in_sample_format || in->sample_rate != v->audio->sample_rate ||
        in->ch_layout.nb_channels != v->audio->ch_layout.nb_channels)
        return refuse(p, -ENOTSUP,
                      "samples change their rate or form, which one preservation copy cannot hold,", at_usec);
    pts = av_rescale(at_usec, in->sample_rate, USEC_PER_SEC);
    /* trembling of times is not kept for single samples, gaps are */
    if (v->audio_pts > 0 && pts < v->audio_pts + in->sample_rate / 50 &&
        pts > v->audio_pts - in->sample_rate / 50)
        pts = v->audio_pts;
    r = repack_sound(v, in, &out);
    if (r == 0) {
        out->pts = MAX(pts, v->audio_pts);
        v->audio_pts = out->pts + in->nb_samples;
        r = encode_sound(v, p, out);
    }
    av_frame_free(&out);
    return r == 0 ? begin(v, p, false) : r;
}

/* Packets of streams that are kept as they are. */
static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct preserve *v = state;
    AVStream *to = st->index < STREAMS_MAX ? v->kept[st->index] : NULL;
    int64_t start = av_rescale_q(p->start_usec, AV_TIME_BASE_Q, st->time_base);
    int r;

    if (!to || (packet->pts == AV_NOPTS_VALUE && packet->dts == AV_NOPTS_VALUE))
        return 0;
    r = pass_errno(av_packet_ref(v->packet, packet));
    if (r < 0)
        return r;
    if (v->packet->pts != AV_NOPTS_VALUE)
        v->packet->pts -= start;
    if (v->packet->dts != AV_NOPTS_VALUE)
        v->packet->dts -= start;
    r = put(v, p, to, st->time_base, v->packet);
    av_packet_unref(v->packet);
    if (r == -EINVAL) { /* times that Matroska's rules do not allow */
        if (!v->backwards)
            note(v, "packets of stream %d are left out: their times go backwards", st->index);
        v->backwards = true;
        return 0;
    }
    return r;
}

static int say_made(const struct preserve *v, const struct pass *p)
{
    json_t *file = facts_file(p->facts, NAME);
    int r = file ? json_set_string(file, "how", "preserved") : -ENOMEM;

    if (r == 0 && v->video) {
        r = json_set_integer(file, "width", v->width);
        if (r == 0)
            r = json_set_integer(file, "height", v->height);
        if (r == 0)
            r = json_set_integer(file, "pictures", v->pictures);
    }
    if (r == 0 && v->audio)
        r = json_set_string(file, "sound", avcodec_get_name(v->audio->codec_id));
    if (v->said[0])
        facts_file_message(p->facts, NAME, "%s", v->said);
    return r;
}

static int on_end(void *state, const struct pass *p)
{
    struct preserve *v = state;
    int r = 0;

    if (v->audio && v->repacked->data[0])
        r = encode(v, p, v->audio, v->audio_to, v->repacked);
    if (r == 0 && v->video)
        r = encode(v, p, v->video, v->video_to, NULL);
    if (r == 0 && v->audio)
        r = encode(v, p, v->audio, v->audio_to, NULL);
    if (r == 0 && !v->video && !v->audio) {
        facts_file_message(p->facts, NAME, "nothing of the recording could be decoded");
        return -ENODATA;
    }
    if (r == 0)
        r = begin(v, p, true);
    if (r == 0)
        r = copy_file_end(&v->out);
    return r < 0 ? r : say_made(v, p);
}

int preserve_make(const struct pass *p, struct tap *ret)
{
    struct preserve *v = calloc(1, sizeof *v);
    int r = v ? copy_file_open(&v->out, plan_file(p->plan, NAME), "matroska") : -ENOMEM;

    if (!v)
        return r;
    v->video_due = p->video;
    v->audio_due = p->audio;
    v->packet = av_packet_alloc();
    v->repacked = av_frame_alloc();
    if (r == 0 && (!v->packet || !v->repacked))
        r = -ENOMEM;
    if (r == 0)
        r = keep_others(v, p);
    if (r < 0) {
        on_done(v);
        return r;
    }
    *ret = (struct tap){.name = "copy",
                        .state = v,
                        .pictures = p->video ? PICTURES_ALL : PICTURES_NONE,
                        .sound = p->audio != NULL,
                        .packet = on_packet,
                        .picture = on_picture,
                        .samples = on_samples,
                        .end = on_end,
                        .done = on_done};
    return 1;
}
