/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * One pass over a recording: it is demuxed and decoded once, and everything that wants packets, pictures or sound (the proxy, the
 * poster, the sprite, the peaks, facts that only decoding shows, a redacted copy) is a tap on it. The pass decides what has to be
 * decoded from what its taps ask for: nothing, key pictures only, or all.
 */
#ifndef LIUHEN_MEDIA_WORKER_PASS_H
#define LIUHEN_MEDIA_WORKER_PASS_H

#include <stdbool.h>

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>

#include "base/json.h"
#include "media/worker-facts.h"
#include "media/worker-input.h"
#include "media/worker-sniff.h"

/* How much of the pictures a tap needs. The most demanding tap decides; others get no less than they asked for. */
enum pictures {
    PICTURES_NONE,
    PICTURES_KEY,   /* key pictures only */
    PICTURES_EARLY, /* all up to tap.early_usec, then key pictures */
    PICTURES_ALL,
};

struct pass {
    struct input *in;
    const json_t *plan; /* borrowed */
    struct facts *facts;
    AVFormatContext *ctx;
    /* The streams that are looked at, and their decoders once anybody wants them; NULL: there is none. */
    AVStream *video, *audio;
    AVCodecContext *video_decoder, *audio_decoder;
    int rotation; /* clockwise, 0, 90, 180, 270: how pictures have to be turned to be upright */
    int64_t
        start_usec; /* of the earliest stream; all times that taps get are from here, and never negative */
    int64_t duration_usec; /* as well as it is known; 0: not */
    /* What has been added to the times of each because the recording's clock jumped: pictures and samples come with it, packets
     * without. */
    int64_t video_shift_usec, audio_shift_usec;
    bool no_copy;                     /* nothing may be copied into the proxy: it was tried */
    bool truncated;                   /* the end of the data came unasked for, or reading failed */
    uint64_t pictures, pictures_lost; /* decoded; given to the decoder, that made nothing of them */
    uint64_t picture_errors;          /* of both: broken, concealed or lost */
    uint64_t sound_errors;
    uint64_t passed_over; /* packets of pictures that nobody wanted decoded: damage in them is not seen */
    bool by_device;       /* pictures were decoded by hardware: damage within them is not seen */
};

/* A tap. Any function may be NULL. Return of each: 0, 1 (of picture: it has all the pictures it wants), or a negative errno: the tap is taken out and its failure noted under its name (the
 * others go on); -ENOMEM, -ENOSPC, -EFBIG and -EREMOTEIO (worker-hardware.h) end the pass. */
struct tap {
    const char *name; /* "proxy", "poster", "sprite", "peaks", "qr", "black", "silence", "cadence", … */
    void *state;
    enum pictures pictures;
    int64_t early_usec; /* with PICTURES_EARLY */
    int64_t
        spacing_usec; /* where key pictures are enough: one in so long a time is; 0: all of them are wanted */
    bool
        rough; /* pictures that no other refers to may come without their last smoothing: it shrinks them anyway */
    bool sound;
    /* Every packet of the file, also of streams that nobody decodes (trails, subtitles). */
    int (*packet)(void *state, const struct pass *p, const AVStream *stream, const AVPacket *packet);
    /* A picture as decoded: not turned, not scaled. at_usec from the pass's start; key: a key picture. Not to be changed: av_frame_ref or copy. */
    int (*picture)(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec, bool key);
    int (*samples)(void *state, const struct pass *p, const AVFrame *frame, int64_t at_usec);
    /* The end; files are finished (say_output) and facts written here. Also called after a truncated pass, not after a failed one. */
    int (*end)(void *state, const struct pass *p);
    void (*done)(void *state); /* frees; always called once */
    int result;                /* of the pass: 0, or why the tap was taken out */
};

#define TAPS_MAX 24

/* Opens the recording (worker-av.c: one named demuxer, listed codecs, no protocols), chooses streams. Return: 0, negative errno with damage noted in facts. */
int pass_open(struct pass *p, struct input *in, const struct form *form, const json_t *plan,
              struct facts *facts);
/* Runs it to the end of the recording, the soft deadline of the input, or until every tap is out. Return: 0 or negative errno. */
int pass_run(struct pass *p, struct tap *taps, size_t n);
void pass_close_decoders(struct pass *p); /* they and their threads; what is known of the recording stays */
void pass_close(struct pass *p);
/* When a packet of the video or audio stream is shown (its pts; dts where it has none), as pictures and samples are told; -1: not known. */
int64_t pass_packet_usec(const struct pass *p, const AVStream *stream, const AVPacket *packet);

/* Makers of taps, one a file. Return: 1 (made), 0 (the recording or the plan gives it nothing to do), negative errno. */
int tap_proxy(const struct pass *p, struct tap *ret);   /* worker-proxy.c: "proxy.mp4", encoded or remuxed */
int tap_poster(const struct pass *p, struct tap *ret);  /* worker-poster.c: "poster.jpg" */
int tap_sprite(const struct pass *p, struct tap *ret);  /* worker-sprite.c: "sprite.jpg", "sprite.vtt" */
int tap_peaks(const struct pass *p, struct tap *ret);   /* worker-peaks.c: "peaks.json"; and silence */
int tap_black(const struct pass *p, struct tap *ret);   /* worker-black.c: decoded.black */
int tap_qr(const struct pass *p, struct tap *ret);      /* worker-qr.c: decoded.qr */
int tap_cadence(const struct pass *p, struct tap *ret); /* worker-cadence.c: decoded.rate, gaps, jumps */
int tap_signed(const struct pass *p, struct tap *ret);  /* worker-signed.c: decoded.signed */
int tap_trail(const struct pass *p, struct tap *ret);   /* worker-trail.c: "trail.gpx", decoded.trail */
int tap_copy(
    const struct pass *p,
    struct tap *ret); /* worker-copy.c: "copy.mkv" or "copy.mp4": redacted, marked or for preservation */

#endif
