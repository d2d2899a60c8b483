/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Missing pictures (see worker-missing.h), told by the clock: a step from one packet to the next that is longer than steps usually are. Where
 * pictures come at no steady rate, the longer of the last steps are usual, and one that is no longer than those is taken for one of them.
 *
 * H.264 and HEVC number their pictures, and their decoders notice a number that is left out (worker-render.c listens); the numbers of
 * H.264 go around after 16 pictures or more, and begin anew at key pictures. So with those two only such steps count in which so many can be
 * missing, or in which a key picture can be. Codecs without pictures that refer to others miss nothing.
 */
#include "media/worker-missing.h"

#include <string.h>

#include <libavcodec/avcodec.h>

#define LATER         4 /* as many of the remembered steps as are longest: the last of them is the usual one */
#define ZEROS_MOST    32
#define NUMBERS_LEAST 16 /* ITU-T H.264 7.4.2.1.1: MaxFrameNum */

void missing_init(struct missing *m)
{
    *m = (struct missing){.last_ts = AV_NOPTS_VALUE};
}

static bool intra_only(enum AVCodecID id)
{
    const AVCodecDescriptor *d = avcodec_descriptor_get(id);

    return d && (d->props & AV_CODEC_PROP_INTRA_ONLY);
}

static bool numbered(enum AVCodecID id)
{
    return id == AV_CODEC_ID_H264 || id == AV_CODEC_ID_HEVC;
}

/* Codecs whose pictures come out in the order of their times, each as soon as those before it are out. */
static bool orderly(enum AVCodecID id)
{
    return id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO || id == AV_CODEC_ID_MPEG4 ||
           id == AV_CODEC_ID_VC1 || id == AV_CODEC_ID_WMV3;
}

static int64_t said_step(const AVStream *st)
{
    AVRational rate = st->avg_frame_rate;

    return rate.num > 0 && rate.den > 0 ? av_rescale_q(1, av_inv_q(rate), st->time_base) : INT64_MAX;
}

/* How long a step usually is: of the last ones nearly the longest; before there are enough, no less than what the recording says. */
static int64_t usual_step(const struct missing *m, const AVStream *st)
{
    int64_t most[LATER] = {0};
    unsigned n = MIN(m->n_steps, (unsigned)MISSING_STEPS);

    for (unsigned i = 0; i < n; i++) {
        int64_t v = m->steps[i];

        for (unsigned j = 0; j < LATER; j++)
            if (v > most[j]) {
                int64_t less = most[j];

                most[j] = v;
                v = less;
            }
    }
    return n < MISSING_STEPS / 2 ? MAX(most[LATER - 1], said_step(st)) : most[LATER - 1];
}

/* Whether a key picture can be among so many that are missing, and the numbers behind it fit those before it. The order that HEVC counts in
 * is told for each picture that is referred to: what fits there by chance is one in hundreds. */
static bool hides_key(const struct missing *m, enum AVCodecID id, int64_t lost)
{
    return id == AV_CODEC_ID_H264 && m->since_key + lost >= MAX(m->least_keys, (unsigned)NUMBERS_LEAST);
}

static bool judge_step(struct missing *m, const AVStream *st, int64_t step)
{
    int64_t usual = usual_step(m, st), lost;
    bool strange;

    if (step < 0)
        return true;
    strange = usual < INT64_MAX / 16 && step > usual + usual / 2 + usual / 8;
    if (strange && numbered(st->codecpar->codec_id)) {
        lost = step / MAX(usual, 1);
        strange = lost >= NUMBERS_LEAST || hides_key(m, st->codecpar->codec_id, lost);
    }
    if (step > 0)
        m->steps[m->n_steps++ % MISSING_STEPS] = step;
    return strange;
}

static void note_key(struct missing *m)
{
    if (m->since_key && (m->least_keys == 0 || m->since_key < m->least_keys))
        m->least_keys = m->since_key;
    m->since_key = 0;
}

static void note_pending(struct missing *m, int64_t at_usec)
{
    if (m->n_pending == MISSING_PENDING)
        memmove(m->pending_usec, m->pending_usec + 1, (size_t)--m->n_pending * sizeof *m->pending_usec);
    m->pending_usec[m->n_pending++] = at_usec;
}

/* Whether a part of the packet was never written: no compressed picture has so many bytes of zero on end, but where MPEG-1 and -2 stuff. */
static bool has_hole(enum AVCodecID id, const AVPacket *packet)
{
    int run = 0;

    if (id == AV_CODEC_ID_MPEG1VIDEO || id == AV_CODEC_ID_MPEG2VIDEO)
        return false;
    for (int i = 0; i < packet->size && run < ZEROS_MOST; i++)
        run = packet->data[i] ? 0 : run + 1;
    return run >= ZEROS_MOST;
}

/* When it was to be decoded; AV_NOPTS_VALUE: not known, and times of showing are in another order. */
static int64_t time_of(const AVStream *st, const AVPacket *packet)
{
    if (packet->dts != AV_NOPTS_VALUE || st->codecpar->video_delay > 0)
        return packet->dts;
    return packet->pts;
}

bool missing_packet(struct missing *m, const struct pass *p, const AVPacket *packet)
{
    const AVStream *st = p->video;
    int64_t ts = time_of(st, packet);
    bool strange = false;

    if (intra_only(st->codecpar->codec_id))
        return false;
    if (orderly(st->codecpar->codec_id) && packet->pts != AV_NOPTS_VALUE && packet->size > 0)
        note_pending(m, pass_packet_usec(p, st, packet));
    if (ts != AV_NOPTS_VALUE && m->last_ts != AV_NOPTS_VALUE)
        strange = judge_step(m, st, av_sat_sub64(ts, m->last_ts));
    m->last_ts = ts;
    if (packet->flags & AV_PKT_FLAG_KEY)
        note_key(m);
    m->since_key++;
    return strange || has_hole(st->codecpar->codec_id, packet);
}

bool missing_picture(struct missing *m, const struct pass *p, int64_t at_usec)
{
    unsigned own = 0, n = 0;
    bool early = false;

    if (!orderly(p->video->codecpar->codec_id))
        return false;
    while (own < m->n_pending && m->pending_usec[own] != at_usec)
        own++;
    for (unsigned i = 0; i < m->n_pending; i++) {
        early |= i < own && own < m->n_pending && m->pending_usec[i] < at_usec;
        if (m->pending_usec[i] > at_usec)
            m->pending_usec[n++] = m->pending_usec[i];
    }
    m->n_pending = n;
    return early;
}
