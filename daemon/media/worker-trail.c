/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The trail: where the camera was while it recorded, as GPX, from whatever track or box its maker keeps positions in
 * (worker-fixes.h). One source per recording, the first that has a fix, so that two receivers never mix. At most one point a second is
 * written, as many cameras repeat the same fix many times over; the original has them all.
 */
#include "media/worker-pass.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/fd.h"
#include "media/worker-fixes.h"
#include "media/worker-inspect.h"
#include "media/worker-say.h"

#define FILE_NAME    "trail.gpx"
#define EVERY_USEC   (900 * USEC_PER_MSEC)
#define POINTS_MAX   200000
#define BUFFER_BYTES 16384
#define TABLE_BYTES  (4u << 20)
#define BLOCKS_MAX   40000
#define BLOCK_BYTES  256

enum source {
    SOURCE_NONE,
    SOURCE_GPMF,
    SOURCE_CAMM,
    SOURCE_MEBX,
    SOURCE_NMEA,
    SOURCE_NOVATEK,
    SOURCE_LIGO,
    SOURCE_70MAI
};

struct trail {
    int file; /* index, -1: not wanted */
    char *buffer;
    size_t used;
    uint64_t bytes;
    int result; /* of writing */
    enum source source, reading;
    int64_t base_usec, last_at_usec; /* of the data being read; of the last point written */
    uint64_t points;
    struct gpx_point first, last;
    bool has_time;
    int64_t from_usec, to_usec, day_usec;
};

static void flush(struct trail *t)
{
    size_t done = 0;

    while (t->result == 0 && t->file >= 0 && done < t->used) {
        ssize_t n = pwrite(plan_fd(t->file), t->buffer + done, t->used - done, (off_t)t->bytes);

        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            t->result = n < 0 ? -errno : -ENOSPC;
        else {
            done += (size_t)n;
            t->bytes += (uint64_t)n;
        }
    }
    t->used = 0;
}

static void put(struct trail *t, const char *text, size_t size)
{
    if (t->file < 0)
        return;
    if (t->used + size > BUFFER_BYTES)
        flush(t);
    memcpy(t->buffer + t->used, text, size);
    t->used += size;
}

static void take_fix(void *userdata, const struct gpx_point *fix, int64_t at_usec)
{
    struct trail *t = userdata;
    struct gpx_point p = *fix;
    char text[GPX_POINT_SIZE];
    int64_t at = t->base_usec + at_usec;

    if ((t->source != SOURCE_NONE && t->source != t->reading) || t->points >= POINTS_MAX ||
        !gpx_point_clean(&p))
        return;
    if (t->points > 0 && at >= t->last_at_usec && at - t->last_at_usec < EVERY_USEC)
        return;
    if (t->points == 0) {
        put(t, GPX_HEAD, strlen(GPX_HEAD));
        t->first = p;
    }
    t->source = t->reading;
    t->last = p;
    t->last_at_usec = at;
    t->points++;
    if (p.has_time) {
        t->from_usec = t->has_time ? MIN(t->from_usec, p.usec) : p.usec;
        t->to_usec = t->has_time ? MAX(t->to_usec, p.usec) : p.usec;
        t->has_time = true;
    }
    put(t, text, gpx_point_write(&p, text));
}

/* ---- tracks ---- */

static void begin(struct trail *t, enum source source, const AVStream *st, const AVPacket *packet)
{
    int64_t pts = packet->pts != AV_NOPTS_VALUE ? packet->pts : packet->dts, usec;

    t->reading = source;
    usec = pts == AV_NOPTS_VALUE || st->time_base.num <= 0 || st->time_base.den <= 0
               ? t->last_at_usec + USEC_PER_SEC
               : av_rescale_q(pts, st->time_base, AV_TIME_BASE_Q);
    t->base_usec = usec > -(INT64_C(1) << 60) && usec < INT64_C(1) << 60 ? usec : 0;
}

static int64_t length_of(const AVStream *st, const AVPacket *packet)
{
    return packet->duration > 0 && st->time_base.num > 0 && st->time_base.den > 0
               ? av_rescale_q(packet->duration, st->time_base, AV_TIME_BASE_Q)
               : 0;
}

static void read_private(struct trail *t, const AVStream *st, const AVPacket *packet)
{
    size_t size = (size_t)packet->size;

    begin(t, SOURCE_LIGO, st, packet);
    if (size > 11 && memcmp(packet->data, "LIGOGPSINFO", 11) == 0) {
        fixes_ligo(packet->data, size, take_fix, t);
        return;
    }
    t->reading = SOURCE_NOVATEK;
    fixes_novatek(packet->data, size, take_fix, t);
}

