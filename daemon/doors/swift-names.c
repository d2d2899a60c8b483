/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Paths, metadata and listings of Swift (see swift-names.h).
 */
#include "doors/swift-names.h"

#include <ctype.h>
#include <errno.h>
#include <string.h>

#include "base/encode.h"
#include "base/ulid.h"

/* Segments from the third on, joined by '/'. */
static int join_object(const struct target *target, struct swift_path *p, struct error *err)
{
    size_t n = 0;

    for (size_t i = 3; i < target->n_segments; i++) {
        size_t m = strlen(target->segments[i]);

        if (n + m + (i > 3) > SWIFT_OBJECT_MAX)
            return error_set(err, -EINVAL, "object", "has too long a name; %d bytes at most",
                             SWIFT_OBJECT_MAX);
        if (i > 3)
            p->object[n++] = '/';
        memcpy(p->object + n, target->segments[i], m);
        n += m;
    }
    p->object[n] = 0;
    return 0;
}

int swift_path(const struct target *target, struct swift_path *ret, struct error *err)
{
    const char *account = target->n_segments > 1 ? target->segments[1] : "";
    size_t n = strlen(SWIFT_ACCOUNT_PREFIX);
    struct swift_path p = {.container = target->n_segments > 2 ? target->segments[2] : ""};

    if (strncmp(account, SWIFT_ACCOUNT_PREFIX, n) != 0 || !ulid_is_valid(account + n))
        return error_set(err, -EACCES, account,
                         "is no account; sign in at /auth/v1.0, X-Storage-Url names it");
    p.device = account + n;
    if (strlen(p.container) > SWIFT_CONTAINER_MAX)
        return error_set(err, -EINVAL, "container", "has too long a name; %d bytes at most",
                         SWIFT_CONTAINER_MAX);
    if (strchr(p.container, '/'))
        return error_set(err, -EINVAL, "container", "has a '/' in its name; only objects may");
    if (join_object(target, &p, err) < 0)
        return -EINVAL;
    *ret = p;
    return 0;
}

/* ---- metadata ---- */

static bool is_token(const char *name)
{
    size_t n = strlen(name);

    return n > 0 &&
           strspn(name, "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ") == n;
}

static bool has_control(const char *text, size_t size)
{
    for (size_t i = 0; i < size;) {
        size_t n = utf8_sequence_length((const uint8_t *)text + i, size - i);

        if (n == 0 || utf8_is_control((const uint8_t *)text + i, n))
            return true;
        i += n;
    }
    return false;
}

/* Bytes of all names and values. */
static size_t size_of(const json_t *o)
{
    const char *key;
    const json_t *value;
    size_t n = 0;

    json_object_foreach ((json_t *)o, key, value)
        n += strlen(key) + json_string_length(value);
    return n;
}

/* What the value says, decoded. Return: 0, -EINVAL (err), -ENOMEM. */
static int decode_value(const char *name, const char *value, char **ret, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    size_t size;
    int r = decode_percent(value, &text, &size);

    if (r == -EINVAL)
        return error_set(err, r, name, "has a '%%' without two hex digits; values are URL-encoded UTF-8");
    if (r < 0)
        return r;
    if (!utf8_is_valid(text, size) || has_control(text, size))
        return error_set(err, -EINVAL, name,
                         "is no text; values are URL-encoded UTF-8 without control characters");
    if (size > SWIFT_META_VALUE_MAX)
        return error_set(err, -EINVAL, name, "is too long; %d bytes at most", SWIFT_META_VALUE_MAX);
    *ret = TAKE_PTR(text);
    return 0;
}

/* Whatever it is, as a text within the bounds. */
static char *rescue_value(const char *value)
{
    _cleanup_free_ char *text = NULL, *raw = NULL;
    size_t size;
    int r = decode_percent(value, &raw, &size);

    if (r == -ENOMEM)
        return NULL;
    if (r == 0 && utf8_is_valid(raw, size) && !has_control(raw, size))
        text = TAKE_PTR(raw); /* too long only */
    else
        text = r == 0 ? encode_percent(raw, size) : encode_percent(value, strlen(value));
    if (text && strlen(text) > SWIFT_META_VALUE_MAX) {
        text[SWIFT_META_VALUE_MAX] = 0;
        utf8_repair(text, SWIFT_META_VALUE_MAX + 1);
    }
    return TAKE_PTR(text);
}

