/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Facts for placing (see place-rows.h).
 */
#include "catalogue/place-rows.h"

#include <errno.h>
#include <string.h>

#include "catalogue/recordings.h"
#include "catalogue/sql.h"

void placing_done(struct placing *p)
{
    json_decrefp(&p->arrival);
    json_decrefp(&p->media);
    json_decrefp(&p->decoded);
    json_decrefp(&p->place);
    *p = (struct placing){0};
}

/* A JSON object in a text column; NULL stays NULL. */
static int take_object(struct db_stmt *st, int column, const char *id, json_t **ret, struct error *err)
{
    const char *text = db_text(st, column);
    int r;

    if (!text)
        return 0;
    r = json_parse(text, strlen(text), id, ret, err);
    if (r == -ENOMEM)
        return r;
    return r == 0 && json_is_object(*ret)
               ? 0
               : error_set(err, -EPROTO, id,
                           "has facts in the catalogue that are no JSON object; run `liuhen fsck`");
}

int placing_read(struct db *db, const struct recording_id *id, struct placing *ret, struct error *err)
{
    _cleanup_stmt_ struct db_stmt *st = NULL;
    _cleanup_(placing_done) struct placing p = {0};
    bool row;
    int r = sql_query(db, &st, &row, err,
                      "SELECT r.received_usec, f.arrival, f.media, f.place, f.decoded FROM recordings r JOIN "
                      "recording_facts f ON "
                      "f.recording = r.id WHERE r.id = $1",
                      "t", id->text);

    if (r != 0)
        return r;
    if (!row)
        return error_set(err, RECORDINGS_E_NONE, id->text, "no such recording; `liuhen ls` lists them");
    p.received_usec = db_integer(st, 0);
    r = take_object(st, 1, id->text, &p.arrival, err);
    r = r != 0 ? r : take_object(st, 2, id->text, &p.media, err);
    r = r != 0 ? r : take_object(st, 3, id->text, &p.place, err);
    r = r != 0 ? r : take_object(st, 4, id->text, &p.decoded, err);
    if (r != 0)
        return r;
    *ret = p;
    p = (struct placing){0};
    return 0;
}

/* The channel of a place, as text. */
static int read_channel(const char *place_text, char *out, size_t size)
{
    _cleanup_json_ json_t *place = NULL;
    const char *channel;
    int r = json_parse(place_text, strlen(place_text), "place", &place, NULL);

    if (r == -ENOMEM)
        return r;
    channel = json_get_string(json_get_object(place, "channel"), "value");
    snprintf(out, size, "%s", channel ? channel : "");
    return 0;
}

#define NEIGHBOUR(compare, order)                                                                            \
    "SELECT r.id, r.take, r.started_usec, r.ended_usec, f.place FROM recordings r JOIN recording_facts f "   \
    "ON "                                                                                                    \
    "f.recording = r.id WHERE r.device = $1 AND r.sort_usec " compare                                        \
    " $2 AND r.id <> $3 AND r.take IS NOT NULL AND "                                                         \
    "r.ended_usec IS NOT NULL AND r.certainty IN ('certain', 'probable') AND r.disposed_leaf IS NULL AND "   \
    "NOT EXISTS (SELECT 1 FROM bodyworn_containers b WHERE b.id = r.take) ORDER BY "                         \
    "r.sort_usec " order ", r.id " order " LIMIT $4"

int neighbours_read(struct db *db, const char *device, int64_t start_usec, int64_t end_usec, int64_t gap_usec,
                    bool later, const struct recording_id *self, struct neighbour ret[NEIGHBOURS_MAX],
                    size_t *ret_n, struct error *err)
{
    static const char *const sql[] = {NEIGHBOUR("<=", "DESC"), NEIGHBOUR(">=", "ASC")};
    _cleanup_stmt_ struct db_stmt *st = NULL;
    size_t n = 0;
    bool row;
    int r = sql_query(db, &st, &row, err, sql[later], "titi", device, start_usec, self->text,
                      (int64_t)NEIGHBOURS_MAX);

    for (; r == 0 && row && n < NEIGHBOURS_MAX; r = db_step(st, &row, err)) {
        struct neighbour *x = &ret[n];
        int64_t gap;

        x->started_usec = db_integer(st, 2);
        x->ended_usec = db_integer(st, 3);
        gap = later ? x->started_usec - end_usec : start_usec - x->ended_usec;
        if (gap > gap_usec || gap < -gap_usec)
            continue;
        if (recording_id_parse(db_text(st, 0), &x->id) < 0)
            return -EPROTO;
        snprintf(x->take, sizeof x->take, "%s", db_text(st, 1));
        r = read_channel(db_text(st, 4), x->channel, sizeof x->channel);
        if (r < 0)
            return r;
        n++;
    }
    if (r == 0)
        *ret_n = n;
    return r;
}
