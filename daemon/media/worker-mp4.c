/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Writing MP4 (ISO/IEC 14496-12, -14) to a descriptor that is open for reading and writing (see worker-mp4.h).
 */
#include "media/worker-mp4.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <libavutil/opt.h>

#include "media/worker-pass-clock.h"
#include "media/worker-say.h"

#define IO_BUFFER      (256 << 10)
#define PACKET_BYTES   44 /* of index that a packet can take: stsz 4, stts 8, ctts 8, co64 8, stsc 12, stss 4 */
#define INDEX_BASE     8192
#define RESERVE_MAX    (4 << 20)
#define INTERLEAVE_MAX (10 * AV_TIME_BASE)

#if LIBAVFORMAT_VERSION_MAJOR >= 61
typedef const uint8_t written_t;
#else
typedef uint8_t written_t;
#endif

static int on_write(void *userdata, written_t *data, int size)
{
    struct mp4 *m = userdata;
    int done = 0;

    while (done < size) {
        ssize_t n = pwrite(plan_fd(m->file), data + done, (size_t)(size - done), m->at);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            m->error = n < 0 ? -errno : -EIO;
            return m->error;
        }
        done += (int)n;
        m->at += n;
    }
    m->end = MAX(m->end, m->at);
    return size;
}

static int64_t seek(int64_t *at, int64_t end, int64_t offset, int whence)
{
    whence &= ~AVSEEK_FORCE;
    if (whence == AVSEEK_SIZE)
        return end;
    if (whence == SEEK_CUR)
        offset += *at;
    else if (whence == SEEK_END)
        offset += end;
    return offset < 0 ? AVERROR(EINVAL) : (*at = offset);
}

static int64_t on_seek(void *userdata, int64_t offset, int whence)
{
    struct mp4 *m = userdata;

    return seek(&m->at, m->end, offset, whence);
}

/* The muxer reads its own file again where it has to shift it. */
struct reader {
    const struct mp4 *m;
    int64_t at;
};

static int on_read(void *userdata, uint8_t *data, int size)
{
    struct reader *r = userdata;
    ssize_t n;

    do
        n = pread(plan_fd(r->m->file), data, (size_t)size, r->at);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : AVERROR_EOF;
    r->at += n;
    say_beat();
    return (int)n;
}

static int64_t on_read_seek(void *userdata, int64_t offset, int whence)
{
    struct reader *r = userdata;

    return seek(&r->at, r->m->end, offset, whence);
}

static AVIOContext *new_io(bool write, void *userdata)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);
    AVIOContext *io = buffer ? avio_alloc_context(buffer, IO_BUFFER, write, userdata, write ? NULL : on_read,
                                                  write ? on_write : NULL, write ? on_seek : on_read_seek)
                             : NULL;

    if (!io)
        av_free(buffer);
    return io;
}

static void free_io(AVIOContext **io)
{
    if (*io)
        av_freep(&(*io)->buffer);
    avio_context_free(io);
}

static int on_open(AVFormatContext *ctx, AVIOContext **io, const char *url, int flags, AVDictionary **options)
{
    struct reader *r = flags & AVIO_FLAG_WRITE ? NULL : av_malloc(sizeof *r);

    if (!r)
        return AVERROR(EACCES);
    *r = (struct reader){.m = ctx->opaque};
    *io = new_io(false, r);
    if (*io)
        return 0;
    av_free(r);
    return AVERROR(ENOMEM);
}

static int on_close(AVFormatContext *ctx, AVIOContext *io)
{
    av_freep(&io->opaque);
    free_io(&io);
    return 0;
}

