/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * From what a body-worn system says to the facts that placing goes by (see bodyworn.h). Times of a clip are its own; a key has those
 * of its clip; bookmarks and trails have those of the recording where they say none. The officer is the name that the system has for
 * the user, the device the camera, never the dock that brought it.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>

#include "base/calendar.h"
#include "base/encode.h"
#include "cases/bodyworn.h"
#include "cases/place-rule.h"

#define NO_TIME   INT64_MIN
#define NOTES_MAX 6

static int set_time(json_t *o, const char *key, int64_t usec)
{
    char text[CALENDAR_TEXT_SIZE];

    if (usec == NO_TIME)
        return 0;
    calendar_format_utc(usec, text);
    return json_set_string(o, key, text);
}

static int add_note(json_t *notes, const char *format, ...) _printf_(2, 3);

static int add_note(json_t *notes, const char *format, ...)
{
    char text[300];
    va_list ap;

    if (json_array_size(notes) >= NOTES_MAX)
        return 0;
    va_start(ap, format);
    vsnprintf(text, sizeof text, format, ap);
    va_end(ap);
    utf8_repair(text, sizeof text);
    return json_array_append_new(notes, json_string(text)) < 0 ? -ENOMEM : 0;
}

/* The first text that may stand as a placed value. */
static const char *first_clean(const char *a, const char *b, const char *c)
{
    const char *const texts[] = {a, b, c};

    for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
        if (texts[i] && place_value_is_clean(texts[i], strlen(texts[i])))
            return texts[i];
    return NULL;
}

/* The first time that is known of several; INT64_MIN = none. */
static int64_t first_time(const int64_t *times, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (times[i] != NO_TIME)
            return times[i];
    return NO_TIME;
}

/* A container that is no recording of a camera says nothing of what belongs together. */
static bool is_take(enum bodyworn_container_kind kind)
{
    return kind == BODYWORN_RECORDING || kind == BODYWORN_REJECTED;
}

static int add_who(json_t *o, const struct bodyworn_known *k, enum bodyworn_container_kind container,
                   const struct bodyworn_name *name)
{
    const char *officer = first_clean(bodyworn_value(k->user, "name"),
                                      bodyworn_value(k->container_metadata, "userid"), name->user);
    const char *camera =
        first_clean(bodyworn_value(k->container_metadata, "bwcserialnumber"), name->serial, NULL);
    int r = is_take(container) ? json_set_string(o, "take", k->container_id) : 0;

    r = r < 0 ? r : json_set_string(o, "device", camera);
    return r < 0 ? r : json_set_string(o, "officer", officer);
}

static int add_times(json_t *o, const struct bodyworn_known *k, enum bodyworn_object_kind kind,
                     const struct bodyworn_name *name)
{
    const json_t *own = kind == BODYWORN_KEY && k->clip ? k->clip : k->metadata, *all = k->container_metadata;
    bool own_only = kind == BODYWORN_CLIP || kind == BODYWORN_KEY;
    const int64_t starts[] = {bodyworn_value_usec(own, "starttime"), bodyworn_clip_usec(k->object),
                              own_only ? NO_TIME : bodyworn_value_usec(all, "starttime"),
                              own_only ? NO_TIME : bodyworn_value_usec(all, "triggerontime"), name->usec};
    const int64_t ends[] = {bodyworn_value_usec(own, "stoptime"), bodyworn_value_usec(own, "endtime"),
                            own_only ? NO_TIME : bodyworn_value_usec(all, "stoptime"),
                            own_only ? NO_TIME : bodyworn_value_usec(all, "triggerofftime")};
    int r = set_time(o, "started", first_time(starts, ARRAY_SIZE(starts)));

    r = r < 0 ? r : set_time(o, "ended", first_time(ends, ARRAY_SIZE(ends)));
    return r < 0 || kind != BODYWORN_CLIP || k->seq == 0 ? r : json_set_integer(o, "seq", k->seq);
}

