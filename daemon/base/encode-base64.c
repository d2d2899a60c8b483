/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Base64 (see encode.h). Decoding is done here rather than by OpenSSL because the C2SP formats want non-canonical input refused. A file
 * of its own, so that the media programs, which need the other encodings, are not linked with libcrypto.
 */
#include "base/encode.h"

#include <errno.h>
#include <string.h>

#include <openssl/evp.h>

char *encode_base64(const void *data, size_t size)
{
    char *out = malloc((size + 2) / 3 * 4 + 1);

    if (out)
        EVP_EncodeBlock((unsigned char *)out, data, (int)size);
    return out;
}

static int base64_value(char c)
{
    static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *p = c ? strchr(alphabet, c) : NULL;

    return p ? (int)(p - alphabet) : -1;
}

int decode_base64(const char *text, size_t length, uint8_t **ret_data, size_t *ret_size)
{
    _cleanup_free_ uint8_t *out = NULL;
    size_t pad = 0, n = 0;
    uint32_t bits = 0;

    if (length % 4 != 0)
        return -EINVAL;
    while (pad < 2 && pad < length && text[length - 1 - pad] == '=')
        pad++;
    out = malloc(length / 4 * 3 + 1);
    if (!out)
        return -ENOMEM;
    for (size_t i = 0; i < length; i++) {
        int v = i < length - pad ? base64_value(text[i]) : 0;
        if (v < 0)
            return -EINVAL;
        bits = bits << 6 | (uint32_t)v;
        if (i % 4 != 3)
            continue;
        out[n++] = (uint8_t)(bits >> 16);
        out[n++] = (uint8_t)(bits >> 8);
        out[n++] = (uint8_t)bits;
        bits = 0;
    }
    for (size_t i = n - pad; i < n; i++)
        if (out[i])
            return -EINVAL;
    *ret_size = n - pad;
    *ret_data = TAKE_PTR(out);
    return 0;
}
