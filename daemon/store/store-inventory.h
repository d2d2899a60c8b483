/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The OCFL inventory of an object of ours (OCFL 1.1 section 3.5): one version, the content file and arrival.json, SHA-256, SM3 in
 * the fixity block where it is known.
 */
#ifndef LIUHEN_STORE_STORE_INVENTORY_H
#define LIUHEN_STORE_STORE_INVENTORY_H

#include "base/digest.h"
#include "base/error.h"
#include "base/ulid.h"

struct store_inventory {
    struct recording_id id;
    char content_name[256];
    struct digest_pair content;
    struct digest arrival;
};

/* New text. user: JSON text of the user object. created_usec: µs UTC. Return: 0 or -ENOMEM. */
int store_inventory_write(const struct store_inventory *v, const char *user, int64_t created_usec,
                          char **ret_text);

/* Reads an inventory as store_inventory_write makes it (any JSON spelling of it). Return: 0, -EPROTO (err says what is not as
 * it must be), -ENOMEM. */
int store_inventory_parse(const char *text, size_t size, const char *shown, struct store_inventory *ret,
                          struct error *err);

/* The text of the sidecar: digest, space, "inventory.json", newline. */
#define SIDECAR_SIZE (DIGEST_HEX_SIZE + 16)
void store_inventory_sidecar(const char *text, size_t size, char out[SIDECAR_SIZE]);

#endif
