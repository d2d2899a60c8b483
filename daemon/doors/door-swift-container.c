/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Accounts and containers of body-worn systems: /v1/AUTH_<device>[/<container>]. PUT makes a container or says more of it, POST says
 * more, GET lists, HEAD tells; nothing is deleted. The system sets the status of a recording's container to Complete at the end.
 */
#include <errno.h>
#include <string.h>

#include "base/calendar.h"
#include "cases/bodyworn.h"
#include "doors/swift-internal.h"

#define PREFIX "X-Container-Meta-"

/* ---- making and changing ------------------------------------------------------------------------------------------------- */

static void change(const struct knock *k, const struct swift_path *path, bool create,
                   struct http_answer *answer)
{
    struct bodyworn_keep keep = swift_keep(k);
    struct bodyworn_container_said said = {.name = path->container, .create = create};
    _cleanup_json_ json_t *metadata = NULL;
    struct error err = ERROR_INIT;
    int r;

    if (!swift_said(k, PREFIX, path->container, &metadata, answer))
        return;
    said.metadata = metadata;
    r = bodyworn_keep_container(&keep, &said, &err);
    if (r == BODYWORN_E_NONE)
        error_set(&err, r, path->container, "is no container here; PUT it first");
    if (r != 0)
        (void)swift_fail(answer, r, &err);
    else
        swift_answer(answer, !create ? 204 : said.created ? 201 : 202);
}

/* ---- looking ------------------------------------------------------------------------------------------------------------ */

struct look {
    const struct swift_path *path;
    struct swift_listing listing;
    bool want_list;
    struct bodyworn_container container;
    int64_t containers, objects, bytes;
    json_t *list;
};

static void look_done(struct look *l)
{
    bodyworn_container_done(&l->container);
    json_decref(l->list);
}

static int look_at_account(struct db *db, struct look *l, struct error *err)
{
    struct bodyworn_range range = {l->listing.prefix, l->listing.marker, l->listing.end_marker,
                                   l->listing.limit};
    int r = bodyworn_account_sum(db, l->path->device, &l->containers, &l->objects, &l->bytes, err);

    return r != 0 || !l->want_list ? r : bodyworn_containers_list(db, l->path->device, &range, &l->list, err);
}

static int look_at(struct db *db, void *userdata, struct error *err)
{
    struct look *l = userdata;
    struct bodyworn_range range = {l->listing.prefix, l->listing.marker, l->listing.end_marker,
                                   l->listing.limit};
    int r;

    if (!*l->path->container)
        return look_at_account(db, l, err);
    r = bodyworn_container_find(db, l->path->device, l->path->container, &l->container, err);
    if (r == BODYWORN_E_NONE)
        return error_set(err, r, l->path->container, "is no container here; PUT it first");
    r = r != 0 ? r : bodyworn_container_sum(db, l->container.id, &l->objects, &l->bytes, err);
    return r != 0 || !l->want_list ? r : bodyworn_objects_list(db, l->container.id, &range, &l->list, err);
}

static int say_sums(const struct look *l, struct http_answer *answer)
{
    const char *what = *l->path->container ? "Container" : "Account";
    char name[64];
    int r = 0;

    if (!*l->path->container)
        r = http_answer_header(answer, "X-Account-Container-Count", "%lld", (long long)l->containers);
    snprintf(name, sizeof name, "X-%s-Object-Count", what);
    r = r < 0 ? r : http_answer_header(answer, name, "%lld", (long long)l->objects);
    snprintf(name, sizeof name, "X-%s-Bytes-Used", what);
    r = r < 0 ? r : http_answer_header(answer, name, "%lld", (long long)l->bytes);
    r = r < 0 ? r : http_answer_header(answer, "Accept-Ranges", "bytes");
    return r < 0 ? r : swift_say_metadata(answer, PREFIX, l->container.metadata);
}

/* {name, bytes, hash, type, changed} into the form that Swift lists objects in. */
static int to_swift(json_t *o)
{
    char text[CALENDAR_TEXT_SIZE];
    int64_t changed = json_get_integer(o, "changed", INT64_MIN);
    const char *type = json_get_string(o, "type");
    int r;

    if (changed == INT64_MIN)
        return 0; /* a container */
    calendar_format_utc(changed, text);
    text[strcspn(text, "Z")] = 0; /* Swift writes no Z */
    r = json_set_string(o, "content_type", type ? type : "application/octet-stream");
    r = r < 0 ? r : json_set_string(o, "last_modified", text);
    json_object_del(o, "type");
    json_object_del(o, "changed");
    return r;
}

static int list_as_json(const struct look *l, char **ret)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < json_array_size(l->list); i++)
        r = to_swift(json_array_get(l->list, i));
    return r < 0 ? r : json_canonical(l->list, ret);
}

static int list_as_text(const struct look *l, char **ret)
{
    size_t size = 1;
    char *text, *p;

    for (size_t i = 0; i < json_array_size(l->list); i++)
        size += strlen(json_get_string(json_array_get(l->list, i), "name")) + 1;
    text = p = malloc(size);
    if (!text)
        return -ENOMEM;
    *p = 0;
    for (size_t i = 0; i < json_array_size(l->list); i++)
        p += sprintf(p, "%s\n", json_get_string(json_array_get(l->list, i), "name"));
    *ret = text;
    return 0;
}

static int answer_list(const struct look *l, struct http_answer *answer)
{
    bool json = l->listing.format == SWIFT_JSON;
    char *text = NULL;
    int r;

    if (!json && json_array_size(l->list) == 0) {
        swift_answer(answer, 204);
        return say_sums(l, answer);
    }
    r = json ? list_as_json(l, &text) : list_as_text(l, &text);
    if (r < 0)
        return r;
    http_answer_text(answer, 200, json ? "application/json; charset=utf-8" : "text/plain; charset=utf-8",
                     text);
    return say_sums(l, answer);
}

static void look(const struct knock *k, const struct swift_path *path, struct http_answer *answer)
{
    _cleanup_(look_done) struct look l = {.path = path, .want_list = strcmp(k->method, "GET") == 0};
    struct error err = ERROR_INIT;
    int r = swift_listing(k->target, http_header(k->request, "Accept"), &l.listing, &err);

    if (r < 0) {
        (void)swift_malformed(answer, r, &err);
        return;
    }
    r = swift_read(k, look_at, &l, &err);
    if (r == 0 && !l.want_list) {
        swift_answer(answer, 204);
        r = say_sums(&l, answer);
    } else if (r == 0) {
        r = answer_list(&l, answer);
    }
    if (r != 0)
        (void)swift_fail(answer, r, &err);
}

/* ---- the door ----------------------------------------------------------------------------------------------------------- */

/* A body says nothing here: it is passed over. */
static bool pass_over(struct knock *k, const void *data, size_t size, struct http_answer *answer)
{
    return true;
}

static void finish(struct knock *k, struct http_answer *answer)
{
    struct swift_path path;

    if (!swift_enter(k, &path, answer))
        return;
    if (strcmp(k->method, "GET") == 0 || strcmp(k->method, "HEAD") == 0)
        look(k, &path, answer);
    else if (strcmp(k->method, "DELETE") == 0 || !*path.container)
        (void)doors_refuse(answer, 403, *path.container ? path.container : "account",
                           "is kept; nothing is deleted or changed by this door");
    else
        change(k, &path, strcmp(k->method, "PUT") == 0, answer);
}

const struct door door_container = {
    .name = "bodyworn", .take = pass_over, .finish = finish, .decorate = swift_decorate};
