/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What people do to batches (see disposal.h).
 */
#include "disposal/disposal.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "base/digest.h"
#include "cases/case-acts.h"
#include "cases/decide.h"
#include "cases/input.h"
#include "disposal/disposal-internal.h"

#define REASON_MAX 2000

static int check_reason(const char *reason, struct error *err)
{
    if (!reason || !*reason)
        return error_set(err, CASES_E_INPUT, "reason", "is missing; say in words why");
    return input_check_text(CASES_E_INPUT, "reason", reason, REASON_MAX, true, err);
}

int disposal_clock_check(struct error *err)
{
    if (clock_behind_usec() > USEC_PER_DAY)
        return error_set(
            err, -EAGAIN, "clock",
            "the machine's clock is behind the newest act in the ledger; nothing is disposed of");
    return 0;
}

int disposal_policy_keeps(struct db *db, const struct policy *policy, const struct recording_id *id,
                          char why[DISPOSAL_WHY_SIZE], struct error *err)
{
    struct decision d;
    int r = decide_preview(db, policy, id, &d, err);

    if (r == 0 && (d.ending != ENDING_DATE || d.until_usec > clock_now_usec()))
        snprintf(why, DISPOSAL_WHY_SIZE, "by the policy in force it is to be kept longer (%s)", d.class_name);
    return r;
}

static int check_eligible(struct db *db, const struct policy *policy, const struct recording_id *id,
                          struct error *err)
{
    char why[DISPOSAL_WHY_SIZE] = "";
    bool listed;
    int r = disposal_is_listed(db, id->text, &listed, err);

    if (r == 0 && listed)
        return error_set(err, ACT_E_REFUSED, id->text, "is on the list of another batch already");
    r = r != 0 ? r : disposal_policy_keeps(db, policy, id, why, err);
    if (r == 0 && *why)
        return error_set(err, ACT_E_REFUSED, id->text, "is not eligible: %s", why);
    return r;
}

int disposal_propose(struct txn *t, const struct policy *policy, const char *actor, const json_t *recordings,
                     const char *reason, char ret_batch[ULID_LENGTH + 1], struct error *err)
{
    _cleanup_json_ json_t *items = json_array(), *facts = NULL;
    const json_t *item;
    size_t i;
    int r = items ? check_reason(reason, err) : -ENOMEM;

    if (r == 0 && json_array_size(recordings) == 0)
        return error_set(err, CASES_E_INPUT, "recordings",
                         "is an empty list; nothing is eligible, or nothing was named");
    if (r == 0 && json_array_size(recordings) > DISPOSAL_BATCH_MAX)
        return error_set(err, CASES_E_INPUT, "recordings", "are more than %d; make several batches",
                         DISPOSAL_BATCH_MAX);
    json_array_foreach (recordings, i, item) {
        struct recording_id id;

        if (r == 0)
            r = recordings_resolve(txn_db(t), json_string_value(item) ?: "", &id, err);
        r = r != 0 ? r : check_eligible(txn_db(t), policy, &id, err);
        if (r == 0 && json_array_append_new(items, json_string(id.text)) < 0)
            r = -ENOMEM;
    }
    if (r != 0)
        return r;
    ulid_make(clock_now_usec(), ret_batch);
    facts = json_pack("{s:s, s:O}", "reason", reason, "items", items);
    return txn_act(t, "disposal.proposed", actor, ret_batch, 0, TAKE_PTR(facts), NULL, err);
}

static int read_batch(struct txn *t, const char *batch, const char *state, struct disposal_batch *ret,
                      struct error *err)
{
    bool there;
    int r = disposal_batch_read(txn_db(t), batch, ret, &there, err);

    if (r == 0 && !there)
        return error_set(err, DISPOSAL_E_NONE, batch,
                         "is no batch of disposal; `liuhen dispose ls` lists them");
    if (r == 0 && state && strcmp(ret->state, state) != 0)
        return error_set(err, ACT_E_REFUSED, batch, "is %s; this needs one that is %s", ret->state, state);
    return r;
}

/* SHA-256 of "<id> <sha256> <bytes>\n" of each item, in order of ids: what people approve. */
static int list_digest(struct db *db, const char *batch, char ret[DIGEST_HEX_SIZE], struct error *err)
{
    _cleanup_json_ json_t *items = NULL;
    _cleanup_free_ char *text = NULL;
    size_t size = 0, i;
    FILE *out = open_memstream(&text, &size);
    struct digest digest;
    const json_t *item;
    int r = out ? disposal_items(db, batch, &items, err) : -ENOMEM;

    json_array_foreach (items, i, item)
        fprintf(out, "%s %s %lld\n", json_get_string(item, "recording"), json_get_string(item, "sha256"),
                (long long)json_get_integer(item, "bytes", 0));
    if (out && fclose(out) != 0 && r == 0)
        r = -ENOMEM;
    if (r != 0)
        return r;
    digest_of(text, size, &digest);
    digest_to_hex(&digest, ret);
    return 0;
}

