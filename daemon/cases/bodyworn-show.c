/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a body-worn system has said of the recording of a camera that one of its objects belongs to, for people: why and where it began
 * and ended, its clips and keys, bookmarks with the categories that the officer chose, and the ends of its GPS trail.
 */
#include <errno.h>
#include <string.h>

#include "cases/bodyworn.h"
#include "cases/place-bodyworn.h"
#include "catalogue/bodyworn-rows.h"

static int set_usec(json_t *o, const char *key, int64_t usec)
{
    return usec == INT64_MIN ? 0 : json_set_integer(o, key, usec);
}

/* {latitude, longitude, accuracy?, time?}: as they came in TriggerOnLocation; absent where they are none. */
static int set_location(json_t *o, const char *key, const char *text)
{
    struct bodyworn_location l;
    json_t *location;
    int r;

    if (!text || bodyworn_location(text, &l) < 0)
        return 0;
    location =
        json_pack("{s:I, s:I}", "latitude", (json_int_t)l.latitude, "longitude", (json_int_t)l.longitude);
    r = location ? 0 : -ENOMEM;
    if (r == 0 && l.accuracy_mm >= 0)
        r = json_set_integer(location, "accuracy_mm", l.accuracy_mm);
    r = r < 0 ? r : set_usec(location, "time", l.usec);
    if (r < 0) {
        json_decref(location);
        return r;
    }
    return json_set_take(o, key, location);
}

/* {why?, time?, location?} of TriggerOn or TriggerOff. */
static int set_trigger(json_t *o, const char *key, const json_t *metadata, const char *name)
{
    json_t *trigger = json_object();
    char text[64];
    int r = trigger ? json_set_string(trigger, "why", bodyworn_value(metadata, name)) : -ENOMEM;

    snprintf(text, sizeof text, "%stime", name);
    r = r < 0 ? r : set_usec(trigger, "time", bodyworn_value_usec(metadata, text));
    snprintf(text, sizeof text, "%slocation", name);
    r = r < 0 ? r : set_location(trigger, "location", bodyworn_value(metadata, text));
    if (r < 0 || json_object_size(trigger) == 0) {
        json_decref(trigger);
        return r;
    }
    return json_set_take(o, key, trigger);
}

/* A bookmark out of {name, recording?, metadata, detail?}; new object, NULL = no memory. */
static json_t *bookmark_of(const json_t *row)
{
    const json_t *m = json_get_object(row, "metadata");
    const char *tags = bodyworn_value(m, "tags");
    _cleanup_json_ json_t *o = json_object();
    int r = o ? json_set_string(o, "name", json_get_string(row, "name")) : -ENOMEM;

    r = r < 0 ? r : json_set_string(o, "recording", json_get_string(row, "recording"));
    r = r < 0 ? r : json_set_string(o, "text", json_get_string(json_get_object(row, "detail"), "text"));
    r = r < 0 ? r : json_set_string(o, "category", bodyworn_value(m, "categoryname"));
    r = r < 0 ? r : json_set_string(o, "category_id", bodyworn_value(m, "categoryid"));
    r = r < 0 ? r : set_usec(o, "started", bodyworn_value_usec(m, "starttime"));
    r = r < 0 ? r : set_usec(o, "ended", bodyworn_value_usec(m, "endtime"));
    if (r == 0 && tags)
        r = json_set_take(o, "tags", bodyworn_tags(tags));
    return r < 0 ? NULL : TAKE_PTR(o);
}

static json_t *named_of(const json_t *row)
{
    return json_pack("{s:s*, s:s*}", "name", json_get_string(row, "name"), "recording",
                     json_get_string(row, "recording"));
}

/* {name, recording, points, first, last …} */
static json_t *trail_of(const json_t *row)
{
    json_t *o = named_of(row), *detail = json_get_object(row, "detail");

    if (o && detail && json_object_update(o, detail) < 0)
        json_decref(TAKE_PTR(o));
    return o;
}

static int add_family(struct db *db, const char *container, const char *kind, const char *key,
                      json_t *(*make)(const json_t *row), json_t *o, struct error *err)
{
    _cleanup_json_ json_t *rows = NULL, *list = json_array();
    int r = list ? bodyworn_objects_of_kind(db, container, kind, &rows, err) : -ENOMEM;

    for (size_t i = 0; r == 0 && i < json_array_size(rows); i++) {
        json_t *x = make(json_array_get(rows, i));

        if (!x || json_array_append_new(list, x) < 0)
            r = -ENOMEM;
    }
    return r != 0 || json_array_size(list) == 0 ? r : json_set_take(o, key, TAKE_PTR(list));
}

static int describe(struct db *db, const struct bodyworn_container *c, const struct bodyworn_object *object,
                    json_t *o, struct error *err)
{
    int r = json_set_string(o, "container", c->name);

    r = r < 0 ? r : json_set_string(o, "id", c->id);
    r = r < 0 ? r : json_set_string(o, "status", *c->status ? c->status : NULL);
    r = r < 0 ? r : json_set_string(o, "object", object->name);
    r = r < 0 ? r : json_set_string(o, "kind", object->kind);
    r = r < 0 ? r : json_set_take(o, "metadata", json_incref(c->metadata));
    r = r < 0 ? r : json_set_take(o, "object_metadata", json_incref(object->metadata));
    r = r < 0 ? r : set_trigger(o, "trigger_on", c->metadata, "triggeron");
    r = r < 0 ? r : set_trigger(o, "trigger_off", c->metadata, "triggeroff");
    r = r < 0 ? r : add_family(db, c->id, "clip", "clips", named_of, o, err);
    r = r != 0 ? r : add_family(db, c->id, "key", "keys", named_of, o, err);
    r = r != 0 ? r : add_family(db, c->id, "bookmark", "bookmarks", bookmark_of, o, err);
    return r != 0 ? r : add_family(db, c->id, "trail", "trails", trail_of, o, err);
}

int bodyworn_show(struct db *db, const char *recording, json_t *shown, struct error *err)
{
    _cleanup_(bodyworn_container_done) struct bodyworn_container c = {0};
    _cleanup_(bodyworn_object_done) struct bodyworn_object object = {0};
    _cleanup_json_ json_t *o = json_object();
    int r = bodyworn_object_of(db, recording, json_get_string(json_get_object(shown, "arrival"), "device_id"),
                               &object, err);

    if (r == BODYWORN_E_NONE)
        return 0;
    r = r != 0 ? r : bodyworn_container_read(db, object.container, &c, err);
    r = r != 0 || !o ? r : describe(db, &c, &object, o, err);
    return r != 0 ? r : json_set_take(shown, "bodyworn", TAKE_PTR(o));
}
