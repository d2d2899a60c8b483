/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Replaying the ledger into a catalogue: the same act_apply as the daemon's, in portions of one transaction each.
 */
#ifndef LIUHEN_FSCK_REPLAY_H
#define LIUHEN_FSCK_REPLAY_H

#include "catalogue/db.h"
#include "ledger/ledger.h"

struct replay {
    struct db *db;
    uint64_t done; /* acts applied so far = the next index */
    void (*on_progress)(void *userdata, const char *step, uint64_t n);
    void *userdata;
};

/* Opens the ledger of an archive read-only with the public key that lies in it. */
int replay_open_ledger(const char *archive, struct verifier_key **ret_key, struct ledger **ret,
                       struct error *err);

/* Applies the ledger's entries [done, end). */
int replay_ledger(struct replay *r, struct ledger *ledger, uint64_t end, struct error *err);

/* Applies one entry that is not in the files yet. */
int replay_entry(struct replay *r, const char *data, size_t size, struct error *err);

/* Ends the portion in hand. */
int replay_finish(struct replay *r, struct error *err);

#endif
