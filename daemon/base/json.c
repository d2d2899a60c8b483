/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON over jansson (see json.h).
 */
#include "base/json.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

#define JSON_TEXT_MAX (1u << 20)

static bool has_real(const json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;

    if (json_is_real(value))
        return true;
    json_array_foreach (value, i, child)
        if (has_real(child))
            return true;
    json_object_foreach ((json_t *)value, key, child)
        if (has_real(child))
            return true;
    return false;
}

int json_canonical(const json_t *value, char **ret)
{
    char *text;

    if (!value || has_real(value))
        return -EINVAL;
    text = json_dumps(value, JSON_SORT_KEYS | JSON_COMPACT | JSON_ENCODE_ANY);
    if (!text)
        return -ENOMEM;
    *ret = text;
    return 0;
}

int json_parse(const char *text, size_t size, const char *object, json_t **ret, struct error *err)
{
    json_error_t je;
    json_t *value;

    if (size > JSON_TEXT_MAX)
        return error_set(err, -EFBIG, object, "JSON text of %zu bytes; at most %u are read", size,
                         JSON_TEXT_MAX);
    value = json_loadb(text, size, JSON_REJECT_DUPLICATES, &je);
    if (!value && !je.text[0]) /* jansson says nothing when memory runs out */
        return error_set(err, -ENOMEM, object, "out of memory");
    if (!value)
        return error_set(err, -EINVAL, object, "not JSON: line %d column %d: %s", je.line, je.column,
                         je.text);
    *ret = value;
    return 0;
}

const char *json_get_string(const json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

static json_t *real_to_text(double number)
{
    char text[32];

    for (int digits = 15; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, number);
        if (strtod(text, NULL) == number)
            break;
    }
    return json_string(text);
}

json_t *json_reals_to_text(json_t *value)
{
    const char *key;
    json_t *child;
    size_t i;
    void *next;

    if (json_is_real(value)) {
        json_t *text = real_to_text(json_real_value(value));
        json_decref(value);
        return text;
    }
    json_array_foreach (value, i, child)
        if (json_array_set_new(value, i, json_reals_to_text(json_incref(child))) < 0)
            return json_decref(value), NULL;
    json_object_foreach_safe (value, next, key, child)
        if (json_object_set_new(value, key, json_reals_to_text(json_incref(child))) < 0)
            return json_decref(value), NULL;
    return value;
}

int64_t json_get_integer(const json_t *object, const char *key, int64_t fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_integer(v) ? (int64_t)json_integer_value(v) : fallback;
}

bool json_get_bool(const json_t *object, const char *key, bool fallback)
{
    const json_t *v = json_object_get(object, key);

    return json_is_boolean(v) ? json_is_true(v) : fallback;
}

json_t *json_get_object(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    return json_is_object(v) ? v : NULL;
}

json_t *json_get_array(const json_t *object, const char *key)
{
    json_t *v = json_object_get(object, key);

    return json_is_array(v) ? v : NULL;
}

int json_set_take(json_t *object, const char *key, json_t *value)
{
    if (!value)
        return -ENOMEM;
    return json_object_set_new(object, key, value) < 0 ? -ENOMEM : 0;
}

int json_set_string(json_t *object, const char *key, const char *value)
{
    json_t *s;

    if (!value)
        return 0;
    s = json_string(value);
    if (!s)
        return utf8_is_valid(value, strlen(value)) ? -ENOMEM : -EINVAL; /* jansson refuses both alike */
    return json_set_take(object, key, s);
}

int json_set_integer(json_t *object, const char *key, int64_t value)
{
    return json_set_take(object, key, json_integer(value));
}

int json_set_bool(json_t *object, const char *key, bool value)
{
    return json_set_take(object, key, json_boolean(value));
}
