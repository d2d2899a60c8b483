/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Damage that libav lets one see cheaply: index entries whose data lie beyond the end of the file, and pictures that do not decode
 * at the beginning, in the middle and near the end. A few pictures only, and fewer where they are large, as every file is looked at
 * before anything else is done with it: a file that passes may still be broken elsewhere. Deriving decodes all of it.
 */
#include <inttypes.h>
#include <string.h>

#include <libavcodec/avcodec.h>
#include <libavutil/avstring.h>

#include "media/worker-av.h"
#include "media/worker-sei.h"

#define PIXELS_MAX        (INT64_C(8192) * 8192)
#define PHOTO_PIXELS_MAX  (UINT64_C(100) << 20) /* that are shown all the same (worker-still-av.c) */
#define PIXELS_SMALL      (1280 * 720)
#define SAMPLES_LOOKED_AT 512
#define READS_MAX         600
#define READ_BYTES        (16 << 20)
#define PLACE_BYTES       (32 << 10) /* compressed bytes are what decoding costs: about 0.1 ms a KiB */
#define PLACES_BYTES      (96 << 10)

/* Complaints of the decoder that mean damage in the data rather than an unusual stream. */
static unsigned complaints, refused_width, refused_height;

static void on_log(void *context, int level, const char *format, va_list ap)
{
    static const char *const known[] = {
        "error while decoding",          "concealing", "Invalid NAL unit", "corrupt", "overread",
        "missing picture in access unit"};

    if (level > AV_LOG_ERROR || av_log_of_size(format, ap, &refused_width, &refused_height))
        return;
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strstr(format, known[i]))
            complaints++;
}

/* Entries that point beyond the end: the index is whole, the data are not. */
static void check_index(AVFormatContext *ctx, struct input *in, struct facts *f)
{
    uint64_t missing = 0, total = 0;
    int64_t playable = INT64_MAX;

    for (unsigned i = 0; i < ctx->nb_streams; i++) {
        AVStream *st = ctx->streams[i];
        int n = avformat_index_get_entries_count(st);

        for (int k = 0; k < n && !input_expired(in); k++) {
            const AVIndexEntry *e = avformat_index_get_entry(st, k);
            int64_t at;

            total++;
            if (!e || e->pos < 0 || (uint64_t)e->pos + (uint64_t)MAX(e->size, 0) <= in->size)
                continue;
            missing++;
            at = av_rescale_q(e->timestamp, st->time_base, AV_TIME_BASE_Q);
            if (st->start_time != AV_NOPTS_VALUE)
                at = av_sat_sub64(at, av_rescale_q(st->start_time, st->time_base, AV_TIME_BASE_Q));
            if (at > INT64_MIN) /* which av_rescale_q gives for what does not fit */
                playable = MIN(playable, MAX(at, 0));
        }
    }
    if (!missing)
        return;
    if (playable < INT64_MAX)
        facts_integer(f, "playable_usec", playable);
    facts_damage(f, "cut off: %" PRIu64 " of %" PRIu64 " samples lie beyond the end of the file", missing,
                 total);
}

/* Compressed pictures never begin with 16 zero bytes: where they do, the card lost a block. A few hundred are looked at. */
static void check_zeros(AVFormatContext *ctx, struct input *in, struct facts *f)
{
    int v = av_find_best_stream(ctx, AVMEDIA_TYPE_VIDEO, -1, -1, NULL, 0);
    AVStream *st = v < 0 ? NULL : ctx->streams[v];
    int n = st ? avformat_index_get_entries_count(st) : 0, step = n / SAMPLES_LOOKED_AT + 1, zero = 0,
        looked = 0;
    static const uint8_t zeros[16];
    uint8_t head[16];

    if (n == 0 || st->codecpar->codec_id == AV_CODEC_ID_RAWVIDEO)
        return;
    for (int k = 0; k < n && !input_expired(in); k += step) {
        const AVIndexEntry *e = avformat_index_get_entry(st, k);

        if (!e || e->pos < 0 || e->size < (int)sizeof head ||
            !input_get(in, head, sizeof head, (uint64_t)e->pos))
            continue;
        looked++;
        zero += memcmp(head, zeros, sizeof head) == 0;
    }
    if (zero)
        facts_damage(f, "%d of %d pictures looked at are nothing but zeros: blocks of the card were lost",
                     zero, looked);
}

struct check {
    AVFormatContext *ctx;
    AVCodecContext *decoder;
    AVPacket *packet;
    AVFrame *frame;
    int stream;
    int64_t first, decoded; /* where the first key picture lies; compressed bytes so far */
    bool broken;
    bool heard; /* what cameras say between pictures was looked for up to the first key picture */
};

static void check_done(struct check *c)
{
    avcodec_free_context(&c->decoder);
    av_packet_free(&c->packet);
    av_frame_free(&c->frame);
}

static void take_pictures(struct check *c)
{
    while (avcodec_receive_frame(c->decoder, c->frame) >= 0) {
        if ((c->frame->flags & AV_FRAME_FLAG_CORRUPT) || c->frame->decode_error_flags)
            c->broken = true;
        av_frame_unref(c->frame);
    }
}

/* Whether the packet is to be decoded after sent others at this place. A key picture that was at the first place is not worth another look;
 * neither is one that is too large once the first was. */
