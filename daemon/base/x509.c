/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Certificates over OpenSSL (see x509.h). Every object that OpenSSL hands out is freed by a cleanup; its error queue is emptied into
 * our own words, so that nothing of one failure is told with the next.
 */
#include "base/x509.h"

#include <errno.h>
#include <string.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/rand.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/encode.h"

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(X509 *, X509_free)
DEFINE_CLEANUP(X509_REQ *, X509_REQ_free)
DEFINE_CLEANUP(X509_NAME *, X509_NAME_free)
DEFINE_CLEANUP(X509_EXTENSION *, X509_EXTENSION_free)
DEFINE_CLEANUP(GENERAL_NAMES *, GENERAL_NAMES_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)
DEFINE_CLEANUP(PKCS12 *, PKCS12_free)
DEFINE_CLEANUP(BIO *, BIO_free_all)

#define SERIAL_BITS                                                                                          \
    127 /* RFC 5280 4.1.2.2: positive and at most 20 octets; random, so that it cannot be foretold */

static int failed(struct error *err, const char *what)
{
    char words[200] = "no reason given";
    unsigned long code = ERR_peek_last_error();

    if (code)
        ERR_error_string_n(code, words, sizeof words);
    ERR_clear_error();
    return error_set(err, -EIO, "", "cannot %s: %s", what, words);
}

static int refuse(struct error *err, const char *what, const char *right)
{
    ERR_clear_error();
    return error_set(err, -EINVAL, "", "%s; right is %s", what, right);
}

int x509_check_rsa_public(const char *pem, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, -1);
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = bio ? PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL) : NULL;

    if (!bio)
        return -ENOMEM;
    if (!key || EVP_PKEY_get_base_id(key) != EVP_PKEY_RSA || EVP_PKEY_get_bits(key) < 2048)
        return refuse(err, "the public key cannot be used",
                      "an RSA key of at least 2048 bits, PEM, as `openssl pkey -pubout` writes it");
    ERR_clear_error();
    return 0;
}

/* Never ask a terminal for the passphrase of an encrypted key. */
static int on_passphrase(char *buf, int size, int rwflag, void *userdata)
{
    return -1;
}

/* The text in a memory BIO as a new string. */
static int take_text(BIO *bio, char **ret)
{
    char *data;
    long n = BIO_get_mem_data(bio, &data);
    char *text = n > 0 ? strndup(data, (size_t)n) : NULL;

    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}

/* ---- reading ---- */

static int parse_key(const char *text, EVP_PKEY **ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(text, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, NULL) : NULL;

    if (!bio)
        return -ENOMEM;
    if (!key)
        return refuse(err, "the key cannot be read", "an unencrypted private key in PEM (PKCS #8)");
    *ret = key;
    return 0;
}

static int parse_certificate(const char *text, X509 **ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(text, -1);
    X509 *cert = bio ? PEM_read_bio_X509(bio, NULL, on_passphrase, NULL) : NULL;

    if (!bio)
        return -ENOMEM;
    if (!cert)
        return refuse(err, "the certificate cannot be read", "an X.509 certificate in PEM");
    *ret = cert;
    return 0;
}

static bool is_strong(EVP_PKEY *key)
{
    int type = EVP_PKEY_get_base_id(key), bits = EVP_PKEY_get_bits(key);

    return type == EVP_PKEY_ED25519 || (type == EVP_PKEY_EC && bits >= 256) ||
           (type == EVP_PKEY_RSA && bits >= 2048 && bits <= 8192);
}

/* The public key of a request that its owner signed. */
static int parse_request(const char *text, EVP_PKEY **ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(text, -1);
    _cleanup_(X509_REQ_freep) X509_REQ *request =
        bio ? PEM_read_bio_X509_REQ(bio, NULL, on_passphrase, NULL) : NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = request ? X509_REQ_get_pubkey(request) : NULL;

    if (!bio)
        return -ENOMEM;
    if (!key)
        return refuse(err, "the request cannot be read", "a certificate request in PEM (PKCS #10)");
    if (!is_strong(key))
        return refuse(err, "the key of the request is too weak or of another kind",
                      "EC of 256 bits or more, RSA of 2048 to 8192, or Ed25519");
    if (X509_REQ_verify(request, key) != 1)
        return refuse(err, "the request is not signed by its own key",
                      "a request as `openssl req -new` makes it");
    *ret = TAKE_PTR(key);
    return 0;
}

