/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * JSON over jansson: canonical text (sorted keys, no white space, UTF-8 as given, integers only) and typed reading with
 * plain errors. Everybody else includes this file, never jansson.h directly.
 */
#ifndef LIUHEN_BASE_JSON_H
#define LIUHEN_BASE_JSON_H

#include <stdbool.h>

#include <jansson.h>

#include "base/error.h"
#include "base/macro.h"

#define _cleanup_json_ _cleanup_(json_decrefp)

/* Canonical JSON text, new string. Return: 0, -EINVAL (a real number, invalid UTF-8), -ENOMEM. */
int json_canonical(const json_t *value, char **ret);

/* Parses one JSON value of at most 1 MiB; duplicate keys and trailing bytes are refused. Return: 0, -EINVAL (err says
 * line and column), -ENOMEM. */
int json_parse(const char *text, size_t size, const char *object, json_t **ret, struct error *err);

/* Puts text in place of every floating-point number inside value (shortest form that reads back the same), so that JSON from
 * outside can go into an act without losing a digit. Return: the value itself or its replacement (takes value); NULL = no memory. */
json_t *json_reals_to_text(json_t *value);

/* Members of an object; NULL / fallback when absent or of another type. Strings are borrowed. */
const char *json_get_string(const json_t *object, const char *key);
int64_t json_get_integer(const json_t *object, const char *key, int64_t fallback);
bool json_get_bool(const json_t *object, const char *key, bool fallback);
json_t *json_get_object(const json_t *object, const char *key); /* borrowed */
json_t *json_get_array(const json_t *object, const char *key);  /* borrowed */

/* Sets a member; a NULL string or negative-errno chain is not set. All return 0, -EINVAL (invalid UTF-8) or -ENOMEM. */
int json_set_string(json_t *object, const char *key, const char *value); /* NULL value: not set, 0 */
int json_set_integer(json_t *object, const char *key, int64_t value);
int json_set_bool(json_t *object, const char *key, bool value);
int json_set_take(json_t *object, const char *key,
                  json_t *value); /* takes value, also on failure; NULL = -ENOMEM */

#endif
