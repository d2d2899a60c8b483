/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading arrivals by the device that delivered them.
 */
#ifndef LIUHEN_CATALOGUE_ARRIVALS_H
#define LIUHEN_CATALOGUE_ARRIVALS_H

#include "catalogue/db.h"

/* The bytes that arrived from a device (its id) since a time, the same bytes again included. */
int arrivals_bytes_since(struct db *db, const char *device, int64_t since_usec, uint64_t *ret,
                         struct error *err);

/* Whether the device has delivered this recording, first or again. */
int arrivals_has_device(struct db *db, const char *recording, const char *device, bool *ret,
                        struct error *err);

#endif
