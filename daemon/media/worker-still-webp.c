/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The RIFF chunks of WebP (developers.google.com/speed/webp/docs/riff_container) as far as libav's decoder leaves them: EXIF, and the frames of
 * animations; and the one tag of TIFF (TIFF 6.0 §8, Orientation) that shows which side is up. Pure: only struct input is read.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "media/worker-inspect.h"
#include "media/worker-still.h"

#define CHUNKS_MAX 4096
#define FRAME_MAX  (UINT64_C(256) << 20)
#define EXIF_MAX   65536
#define TAGS_MAX   4096

/* Finds a chunk between from and to. Return: the offset of its payload and its size, or 0. */
static uint64_t find_chunk(struct input *in, uint64_t from, uint64_t to, const char *name, uint32_t *ret_size)
{
    uint8_t head[8];

    for (int i = 0; i < CHUNKS_MAX && from + 8 <= to && input_get(in, head, 8, from); i++) {
        uint32_t size = le32_at(head + 4);

        if (size > to - from - 8)
            return 0;
        if (memcmp(head, name, 4) == 0) {
            *ret_size = size;
            return from + 8;
        }
        from += 8 + (uint64_t)size + (size & 1);
    }
    return 0;
}

void webp_exif(struct input *in, struct facts *f)
{
    static uint8_t data[EXIF_MAX];
    uint32_t size;
    uint64_t at = find_chunk(in, 12, in->size, "EXIF", &size);
    size_t skip;

    if (!at)
        return;
    size = MIN(size, (uint32_t)EXIF_MAX);
    if (!input_get(in, data, size, at))
        return;
    skip =
        size > 6 && memcmp(data, "Exif\0", 6) == 0 ? 6 : 0; /* some write the head of JPEG's APP1 as well */
    if (size > skip + 8)
        exif_facts(f, data + skip, size - skip);
}

static void put_le32(uint8_t *out, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        out[i] = (uint8_t)(v >> (8 * i));
}

/* "RIFF" size "WEBP", then VP8X where the frame has an alpha plane of its own, then the frame's chunks. */
static size_t write_head(uint8_t *out, const uint8_t frame[16], bool alpha, uint32_t payload)
{
    size_t n = alpha ? 30 : 12;

    memset(out, 0, n);
    memcpy(out, "RIFF", 4);
    put_le32(out + 4, (uint32_t)(n - 8) + payload);
    memcpy(out + 8, "WEBP", 4);
    if (alpha) {
        memcpy(out + 12, "VP8X", 4);
        put_le32(out + 16, 10);
        out[20] = 0x10;
        memcpy(out + 24, frame + 6, 6); /* width and height less one, as in ANMF */
    }
    return n;
}

int webp_first_picture(struct input *in, uint8_t **ret, size_t *ret_size)
{
    uint8_t frame[16], first[4];
    uint32_t size;
    uint64_t at = find_chunk(in, 12, in->size, "ANMF", &size);
    uint8_t *out;
    size_t n;

    if (!at || size < 24 || size > FRAME_MAX || !input_get(in, frame, 16, at) ||
        !input_get(in, first, 4, at + 16))
        return 0;
    out = malloc(30 + (size_t)size - 16);
    if (!out)
        return -ENOMEM;
    n = write_head(out, frame, memcmp(first, "ALPH", 4) == 0, size - 16);
    if (!input_get(in, out + n, size - 16, at + 16)) {
        free(out);
        return 0;
    }
    *ret = out;
    *ret_size = n + size - 16;
    return 1;
}

int tiff_orientation(struct input *in)
{
    uint8_t b[12];
    bool big;
    uint64_t at;
    uint32_t n;

    if (!input_get(in, b, 8, 0))
        return 0;
    big = b[0] == 'M';
    at = big ? be32_at(b + 4) : le32_at(b + 4);
    if (!input_get(in, b, 2, at))
        return 0;
    n = MIN(big ? be16_at(b) : (uint32_t)(b[0] | b[1] << 8), (uint32_t)TAGS_MAX);
    for (uint64_t i = 0; i < n && input_get(in, b, 12, at + 2 + 12 * i); i++) {
        uint32_t tag = big ? be16_at(b) : (uint32_t)(b[0] | b[1] << 8);
        uint32_t value = big ? be16_at(b + 8) : (uint32_t)(b[8] | b[9] << 8);

        if (tag == 0x0112)
            return value <= 8 ? (int)value : 0;
    }
    return 0;
}
