/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Message digests over OpenSSL: SHA-256 (FIPS 180-4) always, SM3 (GB/T 32905) beside it where configured; and the older ones (MD5,
 * SHA-1, CRC-32 …) that senders know, which are compared and never kept.
 */
#ifndef LIUHEN_BASE_DIGEST_H
#define LIUHEN_BASE_DIGEST_H

#include <stdbool.h>
#include <sys/types.h>

#include "base/macro.h"

#define DIGEST_BYTES    32
#define DIGEST_HEX_SIZE 65 /* with the NUL */

/* A SHA-256 digest of content; a type of its own so that it is not mixed up with other 32 bytes. */
struct digest {
    uint8_t bytes[DIGEST_BYTES];
};

/* The digests of one recording. */
struct digest_pair {
    struct digest sha256;
    bool have_sm3;
    uint8_t sm3[DIGEST_BYTES];
};

struct hasher; /* running computation; one thread at a time */

/* Return: 0 or -ENOMEM. */
int hasher_new(bool with_sm3, struct hasher **ret);
struct hasher *hasher_free(struct hasher *h);
DEFINE_CLEANUP(struct hasher *, hasher_free)
void hasher_update(struct hasher *h, const void *data, size_t size);
void hasher_final(struct hasher *h, struct digest_pair *ret);
/* A copy in the same state, so that one can be gone back to. Return: 0 or -ENOMEM. */
int hasher_dup(const struct hasher *h, struct hasher **ret);

/* One more digest of the same bytes, to compare with what a sender says; the content's own digests are the hasher's. */
struct checker;
#define CHECKER_BYTES_MAX 64
/* algorithm: md5, sha1, sha256, sha512, crc32 (ISO 3309, four bytes, the highest first). Return: 0, -EOPNOTSUPP, -ENOMEM. */
int checker_new(const char *algorithm, struct checker **ret);
struct checker *checker_free(struct checker *c);
DEFINE_CLEANUP(struct checker *, checker_free)
void checker_update(struct checker *c, const void *data, size_t size);
/* Return: how many bytes of out are the digest. */
size_t checker_final(struct checker *c, uint8_t out[CHECKER_BYTES_MAX]);

void digest_of(const void *data, size_t size, struct digest *ret);

/* Reads fd from its start to its end in large blocks. Calls on_progress(userdata, bytes so far) after each block when not NULL;
 * a negative return from it stops with that value. Return: 0 or negative errno; *ret_bytes = how many were read. */
int digest_of_fd(int fd, bool with_sm3, int (*on_progress)(void *userdata, uint64_t bytes), void *userdata,
                 struct digest_pair *ret, uint64_t *ret_bytes);

void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_SIZE]);
int digest_from_hex(const char *text, struct digest *ret); /* 0 or -EINVAL */
bool digest_equal(const struct digest *a, const struct digest *b);

#endif
