/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What PUT and POST share: reading what a request says of the files that it brings (query, headers, digests), beginning an upload
 * from it, and the whole way of a request whose body is one file.
 *
 * Fields (doors/fields.h) come as query parameters or as headers "Liuhen-<Field>: <percent-encoded>"; form fields are the form's.
 * A field that nobody knows is refused here, as it would be a slip that is never seen; forms may have any others.
 */
#ifndef LIUHEN_DOORS_DELIVERY_H
#define LIUHEN_DOORS_DELIVERY_H

#include "doors/door.h"
#include "doors/fields.h"
#include "http/headers.h"

/* Digests that the sender said, each algorithm once. The fifth that we know, CRC-32, goes when there are more. */
#define DIGESTS_MAX 4
struct digests {
    size_t n;
    struct header_digest each[DIGESTS_MAX];
};

/* Takes a header if it is Content-MD5, Digest, Repr-Digest or Content-Digest. Return: 0, -EINVAL (not readable, or two differ). */
int digests_add(struct digests *all, const char *header, const char *value, struct error *err);
int digests_expect(const struct digests *all, struct upload *u, struct error *err);

struct delivery {
    struct fields fields;
    struct digests digests; /* of the body */
    int64_t mtime_usec;     /* Last-Modified; 0 = not said. A field of that name counts before it */
    struct zone *zone;      /* the device's; NULL: the site's */
    const struct knock *k;
};

/* Reads query and headers; d is to be given to delivery_done, also after a failure. name: of the file where the path has it, NULL: it
 * has not. Return: 0, -EINVAL, -EACCES (another device), -EOPNOTSUPP (415: the body would not be the file), -ENOMEM. */
int delivery_read(struct delivery *d, const struct knock *k, const char *name, struct error *err);
void delivery_done(struct delivery *d);

/* A field more. Return: as fields_set and fields_allow. */
int delivery_set(struct delivery *d, const char *name, const void *value, size_t size, struct error *err);

/* Begins the upload of one file. name, path: NULL = what the fields say. mtime_usec: 0 = what they say. */
int delivery_upload(const struct delivery *d, const char *door, const char *name, const char *path,
                    int64_t mtime_usec, int64_t bytes, struct upload **ret, struct error *err);

/* Quota and rate of the device for the whole body. Return: as doors_admit; *held is to be given to doors_release. */
bool delivery_admit(const struct knock *k, uint64_t *held, struct http_answer *answer);

/* Answers with what went wrong. Return: false, as begin and take of a door do. */
bool delivery_refuse(struct http_answer *answer, int code, const struct error *err);

/* ---- a request whose body is one file ---- */

struct single;

/* As the functions of a door; *ret is to be given to single_free, also when this returns false. */
bool single_begin(struct knock *k, const char *door, const char *name, struct http_answer *answer,
                  struct single **ret);
bool single_take(struct single *s, const void *data, size_t size, struct http_answer *answer);
void single_finish(struct single *s, struct http_answer *answer);
struct single *single_free(struct single *s);

#endif
