/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Units of H.264 and HEVC (see worker-nal.h).
 */
#include "media/worker-nal.h"

#include <string.h>

#define UNIT_SPS 7 /* ITU-T H.264, table 7-1 */
#define UNIT_PPS 8

size_t nal_next(const uint8_t *data, size_t size, size_t at)
{
    while (at + 3 <= size) {
        const uint8_t *one = memchr(data + at + 2, 1, size - at - 2);

        if (!one)
            return size;
        at = (size_t)(one - data) - 2;
        if (data[at] == 0 && data[at + 1] == 0)
            return at;
        at++;
    }
    return size;
}

unsigned nal_length_bytes(const AVCodecParameters *c)
{
    const uint8_t *e = c->extradata;

    if (!e || c->extradata_size < 7 || e[0] != 1)
        return 0;
    if (c->codec_id == AV_CODEC_ID_H264)
        return (e[4] & 3u) + 1;
    return c->extradata_size >= 23 ? (e[21] & 3u) + 1 : 0;
}

static unsigned unit_type(const uint8_t *unit)
{
    return unit[0] & 0x1Fu;
}

/* Zeros behind a unit belong to the next start code. Both forms of extradata hold the sets as they are in the data, byte by byte. */
static bool is_known(const AVCodecParameters *c, const uint8_t *unit, size_t size)
{
    if (size == 0 || (unit_type(unit) != UNIT_SPS && unit_type(unit) != UNIT_PPS))
        return true;
    while (size > 1 && unit[size - 1] == 0)
        size--;
    return memmem(c->extradata, (size_t)c->extradata_size, unit, size) != NULL;
}

/* Parameter sets come before the first slice (types 1 – 5) of a picture, so that no more than its head is looked at. */
static bool fits_by_start_codes(const AVCodecParameters *c, const uint8_t *data, size_t size)
{
    size_t at = nal_next(data, size, 0);

    while (at + 3 < size) {
        const uint8_t *unit = data + at + 3;

        if (unit_type(unit) >= 1 && unit_type(unit) <= 5)
            return true;
        at = nal_next(data, size, at + 3);
        if (!is_known(c, unit, (size_t)(data + at - unit)))
            return false;
    }
    return true;
}

bool nal_fits_header(const AVCodecParameters *c, const uint8_t *data, size_t size)
{
    size_t head = nal_length_bytes(c), length;

    if (head == 0)
        return fits_by_start_codes(c, data, size);
    while (size > 0) {
        if (size < head)
            return false;
        length = 0;
        for (size_t i = 0; i < head; i++)
            length = length << 8 | data[i];
        if (length == 0 || length > size - head || !is_known(c, data + head, length))
            return false;
        data += head + length;
        size -= head + length;
    }
    return true;
}
