/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Fuzzes placing with what comes from outside: the first line of the input is a path of any bytes, the rest a sidecar's text (and,
 * where it is an object, the media facts too). Whatever comes, the place must be whole: canonical JSON that is small enough for an
 * act, texts that may stand as values, a time to sort by that is no nonsense.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/encode.h"
#include "cases/place-facts.h"
#include "cases/place-rule.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char yaml[] =
    "place:\n"
    "  - { name: dock, on: path, certainty: certain, match: "
    "'^(?<unit>[^/]+)/(?<officer>[^/]+)/(?<device>[^/]+)/(?<date>20[0-9]{6})/"
    "(?<time>[0-9]{6})(?:-(?<end_time>[0-9]{6}))?' }\n"
    "  - { name: dahua, match: '(?:^|_)ch(?<channel>[0-9]+)_main_(?<start>20[0-9]{12})_(?<end>20[0-9]{12})' "
    "}\n"
    "  - { name: free, match: '^(?<device>.*?)_(?<datetime>[0-9TZ:_. -]+)(?:_(?<seq>[^.]*))?\\.' }\n"
    "  - { name: epoch, match: '(?<epoch>[0-9]{9,14})' }\n"
    "  - { name: parts, match: "
    "'(?<year>[0-9]+)-(?<month>[0-9]+)-(?<day>[0-9]+) "
    "(?<hour>[0-9]+)(?:-(?<minute>[0-9]+)-(?<second>[0-9]+))?' }\n"
    "  - { name: greedy, match: '^(?<case>(?:[^_]+_?)+)!$' }\n";

#define RECEIVED (INT64_C(1795395907) * USEC_PER_SEC)

static struct placer *make_placer(void)
{
    struct settings *settings = NULL; /* lives as long as the process */
    struct placer *placer = NULL;

    if (settings_parse(yaml, strlen(yaml), "fuzz.yaml", NULL, NULL, &settings) != 0 ||
        placer_new(settings, NULL, NULL, &placer) != 0)
        abort();
    return placer;
}

static void check_fact(const char *key, json_t *fact)
{
    const json_t *v = json_object_get(fact, "value");

    if (!json_get_string(fact, "source") || !json_get_string(fact, "certainty"))
        abort();
    if (strcmp(key, "started") == 0 || strcmp(key, "ended") == 0) {
        if (!json_is_integer(v))
            abort();
    } else if (!json_is_string(v) || !place_value_is_clean(json_string_value(v), json_string_length(v))) {
        abort();
    }
}

static void check_place(json_t *place, int64_t sort)
{
    const char *certainty = json_get_string(json_get_object(place, "started"), "certainty");
    _cleanup_free_ char *text = NULL;
    const char *key;
    json_t *fact;

    if (json_canonical(place, &text) != 0 || strlen(text) > 16384)
        abort();
    json_object_foreach (place, key, fact)
        if (json_is_object(fact))
            check_fact(key, fact);
    if (sort != RECEIVED && (!certainty || strcmp(certainty, "doubtful") == 0))
        abort();
    if (sort > RECEIVED + USEC_PER_DAY || sort < INT64_C(946684800) * USEC_PER_SEC)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct placer *placer;
    const uint8_t *line = memchr(data, '\n', size);
    size_t path_size = line ? (size_t)(line - data) : size, rest = line ? size - path_size - 1 : 0;
    _cleanup_json_ json_t *arrival = json_object(), *sidecar = NULL, *place = NULL;
    _cleanup_free_ char *path = encode_percent(data, MIN(path_size, 4096));
    struct error err = ERROR_INIT;
    int64_t sort;

    if (!placer)
        placer = make_placer();
    if (!arrival || !path || json_set_string(arrival, "path", path) < 0)
        return 0;
    (void)json_set_string(arrival, "folder", "dock");
    (void)json_set_string(arrival, "zone", "Asia/Shanghai");
    if (rest > 0 && json_parse((const char *)line + 1, MIN(rest, 16384), "sidecar", &sidecar, &err) == 0)
        (void)json_set_take(arrival, "sidecar", json_incref(sidecar));
    if (place_work_out(placer, arrival, json_is_object(sidecar) ? sidecar : NULL,
                       json_is_object(sidecar) ? sidecar : NULL, RECEIVED, NULL, &place, &sort, &err) != 0)
        abort();
    check_place(place, sort);
    return 0;
}
