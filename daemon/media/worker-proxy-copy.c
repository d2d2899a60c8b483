/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What browsers can play as it is, and copying it (see worker-proxy.h). In doubt a stream is encoded: that costs time, a proxy that does not
 * play costs the viewer.
 */
#include <errno.h>
#include <string.h>

#include <libavutil/avstring.h>

#include "media/worker-nal.h"
#include "media/worker-proxy.h"

#define SIDE_LONG     1920
#define SIDE_SHORT    1088
#define LEVEL_MAX     52
#define INDEX_LOOKS   200000
#define KEY_APART_MAX (12 * USEC_PER_SEC)
#define CHANNELS_MAX  6

#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(60, 31, 100)
#define H264_BASELINE AV_PROFILE_H264_CONSTRAINED_BASELINE
#define H264_BASE     AV_PROFILE_H264_BASELINE
#define H264_MAIN     AV_PROFILE_H264_MAIN
#define H264_HIGH     AV_PROFILE_H264_HIGH
#define AAC_LOW       AV_PROFILE_AAC_LOW
#else
#define H264_BASELINE FF_PROFILE_H264_CONSTRAINED_BASELINE
#define H264_BASE     FF_PROFILE_H264_BASELINE
#define H264_MAIN     FF_PROFILE_H264_MAIN
#define H264_HIGH     FF_PROFILE_H264_HIGH
#define AAC_LOW       FF_PROFILE_AAC_LOW
#endif

/* Containers whose demuxers give each packet its times. */
static bool times_are_good(const struct pass *p)
{
    static const char *const good[] = {"mp4", "matroska", "mpegts", "flv"};

    for (size_t i = 0; i < ARRAY_SIZE(good); i++)
        if (av_match_name(good[i], p->ctx->iformat->name))
            return true;
    return false;
}

/* An index that leaves pictures out (edit lists), or with a key picture only now and then: seeking in it would not be what a viewer expects. */
static bool index_is_plain(const struct pass *p)
{
    int n = avformat_index_get_entries_count(p->video), keys = 0;

    if (!av_match_name("mp4", p->ctx->iformat->name))
        return true;
    for (int i = 0; i < n && i < INDEX_LOOKS; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(p->video, i);

        if (e && (e->flags & AVINDEX_DISCARD_FRAME))
            return false;
        keys += e && (e->flags & AVINDEX_KEYFRAME);
    }
    return n > INDEX_LOOKS || keys == 0 || p->duration_usec / keys <= KEY_APART_MAX;
}

bool copy_video_fits(const struct pass *p)
{
    const AVCodecParameters *c = p->video->codecpar;
    bool profile = c->profile == H264_BASELINE || c->profile == H264_BASE || c->profile == H264_MAIN ||
                   c->profile == H264_HIGH;
    bool pixels = c->format == AV_PIX_FMT_YUV420P || c->format == AV_PIX_FMT_YUVJ420P;
    bool progressive = c->field_order == AV_FIELD_PROGRESSIVE || c->field_order == AV_FIELD_UNKNOWN;

    return c->codec_id == AV_CODEC_ID_H264 && profile && pixels && progressive && c->level <= LEVEL_MAX &&
           c->extradata_size > 0 && MAX(c->width, c->height) <= SIDE_LONG &&
           MIN(c->width, c->height) <= SIDE_SHORT && times_are_good(p) && index_is_plain(p);
}

bool copy_audio_fits(const struct pass *p)
{
    const AVCodecParameters *c = p->audio->codecpar;
    bool aac = c->codec_id == AV_CODEC_ID_AAC && c->profile == AAC_LOW &&
               (c->extradata_size > 0 || !av_match_name("mp4", p->ctx->iformat->name));
    bool mp3 = c->codec_id == AV_CODEC_ID_MP3 && c->sample_rate >= 16000 &&
               av_match_name("mp4", p->ctx->iformat->name);
    bool container = times_are_good(p) || (!p->video && av_match_name("aac", p->ctx->iformat->name));

    return (aac || mp3) && container && c->ch_layout.nb_channels <= CHANNELS_MAX && c->sample_rate <= 96000;
}

