/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Lists of recording ids: which recordings an act, a case or a policy concerns. Reads only. All pass over what is disposed of.
 */
#ifndef LIUHEN_CATALOGUE_IDS_H
#define LIUHEN_CATALOGUE_IDS_H

#include "base/ulid.h"
#include "catalogue/db.h"

struct recording_ids {
    struct recording_id *ids;
    size_t n;
};

#define RECORDING_IDS_INIT                                                                                   \
    {                                                                                                        \
        NULL, 0                                                                                              \
    }
void recording_ids_done(struct recording_ids *ids);
#define _cleanup_ids_ _cleanup_(recording_ids_done)

/* All return 0, DB_E_* or a negative errno; *ret must be empty and is only filled on success. */

/* Linked to the case, in the order of their times. */
int ids_of_case(struct db *db, const char *case_id, struct recording_ids *ret, struct error *err);

/* Whose place names this (folded) case number, which nobody had added so far. */
int ids_waiting_for_case(struct db *db, const char *case_key, struct recording_ids *ret, struct error *err);

/* The bytes of the objects in a body-worn system's container. */
int ids_of_container(struct db *db, const char *container, struct recording_ids *ret, struct error *err);

/* The next limit recordings of a device after an id ("" = from the first), by id: of those recorded, or else received, at from_usec or
 * later. */
int ids_of_device(struct db *db, const char *serial, int64_t from_usec, const char *after, int limit,
                  struct recording_ids *ret, struct error *err);

/* Up to limit recordings that came by a door and are placed with this officer, the newest first. */
int ids_of_officer(struct db *db, const char *door, const char *officer, int limit, struct recording_ids *ret,
                   struct error *err);

/* The next limit recordings after an id ("" = from the first), by id. */
int ids_after(struct db *db, const char *after, int limit, struct recording_ids *ret, struct error *err);

/* Up to limit recordings that were decided by another policy version than this one. */
int ids_decided_otherwise(struct db *db, const char *version, int limit, struct recording_ids *ret,
                          struct error *err);

/* Whose decision may have been changed by an act with an index ≥ first: by itself, its cases or holds. */
int ids_touched_since(struct db *db, int64_t first, struct recording_ids *ret, struct error *err);

/* The index that the next act will have. */
int acts_next_index(struct db *db, int64_t *ret, struct error *err);

#endif
