/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Read connections to the catalogue, shared by the server's threads: opened when first needed, at most READERS_MAX, and closed
 * again when more than READERS_IDLE lie unused or one has served long. No timers.
 */
#ifndef LIUHEN_CATALOGUE_READERS_H
#define LIUHEN_CATALOGUE_READERS_H

#include "catalogue/db.h"

#define READERS_MAX      8
#define READERS_IDLE     2    /* kept open while nobody uses them */
#define READERS_USES_MAX 2000 /* then a connection is opened anew */

struct readers;

int readers_new(const char *dsn, struct readers **ret); /* 0 or -ENOMEM */
struct readers *readers_free(struct readers *r);        /* nobody may hold one any more */
DEFINE_CLEANUP(struct readers *, readers_free)

/* Takes a connection, waiting for one when all are in use. Return: as catalogue_open. */
int readers_take(struct readers *r, struct db **ret, struct error *err);

/* Gives it back; broken: something failed on it, so it is closed. */
void readers_give(struct readers *r, struct db *db, bool broken);

#endif
