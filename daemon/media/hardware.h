/* SPDX-License-Identifier: GPL-3.0-or-later
 *
 * Whether the hardware that the settings name can be used: tried once, by the locked program itself, with a tiny job.
 */
#ifndef LIUHEN_MEDIA_HARDWARE_H
#define LIUHEN_MEDIA_HARDWARE_H

#include <stdbool.h>

#include "base/error.h"
#include "base/json.h"

#define HARDWARE_THREADS 12 /* that a driver may start beside ours */

struct hardware {
    const char *name;      /* "vaapi", "cuda", "qsv"; NULL: software */
    const char *device;    /* which, where the settings name one; NULL: the first */
    bool decodes, encodes; /* what it is used for; not both false where there is a name */
    char message
        [300]; /* what is so: "none", "vaapi decodes and encodes", or why something is done in software */
};

/* Whether this liuhen-media can have it at all. Return: 0 (also where it does not say how it is linked), -EINVAL: it is linked statically. */
int hardware_check(const char *path, const char *name, struct error *err);

/* name, device: of the settings, must outlive *ret; "none" is not tried. path: of liuhen-media. Never fails: what does not work is software. */
void hardware_try(const char *path, const char *name, const char *device, struct hardware *ret);

/* It as plans name it (PLAN.md); new object, NULL: out of memory. */
json_t *hardware_plan(const struct hardware *h);

#endif
