/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Applying acts: one handler a kind turns an act into rows. This is the only code that changes the catalogue's tables, it uses
 * nothing but the act and the rows that are there, and `liuhen rebuild` runs it over the whole ledger. A handler that is changed
 * must go on giving the same rows for every entry ever written.
 */
#include "catalogue/apply-internal.h"

#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/digest.h"
#include "base/ulid.h"
#include "catalogue/sql.h"

int apply_refuse(const struct applying *c, const char *format, ...)
{
    char why[256];
    va_list ap;

    va_start(ap, format);
    vsnprintf(why, sizeof why, format, ap);
    va_end(ap);
    return error_set(c->err, ACT_E_REFUSED, c->act->subject, "%s", why);
}

const char *apply_text(const struct applying *c, const char *key)
{
    return json_get_string(c->facts, key);
}

/* Integer fact as a nullable parameter: NULL when absent. */
const int64_t *apply_number(const json_t *facts, const char *key, int64_t *storage)
{
    if (!json_is_integer(json_object_get(facts, key)))
        return NULL;
    *storage = json_get_integer(facts, key, 0);
    return storage;
}

/* A member's canonical text, NULL when absent. */
int apply_member_text(const struct applying *c, const char *key, char **ret)
{
    const json_t *value = json_object_get(c->facts, key);

    *ret = NULL;
    return value && !json_is_null(value) ? json_canonical(value, ret) : 0;
}

static int apply_nothing(const struct applying *c)
{
    return 0;
}

static int insert_arrival(const struct applying *c, const json_t *arrival, const char *arrival_text)
{
    int r = sql_run(c->db, c->err,
                    "INSERT INTO arrivals (leaf, recording, time_usec, door, path, arrival) VALUES ($1, $2, "
                    "$3, $4, $5, $6)",
                    "itittt", c->leaf, c->act->subject, c->act->time_usec, json_get_string(arrival, "door"),
                    json_get_string(arrival, "path"), arrival_text);

    return r != 0 ? r : apply_device_arrival(c, arrival);
}

static int apply_sealed(const struct applying *c)
{
    json_t *arrival = json_get_object(c->facts, "arrival");
    const char *digest_hex = apply_text(c, "digest"), *sm3_hex = apply_text(c, "sm3");
    _cleanup_free_ char *arrival_text = NULL;
    struct digest digest, sm3;
    int r;

    if (!arrival || !digest_hex || digest_from_hex(digest_hex, &digest) < 0 ||
        (sm3_hex && digest_from_hex(sm3_hex, &sm3) < 0) || !ulid_is_valid(c->act->subject))
        return apply_refuse(c, "recording.sealed lacks its id, arrival or digest");
    r = apply_member_text(c, "arrival", &arrival_text);
    if (r < 0)
        return r;
    r = sql_run(c->db, c->err,
                "INSERT INTO recordings (id, leaf, digest, sm3, size_bytes, name, content_name, kind, door, "
                "received_usec, status, sort_usec, links, holds, held) "
                "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 'new', $11, 0, 0, 0)",
                "tibbittttii", c->act->subject, c->leaf, digest.bytes, sizeof digest.bytes,
                sm3_hex ? sm3.bytes : NULL, sizeof sm3.bytes, json_get_integer(c->facts, "bytes", -1),
                apply_text(c, "name"), apply_text(c, "content"), apply_text(c, "kind"),
                json_get_string(arrival, "door"), c->act->time_usec, c->act->time_usec);
    if (r != 0)
        return r;
    r = sql_run(c->db, c->err, "INSERT INTO recording_facts (recording, arrival) VALUES ($1, $2)", "tt",
                c->act->subject, arrival_text);
    return r != 0 ? r : insert_arrival(c, arrival, arrival_text);
}

static int apply_arrived_again(const struct applying *c)
{
    json_t *arrival = json_get_object(c->facts, "arrival");
    _cleanup_free_ char *arrival_text = NULL;
    int r = arrival ? apply_member_text(c, "arrival", &arrival_text) : -EINVAL;

    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return apply_refuse(c, "recording.arrived-again lacks its arrival");
    return insert_arrival(c, arrival, arrival_text);
}

