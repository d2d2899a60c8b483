/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Walks the SEI messages "user data unregistered" of an access unit (see worker-sei.h): H.264 Annex D.1.7, HEVC Annex D.2.7. The pictures'
 * own NAL units are passed over; only the beginning of a message's NAL unit is looked at.
 */
#include "media/worker-sei.h"

#include <string.h>

#include "media/worker-nal.h"

#define SEI_HEAD_MAX 4096 /* what is looked for comes first, or behind small messages */
#define MESSAGES_MAX 64
#define USER_DATA    5

struct walk {
    enum sei_codec codec;
    on_sei on;
    void *userdata;
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

static bool walk_messages(const struct walk *w, const uint8_t *nal, size_t size)
{
    uint8_t plain[SEI_HEAD_MAX];
    size_t n = unescape(nal, MIN(size, sizeof plain), plain), at = 0, type, length;

    for (int i = 0; i < MESSAGES_MAX; i++) {
        if (!read_number(plain, n, &at, &type) || !read_number(plain, n, &at, &length))
            return false;
        if (type == USER_DATA && length >= SEI_UUID_BYTES && n - at >= SEI_UUID_BYTES &&
            w->on(w->userdata, plain + at, MIN(length, n - at)))
            return true;
        if (length >= n - at)
            return false;
        at += length;
    }
    return false;
}

static bool walk_nal(const struct walk *w, const uint8_t *nal, size_t size)
{
    if (w->codec == SEI_H264)
        return size > 1 && (nal[0] & 0x1F) == 6 && walk_messages(w, nal + 1, size - 1);
    return size > 2 && (nal[0] >> 1 & 0x3F) >= 39 && (nal[0] >> 1 & 0x3F) <= 40 &&
           walk_messages(w, nal + 2, size - 2);
}

static bool walk_start_codes(const struct walk *w, const uint8_t *data, size_t size)
{
    size_t at = nal_next(data, size, 0);

    while (at < size) {
        size_t from = at + 3, to = nal_next(data, size, from);

        if (walk_nal(w, data + from, to - from))
            return true;
        at = to;
    }
    return false;
}

bool sei_each(enum sei_codec codec, unsigned nal_bytes, const uint8_t *data, size_t size, on_sei on,
              void *userdata)
{
    const struct walk w = {codec, on, userdata};
    size_t at = 0;

    if (nal_bytes == 0)
        return walk_start_codes(&w, data, size);
    while (nal_bytes <= 4 && size - at > nal_bytes) {
        size_t length = 0;

        for (unsigned i = 0; i < nal_bytes; i++)
            length = length << 8 | data[at++];
        if (length > size - at)
            return false;
        if (walk_nal(&w, data + at, length))
            return true;
        at += length;
    }
    return false;
}

bool sei_of(const AVCodecParameters *c, enum sei_codec *ret_codec, unsigned *ret_nal_bytes)
{
    if (c->codec_id != AV_CODEC_ID_H264 && c->codec_id != AV_CODEC_ID_HEVC)
        return false;
    *ret_codec = c->codec_id == AV_CODEC_ID_H264 ? SEI_H264 : SEI_HEVC;
    *ret_nal_bytes = nal_length_bytes(c);
    return true;
}
