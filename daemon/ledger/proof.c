/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making proofs from tiles (see proof.h). A proof touches one tile a level, so one tile of each level is kept while it is
 * made.
 */
#include "ledger/proof.h"

#include <assert.h>
#include <errno.h>

#include "ledger/tile.h"

struct tiles {
    int dirfd;
    uint64_t log_size;
    struct error *err;
    struct {
        bool loaded;
        uint64_t index;
        struct digest hashes[TILE_WIDTH];
    } level[TILE_LEVELS];
};

static int get_tile(struct tiles *t, int level, uint64_t index, const struct digest **ret)
{
    int r = 0;

    if (!t->level[level].loaded || t->level[level].index != index) {
        t->level[level].loaded = false;
        r = tile_read(t->dirfd, level, index, tile_width(level, index, t->log_size), t->level[level].hashes,
                      t->err);
        if (r < 0)
            return r;
        t->level[level].loaded = true;
        t->level[level].index = index;
    }
    *ret = t->level[level].hashes;
    return 0;
}

/* The hash of the full tree over leaves [index × 2^height, (index + 1) × 2^height). */
static int hash_full(struct tiles *t, unsigned height, uint64_t index, struct digest *ret)
{
    unsigned below = height % 8;
    uint64_t first = index << below;
    const struct digest *hashes;
    int r = get_tile(t, (int)(height / 8), first / TILE_WIDTH, &hashes);

    if (r == 0)
        merkle_hash_tree(hashes + first % TILE_WIDTH, (size_t)1 << below, ret);
    return r;
}

/* The largest power of two below n, for n ≥ 2. */
static uint64_t split_point(uint64_t n)
{
    return UINT64_C(1) << (63 - __builtin_clzll(n - 1));
}

/* The tree hash of leaves [start, start + n), n ≥ 1, start a multiple of the smallest power of two not below n. */
static int hash_range(struct tiles *t, uint64_t start, uint64_t n, struct digest *ret)
{
    struct digest full[MERKLE_PROOF_MAX];
    size_t count = 0;

    for (uint64_t k; n > 0; start += k, n -= k) {
        unsigned height = 63 - (unsigned)__builtin_clzll(n);
        int r = hash_full(t, height, start >> height, &full[count++]);
        if (r < 0)
            return r;
        k = UINT64_C(1) << height;
    }
    for (*ret = full[--count]; count > 0; count--)
        merkle_hash_node(&full[count - 1], ret, ret);
    return 0;
}

static void reverse(struct proof *p)
{
    for (size_t i = 0; i < p->n / 2; i++) {
        struct digest other = p->hashes[p->n - 1 - i];
        p->hashes[p->n - 1 - i] = p->hashes[i];
        p->hashes[i] = other;
    }
}

static struct tiles *tiles_new(int dirfd, uint64_t log_size, struct error *err)
{
    struct tiles *t = calloc(1, sizeof *t);

    if (!t) {
        error_errno(err, -ENOMEM, "", "cannot make a proof");
        return NULL;
    }
    t->dirfd = dirfd;
    t->log_size = log_size;
    t->err = err;
    return t;
}

/* Walks from the root of [0, size) down to index, collecting the sibling of each step. */
static int collect_siblings(struct tiles *t, uint64_t index, uint64_t size, struct proof *ret)
{
    uint64_t start = 0, n = size;

    while (n > 1) {
        uint64_t k = split_point(n);
        bool right = index - start >= k;
        int r = right ? hash_range(t, start, k, &ret->hashes[ret->n])
                      : hash_range(t, start + k, n - k, &ret->hashes[ret->n]);
        if (r < 0)
            return r;
        ret->n++;
        start += right ? k : 0;
        n = right ? n - k : k;
    }
    reverse(ret);
    return 0;
}

int proof_make_inclusion(int dirfd, uint64_t log_size, uint64_t index, uint64_t size, struct proof *ret,
                         struct digest *ret_leaf, struct error *err)
{
    _cleanup_free_ struct tiles *t = tiles_new(dirfd, log_size, err);
    int r;

    assert(index < size && size <= log_size);
    if (!t)
        return -ENOMEM;
    ret->n = 0;
    r = hash_full(t, 0, index, ret_leaf);
    return r < 0 ? r : collect_siblings(t, index, size, ret);
}

/* SUBPROOF of RFC 6962 §2.1.2 from the top down: follows the end of the older tree. */
static int collect_subproof(struct tiles *t, uint64_t size1, uint64_t size2, struct proof *ret)
{
    uint64_t start = 0, n = size2;
    bool known = true; /* the older tree is exactly [start, start + n) so far */
    int r;

    while (size1 - start < n) {
        uint64_t k = split_point(n);
        bool right = size1 - start > k;
        r = right ? hash_range(t, start, k, &ret->hashes[ret->n])
                  : hash_range(t, start + k, n - k, &ret->hashes[ret->n]);
        if (r < 0)
            return r;
        ret->n++;
        known = known && !right;
        start += right ? k : 0;
        n = right ? n - k : k;
    }
    if (!known) {
        r = hash_range(t, start, n, &ret->hashes[ret->n]);
        if (r < 0)
            return r;
        ret->n++;
    }
    reverse(ret);
    return 0;
}

int proof_make_consistency(int dirfd, uint64_t log_size, uint64_t size1, uint64_t size2, struct proof *ret,
                           struct digest ret_roots[2], struct error *err)
{
    _cleanup_free_ struct tiles *t = tiles_new(dirfd, log_size, err);
    int r;

    assert(size1 > 0 && size1 <= size2 && size2 <= log_size);
    if (!t)
        return -ENOMEM;
    ret->n = 0;
    r = collect_subproof(t, size1, size2, ret);
    if (r == 0)
        r = hash_range(t, 0, size1, &ret_roots[0]);
    return r < 0 ? r : hash_range(t, 0, size2, &ret_roots[1]);
}
