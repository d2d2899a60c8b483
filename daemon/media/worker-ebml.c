/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * EBML elements (Matroska, RFC 9559), the outer levels only: whether the sizes they state are there, and whether another recording follows.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>

#define ELEMENTS_MAX 4096
#define TRACKS_MAX   64

enum {
    EBML_HEADER = 0x1A45DFA3,
    EBML_SEGMENT = 0x18538067,
    EBML_TRACKS = 0x1654AE6B,
    EBML_CLUSTER = 0x1F43B675,
    EBML_TRACK = 0xAE,
    EBML_TRACK_NUMBER = 0xD7,
    EBML_CODEC = 0x86,
    EBML_CODEC_PRIVATE = 0x63A2,
};

/* An EBML number of 1 – 8 bytes (RFC 8794, 4 and 5); keep_marker for ids. Return: its length, 0 when there is none. */
static size_t read_number(struct input *in, uint64_t at, bool keep_marker, uint64_t *ret)
{
    uint8_t b[8];
    size_t n = 1;
    uint64_t v;

    if (!input_get(in, b, 1, at) || b[0] == 0)
        return 0;
    while (!(b[0] & (0x80 >> (n - 1))))
        n++;
    if (!input_get(in, b, n, at))
        return 0;
    v = keep_marker ? b[0] : b[0] & (0xFFu >> n);
    for (size_t i = 1; i < n; i++)
        v = v << 8 | b[i];
    if (!keep_marker && v == (UINT64_C(1) << 7 * n) - 1)
        v = UINT64_MAX; /* unknown size: live */
    *ret = v;
    return n;
}

/* The next element in a part. Return: whether there is one, with its id and what stands in it. */
static bool next_element(struct input *in, struct box_range *rest, uint64_t *ret_id, struct box_range *ret)
{
    uint64_t size;
    size_t n = rest->size > 0 ? read_number(in, rest->at, true, ret_id) : 0;
    size_t m = n ? read_number(in, rest->at + n, false, &size) : 0;

    if (m == 0 || n + m > rest->size)
        return false;
    *ret = (struct box_range){rest->at + n + m, MIN(size, rest->size - n - m)};
    *rest = (struct box_range){ret->at + ret->size, rest->size - n - m - ret->size};
    return true;
}

/* Tracks stand before the first cluster; behind it nobody could play them from the beginning. */
static bool find_tracks(struct input *in, struct box_range segment, struct box_range *ret)
{
    uint64_t id;

    for (int i = 0; i < ELEMENTS_MAX && next_element(in, &segment, &id, ret); i++) {
        if (id == EBML_TRACKS)
            return true;
        if (id == EBML_CLUSTER)
            return false;
    }
    return false;
}

/* What a track's data are decoded by, in the order of the elements. */
static bool next_property(struct input *in, struct box_range *track, uint64_t *ret_id, struct box_range *ret)
{
    while (next_element(in, track, ret_id, ret))
        if (*ret_id == EBML_TRACK_NUMBER || *ret_id == EBML_CODEC || *ret_id == EBML_CODEC_PRIVATE)
            return true;
    return false;
}

static bool same_track(struct input *in, struct box_range one, struct box_range other)
{
    struct box_range a, b;
    uint64_t id_a, id_b;

    for (;;) {
        bool more = next_property(in, &one, &id_a, &a);

        if (more != next_property(in, &other, &id_b, &b))
            return false;
        if (!more)
            return true;
        if (id_a != id_b || !same_bytes(in, a, b))
            return false;
    }
}

/* Whether what follows a second header can be decoded by the first. */
static bool segments_agree(struct input *in, struct box_range one, struct box_range other)
{
    struct box_range a, b;
    uint64_t id_a, id_b;

    if (!find_tracks(in, one, &one) || !find_tracks(in, other, &other))
        return false;
    for (int i = 0; i < TRACKS_MAX; i++) {
        bool more = next_element(in, &one, &id_a, &a);

        if (more != next_element(in, &other, &id_b, &b))
            return false;
        if (!more)
            return true;
        if (id_a != id_b || (id_a == EBML_TRACK && !same_track(in, a, b)))
            return false;
    }
    return false;
}

/* Segments: what begins with a header of its own behind the first is another recording. Return: whether it can be played on. */
static bool plays_on(struct input *in, struct box_range *first, uint64_t id, uint64_t at, uint64_t size)
{
    struct box_range here = {at, size};

    if (id != EBML_SEGMENT)
        return true;
    if (first->size == 0) {
        *first = here;
        return true;
    }
    return segments_agree(in, *first, here);
}

bool inspect_ebml(struct input *in, struct facts *f)
{
    uint64_t at = 0, id, size, header = 0;
    struct box_range first = {0};

    for (int i = 0; i < ELEMENTS_MAX && at < in->size; i++) {
        size_t n = read_number(in, at, true, &id), m = n ? read_number(in, at + n, false, &size) : 0;

        if (m == 0) {
            if (input_is_zero(in, at, in->size))
                facts_damage(f, "%" PRIu64 " zero bytes at the end: space set aside and never written",
                             in->size - at);
            return true;
        }
        if (id == EBML_HEADER)
            header = at;
        at += n + m;
        if (!plays_on(in, &first, id, at, MIN(size, in->size - at))) {
            second_recording(in, f, header);
            return true;
        }
        if (size == UINT64_MAX)
            return true;
        if (size > in->size - at) {
            facts_damage(f,
                         "cut off: element %" PRIX64 " at byte %" PRIu64 " says it has %" PRIu64
                         " bytes, but only %" PRIu64 " are there",
                         id, at - n - m, size, in->size - at);
            return true;
        }
        at += size;
    }
    return true;
}
