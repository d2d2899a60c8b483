/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Message digests (see digest.h). The EVP_MD objects are fetched once: an implicit fetch a call costs more than hashing a
 * small file.
 */
#include "base/digest.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>

#include <openssl/evp.h>
#include <zlib.h>

#include "base/encode.h"
#include "base/fd.h"
#include "base/inject.h"

#define READ_BLOCK (256u * 1024)

struct hasher {
    EVP_MD_CTX *sha256, *sm3;
};

static EVP_MD *md_sha256, *md_sm3;
static pthread_once_t md_once = PTHREAD_ONCE_INIT;

static void fetch_digests(void)
{
    md_sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
    md_sm3 = EVP_MD_fetch(NULL, "SM3", NULL);
}

struct hasher *hasher_free(struct hasher *h)
{
    if (!h)
        return NULL;
    EVP_MD_CTX_free(h->sha256);
    EVP_MD_CTX_free(h->sm3);
    free(h);
    return NULL;
}

int hasher_new(bool with_sm3, struct hasher **ret)
{
    _cleanup_(hasher_freep) struct hasher *h = calloc(1, sizeof *h);

    pthread_once(&md_once, fetch_digests);
    if (!h || !md_sha256 || (with_sm3 && !md_sm3))
        return -ENOMEM;
    h->sha256 = EVP_MD_CTX_new();
    if (!h->sha256 || !EVP_DigestInit_ex2(h->sha256, md_sha256, NULL))
        return -ENOMEM;
    if (with_sm3) {
        h->sm3 = EVP_MD_CTX_new();
        if (!h->sm3 || !EVP_DigestInit_ex2(h->sm3, md_sm3, NULL))
            return -ENOMEM;
    }
    *ret = TAKE_PTR(h);
    return 0;
}

void hasher_update(struct hasher *h, const void *data, size_t size)
{
    EVP_DigestUpdate(h->sha256, data, size);
    if (h->sm3)
        EVP_DigestUpdate(h->sm3, data, size);
}

void hasher_final(struct hasher *h, struct digest_pair *ret)
{
    memset(ret, 0, sizeof *ret);
    EVP_DigestFinal_ex(h->sha256, ret->sha256.bytes, NULL);
    if (h->sm3) {
        EVP_DigestFinal_ex(h->sm3, ret->sm3, NULL);
        ret->have_sm3 = true;
    }
}

int hasher_dup(const struct hasher *h, struct hasher **ret)
{
    _cleanup_(hasher_freep) struct hasher *copy = NULL;
    int r = hasher_new(h->sm3 != NULL, &copy);

    if (r < 0)
        return r;
    if (!EVP_MD_CTX_copy_ex(copy->sha256, h->sha256) || (h->sm3 && !EVP_MD_CTX_copy_ex(copy->sm3, h->sm3)))
        return -ENOMEM;
    *ret = TAKE_PTR(copy);
    return 0;
}

/* ---- digests to compare with ---- */

struct checker {
    EVP_MD_CTX *md; /* NULL: CRC-32 */
    uLong crc;
};

struct checker *checker_free(struct checker *c)
{
    if (!c)
        return NULL;
    EVP_MD_CTX_free(c->md);
    free(c);
    return NULL;
}

int checker_new(const char *algorithm, struct checker **ret)
{
    static const char *const names[][2] = {
        {"md5", "MD5"}, {"sha1", "SHA1"}, {"sha256", "SHA256"}, {"sha512", "SHA512"}, {"crc32", NULL}};
    size_t i = 0;

    while (i < ARRAY_SIZE(names) && strcmp(names[i][0], algorithm) != 0)
        i++;
    if (i == ARRAY_SIZE(names))
        return -EOPNOTSUPP;
    _cleanup_(checker_freep) struct checker *c = calloc(1, sizeof *c);
    if (!c)
        return -ENOMEM;
    c->crc = crc32(0, NULL, 0);
    if (names[i][1]) {
        EVP_MD *md = EVP_MD_fetch(NULL, names[i][1], NULL);
        bool ok = md && (c->md = EVP_MD_CTX_new()) && EVP_DigestInit_ex2(c->md, md, NULL);

        EVP_MD_free(md); /* the context keeps its own reference */
        if (!ok)
            return md ? -ENOMEM : -EOPNOTSUPP; /* where a policy of the system forbids MD5 */
    }
    *ret = TAKE_PTR(c);
    return 0;
}

void checker_update(struct checker *c, const void *data, size_t size)
{
    if (c->md)
        EVP_DigestUpdate(c->md, data, size);
    else
        c->crc = crc32_z(c->crc, data, size);
}

size_t checker_final(struct checker *c, uint8_t out[CHECKER_BYTES_MAX])
{
    unsigned size = 4;

    if (c->md)
        EVP_DigestFinal_ex(c->md, out, &size);
    for (unsigned i = 0; !c->md && i < 4; i++)
        out[i] = (uint8_t)(c->crc >> (24 - 8 * i));
    return size;
}

void digest_of(const void *data, size_t size, struct digest *ret)
{
    pthread_once(&md_once, fetch_digests);
    EVP_Digest(data, size, ret->bytes, NULL, md_sha256, NULL);
}

int digest_of_fd(int fd, bool with_sm3, int (*on_progress)(void *userdata, uint64_t bytes), void *userdata,
                 struct digest_pair *ret, uint64_t *ret_bytes)
{
    _cleanup_(hasher_freep) struct hasher *h = NULL;
    _cleanup_free_ uint8_t *block = malloc(READ_BLOCK);
    uint64_t total = 0;
    int r = hasher_new(with_sm3, &h);

    if (r < 0 || !block)
        return -ENOMEM;
    (void)posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
    for (;;) {
        ssize_t n = inject_point("digest.read");
        if (n == 0)
            n = fd_pread_full(fd, block, READ_BLOCK, (off_t)total);
        if (n < 0)
            return (int)n;
        if (n == 0)
            break;
        hasher_update(h, block, (size_t)n);
        total += (uint64_t)n;
        r = on_progress ? on_progress(userdata, total) : 0;
        if (r < 0)
            return r;
        if ((size_t)n < READ_BLOCK)
            break;
    }
    hasher_final(h, ret);
    *ret_bytes = total;
    return 0;
}

void digest_to_hex(const struct digest *d, char out[DIGEST_HEX_SIZE])
{
    encode_hex(d->bytes, DIGEST_BYTES, out);
}

int digest_from_hex(const char *text, struct digest *ret)
{
    return decode_hex(text, ret->bytes, DIGEST_BYTES);
}

bool digest_equal(const struct digest *a, const struct digest *b)
{
    return memcmp(a->bytes, b->bytes, DIGEST_BYTES) == 0;
}
