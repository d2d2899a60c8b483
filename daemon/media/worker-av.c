/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Opening a file with libav (see worker-av.h). The demuxer is named by us, never probed for; nested opens are refused both by the
 * empty protocol list and by io_open.
 */
#include "media/worker-av.h"

#include <errno.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/opt.h>

#define IO_BUFFER   32768
#define ALLOC_MAX   ((size_t)512 << 20)
#define STREAMS_MAX 256 /* a recording has three or four */
#define PROBE_BYTES (2 << 20)
#define INDEX_BYTES (32u << 20)

struct source {
    struct input *in;
    int64_t at;
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

static void free_dict(AVDictionary **d)
{
    av_dict_free(d);
}

void av_close(AVFormatContext **ctx)
{
    AVIOContext *io = *ctx ? (*ctx)->pb : NULL;

    avformat_close_input(ctx);
    if (io) {
        av_freep(&io->opaque);
        av_freep(&io->buffer);
    }
    avio_context_free(&io);
}

static AVIOContext *new_io(struct input *in)
{
    struct source *source = av_malloc(sizeof *source);
    uint8_t *buffer = av_malloc(IO_BUFFER);
    AVIOContext *io = NULL;

    if (source && buffer)
        io = avio_alloc_context(buffer, IO_BUFFER, 0, source, on_read, NULL, on_seek);
    if (!io) {
        av_free(buffer);
        av_free(source);
        return NULL;
    }
    *source = (struct source){.in = in};
    return io;
}

static int set_up(AVFormatContext **ret, struct input *in)
{
    AVFormatContext *ctx = avformat_alloc_context();

    if (!ctx)
        return AVERROR(ENOMEM);
    ctx->pb = new_io(in);
    if (!ctx->pb) {
        avformat_free_context(ctx);
        return AVERROR(ENOMEM);
    }
    ctx->io_open = on_open;
    ctx->interrupt_callback = (AVIOInterruptCB){on_interrupt, in};
    ctx->max_streams = STREAMS_MAX;
    ctx->probesize = PROBE_BYTES;
    ctx->max_index_size = INDEX_BYTES;
    *ret = ctx;
    return 0;
}

/* avformat_open_input frees the context where it fails, and leaves our io behind. */
static int open_input(AVFormatContext **ctx, const AVInputFormat *format)
{
    _cleanup_(free_dict) AVDictionary *options = NULL;
    AVIOContext *io = (*ctx)->pb;
    int r = av_dict_set(&options, "codec_whitelist", AV_CODECS, 0);

    if (r >= 0)
        r = av_dict_set(&options, "format_whitelist", format->name, 0);
    if (r >= 0)
        r = av_dict_set(&options, "protocol_whitelist", "", 0);
    if (r < 0) {
        av_close(ctx);
        return r;
    }
    r = avformat_open_input(ctx, "", format, &options);
    if (r < 0) {
        av_freep(&io->opaque);
        av_freep(&io->buffer);
        avio_context_free(&io);
    }
    return r;
}

/* H.264 and HEVC whose parameter sets the container has: the first slice's header says the rest of what a probe tells, no picture needs to be made.
 * How far the order of pictures reaches is not known then, which copying has to know. */
static bool headers_suffice(const AVCodecParameters *p)
{
    return (p->codec_id == AV_CODEC_ID_H264 || p->codec_id == AV_CODEC_ID_HEVC) && p->extradata_size > 0 &&
           p->width > 0 && p->height > 0;
}

/* libav decodes the first pictures to learn what the streams are; how they look does not matter to it. */
static int find_streams(AVFormatContext *ctx, bool headers)
{
    unsigned n = ctx->nb_streams;
    AVDictionary **options = av_calloc(MAX(n, 1u), sizeof *options);
    int r = options ? 0 : AVERROR(ENOMEM);

    for (unsigned i = 0; r >= 0 && i < n; i++)
        if (ctx->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_VIDEO) {
            r = av_dict_set(&options[i], "skip_loop_filter", "all", 0);
            if (r >= 0)
                r = av_dict_set(&options[i], "skip_frame",
                                headers && headers_suffice(ctx->streams[i]->codecpar) ? "all" : "nokey", 0);
        }
    if (r >= 0)
        r = avformat_find_stream_info(ctx, options);
    for (unsigned i = 0; options && i < n; i++)
        av_dict_free(&options[i]);
    av_free(options);
    return r;
}

bool av_log_of_size(const char *format, va_list ap, unsigned *ret_width, unsigned *ret_height)
{
    va_list copy;

    if (strncmp(format, "Picture size %ux%u ", strlen("Picture size %ux%u ")) != 0)
        return false;
    va_copy(copy, ap);
    *ret_width = va_arg(copy, unsigned);
    *ret_height = va_arg(copy, unsigned);
    va_end(copy);
    return true;
}

/* libav says of too many streams that memory ran out, and why only in its log. */
static bool too_many;

static void on_log(void *context, int level, const char *format, va_list ap)
{
    too_many |= level <= AV_LOG_ERROR && strstr(format, "exceeds max_streams") != NULL;
}

/* Memory that is asked for here is asked for by numbers in the file. */
static void say_why(struct facts *f, const struct form *form, int r)
{
    char why[AV_ERROR_MAX_STRING_SIZE];

    av_strerror(r, why, sizeof why);
    if (too_many)
        facts_damage(f, "there are more than %d streams in it, which no recording has", STREAMS_MAX);
    else if (r == AVERROR(ENOMEM))
        facts_damage(f, "its headers ask for more memory than is given to any file: they are broken");
    else if (r == AVERROR_EOF)
        facts_damage(f, "it ends before any picture or sound: it is cut off, or holds nothing but headers");
    else
        facts_damage(f, "cannot be read as %s: %s", form->container, why);
}

int av_open(struct input *in, const struct form *form, struct facts *f, bool headers, AVFormatContext **ret)
{
    const AVInputFormat *format = av_find_input_format(form->demuxer);
    int r;

    *ret = NULL;
    too_many = false;
    av_log_set_callback(on_log);
    av_log_set_level(AV_LOG_QUIET);
    av_max_alloc(ALLOC_MAX);
    if (!format) {
        facts_damage(f, "the media library at hand cannot read %s", form->container);
        return AVERROR_DEMUXER_NOT_FOUND;
    }
    r = set_up(ret, in);
    if (r >= 0)
        r = open_input(ret, format);
    if (r >= 0)
        r = find_streams(*ret, headers);
    av_log_set_callback(av_log_default_callback);
    if (too_many || (r < 0 && !input_expired(in)))
        say_why(f, form, r);
    return r == AVERROR(ENOMEM) ? AVERROR_INVALIDDATA : r;
}

void av_facts(struct input *in, struct facts *f, const struct form *form)
{
    _cleanup_(av_close) AVFormatContext *ctx = NULL;
    int r = av_open(in, form, f, true, &ctx);

    if (!ctx || f->failed)
        return;
    av_describe(ctx, f, form);
    if (r >= 0)
        av_check(ctx, in, f);
}
