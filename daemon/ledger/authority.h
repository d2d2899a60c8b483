/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The site's small certificate authority: ARCHIVE/keys/ca.key (0400) and ca.pem, EC P-256, 20 years, made at first need. It signs
 * the certificates of devices (what counts of those is their fingerprint, which becomes a key of the device by an act) and the
 * server's own for TLS. Nothing of it is evidence: a new authority costs new certificates and no more.
 *
 * An authority is immutable and may be shared between threads; opening is cheap, so it may also be opened each time.
 */
#ifndef LIUHEN_LEDGER_AUTHORITY_H
#define LIUHEN_LEDGER_AUTHORITY_H

#include "base/digest.h"
#include "base/error.h"

#define AUTHORITY_DEVICE_DAYS     825
#define AUTHORITY_DEVICE_DAYS_MAX 3650
#define AUTHORITY_REQUEST_MAX     (16u * 1024) /* bytes of a request */

struct authority;

/* Opens the authority of the archive at this path; makes it when there is none. Return: 0, -EACCES (ca.key may be read by others),
 * -EPROTO (the files do not belong together; err says what to do), other negative errno. */
int authority_open(const char *archive, struct authority **ret, struct error *err);
struct authority *authority_free(struct authority *a);
DEFINE_CLEANUP(struct authority *, authority_free)

/* Its certificate, PEM; borrowed. */
const char *authority_ca_pem(const struct authority *a);

/* The server's certificate with the authority's behind it, and its private key, PEM, new strings; kept as keys/server.pem and
 * server.key. Made anew when half of its time is over, or when it lacks a name. It is good for names (host names and addresses,
 * http.names), the machine's host name and addresses, and localhost. Call at start; blocks. */
int authority_server_certificate(const struct authority *a, const char *const *names, size_t n,
                                 char **ret_pem, char **ret_key, struct error *err);

/* Signs a certificate for a device: its name is the serial (the id, where that is too long), whatever the request (PEM, PKCS #10)
 * says. days 1 to AUTHORITY_DEVICE_DAYS_MAX. *ret_pem: new string; *ret_until_usec: its end.
 * Return: 0, -EINVAL (the request is none, or its key is too weak; err says so), other negative errno. */
int authority_sign_device(const struct authority *a, const char *request, const char *serial, const char *id,
                          int days, char **ret_pem, char ret_fingerprint[DIGEST_HEX_SIZE],
                          int64_t *ret_until_usec, struct error *err);

#endif
