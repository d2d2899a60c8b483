/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The policy in force. It is a version recorded in the ledger, not whatever file lies on disk: an edited file is adopted only if
 * it shortens nobody's keep-until (invariant 7); otherwise the version before stays in force and the refusal is said, with counts.
 * (Approving a shortening by a second person comes with the retention engine's own commands.)
 */
#ifndef LIUHEN_CASES_POLICY_KEEPER_H
#define LIUHEN_CASES_POLICY_KEEPER_H

#include "base/settings.h"
#include "catalogue/writer.h"
#include "policy/policy.h"

struct policy_keeper;

/* Loads the version in force from the catalogue; then looks at the settings' policy file: the first one ever is adopted as it
 * is, a changed one after comparing every recording's decision under both. dsn: for read connections of the comparison.
 * Return: 0 (also when the file was refused: logged as POLICY_REFUSED and kept as trouble), -EINVAL (no version in force and the
 * file is faulty), else errors of the catalogue. */
int policy_keeper_new(struct writer *writer, const char *dsn, const struct settings *settings,
                      struct policy_keeper **ret, struct error *err);
struct policy_keeper *policy_keeper_free(struct policy_keeper *k);
DEFINE_CLEANUP(struct policy_keeper *, policy_keeper_free)

/* The policy in force. Stays valid until policy_keeper_free, also after another was adopted. Any thread. */
const struct policy *policy_keeper_current(struct policy_keeper *k);

/* Looks at the file again (SIGHUP, start). After an adoption all recordings are decided again, in portions. Blocking: not on the
 * event loop. */
int policy_keeper_reload(struct policy_keeper *k, const struct settings *settings, struct error *err);

/* Why the file on disk is not in force; "" when it is. */
void policy_keeper_trouble(struct policy_keeper *k, char *buf, size_t size);

#endif
