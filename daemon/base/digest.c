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