/* ---- writing ---- */

int x509_key_new(char **ret_key, struct error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = EVP_EC_gen("P-256");
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_secmem());

    if (!key || !bio || !PEM_write_bio_PKCS8PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL))
        return failed(err, "make a key");
    return take_text(bio, ret_key);
}

static int make_name(const char *name, X509_NAME **ret, struct error *err)
{
    _cleanup_(X509_NAME_freep) X509_NAME *n = X509_NAME_new();
    size_t size = strlen(name), end = 0;

    if (!utf8_is_valid(name, size) || size == 0)
        return refuse(err, "the name is empty or no UTF-8", "plain text");
    for (size_t i = 0; i < X509_NAME_LENGTH_MAX && end < size; i++)
        end += utf8_sequence_length((const uint8_t *)name + end, size - end);
    if (!n || !X509_NAME_add_entry_by_NID(n, NID_commonName, MBSTRING_UTF8, (const unsigned char *)name,
                                          (int)end, -1, 0))
        return failed(err, "write the name");
    *ret = TAKE_PTR(n);
    return 0;
}

int x509_request_new(const char *key_text, const char *name, char **ret_request, struct error *err)
{
    _cleanup_(X509_REQ_freep) X509_REQ *request = X509_REQ_new();
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_NAME_freep) X509_NAME *subject = NULL;
    int r = parse_key(key_text, &key, err);

    r = r < 0 ? r : make_name(name, &subject, err);
    if (r < 0)
        return r;
    if (!request || !bio || !X509_REQ_set_version(request, X509_REQ_VERSION_1) ||
        !X509_REQ_set_subject_name(request, subject) || !X509_REQ_set_pubkey(request, key) ||
        !X509_REQ_sign(request, key, EVP_sha256()) || !PEM_write_bio_X509_REQ(bio, request))
        return failed(err, "make a certificate request");
    return take_text(bio, ret_request);
}

static bool add_extension(X509 *cert, X509V3_CTX *ctx, int nid, const char *value)
{
    _cleanup_(X509_EXTENSION_freep) X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, ctx, nid, value);

    return extension && X509_add_ext(cert, extension, -1);
}

