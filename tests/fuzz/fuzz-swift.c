/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a body-worn system sends: the first line of the input is a target, each further "name: value" line is metadata, the rest (behind
 * an empty line) is a GPS trail. Whatever is taken is valid UTF-8 within the bounds, reads the same when it is written out again, and
 * becomes facts that an act can hold.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/encode.h"
#include "base/ulid.h"
#include "cases/bodyworn.h"
#include "doors/swift-names.h"

static void demand(int ok)
{
    if (!ok)
        abort();
}

static void check_text(const char *text, size_t max)
{
    size_t n = strlen(text);

    demand(n <= max && utf8_is_valid(text, n));
}

static void check_path(const char *raw, struct swift_path *path, struct target *target)
{
    *path = (struct swift_path){"", "", ""};
    if (target_parse(raw, target, NULL) < 0)
        return;
    if (swift_path(target, path, NULL) < 0) {
        *path = (struct swift_path){"", "", ""};
        return;
    }
    demand(ulid_is_valid(path->device));
    check_text(path->container, SWIFT_CONTAINER_MAX);
    check_text(path->object, SWIFT_OBJECT_MAX);
    demand(!strchr(path->container, '/'));
}

/* A value is the same after it went out in a header and came back. */
static void check_metadata(const json_t *o)
{
    const char *key;
    const json_t *value;

    size_t all = 0;

    demand(json_object_size(o) <= SWIFT_META_MAX);
    json_object_foreach ((json_t *)o, key, value) {
        _cleanup_free_ char *text = swift_metadata_encode(json_string_value(value));
        _cleanup_json_ json_t *again = json_object();
        struct bodyworn_location l;
        int64_t usec;

        all += strlen(key) + json_string_length(value);
        demand(all <= SWIFT_META_ALL_MAX);
        check_text(key, SWIFT_META_NAME_MAX);
        check_text(json_string_value(value), SWIFT_META_VALUE_MAX);
        demand(swift_metadata_add(again, "x", text, false, NULL) == 0);
        demand(strcmp(json_get_string(again, "x"), json_string_value(value)) == 0);
        (void)bodyworn_time(json_string_value(value), &usec);
        (void)bodyworn_value_usec(o, key);
        if (bodyworn_location(json_string_value(value), &l) == 0)
            demand(l.latitude >= -900000000 && l.latitude <= 900000000 && l.longitude >= -1800000000 &&
                   l.longitude <= 1800000000);
        json_decref(bodyworn_tags(json_string_value(value)));
    }
}

static void check_facts(const struct swift_path *path, const json_t *metadata)
{
    _cleanup_json_ json_t *sidecar = NULL, *marks = json_array(), *mark = json_object();
    _cleanup_free_ char *text = NULL;
    struct bodyworn_known known = {.container_id = "01ARZ3NDEKTSV4RRFFQ69G5FAV",
                                   .container = path->container,
                                   .object = path->object,
                                   .container_metadata = metadata,
                                   .metadata = metadata,
                                   .user = metadata,
                                   .bookmarks = marks,
                                   .seq = 1};

    demand(json_object_set(mark, "metadata", (json_t *)metadata) == 0 && json_array_append(marks, mark) == 0);
    demand(bodyworn_sidecar(&known, &sidecar) == 0);
    demand(json_canonical(sidecar, &text) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    _cleanup_json_ json_t *strict = json_object(), *lenient = json_object(), *trail = NULL;
    _cleanup_free_ char *text = malloc(size + 1), *shown = NULL;
    struct swift_path path;
    struct target target = {.text = NULL};
    char *line, *next;

    demand(text != NULL);
    memcpy(text, data, size);
    text[size] = 0;
    next = text;
    line = strsep(&next, "\n");
    check_path(line, &path, &target);
    (void)swift_host_is_valid(line);
    while (next && (line = strsep(&next, "\n")) && *line) {
        char *value = strchr(line, ':');

        if (!value)
            continue;
        *value++ = 0;
        (void)swift_metadata_add(strict, line, value, false, NULL);
        demand(swift_metadata_add(lenient, line, value, true, NULL) == 0);
    }
    check_metadata(strict);
    check_facts(&path, strict);
    check_facts(&path, lenient);
    if (next) {
        trail = bodyworn_trail(next, (size_t)(text + size - next));
        demand(trail && json_canonical(trail, &shown) == 0);
    }
    target_done(&target);
    return 0;
}
