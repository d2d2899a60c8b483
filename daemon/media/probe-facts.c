/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checks the worker's answer against a table of keys (see probe-facts.h). Adding a fact means a row here and a line in
 * worker-facts.h.
 */
#include "media/probe-facts.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

enum fact_type { FACT_INTEGER, FACT_TEXT, FACT_OBJECT, FACT_LIST, FACT_TEXTS, FACT_TAGS };

/* One allowed member. low and high bound integers; high is the length of texts and the count of lists. */
struct fact_rule {
    const char *key;
    enum fact_type type;
    int64_t low, high;
    const struct fact_rule *inner; /* of objects, and of each member of a list */
};

/* clang-format off */
static const struct fact_rule stream_rules[] = {
    {"type",        FACT_TEXT,    0, 16, NULL},
    {"codec",       FACT_TEXT,    0, FACTS_TEXT_MAX, NULL},
    {"width",       FACT_INTEGER, 1, INT32_MAX, NULL},
    {"height",      FACT_INTEGER, 1, INT32_MAX, NULL},
    {"rate",        FACT_TEXT,    0, 32, NULL},
    {"rate_hint",   FACT_TEXT,    0, 16, NULL},
    {"rotation",    FACT_INTEGER, 0, 359, NULL},
    {"channels",    FACT_INTEGER, 1, INT32_MAX, NULL},
    {"sample_rate", FACT_INTEGER, 1, INT32_MAX, NULL},
    {"bit_rate",    FACT_INTEGER, 1, INT64_MAX, NULL},
    {"language",    FACT_TEXT,    0, 16, NULL},
    {NULL, 0, 0, 0, NULL},
};
static const struct fact_rule time_rules[] = {
    {"usec",      FACT_INTEGER, FACTS_USEC_LEAST, FACTS_USEC_LIMIT, NULL},
    {"local",     FACT_TEXT,    0, 19, NULL},
    {"source",    FACT_TEXT,    0, 64, NULL},
    {"certainty", FACT_TEXT,    0, 16, NULL},
    {NULL, 0, 0, 0, NULL},
};
static const struct fact_rule gps_rules[] = {
    {"lat_e7", FACT_INTEGER, -900000000, 900000000, NULL},
    {"lon_e7", FACT_INTEGER, -1800000000, 1800000000, NULL},
    {"alt_mm", FACT_INTEGER, -20000000, 100000000, NULL},
    {NULL, 0, 0, 0, NULL},
};
static const struct fact_rule device_rules[] = {
    {"make",   FACT_TEXT, 0, FACTS_TEXT_MAX, NULL},
    {"model",  FACT_TEXT, 0, FACTS_TEXT_MAX, NULL},
    {"serial", FACT_TEXT, 0, FACTS_TEXT_MAX, NULL},
    {NULL, 0, 0, 0, NULL},
};
static const struct fact_rule media_rules[] = {
    {"lock",              FACT_TEXT,    0, 16, NULL},
    {"container",         FACT_TEXT,    0, 16, NULL},
    {"version",           FACT_TEXT,    0, 8, NULL},
    {"bytes",             FACT_INTEGER, 0, INT64_MAX, NULL},
    {"duration_usec",     FACT_INTEGER, 0, INT64_MAX, NULL},
    {"playable_usec",     FACT_INTEGER, 0, INT64_MAX, NULL},
    {"streams",           FACT_LIST,    0, FACTS_STREAMS_MAX, stream_rules},
    {"streams_total",     FACT_INTEGER, 0, INT32_MAX, NULL},
    {"width",             FACT_INTEGER, 0, UINT32_MAX, NULL},
    {"height",            FACT_INTEGER, 0, UINT32_MAX, NULL},
    {"rotation",          FACT_INTEGER, 0, 359, NULL},
    {"started_usec",      FACT_INTEGER, FACTS_USEC_LEAST, FACTS_USEC_LIMIT, NULL},
    {"started_local",     FACT_TEXT,    0, 19, NULL},
    {"started_source",    FACT_TEXT,    0, 64, NULL},
    {"started_certainty", FACT_TEXT,    0, 16, NULL},
    {"times",             FACT_LIST,    0, FACTS_TIMES_MAX, time_rules},
    {"gps",               FACT_OBJECT,  0, 0, gps_rules},
    {"device",            FACT_OBJECT,  0, 0, device_rules},
    {"tags",              FACT_TAGS,    0, FACTS_TAGS_MAX, NULL},
    {"appended_bytes",    FACT_INTEGER, 0, INT64_MAX, NULL},
    {"damage",            FACT_TEXTS,   0, FACTS_DAMAGE_MAX, NULL},
    {NULL, 0, 0, 0, NULL},
};
/* clang-format on */

