/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checks that both proposing and carrying out make.
 */
#ifndef LIUHEN_DISPOSAL_INTERNAL_H
#define LIUHEN_DISPOSAL_INTERNAL_H

#include "disposal/disposal.h"

#define DISPOSAL_WHY_SIZE 200

/* -EAGAIN while the clock is in doubt. */
int disposal_clock_check(struct error *err);
/* Why the policy in force keeps it; why is left as it is where it does not. */
int disposal_policy_keeps(struct db *db, const struct policy *policy, const struct recording_id *id,
                          char why[DISPOSAL_WHY_SIZE], struct error *err);
/* Notice over, by the batch and by the policy in force, and an approval in each role that it names. */
int disposal_check_approvals(struct db *db, const struct policy *policy, const struct disposal_batch *b,
                             struct error *err);

#endif
