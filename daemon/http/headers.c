/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading the values of HTTP headers (see headers.h).
 */
#include "http/headers.h"

#include <errno.h>
#include <string.h>
#include <strings.h>

#include "base/encode.h"

int header_number(const char *value, int64_t *ret)
{
    int64_t number = 0;

    if (!*value)
        return -EINVAL;
    for (; *value; value++) {
        if (*value < '0' || *value > '9' || number > (INT64_MAX - (*value - '0')) / 10)
            return -EINVAL;
        number = number * 10 + (*value - '0');
    }
    *ret = number;
    return 0;
}

/* ---- ranges and entity tags ------------------------------------------------------------------------------------------------ */

/* Digits up to the end or to '-'. Return: what follows; NULL when there are none, or too large a number. */
static const char *read_digits(const char *p, uint64_t *ret)
{
    uint64_t number = 0;
    const char *start = p;

    for (; *p >= '0' && *p <= '9'; p++) {
        if (number > (INT64_MAX - 9) / 10)
            number = INT64_MAX; /* beyond any content: cut to its end, or outside */
        else
            number = number * 10 + (uint64_t)(*p - '0');
    }
    *ret = number;
    return p > start ? p : NULL;
}

static const char *skip_space(const char *p)
{
    return p + strspn(p, " \t");
}

int header_range(const char *value, uint64_t bytes, uint64_t *ret_from, uint64_t *ret_bytes)
{
    uint64_t from = 0, to = INT64_MAX;
    const char *p;

    if (strncasecmp(value, "bytes=", 6) != 0)
        return 1;
    p = skip_space(value + 6);
    if (*p == '-') {
        p = read_digits(p + 1, &to);
        if (!p || *skip_space(p))
            return 1;
        if (to == 0 || bytes == 0)
            return -ERANGE;
        *ret_bytes = MIN(to, bytes);
        *ret_from = bytes - *ret_bytes;
        return 0;
    }
    p = read_digits(p, &from);
    if (!p || *p++ != '-')
        return 1;
    if (*p >= '0' && *p <= '9')
        p = read_digits(p, &to);
    if (!p || *skip_space(p) || to < from)
        return 1;
    if (from >= bytes)
        return -ERANGE;
    *ret_from = from;
    *ret_bytes = MIN(to, bytes - 1) - from + 1;
    return 0;
}

bool header_has_etag(const char *value, const char *etag, bool weak)
{
    const char *p = skip_space(value);
    size_t n = strlen(etag);

    if (*p == '*' && !*skip_space(p + 1))
        return true;
    while (*p) {
        bool is_weak = p[0] == 'W' && p[1] == '/';
        const char *end;

        p += is_weak ? 2 : 0;
        if (*p != '"')
            return false;
        end = strchr(++p, '"');
        if (!end)
            return false;
        if ((size_t)(end - p) == n && memcmp(p, etag, n) == 0 && (weak || !is_weak))
            return true;
        p = skip_space(end + 1);
        if (*p && *p != ',')
            return false;
        p += strspn(p, ", \t");
    }
    return false;
}

/* ---- digests ---------------------------------------------------------------------------------------------------------------- */

static const struct {
    const char *said, *name;
    size_t size;
} algorithms[] = {
    {"md5", "md5", 16},        {"sha", "sha1", 20},       {"sha1", "sha1", 20},
    {"sha-1", "sha1", 20},     {"sha-256", "sha256", 32}, {"sha256", "sha256", 32},
    {"sha-512", "sha512", 64}, {"sha512", "sha512", 64},  {"crc32", "crc32", 4},
};

/* Return: the number in the table, or ARRAY_SIZE. */
static size_t find_algorithm(const char *name, size_t n)
{
    size_t i = 0;

    while (i < ARRAY_SIZE(algorithms) &&
           (strlen(algorithms[i].said) != n || strncasecmp(algorithms[i].said, name, n) != 0))
        i++;
    return i;
}

static int read_digest(size_t algorithm, const char *text, size_t n, struct header_digest *ret,
                       struct error *err)
{
    _cleanup_free_ uint8_t *data = NULL;
    size_t size = 0;
    int r = decode_base64(text, n, &data, &size);

    if (r == -ENOMEM)
        return r;
    if (r < 0 || size != algorithms[algorithm].size)
        return error_set(err, -EINVAL, algorithms[algorithm].name, "is not a digest of %zu bytes in base64",
                         algorithms[algorithm].size);
    *ret = (struct header_digest){.size = size};
    strcpy(ret->algorithm, algorithms[algorithm].name);
    memcpy(ret->bytes, data, size);
    return 0;
}

