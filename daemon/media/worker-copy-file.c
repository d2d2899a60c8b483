/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Muxing into a descriptor that was given (see worker-copy.h). Nothing is ever opened: where the MP4 muxer opens its output a second time
 * to move the index to the front, it gets a reader of the same descriptor.
 */
#include "media/worker-copy.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define IO_BUFFER       65536
#define INTERLEAVE_USEC 2000000 /* how long packets of one stream wait for those of another; bounds memory */

#if LIBAVFORMAT_VERSION_MAJOR >= 61
static int on_write(void *userdata, const uint8_t *data, int size)
#else
static int on_write(void *userdata, uint8_t *data, int size)
#endif
{
    struct copy_file *f = userdata;
    int done = 0;

    while (done < size) {
        ssize_t n = pwrite(plan_fd(f->file), data + done, (size_t)(size - done), f->at + done);

        if (n < 0 && errno != EINTR)
            return AVERROR(errno);
        done += n > 0 ? (int)n : 0;
    }
    f->at += size;
    f->bytes = MAX(f->bytes, f->at);
    return size;
}

static int64_t seek_to(int64_t *at, int64_t bytes, int64_t offset, int whence)
{
    int64_t base = 0;

    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return bytes;
    if (whence == SEEK_CUR)
        base = *at;
    else if (whence == SEEK_END)
        base = bytes;
    if (__builtin_add_overflow(base, offset, &base) || base < 0)
        return AVERROR(EINVAL);
    return *at = base;
}

static int64_t on_seek(void *userdata, int64_t offset, int whence)
{
    struct copy_file *f = userdata;

    return seek_to(&f->at, f->bytes, offset, whence);
}

/* A reader of the same file, with a place of its own. */
struct reader {
    struct copy_file *f;
    int64_t at;
};

static int on_read(void *userdata, uint8_t *data, int size)
{
    struct reader *r = userdata;
    ssize_t n = pread(plan_fd(r->f->file), data, (size_t)size, r->at);

    if (n <= 0)
        return n < 0 ? AVERROR(errno) : AVERROR_EOF;
    r->at += n;
    return (int)n;
}

static int64_t on_read_seek(void *userdata, int64_t offset, int whence)
{
    struct reader *r = userdata;

    return seek_to(&r->at, r->f->bytes, offset, whence);
}

static int on_open(AVFormatContext *ctx, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    struct reader *r;
    uint8_t *buffer;

    if (flags & AVIO_FLAG_WRITE)
        return AVERROR(EACCES);
    r = malloc(sizeof *r);
    buffer = av_malloc(IO_BUFFER);
    if (r)
        *r = (struct reader){.f = ctx->opaque};
    *io = r && buffer ? avio_alloc_context(buffer, IO_BUFFER, 0, r, on_read, NULL, on_read_seek) : NULL;
    if (*io)
        return 0;
    free(r);
    av_free(buffer);
    return AVERROR(ENOMEM);
}

static int on_close(AVFormatContext *ctx, AVIOContext *io)
{
    if (io && io != ctx->pb) {
        free(io->opaque);
        av_freep(&io->buffer);
        avio_context_free(&io);
    }
    return 0;
}

int copy_file_open(struct copy_file *f, int file, const char *format)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);
    int r;

    *f = (struct copy_file){.file = file};
    f->io = buffer ? avio_alloc_context(buffer, IO_BUFFER, 1, f, NULL, on_write, on_seek) : NULL;
    if (!f->io) {
        av_free(buffer);
        return -ENOMEM;
    }
    r = avformat_alloc_output_context2(&f->ctx, NULL, format, "");
    if (r < 0)
        return pass_errno(r);
    f->ctx->pb = f->io;
    f->ctx->opaque = f;
    f->ctx->io_open = on_open;
    f->ctx->io_close2 = on_close;
    f->ctx->flags |= AVFMT_FLAG_CUSTOM_IO | AVFMT_FLAG_BITEXACT; /* no date, no version of ours either */
    f->ctx->max_interleave_delta = INTERLEAVE_USEC;
    return 0;
}

void copy_file_done(struct copy_file *f)
{
    avformat_free_context(f->ctx);
    if (f->io)
        av_freep(&f->io->buffer);
    avio_context_free(&f->io);
    *f = (struct copy_file){0};
}

int copy_file_add(struct copy_file *f, const AVCodecContext *encoder, AVStream **ret)
{
    AVStream *st = avformat_new_stream(f->ctx, NULL);
    int r;

    if (!st)
        return -ENOMEM;
    r = avcodec_parameters_from_context(st->codecpar, encoder);
    st->time_base = encoder->time_base;
    st->sample_aspect_ratio = encoder->sample_aspect_ratio;
    st->avg_frame_rate = encoder->framerate;
    *ret = st;
    return pass_errno(r);
}

int copy_file_begin(struct copy_file *f, const char *option, const char *value)
{
    AVDictionary *options = NULL;
    int r = av_dict_set(&options, option, value, 0);

    if (r >= 0)
        r = avformat_write_header(f->ctx, &options);
    av_dict_free(&options);
    f->begun = r >= 0;
    return pass_errno(r);
}

int copy_file_write(struct copy_file *f, const AVStream *to, AVRational time_base, AVPacket *packet)
{
    packet->stream_index = to->index;
    av_packet_rescale_ts(packet, time_base, to->time_base);
    return pass_errno(av_interleaved_write_frame(f->ctx, packet));
}

int copy_file_encode(struct copy_file *f, AVCodecContext *encoder, const AVStream *to, const AVFrame *frame,
                     AVPacket *packet)
{
    int r = avcodec_send_frame(encoder, frame);

    while (r >= 0) {
        r = avcodec_receive_packet(encoder, packet);
        if (r == AVERROR(EAGAIN) || r == AVERROR_EOF)
            return 0;
        if (r >= 0)
            r = copy_file_write(f, to, encoder->time_base, packet);
    }
    return r == AVERROR_EOF ? 0 : pass_errno(r);
}

int copy_file_end(struct copy_file *f)
{
    int r = pass_errno(av_write_trailer(f->ctx));

    avio_flush(f->io);
    if (r == 0)
        r = pass_errno(f->io->error);
    if (r == 0)
        say_output((unsigned)f->file, (uint64_t)f->bytes);
    return r;
}
