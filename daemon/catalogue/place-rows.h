/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the catalogue knows for placing one recording: its own facts, and its neighbours in time on the same device. Reads only.
 */
#ifndef LIUHEN_CATALOGUE_PLACE_ROWS_H
#define LIUHEN_CATALOGUE_PLACE_ROWS_H

#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

struct placing {
    int64_t received_usec;
    /* Objects; all but arrival may be NULL. decoded: what decoding showed; place: how it was placed before. */
    json_t *arrival, *media, *decoded, *place;
};

/* Return: 0, RECORDINGS_E_NONE, -EPROTO (stored facts are not JSON), DB_E_*, negative errno. */
int placing_read(struct db *db, const struct recording_id *id, struct placing *ret, struct error *err);
void placing_done(struct placing *p);

/* A recording of a device whose clock is trusted and whose end is known. */
struct neighbour {
    struct recording_id id;
    char take[ULID_LENGTH + 1];
    char channel[64]; /* "" = none */
    int64_t started_usec, ended_usec;
};

#define NEIGHBOURS_MAX 64

/* The recordings of a device that join on to the span [start, end] with at most gap between (or overlapping by at most as much),
 * nearest first, without `self`: those that start before or with it and end near its start (later = false), or those that start
 * near its end (later = true). Only the NEIGHBOURS_MAX next to it in time are looked at. */
int neighbours_read(struct db *db, const char *device, int64_t start_usec, int64_t end_usec, int64_t gap_usec,
                    bool later, const struct recording_id *self, struct neighbour ret[NEIGHBOURS_MAX],
                    size_t *ret_n, struct error *err);

#endif