int mp4_init(struct mp4 *m, int file)
{
    *m = (struct mp4){.file = file, .last_dts = {INT64_MIN, INT64_MIN}};
    if (!av_guess_format("mp4", NULL, NULL))
        return -ENOTSUP;
    if (avformat_alloc_output_context2(&m->ctx, NULL, "mp4", NULL) < 0)
        return -ENOMEM;
    m->ctx->opaque = m;
    m->ctx->io_open = on_open;
    m->ctx->io_close2 = on_close;
    m->ctx->max_interleave_delta = INTERLEAVE_MAX;
    m->ctx->flags |= AVFMT_FLAG_BITEXACT; /* the same of the same: no version, no date */
    m->ctx->pb = new_io(true, m);
    return m->ctx->pb ? 0 : -ENOMEM;
}

/* Makes a box of the room that is set aside, behind the first box: should the file be shifted, it stays one that players pass over. */
static int mark_reserve(struct mp4 *m)
{
    uint8_t head[8] = {0}, box[8] = {0, 0, 0, 0, 'f', 'r', 'e', 'e'};
    ssize_t n;

    avio_flush(m->ctx->pb);
    if (m->error)
        return m->error;
    n = pread(plan_fd(m->file), head, sizeof head, 0);
    if (n != sizeof head || memcmp(head + 4, "ftyp", 4) != 0)
        return -EIO;
    for (int i = 0; i < 4; i++)
        box[i] = (uint8_t)((uint32_t)m->reserve >> (24 - 8 * i));
    n = pwrite(plan_fd(m->file), box, sizeof box, be32_at(head));
    return n == sizeof box ? 0 : n < 0 ? -errno : -ENOSPC;
}

int mp4_begin(struct mp4 *m, uint64_t expect_packets)
{
    AVDictionary *options = NULL;
    int r;

    if (expect_packets && expect_packets < RESERVE_MAX / PACKET_BYTES)
        m->reserve = (int64_t)expect_packets * PACKET_BYTES + INDEX_BASE;
    r = m->reserve ? av_dict_set_int(&options, "moov_size", m->reserve, 0)
                   : av_dict_set(&options, "movflags", "+faststart", 0);
    if (r >= 0)
        r = avformat_write_header(m->ctx, &options);
    av_dict_free(&options);
    if (r < 0)
        return m->error ? m->error : pass_errno(r);
    return m->reserve ? mark_reserve(m) : 0;
}

int mp4_packet(struct mp4 *m, int stream, AVPacket *packet, AVRational from)
{
    AVStream *st = m->ctx->streams[stream];
    int r;

    packet->stream_index = stream;
    packet->pos = -1;
    av_packet_rescale_ts(packet, from, st->time_base);
    if (packet->dts != AV_NOPTS_VALUE && packet->dts <= m->last_dts[stream])
        packet->dts = m->last_dts[stream] + 1;
    if (packet->dts == AV_NOPTS_VALUE || packet->pts == AV_NOPTS_VALUE || packet->pts < packet->dts) {
        av_packet_unref(packet);
        return -EILSEQ;
    }
    m->last_dts[stream] = packet->dts;
    m->packets[stream]++;
    r = av_interleaved_write_frame(m->ctx, packet);
    return m->error ? m->error : pass_errno(r);
}

int mp4_end(struct mp4 *m, uint64_t *ret_bytes)
{
    uint64_t need = (m->packets[0] + m->packets[1]) * PACKET_BYTES + INDEX_BASE;
    int r;

    for (unsigned i = 0; i < m->ctx->nb_streams; i++)
        need += (uint64_t)MAX(m->ctx->streams[i]->codecpar->extradata_size, 0);
    if (m->reserve && need > (uint64_t)m->reserve)
        av_opt_set(m->ctx->priv_data, "movflags", "+faststart", 0);
    r = av_write_trailer(m->ctx);
    avio_flush(m->ctx->pb);
    if (m->error || r < 0)
        return m->error ? m->error : pass_errno(r);
    *ret_bytes = (uint64_t)m->end;
    return 0;
}

void mp4_done(struct mp4 *m)
{
    if (m->ctx)
        free_io(&m->ctx->pb);
    avformat_free_context(m->ctx);
    *m = (struct mp4){0};
}