int disposal_notice(struct txn *t, const struct policy *policy, const char *actor, const char *batch,
                    struct error *err)
{
    char digest[DIGEST_HEX_SIZE];
    struct disposal_batch b;
    int64_t now = clock_now_usec();
    int r = read_batch(t, batch, "proposed", &b, err);

    r = r != 0 ? r : list_digest(txn_db(t), batch, digest, err);
    if (r != 0)
        return r;
    return txn_act(t, "disposal.noticed", actor, batch, now,
                   json_pack("{s:s, s:I, s:s}", "digest", digest, "ends",
                             (json_int_t)(now + policy_disposal_notice_usec(policy)), "policy",
                             policy_version(policy)),
                   NULL, err);
}

int disposal_approve(struct txn *t, const struct policy *policy, const char *actor, unsigned roles,
                     const char *batch, const char *digest, struct error *err)
{
    enum role named[ROLE_COUNT];
    size_t n = policy_disposal_approvals(policy, named);
    struct disposal_batch b;
    int r = read_batch(t, batch, "noticed", &b, err);

    if (r == 0 && (!digest || strcmp(digest, b.digest) != 0))
        return error_set(err, ACT_E_REFUSED, batch,
                         "the list that is approved must be named by its digest, which is %s", b.digest);
    for (size_t i = 0; r == 0 && i < n; i++) {
        bool taken;

        if (!(roles & 1u << named[i]))
            continue;
        r = disposal_has_approval(txn_db(t), batch, role_name(named[i]), &taken, err);
        if (r == 0 && !taken)
            return txn_act(t, "disposal.approved", actor, batch, 0,
                           json_pack("{s:s, s:s}", "digest", b.digest, "role", role_name(named[i])), NULL,
                           err);
    }
    return r != 0
               ? r
               : error_set(err, ACT_E_REFUSED, batch,
                           "needs no approval of yours: the policy names other roles, or yours has approved");
}

static int act_with_reason(struct txn *t, const char *kind, const char *actor, const char *batch,
                           const char *reason, struct error *err)
{
    struct disposal_batch b;
    int r = check_reason(reason, err);

    r = r != 0 ? r : read_batch(t, batch, NULL, &b, err);
    return r != 0 ? r : txn_act(t, kind, actor, batch, 0, json_pack("{s:s}", "reason", reason), NULL, err);
}

int disposal_withdraw(struct txn *t, const char *actor, const char *batch, const char *reason,
                      struct error *err)
{
    return act_with_reason(t, "disposal.approval-withdrawn", actor, batch, reason, err);
}

int disposal_cancel(struct txn *t, const char *actor, const char *batch, const char *reason,
                    struct error *err)
{
    return act_with_reason(t, "disposal.cancelled", actor, batch, reason, err);
}

int disposal_check_approvals(struct db *db, const struct policy *policy, const struct disposal_batch *b,
                             struct error *err)
{
    enum role named[ROLE_COUNT];
    size_t n = policy_disposal_approvals(policy, named);

    if (n < 2)
        return error_set(err, ACT_E_REFUSED, b->id,
                         "the policy in force names fewer than two roles for disposal.approvals");
    for (size_t i = 0; i < n; i++) {
        bool there;
        int r = disposal_has_approval(db, b->id, role_name(named[i]), &there, err);

        if (r == 0 && !there)
            r = error_set(err, ACT_E_REFUSED, b->id, "is not approved yet by somebody of the role %s",
                          role_name(named[i]));
        if (r != 0)
            return r;
    }
    if (b->notice_ends_usec > clock_now_usec() ||
        b->noticed_usec + policy_disposal_notice_usec(policy) > clock_now_usec())
        return error_set(err, ACT_E_REFUSED, b->id, "its notice is not over yet");
    return 0;
}

int disposal_execute(struct txn *t, const struct policy *policy, const char *actor, const char *batch,
                     struct error *err)
{
    char digest[DIGEST_HEX_SIZE];
    struct disposal_batch b;
    int r = read_batch(t, batch, "noticed", &b, err);

    r = r != 0 ? r : disposal_clock_check(err);
    r = r != 0 ? r : disposal_check_approvals(txn_db(t), policy, &b, err);
    r = r != 0 ? r : list_digest(txn_db(t), batch, digest, err);
    if (r == 0 && strcmp(digest, b.digest) != 0)
        r = error_set(err, ACT_E_REFUSED, batch, "its list is not the one that was noticed and approved");
    return r != 0 ? r
                  : txn_act(t, "disposal.begun", actor, batch, 0, json_pack("{s:s}", "digest", digest), NULL,
                            err);
}
