/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Checks what decoding shows against a table of keys (see decoded-facts.h). Adding a fact means a row here and a line in PLAN.md.
 */
#include "media/decoded-facts.h"

#include <errno.h>
#include <string.h>

#include "base/encode.h"

enum decoded_type {
    DECODED_INTEGER,
    DECODED_TRUTH,
    DECODED_TEXT,
    DECODED_TEXTS,
    DECODED_PAIRS, /* [[a, b], …] of integers */
    DECODED_OBJECT,
};

#define TIME_MOST (INT64_C(1) << 53) /* 285 years in µs, and exact for every reader of JSON */

/* low and high bound integers, also those in pairs; of texts, high is the length. */
struct decoded_rule {
    const char *key;
    enum decoded_type type;
    int64_t low, high;
    const char *words;                /* of a text: the only ones, each between spaces; NULL = any */
    const struct decoded_rule *inner; /* of an object */
};

/* clang-format off */
static const struct decoded_rule place_rules[] = {
    {"lat_e7", DECODED_INTEGER, -900000000, 900000000, NULL, NULL},
    {"lon_e7", DECODED_INTEGER, -1800000000, 1800000000, NULL, NULL},
    {NULL, 0, 0, 0, NULL, NULL},
};
static const struct decoded_rule trail_rules[] = {
    {"points",    DECODED_INTEGER, 0, INT32_MAX, NULL, NULL},
    {"from_usec", DECODED_INTEGER, -TIME_MOST, TIME_MOST, NULL, NULL},
    {"to_usec",   DECODED_INTEGER, -TIME_MOST, TIME_MOST, NULL, NULL},
    {"first",     DECODED_OBJECT,  0, 0, NULL, place_rules},
    {"last",      DECODED_OBJECT,  0, 0, NULL, place_rules},
    {NULL, 0, 0, 0, NULL, NULL},
};
static const struct decoded_rule rules[] = {
    {"qr",                DECODED_TEXTS,   0, DECODED_TEXT_MAX, NULL, NULL},
    {"black",             DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"silence",           DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"gaps",              DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"jumps",             DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"sound_gaps",        DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"sound_jumps",       DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"restarts",          DECODED_PAIRS,   -TIME_MOST, TIME_MOST, NULL, NULL},
    {"black_total",       DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"gaps_total",        DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"jumps_total",       DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"sound_gaps_total",  DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"sound_jumps_total", DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"restarts_total",    DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"rate",              DECODED_TEXT,    0, 16, " constant variable ", NULL},
    {"rate_num",          DECODED_INTEGER, 1, INT32_MAX, NULL, NULL},
    {"rate_den",          DECODED_INTEGER, 1, INT32_MAX, NULL, NULL},
    {"silence_total",     DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"pictures",          DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"picture_errors",    DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"sound_errors",      DECODED_INTEGER, 0, TIME_MOST, NULL, NULL},
    {"truncated",         DECODED_TRUTH,   0, 0, NULL, NULL},
    {"signed",            DECODED_TEXT,    0, 16, " onvif axis ", NULL},
    {"hardware",          DECODED_TEXT,    0, 16, " vaapi cuda qsv ", NULL},
    {"trail",             DECODED_OBJECT,  0, 0, NULL, trail_rules},
    {"key_pictures_only", DECODED_TRUTH,   0, 0, NULL, NULL},
    {"pages",             DECODED_INTEGER, 0, INT32_MAX, NULL, NULL},
    {"encrypted",         DECODED_INTEGER, 0, 1, NULL, NULL}, /* of a document */
    {NULL, 0, 0, 0, NULL, NULL},
};
/* clang-format on */

static bool is_integer(const json_t *v, const struct decoded_rule *rule)
{
    return json_is_integer(v) && json_integer_value(v) >= rule->low && json_integer_value(v) <= rule->high;
}

/* What a camera was shown may hold line breaks; other controls could upset a terminal or a log. */
static bool is_text(const json_t *v, const struct decoded_rule *rule)
{
    const char *s = json_string_value(v);
    size_t n = json_string_length(v);
    char word[32];

    if (!s || (int64_t)n > rule->high || strlen(s) != n || !utf8_is_valid(s, n))
        return false;
    for (size_t i = 0, step; i < n; i += step) {
        const uint8_t *at = (const uint8_t *)s + i;

        step = utf8_sequence_length(at, n - i);
        if (utf8_is_control(at, step) && *at != '\n' && *at != '\t' && *at != '\r')
            return false;
    }
    snprintf(word, sizeof word, " %.20s ", s);
    return !rule->words || (n > 0 && !strchr(s, ' ') && strstr(rule->words, word));
}

static bool is_pair(const json_t *v, const struct decoded_rule *rule)
{
    return json_is_array(v) && json_array_size(v) == 2 && is_integer(json_array_get(v, 0), rule) &&
           is_integer(json_array_get(v, 1), rule);
}

static bool check_list(const json_t *list, const struct decoded_rule *rule)
{
    json_t *v;
    size_t i;

    if (!json_is_array(list) || json_array_size(list) > DECODED_LIST_MAX)
        return false;
    json_array_foreach (list, i, v)
        if (rule->type == DECODED_PAIRS ? !is_pair(v, rule) : !is_text(v, rule))
            return false;
    return true;
}

static bool check_object(const json_t *object, const struct decoded_rule *all, const char **ret_bad);

static bool check_member(const json_t *v, const struct decoded_rule *rule)
{
    const char *bad;

    switch (rule->type) {
    case DECODED_INTEGER:
        return is_integer(v, rule);
    case DECODED_TRUTH:
        return json_is_boolean(v);
    case DECODED_TEXT:
        return is_text(v, rule);
    case DECODED_TEXTS:
    case DECODED_PAIRS:
        return check_list(v, rule);
    case DECODED_OBJECT:
        return check_object(v, rule->inner, &bad);
    }
    return false;
}

/* Whether every member is known and as its rule says; *ret_bad names the first that is not. */
static bool check_object(const json_t *object, const struct decoded_rule *all, const char **ret_bad)
{
    const char *key;
    json_t *v;

    *ret_bad = "";
    if (!json_is_object(object))
        return false;
    json_object_foreach ((json_t *)object, key, v) {
        const struct decoded_rule *rule = all;

        while (rule->key && strcmp(rule->key, key) != 0)
            rule++;
        *ret_bad = rule->key ? rule->key : "a key that is not known";
        if (!rule->key || !check_member(v, rule))
            return false;
    }
    return true;
}

int decoded_facts_check(const json_t *decoded, struct error *err)
{
    _cleanup_free_ char *text = NULL;
    const char *bad;
    int r;

    if (!check_object(decoded, rules, &bad))
        return error_set(err, -EINVAL, NULL, "a decoded fact is not as it must be: %s", bad);
    r = json_canonical(decoded, &text);
    if (r < 0)
        return error_set(err, r, NULL, "the decoded facts cannot be written as canonical JSON");
    if (strlen(text) > DECODED_BYTES_MAX)
        return error_set(err, -EINVAL, NULL, "the decoded facts are longer than %d bytes", DECODED_BYTES_MAX);
    return 0;
}