static int apply_examined(const struct applying *c)
{
    _cleanup_free_ char *media = NULL;
    int r = apply_member_text(c, "media", &media);

    if (r < 0)
        return r;
    r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE recordings SET status = $2, kind = COALESCE($3, kind) WHERE id = $1", "ttt",
                    c->act->subject, apply_text(c, "status"), apply_text(c, "kind"));
    if (r == ACT_E_REFUSED)
        return apply_refuse(c, "no such recording");
    if (r != 0)
        return r;
    return sql_run(c->db, c->err, "UPDATE recording_facts SET message = $2, media = $3 WHERE recording = $1",
                   "ttt", c->act->subject, apply_text(c, "message"), media);
}

static int apply_decoded(const struct applying *c)
{
    _cleanup_free_ char *decoded = NULL;
    int r = apply_member_text(c, "decoded", &decoded);

    if (r < 0)
        return r;
    if (!decoded)
        return apply_refuse(c, "recording.decoded says nothing");
    r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE recording_facts SET decoded = $2 WHERE recording = $1", "tt", c->act->subject,
                    decoded);
    return r == ACT_E_REFUSED ? apply_refuse(c, "no such recording") : r;
}

/* A placed fact is {"value":…,"source":…,"certainty":…}. */
static const json_t *placed(const json_t *place, const char *key)
{
    return json_object_get(json_get_object(place, key), "value");
}

/* The lower certainty of two placed facts; NULL when neither is known. */
static const char *lower_certainty(const json_t *place)
{
    static const char *const names[] = {"doubtful", "probable", "certain"};
    const char *a = json_get_string(json_get_object(place, "started"), "certainty"),
               *b = json_get_string(json_get_object(place, "ended"), "certainty");

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if ((a && strcmp(a, names[i]) == 0) || (b && strcmp(b, names[i]) == 0))
            return names[i];
    return NULL;
}

/* The folded number of the case that a place names, where there is no such case yet; else NULL. */
static int waiting_for(const struct applying *c, const json_t *place, char **ret)
{
    const char *named = json_string_value(placed(place, "case_number"));
    _cleanup_free_ char *key = named ? case_number_fold(named) : NULL;
    int64_t known = 0;
    int r = 0;

    if (key && *key)
        r = sql_integer(c->db, &known, 0, c->err, "SELECT count(*) FROM cases WHERE number_key = $1", "t",
                        key);
    if (r == 0)
        *ret = known == 0 && key && *key ? TAKE_PTR(key) : NULL;
    return r;
}

static int set_sort(const struct applying *c, int64_t sort)
{
    return sql_run(c->db, c->err, "UPDATE links SET sort_usec = $2 WHERE recording = $1", "ti",
                   c->act->subject, sort);
}

static int apply_placed(const struct applying *c)
{
    json_t *place = json_get_object(c->facts, "place");
    const char *merged = apply_text(c, "merged_take");
    _cleanup_free_ char *place_text = NULL, *waiting = NULL;
    int64_t started_usec, ended_usec, received = 0, sort;
    int r;

    if (!place)
        return apply_refuse(c, "recording.placed lacks its place");
    if (merged && !apply_text(c, "take"))
        return apply_refuse(c, "recording.placed merges a take but names none");
    r = apply_member_text(c, "place", &place_text);
    r = r != 0 ? r : waiting_for(c, place, &waiting);
    if (r == 0)
        r = sql_integer(c->db, &received, INT64_MIN, c->err,
                        "SELECT received_usec FROM recordings WHERE id = $1", "t", c->act->subject);
    if (r != 0)
        return r;
    if (received == INT64_MIN)
        return apply_refuse(c, "no such recording");
    sort = json_get_integer(c->facts, "sort", received);
    r = sql_run(
        c->db, c->err,
        "UPDATE recordings SET device = $2, officer = $3, unit = $4, started_usec = $5, ended_usec = $6, "
        "certainty = $7, take = $8, sort_usec = $9, case_key = $10 WHERE id = $1",
        "ttttoottit", c->act->subject, json_string_value(placed(place, "device")),
        json_string_value(placed(place, "officer")), json_string_value(placed(place, "unit")),
        apply_number(json_get_object(place, "started"), "value", &started_usec),
        apply_number(json_get_object(place, "ended"), "value", &ended_usec), lower_certainty(place),
        apply_text(c, "take"), sort, waiting);
    r = r != 0 ? r : set_sort(c, sort);
    if (r == 0 && merged)
        r = sql_run(c->db, c->err, "UPDATE recordings SET take = $1 WHERE take = $2", "tt",
                    apply_text(c, "take"), merged);
    if (r != 0)
        return r;
    return sql_run(c->db, c->err, "UPDATE recording_facts SET place = $2 WHERE recording = $1", "tt",
                   c->act->subject, place_text);
}

