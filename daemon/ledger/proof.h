/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Making proofs from tiles (RFC 6962 §2.1.1, §2.1.2). Nothing read is trusted: the caller checks the finished proof against a
 * signed root.
 */
#ifndef LIUHEN_LEDGER_PROOF_H
#define LIUHEN_LEDGER_PROOF_H

#include "base/digest.h"
#include "base/error.h"
#include "ledger/merkle.h"

struct proof {
    struct digest hashes[MERKLE_PROOF_MAX];
    size_t n;
};

/* Tiles are read from dirfd as for a log of log_size leaves. Return as tile_read, -ENOMEM. */

/* For leaf index in the tree of size leaves; index < size ≤ log_size. *ret_leaf = its leaf hash. */
int proof_make_inclusion(int dirfd, uint64_t log_size, uint64_t index, uint64_t size, struct proof *ret,
                         struct digest *ret_leaf, struct error *err);

/* That the tree of size1 is the beginning of that of size2; 1 ≤ size1 ≤ size2 ≤ log_size. *ret_roots = the two roots. */
int proof_make_consistency(int dirfd, uint64_t log_size, uint64_t size1, uint64_t size2, struct proof *ret,
                           struct digest ret_roots[2], struct error *err);

#endif
