/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Placing a recording in the catalogue (see place.h): its facts from place-facts.c, then its take and its link. What the catalogue
 * says is settled here and written into the act, so that applying the act needs no thought.
 */
#include "cases/place.h"

#include <errno.h>
#include <string.h>

#include "base/clock.h"
#include "cases/decide.h"
#include "cases/place-bodyworn.h"
#include "cases/place-facts.h"
#include "catalogue/case-rows.h"
#include "catalogue/device-rows.h"
#include "catalogue/ids.h"
#include "catalogue/place-rows.h"

/* ---- takes ---- */

/* What a recording needs to belong to a take. */
struct span {
    const char *device, *channel;
    int64_t started_usec, ended_usec;
};

static bool is_trusted(const json_t *fact)
{
    const char *certainty = json_get_string(fact, "certainty");

    return certainty && strcmp(certainty, "doubtful") != 0;
}

/* Return: whether the place has a trusted device, start and end. */
static bool span_of(const json_t *place, struct span *ret)
{
    const json_t *device = json_get_object(place, "device"), *started = json_get_object(place, "started"),
                 *ended = json_get_object(place, "ended");
    const char *channel = json_get_string(json_get_object(place, "channel"), "value");

    if (!is_trusted(device) || !is_trusted(started) || !is_trusted(ended))
        return false;
    *ret = (struct span){json_get_string(device, "value"), channel ? channel : "",
                         json_get_integer(started, "value", 0), json_get_integer(ended, "value", 0)};
    return ret->device != NULL;
}

/* The take of the nearest recording of the same channel before (later = false) or after the span; "" = none. */
static int take_beside(struct db *db, const struct placer *p, const struct recording_id *self,
                       const struct span *s, bool later, char ret[ULID_LENGTH + 1], struct error *err)
{
    _cleanup_free_ struct neighbour *list = calloc(NEIGHBOURS_MAX, sizeof *list);
    size_t n;
    int r;

    if (!list)
        return -ENOMEM;
    *ret = 0;
    r = neighbours_read(db, s->device, s->started_usec, s->ended_usec, placer_takes_gap_usec(p), later, self,
                        list, &n, err);
    for (size_t i = 0; r == 0 && i < n; i++)
        if (strncmp(list[i].channel, s->channel, sizeof list[i].channel - 1) == 0) {
            memcpy(ret, list[i].take, sizeof list[i].take);
            break;
        }
    return r;
}

/* The take that the camera system itself says: all that lies in one of its containers. "" = none. */
static const char *take_said(const json_t *arrival)
{
    const char *take =
        place_is_bodyworn(arrival) ? json_get_string(json_get_object(arrival, "sidecar"), "take") : NULL;

    return take && ulid_is_valid(take) ? take : "";
}

/* Finds or makes the take, and the one that this recording joins on to it. Sets take and merged_take in facts. */
static int place_take(struct db *db, const struct placer *p, const struct recording_id *id,
                      const json_t *place, json_t *facts, struct error *err)
{
    char before[ULID_LENGTH + 1], after[ULID_LENGTH + 1], fresh[ULID_LENGTH + 1];
    const char *take;
    struct span s;
    int r;

    if (!span_of(place, &s))
        return 0;
    r = take_beside(db, p, id, &s, false, before, err);
    r = r != 0 ? r : take_beside(db, p, id, &s, true, after, err);
    if (r != 0)
        return r;
    if (!*before && !*after)
        ulid_make(clock_now_usec(), fresh);
    take = *before ? before : *after ? after : fresh;
    r = json_set_string(facts, "take", take);
    if (r == 0 && *before && *after && strcmp(before, after) != 0)
        r = json_set_string(facts, "merged_take", after);
    return r;
}

/* ---- links ---- */

static const char *case_number_of(const json_t *place)
{
    return json_get_string(json_get_object(place, "case_number"), "value");
}

/* Links the recording to the case its place names, on behalf of what named it. */
static int link_by_place(struct txn *t, const struct recording_id *id, const struct case_id *case_id,
                         const json_t *place, struct error *err)
{
    _cleanup_(link_row_done) struct link_row link = {"", NULL};
    const json_t *fact = json_get_object(place, "case_number");
    const char *source = json_get_string(fact, "source"), *role = json_get_string(fact, "role");
    json_t *facts;
    int r = link_read(txn_db(t), id, case_id, &link, err);

    if (r != 0 || *link.role)
        return r; /* a link that somebody made stays as it is */
    facts = json_pack("{s:s, s:s, s:s*}", "case", case_id->text, "role", role ? role : "context", "step",
                      json_get_string(fact, "step"));
    return txn_act(t, "link.added", source ? source : "system", id->text, 0, facts, NULL, err);
}

