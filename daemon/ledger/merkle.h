/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Merkle tree hashing (RFC 6962 §2.1) and the checking of proofs (RFC 9162 §2.1.3.2, §2.1.4.2). Pure functions: no files, no
 * keys. A subtree [start, end) is a run of leaves whose start is a multiple of the smallest power of two not below its
 * length; a whole tree is the subtree [0, size), so one piece of code checks both.
 */
#ifndef LIUHEN_LEDGER_MERKLE_H
#define LIUHEN_LEDGER_MERKLE_H

#include <stdbool.h>

#include "base/digest.h"

#define MERKLE_PROOF_MAX 64    /* hashes: no proof in a tree of fewer than 2^63 leaves is longer */
#define MERKLE_ENTRY_MAX 65535 /* bytes of one entry */

/* SHA-256(0x00 ‖ entry), SHA-256(0x01 ‖ left ‖ right), SHA-256(""). */
void merkle_hash_leaf(const void *entry, size_t size, struct digest *ret);
void merkle_hash_node(const struct digest *left, const struct digest *right, struct digest *ret);
void merkle_hash_empty(struct digest *ret);

/* The tree hash over n ≥ 1 nodes of equal height in order, of which the last may be the hash of a smaller (not full) tree.
 * ret may be one of the nodes. */
void merkle_hash_tree(const struct digest *nodes, size_t n, struct digest *ret);

/* Whether proof (sibling of the leaf first) leads from leaf at index to the root of a tree of size leaves. Nothing may be missing
 * from the proof and nothing left over. */
bool merkle_check_inclusion(uint64_t index, uint64_t size, const struct digest *leaf,
                            const struct digest *proof, size_t n, const struct digest *root);

/* Whether proof shows that the tree of size1 leaves is the beginning of the one of size2. A tree of no leaves proves nothing: false
 * for size1 = 0. */
bool merkle_check_consistency(uint64_t size1, uint64_t size2, const struct digest *root1,
                              const struct digest *root2, const struct digest *proof, size_t n);

/* The same for subtrees: the leaf in [start, end) with hash subtree; and [start, end) within the tree of size leaves. An empty
 * subtree is in every tree, its hash being that of the empty tree. */
bool merkle_check_subtree_inclusion(uint64_t index, uint64_t start, uint64_t end, const struct digest *leaf,
                                    const struct digest *proof, size_t n, const struct digest *subtree);
bool merkle_check_subtree_consistency(uint64_t start, uint64_t end, uint64_t size,
                                      const struct digest *subtree, const struct digest *root,
                                      const struct digest *proof, size_t n);

#endif
