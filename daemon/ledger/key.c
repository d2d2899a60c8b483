/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Ed25519 keys over OpenSSL (see key.h); the only file that handles private keys. Immutable once made, so they may be shared
 * between threads. A key file is made once and never replaced: a lost key would orphan every receipt.
 */
#include "ledger/key.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "base/digest.h"
#include "base/durable.h"
#include "base/encode.h"
#include "base/fd.h"

#define KEY_FILE_MAX   (16u * 1024)
#define PUBLIC_BYTES   32
#define ALGORITHM_BYTE 0x01 /* Ed25519 in C2SP signed-note */

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(BIO *, BIO_free_all)

struct verifier_key {
    char *name, *text;
    uint8_t id[4];
    EVP_PKEY *pkey;
};

struct signing_key {
    EVP_PKEY *pkey;
    struct verifier_key *verifier;
};

static bool is_unicode_space(const uint8_t *s, size_t n)
{
    if (n == 2)
        return s[0] == 0xC2 && (s[1] == 0x85 || s[1] == 0xA0);
    if (n != 3)
        return false;
    if (s[0] == 0xE1)
        return s[1] == 0x9A && s[2] == 0x80; /* U+1680 */
    if (s[0] == 0xE2 && s[1] == 0x80)
        return s[2] <= 0x8A || s[2] == 0xA8 || s[2] == 0xA9 ||
               s[2] == 0xAF; /* U+2000–200A, 2028, 2029, 202F */
    return (s[0] == 0xE2 && s[1] == 0x81 && s[2] == 0x9F) || (s[0] == 0xE3 && s[1] == 0x80 && s[2] == 0x80);
}

bool key_name_is_valid(const char *name, size_t size)
{
    if (size == 0 || size > KEY_NAME_MAX)
        return false;
    for (size_t i = 0; i < size;) {
        const uint8_t *s = (const uint8_t *)name + i;
        size_t n = utf8_sequence_length(s, size - i);
        if (n == 0 || s[0] <= 0x20 || s[0] == 0x7F || s[0] == '+' || is_unicode_space(s, n))
            return false;
        i += n;
    }
    return true;
}

static int check_name(const char *name, size_t size, struct error *err)
{
    if (key_name_is_valid(name, size))
        return 0;
    return error_set(
        err, -EINVAL, "",
        "not a usable key name: it must be 1 to %d bytes of UTF-8 without spaces, control characters or "
        "'+', such as ledger.example.org/site",
        KEY_NAME_MAX);
}

struct verifier_key *verifier_key_free(struct verifier_key *k)
{
    if (!k)
        return NULL;
    EVP_PKEY_free(k->pkey);
    free(k->name);
    free(k->text);
    free(k);
    return NULL;
}

struct signing_key *signing_key_free(struct signing_key *k)
{
    if (!k)
        return NULL;
    EVP_PKEY_free(k->pkey);
    verifier_key_free(k->verifier);
    free(k);
    return NULL;
}

/* The first 4 bytes of SHA-256(name ‖ 0x0A ‖ 0x01 ‖ public key). */
static int compute_id(const char *name, const uint8_t public_key[PUBLIC_BYTES], uint8_t out[4])
{
    uint8_t buf[KEY_NAME_MAX + 2 + PUBLIC_BYTES];
    size_t n = strlen(name);
    struct digest d;

    if (n > KEY_NAME_MAX)
        return -EINVAL;
    memcpy(buf, name, n);
    buf[n] = '\n';
    buf[n + 1] = ALGORITHM_BYTE;
    memcpy(buf + n + 2, public_key, PUBLIC_BYTES);
    digest_of(buf, n + 2 + PUBLIC_BYTES, &d);
    memcpy(out, d.bytes, 4);
    return 0;
}

static int verifier_key_new(const char *name, const uint8_t public_key[PUBLIC_BYTES],
                            struct verifier_key **ret)
{
    _cleanup_(verifier_key_freep) struct verifier_key *k = calloc(1, sizeof *k);
    _cleanup_free_ char *base64 = NULL;
    uint8_t tagged[1 + PUBLIC_BYTES] = {ALGORITHM_BYTE};
    char hex[9];
    int r;

