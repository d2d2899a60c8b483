/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reads an answer that is not believed (see run-answer.h).
 */
#include "media/run-answer.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

static bool is_text(const json_t *v, size_t max)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);

    if (!s || n > max || !utf8_is_valid(s, n))
        return false;
    for (size_t i = 0, step; i < n; i += step) {
        step = utf8_sequence_length((const uint8_t *)s + i, n - i);
        if (step == 0 || utf8_is_control((const uint8_t *)s + i, step))
            return false;
    }
    return true;
}

/* Shown to people as it is, if it is there. */
static bool is_text_or_none(const json_t *v)
{
    return !v || is_text(v, sizeof((struct media_result *)0)->message - 1);
}

static bool is_status(const json_t *v)
{
    return v && (strcmp(json_string_value(v), "ok") == 0 || strcmp(json_string_value(v), "damaged") == 0 ||
                 strcmp(json_string_value(v), "unknown") == 0);
}

/* Whether a member is one that an answer has, and of its type. */
static bool check_member(const char *key, const json_t *v)
{
    json_t *file;
    size_t i;

    if (strcmp(key, "kind") == 0)
        return is_text(v, 11);
    if (strcmp(key, "status") == 0)
        return is_text(v, 11) && is_status(v);
    if (strcmp(key, "message") == 0)
        return is_text(v, sizeof((struct media_result *)0)->message - 1);
    if (strcmp(key, "media") == 0 || strcmp(key, "decoded") == 0)
        return json_is_object(v);
    if (strcmp(key, "files") != 0 || !json_is_array(v) || json_array_size(v) > WORKER_FILES_MAX)
        return false;
    json_array_foreach (v, i, file)
        if (!json_is_object(file) || !is_text(json_object_get(file, "name"), 64) ||
            !is_text_or_none(json_object_get(file, "how")) ||
            !is_text_or_none(json_object_get(file, "message")))
            return false;
    return true;
}

static enum media_status status_of(const json_t *answer)
{
    const char *name = json_get_string(answer, "status");

    return strcmp(name, "ok") == 0 ? MEDIA_OK : strcmp(name, "damaged") == 0 ? MEDIA_DAMAGED : MEDIA_UNKNOWN;
}

int run_answer_read(const char *text, size_t size, struct media_result *ret, struct error *err)
{
    static const char *const must[] = {"kind", "media", "message", "status"};
    _cleanup_json_ json_t *answer = NULL;
    _cleanup_free_ char *canonical = NULL;
    const char *key;
    json_t *v;
    int r = json_parse(text, size, NULL, &answer, err);

    if (r < 0)
        return r;
    for (size_t i = 0; i < ARRAY_SIZE(must); i++)
        if (!json_object_get(answer, must[i]))
            return error_set(err, -EINVAL, NULL, "%s is missing", must[i]);
    json_object_foreach (answer, key, v)
        if (!check_member(key, v))
            return error_set(err, -EINVAL, NULL, "a member is not known, or not as it must be: %.20s", key);
    r = json_canonical(answer, &canonical); /* refuses floating-point numbers */
    if (r < 0)
        return error_set(err, r, NULL, "it cannot be written as canonical JSON");
    ret->status = status_of(answer);
    snprintf(ret->message, sizeof ret->message, "%s", json_get_string(answer, "message"));
    ret->answer = TAKE_PTR(answer);
    return 0;
}
