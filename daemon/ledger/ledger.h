/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The ledger's files: a C2SP tlog-tiles log in one folder (tiles, entry bundles, checkpoint), RFC 6962 hashing, Ed25519
 * signed checkpoints. One writer at a time; readers may open the same folder in other threads or processes and see the
 * last published checkpoint. A crash leaves at most files of leaves that no checkpoint names yet; they are rewritten.
 *
 * Threads: a struct ledger may be shared. All reading (size, root, entries, receipts, proofs, verify) is safe from several
 * threads at once and beside one ledger_publish; publishing itself belongs to one thread at a time. The folder is locked (flock)
 * while it is open for writing. A read-only ledger looks for a newer checkpoint when it is asked for more than it knows.
 */
#ifndef LIUHEN_LEDGER_LEDGER_H
#define LIUHEN_LEDGER_LEDGER_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "ledger/key.h"
#include "ledger/merkle.h"

#define LEDGER_ENTRY_MAX MERKLE_ENTRY_MAX

struct ledger;

struct ledger_entry {
    const char *data; /* borrowed */
    size_t size;      /* 1–65,535 bytes */
};

/* Opens the log in folder path. With a signing key it is opened for writing and made when absent (origin = the key's name);
 * with only a verifier key it is read-only. Checks the checkpoint's signature and that the right-edge tiles give its root.
 * Return: 0, -EBADMSG (checkpoint or tiles do not verify; err says which), negative errno. Keys are borrowed. */
int ledger_open(const char *path, const struct signing_key *key, const struct verifier_key *verifier,
                struct ledger **ret, struct error *err);
struct ledger *ledger_close(struct ledger *l);
DEFINE_CLEANUP(struct ledger *, ledger_close)

uint64_t ledger_size(const struct ledger *l); /* leaves in the published checkpoint */
void ledger_root(const struct ledger *l, struct digest *ret);

/* Appends a group: writes bundles and tiles, makes them durable, then the checkpoint by rename. first must be ledger_size().
 * On failure the old checkpoint stands and the call may be repeated. A partial tile or bundle that the new checkpoint no longer
 * needs is removed after the next publish, so that a reader of the previous checkpoint is not cut off. */
int ledger_publish(struct ledger *l, uint64_t first, const struct ledger_entry *entries, size_t n,
                   struct error *err);

/* Read side (any published index). Re-reads the checkpoint when index is beyond the known size.
 * Return: 0, -ENOENT (not published), -EBADMSG (entry does not hash to its leaf), negative errno. */
int ledger_read_entry(struct ledger *l, uint64_t index, char **ret_data, size_t *ret_size, struct error *err);

/* Calls on_entry for each entry of [first, first+count) in order, a bundle at a time, each checked against its leaf hash.
 * A non-zero return from on_entry stops and is returned. */
int ledger_each_entry(struct ledger *l, uint64_t first, uint64_t count,
                      int (*on_entry)(void *userdata, uint64_t index, const char *data, size_t size),
                      void *userdata, struct error *err);

/* The signed checkpoint text as published; new string. */
int ledger_checkpoint(struct ledger *l, char **ret, struct error *err);

/* A receipt (.tlog-proof with `extra` = the entry) for a published leaf; new string. */
int ledger_receipt(struct ledger *l, uint64_t index, char **ret, struct error *err);

/* Consistency proof between two published sizes, one hash after the other; new array. RFC 6962 §2.1.2. */
int ledger_consistency(struct ledger *l, uint64_t from_size, uint64_t to_size, struct digest **ret,
                       size_t *ret_n, struct error *err);

/* Recomputes everything from the entry bundles: each leaf hash, each tile, the root; compares with the checkpoint. Calls
 * on_fault (may be NULL) for each fault, goes on, and returns 0, or -EBADMSG when there was any. */
int ledger_verify(struct ledger *l, void (*on_fault)(void *userdata, const struct error *fault),
                  void *userdata, struct error *err);

#endif