/* Whether two numbers are the same case's; b may be NULL. */
static int same_number(const char *a, const char *b, bool *ret)
{
    _cleanup_free_ char *x = case_number_fold(a), *y = b ? case_number_fold(b) : NULL;

    if (!x || (b && !y))
        return -ENOMEM;
    *ret = b && strcmp(x, y) == 0;
    return 0;
}

/* before: the place until now. A link that people removed is not made again by placing once more. */
static int place_link(struct txn *t, const struct recording_id *id, const json_t *place, const json_t *before,
                      struct error *err)
{
    const char *number = case_number_of(place);
    struct case_id case_id;
    bool same;
    int r = number ? case_by_number(txn_db(t), number, &case_id, err) : CASES_E_NONE;

    if (r != 0)
        return r == CASES_E_NONE ? 0 : r;
    r = same_number(number, case_number_of(before), &same);
    return r != 0 || same ? r : link_by_place(t, id, &case_id, place, err);
}

/* ---- the device ---- */

struct assigned {
    struct db *db;
    const char *device; /* its id */
};

static int officer_at(void *userdata, int64_t usec, char *ret, struct error *err)
{
    const struct assigned *a = userdata;

    return device_officer_read(a->db, a->device, usec, ret, err);
}

/* Works the place out; once more with what is known of the device where that turns out to be a registered one. Which it is can stand
 * in a sidecar or a name: a dock signs in for many cameras. */
static int work_out(struct db *db, const struct placer *p, const struct placing *known, json_t **ret_place,
                    int64_t *ret_sort, struct error *err)
{
    _cleanup_json_ json_t *first = NULL;
    const json_t *device;
    struct device_row row;
    struct assigned assigned = {db, row.id};
    struct place_device registered = {row.unit, row.zone, officer_at, &assigned};
    int r = place_work_out(p, known->arrival, known->media, known->decoded, known->received_usec, NULL,
                           &first, ret_sort, err);

    if (r != 0)
        return r;
    device = json_get_object(first, "device");
    r = is_trusted(device) && json_get_string(device, "value")
            ? device_row_by_serial(db, json_get_string(device, "value"), &row, err)
            : DEVICE_ROWS_E_NONE;
    if (r == DEVICE_ROWS_E_NONE) {
        *ret_place = TAKE_PTR(first);
        return 0;
    }
    return r != 0 ? r
                  : place_work_out(p, known->arrival, known->media, known->decoded, known->received_usec,
                                   &registered, ret_place, ret_sort, err);
}

/* again: only where it comes out otherwise than before. */
static int place_it(struct txn *t, const struct placer *p, const struct recording_id *id, bool again,
                    struct error *err)
{
    _cleanup_(placing_done) struct placing known = {0};
    _cleanup_json_ json_t *place = NULL, *facts = json_object();
    int64_t sort;
    int r = facts ? placing_read(txn_db(t), id, &known, err) : -ENOMEM;

    r = r != 0 ? r : place_bodyworn(txn_db(t), id->text, known.arrival, err);
    if (r == 0)
        r = work_out(txn_db(t), p, &known, &place, &sort, err);
    if (r == 0 && again && known.place && json_equal(known.place, place))
        return 0;
    r = r != 0 ? r : json_set_take(facts, "place", json_incref(place));
    r = r != 0 ? r : json_set_integer(facts, "sort", sort);
    if (r == 0 && *take_said(known.arrival))
        r = json_set_string(facts, "take", take_said(known.arrival));
    else
        r = r != 0 ? r : place_take(txn_db(t), p, id, place, facts, err);
    r = r != 0 ? r : txn_act(t, "recording.placed", "system", id->text, 0, TAKE_PTR(facts), NULL, err);
    return r != 0 ? r : place_link(t, id, place, known.place, err);
}

int place_recording(struct txn *t, const struct placer *p, const struct recording_id *id, struct error *err)
{
    return place_it(t, p, id, false, err);
}

int place_recording_again(struct txn *t, const struct placer *p, const struct recording_id *id,
                          struct error *err)
{
    return place_it(t, p, id, true, err);
}

int place_link_waiting(struct txn *t, const struct policy *policy, const struct case_id *case_id,
                       const char *number, struct error *err)
{
    _cleanup_free_ char *key = case_number_fold(number);
    _cleanup_ids_ struct recording_ids waiting = RECORDING_IDS_INIT;
    int r = key ? ids_waiting_for_case(txn_db(t), key, &waiting, err) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < waiting.n; i++) {
        _cleanup_(placing_done) struct placing known = {0};

        r = placing_read(txn_db(t), &waiting.ids[i], &known, err);
        r = r != 0 ? r : link_by_place(t, &waiting.ids[i], case_id, known.place, err);
        r = r != 0 ? r : decide_recording(t, policy, &waiting.ids[i], NULL, err);
    }
    return r;
}