static int copy_matrix(AVStream *to, const AVStream *from)
{
#if LIBAVFORMAT_VERSION_INT < AV_VERSION_INT(60, 15, 100)
    size_t size = 0;
    const uint8_t *data = av_stream_get_side_data(from, AV_PKT_DATA_DISPLAYMATRIX, &size);
    uint8_t *copy = data ? av_stream_new_side_data(to, AV_PKT_DATA_DISPLAYMATRIX, size) : NULL;

    if (data && !copy)
        return -ENOMEM;
    if (copy)
        memcpy(copy, data, size);
#endif
    return 0; /* later libraries have it among the parameters */
}

int copy_stream(struct mp4 *m, const struct pass *p, const AVStream *st, int *ret)
{
    AVStream *to = avformat_new_stream(m->ctx, NULL);

    if (!to || avcodec_parameters_copy(to->codecpar, st->codecpar) < 0)
        return -ENOMEM;
    to->codecpar->codec_tag = 0; /* the muxer's own */
    to->time_base = st->time_base;
    to->avg_frame_rate = st->avg_frame_rate;
    to->sample_aspect_ratio = st->sample_aspect_ratio;
    *ret = to->index;
    return copy_matrix(to, st);
}

static void free_packet(AVPacket **p)
{
    av_packet_free(p);
}

/* ADTS says its profile, rate and channels before each packet of AAC (ISO/IEC 13818-7, 6.2.1); MP4 says it once. */
static bool same_sound(struct mp4 *m, const AVStream *st, const AVPacket *packet)
{
    const uint8_t *d = packet->data;
    uint32_t head;

    if (st->codecpar->codec_id != AV_CODEC_ID_AAC || st->codecpar->extradata_size > 0 || packet->size < 7 ||
        d[0] != 0xFF || (d[1] & 0xF6) != 0xF0)
        return true;
    head = (d[2] & 0xFDu) << 2 | d[3] >> 6; /* but the private bit */
    if (!m->sound_seen)
        m->sound_head = head;
    m->sound_seen = true;
    return m->sound_head == head;
}

/* Matroska has no dts; libav works them out, but not of the first packets: those lie a picture apart, as many before the first one as pictures
 * are out of order. */
static int64_t guess_dts(const struct mp4 *m, int stream, const AVStream *st, int64_t pts)
{
    AVRational rate =
        st->avg_frame_rate.num > 0 && st->avg_frame_rate.den > 0 ? st->avg_frame_rate : (AVRational){25, 1};
    int64_t step = MAX(av_rescale_q(1, av_inv_q(rate), st->time_base), 1);

    if (m->packets[stream] == 0)
        return av_sat_sub64(pts, step * MIN(MAX(st->codecpar->video_delay, 0), 16));
    return MIN(av_sat_add64(m->last_in[stream], step), pts);
}

int copy_packet(struct mp4 *m, int stream, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    _cleanup_(free_packet) AVPacket *copy = NULL;
    int64_t by = (st == p->video ? p->video_shift_usec : p->audio_shift_usec) - p->start_usec;
    int r;

    if (packet->size == 0)
        return 0;
    if (av_packet_get_side_data(packet, AV_PKT_DATA_NEW_EXTRADATA, NULL))
        return -EXDEV; /* other parameters from here on, which MP4 has no place for */
    if ((packet->flags & AV_PKT_FLAG_CORRUPT) ||
        !(st == p->video ? nal_fits_header(st->codecpar, packet->data, (size_t)packet->size)
                         : same_sound(m, st, packet)))
        return -EXDEV; /* players stop where a decoder of ours goes on */
    copy = av_packet_clone(packet);
    if (!copy)
        return -ENOMEM;
    by = av_rescale_q(by, AV_TIME_BASE_Q, st->time_base);
    if (copy->dts == AV_NOPTS_VALUE && st == p->audio)
        copy->dts = copy->pts;
    if (copy->pts == AV_NOPTS_VALUE && st == p->audio)
        copy->pts = copy->dts;
    if (copy->dts == AV_NOPTS_VALUE && copy->pts != AV_NOPTS_VALUE)
        copy->dts = guess_dts(m, stream, st, copy->pts);
    if (copy->pts == AV_NOPTS_VALUE || copy->dts == AV_NOPTS_VALUE)
        return m->packets[stream] ? -EXDEV
                                  : 0; /* what comes before the first time is known cannot be shown alone */
    m->last_in[stream] = copy->dts;
    copy->pts = av_sat_add64(copy->pts, by);
    copy->dts = av_sat_add64(copy->dts, by);
    r = mp4_packet(m, stream, copy, st->time_base);
    return r == -EILSEQ || r == -EBADMSG || r == -EINVAL ? -EXDEV : r;
}
