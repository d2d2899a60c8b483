/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The right edge of the log (see edge.h).
 */
#include "ledger/edge.h"

#include <string.h>

#include "ledger/merkle.h"

int edge_load(int dirfd, uint64_t size, struct edge *ret, struct error *err)
{
    ret->size = size;
    for (int level = 0; level < TILE_LEVELS; level++) {
        uint64_t hashes = tile_hashes(level, size);
        unsigned n = (unsigned)(hashes % TILE_WIDTH);
        int r = n > 0 ? tile_read(dirfd, level, hashes / TILE_WIDTH, n, ret->level[level].hashes, err) : 0;
        if (r < 0)
            return r;
        ret->level[level].n = n;
    }
    return 0;
}

int edge_append(struct edge *e, const struct digest *leaf,
                int (*on_full)(void *userdata, int level, uint64_t index, const struct digest *hashes),
                void *userdata)
{
    struct digest hash = *leaf;

    e->size++;
    for (int level = 0; level < TILE_LEVELS; level++) {
        int r;
        e->level[level].hashes[e->level[level].n++] = hash;
        if (e->level[level].n < TILE_WIDTH)
            break;
        e->level[level].n = 0;
        r = on_full(userdata, level, (e->size >> (8 * (level + 1))) - 1, e->level[level].hashes);
        if (r != 0)
            return r;
        merkle_hash_tree(e->level[level].hashes, TILE_WIDTH, &hash);
    }
    return 0;
}

void edge_root(const struct edge *e, struct digest *ret)
{
    struct digest nodes[TILE_WIDTH + 1], rest; /* rest = the tree to the right of the full nodes of a level */
    bool have_rest = false;

    if (e->size == 0) {
        merkle_hash_empty(ret);
        return;
    }
    for (int level = 0; level < TILE_LEVELS; level++) {
        unsigned n = e->level[level].n;
        memcpy(nodes, e->level[level].hashes, n * sizeof *nodes);
        if (have_rest)
            nodes[n++] = rest;
        if (n > 0)
            merkle_hash_tree(nodes, n, &rest);
        have_rest = n > 0;
    }
    *ret = rest;
}

void edge_copy(const struct edge *from, struct edge *to)
{
    to->size = from->size;
    for (int level = 0; level < TILE_LEVELS; level++) {
        to->level[level].n = from->level[level].n;
        memcpy(to->level[level].hashes, from->level[level].hashes,
               from->level[level].n * sizeof(struct digest));
    }
}
