/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The time of the pass: from the recording's start, never negative, never backwards by more than pictures are out of order, and without the
 * jumps that a recorder's clock makes (a new start, a wrap-around, another segment put behind). One for each stream that is looked at.
 */
#ifndef LIUHEN_MEDIA_WORKER_PASS_CLOCK_H
#define LIUHEN_MEDIA_WORKER_PASS_CLOCK_H

#include "media/worker-pass.h"

struct pass_clock {
    bool running;
    int64_t last_usec;  /* of the packet before, shifted */
    int64_t next_usec;  /* where the frame after the last one belongs, when it does not say */
    int64_t shift_usec; /* as told to the pass */
};

/* Notes a packet; where it jumps, *shift_usec is changed so that the stream goes on from where it was. other: the other stream's clock, whose
 * shift is taken when it fits too, so that both stay together. */
void pass_clock_packet(struct pass_clock *c, const struct pass_clock *other, const struct pass *p,
                       const AVStream *st, const AVPacket *packet, int64_t *shift_usec);
/* Moves a packet's times by its stream's shift, for its decoder: a frame that comes out late then has the shift of its packet. */
void pass_clock_shift(const struct pass *p, const AVStream *st, AVPacket *packet);
/* The time of a decoded frame (of packets that were shifted). */
int64_t pass_clock_frame(struct pass_clock *c, const struct pass *p, const AVStream *st,
                         const AVFrame *frame);

/* AVERROR as a negative errno. In worker-pass.c. */
int pass_errno(int averror);

#endif
