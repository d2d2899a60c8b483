/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Values of HTTP headers, whatever they hold: a range lies within its content, a digest has its algorithm's length and reads the same
 * when it is written out again, credentials are whole strings.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "http/headers.h"

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_range(const char *text)
{
    static const uint64_t sizes[] = {0, 1, 1000, INT64_MAX};

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
        uint64_t from = 5, bytes = 5;
        int r = header_range(text, sizes[i], &from, &bytes);

        if (r == 0)
            check(bytes > 0 && from < sizes[i] && bytes <= sizes[i] - from);
        else
            check((r == 1 || r == -ERANGE) && from == 5 && bytes == 5);
    }
}

static void check_etags(const char *text)
{
    check(!header_has_etag(text, "a1", false) || header_has_etag(text, "a1", true));
}

static void check_digest(const struct header_digest *d)
{
    static const size_t sizes[] = {4, 16, 20, 32, 64};
    bool known = false;

    for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
        known = known || d->size == sizes[i];
    check(known && *d->algorithm && strlen(d->algorithm) < sizeof d->algorithm);
}

/* What was taken, written as Upload-Checksum, is taken as the same. */
static void check_again(const struct header_digest *d)
{
    _cleanup_free_ char *base64 = encode_base64(d->bytes, d->size), *text = NULL;
    struct header_digest again;

    check(base64 && asprintf(&text, "%s %s", d->algorithm, base64) > 0);
    check(header_upload_checksum(text, &again, NULL) == 0);
    check(again.size == d->size && memcmp(again.bytes, d->bytes, d->size) == 0 &&
          strcmp(again.algorithm, d->algorithm) == 0);
}

static void check_digests(const char *text)
{
    struct header_digest list[HEADER_DIGESTS_MAX], one;
    size_t n = 0;

    if (header_content_md5(text, &one, NULL) == 0)
        check(one.size == 16);
    if (header_upload_checksum(text, &one, NULL) == 0) {
        check_digest(&one);
        check_again(&one);
    }
    for (int marked = 0; marked < 2; marked++) {
        if ((marked ? header_repr_digest : header_digest)(text, list, &n, NULL) != 0)
            continue;
        check(n <= HEADER_DIGESTS_MAX);
        for (size_t i = 0; i < n; i++) {
            check_digest(&list[i]);
            check_again(&list[i]);
        }
    }
}

static void check_authorization(const char *text)
{
    char *user = NULL, *secret = NULL;

    if (header_authorization(text, &user, &secret, NULL) == 0)
        check(secret && strlen(secret) <= strlen(text) && (!user || !strchr(user, ':')));
    else
        check(!user && !secret);
    free(user);
    free(secret);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_free_ char *text = strndup((const char *)data, size);
    int64_t number = -1;

    if (!text)
        return 0;
    check_range(text);
    check_etags(text);
    check_digests(text);
    check_authorization(text);
    if (header_number(text, &number) == 0)
        check(number >= 0);
    return 0;
}
