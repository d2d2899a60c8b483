/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Why a recording is kept: the decision that stands with its reasons, the facts it rests on with their sources, holds, what the
 * policy in force would say today, what would change it, and the history from the ledger.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"
#include "cases/decide.h"

#define HISTORY_MAX 200

/* {name, value, source?, certainty?} */
static int add_fact(json_t *list, const char *name, const json_t *value, const char *source,
                    const char *certainty)
{
    json_t *o;
    int r;

    if (!value || json_is_null(value))
        return 0;
    o = json_object();
    r = json_set_string(o, "name", name);
    r = r != 0 ? r : json_set_take(o, "value", json_incref((json_t *)value));
    r = r != 0 ? r : json_set_string(o, "source", source);
    r = r != 0 ? r : json_set_string(o, "certainty", certainty);
    return json_array_append_new(list, o) < 0 ? -ENOMEM : r;
}

/* What deciding looks at, each with where it comes from. */
static int collect_facts(const json_t *row, json_t **ret)
{
    static const char *const placed[] = {"device", "officer", "unit", "started", "ended", "case_number"};
    _cleanup_json_ json_t *list = json_array();
    const json_t *place = json_get_object(row, "place");
    int r = list ? 0 : -ENOMEM;

    r = r != 0 ? r : add_fact(list, "kind", json_object_get(row, "kind"), "examining", NULL);
    r = r != 0 ? r : add_fact(list, "door", json_object_get(row, "door"), "arrival", NULL);
    r = r != 0 ? r : add_fact(list, "received", json_object_get(row, "received"), "seal", "certain");
    for (size_t i = 0; i < ARRAY_SIZE(placed) && r == 0; i++) {
        const json_t *fact = json_get_object(place, placed[i]);
        r = add_fact(list, placed[i], json_object_get(fact, "value"), json_get_string(fact, "source"),
                     json_get_string(fact, "certainty"));
    }
    if (r == 0)
        *ret = TAKE_PTR(list);
    return r;
}

/* The decision that stands; absent members: not decided yet. */
static int stored_decision(const json_t *row, json_t **ret)
{
    static const char *const keys[] = {"class", "ending", "until", "disc_due", "policy", "reasons"};
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++) {
        json_t *value = json_object_get(row, keys[i]);
        if (value)
            r = json_set_take(o, keys[i], json_incref(value));
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* What the policy in force would decide now, and whether that is what stands. */
static int add_preview(struct call *c, const struct recording_id *id, const json_t *decision)
{
    const struct policy *policy = policy_keeper_current(c->context->policy);
    const char *class_name = json_get_string(decision, "class"),
               *ending = json_get_string(decision, "ending");
    struct decision d;
    json_t *o;
    int r = decide_preview(c->db, policy, id, &d, &c->err);

    if (r != 0)
        return r;
    o = json_object();
    r = json_set_string(o, "class", d.class_name);
    r = r != 0 ? r : json_set_string(o, "ending", ending_name(d.ending));
    r = r != 0 ? r : json_set_string(o, "policy", policy_version(policy));
    if (r == 0 && d.ending == ENDING_DATE)
        r = json_set_integer(o, "until", d.until_usec);
    r = r != 0 ? r
               : json_set_bool(o, "stands",
                               class_name && strcmp(class_name, d.class_name) == 0 && ending &&
                                   strcmp(ending, ending_name(d.ending)) == 0 &&
                                   json_get_integer(decision, "until", INT64_MAX) == d.until_usec);
    return json_set_take(c->answer, "today", o) != 0 ? -ENOMEM : r;
}

/* Members of the row that say what is being spoken of, and what it is tied to. */
static int copy_row(struct call *c, const json_t *row)
{
    static const char *const keys[] = {"id",    "name",   "kind", "status", "message",
                                       "bytes", "digest", "leaf", "cases",  "hold_list"};
    int r = 0;

    for (size_t i = 0; i < ARRAY_SIZE(keys) && r == 0; i++) {
        json_t *value = json_object_get(row, keys[i]);
        if (value)
            r = json_set_take(c->answer, keys[i], json_incref(value));
    }
    return r;
}

int handle_explain(struct call *c)
{
    _cleanup_json_ json_t *row = NULL;
    json_t *facts = NULL, *decision = NULL, *changes = NULL, *history = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    if (r != 0)
        return r;
    c->answer = json_object();
    r = copy_row(c, row);
    r = r != 0 ? r : stored_decision(row, &decision);
    r = r != 0 ? r : json_set_take(c->answer, "decision", decision);
    r = r != 0 ? r : collect_facts(row, &facts);
    r = r != 0 ? r : json_set_take(c->answer, "facts", facts);
    r = r != 0 ? r : add_preview(c, &id, decision);
    r = r != 0 ? r : what_if(c, &id, &changes);
    r = r != 0 ? r : json_set_take(c->answer, "would_change", changes);
    r = r != 0 ? r : history_of(c, id.text, -1, HISTORY_MAX + 1, &history);
    if (r == 0 && json_array_size(history) > HISTORY_MAX) {
        json_array_remove(history, HISTORY_MAX);
        r = json_set_bool(c->answer, "history_more", true);
    }
    r = r != 0 ? r : json_set_take(c->answer, "history", history);
    return r != 0 ? r : answer_zone(c);
}