static bool wanted(struct check *c, int sent, int64_t bytes_here, bool *ret_enough)
{
    const AVPacket *p = c->packet;

    if (p->stream_index != c->stream || (sent == 0 && !(p->flags & AV_PKT_FLAG_KEY)))
        return false;
    if (sent == 0 && c->decoded == 0)
        c->first = p->pos;
    else if (sent == 0)
        *ret_enough = (p->pos >= 0 && p->pos == c->first) || c->decoded + p->size > PLACES_BYTES;
    else
        *ret_enough = bytes_here + p->size > PLACE_BYTES;
    return !*ret_enough;
}

/* AVCHD says when and where with each group of pictures: the first one's is that of the beginning. */
static void hear(struct check *c, struct facts *f)
{
    enum sei_codec codec;
    unsigned nal_bytes;

    if (c->heard || c->packet->stream_index != c->stream || c->packet->size <= 0)
        return;
    c->heard = !sei_of(c->ctx->streams[c->stream]->codecpar, &codec, &nal_bytes) ||
               mdpm_facts(f, codec, nal_bytes, c->packet->data, (size_t)c->packet->size) ||
               (c->packet->flags & AV_PKT_FLAG_KEY);
}

/* Decodes a key picture and at most follow packets after it, from where the demuxer stands. */
static void decode_here(struct check *c, const struct input *in, struct facts *f, int follow)
{
    int64_t bytes = 0, before = c->decoded;
    bool enough = false;
    int sent = 0;

    for (int i = 0; i < READS_MAX && bytes < READ_BYTES && sent <= follow && !enough && !input_expired(in);
         i++) {
        if (av_read_frame(c->ctx, c->packet) < 0)
            break;
        bytes += c->packet->size;
        hear(c, f);
        if (wanted(c, sent, c->decoded - before, &enough)) {
            int r = avcodec_send_packet(c->decoder, c->packet);

            sent++;
            c->decoded += c->packet->size;
            if (r < 0 && r != AVERROR(EAGAIN))
                c->broken = true;
            take_pictures(c);
        }
        av_packet_unref(c->packet);
    }
    if (sent > 0 && avcodec_send_packet(c->decoder, NULL) >= 0)
        take_pictures(c);
    avcodec_flush_buffers(c->decoder);
}

static int open_decoder(struct check *c)
{
    const AVStream *st;
    const AVCodec *codec = NULL;
    int r;

    c->stream = av_find_best_stream(c->ctx, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (c->stream < 0)
        return c->stream;
    st = c->ctx->streams[c->stream];
    if (!codec || !av_match_list(codec->name, AV_CODECS, ',') ||
        (st->disposition & AV_DISPOSITION_ATTACHED_PIC))
        return AVERROR_DECODER_NOT_FOUND;
    c->decoder = avcodec_alloc_context3(codec);
    c->packet = av_packet_alloc();
    c->frame = av_frame_alloc();
    if (!c->decoder || !c->packet || !c->frame)
        return AVERROR(ENOMEM);
    r = avcodec_parameters_to_context(c->decoder, st->codecpar);
    if (r < 0)
        return r;
    c->decoder->thread_count = 1;
    c->decoder->max_pixels = PIXELS_MAX;
    c->decoder->skip_loop_filter = AVDISCARD_ALL; /* looks do not matter here */
    return avcodec_open2(c->decoder, codec, NULL);
}

/* A photo too large to be tried is not broken; what is too large ever to be shown is said. */
static void say_size(struct facts *f)
{
    bool photo = strcmp(f->kind, "photo") == 0;

    if (!photo || (uint64_t)refused_width * refused_height > PHOTO_PIXELS_MAX)
        facts_damage(f, "%u × %u pixels are more than is taken into memory", refused_width, refused_height);
}

/* Where pictures are tried: the beginning, the middle, near the end. */
static void check_pictures(AVFormatContext *ctx, struct input *in, struct facts *f)
{
    static const char *const names[] = {"at the beginning", "in the middle", "near the end"};
    _cleanup_(check_done) struct check c = {.ctx = ctx};
    int follow;

    if (open_decoder(&c) < 0)
        return;
    for (unsigned i = 0; i < ctx->nb_streams; i++)
        ctx->streams[i]->discard = (int)i == c.stream ? AVDISCARD_DEFAULT : AVDISCARD_ALL;
    follow = (int64_t)c.decoder->width * c.decoder->height <= PIXELS_SMALL ? 3 : 0; /* derive decodes all */
    refused_width = refused_height = 0;
    av_log_set_level(AV_LOG_ERROR);
    av_log_set_callback(on_log);
    for (int i = 0; i < 3 && !input_expired(in); i++) {
        int64_t start = ctx->start_time == AV_NOPTS_VALUE ? 0 : ctx->start_time;

        if (i > 0 && (ctx->duration <= 2 * AV_TIME_BASE ||
                      av_seek_frame(ctx, -1, av_sat_add64(start, ctx->duration / 100 * (i == 1 ? 50 : 96)),
                                    AVSEEK_FLAG_BACKWARD) < 0))
            break;
        complaints = 0;
        c.broken = false;
        decode_here(&c, in, f, follow);
        if (refused_width) {
            say_size(f);
            break;
        }
        if (c.broken || complaints)
            facts_damage(f, "pictures %s are broken", names[i]);
    }
    av_log_set_callback(av_log_default_callback);
    av_log_set_level(AV_LOG_QUIET);
}

void av_check(AVFormatContext *ctx, struct input *in, struct facts *f)
{
    if (ctx->nb_streams == 0) {
        facts_damage(f, "no stream in it");
        return;
    }
    check_index(ctx, in, f);
    if (strstr(ctx->iformat->name, "mp4"))
        check_zeros(ctx, in, f);
    check_pictures(ctx, in, f);
}
