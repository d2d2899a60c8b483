/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Facts of body-worn systems out of the catalogue (see place-bodyworn.h).
 */
#include "cases/place-bodyworn.h"

#include <errno.h>
#include <string.h>

#include "cases/bodyworn.h"
#include "catalogue/bodyworn-rows.h"

/* The object of another kind with the same name but for its suffix: the clip of a key, the key of a clip. 0 also when there is none. */
static int read_sibling(struct db *db, const struct bodyworn_object *o, const char *const *suffixes, size_t n,
                        struct bodyworn_object *ret, struct error *err)
{
    const char *dot = strrchr(o->name, '.');
    int r = BODYWORN_E_NONE;

    for (size_t i = 0; dot && r == BODYWORN_E_NONE && i < n; i++) {
        _cleanup_free_ char *name = NULL;

        if (asprintf(&name, "%.*s%s", (int)(dot - o->name), o->name, suffixes[i]) < 0) {
            name = NULL;
            return -ENOMEM;
        }
        r = bodyworn_object_find(db, o->container, name, ret, err);
    }
    return r == BODYWORN_E_NONE ? 0 : r;
}

/* The object in Users of whoever recorded; 0 also when there is none. */
static int read_user(struct db *db, const struct bodyworn_container *c, struct bodyworn_object *ret,
                     struct error *err)
{
    _cleanup_(bodyworn_container_done) struct bodyworn_container users = {0};
    struct bodyworn_name name = {"", "", 0};
    const char *id = bodyworn_value(c->metadata, "userid");
    int r;

    (void)bodyworn_name_parse(c->name, &name);
    if (!id)
        id = name.user;
    if (!*id)
        return 0;
    r = bodyworn_container_find(db, c->device, "Users", &users, err);
    r = r != 0 ? r : bodyworn_object_find(db, users.id, id, ret, err);
    return r == BODYWORN_E_NONE ? 0 : r;
}

int place_bodyworn_sidecar(struct db *db, const struct bodyworn_container *c, const struct bodyworn_object *o,
                           json_t **ret, struct error *err)
{
    static const char *const clips[] = {".mkv", ".mp4"}, *const keys[] = {".key"};
    _cleanup_(bodyworn_object_done) struct bodyworn_object user = {0}, sibling = {0};
    _cleanup_json_ json_t *bookmarks = NULL;
    bool is_clip = strcmp(o->kind, "clip") == 0;
    struct bodyworn_known known;
    int64_t before = 0;
    int r = read_user(db, c, &user, err);

    if (r == 0 && strcmp(o->kind, "key") == 0)
        r = read_sibling(db, o, clips, ARRAY_SIZE(clips), &sibling, err);
    if (r == 0 && is_clip)
        r = read_sibling(db, o, keys, ARRAY_SIZE(keys), &sibling, err);
    if (r == 0 && is_clip)
        r = bodyworn_clips_before(db, c->id, o->name, &before, err);
    r = r != 0 ? r : bodyworn_objects_of_kind(db, c->id, "bookmark", &bookmarks, err);
    if (r != 0)
        return r;
    known = (struct bodyworn_known){.container_id = c->id,
                                    .container = c->name,
                                    .object = o->name,
                                    .container_metadata = c->metadata,
                                    .metadata = o->metadata,
                                    .clip = is_clip ? NULL : sibling.metadata,
                                    .user = user.metadata,
                                    .bookmarks = bookmarks,
                                    .has_key = is_clip && *sibling.id,
                                    .seq = is_clip ? before + 1 : 0};
    return bodyworn_sidecar(&known, ret);
}

int place_bodyworn(struct db *db, const char *recording, json_t *arrival, struct error *err)
{
    _cleanup_(bodyworn_container_done) struct bodyworn_container c = {0};
    _cleanup_(bodyworn_object_done) struct bodyworn_object o = {0};
    const char *door = json_get_string(arrival, "door"), *device = json_get_string(arrival, "device_id");
    json_t *sidecar;
    int r;

    if (!door || strcmp(door, "bodyworn") != 0)
        return 0;
    r = bodyworn_object_of(db, recording, device, &o, err);
    if (r == BODYWORN_E_NONE) /* the act about the object has not come yet */
        return 0;
    r = r != 0 ? r : bodyworn_container_read(db, o.container, &c, err);
    if (r == 0 && (!device || strcmp(c.device, device) != 0)) /* only whoever brought it speaks for it */
        return 0;
    r = r != 0 ? r : place_bodyworn_sidecar(db, &c, &o, &sidecar, err);
    return r != 0 ? r : json_set_take(arrival, "sidecar", sidecar);
}
