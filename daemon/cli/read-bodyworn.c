/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * `liuhen show` of what a body-worn system brought: the camera's recording that it belongs to, its bookmarks and its GPS trail.
 */
#include <string.h>

#include "cli/cli.h"
#include "cli/print.h"

/* "41.2940000 123.7654321 ± 4.5 m" */
static void print_location(const json_t *l, char out[80])
{
    int64_t accuracy = json_get_integer(l, "accuracy_mm", -1);
    double latitude = (double)json_get_integer(l, "latitude", 0) / 1e7,
           longitude = (double)json_get_integer(l, "longitude", 0) / 1e7;

    if (accuracy >= 0)
        snprintf(out, 80, "%.7f %.7f ± %.1f m", latitude, longitude, (double)accuracy / 1000);
    else
        snprintf(out, 80, "%.7f %.7f", latitude, longitude);
}

static void print_trigger(const struct cli *c, const char *label, const json_t *trigger)
{
    char when[CALENDAR_TEXT_SIZE], where[80] = "";

    if (!trigger)
        return;
    if (json_get_object(trigger, "location"))
        print_location(json_get_object(trigger, "location"), where);
    print_field(label, "%s  %s%s%s", print_time(c->zone, json_get_integer(trigger, "time", 0), true, when),
                json_get_string(trigger, "why") ? json_get_string(trigger, "why") : "", *where ? "  at " : "",
                where);
}

/* "2026-11-23 09:05 to 09:06  complaint: what the officer wrote" */
static void print_bookmark(const struct cli *c, const json_t *mark)
{
    const char *text = json_get_string(mark, "text"), *category = json_get_string(mark, "category");
    char from[CALENDAR_TEXT_SIZE], to[CALENDAR_TEXT_SIZE];
    _cleanup_free_ char *tags = NULL;
    bool ends = json_object_get(mark, "ended") != NULL;

    if (json_get_object(mark, "tags"))
        (void)json_canonical(json_get_object(mark, "tags"), &tags);
    print_field("bookmark", "%s%s%s  %s%s%s%s%s",
                print_time(c->zone, json_get_integer(mark, "started", 0), false, from), ends ? " to " : "",
                ends ? print_time(c->zone, json_get_integer(mark, "ended", 0), false, to) : "",
                category ? category : "", category && text ? ": " : "", text ? text : "", tags ? "  " : "",
                tags ? tags : "");
}

static void print_trail(const json_t *trail)
{
    const char *fault = json_get_string(trail, "fault");
    char first[80], last[80];

    if (fault) {
        print_field("gps trail", "%s", fault);
        return;
    }
    if (json_get_integer(trail, "points", 0) == 0) {
        print_field("gps trail", "no points");
        return;
    }
    print_location(json_get_object(trail, "first"), first);
    print_location(json_get_object(trail, "last"), last);
    print_field("gps trail", "%lld points, from %s to %s", (long long)json_get_integer(trail, "points", 0),
                first, last);
}

static void print_proposals(const json_t *place)
{
    const json_t *one;
    size_t i;

    json_array_foreach (json_get_array(place, "proposals"), i, one)
        print_field("proposed", "%s (%s): chosen on the camera; nothing follows of itself",
                    json_get_string(one, "name") ? json_get_string(one, "name") : print_text(one, "value"),
                    print_text(one, "source"));
}

void print_bodyworn(const struct cli *c, const json_t *shown)
{
    const json_t *b = json_get_object(shown, "bodyworn"), *one;
    size_t i;

    print_proposals(json_get_object(shown, "place"));
    if (!b)
        return;
    print_field("camera's", "%s%s%s", print_text(b, "container"), json_get_string(b, "status") ? ", " : "",
                json_get_string(b, "status") ? json_get_string(b, "status") : "");
    print_trigger(c, "trigger on", json_get_object(b, "trigger_on"));
    print_trigger(c, "trigger off", json_get_object(b, "trigger_off"));
    json_array_foreach (json_get_array(b, "keys"), i, one)
        print_field("key", "%s  %s", print_text(one, "recording"), print_text(one, "name"));
    json_array_foreach (json_get_array(b, "bookmarks"), i, one)
        print_bookmark(c, one);
    json_array_foreach (json_get_array(b, "trails"), i, one)
        print_trail(one);
}
