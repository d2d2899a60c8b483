/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * ULIDs (see ulid.h).
 */
#include "base/ulid.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/random.h>

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t last_ms;
static uint8_t last_random[10];

static void increment(uint8_t *bytes, size_t n)
{
    while (n > 0 && ++bytes[n - 1] == 0)
        n--;
}

static void encode(uint64_t ms, const uint8_t random[10], char out[ULID_LENGTH + 1])
{
    uint32_t bits = 0;
    int have = 0, at = 10;

    for (int i = 9; i >= 0; i--, ms >>= 5)
        out[i] = alphabet[ms & 31];
    for (int i = 0; i < 10; i++) {
        bits = bits << 8 | random[i];
        for (have += 8; have >= 5; have -= 5)
            out[at++] = alphabet[bits >> (have - 5) & 31];
    }
    out[ULID_LENGTH] = 0;
}

void ulid_make(int64_t time_usec, char out[ULID_LENGTH + 1])
{
    uint64_t ms = time_usec > 0 ? (uint64_t)(time_usec / 1000) & UINT64_C(0xFFFFFFFFFFFF) : 0;

    pthread_mutex_lock(&lock);
    if (ms > last_ms) {
        last_ms = ms;
        if (getrandom(last_random, sizeof last_random, 0) != sizeof last_random)
            abort();            /* cannot happen for 10 bytes after boot (getrandom(2)) */
        last_random[0] &= 0x7F; /* room to grow within the millisecond */
    } else {
        increment(last_random, sizeof last_random);
    }
    encode(last_ms, last_random, out);
    pthread_mutex_unlock(&lock);
}

bool ulid_is_valid(const char *text)
{
    if (!text || strlen(text) != ULID_LENGTH || text[0] > '7')
        return false;
    return strspn(text, alphabet) == ULID_LENGTH;
}

int recording_id_parse(const char *text, struct recording_id *ret)
{
    if (!ulid_is_valid(text))
        return -EINVAL;
    memcpy(ret->text, text, ULID_LENGTH + 1);
    return 0;
}

int case_id_parse(const char *text, struct case_id *ret)
{
    if (!ulid_is_valid(text))
        return -EINVAL;
    memcpy(ret->text, text, ULID_LENGTH + 1);
    return 0;
}
