/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a recording carries signatures of its camera. They stand in SEI messages "user data unregistered" (H.264 Annex D.1.7, HEVC
 * Annex D.2.7) whose first 16 bytes name their owner: ONVIF Media Signing and the older signed video of Axis. Only their
 * presence is told; what they say is verified by the makers' tools on the original.
 */
#include "media/worker-signed.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker-nal.h"
#include "media/worker-pass.h"

#define UUID_BYTES 16
#define SEI_HEAD_MAX                                                                                         \
    4096 /* of a NAL unit that is looked at: a signature comes first or behind small messages */
#define MESSAGES_MAX    64
#define USER_DATA       5
#define LOOK_USEC       (60 * USEC_PER_SEC)
#define LOOK_PACKETS    18000
#define LOOK_KEYS_LEAST 4

/* Without emulation prevention bytes. Sources: onvif/media-signing-framework and AxisCommunications/signed-video-framework. */
static const struct {
    const char *name;
    uint8_t uuid[UUID_BYTES];
} owners[] = {
    {"onvif",
     {0x00, 0x5b, 0xc9, 0x3f, 0x2d, 0x71, 0x5e, 0x95, 0xad, 0xa4, 0x79, 0x6f, 0x90, 0x87, 0x7a, 0x6f}},
    {"axis", {'S', 'i', 'g', 'n', 'e', 'd', ' ', 'V', 'i', 'd', 'e', 'o', '.', '.', '.', '0'}},
};

/* Removes emulation prevention (00 00 03 → 00 00). Return: length. */
static size_t unescape(const uint8_t *in, size_t size, uint8_t *out)
{
    size_t n = 0;
    int zeros = 0;

    for (size_t i = 0; i < size; i++) {
        if (zeros >= 2 && in[i] == 3) {
            zeros = 0;
            continue;
        }
        zeros = in[i] ? 0 : zeros + 1;
        out[n++] = in[i];
    }
    return n;
}

/* A number of an SEI message: 255 for each 255, and what is left. false: the data ends within. */
static bool read_number(const uint8_t *p, size_t size, size_t *at, size_t *ret)
{
    *ret = 0;
    while (*at < size && p[*at] == 0xFF) {
        *ret += 255;
        (*at)++;
    }
    if (*at >= size)
        return false;
    *ret += p[(*at)++];
    return true;
}

static const char *find_in_sei(const uint8_t *nal, size_t size)
{
    uint8_t plain[SEI_HEAD_MAX];
    size_t n = unescape(nal, MIN(size, sizeof plain), plain), at = 0, type, length;

    for (int i = 0; i < MESSAGES_MAX; i++) {
        if (!read_number(plain, n, &at, &type) || !read_number(plain, n, &at, &length))
            return NULL;
        if (type == USER_DATA && length >= UUID_BYTES && n - at >= UUID_BYTES)
            for (size_t k = 0; k < ARRAY_SIZE(owners); k++)
                if (memcmp(plain + at, owners[k].uuid, UUID_BYTES) == 0)
                    return owners[k].name;
        if (length >= n - at)
            return NULL;
        at += length;
    }
    return NULL;
}

static const char *find_in_nal(enum signed_codec codec, const uint8_t *nal, size_t size)
{
    if (codec == SIGNED_H264)
        return size > 1 && (nal[0] & 0x1F) == 6 ? find_in_sei(nal + 1, size - 1) : NULL;
    if (size > 2 && (nal[0] >> 1 & 0x3F) >= 39 && (nal[0] >> 1 & 0x3F) <= 40)
        return find_in_sei(nal + 2, size - 2);
    return NULL;
}

static const char *find_by_start_codes(enum signed_codec codec, const uint8_t *data, size_t size)
{
    size_t at = nal_next(data, size, 0);

    while (at < size) {
        size_t from = at + 3, to = nal_next(data, size, from);
        const char *found = find_in_nal(codec, data + from, to - from);

        if (found)
            return found;
        at = to;
    }
    return NULL;
}

const char *signed_find(enum signed_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size)
{
    size_t at = 0;

    if (nal_bytes == 0)
        return find_by_start_codes(codec, data, size);
    while (nal_bytes <= 4 && size - at > nal_bytes) {
        const char *found;
        size_t length = 0;

        for (unsigned i = 0; i < nal_bytes; i++)
            length = length << 8 | data[at++];
        if (length > size - at)
            return NULL;
        found = find_in_nal(codec, data + at, length);
        if (found)
            return found;
        at += length;
    }
    return NULL;
}

/* ---- the tap ---- */

struct signing {
    enum signed_codec codec;
    unsigned nal_bytes;
    const char *found;
    uint64_t packets, keys;
    int64_t first_dts;
    bool over;
};

/* Signatures come with each group of pictures: a minute, and at least four groups, is enough to look at. */
static int on_packet(void *state, const struct pass *p, const AVStream *st, const AVPacket *packet)
{
    struct signing *s = state;

    if (st != p->video || s->found || s->over || packet->size <= 0)
        return 0;
    if (s->packets == 0)
        s->first_dts = packet->dts;
    s->packets++;
    s->keys += (packet->flags & AV_PKT_FLAG_KEY) != 0;
    s->found = signed_find(s->codec, s->nal_bytes, packet->data, (size_t)packet->size);
    s->over =
        s->packets >= LOOK_PACKETS ||
        (s->keys > LOOK_KEYS_LEAST && packet->dts != AV_NOPTS_VALUE && s->first_dts != AV_NOPTS_VALUE &&
         av_compare_ts(packet->dts, st->time_base, s->first_dts, st->time_base) > 0 &&
         (double)((uint64_t)packet->dts - (uint64_t)s->first_dts) * av_q2d(st->time_base) * 1e6 > LOOK_USEC);
    return 0;
}

static int on_end(void *state, const struct pass *p)
{
    struct signing *s = state;
    json_t *decoded = s->found ? facts_decoded(p->facts) : NULL;

    if (!s->found)
        return 0;
    return decoded ? json_set_string(decoded, "signed", s->found) : -ENOMEM;
}

int tap_signed(const struct pass *p, struct tap *ret)
{
    const AVCodecParameters *c = p->video ? p->video->codecpar : NULL;
    struct signing *s;

    if (!c || (c->codec_id != AV_CODEC_ID_H264 && c->codec_id != AV_CODEC_ID_HEVC))
        return 0;
    s = calloc(1, sizeof *s);
    if (!s)
        return -ENOMEM;
    s->codec = c->codec_id == AV_CODEC_ID_H264 ? SIGNED_H264 : SIGNED_HEVC;
    s->nal_bytes = nal_length_bytes(c);
    *ret = (struct tap){.name = "signed", .state = s, .packet = on_packet, .end = on_end, .done = free};
    return 1;
}
