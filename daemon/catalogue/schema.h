/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The catalogue's schema: opening a catalogue at the version this program knows, and bringing an older one up. Migrations
 * are daemon/catalogue/schema/NNN.sql, one file a version, run in one transaction together.
 */
#ifndef LIUHEN_CATALOGUE_SCHEMA_H
#define LIUHEN_CATALOGUE_SCHEMA_H

#include "catalogue/db.h"

#define SCHEMA_VERSION 5

/* Opens dsn. With DB_WRITE an empty catalogue is made and an older one migrated; with DB_READ anything but SCHEMA_VERSION is
 * refused. Return: 0, -EPROTO (a newer or foreign schema; err says which), DB_E_BUSY or negative errno. */
int catalogue_open(const char *dsn, enum db_mode mode, struct db **ret, struct error *err);

/* Facts about the catalogue itself. ret: new string, NULL when unset. */
int catalogue_meta_get(struct db *db, const char *name, char **ret, struct error *err);
int catalogue_meta_set(struct db *db, const char *name, const char *value, struct error *err);

#endif