    if (!k)
        return -ENOMEM;
    r = compute_id(name, public_key, k->id);
    if (r < 0)
        return r;
    encode_hex(k->id, 4, hex);
    memcpy(tagged + 1, public_key, PUBLIC_BYTES);
    base64 = encode_base64(tagged, sizeof tagged);
    k->name = strdup(name);
    k->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, public_key, PUBLIC_BYTES);
    if (!base64 || !k->name || !k->pkey)
        return -ENOMEM;
    if (asprintf(&k->text, "%s+%s+%s", name, hex, base64) < 0) {
        k->text = NULL;
        return -ENOMEM;
    }
    *ret = TAKE_PTR(k);
    return 0;
}

static int refuse_text(struct error *err, const char *why)
{
    return error_set(
        err, -EINVAL, "",
        "not a verifier key: %s; right would be one line name+<8 hex digits>+<base64>, as in ledger.pub",
        why);
}

int verifier_key_parse(const char *text, struct verifier_key **ret, struct error *err)
{
    _cleanup_(verifier_key_freep) struct verifier_key *k = NULL;
    _cleanup_free_ char *name = NULL;
    _cleanup_free_ uint8_t *raw = NULL;
    size_t length = strlen(text), raw_size;
    const char *plus = strchr(text, '+');
    int r;

    if (length > 0 && text[length - 1] == '\n')
        length--;
    if (length > 0 && text[length - 1] == '\r')
        length--;
    if (!plus || length < (size_t)(plus - text) + 11 || plus[9] != '+')
        return refuse_text(err, "it does not have three parts joined by '+'");
    r = check_name(text, (size_t)(plus - text), err);
    if (r < 0)
        return r;
    r = decode_base64(plus + 10, length - (size_t)(plus + 10 - text), &raw, &raw_size);
    if (r == -ENOMEM)
        return error_errno(err, r, "", "cannot read the verifier key");
    if (r < 0)
        return refuse_text(err, "its last part is not base64");
    if (raw_size != 1 + PUBLIC_BYTES || raw[0] != ALGORITHM_BYTE)
        return refuse_text(err, "it is not an Ed25519 key");
    name = strndup(text, (size_t)(plus - text));
    if (!name)
        return error_errno(err, -ENOMEM, "", "cannot read the verifier key");
    r = verifier_key_new(name, raw + 1, &k);
    if (r < 0)
        return error_errno(err, r, "", "cannot read the verifier key");
    /* The text is unique for a key, so a comparison finds a wrong id and upper-case digits alike */
    if (strncmp(k->text, text, length) != 0 || strlen(k->text) != length)
        return refuse_text(err, "its key id does not belong to its name and key");
    *ret = TAKE_PTR(k);
    return 0;
}

const char *verifier_key_name(const struct verifier_key *k)
{
    return k->name;
}

const char *verifier_key_text(const struct verifier_key *k)
{
    return k->text;
}

const uint8_t *verifier_key_id(const struct verifier_key *k)
{
    return k->id;
}

bool verifier_key_check(const struct verifier_key *k, const void *data, size_t size,
                        const uint8_t signature[64])
{
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();

    return ctx && EVP_DigestVerifyInit(ctx, NULL, NULL, NULL, k->pkey) == 1 &&
           EVP_DigestVerify(ctx, signature, 64, data, size) == 1;
}

const struct verifier_key *signing_key_verifier(const struct signing_key *k)
{
    return k->verifier;
}

int signing_key_sign(const struct signing_key *k, const void *data, size_t size, uint8_t ret_signature[64])
{
    _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    size_t n = 64;

    if (!ctx)
        return -ENOMEM;
    if (EVP_DigestSignInit(ctx, NULL, NULL, NULL, k->pkey) != 1 ||
        EVP_DigestSign(ctx, ret_signature, &n, data, size) != 1 || n != 64)
        return -EIO;
    return 0;
}

/* Never ask a terminal for the passphrase of an encrypted key. */
static int on_passphrase(char *buf, int size, int rwflag, void *userdata)
{
    return -1;
}

static int parse_private(const char *path, const char *pem, size_t size, EVP_PKEY **ret, struct error *err)
{
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new_mem_buf(pem, (int)size);
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey = NULL;

    if (!bio)
        return error_errno(err, -ENOMEM, path, "cannot read the signing key");
    pkey = PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, NULL);
    if (!pkey || EVP_PKEY_get_base_id(pkey) != EVP_PKEY_ED25519)
        return error_set(
            err, -EINVAL, path,
            "not a signing key; right would be an unencrypted Ed25519 private key in PEM (PKCS#8)");
    *ret = TAKE_PTR(pkey);
    return 0;
}

