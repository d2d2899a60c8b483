/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deciding: gathers one recording's facts from the catalogue, asks the policy engine, and records the decision as an act when it
 * differs from the one that stands. Called in the same transaction as whatever changed a fact.
 */
#ifndef LIUHEN_CASES_DECIDE_H
#define LIUHEN_CASES_DECIDE_H

#include "base/ulid.h"
#include "catalogue/writer.h"
#include "policy/policy.h"

/* Return: 0 (*ret_changed, may be NULL, says whether there is a new decision), DB_E_*, negative errno. */
int decide_recording(struct txn *t, const struct policy *policy, const struct recording_id *id,
                     bool *ret_changed, struct error *err);

/* All recordings linked to a case (its state or a hold on it changed). */
int decide_case(struct txn *t, const struct policy *policy, const struct case_id *id, struct error *err);

/* Computes without recording. Reads only. */
int decide_preview(struct db *db, const struct policy *policy, const struct recording_id *id,
                   struct decision *ret, struct error *err);

struct deciding; /* catalogue/deciding.h */

/* The same for facts that were read already, to ask about them under several policies. Return: 0, -ENOMEM. */
int decide_known(const struct deciding *d, const struct policy *policy, struct decision *ret);

/* The engine's facts from what was read; links: room for d->n_links, which *ret borrows as it borrows the texts of d. For asking
 * "what if" (api/what-if.c). */
void decide_facts(const struct deciding *d, struct policy_link *links, struct policy_facts *ret);

/* The reasons of a decision as they stand in the act. */
json_t *decision_reasons_json(const struct decision *d);

#endif
