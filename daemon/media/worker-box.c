/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Boxes of ISO files (ISO/IEC 14496-12 §4.2), the top level only: enough to see a cut recording, a missing index and space that was
 * set aside and never written. What is inside the boxes is libav's and libheif's to read.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>
#include <string.h>

#define BOXES_MAX 65536
#define FIND_MAX  4096

struct box {
    uint64_t at, size; /* size as stated; to the end of the file when stated as 0 */
    char type[5];
};

static unsigned type_bit(const char *type)
{
    static const char names[][5] = {"moov", "mdat", "moof", "meta"};

    for (unsigned i = 0; i < ARRAY_SIZE(names); i++)
        if (memcmp(type, names[i], 4) == 0)
            return 1u << i;
    return 0;
}

/* Return: whether a box header stands at b->at. */
static bool read_box(struct input *in, struct box *b)
{
    uint8_t h[16];

    if (!input_get(in, h, 8, b->at))
        return false;
    b->size = be32_at(h);
    for (size_t i = 0; i < 4; i++) {
        if (h[4 + i] < 0x20 || (h[4 + i] > 0x7E && h[4 + i] != 0xA9))
            return false;
        b->type[i] = h[4 + i] < 0x7F ? (char)h[4 + i] : '?';
    }
    b->type[4] = 0;
    if (b->size == 1) {
        if (!input_get(in, h, 16, b->at))
            return false;
        b->size = be64_at(h + 8);
        return b->size >= 16;
    }
    if (b->size == 0)
        b->size = in->size - b->at;
    return b->size >= 8;
}

/* What follows the last box: zeros are space never written, anything else was put there by somebody. */
static void tail_facts(struct input *in, struct facts *f, uint64_t at)
{
    uint64_t left = in->size - at;

    if (!input_is_zero(in, at, in->size))
        facts_integer(f, "appended_bytes", (int64_t)left);
    else if (left > 8) /* some writers end with an empty terminator */
        facts_damage(f, "%" PRIu64 " zero bytes after the last box: space set aside and never written", left);
}

unsigned boxes_walk(struct input *in, struct facts *f)
{
    struct box b = {0};
    unsigned seen = 0;

    for (int i = 0; i < BOXES_MAX && b.at < in->size && !input_expired(in); i++) {
        if (!read_box(in, &b)) {
            tail_facts(in, f, b.at);
            return seen;
        }
        seen |= type_bit(b.type);
        if (b.size > in->size - b.at) {
            facts_damage(f,
                         "cut off: box '%s' at byte %" PRIu64 " says it has %" PRIu64
                         " bytes, but only %" PRIu64 " are there",
                         b.type, b.at, b.size, in->size - b.at);
            return seen;
        }
        b.at += b.size;
    }
    return seen;
}

bool box_next(struct input *in, struct box_range *rest, char type[4], struct box_range *ret)
{
    uint64_t head = 8, size;
    uint8_t h[16];

    if (rest->size < 8 || !input_get(in, h, 8, rest->at))
        return false;
    size = be32_at(h);
    if (size == 1) {
        if (rest->size < 16 || !input_get(in, h, 16, rest->at))
            return false;
        size = be64_at(h + 8);
        head = 16;
    } else if (size == 0)
        size = rest->size;
    if (size < head || size > rest->size)
        return false;
    memcpy(type, h + 4, 4);
    *ret = (struct box_range){rest->at + head, size - head};
    *rest = (struct box_range){rest->at + size, rest->size - size};
    return true;
}

bool box_find(struct input *in, struct box_range within, const char *type, struct box_range *ret)
{
    struct box_range found;
    char t[4];

    for (int i = 0; i < FIND_MAX && box_next(in, &within, t, &found); i++)
        if (memcmp(t, type, 4) == 0) {
            *ret = found;
            return true;
        }
    return false;
}
