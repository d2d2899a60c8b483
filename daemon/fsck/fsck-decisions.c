/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Invariant 7: every stored decision is what its policy, as recorded in the ledger, gives for the facts that stand; and each change
 * of policy was recorded as an act. A keep-until that was edited, or decided by a policy nobody adopted, is named.
 */
#include <string.h>

#include "base/ulid.h"
#include "cases/decide.h"
#include "catalogue/audit.h"
#include "catalogue/deciding.h"
#include "fsck/fsck-internal.h"
#include "policy/policy.h"

struct checking {
    struct fsck *f;
    const struct policy *policy;
    uint64_t n;
};

/* *ret stays NULL when none is in force, or it cannot be read back. */
static int load_policy(struct fsck *f, struct policy **ret, char **ret_version, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    const char *version;
    bool act;
    int r = policy_in_force(f->db, ret_version, &text, err);

    if (r != 0 || !text)
        return r;
    version = *ret_version;
    if (policy_parse(text, strlen(text), version, NULL, NULL, ret) < 0) {
        fsck_fault(f, 7, version, "the policy in force cannot be read back");
        return 0;
    }
    if (strcmp(policy_version(*ret), version) != 0)
        fsck_fault(f, 7, version, "the text of the policy in force is not the one with that version");
    r = audit_policy_was_adopted(f->db, version, &act, err);
    if (r == 0 && !act)
        fsck_fault(f, 7, version, "is in force, but no act in the ledger adopted it");
    return r;
}

/* Kept shorter than the policy in force says: shortened by somebody, or not decided again after a fact changed. */
static int on_decided(void *userdata, const struct audit_recording *row)
{
    struct checking *d = userdata;
    struct recording_id id;
    struct decision decision;
    int r = recording_id_parse(row->id, &id) < 0
                ? 0
                : decide_preview(d->f->db, d->policy, &id, &decision, d->f->err);

    if (r == 0 && row->until_usec < decision.until_usec)
        fsck_fault(d->f, 7, id.text,
                   "its keep-until is earlier than the policy in force gives for its facts");
    if (++d->n % 10000 == 0)
        fsck_progress(d->f, "deciding again", d->n);
    return r;
}

int fsck_check_decisions(struct fsck *f, struct error *err)
{
    _cleanup_(policy_freep) struct policy *policy = NULL;
    _cleanup_free_ char *version = NULL;
    struct checking d = {.f = f};
    int r = load_policy(f, &policy, &version, err);

    if (r != 0 || !policy)
        return r;
    d.policy = policy;
    return audit_each_decided(f->db, version, on_decided, &d, err);
}
