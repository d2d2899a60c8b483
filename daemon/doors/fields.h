/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * What a sender says of the file that it brings: form fields, query parameters, tus metadata. All doors know the same names:
 *
 *   filename, name     the original's file name; filename counts where both are there (browsers send both)
 *   path               how the sender calls it ("DCIM/100/clip.mp4"), for placing rules
 *   filetype, type     its media type
 *   device officer unit case role step started ended channel seq    as in a sidecar: placing reads them (cases/place-facts.c)
 *   recorded           the same as started
 *   mtime              of the file: µs since 1970, or a time such as 2026-11-23T09:05:07+08:00
 *   clock_offset       camera's clock minus ours, µs
 *   clock_method       how that was measured: plug-in-file, future-file (at least so much), or the sender's own word
 *
 * Texts are kept word for word; what is no clean UTF-8 is kept percent-encoded, so that nothing of what was said is lost. Names of files
 * keep their bytes; what leads anywhere ("..", a drive) goes from their paths (http/params.h). Only what cannot be kept is refused.
 * Pure: a struct fields belongs to one request.
 */
#ifndef LIUHEN_DOORS_FIELDS_H
#define LIUHEN_DOORS_FIELDS_H

#include "cases/devices.h"
#include "intake/upload.h"

#define FIELD_TEXT_MAX 500 /* bytes of a text: all of them, percent-encoded, must fit into one act */
#define FIELD_PATH_MAX 4096

struct fields {
    char *name, *path;         /* NULL = not said */
    int64_t mtime_usec;        /* 0 = not said */
    int64_t clock_offset_usec; /* INT64_MIN = not said */
    json_t *sidecar;           /* NULL = nothing said */
    unsigned seen;             /* which fields have come */
};
#define FIELDS_INIT                                                                                          \
    {                                                                                                        \
        .clock_offset_usec = INT64_MIN                                                                       \
    }
void fields_done(struct fields *f);

/* Takes one field; value: any bytes. An empty value says nothing. zone: of times without one (NULL = UTC). Return: 0, 1 (not one of ours:
 * left aside), -EINVAL (given twice, too long, no number or time; err says what would be right), -ENOMEM. */
int fields_set(struct fields *f, const char *name, const void *value, size_t size, const struct zone *zone,
               struct error *err);

/* Whether this device (NULL = a person) may say this: a camera never speaks for another one; docks and camera systems deliver what
 * other cameras recorded. Return: 0 or -EACCES (403). */
int fields_allow(const struct fields *f, const struct device *device, struct error *err);

/* Adds what was said to the facts of an arrival (as upload_origin.facts and upload_add_facts take them). Return: 0 or -ENOMEM. */
int fields_facts(const struct fields *f, json_t *facts);

/* The same, and name, path and mtime, into the origin that doors_origin has begun; its texts are borrowed from f. */
int fields_origin(const struct fields *f, struct upload_origin *origin);

#endif
