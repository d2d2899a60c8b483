/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes receipt_verify, which reads files from anybody. The key is fixed, so runs are deterministic; no input made by mutation can
 * carry its signature but the seeds, so an accepted receipt must say exactly what a seed says.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "ledger/key.h"
#include "ledger/receipt.h"

#define PUBLIC_KEY "fuzz.example+f35cbf4e+AeXnEn+Ab1yq9JBSY6+U5Mflqwc6eL2/RSBWFxExXuDs"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct verifier_key *key;
    struct receipt receipt = {0};
    struct error err = ERROR_INIT;
    int r;

    if (!key && verifier_key_parse(PUBLIC_KEY, &key, &err) < 0)
        abort();
    r = receipt_verify((const char *)data, size, key, &receipt, &err);
    if (r == 0 && (receipt.index >= receipt.size || receipt.entry_size == 0 ||
                   receipt.entry[receipt.entry_size] != 0 || strcmp(receipt.origin, "fuzz.example") != 0))
        abort();
    if (r != 0 && (err.code != r || !err.text[0] || receipt.entry || receipt.origin))
        abort();
    receipt_done(&receipt);
    return 0;
}
