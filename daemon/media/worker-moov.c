/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What an ISO file must have to be played (moov, or it came in fragments), and a second recording behind the first in one file: recorders
 * that append, and parts that somebody put together. libav knows the first header only, and would decode what follows by it: with
 * other parameters that is garbage, or worse, pictures that are only nearly right.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>
#include <string.h>

#define BLOCK      4096
#define TRACKS_MAX 64
#define BOXES_MAX  65536

bool same_bytes(struct input *in, struct box_range a, struct box_range b)
{
    uint8_t one[BLOCK], other[BLOCK];

    if (a.size != b.size)
        return false;
    for (uint64_t at = 0; at < a.size; at += BLOCK) {
        size_t n = (size_t)MIN(a.size - at, (uint64_t)BLOCK);

        if (!input_get(in, one, n, a.at + at) || !input_get(in, other, n, b.at + at) ||
            memcmp(one, other, n) != 0)
            return false;
    }
    return true;
}

/* The next track of a moov and what its data are decoded by: its clock (mdhd, ISO/IEC 14496-12 §8.4.2) and its sample entries (§8.5.2). */
static bool next_track(struct input *in, struct box_range *rest, uint32_t *ret_clock, struct box_range *ret)
{
    struct box_range track, media, head;
    uint8_t b[24];
    char type[4];

    do {
        if (!box_next(in, rest, type, &track))
            return false;
    } while (memcmp(type, "trak", 4) != 0);
    *ret = (struct box_range){0};
    *ret_clock = 0;
    if (!box_find(in, track, "mdia", &media))
        return true;
    if (box_find(in, media, "mdhd", &head) && head.size >= sizeof b && input_get(in, b, sizeof b, head.at))
        *ret_clock = be32_at(b + (b[0] == 1 ? 20 : 12));
    if (box_find(in, media, "minf", &track) && box_find(in, track, "stbl", &head))
        box_find(in, head, "stsd", ret);
    return true;
}

static bool boxes_agree(struct input *in, struct box_range one, struct box_range other)
{
    struct box_range a, b;
    uint32_t rate_a, rate_b;

    for (int i = 0; i < TRACKS_MAX; i++) {
        bool more = next_track(in, &one, &rate_a, &a);

        if (more != next_track(in, &other, &rate_b, &b))
            return false;
        if (!more)
            return true;
        if (rate_a != rate_b || !same_bytes(in, a, b))
            return false;
    }
    return false;
}

void second_recording(struct input *in, struct facts *f, uint64_t at)
{
    facts_damage(f, "another recording begins at byte %" PRIu64 ": only the first is shown", at);
    in->size = at;
}

/* When a fragment's first track is decoded (tfdt, ISO/IEC 14496-12 §8.8.12). Return: whether it says. */
static bool decode_time(struct input *in, struct box_range fragment, uint64_t *ret)
{
    struct box_range track, time;
    uint8_t b[12];

    if (!box_find(in, fragment, "traf", &track) || !box_find(in, track, "tfdt", &time) || time.size < 8 ||
        !input_get(in, b, (size_t)MIN(time.size, (uint64_t)sizeof b), time.at))
        return false;
    *ret = b[0] == 1 && time.size >= sizeof b ? be64_at(b + 4) : be32_at(b + 4);
    return true;
}

/* The walk over a file's boxes that looks for another recording. */
struct walk {
    struct input *in;
    struct box_range moov, moof; /* what stands in the first moov and in the last moof; size 0: none yet */
    uint64_t file,
        other; /* where behind the moov the last ftyp and the last moov that agrees with it stand; 0: nowhere */
};

/* Whether the first fragment behind another moov goes on in time: streams are sent with their header again and again. libav leaves
 * fragments out whose time it has seen. */
static bool goes_on(const struct walk *w, struct box_range moof)
{
    uint64_t before, after;

    return decode_time(w->in, w->moof, &before) && decode_time(w->in, moof, &after) && after > before;
}

/* Return: where another recording begins, if it does with this box; 0. */
static uint64_t take_box(struct walk *w, const char *type, uint64_t at, struct box_range b)
{
    uint64_t begin = w->file ? w->file : at;

    if (memcmp(type, "ftyp", 4) == 0 && w->moov.size)
        w->file = at;
    if (memcmp(type, "moof", 4) == 0) {
        if (w->other && !goes_on(w, b))
            return w->other;
        w->moof = b;
        w->other = w->file = 0;
    }
    if (memcmp(type, "moov", 4) != 0)
        return 0;
    if (!w->moov.size) {
        w->moov = b;
        return 0;
    }
    if (w->moof.size ? !boxes_agree(w->in, w->moov, b) : w->file || !same_bytes(w->in, w->moov, b))
        return begin;
    w->other = w->moof.size ? begin : 0;
    return 0;
}

static void find_second(struct input *in, struct facts *f)
{
    struct box_range rest = {0, in->size}, b;
    struct walk w = {.in = in};
    uint64_t at = 0, second = 0;
    char type[4];

    for (int i = 0; i < BOXES_MAX && !second && !input_expired(in) && box_next(in, &rest, type, &b); i++) {
        second = take_box(&w, type, at, b);
        at = rest.at;
    }
    if (second && (w.file || w.moof.size))
        second_recording(in, f, second);
    else if (second)
        facts_damage(f, "another index stands at byte %" PRIu64 ": what it lists is not shown", second);
}

bool inspect_boxes(struct input *in, struct facts *f)
{
    unsigned seen = boxes_walk(in, f);

    find_second(in, f);
    if (input_expired(in)) /* what was not met may still be there */
        return seen & BOX_MOOV;
    if ((seen & BOX_MOOV) && !(seen & (BOX_MDAT | BOX_MOOF)) && !facts_is_damaged(f))
        facts_damage(f, "there is an index but no footage (no mdat box)");
    if (seen & BOX_MOOV)
        return true;
    if (seen & BOX_MOOF)
        facts_damage(
            f, "a fragment without its initialisation segment (no moov box): cannot be played by itself");
    else
        facts_damage(f,
                     "no moov box: the recording stopped before its index was written, or the index is lost");
    return false;
}
