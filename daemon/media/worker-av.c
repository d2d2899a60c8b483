/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening a file with libav (see worker-av.h). The demuxer is named by us, never probed for; nested opens are refused both by the
 * empty protocol list and by io_open.
 */
#include "media/worker-av.h"

#include <errno.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

#define IO_BUFFER   32768
#define ALLOC_MAX   ((size_t)512 << 20)
#define STREAMS_MAX 256
#define PROBE_BYTES (2 << 20)
#define INDEX_BYTES (32u << 20)

struct source {
    struct input *in;
    int64_t at;
};

struct opened {
    AVFormatContext *ctx;
    AVIOContext *io;
    struct source source;
};

static int on_read(void *userdata, uint8_t *buf, int size)
{
    struct source *s = userdata;
    ssize_t n = input_pread(s->in, buf, (size_t)size, (uint64_t)s->at);

    if (n < 0)
        return AVERROR((int)-n);
    if (n == 0)
        return AVERROR_EOF;
    s->at += n;
    return (int)n;
}

static int64_t on_seek(void *userdata, int64_t offset, int whence)
{
    struct source *s = userdata;
    int64_t base = 0;

    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return (int64_t)s->in->size;
    if (whence == SEEK_CUR)
        base = s->at;
    else if (whence == SEEK_END)
        base = (int64_t)s->in->size;
    if (__builtin_add_overflow(base, offset, &base) || base < 0)
        return AVERROR(EINVAL);
    return s->at = base;
}

static int on_interrupt(void *userdata)
{
    return input_expired(userdata);
}

static int on_open(AVFormatContext *ctx, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    return AVERROR(EACCES);
}

static void opened_done(struct opened *o)
{
    avformat_close_input(&o->ctx);
    if (o->io)
        av_freep(&o->io->buffer);
    avio_context_free(&o->io);
}

static void free_dict(AVDictionary **d)
{
    av_dict_free(d);
}

static int set_up(struct opened *o, struct input *in)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);

    o->source = (struct source){.in = in};
    o->io = buffer ? avio_alloc_context(buffer, IO_BUFFER, 0, &o->source, on_read, NULL, on_seek) : NULL;
    if (!o->io) {
        av_free(buffer);
        return AVERROR(ENOMEM);
    }
    o->ctx = avformat_alloc_context();
    if (!o->ctx)
        return AVERROR(ENOMEM);
    o->ctx->pb = o->io;
    o->ctx->io_open = on_open;
    o->ctx->interrupt_callback = (AVIOInterruptCB){on_interrupt, in};
    o->ctx->max_streams = STREAMS_MAX;
    o->ctx->probesize = PROBE_BYTES;
    o->ctx->max_index_size = INDEX_BYTES;
    return 0;
}

static int open_input(struct opened *o, const AVInputFormat *format)
{
    _cleanup_(free_dict) AVDictionary *options = NULL;
    int r = av_dict_set(&options, "codec_whitelist", AV_CODECS, 0);

    if (r >= 0)
        r = av_dict_set(&options, "format_whitelist", format->name, 0);
    if (r >= 0)
        r = av_dict_set(&options, "protocol_whitelist", "", 0);
    if (r < 0)
        return r;
    return avformat_open_input(&o->ctx, "", format, &options);
}

void av_facts(struct input *in, struct facts *f, const struct form *form)
{
    _cleanup_(opened_done) struct opened o = {0};
    const AVInputFormat *format = av_find_input_format(form->demuxer);
    char why[AV_ERROR_MAX_STRING_SIZE];
    int r;

    av_log_set_callback(av_log_default_callback);
    av_log_set_level(AV_LOG_QUIET);
    av_max_alloc(ALLOC_MAX);
    if (!format) {
        facts_damage(f, "the media library at hand cannot read %s", form->container);
        return;
    }
    r = set_up(&o, in);
    if (r >= 0)
        r = open_input(&o, format);
    if (r >= 0)
        r = avformat_find_stream_info(o.ctx, NULL);
    if (r == AVERROR(ENOMEM)) {
        f->failed = true;
        return;
    }
    if (r < 0 && !input_expired(in)) {
        av_strerror(r, why, sizeof why);
        facts_damage(f, "cannot be read as %s: %s", form->container, why);
    }
    if (!o.ctx)
        return;
    av_describe(o.ctx, f, form);
    if (r >= 0)
        av_check(o.ctx, in, f);
}
