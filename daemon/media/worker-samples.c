/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an MP4's index claims (ISO/IEC 14496-12 §8.6.1, §8.7.3), against what can be there: a few bytes of it can speak of a thousand million
 * pictures. libav drops an index that is too large without a word, and the file would pass for good. Each table is judged by its numbers
 * and its length, none is read through but the run-lengths of times, so far as they are few.
 */
#include <inttypes.h>
#include <string.h>

#include "media/worker-inspect.h"

#define BOXES_MAX 1024 /* of a moov; recordings have a dozen */
#define RUNS_MAX  4096
#define TIMES_FEW 100

/* The numbers at the head of a box: version and flags, then n words. */
static bool read_words(struct input *in, struct box_range box, uint32_t *words, size_t n)
{
    uint8_t b[16];

    if (box.size < 4 + 4 * n || n > 3 || !input_get(in, b, 4 + 4 * n, box.at))
        return false;
    for (size_t i = 0; i < n; i++)
        words[i] = be32_at(b + 4 + 4 * i);
    return true;
}

static bool is_video(struct input *in, struct box_range media)
{
    struct box_range hdlr;
    uint8_t type[4];

    return box_find(in, media, "hdlr", &hdlr) && hdlr.size >= 12 && input_get(in, type, 4, hdlr.at + 8) &&
           memcmp(type, "vide", 4) == 0;
}

/* How many samples the sizes are of; damage when those, or their list, cannot be there. Return: whether there is such a box. */
static bool check_sizes(struct input *in, struct facts *f, struct box_range tables, uint32_t *ret_count)
{
    struct box_range box;
    uint32_t words[2];
    uint64_t listed, bits = 32;

    if (box_find(in, tables, "stsz", &box)) {
        if (!read_words(in, box, words, 2))
            return false;
        if (words[0] && (uint64_t)words[0] * words[1] > in->size) {
            facts_damage(f,
                         "the index speaks of %" PRIu32 " pictures of %" PRIu32
                         " bytes each, the whole file has %" PRIu64 ": it is cut off, or its index is broken",
                         words[1], words[0], in->size);
            return false;
        }
    } else if (!box_find(in, tables, "stz2", &box) || !read_words(in, box, words, 2))
        return false;
    else {
        bits = words[0] & 0xFF;
        words[0] = 0;
    }
    listed = (box.size - 12) * 8 / MAX(bits, UINT64_C(1));
    if (!words[0] && words[1] > listed) {
        facts_damage(
            f, "the index speaks of %" PRIu32 " pictures and lists %" PRIu64 ": it is cut off or broken",
            words[1], listed);
        return false;
    }
    *ret_count = words[1];
    return true;
}

/* Times come as runs: (how many, how long each). */
static void check_times(struct input *in, struct facts *f, struct box_range tables, uint32_t count)
{
    struct box_range box;
    uint64_t total = 0;
    uint32_t runs;
    uint8_t b[8];

    if (!box_find(in, tables, "stts", &box) || !read_words(in, box, &runs, 1))
        return;
    for (uint32_t i = 0; i < MIN(runs, (uint32_t)RUNS_MAX) && 8 + 8 * (uint64_t)i + 8 <= box.size; i++) {
        if (!input_get(in, b, 8, box.at + 8 + 8 * (uint64_t)i))
            return;
        total += be32_at(b);
    }
    if (total > 2 * (uint64_t)count + TIMES_FEW)
        facts_damage(f, "the index has times for %" PRIu64 " pictures and knows %" PRIu32 ": it is broken",
                     total, count);
}

/* Sound is left alone: where it is compressed, older files count what comes out of the decoder. */
static void check_track(struct input *in, struct facts *f, struct box_range track)
{
    struct box_range media, information, tables;
    uint32_t count;

    if (!box_find(in, track, "mdia", &media) || !is_video(in, media) ||
        !box_find(in, media, "minf", &information) || !box_find(in, information, "stbl", &tables))
        return;
    if (check_sizes(in, f, tables, &count))
        check_times(in, f, tables, count);
}

bool inspect_mp4(struct input *in, struct facts *f)
{
    bool readable = inspect_boxes(in, f);
    struct box_range whole = {0, in->size}, moov, box;
    char type[4];

    if (!readable || !box_find(in, whole, "moov", &moov))
        return readable;
    for (int i = 0; i < BOXES_MAX && !input_expired(in) && box_next(in, &moov, type, &box); i++)
        if (memcmp(type, "trak", 4) == 0)
            check_track(in, f, box);
    return readable;
}