static size_t without_space_at_end(const char *p, size_t n)
{
    while (n > 0 && (p[n - 1] == ' ' || p[n - 1] == '\t'))
        n--;
    return n;
}

int header_content_md5(const char *value, struct header_digest *ret, struct error *err)
{
    const char *p = skip_space(value);

    return read_digest(0, p, without_space_at_end(p, strlen(p)), ret, err);
}

/* A list of name=value, where a value may stand between marks. */
static int read_list(const char *value, bool marked, struct header_digest ret[HEADER_DIGESTS_MAX],
                     size_t *ret_n, struct error *err)
{
    struct header_digest found[HEADER_DIGESTS_MAX];
    size_t n = 0;

    for (const char *p = skip_space(value); *p;) {
        size_t length = strcspn(p, ","), name = strcspn(p, "=,"), size, algorithm;
        const char *text = p + name + 1;
        int r;

        if (name == length || name == 0)
            return error_set(err, -EINVAL, "", "a digest is written as algorithm=%s",
                             marked ? ":base64:" : "base64");
        size = without_space_at_end(text, length - name - 1);
        algorithm = find_algorithm(p, name);
        if (marked && algorithm < ARRAY_SIZE(algorithms)) {
            if (size < 2 || text[0] != ':' || text[size - 1] != ':')
                return error_set(err, -EINVAL, algorithms[algorithm].name, "is not written as :base64:");
            text++, size -= 2;
        }
        if (algorithm < ARRAY_SIZE(algorithms)) {
            if (n == HEADER_DIGESTS_MAX)
                return error_set(err, -EINVAL, "", "there are more than %d digests; send one",
                                 HEADER_DIGESTS_MAX);
            r = read_digest(algorithm, text, size, &found[n], err);
            if (r < 0)
                return r;
            n++;
        }
        p += length;
        p = skip_space(*p ? p + 1 : p);
    }
    memcpy(ret, found, n * sizeof *found);
    *ret_n = n;
    return 0;
}

int header_digest(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                  struct error *err)
{
    return read_list(value, false, ret, ret_n, err);
}

int header_repr_digest(const char *value, struct header_digest ret[HEADER_DIGESTS_MAX], size_t *ret_n,
                       struct error *err)
{
    return read_list(value, true, ret, ret_n, err);
}

int header_upload_checksum(const char *value, struct header_digest *ret, struct error *err)
{
    size_t name = strcspn(value, " "), algorithm = find_algorithm(value, name);
    const char *text = value + name;

    if (name == 0 || !*text)
        return error_set(err, -EINVAL, "Upload-Checksum", "is written as: sha256 base64");
    if (algorithm == ARRAY_SIZE(algorithms))
        return error_set(err, -EOPNOTSUPP, "Upload-Checksum",
                         "names an algorithm that is not known here; use sha256");
    return read_digest(algorithm, text + 1, strlen(text + 1), ret, err);
}

/* ---- authorization ------------------------------------------------------------------------------------------------------------ */

static int read_basic(const char *text, char **ret_user, char **ret_secret, struct error *err)
{
    _cleanup_free_ uint8_t *data = NULL;
    _cleanup_free_ char *user = NULL, *secret = NULL;
    const char *colon;
    size_t size = 0;
    int r = decode_base64(text, without_space_at_end(text, strlen(text)), &data, &size);

    if (r == -ENOMEM)
        return r;
    colon = r == 0 ? memchr(data, ':', size) : NULL;
    if (!colon || memchr(data, '\0', size))
        return error_set(err, -EINVAL, "Authorization", "is not base64 of user:secret");
    user = strndup((const char *)data, (size_t)(colon - (const char *)data));
    secret = strndup(colon + 1, size - (size_t)(colon + 1 - (const char *)data));
    if (!user || !secret)
        return -ENOMEM;
    *ret_user = TAKE_PTR(user);
    *ret_secret = TAKE_PTR(secret);
    return 0;
}

int header_authorization(const char *value, char **ret_user, char **ret_secret, struct error *err)
{
    size_t scheme = strcspn(value, " ");
    const char *rest = value + scheme + strspn(value + scheme, " ");
    size_t n = strlen(rest);
    char *secret;

    if (scheme == 5 && strncasecmp(value, "Basic", 5) == 0 && n > 0)
        return read_basic(rest, ret_user, ret_secret, err);
    if (scheme != 6 || strncasecmp(value, "Bearer", 6) != 0 || n == 0 || strcspn(rest, " \t,") != n)
        return error_set(err, -EINVAL, "Authorization",
                         "is not understood; send Bearer and the token, or Basic");
    secret = strdup(rest);
    if (!secret)
        return -ENOMEM;
    *ret_user = NULL;
    *ret_secret = secret;
    return 0;
}
