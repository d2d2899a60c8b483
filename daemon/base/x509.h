/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * X.509 certificates (RFC 5280) over OpenSSL: keys, requests (PKCS #10), certificates and bundles (PKCS #12). Everything is PEM text,
 * so that nobody else needs OpenSSL's types. Pure but for random numbers; any thread.
 *
 * Return of all: 0, -EINVAL (what was given cannot be read or is too weak; err says why), -EIO (OpenSSL failed), -ENOMEM.
 */
#ifndef LIUHEN_BASE_X509_H
#define LIUHEN_BASE_X509_H

#include <stdbool.h>

#include "base/digest.h"
#include "base/error.h"

#define X509_NAME_LENGTH_MAX 64 /* characters of a common name, RFC 5280 appendix A.1 (ub-common-name) */

/* A new private key on P-256, PKCS #8. */
int x509_key_new(char **ret_key, struct error *err);

/* A request for that key; name becomes its common name. */
int x509_request_new(const char *key, const char *name, char **ret_request, struct error *err);

enum x509_use { X509_USE_CA, X509_USE_SERVER, X509_USE_CLIENT };

struct x509_spec {
    enum x509_use use;
    const char *name;         /* common name, cut where it is too long */
    const char *const *names; /* server: host names and addresses; client: URIs */
    size_t n_names;
    int64_t from_usec, until_usec;
};

/* The authority's own certificate. */
int x509_self_sign(const char *key, const struct x509_spec *spec, char **ret_pem, struct error *err);

/* A certificate for the key of a request, whose signature is checked: EC of at least 256 bits, RSA of at least 2048, Ed25519. */
int x509_sign(const char *ca_pem, const char *ca_key, const char *request, const struct x509_spec *spec,
              char **ret_pem, struct error *err);

/* A public RSA key of at least 2048 bits (PEM, SubjectPublicKeyInfo), as body-worn systems encrypt for. */
int x509_check_rsa_public(const char *pem, struct error *err);

struct x509_facts {
    char fingerprint[DIGEST_HEX_SIZE]; /* SHA-256 of the DER form */
    char key_id[DIGEST_HEX_SIZE];      /* SHA-256 of the public key */
    int64_t from_usec, until_usec;
};
/* The first certificate in the text. */
int x509_read(const char *pem, struct x509_facts *ret, struct error *err);
int x509_key_read(const char *key, char ret_key_id[DIGEST_HEX_SIZE], struct error *err);

/* Whether the server certificate is good for a host name or address (RFC 6125); false too when it cannot be read. */
bool x509_is_for(const char *pem, const char *name);
/* Whether ca_pem has signed it. */
bool x509_is_signed_by(const char *pem, const char *ca_pem);

/* Key, certificate and authority in one file with a password. *ret_data: new. */
int x509_bundle(const char *key, const char *pem, const char *ca_pem, const char *name, const char *password,
                uint8_t **ret_data, size_t *ret_size, struct error *err);

#endif
