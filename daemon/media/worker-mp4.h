/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * An MP4 file of the plan, written so that a browser can begin to play before it has all of it: its index comes first. Room for the index
 * is set aside where its size can be guessed; only where that was too little is the file shifted at the end.
 */
#ifndef LIUHEN_MEDIA_WORKER_MP4_H
#define LIUHEN_MEDIA_WORKER_MP4_H

#include "media/worker-pass.h"

struct mp4 {
    AVFormatContext *ctx;
    int file; /* index in the plan */
    int64_t at, end;
    int error;           /* of the first write that failed, negative errno */
    int64_t reserve;     /* bytes set aside for the index; 0: none */
    uint64_t packets[2]; /* by stream */
    int64_t last_dts[2];
    int64_t last_in[2]; /* the same before it was rescaled; of copied streams */
    bool sound_seen;
    uint32_t sound_head; /* what the first packet of copied sound said of itself */
};

/* Return: 0, -ENOMEM, -ENOTSUP. Streams are added to m->ctx with avformat_new_stream next, at most two. */
int mp4_init(struct mp4 *m, int file);
/* expect_packets: as well as it is known how many will come, 0: not at all. */
int mp4_begin(struct mp4 *m, uint64_t expect_packets);
/* Takes the packet's reference; its times are in from. Return: 0, -EILSEQ (times that no MP4 can have), -ENOSPC, … */
int mp4_packet(struct mp4 *m, int stream, AVPacket *packet, AVRational from);
/* Finishes the file. Return: 0 with its length in *ret_bytes, or negative errno. */
int mp4_end(struct mp4 *m, uint64_t *ret_bytes);
void mp4_done(struct mp4 *m);

#endif
