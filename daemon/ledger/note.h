/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checkpoints: C2SP signed notes that name a log, its size and its root. Reading is strict: whatever has a second spelling is
 * refused, so that two programs cannot understand one checkpoint differently.
 */
#ifndef LIUHEN_LEDGER_NOTE_H
#define LIUHEN_LEDGER_NOTE_H

#include "base/digest.h"
#include "base/error.h"
#include "ledger/key.h"

#define NOTE_MAX (64u * 1024) /* bytes of one checkpoint with all its signatures */

struct checkpoint {
    char *origin;
    uint64_t size;
    struct digest root;
};

void checkpoint_done(struct checkpoint *c);

/* "origin\nsize\nbase64(root)\n\n— name base64(key id ‖ signature)\n", the origin being the key's name; new string.
 * Return: 0 or negative errno. */
int checkpoint_sign(const struct signing_key *key, uint64_t size, const struct digest *root, char **ret);

/* Reads a checkpoint and checks its signature by key; the signatures of others (witnesses) must be well-formed and are passed
 * over. Return: 0, -EINVAL (not a checkpoint), -ENOKEY (not signed by this key), -EBADMSG (the signature is wrong, or the
 * log is another one), -ENOMEM. */
int checkpoint_parse(const char *text, size_t size, const struct verifier_key *key, struct checkpoint *ret,
                     struct error *err);

/* Decimal digits without leading zeros, below 2^63. Return: 0 or -EINVAL. */
int note_parse_number(const char *text, size_t length, uint64_t *ret);

/* Base64 of exactly one hash. Return: 0, -EINVAL, -ENOMEM. */
int note_parse_hash(const char *text, size_t length, struct digest *ret);

#endif
