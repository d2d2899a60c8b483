/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Reading containers and objects of body-worn systems. An object is asked for by its name and means the newest of that name.
 * All return 0, DB_E_*, BODYWORN_E_NONE where it says so, or a negative errno (-EPROTO: what is stored is no JSON).
 */
#ifndef LIUHEN_CATALOGUE_BODYWORN_ROWS_H
#define LIUHEN_CATALOGUE_BODYWORN_ROWS_H

#include "base/json.h"
#include "base/ulid.h"
#include "catalogue/db.h"

enum {
    BODYWORN_E_NONE = 1601, /* no such container or object */
};

struct bodyworn_container {
    char id[ULID_LENGTH + 1], device[ULID_LENGTH + 1];
    char *name;
    char kind[16], status[16]; /* status "" = none */
    json_t *metadata;
};
void bodyworn_container_done(struct bodyworn_container *c);

struct bodyworn_object {
    char id[ULID_LENGTH + 1], container[ULID_LENGTH + 1],
        recording[ULID_LENGTH + 1]; /* recording "" = none */
    char *name, *type, *content;    /* content: base64; type and content may be NULL */
    char kind[16], etag[33];
    int64_t bytes, stored_usec, changed_usec;
    json_t *metadata, *detail; /* detail may be NULL */
};
void bodyworn_object_done(struct bodyworn_object *o);

/* Return: also BODYWORN_E_NONE. */
int bodyworn_container_find(struct db *db, const char *device, const char *name,
                            struct bodyworn_container *ret, struct error *err);
int bodyworn_container_read(struct db *db, const char *id, struct bodyworn_container *ret, struct error *err);
int bodyworn_object_find(struct db *db, const char *container, const char *name, struct bodyworn_object *ret,
                         struct error *err);
/* The first object whose bytes this recording is; those of this device (ULID; may be NULL) go before others', who may have sent the same
 * bytes. */
int bodyworn_object_of(struct db *db, const char *recording, const char *device, struct bodyworn_object *ret,
                       struct error *err);

/* What listings narrow down to; texts may be NULL. */
struct bodyworn_range {
    const char *prefix, *marker, *end_marker;
    int limit;
};
/* Arrays of {name, count, bytes} and {name, bytes, hash, type, changed}, by name. */
int bodyworn_containers_list(struct db *db, const char *device, const struct bodyworn_range *range,
                             json_t **ret, struct error *err);
int bodyworn_objects_list(struct db *db, const char *container, const struct bodyworn_range *range,
                          json_t **ret, struct error *err);
int bodyworn_container_sum(struct db *db, const char *container, int64_t *ret_objects, int64_t *ret_bytes,
                           struct error *err);
int bodyworn_account_sum(struct db *db, const char *device, int64_t *ret_containers, int64_t *ret_objects,
                         int64_t *ret_bytes, struct error *err);

/* How many clips of the container stand before this name. */
int bodyworn_clips_before(struct db *db, const char *container, const char *name, int64_t *ret,
                          struct error *err);

/* The newest objects of a kind in a container, each {name, recording?, metadata, detail?}; new array. */
int bodyworn_objects_of_kind(struct db *db, const char *container, const char *kind, json_t **ret,
                             struct error *err);

#endif