/* Names are put in as values of their own, never through OpenSSL's configuration syntax, where a comma would begin another. */
static bool add_names(X509 *cert, const struct x509_spec *spec)
{
    _cleanup_(GENERAL_NAMES_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();

    for (size_t i = 0; names && i < spec->n_names; i++) {
        ASN1_OCTET_STRING *address = spec->use == X509_USE_SERVER ? a2i_IPADDRESS(spec->names[i]) : NULL;
        ASN1_IA5STRING *text = address ? NULL : ASN1_IA5STRING_new();
        GENERAL_NAME *name = GENERAL_NAME_new();

        if (!name || (!address && (!text || !ASN1_STRING_set(text, spec->names[i], -1)))) {
            GENERAL_NAME_free(name);
            ASN1_IA5STRING_free(text);
            ASN1_OCTET_STRING_free(address);
            return false;
        }
        if (address)
            GENERAL_NAME_set0_value(name, GEN_IPADD, address);
        else
            GENERAL_NAME_set0_value(name, spec->use == X509_USE_SERVER ? GEN_DNS : GEN_URI, text);
        if (!sk_GENERAL_NAME_push(names, name)) {
            GENERAL_NAME_free(name);
            return false;
        }
    }
    ERR_clear_error(); /* what is no address is no fault */
    return names && X509_add1_ext_i2d(cert, NID_subject_alt_name, names, 0, X509V3_ADD_DEFAULT) == 1;
}

static bool add_extensions(X509 *cert, X509 *issuer, const struct x509_spec *spec)
{
    static const struct {
        const char *constraints, *usage, *extended;
    } uses[] = {
        [X509_USE_CA] = {"critical,CA:TRUE,pathlen:0", "critical,keyCertSign,cRLSign", NULL},
        [X509_USE_SERVER] = {"critical,CA:FALSE", "critical,digitalSignature", "serverAuth"},
        [X509_USE_CLIENT] = {"critical,CA:FALSE", "critical,digitalSignature", "clientAuth"},
    };
    X509V3_CTX ctx;

    X509V3_set_ctx(&ctx, issuer, cert, NULL, NULL, 0);
    return add_extension(cert, &ctx, NID_basic_constraints, uses[spec->use].constraints) &&
           add_extension(cert, &ctx, NID_key_usage, uses[spec->use].usage) &&
           (!uses[spec->use].extended ||
            add_extension(cert, &ctx, NID_ext_key_usage, uses[spec->use].extended)) &&
           add_extension(cert, &ctx, NID_subject_key_identifier, "hash") &&
           add_extension(cert, &ctx, NID_authority_key_identifier, "keyid:always") &&
           (spec->n_names == 0 || add_names(cert, spec));
}

static bool set_serial(X509 *cert)
{
    _cleanup_(BN_freep) BIGNUM *serial = BN_new();

    return serial && BN_rand(serial, SERIAL_BITS, BN_RAND_TOP_ONE, BN_RAND_BOTTOM_ANY) &&
           BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(cert));
}

static bool set_time(ASN1_TIME *at, int64_t usec)
{
    return ASN1_TIME_adj(at, (time_t)(usec / USEC_PER_SEC), 0, 0) != NULL;
}

/* issuer NULL: signed by itself. */
static int make(X509 *issuer, EVP_PKEY *signer, EVP_PKEY *public_key, const struct x509_spec *spec,
                char **ret_pem, struct error *err)
{
    _cleanup_(X509_freep) X509 *cert = X509_new();
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_mem());
    _cleanup_(X509_NAME_freep) X509_NAME *subject = NULL;
    int r = make_name(spec->name, &subject, err);

    if (r < 0)
        return r;
    if (!cert || !bio || !X509_set_version(cert, X509_VERSION_3) || !set_serial(cert) ||
        !X509_set_subject_name(cert, subject) ||
        !X509_set_issuer_name(cert, issuer ? X509_get_subject_name(issuer) : subject) ||
        !set_time(X509_getm_notBefore(cert), spec->from_usec) ||
        !set_time(X509_getm_notAfter(cert), spec->until_usec) || !X509_set_pubkey(cert, public_key) ||
        !add_extensions(cert, issuer ? issuer : cert, spec) || !X509_sign(cert, signer, EVP_sha256()) ||
        !PEM_write_bio_X509(bio, cert))
        return failed(err, "make a certificate");
    return take_text(bio, ret_pem);
}

int x509_self_sign(const char *key_text, const struct x509_spec *spec, char **ret_pem, struct error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r = parse_key(key_text, &key, err);

    return r < 0 ? r : make(NULL, key, key, spec, ret_pem, err);
}

int x509_sign(const char *ca_pem, const char *ca_key, const char *request, const struct x509_spec *spec,
              char **ret_pem, struct error *err)
{
    _cleanup_(X509_freep) X509 *ca = NULL;
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *signer = NULL, *public_key = NULL;
    int r = parse_certificate(ca_pem, &ca, err);

    r = r < 0 ? r : parse_key(ca_key, &signer, err);
    r = r < 0 ? r : parse_request(request, &public_key, err);
    return r < 0 ? r : make(ca, signer, public_key, spec, ret_pem, err);
}

/* ---- looking ---- */

static int64_t usec_of(const ASN1_TIME *at)
{
    struct tm tm;

    return at && ASN1_TIME_to_tm(at, &tm) == 1 ? (int64_t)timegm(&tm) * USEC_PER_SEC : 0;
}

