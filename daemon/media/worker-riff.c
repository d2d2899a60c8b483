/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * RIFF chunks (AVI, WAV, RF64), the outer levels only: whether the sizes they state are there, and whether the index is. Recorders that lose power leave sizes of 0 and no index.
 */
#include "media/worker-inspect.h"

#include <inttypes.h>
#include <string.h>

#define CHUNKS_MAX 4096

struct riff {
    struct input *in;
    struct facts *f;
    bool is_wav, is_64; /* RF64: 32-bit sizes of 0xFFFFFFFF are placeholders */
    bool has_data, has_index, cut;
};

static void check_index(struct riff *r, uint64_t at, uint32_t size)
{
    r->has_index = true;
    if (size > 0 && input_is_zero(r->in, at, at + size))
        facts_damage(r->f, "the index (idx1) is nothing but zeros");
}

/* One chunk whose body is at. Return: whether the walk can go on behind it. */
static bool take_chunk(struct riff *r, const char *id, uint64_t at, uint32_t size)
{
    uint64_t left = r->in->size - at;

    if (memcmp(id, "data", 4) == 0) {
        r->has_data = true;
        if (size == 0 && left > 0)
            facts_damage(r->f,
                         "the recorder did not write the sizes (0 stated, %" PRIu64
                         " bytes there): it lost power",
                         left);
        if (size == 0 || r->is_64)
            return false;
    }
    if (memcmp(id, "idx1", 4) == 0 && size <= left)
        check_index(r, at, size);
    if (size <= left)
        return true;
    if (!(r->is_64 && size == UINT32_MAX)) {
        r->cut = true;
        facts_damage(r->f,
                     "cut off: chunk '%.4s' at byte %" PRIu64 " says it has %" PRIu32
                     " bytes, but only %" PRIu64 " are there",
                     id, at - 8, size, left);
    }
    return false;
}

static void walk_chunks(struct riff *r, uint64_t at, uint64_t end)
{
    uint8_t h[8];
    char id[5];

    for (int i = 0; i < CHUNKS_MAX && at + 8 <= end && input_get(r->in, h, 8, at); i++) {
        uint32_t size = le32_at(h + 4);

        for (int k = 0; k < 4; k++)
            id[k] = h[k] >= 0x20 && h[k] < 0x7F ? (char)h[k] : '?';
        id[4] = 0;
        if (!take_chunk(r, id, at + 8, size))
            return;
        at += 8 + (uint64_t)size + (size & 1);
    }
}

/* OpenDML files keep their index ("indx") in the headers. */
static bool has_opendml_index(struct input *in)
{
    static uint8_t head[65536];
    ssize_t n = input_pread(in, head, sizeof head, 0);

    return n > 0 && memmem(head, (size_t)n, "indx", 4);
}

bool inspect_riff(struct input *in, struct facts *f)
{
    struct riff r = {.in = in, .f = f};
    uint8_t h[12];
    uint64_t stated;

    if (!input_get(in, h, sizeof h, 0)) {
        facts_damage(f, "cut off inside the RIFF header");
        return false;
    }
    r.is_wav = memcmp(h + 8, "WAVE", 4) == 0;
    r.is_64 = h[0] != 'R' || h[1] != 'I';
    stated = (uint64_t)le32_at(h + 4) + 8;
    walk_chunks(&r, 12, stated > 8 && stated < in->size && !r.is_wav ? stated : in->size);
    if (!r.cut && !r.is_64 && stated > in->size + 1)
        facts_damage(f, "the RIFF header says %" PRIu64 " bytes, but only %" PRIu64 " are there", stated,
                     in->size);
    if (r.is_wav && !r.has_data && !r.cut)
        facts_damage(f, "no sound data (no data chunk)");
    if (!r.is_wav && !r.has_index && !has_opendml_index(in))
        facts_damage(f, "no index (idx1): the recording was not closed");
    return true;
}