/* jansson has refused invalid UTF-8 already; control characters could still upset a terminal or a log. */
static bool is_text(const json_t *v, size_t max)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);

    if (!s || n > max || !utf8_is_valid(s, n))
        return false;
    for (size_t i = 0; i < n; i++)
        if ((uint8_t)s[i] < 0x20 || s[i] == 0x7F)
            return false;
    return true;
}

static bool check_object(const json_t *object, const struct fact_rule *rules, const char **ret_bad);

static bool check_list(const json_t *list, const struct fact_rule *rule)
{
    const char *bad;
    json_t *v;
    size_t i;

    if (!json_is_array(list) || (int64_t)json_array_size(list) > rule->high)
        return false;
    json_array_foreach (list, i, v)
        if (rule->inner ? !check_object(v, rule->inner, &bad) : !is_text(v, FACTS_REASON_MAX))
            return false;
    return true;
}

static bool check_tags(const json_t *tags, size_t max)
{
    const char *key;
    json_t *v;

    if (!json_is_object(tags) || json_object_size(tags) > max)
        return false;
    json_object_foreach ((json_t *)tags, key, v)
        if (strlen(key) > 64 ||
            strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != strlen(key) ||
            !is_text(v, FACTS_TEXT_MAX))
            return false;
    return true;
}

static bool check_member(const json_t *v, const struct fact_rule *rule)
{
    const char *bad;

    switch (rule->type) {
    case FACT_INTEGER:
        return json_is_integer(v) && json_integer_value(v) >= rule->low &&
               json_integer_value(v) <= rule->high;
    case FACT_TEXT:
        return is_text(v, (size_t)rule->high);
    case FACT_OBJECT:
        return check_object(v, rule->inner, &bad);
    case FACT_LIST:
    case FACT_TEXTS:
        return check_list(v, rule);
    case FACT_TAGS:
        return check_tags(v, (size_t)rule->high);
    }
    return false;
}

/* Whether every member is known and as its rule says; *ret_bad names the first that is not. */
static bool check_object(const json_t *object, const struct fact_rule *rules, const char **ret_bad)
{
    const char *key;
    json_t *v;

    *ret_bad = "";
    if (!json_is_object(object))
        return false;
    json_object_foreach ((json_t *)object, key, v) {
        const struct fact_rule *rule = rules;

        while (rule->key && strcmp(rule->key, key) != 0)
            rule++;
        *ret_bad = rule->key ? rule->key : "a key that is not known";
        if (!rule->key || !check_member(v, rule))
            return false;
    }
    return true;
}

static int status_from_name(const char *name)
{
    for (int s = PROBE_OK; name && s <= PROBE_UNKNOWN; s++)
        if (strcmp(probe_status_name((enum probe_status)s), name) == 0)
            return s;
    return -EINVAL;
}

static bool is_kind(const char *name)
{
    static const char *const kinds[] = {"video", "audio", "photo", "document", "data"};

    for (size_t i = 0; name && i < ARRAY_SIZE(kinds); i++)
        if (strcmp(kinds[i], name) == 0)
            return true;
    return false;
}

static int check_size(const json_t *media, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    int r = json_canonical(media, &text);

    if (r < 0)
        return error_set(err, r, NULL, "the media facts cannot be written as canonical JSON");
    if (strlen(text) > FACTS_MEDIA_MAX)
        return error_set(err, -EINVAL, NULL, "the media facts are longer than %d bytes", FACTS_MEDIA_MAX);
    return 0;
}

int probe_facts_take(const json_t *answer, struct probe_result *ret, struct error *err)
{
    const char *kind, *bad;
    json_t *media, *message;
    int r, status;

    status = status_from_name(json_get_string(answer, "status"));
    kind = json_get_string(answer, "kind");
    message = json_object_get(answer, "message");
    media = json_get_object(answer, "media");
    if (!json_is_object(answer) || json_object_size(answer) != 4 || status < 0 || !is_kind(kind) || !media ||
        !is_text(message, sizeof ret->message - 1))
        return error_set(err, -EINVAL, NULL, "status, kind, message or media is missing or wrong");
    if (!check_object(media, media_rules, &bad))
        return error_set(err, -EINVAL, NULL, "media fact not as it must be: %s", bad);
    r = check_size(media, err);
    if (r < 0)
        return r;
    ret->status = (enum probe_status)status;
    snprintf(ret->kind, sizeof ret->kind, "%s", kind);
    snprintf(ret->message, sizeof ret->message, "%s", json_string_value(message));
    ret->media = json_incref(media);
    return 0;
}

int probe_facts_read(const char *text, size_t size, struct probe_result *ret, struct error *err)
{
    _cleanup_json_ json_t *answer = NULL;
    int r = json_parse(text, size, NULL, &answer, err);

    return r < 0 ? r : probe_facts_take(answer, ret, err);
}
