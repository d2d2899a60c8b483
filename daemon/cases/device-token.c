/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Tokens of devices (see device-token.h). Base 32 of RFC 4648 section 6 without padding, in lower case: no letter is read as a digit.
 */
#include "cases/device-token.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>

#define PREFIX        "lh_"
#define PREFIX_LENGTH 3
#define SECRET_BYTES  32
#define SECRET_LENGTH 52

static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";

static void encode_base32(const uint8_t *data, size_t size, char *out)
{
    unsigned bits = 0, held = 0;

    for (size_t i = 0; i < size; i++) {
        held = held << 8 | data[i];
        for (bits += 8; bits >= 5; bits -= 5)
            *out++ = alphabet[held >> (bits - 5) & 31];
        held &= (1u << bits) - 1;
    }
    if (bits > 0)
        *out++ = alphabet[held << (5 - bits) & 31];
    *out = 0;
}

bool device_token_is_formed(const char *token, char ret_key[ULID_LENGTH + 1])
{
    char key[ULID_LENGTH + 1];

    if (strlen(token) != DEVICE_TOKEN_SIZE - 1 || strncmp(token, PREFIX, PREFIX_LENGTH) != 0 ||
        token[PREFIX_LENGTH + ULID_LENGTH] != '_' ||
        strspn(token + PREFIX_LENGTH + ULID_LENGTH + 1, alphabet) != SECRET_LENGTH)
        return false;
    snprintf(key, sizeof key, "%.*s", ULID_LENGTH, token + PREFIX_LENGTH);
    if (!ulid_is_valid(key))
        return false;
    memcpy(ret_key, key, sizeof key);
    return true;
}

int device_token_make(const char *key, char ret_token[DEVICE_TOKEN_SIZE])
{
    uint8_t secret[SECRET_BYTES];
    char text[SECRET_LENGTH + 1];
    ssize_t n;

    do
        n = getrandom(secret, sizeof secret, 0);
    while (n < 0 && errno == EINTR);
    if (n != sizeof secret)
        return n < 0 ? -errno : -EIO;
    encode_base32(secret, sizeof secret, text);
    snprintf(ret_token, DEVICE_TOKEN_SIZE, PREFIX "%s_%s", key, text);
    explicit_bzero(secret, sizeof secret);
    explicit_bzero(text, sizeof text);
    return 0;
}