static int check_key_file(int fd, const char *path, struct error *err)
{
    struct stat st;

    if (fstat(fd, &st) < 0)
        return error_errno(err, -errno, path, "cannot look at the signing key");
    if (!S_ISREG(st.st_mode))
        return error_set(err, -EINVAL, path, "the signing key must be a regular file");
    if (st.st_mode & 077)
        return error_set(
            err, -EPERM, path,
            "others may read the signing key (mode %04o); right would be 0400, and a new key if somebody "
            "may have copied it",
            (unsigned)(st.st_mode & 07777));
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return error_set(err, -EPERM, path, "the signing key belongs to uid %u, not to us (uid %u)",
                         (unsigned)st.st_uid, (unsigned)geteuid());
    return 0;
}

static int read_private(int dirfd, const char *base, const char *path, EVP_PKEY **ret, struct error *err)
{
    _cleanup_close_ int fd = openat(dirfd, base, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    char pem[KEY_FILE_MAX];
    ssize_t n;
    int r;

    if (fd < 0)
        return error_errno(err, -errno, path, "cannot open the signing key");
    r = check_key_file(fd, path, err);
    if (r < 0)
        return r;
    n = fd_read_full(fd, pem, sizeof pem);
    if (n < 0)
        return error_errno(err, (int)n, path, "cannot read the signing key");
    r = parse_private(path, pem, (size_t)n, ret, err);
    OPENSSL_cleanse(pem, sizeof pem);
    return r;
}

static int make_private(int dirfd, const char *base, const char *path, EVP_PKEY **ret, struct error *err)
{
    _cleanup_(EVP_PKEY_freep) EVP_PKEY *pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    _cleanup_(BIO_free_allp) BIO *bio = BIO_new(BIO_s_secmem());
    char *pem;
    long n;
    int r;

    if (!pkey || !bio || !PEM_write_bio_PKCS8PrivateKey(bio, pkey, NULL, NULL, 0, NULL, NULL))
        return error_set(err, -ENOMEM, path, "cannot make a signing key");
    n = BIO_get_mem_data(bio, &pem);
    r = durable_write_file(dirfd, base, 0400, pem, (size_t)n);
    if (r < 0)
        return error_errno(err, r, path, "cannot write the new signing key");
    *ret = TAKE_PTR(pkey);
    return 0;
}

/* Reads the key, or makes it under a lock on its folder, so that two starting at once end up with one key. */
static int read_or_make_private(const char *path, bool create, EVP_PKEY **ret, struct error *err)
{
    _cleanup_free_ char *folder = strdup(path);
    _cleanup_close_ int dirfd = -1;
    const char *base = strrchr(path, '/');
    int r;

    if (!folder)
        return error_errno(err, -ENOMEM, path, "cannot read the signing key");
    base = base ? base + 1 : path;
    folder[base - path] = 0;
    dirfd = open(*folder ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dirfd < 0)
        return error_errno(err, -errno, path, "cannot open the folder of the signing key");
    r = read_private(dirfd, base, path, ret, err);
    if (r != -ENOENT || !create)
        return r;
    if (flock(dirfd, LOCK_EX) < 0)
        return error_errno(err, -errno, path, "cannot lock the folder of the signing key");
    r = read_private(dirfd, base, path, ret, err);
    if (r != -ENOENT)
        return r;
    error_clear(err);
    return make_private(dirfd, base, path, ret, err);
}

int signing_key_load(const char *path, const char *name, bool create, struct signing_key **ret,
                     struct error *err)
{
    _cleanup_(signing_key_freep) struct signing_key *k = calloc(1, sizeof *k);
    uint8_t public_key[PUBLIC_BYTES];
    size_t n = sizeof public_key;
    int r = check_name(name, strlen(name), err);

    if (r < 0)
        return r;
    if (!k)
        return error_errno(err, -ENOMEM, path, "cannot read the signing key");
    r = read_or_make_private(path, create, &k->pkey, err);
    if (r < 0)
        return r;
    if (EVP_PKEY_get_raw_public_key(k->pkey, public_key, &n) != 1 || n != PUBLIC_BYTES)
        return error_set(err, -EINVAL, path, "the signing key has no Ed25519 public key");
    r = verifier_key_new(name, public_key, &k->verifier);
    if (r < 0)
        return error_errno(err, r, path, "cannot read the signing key");
    *ret = TAKE_PTR(k);
    return 0;
}
