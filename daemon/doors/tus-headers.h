/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Values of the headers of tus 1.0.0 (tus.io/protocols/resumable-upload, "tus" below). Pure and strict: what is not understood is an
 * error that says what would be right. Numbers and checksums are read by http/headers.h. Fuzzed by tests/fuzz/fuzz-tus-headers.c.
 */
#ifndef LIUHEN_DOORS_TUS_HEADERS_H
#define LIUHEN_DOORS_TUS_HEADERS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/ulid.h"

#define TUS_VERSION      "1.0.0"
#define TUS_CHECKSUMS    "sha1,md5,sha256,sha512,crc32"
#define TUS_METADATA_MAX (16u * 1024) /* bytes of Upload-Metadata */
#define TUS_PAIRS_MAX    64
#define TUS_PARTS_MAX    256 /* of one concatenation */

struct tus_pair {
    char *key;      /* printable ASCII without space and comma */
    uint8_t *value; /* any bytes; never NULL */
    size_t size;
};

struct tus_metadata {
    size_t n;
    struct tus_pair pairs[TUS_PAIRS_MAX];
};

/* Upload-Metadata (tus, Creation): "key base64,key base64,key". An empty header says nothing: some clients send one. Return: 0,
 * -EINVAL (a key twice, no key, bad base64, too much), -ENOMEM; *ret is untouched on failure. */
int tus_metadata_parse(const char *value, struct tus_metadata *ret, struct error *err);
void tus_metadata_done(struct tus_metadata *m);

enum tus_concat_kind { TUS_WHOLE, TUS_PARTIAL, TUS_FINAL };

struct tus_concat {
    enum tus_concat_kind kind;
    size_t n;         /* TUS_FINAL: at least 1 */
    const char **ids; /* ULIDs in order, one allocation with the array; NULL unless TUS_FINAL */
};

/* Upload-Concat (tus, Concatenation): "partial" or "final;URL URL …". A URL is ours when its path ends with /tus/<ULID>; its host is not
 * looked at, as we do not know all names under which we are reached. Return: 0, -EINVAL, -ENOMEM; *ret is untouched on failure. */
int tus_concat_parse(const char *value, struct tus_concat *ret, struct error *err);
void tus_concat_done(struct tus_concat *c);

/* A time as Upload-Expires wants it: IMF-fixdate (RFC 9110 §5.6.7), "Sun, 06 Nov 1994 08:49:37 GMT". A part of a second is dropped. */
#define TUS_DATE_SIZE 30
void tus_date(int64_t usec, char out[TUS_DATE_SIZE]);

#endif
