/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checking a receipt against a file's digest (see dock-receipt.h).
 */
#include "cli/dock-receipt.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"
#include "ledger/receipt.h"

/* What the entry says must be the seal of these bytes and nothing else. */
static int check_entry(const json_t *act, const struct digest *sha256, uint64_t bytes, char *ret_recording,
                       struct error *err)
{
    const json_t *facts = json_get_object(act, "facts");
    const char *kind = json_get_string(act, "kind"), *subject = json_get_string(act, "subject"),
               *digest = json_get_string(facts, "digest");
    char hex[DIGEST_HEX_SIZE];

    if (!kind || strcmp(kind, "recording.sealed") != 0 || !subject || !digest)
        return error_set(err, -EBADMSG, "", "the receipt is not about a file's seal");
    if (strlen(subject) != ULID_LENGTH)
        return error_set(err, -EBADMSG, "", "the receipt names no recording");
    digest_to_hex(sha256, hex);
    if (strcmp(digest, hex) != 0 || json_get_integer(facts, "bytes", -1) != (int64_t)bytes)
        return error_set(err, -EBADMSG, "", "the receipt is of other bytes than those on the card");
    memcpy(ret_recording, subject, ULID_LENGTH + 1);
    return 0;
}

int dock_receipt_check(const char *text, size_t size, const struct verifier_key *key,
                       const struct digest *sha256, uint64_t bytes, char ret_recording[ULID_LENGTH + 1],
                       struct error *err)
{
    _cleanup_(receipt_done) struct receipt receipt = {0};
    _cleanup_json_ json_t *act = NULL;
    int r = receipt_verify(text, size, key, &receipt, err);

    if (r < 0 && r != -ENOMEM) {
        error_prefix(err, "the receipt does not verify");
        return err->code = -EBADMSG;
    }
    r = r < 0 ? r : json_parse(receipt.entry, receipt.entry_size, "entry", &act, NULL);
    if (r == -ENOMEM)
        return r;
    if (r < 0)
        return error_set(err, -EBADMSG, "", "the receipt's entry is not JSON");
    return check_entry(act, sha256, bytes, ret_recording, err);
}
