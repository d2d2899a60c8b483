/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What the catalogue knows for deciding how long one recording is kept, and the decision that stands; and the policy in force.
 * Reads only; the words are those of the tables, cases/decide.c gives them their meaning.
 */
#ifndef LIUHEN_CATALOGUE_DECIDING_H
#define LIUHEN_CATALOGUE_DECIDING_H

#include "base/ulid.h"
#include "catalogue/db.h"

struct deciding_link {
    char *role, *procedure, *state, *number;
    int64_t ended_usec, filed_usec; /* 0 = not yet */
};

struct deciding {
    char *kind, *device, *officer, *unit, *door;
    int64_t received_usec, ended_usec; /* ended 0 = unknown */
    bool ended_certain, disposed;
    struct deciding_link *links;
    size_t n_links;
    char **grounds; /* of standing holds of its own and of its cases */
    size_t n_grounds;
    int64_t held_since_usec; /* when the earliest of them was placed; 0 = none stands */

    /* the decision that stands; class_name NULL = none */
    char *class_name, *ending, *version, *reasons;
    int64_t until_usec;    /* INT64_MAX = no end */
    int64_t disc_due_usec; /* 0 = no discs */
};

/* Return: 0, RECORDINGS_E_NONE, DB_E_*, negative errno. */
int deciding_read(struct db *db, const struct recording_id *id, struct deciding *ret, struct error *err);
void deciding_done(struct deciding *d);

/* The version and text of the policy in force, new strings; both NULL when none was adopted yet. */
int policy_in_force(struct db *db, char **ret_version, char **ret_text, struct error *err);

#endif
