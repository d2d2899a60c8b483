/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of the proxy: encoded pictures (worker-proxy-video.c) and encoded sound (worker-proxy-sound.c), and who decides that a stream is
 * only copied (worker-proxy-copy.c). Each is given frames and writes packets into the MP4.
 */
#ifndef LIUHEN_MEDIA_WORKER_PROXY_H
#define LIUHEN_MEDIA_WORKER_PROXY_H

#include "media/worker-mp4.h"
#include "media/worker-pass.h"
#include "media/worker-scale.h"

/* Whether browsers can play a stream as it is. */
bool copy_video_fits(const struct pass *p);
bool copy_audio_fits(const struct pass *p);
/* A stream of the MP4 with the recording's parameters. Return: 0 with its index in *ret, negative errno. */
int copy_stream(struct mp4 *m, const struct pass *p, const AVStream *st, int *ret);
/* Return: 0, -EXDEV (its times cannot be copied: it has to be encoded), and as mp4_packet. */
int copy_packet(struct mp4 *m, int stream, const struct pass *p, const AVStream *st, const AVPacket *packet);

struct video_encoder {
    AVCodecContext *codec;
    bool by_device; /* worker-hardware.h */
    AVPacket *packet;
    struct scaler scaler;
    int stream;
    int64_t last_usec, last_key_usec, step_usec; /* last_usec -1: nothing yet */
    uint64_t pictures;
};
int video_encoder_init(struct video_encoder *e, struct mp4 *m, const struct pass *p);
int video_encoder_picture(struct video_encoder *e, struct mp4 *m, const AVFrame *frame, int64_t at_usec);
int video_encoder_end(struct video_encoder *e, struct mp4 *m);
void video_encoder_done(struct video_encoder *e);

struct SwrContext;
struct AVAudioFifo;
struct sound_encoder {
    AVCodecContext *codec;
    AVPacket *packet;
    AVFrame *frame; /* of the encoder's size */
    struct SwrContext *swr;
    struct AVAudioFifo *fifo;
    uint8_t *room[2]; /* converted samples */
    int room_samples;
    int in_rate, in_format;
    AVChannelLayout in_layout;
    int stream;
    int64_t given, written; /* samples put into the fifo; handed to the encoder */
    int64_t filled;         /* of them silence for gaps */
};
int sound_encoder_init(struct sound_encoder *e, struct mp4 *m, const struct pass *p);
int sound_encoder_samples(struct sound_encoder *e, struct mp4 *m, const AVFrame *frame, int64_t at_usec);
int sound_encoder_end(struct sound_encoder *e, struct mp4 *m);
void sound_encoder_done(struct sound_encoder *e);

#endif