int swift_metadata_add(json_t *o, const char *name, const char *value, bool lenient, struct error *err)
{
    char key[SWIFT_META_NAME_MAX + 1];
    _cleanup_free_ char *text = NULL;
    int r;

    if (!is_token(name) || strlen(name) > SWIFT_META_NAME_MAX)
        return lenient ? 0
                       : error_set(err, -EINVAL, "metadata",
                                   "has a name that is none; letters, digits and '-', %d bytes at most",
                                   SWIFT_META_NAME_MAX);
    for (size_t i = 0; i <= strlen(name); i++)
        key[i] = (char)tolower((unsigned char)name[i]);
    if (json_object_get(o, key) || json_object_size(o) >= SWIFT_META_MAX)
        return lenient
                   ? 0
                   : error_set(err, -EINVAL, key,
                               "is given twice or once too often; each once and %d at most", SWIFT_META_MAX);
    r = decode_value(key, value, &text, lenient ? NULL : err);
    if (r == -EINVAL && lenient) {
        text = rescue_value(value);
        r = text ? 0 : -ENOMEM;
    }
    if (r == 0 && size_of(o) + strlen(key) + strlen(text) > SWIFT_META_ALL_MAX)
        return lenient ? 0
                       : error_set(err, -EINVAL, key, "is too much; all metadata have %d bytes at most",
                                   SWIFT_META_ALL_MAX);
    return r < 0 ? r : json_set_string(o, key, text);
}

char *swift_metadata_encode(const char *value)
{
    static const char plain[] =
        "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-._~:;/ ,()@!$'*=";
    char *out = malloc(3 * strlen(value) + 1), *p = out;

    if (!out)
        return NULL;
    for (; *value; value++)
        if (strchr(plain, *value))
            *p++ = *value;
        else
            p += sprintf(p, "%%%02X", (unsigned char)*value);
    *p = 0;
    return out;
}

void swift_metadata_name(const char *key, char out[SWIFT_META_NAME_MAX + 1])
{
    snprintf(out, SWIFT_META_NAME_MAX + 1, "%s", key);
    for (char *p = out; *p; p++)
        if (p == out || p[-1] == '-')
            *p = (char)toupper((unsigned char)*p);
}

bool swift_host_is_valid(const char *host)
{
    const char *p = host;
    size_t n;

    if (*p == '[') {
        n = strspn(++p, "0123456789abcdefABCDEF:.");
        if (n < 2 || n > 45 || p[n] != ']')
            return false;
        p += n + 1;
    } else {
        n = strspn(p, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-");
        if (n < 1 || n > 253)
            return false;
        p += n;
    }
    if (!*p)
        return true;
    n = *p == ':' ? strspn(p + 1, "0123456789") : 0;
    return n >= 1 && n <= 5 && !p[1 + n] && atoi(p + 1) > 0 && atoi(p + 1) <= 65535;
}

/* ---- listings ---- */

static int read_limit(const struct target *target, struct swift_listing *l, struct error *err)
{
    const char *text = target_param(target, "limit");
    size_t n = text ? strlen(text) : 0;

    l->limit = SWIFT_LIST_MAX;
    if (!n) /* clients write "limit=" for none */
        return 0;
    if (n > 5 || strspn(text, "0123456789") != n || atoi(text) > SWIFT_LIST_MAX)
        return error_set(err, -EINVAL, "limit", "is no such number; right are 0 to %d", SWIFT_LIST_MAX);
    l->limit = atoi(text);
    return 0;
}

static const char *param(const struct target *target, const char *name)
{
    const char *text = target_param(target, name);

    return text && *text ? text : NULL;
}

int swift_listing(const struct target *target, const char *accept, struct swift_listing *ret,
                  struct error *err)
{
    static const char *const known[] = {"format", "limit", "marker", "end_marker", "prefix"};
    const char *format = param(target, "format");
    struct swift_listing l = {param(target, "prefix"), param(target, "marker"), param(target, "end_marker"),
                              0, SWIFT_TEXT};

    for (size_t i = 0; i < target->n_params; i++) {
        size_t k = 0;

        while (k < ARRAY_SIZE(known) && strcmp(known[k], target->params[i].name) != 0)
            k++;
        if (k == ARRAY_SIZE(known))
            return error_set(err, -EINVAL, target->params[i].name,
                             "is not known here; listings take format, limit, marker, end_marker and prefix");
    }
    if (format && strcmp(format, "json") != 0 && strcmp(format, "plain") != 0)
        return error_set(err, -EINVAL, "format", "is not known here; right are json and plain");
    if ((format && strcmp(format, "json") == 0) || (!format && accept && strstr(accept, "application/json")))
        l.format = SWIFT_JSON;
    if (read_limit(target, &l, err) < 0)
        return -EINVAL;
    *ret = l;
    return 0;
}
