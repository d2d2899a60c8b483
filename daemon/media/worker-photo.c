/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JPEG (ITU-T T.81 annex B) and PNG by their structure: dimensions, EXIF, then XMP and IPTC, and whether the picture is there to its end. Pictures
 * are not decoded; a JPEG is walked marker by marker to its EOI, a PNG chunk by chunk with its checksums.
 */
#include <inttypes.h>
#include <string.h>

#include <libavutil/crc.h>

#include "media/worker-inspect.h"

#define SCAN_MAX     (UINT64_C(64) << 20) /* no picture needs more to be read */
#define SEGMENTS_MAX 65536
#define XMP_HEAD     29 /* with their NUL */
#define IPTC_HEAD    14

static uint8_t block[65536];

/* The next marker inside entropy-coded data: 0xFF followed by neither 0 nor a restart marker. Return: its offset, in->size when
 * there is none. */
static uint64_t next_marker(struct input *in, uint64_t at)
{
    uint64_t stop = MIN(in->size, at + SCAN_MAX);

    while (at + 1 < stop && !input_expired(in)) {
        ssize_t n = input_pread(in, block, (size_t)MIN(stop - at, (uint64_t)sizeof block), at);
        const uint8_t *p = block, *end = n > 1 ? block + n - 1 : block;

        if (n < 2)
            return in->size;
        while (p < end && (p = memchr(p, 0xFF, (size_t)(end - p)))) {
            if (p[1] != 0 && p[1] != 0xFF && !(p[1] >= 0xD0 && p[1] <= 0xD7))
                return at + (uint64_t)(p - block);
            p++;
        }
        at += (uint64_t)n - 1;
    }
    return in->size;
}

static bool is_frame_header(uint8_t marker)
{
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
}

/* What waits until EXIF, wherever that is, has been read: the first of each. size 0: there is none. */
struct later {
    struct box_range xmp, iptc;
};

static void note_later(struct box_range *r, uint64_t at, uint64_t size)
{
    if (r->size == 0)
        *r = (struct box_range){at, size};
}

static void read_later(struct input *in, struct facts *f, const struct later *l)
{
    if (l->xmp.size > 0 && input_get(in, block, (size_t)l->xmp.size, l->xmp.at))
        xmp_facts(f, (const char *)block, (size_t)l->xmp.size);
    if (l->iptc.size > 0 && input_get(in, block, (size_t)l->iptc.size, l->iptc.at))
        iptc_facts(f, block, (size_t)l->iptc.size);
}

/* A segment whose payload of n bytes, at a place in the file, is in block. */
static void take_segment(struct facts *f, struct later *l, uint8_t marker, uint64_t at, size_t n)
{
    if (marker == 0xE1 && n > XMP_HEAD && memcmp(block, "http://ns.adobe.com/xap/1.0/", XMP_HEAD) == 0)
        note_later(&l->xmp, at + XMP_HEAD, n - XMP_HEAD);
    if (marker == 0xED && n > IPTC_HEAD && memcmp(block, "Photoshop 3.0", IPTC_HEAD) == 0)
        note_later(&l->iptc, at + IPTC_HEAD, n - IPTC_HEAD);
    if (marker == 0xE1 && n > 14 && memcmp(block, "Exif\0", 6) == 0)
        exif_facts(f, block + 6, n - 6);
    if (is_frame_header(marker) && n >= 6 && !json_object_get(f->media, "width")) {
        facts_integer(f, "width", be16_at(block + 3));
        facts_integer(f, "height", be16_at(block + 1));
    }
}

static void jpeg_end(struct input *in, struct facts *f, uint64_t end)
{
    uint64_t left = in->size - end;

    if (left > 0 && !input_is_zero(in, end, in->size))
        facts_integer(f, "appended_bytes", (int64_t)left);
    else if (left > 512)
        facts_damage(f, "%" PRIu64 " zero bytes after the picture: space set aside and never written", left);
}

/* The end was not met: because it is not there, unless the time ran out on the way. */
static bool no_end(const struct input *in, struct facts *f, const char *what)
{
    if (!input_expired(in))
        facts_damage(f, "the picture is cut off: no end %s, the data stop at byte %" PRIu64, what, in->size);
    return false;
}

