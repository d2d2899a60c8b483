/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Certificate requests and certificates in PEM as anybody may send them, and tokens. The first byte says which: r a request that is to be
 * signed, c a certificate, t a token. What is signed carries our name and our authority, whatever the request says.
 */
#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/x509.h"
#include "cases/device-token.h"

#define CHECK(condition)                                                                                     \
    do {                                                                                                     \
        if (!(condition))                                                                                    \
            abort();                                                                                         \
    } while (0)

static char *ca_key, *ca_pem;

static void make_authority(void)
{
    struct x509_spec spec = {
        .use = X509_USE_CA, .name = "authority", .until_usec = 4000000000 * USEC_PER_SEC};

    CHECK(x509_key_new(&ca_key, NULL) == 0 && x509_self_sign(ca_key, &spec, &ca_pem, NULL) == 0);
}

static void check_request(const char *text)
{
    const char *uris[] = {"urn:liuhen:device:x"};
    struct x509_spec spec = {X509_USE_CLIENT, "CAM-1", uris, 1, 0, 4000000000 * USEC_PER_SEC};
    _cleanup_free_ char *pem = NULL;
    struct error err = ERROR_INIT;
    struct x509_facts facts;
    int r = x509_sign(ca_pem, ca_key, text, &spec, &pem, &err);

    CHECK(r == 0 || (r < 0 && r == err.code && err.text[0] && !pem) || r == -ENOMEM);
    if (r == 0)
        CHECK(x509_read(pem, &facts, NULL) == 0 && x509_is_signed_by(pem, ca_pem));
}

static void check_certificate(const char *text)
{
    struct error err = ERROR_INIT;
    struct x509_facts facts;
    int r = x509_read(text, &facts, &err);

    CHECK(r == 0 ? strlen(facts.fingerprint) == 64 : err.text[0] || r == -ENOMEM);
    (void)x509_is_for(text, "localhost");
    (void)x509_is_for(text, "192.0.2.1");
    CHECK(!x509_is_signed_by(text, ca_pem)); /* nobody else has the key */
}

static void check_token(const char *text)
{
    char id[ULID_LENGTH + 1] = "";

    if (device_token_is_formed(text, id))
        CHECK(ulid_is_valid(id) && strlen(text) == DEVICE_TOKEN_SIZE - 1 &&
              strncmp(text + 3, id, ULID_LENGTH) == 0);
    else
        CHECK(!*id);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = size > 0 ? strndup((const char *)data + 1, size - 1) : NULL;

    if (!ca_key)
        make_authority();
    if (!text)
        return 0;
    if (data[0] == 'r')
        check_request(text);
    else if (data[0] == 'c')
        check_certificate(text);
    else if (data[0] == 't')
        check_token(text);
    return 0;
}
