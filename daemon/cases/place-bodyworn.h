/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What body-worn systems have said about a recording, for placing. It may come after the bytes (the end of a recording, the key of a
 * clip, a bookmark), so that placing asks the catalogue each time instead of trusting the arrival alone.
 */
#ifndef LIUHEN_CASES_PLACE_BODYWORN_H
#define LIUHEN_CASES_PLACE_BODYWORN_H

#include "base/json.h"
#include "catalogue/db.h"

struct bodyworn_container;
struct bodyworn_object;

/* Puts what is known today in the place of arrival's sidecar; arrivals of other doors stay as they are.
 * Return: 0, DB_E_*, negative errno. */
int place_bodyworn(struct db *db, const char *recording, json_t *arrival, struct error *err);

/* The same for an object that is being stored, of whose rows nothing but the container may be there: a new sidecar. */
int place_bodyworn_sidecar(struct db *db, const struct bodyworn_container *container,
                           const struct bodyworn_object *object, json_t **ret, struct error *err);

/* Adds "bodyworn" to a recording that is shown (bodyworn-show.c): {container, id, status?, object, kind, metadata, object_metadata,
 * trigger_on?, trigger_off?: {why?, time?, location?}, clips?, keys?: [{name, recording?}], bookmarks?: [{name, recording?, text?,
 * category?, category_id?, tags?, started?, ended?}], trails?: [{name, recording, points, first, last}]}. Degrees are × 10⁷. Other doors'
 * recordings stay as they are. Return: 0, DB_E_*, negative errno. */
int bodyworn_show(struct db *db, const char *recording, json_t *shown, struct error *err);

#endif
