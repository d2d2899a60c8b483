/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Times of packets and frames in the pass (see worker-pass-clock.h).
 */
#include "media/worker-pass-clock.h"

#include <string.h>

/* Beyond this the clock jumped. Streams that are cut and put together (transport and program streams) do it often and have a picture every
 * few seconds at least; others may really be silent for long (a picture an hour is no jump), but do not go back. */
#define JUMP_DISCONTINUOUS (10 * USEC_PER_SEC)
#define JUMP_CONTINUOUS    (2 * USEC_PER_HOUR)
#define BACK_MOST          (5 * USEC_PER_SEC)
#define STEP_DEFAULT       (USEC_PER_SEC / 25)

static bool discontinuous(const struct pass *p)
{
    return (p->ctx->iformat->flags & AVFMT_TS_DISCONT) != 0;
}

/* AVI and streams of sound without a container have no times of it: they are worked out from a rate that is said once and need not be true.
 * Sound in them cannot overlap. */
static bool counts_samples(const struct pass *p)
{
    const char *name = p->ctx->iformat->name;

    return strcmp(name, "avi") == 0 || strcmp(name, "aac") == 0 || strcmp(name, "mp3") == 0;
}

static int64_t to_usec(const struct pass *p, const AVStream *st, int64_t ts)
{
    int64_t usec = av_rescale_q(ts, st->time_base, AV_TIME_BASE_Q);

    return usec == INT64_MIN ? INT64_MIN : av_sat_sub64(usec, p->start_usec);
}

static int64_t shift_of(const struct pass *p, const AVStream *st)
{
    return st == p->video ? p->video_shift_usec : st == p->audio ? p->audio_shift_usec : 0;
}

int64_t pass_packet_usec(const struct pass *p, const AVStream *stream, const AVPacket *packet)
{
    int64_t ts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts, usec;

    if (ts == AV_NOPTS_VALUE)
        return -1;
    usec = to_usec(p, stream, ts);
    return usec == INT64_MIN ? -1 : MAX(av_sat_add64(usec, shift_of(p, stream)), 0);
}

/* Whether from one packet of a stream to the next is more than time that went by. */
static bool jumps(const struct pass *p, int64_t from, int64_t to)
{
    int64_t by = av_sat_sub64(to, from);

    return by < -BACK_MOST || by > (discontinuous(p) ? JUMP_DISCONTINUOUS : JUMP_CONTINUOUS);
}

void pass_clock_packet(struct pass_clock *c, const struct pass_clock *other, const struct pass *p,
                       const AVStream *st, const AVPacket *packet, int64_t *shift_usec)
{
    int64_t ts = packet->dts != AV_NOPTS_VALUE ? packet->dts : packet->pts, at;

    if (ts == AV_NOPTS_VALUE || to_usec(p, st, ts) == INT64_MIN)
        return;
    at = to_usec(p, st, ts);
    if (!c->running) { /* a stream that starts late is no jump, one that starts a day late is */
        c->last_usec = other->running ? other->last_usec : 0;
        c->shift_usec = *shift_usec = 0;
    }
    if (jumps(p, c->last_usec, av_sat_add64(at, *shift_usec))) {
        if (other->running && !jumps(p, c->last_usec, av_sat_add64(at, other->shift_usec)))
            *shift_usec = other->shift_usec;
        else
            *shift_usec = av_sat_sub64(av_sat_add64(c->last_usec, STEP_DEFAULT), at);
        c->shift_usec = *shift_usec;
    }
    c->running = true;
    c->last_usec = av_sat_add64(at, *shift_usec);
}

void pass_clock_shift(const struct pass *p, const AVStream *st, AVPacket *packet)
{
    int64_t by = av_rescale_q(shift_of(p, st), AV_TIME_BASE_Q, st->time_base);

    if (packet->pts != AV_NOPTS_VALUE)
        packet->pts = av_sat_add64(packet->pts, by);
    if (packet->dts != AV_NOPTS_VALUE)
        packet->dts = av_sat_add64(packet->dts, by);
}

static int64_t step_of(const AVStream *st, const AVFrame *frame)
{
    AVRational rate = st->avg_frame_rate;

    if (frame->nb_samples > 0)
        return frame->sample_rate > 0 ? av_rescale(frame->nb_samples, USEC_PER_SEC, frame->sample_rate) : 0;
    if (rate.num > 0 && rate.den > 0 && rate.num / rate.den < 1000)
        return av_rescale_q(1, av_inv_q(rate), AV_TIME_BASE_Q);
    return STEP_DEFAULT;
}

int64_t pass_clock_frame(struct pass_clock *c, const struct pass *p, const AVStream *st, const AVFrame *frame)
{
    int64_t at = frame->best_effort_timestamp == AV_NOPTS_VALUE
                     ? INT64_MIN
                     : to_usec(p, st, frame->best_effort_timestamp);

    if (at == INT64_MIN)
        at = c->next_usec;
    else if (counts_samples(p) && st == p->audio)
        at = MAX(at, c->next_usec);
    else
        at = MAX(at, 0);
    c->next_usec = av_sat_add64(at, step_of(st, frame));
    return at;
}