/* SHA-256 of the public key as it stands in certificates. */
static int read_key_id(EVP_PKEY *key, char out[DIGEST_HEX_SIZE], struct error *err)
{
    unsigned char *der = NULL;
    int size = i2d_PUBKEY(key, &der);
    struct digest d;

    if (size <= 0)
        return failed(err, "read a public key");
    digest_of(der, (size_t)size, &d);
    OPENSSL_free(der);
    digest_to_hex(&d, out);
    return 0;
}

int x509_read(const char *pem, struct x509_facts *ret, struct error *err)
{
    _cleanup_(X509_freep) X509 *cert = NULL;
    struct x509_facts facts;
    struct digest d;
    unsigned size = sizeof d.bytes;
    int r = parse_certificate(pem, &cert, err);

    if (r < 0)
        return r;
    if (X509_digest(cert, EVP_sha256(), d.bytes, &size) != 1 || size != sizeof d.bytes ||
        !X509_get0_pubkey(cert))
        return failed(err, "read the certificate");
    digest_to_hex(&d, facts.fingerprint);
    facts.from_usec = usec_of(X509_get0_notBefore(cert));
    facts.until_usec = usec_of(X509_get0_notAfter(cert));
    r = read_key_id(X509_get0_pubkey(cert), facts.key_id, err);
    if (r == 0)
        *ret = facts;
    return r;
}

int x509_key_read(const char *key_text, char ret_key_id[DIGEST_HEX_SIZE], struct error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    int r = parse_key(key_text, &key, err);

    return r < 0 ? r : read_key_id(key, ret_key_id, err);
}

bool x509_is_for(const char *pem, const char *name)
{
    _cleanup_(X509_freep) X509 *cert = NULL;
    bool is;

    if (parse_certificate(pem, &cert, NULL) < 0)
        return false;
    is = X509_check_ip_asc(cert, name, 0) == 1 || X509_check_host(cert, name, 0, 0, NULL) == 1;
    ERR_clear_error();
    return is;
}

bool x509_is_signed_by(const char *pem, const char *ca_pem)
{
    _cleanup_(X509_freep) X509 *cert = NULL, *ca = NULL;
    bool is;

    if (parse_certificate(pem, &cert, NULL) < 0 || parse_certificate(ca_pem, &ca, NULL) < 0)
        return false;
    is = X509_check_issued(ca, cert) == X509_V_OK && X509_verify(cert, X509_get0_pubkey(ca)) == 1;
    ERR_clear_error();
    return is;
}

static int encode_bundle(PKCS12 *bundle, uint8_t **ret_data, size_t *ret_size, struct error *err)
{
    unsigned char *der = NULL;
    int size = bundle ? i2d_PKCS12(bundle, &der) : -1;

    if (size <= 0)
        return failed(err, "make the PKCS #12 file");
    *ret_data = malloc((size_t)size);
    if (*ret_data)
        memcpy(*ret_data, der, (size_t)size);
    OPENSSL_clear_free(der, (size_t)size);
    *ret_size = (size_t)size;
    return *ret_data ? 0 : -ENOMEM;
}

int x509_bundle(const char *key_text, const char *pem, const char *ca_pem, const char *name,
                const char *password, uint8_t **ret_data, size_t *ret_size, struct error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
    _cleanup_(X509_freep) X509 *cert = NULL, *ca = NULL;
    _cleanup_(PKCS12_freep) PKCS12 *bundle = NULL;
    STACK_OF(X509) *chain = NULL;
    int r = parse_key(key_text, &key, err);

    r = r < 0 ? r : parse_certificate(pem, &cert, err);
    r = r < 0 ? r : parse_certificate(ca_pem, &ca, err);
    if (r < 0)
        return r;
    chain = sk_X509_new_null();
    if (chain && sk_X509_push(chain, ca))
        bundle = PKCS12_create(password, name, key, cert, chain, 0, 0, 0, 0, 0);
    sk_X509_free(chain);
    return encode_bundle(bundle, ret_data, ret_size, err);
}