static int apply_decided(const struct applying *c)
{
    _cleanup_free_ char *reasons = NULL;
    int64_t until, disc;
    int r = apply_member_text(c, "reasons", &reasons);

    if (r < 0)
        return r;
    r = sql_run_one(
        c->db, ACT_E_REFUSED, c->err,
        "UPDATE recordings SET class = $2, ending = $3, until_usec = $4, disc_due_usec = $5, policy = $6, "
        "decided_leaf = $7 WHERE id = $1",
        "tttooti", c->act->subject, apply_text(c, "class"), apply_text(c, "ending"),
        apply_number(c->facts, "until", &until), apply_number(c->facts, "disc_due", &disc),
        apply_text(c, "version"), c->leaf);
    if (r == ACT_E_REFUSED)
        return apply_refuse(c, "no such recording");
    if (r != 0)
        return r;
    return sql_run(c->db, c->err, "UPDATE recording_facts SET reasons = $2 WHERE recording = $1", "tt",
                   c->act->subject, reasons);
}

static int apply_policy(const struct applying *c)
{
    return sql_run(
        c->db, c->err,
        "INSERT INTO policies (version, name, leaf, text, adopted_usec, adopted_by) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (version) DO UPDATE SET leaf = excluded.leaf, "
        "adopted_usec = excluded.adopted_usec, adopted_by = excluded.adopted_by",
        "ttitit", apply_text(c, "version"), c->act->subject, c->leaf, apply_text(c, "text"),
        c->act->time_usec, c->act->actor);
}

static int apply_case_added(const struct applying *c)
{
    const char *num = apply_text(c, "number");
    _cleanup_free_ char *key = num ? case_number_fold(num) : NULL;
    int r;

    if (!key || !*key)
        return apply_refuse(c, "a case needs a number");
    r = sql_run(c->db, c->err,
                "INSERT INTO cases (id, leaf, number, number_key, title, procedure, state, opened_usec) "
                "VALUES ($1, $2, $3, $4, $5, $6, 'open', $7)",
                "titttti", c->act->subject, c->leaf, num, key, apply_text(c, "title"),
                apply_text(c, "procedure"), json_get_integer(c->facts, "opened", c->act->time_usec));
    return r == DB_E_CONSTRAINT
               ? apply_refuse(c,
                              "a case with the number %s exists already, or its procedure is not "
                              "none, general or summary",
                              num)
               : r;
}

static int apply_case_set(const struct applying *c)
{
    const char *num = apply_text(c, "number");
    _cleanup_free_ char *key = num ? case_number_fold(num) : NULL;
    int64_t opened;
    int r;

    if (num && (!key || !*key))
        return apply_refuse(c, "a case needs a number");
    r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE cases SET number = COALESCE($2, number), number_key = COALESCE($3, number_key), "
                    "title = COALESCE($4, title), procedure = COALESCE($5, procedure), "
                    "opened_usec = COALESCE($6, opened_usec) WHERE id = $1",
                    "ttttto", c->act->subject, num, key, apply_text(c, "title"), apply_text(c, "procedure"),
                    apply_number(c->facts, "opened", &opened));
    if (r == DB_E_CONSTRAINT)
        return apply_refuse(c, "number %s is another case's, or the procedure is unknown", num ? num : "-");
    return r == ACT_E_REFUSED ? apply_refuse(c, "no such case") : r;
}