static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    enum AVMediaType type = st->codecpar->codec_type;
    uint32_t tag = st->codecpar->codec_tag;
    struct trail *t = state;

    if (type == AVMEDIA_TYPE_VIDEO || type == AVMEDIA_TYPE_AUDIO || packet->size <= 0 || t->result < 0)
        return t->result;

    if (type == AVMEDIA_TYPE_SUBTITLE || tag == MKTAG('t', 'e', 'x', 't')) {
        begin(t, SOURCE_NMEA, st, packet);
        fixes_nmea((const char *)packet->data, (size_t)packet->size, &t->day_usec, take_fix, t);
    } else if (tag == MKTAG('g', 'p', 'm', 'd')) {
        begin(t, SOURCE_GPMF, st, packet);
        fixes_gpmf(packet->data, (size_t)packet->size, length_of(st, packet), take_fix, t);
    } else if (tag == MKTAG('c', 'a', 'm', 'm')) {
        begin(t, SOURCE_CAMM, st, packet);
        fixes_camm(packet->data, (size_t)packet->size, take_fix, t);
    } else if (tag == MKTAG('m', 'e', 'b', 'x')) {
        begin(t, SOURCE_MEBX, st, packet);
        fixes_mebx(packet->data, (size_t)packet->size, take_fix, t);
    } else if (p->ctx && p->ctx->iformat && strcmp(p->ctx->iformat->name, "mpegts") == 0)
        read_private(t, st, packet);
    return t->result;
}

/* ---- boxes ---- */

/* Novatek: moov/"gps " has a table of places (u32) and lengths (u32) behind 8 bytes; at each a box "free" that begins with "GPS ". */
static void read_novatek_boxes(struct trail *t, struct input *in, struct box_range table)
{
    uint64_t rows = table.size > 8 ? MIN((table.size - 8) / 8, (uint64_t)BLOCKS_MAX) : 0;

    t->reading = SOURCE_NOVATEK;
    for (uint64_t i = 0; i < rows && !input_expired(in); i++) {
        uint8_t row[8], block[BLOCK_BYTES];
        ssize_t n;

        if (!input_get(in, row, 8, table.at + 8 + i * 8))
            return;
        n = input_pread(in, block, MIN(be32_at(row + 4), (uint32_t)sizeof block), be32_at(row));
        if (n < 12 || memcmp(block + 4, "freeGPS ", 8) != 0)
            continue;
        t->base_usec = (int64_t)i * USEC_PER_SEC;
        for (ssize_t at = 12; at + 36 <= n && at < 12 + 48; at += 36)
            fixes_novatek(block + at, (size_t)(n - at), take_fix, t);
    }
}

static int read_70mai_box(struct trail *t, struct input *in, struct box_range box)
{
    size_t size = (size_t)MIN(box.size, (uint64_t)TABLE_BYTES);
    _cleanup_free_ uint8_t *data = malloc(size + 1);

    if (!data)
        return -ENOMEM;
    t->reading = SOURCE_70MAI;
    t->base_usec = 0;
    if (input_get(in, data, size, box.at))
        fixes_70mai(data, size, take_fix, t);
    return 0;
}

static int read_boxes(struct trail *t, struct input *in)
{
    struct box_range all = {0, in->size}, moov, box;

    if (box_find(in, all, "moov", &moov) && box_find(in, moov, "gps ", &box))
        read_novatek_boxes(t, in, box);
    return t->points == 0 && box_find(in, all, "GPS ", &box) ? read_70mai_box(t, in, box) : 0;
}

/* ---- the end ---- */

static int set_point(json_t *trail, const char *key, const struct gpx_point *p)
{
    return json_set_take(
        trail, key, json_pack("{s:I,s:I}", "lat_e7", (json_int_t)p->lat_e7, "lon_e7", (json_int_t)p->lon_e7));
}

static int write_facts(const struct trail *t, struct facts *f)
{
    json_t *decoded = facts_decoded(f), *trail = json_object();
    int r = decoded ? json_set_take(decoded, "trail", trail) : -ENOMEM;

    if (!decoded)
        json_decref(trail);
    r = r < 0 ? r : json_set_integer(trail, "points", (int64_t)t->points);
    r = r < 0 ? r : set_point(trail, "first", &t->first);
    r = r < 0 ? r : set_point(trail, "last", &t->last);
    if (r == 0 && t->has_time) {
        r = json_set_integer(trail, "from_usec", t->from_usec);
        r = r < 0 ? r : json_set_integer(trail, "to_usec", t->to_usec);
    }
    return r;
}

static int on_end(void *state, const struct pass *p)
{
    struct trail *t = state;
    bool boxes = p->ctx && p->ctx->iformat && strncmp(p->ctx->iformat->name, "mov", 3) == 0;

    if (t->points == 0 && boxes && read_boxes(t, p->in) < 0)
        return -ENOMEM;
    if (t->points == 0)
        return 0;
    put(t, GPX_TAIL, strlen(GPX_TAIL));
    flush(t);
    if (t->result < 0)
        return t->result;
    if (t->file >= 0)
        say_output((unsigned)t->file, t->bytes);
    if (t->file >= 0) {
        json_t *file = facts_file(p->facts, FILE_NAME);

        if (!file || json_set_string(file, "how", "positions") < 0)
            return -ENOMEM;
    }
    return write_facts(t, p->facts);
}

static void trail_done(void *state)
{
    struct trail *t = state;

    free(t->buffer);
    free(t);
}

int tap_trail(const struct pass *p, struct tap *ret)
{
    struct trail *t = calloc(1, sizeof *t);

    if (!t)
        return -ENOMEM;
    t->file = plan_file(p->plan, FILE_NAME);
    t->buffer = malloc(BUFFER_BYTES);
    if (!t->buffer) {
        trail_done(t);
        return -ENOMEM;
    }
    *ret = (struct tap){.name = "trail", .state = t, .packet = on_packet, .end = on_end, .done = trail_done};
    return 1;
}
