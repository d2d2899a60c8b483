/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Placing: device, officer, unit, times, case and take of a recording, each with its source and certainty, from the drop folder's
 * settings, a sidecar, rules over path and name (place-rule.c) and what examining found.
 */
#ifndef LIUHEN_CASES_PLACE_H
#define LIUHEN_CASES_PLACE_H

#include "base/settings.h"
#include "base/ulid.h"
#include "catalogue/writer.h"
#include "policy/policy.h"

struct placer; /* compiled rules; immutable, shared between threads */

/* Compiles the rules of the settings (borrowed as long as the placer lives); faults in patterns go to on_fault.
 * Return: 0, -EINVAL, -ENOMEM. */
int placer_new(const struct settings *settings, config_on_fault on_fault, void *userdata,
               struct placer **ret);
struct placer *placer_free(struct placer *p);
DEFINE_CLEANUP(struct placer *, placer_free)

/* Places a recording that has been sealed and examined: reads its arrival and media facts, works out its place and take, and
 * records recording.placed (and link.added when a case of that number exists) in the same transaction. */
int place_recording(struct txn *t, const struct placer *p, const struct recording_id *id, struct error *err);

/* The same for one that was placed before: no act when nothing has changed. */
int place_recording_again(struct txn *t, const struct placer *p, const struct recording_id *id,
                          struct error *err);

/* Links the recordings whose place names this case number and that waited for somebody to add the case; decides them anew. Called
 * by case_add and case_set in their transaction. */
int place_link_waiting(struct txn *t, const struct policy *policy, const struct case_id *case_id,
                       const char *number, struct error *err);

#endif
