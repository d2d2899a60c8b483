/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * The Swift side of body-worn systems, as text: whose account a path means, which container and object, and metadata in headers.
 * Pure. Fuzzed by tests/fuzz/fuzz-swift.c. Bounds are OpenStack Swift's own (its constraints: container 256, object 1,024, metadata
 * name 128, value 256 bytes, 90 values); camera systems keep to narrower ones, which are no reason to refuse footage.
 */
#ifndef LIUHEN_DOORS_SWIFT_NAMES_H
#define LIUHEN_DOORS_SWIFT_NAMES_H

#include "base/json.h"
#include "http/target.h"

#define SWIFT_ACCOUNT_PREFIX "AUTH_"
#define SWIFT_CONTAINER_MAX  256
#define SWIFT_OBJECT_MAX     1024
#define SWIFT_META_NAME_MAX  128
#define SWIFT_META_VALUE_MAX 256
#define SWIFT_META_MAX       90
#define SWIFT_META_ALL_MAX   8192 /* bytes of all names and values together; Swift has 4,096 */
#define SWIFT_LIST_MAX       10000

struct swift_path {
    const char *device;                /* ULID out of AUTH_<ULID>; borrowed from the target */
    const char *container;             /* "" = the account itself; borrowed */
    char object[SWIFT_OBJECT_MAX + 1]; /* "" = the container itself */
};

/* /v1/AUTH_<ULID>[/container[/object…]]. Return: 0; -EACCES an account that is none; -EINVAL too long (err says what would be right). */
int swift_path(const struct target *target, struct swift_path *ret, struct error *err);

/* Adds the header's metadata to o: name is what stands behind X-Object-Meta-, value URL-encoded UTF-8. Keys become lower case.
 * lenient: what breaks a bound is cut, what cannot be decoded is kept as it stands, percent-encoded; nothing is refused.
 * Return: 0; -EINVAL (err says what would be right); -ENOMEM. */
int swift_metadata_add(json_t *o, const char *name, const char *value, bool lenient, struct error *err);

/* A metadata value as it goes into a header: URL-encoded UTF-8 (RFC 3986 §2.1; unreserved and some reserved characters stand as
 * they are, so that dates and serial numbers stay readable). New string; NULL = no memory. */
char *swift_metadata_encode(const char *value);

/* A header's name in the form that Swift writes: "starttime" → "Starttime". */
void swift_metadata_name(const char *key, char out[SWIFT_META_NAME_MAX + 1]);

/* "host:port" of a Host header, checked so that it can stand in a URL that we give out (RFC 9110 §7.2: uri-host [":" port]). */
bool swift_host_is_valid(const char *host);

/* Content types that listings and answers know. */
enum swift_format { SWIFT_TEXT, SWIFT_JSON };

/* The query of a listing. Return: 0, -EINVAL (err). */
struct swift_listing {
    const char *prefix, *marker, *end_marker; /* NULL = none */
    int limit;
    enum swift_format format;
};
int swift_listing(const struct target *target, const char *accept, struct swift_listing *ret,
                  struct error *err);

#endif
