/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes the search for NAL units. What it finds lies inside of the file, in order, without overlap, and can be read as one stream.
 */
#include <stdlib.h>

#include "media/worker-salvage.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t end = 0, at = 0;
    struct input in, pieces;
    struct salvage s;
    uint8_t buf[4096];

    input_init_memory(&in, data, size, 2 * USEC_PER_SEC);
    if (salvage_find(&in, &s) < 0)
        return 0;
    for (size_t i = 0; i < s.n_pieces; i++) {
        const struct input_piece *p = &s.pieces[i];

        if (p->from < end || p->from > size || p->size > size - p->from || p->at != at)
            abort();
        end = p->from + p->size;
        at += PIECE_START_BYTES + p->size;
    }
    if (at != s.total)
        abort();
    pieces = in;
    pieces.source = &in;
    pieces.pieces = s.pieces;
    pieces.n_pieces = s.n_pieces;
    pieces.size = s.total;
    for (uint64_t from = 0; s.n_pieces && from < s.total; from += sizeof buf - 7)
        if (input_pread(&pieces, buf, sizeof buf, from) != (ssize_t)MIN((uint64_t)sizeof buf, s.total - from))
            abort();
    salvage_done(&s);
    return 0;
}
