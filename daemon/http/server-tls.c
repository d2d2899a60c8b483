/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * TLS: which versions, whether the site's certificate and key can be used, and what a client's certificate is worth. The library
 * shakes hands and only asks for a client certificate; whether it counts is found out here, so that whoever comes with a bad
 * one is answered with words instead of a broken handshake.
 */
#include <errno.h>
#include <gnutls/x509.h>
#include <string.h>
#include <time.h>

#include "http/server-internal.h"

/* TLS 1.2 and 1.3 (RFC 9325 §3.1.1 wants no older), forward secrecy and authenticated encryption only. */
const char server_tls_priorities[] = "SECURE128:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-RSA:-CIPHER-ALL:+AES-"
                                     "256-GCM:+AES-128-GCM:+CHACHA20-POLY1305:"
                                     "%SERVER_PRECEDENCE";

static gnutls_datum_t text_of(const char *text)
{
    return (gnutls_datum_t){(unsigned char *)text, (unsigned)strlen(text)};
}

int server_tls_check(const struct http_options *options, struct error *err)
{
    gnutls_certificate_credentials_t credentials;
    gnutls_datum_t certificate, key, ca;
    const char *what = "http.certificate";
    int r;

    if (!options->certificate || !options->key)
        return error_set(err, -EINVAL, options->certificate ? "http.key" : "http.certificate",
                         "is not set; TLS needs a certificate and its key");
    if (gnutls_certificate_allocate_credentials(&credentials) < 0)
        return -ENOMEM;
    certificate = text_of(options->certificate);
    key = text_of(options->key);
    r = gnutls_certificate_set_x509_key_mem(credentials, &certificate, &key, GNUTLS_X509_FMT_PEM);
    if (r >= 0 && options->client_ca) {
        what = "http.client_ca";
        ca = text_of(options->client_ca);
        r = gnutls_certificate_set_x509_trust_mem(credentials, &ca, GNUTLS_X509_FMT_PEM);
        r = r == 0 ? GNUTLS_E_NO_CERTIFICATE_FOUND : r;
    }
    gnutls_certificate_free_credentials(credentials);
    if (r >= 0)
        return 0;
    return error_set(err, -EINVAL, what,
                     "cannot be used (%s); give PEM files where certificate and key belong together",
                     gnutls_strerror(r));
}

static void say_date(const char *what, time_t when, struct http_peer *ret)
{
    char date[32];
    struct tm tm;

    strftime(date, sizeof date, "%Y-%m-%d", gmtime_r(&when, &tm));
    snprintf(ret->certificate_fault, sizeof ret->certificate_fault, "%s %s", what, date);
}

/* The dates of the certificate itself; the chain's are judged by the verification. */
static void say_dates(const gnutls_datum_t *der, unsigned status, struct http_peer *ret)
{
    gnutls_x509_crt_t certificate;

    snprintf(ret->certificate_fault, sizeof ret->certificate_fault, "%s",
             status & GNUTLS_CERT_EXPIRED ? "expired" : "not valid yet");
    if (gnutls_x509_crt_init(&certificate) < 0)
        return;
    if (gnutls_x509_crt_import(certificate, der, GNUTLS_X509_FMT_DER) == 0) {
        if (status & GNUTLS_CERT_EXPIRED)
            say_date("expired", gnutls_x509_crt_get_expiration_time(certificate), ret);
        else
            say_date("not valid before", gnutls_x509_crt_get_activation_time(certificate), ret);
    }
    gnutls_x509_crt_deinit(certificate);
}

static void say_fault(const gnutls_datum_t *der, unsigned status, struct http_peer *ret)
{
    const char *text = NULL;

    if (status & (GNUTLS_CERT_SIGNER_NOT_FOUND | GNUTLS_CERT_SIGNATURE_FAILURE | GNUTLS_CERT_SIGNER_NOT_CA))
        text = "not signed by this site";
    else if (status & GNUTLS_CERT_PURPOSE_MISMATCH)
        text = "not made for clients";
    else if (status & GNUTLS_CERT_INSECURE_ALGORITHM)
        text = "signed with an algorithm that is not safe any more";
    else if (status & GNUTLS_CERT_REVOKED)
        text = "revoked";
    else if (!(status & (GNUTLS_CERT_EXPIRED | GNUTLS_CERT_NOT_ACTIVATED)))
        text = "not valid";
    if (text)
        snprintf(ret->certificate_fault, sizeof ret->certificate_fault, "%s", text);
    else
        say_dates(der, status, ret);
}

void server_tls_peer(gnutls_session_t session, struct http_peer *ret)
{
    gnutls_typed_vdata_st purpose = {.type = GNUTLS_DT_KEY_PURPOSE_OID,
                                     .data = (unsigned char *)GNUTLS_KP_TLS_WWW_CLIENT};
    const gnutls_datum_t *peers;
    struct digest fingerprint;
    unsigned n = 0, status = 0;

    ret->certificate[0] = ret->certificate_fault[0] = '\0';
    peers = gnutls_certificate_get_peers(session, &n);
    if (!peers || n == 0)
        return;
    digest_of(peers[0].data, peers[0].size, &fingerprint);
    digest_to_hex(&fingerprint, ret->certificate);
    if (gnutls_certificate_verify_peers(session, &purpose, 1, &status) < 0)
        status = GNUTLS_CERT_INVALID;
    if (status)
        say_fault(&peers[0], status, ret);
}
