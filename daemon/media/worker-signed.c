/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a recording carries signatures of its camera: ONVIF Media Signing and the older signed video of Axis, told by the owners of SEI
 * messages. Only their presence is told; what they say is verified by the makers' tools on the original.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker-pass.h"
#include "media/worker-sei.h"

#define LOOK_USEC       (60 * USEC_PER_SEC)
#define LOOK_PACKETS    18000
#define LOOK_KEYS_LEAST 4

/* Without emulation prevention bytes. Sources: onvif/media-signing-framework and AxisCommunications/signed-video-framework. */
static const struct {
    const char *name;
    uint8_t uuid[SEI_UUID_BYTES];
} owners[] = {
    {"onvif",
     {0x00, 0x5b, 0xc9, 0x3f, 0x2d, 0x71, 0x5e, 0x95, 0xad, 0xa4, 0x79, 0x6f, 0x90, 0x87, 0x7a, 0x6f}},
    {"axis", {'S', 'i', 'g', 'n', 'e', 'd', ' ', 'V', 'i', 'd', 'e', 'o', '.', '.', '.', '0'}},
};

static bool on_message(void *userdata, const uint8_t *data, size_t size)
{
    const char **found = userdata;

    for (size_t i = 0; i < ARRAY_SIZE(owners); i++)
        if (memcmp(data, owners[i].uuid, SEI_UUID_BYTES) == 0)
            *found = owners[i].name;
    return *found != NULL;
}

const char *signed_find(enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size)
{
    const char *found = NULL;

    sei_each(codec, nal_bytes, data, size, on_message, &found);
    return found;
}

/* ---- the tap ---- */

struct signing {
    enum sei_codec codec;
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
    struct signing *s = calloc(1, sizeof *s);

    if (!s)
        return -ENOMEM;
    if (!p->video || !sei_of(p->video->codecpar, &s->codec, &s->nal_bytes)) {
        free(s);
        return 0;
    }
    *ret = (struct tap){.name = "signed", .state = s, .packet = on_packet, .end = on_end, .done = free};
    return 1;
}
