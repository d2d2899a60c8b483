/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the values of HTTP headers. Pure and strict: what is not understood is an error with what would be right, never a guess.
 * Fuzzed by tests/fuzz/fuzz-headers.c.
 */
#ifndef LIUHEN_HTTP_HEADERS_H
#define LIUHEN_HTTP_HEADERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

/* "bytes=0-499", "bytes=500-", "bytes=-500" over a content of bytes. Return: 0 *ret_from, *ret_bytes; 1 the header does not count
 * (another unit, several ranges, not understood: RFC 9110 §14.2 says to answer whole); -ERANGE it lies outside (416). */
int header_range(const char *value, uint64_t bytes, uint64_t *ret_from, uint64_t *ret_bytes);

/* Whether a list of entity tags (If-None-Match, If-Match; "*" too) names this strong one (without quotes). weak: W/"x" counts. */
bool header_has_etag(const char *value, const char *etag, bool weak);

/* A digest that the sender said: algorithm in lower case without '-' ("md5", "sha1", "sha256", "sha512", "crc32") and raw bytes. */
struct header_digest {
    char algorithm[16];
    uint8_t bytes[64];
    size_t size;
};
#define HEADER_DIGESTS_MAX 8

/* Content-MD5 (RFC 1864), Digest (RFC 3230: "SHA-256=base64,MD5=base64"), Repr-Digest and Content-Digest (RFC 9530:
 * "sha-256=:base64:"), Upload-Checksum (tus: "sha1 base64"). Algorithms that we do not know are passed over (*ret_n counts the known
 * ones); bad base64 or a wrong length: -EINVAL. */
int header_content_md5(const char *value, struct header_digest *ret, struct error *err);
int header_digest(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                  struct error *err);
int header_repr_digest(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                       struct error *err);
/* Return: also -EOPNOTSUPP (an algorithm we do not know: tus answers 400). */
int header_upload_checksum(const char *value, struct header_digest *ret, struct error *err);

/* Authorization: "Bearer x" or "Basic base64(user:secret)". New strings; *ret_user is NULL for Bearer. Return: 0, -EINVAL, -ENOMEM. */
int header_authorization(const char *value, char **ret_user, char **ret_secret, struct error *err);

/* A non-negative decimal number without sign, at most INT64_MAX. Return: 0 or -EINVAL. */
int header_number(const char *value, int64_t *ret);

#endif
