/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether a receipt proves that exactly these bytes are sealed at the site: the one question on which wiping a card depends. As `liuhen
 * verify`, with the site's key alone; what the server says besides counts for nothing. Pure.
 */
#ifndef LIUHEN_CLI_DOCK_RECEIPT_H
#define LIUHEN_CLI_DOCK_RECEIPT_H

#include "base/digest.h"
#include "base/error.h"
#include "base/ulid.h"
#include "ledger/key.h"

/* Return: 0 and the recording; -EBADMSG (it does not verify, is of something else, or of other bytes; err says which), -ENOMEM. */
int dock_receipt_check(const char *text, size_t size, const struct verifier_key *key,
                       const struct digest *sha256, uint64_t bytes, char ret_recording[ULID_LENGTH + 1],
                       struct error *err);

#endif
