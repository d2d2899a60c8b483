/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying the acts of disposal (see apply.c). That a recording may go is checked here once more, by nothing but the rows and the act:
 * whoever writes recording.disposed, no tombstone comes into being without a date that has passed, a notice that is over and two
 * people who approved, and none while a hold stands (invariant 4).
 */
#include "catalogue/apply-internal.h"

#include <errno.h>
#include <string.h>

#include "base/ulid.h"

#define BATCH_IS "UPDATE disposal_batches SET state = "

static int changed(const struct applying *c, int r, const char *why)
{
    return r == ACT_E_REFUSED ? apply_refuse(c, "%s", why) : r;
}

static int apply_proposed(const struct applying *c)
{
    const json_t *items = json_get_array(c->facts, "items"), *item;
    size_t i;
    int r;

    if (!ulid_is_valid(c->act->subject) || !json_array_size(items) || !apply_text(c, "reason"))
        return apply_refuse(c, "disposal.proposed lacks its id, reason or list");
    r = sql_run(c->db, c->err,
                "INSERT INTO disposal_batches (id, leaf, state, reason, proposed_usec, proposed_by) VALUES "
                "($1, $2, 'proposed', $3, $4, $5)",
                "titit", c->act->subject, c->leaf, apply_text(c, "reason"), c->act->time_usec, c->act->actor);
    json_array_foreach (items, i, item) {
        if (r != 0)
            break;
        r = sql_run(
            c->db, c->err,
            "INSERT INTO disposal_items (batch, recording, state, leaf) VALUES ($1, $2, 'listed', $3)", "tti",
            c->act->subject, json_string_value(item), c->leaf);
    }
    return r == DB_E_CONSTRAINT ? apply_refuse(c, "the list names a recording that is unknown, or one twice")
                                : r;
}

static int apply_noticed(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    BATCH_IS "'noticed', digest = $2, noticed_usec = $3, notice_ends_usec = $4 WHERE id = "
                             "$1 AND state = 'proposed'",
                    "ttii", c->act->subject, apply_text(c, "digest"), c->act->time_usec,
                    json_get_integer(c->facts, "ends", INT64_MAX));

    return changed(c, r, "only a proposed batch can be noticed");
}

static int apply_approved(const struct applying *c)
{
    int64_t n = 0;
    int r =
        sql_integer(c->db, &n, 0, c->err,
                    "SELECT count(*) FROM disposal_batches WHERE id = $1 AND state = 'noticed' AND digest "
                    "= $2",
                    "tt", c->act->subject, apply_text(c, "digest"));

    if (r == 0 && n == 0)
        return apply_refuse(c, "only a noticed batch can be approved, and only its list as it was noticed");
    if (r == 0)
        r = sql_integer(c->db, &n, 0, c->err,
                        "SELECT count(*) FROM disposal_approvals WHERE batch = $1 AND withdrawn_usec IS NULL "
                        "AND (role = $2 OR actor = $3)",
                        "ttt", c->act->subject, apply_text(c, "role"), c->act->actor);
    if (r == 0 && n > 0)
        return apply_refuse(c, "this person, or somebody in this role, has approved it already; the second "
                               "approval is for another person in the other role");
    return r != 0 ? r
                  : sql_run(c->db, c->err,
                            "INSERT INTO disposal_approvals (leaf, batch, role, actor, approved_usec) VALUES "
                            "($1, $2, $3, $4, $5)",
                            "ittti", c->leaf, c->act->subject, apply_text(c, "role"), c->act->actor,
                            c->act->time_usec);
}

static int apply_withdrawn(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE disposal_approvals SET withdrawn_usec = $3 WHERE batch = $1 AND actor = $2 AND "
                    "withdrawn_usec IS NULL AND batch IN (SELECT id FROM disposal_batches WHERE state = "
                    "'noticed')",
                    "tti", c->act->subject, c->act->actor, c->act->time_usec);

    return changed(c, r, "has no approval of yours that could be withdrawn");
}

static int apply_cancelled(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        BATCH_IS "'cancelled', closed_usec = $2 WHERE id = $1 AND state IN ('proposed', "
                                 "'noticed')",
                        "ti", c->act->subject, c->act->time_usec);

    return changed(c, r, "only a batch that is proposed or noticed can be cancelled");
}

/* The notice of the batch is over at the act's time, and two people in two roles approved. */
static int check_approved(const struct applying *c, const char *batch, const char *state)
{
    int64_t n = 0, actors = 0;
    int r = sql_integer(c->db, &n, 0, c->err,
                        "SELECT count(*) FROM disposal_batches WHERE id = $1 AND state = $2 AND "
                        "notice_ends_usec <= $3",
                        "tti", batch, state, c->act->time_usec);

    if (r == 0 && n == 0)
        return apply_refuse(c, "batch %s is not %s, or its notice is not over", batch ? batch : "-", state);
    if (r == 0)
        r = sql_integer(c->db, &n, 0, c->err,
                        "SELECT count(DISTINCT role) FROM disposal_approvals WHERE batch = $1 AND "
                        "withdrawn_usec IS NULL",
                        "t", batch);
    if (r == 0)
        r = sql_integer(c->db, &actors, 0, c->err,
                        "SELECT count(DISTINCT actor) FROM disposal_approvals WHERE batch = $1 AND "
                        "withdrawn_usec IS NULL",
                        "t", batch);
    if (r == 0 && (n < 2 || actors < 2))
        return apply_refuse(c, "batch %s lacks approvals: two different people in two roles are needed",
                            batch);
    return r;
}

