/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Disposal (处置): the only way anything is ever erased. What is eligible is proposed as a batch, noticed (from then on its list is frozen,
 * its digest in the ledger), approved by two different people in the roles that the policy names, and carried out by a thread of its own.
 * For each recording every check is made again in the transaction that writes its tombstone; what no longer qualifies is left out with
 * the reason and stays. Then its bytes go, and an act says so. Nothing begins by itself, and nothing is erased to make space.
 *
 * The functions with a struct txn run inside a writer job. Return of all: 0; ACT_E_REFUSED; CASES_E_INPUT; RECORDINGS_E_*; DISPOSAL_E_NONE;
 * DB_E_*; negative errno.
 */
#ifndef LIUHEN_DISPOSAL_DISPOSAL_H
#define LIUHEN_DISPOSAL_DISPOSAL_H

#include "cases/policy-keeper.h"
#include "catalogue/disposal-rows.h"
#include "catalogue/readers.h"
#include "catalogue/writer.h"
#include "derive/derive.h"
#include "store/store.h"

enum {
    DISPOSAL_E_NONE = 1601, /* no such batch */
};

struct disposal;

struct disposal_context {
    struct store *store;
    struct writer *writer;
    struct readers *readers;
    struct policy_keeper *policy;
    struct derive *derive;
};

/* Starts the thread, which carries on what a kill cut off. */
int disposal_new(const struct disposal_context *context, struct disposal **ret);
struct disposal *
disposal_free(struct disposal *d); /* ends after the recording in hand; before derive and writer go */
DEFINE_CLEANUP(struct disposal *, disposal_free)
void disposal_kick(struct disposal *d);
/* Why it does not go on; "" when all is well. */
void disposal_trouble(struct disposal *d, char *buf, size_t size);

/* A batch of these recordings (ids or their beginnings); all must be eligible now, and in no other open batch. */
int disposal_propose(struct txn *t, const struct policy *policy, const char *actor, const json_t *recordings,
                     const char *reason, char ret_batch[ULID_LENGTH + 1], struct error *err);
/* Freezes the list and begins the notice's time. */
int disposal_notice(struct txn *t, const struct policy *policy, const char *actor, const char *batch,
                    struct error *err);
/* roles: those of the person; digest: of the list that was read. */
int disposal_approve(struct txn *t, const struct policy *policy, const char *actor, unsigned roles,
                     const char *batch, const char *digest, struct error *err);
int disposal_withdraw(struct txn *t, const char *actor, const char *batch, const char *reason,
                      struct error *err);
int disposal_cancel(struct txn *t, const char *actor, const char *batch, const char *reason,
                    struct error *err);
/* The one door. Records that a person has it carried out; the thread does it, once kicked. */
int disposal_execute(struct txn *t, const struct policy *policy, const char *actor, const char *batch,
                     struct error *err);

#endif
