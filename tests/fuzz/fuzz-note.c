/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes checkpoint_parse and verifier_key_parse. What is accepted must be the one spelling of what it says: a checkpoint's body
 * written again from its parts, a key's text as the key gives it.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/encode.h"
#include "ledger/key.h"
#include "ledger/note.h"

#define PUBLIC_KEY "fuzz.example+f35cbf4e+AeXnEn+Ab1yq9JBSY6+U5Mflqwc6eL2/RSBWFxExXuDs"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_body(const char *data, size_t size, const struct checkpoint *c)
{
    _cleanup_free_ char *root = encode_base64(c->root.bytes, DIGEST_BYTES), *body = NULL;

    if (!root || asprintf(&body, "%s\n%llu\n%s\n\n", c->origin, (unsigned long long)c->size, root) < 0)
        abort();
    if (strlen(body) > size || memcmp(body, data, strlen(body)) != 0)
        abort();
}

static void fuzz_checkpoint(const struct verifier_key *key, const char *data, size_t size)
{
    struct checkpoint c = {0};
    struct error err = ERROR_INIT;
    int r = checkpoint_parse(data, size, key, &c, &err);

    if (r == 0)
        check_body(data, size, &c);
    else if (err.code != r || !err.text[0] || c.origin)
        abort();
    checkpoint_done(&c);
}

static void fuzz_key(const char *data, size_t size)
{
    _cleanup_free_ char *text = strndup(data, size);
    struct verifier_key *key = NULL;
    struct error err = ERROR_INIT;

    if (!text)
        abort();
    if (verifier_key_parse(text, &key, &err) == 0 &&
        strncmp(verifier_key_text(key), text, strlen(verifier_key_text(key))) != 0)
        abort();
    verifier_key_free(key);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct verifier_key *key;
    struct error err = ERROR_INIT;

    if (!key && verifier_key_parse(PUBLIC_KEY, &key, &err) < 0)
        abort();
    if (size == 0)
        return 0;
    fuzz_checkpoint(key, (const char *)data, size);
    fuzz_key((const char *)data, size);
    return 0;
}
