/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Keeping what body-worn systems say: each call is one job of the writer, with its acts, and with placing again whatever recordings
 * it says something about. Nothing is overwritten: other bytes under a known name are a further object; saying the same twice is no
 * act. All may block; all return 0, BODYWORN_E_NONE, or what the writer gave (-EAGAIN: 503).
 */
#ifndef LIUHEN_DOORS_BODYWORN_STORE_H
#define LIUHEN_DOORS_BODYWORN_STORE_H

#include "base/json.h"
#include "catalogue/bodyworn-rows.h"
#include "catalogue/writer.h"
#include "intake/intake.h"

#define BODYWORN_ACTOR "door:bodyworn"

struct bodyworn_keep {
    struct writer *writer;
    struct intake *intake;
    const char *device; /* ULID of the system */
};

/* What one says of a container. */
struct bodyworn_container_said {
    const char *name;
    const json_t *metadata; /* merged into what is known; an empty text takes a value away; borrowed */
    bool create;            /* else it must be there: BODYWORN_E_NONE */
    /* out */
    char id[ULID_LENGTH + 1];
    bool created;
};
int bodyworn_keep_container(const struct bodyworn_keep *k, struct bodyworn_container_said *said,
                            struct error *err);

/* What one says of an object with its bytes. Everything is borrowed. */
struct bodyworn_object_said {
    const char *container;                                       /* ULID */
    const char *name, *kind, *recording, *etag, *type, *content; /* recording, type and content may be NULL */
    int64_t bytes;
    const json_t *metadata, *detail; /* detail may be NULL */
};
int bodyworn_keep_object(const struct bodyworn_keep *k, const struct bodyworn_object_said *said,
                         struct error *err);

/* Puts metadata in the place of an object's. Return: also BODYWORN_E_NONE. */
int bodyworn_keep_metadata(const struct bodyworn_keep *k, const char *container, const char *name,
                           const json_t *metadata, struct error *err);

#endif
