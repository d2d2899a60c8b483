/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The parts of a copy (worker-copy.c): the file it goes to, and its sound.
 */
#ifndef LIUHEN_MEDIA_WORKER_COPY_H
#define LIUHEN_MEDIA_WORKER_COPY_H

#include <libswresample/swresample.h>

#include "media/redaction.h"
#include "media/worker-pass.h"

/* A file that is muxed into a descriptor of the plan (worker-copy-file.c). */
struct copy_file {
    int file; /* index in the plan */
    int64_t at, bytes;
    AVFormatContext *ctx;
    AVIOContext *io;
    bool begun;
};
/* format: libav's name of the muxer. Return of all: 0 or negative errno. */
int copy_file_open(struct copy_file *f, int file, const char *format);
void copy_file_done(struct copy_file *f);
/* A stream for what an encoder makes; its time base and parameters. */
int copy_file_add(struct copy_file *f, const AVCodecContext *encoder, AVStream **ret);
int copy_file_begin(struct copy_file *f, const char *option, const char *value);
/* The packet's times are in time_base; it is taken. */
int copy_file_write(struct copy_file *f, const AVStream *to, AVRational time_base, AVPacket *packet);
/* All that an encoder has ready; frame NULL: the end. */
int copy_file_encode(struct copy_file *f, AVCodecContext *encoder, const AVStream *to, const AVFrame *frame,
                     AVPacket *packet);
int copy_file_end(struct copy_file *f);

/* The sound of a copy: silenced where the plan says so, then AAC (worker-copy-sound.c). */
struct copy_sound {
    const struct redaction *plan; /* borrowed; may have no ranges */
    AVCodecContext *encoder;
    AVStream *stream;
    struct SwrContext *swr, *rate; /* to floating point at its own rate; to the encoder's rate, or NULL */
    int in_rate, in_format;
    AVChannelLayout in_layout;
    AVFrame *block;   /* being filled for the encoder */
    int64_t next;     /* number of the next sample in, at in_rate */
    int64_t next_out; /* likewise, at the encoder's rate */
    bool begun;
    int64_t muted;       /* samples */
    int64_t unsure_usec; /* until then times may be wrong, as sound was lost before */
};
int copy_sound_init(struct copy_sound *s, const struct pass *p, const struct redaction *plan,
                    struct copy_file *f);
void copy_sound_done(struct copy_sound *s);
/* Some of it was lost or broken about now. */
void copy_sound_damaged(struct copy_sound *s, int64_t at_usec);
int copy_sound_take(struct copy_sound *s, struct copy_file *f, AVPacket *packet, const AVFrame *frame,
                    int64_t at_usec);
int copy_sound_end(struct copy_sound *s, struct copy_file *f, AVPacket *packet);

/* How the two kinds of copies are made, as taps. */
int render_make(const struct pass *p, struct tap *ret);   /* worker-render.c: release, redact */
int preserve_make(const struct pass *p, struct tap *ret); /* worker-preserve.c */

/* A released or redacted photo, "copy.jpg" (worker-copy-photo.c). Return: as a verb. */
struct job;
int copy_photo(struct job *job, const struct form *form);
#define COPY_COMMENT_MAX 128
/* What is said inside a redacted copy: the plan's digest, nothing of the original. In worker-render.c. */
void copy_comment(const struct redaction *plan, char ret[COPY_COMMENT_MAX]);
/* The plan of a redaction, held against its digest; of a release what it keeps open. In worker-render.c. */
int copy_read_plan(const json_t *plan, bool redact, struct redaction *ret, struct error *err);

#endif