static int note_faults(json_t *notes, const json_t *metadata, const char *what)
{
    const char *key;
    const json_t *value;
    int r = 0;

    json_object_foreach ((json_t *)metadata, key, value) {
        if (r == 0 && json_string_length(value) > bodyworn_limit(key))
            r = add_note(notes, "the %s's %.100s is longer than camera systems may send", what, key);
    }
    if (r == 0 && bodyworn_value(metadata, BODYWORN_LEFT_OUT))
        r = add_note(notes, "the %s has %.20s metadata that could not be kept: malformed or too many", what,
                     bodyworn_value(metadata, BODYWORN_LEFT_OUT));
    return r;
}

static const char *rejected_because(const json_t *metadata)
{
    const char *key;
    const json_t *value;

    json_object_foreach ((json_t *)metadata, key, value) {
        if (strstr(key, "reason") && json_string_length(value) > 0)
            return json_string_value(value);
    }
    return NULL;
}

static int add_notes(json_t *o, const struct bodyworn_known *k, enum bodyworn_container_kind container,
                     enum bodyworn_object_kind kind)
{
    json_t *notes = json_array();
    const char *why = rejected_because(k->container_metadata);
    int r = json_set_take(o, "notes", notes);

    if (r == 0 && container == BODYWORN_REJECTED)
        r = add_note(notes, "rejected by the camera system itself: %.200s",
                     why ? why : "it does not say why");
    if (r == 0 && kind == BODYWORN_CLIP && k->has_key)
        r = add_note(notes, "encrypted by the camera; its key object lies in the same take");
    if (r == 0 && kind == BODYWORN_KEY)
        r = add_note(notes, "key object: opens the encrypted clip of the same name");
    r = r < 0 ? r : note_faults(notes, k->container_metadata, "recording");
    r = r < 0 ? r : note_faults(notes, k->metadata, "object");
    if (r == 0 && json_array_size(notes) == 0)
        json_object_del(o, "notes");
    return r;
}

/* An officer's choice of a category is a proposal: it neither holds nor classifies by itself. */
static int add_proposals(json_t *o, const json_t *bookmarks)
{
    _cleanup_json_ json_t *list = json_array();

    for (size_t i = 0; list && i < json_array_size(bookmarks) && json_array_size(list) < 16; i++) {
        const json_t *metadata = json_get_object(json_array_get(bookmarks, i), "metadata");
        const char *id = bodyworn_value(metadata, "categoryid"),
                   *name = bodyworn_value(metadata, "categoryname");
        json_t *fact;

        if (!id && !name)
            continue;
        fact = json_pack("{s:s, s:s*, s:s, s:s}", "value", id ? id : name, "name", name, "source",
                         "bodyworn:category", "certainty", "probable");
        if (!fact || json_array_append_new(list, fact) < 0)
            return -ENOMEM;
    }
    if (!list)
        return -ENOMEM;
    return json_array_size(list) == 0 ? 0 : json_set_take(o, "proposals", TAKE_PTR(list));
}

int bodyworn_sidecar(const struct bodyworn_known *k, json_t **ret)
{
    enum bodyworn_container_kind container = bodyworn_container_kind(k->container);
    enum bodyworn_object_kind kind = bodyworn_object_kind(container, k->object);
    struct bodyworn_name name = {"", "", NO_TIME};
    _cleanup_json_ json_t *o = json_object();
    int r = o ? 0 : -ENOMEM;

    (void)bodyworn_name_parse(k->container, &name);
    r = r < 0 ? r : add_who(o, k, container, &name);
    r = r < 0 ? r : add_times(o, k, kind, &name);
    r = r < 0 ? r : add_notes(o, k, container, kind);
    r = r < 0 ? r : add_proposals(o, k->bookmarks);
    if (r == 0)
        *ret = TAKE_PTR(o);
    return r;
}
