/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Which GPS trail of a body-worn system belongs to a clip: both are recordings of ours, objects of one container.
 */
#ifndef LIUHEN_CASES_BODYWORN_TRAIL_H
#define LIUHEN_CASES_BODYWORN_TRAIL_H

#include "base/ulid.h"
#include "catalogue/bodyworn-rows.h"
#include "catalogue/recordings.h"

/* The trail of the container that begins last before the clip does, or the first one where none does; by the times in their names.
 * Return: 0, BODYWORN_E_NONE (no clip of such a system, or it has no trail), else as the rows. */
int bodyworn_trail_of(struct db *db, const struct recording_id *clip, struct recording_id *ret,
                      struct error *err);

/* A clip or a trail came to the container: clips whose trail.gpx was made (or could not be) without the trail that they have now are made
 * again, in the caller's transaction. */
int bodyworn_trail_came(struct db *db, const char *container, int64_t now_usec, struct error *err);

#endif
