/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What body-worn camera systems say, and what it means to us: names of containers and objects, times, places, GPS trails, and from
 * all that the facts that placing goes by. Pure: no catalogue, no HTTP, no clock. Fuzzed by tests/fuzz/fuzz-swift.c.
 *
 * Metadata are JSON objects of texts with keys in lower case, as doors/swift-names.c reads them from headers. What cannot be
 * understood is left out, never guessed and never a reason to refuse footage.
 */
#ifndef LIUHEN_CASES_BODYWORN_H
#define LIUHEN_CASES_BODYWORN_H

#include <stdbool.h>

#include "base/json.h"

enum bodyworn_container_kind {
    BODYWORN_SYSTEM,    /* "System": objects about the camera system itself */
    BODYWORN_USERS,     /* "Users": officers */
    BODYWORN_DEVICES,   /* "Devices": cameras */
    BODYWORN_RECORDING, /* <UserID>_<Serial>_<YYYYMMDDTHHMMSSZ> */
    BODYWORN_REJECTED, /* RejectedContent_<time>_<uuid>: what went wrong in the system; everything is taken */
    BODYWORN_OTHER,
};
const char *bodyworn_container_kind_name(enum bodyworn_container_kind kind);
enum bodyworn_container_kind bodyworn_container_kind(const char *name);

enum bodyworn_object_kind {
    BODYWORN_SETTING,  /* in System, Users, Devices */
    BODYWORN_CLIP,     /* <date>_<time>_<id>.mkv or .mp4 */
    BODYWORN_KEY,      /* <date>_<time>_<id>.key: opens an encrypted clip (or trail) */
    BODYWORN_BOOKMARK, /* bookmark_<time>_<id> */
    BODYWORN_TRAIL,    /* …_gpstrail.json */
    BODYWORN_FILE,
};
const char *bodyworn_object_kind_name(enum bodyworn_object_kind kind);
enum bodyworn_object_kind bodyworn_object_kind(enum bodyworn_container_kind container, const char *name);

/* The parts of a recording's container. */
struct bodyworn_name {
    char user[101], serial[101];
    int64_t usec;
};
/* Also <UserID>_<Serial>_<date>_<time>, as older systems write it. */
bool bodyworn_name_parse(const char *name, struct bodyworn_name *ret);

/* The time at the beginning of a clip's, key's or trail's name (UTC), INT64_MIN = none. */
int64_t bodyworn_clip_usec(const char *name);

/* A time in metadata: seconds since 1970 (also with a fraction; 13 digits are milliseconds) or RFC 3339. Return: 0 or -EINVAL. */
int bodyworn_time(const char *text, int64_t *ret_usec);

/* "lat long accuracy epoch", the last two may be absent. Degrees × 10⁷, accuracy in mm (-1: not said), time INT64_MIN: not said. */
struct bodyworn_location {
    int64_t latitude, longitude, accuracy_mm, usec;
};
/* Return: 0 or -EINVAL. */
int bodyworn_location(const char *text, struct bodyworn_location *ret);

/* The first and the last point of a GPS trail and how many there are: {points, passed_over?, first, last: {latitude, longitude (degrees
 * × 10⁷), time?}}; or {fault} when it is none. New object; NULL = no memory. */
json_t *bodyworn_trail(const char *text, size_t size);

/* The same trail as GPX 1.1, whole: entries that are no positions are passed over. At most 1 MiB, as bodyworn_trail. New string.
 * Return: 0, -EINVAL (no trail; err says why), -ENODATA (no position in it), -ENOMEM. */
int bodyworn_trail_gpx(const char *text, size_t size, char **ret, struct error *err);

/* "k:v;k:v" as an object; what is no pair is passed over, of equal keys the first counts. New object; NULL = no memory. */
json_t *bodyworn_tags(const char *text);

/* A key of ours among metadata: how many others could not be kept. */
#define BODYWORN_LEFT_OUT "liuhen-left-out"

/* How long a system may make the value of this key (of metadata); longer ones are kept and noted. */
size_t bodyworn_limit(const char *key);

/* A value of metadata; NULL when absent or empty. */
const char *bodyworn_value(const json_t *metadata, const char *key);
/* The time under key, or under the same key with "iso" at its end; INT64_MIN = none. */
int64_t bodyworn_value_usec(const json_t *metadata, const char *key);

/* What is known of one object. Borrowed. */
struct bodyworn_known {
    const char *container_id, *container, *object; /* ULID (the take), names */
    const json_t *container_metadata, *metadata;
    const json_t *clip;      /* of a key: the metadata of the clip that it opens; NULL = not known */
    const json_t *user;      /* metadata of the officer's object in Users; NULL = not known */
    const json_t *bookmarks; /* array of {metadata, …} of the same container; NULL = none */
    bool has_key;            /* of a clip: it is encrypted, and its key is kept */
    int64_t seq;             /* of a clip, from 1; 0 = not known */
};

/* The facts for placing, as a sidecar (see place-facts.h), with take, notes [sentences] and proposals [{value, name, source}].
 * Return: 0, -ENOMEM. */
int bodyworn_sidecar(const struct bodyworn_known *known, json_t **ret);

#endif