static int apply_begun(const struct applying *c)
{
    int r = check_approved(c, c->act->subject, "noticed");

    return r != 0
               ? r
               : sql_run(c->db, c->err, BATCH_IS "'executing', begun_usec = $2, begun_by = $3 WHERE id = $1",
                         "tit", c->act->subject, c->act->time_usec, c->act->actor);
}

static int apply_left_out(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE disposal_items SET state = 'left-out', reason = $3, leaf = $4 WHERE batch = $1 "
                    "AND recording = $2 AND state = 'listed'",
                    "ttti", c->act->subject, apply_text(c, "recording"), apply_text(c, "reason"), c->leaf);

    return changed(c, r, "does not list this recording any more");
}

static int check_may_go(const struct applying *c)
{
    int64_t n = 0;
    int r = sql_integer(
        c->db, &n, 0, c->err,
        "SELECT count(*) FROM recordings WHERE id = $1 AND disposed_leaf IS NULL AND class IS NOT NULL AND "
        "ending = 'date' AND until_usec <= $2 AND held = 0 AND NOT EXISTS (SELECT 1 FROM holds h WHERE "
        "h.lifted_usec IS NULL AND (h.recording = $1 OR h.case_id IN (SELECT l.case_id FROM links l WHERE "
        "l.recording = $1)))",
        "ti", c->act->subject, c->act->time_usec);

    return r == 0 && n != 1 ? apply_refuse(c, "is held, is to be kept longer, or is not here") : r;
}

static int apply_disposed(const struct applying *c)
{
    const char *batch = apply_text(c, "batch");
    int r = check_approved(c, batch, "executing");

    r = r != 0 ? r : check_may_go(c);
    if (r == 0)
        r = changed(
            c,
            sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE disposal_items SET state = 'disposed', leaf = $3 WHERE batch = $1 AND "
                        "recording = $2 AND state = 'listed'",
                        "tti", batch, c->act->subject, c->leaf),
            "is not on the list of that batch");
    if (r == 0)
        r = sql_run(
            c->db, c->err,
            "INSERT INTO tombstones (recording, leaf, disposed_usec, noticed_usec, approved_records, "
            "approved_legal, policy, batch) SELECT CAST($1 AS TEXT), CAST($2 AS BIGINT), CAST($3 AS BIGINT), "
            "b.noticed_usec, (SELECT "
            "min(a.actor) FROM disposal_approvals a WHERE a.batch = b.id AND a.withdrawn_usec IS NULL), "
            "(SELECT max(a.actor) FROM disposal_approvals a WHERE a.batch = b.id AND a.withdrawn_usec "
            "IS NULL), CAST($4 AS TEXT), b.id FROM disposal_batches b WHERE b.id = $5",
            "tiitt", c->act->subject, c->leaf, c->act->time_usec, apply_text(c, "policy"), batch);
    return r != 0 ? r
                  : sql_run(c->db, c->err, "UPDATE recordings SET disposed_leaf = $2 WHERE id = $1", "ti",
                            c->act->subject, c->leaf);
}

static int apply_erased(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE tombstones SET erased_leaf = $2 WHERE recording = $1 AND erased_leaf IS NULL",
                        "ti", c->act->subject, c->leaf);

    if (r == 0)
        r = sql_run(c->db, c->err,
                    "UPDATE disposal_items SET state = 'erased', leaf = $2 WHERE recording = $1 AND state = "
                    "'disposed'",
                    "ti", c->act->subject, c->leaf);
    return changed(c, r, "has no tombstone whose bytes are still to go");
}

static int apply_ended(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    BATCH_IS "'ended', closed_usec = $2 WHERE id = $1 AND state = 'executing' AND NOT EXISTS "
                             "(SELECT 1 FROM disposal_items i WHERE i.batch = $1 AND i.state IN ('listed', "
                             "'disposed'))",
                    "ti", c->act->subject, c->act->time_usec);

    return changed(c, r, "is not being carried out, or not all of it is done");
}

const struct apply_handler apply_disposal_handlers[] = {
    {"disposal.proposed", apply_proposed, NULL},
    {"disposal.noticed", apply_noticed, NULL},
    {"disposal.approved", apply_approved, NULL},
    {"disposal.approval-withdrawn", apply_withdrawn, NULL},
    {"disposal.cancelled", apply_cancelled, NULL},
    {"disposal.begun", apply_begun, NULL},
    {"disposal.left-out", apply_left_out, "recording"},
    {"recording.disposed", apply_disposed, "batch"},
    {"recording.erased", apply_erased, "batch"},
    {"disposal.ended", apply_ended, NULL},
    {NULL, NULL, NULL},
};
