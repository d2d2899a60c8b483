/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Rows of disposal: what is eligible, batches with their lists and approvals, and what is still to be erased. Reads only, but for the
 * jobs of what goes, which are no function of the ledger.
 */
#ifndef LIUHEN_CATALOGUE_DISPOSAL_ROWS_H
#define LIUHEN_CATALOGUE_DISPOSAL_ROWS_H

#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

#define DISPOSAL_BATCH_MAX 1000 /* recordings of one batch: its list is one act of at most 65,535 bytes */

/* Recordings whose time is over by the decision that stands and that no hold keeps, the oldest date first: {id, name, class, until, bytes,
 * policy, sha256}. class_name, unit NULL and before 0 do not narrow. */
struct disposal_filter {
    const char *class_name, *unit;
    int64_t before_usec, now_usec;
};
int disposal_eligible(struct db *db, const struct disposal_filter *filter, int limit, json_t **ret,
                      struct error *err);

struct disposal_batch {
    char id[ULID_LENGTH + 1], state[12], digest[65];
    int64_t notice_ends_usec, noticed_usec;
};
/* By its id. *ret_there false: no such batch. */
int disposal_batch_read(struct db *db, const char *id, struct disposal_batch *ret, bool *ret_there,
                        struct error *err);
/* {id, state, reason, proposed, proposed_by, digest?, noticed?, notice_ends?, begun?, begun_by?, closed?, items, bytes, erased, left_out};
 * id NULL: all, the newest first. */
int disposal_batches(struct db *db, const char *id, int limit, json_t **ret, struct error *err);
/* [{recording, name, bytes, sha256, class, until, state, reason?}] in order of ids; [{role, actor, time, withdrawn?}]. */
int disposal_items(struct db *db, const char *batch, json_t **ret, struct error *err);
int disposal_approvals(struct db *db, const char *batch, json_t **ret, struct error *err);

/* How many approvals in this role stand. */
int disposal_has_approval(struct db *db, const char *batch, const char *role, bool *ret, struct error *err);

/* What one recording stands at, for the checks in the transaction that disposes of it. */
struct disposal_standing {
    char item[12]; /* state in the batch; "" = not of it */
    bool disposed, decided, dated;
    int64_t until_usec, holds; /* holds: that stand, of its own and of its cases */
};
int disposal_standing(struct db *db, const char *batch, const char *recording, struct disposal_standing *ret,
                      struct error *err);
/* Whether an open batch (proposed, noticed, executing) lists it. */
int disposal_is_listed(struct db *db, const char *recording, bool *ret, struct error *err);

/* What is to be done next of batches that are being carried out: an item in this state ("listed", "disposed") after id `after`, or a batch
 * all of whose items are done. "" in *ret_*: nothing. */
int disposal_next(struct db *db, const char *state, const char *after, char ret_batch[ULID_LENGTH + 1],
                  struct recording_id *ret, struct error *err);
int disposal_next_done(struct db *db, char ret_batch[ULID_LENGTH + 1], struct error *err);

/* The jobs of a recording: given up at once (nobody who has one in hand writes any more), listed, and dropped with their derivatives. */
int disposal_stop_jobs(struct db *db, const char *recording, int64_t now_usec, struct error *err);
int disposal_copies(struct db *db, const char *recording, json_t **ret, struct error *err); /* ids */
int disposal_drop_jobs(struct db *db, const char *recording, struct error *err);

#endif
