/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Deciding (see decide.h): turns the catalogue's words into the policy engine's facts and its decision into an act.
 */
#include "cases/decide.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "catalogue/deciding.h"
#include "catalogue/ids.h"

/* A word that this program does not know (written by a newer one) counts as what keeps longest: an open case of general procedure,
 * evidence, a hold on ground "other". */
void decide_facts(const struct deciding *d, struct policy_link *links, struct policy_facts *ret)
{
    *ret = (struct policy_facts){.kind = d->kind,
                                 .device = d->device,
                                 .officer = d->officer,
                                 .unit = d->unit,
                                 .door = d->door,
                                 .received_usec = d->received_usec,
                                 .ended_usec = d->ended_usec,
                                 .ended_certain = d->ended_certain,
                                 .links = links,
                                 .n_links = d->n_links};
    for (size_t i = 0; i < d->n_links; i++) {
        const struct deciding_link *from = &d->links[i];
        struct policy_link *to = &links[i];

        *to = (struct policy_link){LINK_EVIDENCE,    PROCEDURE_GENERAL, CASE_OPEN,
                                   from->ended_usec, from->filed_usec,  from->number};
        (void)link_role_parse(from->role, &to->role);
        (void)procedure_parse(from->procedure, &to->procedure);
        (void)case_state_parse(from->state, &to->state);
    }
    for (size_t i = 0; i < d->n_grounds; i++) {
        enum hold_ground g = HOLD_OTHER;

        (void)hold_ground_parse(d->grounds[i], &g);
        ret->holds |= 1u << g;
    }
}

int decide_known(const struct deciding *d, const struct policy *policy, struct decision *ret)
{
    _cleanup_free_ struct policy_link *links = calloc(d->n_links + 1, sizeof *links);
    struct policy_facts facts;

    if (!links)
        return -ENOMEM;
    decide_facts(d, links, &facts);
    policy_decide(policy, &facts, ret);
    return 0;
}

json_t *decision_reasons_json(const struct decision *d)
{
    _cleanup_json_ json_t *list = json_array();

    for (size_t i = 0; list && i < d->n_reasons; i++) {
        const struct policy_reason *x = &d->reasons[i];
        _cleanup_json_ json_t *o = json_pack("{s:s, s:s, s:s, s:s}", "class", x->class_name, "cite", x->cite,
                                             "text", x->text, "ending", ending_name(x->ending));

        if (!o || (x->until_usec != INT64_MAX && json_set_integer(o, "until", x->until_usec) < 0) ||
            json_array_append(list, o) < 0)
            return NULL;
    }
    return TAKE_PTR(list);
}

/* By when discs must be made: counted from the first hold; where no hold asks for them, from the first such decision. 0 = none. */
static int64_t disc_due(const struct deciding *d, const struct decision *decision)
{
    int64_t from = d->held_since_usec ? d->held_since_usec : clock_now_usec();

    if (!decision->disc_due)
        return 0;
    if (!d->held_since_usec && d->disc_due_usec)
        return d->disc_due_usec;
    return from + decision->disc_within_usec;
}

static bool is_same(const struct deciding *d, const struct decision *decision, const char *version,
                    int64_t due, const char *reasons)
{
    return d->class_name && strcmp(d->class_name, decision->class_name) == 0 && d->ending &&
           strcmp(d->ending, ending_name(decision->ending)) == 0 && d->until_usec == decision->until_usec &&
           d->version && strcmp(d->version, version) == 0 && d->disc_due_usec == due && d->reasons &&
           strcmp(d->reasons, reasons) == 0;
}

static int record(struct txn *t, const struct policy *policy, const struct recording_id *id,
                  const struct decision *d, json_t *reasons, int64_t due, struct error *err)
{
    _cleanup_json_ json_t *facts =
        json_pack("{s:s, s:s, s:O, s:s, s:s}", "class", d->class_name, "ending", ending_name(d->ending),
                  "reasons", reasons, "policy", policy_name(policy), "version", policy_version(policy));
    int r = facts ? 0 : -ENOMEM;

    if (r == 0 && d->until_usec != INT64_MAX)
        r = json_set_integer(facts, "until", d->until_usec);
    if (r == 0 && due)
        r = json_set_integer(facts, "disc_due", due);
    return r < 0 ? r : txn_act(t, "recording.decided", "system", id->text, 0, TAKE_PTR(facts), NULL, err);
}

int decide_recording(struct txn *t, const struct policy *policy, const struct recording_id *id,
                     bool *ret_changed, struct error *err)
{
    _cleanup_(deciding_done) struct deciding known = {0};
    _cleanup_json_ json_t *reasons = NULL;
    _cleanup_free_ char *text = NULL;
    struct decision d;
    int64_t due;
    bool changed;
    int r = deciding_read(txn_db(t), id, &known, err);

    if (r != 0)
        return r;
    if (known.disposed) { /* nothing is left to keep */
        if (ret_changed)
            *ret_changed = false;
        return 0;
    }
    r = decide_known(&known, policy, &d);
    if (r < 0)
        return r;
    reasons = decision_reasons_json(&d);
    r = reasons ? json_canonical(reasons, &text) : -ENOMEM;
    if (r < 0)
        return r;
    due = disc_due(&known, &d);
    changed = !is_same(&known, &d, policy_version(policy), due, text);
    if (changed)
        r = record(t, policy, id, &d, reasons, due, err);
    if (r == 0 && ret_changed)
        *ret_changed = changed;
    return r;
}

int decide_case(struct txn *t, const struct policy *policy, const struct case_id *id, struct error *err)
{
    _cleanup_ids_ struct recording_ids list = RECORDING_IDS_INIT;
    int r = ids_of_case(txn_db(t), id->text, &list, err);

    for (size_t i = 0; r == 0 && i < list.n; i++)
        r = decide_recording(t, policy, &list.ids[i], NULL, err);
    return r;
}

int decide_preview(struct db *db, const struct policy *policy, const struct recording_id *id,
                   struct decision *ret, struct error *err)
{
    _cleanup_(deciding_done) struct deciding known = {0};
    int r = deciding_read(db, id, &known, err);

    return r != 0 ? r : decide_known(&known, policy, ret);
}
