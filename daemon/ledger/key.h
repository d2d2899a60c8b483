/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ed25519 keys of signed notes (C2SP signed-note). Private key file: PKCS#8 PEM, mode 0400. Verifier key text:
 * name+<8 hex digits of key id>+base64(0x01 ‖ public key).
 */
#ifndef LIUHEN_LEDGER_KEY_H
#define LIUHEN_LEDGER_KEY_H

#include <stdbool.h>

#include "base/error.h"

#define KEY_NAME_MAX 200 /* bytes */

struct signing_key;
struct verifier_key;

/* Whether name can stand in a signed note: UTF-8 without spaces, control characters or '+'. */
bool key_name_is_valid(const char *name, size_t size);

/* Loads the private key at path; when it is not there and create is set, makes one (mode 0400, durable). A key file that others
 * may read is refused. name = the log's origin. */
int signing_key_load(const char *path, const char *name, bool create, struct signing_key **ret,
                     struct error *err);
struct signing_key *signing_key_free(struct signing_key *k);
DEFINE_CLEANUP(struct signing_key *, signing_key_free)

/* The verifier key that belongs to it (borrowed). */
const struct verifier_key *signing_key_verifier(const struct signing_key *k);
int signing_key_sign(const struct signing_key *k, const void *data, size_t size, uint8_t ret_signature[64]);

int verifier_key_parse(const char *text, struct verifier_key **ret, struct error *err);
struct verifier_key *verifier_key_free(struct verifier_key *k);
DEFINE_CLEANUP(struct verifier_key *, verifier_key_free)
const char *verifier_key_name(const struct verifier_key *k);
const char *verifier_key_text(const struct verifier_key *k);
const uint8_t *verifier_key_id(const struct verifier_key *k); /* 4 bytes */
bool verifier_key_check(const struct verifier_key *k, const void *data, size_t size,
                        const uint8_t signature[64]);

#endif
