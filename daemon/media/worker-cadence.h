/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of the cadence (worker-cadence.c): intervals between the times at which pictures are shown and the rate that they come to
 * (worker-cadence-rate.c), and which packets are the second field of a picture (worker-cadence-field.c).
 */
#ifndef LIUHEN_MEDIA_WORKER_CADENCE_H
#define LIUHEN_MEDIA_WORKER_CADENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <libavformat/avformat.h>

#define INTERVAL_VALUES 512 /* different ones that are told apart */
#define INTERVAL_SLOTS  1024
#define REORDER_MOST    16 /* pictures that one may be moved by (H.264 and HEVC, max_dec_frame_buffering) */

struct interval {
    int64_t usec;
    uint64_t count;
};

/* Begins as all zeros. */
struct intervals {
    struct interval values[INTERVAL_SLOTS];
    size_t n_values;
    uint64_t steps; /* also those whose values are not told apart any more */
    int64_t steps_usec;
    int64_t order[REORDER_MOST + 1]; /* times that wait for earlier ones, ascending */
    size_t n_order;
    bool has_last;
    int64_t last_usec;
};

/* One interval. */
void intervals_count(struct intervals *i, int64_t usec);
/* A picture is shown at that time; pictures come in the order of decoding. */
void intervals_take(struct intervals *i, int64_t shown_usec);
/* Time is broken off here (a gap, a jump) or over: what waits is counted, and the next time begins anew. */
void intervals_break(struct intervals *i);
/* The median of the intervals counted; 0: none. */
int64_t intervals_median(const struct intervals *i);
/* Whether they are alike, but for how containers and phones round them; how many are, and how long these last together. */
bool intervals_constant(const struct intervals *i, int64_t tick_usec, uint64_t *ret_steps, int64_t *ret_usec);

/* The rate of steps intervals that last usec together: one of the usual ones where it is as near as ticks allow, else in thousandths. */
void cadence_rate(uint64_t steps, int64_t usec, int64_t tick_usec, int64_t *ret_num, int64_t *ret_den);

/* Whether any of the transport packets (step bytes apart, the sync byte first) announces a discontinuity. */
bool cadence_announced(const uint8_t *data, size_t size, size_t step);

/* Pairs of fields. NULL: packets of this stream are whole pictures, or nobody can tell (also when there is no memory). */
struct fields *fields_new(const AVStream *st);
struct fields *fields_free(struct fields *f);
/* Whether a packet, the next of the stream, is the second field of the picture that began before. f may be NULL. */
bool fields_second(struct fields *f, const AVPacket *packet);

#endif
