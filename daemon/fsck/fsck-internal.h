/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the parts of fsck share.
 */
#ifndef LIUHEN_FSCK_INTERNAL_H
#define LIUHEN_FSCK_INTERNAL_H

#include "catalogue/db.h"
#include "fsck/fsck.h"
#include "ledger/ledger.h"
#include "store/store.h"

struct fsck {
    const struct fsck_options *options;
    struct fsck_result *result;
    struct error *err;
    char *dsn;
    struct store *store;
    struct db *db; /* one snapshot for the whole run */
    struct verifier_key *key;
    struct ledger *ledger;
    uint64_t n_acts;
    uint64_t size_at_start; /* of the ledger, before the snapshot was taken */
};

void fsck_fault(struct fsck *f, int invariant, const char *object, const char *format, ...) _printf_(4, 5);
void fsck_progress(struct fsck *f, const char *step, uint64_t n);

/* fsck-replay.c: invariant 6, and acts (5). */
int fsck_check_replay(struct fsck *f, struct error *err);

/* fsck-decisions.c: invariant 7. */
int fsck_check_decisions(struct fsck *f, struct error *err);

#endif