static bool walk_jpeg(struct input *in, struct facts *f, struct later *later)
{
    uint64_t at = 2;
    uint8_t h[4];

    for (int i = 0; i < SEGMENTS_MAX && !input_expired(in); i++) {
        size_t n;

        if (!input_get(in, h, 2, at))
            return no_end(in, f, "marker");
        if (h[0] != 0xFF) {
            facts_damage(f, "broken at byte %" PRIu64 ": no marker where one must be", at);
            return false;
        }
        if (h[1] == 0xFF) { /* fill byte */
            at++;
            continue;
        }
        if (h[1] == 0xD9) {
            jpeg_end(in, f, at + 2);
            return false;
        }
        if (!input_get(in, h, 4, at) || (n = be16_at(h + 2)) < 2 || !input_get(in, block, n - 2, at + 4))
            return no_end(in, f, "marker");
        take_segment(f, later, h[1], at + 4, n - 2);
        at += 2 + n;
        if (h[1] == 0xDA)
            at = next_marker(in, at);
        if (at >= in->size)
            return no_end(in, f, "marker");
    }
    return false;
}

bool inspect_jpeg(struct input *in, struct facts *f)
{
    struct later later = {0};
    bool more = walk_jpeg(in, f, &later);

    read_later(in, f, &later);
    return more;
}

/* CRC-32 of a chunk's type and data, the data read through block; false when it is not all there. */
static bool png_checksum(struct input *in, uint64_t at, uint32_t size, uint32_t *ret)
{
    const AVCRC *table = av_crc_get_table(AV_CRC_32_IEEE_LE);
    uint32_t crc = UINT32_MAX;
    uint64_t end = at + 4 + size;

    while (at < end) {
        size_t n = (size_t)MIN(end - at, (uint64_t)sizeof block);

        if (!input_get(in, block, n, at))
            return false;
        crc = av_crc(table, crc, block, n);
        at += n;
    }
    *ret = ~crc;
    return true;
}

static void take_chunk(struct input *in, struct facts *f, struct later *l, const uint8_t *type, uint64_t at,
                       uint32_t size)
{
    static const char xmp[] = "XML:com.adobe.xmp\0\0"; /* not compressed: XMP part 3, 1.1.5 */

    if (memcmp(type, "IHDR", 4) == 0 && size >= 8 && input_get(in, block, 8, at)) {
        facts_integer(f, "width", be32_at(block));
        facts_integer(f, "height", be32_at(block + 4));
    }
    if (memcmp(type, "iTXt", 4) == 0 && size > sizeof xmp && size <= sizeof block &&
        input_get(in, block, sizeof xmp, at) && memcmp(block, xmp, sizeof xmp - 1) == 0)
        note_later(&l->xmp, at + sizeof xmp, size - sizeof xmp);
    if (memcmp(type, "eXIf", 4) == 0 && size <= sizeof block && input_get(in, block, size, at))
        exif_facts(f, block, size);
}

static bool walk_png(struct input *in, struct facts *f, struct later *later)
{
    uint64_t at = 8, read = 0;
    uint8_t h[8], stored[4];

    for (int i = 0; i < SEGMENTS_MAX && !input_expired(in); i++) {
        uint32_t size, crc;

        if (!input_get(in, h, 8, at))
            break;
        size = be32_at(h);
        if (size > in->size - at - 8)
            break;
        read += size;
        if (read < SCAN_MAX) {
            if (!png_checksum(in, at + 4, size, &crc) || !input_get(in, stored, 4, at + 8 + size))
                break;
            if (crc != be32_at(stored))
                facts_damage(f, "a checksum is wrong in the chunk at byte %" PRIu64, at);
        }
        take_chunk(in, f, later, h + 4, at + 8, size);
        at += 12 + (uint64_t)size;
        if (memcmp(h + 4, "IEND", 4) == 0) {
            if (at < in->size)
                facts_integer(f, "appended_bytes", (int64_t)(in->size - at));
            return false;
        }
    }
    return no_end(in, f, "chunk");
}

bool inspect_png(struct input *in, struct facts *f)
{
    struct later later = {0};
    bool more = walk_png(in, f, &later);

    read_later(in, f, &later);
    return more;
}
