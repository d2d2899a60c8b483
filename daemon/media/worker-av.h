/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * libav, held short: one named demuxer, listed codecs, no protocols, reads through struct input only, one thread.
 */
#ifndef LIUHEN_MEDIA_WORKER_AV_H
#define LIUHEN_MEDIA_WORKER_AV_H

#include <libavformat/avformat.h>

#include "media/worker-sniff.h"

/* Opens with the form's demuxer and finds streams; headers: as far as headers tell, with no picture made for it where they suffice. Whatever stands in the way becomes damage. Return: 0, or AVERROR; *ret is
 * NULL, or what was opened as far as that went (close it with av_close). */
int av_open(struct input *in, const struct form *form, struct facts *f, bool headers, AVFormatContext **ret);
void av_close(AVFormatContext **ctx);

/* No sound has more samples a second; filters would be made for it all the same. */
#define AV_SOUND_RATE_MAX 1536000

/* How a stream's pictures are to be turned to be upright: 0, 90, 180 or 270, clockwise. */
int av_rotation(const AVStream *st);

/* What the demuxer and a few decoded pictures tell; problems become damage. */
/* A picture that a decoder refuses for its size is told of in libav's log only. Return: whether that is what it says; its sides then. */
bool av_log_of_size(const char *format, va_list ap, unsigned *ret_width, unsigned *ret_height);

void av_facts(struct input *in, struct facts *f, const struct form *form);

/* The parts of it, by file: streams, tags, times and places from an opened file (worker-av-facts.c) … */
void av_describe(AVFormatContext *ctx, struct facts *f, const struct form *form);
/* … and missing data and broken pictures (worker-av-check.c). */
void av_check(AVFormatContext *ctx, struct input *in, struct facts *f);

#define AV_CODECS                                                                                            \
    "h264,hevc,mpeg4,msmpeg4,msmpeg4v1,msmpeg4v2,mpeg1video,mpeg2video,mjpeg,mjpegb,h263,h263i,flv,vp8,vp9," \
    "libdav1d,"                                                                                              \
    "av1,ffv1,wmv1,wmv2,wmv3,vc1,dvvideo,prores,theora,rawvideo,svq1,svq3,cinepak,png,gif,webp,tiff,bmp,"    \
    "aac,aac_latm,mp3float,mp3,mp2float,mp2,ac3,eac3,amrnb,amrwb,opus,vorbis,flac,alac,gsm,gsm_ms,wmav1,"    \
    "wmav2,wmapro,"                                                                                          \
    "adpcm_ima_wav,adpcm_ima_qt,adpcm_ms,adpcm_g722,adpcm_g726,adpcm_g726le,adpcm_yamaha,adpcm_swf,qcelp,"   \
    "qdm2,"                                                                                                  \
    "pcm_alaw,pcm_mulaw,pcm_u8,pcm_s8,pcm_s16le,pcm_s16be,pcm_s24le,pcm_s24be,pcm_s32le,pcm_s32be,pcm_"      \
    "f32le,"                                                                                                 \
    "pcm_f32be,pcm_bluray,pcm_dvd"

#endif
