/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Merkle tree hashing and proof checking (see merkle.h). The checkers walk upward with the positions of the first and the
 * last node in question; shifting a position right is stepping to its parent.
 */
#include "ledger/merkle.h"

#include <assert.h>
#include <string.h>

void merkle_hash_leaf(const void *entry, size_t size, struct digest *ret)
{
    uint8_t buf[1 + MERKLE_ENTRY_MAX];

    assert(size <= MERKLE_ENTRY_MAX);
    buf[0] = 0;
    memcpy(buf + 1, entry, size);
    digest_of(buf, size + 1, ret);
}

void merkle_hash_node(const struct digest *left, const struct digest *right, struct digest *ret)
{
    uint8_t buf[1 + 2 * DIGEST_BYTES];

    buf[0] = 1;
    memcpy(buf + 1, left->bytes, DIGEST_BYTES);
    memcpy(buf + 1 + DIGEST_BYTES, right->bytes, DIGEST_BYTES);
    digest_of(buf, sizeof buf, ret);
}

void merkle_hash_empty(struct digest *ret)
{
    digest_of("", 0, ret);
}

void merkle_hash_tree(const struct digest *nodes, size_t n, struct digest *ret)
{
    struct digest stack[MERKLE_PROOF_MAX]; /* roots of full trees, tallest first: the one bits of i */
    size_t depth = 0;

    assert(n > 0);
    for (size_t i = 0; i < n; i++) {
        stack[depth++] = nodes[i];
        for (size_t bits = i; bits & 1; bits >>= 1) {
            merkle_hash_node(&stack[depth - 2], &stack[depth - 1], &stack[depth - 2]);
            depth--;
        }
    }
    for (; depth > 1; depth--)
        merkle_hash_node(&stack[depth - 2], &stack[depth - 1], &stack[depth - 2]);
    *ret = stack[0];
}

static bool subtree_is_valid(uint64_t start, uint64_t end)
{
    uint64_t length, aligned;

    if (start >= end)
        return false;
    length = end - start;
    if (length > UINT64_C(1) << 63)
        return start == 0;
    for (aligned = 1; aligned < length;)
        aligned <<= 1;
    return (start & (aligned - 1)) == 0;
}

bool merkle_check_inclusion(uint64_t index, uint64_t size, const struct digest *leaf,
                            const struct digest *proof, size_t n, const struct digest *root)
{
    uint64_t node = index, last = size - 1;
    struct digest hash = *leaf;

    if (index >= size)
        return false;
    for (size_t i = 0; i < n; i++) {
        if (last == 0)
            return false;
        if ((node & 1) || node == last) {
            merkle_hash_node(&proof[i], &hash, &hash);
            /* the last node of a level may have no sibling on several levels */
            for (; node != 0 && !(node & 1); node >>= 1)
                last >>= 1;
        } else {
            merkle_hash_node(&hash, &proof[i], &hash);
        }
        node >>= 1;
        last >>= 1;
    }
    return last == 0 && digest_equal(&hash, root);
}

bool merkle_check_subtree_inclusion(uint64_t index, uint64_t start, uint64_t end, const struct digest *leaf,
                                    const struct digest *proof, size_t n, const struct digest *subtree)
{
    if (!subtree_is_valid(start, end) || index < start || index >= end)
        return false;
    return merkle_check_inclusion(index - start, end - start, leaf, proof, n, subtree);
}

bool merkle_check_subtree_consistency(uint64_t start, uint64_t end, uint64_t size,
                                      const struct digest *subtree, const struct digest *root,
                                      const struct digest *proof, size_t n)
{
    uint64_t first = start, last = end - 1, tree_last = size - 1;
    struct digest small, large; /* what the proof makes of the subtree and of the whole tree */
    size_t i = 0;

    if (start == end && end <= size) {
        merkle_hash_empty(&small);
        return n == 0 && digest_equal(&small, subtree);
    }
    if (!subtree_is_valid(start, end) || end > size)
        return false;
    /* Up to the largest full tree that ends where the subtree ends; its hash begins the proof unless it is the subtree itself */
    while (first != last && (last == tree_last || (last & 1))) {
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    if (first != last && n == 0)
        return false;
    small = large = first == last ? *subtree : proof[i++];
    for (; i < n; i++) {
        if (tree_last == 0)
            return false;
        if ((last & 1) || last == tree_last) {
            if (first < last)
                merkle_hash_node(&proof[i], &small, &small);
            merkle_hash_node(&proof[i], &large, &large);
            for (; !(last & 1); last >>= 1, tree_last >>= 1)
                first >>= 1;
        } else {
            merkle_hash_node(&large, &proof[i], &large);
        }
        first >>= 1;
        last >>= 1;
        tree_last >>= 1;
    }
    return tree_last == 0 && digest_equal(&small, subtree) && digest_equal(&large, root);
}

bool merkle_check_consistency(uint64_t size1, uint64_t size2, const struct digest *root1,
                              const struct digest *root2, const struct digest *proof, size_t n)
{
    return size1 > 0 && merkle_check_subtree_consistency(0, size1, size2, root1, root2, proof, n);
}
