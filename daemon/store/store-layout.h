/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The OCFL 1.1 storage root itself: its declaration, ocfl_layout.json, and extension 0004 (hashed n-tuple) which says where an
 * object lies. New roots get sha256, one tuple of two digits (256 folders, each with some 39,000 objects at ten million: making a
 * folder or two more for nearly every object would cost an eighth of the speed of sealing) and object folders named by the whole
 * digest, so that a folder moved elsewhere still says which object it was.
 */
#ifndef LIUHEN_STORE_STORE_LAYOUT_H
#define LIUHEN_STORE_STORE_LAYOUT_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"
#include "base/ulid.h"

#define LAYOUT_EXTENSION "0004-hashed-n-tuple-storage-layout"
#define LAYOUT_NAMASTE   "0=ocfl_1.1"
#define LAYOUT_FILE      "ocfl_layout.json"

struct store_layout {
    unsigned tuple_size, tuples;
    bool short_root; /* the object folder's name leaves out what the tuples said */
};

/* Makes what is missing of a root in an empty folder (or in one where a former call was cut off). Durable on return.
 * Return: 0, -EPROTO (the folder holds something else), other negative errno. */
int store_layout_create(int root_fd, const char *shown, struct error *err);

/* Return: 0, -ENOENT (no root declared here), -EPROTO (another version or layout than we can use). */
int store_layout_read(int root_fd, const char *shown, struct store_layout *ret, struct error *err);

/* Path of an object below the root ("3f2/a01/3f2a01…"). */
#define LAYOUT_PATH_SIZE 256
void store_layout_path(const struct store_layout *l, const struct recording_id *id,
                       char out[LAYOUT_PATH_SIZE]);

/* Whether name can be a tuple folder, and whether it can be an object folder, at this layout (digits only). */
bool store_layout_is_tuple(const struct store_layout *l, const char *name);
bool store_layout_is_object(const struct store_layout *l, const char *name);

#endif
