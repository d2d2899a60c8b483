/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Receipts: .tlog-proof files (C2SP tlog-proof) whose `extra` line carries the entry itself, so that one small text file and
 * the site's verifier key prove offline that an act was in the ledger.
 */
#ifndef LIUHEN_LEDGER_RECEIPT_H
#define LIUHEN_LEDGER_RECEIPT_H

#include "base/digest.h"
#include "base/error.h"

#define RECEIPT_MAX (256u * 1024)

struct verifier_key;

struct receipt {
    char *entry; /* NUL-terminated beyond entry_size */
    size_t entry_size;
    uint64_t index, size; /* leaf index, and tree size of its checkpoint */
    struct digest root;
    char *origin;
};

void receipt_done(struct receipt *r);

/* The text of a receipt from its parts, the checkpoint verbatim; new string. Return: 0 or -ENOMEM. */
int receipt_make(uint64_t index, const void *entry, size_t entry_size, const struct digest *proof, size_t n,
                 const char *checkpoint, char **ret);

/* Parses and checks: form, inclusion proof (RFC 6962 §2.1.1), checkpoint signature by key. Return: 0, -EINVAL (not a
 * receipt), -EBADMSG (does not prove it), -ENOKEY (signed by another key); err in plain words. */
int receipt_verify(const char *text, size_t size, const struct verifier_key *key, struct receipt *ret,
                   struct error *err);

#endif
