/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Why a recording is kept: the decision that stands with its reasons, the facts it rests on with their sources, holds, what the
 * policy in force would say today, what would change it, and the history from the ledger.
 */
#include <errno.h>
#include <string.h>

#include "api/handlers.h"

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

/* An object of those of the row's members that it has. */
static int pick(const json_t *row, const char *const *keys, size_t n, json_t **ret)
{
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    for (size_t i = 0; i < n && r == 0; i++) {
        json_t *value = json_object_get(row, keys[i]);
        if (value)
            r = json_set_take(o, keys[i], json_incref(value));
    }
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}

/* Whether the policy in force would decide as it stands. */
static bool stands(const json_t *decision, const json_t *today)
{
    return json_equal(json_object_get(decision, "class"), json_object_get(today, "class")) &&
           json_equal(json_object_get(decision, "ending"), json_object_get(today, "ending")) &&
           json_get_integer(decision, "until", INT64_MAX) == json_get_integer(today, "until", INT64_MAX);
}

int handle_explain(struct call *c)
{
    /* what is being spoken of, and what it is tied to */
    static const char *const about[] = {"id",    "name",   "kind", "status", "message",
                                        "bytes", "digest", "leaf", "cases",  "hold_list"};
    /* the decision that stands; none of them: not decided yet */
    static const char *const decided[] = {"class", "ending", "until", "disc_due", "policy", "reasons"};
    _cleanup_json_ json_t *row = NULL, *today = NULL;
    json_t *facts = NULL, *decision = NULL, *changes = NULL, *history = NULL;
    struct recording_id id;
    int r = find_recording(c, &id, &row);

    if (r != 0)
        return r;
    r = pick(row, about, ARRAY_SIZE(about), &c->answer);
    r = r != 0 ? r : pick(row, decided, ARRAY_SIZE(decided), &decision);
    r = r != 0 ? r : json_set_take(c->answer, "decision", decision);
    r = r != 0 ? r : collect_facts(row, &facts);
    r = r != 0 ? r : json_set_take(c->answer, "facts", facts);
    r = r != 0 ? r : what_if(c, &id, &today, &changes);
    r = r != 0 ? r : json_set_take(c->answer, "would_change", changes);
    r = r != 0 ? r : json_set_bool(today, "stands", stands(decision, today));
    r = r != 0 ? r : json_set_take(c->answer, "today", json_incref(today));
    r = r != 0 ? r : history_of(c, id.text, -1, HISTORY_MAX + 1, &history);
    if (r == 0 && json_array_size(history) > HISTORY_MAX) {
        json_array_remove(history, HISTORY_MAX);
        r = json_set_bool(c->answer, "history_more", true);
    }
    r = r != 0 ? r : json_set_take(c->answer, "history", history);
    return r != 0 ? r : answer_zone(c);
}