static int apply_case_ended(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE cases SET state = 'ended', ended_usec = $2 WHERE id = $1 AND state = 'open'",
                        "ti", c->act->subject, json_get_integer(c->facts, "ended", c->act->time_usec));

    return r == ACT_E_REFUSED ? apply_refuse(c, "only an open case can be ended") : r;
}

static int apply_case_filed(const struct applying *c)
{
    int r = sql_run_one(c->db, ACT_E_REFUSED, c->err,
                        "UPDATE cases SET state = 'filed', filed_usec = $2 WHERE id = $1 AND state = 'ended'",
                        "ti", c->act->subject, json_get_integer(c->facts, "filed", c->act->time_usec));

    return r == ACT_E_REFUSED ? apply_refuse(c, "only an ended case can be filed") : r;
}

static int apply_case_reopened(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE cases SET state = 'open', ended_usec = NULL WHERE id = $1 AND state = 'ended'",
                    "t", c->act->subject);

    return r == ACT_E_REFUSED ? apply_refuse(c, "only an ended case that is not filed yet can be reopened")
                              : r;
}

/* A link came or went: the recording's counts of links, and of holds that keep it. */
static int count_links(const struct applying *c)
{
    return sql_run(c->db, c->err,
                   "UPDATE recordings SET links = (SELECT count(*) FROM links WHERE recording = $1), held = "
                   "holds + (SELECT count(*) FROM links l JOIN "
                   "holds h ON h.case_id = l.case_id WHERE l.recording = $1 AND h.lifted_usec IS NULL) "
                   "WHERE id = $1",
                   "t", c->act->subject);
}

static int apply_link_added(const struct applying *c)
{
    int64_t sort;
    int r = sql_integer(c->db, &sort, INT64_MIN, c->err, "SELECT sort_usec FROM recordings WHERE id = $1",
                        "t", c->act->subject);

    if (r == 0 && sort == INT64_MIN)
        return apply_refuse(c, "no such recording");
    if (r == 0)
        r = sql_run(
            c->db, c->err,
            "INSERT INTO links (recording, case_id, role, step, sort_usec, leaf) VALUES ($1, $2, $3, $4, $5, "
            "$6) "
            "ON CONFLICT (recording, case_id) DO UPDATE SET role = excluded.role, step = excluded.step, "
            "leaf = excluded.leaf",
            "ttttii", c->act->subject, apply_text(c, "case"), apply_text(c, "role"), apply_text(c, "step"),
            sort, c->leaf);
    if (r == DB_E_CONSTRAINT)
        return apply_refuse(c, "no such case, or the role is not evidence or context");
    if (r == 0) /* it waits for this case no longer */
        r = sql_run(c->db, c->err,
                    "UPDATE recordings SET case_key = NULL WHERE id = $1 AND case_key IN (SELECT number_key "
                    "FROM cases "
                    "WHERE id = $2)",
                    "tt", c->act->subject, apply_text(c, "case"));
    return r != 0 ? r : count_links(c);
}

static int apply_link_removed(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err, "DELETE FROM links WHERE recording = $1 AND case_id = $2",
                    "tt", c->act->subject, apply_text(c, "case"));

    if (r == ACT_E_REFUSED)
        return apply_refuse(c, "is not linked to that case");
    return r != 0 ? r : count_links(c);
}

static int apply_hold_added(const struct applying *c)
{
    const char *recording = apply_text(c, "recording");
    int r = sql_run(
        c->db, c->err,
        "INSERT INTO holds (id, leaf, recording, case_id, ground, matter, reason, placed_usec, placed_by) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        "titttttit", c->act->subject, c->leaf, recording, apply_text(c, "case"), apply_text(c, "ground"),
        apply_text(c, "matter"), apply_text(c, "reason"), c->act->time_usec, c->act->actor);

    if (r == DB_E_CONSTRAINT)
        return apply_refuse(c, "a hold needs one existing recording or case and, for ground other, a reason");
    if (r == 0 && recording)
        r = sql_run(c->db, c->err, "UPDATE recordings SET holds = holds + 1, held = held + 1 WHERE id = $1",
                    "t", recording);
    if (r == 0 && !recording)
        r = sql_run(c->db, c->err,
                    "UPDATE recordings SET held = held + 1 WHERE id IN (SELECT recording FROM links WHERE "
                    "case_id = $1)",
                    "t", apply_text(c, "case"));
    return r;
}

