/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Finding the pictures of a recording that lost its index (worker-salvage.c).
 */
#ifndef LIUHEN_MEDIA_WORKER_SALVAGE_H
#define LIUHEN_MEDIA_WORKER_SALVAGE_H

#include "media/worker-input.h"

enum salvage_codec { SALVAGE_NONE, SALVAGE_H264, SALVAGE_HEVC };

struct salvage {
    enum salvage_codec codec;
    struct input_piece *pieces;
    size_t n_pieces;
    uint64_t total;  /* bytes of all pieces with their start codes */
    size_t pictures; /* slices among them */
};

/* Looks through the whole file. Return: 0 (codec SALVAGE_NONE: no parameter sets are in it) or -ENOMEM. */
int salvage_find(struct input *in, struct salvage *ret);
/* The input of which the pieces are read as one raw stream; both are to stay as long as it is used. What is lost becomes damage. */
struct facts;
void salvage_input(const struct salvage *s, struct input *in, struct facts *f, struct input *ret);
void salvage_done(struct salvage *s);

#endif
