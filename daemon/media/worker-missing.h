/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Pictures that are missing from a recording without any trace in the data: a network recorder that lost packets, a writer that skipped
 * samples. Most decoders go on from an older picture then, say nothing, and show what was elsewhere before.
 */
#ifndef LIUHEN_MEDIA_WORKER_MISSING_H
#define LIUHEN_MEDIA_WORKER_MISSING_H

#include "media/worker-pass.h"

#define MISSING_STEPS   32 /* from packet to packet, that are remembered */
#define MISSING_PENDING 64

struct missing {
    int64_t last_ts; /* of the packet before, in its stream's time base; AV_NOPTS_VALUE: none */
    int64_t steps[MISSING_STEPS];
    unsigned n_steps;                      /* ever */
    unsigned since_key, least_keys;        /* packets since the last key picture; the least between two */
    int64_t pending_usec[MISSING_PENDING]; /* packets whose picture did not come yet */
    unsigned n_pending;
};

void missing_init(struct missing *m);
/* A packet of the video stream, in the order of the file. Return: whether pictures before it may be missing. */
bool missing_packet(struct missing *m, const struct pass *p, const AVPacket *packet);
/* A picture that came out. Return: whether one before it, already read, is still to come: then it was made from the wrong ones. */
bool missing_picture(struct missing *m, const struct pass *p, int64_t at_usec);

#endif