static int apply_hold_lifted(const struct applying *c)
{
    int r =
        sql_run_one(c->db, ACT_E_REFUSED, c->err,
                    "UPDATE holds SET lifted_usec = $2, lifted_by = $3, lifted_leaf = $4 WHERE id = $1 AND "
                    "lifted_usec IS NULL",
                    "titi", c->act->subject, c->act->time_usec, c->act->actor, c->leaf);

    if (r == ACT_E_REFUSED)
        return apply_refuse(c, "no such hold stands");
    if (r == 0)
        r = sql_run(c->db, c->err,
                    "UPDATE recordings SET holds = holds - 1, held = held - 1 WHERE id IN (SELECT recording "
                    "FROM holds WHERE "
                    "id = $1)",
                    "t", c->act->subject);
    if (r == 0)
        r = sql_run(
            c->db, c->err,
            "UPDATE recordings SET held = held - 1 WHERE id IN (SELECT l.recording FROM holds h JOIN links l "
            "ON l.case_id = h.case_id WHERE h.id = $1)",
            "t", c->act->subject);
    return r;
}

static int apply_quarantined(const struct applying *c)
{
    return sql_run(
        c->db, c->err,
        "INSERT INTO quarantined (id, leaf, time_usec, door, path, reason) VALUES ($1, $2, $3, $4, $5, $6)",
        "tiittt", c->act->subject, c->leaf, c->act->time_usec, apply_text(c, "door"), apply_text(c, "path"),
        apply_text(c, "reason"));
}

static const struct apply_handler handlers[] = {
    {"ledger.started", apply_nothing, NULL},
    {"recording.sealed", apply_sealed, NULL},
    {"recording.arrived-again", apply_arrived_again, NULL},
    {"recording.examined", apply_examined, NULL},
    {"recording.placed", apply_placed, NULL},
    {"recording.decided", apply_decided, NULL},
    {"recording.viewed", apply_nothing, NULL},
    {"recording.decoded", apply_decoded, NULL},
    {"recording.copied", apply_nothing, NULL},
    {"policy.adopted", apply_policy, NULL},
    {"case.added", apply_case_added, NULL},
    {"case.set", apply_case_set, NULL},
    {"case.ended", apply_case_ended, NULL},
    {"case.filed", apply_case_filed, NULL},
    {"case.reopened", apply_case_reopened, NULL},
    {"link.added", apply_link_added, "case"},
    {"link.removed", apply_link_removed, "case"},
    {"hold.added", apply_hold_added, "about"},
    {"hold.lifted", apply_hold_lifted, "about"},
    {"item.quarantined", apply_quarantined, NULL},
    {NULL, NULL, NULL},
};

static const struct apply_handler *find_handler(const char *kind)
{
    static const struct apply_handler *const lists[] = {handlers, apply_device_handlers,
                                                        apply_bodyworn_handlers, apply_disposal_handlers};

    for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
        for (const struct apply_handler *h = lists[i]; h->kind; h++)
            if (strcmp(h->kind, kind) == 0)
                return h;
    return NULL;
}

int act_apply(struct db *db, uint64_t index, const struct act *act, struct error *err)
{
    struct applying c = {db, (int64_t)index, act, act->facts, err};
    const struct apply_handler *handler = find_handler(act->kind);
    int r;

    if (!handler)
        return error_set(err, ACT_E_REFUSED, act->kind,
                         "is not a kind of act this program knows; use a newer one");
    r = handler->apply(&c);
    if (r != 0)
        return r;
    return sql_run(
        db, err,
        "INSERT INTO acts (idx, time_usec, kind, actor, subject, object) VALUES ($1, $2, $3, $4, $5, $6)",
        "iitttt", c.leaf, act->time_usec, act->kind, act->actor, act->subject,
        handler->object ? json_get_string(act->facts, handler->object) : NULL);
}
