/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The right edge of the log: the hashes of the one partial tile of each level. It is all that appending and the root need, so
 * a log of any size costs 64 KiB of memory and nothing is hashed twice.
 */
#ifndef LIUHEN_LEDGER_EDGE_H
#define LIUHEN_LEDGER_EDGE_H

#include "base/digest.h"
#include "base/error.h"
#include "ledger/tile.h"

struct edge {
    uint64_t size; /* leaves */
    struct {
        unsigned n; /* 0–255 */
        struct digest hashes[TILE_WIDTH];
    } level[TILE_LEVELS];
};

/* Reads the partial tiles of a log of size leaves. Return as tile_read. */
int edge_load(int dirfd, uint64_t size, struct edge *ret, struct error *err);

/* Adds a leaf hash. Each tile that becomes full is handed to on_full (256 hashes); its non-zero return stops and is returned,
 * and the edge is then of no more use. */
int edge_append(struct edge *e, const struct digest *leaf,
                int (*on_full)(void *userdata, int level, uint64_t index, const struct digest *hashes),
                void *userdata);

/* The root of the whole log. */
void edge_root(const struct edge *e, struct digest *ret);

/* Cheaper than assignment: copies the hashes in use only. */
void edge_copy(const struct edge *from, struct edge *to);

#endif
